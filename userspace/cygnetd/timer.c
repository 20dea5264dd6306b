// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A pairing heap.
 */
#include <stdint.h>

#include "timer.h"

static struct timer *meld(struct timer *a, struct timer *b)
{
	struct timer *swap;

	if (!a || !b)
		return a ? a : b;
	if (b->timer_when < a->timer_when) {
		swap = a;
		a = b;
		b = swap;
	}
	b->timer_prev = a;
	b->timer_next = a->timer_child;
	if (b->timer_next)
		b->timer_next->timer_prev = b;
	a->timer_child = b;
	return a;
}

/* Takes two of a list of siblings at a time, then melds the pairs. */
static struct timer *meld_siblings(struct timer *first)
{
	struct timer *pairs = NULL, *root = NULL;

	while (first) {
		struct timer *a = first, *b = a->timer_next;

		first = b ? b->timer_next : NULL;
		a->timer_next = NULL;
		if (b)
			b->timer_next = NULL;
		a = meld(a, b);
		a->timer_next = pairs;
		pairs = a;
	}
	while (pairs) {
		struct timer *next = pairs->timer_next;

		pairs->timer_next = NULL;
		root = meld(root, pairs);
		pairs = next;
	}
	return root;
}

void timer_init(struct timer *timer, void (*run)(void *arg), void *arg)
{
	timer->timer_run = run;
	timer->timer_arg = arg;
	timer->timer_is_set = false;
}

void timer_set(struct timers *timers, struct timer *timer, u64 when)
{
	timer_unset(timers, timer);
	timer->timer_when = when;
	timer->timer_is_set = true;
	timer->timer_child = NULL;
	timer->timer_next = NULL;
	timer->timer_prev = NULL;
	timers->timers_root = meld(timers->timers_root, timer);
}

void timer_unset(struct timers *timers, struct timer *timer)
{
	struct timer *rest;

	if (!timer->timer_is_set)
		return;
	timer->timer_is_set = false;
	rest = meld_siblings(timer->timer_child);
	if (timer == timers->timers_root) {
		timers->timers_root = rest;
		return;
	}
	if (timer->timer_prev->timer_child == timer)
		timer->timer_prev->timer_child = timer->timer_next;
	else
		timer->timer_prev->timer_next = timer->timer_next;
	if (timer->timer_next)
		timer->timer_next->timer_prev = timer->timer_prev;
	timers->timers_root = meld(timers->timers_root, rest);
}

bool timers_run(struct timers *timers, u64 now)
{
	struct timer *timer = timers->timers_root;

	if (!timer || timer->timer_when > now)
		return false;
	timer_unset(timers, timer);
	timer->timer_run(timer->timer_arg);
	return true;
}

u64 timers_next(const struct timers *timers)
{
	return timers->timers_root ? timers->timers_root->timer_when :
		UINT64_MAX;
}
