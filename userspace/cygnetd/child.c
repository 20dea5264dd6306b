// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Child SAs: keys, the kernel's view of them, their lifetimes.
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "exchange.h"
#include "hitless.h"
#include "select.h"

#define CHILD_AGAIN_MS	10000	/* before a refused rekey is tried again */
#define CHILD_TRIES_MAX	4	/* then a new IKE SA */

static void on_timer(void *arg);
static void on_reply(void *arg, const struct ipc_reply *reply);

const char *child_state_name(enum child_state state)
{
	static const char *const names[CHILD_STATES] = {
		[CHILD_NEW] = "new",
		[CHILD_RECEIVING] = "receiving",
		[CHILD_INSTALLED] = "installed",
		[CHILD_REKEYING] = "rekeying",
		[CHILD_REKEYED] = "rekeyed",
		[CHILD_DELETING] = "deleting",
		[CHILD_LINGERING] = "lingering",
		[CHILD_GONE] = "gone",
	};

	return names[state];
}

void child_set_state(struct child *child, enum child_state state)
{
	char text[160];

	ike_sa_log(child->child_sa, CORE_INFO, "child SA %u: %s -> %s (%s)",
		   child->child_number, child_state_name(child->child_state),
		   child_state_name(state),
		   child_print(child, text, sizeof(text)));
	child->child_state = state;
	hitless_touch(child->child_sa);
}

const char *child_print(const struct child *child, char *buf, size_t size)
{
	const struct proposal *prop = &child->child_proposal;
	const struct transform *tr = proposal_first(prop, TRANSFORM_ENCR) ?:
		proposal_first(prop, TRANSFORM_INTEG);
	char name[TRANSFORM_STRLEN];

	snprintf(buf, size, "%s%s, in 0x%08x, out 0x%08x",
		 tr ? transform_name(tr, name) : "nothing chosen",
		 select_id(prop, TRANSFORM_ESN) ? " ESN" : "",
		 ntohl(child->child_spi_in), ntohl(child->child_spi_out));
	return buf;
}

struct child *child_new(struct ike_sa *sa, bool initiator)
{
	struct child *child = calloc(1, sizeof(*child));

	if (!child)
		return NULL;
	child->child_sa = sa;
	child->child_initiator = initiator;
	child->child_number = ++sa->sa_core->core_numbers;
	child->child_next = sa->sa_children;
	sa->sa_children = child;
	timer_init(&child->child_timer, on_timer, child);
	waiter_init(&child->child_waiter, on_reply, child);
	return child;
}

void child_free(struct child *child)
{
	struct core *core = child->child_sa->sa_core;

	timer_unset(&core->core_timers, &child->child_timer);
	waiter_cancel(core, &child->child_waiter);
	OPENSSL_cleanse(child, sizeof(*child));
	free(child);
}

u8 child_protocol(const struct child *child)
{
	return child->child_proposal.prop_protocol;
}

bool child_alive(const struct child *child)
{
	return child->child_state == CHILD_INSTALLED ||
		child->child_state == CHILD_REKEYING ||
		child->child_state == CHILD_RECEIVING;
}

struct child *child_by_spi_in(struct ike_sa *sa, u32 spi)
{
	struct child *child = sa->sa_children;

	while (child && child->child_spi_in != spi)
		child = child->child_next;
	return child;
}

struct child *child_by_spi_out(struct ike_sa *sa, u32 spi)
{
	struct child *child = sa->sa_children;

	while (child && (child->child_spi_out != spi ||
			 child->child_state == CHILD_NEW ||
			 child->child_state == CHILD_LINGERING))
		child = child->child_next;
	return child;
}

static size_t cut(struct ipc_key *key, const u8 *from, size_t len)
{
	key->ik_len = (u32)len;
	memcpy(key->ik_key, from, len);
	return len;
}

