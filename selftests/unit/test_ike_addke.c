// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Additional key exchanges (RFC 9370) between two engines: IKE_INTERMEDIATE
 * (RFC 9242) before IKE_AUTH, with methods that every OpenSSL has, and with
 * ML-KEM where there is one.
 */
#include "ike_pair.h"

#include "select.h"

#define HYBRID	"ike = aes256gcm-sha256-x25519+x448"
#define PLAIN	"ike = aes256gcm-sha256-x25519"
#define SPLIT	"fragment-size = 576\nike = aes256gcm-sha256-x25519+modp8192"
#define ADDKE	" N(INTERMEDIATE_EXCHANGE_SUPPORTED)"

/* The next few messages arrive. */
static void pair_pass(struct pair *pair, unsigned int count)
{
	struct pair_datagram *dg;

	while (count--) {
		dg = pair_take(pair);
		assert_non_null(dg);
		pair_deliver(pair, dg);
		datagram_free(dg);
	}
}

/* One exchange between IKE_SA_INIT and IKE_AUTH, and the AUTH covers it. */
static void test_intermediate(void **state)
{
	struct pair *pair = pair_new(CONF_A(HYBRID), CONF_B(HYBRID));
	struct ike_keys keys;
	struct ike_sa *sa;

	side_command(&pair->pair_a, core_up);
	expect_init(pair, ADDKE);
	sa = side_sa(&pair->pair_a);
	keys = sa->sa_keys;
	expect_deliver(pair, "a->b 1 IKE_INTERMEDIATE: KE");
	expect_deliver(pair, "b->a 1 IKE_INTERMEDIATE reply: KE");
	assert_memory_not_equal(&keys, &sa->sa_keys, sizeof(keys));
	expect_deliver(pair, "a->b 2 IKE_AUTH: " AUTH_REQUEST);
	expect_deliver(pair, "b->a 2 IKE_AUTH reply: " AUTH_REPLY);
	expect_silence(pair);
	assert_one_pair(pair);
	assert_int_equal(sa->sa_suite.suite_n_addke, 1);
	assert_int_equal(sa->sa_suite.suite_addke[0], KE_X448);
	pair_free(pair);
}

#define check_up(a, b, count) run_up(CONF_A(a), CONF_B(b), count)
#define check_refused(a, b) run_refused(CONF_A(a), CONF_B(b))
#define GCM	"ike = aes256gcm-sha256-"

static void run_up(const char *a, const char *b, unsigned int exchanges)
{
	struct pair *pair = pair_up(a, b);

	assert_int_equal(side_sa(&pair->pair_a)->sa_n_inter, exchanges);
	assert_int_equal(side_sa(&pair->pair_b)->sa_n_inter, exchanges);
	pair_free(pair);
}

/* As many as both want, in their order; none where one is optional to both. */
static void test_negotiation(void **state)
{
	check_up(GCM "ecp256+x448+ecp384+modp3072",
		 GCM "ecp256+x448+ecp384+modp3072", 3);
	check_up(GCM "x25519+x448-+none",
		 PLAIN, 0);
	check_up(PLAIN,
		 GCM "x25519+x448-+none", 0);
	check_up(GCM "x25519+x448-+none+ecp384",
		 GCM "x25519++ecp384", 1);
	check_up(GCM "x25519+x448, aes256gcm-sha256-x25519",
		 PLAIN, 0);
	/* Not twice the same one, though each would have it first. */
	check_up(GCM "x25519+x448+x448-++ecp384",
		 GCM "x25519+x448+x448-++ecp384", 2);
	check_up(GCM "x25519+x448+x448-+ecp384",
		 GCM "x25519+x448+x448-+ecp384", 2);
}

static void run_refused(const char *a, const char *b)
{
	struct pair *pair = pair_new(a, b);

	side_command(&pair->pair_a, core_up);
	pair_run(pair);
	pair_advance(pair, 70000);
	pair_run(pair);
	assert_null(conn_child(side_conn(&pair->pair_a)));
	assert_said(&pair->pair_a, "NO_PROPOSAL_CHOSEN");
	pair_free(pair);
}

