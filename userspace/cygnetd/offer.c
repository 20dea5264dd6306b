// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The child SA of an exchange.
 */
#include <openssl/crypto.h>
#include <string.h>

#include "conn.h"
#include "explain.h"
#include "offer.h"

static const struct conf_conn *conf_of(const struct exchange *ex)
{
	return &ex->ex_sa->sa_conn->cn_conf;
}

void offer_ask_spi(struct exchange *ex)
{
	struct ipc_msg msg;

	if (ex->ex_role == EX_OURS)
		ex->ex_child->child_group = ex->ex_group;
	core_ask_init(&msg, IPC_SPI, conf_of(ex)->conn_name);
	msg.im_spi.is_local = ex->ex_sa->sa_path.cp_local.ep_addr;
	exchange_ask(ex, EX_SPI, &msg);
}

/* The packet that wants protection goes first (RFC 7296 section 2.9). */
static void emit_selectors(const struct exchange *ex, struct emit *em, u8 type,
			   bool local)
{
	struct ts list[CONF_TS_MAX + 1];
	const struct ts_pair *pairs;
	size_t count = 0, n_pairs;

	if (ex->ex_has_packet)
		list[count++] = local ? ex->ex_packet.pair_local :
			ex->ex_packet.pair_remote;
	pairs = conf_child_pairs(conf_of(ex), ex->ex_group, &n_pairs);
	if (ex->ex_old) {
		/* A rekey is for the same as before (section 2.9.2). */
		pairs = ex->ex_old->child_ts;
		n_pairs = ex->ex_old->child_n_ts;
	} else if (count && ex->ex_sa->sa_conn->cn_single) {
		n_pairs = 0;
	}
	count += select_offer(list + count, CONF_TS_MAX, pairs, n_pairs, local);
	emit_ts(em, type, list, count);
}

void offer_emit(struct exchange *ex, struct emit *em, enum select_rule rule)
{
	const struct conf_conn *conf = conf_of(ex);
	struct proposal props[PROPOSALS_MAX];
	u32 spi = ex->ex_child->child_spi_in;

	if (rule == SELECT_NO_KE)
		select_strip_ke(props, conf->conn_esp, conf->conn_nesp);
	emit_sa(em, rule == SELECT_NO_KE ? props : conf->conn_esp,
		conf->conn_nesp, &spi, sizeof(spi));
	emit_selectors(ex, em, PAYLOAD_TS_I, true);
	emit_selectors(ex, em, PAYLOAD_TS_R, false);
}

void offer_emit_answer(struct exchange *ex, struct emit *em)
{
	const struct child *child = ex->ex_child;
	u32 spi = child->child_spi_in;
	struct ts list[CONF_TS_MAX];
	size_t count;

	emit_sa_chosen(em, &child->child_proposal, child->child_offer, &spi,
		       sizeof(spi));
	count = select_offer(list, CONF_TS_MAX, child->child_ts,
			     child->child_n_ts, false);
	emit_ts(em, PAYLOAD_TS_I, list, count);
	count = select_offer(list, CONF_TS_MAX, child->child_ts,
			     child->child_n_ts, true);
	emit_ts(em, PAYLOAD_TS_R, list, count);
	if (ex->ex_more)
		emit_notify(em, N_ADDITIONAL_TS_POSSIBLE, NULL, 0);
}

static void take_selection(struct child *child, const struct selection *sel)
{
	child->child_proposal = sel->sel_proposal;
	child->child_offer = sel->sel_number;
	memcpy(&child->child_spi_out, sel->sel_spi, MSG_ESP_SPI_LEN);
}

/* What both want of one of the configuration's children. */
static size_t narrow(struct exchange *ex, u8 group, struct ts_pair *out,
		     const struct msg_ts *local, const struct msg_ts *remote)
{
	const struct ts_pair *pairs;
	size_t count;

	pairs = conf_child_pairs(conf_of(ex), group, &count);
	return select_narrow(out, pairs, count, local, remote);
}

static bool take_group(struct exchange *ex, struct child *child, u8 group,
		       const struct msg_ts *local, const struct msg_ts *remote)
{
	child->child_group = group;
	child->child_n_ts = (u8)narrow(ex, group, child->child_ts, local,
				       remote);
	if (!child->child_n_ts)
		explain_selectors(ex->ex_sa, local, remote, conf_of(ex));
	return child->child_n_ts;
}

/*
 * How well one of our children serves the peer: it should have what its first
 * selectors say, which may be the packet that it has in hand, and it should not
 * be there yet. 0: it does not fit at all.
 */
