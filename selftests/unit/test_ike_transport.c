// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Transport mode and AH: what is asked for, what is refused, and what a NAT
 * does to it (RFC 7296 sections 1.3.1, 2.23.1).
 */
#include "ike_pair.h"

#define QUIET	" rekey = off\n liveness = off\n"
#define HOSTS	" mode = transport\n" QUIET
#define WEB_A(more)	PAIR_CONN("192.0.2.2", "tcp 5432", HOSTS more)
#define WEB_B(more)	PAIR_CONN("192.0.2.1", "tcp 5432", HOSTS more)
#define NET_A(more)	CONF_A(QUIET more)
#define NET_B(more)	CONF_B(QUIET more)

#define USE	"N(USE_TRANSPORT_MODE) N(NO_TFC) "
#define REQUEST	"IDi IDr AUTH N(INITIAL_CONTACT) " USE "SA TSi TSr"
#define REPLY	"IDr AUTH " USE "SA TSi TSr"

static void assert_selectors(struct pair_side *side, const char *first,
			     const char *second)
{
	struct child *child = side_child(side);
	char text[TS_PAIR_STRLEN];

	assert_int_equal(child->child_n_ts, second ? 2 : 1);
	assert_string_equal(ts_pair_print(&child->child_ts[0], text), first);
	if (second)
		assert_string_equal(ts_pair_print(&child->child_ts[1], text),
				    second);
}

static void expect_start(struct pair *pair)
{
	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
}

/* Both write the same line; the selectors are of the outer addresses. */
static void test_transport(void **state)
{
	struct pair *pair = pair_new(WEB_A(""), WEB_B(""));

	expect_start(pair);
	expect_deliver(pair, "a->b 1 IKE_AUTH: " REQUEST);
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: " REPLY);
	assert_one_pair(pair);
	assert_string_equal(pair->pair_a.side_error, "");
	assert_selectors(&pair->pair_a, "192.0.2.1 tcp <-> 192.0.2.2 tcp 5432",
			 "192.0.2.1 tcp 5432 <-> 192.0.2.2 tcp");
	assert_selectors(&pair->pair_b, "192.0.2.2 tcp <-> 192.0.2.1 tcp 5432",
			 "192.0.2.2 tcp 5432 <-> 192.0.2.1 tcp");
	side_command(&pair->pair_b, core_rekey);
	expect_deliver(pair, "b->a 0 CREATE_CHILD_SA: N(REKEY_SA) NONCE KE " USE "SA TSi TSr");
	expect_deliver(pair, "a->b 0 CREATE_CHILD_SA reply: NONCE KE " USE "SA TSi TSr");
	pair_run_for(pair, CHILD_LINGER_MS + 10);
	assert_one_pair(pair);
	assert_selectors(&pair->pair_a, "192.0.2.1 tcp <-> 192.0.2.2 tcp 5432",
			 "192.0.2.1 tcp 5432 <-> 192.0.2.2 tcp");
	pair_free(pair);
}

/* Only one of the ports: the client's side narrows to what the server has. */
static void test_narrowed(void **state)
{
	static const char server[] =
		PAIR_CONN("192.0.2.1", "tcp 5432 <-> tcp", HOSTS);
	struct pair *pair = pair_up(WEB_A(""), server);

	assert_selectors(&pair->pair_a, "192.0.2.1 tcp <-> 192.0.2.2 tcp 5432",
			 NULL);
	assert_selectors(&pair->pair_b, "192.0.2.2 tcp 5432 <-> 192.0.2.1 tcp",
			 NULL);
	pair_free(pair);
}

static void assert_nothing(struct pair *pair)
{
	assert_int_equal(pair->pair_a.side_n_sas, 0);
	assert_int_equal(pair->pair_b.side_n_sas, 0);
}

/* b answers with tunnel mode: a has b's half deleted, and says why. */
static void test_answered_with_tunnel(void **state)
{
	static const char tunnel[] =
		PAIR_CONN("192.0.2.1", "192.0.2.2 tcp <-> 192.0.2.1 tcp", QUIET);
	struct pair *pair = pair_new(WEB_A(""), tunnel);

	expect_start(pair);
	expect_deliver(pair, "a->b 1 IKE_AUTH: " REQUEST);
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: " AUTH_REPLY);
	assert_non_null(strstr(pair->pair_a.side_error, "mode = transport"));
	expect_deliver(pair, "a->b 2 INFORMATIONAL: D(ESP)");
	expect_deliver(pair, "b->a 2 INFORMATIONAL reply: D(ESP)");
	pair_run_for(pair, CHILD_LINGER_MS + 10);
	assert_nothing(pair);
	/* The same for one that is asked for later. */
	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 3 CREATE_CHILD_SA: NONCE KE " USE "SA TSi TSr");
	expect_deliver(pair, "b->a 3 CREATE_CHILD_SA reply: NONCE KE SA TSi TSr");
	expect_deliver(pair, "a->b 4 INFORMATIONAL: D(ESP)");
	assert_non_null(strstr(pair->pair_a.side_error, "mode = transport"));
	pair_run_for(pair, CHILD_LINGER_MS + 10);
	assert_nothing(pair);
	pair_free(pair);
}

