// SPDX-License-Identifier: GPL-2.0-or-later
/* Types of configuration values: how each is read and written. */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf_value.h"
#include "json.h"
#include "text.h"

static void *member(const struct conf_row *row, void *base)
{
	return (u8 *)base + row->row_offset;
}

static const void *const_member(const struct conf_row *row, const void *base)
{
	return (const u8 *)base + row->row_offset;
}

/* For messages: what stands there, made harmless and not too long. */
static const char *shown(const char *text, char buf[64])
{
	return text_escape(text, strlen(text), buf, 64);
}

static bool refuse(struct conf_reader *reader, const struct conf_value *value,
		   const char *what)
{
	char buf[64];

	conf_error(reader, value->val_line, value->val_column, "%s \"%s\"",
		   what, shown(value->val_text, buf));
	return false;
}

/* Numbers of any width. */

static void store_number(const struct conf_row *row, void *base, u64 number)
{
	void *to = member(row, base);

	switch (row->row_size) {
	case 1:
		*(u8 *)to = number;
		break;
	case 2:
		*(u16 *)to = number;
		break;
	case 4:
		*(u32 *)to = number;
		break;
	default:
		*(u64 *)to = number;
	}
}

static u64 load_number(const struct conf_row *row, const void *base)
{
	const void *from = const_member(row, base);

	switch (row->row_size) {
	case 1:
		return *(const u8 *)from;
	case 2:
		return *(const u16 *)from;
	case 4:
		return *(const u32 *)from;
	default:
		return *(const u64 *)from;
	}
}

static bool store_in_range(struct conf_reader *reader,
			   const struct conf_row *row, void *base,
			   const struct conf_value *value, u64 number)
{
	if (number < row->row_min || number > row->row_max) {
		conf_error(reader, value->val_line, value->val_column,
			   "%s takes %s", row->row_key.key_name,
			   row->row_key.key_range);
		return false;
	}
	store_number(row, base, number);
	return true;
}

static bool is_zero_word(const struct conf_row *row, const char *text)
{
	return row->row_zero && !strcmp(text, row->row_zero);
}

/* Digits at *text, which moves behind them. */
static bool take_number(const char **text, u64 *number)
{
	u64 value = 0;
	const char *at = *text;

	if (!isdigit((unsigned char)*at))
		return false;
	for (; isdigit((unsigned char)*at); at++) {
		if (value > (1ULL << 56) / 10)
			return false;
		value = value * 10 + (*at - '0');
	}
	*text = at;
	*number = value;
	return true;
}

static bool parse_number(struct conf_reader *reader,
			 const struct conf_row *row, void *base,
			 const struct conf_value *value)
{
	const char *text = value->val_text;
	u64 number = 0;

	if (is_zero_word(row, text)) {
		store_number(row, base, 0);
		return true;
	}
	if (!take_number(&text, &number) || *text)
		return refuse(reader, value, "not a number:");
	return store_in_range(reader, row, base, value, number);
}

static void print_number(const struct conf_row *row, const void *base,
			 char *buf, size_t size)
{
	u64 number = load_number(row, base);

	if (!number && row->row_zero)
		snprintf(buf, size, "%s", row->row_zero);
	else
		snprintf(buf, size, "%llu", number);
}

const struct conf_type conf_type_number = { parse_number, print_number };

/* Sums of numbers with units: "90", "1h30m", "512M". */

struct unit {
	char unit_name;
	u64 unit_factor;
};

static const struct unit time_units[] = {
	{ 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 },
};

static const struct unit byte_units[] = {
	{ 'T', 1ULL << 40 }, { 'G', 1ULL << 30 }, { 'M', 1ULL << 20 },
	{ 'K', 1ULL << 10 },
};

static u64 unit_factor(const struct unit *units, size_t count, char name)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (tolower((unsigned char)units[i].unit_name) ==
		    tolower((unsigned char)name))
			return units[i].unit_factor;
	return 0;
}

static bool parse_units(const char *text, const struct unit *units,
			size_t count, u64 *sum)
{
	u64 number, factor;

	*sum = 0;
	do {
		if (!take_number(&text, &number))
			return false;
		factor = *text ? unit_factor(units, count, *text) : 1;
		if (!factor || number > (1ULL << 60) / factor)
			return false;
		*sum += number * factor;
		text += *text != '\0';
	} while (*text);
	return true;
}

