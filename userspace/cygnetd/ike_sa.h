/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IKE SA: keys, window, the exchanges under way, its children.
 */
#ifndef CYGNETD_IKE_SA_H
#define CYGNETD_IKE_SA_H

#include "core_priv.h"
#include "emit.h"
#include "fragment.h"
#include "sign.h"
#include "window.h"

#define IKE_HALF_OPEN_MS	30000	/* for a peer to authenticate */
#define IKE_LINGER_MS		10000	/* answering retransmits only */
#define IKE_OVERDUE_MS		10000	/* for the peer's delete of the old SA */
#define IKE_CHILDREN_MAX	64
#define IKE_SAME_MAX		8	/* SAs between the same identities */
#define IKE_REAUTH_MIN		10	/* seconds, whatever the peer wants */
#define IKE_TWINS_MS		20000	/* "at once", for duplicates */

enum ike_state {
	IKE_CONNECTING,		/* IKE_SA_INIT under way */
	IKE_KEYED,		/* protected, nobody authenticated */
	IKE_ESTABLISHED,
	IKE_REKEYED,		/* its replacement is there; the peer deletes it */
	IKE_DELETING,		/* our delete is under way */
	IKE_CLOSED,		/* only answers retransmits */
	IKE_STATES,
};

/* Whether a PPK is in its keys. */
enum sa_ppk {
	PPK_NONE,
	PPK_USED,
	PPK_REFUSED,		/* we have one, and the peer goes without */
};

struct nonce {
	size_t nonce_len;
	u8 nonce_data[MSG_NONCE_MAX];
};

struct ike_sa {
	struct core *sa_core;
	struct conn *sa_conn;		/* as a responder a guess until AUTH */
	struct ike_sa *sa_next;		/* by SPI, or among the dead */
	struct ike_sa *sa_next_init;	/* by IKE_SA_INIT's hash */
	struct ike_sa *sa_next_conn;	/* of one connection */
	u32 sa_number;
	enum ike_state sa_state;
	bool sa_initiator;
	bool sa_listed;			/* in the connection's list */
	bool sa_half_open;		/* counted in core_half_open */
	bool sa_dead;			/* to be freed */
	/* See hitless.h; record.c says of every field whether a restart keeps it. */
	bool sa_touched, sa_recorded, sa_held;
	struct ike_sa *sa_next_touched;

	u8 sa_spi_i[MSG_SPI_LEN], sa_spi_r[MSG_SPI_LEN];
	struct core_path sa_path;
	bool sa_nat_local, sa_nat_remote, sa_encap;
	bool sa_natt;			/* the peer knows NAT traversal */
	bool sa_childless;		/* and IKE SAs without a child */
	bool sa_mobike;			/* both do RFC 4555 */
	bool sa_mobile;			/* we began it: ours to move */
	struct waiter sa_move;		/* IPC_RESOLVE */
	struct conf_id sa_id_local, sa_id_remote;
	u32 sa_hashes;			/* that the peer signs with, SIGN_HASH() */
	enum sign_scheme sa_scheme;	/* of our own signature */
	char sa_how[160];		/* the peer authenticated */

	bool sa_does_ppk;		/* the peer too (RFC 8784) */
	enum sa_ppk sa_ppk;
	struct proposal sa_proposal;	/* chosen, for people */
	struct ike_suite sa_suite;
	struct ike_keys sa_keys;
	struct ike_keys *sa_old_keys;	/* of the IKE_INTERMEDIATE just answered */
	u32 sa_n_inter;			/* IKE_INTERMEDIATE exchanges done */
	u8 sa_int_auth[2][CRYPTO_PRF_MAX];	/* over the initiator's, responder's */
	u64 sa_iv;			/* counter of our AEAD messages */
	struct nonce sa_ni, sa_nr;
	/* Both IKE_SA_INIT messages as sent, until AUTH has covered them. */
	u8 *sa_init_i, *sa_init_r;
	size_t sa_init_i_len, sa_init_r_len;
	u8 sa_init_hash[CRYPTO_HASH_LEN];

	bool sa_fragments;		/* both can (RFC 7383) */
	bool sa_small_fragments;	/* larger ones did not arrive */
	struct reassembly *sa_parts[2];	/* of the peer's requests, answers */

	struct window sa_window;
	struct exchange *sa_ours;	/* our outstanding request */
	struct exchange *sa_theirs;	/* the peer's */
	struct exchange *sa_parked;	/* the peer's, between IKE_FOLLOWUP_KEs */
	struct timer sa_park_timer;
	struct exchange *sa_queue;	/* ours to come */
	struct child *sa_children;

