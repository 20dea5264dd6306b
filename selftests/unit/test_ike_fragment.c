// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages in fragments (RFC 7383): sixteen networks make IKE_AUTH and
 * CREATE_CHILD_SA long enough.
 */
#include "ike_pair.h"

#define SMALL		" fragment-size = 576\n"
#define CBC		" ike = aes256-sha256-x25519\n"

#define AUTH_LONG	"IDi IDr AUTH N(INITIAL_CONTACT) SA TSi TSr"

static const char *long_conf(char *buf, size_t size, const char *remote, int a,
			     int b, const char *more)
{
	int i;

	snprintf(buf, size, "connection net {\n remote = %s\n psk = /psk\n"
		 " rekey = off\n liveness = off\n esp = aes256gcm\n%s\n",
		 remote, more);
	tap_add(buf, size, " protect = ");
	for (i = 0; i < 16; i++)
		tap_add(buf, size, "%sfd0%d:%d::/64", i ? ", " : "", a, i);
	tap_add(buf, size, " <-> fd0%d::/16\n}\n", b);
	return buf;
}

static const char *long_a(const char *more)
{
	static char buf[4096];

	return long_conf(buf, sizeof(buf), "192.0.2.2", 1, 2, more);
}

static const char *long_b(const char *more)
{
	static char buf[4096];

	return long_conf(buf, sizeof(buf), "192.0.2.1", 2, 1, more);
}

static struct pair *begin(const char *a, const char *b)
{
	struct pair *pair = pair_new(a, b);

	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
	return pair;
}

static void end(struct pair *pair)
{
	pair_run(pair);
	assert_one_pair(pair);
	assert_null(side_sa(&pair->pair_a)->sa_parts[1]);
	assert_null(side_sa(&pair->pair_b)->sa_parts[0]);
	pair_free(pair);
}

/* Both ways; no packet is longer than it may be. */
static void fragmented(const char *a, const char *b, size_t most)
{
	struct pair *pair = begin(a, b);
	struct pair_datagram *dg;
	unsigned int parts = 0;

	while ((dg = pair_take(pair))) {
		parts += !!strstr(dg->dg_text, " SKF ");
		assert_true(dg->dg_len + 28 <= most);
		assert_true(dg->dg_len + 28 > most - 16 ||
			    !strstr(dg->dg_text, " SKF 1/"));
		pair_deliver(pair, dg);
		datagram_free(dg);
	}
	assert_int_equal(parts, 4);
	end(pair);
}

static void test_both_ways(void **state)
{
	fragmented(long_a(SMALL), long_b(SMALL), 576);
	fragmented(long_a(SMALL CBC), long_b(SMALL CBC), 576);
}

/* What fits into 1280 bytes goes in one piece. */
static void test_default(void **state)
{
	struct pair *pair = begin(long_a(SMALL), long_b(""));

	expect_deliver(pair, "a->b 1 IKE_AUTH: SKF 1/2");
	expect_deliver(pair, "a->b 1 IKE_AUTH: SKF 2/2");
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: " AUTH_REPLY);
	end(pair);
}

/* Off on either side: no fragments in either direction. */
static void test_off(void **state)
{
	struct pair *pair;

	pair = pair_new(long_a(SMALL), long_b(" fragment-size = off"));
	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: SA KE NONCE N(NATS) N(NATD) N(CHILDLESS)");
	expect_deliver(pair, "a->b 1 IKE_AUTH: " AUTH_LONG);
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: " AUTH_REPLY);
	end(pair);
	pair = pair_new(long_a(" fragment-size = off"), long_b(SMALL));
	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: SA KE NONCE N(NATS) N(NATD)");
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: SA KE NONCE N(NATS) N(NATD) N(CHILDLESS)");
	expect_deliver(pair, "a->b 1 IKE_AUTH: " AUTH_LONG);
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: " AUTH_REPLY);
	end(pair);
}

