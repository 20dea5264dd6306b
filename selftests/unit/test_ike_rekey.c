// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * IKE SA rekeying: children live on, both sides at once, and everything that
 * crosses it (RFC 7296 sections 2.8.2, 2.18, 2.25.2).
 */
#include "ike_pair.h"

#define QUIET	" esp = aes256gcm\n rekey = off\n liveness = off\n"

#define REKEY	"SA NONCE KE"

static void expect_carrying(struct pair *pair, const char *text)
{
	expect_deliver(pair, text);
	assert_true(pair_carries(pair));
}

/* One IKE SA each, the same one, with new keys that work both ways. */
static void assert_settled(struct pair *pair)
{
	struct ike_sa *a, *b;

	pair_run(pair);
	pair_run_for(pair, 2 * IKE_OVERDUE_MS + CHILD_LINGER_MS);
	assert_one_pair(pair);
	a = side_sa(&pair->pair_a);
	b = side_sa(&pair->pair_b);
	assert_null(a->sa_next_conn);
	assert_null(b->sa_next_conn);
	assert_memory_equal(a->sa_spi_i, b->sa_spi_i, MSG_SPI_LEN);
	assert_memory_equal(a->sa_spi_r, b->sa_spi_r, MSG_SPI_LEN);
	assert_int_equal(side_count(&pair->pair_a, IKE_CONNECTING), 0);
	assert_int_equal(side_count(&pair->pair_b, IKE_CONNECTING), 0);
	assert_null(a->sa_rival_of);
	assert_null(b->sa_rival_of);
	ike_sa_check(a);
	pair_run(pair);
	ike_sa_check(b);
	pair_run(pair);
	assert_null(a->sa_ours);
	assert_null(b->sa_ours);
	/* A child made now has keys of the new SK_d. */
	side_command(&pair->pair_a, core_rekey);
	pair_run(pair);
	assert_string_equal(pair->pair_a.side_error, "");
	pair_run_for(pair, CHILD_LINGER_MS + 10);
	assert_one_pair(pair);
}

/*
 * a -> b  SA Ni KEi		b uses the new IKE SA
 * a <- b  SA Nr KEr		a uses the new IKE SA
 * a -> b  D			the old one goes
 * a <- b
 */
static void test_rekey(void **state)
{
	struct pair *pair = pair_up(CONF_A(QUIET), CONF_B(QUIET));
	u32 number = side_sa(&pair->pair_a)->sa_number;
	u32 child = side_child(&pair->pair_a)->child_number;

	side_command(&pair->pair_a, core_rekey_ike);
	expect_carrying(pair, "a->b 2 CREATE_CHILD_SA: " REKEY);
	assert_int_equal(side_count(&pair->pair_b, IKE_REKEYED), 1);
	expect_carrying(pair, "b->a 2 CREATE_CHILD_SA reply: " REKEY);
	assert_int_equal(pair->pair_a.side_done, 1);
	assert_string_equal(pair->pair_a.side_error, "");
	expect_carrying(pair, "a->b 3 INFORMATIONAL: D(IKE)");
	expect_carrying(pair, "b->a 3 INFORMATIONAL reply:");
	expect_silence(pair);
	assert_int_not_equal(side_sa(&pair->pair_a)->sa_number, number);
	assert_int_equal(side_child(&pair->pair_a)->child_number, child);
	assert_true(side_sa(&pair->pair_a)->sa_initiator);
	/* Message ids begin at 0 in both directions. */
	ike_sa_check(side_sa(&pair->pair_a));
	expect_deliver(pair, "a->b 0 INFORMATIONAL:");
	expect_deliver(pair, "b->a 0 INFORMATIONAL reply:");
	ike_sa_check(side_sa(&pair->pair_b));
	expect_deliver(pair, "b->a 0 INFORMATIONAL:");
	expect_deliver(pair, "a->b 0 INFORMATIONAL reply:");
	assert_settled(pair);
	pair_free(pair);
}

