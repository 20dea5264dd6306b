/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vault on its way to the daemon that comes next: a sealed memfd, which is
 * in no file system, that nobody can change any more, and that is used once.
 * It goes through systemd's store of descriptors when the service is started
 * again, or through exec() on SIGUSR2, both in systemd's way of passing them.
 */
#ifndef CYGNETD_SNAPSHOT_H
#define CYGNETD_SNAPSHOT_H

#include "vault.h"

/* To be called first of all: how this program was started. */
void snapshot_init(char **argv);

/* The descriptor that was passed to us, taken out of the store; or -1. */
int snapshot_inherit(void);
/*
 * Takes over its records of connections that are as they were, and closes it.
 * Returns false, with the reason logged, if it is none of ours.
 */
bool snapshot_load(struct vault *vault, const struct conf *conf, int fd);

/* A descriptor with everything in it, or -1 with the reason logged. */
int snapshot_save(const struct vault *vault, const struct conf *conf);
/* Leaves it with systemd; false if there is none, or it does not want it. */
bool snapshot_store(int fd);
/* The program anew, with the snapshot; returns only if that fails. */
void snapshot_exec(int fd);

#endif
