// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's objects: struct to message and back, and alien messages. */

#include "unit.h"

#include <arpa/inet.h>
#include <linux/genetlink.h>

#include "objects.h"

static union {
	struct nlmsghdr nlh;
	char room[32768];
} message;

static struct nlmsghdr *begin(u8 cmd)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(&message);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = 0x20;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	return nlh;
}

static struct ip_addr addr(const char *text)
{
	struct ip_addr parsed;

	assert_true(ip_addr_parse(&parsed, text));
	return parsed;
}

static const struct nlattr *find(const struct nlmsghdr *nlh, u16 type)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, GENL_HDRLEN)
		if (mnl_attr_get_type(attr) == type)
			return attr;
	return NULL;
}

static struct kernel_sa full_sa(void)
{
	struct kernel_sa sa = {
		.ksa_direction = CYGNET_DIRECTION_OUT,
		.ksa_protocol = IPPROTO_ESP,
		.ksa_mode = CYGNET_MODE_TUNNEL,
		.ksa_spi = 0xc0ffee01,
		.ksa_src = addr("192.0.2.1"),
		.ksa_dst = addr("2001:db8::2"),
		.ksa_policy = 7,
		.ksa_encr = 20,
		.ksa_encr_key_len = 36,
		.ksa_esn = true,
		.ksa_replay_window = 4096,
		.ksa_encap_sport = 4500,
		.ksa_encap_dport = 4501,
		.ksa_keepalive = 20,
		.ksa_lifetime = { 1, 2, 3, 4, 5, 1ULL << 40 },
		.ksa_sequence = 1ULL << 33,
	};

	memset(sa.ksa_encr_key, 0xaa, 36);
	return sa;
}

static void test_sa_round_trip(void **state)
{
	struct kernel_sa sa = full_sa(), back;
	struct nlmsghdr *nlh = begin(CYGNET_CMD_SA_NEW);

	kernel_sa_encode(nlh, &sa);
	assert_true(kernel_sa_decode(&back, nlh));
	/* Keys go in and never come out. */
	kernel_sa_wipe(&sa);
	sa.ksa_encr_key_len = 0;
	assert_memory_equal(&sa, &back, sizeof(sa));
}

static void test_sa_on_the_wire(void **state)
{
	struct kernel_sa sa = full_sa();
	struct nlmsghdr *nlh = begin(CYGNET_CMD_SA_NEW);
	const struct nlattr *attr;

	kernel_sa_encode(nlh, &sa);
	assert_int_equal(mnl_attr_get_u32(find(nlh, CYGNET_A_SA_SPI)),
			 htonl(0xc0ffee01));
	assert_int_equal(mnl_attr_get_u16(find(nlh, CYGNET_A_SA_ENCAP_DPORT)),
			 htons(4501));
	assert_int_equal(mnl_attr_get_u32(find(nlh, CYGNET_A_SA_DIRECTION)),
			 CYGNET_DIRECTION_OUT);
	attr = find(nlh, CYGNET_A_SA_ENCR_KEY);
	assert_int_equal(mnl_attr_get_payload_len(attr), 36);
	assert_int_equal(mnl_attr_get_payload_len(find(nlh,
						       CYGNET_A_SA_DST)), 16);
	assert_int_equal(mnl_attr_get_payload_len(find(nlh,
						       CYGNET_A_SA_ESN)), 0);
}

/* What is 0 is left out, but never what 0 has a meaning for. */
static void test_smallest_sa(void **state)
{
	struct kernel_sa sa = { .ksa_spi = 256 };
	struct nlmsghdr *nlh = begin(CYGNET_CMD_SA_NEW);

	kernel_sa_encode(nlh, &sa);
	assert_non_null(find(nlh, CYGNET_A_SA_DIRECTION));
	assert_non_null(find(nlh, CYGNET_A_SA_MODE));
	assert_int_equal(mnl_attr_get_u8(find(nlh, CYGNET_A_SA_PROTOCOL)), 50);
	assert_null(find(nlh, CYGNET_A_SA_ENCR_KEY));
	assert_null(find(nlh, CYGNET_A_SA_LIFETIME));
	assert_null(find(nlh, CYGNET_A_SA_ESN));
	assert_null(find(nlh, CYGNET_A_SA_SRC));
	assert_null(find(nlh, CYGNET_A_SA_PACKETS));
}