/* By the side that did not begin the first, whose role changes. */
static void test_rekey_from_responder(void **state)
{
	struct pair *pair = pair_up(CONF_A(QUIET), CONF_B(QUIET));

	side_command(&pair->pair_b, core_rekey_ike);
	expect_carrying(pair, "b->a 0 CREATE_CHILD_SA: " REKEY);
	expect_carrying(pair, "a->b 0 CREATE_CHILD_SA reply: " REKEY);
	expect_carrying(pair, "b->a 1 INFORMATIONAL: D(IKE)");
	expect_carrying(pair, "a->b 1 INFORMATIONAL reply:");
	assert_false(side_sa(&pair->pair_a)->sa_initiator);
	assert_true(side_sa(&pair->pair_b)->sa_initiator);
	assert_settled(pair);
	pair_free(pair);
}

static void rekey_with(const char *a, const char *b, const char *first)
{
	struct pair *pair = pair_up(a, b);

	side_command(&pair->pair_a, core_rekey_ike);
	expect_carrying(pair, "a->b 2 CREATE_CHILD_SA: " REKEY);
	expect_carrying(pair, first);
	assert_settled(pair);
	pair_free(pair);
}

/* A group that another thread computes, and a group guessed wrong. */
static void test_groups(void **state)
{
	rekey_with(CONF_A(QUIET " ike = aes256gcm-sha256-modp2048"),
		   CONF_B(QUIET " ike = aes256gcm-sha256-modp2048"),
		   "b->a 2 CREATE_CHILD_SA reply: " REKEY);
	/* Already known from IKE_SA_INIT what the peer likes. */
	rekey_with(CONF_A(QUIET " ike = aes256gcm-sha256-x25519-ecp256"),
		   CONF_B(QUIET " ike = aes256gcm-sha256-ecp256-x25519"),
		   "b->a 2 CREATE_CHILD_SA reply: " REKEY);
}

static void set_ike(struct pair_side *side, const char *text)
{
	struct conf *conf = pair_conf(text);
	struct conf_conn *to = &side_conn(side)->cn_conf;

	to->conn_nike = conf->conf_conns[0].conn_nike;
	memcpy(to->conn_ike, conf->conf_conns[0].conn_ike,
	       sizeof(to->conn_ike));
	conf_free(conf);
}

/* The peer wants another group than the one that it took before. */
static void test_invalid_ke(void **state)
{
	struct pair *pair = pair_up(CONF_A(QUIET " ike = aes256gcm-sha256-x25519-ecp256"),
				    CONF_B(QUIET " ike = aes256gcm-sha256-x25519"));

	set_ike(&pair->pair_b, CONF_B(QUIET " ike = aes256gcm-sha256-ecp256"));
	side_command(&pair->pair_a, core_rekey_ike);
	expect_carrying(pair, "a->b 2 CREATE_CHILD_SA: " REKEY);
	expect_carrying(pair, "b->a 2 CREATE_CHILD_SA reply: N(INVALID_KE_PAYLOAD)");
	expect_carrying(pair, "a->b 3 CREATE_CHILD_SA: " REKEY);
	expect_carrying(pair, "b->a 3 CREATE_CHILD_SA reply: " REKEY);
	assert_int_equal(side_sa(&pair->pair_a)->sa_suite.suite_ke,
			 KE_ECP_256);
	assert_settled(pair);
	pair_free(pair);
}

/* SKEYSEED by the old PRF, the keys by the new one: there and back. */
static void test_other_prf(void **state)
{
	struct pair *pair = pair_up(CONF_A(QUIET " ike = aes256gcm-sha256-x25519"),
				    CONF_B(QUIET " ike = aes256gcm-sha256-x25519"));
	static const char *const suites[] = {
		CONF_A(QUIET " ike = aes256-sha512-x25519"),
		CONF_A(QUIET " ike = aes128gcm-sha384-ecp256"),
		CONF_A(QUIET " ike = chacha20poly1305-sha256-x25519"),
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(suites); i++) {
		set_ike(&pair->pair_a, suites[i]);
		set_ike(&pair->pair_b, suites[i]);
		side_command(i % 2 ? &pair->pair_b : &pair->pair_a,
			     core_rekey_ike);
		assert_settled(pair);
	}
	assert_int_equal(side_sa(&pair->pair_a)->sa_suite.suite_encr,
			 ENCR_CHACHA20_POLY1305);
	pair_free(pair);
}

