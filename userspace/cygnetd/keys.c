// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pre-shared keys in memory of their own, which is neither dumped nor swapped
 * nor inherited by a child process.
 */
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/mman.h>

#include "ipc.h"
#include "keys.h"
#include "log.h"
#include "secret.h"

struct keys {
	size_t keys_size;		/* of the mapping */
	size_t keys_count;
	struct secret keys_psk[];	/* in the order of the connections */
};

static const char psk_pad[] = "Key Pad for IKEv2";

static struct keys *keys_alloc(size_t count)
{
	size_t size = sizeof(struct keys) + count * sizeof(struct secret);
	struct keys *keys;

	keys = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (keys == MAP_FAILED)
		return NULL;
	/* Precautions, not promises: a kernel may lack one, a limit forbid. */
	(void)madvise(keys, size, MADV_DONTDUMP);
	(void)madvise(keys, size, MADV_WIPEONFORK);
	(void)mlock(keys, size);
	keys->keys_size = size;
	keys->keys_count = count;
	return keys;
}

struct keys *keys_load(const struct conf *conf)
{
	struct keys *keys = keys_alloc(conf->conf_nconns);
	char err[256];

	if (!keys)
		return NULL;
	for (size_t i = 0; i < conf->conf_nconns; i++) {
		const struct conf_conn *conn = &conf->conf_conns[i];

		if (!secret_read_psk(&keys->keys_psk[i], conn->conn_psk, err,
				     sizeof(err)))
			log_line(CONF_LOG_ERROR, conn->conn_name,
				 "%s: no key, so no peer can be authenticated",
				 err);
	}
	return keys;
}

void keys_free(struct keys *keys)
{
	size_t size;

	if (!keys)
		return;
	size = keys->keys_size;
	OPENSSL_cleanse(keys, size);
	munmap(keys, size);
}

static const char *prf_digest(u16 prf)
{
	switch (prf) {
	case PRF_HMAC_SHA1:
		return "SHA1";
	case PRF_HMAC_SHA2_256:
		return "SHA256";
	case PRF_HMAC_SHA2_384:
		return "SHA384";
	case PRF_HMAC_SHA2_512:
		return "SHA512";
	default:
		return NULL;
	}
}

/* Returns the length of the output, 0 on failure. */
static size_t hmac(const char *digest, const u8 *key, size_t key_len,
		   const void *data, size_t len, u8 *out)
{
	size_t out_len = 0;

	if (!EVP_Q_mac(NULL, OSSL_MAC_NAME_HMAC, NULL, digest, NULL, key,
		       key_len, data, len, out, IPC_AUTH_MAX, &out_len))
		return 0;
	return out_len;
}

int keys_psk_auth(const struct keys *keys, size_t index, u16 prf,
		  const u8 *octets, size_t len, u8 *auth)
{
	const struct secret *psk = &keys->keys_psk[index];
	const char *digest = prf_digest(prf);
	u8 padded[IPC_AUTH_MAX];
	size_t n;

	if (!psk->secret_len)
		return -ENOKEY;
	if (!digest)
		return -EOPNOTSUPP;
	n = hmac(digest, psk->secret_data, psk->secret_len, psk_pad,
		 sizeof(psk_pad) - 1, padded);
	if (n)
		n = hmac(digest, padded, n, octets, len, auth);
	OPENSSL_cleanse(padded, sizeof(padded));
	return n ? (int)n : -EIO;
}
