// SPDX-License-Identifier: GPL-2.0-or-later

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "nl.h"
#include "text.h"

#define NL_REPLY_MAX 65536

static void append_attr(struct nl_error *err, const struct attr_names *names,
			u16 type)
{
	const char *dot = err->err_attr[0] ? "." : "";

	if (names && type < names->an_count && names->an_names[type])
		text_append(err->err_attr, sizeof(err->err_attr), "%s%s", dot,
			    names->an_names[type]);
	else
		text_append(err->err_attr, sizeof(err->err_attr), "%s%u", dot,
			    type);
}

static const struct attr_names *nested_names(const struct attr_names *names,
					     u16 type)
{
	if (!names || !names->an_nested || type >= names->an_count)
		return NULL;
	return names->an_nested[type];
}

/*
 * Appends the names of the attributes that lead to the one at that offset of
 * the request; returns the names inside it.
 */
static const struct attr_names *locate_attr(struct nl_error *err,
					    const struct nlmsghdr *nlh,
					    const struct attr_names *names,
					    size_t offset)
{
	size_t at = NLMSG_HDRLEN + GENL_HDRLEN, end = nlh->nlmsg_len;
	const struct nlattr *attr;
	u16 type;

	while (at + NLA_HDRLEN <= end && at <= offset) {
		attr = (const void *)((const u8 *)nlh + at);
		type = mnl_attr_get_type(attr);
		if (attr->nla_len < NLA_HDRLEN)
			break;
		if (offset >= at + NLA_ALIGN(attr->nla_len)) {
			at += NLA_ALIGN(attr->nla_len);
			continue;
		}
		append_attr(err, names, type);
		names = nested_names(names, type);
		if (offset == at || !names)
			break;
		end = at + attr->nla_len;
		at += NLA_HDRLEN;
	}
	return names;
}

static int save_extack(const struct nlattr *attr, void *arg)
{
	const struct nlattr **attrs = arg;
	u16 type = mnl_attr_get_type(attr);

	if (type <= NLMSGERR_ATTR_MAX)
		attrs[type] = attr;
	return MNL_CB_OK;
}

static u32 extack_u32(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) == sizeof(u32) ?
	       mnl_attr_get_u32(attr) : 0;
}

static u64 extack_u64(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) == sizeof(u64) ?
	       mnl_attr_get_u64(attr) : 0;
}

/* What the kernel's policy would have taken, where it tells. */
static void read_policy(struct nl_error *err, const struct nlattr *policy)
{
	const struct nlattr *attr, *low = NULL, *high = NULL;

	mnl_attr_for_each_nested(attr, policy) {
		if (mnl_attr_get_type(attr) == NL_POLICY_TYPE_ATTR_MIN_VALUE_U)
			low = attr;
		if (mnl_attr_get_type(attr) == NL_POLICY_TYPE_ATTR_MAX_VALUE_U)
			high = attr;
	}
	if (low && high)
		text_append(err->err_msg, sizeof(err->err_msg),
			    ", it takes %llu to %llu", extack_u64(low),
			    extack_u64(high));
}

struct talk {
	const struct nlmsghdr *talk_request;
	bool talk_cygnet;		/* names of attributes are known */
	nl_cb *talk_cb;
	void *talk_arg;
	struct nl_error *talk_err;
	int talk_result;
	bool talk_over;
};

static const struct attr_names *request_names(const struct nlmsghdr *request)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(request);

	return genl->cmd <= CYGNET_CMD_MAX ? command_names[genl->cmd] : NULL;
}

/* The attribute that the kernel points at, or misses. */
static void read_place(struct talk *talk, const struct nlattr *const *attrs)
{
	const struct attr_names *names = request_names(talk->talk_request);
	const struct nlattr *miss = attrs[NLMSGERR_ATTR_MISS_TYPE];
	const struct nlattr *nest = attrs[NLMSGERR_ATTR_MISS_NEST];
	struct nl_error *err = talk->talk_err;

	if (attrs[NLMSGERR_ATTR_OFFS])
		locate_attr(err, talk->talk_request, names,
			    extack_u32(attrs[NLMSGERR_ATTR_OFFS]));
	if (!miss)
		return;
	if (nest)
		names = locate_attr(err, talk->talk_request, names,
				    extack_u32(nest));
	append_attr(err, names, extack_u32(miss));
	if (!err->err_msg[0])
		text_copy(err->err_msg, sizeof(err->err_msg),
			  "a required attribute is missing");
}

