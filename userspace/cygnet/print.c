// SPDX-License-Identifier: GPL-2.0-or-later

#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cygnet.h"
#include "lib/proposal.h"
#include "lib/text.h"

int fail(int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("cygnet: ", stderr);
	vfprintf(stderr, format, args);
	fputs("\n", stderr);
	va_end(args);
	return code;
}

int kernel_failed(const struct nl_error *err)
{
	char buf[NL_ERROR_STRLEN];
	const char *hint = "";

	if (err->err_errno == EPERM && !err->err_msg[0])
		hint = " (only root may do this)";
	return fail(EXIT_REFUSED, "%s%s",
		    nl_error_print(err, buf, sizeof(buf)), hint);
}

void open_kernel(struct nl *nl)
{
	struct nl_error err;

	if (!nl_open_cygnet(nl, &err))
		return;
	fail(EXIT_ABSENT, "%s", err.err_msg);
	exit(EXIT_ABSENT);
}

static void add_cell(struct table *table, char *text)
{
	if (table->table_cells == table->table_room) {
		table->table_room = 2 * table->table_room + 64;
		table->table_text = reallocarray(table->table_text,
						 table->table_room,
						 sizeof(char *));
	}
	if (!table->table_text || !text)
		exit(fail(EXIT_REFUSED, "out of memory"));
	table->table_text[table->table_cells++] = text;
}

void table_begin(struct table *table, const char *const *headings)
{
	size_t i;

	memset(table, 0, sizeof(*table));
	for (i = 0; i < TABLE_COLUMNS && headings[i]; i++) {
		table->table_right[i] = headings[i][0] == '>';
		add_cell(table,
			 strdup(headings[i] + table->table_right[i]));
	}
	table->table_columns = i;
}

void table_cell(struct table *table, const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	add_cell(table, text);
}

static size_t column_width(const struct table *table, size_t column)
{
	size_t i, len, width = 0;

	for (i = column; i < table->table_cells; i += table->table_columns) {
		len = strlen(table->table_text[i]);
		if (len > width)
			width = len;
	}
	return width;
}

/* Nothing follows in the row: it ends here, without blanks. */
static bool rest_is_empty(const struct table *table, size_t cell)
{
	for (cell++; cell % table->table_columns; cell++)
		if (table->table_text[cell][0])
			return false;
	return true;
}

static void print_cell(const struct table *table, size_t cell,
		       const size_t *widths, int indent)
{
	size_t column = cell % table->table_columns;
	bool last = rest_is_empty(table, cell);
	const char *text = table->table_text[cell];
	int width = widths[column];

	if (column && rest_is_empty(table, cell - 1))
		return;
	if (!column)
		printf("%*s", indent, "");
	if (table->table_right[column])
		printf("%*s", width, text);
	else if (last)
		printf("%s", text);
	else
		printf("%-*s", width, text);
	printf("%s", last ? "\n" : "  ");
}

void table_end(struct table *table, int indent)
{
	size_t widths[TABLE_COLUMNS], i;

	for (i = 0; i < table->table_columns; i++)
		widths[i] = column_width(table, i);
	printf("%s", bold());
	for (i = 0; i < table->table_cells; i++) {
		if (i == table->table_columns)
			printf("%s", plain());
		print_cell(table, i, widths, indent);
		free(table->table_text[i]);
	}
	printf("%s", plain());
	free(table->table_text);
}

static bool colour(void)
{
	return isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
}

const char *bold(void)
{
	return colour() ? "\033[1m" : "";
}

const char *plain(void)
{
	return colour() ? "\033[0m" : "";
}

void heading(const char *text)
{
	printf("%s%s%s\n", bold(), text, plain());
}

const char *span(u64 seconds, char buf[SPAN_STRLEN])
{
	if (seconds < 60)
		snprintf(buf, SPAN_STRLEN, "%llus", seconds);
	else if (seconds < 3600)
		snprintf(buf, SPAN_STRLEN, "%llum%02llus", seconds / 60,
			 seconds % 60);
	else if (seconds < 86400)
		snprintf(buf, SPAN_STRLEN, "%lluh%02llum", seconds / 3600,
			 seconds / 60 % 60);
	else
		snprintf(buf, SPAN_STRLEN, "%llud%02lluh", seconds / 86400,
			 seconds / 3600 % 24);
	return buf;
}

const char *amount(u64 bytes, char buf[SPAN_STRLEN])
{
	static const char units[] = "KMGTPE";
	double scaled = bytes;
	size_t i;

	if (bytes < 10240) {
		snprintf(buf, SPAN_STRLEN, "%llu", bytes);
		return buf;
	}
	for (i = 0, scaled /= 1024; scaled >= 1024 && units[i + 1]; i++)
		scaled /= 1024;
	snprintf(buf, SPAN_STRLEN, "%.1f%c", scaled, units[i]);
	return buf;
}

const char *device_name(u32 ifindex, char buf[24])
{
	char name[IF_NAMESIZE];

	if (!ifindex)
		snprintf(buf, 24, "none");
	else if (if_indextoname(ifindex, name))
		snprintf(buf, 24, "%s", name);
	else
		snprintf(buf, 24, "%u", ifindex);
	return buf;
}

const char *cipher_name(const struct kernel_sa *sa, char buf[64])
{
	struct transform encr = { TRANSFORM_ENCR, sa->ksa_encr,
				  sa->ksa_encr_key_bits };
	struct transform integ = { TRANSFORM_INTEG, sa->ksa_integ, 0 };
	char name[TRANSFORM_STRLEN];
	const char *word;

	if (!sa->ksa_encr) {
		snprintf(buf, 64, "ah-%s", transform_word(&integ) ?:
			 transform_name(&integ, name));
		return buf;
	}
	/* A cipher of one key length only has no length in its transform. */
	word = transform_word(&encr);
	if (!word) {
		encr.tr_key_bits = 0;
		word = transform_word(&encr);
	}
	snprintf(buf, 64, "%s", word ?: transform_name(&encr, name));
	if (sa->ksa_integ)
		text_append(buf, 64, "-%s", transform_word(&integ) ?:
			    transform_name(&integ, name));
	return buf;
}

const char *safe_text(const char *text, char buf[256])
{
	return text_escape(text, strlen(text), buf, 256);
}

const char *drops_text(const u64 drops[KERNEL_DROPS], char *buf, size_t size)
{
	u32 i;

	buf[0] = '\0';
	for (i = 0; i < KERNEL_DROPS; i++)
		if (drops[i])
			text_append(buf, size, "%s%s %llu",
				    buf[0] ? ", " : "", kernel_drop_name(i),
				    drops[i]);
	return buf;
}

void print_json(json_t *object)
{
	if (!json_print(stdout, object))
		exit(fail(EXIT_REFUSED, "cannot write the answer"));
	json_decref(object);
}
