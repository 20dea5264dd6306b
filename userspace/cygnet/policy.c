// SPDX-License-Identifier: GPL-2.0-or-later

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cygnet.h"
#include "lib/text.h"

/* The pair that "local" began last. */
static struct ts_pair *current_pair(struct kernel_policy *policy,
				    const char *key)
{
	if (!policy->kpol_npairs)
		usage_error("\"%s\" belongs behind \"local NETWORK\"", key);
	return &policy->kpol_pairs[policy->kpol_npairs - 1];
}

static void begin_pair(struct kernel_policy *policy, const char *value)
{
	struct ip_range range;
	struct ts_pair *pair;

	if (policy->kpol_npairs == CYGNET_SELECTORS_MAX)
		usage_error("a policy has at most %d pairs of networks",
			    CYGNET_SELECTORS_MAX);
	pair = &policy->kpol_pairs[policy->kpol_npairs++];
	parse_range(&range, "local", value);
	ts_from_range(&pair->pair_local, &range);
	pair->pair_remote.ts_port_last = 65535;
}

static void parse_protocol(struct ts_pair *pair, const char *value)
{
	u8 protocol;

	if (!ip_protocol_parse(&protocol, value))
		usage_error("proto takes a protocol, as tcp or 17, not \"%s\"",
			    value);
	pair->pair_local.ts_protocol = protocol;
	pair->pair_remote.ts_protocol = protocol;
}

static void parse_ports(struct ts *ts, const char *key, const char *value)
{
	if (!port_range_parse(&ts->ts_port_first, &ts->ts_port_last, value))
		usage_error("%s takes a port or FIRST-LAST, not \"%s\"", key,
			    value);
}

static const char *on_off_name(u32 off)
{
	return off ? "off" : "on";
}

/* False if the word is no part of a pair. */
static bool parse_pair_word(struct kernel_policy *policy, struct args *args,
			    const char *key)
{
	struct ip_range range;

	if (!strcmp(key, "local")) {
		begin_pair(policy, value_of(args, key));
	} else if (!strcmp(key, "remote")) {
		parse_range(&range, key, value_of(args, key));
		current_pair(policy, key)->pair_remote.ts_addrs = range;
	} else if (!strcmp(key, "proto")) {
		parse_protocol(current_pair(policy, key),
			       value_of(args, key));
	} else if (!strcmp(key, "local-port")) {
		parse_ports(&current_pair(policy, key)->pair_local, key,
			    value_of(args, key));
	} else if (!strcmp(key, "remote-port")) {
		parse_ports(&current_pair(policy, key)->pair_remote, key,
			    value_of(args, key));
	} else {
		return false;
	}
	return true;
}

/* False if the word is none of the outer header's, or of SYNs. */
static bool parse_header_option(struct kernel_policy *policy, const char *key,
				const char *value)
{
	if (!strcmp(key, "df")) {
		policy->kpol_df = parse_choice(key, value, kernel_df_name, 3);
	} else if (!strcmp(key, "dscp")) {
		policy->kpol_has_dscp = strcmp(value, "copy") != 0;
		if (policy->kpol_has_dscp)
			policy->kpol_dscp = parse_u64(key, value, 0, 63);
	} else if (!strcmp(key, "ttl")) {
		policy->kpol_ttl = parse_u64(key, value, 1, 255);
	} else if (!strcmp(key, "flow-label")) {
		policy->kpol_has_flow_label = true;
		policy->kpol_flow_label = parse_u64(key, value, 0, 0xfffff);
	} else if (!strcmp(key, "mss-clamp")) {
		policy->kpol_no_mss_clamp = parse_choice(key, value,
							 on_off_name, 2);
	} else {
		return false;
	}
	return true;
}

static void parse_option(struct kernel_policy *policy, struct args *args,
			 const char *key)
{
	const char *value = value_of(args, key);

	if (parse_header_option(policy, key, value))
		return;
	if (!strcmp(key, "dev"))
		policy->kpol_ifindex = parse_device(value);
	else if (!strcmp(key, "id"))
		policy->kpol_id = parse_u64(key, value, 1, ~0u);
	else if (!strcmp(key, "priority"))
		policy->kpol_priority = parse_u64(key, value, 0, ~0u);
	else if (!strcmp(key, "action"))
		policy->kpol_action = parse_choice(key, value,
						   kernel_action_name, 3);
	else if (!strcmp(key, "protocol"))
		policy->kpol_protocol = parse_ipsec_protocol(value);
	else if (!strcmp(key, "mode"))
		policy->kpol_mode = parse_choice(key, value,
						 kernel_mode_name, 2);
	else if (strcmp(key, "name") != 0)
		usage_error("\"%s\" is not known here; see cygnet policy help",
			    key);
	else if (!text_copy(policy->kpol_name, sizeof(policy->kpol_name),
			    value))
		usage_error("a name has at most %d bytes",
			    CYGNET_NAME_LEN_MAX);
}

static void check_complete(const struct kernel_policy *policy, bool action)
{
	u32 i;

	if (!policy->kpol_ifindex || !action || !policy->kpol_npairs)
		usage_error("a policy needs dev, action, and local and remote");
	for (i = 0; i < policy->kpol_npairs; i++)
		if (!ip_addr_len(&policy->kpol_pairs[i].pair_remote.ts_addrs
				 .range_first))
			usage_error("each local needs its remote");
}

