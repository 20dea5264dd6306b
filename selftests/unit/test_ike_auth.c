// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Signatures and certificates: two cores that authenticate with them, each
 * scheme alone, and 120,000 mutations of what a peer sends.
 */
#include "ike_pair.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "auth.h"
#include "verify.h"

#define CONF_CERT_A "connection net {\n remote = 192.0.2.2\n" \
	" protect = 10.1.0.0/16 <-> 10.2.0.0/16\n" \
	" cert = /a\n key = /a.key\n trust = /ca\n" \
	" local-id = a.test\n remote-id = b.test\n}\n"
#define CONF_CERT_B "connection net {\n remote = 192.0.2.1\n" \
	" protect = 10.2.0.0/16 <-> 10.1.0.0/16\n" \
	" cert = /b\n key = /b.key\n trust = /ca\n" \
	" local-id = b.test\n remote-id = a.test\n}\n"
#define CERT_INIT_REQUEST INIT_REQUEST " N(SIGNATURE_HASH_ALGORITHMS)"
#define CERT_INIT_REPLY INIT_REPLY " N(SIGNATURE_HASH_ALGORITHMS) CERTREQ"
#define CERT_REQUEST "IDi CERT CERTREQ IDr AUTH N(INITIAL_CONTACT) SA TSi TSr"

static EVP_PKEY *ca_key, *a_key, *b_key;
static X509 *ca, *a_cert, *b_cert;

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *extension;

	extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	assert_non_null(extension);
	assert_true(X509_add_ext(cert, extension, -1));
	X509_EXTENSION_free(extension);
}

static X509 *issue(EVP_PKEY *key, const char *name, X509 *by, EVP_PKEY *by_key,
		   int nid, const char *value)
{
	static long serial = 1;
	X509 *cert = X509_new();
	X509_NAME *subject = X509_get_subject_name(cert);

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
				   (const u8 *)name, -1, -1, 0);
	X509_set_issuer_name(cert, by ? X509_get_subject_name(by) : subject);
	add_extension(cert, nid, value);
	assert_true(X509_sign(cert, by_key, NULL));
	return cert;
}

static int make_all(void **state)
{
	assert_true(crypto_init());
	ca_key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	a_key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	b_key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	ca = issue(ca_key, "ca", NULL, ca_key, NID_basic_constraints,
		   "critical,CA:TRUE");
	a_cert = issue(a_key, "a", ca, ca_key, NID_subject_alt_name,
		       "DNS:a.test");
	b_cert = issue(b_key, "b", ca, ca_key, NID_subject_alt_name,
		       "DNS:b.test");
	return 0;
}

static int free_all(void **state)
{
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(a_key);
	EVP_PKEY_free(b_key);
	X509_free(ca);
	X509_free(a_cert);
	X509_free(b_cert);
	return 0;
}

/* ---- schemes ---- */

static const char octets[] = "what both sides have seen";

static EVP_PKEY *key_of(const char *kind)
{
	if (!strcmp(kind, "RSA"))
		return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	if (kind[0] == 'P')
		return EVP_PKEY_Q_keygen(NULL, NULL, "EC", kind);
	return EVP_PKEY_Q_keygen(NULL, NULL, kind);
}

/* The AUTH payload that would carry it. */
static struct msg_blob payload_of(enum sign_scheme scheme, const u8 *sig,
				  size_t len, u8 *buf)
{
	struct msg_blob prefix = sign_prefix(scheme);

	if (prefix.blob_len)
		memcpy(buf, prefix.blob_data, prefix.blob_len);
	memcpy(buf + prefix.blob_len, sig, len);
	return (struct msg_blob){ buf, prefix.blob_len + len };
}

static void round_trip(EVP_PKEY *key, enum sign_scheme scheme)
{
	u8 sig[SIGN_MAX], buf[SIGN_MAX + 80];
	struct msg_blob payload, got;
	enum sign_scheme parsed;
	size_t len;

	len = sign_make(scheme, key, (const u8 *)octets, sizeof(octets), sig);
	assert_true(len);
	payload = payload_of(scheme, sig, len, buf);
	assert_null(sign_parse(sign_method(scheme), &payload, &parsed, &got));
	assert_int_equal(parsed, scheme);
	assert_int_equal(got.blob_len, len);
	assert_true(sign_verify(scheme, key, (const u8 *)octets,
				sizeof(octets), &got));
	assert_false(sign_verify(scheme, key, (const u8 *)octets,
				 sizeof(octets) - 1, &got));
	/* Neither shorter nor longer. */
	got.blob_len--;
	assert_false(sign_verify(scheme, key, (const u8 *)octets,
				 sizeof(octets), &got));
	got.blob_len += 2;
	assert_false(sign_verify(scheme, key, (const u8 *)octets,
				 sizeof(octets), &got));
}

