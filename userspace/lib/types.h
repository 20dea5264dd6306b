/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's integer types, so that files shared with kmod/ and the rest of
 * the userspace speak one language. u64 is unsigned long long: print it %llu.
 */
#ifndef CYGNET_LIB_TYPES_H
#define CYGNET_LIB_TYPES_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

#ifndef __printf
#define __printf(a, b) \
	__attribute__(( \
		__format__(printf, a, b)))
#endif

#ifndef __noreturn
#define __noreturn \
	__attribute__(( \
		__noreturn__))
#endif

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#endif

#endif
