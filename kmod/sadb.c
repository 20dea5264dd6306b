// SPDX-License-Identifier: GPL-2.0-only
/*
 * Security Association Database (RFC 4301 section 4.4.2).
 */
#include <crypto/hash.h>
#include <linux/hash.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>

#include "cygnet.h"

/* How long sa-alloc-spi keeps an SPI. */
#define RESERVATION_SECONDS	120

/**
 * struct reservation - an SPI given out
 * @node: in cyg_net.reservations, oldest first
 * @dst: destination it is for
 * @family: of @dst
 * @protocol: it is for
 * @spi: the SPI
 * @ends: CLOCK_BOOTTIME, seconds
 */
struct reservation {
	struct list_head node;
	struct cyg_addr dst;
	u8 family;
	u8 protocol;
	__be32 spi;
	u64 ends;
};

/* Inbound SPIs are our own choice, so that a multiplication mixes enough. */
static inline u32 hash_key(const void *data, u32 len, u32 seed)
{
	const struct cyg_sa_key *key = data;

	u32 value = (__force u32)key->spi ^ key->protocol << 8 ^ key->direction ^ seed;

	return value * GOLDEN_RATIO_64 >> 32;
}

static int compare_key(struct rhashtable_compare_arg *arg, const void *object)
{
	const struct cyg_sa_key *a = arg->key, *b = &((const struct cyg_sa *)object)->key;

	return a->spi != b->spi || a->protocol != b->protocol || a->direction != b->direction;
}

static u32 hash_sa(const void *object, u32 len, u32 seed)
{
	return hash_key(&((const struct cyg_sa *)object)->key, len, seed);
}

static const struct rhashtable_params sa_params = {
	.head_offset = offsetof(struct cyg_sa, hash),
	.key_offset = offsetof(struct cyg_sa, key),
	.key_len = sizeof(struct cyg_sa_key),
	.hashfn = hash_key,
	.obj_hashfn = hash_sa,
	.obj_cmpfn = compare_key,
	.automatic_shrinking = true,
};

static __always_inline struct rhlist_head *
find_list(struct cyg_net *cn, u8 protocol, __be32 spi, u8 direction)
{
	struct cyg_sa_key key = {
		.spi = spi,
		.protocol = protocol,
		.direction = direction,
	};

	return rhltable_lookup(&cn->sas, &key, sa_params);
}

static __always_inline struct cyg_sa *
find_dst(struct rhlist_head *list, const struct cyg_addr *dst, u8 family)
{
	struct rhlist_head *pos;
	struct cyg_sa *sa;

	rhl_for_each_entry_rcu(sa, pos, list, hash)
		if (sa->family == family && cyg_addr_equal(&sa->dst, dst))
			return sa;
	return NULL;
}

/**
 * cyg_sadb_input - the inbound SA for an SPI
 * @cn: namespace
 * @protocol: ESP or AH
 * @spi: SPI
 * @dst: outer destination
 * @family: of @dst
 * @exact: set if @dst is the SA's too
 *
 * Call under rcu_read_lock().
 *
 * Return: if there is none for @dst, one for another destination, or NULL
 */
struct cyg_sa *cyg_sadb_input(struct cyg_net *cn, u8 protocol, __be32 spi,
			      const struct cyg_addr *dst, u8 family, bool *exact)
{
	struct rhlist_head *list = find_list(cn, protocol, spi, CYGNET_DIRECTION_IN);
	struct cyg_sa *sa;

	if (!list)
		return NULL;
	sa = find_dst(list, dst, family);
	*exact = sa;
	return sa ?: container_of(list, struct cyg_sa, hash);
}

/**
 * cyg_sadb_output - the outbound SA of that name
 * @cn: namespace
 * @protocol: ESP or AH
 * @spi: SPI
 * @dst: outer destination
 * @family: of @dst
 *
 * Call under rcu_read_lock().
 */
struct cyg_sa *cyg_sadb_output(struct cyg_net *cn, u8 protocol, __be32 spi,
			       const struct cyg_addr *dst, u8 family)
{
	return find_dst(find_list(cn, protocol, spi, CYGNET_DIRECTION_OUT), dst, family);
}

