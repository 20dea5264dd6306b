// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When records are written, and what becomes of them in the next engine.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "exchange.h"
#include "hitless.h"
#include "record.h"

struct post {
	struct post *post_next;
	struct ike_sa *post_sa;
	struct core_path post_path;
	size_t post_len;
	u8 post_data[];
};

/* A record that has come, perhaps only its beginning. */
struct left {
	struct left *left_next;
	char left_conn[CONF_NAME_MAX];
	bool left_of_sa;
	bool left_more;
	size_t left_len;
	u8 *left_data;
};

void hitless_touch(struct ike_sa *sa)
{
	struct core *core = sa->sa_core;

	if (sa->sa_touched)
		return;
	sa->sa_touched = true;
	sa->sa_next_touched = core->core_touched;
	core->core_touched = sa;
}

void hitless_touch_conn(struct conn *conn)
{
	struct core *core = conn->cn_core;

	if (conn->cn_touched)
		return;
	conn->cn_touched = true;
	conn->cn_next_touched = core->core_touched_conns;
	core->core_touched_conns = conn;
}

void hitless_post(struct ike_sa *sa, const struct core_path *path,
		  const u8 *buf, size_t len)
{
	struct post **end = &sa->sa_core->core_posts;
	struct post *post = malloc(sizeof(*post) + len);

	if (!post)
		return;		/* it is lost on its way */
	*post = (struct post){ .post_sa = sa, .post_path = *path, .post_len = len };
	memcpy(post->post_data, buf, len);
	while (*end)
		end = &(*end)->post_next;
	*end = post;
}

static bool is_settled(const struct ike_sa *sa)
{
	return !sa->sa_theirs && !(sa->sa_ours && sa->sa_ours->ex_answered);
}

/*
 * SAs that replace each other change together, so either all of a connection's
 * are written or none.
 */
static bool is_held(const struct ike_sa *sa)
{
	const struct ike_sa *other;

	if (sa->sa_dead)
		return false;
	if (!is_settled(sa))
		return true;
	if (!sa->sa_listed)
		return false;
	for (other = sa->sa_core->core_touched; other; other = other->sa_next_touched)
		if (other->sa_conn == sa->sa_conn && other->sa_listed && !other->sa_dead &&
		    !is_settled(other))
			return true;
	return false;
}

/* One message is kept back: the last of all says that this was all. */
struct batch {
	struct core *batch_core;
	bool batch_any;
	struct ipc_msg batch_msg;
};

static void flush(struct batch *batch, bool commit)
{
	if (!batch->batch_any)
		return;
	batch->batch_msg.im_record.rc_commit = commit;
	core_tell(batch->batch_core, &batch->batch_msg);
}

/* No bytes: the record is to be forgotten. */
static void add(struct batch *batch, const char *conn, const u8 *spi,
		const struct bytes *bytes)
{
	struct ipc_record *rec = &batch->batch_msg.im_record;
	size_t at = 0, len;

	do {
		flush(batch, false);
		core_ask_init(&batch->batch_msg, IPC_RECORD, conn);
		batch->batch_any = true;
		if (spi)
			memcpy(rec->rc_spi, spi, MSG_SPI_LEN);
		len = bytes->bytes_len - at;
		if (len > sizeof(rec->rc_data))
			len = sizeof(rec->rc_data);
		if (len)
			memcpy(rec->rc_data, bytes->bytes_data + at, len);
		rec->rc_len = (u32)len;
		at += len;
		rec->rc_more = at < bytes->bytes_len;
	} while (rec->rc_more);
}

/* A record that is not up to date must not be used. */
static void write_sa(struct batch *batch, struct ike_sa *sa)
{
	struct bytes bytes = { 0 };
	bool keep = !sa->sa_dead && sa->sa_state != IKE_CONNECTING;

	if (!keep && !sa->sa_recorded)
		return;
	if (keep)
		record_write(sa, &bytes);
	if (bytes.bytes_failed) {
		ike_sa_log(sa, CORE_WARNING, "a restart will not keep it: out of memory");
		bytes_free(&bytes);
	}
	sa->sa_recorded = bytes.bytes_len;
	add(batch, sa->sa_conn->cn_conf.conn_name, ike_sa_own_spi(sa), &bytes);
	bytes_free(&bytes);
}

static void write_conn(struct batch *batch, struct conn *conn)
{
	struct bytes bytes = { 0 };

	record_write_conn(conn, &bytes);
	if (!bytes.bytes_failed)
		add(batch, conn->cn_conf.conn_name, NULL, &bytes);
	bytes_free(&bytes);
}

/* Takes out of the list what can be written now. */
static struct ike_sa *take_ready(struct core *core)
{
	struct ike_sa **pos = &core->core_touched, *ready = NULL, *sa;
	struct ike_sa *held = NULL;

