// SPDX-License-Identifier: GPL-2.0-only
/*
 * Authentication Header (RFC 4302), both modes. What goes through the hash is a
 * copy of the IP headers with all that routers may change set to what it will
 * be or to zero, the AH header with a zero ICV, the payload as it is, and the
 * high half of an extended sequence number.
 *
 * A received packet is copied before anything looks at it: who still shares its
 * pages cannot change what was found authentic.
 */
#include <crypto/algapi.h>
#include <crypto/hash.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "cygnet.h"

#define DIGEST_MAX	64

/**
 * struct digest - a packet inside the hash
 * @sa: held
 * @skb: the new packet, linear, from its IP header
 * @done: called once, with BH off, under no lock
 * @sequence: of the packet
 * @inner_len: length of the inner packet, sending
 * @headers: in front of AH
 * @ah_len: AH header with ICV and padding
 * @dsfield: of the outer header, received
 * @icv: computed
 * @sequence_high: behind the packet, with ESN
 * @sg: what is hashed
 * @frozen: headers and AH as they are hashed, behind @req
 * @req: with the algorithm's context behind it
 */
struct digest {
	struct cyg_sa *sa;
	struct sk_buff *skb;
	void (*done)(struct digest *digest, int err);
	u64 sequence;
	u32 inner_len;
	struct cyg_headers headers;
	u32 ah_len;
	u8 dsfield;
	u8 icv[DIGEST_MAX];
	__be32 sequence_high;
	struct scatterlist sg[3];
	u8 *frozen;
	struct ahash_request req;
};

/* What routers may change. */

static bool is_immutable(u8 option)
{
	switch (option) {
	case IPOPT_SEC:
	case 0x85: /* extended security */
	case IPOPT_CIPSO:
	case IPOPT_RA:
	case 0x95: /* sender directed multi-destination delivery */
		return true;
	}
	return false;
}

/* Appendix A1. Under way to it, the last address of a source route is the target. */
static bool freeze_options4(struct iphdr *iph, u32 len, bool sending)
{
	u8 *option = (u8 *)(iph + 1);
	u8 *end = (u8 *)iph + len;

	while (option < end && option[0] != IPOPT_END) {
		if (option[0] == IPOPT_NOOP) {
			option++;
			continue;
		}
		if (end - option < 2 || option[1] < 2 || option[1] > end - option)
			return false;
		len = option[1];
		if (sending && (option[0] == IPOPT_LSRR || option[0] == IPOPT_SSRR)) {
			if (len < 7)
				return false;
			memcpy(&iph->daddr, option + len - 4, 4);
		}
		if (!is_immutable(option[0]))
			memset(option, 0, len);
		option += len;
	}
	return true;
}

static bool freeze4(struct iphdr *iph, u32 len, bool sending)
{
	iph->tos = 0;
	iph->frag_off = 0;
	iph->ttl = 0;
	iph->check = 0;
	return freeze_options4(iph, len, sending);
}

/* Section 3.3.3.1.2.2: options say themselves that they may change. */
static bool freeze_options6(u8 *header, u32 len)
{
	u8 *option = header + 2, *end = header + len;

	while (option < end) {
		if (option[0] == IPV6_TLV_PAD1) {
			option++;
			continue;
		}
		if (end - option < 2 || option[1] + 2 > end - option)
			return false;
		if (option[0] & 0x20)
			memset(option + 2, 0, option[1]);
		option += option[1] + 2;
	}
	return true;
}

/* As it will arrive (appendix A2): every address visited but the last. */
static bool freeze_routing(struct ipv6hdr *ip6h, struct ipv6_rt_hdr *routing)
{
	struct in6_addr *addrs = (struct in6_addr *)((u8 *)routing + 8);
	u32 count = routing->hdrlen / 2, left = routing->segments_left;
	struct in6_addr last;

	if ((routing->type != IPV6_SRCRT_TYPE_0 &&
	     routing->type != IPV6_SRCRT_TYPE_2) ||
	    routing->hdrlen % 2 || left > count)
		return false;
	if (!left)
		return true;
	last = addrs[count - 1];
	addrs += count - left;
	memmove(addrs + 1, addrs, (left - 1) * sizeof(*addrs));
	addrs[0] = ip6h->daddr;
	ip6h->daddr = last;
	routing->segments_left = 0;
	return true;
}

enum frozen { FROZEN, MALFORMED, ROUTING_HEADER };

static enum frozen freeze6(struct ipv6hdr *ip6h, u32 len)
{
	u32 at = sizeof(*ip6h), header_len;
	u8 next = ip6h->nexthdr;
	u8 *header;

