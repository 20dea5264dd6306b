// SPDX-License-Identifier: GPL-2.0-only
/*
 * The netlink family: read and write attributes, say what is wrong with them, and
 * tell who listens. transaction.c changes SAs and policies. The manual is
 * include/cygnet.yaml.
 */
#include <linux/module.h>
#include <net/inet_ecn.h>

#include "netlink.h"

static struct genl_family family;

/* Reading attributes. Each says what is wrong, and with which. */

static bool get_addr(const struct nlattr *attr, struct cyg_addr *addr, u8 *family)
{
	memset(addr, 0, sizeof(*addr));
	switch (nla_len(attr)) {
	case 4:
		*family = 4;
		break;
	case 16:
		*family = 6;
		break;
	default:
		return false;
	}
	memcpy(addr, nla_data(attr), nla_len(attr));
	return true;
}

static int check_protocol(struct genl_info *info, u32 type, u8 protocol)
{
	if (protocol != IPPROTO_ESP && protocol != IPPROTO_AH)
		return refuse(info, type, -EINVAL,
			      "protocol must be ESP (50) or AH (51)");
	return 0;
}

/**
 * cyg_netlink_get_endpoint - read the address of one host
 * @info: request
 * @type: attribute
 * @addr: filled in
 * @family: filled in
 */
int cyg_netlink_get_endpoint(struct genl_info *info, u32 type, struct cyg_addr *addr,
			     u8 *family)
{
	int err;

	err = need(info, type, type == CYGNET_A_SA_SRC ? "source address is missing" :
							 "destination address is missing");
	if (err)
		return err;
	if (!get_addr(info->attrs[type], addr, family))
		return refuse(info, type, -EINVAL, "address must have 4 or 16 bytes");
	if (!cyg_ipaddr_is_host(addr, *family))
		return refuse(info, type, -EINVAL, "not the address of a host");
	return 0;
}

static int get_dst(struct genl_info *info, struct cyg_sa_name *name)
{
	int err;

	err = need(info, CYGNET_A_SA_PROTOCOL, "protocol is missing");
	if (err)
		return err;
	name->protocol = nla_get_u8(info->attrs[CYGNET_A_SA_PROTOCOL]);
	return cyg_netlink_get_endpoint(info, CYGNET_A_SA_DST, &name->dst, &name->family);
}

/**
 * cyg_netlink_get_name - read what SA a request is about
 * @info: request
 * @name: filled in
 */
int cyg_netlink_get_name(struct genl_info *info, struct cyg_sa_name *name)
{
	int err;

	err = get_dst(info, name);
	if (err)
		return err;
	err = need(info, CYGNET_A_SA_SPI, "SPI is missing");
	if (err)
		return err;
	name->spi = nla_get_be32(info->attrs[CYGNET_A_SA_SPI]);
	if (ntohl(name->spi) < CYGNET_SPI_MIN)
		return refuse(info, CYGNET_A_SA_SPI, -EINVAL,
			      "SPIs 0 to 255 are reserved (RFC 4303 section 2.1)");
	return 0;
}

static int get_outer(struct genl_info *info, struct cyg_sa_config *config)
{
	struct cyg_sa_name name;
	u8 family;
	int err;

	err = cyg_netlink_get_name(info, &name);
	if (!err)
		err = check_protocol(info, CYGNET_A_SA_PROTOCOL, name.protocol);
	if (err)
		return err;
	config->key.protocol = name.protocol;
	config->key.spi = name.spi;
	config->dst = name.dst;
	config->family = name.family;
	err = cyg_netlink_get_endpoint(info, CYGNET_A_SA_SRC, &config->src, &family);
	if (err)
		return err;
	if (family != config->family)
		return refuse(info, CYGNET_A_SA_SRC, -EINVAL,
			      "source and destination must be of one family");
	return 0;
}

static int get_encap(struct genl_info *info, struct cyg_sa_config *config)
{
	struct nlattr **attrs = info->attrs;

	if (config->key.protocol == IPPROTO_AH &&
	    (attrs[CYGNET_A_SA_ENCAP_SPORT] || attrs[CYGNET_A_SA_ENCAP_DPORT]))
		return refuse(info, attrs[CYGNET_A_SA_ENCAP_SPORT] ?
				    CYGNET_A_SA_ENCAP_SPORT : CYGNET_A_SA_ENCAP_DPORT,
			      -EINVAL,
			      "AH cannot pass a NAT and is never in UDP (RFC 3715 section 2.1): take ESP with NULL encryption");
	if (attrs[CYGNET_A_SA_ENCAP_SPORT])
		config->sport = nla_get_be16(attrs[CYGNET_A_SA_ENCAP_SPORT]);
	if (attrs[CYGNET_A_SA_ENCAP_DPORT])
		config->dport = nla_get_be16(attrs[CYGNET_A_SA_ENCAP_DPORT]);
	if (!config->sport != !config->dport)
		return refuse(info, config->sport ? CYGNET_A_SA_ENCAP_SPORT :
						    CYGNET_A_SA_ENCAP_DPORT,
			      -EINVAL, "UDP encapsulation needs both ports");
	config->roam = nla_get_flag(attrs[CYGNET_A_SA_ROAM]);
	if (config->roam && (config->key.direction != CYGNET_DIRECTION_IN || !config->sport ||
			     config->mode != CYGNET_MODE_TUNNEL))
		return refuse(info, CYGNET_A_SA_ROAM, -EINVAL,
			      "only the peer of an inbound tunnel SA in UDP can move");
	if (!attrs[CYGNET_A_SA_KEEPALIVE])
		return 0;
	config->keepalive = nla_get_u16(attrs[CYGNET_A_SA_KEEPALIVE]);
	if (config->keepalive && config->key.direction != CYGNET_DIRECTION_OUT)
		return refuse(info, CYGNET_A_SA_KEEPALIVE, -EINVAL,
			      "only an outbound SA sends keepalives");
	if (config->keepalive && !config->sport)
		return refuse(info, CYGNET_A_SA_KEEPALIVE, -EINVAL,
			      "keepalives need UDP encapsulation");
	return 0;
}

static int get_encr(struct genl_info *info, struct cyg_sa_config *config)
{
	const struct nlattr *key = info->attrs[CYGNET_A_SA_ENCR_KEY];
	u16 id;
	int err;

	err = need(info, CYGNET_A_SA_ENCR, "encryption algorithm is missing");
	if (err)
		return err;
	id = nla_get_u16(info->attrs[CYGNET_A_SA_ENCR]);
	config->alg = cyg_alg_find(id);
	if (!config->alg)
		return refuse(info, CYGNET_A_SA_ENCR, -EOPNOTSUPP, cyg_alg_refusal(id));
	if (!config->alg->key_bits[0] && !key)
		return 0;
	err = need(info, CYGNET_A_SA_ENCR_KEY, "encryption key is missing");
	if (err)
		return err;
	if (!cyg_alg_key_ok(config->alg, nla_len(key)))
		return refuse(info, CYGNET_A_SA_ENCR_KEY, -EINVAL,
			      config->alg->key_bits[0] ?
			      "key length is not one of the algorithm's (key, then salt)" :
			      "NULL encryption has no key");
	config->secret = nla_data(key);
	config->secret_len = nla_len(key);
	return 0;
}

