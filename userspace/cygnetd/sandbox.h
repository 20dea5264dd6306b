/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks the engine in: afterwards it cannot open a file, start a program, make
 * a socket, gain a privilege or be dumped, whatever it is made to execute.
 */
#ifndef CYGNETD_SANDBOX_H
#define CYGNETD_SANDBOX_H

#include "types.h"

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

#endif
