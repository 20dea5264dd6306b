// SPDX-License-Identifier: GPL-2.0-or-later

#include "unit.h"

#include "proposal.h"

static char err[256];

static struct proposal parse(u8 protocol, const char *text)
{
	struct proposal prop;

	if (!proposal_parse(&prop, protocol, text, NULL, err, sizeof(err)))
		fail_msg("%s: %s", text, err);
	return prop;
}

static void assert_refused(u8 protocol, const char *text, const char *because)
{
	struct proposal prop;

	assert_false(proposal_parse(&prop, protocol, text, NULL, err,
				    sizeof(err)));
	if (!strstr(err, because))
		fail_msg("%s: \"%s\" does not say \"%s\"", text, err, because);
}

static void assert_prints(u8 protocol, const char *text, const char *printed)
{
	struct proposal prop = parse(protocol, text);
	char buf[PROPOSAL_STRLEN];

	assert_string_equal(proposal_print(&prop, buf, sizeof(buf)), printed);
}

static void assert_describes(const struct proposal *prop, const char *text)
{
	char buf[PROPOSAL_STRLEN];

	assert_string_equal(proposal_describe(prop, buf, sizeof(buf)), text);
}

static void assert_transform(const struct proposal *prop, size_t at, u8 type,
			     u16 id, u16 bits)
{
	assert_true(at < prop->prop_count);
	assert_int_equal(prop->prop_transforms[at].tr_type, type);
	assert_int_equal(prop->prop_transforms[at].tr_id, id);
	assert_int_equal(prop->prop_transforms[at].tr_key_bits, bits);
}

static void test_ike_aead(void **state)
{
	struct proposal prop = parse(PROTO_IKE, "aes256gcm-sha256-x25519");

	assert_int_equal(prop.prop_protocol, PROTO_IKE);
	assert_int_equal(prop.prop_count, 3);
	assert_transform(&prop, 0, TRANSFORM_ENCR, 20, 256);
	assert_transform(&prop, 1, TRANSFORM_PRF, 5, 0);
	assert_transform(&prop, 2, TRANSFORM_KE, 31, 0);
}

static void test_ike_cbc(void **state)
{
	struct proposal prop = parse(PROTO_IKE, "aes128-sha512-modp2048");

	assert_int_equal(prop.prop_count, 4);
	assert_transform(&prop, 0, TRANSFORM_ENCR, 12, 128);
	assert_transform(&prop, 1, TRANSFORM_PRF, 7, 0);
	assert_transform(&prop, 2, TRANSFORM_INTEG, 14, 0);
	assert_transform(&prop, 3, TRANSFORM_KE, 14, 0);
}

static void test_ike_cbc_with_own_prf(void **state)
{
	struct proposal prop = parse(PROTO_IKE,
				     "aes256-sha256-prfsha384-ecp256");

	assert_int_equal(prop.prop_count, 4);
	assert_transform(&prop, 1, TRANSFORM_PRF, 6, 0);
	assert_transform(&prop, 2, TRANSFORM_INTEG, 12, 0);
}

static void test_order_of_preference(void **state)
{
	struct proposal prop = parse(PROTO_IKE,
				     "x25519-sha384-aes128gcm-sha256-aes256gcm-ecp256");

	assert_int_equal(prop.prop_count, 6);
	assert_transform(&prop, 0, TRANSFORM_ENCR, 20, 128);
	assert_transform(&prop, 1, TRANSFORM_ENCR, 20, 256);
	assert_transform(&prop, 2, TRANSFORM_PRF, 6, 0);
	assert_transform(&prop, 3, TRANSFORM_PRF, 5, 0);
	assert_transform(&prop, 4, TRANSFORM_KE, 31, 0);
	assert_transform(&prop, 5, TRANSFORM_KE, 19, 0);
}

static void test_esp(void **state)
{
	struct proposal prop = parse(PROTO_ESP, "chacha20poly1305");

	assert_int_equal(prop.prop_count, 1);
	assert_transform(&prop, 0, TRANSFORM_ENCR, 28, 0);
	proposal_set_esn(&prop, true);
	assert_transform(&prop, 1, TRANSFORM_ESN, ESN_YES, 0);
	assert_transform(&prop, 2, TRANSFORM_ESN, ESN_NO, 0);
	proposal_set_esn(&prop, false);
	assert_int_equal(prop.prop_count, 3);

	prop = parse(PROTO_ESP, "aes256gcm-noesn");
	proposal_set_esn(&prop, true);
	assert_int_equal(prop.prop_count, 2);
	assert_transform(&prop, 1, TRANSFORM_ESN, ESN_NO, 0);
}