static void test_refusal(void **state)
{
	check_refused(HYBRID,
		      PLAIN);
	check_refused(PLAIN,
		      HYBRID);
	check_refused(GCM "x25519+x448+x448",
		      GCM "x25519+x448+x448");
}

/* Lost, repeated and split messages: keys change at both at the same time. */
static void test_retransmits(void **state)
{
	struct pair *pair = pair_new(CONF_A(SPLIT), CONF_B(SPLIT));
	struct pair_datagram *dg;
	unsigned int i;

	side_command(&pair->pair_a, core_up);
	pair_pass(pair, 2);
	for (i = 0; i < 3; i++) {
		dg = pair_take(pair);
		assert_non_null(strstr(dg->dg_text, "SKF"));
		pair_deliver(pair, dg);
		datagram_free(dg);
	}
	/* The answer is lost, the request repeated: answered as before. */
	for (i = 0; i < 3; i++) {
		dg = pair_take(pair);
		assert_non_null(strstr(dg->dg_text, "IKE_INTERMEDIATE reply: SKF"));
		datagram_free(dg);
	}
	pair_settle(pair);
	pair_advance(pair, 2500);
	pair_run(pair);
	assert_one_pair(pair);
	pair_free(pair);
}

/* Somebody in the middle who knows the keys of IKE_SA_INIT changes a message. */
static void test_auth_covers_it(void **state)
{
	struct pair *pair = pair_new(CONF_A(HYBRID), CONF_B(HYBRID));

	side_command(&pair->pair_a, core_up);
	pair_pass(pair, 4);
	side_sa(&pair->pair_a)->sa_int_auth[1][0] ^= 1;
	pair_run(pair);
	pair_advance(pair, 1000);
	assert_said(&pair->pair_a, "AUTH is wrong");
	assert_null(conn_child(side_conn(&pair->pair_a)));
	assert_null(conn_child(side_conn(&pair->pair_b)));
	pair_free(pair);
}

/* IKE_AUTH before the exchanges that were agreed on, or without them. */
static void test_none_left_out(void **state)
{
	struct pair *pair = pair_new(CONF_A(HYBRID), CONF_B(HYBRID));
	struct ike_sa *sa;

	side_command(&pair->pair_a, core_up);
	pair_pass(pair, 2);
	pair_settle(pair);
	sa = side_sa(&pair->pair_a);
	pair_clear_wire(pair);
	window_withdraw(sa);
	exchange_drop(sa->sa_ours);
	sa->sa_suite.suite_n_addke = 0;
	exchange_queue(sa, EX_AUTH);
	ike_sa_next(sa);
	pair_run(pair);
	assert_said(&pair->pair_b, "IKE_AUTH request dropped");
	assert_int_equal(side_count(&pair->pair_b, IKE_ESTABLISHED), 0);
	pair_free(pair);
}

/* A connection that wants more than what was chosen is not the one. */
static void test_no_weaker_connection(void **state)
{
	struct proposal strong, weak;
	char err[200];

	assert_true(proposal_parse(&strong, PROTO_IKE,
				   "aes256gcm-sha256-x25519+x448", NULL, err,
				   sizeof(err)));
	assert_true(proposal_parse(&weak, PROTO_IKE, "aes256gcm-sha256-x25519",
				   NULL, err, sizeof(err)));
	assert_false(select_allows(&strong, &weak));
	assert_false(select_allows(&weak, &strong));
	assert_true(select_allows(&weak, &weak));
	assert_true(select_allows(&strong, &strong));
}

