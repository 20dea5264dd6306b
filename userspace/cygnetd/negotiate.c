// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A datapath for tests without the module: it only negotiates, and writes what
 * would be installed, keys included, to a file, a JSON object a line. Never
 * part of a release: compiled with CYGNET_TEST_BACKEND only.
 */
#ifdef CYGNET_TEST_BACKEND

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "backend.h"
#include "log.h"
#include "lib/text.h"

#define SPI_MIN 256

#define SAS_MAX	512

/* One direction of a child SA, as a kernel would remember it. */
struct negotiated {
	char sa_conn[CONF_NAME_MAX];
	u32 sa_dir, sa_spi;
	struct ip_endpoint sa_local, sa_remote;
};

struct negotiate {
	struct backend ng_backend;
	int ng_fd;
	u32 ng_n_sas;
	struct negotiated ng_sas[SAS_MAX];
};

static void put(struct backend *be, json_t *object)
{
	struct negotiate *ng = (struct negotiate *)be;
	char *text = json_dumps(object, JSON_COMPACT);

	if (!text || dprintf(ng->ng_fd, "%s\n", text) < 0)
		log_error("test backend: cannot write");
	free(text);
	json_decref(object);
}

static json_t *hex(const struct ipc_key *key)
{
	char text[2 * IPC_KEY_MAX + 1] = "";

	for (u32 i = 0; i < key->ik_len; i++)
		sprintf(text + 2 * i, "%02x", key->ik_key[i]);
	return json_string(text);
}

static json_t *endpoint(const struct ip_endpoint *ep)
{
	char addr[IP_ADDR_STRLEN];

	return json_pack("[si]", ip_addr_print(&ep->ep_addr, addr),
			 ep->ep_port);
}

static json_t *selectors(const struct ipc_child *child)
{
	json_t *array = json_array();
	char buf[TS_PAIR_STRLEN];

	for (u32 i = 0; i < child->ic_n_ts; i++)
		json_array_append_new(array,
				      json_string(ts_pair_print(&child->ic_ts[i],
								buf)));
	return array;
}

/* Takes the reference. */
static void set(json_t *object, const char *key, json_t *value)
{
	json_object_set_new(object, key, value);
}

static json_t *describe(const char *what, const struct conf_conn *conn,
			const struct ipc_child *child)
{
	json_t *object = json_object();

	set(object, "do", json_string(what));
	set(object, "conn", json_string(conn->conn_name));
	if (!child)
		return object;
	set(object, "dirs", json_integer(child->ic_dirs));
	set(object, "spi-in", json_integer(ntohl(child->ic_spi_in)));
	set(object, "spi-out", json_integer(ntohl(child->ic_spi_out)));
	return object;
}

/* Where they outlive this process, as they would in a kernel; or NULL. */
static const char *file(void)
{
	return getenv("CYGNET_TEST_SAS");
}

static void save(const struct negotiate *ng)
{
	FILE *out = file() ? fopen(file(), "we") : NULL;

	if (!out)
		return;
	if (fwrite(ng->ng_sas, sizeof(*ng->ng_sas), ng->ng_n_sas, out) != ng->ng_n_sas)
		log_error("test backend: cannot write %s", file());
	fclose(out);
}

static void load(struct negotiate *ng)
{
	FILE *in = file() ? fopen(file(), "re") : NULL;

	if (!in)
		return;
	ng->ng_n_sas = (u32)fread(ng->ng_sas, sizeof(*ng->ng_sas), SAS_MAX, in);
	fclose(in);
}

static void forget(struct negotiate *ng, const struct conf_conn *conn, u32 dir,
		   u32 spi)
{
	u32 i, kept = 0;

	for (i = 0; i < ng->ng_n_sas; i++) {
		const struct negotiated *sa = &ng->ng_sas[i];

		if (strcmp(sa->sa_conn, conn->conn_name) ||
		    (dir && (sa->sa_dir != dir || sa->sa_spi != spi)))
			ng->ng_sas[kept++] = *sa;
	}
	ng->ng_n_sas = kept;
}

static void remember(struct negotiate *ng, const struct conf_conn *conn, u32 dir,
		     const struct ipc_child *child)
{
	struct negotiated *sa;

	if (!(child->ic_dirs & dir) || ng->ng_n_sas == SAS_MAX)
		return;
	sa = &ng->ng_sas[ng->ng_n_sas++];
	memset(sa, 0, sizeof(*sa));
	text_copy(sa->sa_conn, sizeof(sa->sa_conn), conn->conn_name);
	sa->sa_dir = dir;
	sa->sa_spi = dir == IPC_DIR_IN ? child->ic_spi_in : child->ic_spi_out;
	sa->sa_local = child->ic_local;
	sa->sa_remote = child->ic_remote;
}

/* IPv4 is enough for the tests. */
static bool ask_routing(const struct ip_addr *remote, struct ip_addr *local)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(500) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok;

	memcpy(&sin.sin_addr, remote->ip_bytes, sizeof(sin.sin_addr));
	ok = fd >= 0 && remote->ip_family == AF_INET &&
	     !connect(fd, (struct sockaddr *)&sin, sizeof(sin)) &&
	     !getsockname(fd, (struct sockaddr *)&sin, &len);
	if (fd >= 0)
		close(fd);
	memset(local, 0, sizeof(*local));
	local->ip_family = AF_INET;
	memcpy(local->ip_bytes, &sin.sin_addr, sizeof(sin.sin_addr));
	return ok;
}

