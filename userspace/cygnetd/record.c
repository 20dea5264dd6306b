// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What of each struct goes into a record, and how.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "exchange.h"
#include "record.h"

#define DEPTH_MAX	4	/* SA, its exchange, the SA that this makes */

enum field_kind {
	FIELD_KEEP,		/* bytes without pointers */
	FIELD_FLAG,		/* a bool among them */
	FIELD_TIMER,		/* when it rings */
	FIELD_DATA,		/* a pointer; the next field is its length */
	FIELD_LENGTH,
	FIELD_CODE,		/* written and read by hand below */
	FIELD_LEAVE,		/* of no use to another process */
};

struct field {
	const char *field_name;
	size_t field_at, field_size;
	enum field_kind field_kind;
};

/* Of any struct: only its place and size are asked for. */
#define SA	((struct ike_sa *)0)
#define WIN	((struct window *)0)
#define CHILD	((struct child *)0)
#define EX	((struct exchange *)0)
#define KE	((struct ke *)0)
#define CONN	((struct conn *)0)

struct table {
	const struct field *table_fields;
	size_t table_count;
};

#define FIELD(member, kind) { #member, (size_t)&(member), sizeof(member), kind }
#define KEEP(member) \
	{ #member, (size_t)&(member), sizeof(member), \
	  __builtin_types_compatible_p(typeof(member), bool) ? FIELD_FLAG : FIELD_KEEP }
#define TIMER(member)	FIELD(member, FIELD_TIMER)
#define DATA(member)	FIELD(member, FIELD_DATA)
#define LENGTH(member)	FIELD(member, FIELD_LENGTH)
#define CODE(member)	FIELD(member, FIELD_CODE)
#define LEAVE(member)	FIELD(member, FIELD_LEAVE)

static const struct field sa_fields[] = {
	LEAVE(SA->sa_core), LEAVE(SA->sa_conn), LEAVE(SA->sa_next),
	LEAVE(SA->sa_next_init), LEAVE(SA->sa_next_conn),
	KEEP(SA->sa_number), KEEP(SA->sa_state),
	KEEP(SA->sa_initiator), CODE(SA->sa_listed),
	CODE(SA->sa_half_open), LEAVE(SA->sa_dead),
	LEAVE(SA->sa_touched), LEAVE(SA->sa_next_touched),
	LEAVE(SA->sa_recorded), LEAVE(SA->sa_held),
	KEEP(SA->sa_spi_i), KEEP(SA->sa_spi_r), KEEP(SA->sa_path),
	KEEP(SA->sa_nat_local), KEEP(SA->sa_nat_remote),
	KEEP(SA->sa_encap), KEEP(SA->sa_natt), KEEP(SA->sa_childless),
	KEEP(SA->sa_mobike), KEEP(SA->sa_mobile),
	LEAVE(SA->sa_move),
	KEEP(SA->sa_id_local), KEEP(SA->sa_id_remote),
	KEEP(SA->sa_hashes), KEEP(SA->sa_scheme), KEEP(SA->sa_how),
	KEEP(SA->sa_does_ppk), KEEP(SA->sa_ppk),
	KEEP(SA->sa_proposal), KEEP(SA->sa_suite),
	KEEP(SA->sa_keys), LEAVE(SA->sa_old_keys), KEEP(SA->sa_iv),
	KEEP(SA->sa_n_inter), KEEP(SA->sa_int_auth),
	KEEP(SA->sa_ni), KEEP(SA->sa_nr),
	DATA(SA->sa_init_i), LENGTH(SA->sa_init_i_len),
	DATA(SA->sa_init_r), LENGTH(SA->sa_init_r_len),
	CODE(SA->sa_init_hash),
	KEEP(SA->sa_fragments), KEEP(SA->sa_small_fragments),
	LEAVE(SA->sa_parts),
	CODE(SA->sa_window), CODE(SA->sa_ours),
	LEAVE(SA->sa_theirs),	/* the peer asks again */
	LEAVE(SA->sa_parked), LEAVE(SA->sa_park_timer),	/* or begins anew */
	CODE(SA->sa_queue), CODE(SA->sa_children),
	TIMER(SA->sa_timer), TIMER(SA->sa_liveness), TIMER(SA->sa_reauth),
	KEEP(SA->sa_auth_lifetime), KEEP(SA->sa_reauth_at),
	LEAVE(SA->sa_waiter),
	KEEP(SA->sa_born), KEEP(SA->sa_established),
	KEEP(SA->sa_heard), KEEP(SA->sa_expired),
	KEEP(SA->sa_initial_contact), KEEP(SA->sa_tries),
	CODE(SA->sa_rival_of), CODE(SA->sa_replaces),
	KEEP(SA->sa_reason),
};

