// SPDX-License-Identifier: GPL-2.0-only
/*
 * Path MTU (RFC 4301 section 8.2): how large an inner packet may be, so that
 * what becomes of it passes the outer path unfragmented.
 *
 * The outer path's MTU is the least of the device's, the route's and what
 * routers have said since. The stack's own memory of that (exceptions of routes)
 * is neither read, since anybody's ICMP can write there, nor written. A router
 * is believed if it quotes a packet that a living SA has sent: its SPI and a
 * number that it may have used, or, where 8 bytes of UDP are all there is, its
 * addresses and both ports. What was learnt holds for all SAs between the two
 * addresses, never goes below what every link carries, and is forgotten after
 * ten minutes, in case the path has become wider.
 */
#include <linux/hash.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/module.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv6.h>
#include <linux/slab.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "cygnet.h"

/* What an outer path has at least (RFC 791, RFC 8200 section 5). */
#define OUTER_MIN4	576
#define OUTER_MIN6	IPV6_MIN_MTU

/* What an inner link has at least (RFC 791). */
#define INNER_MIN	68

/* Pairs of addresses that something was learnt about, in one namespace. */
#define PATHS_MAX	16384

/* A quoted packet was one of the last that many. */
#define QUOTE_WINDOW	BIT(24)

static unsigned int pmtu_seconds = 600;
module_param(pmtu_seconds, uint, 0644);
MODULE_PARM_DESC(pmtu_seconds, "how long an outer path MTU that a router told us is kept");

/**
 * struct outer_path - what routers have said about the way between two addresses
 * @hash: in cyg_pmtu.hash
 * @node: in cyg_pmtu.paths
 * @src: outer source
 * @dst: outer destination
 * @family: of both, 4 or 6
 * @mtu: of outer packets
 * @until: jiffies
 */
struct outer_path {
	struct hlist_node hash;
	struct list_head node;
	struct cyg_addr src, dst;
	u8 family;
	u32 mtu;
	unsigned long until;
};

static u32 hash_path(const struct cyg_sa *sa)
{
	u32 word = (__force u32)(sa->src.w[0] ^ sa->dst.w[0] ^ sa->src.w[3] ^ sa->dst.w[3]);

	return hash_32(word, CYG_PMTU_HASH_BITS);
}

static struct outer_path *find_path(struct cyg_pmtu *pmtu, const struct cyg_sa *sa)
{
	struct outer_path *path;

	lockdep_assert_held(&pmtu->lock);
	hlist_for_each_entry(path, &pmtu->hash[hash_path(sa)], hash)
		if (path->family == sa->family && cyg_addr_equal(&path->src, &sa->src) &&
		    cyg_addr_equal(&path->dst, &sa->dst))
			return path;
	return NULL;
}

static void forget(struct cyg_pmtu *pmtu, struct outer_path *path)
{
	lockdep_assert_held(&pmtu->lock);
	hlist_del(&path->hash);
	list_del(&path->node);
	pmtu->count--;
	kfree(path);
}

/* SAs that had looked at these paths find their notes outdated. */
static void forget_old(struct timer_list *timer)
{
	struct cyg_pmtu *pmtu = timer_container_of(pmtu, timer, timer);
	struct outer_path *path, *next;

	spin_lock(&pmtu->lock);
	list_for_each_entry_safe(path, next, &pmtu->paths, node) {
		if (time_before(jiffies, path->until)) {
			mod_timer(timer, path->until);
			break;
		}
		forget(pmtu, path);
		WRITE_ONCE(pmtu->generation, pmtu->generation + 1);
	}
	spin_unlock(&pmtu->lock);
}

/* The path of an SA, new unless it is there. */
static struct outer_path *get_path(struct cyg_pmtu *pmtu, const struct cyg_sa *sa)
{
	struct outer_path *path = find_path(pmtu, sa);

