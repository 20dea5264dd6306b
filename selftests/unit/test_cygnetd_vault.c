// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the keeper keeps for the next engine, and passes to the next daemon.
 */
#include "unit.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crypto.h"
#include "snapshot.h"
#include "vault.h"

static const char *const conf_text =
	"connection net {\n remote = 192.0.2.2\n psk = /psk\n"
	" protect = 10.1.0.0/16 <-> 10.2.0.0/16\n rekey = 1h\n}\n"
	"connection other {\n remote = 192.0.2.3\n psk = /psk\n"
	" protect = 10.1.0.0/16 <-> 10.3.0.0/16\n}\n";

static struct conf *parse(const char *text)
{
	struct conf_log log = { 0 };
	struct conf *conf = conf_parse("/test.conf", text, strlen(text), &log);

	conf_log_free(&log);
	assert_non_null(conf);
	return conf;
}

static bool give(struct vault *vault, const char *conn, u8 spi, const char *text,
		 bool more, bool last)
{
	struct ipc_msg msg = { .im_type = IPC_RECORD };

	strcpy(msg.im_conn, conn);
	msg.im_record.rc_spi[7] = spi;
	msg.im_record.rc_len = (u32)strlen(text);
	memcpy(msg.im_record.rc_data, text, strlen(text));
	msg.im_record.rc_more = more;
	msg.im_record.rc_commit = last;
	return vault_take(vault, &msg);
}

static bool collect(void *arg, const struct ipc_msg *msg)
{
	char *text = arg;

	snprintf(text + strlen(text), 4096 - strlen(text), "%s %u %.*s%s", msg->im_conn,
		 msg->im_record.rc_spi[7], (int)msg->im_record.rc_len,
		 (const char *)msg->im_record.rc_data, msg->im_record.rc_more ? "+" : ";");
	return true;
}

static void assert_has(struct vault *vault, const char *expected)
{
	char text[4096] = "";

	assert_true(vault_tell(vault, collect, text));
	assert_string_equal(text, expected);
}

/* An engine that dies half-way has said nothing. */
static void test_together(void **state)
{
	struct vault vault;

	vault_init(&vault);
	assert_true(give(&vault, "net", 1, "one", false, false));
	assert_true(give(&vault, "net", 2, "two", false, false));
	assert_has(&vault, "");
	assert_true(give(&vault, "net", 3, "thr", true, false));
	assert_true(give(&vault, "net", 3, "ee", false, true));
	assert_has(&vault, "net 1 one;net 2 two;net 3 three;");
	assert_true(give(&vault, "net", 2, "", false, false));
	assert_true(give(&vault, "net", 1, "uno", false, false));
	vault_drop_staged(&vault);
	assert_has(&vault, "net 1 one;net 2 two;net 3 three;");
	assert_true(give(&vault, "net", 2, "", false, false));
	assert_true(give(&vault, "net", 1, "uno", false, true));
	assert_has(&vault, "net 1 uno;net 3 three;");
	assert_true(give(&vault, "other", 0, "down", false, true));
	assert_true(give(&vault, "net", 0, "up", false, true));
	vault_forget(&vault, "net", false);
	assert_has(&vault, "other 0 down;net 0 up;");
	vault_forget(&vault, "net", true);
	assert_has(&vault, "other 0 down;");
	vault_clear(&vault);
	assert_int_equal(vault.va_bytes, 0);
	assert_int_equal(vault.va_count, 0);
}

static void test_nonsense(void **state)
{
	struct vault vault;
	unsigned int i;
	static char long_text[IPC_RECORD_MAX + 1];
	bool ok = true;

	vault_init(&vault);
	assert_true(give(&vault, "net", 1, "a", true, false));
	assert_false(give(&vault, "net", 2, "b", false, true));
	vault_clear(&vault);
	assert_false(give(&vault, "net", 1, "", true, false));
	vault_clear(&vault);
	assert_false(give(&vault, "net", 1, "a", true, true));
	vault_clear(&vault);
	memset(long_text, 'x', IPC_RECORD_MAX);
	for (i = 0; ok; i++)
		ok = give(&vault, "net", 1, long_text, true, false);
	assert_int_equal(i, VAULT_RECORD_MAX / IPC_RECORD_MAX + 1);
	vault_clear(&vault);
	/* Never in force, and yet not without end. */
	for (i = 0, ok = true; ok; i++)
		ok = give(&vault, "net", (u8)i, long_text, false, false);
	assert_true(i > 1000);
	vault_clear(&vault);
}

