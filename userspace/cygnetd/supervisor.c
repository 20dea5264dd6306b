// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs the engine and serves it. One thread, one poll(); nothing here waits
 * for anybody but the kernel, and for the engine no longer than SEND_SECONDS.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cred.h"
#include "credsend.h"
#include "crypto.h"
#include "engine.h"
#include "keeper.h"
#include "lib/text.h"
#include "snapshot.h"
#include "sockets.h"
#include "supervisor.h"

#define SEND_SECONDS	5
#define SEND_BUFFER	1048576
#define BURST_MAX	64	/* requests before signals and events */
#define STOP_MS		2000	/* for an engine to end by itself */
#define BACKOFF_MIN_MS	100
#define BACKOFF_MAX_MS	10000
#define HEALTHY_MS	60000	/* an engine that lived so long was well */
#define QUICK_MS	5000	/* one that did not … */
#define QUICK_DEATHS	3	/* … so often in a row: is it what it was left? */

static struct supervisor {
	const struct conf *su_conf;	/* what it was started with */
	struct sockets su_sockets;
	struct keeper su_keeper;
	struct vault su_vault;		/* what the engine has left */
	struct resolver su_resolver;
	int su_signals;
	pid_t su_engine;		/* 0: none */
	int su_fd;			/* our end of the pair, -1: none */
	u64 su_started;
	u64 su_start_at;		/* ms, when there is no engine */
	u64 su_backoff;
	u32 su_quick_deaths;
	bool su_stop;
	bool su_again;			/* as a new process */
} su;

static u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

/* The engine's life */

static void hear_out(void);

static void log_death(int status)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		log_error("engine tried a forbidden system call and was ended");
	else if (WIFSIGNALED(status))
		log_error("engine ended by signal %d (%s)", WTERMSIG(status),
			  strsignal(WTERMSIG(status)));
	else
		log_error("engine ended with status %d", WEXITSTATUS(status));
}

static void shut(void)
{
	if (su.su_fd >= 0)
		close(su.su_fd);
	su.su_fd = -1;
}

/*
 * What an engine wrote that did what none of ours does is of no use to the next
 * one; nor what three have died of, one after the other.
 */
static void judge_records(int status)
{
	bool rebel = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;

	if (now_ms() - su.su_started >= QUICK_MS)
		su.su_quick_deaths = 0;
	if (!rebel && ++su.su_quick_deaths < QUICK_DEATHS)
		return;
	if (su.su_vault.va_count)
		log_warning("its records are not trusted: IKE SAs are made anew");
	vault_clear(&su.su_vault);
	su.su_quick_deaths = 0;
}

/* The engine is gone: tunnels carry on in the datapath, start another. */
static void bury_engine(int status)
{
	hear_out();
	shut();
	su.su_engine = 0;
	vault_drop_staged(&su.su_vault);
	resolver_forget(&su.su_resolver);
	if (su.su_stop)
		return;
	log_death(status);
	judge_records(status);
	if (now_ms() - su.su_started >= HEALTHY_MS)
		su.su_backoff = BACKOFF_MIN_MS;
	su.su_start_at = now_ms() + su.su_backoff;
	log_info("engine starts again in %llu ms", su.su_backoff);
	su.su_backoff = su.su_backoff * 2 < BACKOFF_MAX_MS ?
			su.su_backoff * 2 : BACKOFF_MAX_MS;
}

/* @why is NULL where its death will tell. */
static void kill_engine(const char *why)
{
	int status;

	if (why)
		log_error("engine: %s", why);
	kill(su.su_engine, SIGKILL);
	while (waitpid(su.su_engine, &status, 0) < 0 && errno == EINTR)
		;
	bury_engine(status);
}

static bool send_engine(const struct ipc_msg *msg, const int *fds, int n_fds)
{
	if (su.su_fd < 0)
		return false;
	if (!ipc_send(su.su_fd, msg, fds, n_fds))
		return true;
	/* One that has died is found by its SIGCHLD. */
	if (errno != EPIPE && errno != ECONNRESET)
		kill_engine("does not listen");
	return false;
}

