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
#include "mobike.h"
#include "explain.h"
#include "offer.h"
#include "redirect.h"
#include "select.h"
#include "text.h"
#include "verify.h"
#include "wire.h"

static void fail_auth(struct exchange *ex, const char *why);

static const char *name_of(const struct ike_sa *sa)
{
	return sa->sa_conn->cn_conf.conn_name;
}

/* Our own AUTH value, or the peer's where a pre-shared key makes it. */
static void ask_auth(struct exchange *ex, enum ipc_side side,
		     enum ex_state state)
{
	struct ipc_msg msg;
	const char *err = auth_ask(ex->ex_sa, side, &msg);

	if (!err)
		exchange_ask(ex, state, &msg);
	else if (ex->ex_role == EX_OURS)
		ike_sa_fail(ex->ex_sa, "%s", err);
	else
		fail_auth(ex, err);
	OPENSSL_cleanse(&msg, sizeof(msg));
}

static bool has_ppk(const struct ike_sa *sa)
{
	return sa->sa_conn->cn_conf.conn_ppk_id[0];
}

static void ask_ppk(struct exchange *ex)
{
	const struct ike_keys *keys = &ex->ex_sa->sa_keys;
	const struct ike_key *in[] = { &keys->keys_d, &keys->keys_pi, &keys->keys_pr };
	struct ipc_msg msg;
	unsigned int i;

	core_ask_init(&msg, IPC_PPK, name_of(ex->ex_sa));
	msg.im_ppk.ip_prf = ex->ex_sa->sa_suite.suite_prf;
	for (i = 0; i < ARRAY_SIZE(in); i++)
		memcpy(msg.im_ppk.ip_keys[i], in[i]->key_data, in[i]->key_len);
	exchange_ask(ex, EX_PPK, &msg);
	OPENSSL_cleanse(&msg, sizeof(msg));
}

/* The SA's keys and those without the PPK change places. */
static void swap_keys(struct exchange *ex)
{
	struct ike_keys *keys = &ex->ex_sa->sa_keys;
	struct ike_key *of_sa[] = { &keys->keys_d, &keys->keys_pi, &keys->keys_pr };
	struct ike_key key;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(of_sa); i++) {
		key = *of_sa[i];
		*of_sa[i] = ex->ex_keys[i];
		ex->ex_keys[i] = key;
	}
	OPENSSL_cleanse(&key, sizeof(key));
}

/* What the keeper has answered; false if it has not. */
static bool take_ppk(struct exchange *ex)
{
	size_t i, len = crypto_prf_len(ex->ex_sa->sa_suite.suite_prf);
	const struct ipc_reply *reply = ex->ex_reply;

	if (reply->ir_errno || reply->ir_len != len * ARRAY_SIZE(ex->ex_keys))
		return false;
	for (i = 0; i < ARRAY_SIZE(ex->ex_keys); i++) {
		ex->ex_keys[i].key_len = len;
		memcpy(ex->ex_keys[i].key_data, reply->ir_auth + i * len, len);
	}
	swap_keys(ex);
	ex->ex_sa->sa_ppk = PPK_USED;
	ike_sa_log(ex->ex_sa, CORE_INFO, "PPK %s goes into the keys",
		   ex->ex_sa->sa_conn->cn_conf.conn_ppk_id);
	return true;
}

static void go_without_ppk(struct ike_sa *sa)
{
	sa->sa_ppk = PPK_REFUSED;
	ike_sa_log(sa, CORE_WARNING,
		   "without PPK %s: the peer does not use it, and ppk-required = no",
		   sa->sa_conn->cn_conf.conn_ppk_id);
}

static void begin_auth(struct exchange *ex)
{
	struct ike_sa *sa = ex->ex_sa;

	if (has_ppk(sa) && !sa->sa_does_ppk)
		go_without_ppk(sa);
	if (!has_ppk(sa) || !sa->sa_does_ppk)
		ask_auth(ex, IPC_LOCAL, EX_PSK);
	else if (sa->sa_conn->cn_conf.conn_ppk_required)
		ask_ppk(ex);
	else
		ask_auth(ex, IPC_LOCAL, EX_NO_PPK);
}

