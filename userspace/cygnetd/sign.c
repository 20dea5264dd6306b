// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Signatures of AUTH payloads.
 */
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "cred.h"
#include "sign.h"

enum { METHOD_RSA = 1, METHOD_P256 = 9, METHOD_P384 = 10, METHOD_P521 = 11,
	METHOD_DIGITAL = 14 };

/* RFC 7427 appendix A, RFC 8420 appendix A: length, then AlgorithmIdentifier. */
static const u8 pss_sha256[] = {
	0x43, 0x30, 0x41, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01,
	0x01, 0x0a, 0x30, 0x34, 0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86,
	0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0xa1, 0x1c, 0x30,
	0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08,
	0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
	0x01, 0x05, 0x00, 0xa2, 0x03, 0x02, 0x01, 0x20
};

static const u8 pss_sha384[] = {
	0x43, 0x30, 0x41, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01,
	0x01, 0x0a, 0x30, 0x34, 0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86,
	0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0xa1, 0x1c, 0x30,
	0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08,
	0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
	0x02, 0x05, 0x00, 0xa2, 0x03, 0x02, 0x01, 0x30
};

static const u8 pss_sha512[] = {
	0x43, 0x30, 0x41, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01,
	0x01, 0x0a, 0x30, 0x34, 0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86,
	0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0xa1, 0x1c, 0x30,
	0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08,
	0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
	0x03, 0x05, 0x00, 0xa2, 0x03, 0x02, 0x01, 0x40
};

static const u8 pkcs1_sha256[] = {
	0x0f, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01,
	0x01, 0x0b, 0x05, 0x00
};

static const u8 pkcs1_sha384[] = {
	0x0f, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01,
	0x01, 0x0c, 0x05, 0x00
};

static const u8 pkcs1_sha512[] = {
	0x0f, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01,
	0x01, 0x0d, 0x05, 0x00
};

static const u8 ecdsa_sha256[] = {
	0x0c, 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03,
	0x02
};

static const u8 ecdsa_sha384[] = {
	0x0c, 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03,
	0x03
};

static const u8 ecdsa_sha512[] = {
	0x0c, 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03,
	0x04
};

static const u8 ed25519[] = { 0x07, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70 };
static const u8 ed448[] = { 0x07, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x71 };

#define PREFIX(name) { name, sizeof(name) }