/* Each of the four messages lost in turn, then all of them repeated. */
static void test_each_lost(void **state)
{
	unsigned int lost, i;

	for (lost = 0; lost < 4; lost++) {
		struct pair *pair = pair_up(CONF_A(QUIET), CONF_B(QUIET));
		struct pair_datagram *dg, *all[16];
		unsigned int count = 0;

		side_command(&pair->pair_a, core_rekey_ike);
		for (i = 0; i < 5; i++) {
			while ((dg = pair_take(pair))) {
				if (count != lost)
					pair_deliver(pair, dg);
				assert_true(pair_carries(pair));
				all[count++] = dg;
			}
			pair_advance(pair, 600);
		}
		for (i = 0; i < count; i++) {
			pair_deliver(pair, all[i]);
			datagram_free(all[i]);
			assert_true(pair_carries(pair));
		}
		pair_clear_wire(pair);
		assert_settled(pair);
		pair_free(pair);
	}
}

/* The peer never deletes the old SA: we do. */
static void test_delete_overdue(void **state)
{
	struct pair *pair = pair_up(CONF_A(QUIET), CONF_B(QUIET));

	side_command(&pair->pair_a, core_rekey_ike);
	expect_carrying(pair, "a->b 2 CREATE_CHILD_SA: " REKEY);
	expect_carrying(pair, "b->a 2 CREATE_CHILD_SA reply: " REKEY);
	expect_lost(pair, "a->b 3 INFORMATIONAL: D(IKE)");
	pair_advance(pair, IKE_OVERDUE_MS + 10);
	pair_clear_wire(pair);
	assert_said(&pair->pair_b, "the peer is late to delete it");
	assert_settled(pair);
	pair_free(pair);
}

/* Time: the side that began it asks first, and does not forget. */
#define HOURS	" ike-lifetime = 2h\n"
#define LIFE	(2 * 3600 * 1000)

static void test_lifetime(void **state)
{
	struct pair *pair = pair_up(CONF_A(QUIET HOURS), CONF_B(QUIET HOURS));
	u32 child = side_child(&pair->pair_a)->child_number;
	int i;

	for (i = 0; i < 3; i++) {
		u32 number = side_sa(&pair->pair_a)->sa_number;
		u64 born = side_sa(&pair->pair_a)->sa_established;

		pair_run_for(pair, born + LIFE / 10 * 8 - pair->pair_now);
		assert_int_equal(side_sa(&pair->pair_a)->sa_number, number);
		pair_run_for(pair, LIFE / 10 + 10);
		assert_int_not_equal(side_sa(&pair->pair_a)->sa_number, number);
		pair_run_for(pair, IKE_LINGER_MS);
		assert_one_pair(pair);
	}
	assert_int_equal(side_child(&pair->pair_a)->child_number, child);
	assert_int_equal(pair->pair_b.side_asked[IPC_PSK], 2);
	pair_free(pair);
}

/* ---- both at once ---- */

static void run_in_order(struct pair *pair, const char *order)
{
	struct pair_datagram *dg, *held[64];
	unsigned int n_held = 0, i;

	while (*order) {
		while ((dg = pair_take(pair)))
			held[n_held++] = dg;
		for (i = 0; i < n_held; i++)
			if (held[i] && *held[i]->dg_from->side_name == *order)
				break;
		if (i == n_held)
			break;
		pair_deliver(pair, held[i]);
		assert_true(pair_carries(pair));
		datagram_free(held[i]);
		held[i] = NULL;
		order++;
	}
	for (i = 0; i < n_held; i++) {
		if (held[i])
			pair_deliver(pair, held[i]);
		datagram_free(held[i]);
		assert_true(pair_carries(pair));
	}
	while ((dg = pair_take(pair))) {
		pair_deliver(pair, dg);
		datagram_free(dg);
		assert_true(pair_carries(pair));
	}
}

#define SLOW	" ike = aes256gcm-sha256-modp2048\n"

static const char *const orders[] = {
	"abababab", "abba", "baab", "aabb", "aaabbb", "bbbaaa",
	"abbbb", "baaaa", "aabbbbaa", "bbaaaabb", "abaabb", "babbaa",
	"ababba", "abbaab", "ab", "ba", "",
};

