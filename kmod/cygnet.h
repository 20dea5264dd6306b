/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cygnet: IPsec as a network device.
 *
 * Receive, all in softirq:
 *
 *   encap.c    pre_routing4, pre_routing6    UDP to a registered port
 *     └► demux.c   cyg_demux_find            the way in, remembered
 *   encap.c    local_in4, local_in6          the same, behind the firewall
 *   input.c    native4_rcv, native6_rcv      protocol 50 from the IP layer
 *              encap4_rcv, encap6_rcv        from a stock UDP_ENCAP socket
 *     └► cell.c    cyg_cell_queue            waits for what comes with it
 *          └► cell.c    poll                 SPI → SA, replay pre-check
 *               └► linear.c  cyg_linear_run      decrypts into fresh pages
 *                    └► cell.c    sort_in    replay commit, trailer, selectors,
 *                                            ECN; merges; device
 *
 *   and what is out of the ordinary, packet by packet:
 *
 *   input.c    cyg_input_packet              SPI → SA
 *     └► esp.c    cyg_esp_input              replay pre-check, gather
 *          └► crypt.c  cyg_crypt_decrypt         now or later …
 *               └► esp.c    decrypted        … replay commit, lifetime, trailer
 *                    └► input.c  cyg_input_deliver   ECN, selectors, device
 *
 * and by another processor when this one is full, in order (spread.c).
 *
 * Send, with BH off:
 *
 *   device.c   device_xmit
 *     └► output.c  cyg_output_xmit           flow → policy → SA → route → MTU
 *          ├► batch.c  cyg_batch_send        super-packets: sequence numbers,
 *          │    │                            segments, copies, trailers
 *          │    └► linear.c  cyg_linear_run      encrypts in place
 *          │         └► batch.c  send_burst  one super-packet of UDP
 *          └► esp.c    cyg_esp_output        sequence number, copy, trailer
 *               └► crypt.c  cyg_crypt_encrypt    now or later …
 *                    └► esp.c    encrypted
 *                         └► encap.c  cyg_encap_send       UDP header
 *                              └► ipaddr.c  cyg_ipaddr_send    IP header, out
 *
 * AH goes through ah.c in the place of esp.c and crypt.c. In a namespace with
 * steer policies, steer.c leads packets to the device that were not routed there,
 * and drops cleartext that should not be any.
 * What is too large is told so, or cut up by fragment.c and begins anew; pmtu.c knows what is.
 *
 * In transport mode transport.c keeps the packet's own IP header: split off in
 * cyg_esp_output and put back when sending, and the same when receiving.
 *
 * Control: netlink.c parses and checks; transaction.c changes what sadb.c and
 * spd.c have. Of policies that steer, spd.c tells steer.c. Which policy takes a
 * packet is found by classify.c.
 *
 * Locks, outermost first: RTNL, cyg_net.lock (everything that netlink changes,
 * in one namespace), cyg_sa.lock (what each packet changes in an SA). Readers
 * of packets take RCU only. Netlink operations never take RTNL, so newlink and
 * dellink may take cyg_net.lock below it.
 *
 * Lifetimes: a packet inside crypto holds its SA, an SA holds its policy and
 * keeps its namespace from going away (net_exit waits for SAs). Nobody holds a
 * device: it is reached by policy->dev under RCU, NULL once it is going.
 */
#ifndef _CYGNET_H
#define _CYGNET_H

#include <crypto/aead.h>
#include <linux/hrtimer.h>
#include <linux/netdevice.h>
#include <linux/percpu-refcount.h>
#include <linux/rhashtable.h>
#include <linux/timer.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <net/dst_cache.h>
#include <net/gro_cells.h>
#include <net/netns/generic.h>

#include "classify.h"
#include "messages.h"
#include "replay.h"
#include "selector.h"

#define CYG_IV_MAX	16
#define CYG_ICV_MAX	32
#define CYG_BLOCK_MAX	16
#define CYG_PMTU_HASH_BITS	8

/* What may be in front of a packet: IPv6, UDP, ESP, IV. */
#define CYG_HEADERS_MAX	(40 + 8 + sizeof(struct cyg_esp_header) + CYG_IV_MAX)

/* The largest overhead with an AEAD: IPv6, UDP, ESP, IV, trailer, ICV ... */
#define CYG_OVERHEAD_MAX	(40 + 8 + sizeof(struct cyg_esp_header) + 8 + \
				 sizeof(struct cyg_esp_trailer) + 16)
/* ... and with any algorithm. */
#define CYG_OVERHEAD_WORST	(CYG_HEADERS_MAX + CYG_BLOCK_MAX - 1 + \
				 sizeof(struct cyg_esp_trailer) + CYG_ICV_MAX)

struct nf_hook_state;

/**
 * struct cyg_job - what is given to another processor
 * @node: in its queue
 * @run: called there with BH off, under RCU; frees the job
 */
struct cyg_job {
	struct list_head node;
	void (*run)(struct cyg_job *job);
};

/**
 * struct cyg_order - what must leave in the order in which it came
 * @lock: protects the rest
 * @slots: first come, first out
 * @packets: that are on their way; without any there is nothing to keep in order
 * @leaving: somebody lets them leave
 * @stalled: @resume is to be called
 * @resume: see cyg_order_init()
 * @cpu: where they leave
 * @left: when the last one did, in jiffies
 */
