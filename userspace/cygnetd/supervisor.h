/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper's process: sockets, signals, and an engine that is started again
 * whenever it ends.
 */
#ifndef CYGNETD_SUPERVISOR_H
#define CYGNETD_SUPERVISOR_H

#include "backend.h"

/**
 * supervise() - be the daemon until SIGTERM or SIGINT
 * @conf: the configuration
 * @backend: the datapath
 *
 * Tunnels stay in the datapath at the end, as they do after a crash: the next
 * daemon takes them over and no packet leaves unprotected in between.
 *
 * Return: false, with the reason logged, if it could not start.
 */
bool supervise(const struct conf *conf, struct backend *backend);

#endif