static void test_prints_same_words(void **state)
{
	static const char *const ike[] = {
		"aes256gcm-sha256-x25519", "aes256-sha256-x25519",
		"aes256-aes128-prfsha384-sha256-sha512-modp2048",
		"chacha20poly1305-sha512-x25519-ecp256-modp2048",
		"aes256gcm-sha256-x448-ecp384-ecp521-modp3072-modp4096-modp6144-modp8192",
		"aes256gcm-sha256-x25519+x448", "aes256gcm-sha256-x25519++x448",
		"aes256gcm-sha256-x25519+x448+ecp384-ecp256-+none-++modp3072",
	};
	static const char *const esp[] = {
		"aes256gcm", "aes256gcm-aes128gcm-x25519-none-esn-noesn",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ike); i++)
		assert_prints(PROTO_IKE, ike[i], ike[i]);
	for (i = 0; i < ARRAY_SIZE(esp); i++)
		assert_prints(PROTO_ESP, esp[i], esp[i]);
	assert_prints(PROTO_IKE, "+none-aes256gcm-sha256-ecp256+x448-++ecp521-x25519",
		      "aes256gcm-sha256-ecp256+none+ecp521-x25519-+x448");
	assert_prints(PROTO_ESP, "chacha20-curve25519",
		      "chacha20poly1305-x25519");
	assert_prints(PROTO_ESP, "aes256gcm16", "aes256gcm");
}

static void test_defaults(void **state)
{
	struct proposal props[PROPOSALS_MAX];
	struct transform x25519 = { TRANSFORM_KE, KE_X25519, 0 };
	struct transform none = { TRANSFORM_KE, KE_NONE, 0 };

	size_t hybrid = ke_at_hand(KE_ML_KEM_768), i;

	assert_int_equal(proposal_defaults(props, PROTO_IKE), 2 + hybrid);
	for (i = 0; i < 1 + hybrid; i++) {
		assert_transform(&props[i], 0, TRANSFORM_ENCR, 20, 256);
		assert_null(proposal_first(&props[i], TRANSFORM_INTEG));
		assert_int_equal(proposal_is_quantum(&props[i]), i < hybrid);
	}
	assert_transform(&props[i], 0, TRANSFORM_ENCR, 12, 256);
	assert_non_null(proposal_first(&props[i], TRANSFORM_INTEG));
	assert_true(proposal_has(&props[i], &x25519));
	assert_false(proposal_has(&props[i], &none));
	assert_int_equal(proposal_defaults(props, PROTO_ESP), 1);
	assert_true(proposal_has(&props[0], &none));
}

/* What needs a newer OpenSSL says so, and what is called post-quantum is. */
static void test_post_quantum(void **state)
{
	struct proposal prop = { .prop_protocol = PROTO_IKE };

	if (ke_at_hand(KE_ML_KEM_768))
		parse(PROTO_IKE, "aes256-sha256-mlkem768");
	else
		assert_refused(PROTO_IKE, "aes256-sha256-mlkem768",
			       "OpenSSL 3.5");
	proposal_add(&prop, TRANSFORM_KE, KE_X25519, 0);
	assert_false(proposal_is_quantum(&prop));
	proposal_add(&prop, TRANSFORM_ADDKE1, KE_ML_KEM_768, 0);
	assert_true(proposal_is_quantum(&prop));
	proposal_add(&prop, TRANSFORM_ADDKE1, KE_NONE, 0);
	assert_false(proposal_is_quantum(&prop));
	proposal_add(&prop, TRANSFORM_ADDKE7, KE_ML_KEM_1024, 0);
	assert_true(proposal_is_quantum(&prop));
}

/* A default may hold nothing that would be refused, or is legacy. */
static void test_defaults_are_safe(void **state)
{
	static const u8 protocols[] = { PROTO_IKE, PROTO_ESP };
	struct proposal props[PROPOSALS_MAX];
	size_t i, j, k, count;
	const char *legacy;
	char buf[PROPOSAL_STRLEN];

	for (i = 0; i < 2; i++) {
		count = proposal_defaults(props, protocols[i]);
		for (j = 0; j < count; j++) {
			for (k = 0; k < props[j].prop_count; k++)
				assert_null(transform_refusal
					    (&props[j].prop_transforms[k],
					     protocols[i]));
			proposal_print(&props[j], buf, sizeof(buf));
			assert_true(proposal_parse(&props[j], protocols[i],
						   buf, &legacy, err,
						   sizeof(err)));
			assert_null(legacy);
		}
	}
}