static const struct {
	const char *sch_name;
	u8 sch_method;
	u8 sch_kind;			/* enum conf_signature */
	u8 sch_hash;			/* SIGNATURE_HASH_ALGORITHMS */
	const char *sch_digest;		/* NULL: inside the algorithm */
	int sch_pkey;			/* of EdDSA */
	const char *sch_curve;		/* the only one, or the natural one */
	u16 sch_field;			/* bytes, where r and s stand alone */
	int sch_nid;			/* of method 14's algorithm */
	struct msg_blob sch_prefix;
} schemes[SIGN_SCHEMES] = {
	[SIGN_PSS_SHA256] = { "RSASSA-PSS with SHA-256", METHOD_DIGITAL,
		CONF_SIG_RSA_PSS, 2, "SHA256", 0, NULL, 0, 0,
		PREFIX(pss_sha256) },
	[SIGN_PSS_SHA384] = { "RSASSA-PSS with SHA-384", METHOD_DIGITAL,
		CONF_SIG_RSA_PSS, 3, "SHA384", 0, NULL, 0, 0,
		PREFIX(pss_sha384) },
	[SIGN_PSS_SHA512] = { "RSASSA-PSS with SHA-512", METHOD_DIGITAL,
		CONF_SIG_RSA_PSS, 4, "SHA512", 0, NULL, 0, 0,
		PREFIX(pss_sha512) },
	[SIGN_PKCS1_SHA256] = { "RSA PKCS#1 with SHA-256", METHOD_DIGITAL,
		CONF_SIG_RSA_PKCS1, 2, "SHA256", 0, NULL, 0,
		NID_sha256WithRSAEncryption, PREFIX(pkcs1_sha256) },
	[SIGN_PKCS1_SHA384] = { "RSA PKCS#1 with SHA-384", METHOD_DIGITAL,
		CONF_SIG_RSA_PKCS1, 3, "SHA384", 0, NULL, 0,
		NID_sha384WithRSAEncryption, PREFIX(pkcs1_sha384) },
	[SIGN_PKCS1_SHA512] = { "RSA PKCS#1 with SHA-512", METHOD_DIGITAL,
		CONF_SIG_RSA_PKCS1, 4, "SHA512", 0, NULL, 0,
		NID_sha512WithRSAEncryption, PREFIX(pkcs1_sha512) },
	[SIGN_ECDSA_SHA256] = { "ECDSA with SHA-256", METHOD_DIGITAL,
		CONF_SIG_ECDSA, 2, "SHA256", 0, SN_X9_62_prime256v1, 0,
		NID_ecdsa_with_SHA256, PREFIX(ecdsa_sha256) },
	[SIGN_ECDSA_SHA384] = { "ECDSA with SHA-384", METHOD_DIGITAL,
		CONF_SIG_ECDSA, 3, "SHA384", 0, SN_secp384r1, 0,
		NID_ecdsa_with_SHA384, PREFIX(ecdsa_sha384) },
	[SIGN_ECDSA_SHA512] = { "ECDSA with SHA-512", METHOD_DIGITAL,
		CONF_SIG_ECDSA, 4, "SHA512", 0, SN_secp521r1, 0,
		NID_ecdsa_with_SHA512, PREFIX(ecdsa_sha512) },
	[SIGN_ED25519] = { "Ed25519", METHOD_DIGITAL, CONF_SIG_EDDSA, 5, NULL,
		EVP_PKEY_ED25519, NULL, 0, NID_ED25519, PREFIX(ed25519) },
	[SIGN_ED448] = { "Ed448", METHOD_DIGITAL, CONF_SIG_EDDSA, 5, NULL,
		EVP_PKEY_ED448, NULL, 0, NID_ED448, PREFIX(ed448) },
	[SIGN_RSA_SHA1] = { "RSA PKCS#1 with SHA-1", METHOD_RSA,
		CONF_SIG_RSA_PKCS1, 0, "SHA1" },
	[SIGN_ECDSA_P256] = { "ECDSA P-256 with SHA-256", METHOD_P256,
		CONF_SIG_ECDSA, 0, "SHA256", 0, SN_X9_62_prime256v1, 32 },
	[SIGN_ECDSA_P384] = { "ECDSA P-384 with SHA-384", METHOD_P384,
		CONF_SIG_ECDSA, 0, "SHA384", 0, SN_secp384r1, 48 },
	[SIGN_ECDSA_P521] = { "ECDSA P-521 with SHA-512", METHOD_P521,
		CONF_SIG_ECDSA, 0, "SHA512", 0, SN_secp521r1, 66 },
};

const char *sign_name(enum sign_scheme scheme)
{
	return schemes[scheme].sch_name;
}

u8 sign_method(enum sign_scheme scheme)
{
	return schemes[scheme].sch_method;
}

struct msg_blob sign_prefix(enum sign_scheme scheme)
{
	return schemes[scheme].sch_prefix;
}

static bool on_curve(const EVP_PKEY *key, const char *curve)
{
	char group[32];
	size_t len;

	return EVP_PKEY_get_group_name(key, group, sizeof(group), &len) == 1 &&
	       !strcmp(group, curve);
}

static bool kind_fits(enum sign_scheme scheme, const EVP_PKEY *key)
{
	int id = EVP_PKEY_get_base_id(key);

	switch (schemes[scheme].sch_kind) {
	case CONF_SIG_RSA_PSS:
		return id == EVP_PKEY_RSA || id == EVP_PKEY_RSA_PSS;
	case CONF_SIG_RSA_PKCS1:
		return id == EVP_PKEY_RSA;
	case CONF_SIG_ECDSA:
		return id == EVP_PKEY_EC &&
		       (!schemes[scheme].sch_field ||
			on_curve(key, schemes[scheme].sch_curve));
	case CONF_SIG_EDDSA:
		return id == schemes[scheme].sch_pkey;
	}
	return false;
}

bool sign_fits(enum sign_scheme scheme, const EVP_PKEY *key, u8 allowed)
{
	return scheme > SIGN_NONE && scheme < SIGN_SCHEMES &&
	       schemes[scheme].sch_kind & allowed && !cred_refuse_key(key) &&
	       kind_fits(scheme, key);
}

/* The hash that belongs to the curve, of those that the peer can do. */
static bool is_natural(enum sign_scheme scheme, const EVP_PKEY *key)
{
	const char *curve = schemes[scheme].sch_curve;

	return !curve || on_curve(key, curve);
}

