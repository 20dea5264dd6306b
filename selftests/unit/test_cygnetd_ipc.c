// SPDX-License-Identifier: GPL-2.0-or-later
/* Messages between keeper and engine: what has the wrong shape gets nowhere. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc.h"
#include "unit.h"

#define HEADER offsetof(struct ipc_msg, im_conf)

static int ends[2];
static struct ipc_msg sent, got;

static int open_pair(void **state)
{
	memset(&sent, 0, sizeof(sent));
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends);
}

static int close_pair(void **state)
{
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static void assert_bad(const void *bytes, size_t len)
{
	int fds[IPC_FDS_MAX], n = IPC_FDS_MAX;

	assert_int_equal(send(ends[0], bytes, len, 0), len);
	errno = 0;
	assert_int_equal(ipc_recv(ends[1], &got, fds, &n), -1);
	assert_int_equal(errno, EBADMSG);
	assert_int_equal(n, 0);
}

static size_t raw_len(const struct ipc_msg *msg)
{
	static char buf[2 * sizeof(struct ipc_msg)];

	assert_int_equal(ipc_send(ends[0], msg, NULL, 0), 0);
	return recv(ends[1], buf, sizeof(buf), 0);
}

/* What is sent arrives; a byte less or more is refused. */
static void test_every_type(void **state)
{
	static char longer[sizeof(struct ipc_msg) + 1];

	for (u32 type = 0; type < IPC_TYPES; type++) {
		size_t len;

		memset(&sent, 0, sizeof(sent));
		sent.im_type = type;
		sent.im_handle = 17;
		strcpy(sent.im_conn, "office");
		if (type == IPC_PSK || type == IPC_SIGN)
			sent.im_auth.ia_init_len = 100;
		if (type == IPC_CRED)
			sent.im_cred.ix_len = 100;
		if (type == IPC_REPLY)
			sent.im_reply.ir_len = 100;
		len = raw_len(&sent);
		assert_int_equal(ipc_send(ends[0], &sent, NULL, 0), 0);
		assert_int_equal(ipc_recv(ends[1], &got, NULL, NULL), 1);
		assert_memory_equal(&got, &sent, len);
		memcpy(longer, &sent, sizeof(sent));
		assert_bad(longer, len + 1);
		assert_bad(longer, len - 1);
		assert_bad(longer, sizeof(longer));
	}
}

static void test_too_short(void **state)
{
	for (size_t len = 1; len < HEADER; len++)
		assert_bad(&sent, len);
}

static void test_unknown_types(void **state)
{
	static const u32 types[] = { IPC_TYPES, IPC_TYPES + 1, 0x80000000, ~0 };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		sent.im_type = types[i];
		assert_int_equal(ipc_send(ends[0], &sent, NULL, 0), -1);
		assert_bad(&sent, HEADER);
		assert_bad(&sent, sizeof(sent));
	}
}

static void test_octets(void **state)
{
	size_t len = HEADER + offsetof(struct ipc_auth, ia_octets) +
		     IPC_OCTETS_MAX;

	sent.im_type = IPC_PSK;
	sent.im_auth.ia_init_len = IPC_OCTETS_MAX - 7;
	sent.im_auth.ia_nonce_len = 7;
	assert_int_equal(raw_len(&sent), len);
	sent.im_auth.ia_nonce_len++;
	assert_int_equal(ipc_send(ends[0], &sent, NULL, 0), -1);
	assert_bad(&sent, len);
	/* Nor where the sum of both is small again. */
	sent.im_auth.ia_nonce_len = ~0;
	sent.im_auth.ia_init_len = 1;
	assert_bad(&sent, len);
	sent.im_auth.ia_nonce_len = 0;
	sent.im_auth.ia_key_len = IPC_KEY_MAX + 1;
	len = HEADER + offsetof(struct ipc_auth, ia_octets) + 1;
	assert_bad(&sent, len);
	sent.im_auth.ia_key_len = 0;
	sent.im_auth.ia_id.id_len = CONF_ID_MAX + 1;
	assert_bad(&sent, len);
}

static void test_creds(void **state)
{
	size_t len = HEADER + offsetof(struct ipc_cred, ix_data);

	sent.im_type = IPC_CRED;
	assert_int_equal(raw_len(&sent), len);
	sent.im_cred.ix_len = IPC_CRED_MAX + 1;
	assert_int_equal(ipc_send(ends[0], &sent, NULL, 0), -1);
	assert_bad(&sent, len);
	sent.im_cred.ix_len = 0;
	memset(sent.im_cred.ix_path, 'x', sizeof(sent.im_cred.ix_path));
	assert_bad(&sent, len);
}