	if (path || pmtu->count == PATHS_MAX)
		return path;
	path = kmalloc(sizeof(*path), GFP_ATOMIC | __GFP_NOWARN);
	if (!path)
		return NULL;
	path->src = sa->src;
	path->dst = sa->dst;
	path->family = sa->family;
	path->mtu = U32_MAX;
	hlist_add_head(&path->hash, &pmtu->hash[hash_path(sa)]);
	list_add_tail(&path->node, &pmtu->paths);
	pmtu->count++;
	return path;
}

static void learn(struct cyg_sa *sa, u32 mtu)
{
	struct cyg_pmtu *pmtu = &sa->cn->pmtu;
	struct outer_path *path;

	mtu = max_t(u32, mtu, sa->family == 4 ? OUTER_MIN4 : OUTER_MIN6);
	if (mtu >= READ_ONCE(sa->outer_mtu))
		return;
	spin_lock_bh(&pmtu->lock);
	path = get_path(pmtu, sa);
	if (path && mtu < path->mtu) {
		path->mtu = mtu;
		path->until = jiffies + READ_ONCE(pmtu_seconds) * HZ;
		list_move_tail(&path->node, &pmtu->paths);
		WRITE_ONCE(pmtu->generation, pmtu->generation + 1);
		if (!timer_pending(&pmtu->timer))
			mod_timer(&pmtu->timer, path->until);
	}
	spin_unlock_bh(&pmtu->lock);
}

/* What is left of @outer bytes for an inner packet. */
static u32 inner_mtu(const struct cyg_sa *sa, u32 outer)
{
	u32 header = cyg_ipaddr_header_len(sa->family);
	u32 own = sa->mode == CYGNET_MODE_TRANSPORT ? header : 0;
	u32 inner;

	if (sa->key.protocol == IPPROTO_AH) {
		inner = outer - header - cyg_ah_len(sa);
	} else {
		inner = outer - header - sizeof(struct cyg_esp_header) - sa->iv_len -
			sa->icv_len;
		if (cyg_sa_encapsulated(sa))
			inner -= sizeof(struct udphdr);
		inner = round_down((int)inner, sa->block) - sizeof(struct cyg_esp_trailer);
	}
	return max_t(int, inner + own, INNER_MIN);
}

/*
 * Under the SA's lock, so that what is noted last was seen last: no CPU can
 * leave what it has read before a change beside the generation after it.
 */
static u32 look(struct cyg_sa *sa, u32 route)
{
	struct cyg_pmtu *pmtu = &sa->cn->pmtu;
	u32 outer = route, inner;
	struct outer_path *path;

	spin_lock_bh(&sa->lock);
	spin_lock(&pmtu->lock);
	path = find_path(pmtu, sa);
	if (path)
		outer = min(outer, path->mtu);
	sa->pmtu_generation = pmtu->generation;
	spin_unlock(&pmtu->lock);
	inner = inner_mtu(sa, outer);
	WRITE_ONCE(sa->outer_mtu, outer);
	WRITE_ONCE(sa->mtu, inner);
	WRITE_ONCE(sa->route_inner, inner_mtu(sa, route));
	WRITE_ONCE(sa->route_mtu, route);
	spin_unlock_bh(&sa->lock);
	return inner;
}

/**
 * cyg_pmtu_inner - the largest inner packet that passes in one piece
 * @sa: outbound
 * @dst: route to the remote endpoint
 *
 * Call under rcu_read_lock().
 */
u32 cyg_pmtu_inner(struct cyg_sa *sa, const struct dst_entry *dst)
{
	u32 route = cyg_ipaddr_mtu(dst, sa->family);

	if (likely(route == READ_ONCE(sa->route_mtu) &&
		   READ_ONCE(sa->cn->pmtu.generation) == READ_ONCE(sa->pmtu_generation)))
		return READ_ONCE(sa->mtu);
	return look(sa, route);
}

/**
 * cyg_pmtu_policy - the same for the packets of a policy
 * @policy: the policy
 *
 * Call under rcu_read_lock().
 *
 * Return: 0 if it has no SA, or that no route
 */
