// SPDX-License-Identifier: GPL-2.0-or-later
/* rtnetlink: each function is one request, or one dump and a comparison. */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "route.h"

#define WORST_METRIC 0xffffffff

/* Devices */

static void copy_text(char *to, size_t size, const struct nlattr *attr)
{
	size_t len = mnl_attr_get_payload_len(attr);

	if (len >= size)
		len = size - 1;
	memcpy(to, mnl_attr_get_payload(attr), len);
	to[len] = 0;
}

static void read_kind(struct link *link, const struct nlattr *info)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, info)
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			copy_text(link->link_kind, sizeof(link->link_kind),
				  attr);
}

static void read_link(const struct nlmsghdr *nlh, struct link *link)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	memset(link, 0, sizeof(*link));
	link->link_index = ifi->ifi_index;
	mnl_attr_for_each(attr, nlh, sizeof(*ifi)) {
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			copy_text(link->link_name, sizeof(link->link_name),
				  attr);
			break;
		case IFLA_IFALIAS:
			copy_text(link->link_alias, sizeof(link->link_alias),
				  attr);
			break;
		case IFLA_MTU:
			link->link_mtu = mnl_attr_get_u32(attr);
			break;
		case IFLA_LINKINFO:
			read_kind(link, attr);
			break;
		}
	}
}

static int on_link(const struct nlmsghdr *nlh, void *arg)
{
	if (nlh->nlmsg_type == RTM_NEWLINK)
		read_link(nlh, arg);
	return 0;
}

int link_by_name(struct nl *nl, const char *name, struct link *link,
		 struct nl_error *err)
{
	struct nlmsghdr *nlh;
	void *ifi;

	nlh = nl_route_request(nl, RTM_GETLINK, 0, sizeof(struct ifinfomsg),
			       &ifi);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	return nl_talk(nl, nlh, on_link, link, err);
}

int link_by_index(struct nl *nl, u32 index, struct link *link,
		  struct nl_error *err)
{
	struct nlmsghdr *nlh;
	void *ifi;

	nlh = nl_route_request(nl, RTM_GETLINK, 0, sizeof(struct ifinfomsg),
			       &ifi);
	((struct ifinfomsg *)ifi)->ifi_index = index;
	return nl_talk(nl, nlh, on_link, link, err);
}

struct link_search {
	const char *ls_alias;
	struct link *ls_found;
};

static int match_link(const struct nlmsghdr *nlh, void *arg)
{
	struct link_search *search = arg;
	struct link link;

	read_link(nlh, &link);
	if (!strcmp(link.link_kind, LINK_KIND) &&
	    !strcmp(link.link_alias, search->ls_alias))
		*search->ls_found = link;
	return 0;
}

int link_by_alias(struct nl *nl, const char *alias, struct link *link,
		  struct nl_error *err)
{
	struct link_search search = { alias, link };
	struct nlmsghdr *nlh;
	void *ifi;
	int ret;

	nlh = nl_route_request(nl, RTM_GETLINK, NLM_F_DUMP,
			       sizeof(struct ifinfomsg), &ifi);
	link->link_index = 0;
	ret = nl_talk(nl, nlh, match_link, &search, err);
	if (!ret && !link->link_index) {
		err->err_errno = ENODEV;
		ret = -ENODEV;
	}
	return ret;
}

int link_new(struct nl *nl, const char *name, struct nl_error *err)
{
	struct nlmsghdr *nlh;
	struct nlattr *info;
	void *ifi;

	nlh = nl_route_request(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
			       sizeof(struct ifinfomsg), &ifi);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, LINK_KIND);
	mnl_attr_nest_end(nlh, info);
	return nl_talk(nl, nlh, NULL, NULL, err);
}

int link_set(struct nl *nl, u32 index, const char *alias, u32 mtu,
	     struct nl_error *err)
{
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh;
	void *header;

	nlh = nl_route_request(nl, RTM_SETLINK, 0, sizeof(*ifi), &header);
	ifi = header;
	ifi->ifi_index = index;
	ifi->ifi_flags = IFF_UP;
	ifi->ifi_change = IFF_UP;
	mnl_attr_put_str(nlh, IFLA_IFALIAS, alias);
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	return nl_talk(nl, nlh, NULL, NULL, err);
}

int link_del(struct nl *nl, u32 index, struct nl_error *err)
{
	struct nlmsghdr *nlh;
	void *ifi;
	int ret;

	nlh = nl_route_request(nl, RTM_DELLINK, 0, sizeof(struct ifinfomsg),
			       &ifi);
	((struct ifinfomsg *)ifi)->ifi_index = index;
	ret = nl_talk(nl, nlh, NULL, NULL, err);
	return ret == -ENODEV ? 0 : ret;
}

/* Addresses */

int addr_add(struct nl *nl, u32 index, const struct ip_addr *addr,
	     struct nl_error *err)
{
	size_t len = ip_addr_len(addr);
	struct ifaddrmsg *ifa;
	struct nlmsghdr *nlh;
	void *header;

