// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * IKEv2's cryptography. Algorithms are fetched once: a fetch by name for each
 * use costs more than most of the uses.
 */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "crypto.h"
#include "ke.h"
#include "wire.h"

#define AEAD_IV_LEN	8
#define AEAD_SALT_LEN	4
#define AEAD_ICV_LEN	16
#define CBC_BLOCK	16
#define HMAC_MAX	64

enum { CIPHER_GCM_128, CIPHER_GCM_192, CIPHER_GCM_256, CIPHER_CBC_128,
	CIPHER_CBC_192, CIPHER_CBC_256, CIPHER_CHACHA, CIPHERS };
enum { MD_SHA1, MD_SHA256, MD_SHA384, MD_SHA512, MDS };

static const struct {
	u16 cipher_encr, cipher_bits;
	u8 cipher_key;			/* bytes, without salt */
	const char *cipher_name;
} ciphers[CIPHERS] = {
	[CIPHER_GCM_128] = { ENCR_AES_GCM_16, 128, 16, "AES-128-GCM" },
	[CIPHER_GCM_192] = { ENCR_AES_GCM_16, 192, 24, "AES-192-GCM" },
	[CIPHER_GCM_256] = { ENCR_AES_GCM_16, 256, 32, "AES-256-GCM" },
	[CIPHER_CBC_128] = { ENCR_AES_CBC, 128, 16, "AES-128-CBC" },
	[CIPHER_CBC_192] = { ENCR_AES_CBC, 192, 24, "AES-192-CBC" },
	[CIPHER_CBC_256] = { ENCR_AES_CBC, 256, 32, "AES-256-CBC" },
	[CIPHER_CHACHA] = { ENCR_CHACHA20_POLY1305, 0, 32,
			    "ChaCha20-Poly1305" },
};

static const struct {
	const char *md_name;
	u8 md_len;
} mds[MDS] = {
	[MD_SHA1] = { "SHA1", 20 },
	[MD_SHA256] = { "SHA256", 32 },
	[MD_SHA384] = { "SHA384", 48 },
	[MD_SHA512] = { "SHA512", 64 },
};

static struct {
	bool lib_ready;
	struct evp_cipher_st *lib_ciphers[CIPHERS];
	struct evp_md_st *lib_mds[MDS];
	EVP_MAC *lib_hmac;
} lib;

bool crypto_init(void)
{
	unsigned int i;

	if (lib.lib_ready)
		return true;
	for (i = 0; i < CIPHERS; i++) {
		lib.lib_ciphers[i] = EVP_CIPHER_fetch(NULL,
						      ciphers[i].cipher_name,
						      NULL);
		if (!lib.lib_ciphers[i])
			return false;
	}
	for (i = 0; i < MDS; i++) {
		lib.lib_mds[i] = EVP_MD_fetch(NULL, mds[i].md_name, NULL);
		if (!lib.lib_mds[i])
			return false;
	}
	lib.lib_hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	lib.lib_ready = lib.lib_hmac && ke_init();
	return lib.lib_ready;
}

bool crypto_random(void *buf, size_t len)
{
	return RAND_bytes(buf, (int)len) == 1;
}

void crypto_hash(const void *data, size_t len, u8 out[CRYPTO_HASH_LEN])
{
	if (!EVP_Digest(data, len, out, NULL, lib.lib_mds[MD_SHA256], NULL))
		abort();	/* SHA-256 of memory: only without memory */
}

void crypto_sha1(const void *data, size_t len, u8 out[20])
{
	if (!EVP_Digest(data, len, out, NULL, lib.lib_mds[MD_SHA1], NULL))
		abort();
}

static int prf_md(u16 prf)
{
	switch (prf) {
	case PRF_HMAC_SHA1:
		return MD_SHA1;
	case PRF_HMAC_SHA2_256:
		return MD_SHA256;
	case PRF_HMAC_SHA2_384:
		return MD_SHA384;
	case PRF_HMAC_SHA2_512:
		return MD_SHA512;
	}
	return -1;
}

static int integ_md(u16 integ)
{
	switch (integ) {
	case INTEG_HMAC_SHA1_96:
		return MD_SHA1;
	case INTEG_HMAC_SHA2_256_128:
		return MD_SHA256;
	case INTEG_HMAC_SHA2_384_192:
		return MD_SHA384;
	case INTEG_HMAC_SHA2_512_256:
		return MD_SHA512;
	}
	return -1;
}

static int find_cipher(u16 encr, u16 bits)
{
	int i;

	for (i = 0; i < CIPHERS; i++)
		if (ciphers[i].cipher_encr == encr &&
		    ciphers[i].cipher_bits == bits)
			return i;
	return -1;
}