static const struct field window_fields[] = {
	KEEP(WIN->win_next), KEEP(WIN->win_expected),
	KEEP(WIN->win_sends), KEEP(WIN->win_deadline),
	TIMER(WIN->win_timer),
	DATA(WIN->win_request.sent_data), LENGTH(WIN->win_request.sent_len),
	DATA(WIN->win_request.sent_plain), LENGTH(WIN->win_request.sent_plain_len),
	DATA(WIN->win_reply.sent_data), LENGTH(WIN->win_reply.sent_len),
	DATA(WIN->win_reply.sent_plain), LENGTH(WIN->win_reply.sent_plain_len),
	KEEP(WIN->win_resends), KEEP(WIN->win_hash),
};

static const struct field child_fields[] = {
	LEAVE(CHILD->child_sa), LEAVE(CHILD->child_next),
	KEEP(CHILD->child_number), KEEP(CHILD->child_state),
	KEEP(CHILD->child_initiator), KEEP(CHILD->child_group),
	KEEP(CHILD->child_offer), KEEP(CHILD->child_proposal),
	KEEP(CHILD->child_spi_in), KEEP(CHILD->child_spi_out),
	KEEP(CHILD->child_dirs), LEAVE(CHILD->child_found),
	KEEP(CHILD->child_out_order),
	KEEP(CHILD->child_n_ts), KEEP(CHILD->child_ts),
	KEEP(CHILD->child_encr_in), KEEP(CHILD->child_encr_out),
	KEEP(CHILD->child_integ_in), KEEP(CHILD->child_integ_out),
	KEEP(CHILD->child_ni), KEEP(CHILD->child_nr),
	CODE(CHILD->child_replaces), TIMER(CHILD->child_timer),
	LEAVE(CHILD->child_waiter),
	KEEP(CHILD->child_installed), KEEP(CHILD->child_tries),
	KEEP(CHILD->child_rekey_at),
};

static const struct field exchange_fields[] = {
	LEAVE(EX->ex_sa), LEAVE(EX->ex_next),
	KEEP(EX->ex_type), KEEP(EX->ex_role),
	KEEP(EX->ex_purpose), CODE(EX->ex_state),
	KEEP(EX->ex_id), LEAVE(EX->ex_answered),
	KEEP(EX->ex_started),
	LEAVE(EX->ex_waiter), LEAVE(EX->ex_reply),
	LEAVE(EX->ex_path),	/* of the peer's exchanges only */
	CODE(EX->ex_ke), DATA(EX->ex_secrets), LENGTH(EX->ex_secrets_len),
	KEEP(EX->ex_first_len), KEEP(EX->ex_n_addke), KEEP(EX->ex_at_addke),
	KEEP(EX->ex_addke), KEEP(EX->ex_link_len), KEEP(EX->ex_link),
	KEEP(EX->ex_tries),
	KEEP(EX->ex_cookie_len), KEEP(EX->ex_cookie),
	KEEP(EX->ex_offer), LEAVE(EX->ex_verify),
	LEAVE(EX->ex_auth_len), LEAVE(EX->ex_auth), KEEP(EX->ex_keys),
	KEEP(EX->ex_ni), KEEP(EX->ex_nr),
	CODE(EX->ex_child), CODE(EX->ex_old),
	CODE(EX->ex_rival), KEEP(EX->ex_group),
	KEEP(EX->ex_more), KEEP(EX->ex_refusal), LEAVE(EX->ex_unwanted),
	KEEP(EX->ex_redirect), KEEP(EX->ex_childless),
	KEEP(EX->ex_dirs), CODE(EX->ex_new),
	CODE(EX->ex_rival_sa), KEEP(EX->ex_packet),
	KEEP(EX->ex_has_packet),
};

static const struct field ke_fields[] = {
	KEEP(KE->ke_group), CODE(KE->ke_pair),
	KEEP(KE->ke_public_len), KEEP(KE->ke_peer_len), LEAVE(KE->ke_secret_len),
	KEEP(KE->ke_public), KEEP(KE->ke_peer), LEAVE(KE->ke_secret),
	LEAVE(KE->ke_failed),
};

