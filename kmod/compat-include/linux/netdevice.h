/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _CYGNET_COMPAT_LINUX_NETDEVICE_H
#define _CYGNET_COMPAT_LINUX_NETDEVICE_H

#include_next <linux/netdevice.h>

/* Feature flags until 6.12, fields of their own since. */
static inline void netif_set_lltx(struct net_device *dev)
{
#ifdef NETIF_F_LLTX
	dev->features |= NETIF_F_LLTX;
#else
	dev->lltx = true;
#endif
}

static inline void netif_set_netns_local(struct net_device *dev)
{
#ifdef NETIF_F_NETNS_LOCAL
	dev->features |= NETIF_F_NETNS_LOCAL;
#elif defined(CYG_HAVE_NETNS_IMMUTABLE)
	dev->netns_immutable = true;
#else
	dev->netns_local = true;
#endif
}

#endif /* _CYGNET_COMPAT_LINUX_NETDEVICE_H */
