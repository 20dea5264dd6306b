// SPDX-License-Identifier: GPL-2.0-or-later

#include <errno.h>
#include <string.h>
#include <time.h>

#include "cygnet.h"
#include "lib/text.h"

static const char *event_name(u8 cmd)
{
	switch (cmd) {
	case CYGNET_CMD_ACQUIRE_NTF:
		return "acquire";
	case CYGNET_CMD_EXPIRE_NTF:
		return "expire";
	case CYGNET_CMD_SA_NEW_NTF:
		return "sa-new";
	case CYGNET_CMD_SA_SET_NTF:
		return "sa-moved";
	case CYGNET_CMD_SA_DEL_NTF:
		return "sa-del";
	case CYGNET_CMD_REJECTED_NTF:
		return "rejected";
	case CYGNET_CMD_POLICY_SET_NTF:
		return "policy-set";
	default:
		return "policy-del";
	}
}

static bool about_sa(const struct kernel_event *event)
{
	return event->kev_cmd == CYGNET_CMD_EXPIRE_NTF ||
	       event->kev_cmd == CYGNET_CMD_SA_NEW_NTF ||
	       event->kev_cmd == CYGNET_CMD_SA_SET_NTF ||
	       event->kev_cmd == CYGNET_CMD_SA_DEL_NTF;
}

static json_t *rejected_json(const struct kernel_event *event)
{
	json_t *array = json_array(), *object;
	char spi[16];

	for (u32 i = 1; i < KERNEL_DROPS; i++) {
		const struct kernel_rejected *r = &event->kev_rejected[i];

		if (!r->krej_packets)
			continue;
		object = json_pack("{s:s, s:I}", "reason", kernel_drop_name(i),
				   "packets", (json_int_t)r->krej_packets);
		snprintf(spi, sizeof(spi), "0x%08x", r->krej_spi);
		if (r->krej_ifindex)
			json_object_set_new(object, "ifindex",
					    json_integer(r->krej_ifindex));
		if (r->krej_spi)
			json_object_set_new(object, "spi", json_string(spi));
		json_array_append_new(array, object);
	}
	return array;
}

static void event_json(const struct kernel_event *event)
{
	json_t *object = json_pack("{s:s}", "event",
				   event_name(event->kev_cmd));

	if (event->kev_cmd == CYGNET_CMD_EXPIRE_NTF)
		json_object_set_new(object, "expiry", json_string
				    (kernel_expiry_name(event->kev_expiry)));
	if (event->kev_has_packet)
		json_object_set_new(object, "packet",
				    pair_json(&event->kev_packet));
	if (event->kev_cmd == CYGNET_CMD_REJECTED_NTF)
		json_object_set_new(object, "drops", rejected_json(event));
	else if (about_sa(event))
		json_object_set_new(object, "sa", sa_json(&event->kev_sa));
	else
		json_object_set_new(object, "policy",
				    policy_json(&event->kev_policy));
	print_json(object);
}

/* Where its packets come from and go to now. */
static void print_ends(const struct kernel_sa *sa)
{
	char src[IP_ADDR_STRLEN], dst[IP_ADDR_STRLEN];

	printf(": now %s", ip_addr_print(&sa->ksa_src, src));
	if (sa->ksa_encap_sport)
		printf(" port %u", sa->ksa_encap_sport);
	printf(" to %s", ip_addr_print(&sa->ksa_dst, dst));
	if (sa->ksa_encap_dport)
		printf(" port %u", sa->ksa_encap_dport);
}

static void print_sa_event(const struct kernel_event *event)
{
	char addr[IP_ADDR_STRLEN], bytes[SPAN_STRLEN];
	const struct kernel_sa *sa = &event->kev_sa;

	printf("%s 0x%08x to %s, policy %u",
	       kernel_direction_name(sa->ksa_direction), sa->ksa_spi,
	       ip_addr_print(&sa->ksa_dst, addr), sa->ksa_policy);
	if (event->kev_cmd == CYGNET_CMD_EXPIRE_NTF)
		printf(": %s", kernel_expiry_name(event->kev_expiry));
	if (event->kev_cmd == CYGNET_CMD_SA_SET_NTF)
		print_ends(sa);
	if (event->kev_cmd == CYGNET_CMD_SA_DEL_NTF)
		printf(", %llu packets, %s bytes", sa->ksa_packets,
		       amount(sa->ksa_bytes, bytes));
}

static void print_policy_event(const struct kernel_event *event)
{
	const struct kernel_policy *policy = &event->kev_policy;
	char dev[24], name[256], pair[TS_PAIR_STRLEN];

	printf("%u on %s", policy->kpol_id,
	       device_name(policy->kpol_ifindex, dev));
	if (policy->kpol_name[0])
		printf(" (%s)", safe_text(policy->kpol_name, name));
	if (event->kev_has_packet)
		printf(": %s", ts_pair_print(&event->kev_packet, pair));
	else if (policy->kpol_npairs)
		printf(": %s %s%s", kernel_action_name(policy->kpol_action),
		       ts_pair_print(&policy->kpol_pairs[0], pair),
		       policy->kpol_npairs > 1 ? ", …" : "");
}

/* "3 rx-auth (cyg0, SPI 0x00001001), 1 tx-no-sa (cyg0)" */
static void print_rejected(const struct kernel_event *event)
{
	const char *comma = "";
	char dev[24];

	for (u32 i = 1; i < KERNEL_DROPS; i++) {
		const struct kernel_rejected *r = &event->kev_rejected[i];

		if (!r->krej_packets)
			continue;
		printf("%s%llu %s", comma, r->krej_packets,
		       kernel_drop_name(i));
		if (r->krej_ifindex)
			printf(" (%s", device_name(r->krej_ifindex, dev));
		if (r->krej_spi)
			printf("%sSPI 0x%08x", r->krej_ifindex ? ", " : " (",
			       r->krej_spi);
		if (r->krej_ifindex || r->krej_spi)
			printf(")");
		comma = ", ";
	}
}

static void print_event(const struct kernel_event *event)
{
	struct timespec now;
	char stamp[16];
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%H:%M:%S", &tm);
	printf("%s.%03ld %s%-10s%s ", stamp, now.tv_nsec / 1000000, bold(),
	       event_name(event->kev_cmd), plain());
	if (event->kev_cmd == CYGNET_CMD_REJECTED_NTF)
		print_rejected(event);
	else if (about_sa(event))
		print_sa_event(event);
	else
		print_policy_event(event);
	printf("\n");
	fflush(stdout);
}

static int take_message(const struct nlmsghdr *nlh, void *arg)
{
	static struct kernel_event event;

	if (!kernel_event_decode(&event, nlh))
		return 0;
	if (options.opt_json)
		event_json(&event);
	else
		print_event(&event);
	return 0;
}

int run_monitor(struct args *args)
{
	struct nl_error error;
	struct nl nl;
	int result;

	no_more(args);
	open_kernel(&nl);
	result = nl_subscribe(&nl, &error);
	if (result) {
		nl_close(&nl);
		return kernel_failed(&error);
	}
	for (;;) {
		result = nl_receive(&nl, 0, take_message, NULL);
		if (result == -ENOBUFS)
			fail(0, "events came too fast and were lost");
		else if (result)
			break;
	}
	nl_close(&nl);
	return fail(EXIT_REFUSED, "cannot read events: %s", strerror(-result));
}