size_t crypto_prf_len(u16 prf)
{
	int md = prf_md(prf);

	return md < 0 ? 0 : mds[md].md_len;
}

size_t crypto_integ_key_len(u16 integ)
{
	int md = integ_md(integ);

	return md < 0 ? 0 : mds[md].md_len;
}

static bool hmac(int md, const struct msg_blob *key,
		 const struct msg_blob *parts, size_t count, u8 *out)
{
	OSSL_PARAM params[2] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
						 (char *)mds[md].md_name, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(lib.lib_hmac);
	bool ok = false;
	size_t i, len;

	if (!ctx || !EVP_MAC_init(ctx, key->blob_data, key->blob_len, params))
		goto free;
	for (i = 0; i < count; i++)
		if (parts[i].blob_len &&
		    !EVP_MAC_update(ctx, parts[i].blob_data,
				    parts[i].blob_len))
			goto free;
	ok = EVP_MAC_final(ctx, out, &len, mds[md].md_len);
free:
	EVP_MAC_CTX_free(ctx);
	return ok;
}

bool crypto_prf(u16 prf, const struct msg_blob *key,
		const struct msg_blob *parts, size_t count, u8 *out)
{
	int md = prf_md(prf);

	return md >= 0 && hmac(md, key, parts, count, out);
}

#define PRF_PLUS_PARTS	6

bool crypto_prf_plus(u16 prf, const struct msg_blob *key,
		     const struct msg_blob *parts, size_t count, u8 *out,
		     size_t len)
{
	struct msg_blob round[PRF_PLUS_PARTS + 2];
	size_t step = crypto_prf_len(prf);
	u8 block[CRYPTO_PRF_MAX], number = 0;
	bool ok = step && count <= PRF_PLUS_PARTS && len <= 255 * step;

	if (ok)
		memcpy(round + 1, parts, count * sizeof(*parts));
	round[0] = (struct msg_blob){ block, 0 };
	round[count + 1] = (struct msg_blob){ &number, 1 };
	while (ok && len) {
		size_t take = len < step ? len : step;

		number++;
		ok = crypto_prf(prf, key, round, count + 2, block);
		if (!ok)
			break;
		round[0].blob_len = step;
		memcpy(out, block, take);
		out += take;
		len -= take;
	}
	OPENSSL_cleanse(block, sizeof(block));
	return ok;
}

static size_t suite_key_len(const struct ike_suite *suite)
{
	int cipher = find_cipher(suite->suite_encr, suite->suite_encr_bits);

	if (cipher < 0)
		return 0;
	return ciphers[cipher].cipher_key +
		(encr_is_aead(suite->suite_encr) ? AEAD_SALT_LEN : 0);
}

bool crypto_suite_ok(const struct ike_suite *suite)
{
	if (!suite_key_len(suite) || !crypto_prf_len(suite->suite_prf) ||
	    !ke_len(suite->suite_ke) || suite->suite_n_addke > SUITE_ADDKE_MAX)
		return false;
	return encr_is_aead(suite->suite_encr) ?
		suite->suite_integ == INTEG_NONE :
		crypto_integ_key_len(suite->suite_integ) != 0;
}

/* Cuts the keys from SKEYSEED's expansion, in the order of section 2.14. */
static void cut_keys(struct ike_keys *keys, const struct ike_suite *suite,
		     const u8 *p)
{
	size_t prf = crypto_prf_len(suite->suite_prf);
	size_t integ = crypto_integ_key_len(suite->suite_integ);
	size_t encr = suite_key_len(suite);
	struct {
		struct ike_key *cut_key;
		size_t cut_len;
	} cuts[] = {
		{ &keys->keys_d, prf },
		{ &keys->keys_ai, integ }, { &keys->keys_ar, integ },
		{ &keys->keys_ei, encr }, { &keys->keys_er, encr },
		{ &keys->keys_pi, prf }, { &keys->keys_pr, prf },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cuts); i++) {
		cuts[i].cut_key->key_len = cuts[i].cut_len;
		memcpy(cuts[i].cut_key->key_data, p, cuts[i].cut_len);
		p += cuts[i].cut_len;
	}
}

/* All seven keys from SKEYSEED, which is wiped. */
static bool expand_keys(struct ike_keys *keys, const struct ike_suite *suite,
			u8 *seed, size_t seed_len,
			const struct msg_blob *ni, const struct msg_blob *nr,
			const u8 *spi_i, const u8 *spi_r)
{
	size_t len = 3 * crypto_prf_len(suite->suite_prf) +
		2 * crypto_integ_key_len(suite->suite_integ) +
		2 * suite_key_len(suite);
	struct msg_blob parts[] = {
		*ni, *nr, { spi_i, MSG_SPI_LEN }, { spi_r, MSG_SPI_LEN },
	};
	struct msg_blob key = { seed, seed_len };
	u8 material[7 * CRYPTO_KEY_MAX];
	bool ok;

	ok = crypto_prf_plus(suite->suite_prf, &key, parts, ARRAY_SIZE(parts),
			     material, len);
	if (ok)
		cut_keys(keys, suite, material);
	OPENSSL_cleanse(seed, seed_len);
	OPENSSL_cleanse(material, sizeof(material));
	return ok;
}

