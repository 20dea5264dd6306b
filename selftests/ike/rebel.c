// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rebel PID CASE LOCAL REMOTE: asks the keeper, by the engine's own end of their
 * pair, for what a patched engine might: each time what an honest one asks for
 * connection "net" between these addresses, but for one thing.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc.h"

#define ENGINE_FD 3

static struct ip_addr addr(const char *text)
{
	struct ip_addr result = { .ip_family = AF_INET };

	if (inet_pton(AF_INET, text, result.ip_bytes) != 1)
		exit(2);
	return result;
}

static struct ip_range range(const char *first, const char *last)
{
	struct ip_range result = { addr(first), addr(last) };

	return result;
}

static struct ts ts(const char *first, const char *last)
{
	struct ts result = { .ts_addrs = range(first, last), .ts_port_last = 65535 };

	return result;
}

static void fill_child(struct ipc_msg *msg, const char *local, const char *remote)
{
	msg->im_type = IPC_CHILD_ADD;
	msg->im_child = (struct ipc_child){
		.ic_dirs = IPC_DIR_IN | IPC_DIR_OUT,
		.ic_spi_in = htonl(0xc0000001), .ic_spi_out = htonl(0xd0000001),
		.ic_encr = ENCR_AES_GCM_16, .ic_encr_bits = 256, .ic_encap = 1,
		.ic_local = { addr(local), 4500 },
		.ic_remote = { addr(remote), 4500 },
		.ic_encr_in.ik_len = 36, .ic_encr_out.ik_len = 36,
		.ic_n_ts = 1,
		.ic_ts = { { ts("10.1.0.0", "10.1.255.255"),
			     ts("10.2.0.0", "10.2.255.255") } },
	};
}

static void fill_auth(struct ipc_msg *msg)
{
	struct ipc_auth *auth = &msg->im_auth;

	msg->im_type = IPC_PSK;
	auth->ia_side = IPC_LOCAL;
	auth->ia_prf = PRF_HMAC_SHA2_256;
	auth->ia_id.id_type = ID_FQDN;
	auth->ia_id.id_len = 9;
	memcpy(auth->ia_id.id_data, "left.test", 9);
	auth->ia_key_len = 32;
	auth->ia_init_len = 100;
	auth->ia_nonce_len = 32;
	auth->ia_octets[17] = 0x20;
	auth->ia_octets[18] = 34;	/* IKE_SA_INIT */
	auth->ia_octets[27] = 100;
}

static int spoil(struct ipc_msg *msg, const char *what)
{
	struct ipc_child *child = &msg->im_child;

	if (!strcmp(what, "honest"))
		return 0;
	if (!strcmp(what, "everything")) {
		child->ic_ts[0].pair_local = ts("0.0.0.0", "255.255.255.255");
		child->ic_ts[0].pair_remote = child->ic_ts[0].pair_local;
	} else if (!strcmp(what, "bypass")) {
		child->ic_encr = 0;
		child->ic_encr_bits = 0;
		child->ic_encr_in.ik_len = 0;
		child->ic_encr_out.ik_len = 0;
	} else if (!strcmp(what, "null")) {
		child->ic_encr = ENCR_NULL;
		child->ic_encr_bits = 0;
	} else if (!strcmp(what, "remote")) {
		child->ic_remote.ep_addr = addr("198.51.100.66");
	} else if (!strcmp(what, "local")) {
		child->ic_local.ep_addr = addr("198.51.100.66");
	} else if (!strcmp(what, "spi")) {
		msg->im_type = IPC_SPI;
		msg->im_spi.is_local = addr("198.51.100.66");
	} else if (!strcmp(what, "identity")) {
		fill_auth(msg);
		memcpy(msg->im_auth.ia_id.id_data, "othr.test", 9);
	} else if (!strcmp(what, "signature")) {
		fill_auth(msg);
		msg->im_type = IPC_SIGN;
		msg->im_auth.ia_side = IPC_REMOTE;
	} else if (!strcmp(what, "type")) {
		msg->im_type = IPC_READY;
	} else {
		return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct ipc_msg msg;
	int pid, fd;

	if (argc != 5)
		return 2;
	strcpy(msg.im_conn, "net");
	fill_child(&msg, argv[3], argv[4]);
	if (spoil(&msg, argv[2]))
		return 2;
	pid = (int)syscall(SYS_pidfd_open, atoi(argv[1]), 0);
	fd = (int)syscall(SYS_pidfd_getfd, pid, ENGINE_FD, 0);
	if (fd < 0 || ipc_send(fd, &msg, NULL, 0)) {
		perror("rebel");
		return 2;
	}
	return 0;
}
