// SPDX-License-Identifier: GPL-2.0-only
/* Do not edit directly, auto-generated from: */
/*	include/cygnet.yaml */
/* YNL-GEN kernel source */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "netlink-gen.h"

#include <uapi/linux/cygnet.h>

/* Common nested types */
const struct nla_policy cygnet_lifetime_nl_policy[CYGNET_A_LIFETIME_HARD_BYTES + 1] = {
	[CYGNET_A_LIFETIME_SOFT_SECONDS] = { .type = NLA_U64, },
	[CYGNET_A_LIFETIME_HARD_SECONDS] = { .type = NLA_U64, },
	[CYGNET_A_LIFETIME_SOFT_PACKETS] = { .type = NLA_U64, },
	[CYGNET_A_LIFETIME_HARD_PACKETS] = { .type = NLA_U64, },
	[CYGNET_A_LIFETIME_SOFT_BYTES] = { .type = NLA_U64, },
	[CYGNET_A_LIFETIME_HARD_BYTES] = { .type = NLA_U64, },
};

const struct nla_policy cygnet_selector_nl_policy[CYGNET_A_SELECTOR_REMOTE_PORT_LAST + 1] = {
	[CYGNET_A_SELECTOR_LOCAL_FIRST] = { .type = NLA_BINARY, },
	[CYGNET_A_SELECTOR_LOCAL_LAST] = { .type = NLA_BINARY, },
	[CYGNET_A_SELECTOR_REMOTE_FIRST] = { .type = NLA_BINARY, },
	[CYGNET_A_SELECTOR_REMOTE_LAST] = { .type = NLA_BINARY, },
	[CYGNET_A_SELECTOR_PROTOCOL] = { .type = NLA_U8, },
	[CYGNET_A_SELECTOR_LOCAL_PORT_FIRST] = { .type = NLA_U16, },
	[CYGNET_A_SELECTOR_LOCAL_PORT_LAST] = { .type = NLA_U16, },
	[CYGNET_A_SELECTOR_REMOTE_PORT_FIRST] = { .type = NLA_U16, },
	[CYGNET_A_SELECTOR_REMOTE_PORT_LAST] = { .type = NLA_U16, },
};

/* CYGNET_CMD_SA_NEW - do */
const struct nla_policy cygnet_sa_new_nl_policy[CYGNET_A_SA_TFC + 1] = {
	[CYGNET_A_SA_DIRECTION] = NLA_POLICY_MAX(NLA_U32, 1),
	[CYGNET_A_SA_PROTOCOL] = { .type = NLA_U8, },
	[CYGNET_A_SA_SPI] = { .type = NLA_U32, },
	[CYGNET_A_SA_SRC] = { .type = NLA_BINARY, },
	[CYGNET_A_SA_DST] = { .type = NLA_BINARY, },
	[CYGNET_A_SA_MODE] = NLA_POLICY_MAX(NLA_U32, 1),
	[CYGNET_A_SA_POLICY] = { .type = NLA_U32, },
	[CYGNET_A_SA_ENCR] = { .type = NLA_U16, },
	[CYGNET_A_SA_ENCR_KEY] = { .type = NLA_BINARY, },
	[CYGNET_A_SA_INTEG] = { .type = NLA_U16, },
	[CYGNET_A_SA_INTEG_KEY] = { .type = NLA_BINARY, },
	[CYGNET_A_SA_ESN] = { .type = NLA_FLAG, },
	[CYGNET_A_SA_REPLAY_WINDOW] = NLA_POLICY_RANGE(NLA_U32, 32, 4096),
	[CYGNET_A_SA_ENCAP_SPORT] = { .type = NLA_U16, },
	[CYGNET_A_SA_ENCAP_DPORT] = { .type = NLA_U16, },
	[CYGNET_A_SA_KEEPALIVE] = { .type = NLA_U16, },
	[CYGNET_A_SA_LIFETIME] = NLA_POLICY_NESTED(cygnet_lifetime_nl_policy),
	[CYGNET_A_SA_SEQUENCE] = { .type = NLA_U64, },
	[CYGNET_A_SA_LEGACY] = { .type = NLA_FLAG, },
	[CYGNET_A_SA_ROAM] = { .type = NLA_FLAG, },
	[CYGNET_A_SA_TFC] = { .type = NLA_U16, },
};

