// SPDX-License-Identifier: GPL-2.0-only
/*
 * Algorithms: one table names them all.
 */
#include <crypto/aead.h>

#include "cygnet.h"

static const struct cyg_alg algs[] = {
	{
		.id = 20,
		.name = "AES-GCM-16",
		.driver = "rfc4106(gcm(aes))",
		.key_bits = { 128, 192, 256 },
		.salt = 4,
		.icv = 16,
	},
	{
		.id = 28,
		.name = "ChaCha20-Poly1305",
		.driver = "rfc7539esp(chacha20,poly1305)",
		.key_bits = { 256 },
		.salt = 4,
		.icv = 16,
	},
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
 * cyg_alg_key_ok - is this a length that the algorithm has?
 * @alg: the algorithm
 * @len: bytes of key and salt
 */
bool cyg_alg_key_ok(const struct cyg_alg *alg, u32 len)
{
	int i;

	for (i = 0; alg->key_bits[i]; i++)
		if (alg->key_bits[i] / 8 + alg->salt == len)
			return true;
	return false;
}

/**
 * cyg_alg_new - a keyed transform
 * @alg: the algorithm
 * @key: key and salt
 * @len: a length that cyg_alg_key_ok() likes
 *
 * Always the default implementation: asking for a synchronous one would pick a
 * slow one.
 */
struct crypto_aead *cyg_alg_new(const struct cyg_alg *alg, const u8 *key, u32 len)
{
	struct crypto_aead *aead = crypto_alloc_aead(alg->driver, 0, 0);
	int err;

	if (IS_ERR(aead))
		return aead;
	err = crypto_aead_setkey(aead, key, len);
	if (!err)
		err = crypto_aead_setauthsize(aead, alg->icv);
	if (!err)
		return aead;
	crypto_free_aead(aead);
	return ERR_PTR(err);
}
