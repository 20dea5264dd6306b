/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _CYGNET_COMPAT_NET_RTNETLINK_H
#define _CYGNET_COMPAT_NET_RTNETLINK_H

#include_next <net/rtnetlink.h>

/*
 * What newlink() gets besides the device came one by one until 6.15. The macro
 * has arguments, so it renames what device.c defines, and not what it refers to
 * in its operations, which is the function below.
 */
#if defined(CYG_IN_DEVICE) && !defined(CYG_HAVE_NEWLINK_PARAMS)
struct rtnl_newlink_params {
	struct net *src_net;
	struct nlattr **data;
	struct nlattr **tb;
};

static int new_device_params(struct net_device *dev, struct rtnl_newlink_params *params,
			     struct netlink_ext_ack *extack);

static int new_device(struct net *src_net, struct net_device *dev, struct nlattr *tb[],
		      struct nlattr *data[], struct netlink_ext_ack *extack)
{
	struct rtnl_newlink_params params = { src_net, data, tb };

	return new_device_params(dev, &params, extack);
}

#define new_device(dev, params, extack) new_device_params(dev, params, extack)
#endif

#endif /* _CYGNET_COMPAT_NET_RTNETLINK_H */
