// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * IKE_FOLLOWUP_KE (RFC 9370 section 2.2.4): additional key exchanges after a
 * CREATE_CHILD_SA. Our own exchange goes on under another type, with a request
 * for each of them. The peer's is parked between its requests, found again by
 * the link that it sends back, and forgotten if it does not come.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "exchange.h"
#include "select.h"

#define PARKED_MS	20000

bool exchange_gather(struct exchange *ex)
{
	const struct ke *ke = ex->ex_ke;
	size_t len = ex->ex_secrets_len;
	u8 *grown;

	if (!ke || ke->ke_failed)
		return !ke;
	grown = OPENSSL_clear_realloc(ex->ex_secrets, len,
				      len + ke->ke_secret_len);
	if (!grown)
		return false;
	memcpy(grown + len, ke->ke_secret, ke->ke_secret_len);
	ex->ex_secrets = grown;
	ex->ex_secrets_len = len + ke->ke_secret_len;
	if (!len)
		ex->ex_first_len = ke->ke_secret_len;
	return true;
}

struct ike_secret exchange_secret(const struct exchange *ex)
{
	return (struct ike_secret){
		{ ex->ex_secrets, ex->ex_first_len },
		{ ex->ex_secrets ? ex->ex_secrets + ex->ex_first_len : NULL,
		  ex->ex_secrets_len - ex->ex_first_len },
	};
}

void followup_choose(struct exchange *ex, const struct proposal *prop)
{
	ex->ex_n_addke = (u8)select_addke(prop, ex->ex_addke);
	ex->ex_at_addke = 0;
}

bool followup_left(const struct exchange *ex)
{
	return ex->ex_at_addke < ex->ex_n_addke;
}

/* Ours. */

bool followup_link(struct exchange *ex, const struct message *msg)
{
	const struct msg_notify_payload *mn =
		msg_notify(msg, N_ADDITIONAL_KEY_EXCHANGE);
	size_t len = mn ? mn->mn_data.blob_len : 0;

	if (!followup_left(ex))
		return true;
	if (!mn || len > sizeof(ex->ex_link))
		return false;
	memcpy(ex->ex_link, mn->mn_data.blob_data, len);
	ex->ex_link_len = len;
	return true;
}

static bool same_aim(const struct exchange *a, const struct exchange *b)
{
	return a->ex_purpose == b->ex_purpose && a->ex_old == b->ex_old;
}

const struct exchange *followup_rival(const struct exchange *ex)
{
	const struct exchange *parked = ex->ex_sa->sa_parked;

	return parked && ex->ex_purpose != EX_CHILD_NEW &&
	       same_aim(ex, parked) ? parked : NULL;
}

void followup_start(struct exchange *ex)
{
	struct ike_sa *sa = ex->ex_sa;
	u16 group = ex->ex_addke[ex->ex_at_addke];

	/* Both asked at once, and it is the peer who stops (section 2.2.4). */
	if (followup_rival(ex))
		followup_forget(sa);
	ke_free(ex->ex_ke);
	ex->ex_ke = ke_new(group);
	ex->ex_type = IKE_FOLLOWUP_KE;
	if (ex->ex_ke)
		exchange_run_ke(ex, EX_PAIR);
	else
		ike_sa_fail(sa, "cannot do key exchange group %u", group);
}

void followup_send(struct exchange *ex, const struct message *msg)
{
	struct emit em;

	(void)msg;
	if (ex->ex_ke->ke_failed) {
		ike_sa_fail(ex->ex_sa, "key exchange failed");
		return;
	}
	ex->ex_id = ex->ex_sa->sa_window.win_next;
	exchange_emit(ex, &em);
	emit_ke(&em, ex->ex_ke->ke_group, ex->ex_ke->ke_public,
		ex->ex_ke->ke_public_len);
	emit_notify(&em, N_ADDITIONAL_KEY_EXCHANGE, ex->ex_link,
		    ex->ex_link_len);
	exchange_send(ex, &em);
}

/* The peer has a new SA now that we cannot have. */
void followup_response(struct exchange *ex, const struct message *msg)
{
	ex->ex_at_addke++;
	if (msg->msg_ke_group == ex->ex_ke->ke_group && followup_link(ex, msg) &&
	    !ke_set_peer(ex->ex_ke, msg->msg_ke.blob_data, msg->msg_ke.blob_len))
		exchange_run_ke(ex, EX_SECRET);
	else
		ike_sa_fail(ex->ex_sa, "the answer to IKE_FOLLOWUP_KE is of no use");
}

/* Theirs. */

static void on_parked(void *arg)
{
	struct ike_sa *sa = arg;

	ike_sa_log(sa, CORE_INFO,
		   "the peer did not go on with its additional key exchanges");
	followup_forget(sa);
	ike_sa_next(sa);
}

void followup_init(struct ike_sa *sa)
{
	timer_init(&sa->sa_park_timer, on_parked, sa);
}

void followup_forget(struct ike_sa *sa)
{
	struct exchange *ex = sa->sa_parked;

	timer_unset(&sa->sa_core->core_timers, &sa->sa_park_timer);
	sa->sa_parked = NULL;
	if (!ex)
		return;
	if (ex->ex_child)
		child_down(ex->ex_child, false);
	exchange_drop(ex);
}

void followup_park(struct exchange *ex, struct emit *em)
{
	struct ike_sa *sa = ex->ex_sa;

	ex->ex_link_len = 8;
	if (!crypto_random(ex->ex_link, ex->ex_link_len)) {
		ike_sa_fail(sa, "no randomness");
		return;
	}
	emit_notify(em, N_ADDITIONAL_KEY_EXCHANGE, ex->ex_link,
		    ex->ex_link_len);
	if (!window_reply(sa, &ex->ex_path, em)) {
		ike_sa_fail(sa, "cannot make a %s message", exchange_name(ex));
		return;
	}
	followup_forget(sa);
	sa->sa_theirs = NULL;
	sa->sa_parked = ex;
	exchange_set_state(ex, EX_MESSAGE);
	timer_set(&sa->sa_core->core_timers, &sa->sa_park_timer,
		  core_now(sa->sa_core) + PARKED_MS);
	ike_sa_next(sa);
}

struct exchange *followup_resume(struct ike_sa *sa, const struct message *msg)
{
	const struct msg_notify_payload *mn =
		msg_notify(msg, N_ADDITIONAL_KEY_EXCHANGE);
	struct exchange *ex = sa->sa_parked;

	if (!ex || !mn || mn->mn_data.blob_len != ex->ex_link_len ||
	    memcmp(mn->mn_data.blob_data, ex->ex_link, ex->ex_link_len))
		return NULL;
	timer_unset(&sa->sa_core->core_timers, &sa->sa_park_timer);
	sa->sa_parked = NULL;
	ex->ex_type = IKE_FOLLOWUP_KE;
	ex->ex_id = sa->sa_window.win_expected;
	ke_free(ex->ex_ke);
	ex->ex_ke = NULL;
	return ex;
}

void followup_unknown(struct exchange *ex, const struct message *msg)
{
	(void)msg;
	exchange_refuse_why(ex, N_STATE_NOT_FOUND,
			    "nothing that it would go on with is under way");
}

void followup_request(struct exchange *ex, const struct message *msg)
{
	u16 group = ex->ex_addke[ex->ex_at_addke++];

	if (exchange_take_ke(ex, msg, group))
		exchange_run_ke(ex, EX_SECRET);
}
