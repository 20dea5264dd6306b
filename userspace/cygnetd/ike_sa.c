// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The IKE SA from its first message to its last.
 */
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "exchange.h"
#include "hitless.h"
#include "json.h"
#include "mobike.h"
#include "natt.h"
#include "wire.h"

/* The bits above are the epoch of the engine. */
#define IV_COUNTER_BITS	48

#define REKEY_AGAIN_MS	10000	/* before a refused rekey is tried again */
#define REKEY_TRIES_MAX	4	/* then a fresh IKE SA */

static void on_timer(void *arg);
static void on_liveness(void *arg);
static void on_reauth(void *arg);
static void on_idle(void *arg, const struct ipc_reply *reply);

const char *ike_state_name(enum ike_state state)
{
	static const char *const names[IKE_STATES] = {
		[IKE_CONNECTING] = "connecting",
		[IKE_KEYED] = "authenticating",
		[IKE_ESTABLISHED] = "established",
		[IKE_REKEYED] = "rekeyed",
		[IKE_DELETING] = "deleting",
		[IKE_CLOSED] = "closed",
	};

	return names[state];
}

void ike_sa_log(struct ike_sa *sa, enum core_level level, const char *format,
		...)
{
	char text[3072];
	va_list args;

	/* Anybody can begin as many as he likes. */
	if (sa->sa_half_open && level < CORE_DEBUG &&
	    !core_may_speak(sa->sa_core))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	core_log(sa->sa_core, level,
		 sa->sa_conn ? sa->sa_conn->cn_conf.conn_name : NULL,
		 "IKE SA %u: %s", sa->sa_number, text);
}

void ike_sa_set_state(struct ike_sa *sa, enum ike_state state)
{
	ike_sa_log(sa, CORE_INFO, "%s -> %s", ike_state_name(sa->sa_state),
		   ike_state_name(state));
	sa->sa_state = state;
	hitless_touch(sa);
}

const u8 *ike_sa_own_spi(const struct ike_sa *sa)
{
	return sa->sa_initiator ? sa->sa_spi_i : sa->sa_spi_r;
}

static struct ike_sa **sa_bucket(struct core *core, const u8 *spi)
{
	return &core->core_sas[get_be32(spi + 4) % CORE_BUCKETS];
}

static struct ike_sa **init_bucket(struct core *core, const u8 *hash)
{
	return &core->core_inits[get_be32(hash) % CORE_BUCKETS];
}

struct ike_sa *ike_sa_blank(struct core *core, struct conn *conn)
{
	struct ike_sa *sa = calloc(1, sizeof(*sa));

	if (!sa)
		return NULL;
	sa->sa_core = core;
	sa->sa_conn = conn;
	timer_init(&sa->sa_timer, on_timer, sa);
	timer_init(&sa->sa_liveness, on_liveness, sa);
	timer_init(&sa->sa_reauth, on_reauth, sa);
	waiter_init(&sa->sa_waiter, on_idle, sa);
	waiter_init(&sa->sa_move, mobike_resolved, sa);
	window_init(sa);
	followup_init(sa);
	return sa;
}

void ike_sa_link(struct ike_sa *sa)
{
	struct ike_sa **bucket = sa_bucket(sa->sa_core, ike_sa_own_spi(sa));

	sa->sa_next = *bucket;
	*bucket = sa;
}

void ike_sa_new_iv(struct ike_sa *sa)
{
	sa->sa_iv &= (1ull << IV_COUNTER_BITS) - 1;
	sa->sa_iv |= (u64)sa->sa_core->core_epoch << IV_COUNTER_BITS;
}

struct ike_sa *ike_sa_new(struct core *core, struct conn *conn,
			  const struct core_path *path, bool initiator)
{
	struct ike_sa *sa = ike_sa_blank(core, conn);

	if (!sa)
		return NULL;
	if (!core_new_spi(core, initiator ? sa->sa_spi_i : sa->sa_spi_r) ||
	    !crypto_random(&sa->sa_iv, sizeof(sa->sa_iv))) {
		free(sa);
		return NULL;
	}
	/* Half of them are left before it would run into the epoch. */
	sa->sa_iv &= (1ull << (IV_COUNTER_BITS - 1)) - 1;
	ike_sa_new_iv(sa);
	sa->sa_path = *path;
	sa->sa_initiator = initiator;
	sa->sa_mobile = initiator;
	sa->sa_number = ++core->core_numbers;
	sa->sa_born = core_now(core);
	sa->sa_heard = sa->sa_born;
	ike_sa_link(sa);
	return sa;
}

void ike_sa_set_hash(struct ike_sa *sa, const u8 hash[CRYPTO_HASH_LEN])
{
	struct ike_sa **bucket = init_bucket(sa->sa_core, hash);

	memcpy(sa->sa_init_hash, hash, CRYPTO_HASH_LEN);
	sa->sa_next_init = *bucket;
	*bucket = sa;
}

struct ike_sa *ike_sa_by_init(struct core *core, const u8 hash[CRYPTO_HASH_LEN])
{
	struct ike_sa *sa = *init_bucket(core, hash);

