// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where IPv4 and IPv6 differ: outer headers, routes, ICMP. Nothing else asks.
 *
 * Outer packets are sent with a control socket of the namespace as sk, which
 * marks them as ours for netfilter and asks for the device's MTU rather than
 * one that somebody's ICMP taught the route. Unless a policy wants otherwise, outer
 * IPv4 may be fragmented on its way, so that a path narrower than expected costs
 * fragments rather than packets.
 */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <net/icmp.h>
#include <net/inet_common.h>
#include <net/inet_ecn.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <net/udp.h>
#include <net/xfrm.h>

#include "cygnet.h"

static struct sock **control(struct cyg_net *cn, u8 family)
{
	return &cn->control[family == 6];
}

/**
 * cyg_ipaddr_open - make the control sockets
 * @cn: namespace
 *
 * IPv6 may be switched off at boot; then there is no socket, and no route.
 */
int cyg_ipaddr_open(struct cyg_net *cn)
{
	struct sock *sk;
	int err;

	err = inet_ctl_sock_create(&sk, PF_INET, SOCK_RAW, IPPROTO_ESP, cn->net);
	if (err)
		return err;
	inet_sk(sk)->pmtudisc = IP_PMTUDISC_INTERFACE;
	*control(cn, 4) = sk;

	err = inet_ctl_sock_create(&sk, PF_INET6, SOCK_RAW, IPPROTO_ESP, cn->net);
	if (err == -EAFNOSUPPORT)
		return 0;
	if (err) {
		cyg_ipaddr_close(cn);
		return err;
	}
	inet6_sk(sk)->pmtudisc = IPV6_PMTUDISC_INTERFACE;
	*control(cn, 6) = sk;
	return 0;
}

/**
 * cyg_ipaddr_close - release the control sockets
 * @cn: namespace, where nothing is sent any more
 */
void cyg_ipaddr_close(struct cyg_net *cn)
{
	inet_ctl_sock_destroy(*control(cn, 4));
	inet_ctl_sock_destroy(*control(cn, 6));
}

/**
 * cyg_ipaddr_header_len - of an IP header without options
 * @family: 4 or 6
 */
