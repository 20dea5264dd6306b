// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Records, found by connection and SPI. What comes is staged, and put in force
 * together: an engine may die between two messages.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text.h"
#include "log.h"
#include "vault.h"

static struct vault_record **bucket(struct vault *vault, const char *conn,
				    const u8 *spi)
{
	u32 hash = 2166136261u;

	while (*conn)
		hash = (hash ^ (u8)*conn++) * 16777619u;
	for (int i = 0; i < 8; i++)
		hash = (hash ^ spi[i]) * 16777619u;
	return &vault->va_buckets[hash % VAULT_BUCKETS];
}

static struct vault_record **find(struct vault *vault, const char *conn,
				  const u8 *spi)
{
	struct vault_record **pos = bucket(vault, conn, spi);

	while (*pos && (memcmp((*pos)->vr_spi, spi, sizeof((*pos)->vr_spi)) ||
			strcmp((*pos)->vr_conn, conn)))
		pos = &(*pos)->vr_next_hash;
	return pos;
}

static void free_record(struct vault_record *rec)
{
	OPENSSL_clear_free(rec->vr_data, rec->vr_len);
	free(rec);
}

void vault_init(struct vault *vault)
{
	memset(vault, 0, sizeof(*vault));
	vault->va_end = &vault->va_first;
	vault->va_staged_end = &vault->va_staged;
}

static void forget(struct vault *vault, struct vault_record **pos)
{
	struct vault_record *rec = *pos;

	*pos = rec->vr_next_hash;
	*rec->vr_prev = rec->vr_next;
	if (rec->vr_next)
		rec->vr_next->vr_prev = rec->vr_prev;
	else
		vault->va_end = rec->vr_prev;
	vault->va_count--;
	vault->va_bytes -= rec->vr_len;
	free_record(rec);
}

void vault_drop_staged(struct vault *vault)
{
	while (vault->va_staged) {
		struct vault_record *rec = vault->va_staged;

		vault->va_staged = rec->vr_next_hash;
		free_record(rec);
	}
	vault->va_staged_end = &vault->va_staged;
	vault->va_staged_bytes = 0;
	vault->va_more = false;
}

void vault_clear(struct vault *vault)
{
	vault_drop_staged(vault);
	while (vault->va_first)
		forget(vault, find(vault, vault->va_first->vr_conn,
				   vault->va_first->vr_spi));
}

void vault_forget(struct vault *vault, const char *conn, bool own_too)
{
	static const u8 none[sizeof(vault->va_first->vr_spi)];
	struct vault_record *rec, *next;

	for (rec = vault->va_first; rec; rec = next) {
		next = rec->vr_next;
		if (!strcmp(rec->vr_conn, conn) &&
		    (own_too || memcmp(rec->vr_spi, none, sizeof(none))))
			forget(vault, find(vault, conn, rec->vr_spi));
	}
}

u32 vault_new_epoch(struct vault *vault)
{
	if (++vault->va_epoch < VAULT_EPOCHS)
		return vault->va_epoch;
	log_warning("the engine has been started %d times: IKE SAs are made anew",
		    VAULT_EPOCHS);
	vault_clear(vault);
	vault->va_epoch = 0;
	return vault->va_epoch;
}

static void link_record(struct vault *vault, struct vault_record *rec)
{
	struct vault_record **pos = bucket(vault, rec->vr_conn, rec->vr_spi);

	rec->vr_next_hash = *pos;
	*pos = rec;
	rec->vr_next = NULL;
	rec->vr_prev = vault->va_end;
	*vault->va_end = rec;
	vault->va_end = &rec->vr_next;
	vault->va_count++;
	vault->va_bytes += rec->vr_len;
}

/* In the place of the one before it, so that the order stays; takes @rec. */
static void enforce(struct vault *vault, struct vault_record *rec)
{
	struct vault_record **pos = find(vault, rec->vr_conn, rec->vr_spi);
	struct vault_record *old = *pos;

	if (!rec->vr_len) {
		if (old)
			forget(vault, pos);
		free_record(rec);
	} else if (old) {
		vault->va_bytes += rec->vr_len - old->vr_len;
		OPENSSL_clear_free(old->vr_data, old->vr_len);
		old->vr_data = rec->vr_data;
		old->vr_len = rec->vr_len;
		free(rec);
	} else {
		link_record(vault, rec);
	}
}