static void on_event(void *arg, enum ipc_type type, const char *conn,
		     const struct ipc_event *event)
{
	struct ipc_msg msg = { .im_type = type, .im_event = *event };

	text_copy(msg.im_conn, sizeof(msg.im_conn), conn);
	keeper_event(&su.su_keeper, type, conn, event);
	send_engine(&msg, NULL, 0);
}

static bool send_conn(enum ipc_type type, const struct conf_conn *conn)
{
	struct ipc_msg msg = { .im_type = type };

	if (type != IPC_FORGET)
		msg.im_conf = *conn;
	memcpy(msg.im_conn, conn->conn_name, sizeof(msg.im_conn));
	return send_engine(&msg, NULL, 0);
}

static bool send_ready(void)
{
	const struct conf *conf = su.su_keeper.kp_conf;
	struct ipc_msg ready = {
		.im_type = IPC_READY,
		.im_ready = { conf->conf_ike_port, conf->conf_natt_port,
			      conf->conf_log_level, su.su_vault.va_epoch },
	};

	return send_engine(&ready, NULL, 0);
}

static bool send_conf(void)
{
	const struct conf *conf = su.su_keeper.kp_conf;

	for (u32 i = 0; i < conf->conf_nconns; i++)
		if (conf->conf_conns[i].conn_name[0] &&
		    !send_conn(IPC_CONF, &conf->conf_conns[i]))
			return false;
	return true;
}

static bool send_one(void *arg, const struct ipc_msg *msg)
{
	return send_engine(msg, NULL, 0);
}

static bool introduce_world(void)
{
	struct ipc_msg sockets = { .im_type = IPC_SOCKETS,
				   .im_sockets = su.su_sockets.so_info };
	struct backend *be = su.su_keeper.kp_backend;

	if (!send_engine(&sockets, su.su_sockets.so_fds,
			 su.su_sockets.so_info.io_n) ||
	    !credsend(su.su_keeper.kp_conf, su.su_keeper.kp_keys, send_one,
		      NULL) || !send_conf() ||
	    !vault_tell(&su.su_vault, send_one, NULL))
		return false;
	keeper_count_begin(&su.su_keeper);
	be->be_ops->bo_adopt(be, su.su_keeper.kp_conf, on_event, NULL);
	keeper_count_end(&su.su_keeper);
	return send_ready();
}

static int spawn_engine(int fd)
{
	char name[] = ENGINE_NAME;
	char *const argv[] = { name, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int ret;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_adddup2(&actions, fd, ENGINE_FD);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
				 POSIX_SPAWN_SETSIGDEF);
	ret = posix_spawn(&su.su_engine, "/proc/self/exe", &actions, &attr,
			  argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return ret;
}

static bool start_engine(void)
{
	const struct timeval patience = { .tv_sec = SEND_SECONDS };
	const int buffer = SEND_BUFFER;
	int pair[2], ret;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		log_error("socketpair: %s", strerror(errno));
		return false;
	}
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &patience,
			 sizeof(patience));
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &buffer,
			 sizeof(buffer));
	ret = spawn_engine(pair[1]);
	close(pair[1]);
	if (ret) {
		log_error("cannot start the engine: %s", strerror(ret));
		close(pair[0]);
		su.su_engine = 0;
		return false;
	}
	su.su_fd = pair[0];
	su.su_started = now_ms();
	return true;
}

/* The first engine runs before there is a key in this process. */
static bool begin(int snapshot)
{
	if (!start_engine())
		return false;
	if (snapshot >= 0)
		snapshot_load(&su.su_vault, su.su_conf, snapshot);
	vault_new_epoch(&su.su_vault);
	su.su_keeper.kp_keys = keys_load(su.su_conf);
	if (!su.su_keeper.kp_keys) {
		log_error("out of memory");
		return false;
	}
	introduce_world();
	return true;
}