/* Only what people or the peer decided; the rest follows. */
static const struct field conn_fields[] = {
	KEEP(CONN->cn_is_set_up), KEEP(CONN->cn_kept), KEEP(CONN->cn_is_down),
	KEEP(CONN->cn_downing), KEEP(CONN->cn_single), KEEP(CONN->cn_device),
	KEEP(CONN->cn_mtu),
};

static const struct table sa_table = { sa_fields, ARRAY_SIZE(sa_fields) };
static const struct table window_table = { window_fields, ARRAY_SIZE(window_fields) };
static const struct table child_table = { child_fields, ARRAY_SIZE(child_fields) };
static const struct table exchange_table = { exchange_fields, ARRAY_SIZE(exchange_fields) };
static const struct table ke_table = { ke_fields, ARRAY_SIZE(ke_fields) };
static const struct table conn_table = { conn_fields, ARRAY_SIZE(conn_fields) };

/* Writing */

void bytes_free(struct bytes *out)
{
	OPENSSL_clear_free(out->bytes_data, out->bytes_room);
	memset(out, 0, sizeof(*out));
}

static u8 *extend(struct bytes *out, size_t len)
{
	size_t room = out->bytes_room ? out->bytes_room : 2048;
	u8 *data;

	while (room < out->bytes_len + len)
		room *= 2;
	if (room > RECORD_LEN_MAX)
		out->bytes_failed = true;
	if (out->bytes_failed)
		return NULL;
	if (room != out->bytes_room) {
		data = OPENSSL_clear_realloc(out->bytes_data, out->bytes_room, room);
		if (!data) {
			out->bytes_failed = true;
			return NULL;
		}
		out->bytes_data = data;
		out->bytes_room = room;
	}
	out->bytes_len += len;
	return out->bytes_data + out->bytes_len - len;
}

struct item_head {
	u32 head_size;			/* in memory */
	u32 head_len;			/* here, after the name */
	u32 head_name_len;
};

static size_t without_zeros(const u8 *data, size_t len)
{
	while (len && !data[len - 1])
		len--;
	return len;
}

/* What is all zero is left out: that is what a reader begins with. */
static void put(struct bytes *out, const char *name, const void *data,
		size_t size)
{
	struct item_head head = {
		(u32)size, (u32)without_zeros(data, size),
		(u32)strlen(name),
	};
	u8 *p;

	if (!head.head_len)
		return;
	p = extend(out, sizeof(head) + head.head_name_len + head.head_len);
	if (!p)
		return;
	memcpy(p, &head, sizeof(head));
	memcpy(p + sizeof(head), name, head.head_name_len);
	memcpy(p + sizeof(head) + head.head_name_len, data, head.head_len);
}

/* An item with items in it; the length is filled in at its end. */
static size_t open_item(struct bytes *out, const char *name)
{
	struct item_head head = { .head_name_len = (u32)strlen(name) };
	size_t at = out->bytes_len;
	u8 *p = extend(out, sizeof(head) + head.head_name_len);

	if (p) {
		memcpy(p, &head, sizeof(head));
		memcpy(p + sizeof(head), name, head.head_name_len);
	}
	return at;
}

static void close_item(struct bytes *out, size_t at)
{
	struct item_head head;

	if (out->bytes_failed)
		return;
	memcpy(&head, out->bytes_data + at, sizeof(head));
	head.head_len = (u32)(out->bytes_len - at - sizeof(head) - head.head_name_len);
	head.head_size = head.head_len;
	memcpy(out->bytes_data + at, &head, sizeof(head));
}

static void put_data(struct bytes *out, const char *name, const void *data,
		     size_t len)
{
	size_t at;
	u8 *p;

	if (!data || !len)
		return;
	at = open_item(out, name);
	p = extend(out, len);
	if (p)
		memcpy(p, data, len);
	close_item(out, at);
}

static void put_u32(struct bytes *out, const char *name, u32 value)
{
	put(out, name, &value, sizeof(value));
}

static void put_fields(struct bytes *out, const struct table *table,
		       const void *object)
{
	const struct field *fields = table->table_fields;
	const u8 *base = object;
	size_t i, len;
	u8 *data;

	for (i = 0; i < table->table_count; i++) {
		const struct field *f = &fields[i];
		const struct timer *timer = (const void *)(base + f->field_at);

		if (f->field_kind == FIELD_KEEP || f->field_kind == FIELD_FLAG)
			put(out, f->field_name, base + f->field_at, f->field_size);
		if (f->field_kind == FIELD_TIMER && timer->timer_is_set)
			put(out, f->field_name, &timer->timer_when, sizeof(timer->timer_when));
		if (f->field_kind == FIELD_DATA) {
			memcpy(&data, base + f->field_at, sizeof(data));
			memcpy(&len, base + fields[i + 1].field_at, sizeof(len));
			put_data(out, f->field_name, data, len);
		}
	}
}