static void commit(struct vault *vault)
{
	struct vault_record *rec = vault->va_staged;

	vault->va_staged = NULL;
	vault->va_staged_end = &vault->va_staged;
	vault->va_staged_bytes = 0;
	while (rec) {
		struct vault_record *next = rec->vr_next_hash;

		enforce(vault, rec);
		rec = next;
	}
}

static struct vault_record *stage(struct vault *vault, const char *conn,
				  const u8 *spi)
{
	struct vault_record *rec = calloc(1, sizeof(*rec));

	if (!rec)
		return NULL;
	text_copy(rec->vr_conn, sizeof(rec->vr_conn), conn);
	memcpy(rec->vr_spi, spi, sizeof(rec->vr_spi));
	*vault->va_staged_end = rec;
	vault->va_staged_end = &rec->vr_next_hash;
	return rec;
}

static bool append(struct vault_record *rec, const u8 *data, size_t len)
{
	u8 *all;

	if (!len)
		return true;
	all = OPENSSL_clear_realloc(rec->vr_data, rec->vr_len, rec->vr_len + len);
	if (!all)
		return false;
	memcpy(all + rec->vr_len, data, len);
	rec->vr_data = all;
	rec->vr_len += len;
	return true;
}

/* The one that goes on is the last that was staged. */
static struct vault_record *last_staged(struct vault *vault)
{
	return (struct vault_record *)((char *)vault->va_staged_end -
		offsetof(struct vault_record, vr_next_hash));
}

bool vault_take(struct vault *vault, const struct ipc_msg *msg)
{
	const struct ipc_record *in = &msg->im_record;
	struct vault_record *rec;

	rec = vault->va_more ? last_staged(vault) :
			       stage(vault, msg->im_conn, in->rc_spi);
	if (!rec || vault->va_bytes + vault->va_staged_bytes + in->rc_len > VAULT_BYTES_MAX)
		return false;
	if (strcmp(rec->vr_conn, msg->im_conn) ||
	    memcmp(rec->vr_spi, in->rc_spi, sizeof(rec->vr_spi)) ||
	    rec->vr_len + in->rc_len > VAULT_RECORD_MAX ||
	    (in->rc_more && (!in->rc_len || in->rc_commit)) ||
	    !append(rec, in->rc_data, in->rc_len))
		return false;
	vault->va_staged_bytes += in->rc_len + sizeof(*rec);
	vault->va_more = in->rc_more;
	if (in->rc_commit)
		commit(vault);
	return true;
}

bool vault_put(struct vault *vault, const char *conn, const u8 *spi,
	       const u8 *data, size_t len)
{
	struct vault_record *rec = stage(vault, conn, spi);

	if (!rec || !append(rec, data, len))
		return false;
	commit(vault);
	return true;
}

static bool tell(const struct vault *vault, const struct vault_record *rec,
		 bool (*fn)(void *arg, const struct ipc_msg *msg), void *arg)
{
	struct ipc_msg msg = { .im_type = IPC_RECORD };
	struct ipc_record *out = &msg.im_record;
	size_t at = 0;
	bool ok = true;

	text_copy(msg.im_conn, sizeof(msg.im_conn), rec->vr_conn);
	memcpy(out->rc_spi, rec->vr_spi, sizeof(out->rc_spi));
	out->rc_epoch = vault->va_epoch;
	while (ok && at < rec->vr_len) {
		out->rc_len = rec->vr_len - at < sizeof(out->rc_data) ?
			      rec->vr_len - at : sizeof(out->rc_data);
		memcpy(out->rc_data, rec->vr_data + at, out->rc_len);
		at += out->rc_len;
		out->rc_more = at < rec->vr_len;
		ok = fn(arg, &msg);
	}
	OPENSSL_cleanse(&msg, sizeof(msg));
	return ok;
}

bool vault_tell(const struct vault *vault,
		bool (*fn)(void *arg, const struct ipc_msg *msg), void *arg)
{
	for (const struct vault_record *rec = vault->va_first; rec;
	     rec = rec->vr_next)
		if (!tell(vault, rec, fn, arg))
			return false;
	return true;
}
