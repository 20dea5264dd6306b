// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The keeper against an engine in an attacker's hands: whatever it asks for,
 * nothing reaches the datapath that the configuration does not allow.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto.h"
#include "keeper.h"
#include "unit.h"

#define SPI_IN	0xc0000001
#define SPI_OUT	0xd0000001

static const char config[] =
	"connection office {\n"
	"	local = 192.0.2.1\n"
	"	remote = 203.0.113.7\n"
	"	psk = psk\n"
	"	ppk = psk\n"
	"	ppk-id = both.test\n"
	"	ike = aes256gcm-sha256-x25519\n"
	"	esp = aes256gcm-esn, chacha20poly1305-noesn\n"
	"	protect = 10.1.0.0/16 <-> 10.2.0.0/16\n"
	"	protect = 10.1.0.0/16 <-> 10.3.0.5 tcp 443\n"
	"}\n"
	"connection road {\n"
	"	remote = any\n"
	"	remote-id = road.test\n"
	"	psk = missing\n"
	"	protect = fd01::/64 <-> fd02::/64\n"
	"}\n"
	"connection signed {\n"
	"	local = 192.0.2.1\n"
	"	remote = 203.0.113.8\n"
	"	key = key\n"
	"	remote-key = public\n"
	"	protect = 10.1.0.0/16 <-> 10.4.0.0/16\n"
	"}\n"
	"connection forbidden {\n"
	"	local-id = other.test\n"
	"	remote = 203.0.113.9\n"
	"	key = key\n"
	"	remote-key = public\n"
	"	signatures = ecdsa\n"
	"	protect = 10.1.0.0/16 <-> 10.5.0.0/16\n"
	"}\n"
	"connection named {\n"
	"	local = 192.0.2.1\n"
	"	remote = gw.test\n"
	"	psk = missing\n"
	"	protect = 10.1.0.0/16 <-> 10.6.0.0/16\n"
	"}\n"
	"connection hosts {\n"
	"	local = 192.0.2.1\n"
	"	remote = 203.0.113.7\n"
	"	psk = psk\n"
	"	esp = aes256gcm\n"
	"	mode = transport\n"
	"	protect = tcp 5432\n"
	"}\n"
	"connection plain {\n"
	"	local = 192.0.2.1\n"
	"	remote = 203.0.113.7\n"
	"	psk = psk\n"
	"	ah = sha256\n"
	"	protect = 10.1.0.0/16 <-> 10.2.0.0/16\n"
	"}\n";

/* A datapath that only writes down what it was told. */
static struct recorder {
	struct backend rec_backend;
	int rec_calls;
	const char *rec_op;
	const struct conf_conn *rec_conn;
	struct ipc_child rec_child;
	struct ip_addr rec_remote;	/* that a way was asked to */
	struct ip_addr rec_unreachable;
} recorder;

static int record(const char *op, const struct conf_conn *conn,
		  const struct ipc_child *child)
{
	recorder.rec_calls++;
	recorder.rec_op = op;
	recorder.rec_conn = conn;
	if (child)
		recorder.rec_child = *child;
	return 0;
}

static int rec_resolve(struct backend *be, const struct conf_conn *conn,
		       struct ipc_reply *reply)
{
	recorder.rec_remote = conn->conn_remote;
	reply->ir_remote = conn->conn_remote;
	record("resolve", conn, NULL);
	return ip_addr_equal(&conn->conn_remote, &recorder.rec_unreachable) ?
	       reply_refuse(reply, EHOSTUNREACH, "no route") : 0;
}

static int rec_spi(struct backend *be, const struct conf_conn *conn,
		   const struct ip_addr *local, struct ipc_reply *reply)
{
	reply->ir_spi = htonl(SPI_IN);
	return record("spi", NULL, NULL);
}

static int rec_up(struct backend *be, const struct conf_conn *conn,
		  struct ipc_reply *reply)
{
	return record("up", conn, NULL);
}

static int rec_down(struct backend *be, const struct conf_conn *conn,
		    struct ipc_reply *reply)
{
	return record("down", conn, NULL);
}

static int rec_add(struct backend *be, const struct conf_conn *conn,
		   const struct ipc_child *child, struct ipc_reply *reply)
{
	return record("add", conn, child);
}

static int rec_del(struct backend *be, const struct conf_conn *conn,
		   const struct ipc_child *child, struct ipc_reply *reply)
{
	return record("del", conn, child);
}

static int rec_idle(struct backend *be, const struct conf_conn *conn,
		    const struct ipc_child *child, struct ipc_reply *reply)
{
	reply->ir_idle_ms = 4711;
	return record("idle", NULL, child);
}

