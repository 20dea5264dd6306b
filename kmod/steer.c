// SPDX-License-Identifier: GPL-2.0-only
/*
 * Policy-based: what a steer policy protects is pulled into the policy's device
 * wherever it was routed, and what should have come protected does not get in.
 *
 *	LOCAL_OUT, last		behind mangle and NAT of the destination
 *	FORWARD, first		before a flowtable copies the route
 *		give the packet the policy's own route, which leads to its
 *		device; from there on the stack sees an ordinary interface
 *	POST_ROUTING		behind NAT of the source
 *		drop what matches only now
 *	LOCAL_IN, last; FORWARD
 *		drop cleartext that a policy wants protected
 *
 * Fragments show no ports, so a namespace with steer policies reassembles what
 * it forwards (nf_defrag), as connection tracking does.
 *
 * Outer packets of ours are told from all others by their control socket. Every
 * other way out of a hook is either the policy's route or a drop.
 */
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/udp.h>
#include <net/addrconf.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/netfilter/ipv4/nf_defrag_ipv4.h>
#include <net/netfilter/ipv6/nf_defrag_ipv6.h>
#include <net/route.h>
#include <net/xfrm.h>

#include "cygnet.h"

enum {
	PORT_DHCP_SERVER = 67,
	PORT_DHCP_CLIENT = 68,
	PORT_IKE = 500,
	PORT_DHCP6_CLIENT = 546,
	PORT_DHCP6_SERVER = 547,
};

static u8 family_of(const struct nf_hook_state *state)
{
	return state->pf == NFPROTO_IPV4 ? 4 : 6;
}

/* What a packet is. */

/* Longer than its header can say, until it is cut up. */
static bool parse_big(const struct sk_buff *skb, struct cyg_flow *flow, bool inbound)
{
	u32 linear = min_t(u32, skb_headlen(skb), CYG_FLOW_PEEK);
	u8 copy[CYG_FLOW_PEEK] __aligned(4);

	memcpy(copy, skb->data, linear);
	if (copy[0] >> 4 == 4)
		((struct iphdr *)copy)->tot_len = htons(U16_MAX);
	else
		((struct ipv6hdr *)copy)->payload_len = htons(U16_MAX - sizeof(struct ipv6hdr));
	return cyg_flow_parse(flow, copy, linear, skb->len, inbound);
}

static bool parse_linear(const struct sk_buff *skb, struct cyg_flow *flow, bool inbound)
{
	if (skb->len > U16_MAX)
		return parse_big(skb, flow, inbound);
	return cyg_flow_parse(flow, skb->data, skb_headlen(skb), skb->len, inbound);
}

/* Only what hides its ports is worth to be made linear. */
static int parse(struct sk_buff *skb, struct cyg_flow *flow, bool inbound)
{
	u32 peek = min_t(u32, skb->len, CYG_FLOW_PEEK);

	if (!parse_linear(skb, flow, inbound))
		return -EINVAL;
	if (flow->has_ports || skb_headlen(skb) >= peek)
		return 0;
	if (!pskb_may_pull(skb, peek))
		return -ENOMEM;
	return parse_linear(skb, flow, inbound) ? 0 : -EINVAL;
}

/* A fragment that was not reassembled, where some policy asks for ports. */
static bool hides_ports(struct cyg_net *cn, const struct sk_buff *skb,
			const struct cyg_flow *flow)
{
	unsigned int at = 0;

	if (flow->has_ports || !READ_ONCE(cn->steer_ports))
		return false;
	if (flow->family == 4)
		return ip_is_fragment(ip_hdr(skb));
	return ipv6_find_hdr(skb, &at, NEXTHDR_FRAGMENT, NULL, NULL) >= 0;
}

/* What is exempt. */

static bool is_special(const struct cyg_addr *addr, u8 family)
{
	if (family == 4)
		return ipv4_is_multicast(addr->w[0]) || ipv4_is_lbcast(addr->w[0]) ||
		       ipv4_is_loopback(addr->w[0]) || ipv4_is_linklocal_169(addr->w[0]);
	return ipv6_addr_type((const struct in6_addr *)addr) &
	       (IPV6_ADDR_MULTICAST | IPV6_ADDR_LOOPBACK | IPV6_ADDR_LINKLOCAL);
}

