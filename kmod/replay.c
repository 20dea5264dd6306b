// SPDX-License-Identifier: GPL-2.0-only
/*
 * The anti-replay window; see replay.h. Also builds in userspace.
 */
#include "replay.h"

/**
 * cyg_replay_words - length of the ring for a window
 * @window: in packets, 32 to 4096
 *
 * One word more than the window fills, so that clearing the word that the top
 * moves into never forgets a number that is still inside the window.
 */
u32 cyg_replay_words(u32 window)
{
	u32 words = 2;

	while (words < (window + 63) / 64 + 1)
		words *= 2;
	return words;
}

/**
 * cyg_replay_init - set up a window
 * @replay: has room for cyg_replay_words(@window) words
 * @window: in packets
 * @top: everything up to this number counts as seen
 */
void cyg_replay_init(struct cyg_replay *replay, u32 window, u64 top)
{
	u32 i;

	replay->top = top;
	replay->window = window;
	replay->mask = cyg_replay_words(window) - 1;
	for (i = 0; i <= replay->mask; i++)
		replay->ring[i] = ~0ULL;
	/* Bits above the top in its own word belong to numbers to come. */
	replay->ring[(top / 64) & replay->mask] = ~0ULL >> (63 - top % 64);
}

/**
 * cyg_replay_sequence - the number that a packet means
 * @replay: the window
 * @low: the 32 bits in its header
 * @esn: the SA has extended numbers, whose upper half is not sent
 *
 * RFC 4303 appendix A2.2 in one line: the smallest number with these low bits
 * that is not left of the window. Where that would be below zero, or wrap,
 * there is none.
 *
 * Return: the full number, 0 (which no packet has) if there is none
 */
u64 cyg_replay_sequence(const struct cyg_replay *replay, u32 low, bool esn)
{
	u64 bottom, sequence;
	bool below_zero;

	if (!esn)
		return low;
	below_zero = replay->top < replay->window - 1;
	bottom = replay->top - (replay->window - 1);
	sequence = bottom + (u32)(low - (u32)bottom);
	return (sequence < bottom) == below_zero ? sequence : 0;
}

/**
 * cyg_replay_check - would this number be accepted?
 * @replay: the window
 * @sequence: full number
 *
 * Return: 0 or why not
 */
enum cygnet_drop cyg_replay_check(const struct cyg_replay *replay, u64 sequence)
{
	if (!sequence)
		return CYGNET_DROP_RX_REPLAY_OLD;
	if (sequence > replay->top)
		return 0;
	if (replay->top - sequence >= replay->window)
		return CYGNET_DROP_RX_REPLAY_OLD;
	if (replay->ring[(sequence / 64) & replay->mask] & (1ULL << sequence % 64))
		return CYGNET_DROP_RX_REPLAY_DUPLICATE;
	return 0;
}

/**
 * cyg_replay_commit - accept this number, if it still may be
 * @replay: the window
 * @sequence: full number, of an authenticated packet
 *
 * Return: 0 or why not
 */
enum cygnet_drop cyg_replay_commit(struct cyg_replay *replay, u64 sequence)
{
	enum cygnet_drop reason = cyg_replay_check(replay, sequence);
	u64 ahead, i;

	if (reason)
		return reason;
	if (sequence > replay->top) {
		ahead = sequence / 64 - replay->top / 64;
		for (i = 0; i < ahead && i <= replay->mask; i++)
			replay->ring[(sequence / 64 - i) & replay->mask] = 0;
		replay->top = sequence;
	}
	replay->ring[(sequence / 64) & replay->mask] |= 1ULL << sequence % 64;
	return 0;
}
