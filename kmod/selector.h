/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Traffic selectors (RFC 4301 section 4.4.1.1) and the part of a packet that
 * they look at, as pure functions. Also builds in userspace, for tests and
 * fuzzers.
 */
#ifndef _CYGNET_SELECTOR_H
#define _CYGNET_SELECTOR_H

#include <asm/byteorder.h>
#include <linux/bitops.h>
#include <linux/minmax.h>
#include <linux/types.h>

/**
 * struct cyg_addr - an address in network byte order
 * @w: IPv6 fills it, IPv4 has the first word and the others are zero
 */
struct cyg_addr {
	__be32 w[4];
};

static inline bool cyg_addr_equal(const struct cyg_addr *a, const struct cyg_addr *b)
{
	return !((a->w[0] ^ b->w[0]) | (a->w[1] ^ b->w[1]) |
		 (a->w[2] ^ b->w[2]) | (a->w[3] ^ b->w[3]));
}

/* Leading bits that two addresses share, counted up to @max. */
static inline u32 cyg_addr_common(const struct cyg_addr *a, const struct cyg_addr *b,
				  u32 max)
{
	u32 i, differ;

	for (i = 0; i * 32 < max; i++) {
		differ = __be32_to_cpu(a->w[i] ^ b->w[i]);
		if (differ)
			return min(i * 32 + 32 - fls(differ), max);
	}
	return max;
}

/**
 * struct cyg_selector - ranges, ends included
 * @local_first: and its three brothers are of the family @family
 * @local_last: end of the local addresses
 * @remote_first: start of the remote addresses
 * @remote_last: end of the remote addresses
 * @local_port_first: 0 to 65535 takes packets without visible ports too
 * @local_port_last: end of the local ports
 * @remote_port_first: start of the remote ports
 * @remote_port_last: end of the remote ports
 * @family: 4 or 6
 * @protocol: 0 for any
 */
struct cyg_selector {
	struct cyg_addr local_first, local_last, remote_first, remote_last;
	u16 local_port_first, local_port_last;
	u16 remote_port_first, remote_port_last;
	u8 family;
	u8 protocol;
};

/**
 * struct cyg_flow - what selectors look at
 * @local: source of an outbound packet, destination of an inbound one
 * @remote: the other end
 * @length: of the packet by its own header, what follows it is padding
 * @local_port: for ICMP and Mobility, both ports are type * 256 + code
 * @remote_port: the other end's
 * @has_ports: false too where a fragment or a long header chain hides them
 * @family: 4 or 6
 * @protocol: next layer protocol, IPv6 extension headers skipped
 * @dsfield: DSCP and ECN
 */
struct cyg_flow {
	struct cyg_addr local, remote;
	u32 length;
	u16 local_port, remote_port;
	bool has_ports;
	u8 family;
	u8 protocol;
	u8 dsfield;
};

/* How much of a packet cyg_flow_parse() cares to see. */
#define CYG_FLOW_PEEK	256

bool cyg_flow_parse(struct cyg_flow *flow, const u8 *data, u32 linear, u32 len,
		    bool inbound);
bool cyg_selector_matches(const struct cyg_selector *selector,
			  const struct cyg_flow *flow);
u32 cyg_selector_weight(const struct cyg_selector *selector);

#endif /* _CYGNET_SELECTOR_H */
