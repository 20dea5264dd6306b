/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks the engine in: afterwards it cannot open a file, start a program, make
 * a socket, gain a privilege or be dumped, whatever it is made to execute.
 */
#ifndef CYGNETD_SANDBOX_H
#define CYGNETD_SANDBOX_H

#include "types.h"

/* A user without rights, and no way to gain any: the first layer alone. */
bool sandbox_unprivileged(void);

/*
 * Two steps, since Landlock binds only the calling thread and those that it
 * starts later, and seccomp must let no thread be started. Each is false, with
 * a log line, if a layer that every supported kernel has could not be put up.
 *
 * First the user, the files and the way back: libraries are warm by now.
 */
bool sandbox_drop(void);
/* Then the system calls, for all threads at once. */
bool sandbox_seal(void);

/*
 * To be called before libuv's loop is made: from 1.45 on it would have a ring of
 * io_uring, which the sandbox does not let it enter later. Without one it calls
 * epoll_ctl(). Returns false if the kernel has no seccomp.
 */
bool sandbox_without_rings(void);

#endif
