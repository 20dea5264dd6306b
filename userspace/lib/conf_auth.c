// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How the two sides of a connection authenticate, and the identities that only
 * certificates have: distinguished names.
 */

#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "conf_value.h"
#include "json.h"
#include "text.h"

#define ANY "*"
#define RDN_MAX 128

/* Kinds of signature. */

static const struct {
	const char *word_text;
	u8 word_bit;
} words[] = {
	{ "rsa-pss", CONF_SIG_RSA_PSS },
	{ "ecdsa", CONF_SIG_ECDSA },
	{ "eddsa", CONF_SIG_EDDSA },
	{ "rsa-pkcs1", CONF_SIG_RSA_PKCS1 },
};

static u8 signature_bit(const char *text, struct suggestion *near)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (!strcmp(text, words[i].word_text))
			return words[i].word_bit;
		suggest(near, text, words[i].word_text);
	}
	return 0;
}

static bool parse_signatures(struct conf_reader *reader,
			     const struct conf_row *row, void *base,
			     const struct conf_value *value)
{
	struct conf_conn *conn = base;
	char *at = value->val_text, *next;

	conn->conn_signatures = 0;
	for (; at; at = next) {
		struct suggestion near = { 0 };
		size_t len;
		char buf[64];
		u8 bit;

		next = strchr(at, ',');
		if (next)
			*next++ = '\0';
		at += strspn(at, " \t");
		for (len = strlen(at); len && strchr(" \t", at[len - 1]);)
			at[--len] = '\0';
		bit = signature_bit(at, &near);
		conn->conn_signatures |= bit;
		if (bit)
			continue;
		conf_error(reader, value->val_line,
			   value->val_column + (at - value->val_text),
			   "%s takes %s, not \"%s\"%s%s%s",
			   row->row_key.key_name, row->row_key.key_range,
			   text_escape(at, len, buf, sizeof(buf)),
			   near.sug_best ? "; did you mean \"" : "",
			   near.sug_best ?: "", near.sug_best ? "\"?" : "");
		return false;
	}
	return true;
}

static void print_signatures(const struct conf_row *row, const void *base,
			     char *buf, size_t size)
{
	const struct conf_conn *conn = base;
	size_t i;

	buf[0] = '\0';
	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (conn->conn_signatures & words[i].word_bit)
			text_append(buf, size, "%s%s", buf[0] ? ", " : "",
				    words[i].word_text);
}

const struct conf_type conf_type_signatures = {
	parse_signatures, print_signatures
};

/* Who authenticates how. */

static void check_ours(struct conf_reader *reader, struct conf_conn *conn)
{
	if (conn->conn_cert[0] && !conn->conn_key[0])
		conf_error(reader, conn->conn_origin[CONF_CERT], 1,
			   "cert needs the private key that belongs to it: key = FILE");
	if (conn->conn_passphrase[0] && !conn->conn_key[0])
		conf_error(reader, conn->conn_origin[CONF_PASSPHRASE], 1,
			   "passphrase of which key? key = FILE is missing");
	if (conn->conn_cert[0])
		conn->conn_auth_local = CONF_AUTH_CERT;
	else if (conn->conn_key[0])
		conn->conn_auth_local = CONF_AUTH_KEY;
}

static void check_theirs(struct conf_reader *reader, struct conf_conn *conn)
{
	if (conn->conn_trust[0] && conn->conn_remote_key[0])
		conf_error(reader, conn->conn_origin[CONF_REMOTE_KEY], 1,
			   "the peer has either trust or remote-key, not both");
	if (conn->conn_crl[0] && !conn->conn_trust[0])
		conf_error(reader, conn->conn_origin[CONF_CRL], 1,
			   "crl is of use only with trust");
	if (conn->conn_trust[0])
		conn->conn_auth_remote = CONF_AUTH_CERT;
	else if (conn->conn_remote_key[0])
		conn->conn_auth_remote = CONF_AUTH_KEY;
	if (conn->conn_auth_remote == CONF_AUTH_CERT &&
	    conn->conn_remote_id.id_type == ID_KEY_ID)
		conf_error(reader, conn->conn_origin[CONF_REMOTE_ID], 1,
			   "a certificate names no key-id: write the name, address or subject that it has");
	if (conn->conn_auth_remote == CONF_AUTH_PSK &&
	    conf_id_is_pattern(&conn->conn_remote_id))
		conf_error(reader, conn->conn_origin[CONF_REMOTE_ID], 1,
			   "* needs a peer with a certificate");
}

