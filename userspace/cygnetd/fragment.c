// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Taking messages apart and putting them together.
 */
#include <openssl/crypto.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "fragment.h"
#include "wire.h"

#define UDP_LEN		8
#define MARKER_LEN	4	/* non-ESP, RFC 3948 section 2.2 */
/* What passes everywhere (RFC 7383 section 2.5.1). */
#define SMALL_IPV4	576
#define SMALL_IPV6	1280

static bool is_ipv4(const struct ike_sa *sa)
{
	return sa->sa_path.cp_remote.ep_addr.ip_family == AF_INET;
}

/* Bytes of an IP packet that are not the IKE message. */
static size_t outside(const struct ike_sa *sa)
{
	return (is_ipv4(sa) ? 20 : 40) + UDP_LEN +
		(sa->sa_path.cp_natt ? MARKER_LEN : 0);
}

static size_t limit(const struct ike_sa *sa)
{
	size_t small = is_ipv4(sa) ? SMALL_IPV4 : SMALL_IPV6;
	size_t size = sa->sa_conn->cn_conf.conn_fragment_size;

	if (!size)
		size = UINT16_MAX;	/* off, but agreed on before we knew who */
	if (sa->sa_small_fragments && size > small)
		size = small;
	return size - outside(sa);
}

/* The length of the message once it is sealed. */
static size_t sealed_len(const struct ike_sa *sa, const struct emit *em)
{
	const struct ike_suite *suite = &sa->sa_suite;

	return em->em_len + 1 + crypto_icv_len(suite) +
		crypto_pad_len(suite, em->em_len - em->em_plain + 1);
}

bool fragment_may_shrink(const struct ike_sa *sa, const struct emit *em)
{
	return sa->sa_fragments && !sa->sa_small_fragments &&
		sealed_len(sa, em) + outside(sa) >
		(is_ipv4(sa) ? SMALL_IPV4 : SMALL_IPV6);
}

/* How much of a message goes into each fragment, padding taken off. */
static size_t chunk_len(const struct ike_sa *sa)
{
	const struct ike_suite *suite = &sa->sa_suite;
	size_t room = limit(sa) - MSG_SKF_IV - crypto_iv_len(suite) -
		crypto_icv_len(suite);

	while (crypto_pad_len(suite, room))
		room--;
	return room - 1;
}

static bool append(u8 **out, size_t *out_len, const struct emit *em)
{
	u8 *grown = realloc(*out, *out_len + em->em_len);

	if (!grown)
		return false;
	memcpy(grown + *out_len, em->em_data, em->em_len);
	*out = grown;
	*out_len += em->em_len;
	return true;
}

static bool seal_part(struct ike_sa *sa, const struct emit *em, u16 number,
		      u16 total, size_t chunk, struct emit *part)
{
	size_t from = em->em_plain + (number - 1) * chunk;
	size_t left = em->em_len - from;
	struct msg_header hdr;

	msg_parse_header(&hdr, em->em_data, em->em_len);
	emit_begin(part, &hdr);
	emit_skf(part, &sa->sa_suite,
		 number == 1 ? em->em_data[em->em_sk] : PAYLOAD_NONE, number,
		 total);
	emit_bytes(part, em->em_data + from, left < chunk ? left : chunk);
	return ike_sa_seal(sa, part);
}

static bool seal_parts(struct ike_sa *sa, struct emit *em, u8 **out,
		       size_t *out_len)
{
	size_t chunk = chunk_len(sa), len = em->em_len - em->em_plain;
	u16 total = (u16)((len + chunk - 1) / chunk), number;
	struct emit part;

	if (!emit_finish(em))
		return false;
	for (number = 1; number <= total; number++)
		if (!seal_part(sa, em, number, total, chunk, &part) ||
		    !append(out, out_len, &part))
			return false;
	return true;
}

bool fragment_seal(struct ike_sa *sa, struct emit *em, u8 **out,
		   size_t *out_len)
{
	*out = NULL;
	*out_len = 0;
	if (!em->em_sk) {
		if (emit_finish(em) && append(out, out_len, em))
			return true;
	} else if (sa->sa_fragments && sealed_len(sa, em) > limit(sa)) {
		if (seal_parts(sa, em, out, out_len))
			return true;
	} else if (ike_sa_seal(sa, em) && append(out, out_len, em)) {
		return true;
	}
	free(*out);
	*out = NULL;
	return false;
}

