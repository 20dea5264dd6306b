// SPDX-License-Identifier: GPL-2.0-only
/*
 * Find the first selector that takes a flow; see classify.h.
 *
 * While there are few selectors they stand in a list, in order. A list that
 * grows too long becomes a binary trie of remote addresses, whose nodes have
 * lists, which may become tries of local addresses, and these of protocol and
 * remote port, and these of local ports:
 *
 *	remote        local            protocol, remote port   local port
 *	10.2.0.0/16 ► 10.1.0.0/24    ► TCP, 443              ► any ► list
 *	              10.1.4.0/22    ► list
 *	10.2.3.0/24 ► list
 *
 * A flow's matches are on one way from the root of each trie, and every node
 * knows the best rank below itself, so that a search leaves out what cannot win.
 * What is found in a list is held against the whole selector. Therefore a range
 * that is not one prefix may be put in as a few prefixes that cover it, if not
 * exactly: PIECES bounds what a selector costs.
 */
#include <asm/byteorder.h>
#include <linux/bitops.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/types.h>

#include "classify.h"

enum {
	LEVEL_REMOTE,
	LEVEL_LOCAL,
	LEVEL_REMOTE_PORT,
	LEVEL_LOCAL_PORT,
	LEVELS,
};

/* A longer list becomes a trie. */
#define LIST_MAX	8

/* Prefixes that a selector's ranges make, at most, all levels multiplied. */
#define PIECES		16

/**
 * struct cyg_part - what versions are made of
 * @next: in cyg_draft.fresh or .retired, else of no meaning
 * @edition: the version that it was made for
 * @is_node: a struct cyg_node, else a struct cyg_list
 * @dead: fresh, and not needed any more
 */
struct cyg_part {
	struct cyg_part *next;
	u64 edition;
	bool is_node;
	bool dead;
};

struct cyg_list {
	struct cyg_part part;
	u32 count, room;
	const struct cyg_entry *entries[];
};

/**
 * struct cyg_node - a prefix of one level's trie
 * @part: common part
 * @prefix: its first @bits bits, the others are 0
 * @bits: how many
 * @id: of the best entry below, or inside
 * @rank: of the same
 * @child: longer prefixes, by their next bit
 * @content: of exactly this prefix: a list, or the root of the next level's trie
 */
struct cyg_node {
	struct cyg_part part;
	struct cyg_addr prefix;
	u32 bits;
	u32 id;
	u64 rank;
	struct cyg_node *child[2];
	struct cyg_part *content;
};

/**
 * struct cyg_table - a version
 * @edition: grows by one with each
 * @roots: IPv4's and IPv6's
 * @retired: parts that no later version has
 */
struct cyg_table {
	u64 edition;
	struct cyg_part *roots[2];
	struct cyg_part *retired;
};

static struct cyg_node *to_node(const struct cyg_part *part)
{
	return (struct cyg_node *)part;
}

static struct cyg_list *to_list(const struct cyg_part *part)
{
	return (struct cyg_list *)part;
}

/* Order. */

static bool is_before(u64 rank, u32 id, u64 other_rank, u32 other_id)
{
	return rank != other_rank ? rank < other_rank : id < other_id;
}

static bool precedes(const struct cyg_entry *a, const struct cyg_entry *b)
{
	return is_before(a->rank, a->id, b->rank, b->id);
}

static void improve(struct cyg_node *node, u64 rank, u32 id)
{
	if (is_before(rank, id, node->rank, node->id)) {
		node->rank = rank;
		node->id = id;
	}
}

/* Prefixes. */

static u32 bit_at(const struct cyg_addr *addr, u32 at)
{
	return __be32_to_cpu(addr->w[at / 32]) >> (31 - at % 32) & 1;
}

static bool covers(const struct cyg_node *node, const struct cyg_addr *key)
{
	return cyg_addr_common(&node->prefix, key, node->bits) == node->bits;
}

/* Ranges, as numbers of 128 bits of which a level uses the highest. */

struct number {
	u64 high, low;
};

struct span {
	struct number first, last;
};

static struct number number_of(const struct cyg_addr *addr)
{
	return (struct number){
		(u64)__be32_to_cpu(addr->w[0]) << 32 | __be32_to_cpu(addr->w[1]),
		(u64)__be32_to_cpu(addr->w[2]) << 32 | __be32_to_cpu(addr->w[3]),
	};
}