static bool names_side(const struct cyg_addr *addr, const struct cyg_addr *first,
		       const struct cyg_addr *last, u8 family)
{
	return !is_special(addr, family) ||
	       (is_special(first, family) && is_special(last, family));
}

/*
 * Multicast, link-local and loopback addresses are nobody's but who names them:
 * to be taken by a wide selector is not enough.
 */
static bool is_named(const struct cyg_policy *policy, const struct cyg_flow *flow)
{
	const struct cyg_rules *rules = rcu_dereference(policy->rules);
	const struct cyg_selector *s;
	u32 i;

	for (i = 0; i < rules->count; i++) {
		s = &rules->entries[i].selector;
		if (names_side(&flow->local, &s->local_first, &s->local_last,
			       flow->family) &&
		    names_side(&flow->remote, &s->remote_first, &s->remote_last,
			       flow->family) &&
		    cyg_selector_matches(s, flow))
			return true;
	}
	return false;
}

static bool is_ike_port(struct cyg_net *cn, u16 port)
{
	return port == PORT_IKE || xa_load(&cn->ports, port);
}

static bool port_pair(const struct cyg_flow *flow, u16 one, u16 other)
{
	return flow->has_ports &&
	       ((flow->local_port == one && flow->remote_port == other) ||
		(flow->local_port == other && flow->remote_port == one));
}

static bool is_dhcp(const struct cyg_flow *flow)
{
	if (flow->protocol != IPPROTO_UDP)
		return false;
	return flow->family == 4 ? port_pair(flow, PORT_DHCP_CLIENT, PORT_DHCP_SERVER) :
				   port_pair(flow, PORT_DHCP6_CLIENT, PORT_DHCP6_SERVER);
}

/* Without which there would be no link: MLD, neighbours, routers, IGMP. */
static bool is_link_control(const struct cyg_flow *flow)
{
	u8 type = flow->local_port >> 8;

	if (flow->family == 4)
		return flow->protocol == IPPROTO_IGMP;
	return flow->protocol == IPPROTO_ICMPV6 && flow->has_ports &&
	       ((type >= ICMPV6_MGM_QUERY && type <= NDISC_REDIRECT) ||
		type == ICMPV6_MLD2_REPORT);
}

/* A socket at a port of IKE. */
static bool is_ike_socket(struct cyg_net *cn, const struct sock *sk)
{
	return sk_fullsock(sk) && sk->sk_protocol == IPPROTO_UDP &&
	       is_ike_port(cn, inet_sk(sk)->inet_num);
}

/* @sk is NULL for what is only forwarded. */
static bool is_exempt_out(struct cyg_net *cn, const struct cyg_policy *policy,
			  const struct cyg_flow *flow, const struct sock *sk)
{
	if (!is_named(policy, flow))
		return true;
	return sk && (is_link_control(flow) || is_dhcp(flow) || is_ike_socket(cn, sk));
}

/* What is still to be decrypted is, too. */
static bool is_exempt_in(struct cyg_net *cn, const struct cyg_policy *policy,
			 const struct cyg_flow *flow, bool local)
{
	if (!is_named(policy, flow))
		return true;
	if (!local)
		return false;
	switch (flow->protocol) {
	case IPPROTO_ESP:
	case IPPROTO_AH:
		return true;
	case IPPROTO_UDP:
		if (flow->has_ports && is_ike_port(cn, flow->local_port))
			return true;
		break;
	}
	return is_link_control(flow) || is_dhcp(flow);
}

static bool is_bridged(const struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_BRIDGE_NETFILTER)
	return nf_bridge_get_physoutif(skb);
#else
	return false;
#endif
}

static bool is_for_this_host(const struct dst_entry *dst, u8 family)
{
	if (dst->dev->flags & IFF_LOOPBACK)
		return true;
	return family == 4 ? ((const struct rtable *)dst)->rt_flags & RTCF_LOCAL :
			     ((const struct rt6_info *)dst)->rt6i_flags & RTF_LOCAL;
}

/* Nothing for us, or for us already. */
static bool is_settled(struct cyg_net *cn, const struct sk_buff *skb,
		       const struct nf_hook_state *state)
{
	const struct dst_entry *dst = skb_dst(skb);
	u8 family = family_of(state);

	return (state->sk && state->sk == cn->control[family == 6]) || is_bridged(skb) ||
	       !dst || cyg_device_is(dst->dev) || is_for_this_host(dst, family);
}

/* A policy's routes. */