static void test_drops(void **state)
{
	struct nlmsghdr *nlh = begin(CYGNET_CMD_SA_GET);
	struct nlattr *nest;
	struct kernel_sa sa;

	nest = mnl_attr_nest_start(nlh, CYGNET_A_SA_DROPS);
	mnl_attr_put_u32(nlh, CYGNET_A_DROPS_REASON, CYGNET_DROP_RX_AUTH);
	mnl_attr_put_u64(nlh, CYGNET_A_DROPS_PACKETS, 5);
	mnl_attr_nest_end(nlh, nest);
	nest = mnl_attr_nest_start(nlh, CYGNET_A_SA_DROPS);
	mnl_attr_put_u32(nlh, CYGNET_A_DROPS_REASON, 4711);
	mnl_attr_put_u64(nlh, CYGNET_A_DROPS_PACKETS, 6);
	mnl_attr_nest_end(nlh, nest);
	assert_true(kernel_sa_decode(&sa, nlh));
	assert_int_equal(sa.ksa_drops[CYGNET_DROP_RX_AUTH], 5);
}

static void test_bad_address_is_refused(void **state)
{
	struct nlmsghdr *nlh = begin(CYGNET_CMD_SA_GET);
	struct kernel_sa sa;

	mnl_attr_put(nlh, CYGNET_A_SA_DST, 5, "12345");
	assert_false(kernel_sa_decode(&sa, nlh));
}

static struct ts_pair pair(const char *local, const char *remote, u8 protocol,
			   u16 first, u16 last)
{
	struct ip_range range;
	struct ts_pair made;

	assert_true(ip_range_parse(&range, local));
	ts_from_range(&made.pair_local, &range);
	assert_true(ip_range_parse(&range, remote));
	ts_from_range(&made.pair_remote, &range);
	made.pair_local.ts_protocol = protocol;
	made.pair_remote.ts_protocol = protocol;
	made.pair_remote.ts_port_first = first;
	made.pair_remote.ts_port_last = last;
	return made;
}

static struct kernel_policy full_policy(void)
{
	struct kernel_policy policy = {
		.kpol_id = 3,
		.kpol_ifindex = 9,
		.kpol_name = "office",
		.kpol_priority = 5,
		.kpol_action = CYGNET_ACTION_PROTECT,
		.kpol_protocol = IPPROTO_ESP,
		.kpol_npairs = 2,
	};

	policy.kpol_pairs[0] = pair("10.1.0.0/16", "10.2.0.0/16", 0, 0, 65535);
	policy.kpol_pairs[1] = pair("2001:db8::/32", "::1", 6, 80, 443);
	return policy;
}

static void test_policy_round_trip(void **state)
{
	struct kernel_policy policy = full_policy(), back;
	struct nlmsghdr *nlh = begin(CYGNET_CMD_POLICY_SET);
	u32 i;

	kernel_policy_encode(nlh, &policy);
	assert_true(kernel_policy_decode(&back, nlh));
	assert_int_equal(back.kpol_id, 3);
	assert_int_equal(back.kpol_ifindex, 9);
	assert_string_equal(back.kpol_name, "office");
	assert_int_equal(back.kpol_priority, 5);
	assert_int_equal(back.kpol_npairs, 2);
	for (i = 0; i < 2; i++)
		assert_true(ts_pair_equal(&policy.kpol_pairs[i],
					  &back.kpol_pairs[i]));
}

static void test_policy_options(void **state)
{
	struct kernel_policy policy = full_policy(), back;
	struct nlmsghdr *nlh = begin(CYGNET_CMD_POLICY_SET);

	kernel_policy_encode(nlh, &policy);
	assert_true(kernel_policy_decode(&back, nlh));
	assert_false(back.kpol_has_dscp || back.kpol_has_flow_label ||
		     back.kpol_no_mss_clamp);
	policy.kpol_df = CYGNET_DF_COPY;
	policy.kpol_ttl = 9;
	policy.kpol_no_mss_clamp = true;
	policy.kpol_has_dscp = true;
	policy.kpol_has_flow_label = true;
	nlh = begin(CYGNET_CMD_POLICY_SET);
	kernel_policy_encode(nlh, &policy);
	assert_true(kernel_policy_decode(&back, nlh));
	assert_int_equal(back.kpol_df, CYGNET_DF_COPY);
	assert_int_equal(back.kpol_ttl, 9);
	assert_true(back.kpol_no_mss_clamp);
	/* Zero is not nothing. */
	assert_true(back.kpol_has_dscp && !back.kpol_dscp);
	assert_true(back.kpol_has_flow_label && !back.kpol_flow_label);
}

static void test_largest_policy_fits(void **state)
{
	struct kernel_policy policy = full_policy(), back;
	struct nlmsghdr *nlh = begin(CYGNET_CMD_POLICY_SET);
	u32 i;

	memset(policy.kpol_name, 'x', CYGNET_NAME_LEN_MAX);
	policy.kpol_npairs = CYGNET_SELECTORS_MAX;
	for (i = 0; i < CYGNET_SELECTORS_MAX; i++)
		policy.kpol_pairs[i] = pair("2001:db8::/32", "::1", 6, i, i);
	kernel_policy_encode(nlh, &policy);
	assert_true(nlh->nlmsg_len < NL_REQUEST_MAX);
	assert_true(kernel_policy_decode(&back, nlh));
	assert_int_equal(back.kpol_npairs, CYGNET_SELECTORS_MAX);
	assert_int_equal(strlen(back.kpol_name), CYGNET_NAME_LEN_MAX);

	policy.kpol_npairs = 1;
	kernel_policy_encode(nlh, &policy);
	assert_false(kernel_policy_decode(&back, nlh));
}