static void test_simultaneous(void **state)
{
	unsigned int i, again;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		for (again = 0; again < 6; again++) {
			/* The last time with a key exchange that takes time. */
			struct pair *pair = again < 5 ?
				pair_up(CONF_A(QUIET), CONF_B(QUIET)) :
				pair_up(CONF_A(QUIET SLOW), CONF_B(QUIET SLOW));

			side_command(&pair->pair_a, core_rekey_ike);
			side_command(&pair->pair_b, core_rekey_ike);
			run_in_order(pair, orders[i]);
			assert_int_equal(pair->pair_a.side_done, 1);
			assert_int_equal(pair->pair_b.side_done, 1);
			assert_settled(pair);
			pair_free(pair);
		}
	}
}

/* Section 2.8.2, literally; every message of both. */
static void test_lowest_nonce(void **state)
{
	unsigned int again, won[2] = { 0, 0 };

	for (again = 0; again < 20; again++) {
		struct pair *pair = pair_up(CONF_A(QUIET), CONF_B(QUIET));
		struct exchange *a, *b;
		const u8 *nonces[4];
		u8 stays[MSG_SPI_LEN];
		int i, low = 0;

		side_command(&pair->pair_a, core_rekey_ike);
		side_command(&pair->pair_b, core_rekey_ike);
		expect_carrying(pair, "a->b 2 CREATE_CHILD_SA: " REKEY);
		expect_carrying(pair, "b->a 0 CREATE_CHILD_SA: " REKEY);
		a = side_sa(&pair->pair_a)->sa_next_conn->sa_ours;
		b = side_sa(&pair->pair_b)->sa_next_conn->sa_ours;
		assert_non_null(a->ex_rival_sa);
		assert_non_null(b->ex_rival_sa);
		nonces[0] = a->ex_ni.nonce_data;
		nonces[1] = b->ex_rival_sa->sa_nr.nonce_data;
		nonces[2] = b->ex_ni.nonce_data;
		nonces[3] = a->ex_rival_sa->sa_nr.nonce_data;
		for (i = 1; i < 4; i++)
			if (memcmp(nonces[i], nonces[low], 32) < 0)
				low = i;
		/* If it is in a's exchange, b's SA stays. */
		memcpy(stays, low < 2 ? b->ex_new->sa_spi_i :
		       a->ex_new->sa_spi_i, MSG_SPI_LEN);
		expect_carrying(pair, "b->a 2 CREATE_CHILD_SA reply: " REKEY);
		/* One of a's: of the loser it made, or of the old SA. */
		expect_carrying(pair, "a->b 0 CREATE_CHILD_SA reply: " REKEY);
		expect_carrying(pair, low < 2 ? "a->b 0 INFORMATIONAL: D(IKE)" :
				"a->b 3 INFORMATIONAL: D(IKE)");
		expect_carrying(pair, low < 2 ? "b->a 1 INFORMATIONAL: D(IKE)" :
				"b->a 0 INFORMATIONAL: D(IKE)");
		pair_run(pair);
		assert_memory_equal(side_sa(&pair->pair_a)->sa_spi_i, stays,
				    MSG_SPI_LEN);
		assert_settled(pair);
		won[low < 2]++;
		pair_free(pair);
	}
	assert_true(won[0] && won[1]);
}

/* Only b noticed: a has rekeyed already and refuses, and b comes along. */
static void test_noticed_by_one(void **state)
{
	struct pair *pair = pair_up(CONF_A(QUIET), CONF_B(QUIET));
	struct pair_datagram *late;

	side_command(&pair->pair_b, core_rekey_ike);
	late = pair_expect(pair, "b->a 0 CREATE_CHILD_SA: " REKEY);
	side_command(&pair->pair_a, core_rekey_ike);
	expect_carrying(pair, "a->b 2 CREATE_CHILD_SA: " REKEY);
	expect_carrying(pair, "b->a 2 CREATE_CHILD_SA reply: " REKEY);
	pair_deliver(pair, late);
	datagram_free(late);
	expect_lost(pair, "a->b 3 INFORMATIONAL: D(IKE)");
	expect_carrying(pair, "a->b 0 CREATE_CHILD_SA reply: N(TEMPORARY_FAILURE)");
	assert_int_equal(pair->pair_b.side_done, 1);
	assert_string_equal(pair->pair_b.side_error, "");
	assert_settled(pair);
	pair_free(pair);
}

