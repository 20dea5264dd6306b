// SPDX-License-Identifier: GPL-2.0-only
/*
 * The network device: what is sent to it gets protected, and what was
 * unprotected comes out of it.
 */
#include <linux/if_arp.h>
#include <linux/ipv6.h>
#include <linux/module.h>
#include <net/addrconf.h>
#include <net/ip.h>
#include <net/rtnetlink.h>

#include "cygnet.h"

static int device_init(struct net_device *dev)
{
	struct cyg_device *cyg = netdev_priv(dev);
	int err;

	dev->tstats = netdev_alloc_pcpu_stats(struct pcpu_sw_netstats);
	cyg->drops = alloc_percpu(struct cyg_drops);
	if (!dev->tstats || !cyg->drops) {
		err = -ENOMEM;
		goto free_stats;
	}
	err = gro_cells_init(&cyg->gro_cells, dev);
	if (err)
		goto free_stats;
	err = cyg_cell_init(cyg);
	if (err)
		goto destroy_gro_cells;
	cyg_stats_born(CYG_KIND_DEVICE);
	return 0;

destroy_gro_cells:
	gro_cells_destroy(&cyg->gro_cells);
free_stats:
	free_percpu(cyg->drops);
	free_percpu(dev->tstats);
	return err;
}

static void device_uninit(struct net_device *dev)
{
	struct cyg_device *cyg = netdev_priv(dev);

	cyg_cell_close(cyg);
	gro_cells_destroy(&cyg->gro_cells);
}

/* After a grace period, so that counters outlive the last packet. */
static void device_free(struct net_device *dev)
{
	struct cyg_device *cyg = netdev_priv(dev);

	cyg_classify_free_all(rcu_dereference_protected(cyg->spd.table, true));
	free_percpu(cyg->cells);
	free_percpu(cyg->drops);
	free_percpu(dev->tstats);
	cyg_stats_died(CYG_KIND_DEVICE);
}

/*
 * No link-local address unless someone adds one: router solicitations and
 * multicast reports would only meet the policies and be counted as drops.
 */
static int device_open(struct net_device *dev)
{
	struct inet6_dev *idev = __in6_dev_get(dev);

	if (idev)
		WRITE_ONCE(idev->cnf.addr_gen_mode, IN6_ADDR_GEN_MODE_NONE);
	return 0;
}

static netdev_tx_t device_xmit(struct sk_buff *skb, struct net_device *dev)
{
	cyg_output_xmit(netdev_priv(dev), skb);
	return NETDEV_TX_OK;
}

static void device_get_stats64(struct net_device *dev,
			       struct rtnl_link_stats64 *stats)
{
	struct cyg_device *cyg = netdev_priv(dev);
	enum cygnet_drop reason;

	dev_get_tstats64(dev, stats);
	for (reason = 1; reason < CYGNET_DROP_TX_MALFORMED; reason++)
		if (reason != CYGNET_DROP_RX_DUMMY)
			stats->rx_dropped += cyg_stats_fold(cyg->drops, reason);
	for (; reason <= CYGNET_DROP_MAX; reason++)
		stats->tx_dropped += cyg_stats_fold(cyg->drops, reason);
}

static const struct net_device_ops device_ops = {
	.ndo_init = device_init,
	.ndo_uninit = device_uninit,
	.ndo_open = device_open,
	.ndo_start_xmit = device_xmit,
	.ndo_get_stats64 = device_get_stats64,
};

static const struct device_type device_type = { .name = "cygnet" };

/**
 * cyg_device_is - is a network device one of ours?
 * @dev: any device
 */
bool cyg_device_is(const struct net_device *dev)
{
	return dev->netdev_ops == &device_ops;
}

/**
 * cyg_device_find - our device of that index
 * @cn: namespace, locked
 * @ifindex: interface index
 */
struct cyg_device *cyg_device_find(struct cyg_net *cn, u32 ifindex)
{
	struct cyg_device *cyg;

	lockdep_assert_held(&cn->lock);
	list_for_each_entry(cyg, &cn->devices, node)
		if (cyg->dev->ifindex == ifindex)
			return cyg;
	return NULL;
}

