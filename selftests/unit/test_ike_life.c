// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The life of an IKE SA: liveness, ends, restarts, both sides at once.
 */
#include "ike_pair.h"

#define ALIVE	" liveness = 10s\n rekey = off\n"

/* Nothing heard, nothing arrives by ESP: asked after ten seconds, answered. */
static void test_liveness(void **state)
{
	struct pair *pair = pair_up(CONF_A(ALIVE),
				    CONF_B(" liveness = off\n rekey = off"));

	pair->pair_a.side_idle = 20000;
	pair_advance(pair, 9999);
	expect_silence(pair);
	pair_advance(pair, 2);
	expect_deliver(pair, "a->b 2 INFORMATIONAL:");
	expect_deliver(pair, "b->a 2 INFORMATIONAL reply:");
	pair_advance(pair, 9999);
	expect_silence(pair);
	assert_one_pair(pair);
	pair_free(pair);
}

/* As long as ESP arrives nobody asks. */
static void test_liveness_traffic(void **state)
{
	struct pair *pair = pair_up(CONF_A(ALIVE), CONF_B(ALIVE));
	int i;

	pair->pair_a.side_idle = 3000;
	pair->pair_b.side_idle = 5000;
	for (i = 0; i < 100; i++) {
		pair_advance(pair, 5000);
		expect_silence(pair);
	}
	assert_true(pair->pair_a.side_asked[IPC_CHILD_IDLE] >= 50);
	assert_one_pair(pair);
	pair_free(pair);
}

/* The peer is gone: all ends here; start = start begins again for ever. */
static void test_death(void **state)
{
	struct pair *pair = pair_up(CONF_A(ALIVE " start = start"),
				    CONF_B(ALIVE));
	struct pair_datagram *dg;
	unsigned int sent = 0, i;
	char text[512] = "";

	pair->pair_a.side_idle = 1000000;
	pair_advance(pair, 10001);
	while ((dg = pair_take(pair))) {
		snprintf(text, sizeof(text), "%s", dg->dg_text);
		datagram_free(dg);
	}
	assert_string_equal(text, "a->b 2 INFORMATIONAL:");
	assert_int_equal(pair->pair_a.side_n_sas, 2);
	pair_advance(pair, 65000);
	assert_said(&pair->pair_a,
		    "no answer from 192.0.2.2:500 to INFORMATIONAL (liveness)");
	assert_int_equal(pair->pair_a.side_n_sas, 0);
	for (i = 0; i < 10; i++) {
		pair_clear_wire(pair);
		pair_advance(pair, 130000);
		for (dg = pair->pair_wire; dg; dg = dg->dg_next)
			sent++;
	}
	assert_true(sent > 10);
	/* b had a death of its own to find. */
	pair_clear_wire(pair);
	pair_run_for(pair, 300000);
	assert_one_pair(pair);
	pair_free(pair);
}

static void test_delete_by_initiator(void **state)
{
	struct pair *pair = pair_up(CONF_A(""), CONF_B(""));

	side_command(&pair->pair_a, core_down);
	expect_deliver(pair, "a->b 2 INFORMATIONAL: D(IKE)");
	assert_int_equal(pair->pair_b.side_n_sas, 0);
	assert_int_equal(pair->pair_a.side_done, 0);
	expect_deliver(pair, "b->a 2 INFORMATIONAL reply:");
	assert_int_equal(pair->pair_a.side_done, 1);
	assert_string_equal(pair->pair_a.side_error, "");
	assert_int_equal(pair->pair_a.side_n_sas, 0);
	assert_int_equal(pair->pair_a.side_asked[IPC_CONN_DOWN], 1);
	pair_advance(pair, IKE_LINGER_MS + 1);
	assert_int_equal(side_count(&pair->pair_b, IKE_CLOSED), 0);
	pair_free(pair);
}

