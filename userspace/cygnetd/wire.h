/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Big-endian integers at any alignment.
 */
#ifndef CYGNETD_WIRE_H
#define CYGNETD_WIRE_H

#include "types.h"

static inline u16 get_be16(const u8 *p)
{
	return (u16)(p[0] << 8 | p[1]);
}

static inline u32 get_be32(const u8 *p)
{
	return (u32)get_be16(p) << 16 | get_be16(p + 2);
}

static inline void put_be16(u8 *p, u16 value)
{
	p[0] = (u8)(value >> 8);
	p[1] = (u8)value;
}

static inline void put_be32(u8 *p, u32 value)
{
	put_be16(p, (u16)(value >> 16));
	put_be16(p + 2, (u16)value);
}

static inline void put_be64(u8 *p, u64 value)
{
	put_be32(p, (u32)(value >> 32));
	put_be32(p + 4, (u32)value);
}

#endif