struct cyg_order {
	spinlock_t lock; /* the rest */
	struct list_head slots;
	int cpu;
	unsigned long left;
	u32 packets;
	bool leaving;
	bool stalled;
	void (*resume)(struct cyg_order *order);
};

/* Packets of an SA that may wait to be sent. */
#define CYG_ORDER_MAX	2048

/**
 * struct cyg_slot - a place in an order
 * @job: to be given to another processor, until cyg_order_ready() needs it
 * @order: the order, NULL if there is none to keep
 * @node: in its slots
 * @packets: that will leave
 * @ready: to leave
 * @leave: called with BH off, under RCU; frees the slot
 */
struct cyg_slot {
	struct cyg_job job;
	struct cyg_order *order;
	struct list_head node;
	u32 packets;
	bool ready;
	void (*leave)(struct cyg_slot *slot);
};

struct cyg_drops {
	unsigned long packets[CYGNET_DROP_MAX + 1];
};

/**
 * struct cyg_spd - policies that packets to be sent are held against
 * @table: their selectors in order, NULL for none
 */
struct cyg_spd {
	struct cyg_table __rcu *table;
};

/**
 * struct cyg_rejected - what the next event about dropped packets will say
 * @work: tells
 * @pending: soon
 * @told: counters when the last one did
 * @ifindex: of the last packet's device, by reason, or 0
 * @spi: of the last packet's SA, by reason, or 0
 */
struct cyg_rejected {
	struct delayed_work work;
	bool pending;
	u64 told[CYGNET_DROP_MAX + 1];
	u32 ifindex[CYGNET_DROP_MAX + 1];
	__be32 spi[CYGNET_DROP_MAX + 1];
};

/**
 * struct cyg_pmtu - what was learnt about outer paths
 * @lock: protects the rest but @watching
 * @generation: changes with it
 * @count: of paths
 * @searched: jiffies of the last search through all SAs
 * @timer: for the first of @paths
 * @paths: next to be forgotten first
 * @hash: the same by addresses
 * @watching: ICMPv6 errors are looked at, whatever ports there are; protected by
 *	cyg_net.lock
 */
struct cyg_pmtu {
	spinlock_t lock; /* the rest but @watching */
	u32 generation;
	u32 count;
	unsigned long searched;
	struct timer_list timer;
	struct list_head paths;
	struct hlist_head hash[1 << CYG_PMTU_HASH_BITS];
	bool watching;
};

/**
 * struct cyg_net - what a network namespace has
 * @net: the namespace
 * @lock: protects all of the following up to @devices
 * @sas: hash of SAs by cyg_sa_key
 * @sa_list: the same in order of creation, for dumps
 * @sa_serial: of the newest SA
 * @reservations: SPIs given out, oldest first
 * @policies: by id
 * @policy_count: how many
 * @steer: the policies that steer
 * @steer_count: how many; the hooks exist while there is one
 * @steer_ports: some of them ask, or asked, for ports
 * @steer_generation: changes of @steer
 * @steer_settled: the generation that @steer_work is for
 * @steer_work: makes routes invalid once more, see steer.c
 * @token: in the security path of packets that came protected, see steer.c
 * @ports: registered UDP ports, each a value entry
 * @usual_port: one of them, looked at first, or 0
 * @port_count: how many; the hooks exist while there is one
 * @devices: cyg_device.node
 * @routes: of peers' packets, once there was a port
 * @pmtu: of outer paths
 * @control: sockets that outer packets are sent with, IPv4 and IPv6
 * @drops: counters
 * @rejected: what is told of them
 * @crypto_pending: packets inside asynchronous crypto
 * @sas_alive: SAs that have not been freed yet
 */
struct cyg_net {
	struct net *net;
	struct mutex lock; /* what netlink changes */
	struct rhltable sas;
	struct list_head sa_list;
	u64 sa_serial;
	struct list_head reservations;
	struct xarray policies;
	u32 policy_count;
	struct cyg_spd steer;
	u32 steer_count;
	bool steer_ports;
	u32 steer_generation;
	u32 steer_settled;
	struct rcu_work steer_work;
	struct xfrm_state *token;
	struct xarray ports;
	__be16 usual_port;
	u32 port_count;
	struct list_head devices;

	struct cyg_routes __percpu *routes;
	struct cyg_pmtu pmtu;
	struct sock *control[2];
	struct cyg_drops __percpu *drops;
	struct cyg_rejected rejected;
	atomic_t crypto_pending;
	atomic_t sas_alive;
};

extern unsigned int cyg_net_id;
extern struct workqueue_struct *cyg_wq;

static inline struct cyg_net *cyg_net(const struct net *net)
{
	return net_generic(net, cyg_net_id);
}

/**
 * struct cyg_spd_batch - changes of policies that take effect together
 * @cn: namespace, locked
 * @gfp: how to allocate
 * @steering: policies that begin to steer
 * @edits: one for each struct cyg_spd
 */
struct cyg_spd_batch {
	struct cyg_net *cn;
	gfp_t gfp;
	u32 steering;
	struct list_head edits;
};

/**
 * struct cyg_outer - what outer packets have in common
 * @fwmark: their mark
 * @underlay: interface index that they leave by, 0 for any
 * @tos: their DSCP, 0 for the inner one
 */