static void put_ke(struct bytes *out, const struct ke *ke)
{
	size_t at = open_item(out, "ex_ke"), len;
	u8 *der;

	put_fields(out, &ke_table, ke);
	len = ke_save(ke, &der);
	put_data(out, "ke_pair", der, len);
	OPENSSL_clear_free(der, len);
	close_item(out, at);
}

static void put_child_ref(struct bytes *out, const char *name,
			  const struct child *child)
{
	if (child)
		put_u32(out, name, child->child_number);
}

static void put_sa_ref(struct bytes *out, const char *name,
		       const struct ike_sa *sa)
{
	if (sa)
		put_u32(out, name, sa->sa_number);
}

static bool is_sent(const struct exchange *ex)
{
	return ex->ex_state == EX_MESSAGE;
}

/* What has not been sent begins again: there is nothing of it to keep. */
static bool is_begun(const struct ike_sa *sa, const struct child *child)
{
	return sa->sa_ours && !is_sent(sa->sa_ours) &&
		sa->sa_ours->ex_child == child && child->child_state == CHILD_NEW;
}

static void put_sa(struct bytes *out, const struct ike_sa *sa);

static void put_exchange(struct bytes *out, const char *name,
			 const struct exchange *ex)
{
	size_t at = open_item(out, name), new;

	put_child_ref(out, "ex_old", ex->ex_old);
	if (!is_sent(ex)) {
		put_u32(out, "EX->ex_purpose", ex->ex_purpose);
		put(out, "EX->ex_group", &ex->ex_group, sizeof(ex->ex_group));
		put(out, "EX->ex_packet", &ex->ex_packet, sizeof(ex->ex_packet));
		put(out, "EX->ex_has_packet", &ex->ex_has_packet, sizeof(ex->ex_has_packet));
		if (ex->ex_purpose == EX_CHILD_DELETE)
			put_child_ref(out, "ex_child", ex->ex_child);
		close_item(out, at);
		return;
	}
	put_fields(out, &exchange_table, ex);
	put_u32(out, "ex_state", ex->ex_state);
	put_child_ref(out, "ex_child", ex->ex_child);
	put_child_ref(out, "ex_rival", ex->ex_rival);
	put_sa_ref(out, "ex_rival_sa", ex->ex_rival_sa);
	if (ex->ex_ke)
		put_ke(out, ex->ex_ke);
	if (ex->ex_new) {
		new = open_item(out, "ex_new");
		put_sa(out, ex->ex_new);
		close_item(out, new);
	}
	close_item(out, at);
}

static void put_children(struct bytes *out, const struct ike_sa *sa)
{
	const struct child *child;
	size_t at;

	for (child = sa->sa_children; child; child = child->child_next) {
		if (is_begun(sa, child))
			continue;
		at = open_item(out, "sa_children");
		put_fields(out, &child_table, child);
		put_child_ref(out, "child_replaces", child->child_replaces);
		close_item(out, at);
	}
}

static void put_sa(struct bytes *out, const struct ike_sa *sa)
{
	const struct exchange *ex;
	size_t at;

	put_fields(out, &sa_table, sa);
	put(out, "sa_listed", &sa->sa_listed, sizeof(sa->sa_listed));
	put(out, "sa_half_open", &sa->sa_half_open, sizeof(sa->sa_half_open));
	put(out, "sa_init_hash", sa->sa_init_hash, sizeof(sa->sa_init_hash));
	at = open_item(out, "sa_window");
	put_fields(out, &window_table, &sa->sa_window);
	close_item(out, at);
	put_children(out, sa);
	if (sa->sa_ours)
		put_exchange(out, is_sent(sa->sa_ours) ? "sa_ours" : "sa_queue", sa->sa_ours);
	for (ex = sa->sa_queue; ex; ex = ex->ex_next)
		put_exchange(out, "sa_queue", ex);
	put_sa_ref(out, "sa_rival_of", sa->sa_rival_of);
	put_sa_ref(out, "sa_replaces", sa->sa_replaces);
}

void record_write(const struct ike_sa *sa, struct bytes *out)
{
	put_u32(out, "version", RECORD_VERSION);
	put_sa(out, sa);
}

