// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * IKE_AUTH (RFC 7296 sections 1.2, 2.9, 2.15, 2.21.2): who the peer is, and
 * the first child SA.
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "auth.h"
#include "conn.h"
#include "exchange.h"
#include "explain.h"
#include "offer.h"
#include "select.h"

static const char *name_of(const struct ike_sa *sa)
{
	return sa->sa_conn->cn_conf.conn_name;
}

/* Ours. The SPI comes first, since the message carries it. */
void auth_start(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *sa = ex->ex_sa;

	(void)msg;
	conn_local_id(sa->sa_conn, &sa->sa_path, &sa->sa_id_local);
	conn_remote_id(sa->sa_conn, &sa->sa_path, &sa->sa_id_remote);
	ex->ex_child = child_new(sa, true);
	if (!ex->ex_child) {
		ike_sa_fail(sa, "out of memory");
		return;
	}
	offer_ask_spi(ex);
}

/* What auth_ask() prepares, with an AUTH value as the answer. */
static void ask_auth(struct exchange *ex, enum ipc_side side,
		     enum ex_state state)
{
	struct ipc_msg msg;

	if (auth_ask(ex->ex_sa, side, &msg))
		exchange_ask(ex, state, &msg);
	else
		ike_sa_fail(ex->ex_sa, "AUTH has too much to cover");
}

void auth_sign(struct exchange *ex, const struct message *msg)
{
	(void)msg;
	if (ex->ex_reply->ir_errno) {
		ike_sa_fail(ex->ex_sa, "no SPI: %s", ex->ex_reply->ir_text);
		return;
	}
	ex->ex_child->child_spi_in = ex->ex_reply->ir_spi;
	ask_auth(ex, IPC_LOCAL, EX_PSK);
}

void auth_send(struct exchange *ex, const struct message *msg)
{
	const struct ipc_reply *reply = ex->ex_reply;
	struct ike_sa *sa = ex->ex_sa;
	struct emit em;

	(void)msg;
	if (reply->ir_errno) {
		ike_sa_fail(sa, "no pre-shared key: %s", reply->ir_text);
		return;
	}
	exchange_emit(ex, &em);
	emit_id(&em, PAYLOAD_ID_I, &sa->sa_id_local);
	emit_id(&em, PAYLOAD_ID_R, &sa->sa_id_remote);
	emit_auth(&em, AUTH_METHOD_PSK, reply->ir_auth, reply->ir_len);
	if (!conn_holds(sa))
		emit_notify(&em, N_INITIAL_CONTACT, NULL, 0);
	offer_emit(ex, &em, SELECT_NO_KE);
	exchange_send(ex, &em);
}

/* A child SA that failed leaves the IKE SA up (RFC 7296 section 1.2). */
static void child_failed(struct exchange *ex, const char *why)
{
	struct ike_sa *sa = ex->ex_sa;

	ike_sa_log(sa, CORE_WARNING, "no child SA: %s", why);
	if (ex->ex_child)
		child_down(ex->ex_child, false);
	exchange_end(ex);
	conn_failed(sa->sa_conn, "%s", why);
}

/* Not the peer that we expect: tell it, and end. */
static void abort_sa(struct exchange *ex, const char *why)
{
	struct ike_sa *sa = ex->ex_sa;

	snprintf(sa->sa_reason, sizeof(sa->sa_reason), "%s", why);
	ike_sa_log(sa, CORE_WARNING, "%s", why);
	if (ex->ex_child)
		child_down(ex->ex_child, false);
	ike_sa_set_state(sa, IKE_DELETING);
	exchange_queue(sa, EX_ABORT);
	exchange_end(ex);
}

void auth_refused(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *sa = ex->ex_sa;
	u16 type = msg_notify_error(msg)->mn_type;
	char name[16], id[CONF_ID_STRLEN];

	conf_id_print(&sa->sa_id_local, id, sizeof(id));
	if (type == N_AUTHENTICATION_FAILED)
		ike_sa_fail(sa, "the peer refused: AUTHENTICATION_FAILED (psk, or local-id %.50s)",
			    id);
	else
		ike_sa_fail(sa, "the peer refused IKE_AUTH: %s",
			    msg_notify_name(type, name));
}

static bool take_auth(struct exchange *ex, const struct message *msg)
{
	if (msg->msg_auth_method != AUTH_METHOD_PSK ||
	    msg->msg_auth.blob_len > sizeof(ex->ex_auth))
		return false;
	ex->ex_auth_len = msg->msg_auth.blob_len;
	memcpy(ex->ex_auth, msg->msg_auth.blob_data, ex->ex_auth_len);
	return true;
}

