// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whether the files that the configuration names hold what it takes them for.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "conf_value.h"
#include "cred.h"
#include "secret.h"

#define SOON (14 * 86400)	/* somebody may still renew it in time */

static bool ignore(void *arg, const u8 *der, size_t len)
{
	return true;
}

/* Not to be opened by this user is no mistake of the file's. */
static void complain(struct conf_reader *reader, u32 line, const char *path,
		     const char *err)
{
	if (geteuid() != 0 && access(path, R_OK) && errno == EACCES)
		conf_warning(reader, line, 1, "%s", err);
	else
		conf_error(reader, line, 1, "%s", err);
}

static void check_file(struct conf_reader *reader, enum cred_kind kind,
		       const char *path, u32 line)
{
	char err[240];

	if (path[0] && !cred_read(kind, path, ignore, NULL, err, sizeof(err)))
		complain(reader, line, path, err);
}

static void check_secret(struct conf_reader *reader, const char *path, u32 line)
{
	struct secret secret;
	char err[240];

	if (!path[0])
		return;
	if (!secret_read_psk(&secret, path, err, sizeof(err)))
		complain(reader, line, path, err);
	secret_wipe(&secret);
}

static void check_validity(struct conf_reader *reader,
			   const struct conf_conn *conn, const X509 *cert)
{
	u32 line = conn->conn_origin[CONF_CERT];
	time_t soon = time(NULL) + SOON;
	char why[80];

	if (cred_refuse_dates(cert, why, sizeof(why)))
		conf_error(reader, line, 1, "%.140s: %s", conn->conn_cert, why);
	else if (X509_cmp_time(X509_get0_notAfter(cert), &soon) < 0)
		conf_warning(reader, line, 1, "%.140s expires within two weeks",
			     conn->conn_cert);
}

static void check_names(struct conf_reader *reader,
			const struct conf_conn *conn, const X509 *cert)
{
	u32 line = conn->conn_origin[CONF_LOCAL_ID] ?:
		   conn->conn_origin[CONF_CERT];
	char id[CONF_ID_STRLEN];

	if (conn->conn_local_id.id_type == ID_KEY_ID ||
	    cred_names(cert, &conn->conn_local_id))
		return;
	conf_error(reader, line, 1,
		   "%.90s does not name %.90s: write a local-id that it has",
		   conn->conn_cert,
		   conf_id_print(&conn->conn_local_id, id, sizeof(id)));
}

static void check_cert(struct conf_reader *reader, struct conf_conn *conn,
		       const EVP_PKEY *key)
{
	char err[240];
	X509 *cert;

	if (!conn->conn_cert[0])
		return;
	cert = cred_read_cert(conn->conn_cert, err, sizeof(err));
	if (!cert) {
		complain(reader, conn->conn_origin[CONF_CERT], conn->conn_cert,
			 err);
		return;
	}
	if (key && X509_check_private_key(cert, key) != 1)
		conf_error(reader, conn->conn_origin[CONF_KEY], 1,
			   "%.100s does not belong to the first certificate in %.100s",
			   conn->conn_key, conn->conn_cert);
	check_validity(reader, conn, cert);
	cred_set_local_id(conn, cert);
	check_names(reader, conn, cert);
	X509_free(cert);
}

static void check_ours(struct conf_reader *reader, struct conf_conn *conn)
{
	EVP_PKEY *key = NULL;
	char err[240];

	if (conn->conn_key[0]) {
		key = cred_read_key(conn->conn_key, conn->conn_passphrase, err,
				    sizeof(err));
		if (!key)
			complain(reader, conn->conn_origin[CONF_KEY],
				 conn->conn_key, err);
	}
	check_cert(reader, conn, key);
	EVP_PKEY_free(key);
}

size_t cred_check(struct conf *conf, struct conf_log *log)
{
	struct conf_reader reader = { .rd_path = conf->conf_path,
				      .rd_log = log, .rd_conf = conf };
	size_t before = log->log_errors;
	u32 i;

	for (i = 0; i < conf->conf_nconns; i++) {
		struct conf_conn *conn = &conf->conf_conns[i];

		check_secret(&reader, conn->conn_psk, conn->conn_origin[CONF_PSK]);
		check_secret(&reader, conn->conn_ppk, conn->conn_origin[CONF_PPK]);
		check_ours(&reader, conn);
		check_file(&reader, CRED_TRUST, conn->conn_trust,
			   conn->conn_origin[CONF_TRUST]);
		check_file(&reader, CRED_PUBLIC, conn->conn_remote_key,
			   conn->conn_origin[CONF_REMOTE_KEY]);
		check_file(&reader, CRED_CRL, conn->conn_crl,
			   conn->conn_origin[CONF_CRL]);
	}
	return log->log_errors - before;
}
