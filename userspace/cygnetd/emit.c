// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writing IKEv2 messages.
 */
#include <string.h>

#include "emit.h"
#include "wire.h"

#define GENERIC_LEN		4
#define KEY_LENGTH_TV		0x800e

static u8 *reserve(struct emit *em, size_t len)
{
	u8 *p;

	if (em->em_full || len > sizeof(em->em_data) - em->em_len) {
		em->em_full = true;
		return NULL;
	}
	p = em->em_data + em->em_len;
	em->em_len += len;
	return p;
}

void emit_bytes(struct emit *em, const void *data, size_t len)
{
	u8 *p = reserve(em, len);

	if (p && len)
		memcpy(p, data, len);
}

void emit_u8(struct emit *em, u8 value)
{
	emit_bytes(em, &value, 1);
}

void emit_u16(struct emit *em, u16 value)
{
	u8 p[2];

	put_be16(p, value);
	emit_bytes(em, p, sizeof(p));
}

static void emit_zeros(struct emit *em, size_t len)
{
	u8 *p = reserve(em, len);

	if (p)
		memset(p, 0, len);
}

/* The length field, two bytes into whatever begins at @start. */
static void patch_len(struct emit *em, size_t start)
{
	if (!em->em_full)
		put_be16(em->em_data + start + 2, (u16)(em->em_len - start));
}

void emit_begin(struct emit *em, const struct msg_header *hdr)
{
	u8 *p;

	em->em_len = 0;
	em->em_full = false;
	em->em_sk = 0;
	em->em_next = 16;
	p = reserve(em, MSG_HEADER_LEN);
	memcpy(p, hdr->hdr_spi_i, MSG_SPI_LEN);
	memcpy(p + 8, hdr->hdr_spi_r, MSG_SPI_LEN);
	p[16] = PAYLOAD_NONE;
	p[17] = hdr->hdr_version;
	p[18] = hdr->hdr_exchange;
	p[19] = hdr->hdr_flags;
	put_be32(p + 20, hdr->hdr_id);
	put_be32(p + 24, 0);
}

void emit_open(struct emit *em, u8 type)
{
	em->em_open = em->em_len;
	if (!em->em_full)
		em->em_data[em->em_next] = type;
	em->em_next = em->em_len;
	emit_zeros(em, GENERIC_LEN);
}

void emit_close(struct emit *em)
{
	patch_len(em, em->em_open);
}

static void emit_iv(struct emit *em, const struct ike_suite *suite)
{
	em->em_sk = em->em_open;
	em->em_iv = em->em_len;
	emit_zeros(em, crypto_iv_len(suite));
	em->em_plain = em->em_len;
}

void emit_sk(struct emit *em, const struct ike_suite *suite)
{
	emit_open(em, PAYLOAD_SK);
	emit_iv(em, suite);
}

void emit_skf(struct emit *em, const struct ike_suite *suite, u8 next,
	      u16 number, u16 total)
{
	emit_open(em, PAYLOAD_SKF);
	em->em_data[em->em_open] = next;
	emit_u16(em, number);
	emit_u16(em, total);
	emit_iv(em, suite);
}

void emit_again(struct emit *em, const struct ike_suite *suite, const u8 *data,
		size_t len)
{
	em->em_len = 0;
	em->em_full = false;
	emit_bytes(em, data, len);
	em->em_sk = MSG_HEADER_LEN;
	em->em_iv = MSG_HEADER_LEN + GENERIC_LEN;
	em->em_plain = em->em_iv + crypto_iv_len(suite);
}

static void emit_transform(struct emit *em, const struct transform *tr,
			   bool last)
{
	size_t start = em->em_len;

	emit_u16(em, last ? 0 : 3 << 8);
	emit_u16(em, 0);
	emit_u16(em, (u16)(tr->tr_type << 8));
	emit_u16(em, tr->tr_id);
	if (tr->tr_key_bits) {
		emit_u16(em, KEY_LENGTH_TV);
		emit_u16(em, tr->tr_key_bits);
	}
	patch_len(em, start);
}

static void emit_proposal(struct emit *em, const struct proposal *prop,
			  u8 number, bool last, const void *spi, u8 spi_len)
{
	size_t start = em->em_len;
	unsigned int i;

	emit_u16(em, last ? 0 : 2 << 8);
	emit_u16(em, 0);
	emit_u8(em, number);
	emit_u8(em, prop->prop_protocol);
	emit_u8(em, spi_len);
	emit_u8(em, prop->prop_count);
	emit_bytes(em, spi, spi_len);
	for (i = 0; i < prop->prop_count; i++)
		emit_transform(em, &prop->prop_transforms[i],
			       i + 1 == prop->prop_count);
	patch_len(em, start);
}

