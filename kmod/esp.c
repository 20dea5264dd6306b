// SPDX-License-Identifier: GPL-2.0-only
/*
 * Encapsulating Security Payload (RFC 4303). What the algorithms
 * differ in are the lengths of IV, ICV and block (alg.c).
 */
#include <crypto/aead.h>
#include <linux/random.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/sock.h>

#include "cygnet.h"

static void set_aad(struct cyg_crypt *crypt, const struct cyg_sa *sa)
{
	__be32 *word = crypt->aad;

	*word++ = sa->key.spi;
	if (sa->esn)
		*word++ = htonl(upper_32_bits(crypt->sequence));
	*word++ = htonl(lower_32_bits(crypt->sequence));
	memcpy(word, crypt->iv, sa->iv_len);
	crypt->aad_len = (u8 *)word + sa->iv_len - (u8 *)crypt->aad;
}

/* From here on the packet is known to come from the peer. */
static enum cygnet_drop accept(struct cyg_sa *sa, struct sk_buff *skb,
			       const struct sk_buff *source, u64 sequence,
			       struct cyg_headers *headers, u8 dsfield)
{
	enum cygnet_drop reason;
	u8 next_header;
	u32 trailer;

	trailer = cyg_esp_trailer_len(skb->data, skb->len, &next_header);
	reason = cyg_sadb_commit(sa, sequence,
				 (headers ? headers->len : 0) + skb->len - trailer, source);
	if (reason)
		return reason;
	if (!trailer)
		return CYGNET_DROP_RX_PADDING;
	__skb_trim(skb, skb->len - trailer);
	if (!headers)
		return cyg_input_deliver(sa, skb, next_header, dsfield);
	headers->next = next_header;
	return cyg_input_deliver_own(sa, skb, headers);
}

static void take(struct cyg_sa *sa, struct sk_buff *skb, const struct sk_buff *source,
		 u64 sequence, struct cyg_headers *headers, u8 dsfield)
{
	enum cygnet_drop reason = accept(sa, skb, source, sequence, headers, dsfield);

	if (!reason)
		return;
	cyg_stats_drop_sa(reason, sa);
	cyg_stats_free_skb(skb, reason);
}

/**
 * cyg_esp_accept - what to do with a packet that is known to come from the peer
 * @sa: inbound, tunnel mode
 * @skb: decrypted, linear, with its trailer; taken
 * @source: as it came
 * @sequence: its number
 * @dsfield: outer DSCP and ECN
 *
 * Call under rcu_read_lock() with BH off.
 */
void cyg_esp_accept(struct cyg_sa *sa, struct sk_buff *skb, const struct sk_buff *source,
		    u64 sequence, u8 dsfield)
{
	take(sa, skb, source, sequence, NULL, dsfield);
}

static void decrypted(struct cyg_crypt *crypt, int err)
{
	enum cygnet_drop reason;

	rcu_read_lock();
	if (err) {
		reason = err == -EBADMSG ? CYGNET_DROP_RX_AUTH :
					   CYGNET_DROP_RX_CRYPTO;
		cyg_stats_drop_sa(reason, crypt->sa);
		cyg_stats_free_skb(crypt->skb, reason);
	} else {
		take(crypt->sa, crypt->skb, crypt->source, crypt->sequence,
		     crypt->headers.len ? &crypt->headers : NULL, crypt->dsfield);
	}
	rcu_read_unlock();
	cyg_crypt_free(crypt);
}

/* Entries that skb_to_sgvec() may need. */
static unsigned int count_segments(const struct sk_buff *skb)
{
	unsigned int count = 1 + skb_shinfo(skb)->nr_frags;
	const struct sk_buff *part;

	skb_walk_frags(skb, part)
		count += count_segments(part);
	return count;
}

/*
 * @len bytes at @offset, ICV included, into a new linear buffer; which has room
 * for the ICV too, since authencesn() moves things about there, and in transport
 * mode for the IP headers.
 */
