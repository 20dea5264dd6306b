// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sending in bursts: a super-packet is segmented, copied, checksummed and
 * encrypted in one pass into fresh pages, and leaves as one super-packet of UDP.
 *
 * Whatever is out of the ordinary is refused before anything has happened, and
 * output.c has it cut up by the stack and sends the pieces one by one.
 */
#include <crypto/aead.h>
#include <linux/module.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>

#include "cygnet.h"

/* What the stack lets one super-packet of UDP have. */
#define SEGMENTS_MAX	64

/* Of pages, and what is asked for; less will do. */
#define BLOCK_ORDER	3

#define HEADERS_MAX	256

static bool batch_send = true;
module_param(batch_send, bool, 0644);
MODULE_PARM_DESC(batch_send, "protect super-packets whole (for finding faults)");

/**
 * struct plan - how a super-packet is to be cut up
 * @skb: the super-packet
 * @flow: what it is
 * @sa: outbound
 * @dst: route to the remote endpoint
 * @transport: length of the inner IP headers
 * @headers: length of all inner headers
 * @size: payload of a segment
 * @count: of segments
 * @base: checksum over the pseudo header, without the length
 * @sequence: of the next segment
 * @frag: that the next payload begins in, or continues; -1 for the linear part
 * @offset: in there
 */
struct plan {
	struct sk_buff *skb;
	const struct cyg_flow *flow;
	struct cyg_sa *sa;
	struct dst_entry *dst;
	u32 transport, headers, size, count;
	__wsum base;
	u64 sequence;
	int frag;
	u32 offset;
};

/**
 * struct burst - in the cb of an outer packet that is being built
 * @sa: held
 * @pending: packets inside crypto, and the builder
 * @err: of any of them
 * @bytes: of inner packets
 * @count: of inner packets
 * @dsfield: of the outer header
 */
struct burst {
	struct cyg_sa *sa;
	atomic_t pending;
	int err;
	u32 bytes;
	u16 count;
	u8 dsfield;
};

static struct burst *burst(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct burst) > sizeof(skb->cb));
	return (struct burst *)skb->cb;
}

/* Length of an ESP packet around an inner one. */
static u32 esp_len(const struct cyg_sa *sa, u32 inner)
{
	return sizeof(struct cyg_esp_counter_header) +
	       ALIGN(inner + sizeof(struct cyg_esp_trailer), 4) + sa->icv_len;
}

static bool measure_transport(struct plan *plan, u8 *headers)
{
	u32 type = skb_shinfo(plan->skb)->gso_type;
	const struct tcphdr *th;

	if (plan->flow->protocol == IPPROTO_UDP && type & SKB_GSO_UDP_L4) {
		if (plan->skb->csum_offset != offsetof(struct udphdr, check))
			return false;
		plan->headers = plan->transport + sizeof(struct udphdr);
		return true;
	}
	if (plan->flow->protocol != IPPROTO_TCP ||
	    plan->skb->csum_offset != offsetof(struct tcphdr, check) ||
	    !(type & (plan->flow->family == 4 ? SKB_GSO_TCPV4 : SKB_GSO_TCPV6)))
		return false;
	th = (void *)headers + plan->transport;
	plan->headers = plan->transport + th->doff * 4;
	return th->doff * 4 >= sizeof(*th);
}

/* Behind which there is TCP or UDP, with no extension in between. */
static u32 ip_header_len(const struct sk_buff *skb, const struct cyg_flow *flow)
{
	if (flow->family == 4)
		return ip_hdrlen(skb);
	return ipv6_hdr(skb)->nexthdr == flow->protocol ? sizeof(struct ipv6hdr) : 0;
}

/* Only what the stack makes for a device like ours; others may have sent it. */
static bool make_plan(struct plan *plan)
{
	struct sk_buff *skb = plan->skb;
	u32 inner;

	if (skb->ip_summed != CHECKSUM_PARTIAL || skb_has_frag_list(skb) ||
	    plan->flow->length != skb->len)
		return false;
	plan->transport = skb_checksum_start_offset(skb);
	if (plan->transport != ip_header_len(skb, plan->flow) ||
	    plan->transport + sizeof(struct tcphdr) > skb_headlen(skb) ||
	    !measure_transport(plan, skb->data) ||
	    plan->headers > min_t(u32, HEADERS_MAX, skb_headlen(skb)) ||
	    plan->headers >= skb->len)
		return false;
	plan->size = skb_shinfo(skb)->gso_size;
	if (!plan->size)
		return false;
	plan->count = DIV_ROUND_UP(skb->len - plan->headers, plan->size);
	plan->frag = -1;
	plan->offset = plan->headers;
	inner = plan->headers + plan->size;
	return esp_len(plan->sa, inner) <= PAGE_SIZE << BLOCK_ORDER;
}