/**
 * cyg_sadb_find - the SA of that name, in either direction
 * @cn: namespace
 * @protocol: ESP or AH
 * @spi: SPI
 * @dst: outer destination
 * @family: of @dst
 *
 * Call under rcu_read_lock(), or with @cn locked to keep the SA.
 */
struct cyg_sa *cyg_sadb_find(struct cyg_net *cn, u8 protocol, __be32 spi,
			     const struct cyg_addr *dst, u8 family)
{
	struct cyg_sa *sa;

	rcu_read_lock();
	sa = find_dst(find_list(cn, protocol, spi, CYGNET_DIRECTION_IN), dst, family);
	if (!sa)
		sa = cyg_sadb_output(cn, protocol, spi, dst, family);
	rcu_read_unlock();
	return sa;
}

/* Lifetimes. */

/* Zero, as always, is no limit. */
static bool reached(u64 value, u64 limit)
{
	return limit && value >= limit;
}

enum { NO_EXPIRY = -1 };

static int set_dead(struct cyg_sa *sa)
{
	if (sa->dead)
		return NO_EXPIRY;
	WRITE_ONCE(sa->dead, true);
	return CYGNET_EXPIRY_HARD;
}

static int set_soft(struct cyg_sa *sa)
{
	if (sa->soft_sent || sa->dead)
		return NO_EXPIRY;
	sa->soft_sent = true;
	return CYGNET_EXPIRY_SOFT;
}

/* Returns the event that these packets raise, or NO_EXPIRY. */
static int charge(struct cyg_sa *sa, u32 packets, u32 bytes)
{
	const struct cyg_lifetime *life = &sa->life;

	lockdep_assert_held(&sa->lock);
	sa->packets += packets;
	sa->bytes += bytes;
	sa->used = get_jiffies_64();
	if (reached(sa->packets, life->hard_packets) ||
	    reached(sa->bytes, life->hard_bytes))
		return set_dead(sa);
	if (reached(sa->packets, life->soft_packets) ||
	    reached(sa->bytes, life->soft_bytes))
		return set_soft(sa);
	return NO_EXPIRY;
}

static u64 last_sequence(const struct cyg_sa *sa)
{
	return sa->esn ? U64_MAX : U32_MAX;
}

/**
 * cyg_sadb_next_sequence - charge a packet and give it its number
 * @sa: outbound
 * @bytes: of the inner packet
 * @sequence: the number
 *
 * Call with BH off.
 *
 * Return: 0, or why it cannot be sent
 */
enum cygnet_drop cyg_sadb_next_sequence(struct cyg_sa *sa, u32 bytes, u64 *sequence)
{
	enum cygnet_drop reason = 0;
	int expiry = NO_EXPIRY;
	bool last = false;

	spin_lock(&sa->lock);
	if (sa->dead) {
		reason = CYGNET_DROP_TX_SA_DEAD;
	} else if (sa->sequence == last_sequence(sa)) {
		reason = CYGNET_DROP_TX_SEQUENCE;
	} else {
		*sequence = ++sa->sequence;
		last = sa->sequence == last_sequence(sa);
		expiry = charge(sa, 1, bytes);
	}
	spin_unlock(&sa->lock);
	if (last)
		cyg_netlink_expire(sa, CYGNET_EXPIRY_SEQUENCE);
	if (expiry != NO_EXPIRY)
		cyg_netlink_expire(sa, expiry);
	return reason;
}

/* Would @count packets stay short of everything that ends an SA? */
static bool has_room(const struct cyg_sa *sa, u32 count, u32 bytes)
{
	const struct cyg_lifetime *life = &sa->life;

	return !sa->dead && last_sequence(sa) - sa->sequence > count &&
	       !reached(sa->packets + count, life->hard_packets) &&
	       !reached(sa->bytes + bytes, life->hard_bytes);
}

