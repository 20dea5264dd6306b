/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The exchange: one request and its response, from either side, which may
 * wait for one thing at a time. transitions.c says what comes next.
 */
#ifndef CYGNETD_EXCHANGE_H
#define CYGNETD_EXCHANGE_H

#include "child.h"
#include "ke.h"

enum ex_role { EX_OURS, EX_THEIRS };

enum ex_purpose {
	EX_INIT,
	EX_INTERMEDIATE,
	EX_AUTH,
	EX_CHILD_NEW,
	EX_CHILD_REKEY,
	EX_IKE_REKEY,
	EX_FOLLOWUP,		/* an IKE_FOLLOWUP_KE of the peer out of nowhere */
	EX_LIVENESS,
	EX_CHILD_DELETE,
	EX_IKE_DELETE,
	EX_MOVE,		/* our address has changed */
	EX_PROBE,		/* is the peer where it says it is? */
	EX_ABORT,		/* tell the peer that its AUTH is wrong */
	EX_INFORM,		/* any INFORMATIONAL of the peer */
};

/* What an exchange waits for. */
enum ex_state {
	EX_QUEUED,		/* its turn */
	EX_MESSAGE,		/* the peer's message */
	EX_PAIR,		/* our half of the key exchange */
	EX_SECRET,		/* the shared secret */
	EX_NO_PPK,		/* our AUTH value for a peer without our PPK */
	EX_PPK,			/* keys with the PPK in them */
	EX_PSK,			/* our AUTH value */
	EX_VERIFY,		/* the peer's AUTH value */
	EX_CONN,		/* device, address, routes */
	EX_SPI,			/* an inbound ESP SPI */
	EX_INSTALL,		/* the child SA in the kernel */
	EX_DONE,
	EX_STATES,
};

/* What a message of the peer does that arrives while a row waits. */
enum ex_meanwhile {
	EX_DROP,		/* nothing: the peer sends it again */
	EX_PASS,		/* it is an exchange of its own */
};

struct exchange {
	struct ike_sa *ex_sa;
	struct exchange *ex_next;	/* in the queue, or among the dead */
	u8 ex_type;			/* enum msg_exchange */
	enum ex_role ex_role;
	enum ex_purpose ex_purpose;
	enum ex_state ex_state;
	u32 ex_id;
	bool ex_answered;		/* ours: its answer is being worked on */
	u64 ex_started;
	struct waiter ex_waiter;
	const struct ipc_reply *ex_reply;	/* during its row only */
	struct core_path ex_path;	/* theirs: where to answer */

	struct ke *ex_ke;		/* NULL while another thread has it */
	size_t ex_secrets_len, ex_first_len;
	u8 *ex_secrets;			/* of all its key exchanges so far */
	u8 ex_n_addke, ex_at_addke;
	u16 ex_addke[SUITE_ADDKE_MAX];	/* IKE_FOLLOWUP_KE: to come and done */
	size_t ex_link_len;
	u8 ex_link[64];			/* ADDITIONAL_KEY_EXCHANGE */
	u8 ex_tries;			/* INVALID_KE_PAYLOAD, COOKIE */
	u8 ex_cookie_len;
	u8 ex_cookie[64];

	u8 ex_offer;			/* IKE_SA_INIT: the proposal chosen */
	struct verify *ex_verify;	/* the peer's signature and certificates */
	size_t ex_auth_len;		/* the peer's AUTH value */
	u8 ex_auth[IPC_AUTH_MAX];	/* ours: for NO_PPK_AUTH */
	struct ike_key ex_keys[3];	/* SK_d, SK_pi, SK_pr without the PPK */
	struct nonce ex_ni, ex_nr;

	struct child *ex_child;		/* the one to be made or deleted */
	struct child *ex_old;		/* the one that it replaces */
	struct child *ex_rival;		/* the peer's replacement of ex_old */
	u8 ex_group;			/* which of the configuration's children */
	bool ex_more;			/* others would have been possible too */
	u16 ex_refusal;			/* why there is no child: a notify */
	const char *ex_unwanted;	/* why the peer must delete its half */
	struct ip_addr ex_redirect;	/* where IKE_AUTH's answer sends us */
	bool ex_childless;		/* IKE_AUTH for the IKE SA alone */
	u32 ex_dirs;			/* of the child to be installed now */
	struct ike_sa *ex_new;		/* to be made; ours until it is up */
	struct ike_sa *ex_rival_sa;	/* the peer's replacement of ex_sa */
	struct ts_pair ex_packet;	/* what caused a child to be wanted */
	bool ex_has_packet;
};

struct transition {
	u8 row_type;			/* enum msg_exchange */
	enum ex_role row_role;
	enum ex_purpose row_purpose;
	enum ex_state row_state;
	u32 row_required, row_optional;	/* payloads, for EX_MESSAGE */
	u16 row_notify;			/* chosen by this notify; or ROW_ERROR */
	enum ex_meanwhile row_meanwhile;
	/* @msg is NULL unless the row is EX_MESSAGE */
	void (*row_run)(struct exchange *ex, const struct message *msg);
};