/*
 * The stack must not cut up what loses its ports with that, or what transport
 * mode takes only whole; then the device does, outside.
 */
static bool is_kept_whole(const struct cyg_policy *policy)
{
	const struct cyg_rules *rules = rcu_dereference(policy->rules);

	return policy->mode == CYGNET_MODE_TRANSPORT || cyg_steer_asks_ports(rules);
}

static bool set_mtu(struct dst_entry *dst, u32 mtu)
{
	u32 *metrics = dst_cow_metrics_generic(dst, dst->_metrics);

	if (!metrics)
		return false;
	metrics[RTAX_MTU - 1] = mtu;
	return true;
}

static struct dst_entry *new_route4(struct net_device *dev)
{
	struct rtable *rt = rt_dst_alloc(dev, 0, RTN_UNICAST, true);

	return rt ? &rt->dst : NULL;
}

/* One neighbour, which needs no address, is enough. */
static struct dst_entry *new_route6(struct net_device *dev)
{
	struct net *net = dev_net(dev);
	struct rt6_info *rt = ip6_dst_alloc(net, dev, DST_NOXFRM);

	if (!rt)
		return NULL;
	rt->dst.output = ip6_output;
	rt->rt6i_idev = in6_dev_get(dev);
	rt->rt6i_flags = RTF_UP | RTF_GATEWAY;
	rt->sernum = rt_genid_ipv6(net);
	return &rt->dst;
}

static struct dst_entry *new_route(const struct cyg_policy *policy,
				   struct net_device *dev, u8 family)
{
	struct dst_entry *dst = family == 4 ? new_route4(dev) : new_route6(dev);

	if (dst && is_kept_whole(policy) && !set_mtu(dst, IP_MAX_MTU)) {
		dst_release(dst);
		return NULL;
	}
	return dst;
}

/*
 * Who holds the route before this one, as a packet in a queue may, gets one more
 * generation; who holds an older one finds that it leads nowhere. So no route
 * holds the device when that goes.
 */
static struct dst_entry *renew_route(struct cyg_policy *policy, u8 family)
{
	struct dst_entry __rcu **routes = policy->routes[family == 6];
	struct dst_entry *dst, *old;
	struct net_device *dev;

	spin_lock_bh(&policy->lock);
	old = rcu_dereference_protected(routes[0], lockdep_is_held(&policy->lock));
	dst = old && dst_check(old, 0) ? old : NULL;
	dev = rcu_dereference(policy->dev);
	if (!dst && dev)
		dst = new_route(policy, dev, family);
	if (dst && dst != old) {
		rcu_assign_pointer(routes[0], dst);
		old = rcu_replace_pointer(routes[1], old, lockdep_is_held(&policy->lock));
		if (old) {
			dst_dev_put(old);
			dst_release(old);
		}
	}
	spin_unlock_bh(&policy->lock);
	return dst;
}

static struct dst_entry *route_of(struct cyg_policy *policy, u8 family)
{
	struct dst_entry *dst = rcu_dereference(policy->routes[family == 6][0]);

	if (dst && dst_check(dst, 0))
		return dst;
	return renew_route(policy, family);
}

static void close_routes(struct cyg_policy *policy)
{
	struct dst_entry *dst;
	int i;

	spin_lock_bh(&policy->lock);
	for (i = 0; i < 4; i++) {
		dst = rcu_replace_pointer(policy->routes[i / 2][i % 2], NULL,
					  lockdep_is_held(&policy->lock));
		if (dst) {
			dst_dev_put(dst);
			dst_release(dst);
		}
	}
	spin_unlock_bh(&policy->lock);
}

/* Hooks. */

static unsigned int drop(enum cygnet_drop reason, struct cyg_net *cn,
			 const struct cyg_policy *policy)
{
	cyg_stats_drop(reason, cn, policy ? rcu_dereference(policy->dev) : NULL, NULL);
	return NF_DROP;
}

/*
 * The policy that a packet on its way out falls under, or NULL with the verdict
 * on one that falls under none.
 */
