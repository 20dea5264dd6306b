/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two cores in one process, with a fake keeper and a fake kernel each, one
 * clock, and a wire between them that shows every message in clear:
 *
 *	a (192.0.2.1, 10.1.0.0/16) ---- wire ---- b (192.0.2.2, 10.2.0.0/16)
 *
 * A test takes the messages off the wire one by one, says what each must be,
 * and delivers, loses or repeats it.
 */
#ifndef CYGNET_UNIT_IKE_PAIR_H
#define CYGNET_UNIT_IKE_PAIR_H

#include "unit.h"

#include <openssl/crypto.h>

#include "conf.h"
#include "conn.h"
#include "exchange.h"
#include "vault.h"
#include "wire.h"

#pragma GCC diagnostic ignored "-Wunused-function"

#define PAIR_SAS_MAX	256
#define PAIR_LOG_MAX	1000000

/* One SA in the fake kernel. */
struct pair_sa {
	bool psa_out;
	u32 psa_spi;
	char psa_conn[CONF_NAME_MAX];
	struct ipc_key psa_encr, psa_integ;
	bool psa_encap, psa_esn;
};

struct pair_event {
	struct pair_event *ev_next;
	struct pair_side *ev_side;
	struct ipc_msg *ev_reply;	/* of the keeper, or */
	struct core_work *ev_work;	/* done elsewhere */
};

struct pair_datagram {
	struct pair_datagram *dg_next;
	struct pair_side *dg_from;
	struct core_path dg_path;	/* as its sender sees it */
	size_t dg_len;
	u8 *dg_data;
	char dg_text[512];
};

struct pair_side {
	struct pair *side_pair;
	struct pair_side *side_peer;
	const char *side_name;
	struct core *side_core;
	struct conf *side_conf;
	const char *side_psk;
	const char *side_ppk;
	EVP_PKEY *side_key;		/* the test's */
	struct ip_addr side_addr;
	u32 side_next_spi;
	u32 side_n_sas;
	struct pair_sa side_sas[PAIR_SAS_MAX];
	struct vault side_vault;	/* what the core wrote ahead */
	bool side_unsent;		/* it dies before it can send */
	bool side_unwritten;		/* … or write */
	bool side_last;			/* … after one datagram more */
	u32 side_current;		/* SPI of the last out, while it is there */
	u32 side_asked[IPC_TYPES];	/* requests, by type */
	u32 side_fail[IPC_TYPES];	/* errno to answer with */
	u64 side_idle;			/* IPC_CHILD_IDLE */
	u64 side_armed;
	char *side_log;
	size_t side_log_len;
	u32 side_done;			/* commands ended */
	char side_error[512];		/* of the last; "" for success */
	char side_lines[4096];		/* progress */
};

struct pair {
	u64 pair_now;
	struct pair_side pair_a, pair_b;
	struct pair_event *pair_events;
	struct pair_datagram *pair_wire;
	bool pair_hold;			/* keeper's answers wait */
	void (*pair_watch)(const u8 *buf, size_t len);	/* what is sent */
	bool pair_nat;			/* in front of a */
	u16 pair_nat_port;		/* outside: +0 for 500, +1 for 4500 */
	u64 pair_sent;
	bool pair_deaf;			/* nothing reaches the wire, or the log */
};

static struct ip_addr pair_addr(const char *text)
{
	struct ip_addr addr;

	assert_true(ip_addr_parse(&addr, text));
	return addr;
}

/* ---- the tap ---- */

static void tap_add(char *text, size_t size, const char *format, ...)
	__printf(3, 4);

static void tap_add(char *text, size_t size, const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, size - used, format, args);
	va_end(args);
}

static const char *tap_notify(u16 type, char buf[16])
{
	switch (type) {
	case N_NAT_DETECTION_SOURCE_IP:
		return "NATS";
	case N_NAT_DETECTION_DESTINATION_IP:
		return "NATD";
	case N_FRAGMENTATION_SUPPORTED:
		return "FRAG";
	case N_CHILDLESS_IKEV2_SUPPORTED:
		return "CHILDLESS";
	case N_ESP_TFC_PADDING_NOT_SUPPORTED:
		return "NO_TFC";
	}
	return msg_notify_name(type, buf);
}

