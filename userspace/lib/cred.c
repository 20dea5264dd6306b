// SPDX-License-Identifier: GPL-2.0-or-later

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cred.h"
#include "json.h"
#include "secret.h"
#include "text.h"

#define KEY_FILE_MAX 32768
#define PASSPHRASE_MAX 512

/* What is being read, and how far it got. */
struct reading {
	enum cred_kind rd_kind;
	bool (*rd_each)(void *arg, const u8 *der, size_t len);
	void *rd_arg;
	size_t rd_count;
	char *rd_err;
	size_t rd_err_size;
};

static bool refuse(struct reading *rd, const char *path, const char *why)
{
	snprintf(rd->rd_err, rd->rd_err_size, "%s: %s", path, why);
	return false;
}

static size_t most(enum cred_kind kind)
{
	return kind == CRED_CERT ? CRED_CERTS_MAX :
	       kind == CRED_PUBLIC ? 1 : CRED_TRUST_MAX;
}

static bool give(struct reading *rd, const char *path, const u8 *der, size_t len)
{
	size_t limit = rd->rd_kind == CRED_CRL ? CRED_CRL_MAX : CRED_DER_MAX;

	if (len > limit)
		return refuse(rd, path, "too large an object");
	if (rd->rd_count == most(rd->rd_kind))
		return refuse(rd, path, rd->rd_kind == CRED_CERT ?
			      "more than 8 certificates" :
			      "more than 1024 objects");
	rd->rd_count++;
	return rd->rd_each(rd->rd_arg, der, len) ||
	       refuse(rd, path, "out of memory");
}

/* What a block of PEM is of, by its first line. */
static bool wanted(enum cred_kind kind, const char *name)
{
	if (kind == CRED_CRL)
		return !strcmp(name, PEM_STRING_X509_CRL);
	if (kind == CRED_PUBLIC && !strcmp(name, PEM_STRING_PUBLIC))
		return true;
	return !strcmp(name, PEM_STRING_X509) ||
	       !strcmp(name, PEM_STRING_X509_TRUSTED);
}

/* DER again, so that only what was understood goes on. */
static bool give_cert(struct reading *rd, const char *path, const u8 *at,
		      long len)
{
	X509 *cert = d2i_X509(NULL, &at, len);
	u8 *der = NULL;
	int n = cert ? i2d_X509(cert, &der) : -1;
	bool ok;

	ok = n > 0 ? give(rd, path, der, (size_t)n) :
		     refuse(rd, path, "holds a certificate that is damaged");
	OPENSSL_free(der);
	X509_free(cert);
	return ok;
}

static bool give_crl(struct reading *rd, const char *path, const u8 *at,
		     long len)
{
	X509_CRL *crl = d2i_X509_CRL(NULL, &at, len);
	u8 *der = NULL;
	int n = crl ? i2d_X509_CRL(crl, &der) : -1;
	bool ok;

	ok = n > 0 ? give(rd, path, der, (size_t)n) :
		     refuse(rd, path, "holds a revocation list that is damaged");
	OPENSSL_free(der);
	X509_CRL_free(crl);
	return ok;
}

static EVP_PKEY *public_key(const char *name, const u8 *at, long len)
{
	EVP_PKEY *key;
	X509 *cert;

	if (!strcmp(name, PEM_STRING_PUBLIC))
		return d2i_PUBKEY(NULL, &at, len);
	cert = d2i_X509(NULL, &at, len);
	key = cert ? X509_get_pubkey(cert) : NULL;
	X509_free(cert);
	return key;
}

static bool give_public(struct reading *rd, const char *path, const char *name,
			const u8 *at, long len)
{
	EVP_PKEY *key = public_key(name, at, len);
	const char *why = key ? cred_refuse_key(key) :
				"holds a key that is damaged";
	u8 *der = NULL;
	int n = why ? -1 : i2d_PUBKEY(key, &der);
	bool ok;

	ok = n > 0 ? give(rd, path, der, (size_t)n) :
		     refuse(rd, path, why ?: "cannot be encoded");
	OPENSSL_free(der);
	EVP_PKEY_free(key);
	return ok;
}

