// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks of memory that packets are encrypted and decrypted into, one behind the
 * other. Each CPU has a ring of them for either direction and fills one at a time;
 * skbs refer to what they need. When its turn comes again, a block that nobody
 * refers to any more is filled anew, which costs neither allocation nor the
 * clearing of pages; else another takes its place.
 *
 * What was in a block before stays invisible: skbs refer to what was written only.
 */
#include <linux/mm.h>
#include <linux/percpu.h>

#include "cygnet.h"

/* Of pages; less will do. */
#define BLOCK_ORDER	3

static DEFINE_PER_CPU(struct cyg_blocks, blocks[2]);

/**
 * cyg_block_own - the blocks of this CPU
 * @direction: that they are for, since receiving may lead to sending
 *
 * Call with BH off.
 */
struct cyg_blocks *cyg_block_own(enum cygnet_direction direction)
{
	return this_cpu_ptr(blocks) + (direction == CYGNET_DIRECTION_IN);
}

static struct page *alloc_block(u32 len)
{
	const gfp_t gfp = GFP_ATOMIC | __GFP_NOWARN | __GFP_COMP;
	u32 order = max_t(u32, BLOCK_ORDER, get_order(len));
	struct page *page;

	page = alloc_pages(gfp | __GFP_NORETRY | __GFP_NOMEMALLOC, order);
	return page ?: alloc_pages(gfp, get_order(len));
}

/* Large and near enough, and nobody else's. */
static bool is_reusable(struct page *page)
{
	return page_ref_count(page) == 1 && compound_order(page) == BLOCK_ORDER &&
	       !page_is_pfmemalloc(page) && page_to_nid(page) == numa_mem_id();
}

static bool turn(struct cyg_blocks *b, u32 len)
{
	struct page **slot;

	b->at = (b->at + 1) % CYG_BLOCKS;
	slot = &b->ring[b->at];
	if (*slot && (len > PAGE_SIZE << BLOCK_ORDER || !is_reusable(*slot))) {
		put_page(*slot);
		*slot = NULL;
	}
	if (!*slot)
		*slot = alloc_block(len);
	b->page = *slot;
	b->room = b->page ? page_size(b->page) : 0;
	b->used = 0;
	return b->page;
}

/**
 * cyg_block_room - see to it that there is room in the current block
 * @b: of this CPU
 * @len: bytes behind @b->used, at most what the largest packet has
 *
 * Call with BH off.
 *
 * Return: false without memory
 */
bool cyg_block_room(struct cyg_blocks *b, u32 len)
{
	return (b->page && b->used + len <= b->room) || turn(b, len);
}

/**
 * cyg_block_leave - begin another block next time
 * @b: of this CPU
 *
 * The reference that the ring holds to the current one is the caller's now.
 */
void cyg_block_leave(struct cyg_blocks *b)
{
	b->ring[b->at] = NULL;
	b->page = NULL;
}

static void free_ring(struct cyg_blocks *b)
{
	int i;

	for (i = 0; i < CYG_BLOCKS; i++)
		if (b->ring[i])
			put_page(b->ring[i]);
}

/**
 * cyg_block_uninit - free all blocks
 *
 * Nobody sends or receives any more.
 */
void cyg_block_uninit(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		free_ring(per_cpu_ptr(&blocks[0], cpu));
		free_ring(per_cpu_ptr(&blocks[1], cpu));
	}
}
