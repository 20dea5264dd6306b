/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CYGNET_SHIM_BITOPS_H
#define CYGNET_SHIM_BITOPS_H

/* The number of the highest bit that is set, from 1, or 0. */
static inline int fls(unsigned int n)
{
	return n ? 32 - __builtin_clz(n) : 0;
}

static inline int fls64(unsigned long long n)
{
	return n ? 64 - __builtin_clzll(n) : 0;
}

static inline int __ffs64(unsigned long long n)
{
	return __builtin_ctzll(n);
}

#endif
