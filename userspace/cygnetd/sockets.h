/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's sockets. The keeper makes them and keeps them open, so that
 * they outlive an engine.
 */
#ifndef CYGNETD_SOCKETS_H
#define CYGNETD_SOCKETS_H

#include "ipc.h"

struct sockets {
	struct ipc_sockets so_info;
	int so_fds[IPC_FDS_MAX];
};

/* False with the reason logged and nothing left open. */
bool sockets_open(struct sockets *sockets, const struct conf *conf);
void sockets_close(struct sockets *sockets);

#endif
