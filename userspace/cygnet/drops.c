// SPDX-License-Identifier: GPL-2.0-or-later

#include "cygnet.h"

void print_drops(const u64 drops[KERNEL_DROPS])
{
	static const char *const headings[] = {
		">PACKETS", "REASON", "MEANING", NULL
	};
	struct table table;
	u32 i;

	table_begin(&table, headings);
	for (i = 0; i < KERNEL_DROPS; i++) {
		if (!drops[i])
			continue;
		table_cell(&table, "%llu", drops[i]);
		table_cell(&table, "%s", kernel_drop_name(i));
		table_cell(&table, "%s", kernel_drop_meaning(i));
	}
	table_end(&table, 0);
}

int show_drops(struct args *args)
{
	const char *device = next_word(args);
	struct kernel_stats stats;
	struct nl_error error;
	struct nl nl;
	int result;

	no_more(args);
	open_kernel(&nl);
	result = kernel_stats_get(&nl, device ? parse_device(device) : 0,
				  &stats, &error);
	nl_close(&nl);
	if (result)
		return kernel_failed(&error);
	if (options.opt_json)
		print_json(json_pack("{s:o}", "drops",
				     drops_json(stats.kstat_drops)));
	else
		print_drops(stats.kstat_drops);
	return EXIT_OK;
}