static void print_units(u64 number, const struct unit *units, size_t count,
			char *buf, size_t size)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (number && number % units[i].unit_factor == 0) {
			snprintf(buf, size, "%llu%c",
				 number / units[i].unit_factor,
				 units[i].unit_name);
			return;
		}
	}
	snprintf(buf, size, "%llu", number);
}

static bool parse_duration(struct conf_reader *reader,
			   const struct conf_row *row, void *base,
			   const struct conf_value *value)
{
	u64 number;

	if (is_zero_word(row, value->val_text)) {
		store_number(row, base, 0);
		return true;
	}
	if (!parse_units(value->val_text, time_units, ARRAY_SIZE(time_units),
			 &number))
		return refuse(reader, value,
			      "not a time (as 90s, 10m, 1h30m, 1d):");
	return store_in_range(reader, row, base, value, number);
}

static void print_duration(const struct conf_row *row, const void *base,
			   char *buf, size_t size)
{
	u64 number = load_number(row, base);

	if (!number && row->row_zero)
		snprintf(buf, size, "%s", row->row_zero);
	else
		print_units(number, time_units, ARRAY_SIZE(time_units), buf,
			    size);
}

const struct conf_type conf_type_duration = { parse_duration, print_duration };

static bool parse_bytes(struct conf_reader *reader, const struct conf_row *row,
			void *base, const struct conf_value *value)
{
	u64 number;

	if (is_zero_word(row, value->val_text)) {
		store_number(row, base, 0);
		return true;
	}
	if (!parse_units(value->val_text, byte_units, ARRAY_SIZE(byte_units),
			 &number))
		return refuse(reader, value,
			      "not a number of bytes (as 500M, 20G):");
	return store_in_range(reader, row, base, value, number);
}

static void print_bytes(const struct conf_row *row, const void *base,
			char *buf, size_t size)
{
	u64 number = load_number(row, base);

	if (!number && row->row_zero)
		snprintf(buf, size, "%s", row->row_zero);
	else
		print_units(number, byte_units, ARRAY_SIZE(byte_units), buf,
			    size);
}

const struct conf_type conf_type_bytes = { parse_bytes, print_bytes };

/* One word of a list; its place in the list is the number. */

static bool parse_word(struct conf_reader *reader, const struct conf_row *row,
		       void *base, const struct conf_value *value)
{
	struct suggestion near = { 0 };
	char buf[64];
	size_t i;

	for (i = 0; row->row_words[i]; i++) {
		if (!strcmp(value->val_text, row->row_words[i])) {
			store_number(row, base, i);
			return true;
		}
		suggest(&near, value->val_text, row->row_words[i]);
	}
	conf_error(reader, value->val_line, value->val_column,
		   "%s is one of %s, not \"%s\"%s%s%s", row->row_key.key_name,
		   row->row_key.key_range, shown(value->val_text, buf),
		   near.sug_best ? "; did you mean \"" : "",
		   near.sug_best ?: "", near.sug_best ? "\"?" : "");
	return false;
}

static void print_word(const struct conf_row *row, const void *base, char *buf,
		       size_t size)
{
	snprintf(buf, size, "%s", row->row_words[load_number(row, base)]);
}

const struct conf_type conf_type_word = { parse_word, print_word };

/* An address, or the word for none. */

static bool looks_like_name(const char *text)
{
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr(".-_", *text))
			return false;
	return true;
}

static bool parse_address(struct conf_reader *reader,
			  const struct conf_row *row, void *base,
			  const struct conf_value *value)
{
	struct ip_addr addr = { 0 };
	char buf[64];

	if (!is_zero_word(row, value->val_text) &&
	    !ip_addr_parse(&addr, value->val_text)) {
		if (!looks_like_name(value->val_text))
			return refuse(reader, value, "not an address:");
		conf_error(reader, value->val_line, value->val_column,
			   "only remote may be a name: write the address of %s",
			   shown(value->val_text, buf));
		return false;
	}
	if (ip_addr_len(&addr) && ip_addr_is_any(&addr))
		return refuse(reader, value, "not an address of a host:");
	*(struct ip_addr *)member(row, base) = addr;
	return true;
}