static void finish_ipv4(struct iphdr *iph, u32 index, u32 len, bool fixed_id)
{
	iph->tot_len = htons(len);
	if (!fixed_id)
		iph->id = htons(ntohs(iph->id) + index);
	iph->check = 0;
	iph->check = ip_fast_csum(iph, iph->ihl);
}

static __sum16 finish_checksum(const struct plan *plan, __wsum csum, u32 len)
{
	csum = csum_add(csum, plan->base);
	return csum_fold(csum_add(csum, (__force __wsum)htonl(len)));
}

/* Flags that only the first, or only the last segment has (RFC 3168, 9293). */
static void finish_tcp(const struct plan *plan, struct tcphdr *th, u32 index,
		       u32 len, __wsum payload)
{
	bool last = index == plan->count - 1;

	th->seq = htonl(ntohl(th->seq) + index * plan->size);
	if (index)
		th->cwr = 0;
	if (!last) {
		th->fin = 0;
		th->psh = 0;
	}
	th->check = 0;
	th->check = finish_checksum(plan, csum_partial(th, th->doff * 4, payload), len);
}

static void finish_udp(const struct plan *plan, struct udphdr *udp, u32 len,
		       __wsum payload)
{
	udp->len = htons(len);
	udp->check = 0;
	udp->check = finish_checksum(plan, csum_partial(udp, sizeof(*udp), payload), len) ?:
		     CSUM_MANGLED_0;
}

/* What of the payload is next in one piece: at most @len bytes. */
static const u8 *next_piece(struct plan *plan, u32 *len)
{
	const struct sk_buff *skb = plan->skb;
	const skb_frag_t *frag = NULL;
	const u8 *piece;
	u32 size;

	for (;; plan->frag++, plan->offset = 0) {
		if (plan->frag >= 0)
			frag = &skb_shinfo(skb)->frags[plan->frag];
		size = frag ? skb_frag_size(frag) : skb_headlen(skb);
		if (plan->offset < size)
			break;
	}
	piece = (frag ? (u8 *)skb_frag_address(frag) : skb->data) + plan->offset;
	*len = min(*len, size - plan->offset);
	plan->offset += *len;
	return piece;
}

/* Copies the next @len bytes of payload, and returns their checksum. */
static __wsum copy_payload(struct plan *plan, u8 *to, u32 len)
{
	const u8 *piece;
	u32 size, done;
	__wsum csum = 0;

	for (done = 0; done < len; done += size) {
		size = len - done;
		piece = next_piece(plan, &size);
		csum = csum_block_add(csum, csum_partial_copy_nocheck(piece, to + done, size),
				      done);
	}
	return csum;
}

/* The inner packet of segment @index, complete. Returns its length. */
static u32 write_inner(struct plan *plan, u8 *to, u32 index)
{
	struct sk_buff *skb = plan->skb;
	u32 payload = min(plan->size, skb->len - plan->headers - index * plan->size);
	u32 len = plan->headers + payload;
	void *transport = to + plan->transport;
	__wsum csum;

	memcpy(to, skb->data, plan->headers);
	csum = copy_payload(plan, to + plan->headers, payload);
	if (plan->flow->family == 4)
		finish_ipv4((struct iphdr *)to, index, len,
			    skb_shinfo(skb)->gso_type & SKB_GSO_TCP_FIXEDID);
	else
		((struct ipv6hdr *)to)->payload_len =
			htons(len - sizeof(struct ipv6hdr));
	if (plan->flow->protocol == IPPROTO_TCP)
		finish_tcp(plan, transport, index, len - plan->transport, csum);
	else
		finish_udp(plan, transport, len - plan->transport, csum);
	return len;
}