static struct cyg_policy *match_out(struct cyg_net *cn, struct sk_buff *skb,
				    const struct nf_hook_state *state,
				    struct cyg_flow *flow, u8 *action,
				    unsigned int *verdict)
{
	struct cyg_policy *policy;
	int err;

	*verdict = NF_ACCEPT;
	err = parse(skb, flow, false);
	if (err) {
		*verdict = drop(err == -ENOMEM ? CYGNET_DROP_TX_MEMORY :
				CYGNET_DROP_TX_MALFORMED, cn, NULL);
		return NULL;
	}
	policy = cyg_spd_lookup(&cn->steer, flow, action);
	if (!policy && hides_ports(cn, skb, flow))
		*verdict = drop(CYGNET_DROP_TX_FRAGMENT, cn, NULL);
	if (!policy || *action == CYGNET_ACTION_BYPASS ||
	    is_exempt_out(cn, policy, flow, state->sk))
		return NULL;
	return policy;
}

/* Nor cut it up anew where it was in fragments. */
static void forget_fragments(struct sk_buff *skb, u8 family)
{
	if (family == 4)
		IPCB(skb)->frag_max_size = 0;
	else
		IP6CB(skb)->frag_max_size = 0;
}

static unsigned int divert(struct cyg_net *cn, struct sk_buff *skb,
			   const struct nf_hook_state *state, struct cyg_policy *policy,
			   u8 family)
{
	struct dst_entry *dst = route_of(policy, family);

	/* There is always a route into a device, unless there is no memory for it. */
	if (!dst)
		return drop(rcu_access_pointer(policy->dev) ? CYGNET_DROP_TX_MEMORY :
							      CYGNET_DROP_TX_DEVICE,
			    cn, policy);
	if (is_kept_whole(policy))
		forget_fragments(skb, family);
	if (state->hook == NF_INET_FORWARD) {
		skb_dst_drop(skb);
		skb_dst_set_noref(skb, dst);
		return NF_ACCEPT;
	}
	if (!dst_hold_safe(dst))
		return drop(CYGNET_DROP_TX_DEVICE, cn, policy);
	skb_dst_drop(skb);
	skb_dst_set(skb, dst);
	return NF_ACCEPT;
}

/* Is what comes from that device, or did, decrypted by us? */
static bool came_protected(struct cyg_net *cn, const struct sk_buff *skb,
			   const struct nf_hook_state *state)
{
	const struct sec_path *path = skb_sec_path(skb);
	const struct net_device *dev = state->in;

	if (path && path->len == 1 && path->xvec[0] == cn->token)
		return true;
	if (netif_is_l3_master(dev))
		dev = dev_get_by_index_rcu(state->net, state->pf == NFPROTO_IPV4 ?
					   IPCB(skb)->iif : IP6CB(skb)->iif);
	return dev && cyg_device_is(dev);
}

static unsigned int check_in(struct cyg_net *cn, struct sk_buff *skb,
			     const struct nf_hook_state *state)
{
	struct cyg_policy *policy;
	struct cyg_flow flow;
	u8 action;
	int err;

	if (came_protected(cn, skb, state) || state->in->flags & IFF_LOOPBACK ||
	    skb->pkt_type == PACKET_LOOPBACK)
		return NF_ACCEPT;
	err = parse(skb, &flow, true);
	if (err)
		return drop(err == -ENOMEM ? CYGNET_DROP_RX_MEMORY :
			    CYGNET_DROP_RX_CLEARTEXT, cn, NULL);
	policy = cyg_spd_lookup(&cn->steer, &flow, &action);
	if (!policy)
		return hides_ports(cn, skb, &flow) ?
		       drop(CYGNET_DROP_RX_CLEARTEXT, cn, NULL) : NF_ACCEPT;
	if (action == CYGNET_ACTION_BYPASS ||
	    is_exempt_in(cn, policy, &flow, state->hook == NF_INET_LOCAL_IN))
		return NF_ACCEPT;
	return drop(action == CYGNET_ACTION_DISCARD ? CYGNET_DROP_RX_DISCARD :
		    CYGNET_DROP_RX_CLEARTEXT, cn, policy);
}

static unsigned int local_out(void *priv, struct sk_buff *skb,
			      const struct nf_hook_state *state)
{
	struct cyg_net *cn = cyg_net(state->net);
	struct cyg_policy *policy;
	struct cyg_flow flow;
	unsigned int verdict;
	u8 action;

	if (is_settled(cn, skb, state))
		return NF_ACCEPT;
	policy = match_out(cn, skb, state, &flow, &action, &verdict);
	if (!policy)
		return verdict;
	if (action == CYGNET_ACTION_DISCARD)
		return drop(CYGNET_DROP_TX_DISCARD, cn, policy);
	return divert(cn, skb, state, policy, flow.family);
}

