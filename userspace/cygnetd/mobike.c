// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A change of address. Where requests stop being answered, whoever began the
 * IKE SA asks for its own address anew; if that is another one it goes on from
 * there and tells the peer. The peer takes the address that the message comes
 * from, and proves that somebody is there before it sends traffic to it
 * (section 3.7). Child SAs follow by being rekeyed: the kernel moves none.
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "conn.h"
#include "hitless.h"
#include "mobike.h"
#include "natt.h"
#include "wire.h"

#define COOKIE2_MIN	8
#define COOKIE2_MAX	64

void mobike_emit(const struct exchange *ex, struct emit *em)
{
	const struct ike_sa *sa = ex->ex_sa;

	if (ex->ex_role == EX_OURS ? sa->sa_conn->cn_conf.conn_mobike :
	    sa->sa_mobike)
		emit_notify(em, N_MOBIKE_SUPPORTED, NULL, 0);
}

void mobike_take(struct ike_sa *sa, const struct message *msg)
{
	sa->sa_mobike = sa->sa_conn->cn_conf.conn_mobike &&
		msg_notify(msg, N_MOBIKE_SUPPORTED);
}

void mobike_suspect(struct ike_sa *sa)
{
	struct ipc_msg msg;

	if (!sa->sa_mobike || !sa->sa_mobile || sa->sa_move.wait_pending ||
	    sa->sa_state != IKE_ESTABLISHED)
		return;
	core_ask_init(&msg, IPC_RESOLVE, sa->sa_conn->cn_conf.conn_name);
	waiter_ask(sa->sa_core, &sa->sa_move, &msg);
}

void mobike_resolved(void *arg, const struct ipc_reply *reply)
{
	char old[IP_ADDR_STRLEN], new[IP_ADDR_STRLEN];
	struct ike_sa *sa = arg;
	struct ip_addr *local = &sa->sa_path.cp_local.ep_addr;

	if (reply->ir_errno || ip_addr_equal(&reply->ir_local, local) ||
	    reply->ir_local.ip_family != local->ip_family ||
	    sa->sa_state != IKE_ESTABLISHED)
		return;
	ike_sa_log(sa, CORE_NOTICE, "our address is %s now, not %s",
		   ip_addr_print(&reply->ir_local, new),
		   ip_addr_print(local, old));
	*local = reply->ir_local;
	hitless_touch(sa);
	if (!exchange_pending(sa, EX_MOVE, NULL))
		exchange_queue_first(sa, EX_MOVE);
	window_retry(sa);
	ike_sa_next(sa);
}

static void emit_cookie(struct exchange *ex, struct emit *em)
{
	ex->ex_cookie_len = COOKIE2_MAX / 2;
	if (crypto_random(ex->ex_cookie, ex->ex_cookie_len))
		emit_notify(em, N_COOKIE2, ex->ex_cookie, ex->ex_cookie_len);
}

static void emit_natd(struct exchange *ex, struct emit *em)
{
	struct ike_sa *sa = ex->ex_sa;
	struct msg_header hdr;

	ike_sa_header(sa, &hdr);
	natt_emit(em, &hdr, &sa->sa_path,
		  sa->sa_conn->cn_conf.conn_encapsulation == CONF_ENCAP_UDP);
}

/* Ours: where we are, or only whether the peer is where it says. */
void move_start(struct exchange *ex, const struct message *msg)
{
	struct emit em;

	(void)msg;
	exchange_emit(ex, &em);
	if (ex->ex_purpose == EX_MOVE) {
		emit_notify(&em, N_UPDATE_SA_ADDRESSES, NULL, 0);
		emit_natd(ex, &em);
	}
	emit_cookie(ex, &em);
	exchange_send(ex, &em);
}

static bool cookie_is_back(const struct exchange *ex, const struct message *msg)
{
	const struct msg_notify_payload *mn = msg_notify(msg, N_COOKIE2);

	return mn && mn->mn_data.blob_len == ex->ex_cookie_len &&
		!CRYPTO_memcmp(mn->mn_data.blob_data, ex->ex_cookie,
			       ex->ex_cookie_len);
}

static void move_children(struct ike_sa *sa)
{
	struct child *child, *next;

	for (child = sa->sa_children; child; child = next) {
		next = child->child_next;
		child_rekey(child);
	}
}