/* For AH, or beside a cipher that has none of its own. */
static int get_integ(struct genl_info *info, struct cyg_sa_config *config)
{
	const struct nlattr *key = info->attrs[CYGNET_A_SA_INTEG_KEY];
	u16 id;
	int err;

	err = need(info, CYGNET_A_SA_INTEG, !config->alg ?
		   "integrity algorithm is missing" : !config->alg->key_bits[0] ?
		   "NULL encryption without integrity must not be used (RFC 8221 section 5)" :
		   "encryption without integrity must not be used (RFC 8221 section 4)");
	if (err)
		return err;
	id = nla_get_u16(info->attrs[CYGNET_A_SA_INTEG]);
	config->integ = cyg_alg_find_integ(id);
	if (!config->integ)
		return refuse(info, CYGNET_A_SA_INTEG, -EOPNOTSUPP,
			      cyg_alg_refusal_integ(id));
	if (config->integ->legacy && !nla_get_flag(info->attrs[CYGNET_A_SA_LEGACY]))
		return refuse(info, CYGNET_A_SA_INTEG, -EOPNOTSUPP,
			      "HMAC-SHA1-96 is only for peers that have nothing better, where the request says legacy (RFC 8221 section 6)");
	err = need(info, CYGNET_A_SA_INTEG_KEY, "integrity key is missing");
	if (err)
		return err;
	if (nla_len(key) != config->integ->key)
		return refuse(info, CYGNET_A_SA_INTEG_KEY, -EINVAL,
			      "key length is not the algorithm's");
	config->integ_secret = nla_data(key);
	config->integ_secret_len = nla_len(key);
	return 0;
}

static int get_algorithms(struct genl_info *info, struct cyg_sa_config *config)
{
	int err;

	if (config->key.protocol == IPPROTO_AH) {
		if (info->attrs[CYGNET_A_SA_ENCR])
			return refuse(info, CYGNET_A_SA_ENCR, -EINVAL,
				      "AH does not encrypt");
		if (info->attrs[CYGNET_A_SA_ENCR_KEY])
			return refuse(info, CYGNET_A_SA_ENCR_KEY, -EINVAL,
				      "AH does not encrypt");
		return get_integ(info, config);
	}
	err = get_encr(info, config);
	if (err)
		return err;
	if (!config->alg->icv)
		return get_integ(info, config);
	if (info->attrs[CYGNET_A_SA_INTEG])
		return refuse(info, CYGNET_A_SA_INTEG, -EINVAL,
			      "an AEAD has no integrity algorithm beside it");
	if (info->attrs[CYGNET_A_SA_INTEG_KEY])
		return refuse(info, CYGNET_A_SA_INTEG_KEY, -EINVAL,
			      "an AEAD has no integrity key beside its own");
	return 0;
}

static u64 limit(struct nlattr **tb, u32 type)
{
	return tb[type] ? nla_get_u64(tb[type]) : 0;
}

static int get_lifetime(struct genl_info *info, struct cyg_lifetime *life)
{
	struct nlattr *tb[CYGNET_A_LIFETIME_MAX + 1];
	int err;

	if (!info->attrs[CYGNET_A_SA_LIFETIME])
		return 0;
	err = nla_parse_nested(tb, CYGNET_A_LIFETIME_MAX,
			       info->attrs[CYGNET_A_SA_LIFETIME],
			       cygnet_lifetime_nl_policy, info->extack);
	if (err)
		return err;
	life->soft_seconds = limit(tb, CYGNET_A_LIFETIME_SOFT_SECONDS);
	life->hard_seconds = limit(tb, CYGNET_A_LIFETIME_HARD_SECONDS);
	life->soft_packets = limit(tb, CYGNET_A_LIFETIME_SOFT_PACKETS);
	life->hard_packets = limit(tb, CYGNET_A_LIFETIME_HARD_PACKETS);
	life->soft_bytes = limit(tb, CYGNET_A_LIFETIME_SOFT_BYTES);
	life->hard_bytes = limit(tb, CYGNET_A_LIFETIME_HARD_BYTES);
	return 0;
}

static int get_sequence(struct genl_info *info, struct cyg_sa_config *config)
{
	struct nlattr **attrs = info->attrs;

	config->esn = nla_get_flag(attrs[CYGNET_A_SA_ESN]);
	config->window = CYGNET_REPLAY_WINDOW_DEFAULT;
	if (attrs[CYGNET_A_SA_REPLAY_WINDOW]) {
		if (config->key.direction != CYGNET_DIRECTION_IN)
			return refuse(info, CYGNET_A_SA_REPLAY_WINDOW, -EINVAL,
				      "only an inbound SA has a replay window");
		config->window = nla_get_u32(attrs[CYGNET_A_SA_REPLAY_WINDOW]);
	}
	if (attrs[CYGNET_A_SA_SEQUENCE])
		config->sequence = nla_get_u64(attrs[CYGNET_A_SA_SEQUENCE]);
	if (!config->esn && config->sequence > U32_MAX)
		return refuse(info, CYGNET_A_SA_SEQUENCE, -EINVAL,
			      "beyond 32 bits without extended sequence numbers");
	return 0;
}

static int get_tfc(struct genl_info *info, struct cyg_sa_config *config)
{
	if (!info->attrs[CYGNET_A_SA_TFC])
		return 0;
	config->tfc = nla_get_u16(info->attrs[CYGNET_A_SA_TFC]);
	if (config->tfc && config->key.direction != CYGNET_DIRECTION_OUT)
		return refuse(info, CYGNET_A_SA_TFC, -EINVAL,
			      "only an outbound SA pads packets");
	if (config->tfc && config->key.protocol != IPPROTO_ESP)
		return refuse(info, CYGNET_A_SA_TFC, -EINVAL,
			      "AH hides nothing, so it does not pad");
	if (config->tfc && config->mode != CYGNET_MODE_TUNNEL)
		return refuse(info, CYGNET_A_SA_TFC, -EINVAL,
			      "packets are padded in tunnel mode only: in transport mode the receiver could not tell where they end (RFC 4303 section 2.7)");
	return 0;
}

/**
 * cyg_netlink_get_sa - read what makes an SA
 * @info: request
 * @config: filled in, and points into the request
 */
int cyg_netlink_get_sa(struct genl_info *info, struct cyg_sa_config *config)
{
	int err;

	err = need(info, CYGNET_A_SA_DIRECTION, "direction is missing");
	if (err)
		return err;
	config->key.direction = nla_get_u32(info->attrs[CYGNET_A_SA_DIRECTION]);
	config->mode = CYGNET_MODE_TUNNEL;
	if (info->attrs[CYGNET_A_SA_MODE])
		config->mode = nla_get_u32(info->attrs[CYGNET_A_SA_MODE]);
	err = get_outer(info, config);
	if (!err)
		err = get_encap(info, config);
	if (!err)
		err = get_algorithms(info, config);
	if (!err)
		err = get_tfc(info, config);
	if (!err)
		err = get_sequence(info, config);
	if (!err)
		err = get_lifetime(info, &config->life);
	return err;
}

/* Writing attributes. */

static int put_u64(struct sk_buff *msg, int type, u64 value)
{
	return nla_put(msg, type, sizeof(value), &value);
}

/* Zero is left out. */
static int put_limit(struct sk_buff *msg, int type, u64 value)
{
	return value ? put_u64(msg, type, value) : 0;
}

static int put_addr(struct sk_buff *msg, int type, const struct cyg_addr *addr,
		    u8 family)
{
	return nla_put(msg, type, family == 4 ? 4 : 16, addr);
}

