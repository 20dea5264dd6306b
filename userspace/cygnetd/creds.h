/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's copy of what stands in the files that the configuration names:
 * certificates, revocation lists, public keys. By path, each once.
 */
#ifndef CYGNETD_CREDS_H
#define CYGNETD_CREDS_H

#include <openssl/x509.h>

#include "core.h"
#include "cred.h"

#define CREDS_BUCKETS	256
#define CREDS_SHA1_LEN	20

struct cred {
	struct cred *cr_next;		/* in its bucket */
	enum cred_kind cr_kind;
	char cr_path[CONF_PATH_MAX + 1];
	struct stack_st_X509 *cr_certs;	/* CRED_CERT, CRED_TRUST */
	struct stack_st_X509_CRL *cr_crls;
	EVP_PKEY *cr_public;
	size_t cr_len, cr_room;		/* of the object that is arriving */
	u8 *cr_data;
};

struct creds {
	struct cred *crs_buckets[CREDS_BUCKETS];
};

/* A message of the keeper. */
void creds_take(struct creds *creds, const struct ipc_cred *msg);
/* NULL if there is no such file, or nothing in it. */
const struct cred *creds_find(const struct creds *creds, enum cred_kind kind,
			      const char *path);
/* SHA-1 of a certificate's SubjectPublicKeyInfo, as CERTREQ names authorities. */
bool creds_spki_hash(const X509 *cert, u8 hash[CREDS_SHA1_LEN]);
void creds_clear(struct creds *creds);

#endif