/* The same, and b hears of a's delete before the refusal. */
static void test_noticed_by_one_deleted(void **state)
{
	struct pair *pair = pair_up(CONF_A(QUIET), CONF_B(QUIET));

	side_command(&pair->pair_b, core_rekey_ike);
	expect_lost(pair, "b->a 0 CREATE_CHILD_SA: " REKEY);
	side_command(&pair->pair_a, core_rekey_ike);
	expect_carrying(pair, "a->b 2 CREATE_CHILD_SA: " REKEY);
	expect_carrying(pair, "b->a 2 CREATE_CHILD_SA reply: " REKEY);
	expect_carrying(pair, "a->b 3 INFORMATIONAL: D(IKE)");
	expect_carrying(pair, "b->a 3 INFORMATIONAL reply:");
	expect_silence(pair);
	assert_int_equal(pair->pair_b.side_done, 1);
	assert_string_equal(pair->pair_b.side_error, "");
	assert_settled(pair);
	pair_free(pair);
}

/* What the peer wants on a new SA that may not stay waits until it does. */
static void test_undecided(void **state)
{
	struct pair *pair = pair_up(CONF_A(QUIET), CONF_B(QUIET));
	struct ike_sa *rival;

	side_command(&pair->pair_a, core_rekey_ike);
	side_command(&pair->pair_b, core_rekey_ike);
	expect_carrying(pair, "a->b 2 CREATE_CHILD_SA: " REKEY);
	expect_carrying(pair, "b->a 0 CREATE_CHILD_SA: " REKEY);
	rival = side_sa(&pair->pair_b)->sa_next_conn->sa_ours->ex_rival_sa;
	expect_lost(pair, "b->a 2 CREATE_CHILD_SA reply: " REKEY);
	expect_lost(pair, "a->b 0 CREATE_CHILD_SA reply: " REKEY);
	ike_sa_check(rival);
	expect_lost(pair, "b->a 0 INFORMATIONAL:");
	child_rekey(side_child(&pair->pair_a));
	assert_settled(pair);
	pair_free(pair);
}

/* Our request is never answered, although the peer's new SA is there. */
static void test_rival_after_timeout(void **state)
{
	struct pair *pair = pair_up(CONF_A(QUIET), CONF_B(QUIET));
	struct pair_datagram *dg;
	unsigned int i;

	side_command(&pair->pair_a, core_rekey_ike);
	expect_lost(pair, "a->b 2 CREATE_CHILD_SA: " REKEY);
	side_command(&pair->pair_b, core_rekey_ike);
	expect_carrying(pair, "b->a 0 CREATE_CHILD_SA: " REKEY);
	expect_lost(pair, "a->b 0 CREATE_CHILD_SA reply: " REKEY);
	/* b hears nothing for as long as it takes a to give up. */
	for (i = 0; i < 70; i++) {
		pair_advance(pair, 1000);
		while ((dg = pair_take(pair)))
			datagram_free(dg);
	}
	assert_int_equal(side_count(&pair->pair_a, IKE_ESTABLISHED), 1);
	assert_non_null(conn_child(side_conn(&pair->pair_a)));
	pair_free(pair);
}

/* ---- what crosses a rekey: section 2.25.2 ---- */

