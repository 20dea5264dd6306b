// SPDX-License-Identifier: GPL-2.0-or-later

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cygnet.h"
#include "lib/proposal.h"
#include "lib/secret.h"

/* What "sa add" is told, besides the SA itself. */
struct request {
	struct kernel_sa req_sa;
	const char *req_cipher;
	const char *req_key_file;
	const char *req_integ;
	const char *req_integ_key_file;
};

static void parse_encap(struct kernel_sa *sa, const char *text)
{
	char *colon = strchr(text, ':');

	if (!colon)
		usage_error("encap takes SOURCE-PORT:DESTINATION-PORT, not \"%s\"",
			    text);
	*colon = '\0';
	sa->ksa_encap_sport = parse_u64("encap", text, 1, 65535);
	sa->ksa_encap_dport = parse_u64("encap", colon + 1, 1, 65535);
}

static u64 *lifetime_member(struct kernel_lifetime *life, const char *name)
{
	const struct {
		const char *name;
		u64 *member;
	} members[] = {
		{ "soft-seconds", &life->life_soft_seconds },
		{ "hard-seconds", &life->life_hard_seconds },
		{ "soft-packets", &life->life_soft_packets },
		{ "hard-packets", &life->life_hard_packets },
		{ "soft-bytes", &life->life_soft_bytes },
		{ "hard-bytes", &life->life_hard_bytes },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(members); i++)
		if (!strcmp(name, members[i].name))
			return members[i].member;
	return NULL;
}

/* "soft-seconds=3600,hard-bytes=1000000" */
static void parse_lifetime(struct kernel_lifetime *life, const char *text)
{
	char *copy = strdup(text), *rest = copy, *part, *value;
	u64 *member;

	while (copy && (part = strsep(&rest, ","))) {
		value = strchr(part, '=');
		if (value)
			*value++ = '\0';
		member = lifetime_member(life, part);
		if (!member || !value)
			usage_error("lifetime takes soft-seconds=N and the like, not \"%s\"",
				    part);
		*member = parse_u64(part, value, 1, ~0ULL);
	}
	free(copy);
}

static void parse_option(struct request *request, struct args *args,
			 const char *key)
{
	struct kernel_sa *sa = &request->req_sa;
	const char *value;

	if (!strcmp(key, "esn")) {
		sa->ksa_esn = true;
		return;
	}
	if (!strcmp(key, "roam")) {
		sa->ksa_roam = true;
		return;
	}
	if (!strcmp(key, "legacy")) {
		sa->ksa_legacy = true;
		return;
	}
	value = value_of(args, key);
	if (!strcmp(key, "spi"))
		sa->ksa_spi = parse_spi(value);
	else if (!strcmp(key, "src"))
		parse_addr(&sa->ksa_src, key, value);
	else if (!strcmp(key, "dst"))
		parse_addr(&sa->ksa_dst, key, value);
	else if (!strcmp(key, "policy"))
		sa->ksa_policy = parse_u64(key, value, 1, ~0u);
	else if (!strcmp(key, "encr"))
		request->req_cipher = value;
	else if (!strcmp(key, "key-file"))
		request->req_key_file = value;
	else if (!strcmp(key, "integ"))
		request->req_integ = value;
	else if (!strcmp(key, "integ-key-file"))
		request->req_integ_key_file = value;
	else if (!strcmp(key, "protocol"))
		sa->ksa_protocol = parse_ipsec_protocol(value);
	else if (!strcmp(key, "mode"))
		sa->ksa_mode = parse_choice(key, value, kernel_mode_name, 2);
	else if (!strcmp(key, "replay-window"))
		sa->ksa_replay_window = parse_u64(key, value, 0, ~0u);
	else if (!strcmp(key, "encap"))
		parse_encap(sa, value);
	else if (!strcmp(key, "sequence"))
		sa->ksa_sequence = parse_u64(key, value, 0, ~0ULL);
	else if (!strcmp(key, "keepalive"))
		sa->ksa_keepalive = parse_u64(key, value, 0, 65535);
	else if (!strcmp(key, "tfc"))
		sa->ksa_tfc = parse_u64(key, value, 0, 65535);
	else if (!strcmp(key, "lifetime"))
		parse_lifetime(&sa->ksa_lifetime, value);
	else
		usage_error("\"%s\" is not known here; see cygnet sa help",
			    key);
}

static void check_complete(const struct request *request)
{
	const struct kernel_sa *sa = &request->req_sa;
	bool ah = sa->ksa_protocol == IPPROTO_AH;

	if (!sa->ksa_spi || !ip_addr_len(&sa->ksa_src) ||
	    !ip_addr_len(&sa->ksa_dst) || !sa->ksa_policy ||
	    (!ah && !request->req_cipher))
		usage_error("an SA needs spi, src, dst, policy, encr and key-file");
	if (ah && request->req_cipher)
		usage_error("AH does not encrypt: it has integ and integ-key-file, no encr");
	if (ah && !request->req_integ)
		usage_error("an SA of AH needs spi, src, dst, policy, integ and integ-key-file");
	if (!options.opt_manual_key)
		usage_error("%s must not be keyed by hand (RFC 8221 section 3); for a test say %s",
			    request->req_cipher ?: request->req_integ,
			    "--manual-key-for-testing");
}

