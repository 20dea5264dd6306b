// SPDX-License-Identifier: GPL-2.0-or-later
/* Text for people and JSON for programs; the control socket's client. */

#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "text.h"

static void assert_escaped(const char *text, size_t len, size_t size,
			   const char *escaped)
{
	char *buf = malloc(size);

	assert_string_equal(text_escape(text, len, buf, size), escaped);
	free(buf);
}

static void test_escape(void **state)
{
	assert_escaped("plain text", 10, 64, "plain text");
	assert_escaped("", 0, 1, "");
	assert_escaped("\x1b[31m\n\0\xff\\", 9, 64,
		       "\\x1b[31m\\x0a\\x00\\xff\\");
	assert_escaped("0123456789", 10, 11, "0123456789");
	assert_escaped("0123456789", 10, 10, "012345...");
	assert_escaped("01234\x01", 6, 9, "01234...");
	assert_escaped("\x01\x02", 2, 8, "\\x01...");
	assert_escaped("\x01\x02", 2, 4, "...");
	assert_escaped("abc", 3, 3, "ab");
	assert_escaped("ab", 2, 1, "");
}

static void test_append(void **state)
{
	char buf[8] = "";

	text_append(buf, sizeof(buf), "%d", 123);
	text_append(buf, sizeof(buf), "-%s", "abcdef");
	assert_string_equal(buf, "123-abc");
	text_append(buf, sizeof(buf), "more");
	assert_string_equal(buf, "123-abc");
}

static void test_copy(void **state)
{
	char buf[4] = "xyz";

	assert_true(text_copy(buf, sizeof(buf), "abc"));
	assert_string_equal(buf, "abc");
	assert_false(text_copy(buf, sizeof(buf), "defg"));
	assert_string_equal(buf, "def");
	assert_false(text_copy(buf, 1, "a"));
	assert_string_equal(buf, "");
	assert_true(text_copy(buf, 1, ""));
}

static const char *nearest(const char *word)
{
	static const char *const words[] = {
		"local", "remote", "rekey", "rekey-bytes", "mtu",
	};
	struct suggestion near = { 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		suggest(&near, word, words[i]);
	return near.sug_best;
}

static void test_suggestions(void **state)
{
	struct suggestion near = { 0 };
	char huge[200];

	assert_string_equal(nearest("remot"), "remote");
	assert_string_equal(nearest("rmeote"), "remote");
	assert_string_equal(nearest("rekye"), "rekey");
	assert_string_equal(nearest("rekey-byte"), "rekey-bytes");
	assert_null(nearest("left"));
	assert_null(nearest(""));
	assert_null(nearest("x"));
	memset(huge, 'x', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	assert_null(nearest(huge));
	huge[64] = '\0';
	assert_null(nearest(huge));
	suggest(&near, "remote", huge);
	assert_null(near.sug_best);
}

static json_t *read_line(const char *line)
{
	char err[64];

	return json_read_line(line, strlen(line), err, sizeof(err));
}

static void test_json_lines(void **state)
{
	json_t *object = read_line("{\"a\":1,\"b\":\"x\",\"c\":true}\n");

	assert_non_null(object);
	assert_int_equal(json_get_u64(object, "a", 9), 1);
	assert_int_equal(json_get_u64(object, "b", 9), 9);
	assert_string_equal(json_get_string(object, "b", "?"), "x");
	assert_string_equal(json_get_string(object, "a", "?"), "?");
	assert_true(json_get_bool(object, "c", false));
	assert_false(json_get_bool(object, "d", false));
	json_decref(object);
}

static void test_json_limits(void **state)
{
	char deep[64], *huge = malloc(JSON_LINE_MAX + 2);
	char err[64];

	assert_null(read_line("[1]"));
	assert_null(read_line("{"));
	assert_null(read_line(""));
	assert_null(read_line("{\"a\":1,\"a\":2}"));
	memset(deep, '[', sizeof(deep));
	memcpy(deep, "{\"a\":", 5);
	deep[sizeof(deep) - 1] = '\0';
	assert_null(read_line(deep));
	memset(huge, ' ', JSON_LINE_MAX + 1);
	memcpy(huge, "{}", 2);
	assert_null(json_read_line(huge, JSON_LINE_MAX + 1, err, sizeof(err)));
	assert_non_null(strstr(err, "long"));
	free(huge);
}

/* Brackets in strings are no depth, a quote after a backslash no end. */
static void test_json_depth(void **state)
{
	json_t *object = read_line("{\"a\":\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[\"}");

	assert_non_null(object);
	json_decref(object);
}

/* Side by side is not one in the other. */
static void test_json_width(void **state)
{
	char line[256] = "{";
	json_t *object;
	int i;

	for (i = 0; i < 20; i++)
		text_append(line, sizeof(line), "%s\"%d\":[1]", i ? "," : "",
			    i);
	text_append(line, sizeof(line), "}");
	object = read_line(line);
	assert_non_null(object);
	json_decref(object);
}

static void test_json_text(void **state)
{
	json_t *object = json_pack("{s:o}", "id", json_text("a\x1b\xc3\0", 4));
	char *line = json_line(object);

	assert_string_equal(line, "{\"id\":\"a\\\\x1b\\\\xc3\\\\x00\"}\n");
	free(line);
	json_decref(object);
}

/* A server that answers one connection with what it is given. */
struct server {
	char dir[64];
	char path[80];
	const char *answer;
	char request[256];
	int fd;
	pthread_t thread;
};

static void *serve(void *arg)
{
	struct server *server = arg;
	int fd = accept(server->fd, NULL, NULL);
	ssize_t got = read(fd, server->request, sizeof(server->request) - 1);

	server->request[got > 0 ? got : 0] = '\0';
	if (write(fd, server->answer, strlen(server->answer)) < 0)
		perror("write");
	close(fd);
	return NULL;
}

static void start_server(struct server *server, const char *answer)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	memset(server, 0, sizeof(*server));
	strcpy(server->dir, "/tmp/cygnet-unit-XXXXXX");
	assert_non_null(mkdtemp(server->dir));
	sprintf(server->path, "%s/%s", server->dir, CONTROL_SOCKET);
	strcpy(sun.sun_path, server->path);
	server->answer = answer;
	server->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(server->fd, (struct sockaddr *)&sun,
			      sizeof(sun)), 0);
	assert_int_equal(listen(server->fd, 1), 0);
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server),
			 0);
}

