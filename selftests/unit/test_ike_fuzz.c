// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * 100,000 mutated IKE datagrams against a core: as strangers send them, and,
 * with the keys known, mutated inside the Encrypted payload. Always the same
 * ones. Nothing may crash, leak, grow, or change state without a key.
 */
#include "ike_pair.h"

#include "natt.h"
#include "offer.h"

#define OUTSIDE		40000
#define INSIDE		60000
#define SAMPLES_MAX	32

#define FOREVER	" rekey = off\n liveness = off\n ike-lifetime = off\n"

static u64 seed = 88172645463325252ull;

static u32 rnd(u32 limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)(seed >> 20) % limit;
}

static const u8 magic[] = { 0, 1, 2, 3, 4, 7, 8, 0x0f, 0x10, 0x7f, 0x80, 0xff };

static size_t cut(u8 *buf, size_t len)
{
	size_t at = rnd((u32)len), n = 1 + rnd((u32)(len - at));

	memmove(buf + at, buf + at + n, len - at - n);
	return len - n;
}

static size_t repeat(u8 *buf, size_t len, size_t room)
{
	size_t at = rnd((u32)len), n = 1 + rnd((u32)(len - at));

	if (len + n > room)
		return len;
	memmove(buf + at + n, buf + at, len - at);
	return len + n;
}

/* One to four small changes. */
static size_t mutate(u8 *buf, size_t len, size_t room)
{
	u32 times = 1 + rnd(4);

	while (times-- && len) {
		switch (rnd(8)) {
		case 0:
		case 1:
			buf[rnd((u32)len)] ^= (u8)(1 << rnd(8));
			break;
		case 2:
		case 3:
			buf[rnd((u32)len)] = magic[rnd(sizeof(magic))];
			break;
		case 4:
			buf[rnd((u32)len)] = (u8)rnd(256);
			break;
		case 5:
			len = cut(buf, len);
			break;
		case 6:
			len = repeat(buf, len, room);
			break;
		case 7:
			len = rnd((u32)len + 1);
			break;
		}
	}
	return len;
}

struct sample {
	struct pair_side *smp_to;
	struct core_path smp_path;
	size_t smp_len;
	u8 smp_data[2048];
};

static struct sample samples[SAMPLES_MAX];
static unsigned int n_samples;

/* Runs what is on the wire, and keeps a copy of it. */
static void record(struct pair *pair)
{
	struct pair_datagram *dg;

	while ((dg = pair_take(pair))) {
		struct sample *smp = &samples[n_samples];

		if (n_samples < SAMPLES_MAX &&
		    dg->dg_len <= sizeof(smp->smp_data)) {
			smp->smp_to = dg->dg_from->side_peer;
			smp->smp_path = pair_arrival(pair, dg);
			smp->smp_len = dg->dg_len;
			memcpy(smp->smp_data, dg->dg_data, dg->dg_len);
			n_samples++;
		}
		pair_deliver(pair, dg);
		datagram_free(dg);
	}
}

/* All that nobody without the keys may change. */
struct snapshot {
	u32 snap_next, snap_expected, snap_n_sas;
	enum ike_state snap_state;
	enum child_state snap_child;
	struct pair_sa snap_kernel[PAIR_SAS_MAX];
	struct core_path snap_path;
};

static void take_snapshot(struct pair_side *side, struct snapshot *snap)
{
	struct ike_sa *sa = side_sa(side);

	memset(snap, 0, sizeof(*snap));
	snap->snap_next = sa->sa_window.win_next;
	snap->snap_expected = sa->sa_window.win_expected;
	snap->snap_state = sa->sa_state;
	snap->snap_child = side_child(side)->child_state;
	snap->snap_n_sas = side->side_n_sas;
	memcpy(snap->snap_kernel, side->side_sas, sizeof(side->side_sas));
	memcpy(&snap->snap_path, &sa->sa_path, sizeof(sa->sa_path));
}

/* What strangers see of a message in three fragments, of which one is lost. */
static void record_fragments(struct pair *pair)
{
	struct ike_sa *sa = side_sa(&pair->pair_a);
	struct msg_header hdr;
	struct emit em;
	u16 i;

	ike_sa_header(sa, &hdr);
	hdr.hdr_exchange = INFORMATIONAL;
	hdr.hdr_id = sa->sa_window.win_next;
	for (i = 1; i < 3; i++) {
		emit_begin(&em, &hdr);
		emit_skf(&em, &sa->sa_suite, PAYLOAD_NONE, i, 3);
		emit_bytes(&em, "some text", 9);
		assert_true(ike_sa_seal(sa, &em));
		op_send(&pair->pair_a, &sa->sa_path, em.em_data, em.em_len);
	}
	record(pair);
	fragment_forget(side_sa(&pair->pair_b), 0);
}

