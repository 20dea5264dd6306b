/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's objects as plain structs, and every operation on them (see
 * include/cygnet.yaml for what each field means). SPIs and ports are in host
 * byte order. All functions return 0, or a negative errno with *err filled in.
 */
#ifndef CYGNET_LIB_OBJECTS_H
#define CYGNET_LIB_OBJECTS_H

#include "../../include/uapi/linux/cygnet.h"
#include "nl.h"
#include "ts.h"

#define KERNEL_DROPS	(CYGNET_DROP_MAX + 1)

/* 0 for no limit. */
struct kernel_lifetime {
	u64 life_soft_seconds;
	u64 life_hard_seconds;
	u64 life_soft_packets;
	u64 life_hard_packets;
	u64 life_soft_bytes;
	u64 life_hard_bytes;
};

struct kernel_sa {
	u8 ksa_direction;		/* enum cygnet_direction */
	u8 ksa_protocol;		/* IPPROTO_ESP; 0 means that */
	u8 ksa_mode;			/* enum cygnet_mode */
	u32 ksa_spi;
	struct ip_addr ksa_src;
	struct ip_addr ksa_dst;
	u32 ksa_policy;
	u16 ksa_encr;			/* transform id */
	u16 ksa_encr_key_len;		/* bytes, salt included; requests */
	u8 ksa_encr_key[CYGNET_KEY_LEN_MAX];
	u16 ksa_encr_key_bits;		/* without the salt; replies */
	u16 ksa_integ;			/* transform id, 0 for an AEAD */
	u16 ksa_integ_key_len;
	u8 ksa_integ_key[CYGNET_KEY_LEN_MAX];
	bool ksa_legacy;		/* the algorithms may be; requests */
	bool ksa_esn;
	bool ksa_roam;
	u32 ksa_replay_window;		/* 0: the kernel's default */
	u16 ksa_encap_sport;		/* 0: no encapsulation */
	u16 ksa_encap_dport;
	u16 ksa_keepalive;
	u16 ksa_tfc;
	struct kernel_lifetime ksa_lifetime;
	u64 ksa_sequence;
	/* Replies only. */
	u64 ksa_packets;
	u64 ksa_bytes;
	u64 ksa_age_ms;
	u64 ksa_idle_ms;
	u32 ksa_mtu;			/* 0: nothing was sent yet */
	u32 ksa_path_mtu;
	bool ksa_current;
	u64 ksa_drops[KERNEL_DROPS];
};

struct kernel_policy {
	u32 kpol_id;			/* 0: the kernel chooses */
	u32 kpol_ifindex;		/* replies: 0 if the device is gone */
	char kpol_name[CYGNET_NAME_LEN_MAX + 1];
	u32 kpol_priority;
	u8 kpol_action;			/* enum cygnet_action */
	u8 kpol_protocol;		/* IPPROTO_ESP; 0 means that */
	u8 kpol_mode;			/* enum cygnet_mode */
	bool kpol_steer;
	u8 kpol_df;			/* enum cygnet_df */
	bool kpol_has_dscp;		/* else copied */
	u8 kpol_dscp;
	u8 kpol_ttl;			/* 0: the system's */
	bool kpol_has_flow_label;	/* else one of each SA's own */
	u32 kpol_flow_label;
	bool kpol_no_mss_clamp;
	u32 kpol_spi;			/* replies: current outbound SA or 0 */
	u32 kpol_npairs;
	struct ts_pair kpol_pairs[CYGNET_SELECTORS_MAX];
};

/* How outer packets of a device go; 0 for none, any, the inner one. */
struct kernel_device {
	u32 kdev_ifindex;
	u32 kdev_fwmark;
	u32 kdev_underlay;
	u8 kdev_tos;
};

/* What kernel_device_set() changes. */
enum kernel_device_part {
	KERNEL_DEVICE_FWMARK = 1,
	KERNEL_DEVICE_UNDERLAY = 2,
	KERNEL_DEVICE_TOS = 4,
};

struct kernel_stats {
	u32 kstat_ifindex;
	u32 kstat_sas;
	u32 kstat_policies;
	u32 kstat_crypto_pending;
	u64 kstat_drops[KERNEL_DROPS];
};

/* Packets since the last event, and the device and SPI of the last, or 0. */
struct kernel_rejected {
	u64 krej_packets;
	u32 krej_ifindex;
	u32 krej_spi;
};

struct kernel_event {
	u8 kev_cmd;			/* CYGNET_CMD_…_NTF */
	u8 kev_expiry;			/* enum cygnet_expiry, EXPIRE_NTF */
	bool kev_has_packet;
	struct ts_pair kev_packet;	/* ACQUIRE_NTF */
	struct kernel_sa kev_sa;	/* EXPIRE_NTF, SA_…_NTF */
	struct kernel_rejected kev_rejected[KERNEL_DROPS];	/* by reason */
	struct kernel_policy kev_policy;	/* the others */
};

