// SPDX-License-Identifier: GPL-2.0-or-later
/* Do not edit: names-regen writes this from include/cygnet.yaml. */

#include "names.h"

const struct drop_words drop_words[KERNEL_DROPS] = {
	[CYGNET_DROP_RX_SHORT] = {
		"rx-short",
		"Shorter than the ESP header, IV and ICV need",
	},
	[CYGNET_DROP_RX_NO_SA] = {
		"rx-no-sa",
		"UDP-encapsulated ESP whose SPI nobody here holds",
	},
	[CYGNET_DROP_RX_CHECKSUM] = {
		"rx-checksum",
		"UDP-encapsulated ESP with a wrong UDP checksum",
	},
	[CYGNET_DROP_RX_CONNTRACK] = {
		"rx-conntrack",
		"Connection tracking refused the UDP datagram",
	},
	[CYGNET_DROP_RX_SA_DEAD] = {
		"rx-sa-dead",
		"The SA has expired (hard lifetime) or is being deleted",
	},
	[CYGNET_DROP_RX_ENDPOINT] = {
		"rx-endpoint",
		"The outer destination is not that of the SA",
	},
	[CYGNET_DROP_RX_REPLAY_OLD] = {
		"rx-replay-old",
		"Sequence number left of the replay window (RFC 4303 3.4.3)",
	},
	[CYGNET_DROP_RX_REPLAY_DUPLICATE] = {
		"rx-replay-duplicate",
		"Sequence number seen before",
	},
	[CYGNET_DROP_RX_AUTH] = {
		"rx-auth",
		"The integrity check failed (RFC 4303 3.4.4)",
	},
	[CYGNET_DROP_RX_PADDING] = {
		"rx-padding",
		"Pad length beyond the packet or padding bytes not 1, 2, 3, …",
	},
	[CYGNET_DROP_RX_NEXT_HEADER] = {
		"rx-next-header",
		"Next header not one that the mode allows",
	},
	[CYGNET_DROP_RX_DUMMY] = {
		"rx-dummy",
		"Dummy packet (next header 59, RFC 4303 2.6), discarded as meant",
	},
	[CYGNET_DROP_RX_INNER] = {
		"rx-inner",
		"The inner packet is malformed",
	},
	[CYGNET_DROP_RX_ECN] = {
		"rx-ecn",
		"Congestion marked outside, no ECN inside (RFC 6040 section 4.2)",
	},
	[CYGNET_DROP_RX_SELECTOR] = {
		"rx-selector",
		"The inner packet is outside the selectors (RFC 4301 5.2)",
	},
	[CYGNET_DROP_RX_DEVICE] = {
		"rx-device",
		"The device is down",
	},
	[CYGNET_DROP_RX_CRYPTO] = {
		"rx-crypto",
		"The crypto API failed, or had no request left",
	},
	[CYGNET_DROP_RX_MEMORY] = {
		"rx-memory",
		"Out of memory",
	},
	[CYGNET_DROP_RX_QUEUE] = {
		"rx-queue",
		"Too many packets wait to be decrypted on that CPU",
	},
	[CYGNET_DROP_RX_AH] = {
		"rx-ah",
		"The length in the AH header is not that of the SA's ICV",
	},
	[CYGNET_DROP_RX_ROUTING_HEADER] = {
		"rx-routing-header",
		"A routing header in front of AH of which it cannot be said how it looked when it was sent (RFC 4302 3.3.3.1.2)",
	},
	[CYGNET_DROP_RX_CLEARTEXT] = {
		"rx-cleartext",
		"In clear, and a steer policy wants it protected (RFC 4301 5.2)",
	},
	[CYGNET_DROP_RX_DISCARD] = {
		"rx-discard",
		"In clear, and a steer policy discards it",
	},
	[CYGNET_DROP_TX_MALFORMED] = {
		"tx-malformed",
		"Not an IP packet, or one whose headers do not add up",
	},
	[CYGNET_DROP_TX_NO_POLICY] = {
		"tx-no-policy",
		"No policy of the device matches",
	},
	[CYGNET_DROP_TX_DISCARD] = {
		"tx-discard",
		"A discard policy matches",
	},
	[CYGNET_DROP_TX_BYPASS] = {
		"tx-bypass",
		"A steer policy leaves it in clear, but it was routed into the device, which sends nothing in clear",
	},
	[CYGNET_DROP_TX_DEVICE] = {
		"tx-device",
		"The device of the steer policy is gone",
	},
	[CYGNET_DROP_TX_WOULD_LEAK] = {
		"tx-would-leak",
		"About to leave in clear, and a steer policy matches that did not match before source NAT",
	},
	[CYGNET_DROP_TX_NO_SA] = {
		"tx-no-sa",
		"The policy protects but has no SA; an acquire event was raised",
	},
	[CYGNET_DROP_TX_SA_DEAD] = {
		"tx-sa-dead",
		"The SA has expired (hard lifetime) or is being deleted",
	},
	[CYGNET_DROP_TX_SEQUENCE] = {
		"tx-sequence",
		"The sequence numbers of the SA are used up (RFC 4303 3.3.3)",
	},
	[CYGNET_DROP_TX_TOO_BIG] = {
		"tx-too-big",
		"Larger than the MTU and not to be fragmented",
	},
	[CYGNET_DROP_TX_NO_ROUTE] = {
		"tx-no-route",
		"No route to the remote endpoint",
	},
	[CYGNET_DROP_TX_LOOP] = {
		"tx-loop",
		"The route to the remote endpoint leads into a cygnet device",
	},
	[CYGNET_DROP_TX_ENDPOINT] = {
		"tx-endpoint",
		"Transport mode, and the packet's addresses are not those of the SA",
	},
	[CYGNET_DROP_TX_FRAGMENT] = {
		"tx-fragment",
		"Transport mode is for whole packets (RFC 4303 3.3.4, RFC 4302 3.3.4), and so are steer policies that ask for ports (RFC 4301 7)",
	},
	[CYGNET_DROP_TX_ROUTING_HEADER] = {
		"tx-routing-header",
		"The same as rx-routing-header, sending",
	},
	[CYGNET_DROP_TX_CRYPTO] = {
		"tx-crypto",
		"The crypto API failed, or had no request left",
	},
	[CYGNET_DROP_TX_MEMORY] = {
		"tx-memory",
		"Out of memory",
	},
	[CYGNET_DROP_TX_QUEUE] = {
		"tx-queue",
		"Too many packets wait for others to be encrypted",
	},
};

