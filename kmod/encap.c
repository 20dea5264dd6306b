// SPDX-License-Identifier: GPL-2.0-only
/*
 * UDP encapsulation (RFC 3948).
 *
 * Datagrams to a registered port are taken in LOCAL_IN behind the firewall, so
 * that ESP flows whether or not a daemon holds the port's socket. Whatever is
 * not plainly ours passes on to that socket, whose stock UDP_ENCAP leads back
 * to input.c.
 */
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/udp.h>
#include <net/ipv6.h>
#include <net/ipv6_frag.h>
#include <net/netfilter/ipv6/nf_defrag_ipv6.h>
#include <net/netfilter/nf_conntrack.h>

#include "cygnet.h"

/**
 * struct datagrams - one UDP datagram, or a super-packet of many
 * @offset: of the payload
 * @len: of all payloads
 * @size: of each but the last
 */
struct datagrams {
	u32 offset, len, size;
};

/* Super-packets, fraglists too, have one UDP header and then all payloads. */
static bool measure(const struct sk_buff *skb, u32 at, const struct udphdr *udp,
		    struct datagrams *d)
{
	u32 len = ntohs(udp->len);

	d->offset = at + sizeof(*udp);
	if (skb_is_gso(skb)) {
		d->len = skb->len - d->offset;
		d->size = skb_shinfo(skb)->gso_size;
		return d->len && skb_shinfo(skb)->gso_type &
				 (SKB_GSO_UDP_L4 | SKB_GSO_FRAGLIST);
	}
	d->len = len > sizeof(*udp) ? len - sizeof(*udp) : 0;
	d->size = d->len;
	return d->len && len == skb->len - at;
}

static bool is_keepalive(const struct sk_buff *skb, const struct datagrams *d)
{
	u8 byte;

	return d->len == 1 && !skb_copy_bits(skb, d->offset, &byte, 1) &&
	       byte == 0xff;
}

/*
 * All or nothing: IKE among ESP sends the whole super-packet to the socket.
 * Returns the SA of the last datagram, or NULL.
 */
static struct cyg_sa *claim(struct cyg_net *cn, struct sk_buff *skb,
			    const struct datagrams *d, const struct cyg_addr *dst,
			    u8 family)
{
	struct cyg_cursor cursor = { 0 };
	struct cyg_sa *sa = NULL;
	__be32 spi, last = 0;
	const __be32 *p;
	u32 at;

	for (at = 0; at < d->len; at += d->size) {
		p = cyg_linear_find(skb, d->offset + at, sizeof(spi), &cursor);
		if (p)
			spi = get_unaligned(p);
		else if (skb_copy_bits(skb, d->offset + at, &spi, sizeof(spi)))
			return NULL;
		if (spi && spi == last)
			continue;
		sa = spi ? cyg_input_claims(cn, skb, spi, dst, family) : NULL;
		if (!sa)
			return NULL;
		last = spi;
	}
	return sa;
}

/*
 * Without its confirmation the datagram's connection would be forgotten, and
 * each one new to a stateful firewall.
 */
static bool confirm_conntrack(struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
	struct nf_conntrack *nfct = skb_nfct(skb);
	const struct nf_ct_hook *hook;

	if (!nfct || nf_ct_is_confirmed(container_of(nfct, struct nf_conn, ct_general)))
		return true;
	hook = rcu_dereference(nf_ct_hook);
	return hook && hook->confirm(skb) == NF_ACCEPT;
#else
	return true;
#endif
}

static enum cygnet_drop verify(struct sk_buff *skb, u32 at,
			       const struct udphdr *udp, u8 pf)
{
	if (udp->check && nf_checksum(skb, NF_INET_LOCAL_IN, at, IPPROTO_UDP, pf))
		return CYGNET_DROP_RX_CHECKSUM;
	if (!confirm_conntrack(skb))
		return CYGNET_DROP_RX_CONNTRACK;
	return 0;
}

static bool is_registered(struct cyg_net *cn, __be16 port)
{
	return (port && port == READ_ONCE(cn->usual_port)) ||
	       xa_load(&cn->ports, ntohs(port));
}

