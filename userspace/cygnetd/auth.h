/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What AUTH covers (RFC 7296 section 2.15) and who is who.
 */
#ifndef CYGNETD_AUTH_H
#define CYGNETD_AUTH_H

#include "exchange.h"

/* IPC_PSK for the AUTH value of one side; false if the octets are too many. */
bool auth_ask(struct ike_sa *sa, enum ipc_side side, struct ipc_msg *msg);
/*
 * The connection that expects this initiator, by addresses, identities and
 * IKE proposal; NULL, with the reasons logged, if there is none.
 */
struct conn *auth_find_conn(struct ike_sa *sa, const struct message *msg);

#endif
