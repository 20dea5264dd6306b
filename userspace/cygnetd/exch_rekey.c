// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * CREATE_CHILD_SA for a new IKE SA in place of an old one (RFC 7296 sections
 * 1.3.2, 2.8, 2.18, 2.25.2). The new one inherits the children and what is
 * queued; whoever asked then deletes the old one.
 *
 * Where both ask at once there are two new SAs. Until our own request is
 * answered the peer's new SA is its rival: it exists, and waits. Then the one
 * with the lowest of the four nonces goes, deleted by the side that asked for
 * it, and the other side deletes the old SA.
 */
#include <string.h>

#include "conn.h"
#include "exchange.h"
#include "explain.h"
#include "select.h"
#include "wire.h"

#define REKEY_TRIES	3	/* INVALID_KE_PAYLOAD */

static const u8 no_spi[MSG_SPI_LEN];

/* The same two ends; everything cryptographic is still to come. */
static struct ike_sa *new_sa(struct ike_sa *old, bool initiator)
{
	struct ike_sa *sa = ike_sa_new(old->sa_core, old->sa_conn,
				       &old->sa_path, initiator);

	if (!sa)
		return NULL;
	sa->sa_nat_local = old->sa_nat_local;
	sa->sa_nat_remote = old->sa_nat_remote;
	sa->sa_encap = old->sa_encap;
	sa->sa_natt = old->sa_natt;
	sa->sa_mobike = old->sa_mobike;
	sa->sa_mobile = old->sa_mobile;
	sa->sa_reauth_at = old->sa_reauth_at;
	sa->sa_fragments = old->sa_fragments;
	sa->sa_small_fragments = old->sa_small_fragments;
	sa->sa_id_local = old->sa_id_local;
	sa->sa_id_remote = old->sa_id_remote;
	return sa;
}

static bool make_keys(struct exchange *ex)
{
	struct ike_sa *old = ex->ex_sa, *sa = ex->ex_new;
	struct ike_secret secret = exchange_secret(ex);
	struct msg_blob ni = nonce_blob(&ex->ex_ni);
	struct msg_blob nr = nonce_blob(&ex->ex_nr);

	if (!crypto_ike_rekey(&sa->sa_keys, &sa->sa_suite,
			      old->sa_suite.suite_prf, &old->sa_keys.keys_d,
			      &secret, &ni, &nr, sa->sa_spi_i, sa->sa_spi_r))
		return false;
	sa->sa_ni = ex->ex_ni;
	sa->sa_nr = ex->ex_nr;
	return true;
}

static void set_rival(struct exchange *ex, struct ike_sa *rival)
{
	ex->ex_rival_sa = rival;
	rival->sa_rival_of = ex->ex_sa;
}

struct ike_sa *rekey_take_rival(struct ike_sa *old)
{
	struct exchange *ex = old->sa_ours;
	struct ike_sa *rival = ex ? ex->ex_rival_sa : NULL;

	if (rival) {
		ex->ex_rival_sa = NULL;
		rival->sa_rival_of = NULL;
	}
	return rival;
}

bool rekey_yield(struct ike_sa *old)
{
	struct ike_sa *rival = rekey_take_rival(old);

	if (!rival)
		return false;
	exchange_drop(old->sa_ours);
	ike_sa_inherit(rival, old);
	return true;
}

/* Ours, at its end without a new SA: the peer's will do, if there is one. */
static void give_up(struct exchange *ex, const char *why, bool again)
{
	struct ike_sa *sa = ex->ex_sa;
	struct conn *conn = sa->sa_conn;

	ike_sa_log(sa, CORE_INFO, "%s failed: %s", exchange_name(ex), why);
	if (rekey_yield(sa))
		return;
	exchange_end(ex);
	if (sa->sa_state == IKE_ESTABLISHED)
		ike_sa_rekey_failed(sa, again);
	conn_ike_rekeyed(conn, why);
}

