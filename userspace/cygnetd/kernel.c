// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The module as datapath. The kernel itself is the record of what is there:
 * policies carry the name of their connection, devices an alias with it, so
 * nothing has to be remembered across a crash and everything can be repeated.
 *
 * A connection that is up has, in the order in which they are made: an
 * unreachable twin of every route (so that nothing leaves unprotected whatever
 * comes later), a device with address and MTU, a protecting policy with the
 * configured selectors (the trap), and the routes into the device. One that is
 * policy-based has neither routes nor twins: its policies steer, and go on to
 * drop when the device goes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "backend.h"
#include "log.h"
#include "objects.h"
#include "police.h"
#include "route.h"

#define ALIAS_PREFIX	"connection "
#define DEVICES_MAX	4096	/* cyg0, cyg1, … */
#define MTU_MIN		576
#define MTU_MIN_IPV6	1280
#define OUTER_MTU	1500	/* where no route says otherwise */
/* Without ESN: ask for a new SA while a quarter of the numbers is left. */
#define SOFT_PACKETS	0xc0000000ULL

struct kernel {
	struct backend k_backend;
	const struct conf *k_conf;
	struct nl k_nl, k_events, k_route;
};

static struct kernel *to_kernel(struct backend *be)
{
	return (struct kernel *)be;
}

/* The kernel's refusal as the reason of ours. */
static int fail(struct ipc_reply *reply, const struct nl_error *err,
		const char *what)
{
	char text[NL_ERROR_STRLEN];

	return reply_refuse(reply, err->err_errno, "%s: %.200s", what,
			    nl_error_print(err, text, sizeof(text)));
}

/* The way to the peer */

static int find_path(struct kernel *k, const struct conf_conn *conn,
		     struct path *path, struct link *under,
		     struct ipc_reply *reply)
{
	char addr[IP_ADDR_STRLEN];
	struct nl_error err;

	memset(under, 0, sizeof(*under));
	if (conn->conn_underlay[0] &&
	    link_by_name(&k->k_route, conn->conn_underlay, under, &err))
		return fail(reply, &err, conn->conn_underlay);
	if (route_lookup(&k->k_route, &conn->conn_local, &conn->conn_remote,
			 conn->conn_fwmark, under->link_index, path, &err) ||
	    link_by_index(&k->k_route, path->path_index, under, &err))
		return fail(reply, &err, "no route to the remote address");
	if (strcmp(under->link_kind, LINK_KIND))
		return 0;
	return reply_refuse(reply, ELOOP,
			    "the route to %s leads into the tunnel (%s): add one that does not",
			    ip_addr_print(&conn->conn_remote, addr),
			    under->link_name);
}

static int resolve(struct backend *be, const struct conf_conn *conn,
		   struct ipc_reply *reply)
{
	struct link under;
	struct path path;
	int ret;

	if (conn->conn_remote.ip_family == AF_UNSPEC)
		return reply_refuse(reply, EDESTADDRREQ,
				    "any remote address is allowed, so only the peer can begin");
	reply->ir_remote = conn->conn_remote;
	reply->ir_local = conn->conn_local;
	if (reply->ir_local.ip_family != AF_UNSPEC)
		return 0;
	ret = find_path(to_kernel(be), conn, &path, &under, reply);
	if (!ret)
		reply->ir_local = path.path_source;
	return ret;
}

/* What the connection's policies and SAs are, for the kernel. */
static u8 protocol_of(const struct conf_conn *conn)
{
	return conf_protocol(conn) == PROTO_AH ? IPPROTO_AH : IPPROTO_ESP;
}

static u8 mode_of(const struct conf_conn *conn)
{
	return conn->conn_mode == CONF_MODE_TRANSPORT ? CYGNET_MODE_TRANSPORT :
							CYGNET_MODE_TUNNEL;
}

/* No route leads what two hosts say to each other to a device. */
static bool is_steered(const struct conf_conn *conn)
{
	return conn->conn_policy_based ||
	       conn->conn_mode == CONF_MODE_TRANSPORT;
}

static bool has_family(const struct conf_conn *conn, int family)
{
	for (size_t i = 0; i < conn->conn_npairs; i++)
		if (conn->conn_pairs[i].pair_local.ts_addrs.range_first
			    .ip_family == family)
			return true;
	return false;
}

/* The MTU inside for that outside, with the costliest algorithms allowed. */
static u32 inner_mtu(const struct conf_conn *conn, u32 outer)
{
	bool ipv6 = conn->conn_remote.ip_family == AF_INET6;
	u32 header = 8, iv = 8, icv = 16, align = 4;

	for (size_t i = 0; i < conn->conn_nesp; i++) {
		const struct transform *encr;

		encr = proposal_first(&conn->conn_esp[i], TRANSFORM_ENCR);
		if (encr && encr_is_aead(encr->tr_id))
			continue;
		iv = 16;
		icv = 32;
		align = 16;
	}
	/* A NAT may be found later, so UDP encapsulation always fits. */
	header += 8;
	if (conn->conn_mode == CONF_MODE_TUNNEL)
		header += ipv6 ? 40 : 20;
	if (outer < MTU_MIN + header + iv + icv)
		outer = MTU_MIN + header + iv + icv;
	return ((outer - header - iv - icv) & ~(align - 1)) - 2;
}

