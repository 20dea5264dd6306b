/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CYGNET_DEVICE_H
#define CYGNET_DEVICE_H

#include <net/if.h>

#include "cygnet.h"

struct device {
	char dev_name[IF_NAMESIZE];
	u32 dev_ifindex;
	bool dev_up;
	u32 dev_mtu;
	u64 dev_rx_packets;
	u64 dev_rx_bytes;
	u64 dev_tx_packets;
	u64 dev_tx_bytes;
};

struct device_list {
	size_t devices_count;
	struct device *devices;
};

int list_devices(struct device_list *list, struct nl_error *err);
void print_devices(const struct device_list *list);
json_t *device_json(const struct device *dev);
json_t *device_addresses(const struct device *dev);

#endif
