/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CYGNET_SHIM_MINMAX_H
#define CYGNET_SHIM_MINMAX_H

static inline unsigned int min(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

#endif