/* Kinds of key, what they can do, and what they choose at first. */
static void test_schemes(void **state)
{
	static const struct {
		const char *kind;
		u32 schemes;
		enum sign_scheme best, of_old;
	} rows[] = {
		{ "RSA", 0x7 << SIGN_PSS_SHA256 | 0x7 << SIGN_PKCS1_SHA256 |
		  1 << SIGN_RSA_SHA1, SIGN_PSS_SHA256, SIGN_RSA_SHA1 },
		{ "P-256", 0x7 << SIGN_ECDSA_SHA256 | 1 << SIGN_ECDSA_P256,
		  SIGN_ECDSA_SHA256, SIGN_ECDSA_P256 },
		{ "P-384", 0x7 << SIGN_ECDSA_SHA256 | 1 << SIGN_ECDSA_P384,
		  SIGN_ECDSA_SHA384, SIGN_ECDSA_P384 },
		{ "P-521", 0x7 << SIGN_ECDSA_SHA256 | 1 << SIGN_ECDSA_P521,
		  SIGN_ECDSA_SHA512, SIGN_ECDSA_P521 },
		{ "ED25519", 1 << SIGN_ED25519, SIGN_ED25519, SIGN_NONE },
		{ "ED448", 1 << SIGN_ED448, SIGN_ED448, SIGN_NONE },
	};
	enum sign_scheme scheme;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		EVP_PKEY *key = key_of(rows[i].kind);

		for (scheme = SIGN_NONE; scheme < SIGN_SCHEMES; scheme++) {
			bool fits = rows[i].schemes & 1u << scheme;

			assert_int_equal(sign_fits(scheme, key, 0xff), fits);
			assert_false(sign_fits(scheme, key, 0));
			if (fits)
				round_trip(key, scheme);
		}
		assert_int_equal(sign_choose(key, 0xff, SIGN_HASHES),
				 rows[i].best);
		assert_int_equal(sign_choose(key, 0xff, 0), rows[i].of_old);
		EVP_PKEY_free(key);
	}
}

static void test_choice(void **state)
{
	EVP_PKEY *key = key_of("P-256");

	/* Not the natural hash, but one that the peer can do. */
	assert_int_equal(sign_choose(key, CONF_SIG_ECDSA, SIGN_HASH(4)),
			 SIGN_ECDSA_SHA512);
	/* SHA-1 and what nobody knows are as good as nothing in common. */
	assert_int_equal(sign_choose(key, CONF_SIG_ECDSA, SIGN_HASH(5)),
			 SIGN_NONE);
	assert_int_equal(sign_choose(key, CONF_SIG_EDDSA, SIGN_HASHES),
			 SIGN_NONE);
	EVP_PKEY_free(key);
	key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1");
	assert_int_equal(sign_choose(key, 0xff, SIGN_HASHES), SIGN_NONE);
	EVP_PKEY_free(key);
	key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	assert_int_equal(sign_choose(key, 0xff, SIGN_HASHES), SIGN_NONE);
	EVP_PKEY_free(key);
}

#define ALGORITHM(text) { (const u8 *)(text), sizeof(text) - 1 }

