// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Octets to be authenticated, and finding the connection by its identities.
 */
#include <openssl/crypto.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "auth.h"
#include "conn.h"
#include "explain.h"
#include "json.h"
#include "select.h"
#include "verify.h"
#include "wire.h"

#define CERTREQ_MAX	32	/* authorities that we name */
#define CERTREQ_CONNS	64	/* connections that are asked for theirs */

static const struct conf_conn *conf_of(const struct ike_sa *sa)
{
	return &sa->sa_conn->cn_conf;
}

const char *auth_how_name(u8 how)
{
	static const char *const names[] = {
		[CONF_AUTH_PSK] = "pre-shared key",
		[CONF_AUTH_CERT] = "certificate",
		[CONF_AUTH_KEY] = "raw public key",
	};

	return names[how];
}

/*
 * What one side authenticates: its IKE_SA_INIT message as sent, the other
 * side's nonce, and its identity under its SK_p.
 */
struct covered {
	struct msg_blob cov_init, cov_nonce, cov_key;
	size_t cov_int_len;			/* IntAuth (RFC 9242) */
	u8 cov_int[IPC_INT_MAX];
	const struct conf_id *cov_id;
};

/* IntAuth_iN | IntAuth_rN | IKE_AUTH_MID; nothing without IKE_INTERMEDIATE. */
static size_t int_auth(const struct ike_sa *sa, u8 out[IPC_INT_MAX])
{
	size_t len = crypto_prf_len(sa->sa_suite.suite_prf);

	if (!sa->sa_n_inter)
		return 0;
	memcpy(out, sa->sa_int_auth[0], len);
	memcpy(out + len, sa->sa_int_auth[1], len);
	put_be32(out + 2 * len, sa->sa_n_inter + 1);
	return 2 * len + 4;
}

static struct covered covered_by(const struct ike_sa *sa, enum ipc_side side)
{
	bool initiator = sa->sa_initiator == (side == IPC_LOCAL);
	const struct ike_key *key = initiator ? &sa->sa_keys.keys_pi :
						&sa->sa_keys.keys_pr;

	struct covered cov = {
		.cov_init = initiator ?
			(struct msg_blob){ sa->sa_init_i, sa->sa_init_i_len } :
			(struct msg_blob){ sa->sa_init_r, sa->sa_init_r_len },
		.cov_nonce = nonce_blob(initiator ? &sa->sa_nr : &sa->sa_ni),
		.cov_key = { key->key_data, key->key_len },
		.cov_id = side == IPC_LOCAL ? &sa->sa_id_local :
					      &sa->sa_id_remote,
	};

	cov.cov_int_len = int_auth(sa, cov.cov_int);
	return cov;
}

/* The public half of our key, which says what we can sign. */
static const EVP_PKEY *own_key(const struct ike_sa *sa)
{
	const struct creds *creds = &sa->sa_core->core_creds;
	const struct conf_conn *conf = conf_of(sa);
	const struct cred *cred;

	if (conf->conn_auth_local == CONF_AUTH_KEY) {
		cred = creds_find(creds, CRED_PUBLIC, conf->conn_key);
		return cred ? cred->cr_public : NULL;
	}
	cred = creds_find(creds, CRED_CERT, conf->conn_cert);
	return cred && sk_X509_num(cred->cr_certs) > 0 ?
	       X509_get0_pubkey(sk_X509_value(cred->cr_certs, 0)) : NULL;
}

static const char *choose_scheme(struct ike_sa *sa)
{
	const EVP_PKEY *key = own_key(sa);

	sa->sa_scheme = key ? sign_choose(key, conf_of(sa)->conn_signatures,
					  sa->sa_hashes) : SIGN_NONE;
	if (!key)
		return "we have no key to authenticate with (see the log's beginning)";
	if (sa->sa_scheme)
		return NULL;
	return sa->sa_hashes ?
	       "our key and signatures = allow no kind of signature that the peer knows" :
	       "the peer lacks RFC 7427: use an EC key, or let signatures = name rsa-pkcs1";
}