/* The default, and the downgrade that is seen. */
static void test_post_quantum(void **state)
{
	struct pair *pair;

	pair_quantum = true;
	if (!ke_at_hand(KE_ML_KEM_768)) {
		check_up("", "", 0);
		return;
	}
	pair = pair_up(CONF_A(""), CONF_B(""));
	assert_int_equal(side_sa(&pair->pair_a)->sa_suite.suite_addke[0],
			 KE_ML_KEM_768);
	assert_false(side_said(&pair->pair_a, "post-quantum"));
	pair_free(pair);
	pair = pair_up(CONF_A(""), CONF_B(PLAIN));
	assert_int_equal(side_sa(&pair->pair_a)->sa_n_inter, 0);
	assert_said(&pair->pair_a, "not post-quantum");
	pair_free(pair);
	check_refused("post-quantum = require",
		      PLAIN);
	check_refused(PLAIN,
		      "post-quantum = require");
	check_up(GCM "mlkem768",
		 GCM "mlkem768", 0);
	check_up(GCM "x25519+mlkem512+mlkem1024",
		 GCM "x25519+mlkem512+mlkem1024", 2);
	pair_quantum = false;
}

#define LINK	" N(ADDITIONAL_KEY_EXCHANGE)"

/* An IKE SA is replaced, with the keys of all exchanges in it. */
static void test_ike_rekey(void **state)
{
	struct pair *pair = pair_up(CONF_A(HYBRID), CONF_B(HYBRID));
	u32 number = side_sa(&pair->pair_a)->sa_number;

	side_command(&pair->pair_a, core_rekey_ike);
	expect_deliver(pair, "a->b 3 CREATE_CHILD_SA: SA NONCE KE");
	expect_deliver(pair, "b->a 3 CREATE_CHILD_SA reply: SA NONCE KE" LINK);
	expect_deliver(pair, "a->b 4 IKE_FOLLOWUP_KE: KE" LINK);
	expect_deliver(pair, "b->a 4 IKE_FOLLOWUP_KE reply: KE");
	expect_deliver(pair, "a->b 5 INFORMATIONAL: D(IKE)");
	expect_deliver(pair, "b->a 5 INFORMATIONAL reply:");
	expect_silence(pair);
	assert_string_equal(pair->pair_a.side_error, "");
	assert_one_pair(pair);
	assert_int_not_equal(side_sa(&pair->pair_a)->sa_number, number);
	/* And the new keys are good for a message each way. */
	side_command(&pair->pair_b, core_rekey);
	pair_run(pair);
	assert_string_equal(pair->pair_b.side_error, "");
	pair_run_for(pair, 20000);
	assert_one_pair(pair);
	pair_free(pair);
}

#define PFS	"esp = aes256gcm-x25519+x448+ecp384\nike = aes256gcm-sha256-x25519"

/* A child too, and more than one additional exchange. */
static void test_child_rekey(void **state)
{
	struct pair *pair = pair_up(CONF_A(PFS), CONF_B(PFS));
	u32 spi = side_child(&pair->pair_a)->child_spi_in;

	side_command(&pair->pair_a, core_rekey);
	expect_deliver(pair, "a->b 2 CREATE_CHILD_SA: N(REKEY_SA) NONCE KE SA TSi TSr");
	expect_deliver(pair, "b->a 2 CREATE_CHILD_SA reply: NONCE KE SA TSi TSr" LINK);
	expect_deliver(pair, "a->b 3 IKE_FOLLOWUP_KE: KE" LINK);
	expect_deliver(pair, "b->a 3 IKE_FOLLOWUP_KE reply: KE" LINK);
	assert_true(pair_carries(pair));
	expect_deliver(pair, "a->b 4 IKE_FOLLOWUP_KE: KE" LINK);
	expect_deliver(pair, "b->a 4 IKE_FOLLOWUP_KE reply: KE");
	expect_deliver(pair, "a->b 5 INFORMATIONAL: D(ESP)");
	pair_run_for(pair, 20000);
	assert_string_equal(pair->pair_a.side_error, "");
	assert_one_pair(pair);
	assert_int_not_equal(side_child(&pair->pair_a)->child_spi_in, spi);
	pair_free(pair);
}

/* Messages lost on the way are made up for. */
static void test_followup_lost(void **state)
{
	struct pair *pair = pair_up(CONF_A(PFS), CONF_B(PFS));

	side_command(&pair->pair_a, core_rekey);
	pair_pass(pair, 2);
	expect_lost(pair, "a->b 3 IKE_FOLLOWUP_KE: KE" LINK);
	pair_advance(pair, 1000);
	pair_pass(pair, 1);
	expect_lost(pair, "b->a 3 IKE_FOLLOWUP_KE reply: KE" LINK);
	pair_run_for(pair, 30000);
	assert_string_equal(pair->pair_a.side_error, "");
	assert_one_pair(pair);
	pair_free(pair);
}

