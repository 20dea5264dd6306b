// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Parsing IKEv2 messages. Every length is checked before it is used, and
 * everything that a peer can repeat is counted.
 */
#include <stdio.h>
#include <string.h>

#include "message.h"
#include "wire.h"

#define GENERIC_LEN		4
#define PROPOSAL_LEN		8
#define TRANSFORM_LEN		8
#define TS_TYPE_IPV4		7
#define TS_TYPE_IPV6		8
#define TS_LEN			8	/* before the addresses */
#define ATTRIBUTE_KEY_LENGTH	14
#define ATTRIBUTE_TV		0x8000

#define ONCE (PL(SA) | PL(KE) | PL(ID_I) | PL(ID_R) | PL(AUTH) | PL(NONCE) | \
	      PL(TS_I) | PL(TS_R))

const char *msg_parse_header(struct msg_header *hdr, const u8 *buf, size_t len)
{
	if (len < MSG_HEADER_LEN)
		return "shorter than an IKE header";
	memcpy(hdr->hdr_spi_i, buf, MSG_SPI_LEN);
	memcpy(hdr->hdr_spi_r, buf + 8, MSG_SPI_LEN);
	hdr->hdr_next = buf[16];
	hdr->hdr_version = buf[17];
	hdr->hdr_exchange = buf[18];
	hdr->hdr_flags = buf[19];
	hdr->hdr_id = get_be32(buf + 20);
	hdr->hdr_len = get_be32(buf + 24);
	if (hdr->hdr_len != len)
		return "length field is not the datagram's length";
	if (len > MSG_LEN_MAX)
		return "longer than any message taken";
	return NULL;
}

/* Key lengths are TV; any other attribute makes the transform unusable. */
static const char *parse_attributes(struct transform *tr, const u8 *p,
				    size_t len)
{
	u16 type, value;

	while (len) {
		if (len < 4)
			return "transform attribute cut off";
		type = get_be16(p);
		value = get_be16(p + 2);
		if (type == (ATTRIBUTE_TV | ATTRIBUTE_KEY_LENGTH) &&
		    value && !tr->tr_key_bits) {
			tr->tr_key_bits = value;
			value = 0;
		} else {
			tr->tr_key_bits = MSG_KEY_BITS_UNKNOWN;
			if (type & ATTRIBUTE_TV)
				value = 0;
		}
		if (value > len - 4)
			return "transform attribute longer than its transform";
		p += 4 + value;
		len -= 4 + value;
	}
	return NULL;
}

static const char *parse_transforms(struct message *msg,
				    struct msg_proposal *mp, u8 count,
				    const u8 *p, size_t len)
{
	const char *err;
	u8 i;

	mp->mp_first = msg->msg_n_transforms;
	mp->mp_count = count;
	for (i = 0; i < count; i++) {
		struct transform *tr;
		size_t tlen;

		if (len < TRANSFORM_LEN)
			return "transform cut off";
		tlen = get_be16(p + 2);
		if (tlen < TRANSFORM_LEN || tlen > len)
			return "transform length out of bounds";
		if (p[0] != (i + 1 < count ? 3 : 0))
			return "transform chain does not match its count";
		if (msg->msg_n_transforms == MSG_TRANSFORMS_MAX)
			return "too many transforms";
		tr = &msg->msg_transforms[msg->msg_n_transforms++];
		tr->tr_type = p[4];
		tr->tr_id = get_be16(p + 6);
		tr->tr_key_bits = 0;
		err = parse_attributes(tr, p + TRANSFORM_LEN,
				       tlen - TRANSFORM_LEN);
		if (err)
			return err;
		p += tlen;
		len -= tlen;
	}
	return len ? "bytes after the last transform" : NULL;
}

static const char *parse_proposal(struct message *msg, const u8 *p, size_t len)
{
	struct msg_proposal *mp;
	size_t spi_len = p[6];

	if (msg->msg_n_proposals == MSG_PROPOSALS_MAX)
		return "too many proposals";
	if (spi_len > MSG_SPI_LEN || spi_len > len - PROPOSAL_LEN)
		return "proposal SPI out of bounds";
	mp = &msg->msg_proposals[msg->msg_n_proposals++];
	mp->mp_number = p[4];
	mp->mp_protocol = p[5];
	mp->mp_spi_len = (u8)spi_len;
	mp->mp_spi = p + PROPOSAL_LEN;
	return parse_transforms(msg, mp, p[7], p + PROPOSAL_LEN + spi_len,
				len - PROPOSAL_LEN - spi_len);
}