static bool give_block(struct reading *rd, const char *path, const char *name,
		       const u8 *data, long len)
{
	switch (rd->rd_kind) {
	case CRED_CRL:
		return give_crl(rd, path, data, len);
	case CRED_PUBLIC:
		return give_public(rd, path, name, data, len);
	default:
		return give_cert(rd, path, data, len);
	}
}

static bool read_pem(struct reading *rd, const char *path, BIO *bio)
{
	char *name, *header;
	bool ok = true;
	u8 *data;
	long len;

	while (ok && PEM_read_bio(bio, &name, &header, &data, &len)) {
		if (wanted(rd->rd_kind, name) &&
		    (rd->rd_kind != CRED_PUBLIC || !rd->rd_count))
			ok = give_block(rd, path, name, data, len);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(data, (size_t)len);
	}
	ERR_clear_error();
	return ok;
}

static bool parse_text(struct reading *rd, const char *path, const u8 *text,
		       size_t len)
{
	BIO *bio;
	bool ok;

	if (len && text[0] == 0x30)	/* DER: a SEQUENCE */
		return give_block(rd, path, PEM_STRING_X509, text, (long)len);
	bio = BIO_new_mem_buf(text, (int)len);
	ok = bio ? read_pem(rd, path, bio) : refuse(rd, path, "out of memory");
	BIO_free(bio);
	return ok;
}

/* The text of a regular file; NULL, with errno, if there is none. */
static u8 *slurp(FILE *file, size_t *len)
{
	struct stat st;
	u8 *text;

	if (fstat(fileno(file), &st))
		return NULL;
	errno = EFBIG;
	if (!S_ISREG(st.st_mode) || st.st_size > CRED_FILE_MAX)
		return NULL;
	text = malloc((size_t)st.st_size + 1);
	*len = text ? fread(text, 1, (size_t)st.st_size, file) : 0;
	if (text && ferror(file)) {
		free(text);
		return NULL;
	}
	return text;
}

static bool read_file(struct reading *rd, const char *path)
{
	FILE *file = fopen(path, "re");
	size_t len = 0;
	u8 *text = file ? slurp(file, &len) : NULL;
	bool ok = text ? parse_text(rd, path, text, len) :
			 refuse(rd, path, strerror(errno));

	free(text);
	if (file)
		fclose(file);
	return ok;
}

static bool read_folder(struct reading *rd, const char *path)
{
	struct dirent **names;
	int i, n = scandir(path, &names, NULL, alphasort);
	char file[PATH_MAX];
	bool ok = n >= 0;

	if (!ok)
		return refuse(rd, path, strerror(errno));
	for (i = 0; i < n; i++) {
		snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
		if (ok && names[i]->d_name[0] != '.')
			ok = read_file(rd, file);
		free(names[i]);
	}
	free(names);
	return ok;
}

static const char *nothing(enum cred_kind kind)
{
	switch (kind) {
	case CRED_CRL:
		return "holds no revocation list";
	case CRED_PUBLIC:
		return "holds no public key (PEM: BEGIN PUBLIC KEY or BEGIN CERTIFICATE)";
	default:
		return "holds no certificate (PEM: BEGIN CERTIFICATE)";
	}
}

bool cred_read(enum cred_kind kind, const char *path,
	       bool (*each)(void *arg, const u8 *der, size_t len), void *arg,
	       char *err, size_t err_size)
{
	struct reading rd = { kind, each, arg, 0, err, err_size };
	bool folder = kind == CRED_TRUST || kind == CRED_CRL;
	struct stat st;
	bool ok;

	if (folder && !stat(path, &st) && S_ISDIR(st.st_mode))
		ok = read_folder(&rd, path);
	else
		ok = read_file(&rd, path);
	if (ok && !rd.rd_count)
		ok = refuse(&rd, path, nothing(kind));
	return ok;
}

/* Keys. */

static const char *refuse_rsa(const EVP_PKEY *key)
{
	int bits = EVP_PKEY_get_bits(key);

	if (bits < CRED_RSA_MIN)
		return "RSA of less than 2048 bits is too weak: make a new key";
	return bits > CRED_RSA_MAX ? "RSA of more than 8192 bits is too slow" :
				     NULL;
}