void record_write_conn(const struct conn *conn, struct bytes *out)
{
	put_u32(out, "version", RECORD_VERSION);
	put_fields(out, &conn_table, conn);
}

/* Reading */

struct item {
	char item_name[48];
	size_t item_size, item_len;
	const u8 *item_data;
};

struct reader {
	const u8 *rd_data;
	size_t rd_left;
	unsigned int rd_depth;
	bool rd_failed;
	struct record_link **rd_links;
};

static bool next_item(struct reader *rd, struct item *item)
{
	struct item_head head;

	if (rd->rd_failed || !rd->rd_left)
		return false;
	rd->rd_failed = true;
	if (rd->rd_left < sizeof(head))
		return false;
	memcpy(&head, rd->rd_data, sizeof(head));
	rd->rd_data += sizeof(head);
	rd->rd_left -= sizeof(head);
	if (head.head_name_len >= sizeof(item->item_name) ||
	    head.head_name_len > rd->rd_left ||
	    head.head_len > rd->rd_left - head.head_name_len ||
	    head.head_len > head.head_size)
		return false;
	memcpy(item->item_name, rd->rd_data, head.head_name_len);
	item->item_name[head.head_name_len] = '\0';
	item->item_size = head.head_size;
	item->item_len = head.head_len;
	item->item_data = rd->rd_data + head.head_name_len;
	rd->rd_data += head.head_name_len + head.head_len;
	rd->rd_left -= head.head_name_len + head.head_len;
	rd->rd_failed = false;
	return true;
}

static struct reader inside(const struct reader *rd, const struct item *item)
{
	return (struct reader){
		.rd_data = item->item_data, .rd_left = item->item_len,
		.rd_depth = rd->rd_depth + 1,
		.rd_failed = rd->rd_depth >= DEPTH_MAX,
		.rd_links = rd->rd_links,
	};
}

static bool is_item(const struct item *item, const char *name)
{
	return !strcmp(item->item_name, name);
}

/* The whole of something of that size. */
static bool copy(const struct item *item, void *to, size_t size)
{
	if (item->item_size != size)
		return false;
	memset(to, 0, size);
	memcpy(to, item->item_data, item->item_len);
	return true;
}

static bool copy_flag(const struct item *item, bool *to)
{
	u8 value;

	if (!copy(item, &value, sizeof(value)) || value > 1)
		return false;
	*to = value;
	return true;
}

static bool copy_u32(const struct item *item, u32 *to)
{
	return copy(item, to, sizeof(*to));
}

static bool take_data(const struct item *item, void *field, void *length)
{
	u8 *data = malloc(item->item_len), *before;
	size_t len = item->item_len;

	memcpy(&before, field, sizeof(before));
	if (!data || !len || before || item->item_size != len) {
		free(data);
		return false;
	}
	memcpy(data, item->item_data, len);
	memcpy(field, &data, sizeof(data));
	memcpy(length, &len, sizeof(len));
	return true;
}

static bool take_timer(struct core *core, const struct item *item,
		       struct timer *timer)
{
	u64 when;

	if (!copy(item, &when, sizeof(when)))
		return false;
	timer_set(&core->core_timers, timer, when);
	return true;
}

/* False, and the record refused, if there is no such field in this struct. */
static bool take_field(struct core *core, const struct item *item,
		       const struct table *table, void *object)
{
	const struct field *fields = table->table_fields;
	u8 *base = object;
	size_t i;

	for (i = 0; i < table->table_count; i++) {
		const struct field *f = &fields[i];

		if (!is_item(item, f->field_name))
			continue;
		if (f->field_kind == FIELD_KEEP)
			return copy(item, base + f->field_at, f->field_size);
		if (f->field_kind == FIELD_FLAG)
			return copy_flag(item, (bool *)(base + f->field_at));
		if (f->field_kind == FIELD_TIMER)
			return take_timer(core, item, (void *)(base + f->field_at));
		if (f->field_kind == FIELD_DATA)
			return take_data(item, base + f->field_at,
					 base + fields[i + 1].field_at);
	}
	return false;
}

static struct child *child_by_number(const struct ike_sa *sa, u32 number)
{
	struct child *child = sa->sa_children;

	while (child && child->child_number != number)
		child = child->child_next;
	return child;
}

/* Children come before whoever names them; one that is gone is none. */
static bool take_child_ref(const struct ike_sa *sa, const struct item *item,
			   struct child **to)
{
	u32 number;

