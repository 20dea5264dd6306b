// SPDX-License-Identifier: GPL-2.0-or-later
/* Connections: what cygnetd knows and does, through its control socket. */

#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "cygnet.h"
#include "lib/control.h"
#include "lib/text.h"

static void print_line(const json_t *line, void *arg)
{
	const char *step = json_get_string(line, "step", NULL);
	u64 ms = json_get_u64(line, "ms", ~0ULL);
	char text[256], word[256];

	if (options.opt_json) {
		json_print(stdout, line);
		return;
	}
	if (step)
		printf("%s%-9s%s ", bold(), safe_text(step, word), plain());
	safe_text(json_get_string(line, "text", ""), text);
	if (ms == ~0ULL)
		printf("%s\n", text);
	else
		printf("%-56s %5llu ms\n", text, ms);
	fflush(stdout);
}

static int ask_daemon(const char *cmd, const char *name)
{
	char err[256] = "", text[256];
	json_t *answer;
	bool ok;

	answer = control_call(control_dir(), cmd, name, print_line, NULL, err,
			      sizeof(err));
	if (!answer)
		return fail(EXIT_ABSENT, "%s", err);
	ok = json_get_bool(answer, "ok", false);
	if (options.opt_json)
		json_print(stdout, answer);
	else if (!ok)
		fail(EXIT_REFUSED, "%s",
		     safe_text(json_get_string(answer, "error", "failed"),
			       text));
	json_decref(answer);
	return ok ? EXIT_OK : EXIT_REFUSED;
}

static int run_command(struct args *args, const char *cmd)
{
	const char *name = value_of(args, cmd);

	no_more(args);
	return ask_daemon(cmd, name);
}

int run_up(struct args *args)
{
	return run_command(args, CONTROL_CMD_UP);
}

int run_down(struct args *args)
{
	return run_command(args, CONTROL_CMD_DOWN);
}

int run_rekey(struct args *args)
{
	const char *name = value_of(args, CONTROL_CMD_REKEY);
	bool ike = take_word(args, "ike");

	no_more(args);
	return ask_daemon(ike ? CONTROL_CMD_REKEY_IKE : CONTROL_CMD_REKEY,
			  name);
}

int run_reload(struct args *args)
{
	no_more(args);
	return ask_daemon(CONTROL_CMD_RELOAD, NULL);
}

json_t *daemon_status(const char *name, int *code, char *err, size_t err_size)
{
	json_t *answer = control_call(control_dir(), CONTROL_CMD_STATUS, name,
				      NULL, NULL, err, err_size);

	*code = EXIT_ABSENT;
	if (answer && !json_get_bool(answer, "ok", false)) {
		*code = EXIT_REFUSED;
		snprintf(err, err_size, "%s",
			 json_get_string(answer, "error", "failed"));
		json_decref(answer);
		return NULL;
	}
	return answer;
}

static const char *member(const json_t *object, const char *key, char buf[256])
{
	return safe_text(json_get_string(object, key, ""), buf);
}

static void print_member(const json_t *object, const char *key,
			 const char *label)
{
	char buf[256];

	if (json_get_string(object, key, NULL))
		printf("  %-10s %s\n", label, member(object, key, buf));
}

static void print_child(const json_t *child)
{
	char in[256], out[256], state[256], buf[256], ages[SPAN_STRLEN];
	const json_t *selectors = json_object_get(child, "selectors");
	const json_t *selector;
	size_t i;

	printf("  %-10s %s  in %s  out %s", "child",
	       member(child, "state", state), member(child, "spi-in", in),
	       member(child, "spi-out", out));
	printf("  %s old", span(json_get_u64(child, "age", 0), ages));
	if (json_object_get(child, "rekey-in"))
		printf(", rekey in %s",
		       span(json_get_u64(child, "rekey-in", 0), ages));
	printf("\n");
	if (json_get_string(child, "proposal", NULL))
		printf("  %-10s %s\n", "", member(child, "proposal", buf));
	json_array_foreach(selectors, i, selector)
		if (json_is_string(selector))
			printf("  %-10s %s\n", "",
			       safe_text(json_string_value(selector), buf));
}

static void print_ike(const json_t *ike)
{
	char role[256], state[256], i[256], r[256], age[SPAN_STRLEN];

	if (!json_is_object(ike))
		return;
	printf("  %-10s %s, %s, SPIs %s %s, %s old\n", "ike",
	       member(ike, "state", state), member(ike, "role", role),
	       member(ike, "spi-i", i), member(ike, "spi-r", r),
	       span(json_get_u64(ike, "age", 0), age));
	print_member(ike, "proposal", "");
	print_member(ike, "post-quantum", "post-quantum: ");
	print_member(ike, "ppk", "PPK: ");
}

/* What refused it: what was offered, what is configured. */
static void print_trouble(const json_t *trouble, const char *label)
{
	const json_t *line;
	char buf[256];
	size_t i;

	if (!trouble)
		return;
	print_member(trouble, "text", label);
	json_array_foreach(json_object_get(trouble, "details"), i, line)
		if (json_is_string(line))
			printf("  %-10s %s\n", "",
			       safe_text(json_string_value(line), buf));
}

static void print_connection(const json_t *conn)
{
	char name[256], state[256], local[256], remote[256];
	const json_t *child;
	size_t i;

	printf("%s%s%s  %s", bold(), member(conn, "name", name), plain(),
	       member(conn, "state", state));
	if (json_get_string(conn, "device", NULL))
		printf(" on %s", member(conn, "device", name));
	printf("\n");
	if (json_object_get(conn, "trouble"))
		print_trouble(json_object_get(conn, "trouble"), "error");
	else
		print_member(conn, "error", "error");
	print_trouble(json_object_get(conn, "peer-trouble"), "refused");
	if (json_get_string(conn, "remote", NULL))
		printf("  %-10s %s <-> %s\n", "path",
		       member(conn, "local", local),
		       member(conn, "remote", remote));
	if (strcmp(json_get_string(conn, "nat", "none"), "none") != 0)
		print_member(conn, "nat", "NAT");
	print_member(conn, "local-id", "we are");
	print_member(conn, "remote-id", "peer is");
	print_ike(json_object_get(conn, "ike"));
	json_array_foreach(json_object_get(conn, "children"), i, child)
		print_child(child);
}

void print_connections(const json_t *status)
{
	const json_t *conn;
	size_t i;

	json_array_foreach(json_object_get(status, "connections"), i, conn) {
		if (i)
			printf("\n");
		print_connection(conn);
	}
}
