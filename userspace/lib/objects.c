// SPDX-License-Identifier: GPL-2.0-or-later

#include <arpa/inet.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <string.h>

#include "objects.h"

/* How a member stands in its struct and on the wire. */
enum field_kind {
	FIELD_U8,
	FIELD_U16,
	FIELD_U32,
	FIELD_U64,
	FIELD_ENUM,		/* u8 here, u32 there */
	FIELD_PORT,		/* u16, big-endian there */
	FIELD_SPI,		/* u32, big-endian there */
	FIELD_FLAG,
	FIELD_ADDR,
};

enum field_use {
	SEND,			/* in requests, always */
	SEND_SET,		/* in requests if not zero */
	REPLY,			/* only in replies */
};

struct field {
	u16 field_attr;
	u8 field_kind;
	u8 field_use;
	size_t field_offset;
};

#define SA(attr, kind, use, member) \
	{ CYGNET_A_SA_ ## attr, FIELD_ ## kind, use, \
	  offsetof(struct kernel_sa, ksa_ ## member) }

static const struct field sa_fields[] = {
	SA(DIRECTION, ENUM, SEND, direction),
	SA(PROTOCOL, U8, SEND_SET, protocol),
	SA(SPI, SPI, SEND, spi),
	SA(SRC, ADDR, SEND_SET, src),
	SA(DST, ADDR, SEND_SET, dst),
	SA(MODE, ENUM, SEND, mode),
	SA(POLICY, U32, SEND_SET, policy),
	SA(ENCR, U16, SEND_SET, encr),
	SA(ENCR_KEY_BITS, U16, REPLY, encr_key_bits),
	SA(INTEG, U16, SEND_SET, integ),
	SA(LEGACY, FLAG, SEND_SET, legacy),
	SA(ESN, FLAG, SEND_SET, esn),
	SA(ROAM, FLAG, SEND_SET, roam),
	SA(REPLAY_WINDOW, U32, SEND_SET, replay_window),
	SA(ENCAP_SPORT, PORT, SEND_SET, encap_sport),
	SA(ENCAP_DPORT, PORT, SEND_SET, encap_dport),
	SA(KEEPALIVE, U16, SEND_SET, keepalive),
	SA(TFC, U16, SEND_SET, tfc),
	SA(SEQUENCE, U64, SEND_SET, sequence),
	SA(PACKETS, U64, REPLY, packets),
	SA(BYTES, U64, REPLY, bytes),
	SA(AGE_MS, U64, REPLY, age_ms),
	SA(IDLE_MS, U64, REPLY, idle_ms),
	SA(MTU, U32, REPLY, mtu),
	SA(PATH_MTU, U32, REPLY, path_mtu),
	SA(CURRENT, FLAG, REPLY, current),
};

#define LIFE(attr, member) \
	{ CYGNET_A_LIFETIME_ ## attr, FIELD_U64, SEND_SET, \
	  offsetof(struct kernel_lifetime, life_ ## member) }

static const struct field lifetime_fields[] = {
	LIFE(SOFT_SECONDS, soft_seconds),
	LIFE(HARD_SECONDS, hard_seconds),
	LIFE(SOFT_PACKETS, soft_packets),
	LIFE(HARD_PACKETS, hard_packets),
	LIFE(SOFT_BYTES, soft_bytes),
	LIFE(HARD_BYTES, hard_bytes),
};

#define POLICY(attr, kind, use, member) \
	{ CYGNET_A_POLICY_ ## attr, FIELD_ ## kind, use, \
	  offsetof(struct kernel_policy, kpol_ ## member) }

static const struct field policy_fields[] = {
	POLICY(ID, U32, SEND_SET, id),
	POLICY(IFINDEX, U32, SEND_SET, ifindex),
	POLICY(PRIORITY, U32, SEND, priority),
	POLICY(ACTION, ENUM, SEND, action),
	POLICY(PROTOCOL, U8, SEND_SET, protocol),
	POLICY(MODE, ENUM, SEND, mode),
	POLICY(DF, ENUM, SEND_SET, df),
	POLICY(TTL, U8, SEND_SET, ttl),
	POLICY(NO_MSS_CLAMP, FLAG, SEND_SET, no_mss_clamp),
	/* Zero says something of these two: see kernel_policy_encode(). */
	POLICY(DSCP, U8, REPLY, dscp),
	POLICY(FLOW_LABEL, U32, REPLY, flow_label),
	POLICY(SPI, SPI, REPLY, spi),
	POLICY(STEER, FLAG, SEND_SET, steer),
};

#define PAIR(attr, kind, use, member) \
	{ CYGNET_A_SELECTOR_ ## attr, FIELD_ ## kind, use, \
	  offsetof(struct ts_pair, member) }

static const struct field pair_fields[] = {
	PAIR(LOCAL_FIRST, ADDR, SEND, pair_local.ts_addrs.range_first),
	PAIR(LOCAL_LAST, ADDR, SEND, pair_local.ts_addrs.range_last),
	PAIR(REMOTE_FIRST, ADDR, SEND, pair_remote.ts_addrs.range_first),
	PAIR(REMOTE_LAST, ADDR, SEND, pair_remote.ts_addrs.range_last),
	PAIR(PROTOCOL, U8, SEND_SET, pair_local.ts_protocol),
	/* Both ends of a range, or none: see encode_pair(). */
	PAIR(LOCAL_PORT_FIRST, U16, REPLY, pair_local.ts_port_first),
	PAIR(LOCAL_PORT_LAST, U16, REPLY, pair_local.ts_port_last),
	PAIR(REMOTE_PORT_FIRST, U16, REPLY, pair_remote.ts_port_first),
	PAIR(REMOTE_PORT_LAST, U16, REPLY, pair_remote.ts_port_last),
};

#define STAT(attr, member) \
	{ CYGNET_A_STATS_ ## attr, FIELD_U32, SEND_SET, \
	  offsetof(struct kernel_stats, kstat_ ## member) }

static const struct field stats_fields[] = {
	STAT(IFINDEX, ifindex),
	STAT(SAS, sas),
	STAT(POLICIES, policies),
	STAT(CRYPTO_PENDING, crypto_pending),
};

#define DEVICE(attr, kind, member) \
	{ CYGNET_A_DEVICE_ ## attr, FIELD_ ## kind, SEND, \
	  offsetof(struct kernel_device, kdev_ ## member) }

static const struct field device_fields[] = {
	DEVICE(IFINDEX, U32, ifindex),
	DEVICE(FWMARK, U32, fwmark),
	DEVICE(UNDERLAY, U32, underlay),
	DEVICE(TOS, U8, tos),
};

static u64 load_number(const struct field *field, const void *base)
{
	const void *member = (const u8 *)base + field->field_offset;

	switch (field->field_kind) {
	case FIELD_U8:
	case FIELD_ENUM:
		return *(const u8 *)member;
	case FIELD_U16:
	case FIELD_PORT:
		return *(const u16 *)member;
	case FIELD_U32:
	case FIELD_SPI:
		return *(const u32 *)member;
	case FIELD_U64:
		return *(const u64 *)member;
	case FIELD_FLAG:
		return *(const bool *)member;
	default:
		return ip_addr_len(member);
	}
}

static void put_field(struct nlmsghdr *nlh, const struct field *field,
		      const void *base)
{
	const struct ip_addr *addr = (const void *)((const u8 *)base +
						    field->field_offset);
	u64 number = load_number(field, base);

	switch (field->field_kind) {
	case FIELD_U8:
		mnl_attr_put_u8(nlh, field->field_attr, number);
		break;
	case FIELD_U16:
		mnl_attr_put_u16(nlh, field->field_attr, number);
		break;
	case FIELD_PORT:
		mnl_attr_put_u16(nlh, field->field_attr, htons(number));
		break;
	case FIELD_U32:
	case FIELD_ENUM:
		mnl_attr_put_u32(nlh, field->field_attr, number);
		break;
	case FIELD_SPI:
		mnl_attr_put_u32(nlh, field->field_attr, htonl(number));
		break;
	case FIELD_U64:
		mnl_attr_put_u64(nlh, field->field_attr, number);
		break;
	case FIELD_FLAG:
		mnl_attr_put(nlh, field->field_attr, 0, NULL);
		break;
	case FIELD_ADDR:
		mnl_attr_put(nlh, field->field_attr, number, addr->ip_bytes);
		break;
	}
}

static void put_fields(struct nlmsghdr *nlh, const struct field *fields,
		       size_t count, const void *base)
{
	for (; count; count--, fields++)
		if (fields->field_use == SEND ||
		    (fields->field_use == SEND_SET &&
		     load_number(fields, base)))
			put_field(nlh, fields, base);
}

/* An unsigned number of any size; what the spec calls u32 may be padded. */
static u64 get_number(const struct nlattr *attr)
{
	switch (mnl_attr_get_payload_len(attr)) {
	case 1:
		return mnl_attr_get_u8(attr);
	case 2:
		return mnl_attr_get_u16(attr);
	case 4:
		return mnl_attr_get_u32(attr);
	case 8:
		return mnl_attr_get_u64(attr);
	default:
		return 0;
	}
}

static bool take_field(const struct field *field, void *base,
		       const struct nlattr *attr)
{
	void *member = (u8 *)base + field->field_offset;
	u64 number = get_number(attr);

	switch (field->field_kind) {
	case FIELD_U8:
	case FIELD_ENUM:
		*(u8 *)member = number;
		return true;
	case FIELD_U16:
		*(u16 *)member = number;
		return true;
	case FIELD_PORT:
		*(u16 *)member = ntohs(number);
		return true;
	case FIELD_U32:
		*(u32 *)member = number;
		return true;
	case FIELD_SPI:
		*(u32 *)member = ntohl(number);
		return true;
	case FIELD_U64:
		*(u64 *)member = number;
		return true;
	case FIELD_FLAG:
		*(bool *)member = true;
		return true;
	default:
		return ip_addr_set(member, mnl_attr_get_payload(attr),
				   mnl_attr_get_payload_len(attr));
	}
}

/* False for a malformed address; attributes not in the table are left. */
static bool take_attr(const struct field *fields, size_t count, void *base,
		      const struct nlattr *attr)
{
	for (; count; count--, fields++)
		if (fields->field_attr == mnl_attr_get_type(attr))
			return take_field(fields, base, attr);
	return true;
}

static void take_drop(u64 drops[KERNEL_DROPS], const struct nlattr *nest)
{
	const struct nlattr *attr;
	u64 reason = KERNEL_DROPS, packets = 0;

	mnl_attr_for_each_nested(attr, nest) {
		if (mnl_attr_get_type(attr) == CYGNET_A_DROPS_REASON)
			reason = get_number(attr);
		else if (mnl_attr_get_type(attr) == CYGNET_A_DROPS_PACKETS)
			packets = get_number(attr);
	}
	if (reason < KERNEL_DROPS)
		drops[reason] = packets;
}

static void take_lifetime(struct kernel_lifetime *life,
			  const struct nlattr *nest)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
		take_attr(lifetime_fields, ARRAY_SIZE(lifetime_fields), life,
			  attr);
}

static bool take_pair(struct ts_pair *pair, const struct nlattr *nest)
{
	const struct nlattr *attr;
	bool ok = true;

	memset(pair, 0, sizeof(*pair));
	pair->pair_local.ts_port_last = 65535;
	pair->pair_remote.ts_port_last = 65535;
	mnl_attr_for_each_nested(attr, nest)
		ok &= take_attr(pair_fields, ARRAY_SIZE(pair_fields), pair,
				attr);
	pair->pair_remote.ts_protocol = pair->pair_local.ts_protocol;
	return ok;
}

static void encode_pair(struct nlmsghdr *nlh, const struct ts_pair *pair)
{
	const struct ts *local = &pair->pair_local;
	const struct ts *remote = &pair->pair_remote;
	struct nlattr *nest;

	nest = mnl_attr_nest_start(nlh, CYGNET_A_POLICY_SELECTOR);
	put_fields(nlh, pair_fields, ARRAY_SIZE(pair_fields), pair);
	if (!ts_all_ports(local)) {
		mnl_attr_put_u16(nlh, CYGNET_A_SELECTOR_LOCAL_PORT_FIRST,
				 local->ts_port_first);
		mnl_attr_put_u16(nlh, CYGNET_A_SELECTOR_LOCAL_PORT_LAST,
				 local->ts_port_last);
	}
	if (!ts_all_ports(remote)) {
		mnl_attr_put_u16(nlh, CYGNET_A_SELECTOR_REMOTE_PORT_FIRST,
				 remote->ts_port_first);
		mnl_attr_put_u16(nlh, CYGNET_A_SELECTOR_REMOTE_PORT_LAST,
				 remote->ts_port_last);
	}
	mnl_attr_nest_end(nlh, nest);
}

static bool lifetime_set(const struct kernel_lifetime *life)
{
	static const struct kernel_lifetime none;

	return memcmp(life, &none, sizeof(none)) != 0;
}

void kernel_sa_encode(struct nlmsghdr *nlh, const struct kernel_sa *sa)
{
	struct nlattr *nest;

	put_fields(nlh, sa_fields, ARRAY_SIZE(sa_fields), sa);
	if (!sa->ksa_protocol)
		mnl_attr_put_u8(nlh, CYGNET_A_SA_PROTOCOL, IPPROTO_ESP);
	if (sa->ksa_encr_key_len)
		mnl_attr_put(nlh, CYGNET_A_SA_ENCR_KEY, sa->ksa_encr_key_len,
			     sa->ksa_encr_key);
	if (sa->ksa_integ_key_len)
		mnl_attr_put(nlh, CYGNET_A_SA_INTEG_KEY, sa->ksa_integ_key_len,
			     sa->ksa_integ_key);
	if (!lifetime_set(&sa->ksa_lifetime))
		return;
	nest = mnl_attr_nest_start(nlh, CYGNET_A_SA_LIFETIME);
	put_fields(nlh, lifetime_fields, ARRAY_SIZE(lifetime_fields),
		   &sa->ksa_lifetime);
	mnl_attr_nest_end(nlh, nest);
}

bool kernel_sa_decode(struct kernel_sa *sa, const struct nlmsghdr *nlh)
{
	const struct nlattr *attr;
	bool ok = true;

	memset(sa, 0, sizeof(*sa));
	mnl_attr_for_each(attr, nlh, GENL_HDRLEN) {
		if (mnl_attr_get_type(attr) == CYGNET_A_SA_LIFETIME)
			take_lifetime(&sa->ksa_lifetime, attr);
		else if (mnl_attr_get_type(attr) == CYGNET_A_SA_DROPS)
			take_drop(sa->ksa_drops, attr);
		else
			ok &= take_attr(sa_fields, ARRAY_SIZE(sa_fields), sa,
					attr);
	}
	return ok;
}

void kernel_policy_encode(struct nlmsghdr *nlh,
			  const struct kernel_policy *policy)
{
	u32 i;

	put_fields(nlh, policy_fields, ARRAY_SIZE(policy_fields), policy);
	if (policy->kpol_name[0])
		mnl_attr_put_strz(nlh, CYGNET_A_POLICY_NAME,
				  policy->kpol_name);
	if (policy->kpol_has_dscp)
		mnl_attr_put_u8(nlh, CYGNET_A_POLICY_DSCP, policy->kpol_dscp);
	if (policy->kpol_has_flow_label)
		mnl_attr_put_u32(nlh, CYGNET_A_POLICY_FLOW_LABEL,
				 policy->kpol_flow_label);
	for (i = 0; i < policy->kpol_npairs; i++)
		encode_pair(nlh, &policy->kpol_pairs[i]);
}

static bool take_selector(struct kernel_policy *policy,
			  const struct nlattr *attr)
{
	if (policy->kpol_npairs >= CYGNET_SELECTORS_MAX)
		return false;
	return take_pair(&policy->kpol_pairs[policy->kpol_npairs++], attr);
}

static void take_name(struct kernel_policy *policy, const struct nlattr *attr)
{
	size_t len = strnlen(mnl_attr_get_str(attr),
			     mnl_attr_get_payload_len(attr));

	if (len > CYGNET_NAME_LEN_MAX)
		len = CYGNET_NAME_LEN_MAX;
	memcpy(policy->kpol_name, mnl_attr_get_str(attr), len);
}

bool kernel_policy_decode(struct kernel_policy *policy,
			  const struct nlmsghdr *nlh)
{
	const struct nlattr *attr;
	bool ok = true;

	memset(policy, 0, sizeof(*policy));
	mnl_attr_for_each(attr, nlh, GENL_HDRLEN) {
		if (mnl_attr_get_type(attr) == CYGNET_A_POLICY_SELECTOR)
			ok &= take_selector(policy, attr);
		else if (mnl_attr_get_type(attr) == CYGNET_A_POLICY_NAME)
			take_name(policy, attr);
		else
			ok &= take_attr(policy_fields,
					ARRAY_SIZE(policy_fields), policy,
					attr);
		policy->kpol_has_dscp |= mnl_attr_get_type(attr) ==
					 CYGNET_A_POLICY_DSCP;
		policy->kpol_has_flow_label |= mnl_attr_get_type(attr) ==
					       CYGNET_A_POLICY_FLOW_LABEL;
	}
	return ok;
}

int kernel_sa_new(struct nl *nl, const struct kernel_sa *sa,
		  struct nl_error *err)
{
	struct nlmsghdr *nlh = nl_request(nl, CYGNET_CMD_SA_NEW, 0);

	kernel_sa_encode(nlh, sa);
	return nl_talk(nl, nlh, NULL, NULL, err);
}

/* What identifies an SA. */
static void put_sa_name(struct nlmsghdr *nlh, u8 protocol, u32 spi,
			const struct ip_addr *dst)
{
	mnl_attr_put_u8(nlh, CYGNET_A_SA_PROTOCOL, protocol ?: IPPROTO_ESP);
	if (spi)
		mnl_attr_put_u32(nlh, CYGNET_A_SA_SPI, htonl(spi));
	mnl_attr_put(nlh, CYGNET_A_SA_DST, ip_addr_len(dst), dst->ip_bytes);
}

static struct nlmsghdr *sa_request(struct nl *nl, u8 cmd, u8 protocol, u32 spi,
				   const struct ip_addr *dst)
{
	struct nlmsghdr *nlh = nl_request(nl, cmd, 0);

	put_sa_name(nlh, protocol, spi, dst);
	return nlh;
}

int kernel_sa_del(struct nl *nl, u8 protocol, u32 spi,
		  const struct ip_addr *dst, struct nl_error *err)
{
	return nl_talk(nl, sa_request(nl, CYGNET_CMD_SA_DEL, protocol, spi,
				      dst), NULL, NULL, err);
}

static int take_sa(const struct nlmsghdr *nlh, void *arg)
{
	return kernel_sa_decode(arg, nlh) ? 0 : -EBADMSG;
}

int kernel_sa_get(struct nl *nl, u8 protocol, u32 spi,
		  const struct ip_addr *dst, struct kernel_sa *sa,
		  struct nl_error *err)
{
	return nl_talk(nl, sa_request(nl, CYGNET_CMD_SA_GET, protocol, spi,
				      dst), take_sa, sa, err);
}

int kernel_sa_dummy(struct nl *nl, u32 spi, const struct ip_addr *dst, u16 len,
		    struct nl_error *err)
{
	struct nlmsghdr *nlh;

	nlh = sa_request(nl, CYGNET_CMD_SA_DUMMY, IPPROTO_ESP, spi, dst);
	if (len)
		mnl_attr_put_u16(nlh, CYGNET_A_SA_TFC, len);
	return nl_talk(nl, nlh, NULL, NULL, err);
}

int kernel_alloc_spi(struct nl *nl, u8 protocol, const struct ip_addr *dst,
		     u32 min, u32 max, u32 *spi, struct nl_error *err)
{
	struct kernel_sa sa = { 0 };
	struct nlmsghdr *nlh;
	int result;

	nlh = sa_request(nl, CYGNET_CMD_SA_ALLOC_SPI, protocol, 0, dst);
	if (min)
		mnl_attr_put_u32(nlh, CYGNET_A_SA_SPI_MIN, min);
	if (max)
		mnl_attr_put_u32(nlh, CYGNET_A_SA_SPI_MAX, max);
	result = nl_talk(nl, nlh, take_sa, &sa, err);
	*spi = sa.ksa_spi;
	return result;
}

struct nlmsghdr *kernel_begin(struct nl *nl)
{
	return nl_request(nl, CYGNET_CMD_TRANSACTION, 0);
}

/* The kernel wants these not to be marked as nested. */
static struct nlattr *begin_operation(struct nlmsghdr *tx, u16 type)
{
	struct nlattr *operation = mnl_nlmsg_get_payload_tail(tx);

	operation->nla_type = type;
	tx->nlmsg_len += MNL_ATTR_HDRLEN;
	return operation;
}

void kernel_stage_policy_set(struct nlmsghdr *tx,
			     const struct kernel_policy *policy)
{
	struct nlattr *operation;

	operation = begin_operation(tx, CYGNET_A_TRANSACTION_POLICY_SET);
	kernel_policy_encode(tx, policy);
	mnl_attr_nest_end(tx, operation);
}

void kernel_stage_policy_del(struct nlmsghdr *tx, u32 id)
{
	struct nlattr *operation;

	operation = begin_operation(tx, CYGNET_A_TRANSACTION_POLICY_DEL);
	mnl_attr_put_u32(tx, CYGNET_A_POLICY_ID, id);
	mnl_attr_nest_end(tx, operation);
}

void kernel_stage_sa_new(struct nlmsghdr *tx, const struct kernel_sa *sa)
{
	struct nlattr *operation;

	operation = begin_operation(tx, CYGNET_A_TRANSACTION_SA_NEW);
	kernel_sa_encode(tx, sa);
	mnl_attr_nest_end(tx, operation);
}

void kernel_stage_sa_del(struct nlmsghdr *tx, u8 protocol, u32 spi,
			 const struct ip_addr *dst)
{
	struct nlattr *operation;

	operation = begin_operation(tx, CYGNET_A_TRANSACTION_SA_DEL);
	put_sa_name(tx, protocol, spi, dst);
	mnl_attr_nest_end(tx, operation);
}

/* The longest is a policy with all its selectors. */
#define OPERATION_MAX	(1024 + CYGNET_SELECTORS_MAX * 160)

bool kernel_full(const struct nlmsghdr *tx)
{
	const struct nlattr *attr;
	u32 count = 0;

	mnl_attr_for_each(attr, tx, GENL_HDRLEN)
		count++;
	return count >= CYGNET_OPERATIONS_MAX ||
	       tx->nlmsg_len + OPERATION_MAX > NL_REQUEST_MAX;
}

int kernel_commit(struct nl *nl, struct nlmsghdr *tx, struct nl_error *err)
{
	return nl_talk(nl, tx, NULL, NULL, err);
}

void kernel_sa_wipe(struct kernel_sa *sa)
{
	explicit_bzero(sa->ksa_encr_key, sizeof(sa->ksa_encr_key));
	explicit_bzero(sa->ksa_integ_key, sizeof(sa->ksa_integ_key));
}

/* A dump in progress: decode each, hand it on. */
struct dump {
	void *dump_cb;
	void *dump_arg;
};

static int dump_sa(const struct nlmsghdr *nlh, void *arg)
{
	const struct dump *dump = arg;
	kernel_sa_fn *cb = dump->dump_cb;
	struct kernel_sa sa;

	if (!kernel_sa_decode(&sa, nlh))
		return -EBADMSG;
	return cb(&sa, dump->dump_arg);
}

int kernel_sa_dump(struct nl *nl, kernel_sa_fn *cb, void *arg,
		   struct nl_error *err)
{
	struct dump dump = { cb, arg };

	return nl_talk(nl, nl_request(nl, CYGNET_CMD_SA_GET, NLM_F_DUMP),
		       dump_sa, &dump, err);
}

static int take_id(const struct nlmsghdr *nlh, void *arg)
{
	struct kernel_policy reply, *policy = arg;

	if (!kernel_policy_decode(&reply, nlh))
		return -EBADMSG;
	policy->kpol_id = reply.kpol_id;
	return 0;
}

int kernel_policy_set(struct nl *nl, struct kernel_policy *policy,
		      struct nl_error *err)
{
	struct nlmsghdr *nlh = nl_request(nl, CYGNET_CMD_POLICY_SET, 0);

	kernel_policy_encode(nlh, policy);
	return nl_talk(nl, nlh, take_id, policy, err);
}

int kernel_policy_del(struct nl *nl, u32 id, struct nl_error *err)
{
	struct nlmsghdr *nlh = nl_request(nl, CYGNET_CMD_POLICY_DEL, 0);

	mnl_attr_put_u32(nlh, CYGNET_A_POLICY_ID, id);
	return nl_talk(nl, nlh, NULL, NULL, err);
}

static int take_policy(const struct nlmsghdr *nlh, void *arg)
{
	return kernel_policy_decode(arg, nlh) ? 0 : -EBADMSG;
}

int kernel_policy_get(struct nl *nl, u32 id, struct kernel_policy *policy,
		      struct nl_error *err)
{
	struct nlmsghdr *nlh = nl_request(nl, CYGNET_CMD_POLICY_GET, 0);

	mnl_attr_put_u32(nlh, CYGNET_A_POLICY_ID, id);
	return nl_talk(nl, nlh, take_policy, policy, err);
}

static int dump_policy(const struct nlmsghdr *nlh, void *arg)
{
	const struct dump *dump = arg;
	kernel_policy_fn *cb = dump->dump_cb;
	struct kernel_policy policy;

	if (!kernel_policy_decode(&policy, nlh))
		return -EBADMSG;
	return cb(&policy, dump->dump_arg);
}

int kernel_policy_dump(struct nl *nl, kernel_policy_fn *cb, void *arg,
		       struct nl_error *err)
{
	struct dump dump = { cb, arg };

	return nl_talk(nl, nl_request(nl, CYGNET_CMD_POLICY_GET, NLM_F_DUMP),
		       dump_policy, &dump, err);
}

static int change_port(struct nl *nl, u8 cmd, u16 port, struct nl_error *err)
{
	struct nlmsghdr *nlh = nl_request(nl, cmd, 0);

	mnl_attr_put_u16(nlh, CYGNET_A_PORT_PORT, htons(port));
	return nl_talk(nl, nlh, NULL, NULL, err);
}

int kernel_port_add(struct nl *nl, u16 port, struct nl_error *err)
{
	return change_port(nl, CYGNET_CMD_PORT_ADD, port, err);
}

int kernel_port_del(struct nl *nl, u16 port, struct nl_error *err)
{
	return change_port(nl, CYGNET_CMD_PORT_DEL, port, err);
}

static int dump_port(const struct nlmsghdr *nlh, void *arg)
{
	const struct dump *dump = arg;
	kernel_port_fn *cb = dump->dump_cb;
	const struct nlattr *attr;
	int result = 0;

	mnl_attr_for_each(attr, nlh, GENL_HDRLEN)
		if (mnl_attr_get_type(attr) == CYGNET_A_PORT_PORT && !result)
			result = cb(ntohs(get_number(attr)), dump->dump_arg);
	return result;
}

int kernel_port_dump(struct nl *nl, kernel_port_fn *cb, void *arg,
		     struct nl_error *err)
{
	struct dump dump = { cb, arg };

	return nl_talk(nl, nl_request(nl, CYGNET_CMD_PORT_GET, NLM_F_DUMP),
		       dump_port, &dump, err);
}

int kernel_device_set(struct nl *nl, const struct kernel_device *device,
		      unsigned int parts, struct nl_error *err)
{
	struct nlmsghdr *nlh = nl_request(nl, CYGNET_CMD_DEVICE_SET, 0);

	mnl_attr_put_u32(nlh, CYGNET_A_DEVICE_IFINDEX, device->kdev_ifindex);
	if (parts & KERNEL_DEVICE_FWMARK)
		mnl_attr_put_u32(nlh, CYGNET_A_DEVICE_FWMARK,
				 device->kdev_fwmark);
	if (parts & KERNEL_DEVICE_UNDERLAY)
		mnl_attr_put_u32(nlh, CYGNET_A_DEVICE_UNDERLAY,
				 device->kdev_underlay);
	if (parts & KERNEL_DEVICE_TOS)
		mnl_attr_put_u8(nlh, CYGNET_A_DEVICE_TOS, device->kdev_tos);
	return nl_talk(nl, nlh, NULL, NULL, err);
}

static int dump_device(const struct nlmsghdr *nlh, void *arg)
{
	struct kernel_device device = { 0 };
	const struct dump *dump = arg;
	kernel_device_fn *cb = dump->dump_cb;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, GENL_HDRLEN)
		take_attr(device_fields, ARRAY_SIZE(device_fields), &device,
			  attr);
	return cb(&device, dump->dump_arg);
}

int kernel_device_dump(struct nl *nl, kernel_device_fn *cb, void *arg,
		       struct nl_error *err)
{
	struct dump dump = { cb, arg };

	return nl_talk(nl, nl_request(nl, CYGNET_CMD_DEVICE_GET, NLM_F_DUMP),
		       dump_device, &dump, err);
}

static int take_stats(const struct nlmsghdr *nlh, void *arg)
{
	struct kernel_stats *stats = arg;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, GENL_HDRLEN) {
		if (mnl_attr_get_type(attr) == CYGNET_A_STATS_DROPS)
			take_drop(stats->kstat_drops, attr);
		else
			take_attr(stats_fields, ARRAY_SIZE(stats_fields),
				  stats, attr);
	}
	return 0;
}

int kernel_stats_get(struct nl *nl, u32 ifindex, struct kernel_stats *stats,
		     struct nl_error *err)
{
	struct nlmsghdr *nlh = nl_request(nl, CYGNET_CMD_STATS_GET, 0);

	memset(stats, 0, sizeof(*stats));
	if (ifindex)
		mnl_attr_put_u32(nlh, CYGNET_A_STATS_IFINDEX, ifindex);
	return nl_talk(nl, nlh, take_stats, stats, err);
}

static void take_rejected(struct kernel_event *event,
			  const struct nlattr *nest)
{
	u64 reason = 0, packets = 0, ifindex = 0, spi = 0;
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) {
		if (mnl_attr_get_type(attr) == CYGNET_A_DROPS_REASON)
			reason = get_number(attr);
		else if (mnl_attr_get_type(attr) == CYGNET_A_DROPS_PACKETS)
			packets = get_number(attr);
		else if (mnl_attr_get_type(attr) == CYGNET_A_DROPS_IFINDEX)
			ifindex = get_number(attr);
		else if (mnl_attr_get_type(attr) == CYGNET_A_DROPS_SPI)
			spi = ntohl(get_number(attr));
	}
	if (reason < KERNEL_DROPS)
		event->kev_rejected[reason] = (struct kernel_rejected){
			packets, ifindex, spi
		};
}

/* What an event has beyond the object that it is about. */
static bool take_event_attr(struct kernel_event *event,
			    const struct nlattr *attr)
{
	u16 type = mnl_attr_get_type(attr);

	if (event->kev_cmd == CYGNET_CMD_EXPIRE_NTF &&
	    type == CYGNET_A_SA_EXPIRY)
		event->kev_expiry = get_number(attr);
	if (event->kev_cmd == CYGNET_CMD_REJECTED_NTF &&
	    type == CYGNET_A_STATS_DROPS)
		take_rejected(event, attr);
	if (event->kev_cmd != CYGNET_CMD_ACQUIRE_NTF ||
	    type != CYGNET_A_POLICY_PACKET)
		return true;
	event->kev_has_packet = true;
	return take_pair(&event->kev_packet, attr);
}

bool kernel_event_decode(struct kernel_event *event,
			 const struct nlmsghdr *nlh)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	if (nlh->nlmsg_type < NLMSG_MIN_TYPE ||
	    mnl_nlmsg_get_payload_len(nlh) < GENL_HDRLEN)
		return false;
	memset(event, 0, sizeof(*event));
	event->kev_cmd = genl->cmd;
	mnl_attr_for_each(attr, nlh, GENL_HDRLEN)
		if (!take_event_attr(event, attr))
			return false;
	switch (genl->cmd) {
	case CYGNET_CMD_REJECTED_NTF:
		return true;
	case CYGNET_CMD_EXPIRE_NTF:
	case CYGNET_CMD_SA_NEW_NTF:
	case CYGNET_CMD_SA_SET_NTF:
	case CYGNET_CMD_SA_DEL_NTF:
		return kernel_sa_decode(&event->kev_sa, nlh);
	case CYGNET_CMD_ACQUIRE_NTF:
	case CYGNET_CMD_POLICY_SET_NTF:
	case CYGNET_CMD_POLICY_DEL_NTF:
		return kernel_policy_decode(&event->kev_policy, nlh);
	default:
		return false;
	}
}
