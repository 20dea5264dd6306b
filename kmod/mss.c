// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCP's maximum segment size, held to what the tunnel carries: in SYNs that go
 * out and, for what will go out in answer, in those that come in. Thus TCP fits
 * from the first segment on, whether or not ICMP gets through.
 */
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/checksum.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/tcp.h>

#include "cygnet.h"

/* With all its options linear, or NULL. */
static struct tcphdr *find_syn(struct sk_buff *skb, u8 family)
{
	int at = family == 4 ? ((struct iphdr *)skb->data)->ihl * 4 : sizeof(struct ipv6hdr);
	u8 next = family == 6 ? ((struct ipv6hdr *)skb->data)->nexthdr : IPPROTO_TCP;
	struct tcphdr *th;
	__be16 fragment;

	if (next != IPPROTO_TCP)
		at = ipv6_skip_exthdr(skb, at, &next, &fragment);
	if (at < 0 || at + sizeof(*th) > skb_headlen(skb))
		return NULL;
	th = (struct tcphdr *)(skb->data + at);
	return th->syn && th->doff * 4 >= sizeof(*th) &&
	       at + th->doff * 4 <= skb_headlen(skb) ? th : NULL;
}

static u8 *find_mss(struct tcphdr *th)
{
	u8 *option = (u8 *)(th + 1), *end = (u8 *)th + th->doff * 4;

	while (end - option >= TCPOLEN_MSS && *option != TCPOPT_EOL) {
		if (*option == TCPOPT_NOP) {
			option++;
			continue;
		}
		if (*option == TCPOPT_MSS)
			return option[1] == TCPOLEN_MSS ? option + 2 : NULL;
		if (option[1] < 2)
			return NULL;
		option += option[1];
	}
	return NULL;
}

/**
 * cyg_mss_is_syn - may cyg_mss_clamp() change that packet?
 * @skb: from its IP header
 * @flow: what it is
 */
bool cyg_mss_is_syn(struct sk_buff *skb, const struct cyg_flow *flow)
{
	return flow->protocol == IPPROTO_TCP && flow->has_ports && find_syn(skb, flow->family);
}

/**
 * cyg_mss_clamp - hold a SYN to what its policy's SA carries
 * @policy: that the packet belongs to, in either direction
 * @skb: from its IP header, which nobody else may look at
 * @flow: what it is
 *
 * Call under rcu_read_lock().
 */
void cyg_mss_clamp(struct cyg_policy *policy, struct sk_buff *skb,
		   const struct cyg_flow *flow)
{
	u32 headers = cyg_ipaddr_header_len(flow->family) + sizeof(struct tcphdr);
	struct tcphdr *th;
	u16 mss, most;
	u32 mtu;
	u8 *at;

	if (flow->protocol != IPPROTO_TCP || !flow->has_ports ||
	    READ_ONCE(policy->options.keep_mss))
		return;
	th = find_syn(skb, flow->family);
	at = th ? find_mss(th) : NULL;
	mtu = at ? cyg_pmtu_policy(policy) : 0;
	if (!mtu)
		return;
	if (flow->family == 6)
		mtu = max_t(u32, mtu, IPV6_MIN_MTU);
	most = max_t(int, mtu - headers, TCP_MIN_MSS);
	mss = get_unaligned_be16(at);
	if (mss <= most)
		return;
	put_unaligned_be16(most, at);
	/* An option may stand at an odd place, where its bytes change sides. */
	if ((at - (u8 *)th) & 1) {
		mss = swab16(mss);
		most = swab16(most);
	}
	inet_proto_csum_replace2(&th->check, skb, htons(mss), htons(most), false);
}
