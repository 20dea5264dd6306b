// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections: starting, trying again, commands.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "conn.h"
#include "exchange.h"
#include "explain.h"
#include "hitless.h"
#include "police.h"

#define PORT_IKE	500	/* of peers */

enum command_verb {
	COMMAND_UP,
	COMMAND_DOWN,
	COMMAND_REKEY,
	COMMAND_REKEY_IKE,
};

struct command {
	struct command *cmd_next;
	enum command_verb cmd_verb;
	struct core_command cmd_asker;
};

static void conn_down(struct conn *conn);
static void on_timer(void *arg);
static void on_adopted_timer(void *arg);
static void on_reply(void *arg, const struct ipc_reply *reply);

struct conn *conn_new(struct core *core, const struct conf_conn *conf)
{
	struct conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->cn_core = core;
	conn->cn_conf = *conf;
	timer_init(&conn->cn_timer, on_timer, conn);
	timer_init(&conn->cn_adopted_timer, on_adopted_timer, conn);
	waiter_init(&conn->cn_waiter, on_reply, conn);
	return conn;
}

void conn_free(struct conn *conn)
{
	while (conn->cn_commands) {
		struct command *cmd = conn->cn_commands;

		conn->cn_commands = cmd->cmd_next;
		free(cmd);
	}
	timer_unset(&conn->cn_core->core_timers, &conn->cn_timer);
	timer_unset(&conn->cn_core->core_timers, &conn->cn_adopted_timer);
	waiter_cancel(conn->cn_core, &conn->cn_waiter);
	explain_clear(conn);
	free(conn->cn_next_conf);
	free(conn);
}

struct conn *conn_find(struct core *core, const char *name)
{
	struct conn *conn = core->core_conns;

	while (conn && strcmp(conn->cn_conf.conn_name, name))
		conn = conn->cn_next;
	return conn;
}

static bool address_fits(const struct ip_addr *configured,
			 const struct ip_addr *actual)
{
	return configured->ip_family == AF_UNSPEC ||
		ip_addr_equal(configured, actual);
}

static bool conn_fits(const struct conn *conn, const struct core_path *path,
		      bool any_remote)
{
	const struct conf_conn *conf = &conn->cn_conf;

	return !conn->cn_is_down &&
		(conf->conn_remote.ip_family == AF_UNSPEC) == any_remote &&
		address_fits(&conf->conn_local, &path->cp_local.ep_addr) &&
		address_fits(&conf->conn_remote, &path->cp_remote.ep_addr);
}

/* Those that name the remote address come before those for any. */
struct conn *conn_match(struct core *core, struct conn *conn,
			const struct core_path *path)
{
	bool any = conn && conn->cn_conf.conn_remote.ip_family == AF_UNSPEC;

	for (;;) {
		conn = conn ? conn->cn_next : core->core_conns;
		if (!conn && any)
			return NULL;
		if (!conn) {
			any = true;
			conn = core->core_conns;
		}
		if (!conn || conn_fits(conn, path, any))
			return conn;
	}
}

static void fill_id(struct conf_id *id, const struct conf_id *configured,
		    const struct ip_addr *addr)
{
	if (configured->id_type == ID_ADDRESS)
		conf_id_from_addr(id, addr);
	else
		*id = *configured;
}

void conn_local_id(const struct conn *conn, const struct core_path *path,
		   struct conf_id *id)
{
	fill_id(id, &conn->cn_conf.conn_local_id, &path->cp_local.ep_addr);
}

void conn_remote_id(const struct conn *conn, const struct core_path *path,
		    struct conf_id *id)
{
	fill_id(id, &conn->cn_conf.conn_remote_id, &path->cp_remote.ep_addr);
}

static int judge(const struct conf_conn *conf, const struct ipc_msg *msg,
		 struct ipc_reply *reply)
{
	switch (msg->im_type) {
	case IPC_PSK:
	case IPC_SIGN:
		return police_auth(conf, msg->im_type, &msg->im_auth, reply);
	case IPC_SPI:
		return police_spi(conf, &msg->im_spi, reply);
	case IPC_CHILD_ADD:
		return police_child(conf, &msg->im_child, reply);
	}
	return 0;
}

void conn_restrain(struct conn *conn, struct ipc_msg *msg)
{
	struct ipc_reply reply = { 0 };

	/* On its way down it may have become another one for the keeper. */
	if (conn->cn_downing)
		reply_refuse(&reply, EPERM, "the connection is being taken down");
	else if (judge(&conn->cn_conf, msg, &reply) != -EPERM)
		return;
	switch (msg->im_type) {
	case IPC_PSK:
	case IPC_SIGN:
		msg->im_auth.ia_side = IPC_SIDES;
		break;
	case IPC_SPI:
		msg->im_spi.is_local.ip_family = AF_UNSPEC;
		break;
	case IPC_CHILD_ADD:
		msg->im_child.ic_dirs = 0;
		break;
	default:
		return;
	}
	conn_log(conn, CORE_WARNING, "not asked of the keeper: %s", reply.ir_text);
}

void conn_log(struct conn *conn, enum core_level level, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	core_log(conn->cn_core, level, conn->cn_conf.conn_name, "%s", text);
}

