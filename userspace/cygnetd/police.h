/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the configuration allows the engine to ask for. Pure functions: 0, or a
 * negative errno with the reason in the reply (-EPERM where the configuration
 * forbids it).
 */
#ifndef CYGNETD_POLICE_H
#define CYGNETD_POLICE_H

#include "ipc.h"

/* The PRF is one of the connection's. */
int police_psk(const struct conf_conn *conn, const struct ipc_psk *psk,
	       struct ipc_reply *reply);
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