/* Others write RSASSA-PSS with its default trailer, or with another salt. */
static void test_pss_parameters(void **state)
{
#define PSS_OID "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"
#define SHA256 "\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00"
#define MGF1 "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08"
	static const struct msg_blob good[] = {
		ALGORITHM("\x48\x30\x46" PSS_OID "\x30\x39\xa0\x0f" SHA256
			  "\xa1\x1c\x30\x1a" MGF1 SHA256
			  "\xa2\x03\x02\x01\x20\xa3\x03\x02\x01\x01sig"),
	};
	static const struct msg_blob bad[] = {
		/* all defaults: SHA-1 */
		ALGORITHM("\x0f\x30\x0d" PSS_OID "\x30\x00sig"),
		/* a salt of 0, the mask by SHA-1, no parameters */
		ALGORITHM("\x43\x30\x41" PSS_OID "\x30\x34\xa0\x0f" SHA256
			  "\xa1\x1c\x30\x1a" MGF1 SHA256
			  "\xa2\x03\x02\x01\x00sig"),
		ALGORITHM("\x25\x30\x23" PSS_OID "\x30\x16\xa0\x0f" SHA256
			  "\xa2\x03\x02\x01\x20sig"),
		ALGORITHM("\x0d\x30\x0b" PSS_OID "sig"),
		/* ecdsa-with-SHA1, nothing, no signature */
		ALGORITHM("\x0b\x30\x09\x06\x07\x2a\x86\x48\xce\x3d\x04\x01s"),
		ALGORITHM(""), ALGORITHM("\0sig"), ALGORITHM("\x07\x30\x05\x06\x03\x2b\x65\x70"),
	};
	enum sign_scheme scheme;
	struct msg_blob sig;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		assert_null(sign_parse(14, &good[i], &scheme, &sig));
		assert_int_equal(scheme, SIGN_PSS_SHA256);
		assert_memory_equal(sig.blob_data, "sig", 3);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_non_null(sign_parse(14, &bad[i], &scheme, &sig));
	assert_non_null(sign_parse(2, &good[0], &scheme, &sig));
	assert_non_null(sign_parse(13, &good[0], &scheme, &sig));
}

/* ---- two cores ---- */

static void give(struct pair_side *side, enum cred_kind kind, const char *path,
		 X509 *cert)
{
	static struct ipc_msg msg;
	u8 *at = msg.im_cred.ix_data;

	core_ask_init(&msg, IPC_CRED, NULL);
	msg.im_cred.ix_kind = kind;
	msg.im_cred.ix_begin = 1;
	msg.im_cred.ix_len = (u32)i2d_X509(cert, &at);
	strcpy(msg.im_cred.ix_path, path);
	core_keeper(side->side_core, &msg);
}

static struct pair *cert_pair(void)
{
	struct pair *pair = pair_new(CONF_CERT_A, CONF_CERT_B);

	pair->pair_a.side_key = a_key;
	pair->pair_b.side_key = b_key;
	give(&pair->pair_a, CRED_CERT, "/a", a_cert);
	give(&pair->pair_a, CRED_TRUST, "/ca", ca);
	give(&pair->pair_b, CRED_CERT, "/b", b_cert);
	give(&pair->pair_b, CRED_TRUST, "/ca", ca);
	return pair;
}

/*
 * a -> b  IKE_SA_INIT	SA KE Ni N(NATS) N(NATD) N(SIGNATURE_HASH_ALGORITHMS)
 * a <- b		… CERTREQ
 * a -> b  IKE_AUTH	SK { IDi CERT CERTREQ IDr AUTH … }
 * a <- b		SK { IDr CERT AUTH … }
 */
static void test_up(void **state)
{
	struct pair *pair = cert_pair();

	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " CERT_INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " CERT_INIT_REPLY);
	expect_deliver(pair, "a->b 1 IKE_AUTH: " CERT_REQUEST);
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: IDr CERT AUTH SA TSi TSr");
	expect_silence(pair);
	assert_one_pair(pair);
	assert_int_equal(pair->pair_a.side_asked[IPC_PSK], 0);
	assert_int_equal(pair->pair_a.side_asked[IPC_SIGN], 1);
	assert_said(&pair->pair_a,
		    "peer is b.test (ECDSA with SHA-256, certificate CN=b)");
	assert_said(&pair->pair_b,
		    "peer is a.test (Ed25519, certificate CN=a)");
	pair_free(pair);
}

/* Until the chain is verified the peer's repeated message does nothing. */
static void test_while_verifying(void **state)
{
	struct pair *pair = cert_pair();
	struct pair_datagram *dg;

	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " CERT_INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " CERT_INIT_REPLY);
	dg = pair_take(pair);
	pair->pair_hold = true;
	pair_deliver(pair, dg);
	pair_deliver(pair, dg);
	assert_null(pair->pair_wire);
	assert_int_equal(side_count(&pair->pair_b, IKE_ESTABLISHED), 0);
	/* The SA goes while it is under way: nobody takes the result. */
	side_command(&pair->pair_b, core_down);
	datagram_free(dg);
	pair->pair_hold = false;
	pair_run_for(pair, IKE_HALF_OPEN_MS + 1000);
	assert_int_equal(side_count(&pair->pair_b, IKE_ESTABLISHED), 0);
	pair_free(pair);
}

