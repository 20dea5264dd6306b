// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is in it, and how it is passed: sd_listen_fds(3), sd_notify(3). These
 * protocols are a few lines and stable; libsystemd would be one more library in
 * the process that holds the keys.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/text.h"
#include "log.h"
#include "reload.h"
#include "snapshot.h"

#define FD_NAME		"cygnet-records"
#define FIRST_FD	3	/* SD_LISTEN_FDS_START */
#define SEALS		(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define STORE_MS	5000
#define MAGIC		"cygnetd snapshot"
#define VERSION		1

static struct {
	char **argv;
	char program[4096];
} self;

struct snapshot_head {
	char sh_magic[16];
	u32 sh_version;
	u32 sh_epoch;
	u32 sh_count;
};

struct snapshot_record {
	char sr_conn[CONF_NAME_MAX];
	u8 sr_fingerprint[CRYPTO_HASH_LEN];
	u8 sr_spi[8];
	u32 sr_len;
};

void snapshot_init(char **argv)
{
	ssize_t n = readlink("/proc/self/exe", self.program, sizeof(self.program) - 1);

	self.program[n > 0 ? n : 0] = '\0';
	self.argv = argv;
}

/* Writing */

static bool write_all(int fd, const void *data, size_t len)
{
	const u8 *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

/* One connection's records mostly stand together. */
static bool write_record(int fd, const struct conf *conf,
			 const struct vault_record *rec,
			 struct snapshot_record *head)
{
	const struct conf_conn *conn = conf_find(conf, rec->vr_conn);

	if (!conn)
		memset(head->sr_fingerprint, 0, sizeof(head->sr_fingerprint));
	else if (strcmp(head->sr_conn, rec->vr_conn))
		reload_fingerprint(conn, head->sr_fingerprint);
	text_copy(head->sr_conn, sizeof(head->sr_conn), rec->vr_conn);
	memcpy(head->sr_spi, rec->vr_spi, sizeof(head->sr_spi));
	head->sr_len = rec->vr_len;
	return write_all(fd, head, sizeof(*head)) &&
	       write_all(fd, rec->vr_data, rec->vr_len);
}

static bool write_vault(int fd, const struct vault *vault, const struct conf *conf)
{
	struct snapshot_head head = {
		.sh_magic = MAGIC, .sh_version = VERSION,
		.sh_epoch = vault->va_epoch, .sh_count = vault->va_count,
	};
	struct snapshot_record buffer = { 0 };
	const struct vault_record *rec;

	if (!write_all(fd, &head, sizeof(head)))
		return false;
	for (rec = vault->va_first; rec; rec = rec->vr_next)
		if (!write_record(fd, conf, rec, &buffer))
			return false;
	return true;
}

int snapshot_save(const struct vault *vault, const struct conf *conf)
{
	int fd = memfd_create(FD_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && write_vault(fd, vault, conf) && !fcntl(fd, F_ADD_SEALS, SEALS))
		return fd;
	log_error("the IKE SAs cannot be passed on: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Reading */

static bool read_all(int fd, void *data, size_t len)
{
	u8 *p = data;

	while (len) {
		ssize_t n = read(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

/* The vault takes it if the connection is still the same. */
static bool take_record(struct vault *vault, const struct conf *conf,
			const struct snapshot_record *head, const u8 *data)
{
	const struct conf_conn *conn = conf_find(conf, head->sr_conn);
	u8 fingerprint[CRYPTO_HASH_LEN];

	if (!conn)
		return true;
	reload_fingerprint(conn, fingerprint);
	if (!memcmp(fingerprint, head->sr_fingerprint, sizeof(fingerprint)))
		return vault_put(vault, head->sr_conn, head->sr_spi, data, head->sr_len);
	log_line(CONF_LOG_INFO, conn->conn_name,
		 "has other settings than before the restart: its IKE SA is made anew");
	return true;
}

static bool read_record(struct vault *vault, const struct conf *conf, int fd)
{
	struct snapshot_record head;
	u8 *data;
	bool ok;

	if (!read_all(fd, &head, sizeof(head)) || !head.sr_len ||
	    head.sr_len > VAULT_RECORD_MAX ||
	    !memchr(head.sr_conn, 0, sizeof(head.sr_conn)))
		return false;
	data = malloc(head.sr_len);
	ok = data && read_all(fd, data, head.sr_len) &&
	     take_record(vault, conf, &head, data);
	OPENSSL_clear_free(data, head.sr_len);
	return ok;
}

/* Where reading stops is of no matter to what has been read. */
static bool read_vault(struct vault *vault, const struct conf *conf, int fd)
{
	struct snapshot_head head;
	u32 i;

	if (lseek(fd, 0, SEEK_SET) || !read_all(fd, &head, sizeof(head)) ||
	    memcmp(head.sh_magic, MAGIC, sizeof(head.sh_magic)) ||
	    head.sh_version != VERSION || head.sh_epoch >= VAULT_EPOCHS)
		return false;
	vault->va_epoch = head.sh_epoch;
	for (i = 0; i < head.sh_count; i++)
		if (!read_record(vault, conf, fd))
			return false;
	return true;
}

bool snapshot_load(struct vault *vault, const struct conf *conf, int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);
	bool ok = seals >= 0 && (seals & SEALS) == SEALS && read_vault(vault, conf, fd);

	close(fd);
	if (!ok) {
		log_warning("what was passed to this daemon is no snapshot of its IKE SAs");
		vault_clear(vault);
	}
	return ok;
}

/* Passing */

/* A message to the service manager, with a descriptor. */
static bool notify(const char *text, int fd)
{
	const char *path = getenv("NOTIFY_SOCKET");
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct iovec iov = { (void *)text, strlen(text) };
	struct msghdr mh = { .msg_name = &sun, .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	int sock;
	bool ok;

	if (!path || (path[0] != '/' && path[0] != '@') ||
	    !text_copy(sun.sun_path, sizeof(sun.sun_path), path))
		return false;
	mh.msg_namelen = offsetof(struct sockaddr_un, sun_path) + strlen(path);
	if (path[0] == '@')
		sun.sun_path[0] = '\0';
	if (fd >= 0) {
		mh.msg_control = control;
		mh.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&mh);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ok = sock >= 0 && sendmsg(sock, &mh, MSG_NOSIGNAL) >= 0;
	if (sock >= 0)
		close(sock);
	return ok;
}

/* It must have been read before we end, or systemd asks who that was. */
static bool wait_until_read(void)
{
	struct pollfd pfd = { .fd = -1 };
	int ends[2];
	bool ok;

	if (pipe2(ends, O_CLOEXEC))
		return false;
	ok = notify("BARRIER=1", ends[1]);
	close(ends[1]);
	pfd.fd = ends[0];
	ok = ok && poll(&pfd, 1, STORE_MS) == 1;
	close(ends[0]);
	return ok;
}

bool snapshot_store(int fd)
{
	return notify("FDSTORE=1\nFDNAME=" FD_NAME, fd) && wait_until_read();
}

static unsigned long number(const char *name)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 10) : 0;
}

/* Names stand in the order of the descriptors, with colons between them. */
static bool is_named(const char *names, unsigned long index)
{
	size_t len;

	while (names && index--) {
		names = strchr(names, ':');
		if (names)
			names++;
	}
	len = names ? strcspn(names, ":") : 0;
	return len == strlen(FD_NAME) && !strncmp(names, FD_NAME, len);
}

int snapshot_inherit(void)
{
	unsigned long i, n = number("LISTEN_FDS");
	int found = -1;

	if (number("LISTEN_PID") != (unsigned long)getpid() || n > 16)
		n = 0;
	for (i = 0; i < n; i++) {
		int fd = FIRST_FD + (int)i;

		if (found < 0 && is_named(getenv("LISTEN_FDNAMES"), i))
			found = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FD + 16);
		close(fd);
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (found >= 0)
		notify("FDSTOREREMOVE=1\nFDNAME=" FD_NAME, -1);
	return found;
}

void snapshot_exec(int fd)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	if (fd >= 0 && dup2(fd, FIRST_FD) == FIRST_FD) {
		setenv("LISTEN_PID", pid, 1);
		setenv("LISTEN_FDS", "1", 1);
		setenv("LISTEN_FDNAMES", FD_NAME, 1);
	}
	execv(self.program, self.argv);
	log_error("cannot execute %s: %s", self.program, strerror(errno));
}
