// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * UDP sockets for IKE and NAT-T in both families, and the two listeners of the
 * control socket. No address is shared (SO_REUSEADDR and SO_REUSEPORT would
 * let a second daemon steal datagrams): who holds a port keeps it.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "lib/text.h"
#include "log.h"
#include "sockets.h"

#define BUSY_TRIES	30	/* a dying engine holds its sockets a moment */
#define BUSY_PAUSE_MS	100
#define RECEIVE_BUFFER	1048576
#define STATUS_GROUP	"cygnet"

static bool set_int(int fd, int level, int option, int value)
{
	return !setsockopt(fd, level, option, &value, sizeof(value));
}

static bool set_options(int fd, int family)
{
	/* Large IKE messages may be fragmented: no DF, no stale path MTU. */
	if (family == AF_INET)
		return set_int(fd, IPPROTO_IP, IP_PKTINFO, 1) &&
		       set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER,
			       IP_PMTUDISC_DONT);
	return set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) &&
	       set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) &&
	       set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
		       IPV6_PMTUDISC_DONT);
}

/*
 * ESP that the module does not take from the wire before it reaches the socket
 * (reassembled late, foreign SPI) goes to the kernel's own input this way.
 */
static void set_encap(int fd)
{
	if (!set_int(fd, IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP))
		log_debug("UDP_ENCAP: %s", strerror(errno));
}

/* Lets the stack take ESP in as super-packets, which the module likes better. */
static void set_gro(int fd)
{
	if (!set_int(fd, IPPROTO_UDP, UDP_GRO, 1))
		log_debug("UDP_GRO: %s", strerror(errno));
}

static bool set_mark(int fd, u32 mark)
{
	return !mark || set_int(fd, SOL_SOCKET, SO_MARK, (int)mark);
}

static int bind_patiently(int fd, const struct sockaddr *sa, socklen_t len)
{
	const struct timespec pause = { .tv_nsec = BUSY_PAUSE_MS * 1000000L };
	int ret;

	for (int i = 0; i < BUSY_TRIES; i++) {
		ret = bind(fd, sa, len);
		if (!ret || errno != EADDRINUSE)
			return ret;
		nanosleep(&pause, NULL);
	}
	return ret;
}

/* Returns -1 with errno. */
static int open_udp(int family, u16 port, bool natt, u32 mark)
{
	struct ip_endpoint any = { .ep_addr.ip_family = family,
				   .ep_port = port };
	struct sockaddr_storage ss;
	socklen_t len = ip_endpoint_to_sockaddr(&any, &ss);
	int fd, saved;

	fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (set_options(fd, family) && set_mark(fd, mark) &&
	    !bind_patiently(fd, (struct sockaddr *)&ss, len)) {
		(void)set_int(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER);
		if (natt) {
			set_encap(fd);
			set_gro(fd);
		}
		return fd;
	}
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static void add_socket(struct sockets *sockets, enum ipc_socket kind, int fd)
{
	sockets->so_fds[sockets->so_info.io_n] = fd;
	sockets->so_info.io_kind[sockets->so_info.io_n++] = kind;
}

/* IPv6 may be switched off; IPv4 may not. */
static bool add_udp(struct sockets *sockets, int family, u16 port,
		    enum ipc_socket kind, u32 mark)
{
	int fd = open_udp(family, port, kind == IPC_SOCKET_NATT, mark);

	if (fd >= 0) {
		add_socket(sockets, kind, fd);
		return true;
	}
	if (family == AF_INET6 &&
	    (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
		log_info("no IPv6 on this host: port %u is IPv4 only", port);
		return true;
	}
	if (errno == EADDRINUSE)
		log_error("UDP port %u is taken: stop the other IKE daemon (ss -lunp names it)",
			  port);
	else
		log_error("UDP port %u: %s", port, strerror(errno));
	return false;
}

static int listen_unix(const char *path, mode_t mode)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const struct group *group;
	int fd;

	if (!text_copy(sa.sun_path, sizeof(sa.sun_path), path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	/* The ports are ours, so a socket that is there is a dead one's. */
	unlink(path);
	if (fchmod(fd, mode) ||
	    bind(fd, (struct sockaddr *)&sa, sizeof(sa)) ||
	    chmod(path, mode) || listen(fd, 16)) {
		close(fd);
		return -1;
	}
	group = mode == STATUS_SOCKET_MODE ? getgrnam(STATUS_GROUP) : NULL;
	if (group && chown(path, -1, group->gr_gid))
		log_warning("%s: %s", path, strerror(errno));
	return fd;
}

static bool add_listener(struct sockets *sockets, const char *dir,
			 const char *name, mode_t mode, enum ipc_socket kind)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = listen_unix(path, mode);
	if (fd < 0) {
		log_error("%s: %s", path, strerror(errno));
		return false;
	}
	add_socket(sockets, kind, fd);
	return true;
}

static bool make_dir(const char *dir)
{
	if (!mkdir(dir, 0755) || errno == EEXIST)
		return true;
	log_error("%s: %s", dir, strerror(errno));
	return false;
}

bool sockets_open(struct sockets *sockets, const struct conf *conf)
{
	static const int families[] = { AF_INET, AF_INET6 };
	const char *dir = conf->conf_control_dir;
	bool ok = true;

	memset(sockets, 0, sizeof(*sockets));
	sockets->so_info.io_log_level = conf->conf_log_level;
	for (size_t i = 0; i < ARRAY_SIZE(families) && ok; i++)
		ok = add_udp(sockets, families[i], conf->conf_ike_port,
			     IPC_SOCKET_IKE, conf->conf_fwmark) &&
		     add_udp(sockets, families[i], conf->conf_natt_port,
			     IPC_SOCKET_NATT, conf->conf_fwmark);
	ok = ok && make_dir(dir) &&
	     add_listener(sockets, dir, CONTROL_SOCKET, CONTROL_SOCKET_MODE,
			  IPC_SOCKET_CONTROL) &&
	     add_listener(sockets, dir, STATUS_SOCKET, STATUS_SOCKET_MODE,
			  IPC_SOCKET_STATUS);
	if (!ok)
		sockets_close(sockets);
	return ok;
}

void sockets_close(struct sockets *sockets)
{
	while (sockets->so_info.io_n)
		close(sockets->so_fds[--sockets->so_info.io_n]);
}
