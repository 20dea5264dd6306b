// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changes of SAs and policies, one or many at once, all or none.
 *
 * A change is read first, which may allocate, key and sleep; then staged under
 * the namespace's lock, which may refuse it; then it takes effect, which cannot
 * fail. What is deleted stays until all else is done, so that a packet finds
 * either what there was or what there will be.
 */
#include <linux/slab.h>

#include "netlink.h"

/* In the order of staging: each may rely on those before it. */
enum kind {
	POLICY_SET,
	POLICY_DEL,
	SA_NEW,
	SA_SET,
	SA_DEL,
	KINDS,
};

/* Room for the attributes of any change. */
#define ATTRS_MAX	CYGNET_A_SA_MAX
static_assert((int)CYGNET_A_SA_MAX >= (int)CYGNET_A_POLICY_MAX);

/**
 * struct cyg_change - one operation
 * @node: in transaction.changes
 * @kind: of which kind
 * @attr: it in the transaction, NULL if it is a request of its own
 * @info: as if it were one
 * @attrs: of it, unless it is one
 * @head: the same as they came
 * @len: of them
 * @policy: set, deleted, or given an SA
 * @created: @policy is new
 * @cyg: POLICY_SET, its device
 * @moved: POLICY_SET, from another one
 * @rules: POLICY_SET, the new ones, and once they are in effect the old ones
 * @protocol: POLICY_SET
 * @mode: POLICY_SET
 * @sa: new, set or deleted; NULL if SA_DEL ends a reservation
 * @staged: @sa is in the SADB, if not in service
 * @config: SA_NEW
 * @name: SA_SET, SA_DEL
 * @ends: SA_SET
 */
struct cyg_change {
	struct list_head node;
	enum kind kind;
	const struct nlattr *attr;
	struct genl_info info;
	struct nlattr *attrs[ATTRS_MAX + 1];
	const struct nlattr *head;
	int len;

	struct cyg_policy *policy;
	bool created;
	struct cyg_device *cyg;
	bool moved;
	struct cyg_rules *rules;
	u8 protocol, mode;

	struct cyg_sa *sa;
	bool staged;
	struct cyg_sa_config config;
	struct cyg_sa_name name;
	struct cyg_ends ends;
};

/**
 * struct transaction - changes that go together
 * @cn: namespace
 * @batch: of policies
 * @at: the change being read or staged
 * @changes: in the order of the request
 * @array: where they are
 */
struct transaction {
	struct cyg_net *cn;
	struct cyg_spd_batch batch;
	struct cyg_change *at;
	struct list_head changes;
	struct cyg_change array[];
};

static int out_of_memory(struct genl_info *info)
{
	NL_SET_ERR_MSG(info->extack, "out of memory");
	return -ENOMEM;
}

/* Policies. */

static int read_policy_set(struct transaction *t, struct cyg_change *c)
{
	struct nlattr *mode = c->info.attrs[CYGNET_A_POLICY_MODE];
	int err;

	c->mode = mode ? nla_get_u32(mode) : CYGNET_MODE_TUNNEL;
	err = cyg_netlink_check_policy(&c->info, &c->protocol);
	return err ?: cyg_netlink_get_rules(&c->info, c->head, c->len, &c->rules);
}

/* What its SAs rely on does not change. */
static int check_change(struct cyg_change *c)
{
	struct cyg_policy *policy = c->policy;

	if (policy->change)
		return refuse(&c->info, CYGNET_A_POLICY_ID, -EINVAL,
			      "the transaction names this policy twice");
	if (list_empty(&policy->sas))
		return 0;
	if (rcu_access_pointer(policy->dev) != c->cyg->dev)
		return refuse(&c->info, CYGNET_A_POLICY_IFINDEX, -EBUSY,
			      "the policy has SAs and cannot move to another device");
	if (policy->protocol != c->protocol)
		return refuse(&c->info, CYGNET_A_POLICY_PROTOCOL, -EBUSY,
			      "the policy has SAs of the other protocol");
	if (policy->mode != c->mode)
		return refuse(&c->info, CYGNET_A_POLICY_MODE, -EBUSY,
			      "the policy has SAs of the other mode");
	return 0;
}

