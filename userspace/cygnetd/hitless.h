/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Write-ahead: no datagram of an IKE SA leaves before the keeper has a record
 * of the state that it speaks of. So an engine that dies at any moment leaves
 * behind a record that no peer has seen more than, and the next engine goes on
 * from there.
 *
 * A state is fit for a record while no answer of the peer, and no request of
 * its, is being worked on. Until then what is to be sent waits: a crash before
 * the record is to the peer a datagram lost, and it or we repeat the question.
 * What the keeper was asked for meanwhile is asked for again, so it must not
 * mind (see keeper.c); what nobody owns afterwards is taken out of the kernel.
 *
 * An initiator's IKE_SA_INIT has no record: it is begun anew.
 */
#ifndef CYGNETD_HITLESS_H
#define CYGNETD_HITLESS_H

#include "conn.h"

/* It is not what its record says any more. */
void hitless_touch(struct ike_sa *sa);
void hitless_touch_conn(struct conn *conn);
/* Sends a datagram of the SA once its record is written. */
void hitless_post(struct ike_sa *sa, const struct core_path *path,
		  const u8 *buf, size_t len);
/* At the end of every call into the core: records, then datagrams. */
void hitless_commit(struct core *core);

/* A record that the engine before this one has left. */
void hitless_take(struct core *core, const struct ipc_msg *msg);
/* All records are there: makes their SAs. */
void hitless_restore(struct core *core);
/* The kernel's SAs are known too: sets going what was restored. */
void hitless_resume(struct core *core);

void hitless_free(struct core *core);

#endif
