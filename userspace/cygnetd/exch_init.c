// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * IKE_SA_INIT (RFC 7296 sections 1.2, 2.6, 2.7, 2.10, 2.23): nothing in it is
 * authenticated yet. IKE_AUTH covers both messages.
 */
#include <stdio.h>
#include <string.h>

#include "auth.h"
#include "conn.h"
#include "cookie.h"
#include "exchange.h"
#include "explain.h"
#include "natt.h"
#include "redirect.h"
#include "select.h"
#include "wire.h"

#define INIT_TRIES	3	/* INVALID_KE_PAYLOAD and COOKIE together */
#define INIT_GRACE_MS	2000	/* for a true answer after an error */
#define PORT_NATT	4500	/* of peers */

static bool force_encap(const struct ike_sa *sa)
{
	return sa->sa_conn->cn_conf.conn_encapsulation == CONF_ENCAP_UDP;
}

static void start_ke(struct exchange *ex, u16 group)
{
	ke_free(ex->ex_ke);
	ex->ex_ke = ke_new(group);
	if (!ex->ex_ke) {
		ike_sa_fail(ex->ex_sa, "cannot do key exchange group %u",
			    group);
		return;
	}
	exchange_run_ke(ex, EX_PAIR);
}

/* Ours: a nonce and the group that we like best. */
void init_start(struct exchange *ex, const struct message *msg)
{
	const struct conf_conn *conf = &ex->ex_sa->sa_conn->cn_conf;

	(void)msg;
	if (!nonce_make(&ex->ex_ni)) {
		ike_sa_fail(ex->ex_sa, "no randomness");
		return;
	}
	start_ke(ex, select_id(&conf->conn_ike[0], TRANSFORM_KE));
}

/* Without the notify they would count as unknown (RFC 9370 section 2.2.1). */
static enum select_rule rule_for(const struct message *msg)
{
	return msg_notify(msg, N_INTERMEDIATE_EXCHANGE_SUPPORTED) ?
	       SELECT_ALL : SELECT_NO_ADDKE;
}

static bool offers_addke(const struct conf_conn *conf)
{
	u16 ids[SUITE_ADDKE_MAX];
	unsigned int i;

	for (i = 0; i < conf->conn_nike; i++)
		if (select_addke(&conf->conn_ike[i], ids))
			return true;
	return false;
}

void init_send(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *sa = ex->ex_sa;
	const struct conf_conn *conf = &sa->sa_conn->cn_conf;
	struct msg_header hdr;
	struct emit em;

	(void)msg;
	if (ex->ex_ke->ke_failed) {
		ike_sa_fail(sa, "key exchange failed");
		return;
	}
	ike_sa_header(sa, &hdr);
	exchange_emit(ex, &em);
	if (ex->ex_cookie_len)
		emit_notify(&em, N_COOKIE, ex->ex_cookie, ex->ex_cookie_len);
	emit_sa(&em, conf->conn_ike, conf->conn_nike, NULL, 0);
	emit_ke(&em, ex->ex_ke->ke_group, ex->ex_ke->ke_public,
		ex->ex_ke->ke_public_len);
	emit_nonce(&em, ex->ex_ni.nonce_data, ex->ex_ni.nonce_len);
	natt_emit(&em, &hdr, &sa->sa_path, force_encap(sa));
	if (conf->conn_fragment_size)
		emit_notify(&em, N_FRAGMENTATION_SUPPORTED, NULL, 0);
	redirect_emit(ex, &em);
	if (conf->conn_ppk_id[0])
		emit_notify(&em, N_USE_PPK, NULL, 0);
	if (offers_addke(conf))
		emit_notify(&em, N_INTERMEDIATE_EXCHANGE_SUPPORTED, NULL, 0);
	auth_emit_init(sa, &em);
	if (!emit_finish(&em) ||
	    !ike_sa_keep_init(&sa->sa_init_i, &sa->sa_init_i_len, em.em_data,
			      em.em_len)) {
		ike_sa_fail(sa, "cannot make an IKE_SA_INIT message");
		return;
	}
	exchange_send(ex, &em);
}

/* Nobody vouches for these answers: they may cost a try, nothing else. */
static bool may_try_again(struct exchange *ex)
{
	if (ex->ex_tries >= INIT_TRIES)
		return false;
	ex->ex_tries++;
	window_withdraw(ex->ex_sa);
	return true;
}