static int choose_mtu(struct kernel *k, const struct conf_conn *conn, u32 *mtu,
		      struct ipc_reply *reply)
{
	u32 outer = OUTER_MTU, min = MTU_MIN;
	struct path path;
	struct link under;
	int ret;

	if (has_family(conn, AF_INET6))
		min = MTU_MIN_IPV6;
	*mtu = conn->conn_mtu;
	if (conn->conn_remote.ip_family != AF_UNSPEC) {
		ret = find_path(k, conn, &path, &under, reply);
		if (ret == -ELOOP)
			return ret;
		if (!ret)
			outer = path.path_mtu ? path.path_mtu : under.link_mtu;
	}
	if (!*mtu)
		*mtu = inner_mtu(conn, outer);
	if (*mtu < min)
		*mtu = min;
	return 0;
}

/* The device */

static void print_alias(const struct conf_conn *conn,
			char alias[LINK_ALIAS_MAX])
{
	snprintf(alias, LINK_ALIAS_MAX, ALIAS_PREFIX "%s", conn->conn_name);
}

static int find_device(struct kernel *k, const struct conf_conn *conn,
		       struct link *link, struct nl_error *err)
{
	char alias[LINK_ALIAS_MAX];

	if (conn->conn_device[0])
		return link_by_name(&k->k_route, conn->conn_device, link, err);
	print_alias(conn, alias);
	return link_by_alias(&k->k_route, alias, link, err);
}

static int make_device(struct kernel *k, const struct conf_conn *conn,
		       struct link *link, struct nl_error *err)
{
	char name[IF_NAMESIZE];
	int ret = -EEXIST;

	snprintf(name, sizeof(name), "%s", conn->conn_device);
	if (conn->conn_device[0])
		ret = link_new(&k->k_route, name, err);
	for (int i = 0; !conn->conn_device[0] && ret == -EEXIST &&
	     i < DEVICES_MAX; i++) {
		snprintf(name, sizeof(name), "cyg%d", i);
		ret = link_new(&k->k_route, name, err);
	}
	if (ret)
		return ret;
	ret = link_by_name(&k->k_route, name, link, err);
	if (!ret)
		print_alias(conn, link->link_alias);
	return ret;
}

/* One of our addresses within the local side, for each family. */
static int add_address(struct kernel *k, const struct conf_conn *conn,
		       u32 index, int family, struct ip_addr *addr,
		       struct nl_error *err)
{
	int ret = 0;

	*addr = conn->conn_address;
	if (addr->ip_family != family)
		memset(addr, 0, sizeof(*addr));
	for (size_t i = 0; i < conn->conn_npairs && !ret &&
	     !conn->conn_policy_based && addr->ip_family == AF_UNSPEC; i++) {
		const struct ts *local = &conn->conn_pairs[i].pair_local;

		if (local->ts_addrs.range_first.ip_family == family)
			ret = addr_find(&k->k_route, &local->ts_addrs, addr,
					err);
	}
	if (!ret && addr->ip_family != AF_UNSPEC)
		ret = addr_add(&k->k_route, index, addr, err);
	return ret;
}

/* How its outer packets go, where the configuration says so. */
static int set_outer(struct kernel *k, const struct conf_conn *conn,
		     u32 index, struct nl_error *err)
{
	struct kernel_device device = {
		.kdev_ifindex = index,
		.kdev_fwmark = conn->conn_fwmark,
	};
	unsigned int parts = 0;
	struct link under;
	int ret;

	if (conn->conn_origin[CONF_FWMARK])
		parts |= KERNEL_DEVICE_FWMARK;
	if (conn->conn_origin[CONF_UNDERLAY])
		parts |= KERNEL_DEVICE_UNDERLAY;
	if (conn->conn_underlay[0]) {
		ret = link_by_name(&k->k_route, conn->conn_underlay, &under,
				   err);
		if (ret)
			return ret;
		device.kdev_underlay = under.link_index;
	}
	return parts ? kernel_device_set(&k->k_nl, &device, parts, err) : 0;
}

struct addresses {
	struct ip_addr ad_v4, ad_v6;
};

static int set_up_device(struct kernel *k, const struct conf_conn *conn,
			 struct link *link, struct addresses *addresses,
			 struct ipc_reply *reply)
{
	struct nl_error err;
	u32 mtu;
	int ret = choose_mtu(k, conn, &mtu, reply);

	if (ret)
		return ret;
	ret = find_device(k, conn, link, &err);
	if (ret == -ENODEV)
		ret = make_device(k, conn, link, &err);
	if (ret)
		return fail(reply, &err, "device");
	if (strcmp(link->link_kind, LINK_KIND))
		return reply_refuse(reply, EEXIST,
				    "%s is another kind of device: choose another name",
				    link->link_name);
	if (set_outer(k, conn, link->link_index, &err))
		return fail(reply, &err, "fwmark and underlay");
	if (add_address(k, conn, link->link_index, AF_INET, &addresses->ad_v4,
			&err) ||
	    add_address(k, conn, link->link_index, AF_INET6, &addresses->ad_v6,
			&err))
		return fail(reply, &err, "address");
	if (link_set(&k->k_route, link->link_index, link->link_alias, mtu,
		     &err))
		return fail(reply, &err, link->link_name);
	memcpy(reply->ir_device, link->link_name, sizeof(reply->ir_device));
	reply->ir_mtu = mtu;
	return 0;
}

