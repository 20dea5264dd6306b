/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Being sent to another gateway (RFC 5685), as a client, and to none but those
 * that the configuration names.
 */
#ifndef CYGNETD_REDIRECT_H
#define CYGNETD_REDIRECT_H

#include "exchange.h"

/* In IKE_SA_INIT: that we can, or who has sent us here. */
void redirect_emit(const struct exchange *ex, struct emit *em);
/* The row for an IKE_SA_INIT that is answered so. */
void redirect_init(struct exchange *ex, const struct message *msg);
/* In an authentic message: false, or *target where to go. */
bool redirect_find(struct ike_sa *sa, const struct message *msg,
		   struct ip_addr *target);
/* The peer is who it should be: a new IKE SA there, then this one goes. */
void redirect_follow(struct ike_sa *sa, const struct ip_addr *target);

#endif
