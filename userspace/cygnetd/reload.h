/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A new configuration beside the one in force: what differs, and what holds
 * until the engine has taken down what cannot be changed in place.
 */
#ifndef CYGNETD_RELOAD_H
#define CYGNETD_RELOAD_H

#include "conf.h"
#include "crypto.h"

enum change {
	CHANGE_NONE,
	CHANGE_NEW,
	CHANGE_LIVE,		/* of no consequence for what is up */
	CHANGE_RESTART,		/* down as it was, then up as it shall be */
	CHANGE_GONE,
};

/*
 * The connections in force: those of the file and, after them, those that are
 * gone from it but not yet taken down. One that is to be restarted has its old
 * content until then.
 */
struct reload {
	struct conf *re_conf;
	u8 *re_change;			/* enum change, of each connection */
	struct conf_conn *re_next;	/* of each with CHANGE_RESTART */
	u32 re_pending;			/* restarts and ends to come */
};

/* What becomes of a connection whose settings are other ones now. */
enum change reload_compare(const struct conf_conn *now,
			   const struct conf_conn *next);
/*
 * The same digest as long as it is the same connection for what is up, in this
 * process or another.
 */
void reload_fingerprint(const struct conf_conn *conn, u8 out[CRYPTO_HASH_LEN]);
/* NULL, or why a running daemon cannot take these settings. */
const char *reload_refuse(const struct conf *now, const struct conf *next);
/* False without memory. Everything in @plan is the caller's. */
bool reload_plan(struct reload *plan, const struct conf *now,
		 const struct conf *next);
/* It has been taken down: its new content, or none, is in force. */
void reload_settle(struct reload *plan, size_t index);
void reload_free(struct reload *plan);

#endif