const char *const direction_words[] = {
	[CYGNET_DIRECTION_IN] = "in",
	[CYGNET_DIRECTION_OUT] = "out",
};

const size_t direction_words_count = ARRAY_SIZE(direction_words);

const char *const mode_words[] = {
	[CYGNET_MODE_TUNNEL] = "tunnel",
	[CYGNET_MODE_TRANSPORT] = "transport",
};

const size_t mode_words_count = ARRAY_SIZE(mode_words);

const char *const action_words[] = {
	[CYGNET_ACTION_PROTECT] = "protect",
	[CYGNET_ACTION_BYPASS] = "bypass",
	[CYGNET_ACTION_DISCARD] = "discard",
};

const size_t action_words_count = ARRAY_SIZE(action_words);

const char *const expiry_words[] = {
	[CYGNET_EXPIRY_SOFT] = "soft",
	[CYGNET_EXPIRY_HARD] = "hard",
	[CYGNET_EXPIRY_SEQUENCE] = "sequence",
};

const size_t expiry_words_count = ARRAY_SIZE(expiry_words);

const char *const df_words[] = {
	[CYGNET_DF_CLEAR] = "clear",
	[CYGNET_DF_COPY] = "copy",
	[CYGNET_DF_SET] = "set",
};

const size_t df_words_count = ARRAY_SIZE(df_words);

static const char *const lifetime_attrs[] = {
	[CYGNET_A_LIFETIME_SOFT_SECONDS] = "soft-seconds",
	[CYGNET_A_LIFETIME_HARD_SECONDS] = "hard-seconds",
	[CYGNET_A_LIFETIME_SOFT_PACKETS] = "soft-packets",
	[CYGNET_A_LIFETIME_HARD_PACKETS] = "hard-packets",
	[CYGNET_A_LIFETIME_SOFT_BYTES] = "soft-bytes",
	[CYGNET_A_LIFETIME_HARD_BYTES] = "hard-bytes",
};

static const struct attr_names lifetime_names = {
	lifetime_attrs, ARRAY_SIZE(lifetime_attrs), NULL
};

static const char *const drops_attrs[] = {
	[CYGNET_A_DROPS_REASON] = "reason",
	[CYGNET_A_DROPS_PACKETS] = "packets",
	[CYGNET_A_DROPS_IFINDEX] = "ifindex",
	[CYGNET_A_DROPS_SPI] = "spi",
};

static const struct attr_names drops_names = {
	drops_attrs, ARRAY_SIZE(drops_attrs), NULL
};