static void start_ke(struct exchange *ex, u16 group)
{
	ke_free(ex->ex_ke);
	ex->ex_ke = ke_new(group);
	if (ex->ex_ke)
		exchange_run_ke(ex, EX_PAIR);
	else
		give_up(ex, "unknown key exchange group", false);
}

static bool is_configured(const struct conf_conn *conf, u16 group)
{
	const struct transform tr = {
		.tr_type = TRANSFORM_KE, .tr_id = group,
	};
	unsigned int i;

	for (i = 0; i < conf->conn_nike; i++)
		if (proposal_has(&conf->conn_ike[i], &tr))
			return true;
	return false;
}

/* The group in use is one that the peer likes. */
void rekey_start(struct exchange *ex, const struct message *msg)
{
	const struct conf_conn *conf = &ex->ex_sa->sa_conn->cn_conf;
	u16 group = ex->ex_sa->sa_suite.suite_ke;

	(void)msg;
	if (!is_configured(conf, group))
		group = select_id(&conf->conn_ike[0], TRANSFORM_KE);
	if (ex->ex_sa->sa_state != IKE_ESTABLISHED) {
		exchange_end(ex);
		conn_ike_rekeyed(ex->ex_sa->sa_conn, "it is being deleted");
		return;
	}
	ex->ex_new = new_sa(ex->ex_sa, true);
	if (!ex->ex_new || !nonce_make(&ex->ex_ni))
		give_up(ex, "out of memory", true);
	else
		start_ke(ex, group);
}

void rekey_send(struct exchange *ex, const struct message *msg)
{
	const struct conf_conn *conf = &ex->ex_sa->sa_conn->cn_conf;
	struct emit em;

	(void)msg;
	if (ex->ex_ke->ke_failed) {
		give_up(ex, "key exchange failed", true);
		return;
	}
	ex->ex_id = ex->ex_sa->sa_window.win_next;
	exchange_emit(ex, &em);
	emit_sa(&em, conf->conn_ike, conf->conn_nike, ex->ex_new->sa_spi_i,
		MSG_SPI_LEN);
	emit_nonce(&em, ex->ex_ni.nonce_data, ex->ex_ni.nonce_len);
	emit_ke(&em, ex->ex_ke->ke_group, ex->ex_ke->ke_public,
		ex->ex_ke->ke_public_len);
	exchange_send(ex, &em);
}

void rekey_invalid_ke(struct exchange *ex, const struct message *msg)
{
	const struct msg_notify_payload *mn =
		msg_notify(msg, N_INVALID_KE_PAYLOAD);
	u16 group;

	if (mn->mn_data.blob_len != 2 || ex->ex_tries >= REKEY_TRIES) {
		give_up(ex, "the peer refused: INVALID_KE_PAYLOAD", false);
		return;
	}
	ex->ex_tries++;
	group = get_be16(mn->mn_data.blob_data);
	if (is_configured(&ex->ex_sa->sa_conn->cn_conf, group))
		start_ke(ex, group);
	else
		give_up(ex, "the peer wants a key exchange group that is not configured",
			false);
}

void rekey_refused(struct exchange *ex, const struct message *msg)
{
	const struct msg_notify_payload *mn = msg ? msg_notify_error(msg) : NULL;
	const struct conf_conn *conf = &ex->ex_sa->sa_conn->cn_conf;
	char text[64], name[16];

	if (!mn) {
		give_up(ex, "the answer makes no sense", false);
		return;
	}
	if (mn->mn_type == N_NO_PROPOSAL_CHOSEN)
		explain_offer(ex->ex_sa, conf->conn_ike, conf->conn_nike);
	snprintf(text, sizeof(text), "the peer refused: %s",
		 msg_notify_name(mn->mn_type, name));
	give_up(ex, text, mn->mn_type == N_TEMPORARY_FAILURE ||
		mn->mn_type == N_STATE_NOT_FOUND);
}