static void test_outside(void **state)
{
	struct pair *pair = pair_new(CONF_A(FOREVER), CONF_B(FOREVER));
	struct snapshot a, b, now;
	u8 buf[4096];
	unsigned int i;

	n_samples = 0;
	side_command(&pair->pair_a, core_up);
	record(pair);
	side_command(&pair->pair_b, core_rekey);
	record(pair);
	side_command(&pair->pair_a, core_rekey_ike);
	record(pair);
	record_fragments(pair);
	pair_run_for(pair, IKE_LINGER_MS + CHILD_LINGER_MS);
	assert_one_pair(pair);
	take_snapshot(&pair->pair_a, &a);
	take_snapshot(&pair->pair_b, &b);
	pair->pair_deaf = true;
	for (i = 0; i < OUTSIDE; i++) {
		const struct sample *smp = &samples[rnd(n_samples)];
		size_t len = smp->smp_len;

		memcpy(buf, smp->smp_data, len);
		len = mutate(buf, len, sizeof(buf));
		/* Mostly with a true length, to get further. */
		if (len >= MSG_HEADER_LEN && rnd(8))
			put_be32(buf + 24, (u32)len);
		core_receive(smp->smp_to->side_core, &smp->smp_path, buf, len);
		pair_settle(pair);
		if (i % 100 == 0)
			pair_advance(pair, 100);
		assert_true(pair->pair_a.side_core->core_half_open <=
			    CORE_HALF_OPEN_MAX);
	}
	take_snapshot(&pair->pair_a, &now);
	assert_memory_equal(&now, &a, sizeof(a));
	take_snapshot(&pair->pair_b, &now);
	assert_memory_equal(&now, &b, sizeof(b));
	pair_advance(pair, IKE_HALF_OPEN_MS + 1);
	assert_one_pair(pair);
	assert_int_equal(pair->pair_a.side_core->core_half_open, 0);
	assert_int_equal(pair->pair_b.side_core->core_half_open, 0);
	assert_int_equal(side_count(&pair->pair_a, IKE_KEYED), 0);
	assert_int_equal(side_count(&pair->pair_b, IKE_KEYED), 0);
	pair_free(pair);
}

/* ---- inside: a peer that holds the keys ---- */

static const struct ike_suite fast = {
	ENCR_AES_GCM_16, 128, PRF_HMAC_SHA2_256, INTEG_NONE, KE_X25519, 0, { 0 },
};

/* An IKE SA of b out of thin air, in the state that is wanted. */
static struct ike_sa *conjure(struct pair *pair, bool initiator,
			      enum ike_state state)
{
	static const u8 init[100];
	struct core_path path = {
		.cp_local = { pair->pair_b.side_addr, 500 },
		.cp_remote = { pair->pair_a.side_addr, 500 },
	};
	struct conn *conn = side_conn(&pair->pair_b);
	struct msg_blob any = { init, 32 };
	struct ike_sa *sa;

	sa = ike_sa_new(pair->pair_b.side_core, conn, &path, initiator);
	assert_non_null(sa);
	memcpy(initiator ? sa->sa_spi_r : sa->sa_spi_i, "peer spi", 8);
	sa->sa_suite = fast;
	assert_true(crypto_ike_keys(&sa->sa_keys, &fast, &any, &any, &any,
				    sa->sa_spi_i, sa->sa_spi_r));
	sa->sa_proposal = (struct proposal){ .prop_protocol = PROTO_IKE };
	proposal_add(&sa->sa_proposal, TRANSFORM_ENCR, fast.suite_encr,
		     fast.suite_encr_bits);
	proposal_add(&sa->sa_proposal, TRANSFORM_PRF, fast.suite_prf, 0);
	proposal_add(&sa->sa_proposal, TRANSFORM_KE, fast.suite_ke, 0);
	nonce_make(&sa->sa_ni);
	nonce_make(&sa->sa_nr);
	ike_sa_keep_init(&sa->sa_init_i, &sa->sa_init_i_len, init, sizeof(init));
	ike_sa_keep_init(&sa->sa_init_r, &sa->sa_init_r_len, init, sizeof(init));
	conf_id_from_addr(&sa->sa_id_local, &pair->pair_b.side_addr);
	conf_id_from_addr(&sa->sa_id_remote, &pair->pair_a.side_addr);
	sa->sa_state = state;
	if (initiator || state == IKE_ESTABLISHED)
		ike_sa_assign(sa, conn);
	sa->sa_window.win_expected = initiator ? 0 : 1;
	sa->sa_window.win_next = initiator ? 1 : 0;
	return sa;
}