static const char *parse_sa(struct message *msg, const u8 *p, size_t len)
{
	bool more = true;

	while (more) {
		const char *err;
		size_t plen;

		if (len < PROPOSAL_LEN)
			return "proposal cut off";
		plen = get_be16(p + 2);
		if (plen < PROPOSAL_LEN || plen > len)
			return "proposal length out of bounds";
		if (p[0] != 0 && p[0] != 2)
			return "proposal chain broken";
		err = parse_proposal(msg, p, plen);
		if (err)
			return err;
		more = p[0] == 2;
		p += plen;
		len -= plen;
	}
	return len ? "bytes after the last proposal" : NULL;
}

static const char *parse_ke(struct message *msg, const u8 *p, size_t len)
{
	if (len < 5)
		return "KE payload cut off";
	msg->msg_ke_group = get_be16(p);
	msg->msg_ke = (struct msg_blob){ p + 4, len - 4 };
	return NULL;
}

static const char *parse_nonce(struct message *msg, const u8 *p, size_t len)
{
	if (len < MSG_NONCE_MIN || len > MSG_NONCE_MAX)
		return "nonce not of 16 to 256 bytes";
	msg->msg_nonce = (struct msg_blob){ p, len };
	return NULL;
}

static const char *parse_id(struct msg_id *id, const u8 *p, size_t len)
{
	if (len < 5)
		return "identification payload cut off";
	if (len - 4 > CONF_ID_MAX)
		return "identity too long";
	id->mi_id.id_type = p[0];
	id->mi_id.id_len = (u16)(len - 4);
	memcpy(id->mi_id.id_data, p + 4, len - 4);
	id->mi_body = (struct msg_blob){ p, len };
	return NULL;
}

static const char *parse_auth(struct message *msg, const u8 *p, size_t len)
{
	if (len < 5)
		return "AUTH payload cut off";
	msg->msg_auth_method = p[0];
	msg->msg_auth = (struct msg_blob){ p + 4, len - 4 };
	return NULL;
}

static const char *parse_cert(struct message *msg, const u8 *p, size_t len)
{
	if (len < 2)
		return "CERT payload cut off";
	if (msg->msg_n_certs == MSG_CERTS_MAX)
		return "too many certificates";
	msg->msg_certs[msg->msg_n_certs++] =
		(struct msg_cert){ p[0], { p + 1, len - 1 } };
	return NULL;
}

/* A wish; what there is no room for is not kept. */
static const char *parse_certreq(struct message *msg, const u8 *p, size_t len)
{
	if (len < 1)
		return "CERTREQ payload cut off";
	if (msg->msg_n_certreqs < MSG_CERTREQS_MAX)
		msg->msg_certreqs[msg->msg_n_certreqs++] =
			(struct msg_cert){ p[0], { p + 1, len - 1 } };
	return NULL;
}

static const char *parse_notify(struct message *msg, const u8 *p, size_t len)
{
	struct msg_notify_payload *mn;
	size_t spi_len;

	if (len < 4)
		return "notify payload cut off";
	spi_len = p[1];
	if (spi_len > len - 4)
		return "notify SPI out of bounds";
	if (msg->msg_n_notifies == MSG_NOTIFIES_MAX)
		return "too many notify payloads";
	mn = &msg->msg_notifies[msg->msg_n_notifies++];
	mn->mn_protocol = p[0];
	mn->mn_type = get_be16(p + 2);
	mn->mn_spi = (struct msg_blob){ p + 4, spi_len };
	mn->mn_data = (struct msg_blob){ p + 4 + spi_len, len - 4 - spi_len };
	return NULL;
}

static const char *parse_delete(struct message *msg, const u8 *p, size_t len)
{
	struct msg_delete *md;

	if (len < 4)
		return "delete payload cut off";
	if ((size_t)p[1] * get_be16(p + 2) != len - 4)
		return "delete payload's SPIs do not fill it";
	if (msg->msg_n_deletes == MSG_DELETES_MAX)
		return "too many delete payloads";
	md = &msg->msg_deletes[msg->msg_n_deletes++];
	md->md_protocol = p[0];
	md->md_spi_len = p[1];
	md->md_count = get_be16(p + 2);
	md->md_spis = p + 4;
	return NULL;
}