static void test_refusals(void **state)
{
	assert_refused(PROTO_ESP, "3des", "RFC 8221");
	assert_refused(PROTO_ESP, "des", "RFC 8221");
	assert_refused(PROTO_IKE, "aes256-md5-modp2048", "RFC 8247");
	assert_refused(PROTO_IKE, "aes256-sha256-modp768", "RFC 8247");
	assert_refused(PROTO_IKE, "aes256-sha256-modp1024s160", "RFC 8247");
	assert_refused(PROTO_ESP, "null", "needs a hash");
	assert_refused(PROTO_ESP, "aes256", "needs a hash");
	assert_refused(PROTO_ESP, "aes256-md5", "RFC 8247");
	assert_refused(PROTO_IKE, "aes256ctr-sha256-x25519",
		       "not in this release");
	assert_refused(PROTO_IKE, "aes256-aescmac-prfsha256-x25519",
		       "not in this release");
	assert_refused(PROTO_IKE, "aes256gcm-sha256-x25519+", "unknown");
	assert_refused(PROTO_IKE, "aes256gcm-sha256-x25519+sha256",
		       "not a key exchange");
	assert_refused(PROTO_IKE, "aes256gcm-sha256-+x448", "needs a key");
	assert_refused(PROTO_ESP, "aes256gcm+x448", "needs a first");
	assert_refused(PROTO_ESP, "aes256gcm-x25519-none+x448",
		       "not optional");
	assert_refused(PROTO_IKE, "aes256gcm-sha256-x25519+x448-+x448",
		       "twice");
	assert_refused(PROTO_IKE,
		       "aes256gcm-sha256-x25519++++++++x448", "at most seven");
	assert_refused(PROTO_ESP, "aes256gcm-sha256", "its own integrity");
	assert_refused(PROTO_ESP, "aes256gcm-prfsha256", "ike");
	assert_refused(PROTO_IKE, "aes256gcm-sha256-x25519-esn", "esp");
	assert_refused(PROTO_IKE, "aes256gcm-sha256-none", "needs a key");
	assert_refused(PROTO_IKE, "aes256gcm-x25519", "PRF");
	assert_refused(PROTO_IKE, "aes256gcm-sha256", "key exchange");
	assert_refused(PROTO_IKE, "sha256-x25519", "no cipher");
	assert_refused(PROTO_IKE, "aes256-prfsha256-x25519", "integrity");
	assert_refused(PROTO_IKE, "aes256gcm-sha256-prfsha384-x25519",
		       "its own");
	assert_refused(PROTO_IKE, "aes256gcm-aes256-sha256-x25519", "comma");
	assert_refused(PROTO_ESP, "aes256gcm-aes256gcm", "twice");
	assert_refused(PROTO_ESP, "aes256gmc", "did you mean \"aes256gcm\"");
	assert_refused(PROTO_ESP, "", "unknown");
	assert_refused(PROTO_ESP, "aes256gcm-", "unknown");
	assert_refused(PROTO_ESP, "-aes256gcm", "unknown");
}

static void test_too_long_is_refused(void **state)
{
	char text[2 * PROPOSAL_STRLEN];

	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_refused(PROTO_ESP, text, "too long");
	text[PROPOSAL_STRLEN - 1] = '\0';
	assert_refused(PROTO_ESP, text, "unknown");
}

static void test_describes_what_peers_offer(void **state)
{
	struct proposal prop = parse(PROTO_IKE,
				     "aes256gcm-aes128gcm-sha256-x25519");

	assert_describes(&prop,
			 "ENCR AES-GCM-16-256/AES-GCM-16-128 PRF HMAC-SHA2-256 KE X25519");
	memset(&prop, 0, sizeof(prop));
	prop.prop_protocol = PROTO_ESP;
	assert_describes(&prop, "");
	proposal_add(&prop, TRANSFORM_ENCR, ENCR_3DES, 0);
	proposal_add(&prop, TRANSFORM_ENCR, 999, 128);
	proposal_add(&prop, TRANSFORM_ADDKE1, KE_ML_KEM_768, 0);
	proposal_add(&prop, 77, 3, 0);
	proposal_add(&prop, TRANSFORM_ESN, 1, 0);
	assert_describes(&prop,
			 "ENCR 3DES/999-128 ESN yes ADDKE1 ML-KEM-768 TYPE 77 3");
}

static void test_full_proposal(void **state)
{
	struct proposal prop = { .prop_protocol = PROTO_IKE };
	size_t i;

	for (i = 0; i < PROPOSAL_TRANSFORMS_MAX; i++)
		assert_true(proposal_add(&prop, TRANSFORM_ENCR, 1000 + i, 0));
	assert_false(proposal_add(&prop, TRANSFORM_ENCR, 1, 0));
	assert_int_equal(prop.prop_count, PROPOSAL_TRANSFORMS_MAX);
}