static void stop_server(struct server *server)
{
	pthread_join(server->thread, NULL);
	close(server->fd);
	unlink(server->path);
	rmdir(server->dir);
}

static void count_event(const json_t *line, void *arg)
{
	assert_string_equal(json_get_string(line, "event", ""), "log");
	++*(int *)arg;
}

static void test_control_call(void **state)
{
	char *one = control_log_line("propose", "AES", 41), *answer;
	char *two = control_log_line(NULL, "x", -1);
	char *end = control_done_line(NULL, json_pack("{s:i}", "pid", 7));
	struct server server;
	json_t *result;
	int events = 0;
	char err[128];

	assert_string_equal(two,
			    "{\"v\":1,\"event\":\"log\",\"text\":\"x\"}\n");
	assert_true(asprintf(&answer, "%s%s%s", one, two, end) > 0);
	start_server(&server, answer);
	result = control_call(server.dir, "up", "office", count_event, &events,
			      err, sizeof(err));
	stop_server(&server);
	assert_non_null(result);
	assert_true(json_get_bool(result, "ok", false));
	assert_int_equal(json_get_u64(result, "pid", 0), 7);
	assert_int_equal(events, 2);
	assert_string_equal(server.request,
			    "{\"v\":1,\"cmd\":\"up\",\"name\":\"office\"}\n");
	json_decref(result);
	free(answer);
	free(one);
	free(two);
	free(end);
}

static void test_control_refusal(void **state)
{
	char *end = control_done_line("no such connection", NULL);
	struct server server;
	json_t *result;
	char err[128];

	start_server(&server, end);
	result = control_call(server.dir, "status", NULL, NULL, NULL, err,
			      sizeof(err));
	stop_server(&server);
	assert_non_null(result);
	assert_false(json_get_bool(result, "ok", true));
	assert_string_equal(json_get_string(result, "error", ""),
			    "no such connection");
	json_decref(result);
	free(end);
}

static void test_control_breaks_off(void **state)
{
	struct server server;
	char err[128];

	start_server(&server, "{\"v\":1,\"event\":\"log\"}\n");
	assert_null(control_call(server.dir, "up", "x", NULL, NULL, err,
				 sizeof(err)));
	stop_server(&server);
	assert_non_null(strstr(err, "ended"));
	start_server(&server, "nonsense\n");
	assert_null(control_call(server.dir, "up", "x", NULL, NULL, err,
				 sizeof(err)));
	stop_server(&server);
	assert_non_null(strstr(err, "JSON"));
}

static void test_control_without_daemon(void **state)
{
	char err[256], dir[300];

	assert_null(control_call("/nonexistent", "up", "x", NULL, NULL, err,
				 sizeof(err)));
	assert_non_null(strstr(err, "not running"));
	memset(dir, 'x', sizeof(dir) - 1);
	dir[sizeof(dir) - 1] = '\0';
	assert_null(control_call(dir, "up", "x", NULL, NULL, err,
				 sizeof(err)));
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_suggestions),
		cmocka_unit_test(test_json_lines),
		cmocka_unit_test(test_json_limits),
		cmocka_unit_test(test_json_depth),
		cmocka_unit_test(test_json_width),
		cmocka_unit_test(test_json_text),
		cmocka_unit_test(test_control_call),
		cmocka_unit_test(test_control_refusal),
		cmocka_unit_test(test_control_breaks_off),
		cmocka_unit_test(test_control_without_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