static void test_acquire(void **state)
{
	struct ts_pair packet = pair("10.1.0.1", "10.2.0.1", 17, 53, 53);
	struct nlmsghdr *nlh = begin(CYGNET_CMD_ACQUIRE_NTF);
	struct kernel_event event;
	struct nlattr *nest;

	mnl_attr_put_u32(nlh, CYGNET_A_POLICY_ID, 3);
	mnl_attr_put_strz(nlh, CYGNET_A_POLICY_NAME, "office");
	nest = mnl_attr_nest_start(nlh, CYGNET_A_POLICY_PACKET);
	mnl_attr_put(nlh, CYGNET_A_SELECTOR_LOCAL_FIRST, 4, "\x0a\1\0\1");
	mnl_attr_put(nlh, CYGNET_A_SELECTOR_LOCAL_LAST, 4, "\x0a\1\0\1");
	mnl_attr_put(nlh, CYGNET_A_SELECTOR_REMOTE_FIRST, 4, "\x0a\2\0\1");
	mnl_attr_put(nlh, CYGNET_A_SELECTOR_REMOTE_LAST, 4, "\x0a\2\0\1");
	mnl_attr_put_u8(nlh, CYGNET_A_SELECTOR_PROTOCOL, 17);
	mnl_attr_put_u16(nlh, CYGNET_A_SELECTOR_REMOTE_PORT_FIRST, 53);
	mnl_attr_put_u16(nlh, CYGNET_A_SELECTOR_REMOTE_PORT_LAST, 53);
	mnl_attr_nest_end(nlh, nest);
	assert_true(kernel_event_decode(&event, nlh));
	assert_int_equal(event.kev_policy.kpol_id, 3);
	assert_true(event.kev_has_packet);
	assert_true(ts_pair_equal(&event.kev_packet, &packet));
}

static void test_expiry(void **state)
{
	struct nlmsghdr *nlh = begin(CYGNET_CMD_EXPIRE_NTF);
	struct kernel_event event;

	mnl_attr_put_u32(nlh, CYGNET_A_SA_SPI, htonl(0x1001));
	mnl_attr_put_u32(nlh, CYGNET_A_SA_EXPIRY, CYGNET_EXPIRY_HARD);
	assert_true(kernel_event_decode(&event, nlh));
	assert_int_equal(event.kev_sa.ksa_spi, 0x1001);
	assert_int_equal(event.kev_expiry, CYGNET_EXPIRY_HARD);
}

/* Each operation holds the attributes of its own, in order, unmarked. */
static void test_transaction(void **state)
{
	static const u16 types[] = {
		CYGNET_A_TRANSACTION_POLICY_SET, CYGNET_A_TRANSACTION_SA_NEW,
		CYGNET_A_TRANSACTION_SA_DEL, CYGNET_A_TRANSACTION_POLICY_DEL,
	};
	struct kernel_policy policy = full_policy();
	struct ip_addr dst = addr("192.0.2.1");
	struct nlmsghdr *tx = begin(CYGNET_CMD_TRANSACTION);
	struct kernel_sa sa = full_sa();
	const struct nlattr *attr, *in;
	u32 i = 0, seen;

	sa.ksa_policy = 0;
	kernel_stage_policy_set(tx, &policy);
	kernel_stage_sa_new(tx, &sa);
	kernel_stage_sa_del(tx, 0, 0x1001, &dst);
	kernel_stage_policy_del(tx, 9);
	mnl_attr_for_each(attr, tx, GENL_HDRLEN) {
		assert_int_equal(attr->nla_type, types[i++]);
		seen = 0;
		mnl_attr_for_each_nested(in, attr)
			seen |= 1U << mnl_attr_get_type(in);
		if (i == 2)
			assert_int_equal(seen & 1U << CYGNET_A_SA_POLICY, 0);
		if (i == 3)
			assert_int_equal(seen, 1U << CYGNET_A_SA_PROTOCOL |
					 1U << CYGNET_A_SA_SPI |
					 1U << CYGNET_A_SA_DST);
		if (i == 4)
			assert_int_equal(seen, 1U << CYGNET_A_POLICY_ID);
	}
	assert_int_equal(i, 4);
	for (; !kernel_full(tx); i++)
		kernel_stage_policy_del(tx, i);
	assert_int_equal(i, CYGNET_OPERATIONS_MAX);
}

