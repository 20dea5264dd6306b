/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing IKEv2 messages. A struct emit grows to a whole message; running out
 * of room is remembered and reported once, by emit_finish() or emit_seal().
 */
#ifndef CYGNETD_EMIT_H
#define CYGNETD_EMIT_H

#include "conf.h"
#include "crypto.h"
#include "message.h"

#define EMIT_MAX	8192

struct emit {
	size_t em_len;
	size_t em_next;		/* where the next payload's type belongs */
	size_t em_open;		/* where the payload being written begins */
	size_t em_sk;		/* where the Encrypted payload begins, or 0 */
	size_t em_iv;		/* where its IV begins */
	size_t em_plain;	/* and where what will be encrypted */
	bool em_full;
	u8 em_data[EMIT_MAX];
};

/* Starts a message with the header's fields; hdr_next and hdr_len are ours. */
void emit_begin(struct emit *em, const struct msg_header *hdr);
/* Everything after this is inside the Encrypted payload. */
void emit_sk(struct emit *em, const struct ike_suite *suite);

/* The same for one fragment; @next is zero in all but the first. */
void emit_skf(struct emit *em, const struct ike_suite *suite, u8 next,
	      u16 number, u16 total);

/* A message with an Encrypted payload as it was before emit_seal(). */
void emit_again(struct emit *em, const struct ike_suite *suite, const u8 *data,
		size_t len);

/* Any payload, piece by piece. */
void emit_open(struct emit *em, u8 type);
void emit_u8(struct emit *em, u8 value);
void emit_u16(struct emit *em, u16 value);
void emit_bytes(struct emit *em, const void *data, size_t len);
void emit_close(struct emit *em);

/* All proposals, numbered from 1, each with the SPI (none if spi_len is 0). */
void emit_sa(struct emit *em, const struct proposal *props, size_t count,
	     const void *spi, u8 spi_len);
/* The one chosen proposal, with the number that it had in the offer. */
void emit_sa_chosen(struct emit *em, const struct proposal *prop, u8 number,
		    const void *spi, u8 spi_len);
void emit_ke(struct emit *em, u16 group, const u8 *data, size_t len);
void emit_nonce(struct emit *em, const u8 *data, size_t len);
void emit_id(struct emit *em, u8 type, const struct conf_id *id);
void emit_auth(struct emit *em, u8 method, const u8 *data, size_t len);
void emit_ts(struct emit *em, u8 type, const struct ts *ts, size_t count);
void emit_notify(struct emit *em, u16 type, const void *data, size_t len);
/* A notify about an SA of ESP or AH. */
void emit_notify_child(struct emit *em, u8 protocol, u16 type, u32 spi);
void emit_delete_ike(struct emit *em);
void emit_delete_children(struct emit *em, u8 protocol, const u32 *spis,
			  u16 count);

/* Fills in the length of an unprotected message; false if it has no room. */
bool emit_finish(struct emit *em);
/**
 * emit_seal() - pad, encrypt and authenticate
 * @em: a message with an Encrypted payload, complete
 * @suite: its algorithms
 * @encr: SK_e of the sending direction
 * @integ: SK_a of the sending direction
 * @counter: of AEAD messages under this key; never twice the same
 *
 * Return: false if it has no room or the cipher fails.
 */
bool emit_seal(struct emit *em, const struct ike_suite *suite,
	       const struct ike_key *encr, const struct ike_key *integ,
	       u64 counter);

#endif
