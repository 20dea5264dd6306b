// SPDX-License-Identifier: GPL-2.0-only
/*
 * Algorithms: two tables name them all (RFC 8221, RFC 9395).
 */
#include <crypto/aead.h>
#include <crypto/authenc.h>
#include <crypto/hash.h>
#include <linux/rtnetlink.h>

#include "cygnet.h"

/* Ciphers. Modes with a counter make the IV from the sequence number. */

#define AES_GCM(_id, _name, _icv) \
	{ .id = _id, .name = _name, .driver = "rfc4106(gcm(aes))", \
	  .key_bits = { 128, 192, 256 }, .salt = 4, .iv = 8, .icv = _icv, .block = 4 }

#define AES_CCM(_id, _name, _icv) \
	{ .id = _id, .name = _name, .driver = "rfc4309(ccm(aes))", \
	  .key_bits = { 128, 192, 256 }, .salt = 3, .iv = 8, .icv = _icv, .block = 4 }

static const struct cyg_alg algs[] = {
	{
		.id = 11,
		.name = "NULL",
		.driver = "ecb(cipher_null)",
		.block = 4,
	},
	{
		.id = 12,
		.name = "AES-CBC",
		.driver = "cbc(aes)",
		.key_bits = { 128, 192, 256 },
		.iv = 16,
		.random_iv = true,
		.block = 16,
	},
	{
		.id = 13,
		.name = "AES-CTR",
		.driver = "rfc3686(ctr(aes))",
		.key_bits = { 128, 192, 256 },
		.salt = 4,
		.iv = 8,
		.block = 4,
	},
	AES_CCM(14, "AES-CCM-8", 8),
	AES_CCM(15, "AES-CCM-12", 12),
	AES_CCM(16, "AES-CCM-16", 16),
	AES_GCM(18, "AES-GCM-8", 8),
	AES_GCM(19, "AES-GCM-12", 12),
	AES_GCM(20, "AES-GCM-16", 16),
	{
		.id = 21,
		.name = "AES-GMAC",
		.driver = "rfc4543(gcm(aes))",
		.key_bits = { 128, 192, 256 },
		.salt = 4,
		.iv = 8,
		.icv = 16,
		.block = 4,
	},
	{
		.id = 28,
		.name = "ChaCha20-Poly1305",
		.driver = "rfc7539esp(chacha20,poly1305)",
		.key_bits = { 256 },
		.salt = 4,
		.iv = 8,
		.icv = 16,
		.block = 4,
	},
};

static const struct cyg_integ integs[] = {
	{ .id = 2, .driver = "hmac(sha1)", .key = 20, .icv = 12, .legacy = true },
	{ .id = 5, .driver = "xcbc(aes)", .key = 16, .icv = 12 },
	{ .id = 8, .driver = "cmac(aes)", .key = 16, .icv = 12 },
	{ .id = 12, .driver = "hmac(sha256)", .key = 32, .icv = 16 },
	{ .id = 13, .driver = "hmac(sha384)", .key = 48, .icv = 24 },
	{ .id = 14, .driver = "hmac(sha512)", .key = 64, .icv = 32 },
};

/**
 * cyg_alg_find - look up an encryption algorithm
 * @id: IKEv2 transform type 1
 */
const struct cyg_alg *cyg_alg_find(u16 id)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(algs); i++)
		if (algs[i].id == id)
			return &algs[i];
	return NULL;
}

/**
 * cyg_alg_find_integ - look up an integrity algorithm
 * @id: IKEv2 transform type 3
 */
const struct cyg_integ *cyg_alg_find_integ(u16 id)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(integs); i++)
		if (integs[i].id == id)
			return &integs[i];
	return NULL;
}

/**
 * cyg_alg_refusal - why an encryption algorithm is not in the table
 * @id: IKEv2 transform type 1
 */
const char *cyg_alg_refusal(u16 id)
{
	switch (id) {
	case 1:
	case 2:
	case 9:
		return "DES must not be used (RFC 8221 section 5)";
	case 3:
		return "3DES should not be used (RFC 8221 section 5), and is not here";
	case 4:
	case 5:
	case 6:
	case 7:
	case 8:
		return "RC5, IDEA, CAST and Blowfish must not be used (RFC 9395)";
	default:
		return "encryption algorithm is not supported: 11 to 16, 18 to 21 and 28 are";
	}
}

