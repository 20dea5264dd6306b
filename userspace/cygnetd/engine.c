// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The process around the core: sockets, time, the keeper, slow work. All on
 * one thread but for core_work, which runs in libuv's pool.
 *
 * Order of the start: descriptors from the keeper, libraries warm, no user and
 * no files any more, threads, no system calls any more, and only then the
 * first byte from the network.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/udp.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"
#include "log.h"
#include "sandbox.h"

#define DATAGRAM_MAX	65535
#define BURST_MAX	64	/* datagrams before other sockets have a turn */
#define MARKER_LEN	4	/* non-ESP marker, RFC 3948 section 2.2 */

struct channel {
	uv_poll_t ch_poll;
	int ch_fd;
	int ch_family;
	u16 ch_port;
	u8 ch_natt;
};

/*
 * What the pair had no room for: requests, and datagrams that may not leave
 * before the records ahead of them.
 */
struct request {
	struct request *rq_next;
	struct ipc_msg rq_msg;
	struct core_path rq_path;
	size_t rq_len;			/* 0: a request */
	u8 *rq_data;
};

static struct engine {
	uv_loop_t en_loop;
	struct core *en_core;
	uv_poll_t en_keeper, en_timer;
	int en_timer_fd;
	struct channel en_channels[IPC_FDS_MAX];
	size_t en_n_channels;
	struct request *en_requests, **en_requests_end;
	int en_status;
} engine;

static void stop(int status)
{
	engine.en_status = status;
	uv_stop(&engine.en_loop);
}

/* Sockets */

static struct channel *find_channel(const struct core_path *path)
{
	for (size_t i = 0; i < engine.en_n_channels; i++) {
		struct channel *ch = &engine.en_channels[i];

		if (ch->ch_family == path->cp_remote.ep_addr.ip_family &&
		    !ch->ch_natt == !path->cp_natt)
			return ch;
	}
	return NULL;
}

/* For the address, and received also the size of one of several datagrams. */
union control_space {
	struct cmsghdr cs_align;
	char cs_bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int))];
};

static void put_source(struct msghdr *mh, const struct ip_addr *addr)
{
	bool v4 = addr->ip_family == AF_INET;
	struct in_pktinfo info = { 0 };
	struct in6_pktinfo info6 = { 0 };
	size_t len = v4 ? sizeof(info) : sizeof(info6);
	struct cmsghdr *cmsg;

	memcpy(&info.ipi_spec_dst, addr->ip_bytes, sizeof(info.ipi_spec_dst));
	memcpy(&info6.ipi6_addr, addr->ip_bytes, sizeof(info6.ipi6_addr));
	mh->msg_controllen = CMSG_SPACE(len);
	cmsg = CMSG_FIRSTHDR(mh);
	cmsg->cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
	cmsg->cmsg_type = v4 ? IP_PKTINFO : IPV6_PKTINFO;
	cmsg->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(cmsg), v4 ? (void *)&info : (void *)&info6, len);
}

static void send_now(const struct core_path *path, const u8 *buf, size_t len)
{
	static const u8 marker[MARKER_LEN];
	struct channel *ch = find_channel(path);
	struct iovec iov[2] = {
		{ (void *)marker, path->cp_natt ? MARKER_LEN : 0 },
		{ (void *)buf, len },
	};
	union control_space control = { 0 };
	struct sockaddr_storage ss;
	struct msghdr mh = {
		.msg_name = &ss,
		.msg_namelen = ip_endpoint_to_sockaddr(&path->cp_remote, &ss),
		.msg_iov = iov, .msg_iovlen = 2,
		.msg_control = &control,
	};

	if (!ch)
		return;
	if (path->cp_local.ep_addr.ip_family == ch->ch_family)
		put_source(&mh, &path->cp_local.ep_addr);
	if (!mh.msg_controllen)
		mh.msg_control = NULL;
	if (sendmsg(ch->ch_fd, &mh, 0) < 0)
		log_debug("sending: %s", strerror(errno));
}