static void tap_payloads(char *text, size_t size, u8 next, const u8 *p,
			 size_t len)
{
	char name[16];

	while (next && len >= 4) {
		size_t plen = get_be16(p + 2);

		if (plen < 4 || plen > len)
			break;
		if (next == PAYLOAD_NOTIFY && plen >= 8)
			tap_add(text, size, " N(%s)",
				tap_notify(get_be16(p + 6), name));
		else if (next == PAYLOAD_DELETE && plen >= 8)
			tap_add(text, size, " D(%s)",
				p[4] == PROTO_IKE ? "IKE" : "ESP");
		else
			tap_add(text, size, " %s",
				msg_payload_name(next, name));
		next = p[0];
		p += plen;
		len -= plen;
	}
}

static bool tap_try(const struct ike_sa *sa, const struct ike_keys *keys,
		    const u8 *buf, size_t len, bool from_initiator, u8 *out,
		    size_t *out_len)
{
	return crypto_open(&sa->sa_suite,
			   from_initiator ? &keys->keys_ei : &keys->keys_er,
			   from_initiator ? &keys->keys_ai : &keys->keys_ar,
			   buf, MSG_HEADER_LEN + 4, len, out, out_len);
}

/* An answer to IKE_INTERMEDIATE leaves when the keys have changed already. */
static bool tap_open(const struct ike_sa *sa, const u8 *buf, size_t len,
		     bool from_initiator, u8 *out, size_t *out_len)
{
	return tap_try(sa, &sa->sa_keys, buf, len, from_initiator, out,
		       out_len) ||
	       (sa->sa_old_keys &&
		tap_try(sa, sa->sa_old_keys, buf, len, from_initiator, out,
			out_len));
}

/* "a->b 1 IKE_AUTH: IDi AUTH", "b->a 1 IKE_AUTH reply: IDr AUTH" */
static void tap_print(struct pair_side *from, const u8 *buf, size_t len,
		      char *text, size_t size)
{
	struct msg_header hdr;
	u8 plain[MSG_LEN_MAX];
	struct ike_sa *sa;
	size_t plain_len;
	bool initiator;
	char name[16];

	assert_null(msg_parse_header(&hdr, buf, len));
	initiator = hdr.hdr_flags & MSG_INITIATOR;
	snprintf(text, size, "%s->%s %u %s%s:", from->side_name,
		 from->side_peer->side_name, hdr.hdr_id,
		 msg_exchange_name(hdr.hdr_exchange, name),
		 hdr.hdr_flags & MSG_RESPONSE ? " reply" : "");
	if (hdr.hdr_next == PAYLOAD_SKF) {
		tap_add(text, size, " SKF %u/%u", get_be16(buf + 32),
			get_be16(buf + 34));
		return;
	}
	if (hdr.hdr_next != PAYLOAD_SK) {
		tap_payloads(text, size, hdr.hdr_next, buf + MSG_HEADER_LEN,
			     len - MSG_HEADER_LEN);
		return;
	}
	sa = core_find_sa(from->side_core, initiator ? hdr.hdr_spi_i :
			  hdr.hdr_spi_r);
	assert_non_null(sa);
	assert_true(tap_open(sa, buf, len, initiator, plain, &plain_len));
	tap_payloads(text, size, buf[MSG_HEADER_LEN], plain, plain_len);
}

/* ---- what a core asks for ---- */

static void op_send(void *ctx, const struct core_path *path, const u8 *buf,
		    size_t len)
{
	struct pair_side *side = ctx;
	struct pair_datagram **pos = &side->side_pair->pair_wire;
	struct pair_datagram *dg;

	side->side_pair->pair_sent++;
	if (side->side_pair->pair_deaf || side->side_unsent)
		return;
	side->side_unsent = side->side_last;
	side->side_unwritten = side->side_last;
	dg = calloc(1, sizeof(*dg));
	dg->dg_from = side;
	if (side->side_pair->pair_watch)
		side->side_pair->pair_watch(buf, len);
	dg->dg_path = *path;
	dg->dg_len = len;
	dg->dg_data = malloc(len);
	memcpy(dg->dg_data, buf, len);
	tap_print(side, buf, len, dg->dg_text, sizeof(dg->dg_text));
	while (*pos)
		pos = &(*pos)->dg_next;
	*pos = dg;
}