/* Policies */

static bool pairs_include(const struct ts_pair *pairs, size_t n,
			  const struct ts_pair *pair)
{
	for (size_t i = 0; i < n; i++)
		if (ts_pair_equal(&pairs[i], pair))
			return true;
	return false;
}

/* The same set, in whatever order. */
static bool pairs_equal(const struct ts_pair *a, size_t n_a,
			const struct ts_pair *b, size_t n_b)
{
	for (size_t i = 0; i < n_a; i++)
		if (!pairs_include(b, n_b, &a[i]))
			return false;
	for (size_t i = 0; i < n_b; i++)
		if (!pairs_include(a, n_a, &b[i]))
			return false;
	return true;
}

/* All of the configuration's, between these hosts in transport mode. */
static void fill_pairs(const struct conf_conn *conn, const struct ip_addr *local,
		       const struct ip_addr *remote,
		       struct ts_pair pairs[CONF_TS_MAX])
{
	for (size_t i = 0; i < conn->conn_npairs; i++) {
		pairs[i] = conn->conn_pairs[i];
		ts_pair_fill(&pairs[i], local, remote);
	}
}

static bool is_trap(const struct conf_conn *conn,
		    const struct kernel_policy *policy)
{
	const struct ts_pair *first = &policy->kpol_pairs[0];
	struct ts_pair pairs[CONF_TS_MAX];

	fill_pairs(conn, &first->pair_local.ts_addrs.range_first,
		   &first->pair_remote.ts_addrs.range_first, pairs);
	return pairs_equal(policy->kpol_pairs, policy->kpol_npairs, pairs,
			   conn->conn_npairs);
}

struct policy_search {
	const char *ps_name;
	const struct ts_pair *ps_pairs;
	size_t ps_n;
	struct kernel_policy *ps_found;	/* kpol_id 0: none */
};

static int match_policy(const struct kernel_policy *policy, void *arg)
{
	struct policy_search *search = arg;

	if (!strcmp(policy->kpol_name, search->ps_name) &&
	    policy->kpol_action == CYGNET_ACTION_PROTECT &&
	    pairs_equal(policy->kpol_pairs, policy->kpol_npairs,
			search->ps_pairs, search->ps_n))
		*search->ps_found = *policy;
	return 0;
}

static int find_policy(struct kernel *k, const struct conf_conn *conn,
		       const struct ts_pair *pairs, size_t n,
		       struct kernel_policy *policy, struct nl_error *err)
{
	struct policy_search search = { conn->conn_name, pairs, n, policy };

	policy->kpol_id = 0;
	return kernel_policy_dump(&k->k_nl, match_policy, &search, err);
}

/* A policy of these selectors, to be made. */
static void fill_policy(const struct conf_conn *conn,
			const struct ts_pair *pairs, size_t n, u32 ifindex,
			struct kernel_policy *policy)
{
	*policy = (struct kernel_policy){
		.kpol_ifindex = ifindex,
		.kpol_action = CYGNET_ACTION_PROTECT,
		.kpol_protocol = protocol_of(conn),
		.kpol_mode = mode_of(conn),
		.kpol_steer = is_steered(conn),
		.kpol_npairs = n,
	};
	memcpy(policy->kpol_name, conn->conn_name, sizeof(policy->kpol_name));
	memcpy(policy->kpol_pairs, pairs, n * sizeof(*pairs));
	/* One of several children has a part of the trap's very selectors. */
	policy->kpol_priority = is_trap(conn, policy) ? 1 : 0;
}

/* The policy of exactly these selectors on the device, found or made. */
static int get_policy(struct kernel *k, const struct conf_conn *conn,
		      const struct ts_pair *pairs, size_t n, u32 ifindex,
		      struct kernel_policy *policy, struct nl_error *err)
{
	int ret = find_policy(k, conn, pairs, n, policy, err);

	if (!ret && policy->kpol_id && policy->kpol_ifindex != ifindex) {
		ret = kernel_policy_del(&k->k_nl, policy->kpol_id, err);
		policy->kpol_id = 0;
	}
	if (ret || policy->kpol_id)
		return ret;
	fill_policy(conn, pairs, n, ifindex, policy);
	return kernel_policy_set(&k->k_nl, policy, err);
}

struct policy_list {
	const char *pl_name;		/* of this connection, NULL: of all */
	struct kernel_policy *pl_policies;
	size_t pl_n;
};

static int list_policy(const struct kernel_policy *policy, void *arg)
{
	struct policy_list *list = arg;
	struct kernel_policy *policies;

	if (list->pl_name && strcmp(policy->kpol_name, list->pl_name))
		return 0;
	policies = reallocarray(list->pl_policies, list->pl_n + 1,
				sizeof(*policies));
	if (!policies)
		return -ENOMEM;
	policies[list->pl_n++] = *policy;
	list->pl_policies = policies;
	return 0;
}

/* Routes */

