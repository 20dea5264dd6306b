// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * IKE_INTERMEDIATE (RFC 9242) for additional key exchanges (RFC 9370): between
 * IKE_SA_INIT and IKE_AUTH, one exchange of KE payloads for each, after which
 * all keys are new. Nobody is authenticated yet; AUTH covers these messages.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "exchange.h"
#include "explain.h"
#include "wire.h"

#define SK_HEADER_LEN	4

u16 inter_group(const struct ike_sa *sa)
{
	return sa->sa_n_inter < sa->sa_suite.suite_n_addke ?
	       sa->sa_suite.suite_addke[sa->sa_n_inter] : KE_NONE;
}

/*
 * IntAuth_ixA is what stands before the IV, IntAuth_ixP the inner payloads, as
 * if the message had never been split or sealed (RFC 9242 section 3.3.2).
 */
static bool cover(struct ike_sa *sa, bool initiator, const u8 *raw,
		  const struct msg_blob *plain)
{
	const struct ike_key *key = initiator ? &sa->sa_keys.keys_pi :
						&sa->sa_keys.keys_pr;
	size_t len = sa->sa_n_inter ? crypto_prf_len(sa->sa_suite.suite_prf) : 0;
	u8 head[MSG_HEADER_LEN + SK_HEADER_LEN];
	u8 *auth = sa->sa_int_auth[!initiator];
	struct msg_blob parts[] = {
		{ auth, len }, { head, sizeof(head) }, *plain,
	};
	struct msg_blob secret = { key->key_data, key->key_len };

	memcpy(head, raw, sizeof(head));
	head[16] = PAYLOAD_SK;
	put_be32(head + 24, (u32)(sizeof(head) + plain->blob_len));
	put_be16(head + MSG_HEADER_LEN + 2,
		 (u16)(SK_HEADER_LEN + plain->blob_len));
	return crypto_prf(sa->sa_suite.suite_prf, &secret, parts,
			  ARRAY_SIZE(parts), auth);
}

static bool cover_own(struct ike_sa *sa, const struct emit *em)
{
	struct msg_blob plain = { em->em_data + em->em_plain,
				  em->em_len - em->em_plain };

	return !em->em_full &&
	       cover(sa, sa->sa_initiator, em->em_data, &plain);
}

static bool cover_theirs(struct ike_sa *sa, const struct message *msg)
{
	return cover(sa, !sa->sa_initiator, msg->msg_raw.blob_data,
		     &msg->msg_plain);
}

/* The next generation of keys, from the last one's SK_d. */
static bool next_keys(const struct exchange *ex, struct ike_keys *keys)
{
	const struct ike_sa *sa = ex->ex_sa;
	struct ike_secret secret = {
		{ ex->ex_ke->ke_secret, ex->ex_ke->ke_secret_len }, { NULL, 0 },
	};
	struct msg_blob ni = nonce_blob(&sa->sa_ni);
	struct msg_blob nr = nonce_blob(&sa->sa_nr);

	return !ex->ex_ke->ke_failed &&
	       crypto_ike_rekey(keys, &sa->sa_suite, sa->sa_suite.suite_prf,
				&sa->sa_keys.keys_d, &secret, &ni, &nr,
				sa->sa_spi_i, sa->sa_spi_r);
}

static void emit_value(const struct exchange *ex, struct emit *em)
{
	emit_ke(em, ex->ex_ke->ke_group, ex->ex_ke->ke_public,
		ex->ex_ke->ke_public_len);
}

/* Ours. */
struct exchange *inter_or_auth(struct ike_sa *sa, const struct exchange *before)
{
	struct exchange *next = exchange_queue(sa, inter_group(sa) ?
					       EX_INTERMEDIATE : EX_AUTH);

	if (!next)
		return NULL;
	next->ex_group = before->ex_group;
	next->ex_packet = before->ex_packet;
	next->ex_has_packet = before->ex_has_packet;
	return next;
}