static void take_control(struct msghdr *mh, struct ip_addr *addr, int *size)
{
	struct cmsghdr *cmsg;

	for (cmsg = CMSG_FIRSTHDR(mh); cmsg; cmsg = CMSG_NXTHDR(mh, cmsg)) {
		if (cmsg->cmsg_level == IPPROTO_IP &&
		    cmsg->cmsg_type == IP_PKTINFO)
			ip_addr_set(addr, CMSG_DATA(cmsg) +
				    offsetof(struct in_pktinfo, ipi_addr), 4);
		if (cmsg->cmsg_level == IPPROTO_IPV6 &&
		    cmsg->cmsg_type == IPV6_PKTINFO)
			ip_addr_set(addr, CMSG_DATA(cmsg) +
				    offsetof(struct in6_pktinfo, ipi6_addr),
				    16);
		if (cmsg->cmsg_level == IPPROTO_UDP && cmsg->cmsg_type == UDP_GRO)
			memcpy(size, CMSG_DATA(cmsg), sizeof(*size));
	}
}

/* On the NAT-T port IKE comes with a marker; what has none is not for us. */
static void deliver(const struct core_path *path, const u8 *buf, size_t len)
{
	static const u8 marker[MARKER_LEN];

	if (!path->cp_natt)
		core_receive(engine.en_core, path, buf, len);
	else if (len >= MARKER_LEN && !memcmp(buf, marker, MARKER_LEN))
		core_receive(engine.en_core, path, buf + MARKER_LEN,
			     len - MARKER_LEN);
}

/* Several datagrams of one size, the last maybe shorter, may come as one. */
static void deliver_all(const struct core_path *path, const u8 *buf, size_t len, int size)
{
	size_t part = size > 0 ? (size_t)size : len;

	for (; len > part; buf += part, len -= part)
		deliver(path, buf, part);
	deliver(path, buf, len);
}

/* False when there is nothing more to read. */
static bool receive_datagram(struct channel *ch)
{
	static u8 buf[DATAGRAM_MAX];
	struct core_path path = { .cp_natt = ch->ch_natt };
	union control_space control;
	struct sockaddr_storage ss;
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr mh = {
		.msg_name = &ss, .msg_namelen = sizeof(ss),
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(ch->ch_fd, &mh, 0);
	int size = 0;

	/* Errors are those of datagrams sent before, reported by ICMP. */
	if (n < 0)
		return errno != EAGAIN;
	take_control(&mh, &path.cp_local.ep_addr, &size);
	path.cp_local.ep_port = ch->ch_port;
	if (!(mh.msg_flags & MSG_TRUNC) &&
	    path.cp_local.ep_addr.ip_family == ch->ch_family &&
	    ip_endpoint_from_sockaddr(&path.cp_remote, (struct sockaddr *)&ss))
		deliver_all(&path, buf, n, size);
	return true;
}

static void on_datagrams(uv_poll_t *poll, int status, int events)
{
	for (int i = 0; i < BURST_MAX; i++)
		if (!receive_datagram(poll->data))
			break;
}

/* Time */

#ifdef CYGNET_TEST_BACKEND
/* The core's time runs faster, so that tests of patience need none. */
static u64 speed(void)
{
	const char *text = getenv("CYGNET_TEST_SPEED");

	return text ? strtoul(text, NULL, 10) : 1;
}
#else
#define speed() 1
#endif

static u64 now(void *ctx)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000) * speed();
}

static void arm(void *ctx, u64 when)
{
	struct itimerspec its = { 0 };

	if (when == 0)
		when = 1;	/* 0 would mean never */
	if (when != ~0ULL) {
		when = (when + speed() - 1) / speed();
		its.it_value.tv_sec = when / 1000;
		its.it_value.tv_nsec = when % 1000 * 1000000;
	}
	timerfd_settime(engine.en_timer_fd, TFD_TIMER_ABSTIME, &its, NULL);
}

static void on_timer(uv_poll_t *poll, int status, int events)
{
	u64 expirations;

	if (read(engine.en_timer_fd, &expirations, sizeof(expirations)) > 0)
		core_tick(engine.en_core);
}

/* Work in the pool */

static void run_work(uv_work_t *req)
{
	struct core_work *work = req->data;

	work->cw_run(work->cw_arg);
}

static void after_work(uv_work_t *req, int status)
{
	core_work_done(engine.en_core, req->data);
	free(req);
}