typedef int prefix_fn(struct kernel *k, const struct prefix *prefix,
		      const struct link *link,
		      const struct addresses *addresses, struct nl_error *err);

static int add_twin(struct kernel *k, const struct prefix *prefix,
		    const struct link *link, const struct addresses *addresses,
		    struct nl_error *err)
{
	return twin_add(&k->k_route, prefix, err);
}

static int del_twin(struct kernel *k, const struct prefix *prefix,
		    const struct link *link, const struct addresses *addresses,
		    struct nl_error *err)
{
	return twin_del(&k->k_route, prefix, err);
}

static int add_route(struct kernel *k, const struct prefix *prefix,
		     const struct link *link,
		     const struct addresses *addresses, struct nl_error *err)
{
	const struct ip_addr *source = &addresses->ad_v4;

	if (prefix->prefix_addr.ip_family == AF_INET6)
		source = &addresses->ad_v6;
	return route_add(&k->k_route, prefix, link->link_index, source, err);
}

static int del_route(struct kernel *k, const struct prefix *prefix,
		     const struct link *link,
		     const struct addresses *addresses, struct nl_error *err)
{
	return route_del(&k->k_route, prefix, link->link_index, err);
}

/* For every prefix of every remote range. */
static int each_prefix(struct kernel *k, const struct conf_conn *conn,
		       prefix_fn *fn, const struct link *link,
		       const struct addresses *addresses,
		       struct ipc_reply *reply)
{
	char addr[IP_ADDR_STRLEN], what[64];
	struct prefix prefix;
	struct nl_error err;

	for (size_t i = 0; i < conn->conn_npairs && !is_steered(conn); i++) {
		struct ip_range rest = conn->conn_pairs[i].pair_remote.ts_addrs;

		while (prefix_next(&rest, &prefix)) {
			if (!fn(k, &prefix, link, addresses, &err))
				continue;
			ip_addr_print(&prefix.prefix_addr, addr);
			snprintf(what, sizeof(what), "route to %.46s/%u", addr,
				 prefix.prefix_len);
			return fail(reply, &err, what);
		}
	}
	return 0;
}

/* Up and down */

/* The policy that drops, and asks for SAs. */
static int set_trap(struct backend *be, const struct conf_conn *conn,
		    const struct link *link, struct ipc_reply *reply)
{
	struct ipc_reply ends = { 0 };
	struct ts_pair pairs[CONF_TS_MAX];
	struct kernel_policy trap;
	struct nl_error err;
	int ret = 0;

	if (conn->conn_mode == CONF_MODE_TRANSPORT) {
		if (conn->conn_remote.ip_family == AF_UNSPEC)
			return 0;	/* with whom is not known before it comes */
		ret = resolve(be, conn, &ends);
	}
	if (ret)
		return reply_refuse(reply, -ret, "%s", ends.ir_text);
	fill_pairs(conn, &ends.ir_local, &ends.ir_remote, pairs);
	if (get_policy(to_kernel(be), conn, pairs, conn->conn_npairs,
		       link->link_index, &trap, &err))
		return fail(reply, &err, "policy");
	return 0;
}

static int up(struct backend *be, const struct conf_conn *conn,
	      struct ipc_reply *reply)
{
	struct kernel *k = to_kernel(be);
	struct addresses addresses;
	struct link link;
	int ret;

	ret = each_prefix(k, conn, add_twin, NULL, NULL, reply);
	if (ret)
		return ret;
	ret = set_up_device(k, conn, &link, &addresses, reply);
	if (!ret)
		ret = set_trap(be, conn, &link, reply);
	if (ret)
		return ret;
	return each_prefix(k, conn, add_route, &link, &addresses, reply);
}

/* Deletes the connection's policies, and with them their SAs. */
static int delete_policies(struct kernel *k, const struct conf_conn *conn,
			   struct nl_error *err)
{
	struct policy_list list = { .pl_name = conn->conn_name };
	int ret = kernel_policy_dump(&k->k_nl, list_policy, &list, err);
	struct nlmsghdr *tx;
	size_t i = 0;

	while (i < list.pl_n && !ret) {
		tx = kernel_begin(&k->k_nl);
		while (i < list.pl_n && !kernel_full(tx))
			kernel_stage_policy_del(tx,
						list.pl_policies[i++].kpol_id);
		ret = kernel_commit(&k->k_nl, tx, err);
	}
	free(list.pl_policies);
	return ret;
}

static int note_device(const struct kernel_policy *policy, void *arg)
{
	struct link *link = arg;

	if (policy->kpol_ifindex == link->link_index)
		link->link_index = 0;
	return 0;
}

/* Deletes a device that an up has made and no connection uses any more. */
static int delete_device(struct kernel *k, const struct link *link,
			 struct nl_error *err)
{
	struct link unused = *link;
	int ret;

	if (strncmp(link->link_alias, ALIAS_PREFIX, strlen(ALIAS_PREFIX)))
		return 0;
	ret = kernel_policy_dump(&k->k_nl, note_device, &unused, err);
	if (ret || !unused.link_index)
		return ret;
	return link_del(&k->k_route, link->link_index, err);
}

