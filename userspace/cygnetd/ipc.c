// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages between keeper and engine: how long each is on the wire, and
 * whether what came has the shape that its type demands.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc.h"

#define HEADER_LEN offsetof(struct ipc_msg, im_conf)

/* Without what stands last and is sent as far as it goes. */
static const size_t body_len[IPC_TYPES] = {
	[IPC_SOCKETS]	 = sizeof(struct ipc_sockets),
	[IPC_CRED]	 = offsetof(struct ipc_cred, ix_data),
	[IPC_CONF]	 = sizeof(struct conf_conn),
	[IPC_RESTART]	 = sizeof(struct conf_conn),
	[IPC_ADOPTED]	 = sizeof(struct ipc_event),
	[IPC_READY]	 = sizeof(struct ipc_ready),
	[IPC_ACQUIRE]	 = sizeof(struct ipc_event),
	[IPC_EXPIRE]	 = sizeof(struct ipc_event),
	[IPC_PSK]	 = offsetof(struct ipc_auth, ia_octets),
	[IPC_SIGN]	 = offsetof(struct ipc_auth, ia_octets),
	[IPC_PPK]	 = sizeof(struct ipc_ppk),
	[IPC_RESOLVE]	 = sizeof(struct ipc_resolve),
	[IPC_SPI]	 = sizeof(struct ipc_spi),
	[IPC_CHILD_ADD]	 = sizeof(struct ipc_child),
	[IPC_CHILD_DEL]	 = sizeof(struct ipc_child),
	[IPC_CHILD_IDLE] = sizeof(struct ipc_child),
	[IPC_RECORD]	 = offsetof(struct ipc_record, rc_data),
	[IPC_REPLY]	 = offsetof(struct ipc_reply, ir_auth),
};

/* Octets at the end; more than @most if the message says nonsense. */
static size_t tail_len(const struct ipc_msg *msg, size_t *most)
{
	switch (msg->im_type) {
	case IPC_PSK:
	case IPC_SIGN:
		*most = sizeof(msg->im_auth.ia_octets);
		return (size_t)msg->im_auth.ia_init_len +
		       msg->im_auth.ia_nonce_len;
	case IPC_CRED:
		*most = sizeof(msg->im_cred.ix_data);
		return msg->im_cred.ix_len;
	case IPC_RECORD:
		*most = sizeof(msg->im_record.rc_data);
		return msg->im_record.rc_len;
	case IPC_REPLY:
		*most = sizeof(msg->im_reply.ir_auth);
		return msg->im_reply.ir_len;
	}
	*most = 0;
	return 0;
}

/* Length on the wire, 0 if the message says nonsense about itself. */
static size_t message_len(const struct ipc_msg *msg)
{
	size_t tail, most;

	if (msg->im_type >= IPC_TYPES)
		return 0;
	tail = tail_len(msg, &most);
	if (tail > most)
		return 0;
	return HEADER_LEN + body_len[msg->im_type] + tail;
}

static bool key_fits(const struct ipc_key *key)
{
	return key->ik_len <= sizeof(key->ik_key);
}

static bool terminated(const char *text, size_t size)
{
	return memchr(text, 0, size);
}

static bool child_shape(const struct ipc_child *child)
{
	return child->ic_n_ts <= CONF_TS_MAX &&
	       !(child->ic_dirs & ~(IPC_DIR_IN | IPC_DIR_OUT)) &&
	       key_fits(&child->ic_encr_in) && key_fits(&child->ic_encr_out) &&
	       key_fits(&child->ic_integ_in) && key_fits(&child->ic_integ_out);
}

static bool reply_shape(const struct ipc_reply *reply)
{
	return terminated(reply->ir_text, sizeof(reply->ir_text)) &&
	       terminated(reply->ir_device, sizeof(reply->ir_device));
}