static struct reassembly **slot(struct ike_sa *sa, u8 flags)
{
	return &sa->sa_parts[!!(flags & MSG_RESPONSE)];
}

void fragment_free(struct reassembly *re)
{
	u16 i;

	if (!re)
		return;
	timer_unset(&re->re_sa->sa_core->core_timers, &re->re_timer);
	for (i = 0; i < FRAGMENTS_MAX; i++)
		OPENSSL_clear_free(re->re_parts[i].part_data,
				   re->re_parts[i].part_len);
	free(re->re_first);
	free(re);
}

void fragment_forget(struct ike_sa *sa, u8 flags)
{
	fragment_free(*slot(sa, flags));
	*slot(sa, flags) = NULL;
}

u8 *fragment_join(const struct reassembly *re)
{
	u8 *plain = malloc(re->re_bytes + 1), *p = plain;
	u16 i;

	for (i = 0; plain && i < re->re_total; i++) {
		memcpy(p, re->re_parts[i].part_data, re->re_parts[i].part_len);
		p += re->re_parts[i].part_len;
	}
	return plain;
}

static void on_timer(void *arg)
{
	struct reassembly *re = arg;

	fragment_forget(re->re_sa, re->re_hdr.hdr_flags);
}

static bool same_message(const struct reassembly *re,
			 const struct msg_header *hdr)
{
	return re->re_hdr.hdr_id == hdr->hdr_id &&
		re->re_hdr.hdr_exchange == hdr->hdr_exchange;
}

bool fragment_wanted(const struct ike_sa *sa, const struct msg_header *hdr,
		     const struct msg_fragment *frag)
{
	const struct reassembly *re = sa->sa_parts[!!(hdr->hdr_flags & MSG_RESPONSE)];

	if (frag->mf_total > FRAGMENTS_MAX)
		return false;
	if (!re || !same_message(re, hdr) || frag->mf_total > re->re_total)
		return true;
	return frag->mf_total == re->re_total &&
		!re->re_parts[frag->mf_number - 1].part_data;
}

/* The first part of a message, or of the same one split smaller. */
static struct reassembly *begin(struct ike_sa *sa, const struct msg_header *hdr,
				u16 total)
{
	struct reassembly *re = calloc(1, sizeof(*re));
	u64 patience = 1000ull * sa->sa_conn->cn_conf.conn_retransmit_timeout;

	fragment_forget(sa, hdr->hdr_flags);
	*slot(sa, hdr->hdr_flags) = re;
	if (!re)
		return NULL;
	re->re_sa = sa;
	re->re_hdr = *hdr;
	re->re_total = total;
	timer_init(&re->re_timer, on_timer, re);
	timer_set(&sa->sa_core->core_timers, &re->re_timer,
		  core_now(sa->sa_core) + patience);
	return re;
}

static u8 *copy(const u8 *data, size_t len)
{
	u8 *p = malloc(len ? len : 1);

	if (p && len)
		memcpy(p, data, len);
	return p;
}

struct reassembly *fragment_add(struct ike_sa *sa, const struct msg_header *hdr,
				const struct msg_fragment *frag,
				const struct msg_blob *raw, const u8 *plain,
				size_t plain_len)
{
	struct reassembly *re = *slot(sa, hdr->hdr_flags);
	u16 i = (u16)(frag->mf_number - 1);

	if (!re || !same_message(re, hdr) || frag->mf_total > re->re_total)
		re = begin(sa, hdr, frag->mf_total);
	if (!re || plain_len > FRAGMENT_BYTES_MAX - re->re_bytes)
		return NULL;
	if (!i) {
		re->re_first = copy(raw->blob_data, raw->blob_len);
		re->re_first_len = raw->blob_len;
		re->re_next = frag->mf_next;
		if (!re->re_first)
			return NULL;
	}
	re->re_parts[i].part_data = copy(plain, plain_len);
	re->re_parts[i].part_len = plain_len;
	if (!re->re_parts[i].part_data)
		return NULL;
	re->re_bytes += plain_len;
	if (++re->re_have < re->re_total)
		return NULL;
	*slot(sa, hdr->hdr_flags) = NULL;
	return re;
}
