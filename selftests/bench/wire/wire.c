// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two network cards, wire0 and wire1, joined by a cable.
 *
 * Unlike a veth pair they cut super-packets up before these reach the other
 * side, as hardware would: at no cost, since the markers take the work out of
 * the count.  What arrives is single packets with checked checksums, in memory
 * of their own, and it arrives in a poll.
 */

#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#ifdef HAVE_GSO_H
#include <net/gso.h>
#endif
#include <net/ip.h>
#include <net/ipv6.h>

#include "marker.h"

#define WIRE_FEATURES	(NETIF_F_SG | NETIF_F_FRAGLIST | NETIF_F_HIGHDMA | NETIF_F_HW_CSUM | \
			 NETIF_F_GSO_SOFTWARE | NETIF_F_RXCSUM)

struct wire {
	struct net_device *peer;
	struct napi_struct napi;
	struct sk_buff_head arrived;
};

static struct net_device *ends[2];

static bool has_checksum(const struct sk_buff *skb)
{
	u8 protocol = 0;

	if (skb->protocol == htons(ETH_P_IP))
		protocol = ip_hdr(skb)->protocol;
	else if (skb->protocol == htons(ETH_P_IPV6))
		protocol = ipv6_hdr(skb)->nexthdr;
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

/* What the hardware of both cards does to one packet. */
static void carry_packet(struct sk_buff *skb, struct net_device *to)
{
	struct wire *wire = netdev_priv(to);
	struct sk_buff *copy;

	if (skb->ip_summed == CHECKSUM_PARTIAL && skb_checksum_help(skb))
		return;
	copy = skb_copy_expand(skb, NET_SKB_PAD + NET_IP_ALIGN, 0, GFP_ATOMIC);
	if (!copy)
		return;

	skb_scrub_packet(copy, true);
	copy->ip_summed = CHECKSUM_NONE;
	copy->protocol = eth_type_trans(copy, to);
	skb_reset_network_header(copy);
	if (has_checksum(copy))
		copy->ip_summed = CHECKSUM_UNNECESSARY;
	skb_queue_tail(&wire->arrived, copy);
}

static void carry(struct sk_buff *skb, struct net_device *to)
{
	struct sk_buff *segments, *next;

	if (!skb_is_gso(skb)) {
		carry_packet(skb, to);
		return;
	}
	segments = skb_gso_segment(skb, WIRE_FEATURES & ~NETIF_F_GSO_MASK);
	if (IS_ERR_OR_NULL(segments))
		return;
	skb_list_walk_safe(segments, skb, next) {
		skb_mark_not_on_list(skb);
		carry_packet(skb, to);
		consume_skb(skb);
	}
}

static netdev_tx_t wire_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct net_device *peer = ((struct wire *)netdev_priv(dev))->peer;
	struct wire *to = netdev_priv(peer);

	marker(MARKER_PAUSE);
	if (netif_running(peer))
		carry(skb, peer);
	marker(MARKER_RESUME);

	napi_schedule(&to->napi);
	consume_skb(skb);
	return NETDEV_TX_OK;
}

static int wire_poll(struct napi_struct *napi, int budget)
{
	struct wire *wire = container_of(napi, struct wire, napi);
	struct sk_buff *skb;
	int done = 0;

	while (done < budget && (skb = skb_dequeue(&wire->arrived))) {
		napi_gro_receive(napi, skb);
		done++;
	}
	if (done < budget && napi_complete_done(napi, done) && !skb_queue_empty(&wire->arrived))
		napi_schedule(napi);
	return done;
}

static int wire_open(struct net_device *dev)
{
	struct wire *wire = netdev_priv(dev);

	napi_enable(&wire->napi);
	return 0;
}

static int wire_stop(struct net_device *dev)
{
	struct wire *wire = netdev_priv(dev);

	napi_disable(&wire->napi);
	skb_queue_purge(&wire->arrived);
	return 0;
}

static const struct net_device_ops wire_ops = {
	.ndo_open		= wire_open,
	.ndo_stop		= wire_stop,
	.ndo_start_xmit		= wire_xmit,
	.ndo_set_mac_address	= eth_mac_addr,
	.ndo_validate_addr	= eth_validate_addr,
};

static void wire_setup(struct net_device *dev)
{
	struct wire *wire = netdev_priv(dev);

	ether_setup(dev);
	eth_hw_addr_random(dev);
	dev->netdev_ops = &wire_ops;
	dev->priv_flags |= IFF_NO_QUEUE;
	dev->features |= WIRE_FEATURES;
	dev->hw_features |= WIRE_FEATURES;
	dev->max_mtu = ETH_MAX_MTU;
	skb_queue_head_init(&wire->arrived);
	netif_napi_add(dev, &wire->napi, wire_poll);
}

static void __exit wire_exit(void)
{
	int i;

	/* Neither may be sent to, before either goes. */
	rtnl_lock();
	for (i = 0; i < 2; i++)
		dev_close(ends[i]);
	rtnl_unlock();
	synchronize_net();
	for (i = 0; i < 2; i++) {
		unregister_netdev(ends[i]);
		free_netdev(ends[i]);
	}
}

static int __init wire_init(void)
{
	int i, err = -ENOMEM;

	for (i = 0; i < 2; i++)
		ends[i] = alloc_netdev(sizeof(struct wire), "wire%d", NET_NAME_ENUM, wire_setup);
	if (!ends[0] || !ends[1])
		goto free;
	for (i = 0; i < 2; i++)
		((struct wire *)netdev_priv(ends[i]))->peer = ends[!i];

	err = register_netdev(ends[0]);
	if (err)
		goto free;
	err = register_netdev(ends[1]);
	if (err)
		goto unregister;
	return 0;

unregister:
	unregister_netdev(ends[0]);
free:
	for (i = 0; i < 2; i++)
		if (ends[i])
			free_netdev(ends[i]);
	return err;
}

module_init(wire_init);
module_exit(wire_exit);
MODULE_DESCRIPTION("Two network cards joined by a cable, for Cygnet's bench");
MODULE_LICENSE("GPL");
