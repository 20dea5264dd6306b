// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The core's door: what comes in is given to whom it concerns, what has ended
 * is freed on the way out.
 */
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "exchange.h"
#include "hitless.h"
#include "natt.h"
#include "wire.h"

#define ANSWERS_PER_SECOND	10
#define LINES_PER_SECOND	50

u64 core_now(const struct core *core)
{
	return core->core_ops->now(core->core_ctx);
}

u64 core_jitter(u64 ms)
{
	u32 random = 0;

	if (ms > UINT32_MAX || !crypto_random(&random, sizeof(random)))
		return ms;
	return ms - random % (ms / 10 + 1);
}

static bool limiter_pass(struct core *core, struct limiter *limit, u32 rate)
{
	u64 now = core_now(core);

	if (now - limit->limit_since >= 1000) {
		limit->limit_since = now;
		limit->limit_used = 0;
	}
	if (limit->limit_used >= rate) {
		limit->limit_suppressed++;
		return false;
	}
	limit->limit_used++;
	return true;
}

bool core_may_answer(struct core *core)
{
	return limiter_pass(core, &core->core_answers, ANSWERS_PER_SECOND);
}

bool core_may_speak(struct core *core)
{
	return limiter_pass(core, &core->core_noise, LINES_PER_SECOND);
}