	while (sa && memcmp(sa->sa_init_hash, hash, CRYPTO_HASH_LEN))
		sa = sa->sa_next_init;
	return sa;
}

void ike_sa_assign(struct ike_sa *sa, struct conn *conn)
{
	struct ike_sa **pos;

	if (sa->sa_listed) {
		for (pos = &sa->sa_conn->cn_sas; *pos != sa;)
			pos = &(*pos)->sa_next_conn;
		*pos = sa->sa_next_conn;
		sa->sa_listed = false;
	}
	if (!conn)
		return;
	sa->sa_conn = conn;
	sa->sa_next_conn = conn->cn_sas;
	conn->cn_sas = sa;
	sa->sa_listed = true;
}

bool ike_sa_keep_init(u8 **kept, size_t *kept_len, const u8 *buf, size_t len)
{
	free(*kept);
	*kept = malloc(len);
	*kept_len = len;
	if (*kept)
		memcpy(*kept, buf, len);
	return *kept;
}

void ike_sa_wipe_init(struct ike_sa *sa)
{
	free(sa->sa_init_i);
	free(sa->sa_init_r);
	sa->sa_init_i = NULL;
	sa->sa_init_r = NULL;
}

static void not_half_open(struct ike_sa *sa)
{
	if (!sa->sa_half_open)
		return;
	sa->sa_half_open = false;
	sa->sa_core->core_half_open--;
}

void ike_sa_free(struct ike_sa *sa)
{
	ike_sa_wipe_init(sa);
	while (sa->sa_ours || sa->sa_theirs || sa->sa_parked || sa->sa_queue) {
		struct exchange **pos = sa->sa_ours ? &sa->sa_ours :
			sa->sa_theirs ? &sa->sa_theirs :
			sa->sa_parked ? &sa->sa_parked : &sa->sa_queue;
		struct exchange *ex = *pos;

		*pos = ex->ex_next;
		exchange_free(ex);
	}
	while (sa->sa_children) {
		struct child *child = sa->sa_children;

		sa->sa_children = child->child_next;
		child_free(child);
	}
	timer_unset(&sa->sa_core->core_timers, &sa->sa_timer);
	timer_unset(&sa->sa_core->core_timers, &sa->sa_liveness);
	timer_unset(&sa->sa_core->core_timers, &sa->sa_reauth);
	timer_unset(&sa->sa_core->core_timers, &sa->sa_park_timer);
	waiter_cancel(sa->sa_core, &sa->sa_waiter);
	waiter_cancel(sa->sa_core, &sa->sa_move);
	ike_sa_old_keys(sa, NULL);
	window_clear(sa);
	fragment_forget(sa, 0);
	fragment_forget(sa, MSG_RESPONSE);
	OPENSSL_cleanse(sa, sizeof(*sa));
	free(sa);
}

void ike_sa_header(const struct ike_sa *sa, struct msg_header *hdr)
{
	memset(hdr, 0, sizeof(*hdr));
	memcpy(hdr->hdr_spi_i, sa->sa_spi_i, MSG_SPI_LEN);
	memcpy(hdr->hdr_spi_r, sa->sa_spi_r, MSG_SPI_LEN);
	hdr->hdr_version = MSG_VERSION_2;
	hdr->hdr_flags = sa->sa_initiator ? MSG_INITIATOR : 0;
}

bool ike_sa_seal(struct ike_sa *sa, struct emit *em)
{
	const struct ike_keys *keys = &sa->sa_keys;

	return emit_seal(em, &sa->sa_suite,
			 sa->sa_initiator ? &keys->keys_ei : &keys->keys_er,
			 sa->sa_initiator ? &keys->keys_ai : &keys->keys_ar,
			 sa->sa_iv++);
}

void ike_sa_old_keys(struct ike_sa *sa, struct ike_keys *keys)
{
	OPENSSL_clear_free(sa->sa_old_keys, sizeof(*sa->sa_old_keys));
	sa->sa_old_keys = keys;
}

static bool open_message(const struct ike_sa *sa, const struct ike_keys *keys,
			 const u8 *buf, size_t iv, size_t len, u8 *out,
			 size_t *out_len)
{
	return crypto_open(&sa->sa_suite,
			   sa->sa_initiator ? &keys->keys_er : &keys->keys_ei,
			   sa->sa_initiator ? &keys->keys_ar : &keys->keys_ai,
			   buf, iv, len, out, out_len);
}

/*
 * An authentic message came from elsewhere. We follow a peer behind a NAT if
 * we are not behind one ourselves (RFC 7296 section 2.23), and the initiator
 * as it floats to port 4500 for IKE_AUTH.
 */
