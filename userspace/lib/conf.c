// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The configuration's grammar, line by line:
 *
 *	file	 = { line }
 *	line	 = [ "global {" | "connection" name "{" | key "=" value | "}" ]
 *		   [ "#" comment ]
 *	value	 = text without outer blanks, or in double quotes with \" and \\
 */

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf_value.h"
#include "json.h"
#include "text.h"

#define FILE_MAX (16 << 20)

enum block { BLOCK_NONE, BLOCK_GLOBAL, BLOCK_CONNECTION, BLOCK_SKIPPED };

struct parser {
	struct conf_reader ps_reader;
	enum block ps_block;
	u32 ps_line;
	u32 ps_block_line;
	size_t ps_block_errors;		/* before the block began */
	char *ps_start;			/* of the line */
	struct conf_conn ps_template;	/* nothing but defaults */
	struct conf_conn *ps_conn;
};

/* Room for one more message, behind all of its line or before it. */
static struct conf_message *place_message(struct conf_log *log, u32 line)
{
	struct conf_message *messages;
	size_t at;

	messages = reallocarray(log->log_messages, log->log_count + 1,
				sizeof(*messages));
	if (!messages)
		return NULL;
	log->log_messages = messages;
	for (at = log->log_count++; at && messages[at - 1].msg_line > line; at--)
		messages[at] = messages[at - 1];
	return &messages[at];
}

static void __printf(5, 0) add_message(struct conf_log *log, bool warning,
				       u32 line, u32 column,
				       const char *format, va_list args)
{
	struct conf_message *message = place_message(log, line);

	log->log_errors += !warning;
	if (!message)
		return;
	memset(message, 0, sizeof(*message));
	message->msg_warning = warning;
	message->msg_line = line;
	message->msg_column = column;
	vsnprintf(message->msg_text, sizeof(message->msg_text), format, args);
}

void conf_error(struct conf_reader *reader, u32 line, u32 column,
		const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_message(reader->rd_log, false, line, column, format, args);
	va_end(args);
}

void conf_warning(struct conf_reader *reader, u32 line, u32 column,
		  const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_message(reader->rd_log, true, line, column, format, args);
	va_end(args);
}

static u32 column_of(const struct parser *parser, const char *at)
{
	return at - parser->ps_start + 1;
}

static const char *shown(const char *text, char buf[64])
{
	return text_escape(text, strlen(text), buf, 64);
}

static char *skip_blanks(char *text)
{
	return text + strspn(text, " \t");
}

/* Cuts a comment and the blanks before it off, and what follows a quote. */
static void strip_comment(char *line)
{
	bool quoted = false;
	size_t i, len;

	for (i = 0; line[i]; i++) {
		if (quoted && line[i] == '\\' && line[i + 1])
			i++;
		else if (line[i] == '"')
			quoted = !quoted;
		else if (line[i] == '#' && !quoted &&
			 (i == 0 || isspace((unsigned char)line[i - 1])))
			break;
	}
	len = i;
	while (len && isspace((unsigned char)line[len - 1]))
		len--;
	line[len] = '\0';
}

/* Takes quotes off in place; false if they do not add up. */
static bool unquote(char **text)
{
	char *in = *text, *out = in;

	if (*in != '"')
		return true;
	for (in++; *in && *in != '"'; in++) {
		if (*in == '\\' && (in[1] == '"' || in[1] == '\\'))
			in++;
		*out++ = *in;
	}
	if (*in != '"' || in[1])
		return false;
	*out = '\0';
	return true;
}

static void refuse_key(struct parser *parser, const char *key,
		       const struct conf_row *rows, size_t count)
{
	struct suggestion near = { 0 };
	char buf[64];
	size_t i;

	for (i = 0; i < count; i++)
		suggest(&near, key, rows[i].row_key.key_name);
	conf_error(&parser->ps_reader, parser->ps_line, column_of(parser, key),
		   "unknown key \"%s\"%s%s%s", shown(key, buf),
		   near.sug_best ? "; did you mean \"" : "",
		   near.sug_best ?: "", near.sug_best ? "\"?" : "");
}

