// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Certificates and keys as the keeper hands them over.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "creds.h"
#include "crypto.h"
#include "text.h"

static unsigned int bucket_of(const char *path)
{
	unsigned int hash = 5381;

	while (*path)
		hash = hash * 33 + (u8)*path++;
	return hash % CREDS_BUCKETS;
}

static struct cred *find(const struct creds *creds, enum cred_kind kind,
			 const char *path)
{
	struct cred *cred = creds->crs_buckets[bucket_of(path)];

	while (cred && (cred->cr_kind != kind || strcmp(cred->cr_path, path)))
		cred = cred->cr_next;
	return cred;
}

const struct cred *creds_find(const struct creds *creds, enum cred_kind kind,
			      const char *path)
{
	return path[0] ? find(creds, kind, path) : NULL;
}

/* Work under way elsewhere keeps what it took references of. */
static void empty(struct cred *cred)
{
	sk_X509_pop_free(cred->cr_certs, X509_free);
	sk_X509_CRL_pop_free(cred->cr_crls, X509_CRL_free);
	EVP_PKEY_free(cred->cr_public);
	free(cred->cr_data);
	cred->cr_certs = NULL;
	cred->cr_crls = NULL;
	cred->cr_public = NULL;
	cred->cr_data = NULL;
	cred->cr_len = 0;
	cred->cr_room = 0;
}

static struct cred *get(struct creds *creds, enum cred_kind kind,
			const char *path)
{
	struct cred *cred = find(creds, kind, path);
	unsigned int bucket = bucket_of(path);

	if (cred)
		return cred;
	cred = calloc(1, sizeof(*cred));
	if (!cred)
		return NULL;
	cred->cr_kind = kind;
	text_copy(cred->cr_path, sizeof(cred->cr_path), path);
	cred->cr_next = creds->crs_buckets[bucket];
	creds->crs_buckets[bucket] = cred;
	return cred;
}

static bool append(struct cred *cred, const struct ipc_cred *msg)
{
	size_t need = cred->cr_len + msg->ix_len;
	u8 *data;

	if (need > CRED_CRL_MAX)
		return false;
	if (need > cred->cr_room) {
		data = realloc(cred->cr_data, 2 * need);
		if (!data)
			return false;
		cred->cr_data = data;
		cred->cr_room = 2 * need;
	}
	if (msg->ix_len)
		memcpy(cred->cr_data + cred->cr_len, msg->ix_data, msg->ix_len);
	cred->cr_len = need;
	return true;
}

static void add_cert(struct cred *cred)
{
	const u8 *at = cred->cr_data;
	X509 *cert = d2i_X509(NULL, &at, (long)cred->cr_len);

	if (!cred->cr_certs)
		cred->cr_certs = sk_X509_new_null();
	if (!cert || !cred->cr_certs || !sk_X509_push(cred->cr_certs, cert))
		X509_free(cert);
	else
		X509_check_purpose(cert, -1, 0);	/* fills its caches */
}

static void add_crl(struct cred *cred)
{
	const u8 *at = cred->cr_data;
	X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)cred->cr_len);

	if (!cred->cr_crls)
		cred->cr_crls = sk_X509_CRL_new_null();
	if (!crl || !cred->cr_crls || !sk_X509_CRL_push(cred->cr_crls, crl))
		X509_CRL_free(crl);
}

static void add_public(struct cred *cred)
{
	const u8 *at = cred->cr_data;

	EVP_PKEY_free(cred->cr_public);
	cred->cr_public = d2i_PUBKEY(NULL, &at, (long)cred->cr_len);
}

void creds_take(struct creds *creds, const struct ipc_cred *msg)
{
	struct cred *cred;

	if (msg->ix_kind >= CRED_KINDS)
		return;
	cred = get(creds, msg->ix_kind, msg->ix_path);
	if (!cred)
		return;
	if (msg->ix_begin)
		empty(cred);
	if (!append(cred, msg) || msg->ix_more || !cred->cr_len)
		return;
	if (cred->cr_kind == CRED_CRL)
		add_crl(cred);
	else if (cred->cr_kind == CRED_PUBLIC)
		add_public(cred);
	else
		add_cert(cred);
	cred->cr_len = 0;
	ERR_clear_error();
}

bool creds_spki_hash(const X509 *cert, u8 hash[CREDS_SHA1_LEN])
{
	u8 *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);

	if (len > 0)
		crypto_sha1(der, (size_t)len, hash);
	OPENSSL_free(der);
	return len > 0;
}

void creds_clear(struct creds *creds)
{
	unsigned int i;

	for (i = 0; i < CREDS_BUCKETS; i++) {
		while (creds->crs_buckets[i]) {
			struct cred *cred = creds->crs_buckets[i];

			creds->crs_buckets[i] = cred->cr_next;
			empty(cred);
			free(cred);
		}
	}
}