void core_log(struct core *core, enum core_level level, const char *conn,
	      const char *format, ...)
{
	char text[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	core->core_ops->log(core->core_ctx, level, conn, text);
}

void core_noise(struct core *core, const struct core_path *path,
		const char *format, ...)
{
	char text[1024], from[IP_ENDPOINT_STRLEN];
	va_list args;

	if (!core_may_speak(core))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	ip_endpoint_print(&path->cp_remote, from);
	if (core->core_noise.limit_suppressed)
		core_log(core, CORE_INFO, NULL, "from %s: %s (%u such lines left out)",
			 from, text, core->core_noise.limit_suppressed);
	else
		core_log(core, CORE_INFO, NULL, "from %s: %s", from, text);
	core->core_noise.limit_suppressed = 0;
}

void core_send(struct core *core, const struct core_path *path, const u8 *buf,
	       size_t len)
{
	core->core_ops->send(core->core_ctx, path, buf, len);
}

void core_ask_init(struct ipc_msg *msg, enum ipc_type type, const char *conn)
{
	memset(msg, 0, sizeof(*msg));
	msg->im_type = type;
	if (conn)
		snprintf(msg->im_conn, sizeof(msg->im_conn), "%s", conn);
}

void core_tell(struct core *core, struct ipc_msg *msg)
{
	msg->im_handle = 0;
	msg->im_generation = 0;
	core->core_ops->request(core->core_ctx, msg);
}

void waiter_init(struct waiter *waiter,
		 void (*done)(void *arg, const struct ipc_reply *reply),
		 void *arg)
{
	memset(waiter, 0, sizeof(*waiter));
	waiter->wait_done = done;
	waiter->wait_arg = arg;
}

static struct waiter **waiter_bucket(struct core *core, u32 handle)
{
	return &core->core_waiters[handle % CORE_BUCKETS];
}

static struct waiter *waiter_find(struct core *core, u32 handle)
{
	struct waiter *waiter = *waiter_bucket(core, handle);

	while (waiter && waiter->wait_handle != handle)
		waiter = waiter->wait_next;
	return waiter;
}

void waiter_expect(struct core *core, struct waiter *waiter)
{
	struct waiter **bucket;

	if (!waiter->wait_handle) {
		do
			core->core_handles++;
		while (!core->core_handles ||
		       waiter_find(core, core->core_handles));
		waiter->wait_handle = core->core_handles;
		bucket = waiter_bucket(core, waiter->wait_handle);
		waiter->wait_next = *bucket;
		*bucket = waiter;
	}
	waiter->wait_generation++;
	waiter->wait_pending = true;
}

void waiter_cancel(struct core *core, struct waiter *waiter)
{
	struct waiter **pos;

	waiter->wait_pending = false;
	if (!waiter->wait_handle)
		return;
	pos = waiter_bucket(core, waiter->wait_handle);
	while (*pos != waiter)
		pos = &(*pos)->wait_next;
	*pos = waiter->wait_next;
	waiter->wait_handle = 0;
}

void waiter_ask(struct core *core, struct waiter *waiter, struct ipc_msg *msg)
{
	waiter_expect(core, waiter);
	msg->im_handle = waiter->wait_handle;
	msg->im_generation = waiter->wait_generation;
	core->core_ops->request(core->core_ctx, msg);
}

/* The one who waits for exactly this, and waits no more. */
static struct waiter *waiter_take(struct core *core, u32 handle, u32 generation)
{
	struct waiter *waiter = waiter_find(core, handle);

	if (!waiter || !waiter->wait_pending ||
	    waiter->wait_generation != generation)
		return NULL;
	waiter->wait_pending = false;
	return waiter;
}

static u32 spi_bucket(const u8 *spi)
{
	return get_be32(spi + 4) % CORE_BUCKETS;
}

struct ike_sa *core_find_sa(struct core *core, const u8 *spi)
{
	struct ike_sa *sa = core->core_sas[spi_bucket(spi)];

	while (sa && memcmp(ike_sa_own_spi(sa), spi, MSG_SPI_LEN))
		sa = sa->sa_next;
	return sa;
}

bool core_new_spi(struct core *core, u8 spi[MSG_SPI_LEN])
{
	static const u8 zero[MSG_SPI_LEN];

	do {
		if (!crypto_random(spi, MSG_SPI_LEN))
			return false;
	} while (!memcmp(spi, zero, MSG_SPI_LEN) || core_find_sa(core, spi));
	return true;
}

void core_enter(struct core *core)
{
	core->core_depth++;
}

/* What ended during this call; then the alarm clock. */
void core_leave(struct core *core)
{
	u64 next;

	if (--core->core_depth)
		return;
	hitless_commit(core);
	while (core->core_dead_exchanges) {
		struct exchange *ex = core->core_dead_exchanges;

		core->core_dead_exchanges = ex->ex_next;
		exchange_free(ex);
	}
	while (core->core_dead_children) {
		struct child *child = core->core_dead_children;

		core->core_dead_children = child->child_next;
		child_free(child);
	}
	while (core->core_dead_sas) {
		struct ike_sa *sa = core->core_dead_sas;

		core->core_dead_sas = sa->sa_next;
		ike_sa_free(sa);
	}
	while (core->core_dead_conns) {
		struct conn *conn = core->core_dead_conns;

		core->core_dead_conns = conn->cn_next;
		conn_free(conn);
	}
	next = timers_next(&core->core_timers);
	if (next != core->core_armed) {
		core->core_armed = next;
		core->core_ops->arm(core->core_ctx, next);
	}
}

static void on_reloaded(void *arg, const struct ipc_reply *reply);

struct core *core_new(const struct core_ops *ops, void *ctx)
{
	struct core *core;

	if (!crypto_init())
		return NULL;
	core = calloc(1, sizeof(*core));
	if (!core)
		return NULL;
	core->core_ops = ops;
	core->core_ctx = ctx;
	core->core_armed = UINT64_MAX;
	waiter_init(&core->core_waiter, on_reloaded, core);
	core->core_ike_port = 500;
	core->core_natt_port = 4500;
	return core;
}

void core_free(struct core *core)
{
	unsigned int i;

	if (!core)
		return;
	core->core_ready = false;
	for (i = 0; i < CORE_BUCKETS; i++) {
		while (core->core_sas[i]) {
			struct ike_sa *sa = core->core_sas[i];

			core->core_sas[i] = sa->sa_next;
			ike_sa_free(sa);
		}
	}
	while (core->core_conns) {
		struct conn *conn = core->core_conns;

		core->core_conns = conn->cn_next;
		conn_free(conn);
	}
	hitless_free(core);
	creds_clear(&core->core_creds);
	OPENSSL_cleanse(core, sizeof(*core));
	free(core);
}

static struct conn *add_conn(struct core *core, const struct conf_conn *conf)
{
	struct conn **pos = &core->core_conns;
	struct conn *conn = conn_new(core, conf);

	if (!conn) {
		core_log(core, CORE_ERROR, conf->conn_name, "out of memory");
		return NULL;
	}
	while (*pos)
		pos = &(*pos)->cn_next;
	*pos = conn;
	return conn;
}

static void on_ready(struct core *core, const struct ipc_ready *ready)
{
	bool again = core->core_ready;
	struct conn *conn;

	if (!again)
		hitless_restore(core);
	core->core_epoch = (u16)ready->iy_epoch;
	core->core_ready = true;
	if (ready->iy_ike_port)
		core->core_ike_port = ready->iy_ike_port;
	if (ready->iy_natt_port)
		core->core_natt_port = ready->iy_natt_port;
	if (again)
		return;
	hitless_resume(core);
	for (conn = core->core_conns; conn; conn = conn->cn_next)
		conn_resume(conn);
}

/* New, or with settings that are of no consequence for what is up. */
static void take_conf(struct core *core, const struct conf_conn *conf)
{
	struct conn *conn = conn_find(core, conf->conn_name);

	if (conn) {
		conn_set_conf(conn, conf);
		return;
	}
	conn = add_conn(core, conf);
	if (conn && core->core_ready)
		conn_ready(conn);
}

static void on_reloaded(void *arg, const struct ipc_reply *reply)
{
	struct core *core = arg;

	if (!core->core_reloading)
		return;
	core->core_reloading = false;
	core->core_reload.cc_done(core->core_reload.cc_arg,
				  reply->ir_errno ? reply->ir_text : NULL);
}

void core_reload(struct core *core, const struct core_command *cmd)
{
	struct ipc_msg msg;

	if (core->core_waiter.wait_pending) {
		cmd->cc_done(cmd->cc_arg, "a reload is under way");
		return;
	}
	core_enter(core);
	core->core_reload = *cmd;
	core->core_reloading = true;
	core_ask_init(&msg, IPC_RELOAD, NULL);
	waiter_ask(core, &core->core_waiter, &msg);
	core_leave(core);
}

static void on_reply(struct core *core, const struct ipc_msg *msg)
{
	struct waiter *waiter;

	waiter = waiter_take(core, msg->im_handle, msg->im_generation);
	if (waiter)
		waiter->wait_done(waiter->wait_arg, &msg->im_reply);
	else if (msg->im_reply.ir_errno)
		core_log(core, CORE_WARNING, msg->im_conn,
			 "the keeper refused: %s", msg->im_reply.ir_text);
}

void core_keeper(struct core *core, const struct ipc_msg *msg)
{
	struct conn *conn = conn_find(core, msg->im_conn);

	core_enter(core);
	switch (msg->im_type) {
	case IPC_CRED:
		creds_take(&core->core_creds, &msg->im_cred);
		break;
	case IPC_CONF:
		take_conf(core, &msg->im_conf);
		break;
	case IPC_RESTART:
		if (conn)
			conn_restart(conn, &msg->im_conf);
		break;
	case IPC_FORGET:
		if (conn)
			conn_restart(conn, NULL);
		break;
	case IPC_READY:
		on_ready(core, &msg->im_ready);
		break;
	case IPC_RECORD:
		hitless_take(core, msg);
		break;
	case IPC_ADOPTED:
		hitless_restore(core);
		if (conn)
			conn_adopt(conn, &msg->im_event);
		break;
	case IPC_ACQUIRE:
		if (conn)
			conn_acquire(conn, &msg->im_event);
		break;
	case IPC_EXPIRE:
		if (conn)
			conn_expire(conn, &msg->im_event);
		break;
	case IPC_REPLY:
		on_reply(core, msg);
		break;
	}
	core_leave(core);
}

/* Tells a stranger something without keeping anything. */
static void answer_stranger(struct core *core, const struct core_path *path,
			    const struct msg_header *hdr, u16 notify)
{
	struct msg_header answer = *hdr;
	struct emit em;

	if (!core_may_answer(core))
		return;
	answer.hdr_version = MSG_VERSION_2;
	answer.hdr_flags = MSG_RESPONSE |
		(hdr->hdr_flags & MSG_INITIATOR ? 0 : MSG_INITIATOR);
	emit_begin(&em, &answer);
	emit_notify(&em, notify, NULL, 0);
	if (emit_finish(&em))
		core_send(core, path, em.em_data, em.em_len);
}

static bool is_first_request(const struct msg_header *hdr)
{
	static const u8 zero[MSG_SPI_LEN];

	return hdr->hdr_exchange == IKE_SA_INIT &&
		hdr->hdr_flags & MSG_INITIATOR &&
		!(hdr->hdr_flags & MSG_RESPONSE) &&
		!memcmp(hdr->hdr_spi_r, zero, MSG_SPI_LEN);
}

static void receive(struct core *core, const struct core_path *path,
		    const u8 *buf, size_t len)
{
	struct msg_header hdr;
	const char *err = msg_parse_header(&hdr, buf, len);
	struct ike_sa *sa;
	bool request;

	if (err) {
		core_noise(core, path, "dropped: %s", err);
		return;
	}
	request = !(hdr.hdr_flags & MSG_RESPONSE);
	if (hdr.hdr_version >> 4 != 2) {
		core_noise(core, path, "dropped: IKE version %u",
			   hdr.hdr_version >> 4);
		if (hdr.hdr_version >> 4 > 2 && request)
			answer_stranger(core, path, &hdr,
					N_INVALID_MAJOR_VERSION);
		return;
	}
	if (is_first_request(&hdr)) {
		init_receive(core, path, buf, len);
		return;
	}
	sa = core_find_sa(core, hdr.hdr_flags & MSG_INITIATOR ?
			  hdr.hdr_spi_r : hdr.hdr_spi_i);
	if (sa && sa->sa_initiator != !(hdr.hdr_flags & MSG_INITIATOR))
		sa = NULL;
	if (sa) {
		ike_sa_receive(sa, path, buf, len);
		return;
	}
	core_noise(core, path, "dropped: no such IKE SA");
	if (request && hdr.hdr_exchange != IKE_SA_INIT)
		answer_stranger(core, path, &hdr, N_INVALID_IKE_SPI);
}

void core_receive(struct core *core, const struct core_path *path,
		  const u8 *buf, size_t len)
{
	core_enter(core);
	receive(core, path, buf, len);
	core_leave(core);
}

void core_work_done(struct core *core, struct core_work *work)
{
	struct waiter *waiter;

	core_enter(core);
	waiter = waiter_take(core, work->cw_handle, work->cw_generation);
	if (waiter) {
		work->cw_give(waiter->wait_arg, work->cw_arg);
		waiter->wait_done(waiter->wait_arg, NULL);
	} else {
		work->cw_free(work->cw_arg);
	}
	free(work);
	core_leave(core);
}

void core_tick(struct core *core)
{
	u64 now = core_now(core);

	core_enter(core);
	core->core_armed = UINT64_MAX;
	while (timers_run(&core->core_timers, now))
		;
	core_leave(core);
}
