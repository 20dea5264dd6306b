// SPDX-License-Identifier: GPL-2.0-or-later

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

#define WORD_MAX 64

void text_append(char *buf, size_t size, const char *format, ...)
{
	size_t len = strnlen(buf, size);
	va_list args;

	if (len >= size)
		return;
	va_start(args, format);
	vsnprintf(buf + len, size - len, format, args);
	va_end(args);
}

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	if (b < a)
		a = b;
	return c < a ? c : a;
}

/* Levenshtein; both words are shorter than WORD_MAX. */
static unsigned int edit_distance(const char *a, const char *b)
{
	size_t i, j, alen = strlen(a), blen = strlen(b);
	unsigned int row[WORD_MAX], diagonal, above;

	for (j = 0; j <= blen; j++)
		row[j] = j;
	for (i = 1; i <= alen; i++) {
		diagonal = row[0];
		row[0] = i;
		for (j = 1; j <= blen; j++) {
			above = row[j];
			row[j] = min3(row[j] + 1, row[j - 1] + 1,
				      diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[blen];
}

void suggest(struct suggestion *suggestion, const char *word,
	     const char *candidate)
{
	size_t len = strlen(word);
	unsigned int distance;

	if (len >= WORD_MAX || strlen(candidate) >= WORD_MAX)
		return;
	distance = edit_distance(word, candidate);
	if (distance > len / 3 + 1 || distance >= strlen(candidate))
		return;
	if (suggestion->sug_best && distance >= suggestion->sug_distance)
		return;
	suggestion->sug_best = candidate;
	suggestion->sug_distance = distance;
}
