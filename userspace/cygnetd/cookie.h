/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cookies (RFC 7296 section 2.6): proof that an initiator receives at its
 * address, kept nowhere but in a secret that changes every minute.
 */
#ifndef CYGNETD_COOKIE_H
#define CYGNETD_COOKIE_H

#include "message.h"

#define COOKIE_SECRET_LEN	32
#define COOKIE_LEN		33

struct cookies {
	u64 cookie_since;		/* when the current secret was made */
	u8 cookie_version;
	u8 cookie_secrets[2][COOKIE_SECRET_LEN];	/* by version's low bit */
};

/* The cookie for this IKE_SA_INIT; false without randomness. */
bool cookie_make(struct cookies *cookies, u64 now, const struct message *msg,
		 const struct ip_addr *remote, u8 cookie[COOKIE_LEN]);
/* True if the message carries one of ours. */
bool cookie_check(struct cookies *cookies, u64 now, const struct message *msg,
		  const struct ip_addr *remote);

#endif