static void follow(struct ike_sa *sa, const struct core_path *path,
		   const struct message *msg)
{
	char old[IP_ENDPOINT_STRLEN], new[IP_ENDPOINT_STRLEN];
	bool request = !(msg->msg_hdr.hdr_flags & MSG_RESPONSE);
	struct child *child, *next;

	if (ip_endpoint_equal(&sa->sa_path.cp_remote, &path->cp_remote) &&
	    sa->sa_path.cp_natt == path->cp_natt)
		return;
	if (sa->sa_state == IKE_KEYED ? !request || sa->sa_initiator :
	    !sa->sa_nat_remote || sa->sa_nat_local || sa->sa_mobike)
		return;
	ike_sa_log(sa, CORE_INFO, "the peer moved from %s to %s",
		   ip_endpoint_print(&sa->sa_path.cp_remote, old),
		   ip_endpoint_print(&path->cp_remote, new));
	sa->sa_path = *path;
	hitless_touch(sa);
	/* The kernel's SAs still send to the old place: new ones will not. */
	for (child = sa->sa_children; child; child = next) {
		next = child->child_next;
		child_rekey(child);
	}
}

/* After a message that was authentic but is no IKEv2: fatal to both sides. */
static void syntax(struct ike_sa *sa, const struct core_path *path,
		   const struct message *msg, const char *err)
{
	struct exchange *ex;

	ike_sa_log(sa, CORE_WARNING, "malformed message %u: %s",
		   msg->msg_hdr.hdr_id, err);
	if (!(msg->msg_hdr.hdr_flags & MSG_RESPONSE)) {
		window_take(sa, msg->msg_raw.blob_data, msg->msg_raw.blob_len);
		ex = exchange_new(sa, EX_THEIRS, EX_INFORM);
		if (ex) {
			ex->ex_type = msg->msg_hdr.hdr_exchange;
			ex->ex_path = *path;
			exchange_refuse(ex, N_INVALID_SYNTAX, NULL, 0);
		}
	}
	snprintf(sa->sa_reason, sizeof(sa->sa_reason),
		 "the peer sent a malformed message: %s", err);
	ike_sa_linger(sa);
}

static void receive_request(struct ike_sa *sa, const struct core_path *path,
			    struct message *msg)
{
	window_take(sa, msg->msg_raw.blob_data, msg->msg_raw.blob_len);
	ike_sa_old_keys(sa, NULL);
	exchange_request(sa, path, msg);
}

static bool is_awaited(const struct ike_sa *sa, const struct msg_header *hdr)
{
	return sa->sa_ours && sa->sa_ours->ex_state == EX_MESSAGE &&
		sa->sa_ours->ex_type == hdr->hdr_exchange &&
		sa->sa_ours->ex_id == hdr->hdr_id;
}

/* Worth decrypting at all? The answers cost nothing but a hash. */
static bool expected(struct ike_sa *sa, const struct core_path *path,
		     const struct msg_header *hdr, const u8 *buf, size_t len)
{
	if (hdr->hdr_flags & MSG_RESPONSE)
		return is_awaited(sa, hdr);
	switch (window_judge(sa, hdr->hdr_id, buf, len)) {
	case WINDOW_NEW:
		return sa->sa_state != IKE_CLOSED;
	case WINDOW_AGAIN:
		window_resend(sa, path);
		return false;
	case WINDOW_OUTSIDE:
		break;
	}
	return false;
}

/* An authentic message, whole. */
static void take_message(struct ike_sa *sa, const struct core_path *path,
			 struct message *msg, u8 next, const u8 *plain,
			 size_t plain_len)
{
	const char *err;

	fragment_forget(sa, msg->msg_hdr.hdr_flags);
	follow(sa, path, msg);
	msg->msg_plain = (struct msg_blob){ plain, plain_len };
	err = msg_parse_payloads(msg, next, plain, plain_len);
	if (err)
		syntax(sa, path, msg, err);
	else if (msg->msg_hdr.hdr_flags & MSG_RESPONSE)
		exchange_response(sa, msg);
	else
		receive_request(sa, path, msg);
}

static void take_parts(struct ike_sa *sa, const struct core_path *path,
		       struct message *msg, struct reassembly *re)
{
	u8 *plain = fragment_join(re);

	msg->msg_raw = (struct msg_blob){ re->re_first, re->re_first_len };
	if (plain)
		take_message(sa, path, msg, re->re_next, plain, re->re_bytes);
	OPENSSL_clear_free(plain, re->re_bytes);
	fragment_free(re);
}

/*
 * A request that was answered comes again, perhaps split otherwise: its first
 * part alone has the answer sent again (RFC 7383 section 2.6.1).
 */
static bool is_resent(const struct ike_sa *sa, const struct msg_header *hdr,
		      const struct msg_fragment *frag)
{
	return !(hdr->hdr_flags & MSG_RESPONSE) && frag->mf_number == 1 &&
		hdr->hdr_id + 1 == sa->sa_window.win_expected &&
		sa->sa_window.win_reply.sent_data;
}

/* May it be kept, or have something sent, if it is authentic? */
static bool expected_part(struct ike_sa *sa, const struct msg_header *hdr,
			  const struct msg_fragment *frag)
{
	if (is_resent(sa, hdr, frag))
		return true;
	if (!fragment_wanted(sa, hdr, frag))
		return false;
	if (hdr->hdr_flags & MSG_RESPONSE)
		return is_awaited(sa, hdr);
	return hdr->hdr_id == sa->sa_window.win_expected && !sa->sa_theirs &&
		sa->sa_state != IKE_CLOSED;
}

