/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: cygnet:cygnet_drop tells of each dropped packet, or burst.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM cygnet

#if !defined(_CYGNET_TRACEPOINTS_H) || defined(TRACE_HEADER_MULTI_READ)
#define _CYGNET_TRACEPOINTS_H

#include <linux/netdevice.h>
#include <linux/tracepoint.h>

#include "cygnet.h"
#include "drops-gen.h"

TRACE_EVENT(cygnet_drop,
	    TP_PROTO(enum cygnet_drop reason, const struct net_device *dev,
		     const struct cyg_sa *sa, u32 count),
	    TP_ARGS(reason, dev, sa, count),
	    TP_STRUCT__entry(__field(u32, reason)
			     __field(int, ifindex)
			     __field(u32, spi)
			     __field(u32, count)),
	    TP_fast_assign(__entry->reason = reason;
			   __entry->ifindex = dev ? dev->ifindex : 0;
			   __entry->spi = sa ? ntohl(sa->key.spi) : 0;
			   __entry->count = count;),
	    TP_printk("reason=%s ifindex=%d spi=0x%08x count=%u",
		      __print_symbolic(__entry->reason, CYG_DROP_NAMES),
		      __entry->ifindex, __entry->spi, __entry->count)
);

#endif /* _CYGNET_TRACEPOINTS_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE tracepoints
#include <trace/define_trace.h>