/*
 * What goes into the tunnel may have come in clear: with a policy for all
 * addresses that is everything.
 */
static unsigned int forward(void *priv, struct sk_buff *skb,
			    const struct nf_hook_state *state)
{
	struct cyg_net *cn = cyg_net(state->net);
	struct cyg_policy *policy;
	struct cyg_flow flow;
	unsigned int verdict;
	u8 action;

	if (is_bridged(skb))
		return NF_ACCEPT;
	if (is_settled(cn, skb, state))
		return check_in(cn, skb, state);
	policy = match_out(cn, skb, state, &flow, &action, &verdict);
	if (!policy)
		return verdict == NF_ACCEPT ? check_in(cn, skb, state) : verdict;
	if (action == CYGNET_ACTION_DISCARD) {
		cyg_ipaddr_prohibited(skb, &flow);
		return drop(CYGNET_DROP_TX_DISCARD, cn, policy);
	}
	return divert(cn, skb, state, policy, flow.family);
}

static unsigned int local_in(void *priv, struct sk_buff *skb,
			     const struct nf_hook_state *state)
{
	return check_in(cyg_net(state->net), skb, state);
}

static unsigned int post_routing(void *priv, struct sk_buff *skb,
				 const struct nf_hook_state *state)
{
	struct cyg_net *cn = cyg_net(state->net);
	struct cyg_policy *policy;
	struct cyg_flow flow;
	unsigned int verdict;
	u8 action;

	if (is_settled(cn, skb, state))
		return NF_ACCEPT;
	policy = match_out(cn, skb, state, &flow, &action, &verdict);
	if (!policy)
		return verdict;
	return drop(CYGNET_DROP_TX_WOULD_LEAK, cn, policy);
}

#define HOOK(family, function, number, order) {	\
	.hook = function,			\
	.pf = family,				\
	.hooknum = number,			\
	.priority = order,			\
}

/* Connections are confirmed at INT_MAX, but for those that are dropped. */
static const struct nf_hook_ops hooks[] = {
	HOOK(NFPROTO_IPV4, local_out, NF_INET_LOCAL_OUT, INT_MAX),
	HOOK(NFPROTO_IPV6, local_out, NF_INET_LOCAL_OUT, INT_MAX),
	HOOK(NFPROTO_IPV4, forward, NF_INET_FORWARD, INT_MIN),
	HOOK(NFPROTO_IPV6, forward, NF_INET_FORWARD, INT_MIN),
	HOOK(NFPROTO_IPV4, post_routing, NF_INET_POST_ROUTING, INT_MAX - 1),
	HOOK(NFPROTO_IPV6, post_routing, NF_INET_POST_ROUTING, INT_MAX - 1),
	HOOK(NFPROTO_IPV4, local_in, NF_INET_LOCAL_IN, INT_MAX),
	HOOK(NFPROTO_IPV6, local_in, NF_INET_LOCAL_IN, INT_MAX),
};

static int register_hooks(struct net *net)
{
	int err;

	err = nf_defrag_ipv4_enable(net);
	if (err)
		return err;
	err = nf_defrag_ipv6_enable(net);
	if (err)
		goto disable4;
	err = nf_register_net_hooks(net, hooks, ARRAY_SIZE(hooks));
	if (err)
		goto disable6;
	return 0;

disable6:
	nf_defrag_ipv6_disable(net);
disable4:
	nf_defrag_ipv4_disable(net);
	return err;
}

static void unregister_hooks(struct net *net)
{
	nf_unregister_net_hooks(net, hooks, ARRAY_SIZE(hooks));
	nf_defrag_ipv6_disable(net);
	nf_defrag_ipv4_disable(net);
}

/* Control. */

/**
 * cyg_steer_asks_ports - does a selector of a policy ask for ports?
 * @rules: of the policy
 */
bool cyg_steer_asks_ports(const struct cyg_rules *rules)
{
	const struct cyg_selector *s;
	u32 i;

	for (i = 0; i < rules->count; i++) {
		s = &rules->entries[i].selector;
		if (s->local_port_first || s->local_port_last != U16_MAX ||
		    s->remote_port_first || s->remote_port_last != U16_MAX)
			return true;
	}
	return false;
}

/**
 * cyg_steer_add - one policy more is about to steer
 * @cn: namespace, locked
 */