static void add_event(struct pair_side *side, struct ipc_msg *reply,
		      struct core_work *work)
{
	struct pair_event **pos = &side->side_pair->pair_events;
	struct pair_event *ev = calloc(1, sizeof(*ev));

	ev->ev_side = side;
	ev->ev_reply = reply;
	ev->ev_work = work;
	while (*pos)
		pos = &(*pos)->ev_next;
	*pos = ev;
}

static void op_work(void *ctx, struct core_work *work)
{
	work->cw_run(work->cw_arg);
	add_event(ctx, NULL, work);
}

static void op_arm(void *ctx, u64 when)
{
	((struct pair_side *)ctx)->side_armed = when;
}

static u64 op_now(void *ctx)
{
	return ((struct pair_side *)ctx)->side_pair->pair_now;
}

static void op_log(void *ctx, enum core_level level, const char *conn,
		   const char *text)
{
	struct pair_side *side = ctx;

	assert_null(strchr(text, '\n'));
	if (getenv("VERBOSE"))
		printf("%8llu %s [%s] %s\n", side->side_pair->pair_now,
		       side->side_name, conn ? conn : "-", text);
	if (!side->side_pair->pair_deaf &&
	    side->side_log_len + strlen(text) + 2 < PAIR_LOG_MAX)
		side->side_log_len +=
			(size_t)sprintf(side->side_log + side->side_log_len,
					"%s\n", text);
}

/* What RFC 7296 section 2.15 has one side authenticate. */
static size_t fake_octets(const struct ipc_auth *auth, u8 *octets)
{
	struct msg_blob key = { auth->ia_key, auth->ia_key_len };
	u8 id[4 + CONF_ID_MAX] = { auth->ia_id.id_type };
	struct msg_blob body = { id, 4 + (size_t)auth->ia_id.id_len };
	size_t len = auth->ia_init_len + auth->ia_nonce_len;

	memcpy(id + 4, auth->ia_id.id_data, auth->ia_id.id_len);
	memcpy(octets, auth->ia_octets, len);
	assert_true(crypto_prf((u16)auth->ia_prf, &key, &body, 1,
			       octets + len));
	len += crypto_prf_len((u16)auth->ia_prf);
	memcpy(octets + len, auth->ia_int, auth->ia_int_len);
	return len + auth->ia_int_len;
}

static void fake_psk(struct pair_side *side, const struct ipc_auth *auth,
		     struct ipc_reply *reply)
{
	static u8 covered[IPC_OCTETS_MAX + CRYPTO_PRF_MAX + IPC_INT_MAX];
	struct msg_blob key = { (const u8 *)side->side_psk,
				strlen(side->side_psk) };
	struct msg_blob pad = { (const u8 *)"Key Pad for IKEv2", 17 };
	struct msg_blob octets = { covered, fake_octets(auth, covered) };
	u8 inner[CRYPTO_PRF_MAX];

	reply->ir_len = (u32)crypto_prf_len((u16)auth->ia_prf);
	assert_true(crypto_prf((u16)auth->ia_prf, &key, &pad, 1, inner));
	key = (struct msg_blob){ inner, reply->ir_len };
	assert_true(crypto_prf((u16)auth->ia_prf, &key, &octets, 1,
			       reply->ir_auth));
}

static void fake_ppk(struct pair_side *side, const struct ipc_ppk *ppk,
		     struct ipc_reply *reply)
{
	struct msg_blob key = { (const u8 *)side->side_ppk,
				strlen(side->side_ppk) };
	size_t n = crypto_prf_len((u16)ppk->ip_prf);
	u32 i;

	for (i = 0; i < 3; i++) {
		struct msg_blob seed = { ppk->ip_keys[i], n };

		assert_true(crypto_prf_plus((u16)ppk->ip_prf, &key, &seed, 1,
					    reply->ir_auth + i * n, n));
	}
	reply->ir_len = (u32)(3 * n);
}

static void fake_sign(struct pair_side *side, const struct ipc_auth *auth,
		      struct ipc_reply *reply)
{
	static u8 covered[IPC_OCTETS_MAX + CRYPTO_PRF_MAX + IPC_INT_MAX];

	assert_int_equal(auth->ia_side, IPC_LOCAL);
	assert_non_null(side->side_key);
	reply->ir_len = (u32)sign_make(auth->ia_scheme, side->side_key, covered,
				       fake_octets(auth, covered),
				       reply->ir_auth);
	assert_true(reply->ir_len);
}

