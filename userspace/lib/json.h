/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one way by which text that a peer may have chosen reaches a terminal, a
 * log or a JSON reader.
 */
#ifndef CYGNET_LIB_JSON_H
#define CYGNET_LIB_JSON_H

#include <jansson.h>
#include <stdio.h>

#include "addr.h"

/*
 * Printable ASCII as it is, everything else as \xNN; cut off with "..." where
 * size ends. Never longer than 4 * len + 1; doing it twice changes nothing.
 */
const char *text_escape(const void *text, size_t len, char *buf, size_t size);

/* A JSON string of any bytes, escaped as above; new reference. */
json_t *json_text(const void *text, size_t len);
json_t *json_addr(const struct ip_addr *addr);
json_t *json_u64(u64 value);
/* One object on one line, all ASCII, newline at its end; flushed. */
bool json_print(FILE *file, const json_t *object);
/* The same as a string to free(), newline included; NULL without memory. */
char *json_line(const json_t *object);
/*
 * Reads one object of bounded size and depth; NULL with the reason in err.
 * For lines from the control socket, in either direction.
 */
#define JSON_LINE_MAX	65536
#define JSON_DEPTH_MAX	16
json_t *json_read_line(const char *line, size_t len, char *err,
		       size_t err_size);
/* Member as text or number, or the fallback if absent or of another type. */
const char *json_get_string(const json_t *object, const char *key,
			    const char *fallback);
u64 json_get_u64(const json_t *object, const char *key, u64 fallback);
bool json_get_bool(const json_t *object, const char *key, bool fallback);

#endif
