// SPDX-License-Identifier: GPL-2.0-or-later
/* The whole picture: kernel and daemon, each as far as it is there. */

#include <stdlib.h>
#include <string.h>

#include "cygnet.h"
#include "device.h"

struct picture {
	bool pic_kernel;
	struct nl_error pic_error;	/* if not */
	struct device_list pic_devices;
	struct policy_list pic_policies;
	struct sa_list pic_sas;
	struct kernel_stats pic_stats;
	json_t *pic_ports;
	json_t *pic_daemon;		/* NULL if it does not run */
	char pic_daemon_error[256];
};

static int ask_kernel(struct picture *pic)
{
	struct nl_error *err = &pic->pic_error;
	int result, ports;
	struct nl nl;

	result = nl_open_cygnet(&nl, err);
	if (result)
		return result;
	result = list_devices(&pic->pic_devices, err) ?:
		 list_policies(&nl, &pic->pic_policies, err) ?:
		 list_sas(&nl, &pic->pic_sas, err) ?:
		 kernel_stats_get(&nl, 0, &pic->pic_stats, err);
	if (!result) {
		pic->pic_ports = ports_json(&nl, &ports, err);
		result = ports;
	}
	nl_close(&nl);
	return result;
}

static void free_picture(struct picture *pic)
{
	free(pic->pic_devices.devices);
	free(pic->pic_policies.policies);
	free(pic->pic_sas.sas);
	json_decref(pic->pic_ports);
	json_decref(pic->pic_daemon);
}

static json_t *devices_json(const struct device_list *list)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < list->devices_count; i++)
		json_array_append_new(array, device_json(&list->devices[i]));
	return array;
}

static void picture_json(const struct picture *pic)
{
	json_t *object = json_object();

	if (pic->pic_daemon)
		json_object_set(object, "connections",
				json_object_get(pic->pic_daemon,
						"connections"));
	if (pic->pic_kernel) {
		json_object_set_new(object, "devices",
				    devices_json(&pic->pic_devices));
		json_object_set_new(object, "policies",
				    policies_json(&pic->pic_policies));
		json_object_set_new(object, "sas", sas_json(&pic->pic_sas));
		json_object_set(object, "ports", pic->pic_ports);
		json_object_set_new(object, "drops",
				    drops_json(pic->pic_stats.kstat_drops));
		json_object_set_new(object, "crypto-pending",
				    json_u64(pic->pic_stats.kstat_crypto_pending));
	}
	print_json(object);
}

static bool any_drops(const u64 drops[KERNEL_DROPS])
{
	u32 i;

	for (i = 0; i < KERNEL_DROPS; i++)
		if (drops[i])
			return true;
	return false;
}

static void print_ports(const json_t *ports)
{
	const json_t *port;
	size_t i;

	if (!json_array_size(ports))
		return;
	printf("%sUDP PORTS%s", bold(), plain());
	json_array_foreach(ports, i, port)
		printf("  %lld", (long long)json_integer_value(port));
	printf("\n");
}

static void print_kernel(const struct picture *pic)
{
	if (!pic->pic_devices.devices_count &&
	    !pic->pic_policies.policies_count && !pic->pic_sas.sas_count)
		printf("no devices, policies or SAs\n");
	if (pic->pic_devices.devices_count)
		print_devices(&pic->pic_devices);
	if (pic->pic_policies.policies_count) {
		printf("\n");
		print_policies(&pic->pic_policies);
	}
	if (pic->pic_sas.sas_count) {
		printf("\n");
		print_sas(&pic->pic_sas);
	}
	if (json_array_size(pic->pic_ports))
		printf("\n");
	print_ports(pic->pic_ports);
	if (any_drops(pic->pic_stats.kstat_drops)) {
		printf("\n");
		print_drops(pic->pic_stats.kstat_drops);
	}
}

static void print_picture(const struct picture *pic)
{
	char buf[NL_ERROR_STRLEN];

	if (pic->pic_daemon)
		print_connections(pic->pic_daemon);
	else
		printf("daemon: %s\n", pic->pic_daemon_error);
	printf("\n");
	if (pic->pic_kernel)
		print_kernel(pic);
	else
		printf("kernel: %s\n", nl_error_print(&pic->pic_error, buf,
						      sizeof(buf)));
}

static int show_all(void)
{
	struct picture pic = { 0 };
	int code;

	pic.pic_kernel = !ask_kernel(&pic);
	pic.pic_daemon = daemon_status(NULL, &code, pic.pic_daemon_error,
				       sizeof(pic.pic_daemon_error));
	if (options.opt_json)
		picture_json(&pic);
	else
		print_picture(&pic);
	code = pic.pic_kernel || pic.pic_daemon ? EXIT_OK : EXIT_ABSENT;
	free_picture(&pic);
	return code;
}

static int show_connection(const char *name)
{
	char err[256], text[256];
	json_t *status;
	int code;

	status = daemon_status(name, &code, err, sizeof(err));
	if (!status)
		return fail(code, "%s", safe_text(err, text));
	if (options.opt_json)
		json_print(stdout, status);
	else
		print_connections(status);
	json_decref(status);
	return EXIT_OK;
}

int run_show(struct args *args)
{
	const char *word = next_word(args);

	if (!word)
		return show_all();
	if (!strcmp(word, "config"))
		return show_config(args);
	if (!strcmp(word, "drops"))
		return show_drops(args);
	no_more(args);
	return show_connection(word);
}
