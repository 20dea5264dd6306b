// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receiving in bursts: what arrives in one go is decrypted into fresh pages, so
 * that the payloads of a flow lie side by side, and given to the stack as few
 * super-packets.
 *
 * Each CPU has a cell of each device, which is touched on that CPU with BH off
 * only. Packets wait in it, still encrypted, until the CPU has taken all that
 * arrived together; then the cell's NAPI poll works them off in order.
 *
 * When the CPU is full, others decrypt some of what waits, a burst each, into
 * cells of their own (spread.c), and what comes out of them is in order again.
 *
 * Only what GRO would merge is merged, and after its checksums have been found
 * right; all else goes to the stack singly and unchanged.
 */
#include <linux/module.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>

#include "cygnet.h"

/* As many as the stack's own queues let wait by default. */
#define QUEUE_MAX	1000

/* Packets up to that length are copied out, so that the page is not held. */
#define COPY_MAX	256

/* Packets that are given to another CPU together, at least and about. */
#define CHUNK_MIN	8
#define CHUNK_MAX	64

/* What super-packets may have in all, and of UDP in number. */
#define LENGTH_MAX	65000
#define SEGMENTS_MAX	64

static bool batch_receive = true;
module_param(batch_receive, bool, 0644);
MODULE_PARM_DESC(batch_receive, "decrypt and merge in bursts (for finding faults)");

/**
 * struct arrival - in the cb of a packet that waits
 * @offset: of the first ESP header
 * @len: from there
 * @size: of each ESP packet but the last
 * @at_once: how many of the SA may be decrypted at the same time
 * @ifindex: of the device that it came by if the way is to be remembered, or 0
 * @family: of the outer header
 */
struct arrival {
	u32 offset, len, size;
	u32 at_once;
	int ifindex;
	u8 family;
};

/**
 * struct merge - a super-packet that grows
 * @skb: NULL if there is none
 * @sa: that all its packets came by
 * @headers: length of its inner headers
 * @transport: length of its IP headers
 * @size: payload of each packet but the last
 * @count: of packets
 * @sequence: of the TCP payload to come
 * @id: of the first packet, IPv4
 * @fixed_id: all have the same
 * @closed: nothing may follow
 * @dsfield: of the outer headers
 * @tos: of the inner headers, before the outer ones changed it
 */
struct merge {
	struct sk_buff *skb;
	struct cyg_sa *sa;
	u32 headers, transport;
	u32 size, count;
	u32 sequence;
	u16 id;
	bool fixed_id, closed;
	u8 dsfield, tos;
};

/**
 * struct cyg_cell - a CPU's part in a device
 * @napi: of it
 * @queue: packets that wait
 * @ready: packets for the stack, while polling
 * @sa: of the packet before, while polling
 * @op: of @sa, while polling
 * @merge: while polling
 * @cursor: in the skb that is being taken apart
 * @blocks: of the CPU, while polling
 * @own: from where on the current block holds nothing that belongs to another
 *	super-packet than the growing one
 * @head: of a packet that is being decrypted over the end of the one before:
 *	what was there
 * @cpu: whose it is
 * @order: of what is decrypted elsewhere
 * @resume: to go on when enough of that is done
 * @resuming: that is under way
 */
struct cyg_cell {
	struct napi_struct napi;
	int cpu;
	struct cyg_order order;
	struct cyg_job resume;
	bool resuming;
	struct sk_buff_head queue;
	struct list_head ready;
	struct cyg_sa *sa;
	struct cyg_op *op;
	struct merge merge;
	struct cyg_cursor cursor;
	struct cyg_blocks *blocks;
	u32 own;
	u8 head[128];
};

/**
 * struct chunk - packets that are decrypted together, maybe on another CPU
 * @slot: in the order of @home, whose job is to do so
 * @home: the cell that they waited in
 * @queue: the packets
 * @ready: what comes out, for the stack
 */
struct chunk {
	struct cyg_slot slot;
	struct cyg_cell *home;
	struct sk_buff_head queue;
	struct list_head ready;
};

/* An inner packet that is decrypted but has not found its skb. */
struct inner {
	struct cyg_sa *sa;
	u8 *data;
	u32 len;
	u8 next_header;
	u8 dsfield;
	const struct sk_buff *source;
};

static struct arrival *arrival(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct arrival) > sizeof(skb->cb));
	return (struct arrival *)skb->cb;
}

/* Merging. */

static void write_ipv4(struct merge *m, struct iphdr *iph)
{
	iph->tot_len = htons(m->skb->len);
	ip_send_check(iph);
}

