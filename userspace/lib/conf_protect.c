// SPDX-License-Identifier: GPL-2.0-or-later
/* The lists among the configuration's values: protect, ike, esp. */

#include <stdio.h>
#include <string.h>

#include "conf_value.h"
#include "json.h"
#include "text.h"

#define ARROW "<->"
#define SIDE_MAX CONF_TS_MAX

static const char *shown(const char *text, char buf[64])
{
	return text_escape(text, strlen(text), buf, 64);
}

/* Takes blanks off both ends; *value then says where the text begins. */
static void trim(struct conf_value *value)
{
	size_t len, blank = strspn(value->val_text, " \t");

	value->val_text += blank;
	value->val_column += blank;
	len = strlen(value->val_text);
	while (len && strchr(" \t", value->val_text[len - 1]))
		value->val_text[--len] = '\0';
}

/*
 * Cuts the part before the separator off; false when nothing is left. The
 * rest keeps its place for messages.
 */
static bool next_part(struct conf_value *rest, struct conf_value *part,
		      const char *separator)
{
	char *end;

	if (!rest->val_text)
		return false;
	*part = *rest;
	end = strstr(rest->val_text, separator);
	if (end) {
		*end = '\0';
		rest->val_column += end + strlen(separator) - rest->val_text;
		rest->val_text = end + strlen(separator);
	} else {
		rest->val_text = NULL;
	}
	trim(part);
	return true;
}

static bool has_ports(u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP ||
	       protocol == IPPROTO_SCTP || protocol == IPPROTO_UDPLITE;
}

static bool refuse_range(struct conf_reader *reader,
			 const struct conf_value *word)
{
	char *slash = strchr(word->val_text, '/'), *end, buf[64];
	char meant[IP_RANGE_STRLEN];
	struct ip_range range;
	struct ip_addr addr;
	unsigned long bits;

	shown(word->val_text, buf);
	if (slash) {
		*slash = '\0';
		bits = strtoul(slash + 1, &end, 10);
		if (end > slash + 1 && !*end && bits <= 128 &&
		    ip_addr_parse(&addr, word->val_text) &&
		    ip_range_from_prefix(&range, &addr, bits)) {
			conf_error(reader, word->val_line, word->val_column,
				   "%s has bits set behind its prefix; did you mean %s?",
				   buf, ip_range_print(&range, meant));
			return false;
		}
	}
	conf_error(reader, word->val_line, word->val_column,
		   "not a network, range or address: \"%s\"", buf);
	return false;
}

/* "[RANGE] [PROTOCOL [PORTS]]" */
static bool parse_side(struct conf_reader *reader, struct conf_value value,
		       struct ts *ts)
{
	struct conf_value word;
	struct ip_range range;
	char buf[64];

	next_part(&value, &word, " ");
	ts_host(ts);
	if (ip_range_parse(&range, word.val_text)) {
		ts_from_range(ts, &range);
		if (!next_part(&value, &word, " "))
			return true;
	} else if (!ip_protocol_parse(&ts->ts_protocol, word.val_text)) {
		return refuse_range(reader, &word);
	}
	if (!ip_protocol_parse(&ts->ts_protocol, word.val_text)) {
		conf_error(reader, word.val_line, word.val_column,
			   "not a protocol: \"%s\"",
			   shown(word.val_text, buf));
		return false;
	}
	if (!next_part(&value, &word, " "))
		return true;
	if (!has_ports(ts->ts_protocol) ||
	    !port_range_parse(&ts->ts_port_first, &ts->ts_port_last,
			      word.val_text) || value.val_text) {
		conf_error(reader, word.val_line, word.val_column,
			   "not a port or range of ports for this protocol: \"%s\"",
			   shown(word.val_text, buf));
		return false;
	}
	return true;
}

static bool parse_sides(struct conf_reader *reader, struct conf_value value,
			struct ts *sides, size_t *count)
{
	struct conf_value part;