void move_response(struct exchange *ex, const struct message *msg)
{
	const struct msg_notify_payload *mn = msg_notify_error(msg);
	struct ike_sa *sa = ex->ex_sa;
	char name[16];

	exchange_end(ex);
	if (mn) {
		ike_sa_log(sa, CORE_WARNING, "the peer refused our address: %s",
			   msg_notify_name(mn->mn_type, name));
		ike_sa_replace(sa, "it cannot follow");
		return;
	}
	if (!cookie_is_back(ex, msg)) {
		ike_sa_log(sa, CORE_WARNING,
			   "the answer to %s is without its COOKIE2",
			   exchange_name(ex));
		return;
	}
	if (ex->ex_purpose == EX_MOVE)
		natt_detect(sa, msg, &sa->sa_path);
	move_children(sa);
}

static size_t put_end(u8 *p, const struct ip_endpoint *ep)
{
	size_t len = ip_addr_len(&ep->ep_addr);

	memcpy(p, ep->ep_addr.ip_bytes, len);
	return len;
}

/* NO_NATS_ALLOWED: from where and to where the peer has sent it. */
static bool nat_is_forbidden(const struct exchange *ex,
			     const struct message *msg)
{
	const struct msg_notify_payload *mn = msg_notify(msg, N_NO_NATS_ALLOWED);
	const struct core_path *path = &ex->ex_path;
	u8 seen[2 * 16 + 2 * 2];
	size_t len;

	if (!mn)
		return false;
	len = put_end(seen, &path->cp_remote);
	len += put_end(seen + len, &path->cp_local);
	put_be16(seen + len, path->cp_remote.ep_port);
	put_be16(seen + len + 2, path->cp_local.ep_port);
	len += 4;
	return mn->mn_data.blob_len != len ||
		memcmp(mn->mn_data.blob_data, seen, len);
}

/* The configuration names one address: the keeper would allow no other. */
static bool is_fixed_elsewhere(const struct exchange *ex)
{
	const struct ip_addr *fixed =
		&ex->ex_sa->sa_conn->cn_conf.conn_remote;

	return fixed->ip_family != AF_UNSPEC &&
		!ip_addr_equal(fixed, &ex->ex_path.cp_remote.ep_addr);
}

static void take_address(struct exchange *ex, const struct message *msg,
			 struct emit *em)
{
	char old[IP_ENDPOINT_STRLEN], new[IP_ENDPOINT_STRLEN];
	struct ike_sa *sa = ex->ex_sa;

	ike_sa_log(sa, CORE_NOTICE, "the peer moved from %s to %s",
		   ip_endpoint_print(&sa->sa_path.cp_remote, old),
		   ip_endpoint_print(&ex->ex_path.cp_remote, new));
	sa->sa_path = ex->ex_path;
	hitless_touch(sa);
	natt_detect(sa, msg, &sa->sa_path);
	emit_natd(ex, em);
	exchange_queue_first(sa, EX_PROBE);
}

bool mobike_request(struct exchange *ex, const struct message *msg,
		    struct emit *em)
{
	const struct msg_notify_payload *cookie = msg_notify(msg, N_COOKIE2);
	struct ike_sa *sa = ex->ex_sa;
	size_t len = cookie ? cookie->mn_data.blob_len : 0;

	if (cookie && len >= COOKIE2_MIN && len <= COOKIE2_MAX)
		emit_notify(em, N_COOKIE2, cookie->mn_data.blob_data, len);
	if (nat_is_forbidden(ex, msg)) {
		ike_sa_log(sa, CORE_WARNING,
			   "the peer allows no NAT, but there is one");
		emit_notify(em, N_UNEXPECTED_NAT_DETECTED, NULL, 0);
		return false;
	}
	if (!sa->sa_mobike || sa->sa_mobile ||
	    sa->sa_state != IKE_ESTABLISHED ||
	    !msg_notify(msg, N_UPDATE_SA_ADDRESSES))
		return true;
	if (is_fixed_elsewhere(ex)) {
		ike_sa_log(sa, CORE_WARNING,
			   "the peer moved, but remote is an address: remote = any lets it");
		emit_notify(em, N_UNACCEPTABLE_ADDRESSES, NULL, 0);
		return false;
	}
	take_address(ex, msg, em);
	return true;
}
