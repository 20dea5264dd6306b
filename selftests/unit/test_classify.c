// SPDX-License-Identifier: GPL-2.0-or-later
/* The module's ordered set of selectors, held against a plain list. */

#include "unit.h"

#include <arpa/inet.h>

#include "../../kmod/selector.c"

static u32 compared;

/* How often a search looks at a selector, which is what must not grow. */
static bool counted(const struct cyg_selector *selector,
		    const struct cyg_flow *flow)
{
	compared++;
	return cyg_selector_matches(selector, flow);
}

#define cyg_selector_matches counted
#include "../../kmod/classify.c"
#undef cyg_selector_matches

static u32 seed;

static u32 below(u32 limit)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % limit;
}

/* The oracle: all entries in order, the first that matches. */
#define ENTRIES_MAX 100000

static struct cyg_entry *entries[ENTRIES_MAX];
static u32 count;

static const struct cyg_entry *first_match(const struct cyg_flow *flow)
{
	const struct cyg_entry *best = NULL;
	u32 i;

	for (i = 0; i < count; i++)
		if (cyg_selector_matches(&entries[i]->selector, flow) &&
		    (!best || precedes(entries[i], best)))
			best = entries[i];
	return best;
}

static void check(const struct cyg_table *table, const struct cyg_flow *flow)
{
	const struct cyg_entry *found = cyg_classify(table, flow);
	const struct cyg_entry *expected = first_match(flow);

	assert_int_equal(!!found, !!expected);
	if (!found)
		return;
	assert_int_equal(found->rank, expected->rank);
	assert_int_equal(found->id, expected->id);
}

/* A world of few addresses, so that much overlaps: 10.0.x.x, 2001:db8::x:x. */
static struct cyg_addr addr(u8 family, u32 host)
{
	struct cyg_addr a = { 0 };

	if (family == 4) {
		a.w[0] = htonl(0x0a000000 | host);
	} else {
		a.w[0] = htonl(0x20010db8);
		/* A range may go across words. */
		a.w[2] = htonl(host >> 14);
		a.w[3] = htonl(host << 18);
	}
	return a;
}

static void random_range(u8 family, struct cyg_addr *first,
			 struct cyg_addr *last)
{
	u32 from = below(0x10000), to = from + below(1 << below(16)), bits;

	if (below(3)) {
		bits = below(17);
		from &= ~0U << bits;
		to = from | ((1U << bits) - 1);
	}
	if (!below(20)) {
		memset(first, 0, sizeof(*first));
		memset(last, 0xff, family == 4 ? 4 : 16);
		return;
	}
	*first = addr(family, from);
	*last = addr(family, to);
	if (family == 6)
		last->w[3] |= htonl((1 << 18) - 1);
}

static void random_ports(u16 *first, u16 *last)
{
	*first = 0;
	*last = 0xffff;
	if (below(2))
		return;
	*first = below(2000);
	*last = *first + (below(2) ? below(500) : 0);
}

static struct cyg_entry *random_entry(u32 id)
{
	struct cyg_entry *entry = calloc(1, sizeof(*entry));
	struct cyg_selector *s = &entry->selector;

	s->family = below(4) ? 4 : 6;
	random_range(s->family, &s->local_first, &s->local_last);
	random_range(s->family, &s->remote_first, &s->remote_last);
	s->protocol = below(2) ? 0 : below(2) ? 6 : 17;
	s->local_port_last = 0xffff;
	s->remote_port_last = 0xffff;
	if (s->protocol || !below(8)) {
		random_ports(&s->local_port_first, &s->local_port_last);
		random_ports(&s->remote_port_first, &s->remote_port_last);
	}
	entry->id = id;
	entry->rank = cyg_classify_rank(below(3), s);
	return entry;
}

static struct cyg_flow random_flow(void)
{
	struct cyg_flow flow = { .family = below(4) ? 4 : 6 };

