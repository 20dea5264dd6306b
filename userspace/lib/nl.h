/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Netlink over libmnl: one synchronous request at a time, with the kernel's
 * extended acknowledgment (message and attribute) captured. Serves the
 * cygnet family and rtnetlink. Buffers that held keys are wiped.
 */
#ifndef CYGNET_LIB_NL_H
#define CYGNET_LIB_NL_H

#include <libmnl/libmnl.h>

#include "types.h"

struct nl_error {
	int err_errno;		/* positive */
	char err_attr[64];	/* "selector.protocol", or "" */
	char err_msg[256];	/* the kernel's own words, or "" */
};

struct nl {
	struct mnl_socket *nl_socket;
	u16 nl_type;		/* genetlink family id, 0 on rtnetlink */
	u32 nl_group;		/* id of the "events" group */
	u32 nl_seq;
	size_t nl_len;
	u8 *nl_buf;		/* the request being built */
	u8 *nl_reply;
};

/*
 * All return 0, or a negative errno with *err filled in. A failed open leaves
 * nothing to close.
 */
int nl_open_cygnet(struct nl *nl, struct nl_error *err);
int nl_open_route(struct nl *nl, struct nl_error *err);
void nl_close(struct nl *nl);
/* Joins the family's events; then only nl_receive() may be used. */
int nl_subscribe(struct nl *nl, struct nl_error *err);
int nl_fd(const struct nl *nl);

/* Begins a request to the cygnet family; flags as NLM_F_DUMP. */
struct nlmsghdr *nl_request(struct nl *nl, u8 cmd, u16 flags);
/* Begins an rtnetlink request; extra is zeroed room after the header. */
struct nlmsghdr *nl_route_request(struct nl *nl, u16 type, u16 flags,
				  size_t extra, void **header);
/* Room for attributes: pass to mnl_attr_put_check() and the like. */
#define NL_REQUEST_MAX	131072

/*
 * Sends the request, hands every answer to cb (may be NULL; returns 0, or a
 * negative errno which stops calling it), waits for the acknowledgment,
 * wipes the request.
 */
typedef int nl_cb(const struct nlmsghdr *nlh, void *arg);
int nl_talk(struct nl *nl, struct nlmsghdr *nlh, nl_cb *cb, void *arg,
	    struct nl_error *err);
/*
 * Events that are there: calls cb for each message; never blocks when flags
 * has MSG_DONTWAIT. -ENOBUFS means that events were lost: dump anew.
 */
int nl_receive(struct nl *nl, int flags, nl_cb *cb, void *arg);

/* "message (attribute)" in one line; errno's words if there is no message. */
const char *nl_error_print(const struct nl_error *err, char *buf, size_t size);
#define NL_ERROR_STRLEN	400

#endif
