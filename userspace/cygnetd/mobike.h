/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MOBIKE (RFC 4555): the side that began the IKE SA may change its address.
 */
#ifndef CYGNETD_MOBIKE_H
#define CYGNETD_MOBIKE_H

#include "exchange.h"

/* What IKE_AUTH says and hears of it. */
void mobike_emit(const struct exchange *ex, struct emit *em);
void mobike_take(struct ike_sa *sa, const struct message *msg);

/* No answer comes: is our address still what it was? */
void mobike_suspect(struct ike_sa *sa);
/* The keeper says which address we have towards the peer now. */
void mobike_resolved(void *arg, const struct ipc_reply *reply);

/*
 * A request of the peer: its new address is taken, COOKIE2 returned. False if
 * it was refused, with the answer complete.
 */
bool mobike_request(struct exchange *ex, const struct message *msg,
		    struct emit *em);

#endif