static void receive_fragment(struct ike_sa *sa, const struct core_path *path,
			     const u8 *buf, size_t len)
{
	const struct ike_keys *keys = &sa->sa_keys;
	struct msg_fragment frag;
	struct reassembly *re;
	struct message msg;
	u8 plain[MSG_LEN_MAX];
	size_t plain_len;
	const char *err;

	err = msg_parse_skf(&msg, buf, len, &frag);
	if (!err && !sa->sa_fragments)
		err = "fragment, but none were agreed on";
	if (!err && !expected_part(sa, &msg.msg_hdr, &frag))
		return;
	if (!err && sa->sa_old_keys && is_resent(sa, &msg.msg_hdr, &frag))
		keys = sa->sa_old_keys;
	if (!err &&
	    !open_message(sa, keys, buf, MSG_SKF_IV, len, plain, &plain_len))
		err = "not authentic";
	if (err) {
		core_noise(sa->sa_core, path, "dropped: %s (for IKE SA %u)",
			   err, sa->sa_number);
		return;
	}
	sa->sa_heard = core_now(sa->sa_core);
	if (is_resent(sa, &msg.msg_hdr, &frag)) {
		window_resend(sa, path);
	} else {
		re = fragment_add(sa, &msg.msg_hdr, &frag, &msg.msg_raw, plain,
				  plain_len);
		if (re)
			take_parts(sa, path, &msg, re);
	}
	OPENSSL_cleanse(plain, plain_len);
}

static void receive_protected(struct ike_sa *sa, const struct core_path *path,
			      const u8 *buf, size_t len)
{
	struct msg_blob body;
	struct message msg;
	u8 plain[MSG_LEN_MAX];
	size_t plain_len;
	const char *err;
	u8 next;

	err = msg_parse_sk(&msg, buf, len, &next, &body);
	if (!err && !expected(sa, path, &msg.msg_hdr, buf, len))
		return;
	if (!err && !open_message(sa, &sa->sa_keys, buf, MSG_SK_IV, len, plain,
				  &plain_len))
		err = "not authentic";
	if (err) {
		core_noise(sa->sa_core, path, "dropped: %s (for IKE SA %u)",
			   err, sa->sa_number);
		return;
	}
	sa->sa_heard = core_now(sa->sa_core);
	take_message(sa, path, &msg, next, plain, plain_len);
	OPENSSL_cleanse(plain, plain_len);
}

/* The answer to our IKE_SA_INIT, which nothing protects. */
static void receive_init(struct ike_sa *sa, const struct core_path *path,
			 const u8 *buf, size_t len)
{
	struct message msg;
	const char *err = msg_parse(&msg, buf, len);

	if (!err && !(msg.msg_hdr.hdr_flags & MSG_RESPONSE))
		err = "IKE_SA_INIT request in the middle of an SA";
	if (!err && sa->sa_state != IKE_CONNECTING)
		return;
	if (!err && !expected(sa, path, &msg.msg_hdr, buf, len))
		return;
	if (!err && msg.msg_critical)
		err = "unknown critical payload";
	if (err)
		core_noise(sa->sa_core, path, "dropped: %s (for IKE SA %u)",
			   err, sa->sa_number);
	else
		exchange_response(sa, &msg);
}

void ike_sa_receive(struct ike_sa *sa, const struct core_path *path,
		    const u8 *buf, size_t len)
{
	struct msg_header hdr;

	msg_parse_header(&hdr, buf, len);
	if (hdr.hdr_exchange == IKE_SA_INIT) {
		receive_init(sa, path, buf, len);
		return;
	}
	if (sa->sa_state == IKE_CONNECTING ||
	    memcmp(hdr.hdr_spi_i, sa->sa_spi_i, MSG_SPI_LEN) ||
	    memcmp(hdr.hdr_spi_r, sa->sa_spi_r, MSG_SPI_LEN)) {
		core_noise(sa->sa_core, path, "dropped: not for IKE SA %u's state",
			   sa->sa_number);
		return;
	}
	if (hdr.hdr_next == PAYLOAD_SKF)
		receive_fragment(sa, path, buf, len);
	else
		receive_protected(sa, path, buf, len);
}

static void arm_liveness(struct ike_sa *sa, u64 silent)
{
	u64 period = 1000ull * sa->sa_conn->cn_conf.conn_liveness;

	if (!period)
		return;
	timer_set(&sa->sa_core->core_timers, &sa->sa_liveness,
		  core_now(sa->sa_core) + (silent < period ? period - silent :
					   period));
}

static struct child *carrying(struct ike_sa *sa)
{
	struct child *child = sa->sa_children;

	while (child && !child_alive(child))
		child = child->child_next;
	return child;
}

