/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration: one table in conf.c (key, type, range, default, meaning)
 * drives the reader, cygnet.conf(5), "cygnet check" and "cygnet show config".
 * The result is plain data in one piece without pointers, so that it can be
 * handed to the engine as bytes. It never holds a secret, only paths.
 *
 *	global {
 *		log-level = debug
 *	}
 *	connection office {
 *		remote  = 203.0.113.7
 *		psk     = office.psk
 *		protect = 10.1.0.0/16 <-> 10.2.0.0/16
 *	}
 */
#ifndef CYGNET_LIB_CONF_H
#define CYGNET_LIB_CONF_H

#include <stdio.h>

#include "addr.h"
#include "proposal.h"
#include "ts.h"

#ifndef CYGNET_SYSCONFDIR
#define CYGNET_SYSCONFDIR	"/etc"
#endif
#define CONF_PATH_DEFAULT	CYGNET_SYSCONFDIR "/cygnet/cygnet.conf"
#define CONF_NAME_MAX		64	/* with the terminating zero */
#define CONF_PATH_MAX		255
#define CONF_ID_MAX		512
#define CONF_PPK_ID_MAX		128
#define CONF_HOST_MAX		253	/* longest name of a host */
#define CONF_TS_MAX		16
#define CONF_REDIRECT_MAX	8
#define CONF_CONNS_MAX		4096
#define CONF_DEVICE_MAX		15	/* IFNAMSIZ - 1 */

/* Every key; conn_origin[] and conf_origin[] are indexed by these. */
enum conf_conn_key {
	CONF_LOCAL,
	CONF_REMOTE,
	CONF_REMOTE_PORT,
	CONF_LOCAL_ID,
	CONF_REMOTE_ID,
	CONF_PSK,
	CONF_CERT,
	CONF_KEY,
	CONF_PASSPHRASE,
	CONF_TRUST,
	CONF_REMOTE_KEY,
	CONF_CRL,
	CONF_SIGNATURES,
	CONF_EKU,
	CONF_PROTECT,
	CONF_MODE,
	CONF_IKE,
	CONF_POST_QUANTUM,
	CONF_PPK,
	CONF_PPK_ID,
	CONF_PPK_REQUIRED,
	CONF_ESP,
	CONF_AH,
	CONF_ESN,
	CONF_START,
	CONF_CHILDLESS,
	CONF_ENCAPSULATION,
	CONF_MOBIKE,
	CONF_REDIRECT,
	CONF_DEVICE,
	CONF_ADDRESS,
	CONF_POLICY_BASED,
	CONF_FWMARK,
	CONF_UNDERLAY,
	CONF_MTU,
	CONF_REKEY,
	CONF_REKEY_BYTES,
	CONF_IKE_LIFETIME,
	CONF_REAUTH,
	CONF_LIVENESS,
	CONF_RETRANSMIT_TIMEOUT,
	CONF_FRAGMENT_SIZE,
	CONF_KEEPALIVE,
	CONF_REPLAY_WINDOW,
	CONF_CONN_KEYS,
};

enum conf_global_key {
	CONF_IKE_PORT,
	CONF_NATT_PORT,
	CONF_IKE_FWMARK,
	CONF_CONTROL_DIR,
	CONF_LOG_LEVEL,
	CONF_GLOBAL_KEYS,
};

/* How one side proves who it is; each side has its own. */
enum conf_auth {
	CONF_AUTH_PSK,
	CONF_AUTH_CERT,		/* signature, key in an X.509 certificate */
	CONF_AUTH_KEY,		/* signature, raw public key (RFC 7670) */
};

/* Bits of conn_signatures. */
enum conf_signature {
	CONF_SIG_RSA_PSS = 1,
	CONF_SIG_ECDSA = 2,
	CONF_SIG_EDDSA = 4,
	CONF_SIG_RSA_PKCS1 = 8,
};

/* Extended key usages that a peer's certificate may have (RFC 4945 5.1.3.12). */
enum conf_eku { CONF_EKU_IKE, CONF_EKU_ANY };
enum conf_mode { CONF_MODE_TUNNEL, CONF_MODE_TRANSPORT };
enum conf_quantum { CONF_QUANTUM_PREFER, CONF_QUANTUM_REQUIRE };
enum conf_start { CONF_START_WAIT, CONF_START_TRAP, CONF_START_START };
enum conf_encapsulation { CONF_ENCAP_AUTO, CONF_ENCAP_UDP };
enum conf_log_level {
	CONF_LOG_ERROR,
	CONF_LOG_WARNING,
	CONF_LOG_INFO,
	CONF_LOG_DEBUG,
};

