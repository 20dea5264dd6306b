// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Driving exchanges through the table.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "exchange.h"
#include "explain.h"
#include "hitless.h"
#include "verify.h"
#include "wire.h"

static void on_done(void *arg, const struct ipc_reply *reply);

static u8 type_of(enum ex_purpose purpose)
{
	switch (purpose) {
	case EX_INIT:
		return IKE_SA_INIT;
	case EX_INTERMEDIATE:
		return IKE_INTERMEDIATE;
	case EX_AUTH:
		return IKE_AUTH;
	case EX_CHILD_NEW:
	case EX_CHILD_REKEY:
	case EX_IKE_REKEY:
		return CREATE_CHILD_SA;
	case EX_FOLLOWUP:
		return IKE_FOLLOWUP_KE;
	default:
		return INFORMATIONAL;
	}
}

static const char *state_name(enum ex_state state)
{
	static const char *const names[EX_STATES] = {
		[EX_QUEUED] = "queued",
		[EX_MESSAGE] = "message",
		[EX_PAIR] = "KE pair",
		[EX_SECRET] = "KE secret",
		[EX_PSK] = "PSK",
		[EX_VERIFY] = "VERIFY",
		[EX_NO_PPK] = "NO_PPK",
		[EX_PPK] = "PPK",
		[EX_CONN] = "CONN",
		[EX_SPI] = "SPI",
		[EX_INSTALL] = "INSTALL",
		[EX_DONE] = "done",
	};

	return names[state];
}

const char *exchange_name(const struct exchange *ex)
{
	static const char *const names[] = {
		[EX_INIT] = "IKE_SA_INIT",
		[EX_INTERMEDIATE] = "IKE_INTERMEDIATE",
		[EX_AUTH] = "IKE_AUTH",
		[EX_CHILD_NEW] = "CREATE_CHILD_SA (new child)",
		[EX_CHILD_REKEY] = "CREATE_CHILD_SA (child rekey)",
		[EX_IKE_REKEY] = "CREATE_CHILD_SA (IKE rekey)",
		[EX_FOLLOWUP] = "IKE_FOLLOWUP_KE",
		[EX_LIVENESS] = "INFORMATIONAL (liveness)",
		[EX_CHILD_DELETE] = "INFORMATIONAL (delete child)",
		[EX_IKE_DELETE] = "INFORMATIONAL (delete IKE)",
		[EX_MOVE] = "INFORMATIONAL (new address)",
		[EX_PROBE] = "INFORMATIONAL (probe)",
		[EX_ABORT] = "INFORMATIONAL (abort)",
		[EX_INFORM] = "INFORMATIONAL",
	};

	return names[ex->ex_purpose];
}

void exchange_set_state(struct exchange *ex, enum ex_state state)
{
	ike_sa_log(ex->ex_sa, CORE_DEBUG, "%s %s %u: %s -> %s",
		   ex->ex_role == EX_OURS ? "our" : "peer's", exchange_name(ex),
		   ex->ex_id, state_name(ex->ex_state), state_name(state));
	ex->ex_state = state;
	hitless_touch(ex->ex_sa);
}

struct exchange *exchange_new(struct ike_sa *sa, enum ex_role role,
			      enum ex_purpose purpose)
{
	struct exchange *ex = calloc(1, sizeof(*ex));

	if (!ex)
		return NULL;
	ex->ex_sa = sa;
	ex->ex_role = role;
	ex->ex_purpose = purpose;
	ex->ex_type = type_of(purpose);
	ex->ex_state = role == EX_OURS ? EX_QUEUED : EX_MESSAGE;
	ex->ex_id = role == EX_OURS ? 0 : sa->sa_window.win_expected;
	ex->ex_started = core_now(sa->sa_core);
	waiter_init(&ex->ex_waiter, on_done, ex);
	return ex;
}

struct exchange *exchange_queue(struct ike_sa *sa, enum ex_purpose purpose)
{
	struct exchange *ex = exchange_new(sa, EX_OURS, purpose);
	struct exchange **pos = &sa->sa_queue;

	if (!ex)
		return NULL;
	while (*pos)
		pos = &(*pos)->ex_next;
	*pos = ex;
	hitless_touch(sa);
	return ex;
}

struct exchange *exchange_queue_first(struct ike_sa *sa,
				      enum ex_purpose purpose)
{
	struct exchange *ex = exchange_new(sa, EX_OURS, purpose);

	if (!ex)
		return NULL;
	ex->ex_next = sa->sa_queue;
	sa->sa_queue = ex;
	hitless_touch(sa);
	return ex;
}

static bool concerns(const struct exchange *ex, enum ex_purpose purpose,
		     const struct child *child)
{
	return ex->ex_purpose == purpose &&
		(!child || ex->ex_old == child || ex->ex_child == child);
}

