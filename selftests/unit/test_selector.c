// SPDX-License-Identifier: GPL-2.0-or-later
/* The module's parser of packets and matcher of selectors. */

#include "unit.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "../../kmod/selector.c"

static struct cyg_addr addr(const char *text)
{
	struct cyg_addr parsed = { 0 };

	assert_int_equal(inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET,
				   text, &parsed), 1);
	return parsed;
}

static struct cyg_selector selector(const char *local_first,
				    const char *local_last,
				    const char *remote_first,
				    const char *remote_last)
{
	return (struct cyg_selector){
		.local_first = addr(local_first),
		.local_last = addr(local_last),
		.remote_first = addr(remote_first),
		.remote_last = addr(remote_last),
		.local_port_last = 65535,
		.remote_port_last = 65535,
		.family = strchr(local_first, ':') ? 6 : 4,
	};
}

static struct cyg_selector networks(void)
{
	return selector("10.1.0.0", "10.1.255.255", "10.2.0.0",
			"10.2.255.255");
}

static struct cyg_flow flow(const char *local, const char *remote,
			    u8 protocol, u16 local_port, u16 remote_port)
{
	return (struct cyg_flow){
		.local = addr(local),
		.remote = addr(remote),
		.family = strchr(local, ':') ? 6 : 4,
		.protocol = protocol,
		.has_ports = true,
		.local_port = local_port,
		.remote_port = remote_port,
	};
}

static void test_edges_of_ranges(void **state)
{
	struct cyg_selector selector = networks();
	static const struct {
		const char *local;
		const char *remote;
		bool matches;
	} cases[] = {
		{ "10.1.0.0", "10.2.0.0", true },
		{ "10.1.255.255", "10.2.255.255", true },
		{ "10.0.255.255", "10.2.0.0", false },
		{ "10.2.0.0", "10.2.0.0", false },
		{ "10.1.0.0", "10.1.255.255", false },
		{ "10.1.0.0", "10.3.0.0", false },
		{ "2001:db8::1", "2001:db8::2", false },
	};
	struct cyg_flow packet;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		packet = flow(cases[i].local, cases[i].remote, 17, 1, 1);
		assert_int_equal(cyg_selector_matches(&selector, &packet),
				 cases[i].matches);
	}
}

static void test_ranges_are_not_prefixes(void **state)
{
	struct cyg_selector one = selector("2001:db8::9", "2001:db8::1:1",
					   "::", "::ffff");
	struct cyg_flow packet = flow("2001:db8::a", "::1", 6, 1, 1);

	assert_true(cyg_selector_matches(&one, &packet));
	packet = flow("2001:db8::8", "::1", 6, 1, 1);
	assert_false(cyg_selector_matches(&one, &packet));
	packet = flow("2001:db8::1:2", "::1", 6, 1, 1);
	assert_false(cyg_selector_matches(&one, &packet));
}

static void test_ports(void **state)
{
	struct cyg_selector one = networks();
	struct cyg_flow packet = flow("10.1.0.1", "10.2.0.1", 6, 1024, 443);

	one.protocol = 6;
	one.remote_port_first = 80;
	one.remote_port_last = 443;
	assert_true(cyg_selector_matches(&one, &packet));
	packet.remote_port = 444;
	assert_false(cyg_selector_matches(&one, &packet));
	packet.remote_port = 79;
	assert_false(cyg_selector_matches(&one, &packet));
	packet.remote_port = 80;
	packet.protocol = 17;
	assert_false(cyg_selector_matches(&one, &packet));
	one.local_port_first = 1025;
	packet.protocol = 6;
	assert_false(cyg_selector_matches(&one, &packet));
}

