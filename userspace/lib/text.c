// SPDX-License-Identifier: GPL-2.0-or-later

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

#define WORD_MAX 64

bool text_copy(char *buf, size_t size, const char *text)
{
	size_t len = strnlen(text, size);
	bool whole = len < size;

	if (!whole)
		len = size - 1;
	memcpy(buf, text, len);
	buf[len] = '\0';
	return whole;
}

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

static unsigned int min(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* Changes, insertions, deletions, swaps; both shorter than WORD_MAX. */
static unsigned int edit_distance(const char *a, const char *b)
{
	size_t i, j, alen = strlen(a), blen = strlen(b);
	unsigned char d[WORD_MAX][WORD_MAX];

	for (i = 0; i <= alen; i++) {
		for (j = 0; j <= blen; j++) {
			d[i][j] = i ?: j;
			if (!i || !j)
				continue;
			d[i][j] = min(min(d[i - 1][j], d[i][j - 1]) + 1,
				      d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				d[i][j] = min(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[alen][blen];
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
