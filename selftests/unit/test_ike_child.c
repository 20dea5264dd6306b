// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * CREATE_CHILD_SA and deletes: at every step the tunnel carries packets.
 */
#include "ike_pair.h"

/* Without a key exchange of its own. */
#define PLAIN	" esp = aes256gcm\n"

#define REKEY_REQUEST	"N(REKEY_SA) NONCE SA TSi TSr"
#define REKEY_REPLY	"NONCE SA TSi TSr"

static void expect_carrying(struct pair *pair, const char *text)
{
	expect_deliver(pair, text);
	assert_true(pair_carries(pair));
}

/* Late packets may come for some seconds; then only one pair is left. */
static void assert_settled(struct pair *pair)
{
	pair_run(pair);
	assert_true(pair_carries(pair));
	pair_run_for(pair, CHILD_LINGER_MS + 10);
	assert_one_pair(pair);
}

/*
 * a -> b  N(REKEY_SA) SA Ni TSi TSr	b receives on the new SA
 * a <- b  SA Nr TSi TSr		a receives and sends on the new SA
 * a -> b  D				b sends on the new SA
 * a <- b  D
 */
static void test_rekey(void **state)
{
	struct pair *pair = pair_up(CONF_A(PLAIN), CONF_B(PLAIN));
	u32 old = kernel_current(&pair->pair_b)->psa_spi;

	side_command(&pair->pair_a, core_rekey);
	expect_carrying(pair, "a->b 2 CREATE_CHILD_SA: " REKEY_REQUEST);
	assert_int_equal(pair->pair_b.side_n_sas, 3);
	assert_int_equal(kernel_current(&pair->pair_b)->psa_spi, old);
	expect_carrying(pair, "b->a 2 CREATE_CHILD_SA reply: " REKEY_REPLY);
	assert_int_equal(pair->pair_a.side_n_sas, 4);
	assert_int_equal(pair->pair_a.side_done, 1);
	expect_carrying(pair, "a->b 3 INFORMATIONAL: D(ESP)");
	assert_int_not_equal(kernel_current(&pair->pair_b)->psa_spi, old);
	/* What a sent before is still on its way. */
	assert_int_equal(pair->pair_b.side_n_sas, 3);
	expect_carrying(pair, "b->a 3 INFORMATIONAL reply: D(ESP)");
	expect_silence(pair);
	assert_string_equal(pair->pair_a.side_error, "");
	assert_settled(pair);
	pair_free(pair);
}

static void test_rekey_from_responder(void **state)
{
	struct pair *pair = pair_up(CONF_A(PLAIN), CONF_B(PLAIN));

	side_command(&pair->pair_b, core_rekey);
	expect_carrying(pair, "b->a 0 CREATE_CHILD_SA: " REKEY_REQUEST);
	expect_carrying(pair, "a->b 0 CREATE_CHILD_SA reply: " REKEY_REPLY);
	expect_carrying(pair, "b->a 1 INFORMATIONAL: D(ESP)");
	expect_carrying(pair, "a->b 1 INFORMATIONAL reply: D(ESP)");
	assert_settled(pair);
	pair_free(pair);
}

static void pfs(const char *a, const char *b, const char *first)
{
	struct pair *pair = pair_up(a, b);

	side_command(&pair->pair_a, core_rekey);
	expect_carrying(pair, "a->b 2 CREATE_CHILD_SA: N(REKEY_SA) NONCE KE SA TSi TSr");
	expect_carrying(pair, first);
	assert_settled(pair);
	assert_string_equal(pair->pair_a.side_error, "");
	pair_free(pair);
}

/* With a key exchange of its own: on this thread, elsewhere, and guessed wrong. */
static void test_rekey_pfs(void **state)
{
	pfs(CONF_A(" esp = aes256gcm-x25519"), CONF_B(" esp = aes256gcm-x25519"),
	    "b->a 2 CREATE_CHILD_SA reply: NONCE KE SA TSi TSr");
	pfs(CONF_A(" esp = aes256gcm-modp2048"),
	    CONF_B(" esp = aes256gcm-modp2048"),
	    "b->a 2 CREATE_CHILD_SA reply: NONCE KE SA TSi TSr");
	pfs(CONF_A(" esp = aes256gcm-x25519-ecp256"),
	    CONF_B(" esp = aes256gcm-ecp256-x25519"),
	    "b->a 2 CREATE_CHILD_SA reply: N(INVALID_KE_PAYLOAD)");
}