/* Padding and trailer behind @len bytes (RFC 4303 section 2.4). */
static u32 write_trailer(u8 *inner, u32 len, u8 family)
{
	u8 i, pad = -(len + sizeof(struct cyg_esp_trailer)) & 3;

	for (i = 1; i <= pad; i++)
		inner[len++] = i;
	inner[len++] = pad;
	inner[len++] = family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	return len;
}

/* The burst is whole: out with it, or with none of it. */
static void send_burst(struct sk_buff *skb)
{
	struct burst b = *burst(skb);
	struct net_device *dev;

	rcu_read_lock();
	dev = rcu_dereference(b.sa->policy->dev);
	if (b.err || !dev) {
		enum cygnet_drop reason = !b.err ? CYGNET_DROP_TX_NO_POLICY :
					  b.err == -ENOMEM ? CYGNET_DROP_TX_MEMORY :
							     CYGNET_DROP_TX_CRYPTO;

		cyg_stats_drops(reason, b.sa->cn, dev, b.sa, b.count);
		cyg_stats_free_skb(skb, reason);
	} else if (cyg_encap_send(b.sa, skb, b.dsfield)) {
		DEV_STATS_INC(dev, tx_errors);
	} else {
		dev_sw_netstats_tx_add(dev, b.count, b.bytes);
	}
	rcu_read_unlock();
	percpu_ref_put(&b.sa->ref);
}

static void put_burst(struct sk_buff *skb)
{
	if (atomic_dec_and_test(&burst(skb)->pending))
		send_burst(skb);
}

static void encrypted_late(struct cyg_op *op, int err)
{
	struct sk_buff *skb = op->skb;

	if (err)
		WRITE_ONCE(burst(skb)->err, err);
	kfree(op);
	put_burst(skb);
}

static struct sk_buff *new_burst(const struct plan *plan)
{
	struct sk_buff *skb;
	u32 headroom;

	if (!percpu_ref_tryget_live(&plan->sa->ref))
		return NULL;
	headroom = LL_RESERVED_SPACE(plan->dst->dev) + plan->dst->header_len +
		   CYG_OVERHEAD_MAX;
	skb = alloc_skb(headroom, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb) {
		percpu_ref_put(&plan->sa->ref);
		return NULL;
	}
	skb_reserve(skb, headroom);
	skb->priority = plan->skb->priority;
	skb_dst_set(skb, dst_clone(plan->dst));
	*burst(skb) = (struct burst) {
		.sa = plan->sa,
		.pending = ATOMIC_INIT(1),
		.dsfield = plan->flow->dsfield,
	};
	return skb;
}

/* Room for up to @count packets of @size bytes that lie side by side. */
static struct page *new_block(u32 size, u32 count, u32 *room)
{
	const gfp_t gfp = GFP_ATOMIC | __GFP_NOWARN | __GFP_COMP;
	u32 order = min_t(u32, get_order(size * count), BLOCK_ORDER);
	struct page *page = NULL;

	if (order)
		page = alloc_pages(gfp | __GFP_NORETRY | __GFP_NOMEMALLOC, order);
	if (!page) {
		order = get_order(size);
		page = alloc_pages(gfp, order);
	}
	*room = PAGE_SIZE << order;
	return page;
}

static int encrypt_segment(struct plan *plan, struct cyg_op **op,
			   struct sk_buff *skb, u8 *to, u32 index)
{
	struct cyg_sa *sa = plan->sa;
	struct cyg_esp_counter_header *header = (void *)to;
	u8 *inner = to + sizeof(*header);
	u64 sequence = plan->sequence++;
	u32 len;
	int err;

	/* First of all: the next segment's payload is where this one's ends. */
	len = write_inner(plan, inner, index);
	burst(skb)->bytes += len;
	burst(skb)->count++;
	if (!*op)
		*op = cyg_linear_get(sa);
	if (!*op)
		return -ENOMEM;
	len = write_trailer(inner, len, plan->flow->family);
	(*op)->iv = cpu_to_be64(sequence) ^ sa->iv_salt;
	(*op)->skb = skb;
	(*op)->late = encrypted_late;
	header->esp.spi = sa->key.spi;
	header->esp.sequence = htonl(lower_32_bits(sequence));
	header->iv = (*op)->iv;
	sg_set_buf(&(*op)->dst[1], inner, len + sa->icv_len);
	atomic_inc(&burst(skb)->pending);
	err = cyg_linear_run(*op, (*op)->dst, sequence, len);
	if (err == -EINPROGRESS) {
		*op = NULL;
		return 0;
	}
	atomic_dec(&burst(skb)->pending);
	return err;
}