static unsigned int local_in(struct sk_buff *skb, const struct nf_hook_state *state,
			     u32 at, u8 family)
{
	struct cyg_net *cn = cyg_net(state->net);
	const struct udphdr *udp;
	enum cygnet_drop reason;
	struct cyg_addr dst;
	struct datagrams d;
	struct cyg_sa *sa = NULL;
	struct udphdr _udp;
	bool keepalive;
	u8 dsfield;
	u32 done;

	udp = skb_header_pointer(skb, at, sizeof(_udp), &_udp);
	if (!udp || !is_registered(cn, udp->dest) || !measure(skb, at, udp, &d))
		return NF_ACCEPT;
	cyg_ipaddr_outer(skb, family, &dst, &dsfield);
	keepalive = is_keepalive(skb, &d);
	if (!keepalive)
		sa = claim(cn, skb, &d, &dst, family);
	if (!keepalive && !sa)
		return NF_ACCEPT;

	reason = verify(skb, at, udp, state->pf);
	if (reason)
		cyg_stats_drop(reason, cn, NULL, NULL);
	else if (sa && cyg_cell_queue(sa, skb, d.offset, d.len, d.size,
				      skb->dev->ifindex, family))
		return NF_STOLEN;
	else if (sa)
		for (done = 0; done < d.len; done += d.size)
			cyg_input_packet(cn, skb, d.offset + done,
					 min(d.size, d.len - done), &dst,
					 family, dsfield);
	cyg_stats_free_skb(skb, reason);
	return NF_STOLEN;
}

static unsigned int local_in4(void *priv, struct sk_buff *skb,
			      const struct nf_hook_state *state)
{
	if (ip_hdr(skb)->protocol == IPPROTO_ICMP)
		return cyg_pmtu_icmp4(skb, state, ip_hdrlen(skb));
	if (ip_hdr(skb)->protocol != IPPROTO_UDP)
		return NF_ACCEPT;
	return local_in(skb, state, ip_hdrlen(skb), 4);
}

static u8 next_header(const struct sk_buff *skb)
{
	return skb_network_header(skb)[IP6CB(skb)->nhoff];
}

/*
 * IPv4 reassembles what is for this host before LOCAL_IN, IPv6 only behind it,
 * where a datagram would find nobody but its socket.
 */
static unsigned int reassemble(struct sk_buff *skb, struct net *net)
{
#if IS_ENABLED(CONFIG_NF_DEFRAG_IPV6)
	int err = nf_ct_frag6_gather(net, skb, IP6_DEFRAG_LOCAL_DELIVER);

	if (err == -EINPROGRESS)
		return NF_STOLEN;
	return err ? NF_DROP : NF_ACCEPT;
#else
	return NF_ACCEPT;
#endif
}

/* Behind hop-by-hop options at most: other extensions are not parsed yet. */
static unsigned int local_in6(void *priv, struct sk_buff *skb,
			      const struct nf_hook_state *state)
{
	unsigned int verdict;

	if (next_header(skb) == NEXTHDR_FRAGMENT) {
		verdict = reassemble(skb, state->net);
		if (verdict != NF_ACCEPT)
			return verdict;
	}
	if (next_header(skb) == IPPROTO_ICMPV6)
		return cyg_pmtu_icmp6(skb, state, skb_transport_offset(skb));
	if (next_header(skb) != IPPROTO_UDP)
		return NF_ACCEPT;
	return local_in(skb, state, skb_transport_offset(skb), 6);
}

static unsigned int pre_routing(struct sk_buff *skb, const struct nf_hook_state *state,
				u32 at, u8 family)
{
	struct cyg_net *cn = cyg_net(state->net);
	struct udphdr *udp, _udp;

	if (skb_dst(skb) || skb->sk)
		return NF_ACCEPT;
	udp = skb_header_pointer(skb, at, sizeof(_udp), &_udp);
	if (udp && is_registered(cn, udp->dest))
		cyg_demux_find(cn, skb, *(__be32 *)udp, family);
	return NF_ACCEPT;
}

static unsigned int pre_routing4(void *priv, struct sk_buff *skb,
				 const struct nf_hook_state *state)
{
	if (ip_hdr(skb)->protocol != IPPROTO_UDP || ip_is_fragment(ip_hdr(skb)))
		return NF_ACCEPT;
	return pre_routing(skb, state, ip_hdrlen(skb), 4);
}

static unsigned int pre_routing6(void *priv, struct sk_buff *skb,
				 const struct nf_hook_state *state)
{
	if (ipv6_hdr(skb)->nexthdr != IPPROTO_UDP)
		return NF_ACCEPT;
	return pre_routing(skb, state, sizeof(struct ipv6hdr), 6);
}

/*
 * The first two behind all that may change what is routed by; the others last
 * but for the confirmation of connections, which does not see us steal.
 */
static const struct nf_hook_ops hooks[] = {
	{
		.hook = pre_routing4,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_PRE_ROUTING,
		.priority = INT_MAX,
	},
	{
		.hook = pre_routing6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_PRE_ROUTING,
		.priority = INT_MAX,
	},
	{
		.hook = local_in4,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_LOCAL_IN,
		.priority = INT_MAX - 1,
	},
	{
		.hook = local_in6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_LOCAL_IN,
		.priority = INT_MAX - 1,
	},
};

/**
 * cyg_encap_add_port - take ESP from datagrams to a port
 * @cn: namespace, locked
 * @port: UDP port
 *
 * Return: -EBUSY if it is registered already, or another error
 */