bool crypto_ike_keys(struct ike_keys *keys, const struct ike_suite *suite,
		     const struct msg_blob *secret, const struct msg_blob *ni,
		     const struct msg_blob *nr, const u8 *spi_i,
		     const u8 *spi_r)
{
	u8 nonces[2 * MSG_NONCE_MAX], seed[CRYPTO_PRF_MAX];
	struct msg_blob key = { nonces, ni->blob_len + nr->blob_len };

	memcpy(nonces, ni->blob_data, ni->blob_len);
	memcpy(nonces + ni->blob_len, nr->blob_data, nr->blob_len);
	return crypto_prf(suite->suite_prf, &key, secret, 1, seed) &&
		expand_keys(keys, suite, seed, crypto_prf_len(suite->suite_prf),
			    ni, nr, spi_i, spi_r);
}

bool crypto_ike_rekey(struct ike_keys *keys, const struct ike_suite *suite,
		      u16 old_prf, const struct ike_key *old_d,
		      const struct ike_secret *secret,
		      const struct msg_blob *ni, const struct msg_blob *nr,
		      const u8 *spi_i, const u8 *spi_r)
{
	struct msg_blob parts[] = { secret->sec_first, *ni, *nr,
				    secret->sec_more };
	struct msg_blob key = { old_d->key_data, old_d->key_len };
	u8 seed[CRYPTO_PRF_MAX];

	return crypto_prf(old_prf, &key, parts, ARRAY_SIZE(parts), seed) &&
		expand_keys(keys, suite, seed, crypto_prf_len(old_prf), ni, nr,
			    spi_i, spi_r);
}

bool crypto_child_keys(u16 prf, const struct ike_key *d,
		       const struct ike_secret *secret,
		       const struct msg_blob *ni, const struct msg_blob *nr,
		       u8 *out, size_t len)
{
	struct msg_blob parts[] = { secret->sec_first, *ni, *nr,
				    secret->sec_more };
	struct msg_blob key = { d->key_data, d->key_len };

	return crypto_prf_plus(prf, &key, parts, ARRAY_SIZE(parts), out, len);
}

size_t crypto_iv_len(const struct ike_suite *suite)
{
	return encr_is_aead(suite->suite_encr) ? AEAD_IV_LEN : CBC_BLOCK;
}

size_t crypto_icv_len(const struct ike_suite *suite)
{
	switch (suite->suite_integ) {
	case INTEG_NONE:
		return AEAD_ICV_LEN;
	case INTEG_HMAC_SHA1_96:
		return 12;
	}
	return crypto_integ_key_len(suite->suite_integ) / 2;
}

size_t crypto_pad_len(const struct ike_suite *suite, size_t len)
{
	if (encr_is_aead(suite->suite_encr))
		return 0;
	return (CBC_BLOCK - len % CBC_BLOCK) % CBC_BLOCK;
}

/* A context keyed for one message; NULL if that fails. */
static EVP_CIPHER_CTX *cipher_begin(const struct ike_suite *suite,
				    const struct ike_key *key, const u8 *iv,
				    int seal)
{
	int cipher = find_cipher(suite->suite_encr, suite->suite_encr_bits);
	u8 nonce[AEAD_SALT_LEN + AEAD_IV_LEN];
	EVP_CIPHER_CTX *ctx;

	if (cipher < 0 || key->key_len != suite_key_len(suite))
		return NULL;
	if (encr_is_aead(suite->suite_encr)) {
		memcpy(nonce, key->key_data + ciphers[cipher].cipher_key,
		       AEAD_SALT_LEN);
		memcpy(nonce + AEAD_SALT_LEN, iv, AEAD_IV_LEN);
		iv = nonce;
	}
	ctx = EVP_CIPHER_CTX_new();
	if (ctx &&
	    (!EVP_CipherInit_ex2(ctx, lib.lib_ciphers[cipher], key->key_data,
				 iv, seal, NULL) ||
	     !EVP_CIPHER_CTX_set_padding(ctx, 0))) {
		EVP_CIPHER_CTX_free(ctx);
		ctx = NULL;
	}
	OPENSSL_cleanse(nonce, sizeof(nonce));
	return ctx;
}