/* Nothing heard from the peer's IKE for a while: has ESP arrived? */
static void on_liveness(void *arg)
{
	struct ike_sa *sa = arg;
	u64 silent = core_now(sa->sa_core) - sa->sa_heard;
	struct child *child = carrying(sa);
	struct ipc_msg msg;

	if (sa->sa_state != IKE_ESTABLISHED)
		return;
	if (silent < 1000ull * sa->sa_conn->cn_conf.conn_liveness ||
	    sa->sa_ours) {
		arm_liveness(sa, silent);
		return;
	}
	if (!child) {
		ike_sa_check(sa);
		return;
	}
	core_ask_init(&msg, IPC_CHILD_IDLE, sa->sa_conn->cn_conf.conn_name);
	child_fill(child, 0, &msg);
	waiter_ask(sa->sa_core, &sa->sa_waiter, &msg);
}

static void on_idle(void *arg, const struct ipc_reply *reply)
{
	struct ike_sa *sa = arg;

	if (sa->sa_state != IKE_ESTABLISHED)
		return;
	if (!reply->ir_errno &&
	    reply->ir_idle_ms < 1000ull * sa->sa_conn->cn_conf.conn_liveness)
		arm_liveness(sa, reply->ir_idle_ms);
	else
		ike_sa_check(sa);
}

void ike_sa_resume(struct ike_sa *sa)
{
	struct child *child, *next;

	if (sa->sa_state == IKE_ESTABLISHED && !sa->sa_liveness.timer_is_set)
		arm_liveness(sa, 0);
	if (sa->sa_window.win_request.sent_data)
		timer_set(&sa->sa_core->core_timers, &sa->sa_window.win_timer,
			  core_now(sa->sa_core));
	for (child = sa->sa_children; child; child = next) {
		next = child->child_next;
		child_resume(child);
	}
	ike_sa_next(sa);
}

void ike_sa_check(struct ike_sa *sa)
{
	arm_liveness(sa, 0);
	if (sa->sa_state == IKE_ESTABLISHED && !sa->sa_ours && !sa->sa_queue)
		exchange_queue(sa, EX_LIVENESS);
	ike_sa_next(sa);
}

/*
 * The side that began the SA replaces it before its lifetime ends, the other
 * one only if that has not happened.
 */
static void arm_lifetime(struct ike_sa *sa)
{
	u64 life = 1000ull * sa->sa_conn->cn_conf.conn_ike_lifetime;

	if (!life)
		return;
	timer_set(&sa->sa_core->core_timers, &sa->sa_timer,
		  core_now(sa->sa_core) +
		  (sa->sa_initiator ? core_jitter(life - life / 10) : life));
}

void ike_sa_replace(struct ike_sa *sa, const char *why)
{
	ike_sa_log(sa, CORE_INFO, "%s: a new IKE SA shall replace it", why);
	sa->sa_expired = true;
	timer_set(&sa->sa_core->core_timers, &sa->sa_timer,
		  core_now(sa->sa_core) + CONN_RETRY_LONGEST_MS);
	conn_replace(sa->sa_conn, sa);
}

/* RFC 4478: only who began the SA can do it. */
static void on_reauth(void *arg)
{
	struct ike_sa *sa = arg;

	if (sa->sa_state != IKE_ESTABLISHED)
		return;
	if (sa->sa_mobile) {
		ike_sa_replace(sa, "it is time to authenticate anew");
		return;
	}
	ike_sa_log(sa, CORE_WARNING,
		   "its peer has not authenticated anew: deleted");
	ike_sa_delete(sa);
}

static void arm_reauth(struct ike_sa *sa)
{
	if (sa->sa_reauth_at)
		timer_set(&sa->sa_core->core_timers, &sa->sa_reauth,
			  sa->sa_reauth_at);
}

static u32 shorter(u32 a, u32 b)
{
	return a && (!b || a < b) ? a : b;
}

/* From now on: before the time that was agreed on, or a little after it. */
static void set_reauth(struct ike_sa *sa)
{
	u32 seconds = shorter(sa->sa_conn->cn_conf.conn_reauth,
			      sa->sa_mobile ? sa->sa_auth_lifetime : 0);
	u64 life;

	if (!seconds)
		return;
	life = 1000ull * (seconds < IKE_REAUTH_MIN ? IKE_REAUTH_MIN : seconds);
	sa->sa_reauth_at = core_now(sa->sa_core) +
		(sa->sa_mobile ? core_jitter(life - life / 10) : life + life / 10);
}

void ike_sa_limit(struct ike_sa *sa, const struct message *msg)
{
	const struct msg_notify_payload *mn = msg_notify(msg, N_AUTH_LIFETIME);

	if (!mn || mn->mn_data.blob_len != 4 || !sa->sa_mobile)
		return;
	sa->sa_auth_lifetime = get_be32(mn->mn_data.blob_data) ?: 1;
	if (sa->sa_state != IKE_ESTABLISHED)
		return;		/* ike_sa_up() sees to it */
	ike_sa_log(sa, CORE_INFO,
		   "the peer wants us to authenticate anew within %u seconds",
		   sa->sa_auth_lifetime);
	set_reauth(sa);
	arm_reauth(sa);
}

