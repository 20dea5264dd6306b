// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * IKE SAs that come up without a child (RFC 6023), and that are made anew with
 * new proof of who is there before the old one goes (RFC 4478).
 */
#include "ike_pair.h"

#define QUIET	" rekey = off\n liveness = off\n ike-lifetime = off\n"
#define A(more)	CONF_A(QUIET more)
#define B(more)	CONF_B(QUIET more)

#define ALONE	"IDi IDr AUTH N(INITIAL_CONTACT)"

static void expect_start(struct pair *pair)
{
	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
}

/* The child comes after, with a key exchange of its own. */
static void test_childless(void **state)
{
	struct pair *pair = pair_new(A(" childless = yes\n"), B(""));

	expect_start(pair);
	expect_deliver(pair, "a->b 1 IKE_AUTH: " ALONE);
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: IDr AUTH");
	assert_int_equal(pair->pair_a.side_done, 0);
	assert_int_equal(pair->pair_b.side_n_sas, 0);
	expect_deliver(pair, "a->b 2 CREATE_CHILD_SA: NONCE KE SA TSi TSr");
	expect_deliver(pair, "b->a 2 CREATE_CHILD_SA reply: NONCE KE SA TSi TSr");
	assert_int_equal(pair->pair_a.side_done, 1);
	assert_string_equal(pair->pair_a.side_error, "");
	assert_one_pair(pair);
	expect_silence(pair);
	pair_free(pair);
}

/* The packet that wants protection waits for its child. */
static void test_childless_trap(void **state)
{
	struct pair *pair = pair_new(A(" childless = yes\n start = trap\n"),
				     B(""));
	struct ipc_msg msg;

	core_ask_init(&msg, IPC_ACQUIRE, "net");
	msg.im_event.ie_n_ts = 1;
	ts_all(&msg.im_event.ie_ts[0].pair_local, AF_INET);
	ip_range_parse(&msg.im_event.ie_ts[0].pair_local.ts_addrs, "10.1.0.7");
	ip_range_parse(&msg.im_event.ie_ts[0].pair_remote.ts_addrs, "10.2.0.8");
	msg.im_event.ie_ts[0].pair_remote.ts_port_last = 65535;
	core_keeper(pair->pair_a.side_core, &msg);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
	expect_deliver(pair, "a->b 1 IKE_AUTH: " ALONE);
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: IDr AUTH");
	assert_true(side_sa(&pair->pair_a)->sa_ours->ex_has_packet);
	pair_run(pair);
	assert_one_pair(pair);
	pair_free(pair);
}

/* A peer that cannot: the child comes with IKE_AUTH. */
static void test_childless_not_there(void **state)
{
	struct pair *pair = pair_new(A(" childless = yes\n"
				       " ike = aes256gcm-sha256-modp2048\n"),
				     B(" ike = aes256gcm-sha256-modp2048\n"));

	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	/* The secret is computed elsewhere, and IKE_AUTH begins after it. */
	pair->pair_hold = true;
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
	assert_true(side_sa(&pair->pair_a)->sa_childless);
	side_sa(&pair->pair_a)->sa_childless = false;
	pair->pair_hold = false;
	expect_deliver(pair, "a->b 1 IKE_AUTH: " AUTH_REQUEST);
	pair_run(pair);
	assert_one_pair(pair);
	pair_free(pair);
}

/* Half of a child is neither one nor none. */
static void test_half_a_child(void **state)
{
	struct pair *pair = pair_new(A(" childless = yes\n"), B(""));
	struct pair_datagram *dg;
	struct msg_header hdr;
	struct ike_sa *sa;
	struct emit em;

	expect_start(pair);
	dg = pair_expect(pair, "a->b 1 IKE_AUTH: " ALONE);
	sa = side_sa(&pair->pair_a);
	ike_sa_header(sa, &hdr);
	hdr.hdr_exchange = IKE_AUTH;
	hdr.hdr_id = 1;
	emit_begin(&em, &hdr);
	emit_sk(&em, &sa->sa_suite);
	emit_id(&em, PAYLOAD_ID_I, &sa->sa_id_local);
	emit_auth(&em, AUTH_METHOD_PSK, em.em_data, 32);
	emit_sa(&em, side_conn(&pair->pair_a)->cn_conf.conn_esp, 1, "spi",
		MSG_ESP_SPI_LEN);
	assert_true(ike_sa_seal(sa, &em));
	datagram_free(dg);
	op_send(&pair->pair_a, &sa->sa_path, em.em_data, em.em_len);
	expect_deliver(pair, "a->b 1 IKE_AUTH: IDi AUTH SA");
	expect_lost(pair, "b->a 1 IKE_AUTH reply: N(INVALID_SYNTAX)");
	assert_int_equal(side_count(&pair->pair_b, IKE_CLOSED), 1);
	pair_free(pair);
}