static const struct backend_ops recorder_ops = {
	.bo_resolve = rec_resolve,
	.bo_spi	    = rec_spi,
	.bo_up	    = rec_up,
	.bo_down    = rec_down,
	.bo_add	    = rec_add,
	.bo_del	    = rec_del,
	.bo_idle    = rec_idle,
};

static struct conf *conf;
static struct keys *keys;
static EVP_PKEY *key;
static struct keeper keeper;
static struct ipc_msg answer;
static char folder[32];

static void write_psk(const char *psk)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/psk", folder);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(psk, file);
	fclose(file);
	assert_int_equal(chmod(path, 0600), 0);
}

static void write_key(void)
{
	char path[64];
	FILE *file;

	key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	snprintf(path, sizeof(path), "%s/key", folder);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL));
	fclose(file);
	assert_int_equal(chmod(path, 0600), 0);
}

static int begin(void **state)
{
	struct conf_log log = { 0 };
	char path[64];

	assert_true(crypto_init());
	strcpy(folder, "/tmp/cygnet-keeper-XXXXXX");
	assert_non_null(mkdtemp(folder));
	write_psk("secret\n");
	write_key();
	snprintf(path, sizeof(path), "%s/cygnet.conf", folder);
	conf = conf_parse(path, config, strlen(config), &log);
	conf_log_print(stderr, path, &log);
	assert_non_null(conf);
	conf_log_free(&log);
	keys = keys_load(conf);
	assert_non_null(keys);
	return 0;
}

static int end(void **state)
{
	char path[64];

	keys_free(keys);
	conf_free(conf);
	snprintf(path, sizeof(path), "%s/psk", folder);
	unlink(path);
	EVP_PKEY_free(key);
	snprintf(path, sizeof(path), "%s/key", folder);
	unlink(path);
	return rmdir(folder);
}

static int fresh(void **state)
{
	recorder = (struct recorder){ .rec_backend.be_ops = &recorder_ops };
	keeper = (struct keeper){ .kp_conf = conf, .kp_keys = keys,
				  .kp_backend = &recorder.rec_backend };
	return 0;
}

static int used(void **state)
{
	keeper_uninit(&keeper);
	return 0;
}

static struct ip_addr addr(const char *text)
{
	struct ip_addr result;

	assert_true(ip_addr_parse(&result, text));
	return result;
}

static struct ts_pair pair(const char *local, const char *remote)
{
	struct ts_pair result;
	struct ip_range range;

	assert_true(ip_range_parse(&range, local));
	ts_from_range(&result.pair_local, &range);
	assert_true(ip_range_parse(&range, remote));
	ts_from_range(&result.pair_remote, &range);
	return result;
}

static struct ipc_msg request(enum ipc_type type)
{
	struct ipc_msg msg = { .im_type = type, .im_handle = 7,
			       .im_generation = 9, .im_conn = "office" };

	return msg;
}

/* What an honest engine would ask for. */
static struct ipc_msg honest_child(enum ipc_type type)
{
	struct ipc_msg msg = request(type);

	msg.im_child = (struct ipc_child){
		.ic_dirs = IPC_DIR_IN | IPC_DIR_OUT,
		.ic_spi_in = htonl(SPI_IN),
		.ic_spi_out = htonl(SPI_OUT),
		.ic_encr = ENCR_AES_GCM_16, .ic_encr_bits = 256,
		.ic_esn = 1, .ic_encap = 1,
		.ic_local = { addr("192.0.2.1"), 4500 },
		.ic_remote = { addr("203.0.113.7"), 4500 },
		.ic_encr_in.ik_len = 36, .ic_encr_out.ik_len = 36,
		.ic_n_ts = 1,
		.ic_ts = { pair("10.1.0.0/16", "10.2.0.0/16") },
	};
	return msg;
}

static int ask(const struct ipc_msg *msg)
{
	bool ours = keeper_answer(&keeper, msg, &answer);

	/* Whoever asks for what was never the connection's is to be ended. */
	assert_int_equal(ours, answer.im_reply.ir_errno != EPERM);
	assert_int_equal(answer.im_type, IPC_REPLY);
	assert_int_equal(answer.im_handle, msg->im_handle);
	assert_int_equal(answer.im_generation, msg->im_generation);
	assert_string_equal(answer.im_conn, msg->im_conn);
	return answer.im_reply.ir_errno;
}

/* Refused with that error and a reason, and nothing reached the datapath. */
#define assert_refused(msg, error) do {					\
	int calls_ = recorder.rec_calls;				\
	assert_int_equal(ask(msg), error);				\
	assert_true(answer.im_reply.ir_text[0]);			\
	assert_int_equal(recorder.rec_calls, calls_);			\
} while (0)