static void on_timer(void *arg)
{
	struct ike_sa *sa = arg;

	switch (sa->sa_state) {
	case IKE_CONNECTING:
	case IKE_KEYED:
		ike_sa_fail(sa, "the peer did not authenticate in time");
		break;
	case IKE_ESTABLISHED:
		if (sa->sa_expired)
			ike_sa_replace(sa, "its lifetime ends");
		else
			ike_sa_rekey(sa);
		break;
	case IKE_REKEYED:
		ike_sa_log(sa, CORE_INFO, "the peer is late to delete it");
		timer_set(&sa->sa_core->core_timers, &sa->sa_timer,
			  core_now(sa->sa_core) + IKE_OVERDUE_MS);
		ike_sa_delete(sa);
		break;
	case IKE_DELETING:
	case IKE_CLOSED:
		ike_sa_close(sa);
		break;
	case IKE_STATES:
		break;
	}
}

bool ike_sa_rekey(struct ike_sa *sa)
{
	if (sa->sa_state != IKE_ESTABLISHED || sa->sa_rival_of)
		return false;
	if (!exchange_pending(sa, EX_IKE_REKEY, NULL) &&
	    !exchange_queue(sa, EX_IKE_REKEY))
		return false;
	ike_sa_next(sa);
	return true;
}

void ike_sa_rekey_failed(struct ike_sa *sa, bool again)
{
	u32 random = 0;

	if (!again || ++sa->sa_tries >= REKEY_TRIES_MAX) {
		ike_sa_replace(sa, "it cannot be rekeyed");
		return;
	}
	crypto_random(&random, sizeof(random));
	timer_set(&sa->sa_core->core_timers, &sa->sa_timer,
		  core_now(sa->sa_core) +
		  ((REKEY_AGAIN_MS / 2 + random % REKEY_AGAIN_MS) <<
		   (sa->sa_tries - 1)));
}

static bool same_identities(const struct ike_sa *a, const struct ike_sa *b)
{
	return conf_id_equal(&a->sa_id_local, &b->sa_id_local) &&
		conf_id_equal(&a->sa_id_remote, &b->sa_id_remote);
}

unsigned int ike_sa_count_same(const struct ike_sa *sa)
{
	const struct ike_sa *other;
	unsigned int count = 0;

	for (other = sa->sa_conn->cn_sas; other; other = other->sa_next_conn)
		count += same_identities(sa, other);
	return count;
}

/* Both sides began at once: two SAs that look alike, one begun by each. */
static bool twins(const struct ike_sa *sa, const struct ike_sa *other)
{
	u64 now = core_now(sa->sa_core);

	return other != sa && other->sa_state == IKE_ESTABLISHED &&
		sa->sa_initiator != other->sa_initiator &&
		!other->sa_expired && sa->sa_replaces != other &&
		other->sa_replaces != sa &&
		now - other->sa_established <= IKE_TWINS_MS &&
		same_identities(sa, other);
}

/*
 * The one with the lowest of the four nonces goes, and the side that began it
 * deletes it. Both see the same nonces, so both come to the same end.
 */
static bool lower(const struct ike_sa *sa, const struct ike_sa *other)
{
	return nonce_pair_lower(&sa->sa_ni, &sa->sa_nr, &other->sa_ni,
				&other->sa_nr);
}

bool ike_sa_loses(const struct ike_sa *sa)
{
	const struct ike_sa *other;

	for (other = sa->sa_conn->cn_sas; other; other = other->sa_next_conn)
		if (twins(sa, other) && lower(sa, other))
			return true;
	return false;
}

static void settle_twins(struct ike_sa *sa, struct ike_sa *other)
{
	struct ike_sa *loser = lower(sa, other) ? sa : other;

	ike_sa_log(loser, CORE_INFO,
		   "both sides began at once: IKE SA %u stays",
		   (loser == sa ? other : sa)->sa_number);
	if (loser->sa_initiator)
		ike_sa_delete(loser);
}

/*
 * We began one too, and it came up while the peer's was on its way: the peer
 * had not heard of it when it said INITIAL_CONTACT.
 */
static bool crosses(const struct ike_sa *sa, const struct ike_sa *other)
{
	return other->sa_initiator && other->sa_established >= sa->sa_born;
}

/* INITIAL_CONTACT: the peer has nothing else, under whatever connection. */
static void forget_older(struct ike_sa *sa)
{
	struct ike_sa *other, *next;
	struct conn *conn;

	for (conn = sa->sa_core->core_conns; conn; conn = conn->cn_next) {
		for (other = conn->cn_sas; other; other = next) {
			next = other->sa_next_conn;
			if (other == sa || other->sa_state != IKE_ESTABLISHED ||
			    !same_identities(sa, other) || crosses(sa, other))
				continue;
			ike_sa_log(other, CORE_INFO,
				   "the peer has begun afresh");
			ike_sa_close(other);
		}
	}
}

/*
 * Older SAs between the same two, which the peer may still have: asked whether
 * they live. One of ours that has not come to IKE_AUTH is not needed: the peer
 * knows nothing of it that it would keep.
 */