#define ROW_ERROR	0xffff

/* The row for a completion, or for whether it exists at all. */
const struct transition *transition_find(const struct exchange *ex);
/*
 * The row that this message fits. NULL if none does; then *missing is what
 * the first of them wanted besides.
 */
const struct transition *transition_match(const struct exchange *ex,
					  const struct message *msg,
					  u32 *missing);
size_t transition_count(void);
const struct transition *transition_get(size_t index);

/* A new exchange of ours at the end of the queue; NULL without memory. */
struct exchange *exchange_queue(struct ike_sa *sa, enum ex_purpose purpose);
/* The same at its beginning. */
struct exchange *exchange_queue_first(struct ike_sa *sa,
				      enum ex_purpose purpose);
/* One of that kind about this child is queued or under way. */
bool exchange_pending(const struct ike_sa *sa, enum ex_purpose purpose,
		      const struct child *child);
/* One of these SAs waits for the answer about a child to be made. */
bool exchange_unfinished(const struct ike_sa *sas);
/* The configuration's child of that number is being made. */
bool exchange_makes(const struct ike_sa *sa, u8 group);
struct exchange *exchange_new(struct ike_sa *sa, enum ex_role role,
			      enum ex_purpose purpose);
/* The one place where ex_state changes. */
void exchange_set_state(struct exchange *ex, enum ex_state state);
const char *exchange_name(const struct exchange *ex);

void exchange_start(struct exchange *ex);
/* The completion that was waited for has come. */
void exchange_resume(struct exchange *ex);
/* A request of the peer, authentic, with inner payloads parsed. */
void exchange_request(struct ike_sa *sa, const struct core_path *path,
		      const struct message *msg);
/* The response to our request; unprotected in IKE_SA_INIT only. */
void exchange_response(struct ike_sa *sa, const struct message *msg);
/* Our request was never answered. */
void exchange_timeout(struct ike_sa *sa);

/* Each of these is the last thing that a row's function does. */
void exchange_ask(struct exchange *ex, enum ex_state state,
		  struct ipc_msg *msg);
/*
 * Work of which the exchange gets the result; @slow: on another thread. Its
 * argument belongs to whoever runs it until it is given back.
 */
void exchange_run(struct exchange *ex, enum ex_state state,
		  const struct core_work *what, bool slow);
void exchange_run_ke(struct exchange *ex, enum ex_state state);
/* Keeps ex_ke's secret with those before it; false if there is none. */
bool exchange_gather(struct exchange *ex);
/* What was gathered; empty without a key exchange. */
struct ike_secret exchange_secret(const struct exchange *ex);
void exchange_send(struct exchange *ex, struct emit *em);
void exchange_answer(struct exchange *ex, struct emit *em);
void exchange_end(struct exchange *ex);

/* Begins the message of this exchange, Encrypted payload opened. */
void exchange_emit(struct exchange *ex, struct emit *em);
/* Answers a request with one notify and ends. */
void exchange_refuse(struct exchange *ex, u16 notify, const void *data,
		     size_t len);
/* The same, with the reason in the log; an unfinished child goes. */
void exchange_refuse_why(struct exchange *ex, u16 notify, const char *why);
/*
 * The peer's value for the group of the chosen proposal; false with the
 * exchange answered if it is of another group or no good.
 */
bool exchange_take_ke(struct exchange *ex, const struct message *msg,
		      u16 group);
/* Forgets a child that is going. */
void exchange_forget_child(struct ike_sa *sa, const struct child *child);
/* Unlinks and drops without a word. */
void exchange_drop(struct exchange *ex);
void exchange_free(struct exchange *ex);

/* exch_init.c */
void init_receive(struct core *core, const struct core_path *path,
		  const u8 *buf, size_t len);
void init_start(struct exchange *ex, const struct message *msg);
void init_send(struct exchange *ex, const struct message *msg);
void init_response(struct exchange *ex, const struct message *msg);
void init_cookie(struct exchange *ex, const struct message *msg);
void init_invalid_ke(struct exchange *ex, const struct message *msg);
void init_refused(struct exchange *ex, const struct message *msg);
void init_keyed(struct exchange *ex, const struct message *msg);
void init_request(struct exchange *ex, const struct message *msg);
void init_answer(struct exchange *ex, const struct message *msg);