	struct timer sa_timer;		/* half-open, lifetime, linger */
	struct timer sa_liveness;
	struct timer sa_reauth;
	u32 sa_auth_lifetime;		/* seconds that the peer allows, 0: any */
	u64 sa_reauth_at;		/* who began it proves itself anew; 0: never */
	struct waiter sa_waiter;	/* IPC_CHILD_IDLE */
	u64 sa_born, sa_established;
	u64 sa_heard;			/* last authentic message */
	bool sa_expired;		/* lifetime: a replacement is wanted */
	bool sa_initial_contact;	/* the peer said so */
	u32 sa_tries;			/* refused rekeys */
	struct ike_sa *sa_rival_of;	/* the SA that two new ones replace */
	struct ike_sa *sa_replaces;	/* to be deleted once this one works */
	char sa_reason[320];		/* why it is failing */
};

/* NULL without memory or randomness. */
struct ike_sa *ike_sa_new(struct core *core, struct conn *conn,
			  const struct core_path *path, bool initiator);
/* One that is to be filled in, and then found by its SPI. */
struct ike_sa *ike_sa_blank(struct core *core, struct conn *conn);
void ike_sa_link(struct ike_sa *sa);
/* Its messages' counter goes on where no engine before has been. */
void ike_sa_new_iv(struct ike_sa *sa);
/* After a restart: asks again, and goes on. */
void ike_sa_resume(struct ike_sa *sa);
/* The one place where sa_state changes. */
void ike_sa_set_state(struct ike_sa *sa, enum ike_state state);
const char *ike_state_name(enum ike_state state);
/* Logs with the SA's connection and number before the text. */
__printf(3, 4)
void ike_sa_log(struct ike_sa *sa, enum core_level level, const char *format,
		...);

/* The peer's and our own SPI. */
const u8 *ike_sa_own_spi(const struct ike_sa *sa);
/* A connection takes the SA among its own (or another takes it over). */
void ike_sa_assign(struct ike_sa *sa, struct conn *conn);
/* Keeps what AUTH will cover. */
bool ike_sa_keep_init(u8 **kept, size_t *kept_len, const u8 *buf, size_t len);
void ike_sa_wipe_init(struct ike_sa *sa);
void ike_sa_set_hash(struct ike_sa *sa, const u8 hash[CRYPTO_HASH_LEN]);
struct ike_sa *ike_sa_by_init(struct core *core, const u8 hash[CRYPTO_HASH_LEN]);

/* Fills in everything but the exchange type, flags and id. */
void ike_sa_header(const struct ike_sa *sa, struct msg_header *hdr);
bool ike_sa_seal(struct ike_sa *sa, struct emit *em);
/* These, from malloc(), are what the last answer was sealed with; NULL for no
 * other than sa_keys.
 */
void ike_sa_old_keys(struct ike_sa *sa, struct ike_keys *keys);

/* A datagram with our SPI. */
void ike_sa_receive(struct ike_sa *sa, const struct core_path *path,
		    const u8 *buf, size_t len);

/* Authenticated both ways: starts timers, sees to older SAs. */
void ike_sa_up(struct ike_sa *sa);
/* The same for an SA made by rekeying, which asks nobody who is there. */
void ike_sa_begin(struct ike_sa *sa);
/* Takes children and queue over from @old, which waits for its delete. */
void ike_sa_inherit(struct ike_sa *sa, struct ike_sa *old);
/* Of no more use; deleted by us if the peer is late. */
void ike_sa_replaced(struct ike_sa *sa);
/* Asks for a new IKE SA in its place unless that is under way. */
bool ike_sa_rekey(struct ike_sa *sa);
/*
 * Refused: asks @again later, and later each time; a fresh IKE SA is the last
 * resort.
 */
void ike_sa_rekey_failed(struct ike_sa *sa, bool again);
/* How many SAs there are between these two, of whatever state. */
unsigned int ike_sa_count_same(const struct ike_sa *sa);
/* Starts the next queued exchange if none is outstanding. */
void ike_sa_next(struct ike_sa *sa);
/* Both sides began at once, and this is the one that goes. */
bool ike_sa_loses(const struct ike_sa *sa);
/* A new SA is begun; this one goes when that works. */
void ike_sa_replace(struct ike_sa *sa, const char *why);
/* Tells the peer, then closes. */
void ike_sa_delete(struct ike_sa *sa);
/* The peer wants to have us prove ourselves within so many seconds. */
void ike_sa_limit(struct ike_sa *sa, const struct message *msg);
/* Looks for life now. */
void ike_sa_check(struct ike_sa *sa);
/* The end: children out, connection told. Tells the peer nothing. */
void ike_sa_close(struct ike_sa *sa);
/* The end because of @format …, which the connection reports. */
__printf(2, 3)
void ike_sa_fail(struct ike_sa *sa, const char *format, ...);
/* Everything ends but the answers to retransmits, for a while. */
void ike_sa_linger(struct ike_sa *sa);
void ike_sa_free(struct ike_sa *sa);

/* The lowest of the SA's two nonces is lower than the other SA's. */
bool nonce_pair_lower(const struct nonce *a1, const struct nonce *a2,
		      const struct nonce *b1, const struct nonce *b2);
bool nonce_make(struct nonce *nonce);
void nonce_copy(struct nonce *nonce, const struct msg_blob *blob);
struct msg_blob nonce_blob(const struct nonce *nonce);

#endif
