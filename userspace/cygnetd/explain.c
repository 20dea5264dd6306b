// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Refusals, field by field.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "json.h"
#include "text.h"

static void describe_offer(const struct message *msg, size_t index, char *buf,
			   size_t size)
{
	struct proposal prop;

	msg_proposal_copy(&prop, msg, &msg->msg_proposals[index]);
	proposal_describe(&prop, buf, size);
}

/* The first type of transform for which two proposals have nothing in common. */
static u8 differs(const struct proposal *a, const struct proposal *b)
{
	u8 type;
	size_t i;

	for (type = TRANSFORM_ENCR; type <= TRANSFORM_ADDKE7; type++) {
		bool met = !proposal_first(a, type) && !proposal_first(b, type);

		for (i = 0; i < a->prop_count && !met; i++)
			met = a->prop_transforms[i].tr_type == type &&
				proposal_has(b, &a->prop_transforms[i]);
		if (!met)
			return type;
	}
	return 0;
}

static struct trouble *open_trouble(struct conn *conn, bool ours)
{
	struct trouble **trouble = ours ? &conn->cn_trouble :
					  &conn->cn_peer_trouble;

	if (!*trouble)
		*trouble = calloc(1, sizeof(**trouble));
	if (*trouble && (*trouble)->tr_over)
		memset(*trouble, 0, sizeof(**trouble));
	return *trouble;
}

void explain_blame(struct conn *conn, bool ours, enum conf_conn_key key)
{
	struct trouble *trouble = open_trouble(conn, ours);
	u8 i;

	if (!trouble)
		return;
	for (i = 0; i < trouble->tr_n_keys; i++)
		if (trouble->tr_keys[i] == key)
			return;
	if (i < TROUBLE_KEYS)
		trouble->tr_keys[trouble->tr_n_keys++] = key;
}

void explain_end(struct conn *conn, bool ours, const char *format, ...)
{
	struct trouble *trouble = open_trouble(conn, ours);
	va_list args;

	if (!trouble)
		return;
	va_start(args, format);
	vsnprintf(trouble->tr_text, sizeof(trouble->tr_text), format, args);
	va_end(args);
	trouble->tr_over = true;
}

void explain_clear(struct conn *conn)
{
	free(conn->cn_trouble);
	free(conn->cn_peer_trouble);
	conn->cn_trouble = NULL;
	conn->cn_peer_trouble = NULL;
}

json_t *explain_status(const struct trouble *trouble)
{
	json_t *keys = json_array(), *details = json_array();
	u8 i;

	for (i = 0; i < trouble->tr_n_keys; i++)
		json_array_append_new(keys,
				      json_string(conf_conn_key(trouble->tr_keys[i])->key_name));
	for (i = 0; i < trouble->tr_n_lines; i++)
		json_array_append_new(details,
				      json_text(trouble->tr_lines[i],
						strlen(trouble->tr_lines[i])));
	return json_pack("{s:o, s:o, s:o}", "text",
			 json_text(trouble->tr_text, strlen(trouble->tr_text)),
			 "details", details, "keys", keys);
}