static void print_address(const struct conf_row *row, const void *base,
			  char *buf, size_t size)
{
	const struct ip_addr *addr = const_member(row, base);
	char text[IP_ADDR_STRLEN];

	snprintf(buf, size, "%s", ip_addr_len(addr) || !row->row_zero ?
		 ip_addr_print(addr, text) : row->row_zero);
}

const struct conf_type conf_type_address = { parse_address, print_address };

/* Labels of 1 to 63 letters, digits and dashes, the last not of digits alone. */
static bool is_host_name(const char *text)
{
	size_t len, digits;

	if (strlen(text) > CONF_HOST_MAX)
		return false;
	for (;; text += len + 1) {
		len = strcspn(text, ".");
		if (!len || len > 63 || *text == '-' || text[len - 1] == '-')
			return false;
		digits = strspn(text, "0123456789");
		if (!text[len])
			return digits < len;
	}
}

static bool parse_remote(struct conf_reader *reader, const struct conf_row *row,
			 void *base, const struct conf_value *value)
{
	struct conf_conn *conn = base;
	struct ip_addr addr;

	if (is_zero_word(row, value->val_text) ||
	    ip_addr_parse(&addr, value->val_text))
		return parse_address(reader, row, base, value);
	if (!looks_like_name(value->val_text) || !is_host_name(value->val_text))
		return refuse(reader, value, "neither an address nor a name:");
	text_copy(conn->conn_remote_name, sizeof(conn->conn_remote_name),
		  value->val_text);
	return true;
}

static void print_remote(const struct conf_row *row, const void *base,
			 char *buf, size_t size)
{
	const struct conf_conn *conn = base;

	if (conn->conn_remote_name[0])
		snprintf(buf, size, "%s", conn->conn_remote_name);
	else
		print_address(row, base, buf, size);
}

const struct conf_type conf_type_remote = { parse_remote, print_remote };

bool conf_remote_is_any(const struct conf_conn *conn)
{
	return !ip_addr_len(&conn->conn_remote) && !conn->conn_remote_name[0];
}

/* Identities (RFC 7296 section 3.5). */

static bool set_id(struct conf_id *id, u8 type, const void *data, size_t len)
{
	if (!len || len > CONF_ID_MAX)
		return false;
	memset(id, 0, sizeof(*id));
	id->id_type = type;
	id->id_len = len;
	memcpy(id->id_data, data, len);
	return true;
}

void conf_id_from_addr(struct conf_id *id, const struct ip_addr *addr)
{
	memset(id, 0, sizeof(*id));
	if (ip_addr_len(addr))
		set_id(id, addr->ip_family == AF_INET ? ID_IPV4_ADDR :
		       ID_IPV6_ADDR, addr->ip_bytes, ip_addr_len(addr));
}

bool conf_id_equal(const struct conf_id *a, const struct conf_id *b)
{
	return a->id_type == b->id_type && a->id_len == b->id_len &&
	       !memcmp(a->id_data, b->id_data, a->id_len);
}

static bool graphic(const char *text)
{
	for (; *text; text++)
		if (!isgraph((unsigned char)*text))
			return false;
	return true;
}

bool conf_id_parse(struct conf_id *id, const char *text, char *err,
		   size_t err_size)
{
	const char *refusal = NULL;
	struct ip_addr addr;
	bool ok = true;

	if (ip_addr_parse(&addr, text))
		conf_id_from_addr(id, &addr);
	else if (!strncmp(text, "key-id:", 7))
		ok = set_id(id, ID_KEY_ID, text + 7, strlen(text + 7));
	else if (strchr(text, '='))
		refusal = conf_dn_parse(id, text);
	else if (!graphic(text))
		refusal = "an identity has no spaces";
	else if (*text == '@')
		ok = set_id(id, ID_FQDN, text + 1, strlen(text + 1));
	else
		ok = set_id(id, strchr(text, '@') ? ID_RFC822_ADDR : ID_FQDN,
			    text, strlen(text));
	if (!ok)
		refusal = "an identity has 1 to 512 bytes";
	if (refusal)
		snprintf(err, err_size, "%s", refusal);
	return !refusal;
}