/* exch_inter.c */
/* The additional key exchange that comes next, KE_NONE after the last. */
u16 inter_group(const struct ike_sa *sa);
/* What comes after a key exchange of ours that AUTH is to follow, queued. */
struct exchange *inter_or_auth(struct ike_sa *sa, const struct exchange *before);
void inter_start(struct exchange *ex, const struct message *msg);
void inter_send(struct exchange *ex, const struct message *msg);
void inter_response(struct exchange *ex, const struct message *msg);
void inter_refused(struct exchange *ex, const struct message *msg);
void inter_keyed(struct exchange *ex, const struct message *msg);
void inter_request(struct exchange *ex, const struct message *msg);
void inter_answer(struct exchange *ex, const struct message *msg);

/* exch_auth.c */
void auth_start(struct exchange *ex, const struct message *msg);
void auth_sign(struct exchange *ex, const struct message *msg);
void auth_without_ppk(struct exchange *ex, const struct message *msg);
void auth_with_ppk(struct exchange *ex, const struct message *msg);
void auth_send(struct exchange *ex, const struct message *msg);
void auth_response(struct exchange *ex, const struct message *msg);
void auth_refused(struct exchange *ex, const struct message *msg);
void auth_verified(struct exchange *ex, const struct message *msg);
void auth_installed(struct exchange *ex, const struct message *msg);
void auth_request(struct exchange *ex, const struct message *msg);
/* Type and value of a PPK_ID (RFC 8784 section 5.1) against ppk-id. */
bool auth_is_ppk_id(const struct msg_blob *id, const char *name);
void auth_request_with_ppk(struct exchange *ex, const struct message *msg);
void auth_request_verified(struct exchange *ex, const struct message *msg);
void auth_request_signed(struct exchange *ex, const struct message *msg);
void auth_request_conn(struct exchange *ex, const struct message *msg);
void auth_request_spi(struct exchange *ex, const struct message *msg);
void auth_request_installed(struct exchange *ex, const struct message *msg);

/* exch_child.c */
void child_start(struct exchange *ex, const struct message *msg);
void child_have_spi(struct exchange *ex, const struct message *msg);
void child_send(struct exchange *ex, const struct message *msg);
void child_response(struct exchange *ex, const struct message *msg);
void child_invalid_ke(struct exchange *ex, const struct message *msg);
void child_refused(struct exchange *ex, const struct message *msg);
void child_secret(struct exchange *ex, const struct message *msg);
void child_installed(struct exchange *ex, const struct message *msg);
void child_request(struct exchange *ex, const struct message *msg);
void child_request_secret(struct exchange *ex, const struct message *msg);
void child_request_spi(struct exchange *ex, const struct message *msg);
void child_request_more(struct exchange *ex, const struct message *msg);
void child_request_installed(struct exchange *ex, const struct message *msg);
/* What a request for a child is for. */
enum ex_purpose child_purpose(const struct message *msg);

/* exch_rekey.c */
void rekey_start(struct exchange *ex, const struct message *msg);
void rekey_send(struct exchange *ex, const struct message *msg);
void rekey_response(struct exchange *ex, const struct message *msg);
void rekey_invalid_ke(struct exchange *ex, const struct message *msg);
void rekey_refused(struct exchange *ex, const struct message *msg);
void rekey_keyed(struct exchange *ex, const struct message *msg);
void rekey_request(struct exchange *ex, const struct message *msg);
void rekey_answer(struct exchange *ex, const struct message *msg);
/* The rival of our own request, which forgets it; NULL if there is none. */
struct ike_sa *rekey_take_rival(struct ike_sa *old);
/* The peer's replacement takes over, ours is given up; false without one. */
bool rekey_yield(struct ike_sa *old);

/* exch_followup.c */
/* The additional key exchanges that this one shall have. */
void followup_choose(struct exchange *ex, const struct proposal *prop);
/* There are some to come. */
bool followup_left(const struct exchange *ex);
/* Ours: takes the peer's link to the next; false if it is missing. */
bool followup_link(struct exchange *ex, const struct message *msg);
/* The peer's, waiting, that would replace the same; NULL if there is none. */
const struct exchange *followup_rival(const struct exchange *ex);
void followup_start(struct exchange *ex);
void followup_send(struct exchange *ex, const struct message *msg);
void followup_response(struct exchange *ex, const struct message *msg);
void followup_init(struct ike_sa *sa);
/* Theirs: answers with a link, and waits for the request that has it. */
void followup_park(struct exchange *ex, struct emit *em);
/* What this request goes on with; NULL if there is none. */
struct exchange *followup_resume(struct ike_sa *sa, const struct message *msg);
void followup_forget(struct ike_sa *sa);
void followup_request(struct exchange *ex, const struct message *msg);
void followup_unknown(struct exchange *ex, const struct message *msg);

/* mobike.c */
void move_start(struct exchange *ex, const struct message *msg);
void move_response(struct exchange *ex, const struct message *msg);

/* exch_info.c */
bool info_deletes_ike(const struct message *msg);
void info_start(struct exchange *ex, const struct message *msg);
void info_response(struct exchange *ex, const struct message *msg);
void info_request(struct exchange *ex, const struct message *msg);

#endif