static void set_value(struct parser *parser, const struct conf_row *row,
		      void *base, u32 *origin, char *text)
{
	struct conf_value value = {
		.val_text = text,
		.val_line = parser->ps_line,
		.val_column = column_of(parser, text) + (*text == '"'),
	};
	u32 earlier = *origin;

	*origin = parser->ps_line;
	if (earlier && !row->row_repeats)
		conf_error(&parser->ps_reader, parser->ps_line,
			   value.val_column, "%s already stands in line %u",
			   row->row_key.key_name, earlier);
	else if (!unquote(&value.val_text))
		conf_error(&parser->ps_reader, parser->ps_line,
			   value.val_column, "quotes do not add up");
	else if (!value.val_text[0])
		conf_error(&parser->ps_reader, parser->ps_line,
			   value.val_column, "%s has no value",
			   row->row_key.key_name);
	else
		row->row_type->type_parse(&parser->ps_reader, row, base,
					  &value);
}

static void set_key(struct parser *parser, const char *key, char *text,
		    const struct conf_row *rows, size_t count, void *base,
		    u32 *origins)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (!strcmp(rows[i].row_key.key_name, key)) {
			set_value(parser, &rows[i], base, &origins[i], text);
			return;
		}
	}
	refuse_key(parser, key, rows, count);
}

static void read_setting(struct parser *parser, char *key, char *equals)
{
	struct conf *conf = parser->ps_reader.rd_conf;
	char *text = skip_blanks(equals + 1);

	*equals = '\0';
	strip_comment(key);	/* trailing blanks */
	if (parser->ps_block == BLOCK_GLOBAL)
		set_key(parser, key, text, conf_global_rows, CONF_GLOBAL_KEYS,
			conf, conf->conf_origin);
	else if (parser->ps_block == BLOCK_CONNECTION)
		set_key(parser, key, text, conf_conn_rows, CONF_CONN_KEYS,
			parser->ps_conn, parser->ps_conn->conn_origin);
	else if (parser->ps_block == BLOCK_NONE)
		conf_error(&parser->ps_reader, parser->ps_line,
			   column_of(parser, key),
			   "a setting stands in a block: connection NAME { … } or global { … }");
}

static bool grow(struct conf_reader *reader)
{
	u32 room = reader->rd_room ? 2 * reader->rd_room : 8;
	struct conf *conf;

	if (reader->rd_conf->conf_nconns < reader->rd_room)
		return true;
	conf = realloc(reader->rd_conf, sizeof(*conf) +
		       room * sizeof(conf->conf_conns[0]));
	if (!conf)
		return false;
	reader->rd_conf = conf;
	reader->rd_room = room;
	return true;
}

/* NULL if the name will do. */
static const char *refuse_name(const char *name)
{
	size_t i, len = strlen(name);

	if (!len)
		return "a connection needs a name: connection NAME {";
	if (len >= CONF_NAME_MAX)
		return "this name is longer than 63 characters";
	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) &&
		    (!i || !strchr("._-", name[i])))
			return "a name has letters, digits, dots, dashes and underscores only";
	return NULL;
}

static void open_connection(struct parser *parser, const char *name)
{
	struct conf_reader *reader = &parser->ps_reader;
	const char *refusal = refuse_name(name);
	const struct conf_conn *earlier;

	earlier = refusal ? NULL : conf_find(reader->rd_conf, name);
	parser->ps_block = BLOCK_SKIPPED;
	if (refusal) {
		conf_error(reader, parser->ps_line, column_of(parser, name),
			   "%s", refusal);
		return;
	}
	if (earlier)
		conf_error(reader, parser->ps_line, column_of(parser, name),
			   "connection %s already stands in line %u", name,
			   earlier->conn_line);
	if (reader->rd_conf->conf_nconns == CONF_CONNS_MAX || !grow(reader)) {
		conf_error(reader, parser->ps_line, 1,
			   "more than %d connections", CONF_CONNS_MAX);
		return;
	}
	parser->ps_conn =
		&reader->rd_conf->conf_conns[reader->rd_conf->conf_nconns++];
	*parser->ps_conn = parser->ps_template;
	text_copy(parser->ps_conn->conn_name,
		  sizeof(parser->ps_conn->conn_name), name);
	parser->ps_conn->conn_line = parser->ps_line;
	parser->ps_block = BLOCK_CONNECTION;
}

