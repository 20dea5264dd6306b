// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Live state as JSON, in the schema of lib/control.h. No key ever.
 */
#include <stdio.h>
#include <string.h>

#include "conn.h"
#include "explain.h"
#include "json.h"
#include "natt.h"

static u64 seconds(u64 ms)
{
	return ms / 1000;
}

static void set_text(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, json_string(text));
}

static void set_escaped(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, json_text(text, strlen(text)));
}

static void set_spi(json_t *object, const char *key, const u8 *spi)
{
	char text[2 * MSG_SPI_LEN + 1];
	unsigned int i;

	for (i = 0; i < MSG_SPI_LEN; i++)
		snprintf(text + 2 * i, 3, "%02x", spi[i]);
	set_text(object, key, text);
}

static void set_esp_spi(json_t *object, const char *key, u32 spi)
{
	char text[11];

	snprintf(text, sizeof(text), "0x%08x", ntohl(spi));
	set_text(object, key, text);
}

static void set_proposal(json_t *object, const struct proposal *prop)
{
	char text[PROPOSAL_STRLEN];

	if (prop->prop_count)
		set_text(object, "proposal",
			 proposal_describe(prop, text, sizeof(text)));
}

static json_t *child_status(const struct child *child)
{
	u64 now = core_now(child->child_sa->sa_core);
	json_t *object = json_object(), *list = json_array();
	char text[TS_PAIR_STRLEN];
	unsigned int i;

	set_esp_spi(object, "spi-in", child->child_spi_in);
	set_esp_spi(object, "spi-out", child->child_spi_out);
	set_text(object, "state", child_state_name(child->child_state));
	set_proposal(object, &child->child_proposal);
	for (i = 0; i < child->child_n_ts; i++) {
		ts_pair_print(&child->child_ts[i], text);
		json_array_append_new(list, json_string(text));
	}
	json_object_set_new(object, "selectors", list);
	if (child->child_installed)
		json_object_set_new(object, "age",
				    json_u64(seconds(now - child->child_installed)));
	if (child->child_rekey_at > now)
		json_object_set_new(object, "rekey-in",
				    json_u64(seconds(child->child_rekey_at - now)));
	return object;
}

static json_t *ike_status(const struct ike_sa *sa)
{
	u64 since = sa->sa_established ? sa->sa_established : sa->sa_born;
	json_t *object = json_object();

	set_text(object, "role", sa->sa_initiator ? "initiator" : "responder");
	set_spi(object, "spi-i", sa->sa_spi_i);
	set_spi(object, "spi-r", sa->sa_spi_r);
	set_text(object, "state", ike_state_name(sa->sa_state));
	set_proposal(object, &sa->sa_proposal);
	if (sa->sa_proposal.prop_count)
		set_text(object, "post-quantum",
			 proposal_is_quantum(&sa->sa_proposal) ? "yes" :
			 conn_is_downgraded(sa) ? "refused by the peer" : "no");
	if (sa->sa_ppk)
		set_text(object, "ppk", sa->sa_ppk == PPK_USED ? "yes" :
			 "refused by the peer");
	json_object_set_new(object, "age",
			    json_u64(seconds(core_now(sa->sa_core) - since)));
	return object;
}

static const char *conn_state(const struct conn *conn)
{
	if (conn_child(conn))
		return "up";
	if (conn->cn_is_down)
		return "down";
	if (conn->cn_sas || conn->cn_wait == CONN_RESOLVE)
		return "connecting";
	if (conn->cn_error[0])
		return "failed";
	return conn->cn_is_set_up && conn->cn_conf.conn_start == CONF_START_TRAP ?
		"trap" : "down";
}

/* The SA that says most about the connection: an established one, the newest. */
static const struct ike_sa *main_sa(const struct conn *conn)
{
	const struct ike_sa *sa;

	for (sa = conn->cn_sas; sa; sa = sa->sa_next_conn)
		if (sa->sa_state == IKE_ESTABLISHED)
			return sa;
	return conn->cn_sas;
}

static void add_sa(json_t *object, const struct ike_sa *sa)
{
	char text[CONF_ID_STRLEN], endpoint[IP_ENDPOINT_STRLEN];

	set_text(object, "local",
		 ip_endpoint_print(&sa->sa_path.cp_local, endpoint));
	set_text(object, "remote",
		 ip_endpoint_print(&sa->sa_path.cp_remote, endpoint));
	if (sa->sa_established) {
		set_escaped(object, "local-id",
			    conf_id_print(&sa->sa_id_local, text, sizeof(text)));
		set_escaped(object, "remote-id",
			    conf_id_print(&sa->sa_id_remote, text,
					  sizeof(text)));
	}
	set_text(object, "nat", natt_name(sa));
	json_object_set_new(object, "ike", ike_status(sa));
}

json_t *conn_status(struct conn *conn)
{
	json_t *object = json_object(), *list = json_array();
	const struct ike_sa *sa = main_sa(conn);
	const struct child *child;

	set_text(object, "name", conn->cn_conf.conn_name);
	set_text(object, "state", conn_state(conn));
	if (conn->cn_error[0])
		set_escaped(object, "error", conn->cn_error);
	if (conn->cn_trouble && conn->cn_trouble->tr_over)
		json_object_set_new(object, "trouble",
				    explain_status(conn->cn_trouble));
	if (conn->cn_peer_trouble && conn->cn_peer_trouble->tr_over)
		json_object_set_new(object, "peer-trouble",
				    explain_status(conn->cn_peer_trouble));
	if (sa)
		add_sa(object, sa);
	if (conn->cn_is_set_up && conn->cn_device[0])
		set_text(object, "device", conn->cn_device);
	for (sa = conn->cn_sas; sa; sa = sa->sa_next_conn)
		for (child = sa->sa_children; child; child = child->child_next)
			json_array_append_new(list, child_status(child));
	json_object_set_new(object, "children", list);
	return object;
}

json_t *core_status(struct core *core, const char *name)
{
	json_t *list = json_array();
	struct conn *conn;

	for (conn = core->core_conns; conn; conn = conn->cn_next)
		if (!name || !strcmp(conn->cn_conf.conn_name, name))
			json_array_append_new(list, conn_status(conn));
	return json_pack("{s:o}", "connections", list);
}