int cyg_encap_add_port(struct cyg_net *cn, __be16 port)
{
	int err;

	lockdep_assert_held(&cn->lock);
	if (!cn->routes) {
		err = cyg_demux_open(cn);
		if (err)
			return err;
	}
	err = xa_insert(&cn->ports, ntohs(port), xa_mk_value(1), GFP_KERNEL);
	if (err)
		return err;
	if (!cn->port_count) {
		err = nf_register_net_hooks(cn->net, hooks,
					    ARRAY_SIZE(hooks));
		if (err) {
			xa_erase(&cn->ports, ntohs(port));
			return err;
		}
	}
	cn->port_count++;
	WRITE_ONCE(cn->usual_port, port);
	return 0;
}

/**
 * cyg_encap_del_port - leave a port to its socket
 * @cn: namespace, locked
 * @port: UDP port
 *
 * Return: -ENOENT if it was not registered
 */
int cyg_encap_del_port(struct cyg_net *cn, __be16 port)
{
	lockdep_assert_held(&cn->lock);
	if (!xa_erase(&cn->ports, ntohs(port)))
		return -ENOENT;
	if (cn->usual_port == port)
		WRITE_ONCE(cn->usual_port, 0);
	if (!--cn->port_count)
		nf_unregister_net_hooks(cn->net, hooks,
					ARRAY_SIZE(hooks));
	return 0;
}

/**
 * cyg_encap_close - leave all ports
 * @cn: namespace that is going away; a grace period follows
 */
void cyg_encap_close(struct cyg_net *cn)
{
	unsigned long port;
	void *entry;

	mutex_lock(&cn->lock);
	xa_for_each(&cn->ports, port, entry)
		cyg_encap_del_port(cn, htons(port));
	mutex_unlock(&cn->lock);
}

static void push_udp(struct cyg_sa *sa, struct sk_buff *skb)
{
	struct udphdr *udp;

	udp = skb_push(skb, sizeof(*udp));
	skb_reset_transport_header(skb);
	udp->source = sa->sport;
	udp->dest = sa->dport;
	udp->len = htons(skb->len);
	udp->check = 0;
	cyg_ipaddr_udp_checksum(sa, skb);
	if (skb_is_gso(skb)) {
		skb->ip_summed = CHECKSUM_PARTIAL;
		skb->csum_start = skb_transport_header(skb) - skb->head;
		skb->csum_offset = offsetof(struct udphdr, check);
	}
}

/**
 * cyg_encap_send - add UDP if the SA wants it, then IP, and send
 * @sa: outbound
 * @skb: from its ESP header, with a dst; if encapsulated, maybe many of one size
 * @class: of cyg_ipaddr_class()
 *
 * Return: 0, or a drop that somebody else counts
 */
int cyg_encap_send(struct cyg_sa *sa, struct sk_buff *skb, struct cyg_class class)
{
	if (!cyg_sa_encapsulated(sa)) {
		skb_reset_transport_header(skb);
		return cyg_ipaddr_send(sa, skb, sa->key.protocol, class);
	}
	push_udp(sa, skb);
	return cyg_ipaddr_send(sa, skb, IPPROTO_UDP, class);
}

/**
 * cyg_encap_send_own - the same for a packet that has its IP header
 * @sa: outbound, transport mode
 * @skb: from its ESP header, with a dst; in front is room for UDP if the SA wants
 *	it, and the IP header
 * @header_len: of the IP header and its extensions
 *
 * Return: 0, or a drop that somebody else counts
 */
int cyg_encap_send_own(struct cyg_sa *sa, struct sk_buff *skb, u32 header_len)
{
	if (cyg_sa_encapsulated(sa))
		push_udp(sa, skb);
	else
		skb_reset_transport_header(skb);
	skb_push(skb, header_len);
	return cyg_ipaddr_send_own(sa, skb);
}

/**
 * cyg_encap_keepalive - send a NAT keepalive (RFC 3948 section 2.3)
 * @sa: outbound, encapsulated
 *
 * Call with BH off. If it cannot be sent, the next one may.
 */
void cyg_encap_keepalive(struct cyg_sa *sa)
{
	struct dst_entry *dst = cyg_ipaddr_route(sa);
	struct sk_buff *skb;
	u32 headroom;

	if (IS_ERR(dst))
		return;
	headroom = LL_RESERVED_SPACE(dst->dev) + dst->header_len +
		   cyg_ipaddr_header_len(sa->family) + sizeof(struct udphdr);
	skb = alloc_skb(headroom + 1, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb) {
		dst_release(dst);
		return;
	}
	skb_reserve(skb, headroom);
	skb_put_u8(skb, 0xff);
	skb_dst_set(skb, dst);
	cyg_encap_send(sa, skb, (struct cyg_class){});
}