static void test_refusal_of_transforms(void **state)
{
	static const struct transform good = { TRANSFORM_ENCR, 20, 128 };
	static const struct transform odd = { TRANSFORM_ENCR, 20, 100 };
	static const struct transform weak = { TRANSFORM_ENCR, 3, 0 };
	static const struct transform alien = { TRANSFORM_ENCR, 4711, 0 };

	assert_null(transform_refusal(&good, PROTO_ESP));
	assert_non_null(strstr(transform_refusal(&odd, PROTO_ESP), "length"));
	assert_non_null(strstr(transform_refusal(&weak, PROTO_ESP), "8221"));
	assert_non_null(strstr(transform_refusal(&alien, PROTO_ESP),
			       "unknown"));
}

static void test_key_lengths(void **state)
{
	static const struct {
		const char *word;
		u16 id;
		size_t len;
	} ciphers[] = {
		{ "aes128gcm", 20, 20 }, { "aes192gcm", 20, 28 },
		{ "aes256gcm", 20, 36 }, { "chacha20poly1305", 28, 36 },
		{ "aes192gcm12", 19, 28 }, { "aes128gcm8", 18, 20 },
		{ "aes256ccm", 16, 35 }, { "aes192ccm12", 15, 27 },
		{ "aes128ccm8", 14, 19 }, { "aes256gmac", 21, 36 },
		{ "aes192ctr", 13, 28 }, { "aes256", 12, 32 },
		{ "null", 11, 0 },
	};
	struct transform tr;
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(ciphers); i++) {
		assert_true(esp_cipher_parse(&tr, &len, ciphers[i].word, err,
					     sizeof(err)));
		assert_int_equal(tr.tr_id, ciphers[i].id);
		assert_int_equal(len, ciphers[i].len);
	}
	assert_false(esp_cipher_parse(&tr, &len, "x25519", err, sizeof(err)));
	assert_false(esp_cipher_parse(&tr, &len, "3des", err, sizeof(err)));
	tr = (struct transform){ TRANSFORM_ENCR, ENCR_AES_CBC, 256 };
	assert_int_equal(encr_keymat_len(&tr), 32);
	tr = (struct transform){ TRANSFORM_ENCR, 4711, 256 };
	assert_int_equal(encr_keymat_len(&tr), 0);
}

static void test_integrity(void **state)
{
	static const struct {
		const char *word;
		u16 id;
		size_t len;
	} hashes[] = {
		{ "sha256", 12, 32 }, { "sha384", 13, 48 },
		{ "sha512", 14, 64 }, { "aescmac", 8, 16 },
		{ "aesxcbc", 5, 16 }, { "sha1", 2, 20 },
	};
	struct proposal prop;
	const char *legacy;
	size_t i;
	u16 id;

	for (i = 0; i < ARRAY_SIZE(hashes); i++) {
		assert_true(esp_integ_parse(&id, hashes[i].word, err,
					    sizeof(err)));
		assert_int_equal(id, hashes[i].id);
		assert_int_equal(integ_keymat_len(id), hashes[i].len);
	}
	assert_int_equal(integ_keymat_len(1), 0);
	assert_false(esp_integ_parse(&id, "md5", err, sizeof(err)));
	assert_non_null(strstr(err, "RFC 8247"));
	assert_false(esp_integ_parse(&id, "aes256", err, sizeof(err)));
	assert_false(esp_integ_parse(&id, "sha265", err, sizeof(err)));
	assert_non_null(strstr(err, "did you mean"));

	assert_true(proposal_parse(&prop, PROTO_ESP, "aes256-sha512-sha256",
				   &legacy, err, sizeof(err)));
	assert_null(legacy);
	assert_true(proposal_parse(&prop, PROTO_ESP, "null-sha1", &legacy, err,
				   sizeof(err)));
	assert_string_equal(legacy, "sha1");
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_ike_aead),
		cmocka_unit_test(test_ike_cbc),
		cmocka_unit_test(test_ike_cbc_with_own_prf),
		cmocka_unit_test(test_order_of_preference),
		cmocka_unit_test(test_esp),
		cmocka_unit_test(test_prints_same_words),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_post_quantum),
		cmocka_unit_test(test_defaults_are_safe),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_too_long_is_refused),
		cmocka_unit_test(test_describes_what_peers_offer),
		cmocka_unit_test(test_full_proposal),
		cmocka_unit_test(test_refusal_of_transforms),
		cmocka_unit_test(test_key_lengths),
		cmocka_unit_test(test_integrity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
