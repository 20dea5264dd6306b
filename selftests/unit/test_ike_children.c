// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Several child SAs of one connection, narrowing, and traps that ask for what
 * the packet needs (RFC 7296 sections 1.3.1, 2.9).
 */
#include "ike_pair.h"

#define QUIET	" rekey = off\n liveness = off\n esp = aes256gcm\n"
#define TWO_A	PAIR_CONN("192.0.2.2", "10.1.0.0/16 <-> 10.2.0.0/16", \
			  " protect = 10.3.0.0/16 <-> 10.4.0.0/16\n" QUIET)
#define TWO_B	PAIR_CONN("192.0.2.1", "10.2.0.0/16 <-> 10.1.0.0/16", \
			  " protect = 10.4.0.0/16 <-> 10.3.0.0/16\n" QUIET)

#define MORE	" N(ADDITIONAL_TS_POSSIBLE)"

static unsigned int alive(const struct pair_side *side)
{
	const struct ike_sa *sa;
	struct child *child;
	unsigned int count = 0;

	for (sa = side_conn((struct pair_side *)side)->cn_sas; sa;
	     sa = sa->sa_next_conn)
		for (child = sa->sa_children; child; child = child->child_next)
			count += child_alive(child);
	return count;
}

/* Each child that is up at one side has its other half, for the same. */
static void assert_matched(struct pair_side *side)
{
	const struct ike_sa *sa;
	struct child *child;
	struct conn *peer = side_conn(side->side_peer);

	for (sa = side_conn(side)->cn_sas; sa; sa = sa->sa_next_conn) {
		for (child = sa->sa_children; child; child = child->child_next) {
			struct child *other = NULL;
			struct ike_sa *at;
			struct ts_pair swapped;

			if (!child_alive(child))
				continue;
			for (at = peer->cn_sas; at && !other; at = at->sa_next_conn)
				other = child_by_spi_in(at, child->child_spi_out);
			assert_non_null(other);
			assert_int_equal(child->child_n_ts, other->child_n_ts);
			ts_pair_swap(&swapped, &other->child_ts[0]);
			assert_true(ts_pair_equal(&swapped, &child->child_ts[0]));
		}
	}
}

static void assert_children(struct pair *pair, unsigned int count)
{
	assert_int_equal(alive(&pair->pair_a), count);
	assert_int_equal(alive(&pair->pair_b), count);
	assert_matched(&pair->pair_a);
	assert_matched(&pair->pair_b);
}

static struct ts_pair packet(const char *local, const char *remote)
{
	struct ts_pair pair;

	memset(&pair, 0, sizeof(pair));
	assert_true(ip_range_parse(&pair.pair_local.ts_addrs, local));
	assert_true(ip_range_parse(&pair.pair_remote.ts_addrs, remote));
	pair.pair_local.ts_port_last = UINT16_MAX;
	pair.pair_remote.ts_port_last = UINT16_MAX;
	return pair;
}

static void acquire(struct pair_side *side, const char *local,
		    const char *remote)
{
	struct ipc_msg msg;

	core_ask_init(&msg, IPC_ACQUIRE, "net");
	msg.im_event.ie_n_ts = 1;
	msg.im_event.ie_ts[0] = packet(local, remote);
	core_keeper(side->side_core, &msg);
	pair_settle(side->side_pair);
}

/* The first comes with IKE_AUTH, the second after it; then it is up. */
static void test_two(void **state)
{
	struct pair *pair = pair_new(TWO_A, TWO_B);

	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
	expect_deliver(pair, "a->b 1 IKE_AUTH: " AUTH_REQUEST);
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: " AUTH_REPLY);
	assert_int_equal(pair->pair_a.side_done, 0);
	expect_deliver(pair, "a->b 2 CREATE_CHILD_SA: NONCE SA TSi TSr");
	expect_deliver(pair, "b->a 2 CREATE_CHILD_SA reply: NONCE SA TSi TSr");
	assert_int_equal(pair->pair_a.side_done, 1);
	assert_string_equal(pair->pair_a.side_error, "");
	expect_silence(pair);
	assert_children(pair, 2);
	side_command(&pair->pair_a, core_rekey);
	pair_run(pair);
	side_command(&pair->pair_b, core_rekey_ike);
	pair_run_for(pair, 2 * IKE_OVERDUE_MS);
	assert_children(pair, 2);
	assert_int_equal(pair->pair_a.side_n_sas, 4);
	pair_free(pair);
}