	flow.local = addr(flow.family, below(0x11000));
	flow.remote = addr(flow.family, below(0x11000));
	flow.protocol = below(3) ? 6 : below(2) ? 17 : 1;
	flow.has_ports = below(5);
	if (flow.has_ports) {
		flow.local_port = below(3000);
		flow.remote_port = below(3000);
	}
	return flow;
}

static struct cyg_table *publish(struct cyg_draft *draft)
{
	struct cyg_table *old = draft->old;
	struct cyg_table *table = cyg_classify_finish(draft);

	cyg_classify_free(old);
	return table;
}

/* One change of up to 40 steps; memory may run out at any of them. */
static struct cyg_table *change(struct cyg_table *table, u32 round)
{
	struct cyg_entry *gone[40], *added[40];
	u32 i, ngone = 0, nadded = 0, steps = 1 + below(40);
	struct cyg_draft *draft;
	bool ok;

	shim_fails = below(3) ? -1 : (long)below(200);
	draft = cyg_classify_begin(table, GFP_KERNEL);
	ok = draft;
	for (i = 0; i < steps && ok; i++) {
		if (below(round < 80 ? 4 : 2) || !count) {
			entries[count] = random_entry(round * 64 + i);
			added[nadded++] = entries[count];
			ok = cyg_classify_add(draft, entries[count++]);
		} else {
			u32 at = below(count);

			gone[ngone++] = entries[at];
			ok = cyg_classify_del(draft, entries[at]);
			entries[at] = entries[--count];
		}
	}
	shim_fails = -1;
	if (ok) {
		table = publish(draft);
		for (i = 0; i < ngone; i++)
			free(gone[i]);
		return table;
	}
	/* Nothing has changed. */
	if (draft)
		cyg_classify_abort(draft);
	for (i = 0; i < ngone; i++)
		entries[count++] = gone[i];
	for (i = 0; i < nadded; i++) {
		u32 at;

		for (at = 0; entries[at] != added[i]; at++)
			assert_true(at < count);
		entries[at] = entries[--count];
		free(added[i]);
	}
	return table;
}

static void empty(struct cyg_table *table)
{
	cyg_classify_free_all(table);
	assert_int_equal(shim_allocated, 0);
	while (count)
		free(entries[--count]);
}

static void test_random(void **state)
{
	struct cyg_table *table = NULL;
	struct cyg_flow flow;
	u32 round, i;

	for (seed = 1, round = 0; round < 250; round++) {
		table = change(table, round);
		for (i = 0; table && i < 80; i++) {
			flow = random_flow();
			check(table, &flow);
		}
	}
	assert_true(count > 300);
	empty(table);
}

/* What an old version finds does not change while a new one is made. */
static void test_versions(void **state)
{
	struct cyg_draft *draft = cyg_classify_begin(NULL, GFP_KERNEL);
	struct cyg_table *old, *table;
	struct cyg_flow flow;
	u32 i, half;

	for (seed = 2, count = 0; count < 600; count++) {
		entries[count] = random_entry(count);
		assert_true(cyg_classify_add(draft, entries[count]));
	}
	old = publish(draft);
	draft = cyg_classify_begin(old, GFP_KERNEL);
	half = count / 2;
	for (i = half; i < count; i++)
		assert_true(cyg_classify_del(draft, entries[i]));
	for (i = 0; i < 200; i++) {
		flow = random_flow();
		check(old, &flow);
	}
	table = cyg_classify_finish(draft);
	for (i = 0; i < 200; i++) {
		flow = random_flow();
		check(old, &flow);
		count = half;
		check(table, &flow);
		count = 600;
	}
	cyg_classify_free(old);
	empty(table);
}

/* All taken out again leaves nothing, not even memory. */
static void test_emptied(void **state)
{
	struct cyg_draft *draft = cyg_classify_begin(NULL, GFP_KERNEL);
	struct cyg_table *table;
	u32 i;

	for (seed = 3, count = 0; count < 2000; count++) {
		entries[count] = random_entry(count);
		assert_true(cyg_classify_add(draft, entries[count]));
	}
	table = publish(draft);
	for (i = 0; i < count; i++) {
		draft = cyg_classify_begin(table, GFP_KERNEL);
		assert_true(cyg_classify_del(draft, entries[i]));
		table = publish(draft);
	}
	assert_null(table->roots[0]);
	assert_null(table->roots[1]);
	assert_int_equal(shim_allocated, 1);
	empty(table);
}