/* The policy to set, new unless it exists, and its device. */
static int place_policy(struct transaction *t, struct cyg_change *c)
{
	struct nlattr *attr = c->info.attrs[CYGNET_A_POLICY_ID];
	u32 ifindex = nla_get_u32(c->info.attrs[CYGNET_A_POLICY_IFINDEX]);
	u32 id = attr ? nla_get_u32(attr) : 0;
	struct cyg_policy *policy;
	int err;

	c->cyg = cyg_device_find(t->cn, ifindex);
	if (!c->cyg)
		return refuse(&c->info, CYGNET_A_POLICY_IFINDEX, -ENODEV,
			      "no cygnet device of that index in this namespace");
	policy = id ? cyg_spd_find(t->cn, id) : NULL;
	if (policy) {
		c->policy = policy;
		err = check_change(c);
		if (err)
			c->policy = NULL;
		return err;
	}
	policy = cyg_spd_new(t->cn, id);
	if (IS_ERR(policy))
		return out_of_memory(&c->info);
	c->policy = policy;
	c->created = true;
	return 0;
}

static int stage_policy_set(struct transaction *t, struct cyg_change *c)
{
	int err = place_policy(t, c);

	if (err)
		return err;
	c->policy->change = c;
	err = cyg_spd_stage_set(&t->batch, c->policy, c->cyg, c->rules);
	return err == -ENOMEM ? out_of_memory(&c->info) : err;
}

static void undo_policy_set(struct transaction *t, struct cyg_change *c)
{
	if (!c->policy)
		return;
	c->policy->change = NULL;
	if (c->created)
		cyg_spd_del(t->cn, c->policy);
}

static void apply_policy_set(struct transaction *t, struct cyg_change *c)
{
	struct nlattr *name = c->info.attrs[CYGNET_A_POLICY_NAME];
	struct cyg_policy *policy = c->policy;

	policy->protocol = c->protocol;
	policy->mode = c->mode;
	policy->options = cyg_netlink_get_options(&c->info);
	if (name)
		nla_strscpy(policy->name, name, sizeof(policy->name));
	c->moved = rcu_access_pointer(policy->dev) != c->cyg->dev;
	c->rules = cyg_spd_apply(t->cn, policy, c->cyg, c->rules);
}

/* Packets do not see the old rules any more. */
static void finish_policy_set(struct transaction *t, struct cyg_change *c)
{
	cyg_spd_settle(t->cn, c->policy, c->rules, c->moved);
	c->rules = NULL;
	c->policy->change = NULL;
	cyg_netlink_policy(t->cn, c->policy, CYGNET_CMD_POLICY_SET_NTF);
}

static int stage_policy_del(struct transaction *t, struct cyg_change *c)
{
	struct nlattr *id = c->info.attrs[CYGNET_A_POLICY_ID];
	struct cyg_policy *policy;
	int err;

	err = need(&c->info, CYGNET_A_POLICY_ID, "policy id is missing");
	if (err)
		return err;
	policy = cyg_spd_find(t->cn, nla_get_u32(id));
	if (!policy)
		return refuse(&c->info, CYGNET_A_POLICY_ID, -ENOENT, "no such policy");
	if (policy->change)
		return refuse(&c->info, CYGNET_A_POLICY_ID, -EINVAL,
			      "the transaction names this policy twice");
	c->policy = policy;
	policy->change = c;
	err = cyg_spd_stage_del(&t->batch, policy);
	return err ? out_of_memory(&c->info) : 0;
}

static void undo_policy_del(struct transaction *t, struct cyg_change *c)
{
	if (c->policy)
		c->policy->change = NULL;
}

/* SAs. */