static int set_policy(struct args *args)
{
	struct kernel_policy policy = { 0 };
	struct nl_error error;
	bool action = false;
	const char *word;
	struct nl nl;
	int result;

	while ((word = next_word(args))) {
		action |= !strcmp(word, "action");
		if (!strcmp(word, "steer"))
			policy.kpol_steer = true;
		else if (!parse_pair_word(&policy, args, word))
			parse_option(&policy, args, word);
	}
	check_complete(&policy, action);
	open_kernel(&nl);
	result = kernel_policy_set(&nl, &policy, &error);
	nl_close(&nl);
	if (result)
		return kernel_failed(&error);
	if (options.opt_json)
		print_json(json_pack("{s:I}", "id",
				     (json_int_t)policy.kpol_id));
	else
		printf("policy %u\n", policy.kpol_id);
	return EXIT_OK;
}

static u32 parse_id(struct args *args)
{
	const char *word = value_of(args, "id");

	if (!strcmp(word, "id"))
		word = value_of(args, "id");
	no_more(args);
	return parse_u64("id", word, 1, ~0u);
}

static int delete_policy(struct args *args)
{
	u32 id = parse_id(args);
	struct nl_error error;
	struct nl nl;
	int result;

	open_kernel(&nl);
	result = kernel_policy_del(&nl, id, &error);
	nl_close(&nl);
	return result ? kernel_failed(&error) : EXIT_OK;
}

static int append_policy(const struct kernel_policy *policy, void *arg)
{
	struct policy_list *list = arg;
	struct kernel_policy *policies;

	policies = reallocarray(list->policies, list->policies_count + 1,
				sizeof(*policies));
	if (!policies)
		return -ENOMEM;
	list->policies = policies;
	policies[list->policies_count++] = *policy;
	return 0;
}

int list_policies(struct nl *nl, struct policy_list *list,
		  struct nl_error *err)
{
	memset(list, 0, sizeof(*list));
	return kernel_policy_dump(nl, append_policy, list, err);
}

/* The first pair stands beside the policy, the others below. */
static void print_policy(struct table *table,
			 const struct kernel_policy *policy)
{
	char pair[TS_PAIR_STRLEN], name[256], dev[24];
	u32 i, column;

	table_cell(table, "%u", policy->kpol_id);
	table_cell(table, "%s", device_name(policy->kpol_ifindex, dev));
	table_cell(table, "%u", policy->kpol_priority);
	table_cell(table, "%s%s", kernel_action_name(policy->kpol_action),
		   policy->kpol_steer ? ", steer" : "");
	table_cell(table, "%s", safe_text(policy->kpol_name, name));
	if (policy->kpol_action != CYGNET_ACTION_PROTECT)
		table_cell(table, "-");
	else if (policy->kpol_spi)
		table_cell(table, "0x%08x", policy->kpol_spi);
	else
		table_cell(table, "none");
	for (i = 0; i < policy->kpol_npairs; i++) {
		for (column = 0; i && column < 6; column++)
			table_cell(table, "%s", "");
		table_cell(table, "%s",
			   ts_pair_print(&policy->kpol_pairs[i], pair));
	}
	if (!policy->kpol_npairs)
		table_cell(table, "%s", "");
}

void print_policies(const struct policy_list *list)
{
	static const char *const headings[] = {
		">ID", "DEVICE", ">PRIORITY", "ACTION", "NAME", "SPI OUT",
		"LOCAL <-> REMOTE", NULL
	};
	struct table table;
	size_t i;

	table_begin(&table, headings);
	for (i = 0; i < list->policies_count; i++)
		print_policy(&table, &list->policies[i]);
	table_end(&table, 0);
}

json_t *policies_json(const struct policy_list *list)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < list->policies_count; i++)
		json_array_append_new(array, policy_json(&list->policies[i]));
	return array;
}

static int show_policies(struct args *args)
{
	u32 id = args->args_count ? parse_id(args) : 0;
	struct policy_list list = { 0 };
	struct kernel_policy policy;
	struct nl_error error;
	struct nl nl;
	int result;

	open_kernel(&nl);
	if (id)
		result = kernel_policy_get(&nl, id, &policy, &error) ?:
			 append_policy(&policy, &list);
	else
		result = list_policies(&nl, &list, &error);
	nl_close(&nl);
	if (!result && options.opt_json)
		print_json(json_pack("{s:o}", "policies",
				     policies_json(&list)));
	else if (!result)
		print_policies(&list);
	free(list.policies);
	return result ? kernel_failed(&error) : EXIT_OK;
}

static const struct verb verbs[] = {
	{ "set", set_policy,
	  "set dev DEVICE [id ID] [name NAME] [priority N] action protect|bypass|discard [steer] [protocol esp|ah] [mode tunnel|transport] [df clear|copy|set] [dscp copy|N] [ttl N] [flow-label N] [mss-clamp on|off] local NETWORK remote NETWORK [proto PROTOCOL] [local-port PORTS] [remote-port PORTS] [local ... remote ...]",
	  NULL },
	{ "delete", delete_policy, "delete ID", NULL },
	{ "show", show_policies, "show [ID]", NULL },
};

int run_policy(struct args *args)
{
	return run_subverb(args, verbs, ARRAY_SIZE(verbs), "policy");
}