static int put_drops(struct sk_buff *msg, int type,
		     const struct cyg_drops __percpu *drops)
{
	enum cygnet_drop reason;
	struct nlattr *nest;
	u64 packets;

	for (reason = 1; reason <= CYGNET_DROP_MAX; reason++) {
		packets = cyg_stats_fold(drops, reason);
		if (!packets)
			continue;
		nest = nla_nest_start(msg, type);
		if (!nest || nla_put_u32(msg, CYGNET_A_DROPS_REASON, reason) ||
		    put_u64(msg, CYGNET_A_DROPS_PACKETS, packets))
			return -EMSGSIZE;
		nla_nest_end(msg, nest);
	}
	return 0;
}

static int put_lifetime(struct sk_buff *msg, const struct cyg_lifetime *life)
{
	struct nlattr *nest;

	nest = nla_nest_start(msg, CYGNET_A_SA_LIFETIME);
	if (!nest ||
	    put_limit(msg, CYGNET_A_LIFETIME_SOFT_SECONDS, life->soft_seconds) ||
	    put_limit(msg, CYGNET_A_LIFETIME_HARD_SECONDS, life->hard_seconds) ||
	    put_limit(msg, CYGNET_A_LIFETIME_SOFT_PACKETS, life->soft_packets) ||
	    put_limit(msg, CYGNET_A_LIFETIME_HARD_PACKETS, life->hard_packets) ||
	    put_limit(msg, CYGNET_A_LIFETIME_SOFT_BYTES, life->soft_bytes) ||
	    put_limit(msg, CYGNET_A_LIFETIME_HARD_BYTES, life->hard_bytes))
		return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

static int put_sa_name(struct sk_buff *msg, const struct cyg_sa *sa)
{
	if (nla_put_u32(msg, CYGNET_A_SA_DIRECTION, sa->key.direction) ||
	    nla_put_u8(msg, CYGNET_A_SA_PROTOCOL, sa->key.protocol) ||
	    nla_put_be32(msg, CYGNET_A_SA_SPI, sa->key.spi) ||
	    put_addr(msg, CYGNET_A_SA_DST, &sa->dst, sa->family) ||
	    nla_put_u32(msg, CYGNET_A_SA_POLICY, sa->policy->id))
		return -EMSGSIZE;
	return 0;
}

static int put_sa_config(struct sk_buff *msg, const struct cyg_sa *sa)
{
	if (put_addr(msg, CYGNET_A_SA_SRC, &sa->src, sa->family) ||
	    nla_put_u32(msg, CYGNET_A_SA_MODE, sa->mode) ||
	    (sa->alg && (nla_put_u16(msg, CYGNET_A_SA_ENCR, sa->alg->id) ||
			 nla_put_u16(msg, CYGNET_A_SA_ENCR_KEY_BITS,
				     sa->key_bits))) ||
	    (sa->integ && nla_put_u16(msg, CYGNET_A_SA_INTEG, sa->integ->id)) ||
	    (sa->esn && nla_put_flag(msg, CYGNET_A_SA_ESN)) ||
	    (sa->replay && nla_put_u32(msg, CYGNET_A_SA_REPLAY_WINDOW,
				       sa->replay->window)) ||
	    (cyg_sa_encapsulated(sa) &&
	     (nla_put_be16(msg, CYGNET_A_SA_ENCAP_SPORT, sa->sport) ||
	      nla_put_be16(msg, CYGNET_A_SA_ENCAP_DPORT, sa->dport))) ||
	    (sa->keepalive && nla_put_u16(msg, CYGNET_A_SA_KEEPALIVE, sa->keepalive)) ||
	    (sa->roam && nla_put_flag(msg, CYGNET_A_SA_ROAM)) ||
	    (sa->tfc && nla_put_u16(msg, CYGNET_A_SA_TFC, sa->tfc)))
		return -EMSGSIZE;
	return put_lifetime(msg, &sa->life);
}

static int put_sa_state(struct sk_buff *msg, struct cyg_sa *sa)
{
	u64 age = ktime_get_boottime_ns() - sa->created;
	u64 sequence, packets, bytes, idle;
	u32 mtu, outer_mtu;

	spin_lock_bh(&sa->lock);
	sequence = sa->replay ? sa->replay->top : sa->sequence;
	packets = sa->packets;
	bytes = sa->bytes;
	idle = jiffies64_to_nsecs(get_jiffies_64() - sa->used);
	mtu = sa->mtu;
	outer_mtu = sa->outer_mtu;
	spin_unlock_bh(&sa->lock);
	if (put_u64(msg, CYGNET_A_SA_SEQUENCE, sequence) ||
	    put_u64(msg, CYGNET_A_SA_PACKETS, packets) ||
	    put_u64(msg, CYGNET_A_SA_BYTES, bytes) ||
	    put_u64(msg, CYGNET_A_SA_AGE_MS, div_u64(age, NSEC_PER_MSEC)) ||
	    /* The coarser clock may be a tick ahead. */
	    put_u64(msg, CYGNET_A_SA_IDLE_MS, div_u64(min(idle, age), NSEC_PER_MSEC)) ||
	    (rcu_access_pointer(sa->policy->sa) == sa &&
	     nla_put_flag(msg, CYGNET_A_SA_CURRENT)) ||
	    (outer_mtu && (nla_put_u32(msg, CYGNET_A_SA_MTU, mtu) ||
			   nla_put_u32(msg, CYGNET_A_SA_PATH_MTU, outer_mtu))))
		return -EMSGSIZE;
	return put_drops(msg, CYGNET_A_SA_DROPS, sa->drops);
}

static int put_sa(struct sk_buff *msg, struct cyg_sa *sa, u32 portid, u32 seq,
		  int flags, u8 cmd)
{
	void *header = genlmsg_put(msg, portid, seq, &family, flags, cmd);

	if (!header)
		return -EMSGSIZE;
	if (put_sa_name(msg, sa) || put_sa_config(msg, sa) || put_sa_state(msg, sa)) {
		genlmsg_cancel(msg, header);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, header);
	return 0;
}

static int put_selector(struct sk_buff *msg, int type,
			const struct cyg_selector *s)
{
	struct nlattr *nest = nla_nest_start(msg, type);

	if (!nest ||
	    put_addr(msg, CYGNET_A_SELECTOR_LOCAL_FIRST, &s->local_first, s->family) ||
	    put_addr(msg, CYGNET_A_SELECTOR_LOCAL_LAST, &s->local_last, s->family) ||
	    put_addr(msg, CYGNET_A_SELECTOR_REMOTE_FIRST, &s->remote_first, s->family) ||
	    put_addr(msg, CYGNET_A_SELECTOR_REMOTE_LAST, &s->remote_last, s->family) ||
	    nla_put_u8(msg, CYGNET_A_SELECTOR_PROTOCOL, s->protocol) ||
	    nla_put_u16(msg, CYGNET_A_SELECTOR_LOCAL_PORT_FIRST, s->local_port_first) ||
	    nla_put_u16(msg, CYGNET_A_SELECTOR_LOCAL_PORT_LAST, s->local_port_last) ||
	    nla_put_u16(msg, CYGNET_A_SELECTOR_REMOTE_PORT_FIRST, s->remote_port_first) ||
	    nla_put_u16(msg, CYGNET_A_SELECTOR_REMOTE_PORT_LAST, s->remote_port_last))
		return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

static int put_rules(struct sk_buff *msg, const struct cyg_rules *rules)
{
	u32 i;

	if (nla_put_u32(msg, CYGNET_A_POLICY_PRIORITY, rules->priority) ||
	    nla_put_u32(msg, CYGNET_A_POLICY_ACTION, rules->action) ||
	    (rules->steer && nla_put_flag(msg, CYGNET_A_POLICY_STEER)))
		return -EMSGSIZE;
	for (i = 0; i < rules->count; i++)
		if (put_selector(msg, CYGNET_A_POLICY_SELECTOR, &rules->entries[i].selector))
			return -EMSGSIZE;
	return 0;
}

static int put_options(struct sk_buff *msg, const struct cyg_options *options)
{
	if (nla_put_u32(msg, CYGNET_A_POLICY_DF, options->df) ||
	    (options->dscp != CYG_DSCP_COPY &&
	     nla_put_u8(msg, CYGNET_A_POLICY_DSCP, options->dscp)) ||
	    (options->ttl && nla_put_u8(msg, CYGNET_A_POLICY_TTL, options->ttl)) ||
	    (options->flow_label != CYG_LABEL_OWN &&
	     nla_put_u32(msg, CYGNET_A_POLICY_FLOW_LABEL, options->flow_label)) ||
	    (options->keep_mss && nla_put_flag(msg, CYGNET_A_POLICY_NO_MSS_CLAMP)))
		return -EMSGSIZE;
	return 0;
}

static int put_policy_body(struct sk_buff *msg, struct cyg_net *cn,
			   struct cyg_policy *policy)
{
	struct net_device *dev;
	struct cyg_sa *sa;

	dev = rcu_dereference_protected(policy->dev, lockdep_is_held(&cn->lock));
	sa = rcu_dereference_protected(policy->sa, lockdep_is_held(&cn->lock));
	if (nla_put_u32(msg, CYGNET_A_POLICY_ID, policy->id) ||
	    (dev && nla_put_u32(msg, CYGNET_A_POLICY_IFINDEX, dev->ifindex)) ||
	    (policy->name[0] &&
	     nla_put_string(msg, CYGNET_A_POLICY_NAME, policy->name)) ||
	    nla_put_u8(msg, CYGNET_A_POLICY_PROTOCOL, policy->protocol) ||
	    nla_put_u32(msg, CYGNET_A_POLICY_MODE, policy->mode) ||
	    (sa && nla_put_be32(msg, CYGNET_A_POLICY_SPI, sa->key.spi)) ||
	    put_options(msg, &policy->options))
		return -EMSGSIZE;
	return put_rules(msg, rcu_dereference_protected(policy->rules,
							lockdep_is_held(&cn->lock)));
}

static int put_policy(struct sk_buff *msg, struct cyg_net *cn,
		      struct cyg_policy *policy, u32 portid, u32 seq, int flags,
		      u8 cmd)
{
	void *header = genlmsg_put(msg, portid, seq, &family, flags, cmd);

	if (!header)
		return -EMSGSIZE;
	if (put_policy_body(msg, cn, policy)) {
		genlmsg_cancel(msg, header);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, header);
	return 0;
}

/* Events. Nobody waits for one: if memory is short, it is lost. */

/* The longest message is a policy with all its selectors. */
#define MESSAGE_SIZE	(1024 + CYGNET_SELECTORS_MAX * 160)

static struct sk_buff *new_event(struct net *net, u8 cmd, size_t size, gfp_t gfp,
				 void **header)
{
	struct sk_buff *msg;

	if (!genl_has_listeners(&family, net, CYGNET_NLGRP_EVENTS))
		return NULL;
	msg = genlmsg_new(size, gfp);
	if (!msg || !header)
		return msg;
	*header = genlmsg_put(msg, 0, 0, &family, 0, cmd);
	return msg;
}

static void send_event(struct net *net, struct sk_buff *msg, int err, gfp_t gfp)
{
	if (err)
		nlmsg_free(msg);
	else
		genlmsg_multicast_netns(&family, net, msg, 0, CYGNET_NLGRP_EVENTS, gfp);
}

/* A range of one port, or of any where there are none. */
static void set_packet(struct cyg_selector *s, const struct cyg_flow *flow)
{
	s->local_first = flow->local;
	s->local_last = flow->local;
	s->remote_first = flow->remote;
	s->remote_last = flow->remote;
	s->family = flow->family;
	s->protocol = flow->protocol;
	s->local_port_first = flow->has_ports ? flow->local_port : 0;
	s->local_port_last = flow->has_ports ? flow->local_port : U16_MAX;
	s->remote_port_first = flow->has_ports ? flow->remote_port : 0;
	s->remote_port_last = flow->has_ports ? flow->remote_port : U16_MAX;
}

/**
 * cyg_netlink_acquire - ask for an SA
 * @policy: that has none
 * @dev: its device
 * @flow: of the packet
 *
 * Once a second for each policy. Call under rcu_read_lock().
 */
void cyg_netlink_acquire(struct cyg_policy *policy, struct net_device *dev,
			 const struct cyg_flow *flow)
{
	unsigned long last = READ_ONCE(policy->acquired), now = jiffies;
	struct cyg_selector packet;
	struct sk_buff *msg;
	void *header;
	int err;

	if (time_before(now, last + HZ) ||
	    cmpxchg(&policy->acquired, last, now) != last)
		return;
	msg = new_event(dev_net(dev), CYGNET_CMD_ACQUIRE_NTF, NLMSG_GOODSIZE,
			GFP_ATOMIC, &header);
	if (!msg)
		return;
	set_packet(&packet, flow);
	err = nla_put_u32(msg, CYGNET_A_POLICY_ID, policy->id) ||
	      nla_put_u32(msg, CYGNET_A_POLICY_IFINDEX, dev->ifindex) ||
	      (policy->name[0] &&
	       nla_put_string(msg, CYGNET_A_POLICY_NAME, policy->name)) ||
	      put_selector(msg, CYGNET_A_POLICY_PACKET, &packet);
	genlmsg_end(msg, header);
	send_event(dev_net(dev), msg, err, GFP_ATOMIC);
}

/**
 * cyg_netlink_expire - a lifetime has passed
 * @sa: whose
 * @expiry: which
 */
void cyg_netlink_expire(struct cyg_sa *sa, enum cygnet_expiry expiry)
{
	struct net *net = sa->cn->net;
	struct sk_buff *msg;
	void *header;
	int err;

	msg = new_event(net, CYGNET_CMD_EXPIRE_NTF, NLMSG_GOODSIZE, GFP_ATOMIC,
			&header);
	if (!msg)
		return;
	err = put_sa_name(msg, sa) || nla_put_u32(msg, CYGNET_A_SA_EXPIRY, expiry);
	genlmsg_end(msg, header);
	send_event(net, msg, err, GFP_ATOMIC);
}

/**
 * cyg_netlink_sa - an SA was added or deleted
 * @sa: the SA
 * @cmd: which of both
 */
void cyg_netlink_sa(struct cyg_sa *sa, u8 cmd)
{
	struct net *net = sa->cn->net;
	struct sk_buff *msg;

	msg = new_event(net, cmd, MESSAGE_SIZE, GFP_KERNEL, NULL);
	if (msg)
		send_event(net, msg, put_sa(msg, sa, 0, 0, 0, cmd), GFP_KERNEL);
}

/* All of one reason that was not told of yet. */
static int put_rejected(struct sk_buff *msg, struct cyg_net *cn, enum cygnet_drop reason,
			u64 packets)
{
	u32 ifindex = READ_ONCE(cn->rejected.ifindex[reason]);
	__be32 spi = READ_ONCE(cn->rejected.spi[reason]);
	struct nlattr *nest = nla_nest_start(msg, CYGNET_A_STATS_DROPS);

	if (!nest || nla_put_u32(msg, CYGNET_A_DROPS_REASON, reason) ||
	    put_u64(msg, CYGNET_A_DROPS_PACKETS, packets) ||
	    (ifindex && nla_put_u32(msg, CYGNET_A_DROPS_IFINDEX, ifindex)) ||
	    (spi && nla_put_be32(msg, CYGNET_A_DROPS_SPI, spi)))
		return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

/**
 * cyg_netlink_rejected - sum up what was dropped since the last time
 * @cn: namespace; one caller at a time
 */
void cyg_netlink_rejected(struct cyg_net *cn)
{
	u64 *told = cn->rejected.told, packets;
	bool any = false;
	enum cygnet_drop reason;
	struct sk_buff *msg;
	void *header;
	int err = 0;

	msg = new_event(cn->net, CYGNET_CMD_REJECTED_NTF, NLMSG_GOODSIZE, GFP_KERNEL,
			&header);
	for (reason = 1; reason <= CYGNET_DROP_MAX; reason++) {
		packets = cyg_stats_fold(cn->drops, reason) - told[reason];
		told[reason] += packets;
		if (!msg || !packets || reason == CYGNET_DROP_RX_DUMMY)
			continue;
		any = true;
		err = err ?: put_rejected(msg, cn, reason, packets);
	}
	if (!msg)
		return;
	genlmsg_end(msg, header);
	/* What came while the last event was being made may be in that one. */
	send_event(cn->net, msg, err || !any, GFP_KERNEL);
}

/**
 * cyg_netlink_moved - an SA has other ends
 * @sa: the SA
 * @gfp: how to allocate
 */
void cyg_netlink_moved(struct cyg_sa *sa, gfp_t gfp)
{
	struct net *net = sa->cn->net;
	struct sk_buff *msg;

	msg = new_event(net, CYGNET_CMD_SA_SET_NTF, NLMSG_GOODSIZE, gfp, NULL);
	if (msg)
		send_event(net, msg, put_sa(msg, sa, 0, 0, 0, CYGNET_CMD_SA_SET_NTF), gfp);
}

/**
 * cyg_netlink_policy - a policy was set or is being deleted
 * @cn: namespace, locked
 * @policy: the policy
 * @cmd: which of both
 */
void cyg_netlink_policy(struct cyg_net *cn, struct cyg_policy *policy, u8 cmd)
{
	struct sk_buff *msg;

	msg = new_event(cn->net, cmd, MESSAGE_SIZE, GFP_KERNEL, NULL);
	if (msg)
		send_event(cn->net, msg, put_policy(msg, cn, policy, 0, 0, 0, cmd),
			   GFP_KERNEL);
}

/* Operations on SAs. */

/* What sa-dummy sends without being told. */
#define DUMMY_LEN	64

static int send_dummy(struct genl_info *info, struct cyg_sa *sa)
{
	const struct nlattr *tfc = info->attrs[CYGNET_A_SA_TFC];
	int err;

	if (!sa)
		return refuse(info, CYGNET_A_SA_SPI, -ENOENT,
			      "no outbound ESP SA of that SPI and destination");
	local_bh_disable();
	err = cyg_esp_dummy(sa, tfc ? nla_get_u16(tfc) : sa->tfc ?: DUMMY_LEN);
	local_bh_enable();
	if (err == -EKEYEXPIRED)
		return refuse(info, CYGNET_A_SA_SPI, err,
			      "the SA has expired, or its sequence numbers are used up");
	return err;
}

int cygnet_nl_sa_dummy_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct cyg_net *cn = cyg_net(genl_info_net(info));
	struct cyg_sa_name name;
	int err;

	err = cyg_netlink_get_name(info, &name);
	if (err)
		return err;
	if (name.protocol != IPPROTO_ESP)
		return refuse(info, CYGNET_A_SA_PROTOCOL, -EINVAL,
			      "only ESP has dummy packets");
	rcu_read_lock();
	err = send_dummy(info, cyg_sadb_output(cn, IPPROTO_ESP, name.spi, &name.dst,
					       name.family));
	rcu_read_unlock();
	return err;
}

int cygnet_nl_sa_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct cyg_net *cn = cyg_net(genl_info_net(info));
	struct cyg_sa_name name;
	struct sk_buff *msg;
	struct cyg_sa *sa;
	int err;

	err = cyg_netlink_get_name(info, &name);
	if (err)
		return err;
	msg = genlmsg_new(MESSAGE_SIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	mutex_lock(&cn->lock);
	sa = cyg_sadb_find(cn, name.protocol, name.spi, &name.dst, name.family);
	if (sa)
		err = put_sa(msg, sa, info->snd_portid, info->snd_seq, 0,
			     CYGNET_CMD_SA_GET);
	else
		err = refuse(info, CYGNET_A_SA_SPI, -ENOENT,
			     "no SA of that protocol, SPI and destination");
	mutex_unlock(&cn->lock);
	if (!err)
		return genlmsg_reply(msg, info);
	nlmsg_free(msg);
	return err;
}

/* Resumes behind the last serial number that fitted. */
int cygnet_nl_sa_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct cyg_net *cn = cyg_net(sock_net(skb->sk));
	u64 *last = (u64 *)cb->ctx;
	struct cyg_sa *sa;

	mutex_lock(&cn->lock);
	list_for_each_entry(sa, &cn->sa_list, node) {
		if (sa->serial <= *last)
			continue;
		if (put_sa(skb, sa, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			   NLM_F_MULTI, CYGNET_CMD_SA_GET))
			break;
		*last = sa->serial;
	}
	mutex_unlock(&cn->lock);
	return skb->len;
}

static int get_spi_range(struct genl_info *info, u32 *min, u32 *max)
{
	*min = CYGNET_SPI_MIN;
	*max = U32_MAX;
	if (info->attrs[CYGNET_A_SA_SPI_MIN])
		*min = nla_get_u32(info->attrs[CYGNET_A_SA_SPI_MIN]);
	if (info->attrs[CYGNET_A_SA_SPI_MAX])
		*max = nla_get_u32(info->attrs[CYGNET_A_SA_SPI_MAX]);
	if (*min < CYGNET_SPI_MIN)
		return refuse(info, CYGNET_A_SA_SPI_MIN, -EINVAL,
			      "SPIs 0 to 255 are reserved (RFC 4303 section 2.1)");
	if (*min > *max)
		return refuse(info, CYGNET_A_SA_SPI_MAX, -EINVAL,
			      "lowest SPI is above the highest");
	return 0;
}

int cygnet_nl_sa_alloc_spi_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct cyg_net *cn = cyg_net(genl_info_net(info));
	struct cyg_sa_name name;
	struct sk_buff *msg;
	void *header;
	u32 min, max;
	int err;

	err = get_dst(info, &name);
	if (!err)
		err = check_protocol(info, CYGNET_A_SA_PROTOCOL, name.protocol);
	if (!err)
		err = get_spi_range(info, &min, &max);
	if (err)
		return err;
	msg = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	mutex_lock(&cn->lock);
	name.spi = cyg_sadb_reserve(cn, name.protocol, &name.dst, name.family, min, max);
	mutex_unlock(&cn->lock);
	if (!name.spi) {
		nlmsg_free(msg);
		return refuse(info, CYGNET_A_SA_SPI_MAX, -ENOSPC,
			      "no free SPI in that range");
	}
	header = genlmsg_put_reply(msg, info, &family, 0, CYGNET_CMD_SA_ALLOC_SPI);
	nla_put_be32(msg, CYGNET_A_SA_SPI, name.spi);
	genlmsg_end(msg, header);
	return genlmsg_reply(msg, info);
}