static void test_unterminated(void **state)
{
	size_t len;

	sent.im_type = IPC_CONN_UP;
	memset(sent.im_conn, 'x', sizeof(sent.im_conn));
	assert_bad(&sent, HEADER);
	sent.im_conn[0] = 0;
	sent.im_type = IPC_REPLY;
	len = raw_len(&sent);
	memset(sent.im_reply.ir_text, 'x', sizeof(sent.im_reply.ir_text));
	assert_bad(&sent, len);
	sent.im_reply.ir_text[0] = 0;
	memset(sent.im_reply.ir_device, 'x', sizeof(sent.im_reply.ir_device));
	assert_bad(&sent, len);
}

static void test_counts(void **state)
{
	size_t len;

	sent.im_type = IPC_CHILD_ADD;
	len = raw_len(&sent);
	sent.im_child.ic_n_ts = CONF_TS_MAX + 1;
	assert_bad(&sent, len);
	sent.im_child.ic_n_ts = 0;
	sent.im_child.ic_encr_in.ik_len = IPC_KEY_MAX + 1;
	assert_bad(&sent, len);
	sent.im_child.ic_encr_in.ik_len = 0;
	sent.im_child.ic_integ_out.ik_len = ~0;
	assert_bad(&sent, len);
	sent.im_child.ic_integ_out.ik_len = 0;
	sent.im_child.ic_dirs = 4;
	assert_bad(&sent, len);

	memset(&sent, 0, sizeof(sent));
	sent.im_type = IPC_REPLY;
	len = raw_len(&sent);
	sent.im_reply.ir_len = IPC_AUTH_MAX + 1;
	assert_bad(&sent, len);

	memset(&sent, 0, sizeof(sent));
	sent.im_type = IPC_EXPIRE;
	len = raw_len(&sent);
	sent.im_event.ie_n_ts = ~0;
	assert_bad(&sent, len);
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_descriptors(void **state)
{
	int fds[IPC_FDS_MAX] = { ends[0], ends[1], ends[0] };
	int n = IPC_FDS_MAX;
	int before = count_fds();

	sent.im_type = IPC_SOCKETS;
	sent.im_sockets.io_n = 3;
	assert_int_equal(ipc_send(ends[0], &sent, fds, 3), 0);
	assert_int_equal(ipc_recv(ends[1], &got, fds, &n), 1);
	assert_int_equal(n, 3);
	while (n)
		close(fds[--n]);
	assert_int_equal(count_fds(), before);
}

/* Descriptors that nobody asked for are closed, not kept. */
static void test_unwanted_descriptors(void **state)
{
	int fds[] = { ends[0], ends[1] }, room[IPC_FDS_MAX], n;
	int before = count_fds();

	sent.im_type = IPC_CONN_UP;
	assert_int_equal(ipc_send(ends[0], &sent, fds, 2), 0);
	n = IPC_FDS_MAX;
	assert_int_equal(ipc_recv(ends[1], &got, room, &n), -1);
	assert_int_equal(n, 0);
	assert_int_equal(ipc_send(ends[0], &sent, fds, 1), 0);
	ipc_recv(ends[1], &got, NULL, NULL);
	sent.im_type = IPC_SOCKETS;
	sent.im_sockets.io_n = 2;
	assert_int_equal(ipc_send(ends[0], &sent, fds, 1), 0);
	n = IPC_FDS_MAX;
	assert_int_equal(ipc_recv(ends[1], &got, room, &n), -1);
	assert_int_equal(count_fds(), before);
}

static void test_end(void **state)
{
	assert_int_equal(ipc_recv(ends[1], &got, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	shutdown(ends[0], SHUT_RDWR);
	assert_int_equal(ipc_recv(ends[1], &got, NULL, NULL), 0);
	sent.im_type = IPC_READY;
	assert_int_equal(ipc_send(ends[1], &sent, NULL, 0), -1);
	assert_int_equal(errno, EPIPE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_pair, close_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_type),
		TEST(test_too_short),
		TEST(test_unknown_types),
		TEST(test_octets),
		TEST(test_creds),
		TEST(test_unterminated),
		TEST(test_counts),
		TEST(test_descriptors),
		TEST(test_unwanted_descriptors),
		TEST(test_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
