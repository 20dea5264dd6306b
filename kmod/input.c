// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receiving: from the wire to an SA, and from an SA to the device.
 *
 * Kernel xfrm works beside us: what is not ours gets -EINVAL, untouched but
 * for pskb_may_pull(), and goes on to the next handler.
 */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/skbuff.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/xfrm.h>

#include "cygnet.h"

static struct cyg_sa *claims(struct cyg_net *cn, struct sk_buff *skb, u8 protocol,
			     __be32 spi, const struct cyg_addr *dst, u8 family)
{
	struct cyg_sa *sa;
	bool exact;

	sa = cyg_sadb_input(cn, protocol, spi, dst, family, &exact);
	if (!sa || (!exact && cyg_ipaddr_xfrm_holds(cn->net, skb->mark, dst, spi,
						    protocol, family)))
		return NULL;
	return sa;
}

/**
 * cyg_input_claims - is an ESP packet of that SPI for us?
 * @cn: namespace
 * @skb: the packet
 * @spi: its SPI
 * @dst: its outer destination
 * @family: of @dst
 *
 * An SPI of ours that came to another address may be kernel xfrm's there.
 *
 * Return: the SA, which may be one for another address, or NULL
 */
struct cyg_sa *cyg_input_claims(struct cyg_net *cn, struct sk_buff *skb, __be32 spi,
				const struct cyg_addr *dst, u8 family)
{
	return claims(cn, skb, IPPROTO_ESP, spi, dst, family);
}

/**
 * cyg_input_packet - take an ESP packet that cyg_input_claims()
 * @cn: namespace
 * @skb: holds it; only read, and the caller's to free
 * @offset: of the ESP header
 * @len: from there
 * @dst: outer destination
 * @family: of @dst
 * @dsfield: outer DSCP and ECN
 */
void cyg_input_packet(struct cyg_net *cn, struct sk_buff *skb, u32 offset,
		      u32 len, const struct cyg_addr *dst, u8 family, u8 dsfield)
{
	enum cygnet_drop reason;
	struct cyg_sa *sa;
	bool exact;
	__be32 spi;

	if (len < sizeof(spi) || skb_copy_bits(skb, offset, &spi, sizeof(spi))) {
		cyg_stats_drop(CYGNET_DROP_RX_SHORT, cn, NULL, NULL);
		return;
	}
	sa = cyg_sadb_input(cn, IPPROTO_ESP, spi, dst, family, &exact);
	if (!sa) {
		cyg_stats_drop(CYGNET_DROP_RX_NO_SA, cn, NULL, NULL);
		return;
	}
	reason = exact ? cyg_esp_input(sa, skb, offset, len, dsfield) :
			 CYGNET_DROP_RX_ENDPOINT;
	if (reason)
		cyg_stats_drop_sa(reason, sa);
}

/* @skb is at its ESP header. */
static int receive(struct sk_buff *skb, u8 family)
{
	struct cyg_net *cn = cyg_net(dev_net(skb->dev));
	const struct ip_esp_hdr *header;
	struct ip_esp_hdr _header;
	struct cyg_addr dst;
	struct cyg_sa *sa;
	u8 dsfield;

	/* Not pulled: what lies in one piece, maybe in a page, is decrypted from there. */
	header = skb_header_pointer(skb, 0, sizeof(_header), &_header);
	if (!header)
		return -EINVAL;
	cyg_ipaddr_outer(skb, family, &dst, &dsfield);
	sa = cyg_input_claims(cn, skb, header->spi, &dst, family);
	if (!sa)
		return -EINVAL;
	if (cyg_cell_queue(sa, skb, 0, skb->len, skb->len, 0, family))
		return 0;
	cyg_input_packet(cn, skb, 0, skb->len, &dst, family, dsfield);
	consume_skb(skb);
	return 0;
}

static int native4_rcv(struct sk_buff *skb)
{
	return receive(skb, 4);
}

static int native6_rcv(struct sk_buff *skb)
{
	return receive(skb, 6);
}

/*
 * From a UDP_ENCAP socket. What we refuse still goes on to kernel xfrm,
 * so that the counter says no more than it can know.
 */
static int receive_encap(struct sk_buff *skb, int protocol, u8 family)
{
	struct cyg_net *cn = cyg_net(dev_net(skb->dev));
	struct cyg_addr dst;
	__be32 spi;
	u8 dsfield;

	if (protocol != IPPROTO_ESP || !receive(skb, family))
		return protocol == IPPROTO_ESP ? 0 : -EINVAL;
	cyg_ipaddr_outer(skb, family, &dst, &dsfield);
	if (!skb_copy_bits(skb, 0, &spi, sizeof(spi)) &&
	    !cyg_ipaddr_xfrm_holds(cn->net, skb->mark, &dst, spi, IPPROTO_ESP, family))
		cyg_stats_drop(CYGNET_DROP_RX_NO_SA, cn, NULL, NULL);
	return -EINVAL;
}

static int encap4_rcv(struct sk_buff *skb, int protocol, __be32 spi, int type)
{
	return receive_encap(skb, protocol, 4);
}