/**
 * cyg_sadb_next_sequences - charge several packets and number them
 * @sa: outbound
 * @count: of packets
 * @bytes: of all inner packets
 * @first: number of the first, the others follow
 *
 * Call with BH off.
 *
 * Return: false if one by one they would not all pass, with nothing changed
 */
bool cyg_sadb_next_sequences(struct cyg_sa *sa, u32 count, u32 bytes, u64 *first)
{
	int expiry = NO_EXPIRY;
	bool room;

	spin_lock(&sa->lock);
	room = has_room(sa, count, bytes);
	if (room) {
		*first = sa->sequence + 1;
		sa->sequence += count;
		expiry = charge(sa, count, bytes);
	}
	spin_unlock(&sa->lock);
	if (expiry != NO_EXPIRY)
		cyg_netlink_expire(sa, expiry);
	return room;
}

/**
 * cyg_sadb_precheck - is a packet worth decrypting?
 * @sa: inbound
 * @low: sequence number in its header
 * @sequence: full number
 *
 * Changes nothing: the packet may be forged. Takes no lock either, since all is
 * asked again when the packet has turned out to be authentic: a window that
 * moves meanwhile can only refuse a packet that it was about to leave behind.
 *
 * Return: 0, or why not
 */
enum cygnet_drop cyg_sadb_precheck(struct cyg_sa *sa, u32 low, u64 *sequence)
{
	if (READ_ONCE(sa->dead))
		return CYGNET_DROP_RX_SA_DEAD;
	*sequence = cyg_replay_sequence(sa->replay, low, sa->esn);
	return cyg_replay_check(sa->replay, *sequence);
}

/**
 * cyg_sadb_commit - charge a packet and never accept it again
 * @sa: inbound
 * @sequence: of a packet that is authentic
 * @bytes: of the inner packet
 * @source: the packet as it came, or NULL if that is lost
 *
 * Call under rcu_read_lock() with BH off.
 *
 * Return: 0, or why it is refused after all
 */
enum cygnet_drop cyg_sadb_commit(struct cyg_sa *sa, u64 sequence, u32 bytes,
				 const struct sk_buff *source)
{
	enum cygnet_drop reason;
	int expiry = NO_EXPIRY;
	bool newest = false;

	spin_lock(&sa->lock);
	reason = sa->dead ? CYGNET_DROP_RX_SA_DEAD :
			    cyg_replay_commit(sa->replay, sequence);
	if (!reason) {
		expiry = charge(sa, 1, bytes);
		newest = sa->roam && sequence == sa->replay->top;
	}
	spin_unlock(&sa->lock);
	if (newest && source)
		cyg_roam(sa, source);
	if (expiry != NO_EXPIRY)
		cyg_netlink_expire(sa, expiry);
	return reason;
}

static ktime_t seconds_after_creation(const struct cyg_sa *sa, u64 seconds)
{
	return ktime_add_safe(ns_to_ktime(sa->created),
			      ktime_set(min_t(u64, seconds, KTIME_SEC_MAX), 0));
}

static enum hrtimer_restart expire(struct hrtimer *timer)
{
	struct cyg_sa *sa = container_of(timer, struct cyg_sa, expiry);
	u64 age = div_u64(ktime_get_boottime_ns() - sa->created, NSEC_PER_SEC);
	bool hard = reached(age, sa->life.hard_seconds);
	int expiry;

	spin_lock(&sa->lock);
	expiry = hard ? set_dead(sa) : set_soft(sa);
	spin_unlock(&sa->lock);
	if (expiry != NO_EXPIRY)
		cyg_netlink_expire(sa, expiry);
	if (hard || !sa->life.hard_seconds)
		return HRTIMER_NORESTART;
	hrtimer_set_expires(timer, seconds_after_creation(sa, sa->life.hard_seconds));
	return HRTIMER_RESTART;
}

static void start_expiry(struct cyg_sa *sa)
{
	u64 first = sa->life.soft_seconds;

	if (!first || (sa->life.hard_seconds && sa->life.hard_seconds < first))
		first = sa->life.hard_seconds;
	if (first)
		hrtimer_start(&sa->expiry, seconds_after_creation(sa, first),
			      HRTIMER_MODE_ABS_SOFT);
}

