// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * CREATE_CHILD_SA (RFC 7296 sections 1.3, 2.8, 2.25): one more child SA, or a
 * new one for an old. Whoever asks installs both directions when the answer is
 * there and then deletes the old one; whoever answers receives on the new one
 * from the start and sends on it once the old one is deleted. So there is no
 * moment at which either side sends what the other cannot take.
 */
#include <stdio.h>
#include <string.h>

#include "conn.h"
#include "exchange.h"
#include "explain.h"
#include "offer.h"
#include "wire.h"

#define CHILD_TRIES	3	/* INVALID_KE_PAYLOAD */

/* Ours, at its end without a child: the old one gets another chance. */
static void give_up(struct exchange *ex, const char *why)
{
	struct ike_sa *sa = ex->ex_sa;
	struct child *old = ex->ex_old;
	bool rekey = ex->ex_purpose == EX_CHILD_REKEY;

	ike_sa_log(sa, CORE_WARNING, "%s failed: %s", exchange_name(ex), why);
	if (ex->ex_child)
		child_down(ex->ex_child, false);
	if (old && old->child_state == CHILD_REKEYING)
		child_rekey_later(old);
	exchange_end(ex);
	if (rekey)
		conn_rekeyed(sa->sa_conn, why);
	else
		conn_no_child(sa->sa_conn, sa, ex->ex_group, why);
}

void child_start(struct exchange *ex, const struct message *msg)
{
	(void)msg;
	if (ex->ex_purpose == EX_CHILD_REKEY &&
	    (!ex->ex_old || ex->ex_old->child_state != CHILD_REKEYING)) {
		exchange_end(ex);	/* replaced or gone meanwhile */
		conn_rekeyed(ex->ex_sa->sa_conn, NULL);
		return;
	}
	if (ex->ex_old)
		ex->ex_group = ex->ex_old->child_group;
	ex->ex_child = child_new(ex->ex_sa, true);
	if (!ex->ex_child || !nonce_make(&ex->ex_ni))
		give_up(ex, "out of memory");
	else
		offer_ask_spi(ex);
}

static void start_ke(struct exchange *ex, u16 group)
{
	ke_free(ex->ex_ke);
	ex->ex_ke = ke_new(group);
	if (ex->ex_ke)
		exchange_run_ke(ex, EX_PAIR);
	else
		give_up(ex, "unknown key exchange group");
}

void child_have_spi(struct exchange *ex, const struct message *msg)
{
	const struct conf_conn *conf = &ex->ex_sa->sa_conn->cn_conf;
	u16 group = select_id(&conf->conn_esp[0], TRANSFORM_KE);

	(void)msg;
	if (ex->ex_reply->ir_errno) {
		give_up(ex, ex->ex_reply->ir_text);
		return;
	}
	ex->ex_child->child_spi_in = ex->ex_reply->ir_spi;
	if (group)
		start_ke(ex, group);
	else
		child_send(ex, NULL);
}

void child_send(struct exchange *ex, const struct message *msg)
{
	struct emit em;

	(void)msg;
	if (ex->ex_ke && ex->ex_ke->ke_failed) {
		give_up(ex, "key exchange failed");
		return;
	}
	if (ex->ex_purpose == EX_CHILD_REKEY && !ex->ex_old) {
		give_up(ex, "the child SA is gone");
		return;
	}
	ex->ex_id = ex->ex_sa->sa_window.win_next;
	exchange_emit(ex, &em);
	if (ex->ex_old)
		emit_notify_child(&em, child_protocol(ex->ex_old), N_REKEY_SA,
				  ex->ex_old->child_spi_in);
	emit_nonce(&em, ex->ex_ni.nonce_data, ex->ex_ni.nonce_len);
	if (ex->ex_ke)
		emit_ke(&em, ex->ex_ke->ke_group, ex->ex_ke->ke_public,
			ex->ex_ke->ke_public_len);
	offer_emit(ex, &em, SELECT_ALL);
	exchange_send(ex, &em);
}