static enum cygnet_drop gather(struct cyg_crypt *crypt, struct sk_buff *skb,
			       u32 offset, u32 len)
{
	const struct cyg_headers *headers = &crypt->headers;

	if (crypt->sa->mode == CYGNET_MODE_TRANSPORT &&
	    !cyg_transport_received(crypt->sa, skb, &crypt->headers))
		return CYGNET_DROP_RX_INNER;
	crypt->skb = netdev_alloc_skb(NULL, headers->len + len);
	if (!crypt->skb)
		return CYGNET_DROP_RX_MEMORY;
	skb_reserve(crypt->skb, headers->len);
	memcpy(crypt->skb->data - headers->len, skb_network_header(skb), headers->len);
	sg_set_buf(&crypt->dst[1], crypt->skb->data, len);
	skb_put(crypt->skb, len - crypt->sa->icv_len);
	if (skb_to_sgvec(skb, crypt->src + 1, offset, len) < 0) {
		kfree_skb(crypt->skb);
		return CYGNET_DROP_RX_CRYPTO;
	}
	crypt->source = skb_get(skb);
	return 0;
}

/**
 * cyg_esp_input - decrypt a packet
 * @sa: inbound
 * @skb: holds the packet; only read
 * @offset: of the ESP header
 * @len: from there
 * @dsfield: outer DSCP and ECN
 *
 * Call under rcu_read_lock() with BH off.
 *
 * Return: 0, or why the packet is not even looked into
 */
enum cygnet_drop cyg_esp_input(struct cyg_sa *sa, struct sk_buff *skb,
			       u32 offset, u32 len, u8 dsfield)
{
	struct cyg_esp_header header;
	struct cyg_crypt *crypt;
	enum cygnet_drop reason;
	u8 iv[CYG_IV_MAX];
	u64 sequence;

	if (len < sizeof(header) + sa->iv_len + sizeof(struct cyg_esp_trailer) +
		  sa->icv_len ||
	    skb_copy_bits(skb, offset, &header, sizeof(header)) ||
	    skb_copy_bits(skb, offset + sizeof(header), iv, sa->iv_len))
		return CYGNET_DROP_RX_SHORT;
	reason = cyg_sadb_precheck(sa, ntohl(header.sequence), &sequence);
	if (reason)
		return reason;
	crypt = cyg_crypt_new(sa, count_segments(skb));
	if (!crypt)
		return READ_ONCE(sa->dead) ? CYGNET_DROP_RX_SA_DEAD :
					     CYGNET_DROP_RX_MEMORY;
	crypt->sequence = sequence;
	crypt->dsfield = dsfield;
	memcpy(crypt->iv, iv, sa->iv_len);
	crypt->done = decrypted;
	set_aad(crypt, sa);
	offset += sizeof(header) + sa->iv_len;
	len -= sizeof(header) + sa->iv_len;
	reason = gather(crypt, skb, offset, len);
	if (reason) {
		cyg_crypt_free(crypt);
		return reason;
	}
	cyg_crypt_decrypt(crypt, len);
	return 0;
}

static void leave(struct cyg_crypt *crypt, int err)
{
	u32 header_len = crypt->headers.len;
	struct cyg_sa *sa = crypt->sa;
	struct net_device *dev;

	rcu_read_lock();
	dev = rcu_dereference(sa->policy->dev);
	if (err || !dev) {
		enum cygnet_drop reason = err ? CYGNET_DROP_TX_CRYPTO :
						CYGNET_DROP_TX_SA_DEAD;

		cyg_stats_drop(reason, sa->cn, dev, sa);
		cyg_stats_free_skb(crypt->skb, reason);
	} else if (header_len ? cyg_encap_send_own(sa, crypt->skb, header_len) :
				cyg_encap_send(sa, crypt->skb, crypt->class)) {
		DEV_STATS_INC(dev, tx_errors);
	} else if (crypt->inner_len) {
		dev_sw_netstats_tx_add(dev, 1, crypt->inner_len);
	}
	rcu_read_unlock();
	cyg_crypt_free(crypt);
}

static void leave_in_turn(struct cyg_slot *slot)
{
	struct cyg_crypt *crypt = container_of(slot, struct cyg_crypt, slot);

	leave(crypt, crypt->err);
}

static void encrypted(struct cyg_crypt *crypt, int err)
{
	if (!crypt->slot.order) {
		leave(crypt, err);
		return;
	}
	crypt->err = err;
	cyg_order_ready(&crypt->slot);
}

/* Behind the bursts that are being encrypted elsewhere, if there are any. */
static bool take_turn(struct cyg_sa *sa, struct cyg_crypt *crypt)
{
	crypt->slot.leave = leave_in_turn;
	return cyg_order_idle(&sa->order) ||
	       cyg_order_enter(&sa->order, &crypt->slot, 1, CYG_ORDER_MAX);
}