void conn_progress(struct conn *conn, const char *step, const char *format,
		   ...)
{
	u64 now = core_now(conn->cn_core);
	struct command *cmd;
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	conn_log(conn, CORE_NOTICE, "%s: %s", step, text);
	for (cmd = conn->cn_commands; cmd; cmd = cmd->cmd_next)
		if (cmd->cmd_verb == COMMAND_UP && cmd->cmd_asker.cc_line)
			cmd->cmd_asker.cc_line(cmd->cmd_asker.cc_arg, step,
					       text,
					       (long long)(now - conn->cn_since));
	conn->cn_since = now;
}

/* We offered it, and the other side would not. */
bool conn_is_downgraded(const struct ike_sa *sa)
{
	const struct conf_conn *conf = &sa->sa_conn->cn_conf;
	unsigned int i;

	for (i = 0; i < conf->conn_nike; i++)
		if (proposal_is_quantum(&conf->conn_ike[i]))
			return !proposal_is_quantum(&sa->sa_proposal);
	return false;
}

void conn_tell_chosen(struct ike_sa *sa)
{
	static const char *const nat[] = {
		"no NAT", "NAT in front of us", "NAT in front of the peer",
		"NAT in front of both",
	};
	char text[PROPOSAL_STRLEN];

	proposal_describe(&sa->sa_proposal, text, sizeof(text));
	conn_progress(sa->sa_conn, "propose", "%s; %s%s%s", text,
		      nat[sa->sa_nat_local + 2 * sa->sa_nat_remote],
		      conn_is_downgraded(sa) ? ", not post-quantum" : "",
		      sa->sa_encap && !sa->sa_nat_local && !sa->sa_nat_remote ?
		      ", UDP encapsulation forced" : "");
	if (conn_is_downgraded(sa))
		ike_sa_log(sa, CORE_WARNING,
			   "not post-quantum: the peer took no key exchange with ML-KEM");
}

/* Answers and removes the commands of one kind. */
static void finish(struct conn *conn, enum command_verb verb,
		   const char *error)
{
	struct command **pos = &conn->cn_commands;

	while (*pos) {
		struct command *cmd = *pos;

		if (cmd->cmd_verb != verb) {
			pos = &cmd->cmd_next;
			continue;
		}
		*pos = cmd->cmd_next;
		cmd->cmd_asker.cc_done(cmd->cmd_asker.cc_arg, error);
		free(cmd);
	}
}

static bool has_command(const struct conn *conn, enum command_verb verb)
{
	const struct command *cmd = conn->cn_commands;

	while (cmd && cmd->cmd_verb != verb)
		cmd = cmd->cmd_next;
	return cmd;
}

struct child *conn_child(const struct conn *conn)
{
	struct child *child;
	struct ike_sa *sa;

	for (sa = conn->cn_sas; sa; sa = sa->sa_next_conn)
		for (child = sa->sa_children; child; child = child->child_next)
			if (child_alive(child))
				return child;
	return NULL;
}

struct child *conn_child_of(const struct conn *conn, u8 group)
{
	struct child *child;
	struct ike_sa *sa;

	for (sa = conn->cn_sas; sa; sa = sa->sa_next_conn)
		for (child = sa->sa_children; child; child = child->child_next)
			if (child_alive(child) && child->child_group == group)
				return child;
	return NULL;
}

static u32 all_groups(const struct conn *conn)
{
	return (1u << conn->cn_conf.conn_nchildren) - 1;
}

/* The children that are wanted and not there. */
static u32 missing(const struct conn *conn)
{
	u32 groups = conn->cn_groups;
	u8 group;

	for (group = 0; group < conn->cn_conf.conn_nchildren; group++)
		if (conn_child_of(conn, group))
			groups &= ~(1u << group);
	return groups;
}

/* The first child that this packet may go through. */
static u8 group_of(const struct conn *conn, const struct ts_pair *packet)
{
	const struct conf_conn *conf = &conn->cn_conf;
	unsigned int i;

	for (i = 0; i < conf->conn_npairs; i++) {
		struct ts_pair pair = conf->conn_pairs[i];

		ts_pair_fill(&pair, &packet->pair_local.ts_addrs.range_first,
			     &packet->pair_remote.ts_addrs.range_first);
		if (ts_pair_covers(&pair, packet))
			return conf->conn_pair_child[i];
	}
	return 0;
}

static bool is_carried(const struct conn *conn, const struct ts_pair *packet)
{
	const struct child *child;
	const struct ike_sa *sa;
	unsigned int i;

	for (sa = conn->cn_sas; sa; sa = sa->sa_next_conn)
		for (child = sa->sa_children; child; child = child->child_next)
			for (i = 0; i < child->child_n_ts; i++)
				if (child_alive(child) &&
				    ts_pair_covers(&child->child_ts[i], packet))
					return true;
	return false;
}

/* Whatever else the two ends have in common is of one peer. */
static bool same_ends(const struct conn *conn, const struct ike_sa *sa)
{
	struct conf_id local, remote;

	conn_local_id(conn, &sa->sa_path, &local);
	conn_remote_id(conn, &sa->sa_path, &remote);
	return conf_id_equal(&local, &sa->sa_id_local) &&
		conf_id_equal(&remote, &sa->sa_id_remote);
}

bool conn_holds(const struct ike_sa *but)
{
	const struct ip_addr *remote = &but->sa_path.cp_remote.ep_addr;
	const struct core *core = but->sa_core;
	const struct conn *conn;
	const struct ike_sa *sa;
	unsigned int i;

	for (conn = core->core_conns; conn; conn = conn->cn_next)
		if ((conn->cn_n_adopted ||
		     (conn->cn_sas && conn->cn_sas != but) ||
		     (conn->cn_sas && conn->cn_sas->sa_next_conn)) &&
		    same_ends(conn, but))
			return true;
	for (i = 0; core->core_half_open && i < CORE_BUCKETS; i++)
		for (sa = core->core_sas[i]; sa; sa = sa->sa_next)
			if (sa->sa_half_open &&
			    ip_addr_equal(&sa->sa_path.cp_remote.ep_addr,
					  remote))
				return true;
	return false;
}

