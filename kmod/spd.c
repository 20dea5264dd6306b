// SPDX-License-Identifier: GPL-2.0-only
/*
 * Security Policy Database (RFC 4301 section 4.4.1).
 *
 * A policy has a stable id and replaceable rules. Packets that are sent look
 * at their device's cyg_spd, which has all selectors of all its policies in
 * order; packets that are received are held against the rules of the one
 * policy that their SA belongs to.
 */
#include <linux/slab.h>
#include <linux/sort.h>

#include "cygnet.h"

/**
 * cyg_spd_find - look up a policy
 * @cn: namespace, locked
 * @id: of the policy
 */
struct cyg_policy *cyg_spd_find(struct cyg_net *cn, u32 id)
{
	lockdep_assert_held(&cn->lock);
	return xa_load(&cn->policies, id);
}

/**
 * cyg_spd_lookup - the first policy that takes a flow
 * @cyg: device
 * @flow: outbound
 * @action: what the policy does
 *
 * Call under rcu_read_lock().
 */
struct cyg_policy *cyg_spd_lookup(struct cyg_device *cyg,
				  const struct cyg_flow *flow, u8 *action)
{
	const struct cyg_spd *spd = rcu_dereference(cyg->spd);
	u32 i;

	for (i = 0; spd && i < spd->count; i++) {
		if (!cyg_selector_matches(&spd->entries[i].selector, flow))
			continue;
		*action = spd->entries[i].action;
		return spd->entries[i].policy;
	}
	return NULL;
}

/**
 * cyg_spd_admits - may a packet have come by an SA of this policy?
 * @policy: the policy
 * @flow: inbound
 *
 * Call under rcu_read_lock().
 */
bool cyg_spd_admits(struct cyg_policy *policy, const struct cyg_flow *flow)
{
	const struct cyg_rules *rules = rcu_dereference(policy->rules);
	u32 i;

	if (rules->action != CYGNET_ACTION_PROTECT)
		return false;
	for (i = 0; i < rules->count; i++)
		if (cyg_selector_matches(&rules->selectors[i], flow))
			return true;
	return false;
}

/* While a cyg_spd is being built, with what its order depends on. */
struct draft {
	struct cyg_spd_entry entry;
	u32 priority, weight;
};

static int compare_drafts(const void *a, const void *b)
{
	const struct draft *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	if (x->entry.policy->id != y->entry.policy->id)
		return x->entry.policy->id < y->entry.policy->id ? -1 : 1;
	return 0;
}

static struct draft *draft_rules(struct draft *draft, struct cyg_policy *policy,
				 const struct cyg_rules *rules)
{
	u32 i;

	for (i = 0; i < rules->count; i++, draft++) {
		draft->entry.selector = rules->selectors[i];
		draft->entry.policy = policy;
		draft->entry.action = rules->action;
		draft->priority = rules->priority;
		draft->weight = cyg_selector_weight(&rules->selectors[i]);
	}
	return draft;
}

static struct cyg_rules *rules_of(struct cyg_net *cn, struct cyg_policy *policy)
{
	return rcu_dereference_protected(policy->rules,
					 lockdep_is_held(&cn->lock));
}

/*
 * A new cyg_spd for a device, with all its policies but @except, and @policy
 * (if not NULL) with @rules.
 */
static struct cyg_spd *build_spd(struct cyg_net *cn, struct cyg_device *cyg,
				 struct cyg_policy *except,
				 struct cyg_policy *policy,
				 const struct cyg_rules *rules)
{
	u32 i, count = policy ? rules->count : 0;
	struct cyg_policy *other;
	struct draft *drafts, *next;
	struct cyg_spd *spd;

	list_for_each_entry(other, &cyg->policies, node)
		if (other != except)
			count += rules_of(cn, other)->count;
	spd = kvmalloc(struct_size(spd, entries, count), GFP_KERNEL);
	drafts = kvmalloc_array(count ?: 1, sizeof(*drafts), GFP_KERNEL);
	if (!spd || !drafts) {
		kvfree(spd);
		kvfree(drafts);
		return NULL;
	}
	next = drafts;
	list_for_each_entry(other, &cyg->policies, node)
		if (other != except)
			next = draft_rules(next, other, rules_of(cn, other));
	if (policy)
		draft_rules(next, policy, rules);
	sort(drafts, count, sizeof(*drafts), compare_drafts, NULL);
	spd->count = count;
	for (i = 0; i < count; i++)
		spd->entries[i] = drafts[i].entry;
	kvfree(drafts);
	return spd;
}

