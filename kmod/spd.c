// SPDX-License-Identifier: GPL-2.0-only
/*
 * Security Policy Database (RFC 4301 section 4.4.1).
 *
 * A policy has a stable id and replaceable rules. Packets that are sent look
 * at their device's cyg_spd, which has all selectors of all its policies in
 * order; packets that are received are held against the rules of the one
 * policy that their SA belongs to.
 *
 * Changes are made in a batch: staged, which may fail, then published, which
 * cannot.
 */
#include <linux/slab.h>

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
 * @spd: where to look
 * @flow: outbound
 * @action: what the policy does
 *
 * Call under rcu_read_lock().
 */
struct cyg_policy *cyg_spd_lookup(const struct cyg_spd *spd,
				  const struct cyg_flow *flow, u8 *action)
{
	const struct cyg_table *table = rcu_dereference(spd->table);
	const struct cyg_entry *entry = table ? cyg_classify(table, flow) : NULL;

	if (!entry)
		return NULL;
	*action = entry->action;
	return entry->policy;
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
		if (cyg_selector_matches(&rules->entries[i].selector, flow))
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
 * @a: rules of one policy
 * @b: rules of another
 */
bool cyg_spd_meet(const struct cyg_rules *a, const struct cyg_rules *b)
{
	u32 i, k;

	for (i = 0; i < a->count; i++)
		for (k = 0; k < b->count; k++)
			if (selectors_meet(&a->entries[i].selector,
					   &b->entries[k].selector))
				return true;
	return false;
}

static struct cyg_rules *rules_of(struct cyg_net *cn, struct cyg_policy *policy)
{
	return rcu_dereference_protected(policy->rules,
					 lockdep_is_held(&cn->lock));
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
	policy->options.dscp = CYG_DSCP_COPY;
	policy->options.flow_label = CYG_LABEL_OWN;
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

/**
 * struct edit - a new version of one SPD
 * @node: in cyg_spd_batch.edits
 * @spd: which
 * @draft: the version, until it is published
 * @replaced: the old version, from then on
 * @free_work: frees that
 */
struct edit {
	struct list_head node;
	struct cyg_spd *spd;
	struct cyg_draft *draft;
	struct cyg_table *replaced;
	struct rcu_work free_work;
};

/* In process context, as what it frees may be large. */
static void free_replaced(struct work_struct *work)
{
	struct edit *edit = container_of(to_rcu_work(work), struct edit, free_work);

	cyg_classify_free(edit->replaced);
	kfree(edit);
}

static struct cyg_table *table_of(struct cyg_net *cn, struct cyg_spd *spd)
{
	return rcu_dereference_protected(spd->table, lockdep_is_held(&cn->lock));
}

static struct cyg_draft *draft_of(struct cyg_spd_batch *batch, struct cyg_spd *spd)
{
	struct edit *edit;

	list_for_each_entry(edit, &batch->edits, node)
		if (edit->spd == spd)
			return edit->draft;
	edit = kzalloc(sizeof(*edit), batch->gfp);
	if (!edit)
		return NULL;
	edit->spd = spd;
	edit->draft = cyg_classify_begin(table_of(batch->cn, spd), batch->gfp);
	if (!edit->draft) {
		kfree(edit);
		return NULL;
	}
	INIT_RCU_WORK(&edit->free_work, free_replaced);
	list_add_tail(&edit->node, &batch->edits);
	return edit->draft;
}

/* Takes out what one version of a policy's rules has, puts in what another has. */
static int stage(struct cyg_spd_batch *batch, struct cyg_spd *spd,
		 const struct cyg_rules *out, const struct cyg_rules *in)
{
	struct cyg_draft *draft = draft_of(batch, spd);
	u32 i;

	if (!draft)
		return -ENOMEM;
	for (i = 0; out && i < out->count; i++)
		if (!cyg_classify_del(draft, &out->entries[i]))
			return -ENOMEM;
	for (i = 0; in && i < in->count; i++)
		if (!cyg_classify_add(draft, &in->entries[i]))
			return -ENOMEM;
	return 0;
}

/**
 * cyg_spd_begin - begin to change policies
 * @batch: to be published or aborted
 * @cn: namespace, locked until then
 * @gfp: with __GFP_NOFAIL nothing can fail
 */
void cyg_spd_begin(struct cyg_spd_batch *batch, struct cyg_net *cn, gfp_t gfp)
{
	lockdep_assert_held(&cn->lock);
	batch->cn = cn;
	batch->gfp = gfp;
	batch->steering = 0;
	INIT_LIST_HEAD(&batch->edits);
}

static struct cyg_device *device_of(struct cyg_net *cn, struct cyg_policy *policy)
{
	struct net_device *dev;

	dev = rcu_dereference_protected(policy->dev, lockdep_is_held(&cn->lock));
	return dev ? netdev_priv(dev) : NULL;
}

static const struct cyg_rules *if_steers(const struct cyg_rules *rules)
{
	return rules && rules->steer ? rules : NULL;
}

/* The part of a change that is about the namespace's SPD. */
static int stage_steer(struct cyg_spd_batch *batch, const struct cyg_rules *out,
		       const struct cyg_rules *in)
{
	int err;

	out = if_steers(out);
	in = if_steers(in);
	if (!out && !in)
		return 0;
	err = stage(batch, &batch->cn->steer, out, in);
	if (err || out || !in)
		return err;
	err = cyg_steer_add(batch->cn);
	if (!err)
		batch->steering++;
	return err;
}

static void fill_in(struct cyg_rules *rules, struct cyg_policy *policy)
{
	struct cyg_entry *entry;
	u32 i;

	for (i = 0; i < rules->count; i++) {
		entry = &rules->entries[i];
		entry->policy = policy;
		entry->id = policy->id;
		entry->action = rules->action;
		entry->rank = cyg_classify_rank(rules->priority, &entry->selector);
	}
}

/**
 * cyg_spd_stage_set - give a policy its device and rules
 * @batch: once in it
 * @policy: the policy
 * @cyg: device to be on from then on
 * @rules: filled in
 *
 * When the batch is sure to be published, cyg_spd_apply() comes before.
 *
 * Return: 0 or an error; then the batch must be aborted
 */
int cyg_spd_stage_set(struct cyg_spd_batch *batch, struct cyg_policy *policy,
		      struct cyg_device *cyg, struct cyg_rules *rules)
{
	struct cyg_device *old = device_of(batch->cn, policy);
	struct cyg_rules *old_rules = rules_of(batch->cn, policy);
	int err;

	fill_in(rules, policy);
	if (old == cyg) {
		err = stage(batch, &cyg->spd, old_rules, rules);
	} else {
		err = old ? stage(batch, &old->spd, old_rules, NULL) : 0;
		if (!err)
			err = stage(batch, &cyg->spd, NULL, rules);
	}
	return err ?: stage_steer(batch, old_rules, rules);
}

/**
 * cyg_spd_stage_del - take a policy out of all SPDs
 * @batch: once in it
 * @policy: the policy
 *
 * cyg_spd_remove() comes after the batch is published.
 *
 * Return: 0 or -ENOMEM; then the batch must be aborted
 */
int cyg_spd_stage_del(struct cyg_spd_batch *batch, struct cyg_policy *policy)
{
	struct cyg_rules *rules = rules_of(batch->cn, policy);
	struct cyg_device *cyg = device_of(batch->cn, policy);
	int err;

	err = cyg ? stage(batch, &cyg->spd, rules, NULL) : 0;
	return err ?: stage_steer(batch, rules, NULL);
}

/**
 * cyg_spd_apply - what a policy's inbound SAs go by, from now on
 * @cn: namespace, locked
 * @policy: the policy
 * @cyg: staged device
 * @rules: staged rules
 *
 * Return: the old rules, for cyg_spd_settle() once the batch is published
 */
struct cyg_rules *cyg_spd_apply(struct cyg_net *cn, struct cyg_policy *policy,
				struct cyg_device *cyg, struct cyg_rules *rules)
{
	rules = rcu_replace_pointer(policy->rules, rules,
				    lockdep_is_held(&cn->lock));
	rcu_assign_pointer(policy->dev, cyg->dev);
	list_move_tail(&policy->node, &cyg->policies);
	return rules;
}

/**
 * cyg_spd_publish - let packets see what was staged
 * @batch: empty afterwards
 */
void cyg_spd_publish(struct cyg_spd_batch *batch)
{
	struct edit *edit, *next;
	struct cyg_table *table;

	list_for_each_entry_safe(edit, next, &batch->edits, node) {
		list_del(&edit->node);
		edit->replaced = table_of(batch->cn, edit->spd);
		table = cyg_classify_finish(edit->draft);
		rcu_assign_pointer(edit->spd->table, table);
		queue_rcu_work(cyg_wq, &edit->free_work);
	}
}

/**
 * cyg_spd_abort - forget what was staged
 * @batch: empty afterwards
 */
void cyg_spd_abort(struct cyg_spd_batch *batch)
{
	struct edit *edit, *next;

	list_for_each_entry_safe(edit, next, &batch->edits, node) {
		list_del(&edit->node);
		cyg_classify_abort(edit->draft);
		kfree(edit);
	}
	for (; batch->steering; batch->steering--)
		cyg_steer_del(batch->cn);
}

/**
 * cyg_spd_settle - after a policy has its new rules
 * @cn: namespace, locked
 * @policy: the policy
 * @old: its old rules, or NULL; nobody sees them any more
 * @moved: it was on another device
 */
void cyg_spd_settle(struct cyg_net *cn, struct cyg_policy *policy,
		    struct cyg_rules *old, bool moved)
{
	bool steers = if_steers(rules_of(cn, policy)), steered = if_steers(old);

	if (steered && !steers)
		cyg_steer_del(cn);
	if (steered || steers)
		cyg_steer_changed(cn, policy, moved);
	if (old)
		kvfree_rcu(old, rcu);
}

static void delete_sas(struct cyg_policy *policy)
{
	struct cyg_sa *sa, *next;

	list_for_each_entry_safe(sa, next, &policy->sas, policy_node)
		cyg_sadb_del(sa);
}

static void take_off_device(struct cyg_policy *policy)
{
	RCU_INIT_POINTER(policy->dev, NULL);
	list_del_init(&policy->node);
}

/* No SPD has it any more. */
static void forget(struct cyg_net *cn, struct cyg_policy *policy)
{
	take_off_device(policy);
	if (if_steers(rules_of(cn, policy))) {
		cyg_steer_del(cn);
		cyg_steer_changed(cn, policy, true);
	}
	delete_sas(policy);
	xa_erase(&cn->policies, policy->id);
	cn->policy_count--;
	cyg_spd_put(policy);
}

/**
 * cyg_spd_remove - end a policy that no SPD has any more, and its SAs
 * @cn: namespace, locked
 * @policy: gone afterwards
 */
void cyg_spd_remove(struct cyg_net *cn, struct cyg_policy *policy)
{
	lockdep_assert_held(&cn->lock);
	/* One that never got its rules was never told of either. */
	if (rcu_access_pointer(policy->rules))
		cyg_netlink_policy(cn, policy, CYGNET_CMD_POLICY_DEL_NTF);
	forget(cn, policy);
}

/**
 * cyg_spd_del - delete a policy and its SAs
 * @cn: namespace, locked
 * @policy: gone afterwards
 */
void cyg_spd_del(struct cyg_net *cn, struct cyg_policy *policy)
{
	struct cyg_spd_batch batch;

	cyg_spd_begin(&batch, cn, GFP_KERNEL | __GFP_NOFAIL);
	cyg_spd_stage_del(&batch, policy);
	cyg_spd_publish(&batch);
	cyg_spd_remove(cn, policy);
}

/**
 * cyg_spd_clear - a device goes away
 * @cn: namespace, locked
 * @cyg: the device
 *
 * Its policies go with it, but for those that steer, which drop from now on.
 */
void cyg_spd_clear(struct cyg_net *cn, struct cyg_device *cyg)
{
	struct cyg_policy *policy, *next;
	struct cyg_spd_batch batch;

	cyg_spd_begin(&batch, cn, GFP_KERNEL | __GFP_NOFAIL);
	list_for_each_entry(policy, &cyg->policies, node)
		stage(&batch, &cyg->spd, rules_of(cn, policy), NULL);
	cyg_spd_publish(&batch);
	list_for_each_entry_safe(policy, next, &cyg->policies, node) {
		if (!if_steers(rules_of(cn, policy))) {
			cyg_spd_remove(cn, policy);
			continue;
		}
		take_off_device(policy);
		cyg_steer_changed(cn, policy, true);
		delete_sas(policy);
		cyg_netlink_policy(cn, policy, CYGNET_CMD_POLICY_SET_NTF);
	}
}

/**
 * cyg_spd_close - delete the policies that outlived their devices
 * @cn: namespace that is going away, or the module; nobody is told
 */
void cyg_spd_close(struct cyg_net *cn)
{
	struct cyg_policy *policy;
	struct cyg_table *table;
	unsigned long id;

	mutex_lock(&cn->lock);
	table = rcu_replace_pointer(cn->steer.table, NULL, lockdep_is_held(&cn->lock));
	xa_for_each(&cn->policies, id, policy)
		forget(cn, policy);
	mutex_unlock(&cn->lock);
	cyg_classify_free_all(table);
}