static void kernel_add(struct pair_side *side, const char *conn,
		       const struct ipc_child *ic, bool out)
{
	u32 i, spi = out ? ic->ic_spi_out : ic->ic_spi_in;
	struct pair_sa *sa;

	/* As the keeper does, where a restarted core asks again. */
	for (i = 0; i < side->side_n_sas; i++) {
		sa = &side->side_sas[i];
		if (sa->psa_out != out || sa->psa_spi != spi)
			continue;
		assert_memory_equal(&sa->psa_encr, out ? &ic->ic_encr_out :
				    &ic->ic_encr_in, sizeof(sa->psa_encr));
		return;
	}
	assert_true(side->side_n_sas < PAIR_SAS_MAX);
	sa = &side->side_sas[side->side_n_sas++];
	sa->psa_out = out;
	strcpy(sa->psa_conn, conn);
	if (out)
		side->side_current = ic->ic_spi_out;
	sa->psa_spi = out ? ic->ic_spi_out : ic->ic_spi_in;
	sa->psa_encr = out ? ic->ic_encr_out : ic->ic_encr_in;
	sa->psa_integ = out ? ic->ic_integ_out : ic->ic_integ_in;
	sa->psa_encap = ic->ic_encap;
	sa->psa_esn = ic->ic_esn;
	assert_true(sa->psa_encr.ik_len || sa->psa_integ.ik_len);
	assert_true(ic->ic_n_ts);
}

static void kernel_del(struct pair_side *side, u32 spi, bool out)
{
	u32 i, kept = 0;

	if (out && side->side_current == spi)
		side->side_current = 0;
	for (i = 0; i < side->side_n_sas; i++)
		if (side->side_sas[i].psa_spi != spi ||
		    side->side_sas[i].psa_out != out)
			side->side_sas[kept++] = side->side_sas[i];
	side->side_n_sas = kept;
}

static void fake_child(struct pair_side *side, const struct ipc_msg *msg)
{
	const struct ipc_child *ic = &msg->im_child;

	if (msg->im_type == IPC_CHILD_ADD) {
		if (ic->ic_dirs & IPC_DIR_IN)
			kernel_add(side, msg->im_conn, ic, false);
		if (ic->ic_dirs & IPC_DIR_OUT)
			kernel_add(side, msg->im_conn, ic, true);
		return;
	}
	if (ic->ic_dirs & IPC_DIR_OUT)
		kernel_del(side, ic->ic_spi_out, true);
	if (ic->ic_dirs & IPC_DIR_IN)
		kernel_del(side, ic->ic_spi_in, false);
}

static void fake_keeper(struct pair_side *side, const struct ipc_msg *msg,
			struct ipc_reply *reply)
{
	switch (msg->im_type) {
	case IPC_PSK:
		fake_psk(side, &msg->im_auth, reply);
		break;
	case IPC_SIGN:
		fake_sign(side, &msg->im_auth, reply);
		break;
	case IPC_PPK:
		fake_ppk(side, &msg->im_ppk, reply);
		break;
	case IPC_SPI:
		assert_true(ip_addr_equal(&msg->im_spi.is_local,
					  &side->side_addr));
		reply->ir_spi = htonl(side->side_next_spi++);
		break;
	case IPC_CONN_UP:
		strcpy(reply->ir_device, "cyg0");
		reply->ir_mtu = 1422;
		break;
	case IPC_CONN_DOWN:
		side->side_n_sas = 0;
		break;
	case IPC_CHILD_ADD:
	case IPC_CHILD_DEL:
		fake_child(side, msg);
		break;
	case IPC_CHILD_IDLE:
		reply->ir_idle_ms = side->side_idle;
		break;
	case IPC_RESOLVE:
		reply->ir_local = side->side_addr;
		reply->ir_remote = side->side_peer->side_addr;
		break;
	}
}

