// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * MOBIKE (RFC 4555): a changes its address, and the tunnel goes along.
 */
#include "ike_pair.h"

#define MOBILE	" mobike = yes\n rekey = off\n esp = aes256gcm\n"
#define ALIVE	" liveness = 10s\n"
#define QUIET	" liveness = off\n"

#define REKEY_REQUEST	"N(REKEY_SA) NONCE SA TSi TSr"
#define REKEY_REPLY	"NONCE SA TSi TSr"
#define MOBILE_REQUEST	"IDi IDr AUTH N(INITIAL_CONTACT) N(MOBIKE_SUPPORTED) SA TSi TSr"
#define UPDATE		"N(UPDATE_SA_ADDRESSES) N(NATS) N(NATD) N(COOKIE2)"

/* b does not care where a is, but who it is. */
#define FROM_ANYWHERE(more) \
	"connection net {\n remote = any\n remote-id = a.test\n psk = /psk\n" \
	" protect = 10.2.0.0/16 <-> 10.1.0.0/16\n" more "\n}\n"
#define NAMED(more)	CONF_A(" local-id = a.test\n" more)

static struct pair *mobile_pair(void)
{
	struct pair *pair = pair_new(NAMED(MOBILE ALIVE),
				     FROM_ANYWHERE(MOBILE QUIET));

	pair->pair_a.side_idle = 1000000;
	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
	expect_deliver(pair, "a->b 1 IKE_AUTH: " MOBILE_REQUEST);
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: IDr AUTH SA TSi TSr N(MOBIKE_SUPPORTED)");
	assert_one_pair(pair);
	/* Port 4500 always. */
	assert_true(side_sa(&pair->pair_a)->sa_path.cp_natt);
	assert_int_equal(side_sa(&pair->pair_a)->sa_path.cp_remote.ep_port,
			 4500);
	return pair;
}

/* What is not for a's address of now, or from another one, is lost. */
static bool arrives(const struct pair *pair, const struct pair_datagram *dg)
{
	const struct ip_addr *addr = dg->dg_from == &pair->pair_a ?
		&dg->dg_path.cp_local.ep_addr : &dg->dg_path.cp_remote.ep_addr;

	return ip_addr_equal(addr, &pair->pair_a.side_addr);
}

static struct pair_datagram *next(struct pair *pair)
{
	struct pair_datagram *dg;

	while ((dg = pair_take(pair))) {
		if (arrives(pair, dg))
			return dg;
		datagram_free(dg);
	}
	return NULL;
}

static void expect_next(struct pair *pair, const char *text)
{
	struct pair_datagram *dg = next(pair);

	assert_non_null(dg);
	assert_string_equal(dg->dg_text, text);
	pair_deliver(pair, dg);
	datagram_free(dg);
}

/* a moves, and finds out when it asks whether b lives. */
static void move(struct pair *pair)
{
	pair->pair_a.side_addr = pair_addr("192.0.2.77");
	pair_advance(pair, 10001);
	pair_advance(pair, 1500);
	assert_said(&pair->pair_a, "our address is 192.0.2.77 now");
}

static void test_move(void **state)
{
	struct pair *pair = mobile_pair();

	move(pair);
	/* From the new address, although b expects another one. */
	expect_next(pair, "a->b 2 INFORMATIONAL:");
	assert_false(side_said(&pair->pair_b, "to 192.0.2.77:4500"));
	expect_next(pair, "b->a 2 INFORMATIONAL reply:");
	expect_next(pair, "a->b 3 INFORMATIONAL: " UPDATE);
	assert_said(&pair->pair_b, "to 192.0.2.77:4500");
	/* b takes no traffic there before it has heard from there. */
	assert_int_equal(pair->pair_b.side_asked[IPC_SPI], 1);
	expect_next(pair, "b->a 3 INFORMATIONAL reply: N(COOKIE2) N(NATS) N(NATD)");
	expect_next(pair, "b->a 0 INFORMATIONAL: N(COOKIE2)");
	expect_next(pair, "a->b 4 CREATE_CHILD_SA: " REKEY_REQUEST);
	expect_next(pair, "a->b 0 INFORMATIONAL reply: N(COOKIE2)");
	expect_next(pair, "b->a 4 CREATE_CHILD_SA reply: " REKEY_REPLY);
	pair_run(pair);
	pair_run_for(pair, CHILD_LINGER_MS + 10);
	assert_one_pair(pair);
	assert_true(ip_addr_equal(&side_sa(&pair->pair_b)->sa_path.cp_remote.ep_addr,
				  &pair->pair_a.side_addr));
	assert_false(side_sa(&pair->pair_b)->sa_encap);
	pair_free(pair);
}

/* The address of one that is not there, as somebody might make us believe. */
static void test_not_there(void **state)
{
	struct pair *pair = mobile_pair();
	struct pair_datagram *dg;

	move(pair);
	expect_next(pair, "a->b 2 INFORMATIONAL:");
	expect_next(pair, "b->a 2 INFORMATIONAL reply:");
	expect_next(pair, "a->b 3 INFORMATIONAL: " UPDATE);
	/* Nobody answers b's probe: no child moves. */
	pair_advance(pair, 61000);
	while ((dg = pair_take(pair)))
		datagram_free(dg);
	assert_int_equal(pair->pair_b.side_asked[IPC_SPI], 1);
	pair_free(pair);
}