struct cyg_outer {
	u32 fwmark;
	u32 underlay;
	u8 tos;
};

/**
 * struct cyg_device - private part of a cygnet device
 * @dev: the device
 * @node: in cyg_net.devices
 * @policies: cyg_policy.node, protected by cyg_net.lock
 * @spd: for sending
 * @cells: for receiving in bursts
 * @gro_cells: for receiving one by one
 * @drops: counters
 * @underlay_net: where outer packets are routed
 * @outer: how
 */
struct cyg_device {
	struct net_device *dev;
	struct list_head node;
	struct list_head policies;
	struct cyg_spd spd;
	struct cyg_cell __percpu *cells;
	struct gro_cells gro_cells;
	struct cyg_drops __percpu *drops;
	struct net *underlay_net;
	struct cyg_outer outer;
};

/**
 * struct cyg_rules - the replaceable part of a policy
 * @rcu: immutable, replaced as a whole
 * @priority: lower is looked at first
 * @action: what to do
 * @steer: part of the namespace's SPD too
 * @count: of selectors
 * @entries: one for each selector, in the order given
 */
struct cyg_rules {
	struct rcu_head rcu;
	u32 priority;
	u8 action;
	bool steer;
	u32 count;
	struct cyg_entry entries[];
};

#define CYG_DSCP_COPY	0xff
#define CYG_LABEL_OWN	U32_MAX

/**
 * struct cyg_options - what a policy wants of outer headers, and of SYNs
 * @df: enum cygnet_df
 * @dscp: of all, or CYG_DSCP_COPY
 * @ttl: or hop limit, 0 for the system's
 * @keep_mss: SYNs pass as they are
 * @flow_label: of IPv6, or CYG_LABEL_OWN
 */
struct cyg_options {
	u8 df;
	u8 dscp;
	u8 ttl;
	bool keep_mss;
	u32 flow_label;
};

/**
 * struct cyg_policy - an SPD entry, for both directions
 * @rcu: readers of the device's spd may still see it
 * @ref: held by the SPD and by each SA
 * @id: stable
 * @mode: of its SAs
 * @protocol: of its SAs
 * @options: each for itself may change at any time
 * @name: for people
 * @node: in cyg_device.policies
 * @sas: cyg_sa.policy_node, oldest first
 * @dev: its device, NULL once that or the policy is deleted
 * @rules: selectors and action
 * @sa: the outbound SA in use
 * @acquired: jiffies of the last acquire event
 * @lock: protects @routes against being renewed when @dev is gone
 * @routes: that steered packets get, IPv4 and IPv6, and the ones before
 * @change: that a transaction is about to make
 */
struct cyg_policy {
	struct rcu_head rcu;
	refcount_t ref;
	u32 id;
	u8 mode;
	u8 protocol;
	struct cyg_options options;
	char name[CYGNET_NAME_LEN_MAX + 1];
	struct list_head node;
	struct list_head sas;
	struct net_device __rcu *dev;
	struct cyg_rules __rcu *rules;
	struct cyg_sa __rcu *sa;
	unsigned long acquired;
	spinlock_t lock; /* routes */
	struct dst_entry __rcu *routes[2][2];
	struct cyg_change *change;
};

/**
 * struct cyg_alg - an encryption algorithm
 * @id: IKEv2 transform type 1
 * @name: for people
 * @driver: of the kernel's crypto API
 * @key_bits: key lengths without the salt, zero-terminated
 * @salt: bytes at the end of the key material
 * @iv: bytes
 * @random_iv: nobody may foresee it, rather than never the same one twice
 * @icv: bytes, 0 if it wants an integrity algorithm beside it
 * @block: what is encrypted is a multiple of that
 */
struct cyg_alg {
	u16 id;
	const char *name;
	const char *driver;
	u16 key_bits[4];
	u8 salt;
	u8 iv;
	bool random_iv;
	u8 icv;
	u8 block;
};

/**
 * struct cyg_integ - an integrity algorithm
 * @id: IKEv2 transform type 3
 * @driver: of the kernel's crypto API
 * @key: bytes
 * @icv: bytes
 * @legacy: only for who says that he means it
 */
struct cyg_integ {
	u16 id;
	const char *driver;
	u8 key;
	u8 icv;
	bool legacy;
};

/* Also the rhashtable key, so without holes. */
struct cyg_sa_key {
	__be32 spi;
	u8 protocol;
	u8 direction;
	u16 zero;
};

/* Zero means no limit. */
struct cyg_lifetime {
	u64 soft_seconds, hard_seconds;
	u64 soft_packets, hard_packets;
	u64 soft_bytes, hard_bytes;
};

/**
 * struct cyg_ends - where an SA's packets go from and to
 * @src: outer source
 * @dst: outer destination
 * @sport: UDP encapsulation
 * @dport: UDP encapsulation
 */
struct cyg_ends {
	struct cyg_addr src, dst;
	__be16 sport, dport;
};