static const char *const selector_attrs[] = {
	[CYGNET_A_SELECTOR_LOCAL_FIRST] = "local-first",
	[CYGNET_A_SELECTOR_LOCAL_LAST] = "local-last",
	[CYGNET_A_SELECTOR_REMOTE_FIRST] = "remote-first",
	[CYGNET_A_SELECTOR_REMOTE_LAST] = "remote-last",
	[CYGNET_A_SELECTOR_PROTOCOL] = "protocol",
	[CYGNET_A_SELECTOR_LOCAL_PORT_FIRST] = "local-port-first",
	[CYGNET_A_SELECTOR_LOCAL_PORT_LAST] = "local-port-last",
	[CYGNET_A_SELECTOR_REMOTE_PORT_FIRST] = "remote-port-first",
	[CYGNET_A_SELECTOR_REMOTE_PORT_LAST] = "remote-port-last",
};

static const struct attr_names selector_names = {
	selector_attrs, ARRAY_SIZE(selector_attrs), NULL
};

static const char *const sa_attrs[] = {
	[CYGNET_A_SA_DIRECTION] = "direction",
	[CYGNET_A_SA_PROTOCOL] = "protocol",
	[CYGNET_A_SA_SPI] = "spi",
	[CYGNET_A_SA_SRC] = "src",
	[CYGNET_A_SA_DST] = "dst",
	[CYGNET_A_SA_MODE] = "mode",
	[CYGNET_A_SA_POLICY] = "policy",
	[CYGNET_A_SA_ENCR] = "encr",
	[CYGNET_A_SA_ENCR_KEY] = "encr-key",
	[CYGNET_A_SA_ENCR_KEY_BITS] = "encr-key-bits",
	[CYGNET_A_SA_INTEG] = "integ",
	[CYGNET_A_SA_INTEG_KEY] = "integ-key",
	[CYGNET_A_SA_ESN] = "esn",
	[CYGNET_A_SA_REPLAY_WINDOW] = "replay-window",
	[CYGNET_A_SA_ENCAP_SPORT] = "encap-sport",
	[CYGNET_A_SA_ENCAP_DPORT] = "encap-dport",
	[CYGNET_A_SA_KEEPALIVE] = "keepalive",
	[CYGNET_A_SA_LIFETIME] = "lifetime",
	[CYGNET_A_SA_SEQUENCE] = "sequence",
	[CYGNET_A_SA_PACKETS] = "packets",
	[CYGNET_A_SA_BYTES] = "bytes",
	[CYGNET_A_SA_AGE_MS] = "age-ms",
	[CYGNET_A_SA_IDLE_MS] = "idle-ms",
	[CYGNET_A_SA_CURRENT] = "current",
	[CYGNET_A_SA_DROPS] = "drops",
	[CYGNET_A_SA_EXPIRY] = "expiry",
	[CYGNET_A_SA_PAD] = "pad",
	[CYGNET_A_SA_SPI_MIN] = "spi-min",
	[CYGNET_A_SA_SPI_MAX] = "spi-max",
	[CYGNET_A_SA_LEGACY] = "legacy",
	[CYGNET_A_SA_NEW_SRC] = "new-src",
	[CYGNET_A_SA_NEW_DST] = "new-dst",
	[CYGNET_A_SA_ROAM] = "roam",
	[CYGNET_A_SA_TFC] = "tfc",
	[CYGNET_A_SA_MTU] = "mtu",
	[CYGNET_A_SA_PATH_MTU] = "path-mtu",
};

static const struct attr_names *const
sa_nested[ARRAY_SIZE(sa_attrs)] = {
	[CYGNET_A_SA_LIFETIME] = &lifetime_names,
	[CYGNET_A_SA_DROPS] = &drops_names,
};

static const struct attr_names sa_names = {
	sa_attrs, ARRAY_SIZE(sa_attrs), sa_nested
};

static const char *const policy_attrs[] = {
	[CYGNET_A_POLICY_ID] = "id",
	[CYGNET_A_POLICY_IFINDEX] = "ifindex",
	[CYGNET_A_POLICY_NAME] = "name",
	[CYGNET_A_POLICY_PRIORITY] = "priority",
	[CYGNET_A_POLICY_ACTION] = "action",
	[CYGNET_A_POLICY_PROTOCOL] = "protocol",
	[CYGNET_A_POLICY_MODE] = "mode",
	[CYGNET_A_POLICY_SELECTOR] = "selector",
	[CYGNET_A_POLICY_SPI] = "spi",
	[CYGNET_A_POLICY_PACKET] = "packet",
	[CYGNET_A_POLICY_STEER] = "steer",
	[CYGNET_A_POLICY_DF] = "df",
	[CYGNET_A_POLICY_DSCP] = "dscp",
	[CYGNET_A_POLICY_TTL] = "ttl",
	[CYGNET_A_POLICY_FLOW_LABEL] = "flow-label",
	[CYGNET_A_POLICY_NO_MSS_CLAMP] = "no-mss-clamp",
};