int kernel_sa_new(struct nl *nl, const struct kernel_sa *sa,
		  struct nl_error *err);
int kernel_sa_del(struct nl *nl, u8 protocol, u32 spi,
		  const struct ip_addr *dst, struct nl_error *err);
int kernel_sa_get(struct nl *nl, u8 protocol, u32 spi,
		  const struct ip_addr *dst, struct kernel_sa *sa,
		  struct nl_error *err);
/* min and max may be 0. */
int kernel_alloc_spi(struct nl *nl, u8 protocol, const struct ip_addr *dst,
		     u32 min, u32 max, u32 *spi, struct nl_error *err);
/* cb returns 0, or a negative errno which ends the dump. */
typedef int kernel_sa_fn(const struct kernel_sa *sa, void *arg);
int kernel_sa_dump(struct nl *nl, kernel_sa_fn *cb, void *arg,
		   struct nl_error *err);
/* Sends a dummy packet, len 0: as long as the kernel thinks right. */
int kernel_sa_dummy(struct nl *nl, u32 spi, const struct ip_addr *dst, u16 len,
		    struct nl_error *err);
/* Wipes keys. */
void kernel_sa_wipe(struct kernel_sa *sa);

/* Fills in kpol_id. */
int kernel_policy_set(struct nl *nl, struct kernel_policy *policy,
		      struct nl_error *err);
int kernel_policy_del(struct nl *nl, u32 id, struct nl_error *err);
int kernel_policy_get(struct nl *nl, u32 id, struct kernel_policy *policy,
		      struct nl_error *err);
typedef int kernel_policy_fn(const struct kernel_policy *policy, void *arg);
int kernel_policy_dump(struct nl *nl, kernel_policy_fn *cb, void *arg,
		       struct nl_error *err);

int kernel_port_add(struct nl *nl, u16 port, struct nl_error *err);
int kernel_port_del(struct nl *nl, u16 port, struct nl_error *err);
typedef int kernel_port_fn(u16 port, void *arg);
int kernel_port_dump(struct nl *nl, kernel_port_fn *cb, void *arg,
		     struct nl_error *err);

/* parts: KERNEL_DEVICE_…, joined by |. */
int kernel_device_set(struct nl *nl, const struct kernel_device *device,
		      unsigned int parts, struct nl_error *err);
typedef int kernel_device_fn(const struct kernel_device *device, void *arg);
int kernel_device_dump(struct nl *nl, kernel_device_fn *cb, void *arg,
		       struct nl_error *err);

/* ifindex 0: the namespace. */
int kernel_stats_get(struct nl *nl, u32 ifindex, struct kernel_stats *stats,
		     struct nl_error *err);

/*
 * A transaction: all that is staged takes effect together, or nothing does.
 * Until the commit the nl is for nothing else. An SA with ksa_policy 0 belongs
 * to the policy that was staged last.
 */
struct nlmsghdr *kernel_begin(struct nl *nl);
void kernel_stage_policy_set(struct nlmsghdr *tx,
			     const struct kernel_policy *policy);
void kernel_stage_policy_del(struct nlmsghdr *tx, u32 id);
void kernel_stage_sa_new(struct nlmsghdr *tx, const struct kernel_sa *sa);
void kernel_stage_sa_del(struct nlmsghdr *tx, u8 protocol, u32 spi,
			 const struct ip_addr *dst);
/* Whether there is no room for one more: ask before each of many. */
bool kernel_full(const struct nlmsghdr *tx);
int kernel_commit(struct nl *nl, struct nlmsghdr *tx, struct nl_error *err);

/*
 * Decodes one message of the events group, for use inside nl_receive()'s
 * callback; false for what is none or is malformed.
 */
bool kernel_event_decode(struct kernel_event *event,
			 const struct nlmsghdr *nlh);

/* Pure encoding and decoding, for tests and recorders. */
void kernel_sa_encode(struct nlmsghdr *nlh, const struct kernel_sa *sa);
bool kernel_sa_decode(struct kernel_sa *sa, const struct nlmsghdr *nlh);
void kernel_policy_encode(struct nlmsghdr *nlh,
			  const struct kernel_policy *policy);
bool kernel_policy_decode(struct kernel_policy *policy,
			  const struct nlmsghdr *nlh);

/* "rx-replay-old", and what it means in a sentence. */
const char *kernel_drop_name(u32 reason);
const char *kernel_drop_meaning(u32 reason);
/* "in", "protect", "tunnel", "soft", …; "?" beyond the last. */
const char *kernel_direction_name(u32 direction);
const char *kernel_action_name(u32 action);
const char *kernel_mode_name(u32 mode);
const char *kernel_expiry_name(u32 expiry);
const char *kernel_df_name(u32 df);

#endif
