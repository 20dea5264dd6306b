// SPDX-License-Identifier: GPL-2.0-only
/*
 * One tunnel on all processors. A packet is worked on where it comes, as long as
 * that processor has time left. When it has none, and the parameter "spread" allows
 * it, whole bursts are given to others that do, and leave in the order in which
 * they came all the same.
 *
 * What is kept in order is what an outbound SA sends, and what a cell takes in, to
 * which a peer's packets come on one processor. There they leave as well: each
 * processor has queues of its own below and above us, where they would overtake
 * each other. When a burst is ready that is the first in its order it leaves, and
 * with it those behind that became ready meanwhile. As long as nothing was given
 * away there is no order to keep, and nothing to pay for it.
 */
#include <linux/cpumask.h>
#include <linux/module.h>
#include <linux/sched/clock.h>
#include <linux/sched/isolation.h>
#include <linux/tick.h>

#include "cygnet.h"

enum { NEVER, WHEN_FULL, ALWAYS };

static unsigned int spread = NEVER;
module_param(spread, uint, 0644);
MODULE_PARM_DESC(spread,
		 "give bursts to other processors: 0 never (default), 1 when this one is full, 2 always (for finding faults)");

/**
 * struct helper - a processor's part in the work of others
 * @work: to do @jobs
 * @lock: protects all but @full, @free and @helped
 * @jobs: to do, oldest first
 * @count: of them, with the one that is being done
 * @helped: time spent with them, ns
 * @next: whom to ask first
 * @tick: of the last look at its load
 * @at: the same in ns
 * @idle: that it had been idle by then, us
 * @helped_before: @helped by then
 * @full: hardly idle since the look before
 * @free: idle half of that time, or busy with jobs that it might refuse
 */
struct helper {
	struct work_struct work;
	spinlock_t lock; /* all but full, free and helped */
	struct list_head jobs;
	u32 count;
	u64 helped;
	int next;
	unsigned long tick;
	u64 at, idle, helped_before;
	bool full, free;
};

static DEFINE_PER_CPU_ALIGNED(struct helper, helpers);
static struct workqueue_struct *helper_wq;

/* Load. */

static void assess(struct helper *h, int cpu)
{
	u64 now = ktime_get_ns(), idle = get_cpu_idle_time_us(cpu, NULL);
	u64 helped = READ_ONCE(h->helped);
	u64 passed = now - h->at, rest = (idle - h->idle) * NSEC_PER_USEC;

	/* Once full it stays so for longer: what it gives away makes it idle. */
	WRITE_ONCE(h->full, rest < (h->full ? passed / 2 : passed / 16));
	WRITE_ONCE(h->free, rest + helped - h->helped_before > passed / 2);
	h->at = now;
	h->idle = idle;
	h->helped_before = helped;
	WRITE_ONCE(h->tick, jiffies);
}

/* At most once a tick, by whoever is first to ask. */
static void look_at(struct helper *h, int cpu)
{
	unsigned long now = jiffies;

	if (READ_ONCE(h->tick) == now || !spin_trylock(&h->lock))
		return;
	assess(h, cpu);
	spin_unlock(&h->lock);
}

static bool can_help(int cpu)
{
	struct helper *h = per_cpu_ptr(&helpers, cpu);

	look_at(h, cpu);
	return READ_ONCE(h->free) && !READ_ONCE(h->count) &&
	       housekeeping_cpu(cpu, HK_TYPE_DOMAIN);
}

static int find_helper(struct helper *own, bool any)
{
	int cpu;

	for_each_cpu_wrap(cpu, cpu_online_mask, own->next) {
		if (any || (cpu != smp_processor_id() && can_help(cpu))) {
			own->next = (cpu + 1) % nr_cpu_ids;
			return cpu;
		}
	}
	return -1;
}

/**
 * cyg_spread_wanted - should bursts be given away?
 *
 * Call with BH off.
 */
bool cyg_spread_wanted(void)
{
	struct helper *own = this_cpu_ptr(&helpers);

	if (READ_ONCE(spread) != WHEN_FULL)
		return READ_ONCE(spread) == ALWAYS;
	if (num_online_cpus() == 1)
		return false;
	look_at(own, smp_processor_id());
	return READ_ONCE(own->full);
}

/**
 * cyg_spread_pick - whom to give a burst to
 *
 * Call with BH off.
 *
 * Return: a processor, or -1 if this one had better do it
 */
int cyg_spread_pick(void)
{
	if (!cyg_spread_wanted())
		return -1;
	return find_helper(this_cpu_ptr(&helpers), READ_ONCE(spread) == ALWAYS);
}

/* Jobs. */

/**
 * cyg_spread_give - have something done by another processor
 * @job: with run filled in; taken
 * @cpu: from cyg_spread_pick()
 *
 * Call with BH off.
 */
void cyg_spread_give(struct cyg_job *job, int cpu)
{
	struct helper *h = per_cpu_ptr(&helpers, cpu);

	spin_lock(&h->lock);
	list_add_tail(&job->node, &h->jobs);
	WRITE_ONCE(h->count, h->count + 1);
	spin_unlock(&h->lock);
	queue_work_on(cpu, helper_wq, &h->work);
}

static struct cyg_job *next_job(struct helper *h)
{
	struct cyg_job *job;

