/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Secrets come from files that only their owner can read (or from standard
 * input), never from arguments or the configuration, and are never printed.
 */
#ifndef CYGNET_LIB_SECRET_H
#define CYGNET_LIB_SECRET_H

#include "types.h"

#define SECRET_LEN_MAX	512

struct secret {
	size_t secret_len;
	u8 secret_data[SECRET_LEN_MAX];
};

/*
 * A pre-shared key: the file's text without one trailing newline; bytes in hex
 * after "0x", in base64 after "0s". Refused, with the reason in err: what is
 * not a regular file of root or this user, what group or others can read or
 * write, an empty secret, a longer one than SECRET_LEN_MAX. On failure *secret
 * is wiped.
 */
bool secret_read_psk(struct secret *secret, const char *path, char *err,
		     size_t err_size);
/*
 * A key in hex digits (white space and a leading "0x" ignored) of exactly len
 * bytes, from a file with the same rules or, as "-", from standard input.
 */
bool secret_read_key(struct secret *secret, const char *path, size_t len,
		     char *err, size_t err_size);
/*
 * Any text from a file with the same rules, at most size - 1 bytes and a zero.
 * On failure buf is wiped.
 */
bool secret_read_text(const char *path, char *buf, size_t size, size_t *len,
		      char *err, size_t err_size);
void secret_wipe(struct secret *secret);

#endif
