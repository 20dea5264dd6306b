// SPDX-License-Identifier: GPL-2.0-or-later

#include "unit.h"

static void __attribute__((constructor)) set_filter(void)
{
	static char pattern[256];
	const char *name = getenv("T");

	if (!name || !*name)
		return;
	snprintf(pattern, sizeof(pattern), "*%s*", name);
	cmocka_set_test_filter(pattern);
}
