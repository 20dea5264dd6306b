/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What keeper and engine say to each other.
 *
 * One SOCK_SEQPACKET pair, one struct ipc_msg a packet, plain data without
 * pointers. The engine asks, the keeper checks every request against the
 * configuration and answers it exactly once, with the same handle and
 * generation: an answer whose generation is no longer that of the asker is
 * dropped. What the configuration does not allow is refused and logged by the
 * keeper. A message that is malformed ends the engine, as does a request for
 * what is none of the connection's (see police.h).
 *
 * The keeper holds configuration, long-term keys and netlink, and parses
 * nothing remote. The engine holds session keys and parses everything remote.
 * Long-term keys never cross; child keys cross once and are wiped on both
 * sides.
 */
#ifndef CYGNETD_IPC_H
#define CYGNETD_IPC_H

#include <sys/types.h>

#include "conf.h"
#include "ts.h"

#define IPC_OCTETS_MAX	8192	/* longest octet string to be authenticated */
#define IPC_AUTH_MAX	1024	/* longest AUTH value: an RSA signature */
#define IPC_CRED_MAX	8192	/* of one object in one message */
#define IPC_RECORD_MAX	8192	/* of one record in one message */
#define IPC_KEY_MAX	64
#define IPC_INT_MAX	(2 * 64 + 4)	/* two outputs of a PRF, a message id */
#define IPC_TEXT_MAX	256
#define IPC_FDS_MAX	8	/* descriptors in one message */

enum ipc_type {
	/* keeper to engine, unasked */
	IPC_SOCKETS,		/* the first: sockets and listeners (SCM_RIGHTS) */
	IPC_CRED,		/* public certificates and keys, by their file */
	IPC_CONF,		/* a connection; sent before IPC_READY */
	IPC_ADOPTED,		/* a child SA pair found in the kernel at start */
	IPC_RESTART,		/* a connection with another content: down, then up */
	IPC_FORGET,		/* a connection that is no more: down */
	IPC_READY,		/* all of the above has been sent; after a reload again */
	IPC_ACQUIRE,		/* a packet met a protecting policy without SA */
	IPC_EXPIRE,		/* a lifetime of an SA has passed */

	/* engine to keeper, each answered by IPC_REPLY */
	IPC_PSK,		/* compute the AUTH value with the connection's PSK */
	IPC_SIGN,		/* the same with its private key */
	IPC_PPK,		/* mix its PPK into keys of an IKE SA */
	IPC_SPI,		/* reserve an inbound ESP SPI */
	IPC_CONN_UP,		/* device, address, routes, policies (traps) */
	IPC_CONN_DOWN,		/* take exactly these away, SAs included */
	IPC_CHILD_ADD,		/* install one or both directions of a child SA */
	IPC_CHILD_DEL,		/* delete one or both directions */
	IPC_CHILD_IDLE,		/* how long an inbound SA has been silent */
	IPC_RESOLVE,		/* both addresses to use for a connection */
	IPC_RELOAD,		/* read the configuration again; of no connection */

	/* both ways, unanswered: before IPC_ADOPTED what an engine has left */
	IPC_RECORD,		/* of an IKE SA or a connection, to be kept */

	IPC_REPLY,		/* keeper to engine */
	IPC_TYPES,
};

/*
 * What the descriptors of IPC_SOCKETS are, in their order. Families and ports
 * are asked of the sockets themselves.
 */
enum ipc_socket {
	IPC_SOCKET_IKE,			/* UDP 500 */
	IPC_SOCKET_NATT,		/* UDP 4500: with non-ESP marker */
	IPC_SOCKET_CONTROL,		/* listener, every command */
	IPC_SOCKET_STATUS,		/* listener, "status" only */
};

struct ipc_sockets {
	u32 io_n;
	u32 io_kind[IPC_FDS_MAX];	/* enum ipc_socket */
	u32 io_log_level;		/* enum conf_log_level */
};