/* Sends only if the policy's SA was silent for that long. */
static void keep_alive(struct timer_list *timer)
{
	struct cyg_sa *sa = timer_container_of(sa, timer, keepalive_timer);
	u64 silent, interval = sa->keepalive * HZ;

	rcu_read_lock();
	spin_lock(&sa->lock);
	silent = get_jiffies_64() - sa->used;
	spin_unlock(&sa->lock);
	if (silent >= interval) {
		if (rcu_access_pointer(sa->policy->sa) == sa && !READ_ONCE(sa->dead))
			cyg_encap_keepalive(sa);
		silent = 0;
	}
	rcu_read_unlock();
	mod_timer(timer, jiffies + interval - silent);
}

/* Birth and death. */

static void sa_unused(struct percpu_ref *ref)
{
	struct cyg_sa *sa = container_of(ref, struct cyg_sa, ref);

	queue_rcu_work(cyg_wq, &sa->free_work);
}

/* In process context, as freeing transforms may sleep. */
static void sa_free_work(struct work_struct *work)
{
	struct cyg_sa *sa = container_of(to_rcu_work(work), struct cyg_sa, free_work);

	cyg_sadb_free(sa);
}

static int init_sa(struct cyg_sa *sa, const struct cyg_sa_config *config)
{
	u32 words = cyg_replay_words(config->window);

	if (percpu_ref_init(&sa->ref, sa_unused, 0, GFP_KERNEL))
		return -ENOMEM;
	sa->drops = alloc_percpu(struct cyg_drops);
	if (!sa->drops)
		return -ENOMEM;
	if (config->key.direction == CYGNET_DIRECTION_OUT)
		return dst_cache_init(&sa->dst_cache, GFP_KERNEL);
	sa->replay = kmalloc(struct_size(sa->replay, ring, words), GFP_KERNEL);
	if (!sa->replay)
		return -ENOMEM;
	cyg_replay_init(sa->replay, config->window, config->sequence);
	return 0;
}

static int set_key(struct cyg_sa *sa, const struct cyg_sa_config *config)
{
	struct crypto_ahash *ahash;
	struct crypto_aead *aead;

	if (config->key.protocol == IPPROTO_AH) {
		ahash = cyg_alg_new_hash(config);
		if (IS_ERR(ahash))
			return PTR_ERR(ahash);
		sa->ahash = ahash;
		return 0;
	}
	aead = cyg_alg_new(config);
	if (IS_ERR(aead))
		return PTR_ERR(aead);
	sa->aead = aead;
	return 0;
}

/**
 * cyg_sadb_new - an SA that is not in the SADB yet
 * @cn: namespace
 * @config: valid
 *
 * May sleep long: the crypto API loads modules.
 */
struct cyg_sa *cyg_sadb_new(struct cyg_net *cn, const struct cyg_sa_config *config)
{
	struct cyg_sa *sa = kzalloc(sizeof(*sa), GFP_KERNEL);
	int err;