static void assert_done(const struct ipc_msg *msg, const char *op)
{
	int calls = recorder.rec_calls;

	assert_int_equal(ask(msg), 0);
	assert_int_equal(recorder.rec_calls, calls + 1);
	assert_string_equal(recorder.rec_op, op);
}

static void test_honest_child(void **state)
{
	struct ipc_msg msg = honest_child(IPC_CHILD_ADD);

	assert_done(&msg, "add");
	assert_string_equal(recorder.rec_conn->conn_name, "office");
	assert_memory_equal(&recorder.rec_child, &msg.im_child,
			    sizeof(msg.im_child));
}

static void test_narrower_selectors(void **state)
{
	struct ipc_msg msg = honest_child(IPC_CHILD_ADD);

	msg.im_child.ic_ts[0] = pair("10.1.2.3", "10.2.4.0/24");
	msg.im_child.ic_ts[0].pair_local.ts_protocol = IPPROTO_TCP;
	msg.im_child.ic_ts[0].pair_remote.ts_protocol = IPPROTO_TCP;
	assert_done(&msg, "add");
}

static void test_wider_selectors(void **state)
{
	static const char *const sides[][2] = {
		{ "0.0.0.0/0", "0.0.0.0/0" },
		{ "10.1.0.0/16", "0.0.0.0/0" },
		{ "0.0.0.0/0", "10.2.0.0/16" },
		{ "10.1.0.0-10.2.0.0", "10.2.0.0/16" },
		{ "10.1.0.0/16", "10.1.255.255-10.2.255.255" },
		{ "10.2.0.0/16", "10.1.0.0/16" },
		{ "10.1.0.0/16", "10.3.0.5" },
		{ "::/0", "::/0" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
		struct ipc_msg msg = honest_child(IPC_CHILD_ADD);

		msg.im_child.ic_ts[0] = pair(sides[i][0], sides[i][1]);
		assert_refused(&msg, EPERM);
		/* Nor beside one that is allowed. */
		msg.im_child.ic_ts[1] = msg.im_child.ic_ts[0];
		msg.im_child.ic_ts[0] = pair("10.1.0.0/16", "10.2.0.0/16");
		msg.im_child.ic_n_ts = 2;
		assert_refused(&msg, EPERM);
	}
}

/* Transport mode: the hosts' own addresses, and the ports of protect. */
static void test_between_hosts(void **state)
{
	static const char *const sides[][2] = {
		{ "10.1.0.1", "203.0.113.7" },
		{ "192.0.2.1", "203.0.113.8" },
		{ "192.0.2.0/24", "203.0.113.7" },
		{ "192.0.2.1", "0.0.0.0/0" },
		{ "203.0.113.7", "192.0.2.1" },
	};
	struct ipc_msg msg = honest_child(IPC_CHILD_ADD);
	struct ts_pair *ts = &msg.im_child.ic_ts[0];

	strcpy(msg.im_conn, "hosts");
	*ts = pair("192.0.2.1", "203.0.113.7");
	assert_refused(&msg, EPERM);
	ts->pair_local.ts_protocol = IPPROTO_TCP;
	ts->pair_remote.ts_protocol = IPPROTO_TCP;
	assert_refused(&msg, EPERM);
	ts->pair_remote.ts_port_first = 5432;
	ts->pair_remote.ts_port_last = 5433;
	assert_refused(&msg, EPERM);
	ts->pair_remote.ts_port_last = 5432;
	assert_done(&msg, "add");
	for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
		struct ts_pair bad = pair(sides[i][0], sides[i][1]);

		ts->pair_local.ts_addrs = bad.pair_local.ts_addrs;
		ts->pair_remote.ts_addrs = bad.pair_remote.ts_addrs;
		assert_refused(&msg, EPERM);
	}
}

/* AH has no cipher's key, and no UDP around it. */
static void test_ah(void **state)
{
	struct ipc_msg msg = honest_child(IPC_CHILD_ADD);
	struct ipc_child *child = &msg.im_child;

	strcpy(msg.im_conn, "plain");
	child->ic_encap = 0;
	assert_refused(&msg, EACCES);
	child->ic_encr = 0;
	child->ic_encr_bits = 0;
	assert_refused(&msg, EACCES);
	child->ic_integ = INTEG_HMAC_SHA2_512_256;
	assert_refused(&msg, EACCES);
	child->ic_integ = INTEG_HMAC_SHA2_256_128;
	assert_refused(&msg, EINVAL);
	child->ic_encr_in.ik_len = 0;
	child->ic_encr_out.ik_len = 0;
	assert_refused(&msg, EINVAL);
	child->ic_integ_in.ik_len = 32;
	child->ic_integ_out.ik_len = 32;
	child->ic_encap = 1;
	assert_refused(&msg, EINVAL);
	child->ic_encap = 0;
	assert_done(&msg, "add");
}

