// SPDX-License-Identifier: GPL-2.0-only
/*
 * One bug of each kind that the debug kernel has to catch, chosen with bug=.
 * A checker that is asleep looks exactly like a module without faults.
 */

#include <linux/delay.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

static char *bug = "none";
module_param(bug, charp, 0);

static u8 *object;
static DEFINE_SPINLOCK(lock_a);
static DEFINE_SPINLOCK(lock_b);

static void use_after_free(void)
{
	WRITE_ONCE(object, kmalloc(64, GFP_KERNEL));
	kfree(object);
	WRITE_ONCE(*READ_ONCE(object), 1);
}

static void overflow(void)
{
	WRITE_ONCE(object, kmalloc(64, GFP_KERNEL));
	WRITE_ONCE(READ_ONCE(object)[64], 1);
	kfree(object);
}

static void leak(void)
{
	int i;

	/* More than one, since a stale stack slot may still name the last. */
	for (i = 0; i < 16; i++)
		WRITE_ONCE(object, kmalloc(4000, GFP_KERNEL));
	WRITE_ONCE(object, NULL);
}

static void sleep_in_atomic(void)
{
	spin_lock(&lock_a);
	msleep(20);
	spin_unlock(&lock_a);
}

static void lock_inversion(void)
{
	spin_lock(&lock_a);
	spin_lock(&lock_b);
	spin_unlock(&lock_b);
	spin_unlock(&lock_a);

	spin_lock(&lock_b);
	spin_lock(&lock_a);
	spin_unlock(&lock_a);
	spin_unlock(&lock_b);
}

/* Goes wrong only when there is no memory, which is arranged for. */
static int unchecked_set(const char *value, const struct kernel_param *param)
{
	WRITE_ONCE(object, kmalloc(64, GFP_KERNEL));
	WRITE_ONCE(READ_ONCE(object)[0], 1);
	kfree(object);
	return 0;
}

static const struct kernel_param_ops unchecked_ops = { .set = unchecked_set };

module_param_cb(unchecked, &unchecked_ops, NULL, 0200);

static const struct {
	const char *name;
	void (*commit)(void);
} bugs[] = {
	{ "use-after-free", use_after_free },
	{ "overflow", overflow },
	{ "leak", leak },
	{ "sleep-in-atomic", sleep_in_atomic },
	{ "lock-inversion", lock_inversion },
};

static int __init seeded_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(bugs); i++) {
		if (!strcmp(bug, bugs[i].name)) {
			bugs[i].commit();
			return 0;
		}
	}
	return strcmp(bug, "none") ? -EINVAL : 0;
}

static void __exit seeded_exit(void)
{
}

module_init(seeded_init);
module_exit(seeded_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Seeded bugs for cygnet's debug kernel");
