// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Key exchange. One table says what each method is; four kinds of them differ
 * in how values are written, which the functions below know.
 */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

#include "ke.h"

enum kind { KIND_MODP, KIND_ECP, KIND_X, KIND_KEM };

struct method {
	u16 me_group;
	u8 me_kind;
	bool me_slow;			/* over 0.2 ms for one of its steps */
	const char *me_name;		/* of the group or the algorithm */
	u16 me_len;			/* of the initiator's value */
	u16 me_answer_len;		/* of the responder's */
};

static const struct method methods[] = {
	{ KE_X25519, KIND_X, false, "X25519", 32, 32 },
	{ KE_X448, KIND_X, true, "X448", 56, 56 },
	{ KE_ECP_256, KIND_ECP, false, "P-256", 64, 64 },
	{ KE_ECP_384, KIND_ECP, true, "P-384", 96, 96 },
	{ KE_ECP_521, KIND_ECP, true, "P-521", 132, 132 },
	{ KE_MODP_2048, KIND_MODP, true, "modp_2048", 256, 256 },
	{ KE_MODP_3072, KIND_MODP, true, "modp_3072", 384, 384 },
	{ KE_MODP_4096, KIND_MODP, true, "modp_4096", 512, 512 },
	{ KE_MODP_6144, KIND_MODP, true, "modp_6144", 768, 768 },
	{ KE_MODP_8192, KIND_MODP, true, "modp_8192", 1024, 1024 },
	{ KE_ML_KEM_512, KIND_KEM, false, "ML-KEM-512", 800, 768 },
	{ KE_ML_KEM_768, KIND_KEM, false, "ML-KEM-768", 1184, 1088 },
	{ KE_ML_KEM_1024, KIND_KEM, false, "ML-KEM-1024", 1568, 1568 },
};

/* p - 2 of each MODP method. */
static BIGNUM *limits[ARRAY_SIZE(methods)];

static BIGNUM *prime_of(u16 group)
{
	switch (group) {
	case KE_MODP_2048:
		return BN_get_rfc3526_prime_2048(NULL);
	case KE_MODP_3072:
		return BN_get_rfc3526_prime_3072(NULL);
	case KE_MODP_4096:
		return BN_get_rfc3526_prime_4096(NULL);
	case KE_MODP_6144:
		return BN_get_rfc3526_prime_6144(NULL);
	case KE_MODP_8192:
		return BN_get_rfc3526_prime_8192(NULL);
	}
	return NULL;
}

bool ke_init(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(methods); i++) {
		if (methods[i].me_kind != KIND_MODP || limits[i])
			continue;
		limits[i] = prime_of(methods[i].me_group);
		if (!limits[i] || !BN_sub_word(limits[i], 2))
			return false;
	}
	ke_at_hand(KE_ML_KEM_768);	/* asks OpenSSL once */
	return true;
}

static const struct method *find(u16 group)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(methods); i++)
		if (methods[i].me_group == group)
			return ke_at_hand(group) ? &methods[i] : NULL;
	return NULL;
}

size_t ke_len(u16 group)
{
	const struct method *me = find(group);

	return me ? me->me_len : 0;
}

bool ke_slow(u16 group)
{
	const struct method *me = find(group);

	return me && me->me_slow;
}

struct ke *ke_new(u16 group)
{
	struct ke *ke;

	if (!find(group))
		return NULL;
	ke = calloc(1, sizeof(*ke));
	if (ke)
		ke->ke_group = group;
	return ke;
}

void ke_free(struct ke *ke)
{
	if (!ke)
		return;
	EVP_PKEY_free(ke->ke_pair);
	OPENSSL_cleanse(ke, sizeof(*ke));
	free(ke);
}

size_t ke_save(const struct ke *ke, u8 **der)
{
	int len;

	*der = NULL;
	len = ke->ke_pair ? i2d_PrivateKey(ke->ke_pair, der) : 0;
	return len > 0 ? (size_t)len : 0;
}

bool ke_load(struct ke *ke, const u8 *der, size_t len)
{
	if (!ke->ke_pair)
		ke->ke_pair = d2i_AutoPrivateKey(NULL, &der, (long)len);
	return ke->ke_pair;
}

