// SPDX-License-Identifier: GPL-2.0-or-later

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "secret.h"

/* Text of a file, larger than any encoding of a secret. */
struct secret_file {
	size_t file_len;
	char file_text[4 * SECRET_LEN_MAX];
};

void secret_wipe(struct secret *secret)
{
	explicit_bzero(secret, sizeof(*secret));
}

/* What is wrong with the file that a secret stands in, or NULL. */
static const char *refuse_file(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "not a regular file";
	if (st->st_uid && st->st_uid != geteuid())
		return "belongs to another user; it must be root's or yours";
	if (st->st_mode & 077)
		return "open to others than its owner; chmod 600 it";
	return NULL;
}

static bool read_all(int fd, char *text, size_t size, size_t *len)
{
	ssize_t got;

	*len = 0;
	do {
		got = read(fd, text + *len, size - *len);
		if (got > 0)
			*len += got;
	} while ((got > 0 && *len < size) || (got < 0 && errno == EINTR));
	return got >= 0;
}

/* Less than size bytes. */
static bool read_file(const char *path, char *text, size_t size, size_t *len,
		      char *err, size_t err_size)
{
	const char *refusal = NULL;
	struct stat st;
	bool ok = false;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		refusal = strerror(errno);
	else
		refusal = refuse_file(&st);
	if (!refusal && !read_all(fd, text, size, len))
		refusal = strerror(errno);
	if (!refusal && *len == size)
		refusal = "too long for a secret";
	if (refusal)
		snprintf(err, err_size, "%s: %s", path, refusal);
	else
		ok = true;
	if (fd >= 0)
		close(fd);
	return ok;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Appends four bits at a time; white space is skipped. */
static bool decode_hex(struct secret *secret, const char *text, size_t len)
{
	size_t digits = 0;
	int digit;

	for (; len; len--, text++) {
		if (isspace((unsigned char)*text))
			continue;
		digit = hex_digit(*text);
		if (digit < 0 || digits / 2 >= SECRET_LEN_MAX)
			return false;
		secret->secret_data[digits / 2] |= digit << (digits % 2 ? 0 : 4);
		digits++;
	}
	secret->secret_len = digits / 2;
	return digits % 2 == 0;
}

static int base64_digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? at - digits : -1;
}

static bool decode_base64(struct secret *secret, const char *text, size_t len)
{
	unsigned int bits = 0, held = 0;
	int digit;

	while (len && (text[len - 1] == '=' ||
		       isspace((unsigned char)text[len - 1])))
		len--;
	for (; len; len--, text++) {
		if (isspace((unsigned char)*text))
			continue;
		digit = base64_digit(*text);
		if (digit < 0 || secret->secret_len >= SECRET_LEN_MAX)
			return false;
		held = (held << 6 | digit) & 0xffff;
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		secret->secret_data[secret->secret_len++] = held >> bits;
	}
	/* What is left over must be padding: fewer than 6 bits, all zero. */
	return bits < 6 && !(held & ((1u << bits) - 1));
}

static bool decode_plain(struct secret *secret, const char *text, size_t len)
{
	if (len > SECRET_LEN_MAX)
		return false;
	memcpy(secret->secret_data, text, len);
	secret->secret_len = len;
	return true;
}

static const char *decode_psk(struct secret *secret, const char *text,
			      size_t len)
{
	bool ok;

	if (len >= 2 && !memcmp(text, "0x", 2))
		ok = decode_hex(secret, text + 2, len - 2);
	else if (len >= 2 && !memcmp(text, "0s", 2))
		ok = decode_base64(secret, text + 2, len - 2);
	else
		ok = decode_plain(secret, text, len);
	if (!ok)
		return "too long, or not the hex or base64 that 0x or 0s announces";
	return secret->secret_len ? NULL : "empty";
}

bool secret_read_psk(struct secret *secret, const char *path, char *err,
		     size_t err_size)
{
	const char *refusal = NULL;
	struct secret_file file;
	size_t len;
	bool ok;

	secret_wipe(secret);
	ok = read_file(path, file.file_text, sizeof(file.file_text),
		       &file.file_len, err, err_size);
	if (ok) {
		len = file.file_len;
		if (len && file.file_text[len - 1] == '\n')
			len--;
		refusal = decode_psk(secret, file.file_text, len);
	}
	if (refusal) {
		snprintf(err, err_size, "%s: %s", path, refusal);
		secret_wipe(secret);
		ok = false;
	}
	explicit_bzero(&file, sizeof(file));
	return ok;
}

bool secret_read_text(const char *path, char *buf, size_t size, size_t *len,
		      char *err, size_t err_size)
{
	if (!read_file(path, buf, size, len, err, err_size)) {
		explicit_bzero(buf, size);
		return false;
	}
	buf[*len] = '\0';
	return true;
}

static bool decode_key(struct secret *secret, const struct secret_file *file,
		       const char *path, size_t len, char *err,
		       size_t err_size)
{
	size_t skip = file->file_len >= 2 &&
		      !memcmp(file->file_text, "0x", 2) ? 2 : 0;

	if (!decode_hex(secret, file->file_text + skip,
			file->file_len - skip)) {
		snprintf(err, err_size, "%s: not hex digits, two for each byte",
			 path);
		return false;
	}
	if (secret->secret_len != len) {
		snprintf(err, err_size,
			 "%s: %zu bytes, but the algorithm needs exactly %zu (%zu hex digits), salt included",
			 path, secret->secret_len, len, 2 * len);
		return false;
	}
	return true;
}

bool secret_read_key(struct secret *secret, const char *path, size_t len,
		     char *err, size_t err_size)
{
	bool standard_input = !strcmp(path, "-");
	struct secret_file file;
	bool ok;

	secret_wipe(secret);
	if (standard_input) {
		path = "standard input";
		ok = read_all(STDIN_FILENO, file.file_text,
			      sizeof(file.file_text), &file.file_len);
		if (!ok)
			snprintf(err, err_size, "%s: %s", path,
				 strerror(errno));
	} else {
		ok = read_file(path, file.file_text, sizeof(file.file_text),
			       &file.file_len, err, err_size);
	}
	ok = ok && decode_key(secret, &file, path, len, err, err_size);
	if (!ok)
		secret_wipe(secret);
	explicit_bzero(&file, sizeof(file));
	return ok;
}
