/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper's judgement: it holds configuration, keys and datapath, and
 * answers the engine's requests. The process around it is supervisor.c.
 */
#ifndef CYGNETD_KEEPER_H
#define CYGNETD_KEEPER_H

#include "backend.h"
#include "keys.h"
#include "reload.h"
#include "resolver.h"
#include "vault.h"

struct keeper_sa;

struct keeper {
	const struct conf *kp_conf;
	struct keys *kp_keys;
	struct reload kp_reload;	/* kp_conf is its, after the first */
	struct backend *kp_backend;
	/* The SAs that the engine may delete and ask about. */
	struct keeper_sa *kp_sas;
	size_t kp_n_sas, kp_room;
	struct vault *kp_vault;		/* records of IKE SAs; or NULL */
	bool kp_rebellion;		/* in the request that is being answered */
};

/**
 * keeper_answer() - check one request and carry it out
 * @keeper: the keeper
 * @request: as received, shape checked
 * @answer: IPC_REPLY, to be sent and wiped
 *
 * Return: false if no engine of ours would have sent this: end it. What was
 * refused has been logged.
 */
bool keeper_answer(struct keeper *keeper, const struct ipc_msg *request,
		   struct ipc_msg *answer);

/*
 * The answer to an IPC_RESOLVE whose name has been looked up: of its addresses
 * the first that there is a way to, from the one on whose turn it is.
 */
void keeper_resolved(struct keeper *keeper, const struct ipc_msg *request,
		     const struct resolver_answer *found,
		     struct ipc_msg *answer);

/* An SA pair that an earlier daemon made, or one whose time has come. */
void keeper_event(struct keeper *keeper, enum ipc_type type, const char *conn,
		  const struct ipc_event *event);

/* Around the datapath's report of what there is: the rest is gone. */
void keeper_count_begin(struct keeper *keeper);
void keeper_count_end(struct keeper *keeper);

/* From now on what the plan says, and these keys. */
void keeper_reload(struct keeper *keeper, const struct reload *plan,
		   struct keys *keys);
/* Takes down what a reload has left to take down: the engine is dead. */
void keeper_settle(struct keeper *keeper);
/* Forgets its SAs; the rest belongs to the caller. */
void keeper_uninit(struct keeper *keeper);

#endif