static bool is_configured(const struct conf_conn *conf, u16 group)
{
	const struct transform tr = {
		.tr_type = TRANSFORM_KE, .tr_id = group,
	};
	unsigned int i;

	for (i = 0; i < conf->conn_nesp; i++)
		if (proposal_has(&conf->conn_esp[i], &tr))
			return true;
	return false;
}

void child_invalid_ke(struct exchange *ex, const struct message *msg)
{
	const struct msg_notify_payload *mn =
		msg_notify(msg, N_INVALID_KE_PAYLOAD);
	u16 group;

	if (mn->mn_data.blob_len != 2 || ex->ex_tries >= CHILD_TRIES) {
		give_up(ex, "the peer refused: INVALID_KE_PAYLOAD");
		return;
	}
	ex->ex_tries++;
	group = get_be16(mn->mn_data.blob_data);
	if (is_configured(&ex->ex_sa->sa_conn->cn_conf, group))
		start_ke(ex, group);
	else
		give_up(ex, "the peer wants a key exchange group that is not configured");
}

void child_refused(struct exchange *ex, const struct message *msg)
{
	const struct msg_notify_payload *mn = msg ? msg_notify_error(msg) : NULL;
	const struct conf_conn *conf = &ex->ex_sa->sa_conn->cn_conf;
	struct child *old = ex->ex_old;
	struct conn *conn = ex->ex_sa->sa_conn;
	char text[64], name[16];

	if (!mn) {
		give_up(ex, "the answer makes no sense");
		return;
	}
	if (mn->mn_type == N_SINGLE_PAIR_REQUIRED)
		conn_takes_single(ex);
	if (mn->mn_type == N_NO_PROPOSAL_CHOSEN)
		explain_offer(ex->ex_sa, conf->conn_esp, conf->conn_nesp);
	snprintf(text, sizeof(text), "the peer refused: %s",
		 msg_notify_name(mn->mn_type, name));
	give_up(ex, text);
	if (mn->mn_type == N_CHILD_SA_NOT_FOUND && old &&
	    old->child_state == CHILD_INSTALLED) {
		child_down(old, false);
		conn_child_gone(conn);
	}
}

/*
 * Both sides asked to replace the same child. Of the two replacements the one
 * with the lowest of the four nonces goes (section 2.8.1), deleted by the side
 * that asked for it; the other side deletes the old child.
 */
static bool loses(const struct exchange *ex)
{
	const struct exchange *theirs = followup_rival(ex) ?:
					ex->ex_sa->sa_theirs;
	const struct child *rival = ex->ex_rival;

	if (rival)
		return nonce_pair_lower(&ex->ex_ni, &ex->ex_nr,
					&rival->child_ni, &rival->child_nr);
	/* Being made at this moment, with its nonces settled. */
	return theirs && theirs->ex_purpose == EX_CHILD_REKEY && ex->ex_old &&
		theirs->ex_old == ex->ex_old &&
		nonce_pair_lower(&ex->ex_ni, &ex->ex_nr, &theirs->ex_ni,
				 &theirs->ex_nr);
}

static void lose(struct exchange *ex)
{
	struct ike_sa *sa = ex->ex_sa;
	struct child *old = ex->ex_old;

	ike_sa_log(sa, CORE_INFO,
		   "both sides rekeyed at once: the peer's child SA stays");
	if (old && old->child_state == CHILD_REKEYING) {
		if (ex->ex_rival)
			child_replaced(old);
		else
			child_rekey_later(old);
	}
	if (followup_left(ex))
		child_down(ex->ex_child, false);	/* the peer has no half */
	else
		child_delete(ex->ex_child);
	exchange_end(ex);
	conn_rekeyed(sa->sa_conn, NULL);
}

