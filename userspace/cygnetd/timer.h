/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Timers: a pairing heap whose nodes live in the objects that they belong to,
 * so that setting one allocates nothing and cannot fail.
 */
#ifndef CYGNETD_TIMER_H
#define CYGNETD_TIMER_H

#include "types.h"

struct timer {
	u64 timer_when;			/* ms; meaningful while set */
	void (*timer_run)(void *arg);
	void *timer_arg;
	bool timer_is_set;
	/* first child; next sibling; previous sibling or parent */
	struct timer *timer_child, *timer_next, *timer_prev;
};

struct timers {
	struct timer *timers_root;
};

void timer_init(struct timer *timer, void (*run)(void *arg), void *arg);
/* Sets it anew if it was set. */
void timer_set(struct timers *timers, struct timer *timer, u64 when);
void timer_unset(struct timers *timers, struct timer *timer);
/* Runs one timer that is due; false if none is. */
bool timers_run(struct timers *timers, u64 now);
/* When the next is due, UINT64_MAX if none is set. */
u64 timers_next(const struct timers *timers);

#endif