static const char *refuse_curve(const EVP_PKEY *key)
{
	char group[32];
	size_t len;

	if (EVP_PKEY_get_group_name(key, group, sizeof(group), &len) == 1 &&
	    (!strcmp(group, SN_X9_62_prime256v1) ||
	     !strcmp(group, SN_secp384r1) || !strcmp(group, SN_secp521r1)))
		return NULL;
	return "an EC key must be on P-256, P-384 or P-521";
}

const char *cred_refuse_key(const EVP_PKEY *key)
{
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
	case EVP_PKEY_RSA_PSS:
		return refuse_rsa(key);
	case EVP_PKEY_EC:
		return refuse_curve(key);
	case EVP_PKEY_ED25519:
	case EVP_PKEY_ED448:
		return NULL;
	}
	return "neither an RSA, EC, Ed25519 nor Ed448 key";
}

struct passphrase {
	char pass_text[PASSPHRASE_MAX];
	bool pass_given, pass_asked;
};

static int give_passphrase(char *buf, int size, int rwflag, void *arg)
{
	struct passphrase *pass = arg;
	size_t len = strlen(pass->pass_text);

	pass->pass_asked = true;
	if (!pass->pass_given || len > (size_t)size)
		return -1;
	memcpy(buf, pass->pass_text, len);
	return (int)len;
}

static EVP_PKEY *parse_key(const char *text, size_t len,
			   struct passphrase *pass)
{
	BIO *bio = BIO_new_mem_buf(text, (int)len);
	EVP_PKEY *key = NULL;

	if (bio)
		key = PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, pass);
	BIO_free(bio);
	ERR_clear_error();
	return key;
}

static bool read_passphrase(const char *path, struct passphrase *pass,
			    char *err, size_t err_size)
{
	size_t len;

	if (!path[0])
		return true;
	if (!secret_read_text(path, pass->pass_text, sizeof(pass->pass_text),
			      &len, err, err_size))
		return false;
	pass->pass_text[strcspn(pass->pass_text, "\r\n")] = '\0';
	pass->pass_given = true;
	return true;
}

static const char *refuse_private(const EVP_PKEY *key,
				  const struct passphrase *pass)
{
	if (key)
		return cred_refuse_key(key);
	if (!pass->pass_asked)
		return "holds no private key (PEM: BEGIN PRIVATE KEY)";
	return pass->pass_given ? "the passphrase is another one" :
	       "encrypted: name the file with its passphrase, passphrase = FILE";
}

EVP_PKEY *cred_read_key(const char *path, const char *passphrase, char *err,
			size_t err_size)
{
	struct passphrase pass = { 0 };
	static char text[KEY_FILE_MAX];
	EVP_PKEY *key = NULL;
	const char *why;
	size_t len;

	if (read_passphrase(passphrase, &pass, err, err_size) &&
	    secret_read_text(path, text, sizeof(text), &len, err, err_size)) {
		key = parse_key(text, len, &pass);
		why = refuse_private(key, &pass);
		if (why) {
			snprintf(err, err_size, "%s: %s", path, why);
			EVP_PKEY_free(key);
			key = NULL;
		}
	}
	explicit_bzero(&pass, sizeof(pass));
	explicit_bzero(text, sizeof(text));
	return key;
}

/* Certificates. */

static bool take_first(void *arg, const u8 *der, size_t len)
{
	X509 **cert = arg;

	if (!*cert)
		*cert = d2i_X509(NULL, &der, (long)len);
	return *cert;
}

X509 *cred_read_cert(const char *path, char *err, size_t err_size)
{
	X509 *cert = NULL;

	if (cred_read(CRED_CERT, path, take_first, &cert, err, err_size))
		return cert;
	X509_free(cert);
	return NULL;
}

const char *cred_subject(const X509 *cert, char *buf, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	long len = 0;
	char *text;

	buf[0] = '\0';
	if (bio && X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0,
				      ASN1_STRFLGS_ESC_CTRL |
				      ASN1_STRFLGS_UTF8_CONVERT |
				      XN_FLAG_SEP_CPLUS_SPC |
				      XN_FLAG_FN_SN) >= 0)
		len = BIO_get_mem_data(bio, &text);
	if (len > 0)
		text_escape(text, (size_t)len, buf, size);
	BIO_free(bio);
	return buf;
}

static const char *date(const ASN1_TIME *time, char *buf, size_t size)
{
	struct tm tm;

	if (!ASN1_TIME_to_tm(time, &tm) ||
	    !strftime(buf, size, "%Y-%m-%d %H:%M UTC", &tm))
		text_copy(buf, size, "an unreadable time");
	return buf;
}