	if (!sa)
		return ERR_PTR(-ENOMEM);
	cyg_stats_born(CYG_KIND_SA);
	atomic_inc(&cn->sas_alive);
	sa->cn = cn;
	sa->key = config->key;
	sa->src = config->src;
	sa->dst = config->dst;
	sa->family = config->family;
	sa->mode = config->mode;
	sa->esn = config->esn;
	sa->alg = config->alg;
	sa->integ = config->integ;
	sa->icv_len = config->integ ? config->integ->icv : config->alg->icv;
	if (config->alg) {
		sa->key_bits = (config->secret_len - config->alg->salt) * 8;
		sa->iv_len = config->alg->iv;
		sa->block = config->alg->block;
	}
	sa->sport = config->sport;
	sa->dport = config->dport;
	sa->keepalive = config->keepalive;
	sa->roam = config->roam;
	sa->tfc = config->tfc;
	sa->flow_label = htonl(get_random_u32() & 0xfffff);
	sa->sequence = config->sequence;
	sa->life = config->life;
	sa->iv_salt = (__force __be64)get_random_u64();
	spin_lock_init(&sa->lock);
	cyg_order_init(&sa->order, NULL);
	INIT_LIST_HEAD(&sa->node);
	INIT_LIST_HEAD(&sa->policy_node);
	INIT_RCU_WORK(&sa->free_work, sa_free_work);
	hrtimer_setup(&sa->expiry, expire, CLOCK_BOOTTIME, HRTIMER_MODE_ABS_SOFT);
	timer_setup(&sa->keepalive_timer, keep_alive, 0);
	sa->created = ktime_get_boottime_ns();
	sa->used = get_jiffies_64();
	err = init_sa(sa, config);
	if (err)
		goto free;
	err = set_key(sa, config);
	if (err)
		goto free;
	if (config->key.direction == CYGNET_DIRECTION_IN && cyg_linear_fits(sa))
		sa->at_once = config->window / 2;
	return sa;

free:
	cyg_sadb_free(sa);
	return ERR_PTR(err);
}

/**
 * cyg_sadb_free - free an SA that nobody can reach
 * @sa: complete or not; never added, or deleted and without readers
 */
void cyg_sadb_free(struct cyg_sa *sa)
{
	struct cyg_net *cn = sa->cn;

	if (sa->aead)
		crypto_free_aead(sa->aead);
	if (sa->ahash)
		crypto_free_ahash(sa->ahash);
	dst_cache_destroy(&sa->dst_cache);
	kfree(sa->replay);
	free_percpu(sa->drops);
	percpu_ref_exit(&sa->ref);
	if (sa->policy)
		cyg_spd_put(sa->policy);
	kfree_sensitive(sa);
	cyg_stats_died(CYG_KIND_SA);
	if (atomic_dec_and_test(&cn->sas_alive))
		wake_up_var(&cn->sas_alive);
}

/**
 * cyg_sadb_stage - get all that is needed to put an SA into service
 * @sa: from cyg_sadb_new(), its name not taken
 * @policy: to belong to
 *
 * Packets find the SA, but dead. Call with the namespace locked.
 *
 * Return: 0 or an error, with nothing changed
 */
int cyg_sadb_stage(struct cyg_sa *sa, struct cyg_policy *policy)
{
	int err;

	lockdep_assert_held(&sa->cn->lock);
	if (sa->key.protocol == IPPROTO_AH && sa->family == 6 &&
	    sa->key.direction == CYGNET_DIRECTION_OUT) {
		err = cyg_pmtu_watch(sa->cn);
		if (err)
			return err;
	}
	refcount_inc(&policy->ref);
	sa->policy = policy;
	sa->dead = true;
	err = rhltable_insert(&sa->cn->sas, &sa->hash, sa_params);
	if (err) {
		sa->policy = NULL;
		cyg_spd_put(policy);
	}
	return err;
}

/**
 * cyg_sadb_unstage - take an SA back that never was in service
 * @sa: freed once nobody looks at it any more
 */
void cyg_sadb_unstage(struct cyg_sa *sa)
{
	lockdep_assert_held(&sa->cn->lock);
	rhltable_remove(&sa->cn->sas, &sa->hash, sa_params);
	percpu_ref_kill(&sa->ref);
}

/**
 * cyg_sadb_activate - put a staged SA into service
 * @sa: the SA
 *
 * An outbound SA becomes its policy's current one. Call with the namespace
 * locked.
 */
void cyg_sadb_activate(struct cyg_sa *sa)
{
	struct cyg_policy *policy = sa->policy;
	struct cyg_net *cn = sa->cn;

	lockdep_assert_held(&cn->lock);
	sa->serial = ++cn->sa_serial;
	list_add_tail_rcu(&sa->node, &cn->sa_list);
	list_add_tail(&sa->policy_node, &policy->sas);
	cyg_sadb_unreserve(cn, sa->key.protocol, sa->key.spi, &sa->dst, sa->family);
	spin_lock_bh(&sa->lock);
	WRITE_ONCE(sa->dead, false);
	spin_unlock_bh(&sa->lock);
	start_expiry(sa);
	if (sa->key.direction == CYGNET_DIRECTION_OUT) {
		rcu_assign_pointer(policy->sa, sa);
		if (sa->keepalive)
			mod_timer(&sa->keepalive_timer, jiffies + sa->keepalive * HZ);
	}
}