/* The kernel's words. */
static void read_extack(struct talk *talk, const struct nlmsghdr *nlh,
			size_t skip)
{
	const struct nlattr *attrs[NLMSGERR_ATTR_MAX + 1] = { 0 };
	struct nl_error *err = talk->talk_err;
	const struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS) ||
	    mnl_attr_parse(nlh, skip, save_extack, attrs) < 0)
		return;
	attr = attrs[NLMSGERR_ATTR_MSG];
	if (attr)
		snprintf(err->err_msg, sizeof(err->err_msg), "%.*s",
			 (int)mnl_attr_get_payload_len(attr),
			 mnl_attr_get_str(attr));
	if (attrs[NLMSGERR_ATTR_POLICY])
		read_policy(err, attrs[NLMSGERR_ATTR_POLICY]);
	if (talk->talk_cygnet)
		read_place(talk, attrs);
}

static int set_error(struct nl_error *err, int number, const char *text)
{
	memset(err, 0, sizeof(*err));
	err->err_errno = number;
	snprintf(err->err_msg, sizeof(err->err_msg), "%s%s%s", text,
		 *text ? ": " : "", strerror(number));
	return -number;
}

/* An NLMSG_ERROR: an acknowledgment or a refusal. */
static int read_verdict(struct talk *talk, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *verdict = mnl_nlmsg_get_payload(nlh);
	size_t skip = sizeof(*verdict);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*verdict))
		return set_error(talk->talk_err, EBADMSG, "short acknowledgment");
	if (!verdict->error)
		return 0;
	talk->talk_err->err_errno = -verdict->error;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += verdict->msg.nlmsg_len - NLMSG_HDRLEN;
	if (skip <= mnl_nlmsg_get_payload_len(nlh))
		read_extack(talk, nlh, skip);
	return verdict->error;
}

/* The end of a dump, which carries an error as an acknowledgment does. */
static int read_done(struct talk *talk, const struct nlmsghdr *nlh)
{
	const int *number = mnl_nlmsg_get_payload(nlh);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*number) || *number >= 0)
		return 0;
	talk->talk_err->err_errno = -*number;
	read_extack(talk, nlh, sizeof(*number));
	return *number;
}

static void hear_message(struct talk *talk, const struct nlmsghdr *nlh)
{
	int result = 0;

	if (nlh->nlmsg_seq != talk->talk_request->nlmsg_seq)
		return;
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR && !talk->talk_result)
		talk->talk_result = set_error(talk->talk_err, EINTR,
					      "changed while it was being listed");
	switch (nlh->nlmsg_type) {
	case NLMSG_NOOP:
		return;
	case NLMSG_ERROR:
		result = read_verdict(talk, nlh);
		talk->talk_over = true;
		break;
	case NLMSG_DONE:
		result = read_done(talk, nlh);
		talk->talk_over = true;
		break;
	default:
		if (talk->talk_result || !talk->talk_cb)
			return;
		result = talk->talk_cb(nlh, talk->talk_arg);
		if (result)
			set_error(talk->talk_err, -result, "");
	}
	if (!talk->talk_result)
		talk->talk_result = result;
}

static int hear(struct nl *nl, struct talk *talk)
{
	const struct nlmsghdr *nlh;
	ssize_t received;
	int len;

	while (!talk->talk_over) {
		received = mnl_socket_recvfrom(nl->nl_socket, nl->nl_reply,
					       NL_REPLY_MAX);
		if (received < 0 && errno == EINTR)
			continue;
		if (received < 0)
			return set_error(talk->talk_err, errno,
					 "cannot read the kernel's answer");
		nlh = (const void *)nl->nl_reply;
		for (len = received; mnl_nlmsg_ok(nlh, len);
		     nlh = mnl_nlmsg_next(nlh, &len))
			hear_message(talk, nlh);
	}
	return talk->talk_result;
}

int nl_talk(struct nl *nl, struct nlmsghdr *nlh, nl_cb *cb, void *arg,
	    struct nl_error *err)
{
	struct talk talk = {
		.talk_request = nlh,
		.talk_cygnet = nl->nl_type && nlh->nlmsg_type == nl->nl_type,
		.talk_cb = cb,
		.talk_arg = arg,
		.talk_err = err,
	};
	size_t len = nlh->nlmsg_len;
	int result;

	memset(err, 0, sizeof(*err));
	if (mnl_socket_sendto(nl->nl_socket, nlh, nlh->nlmsg_len) < 0)
		result = set_error(err, errno, "cannot ask the kernel");
	else
		result = hear(nl, &talk);
	explicit_bzero(nlh, len);
	return result;
}

