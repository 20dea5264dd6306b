// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The engine may be in an attacker's hands. Everything it wants done is held
 * against the configuration here: no selector wider, no endpoint other, no
 * algorithm weaker than what stands in the file.
 */
#include <errno.h>

#include "backend.h"
#include "crypto.h"
#include "police.h"
#include "wire.h"

#define SPI_MIN 256	/* RFC 4303 section 2.1 */

static bool proposals_have(const struct proposal *props, size_t n, u8 type,
			   u16 id)
{
	struct transform tr = { .tr_type = type, .tr_id = id };

	for (size_t i = 0; i < n; i++)
		if (proposal_has(&props[i], &tr))
			return true;
	return false;
}

static int check_side(const struct conf_conn *conn, enum ipc_type type,
		      const struct ipc_auth *auth, struct ipc_reply *reply)
{
	bool psk;
	u8 how;

	if (auth->ia_side != IPC_LOCAL && auth->ia_side != IPC_REMOTE)
		return reply_refuse(reply, EINVAL, "no such side");
	how = auth->ia_side == IPC_LOCAL ? conn->conn_auth_local :
					   conn->conn_auth_remote;
	if (type == IPC_SIGN && auth->ia_side != IPC_LOCAL)
		return reply_refuse(reply, EPERM, "a signature of the peer's");
	psk = how == CONF_AUTH_PSK;
	if (type == IPC_PSK ? !psk : psk)
		return reply_refuse(reply, EACCES,
				    "that side authenticates %s pre-shared key",
				    psk ? "by" : "without");
	return 0;
}

/* The identity that an address stands for, where none is configured. */
static bool is_address(const struct conf_id *id, const struct ip_addr *addr)
{
	struct conf_id expected;

	if (addr->ip_family != AF_UNSPEC) {
		conf_id_from_addr(&expected, addr);
		return conf_id_equal(&expected, id);
	}
	return (id->id_type == ID_IPV4_ADDR && id->id_len == 4) ||
	       (id->id_type == ID_IPV6_ADDR && id->id_len == 16);
}

/* Another gateway that the peer sends us to has its own address. */
static bool is_redirect_id(const struct conf_conn *conn, const struct conf_id *id)
{
	for (size_t i = 0; i < conn->conn_nredirect; i++)
		if (is_address(id, &conn->conn_redirect[i]))
			return true;
	return false;
}

static bool is_identity(const struct conf_conn *conn,
			const struct ipc_auth *auth)
{
	bool local = auth->ia_side == IPC_LOCAL;
	const struct conf_id *id = local ? &conn->conn_local_id :
					   &conn->conn_remote_id;

	if (id->id_type == ID_ADDRESS)
		return is_address(&auth->ia_id, local ? &conn->conn_local :
							&conn->conn_remote) ||
		       (!local && is_redirect_id(conn, &auth->ia_id));
	/* Nothing that a peer wrote is parsed here. */
	if (id->id_type == ID_DER_ASN1_DN)
		return conf_id_equal(id, &auth->ia_id);
	return conf_id_fits(id, &auth->ia_id);
}

static bool is_init(const u8 *message, size_t len)
{
	return len >= MSG_HEADER_LEN && message[17] == MSG_VERSION_2 &&
	       message[18] == IKE_SA_INIT && !get_be32(message + 20) &&
	       get_be32(message + 24) == len;
}

int police_prf(const struct conf_conn *conn, u32 prf, struct ipc_reply *reply)
{
	if (prf <= 0xffff &&
	    proposals_have(conn->conn_ike, conn->conn_nike, TRANSFORM_PRF, prf))
		return 0;
	return reply_refuse(reply, EACCES, "PRF %u is in no ike proposal", prf);
}

int police_auth(const struct conf_conn *conn, enum ipc_type type,
		const struct ipc_auth *auth, struct ipc_reply *reply)
{
	int ret = check_side(conn, type, auth, reply);

	if (ret)
		return ret;
	ret = police_prf(conn, auth->ia_prf, reply);
	if (ret)
		return ret;
	if (!is_identity(conn, auth))
		return reply_refuse(reply, EPERM,
				    "an identity that is not the connection's");
	if (auth->ia_key_len != crypto_prf_len(auth->ia_prf) ||
	    (auth->ia_int_len && auth->ia_int_len != 2 * auth->ia_key_len + 4) ||
	    !is_init(auth->ia_octets, auth->ia_init_len) ||
	    auth->ia_nonce_len < MSG_NONCE_MIN ||
	    auth->ia_nonce_len > MSG_NONCE_MAX)
		return reply_refuse(reply, EINVAL,
				    "octets that no AUTH payload covers");
	return 0;
}

