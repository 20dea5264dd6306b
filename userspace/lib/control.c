// SPDX-License-Identifier: GPL-2.0-or-later

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"

char *control_log_line(const char *step, const char *text, long long ms)
{
	json_t *line = json_pack("{s:i, s:s, s:o}", "v", CONTROL_VERSION,
				 "event", "log", "text",
				 json_text(text, strlen(text)));
	char *out;

	if (step)
		json_object_set_new(line, "step",
				    json_text(step, strlen(step)));
	if (ms >= 0)
		json_object_set_new(line, "ms", json_integer(ms));
	out = json_line(line);
	json_decref(line);
	return out;
}

char *control_done_line(const char *error, json_t *more)
{
	json_t *line = json_pack("{s:i, s:b, s:b}", "v", CONTROL_VERSION,
				 "done", 1, "ok", !error);
	char *out;

	if (error)
		json_object_set_new(line, "error",
				    json_text(error, strlen(error)));
	if (more)
		json_object_update(line, more);
	out = json_line(line);
	json_decref(line);
	json_decref(more);
	return out;
}

static int open_socket(const char *dir, const char *name)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd, len, saved;

	len = snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/%s", dir, name);
	if (len < 0 || (size_t)len >= sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static bool send_request(int fd, const char *cmd, const char *name)
{
	json_t *request = json_pack("{s:i, s:s}", "v", CONTROL_VERSION, "cmd",
				    cmd);
	size_t len, sent = 0;
	char *line;
	ssize_t n;

	if (name)
		json_object_set_new(request, "name", json_string(name));
	line = json_line(request);
	json_decref(request);
	len = line ? strlen(line) : 0;
	while (line && sent < len) {
		n = send(fd, line + sent, len - sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		sent += n;
	}
	free(line);
	return len && sent == len;
}

/* Reads lines until the final one, which it returns. */
static json_t *read_answer(FILE *stream, control_event_fn *event, void *arg,
			   char *err, size_t err_size)
{
	json_t *object = NULL;
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	snprintf(err, err_size, "cygnetd ended the connection");
	for (;;) {
		len = getline(&line, &room, stream);
		if (len < 0)
			break;
		object = json_read_line(line, len, err, err_size);
		if (!object || json_get_bool(object, "done", false))
			break;
		if (event)
			event(object, arg);
		json_decref(object);
		object = NULL;
	}
	free(line);
	return object;
}

json_t *control_call(const char *dir, const char *cmd, const char *name,
		     control_event_fn *event, void *arg, char *err,
		     size_t err_size)
{
	json_t *answer = NULL;
	FILE *stream;
	int fd = -1;

	if (!strcmp(cmd, CONTROL_CMD_STATUS))
		fd = open_socket(dir, STATUS_SOCKET);
	if (fd < 0)
		fd = open_socket(dir, CONTROL_SOCKET);
	if (fd < 0) {
		snprintf(err, err_size, "%s/%s: %s", dir, CONTROL_SOCKET,
			 errno == ENOENT || errno == ECONNREFUSED ?
			 "cygnetd is not running" : strerror(errno));
		return NULL;
	}
	if (!send_request(fd, cmd, name)) {
		snprintf(err, err_size, "cannot ask cygnetd: %s",
			 strerror(errno));
		close(fd);
		return NULL;
	}
	stream = fdopen(fd, "r");
	if (!stream) {
		snprintf(err, err_size, "%s", strerror(errno));
		close(fd);
		return NULL;
	}
	answer = read_answer(stream, event, arg, err, err_size);
	fclose(stream);
	return answer;
}
