/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/* Do not edit directly, auto-generated from: */
/*	include/cygnet.yaml */
/* YNL-GEN uapi header */

#ifndef _UAPI_LINUX_CYGNET_H
#define _UAPI_LINUX_CYGNET_H

#define CYGNET_FAMILY_NAME	"cygnet"
#define CYGNET_FAMILY_VERSION	1

#define CYGNET_ADDR_LEN_MAX		16
#define CYGNET_KEY_LEN_MAX		64
#define CYGNET_NAME_LEN_MAX		63
#define CYGNET_SELECTORS_MAX		64
#define CYGNET_OPERATIONS_MAX		256
#define CYGNET_REPLAY_WINDOW_MIN	32
#define CYGNET_REPLAY_WINDOW_MAX	4096
#define CYGNET_REPLAY_WINDOW_DEFAULT	1024
#define CYGNET_SPI_MIN			256

/**
 * enum cygnet_direction - Direction of an SA, as seen from this host.
 */
enum cygnet_direction {
	CYGNET_DIRECTION_IN,
	CYGNET_DIRECTION_OUT,
};

/**
 * enum cygnet_mode - Mode of an SA (RFC 4301 section 4.1).
 */
enum cygnet_mode {
	CYGNET_MODE_TUNNEL,
	CYGNET_MODE_TRANSPORT,
};

/**
 * enum cygnet_action - What a policy does with matching packets (RFC 4301
 *   section 4.4.1).
 */
enum cygnet_action {
	CYGNET_ACTION_PROTECT,
	CYGNET_ACTION_BYPASS,
	CYGNET_ACTION_DISCARD,
};

/**
 * enum cygnet_df - The bit of outer IPv4 headers that forbids to fragment them
 *   (RFC 4301 section 8.1). Clear, and a path narrower than expected costs
 *   fragments, but nothing is lost where ICMP is filtered. Set, or copied from
 *   the inner packet (IPv6 counts as set), and routers report the path's MTU
 *   instead, which inner packets are then held to.
 */
enum cygnet_df {
	CYGNET_DF_CLEAR,
	CYGNET_DF_COPY,
	CYGNET_DF_SET,
};

/**
 * enum cygnet_expiry - Which lifetime has passed: soft asks for a replacement,
 *   hard means that the SA carries nothing any more, sequence that its
 *   sequence numbers are used up (also hard).
 */
enum cygnet_expiry {
	CYGNET_EXPIRY_SOFT,
	CYGNET_EXPIRY_HARD,
	CYGNET_EXPIRY_SEQUENCE,
};