void init_cookie(struct exchange *ex, const struct message *msg)
{
	const struct msg_notify_payload *mn = msg_notify(msg, N_COOKIE);
	size_t len = mn->mn_data.blob_len;

	if (!len || len > sizeof(ex->ex_cookie) || !may_try_again(ex))
		return;
	ike_sa_log(ex->ex_sa, CORE_INFO, "the peer asks for its cookie");
	memcpy(ex->ex_cookie, mn->mn_data.blob_data, len);
	ex->ex_cookie_len = (u8)len;
	init_send(ex, NULL);
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

void init_invalid_ke(struct exchange *ex, const struct message *msg)
{
	const struct msg_notify_payload *mn =
		msg_notify(msg, N_INVALID_KE_PAYLOAD);
	struct ike_sa *sa = ex->ex_sa;
	u16 group;

	if (mn->mn_data.blob_len != 2)
		return;
	group = get_be16(mn->mn_data.blob_data);
	if (!is_configured(&sa->sa_conn->cn_conf, group)) {
		ike_sa_log(sa, CORE_WARNING,
			   "the peer wants key exchange group %u, which is not configured",
			   group);
		init_refused(ex, msg);
		return;
	}
	if (group == ex->ex_ke->ke_group || !may_try_again(ex))
		return;
	ike_sa_log(sa, CORE_INFO, "the peer wants key exchange group %u",
		   group);
	start_ke(ex, group);
}

/* Anybody can forge this: a true answer may still come. */
void init_refused(struct exchange *ex, const struct message *msg)
{
	const struct msg_notify_payload *mn = msg_notify_error(msg);
	struct ike_sa *sa = ex->ex_sa;
	char name[16];

	if (sa->sa_reason[0])
		return;
	snprintf(sa->sa_reason, sizeof(sa->sa_reason),
		 "the peer refused IKE_SA_INIT: %s, %s",
		 msg_notify_name(mn->mn_type, name), explain_notify(mn->mn_type));
	ike_sa_log(sa, CORE_WARNING, "%s", sa->sa_reason);
	if (mn->mn_type == N_NO_PROPOSAL_CHOSEN)
		explain_offer(sa, sa->sa_conn->cn_conf.conn_ike,
			      sa->sa_conn->cn_conf.conn_nike);
	window_hasten(sa, INIT_GRACE_MS);
}

static void take_abilities(struct ike_sa *sa, const struct message *msg)
{
	sa->sa_fragments = sa->sa_conn->cn_conf.conn_fragment_size &&
		msg_notify(msg, N_FRAGMENTATION_SUPPORTED);
	sa->sa_childless = msg_notify(msg, N_CHILDLESS_IKEV2_SUPPORTED);
	sa->sa_does_ppk = msg_notify(msg, N_USE_PPK);
}

/* Whose connection it is IKE_AUTH will tell. */
static bool anybody_has_ppk(const struct ike_sa *sa)
{
	struct conn *conn = NULL;

	while ((conn = conn_match(sa->sa_core, conn, &sa->sa_path)))
		if (conn->cn_conf.conn_ppk_id[0])
			return true;
	return false;
}

static void chosen(struct ike_sa *sa, const struct proposal *prop)
{
	sa->sa_proposal = *prop;
	select_suite(&sa->sa_suite, prop);
}

/* What is wrong with the answer to our IKE_SA_INIT, or NULL. */
static const char *check_response(struct exchange *ex,
				  const struct message *msg,
				  struct selection *sel)
{
	const struct conf_conn *conf = &ex->ex_sa->sa_conn->cn_conf;
	static const u8 zero[MSG_SPI_LEN];
	const u8 *spi = msg->msg_hdr.hdr_spi_r;

	if (!memcmp(spi, zero, MSG_SPI_LEN))
		return "no responder SPI";
	if (!memcmp(spi, ex->ex_sa->sa_spi_i, MSG_SPI_LEN) ||
	    (msg->msg_nonce.blob_len == ex->ex_ni.nonce_len &&
	     !memcmp(msg->msg_nonce.blob_data, ex->ex_ni.nonce_data,
		     ex->ex_ni.nonce_len)))
		return "our own message comes back";
	if (!select_answer(sel, conf->conn_ike, conf->conn_nike, msg,
			   rule_for(msg)))
		return "it chose what we did not offer";
	if (msg->msg_ke_group != ex->ex_ke->ke_group ||
	    select_id(&sel->sel_proposal, TRANSFORM_KE) != msg->msg_ke_group)
		return "key exchange of another group";
	return ke_set_peer(ex->ex_ke, msg->msg_ke.blob_data,
			   msg->msg_ke.blob_len);
}

/* Anybody can forge this, too: a true answer may still come. */
static bool lacks_ppk(struct ike_sa *sa, const struct message *msg)
{
	const struct conf_conn *conf = &sa->sa_conn->cn_conf;

	if (!conf->conn_ppk_id[0] || !conf->conn_ppk_required ||
	    msg_notify(msg, N_USE_PPK))
		return false;
	if (sa->sa_reason[0])
		return true;
	snprintf(sa->sa_reason, sizeof(sa->sa_reason),
		 "the peer uses no PPK (RFC 8784), but ppk-required = yes is configured");
	ike_sa_log(sa, CORE_WARNING, "%s", sa->sa_reason);
	explain_blame(sa->sa_conn, true, CONF_PPK_REQUIRED);
	window_hasten(sa, INIT_GRACE_MS);
	return true;
}

void init_response(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *sa = ex->ex_sa;
	struct selection sel;
	const char *err = check_response(ex, msg, &sel);

	if (err) {
		ike_sa_log(sa, CORE_WARNING, "IKE_SA_INIT answer dropped: %s",
			   err);
		if (!select_answer(&sel, sa->sa_conn->cn_conf.conn_ike,
				   sa->sa_conn->cn_conf.conn_nike, msg,
				   rule_for(msg)))
			explain_offers(sa, msg, sa->sa_conn->cn_conf.conn_ike,
				       sa->sa_conn->cn_conf.conn_nike);
		return;
	}
	if (lacks_ppk(sa, msg))
		return;
	if (!ike_sa_keep_init(&sa->sa_init_r, &sa->sa_init_r_len,
			      msg->msg_raw.blob_data, msg->msg_raw.blob_len)) {
		ike_sa_fail(sa, "out of memory");
		return;
	}
	window_answered(sa);
	memcpy(sa->sa_spi_r, msg->msg_hdr.hdr_spi_r, MSG_SPI_LEN);
	chosen(sa, &sel.sel_proposal);
	nonce_copy(&ex->ex_nr, &msg->msg_nonce);
	natt_detect(sa, msg, &sa->sa_path);
	take_abilities(sa, msg);
	auth_take_init(sa, msg);
	exchange_run_ke(ex, EX_SECRET);
}

/* Both sides: SKEYSEED and all that follows from it. */
static bool make_keys(struct exchange *ex)
{
	struct ike_sa *sa = ex->ex_sa;
	struct msg_blob secret = { ex->ex_ke->ke_secret,
				   ex->ex_ke->ke_secret_len };
	struct msg_blob ni = nonce_blob(&ex->ex_ni);
	struct msg_blob nr = nonce_blob(&ex->ex_nr);

	if (ex->ex_ke->ke_failed ||
	    !crypto_ike_keys(&sa->sa_keys, &sa->sa_suite, &secret, &ni, &nr,
			     sa->sa_spi_i, sa->sa_spi_r))
		return false;
	sa->sa_ni = ex->ex_ni;
	sa->sa_nr = ex->ex_nr;
	return true;
}

void init_keyed(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *sa = ex->ex_sa;
	const char *why = natt_refusal(sa);

	(void)msg;
	if (why) {
		ike_sa_fail(sa, "%s", why);
		return;
	}
	if (!make_keys(ex)) {
		ike_sa_fail(sa, "key exchange failed");
		return;
	}
	if ((sa->sa_encap || (sa->sa_natt && sa->sa_conn->cn_conf.conn_mobike)) &&
	    !sa->sa_path.cp_natt) {
		sa->sa_path.cp_natt = 1;
		sa->sa_path.cp_local.ep_port = sa->sa_core->core_natt_port;
		sa->sa_path.cp_remote.ep_port = PORT_NATT;
	}
	ike_sa_set_state(sa, IKE_KEYED);
	conn_tell_chosen(sa);
	if (inter_or_auth(sa, ex))
		exchange_end(ex);
	else
		ike_sa_fail(sa, "out of memory");
}

/* Theirs: answers that need no state and are no longer than the question. */
static void answer_notify(struct core *core, const struct core_path *path,
			  const struct message *msg, u16 notify,
			  const void *data, size_t len)
{
	struct msg_header hdr = msg->msg_hdr;
	struct emit em;

	hdr.hdr_flags = MSG_RESPONSE;
	hdr.hdr_version = MSG_VERSION_2;
	emit_begin(&em, &hdr);
	emit_notify(&em, notify, data, len);
	if (emit_finish(&em) && em.em_len <= msg->msg_raw.blob_len)
		core_send(core, path, em.em_data, em.em_len);
}

static void ask_cookie(struct core *core, const struct core_path *path,
		       const struct message *msg)
{
	u8 cookie[COOKIE_LEN];

	if (cookie_make(&core->core_cookies, core_now(core), msg,
			&path->cp_remote.ep_addr, cookie))
		answer_notify(core, path, msg, N_COOKIE, cookie,
			      sizeof(cookie));
}

/* Who sends this may be answered at all, or has been. */
static bool admit(struct core *core, const struct core_path *path,
		  const struct message *msg, u8 hash[CRYPTO_HASH_LEN])
{
	struct ike_sa *sa;

	crypto_hash(msg->msg_raw.blob_data, msg->msg_raw.blob_len, hash);
	sa = ike_sa_by_init(core, hash);
	if (sa) {
		if (sa->sa_state == IKE_KEYED && !sa->sa_theirs)
			window_resend(sa, path);
		return false;
	}
	sa = core_find_sa(core, msg->msg_hdr.hdr_spi_i);
	if (sa && sa->sa_initiator) {
		core_noise(core, path, "dropped: our own message comes back");
		return false;
	}
	if (core->core_half_open < CORE_HALF_OPEN_COOKIE)
		return true;
	if (!cookie_check(&core->core_cookies, core_now(core), msg,
			  &path->cp_remote.ep_addr)) {
		ask_cookie(core, path, msg);
		return false;
	}
	return core->core_half_open < CORE_HALF_OPEN_MAX;
}

/* The first connection for these addresses that likes one of the offers. */
static struct conn *find_conn(struct core *core, const struct core_path *path,
			      const struct message *msg, struct selection *sel)
{
	struct conn *conn = NULL;

	while ((conn = conn_match(core, conn, path)))
		if (select_proposal(sel, conn->cn_conf.conn_ike,
				    conn->cn_conf.conn_nike, msg,
				    rule_for(msg)))
			return conn;
	conn = conn_match(core, NULL, path);
	if (conn)
		explain_refused(conn, path, msg);
	else
		core_noise(core, path, "IKE_SA_INIT refused: no connection for these addresses");
	return NULL;
}

static void refuse_group(struct core *core, const struct core_path *path,
			 const struct message *msg, u16 group)
{
	u8 data[2];

	core_noise(core, path, "IKE_SA_INIT: key exchange group %u instead of %u asked for",
		   group, msg->msg_ke_group);
	put_be16(data, group);
	answer_notify(core, path, msg, N_INVALID_KE_PAYLOAD, data,
		      sizeof(data));
}

static void begin(struct core *core, struct conn *conn,
		  const struct core_path *path, const struct message *msg,
		  const struct selection *sel, const u8 *hash)
{
	struct ike_sa *sa = ike_sa_new(core, conn, path, false);
	struct exchange *ex;

	if (!sa)
		return;
	memcpy(sa->sa_spi_i, msg->msg_hdr.hdr_spi_i, MSG_SPI_LEN);
	sa->sa_half_open = true;
	core->core_half_open++;
	ike_sa_set_hash(sa, hash);
	window_take(sa, msg->msg_raw.blob_data, msg->msg_raw.blob_len);
	timer_set(&core->core_timers, &sa->sa_timer,
		  core_now(core) + IKE_HALF_OPEN_MS);
	chosen(sa, &sel->sel_proposal);
	ex = exchange_new(sa, EX_THEIRS, EX_INIT);
	if (!ex || !ike_sa_keep_init(&sa->sa_init_i, &sa->sa_init_i_len,
				     msg->msg_raw.blob_data,
				     msg->msg_raw.blob_len)) {
		if (ex)
			exchange_free(ex);
		ike_sa_fail(sa, "out of memory");
		return;
	}
	sa->sa_theirs = ex;
	ex->ex_path = *path;
	ex->ex_offer = sel->sel_number;
	init_request(ex, msg);
}

void init_receive(struct core *core, const struct core_path *path,
		  const u8 *buf, size_t len)
{
	const struct exchange shape = {
		.ex_type = IKE_SA_INIT, .ex_role = EX_THEIRS,
		.ex_purpose = EX_INIT, .ex_state = EX_MESSAGE,
	};
	u8 hash[CRYPTO_HASH_LEN];
	struct selection sel;
	struct message msg;
	struct conn *conn;
	const char *err;
	u32 missing;
	u16 group;

	if (!core->core_ready)
		return;
	err = msg_parse(&msg, buf, len);
	if (!err && len > MSG_INIT_LEN_MAX)
		err = "IKE_SA_INIT too long";
	if (!err && msg.msg_hdr.hdr_id)
		err = "IKE_SA_INIT with a message id";
	if (!err && !msg.msg_critical &&
	    !transition_match(&shape, &msg, &missing))
		err = "IKE_SA_INIT without SA, KE or nonce";
	if (err) {
		core_noise(core, path, "dropped: %s", err);
		return;
	}
	if (msg.msg_critical) {
		core_noise(core, path, "IKE_SA_INIT refused: unknown critical payload %u",
			   msg.msg_critical);
		answer_notify(core, path, &msg, N_UNSUPPORTED_CRITICAL_PAYLOAD,
			      &msg.msg_critical, 1);
		return;
	}
	if (!admit(core, path, &msg, hash))
		return;
	conn = find_conn(core, path, &msg, &sel);
	if (!conn) {
		answer_notify(core, path, &msg, N_NO_PROPOSAL_CHOSEN, NULL, 0);
		return;
	}
	group = select_id(&sel.sel_proposal, TRANSFORM_KE);
	if (group != msg.msg_ke_group)
		refuse_group(core, path, &msg, group);
	else
		begin(core, conn, path, &msg, &sel, hash);
}

void init_request(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *sa = ex->ex_sa;
	const char *err = "out of memory";

	ex->ex_ke = ke_new(msg->msg_ke_group);
	if (ex->ex_ke)
		err = ke_set_peer(ex->ex_ke, msg->msg_ke.blob_data,
				  msg->msg_ke.blob_len);
	if (err || !nonce_make(&ex->ex_nr)) {
		ike_sa_fail(sa, "IKE_SA_INIT refused: %s", err);
		return;
	}
	nonce_copy(&ex->ex_ni, &msg->msg_nonce);
	natt_detect(sa, msg, &ex->ex_path);
	take_abilities(sa, msg);
	auth_take_init(sa, msg);
	exchange_run_ke(ex, EX_SECRET);
}

void init_answer(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *sa = ex->ex_sa;
	struct msg_header hdr;
	struct emit em;

	(void)msg;
	if (!make_keys(ex)) {
		ike_sa_fail(sa, "IKE_SA_INIT refused: key exchange failed");
		return;
	}
	ike_sa_header(sa, &hdr);
	exchange_emit(ex, &em);
	emit_sa_chosen(&em, &sa->sa_proposal, ex->ex_offer, NULL, 0);
	emit_ke(&em, ex->ex_ke->ke_group, ex->ex_ke->ke_public,
		ex->ex_ke->ke_public_len);
	emit_nonce(&em, ex->ex_nr.nonce_data, ex->ex_nr.nonce_len);
	natt_emit(&em, &hdr, &ex->ex_path, force_encap(sa));
	if (sa->sa_fragments)
		emit_notify(&em, N_FRAGMENTATION_SUPPORTED, NULL, 0);
	emit_notify(&em, N_CHILDLESS_IKEV2_SUPPORTED, NULL, 0);
	if (sa->sa_does_ppk && anybody_has_ppk(sa))
		emit_notify(&em, N_USE_PPK, NULL, 0);
	if (inter_group(sa))
		emit_notify(&em, N_INTERMEDIATE_EXCHANGE_SUPPORTED, NULL, 0);
	auth_emit_init(sa, &em);
	if (!emit_finish(&em) ||
	    !ike_sa_keep_init(&sa->sa_init_r, &sa->sa_init_r_len, em.em_data,
			      em.em_len)) {
		ike_sa_fail(sa, "out of memory");
		return;
	}
	ike_sa_set_state(sa, IKE_KEYED);
	exchange_answer(ex, &em);
}
