// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sending in bursts: a super-packet is segmented, copied, checksummed and
 * encrypted in one pass into fresh pages, and leaves as one super-packet of UDP;
 * or packet by packet, as protocol 50 has nothing of that kind.
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

/* Longer ones are sent in another way. */
#define PACKET_MAX	32768

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
 * @linear: bytes that do not go into blocks
 * @base: checksum over the pseudo header, without the length
 * @departure: whose bursts leave in turn, or NULL
 * @sequence: of the next segment
 * @frag: that the next payload begins in, or continues; -1 for the linear part
 * @offset: in there
 */
struct plan {
	struct sk_buff *skb;
	const struct cyg_flow *flow;
	struct cyg_sa *sa;
	struct dst_entry *dst;
	struct departure *departure;
	u32 transport, headers, size, count;
	u32 linear;
	__wsum base;
	u64 sequence;
	int frag;
	u32 offset;
};

/**
 * struct departure - a super-packet whose bursts leave in turn
 * @slot: of the SA's order, whose job is to encrypt them
 * @plan: of it; holds the SA
 * @flow: what it is
 * @bursts: that it became
 * @pending: of them, those inside crypto, and the builder
 */
struct departure {
	struct cyg_slot slot;
	struct plan plan;
	struct cyg_flow flow;
	struct sk_buff_head bursts;
	atomic_t pending;
};

/**
 * struct burst - in the cb of an outer packet that is being built
 * @sa: held
 * @departure: that it belongs to, or NULL
 * @pending: packets inside crypto, and the builder
 * @err: of any of them
 * @bytes: of inner packets
 * @count: of inner packets
 * @class: of the outer header
 */
