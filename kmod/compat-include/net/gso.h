/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _CYGNET_COMPAT_NET_GSO_H
#define _CYGNET_COMPAT_NET_GSO_H

/* Part of netdevice.h until 6.4. */
#ifdef CYG_HAVE_GSO_H
#include_next <net/gso.h>
#else
#include <linux/netdevice.h>
#endif

#endif /* _CYGNET_COMPAT_NET_GSO_H */
