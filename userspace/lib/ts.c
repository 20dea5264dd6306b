// SPDX-License-Identifier: GPL-2.0-or-later

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ts.h"
#include "text.h"

static const struct {
	u8 number;
	const char *name;
} protocols[] = {
	{ 0, "any" },
	{ IPPROTO_ICMP, "icmp" },
	{ IPPROTO_IGMP, "igmp" },
	{ IPPROTO_IPIP, "ipip" },
	{ IPPROTO_TCP, "tcp" },
	{ IPPROTO_UDP, "udp" },
	{ IPPROTO_IPV6, "ipv6" },
	{ IPPROTO_GRE, "gre" },
	{ IPPROTO_ICMPV6, "icmpv6" },
	{ 89, "ospf" },
	{ 112, "vrrp" },
	{ IPPROTO_SCTP, "sctp" },
	{ IPPROTO_UDPLITE, "udplite" },
};

void ts_from_range(struct ts *ts, const struct ip_range *range)
{
	memset(ts, 0, sizeof(*ts));
	ts->ts_addrs = *range;
	ts->ts_port_last = 65535;
}

void ts_all(struct ts *ts, int family)
{
	struct ip_range range;

	ip_range_all(&range, family);
	ts_from_range(ts, &range);
}

void ts_host(struct ts *ts)
{
	memset(ts, 0, sizeof(*ts));
	ts->ts_port_last = 65535;
}

bool ts_is_host(const struct ts *ts)
{
	return ts->ts_addrs.range_first.ip_family == AF_UNSPEC;
}

bool ts_all_ports(const struct ts *ts)
{
	return ts->ts_port_first == 0 && ts->ts_port_last == 65535;
}

bool ts_equal(const struct ts *a, const struct ts *b)
{
	return a->ts_protocol == b->ts_protocol &&
	       a->ts_port_first == b->ts_port_first &&
	       a->ts_port_last == b->ts_port_last &&
	       ip_addr_equal(&a->ts_addrs.range_first,
			     &b->ts_addrs.range_first) &&
	       ip_addr_equal(&a->ts_addrs.range_last, &b->ts_addrs.range_last);
}

bool ts_covers(const struct ts *outer, const struct ts *inner)
{
	return (!outer->ts_protocol ||
		outer->ts_protocol == inner->ts_protocol) &&
	       outer->ts_port_first <= inner->ts_port_first &&
	       outer->ts_port_last >= inner->ts_port_last &&
	       ip_range_covers(&outer->ts_addrs, &inner->ts_addrs);
}

bool ts_intersect(struct ts *out, const struct ts *a, const struct ts *b)
{
	struct ts both = {
		.ts_protocol = a->ts_protocol ?: b->ts_protocol,
		.ts_port_first = a->ts_port_first > b->ts_port_first ?
				 a->ts_port_first : b->ts_port_first,
		.ts_port_last = a->ts_port_last < b->ts_port_last ?
				a->ts_port_last : b->ts_port_last,
	};

	if (a->ts_protocol && b->ts_protocol &&
	    a->ts_protocol != b->ts_protocol)
		return false;
	if (both.ts_port_first > both.ts_port_last ||
	    !ip_range_intersect(&both.ts_addrs, &a->ts_addrs, &b->ts_addrs))
		return false;
	*out = both;
	return true;
}

bool ts_pair_equal(const struct ts_pair *a, const struct ts_pair *b)
{
	return ts_equal(&a->pair_local, &b->pair_local) &&
	       ts_equal(&a->pair_remote, &b->pair_remote);
}

bool ts_pair_covers(const struct ts_pair *outer, const struct ts_pair *inner)
{
	return ts_covers(&outer->pair_local, &inner->pair_local) &&
	       ts_covers(&outer->pair_remote, &inner->pair_remote);
}

static void fill(struct ts *ts, const struct ip_addr *addr)
{
	if (ts_is_host(ts))
		ts->ts_addrs = (struct ip_range){ *addr, *addr };
}

void ts_pair_fill(struct ts_pair *pair, const struct ip_addr *local,
		  const struct ip_addr *remote)
{
	fill(&pair->pair_local, local);
	fill(&pair->pair_remote, remote);
}

void ts_pair_swap(struct ts_pair *out, const struct ts_pair *pair)
{
	struct ts local = pair->pair_local;

	out->pair_local = pair->pair_remote;
	out->pair_remote = local;
}

static bool parse_number(const char *text, unsigned long max,
			 unsigned long *value, char **end)
{
	if (*text < '0' || *text > '9')
		return false;
	*value = strtoul(text, end, 10);
	return *value <= max;
}

bool ip_protocol_parse(u8 *protocol, const char *text)
{
	unsigned long value;
	char *end;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (!strcmp(text, protocols[i].name)) {
			*protocol = protocols[i].number;
			return true;
		}
	}
	if (!parse_number(text, 255, &value, &end) || *end)
		return false;
	*protocol = value;
	return true;
}

const char *ip_protocol_print(u8 protocol, char buf[8])
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(protocols); i++)
		if (protocols[i].number == protocol)
			return protocols[i].name;
	snprintf(buf, 8, "%u", protocol);
	return buf;
}

bool port_range_parse(u16 *first, u16 *last, const char *text)
{
	unsigned long low = 0, high = 65535;
	char *end;

	if (strcmp(text, "any") != 0) {
		if (!parse_number(text, 65535, &low, &end))
			return false;
		high = low;
		if (*end == '-' &&
		    !parse_number(end + 1, 65535, &high, &end))
			return false;
		if (*end || low > high)
			return false;
	}
	*first = low;
	*last = high;
	return true;
}

const char *port_range_print(u16 first, u16 last, char buf[16])
{
	if (first == 0 && last == 65535)
		text_copy(buf, 16, "any");
	else if (first == last)
		snprintf(buf, 16, "%u", first);
	else
		snprintf(buf, 16, "%u-%u", first, last);
	return buf;
}

const char *ts_print(const struct ts *ts, char buf[TS_STRLEN])
{
	char range[IP_RANGE_STRLEN] = "", number[8], ports[16];
	bool all_ports = ts_all_ports(ts), host = ts_is_host(ts);

	if (!host)
		ip_range_print(&ts->ts_addrs, range);
	if (!ts->ts_protocol && all_ports && !host)
		snprintf(buf, TS_STRLEN, "%s", range);
	else
		snprintf(buf, TS_STRLEN, "%s%s%s%s%s", range, host ? "" : " ",
			 ip_protocol_print(ts->ts_protocol, number),
			 all_ports ? "" : " ", all_ports ? "" :
			 port_range_print(ts->ts_port_first, ts->ts_port_last,
					  ports));
	return buf;
}

const char *ts_pair_print(const struct ts_pair *pair, char buf[TS_PAIR_STRLEN])
{
	char local[TS_STRLEN], remote[TS_STRLEN];

	snprintf(buf, TS_PAIR_STRLEN, "%s <-> %s",
		 ts_print(&pair->pair_local, local),
		 ts_print(&pair->pair_remote, remote));
	return buf;
}