static void see_to_older(struct ike_sa *sa)
{
	struct ike_sa *other, *next;
	unsigned int same = 0;

	for (other = sa->sa_conn->cn_sas; other; other = next) {
		next = other->sa_next_conn;
		if (other == sa)
			continue;
		if (other->sa_state == IKE_CONNECTING && other->sa_initiator &&
		    !sa->sa_initiator) {
			ike_sa_log(other, CORE_INFO,
				   "the peer was faster with IKE SA %u",
				   sa->sa_number);
			ike_sa_close(other);
			continue;
		}
		if (other->sa_state != IKE_ESTABLISHED ||
		    !same_identities(sa, other))
			continue;
		if (++same >= IKE_SAME_MAX) {
			ike_sa_log(other, CORE_INFO,
				   "the peer has begun too many");
			ike_sa_close(other);
		} else if (twins(sa, other)) {
			settle_twins(sa, other);
		} else if (!sa->sa_initiator) {
			ike_sa_check(other);
		}
	}
}

void ike_sa_begin(struct ike_sa *sa)
{
	sa->sa_established = core_now(sa->sa_core);
	ike_sa_set_state(sa, IKE_ESTABLISHED);
	timer_unset(&sa->sa_core->core_timers, &sa->sa_timer);
	arm_lifetime(sa);
	arm_reauth(sa);
	arm_liveness(sa, 0);
	if (!sa->sa_listed)
		ike_sa_assign(sa, sa->sa_conn);
}

void ike_sa_replaced(struct ike_sa *sa)
{
	if (sa->sa_state == IKE_ESTABLISHED)
		ike_sa_set_state(sa, IKE_REKEYED);
	timer_unset(&sa->sa_core->core_timers, &sa->sa_liveness);
	timer_unset(&sa->sa_core->core_timers, &sa->sa_reauth);
	waiter_cancel(sa->sa_core, &sa->sa_waiter);
	timer_set(&sa->sa_core->core_timers, &sa->sa_timer,
		  core_now(sa->sa_core) + IKE_OVERDUE_MS);
}

/* Exchanges about children go on at the new SA; the others are of no use. */
static void move_queue(struct ike_sa *sa, struct ike_sa *old)
{
	struct exchange **end = &sa->sa_queue, **pos = &old->sa_queue;
	struct exchange *ex;

	while (*end)
		end = &(*end)->ex_next;
	while ((ex = *pos)) {
		if (ex->ex_type == CREATE_CHILD_SA ?
		    ex->ex_purpose == EX_IKE_REKEY :
		    ex->ex_purpose != EX_CHILD_DELETE) {
			pos = &ex->ex_next;
			continue;
		}
		*pos = ex->ex_next;
		ex->ex_next = NULL;
		ex->ex_sa = sa;
		*end = ex;
		end = &ex->ex_next;
	}
}

void ike_sa_inherit(struct ike_sa *sa, struct ike_sa *old)
{
	struct ike_sa *other;
	struct child *child;

	ike_sa_log(sa, CORE_INFO, "replaces IKE SA %u", old->sa_number);
	hitless_touch(sa);
	hitless_touch(old);
	sa->sa_ppk = old->sa_ppk;	/* its SK_d is in our keys */
	followup_forget(old);
	for (child = old->sa_children; child; child = child->child_next)
		child->child_sa = sa;
	sa->sa_children = old->sa_children;
	old->sa_children = NULL;
	move_queue(sa, old);
	sa->sa_replaces = old->sa_replaces;
	old->sa_replaces = NULL;
	for (other = sa->sa_conn->cn_sas; other; other = other->sa_next_conn)
		if (other->sa_replaces == old)
			other->sa_replaces = sa;
	ike_sa_replaced(old);
	conn_ike_rekeyed(sa->sa_conn, NULL);
	ike_sa_next(sa);
}

void ike_sa_up(struct ike_sa *sa)
{
	char id[CONF_ID_STRLEN];

	not_half_open(sa);
	ike_sa_wipe_init(sa);
	set_reauth(sa);
	ike_sa_begin(sa);
	conf_id_print(&sa->sa_id_remote, id, sizeof(id));
	conn_progress(sa->sa_conn, "identify", "peer is %s (%s)", id,
		      sa->sa_how);
	conn_sa_up(sa->sa_conn, sa);
	if (sa->sa_initial_contact)
		forget_older(sa);
	see_to_older(sa);
}

/* No child may be in the making when children move to a new IKE SA. */
static bool is_being_rekeyed(const struct ike_sa *sa, const struct exchange *ex)
{
	const struct exchange *theirs = sa->sa_theirs ?: sa->sa_parked;

	return theirs && (theirs->ex_purpose == EX_IKE_REKEY ||
			  ex->ex_purpose == EX_IKE_REKEY);
}

void ike_sa_next(struct ike_sa *sa)
{
	struct exchange *ex = sa->sa_queue;

	if (sa->sa_ours || !ex || sa->sa_dead || is_being_rekeyed(sa, ex))
		return;
	sa->sa_queue = ex->ex_next;
	ex->ex_next = NULL;
	sa->sa_ours = ex;
	exchange_start(ex);
}