static void test_delete_by_responder(void **state)
{
	struct pair *pair = pair_up(CONF_A(""), CONF_B(""));
	struct pair_datagram *dg;

	side_command(&pair->pair_b, core_down);
	dg = pair_expect(pair, "b->a 0 INFORMATIONAL: D(IKE)");
	pair_deliver(pair, dg);
	expect_lost(pair, "a->b 0 INFORMATIONAL reply:");
	/* The answer was lost: a still answers the retransmit. */
	pair_deliver(pair, dg);
	datagram_free(dg);
	expect_deliver(pair, "a->b 0 INFORMATIONAL reply:");
	assert_int_equal(pair->pair_b.side_done, 1);
	assert_int_equal(pair->pair_a.side_n_sas + pair->pair_b.side_n_sas, 0);
	/* Down means down: not even as a responder, until it is up again. */
	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: N(NO_PROPOSAL_CHOSEN)");
	pair_advance(pair, 5000);
	pair_clear_wire(pair);
	side_command(&pair->pair_b, core_up);
	pair_run(pair);
	assert_one_pair(pair);
	pair_free(pair);
}

/* Nobody answers the delete: down does not wait longer than two seconds. */
static void test_down_unanswered(void **state)
{
	struct pair *pair = pair_up(CONF_A(""), CONF_B(""));

	side_command(&pair->pair_a, core_down);
	pair_advance(pair, CONN_DOWN_MS + 1);
	assert_int_equal(pair->pair_a.side_done, 1);
	assert_string_equal(pair->pair_a.side_error, "");
	assert_int_equal(pair->pair_a.side_n_sas, 0);
	assert_null(side_conn(&pair->pair_a)->cn_sas);
	pair_free(pair);
}

/* Down while coming up, with every answer of the keeper still to come. */
static void test_down_while_up(void **state)
{
	unsigned int steps, i;

	for (steps = 0; steps < 12; steps++) {
		struct pair *pair = pair_new(CONF_A(""), CONF_B(""));
		struct pair_datagram *dg;

		pair->pair_hold = true;
		side_command(&pair->pair_a, core_up);
		pair->pair_hold = false;
		for (i = 0; i < steps; i++) {
			if (pair_event(pair))
				continue;
			dg = pair->pair_wire;
			if (!dg)
				break;
			pair->pair_wire = dg->dg_next;
			pair->pair_hold = true;
			pair_deliver(pair, dg);
			pair->pair_hold = false;
			datagram_free(dg);
		}
		pair->pair_hold = true;
		side_command(&pair->pair_a, core_down);
		pair->pair_hold = false;
		pair_run_for(pair, CONN_DOWN_MS + 10);
		assert_int_equal(pair->pair_a.side_n_sas, 0);
		assert_null(side_conn(&pair->pair_a)->cn_sas);
		assert_int_equal(pair->pair_a.side_done, 2);
		pair_free(pair);
	}
}

/* Both delete the IKE SA at once. */
static void test_delete_simultaneous(void **state)
{
	struct pair *pair = pair_up(CONF_A(""), CONF_B(""));

	side_command(&pair->pair_a, core_down);
	side_command(&pair->pair_b, core_down);
	expect_deliver(pair, "a->b 2 INFORMATIONAL: D(IKE)");
	expect_deliver(pair, "b->a 0 INFORMATIONAL: D(IKE)");
	pair_run(pair);
	assert_int_equal(pair->pair_a.side_done, 1);
	assert_int_equal(pair->pair_b.side_done, 1);
	assert_int_equal(pair->pair_a.side_n_sas + pair->pair_b.side_n_sas, 0);
	pair_free(pair);
}

/* The peer deleted it: start = start brings it back. */
static void test_comes_back(void **state)
{
	struct pair *pair = pair_up(CONF_A(" start = start"), CONF_B(""));

	ike_sa_delete(side_sa(&pair->pair_b));
	expect_deliver(pair, "b->a 0 INFORMATIONAL: D(IKE)");
	expect_deliver(pair, "a->b 0 INFORMATIONAL reply:");
	assert_int_equal(pair->pair_a.side_n_sas + pair->pair_b.side_n_sas, 0);
	pair_run_for(pair, 5000);
	assert_one_pair(pair);
	pair_free(pair);
}

