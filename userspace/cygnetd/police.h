/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the configuration allows the engine to ask for. Pure functions: 0, or a
 * negative errno with the reason in the reply. -EPERM: the configuration forbids
 * it, and no engine of ours would ask, since it asks these functions first.
 * -EACCES: the configuration forbids it now; a reload may have changed that while
 * the request was under way.
 */
#ifndef CYGNETD_POLICE_H
#define CYGNETD_POLICE_H

#include "ipc.h"

/*
 * The side is one that authenticates that way, under the connection's identity
 * and with one of its PRFs; what it says is an IKE_SA_INIT message is one.
 */
int police_auth(const struct conf_conn *conn, enum ipc_type type,
		const struct ipc_auth *auth, struct ipc_reply *reply);
/* The PRF is one of its proposals'. */
int police_prf(const struct conf_conn *conn, u32 prf, struct ipc_reply *reply);
/* The address is the connection's own, where it names one. */
int police_spi(const struct conf_conn *conn, const struct ipc_spi *spi,
	       struct ipc_reply *reply);
/* Endpoints, algorithms, key lengths and selectors. */
int police_child(const struct conf_conn *conn, const struct ipc_child *child,
		 struct ipc_reply *reply);
/* Both sides of one family, ranges in order, one protocol. */
bool police_pair_valid(const struct ts_pair *pair);
/* Within one of the connection's pairs. */
bool police_pair_allowed(const struct conf_conn *conn,
			 const struct ts_pair *pair);

#endif