/* In whatever order they are written, and whoever begins, also both. */
static void test_order_and_both(void **state)
{
	static const char reversed[] =
		PAIR_CONN("192.0.2.1", "10.4.0.0/16 <-> 10.3.0.0/16",
			  " protect = 10.2.0.0/16 <-> 10.1.0.0/16\n" QUIET);
	unsigned int who;

	for (who = 1; who <= 3; who++) {
		struct pair *pair = pair_new(TWO_A, reversed);

		if (who & 1)
			side_command(&pair->pair_a, core_up);
		if (who & 2)
			side_command(&pair->pair_b, core_up);
		pair_run_for(pair, 40000);
		assert_children(pair, 2);
		assert_int_equal(pair->pair_a.side_n_sas, 4);
		assert_int_equal(pair->pair_b.side_n_sas, 4);
		assert_int_equal(side_count(&pair->pair_a, IKE_ESTABLISHED), 1);
		assert_string_equal(pair->pair_a.side_error, "");
		assert_string_equal(pair->pair_b.side_error, "");
		pair_free(pair);
	}
}

/* The peer has only one of them: that works, and the other is named. */
static void test_one_refused(void **state)
{
	struct pair *pair = pair_new(TWO_A, CONF_B(QUIET));
	u64 sent;

	side_command(&pair->pair_a, core_up);
	pair_run(pair);
	assert_int_equal(pair->pair_a.side_done, 1);
	assert_non_null(strstr(pair->pair_a.side_error,
			       "10.3.0.0/16 <-> 10.4.0.0/16: the peer refused: TS_UNACCEPTABLE"));
	assert_children(pair, 1);
	/* Told to be up, it tries again, later and later. */
	sent = pair->pair_sent;
	pair_run_for(pair, 300000);
	assert_in_range(pair->pair_sent - sent, 10, 30);
	assert_children(pair, 1);
	pair_free(pair);
}

/* One of two is deleted: it comes back, and the other does not notice. */
static void test_one_deleted(void **state)
{
	struct pair *pair = pair_new(TWO_A, TWO_B);
	struct child *other;

	side_command(&pair->pair_a, core_up);
	pair_run(pair);
	other = conn_child_of(side_conn(&pair->pair_a), 0);
	child_delete(conn_child_of(side_conn(&pair->pair_b), 1));
	pair_run(pair);
	assert_int_equal(alive(&pair->pair_a), 1);
	pair_run_for(pair, 5000);
	assert_children(pair, 2);
	assert_ptr_equal(conn_child_of(side_conn(&pair->pair_a), 0), other);
	pair_free(pair);
}

/* A trap asks for the child of its packet, and only for that. */
static void test_trap(void **state)
{
	static const char trap[] =
		PAIR_CONN("192.0.2.2", "10.1.0.0/16 <-> 10.2.0.0/16",
			  " protect = 10.3.0.0/16 <-> 10.4.0.0/16\n start = trap\n" QUIET);
	struct pair *pair = pair_new(trap, TWO_B);

	acquire(&pair->pair_a, "10.3.0.7", "10.4.0.8");
	pair_run(pair);
	assert_children(pair, 1);
	assert_null(conn_child_of(side_conn(&pair->pair_a), 0));
	assert_non_null(conn_child_of(side_conn(&pair->pair_a), 1));
	pair_run_for(pair, 10000);
	assert_children(pair, 1);
	acquire(&pair->pair_a, "10.1.0.7", "10.2.0.8");
	expect_deliver(pair, "a->b 2 CREATE_CHILD_SA: NONCE SA TSi TSr");
	pair_run(pair);
	assert_children(pair, 2);
	/* Nothing is asked for that is there. */
	acquire(&pair->pair_a, "10.1.0.9", "10.2.0.9");
	expect_silence(pair);
	pair_free(pair);
}