static void op_request(void *ctx, const struct ipc_msg *msg)
{
	struct pair_side *side = ctx;
	struct ipc_msg *reply;

	assert_true(msg->im_type > IPC_EXPIRE && msg->im_type < IPC_REPLY);
	side->side_asked[msg->im_type]++;
	if (msg->im_type == IPC_RECORD) {
		if (!side->side_unwritten)
			assert_true(vault_take(&side->side_vault, msg));
		return;
	}
	reply = calloc(1, sizeof(*reply));
	reply->im_type = IPC_REPLY;
	reply->im_handle = msg->im_handle;
	reply->im_generation = msg->im_generation;
	strcpy(reply->im_conn, msg->im_conn);
	reply->im_reply.ir_errno = side->side_fail[msg->im_type];
	if (reply->im_reply.ir_errno)
		strcpy(reply->im_reply.ir_text, "made to fail");
	else
		fake_keeper(side, msg, &reply->im_reply);
	add_event(side, reply, NULL);
}

static const struct core_ops pair_ops = {
	.send = op_send,
	.request = op_request,
	.work = op_work,
	.arm = op_arm,
	.now = op_now,
	.log = op_log,
};

/* ---- moving things ---- */

static bool pair_event(struct pair *pair)
{
	struct pair_event *ev = pair->pair_events;

	if (!ev || pair->pair_hold)
		return false;
	pair->pair_events = ev->ev_next;
	if (ev->ev_reply)
		core_keeper(ev->ev_side->side_core, ev->ev_reply);
	else
		core_work_done(ev->ev_side->side_core, ev->ev_work);
	free(ev->ev_reply);
	free(ev);
	return true;
}

/* Tests reach into a core without passing its door: what follows is due now. */
static void leave_core(struct pair_side *side)
{
	if (!side->side_core || side->side_core->core_depth)
		return;
	core_enter(side->side_core);
	core_leave(side->side_core);
}

/* Everything but the wire. */
static void pair_settle(struct pair *pair)
{
	leave_core(&pair->pair_a);
	leave_core(&pair->pair_b);
	while (pair_event(pair))
		;
}

/* Each side's clock rings when it asked for it. */
static void pair_advance(struct pair *pair, u64 ms)
{
	u64 end = pair->pair_now + ms;

	for (;;) {
		struct pair_side *side = &pair->pair_a;

		pair_settle(pair);
		if (pair->pair_b.side_armed < side->side_armed)
			side = &pair->pair_b;
		if (side->side_armed > end)
			break;
		if (side->side_armed > pair->pair_now)
			pair->pair_now = side->side_armed;
		side->side_armed = UINT64_MAX;
		core_tick(side->side_core);
	}
	pair->pair_now = end;
	pair_settle(pair);
}

/* How the other side sees it, through the NAT if there is one. */
static struct core_path pair_arrival(struct pair *pair,
				     const struct pair_datagram *dg)
{
	struct core_path path = {
		.cp_local = dg->dg_path.cp_remote,
		.cp_remote = dg->dg_path.cp_local,
		.cp_natt = dg->dg_path.cp_natt,
	};

	if (!pair->pair_nat)
		return path;
	if (dg->dg_from == &pair->pair_a) {
		path.cp_remote.ep_addr = pair_addr("198.51.100.9");
		path.cp_remote.ep_port = (u16)(pair->pair_nat_port +
			(dg->dg_path.cp_natt ? 1 : 0));
	} else {
		path.cp_local.ep_addr = pair->pair_a.side_addr;
		path.cp_local.ep_port = path.cp_natt ? 4500 : 500;
	}
	return path;
}

static struct pair_datagram *pair_take(struct pair *pair)
{
	struct pair_datagram *dg;

	pair_settle(pair);
	dg = pair->pair_wire;
	if (dg)
		pair->pair_wire = dg->dg_next;
	return dg;
}

static void datagram_free(struct pair_datagram *dg)
{
	if (!dg)
		return;
	free(dg->dg_data);
	free(dg);
}

/* May be called again and again for the same one: a replay. */
static void pair_deliver(struct pair *pair, const struct pair_datagram *dg)
{
	struct core_path path = pair_arrival(pair, dg);

	core_receive(dg->dg_from->side_peer->side_core, &path, dg->dg_data,
		     dg->dg_len);
	pair_settle(pair);
}

/* Runs until nothing moves any more (the clock stands still). */
static void pair_run(struct pair *pair)
{
	struct pair_datagram *dg;
	unsigned int count = 0;

	while ((dg = pair_take(pair))) {
		if (getenv("VERBOSE"))
			printf("%8llu %s\n", pair->pair_now, dg->dg_text);
		pair_deliver(pair, dg);
		datagram_free(dg);
		assert_true(++count < 1000);
	}
}