static int down(struct backend *be, const struct conf_conn *conn,
		struct ipc_reply *reply)
{
	struct kernel *k = to_kernel(be);
	struct nl_error err;
	struct link link;
	int ret;

	if (delete_policies(k, conn, &err))
		return fail(reply, &err, "policies");
	ret = find_device(k, conn, &link, &err);
	if (!ret) {
		ret = each_prefix(k, conn, del_route, &link, NULL, reply);
		if (!ret && delete_device(k, &link, &err))
			ret = fail(reply, &err, link.link_name);
	} else if (ret == -ENODEV) {
		ret = 0;
	} else {
		ret = fail(reply, &err, "device");
	}
	if (!ret)
		ret = each_prefix(k, conn, del_twin, NULL, NULL, reply);
	return ret;
}

/* SAs */

static int reserve_spi(struct backend *be, const struct conf_conn *conn,
		       const struct ip_addr *local, struct ipc_reply *reply)
{
	struct kernel *k = to_kernel(be);
	struct nl_error err;
	u32 spi;

	if (kernel_alloc_spi(&k->k_nl, protocol_of(conn), local, 0, 0, &spi, &err))
		return fail(reply, &err, "SPI");
	reply->ir_spi = htonl(spi);
	return 0;
}

/* Up to an eighth less, so that both ends do not rekey in the same moment. */
static u64 soft_limit(u64 limit)
{
	u32 chance = 0;

	(void)!getrandom(&chance, sizeof(chance), 0);
	return limit - limit / 8 * (chance % 1024) / 1024;
}

/* Half as long again as until rekeying, should that not succeed. */
static u64 hard_limit(u64 soft)
{
	return soft + soft / 2;
}

static struct kernel_sa common_sa(const struct conf_conn *conn,
				  const struct ipc_child *child, u32 policy)
{
	return (struct kernel_sa){
		.ksa_protocol = protocol_of(conn),
		.ksa_mode = mode_of(conn),
		.ksa_policy = policy,
		.ksa_encr = child->ic_encr,
		.ksa_integ = child->ic_integ,
		/* The configuration names it, or police.c refuses it. */
		.ksa_legacy = child->ic_integ == INTEG_HMAC_SHA1_96,
		.ksa_esn = child->ic_esn,
		.ksa_lifetime = {
			.life_hard_seconds = hard_limit(conn->conn_rekey),
			.life_soft_packets =
				child->ic_esn ? 0 : soft_limit(SOFT_PACKETS),
			.life_soft_bytes = soft_limit(conn->conn_rekey_bytes),
			.life_hard_bytes = hard_limit(conn->conn_rekey_bytes),
		},
	};
}

static void put_keys(struct kernel_sa *sa, const struct ipc_key *encr,
		     const struct ipc_key *integ)
{
	sa->ksa_encr_key_len = encr->ik_len;
	memcpy(sa->ksa_encr_key, encr->ik_key, encr->ik_len);
	sa->ksa_integ_key_len = integ->ik_len;
	memcpy(sa->ksa_integ_key, integ->ik_key, integ->ik_len);
}

static void stage_inbound(struct kernel *k, struct nlmsghdr *tx,
			  const struct conf_conn *conn,
			  const struct ipc_child *child, u32 policy)
{
	struct kernel_sa sa = common_sa(conn, child, policy);

	sa.ksa_direction = CYGNET_DIRECTION_IN;
	sa.ksa_spi = ntohl(child->ic_spi_in);
	sa.ksa_src = child->ic_remote.ep_addr;
	sa.ksa_dst = child->ic_local.ep_addr;
	sa.ksa_replay_window = conn->conn_replay_window;
	if (child->ic_encap) {
		sa.ksa_encap_sport = child->ic_remote.ep_port;
		sa.ksa_encap_dport = k->k_conf->conf_natt_port;
		sa.ksa_roam = child->ic_roam &&
			      sa.ksa_mode == CYGNET_MODE_TUNNEL;
	}
	put_keys(&sa, &child->ic_encr_in, &child->ic_integ_in);
	kernel_stage_sa_new(tx, &sa);
	kernel_sa_wipe(&sa);
}

static void stage_outbound(struct kernel *k, struct nlmsghdr *tx,
			   const struct conf_conn *conn,
			   const struct ipc_child *child, u32 policy)
{
	struct kernel_sa sa = common_sa(conn, child, policy);

	sa.ksa_direction = CYGNET_DIRECTION_OUT;
	sa.ksa_spi = ntohl(child->ic_spi_out);
	sa.ksa_src = child->ic_local.ep_addr;
	sa.ksa_dst = child->ic_remote.ep_addr;
	if (child->ic_encap) {
		sa.ksa_encap_sport = k->k_conf->conf_natt_port;
		sa.ksa_encap_dport = child->ic_remote.ep_port;
		sa.ksa_keepalive = conn->conn_keepalive;
	}
	put_keys(&sa, &child->ic_encr_out, &child->ic_integ_out);
	kernel_stage_sa_new(tx, &sa);
	kernel_sa_wipe(&sa);
}