void conf_check_auth(struct conf_reader *reader, struct conf_conn *conn)
{
	bool psk;

	check_ours(reader, conn);
	check_theirs(reader, conn);
	psk = conn->conn_auth_local == CONF_AUTH_PSK ||
	      conn->conn_auth_remote == CONF_AUTH_PSK;
	if (psk && !conn->conn_psk[0])
		conf_error(reader, conn->conn_line, 1,
			   conn->conn_auth_local == CONF_AUTH_PSK ?
			   "%s says how the peer authenticates, not how we do: cert, key or psk" :
			   "%s says how we authenticate, not how the peer does: trust or psk",
			   conn->conn_name);
	else if (!psk && conn->conn_psk[0])
		conf_error(reader, conn->conn_origin[CONF_PSK], 1,
			   "psk is not used, since both sides have keys: drop it, or the keys of one side");
	if (conn->conn_ppk[0] && !conn->conn_ppk_id[0])
		conf_error(reader, conn->conn_origin[CONF_PPK], 1,
			   "ppk needs the name that the peer has for it: ppk-id");
	if (conn->conn_ppk_id[0] && !conn->conn_ppk[0])
		conf_error(reader, conn->conn_origin[CONF_PPK_ID], 1,
			   "ppk-id names a key, but there is no ppk = FILE");
	if (conf_id_is_pattern(&conn->conn_local_id))
		conf_error(reader, conn->conn_origin[CONF_LOCAL_ID], 1,
			   "* stands for any, so it cannot be who we are");
}

/* Distinguished names. */

/* One "TYPE=VALUE" with \ before a comma that belongs to it; *text moves on. */
static const char *add_rdn(X509_NAME *name, const char **text)
{
	char type[RDN_MAX], value[RDN_MAX];
	const char *at = *text + strspn(*text, " ");
	size_t len = strcspn(at, "=,");

	if (at[len] != '=' || !len || len >= sizeof(type))
		return "a distinguished name is made of TYPE=VALUE with commas between";
	memcpy(type, at, len);
	type[len] = '\0';
	for (at += len + 1, len = 0; *at && *at != ','; at++) {
		if (*at == '\\' && at[1])
			at++;
		if (len == sizeof(value) - 1)
			return "a value in a distinguished name is too long";
		value[len++] = *at;
	}
	while (len && value[len - 1] == ' ')
		len--;
	value[len] = '\0';
	if (!len || X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8,
					       (const u8 *)value, (int)len,
					       -1, 0) != 1)
		return "no such attribute in a distinguished name, or no value (C, O, OU, CN, …)";
	*text = *at ? at + 1 : NULL;
	return NULL;
}

const char *conf_dn_parse(struct conf_id *id, const char *text)
{
	X509_NAME *name = X509_NAME_new();
	const char *refusal = name ? NULL : "out of memory";
	u8 *der = id->id_data;
	int len;

	while (!refusal && text)
		refusal = add_rdn(name, &text);
	len = refusal ? 0 : i2d_X509_NAME(name, NULL);
	if (!refusal && (len <= 0 || len > CONF_ID_MAX))
		refusal = "an identity has 1 to 512 bytes";
	if (!refusal) {
		memset(id, 0, sizeof(*id));
		id->id_type = ID_DER_ASN1_DN;
		id->id_len = (u16)i2d_X509_NAME(name, &der);
	}
	X509_NAME_free(name);
	return refusal;
}