	nlh = nl_route_request(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE,
			       sizeof(*ifa), &header);
	ifa = header;
	ifa->ifa_family = addr->ip_family;
	ifa->ifa_prefixlen = 8 * len;
	ifa->ifa_flags = addr->ip_family == AF_INET6 ? IFA_F_NODAD : 0;
	ifa->ifa_index = index;
	mnl_attr_put(nlh, IFA_LOCAL, len, addr->ip_bytes);
	mnl_attr_put(nlh, IFA_ADDRESS, len, addr->ip_bytes);
	return nl_talk(nl, nlh, NULL, NULL, err);
}

struct addr_search {
	const struct ip_range *as_range;
	struct ip_addr *as_found;
};

/* IFA_LOCAL is ours where both stand; IPv6 has only IFA_ADDRESS. */
static int match_addr(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct addr_search *search = arg;
	struct ip_addr addr = { 0 };
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(*ifa)) {
		u16 type = mnl_attr_get_type(attr);

		if (type == IFA_LOCAL || (type == IFA_ADDRESS &&
					  addr.ip_family == AF_UNSPEC))
			ip_addr_set(&addr, mnl_attr_get_payload(attr),
				    mnl_attr_get_payload_len(attr));
	}
	if (search->as_found->ip_family == AF_UNSPEC &&
	    ifa->ifa_scope <= RT_SCOPE_SITE &&
	    ip_range_contains(search->as_range, &addr))
		*search->as_found = addr;
	return 0;
}

int addr_find(struct nl *nl, const struct ip_range *range,
	      struct ip_addr *addr, struct nl_error *err)
{
	struct addr_search search = { range, addr };
	struct nlmsghdr *nlh;
	void *ifa;

	memset(addr, 0, sizeof(*addr));
	nlh = nl_route_request(nl, RTM_GETADDR, NLM_F_DUMP,
			       sizeof(struct ifaddrmsg), &ifa);
	((struct ifaddrmsg *)ifa)->ifa_family = range->range_first.ip_family;
	return nl_talk(nl, nlh, match_addr, &search, err);
}

/* Routes */

static void read_metrics(struct path *path, const struct nlattr *metrics)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, metrics)
		if (mnl_attr_get_type(attr) == RTAX_MTU)
			path->path_mtu = mnl_attr_get_u32(attr);
}

static int on_path(const struct nlmsghdr *nlh, void *arg)
{
	struct path *path = arg;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWROUTE)
		return 0;
	mnl_attr_for_each(attr, nlh, sizeof(struct rtmsg)) {
		switch (mnl_attr_get_type(attr)) {
		case RTA_OIF:
			path->path_index = mnl_attr_get_u32(attr);
			break;
		case RTA_PREFSRC:
			ip_addr_set(&path->path_source,
				    mnl_attr_get_payload(attr),
				    mnl_attr_get_payload_len(attr));
			break;
		case RTA_METRICS:
			read_metrics(path, attr);
			break;
		}
	}
	return 0;
}

int route_lookup(struct nl *nl, const struct ip_addr *from,
		 const struct ip_addr *to, u32 mark, u32 index,
		 struct path *path, struct nl_error *err)
{
	struct nlmsghdr *nlh;
	struct rtmsg *rtm;
	void *header;

	memset(path, 0, sizeof(*path));
	nlh = nl_route_request(nl, RTM_GETROUTE, 0, sizeof(*rtm), &header);
	rtm = header;
	rtm->rtm_family = to->ip_family;
	rtm->rtm_dst_len = 8 * ip_addr_len(to);
	mnl_attr_put(nlh, RTA_DST, ip_addr_len(to), to->ip_bytes);
	if (from->ip_family == to->ip_family) {
		rtm->rtm_src_len = 8 * ip_addr_len(from);
		mnl_attr_put(nlh, RTA_SRC, ip_addr_len(from), from->ip_bytes);
	}
	if (mark)
		mnl_attr_put_u32(nlh, RTA_MARK, mark);
	if (index)
		mnl_attr_put_u32(nlh, RTA_OIF, index);
	return nl_talk(nl, nlh, on_path, path, err);
}

static struct nlmsghdr *route_message(struct nl *nl, u16 type, u16 flags,
				      const struct prefix *prefix,
				      u8 route_type)
{
	const struct ip_addr *addr = &prefix->prefix_addr;
	struct nlmsghdr *nlh;
	struct rtmsg *rtm;
	void *header;

	nlh = nl_route_request(nl, type, flags, sizeof(*rtm), &header);
	rtm = header;
	rtm->rtm_family = addr->ip_family;
	rtm->rtm_dst_len = prefix->prefix_len;
	rtm->rtm_table = RT_TABLE_MAIN;
	rtm->rtm_protocol = RTPROT_STATIC;
	rtm->rtm_scope = route_type == RTN_UNICAST &&
			 addr->ip_family == AF_INET ?
			 RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	rtm->rtm_type = route_type;
	mnl_attr_put(nlh, RTA_DST, ip_addr_len(addr), addr->ip_bytes);
	return nlh;
}