static void queue_work(void *ctx, struct core_work *work)
{
	uv_work_t *req = malloc(sizeof(*req));

	if (req) {
		req->data = work;
		if (!uv_queue_work(&engine.en_loop, req, run_work, after_work))
			return;
		free(req);
	}
	/* Slow, but right. */
	work->cw_run(work->cw_arg);
	core_work_done(engine.en_core, work);
}

/* The keeper */

static void on_keeper(uv_poll_t *poll, int status, int events);

/* Whether to wait for room in the pair as well. */
static void watch_keeper(void)
{
	int events = UV_READABLE | (engine.en_requests ? UV_WRITABLE : 0);

	uv_poll_start(&engine.en_keeper, events, on_keeper);
}

static void fail_keeper(void)
{
	if (errno == EPIPE || errno == ECONNRESET) {
		stop(0);
		return;
	}
	log_error("keeper: %s", strerror(errno));
	stop(1);
}

static struct request *append_request(void)
{
	struct request *rq = calloc(1, sizeof(*rq));

	if (!rq)
		return NULL;
	*engine.en_requests_end = rq;
	engine.en_requests_end = &rq->rq_next;
	return rq;
}

static void send_request(void *ctx, const struct ipc_msg *msg)
{
	struct request *rq;

	if (!engine.en_requests) {
		if (!ipc_send(ENGINE_FD, msg, NULL, 0))
			return;
		if (errno != EAGAIN) {
			fail_keeper();
			return;
		}
	}
	rq = append_request();
	if (!rq) {
		fail_keeper();
		return;
	}
	rq->rq_msg = *msg;
	watch_keeper();
}

static void send_datagram(void *ctx, const struct core_path *path,
			  const u8 *buf, size_t len)
{
	struct request *rq;
	u8 *data;

	if (!engine.en_requests) {
		send_now(path, buf, len);
		return;
	}
	/* Whoever waits for it asks again. */
	data = malloc(len);
	rq = data ? append_request() : NULL;
	if (!rq) {
		free(data);
		return;
	}
	memcpy(data, buf, len);
	rq->rq_path = *path;
	rq->rq_len = len;
	rq->rq_data = data;
}

static void drop_request(void)
{
	struct request *rq = engine.en_requests;

	engine.en_requests = rq->rq_next;
	if (!engine.en_requests)
		engine.en_requests_end = &engine.en_requests;
	free(rq->rq_data);
	OPENSSL_cleanse(rq, sizeof(*rq));
	free(rq);
}

static void send_waiting(void)
{
	while (engine.en_requests) {
		const struct request *rq = engine.en_requests;

		if (rq->rq_len) {
			send_now(&rq->rq_path, rq->rq_data, rq->rq_len);
		} else if (ipc_send(ENGINE_FD, &rq->rq_msg, NULL, 0)) {
			if (errno != EAGAIN)
				fail_keeper();
			return;
		}
		drop_request();
	}
	watch_keeper();
}

static void receive_keeper(void)
{
	static struct ipc_msg msg;
	int ret;

	while ((ret = ipc_recv(ENGINE_FD, &msg, NULL, NULL)) > 0) {
		if (msg.im_type == IPC_READY)
			log_set_level(msg.im_ready.iy_log_level);
		core_keeper(engine.en_core, &msg);
		OPENSSL_cleanse(&msg, sizeof(msg));
	}
	if (ret == 0)
		stop(0);
	else if (errno != EAGAIN)
		fail_keeper();
}

static void on_keeper(uv_poll_t *poll, int status, int events)
{
	if (status < 0) {
		stop(0);
		return;
	}
	if (events & UV_WRITABLE)
		send_waiting();
	if (events & UV_READABLE)
		receive_keeper();
}

static void core_log(void *ctx, enum core_level level, const char *conn,
		     const char *text)
{
	static const enum conf_log_level levels[] = {
		[CORE_ERROR]   = CONF_LOG_ERROR,
		[CORE_WARNING] = CONF_LOG_WARNING,
		[CORE_NOTICE]  = CONF_LOG_INFO,
		[CORE_INFO]    = CONF_LOG_INFO,
		[CORE_DEBUG]   = CONF_LOG_DEBUG,
	};

	log_line(levels[level], conn, "%s", text);
}

