// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests of the engine: find the connection, ask police.c, do it. Every
 * refusal is logged here, where the engine cannot keep it back.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto.h"
#include "keeper.h"
#include "police.h"

#define SAS_PER_CONN_MAX 128	/* both directions, rekeying included */

struct keeper_sa {
	const struct conf_conn *ks_conn;
	u32 ks_dir;			/* IPC_DIR_IN or IPC_DIR_OUT */
	u32 ks_spi;			/* network byte order */
	struct ip_addr ks_dst;
	u8 ks_keys[CRYPTO_HASH_LEN];	/* zeros: not known */
	bool ks_seen;
};

int reply_refuse(struct ipc_reply *reply, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reply->ir_text, sizeof(reply->ir_text), format, args);
	va_end(args);
	return -err;
}

/* What the configuration forbids, an honest engine does not ask for. */
static int judge(struct keeper *keeper, int ret)
{
	keeper->kp_rebellion |= ret == -EPERM;
	return ret;
}

static struct keeper_sa *find_sa(struct keeper *keeper,
				 const struct conf_conn *conn, u32 dir, u32 spi)
{
	for (size_t i = 0; i < keeper->kp_n_sas; i++) {
		struct keeper_sa *sa = &keeper->kp_sas[i];

		if (sa->ks_conn == conn && sa->ks_dir == dir &&
		    sa->ks_spi == spi)
			return sa;
	}
	return NULL;
}

static size_t count_sas(const struct keeper *keeper,
			const struct conf_conn *conn)
{
	size_t n = 0;

	for (size_t i = 0; i < keeper->kp_n_sas; i++)
		n += keeper->kp_sas[i].ks_conn == conn;
	return n;
}

static bool make_room(struct keeper *keeper, size_t n)
{
	size_t room = keeper->kp_room ? keeper->kp_room : 16;
	struct keeper_sa *sas;

	while (room < keeper->kp_n_sas + n)
		room *= 2;
	if (room == keeper->kp_room)
		return true;
	sas = reallocarray(keeper->kp_sas, room, sizeof(*sas));
	if (!sas)
		return false;
	keeper->kp_sas = sas;
	keeper->kp_room = room;
	return true;
}

/* There is room. */
static void note_sa(struct keeper *keeper, const struct conf_conn *conn,
		    u32 dir, u32 spi, const struct ip_addr *dst,
		    const u8 *keys)
{
	struct keeper_sa *sa = find_sa(keeper, conn, dir, spi);

	if (!sa) {
		sa = &keeper->kp_sas[keeper->kp_n_sas++];
		*sa = (struct keeper_sa){ conn, dir, spi, *dst };
	}
	sa->ks_seen = true;
	if (keys)
		memcpy(sa->ks_keys, keys, sizeof(sa->ks_keys));
}

/* So that a request can be recognised that comes again. */
static void digest(const struct ipc_child *child, u32 dir, u8 *out)
{
	struct ipc_key keys[2] = {
		dir == IPC_DIR_IN ? child->ic_encr_in : child->ic_encr_out,
		dir == IPC_DIR_IN ? child->ic_integ_in : child->ic_integ_out,
	};

	crypto_hash(keys, sizeof(keys), out);
	OPENSSL_cleanse(keys, sizeof(keys));
}

/*
 * An engine that went on from a record asks again for what its predecessor may
 * have been given.
 */
static u32 has_already(struct keeper *keeper, const struct conf_conn *conn,
		       const struct ipc_child *child)
{
	const struct keeper_sa *in, *out;
	u8 keys[CRYPTO_HASH_LEN];
	u32 dirs = 0;

	in = find_sa(keeper, conn, IPC_DIR_IN, child->ic_spi_in);
	out = find_sa(keeper, conn, IPC_DIR_OUT, child->ic_spi_out);
	digest(child, IPC_DIR_IN, keys);
	if (in && !memcmp(in->ks_keys, keys, sizeof(keys)))
		dirs |= IPC_DIR_IN;
	digest(child, IPC_DIR_OUT, keys);
	if (out && !memcmp(out->ks_keys, keys, sizeof(keys)))
		dirs |= IPC_DIR_OUT;
	return dirs;
}

