// SPDX-License-Identifier: GPL-2.0-or-later

#include <stdlib.h>
#include <string.h>

#include "cygnet.h"

static void set_number(json_t *object, const char *key, u64 value)
{
	json_object_set_new(object, key, json_u64(value));
}

/* Numbers for which 0 means that there is none. */
static void set_some(json_t *object, const char *key, u64 value)
{
	if (value)
		set_number(object, key, value);
}

static void set_text(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, json_text(text, strlen(text)));
}

static void set_spi(json_t *object, u32 spi)
{
	char buf[16];

	snprintf(buf, sizeof(buf), "0x%08x", spi);
	set_text(object, "spi", buf);
}

json_t *drops_json(const u64 drops[KERNEL_DROPS])
{
	json_t *object = json_object();
	u32 i;

	for (i = 0; i < KERNEL_DROPS; i++)
		if (drops[i])
			set_number(object, kernel_drop_name(i), drops[i]);
	return object;
}

static json_t *lifetime_json(const struct kernel_lifetime *life)
{
	json_t *object = json_object();

	set_some(object, "soft-seconds", life->life_soft_seconds);
	set_some(object, "hard-seconds", life->life_hard_seconds);
	set_some(object, "soft-packets", life->life_soft_packets);
	set_some(object, "hard-packets", life->life_hard_packets);
	set_some(object, "soft-bytes", life->life_soft_bytes);
	set_some(object, "hard-bytes", life->life_hard_bytes);
	return object;
}

json_t *sa_json(const struct kernel_sa *sa)
{
	json_t *object = json_object();
	char buf[64];

	set_text(object, "direction",
		 kernel_direction_name(sa->ksa_direction));
	set_number(object, "protocol", sa->ksa_protocol);
	set_spi(object, sa->ksa_spi);
	if (ip_addr_len(&sa->ksa_src))
		json_object_set_new(object, "src", json_addr(&sa->ksa_src));
	json_object_set_new(object, "dst", json_addr(&sa->ksa_dst));
	set_text(object, "mode", kernel_mode_name(sa->ksa_mode));
	set_number(object, "policy", sa->ksa_policy);
	if (sa->ksa_encr || sa->ksa_integ)
		set_text(object, "cipher", cipher_name(sa, buf));
	set_some(object, "encr", sa->ksa_encr);
	set_some(object, "encr-key-bits", sa->ksa_encr_key_bits);
	set_some(object, "integ", sa->ksa_integ);
	json_object_set_new(object, "esn", json_boolean(sa->ksa_esn));
	set_some(object, "replay-window", sa->ksa_replay_window);
	set_some(object, "encap-sport", sa->ksa_encap_sport);
	set_some(object, "encap-dport", sa->ksa_encap_dport);
	if (sa->ksa_roam)
		json_object_set_new(object, "roam", json_true());
	set_some(object, "keepalive", sa->ksa_keepalive);
	set_some(object, "tfc", sa->ksa_tfc);
	set_some(object, "mtu", sa->ksa_mtu);
	set_some(object, "path-mtu", sa->ksa_path_mtu);
	json_object_set_new(object, "lifetime",
			    lifetime_json(&sa->ksa_lifetime));
	set_number(object, "sequence", sa->ksa_sequence);
	set_number(object, "packets", sa->ksa_packets);
	set_number(object, "bytes", sa->ksa_bytes);
	set_number(object, "age-ms", sa->ksa_age_ms);
	set_number(object, "idle-ms", sa->ksa_idle_ms);
	json_object_set_new(object, "current", json_boolean(sa->ksa_current));
	json_object_set_new(object, "drops", drops_json(sa->ksa_drops));
	return object;
}

static void set_side(json_t *object, const char *side, const struct ts *ts)
{
	char buf[IP_RANGE_STRLEN], key[32], ports[16];

	set_text(object, side, ip_range_print(&ts->ts_addrs, buf));
	if (ts_all_ports(ts))
		return;
	snprintf(key, sizeof(key), "%s-port", side);
	set_text(object, key,
		 port_range_print(ts->ts_port_first, ts->ts_port_last, ports));
}

json_t *pair_json(const struct ts_pair *pair)
{
	json_t *object = json_object();

	set_side(object, "local", &pair->pair_local);
	set_side(object, "remote", &pair->pair_remote);
	set_some(object, "protocol", pair->pair_local.ts_protocol);
	return object;
}

json_t *policy_json(const struct kernel_policy *policy)
{
	json_t *object = json_object(), *pairs = json_array();
	char buf[24];
	u32 i;

	set_number(object, "id", policy->kpol_id);
	set_text(object, "device", device_name(policy->kpol_ifindex, buf));
	set_number(object, "ifindex", policy->kpol_ifindex);
	set_text(object, "name", policy->kpol_name);
	set_number(object, "priority", policy->kpol_priority);
	set_text(object, "action", kernel_action_name(policy->kpol_action));
	set_number(object, "protocol", policy->kpol_protocol);
	set_text(object, "mode", kernel_mode_name(policy->kpol_mode));
	json_object_set_new(object, "steer", json_boolean(policy->kpol_steer));
	for (i = 0; i < policy->kpol_npairs; i++)
		json_array_append_new(pairs, pair_json(&policy->kpol_pairs[i]));
	json_object_set_new(object, "selectors", pairs);
	set_text(object, "df", kernel_df_name(policy->kpol_df));
	if (policy->kpol_has_dscp)
		set_number(object, "dscp", policy->kpol_dscp);
	set_some(object, "ttl", policy->kpol_ttl);
	if (policy->kpol_has_flow_label)
		set_number(object, "flow-label", policy->kpol_flow_label);
	json_object_set_new(object, "mss-clamp",
			    json_boolean(!policy->kpol_no_mss_clamp));
	if (policy->kpol_spi)
		set_spi(object, policy->kpol_spi);
	return object;
}
