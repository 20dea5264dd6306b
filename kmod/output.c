// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sending: from the device to an SA. Nothing leaves but through one.
 */
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/gso.h>

#include "cygnet.h"

/* Will skb_copy_and_csum_dev() find what it takes for granted? */
static bool checksum_in_range(const struct sk_buff *skb)
{
	int start = skb_checksum_start_offset(skb);

	return skb->ip_summed != CHECKSUM_PARTIAL ||
	       (start >= 0 && start <= (int)skb_headlen(skb) &&
		start + skb->csum_offset + sizeof(__sum16) <= skb->len);
}

/* What is asked for the length of segments reads there. */
static bool has_transport(struct sk_buff *skb)
{
	u32 len = skb_is_gso_tcp(skb) ? sizeof(struct tcphdr) : sizeof(struct udphdr);

	if (skb->ip_summed == CHECKSUM_PARTIAL)
		skb_set_transport_header(skb, skb_checksum_start_offset(skb));
	return skb_transport_header_was_set(skb) && skb_transport_offset(skb) >= 0 &&
	       pskb_may_pull(skb, skb_transport_offset(skb) + len);
}

/* Trusts nothing: tc and packet sockets hand over whatever they like. */
static bool parse(struct sk_buff *skb, struct cyg_flow *flow)
{
	if (!pskb_may_pull(skb, min_t(u32, skb->len, CYG_FLOW_PEEK)))
		return false;
	skb_reset_network_header(skb);
	if (!cyg_flow_parse(flow, skb->data, skb_headlen(skb), skb->len, false))
		return false;
	/* The ICMP that we may answer with looks at it. */
	skb->protocol = flow->family == 4 ? htons(ETH_P_IP) : htons(ETH_P_IPV6);
	if (!checksum_in_range(skb))
		return false;
	if (!skb_is_gso(skb))
		return !pskb_trim(skb, flow->length);
	return flow->length == skb->len && has_transport(skb);
}

static bool fits(const struct sk_buff *skb, const struct cyg_flow *flow, u32 mtu)
{
	return skb_is_gso(skb) ? skb_gso_validate_network_len(skb, mtu) :
				 flow->length <= mtu;
}

static enum cygnet_drop route_error(long err)
{
	return err == -ELOOP ? CYGNET_DROP_TX_LOOP : CYGNET_DROP_TX_NO_ROUTE;
}

/* Sets @pieces, and nothing else, if a super-packet must be cut up first. */
static enum cygnet_drop protect(struct cyg_policy *policy, struct sk_buff *skb,
				struct net_device *dev, const struct cyg_flow *flow,
				struct cyg_sa **used, bool *pieces)
{
	struct cyg_sa *sa = rcu_dereference(policy->sa);
	enum cygnet_drop reason;
	struct dst_entry *dst;

	if (!sa) {
		cyg_netlink_acquire(policy, dev, flow);
		return CYGNET_DROP_TX_NO_SA;
	}
	*used = sa;
	dst = cyg_ipaddr_route(sa);
	if (IS_ERR(dst))
		return route_error(PTR_ERR(dst));
	if (skb_is_gso(skb)) {
		*pieces = !cyg_batch_send(sa, skb, flow, dst);
		dst_release(dst);
		return 0;
	}
	if (sa->key.protocol == IPPROTO_AH)
		reason = cyg_ah_output(sa, skb, flow, dst);
	else if (cyg_linear_fits(sa))
		reason = cyg_batch_single(sa, skb, flow, dst);
	else
		reason = cyg_esp_output(sa, skb, flow, dst);
	if (reason)
		dst_release(dst);
	return reason;
}

static enum cygnet_drop policy_refuses(const struct cyg_policy *policy, u8 action)
{
	if (!policy)
		return CYGNET_DROP_TX_NO_POLICY;
	return action == CYGNET_ACTION_BYPASS ? CYGNET_DROP_TX_BYPASS :
						CYGNET_DROP_TX_DISCARD;
}

static enum cygnet_drop transmit(struct cyg_device *cyg, struct sk_buff *skb,
				 struct cyg_sa **used, bool *pieces)
{
	struct net_device *dev = cyg->dev;
	struct cyg_policy *policy;
	struct cyg_flow flow;
	u8 action;

	if (!parse(skb, &flow))
		return CYGNET_DROP_TX_MALFORMED;
	policy = cyg_spd_lookup(&cyg->spd, &flow, &action);
	if (!policy || action != CYGNET_ACTION_PROTECT) {
		cyg_ipaddr_prohibited(skb, &flow);
		return policy_refuses(policy, action);
	}
	if (!fits(skb, &flow, dev->mtu)) {
		cyg_ipaddr_too_big(skb, &flow, dev->mtu);
		return CYGNET_DROP_TX_TOO_BIG;
	}
	return protect(policy, skb, dev, &flow, used, pieces);
}

static void transmit_pieces(struct cyg_device *cyg, struct sk_buff *skb)
{
	struct sk_buff *segments, *next;

	segments = skb_gso_segment(skb, 0);
	if (IS_ERR_OR_NULL(segments)) {
		cyg_stats_drop(CYGNET_DROP_TX_MALFORMED, cyg_net(dev_net(cyg->dev)),
			       cyg->dev, NULL);
		cyg_stats_free_skb(skb, CYGNET_DROP_TX_MALFORMED);
		return;
	}
	consume_skb(skb);
	skb_list_walk_safe(segments, skb, next) {
		skb_mark_not_on_list(skb);
		cyg_output_xmit(cyg, skb);
	}
}

/**
 * cyg_output_xmit - protect a packet and send it
 * @cyg: the device it was sent to
 * @skb: from its inner IP header, maybe a super-packet; taken
 *
 * Call under RCU with BH off.
 */
void cyg_output_xmit(struct cyg_device *cyg, struct sk_buff *skb)
{
	struct cyg_net *cn = cyg_net(dev_net(cyg->dev));
	enum cygnet_drop reason;
	struct cyg_sa *sa = NULL;
	bool pieces = false;

	rcu_read_lock();
	reason = transmit(cyg, skb, &sa, &pieces);
	if (reason)
		cyg_stats_drop(reason, cn, cyg->dev, sa);
	rcu_read_unlock();
	if (pieces)
		transmit_pieces(cyg, skb);
	else
		cyg_stats_free_skb(skb, reason);
}
