/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names into addresses, in a process of its own without keys or privileges:
 * what libraries do with the answers of strangers is no concern of the keeper.
 */
#ifndef CYGNETD_RESOLVER_H
#define CYGNETD_RESOLVER_H

#include "ipc.h"

/* argv[0] by which cygnetd knows that it is to be the resolver. */
#define RESOLVER_NAME	"cygnetd-resolver"
#define RESOLVER_FD	3	/* its end of the pair */
#define RESOLVER_ADDRS	8	/* of one name */
#define RESOLVER_ASKED	64	/* questions at a time */
#define RESOLVER_SECONDS	20	/* for an answer */

/* The keeper's side: who asked, until the answer is there. */
struct resolver {
	pid_t rv_pid;			/* 0: none */
	int rv_fd;			/* our end of the pair, -1: none */
	struct resolver_question {
		bool rq_asked;
		struct ipc_msg rq_request;	/* IPC_RESOLVE */
	} *rv_questions;
};

struct resolver_answer {
	u32 ra_index;
	u32 ra_count;			/* 0: ra_error says why */
	struct ip_addr ra_addrs[RESOLVER_ADDRS];
	char ra_error[128];
};

/* Returns the exit status: 0 when the keeper has gone. */
int resolver_main(void);

/* False, with the reason in @reply, if the name cannot be asked for. */
bool resolver_ask(struct resolver *rv, const char *name,
		  const struct ipc_msg *request, struct ipc_reply *reply);
/*
 * An answer has come, or the resolver has gone; the request that it is for, or
 * NULL. To be called as long as it returns one.
 */
const struct ipc_msg *resolver_take(struct resolver *rv,
				    struct resolver_answer *answer);
/* Who asked is not there any more. */
void resolver_forget(struct resolver *rv);
void resolver_stop(struct resolver *rv);

#endif