/* Policies by the thousand, of a shape that @shape gives the nth. */
static u32 most_compared(void (*shape)(struct cyg_selector *, u32 n), u32 n)
{
	struct cyg_draft *draft = cyg_classify_begin(NULL, GFP_KERNEL);
	struct cyg_table *table;
	struct cyg_flow flow;
	u32 i, worst = 0;

	for (count = 0; count < n; count++) {
		struct cyg_entry *entry = calloc(1, sizeof(*entry));

		entry->selector = (struct cyg_selector){
			.family = 4,
			.local_port_last = 0xffff,
			.remote_port_last = 0xffff,
		};
		shape(&entry->selector, count);
		entry->id = count + 1;
		entry->rank = cyg_classify_rank(0, &entry->selector);
		entries[count] = entry;
		assert_true(cyg_classify_add(draft, entry));
	}
	table = publish(draft);
	for (i = 0; i < 5000; i++) {
		const struct cyg_selector *s = &entries[below(n)]->selector;

		flow = (struct cyg_flow){
			.family = 4,
			.local = s->local_last,
			.remote = s->remote_first,
			.has_ports = true,
			.protocol = s->protocol ?: 6,
			.local_port = s->local_port_first,
			.remote_port = s->remote_port_last,
		};
		if (i & 1)
			flow.remote = addr(4, below(0x40000));
		compared = 0;
		if (i % 500)
			cyg_classify(table, &flow);
		else
			check(table, &flow);
		if (compared > worst)
			worst = compared;
	}
	empty(table);
	return worst;
}

static void prefix_pairs(struct cyg_selector *s, u32 n)
{
	s->local_first = addr(4, 0x800000 + (n & 0xff) * 256);
	s->local_last = addr(4, 0x800000 + (n & 0xff) * 256 + 255);
	s->remote_first = addr(4, (n >> 8) * 16);
	s->remote_last = addr(4, (n >> 8) * 16 + 15);
}

/* 301 addresses each, 150 of them over every address. */
static void overlapping(struct cyg_selector *s, u32 n)
{
	s->local_first = addr(4, 0);
	s->local_last = addr(4, 0xffffff);
	s->remote_first = addr(4, n * 2);
	s->remote_last = addr(4, n * 2 + 300);
}

static void overlapping_twice(struct cyg_selector *s, u32 n)
{
	s->local_first = addr(4, n / 300 * 7);
	s->local_last = addr(4, n / 300 * 7 + 100);
	s->remote_first = addr(4, n % 300 * 7);
	s->remote_last = addr(4, n % 300 * 7 + 100);
}

static void nested(struct cyg_selector *s, u32 n)
{
	s->local_first = addr(4, 0);
	s->local_last = addr(4, 0xffffff);
	s->remote_first = addr(4, 0x20000 - n);
	s->remote_last = addr(4, 0x20000 + n);
}

static void port_ranges(struct cyg_selector *s, u32 n)
{
	s->local_last = addr(4, 0xffffff);
	s->remote_last = addr(4, 0xffffff);
	s->protocol = n & 1 ? 6 : 17;
	s->remote_port_first = n / 2;
	s->remote_port_last = n / 2 + 20;
}

static void test_scale(void **state)
{
	seed = 4;
	assert_in_range(most_compared(prefix_pairs, ENTRIES_MAX), 1, 8);
	assert_in_range(most_compared(overlapping, ENTRIES_MAX), 1, 24);
	assert_in_range(most_compared(overlapping_twice, ENTRIES_MAX), 1, 128);
	assert_in_range(most_compared(nested, ENTRIES_MAX), 1, 512);
	assert_in_range(most_compared(port_ranges, ENTRIES_MAX), 1, 32);
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_emptied),
		cmocka_unit_test(test_scale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