/* Restarted without a memory: INITIAL_CONTACT ends what the peer still has. */
static void test_initial_contact(void **state)
{
	struct pair *pair = pair_up(CONF_A(""), CONF_B(""));

	core_free(pair->pair_a.side_core);
	pair->pair_a.side_n_sas = 0;
	side_start(&pair->pair_a, CONF_A(" start = start"));
	side_ready(&pair->pair_a);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
	assert_int_equal(side_count(&pair->pair_b, IKE_ESTABLISHED), 1);
	expect_deliver(pair, "a->b 1 IKE_AUTH: " AUTH_REQUEST);
	assert_said(&pair->pair_b, "the peer has begun afresh");
	pair_run(pair);
	assert_one_pair(pair);
	pair_free(pair);
}

#define TWO_A	CONF_A("") \
	"connection other {\n remote = 192.0.2.2\n psk = /psk\n" \
	" protect = 10.7.0.0/16 <-> 10.8.0.0/16\n}\n"
#define TWO_B	CONF_B("") \
	"connection other {\n remote = 192.0.2.1\n psk = /psk\n" \
	" protect = 10.8.0.0/16 <-> 10.7.0.0/16\n}\n"

/*
 * A second connection between the same two does not say INITIAL_CONTACT: it
 * would end the first one. After a restart the first to come ends both.
 */
static void test_contact_of_two(void **state)
{
	struct pair *pair = pair_up(TWO_A, TWO_B);
	struct core_command cmd = { on_line, on_done_command, &pair->pair_a };
	struct conn *other;

	core_up(pair->pair_a.side_core, "other", &cmd);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
	expect_deliver(pair, "a->b 1 IKE_AUTH: IDi IDr AUTH SA TSi TSr");
	pair_run(pair);
	assert_int_equal(side_count(&pair->pair_b, IKE_ESTABLISHED), 2);
	other = conn_find(pair->pair_b.side_core, "other");
	core_free(pair->pair_a.side_core);
	pair->pair_a.side_n_sas = 0;
	side_start(&pair->pair_a, TWO_A);
	side_ready(&pair->pair_a);
	side_command(&pair->pair_a, core_up);
	pair_run(pair);
	assert_int_equal(side_count(&pair->pair_b, IKE_ESTABLISHED), 1);
	assert_null(other->cn_sas);
	pair_free(pair);
}

/*
 * Both begin at once, and b, as others do, says INITIAL_CONTACT although a's
 * SA is there by then: it means none that it has not heard of.
 */
