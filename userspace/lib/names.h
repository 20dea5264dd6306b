/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words of include/cygnet.yaml, in names-gen.c; for nl.c and names.c. */
#ifndef CYGNET_LIB_NAMES_H
#define CYGNET_LIB_NAMES_H

#include "objects.h"

struct drop_words {
	const char *drop_name;
	const char *drop_meaning;
};

/* Attributes by number, and what is nested in them. */
struct attr_names {
	const char *const *an_names;
	size_t an_count;
	const struct attr_names *const *an_nested;
};

extern const struct drop_words drop_words[KERNEL_DROPS];
extern const char *const direction_words[], *const mode_words[];
extern const char *const action_words[], *const expiry_words[];
extern const char *const df_words[];
extern const size_t direction_words_count, mode_words_count;
extern const size_t action_words_count, expiry_words_count, df_words_count;
extern const struct attr_names *const command_names[CYGNET_CMD_MAX + 1];

#endif