/**
 * cyg_esp_inherit_owner - charge a packet to another one's socket
 * @to: the protected packet
 * @from: the one that the socket sent
 *
 * So that its limits still push back. Only where the destructor gives back
 * what was charged to sk_wmem_alloc: sock_wfree, or TCP's own.
 */
void cyg_esp_inherit_owner(struct sk_buff *to, struct sk_buff *from)
{
	struct sock *sk = from->sk;

	if (!sk || !sk_fullsock(sk) ||
	    (from->destructor != sock_wfree &&
	     (!sk_is_tcp(sk) || !from->destructor ||
	      from->destructor == sock_efree || from->destructor == sock_edemux)))
		return;
	refcount_add(to->truesize, &sk->sk_wmem_alloc);
	if (refcount_sub_and_test(from->truesize, &sk->sk_wmem_alloc))
		WARN_ON_ONCE(1);
	swap(to->sk, from->sk);
	swap(to->destructor, from->destructor);
}

/* Padding to whole blocks, pad length, next header (RFC 4303 section 2.4). */
static void put_trailer(struct sk_buff *skb, const struct cyg_sa *sa, u8 next)
{
	u8 pad = -(skb->len + sizeof(struct cyg_esp_trailer)) & (sa->block - 1);
	u8 i;

	for (i = 1; i <= pad; i++)
		skb_put_u8(skb, i);
	skb_put_u8(skb, pad);
	skb_put_u8(skb, next);
}

/* In front of the plaintext. */
static u32 room_for_headers(const struct cyg_sa *sa)
{
	return sizeof(struct cyg_esp_header) + sa->iv_len +
	       (cyg_sa_encapsulated(sa) ? sizeof(struct udphdr) : 0);
}

/* Room for @len bytes of plaintext with their trailer, all headers and the ICV. */
static struct sk_buff *new_packet(const struct cyg_sa *sa, u32 len,
				  const struct dst_entry *dst)
{
	u32 headroom = LL_RESERVED_SPACE(dst->dev) + dst->header_len +
		       CYG_HEADERS_MAX;
	struct sk_buff *skb;

	skb = alloc_skb(headroom + len + sa->block - 1 + sizeof(struct cyg_esp_trailer) +
			sa->icv_len, GFP_ATOMIC | __GFP_NOWARN);
	if (skb)
		skb_reserve(skb, headroom);
	return skb;
}

/*
 * Traffic flow confidentiality (RFC 4303 section 2.7): short packets look like
 * longer ones, as far as the path carries those. Only where the packet says by
 * itself how long it is.
 */
static u32 padded_len(const struct cyg_sa *sa, u32 len)
{
	if (!sa->tfc || sa->mode == CYGNET_MODE_TRANSPORT)
		return len;
	return max(len, min_t(u32, sa->tfc, READ_ONCE(sa->mtu)));
}

/* The plaintext, trailed. */
static struct sk_buff *plain_copy(struct cyg_sa *sa, struct sk_buff *skb,
				  const struct cyg_flow *flow,
				  const struct cyg_headers *headers,
				  const struct dst_entry *dst)
{
	u32 len = padded_len(sa, skb->len);
	struct sk_buff *copy;

	copy = new_packet(sa, len, dst);
	if (!copy)
		return NULL;
	/* Completes the checksum on the way, if that was left to us. */
	skb_copy_and_csum_dev(skb, skb_put(copy, skb->len));
	cyg_mss_clamp(sa->policy, copy, flow);
	skb_put_zero(copy, len - skb->len);
	if (headers->len)
		cyg_transport_detach(sa, copy, headers, room_for_headers(sa),
				     cyg_sa_encapsulated(sa) ? IPPROTO_UDP : IPPROTO_ESP);
	put_trailer(copy, sa, headers->next);
	copy->priority = skb->priority;
	return copy;
}

static enum cygnet_drop find_headers(struct cyg_sa *sa, struct sk_buff *skb,
				     const struct cyg_flow *flow,
				     struct cyg_headers *headers)
{
	if (sa->mode == CYGNET_MODE_TRANSPORT)
		return cyg_transport_split(sa, skb, flow, headers);
	headers->next = flow->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	return 0;
}

static void make_iv(struct cyg_crypt *crypt, const struct cyg_sa *sa)
{
	__be64 counter = cpu_to_be64(crypt->sequence) ^ sa->iv_salt;

	if (sa->alg->random_iv)
		get_random_bytes(crypt->iv, sa->iv_len);
	else
		memcpy(crypt->iv, &counter, sa->iv_len);
}