	ip6_flow_hdr(ip6h, 0, 0);
	ip6h->hop_limit = 0;
	for (; at < len; at += header_len) {
		header = (u8 *)ip6h + at;
		if (len - at < 8)
			return MALFORMED;
		header_len = ipv6_optlen((struct ipv6_opt_hdr *)header);
		if (header_len > len - at)
			return MALFORMED;
		if (next == NEXTHDR_ROUTING) {
			if (!freeze_routing(ip6h, (struct ipv6_rt_hdr *)header))
				return ROUTING_HEADER;
		} else if (!freeze_options6(header, header_len)) {
			return MALFORMED;
		}
		next = header[0];
	}
	return FROZEN;
}

static enum frozen freeze(struct digest *digest, bool sending)
{
	u32 len = digest->headers.len;

	memcpy(digest->frozen, digest->skb->data, len + digest->ah_len);
	memset(digest->frozen + len + sizeof(struct cyg_ah_header), 0,
	       digest->sa->icv_len);
	if (digest->sa->family == 6)
		return freeze6((struct ipv6hdr *)digest->frozen, len);
	return freeze4((struct iphdr *)digest->frozen, len, sending) ? FROZEN :
								      MALFORMED;
}

/* The hash. */

static struct digest *new_digest(struct cyg_sa *sa, u32 headers_len)
{
	size_t size = ALIGN(sizeof(struct digest) + crypto_ahash_reqsize(sa->ahash), 8);
	struct digest *digest;

	if (!percpu_ref_tryget_live(&sa->ref))
		return NULL;
	digest = kmalloc(size + headers_len, GFP_ATOMIC | __GFP_NOWARN);
	if (!digest) {
		percpu_ref_put(&sa->ref);
		return NULL;
	}
	memset(digest, 0, sizeof(*digest));
	digest->sa = sa;
	digest->frozen = (u8 *)digest + size;
	ahash_request_set_tfm(&digest->req, sa->ahash);
	return digest;
}

static void free_digest(struct digest *digest)
{
	struct cyg_sa *sa = digest->sa;

	kfree_sensitive(digest);
	percpu_ref_put(&sa->ref);
}

static void digest_done(crypto_completion_data_t *data, int err)
{
	struct digest *digest = crypto_get_completion_data(data);

	if (err == -EINPROGRESS)
		return;
	atomic_dec(&digest->sa->cn->crypto_pending);
	digest->done(digest, err);
}

/* @digest->skb from its IP header; done() is called once, now or later. */
static void start(struct digest *digest)
{
	/* Once the operation has started, digest may be gone. */
	struct cyg_net *cn = digest->sa->cn;
	u32 front = digest->headers.len + digest->ah_len;
	u32 payload = digest->skb->len - front;
	u32 high = digest->sa->esn ? sizeof(digest->sequence_high) : 0;
	int err, count = 0;

	digest->sequence_high = htonl(upper_32_bits(digest->sequence));
	sg_init_table(digest->sg, 1 + !!payload + !!high);
	sg_set_buf(&digest->sg[count++], digest->frozen, front);
	if (payload)
		sg_set_buf(&digest->sg[count++], digest->skb->data + front, payload);
	if (high)
		sg_set_buf(&digest->sg[count++], &digest->sequence_high, high);
	ahash_request_set_callback(&digest->req, 0, digest_done, digest);
	ahash_request_set_crypt(&digest->req, digest->sg, digest->icv,
				front + payload + high);
	atomic_inc(&cn->crypto_pending);
	err = crypto_ahash_digest(&digest->req);
	if (err == -EINPROGRESS)
		return;
	atomic_dec(&cn->crypto_pending);
	digest->done(digest, err);
}

/* Receiving. */

static struct cyg_ah_header *ah_header(const struct digest *digest)
{
	return (struct cyg_ah_header *)(digest->skb->data + digest->headers.len);
}

/* From here on the packet is known to come from the peer. */
static enum cygnet_drop accept(struct digest *digest)
{
	u8 next_header = ah_header(digest)->next_header;
	struct sk_buff *skb = digest->skb;
	struct cyg_sa *sa = digest->sa;
	bool own = sa->mode == CYGNET_MODE_TRANSPORT;
	u32 len = digest->headers.len;
	enum cygnet_drop reason;

	reason = cyg_sadb_commit(sa, digest->sequence,
				 skb->len - digest->ah_len - (own ? 0 : len), NULL);
	if (reason)
		return reason;
	if (own)
		memmove(skb->data + digest->ah_len, skb->data, len);
	skb_pull(skb, len + digest->ah_len);
	if (!own)
		return cyg_input_deliver(sa, skb, next_header, digest->dsfield);
	digest->headers.next = next_header;
	return cyg_input_deliver_own(sa, skb, &digest->headers);
}