static void forget_sa(struct keeper *keeper, struct keeper_sa *sa)
{
	if (sa)
		*sa = keeper->kp_sas[--keeper->kp_n_sas];
}

static void forget_conn(struct keeper *keeper, const struct conf_conn *conn)
{
	for (size_t i = keeper->kp_n_sas; i-- > 0;)
		if (keeper->kp_sas[i].ks_conn == conn)
			forget_sa(keeper, &keeper->kp_sas[i]);
}

/* What RFC 7296 section 2.15 has each side authenticate; its length. */
static size_t join_octets(const struct ipc_auth *auth, u8 *octets)
{
	struct msg_blob key = { auth->ia_key, auth->ia_key_len };
	size_t len = auth->ia_init_len + auth->ia_nonce_len;
	const u8 head[4] = { auth->ia_id.id_type };
	struct msg_blob id[] = {
		{ head, sizeof(head) },
		{ auth->ia_id.id_data, auth->ia_id.id_len },
	};

	memcpy(octets, auth->ia_octets, len);
	if (!crypto_prf(auth->ia_prf, &key, id, ARRAY_SIZE(id), octets + len))
		return 0;
	len += crypto_prf_len(auth->ia_prf);
	memcpy(octets + len, auth->ia_int, auth->ia_int_len);
	return len + auth->ia_int_len;
}

static int answer_auth(struct keeper *keeper, const struct conf_conn *conn,
		       enum ipc_type type, const struct ipc_auth *auth,
		       struct ipc_reply *reply)
{
	static u8 octets[IPC_OCTETS_MAX + CRYPTO_PRF_MAX + IPC_INT_MAX];
	size_t len, index = conn - keeper->kp_conf->conf_conns;
	const struct keys *keys = keeper->kp_keys;
	int n = judge(keeper, police_auth(conn, type, auth, reply));

	if (n)
		return n;
	len = join_octets(auth, octets);
	if (!len)
		return reply_refuse(reply, EIO, "PRF %u failed", auth->ia_prf);
	n = type == IPC_PSK ?
	    keys_psk_auth(keys, index, auth->ia_prf, octets, len,
			  reply->ir_auth) :
	    keys_sign(keys, index, auth->ia_scheme, conn->conn_signatures,
		      octets, len, reply->ir_auth);
	if (n == -ENOKEY)
		return reply_refuse(reply, ENOKEY, "no key in %.200s",
				    type == IPC_PSK ? conn->conn_psk :
						      conn->conn_key);
	if (n == -EACCES)
		return reply_refuse(reply, EACCES,
				    "a kind of signature that is not allowed here");
	if (n < 0)
		return reply_refuse(reply, -n, "cannot compute AUTH");
	reply->ir_len = n;
	return 0;
}

static int answer_ppk(struct keeper *keeper, const struct conf_conn *conn,
		      const struct ipc_ppk *ppk, struct ipc_reply *reply)
{
	size_t index = conn - keeper->kp_conf->conf_conns;
	int n = police_prf(conn, ppk->ip_prf, reply);

	if (n)
		return n;
	n = keys_mix(keeper->kp_keys, index, ppk->ip_prf, ppk->ip_keys[0],
		     reply->ir_auth);
	if (n == -ENOKEY)
		return reply_refuse(reply, ENOKEY, "no key in %.200s",
				    conn->conn_ppk[0] ? conn->conn_ppk : "ppk");
	if (n < 0)
		return reply_refuse(reply, -n, "PRF %u failed", ppk->ip_prf);
	reply->ir_len = n;
	return 0;
}

static int answer_spi(struct keeper *keeper, const struct conf_conn *conn,
		      const struct ipc_spi *spi, struct ipc_reply *reply)
{
	struct backend *be = keeper->kp_backend;
	int ret = judge(keeper, police_spi(conn, spi, reply));

	return ret ? ret : be->be_ops->bo_spi(be, conn, &spi->is_local, reply);
}

