// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * doctor NAME: why a connection does not come up. It looks at the files, asks
 * cygnetd, tries, and names the lines of the configuration to look at.
 */

#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "cygnet.h"
#include "lib/control.h"
#include "lib/cred.h"

#define INDENT "        "

struct patient {
	struct conf *pt_conf;
	const struct conf_conn *pt_conn;
	json_t *pt_steps;
};

static void __printf(2, 3) say(const char *verdict, const char *format, ...)
{
	va_list args;

	if (options.opt_json)
		return;
	va_start(args, format);
	printf("%s%-5s%s ", bold(), verdict, plain());
	vprintf(format, args);
	printf("\n");
	va_end(args);
}

/* Errors, and what is told about this connection. */
static size_t tell_messages(const struct patient *pt,
			    const struct conf_log *log, json_t *messages)
{
	size_t i, shown = 0;

	for (i = 0; i < log->log_count; i++) {
		const struct conf_message *msg = &log->log_messages[i];

		shown += !msg->msg_warning;
		json_array_append_new(messages,
				      json_pack("{s:i, s:s}", "line",
						msg->msg_line, "text",
						msg->msg_text));
		say(msg->msg_warning ? "warn" : "FAIL", "%s:%u: %s",
		    pt->pt_conf ? pt->pt_conf->conf_path : config_path(),
		    msg->msg_line, msg->msg_text);
	}
	return shown;
}

static bool is_of(const struct patient *pt, u32 line)
{
	const struct conf *conf = pt->pt_conf;
	u32 end = ~0u, i;

	for (i = 0; i < conf->conf_nconns; i++)
		if (conf->conf_conns[i].conn_line > pt->pt_conn->conn_line &&
		    conf->conf_conns[i].conn_line < end)
			end = conf->conf_conns[i].conn_line;
	return line >= pt->pt_conn->conn_line && line < end;
}

/* Other connections' files are none of this one's business. */
static void keep_own(const struct patient *pt, struct conf_log *log)
{
	size_t i, kept = 0;

	for (i = 0; i < log->log_count; i++)
		if (is_of(pt, log->log_messages[i].msg_line))
			log->log_messages[kept++] = log->log_messages[i];
	log->log_count = kept;
}

/* EXIT_OK with pt filled in, or what to exit with after saying why. */
static int examine_files(struct patient *pt, const char *name,
			 json_t *messages)
{
	struct conf_log log = { 0 };
	int code = EXIT_OK;

	pt->pt_conf = conf_read(config_path(), &log);
	pt->pt_conn = pt->pt_conf ? conf_find(pt->pt_conf, name) : NULL;
	if (pt->pt_conf && !pt->pt_conn) {
		code = fail(EXIT_CONFIG, "%s has no connection %s",
			    config_path(), name);
	} else {
		if (pt->pt_conf) {
			cred_check(pt->pt_conf, &log);
			keep_own(pt, &log);
		}
		if (tell_messages(pt, &log, messages))
			code = EXIT_REFUSED;
		else
			say("ok", "%s and the files that it names",
			    config_path());
	}
	conf_log_free(&log);
	return code;
}

static void take_step(const json_t *line, void *arg)
{
	struct patient *pt = arg;
	char step[256], text[256];

	json_array_append(pt->pt_steps, (json_t *)line);
	say("ok", "%s: %s", safe_text(json_get_string(line, "step", ""), step),
	    safe_text(json_get_string(line, "text", ""), text));
}

/* The connection as cygnetd has it, or NULL. */
static json_t *live(const char *name)
{
	json_t *status, *conn;
	char err[256];
	int code;

	status = daemon_status(name, &code, err, sizeof(err));
	conn = json_incref(json_array_get(json_object_get(status,
							  "connections"), 0));
	json_decref(status);
	return conn;
}

static int key_number(const char *name)
{
	int key;

	for (key = 0; key < CONF_CONN_KEYS; key++)
		if (!strcmp(conf_conn_key(key)->key_name, name))
			return key;
	return -1;
}

static void name_line(const struct patient *pt, const char *key_name)
{
	static char value[CONF_VALUE_STRLEN];
	const struct conf_conn *conn = pt->pt_conn;
	int key = key_number(key_name);

	if (key < 0)
		return;
	conf_conn_value(conn, key, value, sizeof(value));
	if (conn->conn_origin[key])
		printf(INDENT "%s:%u: %s = %s\n", pt->pt_conf->conf_path,
		       conn->conn_origin[key], key_name, value);
	else
		printf(INDENT "%s:%u: connection %s says nothing about %s (%s)\n",
		       pt->pt_conf->conf_path, conn->conn_line,
		       conn->conn_name, key_name, value);
}

static void tell_trouble(const struct patient *pt, const json_t *trouble)
{
	const json_t *keys = json_object_get(trouble, "keys");
	const json_t *item;
	char text[256];
	size_t i;

	say("FAIL", "%s", safe_text(json_get_string(trouble, "text", ""),
				    text));
	json_array_foreach(json_object_get(trouble, "details"), i, item)
		printf(INDENT "%s\n", safe_text(json_string_value(item), text));
	if (json_array_size(keys))
		printf("      %s\n", json_array_size(keys) == 1 ?
		       "look at, or change:" :
		       "one of these does not match the peer's side:");
	json_array_foreach(keys, i, item)
		name_line(pt, json_string_value(item));
}

static void print_findings(const struct patient *pt, const json_t *conn,
			   const char *error)
{
	const json_t *trouble = json_object_get(conn, "trouble");
	const json_t *theirs = json_object_get(conn, "peer-trouble");
	char text[256];

	if (trouble)
		tell_trouble(pt, trouble);
	else
		say("FAIL", "%s", safe_text(error, text));
	if (theirs) {
		printf("      and when the peer tried:\n");
		tell_trouble(pt, theirs);
	}
}

static int try_it(struct patient *pt, const char *name, json_t *report)
{
	char err[256] = "", text[256];
	json_t *answer, *conn;
	bool ok;

	answer = control_call(control_dir(), CONTROL_CMD_UP, name, take_step,
			      pt, err, sizeof(err));
	if (!answer) {
		say("FAIL", "%s: systemctl start cygnetd",
		    safe_text(err, text));
		return EXIT_ABSENT;
	}
	ok = json_get_bool(answer, "ok", false);
	conn = live(name);
	json_object_set_new(report, "connection",
			    conn ? json_incref(conn) : json_null());
	if (ok)
		say("ok", "%s is up", name);
	else if (!options.opt_json)
		print_findings(pt, conn, json_get_string(answer, "error", ""));
	json_decref(conn);
	json_decref(answer);
	return ok ? EXIT_OK : EXIT_REFUSED;
}

int run_doctor(struct args *args)
{
	const char *name = value_of(args, "doctor");
	json_t *report = json_object(), *messages = json_array();
	struct patient pt = { .pt_steps = json_array() };
	int code;

	no_more(args);
	code = examine_files(&pt, name, messages);
	if (code == EXIT_OK)
		code = try_it(&pt, name, report);
	json_object_set_new(report, "ok", json_boolean(code == EXIT_OK));
	json_object_set_new(report, "messages", messages);
	json_object_set_new(report, "steps", pt.pt_steps);
	if (options.opt_json)
		print_json(report);
	else
		json_decref(report);
	conf_free(pt.pt_conf);
	return code;
}