/*
 * a wants more in one child than b has in any: b gives what the packet is for,
 * says that there is more, and a packet for that makes another child.
 */
static void test_additional(void **state)
{
	static const char wide[] =
		PAIR_CONN("192.0.2.2", "10.1.0.0/16, 10.3.0.0/16 <-> 10.2.0.0/16, 10.4.0.0/16",
			  " start = trap\n" QUIET);
	struct pair *pair = pair_new(wide, TWO_B);
	char text[TS_PAIR_STRLEN];

	acquire(&pair->pair_a, "10.3.0.7", "10.4.0.8");
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
	expect_deliver(pair, "a->b 1 IKE_AUTH: " AUTH_REQUEST);
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: " AUTH_REPLY MORE);
	assert_children(pair, 1);
	assert_string_equal(ts_pair_print(&side_child(&pair->pair_a)->child_ts[0],
					  text),
			    "10.3.0.0/16 <-> 10.4.0.0/16");
	acquire(&pair->pair_a, "10.1.0.7", "10.2.0.8");
	expect_deliver(pair, "a->b 2 CREATE_CHILD_SA: NONCE SA TSi TSr");
	expect_deliver(pair, "b->a 2 CREATE_CHILD_SA reply: NONCE SA TSi TSr" MORE);
	assert_children(pair, 2);
	/* Each is rekeyed for what it has. */
	side_command(&pair->pair_a, core_rekey);
	pair_run_for(pair, CHILD_LINGER_MS + 10);
	assert_children(pair, 2);
	assert_int_equal(pair->pair_a.side_n_sas, 4);
	pair_free(pair);
}

/* A new IKE SA takes all children over before the old one goes. */
static void test_replace(void **state)
{
	struct pair *pair = pair_new(TWO_A, TWO_B);
	struct pair_datagram *dg;
	u32 number;
	u8 group;

	side_command(&pair->pair_a, core_up);
	pair_run_for(pair, 1000);
	number = side_sa(&pair->pair_a)->sa_number;
	ike_sa_replace(side_sa(&pair->pair_a), "for the test");
	pair_settle(pair);
	while ((dg = pair_take(pair))) {
		pair_deliver(pair, dg);
		datagram_free(dg);
		for (group = 0; group < 2; group++) {
			assert_non_null(conn_child_of(side_conn(&pair->pair_a),
						      group));
			assert_non_null(conn_child_of(side_conn(&pair->pair_b),
						      group));
		}
	}
	pair_run_for(pair, 2 * CHILD_OVERDUE_MS);
	assert_children(pair, 2);
	assert_int_equal(pair->pair_a.side_n_sas, 4);
	assert_int_equal(pair->pair_b.side_n_sas, 4);
	assert_int_not_equal(side_sa(&pair->pair_a)->sa_number, number);
	assert_null(side_sa(&pair->pair_a)->sa_next_conn);
	pair_free(pair);
}