/* The key that signs is not the certificate's. */
static void test_wrong_key(void **state)
{
	struct pair *pair = cert_pair();

	pair->pair_a.side_key = ca_key;
	side_command(&pair->pair_a, core_up);
	pair_run(pair);
	assert_said(&pair->pair_b, "its signature is wrong");
	assert_non_null(strstr(pair->pair_a.side_error,
			       "AUTHENTICATION_FAILED"));
	assert_int_equal(pair->pair_a.side_n_sas + pair->pair_b.side_n_sas, 0);
	pair_free(pair);
}

/* Nothing in the trust file: nobody gets in. */
static void test_no_trust(void **state)
{
	static struct ipc_msg msg;
	struct pair *pair = cert_pair();

	core_ask_init(&msg, IPC_CRED, NULL);
	msg.im_cred.ix_kind = CRED_TRUST;
	msg.im_cred.ix_begin = 1;
	strcpy(msg.im_cred.ix_path, "/ca");
	core_keeper(pair->pair_b.side_core, &msg);
	side_command(&pair->pair_a, core_up);
	pair_run(pair);
	assert_said(&pair->pair_b, "/ca could not be read");
	assert_int_equal(pair->pair_b.side_n_sas, 0);
	pair_free(pair);
}

/* ---- mutations ---- */

static u64 seed = 88172645463325252ull;

static u32 rnd(u32 limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)(seed >> 20) % limit;
}

/* One to three bytes changed, cut out or repeated; never nothing. */
static size_t mutate(u8 *buf, size_t len, size_t room)
{
	u32 times = 1 + rnd(3);

	while (times-- && len > 2) {
		size_t at = rnd((u32)len), n = 1 + rnd((u32)(len - at));

		switch (rnd(8)) {
		case 0:
			memmove(buf + at, buf + at + n, len - at - n);
			len -= n;
			break;
		case 1:
			if (len + n > room)
				break;
			memmove(buf + at + n, buf + at, len - at);
			len += n;
			break;
		case 2:
			buf[at] = rnd(2) ? 0 : 0xff;
			break;
		default:
			buf[at] ^= (u8)(1 << rnd(8));
		}
	}
	return len;
}

static void test_mutated_auth(void **state)
{
	static u8 sig[SIGN_MAX], buf[4096], good[4096];
	EVP_PKEY *rsa = key_of("RSA");
	unsigned int i;

	for (i = 0; i < 60000; i++) {
		enum sign_scheme scheme = 1 + rnd(SIGN_SCHEMES - 1), parsed;
		EVP_PKEY *key = scheme <= SIGN_PKCS1_SHA512 ? rsa :
				scheme == SIGN_ED25519 ? a_key : b_key;
		struct msg_blob got, payload = { buf, 0 };
		size_t len;

		memset(sig, 0x30, 80);
		payload = payload_of(scheme, sig, 70 + rnd(4), good);
		len = payload.blob_len;
		memcpy(buf, good, len);
		payload = (struct msg_blob){ buf, mutate(buf, len, 2048) };
		if (sign_parse(sign_method(scheme), &payload, &parsed, &got))
			continue;
		assert_true(got.blob_data >= buf &&
			    got.blob_data + got.blob_len <=
			    buf + payload.blob_len);
		if (sign_fits(parsed, key, 0xff))
			assert_false(sign_verify(parsed, key,
						 (const u8 *)octets,
						 sizeof(octets), &got));
	}
	EVP_PKEY_free(rsa);
}