static int read_sa_new(struct transaction *t, struct cyg_change *c)
{
	struct cyg_sa *sa;
	int err;

	err = cyg_netlink_get_sa(&c->info, &c->config);
	if (err)
		return err;
	sa = cyg_sadb_new(t->cn, &c->config);
	if (!IS_ERR(sa)) {
		c->sa = sa;
		return 0;
	}
	err = PTR_ERR(sa);
	return refuse(&c->info, c->config.alg ? CYGNET_A_SA_ENCR : CYGNET_A_SA_INTEG, err,
		      err == -ENOMEM ? "out of memory" :
		      "the kernel's crypto API does not take this algorithm and key");
}

/* The one that the SA names, or else the one set in front of it. */
static struct cyg_policy *policy_for(struct transaction *t, struct cyg_change *c)
{
	struct nlattr *id = c->info.attrs[CYGNET_A_SA_POLICY];
	struct cyg_change *other = c;
	int err;

	if (id)
		return cyg_spd_find(t->cn, nla_get_u32(id));
	list_for_each_entry_continue_reverse(other, &t->changes, node)
		if (other->kind == POLICY_SET)
			return other->policy;
	err = need(&c->info, CYGNET_A_SA_POLICY, "policy id is missing");
	return ERR_PTR(err);
}

static int check_taken(struct transaction *t, struct cyg_change *c, u32 type,
		       u8 protocol, __be32 spi, const struct cyg_addr *dst, u8 family)
{
	if (cyg_sadb_find(t->cn, protocol, spi, dst, family))
		return refuse(&c->info, type, -EEXIST,
			      "an SA of that protocol, SPI and destination exists");
	if (cyg_ipaddr_xfrm_holds(t->cn->net, 0, dst, spi, protocol, family))
		return refuse(&c->info, type, -EEXIST,
			      "kernel xfrm has an SA of that protocol, SPI and destination");
	return 0;
}

/* Those that it will have. */
static const struct cyg_rules *rules_of(struct transaction *t, struct cyg_policy *policy)
{
	if (policy->change && policy->change->kind == POLICY_SET)
		return policy->change->rules;
	return rcu_dereference_protected(policy->rules, lockdep_is_held(&t->cn->lock));
}

/*
 * Is it to another host at the same address, behind one NAT, for packets that
 * nothing tells apart (RFC 3948 section 5.2)? They would go to the wrong one.
 */
static bool is_taken_behind_nat(struct transaction *t, struct cyg_change *c)
{
	const struct cyg_sa_config *config = &c->config;
	const struct cyg_sa *sa;

	if (config->mode != CYGNET_MODE_TRANSPORT || !config->dport ||
	    config->key.direction != CYGNET_DIRECTION_OUT)
		return false;
	list_for_each_entry(sa, &t->cn->sa_list, node)
		if (sa->mode == CYGNET_MODE_TRANSPORT &&
		    sa->key.direction == CYGNET_DIRECTION_OUT &&
		    cyg_sa_encapsulated(sa) && sa->dport != config->dport &&
		    sa->family == config->family && sa->policy != c->policy &&
		    cyg_addr_equal(&sa->dst, &config->dst) &&
		    cyg_spd_meet(rules_of(t, sa->policy), rules_of(t, c->policy)))
			return true;
	return false;
}

/* Policies are what they will be. */
static int check_policy(struct transaction *t, struct cyg_change *c)
{
	const struct cyg_sa_config *config = &c->config;
	struct cyg_policy *policy = c->policy;
	struct cyg_change *set = policy->change;
	const struct cyg_rules *rules = rules_of(t, policy);
	u8 mode = set ? set->mode : policy->mode;
	u8 protocol = set ? set->protocol : policy->protocol;

	if (set && set->kind == POLICY_DEL)
		return refuse(&c->info, CYGNET_A_SA_POLICY, -ENOENT,
			      "the transaction deletes the policy");
	if (rules->action != CYGNET_ACTION_PROTECT)
		return refuse(&c->info, CYGNET_A_SA_POLICY, -EINVAL,
			      "the policy does not protect");
	if (!set && !rcu_access_pointer(policy->dev))
		return refuse(&c->info, CYGNET_A_SA_POLICY, -ENODEV,
			      "the policy's device is gone: give it another");
	if (mode != config->mode)
		return refuse(&c->info, CYGNET_A_SA_MODE, -EINVAL,
			      "the policy is of the other mode");
	if (protocol != config->key.protocol)
		return refuse(&c->info, CYGNET_A_SA_PROTOCOL, -EINVAL,
			      "the policy is of the other protocol");
	return 0;
}