static void test_rejected(void **state)
{
	struct nlmsghdr *nlh = begin(CYGNET_CMD_REJECTED_NTF);
	struct kernel_event event;
	struct nlattr *nest;

	nest = mnl_attr_nest_start(nlh, CYGNET_A_STATS_DROPS);
	mnl_attr_put_u32(nlh, CYGNET_A_DROPS_REASON, CYGNET_DROP_RX_AUTH);
	mnl_attr_put_u64(nlh, CYGNET_A_DROPS_PACKETS, 3);
	mnl_attr_put_u32(nlh, CYGNET_A_DROPS_SPI, htonl(0x1001));
	mnl_attr_nest_end(nlh, nest);
	nest = mnl_attr_nest_start(nlh, CYGNET_A_STATS_DROPS);
	mnl_attr_put_u32(nlh, CYGNET_A_DROPS_REASON, 60000);
	mnl_attr_put_u64(nlh, CYGNET_A_DROPS_PACKETS, 4);
	mnl_attr_nest_end(nlh, nest);
	assert_true(kernel_event_decode(&event, nlh));
	assert_int_equal(event.kev_rejected[CYGNET_DROP_RX_AUTH].krej_packets, 3);
	assert_int_equal(event.kev_rejected[CYGNET_DROP_RX_AUTH].krej_spi, 0x1001);
	assert_int_equal(event.kev_rejected[CYGNET_DROP_RX_SHORT].krej_packets, 0);
}

static void test_no_event(void **state)
{
	struct kernel_event event;
	struct nlmsghdr *nlh;

	assert_false(kernel_event_decode(&event, begin(CYGNET_CMD_SA_NEW)));
	assert_false(kernel_event_decode(&event, begin(255)));
	nlh = mnl_nlmsg_put_header(&message);
	nlh->nlmsg_type = NLMSG_DONE;
	assert_false(kernel_event_decode(&event, nlh));
	nlh->nlmsg_type = 0x20;
	assert_false(kernel_event_decode(&event, nlh));
}

/* Any bytes as attributes: an answer, and no fault. */
static void test_mutated(void **state)
{
	struct kernel_policy policy = full_policy();
	struct kernel_event event;
	struct nlmsghdr *nlh;
	u32 random = 4301;
	size_t round, at;
	u8 *bytes;

	for (round = 0; round < 5000; round++) {
		nlh = begin(CYGNET_CMD_ACQUIRE_NTF + round % 6);
		kernel_policy_encode(nlh, &policy);
		/* A block of its own, so that ASan sees the end. */
		bytes = malloc(nlh->nlmsg_len);
		memcpy(bytes, nlh, nlh->nlmsg_len);
		random = random * 1664525 + 1013904223;
		at = NLMSG_HDRLEN + (random >> 8) %
		     (nlh->nlmsg_len - NLMSG_HDRLEN);
		bytes[at] = random;
		bytes[NLMSG_HDRLEN] = CYGNET_CMD_ACQUIRE_NTF + round % 6;
		kernel_event_decode(&event, (struct nlmsghdr *)bytes);
		free(bytes);
	}
}

static void test_every_name(void **state)
{
	u32 i;

	for (i = CYGNET_DROP_RX_SHORT; i < KERNEL_DROPS; i++) {
		assert_string_not_equal(kernel_drop_name(i), "unknown");
		assert_non_null(kernel_drop_meaning(i));
	}
	assert_string_equal(kernel_drop_name(CYGNET_DROP_RX_REPLAY_OLD),
			    "rx-replay-old");
	assert_string_equal(kernel_drop_name(4711), "unknown");
	assert_string_equal(kernel_action_name(CYGNET_ACTION_BYPASS),
			    "bypass");
	assert_string_equal(kernel_direction_name(2), "?");
	assert_string_equal(kernel_mode_name(CYGNET_MODE_TUNNEL), "tunnel");
	assert_string_equal(kernel_expiry_name(CYGNET_EXPIRY_SEQUENCE),
			    "sequence");
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_sa_round_trip),
		cmocka_unit_test(test_sa_on_the_wire),
		cmocka_unit_test(test_smallest_sa),
		cmocka_unit_test(test_drops),
		cmocka_unit_test(test_bad_address_is_refused),
		cmocka_unit_test(test_policy_round_trip),
		cmocka_unit_test(test_policy_options),
		cmocka_unit_test(test_largest_policy_fits),
		cmocka_unit_test(test_acquire),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_transaction),
		cmocka_unit_test(test_rejected),
		cmocka_unit_test(test_no_event),
		cmocka_unit_test(test_mutated),
		cmocka_unit_test(test_every_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