/* b rekeys the child while a rekeys the IKE SA: both refuse for now. */
static void test_against_child_rekey(void **state)
{
	struct pair *pair = pair_up(CONF_A(QUIET), CONF_B(QUIET));

	side_command(&pair->pair_a, core_rekey_ike);
	side_command(&pair->pair_b, core_rekey);
	expect_carrying(pair, "a->b 2 CREATE_CHILD_SA: " REKEY);
	expect_carrying(pair, "b->a 0 CREATE_CHILD_SA: N(REKEY_SA) NONCE SA TSi TSr");
	expect_carrying(pair, "b->a 2 CREATE_CHILD_SA reply: N(TEMPORARY_FAILURE)");
	expect_carrying(pair, "a->b 0 CREATE_CHILD_SA reply: N(TEMPORARY_FAILURE)");
	expect_silence(pair);
	assert_non_null(strstr(pair->pair_a.side_error, "TEMPORARY_FAILURE"));
	pair_advance(pair, 4000);
	expect_silence(pair);
	/* Both try again by themselves, at times of their own. */
	pair_run_for(pair, 120000);
	assert_said(&pair->pair_a, "replaces IKE SA");
	assert_said(&pair->pair_b, "rekeying -> rekeyed");
	assert_settled(pair);
	pair_free(pair);
}

/* b makes another child while a rekeys the IKE SA. */
static void test_against_child_new(void **state)
{
	struct pair *pair = pair_up(CONF_A(QUIET), CONF_B(QUIET));
	struct ike_sa *sa = side_sa(&pair->pair_b);

	side_command(&pair->pair_a, core_rekey_ike);
	exchange_queue(sa, EX_CHILD_NEW);
	ike_sa_next(sa);
	expect_carrying(pair, "a->b 2 CREATE_CHILD_SA: " REKEY);
	expect_carrying(pair, "b->a 0 CREATE_CHILD_SA: NONCE SA TSi TSr");
	expect_carrying(pair, "b->a 2 CREATE_CHILD_SA reply: N(TEMPORARY_FAILURE)");
	expect_carrying(pair, "a->b 0 CREATE_CHILD_SA reply: N(TEMPORARY_FAILURE)");
	pair_run_for(pair, 120000);
	assert_settled(pair);
	pair_free(pair);
}

/* b deletes the child while a rekeys the IKE SA: that is answered as usual. */
static void test_against_child_delete(void **state)
{
	struct pair *pair = pair_up(CONF_A(QUIET), CONF_B(QUIET));

	side_command(&pair->pair_a, core_rekey_ike);
	child_expire(side_child(&pair->pair_b), true);
	expect_deliver(pair, "a->b 2 CREATE_CHILD_SA: " REKEY);
	expect_deliver(pair, "b->a 0 INFORMATIONAL: D(ESP)");
	expect_deliver(pair, "b->a 2 CREATE_CHILD_SA reply: N(TEMPORARY_FAILURE)");
	expect_deliver(pair, "a->b 0 INFORMATIONAL reply: D(ESP)");
	/* a was told to be up, and makes a new child. */
	pair_run_for(pair, 120000);
	assert_said(&pair->pair_a, "replaces IKE SA");
	assert_settled(pair);
	pair_free(pair);
}

/* b deletes the IKE SA that a rekeys: a forgets it. */
static void test_against_delete(void **state)
{
	struct pair *pair = pair_up(CONF_A(QUIET), CONF_B(QUIET));

	side_command(&pair->pair_a, core_rekey_ike);
	side_command(&pair->pair_b, core_down);
	expect_deliver(pair, "a->b 2 CREATE_CHILD_SA: " REKEY);
	expect_deliver(pair, "b->a 0 INFORMATIONAL: D(IKE)");
	expect_lost(pair, "b->a 2 CREATE_CHILD_SA reply: N(TEMPORARY_FAILURE)");
	expect_deliver(pair, "a->b 0 INFORMATIONAL reply:");
	assert_int_equal(pair->pair_a.side_n_sas + pair->pair_b.side_n_sas, 0);
	assert_int_equal(side_count(&pair->pair_a, IKE_CONNECTING), 0);
	assert_int_equal(side_count(&pair->pair_a, IKE_ESTABLISHED), 0);
	assert_int_equal(pair->pair_a.side_done, 1);
	assert_string_equal(pair->pair_a.side_error, "it was deleted meanwhile");
	assert_int_equal(pair->pair_b.side_done, 1);
	pair_free(pair);
}