/* False if the selector is of a type that we do not know, or empty. */
static bool read_ts(struct ts *ts, const u8 *p, size_t len)
{
	size_t alen = p[0] == TS_TYPE_IPV4 ? 4 : 16;
	u16 first = get_be16(p + 4), last = get_be16(p + 6);

	if ((p[0] != TS_TYPE_IPV4 && p[0] != TS_TYPE_IPV6) ||
	    len != TS_LEN + 2 * alen)
		return false;
	if (first > last)		/* OPAQUE: not supported */
		return false;
	ts->ts_protocol = p[1];
	ts->ts_port_first = first;
	ts->ts_port_last = last;
	ip_addr_set(&ts->ts_addrs.range_first, p + TS_LEN, alen);
	ip_addr_set(&ts->ts_addrs.range_last, p + TS_LEN + alen, alen);
	return ip_addr_cmp(&ts->ts_addrs.range_first,
			   &ts->ts_addrs.range_last) <= 0;
}

static const char *parse_ts(struct msg_ts *mts, const u8 *p, size_t len)
{
	unsigned int i, count;

	if (len < 4)
		return "traffic selector payload cut off";
	count = p[0];
	if (!count)
		return "traffic selector payload without selectors";
	p += 4;
	len -= 4;
	for (i = 0; i < count; i++) {
		size_t tlen;

		if (len < TS_LEN)
			return "traffic selector cut off";
		tlen = get_be16(p + 2);
		if (tlen < TS_LEN || tlen > len)
			return "traffic selector length out of bounds";
		if (mts->mts_count < MSG_TS_MAX &&
		    read_ts(&mts->mts_ts[mts->mts_count], p, tlen))
			mts->mts_count++;
		p += tlen;
		len -= tlen;
	}
	return len ? "bytes after the last traffic selector" : NULL;
}

static const char *parse_body(struct message *msg, u8 type, const u8 *p,
			      size_t len)
{
	switch (type) {
	case PAYLOAD_SA:
		return parse_sa(msg, p, len);
	case PAYLOAD_KE:
		return parse_ke(msg, p, len);
	case PAYLOAD_ID_I:
		return parse_id(&msg->msg_id_i, p, len);
	case PAYLOAD_ID_R:
		return parse_id(&msg->msg_id_r, p, len);
	case PAYLOAD_CERT:
		return parse_cert(msg, p, len);
	case PAYLOAD_CERTREQ:
		return parse_certreq(msg, p, len);
	case PAYLOAD_AUTH:
		return parse_auth(msg, p, len);
	case PAYLOAD_NONCE:
		return parse_nonce(msg, p, len);
	case PAYLOAD_NOTIFY:
		return parse_notify(msg, p, len);
	case PAYLOAD_DELETE:
		return parse_delete(msg, p, len);
	case PAYLOAD_TS_I:
		return parse_ts(&msg->msg_ts_i, p, len);
	case PAYLOAD_TS_R:
		return parse_ts(&msg->msg_ts_r, p, len);
	case PAYLOAD_SK:
		return "Encrypted payload where none belongs";
	}
	return NULL;	/* known by number, not looked into */
}

static const char *parse_payload(struct message *msg, u8 type, const u8 *p,
				 size_t len)
{
	u32 bit;

	if (type < PAYLOAD_SA || type > PAYLOAD_EAP) {
		if (p[1] & 0x80 && !msg->msg_critical)
			msg->msg_critical = type;
		return NULL;
	}
	bit = 1u << (type - PAYLOAD_SA);
	if (msg->msg_seen & bit & ONCE)
		return "a payload that may stand only once stands twice";
	msg->msg_seen |= bit;
	return parse_body(msg, type, p + GENERIC_LEN, len - GENERIC_LEN);
}

const char *msg_parse_payloads(struct message *msg, u8 next, const u8 *buf,
			       size_t len)
{
	while (next != PAYLOAD_NONE && !msg->msg_critical) {
		const char *err;
		size_t plen;

		if (len < GENERIC_LEN)
			return "payload cut off";
		plen = get_be16(buf + 2);
		if (plen < GENERIC_LEN || plen > len)
			return "payload length out of bounds";
		if (++msg->msg_count > MSG_PAYLOADS_MAX)
			return "too many payloads";
		err = parse_payload(msg, next, buf, plen);
		if (err)
			return err;
		next = buf[0];
		buf += plen;
		len -= plen;
	}
	return len && !msg->msg_critical ? "bytes after the last payload" : NULL;
}