/**
 * cyg_device_set_outer - change how outer packets go
 * @cn: namespace, locked
 * @cyg: device
 * @outer: from now on
 */
void cyg_device_set_outer(struct cyg_net *cn, struct cyg_device *cyg,
			  const struct cyg_outer *outer)
{
	struct cyg_policy *policy;
	struct cyg_sa *sa;

	lockdep_assert_held(&cn->lock);
	WRITE_ONCE(cyg->outer.fwmark, outer->fwmark);
	WRITE_ONCE(cyg->outer.underlay, outer->underlay);
	WRITE_ONCE(cyg->outer.tos, outer->tos);
	list_for_each_entry(policy, &cyg->policies, node)
		list_for_each_entry(sa, &policy->sas, policy_node)
			dst_cache_reset(&sa->dst_cache);
}

/*
 * The default MTU fits into Ethernet's 1500 bytes whatever the outside looks
 * like: IPv6, UDP, ESP with its IV, trailer and ICV; the sum is such that no
 * padding comes on top. Who knows the outside sets a better one.
 */
static void device_setup(struct net_device *dev)
{
	struct cyg_device *cyg = netdev_priv(dev);

	dev->netdev_ops = &device_ops;
	dev->needs_free_netdev = true;
	dev->priv_destructor = device_free;
	dev->type = ARPHRD_NONE;
	dev->flags = IFF_POINTOPOINT | IFF_NOARP;
	dev->priv_flags |= IFF_NO_QUEUE;
	netif_set_lltx(dev);
	netif_set_netns_local(dev);
	dev->features |= NETIF_F_SG | NETIF_F_FRAGLIST | NETIF_F_HW_CSUM |
			 NETIF_F_ALL_TSO | NETIF_F_GSO_UDP_L4;
	dev->hw_features |= dev->features;
	dev->features |= NETIF_F_GRO_UDP_FWD;
	dev->mtu = ETH_DATA_LEN - CYG_OVERHEAD_MAX;
	dev->min_mtu = ETH_MIN_MTU;
	dev->max_mtu = round_down(IP_MAX_MTU - CYG_OVERHEAD_WORST, 4);
	netif_keep_dst(dev);
	SET_NETDEV_DEVTYPE(dev, &device_type);

	cyg->dev = dev;
	INIT_LIST_HEAD(&cyg->policies);
}

static int new_device(struct net_device *dev,
		      struct rtnl_newlink_params *params,
		      struct netlink_ext_ack *extack)
{
	struct cyg_device *cyg = netdev_priv(dev);
	struct cyg_net *cn = cyg_net(dev_net(dev));
	int err;

	if (!cyg_userns_admin && !capable(CAP_NET_ADMIN)) {
		NL_SET_ERR_MSG(extack,
			       "CAP_NET_ADMIN in the initial user namespace is needed");
		return -EPERM;
	}
	cyg->underlay_net = dev_net(dev);
	err = register_netdevice(dev);
	if (err)
		return err;
	mutex_lock(&cn->lock);
	list_add_tail(&cyg->node, &cn->devices);
	mutex_unlock(&cn->lock);
	return 0;
}

static void delete_device(struct net_device *dev, struct list_head *head)
{
	struct cyg_device *cyg = netdev_priv(dev);
	struct cyg_net *cn = cyg_net(dev_net(dev));

	mutex_lock(&cn->lock);
	cyg_spd_clear(cn, cyg);
	list_del(&cyg->node);
	mutex_unlock(&cn->lock);
	unregister_netdevice_queue(dev, head);
}

static struct rtnl_link_ops link_ops = {
	.kind = "cygnet",
	.priv_size = sizeof(struct cyg_device),
	.setup = device_setup,
	.newlink = new_device,
	.dellink = delete_device,
};

/**
 * cyg_device_init - offer the device kind
 */
int cyg_device_init(void)
{
	return rtnl_link_register(&link_ops);
}

/**
 * cyg_device_uninit - delete all devices
 */
void cyg_device_uninit(void)
{
	rtnl_link_unregister(&link_ops);
}

MODULE_ALIAS_RTNL_LINK("cygnet");