static void ask(struct conn *conn, enum conn_wait wait, enum ipc_type type)
{
	struct ipc_msg msg;

	conn->cn_wait = wait;
	core_ask_init(&msg, type, conn->cn_conf.conn_name);
	if (type == IPC_RESOLVE)
		msg.im_resolve.iv_try = conn->cn_tries;
	waiter_ask(conn->cn_core, &conn->cn_waiter, &msg);
}

/* The packet goes with the child that it may go through. */
static void give_packet(struct conn *conn, struct exchange *ex)
{
	if (!conn->cn_has_packet ||
	    group_of(conn, &conn->cn_packet) != ex->ex_group)
		return;
	ex->ex_packet = conn->cn_packet;
	ex->ex_has_packet = true;
	conn->cn_has_packet = false;
}

/* Which child comes with IKE_AUTH. */
static u8 first_group(const struct conn *conn, const struct ike_sa *replaces)
{
	const struct child *child = replaces ? replaces->sa_children : NULL;
	u32 groups = missing(conn);
	u8 group = 0;

	while (child && !child_alive(child))
		child = child->child_next;
	if (child)
		return child->child_group;
	if (conn->cn_has_packet)
		return group_of(conn, &conn->cn_packet);
	while (groups && !(groups & 1u << group))
		group++;
	return group;
}

static void initiate(struct conn *conn, const struct ipc_reply *reply,
		     struct ike_sa *replaces)
{
	struct core *core = conn->cn_core;
	struct core_path path = {
		.cp_local = { reply->ir_local, core->core_ike_port },
		.cp_remote = { reply->ir_remote, PORT_IKE },
	};
	u16 port = conn->cn_conf.conn_remote_port;
	struct exchange *ex = NULL;
	struct ike_sa *sa;

	if (port != PORT_IKE) {
		path.cp_natt = 1;
		path.cp_local.ep_port = core->core_natt_port;
		path.cp_remote.ep_port = port;
	}
	if (ip_addr_len(&conn->cn_redirect))
		path.cp_remote.ep_addr = conn->cn_redirect;
	sa = ike_sa_new(core, conn, &path, true);
	if (sa)
		ex = exchange_queue(sa, EX_INIT);
	if (!ex) {
		if (sa)
			ike_sa_close(sa);
		conn_failed(conn, "out of memory");
		return;
	}
	sa->sa_replaces = replaces;
	ex->ex_group = first_group(conn, replaces);
	give_packet(conn, ex);
	ike_sa_assign(sa, conn);
	ike_sa_next(sa);
}

/* The oldest SA whose lifetime is over. */
static struct ike_sa *expired(const struct conn *conn)
{
	struct ike_sa *sa, *found = NULL;

	for (sa = conn->cn_sas; sa; sa = sa->sa_next_conn)
		if (sa->sa_expired && sa->sa_state == IKE_ESTABLISHED)
			found = sa;
	return found;
}

void conn_is_set_up(struct conn *conn, const struct ipc_reply *reply)
{
	if (!conn->cn_is_set_up || conn->cn_mtu != reply->ir_mtu)
		hitless_touch_conn(conn);
	conn->cn_is_set_up = true;
	memcpy(conn->cn_device, reply->ir_device, sizeof(conn->cn_device));
	conn->cn_device[sizeof(conn->cn_device) - 1] = '\0';
	conn->cn_mtu = reply->ir_mtu;
}

static void on_setup(struct conn *conn, const struct ipc_reply *reply)
{
	if (reply->ir_errno) {
		conn_failed(conn, "cannot set up: %s", reply->ir_text);
		return;
	}
	conn_is_set_up(conn, reply);
	if (conn->cn_wanted)
		conn_start(conn);
	else
		finish(conn, COMMAND_UP, NULL);
}

static void on_resolve(struct conn *conn, const struct ipc_reply *reply)
{
	char local[IP_ADDR_STRLEN], remote[IP_ADDR_STRLEN];
	char name[CONF_HOST_MAX + 8] = "peer ";

	if (conn->cn_conf.conn_remote_name[0])
		snprintf(name, sizeof(name), "%s is ",
			 conn->cn_conf.conn_remote_name);
	if (reply->ir_errno) {
		conn_failed(conn, "no way to the peer: %s", reply->ir_text);
		return;
	}
	conn_progress(conn, "resolve", "%s%s from %s", name,
		      ip_addr_print(&reply->ir_remote, remote),
		      ip_addr_print(&reply->ir_local, local));
	initiate(conn, reply, expired(conn));
}

void conn_redirect(struct ike_sa *sa, struct exchange *ex,
		   const struct ip_addr *target)
{
	struct conn *conn = sa->sa_conn;
	char text[IP_ADDR_STRLEN];

	conn_progress(conn, "redirect", "the peer sends us to %s",
		      ip_addr_print(target, text));
	conn->cn_redirected_from = sa->sa_path.cp_remote.ep_addr;
	conn->cn_redirect = *target;
	if (ex->ex_has_packet) {
		conn->cn_packet = ex->ex_packet;
		conn->cn_has_packet = true;
	}
	if (conn->cn_wait == CONN_IDLE)
		ask(conn, CONN_RESOLVE, IPC_RESOLVE);
	ike_sa_close(sa);
}