/* Key exchange is optional for one side and unknown to the other. */
static void test_rekey_pfs_optional(void **state)
{
	pfs(CONF_A(" esp = aes256gcm-x25519-none"), CONF_B(" esp = aes256gcm"),
	    "b->a 2 CREATE_CHILD_SA reply: NONCE SA TSi TSr");
}

/*
 * No common ground: the old child stays, and is tried again later and later,
 * until a new IKE SA with a new child takes the place of both.
 */
static void test_rekey_pfs_refused(void **state)
{
	struct pair *pair = pair_up(CONF_A(" esp = aes256gcm-x25519"),
				    CONF_B(PLAIN));

	side_command(&pair->pair_a, core_rekey);
	expect_carrying(pair, "a->b 2 CREATE_CHILD_SA: N(REKEY_SA) NONCE KE SA TSi TSr");
	expect_carrying(pair,
			"b->a 2 CREATE_CHILD_SA reply: N(NO_PROPOSAL_CHOSEN)");
	expect_silence(pair);
	assert_non_null(strstr(pair->pair_a.side_error, "NO_PROPOSAL_CHOSEN"));
	assert_said(&pair->pair_b, "they differ in KE");
	assert_one_pair(pair);
	pair_advance(pair, 20000);
	expect_carrying(pair, "a->b 3 CREATE_CHILD_SA: N(REKEY_SA) NONCE KE SA TSi TSr");
	pair_run_for(pair, 150000);
	assert_said(&pair->pair_a, "its child cannot be rekeyed");
	assert_one_pair(pair);
	assert_int_equal(side_sa(&pair->pair_a)->sa_window.win_next, 2);
	pair_free(pair);
}