static void restart_engine(void)
{
	keeper_settle(&su.su_keeper);
	vault_new_epoch(&su.su_vault);
	if (start_engine())
		introduce_world();
	else
		su.su_start_at = now_ms() + BACKOFF_MAX_MS;
}

/* A new configuration */

static bool send_change(const struct reload *plan, u32 i)
{
	const struct conf_conn *conn = &plan->re_conf->conf_conns[i];

	switch (plan->re_change[i]) {
	case CHANGE_NEW:
	case CHANGE_LIVE:
		return send_conn(IPC_CONF, conn);
	case CHANGE_RESTART:
		return send_conn(IPC_RESTART, &plan->re_next[i]);
	case CHANGE_GONE:
		return send_conn(IPC_FORGET, conn);
	}
	return true;
}

static void send_changes(const struct reload *plan)
{
	const struct keeper *keeper = &su.su_keeper;
	bool ok = credsend(keeper->kp_conf, keeper->kp_keys, send_one, NULL);

	for (u32 i = 0; ok && i < plan->re_conf->conf_nconns; i++) {
		ok = send_change(plan, i);
		if (plan->re_change[i] < CHANGE_RESTART)
			plan->re_change[i] = CHANGE_NONE;
	}
	if (ok)
		send_ready();
}

/* The file, without a mistake in it or in what it names; NULL otherwise. */
static struct conf *read_sound(char *err, size_t err_size)
{
	const char *path = su.su_conf->conf_path;
	struct conf_log log = { 0 };
	struct conf *conf = conf_read(path, &log);
	size_t i;

	if (conf && cred_check(conf, &log)) {
		conf_free(conf);
		conf = NULL;
	}
	for (i = log.log_count; i-- > 0;) {
		const struct conf_message *msg = &log.log_messages[i];

		log_line(msg->msg_warning ? CONF_LOG_WARNING : CONF_LOG_ERROR,
			 NULL, "%s:%u:%u: %s", path, msg->msg_line,
			 msg->msg_column, msg->msg_text);
		if (!msg->msg_warning)
			snprintf(err, err_size, "%.80s:%u:%u: %.140s", path,
				 msg->msg_line, msg->msg_column, msg->msg_text);
	}
	conf_log_free(&log);
	return conf;
}

/* False, with nothing changed and the reason in err. */
static bool apply(const struct conf *next, char *err, size_t err_size)
{
	const char *why = reload_refuse(su.su_keeper.kp_conf, next);
	struct keys *keys = NULL;
	struct reload plan = { 0 };

	if (!why && !reload_plan(&plan, su.su_keeper.kp_conf, next))
		why = "out of memory";
	if (!why)
		keys = keys_load(plan.re_conf);
	if (!why && !keys)
		why = "out of memory";
	if (why) {
		snprintf(err, err_size, "%s", why);
		reload_free(&plan);
		return false;
	}
	keeper_reload(&su.su_keeper, &plan, keys);
	log_set_level(next->conf_log_level);
	send_changes(&su.su_keeper.kp_reload);
	return true;
}

static int read_again(struct ipc_reply *reply)
{
	struct conf *next;
	bool ok;

	if (su.su_keeper.kp_reload.re_pending)
		return reply_refuse(reply, EBUSY,
				    "the last reload is still taking connections down");
	next = read_sound(reply->ir_text, sizeof(reply->ir_text));
	ok = next && apply(next, reply->ir_text, sizeof(reply->ir_text));
	conf_free(next);
	log_info(ok ? "the configuration is loaded anew" :
		 "the old configuration stays in force");
	return ok ? 0 : -EINVAL;
}

static void reload_by_signal(void)
{
	struct ipc_reply reply = { 0 };

	if (read_again(&reply))
		log_error("%s", reply.ir_text);
}

