/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine process: everything that parses what strangers send, without
 * privileges, files or sockets of its own making.
 */
#ifndef CYGNETD_ENGINE_H
#define CYGNETD_ENGINE_H

#include <uv.h>

#include "core.h"

/* argv[0] by which cygnetd knows that it is to be the engine. */
#define ENGINE_NAME	"cygnetd-engine"
#define ENGINE_FD	3	/* its end of the pair */

/* Returns the exit status: 0 when the keeper has gone. */
int engine_main(void);

/**
 * control_listen() - serve a control socket (control.c)
 * @loop: the engine's loop
 * @core: what the commands act on
 * @fd: the listener
 * @full: every command, else only "status"
 *
 * Return: false, with a log line, if that fails.
 */
bool control_listen(uv_loop_t *loop, struct core *core, int fd, bool full);

#endif
