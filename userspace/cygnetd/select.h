/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Choosing among proposals (RFC 7296 sections 2.7, 3.3) and traffic selectors
 * (section 2.9): pure functions of what is configured and what is offered.
 */
#ifndef CYGNETD_SELECT_H
#define CYGNETD_SELECT_H

#include "crypto.h"
#include "message.h"

struct selection {
	struct proposal sel_proposal;	/* one transform of each type */
	u8 sel_number;			/* as the peer numbers it */
	u8 sel_spi_len;
	const u8 *sel_spi;
};

/* Which transforms count. */
enum select_rule {
	SELECT_ALL,
	SELECT_NO_ADDKE,		/* offers with additional exchanges do not count */
	SELECT_NO_KE,			/* the child of IKE_AUTH has none */
	SELECT_IKE_REKEY,		/* all, and proposals carry an IKE SPI */
};

/**
 * select_proposal() - our first choice among what is offered
 * @sel: the result
 * @ours: configured, in order of preference
 * @count: how many
 * @msg: with the peer's SA payload
 * @rule: whether key exchange counts
 *
 * Return: false if nothing fits.
 */
bool select_proposal(struct selection *sel, const struct proposal *ours,
		     size_t count, const struct message *msg,
		     enum select_rule rule);
/* The same for an answer, which must be one proposal without alternatives. */
bool select_answer(struct selection *sel, const struct proposal *ours,
		   size_t count, const struct message *msg,
		   enum select_rule rule);

/* Whether this might have been chosen from ours alone. */
bool select_allows(const struct proposal *ours, const struct proposal *chosen);

/* The transform id of that type, 0 if there is none. */
u16 select_id(const struct proposal *prop, u8 type);
/* The additional key exchanges, in their order; returns how many. */
size_t select_addke(const struct proposal *prop, u16 ids[SUITE_ADDKE_MAX]);
void select_suite(struct ike_suite *suite, const struct proposal *prop);
/* Proposals without their key exchange; returns how many are left. */
size_t select_strip_ke(struct proposal *out, const struct proposal *props,
		       size_t count);

/* The lists that offer these pairs, without repetition; returns the length. */
size_t select_offer(struct ts *out, size_t room, const struct ts_pair *pairs,
		    size_t count, bool local);
/**
 * select_narrow() - what both want protected
 * @out: room for CONF_TS_MAX pairs
 * @pairs: ours
 * @count: how many
 * @local: the peer's selectors for our side
 * @remote: and for its own
 *
 * Return: how many pairs there are.
 */
size_t select_narrow(struct ts_pair *out, const struct ts_pair *pairs,
		     size_t count, const struct msg_ts *local,
		     const struct msg_ts *remote);

#endif