/*
 * What stands in one of the configuration's files, in the order of the file:
 * the engine cannot open it. Each file is sent once, however many connections
 * name it. A long object comes in several messages, ix_more in all but the
 * last.
 */
struct ipc_cred {
	u32 ix_kind;		/* enum cred_kind */
	u8	 ix_begin;	/* forget what this file had before */
	u8	 ix_more;
	u32 ix_len;
	char	 ix_path[CONF_PATH_MAX + 1];
	u8	 ix_data[IPC_CRED_MAX];	/* DER */
};

enum ipc_side { IPC_LOCAL, IPC_REMOTE, IPC_SIDES };

/*
 * An AUTH value of RFC 7296 section 2.15. The keeper joins the octets that it
 * covers itself: the side's IKE_SA_INIT message, the other side's nonce,
 * prf(SK_p, the side's identity), and IntAuth of RFC 9242 where there were
 * IKE_INTERMEDIATE exchanges. So whatever it authenticates names this
 * connection's identity and is of use in IKEv2 alone.
 *
 * IPC_PSK: prf(prf(PSK, "Key Pad for IKEv2"), octets), of either side.
 * IPC_SIGN: our own signature.
 */
struct ipc_auth {
	u32 ia_side;		/* enum ipc_side */
	u32 ia_scheme;		/* IPC_SIGN: enum sign_scheme */
	u32 ia_prf;		/* IKEv2 transform type 2 */
	struct conf_id ia_id;	/* the configured one, or an address for auto */
	u32 ia_key_len;
	u8	 ia_key[IPC_KEY_MAX];	/* SK_pi or SK_pr */
	u32 ia_int_len;
	u8	 ia_int[IPC_INT_MAX];
	u32 ia_init_len, ia_nonce_len;
	u8	 ia_octets[IPC_OCTETS_MAX];	/* message, then nonce */
};

/* RFC 8784: SK_d, SK_pi and SK_pr, answered in that order. */
struct ipc_ppk {
	u32 ip_prf;		/* IKEv2 transform type 2 */
	u8	 ip_keys[3][IPC_KEY_MAX];
};

/* A name has several addresses, and a host several families: one a try. */
struct ipc_resolve {
	u32 iv_try;
};

struct ipc_spi {
	struct ip_addr is_local;	/* outer destination of the SA to come */
};

/* IPC_READY: the local ports behind the sockets, also for UDP encapsulation. */
struct ipc_ready {
	u16 iy_ike_port, iy_natt_port;
	u32 iy_log_level;		/* enum conf_log_level */
	u32 iy_epoch;			/* 16 bits, of this engine alone */
};

/*
 * What the keeper keeps of an IKE SA, or with no SPI of the connection itself,
 * for the engine that comes next. It is session keys and more: the keeper does
 * not look into it. A long one comes in several messages, rc_more in all but
 * the last. None of it is in force before one with rc_commit; without any data
 * it is forgotten.
 */
struct ipc_record {
	u8 rc_spi[8];
	u32 rc_epoch;			/* to the engine: its own */
	u8 rc_more, rc_commit;
	u32 rc_len;
	u8 rc_data[IPC_RECORD_MAX];
};

#define IPC_DIR_IN	1
#define IPC_DIR_OUT	2

struct ipc_key {
	u32 ik_len;
	u8	 ik_key[IPC_KEY_MAX];	/* with its salt for an AEAD */
};

/*
 * A child SA: directions to install in ic_dirs. The keeper makes or finds the
 * policy with exactly these selectors, refuses selectors outside the
 * connection's, and for IPC_DIR_OUT makes the SA the policy's current one.
 * Installing IN first and OUT later is how a rekey loses nothing.
 */