static void verified(struct digest *digest, int err)
{
	enum cygnet_drop reason;

	rcu_read_lock();
	if (err)
		reason = CYGNET_DROP_RX_CRYPTO;
	else if (crypto_memneq(digest->icv, ah_header(digest) + 1, digest->sa->icv_len))
		reason = CYGNET_DROP_RX_AUTH;
	else
		reason = accept(digest);
	if (reason) {
		cyg_stats_drop_sa(reason, digest->sa);
		cyg_stats_free_skb(digest->skb, reason);
	}
	rcu_read_unlock();
	free_digest(digest);
}

/* The whole packet from its IP header, in one piece. */
static enum cygnet_drop gather(struct digest *digest, struct sk_buff *skb,
			       u32 offset, u32 len)
{
	u32 headers_len = digest->headers.len;

	digest->skb = netdev_alloc_skb(NULL, headers_len + len);
	if (!digest->skb)
		return CYGNET_DROP_RX_MEMORY;
	memcpy(skb_put(digest->skb, headers_len), skb_network_header(skb), headers_len);
	if (skb_copy_bits(skb, offset, skb_put(digest->skb, len), len))
		return CYGNET_DROP_RX_SHORT;
	switch (freeze(digest, false)) {
	case MALFORMED:
		return CYGNET_DROP_RX_INNER;
	case ROUTING_HEADER:
		return CYGNET_DROP_RX_ROUTING_HEADER;
	default:
		return 0;
	}
}

/*
 * Section 2.2: a multiple of 4 bytes, in IPv6 of 8. Linux's own pads to 8 in
 * IPv4 too, unless it is told not to.
 */
static bool length_ok(const struct cyg_sa *sa, u32 ah_len)
{
	u32 least = sizeof(struct cyg_ah_header) + sa->icv_len;

	return ah_len == ALIGN(least, 8) || (sa->family == 4 && ah_len == ALIGN(least, 4));
}

/**
 * cyg_ah_input - check a packet
 * @sa: inbound
 * @skb: holds the packet; only read
 * @offset: of the AH header
 * @len: from there
 * @dsfield: outer DSCP and ECN
 *
 * Call under rcu_read_lock() with BH off.
 *
 * Return: 0, or why the packet is not even looked into
 */
enum cygnet_drop cyg_ah_input(struct cyg_sa *sa, struct sk_buff *skb, u32 offset,
			      u32 len, u8 dsfield)
{
	struct cyg_headers headers = {};
	struct cyg_ah_header header;
	enum cygnet_drop reason;
	struct digest *digest;
	u64 sequence;
	u32 ah_len;

	if (skb_copy_bits(skb, offset, &header, sizeof(header)))
		return CYGNET_DROP_RX_SHORT;
	ah_len = (header.length + 2) * 4;
	if (!length_ok(sa, ah_len))
		return CYGNET_DROP_RX_AH;
	if (len < ah_len)
		return CYGNET_DROP_RX_SHORT;
	reason = cyg_sadb_precheck(sa, ntohl(header.sequence), &sequence);
	if (reason)
		return reason;
	if (!cyg_transport_received(sa, skb, &headers))
		return CYGNET_DROP_RX_INNER;
	digest = new_digest(sa, headers.len + ah_len);
	if (!digest)
		return READ_ONCE(sa->dead) ? CYGNET_DROP_RX_SA_DEAD :
					     CYGNET_DROP_RX_MEMORY;
	digest->headers = headers;
	digest->ah_len = ah_len;
	digest->sequence = sequence;
	digest->dsfield = dsfield;
	digest->done = verified;
	reason = gather(digest, skb, offset, len);
	if (reason) {
		kfree_skb(digest->skb);
		free_digest(digest);
		return reason;
	}
	start(digest);
	return 0;
}

/* Sending. */

static void authenticated(struct digest *digest, int err)
{
	struct cyg_sa *sa = digest->sa;
	struct net_device *dev;

	rcu_read_lock();
	dev = rcu_dereference(sa->policy->dev);
	if (err || !dev) {
		enum cygnet_drop reason = err ? CYGNET_DROP_TX_CRYPTO :
						CYGNET_DROP_TX_SA_DEAD;

		cyg_stats_drop(reason, sa->cn, dev, sa);
		cyg_stats_free_skb(digest->skb, reason);
	} else {
		memcpy(ah_header(digest) + 1, digest->icv, sa->icv_len);
		if (cyg_ipaddr_send_own(sa, digest->skb))
			DEV_STATS_INC(dev, tx_errors);
		else
			dev_sw_netstats_tx_add(dev, 1, digest->inner_len);
	}
	rcu_read_unlock();
	free_digest(digest);
}