void auth_response(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *sa = ex->ex_sa;
	char text[160], id[CONF_ID_STRLEN], expected[CONF_ID_STRLEN];

	if (!conf_id_equal(&sa->sa_id_remote, &msg->msg_id_r.mi_id)) {
		conf_id_print(&msg->msg_id_r.mi_id, id, sizeof(id));
		conf_id_print(&sa->sa_id_remote, expected, sizeof(expected));
		snprintf(text, sizeof(text),
			 "the peer says it is %.50s, not %.50s", id, expected);
		abort_sa(ex, text);
		return;
	}
	if (!take_auth(ex, msg)) {
		snprintf(text, sizeof(text),
			 "the peer authenticates by method %u, not by pre-shared key",
			 msg->msg_auth_method);
		abort_sa(ex, text);
		return;
	}
	offer_take_answer(ex, msg, SELECT_NO_KE);
	ask_auth(ex, IPC_REMOTE, EX_VERIFY);
}

static bool auth_is_right(const struct exchange *ex)
{
	const struct ipc_reply *reply = ex->ex_reply;

	return !reply->ir_errno && reply->ir_len == ex->ex_auth_len &&
		reply->ir_len &&
		!CRYPTO_memcmp(reply->ir_auth, ex->ex_auth, ex->ex_auth_len);
}

void auth_verified(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *sa = ex->ex_sa;
	struct msg_blob no_secret = { NULL, 0 };
	char text[64], name[16];

	(void)msg;
	if (!auth_is_right(ex)) {
		abort_sa(ex, "the peer's AUTH is wrong: another pre-shared key");
		return;
	}
	ike_sa_up(sa);
	if (sa->sa_state != IKE_ESTABLISHED) {
		exchange_end(ex);	/* the other side was faster */
		return;
	}
	if (ex->ex_refusal) {
		snprintf(text, sizeof(text), "the peer refused it: %s",
			 msg_notify_name(ex->ex_refusal, name));
		child_failed(ex, text);
		return;
	}
	if (!ex->ex_child->child_spi_out) {
		child_failed(ex, "the peer chose what we did not offer");
		return;
	}
	ex->ex_child->child_ni = sa->sa_ni;
	ex->ex_child->child_nr = sa->sa_nr;
	if (!child_derive(ex->ex_child, &no_secret)) {
		child_failed(ex, "no keys");
		return;
	}
	offer_install(ex, IPC_DIR_IN | IPC_DIR_OUT);
}

void auth_installed(struct exchange *ex, const struct message *msg)
{
	struct child *child = ex->ex_child;

	(void)msg;
	if (!child) {
		exchange_end(ex);
		return;
	}
	if (ex->ex_reply->ir_errno) {
		offer_not_installed(ex);
		exchange_end(ex);
		return;
	}
	child_has(child, IPC_DIR_IN | IPC_DIR_OUT);
	child_up(child);
	exchange_end(ex);
}

/* Theirs. */
static void fail_auth(struct exchange *ex, const char *why)
{
	struct ike_sa *sa = ex->ex_sa;

	ike_sa_log(sa, CORE_WARNING, "IKE_AUTH refused: %s", why);
	snprintf(sa->sa_reason, sizeof(sa->sa_reason), "%s", why);
	if (ex->ex_child)
		child_down(ex->ex_child, false);
	exchange_refuse(ex, N_AUTHENTICATION_FAILED, NULL, 0);
	ike_sa_linger(sa);
}

void auth_request(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *sa = ex->ex_sa;
	struct conn *conn = auth_find_conn(sa, msg);
	char text[80];

	if (!conn) {
		fail_auth(ex, "nobody expects this peer");
		return;
	}
	sa->sa_conn = conn;
	sa->sa_id_remote = msg->msg_id_i.mi_id;
	conn_local_id(conn, &sa->sa_path, &sa->sa_id_local);
	sa->sa_initial_contact = msg_notify(msg, N_INITIAL_CONTACT);
	if (!take_auth(ex, msg)) {
		snprintf(text, sizeof(text),
			 "it authenticates by method %u, not by pre-shared key",
			 msg->msg_auth_method);
		fail_auth(ex, text);
		return;
	}
	offer_take_request(ex, msg, SELECT_NO_KE);
	ask_auth(ex, IPC_REMOTE, EX_VERIFY);
}