struct ipc_child {
	u32 ic_dirs;		/* IPC_DIR_IN | IPC_DIR_OUT */
	u32 ic_spi_in;		/* network byte order */
	u32 ic_spi_out;
	u16 ic_encr, ic_encr_bits;	/* IKEv2 transform type 1 */
	u16 ic_integ;		/* type 3; 0 for an AEAD */
	u8	 ic_esn;
	u8	 ic_encap;		/* UDP encapsulation */
	u8	 ic_roam;		/* only the peer is behind a NAT */
	struct ip_endpoint ic_local, ic_remote;
	struct ipc_key ic_encr_in, ic_encr_out, ic_integ_in, ic_integ_out;
	u32 ic_n_ts;
	struct ts_pair ic_ts[CONF_TS_MAX];
};

/*
 * IPC_CHILD_DEL and IPC_CHILD_IDLE use ic_dirs, the SPIs and the addresses;
 * IPC_CHILD_IDLE asks about ic_spi_in. An SA that is already gone is no error.
 *
 * IPC_RESOLVE: the keeper answers with the connection's remote address, looked
 * up if it is a name, and the local one, configured or else what routing says,
 * so that NAT detection hashes the truth.
 */

/* IPC_ACQUIRE: the packet's selectors; IPC_EXPIRE and IPC_ADOPTED: the SAs. */
struct ipc_event {
	u32 ie_spi_in, ie_spi_out;	/* network byte order, 0 if unknown */
	u32 ie_hard;		/* IPC_EXPIRE: hard or sequence, not soft */
	struct ip_endpoint ie_local, ie_remote;
	u32 ie_n_ts;
	struct ts_pair ie_ts[CONF_TS_MAX];
};

struct ipc_reply {
	u32 ir_errno;		/* 0, or why not */
	char	 ir_text[IPC_TEXT_MAX];	/* for the log: what was refused and why */
	u32 ir_spi;		/* IPC_SPI, network byte order */
	char	 ir_device[16];		/* IPC_CONN_UP: what was set up */
	u32 ir_mtu;
	u64 ir_idle_ms;		/* IPC_CHILD_IDLE: since the last packet */
	struct ip_addr ir_local, ir_remote;	/* IPC_RESOLVE */
	u32 ir_len;		/* IPC_PSK, IPC_SIGN, IPC_PPK */
	u8	 ir_auth[IPC_AUTH_MAX];
};

struct ipc_msg {
	u32 im_type;		/* enum ipc_type */
	u32 im_handle;		/* the asker's, returned as it was */
	u32 im_generation;
	char	 im_conn[CONF_NAME_MAX];/* connection, zero-terminated */
	union {
		struct conf_conn  im_conf;
		struct ipc_sockets im_sockets;
		struct ipc_auth	  im_auth;
		struct ipc_ppk	  im_ppk;
		struct ipc_cred	  im_cred;
		struct ipc_resolve im_resolve;
		struct ipc_spi	  im_spi;
		struct ipc_child  im_child;
		struct ipc_event  im_event;
		struct ipc_ready  im_ready;
		struct ipc_record im_record;
		struct ipc_reply  im_reply;
	};
};

/**
 * ipc_send() - send one message
 * @fd: the socket pair's end
 * @msg: only as much as its type needs is sent
 * @fds: descriptors to pass (SCM_RIGHTS), or NULL
 * @n_fds: how many
 *
 * Return: 0, or -1 with errno.
 */
int ipc_send(int fd, const struct ipc_msg *msg, const int *fds, int n_fds);

/**
 * ipc_recv() - receive one message and check its shape
 * @fd: the socket pair's end
 * @msg: filled; strings are terminated, counts within their arrays
 * @fds: descriptors received, the caller's to close
 * @n_fds: in, room in @fds; out, how many
 *
 * Return: 1 for a message, 0 if the other side has gone, -1 with errno
 * (EBADMSG for a message of the wrong shape).
 */
int ipc_recv(int fd, struct ipc_msg *msg, int *fds, int *n_fds);

#endif