	spin_lock(&h->lock);
	job = list_first_entry_or_null(&h->jobs, struct cyg_job, node);
	if (job)
		list_del(&job->node);
	spin_unlock(&h->lock);
	return job;
}

static void finish_job(struct helper *h, u64 began)
{
	spin_lock(&h->lock);
	WRITE_ONCE(h->count, h->count - 1);
	spin_unlock(&h->lock);
	WRITE_ONCE(h->helped, h->helped + local_clock() - began);
}

static void do_jobs(struct work_struct *work)
{
	struct helper *h = container_of(work, struct helper, work);
	struct cyg_job *job;
	u64 began;

	local_bh_disable();
	while ((job = next_job(h))) {
		began = local_clock();
		rcu_read_lock();
		job->run(job);
		rcu_read_unlock();
		finish_job(h, began);
		/* What has come meanwhile. */
		local_bh_enable();
		cond_resched();
		local_bh_disable();
	}
	local_bh_enable();
}

/**
 * cyg_spread_flush - wait until all that was given away is done
 */
void cyg_spread_flush(void)
{
	int i;

	/* A job may go home as another, and that may resume as a third. */
	for (i = 0; i < 3; i++)
		flush_workqueue(helper_wq);
}

/* Order. */

/**
 * cyg_order_init - nothing to keep in order
 * @order: the order
 * @resume: called once after cyg_order_enter() refused, as soon as it need not;
 *	or NULL
 */
void cyg_order_init(struct cyg_order *order, void (*resume)(struct cyg_order *order))
{
	spin_lock_init(&order->lock);
	INIT_LIST_HEAD(&order->slots);
	order->cpu = -1;
	order->left = jiffies - CYG_ORDER_SETTLES - 1;
	order->resume = resume;
}

/**
 * cyg_order_enter - take one's place
 * @order: the order
 * @slot: with leave filled in
 * @packets: that will leave
 * @most: how many may be on their way
 *
 * Call with BH off. Afterwards cyg_order_ready() must be called.
 *
 * Return: false if there are too many already
 */
bool cyg_order_enter(struct cyg_order *order, struct cyg_slot *slot, u32 packets, u32 most)
{
	bool room;

	slot->packets = packets;
	slot->ready = false;
	spin_lock(&order->lock);
	if (cyg_order_idle(order))
		WRITE_ONCE(order->cpu, smp_processor_id());
	room = !order->packets || order->packets + packets <= most;
	if (room) {
		slot->order = order;
		list_add_tail(&slot->node, &order->slots);
		WRITE_ONCE(order->packets, order->packets + packets);
	} else {
		order->stalled = true;
	}
	spin_unlock(&order->lock);
	return room;
}

/* The first, if it is ready. */
static struct cyg_slot *next_leaver(struct cyg_order *order)
{
	struct cyg_slot *slot;

	slot = list_first_entry_or_null(&order->slots, struct cyg_slot, node);
	if (!slot || !slot->ready)
		return NULL;
	list_del(&slot->node);
	return slot;
}

/* One at a time; the lock is free meanwhile. Returns whether to resume. */
static bool let_leave(struct cyg_order *order)
	__must_hold(&order->lock)
{
	struct cyg_slot *slot;
	bool resume;
	u32 packets;

	lockdep_assert_held(&order->lock);
	order->leaving = true;
	while ((slot = next_leaver(order))) {
		packets = slot->packets;
		spin_unlock(&order->lock);
		slot->leave(slot);
		spin_lock(&order->lock);
		WRITE_ONCE(order->left, jiffies);
		WRITE_ONCE(order->packets, order->packets - packets);
	}
	order->leaving = false;
	resume = order->stalled;
	order->stalled = false;
	return resume;
}

static void leave_in_turn(struct cyg_slot *slot)
{
	struct cyg_order *order = slot->order;
	bool resume = false;

	rcu_read_lock();
	spin_lock(&order->lock);
	slot->ready = true;
	if (!order->leaving)
		resume = let_leave(order);
	spin_unlock(&order->lock);
	if (resume && order->resume)
		order->resume(order);
	rcu_read_unlock();
}

static void come_home(struct cyg_job *job)
{
	leave_in_turn(container_of(job, struct cyg_slot, job));
}

/**
 * cyg_order_ready - may leave when its turn comes
 * @slot: entered; its leave() may run now or later, with BH off under RCU
 *
 * Call with BH off. The order must stay for a grace period longer than its slots.
 */
void cyg_order_ready(struct cyg_slot *slot)
{
	int home = READ_ONCE(slot->order->cpu);

	if (home == smp_processor_id()) {
		leave_in_turn(slot);
	} else {
		slot->job.run = come_home;
		cyg_spread_give(&slot->job, home);
	}
}

/**
 * cyg_spread_init - be ready to help
 */
int cyg_spread_init(void)
{
	int cpu;

	helper_wq = alloc_workqueue("cygnet-spread", WQ_PERCPU | WQ_CPU_INTENSIVE | WQ_HIGHPRI, 0);
	if (!helper_wq)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		struct helper *h = per_cpu_ptr(&helpers, cpu);

		INIT_WORK(&h->work, do_jobs);
		spin_lock_init(&h->lock);
		INIT_LIST_HEAD(&h->jobs);
		h->tick = jiffies - 1;
	}
	return 0;
}

/**
 * cyg_spread_uninit - nobody gives anything any more
 */
void cyg_spread_uninit(void)
{
	destroy_workqueue(helper_wq);
}