const char *auth_ask(struct ike_sa *sa, enum ipc_side side, struct ipc_msg *msg)
{
	struct covered cov = covered_by(sa, side);
	struct ipc_auth *auth = &msg->im_auth;
	const char *err = NULL;
	u8 how = side == IPC_LOCAL ? conf_of(sa)->conn_auth_local :
				     conf_of(sa)->conn_auth_remote;

	core_ask_init(msg, how == CONF_AUTH_PSK ? IPC_PSK : IPC_SIGN,
		      conf_of(sa)->conn_name);
	if (how != CONF_AUTH_PSK)
		err = choose_scheme(sa);
	if (!cov.cov_init.blob_data ||
	    cov.cov_init.blob_len + cov.cov_nonce.blob_len >
	    sizeof(auth->ia_octets))
		err = "AUTH has too much to cover";
	if (err)
		return err;
	auth->ia_side = side;
	auth->ia_scheme = how == CONF_AUTH_PSK ? SIGN_NONE : sa->sa_scheme;
	auth->ia_prf = sa->sa_suite.suite_prf;
	auth->ia_id = *cov.cov_id;
	auth->ia_key_len = (u32)cov.cov_key.blob_len;
	memcpy(auth->ia_key, cov.cov_key.blob_data, cov.cov_key.blob_len);
	auth->ia_int_len = (u32)cov.cov_int_len;
	memcpy(auth->ia_int, cov.cov_int, cov.cov_int_len);
	auth->ia_init_len = (u32)cov.cov_init.blob_len;
	auth->ia_nonce_len = (u32)cov.cov_nonce.blob_len;
	memcpy(auth->ia_octets, cov.cov_init.blob_data, cov.cov_init.blob_len);
	memcpy(auth->ia_octets + cov.cov_init.blob_len,
	       cov.cov_nonce.blob_data, cov.cov_nonce.blob_len);
	return NULL;
}

void auth_emit_no_ppk(struct ike_sa *sa, struct emit *em, const u8 *value, size_t len)
{
	struct msg_blob prefix = { NULL, 0 };
	u8 data[64 + IPC_AUTH_MAX];

	if (conf_of(sa)->conn_auth_local != CONF_AUTH_PSK)
		prefix = sign_prefix(sa->sa_scheme);
	if (prefix.blob_len > sizeof(data) - IPC_AUTH_MAX)
		return;
	if (prefix.blob_len)
		memcpy(data, prefix.blob_data, prefix.blob_len);
	memcpy(data + prefix.blob_len, value, len);
	emit_notify(em, N_NO_PPK_AUTH, data, prefix.blob_len + len);
}

void auth_emit(struct ike_sa *sa, struct emit *em, const u8 *value, size_t len)
{
	struct msg_blob prefix = { NULL, 0 };
	u8 method = AUTH_METHOD_PSK;

	if (conf_of(sa)->conn_auth_local != CONF_AUTH_PSK) {
		method = sign_method(sa->sa_scheme);
		prefix = sign_prefix(sa->sa_scheme);
	}
	emit_open(em, PAYLOAD_AUTH);
	emit_u8(em, method);
	emit_u8(em, 0);
	emit_u16(em, 0);
	emit_bytes(em, prefix.blob_data, prefix.blob_len);
	emit_bytes(em, value, len);
	emit_close(em);
}

static void emit_cert(struct emit *em, u8 encoding, u8 *der, int len)
{
	emit_open(em, PAYLOAD_CERT);
	emit_u8(em, encoding);
	emit_bytes(em, der, len > 0 ? (size_t)len : 0);
	emit_close(em);
	OPENSSL_free(der);
}

static bool is_root(X509 *cert)
{
	return X509_get_extension_flags(cert) & EXFLAG_SS;
}

