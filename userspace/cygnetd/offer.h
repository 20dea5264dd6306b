/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What IKE_AUTH and CREATE_CHILD_SA have in common: offering, choosing and
 * installing the child SA of an exchange.
 */
#ifndef CYGNETD_OFFER_H
#define CYGNETD_OFFER_H

#include "exchange.h"
#include "select.h"

/* Asks for ex_child's inbound SPI. */
void offer_ask_spi(struct exchange *ex);
/* SA, TSi and TSr of a request; KE is not among them. */
void offer_emit(struct exchange *ex, struct emit *em, enum select_rule rule);
/* SA, TSi and TSr of an answer. */
void offer_emit_answer(struct exchange *ex, struct emit *em);
/* Fills ex_child from the peer's answer, or leaves its child_spi_out 0. */
void offer_take_answer(struct exchange *ex, const struct message *msg,
		       enum select_rule rule);
/* Makes ex_child from the peer's request, or sets ex_refusal. */
void offer_take_request(struct exchange *ex, const struct message *msg,
			enum select_rule rule);
/* Asks the keeper to install these directions of ex_child. */
void offer_install(struct exchange *ex, u32 dirs);
/* Ours could not be installed: the peer is told to delete its half. */
void offer_not_installed(struct exchange *ex);

#endif
