// SPDX-License-Identifier: GPL-2.0-or-later
/* What the kernel says when it refuses: words, attribute, range. */

#include "unit.h"

#include "../../userspace/lib/nl.c"

static char request_room[4096], answer_room[4096];

static struct nlmsghdr *begin_request(u8 cmd)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(request_room);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = 0x20;
	nlh->nlmsg_seq = 7;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	return nlh;
}

static struct nlmsghdr *begin_answer(int error)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(answer_room);
	struct nlmsgerr *verdict;

	nlh->nlmsg_type = NLMSG_ERROR;
	nlh->nlmsg_flags = NLM_F_CAPPED | NLM_F_ACK_TLVS;
	nlh->nlmsg_seq = 7;
	verdict = mnl_nlmsg_put_extra_header(nlh, sizeof(*verdict));
	verdict->error = error;
	return nlh;
}

static struct nl_error hear_answer(const struct nlmsghdr *request,
				   const struct nlmsghdr *answer)
{
	struct nl_error err = { 0 };
	struct talk talk = {
		.talk_request = request,
		.talk_cygnet = true,
		.talk_err = &err,
	};

	hear_message(&talk, answer);
	assert_true(talk.talk_over);
	assert_int_equal(talk.talk_result, -err.err_errno);
	return err;
}

static void assert_error(const struct nl_error *err, const char *text)
{
	char buf[NL_ERROR_STRLEN];

	assert_string_equal(nl_error_print(err, buf, sizeof(buf)), text);
}

static size_t offset_of(const struct nlmsghdr *nlh, const void *attr)
{
	return (const char *)attr - (const char *)nlh;
}

static void test_acknowledgment(void **state)
{
	struct nlmsghdr *request = begin_request(CYGNET_CMD_SA_NEW);
	struct nl_error err = hear_answer(request, begin_answer(0));

	assert_int_equal(err.err_errno, 0);
}

static void test_words(void **state)
{
	struct nlmsghdr *request = begin_request(CYGNET_CMD_SA_NEW);
	struct nlmsghdr *answer = begin_answer(-EEXIST);
	struct nl_error err;

	err = hear_answer(request, answer);
	assert_error(&err, "File exists");
	mnl_attr_put_strz(answer, NLMSGERR_ATTR_MSG, "SPI is taken");
	err = hear_answer(request, answer);
	assert_error(&err, "SPI is taken");
}

static void test_attribute(void **state)
{
	struct nlmsghdr *request = begin_request(CYGNET_CMD_SA_NEW);
	struct nlmsghdr *answer = begin_answer(-EINVAL);
	struct nl_error err;
	size_t offset;

	mnl_attr_put_u8(request, CYGNET_A_SA_PROTOCOL, 50);
	offset = request->nlmsg_len;
	mnl_attr_put_u32(request, CYGNET_A_SA_SPI, 5);
	mnl_attr_put_u32(request, CYGNET_A_SA_POLICY, 5);
	mnl_attr_put_strz(answer, NLMSGERR_ATTR_MSG, "reserved");
	mnl_attr_put_u32(answer, NLMSGERR_ATTR_OFFS, offset);
	err = hear_answer(request, answer);
	assert_error(&err, "reserved (spi)");
}

static void test_nested_attribute(void **state)
{
	struct nlmsghdr *request = begin_request(CYGNET_CMD_POLICY_SET);
	struct nlmsghdr *answer = begin_answer(-EINVAL);
	struct nl_error err;
	struct nlattr *nest;
	size_t offset;

	nest = mnl_attr_nest_start(request, CYGNET_A_POLICY_SELECTOR);
	mnl_attr_put_u8(request, CYGNET_A_SELECTOR_PROTOCOL, 6);
	mnl_attr_nest_end(request, nest);
	nest = mnl_attr_nest_start(request, CYGNET_A_POLICY_SELECTOR);
	mnl_attr_put_u8(request, CYGNET_A_SELECTOR_PROTOCOL, 6);
	offset = request->nlmsg_len;
	mnl_attr_put_u16(request, CYGNET_A_SELECTOR_REMOTE_PORT_LAST, 6);
	mnl_attr_nest_end(request, nest);
	mnl_attr_put_u32(answer, NLMSGERR_ATTR_OFFS, offset);
	err = hear_answer(request, answer);
	assert_error(&err, "Invalid argument (selector.remote-port-last)");
}

static void test_missing_attribute(void **state)
{
	struct nlmsghdr *request = begin_request(CYGNET_CMD_POLICY_SET);
	struct nlmsghdr *answer = begin_answer(-EINVAL);
	struct nl_error err;
	struct nlattr *nest;

	nest = mnl_attr_nest_start(request, CYGNET_A_POLICY_SELECTOR);
	mnl_attr_put_u8(request, CYGNET_A_SELECTOR_PROTOCOL, 6);
	mnl_attr_nest_end(request, nest);
	mnl_attr_put_u32(answer, NLMSGERR_ATTR_MISS_TYPE,
			 CYGNET_A_SELECTOR_LOCAL_FIRST);
	mnl_attr_put_u32(answer, NLMSGERR_ATTR_MISS_NEST,
			 offset_of(request, nest));
	err = hear_answer(request, answer);
	assert_error(&err,
		     "a required attribute is missing (selector.local-first)");
}