u32 cyg_ipaddr_header_len(u8 family)
{
	return family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

/**
 * cyg_ipaddr_is_host - can one host have that address?
 * @addr: address
 * @family: 4 or 6
 */
bool cyg_ipaddr_is_host(const struct cyg_addr *addr, u8 family)
{
	int type;

	if (family == 4)
		return !ipv4_is_multicast(addr->w[0]) &&
		       !ipv4_is_lbcast(addr->w[0]) &&
		       !ipv4_is_zeronet(addr->w[0]);
	type = ipv6_addr_type((const struct in6_addr *)addr);
	return type != IPV6_ADDR_ANY && !(type & IPV6_ADDR_MULTICAST);
}

/**
 * cyg_ipaddr_outer - what the outer header of a received packet says
 * @skb: with its network header set
 * @family: 4 or 6
 * @dst: destination
 * @dsfield: DSCP and ECN
 */
void cyg_ipaddr_outer(const struct sk_buff *skb, u8 family,
		      struct cyg_addr *dst, u8 *dsfield)
{
	memset(dst, 0, sizeof(*dst));
	if (family == 4) {
		dst->w[0] = ip_hdr(skb)->daddr;
		*dsfield = ip_hdr(skb)->tos;
	} else {
		memcpy(dst, &ipv6_hdr(skb)->daddr, sizeof(*dst));
		*dsfield = ipv6_get_dsfield(ipv6_hdr(skb));
	}
}

/**
 * cyg_ipaddr_xfrm_holds - does kernel xfrm have an SA of that SPI?
 * @net: namespace
 * @mark: of the packet, 0 without one
 * @dst: destination
 * @spi: SPI
 * @protocol: ESP or AH
 * @family: 4 or 6
 */
bool cyg_ipaddr_xfrm_holds(struct net *net, u32 mark, const struct cyg_addr *dst,
			   __be32 spi, u8 protocol, u8 family)
{
	struct xfrm_state *state;

	state = xfrm_state_lookup(net, mark, (const xfrm_address_t *)dst, spi,
				  protocol, family == 4 ? AF_INET : AF_INET6);
	if (!state)
		return false;
	xfrm_state_put(state);
	return true;
}

/* None of it once the device is gone. */
static struct cyg_outer outer_of(const struct cyg_sa *sa)
{
	struct cyg_outer outer = {};
	struct net_device *dev;

	rcu_read_lock();
	dev = rcu_dereference(sa->policy->dev);
	if (dev) {
		const struct cyg_device *cyg = netdev_priv(dev);

		outer.fwmark = READ_ONCE(cyg->outer.fwmark);
		outer.underlay = READ_ONCE(cyg->outer.underlay);
		outer.tos = READ_ONCE(cyg->outer.tos);
	}
	rcu_read_unlock();
	return outer;
}

/* The plain lookups: those with a flow would ask xfrm's policies as well. */
static struct dst_entry *route4(struct cyg_sa *sa, struct net *net,
				const struct cyg_outer *outer)
{
	struct flowi4 fl4 = {
		.flowi4_oif = outer->underlay,
		.flowi4_mark = outer->fwmark,
		.flowi4_dscp = inet_dsfield_to_dscp(outer->tos),
		.saddr = sa->src.w[0],
		.daddr = sa->dst.w[0],
		.flowi4_proto = cyg_sa_encapsulated(sa) ? IPPROTO_UDP :
							  sa->key.protocol,
		.fl4_sport = sa->sport,
		.fl4_dport = sa->dport,
	};
	struct rtable *rt;

	rt = __ip_route_output_key(net, &fl4);
	return IS_ERR(rt) ? ERR_CAST(rt) : &rt->dst;
}

static struct dst_entry *route6(struct cyg_sa *sa, struct net *net,
				const struct cyg_outer *outer)
{
	struct flowi6 fl6 = {
		.flowi6_oif = outer->underlay,
		.flowi6_mark = outer->fwmark,
		.flowlabel = ip6_make_flowinfo(outer->tos, 0),
		.flowi6_proto = cyg_sa_encapsulated(sa) ? IPPROTO_UDP :
							  sa->key.protocol,
		.fl6_sport = sa->sport,
		.fl6_dport = sa->dport,
	};
	struct dst_entry *dst;
	int err;

	memcpy(&fl6.saddr, &sa->src, sizeof(fl6.saddr));
	memcpy(&fl6.daddr, &sa->dst, sizeof(fl6.daddr));
	dst = ip6_route_output(net, *control(sa->cn, 6), &fl6);
	err = dst->error;
	if (!err)
		return dst;
	dst_release(dst);
	return ERR_PTR(err);
}

/**
 * cyg_ipaddr_route - route to the remote endpoint
 * @sa: outbound
 *
 * Call with BH off.
 *
 * Return: a dst to be released, or -ELOOP if it leads into a cygnet device,
 * or another error
 */
struct dst_entry *cyg_ipaddr_route(struct cyg_sa *sa)
{
	struct net *net = sa->cn->net;
	struct cyg_outer outer;
	struct dst_entry *dst;
	u32 moved;

	dst = dst_cache_get(&sa->dst_cache);
	if (dst)
		return dst;
	/* Before the ends; pairs with cyg_sadb_move(). */
	moved = smp_load_acquire(&sa->moved);
	if (!*control(sa->cn, sa->family))
		return ERR_PTR(-EAFNOSUPPORT);
	outer = outer_of(sa);
	dst = sa->family == 4 ? route4(sa, net, &outer) : route6(sa, net, &outer);
	if (IS_ERR(dst))
		return dst;
	if (cyg_device_is(dst->dev)) {
		dst_release(dst);
		return ERR_PTR(-ELOOP);
	}
	if (sa->family == 4)
		dst_cache_set_ip4(&sa->dst_cache, dst, sa->src.w[0]);
	else
		dst_cache_set_ip6(&sa->dst_cache, dst,
				  (const struct in6_addr *)&sa->src);
	/* Emptied since the look at the old ends? Pairs with cyg_sadb_move(). */
	smp_mb();
	if (READ_ONCE(sa->moved) != moved)
		dst_cache_reset(&sa->dst_cache);
	return dst;
}

/**
 * cyg_ipaddr_mtu - what a route carries, whatever the stack was told by ICMP
 * @dst: the route
 * @family: 4 or 6
 *
 * Call under rcu_read_lock().
 */
u32 cyg_ipaddr_mtu(const struct dst_entry *dst, u8 family)
{
	u32 mtu = READ_ONCE(dst->dev->mtu), metric = dst_metric_raw(dst, RTAX_MTU);
	const struct fib6_info *from;
	const struct rt6_info *rt;

	if (family == 6) {
		rt = dst_rt6_info(dst);
		if (rt->rt6i_idev)
			mtu = min_t(u32, mtu, READ_ONCE(rt->rt6i_idev->cnf.mtu6));
		/* What IPv6 learns it notes among the metrics. */
		if (rt->rt6i_flags & RTF_CACHE) {
			from = rcu_dereference(rt->from);
			metric = from ? READ_ONCE(from->fib6_pmtu) : 0;
		}
	}
	if (metric && metric < mtu)
		mtu = metric;
	return min_t(u32, mtu, IP_MAX_MTU);
}

/**
 * cyg_ipaddr_class - what the outer header of a packet is to have from it
 * @sa: outbound
 * @skb: from its IP header
 * @flow: what it is
 *
 * IPv6 is never fragmented on its way, so that it counts as forbidding that.
 */
struct cyg_class cyg_ipaddr_class(const struct cyg_sa *sa, const struct sk_buff *skb,
				  const struct cyg_flow *flow)
{
	u8 dscp = READ_ONCE(sa->policy->options.dscp);
	struct cyg_class class = { .dsfield = flow->dsfield };

	if (dscp != CYG_DSCP_COPY)
		class.dsfield = dscp << 2 | (flow->dsfield & INET_ECN_MASK);
	class.df = sa->family == 4 &&
		   cyg_sa_df(sa, !cyg_ipaddr_may_fragment(skb, flow->family));
	return class;
}

static void push4(struct cyg_sa *sa, struct sk_buff *skb, u8 protocol,
		  struct cyg_class class)
{
	u8 ttl = READ_ONCE(sa->policy->options.ttl);
	struct iphdr *iph;

	iph = skb_push(skb, sizeof(*iph));
	skb_reset_network_header(skb);
	memset(iph, 0, sizeof(*iph));
	iph->version = 4;
	iph->ihl = sizeof(*iph) / 4;
	iph->tos = class.dsfield;
	iph->frag_off = class.df ? htons(IP_DF) : 0;
	iph->ttl = ttl ?: ip4_dst_hoplimit(skb_dst(skb));
	iph->protocol = protocol;
	iph->saddr = sa->src.w[0];
	iph->daddr = sa->dst.w[0];
	/* The pieces of a super-packet count on from there. */
	__ip_select_ident(sa->cn->net, iph, skb_shinfo(skb)->gso_segs ?: 1);
}

static void push6(struct cyg_sa *sa, struct sk_buff *skb, u8 protocol,
		  struct cyg_class class)
{
	u32 label = READ_ONCE(sa->policy->options.flow_label);
	u8 ttl = READ_ONCE(sa->policy->options.ttl);
	struct ipv6hdr *ip6h;

	ip6h = skb_push(skb, sizeof(*ip6h));
	skb_reset_network_header(skb);
	ip6_flow_hdr(ip6h, class.dsfield,
		     label == CYG_LABEL_OWN ? sa->flow_label : htonl(label));
	ip6h->hop_limit = ttl ?: ip6_dst_hoplimit(skb_dst(skb));
	ip6h->nexthdr = protocol;
	memcpy(&ip6h->saddr, &sa->src, sizeof(ip6h->saddr));
	memcpy(&ip6h->daddr, &sa->dst, sizeof(ip6h->daddr));
}

/**
 * cyg_ipaddr_push - add the outer IP header, all but length and checksum
 * @sa: outbound
 * @skb: from its transport header, with a dst
 * @protocol: of the transport header
 * @class: of cyg_ipaddr_class()
 *
 * RFC 6040 normal mode: the ECN field is copied as it is.
 */
void cyg_ipaddr_push(struct cyg_sa *sa, struct sk_buff *skb, u8 protocol,
		     struct cyg_class class)
{
	u8 tos = outer_of(sa).tos;

	if (tos && READ_ONCE(sa->policy->options.dscp) == CYG_DSCP_COPY)
		class.dsfield = tos | (class.dsfield & INET_ECN_MASK);
	if (sa->family == 4)
		push4(sa, skb, protocol, class);
	else
		push6(sa, skb, protocol, class);
}

/**
 * cyg_ipaddr_send_own - send a packet that has its IP header
 * @sa: outbound
 * @skb: from its IP header, with a dst; length and checksum are left to us
 *
 * What is larger than the path carries leaves in fragments: an inner packet that
 * could not be told so.
 *
 * Return: 0, or a drop that somebody else counts
 */
int cyg_ipaddr_send_own(struct cyg_sa *sa, struct sk_buff *skb)
{
	struct sock *sk = *control(sa->cn, sa->family);
	u32 outer = skb_is_gso(skb) ? 0 : skb->len;
	u32 mtu = READ_ONCE(sa->outer_mtu);
	struct net *net = sa->cn->net;
	int err;

	skb_reset_network_header(skb);
	skb->ignore_df = 1;
	skb->mark = outer_of(sa).fwmark;
	if (sa->family == 4) {
		memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
		if (outer > mtu) {
			IPCB(skb)->frag_max_size = mtu;
			ip_hdr(skb)->frag_off &= ~htons(IP_DF);
		}
		err = ip_local_out(net, sk, skb);
	} else {
		memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
		if (outer > mtu)
			IP6CB(skb)->frag_max_size = mtu;
		err = ip6_local_out(net, sk, skb);
	}
	return net_xmit_eval(err);
}

/**
 * cyg_ipaddr_send - add the outer IP header and send
 * @sa: outbound
 * @skb: from its transport header, with a dst
 * @protocol: of the transport header
 * @class: of cyg_ipaddr_class()
 *
 * Return: 0, or a drop that somebody else counts
 */
int cyg_ipaddr_send(struct cyg_sa *sa, struct sk_buff *skb, u8 protocol,
		    struct cyg_class class)
{
	cyg_ipaddr_push(sa, skb, protocol, class);
	return cyg_ipaddr_send_own(sa, skb);
}

/**
 * cyg_ipaddr_udp_checksum - complete a UDP header
 * @sa: outbound
 * @skb: at its UDP header, zero in its checksum
 *
 * RFC 3948 section 2.1 wants none; IPv6 knows no such thing, nor do
 * super-packets, which get that of their pseudo header.
 */
void cyg_ipaddr_udp_checksum(struct cyg_sa *sa, struct sk_buff *skb)
{
	if (sa->family == 6)
		udp6_set_csum(false, skb, (const struct in6_addr *)&sa->src,
			      (const struct in6_addr *)&sa->dst, skb->len);
	else if (skb_is_gso(skb))
		udp_set_csum(false, skb, sa->src.w[0], sa->dst.w[0], skb->len);
}

/**
 * cyg_ipaddr_pseudo - sum over the pseudo header of an inner packet
 * @skb: from its IP header
 * @flow: what it is, TCP or UDP
 *
 * Return: the sum without the length
 */
__wsum cyg_ipaddr_pseudo(const struct sk_buff *skb, const struct cyg_flow *flow)
{
	if (flow->family == 4)
		return csum_tcpudp_nofold(ip_hdr(skb)->saddr, ip_hdr(skb)->daddr, 0,
					  flow->protocol, 0);
	return ~csum_unfold(csum_ipv6_magic(&ipv6_hdr(skb)->saddr,
					    &ipv6_hdr(skb)->daddr, 0,
					    flow->protocol, 0));
}

/*
 * The kernel's own answers (echo replies, ICMP errors) come with the lock of
 * its ICMP socket held, and nobody waits for an error about one.
 */
static bool sent_by_kernel(const struct sk_buff *skb)
{
	return skb->sk && sk_fullsock(skb->sk) && skb->sk->sk_kern_sock;
}

/**
 * cyg_ipaddr_may_fragment - may an inner packet be cut up on its way?
 * @skb: from its IP header
 * @family: of that
 */
bool cyg_ipaddr_may_fragment(const struct sk_buff *skb, u8 family)
{
	return family == 4 && !(ip_hdr(skb)->frag_off & htons(IP_DF));
}

/**
 * cyg_ipaddr_too_big - tell the sender of an inner packet about the MTU
 * @skb: the packet
 * @flow: what it is
 * @mtu: what fits
 *
 * If it was sent here, its route may know at once; a firewall then cannot keep
 * it from its sender.
 */
void cyg_ipaddr_too_big(struct sk_buff *skb, const struct cyg_flow *flow, u32 mtu)
{
	if (skb->sk)
		skb_dst_update_pmtu_no_confirm(skb, mtu);
	if (sent_by_kernel(skb))
		return;
	if (flow->family == 6)
		icmpv6_ndo_send(skb, ICMPV6_PKT_TOOBIG, 0, mtu);
	else
		icmp_ndo_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(mtu));
}

/**
 * cyg_ipaddr_prohibited - tell the sender that no policy lets a packet pass
 * @skb: the packet
 * @flow: what it is
 *
 * RFC 4301 section 6.
 */
void cyg_ipaddr_prohibited(struct sk_buff *skb, const struct cyg_flow *flow)
{
	if (sent_by_kernel(skb))
		return;
	if (flow->family == 6)
		icmpv6_ndo_send(skb, ICMPV6_DEST_UNREACH, ICMPV6_ADM_PROHIBITED, 0);
	else
		icmp_ndo_send(skb, ICMP_DEST_UNREACH, ICMP_PKT_FILTERED, 0);
}
