// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writes the keys of the configuration, from the table that the reader uses,
 * as a part of cygnet.conf(5): keys connection|global
 */

#include <stdio.h>
#include <string.h>

#include "lib/conf.h"

/* A dot at the start of a line would be a request. */
static void print_text(const char *text)
{
	for (; *text; text++) {
		if (*text == '-')
			fputs("\\-\\:", stdout);
		else if (*text == '\\')
			fputs("\\e", stdout);
		else
			putchar(*text);
	}
}

static void print_key(const struct conf_key *key)
{
	printf(".TP\n.BR %s \" = \\fI%s\\fP\"\n", key->key_name, key->key_type);
	print_text(key->key_meaning);
	printf("\n");
	if (key->key_range) {
		printf("Takes ");
		print_text(key->key_range);
		printf(".\n");
	}
	if (!key->key_default) {
		printf("Required.\n");
		return;
	}
	printf("Default:\n");
	print_text(key->key_default);
	printf(".\n");
}

int main(int argc, char **argv)
{
	bool global = argc > 1 && !strcmp(argv[1], "global");
	int i, count = global ? CONF_GLOBAL_KEYS : CONF_CONN_KEYS;

	for (i = 0; i < count; i++)
		print_key(global ? conf_global_key(i) : conf_conn_key(i));
	return ferror(stdout) ? 1 : 0;
}
