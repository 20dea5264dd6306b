/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper's store of records (IPC_RECORD): what the engine wrote ahead of
 * what it sent. Session keys: they live in memory alone, and are wiped when
 * they go. Nothing here looks into a record.
 */
#ifndef CYGNETD_VAULT_H
#define CYGNETD_VAULT_H

#include "ipc.h"

#define VAULT_BUCKETS		4096
#define VAULT_RECORD_MAX	262144		/* bytes of one record */
#define VAULT_BYTES_MAX		(512u << 20)	/* of all together */
#define VAULT_EPOCHS		65536

struct vault_record {
	struct vault_record *vr_next;		/* in the order that they came */
	struct vault_record **vr_prev;
	struct vault_record *vr_next_hash;	/* or of those not in force yet */
	char vr_conn[CONF_NAME_MAX];
	u8 vr_spi[8];				/* zeros: of the connection */
	size_t vr_len;
	u8 *vr_data;
};

struct vault {
	struct vault_record *va_first, **va_end;
	struct vault_record *va_buckets[VAULT_BUCKETS];
	struct vault_record *va_staged, **va_staged_end;
	bool va_more;			/* the last of them goes on */
	u32 va_count;
	size_t va_bytes, va_staged_bytes;
	u32 va_epoch;			/* of the engine that runs */
};

void vault_init(struct vault *vault);
/* Wipes everything, also what is not in force. */
void vault_clear(struct vault *vault);
/* Drops what an engine has begun to write and not finished. */
void vault_drop_staged(struct vault *vault);
/* Takes a message; false if no engine of ours would have sent it. */
bool vault_take(struct vault *vault, const struct ipc_msg *msg);
/*
 * The connection has been taken down: its SAs' records go, and its own, which
 * says that it is down, if it is no more or another one from now on.
 */
void vault_forget(struct vault *vault, const char *conn, bool own_too);
/*
 * Another engine: the number that no engine before it had. When all have been
 * used the records go, and with them every key that they might meet again.
 */
u32 vault_new_epoch(struct vault *vault);
/* Puts a record in force. */
bool vault_put(struct vault *vault, const char *conn, const u8 *spi,
	       const u8 *data, size_t len);
/* All of them, each in as many messages as it takes; false if fn says so. */
bool vault_tell(const struct vault *vault,
		bool (*fn)(void *arg, const struct ipc_msg *msg), void *arg);

#endif