static void test_range(void **state)
{
	struct nlmsghdr *request = begin_request(CYGNET_CMD_SA_NEW);
	struct nlmsghdr *answer = begin_answer(-ERANGE);
	struct nl_error err;
	struct nlattr *nest;

	mnl_attr_put_strz(answer, NLMSGERR_ATTR_MSG, "integer out of range");
	nest = mnl_attr_nest_start(answer, NLMSGERR_ATTR_POLICY);
	mnl_attr_put_u64(answer, NL_POLICY_TYPE_ATTR_MIN_VALUE_U, 32);
	mnl_attr_put_u64(answer, NL_POLICY_TYPE_ATTR_MAX_VALUE_U, 4096);
	mnl_attr_nest_end(answer, nest);
	err = hear_answer(request, answer);
	assert_error(&err, "integer out of range, it takes 32 to 4096");
}

static void test_unknown_attribute(void **state)
{
	struct nlmsghdr *request = begin_request(CYGNET_CMD_SA_NEW);
	struct nlmsghdr *answer = begin_answer(-EINVAL);
	size_t offset = request->nlmsg_len;
	struct nl_error err;

	mnl_attr_put_u32(request, 999, 5);
	mnl_attr_put_u32(answer, NLMSGERR_ATTR_OFFS, offset);
	err = hear_answer(request, answer);
	assert_error(&err, "Invalid argument (999)");
	request = begin_request(200);
	mnl_attr_put_u32(request, 3, 5);
	err = hear_answer(request, answer);
	assert_error(&err, "Invalid argument (3)");
}

static void test_offset_beyond_the_end(void **state)
{
	struct nlmsghdr *request = begin_request(CYGNET_CMD_SA_NEW);
	struct nlmsghdr *answer = begin_answer(-EINVAL);
	struct nl_error err;

	mnl_attr_put_u32(answer, NLMSGERR_ATTR_OFFS, 0xfffffff0);
	err = hear_answer(request, answer);
	assert_error(&err, "Invalid argument");
}

static void test_uncapped(void **state)
{
	struct nlmsghdr *request = begin_request(CYGNET_CMD_SA_NEW);
	struct nlmsghdr *answer = begin_answer(-EINVAL);
	struct nlmsgerr *verdict = mnl_nlmsg_get_payload(answer);
	struct nl_error err;

	answer->nlmsg_flags = NLM_F_ACK_TLVS;
	verdict->msg.nlmsg_len = NLMSG_HDRLEN + 8;
	mnl_nlmsg_put_extra_header(answer, 8);
	mnl_attr_put_strz(answer, NLMSGERR_ATTR_MSG, "behind the echo");
	err = hear_answer(request, answer);
	assert_error(&err, "behind the echo");
	verdict->msg.nlmsg_len = 0xffffff00;
	err = hear_answer(request, answer);
	assert_error(&err, "Invalid argument");
}

static void test_end_of_dump(void **state)
{
	struct nlmsghdr *request = begin_request(CYGNET_CMD_SA_GET);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(answer_room);
	struct nl_error err;
	int *number;

	nlh->nlmsg_type = NLMSG_DONE;
	nlh->nlmsg_seq = 7;
	number = mnl_nlmsg_put_extra_header(nlh, sizeof(*number));
	*number = 0;
	err = hear_answer(request, nlh);
	assert_int_equal(err.err_errno, 0);
	*number = -ENOMEM;
	err = hear_answer(request, nlh);
	assert_error(&err, "Cannot allocate memory");
}

static int count_message(const struct nlmsghdr *nlh, void *arg)
{
	return ++*(int *)arg == 2 ? -E2BIG : 0;
}

static void test_callback_stops(void **state)
{
	struct nlmsghdr *request = begin_request(CYGNET_CMD_SA_GET);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(answer_room);
	struct nl_error err = { 0 };
	int count = 0, i;
	struct talk talk = {
		.talk_request = request,
		.talk_cb = count_message,
		.talk_arg = &count,
		.talk_err = &err,
	};

	nlh->nlmsg_type = 0x20;
	nlh->nlmsg_seq = 6;
	hear_message(&talk, nlh);
	assert_int_equal(count, 0);
	nlh->nlmsg_seq = 7;
	for (i = 0; i < 4; i++)
		hear_message(&talk, nlh);
	assert_int_equal(count, 2);
	assert_int_equal(talk.talk_result, -E2BIG);
	hear_message(&talk, begin_answer(0));
	assert_int_equal(talk.talk_result, -E2BIG);
}

/* A request's key must not stay behind in the buffer. */
static void test_request_is_wiped(void **state)
{
	struct nl_error err;
	struct nlmsghdr *nlh;
	struct nl nl;
	size_t i;

	if (nl_open_route(&nl, &err))
		skip();
	nlh = nl_request(&nl, CYGNET_CMD_SA_NEW, 0);
	mnl_attr_put(nlh, CYGNET_A_SA_ENCR_KEY, 16, "0123456789abcdef");
	nlh->nlmsg_type = 0x7ff0;
	assert_true(nl_talk(&nl, nlh, NULL, NULL, &err) < 0);
	for (i = 0; i < NL_REQUEST_MAX; i++)
		assert_int_equal(nl.nl_buf[i], 0);
	nl_close(&nl);
}

static void test_without_module(void **state)
{
	struct nl_error err;
	struct nl nl;

	if (!nl_open_cygnet(&nl, &err)) {
		nl_close(&nl);
		skip();
	}
	assert_int_equal(err.err_errno, ENOENT);
	assert_non_null(strstr(err.err_msg, "modprobe cygnet"));
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_acknowledgment),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_attribute),
		cmocka_unit_test(test_nested_attribute),
		cmocka_unit_test(test_missing_attribute),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_unknown_attribute),
		cmocka_unit_test(test_offset_beyond_the_end),
		cmocka_unit_test(test_uncapped),
		cmocka_unit_test(test_end_of_dump),
		cmocka_unit_test(test_callback_stops),
		cmocka_unit_test(test_request_is_wiped),
		cmocka_unit_test(test_without_module),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