/* In the wrong order, twice each, and of a rekey in both directions. */
static void test_order(void **state)
{
	struct pair *pair = begin(long_a(SMALL), long_b(SMALL));
	struct pair_datagram *one, *two;
	unsigned int i;

	one = pair_expect(pair, "a->b 1 IKE_AUTH: SKF 1/2");
	two = pair_expect(pair, "a->b 1 IKE_AUTH: SKF 2/2");
	pair_deliver(pair, two);
	pair_deliver(pair, two);
	expect_silence(pair);
	assert_int_equal(side_count(&pair->pair_b, IKE_KEYED), 1);
	pair_deliver(pair, one);
	datagram_free(one);
	datagram_free(two);
	one = pair_expect(pair, "b->a 1 IKE_AUTH reply: SKF 1/2");
	two = pair_expect(pair, "b->a 1 IKE_AUTH reply: SKF 2/2");
	for (i = 0; i < 2; i++)
		pair_deliver(pair, two);
	for (i = 0; i < 2; i++)
		pair_deliver(pair, one);
	datagram_free(one);
	datagram_free(two);
	assert_one_pair(pair);
	side_command(&pair->pair_b, core_rekey);
	expect_deliver(pair, "b->a 0 CREATE_CHILD_SA: SKF 1/2");
	expect_deliver(pair, "b->a 0 CREATE_CHILD_SA: SKF 2/2");
	expect_deliver(pair, "a->b 0 CREATE_CHILD_SA reply: SKF 1/2");
	expect_deliver(pair, "a->b 0 CREATE_CHILD_SA reply: SKF 2/2");
	expect_deliver(pair, "b->a 1 INFORMATIONAL: D(ESP)");
	pair_run_for(pair, CHILD_LINGER_MS + 10);
	end(pair);
}

/* Each fragment lost in turn. */
static void test_each_lost(void **state)
{
	unsigned int lost, count, i;

	for (lost = 0; lost < 4; lost++) {
		struct pair *pair = begin(long_a(SMALL), long_b(SMALL));
		struct pair_datagram *dg;

		count = 0;
		for (i = 0; i < 5; i++) {
			while ((dg = pair_take(pair))) {
				if (count++ != lost)
					pair_deliver(pair, dg);
				datagram_free(dg);
			}
			pair_advance(pair, 600);
		}
		end(pair);
	}
}

/* A request that comes again is answered once: for its first fragment. */
static void test_resend(void **state)
{
	struct pair *pair = begin(long_a(SMALL), long_b(SMALL));
	struct pair_datagram *one, *two;
	unsigned int i;

	one = pair_expect(pair, "a->b 1 IKE_AUTH: SKF 1/2");
	two = pair_expect(pair, "a->b 1 IKE_AUTH: SKF 2/2");
	pair_deliver(pair, one);
	pair_deliver(pair, two);
	pair_clear_wire(pair);
	pair_deliver(pair, two);
	expect_silence(pair);
	pair_deliver(pair, one);
	expect_lost(pair, "b->a 1 IKE_AUTH reply: SKF 1/2");
	expect_lost(pair, "b->a 1 IKE_AUTH reply: SKF 2/2");
	expect_silence(pair);
	/* Not what only looks like it, */
	one->dg_data[60] ^= 1;
	pair_deliver(pair, one);
	expect_silence(pair);
	one->dg_data[60] ^= 1;
	/* and not for ever. */
	for (i = 0; i < 2 * WINDOW_RESENDS; i++) {
		u64 sent = pair->pair_sent;

		pair_deliver(pair, one);
		assert_true(pair->pair_sent == sent || i < WINDOW_RESENDS);
	}
	datagram_free(one);
	datagram_free(two);
	pair_free(pair);
}

/*
 * Large packets do not get through: the request is split smaller after three
 * of them, and so is the answer, and all that follows.
 */
