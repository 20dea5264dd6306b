/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All cryptography of IKEv2, on OpenSSL 3: key exchange, key derivation, and
 * the Encrypted payload. No protocol, no state beyond what the caller holds.
 */
#ifndef CYGNETD_CRYPTO_H
#define CYGNETD_CRYPTO_H

#include <openssl/types.h>

#include "message.h"
#include "types.h"

#define CRYPTO_KEY_MAX		68	/* longest SK_ key, with salt */
#define CRYPTO_PRF_MAX		64
#define CRYPTO_KE_MAX		256	/* longest public value or secret */
#define CRYPTO_HASH_LEN		32	/* SHA-256, for recognising messages */

/* What an IKE SA negotiated: transform ids. */
struct ike_suite {
	u16 suite_encr;
	u16 suite_encr_bits;
	u16 suite_prf;
	u16 suite_integ;		/* INTEG_NONE with an AEAD */
	u16 suite_ke;
};

struct ike_key {
	size_t key_len;
	u8 key_data[CRYPTO_KEY_MAX];
};

/* RFC 7296 section 2.14. */
struct ike_keys {
	struct ike_key keys_d;
	struct ike_key keys_ai, keys_ar;
	struct ike_key keys_ei, keys_er;
	struct ike_key keys_pi, keys_pr;
};

/*
 * One side of a key exchange: ke_run() makes our pair if there is none, and
 * the shared secret if the peer's value is there. For slow groups it belongs
 * on another thread, and touches nothing but this struct.
 */
struct ke {
	u16 ke_group;
	EVP_PKEY *ke_pair;
	size_t ke_public_len, ke_peer_len, ke_secret_len;
	u8 ke_public[CRYPTO_KE_MAX];
	u8 ke_peer[CRYPTO_KE_MAX];
	u8 ke_secret[CRYPTO_KE_MAX];
	bool ke_failed;
};

/* Fetches all algorithms, once; before any sandbox. False without OpenSSL. */
bool crypto_init(void);
bool crypto_random(void *buf, size_t len);
void crypto_hash(const void *data, size_t len, u8 out[CRYPTO_HASH_LEN]);
void crypto_sha1(const void *data, size_t len, u8 out[20]);

/* Output of the PRF, which is also its preferred key length; 0 if unknown. */
size_t crypto_prf_len(u16 prf);
/* prf(key, parts joined) */
bool crypto_prf(u16 prf, const struct msg_blob *key,
		const struct msg_blob *parts, size_t count, u8 *out);
/* prf+(key, parts joined), RFC 7296 section 2.13; at most 255 rounds. */
bool crypto_prf_plus(u16 prf, const struct msg_blob *key,
		     const struct msg_blob *parts, size_t count, u8 *out,
		     size_t len);

/* True if every algorithm of the suite is at hand. */
bool crypto_suite_ok(const struct ike_suite *suite);
/* SKEYSEED and the seven keys; nonces as in the messages. */
bool crypto_ike_keys(struct ike_keys *keys, const struct ike_suite *suite,
		     const struct msg_blob *secret, const struct msg_blob *ni,
		     const struct msg_blob *nr, const u8 *spi_i,
		     const u8 *spi_r);
/*
 * The same for an SA in place of another (RFC 7296 section 2.18): SKEYSEED
 * comes from the old one's SK_d by the old one's PRF.
 */
bool crypto_ike_rekey(struct ike_keys *keys, const struct ike_suite *suite,
		      u16 old_prf, const struct ike_key *old_d,
		      const struct msg_blob *secret, const struct msg_blob *ni,
		      const struct msg_blob *nr, const u8 *spi_i,
		      const u8 *spi_r);
/* KEYMAT of a child SA; an empty secret without a key exchange of its own. */
bool crypto_child_keys(u16 prf, const struct ike_key *d,
		       const struct msg_blob *secret, const struct msg_blob *ni,
		       const struct msg_blob *nr, u8 *out, size_t len);

/* Bytes of an ESP integrity key; 0 for none or unknown. */
size_t crypto_integ_key_len(u16 integ);

size_t crypto_iv_len(const struct ike_suite *suite);
size_t crypto_icv_len(const struct ike_suite *suite);
/* Padding that @len bytes, the pad length byte included, still need. */
size_t crypto_pad_len(const struct ike_suite *suite, size_t len);

/**
 * crypto_seal() - protect a message in place
 * @suite: algorithms
 * @encr: encryption key with salt
 * @integ: integrity key, unused with an AEAD
 * @counter: becomes the IV of an AEAD; never twice the same under one key
 * @msg: the whole message: header, generic header, room for the IV, padded
 *	plaintext, room for the checksum
 * @iv: offset of the IV; everything before it is authenticated only
 * @len: length of the whole
 *
 * Return: false if the cipher failed.
 */
bool crypto_seal(const struct ike_suite *suite, const struct ike_key *encr,
		 const struct ike_key *integ, u64 counter, u8 *msg, size_t iv,
		 size_t len);

/**
 * crypto_open() - check and decrypt a message
 * @suite: algorithms
 * @encr: encryption key with salt
 * @integ: integrity key, unused with an AEAD
 * @msg: the whole message, not written to
 * @iv: offset of the IV
 * @len: length of the whole
 * @out: at least @len bytes, for the plaintext without its padding
 * @out_len: its length
 *
 * Return: false if it is not authentic or its padding is wrong.
 */
bool crypto_open(const struct ike_suite *suite, const struct ike_key *encr,
		 const struct ike_key *integ, const u8 *msg, size_t iv,
		 size_t len, u8 *out, size_t *out_len);

/* Length of a public value; 0 for a group that we cannot do. */
size_t ke_len(u16 group);
/* Takes over 0.2 ms, so not on the main thread. */
bool ke_slow(u16 group);
struct ke *ke_new(u16 group);
void ke_free(struct ke *ke);
/* Our pair in DER, to be freed by OPENSSL_clear_free(); 0 without one. */
size_t ke_save(const struct ke *ke, u8 **der);
/* Gives a pair to one that has none yet; false if it is none. */
bool ke_load(struct ke *ke, const u8 *der, size_t len);
/* NULL and the value taken, or what is wrong with it (RFC 6989). */
const char *ke_set_peer(struct ke *ke, const u8 *data, size_t len);
void ke_run(void *arg);

#endif
