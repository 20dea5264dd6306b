/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signatures in AUTH payloads: methods 1 and 9-11 (RFC 7296, RFC 4754) and
 * the Digital Signature method 14 (RFC 7427, RFC 8420). One table says what
 * each scheme is; keys are OpenSSL's.
 */
#ifndef CYGNETD_SIGN_H
#define CYGNETD_SIGN_H

#include <openssl/types.h>

#include "message.h"

#define SIGN_MAX	1024	/* longest signature: RSA of 8192 bits */

enum sign_scheme {
	SIGN_NONE,
	/* method 14, in the order of preference for each kind of key */
	SIGN_PSS_SHA256,
	SIGN_PSS_SHA384,
	SIGN_PSS_SHA512,
	SIGN_PKCS1_SHA256,
	SIGN_PKCS1_SHA384,
	SIGN_PKCS1_SHA512,
	SIGN_ECDSA_SHA256,
	SIGN_ECDSA_SHA384,
	SIGN_ECDSA_SHA512,
	SIGN_ED25519,
	SIGN_ED448,
	/* methods of their own */
	SIGN_RSA_SHA1,		/* 1 */
	SIGN_ECDSA_P256,	/* 9: r and s, each as long as the field */
	SIGN_ECDSA_P384,	/* 10 */
	SIGN_ECDSA_P521,	/* 11 */
	SIGN_SCHEMES,
};

/* Hash algorithms of RFC 7427 and 8420 as bits, as both sides announce them. */
#define SIGN_HASH(id)	(1u << (id))
#define SIGN_HASHES	(SIGN_HASH(2) | SIGN_HASH(3) | SIGN_HASH(4) | \
			 SIGN_HASH(5))

/* "RSASSA-PSS with SHA-256" */
const char *sign_name(enum sign_scheme scheme);
/* The AUTH payload's method. */
u8 sign_method(enum sign_scheme scheme);
/* What stands before the signature in method 14: length and algorithm. */
struct msg_blob sign_prefix(enum sign_scheme scheme);

/*
 * The first scheme that a key of ours can do, that is allowed (bits of enum
 * conf_signature) and that the peer says it can verify: @hashes as in
 * SIGN_HASH(), 0 for a peer that does not know method 14.
 */
enum sign_scheme sign_choose(const EVP_PKEY *key, u8 allowed, u32 hashes);

/* A key of this kind and curve can make and verify such signatures. */
bool sign_fits(enum sign_scheme scheme, const EVP_PKEY *key, u8 allowed);

/**
 * sign_parse() - an AUTH payload
 * @method: its method
 * @auth: what follows
 * @scheme: filled
 * @signature: what of it is the signature
 *
 * Return: NULL, or what is wrong with it.
 */
const char *sign_parse(u8 method, const struct msg_blob *auth,
		       enum sign_scheme *scheme, struct msg_blob *signature);

/* Return: the signature's length, 0 if it failed. */
size_t sign_make(enum sign_scheme scheme, EVP_PKEY *key, const u8 *octets,
		 size_t len, u8 out[SIGN_MAX]);
bool sign_verify(enum sign_scheme scheme, EVP_PKEY *key, const u8 *octets,
		 size_t len, const struct msg_blob *signature);

#endif
