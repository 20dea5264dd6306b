// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Octets to be authenticated, and finding the connection by its identities.
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "auth.h"
#include "conn.h"
#include "json.h"
#include "select.h"

/* prf(SK_p, the ID payload's body), RFC 7296 section 2.15. */
static bool mac_id(const struct ike_sa *sa, bool initiator,
		   const struct conf_id *id, u8 *out)
{
	const struct ike_key *key = initiator ? &sa->sa_keys.keys_pi :
		&sa->sa_keys.keys_pr;
	struct msg_blob secret = { key->key_data, key->key_len };
	u8 head[4] = { id->id_type };
	struct msg_blob parts[] = {
		{ head, sizeof(head) }, { id->id_data, id->id_len },
	};

	return crypto_prf(sa->sa_suite.suite_prf, &secret, parts,
			  ARRAY_SIZE(parts), out);
}

/*
 * The author's IKE_SA_INIT message as sent, the other side's nonce, and the
 * author's identity under its SK_p.
 */
bool auth_ask(struct ike_sa *sa, enum ipc_side side, struct ipc_msg *msg)
{
	bool initiator = sa->sa_initiator == (side == IPC_LOCAL);
	const struct nonce *nonce = initiator ? &sa->sa_nr : &sa->sa_ni;
	const struct conf_id *id = side == IPC_LOCAL ? &sa->sa_id_local :
		&sa->sa_id_remote;
	const u8 *init = initiator ? sa->sa_init_i : sa->sa_init_r;
	size_t len = initiator ? sa->sa_init_i_len : sa->sa_init_r_len;
	size_t mac = crypto_prf_len(sa->sa_suite.suite_prf);
	struct ipc_psk *psk = &msg->im_psk;

	core_ask_init(msg, IPC_PSK, sa->sa_conn->cn_conf.conn_name);
	if (!init || len + nonce->nonce_len + mac > sizeof(psk->ip_octets))
		return false;
	psk->ip_side = side;
	psk->ip_prf = sa->sa_suite.suite_prf;
	psk->ip_len = (u32)(len + nonce->nonce_len + mac);
	memcpy(psk->ip_octets, init, len);
	memcpy(psk->ip_octets + len, nonce->nonce_data, nonce->nonce_len);
	return mac_id(sa, initiator, id, psk->ip_octets + len +
		      nonce->nonce_len);
}

static bool suite_fits(const struct ike_sa *sa, const struct conn *conn)
{
	unsigned int i, k;

	for (i = 0; i < conn->cn_conf.conn_nike; i++) {
		const struct proposal *prop = &conn->cn_conf.conn_ike[i];

		for (k = 0; k < sa->sa_proposal.prop_count; k++)
			if (!proposal_has(prop,
					  &sa->sa_proposal.prop_transforms[k]))
				break;
		if (k == sa->sa_proposal.prop_count)
			return true;
	}
	return false;
}

/* NULL, or which field does not fit. */
static const char *misfit(const struct ike_sa *sa, const struct conn *conn,
			  const struct message *msg)
{
	struct conf_id expected;

	conn_remote_id(conn, &sa->sa_path, &expected);
	if (!conf_id_equal(&expected, &msg->msg_id_i.mi_id))
		return "remote-id";
	conn_local_id(conn, &sa->sa_path, &expected);
	if (msg->msg_seen & PL(ID_R) &&
	    !conf_id_equal(&expected, &msg->msg_id_r.mi_id))
		return "local-id";
	if (!suite_fits(sa, conn))
		return "ike";
	return NULL;
}

static void explain_misfit(struct ike_sa *sa, const struct conn *conn,
			   const char *field)
{
	char local[CONF_ID_STRLEN], remote[CONF_ID_STRLEN];
	struct conf_id id;

	conn_remote_id(conn, &sa->sa_path, &id);
	conf_id_print(&id, remote, sizeof(remote));
	conn_local_id(conn, &sa->sa_path, &id);
	conf_id_print(&id, local, sizeof(local));
	ike_sa_log(sa, CORE_WARNING,
		   "  configured: %s expects remote-id %s, local-id %s; %s differs",
		   conn->cn_conf.conn_name, remote, local, field);
}

struct conn *auth_find_conn(struct ike_sa *sa, const struct message *msg)
{
	char id[CONF_ID_STRLEN], asked[CONF_ID_STRLEN] = "any";
	struct core *core = sa->sa_core;
	struct conn *conn = NULL;

	while ((conn = conn_match(core, conn, &sa->sa_path)))
		if (!misfit(sa, conn, msg))
			return conn;
	conf_id_print(&msg->msg_id_i.mi_id, id, sizeof(id));
	if (msg->msg_seen & PL(ID_R))
		conf_id_print(&msg->msg_id_r.mi_id, asked, sizeof(asked));
	ike_sa_log(sa, CORE_WARNING,
		   "no connection for a peer that says it is %s and asks for %s",
		   id, asked);
	while ((conn = conn_match(core, conn, &sa->sa_path)))
		explain_misfit(sa, conn, misfit(sa, conn, msg));
	return NULL;
}
