// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What differs between two configurations, and what is in force meanwhile.
 */
#include "reload.h"
#include "unit.h"

#define NET(name, more) "connection " name " {\n remote = 192.0.2.1\n" \
	" psk = /psk\n protect = 10.1.0.0/16 <-> 10.2.0.0/16\n" more "\n}\n"

static struct conf *parse(const char *text)
{
	struct conf_log log = { 0 };
	struct conf *conf = conf_parse("/x.conf", text, strlen(text), &log);

	conf_log_print(stderr, "/x.conf", &log);
	conf_log_free(&log);
	assert_non_null(conf);
	return conf;
}

static enum change change_of(const char *more)
{
	struct conf *now = parse(NET("a", ""));
	char text[512];
	struct conf *next;
	enum change change;

	snprintf(text, sizeof(text), "\n# moved\n" NET("a", "%s"), more);
	next = parse(text);
	change = reload_compare(now->conf_conns, next->conf_conns);
	conf_free(now);
	conf_free(next);
	return change;
}

static void test_compare(void **state)
{
	assert_int_equal(change_of(""), CHANGE_NONE);
	/* A default that somebody wrote down. */
	assert_int_equal(change_of(" start = wait"), CHANGE_NONE);
	assert_int_equal(change_of(" rekey = 60m"), CHANGE_NONE);
	assert_int_equal(change_of(" rekey = 2h"), CHANGE_LIVE);
	assert_int_equal(change_of(" esp = aes128gcm"), CHANGE_LIVE);
	assert_int_equal(change_of(" signatures = ecdsa"), CHANGE_LIVE);
	assert_int_equal(change_of(" mtu = 1400"), CHANGE_RESTART);
	assert_int_equal(change_of(" remote-id = x.test"), CHANGE_RESTART);
	assert_int_equal(change_of(" protect = ::1 <-> ::2"), CHANGE_RESTART);
	assert_int_equal(change_of(" protect = 10.1.0.0/16 <-> 10.9.0.0/16"),
			 CHANGE_RESTART);
	assert_int_equal(change_of(" mtu = 1400\n rekey = 2h"),
			 CHANGE_RESTART);
}

static void test_refuse(void **state)
{
	struct conf *now = parse(NET("a", ""));
	struct conf *port = parse("global {\n natt-port = 4501\n}\n");
	struct conf *dir = parse("global {\n control-dir = /x\n}\n");
	struct conf *level = parse("global {\n log-level = debug\n}\n");

	assert_non_null(reload_refuse(now, port));
	assert_non_null(reload_refuse(now, dir));
	assert_null(reload_refuse(now, level));
	conf_free(now);
	conf_free(port);
	conf_free(dir);
	conf_free(level);
}

/* Nothing that is up loses its settings before it is taken down. */
static void test_plan(void **state)
{
	struct conf *now = parse(NET("same", "") NET("gone", "") NET("live", "")
				 NET("restart", ""));
	struct conf *next = parse(NET("fresh", "") NET("restart", " mtu = 1400")
				  NET("live", " rekey = 2h") NET("same", ""));
	const struct conf_conn *conn;
	struct reload plan;
	u32 i;

	assert_true(reload_plan(&plan, now, next));
	assert_int_equal(plan.re_pending, 2);
	assert_int_equal(plan.re_conf->conf_nconns, 5);
	assert_true(conf_check_size(plan.re_conf, plan.re_conf->conf_size));
	assert_int_equal(plan.re_change[0], CHANGE_NEW);
	assert_int_equal(plan.re_change[3], CHANGE_NONE);
	conn = conf_find(plan.re_conf, "restart");
	assert_int_equal(conn->conn_mtu, 0);
	conn = conf_find(plan.re_conf, "live");
	assert_int_equal(conn->conn_rekey, 7200);
	conn = conf_find(plan.re_conf, "gone");
	assert_non_null(conn);
	assert_string_equal(conn->conn_psk, "");
	for (i = 0; i < 5; i++)
		reload_settle(&plan, i);
	assert_int_equal(plan.re_pending, 0);
	conn = conf_find(plan.re_conf, "restart");
	assert_int_equal(conn->conn_mtu, 1400);
	assert_null(conf_find(plan.re_conf, "gone"));
	/* Nobody can ask for what stood there. */
	assert_null(conf_find(plan.re_conf, ""));
	reload_free(&plan);
	conf_free(now);
	conf_free(next);
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
