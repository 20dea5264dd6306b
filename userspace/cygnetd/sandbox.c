// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Layers of the engine's confinement, each enough against much: a user without
 * rights, no way to gain any, Landlock without a single path, a seccomp
 * allow-list. What is not on the list kills the process and the keeper starts
 * a clean one; a few calls that libraries make at odd times only fail.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <malloc.h>
#include <pwd.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "sandbox.h"

#if defined(__SANITIZE_ADDRESS__) || defined(CYGNET_COVERAGE)
/* They read /proc and write files at the end: forbid only the worst. */
#define LOOSE true
#else
#define LOOSE false
#endif

static const int allowed[] = {
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close),
	SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(sendto),
	SCMP_SYS(accept4), SCMP_SYS(accept), SCMP_SYS(shutdown),
	SCMP_SYS(getsockopt), SCMP_SYS(getsockname),
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl),
	SCMP_SYS(poll), SCMP_SYS(ppoll),
	SCMP_SYS(timerfd_settime), SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep), SCMP_SYS(futex), SCMP_SYS(sched_yield),
	SCMP_SYS(getrandom), SCMP_SYS(brk), SCMP_SYS(munmap),
	SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall), SCMP_SYS(getpid),
	SCMP_SYS(gettid), SCMP_SYS(tgkill), SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* Harmless to want, not to be had. */
static const int refused[] = {
	SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(access),
	SCMP_SYS(faccessat), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
	SCMP_SYS(getcwd), SCMP_SYS(uname), SCMP_SYS(sysinfo),
	SCMP_SYS(sched_getaffinity), SCMP_SYS(prctl), SCMP_SYS(rseq),
	SCMP_SYS(membarrier), SCMP_SYS(getuid), SCMP_SYS(geteuid),
	SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(sigaltstack),
};

/* Deadly also where the default is to allow. */
static const int deadly[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(socket),
	SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(bpf),
	SCMP_SYS(init_module), SCMP_SYS(mount), SCMP_SYS(setns),
	SCMP_SYS(unshare), SCMP_SYS(io_uring_setup),
};

bool sandbox_without_rings(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	bool loaded;

	loaded = ctx &&
		 !seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(io_uring_setup), 0) &&
		 !seccomp_load(ctx);
	seccomp_release(ctx);
	return loaded;
}

static int add_rules(scmp_filter_ctx ctx, u32 action, const int *calls,
		     size_t n)
{
	int ret = 0;

	for (size_t i = 0; i < n && !ret; i++)
		ret = seccomp_rule_add(ctx, action, calls[i], 0);
	return ret;
}

/* Memory, but never executable memory; descriptor flags, but no duplicates. */
static int add_argument_rules(scmp_filter_ctx ctx)
{
	static const int maps[] = { SCMP_SYS(mmap), SCMP_SYS(mprotect) };
	static const int commands[] = { F_GETFL, F_SETFL, F_GETFD, F_SETFD };
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(maps) && !ret; i++)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, maps[i], 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC,
					       0));
	for (size_t i = 0; i < ARRAY_SIZE(commands) && !ret; i++)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
				       SCMP_A1(SCMP_CMP_EQ,
					       (scmp_datum_t)commands[i]));
	return ret;
}

static bool filter_calls(void)
{
	scmp_filter_ctx ctx = seccomp_init(LOOSE ? SCMP_ACT_ALLOW :
					     SCMP_ACT_KILL_PROCESS);
	int ret = ctx ? 0 : -ENOMEM;

	if (!ret && LOOSE) {
		ret = add_rules(ctx, SCMP_ACT_KILL_PROCESS, deadly,
				ARRAY_SIZE(deadly));
	} else if (!ret) {
		ret = add_rules(ctx, SCMP_ACT_ALLOW, allowed,
				ARRAY_SIZE(allowed));
		if (!ret)
			ret = add_rules(ctx, SCMP_ACT_ERRNO(EPERM), refused,
					ARRAY_SIZE(refused));
		if (!ret)
			ret = add_argument_rules(ctx);
	}
	/* All threads at once: the pool is running already. */
	if (!ret)
		ret = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!ret)
		ret = seccomp_load(ctx);
	seccomp_release(ctx);
	if (ret)
		log_error("seccomp: %s", strerror(-ret));
	return !ret;
}

/* Every right that the headers know of, and no path that has any. */
static bool close_files(void)
{
	struct landlock_ruleset_attr attr = {
		.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1,
	};
	int fd, ret;

	fd = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (fd < 0) {
		log_debug("no Landlock here (%s): seccomp stands alone",
			  strerror(errno));
		return true;
	}
	ret = syscall(SYS_landlock_restrict_self, fd, 0);
	if (ret)
		log_error("Landlock: %s", strerror(errno));
	close(fd);
	return !ret;
}

static bool drop_user(void)
{
	const struct passwd *user;

	if (geteuid() != 0)
		return true;
	user = getpwnam("cygnet");
	if (!user) {
		log_info("there is no user cygnet: the engine runs as nobody");
		user = getpwnam("nobody");
	}
	if (!user) {
		log_error("neither a user cygnet nor nobody exists");
		return false;
	}
	if (setgroups(0, NULL) ||
	    setresgid(user->pw_gid, user->pw_gid, user->pw_gid) ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid)) {
		log_error("cannot become user %s: %s", user->pw_name,
			  strerror(errno));
		return false;
	}
	return true;
}

static bool limit(int resource, rlim_t value)
{
	struct rlimit lim = { value, value };

	if (!setrlimit(resource, &lim))
		return true;
	log_error("setrlimit: %s", strerror(errno));
	return false;
}

static bool set_limits(void)
{
	return limit(RLIMIT_CORE, 0) && limit(RLIMIT_NPROC, 0) &&
	       limit(RLIMIT_NOFILE, 128) && limit(RLIMIT_MEMLOCK, 0);
}

bool sandbox_unprivileged(void)
{
	if (!drop_user())
		return false;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)) {
		log_error("prctl: %s", strerror(errno));
		return false;
	}
	return true;
}

/*
 * glibc gives each thread an arena of its own, and opens a file of /proc before it
 * shrinks one: that would be the end of us.
 */
static bool share_arena(void)
{
	return mallopt(M_ARENA_MAX, 1);
}

bool sandbox_drop(void)
{
	return sandbox_unprivileged() && (LOOSE || (share_arena() && close_files()));
}

bool sandbox_seal(void)
{
	return (LOOSE || set_limits()) && filter_calls();
}