static int resolve(struct backend *be, const struct conf_conn *conn,
		   struct ipc_reply *reply)
{
	if (conn->conn_remote.ip_family == AF_UNSPEC)
		return reply_refuse(reply, EDESTADDRREQ,
				    "the test backend wants the remote address");
	reply->ir_local = conn->conn_local;
	reply->ir_remote = conn->conn_remote;
	if (conn->conn_local.ip_family == AF_UNSPEC &&
	    !ask_routing(&conn->conn_remote, &reply->ir_local))
		return reply_refuse(reply, EHOSTUNREACH, "no route");
	return 0;
}

static int reserve_spi(struct backend *be, const struct conf_conn *conn,
		       const struct ip_addr *local, struct ipc_reply *reply)
{
	u32 spi;

	if (getrandom(&spi, sizeof(spi), 0) != sizeof(spi))
		return reply_refuse(reply, EIO, "no randomness");
	reply->ir_spi = htonl(spi | SPI_MIN);
	return 0;
}

static int up(struct backend *be, const struct conf_conn *conn,
	      struct ipc_reply *reply)
{
	put(be, describe("up", conn, NULL));
	text_copy(reply->ir_device, sizeof(reply->ir_device), "none");
	reply->ir_mtu = 1400;
	return 0;
}

static int down(struct backend *be, const struct conf_conn *conn,
		struct ipc_reply *reply)
{
	struct negotiate *ng = (struct negotiate *)be;

	put(be, describe("down", conn, NULL));
	forget(ng, conn, 0, 0);
	save(ng);
	return 0;
}

static int add(struct backend *be, const struct conf_conn *conn,
	       const struct ipc_child *child, struct ipc_reply *reply)
{
	struct negotiate *ng = (struct negotiate *)be;
	json_t *object = describe("add", conn, child);

	set(object, "encr", json_integer(child->ic_encr));
	set(object, "bits", json_integer(child->ic_encr_bits));
	set(object, "esn", json_boolean(child->ic_esn));
	set(object, "encap", json_boolean(child->ic_encap));
	set(object, "local", endpoint(&child->ic_local));
	set(object, "remote", endpoint(&child->ic_remote));
	set(object, "key-in", hex(&child->ic_encr_in));
	set(object, "key-out", hex(&child->ic_encr_out));
	set(object, "ts", selectors(child));
	put(be, object);
	remember(ng, conn, IPC_DIR_IN, child);
	remember(ng, conn, IPC_DIR_OUT, child);
	save(ng);
	return 0;
}

static int del(struct backend *be, const struct conf_conn *conn,
	       const struct ipc_child *child, struct ipc_reply *reply)
{
	struct negotiate *ng = (struct negotiate *)be;

	put(be, describe("del", conn, child));
	if (child->ic_dirs & IPC_DIR_IN)
		forget(ng, conn, IPC_DIR_IN, child->ic_spi_in);
	if (child->ic_dirs & IPC_DIR_OUT)
		forget(ng, conn, IPC_DIR_OUT, child->ic_spi_out);
	save(ng);
	return 0;
}

/* Always silent, so that liveness is always checked. */
static int idle(struct backend *be, const struct conf_conn *conn,
		const struct ipc_child *child, struct ipc_reply *reply)
{
	reply->ir_idle_ms = 1000000;
	return 0;
}

static void adopt(struct backend *be, const struct conf *conf,
		  backend_event_fn *fn, void *arg)
{
	const struct negotiate *ng = (const struct negotiate *)be;
	u32 i;

	for (i = 0; i < ng->ng_n_sas; i++) {
		const struct negotiated *sa = &ng->ng_sas[i];
		struct ipc_event event = {
			.ie_local = sa->sa_local, .ie_remote = sa->sa_remote,
		};

		if (sa->sa_dir == IPC_DIR_IN)
			event.ie_spi_in = sa->sa_spi;
		else
			event.ie_spi_out = sa->sa_spi;
		fn(arg, IPC_ADOPTED, sa->sa_conn, &event);
	}
}

static int events_fd(struct backend *be)
{
	return -1;
}

static void take_events(struct backend *be, backend_event_fn *fn, void *arg)
{
}

static void close_negotiate(struct backend *be)
{
	close(((struct negotiate *)be)->ng_fd);
	free(be);
}

static const struct backend_ops operations = {
	.bo_resolve = resolve,
	.bo_spi	    = reserve_spi,
	.bo_up	    = up,
	.bo_down    = down,
	.bo_add	    = add,
	.bo_del	    = del,
	.bo_idle    = idle,
	.bo_adopt   = adopt,
	.bo_fd	    = events_fd,
	.bo_events  = take_events,
	.bo_free    = close_negotiate,
};

struct backend *negotiate_backend(const char *path)
{
	struct negotiate *ng = calloc(1, sizeof(*ng));

	if (!ng)
		return NULL;
	ng->ng_backend.be_ops = &operations;
	ng->ng_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (ng->ng_fd < 0) {
		log_error("%s: %s", path, strerror(errno));
		free(ng);
		return NULL;
	}
	load(ng);
	log_warning("TEST BUILD: NO TRAFFIC IS PROTECTED, AND KEYS ARE WRITTEN TO %s",
		    path);
	return &ng->ng_backend;
}

#endif
