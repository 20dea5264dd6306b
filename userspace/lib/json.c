// SPDX-License-Identifier: GPL-2.0-or-later

#include <stdlib.h>
#include <string.h>

#include "json.h"

/* How the byte is written; returns the length of that. */
static size_t escape_byte(char out[8], unsigned char byte)
{
	if (byte >= 0x20 && byte < 0x7f) {
		out[0] = byte;
		out[1] = '\0';
		return 1;
	}
	return sprintf(out, "\\x%02x", byte);
}

const char *text_escape(const void *text, size_t len, char *buf, size_t size)
{
	const unsigned char *in = text;
	size_t i, at = 0, fits = 0, n;
	char out[8];

	for (i = 0; i < len; i++) {
		n = escape_byte(out, in[i]);
		if (at + n >= size)
			break;
		memcpy(buf + at, out, n);
		at += n;
		if (at + 3 < size)
			fits = at;
	}
	if (i < len && size > 3) {
		memcpy(buf + fits, "...", 3);
		at = fits + 3;
	}
	if (size)
		buf[at] = '\0';
	return buf;
}

json_t *json_text(const void *text, size_t len)
{
	char *buf = malloc(4 * len + 1);
	json_t *string;

	if (!buf)
		return NULL;
	string = json_string(text_escape(text, len, buf, 4 * len + 1));
	free(buf);
	return string;
}

json_t *json_addr(const struct ip_addr *addr)
{
	char buf[IP_ADDR_STRLEN];

	return json_string(ip_addr_print(addr, buf));
}

/* JSON numbers beyond 2^53 are no exact numbers elsewhere, but here they are. */
json_t *json_u64(u64 value)
{
	return json_integer(value);
}

char *json_line(const json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
	size_t len = text ? strlen(text) : 0;
	char *line = text ? realloc(text, len + 2) : NULL;

	if (!line) {
		free(text);
		return NULL;
	}
	memcpy(line + len, "\n", 2);
	return line;
}

bool json_print(FILE *file, const json_t *object)
{
	char *line = json_line(object);
	bool ok = line && fputs(line, file) >= 0 && fflush(file) == 0;

	free(line);
	return ok;
}

/* Deepest nesting of brackets outside strings. */
static size_t json_depth(const char *line, size_t len)
{
	size_t i, depth = 0, deepest = 0;
	bool string = false;

	for (i = 0; i < len; i++) {
		if (string && line[i] == '\\')
			i++;
		else if (line[i] == '"')
			string = !string;
		else if (!string && (line[i] == '{' || line[i] == '['))
			depth++;
		else if (!string && depth &&
			 (line[i] == '}' || line[i] == ']'))
			depth--;
		if (depth > deepest)
			deepest = depth;
	}
	return deepest;
}

json_t *json_read_line(const char *line, size_t len, char *err,
		       size_t err_size)
{
	json_error_t error;
	json_t *object;

	if (len > JSON_LINE_MAX || json_depth(line, len) > JSON_DEPTH_MAX) {
		snprintf(err, err_size, "JSON too long or too deep");
		return NULL;
	}
	object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	if (!object)
		snprintf(err, err_size, "no JSON (column %d)", error.column);
	if (object && !json_is_object(object)) {
		snprintf(err, err_size, "JSON, but no object");
		json_decref(object);
		return NULL;
	}
	return object;
}

const char *json_get_string(const json_t *object, const char *key,
			    const char *fallback)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : fallback;
}

u64 json_get_u64(const json_t *object, const char *key, u64 fallback)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? (u64)json_integer_value(value) :
	       fallback;
}

bool json_get_bool(const json_t *object, const char *key, bool fallback)
{
	const json_t *value = json_object_get(object, key);

	return json_is_boolean(value) ? json_is_true(value) : fallback;
}