/* Operations on policies. */

static int get_ports(struct nlattr **tb, u32 first, u32 last, u16 *from, u16 *to)
{
	*from = tb[first] ? nla_get_u16(tb[first]) : 0;
	*to = tb[last] ? nla_get_u16(tb[last]) : U16_MAX;
	return *from <= *to;
}

static const char *get_range(struct nlattr **tb, u32 first, u32 last,
			     struct cyg_addr *from, struct cyg_addr *to, u8 *family)
{
	u8 family_last;

	if (!tb[first] || !tb[last])
		return "a selector needs the first and the last address of both sides";
	if (!get_addr(tb[first], from, family) ||
	    !get_addr(tb[last], to, &family_last))
		return "address must have 4 or 16 bytes";
	if (*family != family_last)
		return "all addresses of a selector must be of one family";
	if (memcmp(from, to, sizeof(*from)) > 0)
		return "first address is above the last";
	return NULL;
}

static const char *get_selector(struct nlattr **tb, struct cyg_selector *s)
{
	const char *why;
	u8 family;

	why = get_range(tb, CYGNET_A_SELECTOR_LOCAL_FIRST,
			CYGNET_A_SELECTOR_LOCAL_LAST, &s->local_first,
			&s->local_last, &s->family);
	if (!why)
		why = get_range(tb, CYGNET_A_SELECTOR_REMOTE_FIRST,
				CYGNET_A_SELECTOR_REMOTE_LAST, &s->remote_first,
				&s->remote_last, &family);
	if (why)
		return why;
	if (s->family != family)
		return "all addresses of a selector must be of one family";
	if (tb[CYGNET_A_SELECTOR_PROTOCOL])
		s->protocol = nla_get_u8(tb[CYGNET_A_SELECTOR_PROTOCOL]);
	if (!get_ports(tb, CYGNET_A_SELECTOR_LOCAL_PORT_FIRST,
		       CYGNET_A_SELECTOR_LOCAL_PORT_LAST, &s->local_port_first,
		       &s->local_port_last) ||
	    !get_ports(tb, CYGNET_A_SELECTOR_REMOTE_PORT_FIRST,
		       CYGNET_A_SELECTOR_REMOTE_PORT_LAST, &s->remote_port_first,
		       &s->remote_port_last))
		return "first port is above the last";
	return NULL;
}

