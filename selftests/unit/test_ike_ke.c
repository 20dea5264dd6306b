// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * All key exchange methods: against Wycheproof's vectors (vectors/ke.txt; or
 * all that a file named by KE_VECTORS holds), with themselves, and with values
 * that must not be taken. What this OpenSSL lacks is seen to be refused.
 */
#include "unit.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdlib.h>

#include "crypto.h"
#include "ke.h"

static const u16 modps[] = {
	KE_MODP_2048, KE_MODP_3072, KE_MODP_4096, KE_MODP_6144, KE_MODP_8192,
};

static const u16 kems[] = { KE_ML_KEM_512, KE_ML_KEM_768, KE_ML_KEM_1024 };

static size_t unhex(const char *text, u8 *out, size_t room)
{
	size_t len = strcmp(text, "-") ? strlen(text) / 2 : 0, i;
	char digits[3] = "";

	assert_true(len <= room);
	for (i = 0; i < len; i++) {
		memcpy(digits, text + 2 * i, 2);
		out[i] = (u8)strtoul(digits, NULL, 16);
	}
	return len;
}

static EVP_PKEY *pair_from(const char *type, OSSL_PARAM_BLD *bld)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY *pair = NULL;

	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &pair, EVP_PKEY_KEYPAIR,
					   params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	return pair;
}

static EVP_PKEY *ecp_pair(const char *curve, const u8 *data, size_t len)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *value = BN_bin2bn(data, (int)len, NULL);
	EVP_PKEY *pair;

	OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, curve,
					0);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, value);
	pair = pair_from("EC", bld);
	BN_free(value);
	return pair;
}

static EVP_PKEY *kem_pair(const char *type, const u8 *seed, size_t len)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();

	OSSL_PARAM_BLD_push_octet_string(bld, "seed", seed, len);
	return pair_from(type, bld);
}

static u16 method_of(const char *word)
{
	struct proposal prop;
	char text[64], err[200];

	snprintf(text, sizeof(text), "aes256gcm-sha256-%s", word);
	if (!proposal_parse(&prop, PROTO_IKE, text, NULL, err, sizeof(err))) {
		assert_non_null(strstr(err, "OpenSSL 3.5"));
		return 0;
	}
	return proposal_first(&prop, TRANSFORM_KE)->tr_id;
}

static EVP_PKEY *make_pair(u16 method, const u8 *data, size_t len)
{
	switch (method) {
	case KE_X448:
		return EVP_PKEY_new_raw_private_key(EVP_PKEY_X448, NULL, data,
						    len);
	case KE_ECP_384:
		return ecp_pair("P-384", data, len);
	case KE_ECP_521:
		return ecp_pair("P-521", data, len);
	case KE_ML_KEM_512:
		return kem_pair("ML-KEM-512", data, len);
	case KE_ML_KEM_768:
		return kem_pair("ML-KEM-768", data, len);
	}
	assert_int_equal(method, KE_ML_KEM_1024);
	return kem_pair("ML-KEM-1024", data, len);
}

static void check_vector(u16 method, const char *private, const char *peer,
			 const char *secret)
{
	struct ke *ke = ke_new(method);
	u8 buf[8192];
	size_t len = unhex(private, buf, sizeof(buf));

	assert_non_null(ke);
	if (len)
		ke->ke_pair = make_pair(method, buf, len);
	len = unhex(peer, buf, sizeof(buf));
	if (ke_set_peer(ke, buf, len)) {
		assert_string_equal(secret, "-");
		ke_free(ke);
		return;
	}
	ke_run(ke);
	if (ke->ke_failed != !strcmp(secret, "-"))
		fail_msg("%u %s %s: %s", method, private, peer,
			 ke->ke_failed ? "failed" : "taken");
	if (!ke->ke_failed) {
		len = unhex(secret, buf, sizeof(buf));
		assert_int_equal(ke->ke_secret_len, len);
		assert_memory_equal(ke->ke_secret, buf, len);
	}
	ke_free(ke);
}

static void test_vectors(void **state)
{
	static char line[16384];
	const char *path = getenv("KE_VECTORS");
	FILE *file = fopen(path ? path : VECTORS "/ke.txt", "r");
	char *word, *private, *peer, *secret;
	unsigned int checked = 0;
	u16 method;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (*line == '#')
			continue;
		line[strcspn(line, "\n")] = '\0';
		word = strtok(line, " ");
		private = strtok(NULL, " ");
		peer = strtok(NULL, " ");
		secret = strtok(NULL, " ");
		assert_non_null(secret);
		method = method_of(word);
		if (method)
			check_vector(method, private, peer, secret);
		else
			assert_false(ke_at_hand(KE_ML_KEM_768));
		checked++;
	}
	fclose(file);
	assert_true(checked > 50);
}