/* 2 to p - 2, RFC 6989 section 2.1. */
static bool modp_in_range(const struct method *me, const u8 *data, size_t len)
{
	BIGNUM *value = BN_bin2bn(data, (int)len, NULL);
	bool ok;

	ok = value && !BN_is_zero(value) && !BN_is_one(value) &&
	     BN_cmp(value, limits[me - methods]) <= 0;
	BN_free(value);
	return ok;
}

const char *ke_set_peer(struct ke *ke, const u8 *data, size_t len)
{
	const struct method *me = find(ke->ke_group);

	if (!me || len != (ke->ke_pair ? me->me_answer_len : me->me_len))
		return "key exchange value of the wrong length";
	if (me->me_kind == KIND_MODP && !modp_in_range(me, data, len))
		return "key exchange value out of range";
	memcpy(ke->ke_peer, data, len);
	ke->ke_peer_len = len;
	return NULL;
}

/* Our own pair. */

static EVP_PKEY *generate_modp(const struct method *me)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
						 (char *)me->me_name, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
	EVP_PKEY *pair = NULL;

	if (ctx && EVP_PKEY_keygen_init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_params(ctx, params) == 1)
		EVP_PKEY_generate(ctx, &pair);
	EVP_PKEY_CTX_free(ctx);
	return pair;
}

static EVP_PKEY *generate(const struct method *me)
{
	switch (me->me_kind) {
	case KIND_MODP:
		return generate_modp(me);
	case KIND_ECP:
		return EVP_PKEY_Q_keygen(NULL, NULL, "EC", me->me_name);
	}
	return EVP_PKEY_Q_keygen(NULL, NULL, me->me_name);
}

static bool public_modp(struct ke *ke)
{
	BIGNUM *value = NULL;
	bool ok;

	ok = EVP_PKEY_get_bn_param(ke->ke_pair, OSSL_PKEY_PARAM_PUB_KEY,
				   &value) &&
	     BN_bn2binpad(value, ke->ke_public, (int)ke->ke_public_len) > 0;
	BN_free(value);
	return ok;
}

/* The point without the byte that says it is uncompressed (RFC 5903). */
static bool public_ecp(struct ke *ke)
{
	u8 point[1 + KE_VALUE_MAX];
	size_t len;

	if (!EVP_PKEY_get_octet_string_param(ke->ke_pair,
					     OSSL_PKEY_PARAM_PUB_KEY, point,
					     sizeof(point), &len) ||
	    len != 1 + ke->ke_public_len ||
	    point[0] != POINT_CONVERSION_UNCOMPRESSED)
		return false;
	memcpy(ke->ke_public, point + 1, len - 1);
	return true;
}

static bool public_value(const struct method *me, struct ke *ke)
{
	ke->ke_public_len = me->me_len;
	switch (me->me_kind) {
	case KIND_MODP:
		return public_modp(ke);
	case KIND_ECP:
		return public_ecp(ke);
	}
	return EVP_PKEY_get_raw_public_key(ke->ke_pair, ke->ke_public,
					   &ke->ke_public_len) == 1 &&
	       ke->ke_public_len == me->me_len;
}

/* The peer's value. */

static EVP_PKEY *peer_from_params(const char *type, const char *group,
				  OSSL_PARAM_BLD *bld)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *params = NULL;
	EVP_PKEY *peer = NULL;

	if (ctx && OSSL_PARAM_BLD_push_utf8_string(bld,
						   OSSL_PKEY_PARAM_GROUP_NAME,
						   group, 0))
		params = OSSL_PARAM_BLD_to_param(bld);
	if (params && EVP_PKEY_fromdata_init(ctx) == 1)
		EVP_PKEY_fromdata(ctx, &peer, EVP_PKEY_PUBLIC_KEY, params);
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	return peer;
}

/* Decoding the point also checks that it is on the curve. */
static EVP_PKEY *peer_ecp(const struct method *me, const struct ke *ke)
{
	u8 point[1 + KE_VALUE_MAX] = { POINT_CONVERSION_UNCOMPRESSED };
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY *peer = NULL;

	memcpy(point + 1, ke->ke_peer, ke->ke_peer_len);
	if (bld && OSSL_PARAM_BLD_push_octet_string(bld,
						    OSSL_PKEY_PARAM_PUB_KEY,
						    point, 1 + ke->ke_peer_len))
		peer = peer_from_params("EC", me->me_name, bld);
	OSSL_PARAM_BLD_free(bld);
	return peer;
}