static struct cyg_addr addr_of(struct number n)
{
	return (struct cyg_addr){ {
		__cpu_to_be32(n.high >> 32), __cpu_to_be32(n.high),
		__cpu_to_be32(n.low >> 32), __cpu_to_be32(n.low),
	} };
}

/* The lowest @bits bits. */
static struct number mask(u32 bits)
{
	if (bits >= 128)
		return (struct number){ ~0ULL, ~0ULL };
	if (bits >= 64)
		return (struct number){ (1ULL << (bits - 64)) - 1, ~0ULL };
	return (struct number){ 0, (1ULL << bits) - 1 };
}

static struct number set_bits(struct number n, u32 bits)
{
	return (struct number){ n.high | mask(bits).high, n.low | mask(bits).low };
}

static struct number clear_bits(struct number n, u32 bits)
{
	return (struct number){ n.high & ~mask(bits).high, n.low & ~mask(bits).low };
}

static bool is_same(struct number a, struct number b)
{
	return a.high == b.high && a.low == b.low;
}

static struct number next_number(struct number n)
{
	return (struct number){ n.high + !(n.low + 1), n.low + 1 };
}

static struct span port_span(u64 first, u64 last, u32 shift)
{
	return (struct span){
		{ first << shift, 0 },
		{ last << shift | ((1ULL << shift) - 1), ~0ULL },
	};
}

/* Where the ports of a selector's protocol are on LEVEL_REMOTE_PORT. */
static struct span protocol_span(const struct cyg_selector *s)
{
	u64 protocol = (u64)s->protocol << 16;

	if (!s->protocol)
		return port_span(0, 0xffffff, 40);
	return port_span(protocol | s->remote_port_first,
			  protocol | s->remote_port_last, 40);
}

static struct span span_of(const struct cyg_selector *s, u32 level)
{
	struct span span;

	switch (level) {
	case LEVEL_REMOTE_PORT:
		return protocol_span(s);
	case LEVEL_LOCAL_PORT:
		return port_span(s->local_port_first, s->local_port_last, 48);
	case LEVEL_REMOTE:
		span.first = number_of(&s->remote_first);
		span.last = number_of(&s->remote_last);
		break;
	default:
		span.first = number_of(&s->local_first);
		span.last = number_of(&s->local_last);
	}
	if (s->family == 4)
		span.last = set_bits(span.last, 96);
	return span;
}

static u32 trailing_zeros(struct number n)
{
	if (n.low)
		return __ffs64(n.low);
	return n.high ? 64 + __ffs64(n.high) : 128;
}

/* Bits that an aligned block of that many numbers, or fewer, leaves open. */
static u32 block_size(const struct span *span)
{
	struct number size = next_number((struct number){
		span->last.high - span->first.high -
			(span->last.low < span->first.low),
		span->last.low - span->first.low,
	});

	if (size.high)
		return 63 + fls64(size.high);
	return size.low ? fls64(size.low) - 1 : 128;
}

/* Bits that the largest prefix at the beginning of a range leaves open. */
static u32 largest_block(const struct span *span)
{
	return min(trailing_zeros(span->first), block_size(span));
}

/* Bits in which neither end says anything. */
static u32 open_bits(const struct span *span)
{
	return min(trailing_zeros(span->first),
		   trailing_zeros(next_number(span->last)));
}

/**
 * struct cover - prefixes that cover a range
 * @rest: of it
 * @ended: nothing is left
 * @prefix: the current one
 * @bits: its length
 */
struct cover {
	struct span rest;
	bool ended;
	struct cyg_addr prefix;
	u32 bits;
};

static bool next_prefix(struct cover *cover)
{
	u32 open;
	struct number end;

	if (cover->ended)
		return false;
	open = largest_block(&cover->rest);
	end = set_bits(cover->rest.first, open);
	cover->prefix = addr_of(cover->rest.first);
	cover->bits = 128 - open;
	cover->ended = is_same(end, cover->rest.last);
	cover->rest.first = next_number(end);
	return true;
}

/* How many prefixes a range is, counted up to @max + 1. */
static u32 count_prefixes(struct span span, u32 max)
{
	struct cover cover = { .rest = span };
	u32 count = 0;

	while (count <= max && next_prefix(&cover))
		count++;
	return count;
}

