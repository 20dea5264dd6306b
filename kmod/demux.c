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
 * struct way - all that input routing may look at
 * @src: outer source
 * @dst: outer destination
 * @ports: of UDP, both
 * @mark: of the packet
 * @ifindex: of the device that it came by
 * @family: 4 or 6
 * @class: DSCP
 */
struct way {
	struct cyg_addr src, dst;
	__be32 ports;
	u32 mark;
	int ifindex;
	u8 family;
	u8 class;
};

struct route {
	struct way way;
	struct dst_entry *dst;
	u32 cookie;
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

static void make_way(struct way *way, const struct sk_buff *skb, __be32 ports, int ifindex,
		     u8 family)
{
	u8 dsfield;

	cyg_ipaddr_outer(skb, family, &way->dst, &dsfield);
	if (family == 4)
		way->src = (struct cyg_addr){ { ip_hdr(skb)->saddr } };
	else
		memcpy(&way->src, &ipv6_hdr(skb)->saddr, sizeof(way->src));
	way->ports = ports;
	way->mark = skb->mark;
	way->ifindex = ifindex;
	way->family = family;
	way->class = dsfield & ~INET_ECN_MASK;
}

static struct route *slot(struct cyg_routes *routes, const struct way *way)
{
	u32 hash = (__force u32)(way->src.w[0] ^ way->src.w[3] ^ way->ports);

	return &routes->routes[hash_32(hash, ROUTES_BITS)];
}

static bool equal(const struct way *a, const struct way *b)
{
	return cyg_addr_equal(&a->src, &b->src) && cyg_addr_equal(&a->dst, &b->dst) &&
	       a->ports == b->ports && a->mark == b->mark &&
	       a->ifindex == b->ifindex && a->family == b->family &&
	       a->class == b->class;
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
	struct way way;

	make_way(&way, skb, ports, skb->dev->ifindex, family);
	route = slot(routes, &way);
	if (!route->dst || !equal(&route->way, &way) ||
	    !dst_check(route->dst, route->cookie))
		return;
	skb_dst_set_noref(skb, route->dst);
	routes->given = route->dst;
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
	struct dst_entry *dst = skb_dst(skb);
	struct route *route;
	struct way way;

	make_way(&way, skb, ports, ifindex, family);
	route = slot(this_cpu_ptr(cn->routes), &way);
	dst_hold(dst);
	dst_release(route->dst);
	route->way = way;
	route->dst = dst;
	route->cookie = family == 6 ? rt6_get_cookie((struct rt6_info *)dst) : 0;
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
			dst_release(per_cpu_ptr(cn->routes, cpu)->routes[i].dst);
	free_percpu(cn->routes);
}