static int stage_sa_new(struct transaction *t, struct cyg_change *c)
{
	const struct cyg_sa_config *config = &c->config;
	struct cyg_policy *policy = policy_for(t, c);
	int err;

	if (IS_ERR(policy))
		return PTR_ERR(policy);
	if (!policy)
		return refuse(&c->info, CYGNET_A_SA_POLICY, -ENOENT, "no such policy");
	c->policy = policy;
	err = check_policy(t, c);
	if (!err)
		err = check_taken(t, c, CYGNET_A_SA_SPI, config->key.protocol,
				  config->key.spi, &config->dst, config->family);
	if (err)
		return err;
	if (is_taken_behind_nat(t, c))
		return refuse(&c->info, CYGNET_A_SA_DST, -EEXIST,
			      "another host behind the same NAT has an SA for these selectors (RFC 3948 section 5.2): narrow them, or take tunnel mode");
	if (cyg_sadb_stage(c->sa, policy))
		return out_of_memory(&c->info);
	c->staged = true;
	return 0;
}

static void undo_sa_new(struct transaction *t, struct cyg_change *c)
{
	if (!c->staged)
		return;
	cyg_sadb_unstage(c->sa);
	c->sa = NULL;
}

/* The SA that a change is about. */
static int find_sa(struct transaction *t, struct cyg_change *c)
{
	struct cyg_sa *sa;

	sa = cyg_sadb_find(t->cn, c->name.protocol, c->name.spi, &c->name.dst,
			   c->name.family);
	if (!sa)
		return refuse(&c->info, CYGNET_A_SA_SPI, -ENOENT,
			      "no SA of that protocol, SPI and destination");
	/* One that this transaction adds is in no list yet. */
	if (sa->named || list_empty(&sa->node))
		return refuse(&c->info, CYGNET_A_SA_SPI, -EINVAL,
			      "the transaction names this SA twice");
	c->sa = sa;
	sa->named = true;
	return 0;
}

static void undo_named(struct transaction *t, struct cyg_change *c)
{
	if (c->sa)
		c->sa->named = false;
}

static int read_name(struct transaction *t, struct cyg_change *c)
{
	return cyg_netlink_get_name(&c->info, &c->name);
}

static int get_end(struct cyg_change *c, u32 type, struct cyg_addr *addr)
{
	u8 family;
	int err;

	if (!c->info.attrs[type])
		return 0;
	err = cyg_netlink_get_endpoint(&c->info, type, addr, &family);
	if (!err && family != c->sa->family)
		err = refuse(&c->info, type, -EINVAL,
			     "an SA stays with its address family: replace it");
	return err;
}

static int get_end_port(struct cyg_change *c, u32 type, __be16 *port)
{
	if (!c->info.attrs[type])
		return 0;
	*port = nla_get_be16(c->info.attrs[type]);
	if (!*port || !cyg_sa_encapsulated(c->sa))
		return refuse(&c->info, type, -EINVAL,
			      "UDP encapsulation cannot be switched on or off: replace the SA");
	return 0;
}

static int stage_sa_set(struct transaction *t, struct cyg_change *c)
{
	struct cyg_sa *sa;
	int err;

	err = find_sa(t, c);
	if (err)
		return err;
	sa = c->sa;
	cyg_sadb_ends(sa, &c->ends);
	if (sa->mode == CYGNET_MODE_TRANSPORT)
		return refuse(&c->info, CYGNET_A_SA_SPI, -EINVAL,
			      "in transport mode the ends are those of the packets");
	err = get_end(c, CYGNET_A_SA_NEW_SRC, &c->ends.src);
	if (!err)
		err = get_end(c, CYGNET_A_SA_NEW_DST, &c->ends.dst);
	if (!err)
		err = get_end_port(c, CYGNET_A_SA_ENCAP_SPORT, &c->ends.sport);
	if (!err)
		err = get_end_port(c, CYGNET_A_SA_ENCAP_DPORT, &c->ends.dport);
	if (!err && !cyg_addr_equal(&c->ends.dst, &sa->dst))
		err = check_taken(t, c, CYGNET_A_SA_NEW_DST, sa->key.protocol,
				  sa->key.spi, &c->ends.dst, sa->family);
	return err;
}