/* Only what is counted and looked at before it is filled is cleared. */
static const char *begin(struct message *msg, const u8 *buf, size_t len)
{
	msg->msg_raw = (struct msg_blob){ buf, len };
	msg->msg_seen = 0;
	msg->msg_count = 0;
	msg->msg_critical = 0;
	msg->msg_n_proposals = 0;
	msg->msg_n_transforms = 0;
	msg->msg_n_notifies = 0;
	msg->msg_n_deletes = 0;
	msg->msg_n_certs = 0;
	msg->msg_n_certreqs = 0;
	msg->msg_ke_group = KE_NONE;
	msg->msg_ke = (struct msg_blob){ NULL, 0 };
	msg->msg_nonce = (struct msg_blob){ NULL, 0 };
	msg->msg_auth = (struct msg_blob){ NULL, 0 };
	msg->msg_auth_method = 0;
	msg->msg_id_i.mi_id.id_len = 0;
	msg->msg_id_r.mi_id.id_len = 0;
	msg->msg_ts_i.mts_count = 0;
	msg->msg_ts_r.mts_count = 0;
	return msg_parse_header(&msg->msg_hdr, buf, len);
}

const char *msg_parse(struct message *msg, const u8 *buf, size_t len)
{
	const char *err = begin(msg, buf, len);

	if (err)
		return err;
	return msg_parse_payloads(msg, msg->msg_hdr.hdr_next,
				  buf + MSG_HEADER_LEN, len - MSG_HEADER_LEN);
}

const char *msg_parse_sk(struct message *msg, const u8 *buf, size_t len,
			 u8 *next, struct msg_blob *body)
{
	const char *err = begin(msg, buf, len);
	const u8 *p = buf + MSG_HEADER_LEN;
	size_t left = len - MSG_HEADER_LEN;

	if (err)
		return err;
	if (msg->msg_hdr.hdr_next != PAYLOAD_SK)
		return "not protected";
	if (left < GENERIC_LEN || get_be16(p + 2) != left)
		return "Encrypted payload does not fill the message";
	*next = p[0];
	*body = (struct msg_blob){ p + GENERIC_LEN, left - GENERIC_LEN };
	return NULL;
}

const char *msg_parse_skf(struct message *msg, const u8 *buf, size_t len,
			  struct msg_fragment *frag)
{
	const char *err = begin(msg, buf, len);
	const u8 *p = buf + MSG_HEADER_LEN;
	size_t left = len - MSG_HEADER_LEN;

	if (err)
		return err;
	if (msg->msg_hdr.hdr_next != PAYLOAD_SKF)
		return "no fragment";
	if (left < 2 * GENERIC_LEN || get_be16(p + 2) != left)
		return "Encrypted Fragment payload does not fill the message";
	frag->mf_next = p[0];
	frag->mf_number = get_be16(p + 4);
	frag->mf_total = get_be16(p + 6);
	if (!frag->mf_number || frag->mf_number > frag->mf_total)
		return "fragment of a number that is not there";
	return NULL;
}

const struct msg_notify_payload *msg_notify(const struct message *msg, u16 type)
{
	unsigned int i;

	for (i = 0; i < msg->msg_n_notifies; i++)
		if (msg->msg_notifies[i].mn_type == type)
			return &msg->msg_notifies[i];
	return NULL;
}

const struct msg_notify_payload *msg_notify_error(const struct message *msg)
{
	unsigned int i;

	for (i = 0; i < msg->msg_n_notifies; i++)
		if (msg->msg_notifies[i].mn_type <= N_ERROR_LAST)
			return &msg->msg_notifies[i];
	return NULL;
}

void msg_proposal_copy(struct proposal *out, const struct message *msg,
		       const struct msg_proposal *mp)
{
	unsigned int i;

	memset(out, 0, sizeof(*out));
	out->prop_protocol = mp->mp_protocol;
	for (i = 0; i < mp->mp_count && i < PROPOSAL_TRANSFORMS_MAX; i++)
		out->prop_transforms[out->prop_count++] =
			msg->msg_transforms[mp->mp_first + i];
}