/* The same number for each level that needs more than one. */
static u32 pieces_of(const struct cyg_selector *s)
{
	static const u8 share[LEVELS + 1] = { PIECES, PIECES, 4, 2, 2 };
	u32 level, ranges = 0;

	for (level = 0; level < LEVELS; level++)
		ranges += count_prefixes(span_of(s, level), 1) > 1;
	return share[ranges];
}

/* Ends are rounded outwards until few enough prefixes are left. */
static struct cover begin_cover(const struct cyg_selector *s, u32 level)
{
	struct cover cover = { .rest = span_of(s, level) };
	u32 open, max = pieces_of(s);

	open = open_bits(&cover.rest);
	while (count_prefixes(cover.rest, max) > max) {
		open++;
		cover.rest.first = clear_bits(cover.rest.first, open);
		cover.rest.last = set_bits(cover.rest.last, open);
	}
	return cover;
}

/* Parts of a draft. */

static void register_part(struct cyg_draft *draft, struct cyg_part *part, bool is_node)
{
	part->is_node = is_node;
	part->dead = false;
	part->edition = draft->table->edition;
	part->next = draft->fresh;
	draft->fresh = part;
}

static bool is_ours(const struct cyg_draft *draft, const struct cyg_part *part)
{
	return part->edition == draft->table->edition;
}

static void retire(struct cyg_draft *draft, struct cyg_part *part)
{
	if (is_ours(draft, part)) {
		part->dead = true;
		return;
	}
	part->next = draft->retired;
	draft->retired = part;
}

static struct cyg_node *new_node(struct cyg_draft *draft, const struct cyg_addr *prefix,
				 u32 bits)
{
	struct cyg_node *node = kzalloc(sizeof(*node), draft->gfp);
	u32 i;

	if (!node)
		return NULL;
	register_part(draft, &node->part, true);
	node->bits = bits;
	node->rank = ~0ULL;
	node->id = ~0U;
	for (i = 0; i * 32 < bits; i++)
		node->prefix.w[i] = prefix->w[i];
	if (bits % 32)
		node->prefix.w[bits / 32] &= __cpu_to_be32(~0U << (32 - bits % 32));
	return node;
}

/* What is in @slot, which is ours, as something that may be changed. */
static struct cyg_node *own_node(struct cyg_draft *draft, struct cyg_node **slot)
{
	struct cyg_node *node = *slot, *copy;

	if (is_ours(draft, &node->part))
		return node;
	copy = kmemdup(node, sizeof(*node), draft->gfp);
	if (!copy)
		return NULL;
	register_part(draft, &copy->part, true);
	retire(draft, &node->part);
	*slot = copy;
	return copy;
}

/* The same for a list, with room for one more. */
static struct cyg_list *own_list(struct cyg_draft *draft, struct cyg_part **slot)
{
	struct cyg_list *list = to_list(*slot), *copy;
	u32 count = list ? list->count : 0;
	u32 room = count + 1 + count / 2;

	if (list && is_ours(draft, &list->part) && count < list->room)
		return list;
	copy = kvmalloc(sizeof(*copy) + room * sizeof(copy->entries[0]), draft->gfp);
	if (!copy)
		return NULL;
	register_part(draft, &copy->part, false);
	copy->count = count;
	copy->room = room;
	if (list) {
		memcpy(copy->entries, list->entries, count * sizeof(list->entries[0]));
		retire(draft, &list->part);
	}
	*slot = &copy->part;
	return copy;
}

/* Adding. */

