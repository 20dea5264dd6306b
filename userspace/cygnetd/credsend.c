// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Certificates on their way from files to the engine.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "cred.h"
#include "credsend.h"
#include "log.h"
#include "text.h"

struct file {
	enum cred_kind file_kind;
	const char *file_path;
	size_t file_conn;		/* the first that names it */
	bool file_is_key;		/* a private one: its public half */
};

struct sending {
	const struct file *snd_file;
	credsend_fn *snd_send;
	void *snd_arg;
	bool snd_begun, snd_failed;
};

static bool send_part(struct sending *snd, const u8 *data, size_t len, bool more)
{
	static struct ipc_msg msg;
	struct ipc_cred *cred = &msg.im_cred;

	msg.im_type = IPC_CRED;
	cred->ix_kind = snd->snd_file->file_kind;
	cred->ix_begin = !snd->snd_begun;
	cred->ix_more = more;
	cred->ix_len = (u32)len;
	text_copy(cred->ix_path, sizeof(cred->ix_path),
		  snd->snd_file->file_path);
	memcpy(cred->ix_data, data, len);
	snd->snd_begun = true;
	snd->snd_failed = !snd->snd_send(snd->snd_arg, &msg);
	return !snd->snd_failed;
}

static bool send_object(void *arg, const u8 *der, size_t len)
{
	struct sending *snd = arg;
	bool ok = true;

	while (ok && len > IPC_CRED_MAX) {
		ok = send_part(snd, der, IPC_CRED_MAX, true);
		der += IPC_CRED_MAX;
		len -= IPC_CRED_MAX;
	}
	return ok && send_part(snd, der, len, false);
}

static void send_public(struct sending *snd, const struct keys *keys)
{
	u8 *der;
	size_t len = keys_public(keys, snd->snd_file->file_conn, &der);

	if (len)
		send_object(snd, der, len);
	OPENSSL_free(der);
}

static bool send_file(const struct file *file, const struct conf *conf,
		      const struct keys *keys, credsend_fn *send, void *arg)
{
	struct sending snd = { file, send, arg, false, false };
	static const u8 nothing[1];
	char err[512];

	if (file->file_is_key)
		send_public(&snd, keys);
	else if (!cred_read(file->file_kind, file->file_path, send_object,
			    &snd, err, sizeof(err)) && !snd.snd_failed)
		log_line(CONF_LOG_ERROR,
			 conf->conf_conns[file->file_conn].conn_name, "%s",
			 err);
	if (!snd.snd_begun)
		send_part(&snd, nothing, 0, false);
	return !snd.snd_failed;
}

static int compare(const void *left, const void *right)
{
	const struct file *a = left, *b = right;

	if (a->file_kind != b->file_kind)
		return a->file_kind < b->file_kind ? -1 : 1;
	return strcmp(a->file_path, b->file_path);
}

static size_t add(struct file *files, size_t n, enum cred_kind kind,
		  const char *path, size_t conn, bool is_key)
{
	if (!path[0])
		return n;
	files[n] = (struct file){ kind, path, conn, is_key };
	return n + 1;
}

static size_t collect(const struct conf *conf, struct file *files)
{
	size_t i, n = 0;

	for (i = 0; i < conf->conf_nconns; i++) {
		const struct conf_conn *conn = &conf->conf_conns[i];

		n = add(files, n, CRED_CERT, conn->conn_cert, i, false);
		n = add(files, n, CRED_TRUST, conn->conn_trust, i, false);
		n = add(files, n, CRED_CRL, conn->conn_crl, i, false);
		n = add(files, n, CRED_PUBLIC, conn->conn_remote_key, i, false);
		if (conn->conn_auth_local == CONF_AUTH_KEY)
			n = add(files, n, CRED_PUBLIC, conn->conn_key, i, true);
	}
	return n;
}

bool credsend(const struct conf *conf, const struct keys *keys,
	      credsend_fn *send, void *arg)
{
	struct file *files = calloc(5 * (size_t)conf->conf_nconns + 1,
				    sizeof(*files));
	size_t i, n = files ? collect(conf, files) : 0;
	bool ok = files;

	qsort(files, n, sizeof(*files), compare);
	for (i = 0; i < n && ok; i++)
		if (!i || compare(&files[i - 1], &files[i]))
			ok = send_file(&files[i], conf, keys, send, arg);
	free(files);
	return ok;
}