/* Runs with the clock: everything sent arrives at once. */
static void pair_run_for(struct pair *pair, u64 ms)
{
	u64 end = pair->pair_now + ms;

	while (pair->pair_now < end) {
		u64 next = pair->pair_a.side_armed < pair->pair_b.side_armed ?
			pair->pair_a.side_armed : pair->pair_b.side_armed;

		pair_run(pair);
		pair_advance(pair, next <= pair->pair_now ? 0 :
			     next > end ? end - pair->pair_now :
			     next - pair->pair_now);
		pair_run(pair);
	}
}

/* The next message is this one; it stays off the wire. */
static struct pair_datagram *pair_expect(struct pair *pair, const char *text)
{
	struct pair_datagram *dg = pair_take(pair);

	assert_non_null(dg);
	assert_string_equal(dg->dg_text, text);
	return dg;
}

static void expect_deliver(struct pair *pair, const char *text)
{
	struct pair_datagram *dg = pair_expect(pair, text);

	pair_deliver(pair, dg);
	datagram_free(dg);
}

static void expect_lost(struct pair *pair, const char *text)
{
	datagram_free(pair_expect(pair, text));
}

static void expect_silence(struct pair *pair)
{
	pair_settle(pair);
	if (pair->pair_wire)
		fail_msg("unexpected: %s", pair->pair_wire->dg_text);
}

/* ---- setting up and looking ---- */

#define PAIR_CONN(remote, pairs, more) \
	"connection net {\n" \
	" remote = " remote "\n" \
	" psk = /psk\n" \
	" protect = " pairs "\n" \
	more "\n}\n"
#define CONF_A(more) PAIR_CONN("192.0.2.2", "10.1.0.0/16 <-> 10.2.0.0/16", more)
#define CONF_B(more) PAIR_CONN("192.0.2.1", "10.2.0.0/16 <-> 10.1.0.0/16", more)

/* Whether the default begins with ML-KEM where OpenSSL has it. */
static bool pair_quantum;

/* The same messages with every OpenSSL, unless the test is about that. */
static void drop_quantum(struct conf_conn *conn)
{
	u8 i, kept = 0;

	for (i = 0; i < conn->conn_nike; i++)
		if (!proposal_is_quantum(&conn->conn_ike[i]))
			conn->conn_ike[kept++] = conn->conn_ike[i];
	conn->conn_nike = kept;
}

static struct conf *pair_conf(const char *text)
{
	struct conf_log log = { 0 };
	struct conf *conf = conf_parse("/test.conf", text, strlen(text), &log);
	u32 i;

	if (!conf)
		conf_log_print(stderr, "/test.conf", &log);
	conf_log_free(&log);
	assert_non_null(conf);
	for (i = 0; i < conf->conf_nconns && !pair_quantum; i++)
		drop_quantum(&conf->conf_conns[i]);
	return conf;
}

static void side_new(struct pair *pair, struct pair_side *side,
		     struct pair_side *peer, const char *name, const char *addr)
{
	side->side_pair = pair;
	side->side_peer = peer;
	side->side_name = name;
	side->side_addr = pair_addr(addr);
	side->side_psk = "a secret that both know";
	side->side_ppk = "and one that no computer finds";
	side->side_log = calloc(1, PAIR_LOG_MAX);
	side->side_next_spi = peer == &pair->pair_b ? 0xa0000001 : 0xb0000001;
	side->side_armed = UINT64_MAX;
	vault_init(&side->side_vault);
}

/* A core as if just started; IPC_READY is for the test to send. */
static void side_start(struct pair_side *side, const char *text)
{
	struct ipc_msg msg;
	u32 i;

	side->side_armed = UINT64_MAX;
	side->side_core = core_new(&pair_ops, side);
	assert_non_null(side->side_core);
	conf_free(side->side_conf);
	side->side_conf = pair_conf(text);
	for (i = 0; i < side->side_conf->conf_nconns; i++) {
		core_ask_init(&msg, IPC_CONF,
			      side->side_conf->conf_conns[i].conn_name);
		msg.im_conf = side->side_conf->conf_conns[i];
		core_keeper(side->side_core, &msg);
	}
}