static int stage_sa_del(struct transaction *t, struct cyg_change *c)
{
	/* A reservation ends like an SA. */
	if (cyg_sadb_is_reserved(t->cn, c->name.protocol, c->name.spi, &c->name.dst,
				 c->name.family))
		return 0;
	return find_sa(t, c);
}

static void finish_sa_del(struct transaction *t, struct cyg_change *c)
{
	if (c->sa)
		cyg_sadb_del(c->sa);
	else
		cyg_sadb_unreserve(t->cn, c->name.protocol, c->name.spi, &c->name.dst,
				   c->name.family);
}

/* All of them. */

static int read_nothing(struct transaction *t, struct cyg_change *c)
{
	return 0;
}

static const struct {
	u16 attr;
	const struct nla_policy *policy;
	u16 max;
	int (*read)(struct transaction *t, struct cyg_change *c);
	int (*stage)(struct transaction *t, struct cyg_change *c);
	void (*undo)(struct transaction *t, struct cyg_change *c);
} kinds[] = {
	[POLICY_SET] = {
		CYGNET_A_TRANSACTION_POLICY_SET, cygnet_policy_set_nl_policy,
		ARRAY_SIZE(cygnet_policy_set_nl_policy) - 1,
		read_policy_set, stage_policy_set, undo_policy_set,
	},
	[POLICY_DEL] = {
		CYGNET_A_TRANSACTION_POLICY_DEL, cygnet_policy_del_nl_policy,
		ARRAY_SIZE(cygnet_policy_del_nl_policy) - 1,
		read_nothing, stage_policy_del, undo_policy_del,
	},
	[SA_NEW] = {
		CYGNET_A_TRANSACTION_SA_NEW, cygnet_sa_new_nl_policy,
		ARRAY_SIZE(cygnet_sa_new_nl_policy) - 1,
		read_sa_new, stage_sa_new, undo_sa_new,
	},
	[SA_SET] = {
		CYGNET_A_TRANSACTION_SA_SET, cygnet_sa_set_nl_policy,
		ARRAY_SIZE(cygnet_sa_set_nl_policy) - 1,
		read_name, stage_sa_set, undo_named,
	},
	[SA_DEL] = {
		CYGNET_A_TRANSACTION_SA_DEL, cygnet_sa_del_nl_policy,
		ARRAY_SIZE(cygnet_sa_del_nl_policy) - 1,
		read_name, stage_sa_del, undo_named,
	},
};

static int read_all(struct transaction *t)
{
	struct cyg_change *c;
	int err;

	list_for_each_entry(c, &t->changes, node) {
		t->at = c;
		err = kinds[c->kind].read(t, c);
		if (err)
			return err;
	}
	return 0;
}

static int stage(struct transaction *t)
{
	struct cyg_change *c;
	enum kind kind;
	int err;

	for (kind = 0; kind < KINDS; kind++)
		list_for_each_entry(c, &t->changes, node) {
			if (c->kind != kind)
				continue;
			t->at = c;
			err = kinds[kind].stage(t, c);
			if (err)
				return err;
		}
	return 0;
}

static void undo(struct transaction *t)
{
	struct cyg_change *c;

	cyg_spd_abort(&t->batch);
	list_for_each_entry(c, &t->changes, node)
		kinds[c->kind].undo(t, c);
}

static void activate(struct transaction *t, u8 direction)
{
	struct cyg_change *c;

	list_for_each_entry(c, &t->changes, node)
		if (c->kind == SA_NEW && c->config.key.direction == direction)
			cyg_sadb_activate(c->sa);
}