/* Ours and those between it and a root, which the peer must have anyway. */
static void emit_chain(const struct cred *cred, struct emit *em)
{
	int i, len;

	for (i = 0; i < sk_X509_num(cred->cr_certs); i++) {
		X509 *cert = sk_X509_value(cred->cr_certs, i);
		u8 *der = NULL;

		if (i && is_root(cert))
			continue;
		len = i2d_X509(cert, &der);
		emit_cert(em, CERT_X509, der, len);
	}
}

static void emit_raw_key(const EVP_PKEY *key, struct emit *em)
{
	u8 *der = NULL;
	int len = i2d_PUBKEY(key, &der);

	emit_cert(em, CERT_RAW_KEY, der, len);
}

static size_t add_hashes(const struct cred *cred, u8 *hashes, size_t count)
{
	int i;

	for (i = 0; i < sk_X509_num(cred->cr_certs) && count < CERTREQ_MAX; i++)
		count += creds_spki_hash(sk_X509_value(cred->cr_certs, i),
					 hashes + count * CREDS_SHA1_LEN);
	return count;
}

static void emit_certreq(struct emit *em, const u8 *hashes, size_t count)
{
	if (!count)
		return;
	emit_open(em, PAYLOAD_CERTREQ);
	emit_u8(em, CERT_X509);
	emit_bytes(em, hashes, count * CREDS_SHA1_LEN);
	emit_close(em);
}

void auth_emit_certs(struct ike_sa *sa, struct emit *em)
{
	const struct creds *creds = &sa->sa_core->core_creds;
	const struct conf_conn *conf = conf_of(sa);
	u8 hashes[CERTREQ_MAX * CREDS_SHA1_LEN];
	const struct cred *cred;

	cred = creds_find(creds, CRED_CERT, conf->conn_cert);
	if (conf->conn_auth_local == CONF_AUTH_CERT && cred)
		emit_chain(cred, em);
	else if (conf->conn_auth_local == CONF_AUTH_KEY && own_key(sa))
		emit_raw_key(own_key(sa), em);
	cred = creds_find(creds, CRED_TRUST, conf->conn_trust);
	if (sa->sa_initiator && cred)
		emit_certreq(em, hashes, add_hashes(cred, hashes, 0));
}

/* Nobody knows yet which of them it will be. */
static void emit_all_certreqs(struct ike_sa *sa, struct emit *em)
{
	const struct creds *creds = &sa->sa_core->core_creds;
	const struct cred *cred, *last = NULL;
	u8 hashes[CERTREQ_MAX * CREDS_SHA1_LEN];
	struct conn *conn = NULL;
	size_t count = 0, looked = 0;

	while ((conn = conn_match(sa->sa_core, conn, &sa->sa_path)) &&
	       looked++ < CERTREQ_CONNS) {
		cred = creds_find(creds, CRED_TRUST, conn->cn_conf.conn_trust);
		if (cred && cred != last)
			count = add_hashes(cred, hashes, count);
		last = cred ?: last;
	}
	emit_certreq(em, hashes, count);
}

void auth_emit_init(struct ike_sa *sa, struct emit *em)
{
	static const u8 hashes[] = { 0, 2, 0, 3, 0, 4, 0, 5 };
	const struct conf_conn *conf = conf_of(sa);
	bool signs = conf->conn_auth_local != CONF_AUTH_PSK ||
		     conf->conn_auth_remote != CONF_AUTH_PSK;

	if (sa->sa_initiator ? signs : sa->sa_hashes != 0)
		emit_notify(em, N_SIGNATURE_HASH_ALGORITHMS, hashes,
			    sizeof(hashes));
	if (!sa->sa_initiator)
		emit_all_certreqs(sa, em);
}

