/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything public in the files that the configuration names, to the engine.
 */
#ifndef CYGNETD_CREDSEND_H
#define CYGNETD_CREDSEND_H

#include "ipc.h"
#include "keys.h"

typedef bool credsend_fn(void *arg, const struct ipc_msg *msg);

/**
 * credsend() - read the files and send what is in them
 * @conf: the configuration
 * @keys: for the public halves of our own keys
 * @send: called for each message; false ends
 * @arg: its first argument
 *
 * A file that cannot be read is logged, and sent as holding nothing.
 *
 * Return: false if @send did.
 */
bool credsend(const struct conf *conf, const struct keys *keys,
	      credsend_fn *send, void *arg);

#endif
