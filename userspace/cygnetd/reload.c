// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Comparing configurations.
 */
#include <stdlib.h>
#include <string.h>

#include "reload.h"

/* Settings that matter only to the next negotiation, or to nobody else. */
static bool is_live(enum conf_conn_key key)
{
	switch (key) {
	case CONF_PSK:
	case CONF_PPK:
	case CONF_PPK_ID:
	case CONF_PPK_REQUIRED:
	case CONF_CERT:
	case CONF_KEY:
	case CONF_PASSPHRASE:
	case CONF_TRUST:
	case CONF_REMOTE_KEY:
	case CONF_CRL:
	case CONF_SIGNATURES:
	case CONF_EKU:
	case CONF_IKE:
	case CONF_ESP:
	case CONF_ESN:
	case CONF_START:
	case CONF_CHILDLESS:
	case CONF_REAUTH:
	case CONF_REKEY:
	case CONF_REKEY_BYTES:
	case CONF_IKE_LIFETIME:
	case CONF_LIVENESS:
	case CONF_RETRANSMIT_TIMEOUT:
	case CONF_FRAGMENT_SIZE:
		return true;
	default:
		return false;
	}
}

enum change reload_compare(const struct conf_conn *now,
			   const struct conf_conn *next)
{
	static char a[CONF_VALUE_STRLEN], b[CONF_VALUE_STRLEN];
	enum change change = CHANGE_NONE;
	enum conf_conn_key key;

	/* The same pairs, in other lines: other child SAs. */
	if (now->conn_nchildren != next->conn_nchildren ||
	    now->conn_npairs != next->conn_npairs ||
	    memcmp(now->conn_pair_child, next->conn_pair_child,
		   now->conn_npairs))
		return CHANGE_RESTART;
	for (key = 0; key < CONF_CONN_KEYS; key++) {
		conf_conn_value(now, key, a, sizeof(a));
		conf_conn_value(next, key, b, sizeof(b));
		if (!strcmp(a, b))
			continue;
		if (!is_live(key))
			return CHANGE_RESTART;
		change = CHANGE_LIVE;
	}
	return change;
}

void reload_fingerprint(const struct conf_conn *conn, u8 out[CRYPTO_HASH_LEN])
{
	static char value[CONF_VALUE_STRLEN];
	u8 all[CRYPTO_HASH_LEN + sizeof(value)];
	enum conf_conn_key key;
	size_t len;

	crypto_hash(conn->conn_pair_child, conn->conn_npairs, out);
	for (key = 0; key < CONF_CONN_KEYS; key++) {
		if (is_live(key))
			continue;
		conf_conn_value(conn, key, value, sizeof(value));
		len = strlen(value);
		memcpy(all, out, CRYPTO_HASH_LEN);
		memcpy(all + CRYPTO_HASH_LEN, value, len);
		crypto_hash(all, CRYPTO_HASH_LEN + len, out);
	}
}

const char *reload_refuse(const struct conf *now, const struct conf *next)
{
	if (now->conf_ike_port != next->conf_ike_port ||
	    now->conf_natt_port != next->conf_natt_port)
		return "other ports need a restart of cygnetd";
	if (now->conf_fwmark != next->conf_fwmark)
		return "another fwmark of IKE needs a restart of cygnetd";
	if (strcmp(now->conf_control_dir, next->conf_control_dir))
		return "another control-dir needs a restart of cygnetd";
	return NULL;
}

static size_t size_for(u32 count)
{
	return sizeof(struct conf) + count * sizeof(struct conf_conn);
}

static bool allocate(struct reload *plan, u32 count)
{
	plan->re_conf = calloc(1, size_for(count));
	plan->re_change = calloc(count + 1, sizeof(*plan->re_change));
	plan->re_next = calloc(count + 1, sizeof(*plan->re_next));
	return plan->re_conf && plan->re_change && plan->re_next;
}

static void take_next(struct reload *plan, const struct conf *now, u32 index,
		      const struct conf_conn *next)
{
	const struct conf_conn *old = conf_find(now, next->conn_name);
	enum change change = old ? reload_compare(old, next) : CHANGE_NEW;

	plan->re_change[index] = change;
	plan->re_conf->conf_conns[index] = *next;
	if (change != CHANGE_RESTART)
		return;
	plan->re_next[index] = *next;
	plan->re_conf->conf_conns[index] = *old;
	plan->re_pending++;
}

/* It will authenticate no more. */
static void take_gone(struct reload *plan, const struct conf_conn *old)
{
	u32 index = plan->re_conf->conf_nconns++;
	struct conf_conn *conn = &plan->re_conf->conf_conns[index];

	*conn = *old;
	conn->conn_psk[0] = '\0';
	conn->conn_ppk[0] = '\0';
	conn->conn_cert[0] = '\0';
	conn->conn_key[0] = '\0';
	conn->conn_trust[0] = '\0';
	conn->conn_remote_key[0] = '\0';
	conn->conn_crl[0] = '\0';
	plan->re_change[index] = CHANGE_GONE;
	plan->re_pending++;
}

bool reload_plan(struct reload *plan, const struct conf *now,
		 const struct conf *next)
{
	u32 i, most = now->conf_nconns + next->conf_nconns;

	memset(plan, 0, sizeof(*plan));
	if (!allocate(plan, most)) {
		reload_free(plan);
		return false;
	}
	*plan->re_conf = *next;
	for (i = 0; i < next->conf_nconns; i++)
		take_next(plan, now, i, &next->conf_conns[i]);
	for (i = 0; i < now->conf_nconns; i++)
		if (now->conf_conns[i].conn_name[0] &&
		    !conf_find(next, now->conf_conns[i].conn_name))
			take_gone(plan, &now->conf_conns[i]);
	plan->re_conf->conf_size = size_for(plan->re_conf->conf_nconns);
	return true;
}

void reload_settle(struct reload *plan, size_t index)
{
	struct conf_conn *conn = &plan->re_conf->conf_conns[index];

	if (plan->re_change[index] == CHANGE_RESTART)
		*conn = plan->re_next[index];
	else if (plan->re_change[index] == CHANGE_GONE)
		memset(conn, 0, sizeof(*conn));
	else
		return;
	plan->re_change[index] = CHANGE_NONE;
	plan->re_pending--;
}

void reload_free(struct reload *plan)
{
	free(plan->re_conf);
	free(plan->re_change);
	free(plan->re_next);
	memset(plan, 0, sizeof(*plan));
}