static void chosen(struct ike_sa *sa, const struct selection *sel, u8 *spi)
{
	memcpy(spi, sel->sel_spi, MSG_SPI_LEN);
	sa->sa_proposal = sel->sel_proposal;
	select_suite(&sa->sa_suite, &sel->sel_proposal);
}

/* The peer has a new SA now that we cannot have: only a fresh start helps. */
void rekey_response(struct exchange *ex, const struct message *msg)
{
	const struct conf_conn *conf = &ex->ex_sa->sa_conn->cn_conf;
	struct selection sel;

	if (!select_answer(&sel, conf->conn_ike, conf->conn_nike, msg,
			   SELECT_IKE_REKEY) ||
	    !memcmp(sel.sel_spi, no_spi, MSG_SPI_LEN)) {
		explain_offers(ex->ex_sa, msg, conf->conn_ike,
			       conf->conn_nike);
		give_up(ex, "the peer chose what we did not offer", false);
		return;
	}
	if (msg->msg_ke_group != ex->ex_ke->ke_group ||
	    select_id(&sel.sel_proposal, TRANSFORM_KE) != msg->msg_ke_group ||
	    ke_set_peer(ex->ex_ke, msg->msg_ke.blob_data,
			msg->msg_ke.blob_len)) {
		give_up(ex, "the peer's key exchange does not fit", false);
		return;
	}
	followup_choose(ex, &sel.sel_proposal);
	if (!followup_link(ex, msg)) {
		give_up(ex, "the peer does not say how to go on", false);
		return;
	}
	chosen(ex->ex_new, &sel, ex->ex_new->sa_spi_r);
	nonce_copy(&ex->ex_nr, &msg->msg_nonce);
	exchange_run_ke(ex, EX_SECRET);
}

static bool lower(const struct ike_sa *a, const struct ike_sa *b)
{
	return nonce_pair_lower(&a->sa_ni, &a->sa_nr, &b->sa_ni, &b->sa_nr);
}

/*
 * Ours has keys. One of it and its rival goes on, and of the SAs that do not,
 * we delete those that the peer leaves to us.
 */
static void settle(struct ike_sa *old, struct ike_sa *sa, struct ike_sa *rival)
{
	bool lost = rival && lower(sa, rival);
	bool ending = old->sa_state == IKE_DELETING;

	ike_sa_begin(sa);
	if (rival)
		ike_sa_log(old, CORE_INFO,
			   "both sides rekeyed at once: IKE SA %u stays",
			   (lost ? rival : sa)->sa_number);
	ike_sa_inherit(lost ? rival : sa, old);
	if (rival && !lost)
		ike_sa_replaced(rival);
	ike_sa_delete(lost ? sa : old);
	if (ending)
		ike_sa_delete(lost ? rival : sa);
}

/* Nothing of ours exists yet that would have to be deleted. */
static bool loses_early(const struct exchange *ex)
{
	const struct exchange *theirs = followup_rival(ex);
	const struct ike_sa *rival = ex->ex_rival_sa;

	if (theirs)
		return nonce_pair_lower(&ex->ex_ni, &ex->ex_nr, &theirs->ex_ni,
					&theirs->ex_nr);
	return rival && nonce_pair_lower(&ex->ex_ni, &ex->ex_nr, &rival->sa_ni,
					 &rival->sa_nr);
}

void rekey_keyed(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *old = ex->ex_sa, *sa = ex->ex_new;

	(void)msg;
	if (exchange_gather(ex) && followup_left(ex)) {
		if (loses_early(ex))
			give_up(ex, "both sides rekeyed at once", true);
		else
			followup_start(ex);
		return;
	}
	if (ex->ex_ke->ke_failed || !make_keys(ex)) {
		give_up(ex, "key exchange failed", false);
		return;
	}
	ex->ex_new = NULL;
	settle(old, sa, rekey_take_rival(old));
	exchange_end(ex);
}