static unsigned int suits(struct exchange *ex, u8 group,
			  const struct msg_ts *local,
			  const struct msg_ts *remote)
{
	struct ts_pair out[CONF_TS_MAX];
	struct msg_ts first[2] = {
		{ .mts_count = 1, .mts_ts = { local->mts_ts[0] } },
		{ .mts_count = 1, .mts_ts = { remote->mts_ts[0] } },
	};

	if (!narrow(ex, group, out, local, remote))
		return 0;
	return 1 + !conn_child_of(ex->ex_sa->sa_conn, group) +
		2 * !!narrow(ex, group, out, &first[0], &first[1]);
}

/* Which of our children a request of the peer is for. */
static u8 choose_group(struct exchange *ex, const struct msg_ts *local,
		       const struct msg_ts *remote)
{
	unsigned int best = 0, rank, fitting = 0;
	u8 group, chosen = 0;

	if (ex->ex_old)
		return ex->ex_old->child_group;
	for (group = 0; group < conf_of(ex)->conn_nchildren; group++) {
		rank = suits(ex, group, local, remote);
		fitting += !!rank;
		if (rank > best) {
			best = rank;
			chosen = group;
		}
	}
	ex->ex_more = fitting > 1;
	return chosen;
}

void offer_take_answer(struct exchange *ex, const struct message *msg,
		       enum select_rule rule)
{
	const struct conf_conn *conf = conf_of(ex);
	const struct msg_notify_payload *mn = msg_notify_error(msg);
	struct child *child = ex->ex_child;
	struct selection sel;

	if (!(msg->msg_seen & PL(SA))) {
		ex->ex_refusal = mn ? mn->mn_type : N_NO_PROPOSAL_CHOSEN;
		if (ex->ex_refusal == N_SINGLE_PAIR_REQUIRED)
			conn_takes_single(ex);
		if (ex->ex_refusal == N_NO_PROPOSAL_CHOSEN)
			explain_offer(ex->ex_sa, conf->conn_esp,
				      conf->conn_nesp);
		return;
	}
	if (!select_answer(&sel, conf->conn_esp, conf->conn_nesp, msg, rule)) {
		explain_offers(ex->ex_sa, msg, conf->conn_esp,
			       conf->conn_nesp);
		return;
	}
	if (take_group(ex, child, ex->ex_group, &msg->msg_ts_i, &msg->msg_ts_r))
		take_selection(child, &sel);
}

void offer_take_request(struct exchange *ex, const struct message *msg,
			enum select_rule rule)
{
	const struct conf_conn *conf = conf_of(ex);
	struct ike_sa *sa = ex->ex_sa;
	struct selection sel;
	struct child *child;

	if (!select_proposal(&sel, conf->conn_esp, conf->conn_nesp, msg,
			     rule)) {
		ike_sa_log(sa, CORE_WARNING, "no ESP proposal fits");
		explain_offers(sa, msg, conf->conn_esp, conf->conn_nesp);
		ex->ex_refusal = N_NO_PROPOSAL_CHOSEN;
		return;
	}
	child = child_new(sa, false);
	if (!child) {
		ex->ex_refusal = N_TEMPORARY_FAILURE;
		return;
	}
	ex->ex_child = child;
	take_selection(child, &sel);
	if (!take_group(ex, child,
			choose_group(ex, &msg->msg_ts_r, &msg->msg_ts_i),
			&msg->msg_ts_r, &msg->msg_ts_i)) {
		ike_sa_log(sa, CORE_WARNING, "no traffic selectors fit");
		ex->ex_refusal = N_TS_UNACCEPTABLE;
	}
}

void offer_install(struct exchange *ex, u32 dirs)
{
	struct ipc_msg msg;

	core_ask_init(&msg, IPC_CHILD_ADD, conf_of(ex)->conn_name);
	child_fill(ex->ex_child, dirs, &msg);
	exchange_ask(ex, EX_INSTALL, &msg);
	OPENSSL_cleanse(&msg, sizeof(msg));
}

void offer_not_installed(struct exchange *ex)
{
	struct ike_sa *sa = ex->ex_sa;

	ike_sa_log(sa, CORE_ERROR, "child SA %u cannot be installed: %s",
		   ex->ex_child->child_number, ex->ex_reply->ir_text);
	child_delete(ex->ex_child);
	conn_failed(sa->sa_conn, "the child SA cannot be installed: %s",
		    ex->ex_reply->ir_text);
}
