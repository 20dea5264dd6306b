/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Key derivation and the Encrypted payload of IKEv2, on OpenSSL 3; ke.h has the
 * key exchanges. No protocol, no state beyond what the caller holds.
 */
#ifndef CYGNETD_CRYPTO_H
#define CYGNETD_CRYPTO_H

#include <openssl/types.h>

#include "message.h"
#include "types.h"

#define CRYPTO_KEY_MAX		68	/* longest SK_ key, with salt */
#define CRYPTO_PRF_MAX		64
#define CRYPTO_HASH_LEN		32	/* SHA-256, for recognising messages */

#define SUITE_ADDKE_MAX	7

/* What an IKE SA negotiated: transform ids. */
struct ike_suite {
	u16 suite_encr;
	u16 suite_encr_bits;
	u16 suite_prf;
	u16 suite_integ;		/* INTEG_NONE with an AEAD */
	u16 suite_ke;
	u8 suite_n_addke;
	u16 suite_addke[SUITE_ADDKE_MAX];	/* RFC 9370, in their order */
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
/* What key exchanges gave: the first, and all that came after it, if any. */
struct ike_secret {
	struct msg_blob sec_first, sec_more;
};

/*
 * The same for an SA in place of another (RFC 7296 section 2.18, RFC 9370
 * section 2.2.4): SKEYSEED comes from the old one's SK_d by the old one's PRF.
 * And after an additional key exchange: from its own (RFC 9370 section 2.2.2).
 */
bool crypto_ike_rekey(struct ike_keys *keys, const struct ike_suite *suite,
		      u16 old_prf, const struct ike_key *old_d,
		      const struct ike_secret *secret,
		      const struct msg_blob *ni, const struct msg_blob *nr,
		      const u8 *spi_i, const u8 *spi_r);
/* KEYMAT of a child SA; an empty secret without a key exchange of its own. */
bool crypto_child_keys(u16 prf, const struct ike_key *d,
		       const struct ike_secret *secret,
		       const struct msg_blob *ni, const struct msg_blob *nr,
		       u8 *out, size_t len);

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

#endif
