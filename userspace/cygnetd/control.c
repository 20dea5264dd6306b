// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The server's side of lib/control.h: one request a connection, bounded in
 * size, number and patience. A client that does not read is dropped; one that
 * goes away stops the lines, not the work.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "engine.h"
#include "log.h"

#define CLIENTS_MAX	32
#define REQUEST_MS	5000	/* time to send the request */
#define UNREAD_MAX	(16 * JSON_LINE_MAX)

struct listener {
	uv_pipe_t li_pipe;
	bool li_full;
};

struct client {
	uv_pipe_t cl_pipe;
	uv_timer_t cl_timer;
	struct core *cl_core;
	bool cl_full;
	bool cl_busy;		/* the core has our address */
	bool cl_finished;	/* the last line is on its way */
	int cl_open;		/* handles still to be closed */
	size_t cl_len;
	char cl_buf[JSON_LINE_MAX];
};

struct line {
	uv_write_t ln_write;
	char *ln_text;
};

static struct server {
	struct core *sv_core;
	struct listener sv_listeners[2];
	size_t sv_n_listeners;
	int sv_clients;
	pid_t sv_pid;
} server;

static void on_closed(uv_handle_t *handle)
{
	struct client *client = handle->data;

	if (--client->cl_open)
		return;
	server.sv_clients--;
	free(client);
}

static void close_client(struct client *client)
{
	if (uv_is_closing((uv_handle_t *)&client->cl_pipe))
		return;
	if (client->cl_busy)
		core_forget(client->cl_core, client);
	uv_close((uv_handle_t *)&client->cl_pipe, on_closed);
	uv_close((uv_handle_t *)&client->cl_timer, on_closed);
}

static void on_written(uv_write_t *req, int status)
{
	struct line *line = (struct line *)req;
	struct client *client = req->data;

	free(line->ln_text);
	free(line);
	if (status < 0 || client->cl_finished)
		close_client(client);
}

/* Takes @text, which may be NULL for want of memory. */
static void send_line(struct client *client, char *text)
{
	uv_stream_t *stream = (uv_stream_t *)&client->cl_pipe;
	struct line *line = malloc(sizeof(*line));
	uv_buf_t buf;

	if (!line || !text || uv_is_closing((uv_handle_t *)stream) ||
	    uv_stream_get_write_queue_size(stream) > UNREAD_MAX)
		goto drop;
	line->ln_text = text;
	line->ln_write.data = client;
	buf = uv_buf_init(text, strlen(text));
	if (!uv_write(&line->ln_write, stream, &buf, 1, on_written))
		return;
drop:
	free(text);
	free(line);
	close_client(client);
}

static void finish(struct client *client, const char *error, json_t *more)
{
	client->cl_busy = false;
	client->cl_finished = true;
	send_line(client, control_done_line(error, more));
}

static void on_progress(void *arg, const char *step, const char *text,
			long long ms)
{
	send_line(arg, control_log_line(step, text, ms));
}

static void on_done(void *arg, const char *error)
{
	finish(arg, error, NULL);
}

static void answer_status(struct client *client, const char *name)
{
	json_t *status = core_status(client->cl_core, name);

	if (status)
		json_object_set_new(status, "pid",
				    json_integer(server.sv_pid));
	finish(client, status ? NULL : "out of memory", status);
}

typedef void command_fn(struct core *core, const char *name,
			const struct core_command *cmd);

static const struct {
	const char *name;
	command_fn *run;
} commands[] = {
	{ CONTROL_CMD_UP, core_up },
	{ CONTROL_CMD_DOWN, core_down },
	{ CONTROL_CMD_REKEY, core_rekey },
	{ CONTROL_CMD_REKEY_IKE, core_rekey_ike },
};

