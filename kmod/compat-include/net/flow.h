/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _CYGNET_COMPAT_NET_FLOW_H
#define _CYGNET_COMPAT_NET_FLOW_H

#include_next <net/flow.h>

/* A TOS with ECN's bits in it until 6.18. */
#ifndef CYG_HAVE_FLOWI4_DSCP
#include <net/inet_dscp.h>
#define flowi4_dscp flowi4_tos
#define inet_dsfield_to_dscp(dsfield) ((__u8)((dsfield) & INET_DSCP_MASK))
#endif

#endif /* _CYGNET_COMPAT_NET_FLOW_H */