static u32 count_selectors(const struct nlattr *head, int len)
{
	const struct nlattr *attr;
	u32 count = 0;
	int rem;

	nla_for_each_attr(attr, head, len, rem)
		count += nla_type(attr) == CYGNET_A_POLICY_SELECTOR;
	return count;
}

static int get_selectors(struct genl_info *info, const struct nlattr *head, int len,
			 struct cyg_rules *rules)
{
	const struct nlattr *attr;
	struct nlattr *tb[CYGNET_A_SELECTOR_MAX + 1];
	const char *why;
	int err, rem;

	nla_for_each_attr(attr, head, len, rem) {
		if (nla_type(attr) != CYGNET_A_POLICY_SELECTOR)
			continue;
		err = nla_parse_nested(tb, CYGNET_A_SELECTOR_MAX, attr,
				       cygnet_selector_nl_policy, info->extack);
		if (err)
			return err;
		why = get_selector(tb, &rules->entries[rules->count++].selector);
		if (!why)
			continue;
		info->extack->_msg = why;
		info->extack->bad_attr = attr;
		return -EINVAL;
	}
	return 0;
}

/**
 * cyg_netlink_get_rules - read selectors, action and priority
 * @info: request
 * @head: its attributes, of which some come more than once
 * @len: of them all
 * @rules: allocated and filled in
 */
