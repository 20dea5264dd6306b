/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _CYGNET_COMPAT_LINUX_TIMER_H
#define _CYGNET_COMPAT_LINUX_TIMER_H

#include_next <linux/timer.h>

/* Called from_timer() until 6.16. */
#ifndef timer_container_of
#define timer_container_of(var, timer, field) from_timer(var, timer, field)
#endif

#endif /* _CYGNET_COMPAT_LINUX_TIMER_H */