/* The secret is there, or none is needed. */
static void derive(struct exchange *ex)
{
	struct child *child = ex->ex_child;
	struct ike_secret secret;

	child->child_ni = ex->ex_ni;
	child->child_nr = ex->ex_nr;
	secret = exchange_secret(ex);
	if (loses(ex)) {
		lose(ex);
	} else if (followup_left(ex)) {
		followup_start(ex);
	} else if (child_derive(child, &secret)) {
		offer_install(ex, IPC_DIR_IN | IPC_DIR_OUT);
	} else {
		child_delete(child);
		ex->ex_child = NULL;
		give_up(ex, "no keys");
	}
}

void child_response(struct exchange *ex, const struct message *msg)
{
	u16 group;

	nonce_copy(&ex->ex_nr, &msg->msg_nonce);
	offer_take_answer(ex, msg, SELECT_ALL);
	if (!ex->ex_child->child_spi_out) {
		give_up(ex, "the peer chose what we did not offer");
		return;
	}
	if (ex->ex_unwanted) {
		child_delete(ex->ex_child);
		ex->ex_child = NULL;
		give_up(ex, ex->ex_unwanted);
		return;
	}
	group = select_id(&ex->ex_child->child_proposal, TRANSFORM_KE);
	followup_choose(ex, &ex->ex_child->child_proposal);
	if (!group) {
		ke_free(ex->ex_ke);
		ex->ex_ke = NULL;
		derive(ex);
		return;
	}
	if (!ex->ex_ke || ex->ex_ke->ke_group != group ||
	    msg->msg_ke_group != group || !followup_link(ex, msg) ||
	    ke_set_peer(ex->ex_ke, msg->msg_ke.blob_data,
			msg->msg_ke.blob_len)) {
		child_delete(ex->ex_child);
		ex->ex_child = NULL;
		give_up(ex, "the peer's key exchange does not fit");
		return;
	}
	exchange_run_ke(ex, EX_SECRET);
}

void child_secret(struct exchange *ex, const struct message *msg)
{
	(void)msg;
	if (!ex->ex_child) {
		give_up(ex, "the child SA is gone");
		return;
	}
	if (exchange_gather(ex)) {
		derive(ex);
		return;
	}
	child_delete(ex->ex_child);
	ex->ex_child = NULL;
	give_up(ex, "key exchange failed");
}

void child_installed(struct exchange *ex, const struct message *msg)
{
	struct child *child = ex->ex_child, *old = ex->ex_old;
	struct conn *conn = ex->ex_sa->sa_conn;

	(void)msg;
	if (!child) {
		give_up(ex, "the peer deleted it at once");
		return;
	}
	if (ex->ex_reply->ir_errno) {
		offer_not_installed(ex);
		ex->ex_child = NULL;
		give_up(ex, ex->ex_reply->ir_text);
		return;
	}
	child_has(child, IPC_DIR_IN | IPC_DIR_OUT);
	child_up(child);
	if (ex->ex_rival && child_alive(ex->ex_rival))
		child_replaced(ex->ex_rival);
	if (old && child_alive(old)) {
		child_replaced(old);
		child_delete(old);
	}
	exchange_end(ex);
	if (ex->ex_purpose == EX_CHILD_REKEY)
		conn_rekeyed(conn, NULL);
}

/* Theirs. */
enum ex_purpose child_purpose(const struct message *msg)
{
	if (msg_notify(msg, N_REKEY_SA))
		return EX_CHILD_REKEY;
	if (msg->msg_n_proposals &&
	    msg->msg_proposals[0].mp_protocol == PROTO_IKE)
		return EX_IKE_REKEY;
	return EX_CHILD_NEW;
}

/* CHILD_SA_NOT_FOUND names the SA that was asked for. */
static void refuse_unknown(struct exchange *ex,
			   const struct msg_notify_payload *mn)
{
	struct emit em;

	ike_sa_log(ex->ex_sa, CORE_INFO, "%s refused with CHILD_SA_NOT_FOUND",
		   exchange_name(ex));
	exchange_emit(ex, &em);
	emit_open(&em, PAYLOAD_NOTIFY);
	emit_u8(&em, mn->mn_protocol);
	emit_u8(&em, (u8)mn->mn_spi.blob_len);
	emit_u16(&em, N_CHILD_SA_NOT_FOUND);
	emit_bytes(&em, mn->mn_spi.blob_data, mn->mn_spi.blob_len);
	emit_close(&em);
	exchange_answer(ex, &em);
}