static const struct core_ops operations = {
	.send	 = send_datagram,
	.request = send_request,
	.work	 = queue_work,
	.arm	 = arm,
	.now	 = now,
	.log	 = core_log,
};

/* The start */

static bool poll_fd(uv_poll_t *poll, int fd, uv_poll_cb cb)
{
	int ret = uv_poll_init(&engine.en_loop, poll, fd);

	if (!ret)
		ret = uv_poll_start(poll, UV_READABLE, cb);
	if (ret)
		log_error("descriptor %d: %s", fd, uv_strerror(ret));
	return !ret;
}

static bool add_channel(int fd, bool natt)
{
	struct channel *ch = &engine.en_channels[engine.en_n_channels++];
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct ip_endpoint local;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) ||
	    !ip_endpoint_from_sockaddr(&local, (struct sockaddr *)&ss))
		return false;
	ch->ch_fd = fd;
	ch->ch_family = ss.ss_family;
	ch->ch_port = local.ep_port;
	ch->ch_natt = natt;
	ch->ch_poll.data = ch;
	return poll_fd(&ch->ch_poll, fd, on_datagrams);
}

static bool add_socket(enum ipc_socket kind, int fd)
{
	switch (kind) {
	case IPC_SOCKET_IKE:
	case IPC_SOCKET_NATT:
		return add_channel(fd, kind == IPC_SOCKET_NATT);
	case IPC_SOCKET_CONTROL:
	case IPC_SOCKET_STATUS:
		return control_listen(&engine.en_loop, engine.en_core, fd,
				      kind == IPC_SOCKET_CONTROL);
	}
	return false;
}

static bool take_sockets(void)
{
	static struct ipc_msg msg;
	int fds[IPC_FDS_MAX], n = IPC_FDS_MAX;

	if (ipc_recv(ENGINE_FD, &msg, fds, &n) != 1 ||
	    msg.im_type != IPC_SOCKETS) {
		log_error("started without a keeper: run cygnetd");
		return false;
	}
	log_set_level(msg.im_sockets.io_log_level);
	for (int i = 0; i < n; i++)
		if (!add_socket(msg.im_sockets.io_kind[i], fds[i]))
			return false;
	return true;
}

static void no_work(uv_work_t *req)
{
}

static void after_no_work(uv_work_t *req, int status)
{
}

/* libuv starts its threads with the first work, and then all of them. */
static bool start_threads(void)
{
	static uv_work_t req;

	return !uv_queue_work(&engine.en_loop, &req, no_work, after_no_work);
}

/* What they would open a file for later, which would be our end. */
static void warm_libraries(void)
{
	json_object_seed(0);	/* /dev/urandom */
	setenv("TZ", "UTC0", 1);
	tzset();		/* /etc/localtime, and again where TZ is not set */
}

static bool start(void)
{
	engine.en_requests_end = &engine.en_requests;
	warm_libraries();
	engine.en_timer_fd = timerfd_create(CLOCK_BOOTTIME,
					    TFD_NONBLOCK | TFD_CLOEXEC);
	if (engine.en_timer_fd < 0 || !sandbox_without_rings() ||
	    uv_loop_init(&engine.en_loop))
		return false;
	engine.en_core = core_new(&operations, NULL);
	if (!engine.en_core || !take_sockets() || !sandbox_drop())
		return false;
	/* Beside the closed pair, should we ever hang. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!start_threads() || fcntl(ENGINE_FD, F_SETFL, O_NONBLOCK) ||
	    !poll_fd(&engine.en_timer, engine.en_timer_fd, on_timer) ||
	    !poll_fd(&engine.en_keeper, ENGINE_FD, on_keeper))
		return false;
	return sandbox_seal();
}

int engine_main(void)
{
	log_open(ENGINE_NAME);
	prctl(PR_SET_NAME, ENGINE_NAME);	/* else it is called "exe" */
	close_range(ENGINE_FD + 1, ~0U, 0);
	signal(SIGPIPE, SIG_IGN);
	/* Both are the keeper's to hear; it then closes the pair. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	if (!start()) {
		log_error("engine did not start");
		return 1;
	}
	log_info("engine locked in");
	uv_run(&engine.en_loop, UV_RUN_DEFAULT);
	while (engine.en_requests)
		drop_request();
	core_free(engine.en_core);
	return engine.en_status;
}