static void test_shrink(void **state)
{
	struct pair *pair = begin(long_a(" fragment-size = 1280"), long_b(""));
	struct pair_datagram *dg;
	unsigned int i, lost = 0;

	for (i = 0; i < 100; i++) {
		while ((dg = pair_take(pair))) {
			if (dg->dg_len + 28 <= 576)
				pair_deliver(pair, dg);
			else
				lost++;
			datagram_free(dg);
		}
		pair_advance(pair, 500);
	}
	assert_in_range(lost, 5, 8);
	assert_said(&pair->pair_a, "sent in smaller packets");
	assert_said(&pair->pair_b, "sent in smaller packets");
	assert_one_pair(pair);
	side_command(&pair->pair_a, core_rekey);
	expect_deliver(pair, "a->b 2 CREATE_CHILD_SA: SKF 1/2");
	expect_deliver(pair, "a->b 2 CREATE_CHILD_SA: SKF 2/2");
	expect_deliver(pair, "b->a 2 CREATE_CHILD_SA reply: SKF 1/2");
	pair_run_for(pair, CHILD_LINGER_MS + 10);
	end(pair);
}

/* A larger total begins anew, a smaller one is late. */
static void test_total(void **state)
{
	struct pair *pair = begin(long_a(" fragment-size = 700"), long_b(""));
	struct pair_datagram *one, *dg;
	struct ike_sa *sa;

	one = pair_expect(pair, "a->b 1 IKE_AUTH: SKF 1/2");
	pair_deliver(pair, one);
	pair_clear_wire(pair);
	/* As if a had found that less gets through. */
	side_conn(&pair->pair_a)->cn_conf.conn_fragment_size = 400;
	sa = side_sa(&pair->pair_a);
	{
		struct exchange *ex = sa->sa_ours;
		u8 *data;
		size_t len, at, n;
		struct emit em;

		assert_non_null(ex);
		assert_non_null(sa->sa_window.win_request.sent_plain);
		emit_again(&em, &sa->sa_suite,
			   sa->sa_window.win_request.sent_plain,
			   sa->sa_window.win_request.sent_plain_len);
		assert_true(fragment_seal(sa, &em, &data, &len));
		for (at = 0; at < len; at += n) {
			n = get_be32(data + at + 24);
			op_send(&pair->pair_a, &sa->sa_path, data + at, n);
		}
		free(data);
	}
	dg = pair_expect(pair, "a->b 1 IKE_AUTH: SKF 1/3");
	pair_deliver(pair, dg);
	datagram_free(dg);
	/* Of the split before. */
	pair_deliver(pair, one);
	datagram_free(one);
	expect_deliver(pair, "a->b 1 IKE_AUTH: SKF 2/3");
	expect_deliver(pair, "a->b 1 IKE_AUTH: SKF 3/3");
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: " AUTH_REPLY);
	end(pair);
}

/* A fragment of a's own making, sealed with the right keys. */
static void send_part(struct pair *pair, u16 number, u16 total, size_t len)
{
	struct ike_sa *sa = side_sa(&pair->pair_a);
	static const u8 zeros[1200];
	struct pair_datagram *dg;
	struct msg_header hdr;
	struct emit em;

	ike_sa_header(sa, &hdr);
	hdr.hdr_exchange = IKE_AUTH;
	hdr.hdr_id = 1;
	emit_begin(&em, &hdr);
	emit_skf(&em, &sa->sa_suite, number == 1 ? PAYLOAD_ID_I : 0, number,
		 total);
	emit_bytes(&em, zeros, len);
	assert_true(ike_sa_seal(sa, &em));
	op_send(&pair->pair_a, &sa->sa_path, em.em_data, em.em_len);
	dg = pair_take(pair);
	pair_deliver(pair, dg);
	datagram_free(dg);
}

static struct ike_sa *responder(struct pair *pair)
{
	struct ike_sa *sa = core_find_sa(pair->pair_b.side_core,
					 side_sa(&pair->pair_a)->sa_spi_r);

	assert_non_null(sa);
	return sa;
}