/* Identification payload types (RFC 7296 section 3.5). */
enum {
	ID_ADDRESS = 0,		/* ours: whatever address is in use */
	ID_IPV4_ADDR = 1,
	ID_FQDN = 2,
	ID_RFC822_ADDR = 3,
	ID_IPV6_ADDR = 5,
	ID_DER_ASN1_DN = 9,
	ID_KEY_ID = 11,
};

struct conf_id {
	u8 id_type;
	u16 id_len;
	u8 id_data[CONF_ID_MAX];	/* as on the wire */
};

struct conf_conn {
	char conn_name[CONF_NAME_MAX];
	u32 conn_line;			/* where the block begins */
	u32 conn_origin[CONF_CONN_KEYS];	/* line, 0 for a default */

	struct ip_addr conn_local;	/* AF_UNSPEC: what routing says */
	struct ip_addr conn_remote;	/* AF_UNSPEC: the name's, or any */
	char conn_remote_name[CONF_HOST_MAX + 1];	/* "": an address, or any */
	u16 conn_remote_port;
	struct conf_id conn_local_id;	/* ID_ADDRESS: the local address */
	struct conf_id conn_remote_id;	/* ID_ADDRESS: the remote address */
	/* Complete paths, "" where nothing is said. */
	char conn_psk[CONF_PATH_MAX + 1];
	char conn_cert[CONF_PATH_MAX + 1];
	char conn_key[CONF_PATH_MAX + 1];
	char conn_passphrase[CONF_PATH_MAX + 1];
	char conn_trust[CONF_PATH_MAX + 1];
	char conn_remote_key[CONF_PATH_MAX + 1];
	char conn_crl[CONF_PATH_MAX + 1];
	char conn_ppk[CONF_PATH_MAX + 1];
	char conn_ppk_id[CONF_PPK_ID_MAX + 1];	/* RFC 8784; "": no PPK */
	bool conn_ppk_required;
	u8 conn_signatures;		/* enum conf_signature */
	u8 conn_eku;			/* enum conf_eku */
	u8 conn_auth_local;		/* enum conf_auth, from the above */
	u8 conn_auth_remote;

	u8 conn_mode;			/* enum conf_mode */
	u8 conn_start;			/* enum conf_start */
	u8 conn_encapsulation;		/* enum conf_encapsulation */
	u8 conn_post_quantum;		/* enum conf_quantum */
	bool conn_esn;			/* false: never negotiate ESN */

	u8 conn_npairs;
	struct ts_pair conn_pairs[CONF_TS_MAX];
	u8 conn_pair_child[CONF_TS_MAX];	/* ascending, from 0 */
	bool conn_mobike;		/* RFC 4555 */
	u8 conn_nredirect;		/* RFC 5685: where the peer may send us */
	struct ip_addr conn_redirect[CONF_REDIRECT_MAX];
	bool conn_childless;		/* RFC 6023: no child in IKE_AUTH */
	u8 conn_nchildren;		/* child SAs; a protect line each */
	u8 conn_nike;
	struct proposal conn_ike[PROPOSALS_MAX];
	/* Of AH where the configuration says so; ESN transforms are filled in. */
	u8 conn_nesp;
	struct proposal conn_esp[PROPOSALS_MAX];

	char conn_device[CONF_DEVICE_MAX + 1];	/* "": choose cygN */
	/*
	 * AF_UNSPEC: one of our addresses inside the local side of protect,
	 * where there is one.
	 */
	struct ip_addr conn_address;
	bool conn_policy_based;		/* steering policies instead of routes */
	u32 conn_fwmark;		/* of outer packets; 0: none */
	char conn_underlay[CONF_DEVICE_MAX + 1];	/* "": any */
	u16 conn_mtu;			/* 0: automatic */
	u32 conn_replay_window;		/* packets */
	u64 conn_rekey_bytes;		/* 0: never */
	u32 conn_rekey;			/* seconds; 0: never; child SA */
	u32 conn_ike_lifetime;		/* seconds; 0: never */
	u32 conn_reauth;		/* seconds; 0: never */
	u32 conn_liveness;		/* seconds; 0: off */
	u32 conn_retransmit_timeout;	/* seconds */
	u32 conn_fragment_size;		/* bytes of an IP packet; 0: off */
	u32 conn_keepalive;		/* seconds; 0: off */
};