/* What a reload had in store for it. */
static void settle(struct keeper *keeper, size_t index)
{
	struct reload *plan = &keeper->kp_reload;

	if (!plan->re_conf || !plan->re_change[index])
		return;
	if (keeper->kp_vault)
		vault_forget(keeper->kp_vault,
			     plan->re_conf->conf_conns[index].conn_name, true);
	reload_settle(plan, index);
	keys_load_one(keeper->kp_keys, index, &plan->re_conf->conf_conns[index]);
}

static int answer_down(struct keeper *keeper, const struct conf_conn *conn,
		       struct ipc_reply *reply)
{
	struct backend *be = keeper->kp_backend;
	int ret = be->be_ops->bo_down(be, conn, reply);

	if (ret)
		return ret;
	forget_conn(keeper, conn);
	if (keeper->kp_vault)
		vault_forget(keeper->kp_vault, conn->conn_name, false);
	settle(keeper, conn - keeper->kp_conf->conf_conns);
	return 0;
}

static int answer_add(struct keeper *keeper, const struct conf_conn *conn,
		      const struct ipc_child *child, struct ipc_reply *reply)
{
	struct backend *be = keeper->kp_backend;
	int ret = judge(keeper, police_child(conn, child, reply));
	struct ipc_child rest = *child;
	u8 keys[CRYPTO_HASH_LEN];

	if (!ret)
		rest.ic_dirs &= ~has_already(keeper, conn, child);
	if (ret || !rest.ic_dirs)
		goto out;
	if (count_sas(keeper, conn) + 2 > SAS_PER_CONN_MAX)
		ret = reply_refuse(reply, ENOSPC, "more than %d SAs of one connection",
				   SAS_PER_CONN_MAX);
	else if (!make_room(keeper, 2))
		ret = reply_refuse(reply, ENOMEM, "out of memory");
	else
		ret = be->be_ops->bo_add(be, conn, &rest, reply);
	if (ret)
		goto out;
	if (rest.ic_dirs & IPC_DIR_IN) {
		digest(&rest, IPC_DIR_IN, keys);
		note_sa(keeper, conn, IPC_DIR_IN, rest.ic_spi_in,
			&rest.ic_local.ep_addr, keys);
	}
	if (rest.ic_dirs & IPC_DIR_OUT) {
		digest(&rest, IPC_DIR_OUT, keys);
		note_sa(keeper, conn, IPC_DIR_OUT, rest.ic_spi_out,
			&rest.ic_remote.ep_addr, keys);
	}
out:
	OPENSSL_cleanse(&rest, sizeof(rest));
	return ret;
}

/*
 * The child as the keeper knows it: only directions that are its own, and the
 * addresses that were checked when they were installed.
 */
static struct ipc_child known_child(struct keeper *keeper,
				    const struct conf_conn *conn,
				    const struct ipc_child *child)
{
	struct ipc_child known = { .ic_spi_in = child->ic_spi_in,
				   .ic_spi_out = child->ic_spi_out };
	struct keeper_sa *in, *out;

	in = find_sa(keeper, conn, IPC_DIR_IN, child->ic_spi_in);
	out = find_sa(keeper, conn, IPC_DIR_OUT, child->ic_spi_out);
	if (in && (child->ic_dirs & IPC_DIR_IN)) {
		known.ic_dirs |= IPC_DIR_IN;
		known.ic_local.ep_addr = in->ks_dst;
	}
	if (out && (child->ic_dirs & IPC_DIR_OUT)) {
		known.ic_dirs |= IPC_DIR_OUT;
		known.ic_remote.ep_addr = out->ks_dst;
	}
	return known;
}

