// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transport mode (RFC 4303 section 3.1.1, RFC 4302 section 3.1.1): a packet
 * keeps its own IP header, its options and its extension headers up to where a
 * router would look; what follows is protected.
 *
 * The header goes out as the stack made it, but for its fragment bit, which is as
 * the policy wants it in tunnel mode too.
 */
#include <linux/skbuff.h>
#include <net/checksum.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>

#include "cygnet.h"

static bool same_addr(const struct cyg_addr *a, const struct cyg_addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static enum cygnet_drop split4(struct sk_buff *skb, struct cyg_headers *headers)
{
	const struct iphdr *iph = ip_hdr(skb);

	if (ip_is_fragment(iph))
		return CYGNET_DROP_TX_FRAGMENT;
	headers->len = iph->ihl * 4;
	headers->next_at = offsetof(struct iphdr, protocol);
	return skb_headlen(skb) < headers->len ? CYGNET_DROP_TX_MALFORMED : 0;
}

static enum cygnet_drop split6(struct sk_buff *skb, struct cyg_headers *headers)
{
	u8 *next;
	int len;

	len = ip6_find_1stfragopt(skb, &next);
	if (len < 0 || len > skb_headlen(skb))
		return CYGNET_DROP_TX_MALFORMED;
	if (*next == NEXTHDR_FRAGMENT)
		return CYGNET_DROP_TX_FRAGMENT;
	headers->len = len;
	headers->next_at = next - skb_network_header(skb);
	return 0;
}

/**
 * cyg_transport_split - find what of an outbound packet stays in front
 * @sa: outbound
 * @skb: from its IP header
 * @flow: what it is
 * @headers: filled in
 *
 * Return: 0, or why the SA cannot take it
 */
enum cygnet_drop cyg_transport_split(const struct cyg_sa *sa, struct sk_buff *skb,
				     const struct cyg_flow *flow,
				     struct cyg_headers *headers)
{
	enum cygnet_drop reason;

	if (sa->family != flow->family || !same_addr(&flow->local, &sa->src) ||
	    !same_addr(&flow->remote, &sa->dst))
		return CYGNET_DROP_TX_ENDPOINT;
	reason = flow->family == 4 ? split4(skb, headers) : split6(skb, headers);
	if (!reason)
		headers->next = skb_network_header(skb)[headers->next_at];
	return reason;
}

/**
 * cyg_transport_detach - move headers away from what they stand in front of
 * @sa: outbound
 * @skb: from its IP header; from its payload afterwards
 * @headers: of cyg_transport_split()
 * @room: to leave between both
 * @protocol: of what comes in between
 */
void cyg_transport_detach(const struct cyg_sa *sa, struct sk_buff *skb,
			  const struct cyg_headers *headers, u32 room, u8 protocol)
{
	u8 *to = skb->data - room;
	struct iphdr *iph = (struct iphdr *)to;

	memmove(to, skb->data, headers->len);
	skb_pull(skb, headers->len);
	to[headers->next_at] = protocol;
	if (sa->family == 6)
		return;
	/* A packet that must not be fragmented need not have an id. */
	if (iph->frag_off & htons(IP_DF))
		__ip_select_ident(sa->cn->net, iph, 1);
	iph->frag_off = cyg_sa_df(sa, iph->frag_off & htons(IP_DF)) ? htons(IP_DF) : 0;
}

/* Extension headers up to ESP, AH or UDP; reassembly has taken its own out. */
static bool walk6(const u8 *network, u32 linear, struct cyg_headers *headers)
{
	u32 len = sizeof(struct ipv6hdr), at = offsetof(struct ipv6hdr, nexthdr);

	while (len <= linear && len < U16_MAX) {
		switch (network[at]) {
		case NEXTHDR_HOP:
		case NEXTHDR_ROUTING:
		case NEXTHDR_DEST:
			if (linear - len < sizeof(struct ipv6_opt_hdr))
				return false;
			at = len;
			len += ipv6_optlen((struct ipv6_opt_hdr *)(network + at));
			break;
		default:
			headers->len = len;
			headers->next_at = at;
			return true;
		}
	}
	return false;
}

/**
 * cyg_transport_received - find what of a received packet stays in front
 * @sa: inbound
 * @skb: with its network header set; its IP headers are linear
 * @headers: filled in, but for the next header that the payload has
 *
 * Return: false if they do not add up
 */
bool cyg_transport_received(const struct cyg_sa *sa, const struct sk_buff *skb,
			    struct cyg_headers *headers)
{
	const u8 *network = skb_network_header(skb);
	u32 linear = skb_tail_pointer(skb) - network;

	if (sa->family == 6)
		return walk6(network, linear, headers);
	headers->len = ip_hdrlen(skb);
	headers->next_at = offsetof(struct iphdr, protocol);
	return headers->len <= linear;
}

static __sum16 *checksum_of(struct sk_buff *skb, u8 protocol)
{
	struct udphdr *udp = udp_hdr(skb);
	u32 len = skb->len - skb_transport_offset(skb);

	switch (protocol) {
	case IPPROTO_TCP:
		return len < sizeof(struct tcphdr) ? NULL : &tcp_hdr(skb)->check;
	case IPPROTO_UDP:
		if (len < sizeof(*udp) || !udp->check || ntohs(udp->len) != len)
			return NULL;
		return &udp->check;
	case IPPROTO_ICMPV6:
		return len < sizeof(struct icmp6hdr) ? NULL :
						       &icmp6_hdr(skb)->icmp6_cksum;
	}
	return NULL;
}

/*
 * A NAT has changed the addresses that the checksum is about (RFC 3948 section
 * 3.1.2). The packet is authentic; leave it to be computed anew by whom it may
 * concern, as for a packet from this machine.
 */
static void mend_checksum(struct sk_buff *skb, u8 family, u8 protocol)
{
	u32 len = skb->len - skb_transport_offset(skb);
	__sum16 *check = checksum_of(skb, protocol);

	if (!check)
		return;
	if (family == 4)
		*check = ~csum_tcpudp_magic(ip_hdr(skb)->saddr, ip_hdr(skb)->daddr,
					    len, protocol, 0);
	else
		*check = ~csum_ipv6_magic(&ipv6_hdr(skb)->saddr, &ipv6_hdr(skb)->daddr,
					  len, protocol, 0);
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_transport_header(skb) - skb->head;
	skb->csum_offset = (u8 *)check - skb_transport_header(skb);
}

/**
 * cyg_transport_rebuild - put an authentic packet together again
 * @sa: inbound
 * @skb: its payload, with its IP headers in front of the data
 * @headers: of cyg_transport_received(), and what the payload is
 */
void cyg_transport_rebuild(const struct cyg_sa *sa, struct sk_buff *skb,
			   const struct cyg_headers *headers)
{
	skb_reset_transport_header(skb);
	skb_push(skb, headers->len);
	skb_reset_network_header(skb);
	skb->data[headers->next_at] = headers->next;
	if (sa->family == 4) {
		ip_hdr(skb)->tot_len = htons(skb->len);
		ip_send_check(ip_hdr(skb));
	} else {
		ipv6_hdr(skb)->payload_len = htons(skb->len - sizeof(struct ipv6hdr));
	}
	if (cyg_sa_encapsulated(sa))
		mend_checksum(skb, sa->family, headers->next);
}
