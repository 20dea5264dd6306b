// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Choosing among proposals and traffic selectors.
 */
#include <string.h>

#include "select.h"

/* One side of a comparison: transforms of one proposal. */
struct offer {
	const struct transform *offer_first;
	size_t offer_count;
};

static bool has_type(const struct offer *offer, u8 type)
{
	size_t i;

	for (i = 0; i < offer->offer_count; i++)
		if (offer->offer_first[i].tr_type == type)
			return true;
	return false;
}

static bool has(const struct offer *offer, const struct transform *tr)
{
	size_t i;

	for (i = 0; i < offer->offer_count; i++)
		if (transform_equal(&offer->offer_first[i], tr))
			return true;
	return false;
}

/* Not offering a type is offering its "none" (ESN: the short numbers). */
static bool has_or_none(const struct offer *offer, const struct transform *tr)
{
	return has(offer, tr) || (!tr->tr_id && !tr->tr_key_bits &&
				  !has_type(offer, tr->tr_type));
}

/* Our first transform of the type that they have too; none if that will do. */
static bool choose_type(struct proposal *out, u8 type, const struct offer *ours,
			const struct offer *theirs)
{
	struct transform none = { .tr_type = type };
	size_t i;

	if (!has_type(ours, type))
		return has_or_none(theirs, &none);
	for (i = 0; i < ours->offer_count; i++) {
		const struct transform *tr = &ours->offer_first[i];

		if (tr->tr_type == type && has_or_none(theirs, tr))
			return !has(theirs, tr) ||
				proposal_add(out, type, tr->tr_id,
					     tr->tr_key_bits);
	}
	return false;
}

static bool known_types(const struct offer *offer, u8 last)
{
	size_t i;

	for (i = 0; i < offer->offer_count; i++)
		if (!offer->offer_first[i].tr_type ||
		    offer->offer_first[i].tr_type > last)
			return false;
	return true;
}

/* Additional key exchanges may not be twice the same (RFC 9370 section 2.2.1). */
static bool is_chosen(const struct proposal *out, u16 id)
{
	size_t i;

	for (i = 0; i < out->prop_count; i++)
		if (out->prop_transforms[i].tr_type > TRANSFORM_ESN &&
		    out->prop_transforms[i].tr_id == id)
			return true;
	return false;
}

/* From this type on, so that no two are the same: a choice may be taken back. */
static bool choose_addke(struct proposal *out, u8 type,
			 const struct offer *ours, const struct offer *theirs)
{
	struct transform none = { .tr_type = type };
	size_t i, before = out->prop_count;

	if (type > TRANSFORM_ADDKE7)
		return true;
	if (!has_type(ours, type))
		return choose_type(out, type, ours, theirs) &&
		       choose_addke(out, type + 1, ours, theirs);
	for (i = 0; i < ours->offer_count; i++) {
		const struct transform *tr = &ours->offer_first[i];

		if (tr->tr_type != type || !has_or_none(theirs, tr) ||
		    (!transform_equal(tr, &none) && is_chosen(out, tr->tr_id)))
			continue;
		if ((!has(theirs, tr) ||
		     proposal_add(out, type, tr->tr_id, tr->tr_key_bits)) &&
		    choose_addke(out, type + 1, ours, theirs))
			return true;
		out->prop_count = (u8)before;
	}
	return false;
}

static bool choose(struct proposal *out, const struct proposal *ours,
		   const struct offer *theirs, enum select_rule rule)
{
	struct offer mine = { ours->prop_transforms, ours->prop_count };
	u8 type;

	memset(out, 0, sizeof(*out));
	out->prop_protocol = ours->prop_protocol;
	if (!known_types(theirs, rule == SELECT_NO_ADDKE ? TRANSFORM_ESN :
							   TRANSFORM_ADDKE7))
		return false;
	for (type = TRANSFORM_ENCR; type <= TRANSFORM_ESN; type++) {
		if (type == TRANSFORM_KE && rule == SELECT_NO_KE)
			continue;
		if (!choose_type(out, type, &mine, theirs))
			return false;
	}
	return rule == SELECT_NO_KE ||
	       choose_addke(out, TRANSFORM_ADDKE1, &mine, theirs);
}

bool select_allows(const struct proposal *ours, const struct proposal *chosen)
{
	struct offer theirs = { chosen->prop_transforms, chosen->prop_count };
	struct proposal again;
	size_t i;

	if (!choose(&again, ours, &theirs, SELECT_ALL))
		return false;
	for (i = 0; i < chosen->prop_count; i++)
		if (!proposal_has(&again, &chosen->prop_transforms[i]))
			return false;
	return true;
}

static bool spi_fits(const struct msg_proposal *mp, enum select_rule rule)
{
	size_t ike = rule == SELECT_IKE_REKEY ? MSG_SPI_LEN : 0;

	return mp->mp_spi_len ==
		(mp->mp_protocol == PROTO_IKE ? ike : MSG_ESP_SPI_LEN);
}

bool select_proposal(struct selection *sel, const struct proposal *ours,
		     size_t count, const struct message *msg,
		     enum select_rule rule)
{
	size_t i, k;