/* Each address of a name in its turn, of those that there is a way to. */
static void test_names(void **state)
{
	static const char *const turns[] = {
		"203.0.113.1", "203.0.113.2", "203.0.113.1", "203.0.113.2",
	};
	struct resolver_answer found = {
		.ra_count = 3,
		.ra_addrs = { addr("203.0.113.1"), addr("2001:db8::1"),
			      addr("203.0.113.2") },
	};
	struct ipc_msg msg = request(IPC_RESOLVE);
	u32 try[] = { 0, 1, 3, 5 };

	strcpy(msg.im_conn, "named");
	memset(&recorder.rec_unreachable, 0, sizeof(recorder.rec_unreachable));
	for (size_t i = 0; i < ARRAY_SIZE(turns); i++) {
		struct ip_addr want = addr(turns[i]);

		msg.im_resolve.iv_try = try[i];
		keeper_resolved(&keeper, &msg, &found, &answer);
		assert_int_equal(answer.im_reply.ir_errno, 0);
		assert_int_equal(answer.im_handle, 7);
		assert_true(ip_addr_equal(&answer.im_reply.ir_remote, &want));
	}
	recorder.rec_unreachable = addr("203.0.113.2");
	keeper_resolved(&keeper, &msg, &found, &answer);
	assert_int_equal(answer.im_reply.ir_errno, 0);
	assert_true(ip_addr_equal(&answer.im_reply.ir_remote,
				  &found.ra_addrs[0]));
	found = (struct resolver_answer){ .ra_count = 1,
					  .ra_addrs = { addr("2001:db8::1") } };
	keeper_resolved(&keeper, &msg, &found, &answer);
	assert_int_equal(answer.im_reply.ir_errno, EHOSTUNREACH);
	assert_non_null(strstr(answer.im_reply.ir_text, "local's family"));
	found = (struct resolver_answer){ .ra_error = "no such name" };
	keeper_resolved(&keeper, &msg, &found, &answer);
	assert_int_equal(answer.im_reply.ir_errno, EHOSTUNREACH);
	assert_string_equal(answer.im_reply.ir_text, "gw.test: no such name");
	strcpy(msg.im_conn, "gone");
	keeper_resolved(&keeper, &msg, &found, &answer);
	assert_int_equal(answer.im_reply.ir_errno, ENOENT);
}

static void test_absurd_selectors(void **state)
{
	struct ipc_msg msg = honest_child(IPC_CHILD_ADD);
	struct ip_range *range = &msg.im_child.ic_ts[0].pair_remote.ts_addrs;

	range->range_first = addr("10.2.0.9");
	range->range_last = addr("10.2.0.8");
	assert_refused(&msg, EINVAL);
	range->range_last = addr("fd02::1");
	assert_refused(&msg, EINVAL);
	msg = honest_child(IPC_CHILD_ADD);
	msg.im_child.ic_ts[0].pair_local.ts_protocol = IPPROTO_UDP;
	assert_refused(&msg, EINVAL);
	msg = honest_child(IPC_CHILD_ADD);
	msg.im_child.ic_ts[0].pair_local.ts_port_first = 2;
	msg.im_child.ic_ts[0].pair_local.ts_port_last = 1;
	assert_refused(&msg, EINVAL);
	msg = honest_child(IPC_CHILD_ADD);
	memset(&msg.im_child.ic_ts[0], 0, sizeof(msg.im_child.ic_ts[0]));
	assert_refused(&msg, EINVAL);
	msg.im_child.ic_n_ts = 0;
	assert_refused(&msg, EINVAL);
}

static void test_ports(void **state)
{
	struct ipc_msg msg = honest_child(IPC_CHILD_ADD);
	struct ts_pair *ts = &msg.im_child.ic_ts[0];

	*ts = pair("10.1.0.0/16", "10.3.0.5");
	ts->pair_local.ts_protocol = IPPROTO_TCP;
	ts->pair_remote.ts_protocol = IPPROTO_TCP;
	assert_refused(&msg, EPERM);
	ts->pair_remote.ts_port_first = 443;
	ts->pair_remote.ts_port_last = 444;
	assert_refused(&msg, EPERM);
	ts->pair_remote.ts_port_last = 443;
	assert_done(&msg, "add");
}