static void push_header(struct sk_buff *skb, const struct cyg_crypt *crypt)
{
	const struct cyg_sa *sa = crypt->sa;
	struct cyg_esp_header *header;

	memcpy(skb_push(skb, sa->iv_len), crypt->iv, sa->iv_len);
	header = skb_push(skb, sizeof(*header));
	header->spi = sa->key.spi;
	header->sequence = htonl(lower_32_bits(crypt->sequence));
}

/* @crypt has its number, @skb the plaintext with its trailer. */
static void encrypt(struct cyg_crypt *crypt, struct sk_buff *skb)
{
	const struct cyg_sa *sa = crypt->sa;
	u32 len = skb->len;

	crypt->skb = skb;
	crypt->done = encrypted;
	make_iv(crypt, sa);
	set_aad(crypt, sa);
	skb_put(skb, sa->icv_len);
	sg_set_buf(&crypt->dst[1], skb->data, skb->len);
	push_header(skb, crypt);
	cyg_crypt_encrypt(crypt, len);
}

/**
 * cyg_esp_output - encrypt a packet and send it
 * @sa: outbound
 * @skb: from the inner IP header; the caller's to free
 * @flow: what it is
 * @dst: route to the remote endpoint; taken unless refused
 *
 * Call under rcu_read_lock() with BH off.
 *
 * Return: 0, or why it was refused
 */
enum cygnet_drop cyg_esp_output(struct cyg_sa *sa, struct sk_buff *skb,
				const struct cyg_flow *flow,
				struct dst_entry *dst)
{
	struct cyg_crypt *crypt;
	enum cygnet_drop reason;
	struct sk_buff *copy;

	crypt = cyg_crypt_new(sa, 0);
	if (!crypt)
		return READ_ONCE(sa->dead) ? CYGNET_DROP_TX_SA_DEAD :
					     CYGNET_DROP_TX_MEMORY;
	reason = find_headers(sa, skb, flow, &crypt->headers);
	if (reason)
		goto free_crypt;
	copy = plain_copy(sa, skb, flow, &crypt->headers, dst);
	if (!copy) {
		reason = CYGNET_DROP_TX_MEMORY;
		goto free_crypt;
	}
	reason = cyg_sadb_next_sequence(sa, flow->length, &crypt->sequence);
	if (reason)
		goto free_copy;
	crypt->inner_len = flow->length;
	crypt->class = cyg_ipaddr_class(sa, skb, flow);
	if (!take_turn(sa, crypt)) {
		reason = CYGNET_DROP_TX_QUEUE;
		goto free_copy;
	}
	cyg_esp_inherit_owner(copy, skb);
	skb_dst_set(copy, dst);
	encrypt(crypt, copy);
	return 0;

free_copy:
	kfree_skb(copy);
free_crypt:
	cyg_crypt_free(crypt);
	return reason;
}

/**
 * cyg_esp_dummy - send a packet that means nothing (RFC 4303 section 2.6)
 * @sa: outbound
 * @len: of its payload, held to what the path carries
 *
 * Call under rcu_read_lock() with BH off.
 *
 * Return: 0 or an error
 */
int cyg_esp_dummy(struct cyg_sa *sa, u32 len)
{
	/* Nothing that says what the outer header should be. */
	const struct cyg_flow none = { .family = 6 };
	struct dst_entry *dst = cyg_ipaddr_route(sa);
	struct cyg_crypt *crypt;
	struct sk_buff *skb;
	int err = -ENOMEM;
	u32 most;

	if (IS_ERR(dst))
		return PTR_ERR(dst);
	most = cyg_pmtu_inner(sa, dst);
	if (sa->mode == CYGNET_MODE_TRANSPORT)
		most -= cyg_ipaddr_header_len(sa->family);
	len = min(len, most);
	crypt = cyg_crypt_new(sa, 0);
	skb = crypt ? new_packet(sa, len, dst) : NULL;
	if (!skb)
		goto free;
	if (cyg_sadb_next_sequence(sa, 0, &crypt->sequence)) {
		err = -EKEYEXPIRED;
		goto free;
	}
	get_random_bytes(skb_put(skb, len), len);
	put_trailer(skb, sa, IPPROTO_NONE);
	crypt->class = cyg_ipaddr_class(sa, skb, &none);
	skb_dst_set(skb, dst);
	encrypt(crypt, skb);
	return 0;

free:
	kfree_skb(skb);
	if (crypt)
		cyg_crypt_free(crypt);
	dst_release(dst);
	return err;
}
