// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An engine that dies, at every moment there is, and the one that goes on from
 * its records: the peer sees no more of it than a datagram lost.
 */
#include "ike_pair.h"

#include "hitless.h"
#include "record.h"

#define QUIET	" rekey = off\n liveness = off\n start = start"
#define PASSIVE	" rekey = off\n liveness = off"
#define PFS	QUIET "\n esp = aes256gcm-x25519\n"
#define MODP	QUIET "\n ike = aes128-sha256-modp2048\n esp = aes128-sha256-modp2048\n"
#define ECP	QUIET "\n ike = aes128gcm-sha256-ecp256\n esp = aes128gcm-ecp256\n"

/* Where in a step it dies. */
enum death {
	DEATH_AFTER,		/* all has been sent */
	DEATH_SENT,		/* one datagram has, and nothing came after */
	DEATH_UNSENT,		/* the record was written, no more */
	DEATH_UNWRITTEN,	/* the keeper had been asked, no more */
	DEATHS,
};

/* ---- no nonce twice ---- */

#define SEEN_MAX	4096

static struct {
	u32 count;
	u8 heads[SEEN_MAX][16 + 1 + 8];	/* SPIs, direction, IV */
	u8 hashes[SEEN_MAX][CRYPTO_HASH_LEN];
} seen;

static void watch_ivs(const u8 *buf, size_t len)
{
	u8 head[16 + 1 + 8], hash[CRYPTO_HASH_LEN];
	struct msg_header hdr;
	u32 i;

	assert_null(msg_parse_header(&hdr, buf, len));
	if (hdr.hdr_next != PAYLOAD_SK)
		return;
	memcpy(head, buf, 16);
	head[16] = hdr.hdr_flags & MSG_INITIATOR;
	memcpy(head + 17, buf + MSG_HEADER_LEN + 4, 8);
	crypto_hash(buf, len, hash);
	for (i = 0; i < seen.count; i++)
		if (!memcmp(seen.heads[i], head, sizeof(head)))
			assert_memory_equal(seen.hashes[i], hash, sizeof(hash));
	assert_true(seen.count < SEEN_MAX);
	memcpy(seen.heads[seen.count], head, sizeof(head));
	memcpy(seen.hashes[seen.count++], hash, sizeof(hash));
}

/* ---- one step at a time ---- */

static bool step(struct pair *pair)
{
	struct pair_datagram *dg = pair->pair_wire;
	struct core_path path;

	if (pair_event(pair))
		return true;
	if (!dg)
		return false;
	pair->pair_wire = dg->dg_next;
	if (getenv("VERBOSE"))
		printf("%8llu %s\n", pair->pair_now, dg->dg_text);
	path = pair_arrival(pair, dg);
	core_receive(dg->dg_from->side_peer->side_core, &path, dg->dg_data, dg->dg_len);
	datagram_free(dg);
	return true;
}

/* Whose turn is next. */
static struct pair_side *next_side(struct pair *pair)
{
	if (pair->pair_events)
		return pair->pair_events->ev_side;
	return pair->pair_wire ? pair->pair_wire->dg_from->side_peer : NULL;
}

struct scenario {
	const char *sc_name;
	const char *sc_a, *sc_b;
	bool sc_is_up;			/* first */
	void (*sc_begin)(struct pair *pair);
};

static void begin_up(struct pair *pair)
{
	side_command(&pair->pair_a, core_up);
}

static void begin_rekey(struct pair *pair)
{
	child_rekey(side_child(&pair->pair_a));
}

static void begin_rekey_ike(struct pair *pair)
{
	ike_sa_rekey(side_sa(&pair->pair_a));
}

static void begin_both(struct pair *pair)
{
	child_rekey(side_child(&pair->pair_a));
	child_rekey(side_child(&pair->pair_b));
}

static void begin_both_ike(struct pair *pair)
{
	ike_sa_rekey(side_sa(&pair->pair_a));
	ike_sa_rekey(side_sa(&pair->pair_b));
}

static void begin_queue(struct pair *pair)
{
	ike_sa_check(side_sa(&pair->pair_a));
	child_rekey(side_child(&pair->pair_a));
	ike_sa_rekey(side_sa(&pair->pair_a));
}

/* a deletes the child, which then comes again. */
static void begin_delete(struct pair *pair)
{
	child_delete(side_child(&pair->pair_a));
	conn_child_gone(side_conn(&pair->pair_a));
}