void auth_take_init(struct ike_sa *sa, const struct message *msg)
{
	const struct msg_notify_payload *mn =
		msg_notify(msg, N_SIGNATURE_HASH_ALGORITHMS);
	size_t i;

	sa->sa_hashes = 0;
	for (i = 0; mn && i + 2 <= mn->mn_data.blob_len; i += 2) {
		u16 hash = get_be16(mn->mn_data.blob_data + i);

		if (hash < 32)
			sa->sa_hashes |= SIGN_HASH(hash);
	}
}

static struct stack_st_X509_CRL *crls_of(const struct cred *cred)
{
	struct stack_st_X509_CRL *crls = cred ? sk_X509_CRL_dup(cred->cr_crls) :
					  sk_X509_CRL_new_null();
	int i;

	for (i = 0; i < sk_X509_CRL_num(crls); i++)
		X509_CRL_up_ref(sk_X509_CRL_value(crls, i));
	return crls;
}

/* What the connection expects, with references of the job's own. */
static bool expect(struct ike_sa *sa, struct verify *verify)
{
	const struct creds *creds = &sa->sa_core->core_creds;
	const struct conf_conn *conf = conf_of(sa);
	const struct cred *cred;

	verify->ver_id = sa->sa_id_remote;
	verify->ver_allowed = conf->conn_signatures;
	verify->ver_eku = conf->conn_eku;
	if (conf->conn_auth_remote == CONF_AUTH_KEY) {
		cred = creds_find(creds, CRED_PUBLIC, conf->conn_remote_key);
		verify->ver_key = cred ? cred->cr_public : NULL;
		return verify->ver_key && EVP_PKEY_up_ref(verify->ver_key);
	}
	cred = creds_find(creds, CRED_TRUST, conf->conn_trust);
	if (!cred || sk_X509_num(cred->cr_certs) <= 0)
		return false;
	verify->ver_anchors = X509_chain_up_ref(cred->cr_certs);
	if (conf->conn_crl[0])
		verify->ver_crls = crls_of(creds_find(creds, CRED_CRL,
						      conf->conn_crl));
	return verify->ver_anchors && (!conf->conn_crl[0] || verify->ver_crls);
}

/* RFC 7296 section 2.15; the keeper does the same for our own. */
static bool join(const struct ike_sa *sa, const struct covered *cov, u8 *octets,
		 size_t *len)
{
	const u8 head[4] = { cov->cov_id->id_type };
	struct msg_blob id[] = {
		{ head, sizeof(head) },
		{ cov->cov_id->id_data, cov->cov_id->id_len },
	};

	*len = cov->cov_init.blob_len + cov->cov_nonce.blob_len;
	if (!cov->cov_init.blob_data || *len > IPC_OCTETS_MAX)
		return false;
	memcpy(octets, cov->cov_init.blob_data, cov->cov_init.blob_len);
	memcpy(octets + cov->cov_init.blob_len, cov->cov_nonce.blob_data,
	       cov->cov_nonce.blob_len);
	if (!crypto_prf(sa->sa_suite.suite_prf, &cov->cov_key, id,
			ARRAY_SIZE(id), octets + *len))
		return false;
	*len += crypto_prf_len(sa->sa_suite.suite_prf);
	memcpy(octets + *len, cov->cov_int, cov->cov_int_len);
	*len += cov->cov_int_len;
	return true;
}

struct verify *auth_verify(struct ike_sa *sa, const struct message *msg,
			   const struct msg_blob *auth, char *err,
			   size_t err_size)
{
	struct covered cov = covered_by(sa, IPC_REMOTE);
	u8 octets[IPC_OCTETS_MAX + CRYPTO_PRF_MAX + IPC_INT_MAX];
	struct msg_blob signature, all = { octets, 0 };
	enum sign_scheme scheme;
	struct verify *verify;
	const char *why;

	why = sign_parse(msg->msg_auth_method, auth, &scheme, &signature);
	if (!why && !join(sa, &cov, octets, &all.blob_len))
		why = "AUTH has too much to cover";
	if (why) {
		snprintf(err, err_size, "%s", why);
		return NULL;
	}
	verify = verify_new(msg->msg_certs, msg->msg_n_certs, &signature, &all);
	if (verify && expect(sa, verify)) {
		verify->ver_scheme = scheme;
		return verify;
	}
	verify_free(verify);
	snprintf(err, err_size, "nothing to verify the peer with: %.255s could not be read",
		 conf_of(sa)->conn_trust[0] ? conf_of(sa)->conn_trust :
					      conf_of(sa)->conn_remote_key);
	return NULL;
}

