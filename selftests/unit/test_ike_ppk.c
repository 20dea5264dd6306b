// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Post-quantum pre-shared keys (RFC 8784) between two engines.
 */
#include "ike_pair.h"

#include <errno.h>
#include <openssl/hmac.h>

#define PPK	"ppk = ppk\nppk-id = both.test\n"
#define MAY	PPK "ppk-required = no\n"
#define OTHER	"ppk = ppk\nppk-id = another.test\n"
#define AUTH_BEGIN "a->b 1 IKE_AUTH: IDi IDr AUTH N(PPK_IDENTITY)"
#define AUTH_REST "N(INITIAL_CONTACT) SA TSi TSr"
#define OTHER_MAY OTHER "ppk-required = no\n"

/* prf+(PPK, key), in one step, by OpenSSL alone. */
static void assert_mixed(const struct pair_side *side, const struct ike_key *before,
			 const struct ike_key *after)
{
	u8 seed[33], out[32];

	assert_int_equal(before->key_len, 32);
	assert_int_equal(after->key_len, 32);
	memcpy(seed, before->key_data, 32);
	seed[32] = 1;
	HMAC(EVP_sha256(), side->side_ppk, strlen(side->side_ppk), seed,
	     sizeof(seed), out, NULL);
	assert_memory_equal(after->key_data, out, 32);
}

/* The only one, established or not. */
static struct ike_sa *any_sa(struct pair_side *side)
{
	unsigned int i;

	for (i = 0; i < CORE_BUCKETS; i++)
		if (side->side_core->core_sas[i])
			return side->side_core->core_sas[i];
	return NULL;
}

static void run_used(const char *with, const char *auth)
{
	struct pair *pair = pair_new(with, CONF_B(PPK));
	struct ike_keys before;
	struct ike_sa *sa;

	side_command(&pair->pair_a, core_up);
	expect_init(pair, " N(USE_PPK)");
	before = any_sa(&pair->pair_b)->sa_keys;
	expect_deliver(pair, auth);
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: " AUTH_REPLY
		       " N(PPK_IDENTITY)");
	expect_silence(pair);
	assert_one_pair(pair);
	sa = side_sa(&pair->pair_a);
	assert_mixed(&pair->pair_a, &before.keys_d, &sa->sa_keys.keys_d);
	assert_mixed(&pair->pair_a, &before.keys_pi, &sa->sa_keys.keys_pi);
	assert_mixed(&pair->pair_a, &before.keys_pr, &sa->sa_keys.keys_pr);
	assert_memory_equal(&before.keys_ei, &sa->sa_keys.keys_ei, sizeof(before.keys_ei));
	assert_int_equal(sa->sa_ppk, PPK_USED);
	assert_int_equal(side_sa(&pair->pair_b)->sa_ppk, PPK_USED);
	pair_free(pair);
}

static void test_used(void **state)
{
	run_used(CONF_A(PPK), AUTH_BEGIN " " AUTH_REST);
	run_used(CONF_A(MAY), AUTH_BEGIN " N(NO_PPK_AUTH) " AUTH_REST);
}

/* It works without, and says so. */
static void run_without(const char *a, const char *b, enum sa_ppk at_a,
			enum sa_ppk at_b)
{
	struct pair *pair = pair_up(a, b);

	assert_int_equal(side_sa(&pair->pair_a)->sa_ppk, at_a);
	assert_int_equal(side_sa(&pair->pair_b)->sa_ppk, at_b);
	assert_int_equal(side_said(&pair->pair_a, "without PPK"), at_a == PPK_REFUSED);
	assert_int_equal(side_said(&pair->pair_b, "without PPK"), at_b == PPK_REFUSED);
	assert_memory_equal(&side_sa(&pair->pair_a)->sa_keys,
			    &side_sa(&pair->pair_b)->sa_keys, sizeof(struct ike_keys));
	side_command(&pair->pair_a, core_rekey);
	pair_run_for(pair, CHILD_LINGER_MS + 10);
	assert_one_pair(pair);
	pair_free(pair);
}

static void test_downgraded(void **state)
{
	run_without(CONF_A(MAY), CONF_B(""), PPK_REFUSED, PPK_NONE);
	run_without(CONF_A(""), CONF_B(MAY), PPK_NONE, PPK_REFUSED);
	run_without(CONF_A(MAY), CONF_B(OTHER_MAY), PPK_REFUSED, PPK_REFUSED);
}

static void run_refused(const char *a, const char *b, bool at_a, const char *words)
{
	struct pair *pair = pair_new(a, b);

	side_command(&pair->pair_a, core_up);
	pair_run(pair);
	pair_advance(pair, 70000);
	pair_run(pair);
	assert_null(conn_child(side_conn(&pair->pair_a)));
	assert_null(conn_child(side_conn(&pair->pair_b)));
	assert_said(at_a ? &pair->pair_a : &pair->pair_b, words);
	pair_free(pair);
}

