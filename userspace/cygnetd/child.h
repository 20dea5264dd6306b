/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The child SA: a pair of SAs of ESP, or of AH.
 */
#ifndef CYGNETD_CHILD_H
#define CYGNETD_CHILD_H

#include "ike_sa.h"

#define CHILD_LINGER_MS		5000	/* late packets on a deleted inbound SA */
#define CHILD_OVERDUE_MS	10000	/* for the peer's delete of the old SA */
#define CHILD_CHANGE_MS		1000	/* for the peer to install the new one */

enum child_state {
	CHILD_NEW,		/* being negotiated */
	CHILD_RECEIVING,	/* inbound in, outbound when the old one goes */
	CHILD_INSTALLED,
	CHILD_REKEYING,		/* we have asked for its replacement */
	CHILD_REKEYED,		/* its replacement is there */
	CHILD_DELETING,		/* our delete is under way */
	CHILD_LINGERING,	/* only the inbound SA, for late packets */
	CHILD_GONE,
	CHILD_STATES,
};

struct child {
	struct ike_sa *child_sa;
	struct child *child_next;
	u32 child_number;
	enum child_state child_state;
	bool child_initiator;		/* we began the exchange that made it */
	u8 child_group;			/* which of the configuration's children */
	u8 child_offer;			/* number of the proposal chosen */
	struct proposal child_proposal;	/* one transform of each type */
	u32 child_spi_in, child_spi_out;	/* network byte order */
	u32 child_dirs;			/* what the kernel has */
	u32 child_found;		/* … after a restart */
	u32 child_out_order;		/* the last one out is the one that sends */
	u8 child_n_ts;
	struct ts_pair child_ts[CONF_TS_MAX];
	struct ipc_key child_encr_in, child_encr_out;
	struct ipc_key child_integ_in, child_integ_out;
	struct nonce child_ni, child_nr;
	struct child *child_replaces;
	struct timer child_timer;	/* what is next for this state */
	struct waiter child_waiter;
	u64 child_installed;		/* when */
	u32 child_tries;		/* refused rekeys */
	u64 child_rekey_at;		/* 0: never */
};

struct child *child_new(struct ike_sa *sa, bool initiator);
/* The one place where child_state changes. */
void child_set_state(struct child *child, enum child_state state);
const char *child_state_name(enum child_state state);

/* PROTO_ESP or PROTO_AH. */
u8 child_protocol(const struct child *child);
/* Carries traffic now, or will without anybody's doing. */
bool child_alive(const struct child *child);
struct child *child_by_spi_in(struct ike_sa *sa, u32 spi);
struct child *child_by_spi_out(struct ike_sa *sa, u32 spi);

/**
 * child_derive() - cut the keys of both directions
 * @child: with proposal, nonces and role
 * @secret: of the exchange's own key exchanges, or empty
 *
 * Return: false if the algorithms are beyond us.
 */
bool child_derive(struct child *child, const struct ike_secret *secret);
/* An IPC_CHILD_ADD for these directions, with keys: wipe it after sending. */
void child_fill(const struct child *child, u32 dirs, struct ipc_msg *msg);
/* The keeper has installed these directions. */
void child_has(struct child *child, u32 dirs);
/* Both directions are in: the timers of its life start. */
void child_up(struct child *child);
/* Only inbound is in: outbound follows when the old one goes, or after so long. */
void child_receive(struct child *child, struct child *old, u64 patience_ms);
/* Its replacement carries the traffic; deleted by us if the peer is late. */
void child_replaced(struct child *child);
/* Installs the outbound SA of a child in CHILD_RECEIVING. */
void child_switch(struct child *child);
/* After a restart: the kernel may have lost it. */
void child_resume(struct child *child);
/* Takes the child out of the kernel; the inbound SA a little later if @late. */
void child_down(struct child *child, bool late);
/* A lifetime has passed. */
void child_expire(struct child *child, bool hard);
/* Asks the peer to delete its half; ours goes when it has answered. */
void child_delete(struct child *child);
/* Asks for a replacement unless that is under way. */
void child_rekey(struct child *child);
/*
 * Asks again later, and later each time; a new IKE SA, whose first child needs
 * no key exchange of its own, is the last resort.
 */
void child_rekey_later(struct child *child);
void child_free(struct child *child);

/* "AES-GCM-16-256, ESN, in 0x…, out 0x…" */
const char *child_print(const struct child *child, char *buf, size_t size);

#endif
