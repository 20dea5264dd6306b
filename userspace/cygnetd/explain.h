/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why something was refused, field by field, for our own log: what was offered
 * and what is configured. The peer is told no more than the RFC asks for.
 */
#ifndef CYGNETD_EXPLAIN_H
#define CYGNETD_EXPLAIN_H

#include "conn.h"

#define TROUBLE_LINES	8
#define TROUBLE_LINE	200
#define TROUBLE_KEYS	3

/*
 * The last failure of a connection, of an attempt of ours or of the peer's:
 * for "cygnet show" and "cygnet doctor". It holds no secret.
 */
struct trouble {
	bool tr_over;			/* the next line begins another one */
	char tr_text[400];
	u8 tr_n_keys;
	u8 tr_keys[TROUBLE_KEYS];	/* enum conf_conn_key to look at */
	u8 tr_n_lines;
	char tr_lines[TROUBLE_LINES][TROUBLE_LINE];
};

/* A setting that may be to blame, the likeliest first. */
void explain_blame(struct conn *conn, bool ours, enum conf_conn_key key);
/* The end of the attempt, in a line. */
__printf(3, 4)
void explain_end(struct conn *conn, bool ours, const char *format, ...);
/* It is up: nothing is wrong any more. */
void explain_clear(struct conn *conn);
json_t *explain_status(const struct trouble *trouble);
/* What a notify that refuses something means, for people; "" if nothing. */
const char *explain_notify(u16 type);

/* What we offered. */
void explain_offer(struct ike_sa *sa, const struct proposal *ours,
		   size_t count);
/* What the peer sent, and what is configured. */
void explain_offers(struct ike_sa *sa, const struct message *msg,
		    const struct proposal *ours, size_t count);
/* A stranger's IKE_SA_INIT that no proposal of the connection fits. */
void explain_refused(struct conn *conn, const struct core_path *path,
		     const struct message *msg);
/* The peer does not answer while the SA comes up. */
void explain_silence(struct ike_sa *sa);
/* Traffic selectors that have nothing in common. */
void explain_selectors(struct ike_sa *sa, const struct msg_ts *local,
		       const struct msg_ts *remote, const struct conf_conn *conf);

#endif