/* Runs for so long; at every moment a packet would get through, both ways. */
static void run_carrying(struct pair *pair, u64 ms)
{
	u64 end = pair->pair_now + ms;
	struct pair_datagram *dg;

	while (pair->pair_now < end) {
		u64 next = pair->pair_a.side_armed < pair->pair_b.side_armed ?
			pair->pair_a.side_armed : pair->pair_b.side_armed;

		pair_advance(pair, next <= pair->pair_now ? 0 :
			     next > end ? end - pair->pair_now :
			     next - pair->pair_now);
		while ((dg = pair_take(pair))) {
			assert_true(pair_carries(pair));
			pair_deliver(pair, dg);
			datagram_free(dg);
			assert_true(pair_carries(pair));
		}
	}
}

/* Ours to say: at our age, before the old one goes. */
static void test_reauth(void **state)
{
	struct pair *pair = pair_up(A(" reauth = 10m\n"), B(""));
	u32 number = side_sa(&pair->pair_a)->sa_number;
	u32 asked = pair->pair_b.side_asked[IPC_PSK];

	pair_run_for(pair, 400000);
	assert_int_equal(side_sa(&pair->pair_a)->sa_number, number);
	run_carrying(pair, 220000);
	assert_int_not_equal(side_sa(&pair->pair_a)->sa_number, number);
	assert_true(pair->pair_b.side_asked[IPC_PSK] > asked);
	assert_one_pair(pair);
	pair_free(pair);
}

/* The peer's to say, and an IKE rekey in between changes nothing about it. */
static void test_told_to(void **state)
{
	struct pair *pair = pair_new(A(""), B(" reauth = 10m\n"));
	u32 number, asked;

	expect_start(pair);
	expect_deliver(pair, "a->b 1 IKE_AUTH: " AUTH_REQUEST);
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: " AUTH_REPLY " N(AUTH_LIFETIME)");
	assert_one_pair(pair);
	pair_run_for(pair, 300000);
	side_command(&pair->pair_b, core_rekey_ike);
	pair_run_for(pair, 2 * IKE_OVERDUE_MS);
	assert_one_pair(pair);
	number = side_sa(&pair->pair_a)->sa_number;
	asked = pair->pair_b.side_asked[IPC_PSK];
	pair_run_for(pair, 100000);
	assert_int_equal(side_sa(&pair->pair_a)->sa_number, number);
	run_carrying(pair, 220000);
	assert_true(pair->pair_b.side_asked[IPC_PSK] > asked);
	assert_one_pair(pair);
	/* Whoever was told goes on doing so. */
	number = side_sa(&pair->pair_a)->sa_number;
	run_carrying(pair, 620000);
	assert_int_not_equal(side_sa(&pair->pair_a)->sa_number, number);
	assert_one_pair(pair);
	pair_free(pair);
}

/* Who was told and does not is deleted; it may begin afresh. */
static void test_told_in_vain(void **state)
{
	struct pair *pair = pair_up(A(""), B(" reauth = 10m\n"));
	struct ike_sa *sa = side_sa(&pair->pair_a);

	timer_unset(&pair->pair_a.side_core->core_timers, &sa->sa_reauth);
	pair_run_for(pair, 640000);
	assert_one_pair(pair);
	pair_run_for(pair, 30000);
	assert_said(&pair->pair_b, "has not authenticated anew");
	pair_free(pair);
}

/* By INFORMATIONAL, at any time; what is absurdly short is taken as 10 s. */
static void test_told_later(void **state)
{
	struct pair *pair = pair_up(A(""), B(""));
	struct ike_sa *sa = side_sa(&pair->pair_b);
	u32 number = side_sa(&pair->pair_a)->sa_number;
	static const u8 now[4];
	struct msg_header hdr;
	struct emit em;

	ike_sa_header(sa, &hdr);
	hdr.hdr_exchange = INFORMATIONAL;
	hdr.hdr_id = sa->sa_window.win_next++;
	emit_begin(&em, &hdr);
	emit_sk(&em, &sa->sa_suite);
	emit_notify(&em, N_AUTH_LIFETIME, now, sizeof(now));
	assert_true(ike_sa_seal(sa, &em));
	op_send(&pair->pair_b, &sa->sa_path, em.em_data, em.em_len);
	expect_deliver(pair, "b->a 0 INFORMATIONAL: N(AUTH_LIFETIME)");
	expect_lost(pair, "a->b 0 INFORMATIONAL reply:");
	pair_run_for(pair, 8000);
	assert_int_equal(side_sa(&pair->pair_a)->sa_number, number);
	run_carrying(pair, 2000);
	pair_run_for(pair, 2 * CHILD_OVERDUE_MS);
	assert_int_not_equal(side_sa(&pair->pair_a)->sa_number, number);
	assert_one_pair(pair);
	pair_free(pair);
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_childless),
		cmocka_unit_test(test_childless_trap),
		cmocka_unit_test(test_childless_not_there),
		cmocka_unit_test(test_half_a_child),
		cmocka_unit_test(test_reauth),
		cmocka_unit_test(test_told_to),
		cmocka_unit_test(test_told_in_vain),
		cmocka_unit_test(test_told_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