struct conf {
	size_t conf_size;		/* of the whole, connections included */
	char conf_path[CONF_PATH_MAX + 1];
	u32 conf_origin[CONF_GLOBAL_KEYS];
	u16 conf_ike_port;
	u16 conf_natt_port;
	u32 conf_fwmark;		/* of IKE's packets; 0: none */
	u8 conf_log_level;		/* enum conf_log_level */
	char conf_control_dir[80];
	u32 conf_nconns;
	struct conf_conn conf_conns[];	/* in the order of the file */
};

struct conf_message {
	bool msg_warning;
	u32 msg_line;			/* 0: the file as a whole */
	u32 msg_column;
	char msg_text[240];
};

struct conf_log {
	size_t log_count;
	size_t log_errors;
	struct conf_message *log_messages;
};

/*
 * Reads the whole file and reports everything that is wrong with it in *log
 * (which starts zeroed and is freed with conf_log_free()). Returns NULL if
 * there was an error; warnings alone return the configuration.
 */
struct conf *conf_read(const char *path, struct conf_log *log);
/* The same from memory; path only serves messages and relative paths. */
struct conf *conf_parse(const char *path, const char *text, size_t len,
			struct conf_log *log);
void conf_free(struct conf *conf);
/* True if these bytes are one intact struct conf, as received over IPC. */
bool conf_check_size(const void *data, size_t len);

/* "FILE:LINE:COLUMN: error: TEXT", a line each. */
void conf_log_print(FILE *file, const char *path, const struct conf_log *log);
void conf_log_free(struct conf_log *log);

const struct conf_conn *conf_find(const struct conf *conf, const char *name);
/* The name in conf that looks most like this one, or NULL. */
const char *conf_suggest(const struct conf *conf, const char *name);

/* The peer may come from anywhere, so only it can begin. */
bool conf_remote_is_any(const struct conf_conn *conn);
/* PROTO_ESP or PROTO_AH, for all of its child SAs. */
u8 conf_protocol(const struct conf_conn *conn);
/* The pairs of one of its child SAs, and how many there are. */
const struct ts_pair *conf_child_pairs(const struct conf_conn *conn, u8 child,
				       size_t *count);

/* One row of the table, for manual, completion and "show config". */
struct conf_key {
	const char *key_name;
	const char *key_type;		/* "address", "duration", … */
	const char *key_range;		/* "68-65535", "auto, udp", or NULL */
	const char *key_default;	/* as one would write it, or NULL */
	const char *key_meaning;
};

const struct conf_key *conf_conn_key(enum conf_conn_key key);
const struct conf_key *conf_global_key(enum conf_global_key key);
/* The effective value as one would write it. */
#define CONF_VALUE_STRLEN	(PROPOSALS_MAX * PROPOSAL_STRLEN)
const char *conf_conn_value(const struct conf_conn *conn,
			    enum conf_conn_key key, char *buf, size_t size);
const char *conf_global_value(const struct conf *conf,
			      enum conf_global_key key, char *buf,
			      size_t size);

/*
 * "10.0.0.1", "gw.example.org", "user@example.org", "key-id:…",
 * "C=DE, O=Example, CN=gw"
 */
const char *conf_id_print(const struct conf_id *id, char *buf, size_t size);
#define CONF_ID_STRLEN	(4 * CONF_ID_MAX + 16)
bool conf_id_parse(struct conf_id *id, const char *text, char *err,
		   size_t err_size);
/* The identity that an address stands for. */
void conf_id_from_addr(struct conf_id *id, const struct ip_addr *addr);
bool conf_id_equal(const struct conf_id *a, const struct conf_id *b);
/*
 * Whether an identity of a peer is the expected one. Distinguished names are
 * compared as X.500 does, and a value that is "*" in what is expected stands
 * for any: the attributes must be the same ones in the same order all the same.
 */
bool conf_id_fits(const struct conf_id *expected, const struct conf_id *actual);
/* It has such a value, so it is nobody's own. */
bool conf_id_is_pattern(const struct conf_id *id);

#endif
