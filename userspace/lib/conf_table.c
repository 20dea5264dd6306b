// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table of the configuration's keys: what the reader takes, what the
 * manual says and what holds when nothing is said.
 */

#include <string.h>

#include "../../include/uapi/linux/cygnet.h"
#include "conf_value.h"
#include "control.h"
#include "text.h"

#define DAY 86400

static const char *const modes[] = { "tunnel", "transport", NULL };
static const char *const starts[] = { "wait", "trap", "start", NULL };
static const char *const encapsulations[] = { "auto", "udp", NULL };
static const char *const ekus[] = { "ike", "any", NULL };
static const char *const quantum[] = { "prefer", "require", NULL };
static const char *const yes_no[] = { "no", "yes", NULL };
static const char *const log_levels[] = {
	"error", "warning", "info", "debug", NULL
};

#define MEMBER(name) \
	.row_offset = offsetof(struct conf_conn, conn_ ## name), \
	.row_size = sizeof(((struct conf_conn *)0)->conn_ ## name)
#define GLOBAL(name) \
	.row_offset = offsetof(struct conf, conf_ ## name), \
	.row_size = sizeof(((struct conf *)0)->conf_ ## name)

const struct conf_row conf_conn_rows[CONF_CONN_KEYS] = {
	[CONF_LOCAL] = {
		{ "local", "address", NULL, "auto",
		  "Our outer address. With auto it is the one that routing chooses towards remote."
		},
		&conf_type_address, MEMBER(local), .row_zero = "auto",
	},
	[CONF_REMOTE] = {
		{ "remote", "address or name", NULL, NULL,
		  "The peer's outer address, or its name, which is looked up anew at each attempt; of several addresses each gets its turn, and whoever proves to be remote-id may come from another one. With any the peer may come from everywhere; then remote-id must be given, and only the peer can start."
		},
		&conf_type_remote, MEMBER(remote), .row_zero = "any",
		.row_required = true,
	},
	[CONF_REMOTE_PORT] = {
		{ "remote-port", "number", "1-65535", "500",
		  "UDP port of the peer that we start at. At any other than 500, such as 4500, IKE and ESP share that port from the first message on (RFC 3948)."
		},
		&conf_type_number, MEMBER(remote_port), .row_min = 1,
		.row_max = 65535,
	},
	[CONF_LOCAL_ID] = {
		{ "local-id", "identity", NULL, "auto",
		  "Who we say we are: an address, a name (gw.example.org), user@example.org, a distinguished name (C=DE, O=Example, CN=gw), or key-id:TEXT. With auto it is what our certificate says first: a name, an address, its subject; without one it is our outer address."
		},
		&conf_type_id, MEMBER(local_id), .row_zero = "auto",
	},
	[CONF_REMOTE_ID] = {
		{ "remote-id", "identity", NULL, "auto",
		  "Who the peer must prove to be. With auto it is what stands at remote: the name or the address. In a distinguished name the value * stands for any one: C=DE, O=Example, CN=*."
		},
		&conf_type_id, MEMBER(remote_id), .row_zero = "auto",
	},
	[CONF_PSK] = {
		{ "psk", "file", NULL, "none",
		  "File with the pre-shared key, seen from the configuration's folder. Only its owner, root or cygnetd's user, may have access to it (mode 0600). It holds text, hex after 0x or base64 after 0s."
		},
		&conf_type_path, MEMBER(psk), .row_zero = "none",
	},
	[CONF_CERT] = {
		{ "cert", "file", NULL, "none",
		  "Our certificate in PEM, and after it those of intermediate authorities that the peer may lack. We then authenticate with it; it needs a key."
		},
		&conf_type_path, MEMBER(cert), .row_zero = "none",
	},
	[CONF_KEY] = {
		{ "key", "file", NULL, "none",
		  "Our private key in PEM: RSA of 2048 bits and more, ECDSA on P-256, P-384 or P-521, Ed25519 or Ed448. Who may have access to the file is as with psk. Without a cert we authenticate with the raw public key."
		},
		&conf_type_path, MEMBER(key), .row_zero = "none",
	},
	[CONF_PASSPHRASE] = {
		{ "passphrase", "file", NULL, "none",
		  "File with the passphrase of an encrypted key; access as with psk."
		},
		&conf_type_path, MEMBER(passphrase), .row_zero = "none",
	},
	[CONF_TRUST] = {
		{ "trust", "file or folder", NULL, "none",
		  "Certificates of the authorities, in PEM, that may vouch for the peer. The peer must then authenticate with a certificate that names it as remote-id says: in its subjectAltName or, for a distinguished name, as its subject."
		},
		&conf_type_path, MEMBER(trust), .row_zero = "none",
	},
	[CONF_REMOTE_KEY] = {
		{ "remote-key", "file", NULL, "none",
		  "The peer's public key in PEM, or a certificate of which only the key counts. The peer must then sign with it; nobody needs to vouch for it."
		},
		&conf_type_path, MEMBER(remote_key), .row_zero = "none",
	},
	[CONF_CRL] = {
		{ "crl", "file or folder", NULL, "none",
		  "Revocation lists in PEM or DER. With them each authority between the peer and trust must have a current one."
		},
		&conf_type_path, MEMBER(crl), .row_zero = "none",
	},
	[CONF_SIGNATURES] = {
		{ "signatures", "words", "rsa-pss, ecdsa, eddsa, rsa-pkcs1",
		  "rsa-pss, ecdsa, eddsa",
		  "Kinds of signature, ours and the peer's. Only where rsa-pkcs1 stands here is it used; with a peer that knows no better its hash is SHA-1."
		},
		&conf_type_signatures, MEMBER(signatures),
	},
	[CONF_EKU] = {
		{ "eku", "word", "ike, any", "ike",
		  "Purposes that the peer's certificate must allow, if it names any: IKE (or all), or any at all, such as those for web servers."
		},
		&conf_type_word, MEMBER(eku), .row_words = ekus,
	},
	[CONF_PROTECT] = {
		{ "protect", "networks", NULL, NULL,
		  "What travels protected: LOCAL <-> REMOTE, each a network, range or address, or several with commas between them (then each local one with each remote one), with a protocol and ports behind it where only those are meant: 10.1.0.0/16 <-> 10.2.0.5 tcp 443. In transport mode there are no networks: tcp 5432 is that port of either host, udp 53 <-> udp that of ours alone, any all that the two say to each other. May be repeated, for a child SA each; at most 16 pairs."
		},
		&conf_type_protect, MEMBER(pairs), .row_required = true,
		.row_repeats = true,
	},
	[CONF_MODE] = {
		{ "mode", "word", "tunnel, transport", "tunnel",
		  "Whether whole packets travel between networks, or what local and remote say to each other keeps its header. The peer must want the same. In transport mode what is not protected is refused from the moment that the connection is up; where remote is any or a name, from the moment that the peer is there."
		},
		&conf_type_word, MEMBER(mode), .row_words = modes,
	},
	[CONF_IKE] = {
		{ "ike", "proposals", NULL, IKE_DEFAULT_TEXT,
		  "Algorithms for the IKE SA: cipher, hash and key exchange joined by dashes (aes256gcm-sha256-x25519); several of a kind are alternatives in order of preference, commas separate whole proposals. With + a key exchange is added to the first (x25519+mlkem768); of the default that proposal is left out where OpenSSL is older than 3.5."
		},
		&conf_type_ike, MEMBER(ike),
	},
	[CONF_POST_QUANTUM] = {
		{ "post-quantum", "word", "prefer, require", "prefer",
		  "Whether the IKE SA must have a key exchange that withstands quantum computers (ML-KEM), which protects what its tunnels carry too. With require, proposals without it are neither made nor taken."
		},
		&conf_type_word, MEMBER(post_quantum), .row_words = quantum,
	},
	[CONF_PPK] = {
		{ "ppk", "file", NULL, "none",
		  "File with a post-quantum pre-shared key (RFC 8784), which goes into all keys but those of the first IKE SA itself; written, and access as, with psk. It should be random and of 32 bytes at least. Both sides need the same one."
		},
		&conf_type_path, MEMBER(ppk), .row_zero = "none",
	},
	[CONF_PPK_ID] = {
		{ "ppk-id", "text", NULL, "none",
		  "Name of the key in ppk, by which the two sides know that they mean the same one."
		},
		&conf_type_text, MEMBER(ppk_id), .row_zero = "none",
	},
	[CONF_PPK_REQUIRED] = {
		{ "ppk-required", "word", "yes, no", "yes",
		  "Whether a peer that does not use our ppk is refused. With no it may go without, which the log and cygnet show tell."
		},
		&conf_type_word, MEMBER(ppk_required), .row_words = yes_no,
	},
	[CONF_ESP] = {
		{ "esp", "proposals", NULL, ESP_DEFAULT_TEXT,
		  "Algorithms for the traffic: cipher and, for perfect forward secrecy when keys are renewed, a key exchange (aes256gcm-x25519). The word none makes the key exchange optional; esn or noesn decide on sequence numbers instead of the key esn."
		},
		&conf_type_esp, MEMBER(esp),
	},
	[CONF_AH] = {
		{ "ah", "proposals", NULL, "none",
		  "Algorithms for traffic that is authenticated and not encrypted, by AH (RFC 4302) instead of ESP: a hash and perhaps a key exchange (sha256-x25519). It cannot pass a NAT."
		},
		&conf_type_ah, MEMBER(esp),
	},
	[CONF_ESN] = {
		{ "esn", "word", "yes, no", "yes",
		  "Whether 64-bit sequence numbers are preferred; with no they are never used."
		},
		&conf_type_word, MEMBER(esn), .row_words = yes_no,
	},
	[CONF_START] = {
		{ "start", "word", "wait, trap, start", "wait",
		  "When the connection comes up: wait for the peer or cygnet up, trap the first packet, or start with cygnetd."
		},
		&conf_type_word, MEMBER(start), .row_words = starts,
	},
	[CONF_CHILDLESS] = {
		{ "childless", "word", "yes, no", "no",
		  "Whether the IKE SA comes up alone, and the first child SA after it, with a key exchange of its own (RFC 6023). A peer that cannot gets the child with IKE_AUTH, as usual; as responder we can."
		},
		&conf_type_word, MEMBER(childless), .row_words = yes_no,
	},
	[CONF_ENCAPSULATION] = {
		{ "encapsulation", "word", "auto, udp", "auto",
		  "Whether ESP travels inside UDP: only where a NAT is found (auto), or always (udp)."
		},
		&conf_type_word, MEMBER(encapsulation),
		.row_words = encapsulations,
	},
	[CONF_MOBIKE] = {
		{ "mobike", "word", "yes, no", "no",
		  "Whether the side that began may change its address and keep the tunnel (RFC 4555), which needs local = auto there and remote = any here. IKE then goes to port 4500 from the start."
		},
		&conf_type_word, MEMBER(mobike), .row_words = yes_no,
	},
	[CONF_REDIRECT] = {
		{ "redirect", "addresses", NULL, "none",
		  "Other gateways to which the peer may send us (RFC 5685), with commas between them; up to 8. They must prove to be remote-id too. With none we stay where we are."
		},
		&conf_type_redirect, MEMBER(redirect), .row_zero = "none",
	},
	[CONF_DEVICE] = {
		{ "device", "name", NULL, "auto",
		  "Network device of the connection. With auto it is the first free one of cyg0, cyg1 and so on."
		},
		&conf_type_device, MEMBER(device), .row_zero = "auto",
	},
	[CONF_ADDRESS] = {
		{ "address", "address", NULL, "auto",
		  "Inner address of the device. With auto it is one of this host's addresses inside the local side of protect, if there is one."
		},
		&conf_type_address, MEMBER(address), .row_zero = "auto",
	},
	[CONF_POLICY_BASED] = {
		{ "policy-based", "word", "yes, no", "no",
		  "Whether what protect names is pulled into the device wherever it was routed, and cleartext of it is refused, instead of there being routes to the device. The system's routes stay as they are, also where protect says 0.0.0.0/0. The device then has an address only where one is given. In transport mode it is always so."
		},
		&conf_type_word, MEMBER(policy_based), .row_words = yes_no,
	},
	[CONF_FWMARK] = {
		{ "fwmark", "number", "1-4294967295, none", "none",
		  "Mark of the packets that carry the traffic, for rules (ip-rule(8)) that lead them past the routes to the device: with protect = 0.0.0.0/0 these would lead back into it. IKE's own packets are marked by fwmark in global."
		},
		&conf_type_number, MEMBER(fwmark), .row_min = 1,
		.row_max = 0xffffffff, .row_zero = "none",
	},
	[CONF_UNDERLAY] = {
		{ "underlay", "name", NULL, "none",
		  "Network device, or VRF, by which alone the packets leave that carry the traffic."
		},
		&conf_type_device, MEMBER(underlay), .row_zero = "none",
	},
	[CONF_MTU] = {
		{ "mtu", "number", "68-65535, auto", "auto",
		  "MTU of the device. With auto it follows the path to the peer, less what protection adds."
		},
		&conf_type_number, MEMBER(mtu), .row_min = 68,
		.row_max = 65535, .row_zero = "auto",
	},
	[CONF_REKEY] = {
		{ "rekey", "duration", "5s-7d, off", "1h",
		  "Age at which the keys of the traffic are renewed."
		},
		&conf_type_duration, MEMBER(rekey), .row_min = 5,
		.row_max = 7 * DAY, .row_zero = "off",
	},
	[CONF_REKEY_BYTES] = {
		{ "rekey-bytes", "bytes", "64K-1024T, off", "off",
		  "Traffic after which its keys are renewed."
		},
		&conf_type_bytes, MEMBER(rekey_bytes), .row_min = 1 << 16,
		.row_max = 1ULL << 50, .row_zero = "off",
	},
	[CONF_IKE_LIFETIME] = {
		{ "ike-lifetime", "duration", "1m-7d, off", "8h",
		  "Age at which the keys of the IKE SA are renewed."
		},
		&conf_type_duration, MEMBER(ike_lifetime), .row_min = 60,
		.row_max = 7 * DAY, .row_zero = "off",
	},
	[CONF_REAUTH] = {
		{ "reauth", "duration", "1m-30d, off", "off",
		  "Age at which both sides prove anew who they are: whoever began makes a new IKE SA beside the old one, which goes when the new one carries the traffic. A peer that began is told so (RFC 4478)."
		},
		&conf_type_duration, MEMBER(reauth), .row_min = 60,
		.row_max = 30 * DAY, .row_zero = "off",
	},
	[CONF_LIVENESS] = {
		{ "liveness", "duration", "1s-1d, off", "30s",
		  "Silence after which the peer is asked whether it lives."
		},
		&conf_type_duration, MEMBER(liveness), .row_min = 1,
		.row_max = DAY, .row_zero = "off",
	},
	[CONF_RETRANSMIT_TIMEOUT] = {
		{ "retransmit-timeout", "duration", "2s-10m", "1m",
		  "How long a request of IKE without an answer is repeated, at growing intervals, before the peer counts as gone. With liveness it is the time to notice that."
		},
		&conf_type_duration, MEMBER(retransmit_timeout), .row_min = 2,
		.row_max = 600,
	},
	[CONF_FRAGMENT_SIZE] = {
		{ "fragment-size", "number", "576-65535, off", "1280",
		  "Longest IP packet that a message of IKE is sent in where the peer takes fragments (RFC 7383). If no answer comes, an IPv4 peer is sent packets of 576 bytes. With off there are no fragments in either direction."
		},
		&conf_type_number, MEMBER(fragment_size), .row_min = 576,
		.row_max = 65535, .row_zero = "off",
	},
	[CONF_KEEPALIVE] = {
		{ "keepalive", "duration", "1s-1h, off", "20s",
		  "Silence after which a NAT in between is kept awake."
		},
		&conf_type_duration, MEMBER(keepalive), .row_min = 1,
		.row_max = 3600, .row_zero = "off",
	},
	[CONF_REPLAY_WINDOW] = {
		{ "replay-window", "number", "32-4096", "1024",
		  "Packets by which one may come late without being taken for a replay."
		},
		&conf_type_number, MEMBER(replay_window),
		.row_min = CYGNET_REPLAY_WINDOW_MIN,
		.row_max = CYGNET_REPLAY_WINDOW_MAX,
	},
};

const struct conf_row conf_global_rows[CONF_GLOBAL_KEYS] = {
	[CONF_IKE_PORT] = {
		{ "ike-port", "number", "1-65535", "500",
		  "UDP port for IKE."
		},
		&conf_type_number, GLOBAL(ike_port), .row_min = 1,
		.row_max = 65535,
	},
	[CONF_NATT_PORT] = {
		{ "natt-port", "number", "1-65535", "4500",
		  "UDP port for IKE and ESP behind a NAT (RFC 3948)."
		},
		&conf_type_number, GLOBAL(natt_port), .row_min = 1,
		.row_max = 65535,
	},
	[CONF_IKE_FWMARK] = {
		{ "fwmark", "number", "1-4294967295, none", "none",
		  "Mark of all packets of IKE, for the same rules as fwmark of a connection."
		},
		&conf_type_number, GLOBAL(fwmark), .row_min = 1,
		.row_max = 0xffffffff, .row_zero = "none",
	},
	[CONF_CONTROL_DIR] = {
		{ "control-dir", "folder", NULL, CONTROL_DIR_DEFAULT,
		  "Folder of the sockets control and status."
		},
		&conf_type_path, GLOBAL(control_dir),
	},
	[CONF_LOG_LEVEL] = {
		{ "log-level", "word", "error, warning, info, debug", "info",
		  "How much cygnetd tells."
		},
		&conf_type_word, GLOBAL(log_level), .row_words = log_levels,
	},
};

static void set_default(struct conf_reader *reader,
			const struct conf_row *row, void *base)
{
	struct conf_value value = { 0 };
	char text[PROPOSAL_STRLEN];

	if (!row->row_key.key_default)
		return;
	text_copy(text, sizeof(text), row->row_key.key_default);
	value.val_text = text;
	row->row_type->type_parse(reader, row, base, &value);
}

void conf_default_conn(struct conf_reader *reader, struct conf_conn *conn)
{
	size_t i;

	memset(conn, 0, sizeof(*conn));
	for (i = 0; i < CONF_CONN_KEYS; i++)
		set_default(reader, &conf_conn_rows[i], conn);
}

void conf_default_global(struct conf_reader *reader, struct conf *conf)
{
	size_t i;

	for (i = 0; i < CONF_GLOBAL_KEYS; i++)
		set_default(reader, &conf_global_rows[i], conf);
}

void conf_check_required(struct conf_reader *reader,
			 const struct conf_conn *conn)
{
	size_t i;

	for (i = 0; i < CONF_CONN_KEYS; i++)
		if (conf_conn_rows[i].row_required && !conn->conn_origin[i])
			conf_error(reader, conn->conn_line, 1,
				   "connection %s has no %s", conn->conn_name,
				   conf_conn_rows[i].row_key.key_name);
	if (!conn->conn_origin[CONF_PSK] && !conn->conn_origin[CONF_KEY] &&
	    !conn->conn_origin[CONF_CERT] && !conn->conn_origin[CONF_TRUST] &&
	    !conn->conn_origin[CONF_REMOTE_KEY])
		conf_error(reader, conn->conn_line, 1,
			   "connection %s has no psk, nor cert, key and trust: how do the sides know each other?",
			   conn->conn_name);
}

static void check_any(struct conf_reader *reader, const struct conf_conn *conn)
{
	if (!conn->conn_origin[CONF_REMOTE] || !conf_remote_is_any(conn))
		return;
	if (conn->conn_remote_id.id_type == ID_ADDRESS)
		conf_error(reader, conn->conn_origin[CONF_REMOTE], 1,
			   "remote = any needs a remote-id: who may come?");
	if (conn->conn_start != CONF_START_WAIT)
		conf_error(reader, conn->conn_origin[CONF_START], 1,
			   "remote = any can only wait: where should it start to?");
}

static void check_families(struct conf_reader *reader,
			   const struct conf_conn *conn)
{
	if (ip_addr_len(&conn->conn_local) && ip_addr_len(&conn->conn_remote) &&
	    conn->conn_local.ip_family != conn->conn_remote.ip_family)
		conf_error(reader, conn->conn_origin[CONF_LOCAL], 1,
			   "local and remote are not of one address family");
}

static void check_address(struct conf_reader *reader,
			  const struct conf_conn *conn)
{
	size_t i;

	if (!ip_addr_len(&conn->conn_address) || !conn->conn_npairs)
		return;
	for (i = 0; i < conn->conn_npairs; i++)
		if (ip_range_contains(&conn->conn_pairs[i].pair_local.ts_addrs,
				      &conn->conn_address))
			return;
	conf_warning(reader, conn->conn_origin[CONF_ADDRESS], 1,
		     "address is outside the local side of protect: what is sent from it will not be protected");
}

static void check_mode(struct conf_reader *reader,
		       const struct conf_conn *conn)
{
	bool transport = conn->conn_mode == CONF_MODE_TRANSPORT;
	size_t i;

	for (i = 0; i < conn->conn_npairs; i++) {
		const struct ts_pair *pair = &conn->conn_pairs[i];

		if (ts_is_host(&pair->pair_local) == transport &&
		    ts_is_host(&pair->pair_remote) == transport)
			continue;
		if (transport)
			conf_error(reader, conn->conn_origin[CONF_PROTECT], 1,
				   "mode = transport protects what the two hosts say to each other: leave networks out of protect");
		else
			conf_error(reader, conn->conn_origin[CONF_PROTECT], 1,
				   "protect without networks is for mode = transport: otherwise write \"LOCAL <-> REMOTE\"");
		return;
	}
}

static void check_ah(struct conf_reader *reader, const struct conf_conn *conn)
{
	if (!conn->conn_nesp)
		conf_error(reader, conn->conn_origin[CONF_ESP], 1,
			   "neither esp nor ah is left");
	if (conf_protocol(conn) == PROTO_AH &&
	    conn->conn_encapsulation == CONF_ENCAP_UDP)
		conf_error(reader, conn->conn_origin[CONF_ENCAPSULATION], 1,
			   "AH cannot travel inside UDP: use esp");
}

/* Whoever is called by a name is expected to prove that name. */
static void name_remote(struct conf_conn *conn)
{
	struct conf_id *id = &conn->conn_remote_id;
	char err[64];

	if (conn->conn_remote_name[0] && id->id_type == ID_ADDRESS)
		conf_id_parse(id, conn->conn_remote_name, err, sizeof(err));
}

static void check_trap(struct conf_reader *reader, const struct conf_conn *conn)
{
	if (conn->conn_mode == CONF_MODE_TRANSPORT &&
	    conn->conn_start == CONF_START_TRAP && conn->conn_remote_name[0])
		conf_error(reader, conn->conn_origin[CONF_START], 1,
			   "start = trap in transport mode needs the address of remote, not its name");
}

/* Only what has ML-KEM in it, if that is required. */
static void check_quantum(struct conf_reader *reader, struct conf_conn *conn)
{
	char text[PROPOSAL_STRLEN];
	u8 i, kept = 0;

	if (conn->conn_post_quantum != CONF_QUANTUM_REQUIRE)
		return;
	for (i = 0; i < conn->conn_nike; i++) {
		if (proposal_is_quantum(&conn->conn_ike[i]))
			conn->conn_ike[kept++] = conn->conn_ike[i];
		else if (conn->conn_origin[CONF_IKE])
			conf_error(reader, conn->conn_origin[CONF_IKE], 1,
				   "post-quantum = require, but %.100s may do without ML-KEM: add it, as in x25519+mlkem768",
				   proposal_print(&conn->conn_ike[i], text,
						  sizeof(text)));
	}
	conn->conn_nike = kept;
	if (!kept && !conn->conn_origin[CONF_IKE])
		conf_error(reader, conn->conn_origin[CONF_POST_QUANTUM], 1,
			   "post-quantum = require needs ML-KEM, which is in OpenSSL 3.5 and newer");
}

void conf_check_conn(struct conf_reader *reader, struct conf_conn *conn)
{
	size_t i;

	name_remote(conn);
	check_trap(reader, conn);
	check_any(reader, conn);
	conf_check_auth(reader, conn);
	check_families(reader, conn);
	check_address(reader, conn);
	check_mode(reader, conn);
	check_ah(reader, conn);
	check_quantum(reader, conn);
	for (i = 0; i < conn->conn_nesp; i++)
		proposal_set_esn(&conn->conn_esp[i], conn->conn_esn);
}

const struct conf_key *conf_conn_key(enum conf_conn_key key)
{
	return &conf_conn_rows[key].row_key;
}

const struct conf_key *conf_global_key(enum conf_global_key key)
{
	return &conf_global_rows[key].row_key;
}

const char *conf_conn_value(const struct conf_conn *conn,
			    enum conf_conn_key key, char *buf, size_t size)
{
	const struct conf_row *row = &conf_conn_rows[key];

	row->row_type->type_print(row, conn, buf, size);
	return buf;
}

const char *conf_global_value(const struct conf *conf,
			      enum conf_global_key key, char *buf, size_t size)
{
	const struct conf_row *row = &conf_global_rows[key];

	row->row_type->type_print(row, conf, buf, size);
	return buf;
}