static u32 place_in_list(const struct cyg_list *list, const struct cyg_entry *entry)
{
	u32 low = 0, high = list->count, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (precedes(list->entries[middle], entry))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool add_to_list(struct cyg_draft *draft, struct cyg_part **slot,
			const struct cyg_entry *entry)
{
	struct cyg_list *list = own_list(draft, slot);
	u32 at;

	if (!list)
		return false;
	at = place_in_list(list, entry);
	memmove(list->entries + at + 1, list->entries + at,
		(list->count - at) * sizeof(list->entries[0]));
	list->entries[at] = entry;
	list->count++;
	return true;
}

/* Puts a node with that prefix in the place of one that does not cover it. */
static struct cyg_node *insert_above(struct cyg_draft *draft, struct cyg_node **slot,
				     const struct cyg_addr *prefix, u32 bits)
{
	u32 common = cyg_addr_common(&(*slot)->prefix, prefix, min((*slot)->bits, bits));
	struct cyg_node *above = new_node(draft, prefix, common), *node = above;

	if (!above)
		return NULL;
	if (common < bits) {
		node = new_node(draft, prefix, bits);
		if (!node)
			return NULL;
		above->child[bit_at(prefix, common)] = node;
	}
	improve(above, (*slot)->rank, (*slot)->id);
	above->child[bit_at(&(*slot)->prefix, common)] = *slot;
	*slot = above;
	return node;
}

/* The node of a prefix, found or made, on a way that knows of the entry. */
static struct cyg_node *get_node(struct cyg_draft *draft, struct cyg_node **slot,
				 const struct cyg_addr *prefix, u32 bits,
				 const struct cyg_entry *entry)
{
	struct cyg_node *node;

	while (*slot && (*slot)->bits <= bits && covers(*slot, prefix)) {
		node = own_node(draft, slot);
		if (!node)
			return NULL;
		improve(node, entry->rank, entry->id);
		if (node->bits == bits)
			return node;
		slot = &node->child[bit_at(prefix, node->bits)];
	}
	if (*slot) {
		node = insert_above(draft, slot, prefix, bits);
		if (node)
			improve(*slot, entry->rank, entry->id);
	} else {
		node = new_node(draft, prefix, bits);
		*slot = node;
	}
	if (node)
		improve(node, entry->rank, entry->id);
	return node;
}

static bool add(struct cyg_draft *draft, struct cyg_part **slot, u32 level,
		const struct cyg_entry *entry);

static bool add_to_trie(struct cyg_draft *draft, struct cyg_part **slot, u32 level,
			const struct cyg_entry *entry)
{
	struct cover cover = begin_cover(&entry->selector, level);
	struct cyg_node *root = to_node(*slot), *node;

	while (next_prefix(&cover)) {
		node = get_node(draft, &root, &cover.prefix, cover.bits, entry);
		if (!node)
			return false;
		*slot = &root->part;
		if (!add(draft, &node->content, level + 1, entry))
			return false;
	}
	return true;
}

static bool split(struct cyg_draft *draft, struct cyg_part **slot, u32 level)
{
	struct cyg_list *list = to_list(*slot);
	u32 i;

	*slot = NULL;
	for (i = 0; i < list->count; i++)
		if (!add_to_trie(draft, slot, level, list->entries[i]))
			return false;
	retire(draft, &list->part);
	return true;
}

/* Recurses once for each level. */
static bool add(struct cyg_draft *draft, struct cyg_part **slot, u32 level,
		const struct cyg_entry *entry)
{
	if (!*slot || !(*slot)->is_node) {
		if (!*slot || to_list(*slot)->count < LIST_MAX || level == LEVELS)
			return add_to_list(draft, slot, entry);
		if (!split(draft, slot, level))
			return false;
	}
	return add_to_trie(draft, slot, level, entry);
}

/* Taking out. */

static bool del_from_list(struct cyg_draft *draft, struct cyg_part **slot,
			  const struct cyg_entry *entry)
{
	struct cyg_list *list = to_list(*slot);
	u32 at = place_in_list(list, entry);

	while (at < list->count && list->entries[at] != entry)
		at++;
	if (at == list->count)
		return false;
	if (list->count == 1) {
		*slot = NULL;
		retire(draft, &list->part);
		return true;
	}
	list = own_list(draft, slot);
	if (!list)
		return false;
	list->count--;
	memmove(list->entries + at, list->entries + at + 1,
		(list->count - at) * sizeof(list->entries[0]));
	return true;
}

static void improve_by(struct cyg_node *node, const struct cyg_part *part)
{
	if (!part)
		return;
	if (part->is_node)
		improve(node, to_node(part)->rank, to_node(part)->id);
	else
		improve(node, to_list(part)->entries[0]->rank,
			to_list(part)->entries[0]->id);
}

/* After something below was taken out: is the node still needed, and how good? */
static void tidy(struct cyg_draft *draft, struct cyg_node **slot)
{
	struct cyg_node *node = *slot, *zero = node->child[0], *one = node->child[1];

	if (!node->content && !(zero && one)) {
		*slot = zero ?: one;
		retire(draft, &node->part);
		return;
	}
	node->rank = ~0ULL;
	node->id = ~0U;
	improve_by(node, node->content);
	if (zero)
		improve_by(node, &zero->part);
	if (one)
		improve_by(node, &one->part);
}

static bool del(struct cyg_draft *draft, struct cyg_part **slot, u32 level,
		const struct cyg_entry *entry);

static bool del_from_node(struct cyg_draft *draft, struct cyg_node **slot,
			  const struct cover *cover, u32 level,
			  const struct cyg_entry *entry)
{
	struct cyg_node *node = NULL;
	u32 top = draft->depth;

	while (*slot && (*slot)->bits <= cover->bits && covers(*slot, &cover->prefix)) {
		node = own_node(draft, slot);
		if (!node)
			return false;
		draft->path[draft->depth++] = slot;
		if (node->bits == cover->bits)
			break;
		slot = &node->child[bit_at(&cover->prefix, node->bits)];
	}
	if (!node || node->bits != cover->bits || !node->content ||
	    !del(draft, &node->content, level + 1, entry))
		return false;
	while (draft->depth > top)
		tidy(draft, draft->path[--draft->depth]);
	return true;
}

static bool del(struct cyg_draft *draft, struct cyg_part **slot, u32 level,
		const struct cyg_entry *entry)
{
	struct cyg_node *root;
	struct cover cover;

	if (!(*slot)->is_node)
		return del_from_list(draft, slot, entry);
	cover = begin_cover(&entry->selector, level);
	while (next_prefix(&cover)) {
		root = to_node(*slot);
		if (!root || !del_from_node(draft, &root, &cover, level, entry))
			return false;
		*slot = root ? &root->part : NULL;
	}
	return true;
}

/* Versions. */

/**
 * cyg_classify_begin - begin to make a new version
 * @old: the current one, or NULL for an empty one
 * @gfp: how to allocate
 *
 * Return: NULL if memory is short
 */
struct cyg_draft *cyg_classify_begin(struct cyg_table *old, gfp_t gfp)
{
	struct cyg_draft *draft = kzalloc(sizeof(*draft), gfp);
	struct cyg_table *table = kzalloc(sizeof(*table), gfp);

	if (!draft || !table) {
		kfree(draft);
		kfree(table);
		return NULL;
	}
	table->edition = 1;
	if (old) {
		*table = *old;
		table->edition++;
	}
	draft->old = old;
	draft->table = table;
	draft->gfp = gfp;
	return draft;
}

static struct cyg_part **root_of(struct cyg_draft *draft, const struct cyg_entry *entry)
{
	return &draft->table->roots[entry->selector.family == 6];
}

/**
 * cyg_classify_add - add a selector
 * @draft: to this version
 * @entry: stays the caller's, and longer than each version with it is read
 *
 * Return: false if memory is short; then only cyg_classify_abort() is left
 */
bool cyg_classify_add(struct cyg_draft *draft, const struct cyg_entry *entry)
{
	return add(draft, root_of(draft, entry), LEVEL_REMOTE, entry);
}

/**
 * cyg_classify_del - take a selector out
 * @draft: of this version
 * @entry: that is in it
 *
 * Return: false if memory is short; then only cyg_classify_abort() is left
 */
bool cyg_classify_del(struct cyg_draft *draft, const struct cyg_entry *entry)
{
	struct cyg_part **root = root_of(draft, entry);

	draft->depth = 0;
	return *root && del(draft, root, LEVEL_REMOTE, entry);
}

static void free_part(struct cyg_part *part)
{
	if (part->is_node)
		kfree(part);
	else
		kvfree(part);
}

static void free_chain(struct cyg_part *part, bool all)
{
	struct cyg_part *next;

	for (; part; part = next) {
		next = part->next;
		if (all || part->dead)
			free_part(part);
	}
}

/**
 * cyg_classify_finish - end a draft
 * @draft: gone afterwards
 *
 * Return: the new version, to be published in the place of the old one; which
 * wants cyg_classify_free() after a grace period
 */
struct cyg_table *cyg_classify_finish(struct cyg_draft *draft)
{
	struct cyg_table *table = draft->table;

	if (draft->old)
		draft->old->retired = draft->retired;
	free_chain(draft->fresh, false);
	kfree(draft);
	return table;
}

/**
 * cyg_classify_abort - forget a draft; the old version stays as it was
 * @draft: gone afterwards
 */
void cyg_classify_abort(struct cyg_draft *draft)
{
	free_chain(draft->fresh, true);
	kfree(draft->table);
	kfree(draft);
}

/**
 * cyg_classify_free - free a version that another one has replaced
 * @table: which nobody reads any more, or NULL
 */
void cyg_classify_free(struct cyg_table *table)
{
	if (!table)
		return;
	free_chain(table->retired, true);
	kfree(table);
}

static void push(struct cyg_part **todo, struct cyg_part *part)
{
	if (!part)
		return;
	part->next = *todo;
	*todo = part;
}

static void free_trie(struct cyg_part *root)
{
	struct cyg_part *todo = NULL, *part;
	u32 i;

	push(&todo, root);
	while (todo) {
		part = todo;
		todo = part->next;
		for (i = 0; part->is_node && i < 2; i++)
			if (to_node(part)->child[i])
				push(&todo, &to_node(part)->child[i]->part);
		if (part->is_node)
			push(&todo, to_node(part)->content);
		free_part(part);
	}
}

/**
 * cyg_classify_free_all - free the last version, with all that it has
 * @table: which nobody reads any more, or NULL
 */
void cyg_classify_free_all(struct cyg_table *table)
{
	if (!table)
		return;
	free_trie(table->roots[0]);
	free_trie(table->roots[1]);
	kfree(table);
}

/* Searching. */

/**
 * struct search - one flow's
 * @flow: the flow
 * @ports: the keys of the two levels of ports, once they are needed
 * @bits: how much of each may be compared
 * @best: what was found so far
 */
struct search {
	const struct cyg_flow *flow;
	struct cyg_addr ports[2];
	u32 bits[2];
	const struct cyg_entry *best;
};

static void set_port_keys(struct search *search)
{
	const struct cyg_flow *flow = search->flow;

	search->ports[0].w[0] = __cpu_to_be32((u32)flow->protocol << 24 |
					      (u32)flow->remote_port << 8);
	search->ports[1].w[0] = __cpu_to_be32((u32)flow->local_port << 16);
	/* Hidden ports match only what takes any. */
	search->bits[0] = flow->has_ports ? 24 : 8;
	search->bits[1] = flow->has_ports ? 16 : 0;
}

static const struct cyg_addr *key_of(struct search *search, u32 level, u32 *bits)
{
	*bits = 128;
	if (level == LEVEL_REMOTE)
		return &search->flow->remote;
	if (level == LEVEL_LOCAL)
		return &search->flow->local;
	if (level == LEVEL_REMOTE_PORT)
		set_port_keys(search);
	*bits = search->bits[level - LEVEL_REMOTE_PORT];
	return &search->ports[level - LEVEL_REMOTE_PORT];
}

static void search_list(struct search *search, const struct cyg_list *list)
{
	const struct cyg_entry *entry;
	u32 i;

	for (i = 0; i < list->count; i++) {
		entry = list->entries[i];
		if (search->best && !precedes(entry, search->best))
			return;
		if (cyg_selector_matches(&entry->selector, search->flow)) {
			search->best = entry;
			return;
		}
	}
}

/* Recurses once for each level. */
static void search_trie(struct search *search, const struct cyg_node *node, u32 level)
{
	const struct cyg_entry *best;
	const struct cyg_addr *key;
	u32 bits;

	key = key_of(search, level, &bits);
	while (node && node->bits <= bits && covers(node, key)) {
		best = search->best;
		if (best && !is_before(node->rank, node->id, best->rank, best->id))
			return;
		if (node->content && node->content->is_node)
			search_trie(search, to_node(node->content), level + 1);
		else if (node->content)
			search_list(search, to_list(node->content));
		if (node->bits == bits)
			return;
		node = node->child[bit_at(key, node->bits)];
	}
}

/**
 * cyg_classify - the first selector that takes a flow
 * @table: a version that was published
 * @flow: the flow
 *
 * Return: NULL if none does
 */
const struct cyg_entry *cyg_classify(const struct cyg_table *table,
				     const struct cyg_flow *flow)
{
	const struct cyg_part *root = table->roots[flow->family == 6];
	struct search search;

	if (!root)
		return NULL;
	search.flow = flow;
	search.best = NULL;
	if (root->is_node)
		search_trie(&search, to_node(root), LEVEL_REMOTE);
	else
		search_list(&search, to_list(root));
	return search.best;
}