/* CYGNET_CMD_SA_DEL - do */
const struct nla_policy cygnet_sa_del_nl_policy[CYGNET_A_SA_DST + 1] = {
	[CYGNET_A_SA_PROTOCOL] = { .type = NLA_U8, },
	[CYGNET_A_SA_SPI] = { .type = NLA_U32, },
	[CYGNET_A_SA_DST] = { .type = NLA_BINARY, },
};

/* CYGNET_CMD_SA_SET - do */
const struct nla_policy cygnet_sa_set_nl_policy[CYGNET_A_SA_NEW_DST + 1] = {
	[CYGNET_A_SA_PROTOCOL] = { .type = NLA_U8, },
	[CYGNET_A_SA_SPI] = { .type = NLA_U32, },
	[CYGNET_A_SA_DST] = { .type = NLA_BINARY, },
	[CYGNET_A_SA_NEW_SRC] = { .type = NLA_BINARY, },
	[CYGNET_A_SA_NEW_DST] = { .type = NLA_BINARY, },
	[CYGNET_A_SA_ENCAP_SPORT] = { .type = NLA_U16, },
	[CYGNET_A_SA_ENCAP_DPORT] = { .type = NLA_U16, },
};

/* CYGNET_CMD_SA_GET - do */
const struct nla_policy cygnet_sa_get_nl_policy[CYGNET_A_SA_DST + 1] = {
	[CYGNET_A_SA_PROTOCOL] = { .type = NLA_U8, },
	[CYGNET_A_SA_SPI] = { .type = NLA_U32, },
	[CYGNET_A_SA_DST] = { .type = NLA_BINARY, },
};

/* CYGNET_CMD_SA_ALLOC_SPI - do */
const struct nla_policy cygnet_sa_alloc_spi_nl_policy[CYGNET_A_SA_SPI_MAX + 1] = {
	[CYGNET_A_SA_PROTOCOL] = { .type = NLA_U8, },
	[CYGNET_A_SA_DST] = { .type = NLA_BINARY, },
	[CYGNET_A_SA_SPI_MIN] = { .type = NLA_U32, },
	[CYGNET_A_SA_SPI_MAX] = { .type = NLA_U32, },
};

