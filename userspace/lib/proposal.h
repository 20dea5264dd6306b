/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Algorithms and proposals: IKEv2 transforms (RFC 7296 section 3.3) as plain
 * data, and the words that people write and read for them. One table in
 * proposal.c says what each algorithm is called, what this release can do and
 * why the rest is refused (RFC 8221, 8247, 9395).
 */
#ifndef CYGNET_LIB_PROPOSAL_H
#define CYGNET_LIB_PROPOSAL_H

#include "types.h"

/* Protocol ids of a proposal. */
enum {
	PROTO_IKE = 1,
	PROTO_AH = 2,
	PROTO_ESP = 3,
};

enum transform_type {
	TRANSFORM_ENCR = 1,
	TRANSFORM_PRF = 2,
	TRANSFORM_INTEG = 3,
	TRANSFORM_KE = 4,
	TRANSFORM_ESN = 5,
	TRANSFORM_ADDKE1 = 6,
	TRANSFORM_ADDKE7 = 12,
};

enum {
	ENCR_DES_IV64 = 1,
	ENCR_DES = 2,
	ENCR_3DES = 3,
	ENCR_RC5 = 4,
	ENCR_IDEA = 5,
	ENCR_CAST = 6,
	ENCR_BLOWFISH = 7,
	ENCR_3IDEA = 8,
	ENCR_DES_IV32 = 9,
	ENCR_NULL = 11,
	ENCR_AES_CBC = 12,
	ENCR_AES_CTR = 13,
	ENCR_AES_CCM_8 = 14,
	ENCR_AES_CCM_12 = 15,
	ENCR_AES_CCM_16 = 16,
	ENCR_AES_GCM_8 = 18,
	ENCR_AES_GCM_12 = 19,
	ENCR_AES_GCM_16 = 20,
	ENCR_NULL_AES_GMAC = 21,
	ENCR_CAMELLIA_CBC = 23,
	ENCR_CHACHA20_POLY1305 = 28,
};

enum {
	PRF_HMAC_MD5 = 1,
	PRF_HMAC_SHA1 = 2,
	PRF_HMAC_TIGER = 3,
	PRF_AES128_XCBC = 4,
	PRF_HMAC_SHA2_256 = 5,
	PRF_HMAC_SHA2_384 = 6,
	PRF_HMAC_SHA2_512 = 7,
	PRF_AES128_CMAC = 8,
};

enum {
	INTEG_NONE = 0,
	INTEG_HMAC_MD5_96 = 1,
	INTEG_HMAC_SHA1_96 = 2,
	INTEG_DES_MAC = 3,
	INTEG_KPDK_MD5 = 4,
	INTEG_AES_XCBC_96 = 5,
	INTEG_HMAC_MD5_128 = 6,
	INTEG_HMAC_SHA1_160 = 7,
	INTEG_AES_CMAC_96 = 8,
	INTEG_AES_128_GMAC = 9,
	INTEG_AES_192_GMAC = 10,
	INTEG_AES_256_GMAC = 11,
	INTEG_HMAC_SHA2_256_128 = 12,
	INTEG_HMAC_SHA2_384_192 = 13,
	INTEG_HMAC_SHA2_512_256 = 14,
};

enum {
	KE_NONE = 0,
	KE_MODP_768 = 1,
	KE_MODP_1024 = 2,
	KE_MODP_1536 = 5,
	KE_MODP_2048 = 14,
	KE_MODP_3072 = 15,
	KE_MODP_4096 = 16,
	KE_MODP_6144 = 17,
	KE_MODP_8192 = 18,
	KE_ECP_256 = 19,
	KE_ECP_384 = 20,
	KE_ECP_521 = 21,
	KE_MODP_1024_160 = 22,
	KE_MODP_2048_224 = 23,
	KE_MODP_2048_256 = 24,
	KE_X25519 = 31,
	KE_X448 = 32,
	KE_ML_KEM_512 = 35,
	KE_ML_KEM_768 = 36,
	KE_ML_KEM_1024 = 37,
};

enum {
	ESN_NO = 0,
	ESN_YES = 1,
};

struct transform {
	u8 tr_type;		/* enum transform_type */
	u16 tr_id;
	u16 tr_key_bits;	/* key length attribute, 0 if there is none */
};

#define PROPOSAL_TRANSFORMS_MAX	32
#define PROPOSALS_MAX		8

/* Transforms stand in order of type, within a type in order of preference. */
struct proposal {
	u8 prop_protocol;	/* PROTO_IKE, PROTO_ESP, PROTO_AH */
	u8 prop_count;
	struct transform prop_transforms[PROPOSAL_TRANSFORMS_MAX];
};