/**
 * enum cygnet_drop - Why a packet was dropped. Each is a counter per SA (where
 *   an SA was found), per device and per network namespace.
 * @CYGNET_DROP_RX_SHORT: Shorter than the ESP header, IV and ICV need.
 * @CYGNET_DROP_RX_NO_SA: UDP-encapsulated ESP whose SPI nobody here holds.
 * @CYGNET_DROP_RX_CHECKSUM: UDP-encapsulated ESP with a wrong UDP checksum.
 * @CYGNET_DROP_RX_CONNTRACK: Connection tracking refused the UDP datagram.
 * @CYGNET_DROP_RX_SA_DEAD: The SA has expired (hard lifetime) or is being
 *   deleted.
 * @CYGNET_DROP_RX_ENDPOINT: The outer destination is not that of the SA.
 * @CYGNET_DROP_RX_REPLAY_OLD: Sequence number left of the replay window (RFC
 *   4303 3.4.3).
 * @CYGNET_DROP_RX_REPLAY_DUPLICATE: Sequence number seen before.
 * @CYGNET_DROP_RX_AUTH: The integrity check failed (RFC 4303 3.4.4).
 * @CYGNET_DROP_RX_PADDING: Pad length beyond the packet or padding bytes not
 *   1, 2, 3, ….
 * @CYGNET_DROP_RX_NEXT_HEADER: Next header not one that the mode allows.
 * @CYGNET_DROP_RX_DUMMY: Dummy packet (next header 59, RFC 4303 2.6),
 *   discarded as meant.
 * @CYGNET_DROP_RX_INNER: The inner packet is malformed.
 * @CYGNET_DROP_RX_ECN: Congestion marked outside, no ECN inside (RFC 6040
 *   section 4.2).
 * @CYGNET_DROP_RX_SELECTOR: The inner packet is outside the selectors (RFC
 *   4301 5.2).
 * @CYGNET_DROP_RX_DEVICE: The device is down.
 * @CYGNET_DROP_RX_CRYPTO: The crypto API failed, or had no request left.
 * @CYGNET_DROP_RX_MEMORY: Out of memory.
 * @CYGNET_DROP_RX_QUEUE: Too many packets wait to be decrypted on that CPU.
 * @CYGNET_DROP_RX_AH: The length in the AH header is not that of the SA's ICV.
 * @CYGNET_DROP_RX_ROUTING_HEADER: A routing header in front of AH of which it
 *   cannot be said how it looked when it was sent (RFC 4302 3.3.3.1.2).
 * @CYGNET_DROP_RX_CLEARTEXT: In clear, and a steer policy wants it protected
 *   (RFC 4301 5.2).
 * @CYGNET_DROP_RX_DISCARD: In clear, and a steer policy discards it.
 * @CYGNET_DROP_TX_MALFORMED: Not an IP packet, or one whose headers do not add
 *   up.
 * @CYGNET_DROP_TX_NO_POLICY: No policy of the device matches.
 * @CYGNET_DROP_TX_DISCARD: A discard policy matches.
 * @CYGNET_DROP_TX_BYPASS: A steer policy leaves it in clear, but it was routed
 *   into the device, which sends nothing in clear.
 * @CYGNET_DROP_TX_DEVICE: The device of the steer policy is gone.
 * @CYGNET_DROP_TX_WOULD_LEAK: About to leave in clear, and a steer policy
 *   matches that did not match before source NAT.
 * @CYGNET_DROP_TX_NO_SA: The policy protects but has no SA; an acquire event
 *   was raised.
 * @CYGNET_DROP_TX_SA_DEAD: The SA has expired (hard lifetime) or is being
 *   deleted.
 * @CYGNET_DROP_TX_SEQUENCE: The sequence numbers of the SA are used up (RFC
 *   4303 3.3.3).
 * @CYGNET_DROP_TX_TOO_BIG: Larger than the MTU and not to be fragmented.
 * @CYGNET_DROP_TX_NO_ROUTE: No route to the remote endpoint.
 * @CYGNET_DROP_TX_LOOP: The route to the remote endpoint leads into a cygnet
 *   device.
 * @CYGNET_DROP_TX_ENDPOINT: Transport mode, and the packet's addresses are not
 *   those of the SA.
 * @CYGNET_DROP_TX_FRAGMENT: Transport mode is for whole packets (RFC 4303
 *   3.3.4, RFC 4302 3.3.4), and so are steer policies that ask for ports (RFC
 *   4301 7).
 * @CYGNET_DROP_TX_ROUTING_HEADER: The same as rx-routing-header, sending.
 * @CYGNET_DROP_TX_CRYPTO: The crypto API failed, or had no request left.
 * @CYGNET_DROP_TX_MEMORY: Out of memory.
 * @CYGNET_DROP_TX_QUEUE: Too many packets wait for others to be encrypted.
 */
enum cygnet_drop {
	CYGNET_DROP_RX_SHORT = 1,
	CYGNET_DROP_RX_NO_SA,
	CYGNET_DROP_RX_CHECKSUM,
	CYGNET_DROP_RX_CONNTRACK,
	CYGNET_DROP_RX_SA_DEAD,
	CYGNET_DROP_RX_ENDPOINT,
	CYGNET_DROP_RX_REPLAY_OLD,
	CYGNET_DROP_RX_REPLAY_DUPLICATE,
	CYGNET_DROP_RX_AUTH,
	CYGNET_DROP_RX_PADDING,
	CYGNET_DROP_RX_NEXT_HEADER,
	CYGNET_DROP_RX_DUMMY,
	CYGNET_DROP_RX_INNER,
	CYGNET_DROP_RX_ECN,
	CYGNET_DROP_RX_SELECTOR,
	CYGNET_DROP_RX_DEVICE,
	CYGNET_DROP_RX_CRYPTO,
	CYGNET_DROP_RX_MEMORY,
	CYGNET_DROP_RX_QUEUE,
	CYGNET_DROP_RX_AH,
	CYGNET_DROP_RX_ROUTING_HEADER,
	CYGNET_DROP_RX_CLEARTEXT,
	CYGNET_DROP_RX_DISCARD,
	CYGNET_DROP_TX_MALFORMED,
	CYGNET_DROP_TX_NO_POLICY,
	CYGNET_DROP_TX_DISCARD,
	CYGNET_DROP_TX_BYPASS,
	CYGNET_DROP_TX_DEVICE,
	CYGNET_DROP_TX_WOULD_LEAK,
	CYGNET_DROP_TX_NO_SA,
	CYGNET_DROP_TX_SA_DEAD,
	CYGNET_DROP_TX_SEQUENCE,
	CYGNET_DROP_TX_TOO_BIG,
	CYGNET_DROP_TX_NO_ROUTE,
	CYGNET_DROP_TX_LOOP,
	CYGNET_DROP_TX_ENDPOINT,
	CYGNET_DROP_TX_FRAGMENT,
	CYGNET_DROP_TX_ROUTING_HEADER,
	CYGNET_DROP_TX_CRYPTO,
	CYGNET_DROP_TX_MEMORY,
	CYGNET_DROP_TX_QUEUE,

