// SPDX-License-Identifier: GPL-2.0-or-later

#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cygnet.h"
#include "lib/text.h"

void usage_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("cygnet: ", stderr);
	vfprintf(stderr, format, args);
	fputs("\n", stderr);
	va_end(args);
	exit(EXIT_USAGE);
}

const char *next_word(struct args *args)
{
	if (!args->args_count)
		return NULL;
	args->args_count--;
	return *args->args_words++;
}

bool take_word(struct args *args, const char *word)
{
	if (!args->args_count || strcmp(args->args_words[0], word) != 0)
		return false;
	next_word(args);
	return true;
}

const char *value_of(struct args *args, const char *key)
{
	const char *word = next_word(args);

	if (!word)
		usage_error("\"%s\" needs a value behind it", key);
	return word;
}

void no_more(struct args *args)
{
	if (args->args_count)
		usage_error("\"%s\" is not expected here", args->args_words[0]);
}

static void list_subverbs(const struct verb *verbs, size_t count,
			  const char *of)
{
	size_t i;

	for (i = 0; i < count; i++)
		printf("cygnet %s %s\n", of, verbs[i].verb_usage);
}

int run_subverb(struct args *args, const struct verb *verbs, size_t count,
		const char *of)
{
	struct suggestion near = { 0 };
	const char *word;
	size_t i;

	word = next_word(args) ?: "show";
	for (i = 0; i < count; i++) {
		if (!strcmp(word, verbs[i].verb_name))
			return verbs[i].verb_run(args);
		suggest(&near, word, verbs[i].verb_name);
	}
	if (!strcmp(word, "help")) {
		list_subverbs(verbs, count, of);
		return EXIT_OK;
	}
	usage_error("unknown command \"%s %s\"; %s%s%scygnet %s help lists them",
		    of, word, near.sug_best ? "did you mean \"" : "",
		    near.sug_best ?: "", near.sug_best ? "\"? " : "", of);
}

u64 parse_u64(const char *key, const char *text, u64 min, u64 max)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (*text < '0' || *text > '9' || *end || errno)
		usage_error("%s takes a number, not \"%s\"", key, text);
	if (value < min || value > max)
		usage_error("%s takes %llu to %llu, not \"%s\"", key, min, max,
			    text);
	return value;
}

u32 parse_spi(const char *text)
{
	return parse_u64("spi", text, 0, 0xffffffff);
}

void parse_addr(struct ip_addr *addr, const char *key, const char *text)
{
	if (!ip_addr_parse(addr, text))
		usage_error("%s takes an address, not \"%s\"", key, text);
}

void parse_range(struct ip_range *range, const char *key, const char *text)
{
	if (!ip_range_parse(range, text))
		usage_error("%s takes a network, range or address, not \"%s\"",
			    key, text);
}

u32 parse_device(const char *text)
{
	u32 ifindex = if_nametoindex(text);

	if (!ifindex)
		usage_error("there is no device \"%s\"", text);
	return ifindex;
}

u8 parse_choice(const char *key, const char *text,
		const char *(*name)(u32 value), u8 count)
{
	char choices[64] = "";
	u8 i;

	for (i = 0; i < count; i++) {
		if (!strcmp(text, name(i)))
			return i;
		text_append(choices, sizeof(choices), "%s%s", i ? ", " : "",
			    name(i));
	}
	usage_error("%s is one of %s, not \"%s\"", key, choices, text);
}

u8 parse_ipsec_protocol(const char *text)
{
	if (!strcmp(text, "esp"))
		return IPPROTO_ESP;
	if (strcmp(text, "ah") != 0)
		usage_error("protocol takes esp or ah, not \"%s\"", text);
	return IPPROTO_AH;
}
