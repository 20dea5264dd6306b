// SPDX-License-Identifier: GPL-2.0-or-later

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "cygnet.h"
#include "lib/conf.h"
#include "lib/control.h"
#include "lib/cred.h"
#include "lib/text.h"

const char *config_path(void)
{
	return options.opt_config ?: CONF_PATH_DEFAULT;
}

const char *control_dir(void)
{
	static char dir[sizeof(((struct conf *)0)->conf_control_dir)];
	struct conf_log log = { 0 };
	struct conf *conf;

	if (options.opt_control_dir)
		return options.opt_control_dir;
	text_copy(dir, sizeof(dir), CONTROL_DIR_DEFAULT);
	conf = conf_read(config_path(), &log);
	if (conf)
		memcpy(dir, conf->conf_control_dir, sizeof(dir));
	conf_free(conf);
	conf_log_free(&log);
	return dir;
}

/* NULL after all mistakes have been told. */
static struct conf *read_config(const char *path, struct conf_log *log)
{
	struct conf *conf = conf_read(path, log);

	if (!options.opt_json)
		conf_log_print(stderr, path, log);
	return conf;
}

static json_t *messages_json(const struct conf_log *log)
{
	const struct conf_message *message;
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < log->log_count; i++) {
		message = &log->log_messages[i];
		json_array_append_new(array,
				      json_pack("{s:s, s:i, s:i, s:o}",
						"severity",
						message->msg_warning ?
						"warning" : "error",
						"line", message->msg_line,
						"column", message->msg_column,
						"text",
						json_text(message->msg_text,
							  strlen(message->msg_text))));
	}
	return array;
}

int run_check(struct args *args)
{
	const char *path = next_word(args) ?: config_path();
	struct conf_log log = { 0 };
	json_t *messages;
	struct conf *conf;
	u32 count = 0;
	bool ok;

	no_more(args);
	conf = conf_read(path, &log);
	ok = conf && !cred_check(conf, &log);
	if (!options.opt_json)
		conf_log_print(stderr, path, &log);
	messages = messages_json(&log);
	if (conf)
		count = conf->conf_nconns;
	if (options.opt_json)
		print_json(json_pack("{s:s, s:b, s:i, s:O}", "file", path,
				     "ok", ok, "connections", count,
				     "messages", messages));
	else if (ok)
		printf("%s: %u connection%s, no mistakes\n", path, count,
		       count == 1 ? "" : "s");
	json_decref(messages);
	conf_free(conf);
	conf_log_free(&log);
	return ok ? EXIT_OK : EXIT_CONFIG;
}

static void print_value(struct table *table, const char *key,
			const char *value, u32 line)
{
	table_cell(table, "%s", key);
	if (line)
		table_cell(table, "line %u", line);
	else
		table_cell(table, "default");
	table_cell(table, "%s", value);
}

static json_t *value_json(const char *value, u32 line)
{
	json_t *object = json_pack("{s:o, s:s}", "value",
				   json_text(value, strlen(value)), "origin",
				   line ? "file" : "default");

	if (line)
		json_object_set_new(object, "line", json_integer(line));
	return object;
}

static const char *const value_headings[] = { "KEY", "FROM", "VALUE", NULL };

static void print_conn_config(const struct conf_conn *conn)
{
	static char buf[CONF_VALUE_STRLEN];
	struct table table;
	int key;

	printf("%sconnection %s%s (line %u)\n", bold(), conn->conn_name,
	       plain(), conn->conn_line);
	table_begin(&table, value_headings);
	for (key = 0; key < CONF_CONN_KEYS; key++)
		print_value(&table, conf_conn_key(key)->key_name,
			    conf_conn_value(conn, key, buf, sizeof(buf)),
			    conn->conn_origin[key]);
	table_end(&table, 2);
}

static void print_global_config(const struct conf *conf)
{
	static char buf[CONF_VALUE_STRLEN];
	struct table table;
	int key;

	heading("global");
	table_begin(&table, value_headings);
	for (key = 0; key < CONF_GLOBAL_KEYS; key++)
		print_value(&table, conf_global_key(key)->key_name,
			    conf_global_value(conf, key, buf, sizeof(buf)),
			    conf->conf_origin[key]);
	table_end(&table, 2);
}

static json_t *conn_config_json(const struct conf_conn *conn)
{
	static char buf[CONF_VALUE_STRLEN];
	json_t *object = json_object();
	const char *value;
	int key;

	for (key = 0; key < CONF_CONN_KEYS; key++) {
		value = conf_conn_value(conn, key, buf, sizeof(buf));
		json_object_set_new(object, conf_conn_key(key)->key_name,
				    value_json(value, conn->conn_origin[key]));
	}
	return object;
}

static json_t *global_config_json(const struct conf *conf)
{
	static char buf[CONF_VALUE_STRLEN];
	json_t *object = json_object();
	const char *value;
	int key;

	for (key = 0; key < CONF_GLOBAL_KEYS; key++) {
		value = conf_global_value(conf, key, buf, sizeof(buf));
		json_object_set_new(object, conf_global_key(key)->key_name,
				    value_json(value, conf->conf_origin[key]));
	}
	return object;
}

static void config_json(const struct conf *conf, const struct conf_conn *only)
{
	json_t *conns = json_object();
	u32 i;

	for (i = 0; i < conf->conf_nconns; i++)
		if (!only || only == &conf->conf_conns[i])
			json_object_set_new(conns,
					    conf->conf_conns[i].conn_name,
					    conn_config_json
					    (&conf->conf_conns[i]));
	print_json(json_pack("{s:s, s:o, s:o}", "file", conf->conf_path,
			     "global", global_config_json(conf), "connections",
			     conns));
}

static void print_config(const struct conf *conf, const struct conf_conn *only)
{
	u32 i;

	if (only) {
		print_conn_config(only);
		return;
	}
	print_global_config(conf);
	for (i = 0; i < conf->conf_nconns; i++)
		print_conn_config(&conf->conf_conns[i]);
}

int show_config(struct args *args)
{
	const char *name = next_word(args), *near;
	const struct conf_conn *only = NULL;
	struct conf_log log = { 0 };
	int code = EXIT_OK;
	struct conf *conf;

	no_more(args);
	conf = read_config(config_path(), &log);
	conf_log_free(&log);
	if (!conf)
		return EXIT_CONFIG;
	if (name)
		only = conf_find(conf, name);
	if (name && !only) {
		near = conf_suggest(conf, name);
		code = fail(EXIT_CONFIG, "%s has no connection \"%s\"%s%s%s",
			    conf->conf_path, name,
			    near ? "; did you mean \"" : "", near ?: "",
			    near ? "\"?" : "");
	} else if (options.opt_json) {
		config_json(conf, only);
	} else {
		print_config(conf, only);
	}
	conf_free(conf);
	return code;
}
