// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Certificate chains and signatures of peers.
 */
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verify.h"

#define SECURITY_LEVEL	2	/* 112 bits: no SHA-1, no RSA below 2048 */
#define IKE_INTERMEDIATE "1.3.6.1.5.5.8.2.2"	/* what was before ipsecIKE */
#define NAME_MAX_SHOWN	100

static u8 *put_blob(u8 *at, struct msg_blob *to, const struct msg_blob *from)
{
	memcpy(at, from->blob_data, from->blob_len);
	*to = (struct msg_blob){ at, from->blob_len };
	return at + from->blob_len;
}

struct verify *verify_new(const struct msg_cert *certs, size_t n_certs,
			  const struct msg_blob *signature,
			  const struct msg_blob *octets)
{
	size_t i, len = signature->blob_len + octets->blob_len;
	struct verify *verify = calloc(1, sizeof(*verify));
	u8 *at;

	for (i = 0; i < n_certs; i++)
		len += certs[i].mc_data.blob_len;
	at = malloc(len + 1);
	if (!verify || !at) {
		free(verify);
		free(at);
		return NULL;
	}
	verify->ver_data = at;
	at = put_blob(at, &verify->ver_signature, signature);
	at = put_blob(at, &verify->ver_octets, octets);
	for (i = 0; i < n_certs; i++)
		if (certs[i].mc_encoding == CERT_X509)
			at = put_blob(at,
				      &verify->ver_certs[verify->ver_n_certs++],
				      &certs[i].mc_data);
	return verify;
}

void verify_free(struct verify *verify)
{
	if (!verify)
		return;
	sk_X509_pop_free(verify->ver_anchors, X509_free);
	sk_X509_CRL_pop_free(verify->ver_crls, X509_CRL_free);
	EVP_PKEY_free(verify->ver_key);
	free(verify->ver_data);
	free(verify);
}

/* The first reason counts. */
static bool __printf(2, 3) refuse(struct verify *verify, const char *format,
				  ...)
{
	va_list args;

	va_start(args, format);
	if (!verify->ver_why[0])
		vsnprintf(verify->ver_why, sizeof(verify->ver_why), format,
			  args);
	va_end(args);
	return false;
}

static X509 *parse_cert(const struct msg_blob *der)
{
	const u8 *at = der->blob_data;
	X509 *cert = NULL;

	if (der->blob_len <= CRED_DER_MAX)
		cert = d2i_X509(NULL, &at, (long)der->blob_len);
	if (cert && (at != der->blob_data + der->blob_len ||
		     X509_check_purpose(cert, -1, 0) != 1)) {
		X509_free(cert);
		cert = NULL;
	}
	return cert;
}

/* The peer's own certificate comes first (RFC 7296 section 3.6). */
static struct stack_st_X509 *parse_certs(struct verify *verify)
{
	struct stack_st_X509 *certs = sk_X509_new_null();
	size_t i;

	for (i = 0; certs && i < verify->ver_n_certs; i++) {
		X509 *cert = parse_cert(&verify->ver_certs[i]);

		if (cert && sk_X509_push(certs, cert))
			continue;
		X509_free(cert);
		refuse(verify, "certificate %zu of the %zu that it sent is malformed",
		       i + 1, verify->ver_n_certs);
		sk_X509_pop_free(certs, X509_free);
		return NULL;
	}
	if (certs && !sk_X509_num(certs)) {
		refuse(verify, "it sent no certificate");
		sk_X509_pop_free(certs, X509_free);
		return NULL;
	}
	return certs;
}

static const char *name_issuer(const X509 *cert, char *buf, size_t size)
{
	struct conf_id id = { .id_type = ID_DER_ASN1_DN };
	u8 *at = id.id_data;
	int len = i2d_X509_NAME(X509_get_issuer_name(cert), NULL);
	char text[CONF_ID_STRLEN];

	if (len <= 0 || len > CONF_ID_MAX)
		return "an issuer with a long name";
	id.id_len = (u16)i2d_X509_NAME(X509_get_issuer_name(cert), &at);
	snprintf(buf, size, "%.100s", conf_id_print(&id, text, sizeof(text)));
	return buf;
}