static void test_asked_for_tunnel(void **state)
{
	static const char tunnel[] =
		PAIR_CONN("192.0.2.2", "192.0.2.1 tcp <-> 192.0.2.2 tcp", QUIET);
	struct pair *pair = pair_new(tunnel, WEB_B(""));

	expect_start(pair);
	expect_deliver(pair, "a->b 1 IKE_AUTH: " AUTH_REQUEST);
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: IDr AUTH N(NO_PROPOSAL_CHOSEN)");
	assert_said(&pair->pair_b, "mode = transport is configured");
	assert_nothing(pair);
	pair_free(pair);
}

/* Each sees the other as the NAT shows it (section 2.23.1). */
static void test_nat(void **state)
{
	static const char behind[] =
		PAIR_CONN("198.51.100.9", "tcp 5432",
			  HOSTS " remote-id = 192.0.2.1\n");
	struct pair *pair = pair_new(WEB_A(""), behind);
	unsigned int round;

	pair->pair_nat = true;
	expect_start(pair);
	pair_run(pair);
	assert_one_pair(pair);
	assert_true(kernel_current(&pair->pair_a)->psa_encap);
	for (round = 0; round < 3; round++) {
		assert_selectors(&pair->pair_a,
				 "192.0.2.1 tcp <-> 192.0.2.2 tcp 5432",
				 "192.0.2.1 tcp 5432 <-> 192.0.2.2 tcp");
		assert_selectors(&pair->pair_b,
				 "192.0.2.2 tcp <-> 198.51.100.9 tcp 5432",
				 "192.0.2.2 tcp 5432 <-> 198.51.100.9 tcp");
		side_command(round ? &pair->pair_a : &pair->pair_b, core_rekey);
		pair_run_for(pair, CHILD_LINGER_MS + 10);
		assert_one_pair(pair);
	}
	pair_free(pair);
}

/*
 * Two clients behind one NAT, which both look like it: packets to the one could
 * not be told from those to the other, so the second is refused.
 */
static void test_two_behind_nat(void **state)
{
	static const char server[] =
		"connection one {\n remote = any\n remote-id = one.test\n psk = /psk\n"
		" protect = tcp 5432 <-> tcp\n" HOSTS "}\n"
		PAIR_CONN("any", "tcp 5432 <-> tcp",
			  HOSTS " remote-id = 192.0.2.1\n");
	struct pair *pair = pair_new(WEB_A(""), server);
	struct conn *other;
	struct ike_sa *sa;

	pair->pair_nat = true;
	side_command(&pair->pair_a, core_up);
	pair_run(pair);
	assert_one_pair(pair);
	/* That one was somebody else, and another client begins now. */
	sa = side_sa(&pair->pair_b);
	other = conn_find(pair->pair_b.side_core, "one");
	ike_sa_assign(sa, other);
	sa->sa_id_remote = other->cn_conf.conn_remote_id;
	ike_sa_close(side_sa(&pair->pair_a));
	side_command(&pair->pair_a, core_up);
	pair_run(pair);
	assert_non_null(strstr(pair->pair_a.side_error, "TS_UNACCEPTABLE"));
	assert_said(&pair->pair_b, "another client behind the same NAT");
	assert_non_null(conn_child(other));
	/* When the first has gone there is room. */
	ike_sa_close(sa);
	side_command(&pair->pair_a, core_up);
	pair_run(pair);
	assert_string_equal(pair->pair_a.side_error, "");
	assert_one_pair(pair);
	pair_free(pair);
}

/* The same exchanges, with AH's protocol number in all of them. */
static void test_ah(void **state)
{
	struct pair *pair = pair_new(NET_A(" ah = sha256-x25519\n"),
				     NET_B(" ah = sha512-sha256-x25519\n"));
	struct child *child;

	expect_start(pair);
	expect_deliver(pair, "a->b 1 IKE_AUTH: " AUTH_REQUEST);
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: " AUTH_REPLY);
	assert_one_pair(pair);
	child = side_child(&pair->pair_a);
	assert_int_equal(child_protocol(child), PROTO_AH);
	assert_null(proposal_first(&child->child_proposal, TRANSFORM_ENCR));
	assert_int_equal(kernel_current(&pair->pair_a)->psa_encr.ik_len, 0);
	assert_int_equal(kernel_current(&pair->pair_a)->psa_integ.ik_len, 32);
	side_command(&pair->pair_a, core_rekey);
	pair_run_for(pair, CHILD_LINGER_MS + 10);
	assert_one_pair(pair);
	assert_ptr_not_equal(side_child(&pair->pair_a), child);
	child_delete(side_child(&pair->pair_b));
	pair_run_for(pair, CHILD_LINGER_MS + 10);
	assert_said(&pair->pair_a, "the peer deletes child SA");
	pair_free(pair);
}

