// SPDX-License-Identifier: GPL-2.0-only
/*
 * Module and network namespaces: beginning and end.
 */
#include <linux/module.h>
#include <net/net_namespace.h>

#include "cygnet.h"

unsigned int cyg_net_id __read_mostly;
struct workqueue_struct *cyg_wq;
bool cyg_userns_admin;

module_param_named(userns_admin, cyg_userns_admin, bool, 0444);
MODULE_PARM_DESC(userns_admin,
		 "let CAP_NET_ADMIN in the namespace's own user namespace suffice");

static int __net_init net_init(struct net *net)
{
	struct cyg_net *cn = cyg_net(net);
	int err;

	cn->net = net;
	mutex_init(&cn->lock);
	xa_init_flags(&cn->policies, XA_FLAGS_ALLOC1);
	xa_init(&cn->ports);
	INIT_LIST_HEAD(&cn->devices);
	err = cyg_steer_open(cn);
	if (err)
		return err;
	err = cyg_stats_open(cn);
	if (err)
		goto free_steer;
	cyg_pmtu_open(cn);
	err = cyg_sadb_open(cn);
	if (err)
		goto close_stats;
	err = cyg_ipaddr_open(cn);
	if (err)
		goto close_sadb;
	cyg_stats_born(CYG_KIND_NET);
	return 0;

close_sadb:
	cyg_sadb_close(cn);
close_stats:
	cyg_stats_close(cn);
free_steer:
	cyg_steer_free(cn);
	return err;
}

static void __net_exit net_pre_exit(struct net *net)
{
	cyg_encap_close(cyg_net(net));
	cyg_pmtu_unwatch(cyg_net(net));
	cyg_steer_close(cyg_net(net));
}

/*
 * All devices are gone (they are deleted before any subsystem's exit), with
 * them SAs and most policies. What may still run are packets inside crypto.
 */
static void __net_exit net_exit(struct net *net)
{
	struct cyg_net *cn = cyg_net(net);

	cyg_spd_close(cn);
	cyg_sadb_close(cn);
	cyg_pmtu_close(cn);
	cyg_ipaddr_close(cn);
	cyg_demux_close(cn);
	cyg_steer_free(cn);
	xa_destroy(&cn->policies);
	xa_destroy(&cn->ports);
	cyg_stats_close(cn);
	mutex_destroy(&cn->lock);
	cyg_stats_died(CYG_KIND_NET);
}

static struct pernet_operations net_ops = {
	.init = net_init,
	.pre_exit = net_pre_exit,
	.exit = net_exit,
	.id = &cyg_net_id,
	.size = sizeof(struct cyg_net),
};

static int __init cyg_init(void)
{
	int err;

	cyg_wq = alloc_workqueue("cygnet", WQ_PERCPU, 0);
	if (!cyg_wq)
		return -ENOMEM;
	err = cyg_spread_init();
	if (err)
		goto destroy_wq;
	err = register_pernet_subsys(&net_ops);
	if (err)
		goto uninit_spread;
	err = cyg_device_init();
	if (err)
		goto unregister_pernet;
	err = cyg_input_init();
	if (err)
		goto uninit_device;
	err = cyg_netlink_init();
	if (err)
		goto uninit_input;
	return 0;

uninit_input:
	cyg_input_uninit();
uninit_device:
	cyg_device_uninit();
unregister_pernet:
	unregister_pernet_subsys(&net_ops);
uninit_spread:
	cyg_spread_uninit();
destroy_wq:
	destroy_workqueue(cyg_wq);
	return err;
}

/*
 * No more packets (protocol handlers, devices), and with the devices go their
 * policies and SAs, of which netlink still tells and cannot make new ones. Then
 * netlink; then the port hooks, and the wait for packets inside crypto and the
 * SAs that they hold; last, everything that RCU still frees.
 */
static void __exit cyg_exit(void)
{
	cyg_input_uninit();
	cyg_device_uninit();
	cyg_netlink_uninit();
	unregister_pernet_subsys(&net_ops);
	cyg_spread_uninit();
	/* What waits for a grace period is in no queue yet. */
	rcu_barrier();
	destroy_workqueue(cyg_wq);
	cyg_linear_uninit();
	cyg_block_uninit();
	rcu_barrier();
	cyg_stats_report();
}

module_init(cyg_init);
module_exit(cyg_exit);

MODULE_DESCRIPTION("IPsec as a network device");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1");