static int encap6_rcv(struct sk_buff *skb, int protocol, __be32 spi, int type)
{
	return receive_encap(skb, protocol, 6);
}

/* Called for packets that kernel xfrm has decrypted: go on to its owner. */
static int not_ours(struct sk_buff *skb, int err)
{
	return 1;
}

/* @skb is at its AH header. */
static int receive_ah(struct sk_buff *skb, u8 family)
{
	struct cyg_net *cn = cyg_net(dev_net(skb->dev));
	enum cygnet_drop reason;
	struct cyg_addr dst;
	struct cyg_sa *sa;
	bool exact;
	__be32 spi;
	u8 dsfield;

	if (!pskb_may_pull(skb, sizeof(struct cyg_ah_header)))
		return -EINVAL;
	spi = ((struct cyg_ah_header *)skb->data)->spi;
	cyg_ipaddr_outer(skb, family, &dst, &dsfield);
	if (!claims(cn, skb, IPPROTO_AH, spi, &dst, family))
		return -EINVAL;
	sa = cyg_sadb_input(cn, IPPROTO_AH, spi, &dst, family, &exact);
	reason = !sa ? CYGNET_DROP_RX_NO_SA :
		 exact ? cyg_ah_input(sa, skb, 0, skb->len, dsfield) :
			 CYGNET_DROP_RX_ENDPOINT;
	if (reason)
		cyg_stats_drop(reason, cn, sa ? rcu_dereference(sa->policy->dev) : NULL,
			       sa);
	consume_skb(skb);
	return 0;
}

static int native_ah4_rcv(struct sk_buff *skb)
{
	return receive_ah(skb, 4);
}

static int native_ah6_rcv(struct sk_buff *skb)
{
	return receive_ah(skb, 6);
}

/* ICMP about a packet that @skb begins with. Not ours: leave it to the next handler. */
static int err4(struct sk_buff *skb, u32 info)
{
	const struct icmphdr *icmp = icmp_hdr(skb);

	if (icmp->type == ICMP_DEST_UNREACH && icmp->code == ICMP_FRAG_NEEDED &&
	    cyg_pmtu_quoted(cyg_net(dev_net(skb->dev)), skb, 0, 4,
			    ntohs(icmp->un.frag.mtu)))
		return 0;
	return -ENOENT;
}

static int err6(struct sk_buff *skb, struct inet6_skb_parm *opt, u8 type,
		u8 code, int offset, __be32 info)
{
	if (type == ICMPV6_PKT_TOOBIG &&
	    cyg_pmtu_quoted(cyg_net(dev_net(skb->dev)), skb, 0, 6, ntohl(info)))
		return 0;
	return -ENOENT;
}

/* Ahead of vti (100), xfrm interfaces (10) and esp4 (0). */
static struct xfrm4_protocol esp4 = {
	.handler = native4_rcv,
	.input_handler = encap4_rcv,
	.cb_handler = not_ours,
	.err_handler = err4,
	.priority = 200,
};

static struct xfrm6_protocol esp6 = {
	.handler = native6_rcv,
	.input_handler = encap6_rcv,
	.cb_handler = not_ours,
	.err_handler = err6,
	.priority = 200,
};

/* AH is never in UDP: a NAT breaks it (RFC 3715 section 2.1). */
static int no_encap(struct sk_buff *skb, int protocol, __be32 spi, int type)
{
	return -EINVAL;
}

static struct xfrm4_protocol ah4 = {
	.handler = native_ah4_rcv,
	.input_handler = no_encap,
	.cb_handler = not_ours,
	.err_handler = err4,
	.priority = 200,
};

static struct xfrm6_protocol ah6 = {
	.handler = native_ah6_rcv,
	.input_handler = no_encap,
	.cb_handler = not_ours,
	.err_handler = err6,
	.priority = 200,
};

/**
 * cyg_input_init - start to receive protocols 50 and 51
 */
int cyg_input_init(void)
{
	int err;

	err = xfrm4_protocol_register(&esp4, IPPROTO_ESP);
	if (err)
		return err;
	err = xfrm6_protocol_register(&esp6, IPPROTO_ESP);
	if (err)
		goto deregister_esp4;
	err = xfrm4_protocol_register(&ah4, IPPROTO_AH);
	if (err)
		goto deregister_esp6;
	err = xfrm6_protocol_register(&ah6, IPPROTO_AH);
	if (err)
		goto deregister_ah4;
	return 0;

deregister_ah4:
	xfrm4_protocol_deregister(&ah4, IPPROTO_AH);
deregister_esp6:
	xfrm6_protocol_deregister(&esp6, IPPROTO_ESP);
deregister_esp4:
	xfrm4_protocol_deregister(&esp4, IPPROTO_ESP);
	return err;
}

/**
 * cyg_input_uninit - stop to receive
 *
 * Waits until nobody is in our handlers.
 */