/* RFC 4301 section 7: what hides its ports matches only "any". */
static void test_hidden_ports(void **state)
{
	struct cyg_selector one = networks();
	struct cyg_flow packet = flow("10.1.0.1", "10.2.0.1", 6, 0, 0);

	packet.has_ports = false;
	assert_true(cyg_selector_matches(&one, &packet));
	one.remote_port_last = 65534;
	assert_false(cyg_selector_matches(&one, &packet));
}

/* 10.1.2.3 to 10.2.3.4, then what follows the header. */
static void ipv4(u8 *packet, u8 protocol, u16 len, u16 fragment)
{
	static const u8 addresses[] = { 10, 1, 2, 3, 10, 2, 3, 4 };

	memset(packet, 0, 20);
	packet[0] = 0x45;
	packet[1] = 0xb8;
	packet[2] = len >> 8;
	packet[3] = len;
	packet[6] = fragment >> 8;
	packet[7] = fragment;
	packet[9] = protocol;
	memcpy(packet + 12, addresses, 8);
}

static void test_parse_ipv4(void **state)
{
	struct cyg_addr source = addr("10.1.2.3");
	struct cyg_flow packet;
	u8 bytes[28] = { 0 };

	ipv4(bytes, 17, 28, 0);
	memcpy(bytes + 20, "\x12\x34\x00\x35", 4);
	assert_true(cyg_flow_parse(&packet, bytes, 28, 28, false));
	assert_int_equal(packet.family, 4);
	assert_int_equal(packet.protocol, 17);
	assert_int_equal(packet.length, 28);
	assert_int_equal(packet.dsfield, 0xb8);
	assert_true(packet.has_ports);
	assert_int_equal(packet.local_port, 0x1234);
	assert_int_equal(packet.remote_port, 53);
	assert_memory_equal(&packet.local, &source, 16);
	assert_true(cyg_flow_parse(&packet, bytes, 28, 28, true));
	assert_int_equal(packet.local_port, 53);
	assert_memory_equal(&packet.remote, &source, 16);
}

static void test_parse_icmp(void **state)
{
	struct cyg_flow packet;
	u8 bytes[28] = { 0 };

	ipv4(bytes, 1, 28, 0);
	bytes[20] = 3;
	bytes[21] = 4;
	assert_true(cyg_flow_parse(&packet, bytes, 28, 28, false));
	assert_true(packet.has_ports);
	assert_int_equal(packet.local_port, 0x304);
	assert_int_equal(packet.remote_port, 0x304);
}

static void test_fragments(void **state)
{
	struct cyg_flow packet;
	u8 bytes[28] = { 0 };

	ipv4(bytes, 17, 28, 0x2000);
	assert_true(cyg_flow_parse(&packet, bytes, 28, 28, false));
	assert_true(packet.has_ports);
	ipv4(bytes, 17, 28, 0x0001);
	assert_true(cyg_flow_parse(&packet, bytes, 28, 28, false));
	assert_false(packet.has_ports);
	assert_int_equal(packet.protocol, 17);
}

static void test_malformed_ipv4(void **state)
{
	struct cyg_flow packet;
	u8 bytes[28] = { 0 };

	ipv4(bytes, 17, 28, 0);
	assert_false(cyg_flow_parse(&packet, bytes, 28, 27, false));
	assert_false(cyg_flow_parse(&packet, bytes, 19, 28, false));
	assert_false(cyg_flow_parse(&packet, bytes, 0, 0, false));
	assert_true(cyg_flow_parse(&packet, bytes, 20, 28, false));
	assert_false(packet.has_ports);
	assert_true(cyg_flow_parse(&packet, bytes, 23, 28, false));
	assert_false(packet.has_ports);
	bytes[0] = 0x44;
	assert_false(cyg_flow_parse(&packet, bytes, 28, 28, false));
	bytes[0] = 0x48;
	assert_false(cyg_flow_parse(&packet, bytes, 28, 28, false));
	bytes[0] = 0x55;
	assert_false(cyg_flow_parse(&packet, bytes, 28, 28, false));
}