void auth_without_ppk(struct exchange *ex, const struct message *msg)
{
	const struct ipc_reply *reply = ex->ex_reply;

	(void)msg;
	if (reply->ir_errno) {
		ike_sa_fail(ex->ex_sa, "we cannot authenticate: %s", reply->ir_text);
		return;
	}
	ex->ex_auth_len = reply->ir_len;
	memcpy(ex->ex_auth, reply->ir_auth, reply->ir_len);
	ask_ppk(ex);
}

void auth_with_ppk(struct exchange *ex, const struct message *msg)
{
	(void)msg;
	if (take_ppk(ex))
		ask_auth(ex, IPC_LOCAL, EX_PSK);
	else
		ike_sa_fail(ex->ex_sa, "no PPK: %s", ex->ex_reply->ir_text);
}

/* Ours. The SPI comes first, since the message carries it. */
void auth_start(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *sa = ex->ex_sa;

	(void)msg;
	conn_local_id(sa->sa_conn, &sa->sa_path, &sa->sa_id_local);
	conn_remote_id(sa->sa_conn, &sa->sa_path, &sa->sa_id_remote);
	ex->ex_childless = sa->sa_childless &&
		sa->sa_conn->cn_conf.conn_childless;
	if (ex->ex_childless) {
		begin_auth(ex);
		return;
	}
	ex->ex_child = child_new(sa, true);
	if (!ex->ex_child) {
		ike_sa_fail(sa, "out of memory");
		return;
	}
	offer_ask_spi(ex);
}

void auth_sign(struct exchange *ex, const struct message *msg)
{
	(void)msg;
	if (ex->ex_reply->ir_errno) {
		ike_sa_fail(ex->ex_sa, "no SPI: %s", ex->ex_reply->ir_text);
		return;
	}
	ex->ex_child->child_spi_in = ex->ex_reply->ir_spi;
	begin_auth(ex);
}

/* Which PPK, and what a peer without it can verify instead. */
static void emit_ppk(const struct exchange *ex, struct emit *em)
{
	const char *name = ex->ex_sa->sa_conn->cn_conf.conn_ppk_id;
	u8 id[1 + CONF_PPK_ID_MAX] = { PPK_ID_FIXED };

	if (ex->ex_sa->sa_ppk != PPK_USED)
		return;
	memcpy(id + 1, name, strlen(name));
	emit_notify(em, N_PPK_IDENTITY, id, 1 + strlen(name));
	if (ex->ex_auth_len)
		auth_emit_no_ppk(ex->ex_sa, em, ex->ex_auth, ex->ex_auth_len);
}

