// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The child SA of an exchange.
 */
#include <openssl/crypto.h>
#include <string.h>

#include "conn.h"
#include "explain.h"
#include "natt.h"
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

/*
 * The pairs of one of the configuration's children, between the addresses of
 * the IKE SA where the hosts themselves are meant.
 */
static size_t own_pairs(const struct exchange *ex, u8 group,
			struct ts_pair out[CONF_TS_MAX])
{
	const struct core_path *path = &ex->ex_sa->sa_path;
	const struct ts_pair *pairs;
	size_t i, count;

	pairs = conf_child_pairs(conf_of(ex), group, &count);
	for (i = 0; i < count; i++) {
		out[i] = pairs[i];
		ts_pair_fill(&out[i], &path->cp_local.ep_addr,
			     &path->cp_remote.ep_addr);
	}
	return count;
}

static bool is_transport(const struct exchange *ex)
{
	return conf_of(ex)->conn_mode == CONF_MODE_TRANSPORT;
}

/* The packet that wants protection goes first (RFC 7296 section 2.9). */
static void emit_selectors(const struct exchange *ex, struct emit *em, u8 type,
			   bool local)
{
	struct ts_pair own[CONF_TS_MAX];
	struct ts list[CONF_TS_MAX + 1];
	const struct ts_pair *pairs = own;
	size_t count = 0, n_pairs;

	if (ex->ex_has_packet)
		list[count++] = local ? ex->ex_packet.pair_local :
			ex->ex_packet.pair_remote;
	n_pairs = own_pairs(ex, ex->ex_group, own);
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

/*
 * In transport mode nothing says where padding begins that is longer than a
 * trailer can tell (RFC 4303 section 2.7); in tunnel mode the inner packet does.
 */
static void emit_mode(const struct exchange *ex, struct emit *em)
{
	if (!is_transport(ex))
		return;
	emit_notify(em, N_USE_TRANSPORT_MODE, NULL, 0);
	if (conf_protocol(conf_of(ex)) == PROTO_ESP)
		emit_notify(em, N_ESP_TFC_PADDING_NOT_SUPPORTED, NULL, 0);
}

void offer_emit(struct exchange *ex, struct emit *em, enum select_rule rule)
{
	const struct conf_conn *conf = conf_of(ex);
	struct proposal props[PROPOSALS_MAX];
	u32 spi = ex->ex_child->child_spi_in;

	emit_mode(ex, em);
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

	emit_mode(ex, em);
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
	struct ts_pair pairs[CONF_TS_MAX];
	size_t count = own_pairs(ex, group, pairs);

	return select_narrow(out, pairs, count, local, remote);
}

/* What one side of the peer's says, seen from our side of a NAT. */
static struct msg_ts seen_here(const struct msg_ts *mts, bool translated,
			       const struct ip_addr *addr)
{
	struct msg_ts out = *mts;
	unsigned int i;

	for (i = 0; translated && i < out.mts_count; i++)
		out.mts_ts[i].ts_addrs = (struct ip_range){ *addr, *addr };
	return out;
}

/*
 * The peer's selectors for our side and its own. In transport mode they are of
 * addresses that a NAT has changed on the way (RFC 7296 section 2.23.1).
 */
static void take_selectors(const struct exchange *ex, const struct message *msg,
			   struct msg_ts *local, struct msg_ts *remote)
{
	const struct ike_sa *sa = ex->ex_sa;
	bool ours = ex->ex_role == EX_OURS;
	bool change = is_transport(ex);

	*local = seen_here(ours ? &msg->msg_ts_i : &msg->msg_ts_r,
			   change && sa->sa_nat_local,
			   &sa->sa_path.cp_local.ep_addr);
	*remote = seen_here(ours ? &msg->msg_ts_r : &msg->msg_ts_i,
			    change && sa->sa_nat_remote,
			    &sa->sa_path.cp_remote.ep_addr);
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

/* Both must want the same mode; NULL, or who does not. */
static const char *mode_differs(const struct exchange *ex,
				const struct message *msg)
{
	bool theirs = msg_notify(msg, N_USE_TRANSPORT_MODE);

	if (theirs == is_transport(ex))
		return NULL;
	explain_blame(ex->ex_sa->sa_conn, ex->ex_role == EX_OURS, CONF_MODE);
	return theirs ? "the peer wants transport mode, which is not configured" :
			"the peer wants tunnel mode, but mode = transport is configured";
}

void offer_take_answer(struct exchange *ex, const struct message *msg,
		       enum select_rule rule)
{
	const struct conf_conn *conf = conf_of(ex);
	const struct msg_notify_payload *mn = msg_notify_error(msg);
	struct child *child = ex->ex_child;
	struct msg_ts local, remote;
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
	take_selectors(ex, msg, &local, &remote);
	if (!take_group(ex, child, ex->ex_group, &local, &remote))
		return;
	take_selection(child, &sel);
	ex->ex_unwanted = mode_differs(ex, msg);
}

static bool overlap(const struct child *a, const struct child *b)
{
	struct ts both;
	unsigned int i, k;

	for (i = 0; i < a->child_n_ts; i++)
		for (k = 0; k < b->child_n_ts; k++)
			if (ts_intersect(&both, &a->child_ts[i].pair_local,
					 &b->child_ts[k].pair_local) &&
			    ts_intersect(&both, &a->child_ts[i].pair_remote,
					 &b->child_ts[k].pair_remote))
				return true;
	return false;
}

/*
 * In transport mode two clients behind one NAT have the same address here.
 * Packets to what both have selected could go to one of them alone.
 */
static bool is_taken(const struct exchange *ex, const struct child *child)
{
	const struct ike_sa *sa = ex->ex_sa, *other;
	const struct conn *conn;
	const struct child *has;

	for (conn = sa->sa_core->core_conns; conn; conn = conn->cn_next)
		for (other = conn->cn_sas; other; other = other->sa_next_conn)
			for (has = other->sa_children; has; has = has->child_next)
				if (conn->cn_conf.conn_mode ==
				    CONF_MODE_TRANSPORT && child_alive(has) &&
				    !conf_id_equal(&other->sa_id_remote,
						   &sa->sa_id_remote) &&
				    overlap(has, child))
					return true;
	return false;
}

void offer_take_request(struct exchange *ex, const struct message *msg,
			enum select_rule rule)
{
	const struct conf_conn *conf = conf_of(ex);
	struct ike_sa *sa = ex->ex_sa;
	struct msg_ts local, remote;
	struct selection sel;
	struct child *child;
	const char *why;

	if (!select_proposal(&sel, conf->conn_esp, conf->conn_nesp, msg,
			     rule)) {
		ike_sa_log(sa, CORE_WARNING, "no %s proposal fits",
			   conf_protocol(conf) == PROTO_AH ? "AH" : "ESP");
		explain_offers(sa, msg, conf->conn_esp, conf->conn_nesp);
		ex->ex_refusal = N_NO_PROPOSAL_CHOSEN;
		return;
	}
	/* Asked for transport mode, one may answer with tunnel mode. */
	why = is_transport(ex) ? mode_differs(ex, msg) : NULL;
	if (!why)
		why = natt_refusal(sa);
	if (why) {
		ike_sa_log(sa, CORE_WARNING, "%s", why);
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
	take_selectors(ex, msg, &local, &remote);
	if (!take_group(ex, child, choose_group(ex, &local, &remote), &local,
			&remote)) {
		ike_sa_log(sa, CORE_WARNING, "no traffic selectors fit");
		ex->ex_refusal = N_TS_UNACCEPTABLE;
	} else if (is_transport(ex) && is_taken(ex, child)) {
		ike_sa_log(sa, CORE_WARNING,
			   "another client behind the same NAT has these selectors: only tunnel mode keeps the two apart");
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
