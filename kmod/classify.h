/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An ordered set of selectors, and the first of them that takes a flow. Also
 * builds in userspace, for tests.
 *
 * A struct cyg_table is one version of the set, and immutable once it was
 * published: readers take no lock. A change makes a new version that shares with
 * the old one all that is the same in both, so that its cost depends on what
 * changes and little on how much there is. It may fail while it is being made,
 * never when it is published.
 */
#ifndef _CYGNET_CLASSIFY_H
#define _CYGNET_CLASSIFY_H

#include "selector.h"

struct cyg_policy;
struct cyg_table;

/**
 * struct cyg_entry - one selector of one policy
 * @selector: the selector
 * @action: what the policy does
 * @id: of the policy
 * @rank: looked at in ascending order, and among equal ones by @id
 * @policy: the policy
 */
struct cyg_entry {
	struct cyg_selector selector;
	u8 action;
	u32 id;
	u64 rank;
	struct cyg_policy *policy;
};

static inline u64 cyg_classify_rank(u32 priority, const struct cyg_selector *selector)
{
	return (u64)priority << 32 | (u32)~cyg_selector_weight(selector);
}

/* Nodes above each other, on all levels together. */
#define CYG_CLASSIFY_DEPTH	(129 + 129 + 25 + 17)

/**
 * struct cyg_draft - a version being made
 * @old: what it is made of, or NULL
 * @table: what it becomes
 * @fresh: all parts that only it has
 * @retired: parts of @old that it does without
 * @gfp: how to allocate
 * @depth: how much of @path is used
 * @path: to where something is being taken out
 */
struct cyg_draft {
	struct cyg_table *old, *table;
	struct cyg_part *fresh, *retired;
	gfp_t gfp;
	u32 depth;
	struct cyg_node **path[CYG_CLASSIFY_DEPTH];
};

struct cyg_draft *cyg_classify_begin(struct cyg_table *old, gfp_t gfp);
bool cyg_classify_add(struct cyg_draft *draft, const struct cyg_entry *entry);
bool cyg_classify_del(struct cyg_draft *draft, const struct cyg_entry *entry);
struct cyg_table *cyg_classify_finish(struct cyg_draft *draft);
void cyg_classify_abort(struct cyg_draft *draft);
void cyg_classify_free(struct cyg_table *table);
void cyg_classify_free_all(struct cyg_table *table);
const struct cyg_entry *cyg_classify(const struct cyg_table *table,
				     const struct cyg_flow *flow);

#endif /* _CYGNET_CLASSIFY_H */