/* Stages the policy of a child unless it is there; its id, 0 if it is new. */
static u32 stage_policy(struct nlmsghdr *tx, const struct conf_conn *conn,
			const struct ipc_child *child, u32 ifindex,
			const struct kernel_policy *found)
{
	struct kernel_policy policy;

	if (found->kpol_id && found->kpol_ifindex == ifindex)
		return found->kpol_id;
	if (found->kpol_id)
		kernel_stage_policy_del(tx, found->kpol_id);
	fill_policy(conn, child->ic_ts, child->ic_n_ts, ifindex, &policy);
	kernel_stage_policy_set(tx, &policy);
	return 0;
}

static int delete_sa(struct kernel *k, const struct conf_conn *conn, u32 spi,
		     const struct ip_addr *dst, struct nl_error *err)
{
	int ret = kernel_sa_del(&k->k_nl, protocol_of(conn), ntohl(spi), dst,
				err);

	return ret == -ENOENT || ret == -ESRCH ? 0 : ret;
}

static int add(struct backend *be, const struct conf_conn *conn,
	       const struct ipc_child *child, struct ipc_reply *reply)
{
	struct kernel *k = to_kernel(be);
	struct ts_pair pairs[CONF_TS_MAX];
	struct kernel_policy policy;
	struct nlmsghdr *tx;
	struct nl_error err;
	struct link link;
	int ret = 0;
	u32 id;

	fill_pairs(conn, &child->ic_local.ep_addr, &child->ic_remote.ep_addr,
		   pairs);
	if (find_policy(k, conn, pairs, conn->conn_npairs, &policy, &err))
		return fail(reply, &err, "policy");
	if (!policy.kpol_id)
		ret = up(be, conn, reply);
	if (ret)
		return ret;
	if (find_device(k, conn, &link, &err) ||
	    find_policy(k, conn, child->ic_ts, child->ic_n_ts, &policy, &err))
		return fail(reply, &err, "policy");
	tx = kernel_begin(&k->k_nl);
	id = stage_policy(tx, conn, child, link.link_index, &policy);
	if (child->ic_dirs & IPC_DIR_IN)
		stage_inbound(k, tx, conn, child, id);
	if (child->ic_dirs & IPC_DIR_OUT)
		stage_outbound(k, tx, conn, child, id);
	if (kernel_commit(&k->k_nl, tx, &err))
		return fail(reply, &err, "policy and SAs");
	return 0;
}

struct sa_count {
	u32 sc_policy;
	size_t sc_n;
};

static int count_sa(const struct kernel_sa *sa, void *arg)
{
	struct sa_count *count = arg;

	count->sc_n += sa->ksa_policy == count->sc_policy;
	return 0;
}

/* A policy below the configured one lives no longer than its SAs. */
static void drop_unused_policy(struct kernel *k, const struct conf_conn *conn,
			       u32 id)
{
	struct sa_count count = { .sc_policy = id };
	struct kernel_policy policy;
	struct nl_error err;

	if (!id || kernel_policy_get(&k->k_nl, id, &policy, &err) ||
	    is_trap(conn, &policy))
		return;
	if (!kernel_sa_dump(&k->k_nl, count_sa, &count, &err) && !count.sc_n)
		kernel_policy_del(&k->k_nl, id, &err);
}

static u32 policy_of(struct kernel *k, const struct conf_conn *conn, u32 spi,
		     const struct ip_addr *dst)
{
	struct nl_error err;
	struct kernel_sa sa;

	if (kernel_sa_get(&k->k_nl, protocol_of(conn), ntohl(spi), dst, &sa,
			  &err))
		return 0;
	return sa.ksa_policy;
}

static int del(struct backend *be, const struct conf_conn *conn,
	       const struct ipc_child *child, struct ipc_reply *reply)
{
	const struct ip_addr *local = &child->ic_local.ep_addr;
	const struct ip_addr *remote = &child->ic_remote.ep_addr;
	struct kernel *k = to_kernel(be);
	struct nl_error err;
	u32 policy = 0;
	int ret = 0;

	if (child->ic_dirs & IPC_DIR_OUT) {
		policy = policy_of(k, conn, child->ic_spi_out, remote);
		ret = delete_sa(k, conn, child->ic_spi_out, remote, &err);
	}
	if (!ret && (child->ic_dirs & IPC_DIR_IN)) {
		if (!policy)
			policy = policy_of(k, conn, child->ic_spi_in, local);
		ret = delete_sa(k, conn, child->ic_spi_in, local, &err);
	}
	if (ret)
		return fail(reply, &err, "SA");
	drop_unused_policy(k, conn, policy);
	return 0;
}

static int idle(struct backend *be, const struct conf_conn *conn,
		const struct ipc_child *child, struct ipc_reply *reply)
{
	struct kernel *k = to_kernel(be);
	struct nl_error err;
	struct kernel_sa sa;

	if (kernel_sa_get(&k->k_nl, protocol_of(conn), ntohl(child->ic_spi_in),
			  &child->ic_local.ep_addr, &sa, &err))
		return fail(reply, &err, "SA");
	reply->ir_idle_ms = sa.ksa_idle_ms;
	return 0;
}

/* Taking over from an earlier daemon */

struct sa_list {
	struct kernel_sa *sl_sas;
	size_t sl_n;
};

