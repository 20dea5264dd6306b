/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages in several datagrams (RFC 7383), each sealed by itself, so that a
 * part is authentic before it is kept. What is kept is bounded in number,
 * bytes and time.
 */
#ifndef CYGNETD_FRAGMENT_H
#define CYGNETD_FRAGMENT_H

#include "emit.h"
#include "timer.h"

#define FRAGMENTS_MAX		64	/* of one message */
#define FRAGMENT_BYTES_MAX	32768	/* of one message, decrypted */

struct ike_sa;

/* A message of which parts are still to come. */
struct reassembly {
	struct ike_sa *re_sa;
	struct msg_header re_hdr;	/* of the part that came first */
	u16 re_total, re_have;
	u8 re_next;			/* type of its first payload */
	size_t re_bytes;
	struct timer re_timer;		/* when it is forgotten */
	u8 *re_first;			/* part 1 as it came */
	size_t re_first_len;
	struct {
		u8 *part_data;		/* decrypted; NULL: not there */
		size_t part_len;
	} re_parts[FRAGMENTS_MAX];
};

/**
 * fragment_seal() - what goes on the wire for a message
 * @sa: whose keys and path
 * @em: the message, complete and in clear: sealed if it fits into one packet,
 *	only finished if it has no Encrypted payload
 * @out: datagrams one after the other, to be freed by the caller
 * @out_len: their length together; each says its own in the IKE header
 *
 * Return: false if the message has no room or there is no memory.
 */
bool fragment_seal(struct ike_sa *sa, struct emit *em, u8 **out,
		   size_t *out_len);
/* It could get through in smaller pieces than now. */
bool fragment_may_shrink(const struct ike_sa *sa, const struct emit *em);

/* Worth decrypting: it is not here yet, and no larger split has begun. */
bool fragment_wanted(const struct ike_sa *sa, const struct msg_header *hdr,
		     const struct msg_fragment *frag);
/**
 * fragment_add() - keep an authentic part
 * @sa: whose it is
 * @hdr: its header
 * @frag: which part it is
 * @raw: the datagram
 * @plain: its inside
 * @plain_len: length of that
 *
 * Return: all parts when this was the last one, to be freed by the caller with
 * fragment_free(); else NULL.
 */
struct reassembly *fragment_add(struct ike_sa *sa, const struct msg_header *hdr,
				const struct msg_fragment *frag,
				const struct msg_blob *raw, const u8 *plain,
				size_t plain_len);
/* All of it in one piece, re_bytes long, for the caller to free; or NULL. */
u8 *fragment_join(const struct reassembly *re);
void fragment_free(struct reassembly *re);
/* Forgets the request or answer (by the header's flags) not come whole. */
void fragment_forget(struct ike_sa *sa, u8 flags);

#endif
