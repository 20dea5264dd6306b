// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Moves a fixed amount of traffic between two network namespaces, the second
 * part of it between the markers that the counting plugin knows (marker.h).
 *
 *	traffic CLIENT SERVER ADDRESS MODE UNITS
 *
 * CLIENT and SERVER are the names of the namespaces, ADDRESS is the server's.
 * MODE is the kind of traffic, and of its unit:
 *
 *	tcp		a segment of 1,400 bytes of a TCP stream, acknowledged by
 *			the receiving program at its end
 *	rr		a TCP round trip with one byte each way
 *	udp		a datagram of 1,392 bytes
 *	udp-gso		the same, 44 of them in one send by UDP_SEGMENT
 *	udp-gso-tx	the same without a receiver, who need not exist
 *	udp18		a datagram of 18 bytes
 *	udp18-burst	the same, 64 of them in one sendmmsg
 *	imix		a datagram: of twelve, seven make IP packets of 40 bytes,
 *			four of 576 and one of 1,420, in one sendmmsg
 *
 * The receiver of datagrams sends one back for so many of them as fit its
 * buffer; a lost one makes the run fail.  The same amount of traffic goes ahead
 * uncounted, to open windows and to warm caches.
 *
 * Prints how many units there were, in bulk traffic (tcp, udp, udp-gso) of 1,400
 * bytes.
 */

#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "marker.h"

#define UNIT		1400	/* of bulk traffic, in bytes */
#define DATAGRAM	1392	/* the most that fits WireGuard's default MTU */
#define TIMESTAMPS	12	/* of the TCP options, which TCP_MAXSEG includes */
#define PORT		"5001"
#define MAX_BURST	64
#define RECEIVE_BUFFER	(8 << 20)

/* Of the datagrams in a burst, repeated. */
struct sizes {
	unsigned int count;
	size_t size[12];
};

struct mode {
	const char *name;
	int type;
	unsigned int window;	/* datagrams until an acknowledgment */
	unsigned int burst;	/* datagrams in one system call */
	bool gso;
	bool alone;		/* nobody receives */
	const struct sizes *sizes;
	void (*send)(const struct mode *mode, int fd, unsigned int units);
	void (*receive)(const struct mode *mode, int fd, unsigned int units);
};

static const struct sizes full = { 1, { DATAGRAM } };
static const struct sizes small = { 1, { 18 } };
static const struct sizes imix = {
	12, { 12, 548, 12, 12, 548, 12, 12, 548, 12, 12, 548, DATAGRAM }
};

static char buffer[1 << 16];

static void send_all(int fd, const void *data, size_t length)
{
	ssize_t sent = send(fd, data, length, 0);

	if (sent < 0)
		err(1, "send");
	if ((size_t)sent != length)
		errx(1, "sent %zd bytes of %zu", sent, length);
}

static size_t receive(int fd, size_t length)
{
	ssize_t received = recv(fd, buffer, length, 0);

	if (received < 0)
		err(1, "receive");
	if (!received)
		errx(1, "the other end is gone");
	return received;
}

static void stream_send(const struct mode *mode, int fd, unsigned int units)
{
	size_t length = (size_t)units * UNIT;

	while (length) {
		size_t part = length < sizeof(buffer) ? length : sizeof(buffer);

		send_all(fd, buffer, part);
		length -= part;
	}
	receive(fd, 1);
}

static void stream_receive(const struct mode *mode, int fd, unsigned int units)
{
	size_t length = (size_t)units * UNIT;

	while (length)
		length -= receive(fd, length < sizeof(buffer) ? length : sizeof(buffer));
	send_all(fd, buffer, 1);
}

static void rr_send(const struct mode *mode, int fd, unsigned int units)
{
	while (units--) {
		send_all(fd, buffer, 1);
		receive(fd, 1);
	}
}

static void rr_receive(const struct mode *mode, int fd, unsigned int units)
{
	while (units--) {
		receive(fd, 1);
		send_all(fd, buffer, 1);
	}
}