bool exchange_pending(const struct ike_sa *sa, enum ex_purpose purpose,
		      const struct child *child)
{
	const struct exchange *ex;

	if (sa->sa_ours && concerns(sa->sa_ours, purpose, child))
		return true;
	for (ex = sa->sa_queue; ex; ex = ex->ex_next)
		if (concerns(ex, purpose, child))
			return true;
	return false;
}

static bool makes(const struct exchange *ex, u8 group)
{
	return (ex->ex_purpose == EX_CHILD_NEW || ex->ex_purpose <= EX_AUTH) &&
		ex->ex_group == group;
}

bool exchange_unfinished(const struct ike_sa *sas)
{
	for (; sas; sas = sas->sa_next_conn)
		if (sas->sa_ours && sas->sa_ours->ex_child &&
		    sas->sa_ours->ex_child->child_state == CHILD_NEW)
			return true;
	return false;
}

bool exchange_makes(const struct ike_sa *sa, u8 group)
{
	const struct exchange *ex;

	if (sa->sa_ours && makes(sa->sa_ours, group))
		return true;
	for (ex = sa->sa_queue; ex; ex = ex->ex_next)
		if (makes(ex, group))
			return true;
	return false;
}

static void forget(struct exchange *ex, const struct child *child)
{
	if (ex->ex_child == child)
		ex->ex_child = NULL;
	if (ex->ex_old == child)
		ex->ex_old = NULL;
	if (ex->ex_rival == child)
		ex->ex_rival = NULL;
}

void exchange_forget_child(struct ike_sa *sa, const struct child *child)
{
	struct exchange *ex;

	if (sa->sa_ours)
		forget(sa->sa_ours, child);
	if (sa->sa_theirs)
		forget(sa->sa_theirs, child);
	if (sa->sa_parked)
		forget(sa->sa_parked, child);
	for (ex = sa->sa_queue; ex; ex = ex->ex_next)
		forget(ex, child);
}

void exchange_free(struct exchange *ex)
{
	waiter_cancel(ex->ex_sa->sa_core, &ex->ex_waiter);
	ke_free(ex->ex_ke);
	OPENSSL_clear_free(ex->ex_secrets, ex->ex_secrets_len);
	verify_free(ex->ex_verify);
	OPENSSL_cleanse(ex, sizeof(*ex));
	free(ex);
}

static void unlink_exchange(struct exchange *ex)
{
	struct ike_sa *sa = ex->ex_sa;
	struct exchange **pos;

	if (sa->sa_ours == ex)
		sa->sa_ours = NULL;
	if (sa->sa_theirs == ex)
		sa->sa_theirs = NULL;
	if (sa->sa_parked == ex)
		sa->sa_parked = NULL;
	for (pos = &sa->sa_queue; *pos; pos = &(*pos)->ex_next) {
		if (*pos == ex) {
			*pos = ex->ex_next;
			break;
		}
	}
}

void exchange_drop(struct exchange *ex)
{
	struct core *core = ex->ex_sa->sa_core;

	if (ex->ex_state == EX_DONE)
		return;
	exchange_set_state(ex, EX_DONE);
	if (ex->ex_rival_sa)
		rekey_take_rival(ex->ex_sa);
	unlink_exchange(ex);
	if (ex->ex_new)
		ike_sa_close(ex->ex_new);
	ex->ex_new = NULL;
	waiter_cancel(core, &ex->ex_waiter);
	ex->ex_next = core->core_dead_exchanges;
	core->core_dead_exchanges = ex;
}

void exchange_end(struct exchange *ex)
{
	exchange_drop(ex);
	ike_sa_next(ex->ex_sa);
}

void exchange_start(struct exchange *ex)
{
	const struct transition *row;

	ex->ex_id = ex->ex_sa->sa_window.win_next;
	ex->ex_started = core_now(ex->ex_sa->sa_core);
	row = transition_find(ex);
	if (row)
		row->row_run(ex, NULL);
}

void exchange_resume(struct exchange *ex)
{
	const struct transition *row = transition_find(ex);

	if (row)
		row->row_run(ex, NULL);
}

static void on_done(void *arg, const struct ipc_reply *reply)
{
	struct exchange *ex = arg;

	ex->ex_reply = reply;
	exchange_resume(ex);
	ex->ex_reply = NULL;
}

void exchange_ask(struct exchange *ex, enum ex_state state, struct ipc_msg *msg)
{
	exchange_set_state(ex, state);
	if (ex->ex_sa->sa_conn)
		conn_restrain(ex->ex_sa->sa_conn, msg);
	waiter_ask(ex->ex_sa->sa_core, &ex->ex_waiter, msg);
}