static bool answer_reload(const struct ipc_msg *request, struct ipc_msg *answer)
{
	memset(answer, 0, sizeof(*answer));
	answer->im_type = IPC_REPLY;
	answer->im_handle = request->im_handle;
	answer->im_generation = request->im_generation;
	answer->im_reply.ir_errno = -read_again(&answer->im_reply);
	return true;
}

/* A name is asked for now, and answered later. */
static bool is_asked(const struct ipc_msg *request, struct ipc_msg *answer)
{
	struct resolver_answer none = { 0 };
	const struct conf_conn *conn;

	if (request->im_type != IPC_RESOLVE)
		return false;
	conn = conf_find(su.su_keeper.kp_conf, request->im_conn);
	if (!conn || !conn->conn_remote_name[0])
		return false;
	if (resolver_ask(&su.su_resolver, conn->conn_remote_name, request,
			 &answer->im_reply))
		return true;
	text_copy(none.ra_error, sizeof(none.ra_error),
		  answer->im_reply.ir_text);
	keeper_resolved(&su.su_keeper, request, &none, answer);
	send_engine(answer, NULL, 0);
	return true;
}

static void serve_answers(void)
{
	static struct resolver_answer found;
	static struct ipc_msg answer;
	const struct ipc_msg *request;

	while ((request = resolver_take(&su.su_resolver, &found))) {
		keeper_resolved(&su.su_keeper, request, &found, &answer);
		send_engine(&answer, NULL, 0);
	}
}

static bool answer_request(const struct ipc_msg *request,
			   struct ipc_msg *answer)
{
	if (request->im_type == IPC_RELOAD)
		return answer_reload(request, answer);
	return keeper_answer(&su.su_keeper, request, answer);
}

/* The loop */

enum served { SERVED, NOTHING_THERE, ENGINE_GONE, NONSENSE };

static enum served serve(const struct ipc_msg *request)
{
	static struct ipc_msg answer;
	bool ok;

	if (request->im_type == IPC_RECORD)
		return vault_take(&su.su_vault, request) ? SERVED : NONSENSE;
	if (is_asked(request, &answer))
		return SERVED;
	ok = answer_request(request, &answer);
	if (ok)
		send_engine(&answer, NULL, 0);
	OPENSSL_cleanse(&answer, sizeof(answer));
	return ok ? SERVED : NONSENSE;
}

static enum served serve_one(void)
{
	static struct ipc_msg request;
	struct pollfd pfd = { su.su_fd, POLLIN, 0 };
	enum served served = NONSENSE;
	int ret;

	if (su.su_fd < 0 || poll(&pfd, 1, 0) <= 0)
		return NOTHING_THERE;
	ret = ipc_recv(su.su_fd, &request, NULL, NULL);
	if (ret > 0)
		served = serve(&request);
	else if (ret == 0 || errno == ECONNRESET)
		served = ENGINE_GONE;
	OPENSSL_cleanse(&request, sizeof(request));
	return served;
}

static void serve_requests(void)
{
	enum served served = SERVED;

	for (int i = 0; i < BURST_MAX && served == SERVED; i++)
		served = serve_one();
	if (served == ENGINE_GONE)
		kill_engine(NULL);
	if (served != NONSENSE)
		return;
	shut();
	vault_clear(&su.su_vault);
	kill_engine(su.su_keeper.kp_rebellion ?
		    "asked for what none of ours would and was ended" :
		    "sent nonsense");
	su.su_keeper.kp_rebellion = false;
}

/* What a dead engine said in full is done, so that its records are true. */
static void hear_out(void)
{
	while (serve_one() == SERVED)
		;
}

static void reap(void)
{
	int status;

	if (su.su_engine && waitpid(su.su_engine, &status, WNOHANG) > 0)
		bury_engine(status);
}

