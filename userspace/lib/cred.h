/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Certificates, keys and revocation lists in the files that the configuration
 * names. Reading them is for whoever may open files: never for the process
 * that parses what strangers send.
 */
#ifndef CYGNET_LIB_CRED_H
#define CYGNET_LIB_CRED_H

#include <openssl/types.h>

#include "conf.h"

#define CRED_DER_MAX	8192		/* one certificate or public key */
#define CRED_CRL_MAX	(4 << 20)
#define CRED_CERTS_MAX	8		/* in a cert file */
#define CRED_TRUST_MAX	1024		/* in a trust folder */
#define CRED_FILE_MAX	(16 << 20)
#define CRED_RSA_MIN	2048		/* bits */
#define CRED_RSA_MAX	8192

enum cred_kind {
	CRED_CERT,		/* certificates, ours first */
	CRED_TRUST,		/* certificates, of a file or folder */
	CRED_CRL,		/* revocation lists, of a file or folder */
	CRED_PUBLIC,		/* one public key */
	CRED_KINDS,
};

/**
 * cred_read() - everything of one kind in a file or folder
 * @kind: what to look for; CRED_TRUST and CRED_CRL may be folders, of which
 *	each file counts whose name begins with no dot
 * @path: complete path
 * @each: called for each object in DER, in the order of the file; false ends
 * @arg: its first argument
 * @err: why there is nothing, or not all; path and remedy named
 * @err_size: its room
 *
 * Return: true if everything was read and there was at least one.
 */
bool cred_read(enum cred_kind kind, const char *path,
	       bool (*each)(void *arg, const u8 *der, size_t len), void *arg,
	       char *err, size_t err_size);

/**
 * cred_read_key() - a private key
 * @path: PEM: PKCS#8, encrypted or not, or the older form of its algorithm
 * @passphrase: path of the passphrase's file, or ""
 * @err: why not
 * @err_size: its room
 *
 * Return: the key, which the caller frees, or NULL.
 */
EVP_PKEY *cred_read_key(const char *path, const char *passphrase, char *err,
			size_t err_size);

/* NULL, or why no peer would accept signatures of this key; also for public. */
const char *cred_refuse_key(const EVP_PKEY *key);

/* The first certificate of a file, or NULL with the reason in err. */
X509 *cred_read_cert(const char *path, char *err, size_t err_size);

/* "C=DE, CN=gw": escaped, cut off with "..." where size ends. */
const char *cred_subject(const X509 *cert, char *buf, size_t size);

/*
 * A certificate's validity at @now: NULL, or what is wrong with it, with the
 * date in buf.
 */
const char *cred_refuse_dates(const X509 *cert, char *buf, size_t size);

/*
 * Who we are where local-id is auto: the certificate's first name, else its
 * first address, else its subject. And a name is taken as it is written there.
 */
void cred_set_local_id(struct conf_conn *conn, const X509 *cert);

/* Whether the certificate is one of this identity's. */
bool cred_names(const X509 *cert, const struct conf_id *id);

/*
 * Opens and compares all files of all connections and fills in identities;
 * what is wrong is added to the log, at the line of the key that names it.
 * Only warnings where a file could not be opened by this user. Returns the
 * number of errors.
 */
size_t cred_check(struct conf *conf, struct conf_log *log);

#endif
