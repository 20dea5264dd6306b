// SPDX-License-Identifier: GPL-2.0-or-later

#include "cygnet.h"

static int change_port(struct args *args, const char *verb,
		       int (*change)(struct nl *nl, u16 port,
				     struct nl_error *err))
{
	u16 port = parse_u64("port", value_of(args, verb), 1, 65535);
	struct nl_error error;
	struct nl nl;
	int result;

	no_more(args);
	open_kernel(&nl);
	result = change(&nl, port, &error);
	nl_close(&nl);
	return result ? kernel_failed(&error) : EXIT_OK;
}

static int add_port(struct args *args)
{
	return change_port(args, "port add", kernel_port_add);
}

static int delete_port(struct args *args)
{
	return change_port(args, "port delete", kernel_port_del);
}

static int append_port(u16 port, void *arg)
{
	json_array_append_new(arg, json_u64(port));
	return 0;
}

json_t *ports_json(struct nl *nl, int *result, struct nl_error *err)
{
	json_t *ports = json_array();

	*result = kernel_port_dump(nl, append_port, ports, err);
	return ports;
}

static int show_ports(struct args *args)
{
	struct nl_error error;
	struct nl nl;
	json_t *ports, *port;
	int result;
	size_t i;

	no_more(args);
	open_kernel(&nl);
	ports = ports_json(&nl, &result, &error);
	nl_close(&nl);
	if (result) {
		json_decref(ports);
		return kernel_failed(&error);
	}
	if (options.opt_json) {
		print_json(json_pack("{s:o}", "ports", ports));
		return EXIT_OK;
	}
	json_array_foreach(ports, i, port)
		printf("udp %lld\n", (long long)json_integer_value(port));
	json_decref(ports);
	return EXIT_OK;
}

static const struct verb verbs[] = {
	{ "add", add_port, "add PORT", NULL },
	{ "delete", delete_port, "delete PORT", NULL },
	{ "show", show_ports, "show", NULL },
};

int run_port(struct args *args)
{
	return run_subverb(args, verbs, ARRAY_SIZE(verbs), "port");
}
