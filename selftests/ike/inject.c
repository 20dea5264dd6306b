// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * inject PID CALL: makes a running process try a system call, as an attacker
 * who has taken it over would, and prints what became of it: "killed SIGNAL",
 * "error ERRNO" or "returned VALUE". x86-64.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define PATH 1UL	/* stands for the address of "/etc/passwd" */

static const struct attempt {
	const char *name;
	unsigned long nr, args[4];
} attempts[] = {
	{ "getpid", SYS_getpid, { 0 } },
	{ "open", SYS_open, { PATH, O_RDONLY } },
	{ "openat", SYS_openat, { AT_FDCWD, PATH, O_RDONLY } },
	{ "creat", SYS_creat, { PATH, 0600 } },
	{ "unlink", SYS_unlink, { PATH } },
	{ "execve", SYS_execve, { PATH } },
	{ "execveat", SYS_execveat, { AT_FDCWD, PATH } },
	{ "fork", SYS_fork, { 0 } },
	{ "clone", SYS_clone, { SIGCHLD } },
	{ "socket", SYS_socket, { AF_INET, SOCK_STREAM } },
	{ "socketpair", SYS_socketpair, { AF_UNIX, SOCK_STREAM } },
	{ "connect", SYS_connect, { 3 } },
	{ "bind", SYS_bind, { 3 } },
	{ "ptrace", SYS_ptrace, { PTRACE_TRACEME } },
	{ "kill", SYS_kill, { 1, 0 } },
	{ "setuid", SYS_setuid, { 0 } },
	{ "io_uring_setup", SYS_io_uring_setup, { 4 } },
	{ "mmap-exec", SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC,
				   MAP_PRIVATE | MAP_ANONYMOUS } },
	{ "mprotect-exec", SYS_mprotect, { 4096, 4096, PROT_EXEC } },
	{ "bpf", SYS_bpf, { 0 } },
	{ "mount", SYS_mount, { PATH, PATH } },
};

static int die(const char *what)
{
	perror(what);
	exit(2);
}

/* Where libc's code holds a "syscall" instruction. */
static unsigned long find_syscall(pid_t pid)
{
	static const unsigned char code[] = { 0x0f, 0x05 };
	unsigned long begin, end, found = 0;
	char path[64], line[512];
	unsigned char *text;
	FILE *maps;
	int mem;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "r");
	if (mem < 0 || !maps)
		die(path);
	while (!found && fgets(line, sizeof(line), maps)) {
		if (!strstr(line, "r-xp") || !strstr(line, "libc.so") ||
		    sscanf(line, "%lx-%lx", &begin, &end) != 2)
			continue;
		text = malloc(end - begin);
		if (!text || pread(mem, text, end - begin, begin) < 0)
			die("reading libc");
		for (unsigned long i = 0; i + 1 < end - begin && !found; i++)
			if (!memcmp(text + i, code, sizeof(code)))
				found = begin + i;
		free(text);
	}
	return found;
}

/* Below the stack's red zone: nobody misses what was there. */
static unsigned long put_path(pid_t pid, unsigned long sp)
{
	static const char path[16] = "/etc/passwd";
	unsigned long at = (sp - 1024) & ~15UL, words[2];

	memcpy(words, path, sizeof(words));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (ptrace(PTRACE_POKEDATA, pid, at + 8 * i, words[i]))
			die("writing the path");
	return at;
}

static unsigned long argument(const struct attempt *a, int i,
			      unsigned long path)
{
	return a->args[i] == PATH && a->nr != SYS_kill ? path : a->args[i];
}

static void try_call(pid_t pid, const struct attempt *a)
{
	struct user_regs_struct regs;
	unsigned long path;
	int status;
	long result;

	if (ptrace(PTRACE_GETREGS, pid, 0, &regs))
		die("reading registers");
	path = put_path(pid, regs.rsp);
	regs.orig_rax = -1;	/* do not restart what we have interrupted */
	regs.rax = a->nr;
	regs.rdi = argument(a, 0, path);
	regs.rsi = argument(a, 1, path);
	regs.rdx = argument(a, 2, path);
	regs.r10 = argument(a, 3, path);
	regs.r8 = -1;
	regs.r9 = 0;
	regs.rip = find_syscall(pid);
	if (ptrace(PTRACE_SETREGS, pid, 0, &regs) ||
	    ptrace(PTRACE_SINGLESTEP, pid, 0, 0))
		die("stepping");
	if (waitpid(pid, &status, __WALL) != pid)
		die("waiting");
	if (WIFSIGNALED(status)) {
		printf("killed %d\n", WTERMSIG(status));
		return;
	}
	if (WSTOPSIG(status) != SIGTRAP) {
		printf("killed %d\n", WSTOPSIG(status));
		ptrace(PTRACE_CONT, pid, 0, SIGSYS);
		return;
	}
	if (ptrace(PTRACE_GETREGS, pid, 0, &regs))
		die("reading the result");
	result = regs.rax;
	if (result < 0 && result > -4096)
		printf("error %ld\n", -result);
	else
		printf("returned %ld\n", result);
	/* It is not itself any more. */
	ptrace(PTRACE_KILL, pid, 0, 0);
}

int main(int argc, char **argv)
{
	pid_t pid = argc == 3 ? atoi(argv[1]) : 0;
	int status;

	for (size_t i = 0; i < ARRAY_SIZE(attempts) && pid; i++) {
		if (strcmp(argv[2], attempts[i].name))
			continue;
		if (ptrace(PTRACE_ATTACH, pid, 0, 0) ||
		    waitpid(pid, &status, __WALL) != pid)
			die("attaching");
		try_call(pid, &attempts[i]);
		return 0;
	}
	fputs("usage: inject PID CALL\n", stderr);
	return 2;
}
