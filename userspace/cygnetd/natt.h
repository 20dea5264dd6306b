/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NAT detection (RFC 7296 section 2.23).
 */
#ifndef CYGNETD_NATT_H
#define CYGNETD_NATT_H

#include "ike_sa.h"

/* Both notifies; a forced encapsulation lies about our own address. */
void natt_emit(struct emit *em, const struct msg_header *hdr,
	       const struct core_path *path, bool force);
/* Compares, and sets sa_nat_local, sa_nat_remote and sa_encap. */
void natt_detect(struct ike_sa *sa, const struct message *msg,
		 const struct core_path *path);
/* "none", "local", "remote", "both" */
/* NULL, or why the child SAs cannot pass the NAT that is there. */
const char *natt_refusal(const struct ike_sa *sa);
const char *natt_name(const struct ike_sa *sa);

#endif