	if (!copy_u32(item, &number))
		return false;
	*to = child_by_number(sa, number);
	return true;
}

static bool take_sa_ref(struct reader *rd, const struct item *item,
			struct ike_sa **to)
{
	struct record_link *link = malloc(sizeof(*link));

	if (!link || !copy_u32(item, &link->link_number)) {
		free(link);
		return false;
	}
	link->link_to = to;
	link->link_next = *rd->rd_links;
	*rd->rd_links = link;
	return true;
}

static bool sound_ke(const struct ke *ke)
{
	return ke->ke_pair && ke->ke_public_len <= sizeof(ke->ke_public) &&
		ke->ke_peer_len <= sizeof(ke->ke_peer);
}

static struct ke *read_ke(struct core *core, struct reader rd)
{
	struct ke *ke = calloc(1, sizeof(*ke));
	struct item item;
	bool ok = ke;

	while (ok && next_item(&rd, &item))
		ok = is_item(&item, "ke_pair") ?
			ke_load(ke, item.item_data, item.item_len) :
			take_field(core, &item, &ke_table, ke);
	if (ok && !rd.rd_failed && sound_ke(ke))
		return ke;
	ke_free(ke);
	return NULL;
}

static struct ike_sa *read_sa(struct conn *conn, struct reader *rd);

static bool take_exchange_item(struct exchange *ex, struct reader *rd,
			       const struct item *item)
{
	struct reader in = inside(rd, item);
	struct ike_sa *sa = ex->ex_sa;
	u32 state;

	if (is_item(item, "ex_child"))
		return take_child_ref(sa, item, &ex->ex_child);
	if (is_item(item, "ex_old"))
		return take_child_ref(sa, item, &ex->ex_old);
	if (is_item(item, "ex_rival"))
		return take_child_ref(sa, item, &ex->ex_rival);
	if (is_item(item, "ex_rival_sa"))
		return take_sa_ref(rd, item, &ex->ex_rival_sa);
	if (is_item(item, "ex_ke") && !ex->ex_ke)
		return (ex->ex_ke = read_ke(sa->sa_core, in));
	if (is_item(item, "ex_new") && !ex->ex_new)
		return (ex->ex_new = read_sa(sa->sa_conn, &in));
	if (is_item(item, "ex_state")) {
		if (!copy_u32(item, &state) || state != EX_MESSAGE)
			return false;
		ex->ex_state = EX_MESSAGE;
		return true;
	}
	return take_field(sa->sa_core, item, &exchange_table, ex);
}

static bool sound_nonce(const struct nonce *nonce)
{
	return nonce->nonce_len <= sizeof(nonce->nonce_data);
}

static bool sound_exchange(const struct exchange *ex)
{
	return ex->ex_role == EX_OURS && transition_find(ex) &&
		ex->ex_type != IKE_SA_INIT &&
		ex->ex_cookie_len <= sizeof(ex->ex_cookie) &&
		ex->ex_first_len <= ex->ex_secrets_len &&
		ex->ex_n_addke <= SUITE_ADDKE_MAX &&
		ex->ex_at_addke <= ex->ex_n_addke &&
		ex->ex_link_len <= sizeof(ex->ex_link) &&
		ex->ex_group < CONF_TS_MAX && sound_nonce(&ex->ex_ni) &&
		sound_nonce(&ex->ex_nr);
}

/* The purpose alone decides the type of what has not been sent. */
static struct exchange *read_exchange(struct ike_sa *sa, struct reader *rd,
				      const struct item *whole)
{
	struct reader in = inside(rd, whole), look = in;
	u32 purpose = EX_INIT;
	struct exchange *ex;
	struct item item;
	bool ok = true;

	while (next_item(&look, &item))
		if (is_item(&item, "EX->ex_purpose"))
			ok = copy_u32(&item, &purpose);
	ex = ok && purpose <= EX_INFORM ? exchange_new(sa, EX_OURS, purpose) : NULL;
	while (ex && ok && next_item(&in, &item))
		ok = take_exchange_item(ex, &in, &item);
	if (ex && ok && !in.rd_failed && sound_exchange(ex))
		return ex;
	if (ex && ex->ex_new)
		ike_sa_close(ex->ex_new);
	if (ex)
		exchange_free(ex);
	return NULL;
}

static bool sound_key(const struct ipc_key *key)
{
	return key->ik_len <= sizeof(key->ik_key);
}

