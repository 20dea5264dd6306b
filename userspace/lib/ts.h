/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traffic selectors (RFC 4301 section 4.4.1.1, RFC 7296 section 3.13.1):
 * plain data shared by the configuration, the kernel's objects and IKE.
 */
#ifndef CYGNET_LIB_TS_H
#define CYGNET_LIB_TS_H

#include "addr.h"

/*
 * One side. ts_protocol 0 means any; ports are inclusive, host byte order,
 * 0-65535 for any; for ICMP they hold type * 256 + code. In the configuration
 * a range of no family stands for the host itself, whatever its address.
 */
struct ts {
	struct ip_range ts_addrs;
	u8 ts_protocol;
	u16 ts_port_first;
	u16 ts_port_last;
};

/* Both sides; their protocol and family are the same. */
struct ts_pair {
	struct ts pair_local;
	struct ts pair_remote;
};

#define TS_STRLEN	160
#define TS_PAIR_STRLEN	(2 * TS_STRLEN + 8)

/* Everything of a family. */
void ts_all(struct ts *ts, int family);
/* The host itself, any protocol and port. */
void ts_host(struct ts *ts);
bool ts_is_host(const struct ts *ts);
/* Any protocol and port within the range. */
void ts_from_range(struct ts *ts, const struct ip_range *range);
bool ts_all_ports(const struct ts *ts);
bool ts_equal(const struct ts *a, const struct ts *b);
/* Every packet that inner selects is selected by outer. */
bool ts_covers(const struct ts *outer, const struct ts *inner);
/* False, with *out untouched, if they have nothing in common. */
bool ts_intersect(struct ts *out, const struct ts *a, const struct ts *b);

bool ts_pair_equal(const struct ts_pair *a, const struct ts_pair *b);
bool ts_pair_covers(const struct ts_pair *outer, const struct ts_pair *inner);
/* The addresses of the two hosts where the pair means the hosts themselves. */
void ts_pair_fill(struct ts_pair *pair, const struct ip_addr *local,
		  const struct ip_addr *remote);
/* Local and remote change places: the same pair as the peer sees it. */
void ts_pair_swap(struct ts_pair *out, const struct ts_pair *pair);

/* "tcp", "udp", "icmp", …, or a number; 0 means any ("any"). */
bool ip_protocol_parse(u8 *protocol, const char *text);
/* Returns a static name, or prints the number into buf. */
const char *ip_protocol_print(u8 protocol, char buf[8]);
/* "443", "1024-2047", "any". */
bool port_range_parse(u16 *first, u16 *last, const char *text);
const char *port_range_print(u16 first, u16 last, char buf[16]);

/* "10.1.0.0/16", "10.1.0.0/16 tcp 443", "10.1.0.0/16 tcp 1024-2047" */
const char *ts_print(const struct ts *ts, char buf[TS_STRLEN]);
/* "LOCAL <-> REMOTE" */
const char *ts_pair_print(const struct ts_pair *pair,
			  char buf[TS_PAIR_STRLEN]);

#endif
