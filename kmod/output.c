// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sending: from the device to an SA. Nothing leaves but through one.
 */
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/gso.h>
#include <net/ipv6.h>

#include "cygnet.h"

/* Will skb_copy_and_csum_dev() find what it takes for granted? */
static bool checksum_in_range(const struct sk_buff *skb)
{
	int start = skb_checksum_start_offset(skb);

	return skb->ip_summed != CHECKSUM_PARTIAL ||
	       (start >= 0 && start <= (int)skb_headlen(skb) &&
		start + skb->csum_offset + sizeof(__sum16) <= skb->len);
}

/* @len bytes, so that they can be read in one piece. */
static enum cygnet_drop pull(struct sk_buff *skb, u32 len)
{
	if (len > skb->len)
		return CYGNET_DROP_TX_MALFORMED;
	return pskb_may_pull(skb, len) ? 0 : CYGNET_DROP_TX_MEMORY;
}

/* What is asked for the length of segments reads there. */
static enum cygnet_drop pull_transport(struct sk_buff *skb)
{
	u32 len = skb_is_gso_tcp(skb) ? sizeof(struct tcphdr) : sizeof(struct udphdr);

	if (skb->ip_summed == CHECKSUM_PARTIAL)
		skb_set_transport_header(skb, skb_checksum_start_offset(skb));
	if (!skb_transport_header_was_set(skb) || skb_transport_offset(skb) < 0)
		return CYGNET_DROP_TX_MALFORMED;
	return pull(skb, skb_transport_offset(skb) + len);
}

/* Trusts nothing: tc and packet sockets hand over whatever they like. */
static enum cygnet_drop parse(struct sk_buff *skb, struct cyg_flow *flow)
{
	enum cygnet_drop reason = pull(skb, min_t(u32, skb->len, CYG_FLOW_PEEK));

	if (reason)
		return reason;
	skb_reset_network_header(skb);
	if (!cyg_flow_parse(flow, skb->data, skb_headlen(skb), skb->len, false))
		return CYGNET_DROP_TX_MALFORMED;
	/* The ICMP that we may answer with looks at it. */
	skb->protocol = flow->family == 4 ? htons(ETH_P_IP) : htons(ETH_P_IPV6);
	if (!checksum_in_range(skb))
		return CYGNET_DROP_TX_MALFORMED;
	if (!skb_is_gso(skb))
		return pskb_trim(skb, flow->length) ? CYGNET_DROP_TX_MEMORY : 0;
	return flow->length == skb->len ? pull_transport(skb) : CYGNET_DROP_TX_MALFORMED;
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

enum remedy { REMEDY_NONE, REMEDY_SEGMENT, REMEDY_FRAGMENT };

/**
 * struct attempt - to send a packet
 * @sa: that was to protect it, or NULL
 * @remedy: nothing has happened yet, the packet is to be cut up first
 * @told: its sender knows that it is too large
 * @mtu: of inner packets
 */
struct attempt {
	struct cyg_sa *sa;
	enum remedy remedy;
	bool told;
	u32 mtu;
};

/*
 * What fits by all that is known here, and not only by what a router further on
 * has said, is not lost for that: unless the policy wants the fragment bit, outer
 * fragments carry it until its sender has heard. He may not hear at all, and have
 * sent his SYN when nobody knew.
 */
static bool carries(const struct cyg_sa *sa, const struct sk_buff *skb,
		    const struct net_device *dev, const struct cyg_flow *flow)
{
	return READ_ONCE(sa->policy->options.df) == CYGNET_DF_CLEAR &&
	       fits(skb, flow, min(READ_ONCE(sa->route_inner), READ_ONCE(dev->mtu)));
}

/* Fragments show no ports: would they take the same way? */
static bool may_split(const struct cyg_sa *sa, const struct net_device *dev,
		      const struct cyg_flow *flow)
{
	const struct cyg_device *cyg = netdev_priv(dev);
	struct cyg_flow fragment = *flow;
	u8 action;

	fragment.has_ports = false;
	return sa->mode == CYGNET_MODE_TUNNEL &&
	       cyg_spd_lookup(&cyg->spd, &fragment, &action) == sa->policy;
}

/*
 * A packet larger than @attempt->mtu. Every link carries 1280 bytes of IPv6,
 * transport mode is for whole packets, and so are ports: then, too, it is the
 * outside that is fragmented.
 */
static enum cygnet_drop too_big(struct attempt *attempt, struct sk_buff *skb,
				const struct net_device *dev, const struct cyg_flow *flow)
{
	u32 least = flow->family == 6 ? IPV6_MIN_MTU : 0;
	bool may_fragment = cyg_ipaddr_may_fragment(skb, flow->family);

	if (!may_fragment && !(least && fits(skb, flow, least))) {
		if (!attempt->told)
			cyg_ipaddr_too_big(skb, flow, max(attempt->mtu, least));
		attempt->told = true;
		if (!carries(attempt->sa, skb, dev, flow))
			return CYGNET_DROP_TX_TOO_BIG;
	}
	if (skb_is_gso(skb))
		attempt->remedy = REMEDY_SEGMENT;
	else if (may_fragment && may_split(attempt->sa, dev, flow))
		attempt->remedy = REMEDY_FRAGMENT;
	return 0;
}

static enum cygnet_drop protect(struct attempt *attempt, struct sk_buff *skb,
				struct net_device *dev, const struct cyg_flow *flow,
				struct dst_entry *dst)
{
	struct cyg_sa *sa = attempt->sa;
	enum cygnet_drop reason = 0;