/* A peer that does not go on is forgotten, and told so if it comes late. */
static void check_abandoned(const char *a, const char *b, pair_command_fn *rekey)
{
	struct pair *pair = pair_up(a, b);
	struct pair_datagram *late;

	side_command(&pair->pair_a, rekey);
	pair_pass(pair, 2);
	late = pair_take(pair);
	assert_non_null(strstr(late->dg_text, "IKE_FOLLOWUP_KE"));
	assert_non_null(side_sa(&pair->pair_b)->sa_parked);
	pair_advance(pair, 21000);
	pair_clear_wire(pair);
	assert_null(side_sa(&pair->pair_b)->sa_parked);
	assert_said(&pair->pair_b, "did not go on");
	pair_deliver(pair, late);
	datagram_free(late);
	pair_run(pair);
	assert_said(&pair->pair_a, "STATE_NOT_FOUND");
	assert_one_pair(pair);
	pair_run_for(pair, 120000);
	assert_one_pair(pair);
	pair_free(pair);
}

static void test_abandoned(void **state)
{
	check_abandoned(CONF_A(PFS), CONF_B(PFS), core_rekey);
	check_abandoned(CONF_A(HYBRID), CONF_B(HYBRID), core_rekey_ike);
}

/* Both at once: the one with the lowest nonce stops before any follow-up. */
static void check_collision(const char *a, const char *b, pair_command_fn *rekey)
{
	struct pair *pair = pair_up(a, b);
	struct pair_datagram *dg[2];
	unsigned int i, followups = 0;

	side_command(&pair->pair_a, rekey);
	side_command(&pair->pair_b, rekey);
	for (i = 0; i < 2; i++)
		dg[i] = pair_take(pair);
	for (i = 0; i < 2; i++) {
		pair_deliver(pair, dg[i]);
		datagram_free(dg[i]);
	}
	for (; (dg[0] = pair_take(pair)); datagram_free(dg[0])) {
		followups += !!strstr(dg[0]->dg_text, "IKE_FOLLOWUP_KE: ");
		pair_deliver(pair, dg[0]);
	}
	assert_true(followups == 1 || followups == 2);
	pair_run_for(pair, 30000);
	assert_one_pair(pair);
	assert_null(side_sa(&pair->pair_a)->sa_parked);
	assert_null(side_sa(&pair->pair_b)->sa_parked);
	pair_run_for(pair, 60000);
	assert_one_pair(pair);
	pair_free(pair);
}

static void test_collision(void **state)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		check_collision(CONF_A(PFS), CONF_B(PFS), core_rekey);
		check_collision(CONF_A(HYBRID), CONF_B(HYBRID), core_rekey_ike);
	}
}

/* A link that nobody gave. */
static void test_unknown_link(void **state)
{
	struct pair *pair = pair_up(CONF_A(HYBRID), CONF_B(HYBRID));

	side_command(&pair->pair_a, core_rekey_ike);
	pair_pass(pair, 1);
	side_sa(&pair->pair_b)->sa_parked->ex_link[0] ^= 1;
	pair_run(pair);
	assert_said(&pair->pair_b, "STATE_NOT_FOUND");
	assert_one_pair(pair);
	pair_free(pair);
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_intermediate),
		cmocka_unit_test(test_negotiation),
		cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_retransmits),
		cmocka_unit_test(test_auth_covers_it),
		cmocka_unit_test(test_none_left_out),
		cmocka_unit_test(test_no_weaker_connection),
		cmocka_unit_test(test_post_quantum),
		cmocka_unit_test(test_ike_rekey),
		cmocka_unit_test(test_child_rekey),
		cmocka_unit_test(test_followup_lost),
		cmocka_unit_test(test_abandoned),
		cmocka_unit_test(test_collision),
		cmocka_unit_test(test_unknown_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