static void side_ready(struct pair_side *side)
{
	struct ipc_msg msg;

	core_ask_init(&msg, IPC_READY, NULL);
	msg.im_ready.iy_epoch = side->side_vault.va_epoch;
	core_keeper(side->side_core, &msg);
	pair_settle(side->side_pair);
}

/* An engine that has died is followed by another, in the keeper's order. */
static bool tell_record(void *arg, const struct ipc_msg *msg)
{
	core_keeper(((struct pair_side *)arg)->side_core, msg);
	return true;
}

static void tell_adopted(struct pair_side *side, const struct pair_sa *sa)
{
	struct ipc_msg msg;

	core_ask_init(&msg, IPC_ADOPTED, sa->psa_conn);
	if (sa->psa_out)
		msg.im_event.ie_spi_out = sa->psa_spi;
	else
		msg.im_event.ie_spi_in = sa->psa_spi;
	msg.im_event.ie_local.ep_addr = side->side_addr;
	msg.im_event.ie_remote.ep_addr = side->side_peer->side_addr;
	core_keeper(side->side_core, &msg);
}

/* What it waited for does not come any more. */
static void drop_events(struct pair *pair, const struct pair_side *side)
{
	struct pair_event **pos = &pair->pair_events;

	while (*pos) {
		struct pair_event *ev = *pos;

		if (ev->ev_side != side) {
			pos = &ev->ev_next;
			continue;
		}
		*pos = ev->ev_next;
		if (ev->ev_work) {
			ev->ev_work->cw_free(ev->ev_work->cw_arg);
			free(ev->ev_work);
		}
		free(ev->ev_reply);
		free(ev);
	}
}

static void side_crash(struct pair_side *side, const char *text)
{
	struct pair_sa sas[PAIR_SAS_MAX];
	u32 i, n = side->side_n_sas;

	core_free(side->side_core);
	side->side_core = NULL;
	drop_events(side->side_pair, side);
	vault_drop_staged(&side->side_vault);
	vault_new_epoch(&side->side_vault);
	side->side_unsent = false;
	side->side_unwritten = false;
	side->side_last = false;
	side_start(side, text);
	assert_true(vault_tell(&side->side_vault, tell_record, side));
	memcpy(sas, side->side_sas, sizeof(sas));
	for (i = 0; i < n; i++)
		tell_adopted(side, &sas[i]);
	side_ready(side);
}

static struct pair *pair_new(const char *a, const char *b)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	pair->pair_now = 1000000;
	pair->pair_nat_port = 40000;
	side_new(pair, &pair->pair_a, &pair->pair_b, "a", "192.0.2.1");
	side_new(pair, &pair->pair_b, &pair->pair_a, "b", "192.0.2.2");
	side_start(&pair->pair_a, a);
	side_start(&pair->pair_b, b);
	side_ready(&pair->pair_a);
	side_ready(&pair->pair_b);
	return pair;
}

static void side_free(struct pair_side *side)
{
	core_free(side->side_core);
	vault_clear(&side->side_vault);
	conf_free(side->side_conf);
	free(side->side_log);
}

static void pair_clear_wire(struct pair *pair)
{
	struct pair_datagram *dg;

	while ((dg = pair_take(pair)))
		datagram_free(dg);
}

static void pair_free(struct pair *pair)
{
	pair->pair_hold = false;
	pair_clear_wire(pair);
	side_free(&pair->pair_a);
	side_free(&pair->pair_b);
	free(pair);
}

static void on_line(void *arg, const char *step, const char *text,
		    long long ms)
{
	struct pair_side *side = arg;

	tap_add(side->side_lines, sizeof(side->side_lines), "%s: %s\n", step,
		text);
}

static void on_done_command(void *arg, const char *error)
{
	struct pair_side *side = arg;

	side->side_done++;
	snprintf(side->side_error, sizeof(side->side_error), "%s",
		 error ? error : "");
}

typedef void pair_command_fn(struct core *core, const char *name,
			     const struct core_command *cmd);

static void side_command(struct pair_side *side, pair_command_fn *command)
{
	struct core_command cmd = { on_line, on_done_command, side };

	side->side_done = 0;
	side->side_error[0] = '\0';
	side->side_lines[0] = '\0';
	command(side->side_core, "net", &cmd);
	pair_settle(side->side_pair);
}

