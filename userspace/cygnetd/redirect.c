// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A notify names the other gateway: type, length, identity, and in IKE_SA_INIT
 * our nonce, so that nobody sends us off who has not seen our message.
 */
#include <string.h>

#include "conn.h"
#include "redirect.h"

#define GATEWAY_IPV4		1
#define GATEWAY_IPV6		2
#define REDIRECTS_MAX		5	/* in so long (section 5) */
#define REDIRECTS_MS		300000

static const struct conf_conn *conf_of(const struct ike_sa *sa)
{
	return &sa->sa_conn->cn_conf;
}

void redirect_emit(const struct exchange *ex, struct emit *em)
{
	const struct conn *conn = ex->ex_sa->sa_conn;
	const struct ip_addr *from = &conn->cn_redirected_from;
	size_t len = ip_addr_len(from);
	u8 data[2 + 16] = { len == 4 ? GATEWAY_IPV4 : GATEWAY_IPV6, (u8)len };

	if (!conn->cn_conf.conn_nredirect)
		return;
	if (!ip_addr_len(&conn->cn_redirect)) {
		emit_notify(em, N_REDIRECT_SUPPORTED, NULL, 0);
		return;
	}
	memcpy(data + 2, from->ip_bytes, len);
	emit_notify(em, N_REDIRECTED_FROM, data, 2 + len);
}

static bool is_configured(const struct conf_conn *conf,
			  const struct ip_addr *addr)
{
	unsigned int i;

	for (i = 0; i < conf->conn_nredirect; i++)
		if (ip_addr_equal(&conf->conn_redirect[i], addr))
			return true;
	return false;
}

/* What stands behind the gateway's identity is left to the caller. */
static const char *parse(const struct ike_sa *sa, const struct msg_blob *data,
			 struct ip_addr *target, struct msg_blob *rest)
{
	const u8 *p = data->blob_data;
	size_t len = data->blob_len < 2 ? 0 : p[1];

	if (data->blob_len < 2 || len > data->blob_len - 2)
		return "its notify is cut off";
	*rest = (struct msg_blob){ p + 2 + len, data->blob_len - 2 - len };
	if ((p[0] != GATEWAY_IPV4 || len != 4) &&
	    (p[0] != GATEWAY_IPV6 || len != 16))
		return "it names no address";
	ip_addr_set(target, p + 2, len);
	if (target->ip_family != sa->sa_path.cp_local.ep_addr.ip_family)
		return "it names an address of another family";
	if (!is_configured(conf_of(sa), target))
		return "redirect does not name that address";
	if (ip_addr_equal(target, &sa->sa_path.cp_remote.ep_addr))
		return "that is where we are";
	return NULL;
}

static bool too_often(struct conn *conn)
{
	u64 now = core_now(conn->cn_core);

	if (now - conn->cn_redirects_since >= REDIRECTS_MS)
		conn->cn_redirects = 0;
	if (!conn->cn_redirects)
		conn->cn_redirects_since = now;
	return conn->cn_redirects++ >= REDIRECTS_MAX;
}

/* NULL if it may be followed. */
static const char *judge(const struct ike_sa *sa,
			 const struct msg_notify_payload *mn,
			 const struct nonce *nonce, struct ip_addr *target)
{
	struct msg_blob rest;
	const char *why = parse(sa, &mn->mn_data, target, &rest);

	if (why)
		return why;
	if (nonce && (rest.blob_len != nonce->nonce_len ||
		      memcmp(rest.blob_data, nonce->nonce_data, rest.blob_len)))
		return "it has not seen our nonce";
	return too_often(sa->sa_conn) ? "that was too often" : NULL;
}

static bool allowed(const struct ike_sa *sa)
{
	return conf_of(sa)->conn_nredirect;
}

void redirect_init(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *sa = ex->ex_sa;
	struct ip_addr target;
	const char *why = "redirect is off";

	if (allowed(sa))
		why = judge(sa, msg_notify(msg, N_REDIRECT), &ex->ex_ni, &target);
	if (why)
		ike_sa_log(sa, CORE_WARNING, "REDIRECT not followed: %s", why);
	else
		conn_redirect(sa, ex, &target);
}

bool redirect_find(struct ike_sa *sa, const struct message *msg,
		   struct ip_addr *target)
{
	const struct msg_notify_payload *mn = msg_notify(msg, N_REDIRECT);
	const char *why = "redirect is off";

	if (!mn)
		return false;
	if (allowed(sa))
		why = judge(sa, mn, NULL, target);
	if (why)
		ike_sa_log(sa, CORE_WARNING, "REDIRECT not followed: %s", why);
	return !why;
}

void redirect_follow(struct ike_sa *sa, const struct ip_addr *target)
{
	struct conn *conn = sa->sa_conn;

	conn->cn_redirected_from = sa->sa_path.cp_remote.ep_addr;
	conn->cn_redirect = *target;
	ike_sa_replace(sa, "the peer sends us to another gateway");
}