static void come_back(struct conn *conn);

/* Nothing may point to it any more. */
static void leave(struct conn *conn)
{
	struct core *core = conn->cn_core;
	struct conn **pos = &core->core_conns;
	struct ike_sa *sa, *next;
	unsigned int i;

	for (i = 0; i < CORE_BUCKETS; i++) {
		for (sa = core->core_sas[i]; sa; sa = next) {
			next = sa->sa_next;
			if (sa->sa_conn == conn)
				ike_sa_close(sa);
		}
	}
	finish(conn, COMMAND_UP, "it is no longer configured");
	finish(conn, COMMAND_REKEY, "it is no longer configured");
	while (*pos != conn)
		pos = &(*pos)->cn_next;
	*pos = conn->cn_next;
	conn->cn_next = core->core_dead_conns;
	core->core_dead_conns = conn;
	conn_log(conn, CORE_NOTICE, "no longer configured");
}

static void on_teardown(struct conn *conn, const struct ipc_reply *reply)
{
	conn->cn_is_set_up = false;
	conn->cn_n_adopted = 0;
	conn->cn_downing = false;
	hitless_touch_conn(conn);
	if (reply->ir_errno)
		conn_log(conn, CORE_ERROR, "cannot take down: %s",
			 reply->ir_text);
	else
		conn_log(conn, CORE_NOTICE, "down");
	finish(conn, COMMAND_DOWN, reply->ir_errno ? reply->ir_text : NULL);
	if (conn->cn_restarting)
		come_back(conn);
	else if (conn->cn_leaving)
		leave(conn);
}

static void on_reply(void *arg, const struct ipc_reply *reply)
{
	struct conn *conn = arg;
	enum conn_wait wait = conn->cn_wait;

	conn->cn_wait = CONN_IDLE;
	switch (wait) {
	case CONN_SETUP:
		on_setup(conn, reply);
		break;
	case CONN_RESOLVE:
		on_resolve(conn, reply);
		break;
	case CONN_TEARDOWN:
		on_teardown(conn, reply);
		break;
	case CONN_IDLE:
		break;
	}
}

/* An IKE SA that is up, or on its way by our doing. */
static struct ike_sa *usable(const struct conn *conn)
{
	struct ike_sa *sa;

	for (sa = conn->cn_sas; sa; sa = sa->sa_next_conn)
		if (sa->sa_state <= IKE_ESTABLISHED && !sa->sa_expired &&
		    !sa->sa_rival_of)
			return sa;
	return NULL;
}

static void make_child(struct conn *conn, struct ike_sa *sa, u8 group)
{
	struct exchange *ex;

	if (exchange_makes(sa, group))
		return;
	ex = exchange_queue(sa, EX_CHILD_NEW);
	if (!ex)
		return;
	ex->ex_group = group;
	give_packet(conn, ex);
}

static void make_children(struct conn *conn, struct ike_sa *sa, u32 groups)
{
	u8 group;

	if (sa->sa_state != IKE_ESTABLISHED)
		return;		/* it will be seen to when the first is up */
	for (group = 0; group < conn->cn_conf.conn_nchildren; group++)
		if (groups & 1u << group)
			make_child(conn, sa, group);
	ike_sa_next(sa);
}

void conn_start(struct conn *conn)
{
	struct ike_sa *sa = usable(conn);

	if (conn->cn_is_down || conn->cn_wait != CONN_IDLE ||
	    !conn->cn_core->core_ready)
		return;
	timer_unset(&conn->cn_core->core_timers, &conn->cn_timer);
	if (!conn->cn_groups)
		conn->cn_groups = all_groups(conn);
	if (!missing(conn) && sa) {
		finish(conn, COMMAND_UP, NULL);
		return;
	}
	conn->cn_since = core_now(conn->cn_core);
	if (!conn->cn_is_set_up)
		ask(conn, CONN_SETUP, IPC_CONN_UP);
	else if (sa)
		make_children(conn, sa, missing(conn));
	else if (conf_remote_is_any(&conn->cn_conf))
		finish(conn, COMMAND_UP, NULL);	/* waits for its peers */
	else
		ask(conn, CONN_RESOLVE, IPC_RESOLVE);
}

void conn_replace(struct conn *conn, struct ike_sa *old)
{
	if (conf_remote_is_any(&conn->cn_conf)) {
		ike_sa_log(old, CORE_WARNING,
			   "its peer has not replaced it: deleted");
		ike_sa_delete(old);
		return;
	}
	if (!usable(conn) && conn->cn_wait == CONN_IDLE && !conn->cn_is_down)
		ask(conn, CONN_RESOLVE, IPC_RESOLVE);
}

static void retry_later(struct conn *conn)
{
	u64 ms = CONN_RETRY_LONGEST_MS;

	if (conn->cn_tries < 6)
		ms = CONN_RETRY_FIRST_MS << conn->cn_tries;
	conn->cn_tries++;
	timer_set(&conn->cn_core->core_timers, &conn->cn_timer,
		  core_now(conn->cn_core) + core_jitter(ms));
}

/* It is to be up without anybody's asking again. */
static bool persists(const struct conn *conn)
{
	bool trap = conn->cn_conf.conn_start == CONF_START_TRAP;

	return !conn->cn_is_down &&
		(conn->cn_kept || conn->cn_n_adopted || conn_child(conn) ||
		 (trap && !conn->cn_is_set_up));
}