	/* Judged before any is taken out: they depend on each other. */
	for (sa = core->core_touched; sa; sa = sa->sa_next_touched)
		sa->sa_held = is_held(sa);
	while ((sa = *pos)) {
		*pos = sa->sa_next_touched;
		if (sa->sa_held) {
			sa->sa_next_touched = held;
			held = sa;
			continue;
		}
		sa->sa_touched = false;
		sa->sa_next_touched = ready;
		ready = sa;
	}
	core->core_touched = held;
	return ready;
}

static void write_records(struct core *core)
{
	struct batch batch = { .batch_core = core };
	struct ike_sa *sa = take_ready(core);

	for (; sa; sa = sa->sa_next_touched)
		write_sa(&batch, sa);
	while (core->core_touched_conns) {
		struct conn *conn = core->core_touched_conns;

		core->core_touched_conns = conn->cn_next_touched;
		conn->cn_touched = false;
		write_conn(&batch, conn);
	}
	flush(&batch, true);
	OPENSSL_cleanse(&batch, sizeof(batch));
}

static void send_posts(struct core *core)
{
	struct post **pos = &core->core_posts;

	while (*pos) {
		struct post *post = *pos;

		if (post->post_sa->sa_touched && !post->post_sa->sa_dead) {
			pos = &post->post_next;
			continue;
		}
		*pos = post->post_next;
		core_send(core, &post->post_path, post->post_data, post->post_len);
		free(post);
	}
}

void hitless_commit(struct core *core)
{
	if (core->core_touched || core->core_touched_conns)
		write_records(core);
	if (core->core_posts)
		send_posts(core);
}

/* What another engine has left. */
static struct left *last_left(struct core *core)
{
	struct left *left = core->core_left;

	while (left && left->left_next)
		left = left->left_next;
	return left;
}

static void append(struct left *left, const struct ipc_record *rec)
{
	u8 *data = OPENSSL_clear_realloc(left->left_data, left->left_len,
					 left->left_len + rec->rc_len);

	left->left_more = rec->rc_more;
	if (!data)
		return;		/* too short: refused when it is read */
	memcpy(data + left->left_len, rec->rc_data, rec->rc_len);
	left->left_data = data;
	left->left_len += rec->rc_len;
}

void hitless_take(struct core *core, const struct ipc_msg *msg)
{
	static const u8 none[MSG_SPI_LEN];
	const struct ipc_record *rec = &msg->im_record;
	struct left *left = last_left(core), *new;

	core->core_epoch = (u16)rec->rc_epoch;
	if (left && left->left_more) {
		append(left, rec);
		return;
	}
	new = calloc(1, sizeof(*new));
	if (!new)
		return;
	memcpy(new->left_conn, msg->im_conn, sizeof(new->left_conn));
	new->left_of_sa = memcmp(rec->rc_spi, none, sizeof(none));
	append(new, rec);
	if (left)
		left->left_next = new;
	else
		core->core_left = new;
}

static void free_left(struct core *core)
{
	while (core->core_left) {
		struct left *left = core->core_left;

		core->core_left = left->left_next;
		OPENSSL_clear_free(left->left_data, left->left_len);
		free(left);
	}
}

static struct ike_sa *restore_sa(struct conn *conn, const struct left *left,
				 struct record_link **links)
{
	struct ike_sa *sa = record_read(conn, left->left_data, left->left_len, links);

	if (!sa) {
		conn_log(conn, CORE_WARNING,
			 "an IKE SA of the engine before this one is in no form that is known here: it is made anew");
		return NULL;
	}
	sa->sa_recorded = true;
	ike_sa_log(sa, CORE_INFO, "goes on, %s", ike_state_name(sa->sa_state));
	return sa;
}

void hitless_restore(struct core *core)
{
	struct record_link *links = NULL;
	struct left *left;
	u32 count = 0;

	for (left = core->core_left; left; left = left->left_next) {
		struct conn *conn = conn_find(core, left->left_conn);

		if (!conn)
			continue;
		if (left->left_of_sa)
			count += !!restore_sa(conn, left, &links);
		else
			conn->cn_resumed = record_read_conn(conn, left->left_data,
							    left->left_len);
	}
	if (core->core_left)
		core_log(core, CORE_NOTICE, NULL, "%u IKE SAs go on where they were", count);
	record_link_all(core, links);
	free_left(core);
}

void hitless_resume(struct core *core)
{
	struct ike_sa *sa, *next;
	unsigned int i;

	for (i = 0; i < CORE_BUCKETS; i++) {
		for (sa = core->core_sas[i]; sa; sa = next) {
			next = sa->sa_next;
			if (sa->sa_recorded)
				ike_sa_resume(sa);
		}
	}
}

void hitless_free(struct core *core)
{
	while (core->core_posts) {
		struct post *post = core->core_posts;

		core->core_posts = post->post_next;
		free(post);
	}
	free_left(core);
}