void auth_request_verified(struct exchange *ex, const struct message *msg)
{
	(void)msg;
	if (ex->ex_reply->ir_errno) {
		ike_sa_log(ex->ex_sa, CORE_WARNING, "no pre-shared key: %s",
			   ex->ex_reply->ir_text);
		fail_auth(ex, "its AUTH cannot be verified");
		return;
	}
	if (!auth_is_right(ex)) {
		fail_auth(ex, "its AUTH is wrong: another pre-shared key");
		return;
	}
	ask_auth(ex, IPC_LOCAL, EX_PSK);
}

static void answer(struct exchange *ex)
{
	struct ike_sa *sa = ex->ex_sa;
	struct child *child = ex->ex_child;
	struct emit em;

	exchange_emit(ex, &em);
	emit_id(&em, PAYLOAD_ID_R, &sa->sa_id_local);
	emit_auth(&em, AUTH_METHOD_PSK, ex->ex_auth, ex->ex_auth_len);
	if (ex->ex_refusal)
		emit_notify(&em, ex->ex_refusal, NULL, 0);
	else
		offer_emit_answer(ex, &em);
	ike_sa_assign(sa, sa->sa_conn);
	exchange_answer(ex, &em);
	if (sa->sa_dead)
		return;
	conn_tell_chosen(sa);
	ike_sa_up(sa);
	if (ex->ex_refusal && child)
		child_down(child, false);
	else if (!ex->ex_refusal && child->child_dirs & IPC_DIR_OUT)
		child_up(child);
	else if (!ex->ex_refusal)
		child_receive(child, NULL, ike_sa_loses(sa) ?
			      CHILD_OVERDUE_MS : CHILD_CHANGE_MS);
	if (ex->ex_refusal)
		conn_failed(sa->sa_conn, "the peer's child SA was refused");
}

static void refuse_child(struct exchange *ex, u16 notify, const char *why)
{
	ike_sa_log(ex->ex_sa, CORE_WARNING, "no child SA: %s", why);
	ex->ex_refusal = notify;
	answer(ex);
}

void auth_request_signed(struct exchange *ex, const struct message *msg)
{
	const struct ipc_reply *reply = ex->ex_reply;
	struct ipc_msg ask;

	(void)msg;
	if (reply->ir_errno || reply->ir_len > sizeof(ex->ex_auth)) {
		fail_auth(ex, "we cannot authenticate");
		return;
	}
	ex->ex_auth_len = reply->ir_len;
	memcpy(ex->ex_auth, reply->ir_auth, reply->ir_len);
	if (ex->ex_refusal) {
		answer(ex);
		return;
	}
	core_ask_init(&ask, IPC_CONN_UP, name_of(ex->ex_sa));
	exchange_ask(ex, EX_CONN, &ask);
}

void auth_request_conn(struct exchange *ex, const struct message *msg)
{
	(void)msg;
	if (ex->ex_reply->ir_errno) {
		refuse_child(ex, N_TEMPORARY_FAILURE, ex->ex_reply->ir_text);
		return;
	}
	conn_is_set_up(ex->ex_sa->sa_conn, ex->ex_reply);
	offer_ask_spi(ex);
}

/*
 * Nothing shall be sent through an SA that its initiator will delete. And a
 * peer that began anew, with SAs of before still up, has not installed this
 * one yet: it shall hear from us through the old one for a moment longer.
 */
static u32 dirs_of(const struct ike_sa *sa)
{
	if (ike_sa_loses(sa) ||
	    (conn_child(sa->sa_conn) && !sa->sa_initial_contact))
		return IPC_DIR_IN;
	return IPC_DIR_IN | IPC_DIR_OUT;
}

void auth_request_spi(struct exchange *ex, const struct message *msg)
{
	struct msg_blob no_secret = { NULL, 0 };
	struct child *child = ex->ex_child;

	(void)msg;
	if (ex->ex_reply->ir_errno) {
		refuse_child(ex, N_TEMPORARY_FAILURE, ex->ex_reply->ir_text);
		return;
	}
	child->child_spi_in = ex->ex_reply->ir_spi;
	child->child_ni = ex->ex_sa->sa_ni;
	child->child_nr = ex->ex_sa->sa_nr;
	ex->ex_dirs = dirs_of(ex->ex_sa);
	if (child_derive(child, &no_secret))
		offer_install(ex, ex->ex_dirs);
	else
		refuse_child(ex, N_NO_PROPOSAL_CHOSEN, "no keys");
}

void auth_request_installed(struct exchange *ex, const struct message *msg)
{
	(void)msg;
	if (ex->ex_reply->ir_errno) {
		refuse_child(ex, N_TEMPORARY_FAILURE, ex->ex_reply->ir_text);
		return;
	}
	child_has(ex->ex_child, ex->ex_dirs);
	answer(ex);
}