static void add_child(struct ike_sa *sa, u32 spi)
{
	struct child *child = child_new(sa, false);

	child->child_spi_in = htonl(spi);
	child->child_spi_out = htonl(spi + 1);
	child->child_state = CHILD_INSTALLED;
	child->child_n_ts = 1;
	child->child_ts[0] = sa->sa_conn->cn_conf.conn_pairs[0];
	child->child_proposal = sa->sa_conn->cn_conf.conn_esp[0];
}

static void begin(struct ike_sa *sa, struct emit *em, u8 exchange, bool reply,
		  u32 id)
{
	struct msg_header hdr;

	ike_sa_header(sa, &hdr);
	hdr.hdr_flags = (sa->sa_initiator ? 0 : MSG_INITIATOR) |
		(reply ? MSG_RESPONSE : 0);
	hdr.hdr_exchange = exchange;
	hdr.hdr_id = id;
	emit_begin(em, &hdr);
	emit_sk(em, &sa->sa_suite);
}

/* @ours: it answers a request of ours, so that TSi is our side. */
static void add_offer(struct ike_sa *sa, struct emit *em, bool ours)
{
	const struct conf_conn *conf = &sa->sa_conn->cn_conf;
	struct proposal props[PROPOSALS_MAX];
	u32 spi = 0x12345678;
	struct ts list[4];
	size_t count;

	select_strip_ke(props, conf->conn_esp, conf->conn_nesp);
	props[0].prop_count = 0;
	proposal_add(&props[0], TRANSFORM_ENCR, ENCR_AES_GCM_16, 256);
	proposal_add(&props[0], TRANSFORM_ESN, ESN_YES, 0);
	emit_sa(em, props, 1, &spi, sizeof(spi));
	count = select_offer(list, 4, conf->conn_pairs, conf->conn_npairs,
			     ours);
	emit_ts(em, PAYLOAD_TS_I, list, count);
	count = select_offer(list, 4, conf->conn_pairs, conf->conn_npairs,
			     !ours);
	emit_ts(em, PAYLOAD_TS_R, list, count);
}

/* Whatever AUTH value would be right. */
static void add_auth(struct ike_sa *sa, struct emit *em)
{
	struct conf_id id;
	u8 auth[32] = { 1 };

	conf_id_from_addr(&id, &sa->sa_path.cp_remote.ep_addr);
	emit_id(em, sa->sa_initiator ? PAYLOAD_ID_R : PAYLOAD_ID_I, &id);
	emit_auth(em, AUTH_METHOD_PSK, auth, sizeof(auth));
	emit_notify(em, N_INITIAL_CONTACT, NULL, 0);
	add_offer(sa, em, sa->sa_initiator);
}

static struct ike_sa *auth_request_case(struct pair *pair, struct emit *em)
{
	struct ike_sa *sa = conjure(pair, false, IKE_KEYED);

	begin(sa, em, IKE_AUTH, false, 1);
	add_auth(sa, em);
	return sa;
}

/* The same in fragments: one that is the whole, or one of more to come. */
static struct ike_sa *fragment_case(struct pair *pair, struct emit *em)
{
	struct ike_sa *sa = conjure(pair, false, IKE_KEYED);
	/* The first time, unmutated, whole. */
	static bool again;
	u16 total = (u16)(!again || rnd(4) ? 1 : rnd(70));
	u8 inner[EMIT_MAX];
	size_t len;
	u8 next;

	again = true;
	sa->sa_fragments = true;
	begin(sa, em, IKE_AUTH, false, 1);
	add_auth(sa, em);
	next = em->em_data[em->em_sk];
	len = em->em_len - em->em_plain;
	memcpy(inner, em->em_data + em->em_plain, len);
	begin(sa, em, IKE_AUTH, false, 1);
	em->em_len = MSG_HEADER_LEN;
	em->em_next = 16;
	emit_skf(em, &sa->sa_suite, next, total == 1 ? 1 : (u16)rnd(70), total);
	emit_bytes(em, inner, len);
	return sa;
}

static struct ike_sa *auth_response_case(struct pair *pair, struct emit *em)
{
	struct ike_sa *sa = conjure(pair, true, IKE_KEYED);

	exchange_queue(sa, EX_AUTH);
	ike_sa_next(sa);
	pair_settle(pair);
	begin(sa, em, IKE_AUTH, true, 1);
	add_auth(sa, em);
	return sa;
}

static struct ike_sa *child_request_case(struct pair *pair, struct emit *em)
{
	struct ike_sa *sa = conjure(pair, false, IKE_ESTABLISHED);
	u8 nonce[32] = { 3 };

