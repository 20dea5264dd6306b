// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The resolver, and the keeper's way to talk to it. Each name has a process of
 * its own for as long as it takes: looking up blocks, and may never end.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend.h"
#include "lib/text.h"
#include "resolver.h"
#include "sandbox.h"

struct question {
	u32 qu_index;
	char qu_name[CONF_HOST_MAX + 1];
};

/* The resolver's side */

static struct resolver_answer found;	/* in the process for one name */

static void __noreturn tell(void)
{
	(void)!send(RESOLVER_FD, &found, sizeof(found), MSG_NOSIGNAL);
	_exit(0);
}

static void on_alarm(int number)
{
	found.ra_count = 0;
	tell();
}

static void take_addresses(const struct addrinfo *info)
{
	struct ip_endpoint ep;
	u32 i;

	for (; info && found.ra_count < RESOLVER_ADDRS; info = info->ai_next) {
		if (!ip_endpoint_from_sockaddr(&ep, info->ai_addr) ||
		    ip_addr_is_any(&ep.ep_addr))
			continue;
		for (i = 0; i < found.ra_count; i++)
			if (ip_addr_equal(&found.ra_addrs[i], &ep.ep_addr))
				break;
		if (i == found.ra_count)
			found.ra_addrs[found.ra_count++] = ep.ep_addr;
	}
}

static void __noreturn look_up(const struct question *question)
{
	const struct addrinfo hints = {
		.ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG,
	};
	struct addrinfo *info = NULL;
	int ret;

	found.ra_index = question->qu_index;
	text_copy(found.ra_error, sizeof(found.ra_error), "no answer in time");
	signal(SIGALRM, on_alarm);
	alarm(RESOLVER_SECONDS);
	ret = getaddrinfo(question->qu_name, NULL, &hints, &info);
	alarm(0);
	text_copy(found.ra_error, sizeof(found.ra_error),
		  ret ? gai_strerror(ret) : "no address of use");
	if (!ret)
		take_addresses(info);
	tell();
}

int resolver_main(void)
{
	struct question question;
	ssize_t len;

	log_open("cygnetd");
	if (!sandbox_unprivileged())
		return 1;
	signal(SIGCHLD, SIG_IGN);	/* nobody waits for them */
	for (;;) {
		len = recv(RESOLVER_FD, &question, sizeof(question), 0);
		if (len < 0 && errno == EINTR)
			continue;
		if (len != sizeof(question))
			return len != 0;
		question.qu_name[CONF_HOST_MAX] = '\0';
		if (!fork())
			look_up(&question);
	}
}

/* The keeper's side */

static int spawn(struct resolver *rv, int fd)
{
	char name[] = RESOLVER_NAME;
	char *const argv[] = { name, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int ret;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_adddup2(&actions, fd, RESOLVER_FD);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
				 POSIX_SPAWN_SETSIGDEF);
	ret = posix_spawn(&rv->rv_pid, "/proc/self/exe", &actions, &attr, argv,
			  environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return ret;
}

static bool begin(struct resolver *rv)
{
	int pair[2], ret;

	if (!rv->rv_questions)
		rv->rv_questions = calloc(RESOLVER_ASKED,
					  sizeof(*rv->rv_questions));
	if (!rv->rv_questions ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return false;
	ret = spawn(rv, pair[1]);
	close(pair[1]);
	if (ret) {
		log_error("cannot start the resolver: %s", strerror(ret));
		close(pair[0]);
		rv->rv_pid = 0;
		return false;
	}
	rv->rv_fd = pair[0];
	return true;
}

bool resolver_ask(struct resolver *rv, const char *name,
		  const struct ipc_msg *request, struct ipc_reply *reply)
{
	struct question question = { 0 };
	u32 i = 0;

	if (rv->rv_fd < 0 && !begin(rv)) {
		reply_refuse(reply, EAGAIN, "no process to look %.150s up",
			     name);
		return false;
	}
	while (i < RESOLVER_ASKED && rv->rv_questions[i].rq_asked)
		i++;
	question.qu_index = i;
	text_copy(question.qu_name, sizeof(question.qu_name), name);
	if (i == RESOLVER_ASKED ||
	    send(rv->rv_fd, &question, sizeof(question),
		 MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(question)) {
		reply_refuse(reply, EAGAIN, "too many names to look up at once");
		return false;
	}
	rv->rv_questions[i].rq_asked = true;
	rv->rv_questions[i].rq_request = *request;
	return true;
}

/* It has ended, or tells nonsense: the next question starts another. */
static void drop(struct resolver *rv)
{
	close(rv->rv_fd);
	rv->rv_fd = -1;
	kill(rv->rv_pid, SIGKILL);
	while (waitpid(rv->rv_pid, NULL, 0) < 0 && errno == EINTR)
		;
	rv->rv_pid = 0;
}

static const struct ipc_msg *settle(struct resolver *rv, u32 index)
{
	struct resolver_question *question = &rv->rv_questions[index];

	if (!question->rq_asked)
		return NULL;
	question->rq_asked = false;
	return &question->rq_request;
}

/* Everybody who still waits is told so, one a call. */
static const struct ipc_msg *settle_any(struct resolver *rv,
					struct resolver_answer *answer)
{
	const struct ipc_msg *request = NULL;
	u32 i;

	memset(answer, 0, sizeof(*answer));
	text_copy(answer->ra_error, sizeof(answer->ra_error),
		  "the resolver has ended");
	for (i = 0; rv->rv_questions && i < RESOLVER_ASKED && !request; i++)
		request = settle(rv, i);
	return request;
}

const struct ipc_msg *resolver_take(struct resolver *rv,
				    struct resolver_answer *answer)
{
	ssize_t len;

	if (rv->rv_fd < 0)
		return settle_any(rv, answer);
	len = recv(rv->rv_fd, answer, sizeof(*answer), MSG_DONTWAIT);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	if (len != sizeof(*answer) || answer->ra_index >= RESOLVER_ASKED ||
	    answer->ra_count > RESOLVER_ADDRS) {
		log_warning("the resolver has ended");
		drop(rv);
		return settle_any(rv, answer);
	}
	answer->ra_error[sizeof(answer->ra_error) - 1] = '\0';
	return settle(rv, answer->ra_index);
}

void resolver_forget(struct resolver *rv)
{
	u32 i;

	for (i = 0; rv->rv_questions && i < RESOLVER_ASKED; i++)
		rv->rv_questions[i].rq_asked = false;
	/* A late answer shall not be taken for one to a new question. */
	if (rv->rv_fd >= 0)
		drop(rv);
}

void resolver_stop(struct resolver *rv)
{
	resolver_forget(rv);
	free(rv->rv_questions);
	rv->rv_questions = NULL;
}