int cyg_netlink_get_rules(struct genl_info *info, const struct nlattr *head, int len,
			  struct cyg_rules **rules)
{
	struct nlattr **attrs = info->attrs;
	u32 count = count_selectors(head, len);
	int err;

	if (!count)
		return need(info, CYGNET_A_POLICY_SELECTOR, "a policy needs a selector");
	if (count > CYGNET_SELECTORS_MAX)
		return refuse(info, CYGNET_A_POLICY_SELECTOR, -E2BIG,
			      "more than 64 selectors");
	*rules = kvzalloc(struct_size(*rules, entries, count), GFP_KERNEL);
	if (!*rules)
		return -ENOMEM;
	if (attrs[CYGNET_A_POLICY_PRIORITY])
		(*rules)->priority = nla_get_u32(attrs[CYGNET_A_POLICY_PRIORITY]);
	(*rules)->action = nla_get_u32(attrs[CYGNET_A_POLICY_ACTION]);
	(*rules)->steer = nla_get_flag(attrs[CYGNET_A_POLICY_STEER]);
	err = get_selectors(info, head, len, *rules);
	if (err) {
		kvfree(*rules);
		*rules = NULL;
	}
	return err;
}

#define FLOW_LABEL_MAX	0xfffff

/**
 * cyg_netlink_check_policy - what can be wrong with a policy besides its rules
 * @info: request
 * @protocol: of its SAs, filled in
 */
int cyg_netlink_check_policy(struct genl_info *info, u8 *protocol)
{
	struct nlattr **attrs = info->attrs;
	int err;

	err = need(info, CYGNET_A_POLICY_IFINDEX, "device is missing");
	if (!err)
		err = need(info, CYGNET_A_POLICY_ACTION, "action is missing");
	*protocol = IPPROTO_ESP;
	if (!err && attrs[CYGNET_A_POLICY_PROTOCOL]) {
		*protocol = nla_get_u8(attrs[CYGNET_A_POLICY_PROTOCOL]);
		err = check_protocol(info, CYGNET_A_POLICY_PROTOCOL, *protocol);
	}
	if (err)
		return err;
	if (attrs[CYGNET_A_POLICY_FLOW_LABEL] &&
	    nla_get_u32(attrs[CYGNET_A_POLICY_FLOW_LABEL]) > FLOW_LABEL_MAX)
		return refuse(info, CYGNET_A_POLICY_FLOW_LABEL, -ERANGE,
			      "a flow label has 20 bits");
	if (nla_get_u32(attrs[CYGNET_A_POLICY_ACTION]) == CYGNET_ACTION_BYPASS &&
	    !nla_get_flag(attrs[CYGNET_A_POLICY_STEER]))
		return refuse(info, CYGNET_A_POLICY_ACTION, -EOPNOTSUPP,
			      "what a cygnet device sends is always protected: only a policy that steers can bypass, or a route around the device");
	return 0;
}

/**
 * cyg_netlink_get_options - what a policy wants of outer headers
 * @info: request
 */