static int answer_del(struct keeper *keeper, const struct conf_conn *conn,
		      const struct ipc_child *child, struct ipc_reply *reply)
{
	struct ipc_child known = known_child(keeper, conn, child);
	struct backend *be = keeper->kp_backend;
	int ret;

	if (!known.ic_dirs)
		return 0;
	ret = be->be_ops->bo_del(be, conn, &known, reply);
	if (ret)
		return ret;
	if (known.ic_dirs & IPC_DIR_IN)
		forget_sa(keeper, find_sa(keeper, conn, IPC_DIR_IN,
					  known.ic_spi_in));
	if (known.ic_dirs & IPC_DIR_OUT)
		forget_sa(keeper, find_sa(keeper, conn, IPC_DIR_OUT,
					  known.ic_spi_out));
	return 0;
}

static int answer_idle(struct keeper *keeper, const struct conf_conn *conn,
		       const struct ipc_child *child, struct ipc_reply *reply)
{
	struct ipc_child known = known_child(keeper, conn, child);
	struct backend *be = keeper->kp_backend;

	if (!(known.ic_dirs & IPC_DIR_IN))
		return reply_refuse(reply, ENOENT, "no such inbound SA");
	return be->be_ops->bo_idle(be, conn, &known, reply);
}

static int carry_out(struct keeper *keeper, const struct conf_conn *conn,
		     const struct ipc_msg *request, struct ipc_reply *reply)
{
	struct backend *be = keeper->kp_backend;

	switch (request->im_type) {
	case IPC_PSK:
	case IPC_SIGN:
		return answer_auth(keeper, conn, request->im_type,
				   &request->im_auth, reply);
	case IPC_PPK:
		return answer_ppk(keeper, conn, &request->im_ppk, reply);
	case IPC_SPI:
		return answer_spi(keeper, conn, &request->im_spi, reply);
	case IPC_CONN_UP:
		return be->be_ops->bo_up(be, conn, reply);
	case IPC_CONN_DOWN:
		return answer_down(keeper, conn, reply);
	case IPC_CHILD_ADD:
		return answer_add(keeper, conn, &request->im_child, reply);
	case IPC_CHILD_DEL:
		return answer_del(keeper, conn, &request->im_child, reply);
	case IPC_CHILD_IDLE:
		return answer_idle(keeper, conn, &request->im_child, reply);
	case IPC_RESOLVE:
		return be->be_ops->bo_resolve(be, conn, reply);
	default:
		return -EBADMSG;
	}
}

static void begin_answer(const struct ipc_msg *request, struct ipc_msg *answer)
{
	memset(answer, 0, sizeof(*answer));
	answer->im_type = IPC_REPLY;
	answer->im_handle = request->im_handle;
	answer->im_generation = request->im_generation;
	memcpy(answer->im_conn, request->im_conn, sizeof(answer->im_conn));
}

static int find_way(struct keeper *keeper, const struct conf_conn *named,
		    const struct resolver_answer *found, u32 try,
		    struct ipc_reply *reply)
{
	struct backend *be = keeper->kp_backend;
	struct conf_conn conn = *named;
	int ret = -EHOSTUNREACH;

	for (u32 i = 0; i < found->ra_count; i++) {
		conn.conn_remote = found->ra_addrs[(try + i) % found->ra_count];
		if (conn.conn_local.ip_family != AF_UNSPEC &&
		    conn.conn_local.ip_family != conn.conn_remote.ip_family)
			continue;
		memset(reply, 0, sizeof(*reply));
		ret = be->be_ops->bo_resolve(be, &conn, reply);
		if (!ret)
			return 0;
	}
	if (!found->ra_count)
		reply_refuse(reply, EHOSTUNREACH, "%.120s: %.120s",
			     named->conn_remote_name, found->ra_error);
	else if (!reply->ir_text[0])
		reply_refuse(reply, EHOSTUNREACH,
			     "%.200s has no address of local's family",
			     named->conn_remote_name);
	return ret;
}

