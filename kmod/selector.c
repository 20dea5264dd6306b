// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parse a packet into a flow and match flows; see selector.h. Also builds in
 * userspace.
 */
#include <linux/in.h>
#include <linux/string.h>
#include <linux/types.h>

#include "selector.h"

enum {
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	IPV4_OFFSET_MASK = 0x1fff,
	IPV6_OFFSET_MASK = 0xfff8,

	HEADER_HOPOPTS = 0,
	HEADER_ROUTING = 43,
	HEADER_FRAGMENT = 44,
	HEADER_ICMPV6 = 58,
	HEADER_DSTOPTS = 60,
	HEADER_MOBILITY = 135,
};

static u16 be16_at(const u8 *data)
{
	return data[0] << 8 | data[1];
}

static void set_ports(struct cyg_flow *flow, u16 src, u16 dst, bool inbound)
{
	flow->local_port = inbound ? dst : src;
	flow->remote_port = inbound ? src : dst;
	flow->has_ports = true;
}

/* @data is what can be seen of the next layer, @len how much that is. */
static void parse_ports(struct cyg_flow *flow, const u8 *data, u32 len,
			bool inbound)
{
	switch (flow->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		if (len >= 4)
			set_ports(flow, be16_at(data), be16_at(data + 2), inbound);
		break;
	case IPPROTO_ICMP:
	case HEADER_ICMPV6:
		if (len >= 2)
			set_ports(flow, be16_at(data), be16_at(data), inbound);
		break;
	case HEADER_MOBILITY:
		if (len >= 3)
			set_ports(flow, data[2] << 8, data[2] << 8, inbound);
		break;
	}
}

static bool parse_ipv4(struct cyg_flow *flow, const u8 *data, u32 linear,
		       u32 len, bool inbound)
{
	u32 header;

	if (linear < IPV4_HEADER)
		return false;
	header = (data[0] & 0xf) * 4;
	flow->length = be16_at(data + 2);
	if (header < IPV4_HEADER || flow->length < header || len < flow->length)
		return false;
	flow->dsfield = data[1];
	flow->protocol = data[9];
	memcpy(inbound ? &flow->remote : &flow->local, data + 12, 4);
	memcpy(inbound ? &flow->local : &flow->remote, data + 16, 4);

	if (linear > flow->length)
		linear = flow->length;
	if (!(be16_at(data + 6) & IPV4_OFFSET_MASK) && header < linear)
		parse_ports(flow, data + header, linear - header, inbound);
	return true;
}

/* The chain ends at the next layer, or where it cannot be seen any more. */
static void walk_extensions(struct cyg_flow *flow, const u8 *data, u32 linear,
			    bool inbound)
{
	u32 at = IPV6_HEADER;

	for (;;) {
		switch (flow->protocol) {
		case HEADER_HOPOPTS:
		case HEADER_ROUTING:
		case HEADER_DSTOPTS:
			if (linear - at < 8)
				return;
			flow->protocol = data[at];
			at += (data[at + 1] + 1) * 8;
			break;
		case HEADER_FRAGMENT:
			if (linear - at < 8)
				return;
			flow->protocol = data[at];
			if (be16_at(data + at + 2) & IPV6_OFFSET_MASK)
				return;
			at += 8;
			break;
		default:
			parse_ports(flow, data + at, linear - at, inbound);
			return;
		}
		if (at > linear)
			return;
	}
}

static bool parse_ipv6(struct cyg_flow *flow, const u8 *data, u32 linear,
		       u32 len, bool inbound)
{
	if (linear < IPV6_HEADER)
		return false;
	flow->length = IPV6_HEADER + be16_at(data + 4);
	if (len < flow->length)
		return false;
	flow->dsfield = be16_at(data) >> 4 & 0xff;
	flow->protocol = data[6];
	memcpy(inbound ? &flow->remote : &flow->local, data + 8, 16);
	memcpy(inbound ? &flow->local : &flow->remote, data + 24, 16);

	if (linear > flow->length)
		linear = flow->length;
	walk_extensions(flow, data, linear, inbound);
	return true;
}

/**
 * cyg_flow_parse - find what selectors look at
 * @flow: filled in
 * @data: the packet, from its IP header
 * @linear: how many bytes of it are at @data
 * @len: how many bytes it has
 * @inbound: which end is the local one
 *
 * Return: false if that is not an IP packet, or the header promises more
 * bytes than there are
 */
bool cyg_flow_parse(struct cyg_flow *flow, const u8 *data, u32 linear, u32 len,
		    bool inbound)
{
	memset(flow, 0, sizeof(*flow));
	if (!linear)
		return false;
	flow->family = data[0] >> 4;
	if (flow->family == 4)
		return parse_ipv4(flow, data, linear, len, inbound);
	if (flow->family == 6)
		return parse_ipv6(flow, data, linear, len, inbound);
	return false;
}

/* Less than, equal to or greater than zero, as memcmp(); which is a call. */
static int compare(const struct cyg_addr *a, const struct cyg_addr *b)
{
	int i;

	for (i = 0; i < 4; i++)
		if (a->w[i] != b->w[i])
			return __be32_to_cpu(a->w[i]) < __be32_to_cpu(b->w[i]) ? -1 : 1;
	return 0;
}

static bool addr_in(const struct cyg_addr *addr, const struct cyg_addr *first,
		    const struct cyg_addr *last)
{
	return compare(addr, first) >= 0 && compare(addr, last) <= 0;
}

static bool any_port(u16 first, u16 last)
{
	return first == 0 && last == 0xffff;
}

static bool port_in(const struct cyg_flow *flow, u16 port, u16 first, u16 last)
{
	return any_port(first, last) ||
	       (flow->has_ports && port >= first && port <= last);
}

/**
 * cyg_selector_matches - does a selector take a flow?
 * @selector: the selector
 * @flow: the flow
 *
 * Ports that cannot be seen match only a selector that takes any (RFC 4301
 * section 7).
 */
bool cyg_selector_matches(const struct cyg_selector *selector,
			  const struct cyg_flow *flow)
{
	return selector->family == flow->family &&
	       (!selector->protocol || selector->protocol == flow->protocol) &&
	       addr_in(&flow->local, &selector->local_first,
		       &selector->local_last) &&
	       addr_in(&flow->remote, &selector->remote_first,
		       &selector->remote_last) &&
	       port_in(flow, flow->local_port, selector->local_port_first,
		       selector->local_port_last) &&
	       port_in(flow, flow->remote_port, selector->remote_port_first,
		       selector->remote_port_last);
}

/**
 * cyg_selector_weight - how specific a selector is
 * @selector: the selector
 *
 * Prefix lengths first, then protocol, then ports.
 *
 * Return: higher is more specific
 */
u32 cyg_selector_weight(const struct cyg_selector *selector)
{
	u32 bits = selector->family == 4 ? 32 : 128;
	u32 weight;

	weight = cyg_addr_common(&selector->local_first, &selector->local_last, bits) +
		 cyg_addr_common(&selector->remote_first, &selector->remote_last, bits);
	weight = weight * 2 + (selector->protocol != 0);
	weight = weight * 2 + !any_port(selector->local_port_first,
					selector->local_port_last);
	return weight * 2 + !any_port(selector->remote_port_first,
				      selector->remote_port_last);
}