static void test_foreign_endpoints(void **state)
{
	struct ipc_msg msg = honest_child(IPC_CHILD_ADD);

	msg.im_child.ic_remote.ep_addr = addr("203.0.113.8");
	assert_refused(&msg, EPERM);
	msg.im_child.ic_remote.ep_addr = addr("2001:db8::1");
	assert_refused(&msg, EPERM);
	msg = honest_child(IPC_CHILD_ADD);
	msg.im_child.ic_local.ep_addr = addr("192.0.2.2");
	assert_refused(&msg, EPERM);
	msg.im_child.ic_local.ep_addr.ip_family = AF_UNSPEC;
	assert_refused(&msg, EINVAL);
	msg = honest_child(IPC_CHILD_ADD);
	msg.im_child.ic_remote.ep_port = 0;
	assert_refused(&msg, EINVAL);
	/* A NAT may give any other. */
	msg.im_child.ic_remote.ep_port = 31337;
	assert_done(&msg, "add");
}

static void test_any_remote(void **state)
{
	struct ipc_msg msg = honest_child(IPC_CHILD_ADD);

	strcpy(msg.im_conn, "road");
	msg.im_child.ic_ts[0] = pair("fd01::/64", "fd02::/64");
	msg.im_child.ic_remote.ep_addr = addr("198.51.100.99");
	assert_done(&msg, "add");
	msg.im_child.ic_remote.ep_addr = addr("0.0.0.0");
	assert_refused(&msg, EPERM);
	msg.im_child.ic_remote.ep_addr = addr("2001:db8::1");
	assert_refused(&msg, EINVAL);
}

static void test_algorithms(void **state)
{
	struct ipc_msg msg = honest_child(IPC_CHILD_ADD);

	msg.im_child.ic_encr_bits = 128;
	msg.im_child.ic_encr_in.ik_len = 20;
	msg.im_child.ic_encr_out.ik_len = 20;
	assert_refused(&msg, EACCES);
	msg = honest_child(IPC_CHILD_ADD);
	msg.im_child.ic_encr = ENCR_NULL;
	msg.im_child.ic_encr_bits = 0;
	assert_refused(&msg, EPERM);
	msg = honest_child(IPC_CHILD_ADD);
	msg.im_child.ic_integ = INTEG_HMAC_SHA2_256_128;
	assert_refused(&msg, EACCES);
	/* Each stands in a proposal, but not in the same one. */
	msg = honest_child(IPC_CHILD_ADD);
	msg.im_child.ic_esn = 0;
	assert_refused(&msg, EACCES);
	msg.im_child.ic_encr = ENCR_CHACHA20_POLY1305;
	msg.im_child.ic_encr_bits = 0;
	assert_done(&msg, "add");
}

static void test_key_lengths(void **state)
{
	struct ipc_msg msg = honest_child(IPC_CHILD_ADD);

	msg.im_child.ic_encr_in.ik_len = 32;
	assert_refused(&msg, EINVAL);
	msg = honest_child(IPC_CHILD_ADD);
	msg.im_child.ic_encr_out.ik_len = 0;
	assert_refused(&msg, EINVAL);
	msg = honest_child(IPC_CHILD_ADD);
	msg.im_child.ic_integ_in.ik_len = 32;
	assert_refused(&msg, EINVAL);
	/* Only the direction that is asked for counts. */
	msg = honest_child(IPC_CHILD_ADD);
	msg.im_child.ic_dirs = IPC_DIR_IN;
	msg.im_child.ic_encr_out.ik_len = 0;
	assert_done(&msg, "add");
}

static void test_reserved_spis(void **state)
{
	struct ipc_msg msg = honest_child(IPC_CHILD_ADD);

	msg.im_child.ic_spi_in = htonl(255);
	assert_refused(&msg, EINVAL);
	msg = honest_child(IPC_CHILD_ADD);
	msg.im_child.ic_spi_out = 0;
	assert_refused(&msg, EINVAL);
	msg.im_child.ic_dirs = 0;
	assert_refused(&msg, EINVAL);
}

static void test_unknown_connection(void **state)
{
	static const enum ipc_type types[] = {
		IPC_PSK, IPC_SIGN, IPC_PPK, IPC_SPI, IPC_CONN_UP, IPC_CONN_DOWN, IPC_CHILD_ADD,
		IPC_CHILD_DEL, IPC_CHILD_IDLE, IPC_RESOLVE,
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct ipc_msg msg = honest_child(types[i]);

		strcpy(msg.im_conn, "elsewhere");
		assert_refused(&msg, ENOENT);
		msg.im_conn[0] = 0;
		assert_refused(&msg, ENOENT);
	}
}