	attempt->mtu = min_t(u32, cyg_pmtu_inner(sa, dst), READ_ONCE(dev->mtu));
	if (!fits(skb, flow, attempt->mtu))
		reason = too_big(attempt, skb, dev, flow);
	if (reason || attempt->remedy)
		goto release;
	if (skb_is_gso(skb)) {
		if (!cyg_batch_send(sa, skb, flow, dst))
			attempt->remedy = REMEDY_SEGMENT;
		goto release;
	}
	if (sa->key.protocol == IPPROTO_AH)
		reason = cyg_ah_output(sa, skb, flow, dst);
	else if (cyg_linear_fits(sa) && !sa->tfc && !cyg_mss_is_syn(skb, flow))
		reason = cyg_batch_single(sa, skb, flow, dst);
	else
		reason = cyg_esp_output(sa, skb, flow, dst);
	if (!reason)
		return 0;
release:
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
				 struct attempt *attempt)
{
	struct dst_entry *dst;
	struct net_device *dev = cyg->dev;
	struct cyg_policy *policy;
	enum cygnet_drop reason;
	struct cyg_flow flow;
	u8 action;

	reason = parse(skb, &flow);
	if (reason)
		return reason;
	policy = cyg_spd_lookup(&cyg->spd, &flow, &action);
	if (!policy || action != CYGNET_ACTION_PROTECT) {
		cyg_ipaddr_prohibited(skb, &flow);
		return policy_refuses(policy, action);
	}
	attempt->sa = rcu_dereference(policy->sa);
	if (!attempt->sa) {
		cyg_netlink_acquire(policy, dev, &flow);
		return CYGNET_DROP_TX_NO_SA;
	}
	dst = cyg_ipaddr_route(attempt->sa);
	if (IS_ERR(dst))
		return route_error(PTR_ERR(dst));
	return protect(attempt, skb, dev, &flow, dst);
}

static void send(struct cyg_device *cyg, struct sk_buff *skb, struct attempt attempt);

static void transmit_pieces(struct cyg_device *cyg, struct sk_buff *skb,
			    const struct attempt *attempt)
{
	struct sk_buff *pieces, *next;
	enum cygnet_drop reason;

	if (attempt->remedy == REMEDY_SEGMENT)
		pieces = skb_gso_segment(skb, 0);
	else
		pieces = cyg_fragment_split(skb, attempt->mtu);
	if (IS_ERR_OR_NULL(pieces)) {
		reason = PTR_ERR(pieces) == -ENOMEM ? CYGNET_DROP_TX_MEMORY :
						      CYGNET_DROP_TX_MALFORMED;
		cyg_stats_drop(reason, cyg_net(dev_net(cyg->dev)), cyg->dev, NULL);
		cyg_stats_free_skb(skb, reason);
		return;
	}
	consume_skb(skb);
	skb_list_walk_safe(pieces, skb, next) {
		skb_mark_not_on_list(skb);
		send(cyg, skb, (struct attempt){ .told = attempt->told });
	}
}

static void send(struct cyg_device *cyg, struct sk_buff *skb, struct attempt attempt)
{
	struct cyg_net *cn = cyg_net(dev_net(cyg->dev));
	enum cygnet_drop reason;

	rcu_read_lock();
	reason = transmit(cyg, skb, &attempt);
	if (reason)
		cyg_stats_drop(reason, cn, cyg->dev, attempt.sa);
	rcu_read_unlock();
	if (attempt.remedy)
		transmit_pieces(cyg, skb, &attempt);
	else
		cyg_stats_free_skb(skb, reason);
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
	send(cyg, skb, (struct attempt){});
}