/**
 * cyg_sadb_ends - where an SA's packets go from and to
 * @sa: the SA
 * @ends: filled in
 */
void cyg_sadb_ends(struct cyg_sa *sa, struct cyg_ends *ends)
{
	spin_lock_bh(&sa->lock);
	ends->src = sa->src;
	ends->dst = sa->dst;
	ends->sport = sa->sport;
	ends->dport = sa->dport;
	spin_unlock_bh(&sa->lock);
}

static void set_addr(struct cyg_addr *addr, const struct cyg_addr *value)
{
	int i;

	for (i = 0; i < 4; i++)
		WRITE_ONCE(addr->w[i], value->w[i]);
}

/**
 * cyg_sadb_move - give an SA other ends
 * @sa: the SA
 * @ends: of the same family, encapsulated or not as before
 *
 * Packets do not wait: one that is being sent meanwhile may get some of the old
 * and some of the new, and so be lost.
 */
void cyg_sadb_move(struct cyg_sa *sa, const struct cyg_ends *ends)
{
	spin_lock_bh(&sa->lock);
	set_addr(&sa->src, &ends->src);
	set_addr(&sa->dst, &ends->dst);
	WRITE_ONCE(sa->sport, ends->sport);
	WRITE_ONCE(sa->dport, ends->dport);
	/* Pairs with cyg_ipaddr_route(). */
	smp_store_release(&sa->moved, sa->moved + 1);
	if (sa->key.direction == CYGNET_DIRECTION_OUT)
		dst_cache_reset(&sa->dst_cache);
	spin_unlock_bh(&sa->lock);
}

/**
 * cyg_sadb_del - take an SA out of service
 * @sa: freed once the packets inside crypto are out
 *
 * A policy without its current SA has none, even if an older one is there:
 * the peer may have forgotten that.
 *
 * Call with the namespace locked. Who can still hold the SA: readers of the
 * hash and of policy->sa under RCU, who find it dead or its ref killed, and
 * packets inside crypto, who hold the ref. The work that frees it waits for
 * the latter and then for a grace period; both timers are gone before.
 */
void cyg_sadb_del(struct cyg_sa *sa)
{
	struct cyg_policy *policy = sa->policy;
	struct cyg_net *cn = sa->cn;

	lockdep_assert_held(&cn->lock);
	rhltable_remove(&cn->sas, &sa->hash, sa_params);
	list_del_rcu(&sa->node);
	list_del(&sa->policy_node);
	if (rcu_access_pointer(policy->sa) == sa)
		RCU_INIT_POINTER(policy->sa, NULL);
	spin_lock_bh(&sa->lock);
	WRITE_ONCE(sa->dead, true);
	spin_unlock_bh(&sa->lock);
	hrtimer_cancel(&sa->expiry);
	timer_shutdown_sync(&sa->keepalive_timer);
	cyg_netlink_sa(sa, CYGNET_CMD_SA_DEL_NTF);
	percpu_ref_kill(&sa->ref);
}

/* Reservations of SPIs. */

static void purge_reservations(struct cyg_net *cn, u64 now)
{
	struct reservation *r, *next;

	lockdep_assert_held(&cn->lock);
	list_for_each_entry_safe(r, next, &cn->reservations, node) {
		if (r->ends > now)
			return;
		list_del(&r->node);
		kfree(r);
	}
}

static struct reservation *find_reservation(struct cyg_net *cn, u8 protocol,
					    __be32 spi, const struct cyg_addr *dst,
					    u8 family)
{
	struct reservation *r;

	list_for_each_entry(r, &cn->reservations, node)
		if (r->spi == spi && r->protocol == protocol &&
		    r->family == family && cyg_addr_equal(&r->dst, dst))
			return r;
	return NULL;
}