void cyg_input_uninit(void)
{
	xfrm6_protocol_deregister(&ah6, IPPROTO_AH);
	xfrm4_protocol_deregister(&ah4, IPPROTO_AH);
	xfrm6_protocol_deregister(&esp6, IPPROTO_ESP);
	xfrm4_protocol_deregister(&esp4, IPPROTO_ESP);
}

static enum cygnet_drop check_device(const struct net_device *dev, u8 next_header)
{
	/* Gone, and the SA goes with it. */
	if (!dev)
		return CYGNET_DROP_RX_SA_DEAD;
	if (!(dev->flags & IFF_UP))
		return CYGNET_DROP_RX_DEVICE;
	return next_header == IPPROTO_NONE ? CYGNET_DROP_RX_DUMMY : 0;
}

/**
 * cyg_input_check - may a decrypted packet go to its device?
 * @sa: inbound, whose packet it is
 * @data: from the inner IP header
 * @len: all of it
 * @next_header: what the ESP trailer says
 * @flow: what it is; what follows its length is traffic flow padding
 * @dev: the device
 *
 * Call under rcu_read_lock().
 *
 * Return: 0, or why not
 */
enum cygnet_drop cyg_input_check(struct cyg_sa *sa, const u8 *data, u32 len,
				 u8 next_header, struct cyg_flow *flow,
				 struct net_device **dev)
{
	enum cygnet_drop reason;

	*dev = rcu_dereference(sa->policy->dev);
	reason = check_device(*dev, next_header);
	if (reason)
		return reason;
	if (next_header != IPPROTO_IPIP && next_header != IPPROTO_IPV6)
		return CYGNET_DROP_RX_NEXT_HEADER;
	if (!cyg_flow_parse(flow, data, len, len, true) ||
	    flow->family != (next_header == IPPROTO_IPIP ? 4 : 6))
		return CYGNET_DROP_RX_INNER;
	if (!cyg_spd_admits(sa->policy, flow))
		return CYGNET_DROP_RX_SELECTOR;
	return 0;
}

static void hand_over(struct net_device *dev, struct sk_buff *skb, u8 family)
{
	struct cyg_device *cyg = netdev_priv(dev);

	skb_reset_mac_header(skb);
	skb->protocol = family == 4 ? htons(ETH_P_IP) : htons(ETH_P_IPV6);
	skb->dev = dev;
	dev_sw_netstats_rx_add(dev, skb->len);
	gro_cells_receive(&cyg->gro_cells, skb);
}

/**
 * cyg_input_deliver - give a decrypted packet to its device
 * @sa: inbound, whose packet it is
 * @skb: linear, from the inner IP header; taken unless refused
 * @next_header: what the ESP trailer says
 * @dsfield: outer DSCP and ECN
 *
 * Call under rcu_read_lock() with BH off.
 *
 * Return: 0, or why it was refused
 */
enum cygnet_drop cyg_input_deliver(struct cyg_sa *sa, struct sk_buff *skb,
				   u8 next_header, u8 dsfield)
{
	enum cygnet_drop reason;
	struct net_device *dev;
	struct cyg_flow flow;

	reason = cyg_input_check(sa, skb->data, skb->len, next_header, &flow, &dev);
	if (reason)
		return reason;

	skb_trim(skb, flow.length);
	skb_reset_network_header(skb);
	skb->protocol = flow.family == 4 ? htons(ETH_P_IP) : htons(ETH_P_IPV6);
	if (INET_ECN_decapsulate(skb, dsfield, flow.dsfield) > 1)
		return CYGNET_DROP_RX_ECN;
	if (!cyg_steer_mark(sa, skb))
		return CYGNET_DROP_RX_MEMORY;
	cyg_mss_clamp(sa->policy, skb, &flow);
	hand_over(dev, skb, flow.family);
	return 0;
}

/**
 * cyg_input_deliver_own - the same for a packet with its own IP header
 * @sa: inbound, transport mode, whose packet it is
 * @skb: linear, its payload, with its IP headers in front; taken unless refused
 * @headers: of cyg_transport_received(), and what the payload is
 *
 * Call under rcu_read_lock() with BH off.
 *
 * Return: 0, or why it was refused
 */
enum cygnet_drop cyg_input_deliver_own(struct cyg_sa *sa, struct sk_buff *skb,
				       const struct cyg_headers *headers)
{
	struct net_device *dev = rcu_dereference(sa->policy->dev);
	enum cygnet_drop reason;
	struct cyg_flow flow;

	reason = check_device(dev, headers->next);
	if (reason)
		return reason;
	cyg_transport_rebuild(sa, skb, headers);
	if (!cyg_flow_parse(&flow, skb->data, skb->len, skb->len, true))
		return CYGNET_DROP_RX_INNER;
	if (!cyg_spd_admits(sa->policy, &flow))
		return CYGNET_DROP_RX_SELECTOR;
	if (!cyg_steer_mark(sa, skb))
		return CYGNET_DROP_RX_MEMORY;
	cyg_mss_clamp(sa->policy, skb, &flow);
	hand_over(dev, skb, sa->family);
	return 0;
}