	/* private: */
	__CYGNET_DROP_MAX,
	CYGNET_DROP_MAX = (__CYGNET_DROP_MAX - 1)
};

enum {
	CYGNET_A_LIFETIME_SOFT_SECONDS = 1,
	CYGNET_A_LIFETIME_HARD_SECONDS,
	CYGNET_A_LIFETIME_SOFT_PACKETS,
	CYGNET_A_LIFETIME_HARD_PACKETS,
	CYGNET_A_LIFETIME_SOFT_BYTES,
	CYGNET_A_LIFETIME_HARD_BYTES,

	__CYGNET_A_LIFETIME_MAX,
	CYGNET_A_LIFETIME_MAX = (__CYGNET_A_LIFETIME_MAX - 1)
};

enum {
	CYGNET_A_DROPS_REASON = 1,
	CYGNET_A_DROPS_PACKETS,
	CYGNET_A_DROPS_IFINDEX,
	CYGNET_A_DROPS_SPI,

	__CYGNET_A_DROPS_MAX,
	CYGNET_A_DROPS_MAX = (__CYGNET_A_DROPS_MAX - 1)
};

enum {
	CYGNET_A_SELECTOR_LOCAL_FIRST = 1,
	CYGNET_A_SELECTOR_LOCAL_LAST,
	CYGNET_A_SELECTOR_REMOTE_FIRST,
	CYGNET_A_SELECTOR_REMOTE_LAST,
	CYGNET_A_SELECTOR_PROTOCOL,
	CYGNET_A_SELECTOR_LOCAL_PORT_FIRST,
	CYGNET_A_SELECTOR_LOCAL_PORT_LAST,
	CYGNET_A_SELECTOR_REMOTE_PORT_FIRST,
	CYGNET_A_SELECTOR_REMOTE_PORT_LAST,

	__CYGNET_A_SELECTOR_MAX,
	CYGNET_A_SELECTOR_MAX = (__CYGNET_A_SELECTOR_MAX - 1)
};

enum {
	CYGNET_A_SA_DIRECTION = 1,
	CYGNET_A_SA_PROTOCOL,
	CYGNET_A_SA_SPI,
	CYGNET_A_SA_SRC,
	CYGNET_A_SA_DST,
	CYGNET_A_SA_MODE,
	CYGNET_A_SA_POLICY,
	CYGNET_A_SA_ENCR,
	CYGNET_A_SA_ENCR_KEY,
	CYGNET_A_SA_ENCR_KEY_BITS,
	CYGNET_A_SA_INTEG,
	CYGNET_A_SA_INTEG_KEY,
	CYGNET_A_SA_ESN,
	CYGNET_A_SA_REPLAY_WINDOW,
	CYGNET_A_SA_ENCAP_SPORT,
	CYGNET_A_SA_ENCAP_DPORT,
	CYGNET_A_SA_KEEPALIVE,
	CYGNET_A_SA_LIFETIME,
	CYGNET_A_SA_SEQUENCE,
	CYGNET_A_SA_PACKETS,
	CYGNET_A_SA_BYTES,
	CYGNET_A_SA_AGE_MS,
	CYGNET_A_SA_IDLE_MS,
	CYGNET_A_SA_CURRENT,
	CYGNET_A_SA_DROPS,
	CYGNET_A_SA_EXPIRY,
	CYGNET_A_SA_PAD,
	CYGNET_A_SA_SPI_MIN,
	CYGNET_A_SA_SPI_MAX,
	CYGNET_A_SA_LEGACY,
	CYGNET_A_SA_NEW_SRC,
	CYGNET_A_SA_NEW_DST,
	CYGNET_A_SA_ROAM,
	CYGNET_A_SA_TFC,
	CYGNET_A_SA_MTU,
	CYGNET_A_SA_PATH_MTU,