void emit_sa(struct emit *em, const struct proposal *props, size_t count,
	     const void *spi, u8 spi_len)
{
	size_t i;

	emit_open(em, PAYLOAD_SA);
	for (i = 0; i < count; i++)
		emit_proposal(em, &props[i], (u8)(i + 1), i + 1 == count, spi,
			      spi_len);
	emit_close(em);
}

void emit_sa_chosen(struct emit *em, const struct proposal *prop, u8 number,
		    const void *spi, u8 spi_len)
{
	emit_open(em, PAYLOAD_SA);
	emit_proposal(em, prop, number, true, spi, spi_len);
	emit_close(em);
}

void emit_ke(struct emit *em, u16 group, const u8 *data, size_t len)
{
	emit_open(em, PAYLOAD_KE);
	emit_u16(em, group);
	emit_u16(em, 0);
	emit_bytes(em, data, len);
	emit_close(em);
}

void emit_nonce(struct emit *em, const u8 *data, size_t len)
{
	emit_open(em, PAYLOAD_NONCE);
	emit_bytes(em, data, len);
	emit_close(em);
}

void emit_id(struct emit *em, u8 type, const struct conf_id *id)
{
	emit_open(em, type);
	emit_u8(em, id->id_type);
	emit_zeros(em, 3);
	emit_bytes(em, id->id_data, id->id_len);
	emit_close(em);
}

void emit_auth(struct emit *em, u8 method, const u8 *data, size_t len)
{
	emit_open(em, PAYLOAD_AUTH);
	emit_u8(em, method);
	emit_zeros(em, 3);
	emit_bytes(em, data, len);
	emit_close(em);
}

static void emit_selector(struct emit *em, const struct ts *ts)
{
	const struct ip_range *range = &ts->ts_addrs;
	size_t alen = ip_addr_len(&range->range_first);

	emit_u8(em, alen == 4 ? 7 : 8);
	emit_u8(em, ts->ts_protocol);
	emit_u16(em, (u16)(8 + 2 * alen));
	emit_u16(em, ts->ts_port_first);
	emit_u16(em, ts->ts_port_last);
	emit_bytes(em, range->range_first.ip_bytes, alen);
	emit_bytes(em, range->range_last.ip_bytes, alen);
}

void emit_ts(struct emit *em, u8 type, const struct ts *ts, size_t count)
{
	size_t i;

	emit_open(em, type);
	emit_u8(em, (u8)count);
	emit_zeros(em, 3);
	for (i = 0; i < count; i++)
		emit_selector(em, &ts[i]);
	emit_close(em);
}

void emit_notify(struct emit *em, u16 type, const void *data, size_t len)
{
	emit_open(em, PAYLOAD_NOTIFY);
	emit_u16(em, 0);
	emit_u16(em, type);
	emit_bytes(em, data, len);
	emit_close(em);
}

void emit_notify_child(struct emit *em, u8 protocol, u16 type, u32 spi)
{
	emit_open(em, PAYLOAD_NOTIFY);
	emit_u8(em, protocol);
	emit_u8(em, sizeof(spi));
	emit_u16(em, type);
	emit_bytes(em, &spi, sizeof(spi));
	emit_close(em);
}

void emit_delete_ike(struct emit *em)
{
	emit_open(em, PAYLOAD_DELETE);
	emit_u8(em, PROTO_IKE);
	emit_zeros(em, 3);
	emit_close(em);
}

void emit_delete_children(struct emit *em, u8 protocol, const u32 *spis,
			  u16 count)
{
	emit_open(em, PAYLOAD_DELETE);
	emit_u8(em, protocol);
	emit_u8(em, sizeof(*spis));
	emit_u16(em, count);
	emit_bytes(em, spis, count * sizeof(*spis));
	emit_close(em);
}

bool emit_finish(struct emit *em)
{
	if (!em->em_full)
		put_be32(em->em_data + 24, (u32)em->em_len);
	return !em->em_full;
}

bool emit_seal(struct emit *em, const struct ike_suite *suite,
	       const struct ike_key *encr, const struct ike_key *integ,
	       u64 counter)
{
	size_t pad = crypto_pad_len(suite, em->em_len - em->em_plain + 1);

	emit_zeros(em, pad);
	emit_u8(em, (u8)pad);
	emit_zeros(em, crypto_icv_len(suite));
	patch_len(em, em->em_sk);
	if (!emit_finish(em))
		return false;
	return crypto_seal(suite, encr, integ, counter, em->em_data,
			   em->em_iv, em->em_len);
}