/* Each of the four messages lost in turn, then all of them repeated. */
static void test_rekey_each_lost(void **state)
{
	unsigned int lost, i;

	for (lost = 0; lost < 4; lost++) {
		struct pair *pair = pair_up(CONF_A(PLAIN), CONF_B(PLAIN));
		struct pair_datagram *dg, *all[16];
		unsigned int count = 0;

		side_command(&pair->pair_a, core_rekey);
		for (i = 0; i < 5; i++) {
			while ((dg = pair_take(pair))) {
				if (count != lost)
					pair_deliver(pair, dg);
				assert_true(pair_carries(pair));
				all[count++] = dg;
			}
			pair_advance(pair, 600);
			assert_true(pair_carries(pair));
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

/*
 * Both ask at once. The replacement with the lowest of the four nonces goes,
 * deleted by the side that asked for it; the other side deletes the old one.
 */
static void simultaneous(const char *order)
{
	struct pair *pair = pair_up(CONF_A(PLAIN), CONF_B(PLAIN));
	struct pair_datagram *dg, *held[64];
	unsigned int n_held = 0, i;

	side_command(&pair->pair_a, core_rekey);
	side_command(&pair->pair_b, core_rekey);
	/* In whatever order the messages of the two come through. */
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
	assert_string_equal(pair->pair_a.side_error, "");
	assert_string_equal(pair->pair_b.side_error, "");
	pair_run_for(pair, 3 * CHILD_OVERDUE_MS);
	assert_settled(pair);
	assert_int_equal(pair->pair_a.side_done, 1);
	assert_int_equal(pair->pair_b.side_done, 1);
	pair_free(pair);
}

static void test_rekey_simultaneous(void **state)
{
	static const char *const orders[] = {
		"abababab", "abba", "baab", "aabb", "aaabbb", "bbbaaa",
		"abbbb", "baaaa", "aabbbbaa", "bbaaaabb", "ab", "ba",
	};
	unsigned int i, again;

	for (i = 0; i < ARRAY_SIZE(orders); i++)
		for (again = 0; again < 8; again++)
			simultaneous(orders[i]);
}

/* Which of the two it is that stays: the rule of section 2.8.1, literally. */
static void test_lowest_nonce(void **state)
{
	unsigned int again, won[2] = { 0, 0 };

	for (again = 0; again < 20; again++) {
		struct pair *pair = pair_up(CONF_A(PLAIN), CONF_B(PLAIN));
		struct exchange *a, *b;
		const u8 *lowest;
		u8 nonces[4][32];
		int i, low = 0;

		side_command(&pair->pair_a, core_rekey);
		side_command(&pair->pair_b, core_rekey);
		expect_carrying(pair, "a->b 2 CREATE_CHILD_SA: " REKEY_REQUEST);
		expect_carrying(pair, "b->a 0 CREATE_CHILD_SA: " REKEY_REQUEST);
		a = side_sa(&pair->pair_a)->sa_ours;
		b = side_sa(&pair->pair_b)->sa_ours;
		assert_non_null(a->ex_rival);
		assert_non_null(b->ex_rival);
		memcpy(nonces[0], a->ex_ni.nonce_data, 32);
		memcpy(nonces[1], b->ex_rival->child_nr.nonce_data, 32);
		memcpy(nonces[2], b->ex_ni.nonce_data, 32);
		memcpy(nonces[3], a->ex_rival->child_nr.nonce_data, 32);
		for (i = 1; i < 4; i++)
			if (memcmp(nonces[i], nonces[low], 32) < 0)
				low = i;
		/* If it is in a's exchange, b's child stays. */
		lowest = nonces[low < 2 ? 2 : 0];
		pair_run(pair);
		assert_settled(pair);
		assert_memory_equal(side_child(&pair->pair_a)->child_ni.nonce_data,
				    lowest, 32);
		won[low < 2]++;
		pair_free(pair);
	}
	assert_true(won[0] && won[1]);
}

/*
 * Our answer comes while the peer's replacement is being installed: both sides
 * still come to the same end.
 */
static void test_simultaneous_installing(void **state)
{
	unsigned int again, steps;

	for (again = 0; again < 40; again++) {
		struct pair *pair = pair_up(CONF_A(PLAIN), CONF_B(PLAIN));
		struct pair_datagram *request, *answer;
		struct core_path path;

		side_command(&pair->pair_a, core_rekey);
		side_command(&pair->pair_b, core_rekey);
		expect_carrying(pair, "a->b 2 CREATE_CHILD_SA: " REKEY_REQUEST);
		request = pair_expect(pair, "b->a 0 CREATE_CHILD_SA: " REKEY_REQUEST);
		answer = pair_expect(pair, "b->a 2 CREATE_CHILD_SA reply: " REKEY_REPLY);
		path = pair_arrival(pair, request);
		core_receive(pair->pair_a.side_core, &path, request->dg_data,
			     request->dg_len);
		for (steps = again % 2; steps; steps--)
			pair_event(pair);
		core_receive(pair->pair_a.side_core, &path, answer->dg_data,
			     answer->dg_len);
		datagram_free(request);
		datagram_free(answer);
		pair_settle(pair);
		assert_true(pair_carries(pair));
		pair_run(pair);
		assert_true(pair_carries(pair));
		assert_settled(pair);
		assert_int_equal(side_child(&pair->pair_a)->child_spi_in,
				 side_child(&pair->pair_b)->child_spi_out);
		assert_int_equal(pair->pair_a.side_done, 1);
		assert_int_equal(pair->pair_b.side_done, 1);
		pair_free(pair);
	}
}

/* The rekey of a child that the peer has deleted meanwhile. */
static void test_rekey_unknown(void **state)
{
	struct pair *pair = pair_up(CONF_A(PLAIN " start = start"),
				    CONF_B(PLAIN));
	struct child *child = side_child(&pair->pair_b);

	/* As if b had forgotten it. */
	child->child_spi_out ^= 1;
	side_command(&pair->pair_a, core_rekey);
	expect_deliver(pair, "a->b 2 CREATE_CHILD_SA: " REKEY_REQUEST);
	expect_deliver(pair,
		       "b->a 2 CREATE_CHILD_SA reply: N(CHILD_SA_NOT_FOUND)");
	assert_null(conn_child(side_conn(&pair->pair_a)));
	assert_int_equal(pair->pair_a.side_n_sas, 0);
	/* A new one takes its place. */
	pair_advance(pair, 1001);
	expect_deliver(pair, "a->b 3 CREATE_CHILD_SA: NONCE SA TSi TSr");
	expect_deliver(pair, "b->a 3 CREATE_CHILD_SA reply: NONCE SA TSi TSr");
	assert_true(pair_carries(pair));
	pair_free(pair);
}

/* The rekey of a child whose delete is under way: TEMPORARY_FAILURE. */
static void test_rekey_of_deleted(void **state)
{
	struct pair *pair = pair_up(CONF_A(PLAIN), CONF_B(PLAIN));

	child_expire(side_child(&pair->pair_b), true);
	side_command(&pair->pair_a, core_rekey);
	expect_lost(pair, "b->a 0 INFORMATIONAL: D(ESP)");
	expect_deliver(pair, "a->b 2 CREATE_CHILD_SA: " REKEY_REQUEST);
	expect_deliver(pair,
		       "b->a 2 CREATE_CHILD_SA reply: N(TEMPORARY_FAILURE)");
	assert_non_null(strstr(pair->pair_a.side_error, "TEMPORARY_FAILURE"));
	assert_int_equal(side_child(&pair->pair_a)->child_state,
			 CHILD_INSTALLED);
	pair_free(pair);
}

/*
 * a rekeys the child that b deletes. b is closing it: TEMPORARY_FAILURE; a
 * answers the delete as ever, and makes a new child (section 2.25.1).
 */
static void test_rekey_against_delete(void **state)
{
	struct pair *pair = pair_up(CONF_A(PLAIN), CONF_B(PLAIN));

	side_command(&pair->pair_a, core_rekey);
	child_expire(side_child(&pair->pair_b), true);
	expect_deliver(pair, "a->b 2 CREATE_CHILD_SA: " REKEY_REQUEST);
	expect_deliver(pair, "b->a 0 INFORMATIONAL: D(ESP)");
	expect_deliver(pair,
		       "b->a 2 CREATE_CHILD_SA reply: N(TEMPORARY_FAILURE)");
	expect_deliver(pair, "a->b 0 INFORMATIONAL reply: D(ESP)");
	expect_silence(pair);
	assert_int_equal(pair->pair_a.side_done, 1);
	assert_null(conn_child(side_conn(&pair->pair_a)));
	assert_null(conn_child(side_conn(&pair->pair_b)));
	pair_advance(pair, 1001);
	expect_deliver(pair, "a->b 3 CREATE_CHILD_SA: NONCE SA TSi TSr");
	expect_deliver(pair, "b->a 3 CREATE_CHILD_SA reply: NONCE SA TSi TSr");
	assert_settled(pair);
	pair_free(pair);
}

/* The same, with b's delete on its way before it hears of the rekey's answer. */
static void test_delete_against_rekey(void **state)
{
	struct pair *pair = pair_up(CONF_A(PLAIN), CONF_B(PLAIN));
	struct pair_datagram *answer;

	side_command(&pair->pair_a, core_rekey);
	expect_carrying(pair, "a->b 2 CREATE_CHILD_SA: " REKEY_REQUEST);
	answer = pair_expect(pair, "b->a 2 CREATE_CHILD_SA reply: " REKEY_REPLY);
	child_expire(side_sa(&pair->pair_b)->sa_children->child_replaces, true);
	expect_deliver(pair, "b->a 0 INFORMATIONAL: D(ESP)");
	pair_deliver(pair, answer);
	datagram_free(answer);
	expect_deliver(pair, "a->b 0 INFORMATIONAL reply: D(ESP)");
	assert_settled(pair);
	pair_free(pair);
}

/* Refused for the moment: asked again later, and each time later still. */
static void test_temporary(void **state)
{
	struct pair *pair = pair_up(CONF_A(PLAIN), CONF_B(PLAIN));
	struct child *child = side_child(&pair->pair_b);
	struct pair_datagram *dg;
	u64 last = 0;
	u32 i;

	side_command(&pair->pair_a, core_rekey);
	for (i = 0; i < 4; i++) {
		while (!(dg = pair_take(pair)))
			pair_advance(pair, 100);
		assert_non_null(strstr(dg->dg_text, REKEY_REQUEST));
		if (i)
			assert_in_range(pair->pair_now - last, 5000 << (i - 1),
					15100 << (i - 1));
		last = pair->pair_now;
		child->child_state = CHILD_DELETING;
		pair_deliver(pair, dg);
		datagram_free(dg);
		child->child_state = CHILD_INSTALLED;
		dg = pair_take(pair);
		assert_non_null(strstr(dg->dg_text, "N(TEMPORARY_FAILURE)"));
		pair_deliver(pair, dg);
		datagram_free(dg);
		assert_true(pair_carries(pair));
	}
	assert_said(&pair->pair_a, "its child cannot be rekeyed");
	pair_run_for(pair, 20000);
	assert_settled(pair);
	pair_free(pair);
}

/* Both delete the same child: neither names it in its answer. */
static void test_delete_simultaneous(void **state)
{
	struct pair *pair = pair_up(CONF_A(PLAIN), CONF_B(PLAIN));

	child_expire(side_child(&pair->pair_a), true);
	child_expire(side_child(&pair->pair_b), true);
	expect_deliver(pair, "a->b 2 INFORMATIONAL: D(ESP)");
	expect_deliver(pair, "b->a 0 INFORMATIONAL: D(ESP)");
	expect_deliver(pair, "b->a 2 INFORMATIONAL reply:");
	expect_deliver(pair, "a->b 0 INFORMATIONAL reply:");
	expect_silence(pair);
	assert_null(conn_child(side_conn(&pair->pair_a)));
	assert_null(conn_child(side_conn(&pair->pair_b)));
	/* a was told to be up: it makes a new one. */
	pair_run_for(pair, CHILD_LINGER_MS + 10);
	assert_one_pair(pair);
	pair_free(pair);
}

/* The keeper says that bytes are used up: soft rekeys, hard replaces. */
static void expire(struct pair_side *side, bool hard)
{
	struct ipc_msg msg;

	core_ask_init(&msg, IPC_EXPIRE, "net");
	msg.im_event.ie_spi_in = side_child(side)->child_spi_in;
	msg.im_event.ie_hard = hard;
	core_keeper(side->side_core, &msg);
	core_keeper(side->side_core, &msg);	/* once is enough */
}

static void test_expire_soft(void **state)
{
	struct pair *pair = pair_up(CONF_A(PLAIN), CONF_B(PLAIN));

	expire(&pair->pair_a, false);
	expect_carrying(pair, "a->b 2 CREATE_CHILD_SA: " REKEY_REQUEST);
	expect_carrying(pair, "b->a 2 CREATE_CHILD_SA reply: " REKEY_REPLY);
	assert_settled(pair);
	pair_free(pair);
}

static void test_expire_hard(void **state)
{
	struct pair *pair = pair_up(CONF_A(PLAIN " start = start"),
				    CONF_B(PLAIN));

	expire(&pair->pair_a, true);
	expect_deliver(pair, "a->b 2 INFORMATIONAL: D(ESP)");
	expect_deliver(pair, "b->a 2 INFORMATIONAL reply: D(ESP)");
	pair_run_for(pair, 20000);
	assert_one_pair(pair);
	pair_free(pair);
}

/* Time: the side that began the child asks first, and does not forget. */
static void test_lifetime(void **state)
{
	struct pair *pair = pair_up(CONF_A(PLAIN " rekey = 1h\n liveness = off"),
				    CONF_B(PLAIN " rekey = 1h\n liveness = off"));
	u64 sent;
	int i;

	for (i = 0; i < 3; i++) {
		sent = pair->pair_sent;
		pair_run_for(pair, 2900000);
		if (!i)
			assert_int_equal(pair->pair_sent, sent);
		pair_run_for(pair, 700000);
		assert_true(pair->pair_sent >= sent + 4);
		pair_run_for(pair, CHILD_LINGER_MS + 10);
		assert_one_pair(pair);
	}
	assert_said(&pair->pair_a, "installed -> rekeying");
	pair_free(pair);
}

/* The peer never deletes the old child: we send on the new one all the same. */
static void test_delete_overdue(void **state)
{
	struct pair *pair = pair_up(CONF_A(PLAIN), CONF_B(PLAIN));
	u32 old = kernel_current(&pair->pair_b)->psa_spi;

	side_command(&pair->pair_a, core_rekey);
	expect_carrying(pair, "a->b 2 CREATE_CHILD_SA: " REKEY_REQUEST);
	expect_carrying(pair, "b->a 2 CREATE_CHILD_SA reply: " REKEY_REPLY);
	expect_lost(pair, "a->b 3 INFORMATIONAL: D(ESP)");
	pair_advance(pair, CHILD_OVERDUE_MS + 10);
	pair_clear_wire(pair);
	assert_int_not_equal(kernel_current(&pair->pair_b)->psa_spi, old);
	assert_true(pair_carries(pair));
	pair_run_for(pair, 30000);
	assert_settled(pair);
	pair_free(pair);
}

/* A second child with the same selectors is taken, to a limit. */
static void test_too_many_children(void **state)
{
	struct pair *pair = pair_up(CONF_A(PLAIN), CONF_B(PLAIN));
	struct ike_sa *sa = side_sa(&pair->pair_a);
	int i;

	for (i = 1; i < IKE_CHILDREN_MAX; i++) {
		exchange_queue(sa, EX_CHILD_NEW);
		ike_sa_next(sa);
		pair_run(pair);
		assert_true(pair_carries(pair));
	}
	exchange_queue(sa, EX_CHILD_NEW);
	ike_sa_next(sa);
	expect_deliver(pair, "a->b 65 CREATE_CHILD_SA: NONCE SA TSi TSr");
	expect_deliver(pair,
		       "b->a 65 CREATE_CHILD_SA reply: N(NO_ADDITIONAL_SAS)");
	assert_true(pair_carries(pair));
	pair_free(pair);
}

/*
 * Two children for the same, as some peers make them: what is left when the
 * one that sends is deleted is made new, and sends.
 */
static void test_second_deleted(void **state)
{
	unsigned int by_b;

	for (by_b = 0; by_b < 2; by_b++) {
		struct pair *pair = pair_up(CONF_A(PLAIN), CONF_B(PLAIN));
		struct ike_sa *sa = side_sa(&pair->pair_a);

		exchange_queue(sa, EX_CHILD_NEW);
		ike_sa_next(sa);
		pair_run(pair);
		assert_int_equal(pair->pair_a.side_n_sas, 4);
		child_delete(side_child(by_b ? &pair->pair_b : &pair->pair_a));
		pair_run(pair);
		assert_settled(pair);
		pair_free(pair);
	}
}

/* One request at a time: a delete waits for the rekey that is under way. */
static void test_queue(void **state)
{
	struct pair *pair = pair_up(CONF_A(PLAIN), CONF_B(PLAIN));
	struct ike_sa *sa = side_sa(&pair->pair_a);

	side_command(&pair->pair_a, core_rekey);
	exchange_queue(sa, EX_LIVENESS);
	ike_sa_next(sa);
	expect_carrying(pair, "a->b 2 CREATE_CHILD_SA: " REKEY_REQUEST);
	expect_carrying(pair, "b->a 2 CREATE_CHILD_SA reply: " REKEY_REPLY);
	expect_carrying(pair, "a->b 3 INFORMATIONAL:");
	expect_carrying(pair, "b->a 3 INFORMATIONAL reply:");
	expect_carrying(pair, "a->b 4 INFORMATIONAL: D(ESP)");
	assert_settled(pair);
	pair_free(pair);
}

/* Message ids outside the window: silence. */
static void test_window(void **state)
{
	struct pair *pair = pair_up(CONF_A(PLAIN), CONF_B(PLAIN));
	struct ike_sa *sa = side_sa(&pair->pair_a);
	static const u32 ids[] = { 0, 3, 4, 77, UINT32_MAX };
	struct pair_datagram *dg;
	struct msg_header hdr;
	struct emit em;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		ike_sa_header(sa, &hdr);
		hdr.hdr_exchange = INFORMATIONAL;
		hdr.hdr_id = ids[i];
		emit_begin(&em, &hdr);
		emit_sk(&em, &sa->sa_suite);
		emit_delete_ike(&em);
		assert_true(ike_sa_seal(sa, &em));
		op_send(&pair->pair_a, &sa->sa_path, em.em_data, em.em_len);
		dg = pair_take(pair);
		pair_deliver(pair, dg);
		datagram_free(dg);
		expect_silence(pair);
		assert_one_pair(pair);
	}
	pair_free(pair);
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_rekey),
		cmocka_unit_test(test_rekey_from_responder),
		cmocka_unit_test(test_rekey_pfs),
		cmocka_unit_test(test_rekey_pfs_optional),
		cmocka_unit_test(test_rekey_pfs_refused),
		cmocka_unit_test(test_rekey_each_lost),
		cmocka_unit_test(test_rekey_simultaneous),
		cmocka_unit_test(test_lowest_nonce),
		cmocka_unit_test(test_simultaneous_installing),
		cmocka_unit_test(test_rekey_unknown),
		cmocka_unit_test(test_rekey_of_deleted),
		cmocka_unit_test(test_rekey_against_delete),
		cmocka_unit_test(test_delete_against_rekey),
		cmocka_unit_test(test_temporary),
		cmocka_unit_test(test_delete_simultaneous),
		cmocka_unit_test(test_expire_soft),
		cmocka_unit_test(test_expire_hard),
		cmocka_unit_test(test_lifetime),
		cmocka_unit_test(test_delete_overdue),
		cmocka_unit_test(test_too_many_children),
		cmocka_unit_test(test_second_deleted),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
