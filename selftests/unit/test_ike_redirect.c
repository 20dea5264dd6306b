// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Being sent to another gateway (RFC 5685): only where the configuration says
 * so, only by whoever has seen our message, and not for ever.
 */
#include "ike_pair.h"

#define QUIET	" rekey = off\n liveness = off\n"
#define SENT	CONF_A(QUIET " redirect = 192.0.2.3, 192.0.2.4\n")
#define ABLE	INIT_REQUEST " N(REDIRECT_SUPPORTED)"
#define MOVED	INIT_REQUEST " N(REDIRECTED_FROM)"

static const u8 third[] = { 1, 4, 192, 0, 2, 3 };

/* b's answer to an IKE_SA_INIT: go there. */
static void answer_redirect(struct pair *pair, const struct pair_datagram *dg,
			    const u8 *where, size_t len, bool knows_nonce)
{
	struct pair_side *b = &pair->pair_b;
	struct core_path path = pair_arrival(pair, dg);
	static struct message msg;
	struct msg_header hdr;
	struct emit em;
	u8 data[64];

	assert_null(msg_parse(&msg, dg->dg_data, dg->dg_len));
	memcpy(data, where, len);
	memcpy(data + len, msg.msg_nonce.blob_data, 32);
	data[len] ^= !knows_nonce;
	hdr = msg.msg_hdr;
	hdr.hdr_flags = MSG_RESPONSE;
	emit_begin(&em, &hdr);
	emit_notify(&em, N_REDIRECT, data, len + 32);
	assert_true(emit_finish(&em));
	path.cp_remote.ep_addr = pair->pair_a.side_addr;
	op_send(b, &path, em.em_data, em.em_len);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: N(REDIRECT)");
}

static void assert_sent_to(const struct pair_datagram *dg, const char *addr)
{
	struct ip_addr want = pair_addr(addr);

	assert_true(ip_addr_equal(&dg->dg_path.cp_remote.ep_addr, &want));
}

static void test_followed(void **state)
{
	struct pair *pair = pair_new(SENT, CONF_B(QUIET));
	struct pair_datagram *dg;

	side_command(&pair->pair_a, core_up);
	dg = pair_expect(pair, "a->b 0 IKE_SA_INIT: " ABLE);
	answer_redirect(pair, dg, third, sizeof(third), true);
	datagram_free(dg);
	dg = pair_expect(pair, "a->b 0 IKE_SA_INIT: " MOVED);
	assert_sent_to(dg, "192.0.2.3");
	assert_int_equal(pair->pair_a.side_done, 0);
	datagram_free(dg);
	/* Nobody there: back to where the configuration says. */
	pair->pair_deaf = true;
	pair_run_for(pair, 70000);
	pair->pair_deaf = false;
	assert_int_equal(pair->pair_a.side_done, 1);
	side_command(&pair->pair_a, core_up);
	dg = pair_expect(pair, "a->b 0 IKE_SA_INIT: " ABLE);
	assert_sent_to(dg, "192.0.2.2");
	pair_deliver(pair, dg);
	datagram_free(dg);
	pair_run(pair);
	assert_one_pair(pair);
	pair_free(pair);
}

/* What is not followed changes nothing: the true answer still comes. */
static void not_followed(const char *a, const u8 *where, size_t len,
			 bool knows_nonce, const char *request,
			 const char *why)
{
	struct pair *pair = pair_new(a, CONF_B(QUIET));
	struct pair_datagram *dg;

	side_command(&pair->pair_a, core_up);
	dg = pair_expect(pair, request);
	answer_redirect(pair, dg, where, len, knows_nonce);
	assert_said(&pair->pair_a, why);
	expect_silence(pair);
	pair_deliver(pair, dg);
	datagram_free(dg);
	pair_run(pair);
	assert_one_pair(pair);
	pair_free(pair);
}

static void test_not_followed(void **state)
{
	static const u8 foreign[] = { 1, 4, 192, 0, 2, 99 };
	static const u8 here[] = { 1, 4, 192, 0, 2, 2 };
	static const u8 six[2 + 16] = { 2, 16, 0x20, 1 };
	static const u8 name[] = { 3, 2, 'g', 'w' };
	static const u8 cut[] = { 1, 200, 192, 0, 2, 3 };
	const char *able = "a->b 0 IKE_SA_INIT: " ABLE;

	not_followed(SENT, third, sizeof(third), false, able, "our nonce");
	not_followed(SENT, foreign, sizeof(foreign), true, able,
		     "does not name that address");
	not_followed(SENT, here, sizeof(here), true, able, "does not name");
	not_followed(SENT, six, sizeof(six), true, able, "another family");
	not_followed(SENT, name, sizeof(name), true, able, "no address");
	not_followed(SENT, cut, sizeof(cut), true, able, "cut off");
	not_followed(CONF_A(QUIET), third, sizeof(third), true,
		     "a->b 0 IKE_SA_INIT: " INIT_REQUEST, "redirect is off");
}

static void test_round_and_round(void **state)
{
	static const u8 fourth[] = { 1, 4, 192, 0, 2, 4 };
	struct pair *pair = pair_new(SENT, CONF_B(QUIET));
	struct pair_datagram *dg;
	unsigned int i;

	side_command(&pair->pair_a, core_up);
	dg = pair_expect(pair, "a->b 0 IKE_SA_INIT: " ABLE);
	for (i = 0; i < 5; i++) {
		answer_redirect(pair, dg, i & 1 ? fourth : third,
				sizeof(third), true);
		datagram_free(dg);
		dg = pair_expect(pair, "a->b 0 IKE_SA_INIT: " MOVED);
		assert_sent_to(dg, i & 1 ? "192.0.2.4" : "192.0.2.3");
	}
	answer_redirect(pair, dg, fourth, sizeof(fourth), true);
	datagram_free(dg);
	assert_said(&pair->pair_a, "too often");
	expect_silence(pair);
	pair_free(pair);
}

/* In the middle of it all: a new IKE SA there, and this one until that is up. */
static void test_later(void **state)
{
	struct pair *pair = pair_up(SENT, CONF_B(QUIET));
	struct ike_sa *sa = side_sa(&pair->pair_b);
	struct pair_datagram *dg;
	struct msg_header hdr;
	struct emit em;

	ike_sa_header(sa, &hdr);
	hdr.hdr_exchange = INFORMATIONAL;
	hdr.hdr_id = sa->sa_window.win_next++;
	emit_begin(&em, &hdr);
	emit_sk(&em, &sa->sa_suite);
	emit_notify(&em, N_REDIRECT, third, sizeof(third));
	assert_true(ike_sa_seal(sa, &em));
	op_send(&pair->pair_b, &sa->sa_path, em.em_data, em.em_len);
	expect_deliver(pair, "b->a 0 INFORMATIONAL: N(REDIRECT)");
	expect_lost(pair, "a->b 0 INFORMATIONAL reply:");
	dg = pair_expect(pair, "a->b 0 IKE_SA_INIT: " MOVED);
	assert_sent_to(dg, "192.0.2.3");
	datagram_free(dg);
	assert_true(pair_carries(pair));
	pair_free(pair);
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_followed),
		cmocka_unit_test(test_not_followed),
		cmocka_unit_test(test_round_and_round),
		cmocka_unit_test(test_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