/**
 * struct cyg_sa_config - what makes an SA, as netlink gives it
 * @key: protocol, SPI, direction
 * @src: outer source
 * @dst: outer destination
 * @family: of the outer addresses, 4 or 6
 * @mode: tunnel or transport
 * @esn: extended sequence numbers
 * @alg: encryption, NULL for AH
 * @integ: integrity, NULL for an AEAD
 * @secret: encryption key and salt, in the netlink message
 * @secret_len: in bytes
 * @integ_secret: integrity key, in the netlink message
 * @integ_secret_len: in bytes
 * @window: of replay protection, inbound
 * @sport: UDP encapsulation
 * @dport: UDP encapsulation
 * @keepalive: seconds, outbound
 * @roam: the peer may move, inbound
 * @tfc: length to pad inner packets to, outbound, 0 for none
 * @sequence: to start from
 * @life: limits
 */
struct cyg_sa_config {
	struct cyg_sa_key key;
	struct cyg_addr src, dst;
	u8 family;
	u8 mode;
	bool esn;
	const struct cyg_alg *alg;
	const struct cyg_integ *integ;
	const u8 *secret;
	u32 secret_len;
	const u8 *integ_secret;
	u32 integ_secret_len;
	u32 window;
	__be16 sport, dport;
	u16 keepalive;
	bool roam;
	u16 tfc;
	u64 sequence;
	struct cyg_lifetime life;
};

/**
 * struct cyg_sa - a Security Association, one direction
 * @hash: in cyg_net.sas
 * @node: in cyg_net.sa_list
 * @policy_node: in cyg_policy.sas
 * @key: protocol, SPI, direction
 * @src: outer source
 * @dst: outer destination
 * @family: of the outer addresses, 4 or 6
 * @mode: tunnel
 * @esn: extended sequence numbers
 * @key_bits: for people
 * @sport: UDP encapsulation if both ports are set
 * @dport: UDP encapsulation if both ports are set
 * @keepalive: seconds between NAT keepalives, 0 for none
 * @tfc: length that inner packets are padded to, 0 for none
 * @flow_label: of its own, for IPv6
 * @iv_len: bytes of IV in front of the ciphertext
 * @icv_len: bytes of ICV behind it
 * @block: what is encrypted is a multiple of that
 * @alg: encryption, NULL for AH
 * @integ: integrity, NULL for an AEAD
 * @aead: keyed transform, ESP
 * @ahash: keyed hash, AH
 * @iv_salt: XORed with the sequence number, so that IVs tell nothing
 * @at_once: packets that may be decrypted at the same time, inbound; 0: none but
 *	where they came
 * @policy: the policy it belongs to
 * @cn: its namespace
 * @serial: order of creation
 * @named: by a transaction that is about to change it
 * @roam: its peer may move
 * @moved: how often an end has changed
 * @created: CLOCK_BOOTTIME, ns
 * @life: limits
 * @drops: counters
 * @dst_cache: route to @dst, outbound
 * @order: of what leaves, outbound
 * @mtu: of inner packets, once @outer_mtu is known
 * @outer_mtu: of outer packets, 0 before the first
 * @route_mtu: what the route said then
 * @route_inner: @mtu by that alone
 * @pmtu_generation: of what had been learnt then
 * @ref: held by packets inside crypto, and once by the SADB
 * @free_work: the end
 * @expiry: lifetime in seconds
 * @keepalive_timer: armed if @keepalive
 * @lock: protects the rest
 * @dead: hard expired or deleted
 * @soft_sent: the soft event was raised
 * @sequence: last one used, outbound
 * @packets: carried
 * @bytes: carried
 * @used: jiffies of the last packet
 * @replay: inbound
 */
struct cyg_sa {
	struct rhlist_head hash;
	struct list_head node;
	struct list_head policy_node;

	struct cyg_sa_key key;
	struct cyg_addr src, dst;
	u8 family;
	u8 mode;
	bool esn;
	u16 key_bits;
	__be16 sport, dport;
	u16 keepalive;
	u16 tfc;
	__be32 flow_label;
	u8 iv_len;
	u8 icv_len;
	u8 block;
	const struct cyg_alg *alg;
	const struct cyg_integ *integ;
	struct crypto_aead *aead;
	struct crypto_ahash *ahash;
	__be64 iv_salt;
	u32 at_once;
	struct cyg_policy *policy;
	struct cyg_net *cn;
	u64 serial;
	bool named;
	bool roam;
	u32 moved;
	u64 created;
	struct cyg_lifetime life;

	struct cyg_drops __percpu *drops;
	struct dst_cache dst_cache;
	struct cyg_order order;
	u32 mtu, outer_mtu;
	u32 route_mtu, route_inner;
	u32 pmtu_generation;
	struct percpu_ref ref;
	struct rcu_work free_work;
	struct hrtimer expiry;
	struct timer_list keepalive_timer;

	spinlock_t lock ____cacheline_aligned_in_smp;
	bool dead;
	bool soft_sent;
	u64 sequence;
	u64 packets;
	u64 bytes;
	u64 used;
	struct cyg_replay *replay;
};

static inline bool cyg_sa_encapsulated(const struct cyg_sa *sa)
{
	return sa->sport && sa->dport;
}

/* An AH header with its ICV, padded (RFC 4302 section 3.3.3.2.1). */
static inline u32 cyg_ah_len(const struct cyg_sa *sa)
{
	return ALIGN(sizeof(struct cyg_ah_header) + sa->icv_len,
		     sa->family == 4 ? 4 : 8);
}