/* The checksum of everything before it. */
static bool message_hmac(const struct ike_suite *suite,
			 const struct ike_key *integ, const u8 *msg,
			 size_t len, u8 out[HMAC_MAX])
{
	struct msg_blob key = { integ->key_data, integ->key_len };
	struct msg_blob part = { msg, len };
	int md = integ_md(suite->suite_integ);

	return md >= 0 && hmac(md, &key, &part, 1, out);
}

static bool seal_cbc(const struct ike_suite *suite, const struct ike_key *encr,
		     const struct ike_key *integ, u8 *msg, size_t iv,
		     size_t len)
{
	size_t icv = crypto_icv_len(suite), text = iv + CBC_BLOCK;
	u8 sum[HMAC_MAX];
	EVP_CIPHER_CTX *ctx;
	int done;
	bool ok;

	if (!crypto_random(msg + iv, CBC_BLOCK))
		return false;
	ctx = cipher_begin(suite, encr, msg + iv, 1);
	ok = ctx && EVP_CipherUpdate(ctx, msg + text, &done, msg + text,
				     (int)(len - icv - text));
	EVP_CIPHER_CTX_free(ctx);
	if (!ok || !message_hmac(suite, integ, msg, len - icv, sum))
		return false;
	memcpy(msg + len - icv, sum, icv);
	return true;
}

static bool seal_aead(const struct ike_suite *suite, const struct ike_key *encr,
		      u64 counter, u8 *msg, size_t iv, size_t len)
{
	size_t text = iv + AEAD_IV_LEN, end = len - AEAD_ICV_LEN;
	EVP_CIPHER_CTX *ctx;
	int done;
	bool ok;

	put_be64(msg + iv, counter);
	ctx = cipher_begin(suite, encr, msg + iv, 1);
	ok = ctx &&
		EVP_CipherUpdate(ctx, NULL, &done, msg, (int)iv) &&
		EVP_CipherUpdate(ctx, msg + text, &done, msg + text,
				 (int)(end - text)) &&
		EVP_CipherFinal_ex(ctx, msg + end, &done) &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_ICV_LEN,
				    msg + end) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

bool crypto_seal(const struct ike_suite *suite, const struct ike_key *encr,
		 const struct ike_key *integ, u64 counter, u8 *msg, size_t iv,
		 size_t len)
{
	if (encr_is_aead(suite->suite_encr))
		return seal_aead(suite, encr, counter, msg, iv, len);
	return seal_cbc(suite, encr, integ, msg, iv, len);
}

static bool open_cbc(const struct ike_suite *suite, const struct ike_key *encr,
		     const struct ike_key *integ, const u8 *msg, size_t iv,
		     size_t len, u8 *out)
{
	size_t icv = crypto_icv_len(suite), text = iv + CBC_BLOCK;
	u8 sum[HMAC_MAX];
	EVP_CIPHER_CTX *ctx;
	int done;
	bool ok;

	if ((len - text - icv) % CBC_BLOCK ||
	    !message_hmac(suite, integ, msg, len - icv, sum) ||
	    CRYPTO_memcmp(sum, msg + len - icv, icv))
		return false;
	ctx = cipher_begin(suite, encr, msg + iv, 0);
	ok = ctx && EVP_CipherUpdate(ctx, out, &done, msg + text,
				     (int)(len - icv - text));
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

static bool open_aead(const struct ike_suite *suite, const struct ike_key *encr,
		      const u8 *msg, size_t iv, size_t len, u8 *out)
{
	size_t text = iv + AEAD_IV_LEN, end = len - AEAD_ICV_LEN;
	EVP_CIPHER_CTX *ctx = cipher_begin(suite, encr, msg + iv, 0);
	int done;
	bool ok;

	ok = ctx &&
		EVP_CipherUpdate(ctx, NULL, &done, msg, (int)iv) &&
		EVP_CipherUpdate(ctx, out, &done, msg + text,
				 (int)(end - text)) &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_ICV_LEN,
				    (void *)(msg + end)) == 1 &&
		EVP_CipherFinal_ex(ctx, out + (end - text), &done);
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

bool crypto_open(const struct ike_suite *suite, const struct ike_key *encr,
		 const struct ike_key *integ, const u8 *msg, size_t iv,
		 size_t len, u8 *out, size_t *out_len)
{
	size_t extra = iv + crypto_iv_len(suite) + crypto_icv_len(suite);
	size_t plain;
	bool ok;

	if (len <= extra)
		return false;
	plain = len - extra;
	if (encr_is_aead(suite->suite_encr))
		ok = open_aead(suite, encr, msg, iv, len, out);
	else
		ok = open_cbc(suite, encr, integ, msg, iv, len, out);
	if (!ok || out[plain - 1] >= plain)
		return false;
	*out_len = plain - 1 - out[plain - 1];
	return true;
}