/* Only the keeper sends these: such an engine is ended. */
static void test_messages_of_the_keeper(void **state)
{
	static const u32 types[] = {
		IPC_SOCKETS, IPC_CRED, IPC_CONF, IPC_ADOPTED, IPC_READY, IPC_ACQUIRE,
		IPC_EXPIRE, IPC_REPLY, IPC_TYPES, 0xffffffff,
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct ipc_msg msg = request(types[i]);

		assert_false(keeper_answer(&keeper, &msg, &answer));
	}
	assert_int_equal(recorder.rec_calls, 0);
}

static void test_up_and_down(void **state)
{
	struct ipc_msg msg = request(IPC_CONN_UP);

	assert_done(&msg, "up");
	assert_string_equal(recorder.rec_conn->conn_name, "office");
	msg = request(IPC_RESOLVE);
	assert_done(&msg, "resolve");
	msg = request(IPC_CONN_DOWN);
	assert_done(&msg, "down");
}

static void test_spi(void **state)
{
	struct ipc_msg msg = request(IPC_SPI);

	msg.im_spi.is_local = addr("192.0.2.1");
	assert_done(&msg, "spi");
	assert_int_equal(answer.im_reply.ir_spi, htonl(SPI_IN));
	msg.im_spi.is_local = addr("192.0.2.9");
	assert_refused(&msg, EPERM);
	msg.im_spi.is_local.ip_family = 77;
	assert_refused(&msg, EINVAL);
}

/* It may delete its own, at the addresses that the keeper knows. */
static void test_delete(void **state)
{
	struct ipc_msg add = honest_child(IPC_CHILD_ADD);
	struct ipc_msg del = honest_child(IPC_CHILD_DEL);

	/* Gone already, or never ours: fine, and nothing happens. */
	assert_int_equal(ask(&del), 0);
	assert_int_equal(recorder.rec_calls, 0);

	assert_done(&add, "add");
	del.im_child.ic_local.ep_addr = addr("198.51.100.1");
	del.im_child.ic_remote.ep_addr = addr("198.51.100.2");
	assert_done(&del, "del");
	assert_int_equal(recorder.rec_child.ic_dirs, IPC_DIR_IN | IPC_DIR_OUT);
	assert_true(ip_addr_equal(&recorder.rec_child.ic_local.ep_addr,
				  &add.im_child.ic_local.ep_addr));
	assert_true(ip_addr_equal(&recorder.rec_child.ic_remote.ep_addr,
				  &add.im_child.ic_remote.ep_addr));
	assert_int_equal(ask(&del), 0);
	assert_int_equal(recorder.rec_calls, 2);
}

static void test_delete_of_others(void **state)
{
	struct ipc_msg add = honest_child(IPC_CHILD_ADD);
	struct ipc_msg del = honest_child(IPC_CHILD_DEL);

	assert_done(&add, "add");
	strcpy(del.im_conn, "road");
	assert_int_equal(ask(&del), 0);
	assert_int_equal(recorder.rec_calls, 1);
	strcpy(del.im_conn, "office");
	del.im_child.ic_spi_in ^= 1;
	del.im_child.ic_dirs = IPC_DIR_IN;
	assert_int_equal(ask(&del), 0);
	assert_int_equal(recorder.rec_calls, 1);
}

static void test_idle(void **state)
{
	struct ipc_msg add = honest_child(IPC_CHILD_ADD);
	struct ipc_msg idle = honest_child(IPC_CHILD_IDLE);

	idle.im_child.ic_dirs = IPC_DIR_IN;
	assert_refused(&idle, ENOENT);
	assert_done(&add, "add");
	assert_done(&idle, "idle");
	assert_int_equal(answer.im_reply.ir_idle_ms, 4711);
}

static void test_adopted(void **state)
{
	struct ipc_event event = {
		.ie_spi_in = htonl(SPI_IN), .ie_spi_out = htonl(SPI_OUT),
		.ie_local.ep_addr = addr("192.0.2.1"),
		.ie_remote.ep_addr = addr("203.0.113.7"),
	};
	struct ipc_msg del = honest_child(IPC_CHILD_DEL);

	keeper_event(&keeper, IPC_ADOPTED, "office", &event);
	assert_done(&del, "del");
}

static void test_down_forgets(void **state)
{
	struct ipc_msg add = honest_child(IPC_CHILD_ADD);
	struct ipc_msg del = honest_child(IPC_CHILD_DEL);
	struct ipc_msg down = request(IPC_CONN_DOWN);

	assert_done(&add, "add");
	assert_done(&down, "down");
	assert_int_equal(ask(&del), 0);
	assert_int_equal(recorder.rec_calls, 2);
}