/*
 * Nothing here can fail. Inbound, what a packet may meet only grows until the
 * last step; outbound, a policy has its SA before packets are led to it.
 */
static void commit(struct transaction *t)
{
	struct cyg_change *c;

	list_for_each_entry(c, &t->changes, node)
		if (c->kind == POLICY_SET)
			apply_policy_set(t, c);
	activate(t, CYGNET_DIRECTION_IN);
	activate(t, CYGNET_DIRECTION_OUT);
	list_for_each_entry(c, &t->changes, node)
		if (c->kind == SA_SET)
			cyg_sadb_move(c->sa, &c->ends);
	cyg_spd_publish(&t->batch);

	list_for_each_entry(c, &t->changes, node) {
		if (c->kind == POLICY_SET)
			finish_policy_set(t, c);
		else if (c->kind == SA_NEW)
			cyg_netlink_sa(c->sa, CYGNET_CMD_SA_NEW_NTF);
		else if (c->kind == SA_SET)
			cyg_netlink_moved(c->sa, GFP_KERNEL);
	}
	list_for_each_entry(c, &t->changes, node)
		if (c->kind == SA_SET)
			undo_named(t, c);
		else if (c->kind == SA_DEL)
			finish_sa_del(t, c);
	list_for_each_entry(c, &t->changes, node)
		if (c->kind == POLICY_DEL)
			cyg_spd_remove(t->cn, c->policy);
}

/* So that keys do not stay in the sender's message. */
static void wipe(struct nlattr *attr)
{
	if (attr)
		memzero_explicit(nla_data(attr), nla_len(attr));
}

static void drop_change(struct cyg_change *c, bool committed)
{
	if (c->kind == POLICY_SET && !committed)
		kvfree(c->rules);
	if (c->kind != SA_NEW)
		return;
	if (c->sa && !committed)
		cyg_sadb_free(c->sa);
	wipe(c->info.attrs[CYGNET_A_SA_ENCR_KEY]);
	wipe(c->info.attrs[CYGNET_A_SA_INTEG_KEY]);
}

static int run(struct transaction *t)
{
	struct cyg_change *c;
	int err;

	err = read_all(t);
	if (err)
		goto drop;
	mutex_lock(&t->cn->lock);
	cyg_spd_begin(&t->batch, t->cn, GFP_KERNEL);
	err = stage(t);
	if (err)
		undo(t);
	else
		commit(t);
	mutex_unlock(&t->cn->lock);
drop:
	list_for_each_entry(c, &t->changes, node)
		drop_change(c, !err);
	return err;
}

static struct transaction *new_transaction(struct genl_info *info, u32 count)
{
	struct transaction *t;
	u32 i;

	t = kvzalloc(struct_size(t, array, count), GFP_KERNEL);
	if (!t)
		return NULL;
	t->cn = cyg_net(genl_info_net(info));
	INIT_LIST_HEAD(&t->changes);
	for (i = 0; i < count; i++)
		list_add_tail(&t->array[i].node, &t->changes);
	return t;
}

static int run_one(struct genl_info *info, enum kind kind, u32 *id)
{
	struct transaction *t = new_transaction(info, 1);
	int err;

	if (!t)
		return out_of_memory(info);
	t->array[0].kind = kind;
	t->array[0].info = *info;
	t->array[0].head = nlmsg_attrdata(info->nlhdr, GENL_HDRLEN);
	t->array[0].len = nlmsg_attrlen(info->nlhdr, GENL_HDRLEN);
	err = run(t);
	if (!err && id)
		*id = t->array[0].policy->id;
	kvfree(t);
	return err;
}

int cygnet_nl_sa_new_doit(struct sk_buff *skb, struct genl_info *info)
{
	return run_one(info, SA_NEW, NULL);
}

int cygnet_nl_sa_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	return run_one(info, SA_SET, NULL);
}

int cygnet_nl_sa_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	return run_one(info, SA_DEL, NULL);
}

