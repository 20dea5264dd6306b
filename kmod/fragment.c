// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fragments before encryption: an IPv4 packet that may be fragmented and is too
 * large for its SA goes through the tunnel in pieces, each protected by itself,
 * so that the far end need not put together what it cannot trust yet.
 */
#include <linux/skbuff.h>
#include <net/ip.h>

#include "cygnet.h"

/* Options for all fragments have their first bit set (RFC 791 section 3.1). */
static void blank_options(struct iphdr *iph)
{
	u8 *option = (u8 *)(iph + 1), *end = (u8 *)iph + iph->ihl * 4;
	u32 len;

	while (option < end && *option != IPOPT_END) {
		if (*option == IPOPT_NOOP) {
			option++;
			continue;
		}
		len = end - option < 2 ? 0 : option[1];
		if (len < 2 || len > end - option)
			len = end - option;
		if (!IPOPT_COPIED(*option))
			memset(option, IPOPT_NOOP, len);
		option += len;
	}
	ip_send_check(iph);
}

/**
 * cyg_fragment_split - cut up an IPv4 packet
 * @skb: from its IP header, which is linear; the caller's to free
 * @mtu: of the fragments
 *
 * Return: a list of them, or an error
 */
struct sk_buff *cyg_fragment_split(struct sk_buff *skb, u32 mtu)
{
	struct sk_buff *list = NULL, **end = &list, *piece;
	u32 header = ip_hdrlen(skb);
	struct ip_frag_state state;
	int err;

	if (mtu < header + 8)
		return ERR_PTR(-EMSGSIZE);
	if (skb->ip_summed == CHECKSUM_PARTIAL) {
		err = skb_checksum_help(skb);
		if (err)
			return ERR_PTR(err);
	}
	ip_frag_init(skb, header, 0, mtu - header, false, &state);
	while (state.left) {
		piece = ip_frag_next(skb, &state);
		if (IS_ERR(piece)) {
			kfree_skb_list(list);
			return piece;
		}
		if (list && header > sizeof(struct iphdr))
			blank_options(ip_hdr(piece));
		*end = piece;
		end = &piece->next;
	}
	return list;
}