u32 cyg_pmtu_policy(struct cyg_policy *policy)
{
	const struct net_device *dev = rcu_dereference(policy->dev);
	struct cyg_sa *sa = rcu_dereference(policy->sa);
	struct dst_entry *dst;
	u32 mtu = 0;

	if (!sa || !dev)
		return 0;
	local_bh_disable();
	dst = cyg_ipaddr_route(sa);
	if (!IS_ERR(dst)) {
		mtu = min_t(u32, cyg_pmtu_inner(sa, dst), READ_ONCE(dev->mtu));
		dst_release(dst);
	}
	local_bh_enable();
	return mtu;
}

/* What routers say. */

/**
 * struct quote - the packet that an ICMP error is about
 * @src: outer source
 * @dst: outer destination
 * @family: of both, 4 or 6
 * @protocol: ESP, AH or UDP
 * @sport: of UDP
 * @dport: of UDP
 * @has_spi: it is long enough for the next two
 * @spi: SPI
 * @sequence: low half of the number
 */
struct quote {
	struct cyg_addr src, dst;
	u8 family;
	u8 protocol;
	__be16 sport, dport;
	bool has_spi;
	__be32 spi;
	u32 sequence;
};

/* @at: of what follows its IP headers */
static bool read_transport(struct quote *q, const struct sk_buff *skb, u32 at)
{
	struct cyg_ah_header _ah, *ah;
	struct cyg_esp_header _esp, *esp;
	struct udphdr _udp, *udp;

	if (q->protocol == IPPROTO_AH) {
		ah = skb_header_pointer(skb, at, sizeof(_ah), &_ah);
		if (!ah)
			return false;
		q->has_spi = true;
		q->spi = ah->spi;
		q->sequence = ntohl(ah->sequence);
		return true;
	}
	if (q->protocol == IPPROTO_UDP) {
		udp = skb_header_pointer(skb, at, sizeof(_udp), &_udp);
		if (!udp)
			return false;
		q->sport = udp->source;
		q->dport = udp->dest;
		at += sizeof(_udp);
	}
	esp = skb_header_pointer(skb, at, sizeof(_esp), &_esp);
	/* ICMPv6 quotes as much as fits (RFC 4443 section 2.4), ICMP need not. */
	if (!esp)
		return q->protocol == IPPROTO_UDP && q->family == 4;
	q->has_spi = true;
	q->spi = esp->spi;
	q->sequence = ntohl(esp->sequence);
	return true;
}

static bool read_quote4(struct quote *q, const struct sk_buff *skb, u32 at)
{
	struct iphdr _iph, *iph = skb_header_pointer(skb, at, sizeof(_iph), &_iph);

	if (!iph || iph->ihl < 5 || iph->frag_off & htons(IP_OFFSET))
		return false;
	*q = (struct quote) {
		.src.w = { iph->saddr },
		.dst.w = { iph->daddr },
		.family = 4,
		.protocol = iph->protocol,
	};
	return read_transport(q, skb, at + iph->ihl * 4);
}

static bool read_quote6(struct quote *q, const struct sk_buff *skb, u32 at)
{
	struct ipv6hdr _ip6h, *ip6h = skb_header_pointer(skb, at, sizeof(_ip6h), &_ip6h);
	unsigned int ah = at;
	__be16 fragment;
	int transport;

	if (!ip6h)
		return false;
	*q = (struct quote) { .family = 6, .protocol = ip6h->nexthdr };
	memcpy(&q->src, &ip6h->saddr, sizeof(q->src));
	memcpy(&q->dst, &ip6h->daddr, sizeof(q->dst));
	/* Skipped below, too; not where errors find their way by what they quote. */
	if (at && ipv6_find_hdr(skb, &ah, NEXTHDR_AUTH, NULL, NULL) == NEXTHDR_AUTH) {
		q->protocol = IPPROTO_AH;
		return read_transport(q, skb, ah);
	}
	transport = ipv6_skip_exthdr(skb, at + sizeof(*ip6h), &q->protocol, &fragment);
	if (transport < 0 || fragment & htons(IP6_OFFSET))
		return false;
	return read_transport(q, skb, transport);
}

