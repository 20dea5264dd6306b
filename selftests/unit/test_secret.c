// SPDX-License-Identifier: GPL-2.0-or-later

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "secret.h"

static char dir[64], path[96], err[256];

static int make_dir(void **state)
{
	strcpy(dir, "/tmp/cygnet-unit-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	sprintf(path, "%s/secret", dir);
	return 0;
}

static int remove_dir(void **state)
{
	unlink(path);
	return rmdir(dir);
}

static void put(const void *bytes, size_t len, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void put_text(const char *text)
{
	put(text, strlen(text), 0600);
}

static void assert_psk(const char *text, const void *bytes, size_t len)
{
	struct secret secret;

	put_text(text);
	if (!secret_read_psk(&secret, path, err, sizeof(err)))
		fail_msg("%s: %s", text, err);
	assert_int_equal(secret.secret_len, len);
	assert_memory_equal(secret.secret_data, bytes, len);
	secret_wipe(&secret);
}

static bool wiped(const struct secret *secret)
{
	static const struct secret zero;

	return !memcmp(secret, &zero, sizeof(zero));
}

static void assert_refused(const char *because)
{
	struct secret secret;

	memset(&secret, 0xaa, sizeof(secret));
	assert_false(secret_read_psk(&secret, path, err, sizeof(err)));
	if (!strstr(err, because))
		fail_msg("\"%s\" does not say \"%s\"", err, because);
	assert_true(wiped(&secret));
}

static void test_psk_text(void **state)
{
	assert_psk("secret", "secret", 6);
	assert_psk("secret\n", "secret", 6);
	assert_psk("secret\n\n", "secret\n", 7);
	assert_psk(" a b ", " a b ", 5);
	assert_psk("0", "0", 1);
}

static void test_psk_hex(void **state)
{
	assert_psk("0x00ff1A\n", "\x00\xff\x1a", 3);
	assert_psk("0x00 ff\n1a\n", "\x00\xff\x1a", 3);
	put_text("0x00f");
	assert_refused("hex");
	put_text("0xgg");
	assert_refused("hex");
	put_text("0x");
	assert_refused("empty");
}

static void test_psk_base64(void **state)
{
	assert_psk("0sAP8a\n", "\x00\xff\x1a", 3);
	assert_psk("0sAP8=", "\x00\xff", 2);
	assert_psk("0sAA==", "\x00", 1);
	assert_psk("0sAA", "\x00", 1);
	put_text("0sA");
	assert_refused("base64");
	put_text("0sAB==");
	assert_refused("base64");
	put_text("0sA-8=");
	assert_refused("base64");
}

static void test_psk_length(void **state)
{
	char text[4 * SECRET_LEN_MAX + 16];

	memset(text, 'x', sizeof(text));
	text[SECRET_LEN_MAX] = '\0';
	assert_psk(text, text, SECRET_LEN_MAX);
	text[SECRET_LEN_MAX] = 'x';
	text[SECRET_LEN_MAX + 1] = '\0';
	put_text(text);
	assert_refused("too long");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	put_text(text);
	assert_refused("too long");
	put_text("");
	assert_refused("empty");
	put_text("\n");
	assert_refused("empty");
}

static void test_psk_is_binary_safe(void **state)
{
	struct secret secret;

	put("a\0b\n", 4, 0600);
	assert_true(secret_read_psk(&secret, path, err, sizeof(err)));
	assert_int_equal(secret.secret_len, 3);
	assert_memory_equal(secret.secret_data, "a\0b", 3);
}

static void test_permissions(void **state)
{
	static const mode_t bad[] = { 0640, 0604, 0620, 0602, 0610, 0601 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		put("secret", 6, bad[i]);
		assert_refused("chmod 600");
	}
	put("secret", 6, 0400);
	assert_psk("secret", "secret", 6);
}

static void test_owner(void **state)
{
	if (geteuid() != 0)
		skip();
	put_text("secret");
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_refused("another user");
}

static void test_kinds_of_files(void **state)
{
	unlink(path);
	assert_refused("No such file");
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_refused("not a regular file");
	unlink(path);
	strcpy(path + strlen(dir), "");
	assert_refused("not a regular file");
	strcpy(path + strlen(dir), "/secret");
}

static void test_keys(void **state)
{
	struct secret secret;

	put_text("0x0102 0304\n");
	assert_true(secret_read_key(&secret, path, 4, err, sizeof(err)));
	assert_memory_equal(secret.secret_data, "\1\2\3\4", 4);
	put_text("01020304");
	assert_true(secret_read_key(&secret, path, 4, err, sizeof(err)));
	assert_false(secret_read_key(&secret, path, 5, err, sizeof(err)));
	assert_non_null(strstr(err, "4 bytes"));
	assert_non_null(strstr(err, "exactly 5 (10 hex digits)"));
	assert_true(wiped(&secret));
	put_text("0102030x");
	assert_false(secret_read_key(&secret, path, 4, err, sizeof(err)));
	assert_non_null(strstr(err, "not hex"));
	put("01020304", 8, 0644);
	assert_false(secret_read_key(&secret, path, 4, err, sizeof(err)));
	assert_non_null(strstr(err, "chmod"));
}

static void test_key_from_standard_input(void **state)
{
	struct secret secret;
	int saved = dup(STDIN_FILENO), pipes[2];

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(write(pipes[1], "0102\n", 5), 5);
	close(pipes[1]);
	dup2(pipes[0], STDIN_FILENO);
	close(pipes[0]);
	assert_true(secret_read_key(&secret, "-", 2, err, sizeof(err)));
	assert_memory_equal(secret.secret_data, "\1\2", 2);
	dup2(saved, STDIN_FILENO);
	close(saved);
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_psk_text),
		cmocka_unit_test(test_psk_hex),
		cmocka_unit_test(test_psk_base64),
		cmocka_unit_test(test_psk_length),
		cmocka_unit_test(test_psk_is_binary_safe),
		cmocka_unit_test(test_permissions),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_kinds_of_files),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_key_from_standard_input),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