static const struct attr_names *const
policy_nested[ARRAY_SIZE(policy_attrs)] = {
	[CYGNET_A_POLICY_SELECTOR] = &selector_names,
	[CYGNET_A_POLICY_PACKET] = &selector_names,
};

static const struct attr_names policy_names = {
	policy_attrs, ARRAY_SIZE(policy_attrs), policy_nested
};

static const char *const port_attrs[] = {
	[CYGNET_A_PORT_PORT] = "port",
};

static const struct attr_names port_names = {
	port_attrs, ARRAY_SIZE(port_attrs), NULL
};

static const char *const transaction_attrs[] = {
	[CYGNET_A_TRANSACTION_POLICY_SET] = "policy-set",
	[CYGNET_A_TRANSACTION_POLICY_DEL] = "policy-del",
	[CYGNET_A_TRANSACTION_SA_NEW] = "sa-new",
	[CYGNET_A_TRANSACTION_SA_SET] = "sa-set",
	[CYGNET_A_TRANSACTION_SA_DEL] = "sa-del",
};

static const struct attr_names *const
transaction_nested[ARRAY_SIZE(transaction_attrs)] = {
	[CYGNET_A_TRANSACTION_POLICY_SET] = &policy_names,
	[CYGNET_A_TRANSACTION_POLICY_DEL] = &policy_names,
	[CYGNET_A_TRANSACTION_SA_NEW] = &sa_names,
	[CYGNET_A_TRANSACTION_SA_SET] = &sa_names,
	[CYGNET_A_TRANSACTION_SA_DEL] = &sa_names,
};

static const struct attr_names transaction_names = {
	transaction_attrs, ARRAY_SIZE(transaction_attrs), transaction_nested
};

static const char *const stats_attrs[] = {
	[CYGNET_A_STATS_IFINDEX] = "ifindex",
	[CYGNET_A_STATS_DROPS] = "drops",
	[CYGNET_A_STATS_SAS] = "sas",
	[CYGNET_A_STATS_POLICIES] = "policies",
	[CYGNET_A_STATS_CRYPTO_PENDING] = "crypto-pending",
	[CYGNET_A_STATS_PAD] = "pad",
};

static const struct attr_names *const
stats_nested[ARRAY_SIZE(stats_attrs)] = {
	[CYGNET_A_STATS_DROPS] = &drops_names,
};

static const struct attr_names stats_names = {
	stats_attrs, ARRAY_SIZE(stats_attrs), stats_nested
};

static const char *const device_attrs[] = {
	[CYGNET_A_DEVICE_IFINDEX] = "ifindex",
	[CYGNET_A_DEVICE_FWMARK] = "fwmark",
	[CYGNET_A_DEVICE_UNDERLAY] = "underlay",
	[CYGNET_A_DEVICE_TOS] = "tos",
};

static const struct attr_names device_names = {
	device_attrs, ARRAY_SIZE(device_attrs), NULL
};

const struct attr_names *const
command_names[CYGNET_CMD_MAX + 1] = {
	[CYGNET_CMD_SA_NEW] = &sa_names,
	[CYGNET_CMD_SA_DEL] = &sa_names,
	[CYGNET_CMD_SA_SET] = &sa_names,
	[CYGNET_CMD_SA_GET] = &sa_names,
	[CYGNET_CMD_SA_ALLOC_SPI] = &sa_names,
	[CYGNET_CMD_POLICY_SET] = &policy_names,
	[CYGNET_CMD_POLICY_DEL] = &policy_names,
	[CYGNET_CMD_POLICY_GET] = &policy_names,
	[CYGNET_CMD_TRANSACTION] = &transaction_names,
	[CYGNET_CMD_PORT_ADD] = &port_names,
	[CYGNET_CMD_PORT_DEL] = &port_names,
	[CYGNET_CMD_PORT_GET] = &port_names,
	[CYGNET_CMD_STATS_GET] = &stats_names,
	[CYGNET_CMD_SA_DUMMY] = &sa_names,
	[CYGNET_CMD_DEVICE_SET] = &device_names,
	[CYGNET_CMD_DEVICE_GET] = &device_names,
};