void conn_failed(struct conn *conn, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(conn->cn_error, sizeof(conn->cn_error), format, args);
	va_end(args);
	conn_log(conn, CORE_WARNING, "not up: %s", conn->cn_error);
	memset(&conn->cn_redirect, 0, sizeof(conn->cn_redirect));
	explain_end(conn, true, "%s", conn->cn_error);
	/* Who asked knows now, and may ask again. */
	if (has_command(conn, COMMAND_UP))
		conn->cn_kept = conn->cn_conf.conn_start == CONF_START_START;
	hitless_touch_conn(conn);
	finish(conn, COMMAND_UP, conn->cn_error);
	if (persists(conn)) {
		retry_later(conn);
	} else {
		conn->cn_wanted = false;
		conn->cn_groups = 0;
	}
}

void conn_takes_single(const struct exchange *ex)
{
	struct conn *conn = ex->ex_sa->sa_conn;

	conn->cn_single = true;
	hitless_touch_conn(conn);
	conn->cn_packet = ex->ex_packet;
	conn->cn_has_packet = ex->ex_has_packet;
}

void conn_no_child(struct conn *conn, struct ike_sa *sa, u8 group,
		   const char *why)
{
	char text[TS_PAIR_STRLEN];
	size_t count;

	if (conn->cn_conf.conn_nchildren > 1)
		conn_failed(conn, "%.80s: %s",
			    ts_pair_print(conf_child_pairs(&conn->cn_conf,
							   group, &count),
					  text), why);
	else
		conn_failed(conn, "%s", why);
	/* It has brought what it can. */
	if (sa->sa_replaces && sa->sa_children)
		ike_sa_delete(sa->sa_replaces);
}

static void down_step(struct conn *conn)
{
	if (conn->cn_sas || conn->cn_wait != CONN_IDLE)
		return;
	timer_unset(&conn->cn_core->core_timers, &conn->cn_timer);
	ask(conn, CONN_TEARDOWN, IPC_CONN_DOWN);
}

static void on_timer(void *arg)
{
	struct conn *conn = arg;

	if (!conn->cn_downing) {
		if (conn->cn_kept || conn->cn_n_adopted) {
			conn->cn_wanted = true;
			conn->cn_groups = all_groups(conn);
		}
		conn_start(conn);
		return;
	}
	/* Peers had their chance to confirm. */
	waiter_cancel(conn->cn_core, &conn->cn_waiter);
	conn->cn_wait = CONN_IDLE;
	while (conn->cn_sas)
		ike_sa_close(conn->cn_sas);
	if (conn->cn_wait == CONN_IDLE)
		down_step(conn);
}

void conn_sa_up(struct conn *conn, struct ike_sa *sa)
{
	conn_log(conn, CORE_NOTICE, "IKE SA %u is up", sa->sa_number);
}

static bool rekeying(const struct conn *conn, enum ex_purpose purpose)
{
	const struct ike_sa *sa;

	for (sa = conn->cn_sas; sa; sa = sa->sa_next_conn)
		if (exchange_pending(sa, purpose, NULL))
			return true;
	return false;
}

/* Whoever waits for the rekey of what is gone has waited enough. */
static void finish_rekeys(struct conn *conn)
{
	if (!rekeying(conn, EX_CHILD_REKEY))
		conn_rekeyed(conn, conn_child(conn) ? NULL :
			     "it was deleted meanwhile");
	if (!rekeying(conn, EX_IKE_REKEY))
		conn_ike_rekeyed(conn, "it was deleted meanwhile");
}

void conn_sa_gone(struct conn *conn, struct ike_sa *sa)
{
	struct ike_sa *other;

	finish_rekeys(conn);
	for (other = conn->cn_sas; other; other = other->sa_next_conn)
		if (other->sa_replaces == sa)
			other->sa_replaces = NULL;
	if (conn->cn_downing) {
		down_step(conn);
		return;
	}
	if (usable(conn) || conn->cn_wait != CONN_IDLE ||
	    !conn->cn_core->core_ready)
		return;
	if (sa->sa_reason[0])
		conn_failed(conn, "%s", sa->sa_reason);
	else
		conn_failed(conn, "the IKE SA has ended");
}

static void drop_adopted(struct conn *conn, u32 dirs)
{
	struct ipc_msg msg;
	u32 i;

	for (i = 0; i < conn->cn_n_adopted; i++) {
		const struct conn_pair *pair = &conn->cn_adopted[i];

		if (!pair->pair_spi_in && !pair->pair_spi_out)
			continue;	/* in use again */
		core_ask_init(&msg, IPC_CHILD_DEL, conn->cn_conf.conn_name);
		msg.im_child.ic_dirs = dirs;
		msg.im_child.ic_spi_in = pair->pair_spi_in;
		msg.im_child.ic_spi_out = pair->pair_spi_out;
		msg.im_child.ic_local = pair->pair_here;
		msg.im_child.ic_remote = pair->pair_there;
		core_tell(conn->cn_core, &msg);
		conn_log(conn, CORE_DEBUG,
			 "the pair found at start (in 0x%08x, out 0x%08x) is replaced",
			 ntohl(pair->pair_spi_in), ntohl(pair->pair_spi_out));
	}
}

/* What the peer had sent before it heard of the new SA has arrived by now. */
static void on_adopted_timer(void *arg)
{
	struct conn *conn = arg;

	drop_adopted(conn, IPC_DIR_IN);
	conn->cn_n_adopted = 0;
}