/* NULL if the bytes are not one name and nothing else. */
static X509_NAME *read_name(const struct conf_id *id)
{
	const u8 *at = id->id_data;
	X509_NAME *name;

	if (id->id_type != ID_DER_ASN1_DN)
		return NULL;
	name = d2i_X509_NAME(NULL, &at, id->id_len);
	if (name && at != id->id_data + id->id_len) {
		X509_NAME_free(name);
		return NULL;
	}
	return name;
}

bool conf_dn_print(const struct conf_id *id, char *buf, size_t size)
{
	X509_NAME *name = read_name(id);
	BIO *bio = name ? BIO_new(BIO_s_mem()) : NULL;
	char *text;
	long len = 0;

	if (bio && X509_NAME_print_ex(bio, name, 0, ASN1_STRFLGS_ESC_2253 |
				      ASN1_STRFLGS_ESC_CTRL |
				      ASN1_STRFLGS_UTF8_CONVERT |
				      XN_FLAG_SEP_CPLUS_SPC | XN_FLAG_FN_SN) >= 0)
		len = BIO_get_mem_data(bio, &text);
	if (len > 0)
		text_escape(text, (size_t)len, buf, size);
	BIO_free(bio);
	X509_NAME_free(name);
	return len > 0;
}

static bool is_any(const X509_NAME_ENTRY *entry)
{
	const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);

	return ASN1_STRING_length(value) == 1 &&
	       *ASN1_STRING_get0_data(value) == *ANY;
}

static bool has_any(const X509_NAME *name)
{
	int i;

	for (i = 0; i < X509_NAME_entry_count(name); i++)
		if (is_any(X509_NAME_get_entry(name, i)))
			return true;
	return false;
}

/* A name with nothing but this attribute, in canonical form for comparing. */
static bool entry_equal(const X509_NAME_ENTRY *a, const X509_NAME_ENTRY *b)
{
	X509_NAME *left = X509_NAME_new(), *right = X509_NAME_new();
	bool same = left && right && X509_NAME_add_entry(left, a, -1, 0) &&
		    X509_NAME_add_entry(right, b, -1, 0) &&
		    i2d_X509_NAME(left, NULL) > 0 &&
		    i2d_X509_NAME(right, NULL) > 0 &&
		    !X509_NAME_cmp(left, right);

	X509_NAME_free(left);
	X509_NAME_free(right);
	return same;
}

static bool pattern_fits(const X509_NAME *pattern, const X509_NAME *name)
{
	int i, count = X509_NAME_entry_count(pattern);

	if (count != X509_NAME_entry_count(name))
		return false;
	for (i = 0; i < count; i++) {
		const X509_NAME_ENTRY *a = X509_NAME_get_entry(pattern, i);
		const X509_NAME_ENTRY *b = X509_NAME_get_entry(name, i);

		if (X509_NAME_ENTRY_set(a) != X509_NAME_ENTRY_set(b) ||
		    OBJ_cmp(X509_NAME_ENTRY_get_object(a),
			    X509_NAME_ENTRY_get_object(b)))
			return false;
		if (!is_any(a) && !entry_equal(a, b))
			return false;
	}
	return true;
}

bool conf_id_fits(const struct conf_id *expected, const struct conf_id *actual)
{
	X509_NAME *pattern, *name;
	bool fits;

	if (expected->id_type != actual->id_type)
		return false;
	if (expected->id_type == ID_FQDN || expected->id_type == ID_RFC822_ADDR)
		return expected->id_len == actual->id_len &&
		       !strncasecmp((const char *)expected->id_data,
				    (const char *)actual->id_data,
				    expected->id_len);
	if (expected->id_type != ID_DER_ASN1_DN ||
	    conf_id_equal(expected, actual))
		return conf_id_equal(expected, actual);
	pattern = read_name(expected);
	name = read_name(actual);
	fits = pattern && name && pattern_fits(pattern, name);
	X509_NAME_free(pattern);
	X509_NAME_free(name);
	return fits;
}

bool conf_id_is_pattern(const struct conf_id *id)
{
	X509_NAME *name = read_name(id);
	bool any = name && has_any(name);

	X509_NAME_free(name);
	return any;
}