/* A key of @len bytes, or none where @len is 0, goes to @to. */
static int read_key(u8 *to, u16 *to_len, size_t len, const char *file,
		    const char *option, char *err, size_t err_size)
{
	struct secret key = { 0 };

	if (!len && !file)
		return EXIT_OK;
	if (!len || !file)
		usage_error(len ? "%s is missing" :
				  "%s is too much: that algorithm has no key",
			    option);
	if (!secret_read_key(&key, file, len, err, err_size))
		return EXIT_USAGE;
	memcpy(to, key.secret_data, len);
	*to_len = len;
	secret_wipe(&key);
	return EXIT_OK;
}

static int read_keys(struct request *request, char *err, size_t err_size)
{
	struct kernel_sa *sa = &request->req_sa;
	struct transform encr = { 0 };
	size_t encr_len = 0;
	int result;

	if (request->req_cipher &&
	    !esp_cipher_parse(&encr, &encr_len, request->req_cipher, err,
			      err_size))
		usage_error("%s", err);
	if (request->req_integ &&
	    !esp_integ_parse(&sa->ksa_integ, request->req_integ, err, err_size))
		usage_error("%s", err);
	sa->ksa_encr = encr.tr_id;
	result = read_key(sa->ksa_encr_key, &sa->ksa_encr_key_len, encr_len,
			  request->req_key_file, "key-file", err, err_size);
	if (result)
		return result;
	return read_key(sa->ksa_integ_key, &sa->ksa_integ_key_len,
			integ_keymat_len(sa->ksa_integ),
			request->req_integ_key_file, "integ-key-file", err,
			err_size);
}

static int add_sa(struct args *args)
{
	struct request request = { 0 };
	struct kernel_sa *sa = &request.req_sa;
	struct nl_error error;
	const char *word;
	char err[320];
	struct nl nl;
	int result;

	sa->ksa_direction = parse_choice("the direction",
					 value_of(args, "sa add"),
					 kernel_direction_name, 2);
	while ((word = next_word(args)))
		parse_option(&request, args, word);
	check_complete(&request);
	result = read_keys(&request, err, sizeof(err));
	if (result) {
		kernel_sa_wipe(sa);
		return fail(result, "%s", err);
	}
	open_kernel(&nl);
	result = kernel_sa_new(&nl, sa, &error);
	kernel_sa_wipe(sa);
	nl_close(&nl);
	return result ? kernel_failed(&error) : EXIT_OK;
}

/* "spi SPI dst ADDRESS [protocol esp|ah]", in any order. */
static void parse_identity(struct args *args, u8 *protocol, u32 *spi,
			   struct ip_addr *dst)
{
	const char *word;

	memset(dst, 0, sizeof(*dst));
	*spi = 0;
	*protocol = 0;
	while ((word = next_word(args))) {
		if (!strcmp(word, "spi"))
			*spi = parse_spi(value_of(args, word));
		else if (!strcmp(word, "dst"))
			parse_addr(dst, word, value_of(args, word));
		else if (!strcmp(word, "protocol"))
			*protocol = parse_ipsec_protocol(value_of(args, word));
		else
			usage_error("\"%s\" is not expected here; see cygnet sa help",
				    word);
	}
	if (!*spi || !ip_addr_len(dst))
		usage_error("an SA is named by spi SPI dst ADDRESS");
}

static int delete_sa(struct args *args)
{
	struct nl_error error;
	struct ip_addr dst;
	struct nl nl;
	int result;
	u8 protocol;
	u32 spi;

	parse_identity(args, &protocol, &spi, &dst);
	open_kernel(&nl);
	result = kernel_sa_del(&nl, protocol, spi, &dst, &error);
	nl_close(&nl);
	return result ? kernel_failed(&error) : EXIT_OK;
}

static int send_dummy(struct args *args)
{
	struct ip_addr dst = { 0 };
	struct nl_error error;
	const char *word;
	u32 spi = 0;
	struct nl nl;
	u16 len = 0;
	int result;

	while ((word = next_word(args))) {
		if (!strcmp(word, "spi"))
			spi = parse_spi(value_of(args, word));
		else if (!strcmp(word, "dst"))
			parse_addr(&dst, word, value_of(args, word));
		else if (!strcmp(word, "length"))
			len = parse_u64(word, value_of(args, word), 1, 65535);
		else
			usage_error("\"%s\" is not expected here; see cygnet sa help",
				    word);
	}
	if (!spi || !ip_addr_len(&dst))
		usage_error("an SA is named by spi SPI dst ADDRESS");
	open_kernel(&nl);
	result = kernel_sa_dummy(&nl, spi, &dst, len, &error);
	nl_close(&nl);
	return result ? kernel_failed(&error) : EXIT_OK;
}

