/* SPDX-License-Identifier: GPL-2.0-only */
/* Do not edit directly, auto-generated from: */
/*	include/cygnet.yaml */
/* YNL-GEN kernel header */

#ifndef _LINUX_CYGNET_GEN_H
#define _LINUX_CYGNET_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/cygnet.h>

/* Common nested types */
extern const struct nla_policy cygnet_lifetime_nl_policy[CYGNET_A_LIFETIME_HARD_BYTES + 1];
extern const struct nla_policy cygnet_selector_nl_policy[CYGNET_A_SELECTOR_REMOTE_PORT_LAST + 1];

extern const struct nla_policy cygnet_sa_new_nl_policy[CYGNET_A_SA_TFC + 1];

extern const struct nla_policy cygnet_sa_del_nl_policy[CYGNET_A_SA_DST + 1];

extern const struct nla_policy cygnet_sa_set_nl_policy[CYGNET_A_SA_NEW_DST + 1];

extern const struct nla_policy cygnet_sa_get_nl_policy[CYGNET_A_SA_DST + 1];

extern const struct nla_policy cygnet_sa_alloc_spi_nl_policy[CYGNET_A_SA_SPI_MAX + 1];

extern const struct nla_policy cygnet_policy_set_nl_policy[CYGNET_A_POLICY_NO_MSS_CLAMP + 1];

extern const struct nla_policy cygnet_policy_del_nl_policy[CYGNET_A_POLICY_ID + 1];

extern const struct nla_policy cygnet_policy_get_nl_policy[CYGNET_A_POLICY_ID + 1];

extern const struct nla_policy cygnet_transaction_nl_policy[CYGNET_A_TRANSACTION_SA_DEL + 1];

extern const struct nla_policy cygnet_port_add_nl_policy[CYGNET_A_PORT_PORT + 1];

extern const struct nla_policy cygnet_port_del_nl_policy[CYGNET_A_PORT_PORT + 1];

extern const struct nla_policy cygnet_port_get_nl_policy[CYGNET_A_PORT_PORT + 1];

extern const struct nla_policy cygnet_stats_get_nl_policy[CYGNET_A_STATS_IFINDEX + 1];

extern const struct nla_policy cygnet_sa_dummy_nl_policy[CYGNET_A_SA_TFC + 1];

extern const struct nla_policy cygnet_device_set_nl_policy[CYGNET_A_DEVICE_TOS + 1];

extern const struct nla_policy cygnet_device_get_nl_policy[CYGNET_A_DEVICE_IFINDEX + 1];

/* Ops table for cygnet */
extern const struct genl_ops cygnet_nl_ops[16];

int cygnet_nl_sa_new_doit(struct sk_buff *skb, struct genl_info *info);
int cygnet_nl_sa_del_doit(struct sk_buff *skb, struct genl_info *info);
int cygnet_nl_sa_set_doit(struct sk_buff *skb, struct genl_info *info);
int cygnet_nl_sa_get_doit(struct sk_buff *skb, struct genl_info *info);
int cygnet_nl_sa_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int cygnet_nl_sa_alloc_spi_doit(struct sk_buff *skb, struct genl_info *info);
int cygnet_nl_policy_set_doit(struct sk_buff *skb, struct genl_info *info);
int cygnet_nl_policy_del_doit(struct sk_buff *skb, struct genl_info *info);
int cygnet_nl_policy_get_doit(struct sk_buff *skb, struct genl_info *info);
int cygnet_nl_policy_get_dumpit(struct sk_buff *skb,
				struct netlink_callback *cb);
int cygnet_nl_transaction_doit(struct sk_buff *skb, struct genl_info *info);
int cygnet_nl_port_add_doit(struct sk_buff *skb, struct genl_info *info);
int cygnet_nl_port_del_doit(struct sk_buff *skb, struct genl_info *info);
int cygnet_nl_port_get_doit(struct sk_buff *skb, struct genl_info *info);
int cygnet_nl_port_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int cygnet_nl_stats_get_doit(struct sk_buff *skb, struct genl_info *info);
int cygnet_nl_sa_dummy_doit(struct sk_buff *skb, struct genl_info *info);
int cygnet_nl_device_set_doit(struct sk_buff *skb, struct genl_info *info);
int cygnet_nl_device_get_doit(struct sk_buff *skb, struct genl_info *info);
int cygnet_nl_device_get_dumpit(struct sk_buff *skb,
				struct netlink_callback *cb);

enum {
	CYGNET_NLGRP_EVENTS,
};

#endif /* _LINUX_CYGNET_GEN_H */
