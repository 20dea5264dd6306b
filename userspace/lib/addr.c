// SPDX-License-Identifier: GPL-2.0-or-later

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "text.h"

size_t ip_addr_len(const struct ip_addr *addr)
{
	switch (addr->ip_family) {
	case AF_INET:
		return 4;
	case AF_INET6:
		return 16;
	default:
		return 0;
	}
}

bool ip_addr_set(struct ip_addr *addr, const void *bytes, size_t len)
{
	if (len != 4 && len != 16)
		return false;
	memset(addr, 0, sizeof(*addr));
	addr->ip_family = len == 4 ? AF_INET : AF_INET6;
	memcpy(addr->ip_bytes, bytes, len);
	return true;
}

bool ip_addr_parse(struct ip_addr *addr, const char *text)
{
	u8 bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1)
		return ip_addr_set(addr, bytes, 4);
	if (inet_pton(AF_INET6, text, bytes) == 1)
		return ip_addr_set(addr, bytes, 16);
	return false;
}

const char *ip_addr_print(const struct ip_addr *addr, char buf[IP_ADDR_STRLEN])
{
	if (!ip_addr_len(addr) || !inet_ntop(addr->ip_family, addr->ip_bytes,
					     buf, IP_ADDR_STRLEN))
		text_copy(buf, IP_ADDR_STRLEN, "any");
	return buf;
}

int ip_addr_cmp(const struct ip_addr *a, const struct ip_addr *b)
{
	if (a->ip_family != b->ip_family)
		return a->ip_family < b->ip_family ? -1 : 1;
	return memcmp(a->ip_bytes, b->ip_bytes, ip_addr_len(a));
}

bool ip_addr_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return ip_addr_cmp(a, b) == 0;
}

bool ip_addr_is_any(const struct ip_addr *addr)
{
	size_t i;

	for (i = 0; i < ip_addr_len(addr); i++)
		if (addr->ip_bytes[i])
			return false;
	return true;
}

static bool parse_port(u16 *port, const char *text)
{
	unsigned long value;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	value = strtoul(text, &end, 10);
	if (*end || value > 65535)
		return false;
	*port = value;
	return true;
}

bool ip_endpoint_parse(struct ip_endpoint *ep, const char *text)
{
	const char *end = text + strlen(text), *colon = strrchr(text, ':');
	struct ip_endpoint parsed = { 0 };
	char buf[IP_ADDR_STRLEN];
	size_t len;

	if (*text == '[') {
		end = strchr(++text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return false;
		if (end[1] && !parse_port(&parsed.ep_port, end + 2))
			return false;
	} else if (colon && colon == strchr(text, ':')) {
		end = colon;
		if (!parse_port(&parsed.ep_port, colon + 1))
			return false;
	}
	len = end - text;
	if (len >= sizeof(buf))
		return false;
	memcpy(buf, text, len);
	buf[len] = '\0';
	if (!ip_addr_parse(&parsed.ep_addr, buf))
		return false;
	*ep = parsed;
	return true;
}

const char *ip_endpoint_print(const struct ip_endpoint *ep,
			      char buf[IP_ENDPOINT_STRLEN])
{
	bool v6 = ep->ep_addr.ip_family == AF_INET6;
	char addr[IP_ADDR_STRLEN];

	ip_addr_print(&ep->ep_addr, addr);
	if (ep->ep_port)
		snprintf(buf, IP_ENDPOINT_STRLEN, "%s%s%s:%u", v6 ? "[" : "",
			 addr, v6 ? "]" : "", ep->ep_port);
	else
		snprintf(buf, IP_ENDPOINT_STRLEN, "%s", addr);
	return buf;
}

bool ip_endpoint_equal(const struct ip_endpoint *a,
		       const struct ip_endpoint *b)
{
	return a->ep_port == b->ep_port &&
	       ip_addr_equal(&a->ep_addr, &b->ep_addr);
}

bool ip_endpoint_from_sockaddr(struct ip_endpoint *ep,
			       const struct sockaddr *sa)
{
	struct sockaddr_in6 sin6;
	struct sockaddr_in sin;

	memset(ep, 0, sizeof(*ep));
	if (sa->sa_family == AF_INET) {
		memcpy(&sin, sa, sizeof(sin));
		ep->ep_port = ntohs(sin.sin_port);
		return ip_addr_set(&ep->ep_addr, &sin.sin_addr, 4);
	}
	if (sa->sa_family != AF_INET6)
		return false;
	memcpy(&sin6, sa, sizeof(sin6));
	ep->ep_port = ntohs(sin6.sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&sin6.sin6_addr))
		return ip_addr_set(&ep->ep_addr,
				   &sin6.sin6_addr.s6_addr[12], 4);
	return ip_addr_set(&ep->ep_addr, &sin6.sin6_addr, 16);
}

socklen_t ip_endpoint_to_sockaddr(const struct ip_endpoint *ep,
				  struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)ss;
	struct sockaddr_in *sin = (struct sockaddr_in *)ss;

	memset(ss, 0, sizeof(*ss));
	ss->ss_family = ep->ep_addr.ip_family;
	if (ss->ss_family == AF_INET) {
		sin->sin_port = htons(ep->ep_port);
		memcpy(&sin->sin_addr, ep->ep_addr.ip_bytes, 4);
		return sizeof(*sin);
	}
	if (ss->ss_family == AF_INET6) {
		sin6->sin6_port = htons(ep->ep_port);
		memcpy(&sin6->sin6_addr, ep->ep_addr.ip_bytes, 16);
		return sizeof(*sin6);
	}
	return 0;
}