static bool sound_child(const struct child *child)
{
	return child->child_state < CHILD_STATES &&
		child->child_n_ts <= CONF_TS_MAX &&
		child->child_group < CONF_TS_MAX &&
		child->child_proposal.prop_count <= PROPOSAL_TRANSFORMS_MAX &&
		sound_key(&child->child_encr_in) && sound_key(&child->child_encr_out) &&
		sound_key(&child->child_integ_in) && sound_key(&child->child_integ_out) &&
		sound_nonce(&child->child_ni) && sound_nonce(&child->child_nr);
}

/* At the end of the list, as they were. */
static struct child *append_child(struct ike_sa *sa)
{
	struct child *first = sa->sa_children, **end = &sa->sa_children, *child;

	child = child_new(sa, false);
	if (!child || !first)
		return child;
	sa->sa_children = first;
	child->child_next = NULL;
	while (*end)
		end = &(*end)->child_next;
	*end = child;
	return child;
}

/* What it replaces may come after it: looked up when all are there. */
static bool read_child(struct ike_sa *sa, struct reader *rd,
		       const struct item *whole)
{
	struct reader in = inside(rd, whole);
	struct child *child = append_child(sa);
	struct item item;
	bool ok = child;

	while (ok && next_item(&in, &item))
		ok = is_item(&item, "child_replaces") ||
			take_field(sa->sa_core, &item, &child_table, child);
	return ok && !in.rd_failed && sound_child(child);
}

static bool relate_child(struct ike_sa *sa, struct reader *rd,
			 const struct item *whole)
{
	struct reader in = inside(rd, whole);
	struct child *replaced = NULL;
	struct item item;
	u32 number = 0;
	bool ok = true;

	while (ok && next_item(&in, &item)) {
		if (is_item(&item, "child_replaces"))
			ok = take_child_ref(sa, &item, &replaced);
		if (is_item(&item, "CHILD->child_number"))
			ok = copy_u32(&item, &number);
	}
	if (ok && replaced)
		child_by_number(sa, number)->child_replaces = replaced;
	return ok;
}

static bool read_window(struct ike_sa *sa, struct reader *rd,
			const struct item *whole)
{
	struct reader in = inside(rd, whole);
	struct item item;
	bool ok = true;

	while (ok && next_item(&in, &item))
		ok = take_field(sa->sa_core, &item, &window_table, &sa->sa_window);
	return ok && !in.rd_failed;
}

static bool append_exchange(struct ike_sa *sa, struct exchange *ex)
{
	struct exchange **end = &sa->sa_queue;

	while (*end)
		end = &(*end)->ex_next;
	*end = ex;
	return ex;
}

static bool take_sa_item(struct ike_sa *sa, struct reader *rd,
			 const struct item *item)
{
	if (is_item(item, "sa_listed"))
		return true;
	if (is_item(item, "sa_half_open"))
		return copy_flag(item, &sa->sa_half_open);
	if (is_item(item, "sa_init_hash"))
		return copy(item, sa->sa_init_hash, sizeof(sa->sa_init_hash));
	if (is_item(item, "sa_window"))
		return read_window(sa, rd, item);
	if (is_item(item, "sa_children"))
		return read_child(sa, rd, item);
	if (is_item(item, "sa_ours") && !sa->sa_ours)
		return (sa->sa_ours = read_exchange(sa, rd, item));
	if (is_item(item, "sa_queue"))
		return append_exchange(sa, read_exchange(sa, rd, item));
	if (is_item(item, "sa_rival_of"))
		return take_sa_ref(rd, item, &sa->sa_rival_of);
	if (is_item(item, "sa_replaces"))
		return take_sa_ref(rd, item, &sa->sa_replaces);
	return take_field(sa->sa_core, item, &sa_table, sa);
}

static bool sound_ike_key(const struct ike_key *key)
{
	return key->key_len <= sizeof(key->key_data);
}

static bool sound_keys(const struct ike_keys *keys)
{
	return sound_ike_key(&keys->keys_d) && sound_ike_key(&keys->keys_ai) &&
		sound_ike_key(&keys->keys_ar) && sound_ike_key(&keys->keys_ei) &&
		sound_ike_key(&keys->keys_er) && sound_ike_key(&keys->keys_pi) &&
		sound_ike_key(&keys->keys_pr);
}

static bool sound_id(const struct conf_id *id)
{
	return id->id_len <= sizeof(id->id_data);
}