static bool has_group(const struct ike_sa *sa, u8 group)
{
	const struct child *child;

	for (child = sa->sa_children; child; child = child->child_next)
		if (child_alive(child) && child->child_group == group)
			return true;
	return false;
}

/* What the SA that goes has and the new one has not yet. */
static u32 still_to_come(const struct ike_sa *sa)
{
	const struct child *child;
	u32 groups = 0;

	for (child = sa->sa_replaces->sa_children; child;
	     child = child->child_next)
		if (child_alive(child) && !has_group(sa, child->child_group))
			groups |= 1u << child->child_group;
	return groups;
}

/* The SAs that the new child stands in for: a daemon's before us, or older. */
static void drop_replaced(struct conn *conn, struct ike_sa *sa)
{
	if (conn->cn_n_adopted && !missing(conn) &&
	    !conn->cn_adopted_timer.timer_is_set) {
		drop_adopted(conn, IPC_DIR_OUT);
		timer_set(&conn->cn_core->core_timers, &conn->cn_adopted_timer,
			  core_now(conn->cn_core) + CHILD_LINGER_MS);
	}
	if (!sa->sa_replaces)
		return;
	if (still_to_come(sa)) {
		make_children(conn, sa, still_to_come(sa));
		return;
	}
	ike_sa_delete(sa->sa_replaces);
	sa->sa_replaces = NULL;
}

/* Whoever began the IKE SA makes the other children, or we, if that is late. */
static void go_on(struct conn *conn, const struct ike_sa *sa)
{
	if (sa->sa_initiator)
		conn_start(conn);
	else
		timer_set(&conn->cn_core->core_timers, &conn->cn_timer,
			  core_now(conn->cn_core) + CONN_FILL_MS);
}

static void tell_protected(struct conn *conn, const struct child *child)
{
	char text[TS_PAIR_STRLEN];
	unsigned int i;

	for (i = 0; i < child->child_n_ts; i++)
		conn_progress(conn, "protect", "%s on %s, MTU %u",
			      ts_pair_print(&child->child_ts[i], text),
			      conn->cn_device, conn->cn_mtu);
}

/* A pair that was found at the start has come into use. */
static void disown(struct conn *conn, const struct child *child)
{
	u32 i;

	for (i = 0; i < conn->cn_n_adopted; i++) {
		struct conn_pair *pair = &conn->cn_adopted[i];

		if (pair->pair_spi_in == child->child_spi_in)
			pair->pair_spi_in = 0;
		if (pair->pair_spi_out == child->child_spi_out)
			pair->pair_spi_out = 0;
	}
}

void conn_child_up(struct conn *conn, struct child *child)
{
	disown(conn, child);
	conn->cn_tries = 0;
	conn->cn_error[0] = '\0';
	explain_clear(conn);
	if (!conn->cn_downing)
		timer_unset(&conn->cn_core->core_timers, &conn->cn_timer);
	tell_protected(conn, child);
	drop_replaced(conn, child->child_sa);
	if (conn->cn_wanted && !conn->cn_downing && missing(conn))
		go_on(conn, child->child_sa);
	else
		finish(conn, COMMAND_UP, NULL);
}

void conn_without_child(const struct exchange *ex)
{
	struct ike_sa *sa = ex->ex_sa;
	struct conn *conn = sa->sa_conn;

	if (ex->ex_has_packet) {
		conn->cn_packet = ex->ex_packet;
		conn->cn_has_packet = true;
	}
	if (sa->sa_replaces)
		drop_replaced(conn, sa);
	else if (conn->cn_wanted)
		conn_start(conn);
}

void conn_child_gone(struct conn *conn)
{
	finish_rekeys(conn);
	if (!conn->cn_core->core_ready)
		return;
	conn->cn_groups = conn->cn_kept ? all_groups(conn) : 0;
	if (!conn_child(conn))
		conn_log(conn, CORE_NOTICE, "no child SA is left");
	else if (!missing(conn))
		return;
	if (persists(conn))
		retry_later(conn);
}

void conn_rekeyed(struct conn *conn, const char *error)
{
	finish(conn, COMMAND_REKEY, error);
}

void conn_ike_rekeyed(struct conn *conn, const char *error)
{
	finish(conn, COMMAND_REKEY_IKE, error);
}

void conn_ready(struct conn *conn)
{
	bool start = conn->cn_conf.conn_start == CONF_START_START;

	conn->cn_kept = start;
	if (start || conn->cn_n_adopted) {
		conn->cn_wanted = true;
		conn->cn_groups = all_groups(conn);
		conn_start(conn);
	} else if (conn->cn_conf.conn_start == CONF_START_TRAP) {
		ask(conn, CONN_SETUP, IPC_CONN_UP);
	}
}

/* It has what the engine before had: what is left over is nobody's. */
static void settle_adopted(struct conn *conn)
{
	const struct ike_sa *sa = conn->cn_sas;

	while (sa && !sa->sa_recorded)
		sa = sa->sa_next_conn;
	if (!sa || !conn->cn_n_adopted || exchange_unfinished(conn->cn_sas))
		return;
	drop_adopted(conn, IPC_DIR_IN | IPC_DIR_OUT);
	conn->cn_n_adopted = 0;
}

