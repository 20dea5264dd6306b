/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _CYGNET_COMPAT_LINUX_WORKQUEUE_H
#define _CYGNET_COMPAT_LINUX_WORKQUEUE_H

#include_next <linux/workqueue.h>

/* To be said since 6.18, before it was the default. */
#ifndef CYG_HAVE_WQ_PERCPU
#define WQ_PERCPU 0
#endif

#endif /* _CYGNET_COMPAT_LINUX_WORKQUEUE_H */