static void refuse_block(struct parser *parser, const char *word)
{
	struct suggestion near = { 0 };
	char buf[64];

	suggest(&near, word, "connection");
	suggest(&near, word, "global");
	conf_error(&parser->ps_reader, parser->ps_line,
		   column_of(parser, word), "unknown block \"%s\"%s%s%s",
		   shown(word, buf), near.sug_best ? "; did you mean \"" : "",
		   near.sug_best ?: "", near.sug_best ? "\"?" : "");
	parser->ps_block = BLOCK_SKIPPED;
}

static void close_block(struct parser *parser)
{
	struct conf_reader *reader = &parser->ps_reader;

	if (parser->ps_block == BLOCK_CONNECTION) {
		conf_check_required(reader, parser->ps_conn);
		if (reader->rd_log->log_errors == parser->ps_block_errors)
			conf_check_conn(reader, parser->ps_conn);
	}
	parser->ps_block = BLOCK_NONE;
}

/* "WORD [NAME] {" with the brace already cut off. */
static void open_block(struct parser *parser, char *word)
{
	char *name = word + strcspn(word, " \t");

	if (*name)
		*name++ = '\0';
	name = skip_blanks(name);
	strip_comment(name);
	if (parser->ps_block != BLOCK_NONE) {
		conf_error(&parser->ps_reader, parser->ps_line, 1,
			   "the block of line %u is not closed yet",
			   parser->ps_block_line);
		close_block(parser);
	}
	parser->ps_block_line = parser->ps_line;
	parser->ps_block_errors = parser->ps_reader.rd_log->log_errors;
	if (!strcmp(word, "connection"))
		open_connection(parser, name);
	else if (strcmp(word, "global") != 0)
		refuse_block(parser, word);
	else
		parser->ps_block = BLOCK_GLOBAL;
	if (parser->ps_block == BLOCK_GLOBAL && *name)
		conf_error(&parser->ps_reader, parser->ps_line,
			   column_of(parser, name), "global has no name");
}

static void read_line(struct parser *parser, char *line)
{
	char *text, *equals, *brace;

	parser->ps_start = line;
	strip_comment(line);
	text = skip_blanks(line);
	equals = strchr(text, '=');
	brace = strrchr(text, '{');
	if (!*text)
		return;
	if (!strcmp(text, "}") && parser->ps_block != BLOCK_NONE) {
		close_block(parser);
	} else if (equals) {
		read_setting(parser, text, equals);
	} else if (brace && !brace[1]) {
		*brace = '\0';
		open_block(parser, text);
	} else if (parser->ps_block != BLOCK_SKIPPED) {
		conf_error(&parser->ps_reader, parser->ps_line,
			   column_of(parser, text),
			   "not \"KEY = VALUE\", \"connection NAME {\", \"global {\" or \"}\"");
	}
}

static void read_lines(struct parser *parser, char *text, size_t len)
{
	char *end = text + len, *line, *newline;

	for (line = text; line < end; line = newline + 1) {
		parser->ps_line++;
		newline = memchr(line, '\n', end - line) ?: end;
		*newline = '\0';
		if (memchr(line, '\0', newline - line))
			conf_error(&parser->ps_reader, parser->ps_line, 1,
				   "a zero byte in the text");
		read_line(parser, line);
	}
	if (parser->ps_block != BLOCK_NONE)
		conf_error(&parser->ps_reader, parser->ps_block_line, 1,
			   "this block is not closed by }");
}

static struct conf *finish(struct conf_reader *reader)
{
	struct conf *conf = reader->rd_conf, *fitted;
	size_t size = sizeof(*conf) +
		      conf->conf_nconns * sizeof(conf->conf_conns[0]);