static void ipv6(u8 *packet, u8 next, u16 payload)
{
	memset(packet, 0, 40);
	packet[0] = 0x6b;
	packet[1] = 0x80;
	packet[4] = payload >> 8;
	packet[5] = payload;
	packet[6] = next;
	packet[8] = 0x20;
	packet[24] = 0xfd;
}

static void test_parse_ipv6(void **state)
{
	struct cyg_flow packet;
	u8 bytes[48];

	ipv6(bytes, 6, 8);
	memcpy(bytes + 40, "\x00\x16\x12\x34\0\0\0\0", 8);
	assert_true(cyg_flow_parse(&packet, bytes, 48, 48, false));
	assert_int_equal(packet.family, 6);
	assert_int_equal(packet.length, 48);
	assert_int_equal(packet.dsfield, 0xb8);
	assert_int_equal(packet.local_port, 22);
	assert_false(cyg_flow_parse(&packet, bytes, 39, 48, false));
	assert_false(cyg_flow_parse(&packet, bytes, 47, 47, false));
}

static void test_extension_headers(void **state)
{
	struct cyg_flow packet;
	u8 bytes[72] = { 0 };

	ipv6(bytes, 0, 32);
	bytes[40] = 60;
	bytes[48] = 44;
	bytes[56] = 17;
	memcpy(bytes + 64, "\x00\x35\x00\x43", 4);
	assert_true(cyg_flow_parse(&packet, bytes, 72, 72, false));
	assert_int_equal(packet.protocol, 17);
	assert_true(packet.has_ports);
	assert_int_equal(packet.local_port, 53);
	bytes[59] = 8;
	assert_true(cyg_flow_parse(&packet, bytes, 72, 72, false));
	assert_false(packet.has_ports);
	assert_int_equal(packet.protocol, 17);
	/* Cut short within the chain: what can be seen, no ports. */
	assert_true(cyg_flow_parse(&packet, bytes, 50, 72, false));
	assert_false(packet.has_ports);
}

/* Every byte may be anything: no read beyond the end (ASan watches). */
static void test_mutated(void **state)
{
	struct cyg_flow packet;
	u32 random = 4301;
	size_t round, i;
	u8 *bytes;

	for (round = 0; round < 20000; round++) {
		size_t len = round % 90;

		bytes = malloc(len ?: 1);
		for (i = 0; i < len; i++) {
			random = random * 1664525 + 1013904223;
			bytes[i] = random >> 16;
		}
		if (len > 6) {
			bytes[0] = round & 1 ? 0x45 : 0x60;
			bytes[2] = 0;
			bytes[4] = 0;
			if (!(round & 1))
				bytes[6] = round % 3 ? 0 : 60;
		}
		cyg_flow_parse(&packet, bytes, len, len, round & 2);
		free(bytes);
	}
}

static void test_weight(void **state)
{
	struct cyg_selector wide = selector("0.0.0.0", "255.255.255.255",
					    "0.0.0.0", "255.255.255.255");
	struct cyg_selector narrow = networks(), ports = networks();

	ports.protocol = 6;
	ports.remote_port_first = 443;
	ports.remote_port_last = 443;
	assert_true(cyg_selector_weight(&wide) < cyg_selector_weight(&narrow));
	assert_true(cyg_selector_weight(&narrow) <
		    cyg_selector_weight(&ports));
	wide.protocol = 6;
	assert_true(cyg_selector_weight(&wide) < cyg_selector_weight(&narrow));
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_edges_of_ranges),
		cmocka_unit_test(test_ranges_are_not_prefixes),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_hidden_ports),
		cmocka_unit_test(test_parse_ipv4),
		cmocka_unit_test(test_parse_icmp),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_malformed_ipv4),
		cmocka_unit_test(test_parse_ipv6),
		cmocka_unit_test(test_extension_headers),
		cmocka_unit_test(test_mutated),
		cmocka_unit_test(test_weight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
