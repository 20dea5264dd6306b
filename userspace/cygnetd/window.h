/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Message ids, retransmission and the reply cache of one IKE SA, both windows
 * of size 1 (RFC 7296 sections 2.1 to 2.3).
 */
#ifndef CYGNETD_WINDOW_H
#define CYGNETD_WINDOW_H

#include "emit.h"
#include "timer.h"

/*
 * Sent again after half a second, then at intervals that double up to a quarter
 * of retransmit-timeout, after which it is given up.
 */
#define WINDOW_FIRST_MS		500
#define WINDOW_SUSPECT		2	/* sends without answer: are we where we were? */
#define WINDOW_SHRINK		3	/* sends without answer, then smaller */
#define WINDOW_RESENDS		32	/* of one reply */

struct ike_sa;

enum window_verdict {
	WINDOW_NEW,		/* the next request */
	WINDOW_AGAIN,		/* the last request, byte for byte */
	WINDOW_OUTSIDE,		/* anything else */
};

/* What was sent, to be sent again. */
struct sent {
	u8 *sent_data;		/* datagrams, one after the other; or NULL */
	size_t sent_len;
	u8 *sent_plain;		/* the message before it was sealed, or NULL */
	size_t sent_plain_len;
};

struct window {
	u32 win_next;		/* id of our next request */
	u32 win_expected;	/* id of the peer's next request */
	u32 win_sends;		/* of our request */
	u64 win_deadline;	/* when it is given up */
	struct timer win_timer;
	struct sent win_request;	/* outstanding */
	struct sent win_reply;	/* to the request before win_expected */
	u32 win_resends;
	u8 win_hash[CRYPTO_HASH_LEN];	/* of the last request taken */
};

void window_init(struct ike_sa *sa);
/* Frees, and stops the timer. */
void window_clear(struct ike_sa *sa);

/*
 * Sends a request, complete and in clear, and keeps sending it until it is
 * answered or given up. False if it cannot be made.
 */
bool window_request(struct ike_sa *sa, struct emit *em);
/* Sends the outstanding request now, if there is one. */
void window_retry(struct ike_sa *sa);
/* Our request has been answered: the next id is free. */
void window_answered(struct ike_sa *sa);
/* Stops sending without using up the id (IKE_SA_INIT again). */
void window_withdraw(struct ike_sa *sa);
/* Gives up a little later unless an answer comes. */
void window_hasten(struct ike_sa *sa, u64 ms);

enum window_verdict window_judge(const struct ike_sa *sa, u32 id,
				 const u8 *buf, size_t len);
/* This request has been taken up. */
void window_take(struct ike_sa *sa, const u8 *buf, size_t len);
/* Sends the reply to the request taken up, and keeps it. */
bool window_reply(struct ike_sa *sa, const struct core_path *path,
		  struct emit *em);
/* Sends the kept reply again, where the request came from. */
void window_resend(struct ike_sa *sa, const struct core_path *path);

#endif
