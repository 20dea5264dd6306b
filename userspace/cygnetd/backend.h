/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The datapath as the keeper sees it. Users: the module (kernel.c), a recorder
 * in the unit tests, and one that only negotiates (negotiate.c, test builds).
 * What arrives here has been checked against the configuration.
 */
#ifndef CYGNETD_BACKEND_H
#define CYGNETD_BACKEND_H

#include "ipc.h"
#include "log.h"

struct backend;

/* IPC_ADOPTED, IPC_ACQUIRE or IPC_EXPIRE for the keeper. */
typedef void backend_event_fn(void *arg, enum ipc_type type, const char *conn,
			      const struct ipc_event *event);

/*
 * Operations that take a reply return 0 with it filled in, or a negative errno
 * with the reason in ir_text.
 */
struct backend_ops {
	int (*bo_resolve)(struct backend *be, const struct conf_conn *conn,
			  struct ipc_reply *reply);
	int (*bo_spi)(struct backend *be, const struct conf_conn *conn,
		      const struct ip_addr *local, struct ipc_reply *reply);
	/* Both may be repeated, also after a crash half-way. */
	int (*bo_up)(struct backend *be, const struct conf_conn *conn,
		     struct ipc_reply *reply);
	int (*bo_down)(struct backend *be, const struct conf_conn *conn,
		       struct ipc_reply *reply);
	/* Brings the connection up where it is not. */
	int (*bo_add)(struct backend *be, const struct conf_conn *conn,
		      const struct ipc_child *child, struct ipc_reply *reply);
	/* What is gone already is no error. */
	int (*bo_del)(struct backend *be, const struct conf_conn *conn,
		      const struct ipc_child *child, struct ipc_reply *reply);
	int (*bo_idle)(struct backend *be, const struct conf_conn *conn,
		       const struct ipc_child *child, struct ipc_reply *reply);
	/* Reports what an earlier daemon has left: IPC_ADOPTED for each pair
	 * of SAs that @conf still allows. The rest is deleted.
	 */
	void (*bo_adopt)(struct backend *be, const struct conf *conf,
			 backend_event_fn *fn, void *arg);
	/* Descriptor that is readable when there are events, or -1. */
	int (*bo_fd)(struct backend *be);
	void (*bo_events)(struct backend *be, backend_event_fn *fn, void *arg);
	/* Leaves everything in the datapath as it is. */
	void (*bo_free)(struct backend *be);
};

struct backend {
	const struct backend_ops *be_ops;
};

/* The module; NULL with the reason logged. */
struct backend *kernel_backend(const struct conf *conf);

#ifdef CYGNET_TEST_BACKEND
/* Negotiates only, and writes the child SAs with their keys to a file. */
struct backend *negotiate_backend(const char *path);
#endif

/* Puts the reason into the reply; returns -@err. */
int reply_refuse(struct ipc_reply *reply, int err, const char *format, ...)
	__printf(3, 4);

#endif