static __sum16 pseudo_checksum(const struct merge *m, u8 protocol)
{
	struct sk_buff *skb = m->skb;
	u32 len = skb->len - m->transport;

	if (skb->protocol == htons(ETH_P_IP))
		return ~csum_tcpudp_magic(ip_hdr(skb)->saddr, ip_hdr(skb)->daddr, len,
					  protocol, 0);
	return ~csum_ipv6_magic(&ipv6_hdr(skb)->saddr, &ipv6_hdr(skb)->daddr, len,
				protocol, 0);
}

/* The headers of one packet become those of all. */
static void write_headers(struct merge *m)
{
	struct skb_shared_info *shinfo = skb_shinfo(m->skb);
	void *transport = m->skb->data + m->transport;
	bool ipv4 = m->skb->protocol == htons(ETH_P_IP);

	if (ipv4)
		write_ipv4(m, ip_hdr(m->skb));
	else
		ipv6_hdr(m->skb)->payload_len = htons(m->skb->len - m->transport);
	m->skb->ip_summed = CHECKSUM_PARTIAL;
	m->skb->csum_start = (u8 *)transport - m->skb->head;
	shinfo->gso_size = m->size;
	shinfo->gso_segs = m->count;
	if (m->headers - m->transport == sizeof(struct udphdr)) {
		struct udphdr *udp = transport;

		udp->len = htons(m->skb->len - m->transport);
		udp->check = pseudo_checksum(m, IPPROTO_UDP);
		m->skb->csum_offset = offsetof(struct udphdr, check);
		shinfo->gso_type = SKB_GSO_UDP_L4;
	} else {
		struct tcphdr *th = transport;

		th->check = pseudo_checksum(m, IPPROTO_TCP);
		m->skb->csum_offset = offsetof(struct tcphdr, check);
		shinfo->gso_type = ipv4 ? SKB_GSO_TCPV4 : SKB_GSO_TCPV6;
		if (th->cwr)
			shinfo->gso_type |= SKB_GSO_TCP_ECN;
	}
	/* In spite of its name, IP heeds it for UDP too. */
	if (m->fixed_id)
		shinfo->gso_type |= SKB_GSO_TCP_FIXEDID;
}

static void count_received(struct net_device *dev, u32 packets, u32 bytes)
{
	struct pcpu_sw_netstats *stats = this_cpu_ptr(dev->tstats);

	u64_stats_update_begin(&stats->syncp);
	u64_stats_add(&stats->rx_packets, packets);
	u64_stats_add(&stats->rx_bytes, bytes);
	u64_stats_update_end(&stats->syncp);
}

static void flush_merge(struct cyg_cell *cell)
{
	struct merge *m = &cell->merge;

	if (!m->skb)
		return;
	count_received(m->skb->dev, m->count,
		       m->skb->len + (m->count - 1) * m->headers);
	if (m->count > 1)
		write_headers(m);
	list_add_tail(&m->skb->list, &cell->ready);
	m->skb = NULL;
}

static bool checksum_right(const u8 *data, u32 transport, u32 len, u8 protocol)
{
	__wsum sum = csum_partial(data + transport, len - transport, 0);

	if (data[0] >> 4 == 4) {
		const struct iphdr *iph = (void *)data;

		return !csum_tcpudp_magic(iph->saddr, iph->daddr, len - transport,
					  protocol, sum);
	} else {
		const struct ipv6hdr *ip6h = (void *)data;

		return !csum_ipv6_magic(&ip6h->saddr, &ip6h->daddr, len - transport,
					protocol, sum);
	}
}

/* Either each packet's number is one higher, or (with DF set) all are the same. */
static bool id_continues(struct merge *m, const struct iphdr *iph)
{
	u16 id = ntohs(iph->id);

	if (m->count == 1 && iph->frag_off & htons(IP_DF))
		m->fixed_id = id == m->id;
	return id == (m->fixed_id ? m->id : (u16)(m->id + m->count));
}

static bool ipv4_continues(struct merge *m, const struct iphdr *iph)
{
	const struct iphdr *first = (void *)m->skb->data;

	return iph->tos == m->tos && iph->frag_off == first->frag_off &&
	       iph->ttl == first->ttl && iph->protocol == first->protocol &&
	       iph->saddr == first->saddr && iph->daddr == first->daddr &&
	       !ip_fast_csum(iph, 5) && id_continues(m, iph);
}

static bool ipv6_continues(struct merge *m, const struct ipv6hdr *ip6h)
{
	const struct ipv6hdr *first = (void *)m->skb->data;

	return ipv6_get_dsfield(ip6h) == m->tos &&
	       !((*(__be32 *)ip6h ^ *(__be32 *)first) & IPV6_FLOWLABEL_MASK) &&
	       ip6h->nexthdr == first->nexthdr &&
	       ip6h->hop_limit == first->hop_limit &&
	       ipv6_addr_equal(&ip6h->saddr, &first->saddr) &&
	       ipv6_addr_equal(&ip6h->daddr, &first->daddr);
}

