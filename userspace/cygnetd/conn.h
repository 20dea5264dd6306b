/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection of the configuration, alive: when to start, when to try again,
 * what people asked for and are told.
 */
#ifndef CYGNETD_CONN_H
#define CYGNETD_CONN_H

#include "child.h"

#define CONN_RETRY_FIRST_MS	1000
#define CONN_RETRY_LONGEST_MS	60000
#define CONN_DOWN_MS		2000	/* for peers to confirm our deletes */
#define CONN_FILL_MS		2000	/* for the peer to make the other children */
#define CONN_ADOPTED_MAX	32

enum conn_wait {
	CONN_IDLE,
	CONN_SETUP,		/* IPC_CONN_UP */
	CONN_RESOLVE,
	CONN_TEARDOWN,		/* IPC_CONN_DOWN */
};

struct command;
struct trouble;

struct conn_pair {
	u32 pair_spi_in, pair_spi_out;
	struct ip_endpoint pair_here, pair_there;
};

struct conn {
	struct core *cn_core;
	struct conn *cn_next;
	struct conf_conn cn_conf;
	struct ike_sa *cn_sas;		/* newest first */
	struct waiter cn_waiter;
	enum conn_wait cn_wait;
	bool cn_is_set_up;		/* device and all are there */
	bool cn_wanted;			/* is to come up now */
	u32 cn_groups;			/* the children that are, a bit each */
	bool cn_kept;			/* and again whenever it is not */
	bool cn_is_down;		/* by command: no answer to peers either */
	bool cn_downing;		/* such a command is under way */
	bool cn_single;			/* the peer takes single pairs only */
	bool cn_restarting;		/* then up again, with cn_next_conf */
	bool cn_leaving;		/* then gone for ever */
	bool cn_again;			/* what it was before: to be up */
	bool cn_stays_down;		/* … or down by command */
	struct conf_conn *cn_next_conf;
	bool cn_resumed;		/* as the engine before left it */
	bool cn_touched;
	struct conn *cn_next_touched;
	bool cn_has_packet;
	struct ts_pair cn_packet;	/* of the last ACQUIRE */
	char cn_device[16];
	u32 cn_mtu;
	struct ip_addr cn_redirect;	/* where the peer has sent us, or none */
	struct ip_addr cn_redirected_from;
	u32 cn_redirects;		/* since then */
	u64 cn_redirects_since;
	struct timer cn_timer;		/* next try, or end of patience */
	u32 cn_tries;
	u64 cn_since;			/* of the attempt under way */
	char cn_error[400];		/* why the last attempt failed */
	struct trouble *cn_trouble;	/* more about it; NULL if nothing is */
	struct trouble *cn_peer_trouble;	/* of the peer's last attempt */
	u32 cn_n_adopted;
	struct conn_pair cn_adopted[CONN_ADOPTED_MAX];
	struct timer cn_adopted_timer;	/* their inbound SAs' last moments */
	struct command *cn_commands;
};

struct conn *conn_new(struct core *core, const struct conf_conn *conf);
void conn_free(struct conn *conn);
struct conn *conn_find(struct core *core, const char *name);
/* The next connection after @conn (NULL: first) for these addresses. */
struct conn *conn_match(struct core *core, struct conn *conn,
			const struct core_path *path);
/* The identities that it expects, addresses filled in from the path. */
void conn_local_id(const struct conn *conn, const struct core_path *path,
		   struct conf_id *id);
void conn_remote_id(const struct conn *conn, const struct core_path *path,
		    struct conf_id *id);

/*
 * Before it is sent: what the keeper would end us for, whoever led us to it, is
 * not asked. The request is made one that it only refuses.
 */
void conn_restrain(struct conn *conn, struct ipc_msg *msg);

__printf(3, 4)
void conn_log(struct conn *conn, enum core_level level, const char *format,
	      ...);
/* A line for whoever watches this connection come up. */
__printf(3, 4)
void conn_progress(struct conn *conn, const char *step, const char *format,
		   ...);

/* What IKE_SA_INIT came to. */
void conn_tell_chosen(struct ike_sa *sa);
/* A post-quantum key exchange was offered, and another one chosen. */
bool conn_is_downgraded(const struct ike_sa *sa);

/* Settings that need nothing taken down. */
void conn_set_conf(struct conn *conn, const struct conf_conn *conf);
/* Down, and up again with those settings if it was; NULL: gone then. */
void conn_restart(struct conn *conn, const struct conf_conn *conf);
/* Everything has been configured: start what is to start by itself. */
void conn_ready(struct conn *conn);
/* The same after a restart, when what is in the kernel is known. */
void conn_resume(struct conn *conn);
void conn_acquire(struct conn *conn, const struct ipc_event *event);
void conn_expire(struct conn *conn, const struct ipc_event *event);
void conn_adopt(struct conn *conn, const struct ipc_event *event);
/* Does what is missing for the connection to be up. */
void conn_start(struct conn *conn);
/* A new IKE SA beside the one that is to be replaced. */
void conn_replace(struct conn *conn, struct ike_sa *old);
/* A child that carries traffic, or none; of that number in the configuration. */
struct child *conn_child(const struct conn *conn);
struct child *conn_child_of(const struct conn *conn, u8 group);
/*
 * We hold something else between these identities, by whatever connection, or
 * perhaps: no INITIAL_CONTACT.
 */
bool conn_holds(const struct ike_sa *but);

/* An attempt goes on at another gateway. */
void conn_redirect(struct ike_sa *sa, struct exchange *ex,
		   const struct ip_addr *target);

/* What the machines report. */
void conn_is_set_up(struct conn *conn, const struct ipc_reply *reply);
void conn_sa_up(struct conn *conn, struct ike_sa *sa);
void conn_sa_gone(struct conn *conn, struct ike_sa *sa);
void conn_child_up(struct conn *conn, struct child *child);
/* The IKE SA is up, and its children are still to come (RFC 6023). */
void conn_without_child(const struct exchange *ex);
/* A child is gone that nothing may have replaced. */
void conn_child_gone(struct conn *conn);
/* A rekey has come to its end; error NULL if it went well. */
void conn_rekeyed(struct conn *conn, const char *error);
void conn_ike_rekeyed(struct conn *conn, const char *error);
/* SINGLE_PAIR_REQUIRED: each packet's selectors are asked for by themselves. */
void conn_takes_single(const struct exchange *ex);
/* One more child was refused; the others stay. */
void conn_no_child(struct conn *conn, struct ike_sa *sa, u8 group,
		   const char *why);
/* An attempt ended without a child: tell and try again where that is due. */
__printf(2, 3)
void conn_failed(struct conn *conn, const char *format, ...);

json_t *conn_status(struct conn *conn);

#endif