void auth_send(struct exchange *ex, const struct message *msg)
{
	const struct ipc_reply *reply = ex->ex_reply;
	struct ike_sa *sa = ex->ex_sa;
	struct emit em;

	(void)msg;
	if (reply->ir_errno) {
		ike_sa_fail(sa, "we cannot authenticate: %s", reply->ir_text);
		return;
	}
	exchange_emit(ex, &em);
	emit_id(&em, PAYLOAD_ID_I, &sa->sa_id_local);
	auth_emit_certs(sa, &em);
	if (!conf_id_is_pattern(&sa->sa_id_remote))
		emit_id(&em, PAYLOAD_ID_R, &sa->sa_id_remote);
	auth_emit(sa, &em, reply->ir_auth, reply->ir_len);
	emit_ppk(ex, &em);
	if (!conn_holds(sa))
		emit_notify(&em, N_INITIAL_CONTACT, NULL, 0);
	mobike_emit(ex, &em);
	if (!ex->ex_childless)
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

/* What the peer may hold against us; it does not say which. */
static void blame_ours(struct ike_sa *sa)
{
	const struct conf_conn *conf = &sa->sa_conn->cn_conf;

	explain_blame(sa->sa_conn, true,
		      conf->conn_auth_local == CONF_AUTH_PSK ? CONF_PSK :
		      conf->conn_auth_local == CONF_AUTH_CERT ? CONF_CERT :
								CONF_KEY);
	if (sa->sa_ppk == PPK_USED)
		explain_blame(sa->sa_conn, true, CONF_PPK);
	explain_blame(sa->sa_conn, true, CONF_LOCAL_ID);
	explain_blame(sa->sa_conn, true, CONF_REMOTE_ID);
}

/* What the peer's proof is held against. */
static void blame_theirs(struct ike_sa *sa)
{
	const struct conf_conn *conf = &sa->sa_conn->cn_conf;

	explain_blame(sa->sa_conn, sa->sa_initiator,
		      conf->conn_auth_remote == CONF_AUTH_PSK ? CONF_PSK :
		      conf->conn_auth_remote == CONF_AUTH_CERT ? CONF_TRUST :
								 CONF_REMOTE_KEY);
	if (sa->sa_ppk == PPK_USED)
		explain_blame(sa->sa_conn, sa->sa_initiator, CONF_PPK);
}

void auth_refused(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *sa = ex->ex_sa;
	u16 type = msg_notify_error(msg)->mn_type;
	const struct conf_conn *conf = &sa->sa_conn->cn_conf;
	char name[16], id[CONF_ID_STRLEN];

	if (type == N_AUTHENTICATION_FAILED)
		blame_ours(sa);
	conf_id_print(&sa->sa_id_local, id, sizeof(id));
	if (type == N_AUTHENTICATION_FAILED)
		ike_sa_fail(sa, "the peer refused: AUTHENTICATION_FAILED (%s, or local-id %.50s)",
			    conf->conn_auth_local == CONF_AUTH_PSK ? "psk" :
			    "cert or key unknown to it", id);
	else
		ike_sa_fail(sa, "the peer refused IKE_AUTH: %s, %s",
			    msg_notify_name(type, name), explain_notify(type));
}

/* Copies what is compared with the keeper's answer. */
static bool take_psk(struct exchange *ex, const struct msg_blob *auth)
{
	if (auth->blob_len > sizeof(ex->ex_auth))
		return false;
	ex->ex_auth_len = auth->blob_len;
	memcpy(ex->ex_auth, auth->blob_data, ex->ex_auth_len);
	return true;
}

static void give_verify(void *asker, void *arg)
{
	((struct exchange *)asker)->ex_verify = arg;
}

static void free_verify(void *arg)
{
	verify_free(arg);
}

/*
 * What makes the peer's AUTH payload fit for being verified, or what it sent for
 * us to verify instead: false, with the reason in err, if nothing can.
 */
static bool take_auth(struct exchange *ex, const struct message *msg,
		      const struct msg_blob *auth, char *err, size_t err_size)
{
	u8 how = ex->ex_sa->sa_conn->cn_conf.conn_auth_remote;
	bool psk = msg->msg_auth_method == AUTH_METHOD_PSK;

	if (psk ? how != CONF_AUTH_PSK : how == CONF_AUTH_PSK) {
		snprintf(err, err_size,
			 "the peer authenticates by %s, but %s is configured",
			 psk ? "pre-shared key" : "signature",
			 auth_how_name(how));
		blame_theirs(ex->ex_sa);
		return false;
	}
	if (!psk)
		ex->ex_verify = auth_verify(ex->ex_sa, msg, auth, err, err_size);
	else if (!take_psk(ex, auth))
		snprintf(err, err_size, "the peer's AUTH is too long");
	return psk ? ex->ex_auth_len : !!ex->ex_verify;
}

/* After take_auth(): the answer comes to the row that waits for EX_VERIFY. */
static void verify_auth(struct exchange *ex)
{
	const struct core_work what = {
		.cw_run = verify_run, .cw_arg = ex->ex_verify,
		.cw_give = give_verify, .cw_free = free_verify,
	};

	if (!ex->ex_verify) {
		ask_auth(ex, IPC_REMOTE, EX_VERIFY);
		return;
	}
	ex->ex_verify = NULL;
	exchange_run(ex, EX_VERIFY, &what, true);
}

void auth_response(struct exchange *ex, const struct message *msg)
{
	char text[400], id[CONF_ID_STRLEN], expected[CONF_ID_STRLEN];
	struct ike_sa *sa = ex->ex_sa;

	if (!conf_id_fits(&sa->sa_id_remote, &msg->msg_id_r.mi_id)) {
		conf_id_print(&msg->msg_id_r.mi_id, id, sizeof(id));
		conf_id_print(&sa->sa_id_remote, expected, sizeof(expected));
		snprintf(text, sizeof(text),
			 "the peer says it is %.100s, not %.100s", id,
			 expected);
		explain_blame(sa->sa_conn, true, CONF_REMOTE_ID);
		abort_sa(ex, text);
		return;
	}
	sa->sa_id_remote = msg->msg_id_r.mi_id;
	if (sa->sa_ppk == PPK_USED && !msg_notify(msg, N_PPK_IDENTITY)) {
		if (sa->sa_conn->cn_conf.conn_ppk_required) {
			explain_blame(sa->sa_conn, true, CONF_PPK_REQUIRED);
			abort_sa(ex, "the peer goes without our PPK, but it is required");
			return;
		}
		swap_keys(ex);
		go_without_ppk(sa);
	}
	OPENSSL_cleanse(ex->ex_keys, sizeof(ex->ex_keys));
	if (!take_auth(ex, msg, &msg->msg_auth, text, sizeof(text))) {
		abort_sa(ex, text);
		return;
	}
	mobike_take(sa, msg);
	ike_sa_limit(sa, msg);
	redirect_find(sa, msg, &ex->ex_redirect);
	if (!ex->ex_childless)
		offer_take_answer(ex, msg, SELECT_NO_KE);
	verify_auth(ex);
}

static bool psk_is_right(struct exchange *ex)
{
	const struct ipc_reply *reply = ex->ex_reply;

	return !reply->ir_errno && reply->ir_len == ex->ex_auth_len &&
		reply->ir_len &&
		!CRYPTO_memcmp(reply->ir_auth, ex->ex_auth, ex->ex_auth_len);
}

/* NULL, or why the peer is not who it says. */
static const char *auth_is_wrong(struct exchange *ex, char *buf, size_t size)
{
	struct ike_sa *sa = ex->ex_sa;
	const struct verify *verify = ex->ex_verify;

	if (verify && verify->ver_ok) {
		memcpy(sa->sa_how, verify->ver_how, sizeof(sa->sa_how));
		return NULL;
	}
	if (verify) {
		explain_blame(sa->sa_conn, sa->sa_initiator,
			      verify->ver_key_blamed);
		snprintf(buf, size, "the peer is not authentic: %s",
			 verify->ver_why);
		return buf;
	}
	if (psk_is_right(ex)) {
		text_copy(sa->sa_how, sizeof(sa->sa_how), "PSK");
		return NULL;
	}
	blame_theirs(sa);
	if (!ex->ex_reply->ir_errno)
		return sa->sa_ppk == PPK_USED ?
		       "the peer's AUTH is wrong: another pre-shared key, or PPK" :
		       "the peer's AUTH is wrong: another pre-shared key";
	snprintf(buf, size, "the peer's AUTH cannot be verified: %s",
		 ex->ex_reply->ir_text);
	return buf;
}

void auth_verified(struct exchange *ex, const struct message *msg)
{
	struct ike_secret no_secret = { 0 };
	struct ike_sa *sa = ex->ex_sa;
	char text[400], name[16];
	const char *why = auth_is_wrong(ex, text, sizeof(text));

	(void)msg;
	if (why) {
		abort_sa(ex, why);
		return;
	}
	ike_sa_up(sa);
	if (sa->sa_state != IKE_ESTABLISHED) {
		exchange_end(ex);	/* the other side was faster */
		return;
	}
	if (ip_addr_len(&ex->ex_redirect)) {
		if (ex->ex_child)
			child_down(ex->ex_child, false);
		exchange_end(ex);
		redirect_follow(sa, &ex->ex_redirect);
		return;
	}
	if (ex->ex_childless) {
		exchange_end(ex);
		conn_without_child(ex);
		return;
	}
	if (ex->ex_refusal) {
		if (ex->ex_refusal == N_TS_UNACCEPTABLE) {
			explain_blame(sa->sa_conn, true, CONF_PROTECT);
			if (sa->sa_conn->cn_conf.conn_mode == CONF_MODE_TRANSPORT)
				explain_blame(sa->sa_conn, true, CONF_MODE);
		}
		snprintf(text, sizeof(text), "the peer refused it: %s, %s",
			 msg_notify_name(ex->ex_refusal, name),
			 explain_notify(ex->ex_refusal));
		child_failed(ex, text);
		return;
	}
	if (!ex->ex_child->child_spi_out) {
		child_failed(ex, "the peer chose what we did not offer");
		return;
	}
	if (ex->ex_unwanted) {
		child_delete(ex->ex_child);
		ex->ex_child = NULL;
		child_failed(ex, ex->ex_unwanted);
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
	explain_end(sa->sa_conn, false, "the peer's IKE_AUTH was refused: %s",
		    why);
	snprintf(sa->sa_reason, sizeof(sa->sa_reason), "%s", why);
	if (ex->ex_child)
		child_down(ex->ex_child, false);
	exchange_refuse(ex, N_AUTHENTICATION_FAILED, NULL, 0);
	ike_sa_linger(sa);
}

bool auth_is_ppk_id(const struct msg_blob *id, const char *name)
{
	size_t len = strlen(name);

	return len && id->blob_len == 1 + len &&
	       id->blob_data[0] == PPK_ID_FIXED &&
	       !memcmp(id->blob_data + 1, name, len);
}

/* The peer means our PPK. */
static bool names_ppk(const struct ike_sa *sa, const struct message *msg)
{
	const struct msg_notify_payload *mn = msg_notify(msg, N_PPK_IDENTITY);

	return sa->sa_does_ppk && mn &&
	       auth_is_ppk_id(&mn->mn_data, sa->sa_conn->cn_conf.conn_ppk_id);
}

/* What the peer is to be believed by; NULL if by nothing (RFC 8784 section 3). */
static const struct msg_blob *choose_auth(struct ike_sa *sa,
					  const struct message *msg, bool ppk)
{
	const struct msg_notify_payload *mn = msg_notify(msg, N_NO_PPK_AUTH);

	if (ppk)
		return &msg->msg_auth;
	if (has_ppk(sa)) {
		if (sa->sa_conn->cn_conf.conn_ppk_required) {
			explain_blame(sa->sa_conn, false, CONF_PPK_ID);
			explain_blame(sa->sa_conn, false, CONF_PPK_REQUIRED);
			return NULL;
		}
		go_without_ppk(sa);
	}
	if (!msg_notify(msg, N_PPK_IDENTITY))
		return &msg->msg_auth;
	if (!mn)
		explain_blame(sa->sa_conn, false, CONF_PPK_ID);
	return mn ? &mn->mn_data : NULL;
}

void auth_request(struct exchange *ex, const struct message *msg)
{
	const u32 of_child = PL(SA) | PL(TS_I) | PL(TS_R);
	struct ike_sa *sa = ex->ex_sa;
	struct conn *conn = auth_find_conn(sa, msg);
	const struct msg_blob *auth;
	char text[400];
	bool ppk;

	ex->ex_childless = !(msg->msg_seen & of_child);
	if (!ex->ex_childless && (msg->msg_seen & of_child) != of_child) {
		exchange_refuse_why(ex, N_INVALID_SYNTAX,
				    "half of what makes a child SA");
		ike_sa_linger(sa);
		return;
	}
	if (!conn) {
		fail_auth(ex, "nobody expects this peer");
		return;
	}
	sa->sa_conn = conn;
	sa->sa_id_remote = msg->msg_id_i.mi_id;
	conn_local_id(conn, &sa->sa_path, &sa->sa_id_local);
	sa->sa_initial_contact = msg_notify(msg, N_INITIAL_CONTACT);
	mobike_take(sa, msg);
	ppk = names_ppk(sa, msg);
	auth = choose_auth(sa, msg, ppk);
	if (!auth) {
		fail_auth(ex, "the peer does not use our PPK, or names another one");
		return;
	}
	if (!take_auth(ex, msg, auth, text, sizeof(text))) {
		fail_auth(ex, text);
		return;
	}
	if (!ex->ex_childless)
		offer_take_request(ex, msg, SELECT_NO_KE);
	if (ppk)
		ask_ppk(ex);
	else
		verify_auth(ex);
}

void auth_request_with_ppk(struct exchange *ex, const struct message *msg)
{
	char text[400];

	(void)msg;
	if (!take_ppk(ex)) {
		snprintf(text, sizeof(text), "no PPK: %s", ex->ex_reply->ir_text);
		fail_auth(ex, text);
		return;
	}
	OPENSSL_cleanse(ex->ex_keys, sizeof(ex->ex_keys));
	if (ex->ex_verify && !auth_verify_anew(ex->ex_sa, ex->ex_verify))
		fail_auth(ex, "AUTH has too much to cover");
	else
		verify_auth(ex);
}

void auth_request_verified(struct exchange *ex, const struct message *msg)
{
	char text[400];
	const char *why = auth_is_wrong(ex, text, sizeof(text));

	(void)msg;
	if (!why && ex->ex_sa->sa_conn->cn_is_down)
		why = "the connection was taken down meanwhile";
	if (why)
		fail_auth(ex, why);
	else
		ask_auth(ex, IPC_LOCAL, EX_PSK);
}

static void emit_lifetime(const struct ike_sa *sa, struct emit *em)
{
	u32 seconds = sa->sa_conn->cn_conf.conn_reauth;
	u8 data[4];

	put_be32(data, seconds);
	if (seconds)
		emit_notify(em, N_AUTH_LIFETIME, data, sizeof(data));
}

static void answer(struct exchange *ex)
{
	struct ike_sa *sa = ex->ex_sa;
	struct child *child = ex->ex_child;
	struct emit em;

	exchange_emit(ex, &em);
	emit_id(&em, PAYLOAD_ID_R, &sa->sa_id_local);
	auth_emit_certs(sa, &em);
	auth_emit(sa, &em, ex->ex_auth, ex->ex_auth_len);
	if (ex->ex_refusal)
		emit_notify(&em, ex->ex_refusal, NULL, 0);
	else if (!ex->ex_childless)
		offer_emit_answer(ex, &em);
	mobike_emit(ex, &em);
	emit_lifetime(sa, &em);
	if (sa->sa_ppk == PPK_USED)
		emit_notify(&em, N_PPK_IDENTITY, NULL, 0);
	ike_sa_assign(sa, sa->sa_conn);
	exchange_answer(ex, &em);
	if (sa->sa_dead)
		return;
	conn_tell_chosen(sa);
	ike_sa_up(sa);
	if (ex->ex_refusal && child)
		child_down(child, false);
	else if (child && child->child_dirs & IPC_DIR_OUT)
		child_up(child);
	else if (child)
		child_receive(child, NULL, ike_sa_loses(sa) ?
			      CHILD_OVERDUE_MS : CHILD_CHANGE_MS);
	if (ex->ex_refusal)
		conn_failed(sa->sa_conn, "the peer's child SA was refused");
}

static void refuse_child(struct exchange *ex, u16 notify, const char *why)
{
	ike_sa_log(ex->ex_sa, CORE_WARNING, "no child SA: %s", why);
	ex->ex_refusal = notify;
	explain_end(ex->ex_sa->sa_conn, false,
		    "the peer's child SA was refused: %s", why);
	answer(ex);
}

void auth_request_signed(struct exchange *ex, const struct message *msg)
{
	const struct ipc_reply *reply = ex->ex_reply;
	struct ipc_msg ask;
	char text[320];

	(void)msg;
	if (reply->ir_errno) {
		snprintf(text, sizeof(text), "we cannot authenticate: %s",
			 reply->ir_text);
		fail_auth(ex, text);
		return;
	}
	ex->ex_auth_len = reply->ir_len;
	memcpy(ex->ex_auth, reply->ir_auth, reply->ir_len);
	if (ex->ex_refusal) {
		explain_end(ex->ex_sa->sa_conn, false,
			    "the peer's child SA was refused: %s",
			    ex->ex_refusal == N_TS_UNACCEPTABLE ?
			    "no traffic selectors fit" :
			    "nothing that it offered fits");
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
	if (ex->ex_childless)
		answer(ex);
	else
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
	struct ike_secret no_secret = { 0 };
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