/**
 * struct cyg_headers - the IP headers that a packet keeps in transport mode
 * @len: in bytes, 0 in tunnel mode
 * @next_at: which byte of them says what follows
 * @next: what follows once ESP or AH is taken out
 */
struct cyg_headers {
	u16 len;
	u16 next_at;
	u8 next;
};

/**
 * struct cyg_class - what an outer header has from the packet inside
 * @dsfield: DSCP and ECN
 * @df: not to be fragmented, IPv4
 */
struct cyg_class {
	u8 dsfield;
	bool df;
};

/* Must outer IPv4 not be fragmented, if the packet inside must or may? */
static inline bool cyg_sa_df(const struct cyg_sa *sa, bool inside)
{
	u8 df = READ_ONCE(sa->policy->options.df);

	return df == CYGNET_DF_SET || (df == CYGNET_DF_COPY && inside);
}

/**
 * struct cyg_crypt - a packet inside crypto
 * @sa: held
 * @source: the received packet, only read; NULL when sending
 * @skb: the new packet: plaintext, or (sending) in place
 * @slot: when sending
 * @err: of crypto, until it leaves
 * @done: called once, with BH off, under no lock
 * @sequence: of the packet
 * @inner_len: length of the inner packet, sending
 * @headers: in front of the data of @skb, transport mode
 * @dsfield: of the outer header, received
 * @class: of the outer header, sending
 * @iv: as on the wire
 * @aad: associated data with the IV behind it
 * @aad_scratch: authencesn() writes there when it writes elsewhere than it reads
 * @aad_len: in bytes
 * @dst: associated data, then what is written
 * @src: the same for what is read, behind @req
 * @req: with the algorithm's context behind it
 */
struct cyg_crypt {
	struct cyg_sa *sa;
	struct sk_buff *source;
	struct sk_buff *skb;
	struct cyg_slot slot;
	int err;
	void (*done)(struct cyg_crypt *crypt, int err);
	u64 sequence;
	u32 inner_len;
	struct cyg_headers headers;
	u8 dsfield;
	struct cyg_class class;
	u8 iv[CYG_IV_MAX] __aligned(8);
	__be32 aad[3 + CYG_IV_MAX / 4];
	__be32 aad_scratch[3 + CYG_IV_MAX / 4];
	u32 aad_len;
	struct scatterlist dst[2];
	struct scatterlist *src;
	struct aead_request req;
};

/**
 * struct cyg_op - a request for one packet of a burst after the other
 * @sa: whose packets
 * @late: for a packet that is not finished at once; frees the op
 * @skb: sending: the burst; receiving: what is read
 * @sequence: of the packet
 * @plain: receiving, the buffer that is written
 * @plain_len: of it
 * @page: that it is in
 * @dsfield: of the outer header, receiving
 * @capacity: bytes behind @req
 * @iv: as on the wire
 * @aad: associated data with the IV behind it
 * @aad_len: in bytes
 * @dst: @aad, then what is written
 * @src: @aad, then what is read
 * @req: with the algorithm's context behind it
 */
struct cyg_op {
	struct cyg_sa *sa;
	void (*late)(struct cyg_op *op, int err);
	struct sk_buff *skb;
	u64 sequence;
	void *plain;
	u32 plain_len;
	struct page *page;
	u8 dsfield;
	u32 capacity;
	__be64 iv;
	__be32 aad[5];
	u32 aad_len;
	struct scatterlist dst[2];
	struct scatterlist src[2];
	struct aead_request req;
};

/* Blocks of 32 KiB in a ring. */
#define CYG_BLOCKS	16

/**
 * struct cyg_blocks - memory that a CPU's packets are written to
 * @ring: blocks, each referred to once by the ring
 * @at: the current one there
 * @page: the same, NULL if there is none
 * @room: bytes in it
 * @used: of them
 */
struct cyg_blocks {
	struct page *ring[CYG_BLOCKS];
	u32 at;
	struct page *page;
	u32 room, used;
};

/**
 * struct cyg_cursor - how far the search in an skb has come
 * @frag: its page fragment
 * @before: bytes in those before
 */
struct cyg_cursor {
	u32 frag, before;
};

/* ah.c */
enum cygnet_drop cyg_ah_input(struct cyg_sa *sa, struct sk_buff *skb, u32 offset,
			      u32 len, u8 dsfield);
enum cygnet_drop cyg_ah_output(struct cyg_sa *sa, struct sk_buff *skb,
			       const struct cyg_flow *flow, struct dst_entry *dst);

/* alg.c */
const struct cyg_alg *cyg_alg_find(u16 id);
bool cyg_alg_key_ok(const struct cyg_alg *alg, u32 len);
const struct cyg_integ *cyg_alg_find_integ(u16 id);
const char *cyg_alg_refusal(u16 id);
const char *cyg_alg_refusal_integ(u16 id);
struct crypto_ahash *cyg_alg_new_hash(const struct cyg_sa_config *config);
struct crypto_aead *cyg_alg_new(const struct cyg_sa_config *config);

/* crypt.c */
struct cyg_crypt *cyg_crypt_new(struct cyg_sa *sa, unsigned int segments);
void cyg_crypt_free(struct cyg_crypt *crypt);
void cyg_crypt_encrypt(struct cyg_crypt *crypt, unsigned int len);
void cyg_crypt_decrypt(struct cyg_crypt *crypt, unsigned int len);