struct cyg_options cyg_netlink_get_options(struct genl_info *info)
{
	struct nlattr **attrs = info->attrs;
	struct cyg_options options = {
		.df = CYGNET_DF_CLEAR,
		.dscp = CYG_DSCP_COPY,
		.flow_label = CYG_LABEL_OWN,
		.keep_mss = nla_get_flag(attrs[CYGNET_A_POLICY_NO_MSS_CLAMP]),
	};

	if (attrs[CYGNET_A_POLICY_DF])
		options.df = nla_get_u32(attrs[CYGNET_A_POLICY_DF]);
	if (attrs[CYGNET_A_POLICY_DSCP])
		options.dscp = nla_get_u8(attrs[CYGNET_A_POLICY_DSCP]);
	if (attrs[CYGNET_A_POLICY_TTL])
		options.ttl = nla_get_u8(attrs[CYGNET_A_POLICY_TTL]);
	if (attrs[CYGNET_A_POLICY_FLOW_LABEL])
		options.flow_label = nla_get_u32(attrs[CYGNET_A_POLICY_FLOW_LABEL]);
	return options;
}

/* The policy that a request names. */
static struct cyg_policy *named_policy(struct genl_info *info, struct cyg_net *cn)
{
	struct cyg_policy *policy;
	int err;

	err = need(info, CYGNET_A_POLICY_ID, "policy id is missing");
	if (err)
		return ERR_PTR(err);
	policy = cyg_spd_find(cn, nla_get_u32(info->attrs[CYGNET_A_POLICY_ID]));
	if (!policy)
		return ERR_PTR(refuse(info, CYGNET_A_POLICY_ID, -ENOENT,
				      "no such policy"));
	return policy;
}

int cygnet_nl_policy_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct cyg_net *cn = cyg_net(genl_info_net(info));
	struct cyg_policy *policy;
	struct sk_buff *msg;
	int err;

	msg = genlmsg_new(MESSAGE_SIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	mutex_lock(&cn->lock);
	policy = named_policy(info, cn);
	err = PTR_ERR_OR_ZERO(policy);
	if (!err)
		err = put_policy(msg, cn, policy, info->snd_portid, info->snd_seq, 0,
				 CYGNET_CMD_POLICY_GET);
	mutex_unlock(&cn->lock);
	if (!err)
		return genlmsg_reply(msg, info);
	nlmsg_free(msg);
	return err;
}

int cygnet_nl_policy_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct cyg_net *cn = cyg_net(sock_net(skb->sk));
	unsigned long *next = (unsigned long *)cb->ctx, id;
	struct cyg_policy *policy;

	mutex_lock(&cn->lock);
	xa_for_each_start(&cn->policies, id, policy, *next) {
		if (put_policy(skb, cn, policy, NETLINK_CB(cb->skb).portid,
			       cb->nlh->nlmsg_seq, NLM_F_MULTI, CYGNET_CMD_POLICY_GET))
			break;
		*next = id + 1;
	}
	mutex_unlock(&cn->lock);
	return skb->len;
}

/* Operations on ports. */

static int get_port(struct genl_info *info, __be16 *port)
{
	int err;

	err = need(info, CYGNET_A_PORT_PORT, "port is missing");
	if (err)
		return err;
	*port = nla_get_be16(info->attrs[CYGNET_A_PORT_PORT]);
	if (!*port)
		return refuse(info, CYGNET_A_PORT_PORT, -EINVAL, "port 0 does not exist");
	return 0;
}

static int change_port(struct genl_info *info,
		       int (*change)(struct cyg_net *cn, __be16 port))
{
	struct cyg_net *cn = cyg_net(genl_info_net(info));
	__be16 port;
	int err;

	err = get_port(info, &port);
	if (err)
		return err;
	mutex_lock(&cn->lock);
	err = change(cn, port);
	mutex_unlock(&cn->lock);
	return err;
}

int cygnet_nl_port_add_doit(struct sk_buff *skb, struct genl_info *info)
{
	int err = change_port(info, cyg_encap_add_port);

	if (err == -EBUSY)
		return refuse(info, CYGNET_A_PORT_PORT, -EEXIST,
			      "the port is registered already");
	return err;
}

int cygnet_nl_port_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	int err = change_port(info, cyg_encap_del_port);

	if (err == -ENOENT)
		return refuse(info, CYGNET_A_PORT_PORT, err, "the port is not registered");
	return err;
}

static int put_port(struct sk_buff *msg, u16 port, u32 portid, u32 seq, int flags)
{
	void *header = genlmsg_put(msg, portid, seq, &family, flags,
				   CYGNET_CMD_PORT_GET);

	if (!header)
		return -EMSGSIZE;
	if (nla_put_be16(msg, CYGNET_A_PORT_PORT, htons(port))) {
		genlmsg_cancel(msg, header);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, header);
	return 0;
}

int cygnet_nl_port_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct cyg_net *cn = cyg_net(genl_info_net(info));
	struct sk_buff *msg;
	__be16 port;
	int err;

	err = get_port(info, &port);
	if (err)
		return err;
	if (!xa_load(&cn->ports, ntohs(port)))
		return refuse(info, CYGNET_A_PORT_PORT, -ENOENT,
			      "the port is not registered");
	msg = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	put_port(msg, ntohs(port), info->snd_portid, info->snd_seq, 0);
	return genlmsg_reply(msg, info);
}

int cygnet_nl_port_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct cyg_net *cn = cyg_net(sock_net(skb->sk));
	unsigned long *next = (unsigned long *)cb->ctx, port;
	void *entry;

	mutex_lock(&cn->lock);
	xa_for_each_start(&cn->ports, port, entry, *next) {
		if (put_port(skb, port, NETLINK_CB(cb->skb).portid,
			     cb->nlh->nlmsg_seq, NLM_F_MULTI))
			break;
		*next = port + 1;
	}
	mutex_unlock(&cn->lock);
	return skb->len;
}

/* Counters. */

static int put_stats(struct sk_buff *msg, struct cyg_net *cn,
		     struct cyg_device *cyg)
{
	int pending = max(atomic_read(&cn->crypto_pending), 0);

	if (cyg)
		return nla_put_u32(msg, CYGNET_A_STATS_IFINDEX, cyg->dev->ifindex) ||
		       put_drops(msg, CYGNET_A_STATS_DROPS, cyg->drops);
	return put_drops(msg, CYGNET_A_STATS_DROPS, cn->drops) ||
	       nla_put_u32(msg, CYGNET_A_STATS_SAS, atomic_read(&cn->sas_alive)) ||
	       nla_put_u32(msg, CYGNET_A_STATS_POLICIES, cn->policy_count) ||
	       nla_put_u32(msg, CYGNET_A_STATS_CRYPTO_PENDING, max(pending, 0));
}

int cygnet_nl_stats_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *ifindex = info->attrs[CYGNET_A_STATS_IFINDEX];
	struct cyg_net *cn = cyg_net(genl_info_net(info));
	struct cyg_device *cyg = NULL;
	struct sk_buff *msg;
	void *header;
	int err = 0;

	msg = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	header = genlmsg_put_reply(msg, info, &family, 0, CYGNET_CMD_STATS_GET);
	mutex_lock(&cn->lock);
	if (ifindex)
		cyg = cyg_device_find(cn, nla_get_u32(ifindex));
	if (ifindex && !cyg)
		err = refuse(info, CYGNET_A_STATS_IFINDEX, -ENODEV,
			     "no cygnet device of that index in this namespace");
	else if (put_stats(msg, cn, cyg))
		err = -EMSGSIZE;
	mutex_unlock(&cn->lock);
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	genlmsg_end(msg, header);
	return genlmsg_reply(msg, info);
}

