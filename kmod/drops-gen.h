/* SPDX-License-Identifier: GPL-2.0-only */
/* Do not edit directly, auto-generated from include/cygnet.yaml */
#define CYG_DROP_NAMES \
	{ CYGNET_DROP_RX_SHORT, "rx-short" }, \
	{ CYGNET_DROP_RX_NO_SA, "rx-no-sa" }, \
	{ CYGNET_DROP_RX_CHECKSUM, "rx-checksum" }, \
	{ CYGNET_DROP_RX_CONNTRACK, "rx-conntrack" }, \
	{ CYGNET_DROP_RX_SA_DEAD, "rx-sa-dead" }, \
	{ CYGNET_DROP_RX_ENDPOINT, "rx-endpoint" }, \
	{ CYGNET_DROP_RX_REPLAY_OLD, "rx-replay-old" }, \
	{ CYGNET_DROP_RX_REPLAY_DUPLICATE, "rx-replay-duplicate" }, \
	{ CYGNET_DROP_RX_AUTH, "rx-auth" }, \
	{ CYGNET_DROP_RX_PADDING, "rx-padding" }, \
	{ CYGNET_DROP_RX_NEXT_HEADER, "rx-next-header" }, \
	{ CYGNET_DROP_RX_DUMMY, "rx-dummy" }, \
	{ CYGNET_DROP_RX_INNER, "rx-inner" }, \
	{ CYGNET_DROP_RX_ECN, "rx-ecn" }, \
	{ CYGNET_DROP_RX_SELECTOR, "rx-selector" }, \
	{ CYGNET_DROP_RX_DEVICE, "rx-device" }, \
	{ CYGNET_DROP_RX_CRYPTO, "rx-crypto" }, \
	{ CYGNET_DROP_RX_MEMORY, "rx-memory" }, \
	{ CYGNET_DROP_RX_QUEUE, "rx-queue" }, \
	{ CYGNET_DROP_RX_AH, "rx-ah" }, \
	{ CYGNET_DROP_RX_ROUTING_HEADER, "rx-routing-header" }, \
	{ CYGNET_DROP_RX_CLEARTEXT, "rx-cleartext" }, \
	{ CYGNET_DROP_RX_DISCARD, "rx-discard" }, \
	{ CYGNET_DROP_TX_MALFORMED, "tx-malformed" }, \
	{ CYGNET_DROP_TX_NO_POLICY, "tx-no-policy" }, \
	{ CYGNET_DROP_TX_DISCARD, "tx-discard" }, \
	{ CYGNET_DROP_TX_BYPASS, "tx-bypass" }, \
	{ CYGNET_DROP_TX_DEVICE, "tx-device" }, \
	{ CYGNET_DROP_TX_WOULD_LEAK, "tx-would-leak" }, \
	{ CYGNET_DROP_TX_NO_SA, "tx-no-sa" }, \
	{ CYGNET_DROP_TX_SA_DEAD, "tx-sa-dead" }, \
	{ CYGNET_DROP_TX_SEQUENCE, "tx-sequence" }, \
	{ CYGNET_DROP_TX_TOO_BIG, "tx-too-big" }, \
	{ CYGNET_DROP_TX_NO_ROUTE, "tx-no-route" }, \
	{ CYGNET_DROP_TX_LOOP, "tx-loop" }, \
	{ CYGNET_DROP_TX_ENDPOINT, "tx-endpoint" }, \
	{ CYGNET_DROP_TX_FRAGMENT, "tx-fragment" }, \
	{ CYGNET_DROP_TX_ROUTING_HEADER, "tx-routing-header" }, \
	{ CYGNET_DROP_TX_CRYPTO, "tx-crypto" }, \
	{ CYGNET_DROP_TX_MEMORY, "tx-memory" }, \
	{ CYGNET_DROP_TX_QUEUE, "tx-queue" }
