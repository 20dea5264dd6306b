/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside of the configuration reader: types of values, and the table's rows. */
#ifndef CYGNET_LIB_CONF_VALUE_H
#define CYGNET_LIB_CONF_VALUE_H

#include "conf.h"

/* A value as it stands in the file, quotes taken off. */
struct conf_value {
	char *val_text;
	u32 val_line;			/* 0 for a default */
	u32 val_column;
};

struct conf_reader {
	const char *rd_path;
	struct conf_log *rd_log;
	struct conf *rd_conf;
	u32 rd_room;			/* connections allocated */
};

void __printf(4, 5) conf_error(struct conf_reader *reader, u32 line,
			       u32 column, const char *format, ...);
void __printf(4, 5) conf_warning(struct conf_reader *reader, u32 line,
				 u32 column, const char *format, ...);

struct conf_row;

/* parse() may write to the value's text; false after conf_error(). */
struct conf_type {
	bool (*type_parse)(struct conf_reader *reader,
			   const struct conf_row *row, void *base,
			   const struct conf_value *value);
	void (*type_print)(const struct conf_row *row, const void *base,
			   char *buf, size_t size);
};

struct conf_row {
	struct conf_key row_key;
	const struct conf_type *row_type;
	size_t row_offset;		/* of the member in its struct */
	size_t row_size;		/* of a number's or text's member */
	u64 row_min;
	u64 row_max;
	const char *row_zero;		/* word that stands for 0 */
	const char *const *row_words;	/* of an enumeration, NULL at the end */
	bool row_required;
	bool row_repeats;		/* may stand several times */
};

extern const struct conf_type conf_type_number;
extern const struct conf_type conf_type_duration;
extern const struct conf_type conf_type_bytes;
extern const struct conf_type conf_type_word;
extern const struct conf_type conf_type_address;
extern const struct conf_type conf_type_remote;
extern const struct conf_type conf_type_redirect;
extern const struct conf_type conf_type_id;
extern const struct conf_type conf_type_path;
extern const struct conf_type conf_type_text;
extern const struct conf_type conf_type_device;
extern const struct conf_type conf_type_signatures;
extern const struct conf_type conf_type_protect;
extern const struct conf_type conf_type_ike;
extern const struct conf_type conf_type_esp;
extern const struct conf_type conf_type_ah;

extern const struct conf_row conf_conn_rows[CONF_CONN_KEYS];
extern const struct conf_row conf_global_rows[CONF_GLOBAL_KEYS];

/* The table's defaults. */
void conf_default_conn(struct conf_reader *reader, struct conf_conn *conn);
void conf_default_global(struct conf_reader *reader, struct conf *conf);
void conf_check_required(struct conf_reader *reader,
			 const struct conf_conn *conn);
/* How each side authenticates, from the files that are named. */
void conf_check_auth(struct conf_reader *reader, struct conf_conn *conn);
/* "C=DE, O=Example, CN=gw" into *id; NULL, or what is wrong with it. */
const char *conf_dn_parse(struct conf_id *id, const char *text);
/* False if it is none. */
bool conf_dn_print(const struct conf_id *id, char *buf, size_t size);
/* What no single value shows, once all are there and sound. */
void conf_check_conn(struct conf_reader *reader, struct conf_conn *conn);

#endif