/* An engine may not fill the kernel's memory. */
static void test_flood(void **state)
{
	int error = 0, n;

	for (n = 0; n < 1000 && !error; n++) {
		struct ipc_msg msg = honest_child(IPC_CHILD_ADD);

		msg.im_child.ic_spi_in = htonl(SPI_IN + n);
		msg.im_child.ic_spi_out = htonl(SPI_OUT + n);
		error = ask(&msg);
	}
	assert_int_equal(error, ENOSPC);
	assert_in_range(n, 32, 128);
}

/* What an honest engine would have authenticated. */
static struct ipc_msg auth_request(enum ipc_type type, enum ipc_side side)
{
	static const u8 header[MSG_HEADER_LEN] = {
		[17] = MSG_VERSION_2, [18] = IKE_SA_INIT, [19] = MSG_INITIATOR,
		[27] = 100,
	};
	struct ipc_msg msg = request(type);
	struct ipc_auth *auth = &msg.im_auth;
	struct ip_addr own = addr("192.0.2.1"), peer = addr("203.0.113.7");

	auth->ia_side = side;
	auth->ia_scheme = SIGN_ED25519;
	auth->ia_prf = PRF_HMAC_SHA2_256;
	conf_id_from_addr(&auth->ia_id, side == IPC_LOCAL ? &own : &peer);
	auth->ia_key_len = 32;
	memset(auth->ia_key, 'k', 32);
	auth->ia_init_len = 100;
	auth->ia_nonce_len = 20;
	memset(auth->ia_octets, 'o', 120);
	memcpy(auth->ia_octets, header, sizeof(header));
	return msg;
}

/* The octets of RFC 7296 section 2.15, by OpenSSL alone. */
static void covered(const struct ipc_auth *auth, u8 octets[152])
{
	u8 id[8] = { ID_IPV4_ADDR, 0, 0, 0 };

	memcpy(id + 4, auth->ia_id.id_data, 4);
	memcpy(octets, auth->ia_octets, 120);
	HMAC(EVP_sha256(), auth->ia_key, 32, id, 8, octets + 120, NULL);
}

static void test_psk(void **state)
{
	struct ipc_msg msg = auth_request(IPC_PSK, IPC_REMOTE);
	u8 padded[32], auth[32], octets[152];

	covered(&msg.im_auth, octets);
	assert_int_equal(ask(&msg), 0);
	HMAC(EVP_sha256(), "secret", 6,
	     (const unsigned char *)"Key Pad for IKEv2", 17, padded, NULL);
	HMAC(EVP_sha256(), padded, 32, octets, 152, auth, NULL);
	assert_int_equal(answer.im_reply.ir_len, 32);
	assert_memory_equal(answer.im_reply.ir_auth, auth, 32);
}

/* RFC 8784: prf+(PPK, key), for each of three. */
static void test_ppk(void **state)
{
	struct ipc_msg msg = request(IPC_PPK);
	u8 seed[33], key[32];
	int i;

	msg.im_ppk.ip_prf = PRF_HMAC_SHA2_256;
	for (i = 0; i < 3; i++)
		memset(msg.im_ppk.ip_keys[i], 'a' + i, 32);
	assert_int_equal(ask(&msg), 0);
	assert_int_equal(answer.im_reply.ir_len, 96);
	for (i = 0; i < 3; i++) {
		memset(seed, 'a' + i, 32);
		seed[32] = 1;
		HMAC(EVP_sha256(), "secret", 6, seed, sizeof(seed), key, NULL);
		assert_memory_equal(answer.im_reply.ir_auth + 32 * i, key, 32);
	}
	msg.im_ppk.ip_prf = PRF_HMAC_SHA1;
	assert_refused(&msg, EACCES);
	msg.im_ppk.ip_prf = PRF_HMAC_SHA2_256 + 0x10000;
	assert_refused(&msg, EACCES);
	msg.im_ppk.ip_prf = PRF_HMAC_SHA2_256;
	strcpy(msg.im_conn, "hosts");
	assert_refused(&msg, ENOKEY);
	strcpy(msg.im_conn, "elsewhere");
	assert_refused(&msg, ENOENT);
}