/* A message from elsewhere moves nothing by itself, authentic or not. */
static void test_only_by_update(void **state)
{
	struct pair *pair = mobile_pair();
	struct ike_sa *sa = side_sa(&pair->pair_b);
	struct core_path before = sa->sa_path;
	struct pair_datagram *dg;

	ike_sa_check(side_sa(&pair->pair_a));
	dg = pair_take(pair);
	dg->dg_path.cp_local.ep_addr = pair_addr("192.0.2.99");
	pair_deliver(pair, dg);
	datagram_free(dg);
	assert_memory_equal(&sa->sa_path, &before, sizeof(before));
	pair_clear_wire(pair);
	pair_free(pair);
}

/* Without MOBIKE on both sides an update is nothing. */
static void test_not_agreed(void **state)
{
	struct pair *pair = pair_up(NAMED(MOBILE ALIVE),
				    FROM_ANYWHERE(" rekey = off\n esp = aes256gcm\n" QUIET));
	struct ike_sa *sa = side_sa(&pair->pair_b);
	struct core_path before = sa->sa_path;

	assert_false(side_sa(&pair->pair_a)->sa_mobike);
	exchange_queue(side_sa(&pair->pair_a), EX_MOVE);
	side_sa(&pair->pair_a)->sa_path.cp_local.ep_addr =
		pair_addr("192.0.2.99");
	ike_sa_next(side_sa(&pair->pair_a));
	expect_deliver(pair, "a->b 2 INFORMATIONAL: " UPDATE);
	assert_memory_equal(&sa->sa_path, &before, sizeof(before));
	expect_lost(pair, "b->a 2 INFORMATIONAL reply: N(COOKIE2)");
	pair_free(pair);
}

/* b's configuration names a's address: it is told that it cannot move. */
static void test_fixed(void **state)
{
	struct pair *pair = pair_up(NAMED(MOBILE ALIVE),
				    CONF_B(" remote-id = a.test\n" MOBILE QUIET));

	pair->pair_a.side_idle = 1000000;
	move(pair);
	expect_next(pair, "a->b 2 INFORMATIONAL:");
	expect_next(pair, "b->a 2 INFORMATIONAL reply:");
	expect_next(pair, "a->b 3 INFORMATIONAL: " UPDATE);
	expect_next(pair, "b->a 3 INFORMATIONAL reply: N(COOKIE2) N(UNACCEPTABLE_ADDRESSES)");
	assert_said(&pair->pair_a, "the peer refused our address");
	assert_true(ip_addr_equal(&side_sa(&pair->pair_b)->sa_path.cp_remote.ep_addr,
				  &side_conn(&pair->pair_b)->cn_conf.conn_remote));
	pair_free(pair);
}

/* It has moved back before anybody noticed, or never did: nothing is said. */
static void test_unmoved(void **state)
{
	struct pair *pair = mobile_pair();

	pair_advance(pair, 10001);
	pair_advance(pair, 1600);
	pair_run(pair);
	assert_false(side_said(&pair->pair_a, "our address is"));
	assert_one_pair(pair);
	pair_free(pair);
}

/* After a rekey of the IKE SA by b it is still a who may move. */
static void test_move_after_rekey(void **state)
{
	struct pair *pair = mobile_pair();

	side_command(&pair->pair_b, core_rekey_ike);
	pair_run(pair);
	assert_false(side_sa(&pair->pair_a)->sa_initiator);
	move(pair);
	expect_next(pair, "a->b 0 INFORMATIONAL:");
	expect_next(pair, "b->a 0 INFORMATIONAL reply:");
	expect_next(pair, "a->b 1 INFORMATIONAL: " UPDATE);
	pair_run_for(pair, 20000);
	assert_one_pair(pair);
	assert_said(&pair->pair_b, "to 192.0.2.77:4500");
	pair_free(pair);
}

static void send_inform(struct pair *pair, const void *data, size_t len)
{
	struct ike_sa *sa = side_sa(&pair->pair_a);
	struct msg_header hdr;
	struct emit em;

	ike_sa_header(sa, &hdr);
	hdr.hdr_exchange = INFORMATIONAL;
	hdr.hdr_id = sa->sa_window.win_next++;
	emit_begin(&em, &hdr);
	emit_sk(&em, &sa->sa_suite);
	emit_notify(&em, N_NO_NATS_ALLOWED, data, len);
	assert_true(ike_sa_seal(sa, &em));
	op_send(&pair->pair_a, &sa->sa_path, em.em_data, em.em_len);
	expect_deliver(pair, sa->sa_window.win_next == 3 ?
		       "a->b 2 INFORMATIONAL: N(NO_NATS_ALLOWED)" :
		       "a->b 3 INFORMATIONAL: N(NO_NATS_ALLOWED)");
}

/* The addresses that the peer says it used are those that we see, or not. */
static void test_no_nats(void **state)
{
	static const u8 right[] = { 192, 0, 2, 1, 192, 0, 2, 2,
				    4500 >> 8, 4500 & 255,
				    4500 >> 8, 4500 & 255 };
	static const u8 wrong[] = { 192, 0, 2, 8, 192, 0, 2, 2,
				    4500 >> 8, 4500 & 255,
				    4500 >> 8, 4500 & 255 };
	struct pair *pair = mobile_pair();

	send_inform(pair, right, sizeof(right));
	expect_lost(pair, "b->a 2 INFORMATIONAL reply:");
	send_inform(pair, wrong, sizeof(wrong));
	expect_lost(pair, "b->a 3 INFORMATIONAL reply: N(UNEXPECTED_NAT_DETECTED)");
	pair_free(pair);
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_move),
		cmocka_unit_test(test_not_there),
		cmocka_unit_test(test_only_by_update),
		cmocka_unit_test(test_not_agreed),
		cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_unmoved),
		cmocka_unit_test(test_move_after_rekey),
		cmocka_unit_test(test_no_nats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
