/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IKE protocol engine, without a process around it.
 *
 * The core owns IKE SAs, child SAs and exchanges. It reads no clock, opens no
 * socket and blocks on nothing: whoever embeds it (engine.c with libuv; the
 * unit tests with two cores in one process) hands it datagrams, replies of
 * the keeper, finished work and the passing of time, and carries out what it
 * asks for through struct core_ops. One thread only.
 */
#ifndef CYGNETD_CORE_H
#define CYGNETD_CORE_H

#include <jansson.h>
#include <stddef.h>

#include "addr.h"
#include "conf.h"
#include "ipc.h"

struct core;

/* Where a datagram came from or goes to. */
struct core_path {
	struct ip_endpoint cp_local, cp_remote;
	/* On the NAT-T socket (port 4500); the embedder strips and adds the
	 * non-ESP marker (RFC 3948 section 2.2).
	 */
	u8 cp_natt;
};

/*
 * Work that would hold up the thread (over 0.2 ms: MODP, RSA). @cw_run runs
 * anywhere and touches only what hangs on @cw_arg; then the embedder calls
 * core_work_done() on the core's thread, exactly once.
 */
struct core_work {
	void (*cw_run)(void *arg);
	void *cw_arg;
	/* To whoever waits for it, or to nobody any more. */
	void (*cw_give)(void *asker, void *arg);
	void (*cw_free)(void *arg);
	u32 cw_handle, cw_generation;
};

enum core_level { CORE_ERROR, CORE_WARNING, CORE_NOTICE, CORE_INFO, CORE_DEBUG };

struct core_ops {
	/* Send an IKE message; losing it is allowed. */
	void (*send)(void *ctx, const struct core_path *path,
		     const u8 *buf, size_t len);
	/* Ask the keeper; the answer comes to core_keeper(). */
	void (*request)(void *ctx, const struct ipc_msg *msg);
	void (*work)(void *ctx, struct core_work *work);
	/* Call core_tick() at that time (ms of CLOCK_BOOTTIME); replaces the
	 * time asked for before, UINT64_MAX for never.
	 */
	void (*arm)(void *ctx, u64 when);
	/* ms of CLOCK_BOOTTIME */
	u64 (*now)(void *ctx);
	/* @conn is a connection's name or NULL. One line, no newline; what a
	 * peer supplied is already escaped.
	 */
	void (*log)(void *ctx, enum core_level level, const char *conn,
		    const char *text);
};

/**
 * core_new() - make a core
 * @ops: must outlive the core
 * @ctx: first argument of every operation
 *
 * Return: the core, or NULL when out of memory.
 */
struct core *core_new(const struct core_ops *ops, void *ctx);

/* Wipes all keys; sends nothing. */
void core_free(struct core *core);

/**
 * core_keeper() - a message of the keeper
 *
 * Configuration, events and replies. IPC_READY starts the connections that
 * are to start by themselves.
 */
void core_keeper(struct core *core, const struct ipc_msg *msg);

/* An IKE message arrived, without non-ESP marker. Any bytes are allowed. */
void core_receive(struct core *core, const struct core_path *path,
		  const u8 *buf, size_t len);

void core_work_done(struct core *core, struct core_work *work);

/* The time asked for with arm() has come; too early does no harm. */
void core_tick(struct core *core);

/* A command's end: @error is NULL for success, else a line for a person. */
typedef void core_done_fn(void *arg, const char *error);
/* A line of progress while a command is under way: a word for the first
 * column, the text, and the milliseconds it took (-1: says nothing), as in
 * lib/control.h.
 */
typedef void core_line_fn(void *arg, const char *step, const char *text,
			  long long ms);

struct core_command {
	core_line_fn *cc_line;
	core_done_fn *cc_done;	/* exactly once, perhaps before the call returns */
	void *cc_arg;
};

/* Forget a command whose asker has gone: neither function is called again. */
void core_forget(struct core *core, void *arg);

/* Bring a connection up, take it down, rekey its child SAs or IKE SAs. An unknown name
 * ends in cc_done with the names that exist.
 */
void core_up(struct core *core, const char *name, const struct core_command *cmd);
void core_down(struct core *core, const char *name, const struct core_command *cmd);
void core_rekey(struct core *core, const char *name, const struct core_command *cmd);
void core_rekey_ike(struct core *core, const char *name,
		    const struct core_command *cmd);

/* Read the configuration again; what did not change is left alone. */
void core_reload(struct core *core, const struct core_command *cmd);

/**
 * core_status() - live state for people and programs
 * @name: one connection, or NULL for all
 *
 * Never a key. Return: a new reference, {"connections": [...]} in the schema
 * of lib/control.h, or NULL when out of memory.
 */
json_t *core_status(struct core *core, const char *name);

#endif