/* What OpenSSL says, and what to do about it. */
static const char *chain_error(int error, const X509 *cert, char *buf,
			       size_t size)
{
	char name[NAME_MAX_SHOWN + 1];

	switch (error) {
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		snprintf(buf, size,
			 "who issued it, %s, is not in trust, nor was it sent",
			 name_issuer(cert, name, sizeof(name)));
		return buf;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		return "self-signed, and not in trust";
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return cred_refuse_dates(cert, buf, size) ?: "expired";
	case X509_V_ERR_CERT_REVOKED:
		return "revoked";
	case X509_V_ERR_UNABLE_TO_GET_CRL:
		snprintf(buf, size, "no revocation list of %s in crl",
			 name_issuer(cert, name, sizeof(name)));
		return buf;
	case X509_V_ERR_CRL_HAS_EXPIRED:
		return "the revocation list of its issuer is out of date";
	case X509_V_ERR_PERMITTED_VIOLATION:
	case X509_V_ERR_EXCLUDED_VIOLATION:
		return "the name constraints of an authority above it forbid its names";
	case X509_V_ERR_CERT_CHAIN_TOO_LONG:
		return "too many authorities above it";
	}
	return X509_verify_cert_error_string(error);
}

static bool explain_chain(struct verify *verify, X509_STORE_CTX *ctx)
{
	const X509 *cert = X509_STORE_CTX_get_current_cert(ctx);
	int depth = X509_STORE_CTX_get_error_depth(ctx);
	int error = X509_STORE_CTX_get_error(ctx);
	char name[NAME_MAX_SHOWN + 1] = "?", text[160];

	switch (error) {
	case X509_V_ERR_CERT_REVOKED:
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_CRL_HAS_EXPIRED:
		verify->ver_key_blamed = CONF_CRL;
	}
	if (cert)
		cred_subject(cert, name, sizeof(name));
	if (!depth)
		return refuse(verify, "its certificate %s: %s", name,
			      cert ? chain_error(error, cert, text,
						 sizeof(text)) :
			      X509_verify_cert_error_string(error));
	return refuse(verify, "certificate %s, %d above its own: %s", name,
		      depth, cert ? chain_error(error, cert, text,
						sizeof(text)) :
		      X509_verify_cert_error_string(error));
}

static void set_rules(struct verify *verify, X509_STORE_CTX *ctx)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
	/* Whatever stands in trust ends a chain, a root or not. */
	unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN;

	if (verify->ver_crls)
		flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
	X509_VERIFY_PARAM_set_flags(param, flags);
	X509_VERIFY_PARAM_set_depth(param, VERIFY_DEPTH_MAX);
	X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
	X509_STORE_CTX_set0_trusted_stack(ctx, verify->ver_anchors);
	if (verify->ver_crls)
		X509_STORE_CTX_set0_crls(ctx, verify->ver_crls);
}

static bool chain_ok(struct verify *verify, struct stack_st_X509 *certs)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool ok;

	if (!ctx || !X509_STORE_CTX_init(ctx, NULL, sk_X509_value(certs, 0),
					 certs)) {
		X509_STORE_CTX_free(ctx);
		return refuse(verify, "out of memory");
	}
	set_rules(verify, ctx);
	ok = X509_verify_cert(ctx) == 1 || explain_chain(verify, ctx);
	X509_STORE_CTX_free(ctx);
	return ok;
}

static bool is_for_ike(const ASN1_OBJECT *usage)
{
	char text[32];

	switch (OBJ_obj2nid(usage)) {
	case NID_anyExtendedKeyUsage:
	case NID_ipsec_IKE:
		return true;
	}
	OBJ_obj2txt(text, sizeof(text), usage, 1);
	return !strcmp(text, IKE_INTERMEDIATE);
}