const char *msg_exchange_name(u8 type, char buf[16])
{
	switch (type) {
	case IKE_SA_INIT:
		return "IKE_SA_INIT";
	case IKE_AUTH:
		return "IKE_AUTH";
	case CREATE_CHILD_SA:
		return "CREATE_CHILD_SA";
	case INFORMATIONAL:
		return "INFORMATIONAL";
	case IKE_INTERMEDIATE:
		return "IKE_INTERMEDIATE";
	case IKE_FOLLOWUP_KE:
		return "IKE_FOLLOWUP_KE";
	}
	snprintf(buf, 16, "exchange %u", type);
	return buf;
}

static const struct {
	u16 name_type;
	const char *name_text;
} notify_names[] = {
#define NAME(type) { N_##type, #type }
	NAME(UNSUPPORTED_CRITICAL_PAYLOAD),
	NAME(INVALID_IKE_SPI),
	NAME(INVALID_MAJOR_VERSION),
	NAME(INVALID_SYNTAX),
	NAME(INVALID_MESSAGE_ID),
	NAME(INVALID_SPI),
	NAME(NO_PROPOSAL_CHOSEN),
	NAME(INVALID_KE_PAYLOAD),
	NAME(AUTHENTICATION_FAILED),
	NAME(SINGLE_PAIR_REQUIRED),
	NAME(NO_ADDITIONAL_SAS),
	NAME(INTERNAL_ADDRESS_FAILURE),
	NAME(FAILED_CP_REQUIRED),
	NAME(TS_UNACCEPTABLE),
	NAME(INVALID_SELECTORS),
	NAME(UNACCEPTABLE_ADDRESSES),
	NAME(UNEXPECTED_NAT_DETECTED),
	NAME(TEMPORARY_FAILURE),
	NAME(CHILD_SA_NOT_FOUND),
	NAME(STATE_NOT_FOUND),
	NAME(INITIAL_CONTACT),
	NAME(SET_WINDOW_SIZE),
	NAME(ADDITIONAL_TS_POSSIBLE),
	NAME(IPCOMP_SUPPORTED),
	NAME(NAT_DETECTION_SOURCE_IP),
	NAME(NAT_DETECTION_DESTINATION_IP),
	NAME(COOKIE),
	NAME(USE_TRANSPORT_MODE),
	NAME(REKEY_SA),
	NAME(ESP_TFC_PADDING_NOT_SUPPORTED),
	NAME(NON_FIRST_FRAGMENTS_ALSO),
	NAME(MOBIKE_SUPPORTED),
	NAME(UPDATE_SA_ADDRESSES),
	NAME(COOKIE2),
	NAME(NO_NATS_ALLOWED),
	NAME(AUTH_LIFETIME),
	NAME(REDIRECT_SUPPORTED),
	NAME(REDIRECT),
	NAME(REDIRECTED_FROM),
	NAME(CHILDLESS_IKEV2_SUPPORTED),
	NAME(FRAGMENTATION_SUPPORTED),
	NAME(SIGNATURE_HASH_ALGORITHMS),
	NAME(USE_PPK),
	NAME(PPK_IDENTITY),
	NAME(NO_PPK_AUTH),
	NAME(INTERMEDIATE_EXCHANGE_SUPPORTED),
	NAME(ADDITIONAL_KEY_EXCHANGE),
#undef NAME
};

const char *msg_notify_name(u16 type, char buf[16])
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(notify_names); i++)
		if (notify_names[i].name_type == type)
			return notify_names[i].name_text;
	snprintf(buf, 16, "notify %u", type);
	return buf;
}

const char *msg_payload_name(u8 type, char buf[16])
{
	static const char *const names[] = {
		"SA", "KE", "IDi", "IDr", "CERT", "CERTREQ", "AUTH", "NONCE",
		"NOTIFY", "DELETE", "VENDOR", "TSi", "TSr", "SK", "CP", "EAP",
	};

	if (type >= PAYLOAD_SA && type <= PAYLOAD_EAP)
		return names[type - PAYLOAD_SA];
	snprintf(buf, 16, "payload %u", type);
	return buf;
}

const char *msg_set_print(u32 set, char buf[MSG_SET_STRLEN])
{
	char number[16];
	size_t used = 0;
	u8 type;

	buf[0] = '\0';
	for (type = PAYLOAD_SA; type <= PAYLOAD_EAP; type++) {
		if (!(set & 1u << (type - PAYLOAD_SA)))
			continue;
		used += (size_t)snprintf(buf + used, MSG_SET_STRLEN - used,
					 "%s%s", used ? " " : "",
					 msg_payload_name(type, number));
	}
	return buf;
}
