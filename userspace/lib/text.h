/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small helpers for text that people read or write. */
#ifndef CYGNET_LIB_TEXT_H
#define CYGNET_LIB_TEXT_H

#include "types.h"

/*
 * Copies text as far as size, which is not 0, allows; always terminated.
 * Says whether all of it found room.
 */
bool text_copy(char *buf, size_t size, const char *text);

/* Appends to the string in buf as far as size allows; always terminated. */
void __printf(3, 4) text_append(char *buf, size_t size, const char *format,
				...);

/*
 * The candidate nearest to a word that nobody knows: start zeroed, offer all
 * candidates, read sug_best (NULL if none is near enough to be meant).
 */
struct suggestion {
	const char *sug_best;
	unsigned int sug_distance;
};

void suggest(struct suggestion *suggestion, const char *word,
	     const char *candidate);

#endif