struct route_search {
	const struct prefix *rs_prefix;
	u32 rs_index;
	bool rs_found;
};

static int match_route(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct route_search *search = arg;
	struct ip_addr dst = { 0 };
	const struct nlattr *attr;
	u32 index = 0;

	mnl_attr_for_each(attr, nlh, sizeof(*rtm)) {
		if (mnl_attr_get_type(attr) == RTA_DST)
			ip_addr_set(&dst, mnl_attr_get_payload(attr),
				    mnl_attr_get_payload_len(attr));
		if (mnl_attr_get_type(attr) == RTA_OIF)
			index = mnl_attr_get_u32(attr);
	}
	if (rtm->rtm_table == RT_TABLE_MAIN && index == search->rs_index &&
	    rtm->rtm_dst_len == search->rs_prefix->prefix_len &&
	    ip_addr_equal(&dst, &search->rs_prefix->prefix_addr))
		search->rs_found = true;
	return 0;
}

/* Whether the route that is there is ours. */
static bool route_exists(struct nl *nl, const struct prefix *prefix, u32 index)
{
	struct route_search search = { prefix, index, false };
	struct nl_error err;
	struct nlmsghdr *nlh;
	void *rtm;

	nlh = nl_route_request(nl, RTM_GETROUTE, NLM_F_DUMP,
			       sizeof(struct rtmsg), &rtm);
	((struct rtmsg *)rtm)->rtm_family = prefix->prefix_addr.ip_family;
	return !nl_talk(nl, nlh, match_route, &search, &err) &&
	       search.rs_found;
}

int route_add(struct nl *nl, const struct prefix *prefix, u32 index,
	      const struct ip_addr *source, struct nl_error *err)
{
	struct nlmsghdr *nlh;
	int ret;

	nlh = route_message(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, prefix,
			    RTN_UNICAST);
	mnl_attr_put_u32(nlh, RTA_OIF, index);
	if (source->ip_family == prefix->prefix_addr.ip_family)
		mnl_attr_put(nlh, RTA_PREFSRC, ip_addr_len(source),
			     source->ip_bytes);
	ret = nl_talk(nl, nlh, NULL, NULL, err);
	if (ret == -EEXIST && route_exists(nl, prefix, index))
		ret = 0;
	return ret;
}

static int forgive_absence(int ret)
{
	return ret == -ESRCH || ret == -ENODEV ? 0 : ret;
}

int route_del(struct nl *nl, const struct prefix *prefix, u32 index,
	      struct nl_error *err)
{
	struct nlmsghdr *nlh;

	nlh = route_message(nl, RTM_DELROUTE, 0, prefix, RTN_UNICAST);
	mnl_attr_put_u32(nlh, RTA_OIF, index);
	return forgive_absence(nl_talk(nl, nlh, NULL, NULL, err));
}

int twin_add(struct nl *nl, const struct prefix *prefix, struct nl_error *err)
{
	struct nlmsghdr *nlh;

	nlh = route_message(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE,
			    prefix, RTN_UNREACHABLE);
	mnl_attr_put_u32(nlh, RTA_PRIORITY, WORST_METRIC);
	return nl_talk(nl, nlh, NULL, NULL, err);
}

int twin_del(struct nl *nl, const struct prefix *prefix, struct nl_error *err)
{
	struct nlmsghdr *nlh;

	nlh = route_message(nl, RTM_DELROUTE, 0, prefix, RTN_UNREACHABLE);
	mnl_attr_put_u32(nlh, RTA_PRIORITY, WORST_METRIC);
	return forgive_absence(nl_talk(nl, nlh, NULL, NULL, err));
}

/* Ranges as prefixes */

static bool bit_is_set(const struct ip_addr *addr, size_t bit)
{
	return addr->ip_bytes[bit / 8] & (0x80 >> bit % 8);
}

/* One more than addr; false beyond the last. */
static bool increment(struct ip_addr *addr)
{
	for (size_t i = ip_addr_len(addr); i-- > 0;)
		if (++addr->ip_bytes[i])
			return true;
	return false;
}

/* The widest prefix that begins at the range's first address and fits. */
bool prefix_next(struct ip_range *range, struct prefix *prefix)
{
	struct ip_range fits;
	size_t len = 8 * ip_addr_len(&range->range_first);

	if (!len || ip_addr_cmp(&range->range_first, &range->range_last) > 0)
		return false;
	prefix->prefix_addr = range->range_first;
	ip_range_from_prefix(&fits, &range->range_first, len);
	while (len > 1 && !bit_is_set(&range->range_first, len - 1)) {
		struct ip_range wider;

		ip_range_from_prefix(&wider, &range->range_first, len - 1);
		if (!ip_range_covers(range, &wider))
			break;
		fits = wider;
		len--;
	}
	prefix->prefix_len = len;
	range->range_first = fits.range_last;
	if (ip_addr_equal(&fits.range_last, &range->range_last) ||
	    !increment(&range->range_first))
		memset(range, 0, sizeof(*range));	/* the end */
	return true;
}