/* Taken down in the middle of it, after each message and each answer. */
static void test_down_while_rekeying(void **state)
{
	unsigned int steps, i, both;

	for (both = 0; both < 2; both++) {
		for (steps = 0; steps < 9; steps++) {
			struct pair *pair = pair_up(CONF_A(QUIET),
						    CONF_B(QUIET));
			struct pair_datagram *dg;

			side_command(&pair->pair_a, core_rekey_ike);
			if (both)
				side_command(&pair->pair_b, core_rekey_ike);
			for (i = 0; i < steps && (dg = pair_take(pair)); i++) {
				pair_deliver(pair, dg);
				datagram_free(dg);
			}
			side_command(&pair->pair_a, core_down);
			pair_run_for(pair, 20000);
			/* The other one was answered too, at once or now. */
			assert_in_range(pair->pair_a.side_done, 1, 2);
			assert_int_equal(pair->pair_a.side_n_sas, 0);
			assert_int_equal(pair->pair_b.side_n_sas, 0);
			assert_null(side_conn(&pair->pair_a)->cn_sas);
			assert_null(side_conn(&pair->pair_b)->cn_sas);
			pair_free(pair);
		}
	}
}

/* The delete of a child that was queued goes on through the new SA. */
static void test_queue_moves(void **state)
{
	struct pair *pair = pair_up(CONF_A(QUIET), CONF_B(QUIET));

	side_command(&pair->pair_a, core_rekey_ike);
	side_command(&pair->pair_a, core_rekey);
	expect_carrying(pair, "a->b 2 CREATE_CHILD_SA: " REKEY);
	expect_carrying(pair, "b->a 2 CREATE_CHILD_SA reply: " REKEY);
	expect_carrying(pair, "a->b 3 INFORMATIONAL: D(IKE)");
	expect_carrying(pair, "a->b 0 CREATE_CHILD_SA: N(REKEY_SA) NONCE SA TSi TSr");
	assert_settled(pair);
	pair_free(pair);
}

/* ---- refusals ---- */

