/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files that speak netlink share: netlink.c reads and writes attributes,
 * transaction.c changes SAs and policies.
 */
#ifndef _CYGNET_NETLINK_H
#define _CYGNET_NETLINK_H

#include <net/genetlink.h>

#include "cygnet.h"
#include "netlink-gen.h"

/* An SA's name: protocol, SPI, destination. */
struct cyg_sa_name {
	u8 protocol;
	u8 family;
	__be32 spi;
	struct cyg_addr dst;
};

/* The macros want a literal. */
static inline int refuse(struct genl_info *info, u32 type, int err, const char *why)
{
	info->extack->_msg = why;
	info->extack->bad_attr = info->attrs[type];
	return err;
}

static inline int need(struct genl_info *info, u32 type, const char *why)
{
	if (info->attrs[type])
		return 0;
	NL_SET_ERR_ATTR_MISS(info->extack, NULL, type);
	info->extack->_msg = why;
	return -EINVAL;
}

int cyg_netlink_get_name(struct genl_info *info, struct cyg_sa_name *name);
int cyg_netlink_get_endpoint(struct genl_info *info, u32 type, struct cyg_addr *addr,
			     u8 *family);
int cyg_netlink_get_sa(struct genl_info *info, struct cyg_sa_config *config);
int cyg_netlink_get_rules(struct genl_info *info, const struct nlattr *head, int len,
			  struct cyg_rules **rules);
struct cyg_options cyg_netlink_get_options(struct genl_info *info);
int cyg_netlink_check_policy(struct genl_info *info, u8 *protocol);
void *cyg_netlink_reply(struct sk_buff *msg, struct genl_info *info, u8 cmd);

#endif /* _CYGNET_NETLINK_H */