/* Numbers that make no sense, and more than anybody needs. */
static void test_bounds(void **state)
{
	struct pair *pair = begin(long_a(SMALL), long_b(SMALL));
	struct ike_sa *sa = responder(pair);
	static const u16 bad[][2] = {
		{ 0, 0 }, { 0, 1 }, { 0, 5 }, { 1, 0 }, { 6, 5 }, { 65535, 1 },
		{ 1, 65 }, { 65, 65 }, { 1, 65535 }, { 65535, 65535 },
	};
	unsigned int i;

	pair_clear_wire(pair);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		send_part(pair, bad[i][0], bad[i][1], 10);
		assert_null(sa->sa_parts[0]);
		expect_silence(pair);
	}
	for (i = 1; i < FRAGMENTS_MAX; i++) {
		send_part(pair, (u16)i, FRAGMENTS_MAX, 1200);
		assert_true(sa->sa_parts[0]->re_bytes <= FRAGMENT_BYTES_MAX);
	}
	send_part(pair, FRAGMENTS_MAX, FRAGMENTS_MAX, 1200);
	expect_silence(pair);
	/* What does not come whole in time is forgotten. */
	pair_clear_wire(pair);
	assert_non_null(sa->sa_parts[0]);
	pair_advance(pair, 20000);
	assert_int_equal(sa->sa_state, IKE_KEYED);
	pair_advance(pair, IKE_HALF_OPEN_MS);
	pair_clear_wire(pair);
	assert_int_equal(side_count(&pair->pair_b, IKE_KEYED), 0);
	pair_free(pair);
}

/* After the exchange that they were of, or a while, parts are gone. */
static void test_forgotten(void **state)
{
	struct pair *pair = pair_up(long_a(SMALL), long_b(SMALL));
	struct ike_sa *sa = side_sa(&pair->pair_a);

	side_command(&pair->pair_b, core_rekey);
	expect_deliver(pair, "b->a 0 CREATE_CHILD_SA: SKF 1/2");
	assert_non_null(sa->sa_parts[0]);
	/* b gives up. */
	window_withdraw(side_sa(&pair->pair_b));
	pair_advance(pair, 59999);
	assert_non_null(sa->sa_parts[0]);
	pair_advance(pair, 1);
	assert_null(sa->sa_parts[0]);
	pair_clear_wire(pair);
	pair_free(pair);
}

/* Whatever is changed in a fragment, it is not kept and kicks nothing out. */
static void test_forged(void **state)
{
	struct pair *pair = begin(long_a(SMALL), long_b(SMALL));
	struct pair_datagram *one, *two;
	struct ike_sa *sa = responder(pair);
	size_t i;

	one = pair_expect(pair, "a->b 1 IKE_AUTH: SKF 1/2");
	two = pair_expect(pair, "a->b 1 IKE_AUTH: SKF 2/2");
	pair_deliver(pair, one);
	for (i = 0; i < two->dg_len; i++) {
		struct reassembly before = *sa->sa_parts[0];

		two->dg_data[i] ^= (u8)(1 << i % 8);
		pair_deliver(pair, two);
		two->dg_data[i] ^= (u8)(1 << i % 8);
		assert_memory_equal(sa->sa_parts[0], &before, sizeof(before));
	}
	pair_clear_wire(pair);	/* to strangers */
	pair_deliver(pair, two);
	datagram_free(one);
	datagram_free(two);
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: SKF 1/2");
	end(pair);
}

/* Fragments were not agreed on: dropped, however authentic. */
static void test_not_agreed(void **state)
{
	struct pair *pair = pair_new(long_a(SMALL), long_b(" fragment-size = off"));

	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: SA KE NONCE N(NATS) N(NATD) N(CHILDLESS)");
	pair_clear_wire(pair);
	send_part(pair, 1, 2, 10);
	assert_null(responder(pair)->sa_parts[0]);
	assert_said(&pair->pair_b, "none were agreed on");
	pair_free(pair);
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_each_lost),
		cmocka_unit_test(test_resend),
		cmocka_unit_test(test_shrink),
		cmocka_unit_test(test_total),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_not_agreed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