struct burst {
	struct cyg_sa *sa;
	struct departure *departure;
	atomic_t pending;
	int err;
	u32 bytes;
	u16 count;
	struct cyg_class class;
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
	return esp_len(plan->sa, inner) <= PACKET_MAX;
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

/* One packet of a burst: an skb that refers to its part of the pages. */
static struct sk_buff *new_piece(struct sk_buff *skb, const skb_frag_t *frag, u32 at,
				 u32 len, u32 room)
{
	u32 headroom = skb_headroom(skb);
	struct sk_buff *piece;

	piece = alloc_skb(headroom, GFP_ATOMIC | __GFP_NOWARN);
	if (!piece)
		return NULL;
	skb_reserve(piece, headroom);
	get_page(skb_frag_page(frag));
	skb_add_rx_frag(piece, 0, skb_frag_page(frag), skb_frag_off(frag) + at, len, room);
	piece->priority = skb->priority;
	skb_dst_set_noref(piece, skb_dst(skb));
	if (skb->sk) {
		piece->sk = skb->sk;
		piece->destructor = skb->destructor;
		refcount_add(piece->truesize, &skb->sk->sk_wmem_alloc);
	}
	return piece;
}

/* Returns how many packets did not leave. */
static u32 send_pieces(const struct burst *b, struct sk_buff *skb)
{
	u32 size = skb_shinfo(skb)->gso_size;
	u32 room = size > PAGE_SIZE ? size : PAGE_SIZE / (PAGE_SIZE / size);
	const skb_frag_t *frag = skb_shinfo(skb)->frags;
	const skb_frag_t *end = frag + skb_shinfo(skb)->nr_frags;
	struct sk_buff *piece;
	u32 at, lost = 0;

	for (; frag < end; frag++) {
		for (at = 0; at < skb_frag_size(frag); at += size) {
			piece = new_piece(skb, frag, at, min(size, skb_frag_size(frag) - at),
					  room);
			if (!piece)
				cyg_stats_drop_sa(CYGNET_DROP_TX_MEMORY, b->sa);
			if (!piece || cyg_encap_send(b->sa, piece, b->class))
				lost++;
		}
	}
	consume_skb(skb);
	return lost;
}

static u32 send_out(const struct burst *b, struct sk_buff *skb)
{
	if (skb_is_gso(skb) && !cyg_sa_encapsulated(b->sa))
		return send_pieces(b, skb);
	return cyg_encap_send(b->sa, skb, b->class) ? b->count : 0;
}

/* The burst is whole: out with it, or with none of it. */
static void send_burst(struct sk_buff *skb)
{
	struct burst b = *burst(skb);
	struct net_device *dev;

	rcu_read_lock();
	dev = rcu_dereference(b.sa->policy->dev);
	if (b.err || !dev) {
		enum cygnet_drop reason = !b.err ? CYGNET_DROP_TX_SA_DEAD :
					  b.err == -ENOMEM ? CYGNET_DROP_TX_MEMORY :
							     CYGNET_DROP_TX_CRYPTO;

		cyg_stats_drops(reason, b.sa->cn, dev, b.sa, b.count);
		cyg_stats_free_skb(skb, reason);
	} else if (send_out(&b, skb)) {
		DEV_STATS_INC(dev, tx_errors);
	} else {
		dev_sw_netstats_tx_add(dev, b.count, b.bytes);
	}
	rcu_read_unlock();
	percpu_ref_put(&b.sa->ref);
}

static void free_departure(struct departure *departure)
{
	percpu_ref_put(&departure->plan.sa->ref);
	kfree(departure);
}

static void leave(struct cyg_slot *slot)
{
	struct departure *departure = container_of(slot, struct departure, slot);
	struct sk_buff *skb;

	while ((skb = __skb_dequeue(&departure->bursts)))
		send_burst(skb);
	free_departure(departure);
}

static void put_departure(struct departure *departure)
{
	if (atomic_dec_and_test(&departure->pending))
		cyg_order_ready(&departure->slot);
}

static void put_burst(struct sk_buff *skb)
{
	struct departure *departure = burst(skb)->departure;

	if (!atomic_dec_and_test(&burst(skb)->pending))
		return;
	if (departure)
		put_departure(departure);
	else
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
	skb = alloc_skb(headroom + plan->linear, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb) {
		percpu_ref_put(&plan->sa->ref);
		return NULL;
	}
	skb_reserve(skb, headroom);
	skb->priority = plan->skb->priority;
	skb_dst_set(skb, dst_clone(plan->dst));
	*burst(skb) = (struct burst) {
		.sa = plan->sa,
		.departure = plan->departure,
		.pending = ATOMIC_INIT(1),
		.class = cyg_ipaddr_class(plan->sa, plan->skb, plan->flow),
	};
	if (plan->departure) {
		atomic_inc(&plan->departure->pending);
		__skb_queue_tail(&plan->departure->bursts, skb);
	}
	return skb;
}

/*
 * Would a packet of @size bytes at @used reach into another page, though it fits
 * into one? Crypto takes such a packet in parts.
 */
static bool crosses(u32 used, u32 size)
{
	return size <= PAGE_SIZE && offset_in_page(used) + size > PAGE_SIZE;
}

/* An inner packet of @len bytes behind @header gets all that ESP adds. */
static int seal(struct plan *plan, struct cyg_op **op, struct sk_buff *skb,
		struct cyg_esp_counter_header *header, u32 len)
{
	u8 *inner = (u8 *)(header + 1);
	u64 sequence = plan->sequence++;
	struct cyg_sa *sa = plan->sa;
	int err;

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

/* What was filled of a block, from @from on. */
static void add_filled(struct sk_buff *skb, struct cyg_blocks *b, u32 from, u32 full)
{
	u32 len = b->used - from;

	if (!len)
		return;
	get_page(b->page);
	skb_add_rx_frag(skb, skb_shinfo(skb)->nr_frags, b->page, from, len,
			full > PAGE_SIZE ? len : PAGE_ALIGN(len));
}

/*
 * Fills one more piece of a block with up to @count segments from @index on.
 * Returns how many fitted, 0 without memory. What crypto refuses spoils the
 * whole burst, as it would in the middle of one that is encrypted later.
 */
static u32 fill_piece(struct plan *plan, struct cyg_op **op, struct sk_buff *skb,
		      u32 index, u32 count)
{
	u32 full = esp_len(plan->sa, plan->headers + plan->size);
	struct cyg_blocks *b = cyg_block_own(CYGNET_DIRECTION_OUT);
	struct cyg_esp_counter_header *header;
	u32 len, i, from;
	int err;

	if (b->page && crosses(b->used, full))
		b->used = PAGE_ALIGN(b->used);
	if (!cyg_block_room(b, full))
		return 0;
	from = b->used;
	for (i = index; i < index + count; i++) {
		if (b->used + full > b->room || crosses(b->used, full))
			break;
		header = page_address(b->page) + b->used;
		len = write_inner(plan, (u8 *)(header + 1), i);
		b->used += esp_len(plan->sa, len);
		err = seal(plan, op, skb, header, len);
		if (err)
			WRITE_ONCE(burst(skb)->err, err);
	}
	add_filled(skb, b, from, full);
	return i - index;
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
		got = fill_piece(plan, op, skb, index + done, most - done);
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

static void send_bursts(struct plan *plan, struct sk_buff *out)
{
	struct cyg_op *op = NULL;
	u32 index = 0, got;

	while (out) {
		got = fill_burst(plan, &op, out, index);
		if (!got)
			WRITE_ONCE(burst(out)->err, -ENOMEM);
		if (!index)
			cyg_esp_inherit_owner(out, plan->skb);
		put_burst(out);
		index += got;
		out = got && index < plan->count ? new_burst(plan) : NULL;
	}
	cyg_linear_put(op);
	if (index < plan->count)
		cyg_stats_drops(CYGNET_DROP_TX_MEMORY, plan->sa->cn,
				rcu_dereference(plan->sa->policy->dev), plan->sa,
				plan->count - index);
}

static u32 inner_bytes(const struct plan *plan)
{
	return plan->skb->len + (plan->count - 1) * plan->headers;
}

static void depart(struct cyg_job *job)
{
	struct departure *departure = container_of(job, struct departure, slot.job);
	struct plan *plan = &departure->plan;

	send_bursts(plan, new_burst(plan));
	dst_release(plan->dst);
	consume_skb(plan->skb);
	put_departure(departure);
}

static struct departure *new_departure(const struct plan *plan)
{
	struct departure *departure = kmalloc(sizeof(*departure), GFP_ATOMIC | __GFP_NOWARN);

	if (!departure)
		return NULL;
	if (!percpu_ref_tryget_live(&plan->sa->ref)) {
		kfree(departure);
		return NULL;
	}
	departure->slot.job.run = depart;
	departure->slot.leave = leave;
	departure->plan = *plan;
	departure->flow = *plan->flow;
	departure->plan.flow = &departure->flow;
	departure->plan.departure = departure;
	__skb_queue_head_init(&departure->bursts);
	atomic_set(&departure->pending, 1);
	return departure;
}

/* Returns what cyg_batch_send() does. */
static bool send_in_turn(const struct plan *plan, int cpu)
{
	struct departure *departure = new_departure(plan);
	struct cyg_sa *sa = plan->sa;

	if (!departure)
		return false;
	if (!cyg_sadb_next_sequences(sa, plan->count, inner_bytes(plan),
				     &departure->plan.sequence)) {
		free_departure(departure);
		return false;
	}
	if (!cyg_order_enter(&sa->order, &departure->slot, plan->count, CYG_ORDER_MAX)) {
		free_departure(departure);
		cyg_stats_drops(CYGNET_DROP_TX_QUEUE, sa->cn,
				rcu_dereference(sa->policy->dev), sa, plan->count);
		return true;
	}
	skb_get(plan->skb);
	dst_hold(plan->dst);
	if (cpu < 0)
		depart(&departure->slot.job);
	else
		cyg_spread_give(&departure->slot.job, cpu);
	return true;
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
	int cpu;

	if (!batch_send || !cyg_linear_fits(sa) || sa->tfc || !make_plan(&plan))
		return false;
	plan.base = cyg_ipaddr_pseudo(skb, flow);
	cpu = cyg_spread_pick();
	if (cpu >= 0 || !cyg_order_idle(&sa->order))
		return send_in_turn(&plan, cpu);
	out = new_burst(&plan);
	if (!out)
		return false;
	if (!cyg_sadb_next_sequences(sa, plan.count, inner_bytes(&plan), &plan.sequence)) {
		kfree_skb(out);
		percpu_ref_put(&sa->ref);
		return false;
	}
	send_bursts(&plan, out);
	return true;
}

/**
 * cyg_batch_single - protect a packet that is no super-packet
 * @sa: outbound, of those that cyg_linear_fits() says yes to
 * @skb: from its inner IP header; the caller's to free
 * @flow: what it is
 * @dst: route to the remote endpoint; taken unless refused
 *
 * With less to allocate than cyg_esp_output(), which does the same. Call under
 * rcu_read_lock() with BH off.
 *
 * Return: 0, or why it was refused
 */
enum cygnet_drop cyg_batch_single(struct cyg_sa *sa, struct sk_buff *skb,
				  const struct cyg_flow *flow, struct dst_entry *dst)
{
	struct plan plan = {
		.skb = skb, .flow = flow, .sa = sa, .dst = dst,
		.linear = esp_len(sa, flow->length),
	};
	struct cyg_esp_counter_header *header;
	struct cyg_op *op = NULL;
	enum cygnet_drop reason;
	struct sk_buff *out;
	int err;

	if (!batch_send || !cyg_order_idle(&sa->order))
		return cyg_esp_output(sa, skb, flow, dst);
	out = new_burst(&plan);
	if (!out)
		return READ_ONCE(sa->dead) ? CYGNET_DROP_TX_SA_DEAD : CYGNET_DROP_TX_MEMORY;
	reason = cyg_sadb_next_sequence(sa, flow->length, &plan.sequence);
	if (reason) {
		kfree_skb(out);
		percpu_ref_put(&sa->ref);
		return reason;
	}
	header = skb_put(out, plan.linear);
	/* Completes the checksum on the way, if that was left to us. */
	skb_copy_and_csum_dev(skb, (u8 *)(header + 1));
	cyg_esp_inherit_owner(out, skb);
	err = seal(&plan, &op, out, header, flow->length);
	if (err)
		WRITE_ONCE(burst(out)->err, err);
	cyg_linear_put(op);
	put_burst(out);
	dst_release(dst);
	return 0;
}