	for (*count = 0; next_part(&value, &part, ","); (*count)++) {
		if (*count == SIDE_MAX) {
			conf_error(reader, part.val_line, part.val_column,
				   "more than %d networks", SIDE_MAX);
			return false;
		}
		if (!parse_side(reader, part, &sides[*count]))
			return false;
	}
	return true;
}

/* One local and one remote side become a pair. */
static const char *add_pair(struct conf_conn *conn, const struct ts *local,
			    const struct ts *remote)
{
	struct ts_pair pair = { *local, *remote };
	u8 protocol = local->ts_protocol ?: remote->ts_protocol;

	if (ts_is_host(local) != ts_is_host(remote))
		return "one side is networks, the other is not";
	if (local->ts_addrs.range_first.ip_family !=
	    remote->ts_addrs.range_first.ip_family)
		return "one side is IPv4, the other IPv6";
	if (remote->ts_protocol && remote->ts_protocol != protocol)
		return "the sides name different protocols";
	if (conn->conn_npairs == CONF_TS_MAX)
		return "more than 16 pairs of networks";
	pair.pair_local.ts_protocol = protocol;
	pair.pair_remote.ts_protocol = protocol;
	conn->conn_pair_child[conn->conn_npairs] = conn->conn_nchildren;
	conn->conn_pairs[conn->conn_npairs++] = pair;
	return NULL;
}

/* "LOCAL, LOCAL <-> REMOTE, REMOTE": each local with each remote. */
static bool parse_product(struct conf_reader *reader, struct conf_conn *conn,
			  struct conf_value value)
{
	struct ts local[SIDE_MAX], remote[SIDE_MAX];
	size_t nlocal, nremote, i, j;
	struct conf_value part;
	const char *refusal;

	next_part(&value, &part, ARROW);
	if (!parse_sides(reader, part, local, &nlocal) ||
	    !parse_sides(reader, value, remote, &nremote))
		return false;
	for (i = 0; i < nlocal; i++) {
		for (j = 0; j < nremote; j++) {
			refusal = add_pair(conn, &local[i], &remote[j]);
			if (!refusal)
				continue;
			conf_error(reader, part.val_line, part.val_column,
				   "%s", refusal);
			return false;
		}
	}
	conn->conn_nchildren++;
	return true;
}

const struct ts_pair *conf_child_pairs(const struct conf_conn *conn, u8 child,
				       size_t *count)
{
	size_t first = 0;

	while (first < conn->conn_npairs &&
	       conn->conn_pair_child[first] != child)
		first++;
	for (*count = 0; first + *count < conn->conn_npairs; (*count)++)
		if (conn->conn_pair_child[first + *count] != child)
			break;
	return conn->conn_pairs + first;
}

static bool refuse_lone_side(struct conf_reader *reader,
			     const struct conf_value *value)
{
	conf_error(reader, value->val_line, value->val_column,
		   "both sides are needed: \"LOCAL <-> REMOTE\"");
	return false;
}

/* "tcp 5432": those ports at either host, so that both write the same. */
static const char *add_lone_side(struct conf_conn *conn, const struct ts *side)
{
	const char *refusal;
	struct ts other;

	ts_host(&other);
	other.ts_protocol = side->ts_protocol;
	refusal = add_pair(conn, &other, side);
	if (!refusal && !ts_all_ports(side))
		refusal = add_pair(conn, side, &other);
	return refusal;
}

/* "tcp 5432, udp 53", in transport mode. */
static bool parse_lone_sides(struct conf_reader *reader, struct conf_conn *conn,
			     struct conf_value value)
{
	const char *refusal = NULL;
	struct ts sides[SIDE_MAX];
	size_t count, i;

