/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IP addresses, endpoints and address ranges: plain data without pointers.
 * Parsers take the whole text or refuse it; printers return their buffer.
 */
#ifndef CYGNET_LIB_ADDR_H
#define CYGNET_LIB_ADDR_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "types.h"

/* ip_family is AF_INET, AF_INET6, or AF_UNSPEC for no (or any) address. */
struct ip_addr {
	u16 ip_family;
	u8 ip_bytes[16];	/* network byte order; IPv4: 4 bytes, rest 0 */
};

struct ip_endpoint {
	struct ip_addr ep_addr;
	u16 ep_port;		/* host byte order */
};

/* Both ends inclusive and of one family. */
struct ip_range {
	struct ip_addr range_first;
	struct ip_addr range_last;
};

#define IP_ADDR_STRLEN	48	/* longest IPv6 address with its zero */
#define IP_ENDPOINT_STRLEN	64	/* "[address]:port" */
#define IP_RANGE_STRLEN	100	/* "first-last" */

/* Bytes on the wire: 4, 16, or 0 for AF_UNSPEC. */
size_t ip_addr_len(const struct ip_addr *addr);
/* From 4 or 16 bytes in network byte order; false for another length. */
bool ip_addr_set(struct ip_addr *addr, const void *bytes, size_t len);
bool ip_addr_parse(struct ip_addr *addr, const char *text);
/* "any" for AF_UNSPEC. */
const char *ip_addr_print(const struct ip_addr *addr, char buf[IP_ADDR_STRLEN]);
/* Orders by family, then address: <0, 0, >0. */
int ip_addr_cmp(const struct ip_addr *a, const struct ip_addr *b);
bool ip_addr_equal(const struct ip_addr *a, const struct ip_addr *b);
/* AF_UNSPEC, 0.0.0.0 or :: */
bool ip_addr_is_any(const struct ip_addr *addr);

/* "192.0.2.1:500", "[2001:db8::1]:500"; without a port it becomes 0. */
bool ip_endpoint_parse(struct ip_endpoint *ep, const char *text);
const char *ip_endpoint_print(const struct ip_endpoint *ep,
			      char buf[IP_ENDPOINT_STRLEN]);
bool ip_endpoint_equal(const struct ip_endpoint *a,
		       const struct ip_endpoint *b);
/* Maps ::ffff:a.b.c.d to IPv4; false for another family. */
bool ip_endpoint_from_sockaddr(struct ip_endpoint *ep,
			       const struct sockaddr *sa);
/* Returns the length for bind(), sendto() and the like; 0 for AF_UNSPEC. */
socklen_t ip_endpoint_to_sockaddr(const struct ip_endpoint *ep,
				  struct sockaddr_storage *ss);

/* All addresses of a family: 0.0.0.0-255.255.255.255. */
void ip_range_all(struct ip_range *range, int family);
bool ip_range_is_all(const struct ip_range *range);
/* The network that addr is in; false if the prefix is too long. */
bool ip_range_from_prefix(struct ip_range *range, const struct ip_addr *addr,
			  unsigned int prefix);
/* The prefix length, or -1 if the range is not one prefix. */
int ip_range_to_prefix(const struct ip_range *range);
/*
 * "10.1.0.0/16", "10.1.0.1-10.1.0.9", "10.1.0.1". A prefix with host bits set
 * is refused: it is a slip more often than not.
 */
bool ip_range_parse(struct ip_range *range, const char *text);
/* As a prefix where it is one ("10.1.0.1" for a single address). */
const char *ip_range_print(const struct ip_range *range,
			   char buf[IP_RANGE_STRLEN]);
bool ip_range_contains(const struct ip_range *range,
		       const struct ip_addr *addr);
/* Every address of inner is in outer. */
bool ip_range_covers(const struct ip_range *outer,
		     const struct ip_range *inner);
/* False, with *out untouched, if they do not meet. */
bool ip_range_intersect(struct ip_range *out, const struct ip_range *a,
			const struct ip_range *b);

#endif