static void take_signal(void)
{
	struct signalfd_siginfo info;

	if (read(su.su_signals, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGCHLD:
		reap();
		break;
	case SIGHUP:
		reload_by_signal();
		break;
	case SIGUSR2:
		log_info("starting anew, with the IKE SAs as they are");
		su.su_again = true;
		su.su_stop = true;
		break;
	default:
		log_info("stopping; tunnels stay up in the kernel");
		su.su_stop = true;
	}
}

static int timeout_ms(void)
{
	u64 now = now_ms();

	if (su.su_engine)
		return -1;
	return su.su_start_at > now ? (int)(su.su_start_at - now) : 0;
}

static void loop(void)
{
	struct backend *be = su.su_keeper.kp_backend;
	int events = be->be_ops->bo_fd(be);

	while (!su.su_stop) {
		struct pollfd pfds[] = {
			{ su.su_signals, POLLIN, 0 },
			{ su.su_fd, POLLIN, 0 },
			/* They wait for an engine. */
			{ su.su_engine ? events : -1, POLLIN, 0 },
			{ su.su_resolver.rv_fd, POLLIN, 0 },
		};

		if (poll(pfds, ARRAY_SIZE(pfds), timeout_ms()) < 0 &&
		    errno != EINTR)
			break;
		if (pfds[0].revents)
			take_signal();
		else if (pfds[1].revents)
			serve_requests();
		if (pfds[2].revents && su.su_engine)
			be->be_ops->bo_events(be, on_event, NULL);
		if (pfds[3].revents)
			serve_answers();
		if (!su.su_engine && !su.su_stop && !timeout_ms())
			restart_engine();
	}
}

/* The closed pair tells it; SIGKILL if it does not hear. */
static void end_engine(void)
{
	struct pollfd pfd = { su.su_signals, POLLIN, 0 };
	u64 end = now_ms() + STOP_MS;

	/* It may still write. */
	if (su.su_fd >= 0)
		shutdown(su.su_fd, SHUT_WR);
	while (su.su_engine && now_ms() < end) {
		hear_out();
		poll(&pfd, 1, 50);
		reap();
	}
	if (su.su_engine)
		kill_engine("does not stop");
}

static bool hear_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	su.su_signals = signalfd(-1, &set, SFD_CLOEXEC);
	return su.su_signals >= 0;
}

/* Nothing may read the keys out of this process or its remains. */
static void harden(void)
{
	const struct rlimit no_core = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* For the engine: its filter allows neither io_uring nor many threads. */
	setenv("UV_USE_IO_URING", "0", 1);
	setenv("UV_THREADPOOL_SIZE", "2", 1);
}

/* For the daemon that comes next, if somebody starts it. */
static int pass_on(void)
{
	int fd = snapshot_save(&su.su_vault, su.su_keeper.kp_conf);

	if (fd < 0 || su.su_again)
		return fd;
	if (snapshot_store(fd))
		log_info("%u records are left with systemd", su.su_vault.va_count);
	close(fd);
	return -1;
}

bool supervise(const struct conf *conf, struct backend *backend)
{
	int snapshot = snapshot_inherit();
	bool ok;

	su = (struct supervisor){
		.su_conf = conf, .su_fd = -1, .su_resolver.rv_fd = -1,
		.su_backoff = BACKOFF_MIN_MS,
		.su_keeper = { .kp_conf = conf, .kp_backend = backend, .kp_vault = &su.su_vault },
	};
	vault_init(&su.su_vault);
	harden();
	if (!crypto_init() || !hear_signals()) {
		log_error("no cryptography or no signals to be had");
		return false;
	}
	if (!sockets_open(&su.su_sockets, conf))
		return false;
	ok = begin(snapshot);
	if (ok)
		loop();
	su.su_stop = true;
	end_engine();
	resolver_stop(&su.su_resolver);
	snapshot = ok ? pass_on() : -1;
	sockets_close(&su.su_sockets);
	vault_clear(&su.su_vault);
	keeper_uninit(&su.su_keeper);
	keys_free(su.su_keeper.kp_keys);
	reload_free(&su.su_keeper.kp_reload);
	if (su.su_again)
		snapshot_exec(snapshot);
	return ok;
}