/* What a daemon before us left stays until all of it has been made anew. */
static void test_adopted(void **state)
{
	struct pair *pair = pair_new(TWO_A, TWO_B);
	struct pair_side *a = &pair->pair_a;
	struct ipc_msg msg[2];
	u8 group;

	side_command(a, core_up);
	pair_run(pair);
	for (group = 0; group < 2; group++) {
		struct child *child = conn_child_of(side_conn(a), group);

		core_ask_init(&msg[group], IPC_ADOPTED, "net");
		msg[group].im_event.ie_spi_in = child->child_spi_in;
		msg[group].im_event.ie_spi_out = child->child_spi_out;
		msg[group].im_event.ie_local.ep_addr = a->side_addr;
		msg[group].im_event.ie_remote.ep_addr = pair->pair_b.side_addr;
	}
	core_free(a->side_core);
	side_start(a, TWO_A);
	core_keeper(a->side_core, &msg[0]);
	core_keeper(a->side_core, &msg[1]);
	side_ready(a);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
	expect_deliver(pair, "a->b 1 IKE_AUTH: IDi IDr AUTH SA TSi TSr");
	while (alive(a) < 2) {
		struct pair_datagram *dg = pair_take(pair);

		assert_non_null(dg);
		/* Both old pairs, and the first new one. */
		assert_in_range(a->side_n_sas, 4, 6);
		pair_deliver(pair, dg);
		datagram_free(dg);
	}
	pair_run_for(pair, 120000);
	assert_int_equal(a->side_n_sas, 4);
	assert_children(pair, 2);
	pair_free(pair);
}

static unsigned int count_selectors(struct pair_side *from,
				    const struct pair_datagram *dg)
{
	static struct message msg;
	u8 plain[MSG_LEN_MAX];
	struct msg_blob body;
	size_t len;
	u8 next;

	assert_null(msg_parse_sk(&msg, dg->dg_data, dg->dg_len, &next, &body));
	assert_true(tap_open(side_sa(from), dg->dg_data, dg->dg_len, true,
			     plain, &len));
	assert_null(msg_parse_payloads(&msg, next, plain, len));
	return msg.msg_ts_i.mts_count * 10u + msg.msg_ts_r.mts_count;
}

/* The peer takes single pairs of addresses only: the packet's, then. */
static void test_single(void **state)
{
	static const char trap[] =
		PAIR_CONN("192.0.2.2", "10.1.0.0/16 <-> 10.2.0.0/16",
			  " protect = 10.3.0.0/16 <-> 10.4.0.0/16\n start = trap\n" QUIET);
	struct pair *pair = pair_new(trap, TWO_B);
	struct pair_datagram *dg;
	struct msg_header hdr;
	struct ike_sa *sa;
	struct emit em;

	acquire(&pair->pair_a, "10.3.0.7", "10.4.0.8");
	pair_run(pair);
	acquire(&pair->pair_a, "10.1.0.7", "10.2.0.8");
	dg = pair_expect(pair, "a->b 2 CREATE_CHILD_SA: NONCE SA TSi TSr");
	assert_int_equal(count_selectors(&pair->pair_a, dg), 22);
	datagram_free(dg);
	sa = side_sa(&pair->pair_b);
	ike_sa_header(sa, &hdr);
	hdr.hdr_exchange = CREATE_CHILD_SA;
	hdr.hdr_flags |= MSG_RESPONSE;
	hdr.hdr_id = sa->sa_window.win_expected++;
	emit_begin(&em, &hdr);
	emit_sk(&em, &sa->sa_suite);
	emit_notify(&em, N_SINGLE_PAIR_REQUIRED, NULL, 0);
	assert_true(ike_sa_seal(sa, &em));
	op_send(&pair->pair_b, &sa->sa_path, em.em_data, em.em_len);
	expect_deliver(pair, "b->a 2 CREATE_CHILD_SA reply: N(SINGLE_PAIR_REQUIRED)");
	pair_advance(pair, 1001);
	dg = pair_expect(pair, "a->b 3 CREATE_CHILD_SA: NONCE SA TSi TSr");
	assert_int_equal(count_selectors(&pair->pair_a, dg), 11);
	pair_deliver(pair, dg);
	datagram_free(dg);
	pair_run(pair);
	assert_children(pair, 2);
	pair_free(pair);
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_two),
		cmocka_unit_test(test_order_and_both),
		cmocka_unit_test(test_one_refused),
		cmocka_unit_test(test_one_deleted),
		cmocka_unit_test(test_trap),
		cmocka_unit_test(test_additional),
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_adopted),
		cmocka_unit_test(test_single),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