/* That child is agreed on, but not installed yet: the peer was faster. */
static bool is_being_installed(const struct ike_sa *sa, u32 spi_out)
{
	const struct exchange *ours = sa->sa_ours;

	return ours && ours->ex_child && ours->ex_child->child_spi_out == spi_out;
}

/* The child to be replaced; NULL, with the request answered, if it cannot be. */
static struct child *find_old(struct exchange *ex, const struct message *msg)
{
	const struct msg_notify_payload *mn = msg_notify(msg, N_REKEY_SA);
	struct child *old = NULL;
	u32 spi;

	if (mn->mn_spi.blob_len == sizeof(spi)) {
		memcpy(&spi, mn->mn_spi.blob_data, sizeof(spi));
		old = child_by_spi_out(ex->ex_sa, spi);
		if (!old && is_being_installed(ex->ex_sa, spi)) {
			exchange_refuse_why(ex, N_TEMPORARY_FAILURE, "it is being installed");
			return NULL;
		}
	}
	if (!old || child_protocol(old) != mn->mn_protocol) {
		refuse_unknown(ex, mn);
		return NULL;
	}
	if (!child_alive(old)) {
		exchange_refuse_why(ex, N_TEMPORARY_FAILURE, "it is being deleted");
		return NULL;
	}
	if (ex->ex_sa->sa_ours && ex->ex_sa->sa_ours->ex_type == IKE_FOLLOWUP_KE &&
	    ex->ex_sa->sa_ours->ex_old == old) {
		exchange_refuse_why(ex, N_TEMPORARY_FAILURE, "it is being rekeyed");
		return NULL;
	}
	return old;
}

static unsigned int count_children(const struct ike_sa *sa)
{
	const struct child *child;
	unsigned int count = 0;

	for (child = sa->sa_children; child; child = child->child_next)
		count++;
	return count;
}

void child_request(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *sa = ex->ex_sa;
	u16 group;

	if (sa->sa_state != IKE_ESTABLISHED ||
	    (sa->sa_ours && sa->sa_ours->ex_purpose == EX_IKE_REKEY)) {
		exchange_refuse_why(ex, N_TEMPORARY_FAILURE,
				    "the IKE SA is being replaced or deleted");
		return;
	}
	if (count_children(sa) >= IKE_CHILDREN_MAX) {
		exchange_refuse_why(ex, N_NO_ADDITIONAL_SAS, "too many child SAs");
		return;
	}
	if (ex->ex_purpose == EX_CHILD_REKEY) {
		ex->ex_old = find_old(ex, msg);
		if (!ex->ex_old)
			return;
	}
	nonce_copy(&ex->ex_ni, &msg->msg_nonce);
	offer_take_request(ex, msg, SELECT_ALL);
	if (ex->ex_refusal || !nonce_make(&ex->ex_nr)) {
		exchange_refuse_why(ex, ex->ex_refusal ? ex->ex_refusal :
		       N_TEMPORARY_FAILURE, "see above");
		return;
	}
	group = select_id(&ex->ex_child->child_proposal, TRANSFORM_KE);
	followup_choose(ex, &ex->ex_child->child_proposal);
	if (!group)
		offer_ask_spi(ex);
	else if (exchange_take_ke(ex, msg, group))
		exchange_run_ke(ex, EX_SECRET);
}

void child_request_secret(struct exchange *ex, const struct message *msg)
{
	(void)msg;
	if (exchange_gather(ex)) {
		offer_ask_spi(ex);
		return;
	}
	exchange_refuse_why(ex, N_INVALID_SYNTAX, "bad key exchange value");
	ike_sa_linger(ex->ex_sa);
}

