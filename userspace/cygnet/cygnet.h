/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line. main.c is a table of verbs, each in a file of its own:
 *
 *	sa.c  policy.c  port.c  outer.c  monitor.c	the kernel's objects
 *	show.c  drops.c				the whole picture
 *	conn.c  config.c			connections and configuration
 *	args.c  print.c  members.c		words in, tables and JSON out
 */
#ifndef CYGNET_H
#define CYGNET_H

#include "lib/json.h"
#include "lib/objects.h"

enum exit_code {
	EXIT_OK = 0,
	EXIT_REFUSED = 1,	/* by the kernel, cygnetd or the peer */
	EXIT_USAGE = 2,
	EXIT_CONFIG = 3,	/* mistakes in the configuration */
	EXIT_ABSENT = 4,	/* no module loaded, no cygnetd running */
};

struct options {
	bool opt_json;
	bool opt_manual_key;		/* --manual-key-for-testing */
	const char *opt_config;		/* --config FILE */
	const char *opt_control_dir;	/* --control-dir DIR */
};

extern struct options options;

/* Words still to be read. */
struct args {
	char **args_words;
	int args_count;
};

struct verb {
	const char *verb_name;
	int (*verb_run)(struct args *args);
	const char *verb_usage;
	const char *verb_summary;
};

int run_sa(struct args *args);
int run_policy(struct args *args);
int run_device(struct args *args);
int run_port(struct args *args);
int run_monitor(struct args *args);
int run_show(struct args *args);
int run_check(struct args *args);
int run_up(struct args *args);
int run_down(struct args *args);
int run_rekey(struct args *args);
int run_reload(struct args *args);
int run_doctor(struct args *args);
int run_help(struct args *args);

/* args.c: whatever is wrong ends the program with EXIT_USAGE. */
void __noreturn __printf(1, 2) usage_error(const char *format, ...);
/* The next word, or NULL. */
const char *next_word(struct args *args);
/* True, and past it, if it is the next one. */
bool take_word(struct args *args, const char *word);
/* The word after key. */
const char *value_of(struct args *args, const char *key);
void no_more(struct args *args);
/* Runs the subcommand that the next word names. */
int run_subverb(struct args *args, const struct verb *verbs, size_t count,
		const char *of);
u64 parse_u64(const char *key, const char *text, u64 min, u64 max);
u32 parse_spi(const char *text);
void parse_addr(struct ip_addr *addr, const char *key, const char *text);
void parse_range(struct ip_range *range, const char *key, const char *text);
u32 parse_device(const char *text);
/* "esp" or "ah". */
u8 parse_ipsec_protocol(const char *text);
u8 parse_choice(const char *key, const char *text,
		const char *(*name)(u32 value), u8 count);

/* print.c */
int __printf(2, 3) fail(int code, const char *format, ...);
int kernel_failed(const struct nl_error *err);
/* Ends the program if there is no module. */
void open_kernel(struct nl *nl);

#define TABLE_COLUMNS 16

/* A table whose columns are as wide as their cells. */
struct table {
	size_t table_columns;
	size_t table_cells;
	size_t table_room;
	char **table_text;
	bool table_right[TABLE_COLUMNS];
};

/* Headings; one that begins with '>' has its column set to the right. */
void table_begin(struct table *table, const char *const *headings);
void __printf(2, 3) table_cell(struct table *table, const char *format, ...);
/* Prints with that indentation and frees. */
void table_end(struct table *table, int indent);

const char *bold(void);
const char *plain(void);
void heading(const char *text);
#define SPAN_STRLEN 24
const char *span(u64 seconds, char buf[SPAN_STRLEN]);
const char *amount(u64 bytes, char buf[SPAN_STRLEN]);
const char *device_name(u32 ifindex, char buf[24]);
const char *cipher_name(const struct kernel_sa *sa, char buf[64]);
const char *safe_text(const char *text, char buf[256]);
/* Counters that are not 0, "reason packets, …". */
const char *drops_text(const u64 drops[KERNEL_DROPS], char *buf, size_t size);
void print_json(json_t *object);

/* members.c: the objects in JSON, members named as in cygnet.yaml. */
json_t *sa_json(const struct kernel_sa *sa);
json_t *policy_json(const struct kernel_policy *policy);
json_t *pair_json(const struct ts_pair *pair);
json_t *drops_json(const u64 drops[KERNEL_DROPS]);

/* Lists of everything, newly allocated. */
struct sa_list {
	size_t sas_count;
	struct kernel_sa *sas;
};

struct policy_list {
	size_t policies_count;
	struct kernel_policy *policies;
};

int list_sas(struct nl *nl, struct sa_list *list, struct nl_error *err);
int list_policies(struct nl *nl, struct policy_list *list,
		  struct nl_error *err);
void print_sas(const struct sa_list *list);
void print_policies(const struct policy_list *list);
json_t *sas_json(const struct sa_list *list);
json_t *policies_json(const struct policy_list *list);
json_t *ports_json(struct nl *nl, int *result, struct nl_error *err);

/* conn.c: live state of cygnetd; NULL, with *code set, if it has none. */
json_t *daemon_status(const char *name, int *code, char *err, size_t err_size);
void print_connections(const json_t *status);

/* config.c */
int show_config(struct args *args);
/* drops.c */
int show_drops(struct args *args);
void print_drops(const u64 drops[KERNEL_DROPS]);

#endif