	add_child(sa, 0x1000);
	begin(sa, em, CREATE_CHILD_SA, false, 1);
	if (rnd(2))
		emit_notify_child(em, PROTO_ESP, N_REKEY_SA, htonl(0x1001));
	emit_nonce(em, nonce, sizeof(nonce));
	add_offer(sa, em, false);
	return sa;
}

static struct ike_sa *child_response_case(struct pair *pair, struct emit *em)
{
	struct ike_sa *sa = conjure(pair, false, IKE_ESTABLISHED);
	u8 nonce[32] = { 3 };

	add_child(sa, 0x1000);
	child_rekey(sa->sa_children);
	pair_settle(pair);
	begin(sa, em, CREATE_CHILD_SA, true, 0);
	emit_nonce(em, nonce, sizeof(nonce));
	add_offer(sa, em, true);
	return sa;
}

static void add_rekey(struct ike_sa *sa, struct emit *em)
{
	u8 nonce[32] = { 3 }, ke[32] = { 9 };
	struct proposal prop = { .prop_protocol = PROTO_IKE };

	proposal_add(&prop, TRANSFORM_ENCR, ENCR_AES_GCM_16, 256);
	proposal_add(&prop, TRANSFORM_PRF, PRF_HMAC_SHA2_256, 0);
	proposal_add(&prop, TRANSFORM_KE, KE_X25519, 0);
	emit_sa(em, &prop, 1, "new spi", MSG_SPI_LEN);
	emit_nonce(em, nonce, sizeof(nonce));
	emit_ke(em, KE_X25519, ke, sizeof(ke));
}

/* Alone, or against our own. */
static struct ike_sa *rekey_request_case(struct pair *pair, struct emit *em)
{
	struct ike_sa *sa = conjure(pair, false, IKE_ESTABLISHED);

	add_child(sa, 0x1000);
	if (!rnd(4))
		ike_sa_rekey(sa);
	begin(sa, em, CREATE_CHILD_SA, false, 1);
	add_rekey(sa, em);
	return sa;
}

static struct ike_sa *rekey_response_case(struct pair *pair, struct emit *em)
{
	struct ike_sa *sa = conjure(pair, false, IKE_ESTABLISHED);

	add_child(sa, 0x1000);
	ike_sa_rekey(sa);
	begin(sa, em, CREATE_CHILD_SA, true, 0);
	add_rekey(sa, em);
	return sa;
}

static struct ike_sa *info_case(struct pair *pair, struct emit *em)
{
	struct ike_sa *sa = conjure(pair, false, IKE_ESTABLISHED);
	u32 spis[2] = { htonl(0x1001), htonl(0x2001) };

	add_child(sa, 0x1000);
	add_child(sa, 0x2000);
	begin(sa, em, INFORMATIONAL, false, 1);
	emit_delete_children(em, PROTO_ESP, spis, 2);
	emit_notify(em, N_ADDITIONAL_TS_POSSIBLE, "abc", 3);
	if (!rnd(4))
		emit_delete_ike(em);
	return sa;
}

static struct ike_sa *move_case(struct pair *pair, struct emit *em)
{
	struct ike_sa *sa = conjure(pair, false, IKE_ESTABLISHED);
	struct core_path path = sa->sa_path;
	struct msg_header hdr;
	u8 cookie[64] = { 1 };

	sa->sa_mobike = true;
	add_child(sa, 0x1000);
	begin(sa, em, INFORMATIONAL, false, 1);
	ike_sa_header(sa, &hdr);
	emit_notify(em, N_UPDATE_SA_ADDRESSES, NULL, 0);
	natt_emit(em, &hdr, &path, rnd(2));
	emit_notify(em, N_COOKIE2, cookie, 8 + rnd(56));
	return sa;
}

static struct ike_sa *no_nats_case(struct pair *pair, struct emit *em)
{
	struct ike_sa *sa = conjure(pair, false, IKE_ESTABLISHED);
	u8 ends[36] = { 192, 0, 2 };

	add_child(sa, 0x1000);
	begin(sa, em, INFORMATIONAL, false, 1);
	emit_notify(em, N_NO_NATS_ALLOWED, ends, rnd(2) ? 12 : 36);
	emit_notify(em, N_COOKIE2, ends, 16);
	return sa;
}

static struct ike_sa *move_response_case(struct pair *pair, struct emit *em)
{
	struct ike_sa *sa = conjure(pair, true, IKE_ESTABLISHED);