	for (i = 0; i < count; i++) {
		for (k = 0; k < msg->msg_n_proposals; k++) {
			const struct msg_proposal *mp = &msg->msg_proposals[k];
			struct offer theirs = {
				msg->msg_transforms + mp->mp_first,
				mp->mp_count,
			};

			if (mp->mp_protocol != ours[i].prop_protocol ||
			    !spi_fits(mp, rule) ||
			    !choose(&sel->sel_proposal, &ours[i], &theirs,
				    rule))
				continue;
			sel->sel_number = mp->mp_number;
			sel->sel_spi = mp->mp_spi;
			sel->sel_spi_len = mp->mp_spi_len;
			return true;
		}
	}
	return false;
}

static bool single(const struct message *msg)
{
	size_t i, k;

	for (i = 0; i < msg->msg_n_transforms; i++)
		for (k = 0; k < i; k++)
			if (msg->msg_transforms[i].tr_type ==
			    msg->msg_transforms[k].tr_type)
				return false;
	return true;
}

bool select_answer(struct selection *sel, const struct proposal *ours,
		   size_t count, const struct message *msg,
		   enum select_rule rule)
{
	size_t number;

	if (msg->msg_n_proposals != 1 || !single(msg))
		return false;
	number = msg->msg_proposals[0].mp_number;
	if (!number || number > count)
		return false;
	return select_proposal(sel, &ours[number - 1], 1, msg, rule);
}

u16 select_id(const struct proposal *prop, u8 type)
{
	const struct transform *tr = proposal_first(prop, type);

	return tr ? tr->tr_id : 0;
}

void select_suite(struct ike_suite *suite, const struct proposal *prop)
{
	const struct transform *encr = proposal_first(prop, TRANSFORM_ENCR);

	memset(suite, 0, sizeof(*suite));
	if (encr) {
		suite->suite_encr = encr->tr_id;
		suite->suite_encr_bits = encr->tr_key_bits;
	}
	suite->suite_prf = select_id(prop, TRANSFORM_PRF);
	suite->suite_integ = select_id(prop, TRANSFORM_INTEG);
	suite->suite_ke = select_id(prop, TRANSFORM_KE);
	suite->suite_n_addke = (u8)select_addke(prop, suite->suite_addke);
}

size_t select_addke(const struct proposal *prop, u16 ids[SUITE_ADDKE_MAX])
{
	size_t count = 0;
	u8 type;

	for (type = TRANSFORM_ADDKE1; type <= TRANSFORM_ADDKE7; type++)
		if (select_id(prop, type))
			ids[count++] = select_id(prop, type);
	return count;
}

size_t select_strip_ke(struct proposal *out, const struct proposal *props,
		       size_t count)
{
	size_t i, k;

	for (i = 0; i < count; i++) {
		memset(&out[i], 0, sizeof(out[i]));
		out[i].prop_protocol = props[i].prop_protocol;
		for (k = 0; k < props[i].prop_count; k++) {
			const struct transform *tr =
				&props[i].prop_transforms[k];

			if (tr->tr_type != TRANSFORM_KE &&
			    tr->tr_type <= TRANSFORM_ESN)
				proposal_add(&out[i], tr->tr_type, tr->tr_id,
					     tr->tr_key_bits);
		}
	}
	return count;
}

static bool already(const struct ts *list, size_t count, const struct ts *ts)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (ts_equal(&list[i], ts))
			return true;
	return false;
}

size_t select_offer(struct ts *out, size_t room, const struct ts_pair *pairs,
		    size_t count, bool local)
{
	size_t i, used = 0;

	for (i = 0; i < count && used < room; i++) {
		const struct ts *ts = local ? &pairs[i].pair_local :
			&pairs[i].pair_remote;

		if (!already(out, used, ts))
			out[used++] = *ts;
	}
	return used;
}

/* Adds a pair unless one covers it, and drops those that it covers. */
static size_t add_pair(struct ts_pair *out, size_t count,
		       const struct ts_pair *pair)
{
	size_t i, kept = 0;

	for (i = 0; i < count; i++)
		if (ts_pair_covers(&out[i], pair))
			return count;
	for (i = 0; i < count; i++)
		if (!ts_pair_covers(pair, &out[i]))
			out[kept++] = out[i];
	if (kept < CONF_TS_MAX)
		out[kept++] = *pair;
	return kept;
}

static bool intersect(struct ts_pair *out, const struct ts_pair *pair,
		      const struct ts *local, const struct ts *remote)
{
	u8 *a = &out->pair_local.ts_protocol;
	u8 *b = &out->pair_remote.ts_protocol;

	if (!ts_intersect(&out->pair_local, &pair->pair_local, local) ||
	    !ts_intersect(&out->pair_remote, &pair->pair_remote, remote))
		return false;
	if (!*a)
		*a = *b;
	if (!*b)
		*b = *a;
	return *a == *b;
}

size_t select_narrow(struct ts_pair *out, const struct ts_pair *pairs,
		     size_t count, const struct msg_ts *local,
		     const struct msg_ts *remote)
{
	size_t i, l, r, used = 0;
	struct ts_pair pair;

	for (i = 0; i < count; i++)
		for (l = 0; l < local->mts_count; l++)
			for (r = 0; r < remote->mts_count; r++)
				if (intersect(&pair, &pairs[i],
					      &local->mts_ts[l],
					      &remote->mts_ts[r]))
					used = add_pair(out, used, &pair);
	return used;
}