	if (!parse_sides(reader, value, sides, &count))
		return false;
	for (i = 0; i < count && !refusal; i++) {
		if (!ts_is_host(&sides[i]))
			return refuse_lone_side(reader, &value);
		refusal = add_lone_side(conn, &sides[i]);
	}
	if (refusal) {
		conf_error(reader, value.val_line, value.val_column, "%s",
			   refusal);
		return false;
	}
	conn->conn_nchildren++;
	return true;
}

static size_t count_arrows(const char *text)
{
	size_t count = 0;

	while ((text = strstr(text, ARROW))) {
		text += strlen(ARROW);
		count++;
	}
	return count;
}

/*
 * No arrow: the hosts themselves. One arrow: every local side with every remote
 * side. Several arrows: a list of pairs.
 */
static bool parse_protect(struct conf_reader *reader,
			  const struct conf_row *row, void *base,
			  const struct conf_value *value)
{
	size_t arrows = count_arrows(value->val_text);
	struct conf_value rest = *value, part;
	bool ok = true;

	trim(&rest);
	if (!arrows)
		return parse_lone_sides(reader, base, rest);
	if (arrows == 1)
		return parse_product(reader, base, rest);
	while (next_part(&rest, &part, ","))
		ok &= count_arrows(part.val_text) == 1 ?
		      parse_product(reader, base, part) :
		      refuse_lone_side(reader, &part);
	return ok;
}

static void print_protect(const struct conf_row *row, const void *base,
			  char *buf, size_t size)
{
	const struct conf_conn *conn = base;
	char pair[TS_PAIR_STRLEN];
	size_t i;

	buf[0] = '\0';
	for (i = 0; i < conn->conn_npairs; i++)
		text_append(buf, size, "%s%s", i ? ", " : "",
			    ts_pair_print(&conn->conn_pairs[i], pair));
}

const struct conf_type conf_type_protect = { parse_protect, print_protect };

/* A list of addresses. */

static bool parse_redirect(struct conf_reader *reader,
			   const struct conf_row *row, void *base,
			   const struct conf_value *value)
{
	struct conf_value rest = *value, part;
	struct conf_conn *conn = base;
	struct ip_addr addr;
	char buf[64];

	conn->conn_nredirect = 0;
	if (!strcmp(value->val_text, row->row_zero))
		return true;
	while (next_part(&rest, &part, ",")) {
		if (!ip_addr_parse(&addr, part.val_text) ||
		    ip_addr_is_any(&addr)) {
			conf_error(reader, part.val_line, part.val_column,
				   "not an address of a host: \"%s\"",
				   shown(part.val_text, buf));
			return false;
		}
		if (conn->conn_nredirect == CONF_REDIRECT_MAX) {
			conf_error(reader, part.val_line, part.val_column,
				   "more than %d addresses", CONF_REDIRECT_MAX);
			return false;
		}
		conn->conn_redirect[conn->conn_nredirect++] = addr;
	}
	return true;
}

static void print_redirect(const struct conf_row *row, const void *base,
			   char *buf, size_t size)
{
	const struct conf_conn *conn = base;
	char text[IP_ADDR_STRLEN];
	size_t i;

	buf[0] = '\0';
	for (i = 0; i < conn->conn_nredirect; i++)
		text_append(buf, size, "%s%s", i ? ", " : "",
			    ip_addr_print(&conn->conn_redirect[i], text));
	if (!conn->conn_nredirect)
		text_copy(buf, size, row->row_zero);
}

const struct conf_type conf_type_redirect = { parse_redirect, print_redirect };

/* Lists of proposals. */

static bool parse_proposals(struct conf_reader *reader, u8 protocol,
			    const struct conf_value *value,
			    struct proposal *props, u8 *count)
{
	struct conf_value rest = *value, part;
	const char *legacy;
	char err[200];
	bool ok = true;

