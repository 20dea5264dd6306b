// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cygnetd - the IKE daemon
 *
 * Exit status: 0 stopped as asked, or --check found no error; 1 could not
 * start or run; 2 wrong usage; 3 an error in the configuration.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cred.h"
#include "engine.h"
#include "log.h"
#include "resolver.h"
#include "snapshot.h"
#include "supervisor.h"

enum {
	STATUS_OK,
	STATUS_FAILED,
	STATUS_USAGE,
	STATUS_CONFIG,
};

static const char usage[] =
	"usage: cygnetd [-c FILE] [--check]\n"
	"\n"
	"  -c, --config FILE  read FILE instead of " CONF_PATH_DEFAULT "\n"
	"      --check        only check the configuration\n"
	"      --foreground   stay in the foreground (always so)\n"
	"      --version      print the version\n"
	"  -h, --help         print this\n"
	"\n"
	"Stopped or killed, it leaves its tunnels up in the kernel, and takes them over\n"
	"when it starts again; 'cygnet down NAME' ends one.\n"
	"\n"
	"Exit status: 0 ended as asked, 1 failed, 2 wrong usage, 3 wrong configuration.\n";

enum { OPT_CHECK = 256, OPT_FOREGROUND, OPT_VERSION, OPT_TEST_BACKEND };

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "foreground", no_argument, NULL, OPT_FOREGROUND },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, 'h' },
#ifdef CYGNET_TEST_BACKEND
	{ "test-backend", required_argument, NULL, OPT_TEST_BACKEND },
#endif
	{ NULL, 0, NULL, 0 },
};

static struct {
	const char *arg_config;
	const char *arg_test_backend;
	bool arg_check;
} args = { .arg_config = CONF_PATH_DEFAULT };

/* Returns the status to exit with, or -1 to go on. */
static int read_args(int argc, char **argv)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			args.arg_config = optarg;
			break;
		case OPT_CHECK:
			args.arg_check = true;
			break;
		case OPT_FOREGROUND:
			break;
		case OPT_VERSION:
			puts("cygnetd " CYGNET_VERSION);
			return STATUS_OK;
		case OPT_TEST_BACKEND:
			args.arg_test_backend = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return STATUS_OK;
		default:
			fputs(usage, stderr);
			return STATUS_USAGE;
		}
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "cygnetd: what is \"%s\" for?\n%s", argv[optind],
		usage);
	return STATUS_USAGE;
}

/* A file that is missing harms its connection; a wrong word all of them. */
static struct conf *read_config(bool *sound_files)
{
	struct conf_log log = { 0 };
	struct conf *conf = conf_read(args.arg_config, &log);
	bool sound = conf && !cred_check(conf, &log);

	conf_log_print(stderr, args.arg_config, &log);
	conf_log_free(&log);
	*sound_files = sound;
	return conf;
}

static struct backend *open_backend(const struct conf *conf)
{
#ifdef CYGNET_TEST_BACKEND
	if (args.arg_test_backend)
		return negotiate_backend(args.arg_test_backend);
#endif
	return kernel_backend(conf);
}

static int run(const struct conf *conf)
{
	struct backend *backend;
	bool ok;

	log_set_level(conf->conf_log_level);
	backend = open_backend(conf);
	if (!backend)
		return STATUS_FAILED;
	ok = supervise(conf, backend);
	backend->be_ops->bo_free(backend);
	return ok ? STATUS_OK : STATUS_FAILED;
}

int main(int argc, char **argv)
{
	struct conf *conf;
	int status;
	bool sound;

	if (argc == 1 && !strcmp(argv[0], ENGINE_NAME))
		return engine_main();
	if (argc == 1 && !strcmp(argv[0], RESOLVER_NAME))
		return resolver_main();
	log_open("cygnetd");
	snapshot_init(argv);
	status = read_args(argc, argv);
	if (status >= 0)
		return status;
	conf = read_config(&sound);
	if (!conf)
		return STATUS_CONFIG;
	if (args.arg_check)
		status = sound ? STATUS_OK : STATUS_CONFIG;
	else
		status = run(conf);
	conf_free(conf);
	return status;
}