static bool ports_match(const struct quote *q, const struct cyg_sa *sa)
{
	if (q->protocol == IPPROTO_UDP)
		return sa->sport == q->sport && sa->dport == q->dport;
	return !cyg_sa_encapsulated(sa);
}

static bool has_sent(struct cyg_sa *sa, u32 sequence)
{
	bool sent;
	u64 age;

	spin_lock_bh(&sa->lock);
	age = (u32)(sa->sequence - sequence);
	sent = !sa->dead && sequence && age < min_t(u64, sa->sequence, QUOTE_WINDOW);
	spin_unlock_bh(&sa->lock);
	return sent;
}

static struct cyg_sa *quoted_sa(struct cyg_net *cn, const struct quote *q)
{
	struct cyg_sa *sa;

	sa = cyg_sadb_output(cn, q->protocol == IPPROTO_AH ? IPPROTO_AH : IPPROTO_ESP,
			     q->spi, &q->dst, q->family);
	return sa && cyg_addr_equal(&sa->src, &q->src) && ports_match(q, sa) &&
	       has_sent(sa, q->sequence) ? sa : NULL;
}

/*
 * From one of the routers that quote 8 bytes and no more. All SAs are looked at,
 * so not too often: strangers can ask for it.
 */
static struct cyg_sa *sa_between(struct cyg_net *cn, const struct quote *q)
{
	unsigned long now = jiffies;
	struct cyg_sa *sa;

	if (time_before(now, READ_ONCE(cn->pmtu.searched) + HZ))
		return NULL;
	WRITE_ONCE(cn->pmtu.searched, now);
	list_for_each_entry_rcu(sa, &cn->sa_list, node)
		if (sa->key.direction == CYGNET_DIRECTION_OUT && sa->family == q->family &&
		    sa->sport == q->sport && sa->dport == q->dport && READ_ONCE(sa->outer_mtu) &&
		    cyg_addr_equal(&sa->src, &q->src) &&
		    cyg_addr_equal(&sa->dst, &q->dst) && !READ_ONCE(sa->dead))
			return sa;
	return NULL;
}

/**
 * cyg_pmtu_quoted - an ICMP error says that a packet was too big
 * @cn: namespace
 * @skb: holds it
 * @at: where the packet is quoted, from its IP header
 * @family: of that, 4 or 6
 * @mtu: what would pass
 *
 * Call under rcu_read_lock().
 *
 * Return: was that one of ours without doubt?
 */
bool cyg_pmtu_quoted(struct cyg_net *cn, const struct sk_buff *skb, u32 at, u8 family,
		     u32 mtu)
{
	struct cyg_sa *sa;
	struct quote q;

	if (family == 4 ? !read_quote4(&q, skb, at) : !read_quote6(&q, skb, at))
		return false;
	if (q.protocol != IPPROTO_ESP && q.protocol != IPPROTO_AH &&
	    (q.protocol != IPPROTO_UDP || !q.sport || !q.dport))
		return false;
	sa = q.has_spi ? quoted_sa(cn, &q) : sa_between(cn, &q);
	if (sa)
		learn(sa, mtu);
	return sa && q.has_spi;
}

/*
 * A quote of a datagram must not get to its socket, which would have the stack
 * note it as an exception of the route; but for the short ones, which may be
 * about IKE.
 */
static unsigned int filter(struct sk_buff *skb, const struct nf_hook_state *state,
			   u32 at, u8 family, u32 mtu)
{
	u8 protocol = family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	struct cyg_net *cn = cyg_net(state->net);

	/* Both headers have 8 bytes. */
	if (nf_checksum(skb, NF_INET_LOCAL_IN, at, protocol, state->pf) ||
	    !cyg_pmtu_quoted(cn, skb, at + sizeof(struct icmphdr), family, mtu))
		return NF_ACCEPT;
	consume_skb(skb);
	return NF_STOLEN;
}