static void test_crossing_contact(void **state)
{
	struct pair *pair = pair_new(CONF_A(" rekey = off"),
				     CONF_B(" rekey = off"));
	struct pair_datagram *dg;
	struct core_path path;
	struct ike_sa *sa;

	side_command(&pair->pair_a, core_up);
	side_command(&pair->pair_b, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT reply: " INIT_REPLY);
	expect_deliver(pair, "a->b 1 IKE_AUTH: IDi IDr AUTH SA TSi TSr");
	dg = pair_expect(pair, "b->a 1 IKE_AUTH: IDi IDr AUTH SA TSi TSr");
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: " AUTH_REPLY);
	assert_int_equal(side_count(&pair->pair_a, IKE_ESTABLISHED), 1);
	path = pair_arrival(pair, dg);
	core_receive(pair->pair_a.side_core, &path, dg->dg_data, dg->dg_len);
	sa = core_find_sa(pair->pair_a.side_core, dg->dg_data + MSG_SPI_LEN);
	sa->sa_initial_contact = true;
	datagram_free(dg);
	pair_settle(pair);
	assert_false(side_said(&pair->pair_a, "begun afresh"));
	pair_run(pair);
	pair_run_for(pair, 40000);
	assert_one_pair(pair);
	pair_free(pair);
}

/* Somebody who does not know the key says INITIAL_CONTACT: nothing happens. */
static void test_forged_contact(void **state)
{
	struct pair *pair = pair_up(CONF_A(""), CONF_B(""));
	struct core *old = pair->pair_a.side_core;

	side_start(&pair->pair_a, CONF_A(" start = start"));
	pair->pair_a.side_psk = "guessed";
	side_ready(&pair->pair_a);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
	expect_deliver(pair, "a->b 1 IKE_AUTH: " AUTH_REQUEST);
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: N(AUTHENTICATION_FAILED)");
	assert_int_equal(side_count(&pair->pair_b, IKE_ESTABLISHED), 1);
	assert_int_equal(pair->pair_b.side_n_sas, 2);
	core_free(pair->pair_a.side_core);
	pair->pair_a.side_core = old;
	pair_free(pair);
}

/*
 * The daemon of a was killed: a new one finds the pair in the kernel, begins
 * an IKE SA without INITIAL_CONTACT, and deletes the old pair once the new one
 * is in. b asks the old IKE SA whether it lives; nobody answers.
 */
static void test_adopted(void **state)
{
	struct pair *pair = pair_up(CONF_A(" rekey = off"),
				    CONF_B(" rekey = off"));
	struct ipc_msg msg;

	core_ask_init(&msg, IPC_ADOPTED, "net");
	msg.im_event.ie_spi_in = side_child(&pair->pair_a)->child_spi_in;
	msg.im_event.ie_spi_out = side_child(&pair->pair_a)->child_spi_out;
	msg.im_event.ie_local.ep_addr = pair->pair_a.side_addr;
	msg.im_event.ie_remote.ep_addr = pair->pair_b.side_addr;
	core_free(pair->pair_a.side_core);
	side_start(&pair->pair_a, CONF_A(" rekey = off"));
	core_keeper(pair->pair_a.side_core, &msg);
	side_ready(&pair->pair_a);
	assert_true(pair_carries(pair));
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
	expect_deliver(pair, "a->b 1 IKE_AUTH: IDi IDr AUTH SA TSi TSr");
	assert_int_equal(side_count(&pair->pair_b, IKE_ESTABLISHED), 2);
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: " AUTH_REPLY);
	expect_lost(pair, "b->a 0 INFORMATIONAL:");
	assert_true(pair_carries(pair));
	pair_run_for(pair, 80000);
	assert_one_pair(pair);
	assert_said(&pair->pair_a, "found at start");
	pair_free(pair);
}

/*
 * Both begin at once, in every order of the messages: one IKE SA and one pair
 * remain, and the tunnel carries packets from when the first is there.
 */
static void at_once(const char *order)
{
	struct pair *pair = pair_new(CONF_A(" rekey = off"),
				     CONF_B(" rekey = off"));
	struct pair_datagram *dg, *held[64];
	unsigned int n_held = 0, i;
	bool carried = false;

	side_command(&pair->pair_a, core_up);
	side_command(&pair->pair_b, core_up);
	while (*order) {
		while ((dg = pair_take(pair)))
			held[n_held++] = dg;
		for (i = 0; i < n_held; i++)
			if (held[i] && *held[i]->dg_from->side_name == *order)
				break;
		if (i == n_held)
			break;
		pair_deliver(pair, held[i]);
		datagram_free(held[i]);
		held[i] = NULL;
		order++;
	}
	for (i = 0; i < n_held; i++) {
		if (held[i])
			pair_deliver(pair, held[i]);
		datagram_free(held[i]);
		carried |= pair_carries(pair);
		assert_true(!carried || pair_carries(pair));
	}
	while ((dg = pair_take(pair))) {
		pair_deliver(pair, dg);
		datagram_free(dg);
		carried |= pair_carries(pair);
		assert_true(!carried || pair_carries(pair));
	}
	assert_int_equal(pair->pair_a.side_done, 1);
	assert_int_equal(pair->pair_b.side_done, 1);
	assert_string_equal(pair->pair_a.side_error, "");
	assert_string_equal(pair->pair_b.side_error, "");
	pair_run_for(pair, 40000);
	assert_one_pair(pair);
	pair_free(pair);
}

static void test_both_at_once(void **state)
{
	static const char *const orders[] = {
		"abababab", "abba", "baab", "aabb", "aaabbb", "bbbaaa",
		"abbbb", "baaaa", "aabbbbaa", "bbaaaabb", "abaabb", "babbaa",
		"ababba", "ababab", "abbaab", "",
	};
	unsigned int i, again;

	for (i = 0; i < ARRAY_SIZE(orders); i++)
		for (again = 0; again < 8; again++)
			at_once(orders[i]);
}

#define QUIET	" rekey = off\n liveness = off"

/* Of two IKE SAs begun at once the one with the lowest nonce goes. */
static void test_lowest_nonce(void **state)
{
	unsigned int again, won[2] = { 0, 0 };

	for (again = 0; again < 20; again++) {
		struct pair *pair = pair_new(CONF_A(""), CONF_B(""));
		struct ike_sa *sa, *own = NULL, *others = NULL;
		bool keep_own;

		side_command(&pair->pair_a, core_up);
		side_command(&pair->pair_b, core_up);
		expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
		expect_deliver(pair, "b->a 0 IKE_SA_INIT: " INIT_REQUEST);
		expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
		expect_deliver(pair, "a->b 0 IKE_SA_INIT reply: " INIT_REPLY);
		own = side_sa(&pair->pair_a);
		sa = side_sa(&pair->pair_b);
		assert_int_equal(sa->sa_state, IKE_KEYED);
		others = core_find_sa(pair->pair_a.side_core, sa->sa_spi_r);
		assert_non_null(others);
		keep_own = !nonce_pair_lower(&own->sa_ni, &own->sa_nr,
					     &others->sa_ni, &others->sa_nr);
		pair_run(pair);
		pair_run_for(pair, IKE_LINGER_MS + CHILD_LINGER_MS);
		assert_one_pair(pair);
		assert_int_equal(side_sa(&pair->pair_a)->sa_initiator,
				 keep_own);
		won[keep_own]++;
		pair_free(pair);
	}
	assert_true(won[0] && won[1]);
}

static void test_nonce_order(void **state)
{
	struct nonce low = { 16, "aaaaaaaaaaaaaaaa" };
	struct nonce longer = { 17, "aaaaaaaaaaaaaaaaa" };
	struct nonce high = { 16, "b" };

	assert_true(nonce_pair_lower(&low, &high, &longer, &high));
	assert_true(nonce_pair_lower(&high, &low, &high, &longer));
	assert_false(nonce_pair_lower(&longer, &high, &high, &low));
	assert_false(nonce_pair_lower(&low, &high, &low, &high));
}

/* A peer with the key cannot make us hold any number of SAs. */
static void test_many_sas(void **state)
{
	struct pair *pair = pair_up(CONF_A(""), CONF_B(""));
	int i;

	for (i = 0; i < 3 * IKE_SAME_MAX; i++) {
		core_free(pair->pair_a.side_core);
		side_start(&pair->pair_a, CONF_A(" start = start"));
		pair->pair_a.side_n_sas = 0;
		/* As if it held something: no INITIAL_CONTACT. */
		side_conn(&pair->pair_a)->cn_n_adopted = 1;
		side_ready(&pair->pair_a);
		pair_run(pair);
		assert_true(side_count(&pair->pair_b, IKE_ESTABLISHED) <=
			    IKE_SAME_MAX);
	}
	pair_free(pair);
}

/* Told to be up, it comes back without start = start, until it is told down. */
static void test_kept_up(void **state)
{
	struct pair *pair = pair_up(CONF_A(""), CONF_B(""));

	ike_sa_delete(side_sa(&pair->pair_b));
	pair_run_for(pair, 5000);
	assert_one_pair(pair);
	side_command(&pair->pair_a, core_down);
	pair_run_for(pair, 100000);
	assert_int_equal(pair->pair_a.side_n_sas + pair->pair_b.side_n_sas, 0);
	assert_int_equal(side_count(&pair->pair_b, IKE_ESTABLISHED), 0);
	pair_free(pair);
}

/* A new IKE SA with a new child takes its place. */
static void test_reauthentication(void **state)
{
	struct pair *pair = pair_up(CONF_A(QUIET), CONF_B(QUIET));
	u32 number = side_sa(&pair->pair_a)->sa_number;

	ike_sa_replace(side_sa(&pair->pair_a), "for the test");
	pair_run_for(pair, 2000);
	assert_int_not_equal(side_sa(&pair->pair_a)->sa_number, number);
	pair_run_for(pair, IKE_LINGER_MS + CHILD_LINGER_MS);
	assert_one_pair(pair);
	assert_int_equal(side_count(&pair->pair_b, IKE_CLOSED), 0);
	pair_free(pair);
}

/* The same, message by message: no packet is lost. */
static void test_make_before_break(void **state)
{
	struct pair *pair = pair_up(CONF_A(QUIET), CONF_B(QUIET));
	struct pair_datagram *dg;

	ike_sa_replace(side_sa(&pair->pair_a), "for the test");
	while ((dg = pair_take(pair))) {
		pair_deliver(pair, dg);
		datagram_free(dg);
		assert_true(carries(&pair->pair_a));
	}
	assert_one_pair(pair);
	pair_free(pair);
}

/* The exchanges and waits that no test brings about do not exist. */
static void test_table(void **state)
{
	size_t i, k;

	for (i = 0; i < transition_count(); i++) {
		const struct transition *row = transition_get(i);

		assert_non_null(row->row_run);
		assert_true(row->row_state < EX_DONE);
		assert_false(row->row_required & row->row_optional);
		assert_true(row->row_state == EX_MESSAGE ||
			    (!row->row_required && !row->row_optional &&
			     !row->row_notify));
		for (k = 0; k < i; k++) {
			const struct transition *other = transition_get(k);

			assert_false(row->row_type == other->row_type &&
				     row->row_role == other->row_role &&
				     row->row_purpose == other->row_purpose &&
				     row->row_state == other->row_state &&
				     row->row_notify == other->row_notify &&
				     row->row_required == other->row_required);
		}
	}
}

static int compare_when(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static u64 fired[4096];
static size_t n_fired;

static void fire(void *arg)
{
	fired[n_fired++] = ((struct timer *)arg)->timer_when;
}

/* Timers set, set again and unset at random come in order. */
static void test_timers(void **state)
{
	static struct timer pool[1000];
	u64 expected[1000];
	struct timers timers = { 0 };
	size_t i, count = 0;

	srand(7);
	n_fired = 0;
	for (i = 0; i < ARRAY_SIZE(pool); i++)
		timer_init(&pool[i], fire, &pool[i]);
	for (i = 0; i < 20000; i++) {
		struct timer *timer = &pool[(size_t)rand() % ARRAY_SIZE(pool)];

		if (rand() % 3)
			timer_set(&timers, timer, (u64)(rand() % 5000));
		else
			timer_unset(&timers, timer);
	}
	for (i = 0; i < ARRAY_SIZE(pool); i++)
		if (pool[i].timer_is_set)
			expected[count++] = pool[i].timer_when;
	qsort(expected, count, sizeof(*expected), compare_when);
	assert_int_equal(timers_next(&timers), expected[0]);
	while (timers_run(&timers, 2500))
		;
	assert_true(n_fired && fired[n_fired - 1] <= 2500);
	while (timers_run(&timers, 5000))
		;
	assert_int_equal(n_fired, count);
	assert_memory_equal(fired, expected, count * sizeof(*expected));
	assert_int_equal(timers_next(&timers), UINT64_MAX);
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_liveness),
		cmocka_unit_test(test_liveness_traffic),
		cmocka_unit_test(test_death),
		cmocka_unit_test(test_delete_by_initiator),
		cmocka_unit_test(test_delete_by_responder),
		cmocka_unit_test(test_down_unanswered),
		cmocka_unit_test(test_down_while_up),
		cmocka_unit_test(test_delete_simultaneous),
		cmocka_unit_test(test_comes_back),
		cmocka_unit_test(test_initial_contact),
		cmocka_unit_test(test_contact_of_two),
		cmocka_unit_test(test_crossing_contact),
		cmocka_unit_test(test_forged_contact),
		cmocka_unit_test(test_adopted),
		cmocka_unit_test(test_both_at_once),
		cmocka_unit_test(test_lowest_nonce),
		cmocka_unit_test(test_nonce_order),
		cmocka_unit_test(test_many_sas),
		cmocka_unit_test(test_kept_up),
		cmocka_unit_test(test_reauthentication),
		cmocka_unit_test(test_make_before_break),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_timers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
