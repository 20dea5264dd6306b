/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the core. What happens to a datagram:
 *
 *	core_receive()			core.c: whose is it?
 *	  init_receive()		exch_init.c: a stranger's IKE_SA_INIT
 *	  ike_sa_receive()		ike_sa.c: window, decrypt, parse
 *	    exchange_request()		exchange.c: a request of the peer
 *	    exchange_response()		exchange.c: the answer to ours
 *	      transitions.c		which row: payloads there?
 *		exch_*.c		what to do; ends in a wait, a message
 *					or the end of the exchange
 *
 * and to the completion that an exchange waits for (keeper, key exchange):
 *
 *	core_keeper(), core_work_done() -> exchange_resume() -> the row's function
 *
 * Objects that end are unlinked at once and freed when the entry point returns
 * (core_reap()), so that whoever is on the stack may still look at them.
 */
#ifndef CYGNETD_CORE_PRIV_H
#define CYGNETD_CORE_PRIV_H

#include "cookie.h"
#include "core.h"
#include "creds.h"
#include "timer.h"

#define CORE_BUCKETS		4096
#define CORE_HALF_OPEN_MAX	1000	/* SAs that peers may begin at once */
#define CORE_HALF_OPEN_COOKIE	32	/* beyond this, cookies */

struct conn;
struct exchange;
struct ike_sa;
struct left;
struct post;
struct child;

/* Somebody who asked the keeper, or another thread, for one thing. */
struct waiter {
	struct waiter *wait_next;	/* in its bucket */
	u32 wait_handle;		/* 0: not yet known to the core */
	u32 wait_generation;		/* of what it waits for now */
	bool wait_pending;
	/* @reply is NULL for work done elsewhere */
	void (*wait_done)(void *arg, const struct ipc_reply *reply);
	void *wait_arg;
};

/* So many events a second, with a burst; the rest are counted. */
struct limiter {
	u64 limit_since;
	u32 limit_used;
	u32 limit_suppressed;
};

struct core {
	const struct core_ops *core_ops;
	void *core_ctx;
	struct timers core_timers;
	u64 core_armed;
	bool core_ready;
	u32 core_depth;			/* of entry points on the stack */
	u16 core_ike_port, core_natt_port;

	struct creds core_creds;
	struct conn *core_dead_conns;
	struct waiter core_waiter;	/* IPC_RELOAD */
	struct core_command core_reload;	/* who asked for it */
	bool core_reloading;
	struct conn *core_conns;	/* in the configuration's order */
	struct ike_sa *core_sas[CORE_BUCKETS];	/* by our SPI */
	struct ike_sa *core_inits[CORE_BUCKETS];	/* by SA_INIT's hash */
	struct waiter *core_waiters[CORE_BUCKETS];
	u32 core_half_open;
	u32 core_handles;		/* last one given */
	u32 core_numbers;		/* of SAs, for the log */
	u32 core_outs;			/* outbound SAs installed */
	struct cookies core_cookies;
	struct limiter core_answers;	/* to strangers, 10 a second */
	struct limiter core_noise;	/* log lines about them, 50 */

	/* See hitless.h. */
	u16 core_epoch;			/* of this engine, from the keeper */
	struct ike_sa *core_touched;	/* SAs to be recorded */
	struct conn *core_touched_conns;
	struct post *core_posts;	/* to be sent when that is done */
	struct left *core_left;		/* records of the engine before */

	struct exchange *core_dead_exchanges;
	struct child *core_dead_children;
	struct ike_sa *core_dead_sas;
};

u64 core_now(const struct core *core);
/* Up to a tenth less than @ms, at random. */
u64 core_jitter(u64 ms);

__printf(4, 5)
void core_log(struct core *core, enum core_level level, const char *conn,
	      const char *format, ...);
/* About a datagram of nobody we know: rate-limited. */
__printf(3, 4)
void core_noise(struct core *core, const struct core_path *path,
		const char *format, ...);
/* False if strangers have been talked about enough for now. */
bool core_may_speak(struct core *core);
/* False if strangers have had enough answers for now. */
bool core_may_answer(struct core *core);

void core_send(struct core *core, const struct core_path *path, const u8 *buf,
	       size_t len);

void waiter_init(struct waiter *waiter,
		 void (*done)(void *arg, const struct ipc_reply *reply),
		 void *arg);
/* Forgets what is under way; to be called before the object goes. */
void waiter_cancel(struct core *core, struct waiter *waiter);
/* Asks the keeper; the message's handle and generation are filled in. */
void waiter_ask(struct core *core, struct waiter *waiter, struct ipc_msg *msg);
/* A new generation, for work elsewhere. */
void waiter_expect(struct core *core, struct waiter *waiter);
/* Asks without caring for the answer, beyond logging a refusal. */
void core_tell(struct core *core, struct ipc_msg *msg);
/* A message of that type with all else zero. */
void core_ask_init(struct ipc_msg *msg, enum ipc_type type, const char *conn);

/*
 * Around every entry point; leaving the outermost frees what has ended and sets
 * the clock.
 */
void core_enter(struct core *core);
void core_leave(struct core *core);

struct ike_sa *core_find_sa(struct core *core, const u8 *spi);
/* A random SPI that is not in use. */
bool core_new_spi(struct core *core, u8 spi[MSG_SPI_LEN]);

#endif
