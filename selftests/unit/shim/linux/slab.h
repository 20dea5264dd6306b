/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's allocator; shim_fails says which allocation from now on fails. */
#ifndef CYGNET_SHIM_SLAB_H
#define CYGNET_SHIM_SLAB_H

#include <stdlib.h>
#include <string.h>

#define GFP_KERNEL 0

static long shim_fails = -1;
static long shim_allocated;

static inline void *kvmalloc(size_t size, int gfp)
{
	if (shim_fails >= 0 && !shim_fails--)
		return NULL;
	shim_allocated++;
	return malloc(size);
}

static inline void *kzalloc(size_t size, int gfp)
{
	void *p = kvmalloc(size, gfp);

	if (p)
		memset(p, 0, size);
	return p;
}

static inline void *kmemdup(const void *from, size_t size, int gfp)
{
	void *p = kvmalloc(size, gfp);

	if (p)
		memcpy(p, from, size);
	return p;
}

static inline void kfree(void *p)
{
	shim_allocated -= !!p;
	free(p);
}

static inline void kvfree(void *p)
{
	kfree(p);
}

#endif