	*count = 0;
	while (next_part(&rest, &part, ",")) {
		if (*count == PROPOSALS_MAX) {
			conf_error(reader, part.val_line, part.val_column,
				   "more than %d proposals", PROPOSALS_MAX);
			return false;
		}
		if (!proposal_parse(&props[*count], protocol, part.val_text,
				    &legacy, err, sizeof(err))) {
			if (!value->val_line)
				continue;	/* of the default: not in this OpenSSL */
			conf_error(reader, part.val_line, part.val_column,
				   "%s", err);
			ok = false;
			continue;
		}
		if (legacy)
			conf_warning(reader, part.val_line, part.val_column,
				     "\"%s\" is weak; it is used because it is named here",
				     legacy);
		(*count)++;
	}
	return ok;
}

static void print_proposals(const struct proposal *props, size_t count,
			    char *buf, size_t size)
{
	char text[PROPOSAL_STRLEN];
	size_t i;

	buf[0] = '\0';
	for (i = 0; i < count; i++)
		text_append(buf, size, "%s%s", i ? ", " : "",
			    proposal_print(&props[i], text, sizeof(text)));
}

static bool parse_ike(struct conf_reader *reader, const struct conf_row *row,
		      void *base, const struct conf_value *value)
{
	struct conf_conn *conn = base;

	return parse_proposals(reader, PROTO_IKE, value, conn->conn_ike,
			       &conn->conn_nike);
}

static void print_ike(const struct conf_row *row, const void *base, char *buf,
		      size_t size)
{
	const struct conf_conn *conn = base;

	print_proposals(conn->conn_ike, conn->conn_nike, buf, size);
}

const struct conf_type conf_type_ike = { parse_ike, print_ike };

u8 conf_protocol(const struct conf_conn *conn)
{
	return conn->conn_nesp ? conn->conn_esp[0].prop_protocol : PROTO_ESP;
}

/* One of esp and ah says "none", or is not there. */
static bool is_other(struct conf_reader *reader, const struct conf_value *value,
		     const struct conf_conn *conn, enum conf_conn_key other,
		     u8 protocol)
{
	if (!conn->conn_nesp || !conn->conn_origin[other] ||
	    conf_protocol(conn) == protocol)
		return false;
	conf_error(reader, value->val_line, value->val_column,
		   "esp and ah exclude each other; line %u has the other one",
		   conn->conn_origin[other]);
	return true;
}

static bool parse_esp(struct conf_reader *reader, const struct conf_row *row,
		      void *base, const struct conf_value *value)
{
	struct conf_conn *conn = base;

	if (!strcmp(value->val_text, "none")) {
		if (conf_protocol(conn) == PROTO_ESP)
			conn->conn_nesp = 0;
		return true;
	}
	if (is_other(reader, value, conn, CONF_AH, PROTO_ESP))
		return false;
	return parse_proposals(reader, PROTO_ESP, value, conn->conn_esp,
			       &conn->conn_nesp);
}

static void print_esp(const struct conf_row *row, const void *base, char *buf,
		      size_t size)
{
	const struct conf_conn *conn = base;

	if (conf_protocol(conn) == PROTO_ESP)
		print_proposals(conn->conn_esp, conn->conn_nesp, buf, size);
	else
		text_copy(buf, size, "none");
}

const struct conf_type conf_type_esp = { parse_esp, print_esp };

static bool parse_ah(struct conf_reader *reader, const struct conf_row *row,
		     void *base, const struct conf_value *value)
{
	struct conf_conn *conn = base;

	if (!strcmp(value->val_text, "none"))
		return true;
	return !is_other(reader, value, conn, CONF_ESP, PROTO_AH) &&
	       parse_proposals(reader, PROTO_AH, value, conn->conn_esp,
			       &conn->conn_nesp);
}

static void print_ah(const struct conf_row *row, const void *base, char *buf,
		     size_t size)
{
	const struct conf_conn *conn = base;

	if (conf_protocol(conn) == PROTO_AH)
		print_proposals(conn->conn_esp, conn->conn_nesp, buf, size);
	else
		text_copy(buf, size, "none");
}

const struct conf_type conf_type_ah = { parse_ah, print_ah };