static enum sign_scheme choose(const EVP_PKEY *key, u8 allowed, u32 hashes,
			       bool natural)
{
	enum sign_scheme scheme;

	for (scheme = SIGN_NONE + 1; scheme < SIGN_SCHEMES; scheme++) {
		u32 hash = SIGN_HASH(schemes[scheme].sch_hash);

		if (sign_fits(scheme, key, allowed) &&
		    (hashes ? hash & hashes : !schemes[scheme].sch_hash) &&
		    (!natural || is_natural(scheme, key)))
			return scheme;
	}
	return SIGN_NONE;
}

enum sign_scheme sign_choose(const EVP_PKEY *key, u8 allowed, u32 hashes)
{
	enum sign_scheme scheme;

	hashes &= SIGN_HASHES;
	scheme = choose(key, allowed, hashes, true);
	return scheme ? scheme : choose(key, allowed, hashes, false);
}

/* Parsing what a peer says. */

static int digest_nid(const X509_ALGOR *algor)
{
	const ASN1_OBJECT *object;

	if (!algor)
		return NID_sha1;	/* RFC 4055's default */
	X509_ALGOR_get0(&object, NULL, NULL, algor);
	return OBJ_obj2nid(object);
}

/* The mask generation function's hash. */
static int mask_nid(const RSA_PSS_PARAMS *pss)
{
	const ASN1_OBJECT *object;
	X509_ALGOR *hash;
	int nid, type;
	const void *value;

	if (!pss->maskGenAlgorithm)
		return NID_sha1;
	X509_ALGOR_get0(&object, &type, &value, pss->maskGenAlgorithm);
	if (OBJ_obj2nid(object) != NID_mgf1 || type != V_ASN1_SEQUENCE)
		return NID_undef;
	hash = ASN1_item_unpack(value, ASN1_ITEM_rptr(X509_ALGOR));
	nid = hash ? digest_nid(hash) : NID_undef;
	X509_ALGOR_free(hash);
	return nid;
}

static enum sign_scheme pss_scheme(int nid)
{
	switch (nid) {
	case NID_sha256:
		return SIGN_PSS_SHA256;
	case NID_sha384:
		return SIGN_PSS_SHA384;
	case NID_sha512:
		return SIGN_PSS_SHA512;
	}
	return SIGN_NONE;
}

/* One hash throughout, and a salt as long as it. */
static enum sign_scheme parse_pss(const X509_ALGOR *algor)
{
	const ASN1_OBJECT *object;
	enum sign_scheme scheme;
	RSA_PSS_PARAMS *pss;
	const void *value;
	int type, nid;
	long salt;

	X509_ALGOR_get0(&object, &type, &value, algor);
	pss = type == V_ASN1_SEQUENCE ?
	      ASN1_item_unpack(value, ASN1_ITEM_rptr(RSA_PSS_PARAMS)) : NULL;
	if (!pss)
		return SIGN_NONE;
	nid = digest_nid(pss->hashAlgorithm);
	scheme = pss_scheme(nid);
	salt = pss->saltLength ? ASN1_INTEGER_get(pss->saltLength) : 20;
	if (mask_nid(pss) != nid ||
	    salt != 32 + 16 * (scheme - SIGN_PSS_SHA256) ||
	    (pss->trailerField && ASN1_INTEGER_get(pss->trailerField) != 1))
		scheme = SIGN_NONE;
	RSA_PSS_PARAMS_free(pss);
	return scheme;
}

static enum sign_scheme parse_algorithm(const u8 *der, size_t len)
{
	X509_ALGOR *algor = d2i_X509_ALGOR(NULL, &der, (long)len);
	enum sign_scheme found = SIGN_NONE, scheme;
	const ASN1_OBJECT *object;
	int nid;

	if (!algor)
		return SIGN_NONE;
	X509_ALGOR_get0(&object, NULL, NULL, algor);
	nid = OBJ_obj2nid(object);
	if (nid == NID_rsassaPss)
		found = parse_pss(algor);
	for (scheme = SIGN_NONE + 1; scheme < SIGN_SCHEMES; scheme++)
		if (nid != NID_undef && schemes[scheme].sch_nid == nid)
			found = scheme;
	X509_ALGOR_free(algor);
	return found;
}

static const char *parse_digital(const struct msg_blob *auth,
				 enum sign_scheme *scheme,
				 struct msg_blob *signature)
{
	size_t len = auth->blob_len ? auth->blob_data[0] : 0;