/**
 * cyg_pmtu_icmp4 - look at an ICMP message in LOCAL_IN
 * @skb: from its IP header
 * @state: of the hook
 * @at: of the ICMP header
 *
 * Return: a verdict
 */
unsigned int cyg_pmtu_icmp4(struct sk_buff *skb, const struct nf_hook_state *state, u32 at)
{
	struct icmphdr _icmp, *icmp = skb_header_pointer(skb, at, sizeof(_icmp), &_icmp);

	if (!icmp || icmp->type != ICMP_DEST_UNREACH || icmp->code != ICMP_FRAG_NEEDED)
		return NF_ACCEPT;
	return filter(skb, state, at, 4, ntohs(icmp->un.frag.mtu));
}

/**
 * cyg_pmtu_icmp6 - look at an ICMPv6 message in LOCAL_IN
 * @skb: from its IP header
 * @state: of the hook
 * @at: of the ICMPv6 header
 *
 * Return: a verdict
 */
unsigned int cyg_pmtu_icmp6(struct sk_buff *skb, const struct nf_hook_state *state, u32 at)
{
	struct icmp6hdr _icmp, *icmp = skb_header_pointer(skb, at, sizeof(_icmp), &_icmp);

	if (!icmp || icmp->icmp6_type != ICMPV6_PKT_TOOBIG)
		return NF_ACCEPT;
	return filter(skb, state, at, 6, ntohl(icmp->icmp6_mtu));
}

/*
 * Whom an ICMPv6 error is about the stack looks up behind all extension headers,
 * and takes AH for one: the handler of AH is never asked.
 */
static unsigned int local_in6(void *priv, struct sk_buff *skb,
			      const struct nf_hook_state *state)
{
	if (skb_network_header(skb)[IP6CB(skb)->nhoff] != IPPROTO_ICMPV6)
		return NF_ACCEPT;
	return cyg_pmtu_icmp6(skb, state, skb_transport_offset(skb));
}

/* Where the hook for ports is, which does the same. */
static const struct nf_hook_ops hook = {
	.hook = local_in6,
	.pf = NFPROTO_IPV6,
	.hooknum = NF_INET_LOCAL_IN,
	.priority = INT_MAX - 1,
};

/**
 * cyg_pmtu_watch - listen for ICMPv6 errors about AH
 * @cn: namespace, locked; listens from the first time on
 */
int cyg_pmtu_watch(struct cyg_net *cn)
{
	int err;

	lockdep_assert_held(&cn->lock);
	if (cn->pmtu.watching)
		return 0;
	err = nf_register_net_hook(cn->net, &hook);
	if (!err)
		cn->pmtu.watching = true;
	return err;
}

/**
 * cyg_pmtu_unwatch - listen no more
 * @cn: namespace that is going away; a grace period follows
 */
void cyg_pmtu_unwatch(struct cyg_net *cn)
{
	mutex_lock(&cn->lock);
	if (cn->pmtu.watching)
		nf_unregister_net_hook(cn->net, &hook);
	cn->pmtu.watching = false;
	mutex_unlock(&cn->lock);
}

/**
 * cyg_pmtu_open - know nothing
 * @cn: namespace
 */
void cyg_pmtu_open(struct cyg_net *cn)
{
	struct cyg_pmtu *pmtu = &cn->pmtu;

	spin_lock_init(&pmtu->lock);
	pmtu->generation = 1;
	pmtu->searched = jiffies - HZ;
	INIT_LIST_HEAD(&pmtu->paths);
	timer_setup(&pmtu->timer, forget_old, 0);
}

/**
 * cyg_pmtu_close - forget everything
 * @cn: namespace without SAs, where no packet comes any more
 */
void cyg_pmtu_close(struct cyg_net *cn)
{
	struct cyg_pmtu *pmtu = &cn->pmtu;
	struct outer_path *path, *next;

	timer_shutdown_sync(&pmtu->timer);
	spin_lock_bh(&pmtu->lock);
	list_for_each_entry_safe(path, next, &pmtu->paths, node)
		forget(pmtu, path);
	spin_unlock_bh(&pmtu->lock);
}