static const struct scenario scenarios[] = {
	{ "up", CONF_A(QUIET), CONF_B(PASSIVE), false, begin_up },
	{ "child rekey", CONF_A(QUIET), CONF_B(QUIET), true, begin_rekey },
	{ "child rekey, x25519", CONF_A(PFS), CONF_B(PFS), true, begin_rekey },
	{ "child rekey, ECP", CONF_A(ECP), CONF_B(ECP), true, begin_rekey },
	{ "both rekey the child", CONF_A(QUIET), CONF_B(QUIET), true, begin_both },
	{ "IKE rekey", CONF_A(QUIET), CONF_B(QUIET), true, begin_rekey_ike },
	{ "IKE rekey, MODP", CONF_A(MODP), CONF_B(MODP), true, begin_rekey_ike },
	{ "both rekey the IKE SA", CONF_A(QUIET), CONF_B(QUIET), true, begin_both_ike },
	{ "a queue", CONF_A(QUIET), CONF_B(QUIET), true, begin_queue },
	/* Only one makes it again: the other's would be a second. */
	{ "child delete", CONF_A(QUIET), CONF_B(PASSIVE), true, begin_delete },
};

static struct pair *begin(const struct scenario *sc)
{
	struct pair *pair;

	seen.count = 0;
	if (sc->sc_is_up) {
		pair = pair_new(sc->sc_a, sc->sc_b);
		pair_run_for(pair, 30000);
		assert_one_pair(pair);
	} else {
		pair = pair_new(CONF_A(PASSIVE), sc->sc_b);
	}
	pair->pair_watch = watch_ivs;
	pair->pair_hold = true;		/* side_command() shall not run events */
	sc->sc_begin(pair);
	leave_core(&pair->pair_a);
	leave_core(&pair->pair_b);
	pair->pair_hold = false;
	return pair;
}

static const char *const deaths[DEATHS] = { "after it", "sent", "unsent", "unwritten" };
static char where[128];

/* Which of all it was, should one have failed. */
static int tell_where(void **state)
{
	if (where[0])
		fprintf(stderr, "%s\n", where);
	return 0;
}

/* The crash comes with step number @when; false if there are not so many. */
static bool die(const struct scenario *sc, bool of_a, unsigned int when, enum death how)
{
	struct pair *pair = begin(sc);
	struct pair_side *side = of_a ? &pair->pair_a : &pair->pair_b;
	u32 asked_a = pair->pair_a.side_asked[IPC_PSK];
	bool more = true, its_turn;
	unsigned int i;

	snprintf(where, sizeof(where), "%s: %s dies in step %u, %s", sc->sc_name,
		 side->side_name, when, deaths[how]);
	for (i = 0; i < when && more; i++)
		more = step(pair);
	its_turn = next_side(pair) == side;
	if (more && (how == DEATH_AFTER || its_turn)) {
		side->side_unsent = how >= DEATH_UNSENT;
		side->side_unwritten = how >= DEATH_UNWRITTEN;
		side->side_last = how == DEATH_SENT;
		if (how != DEATH_AFTER)
			step(pair);
		side_crash(side, of_a ? sc->sc_a : sc->sc_b);
	}
	pair_run_for(pair, 70000);
	assert_one_pair(pair);
	if (sc->sc_is_up)
		assert_int_equal(pair->pair_a.side_asked[IPC_PSK], asked_a);
	pair_free(pair);
	return more;
}

static void test_every_moment(void **state)
{
	unsigned int i, when, how;
	int of_a;

	for (i = 0; i < ARRAY_SIZE(scenarios); i++)
		for (of_a = 0; of_a < 2; of_a++)
			for (how = 0; how < DEATHS; how++)
				for (when = 0; die(&scenarios[i], of_a, when, how); when++)
					;
	where[0] = '\0';
}