/* Before a number comes again, all that was sealed under it is gone. */
static void test_epochs(void **state)
{
	struct vault vault;
	u32 i;

	vault_init(&vault);
	assert_true(give(&vault, "net", 1, "one", false, true));
	for (i = 1; i < VAULT_EPOCHS; i++)
		assert_int_equal(vault_new_epoch(&vault), i);
	assert_has(&vault, "net 1 one;");
	assert_int_equal(vault_new_epoch(&vault), 0);
	assert_has(&vault, "");
}

static int snapshot(const struct conf *conf)
{
	struct vault vault;
	int fd;

	vault_init(&vault);
	vault.va_epoch = 7;
	assert_true(give(&vault, "net", 0, "up", false, true));
	assert_true(give(&vault, "net", 1, "one", false, true));
	assert_true(give(&vault, "other", 2, "two", false, true));
	fd = snapshot_save(&vault, conf);
	assert_true(fd >= 0);
	vault_clear(&vault);
	return fd;
}

static void assert_loads(const char *text, const char *expected)
{
	struct conf *conf = parse(conf_text), *next = parse(text);
	int fd = snapshot(conf);
	struct vault vault;

	assert_int_equal(write(fd, "x", 1), -1);
	vault_init(&vault);
	assert_true(snapshot_load(&vault, next, fd));
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(vault.va_epoch, 7);
	assert_has(&vault, expected);
	vault_clear(&vault);
	conf_free(conf);
	conf_free(next);
}

static void test_snapshot(void **state)
{
	assert_loads(conf_text, "net 0 up;net 1 one;other 2 two;");
	/* Of no consequence for what is up. */
	assert_loads("connection net {\n remote = 192.0.2.2\n psk = /new\n"
		     " protect = 10.1.0.0/16 <-> 10.2.0.0/16\n rekey = 2h\n}\n",
		     "net 0 up;net 1 one;");
	assert_loads("connection net {\n remote = 192.0.2.2\n psk = /psk\n"
		     " protect = 10.1.0.0/16 <-> 10.2.0.0/17\n}\n"
		     "connection other {\n remote = 192.0.2.3\n psk = /psk\n"
		     " protect = 10.1.0.0/16 <-> 10.3.0.0/16\n}\n",
		     "other 2 two;");
}

/* Only what is sealed, and whole. */
static void test_bad_snapshots(void **state)
{
	struct conf *conf = parse(conf_text);
	int fd = snapshot(conf), unsealed, shorter;
	struct vault vault;
	char data[4096];
	ssize_t len;

	vault_init(&vault);
	len = pread(fd, data, sizeof(data), 0);
	assert_true(len > 100);
	unsealed = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);
	if (unsealed < 0)
		unsealed = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	assert_int_equal(write(unsealed, data, (size_t)len), len);
	assert_false(snapshot_load(&vault, conf, unsealed));
	assert_has(&vault, "");
	shorter = memfd_create("shorter", MFD_ALLOW_SEALING);
	assert_int_equal(write(shorter, data, (size_t)len - 1), len - 1);
	assert_int_equal(fcntl(shorter, F_ADD_SEALS, fcntl(fd, F_GET_SEALS)), 0);
	assert_false(snapshot_load(&vault, conf, shorter));
	assert_has(&vault, "");
	close(fd);
	conf_free(conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_epochs),
		cmocka_unit_test(test_snapshot),
		cmocka_unit_test(test_bad_snapshots),
	};

	if (!crypto_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