static void replace_spd(struct cyg_net *cn, struct cyg_device *cyg,
			struct cyg_spd *spd)
{
	spd = rcu_replace_pointer(cyg->spd, spd, lockdep_is_held(&cn->lock));
	if (spd)
		kvfree_rcu(spd, rcu);
}

/**
 * cyg_spd_new - a policy without rules, on no device
 * @cn: namespace, locked
 * @id: to have, or 0 to be given one
 *
 * Return: an error, -EBUSY if the id is taken
 */
struct cyg_policy *cyg_spd_new(struct cyg_net *cn, u32 id)
{
	struct cyg_policy *policy;
	int err;

	lockdep_assert_held(&cn->lock);
	policy = kzalloc(sizeof(*policy), GFP_KERNEL);
	if (!policy)
		return ERR_PTR(-ENOMEM);
	if (id) {
		policy->id = id;
		err = xa_insert(&cn->policies, id, policy, GFP_KERNEL);
	} else {
		err = xa_alloc(&cn->policies, &policy->id, policy, xa_limit_31b,
			       GFP_KERNEL);
	}
	if (err) {
		kfree(policy);
		return ERR_PTR(err);
	}
	refcount_set(&policy->ref, 1);
	INIT_LIST_HEAD(&policy->node);
	INIT_LIST_HEAD(&policy->sas);
	policy->acquired = jiffies - HZ;
	cn->policy_count++;
	cyg_stats_born(CYG_KIND_POLICY);
	return policy;
}

/**
 * cyg_spd_put - drop a reference
 * @policy: the policy
 */
void cyg_spd_put(struct cyg_policy *policy)
{
	struct cyg_rules *rules;

	if (!refcount_dec_and_test(&policy->ref))
		return;
	rules = rcu_dereference_protected(policy->rules, true);
	if (rules)
		kvfree_rcu(rules, rcu);
	kfree_rcu(policy, rcu);
	cyg_stats_died(CYG_KIND_POLICY);
}

static struct cyg_device *device_of(struct cyg_net *cn, struct cyg_policy *policy)
{
	struct net_device *dev;

	dev = rcu_dereference_protected(policy->dev, lockdep_is_held(&cn->lock));
	return dev ? netdev_priv(dev) : NULL;
}

/**
 * cyg_spd_set - give a policy its device and rules, in one step
 * @cn: namespace, locked
 * @policy: the policy
 * @cyg: device to be on from now on
 * @rules: taken if that works
 *
 * Return: 0 or -ENOMEM, with nothing changed
 */
int cyg_spd_set(struct cyg_net *cn, struct cyg_policy *policy,
		struct cyg_device *cyg, struct cyg_rules *rules)
{
	struct cyg_device *old = device_of(cn, policy);
	struct cyg_spd *spd, *old_spd = NULL;

	spd = build_spd(cn, cyg, policy, policy, rules);
	if (old && old != cyg)
		old_spd = build_spd(cn, old, policy, NULL, NULL);
	if (!spd || (old && old != cyg && !old_spd)) {
		kvfree(spd);
		kvfree(old_spd);
		return -ENOMEM;
	}
	if (old_spd)
		replace_spd(cn, old, old_spd);
	rules = rcu_replace_pointer(policy->rules, rules,
				    lockdep_is_held(&cn->lock));
	if (rules)
		kvfree_rcu(rules, rcu);
	rcu_assign_pointer(policy->dev, cyg->dev);
	replace_spd(cn, cyg, spd);
	list_move_tail(&policy->node, &cyg->policies);
	return 0;
}

/* Out of memory, too: then every policy of that device stops to match. */
static void take_off_device(struct cyg_net *cn, struct cyg_policy *policy)
{
	struct cyg_device *cyg = device_of(cn, policy);

	if (!cyg)
		return;
	replace_spd(cn, cyg, build_spd(cn, cyg, policy, NULL, NULL));
	RCU_INIT_POINTER(policy->dev, NULL);
	list_del_init(&policy->node);
}

/**
 * cyg_spd_del - delete a policy and its SAs
 * @cn: namespace, locked
 * @policy: gone afterwards
 */
void cyg_spd_del(struct cyg_net *cn, struct cyg_policy *policy)
{
	struct cyg_sa *sa, *next;

	lockdep_assert_held(&cn->lock);
	/* One that never got its rules was never told of either. */
	if (rcu_access_pointer(policy->rules))
		cyg_netlink_policy(cn, policy, CYGNET_CMD_POLICY_DEL_NTF);
	take_off_device(cn, policy);
	list_for_each_entry_safe(sa, next, &policy->sas, policy_node)
		cyg_sadb_del(sa);
	xa_erase(&cn->policies, policy->id);
	cn->policy_count--;
	cyg_spd_put(policy);
}