static int list_sa(const struct kernel_sa *sa, void *arg)
{
	struct sa_list *list = arg;
	struct kernel_sa *sas;

	sas = reallocarray(list->sl_sas, list->sl_n + 1, sizeof(*sas));
	if (!sas)
		return -ENOMEM;
	sas[list->sl_n++] = *sa;
	list->sl_sas = sas;
	return 0;
}

static bool policy_allowed(const struct conf_conn *conn,
			   const struct kernel_policy *policy)
{
	if (policy->kpol_npairs > CONF_TS_MAX ||
	    policy->kpol_protocol != protocol_of(conn) ||
	    policy->kpol_mode != mode_of(conn) ||
	    policy->kpol_steer != is_steered(conn))
		return false;
	for (size_t i = 0; i < policy->kpol_npairs; i++)
		if (!police_pair_allowed(conn, &policy->kpol_pairs[i]))
			return false;
	return true;
}

static bool addr_allowed(const struct ip_addr *addr,
			 const struct ip_addr *configured)
{
	return configured->ip_family == AF_UNSPEC ||
	       ip_addr_equal(addr, configured);
}

static bool sa_allowed(const struct conf_conn *conn, const struct kernel_sa *sa)
{
	bool in = sa->ksa_direction == CYGNET_DIRECTION_IN;

	return addr_allowed(in ? &sa->ksa_dst : &sa->ksa_src,
			    &conn->conn_local) &&
	       addr_allowed(in ? &sa->ksa_src : &sa->ksa_dst,
			    &conn->conn_remote);
}

static u64 age_difference(const struct kernel_sa *a, const struct kernel_sa *b)
{
	return a->ksa_age_ms > b->ksa_age_ms ? a->ksa_age_ms - b->ksa_age_ms :
					       b->ksa_age_ms - a->ksa_age_ms;
}

/* The inbound SA that was made with this outbound one. */
static struct kernel_sa *find_partner(struct sa_list *sas,
				      const struct kernel_sa *out)
{
	struct kernel_sa *best = NULL;

	for (size_t i = 0; i < sas->sl_n; i++) {
		struct kernel_sa *sa = &sas->sl_sas[i];

		if (sa->ksa_direction == CYGNET_DIRECTION_IN &&
		    sa->ksa_policy == out->ksa_policy &&
		    ip_addr_equal(&sa->ksa_src, &out->ksa_dst) &&
		    (!best || age_difference(sa, out) <
			      age_difference(best, out)))
			best = sa;
	}
	return best;
}

static void put_ends(struct ipc_event *event, const struct kernel_sa *sa)
{
	bool in = sa->ksa_direction == CYGNET_DIRECTION_IN;

	event->ie_local.ep_addr = in ? sa->ksa_dst : sa->ksa_src;
	event->ie_local.ep_port = in ? sa->ksa_encap_dport :
				       sa->ksa_encap_sport;
	event->ie_remote.ep_addr = in ? sa->ksa_src : sa->ksa_dst;
	event->ie_remote.ep_port = in ? sa->ksa_encap_sport :
					sa->ksa_encap_dport;
	if (in)
		event->ie_spi_in = htonl(sa->ksa_spi);
	else
		event->ie_spi_out = htonl(sa->ksa_spi);
}

/* ksa_policy 0 marks an SA that has been dealt with. */
static void adopt_sas(struct kernel *k, const struct conf_conn *conn,
		      const struct kernel_policy *policy, struct sa_list *sas,
		      u8 direction, backend_event_fn *fn, void *arg)
{
	struct nl_error err;

	for (size_t i = 0; i < sas->sl_n; i++) {
		struct ipc_event event = { .ie_n_ts = policy->kpol_npairs };
		struct kernel_sa *sa = &sas->sl_sas[i], *partner = NULL;

		if (sa->ksa_policy != policy->kpol_id ||
		    sa->ksa_direction != direction)
			continue;
		if (!sa_allowed(conn, sa)) {
			delete_sa(k, conn, htonl(sa->ksa_spi), &sa->ksa_dst,
				  &err);
			sa->ksa_policy = 0;
			continue;
		}
		if (direction == CYGNET_DIRECTION_OUT)
			partner = find_partner(sas, sa);
		memcpy(event.ie_ts, policy->kpol_pairs,
		       policy->kpol_npairs * sizeof(*event.ie_ts));
		put_ends(&event, sa);
		sa->ksa_policy = 0;
		if (partner) {
			put_ends(&event, partner);
			partner->ksa_policy = 0;
		}
		fn(arg, IPC_ADOPTED, conn->conn_name, &event);
	}
}

static void adopt_policy(struct kernel *k, const struct conf *conf,
			 const struct kernel_policy *policy,
			 struct sa_list *sas, backend_event_fn *fn, void *arg)
{
	const struct conf_conn *conn = conf_find(conf, policy->kpol_name);
	struct nl_error err;

	if (!conn)
		return;		/* made by hand, or not ours any more */
	if (!policy_allowed(conn, policy)) {
		log_line(CONF_LOG_WARNING, conn->conn_name,
			 "policy %u is not what is configured now: deleted",
			 policy->kpol_id);
		kernel_policy_del(&k->k_nl, policy->kpol_id, &err);
		return;
	}
	adopt_sas(k, conn, policy, sas, CYGNET_DIRECTION_OUT, fn, arg);
	adopt_sas(k, conn, policy, sas, CYGNET_DIRECTION_IN, fn, arg);
}