void exchange_run(struct exchange *ex, enum ex_state state,
		  const struct core_work *what, bool slow)
{
	struct core *core = ex->ex_sa->sa_core;
	struct core_work *work = slow ? malloc(sizeof(*work)) : NULL;

	exchange_set_state(ex, state);
	if (!work) {
		what->cw_run(what->cw_arg);
		what->cw_give(ex, what->cw_arg);
		exchange_resume(ex);
		return;
	}
	waiter_expect(core, &ex->ex_waiter);
	*work = *what;
	work->cw_handle = ex->ex_waiter.wait_handle;
	work->cw_generation = ex->ex_waiter.wait_generation;
	core->core_ops->work(core->core_ctx, work);
}

static void give_ke(void *asker, void *arg)
{
	((struct exchange *)asker)->ex_ke = arg;
}

static void free_ke(void *arg)
{
	ke_free(arg);
}

void exchange_run_ke(struct exchange *ex, enum ex_state state)
{
	const struct core_work what = {
		.cw_run = ke_run, .cw_arg = ex->ex_ke,
		.cw_give = give_ke, .cw_free = free_ke,
	};
	bool slow = ke_slow(ex->ex_ke->ke_group);

	ex->ex_ke = NULL;
	exchange_run(ex, state, &what, slow);
}

void exchange_emit(struct exchange *ex, struct emit *em)
{
	struct msg_header hdr;

	ike_sa_header(ex->ex_sa, &hdr);
	hdr.hdr_exchange = ex->ex_type;
	hdr.hdr_id = ex->ex_id;
	if (ex->ex_role == EX_THEIRS)
		hdr.hdr_flags |= MSG_RESPONSE;
	emit_begin(em, &hdr);
	if (ex->ex_type != IKE_SA_INIT)
		emit_sk(em, &ex->ex_sa->sa_suite);
}

void exchange_send(struct exchange *ex, struct emit *em)
{
	if (!window_request(ex->ex_sa, em)) {
		ike_sa_fail(ex->ex_sa, "cannot make a %s message",
			    exchange_name(ex));
		return;
	}
	ex->ex_answered = false;
	exchange_set_state(ex, EX_MESSAGE);
}

void exchange_answer(struct exchange *ex, struct emit *em)
{
	if (!window_reply(ex->ex_sa, &ex->ex_path, em)) {
		ike_sa_fail(ex->ex_sa, "cannot make a %s message",
			    exchange_name(ex));
		return;
	}
	exchange_end(ex);
}

void exchange_refuse(struct exchange *ex, u16 notify, const void *data,
		     size_t len)
{
	struct emit em;

	exchange_emit(ex, &em);
	emit_notify(&em, notify, data, len);
	exchange_answer(ex, &em);
}

void exchange_refuse_why(struct exchange *ex, u16 notify, const char *why)
{
	char name[16];

	ike_sa_log(ex->ex_sa, CORE_WARNING, "%s refused with %s: %s",
		   exchange_name(ex), msg_notify_name(notify, name), why);
	if (ex->ex_child)
		child_down(ex->ex_child, false);
	exchange_refuse(ex, notify, NULL, 0);
}

bool exchange_take_ke(struct exchange *ex, const struct message *msg, u16 group)
{
	u8 data[2];

	if (msg->msg_ke_group != group) {
		ike_sa_log(ex->ex_sa, CORE_INFO,
			   "key exchange group %u instead of %u asked for",
			   group, msg->msg_ke_group);
		if (ex->ex_child)
			child_down(ex->ex_child, false);
		put_be16(data, group);
		exchange_refuse(ex, N_INVALID_KE_PAYLOAD, data, sizeof(data));
		return false;
	}
	ex->ex_ke = ke_new(group);
	if (ex->ex_ke && !ke_set_peer(ex->ex_ke, msg->msg_ke.blob_data,
				      msg->msg_ke.blob_len))
		return true;
	exchange_refuse_why(ex, N_INVALID_SYNTAX, "bad key exchange value");
	ike_sa_linger(ex->ex_sa);
	return false;
}

static bool purpose_of(const struct message *msg, enum ex_purpose *purpose)
{
	switch (msg->msg_hdr.hdr_exchange) {
	case IKE_INTERMEDIATE:
		*purpose = EX_INTERMEDIATE;
		return true;
	case IKE_AUTH:
		*purpose = EX_AUTH;
		return true;
	case CREATE_CHILD_SA:
		*purpose = child_purpose(msg);
		return true;
	case IKE_FOLLOWUP_KE:
		*purpose = EX_FOLLOWUP;
		return true;
	case INFORMATIONAL:
		*purpose = EX_INFORM;
		return true;
	}
	return false;
}

