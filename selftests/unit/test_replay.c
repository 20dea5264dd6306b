// SPDX-License-Identifier: GPL-2.0-or-later
/* The anti-replay window, against a model that remembers everything. */

#include "unit.h"

#include "../../kmod/replay.c"

#define RING_MAX 256

struct window {
	struct cyg_replay replay;
	u64 room[RING_MAX];
};

static struct cyg_replay *make(struct window *window, u32 size, u64 top)
{
	assert_true(cyg_replay_words(size) <= RING_MAX);
	cyg_replay_init(&window->replay, size, top);
	return &window->replay;
}

static void test_accepts_once(void **state)
{
	struct window window;
	struct cyg_replay *replay = make(&window, 64, 0);

	assert_int_equal(cyg_replay_commit(replay, 1), 0);
	assert_int_equal(cyg_replay_commit(replay, 1),
			 CYGNET_DROP_RX_REPLAY_DUPLICATE);
	assert_int_equal(cyg_replay_check(replay, 2), 0);
	assert_int_equal(cyg_replay_check(replay, 2), 0);
	assert_int_equal(cyg_replay_commit(replay, 2), 0);
}

static void test_zero_is_never_valid(void **state)
{
	struct window window;
	struct cyg_replay *replay = make(&window, 64, 0);

	assert_int_equal(cyg_replay_check(replay, 0),
			 CYGNET_DROP_RX_REPLAY_OLD);
	assert_int_equal(cyg_replay_commit(replay, 0),
			 CYGNET_DROP_RX_REPLAY_OLD);
}

static void test_edges_are_exact(void **state)
{
	static const u32 sizes[] = { 32, 33, 63, 64, 65, 1000, 1024, 4096 };
	struct window window;
	struct cyg_replay *replay;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		u64 top = 100000 + i;

		replay = make(&window, sizes[i], 0);
		assert_int_equal(cyg_replay_commit(replay, top), 0);
		assert_int_equal(cyg_replay_check(replay, top - sizes[i]),
				 CYGNET_DROP_RX_REPLAY_OLD);
		assert_int_equal(cyg_replay_commit(replay,
						   top - sizes[i] + 1), 0);
		assert_int_equal(cyg_replay_check(replay, top - sizes[i] + 1),
				 CYGNET_DROP_RX_REPLAY_DUPLICATE);
	}
}

static void test_starts_behind_a_number(void **state)
{
	struct window window;
	struct cyg_replay *replay = make(&window, 64, 1000);

	assert_int_equal(cyg_replay_commit(replay, 1000),
			 CYGNET_DROP_RX_REPLAY_DUPLICATE);
	assert_int_equal(cyg_replay_commit(replay, 990),
			 CYGNET_DROP_RX_REPLAY_DUPLICATE);
	assert_int_equal(cyg_replay_commit(replay, 1001), 0);
}

/* A far jump forward forgets all, and nothing old comes back. */
static void test_far_jump(void **state)
{
	struct window window;
	struct cyg_replay *replay = make(&window, 1024, 0);
	u64 i;

	for (i = 1; i <= 2000; i++)
		assert_int_equal(cyg_replay_commit(replay, i), 0);
	assert_int_equal(cyg_replay_commit(replay, 1ULL << 40), 0);
	for (i = 1; i < 1024; i++)
		assert_int_equal(cyg_replay_commit(replay, (1ULL << 40) - i),
				 0);
	assert_int_equal(cyg_replay_check(replay, (1ULL << 40) - 1024),
			 CYGNET_DROP_RX_REPLAY_OLD);
}

/* The model: numbers 1 to MODEL, each seen or not. */
#define MODEL 20000

static u32 random_state;

static u32 next_random(void)
{
	random_state = random_state * 1664525 + 1013904223;
	return random_state >> 8;
}

static enum cygnet_drop model_commit(bool *seen, u64 *top, u32 size, u64 n)
{
	if (n <= *top && *top - n >= size)
		return CYGNET_DROP_RX_REPLAY_OLD;
	if (seen[n])
		return CYGNET_DROP_RX_REPLAY_DUPLICATE;
	seen[n] = true;
	if (n > *top)
		*top = n;
	return 0;
}

static void test_agrees_with_model(void **state)
{
	static const u32 sizes[] = { 32, 64, 100, 1024, 4096 };
	struct window window;
	struct cyg_replay *replay;
	bool seen[MODEL + 1];
	size_t i, round;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		u64 top = 0, n;

		random_state = 4303 + i;
		memset(seen, 0, sizeof(seen));
		replay = make(&window, sizes[i], 0);
		for (round = 0; round < 60000; round++) {
			n = top + next_random() % 70;
			n = n > sizes[i] / 2 + 60 ? n - sizes[i] / 2 -
			    next_random() % 60 : n;
			n = n < 1 ? 1 : n > MODEL ? MODEL : n;
			assert_int_equal(cyg_replay_commit(replay, n),
					 model_commit(seen, &top, sizes[i],
						      n));
		}
		assert_int_equal(replay->top, top);
	}
}

static void test_sequence_without_esn(void **state)
{
	struct window window;
	struct cyg_replay *replay = make(&window, 64, 0xfffffff0);

	assert_int_equal(cyg_replay_sequence(replay, 5, false), 5);
}

/* RFC 4303 appendix A: the number nearest above the window's left edge. */
static void test_sequence_with_esn(void **state)
{
	static const struct {
		u64 top;
		u32 low;
		u64 sequence;
	} cases[] = {
		{ 0, 1, 1 },
		{ 100, 50, 50 },
		{ 0xfffffff0, 5, 0x100000005 },
		{ 0x100000005, 0xfffffff0, 0xfffffff0 },
		{ 0x100000005, 6, 0x100000006 },
		{ 0x1000000ff, 0xff - 63, 0x1000000ff - 63 },
		{ 0x1000000ff, 0xff - 64, 0x2000000ff - 64 },
		{ 10, 0xfffffff0, 0 },
	};
	struct window window;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		u64 sequence = cyg_replay_sequence(make(&window, 64,
							cases[i].top),
						   cases[i].low, true);

		assert_int_equal(sequence, cases[i].sequence);
	}
}

static void test_esn_ends_without_wrap(void **state)
{
	struct window window;
	struct cyg_replay *replay = make(&window, 64, ~0ULL - 10);

	assert_int_equal(cyg_replay_sequence(replay, (u32)~0u, true), ~0ULL);
	assert_int_equal(cyg_replay_sequence(replay, 5, true), 0);
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_accepts_once),
		cmocka_unit_test(test_zero_is_never_valid),
		cmocka_unit_test(test_edges_are_exact),
		cmocka_unit_test(test_starts_behind_a_number),
		cmocka_unit_test(test_far_jump),
		cmocka_unit_test(test_agrees_with_model),
		cmocka_unit_test(test_sequence_without_esn),
		cmocka_unit_test(test_sequence_with_esn),
		cmocka_unit_test(test_esn_ends_without_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