static bool family_valid(const struct ip_addr *addr)
{
	return addr->ip_family == AF_INET || addr->ip_family == AF_INET6;
}

/* An address of the engine's against the configured one. */
static int check_addr(const struct ip_addr *addr, const struct ip_addr *allowed,
		      const char *key, struct ipc_reply *reply)
{
	char buf[IP_ADDR_STRLEN], want[IP_ADDR_STRLEN];

	if (!family_valid(addr))
		return reply_refuse(reply, EINVAL, "%s address of no family",
				    key);
	if (allowed->ip_family != AF_UNSPEC && !ip_addr_equal(addr, allowed))
		return reply_refuse(reply, EPERM,
				    "%s address %s, but %s = %s is configured",
				    key, ip_addr_print(addr, buf), key,
				    ip_addr_print(allowed, want));
	if (ip_addr_is_any(addr))
		return reply_refuse(reply, EPERM, "%s address is no address",
				    key);
	return 0;
}

/* The peer's, or another gateway that it may send us to. */
static int check_remote(const struct conf_conn *conn, const struct ip_addr *addr,
			struct ipc_reply *reply)
{
	for (size_t i = 0; i < conn->conn_nredirect; i++)
		if (ip_addr_equal(addr, &conn->conn_redirect[i]))
			return 0;
	return check_addr(addr, &conn->conn_remote, "remote", reply);
}

int police_spi(const struct conf_conn *conn, const struct ipc_spi *spi,
	       struct ipc_reply *reply)
{
	return check_addr(&spi->is_local, &conn->conn_local, "local", reply);
}

static int check_endpoints(const struct conf_conn *conn,
			   const struct ipc_child *child,
			   struct ipc_reply *reply)
{
	int ret;

	ret = check_addr(&child->ic_local.ep_addr, &conn->conn_local, "local",
			 reply);
	if (ret)
		return ret;
	ret = check_remote(conn, &child->ic_remote.ep_addr, reply);
	if (ret)
		return ret;
	if (child->ic_local.ep_addr.ip_family !=
	    child->ic_remote.ep_addr.ip_family)
		return reply_refuse(reply, EINVAL,
				    "endpoints of two families");
	if (child->ic_encap && conf_protocol(conn) == PROTO_AH)
		return reply_refuse(reply, EINVAL, "AH inside UDP");
	if (child->ic_encap && !child->ic_remote.ep_port)
		return reply_refuse(reply, EINVAL,
				    "UDP encapsulation to port 0");
	return 0;
}

/* Bytes of the cipher's key, 0 for AH. */
static size_t encr_len(const struct conf_conn *conn,
		       const struct ipc_child *child)
{
	struct transform encr = { TRANSFORM_ENCR, child->ic_encr,
				  child->ic_encr_bits };

	return conf_protocol(conn) == PROTO_AH ? 0 : encr_keymat_len(&encr);
}

/* All of the child's algorithms are in one and the same proposal. */
static bool proposal_allows(const struct proposal *prop,
			    const struct ipc_child *child)
{
	struct transform encr = { TRANSFORM_ENCR, child->ic_encr,
				  child->ic_encr_bits };
	struct transform integ = { TRANSFORM_INTEG, child->ic_integ, 0 };
	struct transform esn = { TRANSFORM_ESN, child->ic_esn, 0 };

	if (!proposal_has(prop, &esn))
		return false;
	if (prop->prop_protocol == PROTO_AH)
		return !child->ic_encr && !child->ic_encr_bits &&
		       proposal_has(prop, &integ);
	if (!proposal_has(prop, &encr))
		return false;
	if (encr_is_aead(child->ic_encr))
		return child->ic_integ == INTEG_NONE;
	return proposal_has(prop, &integ);
}

static bool keys_fit(const struct ipc_child *child, size_t encr_len)
{
	bool aead = encr_is_aead(child->ic_encr);

	if ((child->ic_dirs & IPC_DIR_IN) &&
	    (child->ic_encr_in.ik_len != encr_len ||
	     !child->ic_integ_in.ik_len != aead))
		return false;
	return !(child->ic_dirs & IPC_DIR_OUT) ||
	       (child->ic_encr_out.ik_len == encr_len &&
		!child->ic_integ_out.ik_len == aead);
}

static int check_algorithms(const struct conf_conn *conn,
			    const struct ipc_child *child,
			    struct ipc_reply *reply)
{
	struct transform encr = { TRANSFORM_ENCR, child->ic_encr,
				  child->ic_encr_bits };
	char name[TRANSFORM_STRLEN];
	size_t i;