int cyg_steer_add(struct cyg_net *cn)
{
	int err = 0;

	lockdep_assert_held(&cn->lock);
	if (!cn->steer_count)
		err = register_hooks(cn->net);
	if (!err)
		cn->steer_count++;
	return err;
}

/**
 * cyg_steer_del - one policy less steers
 * @cn: namespace, locked
 */
void cyg_steer_del(struct cyg_net *cn)
{
	lockdep_assert_held(&cn->lock);
	if (!cn->steer_count || --cn->steer_count)
		return;
	WRITE_ONCE(cn->steer_ports, false);
	unregister_hooks(cn->net);
}

/**
 * cyg_steer_changed - the policies that steer are others now
 * @cn: namespace, locked
 * @policy: that is new, has changed, or has gone
 * @moved: it is not on the device any more that it was on
 *
 * Flowtables have copied routes of packets that are to be steered now, and see
 * that these are invalid. What was in a hook meanwhile may make another copy,
 * so once more when all have left.
 */
void cyg_steer_changed(struct cyg_net *cn, struct cyg_policy *policy, bool moved)
{
	const struct cyg_rules *rules;

	lockdep_assert_held(&cn->lock);
	rules = rcu_dereference_protected(policy->rules, lockdep_is_held(&cn->lock));
	if (moved || !rules->steer)
		close_routes(policy);
	if (!cn->steer_count)
		return;
	if (rules->steer && cyg_steer_asks_ports(rules))
		WRITE_ONCE(cn->steer_ports, true);
	rt_genid_bump_all(cn->net);
	cn->steer_generation++;
	if (queue_rcu_work(cyg_wq, &cn->steer_work))
		cn->steer_settled = cn->steer_generation;
}

static void settle(struct work_struct *work)
{
	struct cyg_net *cn = container_of(to_rcu_work(work), struct cyg_net, steer_work);

	mutex_lock(&cn->lock);
	rt_genid_bump_all(cn->net);
	if (cn->steer_settled != cn->steer_generation &&
	    queue_rcu_work(cyg_wq, &cn->steer_work))
		cn->steer_settled = cn->steer_generation;
	mutex_unlock(&cn->lock);
}

/**
 * cyg_steer_mark - say of a packet that it came protected
 * @sa: that it came by
 * @skb: decrypted
 *
 * With a security path, whose only state stands for all of ours, the stack
 * spares a packet its reverse path filter, which looks for a route that steering
 * does without; flowtables leave it alone, which would look for that route too
 * and send the answers there in clear; and nftables knows it by "meta ipsec
 * exists".
 *
 * Call under rcu_read_lock().
 *
 * Return: false if memory is short
 */
bool cyg_steer_mark(const struct cyg_sa *sa, struct sk_buff *skb)
{
	struct sec_path *path;

	if (sa->mode != CYGNET_MODE_TRANSPORT &&
	    !rcu_dereference(sa->policy->rules)->steer)
		return true;
	path = secpath_set(skb);
	if (!path)
		return false;
	xfrm_state_hold(sa->cn->token);
	path->xvec[path->len++] = sa->cn->token;
	return true;
}

/**
 * cyg_steer_open - nothing steers yet
 * @cn: namespace
 *
 * The token is no SA and in no table. Kernel xfrm, which does not take an empty
 * path, finds that it matches everything and asks for nothing.
 */
int cyg_steer_open(struct cyg_net *cn)
{
	INIT_RCU_WORK(&cn->steer_work, settle);
	cn->token = xfrm_state_alloc(cn->net);
	if (!cn->token)
		return -ENOMEM;
	cn->token->props.mode = XFRM_MODE_TRANSPORT;
	cn->token->km.state = XFRM_STATE_DEAD;
	return 0;
}

/**
 * cyg_steer_free - the end; packets may still hold the token
 * @cn: namespace
 */
void cyg_steer_free(struct cyg_net *cn)
{
	xfrm_state_put(cn->token);
}

/**
 * cyg_steer_close - stop to steer, whatever policies there are
 * @cn: namespace that is going away; a grace period follows
 */
void cyg_steer_close(struct cyg_net *cn)
{
	mutex_lock(&cn->lock);
	if (cn->steer_count)
		unregister_hooks(cn->net);
	cn->steer_count = 0;
	mutex_unlock(&cn->lock);
	while (flush_rcu_work(&cn->steer_work))
		;
}
