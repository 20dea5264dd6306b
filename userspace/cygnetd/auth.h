/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What AUTH covers (RFC 7296 section 2.15) and who is who.
 */
#ifndef CYGNETD_AUTH_H
#define CYGNETD_AUTH_H

#include "exchange.h"

/*
 * IPC_PSK or IPC_SIGN for the AUTH value of one side. NULL, or why there is
 * nothing to ask for.
 */
const char *auth_ask(struct ike_sa *sa, enum ipc_side side,
		     struct ipc_msg *msg);
/* The AUTH payload with what the keeper answered. */
void auth_emit(struct ike_sa *sa, struct emit *em, const u8 *value,
	       size_t len);
/* Our certificates, and whose the peer's may be: CERT, CERTREQ. */
void auth_emit_certs(struct ike_sa *sa, struct emit *em);

/*
 * The peer's signature and certificates, to be verified elsewhere. NULL with
 * the reason in err.
 */
struct verify *auth_verify(struct ike_sa *sa, const struct message *msg,
			   const struct msg_blob *auth, char *err,
			   size_t err_size);
/* What AUTH covers, when a PPK has gone into the SA's keys; false if too much. */
bool auth_verify_anew(struct ike_sa *sa, struct verify *verify);
/* The same value as in an AUTH payload, for a peer without our PPK. */
void auth_emit_no_ppk(struct ike_sa *sa, struct emit *em, const u8 *value,
		      size_t len);
/* How a side of the connection authenticates: "pre-shared key", … */
const char *auth_how_name(u8 how);

/* SIGNATURE_HASH_ALGORITHMS and, in the answer, CERTREQ: IKE_SA_INIT. */
void auth_emit_init(struct ike_sa *sa, struct emit *em);
void auth_take_init(struct ike_sa *sa, const struct message *msg);

/*
 * The connection that expects this initiator, by addresses, identities and
 * IKE proposal; NULL, with the reasons logged, if there is none.
 */
struct conn *auth_find_conn(struct ike_sa *sa, const struct message *msg);

#endif
