// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Refusals, field by field.
 */
#include <stdio.h>

#include "explain.h"

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

	for (type = TRANSFORM_ENCR; type <= TRANSFORM_ESN; type++) {
		bool met = !proposal_first(a, type) && !proposal_first(b, type);

		for (i = 0; i < a->prop_count && !met; i++)
			met = a->prop_transforms[i].tr_type == type &&
				proposal_has(b, &a->prop_transforms[i]);
		if (!met)
			return type;
	}
	return 0;
}

static void line(struct core *core, const char *conn, const char *what,
		 const char *text)
{
	core_log(core, CORE_WARNING, conn, "  %s %s", what, text);
}

static void lines(struct core *core, const char *conn,
		  const struct message *msg, const struct proposal *ours,
		  size_t count)
{
	char text[PROPOSAL_STRLEN], name[16];
	struct proposal theirs;
	size_t i;
	u8 type;

	for (i = 0; msg && i < msg->msg_n_proposals; i++) {
		describe_offer(msg, i, text, sizeof(text));
		line(core, conn, "offered:   ", text);
	}
	for (i = 0; i < count; i++)
		line(core, conn, "configured:",
		     proposal_describe(&ours[i], text, sizeof(text)));
	if (!msg || msg->msg_n_proposals != 1 || count != 1)
		return;
	msg_proposal_copy(&theirs, msg, &msg->msg_proposals[0]);
	type = differs(&ours[0], &theirs);
	if (type)
		line(core, conn, "they differ in", transform_type_name(type, name));
}

void explain_offer(struct ike_sa *sa, const struct proposal *ours, size_t count)
{
	lines(sa->sa_core, sa->sa_conn->cn_conf.conn_name, NULL, ours, count);
}

void explain_offers(struct ike_sa *sa, const struct message *msg,
		    const struct proposal *ours, size_t count)
{
	lines(sa->sa_core, sa->sa_conn->cn_conf.conn_name, msg, ours, count);
}

void explain_refused(struct conn *conn, const struct core_path *path,
		     const struct message *msg)
{
	struct core *core = conn->cn_core;
	u32 before = core->core_noise.limit_suppressed;

	core_noise(core, path, "IKE_SA_INIT refused: no proposal fits connection %s",
		   conn->cn_conf.conn_name);
	if (core->core_noise.limit_suppressed <= before)
		lines(core, conn->cn_conf.conn_name, msg, conn->cn_conf.conn_ike,
		      conn->cn_conf.conn_nike);
}

static void selectors(struct ike_sa *sa, const char *what,
		      const struct msg_ts *mts)
{
	char text[TS_STRLEN];
	size_t i;

	for (i = 0; i < mts->mts_count && i < CONF_TS_MAX; i++)
		ike_sa_log(sa, CORE_WARNING, "  offered:    %s %s", what,
			   ts_print(&mts->mts_ts[i], text));
}

void explain_selectors(struct ike_sa *sa, const struct msg_ts *local,
		       const struct msg_ts *remote, const struct conf_conn *conf)
{
	char text[TS_PAIR_STRLEN];
	size_t i;

	selectors(sa, "our side", local);
	selectors(sa, "its side", remote);
	for (i = 0; i < conf->conn_npairs; i++)
		ike_sa_log(sa, CORE_WARNING, "  configured: %s",
			   ts_pair_print(&conf->conn_pairs[i], text));
}