const char *explain_notify(u16 type)
{
	static const struct {
		u16 mean_type;
		const char *mean_text;
	} meanings[] = {
		{ N_NO_PROPOSAL_CHOSEN,
		  "none of the algorithms that we offered is one of its own" },
		{ N_TS_UNACCEPTABLE,
		  "it protects other networks than those of protect" },
		{ N_INVALID_KE_PAYLOAD,
		  "it wants a key exchange that we do not offer" },
		{ N_AUTHENTICATION_FAILED,
		  "it does not know us by this identity, or by what proves it" },
		{ N_SINGLE_PAIR_REQUIRED,
		  "it takes one pair of addresses only: narrow protect" },
		{ N_NO_ADDITIONAL_SAS, "it has no room for more SAs" },
		{ N_INTERNAL_ADDRESS_FAILURE,
		  "it has no inner address for us: it expects a road warrior" },
		{ N_FAILED_CP_REQUIRED,
		  "it wants us to ask for an inner address" },
		{ N_INVALID_SYNTAX, "it could not read our message" },
		{ N_TEMPORARY_FAILURE, "it is busy: it may work later" },
		{ N_UNSUPPORTED_CRITICAL_PAYLOAD,
		  "it lacks something that we insisted on" },
		{ N_INVALID_MAJOR_VERSION, "it does not speak IKEv2" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(meanings); i++)
		if (meanings[i].mean_type == type)
			return meanings[i].mean_text;
	return "";
}

static void __printf(3, 4) line(struct conn *conn, bool ours,
				const char *format, ...)
{
	struct trouble *trouble = open_trouble(conn, ours);
	char text[3072];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	core_log(conn->cn_core, CORE_WARNING, conn->cn_conf.conn_name, "  %s",
		 text);
	if (trouble && trouble->tr_n_lines < TROUBLE_LINES)
		text_copy(trouble->tr_lines[trouble->tr_n_lines++],
			  TROUBLE_LINE, text);
}

static enum conf_conn_key key_of(u8 protocol)
{
	if (protocol == PROTO_IKE)
		return CONF_IKE;
	return protocol == PROTO_AH ? CONF_AH : CONF_ESP;
}

static void lines(struct conn *conn, bool own, const struct message *msg,
		  const struct proposal *ours, size_t count)
{
	char text[PROPOSAL_STRLEN], name[16];
	struct proposal theirs;
	size_t i;
	u8 type;

	explain_blame(conn, own, key_of(count ? ours[0].prop_protocol :
					PROTO_ESP));
	for (i = 0; msg && i < msg->msg_n_proposals; i++) {
		describe_offer(msg, i, text, sizeof(text));
		line(conn, own, "offered:    %s", text);
	}
	for (i = 0; i < count; i++)
		line(conn, own, "configured: %s",
		     proposal_describe(&ours[i], text, sizeof(text)));
	if (!msg || msg->msg_n_proposals != 1 || count != 1)
		return;
	msg_proposal_copy(&theirs, msg, &msg->msg_proposals[0]);
	type = differs(&ours[0], &theirs);
	if (type)
		line(conn, own, "they differ in %s",
		     transform_type_name(type, name));
}

void explain_offer(struct ike_sa *sa, const struct proposal *ours, size_t count)
{
	lines(sa->sa_conn, sa->sa_initiator, NULL, ours, count);
}

void explain_offers(struct ike_sa *sa, const struct message *msg,
		    const struct proposal *ours, size_t count)
{
	lines(sa->sa_conn, sa->sa_initiator, msg, ours, count);
}

void explain_refused(struct conn *conn, const struct core_path *path,
		     const struct message *msg)
{
	struct core *core = conn->cn_core;
	u32 before = core->core_noise.limit_suppressed;

	core_noise(core, path, "IKE_SA_INIT refused: no proposal fits connection %s",
		   conn->cn_conf.conn_name);
	if (core->core_noise.limit_suppressed > before)
		return;
	lines(conn, false, msg, conn->cn_conf.conn_ike, conn->cn_conf.conn_nike);
	explain_end(conn, false, "the peer's IKE_SA_INIT was refused: no proposal fits");
}

static void selectors(struct ike_sa *sa, const char *what,
		      const struct msg_ts *mts)
{
	char text[TS_STRLEN];
	size_t i;

	for (i = 0; i < mts->mts_count && i < CONF_TS_MAX; i++)
		line(sa->sa_conn, sa->sa_initiator, "offered:    %s %s", what,
		     ts_print(&mts->mts_ts[i], text));
}

void explain_selectors(struct ike_sa *sa, const struct msg_ts *local,
		       const struct msg_ts *remote, const struct conf_conn *conf)
{
	char text[TS_PAIR_STRLEN];
	size_t i;

	explain_blame(sa->sa_conn, sa->sa_initiator, CONF_PROTECT);
	selectors(sa, "our side", local);
	selectors(sa, "its side", remote);
	for (i = 0; i < conf->conn_npairs; i++)
		line(sa->sa_conn, sa->sa_initiator, "configured: %s",
		     ts_pair_print(&conf->conn_pairs[i], text));
}

void explain_silence(struct ike_sa *sa)
{
	struct conn *conn = sa->sa_conn;

	if (sa->sa_reason[0])
		return;
	if (sa->sa_state == IKE_CONNECTING) {
		explain_blame(conn, true, CONF_REMOTE);
		if (conn->cn_conf.conn_origin[CONF_REMOTE_PORT])
			explain_blame(conn, true, CONF_REMOTE_PORT);
		line(conn, true, "nothing came back at all: is remote right, does the peer run,");
		line(conn, true, "does every firewall on the way let UDP %u through?",
		     sa->sa_path.cp_remote.ep_port);
		return;
	}
	explain_blame(conn, true, conn->cn_conf.conn_auth_local == CONF_AUTH_PSK ?
		      CONF_PSK : CONF_CERT);
	explain_blame(conn, true, CONF_REMOTE);
	line(conn, true, "IKE_SA_INIT was answered, IKE_AUTH is not: a firewall may stop UDP %u",
	     sa->sa_path.cp_remote.ep_port);
	line(conn, true, "or fragments of large messages, or the peer drops us silently");
}
