// SPDX-License-Identifier: GPL-2.0-or-later
/* The network devices of kind cygnet, as rtnetlink lists them. */

#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "cygnet.h"
#include "device.h"
#include "lib/text.h"

static bool is_kind(const struct nlattr *linkinfo, const char *kind)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, linkinfo)
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			return !strcmp(mnl_attr_get_str(attr), kind);
	return false;
}

static void take_attr(struct device *dev, const struct nlattr *attr)
{
	struct rtnl_link_stats64 stats = { 0 };
	size_t len;

	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		snprintf(dev->dev_name, sizeof(dev->dev_name), "%.*s",
			 (int)mnl_attr_get_payload_len(attr),
			 mnl_attr_get_str(attr));
		break;
	case IFLA_MTU:
		dev->dev_mtu = mnl_attr_get_u32(attr);
		break;
	case IFLA_STATS64:
		/* The kernel's struct may be longer, and is not aligned. */
		len = mnl_attr_get_payload_len(attr);
		memcpy(&stats, mnl_attr_get_payload(attr),
		       len < sizeof(stats) ? len : sizeof(stats));
		dev->dev_rx_packets = stats.rx_packets;
		dev->dev_tx_packets = stats.tx_packets;
		dev->dev_rx_bytes = stats.rx_bytes;
		dev->dev_tx_bytes = stats.tx_bytes;
		break;
	}
}

static int take_link(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	struct device_list *list = arg;
	struct device dev = { 0 }, *devices;
	const struct nlattr *attr;
	bool ours = false;

	dev.dev_ifindex = info->ifi_index;
	dev.dev_up = info->ifi_flags & IFF_UP;
	mnl_attr_for_each(attr, nlh, sizeof(*info)) {
		if (mnl_attr_get_type(attr) == IFLA_LINKINFO)
			ours = is_kind(attr, "cygnet");
		else
			take_attr(&dev, attr);
	}
	if (!ours)
		return 0;
	devices = reallocarray(list->devices, list->devices_count + 1,
			       sizeof(*devices));
	if (!devices)
		return -ENOMEM;
	list->devices = devices;
	devices[list->devices_count++] = dev;
	return 0;
}

int list_devices(struct device_list *list, struct nl_error *err)
{
	struct ifinfomsg *info;
	struct nlmsghdr *nlh;
	struct nl nl;
	void *header;
	int result;

	memset(list, 0, sizeof(*list));
	result = nl_open_route(&nl, err);
	if (result)
		return result;
	nlh = nl_route_request(&nl, RTM_GETLINK, NLM_F_DUMP, sizeof(*info),
			       &header);
	info = header;
	info->ifi_family = AF_UNSPEC;
	result = nl_talk(&nl, nlh, take_link, list, err);
	nl_close(&nl);
	return result;
}

static unsigned int prefix_of(const struct sockaddr *mask)
{
	struct ip_endpoint ep;
	unsigned int i, bits = 0;

	if (!mask || !ip_endpoint_from_sockaddr(&ep, mask))
		return 0;
	for (i = 0; i < ip_addr_len(&ep.ep_addr); i++)
		bits += __builtin_popcount(ep.ep_addr.ip_bytes[i]);
	return bits;
}

json_t *device_addresses(const struct device *dev)
{
	char addr[IP_ADDR_STRLEN], text[64];
	json_t *array = json_array();
	struct ifaddrs *all, *one;
	struct ip_endpoint ep;

	if (getifaddrs(&all) < 0)
		return array;
	for (one = all; one; one = one->ifa_next) {
		if (strcmp(one->ifa_name, dev->dev_name) != 0 ||
		    !one->ifa_addr ||
		    !ip_endpoint_from_sockaddr(&ep, one->ifa_addr))
			continue;
		snprintf(text, sizeof(text), "%s/%u",
			 ip_addr_print(&ep.ep_addr, addr),
			 prefix_of(one->ifa_netmask));
		json_array_append_new(array, json_string(text));
	}
	freeifaddrs(all);
	return array;
}

json_t *device_json(const struct device *dev)
{
	return json_pack("{s:s, s:I, s:b, s:I, s:o, s:I, s:I, s:I, s:I}",
			 "name", dev->dev_name,
			 "ifindex", (json_int_t)dev->dev_ifindex,
			 "up", dev->dev_up,
			 "mtu", (json_int_t)dev->dev_mtu,
			 "addresses", device_addresses(dev),
			 "rx-packets", (json_int_t)dev->dev_rx_packets,
			 "rx-bytes", (json_int_t)dev->dev_rx_bytes,
			 "tx-packets", (json_int_t)dev->dev_tx_packets,
			 "tx-bytes", (json_int_t)dev->dev_tx_bytes);
}

static void print_device(struct table *table, const struct device *dev)
{
	char rx[SPAN_STRLEN], tx[SPAN_STRLEN], text[256] = "";
	json_t *addresses = device_addresses(dev), *address;
	size_t i;

	json_array_foreach(addresses, i, address)
		text_append(text, sizeof(text), "%s%s", i ? ", " : "",
			    json_string_value(address));
	json_decref(addresses);
	table_cell(table, "%s", dev->dev_name);
	table_cell(table, "%s", dev->dev_up ? "up" : "down");
	table_cell(table, "%u", dev->dev_mtu);
	table_cell(table, "%llu", dev->dev_rx_packets);
	table_cell(table, "%s", amount(dev->dev_rx_bytes, rx));
	table_cell(table, "%llu", dev->dev_tx_packets);
	table_cell(table, "%s", amount(dev->dev_tx_bytes, tx));
	table_cell(table, "%s", text);
}

void print_devices(const struct device_list *list)
{
	static const char *const headings[] = {
		"DEVICE", "STATE", ">MTU", ">RECEIVED", ">BYTES", ">SENT",
		">BYTES", "ADDRESSES", NULL
	};
	struct table table;
	size_t i;

	table_begin(&table, headings);
	for (i = 0; i < list->devices_count; i++)
		print_device(&table, &list->devices[i]);
	table_end(&table, 0);
}