/* Quiet in between: the other side cannot tell that there was anything. */
static void test_unseen(void **state)
{
	struct pair *pair = pair_up(CONF_A(" rekey = off"), CONF_B(" rekey = off"));
	u32 number = side_sa(&pair->pair_a)->sa_number;
	u64 sent = pair->pair_sent;
	int i;

	for (i = 0; i < 5; i++) {
		side_crash(&pair->pair_a, CONF_A(" rekey = off"));
		side_crash(&pair->pair_b, CONF_B(" rekey = off"));
	}
	assert_int_equal(pair->pair_sent, sent);
	assert_one_pair(pair);
	assert_int_equal(side_sa(&pair->pair_a)->sa_number, number);
	pair->pair_a.side_idle = 1000000;
	pair_run_for(pair, 200000);	/* liveness goes on */
	assert_one_pair(pair);
	assert_true(pair->pair_sent > sent);
	assert_int_equal(side_sa(&pair->pair_a)->sa_number, number);
	pair_free(pair);
}

/* Lifetimes go on as well. */
static void test_lifetimes(void **state)
{
	struct pair *pair = pair_up(CONF_A(" rekey = 1h\n liveness = off"),
				    CONF_B(" rekey = off\n liveness = off"));
	struct child *old = side_child(&pair->pair_a);
	u64 when = old->child_timer.timer_when;
	u32 spi = old->child_spi_in;

	pair_advance(pair, 100000);
	side_crash(&pair->pair_a, CONF_A(" rekey = 1h\n liveness = off"));
	assert_int_equal(side_child(&pair->pair_a)->child_timer.timer_when, when);
	pair_run_for(pair, 3600 * 1000);
	assert_int_not_equal(side_child(&pair->pair_a)->child_spi_in, spi);
	assert_one_pair(pair);
	pair_free(pair);
}

/* What people said holds: down stays down, up without start stays up. */
static void test_down_stays_down(void **state)
{
	struct pair *pair = pair_up(CONF_A(""), CONF_B(""));

	side_command(&pair->pair_a, core_down);
	pair_run_for(pair, 20000);
	assert_int_equal(pair->pair_a.side_n_sas, 0);
	side_crash(&pair->pair_a, CONF_A(" start = start"));
	pair_run_for(pair, 60000);
	assert_int_equal(pair->pair_a.side_n_sas, 0);
	side_command(&pair->pair_a, core_up);
	pair_run(pair);
	assert_one_pair(pair);
	pair_free(pair);
}