int nl_receive(struct nl *nl, int flags, nl_cb *cb, void *arg)
{
	const struct nlmsghdr *nlh;
	ssize_t received;
	int len, result;

	do {
		received = recv(nl_fd(nl), nl->nl_reply, NL_REPLY_MAX, flags);
		if (received < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		nlh = (const void *)nl->nl_reply;
		for (len = received; mnl_nlmsg_ok(nlh, len);
		     nlh = mnl_nlmsg_next(nlh, &len)) {
			result = cb(nlh, arg);
			if (result)
				return result;
		}
	} while (flags & MSG_DONTWAIT);
	return 0;
}

static struct nlmsghdr *begin(struct nl *nl, u16 type, u16 flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(nl->nl_buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	nlh->nlmsg_seq = ++nl->nl_seq;
	return nlh;
}

static struct nlmsghdr *begin_genl(struct nl *nl, u16 type, u8 cmd, u16 flags)
{
	struct nlmsghdr *nlh = begin(nl, type, flags);
	struct genlmsghdr *genl;

	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = CYGNET_FAMILY_VERSION;
	return nlh;
}

struct nlmsghdr *nl_request(struct nl *nl, u8 cmd, u16 flags)
{
	return begin_genl(nl, nl->nl_type, cmd, flags);
}

struct nlmsghdr *nl_route_request(struct nl *nl, u16 type, u16 flags,
				  size_t extra, void **header)
{
	struct nlmsghdr *nlh = begin(nl, type, flags);

	*header = mnl_nlmsg_put_extra_header(nlh, extra);
	return nlh;
}

void nl_close(struct nl *nl)
{
	if (nl->nl_socket)
		mnl_socket_close(nl->nl_socket);
	free(nl->nl_buf);
	free(nl->nl_reply);
	memset(nl, 0, sizeof(*nl));
}

static int open_socket(struct nl *nl, int bus, struct nl_error *err)
{
	int on = 1, result;

	memset(nl, 0, sizeof(*nl));
	nl->nl_buf = calloc(1, NL_REQUEST_MAX);
	nl->nl_reply = malloc(NL_REPLY_MAX);
	nl->nl_socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (!nl->nl_buf || !nl->nl_reply || !nl->nl_socket ||
	    mnl_socket_bind(nl->nl_socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_setsockopt(nl->nl_socket, NETLINK_EXT_ACK, &on,
				  sizeof(on)) < 0 ||
	    mnl_socket_setsockopt(nl->nl_socket, NETLINK_CAP_ACK, &on,
				  sizeof(on)) < 0) {
		result = set_error(err, errno, "cannot open a netlink socket");
		nl_close(nl);
		return result;
	}
	return 0;
}

static void read_group(struct nl *nl, const struct nlattr *group)
{
	const struct nlattr *attr;
	const char *name = "";
	u32 id = 0;

	mnl_attr_for_each_nested(attr, group) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_NAME &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			name = mnl_attr_get_str(attr);
		else if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_ID)
			id = extack_u32(attr);
	}
	if (!strcmp(name, CYGNET_MCGRP_EVENTS))
		nl->nl_group = id;
}

static int read_family(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr, *group;
	struct nl *nl = arg;

	mnl_attr_for_each(attr, nlh, GENL_HDRLEN) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID &&
		    mnl_attr_validate(attr, MNL_TYPE_U16) >= 0)
			nl->nl_type = mnl_attr_get_u16(attr);
		if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GROUPS)
			mnl_attr_for_each_nested(group, attr)
				read_group(nl, group);
	}
	return 0;
}

int nl_open_cygnet(struct nl *nl, struct nl_error *err)
{
	struct nlmsghdr *nlh;
	int result;

	result = open_socket(nl, NETLINK_GENERIC, err);
	if (result)
		return result;
	nlh = begin_genl(nl, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, CYGNET_FAMILY_NAME);
	result = nl_talk(nl, nlh, read_family, nl, err);
	if (result == -ENOENT)
		text_copy(err->err_msg, sizeof(err->err_msg),
			  "the cygnet kernel module is not loaded (modprobe cygnet)");
	if (result)
		nl_close(nl);
	return result;
}

int nl_open_route(struct nl *nl, struct nl_error *err)
{
	return open_socket(nl, NETLINK_ROUTE, err);
}

int nl_subscribe(struct nl *nl, struct nl_error *err)
{
	if (mnl_socket_setsockopt(nl->nl_socket, NETLINK_ADD_MEMBERSHIP,
				  &nl->nl_group, sizeof(nl->nl_group)) < 0)
		return set_error(err, errno, "cannot join the kernel's events");
	return 0;
}

int nl_fd(const struct nl *nl)
{
	return mnl_socket_get_fd(nl->nl_socket);
}

const char *nl_error_print(const struct nl_error *err, char *buf, size_t size)
{
	buf[0] = '\0';
	text_append(buf, size, "%s", err->err_msg[0] ? err->err_msg :
		    strerror(err->err_errno));
	if (err->err_attr[0])
		text_append(buf, size, " (%s)", err->err_attr);
	return buf;
}