static void drop_queue(struct ike_sa *sa)
{
	while (sa->sa_queue)
		exchange_drop(sa->sa_queue);
}

void ike_sa_delete(struct ike_sa *sa)
{
	if (sa->sa_state == IKE_DELETING || sa->sa_state == IKE_CLOSED)
		return;
	if (sa->sa_state == IKE_CONNECTING || sa->sa_state == IKE_KEYED) {
		ike_sa_close(sa);
		return;
	}
	ike_sa_set_state(sa, IKE_DELETING);
	drop_queue(sa);
	exchange_queue(sa, EX_IKE_DELETE);
	ike_sa_next(sa);
}

static void children_down(struct ike_sa *sa)
{
	struct child *child, *next;

	for (child = sa->sa_children; child; child = next) {
		next = child->child_next;
		child_down(child, false);
	}
}

/* All that an SA does, except being found. */
static void stop(struct ike_sa *sa)
{
	struct conn *conn = sa->sa_listed ? sa->sa_conn : NULL;

	rekey_yield(sa);
	if (sa->sa_rival_of)
		rekey_take_rival(sa->sa_rival_of);
	not_half_open(sa);
	timer_unset(&sa->sa_core->core_timers, &sa->sa_liveness);
	timer_unset(&sa->sa_core->core_timers, &sa->sa_reauth);
	waiter_cancel(sa->sa_core, &sa->sa_waiter);
	waiter_cancel(sa->sa_core, &sa->sa_move);
	window_withdraw(sa);
	fragment_forget(sa, 0);
	fragment_forget(sa, MSG_RESPONSE);
	drop_queue(sa);
	followup_forget(sa);
	if (sa->sa_ours)
		exchange_drop(sa->sa_ours);
	if (sa->sa_theirs)
		exchange_drop(sa->sa_theirs);
	children_down(sa);
	ike_sa_assign(sa, NULL);
	if (conn)
		conn_sa_gone(conn, sa);
}

static void unlink_hash(struct ike_sa *sa)
{
	struct ike_sa **pos = sa_bucket(sa->sa_core, ike_sa_own_spi(sa));

	while (*pos != sa)
		pos = &(*pos)->sa_next;
	*pos = sa->sa_next;
	pos = init_bucket(sa->sa_core, sa->sa_init_hash);
	while (*pos && *pos != sa)
		pos = &(*pos)->sa_next_init;
	if (*pos)
		*pos = sa->sa_next_init;
}

void ike_sa_close(struct ike_sa *sa)
{
	if (sa->sa_dead)
		return;
	sa->sa_dead = true;
	if (sa->sa_state != IKE_CLOSED)
		ike_sa_set_state(sa, IKE_CLOSED);
	stop(sa);
	timer_unset(&sa->sa_core->core_timers, &sa->sa_timer);
	unlink_hash(sa);
	sa->sa_next = sa->sa_core->core_dead_sas;
	sa->sa_core->core_dead_sas = sa;
}

void ike_sa_fail(struct ike_sa *sa, const char *format, ...)
{
	char reason[sizeof(sa->sa_reason)];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	/* The old reason may have been an argument. */
	memcpy(sa->sa_reason, reason, sizeof(reason));
	ike_sa_log(sa, CORE_WARNING, "%s", sa->sa_reason);
	ike_sa_close(sa);
}

void ike_sa_linger(struct ike_sa *sa)
{
	if (sa->sa_dead || sa->sa_state == IKE_CLOSED)
		return;
	ike_sa_set_state(sa, IKE_CLOSED);
	stop(sa);
	timer_set(&sa->sa_core->core_timers, &sa->sa_timer,
		  core_now(sa->sa_core) + IKE_LINGER_MS);
}

bool nonce_make(struct nonce *nonce)
{
	nonce->nonce_len = 32;
	return crypto_random(nonce->nonce_data, nonce->nonce_len);
}

void nonce_copy(struct nonce *nonce, const struct msg_blob *blob)
{
	nonce->nonce_len = blob->blob_len;
	memcpy(nonce->nonce_data, blob->blob_data, blob->blob_len);
}

struct msg_blob nonce_blob(const struct nonce *nonce)
{
	return (struct msg_blob){ nonce->nonce_data, nonce->nonce_len };
}

static int nonce_cmp(const struct nonce *a, const struct nonce *b)
{
	size_t len = a->nonce_len < b->nonce_len ? a->nonce_len : b->nonce_len;
	int diff = memcmp(a->nonce_data, b->nonce_data, len);

	if (diff)
		return diff;
	return a->nonce_len < b->nonce_len ? -1 : a->nonce_len > b->nonce_len;
}

bool nonce_pair_lower(const struct nonce *a1, const struct nonce *a2,
		      const struct nonce *b1, const struct nonce *b2)
{
	const struct nonce *a = nonce_cmp(a1, a2) < 0 ? a1 : a2;
	const struct nonce *b = nonce_cmp(b1, b2) < 0 ? b1 : b2;

	return nonce_cmp(a, b) < 0;
}