static bool side_said(const struct pair_side *side, const char *words)
{
	return strstr(side->side_log, words);
}

static void assert_said(const struct pair_side *side, const char *words)
{
	if (!side_said(side, words))
		fail_msg("%s did not say \"%s\"", side->side_name, words);
}

static struct conn *side_conn(struct pair_side *side)
{
	return conn_find(side->side_core, "net");
}

static unsigned int side_count(struct pair_side *side, enum ike_state state)
{
	unsigned int i, count = 0;
	struct ike_sa *sa;

	for (i = 0; i < CORE_BUCKETS; i++)
		for (sa = side->side_core->core_sas[i]; sa; sa = sa->sa_next)
			count += sa->sa_state == state;
	return count;
}

static struct ike_sa *side_sa(struct pair_side *side)
{
	struct ike_sa *sa = side_conn(side)->cn_sas;

	assert_non_null(sa);
	return sa;
}

static struct child *side_child(struct pair_side *side)
{
	struct child *child = conn_child(side_conn(side));

	assert_non_null(child);
	return child;
}

static const struct pair_sa *kernel_current(const struct pair_side *side)
{
	u32 i;

	for (i = 0; i < side->side_n_sas; i++)
		if (side->side_sas[i].psa_out &&
		    side->side_sas[i].psa_spi == side->side_current)
			return &side->side_sas[i];
	return NULL;
}

static const struct pair_sa *kernel_in(const struct pair_side *side, u32 spi)
{
	u32 i;

	for (i = 0; i < side->side_n_sas; i++)
		if (!side->side_sas[i].psa_out &&
		    side->side_sas[i].psa_spi == spi)
			return &side->side_sas[i];
	return NULL;
}

/* A packet sent by one side now is decrypted by the other. */
static bool carries(const struct pair_side *from)
{
	const struct pair_sa *out = kernel_current(from);
	const struct pair_sa *in = out ? kernel_in(from->side_peer,
						   out->psa_spi) : NULL;

	return in && out->psa_encr.ik_len == in->psa_encr.ik_len &&
		!memcmp(out->psa_encr.ik_key, in->psa_encr.ik_key,
			in->psa_encr.ik_len) &&
		!memcmp(&out->psa_integ, &in->psa_integ,
			sizeof(in->psa_integ)) &&
		out->psa_encap == in->psa_encap && out->psa_esn == in->psa_esn;
}

static bool pair_carries(const struct pair *pair)
{
	return carries(&pair->pair_a) && carries(&pair->pair_b);
}

/* Exactly one IKE SA and one pair of ESP SAs at each side, and they work. */
static void assert_one_pair(struct pair *pair)
{
	assert_true(pair_carries(pair));
	assert_int_equal(pair->pair_a.side_n_sas, 2);
	assert_int_equal(pair->pair_b.side_n_sas, 2);
	assert_int_equal(side_count(&pair->pair_a, IKE_ESTABLISHED), 1);
	assert_int_equal(side_count(&pair->pair_b, IKE_ESTABLISHED), 1);
}

#define INIT_REQUEST	"SA KE NONCE N(NATS) N(NATD) N(FRAG)"
#define INIT_REPLY	"SA KE NONCE N(NATS) N(NATD) N(FRAG) N(CHILDLESS)"
#define AUTH_REQUEST	"IDi IDr AUTH N(INITIAL_CONTACT) SA TSi TSr"
#define AUTH_REPLY	"IDr AUTH SA TSi TSr"

/* IKE_SA_INIT both ways, with what both sides send at its end. */
static void expect_init(struct pair *pair, const char *more)
{
	char text[512];

	snprintf(text, sizeof(text), "a->b 0 IKE_SA_INIT: %s%s", INIT_REQUEST, more);
	expect_deliver(pair, text);
	snprintf(text, sizeof(text), "b->a 0 IKE_SA_INIT reply: %s%s", INIT_REPLY, more);
	expect_deliver(pair, text);
}

/* a brings the tunnel up. */
static struct pair *pair_up(const char *a, const char *b)
{
	struct pair *pair = pair_new(a, b);

	side_command(&pair->pair_a, core_up);
	pair_run(pair);
	assert_int_equal(pair->pair_a.side_done, 1);
	assert_string_equal(pair->pair_a.side_error, "");
	assert_one_pair(pair);
	return pair;
}

#endif