/* Whether a key exchange withstands quantum computers, as far as is known. */
bool ke_is_quantum(u16 id);
/* Whether the OpenSSL that we run with can do it. */
bool ke_at_hand(u16 id);
/* Whatever is chosen from it has such a key exchange. */
bool proposal_is_quantum(const struct proposal *prop);

/* Combined-mode cipher: no INTEG transform goes with it (RFC 5282). */
bool encr_is_aead(u16 id);

/*
 * Reads words joined by '-', for example "aes256gcm-sha256-x25519" (ike) or
 * "aes256gcm-aes128gcm-x25519-esn" (esp); several of one kind are alternatives
 * in order of preference. In an ike proposal a hash names the PRF beside an
 * AEAD, and integrity and PRF beside CBC; "prfsha256" names only the PRF. In
 * esp a key exchange asks for perfect forward secrecy, "none" makes it
 * optional; an ah proposal ("sha256-x25519") is the same without a cipher.
 * "x25519+mlkem768" does one key exchange after the other (RFC 9370); further
 * alternatives for the second have one + before them, "+mlkem1024", those for
 * the third two, and "+none" makes the second optional. Without esn or noesn the
 * proposal carries no ESN transform: proposal_set_esn() adds it.
 *
 * Returns false with the reason in err. Whatever is not in this release, or is
 * forbidden by the RFCs, is refused; legacy algorithms are taken because they
 * are named, and *legacy (if not NULL) then points to the first one's name.
 */
bool proposal_parse(struct proposal *prop, u8 protocol, const char *text,
		    const char **legacy, char *err, size_t err_size);
/* Adds ESN (preferred) and no ESN, or no ESN alone, unless it has one. */
void proposal_set_esn(struct proposal *prop, bool esn);
/* The same words back. */
const char *proposal_print(const struct proposal *prop, char *buf, size_t size);
/*
 * For log lines: "ENCR AES-GCM-16-256 PRF HMAC-SHA2-256 KE X25519", with
 * alternatives joined by '/'. Also for what a peer offers.
 */
const char *proposal_describe(const struct proposal *prop, char *buf,
			      size_t size);
#define PROPOSAL_STRLEN	1024

/*
 * The safe defaults, of which this OpenSSL may lack some; returns how many (at
 * most PROPOSALS_MAX).
 */
size_t proposal_defaults(struct proposal props[PROPOSALS_MAX], u8 protocol);
/* The same in words, as they would stand in the configuration. */
#define IKE_DEFAULT_TEXT \
	"aes256gcm-aes128gcm-chacha20poly1305-sha256-sha384-sha512-" \
	"x25519+mlkem768, " \
	"aes256gcm-aes128gcm-chacha20poly1305-sha256-sha384-sha512-x25519-ecp256-modp2048, " \
	"aes256-aes128-sha256-sha384-sha512-x25519-ecp256-modp2048"
#define ESP_DEFAULT_TEXT \
	"aes256gcm-aes128gcm-chacha20poly1305-x25519-ecp256-modp2048-none"

/* Adds one transform; false when full. */
bool proposal_add(struct proposal *prop, u8 type, u16 id, u16 key_bits);
/* First transform of that type, or NULL. */
const struct transform *proposal_first(const struct proposal *prop, u8 type);
bool proposal_has(const struct proposal *prop, const struct transform *tr);
bool transform_equal(const struct transform *a, const struct transform *b);

/* "ENCR", "PRF", "INTEG", "KE", "ESN", "ADDKE1", or "TYPE n". */
const char *transform_type_name(u8 type, char buf[16]);
/* "AES-GCM-16-256", "X25519", "yes", …; the number for what is unknown. */
#define TRANSFORM_STRLEN	48
const char *transform_name(const struct transform *tr,
			   char buf[TRANSFORM_STRLEN]);
/* The configuration's word ("aes256gcm"), or NULL. */
const char *transform_word(const struct transform *tr);
/*
 * NULL if this release can do it in that protocol, else the reason why not;
 * legacy algorithms are allowed here. For judging what a peer offers.
 */
const char *transform_refusal(const struct transform *tr, u8 protocol);

/*
 * An ESP cipher by its word, for keying by hand: id, key bits, and the bytes
 * of key and salt together. Returns false with the reason in err.
 */
bool esp_cipher_parse(struct transform *tr, size_t *key_len, const char *word,
		      char *err, size_t err_size);
/* The same for the integrity algorithm beside a cipher, or of AH. */
bool esp_integ_parse(u16 *id, const char *word, char *err, size_t err_size);
/* Bytes of an INTEG transform's key in KEYMAT, 0 if unknown. */
size_t integ_keymat_len(u16 id);
/* Bytes of key and salt of an ENCR transform in KEYMAT, 0 if unknown or NULL. */
size_t encr_keymat_len(const struct transform *tr);

#endif