static void test_psk_refused(void **state)
{
	struct ipc_msg msg = auth_request(IPC_PSK, IPC_LOCAL);

	msg.im_auth.ia_prf = PRF_HMAC_SHA1;
	assert_refused(&msg, EACCES);
	msg.im_auth.ia_prf = PRF_HMAC_SHA2_256 + 0x10000;
	assert_refused(&msg, EACCES);
	msg = auth_request(IPC_PSK, IPC_LOCAL);
	msg.im_auth.ia_side = 2;
	assert_refused(&msg, EINVAL);
	/* The one connection has no private key, the other no PSK. */
	msg = auth_request(IPC_SIGN, IPC_LOCAL);
	assert_refused(&msg, EACCES);
	msg = auth_request(IPC_PSK, IPC_LOCAL);
	strcpy(msg.im_conn, "signed");
	assert_refused(&msg, EACCES);
	/* Its file cannot be read. */
	msg = auth_request(IPC_PSK, IPC_LOCAL);
	strcpy(msg.im_conn, "road");
	assert_refused(&msg, ENOKEY);
}

/* No value for who somebody else is, nor over what is no IKE_SA_INIT. */
static void test_auth_of_others(void **state)
{
	struct ip_addr other = addr("192.0.2.2");
	struct ipc_msg msg = auth_request(IPC_PSK, IPC_LOCAL);

	conf_id_from_addr(&msg.im_auth.ia_id, &other);
	assert_refused(&msg, EPERM);
	msg.im_auth.ia_id.id_type = ID_FQDN;
	assert_refused(&msg, EPERM);
	msg = auth_request(IPC_PSK, IPC_LOCAL);
	msg.im_auth.ia_octets[18] = IKE_AUTH;
	assert_refused(&msg, EINVAL);
	msg = auth_request(IPC_PSK, IPC_LOCAL);
	msg.im_auth.ia_octets[27]--;
	assert_refused(&msg, EINVAL);
	msg = auth_request(IPC_PSK, IPC_LOCAL);
	msg.im_auth.ia_init_len = 27;
	assert_refused(&msg, EINVAL);
	msg = auth_request(IPC_PSK, IPC_LOCAL);
	msg.im_auth.ia_nonce_len = 15;
	assert_refused(&msg, EINVAL);
	msg = auth_request(IPC_PSK, IPC_LOCAL);
	msg.im_auth.ia_key_len = 31;
	assert_refused(&msg, EINVAL);
}

static struct ipc_msg sign_request(void)
{
	struct ipc_msg msg = auth_request(IPC_SIGN, IPC_LOCAL);

	strcpy(msg.im_conn, "signed");
	return msg;
}

static void test_sign(void **state)
{
	struct ipc_msg msg = sign_request();
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	u8 octets[152];

	covered(&msg.im_auth, octets);
	assert_int_equal(ask(&msg), 0);
	assert_int_equal(answer.im_reply.ir_len, 64);
	assert_int_equal(EVP_DigestVerifyInit(md, NULL, NULL, NULL, key), 1);
	assert_int_equal(EVP_DigestVerify(md, answer.im_reply.ir_auth, 64,
					  octets, 152), 1);
	EVP_MD_CTX_free(md);
}

static void test_sign_refused(void **state)
{
	struct ip_addr other = addr("192.0.2.2");
	struct ipc_msg msg = sign_request();
	char err[80];
	u32 scheme;

	/* A kind that its key cannot make, or that is none. */
	for (scheme = 0; scheme < 100; scheme++) {
		msg.im_auth.ia_scheme = scheme;
		if (scheme != SIGN_ED25519)
			assert_refused(&msg, EACCES);
	}
	msg = sign_request();
	msg.im_auth.ia_side = IPC_REMOTE;
	assert_refused(&msg, EPERM);
	/* The same key, but another connection's identity. */
	msg = sign_request();
	conf_id_from_addr(&msg.im_auth.ia_id, &other);
	assert_refused(&msg, EPERM);
	strcpy(msg.im_conn, "forbidden");
	conf_id_parse(&msg.im_auth.ia_id, "other.test", err, sizeof(err));
	assert_refused(&msg, EACCES);	/* signatures = ecdsa */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, used)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_honest_child),
		TEST(test_narrower_selectors),
		TEST(test_wider_selectors),
		TEST(test_between_hosts),
		TEST(test_ah),
		TEST(test_names),
		TEST(test_absurd_selectors),
		TEST(test_ports),
		TEST(test_foreign_endpoints),
		TEST(test_any_remote),
		TEST(test_algorithms),
		TEST(test_key_lengths),
		TEST(test_reserved_spis),
		TEST(test_unknown_connection),
		TEST(test_messages_of_the_keeper),
		TEST(test_up_and_down),
		TEST(test_spi),
		TEST(test_delete),
		TEST(test_delete_of_others),
		TEST(test_idle),
		TEST(test_adopted),
		TEST(test_down_forgets),
		TEST(test_flood),
		TEST(test_psk),
		TEST(test_ppk),
		TEST(test_psk_refused),
		TEST(test_auth_of_others),
		TEST(test_sign),
		TEST(test_sign_refused),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