void keeper_resolved(struct keeper *keeper, const struct ipc_msg *request,
		     const struct resolver_answer *found,
		     struct ipc_msg *answer)
{
	const struct conf_conn *conn = conf_find(keeper->kp_conf,
						 request->im_conn);
	struct ipc_reply *reply = &answer->im_reply;
	int ret;

	begin_answer(request, answer);
	if (conn)
		ret = find_way(keeper, conn, found, request->im_resolve.iv_try,
			       reply);
	else
		ret = reply_refuse(reply, ENOENT, "no such connection");
	reply->ir_errno = -ret;
}

bool keeper_answer(struct keeper *keeper, const struct ipc_msg *request,
		   struct ipc_msg *answer)
{
	struct ipc_reply *reply = &answer->im_reply;
	const struct conf_conn *conn;
	int ret;

	begin_answer(request, answer);
	keeper->kp_rebellion = false;
	if (request->im_type < IPC_PSK || request->im_type >= IPC_RECORD)
		return false;
	conn = conf_find(keeper->kp_conf, request->im_conn);
	if (conn)
		ret = carry_out(keeper, conn, request, reply);
	else
		ret = reply_refuse(reply, ENOENT, "no such connection");
	reply->ir_errno = -ret;
	if (ret)
		log_line(keeper->kp_rebellion || ret == -EINVAL ? CONF_LOG_ERROR :
			 CONF_LOG_WARNING, conn ? conn->conn_name : NULL,
			 "refused: %s (%s)", reply->ir_text, strerror(-ret));
	return !keeper->kp_rebellion;
}

void keeper_event(struct keeper *keeper, enum ipc_type type, const char *name,
		  const struct ipc_event *event)
{
	const struct conf_conn *conn = conf_find(keeper->kp_conf, name);

	if (!conn)
		return;
	if (type == IPC_ADOPTED && make_room(keeper, 2)) {
		if (event->ie_spi_in)
			note_sa(keeper, conn, IPC_DIR_IN, event->ie_spi_in,
				&event->ie_local.ep_addr, NULL);
		if (event->ie_spi_out)
			note_sa(keeper, conn, IPC_DIR_OUT, event->ie_spi_out,
				&event->ie_remote.ep_addr, NULL);
	}
}

void keeper_count_begin(struct keeper *keeper)
{
	for (size_t i = 0; i < keeper->kp_n_sas; i++)
		keeper->kp_sas[i].ks_seen = false;
}

void keeper_count_end(struct keeper *keeper)
{
	for (size_t i = keeper->kp_n_sas; i-- > 0;)
		if (!keeper->kp_sas[i].ks_seen)
			forget_sa(keeper, &keeper->kp_sas[i]);
}

void keeper_reload(struct keeper *keeper, const struct reload *plan,
		   struct keys *keys)
{
	for (size_t i = keeper->kp_n_sas; i-- > 0;) {
		struct keeper_sa *sa = &keeper->kp_sas[i];

		/* Each is still there, gone or not. */
		sa->ks_conn = conf_find(plan->re_conf, sa->ks_conn->conn_name);
		if (!sa->ks_conn)
			forget_sa(keeper, sa);
	}
	keys_free(keeper->kp_keys);
	reload_free(&keeper->kp_reload);
	keeper->kp_reload = *plan;
	keeper->kp_conf = plan->re_conf;
	keeper->kp_keys = keys;
}

void keeper_settle(struct keeper *keeper)
{
	struct backend *be = keeper->kp_backend;
	struct ipc_reply reply = { 0 };
	u32 i;

	for (i = 0; keeper->kp_reload.re_pending &&
	     i < keeper->kp_conf->conf_nconns; i++) {
		if (keeper->kp_reload.re_change[i] < CHANGE_RESTART)
			continue;
		be->be_ops->bo_down(be, &keeper->kp_conf->conf_conns[i], &reply);
		settle(keeper, i);
	}
}

void keeper_uninit(struct keeper *keeper)
{
	free(keeper->kp_sas);
	keeper->kp_sas = NULL;
	keeper->kp_n_sas = 0;
	keeper->kp_room = 0;
}
