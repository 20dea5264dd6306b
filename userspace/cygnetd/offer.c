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

	core_ask_init(&msg, IPC_SPI, conf_of(ex)->conn_name);
	msg.im_spi.is_local = ex->ex_sa->sa_path.cp_local.ep_addr;
	exchange_ask(ex, EX_SPI, &msg);
}

/* The packet that wants protection goes first (RFC 7296 section 2.9). */
static void emit_selectors(const struct exchange *ex, struct emit *em, u8 type,
			   bool local)
{
	const struct conf_conn *conf = conf_of(ex);
	struct ts list[CONF_TS_MAX + 1];
	size_t count = 0;

	if (ex->ex_has_packet)
		list[count++] = local ? ex->ex_packet.pair_local :
			ex->ex_packet.pair_remote;
	count += select_offer(list + count, CONF_TS_MAX, conf->conn_pairs,
			      conf->conn_npairs, local);
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
}

static void take_selection(struct child *child, const struct selection *sel)
{
	child->child_proposal = sel->sel_proposal;
	child->child_offer = sel->sel_number;
	memcpy(&child->child_spi_out, sel->sel_spi, MSG_ESP_SPI_LEN);
}

static bool narrow(struct exchange *ex, struct child *child,
		   const struct msg_ts *local, const struct msg_ts *remote)
{
	const struct conf_conn *conf = conf_of(ex);

	child->child_n_ts = (u8)select_narrow(child->child_ts, conf->conn_pairs,
					      conf->conn_npairs, local, remote);
	if (!child->child_n_ts)
		explain_selectors(ex->ex_sa, local, remote, conf);
	return child->child_n_ts;
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
	if (narrow(ex, child, &msg->msg_ts_i, &msg->msg_ts_r))
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
	if (!narrow(ex, child, &msg->msg_ts_r, &msg->msg_ts_i)) {
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