void conn_resume(struct conn *conn)
{
	settle_adopted(conn);
	if (!conn->cn_resumed) {
		conn_ready(conn);
	} else if (conn->cn_downing) {
		conn->cn_downing = false;
		conn_down(conn);
	} else if (!conn->cn_is_down && (conn->cn_kept || conn->cn_n_adopted)) {
		conn->cn_wanted = true;
		conn->cn_groups = all_groups(conn);
		conn_start(conn);
	} else if (!conn->cn_is_down && !conn->cn_is_set_up &&
		   conn->cn_conf.conn_start == CONF_START_TRAP) {
		ask(conn, CONN_SETUP, IPC_CONN_UP);
	}
}

/* The child that there is does not carry the packet: one more is asked for. */
static bool beside_narrow(struct conn *conn)
{
	struct ike_sa *sa = usable(conn);
	u8 group;

	if (!conn->cn_has_packet || !sa || sa->sa_state != IKE_ESTABLISHED)
		return false;
	group = group_of(conn, &conn->cn_packet);
	if (!conn_child_of(conn, group))
		return false;
	make_child(conn, sa, group);
	ike_sa_next(sa);
	return true;
}

void conn_acquire(struct conn *conn, const struct ipc_event *event)
{
	bool waits = conn->cn_conf.conn_start == CONF_START_WAIT;

	if (conn->cn_is_down || (waits && !conn->cn_kept))
		return;
	if (!event->ie_n_ts && conn_child(conn))
		return;
	if (event->ie_n_ts && is_carried(conn, &event->ie_ts[0]))
		return;
	if (event->ie_n_ts) {
		conn->cn_packet = event->ie_ts[0];
		conn->cn_has_packet = true;
		conn->cn_groups |= 1u << group_of(conn, &conn->cn_packet);
	}
	if (conn->cn_timer.timer_is_set && conn->cn_tries)
		return;		/* it will be tried again soon enough */
	conn->cn_wanted = true;
	if (!beside_narrow(conn))
		conn_start(conn);
}

void conn_expire(struct conn *conn, const struct ipc_event *event)
{
	struct child *child = NULL;
	struct ike_sa *sa;

	for (sa = conn->cn_sas; sa && !child; sa = sa->sa_next_conn) {
		child = event->ie_spi_in ?
			child_by_spi_in(sa, event->ie_spi_in) : NULL;
		if (!child && event->ie_spi_out)
			child = child_by_spi_out(sa, event->ie_spi_out);
	}
	if (child)
		child_expire(child, event->ie_hard);
}

/* A restored child owns it: which directions that is true of. */
static u32 claim(struct conn *conn, const struct ipc_event *event)
{
	struct child *child;
	struct ike_sa *sa;
	u32 dirs = 0;

	for (sa = conn->cn_sas; sa; sa = sa->sa_next_conn) {
		for (child = sa->sa_children; child; child = child->child_next) {
			u32 found = 0;

			if (event->ie_spi_in && child->child_spi_in == event->ie_spi_in)
				found |= IPC_DIR_IN;
			if (event->ie_spi_out && child->child_spi_out == event->ie_spi_out)
				found |= IPC_DIR_OUT;
			child->child_found |= found;
			dirs |= found;
		}
	}
	return dirs;
}

void conn_adopt(struct conn *conn, const struct ipc_event *whole)
{
	struct ipc_event rest = *whole, *event = &rest;
	u32 claimed = claim(conn, whole);
	struct conn_pair *pair;

	if (claimed & IPC_DIR_IN)
		rest.ie_spi_in = 0;
	if (claimed & IPC_DIR_OUT)
		rest.ie_spi_out = 0;
	if ((!rest.ie_spi_in && !rest.ie_spi_out) ||
	    conn->cn_n_adopted == CONN_ADOPTED_MAX)
		return;
	pair = &conn->cn_adopted[conn->cn_n_adopted++];
	pair->pair_spi_in = event->ie_spi_in;
	pair->pair_spi_out = event->ie_spi_out;
	pair->pair_here = event->ie_local;
	pair->pair_there = event->ie_remote;
	conn_log(conn, CORE_NOTICE,
		 "found a child SA in the kernel (in 0x%08x, out 0x%08x)",
		 ntohl(pair->pair_spi_in), ntohl(pair->pair_spi_out));
}

/* The commands. */
static void unknown(struct core *core, const char *name,
		    const struct core_command *cmd)
{
	char text[512];
	struct conn *conn;
	size_t used;

	used = (size_t)snprintf(text, sizeof(text),
				"no connection %.64s; there are:", name);
	for (conn = core->core_conns; conn && used < sizeof(text);
	     conn = conn->cn_next)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 " %s", conn->cn_conf.conn_name);
	if (!core->core_conns)
		snprintf(text, sizeof(text),
			 "no connection %.64s: none is configured", name);
	cmd->cc_done(cmd->cc_arg, text);
}

static struct conn *command(struct core *core, const char *name,
			    enum command_verb verb,
			    const struct core_command *asker)
{
	struct conn *conn = conn_find(core, name);
	struct command *cmd;

	if (!conn) {
		unknown(core, name, asker);
		return NULL;
	}
	cmd = calloc(1, sizeof(*cmd));
	if (!cmd) {
		asker->cc_done(asker->cc_arg, "out of memory");
		return NULL;
	}
	cmd->cmd_verb = verb;
	cmd->cmd_asker = *asker;
	cmd->cmd_next = conn->cn_commands;
	conn->cn_commands = cmd;
	return conn;
}