bool child_derive(struct child *child, const struct ike_secret *secret)
{
	const struct ike_sa *sa = child->child_sa;
	const struct transform *tr =
		proposal_first(&child->child_proposal, TRANSFORM_ENCR);
	u16 integ_id = select_id(&child->child_proposal, TRANSFORM_INTEG);
	struct msg_blob ni = nonce_blob(&child->child_ni);
	struct msg_blob nr = nonce_blob(&child->child_nr);
	size_t encr = tr ? encr_keymat_len(tr) : 0;
	size_t integ = integ_keymat_len(integ_id);
	bool out_first = child->child_initiator;
	u8 keys[4 * IPC_KEY_MAX], *p = keys;
	bool ok;

	if (tr ? !encr && tr->tr_id != ENCR_NULL :
		 child_protocol(child) != PROTO_AH || !integ)
		return false;
	if (encr > IPC_KEY_MAX || (integ_id && !integ))
		return false;
	ok = crypto_child_keys(sa->sa_suite.suite_prf, &sa->sa_keys.keys_d,
			       secret, &ni, &nr, keys, 2 * (encr + integ));
	if (ok) {
		p += cut(out_first ? &child->child_encr_out :
			 &child->child_encr_in, p, encr);
		p += cut(out_first ? &child->child_integ_out :
			 &child->child_integ_in, p, integ);
		p += cut(out_first ? &child->child_encr_in :
			 &child->child_encr_out, p, encr);
		cut(out_first ? &child->child_integ_in :
		    &child->child_integ_out, p, integ);
	}
	OPENSSL_cleanse(keys, sizeof(keys));
	return ok;
}

void child_fill(const struct child *child, u32 dirs, struct ipc_msg *msg)
{
	const struct ike_sa *sa = child->child_sa;
	const struct transform *encr =
		proposal_first(&child->child_proposal, TRANSFORM_ENCR);
	struct ipc_child *ic = &msg->im_child;

	ic->ic_dirs = dirs;
	ic->ic_spi_in = child->child_spi_in;
	ic->ic_spi_out = child->child_spi_out;
	if (encr) {
		ic->ic_encr = encr->tr_id;
		ic->ic_encr_bits = encr->tr_key_bits;
	}
	ic->ic_integ = select_id(&child->child_proposal, TRANSFORM_INTEG);
	ic->ic_esn = select_id(&child->child_proposal, TRANSFORM_ESN) ==
		ESN_YES;
	ic->ic_encap = sa->sa_encap;
	ic->ic_roam = sa->sa_encap && sa->sa_nat_remote && !sa->sa_nat_local;
	ic->ic_local = sa->sa_path.cp_local;
	ic->ic_remote = sa->sa_path.cp_remote;
	ic->ic_n_ts = child->child_n_ts;
	memcpy(ic->ic_ts, child->child_ts, sizeof(ic->ic_ts));
	if (msg->im_type != IPC_CHILD_ADD)
		return;
	if (dirs & IPC_DIR_IN) {
		ic->ic_encr_in = child->child_encr_in;
		ic->ic_integ_in = child->child_integ_in;
	}
	if (dirs & IPC_DIR_OUT) {
		ic->ic_encr_out = child->child_encr_out;
		ic->ic_integ_out = child->child_integ_out;
	}
}

static void wipe(struct ipc_key *key)
{
	OPENSSL_cleanse(key, sizeof(*key));
}

void child_has(struct child *child, u32 dirs)
{
	child->child_dirs |= dirs;
	if (dirs & IPC_DIR_IN) {
		wipe(&child->child_encr_in);
		wipe(&child->child_integ_in);
	}
	if (dirs & IPC_DIR_OUT) {
		child->child_out_order = ++child->child_sa->sa_core->core_outs;
		wipe(&child->child_encr_out);
		wipe(&child->child_integ_out);
	}
}

static void arm(struct child *child, u64 ms)
{
	struct core *core = child->child_sa->sa_core;

	timer_set(&core->core_timers, &child->child_timer, core_now(core) + ms);
}

void child_up(struct child *child)
{
	const struct ike_sa *sa = child->child_sa;
	u64 life = 1000ull * sa->sa_conn->cn_conf.conn_rekey;
	u64 soft;

	child_set_state(child, CHILD_INSTALLED);
	child->child_installed = core_now(sa->sa_core);
	timer_unset(&sa->sa_core->core_timers, &child->child_timer);
	if (life) {
		/* The side that began this one mostly begins the next. */
		soft = core_jitter(child->child_initiator ? life - life / 10 :
				   life);
		child->child_rekey_at = child->child_installed + soft;
		arm(child, soft);
	}
	conn_child_up(sa->sa_conn, child);
}