/* RFC 4945 sections 5.1.3.2 and 5.1.3.12. */
static bool usage_ok(struct verify *verify, X509 *cert)
{
	u32 usage = X509_get_key_usage(cert);
	EXTENDED_KEY_USAGE *purposes;
	int i, critical;
	bool ok;

	if (!(usage & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)))
		return refuse(verify, "its certificate's key is not for signatures (keyUsage)");
	if (verify->ver_eku == CONF_EKU_ANY)
		return true;
	purposes = X509_get_ext_d2i(cert, NID_ext_key_usage, &critical, NULL);
	ok = !purposes && critical == -1;
	for (i = 0; i < sk_ASN1_OBJECT_num(purposes) && !ok; i++)
		ok = is_for_ike(sk_ASN1_OBJECT_value(purposes, i));
	EXTENDED_KEY_USAGE_free(purposes);
	if (!ok)
		verify->ver_key_blamed = CONF_EKU;
	return ok || refuse(verify, "its certificate is not for IKE (extendedKeyUsage); see eku =");
}

static bool name_ok(struct verify *verify, const X509 *cert)
{
	char subject[NAME_MAX_SHOWN + 1], id[CONF_ID_STRLEN];

	if (cred_names(cert, &verify->ver_id))
		return true;
	verify->ver_key_blamed = CONF_REMOTE_ID;
	conf_id_print(&verify->ver_id, id, sizeof(id));
	return refuse(verify, "its certificate %s does not name %.100s (subjectAltName)",
		      cred_subject(cert, subject, sizeof(subject)), id);
}

static bool signature_ok(struct verify *verify, EVP_PKEY *key)
{
	const char *weak = cred_refuse_key(key);

	if (weak)
		return refuse(verify, "its key: %s", weak);
	if (!sign_fits(verify->ver_scheme, key, 0xff))
		return refuse(verify, "%s is not what its key can make",
			      sign_name(verify->ver_scheme));
	if (!sign_fits(verify->ver_scheme, key, verify->ver_allowed)) {
		verify->ver_key_blamed = CONF_SIGNATURES;
		return refuse(verify, "it signs by %s, which signatures does not allow",
			      sign_name(verify->ver_scheme));
	}
	return sign_verify(verify->ver_scheme, key, verify->ver_octets.blob_data,
			   verify->ver_octets.blob_len,
			   &verify->ver_signature) ||
	       refuse(verify, "its signature is wrong");
}

static bool certs_ok(struct verify *verify, struct stack_st_X509 *certs)
{
	char subject[NAME_MAX_SHOWN + 1];
	X509 *own = sk_X509_value(certs, 0);
	EVP_PKEY *key = X509_get0_pubkey(own);

	if (!key)
		return refuse(verify, "its certificate has a key that we do not know");
	if (!chain_ok(verify, certs) || !usage_ok(verify, own) ||
	    !name_ok(verify, own) || !signature_ok(verify, key))
		return false;
	snprintf(verify->ver_how, sizeof(verify->ver_how),
		 "%s, certificate %s", sign_name(verify->ver_scheme),
		 cred_subject(own, subject, sizeof(subject)));
	return true;
}

void verify_run(void *arg)
{
	struct verify *verify = arg;
	struct stack_st_X509 *certs;

	verify->ver_key_blamed = verify->ver_key ? CONF_REMOTE_KEY : CONF_TRUST;
	if (verify->ver_key) {
		verify->ver_ok = signature_ok(verify, verify->ver_key);
		snprintf(verify->ver_how, sizeof(verify->ver_how),
			 "%s, raw key", sign_name(verify->ver_scheme));
	} else {
		certs = parse_certs(verify);
		verify->ver_ok = certs && certs_ok(verify, certs);
		sk_X509_pop_free(certs, X509_free);
	}
	ERR_clear_error();
}