const char *conf_id_print(const struct conf_id *id, char *buf, size_t size)
{
	struct ip_addr addr;

	buf[0] = '\0';
	switch (id->id_type) {
	case ID_ADDRESS:
		snprintf(buf, size, "auto");
		return buf;
	case ID_IPV4_ADDR:
	case ID_IPV6_ADDR:
		if (ip_addr_set(&addr, id->id_data, id->id_len) &&
		    size >= IP_ADDR_STRLEN)
			return ip_addr_print(&addr, buf);
		break;
	case ID_FQDN:
	case ID_RFC822_ADDR:
		return text_escape(id->id_data, id->id_len, buf, size);
	case ID_DER_ASN1_DN:
		if (conf_dn_print(id, buf, size))
			return buf;
		text_append(buf, size, "type-%u:", id->id_type);
		break;
	case ID_KEY_ID:
		text_append(buf, size, "key-id:");
		break;
	default:
		text_append(buf, size, "type-%u:", id->id_type);
	}
	text_escape(id->id_data, id->id_len, buf + strlen(buf),
		    size - strlen(buf));
	return buf;
}

static bool parse_id(struct conf_reader *reader, const struct conf_row *row,
		     void *base, const struct conf_value *value)
{
	struct conf_id *id = member(row, base);
	char err[120];

	if (is_zero_word(row, value->val_text)) {
		memset(id, 0, sizeof(*id));
		return true;
	}
	if (conf_id_parse(id, value->val_text, err, sizeof(err)))
		return true;
	conf_error(reader, value->val_line, value->val_column, "%s", err);
	return false;
}

static void print_id(const struct conf_row *row, const void *base, char *buf,
		     size_t size)
{
	conf_id_print(const_member(row, base), buf, size);
}

const struct conf_type conf_type_id = { parse_id, print_id };

/* A file, seen from the folder of the configuration. */

static bool parse_path(struct conf_reader *reader, const struct conf_row *row,
		       void *base, const struct conf_value *value)
{
	const char *slash = strrchr(reader->rd_path, '/');
	int len, dir = 0;

	if (is_zero_word(row, value->val_text)) {
		memset(member(row, base), 0, row->row_size);
		return true;
	}
	if (value->val_text[0] != '/' && slash)
		dir = slash - reader->rd_path + 1;
	len = snprintf(member(row, base), row->row_size, "%.*s%s", dir,
		       reader->rd_path, value->val_text);
	if (len < 0 || (size_t)len >= row->row_size)
		return refuse(reader, value, "path too long:");
	return true;
}

static void print_text(const struct conf_row *row, const void *base, char *buf,
		       size_t size)
{
	const char *text = const_member(row, base);

	snprintf(buf, size, "%s", text[0] || !row->row_zero ? text :
		 row->row_zero);
}

const struct conf_type conf_type_path = { parse_path, print_text };

static bool parse_text(struct conf_reader *reader, const struct conf_row *row,
		       void *base, const struct conf_value *value)
{
	const char *text = is_zero_word(row, value->val_text) ? "" : value->val_text;

	if (strlen(text) >= row->row_size)
		return refuse(reader, value, "too long:");
	memset(member(row, base), 0, row->row_size);
	memcpy(member(row, base), text, strlen(text));
	return true;
}

const struct conf_type conf_type_text = { parse_text, print_text };

static bool parse_device(struct conf_reader *reader,
			 const struct conf_row *row, void *base,
			 const struct conf_value *value)
{
	const char *text = value->val_text;
	size_t len = strlen(text);

	if (is_zero_word(row, text))
		text = "";
	else if (len > CONF_DEVICE_MAX || !looks_like_name(text) ||
		 text[0] == '.' || text[0] == '-')
		return refuse(reader, value, "not a name for a device:");
	memset(member(row, base), 0, row->row_size);
	memcpy(member(row, base), text, strlen(text));
	return true;
}

const struct conf_type conf_type_device = { parse_device, print_text };
