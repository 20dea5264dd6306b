// SPDX-License-Identifier: GPL-2.0-only
/*
 * Crypto for bursts: one request for packet after packet, each in a linear
 * buffer, with nothing to allocate in between.
 *
 * The crypto API may still finish a packet later. Then the request stays with
 * that packet, the next one takes another, and op->late runs exactly once.
 */
#include <crypto/aead.h>
#include <linux/skbuff.h>
#include <linux/slab.h>

#include "cygnet.h"

/* One for each direction, since receiving may lead to sending. */
struct spare {
	struct cyg_op *ops[2];
};

static DEFINE_PER_CPU(struct spare, spare);

/**
 * cyg_linear_fits - can an SA's packets go through cyg_linear_run()?
 * @sa: the SA
 *
 * Those in tunnel mode of combined-mode algorithms, whose 8-byte IV is a
 * counter.
 */
bool cyg_linear_fits(const struct cyg_sa *sa)
{
	return sa->mode == CYGNET_MODE_TUNNEL && sa->aead && sa->alg->icv &&
	       sa->iv_len == sizeof(((struct cyg_op *)0)->iv);
}

/**
 * cyg_linear_get - a request for an SA's packets
 * @sa: the SA
 *
 * Call with BH off.
 *
 * Return: NULL if out of memory
 */
struct cyg_op *cyg_linear_get(struct cyg_sa *sa)
{
	struct cyg_op **slot, *op;
	u32 reqsize = crypto_aead_reqsize(sa->aead);

	slot = this_cpu_ptr(spare.ops) + (sa->key.direction == CYGNET_DIRECTION_IN);
	op = *slot;
	*slot = NULL;
	if (op && op->capacity < reqsize) {
		kfree(op);
		op = NULL;
	}
	if (!op) {
		op = kmalloc(sizeof(*op) + reqsize, GFP_ATOMIC | __GFP_NOWARN);
		if (!op)
			return NULL;
		op->capacity = reqsize;
		sg_init_table(op->dst, ARRAY_SIZE(op->dst));
		sg_init_table(op->src, ARRAY_SIZE(op->src));
	}
	op->sa = sa;
	op->aad_len = sa->esn ? 20 : 16;
	sg_set_buf(&op->dst[0], op->aad, op->aad_len);
	sg_set_buf(&op->src[0], op->aad, op->aad_len);
	aead_request_set_tfm(&op->req, sa->aead);
	aead_request_set_ad(&op->req, op->aad_len);
	return op;
}

/**
 * cyg_linear_put - done with a request
 * @op: the request, or NULL
 *
 * Call with BH off.
 */
void cyg_linear_put(struct cyg_op *op)
{
	struct cyg_op **slot;

	if (!op)
		return;
	slot = this_cpu_ptr(spare.ops) + (op->sa->key.direction == CYGNET_DIRECTION_IN);
	if (*slot)
		kfree(op);
	else
		*slot = op;
}

/* Runs with BH off, under whatever context the crypto driver has. */
static void late(crypto_completion_data_t *data, int err)
{
	struct cyg_op *op = crypto_get_completion_data(data);

	/* Only news of a backlogged request, which ours never are. */
	if (err == -EINPROGRESS)
		return;
	atomic_dec(&op->sa->cn->crypto_pending);
	op->late(op, err);
}

static void set_aad(struct cyg_op *op, const struct cyg_sa *sa, u64 sequence)
{
	__be32 *word = op->aad;

	*word++ = sa->key.spi;
	if (sa->esn)
		*word++ = htonl(upper_32_bits(sequence));
	*word++ = htonl(lower_32_bits(sequence));
	memcpy(word, &op->iv, sizeof(op->iv));
}

/**
 * cyg_linear_run - encrypt or decrypt one packet
 * @op: with iv, dst[1] and late filled in, and what late needs
 * @src: scatterlist of what is read, behind its associated data
 * @sequence: of the packet
 * @len: of the input; with the ICV when decrypting
 *
 * Return: -EINPROGRESS if op->late runs later or already did, and @op is gone;
 * otherwise how it went
 */
int cyg_linear_run(struct cyg_op *op, struct scatterlist *src, u64 sequence, u32 len)
{
	struct cyg_sa *sa = op->sa;
	struct cyg_net *cn = sa->cn;
	int err;

	set_aad(op, sa, sequence);
	aead_request_set_callback(&op->req, 0, late, op);
	aead_request_set_crypt(&op->req, src, op->dst, len, (u8 *)&op->iv);
	err = sa->key.direction == CYGNET_DIRECTION_OUT ?
		      crypto_aead_encrypt(&op->req) :
		      crypto_aead_decrypt(&op->req);
	/* It may have finished by now, and the counter be below zero for a moment. */
	if (err == -EINPROGRESS)
		atomic_inc(&cn->crypto_pending);
	return err;
}

/**
 * cyg_linear_find - where a part of a packet is, if it lies in one piece
 * @skb: the packet
 * @offset: of the part
 * @len: of it
 * @cursor: zero to begin with; the parts that are asked for come one behind the other
 *
 * Return: NULL if it is scattered, or nowhere
 */
void *cyg_linear_find(const struct sk_buff *skb, u32 offset, u32 len,
		      struct cyg_cursor *cursor)
{
	const struct skb_shared_info *shinfo = skb_shinfo(skb);
	const skb_frag_t *frag;
	u32 size = skb_headlen(skb);

	if (offset < size)
		return offset + len <= size ? skb->data + offset : NULL;
	offset -= size;
	for (; cursor->frag < shinfo->nr_frags; cursor->frag++, cursor->before += size) {
		frag = &shinfo->frags[cursor->frag];
		size = skb_frag_size(frag);
		if (offset - cursor->before >= size)
			continue;
		if (offset - cursor->before + len > size || PageHighMem(skb_frag_page(frag)))
			return NULL;
		return skb_frag_address(frag) + offset - cursor->before;
	}
	return NULL;
}

/**
 * cyg_linear_uninit - free the spare requests
 *
 * Nobody sends or receives any more.
 */
void cyg_linear_uninit(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		kfree(per_cpu(spare, cpu).ops[0]);
		kfree(per_cpu(spare, cpu).ops[1]);
	}
}