static int append_sa(const struct kernel_sa *sa, void *arg)
{
	struct sa_list *list = arg;
	struct kernel_sa *sas;

	sas = reallocarray(list->sas, list->sas_count + 1, sizeof(*sas));
	if (!sas)
		return -ENOMEM;
	list->sas = sas;
	sas[list->sas_count++] = *sa;
	return 0;
}

int list_sas(struct nl *nl, struct sa_list *list, struct nl_error *err)
{
	memset(list, 0, sizeof(*list));
	return kernel_sa_dump(nl, append_sa, list, err);
}

static void print_endpoints(struct table *table, const struct kernel_sa *sa)
{
	struct ip_endpoint src = { sa->ksa_src, sa->ksa_encap_sport };
	struct ip_endpoint dst = { sa->ksa_dst, sa->ksa_encap_dport };
	char buf[IP_ENDPOINT_STRLEN];

	table_cell(table, "%s", ip_endpoint_print(&src, buf));
	table_cell(table, "%s", ip_endpoint_print(&dst, buf));
}

static void print_sa(struct table *table, const struct kernel_sa *sa)
{
	char buf[64], bytes[SPAN_STRLEN], age[SPAN_STRLEN], idle[SPAN_STRLEN];
	char drops[512];

	table_cell(table, "%s%s", kernel_direction_name(sa->ksa_direction),
		   sa->ksa_current ? "*" : "");
	table_cell(table, "0x%08x", sa->ksa_spi);
	print_endpoints(table, sa);
	table_cell(table, "%u", sa->ksa_policy);
	table_cell(table, "%s%s", cipher_name(sa, buf),
		   sa->ksa_esn ? "-esn" : "");
	table_cell(table, "%llu", sa->ksa_sequence);
	table_cell(table, "%llu", sa->ksa_packets);
	table_cell(table, "%s", amount(sa->ksa_bytes, bytes));
	table_cell(table, "%s", span(sa->ksa_age_ms / 1000, age));
	table_cell(table, "%s", span(sa->ksa_idle_ms / 1000, idle));
	if (sa->ksa_mtu)
		table_cell(table, "%u", sa->ksa_mtu);
	else
		table_cell(table, "-");
	table_cell(table, "%s", drops_text(sa->ksa_drops, drops,
					   sizeof(drops)));
}

void print_sas(const struct sa_list *list)
{
	static const char *const headings[] = {
		"DIR", "SPI", "FROM", "TO", ">POLICY", "CIPHER", ">SEQUENCE",
		">PACKETS", ">BYTES", ">AGE", ">IDLE", ">MTU", "DROPS", NULL
	};
	struct table table;
	size_t i;

	table_begin(&table, headings);
	for (i = 0; i < list->sas_count; i++)
		print_sa(&table, &list->sas[i]);
	table_end(&table, 0);
}

json_t *sas_json(const struct sa_list *list)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < list->sas_count; i++)
		json_array_append_new(array, sa_json(&list->sas[i]));
	return array;
}

static int show_sas(struct args *args)
{
	struct sa_list list = { 0 };
	struct kernel_sa sa;
	struct nl_error error;
	struct ip_addr dst;
	bool one = args->args_count;
	struct nl nl;
	int result;
	u8 protocol;
	u32 spi;

	if (one)
		parse_identity(args, &protocol, &spi, &dst);
	open_kernel(&nl);
	if (one) {
		result = kernel_sa_get(&nl, protocol, spi, &dst, &sa, &error) ?:
			 append_sa(&sa, &list);
	} else {
		result = list_sas(&nl, &list, &error);
	}
	nl_close(&nl);
	if (!result && options.opt_json)
		print_json(json_pack("{s:o}", "sas", sas_json(&list)));
	else if (!result)
		print_sas(&list);
	free(list.sas);
	return result ? kernel_failed(&error) : EXIT_OK;
}

static const struct verb verbs[] = {
	{ "add", add_sa,
	  "add in|out spi SPI src ADDR dst ADDR policy ID encr CIPHER key-file FILE|- [integ HASH integ-key-file FILE|-] [protocol esp|ah] [mode tunnel|transport] [legacy] [esn] [replay-window N] [encap SPORT:DPORT] [roam] [keepalive SECONDS] [tfc BYTES] [sequence N] [lifetime soft-seconds=N,...] --manual-key-for-testing",
	  NULL },
	{ "delete", delete_sa, "delete spi SPI dst ADDR [protocol esp|ah]", NULL },
	{ "dummy", send_dummy, "dummy spi SPI dst ADDR [length BYTES]", NULL },
	{ "show", show_sas, "show [spi SPI dst ADDR [protocol esp|ah]]", NULL },
};

int run_sa(struct args *args)
{
	return run_subverb(args, verbs, ARRAY_SIZE(verbs), "sa");
}