void inter_start(struct exchange *ex, const struct message *msg)
{
	(void)msg;
	ex->ex_ke = ke_new(inter_group(ex->ex_sa));
	if (ex->ex_ke)
		exchange_run_ke(ex, EX_PAIR);
	else
		ike_sa_fail(ex->ex_sa, "cannot do key exchange group %u",
			    inter_group(ex->ex_sa));
}

void inter_send(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *sa = ex->ex_sa;
	struct emit em;

	(void)msg;
	if (ex->ex_ke->ke_failed) {
		ike_sa_fail(sa, "key exchange failed");
		return;
	}
	exchange_emit(ex, &em);
	emit_value(ex, &em);
	if (cover_own(sa, &em))
		exchange_send(ex, &em);
	else
		ike_sa_fail(sa, "cannot make a %s message", exchange_name(ex));
}

void inter_response(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *sa = ex->ex_sa;
	const char *err = "key exchange of another group";

	if (msg->msg_ke_group == ex->ex_ke->ke_group)
		err = ke_set_peer(ex->ex_ke, msg->msg_ke.blob_data,
				  msg->msg_ke.blob_len);
	if (!err && !cover_theirs(sa, msg))
		err = "PRF failed";
	if (err)
		ike_sa_fail(sa, "the answer to %s is of no use: %s",
			    exchange_name(ex), err);
	else
		exchange_run_ke(ex, EX_SECRET);
}

void inter_refused(struct exchange *ex, const struct message *msg)
{
	u16 type = msg_notify_error(msg)->mn_type;
	char name[16];

	ike_sa_fail(ex->ex_sa, "the peer refused an additional key exchange: %s, %s",
		    msg_notify_name(type, name), explain_notify(type));
}

void inter_keyed(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *sa = ex->ex_sa;
	struct ike_keys keys;

	(void)msg;
	if (!next_keys(ex, &keys)) {
		ike_sa_fail(sa, "key exchange failed");
		return;
	}
	sa->sa_keys = keys;
	OPENSSL_cleanse(&keys, sizeof(keys));
	sa->sa_n_inter++;
	if (inter_or_auth(sa, ex))
		exchange_end(ex);
	else
		ike_sa_fail(sa, "out of memory");
}

/* Theirs. */
static void refuse(struct exchange *ex, const char *why)
{
	exchange_refuse_why(ex, N_INVALID_SYNTAX, why);
	ike_sa_linger(ex->ex_sa);
}

void inter_request(struct exchange *ex, const struct message *msg)
{
	u16 group = inter_group(ex->ex_sa);
	const char *err = "key exchange of another group";

	if (msg->msg_ke_group == group)
		ex->ex_ke = ke_new(group);
	if (ex->ex_ke)
		err = ke_set_peer(ex->ex_ke, msg->msg_ke.blob_data,
				  msg->msg_ke.blob_len);
	if (!err && !cover_theirs(ex->ex_sa, msg))
		err = "PRF failed";
	if (err)
		refuse(ex, err);
	else
		exchange_run_ke(ex, EX_SECRET);
}

/*
 * The answer is sealed with the old keys, under which the request may come
 * again and the answer must be given again.
 */
void inter_answer(struct exchange *ex, const struct message *msg)
{
	struct ike_sa *sa = ex->ex_sa;
	struct ike_keys *old = malloc(sizeof(*old));
	struct ike_keys keys;
	struct emit em;

	(void)msg;
	if (!old || !next_keys(ex, &keys)) {
		free(old);
		refuse(ex, "key exchange failed");
		return;
	}
	exchange_emit(ex, &em);
	emit_value(ex, &em);
	if (!cover_own(sa, &em)) {
		free(old);
		ike_sa_fail(sa, "cannot make a %s message", exchange_name(ex));
		return;
	}
	exchange_answer(ex, &em);
	*old = sa->sa_keys;
	ike_sa_old_keys(sa, old);
	sa->sa_keys = keys;
	OPENSSL_cleanse(&keys, sizeof(keys));
	sa->sa_n_inter++;
}