static void test_refused(void **state)
{
	run_refused(CONF_A(PPK), CONF_B(""), true, "the peer uses no PPK");
	run_refused(CONF_A(""), CONF_B(PPK), false, "does not use our PPK");
	run_refused(CONF_A(PPK), CONF_B(OTHER), false, "does not use our PPK");
	run_refused(CONF_A(MAY), CONF_B(OTHER), false, "does not use our PPK");
	/* Only the one that may go without offers to. */
	run_refused(CONF_A(PPK), CONF_B(OTHER_MAY), false, "does not use our PPK");
}

/* The same bytes as another type of PPK_ID name another key. */
static void test_identity(void **state)
{
	static const struct {
		const char *row_id;
		size_t row_len;
		bool row_ours;
	} rows[] = {
		{ "\2both.test", 10, true },
		{ "\1both.test", 10, false },
		{ "\0both.test", 10, false },
		{ "\2both.tesT", 10, false },
		{ "\2both.tes", 9, false },
		{ "\2both.test", 11, false },
		{ "\2", 1, false },
		{ "", 0, false },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct msg_blob id = {
			(const u8 *)rows[i].row_id, rows[i].row_len
		};

		assert_int_equal(auth_is_ppk_id(&id, "both.test"),
				 rows[i].row_ours);
		assert_false(auth_is_ppk_id(&id, ""));
	}
}

/* Two keys of one name are an error, which nobody takes for going without. */
static void test_other_key(void **state)
{
	struct pair *pair = pair_new(CONF_A(MAY), CONF_B(MAY));

	pair->pair_b.side_ppk = "something else";
	side_command(&pair->pair_a, core_up);
	pair_run(pair);
	assert_null(conn_child(side_conn(&pair->pair_a)));
	assert_said(&pair->pair_b, "AUTH is wrong: another pre-shared key, or PPK");
	assert_said(&pair->pair_a, "AUTHENTICATION_FAILED");
	assert_false(side_said(&pair->pair_a, "without PPK"));
	pair_free(pair);
}

/* The keeper cannot read the file. */
static void test_no_key(void **state)
{
	struct pair *pair = pair_new(CONF_A(MAY), CONF_B(MAY));

	pair->pair_b.side_fail[IPC_PPK] = ENOKEY;
	side_command(&pair->pair_a, core_up);
	pair_run(pair);
	assert_said(&pair->pair_b, "no PPK: made to fail");
	pair->pair_a.side_fail[IPC_PPK] = ENOKEY;
	side_command(&pair->pair_a, core_up);
	pair_run(pair);
	assert_said(&pair->pair_a, "no PPK: made to fail");
	assert_null(conn_child(side_conn(&pair->pair_a)));
	pair_free(pair);
}

/* What is made of these keys has the PPK in it, through restarts too. */
static void test_later(void **state)
{
	struct pair *pair = pair_up(CONF_A(PPK), CONF_B(PPK));
	unsigned int i;

	for (i = 0; i < 4; i++) {
		struct pair_side *side = i % 2 ? &pair->pair_a : &pair->pair_b;

		side_command(side, core_rekey_ike);
		pair_run_for(pair, IKE_OVERDUE_MS + 10);
		side_crash(&pair->pair_a, CONF_A(PPK));
		side_crash(&pair->pair_b, CONF_B(PPK));
		side_command(side, core_rekey);
		pair_run_for(pair, CHILD_LINGER_MS + 10);
		assert_one_pair(pair);
		assert_int_equal(side_sa(&pair->pair_a)->sa_ppk, PPK_USED);
		assert_int_equal(side_sa(&pair->pair_b)->sa_ppk, PPK_USED);
	}
	pair_free(pair);
}

/* The engine dies between IKE_AUTH and its answer. */
static void run_crash(const char *a, const char *b, enum sa_ppk want)
{
	struct pair *pair = pair_new(a, b);

	side_command(&pair->pair_a, core_up);
	expect_init(pair, " N(USE_PPK)");
	pair_settle(pair);
	side_crash(&pair->pair_a, a);
	pair_run(pair);
	pair_run_for(pair, 70000);
	assert_true(pair_carries(pair));
	assert_int_equal(side_sa(&pair->pair_a)->sa_ppk, want);
	pair_free(pair);
}

static void test_crash(void **state)
{
	run_crash(CONF_A(PPK " start = start\n"), CONF_B(PPK), PPK_USED);
	run_crash(CONF_A(MAY " start = start\n"), CONF_B(OTHER_MAY), PPK_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_used),
		cmocka_unit_test(test_downgraded),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_other_key),
		cmocka_unit_test(test_no_key),
		cmocka_unit_test(test_later),
		cmocka_unit_test(test_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