void ip_range_all(struct ip_range *range, int family)
{
	memset(range, 0, sizeof(*range));
	range->range_first.ip_family = family;
	range->range_last.ip_family = family;
	memset(range->range_last.ip_bytes, 0xff,
	       ip_addr_len(&range->range_last));
}

bool ip_range_is_all(const struct ip_range *range)
{
	return ip_range_to_prefix(range) == 0;
}

bool ip_range_from_prefix(struct ip_range *range, const struct ip_addr *addr,
			  unsigned int prefix)
{
	size_t i, len = ip_addr_len(addr);

	if (!len || prefix > 8 * len)
		return false;
	range->range_first = *addr;
	range->range_last = *addr;
	for (i = 0; i < len; i++) {
		unsigned int bits = prefix > 8 * i ? prefix - 8 * i : 0;
		u8 host = bits >= 8 ? 0 : 0xff >> bits;

		range->range_first.ip_bytes[i] &= ~host;
		range->range_last.ip_bytes[i] |= host;
	}
	return true;
}

int ip_range_to_prefix(const struct ip_range *range)
{
	unsigned int prefix, bits = 8 * ip_addr_len(&range->range_first);
	struct ip_range candidate;

	for (prefix = 0; bits && prefix <= bits; prefix++) {
		ip_range_from_prefix(&candidate, &range->range_first, prefix);
		if (ip_addr_equal(&candidate.range_first,
				  &range->range_first) &&
		    ip_addr_equal(&candidate.range_last, &range->range_last))
			return prefix;
	}
	return -1;
}

/* Both ends given; first must not lie behind last. */
static bool parse_first_last(struct ip_range *range, const char *first,
			     const char *last)
{
	struct ip_range parsed;

	if (!ip_addr_parse(&parsed.range_first, first) ||
	    !ip_addr_parse(&parsed.range_last, last) ||
	    parsed.range_first.ip_family != parsed.range_last.ip_family ||
	    ip_addr_cmp(&parsed.range_first, &parsed.range_last) > 0)
		return false;
	*range = parsed;
	return true;
}

static bool parse_prefix(struct ip_range *range, const char *addr,
			 const char *prefix)
{
	struct ip_range parsed;
	struct ip_addr base;
	u16 bits;

	if (!ip_addr_parse(&base, addr) || !parse_port(&bits, prefix) ||
	    !ip_range_from_prefix(&parsed, &base, bits) ||
	    !ip_addr_equal(&parsed.range_first, &base))
		return false;
	*range = parsed;
	return true;
}

bool ip_range_parse(struct ip_range *range, const char *text)
{
	char buf[IP_RANGE_STRLEN], *second;
	size_t len = strlen(text);

	if (len >= sizeof(buf))
		return false;
	memcpy(buf, text, len + 1);
	second = strpbrk(buf, "/-");
	if (!second)
		return parse_first_last(range, buf, buf);
	*second++ = '\0';
	if (text[second - buf - 1] == '/')
		return parse_prefix(range, buf, second);
	return parse_first_last(range, buf, second);
}

const char *ip_range_print(const struct ip_range *range,
			   char buf[IP_RANGE_STRLEN])
{
	char first[IP_ADDR_STRLEN], last[IP_ADDR_STRLEN];
	int prefix = ip_range_to_prefix(range);

	ip_addr_print(&range->range_first, first);
	ip_addr_print(&range->range_last, last);
	if (prefix < 0)
		snprintf(buf, IP_RANGE_STRLEN, "%s-%s", first, last);
	else if ((size_t)prefix == 8 * ip_addr_len(&range->range_first))
		snprintf(buf, IP_RANGE_STRLEN, "%s", first);
	else
		snprintf(buf, IP_RANGE_STRLEN, "%s/%d", first, prefix);
	return buf;
}

bool ip_range_contains(const struct ip_range *range,
		       const struct ip_addr *addr)
{
	return ip_addr_len(addr) &&
	       addr->ip_family == range->range_first.ip_family &&
	       ip_addr_cmp(&range->range_first, addr) <= 0 &&
	       ip_addr_cmp(addr, &range->range_last) <= 0;
}

bool ip_range_covers(const struct ip_range *outer,
		     const struct ip_range *inner)
{
	return ip_range_contains(outer, &inner->range_first) &&
	       ip_range_contains(outer, &inner->range_last);
}

static const struct ip_addr *larger(const struct ip_addr *a,
				    const struct ip_addr *b)
{
	return ip_addr_cmp(a, b) >= 0 ? a : b;
}

static const struct ip_addr *smaller(const struct ip_addr *a,
				     const struct ip_addr *b)
{
	return ip_addr_cmp(a, b) <= 0 ? a : b;
}

bool ip_range_intersect(struct ip_range *out, const struct ip_range *a,
			const struct ip_range *b)
{
	struct ip_range both = {
		.range_first = *larger(&a->range_first, &b->range_first),
		.range_last = *smaller(&a->range_last, &b->range_last),
	};

	if (a->range_first.ip_family != b->range_first.ip_family ||
	    ip_addr_cmp(&both.range_first, &both.range_last) > 0)
		return false;
	*out = both;
	return true;
}
