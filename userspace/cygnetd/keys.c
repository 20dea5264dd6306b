// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pre-shared keys in memory of their own, which is neither dumped nor swapped
 * nor inherited by a child process. Private keys are where OpenSSL has them, in
 * a process that is not dumped and forks nothing but the engine's exec.
 */
#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "cred.h"
#include "crypto.h"
#include "ipc.h"
#include "keys.h"
#include "log.h"
#include "secret.h"

struct keys {
	size_t keys_size;		/* of the mapping */
	size_t keys_count;
	struct evp_pkey_st **keys_private;	/* as many; NULL where there is none */
	/* In the order of the connections: their PSKs, then their PPKs. */
	struct secret keys_psk[];
};

#define PSK_PAD "Key Pad for IKEv2"	/* RFC 7296 section 2.15 */

static_assert(CRYPTO_PRF_MAX <= IPC_AUTH_MAX, "AUTH fits into a reply");
static_assert(3 * CRYPTO_PRF_MAX <= IPC_AUTH_MAX, "three keys with a PPK in them");
static_assert(SIGN_MAX <= IPC_AUTH_MAX, "and a signature");

static struct keys *keys_alloc(size_t count)
{
	size_t size = sizeof(struct keys) + 2 * count * sizeof(struct secret);
	struct keys *keys;

	keys = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (keys == MAP_FAILED)
		return NULL;
	keys->keys_private = calloc(count + 1, sizeof(EVP_PKEY *));
	if (!keys->keys_private) {
		munmap(keys, size);
		return NULL;
	}
	/* Precautions, not promises: a kernel may lack one, a limit forbid. */
	(void)madvise(keys, size, MADV_DONTDUMP);
	(void)madvise(keys, size, MADV_WIPEONFORK);
	(void)mlock(keys, size);
	keys->keys_size = size;
	keys->keys_count = count;
	return keys;
}

static struct secret *ppk_of(struct keys *keys, size_t index)
{
	return &keys->keys_psk[keys->keys_count + index];
}

void keys_load_one(struct keys *keys, size_t index,
		   const struct conf_conn *conn)
{
	char err[512];

	secret_wipe(&keys->keys_psk[index]);
	secret_wipe(ppk_of(keys, index));
	EVP_PKEY_free(keys->keys_private[index]);
	keys->keys_private[index] = NULL;
	if (conn->conn_psk[0] &&
	    !secret_read_psk(&keys->keys_psk[index], conn->conn_psk, err,
			     sizeof(err)))
		log_line(CONF_LOG_ERROR, conn->conn_name,
			 "%s: no key, so no peer can be authenticated", err);
	if (conn->conn_ppk[0] &&
	    !secret_read_psk(ppk_of(keys, index), conn->conn_ppk, err, sizeof(err)))
		log_line(CONF_LOG_ERROR, conn->conn_name,
			 "%s: no post-quantum pre-shared key", err);
	if (!conn->conn_key[0])
		return;
	keys->keys_private[index] = cred_read_key(conn->conn_key,
						  conn->conn_passphrase, err,
						  sizeof(err));
	if (!keys->keys_private[index])
		log_line(CONF_LOG_ERROR, conn->conn_name,
			 "%s: no key, so we cannot authenticate", err);
}

struct keys *keys_load(const struct conf *conf)
{
	struct keys *keys = keys_alloc(conf->conf_nconns);

	for (size_t i = 0; keys && i < conf->conf_nconns; i++)
		keys_load_one(keys, i, &conf->conf_conns[i]);
	return keys;
}

void keys_free(struct keys *keys)
{
	size_t size;

	if (!keys)
		return;
	for (size_t i = 0; i < keys->keys_count; i++)
		EVP_PKEY_free(keys->keys_private[i]);
	free(keys->keys_private);
	size = keys->keys_size;
	OPENSSL_cleanse(keys, size);
	munmap(keys, size);
}

int keys_psk_auth(const struct keys *keys, size_t index, u16 prf,
		  const u8 *octets, size_t len, u8 *auth)
{
	const struct secret *psk = &keys->keys_psk[index];
	struct msg_blob secret = { psk->secret_data, psk->secret_len };
	struct msg_blob pad = { (const u8 *)PSK_PAD, sizeof(PSK_PAD) - 1 };
	struct msg_blob data = { octets, len };
	size_t n = crypto_prf_len(prf);
	u8 padded[CRYPTO_PRF_MAX];
	struct msg_blob key = { padded, n };
	bool ok;

	if (!psk->secret_len)
		return -ENOKEY;
	if (!n)
		return -EOPNOTSUPP;
	ok = crypto_prf(prf, &secret, &pad, 1, padded) &&
	     crypto_prf(prf, &key, &data, 1, auth);
	OPENSSL_cleanse(padded, sizeof(padded));
	return ok ? (int)n : -EIO;
}

int keys_mix(const struct keys *keys, size_t index, u16 prf, const u8 *in, u8 *out)
{
	const struct secret *ppk = &keys->keys_psk[keys->keys_count + index];
	struct msg_blob key = { ppk->secret_data, ppk->secret_len };
	size_t n = crypto_prf_len(prf);
	bool ok = true;

	if (!ppk->secret_len)
		return -ENOKEY;
	if (!n)
		return -EOPNOTSUPP;
	for (int i = 0; i < KEYS_MIX && ok; i++) {
		struct msg_blob seed = { in + i * IPC_KEY_MAX, n };

		ok = crypto_prf_plus(prf, &key, &seed, 1, out + i * n, n);
	}
	return ok ? (int)(KEYS_MIX * n) : -EIO;
}

int keys_sign(const struct keys *keys, size_t index, enum sign_scheme scheme,
	      u8 allowed, const u8 *octets, size_t len, u8 *auth)
{
	EVP_PKEY *key = keys->keys_private[index];
	size_t n;

	if (!key)
		return -ENOKEY;
	if (!sign_fits(scheme, key, allowed))
		return -EACCES;
	n = sign_make(scheme, key, octets, len, auth);
	return n ? (int)n : -EIO;
}

size_t keys_public(const struct keys *keys, size_t index, u8 **der)
{
	EVP_PKEY *key = keys->keys_private[index];
	int n;

	*der = NULL;
	n = key ? i2d_PUBKEY(key, der) : 0;
	return n > 0 ? (size_t)n : 0;
}