static void conn_up(struct conn *conn)
{
	if (conn->cn_downing) {
		finish(conn, COMMAND_UP, "it is just being taken down");
		return;
	}
	conn->cn_is_down = false;
	conn->cn_wanted = true;
	conn->cn_kept = true;
	conn->cn_groups = all_groups(conn);
	conn->cn_tries = 0;
	hitless_touch_conn(conn);
	conn_start(conn);
}

static void conn_down(struct conn *conn)
{
	struct ike_sa *sa, *next;

	conn->cn_wanted = false;
	conn->cn_kept = false;
	conn->cn_is_down = true;
	hitless_touch_conn(conn);
	finish(conn, COMMAND_UP, "taken down");
	finish(conn, COMMAND_REKEY, "taken down");
	finish(conn, COMMAND_REKEY_IKE, "taken down");
	if (conn->cn_downing)
		return;
	conn->cn_downing = true;
	waiter_cancel(conn->cn_core, &conn->cn_waiter);
	conn->cn_wait = CONN_IDLE;
	timer_set(&conn->cn_core->core_timers, &conn->cn_timer,
		  core_now(conn->cn_core) + CONN_DOWN_MS);
	for (sa = conn->cn_sas; sa; sa = next) {
		next = sa->sa_next_conn;
		ike_sa_delete(sa);
	}
	down_step(conn);
}

static void come_back(struct conn *conn)
{
	conn->cn_restarting = false;
	conn->cn_conf = *conn->cn_next_conf;
	free(conn->cn_next_conf);
	conn->cn_next_conf = NULL;
	conn->cn_groups = 0;
	conn->cn_single = false;
	conn->cn_is_down = conn->cn_stays_down;
	hitless_touch_conn(conn);
	conn_log(conn, CORE_NOTICE, "has other settings now");
	if (conn->cn_again)
		conn_up(conn);
	else if (!conn->cn_is_down)
		conn_ready(conn);
}

void conn_restart(struct conn *conn, const struct conf_conn *conf)
{
	if (conf) {
		conn->cn_next_conf = malloc(sizeof(*conf));
		if (!conn->cn_next_conf) {
			conn_log(conn, CORE_ERROR, "out of memory");
			return;
		}
		*conn->cn_next_conf = *conf;
	}
	conn->cn_restarting = conf;
	conn->cn_leaving = !conf;
	conn->cn_again = !conn->cn_is_down &&
		(conn->cn_kept || conn->cn_wanted || conn_child(conn));
	conn->cn_stays_down = conn->cn_is_down;
	conn_down(conn);
}

void conn_set_conf(struct conn *conn, const struct conf_conn *conf)
{
	u8 before = conn->cn_conf.conn_start;

	conn->cn_conf = *conf;
	hitless_touch_conn(conn);
	conn_log(conn, CORE_NOTICE, "has other settings from the next negotiation on");
	if (conf->conn_start != before && !conn->cn_is_down)
		conn_ready(conn);
}

static void conn_rekey(struct conn *conn)
{
	struct child *child, *next;
	struct ike_sa *sa;
	bool any = false;

	for (sa = conn->cn_sas; sa; sa = sa->sa_next_conn) {
		for (child = sa->sa_children; child; child = next) {
			next = child->child_next;
			any = any || child_alive(child);
			child_rekey(child);
		}
	}
	if (!any)
		finish(conn, COMMAND_REKEY, "it is not up");
	else if (!rekeying(conn, EX_CHILD_REKEY))
		finish(conn, COMMAND_REKEY, NULL);	/* just done by the peer */
}

static void conn_rekey_ike(struct conn *conn)
{
	struct ike_sa *sa, *next;
	bool any = false;

	for (sa = conn->cn_sas; sa; sa = next) {
		next = sa->sa_next_conn;
		any |= ike_sa_rekey(sa);
	}
	if (!any)
		finish(conn, COMMAND_REKEY_IKE, "it is not up");
}

void core_forget(struct core *core, void *arg)
{
	struct conn *conn;

	if (core->core_reload.cc_arg == arg)
		core->core_reloading = false;
	for (conn = core->core_conns; conn; conn = conn->cn_next) {
		struct command **pos = &conn->cn_commands;

		while (*pos) {
			struct command *cmd = *pos;

			if (cmd->cmd_asker.cc_arg != arg) {
				pos = &cmd->cmd_next;
				continue;
			}
			*pos = cmd->cmd_next;
			free(cmd);
		}
	}
}

void core_up(struct core *core, const char *name,
	     const struct core_command *cmd)
{
	struct conn *conn;

	core_enter(core);
	conn = command(core, name, COMMAND_UP, cmd);
	if (conn)
		conn_up(conn);
	core_leave(core);
}

void core_down(struct core *core, const char *name,
	       const struct core_command *cmd)
{
	struct conn *conn;

	core_enter(core);
	conn = command(core, name, COMMAND_DOWN, cmd);
	if (conn)
		conn_down(conn);
	core_leave(core);
}

void core_rekey(struct core *core, const char *name,
		const struct core_command *cmd)
{
	struct conn *conn;

	core_enter(core);
	conn = command(core, name, COMMAND_REKEY, cmd);
	if (conn)
		conn_rekey(conn);
	core_leave(core);
}

void core_rekey_ike(struct core *core, const char *name,
		    const struct core_command *cmd)
{
	struct conn *conn;

	core_enter(core);
	conn = command(core, name, COMMAND_REKEY_IKE, cmd);
	if (conn)
		conn_rekey_ike(conn);
	core_leave(core);
}