int cygnet_nl_policy_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	return run_one(info, POLICY_DEL, NULL);
}

int cygnet_nl_policy_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct sk_buff *msg;
	void *header;
	u32 id;
	int err;

	msg = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	err = run_one(info, POLICY_SET, &id);
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	header = cyg_netlink_reply(msg, info, CYGNET_CMD_POLICY_SET);
	nla_put_u32(msg, CYGNET_A_POLICY_ID, id);
	genlmsg_end(msg, header);
	return genlmsg_reply(msg, info);
}

static int kind_of(const struct nlattr *attr)
{
	enum kind kind;

	for (kind = 0; kind < KINDS; kind++)
		if (kinds[kind].attr == nla_type(attr))
			return kind;
	return -1;
}

static int parse_change(struct genl_info *info, struct cyg_change *c,
			const struct nlattr *attr)
{
	c->kind = kind_of(attr);
	c->attr = attr;
	c->info = *info;
	c->info.attrs = c->attrs;
	c->head = nla_data(attr);
	c->len = nla_len(attr);
	return nla_parse(c->attrs, kinds[c->kind].max, c->head, c->len,
			 kinds[c->kind].policy, info->extack);
}

static int parse_all(struct genl_info *info, struct transaction *t)
{
	const struct nlattr *attr;
	int err, rem;

	t->at = t->array;
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		err = parse_change(info, t->at, attr);
		if (err)
			return err;
		t->at++;
	}
	return 0;
}

/* Which operation it was. */
static void point_out(struct netlink_ext_ack *extack, const struct cyg_change *c)
{
	if (extack->miss_type && !extack->miss_nest)
		extack->miss_nest = c->attr;
	else if (!extack->bad_attr)
		extack->bad_attr = c->attr;
}

static int count_changes(struct genl_info *info, u32 *count)
{
	const struct nlattr *attr;
	int rem;

	*count = 0;
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		info->extack->bad_attr = attr;
		if (kind_of(attr) < 0) {
			NL_SET_ERR_MSG(info->extack, "not an operation");
			return -EINVAL;
		}
		if (++*count > CYGNET_OPERATIONS_MAX) {
			NL_SET_ERR_MSG(info->extack,
				       "a transaction has 256 operations at most");
			return -E2BIG;
		}
	}
	info->extack->bad_attr = NULL;
	if (*count)
		return 0;
	NL_SET_ERR_MSG(info->extack, "a transaction needs an operation");
	return -EINVAL;
}

/* The ids of the policies that were set. */
static int put_ids(struct sk_buff *msg, struct transaction *t)
{
	struct cyg_change *c;
	struct nlattr *nest;

	list_for_each_entry(c, &t->changes, node) {
		if (c->kind != POLICY_SET)
			continue;
		nest = nla_nest_start_noflag(msg, CYGNET_A_TRANSACTION_POLICY_SET);
		if (!nest || nla_put_u32(msg, CYGNET_A_POLICY_ID, c->policy->id))
			return -EMSGSIZE;
		nla_nest_end(msg, nest);
	}
	return 0;
}

int cygnet_nl_transaction_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct transaction *t;
	struct sk_buff *msg;
	void *header;
	u32 count;
	int err;

	err = count_changes(info, &count);
	if (err)
		return err;
	t = new_transaction(info, count);
	/* An id, in a nest, for each. */
	msg = genlmsg_new(count * 2 * nla_total_size(sizeof(u32)), GFP_KERNEL);
	if (!t || !msg) {
		err = out_of_memory(info);
		goto free;
	}
	err = parse_all(info, t);
	if (!err)
		err = run(t);
	if (err) {
		point_out(info->extack, t->at);
		goto free;
	}
	header = cyg_netlink_reply(msg, info, CYGNET_CMD_TRANSACTION);
	put_ids(msg, t);
	genlmsg_end(msg, header);
	kvfree(t);
	return genlmsg_reply(msg, info);

free:
	kvfree(t);
	nlmsg_free(msg);
	return err;
}