const char *cred_refuse_dates(const X509 *cert, char *buf, size_t size)
{
	char when[40];

	if (X509_cmp_current_time(X509_get0_notAfter(cert)) <= 0)
		snprintf(buf, size, "it expired on %s: renew it",
			 date(X509_get0_notAfter(cert), when, sizeof(when)));
	else if (X509_cmp_current_time(X509_get0_notBefore(cert)) >= 0)
		snprintf(buf, size, "valid only from %s: is the clock right?",
			 date(X509_get0_notBefore(cert), when, sizeof(when)));
	else
		return NULL;
	return buf;
}

static bool is_subject(const X509 *cert, const struct conf_id *id)
{
	const u8 *at = id->id_data;
	X509_NAME *name = d2i_X509_NAME(NULL, &at, id->id_len);
	bool same = name && at == id->id_data + id->id_len &&
		    !X509_NAME_cmp(name, X509_get_subject_name(cert));

	X509_NAME_free(name);
	return same;
}

bool cred_names(const X509 *cert, const struct conf_id *id)
{
	const unsigned int exact = X509_CHECK_FLAG_NO_WILDCARDS |
				   X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
	const char *text = (const char *)id->id_data;
	X509 *peer = (X509 *)cert;	/* OpenSSL caches in it */

	switch (id->id_type) {
	case ID_FQDN:
		return id->id_len && !memchr(text, 0, id->id_len) &&
		       X509_check_host(peer, text, id->id_len, exact, NULL) == 1;
	case ID_RFC822_ADDR:
		return id->id_len && !memchr(text, 0, id->id_len) &&
		       X509_check_email(peer, text, id->id_len, exact) == 1;
	case ID_IPV4_ADDR:
		return id->id_len == 4 &&
		       X509_check_ip(peer, id->id_data, 4, 0) == 1;
	case ID_IPV6_ADDR:
		return id->id_len == 16 &&
		       X509_check_ip(peer, id->id_data, 16, 0) == 1;
	case ID_DER_ASN1_DN:
		return is_subject(cert, id);
	}
	return false;
}

static bool set_id(struct conf_id *id, u8 type, const ASN1_STRING *value)
{
	int len = ASN1_STRING_length(value);

	if (len <= 0 || len > CONF_ID_MAX)
		return false;
	memset(id, 0, sizeof(*id));
	id->id_type = type;
	id->id_len = (u16)len;
	memcpy(id->id_data, ASN1_STRING_get0_data(value), (size_t)len);
	return true;
}

static bool from_name(struct conf_id *id, const GENERAL_NAME *name)
{
	switch (name->type) {
	case GEN_DNS:
		return set_id(id, ID_FQDN, name->d.ia5);
	case GEN_EMAIL:
		return set_id(id, ID_RFC822_ADDR, name->d.ia5);
	case GEN_IPADD:
		return set_id(id, ASN1_STRING_length(name->d.ip) == 4 ?
			      ID_IPV4_ADDR : ID_IPV6_ADDR, name->d.ip);
	}
	return false;
}

static void from_subject(struct conf_id *id, const X509 *cert)
{
	const X509_NAME *name = X509_get_subject_name(cert);
	int len = i2d_X509_NAME(name, NULL);
	u8 *at = id->id_data;

	if (len <= 0 || len > CONF_ID_MAX || !X509_NAME_entry_count(name))
		return;
	memset(id, 0, sizeof(*id));
	id->id_type = ID_DER_ASN1_DN;
	id->id_len = (u16)i2d_X509_NAME(name, &at);
}

void cred_set_local_id(struct conf_conn *conn, const X509 *cert)
{
	struct conf_id *id = &conn->conn_local_id;
	GENERAL_NAMES *names;
	bool found = false;
	int i;

	/* The same name may be written in other types of string. */
	if (id->id_type == ID_DER_ASN1_DN && is_subject(cert, id))
		from_subject(id, cert);
	if (id->id_type != ID_ADDRESS)
		return;
	names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++)
		found = from_name(id, sk_GENERAL_NAME_value(names, i));
	GENERAL_NAMES_free(names);
	if (!found)
		from_subject(id, cert);
}