static void send_many(const struct mode *mode, int fd, unsigned int n)
{
	static struct mmsghdr messages[MAX_BURST];
	static struct iovec vectors[MAX_BURST];

	for (unsigned int i = 0; i < n; i++) {
		vectors[i].iov_base = buffer;
		vectors[i].iov_len = mode->sizes->size[i % mode->sizes->count];
		messages[i].msg_hdr.msg_iov = &vectors[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	if (sendmmsg(fd, messages, n, 0) != (int)n)
		err(1, "sendmmsg");
}

static void burst_send(const struct mode *mode, int fd, unsigned int n)
{
	if (mode->gso)
		send_all(fd, buffer, (size_t)n * DATAGRAM);
	else if (mode->burst == 1)
		send_all(fd, buffer, mode->sizes->size[0]);
	else
		send_many(mode, fd, n);
}

static void datagrams_send(const struct mode *mode, int fd, unsigned int units)
{
	for (unsigned int i = 0; i < units; i += mode->window) {
		for (unsigned int j = 0; j < mode->window; j += mode->burst)
			burst_send(mode, fd, mode->burst);
		if (!mode->alone)
			receive(fd, 1);
	}
}

static void datagrams_receive(const struct mode *mode, int fd, unsigned int units)
{
	for (unsigned int i = 0; i < units; i += mode->window) {
		for (unsigned int j = 0; j < mode->window; j++)
			receive(fd, sizeof(buffer));
		send_all(fd, buffer, 1);
	}
}

#define STREAM(name, direction) \
	{ name, SOCK_STREAM, 1, 1, false, false, NULL, direction##_send, direction##_receive }
#define DATAGRAMS(name, window, burst, gso, alone, sizes) \
	{ name, SOCK_DGRAM, window, burst, gso, alone, &(sizes), datagrams_send, \
	  datagrams_receive }

static const struct mode modes[] = {
	STREAM("tcp", stream),
	STREAM("rr", rr),
	DATAGRAMS("udp", 176, 1, false, false, full),
	DATAGRAMS("udp-gso", 176, 44, true, false, full),
	DATAGRAMS("udp-gso-tx", 176, 44, true, true, full),
	DATAGRAMS("udp18", 64, 1, false, false, small),
	DATAGRAMS("udp18-burst", 64, 64, false, false, small),
	DATAGRAMS("imix", 60, 12, false, false, imix),
};

static const struct mode *mode_find(const char *name)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(modes[i].name, name))
			return &modes[i];
	errx(2, "no mode %s", name);
}

static void enter(const char *namespace)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", namespace);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err(1, "%s", path);
	close(fd);
}

static void set(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)))
		err(1, "setsockopt");
}

static int make_socket(const struct mode *mode, const struct addrinfo *address)
{
	int fd = socket(address->ai_family, mode->type, 0);

	if (fd < 0)
		err(1, "socket");
	if (mode->type == SOCK_DGRAM)
		set(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER);
	if (mode->type == SOCK_STREAM) {
		set(fd, IPPROTO_TCP, TCP_MAXSEG, UNIT + TIMESTAMPS);
		set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	}
	if (mode->gso)
		set(fd, IPPROTO_UDP, UDP_SEGMENT, DATAGRAM);
	return fd;
}

/* The client's first datagram, of one byte, says where it is. */
static void wait_for_client(int fd)
{
	struct sockaddr_storage client;
	socklen_t length = sizeof(client);

	if (recvfrom(fd, buffer, 1, 0, (struct sockaddr *)&client, &length) != 1 ||
	    connect(fd, (struct sockaddr *)&client, length))
		err(1, "client");
}

static void server(const struct mode *mode, const struct addrinfo *address, unsigned int units,
		   int ready)
{
	int fd = make_socket(mode, address);

	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind(fd, address->ai_addr, address->ai_addrlen))
		err(1, "bind");
	if (mode->type == SOCK_STREAM && listen(fd, 1))
		err(1, "listen");
	close(ready);

	if (mode->type == SOCK_STREAM)
		fd = accept(fd, NULL, NULL);
	else
		wait_for_client(fd);

	mode->receive(mode, fd, units);
	mode->receive(mode, fd, units);
}

static void client(const struct mode *mode, const struct addrinfo *address, unsigned int units)
{
	int fd = make_socket(mode, address);

	if (connect(fd, address->ai_addr, address->ai_addrlen))
		err(1, "connect");
	if (mode->type == SOCK_DGRAM && !mode->alone)
		send_all(fd, buffer, 1);

	mode->send(mode, fd, units);
	marker(MARKER_START);
	mode->send(mode, fd, units);
	marker(MARKER_STOP);
}

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	const struct mode *mode;
	struct addrinfo *address;
	unsigned int units;
	int ready[2], status, error;
	pid_t child;
	char byte;

	if (argc != 6)
		errx(2, "usage: traffic CLIENT SERVER ADDRESS MODE UNITS");
	mode = mode_find(argv[4]);
	hints.ai_socktype = mode->type;
	error = getaddrinfo(argv[3], PORT, &hints, &address);
	if (error)
		errx(2, "%s: %s", argv[3], gai_strerror(error));

	/* Whole windows. */
	units = strtoul(argv[5], NULL, 10);
	units -= units % mode->window;
	if (!units)
		errx(2, "too few units");

	if (mode->alone) {
		enter(argv[1]);
		client(mode, address, units);
		goto done;
	}
	if (pipe2(ready, O_CLOEXEC))
		err(1, "pipe");
	child = fork();
	if (child < 0)
		err(1, "fork");
	alarm(300);
	if (!child) {
		memset(buffer, 1, sizeof(buffer));
		close(ready[0]);
		enter(argv[2]);
		server(mode, address, units, ready[1]);
		return 0;
	}

	memset(buffer, 2, sizeof(buffer));
	close(ready[1]);
	enter(argv[1]);
	if (read(ready[0], &byte, 1))
		err(1, "server");
	client(mode, address, units);
	if (waitpid(child, &status, 0) != child || status)
		errx(1, "the server failed");
done:
	printf("%g\n", mode->sizes == &full ? (double)units * DATAGRAM / UNIT : units);
	return 0;
}