/**
 * cyg_sadb_is_reserved - is that SPI given out?
 * @cn: namespace, locked
 * @protocol: ESP or AH
 * @spi: SPI
 * @dst: destination
 * @family: of @dst
 */
bool cyg_sadb_is_reserved(struct cyg_net *cn, u8 protocol, __be32 spi,
			  const struct cyg_addr *dst, u8 family)
{
	purge_reservations(cn, ktime_get_boottime_seconds());
	return find_reservation(cn, protocol, spi, dst, family);
}

static bool spi_taken(struct cyg_net *cn, u8 protocol, __be32 spi,
		      const struct cyg_addr *dst, u8 family)
{
	return cyg_sadb_find(cn, protocol, spi, dst, family) ||
	       find_reservation(cn, protocol, spi, dst, family) ||
	       cyg_ipaddr_xfrm_holds(cn->net, 0, dst, spi, protocol, family);
}

/**
 * cyg_sadb_reserve - find and keep a free SPI
 * @cn: namespace, locked
 * @protocol: ESP or AH
 * @dst: destination
 * @family: of @dst
 * @min: lowest, not 0
 * @max: highest
 *
 * Random from the whole range, and from there on the next free one: a range
 * that is nearly full still gives its last.
 *
 * Return: 0 if none is left within reach, or memory is
 */
__be32 cyg_sadb_reserve(struct cyg_net *cn, u8 protocol,
			const struct cyg_addr *dst, u8 family, u32 min, u32 max)
{
	u64 now = ktime_get_boottime_seconds();
	u32 range = max - min + 1;
	u32 offset = get_random_u32() % range;
	u32 tries = min_t(u32, range, 65536);
	struct reservation *r;

	purge_reservations(cn, now);
	r = kzalloc(sizeof(*r), GFP_KERNEL);
	if (!r)
		return 0;
	do {
		r->spi = htonl(min + offset);
		offset = offset + 1 < range ? offset + 1 : 0;
	} while (spi_taken(cn, protocol, r->spi, dst, family) && --tries);
	if (!tries) {
		kfree(r);
		return 0;
	}
	r->dst = *dst;
	r->family = family;
	r->protocol = protocol;
	r->ends = now + RESERVATION_SECONDS;
	list_add_tail(&r->node, &cn->reservations);
	return r->spi;
}

/**
 * cyg_sadb_unreserve - end a reservation
 * @cn: namespace, locked
 * @protocol: ESP or AH
 * @spi: SPI
 * @dst: destination
 * @family: of @dst
 *
 * Return: was there one?
 */
bool cyg_sadb_unreserve(struct cyg_net *cn, u8 protocol, __be32 spi,
			const struct cyg_addr *dst, u8 family)
{
	struct reservation *r;

	purge_reservations(cn, ktime_get_boottime_seconds());
	r = find_reservation(cn, protocol, spi, dst, family);
	if (!r)
		return false;
	list_del(&r->node);
	kfree(r);
	return true;
}

/**
 * cyg_sadb_open - an empty SADB
 * @cn: namespace
 */
int cyg_sadb_open(struct cyg_net *cn)
{
	INIT_LIST_HEAD(&cn->sa_list);
	INIT_LIST_HEAD(&cn->reservations);
	return rhltable_init(&cn->sas, &sa_params);
}

/**
 * cyg_sadb_close - wait for the last SA
 * @cn: namespace, all of whose policies were deleted
 *
 * Packets inside asynchronous crypto hold their SA; the SA's end is in cyg_wq.
 */
void cyg_sadb_close(struct cyg_net *cn)
{
	wait_var_event(&cn->sas_alive, !atomic_read(&cn->sas_alive));
	mutex_lock(&cn->lock);
	purge_reservations(cn, U64_MAX);
	mutex_unlock(&cn->lock);
	rhltable_destroy(&cn->sas);
}
