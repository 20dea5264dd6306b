// SPDX-License-Identifier: GPL-2.0-or-later

#include <stdlib.h>
#include <string.h>

#include "cygnet.h"
#include "lib/text.h"

struct options options;

static const struct verb verbs[] = {
	{ "show", run_show, "show [NAME | config [NAME] | drops [DEVICE]]",
	  "the whole picture, or one part" },
	{ "up", run_up, "up NAME", "bring a connection up" },
	{ "down", run_down, "down NAME", "take a connection down" },
	{ "rekey", run_rekey, "rekey NAME [ike]",
	  "renew the keys of a connection's traffic, or of its IKE SA" },
	{ "check", run_check, "check [FILE]", "look for mistakes in the configuration" },
	{ "reload", run_reload, "reload",
	  "let cygnetd read its configuration again" },
	{ "doctor", run_doctor, "doctor NAME",
	  "say why a connection does not come up" },
	{ "monitor", run_monitor, "monitor", "follow the kernel's events" },
	{ "sa", run_sa, "sa add|delete|show ...", "security associations" },
	{ "policy", run_policy, "policy set|delete|show ...", "policies" },
	{ "device", run_device, "device set|show ...",
	  "how the outer packets of devices go" },
	{ "port", run_port, "port add|delete|show ...",
	  "UDP ports for encapsulated ESP" },
	{ "help", run_help, "help", "this list" },
};

int run_help(struct args *args)
{
	size_t i;

	printf("usage: cygnet [--json] [--config FILE] [--control-dir DIR] VERB ...\n\n");
	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		printf("  %-50s %s\n", verbs[i].verb_usage,
		       verbs[i].verb_summary);
	printf("\n\"cygnet sa help\" and the like tell more; see cygnet(8), cygnet.conf(5).\n");
	return EXIT_OK;
}

static int run_verb(struct args *args)
{
	struct suggestion near = { 0 };
	const char *word = next_word(args);
	size_t i;

	if (!word)
		return run_show(args);
	for (i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (!strcmp(word, verbs[i].verb_name))
			return verbs[i].verb_run(args);
		suggest(&near, word, verbs[i].verb_name);
	}
	usage_error("unknown verb \"%s\"; %s%s%scygnet help lists them", word,
		    near.sug_best ? "did you mean \"" : "",
		    near.sug_best ?: "", near.sug_best ? "\"? " : "");
}

/* True if the word was an option; they may stand anywhere. */
static bool take_option(char **words, int count, int *used)
{
	*used = 1;
	if (!strcmp(words[0], "--json")) {
		options.opt_json = true;
	} else if (!strcmp(words[0], "--manual-key-for-testing")) {
		options.opt_manual_key = true;
	} else if (!strcmp(words[0], "--version")) {
		printf("cygnet %s\n", CYGNET_VERSION);
		exit(EXIT_OK);
	} else if (!strcmp(words[0], "--help") || !strcmp(words[0], "-h")) {
		exit(run_help(NULL));
	} else if (!strcmp(words[0], "--config") && count > 1) {
		options.opt_config = words[1];
		*used = 2;
	} else if (!strcmp(words[0], "--control-dir") && count > 1) {
		options.opt_control_dir = words[1];
		*used = 2;
	} else {
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct args args = { argv + 1, 0 };
	int i, used;

	for (i = 1; i < argc; i += used) {
		if (take_option(&argv[i], argc - i, &used))
			continue;
		if (!strncmp(argv[i], "--", 2))
			usage_error("unknown option \"%s\"", argv[i]);
		args.args_words[args.args_count++] = argv[i];
	}
	return run_verb(&args);
}
