/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices, addresses and routes through rtnetlink. Functions return 0 or a
 * negative errno with *err filled in, and may be repeated: what is already as
 * asked is no error.
 */
#ifndef CYGNETD_ROUTE_H
#define CYGNETD_ROUTE_H

#include <net/if.h>

#include "addr.h"
#include "nl.h"

#define LINK_KIND	"cygnet"
#define LINK_ALIAS_MAX	128

struct link {
	u32 link_index;
	char link_name[IF_NAMESIZE];
	char link_kind[16];
	char link_alias[LINK_ALIAS_MAX];
	u32 link_mtu;
};

/* -ENODEV if there is none. */
int link_by_name(struct nl *nl, const char *name, struct link *link,
		 struct nl_error *err);
int link_by_index(struct nl *nl, u32 index, struct link *link,
		  struct nl_error *err);
/* The cygnet device of that alias. */
int link_by_alias(struct nl *nl, const char *alias, struct link *link,
		  struct nl_error *err);
/* -EEXIST if the name is taken. */
int link_new(struct nl *nl, const char *name, struct nl_error *err);
/* MTU and alias, and up. */
int link_set(struct nl *nl, u32 index, const char *alias, u32 mtu,
	     struct nl_error *err);
int link_del(struct nl *nl, u32 index, struct nl_error *err);

/* As a host address (/32, /128). */
int addr_add(struct nl *nl, u32 index, const struct ip_addr *addr,
	     struct nl_error *err);
/* One of our addresses within the range, AF_UNSPEC where there is none. */
int addr_find(struct nl *nl, const struct ip_range *range,
	      struct ip_addr *addr, struct nl_error *err);

/* How a packet would go. */
struct path {
	u32 path_index;			/* device */
	u32 path_mtu;			/* the route's, 0 if it has none */
	struct ip_addr path_source;
};

/*
 * from may be AF_UNSPEC, mark 0, index 0 or the only device to leave by;
 * -ENETUNREACH and the like where there is no way.
 */
int route_lookup(struct nl *nl, const struct ip_addr *from,
		 const struct ip_addr *to, u32 mark, u32 index,
		 struct path *path, struct nl_error *err);

struct prefix {
	struct ip_addr prefix_addr;
	u8 prefix_len;
};

/*
 * A route to the device; source may be AF_UNSPEC. -EEXIST if the prefix has
 * another route of that metric already.
 */
int route_add(struct nl *nl, const struct prefix *prefix, u32 index,
	      const struct ip_addr *source, struct nl_error *err);
int route_del(struct nl *nl, const struct prefix *prefix, u32 index,
	      struct nl_error *err);
/* Its unreachable twin of worst metric. */
int twin_add(struct nl *nl, const struct prefix *prefix, struct nl_error *err);
int twin_del(struct nl *nl, const struct prefix *prefix, struct nl_error *err);

/*
 * The range as prefixes, in order: takes the next one off; false at the end.
 * All addresses are two halves, beside which a default route may stay.
 */
bool prefix_next(struct ip_range *range, struct prefix *prefix);

#endif