	if (conf_protocol(conn) != PROTO_AH &&
	    (!child->ic_encr || (child->ic_encr == ENCR_NULL && !child->ic_integ)))
		return reply_refuse(reply, EPERM, "an SA that protects nothing");
	for (i = 0; i < conn->conn_nesp; i++)
		if (proposal_allows(&conn->conn_esp[i], child))
			break;
	if (i == conn->conn_nesp)
		return reply_refuse(reply, EACCES,
				    "%s with INTEG %u, ESN %u is in no %s proposal",
				    child->ic_encr ?
				    transform_name(&encr, name) : "no cipher",
				    child->ic_integ, child->ic_esn,
				    conf_protocol(conn) == PROTO_AH ? "ah" :
								      "esp");
	if (!keys_fit(child, encr_len(conn, child)))
		return reply_refuse(reply, EINVAL,
				    "keys of the wrong length for %s",
				    child->ic_encr ?
				    transform_name(&encr, name) : "AH");
	return 0;
}

static bool ts_valid(const struct ts *ts)
{
	const struct ip_addr *first = &ts->ts_addrs.range_first;
	const struct ip_addr *last = &ts->ts_addrs.range_last;

	return family_valid(first) && first->ip_family == last->ip_family &&
	       ip_addr_cmp(first, last) <= 0 &&
	       ts->ts_port_first <= ts->ts_port_last;
}

bool police_pair_valid(const struct ts_pair *pair)
{
	const struct ts *local = &pair->pair_local, *remote = &pair->pair_remote;

	return ts_valid(local) && ts_valid(remote) &&
	       local->ts_protocol == remote->ts_protocol &&
	       local->ts_addrs.range_first.ip_family ==
	       remote->ts_addrs.range_first.ip_family;
}

bool police_pair_allowed(const struct conf_conn *conn,
			 const struct ts_pair *pair)
{
	for (size_t i = 0; i < conn->conn_npairs; i++) {
		struct ts_pair allowed = conn->conn_pairs[i];

		ts_pair_fill(&allowed, &pair->pair_local.ts_addrs.range_first,
			     &pair->pair_remote.ts_addrs.range_first);
		if (ts_pair_covers(&allowed, pair))
			return true;
	}
	return false;
}

static bool is_only(const struct ip_range *range, const struct ip_addr *addr)
{
	return ip_addr_equal(&range->range_first, addr) &&
	       ip_addr_equal(&range->range_last, addr);
}

/* In transport mode the selectors are between the outer addresses. */
static bool between_hosts(const struct conf_conn *conn,
			  const struct ipc_child *child,
			  const struct ts_pair *pair)
{
	return conn->conn_mode != CONF_MODE_TRANSPORT ||
	       (is_only(&pair->pair_local.ts_addrs, &child->ic_local.ep_addr) &&
		is_only(&pair->pair_remote.ts_addrs,
			&child->ic_remote.ep_addr));
}

static int check_selectors(const struct conf_conn *conn,
			   const struct ipc_child *child,
			   struct ipc_reply *reply)
{
	char buf[TS_PAIR_STRLEN];

	if (!child->ic_n_ts)
		return reply_refuse(reply, EINVAL, "no selectors");
	for (size_t i = 0; i < child->ic_n_ts; i++) {
		const struct ts_pair *pair = &child->ic_ts[i];

		if (!police_pair_valid(pair))
			return reply_refuse(reply, EINVAL,
					    "selectors that make no sense");
		if (!police_pair_allowed(conn, pair) ||
		    !between_hosts(conn, child, pair))
			return reply_refuse(reply, EPERM,
					    "%.160s is wider than protect",
					    ts_pair_print(pair, buf));
	}
	return 0;
}

static bool spi_valid(const struct ipc_child *child, u32 dir, u32 spi)
{
	return !(child->ic_dirs & dir) || ntohl(spi) >= SPI_MIN;
}

int police_child(const struct conf_conn *conn, const struct ipc_child *child,
		 struct ipc_reply *reply)
{
	int ret;

	if (!child->ic_dirs ||
	    !spi_valid(child, IPC_DIR_IN, child->ic_spi_in) ||
	    !spi_valid(child, IPC_DIR_OUT, child->ic_spi_out))
		return reply_refuse(reply, EINVAL, "no direction or a bad SPI");
	ret = check_endpoints(conn, child, reply);
	if (!ret)
		ret = check_algorithms(conn, child, reply);
	if (!ret)
		ret = check_selectors(conn, child, reply);
	return ret;
}
