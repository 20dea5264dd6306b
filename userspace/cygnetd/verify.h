/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a peer is who it says it is, by its signature and certificates
 * (RFC 7296 section 2.15, RFC 4945 section 5.1). It takes longer than the
 * engine's thread may stop for, so it runs anywhere: everything that it needs
 * hangs on struct verify. Nothing is fetched from anywhere.
 */
#ifndef CYGNETD_VERIFY_H
#define CYGNETD_VERIFY_H

#include "creds.h"
#include "sign.h"

#define VERIFY_DEPTH_MAX	6	/* authorities between peer and anchor */

struct verify {
	/* What is expected. References of our own. */
	struct stack_st_X509 *ver_anchors;
	struct stack_st_X509_CRL *ver_crls;
	EVP_PKEY *ver_key;		/* a raw key instead of the above */
	struct conf_id ver_id;		/* what the certificate must name */
	u8 ver_allowed;			/* bits of enum conf_signature */
	u8 ver_eku;			/* enum conf_eku */

	/* What the peer sent; copies, all in ver_data. */
	size_t ver_n_certs;
	struct msg_blob ver_certs[MSG_CERTS_MAX];
	enum sign_scheme ver_scheme;
	struct msg_blob ver_signature;
	struct msg_blob ver_octets;	/* what AUTH covers */
	u8 *ver_data;

	/* What came of it. */
	bool ver_ok;
	enum conf_conn_key ver_key_blamed;	/* the setting that decided */
	char ver_how[160];		/* "Ed25519, certificate CN=gw" */
	char ver_why[320];		/* why not, and which certificate */
};

/* Copies everything; NULL without memory. The caller fills the rest in. */
struct verify *verify_new(const struct msg_cert *certs, size_t n_certs,
			  const struct msg_blob *signature,
			  const struct msg_blob *octets);
void verify_free(struct verify *verify);
/* For core_work; sets what came of it. */
void verify_run(void *arg);

#endif
