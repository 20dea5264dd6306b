/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An IKE SA as bytes, for the engine that comes after this one: its keys,
 * window, outstanding request, children and queue. A record is a row of items,
 * each with its name, its size in memory, and its bytes without the zeros at
 * the end; items nest. One that names what this engine does not know, or gives
 * it another size, is refused whole: the SA is then negotiated anew.
 *
 * selftests/lint holds the tables in record.c against the structs: a field that
 * nobody has thought of is an error.
 */
#ifndef CYGNETD_RECORD_H
#define CYGNETD_RECORD_H

#include "conn.h"

#define RECORD_VERSION	1
#define RECORD_LEN_MAX	262144

/* Bytes being written; wiped when they move or go. */
struct bytes {
	u8 *bytes_data;
	size_t bytes_len, bytes_room;
	bool bytes_failed;		/* no memory, or too long */
};

void bytes_free(struct bytes *out);

/* What the SA is between two messages: see hitless.h for when that is. */
void record_write(const struct ike_sa *sa, struct bytes *out);
void record_write_conn(const struct conn *conn, struct bytes *out);

/* SAs that a record names by their number until all of them are there. */
struct record_link {
	struct record_link *link_next;
	struct ike_sa **link_to;
	u32 link_number;
};

/**
 * record_read() - make an IKE SA again
 * @conn: whose
 * @data: the record
 * @len: its length
 * @links: what record_link_all() has to do; grows
 *
 * Return: the SA, linked and listed, with its timers set; NULL if the record
 * is of no use.
 */
struct ike_sa *record_read(struct conn *conn, const u8 *data, size_t len,
			   struct record_link **links);
/* The same for what a connection was told; false if it is of no use. */
bool record_read_conn(struct conn *conn, const u8 *data, size_t len);
/* All SAs are there: points them at each other, and frees the list. */
void record_link_all(struct core *core, struct record_link *links);

#endif
