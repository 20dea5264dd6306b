/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why something was refused, field by field, for our own log: what was offered
 * and what is configured. The peer is told no more than the RFC asks for.
 */
#ifndef CYGNETD_EXPLAIN_H
#define CYGNETD_EXPLAIN_H

#include "conn.h"

/* What we offered. */
void explain_offer(struct ike_sa *sa, const struct proposal *ours,
		   size_t count);
/* What the peer sent, and what is configured. */
void explain_offers(struct ike_sa *sa, const struct message *msg,
		    const struct proposal *ours, size_t count);
/* A stranger's IKE_SA_INIT that no proposal of the connection fits. */
void explain_refused(struct conn *conn, const struct core_path *path,
		     const struct message *msg);
/* Traffic selectors that have nothing in common. */
void explain_selectors(struct ike_sa *sa, const struct msg_ts *local,
		       const struct msg_ts *remote, const struct conf_conn *conf);

#endif
