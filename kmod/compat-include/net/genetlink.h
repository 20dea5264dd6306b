/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _CYGNET_COMPAT_NET_GENETLINK_H
#define _CYGNET_COMPAT_NET_GENETLINK_H

#include_next <net/genetlink.h>

/* pre_doit() gets a split operation since 6.2. */
#ifndef CYG_HAVE_GENL_SPLIT_OPS
#define genl_split_ops genl_ops
#endif

#endif /* _CYGNET_COMPAT_NET_GENETLINK_H */