	if (!len || auth->blob_len < 1 + len + 1)
		return "its Digital Signature is cut off";
	*scheme = parse_algorithm(auth->blob_data + 1, len);
	ERR_clear_error();
	signature->blob_data = auth->blob_data + 1 + len;
	signature->blob_len = auth->blob_len - 1 - len;
	return *scheme ? NULL :
	       "its Digital Signature is of an algorithm that we do not know";
}

const char *sign_parse(u8 method, const struct msg_blob *auth,
		       enum sign_scheme *scheme, struct msg_blob *signature)
{
	*scheme = SIGN_NONE;
	*signature = *auth;
	switch (method) {
	case METHOD_DIGITAL:
		return parse_digital(auth, scheme, signature);
	case METHOD_RSA:
		*scheme = SIGN_RSA_SHA1;
		return NULL;
	case METHOD_P256:
	case METHOD_P384:
	case METHOD_P521:
		*scheme = SIGN_ECDSA_P256 + (method - METHOD_P256);
		return NULL;
	}
	return "it does not authenticate by signature";
}

/* Making and verifying. */

/* r and s one after the other, as DER. */
static u8 *to_der(const struct msg_blob *signature, size_t field, int *len)
{
	const u8 *at = signature->blob_data;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(at, (int)field, NULL);
	BIGNUM *s = BN_bin2bn(at + field, (int)field, NULL);
	u8 *der = NULL;

	if (!sig || !r || !s || !ECDSA_SIG_set0(sig, r, s)) {
		BN_free(r);
		BN_free(s);
		ECDSA_SIG_free(sig);
		return NULL;
	}
	*len = i2d_ECDSA_SIG(sig, &der);
	ECDSA_SIG_free(sig);
	return der;
}

static size_t from_der(u8 *signature, size_t len, size_t field)
{
	const u8 *at = signature;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)len);
	const BIGNUM *r, *s;
	bool ok;

	if (!sig)
		return 0;
	ECDSA_SIG_get0(sig, &r, &s);
	ok = BN_bn2binpad(r, signature, (int)field) > 0 &&
	     BN_bn2binpad(s, signature + field, (int)field) > 0;
	ECDSA_SIG_free(sig);
	return ok ? 2 * field : 0;
}

static bool set_padding(EVP_PKEY_CTX *ctx, enum sign_scheme scheme)
{
	switch (schemes[scheme].sch_kind) {
	case CONF_SIG_RSA_PSS:
		return EVP_PKEY_CTX_set_rsa_padding(ctx,
						    RSA_PKCS1_PSS_PADDING) > 0 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx,
							RSA_PSS_SALTLEN_DIGEST) > 0;
	case CONF_SIG_RSA_PKCS1:
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0;
	}
	return true;
}

size_t sign_make(enum sign_scheme scheme, EVP_PKEY *key, const u8 *octets,
		 size_t len, u8 out[SIGN_MAX])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	size_t n = SIGN_MAX, field = schemes[scheme].sch_field;
	EVP_PKEY_CTX *ctx;

	if (!md || EVP_DigestSignInit_ex(md, &ctx, schemes[scheme].sch_digest,
					 NULL, NULL, key, NULL) != 1 ||
	    !set_padding(ctx, scheme) ||
	    EVP_DigestSign(md, out, &n, octets, len) != 1)
		n = 0;
	EVP_MD_CTX_free(md);
	ERR_clear_error();
	return n && field ? from_der(out, n, field) : n;
}

static bool verify(enum sign_scheme scheme, EVP_PKEY *key, const u8 *octets,
		   size_t len, const u8 *sig, size_t sig_len)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *ctx;
	bool ok;

	ok = md && EVP_DigestVerifyInit_ex(md, &ctx, schemes[scheme].sch_digest,
					   NULL, NULL, key, NULL) == 1 &&
	     set_padding(ctx, scheme) &&
	     EVP_DigestVerify(md, sig, sig_len, octets, len) == 1;
	EVP_MD_CTX_free(md);
	ERR_clear_error();
	return ok;
}

bool sign_verify(enum sign_scheme scheme, EVP_PKEY *key, const u8 *octets,
		 size_t len, const struct msg_blob *signature)
{
	size_t field = schemes[scheme].sch_field;
	bool ok = false;
	u8 *der;
	int n;

	if (!field)
		return verify(scheme, key, octets, len, signature->blob_data,
			      signature->blob_len);
	if (signature->blob_len != 2 * field)
		return false;
	der = to_der(signature, field, &n);
	if (der)
		ok = verify(scheme, key, octets, len, der, (size_t)n);
	OPENSSL_free(der);
	return ok;
}