	if (conf->conf_ike_port == conf->conf_natt_port)
		conf_error(reader, conf->conf_origin[CONF_IKE_PORT] ?:
			   conf->conf_origin[CONF_NATT_PORT], 1,
			   "ike-port and natt-port are the same");
	if (reader->rd_log->log_errors) {
		free(conf);
		return NULL;
	}
	conf->conf_size = size;
	fitted = realloc(conf, size);
	return fitted ?: conf;
}

struct conf *conf_parse(const char *path, const char *text, size_t len,
			struct conf_log *log)
{
	struct parser *parser = calloc(1, sizeof(*parser));
	struct conf *conf = calloc(1, sizeof(*conf));
	char *copy = malloc(len + 1);

	if (!parser || !conf || !copy) {
		log->log_errors++;
		free(conf);
		conf = NULL;
		goto out;
	}
	memcpy(copy, text, len);
	snprintf(conf->conf_path, sizeof(conf->conf_path), "%s", path);
	parser->ps_reader = (struct conf_reader){ path, log, conf, 0 };
	conf_default_global(&parser->ps_reader, conf);
	conf_default_conn(&parser->ps_reader, &parser->ps_template);
	read_lines(parser, copy, len);
	conf = finish(&parser->ps_reader);
out:
	free(copy);
	free(parser);
	return conf;
}

static char *read_file(const char *path, size_t *len, const char **refusal)
{
	char *text = malloc(FILE_MAX);
	FILE *file = fopen(path, "re");

	*refusal = NULL;
	*len = 0;
	if (file && text) {
		*len = fread(text, 1, FILE_MAX, file);
		if (*len == FILE_MAX)
			*refusal = "larger than 16 MiB";
	}
	if (!file || !text || ferror(file))
		*refusal = strerror(errno);
	if (file)
		fclose(file);
	return text;
}

struct conf *conf_read(const char *path, struct conf_log *log)
{
	struct conf_reader reader = { .rd_path = path, .rd_log = log };
	struct conf *conf = NULL;
	const char *refusal;
	size_t len;
	char *text;

	text = read_file(path, &len, &refusal);
	if (refusal)
		conf_error(&reader, 0, 0, "%s", refusal);
	else
		conf = conf_parse(path, text, len, log);
	free(text);
	return conf;
}

void conf_free(struct conf *conf)
{
	free(conf);
}

bool conf_check_size(const void *data, size_t len)
{
	const struct conf *conf = data;

	return len >= sizeof(*conf) && conf->conf_size == len &&
	       conf->conf_nconns <= CONF_CONNS_MAX &&
	       len == sizeof(*conf) +
		      conf->conf_nconns * sizeof(conf->conf_conns[0]);
}

void conf_log_print(FILE *file, const char *path, const struct conf_log *log)
{
	const struct conf_message *message;
	size_t i;

	for (i = 0; i < log->log_count; i++) {
		message = &log->log_messages[i];
		fprintf(file, "%s:", path);
		if (message->msg_line)
			fprintf(file, "%u:%u:", message->msg_line,
				message->msg_column);
		fprintf(file, " %s: %s\n",
			message->msg_warning ? "warning" : "error",
			message->msg_text);
	}
}

void conf_log_free(struct conf_log *log)
{
	free(log->log_messages);
	memset(log, 0, sizeof(*log));
}

const struct conf_conn *conf_find(const struct conf *conf, const char *name)
{
	u32 i;

	for (i = 0; *name && i < conf->conf_nconns; i++)
		if (!strcmp(conf->conf_conns[i].conn_name, name))
			return &conf->conf_conns[i];
	return NULL;
}

const char *conf_suggest(const struct conf *conf, const char *name)
{
	struct suggestion near = { 0 };
	u32 i;

	for (i = 0; i < conf->conf_nconns; i++)
		suggest(&near, name, conf->conf_conns[i].conn_name);
	return near.sug_best;
}