/* No common ground any more: a fresh IKE SA, with IKE_AUTH and all, is tried. */
static void test_refused(void **state)
{
	struct pair *pair = pair_up(CONF_A(QUIET " ike = aes256gcm-sha256-x25519"),
				    CONF_B(QUIET));

	set_ike(&pair->pair_b, CONF_B(QUIET " ike = aes128-sha256-modp2048"));
	side_command(&pair->pair_a, core_rekey_ike);
	expect_carrying(pair, "a->b 2 CREATE_CHILD_SA: " REKEY);
	expect_carrying(pair, "b->a 2 CREATE_CHILD_SA reply: N(NO_PROPOSAL_CHOSEN)");
	assert_non_null(strstr(pair->pair_a.side_error, "NO_PROPOSAL_CHOSEN"));
	expect_carrying(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_carrying(pair, "b->a 0 IKE_SA_INIT reply: N(NO_PROPOSAL_CHOSEN)");
	assert_one_pair(pair);
	/* And when that is mended, the tunnel is the new SA's without a gap. */
	set_ike(&pair->pair_b, CONF_B(QUIET));
	while (side_count(&pair->pair_a, IKE_ESTABLISHED) < 2 &&
	       pair->pair_now < 10000000) {
		struct pair_datagram *dg = pair_take(pair);

		if (dg) {
			pair_deliver(pair, dg);
			datagram_free(dg);
		} else {
			pair_advance(pair, 1000);
		}
		assert_true(pair_carries(pair));
	}
	pair_run_for(pair, 20000);
	assert_settled(pair);
	pair_free(pair);
}

/* As a peer that cannot rekey IKE SAs answers. */
static void test_no_additional_sas(void **state)
{
	struct pair *pair = pair_up(CONF_A(QUIET), CONF_B(QUIET));
	u32 number = side_sa(&pair->pair_a)->sa_number;
	struct ike_sa *sa = side_sa(&pair->pair_b);
	struct msg_header hdr;
	struct emit em;

	side_command(&pair->pair_a, core_rekey_ike);
	expect_lost(pair, "a->b 2 CREATE_CHILD_SA: " REKEY);
	ike_sa_header(sa, &hdr);
	hdr.hdr_exchange = CREATE_CHILD_SA;
	hdr.hdr_flags |= MSG_RESPONSE;
	hdr.hdr_id = sa->sa_window.win_expected++;
	emit_begin(&em, &hdr);
	emit_sk(&em, &sa->sa_suite);
	emit_notify(&em, N_NO_ADDITIONAL_SAS, NULL, 0);
	assert_true(ike_sa_seal(sa, &em));
	op_send(&pair->pair_b, &sa->sa_path, em.em_data, em.em_len);
	expect_carrying(pair, "b->a 2 CREATE_CHILD_SA reply: N(NO_ADDITIONAL_SAS)");
	expect_carrying(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	pair_run_for(pair, 20000);
	assert_int_not_equal(side_sa(&pair->pair_a)->sa_number, number);
	assert_settled(pair);
	pair_free(pair);
}

/* Refused again and again for the moment: asked later each time, then afresh. */
static void test_temporary(void **state)
{
	struct pair *pair = pair_up(CONF_A(QUIET), CONF_B(QUIET));
	struct ike_sa *sa = side_sa(&pair->pair_b);
	u64 last = 0, gap = 0;
	int i;

	for (i = 0; i < 4; i++) {
		struct pair_datagram *dg;

		if (!i)
			side_command(&pair->pair_a, core_rekey_ike);
		while (!(dg = pair_take(pair)))
			pair_advance(pair, 100);
		assert_non_null(strstr(dg->dg_text, "CREATE_CHILD_SA: " REKEY));
		assert_true(pair->pair_now - last > gap);
		gap = i ? pair->pair_now - last + gap / 8 : 4999;
		last = pair->pair_now;
		/* As if b had been about to delete it. */
		sa->sa_state = IKE_DELETING;
		pair_deliver(pair, dg);
		datagram_free(dg);
		sa->sa_state = IKE_ESTABLISHED;
		dg = pair_take(pair);
		assert_non_null(strstr(dg->dg_text, "N(TEMPORARY_FAILURE)"));
		pair_deliver(pair, dg);
		datagram_free(dg);
		gap = i ? 0 : gap;
		assert_true(pair_carries(pair));
	}
	assert_said(&pair->pair_a, "it cannot be rekeyed");
	pair_run_for(pair, 20000);
	assert_settled(pair);
	pair_free(pair);
}

/* A peer that rekeys and never deletes cannot make us hold ever more. */
static void test_bounded(void **state)
{
	struct pair *pair = pair_up(CONF_A(QUIET), CONF_B(QUIET));
	struct pair_datagram *dg;
	unsigned int i, refused = 0;

	for (i = 0; i < 3 * IKE_SAME_MAX; i++) {
		side_command(&pair->pair_a, core_rekey_ike);
		while ((dg = pair_take(pair))) {
			refused += !!strstr(dg->dg_text, "TEMPORARY_FAILURE");
			if (!strstr(dg->dg_text, "D(IKE)"))
				pair_deliver(pair, dg);
			datagram_free(dg);
		}
		assert_true(pair_carries(pair));
		assert_true(ike_sa_count_same(side_sa(&pair->pair_b)) <=
			    2 * IKE_SAME_MAX);
	}
	assert_true(refused);
	pair_run_for(pair, 300000);
	assert_settled(pair);
	pair_free(pair);
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_rekey),
		cmocka_unit_test(test_rekey_from_responder),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_invalid_ke),
		cmocka_unit_test(test_other_prf),
		cmocka_unit_test(test_each_lost),
		cmocka_unit_test(test_delete_overdue),
		cmocka_unit_test(test_lifetime),
		cmocka_unit_test(test_simultaneous),
		cmocka_unit_test(test_lowest_nonce),
		cmocka_unit_test(test_noticed_by_one),
		cmocka_unit_test(test_noticed_by_one_deleted),
		cmocka_unit_test(test_undecided),
		cmocka_unit_test(test_rival_after_timeout),
		cmocka_unit_test(test_against_child_rekey),
		cmocka_unit_test(test_against_child_new),
		cmocka_unit_test(test_against_child_delete),
		cmocka_unit_test(test_against_delete),
		cmocka_unit_test(test_down_while_rekeying),
		cmocka_unit_test(test_queue_moves),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_additional_sas),
		cmocka_unit_test(test_temporary),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