/* block.c */
struct cyg_blocks *cyg_block_own(enum cygnet_direction direction);
bool cyg_block_room(struct cyg_blocks *b, u32 len);
void cyg_block_leave(struct cyg_blocks *b);
void cyg_block_uninit(void);

/* batch.c */
bool cyg_batch_send(struct cyg_sa *sa, struct sk_buff *skb,
		    const struct cyg_flow *flow, struct dst_entry *dst);
enum cygnet_drop cyg_batch_single(struct cyg_sa *sa, struct sk_buff *skb,
				  const struct cyg_flow *flow, struct dst_entry *dst);

/* cell.c */
int cyg_cell_init(struct cyg_device *cyg);
void cyg_cell_close(struct cyg_device *cyg);
bool cyg_cell_queue(struct cyg_sa *sa, struct sk_buff *skb, u32 offset, u32 len, u32 size,
		    int ifindex, u8 family);

/* demux.c */
int cyg_demux_open(struct cyg_net *cn);
void cyg_demux_close(struct cyg_net *cn);
void cyg_demux_find(struct cyg_net *cn, struct sk_buff *skb, __be32 ports, u8 family);
bool cyg_demux_is_new(struct cyg_net *cn, const struct sk_buff *skb);
void cyg_demux_remember(struct cyg_net *cn, const struct sk_buff *skb, __be32 ports,
			int ifindex, u8 family);

/* device.c */
int cyg_device_init(void);
void cyg_device_uninit(void);
bool cyg_device_is(const struct net_device *dev);
struct cyg_device *cyg_device_find(struct cyg_net *cn, u32 ifindex);
void cyg_device_set_outer(struct cyg_net *cn, struct cyg_device *cyg,
			  const struct cyg_outer *outer);

/* encap.c */
int cyg_encap_add_port(struct cyg_net *cn, __be16 port);
int cyg_encap_del_port(struct cyg_net *cn, __be16 port);
void cyg_encap_close(struct cyg_net *cn);
int cyg_encap_send(struct cyg_sa *sa, struct sk_buff *skb, struct cyg_class class);
int cyg_encap_send_own(struct cyg_sa *sa, struct sk_buff *skb, u32 header_len);
void cyg_encap_keepalive(struct cyg_sa *sa);

/* esp.c */
enum cygnet_drop cyg_esp_input(struct cyg_sa *sa, struct sk_buff *skb,
			       u32 offset, u32 len, u8 dsfield);
enum cygnet_drop cyg_esp_output(struct cyg_sa *sa, struct sk_buff *skb,
				const struct cyg_flow *flow,
				struct dst_entry *dst);
void cyg_esp_accept(struct cyg_sa *sa, struct sk_buff *skb, const struct sk_buff *source,
		    u64 sequence, u8 dsfield);
int cyg_esp_dummy(struct cyg_sa *sa, u32 len);
void cyg_esp_inherit_owner(struct sk_buff *to, struct sk_buff *from);

/* fragment.c */
struct sk_buff *cyg_fragment_split(struct sk_buff *skb, u32 mtu);

/* input.c */
int cyg_input_init(void);
void cyg_input_uninit(void);
struct cyg_sa *cyg_input_claims(struct cyg_net *cn, struct sk_buff *skb, __be32 spi,
				const struct cyg_addr *dst, u8 family);
enum cygnet_drop cyg_input_check(struct cyg_sa *sa, const u8 *data, u32 len,
				 u8 next_header, struct cyg_flow *flow,
				 struct net_device **dev);
void cyg_input_packet(struct cyg_net *cn, struct sk_buff *skb, u32 offset,
		      u32 len, const struct cyg_addr *dst, u8 family, u8 dsfield);
enum cygnet_drop cyg_input_deliver(struct cyg_sa *sa, struct sk_buff *skb,
				   u8 next_header, u8 dsfield);
enum cygnet_drop cyg_input_deliver_own(struct cyg_sa *sa, struct sk_buff *skb,
				       const struct cyg_headers *headers);

/* ipaddr.c */
int cyg_ipaddr_open(struct cyg_net *cn);
void cyg_ipaddr_close(struct cyg_net *cn);
u32 cyg_ipaddr_header_len(u8 family);
bool cyg_ipaddr_is_host(const struct cyg_addr *addr, u8 family);
void cyg_ipaddr_outer(const struct sk_buff *skb, u8 family,
		      struct cyg_addr *dst, u8 *dsfield);
bool cyg_ipaddr_xfrm_holds(struct net *net, u32 mark, const struct cyg_addr *dst,
			   __be32 spi, u8 protocol, u8 family);
struct dst_entry *cyg_ipaddr_route(struct cyg_sa *sa);
u32 cyg_ipaddr_mtu(const struct dst_entry *dst, u8 family);
bool cyg_ipaddr_may_fragment(const struct sk_buff *skb, u8 family);
struct cyg_class cyg_ipaddr_class(const struct cyg_sa *sa, const struct sk_buff *skb,
				  const struct cyg_flow *flow);
int cyg_ipaddr_send(struct cyg_sa *sa, struct sk_buff *skb, u8 protocol,
		    struct cyg_class class);