static void test_ah_against_esp(void **state)
{
	struct pair *pair = pair_new(NET_A(" ah = sha256\n"), NET_B(""));

	side_command(&pair->pair_a, core_up);
	pair_run(pair);
	assert_non_null(strstr(pair->pair_a.side_error, "NO_PROPOSAL_CHOSEN"));
	assert_nothing(pair);
	pair_free(pair);
}

/* Told before anything is authenticated, and nothing is asked of the peer. */
static void test_ah_behind_nat(void **state)
{
	static const char behind[] =
		PAIR_CONN("198.51.100.9", "10.2.0.0/16 <-> 10.1.0.0/16",
			  QUIET " remote-id = 192.0.2.1\n ah = sha256\n");
	struct pair *pair = pair_new(NET_A(" ah = sha256\n"), behind);

	pair->pair_nat = true;
	expect_start(pair);
	assert_non_null(strstr(pair->pair_a.side_error,
			       "AH covers addresses, and a NAT in front of us"));
	expect_silence(pair);
	pair_free(pair);
}

/* A peer that has not noticed is refused. */
static void test_ah_behind_nat_refused(void **state)
{
	struct pair *pair = pair_new(NET_A(" ah = sha256\n"),
				     NET_B(" ah = sha256\n"));
	struct ike_sa *sa;
	unsigned int i;

	expect_start(pair);
	for (i = 0; i < CORE_BUCKETS; i++)
		for (sa = pair->pair_b.side_core->core_sas[i]; sa; sa = sa->sa_next)
			sa->sa_nat_remote = true;
	expect_deliver(pair, "a->b 1 IKE_AUTH: " AUTH_REQUEST);
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: IDr AUTH N(NO_PROPOSAL_CHOSEN)");
	assert_said(&pair->pair_b, "a NAT in front of the peer");
	assert_nothing(pair);
	pair_free(pair);
}

/* All that the module can do becomes keys of the right length. */
static void test_algorithms(void **state)
{
	static const char *const esp[] = {
		"aes128ccm8", "aes192ccm12", "aes256ccm16", "aes128gcm8",
		"aes256gcm12", "aes192gcm", "chacha20poly1305", "aes128gmac",
		"aes256gmac", "aes256-sha512", "aes128-sha256", "aes192-sha384",
		"aes128ctr-aesxcbc", "aes256ctr-aescmac", "null-sha256",
		"aes128-sha1",
	};
	static const struct {
		u32 encr, integ;
	} lengths[] = {
		{ 19, 0 }, { 27, 0 }, { 35, 0 }, { 20, 0 }, { 36, 0 }, { 28, 0 },
		{ 36, 0 }, { 20, 0 }, { 36, 0 }, { 32, 64 }, { 16, 32 },
		{ 24, 48 }, { 20, 16 }, { 36, 16 }, { 0, 32 }, { 16, 20 },
	};
	char a[512], b[512];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(esp); i++) {
		const struct pair_sa *out;
		struct pair *pair;

		snprintf(a, sizeof(a), NET_A(" esp = %s-x25519\n"), esp[i]);
		snprintf(b, sizeof(b), NET_B(" esp = %s-x25519\n"), esp[i]);
		pair = pair_up(a, b);
		out = kernel_current(&pair->pair_a);
		assert_int_equal(out->psa_encr.ik_len, lengths[i].encr);
		assert_int_equal(out->psa_integ.ik_len, lengths[i].integ);
		side_command(&pair->pair_b, core_rekey);
		pair_run_for(pair, CHILD_LINGER_MS + 10);
		assert_one_pair(pair);
		pair_free(pair);
	}
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_transport),
		cmocka_unit_test(test_narrowed),
		cmocka_unit_test(test_answered_with_tunnel),
		cmocka_unit_test(test_asked_for_tunnel),
		cmocka_unit_test(test_nat),
		cmocka_unit_test(test_two_behind_nat),
		cmocka_unit_test(test_ah),
		cmocka_unit_test(test_ah_against_esp),
		cmocka_unit_test(test_ah_behind_nat),
		cmocka_unit_test(test_ah_behind_nat_refused),
		cmocka_unit_test(test_algorithms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