/* Both sides come to the same secret, also when it begins with zeros. */
static void agree(u16 group, unsigned int times, size_t secret)
{
	while (times--) {
		struct ke *a = ke_new(group), *b = ke_new(group);

		ke_run(a);
		assert_false(a->ke_failed);
		assert_int_equal(a->ke_public_len, ke_len(group));
		assert_null(ke_set_peer(b, a->ke_public, a->ke_public_len));
		ke_run(b);
		assert_null(ke_set_peer(a, b->ke_public, b->ke_public_len));
		ke_run(a);
		assert_false(a->ke_failed || b->ke_failed);
		assert_int_equal(a->ke_secret_len, secret);
		assert_int_equal(b->ke_secret_len, secret);
		assert_memory_equal(a->ke_secret, b->ke_secret, secret);
		ke_free(a);
		ke_free(b);
	}
}

static void test_agreement(void **state)
{
	size_t i;

	agree(KE_X25519, 20, 32);
	agree(KE_X448, 20, 56);
	agree(KE_ECP_256, 20, 32);
	agree(KE_ECP_384, 10, 48);
	agree(KE_ECP_521, 10, 66);
	agree(KE_MODP_2048, 20, 256);
	agree(KE_MODP_3072, 2, 384);
	agree(KE_MODP_4096, 2, 512);
	agree(KE_MODP_6144, 1, 768);
	agree(KE_MODP_8192, 1, 1024);
	for (i = 0; i < ARRAY_SIZE(kems); i++)
		if (ke_at_hand(kems[i]))
			agree(kems[i], 20, 32);
}

/* RFC 6989: 0, 1, p - 1, p, p + 1, too long, too short are not taken. */
static void check_range(u16 group)
{
	struct ke *ke = ke_new(group);
	size_t len = ke_len(group);
	u8 buf[KE_VALUE_MAX + 1] = { 0 };
	BIGNUM *p = group == KE_MODP_2048 ? BN_get_rfc3526_prime_2048(NULL) :
		    group == KE_MODP_3072 ? BN_get_rfc3526_prime_3072(NULL) :
		    group == KE_MODP_4096 ? BN_get_rfc3526_prime_4096(NULL) :
		    group == KE_MODP_6144 ? BN_get_rfc3526_prime_6144(NULL) :
					    BN_get_rfc3526_prime_8192(NULL);

	assert_non_null(ke_set_peer(ke, buf, len));
	buf[len - 1] = 1;
	assert_non_null(ke_set_peer(ke, buf, len));
	buf[len - 1] = 2;
	assert_null(ke_set_peer(ke, buf, len));
	assert_non_null(ke_set_peer(ke, buf, len - 1));
	assert_non_null(ke_set_peer(ke, buf, len + 1));
	assert_non_null(ke_set_peer(ke, buf, 0));
	BN_bn2binpad(p, buf, (int)len);
	assert_non_null(ke_set_peer(ke, buf, len));
	BN_sub_word(p, 1);
	BN_bn2binpad(p, buf, (int)len);
	assert_non_null(ke_set_peer(ke, buf, len));
	BN_sub_word(p, 1);
	BN_bn2binpad(p, buf, (int)len);
	assert_null(ke_set_peer(ke, buf, len));
	memset(buf, 0xff, len);
	assert_non_null(ke_set_peer(ke, buf, len));
	BN_free(p);
	ke_free(ke);
}

static void test_modp_range(void **state)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(modps); i++)
		check_range(modps[i]);
	assert_null(ke_new(KE_MODP_1024));
	assert_null(ke_new(KE_MODP_1536));
	assert_null(ke_new(0));
}

/* Only what is quick runs on the engine's thread. */
static void test_slow(void **state)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(modps); i++)
		assert_true(ke_slow(modps[i]));
	assert_true(ke_slow(KE_ECP_384) && ke_slow(KE_ECP_521));
	assert_true(ke_slow(KE_X448));
	assert_false(ke_slow(KE_X25519) || ke_slow(KE_ECP_256));
}

/* The two sides of a KEM send values of other lengths. */
static void test_kem_lengths(void **state)
{
	static const size_t answers[] = { 768, 1088, 1568 };
	u8 buf[KE_VALUE_MAX] = { 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kems); i++) {
		struct ke *ke = ke_new(kems[i]);

		if (!ke_at_hand(kems[i])) {
			assert_null(ke);
			assert_int_equal(ke_len(kems[i]), 0);
			continue;
		}
		assert_null(ke_set_peer(ke, buf, ke_len(kems[i])));
		ke->ke_peer_len = 0;
		ke_run(ke);
		assert_null(ke_set_peer(ke, buf, answers[i]));
		assert_non_null(ke_set_peer(ke, buf, answers[i] - 1));
		ke_free(ke);
	}
}

static int init(void **state)
{
	return crypto_init() ? 0 : -1;
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_agreement),
		cmocka_unit_test(test_modp_range),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_kem_lengths),
	};

	return cmocka_run_group_tests(tests, init, NULL);
}