static void run_command(struct client *client, const char *cmd,
			const char *name)
{
	struct core_command command = { on_progress, on_done, client };
	size_t i;

	if (client->cl_full && !strcmp(cmd, CONTROL_CMD_RELOAD)) {
		client->cl_busy = true;
		core_reload(client->cl_core, &command);
		return;
	}
	if (!strcmp(cmd, CONTROL_CMD_STATUS)) {
		answer_status(client, name);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(cmd, commands[i].name))
			break;
	if (i == ARRAY_SIZE(commands)) {
		finish(client, "no such command: is cygnetd older than cygnet?",
		       NULL);
	} else if (!client->cl_full) {
		finish(client, "this socket only tells the status", NULL);
	} else if (!name) {
		finish(client, "which connection? \"name\" is missing", NULL);
	} else {
		client->cl_busy = true;
		commands[i].run(client->cl_core, name, &command);
	}
}

static void take_request(struct client *client, size_t len)
{
	char err[160];
	json_t *request = json_read_line(client->cl_buf, len, err,
					 sizeof(err));

	uv_timer_stop(&client->cl_timer);
	if (!request)
		finish(client, err, NULL);
	else if (json_get_u64(request, "v", 0) != CONTROL_VERSION)
		finish(client,
		       "another version of the protocol: restart cygnetd after an upgrade",
		       NULL);
	else
		run_command(client, json_get_string(request, "cmd", ""),
			    json_get_string(request, "name", NULL));
	json_decref(request);
}

static void on_room(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	struct client *client = handle->data;

	*buf = uv_buf_init(client->cl_buf + client->cl_len,
			   sizeof(client->cl_buf) - client->cl_len);
}

/* What follows the request is only awaited for the client's end. */
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct client *client = stream->data;
	char *end;

	if (n < 0) {
		close_client(client);
		return;
	}
	if (client->cl_busy || client->cl_finished)
		return;
	end = memchr(client->cl_buf + client->cl_len, '\n', n);
	client->cl_len += n;
	if (end) {
		size_t len = end - client->cl_buf;

		client->cl_len = 0;
		take_request(client, len);
	} else if (client->cl_len == sizeof(client->cl_buf)) {
		client->cl_len = 0;
		finish(client, "the request is too long", NULL);
	}
}

static void on_timeout(uv_timer_t *timer)
{
	close_client(timer->data);
}

/* Called for every connection, also for one too many, which is closed. */
static void on_connection(uv_stream_t *stream, int status)
{
	struct listener *listener = stream->data;
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return;
	client->cl_core = server.sv_core;
	client->cl_full = listener->li_full;
	client->cl_open = 2;
	client->cl_pipe.data = client;
	client->cl_timer.data = client;
	uv_pipe_init(stream->loop, &client->cl_pipe, 0);
	uv_timer_init(stream->loop, &client->cl_timer);
	server.sv_clients++;
	if (uv_accept(stream, (uv_stream_t *)&client->cl_pipe) ||
	    server.sv_clients > CLIENTS_MAX ||
	    uv_timer_start(&client->cl_timer, on_timeout, REQUEST_MS, 0) ||
	    uv_read_start((uv_stream_t *)&client->cl_pipe, on_room, on_read))
		close_client(client);
}

bool control_listen(uv_loop_t *loop, struct core *core, int fd, bool full)
{
	struct listener *listener;
	int ret;

	if (server.sv_n_listeners == ARRAY_SIZE(server.sv_listeners))
		return false;
	listener = &server.sv_listeners[server.sv_n_listeners++];
	server.sv_core = core;
	server.sv_pid = getppid();
	listener->li_full = full;
	listener->li_pipe.data = listener;
	ret = uv_pipe_init(loop, &listener->li_pipe, 0);
	if (!ret)
		ret = uv_pipe_open(&listener->li_pipe, fd);
	if (!ret)
		ret = uv_listen((uv_stream_t *)&listener->li_pipe, CLIENTS_MAX,
				on_connection);
	if (ret)
		log_error("control socket: %s", uv_strerror(ret));
	return !ret;
}