/* The exchanges that an IKE SA takes part in, by its state. */
static bool in_season(const struct ike_sa *sa, enum ex_purpose purpose)
{
	switch (sa->sa_state) {
	case IKE_KEYED:
		return !sa->sa_initiator && purpose ==
			(inter_group(sa) ? EX_INTERMEDIATE : EX_AUTH);
	case IKE_ESTABLISHED:
	case IKE_REKEYED:
	case IKE_DELETING:
		return purpose > EX_AUTH;
	default:
		return false;
	}
}

static bool is_held_off(const struct ike_sa *sa)
{
	const struct transition *row;

	if (!sa->sa_ours)
		return false;
	row = transition_find(sa->sa_ours);
	return row && row->row_meanwhile == EX_DROP;
}

/* Which of two new SAs stays is not known here yet, but to the peer. */
static bool is_undecided(const struct ike_sa *sa, const struct message *msg)
{
	return sa->sa_rival_of && !info_deletes_ike(msg);
}

static void run_request(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *sa = ex->ex_sa;
	const struct transition *row;
	char text[MSG_SET_STRLEN];
	u32 missing;

	if (msg->msg_critical) {
		ike_sa_log(sa, CORE_WARNING,
			   "%s refused: unknown critical payload %u",
			   exchange_name(ex), msg->msg_critical);
		exchange_refuse(ex, N_UNSUPPORTED_CRITICAL_PAYLOAD,
				&msg->msg_critical, 1);
		return;
	}
	row = transition_match(ex, msg, &missing);
	if (row) {
		row->row_run(ex, msg);
		return;
	}
	ike_sa_log(sa, CORE_WARNING, "%s refused: payloads missing: %s",
		   exchange_name(ex), msg_set_print(missing, text));
	exchange_refuse(ex, N_INVALID_SYNTAX, NULL, 0);
	ike_sa_linger(sa);
}

void exchange_request(struct ike_sa *sa, const struct core_path *path,
		      const struct message *msg)
{
	enum ex_purpose purpose;
	struct exchange *ex;
	char name[16];

	if (!purpose_of(msg, &purpose) || !in_season(sa, purpose) ||
	    is_held_off(sa) || is_undecided(sa, msg)) {
		ike_sa_log(sa, CORE_INFO, "%s request dropped while %s",
			   msg_exchange_name(msg->msg_hdr.hdr_exchange, name),
			   ike_state_name(sa->sa_state));
		return;
	}
	ex = purpose == EX_FOLLOWUP ? followup_resume(sa, msg) : NULL;
	if (!ex)
		ex = exchange_new(sa, EX_THEIRS, purpose);
	if (!ex)
		return;
	ex->ex_path = *path;
	sa->sa_theirs = ex;
	run_request(ex, msg);
}

/* An answer that has nothing to say to this question. */
static void broken_answer(struct exchange *ex, const char *why)
{
	struct ike_sa *sa = ex->ex_sa;

	switch (ex->ex_purpose) {
	case EX_INIT:
		ike_sa_log(sa, CORE_INFO, "answer to %s dropped: %s",
			   exchange_name(ex), why);
		break;
	case EX_IKE_REKEY:
		window_answered(sa);
		rekey_refused(ex, NULL);
		break;
	case EX_CHILD_NEW:
	case EX_CHILD_REKEY:
		ike_sa_log(sa, CORE_WARNING, "answer to %s is of no use: %s",
			   exchange_name(ex), why);
		window_answered(sa);
		child_refused(ex, NULL);
		break;
	default:
		ike_sa_fail(sa, "answer to %s is of no use: %s",
			    exchange_name(ex), why);
		break;
	}
}

void exchange_response(struct ike_sa *sa, const struct message *msg)
{
	struct exchange *ex = sa->sa_ours;
	const struct transition *row;
	char text[MSG_SET_STRLEN];
	u32 missing;

	if (msg->msg_critical) {
		broken_answer(ex, "unknown critical payload");
		return;
	}
	row = transition_match(ex, msg, &missing);
	if (!row) {
		broken_answer(ex, msg_set_print(missing, text));
		return;
	}
	if (ex->ex_purpose != EX_INIT) {
		window_answered(sa);
		ex->ex_answered = true;
	}
	row->row_run(ex, msg);
}

void exchange_timeout(struct ike_sa *sa)
{
	char text[IP_ENDPOINT_STRLEN];

	if (!sa->sa_ours)
		return;
	if (sa->sa_state <= IKE_KEYED)
		explain_silence(sa);
	if (sa->sa_reason[0])
		ike_sa_fail(sa, "%s", sa->sa_reason);
	else
		ike_sa_fail(sa, "no answer from %s to %s",
			    ip_endpoint_print(&sa->sa_path.cp_remote, text),
			    exchange_name(sa->sa_ours));
}