static struct verify *job(const u8 *leaf, size_t leaf_len, const u8 *above,
			  size_t above_len, const u8 *sig, size_t sig_len)
{
	struct msg_cert certs[] = {
		{ CERT_X509, { leaf, leaf_len } },
		{ CERT_X509, { above, above_len } },
	};
	struct msg_blob signature = { sig, sig_len };
	struct msg_blob what = { (const u8 *)octets, sizeof(octets) };
	struct verify *verify = verify_new(certs, 2, &signature, &what);
	char err[80];

	assert_non_null(verify);
	verify->ver_anchors = sk_X509_new_null();
	X509_up_ref(ca);
	sk_X509_push(verify->ver_anchors, ca);
	assert_true(conf_id_parse(&verify->ver_id, "a.test", err, sizeof(err)));
	verify->ver_allowed = 0xff;
	verify->ver_scheme = SIGN_ED25519;
	return verify;
}

/* Whoever gets in does so with exactly the certificate that was issued. */
static void test_mutated_certs(void **state)
{
	static u8 leaf[4096], above[4096], sig[SIGN_MAX], buf[4096];
	u8 *at = leaf;
	size_t leaf_len = (size_t)i2d_X509(a_cert, &at);
	size_t above_len, sig_len, ok = 0;
	unsigned int i;

	at = above;
	above_len = (size_t)i2d_X509(ca, &at);
	sig_len = sign_make(SIGN_ED25519, a_key, (const u8 *)octets,
			    sizeof(octets), sig);
	for (i = 0; i < 40000; i++) {
		bool upper = i && !rnd(8);
		size_t len = upper ? above_len : leaf_len;
		struct verify *verify;

		memcpy(buf, upper ? above : leaf, len);
		if (i)
			len = mutate(buf, len, sizeof(buf));
		verify = upper ?
			job(leaf, leaf_len, buf, len, sig, sig_len) :
			job(buf, len, above, above_len, sig, sig_len);
		verify_run(verify);
		if (verify->ver_ok && !upper)
			assert_true(len == leaf_len &&
				    !memcmp(buf, leaf, len));
		assert_true(verify->ver_ok || verify->ver_why[0]);
		ok += verify->ver_ok;
		verify_free(verify);
	}
	assert_true(ok);
}

/* Whole IKE_AUTH messages with certificates, mutated where only a peer can. */
static void test_mutated_messages(void **state)
{
	static u8 plain[MSG_LEN_MAX], copy[8192];
	struct pair *pair = cert_pair();
	struct ike_sa *sa;
	struct pair_datagram *dg;
	size_t len;
	unsigned int i;
	u8 first;

	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " CERT_INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " CERT_INIT_REPLY);
	dg = pair_take(pair);
	sa = side_sa(&pair->pair_a);
	assert_true(tap_open(sa, dg->dg_data, dg->dg_len, true, plain, &len));
	first = dg->dg_data[MSG_HEADER_LEN];
	for (i = 0; i < 20000; i++) {
		static struct message msg;
		struct verify *verify;
		size_t n;
		char err[400];

		memcpy(copy, plain, len);
		n = mutate(copy, len, sizeof(copy));
		msg_parse(&msg, dg->dg_data, dg->dg_len);
		msg.msg_seen = 0;
		if (msg_parse_payloads(&msg, first, copy, n) ||
		    !(msg.msg_seen & PL(AUTH)))
			continue;
		/* As b would: its peer is a, under a's own identity. */
		sa = pair->pair_b.side_core->core_sas[0];
		for (u32 k = 0; !sa && k < CORE_BUCKETS; k++)
			sa = pair->pair_b.side_core->core_sas[k];
		assert_non_null(sa);
		sa->sa_id_remote = msg.msg_id_i.mi_id;
		verify = auth_verify(sa, &msg, &msg.msg_auth, err, sizeof(err));
		if (!verify)
			continue;
		verify_run(verify);
		/* It is a's, or nobody's. */
		if (verify->ver_ok)
			assert_memory_equal(sa->sa_id_remote.id_data, "a.test",
					    6);
		verify_free(verify);
	}
	datagram_free(dg);
	pair_free(pair);
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_schemes),
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_pss_parameters),
		cmocka_unit_test(test_up),
		cmocka_unit_test(test_while_verifying),
		cmocka_unit_test(test_wrong_key),
		cmocka_unit_test(test_no_trust),
		cmocka_unit_test(test_mutated_auth),
		cmocka_unit_test(test_mutated_certs),
		cmocka_unit_test(test_mutated_messages),
	};

	return cmocka_run_group_tests(tests, make_all, free_all);
}