/**
 * cyg_alg_refusal_integ - why an integrity algorithm is not in the table
 * @id: IKEv2 transform type 3
 */
const char *cyg_alg_refusal_integ(u16 id)
{
	switch (id) {
	case 1:
	case 6:
		return "HMAC-MD5 must not be used (RFC 8221 section 6)";
	case 3:
	case 4:
		return "DES-MAC and KPDK-MD5 must not be used (RFC 8221 section 6)";
	default:
		return "integrity algorithm is not supported: 5, 8 and 12 to 14 are";
	}
}

/**
 * cyg_alg_key_ok - is this a length that the algorithm has?
 * @alg: the algorithm
 * @len: bytes of key and salt
 */
bool cyg_alg_key_ok(const struct cyg_alg *alg, u32 len)
{
	int i;

	if (!alg->key_bits[0])
		return !len;
	for (i = 0; alg->key_bits[i]; i++)
		if (alg->key_bits[i] / 8 + alg->salt == len)
			return true;
	return false;
}

static int set_key(struct crypto_aead *aead, const struct cyg_sa_config *config)
{
	u32 len = RTA_SPACE(sizeof(struct crypto_authenc_key_param)) +
		  config->integ_secret_len + config->secret_len;
	struct crypto_authenc_key_param *param;
	struct rtattr *rta;
	u8 *key;
	int err;

	if (!config->integ)
		return crypto_aead_setkey(aead, config->secret, config->secret_len);
	key = kzalloc(len, GFP_KERNEL);
	if (!key)
		return -ENOMEM;
	rta = (struct rtattr *)key;
	rta->rta_type = CRYPTO_AUTHENC_KEYA_PARAM;
	rta->rta_len = RTA_LENGTH(sizeof(*param));
	param = RTA_DATA(rta);
	param->enckeylen = cpu_to_be32(config->secret_len);
	memcpy(key + RTA_SPACE(sizeof(*param)), config->integ_secret,
	       config->integ_secret_len);
	memcpy(key + len - config->secret_len, config->secret, config->secret_len);
	err = crypto_aead_setkey(aead, key, len);
	kfree_sensitive(key);
	return err;
}

/*
 * authencesn() knows that the high half of the sequence number is authenticated
 * behind the ciphertext (RFC 4303 section 2.2.1); from us it wants it in front.
 */
static struct crypto_aead *alloc(const struct cyg_sa_config *config)
{
	char name[CRYPTO_MAX_ALG_NAME];

	if (!config->integ)
		return crypto_alloc_aead(config->alg->driver, 0, 0);
	snprintf(name, sizeof(name), "authenc%s(%s,%s)", config->esn ? "esn" : "",
		 config->integ->driver, config->alg->driver);
	return crypto_alloc_aead(name, 0, 0);
}

/**
 * cyg_alg_new_hash - a keyed hash, for AH
 * @config: with a key of the length that the algorithm has
 */
struct crypto_ahash *cyg_alg_new_hash(const struct cyg_sa_config *config)
{
	struct crypto_ahash *ahash = crypto_alloc_ahash(config->integ->driver, 0, 0);
	int err;

	if (IS_ERR(ahash))
		return ahash;
	err = crypto_ahash_setkey(ahash, config->integ_secret,
				  config->integ_secret_len);
	if (!err)
		return ahash;
	crypto_free_ahash(ahash);
	return ERR_PTR(err);
}

/**
 * cyg_alg_new - a keyed transform
 * @config: with keys of lengths that the algorithms have
 *
 * Always the default implementation: asking for a synchronous one would pick a
 * slow one.
 */
struct crypto_aead *cyg_alg_new(const struct cyg_sa_config *config)
{
	struct crypto_aead *aead = alloc(config);
	int err;

	if (IS_ERR(aead))
		return aead;
	err = set_key(aead, config);
	if (!err)
		err = crypto_aead_setauthsize(aead, config->integ ? config->integ->icv :
								    config->alg->icv);
	if (!err)
		return aead;
	crypto_free_aead(aead);
	return ERR_PTR(err);
}