bool auth_verify_anew(struct ike_sa *sa, struct verify *verify)
{
	struct covered cov = covered_by(sa, IPC_REMOTE);
	u8 octets[IPC_OCTETS_MAX + CRYPTO_PRF_MAX + IPC_INT_MAX];
	size_t len;

	/* It is our copy, and of the same length: only SK_p has changed. */
	if (!join(sa, &cov, octets, &len) || len != verify->ver_octets.blob_len)
		return false;
	memcpy((u8 *)verify->ver_octets.blob_data, octets, len);
	return true;
}

static bool suite_fits(const struct ike_sa *sa, const struct conn *conn)
{
	unsigned int i;

	for (i = 0; i < conn->cn_conf.conn_nike; i++)
		if (select_allows(&conn->cn_conf.conn_ike[i], &sa->sa_proposal))
			return true;
	return false;
}

/* Which setting does not fit; CONF_CONN_KEYS for none. */
static enum conf_conn_key misfit(const struct ike_sa *sa,
				 const struct conn *conn,
				 const struct message *msg)
{
	struct conf_id expected;

	conn_remote_id(conn, &sa->sa_path, &expected);
	if (!conf_id_fits(&expected, &msg->msg_id_i.mi_id))
		return CONF_REMOTE_ID;
	conn_local_id(conn, &sa->sa_path, &expected);
	if (msg->msg_seen & PL(ID_R) &&
	    !conf_id_fits(&expected, &msg->msg_id_r.mi_id))
		return CONF_LOCAL_ID;
	if (!suite_fits(sa, conn))
		return CONF_IKE;
	return CONF_CONN_KEYS;
}

static void explain_misfit(struct ike_sa *sa, struct conn *conn,
			   enum conf_conn_key key, const char *said)
{
	char local[CONF_ID_STRLEN], remote[CONF_ID_STRLEN];
	struct conf_id id;

	conn_remote_id(conn, &sa->sa_path, &id);
	conf_id_print(&id, remote, sizeof(remote));
	conn_local_id(conn, &sa->sa_path, &id);
	conf_id_print(&id, local, sizeof(local));
	ike_sa_log(sa, CORE_WARNING,
		   "  configured: %s expects remote-id %s, local-id %s; %s differs",
		   conn->cn_conf.conn_name, remote, local,
		   conf_conn_key(key)->key_name);
	explain_blame(conn, false, key);
	explain_end(conn, false,
		    "a peer came that says it is %.100s, but remote-id is %.60s, local-id %.60s",
		    said, remote, local);
}

struct conn *auth_find_conn(struct ike_sa *sa, const struct message *msg)
{
	char id[CONF_ID_STRLEN], asked[CONF_ID_STRLEN] = "any";
	struct core *core = sa->sa_core;
	struct conn *conn = NULL;

	while ((conn = conn_match(core, conn, &sa->sa_path)))
		if (misfit(sa, conn, msg) == CONF_CONN_KEYS)
			return conn;
	conf_id_print(&msg->msg_id_i.mi_id, id, sizeof(id));
	if (msg->msg_seen & PL(ID_R))
		conf_id_print(&msg->msg_id_r.mi_id, asked, sizeof(asked));
	ike_sa_log(sa, CORE_WARNING,
		   "no connection for a peer that says it is %s and asks for %s",
		   id, asked);
	while ((conn = conn_match(core, conn, &sa->sa_path)))
		explain_misfit(sa, conn, misfit(sa, conn, msg), id);
	return NULL;
}