static bool tcp_continues(struct merge *m, const struct tcphdr *th)
{
	const struct tcphdr *first = (void *)m->skb->data + m->transport;
	const __be32 *a = (void *)th, *b = (void *)first;
	u32 i;

	if (a[0] != b[0] || ntohl(th->seq) != m->sequence ||
	    th->ack_seq != first->ack_seq || th->urg_ptr != first->urg_ptr || th->cwr ||
	    (tcp_flag_word(th) ^ tcp_flag_word(first)) & ~(TCP_FLAG_CWR | TCP_FLAG_FIN |
							  TCP_FLAG_PSH))
		return false;
	for (i = sizeof(*th) / 4; i < (m->headers - m->transport) / 4; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

static bool udp_continues(struct merge *m, const struct udphdr *udp, u32 len)
{
	const struct udphdr *first = (void *)m->skb->data + m->transport;

	return *(__be32 *)udp == *(__be32 *)first && udp->check &&
	       ntohs(udp->len) == len && m->count < SEGMENTS_MAX;
}

/* Is this the packet that comes next in the super-packet? */
static bool continues(struct merge *m, const struct inner *in, u32 len)
{
	const u8 *data = in->data;
	u32 payload = len - m->headers;
	bool tcp = m->headers - m->transport != sizeof(struct udphdr);

	if (m->closed || m->sa != in->sa || m->dsfield != in->dsfield ||
	    len <= m->headers || payload > m->size ||
	    m->skb->len + payload > LENGTH_MAX || *data != *m->skb->data)
		return false;
	if (*data >> 4 == 4 ? !ipv4_continues(m, (void *)data) :
			      !ipv6_continues(m, (void *)data))
		return false;
	data += m->transport;
	if (tcp ? !tcp_continues(m, (void *)data) :
		  !udp_continues(m, (void *)data, len - m->transport))
		return false;
	return checksum_right(in->data, m->transport, len,
			      tcp ? IPPROTO_TCP : IPPROTO_UDP);
}

/* Does the payload lie where it can be added? */
static bool has_place(const struct merge *m, u32 over)
{
	return over || skb_shinfo(m->skb)->nr_frags < MAX_SKB_FRAGS;
}

static void add_payload(struct cyg_cell *cell, const u8 *payload, u32 len, u32 over)
{
	struct sk_buff *skb = cell->merge.skb;
	u32 last = skb_shinfo(skb)->nr_frags - 1;

	if (over) {
		skb_frag_size_add(&skb_shinfo(skb)->frags[last], len);
		skb->len += len;
		skb->data_len += len;
		skb->truesize += len;
		return;
	}
	get_page(cell->blocks->page);
	skb_add_rx_frag(skb, last + 1, cell->blocks->page,
			payload - (u8 *)page_address(cell->blocks->page), len, len);
}

/* The packet that continues() becomes part of the super-packet. */
static void append(struct cyg_cell *cell, const struct inner *in, u32 len, u32 over)
{
	struct merge *m = &cell->merge;
	u32 payload = len - m->headers;

	m->count++;
	m->sequence += payload;
	m->closed = payload < m->size;
	if (m->headers - m->transport != sizeof(struct udphdr)) {
		const struct tcphdr *th = (void *)in->data + m->transport;
		struct tcphdr *first = (void *)m->skb->data + m->transport;

		tcp_flag_word(first) |= tcp_flag_word(th) & (TCP_FLAG_FIN | TCP_FLAG_PSH);
		m->closed |= th->fin || th->psh;
	}
	add_payload(cell, in->data + m->headers, payload, over);
}

/* Where the inner headers end, if the packet may begin a super-packet. */
static bool is_mergeable(struct merge *m, const struct inner *in,
			 const struct net_device *dev, const struct cyg_flow *flow)
{
	const struct tcphdr *th;
	const struct udphdr *udp;

	if (!(dev->features & NETIF_F_GRO))
		return false;
	if (flow->family == 4) {
		const struct iphdr *iph = (void *)in->data;

		if (iph->ihl != 5 || iph->frag_off & ~htons(IP_DF) || ip_fast_csum(iph, 5))
			return false;
		m->transport = sizeof(*iph);
		m->id = ntohs(iph->id);
	} else {
		if (((struct ipv6hdr *)in->data)->nexthdr != flow->protocol)
			return false;
		m->transport = sizeof(struct ipv6hdr);
	}
	if (flow->protocol == IPPROTO_TCP && in->len > m->transport + sizeof(*th)) {
		th = (void *)in->data + m->transport;
		m->headers = m->transport + th->doff * 4;
		m->sequence = ntohl(th->seq) + in->len - m->headers;
		m->closed = tcp_flag_word(th) & (TCP_FLAG_FIN | TCP_FLAG_PSH);
		if (th->doff < 5 || th->syn || th->rst || th->urg)
			return false;
	} else if (flow->protocol == IPPROTO_UDP && in->len > m->transport + sizeof(*udp)) {
		udp = (void *)in->data + m->transport;
		m->headers = m->transport + sizeof(*udp);
		if (!(dev->features & NETIF_F_GRO_UDP_FWD) || !udp->check ||
		    ntohs(udp->len) != in->len - m->transport)
			return false;
	} else {
		return false;
	}
	return in->len > m->headers &&
	       checksum_right(in->data, m->transport, in->len, flow->protocol);
}

/* A packet with its first @linear bytes in place, and the rest left in the page. */
static struct sk_buff *new_packet(struct cyg_cell *cell, const struct inner *in,
				  u32 linear)
{
	struct sk_buff *skb = napi_alloc_skb(&cell->napi, max_t(u32, linear, COPY_MAX));
	u8 *rest = in->data + linear;

	if (!skb)
		return NULL;
	skb_put_data(skb, in->data, linear);
	if (linear < in->len) {
		get_page(cell->blocks->page);
		skb_add_rx_frag(skb, 0, cell->blocks->page,
				rest - (u8 *)page_address(cell->blocks->page),
				in->len - linear, in->len - linear);
	}
	skb_reset_mac_header(skb);
	skb_reset_network_header(skb);
	return skb;
}

/*
 * A packet that continues nothing: on its own to the stack, unless it begins a
 * super-packet. Its first @over bytes are about to be overwritten.
 */
static enum cygnet_drop begin(struct cyg_cell *cell, struct inner *in, u32 over)
{
	struct merge m = { .sa = in->sa, .dsfield = in->dsfield, .count = 1 };
	enum cygnet_drop reason;
	struct net_device *dev;
	struct cyg_flow flow;
	struct sk_buff *skb;
	bool mergeable;
	u32 linear;

	flush_merge(cell);
	reason = cyg_input_check(in->sa, in->data, in->len, in->next_header, &flow, &dev);
	if (reason)
		return reason;
	in->len = flow.length;
	mergeable = is_mergeable(&m, in, dev, &flow);
	linear = mergeable ? m.headers : in->len <= COPY_MAX ? in->len : sizeof(cell->head);
	linear = min(max(linear, over), in->len);
	skb = new_packet(cell, in, linear);
	if (!skb)
		return CYGNET_DROP_RX_MEMORY;
	skb->dev = dev;
	skb->protocol = flow.family == 4 ? htons(ETH_P_IP) : htons(ETH_P_IPV6);
	if (INET_ECN_decapsulate(skb, in->dsfield, flow.dsfield) > 1) {
		kfree_skb(skb);
		return CYGNET_DROP_RX_ECN;
	}
	if (!cyg_steer_mark(in->sa, skb)) {
		kfree_skb(skb);
		return CYGNET_DROP_RX_MEMORY;
	}
	cyg_mss_clamp(in->sa->policy, skb, &flow);
	if (mergeable)
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	m.skb = skb;
	m.tos = flow.dsfield;
	m.size = in->len - m.headers;
	m.closed |= !mergeable || linear == in->len;
	cell->merge = m;
	return 0;
}

/* Decrypting. */

static void let_go(struct cyg_cell *cell)
{
	if (!cell->sa)
		return;
	cyg_linear_put(cell->op);
	percpu_ref_put(&cell->sa->ref);
	cell->op = NULL;
	cell->sa = NULL;
}

/* The SA of a packet, held until another one's comes or the poll ends. */
static bool hold_sa(struct cyg_cell *cell, __be32 spi, const struct cyg_addr *dst,
		    u8 family)
{
	struct cyg_sa *sa = cell->sa;
	struct cyg_net *cn;
	bool exact;

	if (sa && sa->key.spi == spi && sa->family == family &&
	    cyg_addr_equal(&sa->dst, dst))
		return true;
	let_go(cell);
	cn = cyg_net(dev_net(cell->napi.dev));
	sa = cyg_sadb_input(cn, IPPROTO_ESP, spi, dst, family, &exact);
	if (!sa) {
		cyg_stats_drop(CYGNET_DROP_RX_NO_SA, cn, NULL, NULL);
	} else if (!exact) {
		cyg_stats_drop_sa(CYGNET_DROP_RX_ENDPOINT, sa);
	} else if (!percpu_ref_tryget_live(&sa->ref)) {
		cyg_stats_drop_sa(CYGNET_DROP_RX_SA_DEAD, sa);
	} else {
		cell->sa = sa;
		return true;
	}
	return false;
}

/*
 * Room for the plaintext of a packet. Its headers will lie over the last @over
 * bytes of what was decrypted before, so that payload joins payload. Never over
 * a super-packet that is finished: rescue() could not help that one.
 */
static u8 *place(struct cyg_cell *cell, u32 len, u32 *over)
{
	struct cyg_blocks *b = cell->blocks;
	struct merge *m = &cell->merge;

	*over = m->skb && !m->closed && b->used >= cell->own + m->headers ? m->headers : 0;
	if (!b->page || b->used - *over + len > b->room) {
		*over = 0;
		cell->own = 0;
		if (!cyg_block_room(b, len))
			return NULL;
	}
	return (u8 *)page_address(b->page) + b->used - *over;
}

/* Finished later, when the poll is long over. */
static void decrypted_late(struct cyg_op *op, int err)
{
	struct cyg_sa *sa = op->sa;
	enum cygnet_drop reason;
	struct sk_buff *skb;

	rcu_read_lock();
	if (err) {
		reason = err == -EBADMSG ? CYGNET_DROP_RX_AUTH : CYGNET_DROP_RX_CRYPTO;
		cyg_stats_drop_sa(reason, sa);
	} else {
		skb = netdev_alloc_skb(NULL, op->plain_len);
		if (skb) {
			skb_put_data(skb, op->plain, op->plain_len);
			cyg_esp_accept(sa, skb, op->skb, op->sequence, op->dsfield);
		} else {
			cyg_stats_drop_sa(CYGNET_DROP_RX_MEMORY, sa);
		}
	}
	rcu_read_unlock();
	put_page(op->page);
	consume_skb(op->skb);
	kfree(op);
	percpu_ref_put(&sa->ref);
}

/*
 * The packet, which now belongs to op, still lies over the end of the one
 * before: give that a copy of its end.
 */
static void rescue(struct cyg_cell *cell, u32 over)
{
	struct merge *m = &cell->merge;
	struct skb_shared_info *shinfo;
	skb_frag_t *last;
	void *copy;
	u32 size;

	if (!over)
		return;
	shinfo = skb_shinfo(m->skb);
	last = &shinfo->frags[shinfo->nr_frags - 1];
	/* What lies in front of that are headers nobody needs any more. */
	size = min(over, skb_frag_size(last));
	copy = netdev_alloc_frag(size);
	if (!copy || (size < skb_frag_size(last) && shinfo->nr_frags == MAX_SKB_FRAGS)) {
		if (copy)
			skb_free_frag(copy);
		cyg_stats_drops(CYGNET_DROP_RX_MEMORY, m->sa->cn, m->skb->dev, m->sa, m->count);
		kfree_skb(m->skb);
		m->skb = NULL;
		return;
	}
	memcpy(copy, cell->head + over - size, size);
	skb_frag_size_sub(last, size);
	if (!skb_frag_size(last)) {
		put_page(skb_frag_page(last));
		shinfo->nr_frags--;
	}
	skb_fill_page_desc(m->skb, shinfo->nr_frags, virt_to_page(copy),
			   offset_in_page(copy), size);
	m->skb->truesize += size;
}

/* What has been authenticated, at @in->data. Sets @in->len. */
static enum cygnet_drop accept(struct inner *in, u64 sequence, u32 plain_len)
{
	enum cygnet_drop reason;
	u32 trailer;

	trailer = cyg_esp_trailer_len(in->data, plain_len, &in->next_header);
	in->len = plain_len - trailer;
	reason = cyg_sadb_commit(in->sa, sequence, in->len, in->source);
	if (reason)
		return reason;
	if (!trailer)
		return CYGNET_DROP_RX_PADDING;
	return 0;
}

/* Without traffic flow padding, if the packet is what its trailer says. */
static u32 length_by_header(const struct inner *in)
{
	u32 len = 0;

	if (in->len && *in->data >> 4 != (in->next_header == IPPROTO_IPIP ? 4 : 6))
		return 0;
	if (in->next_header == IPPROTO_IPIP && in->len >= sizeof(struct iphdr))
		len = ntohs(((struct iphdr *)in->data)->tot_len);
	else if (in->next_header == IPPROTO_IPV6 && in->len >= sizeof(struct ipv6hdr))
		len = sizeof(struct ipv6hdr) + ntohs(((struct ipv6hdr *)in->data)->payload_len);
	return min(len, in->len);
}

/* One decrypted packet goes where it belongs. */
static enum cygnet_drop sort_in(struct cyg_cell *cell, struct inner *in, u64 sequence,
				u32 plain_len, u32 over)
{
	struct merge *m = &cell->merge;
	struct cyg_blocks *b = cell->blocks;
	u8 *start = page_address(b->page);
	u32 before = b->used;
	enum cygnet_drop reason;
	u32 len;

	reason = accept(in, sequence, plain_len);
	if (reason)
		return reason;
	len = length_by_header(in);
	if (m->skb && continues(m, in, len) && has_place(m, over)) {
		append(cell, in, len, over);
		b->used = in->data + len - start;
		if (!over)
			cell->own = before;
		return 0;
	}
	reason = begin(cell, in, over);
	cell->own = before;
	if (!reason && skb_is_nonlinear(m->skb))
		b->used = in->data + in->len - start;
	return reason;
}

/*
 * Finished later: op owns the SA, the page and the reference to the received
 * packet that the cell held, and decrypted_late() may have run already.
 */
static void give_away(struct cyg_cell *cell, struct sk_buff *skb, u32 over)
{
	skb_get(skb);
	rescue(cell, over);
	flush_merge(cell);
	cell->sa = NULL;
	cell->op = NULL;
	cyg_block_leave(cell->blocks);
}

/* @len bytes behind @header, in one piece. */
static enum cygnet_drop decrypt(struct cyg_cell *cell, struct sk_buff *skb,
				const struct cyg_esp_counter_header *header, u32 len, u8 dsfield)
{
	struct cyg_op *op = cell->op;
	struct inner in = { .sa = cell->sa, .dsfield = dsfield, .source = skb };
	u32 over, plain = len - in.sa->icv_len;
	enum cygnet_drop reason;
	u64 sequence;
	int err;

	reason = cyg_sadb_precheck(in.sa, ntohl(header->esp.sequence), &sequence);
	if (reason)
		return reason;
	in.data = place(cell, plain, &over);
	if (!in.data)
		return CYGNET_DROP_RX_MEMORY;
	memcpy(cell->head, in.data, over);
	op->iv = header->iv;
	op->late = decrypted_late;
	op->skb = skb;
	op->sequence = sequence;
	op->plain = in.data;
	op->plain_len = plain;
	op->page = cell->blocks->page;
	op->dsfield = dsfield;
	sg_set_buf(&op->src[1], header + 1, len);
	sg_set_page(&op->dst[1], op->page, plain, in.data - (u8 *)page_address(op->page));
	err = cyg_linear_run(op, op->src, sequence, len);
	if (err == -EINPROGRESS) {
		give_away(cell, skb, over);
		return 0;
	}
	if (err)
		reason = err == -EBADMSG ? CYGNET_DROP_RX_AUTH : CYGNET_DROP_RX_CRYPTO;
	else
		reason = sort_in(cell, &in, sequence, plain, over);
	memcpy(in.data, cell->head, over);
	return reason;
}

/* Working off. */

static bool is_ordinary(struct cyg_cell *cell, u32 len)
{
	const u32 least = sizeof(struct cyg_esp_counter_header) + sizeof(struct cyg_esp_trailer) +
			  cell->sa->icv_len;

	if (len < least || !cyg_linear_fits(cell->sa))
		return false;
	if (!cell->op)
		cell->op = cyg_linear_get(cell->sa);
	return cell->op;
}

static void remember(struct cyg_net *cn, struct sk_buff *skb)
{
	struct arrival *a = arrival(skb);
	__be32 *ports, _ports;

	ports = skb_header_pointer(skb, a->offset - sizeof(struct udphdr), sizeof(_ports),
				   &_ports);
	if (ports)
		cyg_demux_remember(cn, skb, *ports, a->ifindex, a->family);
	a->ifindex = 0;
}

static void take_packet(struct cyg_cell *cell, struct sk_buff *skb, u32 offset, u32 len,
			const struct cyg_addr *dst, u8 dsfield);

/*
 * In fragments or a fraglist: copied together, so that it keeps its place among
 * the others. One by one, as without memory, it would come behind them.
 */
static void take_scattered(struct cyg_cell *cell, struct sk_buff *skb, u32 offset, u32 len,
			   const struct cyg_addr *dst, u8 dsfield)
{
	struct cyg_net *cn = cyg_net(dev_net(cell->napi.dev));
	struct sk_buff *flat = NULL;
	u8 family = arrival(skb)->family;
	struct cyg_esp_header header;

	if (len >= sizeof(struct cyg_esp_counter_header) &&
	    !skb_copy_bits(skb, offset, &header, sizeof(header))) {
		if (!hold_sa(cell, header.spi, dst, family))
			return;
		/* The others want to see the headers in front. */
		if (cyg_linear_fits(cell->sa))
			flat = napi_alloc_skb(&cell->napi, len);
	}
	if (!flat) {
		flush_merge(cell);
		cyg_input_packet(cn, skb, offset, len, dst, family, dsfield);
		return;
	}
	if (!skb_copy_bits(skb, offset, skb_put(flat, len), len)) {
		*arrival(flat) = (struct arrival) { .family = family };
		/* One to give away, see give_away(). */
		skb_get(flat);
		take_packet(cell, flat, 0, len, dst, dsfield);
		consume_skb(flat);
	}
	consume_skb(flat);
}

static void take_packet(struct cyg_cell *cell, struct sk_buff *skb, u32 offset, u32 len,
			const struct cyg_addr *dst, u8 dsfield)
{
	const struct cyg_esp_counter_header *header = NULL;
	enum cygnet_drop reason;
	struct cyg_sa *sa;

	if (len >= sizeof(*header))
		header = cyg_linear_find(skb, offset, len, &cell->cursor);
	if (!header) {
		take_scattered(cell, skb, offset, len, dst, dsfield);
		return;
	}
	if (!hold_sa(cell, header->esp.spi, dst, arrival(skb)->family))
		return;
	sa = cell->sa;
	if (is_ordinary(cell, len)) {
		reason = decrypt(cell, skb, header, len - sizeof(*header), dsfield);
		if (!reason && arrival(skb)->ifindex)
			remember(sa->cn, skb);
	} else {
		flush_merge(cell);
		reason = cyg_esp_input(sa, skb, offset, len, dsfield);
	}
	if (reason)
		cyg_stats_drop_sa(reason, sa);
}

/* Returns how many packets there were. */
static int work_off(struct cyg_cell *cell, struct sk_buff *skb)
{
	struct arrival a = *arrival(skb);
	struct cyg_addr dst;
	int count = 0;
	u8 dsfield;
	u32 at;

	cyg_ipaddr_outer(skb, a.family, &dst, &dsfield);
	memset(&cell->cursor, 0, sizeof(cell->cursor));
	/* One to give away, see give_away(). */
	skb_get(skb);
	for (at = 0; at < a.len; at += a.size, count++)
		take_packet(cell, skb, a.offset + at, min(a.size, a.len - at), &dst,
			    dsfield);
	consume_skb(skb);
	return count;
}

/* At most about @most packets of @queue, into @cell->ready. Returns how many. */
static int work_off_queue(struct cyg_cell *cell, struct sk_buff_head *queue, int most)
{
	struct sk_buff *skb;
	int done = 0;

	cell->blocks = cyg_block_own(CYGNET_DIRECTION_IN);
	while (done < most && (skb = __skb_dequeue(queue))) {
		done += work_off(cell, skb);
		napi_consume_skb(skb, most);
	}
	flush_merge(cell);
	let_go(cell);
	return done;
}

/* Giving away. */

/* In whatever cell of the device is this CPU's. */
static void work_off_chunk(struct cyg_job *job)
{
	struct chunk *chunk = container_of(job, struct chunk, slot.job);
	struct cyg_device *cyg = netdev_priv(chunk->home->napi.dev);
	struct cyg_cell *cell = this_cpu_ptr(cyg->cells);

	work_off_queue(cell, &chunk->queue, INT_MAX);
	list_splice_init(&cell->ready, &chunk->ready);
	cyg_order_ready(&chunk->slot);
}

static void leave(struct cyg_slot *slot)
{
	struct chunk *chunk = container_of(slot, struct chunk, slot);

	netif_receive_skb_list(&chunk->ready);
	kfree(chunk);
}

/* The first skbs of a queue that make a burst: how many, and of how many packets. */
static u32 measure_chunk(const struct sk_buff_head *queue, u32 *skbs)
{
	struct sk_buff *skb;
	u32 packets = 0;

	*skbs = 0;
	skb_queue_walk(queue, skb) {
		if (packets >= CHUNK_MAX || !arrival(skb)->at_once)
			break;
		packets += DIV_ROUND_UP(arrival(skb)->len, arrival(skb)->size);
		++*skbs;
	}
	return packets;
}

static struct chunk *new_chunk(struct cyg_cell *cell)
{
	struct chunk *chunk = kmalloc(sizeof(*chunk), GFP_ATOMIC | __GFP_NOWARN);

	if (!chunk)
		return NULL;
	chunk->slot.job.run = work_off_chunk;
	chunk->slot.leave = leave;
	chunk->home = cell;
	__skb_queue_head_init(&chunk->queue);
	INIT_LIST_HEAD(&chunk->ready);
	return chunk;
}

static void pass_on(struct chunk *chunk, u32 packets, u32 skbs)
{
	int cpu = packets < CHUNK_MIN ? -1 : cyg_spread_pick();

	while (skbs--)
		__skb_queue_tail(&chunk->queue, __skb_dequeue(&chunk->home->queue));
	if (cpu < 0)
		work_off_chunk(&chunk->slot.job);
	else
		cyg_spread_give(&chunk->slot.job, cpu);
}

/*
 * Stops when what is left of the window would have no room for packets that come
 * in ahead of others; resume() goes on.
 */
static int poll_in_order(struct cyg_cell *cell, int budget)
{
	struct sk_buff *skb;
	struct chunk *chunk;
	u32 packets, skbs;
	int done = 0;

	while (done < budget && (skb = skb_peek(&cell->queue))) {
		packets = measure_chunk(&cell->queue, &skbs);
		chunk = packets ? new_chunk(cell) : NULL;
		if (!chunk) {
			/* Without memory out of order; the others all go this way. */
			done += work_off_queue(cell, &cell->queue, 1);
			continue;
		}
		if (!cyg_order_enter(&cell->order, &chunk->slot, packets,
				     arrival(skb)->at_once)) {
			kfree(chunk);
			break;
		}
		pass_on(chunk, packets, skbs);
		done += packets;
	}
	return done;
}

static void resume(struct cyg_order *order)
{
	struct cyg_cell *cell = container_of(order, struct cyg_cell, order);

	if (!xchg(&cell->resuming, true))
		cyg_spread_give(&cell->resume, cell->cpu);
}

static void schedule_poll(struct cyg_job *job)
{
	struct cyg_cell *cell = container_of(job, struct cyg_cell, resume);

	xchg(&cell->resuming, false);
	napi_schedule(&cell->napi);
}

static int poll(struct napi_struct *napi, int budget)
{
	struct cyg_cell *cell = container_of(napi, struct cyg_cell, napi);
	int done;

	rcu_read_lock();
	if (cyg_order_idle(&cell->order) && !cyg_spread_wanted())
		done = work_off_queue(cell, &cell->queue, budget);
	else
		done = poll_in_order(cell, budget);
	netif_receive_skb_list(&cell->ready);
	INIT_LIST_HEAD(&cell->ready);
	rcu_read_unlock();
	if (done >= budget)
		return budget;
	napi_complete_done(napi, done);
	return done;
}

/**
 * cyg_cell_queue - let packets wait until all that came together are there
 * @sa: of one of them
 * @skb: what arrived; taken if that works
 * @offset: of the first ESP header
 * @len: from there
 * @size: of each ESP packet but the last
 * @ifindex: of the device that datagrams came by, 0 for what is not in UDP
 * @family: of the outer header
 *
 * Call under rcu_read_lock() with BH off, behind the firewall.
 *
 * Return: false if the packets must be taken one by one
 */
bool cyg_cell_queue(struct cyg_sa *sa, struct sk_buff *skb, u32 offset, u32 len, u32 size,
		    int ifindex, u8 family)
{
	struct net_device *dev = rcu_dereference(sa->policy->dev);
	struct cyg_device *cyg;
	struct cyg_cell *cell;

	if (!batch_receive || !dev)
		return false;
	cyg = netdev_priv(dev);
	cell = this_cpu_ptr(cyg->cells);
	if (skb_queue_len(&cell->queue) >= QUEUE_MAX) {
		cyg_stats_drops(CYGNET_DROP_RX_QUEUE, sa->cn, dev, sa,
				DIV_ROUND_UP(len, size));
		cyg_stats_free_skb(skb, CYGNET_DROP_RX_QUEUE);
		return true;
	}
	/* Nothing that somebody may wait for, or that only lives as long as this call. */
	skb_orphan(skb);
	nf_reset_ct(skb);
	if (!ifindex || !cyg_demux_is_new(sa->cn, skb) || !skb_dst_force(skb)) {
		skb_dst_drop(skb);
		ifindex = 0;
	}
	*arrival(skb) = (struct arrival) {
		.offset = offset,
		.len = len,
		.size = size,
		.at_once = sa->at_once,
		.ifindex = ifindex,
		.family = family,
	};
	__skb_queue_tail(&cell->queue, skb);
	if (skb_queue_len(&cell->queue) == 1)
		napi_schedule(&cell->napi);
	return true;
}

/**
 * cyg_cell_init - make a device's cells
 * @cyg: the device
 */
int cyg_cell_init(struct cyg_device *cyg)
{
	int cpu;

	cyg->cells = alloc_percpu(struct cyg_cell);
	if (!cyg->cells)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		struct cyg_cell *cell = per_cpu_ptr(cyg->cells, cpu);

		cell->cpu = cpu;
		cell->resume.run = schedule_poll;
		cyg_order_init(&cell->order, resume);
		__skb_queue_head_init(&cell->queue);
		INIT_LIST_HEAD(&cell->ready);
		set_bit(NAPI_STATE_NO_BUSY_POLL, &cell->napi.state);
		netif_napi_add(cyg->dev, &cell->napi, poll);
		napi_enable(&cell->napi);
	}
	return 0;
}

/**
 * cyg_cell_close - empty a device's cells
 * @cyg: the device, to which nothing comes any more
 *
 * Their memory must stay for a grace period.
 */
void cyg_cell_close(struct cyg_device *cyg)
{
	int cpu;

	for_each_possible_cpu(cpu)
		napi_disable(&per_cpu_ptr(cyg->cells, cpu)->napi);
	/* The jobs of these cells, and of what the device sent. */
	cyg_spread_flush();
	for_each_possible_cpu(cpu) {
		struct cyg_cell *cell = per_cpu_ptr(cyg->cells, cpu);

		__netif_napi_del(&cell->napi);
		__skb_queue_purge(&cell->queue);
	}
}