static bool sound_sa(struct ike_sa *sa)
{
	sa->sa_how[sizeof(sa->sa_how) - 1] = '\0';
	sa->sa_reason[sizeof(sa->sa_reason) - 1] = '\0';
	return sa->sa_state < IKE_STATES && sound_keys(&sa->sa_keys) &&
		sound_id(&sa->sa_id_local) && sound_id(&sa->sa_id_remote) &&
		sound_nonce(&sa->sa_ni) && sound_nonce(&sa->sa_nr) &&
		sa->sa_proposal.prop_count <= PROPOSAL_TRANSFORMS_MAX &&
		(sa->sa_state == IKE_CONNECTING || crypto_suite_ok(&sa->sa_suite)) &&
		!core_find_sa(sa->sa_core, ike_sa_own_spi(sa));
}

static void put_number(u32 *last, u32 number)
{
	if (number > *last)
		*last = number;
}

/* Numbers go on after the highest. */
static void count(struct ike_sa *sa)
{
	struct core *core = sa->sa_core;
	struct child *child;

	put_number(&core->core_numbers, sa->sa_number);
	for (child = sa->sa_children; child; child = child->child_next) {
		put_number(&core->core_numbers, child->child_number);
		put_number(&core->core_outs, child->child_out_order);
	}
	if (sa->sa_half_open)
		core->core_half_open++;
}

static void link_sa(struct ike_sa *sa, bool listed)
{
	static const u8 none[CRYPTO_HASH_LEN];
	u8 hash[CRYPTO_HASH_LEN];

	count(sa);
	ike_sa_link(sa);
	memcpy(hash, sa->sa_init_hash, sizeof(hash));
	if (memcmp(hash, none, sizeof(hash)))
		ike_sa_set_hash(sa, hash);
	if (listed)
		ike_sa_assign(sa, sa->sa_conn);
	ike_sa_new_iv(sa);
}

/* Links into an SA that is not to be. */
static void unlink_refs(struct record_link **pos, struct record_link *end)
{
	while (*pos != end) {
		struct record_link *link = *pos;

		*pos = link->link_next;
		free(link);
	}
}

static struct ike_sa *read_sa(struct conn *conn, struct reader *rd)
{
	struct record_link *before = *rd->rd_links;
	struct ike_sa *sa = ike_sa_blank(conn->cn_core, conn);
	struct reader again = *rd;
	bool ok = sa, listed = false;
	struct item item;

	while (ok && next_item(rd, &item)) {
		ok = take_sa_item(sa, rd, &item);
		if (ok && is_item(&item, "sa_listed"))
			ok = copy_flag(&item, &listed);
	}
	while (ok && next_item(&again, &item))
		if (is_item(&item, "sa_children"))
			ok = relate_child(sa, &again, &item);
	if (ok && !rd->rd_failed && sound_sa(sa)) {
		link_sa(sa, listed);
		return sa;
	}
	unlink_refs(rd->rd_links, before);
	if (sa && sa->sa_ours && sa->sa_ours->ex_new)
		ike_sa_close(sa->sa_ours->ex_new);
	if (sa)
		ike_sa_free(sa);
	return NULL;
}

/* The version stands first. */
static bool is_ours(struct reader *rd)
{
	struct item item;
	u32 version;

	return next_item(rd, &item) && is_item(&item, "version") &&
		copy_u32(&item, &version) && version == RECORD_VERSION;
}

struct ike_sa *record_read(struct conn *conn, const u8 *data, size_t len,
			   struct record_link **links)
{
	struct reader rd = { data, len, .rd_links = links };

	return is_ours(&rd) ? read_sa(conn, &rd) : NULL;
}

bool record_read_conn(struct conn *conn, const u8 *data, size_t len)
{
	struct reader rd = { data, len };
	struct item item;
	bool ok = is_ours(&rd);

	while (ok && next_item(&rd, &item))
		ok = take_field(conn->cn_core, &item, &conn_table, conn);
	conn->cn_device[sizeof(conn->cn_device) - 1] = '\0';
	return ok && !rd.rd_failed;
}

static struct ike_sa *sa_by_number(struct core *core, u32 number)
{
	struct ike_sa *sa;
	unsigned int i;

	for (i = 0; i < CORE_BUCKETS; i++)
		for (sa = core->core_sas[i]; sa; sa = sa->sa_next)
			if (sa->sa_number == number)
				return sa;
	return NULL;
}

void record_link_all(struct core *core, struct record_link *links)
{
	while (links) {
		struct record_link *link = links;

		*link->link_to = sa_by_number(core, link->link_number);
		links = link->link_next;
		free(link);
	}
}
