// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * INFORMATIONAL (RFC 7296 sections 1.4, 2.25): liveness, deletes, errors.
 */
#include <stdio.h>
#include <string.h>

#include "conn.h"
#include "exchange.h"
#include "mobike.h"
#include "redirect.h"

void info_start(struct exchange *ex, const struct message *msg)
{
	struct emit em;

	(void)msg;
	if (ex->ex_purpose == EX_CHILD_DELETE && !ex->ex_child) {
		exchange_end(ex);	/* gone meanwhile */
		return;
	}
	exchange_emit(ex, &em);
	if (ex->ex_purpose == EX_CHILD_DELETE)
		emit_delete_children(&em, child_protocol(ex->ex_child),
				     &ex->ex_child->child_spi_in, 1);
	if (ex->ex_purpose == EX_IKE_DELETE)
		emit_delete_ike(&em);
	if (ex->ex_purpose == EX_ABORT)
		emit_notify(&em, N_AUTHENTICATION_FAILED, NULL, 0);
	exchange_send(ex, &em);
}

void info_response(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *sa = ex->ex_sa;

	(void)msg;
	switch (ex->ex_purpose) {
	case EX_CHILD_DELETE:
		if (ex->ex_child)
			child_down(ex->ex_child, true);
		exchange_end(ex);
		break;
	case EX_IKE_DELETE:
	case EX_ABORT:
		ike_sa_close(sa);
		break;
	default:
		exchange_end(ex);
		break;
	}
}

/*
 * The peer names its inbound SPIs; we answer with ours, except for those whose
 * delete we have under way ourselves (section 1.4.1).
 */
static void delete_children(struct ike_sa *sa, const struct msg_delete *md,
			    struct emit *em)
{
	u32 spis[IKE_CHILDREN_MAX], spi;
	struct child *child;
	unsigned int i;
	u16 count = 0;

	if (md->md_protocol == PROTO_IKE || md->md_spi_len != sizeof(spi))
		return;
	for (i = 0; i < md->md_count; i++) {
		memcpy(&spi, md->md_spis + i * sizeof(spi), sizeof(spi));
		child = child_by_spi_out(sa, spi);
		if (!child || child_protocol(child) != md->md_protocol)
			continue;
		ike_sa_log(sa, CORE_INFO, "the peer deletes child SA %u",
			   child->child_number);
		if (child->child_state != CHILD_DELETING &&
		    count < IKE_CHILDREN_MAX)
			spis[count++] = child->child_spi_in;
		child_down(child, true);
	}
	if (count)
		emit_delete_children(em, md->md_protocol, spis, count);
}

bool info_deletes_ike(const struct message *msg)
{
	unsigned int i;

	for (i = 0; i < msg->msg_n_deletes; i++)
		if (msg->msg_deletes[i].md_protocol == PROTO_IKE)
			return true;
	return false;
}

/* Errors that end an IKE SA when the peer reports them (section 2.21.2, 3). */
static bool is_fatal(const struct message *msg)
{
	return msg_notify(msg, N_AUTHENTICATION_FAILED) ||
		msg_notify(msg, N_INVALID_SYNTAX);
}

void info_request(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *sa = ex->ex_sa;
	struct conn *conn = sa->sa_conn;
	bool ends = info_deletes_ike(msg) || is_fatal(msg);
	struct ip_addr target;
	struct emit em;
	unsigned int i;
	char name[16];

	exchange_emit(ex, &em);
	ike_sa_limit(sa, msg);
	if (!ends && !mobike_request(ex, msg, &em)) {
		exchange_answer(ex, &em);
		return;
	}
	if (!ends && sa->sa_state == IKE_ESTABLISHED &&
	    redirect_find(sa, msg, &target)) {
		exchange_answer(ex, &em);
		redirect_follow(sa, &target);
		return;
	}
	for (i = 0; !ends && i < msg->msg_n_deletes; i++)
		delete_children(sa, &msg->msg_deletes[i], &em);
	exchange_answer(ex, &em);
	if (ends) {
		if (is_fatal(msg))
			snprintf(sa->sa_reason, sizeof(sa->sa_reason),
				 "the peer ended it: %s",
				 msg_notify_name(msg_notify_error(msg)->mn_type,
						 name));
		else
			snprintf(sa->sa_reason, sizeof(sa->sa_reason),
				 "the peer deleted it");
		ike_sa_log(sa, CORE_INFO, "%s", sa->sa_reason);
		ike_sa_linger(sa);
	} else if (msg->msg_n_deletes) {
		conn_child_gone(conn);
	}
}