/* Theirs. Why not now, or NULL: the cases of section 2.25.2. */
static const char *not_now(const struct exchange *ex)
{
	const struct ike_sa *sa = ex->ex_sa;
	const struct exchange *ours = sa->sa_ours;

	if (sa->sa_state != IKE_ESTABLISHED)
		return "the IKE SA is being replaced or deleted";
	if (ours && ours->ex_purpose != EX_IKE_REKEY &&
	    ours->ex_purpose != EX_LIVENESS)
		return "a child SA is being made or deleted";
	if (ours && (ours->ex_rival_sa || ours->ex_type == IKE_FOLLOWUP_KE))
		return "it has been rekeyed already";
	if (ike_sa_count_same(sa) >= IKE_SAME_MAX)
		return "too many IKE SAs wait for their end";
	return NULL;
}

void rekey_request(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *sa = ex->ex_sa;
	const struct conf_conn *conf = &sa->sa_conn->cn_conf;
	const char *why = not_now(ex);
	struct selection sel;

	if (why) {
		exchange_refuse_why(ex, N_TEMPORARY_FAILURE, why);
		return;
	}
	if (!select_proposal(&sel, conf->conn_ike, conf->conn_nike, msg,
			     SELECT_IKE_REKEY) ||
	    !memcmp(sel.sel_spi, no_spi, MSG_SPI_LEN)) {
		explain_offers(sa, msg, conf->conn_ike, conf->conn_nike);
		exchange_refuse_why(ex, N_NO_PROPOSAL_CHOSEN,
				    "no proposal fits");
		return;
	}
	ex->ex_new = new_sa(sa, false);
	if (!ex->ex_new || !nonce_make(&ex->ex_nr)) {
		exchange_refuse_why(ex, N_TEMPORARY_FAILURE, "out of memory");
		return;
	}
	chosen(ex->ex_new, &sel, ex->ex_new->sa_spi_i);
	ex->ex_offer = sel.sel_number;
	followup_choose(ex, &sel.sel_proposal);
	nonce_copy(&ex->ex_ni, &msg->msg_nonce);
	if (exchange_take_ke(ex, msg,
			     select_id(&sel.sel_proposal, TRANSFORM_KE)))
		exchange_run_ke(ex, EX_SECRET);
}

/* What our own request, if it is under way, has to do with it. */
static void succeed(struct ike_sa *old, struct ike_sa *sa)
{
	struct exchange *ours = old->sa_ours;

	ike_sa_begin(sa);
	if (ours && ours->ex_purpose == EX_IKE_REKEY) {
		if (ours->ex_state == EX_MESSAGE ||
		    ours->ex_state == EX_SECRET) {
			set_rival(ours, sa);
			return;
		}
		exchange_drop(ours);	/* the peer knows nothing of it */
	}
	ike_sa_inherit(sa, old);
}

void rekey_answer(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *old = ex->ex_sa, *sa = ex->ex_new;
	const char *why = not_now(ex);
	struct emit em;

	(void)msg;
	if (why) {
		exchange_refuse_why(ex, N_TEMPORARY_FAILURE, why);
		return;
	}
	if (!exchange_gather(ex) || (!followup_left(ex) && !make_keys(ex))) {
		exchange_refuse_why(ex, N_INVALID_SYNTAX,
				    "bad key exchange value");
		ike_sa_linger(old);
		return;
	}
	exchange_emit(ex, &em);
	if (ex->ex_type == CREATE_CHILD_SA) {
		emit_sa_chosen(&em, &sa->sa_proposal, ex->ex_offer,
			       sa->sa_spi_r, MSG_SPI_LEN);
		emit_nonce(&em, ex->ex_nr.nonce_data, ex->ex_nr.nonce_len);
	}
	emit_ke(&em, ex->ex_ke->ke_group, ex->ex_ke->ke_public,
		ex->ex_ke->ke_public_len);
	if (followup_left(ex)) {
		followup_park(ex, &em);
		return;
	}
	ex->ex_new = NULL;
	succeed(old, sa);
	exchange_answer(ex, &em);
}
