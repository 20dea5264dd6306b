// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What each exchange does next, as data: for the exchange, our role in it, its
 * purpose and what it waits for, the function that takes it further. Rows that
 * wait for a message also say which payloads it must have and may have (others
 * are left alone), or which notify chooses them; the first that fits is taken.
 */
#include "redirect.h"

static const struct transition table[] = {
	/* IKE_SA_INIT, ours */
	{ IKE_SA_INIT, EX_OURS, EX_INIT, EX_QUEUED, 0, 0, 0,
	  EX_DROP, init_start },
	{ IKE_SA_INIT, EX_OURS, EX_INIT, EX_PAIR, 0, 0, 0,
	  EX_DROP, init_send },
	{ IKE_SA_INIT, EX_OURS, EX_INIT, EX_MESSAGE,
	  PL(SA) | PL(KE) | PL(NONCE), PL(NOTIFY) | PL(CERTREQ) | PL(VENDOR), 0,
	  EX_DROP, init_response },
	{ IKE_SA_INIT, EX_OURS, EX_INIT, EX_MESSAGE, PL(NOTIFY), PL(VENDOR), N_COOKIE,
	  EX_DROP, init_cookie },
	{ IKE_SA_INIT, EX_OURS, EX_INIT, EX_MESSAGE, PL(NOTIFY), PL(VENDOR),
	  N_INVALID_KE_PAYLOAD,
	  EX_DROP, init_invalid_ke },
	{ IKE_SA_INIT, EX_OURS, EX_INIT, EX_MESSAGE, PL(NOTIFY), PL(VENDOR), N_REDIRECT,
	  EX_DROP, redirect_init },
	{ IKE_SA_INIT, EX_OURS, EX_INIT, EX_MESSAGE, PL(NOTIFY), PL(VENDOR), ROW_ERROR,
	  EX_DROP, init_refused },
	{ IKE_SA_INIT, EX_OURS, EX_INIT, EX_SECRET, 0, 0, 0,
	  EX_DROP, init_keyed },

	/* IKE_SA_INIT, the peer's */
	{ IKE_SA_INIT, EX_THEIRS, EX_INIT, EX_MESSAGE,
	  PL(SA) | PL(KE) | PL(NONCE), PL(NOTIFY) | PL(VENDOR), 0,
	  EX_DROP, init_request },
	{ IKE_SA_INIT, EX_THEIRS, EX_INIT, EX_SECRET, 0, 0, 0,
	  EX_DROP, init_answer },

	/* IKE_INTERMEDIATE, ours and the peer's: as often as there are ADDKEs */
	{ IKE_INTERMEDIATE, EX_OURS, EX_INTERMEDIATE, EX_QUEUED, 0, 0, 0,
	  EX_DROP, inter_start },
	{ IKE_INTERMEDIATE, EX_OURS, EX_INTERMEDIATE, EX_PAIR, 0, 0, 0,
	  EX_DROP, inter_send },
	{ IKE_INTERMEDIATE, EX_OURS, EX_INTERMEDIATE, EX_MESSAGE,
	  PL(KE), PL(NOTIFY) | PL(VENDOR), 0,
	  EX_DROP, inter_response },
	{ IKE_INTERMEDIATE, EX_OURS, EX_INTERMEDIATE, EX_MESSAGE,
	  PL(NOTIFY), PL(VENDOR), ROW_ERROR,
	  EX_DROP, inter_refused },
	{ IKE_INTERMEDIATE, EX_OURS, EX_INTERMEDIATE, EX_SECRET, 0, 0, 0,
	  EX_DROP, inter_keyed },
	{ IKE_INTERMEDIATE, EX_THEIRS, EX_INTERMEDIATE, EX_MESSAGE,
	  PL(KE), PL(NOTIFY) | PL(VENDOR), 0,
	  EX_DROP, inter_request },
	{ IKE_INTERMEDIATE, EX_THEIRS, EX_INTERMEDIATE, EX_SECRET, 0, 0, 0,
	  EX_DROP, inter_answer },

	/* IKE_AUTH, ours */
	{ IKE_AUTH, EX_OURS, EX_AUTH, EX_QUEUED, 0, 0, 0,
	  EX_DROP, auth_start },
	{ IKE_AUTH, EX_OURS, EX_AUTH, EX_SPI, 0, 0, 0,
	  EX_DROP, auth_sign },
	{ IKE_AUTH, EX_OURS, EX_AUTH, EX_NO_PPK, 0, 0, 0,
	  EX_DROP, auth_without_ppk },
	{ IKE_AUTH, EX_OURS, EX_AUTH, EX_PPK, 0, 0, 0,
	  EX_DROP, auth_with_ppk },
	{ IKE_AUTH, EX_OURS, EX_AUTH, EX_PSK, 0, 0, 0,
	  EX_DROP, auth_send },
	{ IKE_AUTH, EX_OURS, EX_AUTH, EX_MESSAGE,
	  PL(ID_R) | PL(AUTH), PL(SA) | PL(TS_I) | PL(TS_R) | PL(NOTIFY) |
	  PL(CERT) | PL(VENDOR), 0,
	  EX_DROP, auth_response },
	{ IKE_AUTH, EX_OURS, EX_AUTH, EX_MESSAGE, PL(NOTIFY), PL(VENDOR), ROW_ERROR,
	  EX_DROP, auth_refused },
	{ IKE_AUTH, EX_OURS, EX_AUTH, EX_VERIFY, 0, 0, 0,
	  EX_DROP, auth_verified },
	{ IKE_AUTH, EX_OURS, EX_AUTH, EX_INSTALL, 0, 0, 0,
	  EX_PASS, auth_installed },

	/* IKE_AUTH, the peer's */
	{ IKE_AUTH, EX_THEIRS, EX_AUTH, EX_MESSAGE,
	  PL(ID_I) | PL(AUTH), PL(SA) | PL(TS_I) | PL(TS_R) |
	  PL(ID_R) | PL(NOTIFY) | PL(CERT) | PL(CERTREQ) | PL(VENDOR), 0,
	  EX_DROP, auth_request },
	{ IKE_AUTH, EX_THEIRS, EX_AUTH, EX_PPK, 0, 0, 0,
	  EX_DROP, auth_request_with_ppk },
	{ IKE_AUTH, EX_THEIRS, EX_AUTH, EX_VERIFY, 0, 0, 0,
	  EX_DROP, auth_request_verified },
	{ IKE_AUTH, EX_THEIRS, EX_AUTH, EX_PSK, 0, 0, 0,
	  EX_DROP, auth_request_signed },
	{ IKE_AUTH, EX_THEIRS, EX_AUTH, EX_CONN, 0, 0, 0,
	  EX_DROP, auth_request_conn },
	{ IKE_AUTH, EX_THEIRS, EX_AUTH, EX_SPI, 0, 0, 0,
	  EX_DROP, auth_request_spi },
	{ IKE_AUTH, EX_THEIRS, EX_AUTH, EX_INSTALL, 0, 0, 0,
	  EX_DROP, auth_request_installed },

	/* CREATE_CHILD_SA, ours: one more child, or one in place of another */
	{ CREATE_CHILD_SA, EX_OURS, EX_CHILD_NEW, EX_QUEUED, 0, 0, 0,
	  EX_PASS, child_start },
	{ CREATE_CHILD_SA, EX_OURS, EX_CHILD_NEW, EX_SPI, 0, 0, 0,
	  EX_PASS, child_have_spi },
	{ CREATE_CHILD_SA, EX_OURS, EX_CHILD_NEW, EX_PAIR, 0, 0, 0,
	  EX_PASS, child_send },
	{ CREATE_CHILD_SA, EX_OURS, EX_CHILD_NEW, EX_MESSAGE,
	  PL(SA) | PL(NONCE) | PL(TS_I) | PL(TS_R), PL(KE) | PL(NOTIFY) | PL(VENDOR), 0,
	  EX_PASS, child_response },
	{ CREATE_CHILD_SA, EX_OURS, EX_CHILD_NEW, EX_MESSAGE, PL(NOTIFY), PL(VENDOR),
	  N_INVALID_KE_PAYLOAD,
	  EX_PASS, child_invalid_ke },
	{ CREATE_CHILD_SA, EX_OURS, EX_CHILD_NEW, EX_MESSAGE, PL(NOTIFY), PL(VENDOR),
	  ROW_ERROR,
	  EX_PASS, child_refused },
	{ CREATE_CHILD_SA, EX_OURS, EX_CHILD_NEW, EX_SECRET, 0, 0, 0,
	  EX_PASS, child_secret },
	{ CREATE_CHILD_SA, EX_OURS, EX_CHILD_NEW, EX_INSTALL, 0, 0, 0,
	  EX_PASS, child_installed },
	{ CREATE_CHILD_SA, EX_OURS, EX_CHILD_REKEY, EX_QUEUED, 0, 0, 0,
	  EX_PASS, child_start },
	{ CREATE_CHILD_SA, EX_OURS, EX_CHILD_REKEY, EX_SPI, 0, 0, 0,
	  EX_PASS, child_have_spi },
	{ CREATE_CHILD_SA, EX_OURS, EX_CHILD_REKEY, EX_PAIR, 0, 0, 0,
	  EX_PASS, child_send },
	{ CREATE_CHILD_SA, EX_OURS, EX_CHILD_REKEY, EX_MESSAGE,
	  PL(SA) | PL(NONCE) | PL(TS_I) | PL(TS_R), PL(KE) | PL(NOTIFY) | PL(VENDOR), 0,
	  EX_PASS, child_response },
	{ CREATE_CHILD_SA, EX_OURS, EX_CHILD_REKEY, EX_MESSAGE, PL(NOTIFY), PL(VENDOR),
	  N_INVALID_KE_PAYLOAD,
	  EX_PASS, child_invalid_ke },
	{ CREATE_CHILD_SA, EX_OURS, EX_CHILD_REKEY, EX_MESSAGE, PL(NOTIFY), PL(VENDOR),
	  ROW_ERROR,
	  EX_PASS, child_refused },
	{ CREATE_CHILD_SA, EX_OURS, EX_CHILD_REKEY, EX_SECRET, 0, 0, 0,
	  EX_PASS, child_secret },
	{ CREATE_CHILD_SA, EX_OURS, EX_CHILD_REKEY, EX_INSTALL, 0, 0, 0,
	  EX_PASS, child_installed },

	/* CREATE_CHILD_SA, the peer's */
	{ CREATE_CHILD_SA, EX_THEIRS, EX_CHILD_NEW, EX_MESSAGE,
	  PL(SA) | PL(NONCE) | PL(TS_I) | PL(TS_R), PL(KE) | PL(NOTIFY) | PL(VENDOR), 0,
	  EX_DROP, child_request },
	{ CREATE_CHILD_SA, EX_THEIRS, EX_CHILD_NEW, EX_SECRET, 0, 0, 0,
	  EX_DROP, child_request_secret },
	{ CREATE_CHILD_SA, EX_THEIRS, EX_CHILD_NEW, EX_SPI, 0, 0, 0,
	  EX_DROP, child_request_spi },
	{ CREATE_CHILD_SA, EX_THEIRS, EX_CHILD_NEW, EX_INSTALL, 0, 0, 0,
	  EX_DROP, child_request_installed },
	{ CREATE_CHILD_SA, EX_THEIRS, EX_CHILD_REKEY, EX_MESSAGE,
	  PL(SA) | PL(NONCE) | PL(TS_I) | PL(TS_R) | PL(NOTIFY), PL(KE) | PL(VENDOR), 0,
	  EX_DROP, child_request },
	{ CREATE_CHILD_SA, EX_THEIRS, EX_CHILD_REKEY, EX_SECRET, 0, 0, 0,
	  EX_DROP, child_request_secret },
	{ CREATE_CHILD_SA, EX_THEIRS, EX_CHILD_REKEY, EX_SPI, 0, 0, 0,
	  EX_DROP, child_request_spi },
	{ CREATE_CHILD_SA, EX_THEIRS, EX_CHILD_REKEY, EX_INSTALL, 0, 0, 0,
	  EX_DROP, child_request_installed },
	/* CREATE_CHILD_SA: a new IKE SA, ours and the peer's */
	{ CREATE_CHILD_SA, EX_OURS, EX_IKE_REKEY, EX_QUEUED, 0, 0, 0,
	  EX_PASS, rekey_start },
	{ CREATE_CHILD_SA, EX_OURS, EX_IKE_REKEY, EX_PAIR, 0, 0, 0,
	  EX_PASS, rekey_send },
	{ CREATE_CHILD_SA, EX_OURS, EX_IKE_REKEY, EX_MESSAGE,
	  PL(SA) | PL(NONCE) | PL(KE), PL(NOTIFY) | PL(VENDOR), 0,
	  EX_PASS, rekey_response },
	{ CREATE_CHILD_SA, EX_OURS, EX_IKE_REKEY, EX_MESSAGE, PL(NOTIFY), PL(VENDOR),
	  N_INVALID_KE_PAYLOAD,
	  EX_PASS, rekey_invalid_ke },
	{ CREATE_CHILD_SA, EX_OURS, EX_IKE_REKEY, EX_MESSAGE, PL(NOTIFY), PL(VENDOR),
	  ROW_ERROR,
	  EX_PASS, rekey_refused },
	{ CREATE_CHILD_SA, EX_OURS, EX_IKE_REKEY, EX_SECRET, 0, 0, 0,
	  EX_DROP, rekey_keyed },
	{ CREATE_CHILD_SA, EX_THEIRS, EX_IKE_REKEY, EX_MESSAGE,
	  PL(SA) | PL(NONCE) | PL(KE), PL(NOTIFY) | PL(VENDOR), 0,
	  EX_DROP, rekey_request },
	{ CREATE_CHILD_SA, EX_THEIRS, EX_IKE_REKEY, EX_SECRET, 0, 0, 0,
	  EX_DROP, rekey_answer },

	/* IKE_FOLLOWUP_KE: what CREATE_CHILD_SA began, ours and the peer's */
	{ IKE_FOLLOWUP_KE, EX_OURS, EX_IKE_REKEY, EX_PAIR, 0, 0, 0,
	  EX_PASS, followup_send },
	{ IKE_FOLLOWUP_KE, EX_OURS, EX_IKE_REKEY, EX_MESSAGE,
	  PL(KE), PL(NOTIFY) | PL(VENDOR), 0,
	  EX_PASS, followup_response },
	{ IKE_FOLLOWUP_KE, EX_OURS, EX_IKE_REKEY, EX_MESSAGE,
	  PL(NOTIFY), PL(VENDOR), ROW_ERROR,
	  EX_PASS, rekey_refused },
	{ IKE_FOLLOWUP_KE, EX_OURS, EX_IKE_REKEY, EX_SECRET, 0, 0, 0,
	  EX_DROP, rekey_keyed },
	{ IKE_FOLLOWUP_KE, EX_OURS, EX_CHILD_NEW, EX_PAIR, 0, 0, 0,
	  EX_PASS, followup_send },
	{ IKE_FOLLOWUP_KE, EX_OURS, EX_CHILD_NEW, EX_MESSAGE,
	  PL(KE), PL(NOTIFY) | PL(VENDOR), 0,
	  EX_PASS, followup_response },
	{ IKE_FOLLOWUP_KE, EX_OURS, EX_CHILD_NEW, EX_MESSAGE,
	  PL(NOTIFY), PL(VENDOR), ROW_ERROR,
	  EX_PASS, child_refused },
	{ IKE_FOLLOWUP_KE, EX_OURS, EX_CHILD_NEW, EX_SECRET, 0, 0, 0,
	  EX_PASS, child_secret },
	{ IKE_FOLLOWUP_KE, EX_OURS, EX_CHILD_NEW, EX_INSTALL, 0, 0, 0,
	  EX_PASS, child_installed },
	{ IKE_FOLLOWUP_KE, EX_OURS, EX_CHILD_REKEY, EX_PAIR, 0, 0, 0,
	  EX_PASS, followup_send },
	{ IKE_FOLLOWUP_KE, EX_OURS, EX_CHILD_REKEY, EX_MESSAGE,
	  PL(KE), PL(NOTIFY) | PL(VENDOR), 0,
	  EX_PASS, followup_response },
	{ IKE_FOLLOWUP_KE, EX_OURS, EX_CHILD_REKEY, EX_MESSAGE,
	  PL(NOTIFY), PL(VENDOR), ROW_ERROR,
	  EX_PASS, child_refused },
	{ IKE_FOLLOWUP_KE, EX_OURS, EX_CHILD_REKEY, EX_SECRET, 0, 0, 0,
	  EX_PASS, child_secret },
	{ IKE_FOLLOWUP_KE, EX_OURS, EX_CHILD_REKEY, EX_INSTALL, 0, 0, 0,
	  EX_PASS, child_installed },
	{ IKE_FOLLOWUP_KE, EX_THEIRS, EX_IKE_REKEY, EX_MESSAGE,
	  PL(KE) | PL(NOTIFY), PL(VENDOR), 0,
	  EX_DROP, followup_request },
	{ IKE_FOLLOWUP_KE, EX_THEIRS, EX_IKE_REKEY, EX_SECRET, 0, 0, 0,
	  EX_DROP, rekey_answer },
	{ IKE_FOLLOWUP_KE, EX_THEIRS, EX_CHILD_NEW, EX_MESSAGE,
	  PL(KE) | PL(NOTIFY), PL(VENDOR), 0,
	  EX_DROP, followup_request },
	{ IKE_FOLLOWUP_KE, EX_THEIRS, EX_CHILD_NEW, EX_SECRET, 0, 0, 0,
	  EX_DROP, child_request_more },
	{ IKE_FOLLOWUP_KE, EX_THEIRS, EX_CHILD_NEW, EX_INSTALL, 0, 0, 0,
	  EX_DROP, child_request_installed },
	{ IKE_FOLLOWUP_KE, EX_THEIRS, EX_CHILD_REKEY, EX_MESSAGE,
	  PL(KE) | PL(NOTIFY), PL(VENDOR), 0,
	  EX_DROP, followup_request },
	{ IKE_FOLLOWUP_KE, EX_THEIRS, EX_CHILD_REKEY, EX_SECRET, 0, 0, 0,
	  EX_DROP, child_request_more },
	{ IKE_FOLLOWUP_KE, EX_THEIRS, EX_CHILD_REKEY, EX_INSTALL, 0, 0, 0,
	  EX_DROP, child_request_installed },
	{ IKE_FOLLOWUP_KE, EX_THEIRS, EX_FOLLOWUP, EX_MESSAGE,
	  0, PL(KE) | PL(NOTIFY) | PL(VENDOR), 0,
	  EX_DROP, followup_unknown },

	/* INFORMATIONAL, ours */
	{ INFORMATIONAL, EX_OURS, EX_LIVENESS, EX_QUEUED, 0, 0, 0,
	  EX_PASS, info_start },
	{ INFORMATIONAL, EX_OURS, EX_LIVENESS, EX_MESSAGE, 0, PL(NOTIFY) | PL(VENDOR),
	  0,
	  EX_PASS, info_response },
	{ INFORMATIONAL, EX_OURS, EX_CHILD_DELETE, EX_QUEUED, 0, 0, 0,
	  EX_PASS, info_start },
	{ INFORMATIONAL, EX_OURS, EX_CHILD_DELETE, EX_MESSAGE,
	  0, PL(DELETE) | PL(NOTIFY) | PL(VENDOR), 0,
	  EX_PASS, info_response },
	{ INFORMATIONAL, EX_OURS, EX_IKE_DELETE, EX_QUEUED, 0, 0, 0,
	  EX_PASS, info_start },
	{ INFORMATIONAL, EX_OURS, EX_IKE_DELETE, EX_MESSAGE,
	  0, PL(DELETE) | PL(NOTIFY) | PL(VENDOR), 0,
	  EX_PASS, info_response },
	{ INFORMATIONAL, EX_OURS, EX_MOVE, EX_QUEUED, 0, 0, 0,
	  EX_PASS, move_start },
	{ INFORMATIONAL, EX_OURS, EX_MOVE, EX_MESSAGE, 0, PL(NOTIFY) | PL(VENDOR), 0,
	  EX_PASS, move_response },
	{ INFORMATIONAL, EX_OURS, EX_PROBE, EX_QUEUED, 0, 0, 0,
	  EX_PASS, move_start },
	{ INFORMATIONAL, EX_OURS, EX_PROBE, EX_MESSAGE, 0, PL(NOTIFY) | PL(VENDOR), 0,
	  EX_PASS, move_response },
	{ INFORMATIONAL, EX_OURS, EX_ABORT, EX_QUEUED, 0, 0, 0,
	  EX_DROP, info_start },
	{ INFORMATIONAL, EX_OURS, EX_ABORT, EX_MESSAGE,
	  0, PL(DELETE) | PL(NOTIFY) | PL(VENDOR), 0,
	  EX_DROP, info_response },

	/* INFORMATIONAL, the peer's */
	{ INFORMATIONAL, EX_THEIRS, EX_INFORM, EX_MESSAGE,
	  0, PL(DELETE) | PL(NOTIFY) | PL(CP) | PL(VENDOR), 0,
	  EX_DROP, info_request },
};

static bool is_row(const struct transition *row, const struct exchange *ex)
{
	return row->row_type == ex->ex_type && row->row_role == ex->ex_role &&
		row->row_purpose == ex->ex_purpose &&
		row->row_state == ex->ex_state;
}

const struct transition *transition_find(const struct exchange *ex)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (is_row(&table[i], ex))
			return &table[i];
	return NULL;
}

static bool chosen(const struct transition *row, const struct message *msg)
{
	if (row->row_notify == ROW_ERROR)
		return msg_notify_error(msg);
	return !row->row_notify || msg_notify(msg, row->row_notify);
}

const struct transition *transition_match(const struct exchange *ex,
					  const struct message *msg,
					  u32 *missing)
{
	bool first = true;
	size_t i;

	*missing = 0;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		const struct transition *row = &table[i];

		if (!is_row(row, ex))
			continue;
		if (!(row->row_required & ~msg->msg_seen) && chosen(row, msg))
			return row;
		if (first)
			*missing = row->row_required & ~msg->msg_seen;
		first = false;
	}
	return NULL;
}

size_t transition_count(void)
{
	return ARRAY_SIZE(table);
}

const struct transition *transition_get(size_t index)
{
	return &table[index];
}
