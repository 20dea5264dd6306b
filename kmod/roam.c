// SPDX-License-Identifier: GPL-2.0-only
/*
 * A peer whose address changes, as a NAT in front of it wants: the newest packet
 * that is known to come from it says where it is (RFC 7296 section 2.23).
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include "cygnet.h"

/* Where a datagram came from; false for what is none. */
static bool find_source(const struct sk_buff *skb, struct cyg_addr *addr, __be16 *port)
{
	int at = skb_network_offset(skb);
	const struct ipv6hdr *ip6h;
	const struct udphdr *udp;
	const struct iphdr *iph;
	struct udphdr _udp;

	memset(addr, 0, sizeof(*addr));
	if (skb->protocol == htons(ETH_P_IP)) {
		iph = ip_hdr(skb);
		if (iph->protocol != IPPROTO_UDP)
			return false;
		addr->w[0] = iph->saddr;
		at += iph->ihl * 4;
	} else if (skb->protocol == htons(ETH_P_IPV6)) {
		ip6h = ipv6_hdr(skb);
		if (ip6h->nexthdr != IPPROTO_UDP)
			return false;
		memcpy(addr, &ip6h->saddr, sizeof(*addr));
		at += sizeof(*ip6h);
	} else {
		return false;
	}
	udp = skb_header_pointer(skb, at, sizeof(_udp), &_udp);
	if (!udp)
		return false;
	*port = udp->source;
	return *port;
}

/* The SA that sends to where the peer was follows it. */
static void follow(struct cyg_policy *policy, const struct cyg_ends *was,
		   const struct cyg_addr *addr, __be16 port, u8 family)
{
	struct cyg_sa *sa = rcu_dereference(policy->sa);
	struct cyg_ends ends;

	if (!sa || sa->family != family)
		return;
	cyg_sadb_ends(sa, &ends);
	if (ends.dport != was->sport || !cyg_addr_equal(&ends.dst, &was->src))
		return;
	ends.dst = *addr;
	ends.dport = port;
	cyg_sadb_move(sa, &ends);
	cyg_netlink_moved(sa, GFP_ATOMIC);
}

/**
 * cyg_roam - the peer has sent its newest packet from here
 * @sa: inbound, with roam
 * @source: the packet, from the wire
 *
 * Call under rcu_read_lock() with BH off.
 */
void cyg_roam(struct cyg_sa *sa, const struct sk_buff *source)
{
	struct cyg_ends was, ends;
	struct cyg_addr addr;
	__be16 port;

	if (!find_source(source, &addr, &port) ||
	    (port == READ_ONCE(sa->sport) && cyg_addr_equal(&addr, &sa->src)))
		return;
	cyg_sadb_ends(sa, &was);
	ends = was;
	ends.src = addr;
	ends.sport = port;
	cyg_sadb_move(sa, &ends);
	cyg_netlink_moved(sa, GFP_ATOMIC);
	follow(sa->policy, &was, &addr, port, sa->family);
}