void child_receive(struct child *child, struct child *old, u64 patience_ms)
{
	child->child_replaces = old;
	child_set_state(child, CHILD_RECEIVING);
	arm(child, patience_ms);
}

void child_replaced(struct child *child)
{
	child_set_state(child, CHILD_REKEYED);
	arm(child, 2 * CHILD_OVERDUE_MS);
}

void child_switch(struct child *child)
{
	struct ike_sa *sa = child->child_sa;
	struct ipc_msg msg;

	if (child->child_state != CHILD_RECEIVING)
		return;
	core_ask_init(&msg, IPC_CHILD_ADD, sa->sa_conn->cn_conf.conn_name);
	child_fill(child, IPC_DIR_OUT, &msg);
	conn_restrain(sa->sa_conn, &msg);
	waiter_ask(sa->sa_core, &child->child_waiter, &msg);
	OPENSSL_cleanse(&msg, sizeof(msg));
	child_has(child, IPC_DIR_OUT);
	child_up(child);
}

/* Only a refused outbound SA changes anything: see child_switch(). */
static void on_reply(void *arg, const struct ipc_reply *reply)
{
	struct child *child = arg;

	if (!reply->ir_errno)
		return;
	ike_sa_log(child->child_sa, CORE_ERROR,
		   "child SA %u cannot send: %s", child->child_number,
		   reply->ir_text);
	child_expire(child, true);
}

static void tell_delete(struct child *child, u32 dirs)
{
	struct ike_sa *sa = child->child_sa;
	struct ipc_msg msg;

	core_ask_init(&msg, IPC_CHILD_DEL, sa->sa_conn->cn_conf.conn_name);
	child_fill(child, dirs, &msg);
	core_tell(sa->sa_core, &msg);
	child->child_dirs &= ~dirs;
}

static void child_close(struct child *child)
{
	struct ike_sa *sa = child->child_sa;
	struct child **pos = &sa->sa_children;
	struct child *other;

	while (*pos != child)
		pos = &(*pos)->child_next;
	*pos = child->child_next;
	for (other = sa->sa_children; other; other = other->child_next)
		if (other->child_replaces == child)
			other->child_replaces = NULL;
	exchange_forget_child(sa, child);
	timer_unset(&sa->sa_core->core_timers, &child->child_timer);
	waiter_cancel(sa->sa_core, &child->child_waiter);
	child->child_next = sa->sa_core->core_dead_children;
	sa->sa_core->core_dead_children = child;
}

/* Its replacement, or what a new IKE SA brought, sends before this one goes. */
static void hand_over(struct child *child)
{
	bool sends = child->child_dirs & IPC_DIR_OUT;
	struct child *other;
	struct ike_sa *sa;

	for (sa = child->child_sa->sa_conn->cn_sas; sa; sa = sa->sa_next_conn)
		for (other = sa->sa_children; other; other = other->child_next)
			if (other->child_replaces == child ||
			    (sends && other != child && !other->child_replaces))
				child_switch(other);
}

static bool same_selectors(const struct child *a, const struct child *b)
{
	unsigned int i;

	if (a->child_n_ts != b->child_n_ts)
		return false;
	for (i = 0; i < a->child_n_ts; i++)
		if (!ts_equal(&a->child_ts[i].pair_local,
			      &b->child_ts[i].pair_local) ||
		    !ts_equal(&a->child_ts[i].pair_remote,
			      &b->child_ts[i].pair_remote))
			return false;
	return true;
}

/*
 * The kernel sends through the SA that came last. When that one has gone, an
 * older one that is still there, beside a peer that makes two of everything,
 * is made new.
 */
static void revive(struct child *gone)
{
	struct child *child, *found = NULL;
	struct ike_sa *sa;

	for (sa = gone->child_sa->sa_conn->cn_sas; sa; sa = sa->sa_next_conn) {
		for (child = sa->sa_children; child; child = child->child_next) {
			if (child == gone || !child_alive(child) ||
			    !(child->child_dirs & IPC_DIR_OUT) ||
			    !same_selectors(child, gone))
				continue;
			if (child->child_out_order > gone->child_out_order)
				return;
			found = child;
		}
	}
	if (found)
		child_rekey(found);
}