static void put_lengths(struct sk_buff *skb, u8 family)
{
	if (family == 4)
		((struct iphdr *)skb->data)->tot_len = htons(skb->len);
	else
		((struct ipv6hdr *)skb->data)->payload_len =
			htons(skb->len - sizeof(struct ipv6hdr));
}

/* The packet behind AH and its IP header, the ICV left open. */
static struct sk_buff *build(struct digest *digest, struct sk_buff *skb,
			     const struct cyg_flow *flow, struct dst_entry *dst)
{
	struct cyg_sa *sa = digest->sa;
	bool own = sa->mode == CYGNET_MODE_TRANSPORT;
	struct cyg_ah_header *header;
	struct sk_buff *copy;
	u32 headroom;

	headroom = LL_RESERVED_SPACE(dst->dev) + dst->header_len + digest->ah_len +
		   cyg_ipaddr_header_len(sa->family);
	copy = alloc_skb(headroom + skb->len, GFP_ATOMIC | __GFP_NOWARN);
	if (!copy)
		return NULL;
	skb_reserve(copy, headroom);
	/* Completes the checksum on the way, if that was left to us. */
	skb_copy_and_csum_dev(skb, skb_put(copy, skb->len));
	cyg_mss_clamp(sa->policy, copy, flow);
	copy->priority = skb->priority;
	skb_dst_set_noref(copy, dst);
	if (own)
		cyg_transport_detach(sa, copy, &digest->headers, digest->ah_len,
				     IPPROTO_AH);
	header = skb_push(copy, digest->ah_len);
	memset(header, 0, digest->ah_len);
	header->next_header = digest->headers.next;
	header->length = digest->ah_len / 4 - 2;
	header->spi = sa->key.spi;
	skb_reset_transport_header(copy);
	if (own)
		skb_push(copy, digest->headers.len);
	else
		cyg_ipaddr_push(sa, copy, IPPROTO_AH, cyg_ipaddr_class(sa, skb, flow));
	put_lengths(copy, sa->family);
	return copy;
}

static enum cygnet_drop prepare(struct digest *digest, struct sk_buff *skb,
				const struct cyg_flow *flow, struct dst_entry *dst)
{
	enum cygnet_drop reason;

	digest->skb = build(digest, skb, flow, dst);
	if (!digest->skb)
		return CYGNET_DROP_TX_MEMORY;
	switch (freeze(digest, true)) {
	case MALFORMED:
		return CYGNET_DROP_TX_MALFORMED;
	case ROUTING_HEADER:
		return CYGNET_DROP_TX_ROUTING_HEADER;
	case FROZEN:
		break;
	}
	reason = cyg_sadb_next_sequence(digest->sa, flow->length, &digest->sequence);
	if (reason)
		return reason;
	ah_header(digest)->sequence = htonl(lower_32_bits(digest->sequence));
	memcpy(digest->frozen + digest->headers.len, ah_header(digest), digest->ah_len);
	return 0;
}

/**
 * cyg_ah_output - authenticate a packet and send it
 * @sa: outbound
 * @skb: from the inner IP header; the caller's to free
 * @flow: what it is
 * @dst: route to the remote endpoint; taken unless refused
 *
 * Call under rcu_read_lock() with BH off.
 *
 * Return: 0, or why it was refused
 */
enum cygnet_drop cyg_ah_output(struct cyg_sa *sa, struct sk_buff *skb,
			       const struct cyg_flow *flow, struct dst_entry *dst)
{
	u32 ah_len = cyg_ah_len(sa);
	struct cyg_headers headers = {
		.len = cyg_ipaddr_header_len(sa->family),
		.next = flow->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6,
	};
	enum cygnet_drop reason = 0;
	struct digest *digest;

	if (sa->mode == CYGNET_MODE_TRANSPORT)
		reason = cyg_transport_split(sa, skb, flow, &headers);
	if (reason)
		return reason;
	digest = new_digest(sa, headers.len + ah_len);
	if (!digest)
		return READ_ONCE(sa->dead) ? CYGNET_DROP_TX_SA_DEAD :
					     CYGNET_DROP_TX_MEMORY;
	digest->headers = headers;
	digest->ah_len = ah_len;
	digest->inner_len = flow->length;
	digest->done = authenticated;
	reason = prepare(digest, skb, flow, dst);
	if (reason) {
		kfree_skb(digest->skb);
		free_digest(digest);
		return reason;
	}
	cyg_esp_inherit_owner(digest->skb, skb);
	skb_dst_drop(digest->skb);
	skb_dst_set(digest->skb, dst);
	start(digest);
	return 0;
}