	add_child(sa, 0x1000);
	exchange_queue(sa, EX_MOVE);
	ike_sa_next(sa);
	begin(sa, em, INFORMATIONAL, true, 1);
	emit_notify(em, N_COOKIE2, sa->sa_ours->ex_cookie,
		    sa->sa_ours->ex_cookie_len);
	return sa;
}

static struct ike_sa *delete_response_case(struct pair *pair, struct emit *em)
{
	struct ike_sa *sa = conjure(pair, true, IKE_ESTABLISHED);
	u32 spi = htonl(0x1001);

	add_child(sa, 0x1000);
	child_delete(sa->sa_children);
	begin(sa, em, INFORMATIONAL, true, 1);
	emit_delete_children(em, PROTO_ESP, &spi, 1);
	return sa;
}

static struct ike_sa *(*const cases[])(struct pair *pair, struct emit *em) = {
	auth_request_case, auth_response_case, child_request_case,
	child_response_case, info_case, delete_response_case,
	rekey_request_case, rekey_response_case, fragment_case, move_case,
	no_nats_case, move_response_case,
};

/* Changes what will be encrypted, or nothing. */
static void mutate_inside(struct emit *em)
{
	size_t plain = em->em_plain;

	em->em_len = plain + mutate(em->em_data + plain, em->em_len - plain,
				    2048);
	if (!rnd(8))
		em->em_data[MSG_HEADER_LEN] = (u8)(rnd(2) ? rnd(256) :
						   PAYLOAD_SA + rnd(16));
}

static void deliver(struct pair *pair, struct ike_sa *sa, struct emit *em)
{
	const struct ike_keys *keys = &sa->sa_keys;
	struct core_path path = sa->sa_path;

	assert_true(emit_seal(em, &sa->sa_suite,
			      sa->sa_initiator ? &keys->keys_er :
			      &keys->keys_ei, NULL, seed));
	core_receive(pair->pair_b.side_core, &path, em->em_data, em->em_len);
	pair_settle(pair);
}

/* Ends everything: the next case begins with nothing. */
static void wipe(struct pair *pair)
{
	struct core *core = pair->pair_b.side_core;
	unsigned int i;

	core_enter(core);
	for (i = 0; i < CORE_BUCKETS; i++)
		while (core->core_sas[i])
			ike_sa_close(core->core_sas[i]);
	core_leave(core);
	pair_settle(pair);
	assert_int_equal(core->core_half_open, 0);
	assert_null(side_conn(&pair->pair_b)->cn_sas);
	/* A refused rekey makes it want a fresh IKE SA. */
	timer_unset(&core->core_timers, &side_conn(&pair->pair_b)->cn_timer);
	assert_null(core->core_timers.timers_root);
	pair->pair_b.side_n_sas = 0;
}

static void test_inside(void **state)
{
	struct pair *pair = pair_new(CONF_A(""),
				     CONF_B(" esp = aes256gcm-aes128gcm"));
	unsigned int i, wrong = 0;
	struct emit em;

	pair->pair_deaf = true;
	for (i = 0; i < INSIDE; i++) {
		struct ike_sa *sa;

		core_enter(pair->pair_b.side_core);
		sa = cases[i % ARRAY_SIZE(cases)](pair, &em);
		if (i >= ARRAY_SIZE(cases))
			mutate_inside(&em);
		deliver(pair, sa, &em);
		/* Nobody gets in without the pre-shared key. */
		wrong += sa->sa_established != 0;
		core_leave(pair->pair_b.side_core);
		wipe(pair);
	}
	assert_int_equal(wrong, 0);
	pair_free(pair);
}

/* Unmutated, each case does what it is meant to do: else the rest is idle. */
static void test_cases(void **state)
{
	static const char *const said[] = {
		"AUTH is wrong", "AUTH is wrong", "new -> ",
		"rekeying -> rekeyed", "the peer deletes child SA",
		"deleting -> ", "replaces IKE SA", "replaces IKE SA",
		"AUTH is wrong", "the peer moved", "the peer allows no NAT",
		"installed -> rekeying",
	};
	struct pair *pair = pair_new(CONF_A(""),
				     CONF_B(" esp = aes256gcm-aes128gcm"));
	struct emit em;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ike_sa *sa;

		pair->pair_b.side_log[0] = '\0';
		pair->pair_b.side_log_len = 0;
		core_enter(pair->pair_b.side_core);
		sa = cases[i](pair, &em);
		pair_clear_wire(pair);
		deliver(pair, sa, &em);
		core_leave(pair->pair_b.side_core);
		assert_said(&pair->pair_b, said[i]);
		wipe(pair);
		pair_clear_wire(pair);
	}
	pair_free(pair);
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_outside),
		cmocka_unit_test(test_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