void child_down(struct child *child, bool late)
{
	bool linger = late && child->child_dirs & IPC_DIR_IN;
	bool sent = child->child_dirs & IPC_DIR_OUT;

	if (child->child_state == CHILD_GONE)
		return;
	if (child->child_sa->sa_conn)
		hand_over(child);
	if (child->child_state != CHILD_NEW || child->child_spi_in)
		tell_delete(child, linger ? IPC_DIR_OUT :
			    IPC_DIR_IN | IPC_DIR_OUT);
	child_has(child, 0);
	if (sent && child->child_sa->sa_conn)
		revive(child);
	if (linger && child->child_state != CHILD_LINGERING) {
		child_set_state(child, CHILD_LINGERING);
		exchange_forget_child(child->child_sa, child);
		arm(child, CHILD_LINGER_MS);
		return;
	}
	child_set_state(child, CHILD_GONE);
	child_close(child);
}

void child_rekey(struct child *child)
{
	struct ike_sa *sa = child->child_sa;
	struct exchange *ex;

	if (child->child_state != CHILD_INSTALLED ||
	    sa->sa_state != IKE_ESTABLISHED ||
	    exchange_pending(sa, EX_CHILD_REKEY, child))
		return;
	ex = exchange_queue(sa, EX_CHILD_REKEY);
	if (!ex)
		return;
	ex->ex_old = child;
	child_set_state(child, CHILD_REKEYING);
	ike_sa_next(sa);
}

void child_rekey_later(struct child *child)
{
	const struct conf_conn *conf = &child->child_sa->sa_conn->cn_conf;
	u32 random = 0;

	crypto_random(&random, sizeof(random));
	if (child->child_state == CHILD_REKEYING)
		child_set_state(child, CHILD_INSTALLED);
	if (++child->child_tries == CHILD_TRIES_MAX &&
	    !conf_remote_is_any(conf))
		ike_sa_replace(child->child_sa, "its child cannot be rekeyed");
	arm(child, (CHILD_AGAIN_MS / 2 + random % CHILD_AGAIN_MS) <<
	    (child->child_tries < 6 ? child->child_tries - 1 : 5));
}

void child_resume(struct child *child)
{
	u32 lost = child->child_dirs & ~child->child_found;

	if (!lost || !child_alive(child))
		return;
	ike_sa_log(child->child_sa, CORE_WARNING,
		   "child SA %u is no longer in the kernel: a new one is made",
		   child->child_number);
	child_rekey(child);
}

void child_delete(struct child *child)
{
	struct ike_sa *sa = child->child_sa;
	struct exchange *ex;

	if (sa->sa_state != IKE_ESTABLISHED ||
	    exchange_pending(sa, EX_CHILD_DELETE, child))
		return;
	ex = exchange_queue(sa, EX_CHILD_DELETE);
	if (!ex)
		return;
	ex->ex_child = child;
	child_set_state(child, CHILD_DELETING);
	ike_sa_next(sa);
}

void child_expire(struct child *child, bool hard)
{
	struct ike_sa *sa = child->child_sa;

	if (!hard) {
		child_rekey(child);
		return;
	}
	if (!child_alive(child) && child->child_state != CHILD_REKEYED)
		return;
	ike_sa_log(sa, CORE_WARNING, "child SA %u has come to its end",
		   child->child_number);
	child_delete(child);
	conn_child_gone(sa->sa_conn);
}

static void on_timer(void *arg)
{
	struct child *child = arg;

	switch (child->child_state) {
	case CHILD_RECEIVING:
		if (child->child_replaces)
			ike_sa_log(child->child_sa, CORE_INFO,
				   "the peer is late to delete the child SA that %u replaces",
				   child->child_number);
		child_switch(child);
		break;
	case CHILD_INSTALLED:
		child_rekey(child);
		break;
	case CHILD_REKEYED:
		child_delete(child);
		break;
	case CHILD_LINGERING:
		child_down(child, false);
		break;
	default:
		break;
	}
}
