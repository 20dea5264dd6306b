// SPDX-License-Identifier: GPL-2.0-or-later

#include "unit.h"

#include "addr.h"
#include "ts.h"

static struct ip_addr addr(const char *text)
{
	struct ip_addr parsed;

	assert_true(ip_addr_parse(&parsed, text));
	return parsed;
}

static struct ip_range range(const char *text)
{
	struct ip_range parsed;

	assert_true(ip_range_parse(&parsed, text));
	return parsed;
}

static void assert_range(const char *text, const char *printed)
{
	struct ip_range parsed = range(text);
	char buf[IP_RANGE_STRLEN];

	assert_string_equal(ip_range_print(&parsed, buf), printed);
}

static void test_addresses(void **state)
{
	static const char *const good[] = {
		"0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "2001:db8::1",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	};
	static const char *const bad[] = {
		"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4 ", "g::",
		"1.2.3.4/32", "gw.example.org", " 1.2.3.4",
	};
	char buf[IP_ADDR_STRLEN];
	struct ip_addr a;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		a = addr(good[i]);
		assert_string_equal(ip_addr_print(&a, buf), good[i]);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(ip_addr_parse(&a, bad[i]));
	memset(&a, 0, sizeof(a));
	assert_string_equal(ip_addr_print(&a, buf), "any");
}

static void test_order(void **state)
{
	struct ip_addr a = addr("10.0.0.255"), b = addr("10.0.1.0");
	struct ip_addr c = addr("::");

	assert_true(ip_addr_cmp(&a, &b) < 0);
	assert_true(ip_addr_cmp(&b, &a) > 0);
	assert_int_equal(ip_addr_cmp(&a, &a), 0);
	assert_true(ip_addr_cmp(&a, &c) < 0);
	assert_true(ip_addr_is_any(&c));
	assert_false(ip_addr_is_any(&a));
}

static void test_lengths(void **state)
{
	struct ip_addr a;

	assert_true(ip_addr_set(&a, "\x01\x02\x03\x04", 4));
	assert_int_equal(ip_addr_len(&a), 4);
	assert_true(ip_addr_set(&a, "0123456789abcdef", 16));
	assert_int_equal(ip_addr_len(&a), 16);
	assert_false(ip_addr_set(&a, "0123456789abcdef", 8));
	assert_false(ip_addr_set(&a, "", 0));
}

static void test_endpoints(void **state)
{
	static const char *const good[] = {
		"192.0.2.1:500", "192.0.2.1", "[2001:db8::1]:4500",
		"2001:db8::1",
	};
	static const char *const bad[] = {
		"192.0.2.1:", "192.0.2.1:65536", "[2001:db8::1]4500", "[::1",
		"192.0.2.1:-1", "192.0.2.1:5x", ":500",
	};
	char buf[IP_ENDPOINT_STRLEN];
	struct sockaddr_storage ss;
	struct ip_endpoint ep, back;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		assert_true(ip_endpoint_parse(&ep, good[i]));
		assert_string_equal(ip_endpoint_print(&ep, buf), good[i]);
		assert_true(ip_endpoint_to_sockaddr(&ep, &ss) > 0);
		assert_true(ip_endpoint_from_sockaddr(&back,
						      (struct sockaddr *)&ss));
		assert_true(ip_endpoint_equal(&ep, &back));
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(ip_endpoint_parse(&ep, bad[i]));
}

static void test_mapped_becomes_ipv4(void **state)
{
	struct ip_endpoint ep, mapped;
	struct sockaddr_storage ss;
	char buf[IP_ENDPOINT_STRLEN];

	assert_true(ip_endpoint_parse(&ep, "[::ffff:192.0.2.1]:500"));
	ip_endpoint_to_sockaddr(&ep, &ss);
	assert_true(ip_endpoint_from_sockaddr(&mapped,
					      (struct sockaddr *)&ss));
	assert_string_equal(ip_endpoint_print(&mapped, buf), "192.0.2.1:500");
}

static void test_no_address_is_no_sockaddr(void **state)
{
	struct ip_endpoint ep = { 0 };
	struct sockaddr_storage ss;
	struct sockaddr unix_address = { .sa_family = AF_UNIX };

	assert_int_equal(ip_endpoint_to_sockaddr(&ep, &ss), 0);
	assert_false(ip_endpoint_from_sockaddr(&ep, &unix_address));
}

static void test_ranges(void **state)
{
	static const char *const bad[] = {
		"10.1.0.1/16", "10.0.0.0/33", "10.0.0.9-10.0.0.1",
		"10.0.0.1-::1", "10.0.0.0/", "/8", "10.0.0.1-", "2001:db8::/129",
		"10.0.0.0/8/8", "10.0.0.0/-1",
	};
	struct ip_range parsed;
	size_t i;

	assert_range("10.1.0.0/16", "10.1.0.0/16");
	assert_range("0.0.0.0/0", "0.0.0.0/0");
	assert_range("::/0", "::/0");
	assert_range("2001:db8::/33", "2001:db8::/33");
	assert_range("10.0.0.1", "10.0.0.1");
	assert_range("10.0.0.1/32", "10.0.0.1");
	assert_range("10.0.0.1-10.0.0.9", "10.0.0.1-10.0.0.9");
	assert_range("10.0.0.0-10.0.0.255", "10.0.0.0/24");
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(ip_range_parse(&parsed, bad[i]));
}

static void test_every_prefix(void **state)
{
	struct ip_addr all = addr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	struct ip_range network;
	unsigned int prefix;

	for (prefix = 0; prefix <= 128; prefix++) {
		assert_true(ip_range_from_prefix(&network, &all, prefix));
		assert_int_equal(ip_range_to_prefix(&network), prefix);
	}
	assert_false(ip_range_from_prefix(&network, &all, 129));
}

static void test_containment(void **state)
{
	struct ip_range outer = range("10.1.0.0/16");
	struct ip_range inner = range("10.1.2.0-10.1.2.9");
	struct ip_range across = range("10.0.255.0-10.1.0.9"), meet;
	struct ip_range other = range("10.2.0.0/16"), six = range("::/0");
	struct ip_addr first = addr("10.1.0.0"), beyond = addr("10.2.0.0");
	char buf[IP_RANGE_STRLEN];

	assert_true(ip_range_contains(&outer, &first));
	assert_false(ip_range_contains(&outer, &beyond));
	assert_false(ip_range_contains(&six, &first));
	assert_true(ip_range_covers(&outer, &inner));
	assert_false(ip_range_covers(&inner, &outer));
	assert_false(ip_range_covers(&outer, &across));
	assert_true(ip_range_intersect(&meet, &outer, &across));
	assert_string_equal(ip_range_print(&meet, buf), "10.1.0.0-10.1.0.9");
	assert_false(ip_range_intersect(&meet, &outer, &other));
	assert_false(ip_range_intersect(&meet, &outer, &six));
}

static struct ts ts(const char *network, u8 protocol, u16 first, u16 last)
{
	struct ip_range parsed = range(network);
	struct ts selector;

	ts_from_range(&selector, &parsed);
	selector.ts_protocol = protocol;
	selector.ts_port_first = first;
	selector.ts_port_last = last;
	return selector;
}

static void test_selectors_meet(void **state)
{
	struct ts a = ts("10.1.0.0/16", 0, 0, 65535);
	struct ts b = ts("10.1.2.0/24", 6, 80, 443);
	struct ts c = ts("10.1.2.0/25", 6, 400, 500), meet;
	struct ts d = ts("10.1.2.0/24", 17, 80, 443);
	struct ts e = ts("10.1.2.0/24", 6, 500, 600);
	char buf[TS_STRLEN];

	assert_true(ts_intersect(&meet, &a, &b));
	assert_true(ts_equal(&meet, &b));
	assert_true(ts_intersect(&meet, &b, &c));
	assert_string_equal(ts_print(&meet, buf), "10.1.2.0/25 tcp 400-443");
	assert_false(ts_intersect(&meet, &b, &d));
	assert_false(ts_intersect(&meet, &b, &e));
}

static void test_selectors_cover(void **state)
{
	struct ts a = ts("10.1.0.0/16", 0, 0, 65535);
	struct ts b = ts("10.1.2.0/24", 6, 80, 443);
	struct ts_pair wide = { a, a }, narrow = { a, b }, swapped;

	assert_true(ts_covers(&a, &b));
	assert_false(ts_covers(&b, &a));
	assert_true(ts_pair_covers(&wide, &narrow));
	assert_false(ts_pair_covers(&narrow, &wide));
	ts_pair_swap(&swapped, &narrow);
	assert_true(ts_equal(&swapped.pair_local, &b));
	ts_pair_swap(&swapped, &swapped);
	assert_true(ts_pair_equal(&swapped, &narrow));
}

static void test_protocols_and_ports(void **state)
{
	u16 first, last;
	char buf[16];
	u8 protocol;

	assert_true(ip_protocol_parse(&protocol, "tcp"));
	assert_int_equal(protocol, 6);
	assert_true(ip_protocol_parse(&protocol, "255"));
	assert_false(ip_protocol_parse(&protocol, "256"));
	assert_false(ip_protocol_parse(&protocol, "tcpp"));
	assert_string_equal(ip_protocol_print(17, buf), "udp");
	assert_string_equal(ip_protocol_print(200, buf), "200");
	assert_true(port_range_parse(&first, &last, "80-443"));
	assert_string_equal(port_range_print(first, last, buf), "80-443");
	assert_true(port_range_parse(&first, &last, "any"));
	assert_int_equal(last, 65535);
	assert_false(port_range_parse(&first, &last, "443-80"));
	assert_false(port_range_parse(&first, &last, "80-"));
	assert_false(port_range_parse(&first, &last, "80-65536"));
	assert_false(port_range_parse(&first, &last, ""));
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_mapped_becomes_ipv4),
		cmocka_unit_test(test_no_address_is_no_sockaddr),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_every_prefix),
		cmocka_unit_test(test_containment),
		cmocka_unit_test(test_selectors_meet),
		cmocka_unit_test(test_selectors_cover),
		cmocka_unit_test(test_protocols_and_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