/* CYGNET_CMD_POLICY_SET - do */
const struct nla_policy cygnet_policy_set_nl_policy[CYGNET_A_POLICY_NO_MSS_CLAMP + 1] = {
	[CYGNET_A_POLICY_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[CYGNET_A_POLICY_IFINDEX] = NLA_POLICY_MIN(NLA_U32, 1),
	[CYGNET_A_POLICY_NAME] = { .type = NLA_NUL_STRING, .len = 63, },
	[CYGNET_A_POLICY_PRIORITY] = { .type = NLA_U32, },
	[CYGNET_A_POLICY_ACTION] = NLA_POLICY_MAX(NLA_U32, 2),
	[CYGNET_A_POLICY_PROTOCOL] = { .type = NLA_U8, },
	[CYGNET_A_POLICY_MODE] = NLA_POLICY_MAX(NLA_U32, 1),
	[CYGNET_A_POLICY_SELECTOR] = NLA_POLICY_NESTED(cygnet_selector_nl_policy),
	[CYGNET_A_POLICY_STEER] = { .type = NLA_FLAG, },
	[CYGNET_A_POLICY_DF] = NLA_POLICY_MAX(NLA_U32, 2),
	[CYGNET_A_POLICY_DSCP] = NLA_POLICY_MAX(NLA_U8, 63),
	[CYGNET_A_POLICY_TTL] = NLA_POLICY_MIN(NLA_U8, 1),
	[CYGNET_A_POLICY_FLOW_LABEL] = { .type = NLA_U32, },
	[CYGNET_A_POLICY_NO_MSS_CLAMP] = { .type = NLA_FLAG, },
};

/* CYGNET_CMD_POLICY_DEL - do */
const struct nla_policy cygnet_policy_del_nl_policy[CYGNET_A_POLICY_ID + 1] = {
	[CYGNET_A_POLICY_ID] = NLA_POLICY_MIN(NLA_U32, 1),
};

/* CYGNET_CMD_POLICY_GET - do */
const struct nla_policy cygnet_policy_get_nl_policy[CYGNET_A_POLICY_ID + 1] = {
	[CYGNET_A_POLICY_ID] = NLA_POLICY_MIN(NLA_U32, 1),
};

/* CYGNET_CMD_TRANSACTION - do */
const struct nla_policy cygnet_transaction_nl_policy[CYGNET_A_TRANSACTION_SA_DEL + 1] = {
	[CYGNET_A_TRANSACTION_POLICY_SET] = { .type = NLA_BINARY, },
	[CYGNET_A_TRANSACTION_POLICY_DEL] = { .type = NLA_BINARY, },
	[CYGNET_A_TRANSACTION_SA_NEW] = { .type = NLA_BINARY, },
	[CYGNET_A_TRANSACTION_SA_SET] = { .type = NLA_BINARY, },
	[CYGNET_A_TRANSACTION_SA_DEL] = { .type = NLA_BINARY, },
};

/* CYGNET_CMD_PORT_ADD - do */
const struct nla_policy cygnet_port_add_nl_policy[CYGNET_A_PORT_PORT + 1] = {
	[CYGNET_A_PORT_PORT] = { .type = NLA_U16, },
};

/* CYGNET_CMD_PORT_DEL - do */
const struct nla_policy cygnet_port_del_nl_policy[CYGNET_A_PORT_PORT + 1] = {
	[CYGNET_A_PORT_PORT] = { .type = NLA_U16, },
};

/* CYGNET_CMD_PORT_GET - do */
const struct nla_policy cygnet_port_get_nl_policy[CYGNET_A_PORT_PORT + 1] = {
	[CYGNET_A_PORT_PORT] = { .type = NLA_U16, },
};

/* CYGNET_CMD_STATS_GET - do */
const struct nla_policy cygnet_stats_get_nl_policy[CYGNET_A_STATS_IFINDEX + 1] = {
	[CYGNET_A_STATS_IFINDEX] = { .type = NLA_U32, },
};

/* CYGNET_CMD_SA_DUMMY - do */
const struct nla_policy cygnet_sa_dummy_nl_policy[CYGNET_A_SA_TFC + 1] = {
	[CYGNET_A_SA_PROTOCOL] = { .type = NLA_U8, },
	[CYGNET_A_SA_SPI] = { .type = NLA_U32, },
	[CYGNET_A_SA_DST] = { .type = NLA_BINARY, },
	[CYGNET_A_SA_TFC] = { .type = NLA_U16, },
};

/* CYGNET_CMD_DEVICE_SET - do */
const struct nla_policy cygnet_device_set_nl_policy[CYGNET_A_DEVICE_TOS + 1] = {
	[CYGNET_A_DEVICE_IFINDEX] = NLA_POLICY_MIN(NLA_U32, 1),
	[CYGNET_A_DEVICE_FWMARK] = { .type = NLA_U32, },
	[CYGNET_A_DEVICE_UNDERLAY] = { .type = NLA_U32, },
	[CYGNET_A_DEVICE_TOS] = { .type = NLA_U8, },
};

/* CYGNET_CMD_DEVICE_GET - do */
const struct nla_policy cygnet_device_get_nl_policy[CYGNET_A_DEVICE_IFINDEX + 1] = {
	[CYGNET_A_DEVICE_IFINDEX] = NLA_POLICY_MIN(NLA_U32, 1),
};

/* Ops table for cygnet */
const struct genl_ops cygnet_nl_ops[16] = {
	{
		.cmd		= CYGNET_CMD_SA_NEW,
		.doit		= cygnet_nl_sa_new_doit,
		.policy		= cygnet_sa_new_nl_policy,
		.maxattr	= CYGNET_A_SA_TFC,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= CYGNET_CMD_SA_DEL,
		.doit		= cygnet_nl_sa_del_doit,
		.policy		= cygnet_sa_del_nl_policy,
		.maxattr	= CYGNET_A_SA_DST,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= CYGNET_CMD_SA_SET,
		.doit		= cygnet_nl_sa_set_doit,
		.policy		= cygnet_sa_set_nl_policy,
		.maxattr	= CYGNET_A_SA_NEW_DST,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= CYGNET_CMD_SA_GET,
		.doit		= cygnet_nl_sa_get_doit,
		.dumpit		= cygnet_nl_sa_get_dumpit,
		.policy		= cygnet_sa_get_nl_policy,
		.maxattr	= CYGNET_A_SA_DST,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= CYGNET_CMD_SA_ALLOC_SPI,
		.doit		= cygnet_nl_sa_alloc_spi_doit,
		.policy		= cygnet_sa_alloc_spi_nl_policy,
		.maxattr	= CYGNET_A_SA_SPI_MAX,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= CYGNET_CMD_POLICY_SET,
		.doit		= cygnet_nl_policy_set_doit,
		.policy		= cygnet_policy_set_nl_policy,
		.maxattr	= CYGNET_A_POLICY_NO_MSS_CLAMP,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= CYGNET_CMD_POLICY_DEL,
		.doit		= cygnet_nl_policy_del_doit,
		.policy		= cygnet_policy_del_nl_policy,
		.maxattr	= CYGNET_A_POLICY_ID,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= CYGNET_CMD_POLICY_GET,
		.doit		= cygnet_nl_policy_get_doit,
		.dumpit		= cygnet_nl_policy_get_dumpit,
		.policy		= cygnet_policy_get_nl_policy,
		.maxattr	= CYGNET_A_POLICY_ID,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= CYGNET_CMD_TRANSACTION,
		.doit		= cygnet_nl_transaction_doit,
		.policy		= cygnet_transaction_nl_policy,
		.maxattr	= CYGNET_A_TRANSACTION_SA_DEL,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= CYGNET_CMD_PORT_ADD,
		.doit		= cygnet_nl_port_add_doit,
		.policy		= cygnet_port_add_nl_policy,
		.maxattr	= CYGNET_A_PORT_PORT,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= CYGNET_CMD_PORT_DEL,
		.doit		= cygnet_nl_port_del_doit,
		.policy		= cygnet_port_del_nl_policy,
		.maxattr	= CYGNET_A_PORT_PORT,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= CYGNET_CMD_PORT_GET,
		.doit		= cygnet_nl_port_get_doit,
		.dumpit		= cygnet_nl_port_get_dumpit,
		.policy		= cygnet_port_get_nl_policy,
		.maxattr	= CYGNET_A_PORT_PORT,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= CYGNET_CMD_STATS_GET,
		.doit		= cygnet_nl_stats_get_doit,
		.policy		= cygnet_stats_get_nl_policy,
		.maxattr	= CYGNET_A_STATS_IFINDEX,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= CYGNET_CMD_SA_DUMMY,
		.doit		= cygnet_nl_sa_dummy_doit,
		.policy		= cygnet_sa_dummy_nl_policy,
		.maxattr	= CYGNET_A_SA_TFC,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= CYGNET_CMD_DEVICE_SET,
		.doit		= cygnet_nl_device_set_doit,
		.policy		= cygnet_device_set_nl_policy,
		.maxattr	= CYGNET_A_DEVICE_TOS,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= CYGNET_CMD_DEVICE_GET,
		.doit		= cygnet_nl_device_get_doit,
		.dumpit		= cygnet_nl_device_get_dumpit,
		.policy		= cygnet_device_get_nl_policy,
		.maxattr	= CYGNET_A_DEVICE_IFINDEX,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
};