static bool body_shape(const struct ipc_msg *msg, int n_fds)
{
	switch (msg->im_type) {
	case IPC_SOCKETS:
		return msg->im_sockets.io_n == (u32)n_fds;
	case IPC_CONF:
	case IPC_RESTART:
		return terminated(msg->im_conf.conn_name,
				  sizeof(msg->im_conf.conn_name)) &&
		       msg->im_conf.conn_npairs <= CONF_TS_MAX &&
		       msg->im_conf.conn_nchildren <= CONF_TS_MAX &&
		       msg->im_conf.conn_nike <= PROPOSALS_MAX &&
		       msg->im_conf.conn_nesp <= PROPOSALS_MAX &&
		       msg->im_conf.conn_nredirect <= CONF_REDIRECT_MAX;
	case IPC_CRED:
		return terminated(msg->im_cred.ix_path,
				  sizeof(msg->im_cred.ix_path));
	case IPC_PSK:
	case IPC_SIGN:
		return msg->im_auth.ia_key_len <= sizeof(msg->im_auth.ia_key) &&
		       msg->im_auth.ia_int_len <= sizeof(msg->im_auth.ia_int) &&
		       msg->im_auth.ia_id.id_len <= CONF_ID_MAX;
	case IPC_ADOPTED:
	case IPC_ACQUIRE:
	case IPC_EXPIRE:
		return msg->im_event.ie_n_ts <= CONF_TS_MAX;
	case IPC_CHILD_ADD:
	case IPC_CHILD_DEL:
	case IPC_CHILD_IDLE:
		return child_shape(&msg->im_child);
	case IPC_REPLY:
		return reply_shape(&msg->im_reply);
	default:
		return true;
	}
}

static bool message_shape(const struct ipc_msg *msg, size_t len, int n_fds)
{
	if (len < HEADER_LEN || msg->im_type >= IPC_TYPES)
		return false;
	if (len < HEADER_LEN + body_len[msg->im_type] ||
	    len != message_len(msg))
		return false;
	return terminated(msg->im_conn, sizeof(msg->im_conn)) &&
	       (n_fds == 0 || msg->im_type == IPC_SOCKETS) &&
	       body_shape(msg, n_fds);
}

int ipc_send(int fd, const struct ipc_msg *msg, const int *fds, int n_fds)
{
	char control[CMSG_SPACE(IPC_FDS_MAX * sizeof(int))] = { 0 };
	size_t fds_len = n_fds * sizeof(int);
	struct iovec iov = { (void *)msg, message_len(msg) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	ssize_t n;

	if (!iov.iov_len || n_fds > IPC_FDS_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (n_fds) {
		mh.msg_control = control;
		mh.msg_controllen = CMSG_SPACE(fds_len);
		cmsg = CMSG_FIRSTHDR(&mh);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(fds_len);
		memcpy(CMSG_DATA(cmsg), fds, fds_len);
	}
	do
		n = sendmsg(fd, &mh, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

static int take_fds(struct msghdr *mh, int *fds, int room)
{
	struct cmsghdr *cmsg;
	int n = 0;

	for (cmsg = CMSG_FIRSTHDR(mh); cmsg; cmsg = CMSG_NXTHDR(mh, cmsg)) {
		size_t len = cmsg->cmsg_len - CMSG_LEN(0);

		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t off = 0; off + sizeof(int) <= len;
		     off += sizeof(int)) {
			int fd;

			memcpy(&fd, CMSG_DATA(cmsg) + off, sizeof(fd));
			if (n < room)
				fds[n++] = fd;
			else
				close(fd);
		}
	}
	return n;
}

int ipc_recv(int fd, struct ipc_msg *msg, int *fds, int *n_fds)
{
	char control[CMSG_SPACE(IPC_FDS_MAX * sizeof(int))] = { 0 };
	struct iovec iov = { msg, sizeof(*msg) };
	struct msghdr mh = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int room = n_fds ? *n_fds : 0;
	ssize_t n;
	int got;

	do
		n = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n_fds)
		*n_fds = 0;
	if (n < 0)
		return -1;
	got = take_fds(&mh, fds, room);
	if (n == 0)
		return 0;
	if (n_fds)
		*n_fds = got;
	if (!(mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) &&
	    message_shape(msg, n, got))
		return 1;
	while (got > 0)
		close(fds[--got]);
	if (n_fds)
		*n_fds = 0;
	errno = EBADMSG;
	return -1;
}
