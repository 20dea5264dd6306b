// SPDX-License-Identifier: GPL-2.0-or-later
/* The words of include/cygnet.yaml for the kernel's enumerations. */

#include <assert.h>

#include "objects.h"

static const struct {
	const char *name;
	const char *meaning;
} drops[] = {
	[CYGNET_DROP_RX_SHORT] = {
		"rx-short",
		"Shorter than the ESP header, IV and ICV need",
	},
	[CYGNET_DROP_RX_NO_SA] = {
		"rx-no-sa",
		"UDP-encapsulated ESP whose SPI nobody here holds",
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
	[CYGNET_DROP_RX_NO_POLICY] = {
		"rx-no-policy",
		"The policy that the SA belongs to does not exist any more",
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
	[CYGNET_DROP_TX_CRYPTO] = {
		"tx-crypto",
		"The crypto API failed, or had no request left",
	},
	[CYGNET_DROP_TX_MEMORY] = {
		"tx-memory",
		"Out of memory",
	},
};

static_assert(ARRAY_SIZE(drops) == KERNEL_DROPS, "a drop reason is missing");

static const char *const directions[] = {
	[CYGNET_DIRECTION_IN] = "in",
	[CYGNET_DIRECTION_OUT] = "out",
};

static const char *const actions[] = {
	[CYGNET_ACTION_PROTECT] = "protect",
	[CYGNET_ACTION_BYPASS] = "bypass",
	[CYGNET_ACTION_DISCARD] = "discard",
};

static const char *const modes[] = {
	[CYGNET_MODE_TUNNEL] = "tunnel",
	[CYGNET_MODE_TRANSPORT] = "transport",
};

static const char *const expiries[] = {
	[CYGNET_EXPIRY_SOFT] = "soft",
	[CYGNET_EXPIRY_HARD] = "hard",
	[CYGNET_EXPIRY_SEQUENCE] = "sequence",
};

const char *kernel_drop_name(u32 reason)
{
	return reason < ARRAY_SIZE(drops) ? drops[reason].name : NULL;
}

const char *kernel_drop_meaning(u32 reason)
{
	return reason < ARRAY_SIZE(drops) ? drops[reason].meaning : NULL;
}

static const char *pick(const char *const *names, size_t count, u32 value)
{
	return value < count ? names[value] : "?";
}

const char *kernel_direction_name(u32 direction)
{
	return pick(directions, ARRAY_SIZE(directions), direction);
}

const char *kernel_action_name(u32 action)
{
	return pick(actions, ARRAY_SIZE(actions), action);
}

const char *kernel_mode_name(u32 mode)
{
	return pick(modes, ARRAY_SIZE(modes), mode);
}

const char *kernel_expiry_name(u32 expiry)
{
	return pick(expiries, ARRAY_SIZE(expiries), expiry);
}