/*
 * Fills one more block of @skb with up to @count segments from @index on.
 * Returns how many fitted, 0 without memory. What crypto refuses spoils the
 * whole burst, as it would in the middle of one that is encrypted later.
 */
static u32 fill_block(struct plan *plan, struct cyg_op **op, struct sk_buff *skb,
		      u32 index, u32 count)
{
	u32 full = esp_len(plan->sa, plan->headers + plan->size);
	u32 left = plan->skb->len - plan->headers - index * plan->size;
	u32 room, payload, i, used = 0;
	struct page *page;
	int err;

	page = new_block(full, count, &room);
	if (!page)
		return 0;
	count = min(count, room / full);
	for (i = 0; i < count; i++) {
		err = encrypt_segment(plan, op, skb, page_address(page) + used, index + i);
		if (err)
			WRITE_ONCE(burst(skb)->err, err);
		payload = min(plan->size, left);
		left -= payload;
		used += esp_len(plan->sa, plan->headers + payload);
	}
	skb_add_rx_frag(skb, skb_shinfo(skb)->nr_frags, page, 0, used, room);
	return count;
}

/* As many segments from @index on as one outer super-packet takes. */
static u32 fill_burst(struct plan *plan, struct cyg_op **op, struct sk_buff *skb,
		      u32 index)
{
	u32 full = esp_len(plan->sa, plan->headers + plan->size);
	u32 outer = cyg_ipaddr_header_len(plan->sa->family) + sizeof(struct udphdr);
	u32 most = min3((IP_MAX_MTU - outer) / full, (u32)SEGMENTS_MAX,
			plan->count - index);
	u32 got, done = 0;

	while (done < most && skb_shinfo(skb)->nr_frags < MAX_SKB_FRAGS) {
		got = fill_block(plan, op, skb, index + done, most - done);
		if (!got)
			break;
		done += got;
	}
	if (done > 1) {
		skb_shinfo(skb)->gso_type = SKB_GSO_UDP_L4;
		skb_shinfo(skb)->gso_size = full;
		skb_shinfo(skb)->gso_segs = done;
	}
	return done;
}

/* Returns how many segments found no memory. */
static u32 send_bursts(struct plan *plan, struct sk_buff *out)
{
	struct cyg_op *op = NULL;
	u32 index = 0, got;

	do {
		got = fill_burst(plan, &op, out, index);
		if (!got)
			WRITE_ONCE(burst(out)->err, -ENOMEM);
		if (!index)
			cyg_esp_inherit_owner(out, plan->skb);
		put_burst(out);
		index += got;
		out = got && index < plan->count ? new_burst(plan) : NULL;
	} while (out);
	cyg_linear_put(op);
	return plan->count - index;
}

/**
 * cyg_batch_send - protect a super-packet
 * @sa: outbound
 * @skb: from its inner IP header; the caller's to free
 * @flow: what it is
 * @dst: route to the remote endpoint, the caller's to release
 *
 * Call under rcu_read_lock() with BH off.
 *
 * Return: false if it must be sent in pieces: nothing has happened yet
 */
bool cyg_batch_send(struct cyg_sa *sa, struct sk_buff *skb,
		    const struct cyg_flow *flow, struct dst_entry *dst)
{
	struct plan plan = { .skb = skb, .flow = flow, .sa = sa, .dst = dst };
	struct sk_buff *out;
	u32 bytes, lost;

	if (!batch_send || !cyg_linear_fits(sa) || !cyg_sa_encapsulated(sa) ||
	    !make_plan(&plan))
		return false;
	plan.base = cyg_ipaddr_pseudo(skb, flow);
	out = new_burst(&plan);
	if (!out)
		return false;
	bytes = skb->len + (plan.count - 1) * plan.headers;
	if (!cyg_sadb_next_sequences(sa, plan.count, bytes, &plan.sequence)) {
		kfree_skb(out);
		percpu_ref_put(&sa->ref);
		return false;
	}
	lost = send_bursts(&plan, out);
	if (lost)
		cyg_stats_drops(CYGNET_DROP_TX_MEMORY, sa->cn,
				rcu_dereference(sa->policy->dev), sa, lost);
	return true;
}