void cyg_ipaddr_push(struct cyg_sa *sa, struct sk_buff *skb, u8 protocol,
		     struct cyg_class class);
int cyg_ipaddr_send_own(struct cyg_sa *sa, struct sk_buff *skb);
void cyg_ipaddr_udp_checksum(struct cyg_sa *sa, struct sk_buff *skb);
__wsum cyg_ipaddr_pseudo(const struct sk_buff *skb, const struct cyg_flow *flow);
void cyg_ipaddr_too_big(struct sk_buff *skb, const struct cyg_flow *flow, u32 mtu);
void cyg_ipaddr_prohibited(struct sk_buff *skb, const struct cyg_flow *flow);

/* linear.c */
bool cyg_linear_fits(const struct cyg_sa *sa);
struct cyg_op *cyg_linear_get(struct cyg_sa *sa);
void cyg_linear_put(struct cyg_op *op);
int cyg_linear_run(struct cyg_op *op, struct scatterlist *src, u64 sequence, u32 len);
void *cyg_linear_find(const struct sk_buff *skb, u32 offset, u32 len,
		      struct cyg_cursor *cursor);
void cyg_linear_uninit(void);

/* mss.c */
bool cyg_mss_is_syn(struct sk_buff *skb, const struct cyg_flow *flow);
void cyg_mss_clamp(struct cyg_policy *policy, struct sk_buff *skb,
		   const struct cyg_flow *flow);

/* netlink.c */
extern bool cyg_userns_admin;
int cyg_netlink_init(void);
void cyg_netlink_uninit(void);
void cyg_netlink_acquire(struct cyg_policy *policy, struct net_device *dev,
			 const struct cyg_flow *flow);
void cyg_netlink_expire(struct cyg_sa *sa, enum cygnet_expiry expiry);
void cyg_netlink_sa(struct cyg_sa *sa, u8 cmd);
void cyg_netlink_rejected(struct cyg_net *cn);
void cyg_netlink_moved(struct cyg_sa *sa, gfp_t gfp);
void cyg_netlink_policy(struct cyg_net *cn, struct cyg_policy *policy, u8 cmd);

/* output.c */
void cyg_output_xmit(struct cyg_device *cyg, struct sk_buff *skb);

/* pmtu.c */
void cyg_pmtu_open(struct cyg_net *cn);
void cyg_pmtu_close(struct cyg_net *cn);
int cyg_pmtu_watch(struct cyg_net *cn);
void cyg_pmtu_unwatch(struct cyg_net *cn);
u32 cyg_pmtu_inner(struct cyg_sa *sa, const struct dst_entry *dst);
u32 cyg_pmtu_policy(struct cyg_policy *policy);
bool cyg_pmtu_quoted(struct cyg_net *cn, const struct sk_buff *skb, u32 at, u8 family,
		     u32 mtu);
unsigned int cyg_pmtu_icmp4(struct sk_buff *skb, const struct nf_hook_state *state, u32 at);
unsigned int cyg_pmtu_icmp6(struct sk_buff *skb, const struct nf_hook_state *state, u32 at);

/* roam.c */
void cyg_roam(struct cyg_sa *sa, const struct sk_buff *source);

/* sadb.c */
int cyg_sadb_open(struct cyg_net *cn);
void cyg_sadb_close(struct cyg_net *cn);
struct cyg_sa *cyg_sadb_input(struct cyg_net *cn, u8 protocol, __be32 spi,
			      const struct cyg_addr *dst, u8 family, bool *exact);
struct cyg_sa *cyg_sadb_output(struct cyg_net *cn, u8 protocol, __be32 spi,
			       const struct cyg_addr *dst, u8 family);
struct cyg_sa *cyg_sadb_find(struct cyg_net *cn, u8 protocol, __be32 spi,
			     const struct cyg_addr *dst, u8 family);
struct cyg_sa *cyg_sadb_new(struct cyg_net *cn, const struct cyg_sa_config *config);
void cyg_sadb_free(struct cyg_sa *sa);
int cyg_sadb_stage(struct cyg_sa *sa, struct cyg_policy *policy);
void cyg_sadb_unstage(struct cyg_sa *sa);
void cyg_sadb_activate(struct cyg_sa *sa);
void cyg_sadb_ends(struct cyg_sa *sa, struct cyg_ends *ends);
void cyg_sadb_move(struct cyg_sa *sa, const struct cyg_ends *ends);
void cyg_sadb_del(struct cyg_sa *sa);
__be32 cyg_sadb_reserve(struct cyg_net *cn, u8 protocol,
			const struct cyg_addr *dst, u8 family, u32 min, u32 max);
bool cyg_sadb_is_reserved(struct cyg_net *cn, u8 protocol, __be32 spi,
			  const struct cyg_addr *dst, u8 family);
bool cyg_sadb_unreserve(struct cyg_net *cn, u8 protocol, __be32 spi,
			const struct cyg_addr *dst, u8 family);
enum cygnet_drop cyg_sadb_next_sequence(struct cyg_sa *sa, u32 bytes, u64 *sequence);
bool cyg_sadb_next_sequences(struct cyg_sa *sa, u32 count, u32 bytes, u64 *first);
enum cygnet_drop cyg_sadb_precheck(struct cyg_sa *sa, u32 low, u64 *sequence);
enum cygnet_drop cyg_sadb_commit(struct cyg_sa *sa, u64 sequence, u32 bytes,
				 const struct sk_buff *source);

