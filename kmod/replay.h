/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The anti-replay window (RFC 4303 section 3.4.3, RFC 6479) as pure functions:
 * no locks, no allocation. Also builds in userspace, for tests and proofs.
 */
#ifndef _CYGNET_REPLAY_H
#define _CYGNET_REPLAY_H

#include <linux/types.h>
#include <uapi/linux/cygnet.h>

/**
 * struct cyg_replay - numbers seen, in a ring of 64-bit words
 * @top: highest number accepted
 * @window: how many numbers, @top included, can still be judged
 * @mask: words in @ring, a power of two, minus one
 * @ring: one bit per number, word (n / 64) & @mask
 */
struct cyg_replay {
	u64 top;
	u32 window;
	u32 mask;
	u64 ring[];
};

u32 cyg_replay_words(u32 window);
void cyg_replay_init(struct cyg_replay *replay, u32 window, u64 top);
u64 cyg_replay_sequence(const struct cyg_replay *replay, u32 low, bool esn);
enum cygnet_drop cyg_replay_check(const struct cyg_replay *replay, u64 sequence);
enum cygnet_drop cyg_replay_commit(struct cyg_replay *replay, u64 sequence);

#endif /* _CYGNET_REPLAY_H */