/* Devices. */

static int get_underlay(struct genl_info *info, struct net *net, u32 *underlay)
{
	struct net_device *dev;
	int err = 0;

	*underlay = nla_get_u32(info->attrs[CYGNET_A_DEVICE_UNDERLAY]);
	if (!*underlay)
		return 0;
	rcu_read_lock();
	dev = dev_get_by_index_rcu(net, *underlay);
	if (!dev)
		err = refuse(info, CYGNET_A_DEVICE_UNDERLAY, -ENODEV,
			     "no interface of that index in this namespace");
	else if (cyg_device_is(dev))
		err = refuse(info, CYGNET_A_DEVICE_UNDERLAY, -ELOOP,
			     "what is protected does not go into a cygnet device again");
	rcu_read_unlock();
	return err;
}

static int get_outer_changes(struct genl_info *info, struct net *net,
			     struct cyg_outer *outer)
{
	struct nlattr **attrs = info->attrs;

	if (attrs[CYGNET_A_DEVICE_FWMARK])
		outer->fwmark = nla_get_u32(attrs[CYGNET_A_DEVICE_FWMARK]);
	if (attrs[CYGNET_A_DEVICE_TOS])
		outer->tos = nla_get_u8(attrs[CYGNET_A_DEVICE_TOS]);
	if (outer->tos & INET_ECN_MASK)
		return refuse(info, CYGNET_A_DEVICE_TOS, -EINVAL,
			      "the two lowest bits are ECN's, which is copied from inside (RFC 6040)");
	if (attrs[CYGNET_A_DEVICE_UNDERLAY])
		return get_underlay(info, net, &outer->underlay);
	return 0;
}

/* The device that a request names. */
static struct cyg_device *named_device(struct genl_info *info, struct cyg_net *cn)
{
	struct cyg_device *cyg;
	int err;

	err = need(info, CYGNET_A_DEVICE_IFINDEX, "device is missing");
	if (err)
		return ERR_PTR(err);
	cyg = cyg_device_find(cn, nla_get_u32(info->attrs[CYGNET_A_DEVICE_IFINDEX]));
	if (!cyg)
		return ERR_PTR(refuse(info, CYGNET_A_DEVICE_IFINDEX, -ENODEV,
				      "no cygnet device of that index in this namespace"));
	return cyg;
}

int cygnet_nl_device_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct cyg_net *cn = cyg_net(genl_info_net(info));
	struct cyg_outer outer;
	struct cyg_device *cyg;
	int err;

	mutex_lock(&cn->lock);
	cyg = named_device(info, cn);
	err = PTR_ERR_OR_ZERO(cyg);
	if (!err) {
		outer = cyg->outer;
		err = get_outer_changes(info, cn->net, &outer);
	}
	if (!err)
		cyg_device_set_outer(cn, cyg, &outer);
	mutex_unlock(&cn->lock);
	return err;
}

static int put_outer(struct sk_buff *msg, const struct cyg_device *cyg, u32 portid,
		     u32 seq, int flags)
{
	void *header = genlmsg_put(msg, portid, seq, &family, flags,
				   CYGNET_CMD_DEVICE_GET);

	if (!header)
		return -EMSGSIZE;
	if (nla_put_u32(msg, CYGNET_A_DEVICE_IFINDEX, cyg->dev->ifindex) ||
	    nla_put_u32(msg, CYGNET_A_DEVICE_FWMARK, cyg->outer.fwmark) ||
	    nla_put_u32(msg, CYGNET_A_DEVICE_UNDERLAY, cyg->outer.underlay) ||
	    nla_put_u8(msg, CYGNET_A_DEVICE_TOS, cyg->outer.tos)) {
		genlmsg_cancel(msg, header);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, header);
	return 0;
}

int cygnet_nl_device_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct cyg_net *cn = cyg_net(genl_info_net(info));
	struct cyg_device *cyg;
	struct sk_buff *msg;
	int err;

	msg = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	mutex_lock(&cn->lock);
	cyg = named_device(info, cn);
	err = PTR_ERR_OR_ZERO(cyg);
	if (!err)
		err = put_outer(msg, cyg, info->snd_portid, info->snd_seq, 0);
	mutex_unlock(&cn->lock);
	if (!err)
		return genlmsg_reply(msg, info);
	nlmsg_free(msg);
	return err;
}

/* Resumes behind as many as fitted. */
int cygnet_nl_device_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct cyg_net *cn = cyg_net(sock_net(skb->sk));
	unsigned long *done = (unsigned long *)cb->ctx, at = 0;
	struct cyg_device *cyg;

	mutex_lock(&cn->lock);
	list_for_each_entry(cyg, &cn->devices, node) {
		if (at++ < *done)
			continue;
		if (put_outer(skb, cyg, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			      NLM_F_MULTI))
			break;
		*done = at;
	}
	mutex_unlock(&cn->lock);
	return skb->len;
}

/* The family. */

static bool only_reads(u8 cmd)
{
	return cmd == CYGNET_CMD_SA_GET || cmd == CYGNET_CMD_POLICY_GET ||
	       cmd == CYGNET_CMD_PORT_GET || cmd == CYGNET_CMD_STATS_GET ||
	       cmd == CYGNET_CMD_DEVICE_GET;
}

/*
 * The operations' own flag asks for CAP_NET_ADMIN in the user namespace that
 * owns the network namespace. That suffices to read.
 */
static int pre_doit(const struct genl_split_ops *ops, struct sk_buff *skb,
		    struct genl_info *info)
{
	if (cyg_userns_admin || only_reads(info->genlhdr->cmd) ||
	    netlink_capable(skb, CAP_NET_ADMIN))
		return 0;
	NL_SET_ERR_MSG(info->extack,
		       "CAP_NET_ADMIN in the initial user namespace is needed");
	return -EPERM;
}

static const struct genl_multicast_group groups[] = {
	[CYGNET_NLGRP_EVENTS] = {
		.name = CYGNET_MCGRP_EVENTS,
		.flags = GENL_MCAST_CAP_NET_ADMIN,
	},
};

static struct genl_family family __ro_after_init = {
	.name = CYGNET_FAMILY_NAME,
	.version = CYGNET_FAMILY_VERSION,
	.netnsok = true,
	.parallel_ops = true,
	.module = THIS_MODULE,
	.ops = cygnet_nl_ops,
	.n_ops = ARRAY_SIZE(cygnet_nl_ops),
	.resv_start_op = CYGNET_CMD_SA_NEW,
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
	.pre_doit = pre_doit,
};

/**
 * cyg_netlink_reply - begin a reply
 * @msg: has room
 * @info: request
 * @cmd: operation
 */
void *cyg_netlink_reply(struct sk_buff *msg, struct genl_info *info, u8 cmd)
{
	return genlmsg_put_reply(msg, info, &family, 0, cmd);
}

/**
 * cyg_netlink_init - offer the family
 */
int cyg_netlink_init(void)
{
	return genl_register_family(&family);
}

/**
 * cyg_netlink_uninit - take no more requests
 */
void cyg_netlink_uninit(void)
{
	genl_unregister_family(&family);
}

MODULE_ALIAS_GENL_FAMILY(CYGNET_FAMILY_NAME);