/* Nonce, KE and what was chosen; of IKE_FOLLOWUP_KE only the KE. */
static void emit_answer(struct exchange *ex, struct emit *em)
{
	bool first = ex->ex_type == CREATE_CHILD_SA;

	exchange_emit(ex, em);
	if (first)
		emit_nonce(em, ex->ex_nr.nonce_data, ex->ex_nr.nonce_len);
	if (ex->ex_ke)
		emit_ke(em, ex->ex_ke->ke_group, ex->ex_ke->ke_public,
			ex->ex_ke->ke_public_len);
	if (first)
		offer_emit_answer(ex, em);
}

/* The keys are there, or first there is more to exchange. */
static void request_keyed(struct exchange *ex)
{
	struct ike_secret secret = exchange_secret(ex);
	struct emit em;

	if (followup_left(ex)) {
		emit_answer(ex, &em);
		followup_park(ex, &em);
	} else if (!child_derive(ex->ex_child, &secret)) {
		exchange_refuse_why(ex, N_NO_PROPOSAL_CHOSEN, "no keys");
	} else {
		offer_install(ex, ex->ex_old ? IPC_DIR_IN :
			      IPC_DIR_IN | IPC_DIR_OUT);
	}
}

void child_request_more(struct exchange *ex, const struct message *msg)
{
	(void)msg;
	if (!ex->ex_child || (ex->ex_purpose == EX_CHILD_REKEY && !ex->ex_old)) {
		exchange_refuse_why(ex, N_TEMPORARY_FAILURE, "it is being deleted");
	} else if (exchange_gather(ex)) {
		request_keyed(ex);
	} else {
		exchange_refuse_why(ex, N_INVALID_SYNTAX,
				    "bad key exchange value");
		ike_sa_linger(ex->ex_sa);
	}
}

void child_request_spi(struct exchange *ex, const struct message *msg)
{
	struct child *child = ex->ex_child;

	(void)msg;
	if (ex->ex_reply->ir_errno) {
		exchange_refuse_why(ex, N_TEMPORARY_FAILURE, ex->ex_reply->ir_text);
		return;
	}
	child->child_spi_in = ex->ex_reply->ir_spi;
	child->child_ni = ex->ex_ni;
	child->child_nr = ex->ex_nr;
	request_keyed(ex);
}

/* Our own request for the same, if it is under way, learns of its rival. */
static void replace(struct exchange *ex)
{
	struct ike_sa *sa = ex->ex_sa;
	struct child *old = ex->ex_old;

	child_receive(ex->ex_child, old, CHILD_OVERDUE_MS);
	if (sa->sa_ours && sa->sa_ours->ex_purpose == EX_CHILD_REKEY &&
	    sa->sa_ours->ex_old == old)
		sa->sa_ours->ex_rival = ex->ex_child;
	else
		child_replaced(old);
}

void child_request_installed(struct exchange *ex, const struct message *msg)
{
	struct child *child = ex->ex_child, *old = ex->ex_old;
	struct conn *conn = ex->ex_sa->sa_conn;
	bool rekey = ex->ex_purpose == EX_CHILD_REKEY;
	struct emit em;

	(void)msg;
	if (ex->ex_reply->ir_errno) {
		exchange_refuse_why(ex, N_TEMPORARY_FAILURE, ex->ex_reply->ir_text);
		return;
	}
	child_has(child, rekey ? IPC_DIR_IN : IPC_DIR_IN | IPC_DIR_OUT);
	if (rekey && (!old || !child_alive(old))) {
		exchange_refuse_why(ex, N_TEMPORARY_FAILURE, "it is being deleted");
		return;
	}
	emit_answer(ex, &em);
	if (rekey)
		replace(ex);
	exchange_answer(ex, &em);
	if (rekey)
		conn_rekeyed(conn, NULL);
	else if (child->child_state == CHILD_NEW)
		child_up(child);
}
