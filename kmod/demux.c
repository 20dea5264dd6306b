// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way in, remembered: what arrives singly from a peer need not be routed
 * each time. The same that the stack does for connected sockets (early demux).
 *
 * The last hook of PRE_ROUTING gives a datagram the input route of an earlier
 * one with the same addresses, ports, mark, class and device. Rules of the
 * firewall have seen it by then and will see it again in LOCAL_IN. Only packets
 * that turned out to be authentic are remembered, so that strangers cannot
 * displace them; a route that has become invalid is not used.
 */
#include <linux/hash.h>
#include <linux/netfilter.h>
#include <linux/udp.h>
#include <net/dst.h>
#include <net/inet_ecn.h>
#include <net/ip6_fib.h>
#include <net/ipv6.h>
#include <net/route.h>

#include "cygnet.h"

#define ROUTES_BITS	6

/**
 * struct route - with all that input routing may have looked at
 * @entry: the route, or NULL
 * @cookie: of its validity
 * @ports: of UDP, both
 * @mark: of the packet
 * @ifindex: of the device that it came by
 * @family: 4 or 6
 * @class: DSCP
 * @src: outer source
 * @dst: outer destination
 */
struct route {
	struct dst_entry *entry;
	u32 cookie;
	__be32 ports;
	u32 mark;
	int ifindex;
	u8 family;
	u8 class;
	struct cyg_addr src, dst;
};

/**
 * struct cyg_routes - a CPU's, touched on that CPU with BH off only
 * @given: the last one that was used; only to be compared
 * @routes: by hash
 */
struct cyg_routes {
	const struct dst_entry *given;
	struct route routes[1 << ROUTES_BITS];
};

static u32 hash(__be32 src, __be32 ports)
{
	return hash_32((__force u32)(src ^ ports), ROUTES_BITS);
}

static struct route *slot4(struct cyg_routes *routes, const struct sk_buff *skb, __be32 ports)
{
	return &routes->routes[hash(ip_hdr(skb)->saddr, ports)];
}

static struct route *slot6(struct cyg_routes *routes, const struct sk_buff *skb, __be32 ports)
{
	return &routes->routes[hash(ipv6_hdr(skb)->saddr.s6_addr32[3], ports)];
}

static bool same4(const struct route *route, const struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);

	return route->family == 4 && route->src.w[0] == iph->saddr &&
	       route->dst.w[0] == iph->daddr &&
	       route->class == (iph->tos & ~INET_ECN_MASK);
}

static bool same6(const struct route *route, const struct sk_buff *skb)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);

	return route->family == 6 &&
	       cyg_addr_equal(&route->src, (const struct cyg_addr *)&ip6h->saddr) &&
	       cyg_addr_equal(&route->dst, (const struct cyg_addr *)&ip6h->daddr) &&
	       route->class == (ipv6_get_dsfield(ip6h) & ~INET_ECN_MASK);
}

/**
 * cyg_demux_find - give a datagram the route of an earlier one
 * @cn: namespace with ports
 * @skb: in PRE_ROUTING
 * @ports: the word that its UDP header begins with
 * @family: of the outer header
 */
void cyg_demux_find(struct cyg_net *cn, struct sk_buff *skb, __be32 ports, u8 family)
{
	struct cyg_routes *routes = this_cpu_ptr(cn->routes);
	struct route *route;

	route = family == 4 ? slot4(routes, skb, ports) : slot6(routes, skb, ports);
	if (route->ports != ports || route->mark != skb->mark ||
	    route->ifindex != skb->dev->ifindex ||
	    !(family == 4 ? same4(route, skb) : same6(route, skb)) ||
	    !dst_check(route->entry, route->cookie))
		return;
	skb_dst_set_noref(skb, route->entry);
	routes->given = route->entry;
}

/**
 * cyg_demux_is_new - is the way that a datagram came worth to be remembered?
 * @cn: namespace
 * @skb: in LOCAL_IN
 */
bool cyg_demux_is_new(struct cyg_net *cn, const struct sk_buff *skb)
{
	return cn->routes && skb_dst(skb) != this_cpu_ptr(cn->routes)->given;
}

/**
 * cyg_demux_remember - the way that an authentic datagram came
 * @cn: namespace
 * @skb: with its route
 * @ports: the word that its UDP header begins with
 * @ifindex: of the device that it came by
 * @family: of the outer header
 */
void cyg_demux_remember(struct cyg_net *cn, const struct sk_buff *skb, __be32 ports,
			int ifindex, u8 family)
{
	struct cyg_routes *routes = this_cpu_ptr(cn->routes);
	struct dst_entry *entry = skb_dst(skb);
	struct route *route;
	u8 dsfield;

	route = family == 4 ? slot4(routes, skb, ports) : slot6(routes, skb, ports);
	dst_hold(entry);
	dst_release(route->entry);
	route->entry = entry;
	route->cookie = family == 6 ? rt6_get_cookie((struct rt6_info *)entry) : 0;
	route->ports = ports;
	route->mark = skb->mark;
	route->ifindex = ifindex;
	route->family = family;
	cyg_ipaddr_outer(skb, family, &route->dst, &dsfield);
	route->class = dsfield & ~INET_ECN_MASK;
	if (family == 4)
		route->src.w[0] = ip_hdr(skb)->saddr;
	else
		memcpy(&route->src, &ipv6_hdr(skb)->saddr, sizeof(route->src));
}

/**
 * cyg_demux_open - room for routes
 * @cn: namespace
 */
int cyg_demux_open(struct cyg_net *cn)
{
	cn->routes = alloc_percpu(struct cyg_routes);
	return cn->routes ? 0 : -ENOMEM;
}

/**
 * cyg_demux_close - forget everything
 * @cn: namespace without hooks and devices
 */
void cyg_demux_close(struct cyg_net *cn)
{
	int cpu, i;

	if (!cn->routes)
		return;
	for_each_possible_cpu(cpu)
		for (i = 0; i < 1 << ROUTES_BITS; i++)
			dst_release(per_cpu_ptr(cn->routes, cpu)->routes[i].entry);
	free_percpu(cn->routes);
}
