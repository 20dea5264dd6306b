// SPDX-License-Identifier: GPL-2.0-only
/*
 * Security Policy Database (RFC 4301 section 4.4.1).
 *
 * A policy has a stable id and replaceable rules. Packets that are sent look
 * at their device's cyg_spd, which has all selectors of all its policies in
 * order; packets that are received are held against the rules of the one
 * policy that their SA belongs to. The namespace has one more cyg_spd, of the
 * policies that steer.
 *
 * A policy goes with its device, unless it steers: then it stays without one,
 * and drops what it should protect until somebody deletes it.
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
 * @spd: of a device or a namespace, or NULL
 * @flow: in or out
 * @action: what the policy does
 *
 * Call under rcu_read_lock().
 */
struct cyg_policy *cyg_spd_lookup(const struct cyg_spd *spd,
				  const struct cyg_flow *flow, u8 *action)
{
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

static bool ranges_meet(const struct cyg_addr *first, const struct cyg_addr *last,
			const struct cyg_addr *other_first,
			const struct cyg_addr *other_last)
{
	return memcmp(first, other_last, sizeof(*first)) <= 0 &&
	       memcmp(other_first, last, sizeof(*first)) <= 0;
}

static bool selectors_meet(const struct cyg_selector *a, const struct cyg_selector *b)
{
	return a->family == b->family &&
	       (!a->protocol || !b->protocol || a->protocol == b->protocol) &&
	       a->local_port_first <= b->local_port_last &&
	       b->local_port_first <= a->local_port_last &&
	       a->remote_port_first <= b->remote_port_last &&
	       b->remote_port_first <= a->remote_port_last &&
	       ranges_meet(&a->local_first, &a->local_last, &b->local_first,
			   &b->local_last) &&
	       ranges_meet(&a->remote_first, &a->remote_last, &b->remote_first,
			   &b->remote_last);
}

/**
 * cyg_spd_meet - may a packet fall under either of two policies?
 * @cn: namespace, locked
 * @a: one policy
 * @b: another
 */
bool cyg_spd_meet(struct cyg_net *cn, struct cyg_policy *a, struct cyg_policy *b)
{
	const struct cyg_rules *x, *y;
	u32 i, k;

	x = rcu_dereference_protected(a->rules, lockdep_is_held(&cn->lock));
	y = rcu_dereference_protected(b->rules, lockdep_is_held(&cn->lock));
	for (i = 0; i < x->count; i++)
		for (k = 0; k < y->count; k++)
			if (selectors_meet(&x->selectors[i], &y->selectors[k]))
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

/* What a policy is about to become: gone if it has no rules. */
struct change {
	struct cyg_policy *policy;
	struct cyg_device *cyg;
	const struct cyg_rules *rules;
};

static struct cyg_device *device_of(struct cyg_net *cn, struct cyg_policy *policy)
{
	struct net_device *dev;

	dev = rcu_dereference_protected(policy->dev, lockdep_is_held(&cn->lock));
	return dev ? netdev_priv(dev) : NULL;
}

/* Its rules after the change, if it belongs to the device, or (NULL) steers. */
static const struct cyg_rules *rules_for(struct cyg_net *cn, struct cyg_device *cyg,
					 struct cyg_policy *policy,
					 const struct change *change)
{
	bool changed = policy == change->policy;
	const struct cyg_rules *rules = changed ? change->rules : rules_of(cn, policy);
	struct cyg_device *of = changed ? change->cyg : device_of(cn, policy);

	return rules && (cyg ? of == cyg : rules->steer) ? rules : NULL;
}

/* A new cyg_spd for a device, or (NULL) for the namespace. */
static struct cyg_spd *build_spd(struct cyg_net *cn, struct cyg_device *cyg,
				 const struct change *change, gfp_t gfp)
{
	const struct cyg_rules *rules;
	struct draft *drafts, *next;
	struct cyg_policy *policy;
	struct cyg_spd *spd;
	unsigned long id;
	u32 i, count = 0;

	xa_for_each(&cn->policies, id, policy) {
		rules = rules_for(cn, cyg, policy, change);
		count += rules ? rules->count : 0;
	}
	spd = kvmalloc(struct_size(spd, entries, count), gfp);
	drafts = kvmalloc_array(count ?: 1, sizeof(*drafts), gfp);
	if (!spd || !drafts) {
		kvfree(spd);
		kvfree(drafts);
		return NULL;
	}
	next = drafts;
	xa_for_each(&cn->policies, id, policy) {
		rules = rules_for(cn, cyg, policy, change);
		if (rules)
			next = draft_rules(next, policy, rules);
	}
	sort(drafts, count, sizeof(*drafts), compare_drafts, NULL);
	spd->count = count;
	for (i = 0; i < count; i++)
		spd->entries[i] = drafts[i].entry;
	kvfree(drafts);
	return spd;
}

static void replace_spd(struct cyg_net *cn, struct cyg_spd __rcu **place,
			struct cyg_spd *spd)
{
	spd = rcu_replace_pointer(*place, spd, lockdep_is_held(&cn->lock));
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
	spin_lock_init(&policy->lock);
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

static bool steers(struct cyg_net *cn, struct cyg_policy *policy)
{
	const struct cyg_rules *rules = rules_of(cn, policy);

	return rules && rules->steer;
}

/**
 * cyg_spd_set - give a policy its device and rules, in one step
 * @cn: namespace, locked
 * @policy: the policy
 * @cyg: device to be on from now on
 * @rules: taken if that works
 *
 * Return: 0 or an error, with nothing changed
 */
int cyg_spd_set(struct cyg_net *cn, struct cyg_policy *policy,
		struct cyg_device *cyg, struct cyg_rules *rules)
{
	struct change change = { .policy = policy, .cyg = cyg, .rules = rules };
	struct cyg_spd *spd, *old_spd = NULL, *steer = NULL;
	struct cyg_device *old = device_of(cn, policy);
	bool steered = steers(cn, policy);
	int err = -ENOMEM;

	spd = build_spd(cn, cyg, &change, GFP_KERNEL);
	if (old && old != cyg)
		old_spd = build_spd(cn, old, &change, GFP_KERNEL);
	if (steered || rules->steer)
		steer = build_spd(cn, NULL, &change, GFP_KERNEL);
	if (!spd || (old && old != cyg && !old_spd) ||
	    ((steered || rules->steer) && !steer))
		goto free_spds;
	if (rules->steer && !steered) {
		err = cyg_steer_add(cn);
		if (err)
			goto free_spds;
	}
	if (old_spd)
		replace_spd(cn, &old->spd, old_spd);
	rules = rcu_replace_pointer(policy->rules, rules,
				    lockdep_is_held(&cn->lock));
	if (rules)
		kvfree_rcu(rules, rcu);
	rcu_assign_pointer(policy->dev, cyg->dev);
	replace_spd(cn, &cyg->spd, spd);
	list_move_tail(&policy->node, &cyg->policies);
	if (steer)
		replace_spd(cn, &cn->steer, steer);
	if (steered && !steers(cn, policy))
		cyg_steer_del(cn);
	if (steer)
		cyg_steer_changed(cn, policy, old != cyg);
	return 0;

free_spds:
	kvfree(spd);
	kvfree(old_spd);
	kvfree(steer);
	return err;
}

/* Out of memory, too: then every policy of that device stops to match. */
static void take_off_device(struct cyg_net *cn, struct cyg_policy *policy)
{
	struct change change = { .policy = policy };
	struct cyg_device *cyg = device_of(cn, policy);

	if (!cyg)
		return;
	replace_spd(cn, &cyg->spd, build_spd(cn, cyg, &change, GFP_KERNEL));
	RCU_INIT_POINTER(policy->dev, NULL);
	list_del_init(&policy->node);
}

/* What steers must not stop to match because memory is short. */
static void take_off_steer(struct cyg_net *cn, struct cyg_policy *policy)
{
	struct change change = { .policy = policy };

	replace_spd(cn, &cn->steer,
		    build_spd(cn, NULL, &change, GFP_KERNEL | __GFP_NOFAIL));
	cyg_steer_del(cn);
}

static void delete_sas(struct cyg_policy *policy)
{
	struct cyg_sa *sa, *next;

	list_for_each_entry_safe(sa, next, &policy->sas, policy_node)
		cyg_sadb_del(sa);
}

static void forget(struct cyg_net *cn, struct cyg_policy *policy)
{
	bool steered = steers(cn, policy);

	take_off_device(cn, policy);
	if (steered) {
		take_off_steer(cn, policy);
		cyg_steer_changed(cn, policy, true);
	}
	delete_sas(policy);
	xa_erase(&cn->policies, policy->id);
	cn->policy_count--;
	cyg_spd_put(policy);
}

/**
 * cyg_spd_del - delete a policy and its SAs
 * @cn: namespace, locked
 * @policy: gone afterwards
 */
void cyg_spd_del(struct cyg_net *cn, struct cyg_policy *policy)
{
	lockdep_assert_held(&cn->lock);
	/* One that never got its rules was never told of either. */
	if (rcu_access_pointer(policy->rules))
		cyg_netlink_policy(cn, policy, CYGNET_CMD_POLICY_DEL_NTF);
	forget(cn, policy);
}

/**
 * cyg_spd_leave - the device of a policy goes away
 * @cn: namespace, locked
 * @policy: gone afterwards, unless it steers
 */
void cyg_spd_leave(struct cyg_net *cn, struct cyg_policy *policy)
{
	lockdep_assert_held(&cn->lock);
	if (!steers(cn, policy)) {
		cyg_spd_del(cn, policy);
		return;
	}
	take_off_device(cn, policy);
	cyg_steer_changed(cn, policy, true);
	delete_sas(policy);
	cyg_netlink_policy(cn, policy, CYGNET_CMD_POLICY_SET_NTF);
}

/**
 * cyg_spd_close - delete the policies that outlived their devices
 * @cn: namespace that is going away, or the module; nobody is told
 */
void cyg_spd_close(struct cyg_net *cn)
{
	struct cyg_policy *policy;
	unsigned long id;

	mutex_lock(&cn->lock);
	xa_for_each(&cn->policies, id, policy)
		forget(cn, policy);
	replace_spd(cn, &cn->steer, NULL);
	mutex_unlock(&cn->lock);
}