static void test_up_stays_up(void **state)
{
	struct pair *pair = pair_new(CONF_A(""), CONF_B(""));

	pair->pair_b.side_fail[IPC_PSK] = 1;
	side_command(&pair->pair_a, core_up);
	expect_lost(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	side_crash(&pair->pair_a, CONF_A(""));
	pair->pair_b.side_fail[IPC_PSK] = 0;
	pair_run_for(pair, 5000);
	assert_one_pair(pair);
	pair_free(pair);
}

/* The answer to a request that a dead engine took is asked for again. */
static void test_reply_again(void **state)
{
	struct pair *pair = pair_up(CONF_A(" rekey = off\n liveness = off"),
				    CONF_B(" rekey = off\n liveness = off"));
	struct pair_datagram *dg;

	side_command(&pair->pair_a, core_rekey);
	expect_deliver(pair, "a->b 2 CREATE_CHILD_SA: N(REKEY_SA) NONCE KE SA TSi TSr");
	expect_lost(pair, "b->a 2 CREATE_CHILD_SA reply: NONCE KE SA TSi TSr");
	side_crash(&pair->pair_b, CONF_B(" rekey = off\n liveness = off"));
	pair_advance(pair, 600);
	dg = pair_expect(pair, "a->b 2 CREATE_CHILD_SA: N(REKEY_SA) NONCE KE SA TSi TSr");
	pair_deliver(pair, dg);
	datagram_free(dg);
	expect_deliver(pair, "b->a 2 CREATE_CHILD_SA reply: NONCE KE SA TSi TSr");
	pair_run_for(pair, 30000);
	assert_one_pair(pair);
	pair_free(pair);
}

/* The kernel has lost a child meanwhile: it is made new. */
static void test_lost_in_kernel(void **state)
{
	struct pair *pair = pair_up(CONF_A(" rekey = off"), CONF_B(" rekey = off"));

	pair->pair_a.side_n_sas = 0;
	pair->pair_a.side_current = 0;
	assert_false(pair_carries(pair));
	side_crash(&pair->pair_a, CONF_A(" rekey = off"));
	pair_run_for(pair, 20000);
	assert_said(&pair->pair_a, "no longer in the kernel");
	assert_one_pair(pair);
	pair_free(pair);
}

/* What the kernel has and no record knows is taken out. */
static void test_orphans(void **state)
{
	struct pair *pair = pair_up(CONF_A(" rekey = off"), CONF_B(" rekey = off"));
	struct pair_side *a = &pair->pair_a;
	struct pair_sa *sa = &a->side_sas[a->side_n_sas++];

	*sa = a->side_sas[0];
	sa->psa_spi = htonl(0xdead0001);
	side_crash(a, CONF_A(" rekey = off"));
	assert_one_pair(pair);
	pair_free(pair);
}

/* A record in another form: the child SA is adopted, as if there were none. */
static void spoil(struct vault *vault)
{
	struct vault_record *rec;

	for (rec = vault->va_first; rec; rec = rec->vr_next)
		rec->vr_data[rec->vr_len / 2] ^= 0xff;
}

static void test_other_form(void **state)
{
	struct pair *pair = pair_up(CONF_A(" rekey = off"), CONF_B(" rekey = off"));

	spoil(&pair->pair_a.side_vault);
	pair->pair_a.side_vault.va_first->vr_data[4] ^= 0xff;
	side_crash(&pair->pair_a, CONF_A(" rekey = off"));
	assert_true(pair_carries(pair));
	pair_run_for(pair, 80000);
	assert_one_pair(pair);
	pair_free(pair);
}

/* Any byte of a record changed: refused or borne, never worse. */
static void test_spoilt(void **state)
{
	struct pair *pair = pair_up(CONF_A(" rekey = off"), CONF_B(" rekey = off"));
	struct ike_sa *sa = side_sa(&pair->pair_a);
	struct record_link *links = NULL;
	struct conn *conn = sa->sa_conn;
	struct bytes bytes = { 0 };
	struct ike_sa *copy;
	size_t i;

	ike_sa_rekey(sa);
	pair_settle(pair);
	assert_non_null(sa->sa_ours->ex_ke);
	record_write(sa, &bytes);
	ike_sa_close(sa);
	pair_settle(pair);
	for (i = 0; i < bytes.bytes_len; i++) {
		u8 was = bytes.bytes_data[i];

		bytes.bytes_data[i] ^= 0x41;
		copy = record_read(conn, bytes.bytes_data, bytes.bytes_len, &links);
		record_link_all(conn->cn_core, links);
		links = NULL;
		if (copy)
			ike_sa_close(copy);
		pair_settle(pair);
		bytes.bytes_data[i] = was;
		copy = record_read(conn, bytes.bytes_data, i, &links);
		record_link_all(conn->cn_core, links);
		links = NULL;
		if (copy)
			ike_sa_close(copy);
		pair_settle(pair);
	}
	copy = record_read(conn, bytes.bytes_data, bytes.bytes_len, &links);
	assert_non_null(copy);
	assert_non_null(copy->sa_ours->ex_ke->ke_pair);
	record_link_all(conn->cn_core, links);
	bytes_free(&bytes);
	pair_free(pair);
}

/* Writing and reading lose nothing: the record of the copy is the same. */
static void test_same(void **state)
{
	struct pair *pair = pair_up(CONF_A(PFS), CONF_B(PFS));
	struct bytes first = { 0 }, second = { 0 };
	struct ike_sa *sa;

	child_rekey(side_child(&pair->pair_a));
	pair_settle(pair);
	sa = side_sa(&pair->pair_a);
	record_write(sa, &first);
	pair->pair_a.side_unsent = true;
	side_crash(&pair->pair_a, CONF_A(PFS));
	sa = side_sa(&pair->pair_a);
	/* What may differ: the counter's epoch, and when it is sent again. */
	sa->sa_iv &= (1ull << 48) - 1;
	record_write(sa, &second);
	assert_int_equal(first.bytes_len, second.bytes_len);
	bytes_free(&first);
	bytes_free(&second);
	pair_clear_wire(pair);
	pair_free(pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unseen),
		cmocka_unit_test_teardown(test_every_moment, tell_where),
		cmocka_unit_test(test_lifetimes),
		cmocka_unit_test(test_down_stays_down),
		cmocka_unit_test(test_up_stays_up),
		cmocka_unit_test(test_reply_again),
		cmocka_unit_test(test_lost_in_kernel),
		cmocka_unit_test(test_orphans),
		cmocka_unit_test(test_other_form),
		cmocka_unit_test(test_spoilt),
		cmocka_unit_test(test_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