static void adopt(struct backend *be, const struct conf *conf,
		  backend_event_fn *fn, void *arg)
{
	struct policy_list policies = { 0 };
	struct kernel *k = to_kernel(be);
	struct sa_list sas = { 0 };
	char text[NL_ERROR_STRLEN];
	struct nl_error err;

	if (kernel_policy_dump(&k->k_nl, list_policy, &policies, &err) ||
	    kernel_sa_dump(&k->k_nl, list_sa, &sas, &err))
		log_error("cannot list what is in the kernel: %s",
			  nl_error_print(&err, text, sizeof(text)));
	else
		for (size_t i = 0; i < policies.pl_n; i++)
			adopt_policy(k, conf, &policies.pl_policies[i], &sas,
				     fn, arg);
	free(policies.pl_policies);
	free(sas.sl_sas);
}

/* Events */

struct listener {
	struct kernel *ls_kernel;
	backend_event_fn *ls_fn;
	void *ls_arg;
};

static void tell_acquire(const struct listener *ls,
			 const struct kernel_event *kev)
{
	struct ipc_event event = { .ie_n_ts = kev->kev_has_packet };

	event.ie_ts[0] = kev->kev_packet;
	ls->ls_fn(ls->ls_arg, IPC_ACQUIRE, kev->kev_policy.kpol_name, &event);
}

static void tell_expiry(const struct listener *ls,
			const struct kernel_event *kev)
{
	bool in = kev->kev_sa.ksa_direction == CYGNET_DIRECTION_IN;
	struct ipc_event event = {
		.ie_hard = kev->kev_expiry != CYGNET_EXPIRY_SOFT,
	};
	struct kernel_policy policy;
	struct nl_error err;

	if (kernel_policy_get(&ls->ls_kernel->k_nl, kev->kev_sa.ksa_policy,
			      &policy, &err))
		return;
	if (in)
		event.ie_spi_in = htonl(kev->kev_sa.ksa_spi);
	else
		event.ie_spi_out = htonl(kev->kev_sa.ksa_spi);
	ls->ls_fn(ls->ls_arg, IPC_EXPIRE, policy.kpol_name, &event);
}

static int on_message(const struct nlmsghdr *nlh, void *arg)
{
	const struct listener *ls = arg;
	struct kernel_event event;

	if (!kernel_event_decode(&event, nlh))
		return 0;
	if (event.kev_cmd == CYGNET_CMD_ACQUIRE_NTF)
		tell_acquire(ls, &event);
	else if (event.kev_cmd == CYGNET_CMD_EXPIRE_NTF)
		tell_expiry(ls, &event);
	return 0;
}

static int events_fd(struct backend *be)
{
	return nl_fd(&to_kernel(be)->k_events);
}

static void take_events(struct backend *be, backend_event_fn *fn, void *arg)
{
	struct listener ls = { to_kernel(be), fn, arg };
	int ret = nl_receive(&ls.ls_kernel->k_events, MSG_DONTWAIT, on_message,
			     &ls);

	/* An acquire comes again with the next packet, an expiry is also the
	 * engine's own timer.
	 */
	if (ret)
		log_warning("events of the kernel were lost: %s",
			    strerror(-ret));
}

/* Beginning and end */

static void close_kernel(struct backend *be)
{
	struct kernel *k = to_kernel(be);

	nl_close(&k->k_nl);
	nl_close(&k->k_events);
	nl_close(&k->k_route);
	free(k);
}

static const struct backend_ops operations = {
	.bo_resolve = resolve,
	.bo_spi	    = reserve_spi,
	.bo_up	    = up,
	.bo_down    = down,
	.bo_add	    = add,
	.bo_del	    = del,
	.bo_idle    = idle,
	.bo_adopt   = adopt,
	.bo_fd	    = events_fd,
	.bo_events  = take_events,
	.bo_free    = close_kernel,
};

struct backend *kernel_backend(const struct conf *conf)
{
	struct kernel *k = calloc(1, sizeof(*k));
	struct nl_error err = { .err_errno = ENOMEM };
	char text[NL_ERROR_STRLEN];
	int ret;

	if (!k)
		goto out;
	k->k_backend.be_ops = &operations;
	k->k_conf = conf;
	if (nl_open_cygnet(&k->k_nl, &err))
		goto free;
	if (nl_open_cygnet(&k->k_events, &err))
		goto close_nl;
	if (nl_open_route(&k->k_route, &err))
		goto close_events;
	/* It outlives us on purpose: ESP goes on when the daemon does not. */
	ret = kernel_port_add(&k->k_nl, conf->conf_natt_port, &err);
	if ((!ret || ret == -EEXIST) && !nl_subscribe(&k->k_events, &err))
		return &k->k_backend;
	nl_close(&k->k_route);
close_events:
	nl_close(&k->k_events);
close_nl:
	nl_close(&k->k_nl);
free:
	free(k);
out:
	log_error("module cygnet: %s",
		  nl_error_print(&err, text, sizeof(text)));
	return NULL;
}