	__CYGNET_A_SA_MAX,
	CYGNET_A_SA_MAX = (__CYGNET_A_SA_MAX - 1)
};

enum {
	CYGNET_A_POLICY_ID = 1,
	CYGNET_A_POLICY_IFINDEX,
	CYGNET_A_POLICY_NAME,
	CYGNET_A_POLICY_PRIORITY,
	CYGNET_A_POLICY_ACTION,
	CYGNET_A_POLICY_PROTOCOL,
	CYGNET_A_POLICY_MODE,
	CYGNET_A_POLICY_SELECTOR,
	CYGNET_A_POLICY_SPI,
	CYGNET_A_POLICY_PACKET,
	CYGNET_A_POLICY_STEER,
	CYGNET_A_POLICY_DF,
	CYGNET_A_POLICY_DSCP,
	CYGNET_A_POLICY_TTL,
	CYGNET_A_POLICY_FLOW_LABEL,
	CYGNET_A_POLICY_NO_MSS_CLAMP,

	__CYGNET_A_POLICY_MAX,
	CYGNET_A_POLICY_MAX = (__CYGNET_A_POLICY_MAX - 1)
};

enum {
	CYGNET_A_PORT_PORT = 1,

	__CYGNET_A_PORT_MAX,
	CYGNET_A_PORT_MAX = (__CYGNET_A_PORT_MAX - 1)
};

enum {
	CYGNET_A_TRANSACTION_POLICY_SET = 1,
	CYGNET_A_TRANSACTION_POLICY_DEL,
	CYGNET_A_TRANSACTION_SA_NEW,
	CYGNET_A_TRANSACTION_SA_SET,
	CYGNET_A_TRANSACTION_SA_DEL,

	__CYGNET_A_TRANSACTION_MAX,
	CYGNET_A_TRANSACTION_MAX = (__CYGNET_A_TRANSACTION_MAX - 1)
};

enum {
	CYGNET_A_STATS_IFINDEX = 1,
	CYGNET_A_STATS_DROPS,
	CYGNET_A_STATS_SAS,
	CYGNET_A_STATS_POLICIES,
	CYGNET_A_STATS_CRYPTO_PENDING,
	CYGNET_A_STATS_PAD,

	__CYGNET_A_STATS_MAX,
	CYGNET_A_STATS_MAX = (__CYGNET_A_STATS_MAX - 1)
};

enum {
	CYGNET_A_DEVICE_IFINDEX = 1,
	CYGNET_A_DEVICE_FWMARK,
	CYGNET_A_DEVICE_UNDERLAY,
	CYGNET_A_DEVICE_TOS,

	__CYGNET_A_DEVICE_MAX,
	CYGNET_A_DEVICE_MAX = (__CYGNET_A_DEVICE_MAX - 1)
};

enum {
	CYGNET_CMD_SA_NEW = 1,
	CYGNET_CMD_SA_DEL,
	CYGNET_CMD_SA_SET,
	CYGNET_CMD_SA_GET,
	CYGNET_CMD_SA_ALLOC_SPI,
	CYGNET_CMD_POLICY_SET,
	CYGNET_CMD_POLICY_DEL,
	CYGNET_CMD_POLICY_GET,
	CYGNET_CMD_TRANSACTION,
	CYGNET_CMD_PORT_ADD,
	CYGNET_CMD_PORT_DEL,
	CYGNET_CMD_PORT_GET,
	CYGNET_CMD_STATS_GET,
	CYGNET_CMD_ACQUIRE_NTF,
	CYGNET_CMD_EXPIRE_NTF,
	CYGNET_CMD_REJECTED_NTF,
	CYGNET_CMD_SA_NEW_NTF,
	CYGNET_CMD_SA_SET_NTF,
	CYGNET_CMD_SA_DEL_NTF,
	CYGNET_CMD_POLICY_SET_NTF,
	CYGNET_CMD_POLICY_DEL_NTF,
	CYGNET_CMD_SA_DUMMY,
	CYGNET_CMD_DEVICE_SET,
	CYGNET_CMD_DEVICE_GET,

	__CYGNET_CMD_MAX,
	CYGNET_CMD_MAX = (__CYGNET_CMD_MAX - 1)
};

#define CYGNET_MCGRP_EVENTS	"events"

#endif /* _UAPI_LINUX_CYGNET_H */