/* spd.c */
struct cyg_policy *cyg_spd_find(struct cyg_net *cn, u32 id);
struct cyg_policy *cyg_spd_lookup(const struct cyg_spd *spd,
				  const struct cyg_flow *flow, u8 *action);
bool cyg_spd_admits(struct cyg_policy *policy, const struct cyg_flow *flow);
bool cyg_spd_meet(const struct cyg_rules *a, const struct cyg_rules *b);
struct cyg_policy *cyg_spd_new(struct cyg_net *cn, u32 id);
void cyg_spd_begin(struct cyg_spd_batch *batch, struct cyg_net *cn, gfp_t gfp);
int cyg_spd_stage_set(struct cyg_spd_batch *batch, struct cyg_policy *policy,
		      struct cyg_device *cyg, struct cyg_rules *rules);
int cyg_spd_stage_del(struct cyg_spd_batch *batch, struct cyg_policy *policy);
struct cyg_rules *cyg_spd_apply(struct cyg_net *cn, struct cyg_policy *policy,
				struct cyg_device *cyg, struct cyg_rules *rules);
void cyg_spd_publish(struct cyg_spd_batch *batch);
void cyg_spd_settle(struct cyg_net *cn, struct cyg_policy *policy,
		    struct cyg_rules *old, bool moved);
void cyg_spd_abort(struct cyg_spd_batch *batch);
void cyg_spd_remove(struct cyg_net *cn, struct cyg_policy *policy);
void cyg_spd_del(struct cyg_net *cn, struct cyg_policy *policy);
void cyg_spd_clear(struct cyg_net *cn, struct cyg_device *cyg);
void cyg_spd_close(struct cyg_net *cn);
void cyg_spd_put(struct cyg_policy *policy);

/* spread.c */
int cyg_spread_init(void);
void cyg_spread_uninit(void);
bool cyg_spread_wanted(void);
int cyg_spread_pick(void);
void cyg_spread_give(struct cyg_job *job, int cpu);
void cyg_spread_flush(void);
void cyg_order_init(struct cyg_order *order, void (*resume)(struct cyg_order *order));
bool cyg_order_enter(struct cyg_order *order, struct cyg_slot *slot, u32 packets, u32 most);
void cyg_order_ready(struct cyg_slot *slot);

/* What left on another processor may wait in its queues for that long. */
#define CYG_ORDER_SETTLES	DIV_ROUND_UP(HZ, 50)

/* Is there nothing that must leave first? Call with BH off. */
static inline bool cyg_order_idle(const struct cyg_order *order)
{
	return !READ_ONCE(order->packets) &&
	       (READ_ONCE(order->cpu) == raw_smp_processor_id() ||
		time_after(jiffies, READ_ONCE(order->left) + CYG_ORDER_SETTLES));
}

/* stats.c */
enum cyg_kind { CYG_KIND_NET, CYG_KIND_DEVICE, CYG_KIND_POLICY, CYG_KIND_SA, CYG_KINDS };
void cyg_stats_born(enum cyg_kind kind);
void cyg_stats_died(enum cyg_kind kind);
void cyg_stats_report(void);
int cyg_stats_open(struct cyg_net *cn);
void cyg_stats_close(struct cyg_net *cn);
u64 cyg_stats_fold(const struct cyg_drops __percpu *drops, enum cygnet_drop reason);
void cyg_stats_drop(enum cygnet_drop reason, struct cyg_net *cn,
		    struct net_device *dev, struct cyg_sa *sa);
void cyg_stats_drops(enum cygnet_drop reason, struct cyg_net *cn,
		     struct net_device *dev, struct cyg_sa *sa, u32 count);
void cyg_stats_drop_sa(enum cygnet_drop reason, struct cyg_sa *sa);
void cyg_stats_free_skb(struct sk_buff *skb, enum cygnet_drop reason);

/* steer.c */
int cyg_steer_open(struct cyg_net *cn);
void cyg_steer_close(struct cyg_net *cn);
void cyg_steer_free(struct cyg_net *cn);
int cyg_steer_add(struct cyg_net *cn);
void cyg_steer_del(struct cyg_net *cn);
void cyg_steer_changed(struct cyg_net *cn, struct cyg_policy *policy, bool moved);
bool cyg_steer_asks_ports(const struct cyg_rules *rules);
bool cyg_steer_mark(const struct cyg_sa *sa, struct sk_buff *skb);

/* transport.c */
enum cygnet_drop cyg_transport_split(const struct cyg_sa *sa, struct sk_buff *skb,
				     const struct cyg_flow *flow,
				     struct cyg_headers *headers);
void cyg_transport_detach(const struct cyg_sa *sa, struct sk_buff *skb,
			  const struct cyg_headers *headers, u32 room, u8 protocol);
bool cyg_transport_received(const struct cyg_sa *sa, const struct sk_buff *skb,
			    struct cyg_headers *headers);
void cyg_transport_rebuild(const struct cyg_sa *sa, struct sk_buff *skb,
			   const struct cyg_headers *headers);

#endif /* _CYGNET_H */
