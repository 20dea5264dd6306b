// SPDX-License-Identifier: GPL-2.0-or-later
/* cygnet device: how the outer packets of a device go. */

#include <string.h>

#include "cygnet.h"

static u32 parse_underlay(const char *text)
{
	return strcmp(text, "any") ? parse_device(text) : 0;
}

static unsigned int parse_part(struct kernel_device *device, const char *key,
			       const char *value)
{
	if (!strcmp(key, "fwmark")) {
		device->kdev_fwmark = parse_u64(key, value, 0, ~0u);
		return KERNEL_DEVICE_FWMARK;
	}
	if (!strcmp(key, "underlay")) {
		device->kdev_underlay = parse_underlay(value);
		return KERNEL_DEVICE_UNDERLAY;
	}
	if (!strcmp(key, "tos")) {
		device->kdev_tos = strcmp(value, "inherit") ?
				   parse_u64(key, value, 0, 255) : 0;
		return KERNEL_DEVICE_TOS;
	}
	usage_error("\"%s\" is not known here; see cygnet device help", key);
}

static int set_device(struct args *args)
{
	struct kernel_device device = { 0 };
	unsigned int parts = 0;
	struct nl_error error;
	const char *word;
	struct nl nl;
	int result;

	device.kdev_ifindex = parse_device(value_of(args, "device set"));
	while ((word = next_word(args)))
		parts |= parse_part(&device, word, value_of(args, word));
	if (!parts)
		usage_error("device set needs fwmark, underlay or tos");
	open_kernel(&nl);
	result = kernel_device_set(&nl, &device, parts, &error);
	nl_close(&nl);
	return result ? kernel_failed(&error) : EXIT_OK;
}

static int append_device(const struct kernel_device *device, void *arg)
{
	char name[24], underlay[24] = "any";

	if (device->kdev_underlay)
		device_name(device->kdev_underlay, underlay);
	json_array_append_new(arg, json_pack("{s:s, s:I, s:s, s:I}",
					     "device",
					     device_name(device->kdev_ifindex, name),
					     "fwmark",
					     (json_int_t)device->kdev_fwmark,
					     "underlay", underlay,
					     "tos", (json_int_t)device->kdev_tos));
	return 0;
}

static void print_outer(const json_t *devices)
{
	static const char *const headings[] = {
		"DEVICE", ">FWMARK", "UNDERLAY", ">TOS", NULL
	};
	long long mark, tos;
	const json_t *device;
	struct table table;
	size_t i;

	table_begin(&table, headings);
	json_array_foreach(devices, i, device) {
		mark = json_integer_value(json_object_get(device, "fwmark"));
		tos = json_integer_value(json_object_get(device, "tos"));
		table_cell(&table, "%s",
			   json_string_value(json_object_get(device, "device")));
		table_cell(&table, mark ? "0x%llx" : "none", mark);
		table_cell(&table, "%s",
			   json_string_value(json_object_get(device, "underlay")));
		table_cell(&table, tos ? "0x%02llx" : "inherit", tos);
	}
	table_end(&table, 0);
}

static int show_devices(struct args *args)
{
	json_t *devices = json_array();
	struct nl_error error;
	struct nl nl;
	int result;

	no_more(args);
	open_kernel(&nl);
	result = kernel_device_dump(&nl, append_device, devices, &error);
	nl_close(&nl);
	if (!result && options.opt_json)
		print_json(json_pack("{s:O}", "devices", devices));
	else if (!result)
		print_outer(devices);
	json_decref(devices);
	return result ? kernel_failed(&error) : EXIT_OK;
}

static const struct verb verbs[] = {
	{ "set", set_device,
	  "set DEVICE [fwmark N] [underlay INTERFACE|any] [tos N|inherit]", NULL },
	{ "show", show_devices, "show", NULL },
};

int run_device(struct args *args)
{
	return run_subverb(args, verbs, ARRAY_SIZE(verbs), "device");
}