static EVP_PKEY *peer_modp(const struct method *me, const struct ke *ke)
{
	BIGNUM *value = BN_bin2bn(ke->ke_peer, (int)ke->ke_peer_len, NULL);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY *peer = NULL;

	if (value && bld &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PUB_KEY, value))
		peer = peer_from_params("DH", me->me_name, bld);
	OSSL_PARAM_BLD_free(bld);
	BN_free(value);
	return peer;
}

static EVP_PKEY *peer_value(const struct method *me, const struct ke *ke)
{
	switch (me->me_kind) {
	case KIND_MODP:
		return peer_modp(me, ke);
	case KIND_ECP:
		return peer_ecp(me, ke);
	}
	return EVP_PKEY_new_raw_public_key_ex(NULL, me->me_name, NULL,
					      ke->ke_peer, ke->ke_peer_len);
}

/* The secret. */

/*
 * OpenSSL's own validation of the peer's value is left out: for MODP it takes
 * eight times as long as the rest, and ke_set_peer() has checked the range,
 * which is what a safe prime needs; points were checked on decoding. X25519 and
 * X448 fail by themselves on an all-zero secret (RFC 8031 section 3).
 */
static bool derive(const struct method *me, struct ke *ke)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, ke->ke_pair, NULL);
	EVP_PKEY *peer = peer_value(me, ke);
	unsigned int pad = 1;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_uint(OSSL_EXCHANGE_PARAM_PAD, &pad),
		OSSL_PARAM_construct_end(),
	};
	bool ok;

	ok = ctx && peer && EVP_PKEY_derive_init(ctx) == 1 &&
	     (me->me_kind != KIND_MODP ||
	      EVP_PKEY_CTX_set_params(ctx, params) == 1) &&
	     EVP_PKEY_derive_set_peer_ex(ctx, peer, 0) == 1 &&
	     EVP_PKEY_derive(ctx, ke->ke_secret, &ke->ke_secret_len) == 1;
	EVP_PKEY_free(peer);
	EVP_PKEY_CTX_free(ctx);
	return ok;
}

/* The responder of a KEM. Taking the key checks it (FIPS 203 section 7.2). */
static bool encapsulate(const struct method *me, struct ke *ke)
{
	EVP_PKEY *peer = peer_value(me, ke);
	EVP_PKEY_CTX *ctx = peer ? EVP_PKEY_CTX_new_from_pkey(NULL, peer, NULL) :
				   NULL;
	bool ok;

	ke->ke_public_len = sizeof(ke->ke_public);
	ok = ctx && EVP_PKEY_encapsulate_init(ctx, NULL) == 1 &&
	     EVP_PKEY_encapsulate(ctx, ke->ke_public, &ke->ke_public_len,
				  ke->ke_secret, &ke->ke_secret_len) == 1 &&
	     ke->ke_public_len == me->me_answer_len;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(peer);
	return ok;
}

static bool decapsulate(struct ke *ke)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, ke->ke_pair, NULL);
	bool ok;

	ok = ctx && EVP_PKEY_decapsulate_init(ctx, NULL) == 1 &&
	     EVP_PKEY_decapsulate(ctx, ke->ke_secret, &ke->ke_secret_len,
				  ke->ke_peer, ke->ke_peer_len) == 1;
	EVP_PKEY_CTX_free(ctx);
	return ok;
}

static bool run(const struct method *me, struct ke *ke)
{
	bool kem = me->me_kind == KIND_KEM;

	ke->ke_secret_len = sizeof(ke->ke_secret);
	if (kem && !ke->ke_pair && ke->ke_peer_len)
		return encapsulate(me, ke);
	if (!ke->ke_pair) {
		ke->ke_pair = generate(me);
		if (!ke->ke_pair || !public_value(me, ke))
			return false;
	}
	if (!ke->ke_peer_len)
		return true;
	return kem ? decapsulate(ke) : derive(me, ke);
}

void ke_run(void *arg)
{
	struct ke *ke = arg;
	const struct method *me = find(ke->ke_group);

	if (ke->ke_failed)
		return;
	ke->ke_failed = !me || !run(me, ke);
	ERR_clear_error();
}
