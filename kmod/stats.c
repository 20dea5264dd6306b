// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters of drops, with a tracepoint, and of objects alive.
 */
#include <linux/percpu.h>
#include <net/dropreason.h>

#include "cygnet.h"

#define CREATE_TRACE_POINTS
#include "tracepoints.h"

/* Between two events about rejected packets. */
#define SUMMARY_INTERVAL	HZ

static atomic_t alive[CYG_KINDS];

/**
 * cyg_stats_born - an object came to life
 * @kind: of which sort
 */
void cyg_stats_born(enum cyg_kind kind)
{
	atomic_inc(&alive[kind]);
}

/**
 * cyg_stats_died - an object's memory goes back
 * @kind: of which sort
 */
void cyg_stats_died(enum cyg_kind kind)
{
	atomic_dec(&alive[kind]);
}

/**
 * cyg_stats_report - at the very end: was everything given back?
 */
void cyg_stats_report(void)
{
	int net = atomic_read(&alive[CYG_KIND_NET]);
	int device = atomic_read(&alive[CYG_KIND_DEVICE]);
	int policy = atomic_read(&alive[CYG_KIND_POLICY]);
	int sa = atomic_read(&alive[CYG_KIND_SA]);

	if (WARN_ON(net || device || policy || sa))
		pr_err("unloaded, leaked %d namespaces, %d devices, %d policies, %d SAs\n",
		       net, device, policy, sa);
	else
		pr_info("unloaded, nothing left behind\n");
}

/**
 * cyg_stats_fold - read one counter
 * @drops: per-CPU counters
 * @reason: which
 */
u64 cyg_stats_fold(const struct cyg_drops __percpu *drops, enum cygnet_drop reason)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(drops, cpu)->packets[reason]);
	return sum;
}

/* One event tells of all that is dropped within the interval. */
static void note_rejected(struct cyg_rejected *rejected, enum cygnet_drop reason,
			  const struct net_device *dev, const struct cyg_sa *sa)
{
	if (reason == CYGNET_DROP_RX_DUMMY)
		return;
	WRITE_ONCE(rejected->ifindex[reason], dev ? dev->ifindex : 0);
	WRITE_ONCE(rejected->spi[reason], sa ? sa->key.spi : 0);
	if (!READ_ONCE(rejected->pending) && !xchg(&rejected->pending, true))
		schedule_delayed_work(&rejected->work, SUMMARY_INTERVAL);
}

static void tell_rejected(struct work_struct *work)
{
	struct cyg_rejected *rejected =
		container_of(to_delayed_work(work), struct cyg_rejected, work);

	/* What is dropped from now on may be told of twice, but not missed. */
	xchg(&rejected->pending, false);
	cyg_netlink_rejected(container_of(rejected, struct cyg_net, rejected));
}

/**
 * cyg_stats_open - counters at zero
 * @cn: namespace
 */
int cyg_stats_open(struct cyg_net *cn)
{
	cn->drops = alloc_percpu(struct cyg_drops);
	if (!cn->drops)
		return -ENOMEM;
	INIT_DELAYED_WORK(&cn->rejected.work, tell_rejected);
	return 0;
}

/**
 * cyg_stats_close - count no more
 * @cn: namespace without packets
 */
void cyg_stats_close(struct cyg_net *cn)
{
	cancel_delayed_work_sync(&cn->rejected.work);
	free_percpu(cn->drops);
}

/**
 * cyg_stats_drops - count dropped packets wherever they belong
 * @reason: why
 * @cn: namespace
 * @dev: cygnet device, or NULL if not known
 * @sa: SA, or NULL if not known
 * @count: how many
 */
void cyg_stats_drops(enum cygnet_drop reason, struct cyg_net *cn,
		     struct net_device *dev, struct cyg_sa *sa, u32 count)
{
	trace_cygnet_drop(reason, dev, sa, count);
	this_cpu_add(cn->drops->packets[reason], count);
	if (dev) {
		struct cyg_device *cyg = netdev_priv(dev);

		this_cpu_add(cyg->drops->packets[reason], count);
	}
	if (sa)
		this_cpu_add(sa->drops->packets[reason], count);
	note_rejected(&cn->rejected, reason, dev, sa);
}

/**
 * cyg_stats_drop - count a dropped packet wherever it belongs
 * @reason: why
 * @cn: namespace
 * @dev: cygnet device, or NULL if not known
 * @sa: SA, or NULL if not known
 */
void cyg_stats_drop(enum cygnet_drop reason, struct cyg_net *cn,
		    struct net_device *dev, struct cyg_sa *sa)
{
	cyg_stats_drops(reason, cn, dev, sa, 1);
}

/**
 * cyg_stats_drop_sa - the same, where an SA says all
 * @reason: why
 * @sa: the SA
 *
 * Call under rcu_read_lock().
 */
void cyg_stats_drop_sa(enum cygnet_drop reason, struct cyg_sa *sa)
{
	cyg_stats_drop(reason, sa->cn, rcu_dereference(sa->policy->dev), sa);
}

/* The nearest that the core has. */
static enum skb_drop_reason core_reason(enum cygnet_drop reason)
{
	switch (reason) {
	case CYGNET_DROP_RX_SHORT:
		return SKB_DROP_REASON_PKT_TOO_SMALL;
	case CYGNET_DROP_RX_CHECKSUM:
		return SKB_DROP_REASON_UDP_CSUM;
	case CYGNET_DROP_RX_CONNTRACK:
		return SKB_DROP_REASON_NETFILTER_DROP;
	case CYGNET_DROP_RX_INNER:
	case CYGNET_DROP_RX_ECN:
	case CYGNET_DROP_TX_MALFORMED:
		return SKB_DROP_REASON_IP_INHDR;
	case CYGNET_DROP_RX_NEXT_HEADER:
		return SKB_DROP_REASON_IP_NOPROTO;
	case CYGNET_DROP_RX_QUEUE:
	case CYGNET_DROP_TX_QUEUE:
		return SKB_DROP_REASON_CPU_BACKLOG;
	case CYGNET_DROP_RX_DEVICE:
		return SKB_DROP_REASON_DEV_READY;
	case CYGNET_DROP_RX_MEMORY:
	case CYGNET_DROP_TX_MEMORY:
		return SKB_DROP_REASON_NOMEM;
	case CYGNET_DROP_TX_TOO_BIG:
		return SKB_DROP_REASON_PKT_TOO_BIG;
	case CYGNET_DROP_TX_NO_ROUTE:
	case CYGNET_DROP_TX_LOOP:
		return SKB_DROP_REASON_IP_OUTNOROUTES;
	default:
		return SKB_DROP_REASON_XFRM_POLICY;
	}
}

/**
 * cyg_stats_free_skb - free a packet, dropped or not
 * @skb: the packet
 * @reason: why it was dropped, 0 if it was not
 */
void cyg_stats_free_skb(struct sk_buff *skb, enum cygnet_drop reason)
{
	if (reason)
		kfree_skb_reason(skb, core_reason(reason));
	else
		consume_skb(skb);
}
