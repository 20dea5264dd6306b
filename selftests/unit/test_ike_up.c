// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Coming up: IKE_SA_INIT and IKE_AUTH, and all that can stand in their way.
 */
#include "ike_pair.h"

/*
 * a -> b  IKE_SA_INIT	SA KE Ni N(NATS) N(NATD)
 * a <- b		SA KE Nr N(NATS) N(NATD)
 * a -> b  IKE_AUTH	SK { IDi IDr AUTH N(INITIAL_CONTACT) SA TSi TSr }
 * a <- b		SK { IDr AUTH SA TSi TSr }
 */
static void test_up(void **state)
{
	struct pair *pair = pair_new(CONF_A(""), CONF_B(""));

	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	assert_int_equal(side_count(&pair->pair_b, IKE_KEYED), 1);
	assert_int_equal(pair->pair_b.side_core->core_half_open, 1);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
	assert_int_equal(side_count(&pair->pair_a, IKE_KEYED), 1);
	assert_int_equal(pair->pair_b.side_n_sas, 0);
	expect_deliver(pair, "a->b 1 IKE_AUTH: " AUTH_REQUEST);
	assert_int_equal(side_count(&pair->pair_b, IKE_ESTABLISHED), 1);
	assert_int_equal(pair->pair_b.side_core->core_half_open, 0);
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: " AUTH_REPLY);
	expect_silence(pair);
	assert_one_pair(pair);
	assert_int_equal(pair->pair_a.side_done, 1);
	assert_string_equal(pair->pair_a.side_error, "");
	assert_string_equal(pair->pair_a.side_lines,
			    "resolve: peer 192.0.2.2 from 192.0.2.1\n"
			    "propose: ENCR AES-GCM-16-256 PRF HMAC-SHA2-256 KE X25519; no NAT\n"
			    "identify: peer is 192.0.2.2 (PSK)\n"
			    "protect: 10.1.0.0/16 <-> 10.2.0.0/16 on cyg0, MTU 1422\n");
	pair_free(pair);
}

/* Up again says so at once; an unknown name lists those that exist. */
static void test_up_twice(void **state)
{
	struct pair *pair = pair_up(CONF_A(""), CONF_B(""));
	struct core_command cmd = { on_line, on_done_command, &pair->pair_a };

	side_command(&pair->pair_a, core_up);
	expect_silence(pair);
	assert_int_equal(pair->pair_a.side_done, 1);
	core_up(pair->pair_a.side_core, "nonet", &cmd);
	assert_int_equal(pair->pair_a.side_done, 2);
	assert_string_equal(pair->pair_a.side_error,
			    "no connection nonet; there are: net");
	pair_free(pair);
}

/* Every IKE suite that the configuration knows, in both directions. */
static void test_suites(void **state)
{
	static const char *const suites[] = {
		"aes128gcm-sha256-x25519", "aes192gcm-sha384-x25519",
		"aes256gcm-sha512-ecp256", "chacha20poly1305-sha256-x25519",
		"aes128-sha256-modp2048", "aes192-sha384-ecp256",
		"aes256-sha512-x25519", "aes256-sha256-modp2048",
	};
	char a[512], b[512];
	struct pair *pair;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(suites); i++) {
		snprintf(a, sizeof(a), CONF_A(" ike = %s"), suites[i]);
		snprintf(b, sizeof(b), CONF_B(" ike = %s"), suites[i]);
		pair = pair_up(a, b);
		side_command(&pair->pair_b, core_rekey);
		pair_run(pair);
		assert_string_equal(pair->pair_b.side_error, "");
		pair_free(pair);
	}
}

/* b chooses by its own order, and from several proposals of a. */
static void test_preference(void **state)
{
	static const char a[] =
		CONF_A(" ike = aes128gcm-aes256gcm-sha256-sha512-x25519-ecp256\n"
		       " esp = aes128gcm-aes256gcm");
	static const char b[] =
		CONF_B(" ike = aes256gcm-aes128gcm-sha512-x25519\n"
		       " esp = aes256gcm-aes128gcm");
	struct pair *pair = pair_up(a, b);

	assert_int_equal(side_sa(&pair->pair_a)->sa_suite.suite_encr_bits, 256);
	assert_int_equal(side_sa(&pair->pair_a)->sa_suite.suite_prf,
			 PRF_HMAC_SHA2_512);
	assert_int_equal(pair->pair_a.side_sas[0].psa_encr.ik_len, 36);
	pair_free(pair);
}

/*
 * a -> b  SA KE(x25519) Ni …
 * a <- b  N(INVALID_KE_PAYLOAD: ECP-256)
 * a -> b  SA KE(ECP-256) Ni …
 */
static void test_invalid_ke(void **state)
{
	struct pair *pair =
		pair_new(CONF_A(" ike = aes128gcm-sha256-x25519-ecp256"),
			 CONF_B(" ike = aes128gcm-sha256-ecp256-x25519"));

	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	assert_int_equal(pair->pair_b.side_core->core_half_open, 0);
	expect_deliver(pair,
		       "b->a 0 IKE_SA_INIT reply: N(INVALID_KE_PAYLOAD)");
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
	pair_run(pair);
	assert_one_pair(pair);
	assert_int_equal(side_sa(&pair->pair_a)->sa_suite.suite_ke, KE_ECP_256);
	pair_free(pair);
}

#define MODP	" ike = aes128gcm-sha256-modp2048"

/* MODP is done elsewhere; what comes meanwhile is dropped, not lost. */
static void test_modp(void **state)
{
	struct pair *pair = pair_new(CONF_A(MODP), CONF_B(MODP));
	struct pair_datagram *dg;

	side_command(&pair->pair_a, core_up);
	dg = pair_expect(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	pair->pair_hold = true;
	pair_deliver(pair, dg);
	assert_int_equal(side_count(&pair->pair_b, IKE_CONNECTING), 1);
	pair_deliver(pair, dg);		/* retransmitted meanwhile */
	assert_int_equal(side_count(&pair->pair_b, IKE_CONNECTING), 1);
	pair->pair_hold = false;
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
	pair_run(pair);
	assert_one_pair(pair);
	datagram_free(dg);
	pair_free(pair);
}

/* The core goes while the work is under way. */
static void test_modp_orphan(void **state)
{
	struct pair *pair = pair_new(CONF_A(MODP), CONF_B(MODP));

	pair->pair_hold = true;
	side_command(&pair->pair_a, core_up);
	pair->pair_hold = false;
	pair_event(pair);		/* IPC_CONN_UP */
	pair_event(pair);		/* IPC_RESOLVE: the work begins */
	ike_sa_close(side_sa(&pair->pair_a));
	pair_settle(pair);
	expect_silence(pair);
	pair_free(pair);
}

static struct msg_header stranger_header(u32 n)
{
	struct msg_header hdr = {
		.hdr_version = MSG_VERSION_2,
		.hdr_exchange = IKE_SA_INIT,
		.hdr_flags = MSG_INITIATOR,
	};

	put_be32(hdr.hdr_spi_i, 0x51515151);
	put_be32(hdr.hdr_spi_i + 4, n);
	return hdr;
}

/* A good IKE_SA_INIT of somebody who never goes further. */
static void stranger_init(struct pair *pair, u32 n, const char *from)
{
	struct core_path path = {
		.cp_local = { pair->pair_b.side_addr, 500 },
		.cp_remote = { pair_addr(from), 500 },
	};
	struct conf_conn *conf = &side_conn(&pair->pair_b)->cn_conf;
	struct msg_header hdr = stranger_header(n);
	struct ke *ke = ke_new(KE_X25519);
	u8 nonce[32] = { (u8)n };
	struct emit em;

	ke_run(ke);
	emit_begin(&em, &hdr);
	emit_sa(&em, conf->conn_ike, 1, NULL, 0);
	emit_ke(&em, KE_X25519, ke->ke_public, ke->ke_public_len);
	emit_nonce(&em, nonce, sizeof(nonce));
	assert_true(emit_finish(&em));
	core_receive(pair->pair_b.side_core, &path, em.em_data, em.em_len);
	pair_settle(pair);
	ke_free(ke);
}

/*
 * Half-open SAs beyond the threshold: cookies.
 *
 * a -> b  SA KE Ni …
 * a <- b  N(COOKIE)
 * a -> b  N(COOKIE) SA KE Ni …
 */
static void test_cookie(void **state)
{
	struct pair *pair = pair_new(CONF_A(""), CONF_B(""));
	u32 i;

	for (i = 0; i < CORE_HALF_OPEN_COOKIE; i++)
		stranger_init(pair, i, "192.0.2.1");
	assert_int_equal(pair->pair_b.side_core->core_half_open,
			 CORE_HALF_OPEN_COOKIE);
	pair_clear_wire(pair);
	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: N(COOKIE)");
	assert_int_equal(pair->pair_b.side_core->core_half_open,
			 CORE_HALF_OPEN_COOKIE);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: N(COOKIE) " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
	pair_run(pair);
	assert_one_pair(pair);
	/* The others go after half a minute. */
	pair_advance(pair, IKE_HALF_OPEN_MS + 1);
	assert_int_equal(pair->pair_b.side_core->core_half_open, 0);
	assert_int_equal(side_count(&pair->pair_b, IKE_ESTABLISHED), 1);
	pair_free(pair);
}

/* A cookie is good for about two minutes, and only for its address. */
static void test_cookie_age(void **state)
{
	struct cookies cookies = { 0 };
	struct ip_addr addr = pair_addr("192.0.2.1");
	struct ip_addr other = pair_addr("192.0.2.9");
	struct message msg = { .msg_hdr.hdr_spi_i = "12345678" };
	u8 cookie[COOKIE_LEN];

	assert_true(crypto_init());
	msg.msg_nonce = (struct msg_blob){ (const u8 *)"sixteen bytes ok", 16 };
	assert_false(cookie_check(&cookies, 5, &msg, &addr));
	assert_true(cookie_make(&cookies, 10, &msg, &addr, cookie));
	msg.msg_n_notifies = 1;
	msg.msg_notifies[0].mn_type = N_COOKIE;
	msg.msg_notifies[0].mn_data = (struct msg_blob){ cookie, COOKIE_LEN };
	assert_true(cookie_check(&cookies, 11, &msg, &addr));
	assert_false(cookie_check(&cookies, 11, &msg, &other));
	assert_true(cookie_check(&cookies, 60020, &msg, &addr));
	assert_false(cookie_check(&cookies, 120030, &msg, &addr));
	assert_true(cookie_make(&cookies, 120030, &msg, &addr, cookie));
	cookie[7] ^= 1;
	assert_false(cookie_check(&cookies, 120031, &msg, &addr));
	cookie[7] ^= 1;
	assert_false(cookie_check(&cookies, 1000000, &msg, &addr));
}

/* Whatever strangers do, there are never more than so many. */
static void test_half_open_bounded(void **state)
{
	struct pair *pair = pair_new(CONF_A(""), CONF_B(""));
	u32 i;

	for (i = 0; i < 3 * CORE_HALF_OPEN_MAX; i++)
		stranger_init(pair, i, "192.0.2.1");
	assert_int_equal(pair->pair_b.side_core->core_half_open,
			 CORE_HALF_OPEN_COOKIE);
	pair->pair_b.side_core->core_half_open = CORE_HALF_OPEN_MAX;
	pair_clear_wire(pair);
	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: N(COOKIE)");
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: N(COOKIE) " INIT_REQUEST);
	expect_silence(pair);
	pair->pair_b.side_core->core_half_open = CORE_HALF_OPEN_COOKIE;
	pair_free(pair);
}

/* Both know why: the initiator is told by the RFC's notify, no more. */
static void test_wrong_psk(void **state)
{
	struct pair *pair = pair_new(CONF_A(""), CONF_B(""));

	pair->pair_b.side_psk = "another";
	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
	expect_deliver(pair, "a->b 1 IKE_AUTH: " AUTH_REQUEST);
	expect_deliver(pair,
		       "b->a 1 IKE_AUTH reply: N(AUTHENTICATION_FAILED)");
	expect_silence(pair);
	assert_int_equal(pair->pair_a.side_done, 1);
	assert_non_null(strstr(pair->pair_a.side_error,
			       "AUTHENTICATION_FAILED"));
	assert_said(&pair->pair_b, "AUTH is wrong: another pre-shared key");
	assert_int_equal(pair->pair_a.side_n_sas + pair->pair_b.side_n_sas, 0);
	assert_null(side_conn(&pair->pair_a)->cn_sas);
	pair_advance(pair, IKE_LINGER_MS + 1);
	assert_int_equal(side_count(&pair->pair_b, IKE_CLOSED), 0);
	pair_free(pair);
}

/* The responder's AUTH is wrong: the initiator tells it and ends. */
static void test_wrong_psk_of_responder(void **state)
{
	struct pair *pair = pair_new(CONF_A(""), CONF_B(""));

	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
	expect_deliver(pair, "a->b 1 IKE_AUTH: " AUTH_REQUEST);
	pair->pair_a.side_psk = "another";	/* for verifying */
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: " AUTH_REPLY);
	expect_deliver(pair, "a->b 2 INFORMATIONAL: N(AUTHENTICATION_FAILED)");
	expect_deliver(pair, "b->a 2 INFORMATIONAL reply:");
	expect_silence(pair);
	assert_non_null(strstr(pair->pair_a.side_error,
			       "another pre-shared key"));
	assert_int_equal(pair->pair_a.side_n_sas + pair->pair_b.side_n_sas, 0);
	assert_int_equal(side_count(&pair->pair_b, IKE_ESTABLISHED), 0);
	pair_free(pair);
}

/* No key at all, at either side. */
static void test_no_psk(void **state)
{
	struct pair *pair = pair_new(CONF_A(""), CONF_B(""));

	pair->pair_a.side_fail[IPC_PSK] = 13;
	side_command(&pair->pair_a, core_up);
	pair_run(pair);
	assert_non_null(strstr(pair->pair_a.side_error, "we cannot authenticate: made to fail"));
	pair->pair_a.side_fail[IPC_PSK] = 0;
	pair->pair_b.side_fail[IPC_PSK] = 13;
	side_command(&pair->pair_a, core_up);
	pair_run(pair);
	assert_non_null(strstr(pair->pair_a.side_error,
			       "AUTHENTICATION_FAILED"));
	assert_int_equal(pair->pair_a.side_n_sas + pair->pair_b.side_n_sas, 0);
	pair_free(pair);
}

static void test_wrong_id(void **state)
{
	struct pair *pair = pair_new(CONF_A(" local-id = a.example.org"),
				     CONF_B(" remote-id = x.example.org"));

	side_command(&pair->pair_a, core_up);
	pair_run(pair);
	assert_non_null(strstr(pair->pair_a.side_error, "a.example.org"));
	assert_said(&pair->pair_b,
		    "no connection for a peer that says it is a.example.org and asks for 192.0.2.2");
	assert_said(&pair->pair_b,
		    "net expects remote-id x.example.org, local-id 192.0.2.2; remote-id differs");
	assert_int_equal(pair->pair_b.side_asked[IPC_PSK], 0);
	pair_free(pair);
}

/* The connection is chosen by identity among those for the same addresses. */
static void test_choice_by_id(void **state)
{
	static const char two[] =
		"connection other {\n remote = 192.0.2.1\n psk = /psk\n"
		" remote-id = other.example.org\n"
		" protect = 10.9.0.0/16 <-> 10.8.0.0/16\n}\n"
		CONF_B(" remote-id = a.example.org\n local-id = b.example.org");
	struct pair *pair = pair_up(CONF_A(" local-id = a.example.org\n"
					   " remote-id = b.example.org"), two);

	assert_string_equal(side_sa(&pair->pair_b)->sa_conn->cn_conf.conn_name,
			    "net");
	pair_free(pair);
}

/*
 * Nobody vouches for the refusal: the initiator waits two seconds for a true
 * answer before it believes it.
 */
static void test_no_ike_proposal(void **state)
{
	struct pair *pair = pair_new(CONF_A(" ike = aes128gcm-sha256-x25519"),
				     CONF_B(" ike = aes256gcm-sha256-x25519"));

	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	assert_said(&pair->pair_b,
		    "offered:    ENCR AES-GCM-16-128 PRF HMAC-SHA2-256 KE X25519");
	assert_said(&pair->pair_b,
		    "configured: ENCR AES-GCM-16-256 PRF HMAC-SHA2-256 KE X25519");
	assert_said(&pair->pair_b, "they differ in ENCR");
	assert_int_equal(pair->pair_b.side_core->core_half_open, 0);
	expect_deliver(pair,
		       "b->a 0 IKE_SA_INIT reply: N(NO_PROPOSAL_CHOSEN)");
	assert_int_equal(pair->pair_a.side_done, 0);
	assert_int_equal(side_count(&pair->pair_a, IKE_CONNECTING), 1);
	pair_advance(pair, 2001);
	assert_int_equal(pair->pair_a.side_done, 1);
	assert_string_equal(pair->pair_a.side_error,
			    "the peer refused IKE_SA_INIT: NO_PROPOSAL_CHOSEN, none of the algorithms that we offered is one of its own");
	pair_free(pair);
}

/* A forged refusal does not keep a true answer from being taken. */
static void test_forged_refusal(void **state)
{
	struct pair *pair = pair_new(CONF_A(""), CONF_B(""));
	struct core_path path = {
		.cp_local = { pair->pair_a.side_addr, 500 },
		.cp_remote = { pair->pair_b.side_addr, 500 },
	};
	struct msg_header hdr;
	struct emit em;

	side_command(&pair->pair_a, core_up);
	ike_sa_header(side_sa(&pair->pair_a), &hdr);
	hdr.hdr_exchange = IKE_SA_INIT;
	hdr.hdr_flags = MSG_RESPONSE;
	emit_begin(&em, &hdr);
	emit_notify(&em, N_NO_PROPOSAL_CHOSEN, NULL, 0);
	assert_true(emit_finish(&em));
	core_receive(pair->pair_a.side_core, &path, em.em_data, em.em_len);
	pair_run(pair);
	assert_one_pair(pair);
	assert_string_equal(pair->pair_a.side_error, "");
	pair_free(pair);
}

/* The IKE SA stays up without a child: RFC 7296 section 1.2. */
static void refused_child(const char *a, const char *b, const char *notify,
			  const char *said)
{
	struct pair *pair = pair_new(a, b);
	char text[128];

	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
	expect_deliver(pair, "a->b 1 IKE_AUTH: " AUTH_REQUEST);
	snprintf(text, sizeof(text), "b->a 1 IKE_AUTH reply: IDr AUTH N(%s)",
		 notify);
	expect_deliver(pair, text);
	expect_silence(pair);
	assert_said(&pair->pair_b, said);
	assert_non_null(strstr(pair->pair_a.side_error, notify));
	assert_int_equal(side_count(&pair->pair_a, IKE_ESTABLISHED), 1);
	assert_int_equal(side_count(&pair->pair_b, IKE_ESTABLISHED), 1);
	assert_int_equal(pair->pair_a.side_n_sas + pair->pair_b.side_n_sas, 0);
	/* Asked again, it is CREATE_CHILD_SA. */
	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 2 CREATE_CHILD_SA: NONCE SA TSi TSr");
	snprintf(text, sizeof(text), "b->a 2 CREATE_CHILD_SA reply: N(%s)",
		 notify);
	expect_deliver(pair, text);
	assert_non_null(strstr(pair->pair_a.side_error, notify));
	pair_free(pair);
}

static void test_no_esp_proposal(void **state)
{
	refused_child(CONF_A(" esp = aes128gcm"), CONF_B(" esp = aes256gcm"),
		      "NO_PROPOSAL_CHOSEN",
		      "offered:    ENCR AES-GCM-16-128 ESN yes/no");
}

static void test_no_selectors(void **state)
{
	refused_child(CONF_A(" esp = aes128gcm"),
		      PAIR_CONN("192.0.2.1", "10.3.0.0/16 <-> 10.1.0.0/16",
				" esp = aes128gcm"),
		      "TS_UNACCEPTABLE",
		      "configured: 10.3.0.0/16 <-> 10.1.0.0/16");
}

static void test_keeper_refuses(void **state)
{
	struct pair *pair = pair_new(CONF_A(""), CONF_B(""));

	pair->pair_b.side_fail[IPC_CHILD_ADD] = 1;
	side_command(&pair->pair_a, core_up);
	pair_run(pair);
	assert_non_null(strstr(pair->pair_a.side_error, "TEMPORARY_FAILURE"));
	pair->pair_b.side_fail[IPC_CHILD_ADD] = 0;
	pair->pair_a.side_fail[IPC_CHILD_ADD] = 1;
	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 2 CREATE_CHILD_SA: NONCE KE SA TSi TSr");
	expect_deliver(pair,
		       "b->a 2 CREATE_CHILD_SA reply: NONCE KE SA TSi TSr");
	expect_deliver(pair, "a->b 3 INFORMATIONAL: D(ESP)");
	expect_deliver(pair, "b->a 3 INFORMATIONAL reply: D(ESP)");
	pair_run_for(pair, CHILD_LINGER_MS + 10);
	assert_int_equal(pair->pair_a.side_n_sas + pair->pair_b.side_n_sas, 0);
	assert_int_equal(side_count(&pair->pair_a, IKE_ESTABLISHED), 1);
	pair_free(pair);
}

/* Each side gets what both want; several ranges at once. */
static void test_narrowing(void **state)
{
	static const char a[] =
		PAIR_CONN("192.0.2.2",
			  "10.1.0.0/16, 10.4.0.0/24 <-> 10.2.0.0/16", "");
	static const char b[] =
		PAIR_CONN("192.0.2.1",
			  "10.2.3.0/24, 10.2.9.0/24 <-> 10.1.0.0/16, 10.4.0.0/16",
			  "");
	struct pair *pair = pair_up(a, b);
	struct child *child = side_child(&pair->pair_a);
	char text[TS_PAIR_STRLEN];
	struct ts_pair swapped;
	unsigned int i, k;

	assert_int_equal(child->child_n_ts, 4);
	assert_string_equal(ts_pair_print(&child->child_ts[0], text),
			    "10.1.0.0/16 <-> 10.2.3.0/24");
	/* What b has is what a has, or within it. */
	assert_int_equal(side_child(&pair->pair_b)->child_n_ts, 4);
	for (i = 0; i < 4; i++) {
		ts_pair_swap(&swapped, &side_child(&pair->pair_b)->child_ts[i]);
		for (k = 0; k < child->child_n_ts; k++)
			if (ts_pair_covers(&child->child_ts[k], &swapped))
				break;
		assert_true(k < child->child_n_ts);
	}
	pair_free(pair);
}

/* The packet that met the trap goes first into the offer. */
static void test_trap(void **state)
{
	struct pair *pair = pair_new(CONF_A(" start = trap"), CONF_B(""));
	struct ipc_msg msg;

	assert_int_equal(pair->pair_a.side_asked[IPC_CONN_UP], 1);
	expect_silence(pair);
	core_ask_init(&msg, IPC_ACQUIRE, "net");
	msg.im_event.ie_n_ts = 1;
	assert_true(ip_range_parse(&msg.im_event.ie_ts[0].pair_local.ts_addrs,
				   "10.1.0.5"));
	assert_true(ip_range_parse(&msg.im_event.ie_ts[0].pair_remote.ts_addrs,
				   "10.2.0.6"));
	msg.im_event.ie_ts[0].pair_local.ts_protocol = 17;
	msg.im_event.ie_ts[0].pair_remote.ts_protocol = 17;
	msg.im_event.ie_ts[0].pair_local.ts_port_last = 65535;
	msg.im_event.ie_ts[0].pair_remote.ts_port_first = 53;
	msg.im_event.ie_ts[0].pair_remote.ts_port_last = 53;
	core_keeper(pair->pair_a.side_core, &msg);
	core_keeper(pair->pair_a.side_core, &msg);	/* once is enough */
	pair_run(pair);
	assert_one_pair(pair);
	assert_int_equal(side_child(&pair->pair_a)->child_n_ts, 1);
	assert_true(ts_pair_equal(&side_child(&pair->pair_a)->child_ts[0],
				  &side_conn(&pair->pair_a)->cn_conf.conn_pairs[0]));
	pair_free(pair);
}

/* start = start begins by itself, and tries until it works. */
static void test_start(void **state)
{
	struct pair *pair = pair_new(CONF_A(" start = start"), CONF_B(""));
	unsigned int i;

	for (i = 0; i < 12; i++) {
		pair_advance(pair, 100000);
		assert_non_null(pair->pair_wire);
		pair_clear_wire(pair);
	}
	assert_said(&pair->pair_a, "no answer from 192.0.2.2:500 to IKE_SA_INIT");
	pair_run_for(pair, 120000);
	assert_one_pair(pair);
	pair_free(pair);
}

/* start = wait sends nothing by itself. */
static void test_wait(void **state)
{
	struct pair *pair = pair_new(CONF_A(""), CONF_B(""));

	pair_advance(pair, 1000000);
	expect_silence(pair);
	assert_int_equal(pair->pair_a.side_asked[IPC_CONN_UP], 0);
	pair_free(pair);
}

/* Nobody there: an answer for the person after a minute, then silence. */
static void test_nobody(void **state)
{
	struct pair *pair = pair_new(CONF_A(""), CONF_B(""));
	unsigned int sent = 0;
	struct pair_datagram *dg;

	side_command(&pair->pair_a, core_up);
	pair_advance(pair, 70000);
	assert_int_equal(pair->pair_a.side_done, 1);
	assert_string_equal(pair->pair_a.side_error,
			    "no answer from 192.0.2.2:500 to IKE_SA_INIT");
	while ((dg = pair_take(pair))) {
		assert_string_equal(dg->dg_text,
				    "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
		datagram_free(dg);
		sent++;
	}
	assert_in_range(sent, 8, 9);
	pair_advance(pair, 700000);
	expect_silence(pair);
	pair_free(pair);
}

/* Given up as early or late as is configured, and never silent for long. */
static void test_retransmit_timeout(void **state)
{
	static const struct {
		const char *conf;
		u64 ms;
		unsigned int least, most;
	} cases[] = {
		{ CONF_A(" retransmit-timeout = 2s"), 2000, 4, 5 },
		{ CONF_A(" retransmit-timeout = 5s"), 5000, 5, 6 },
		{ CONF_A(" retransmit-timeout = 10m"), 600000, 12, 13 },
	};
	unsigned int i, sent;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pair *pair = pair_new(cases[i].conf, CONF_B(""));
		struct pair_datagram *dg;

		side_command(&pair->pair_a, core_up);
		pair_advance(pair, cases[i].ms - 1);
		assert_int_equal(pair->pair_a.side_done, 0);
		pair_advance(pair, 1);
		assert_int_equal(pair->pair_a.side_done, 1);
		for (sent = 0; (dg = pair_take(pair)); sent++)
			datagram_free(dg);
		assert_in_range(sent, cases[i].least, cases[i].most);
		pair_free(pair);
	}
}

/* Each message lost in turn: retransmission heals it. */
static void test_each_lost(void **state)
{
	unsigned int lost, i;

	for (lost = 0; lost < 4; lost++) {
		struct pair *pair = pair_new(CONF_A(""), CONF_B(""));
		struct pair_datagram *dg;

		side_command(&pair->pair_a, core_up);
		for (i = 0; (dg = pair_take(pair)); i++) {
			if (i != lost)
				pair_deliver(pair, dg);
			datagram_free(dg);
		}
		assert_int_equal(pair->pair_a.side_done, 0);
		pair_run_for(pair, 600);
		assert_one_pair(pair);
		assert_int_equal(pair->pair_b.side_asked[IPC_CHILD_ADD], 1);
		pair_free(pair);
	}
}

/* Every message delivered twice, then all of them again: nothing changes. */
static void test_replay(void **state)
{
	struct pair *pair = pair_new(CONF_A(""), CONF_B(""));
	struct pair_datagram *all[16], *dg;
	unsigned int i, count = 0;

	side_command(&pair->pair_a, core_up);
	while ((dg = pair_take(pair))) {
		pair_deliver(pair, dg);
		pair_deliver(pair, dg);
		if (!count || strcmp(dg->dg_text, all[count - 1]->dg_text))
			all[count++] = dg;
		else
			datagram_free(dg);
	}
	assert_one_pair(pair);
	assert_int_equal(count, 4);
	for (i = 0; i < count; i++) {
		pair_deliver(pair, all[i]);
		/* Only IKE_AUTH's reply is sent again, byte for byte. */
		if (i == 2) {
			dg = pair_expect(pair, "b->a 1 IKE_AUTH reply: "
					 AUTH_REPLY);
			assert_int_equal(dg->dg_len, all[3]->dg_len);
			assert_memory_equal(dg->dg_data, all[3]->dg_data,
					    dg->dg_len);
			datagram_free(dg);
		}
		expect_silence(pair);
	}
	while (count)
		datagram_free(all[--count]);
	assert_one_pair(pair);
	assert_int_equal(side_count(&pair->pair_b, IKE_KEYED), 0);
	assert_int_equal(pair->pair_b.side_core->core_half_open, 0);
	pair_free(pair);
}

/* A reply is repeated only so often. */
static void test_resends_bounded(void **state)
{
	struct pair *pair = pair_new(CONF_A(""), CONF_B(""));
	struct pair_datagram *dg;
	u64 before;
	int i;

	side_command(&pair->pair_a, core_up);
	dg = pair_expect(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	before = pair->pair_sent;
	for (i = 0; i < 1000; i++)
		pair_deliver(pair, dg);
	assert_int_equal(pair->pair_sent - before, 1 + WINDOW_RESENDS);
	datagram_free(dg);
	pair_free(pair);
}

/* Our own IKE_SA_INIT comes back to us: not answered, not taken as an answer. */
static void test_reflection(void **state)
{
	struct pair *pair = pair_new(CONF_A(""), CONF_B(""));
	struct pair_datagram *dg;
	struct core_path path;

	side_command(&pair->pair_a, core_up);
	dg = pair_expect(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	path = dg->dg_path;
	core_receive(pair->pair_a.side_core, &path, dg->dg_data, dg->dg_len);
	expect_silence(pair);
	assert_int_equal(pair->pair_a.side_core->core_half_open, 0);
	assert_said(&pair->pair_a, "our own message comes back");
	/* The same as a reply, with our SPI as the responder's too. */
	dg->dg_data[19] = MSG_RESPONSE;
	memcpy(dg->dg_data + 8, dg->dg_data, 8);
	core_receive(pair->pair_a.side_core, &path, dg->dg_data, dg->dg_len);
	expect_silence(pair);
	assert_int_equal(side_count(&pair->pair_a, IKE_CONNECTING), 1);
	datagram_free(dg);
	pair_free(pair);
}

/* An unknown payload that is critical is named in the answer. */
static void test_critical_init(void **state)
{
	struct pair *pair = pair_new(CONF_A(""), CONF_B(""));
	struct core_path path = {
		.cp_local = { pair->pair_b.side_addr, 500 },
		.cp_remote = { pair->pair_a.side_addr, 500 },
	};
	struct msg_header hdr = stranger_header(1);
	struct pair_datagram *dg;
	struct emit em;

	emit_begin(&em, &hdr);
	emit_open(&em, 200);
	em.em_data[em.em_open + 1] = 0x80;
	emit_bytes(&em, "0123456789", 10);
	emit_close(&em);
	assert_true(emit_finish(&em));
	core_receive(pair->pair_b.side_core, &path, em.em_data, em.em_len);
	dg = pair_expect(pair, "b->a 0 IKE_SA_INIT reply: N(UNSUPPORTED_CRITICAL_PAYLOAD)");
	assert_int_equal(dg->dg_data[dg->dg_len - 1], 200);
	datagram_free(dg);
	assert_int_equal(pair->pair_b.side_core->core_half_open, 0);
	pair_free(pair);
}

static void send_protected(struct pair *pair, u8 exchange, u8 payload,
			   bool critical)
{
	struct ike_sa *sa = side_sa(&pair->pair_a);
	struct msg_header hdr;
	struct emit em;

	ike_sa_header(sa, &hdr);
	hdr.hdr_exchange = exchange;
	hdr.hdr_id = sa->sa_window.win_next;
	emit_begin(&em, &hdr);
	emit_sk(&em, &sa->sa_suite);
	emit_open(&em, payload);
	em.em_data[em.em_open + 1] = critical ? 0x80 : 0;
	emit_bytes(&em, "0123456789", 10);
	emit_close(&em);
	assert_true(ike_sa_seal(sa, &em));
	op_send(&pair->pair_a, &sa->sa_path, em.em_data, em.em_len);
}

static void test_critical_protected(void **state)
{
	struct pair *pair = pair_up(CONF_A(""), CONF_B(""));

	send_protected(pair, INFORMATIONAL, 200, true);
	expect_deliver(pair, "a->b 2 INFORMATIONAL: payload 200");
	expect_lost(pair, "b->a 2 INFORMATIONAL reply: N(UNSUPPORTED_CRITICAL_PAYLOAD)");
	side_sa(&pair->pair_a)->sa_window.win_next++;
	/* Not critical: passed over. */
	send_protected(pair, INFORMATIONAL, 200, false);
	expect_deliver(pair, "a->b 3 INFORMATIONAL: payload 200");
	expect_lost(pair, "b->a 3 INFORMATIONAL reply:");
	side_sa(&pair->pair_a)->sa_window.win_next++;
	assert_one_pair(pair);
	/* A request without what it needs is fatal: section 2.21.3. */
	send_protected(pair, CREATE_CHILD_SA, 200, false);
	expect_deliver(pair, "a->b 4 CREATE_CHILD_SA: payload 200");
	expect_deliver(pair, "b->a 4 CREATE_CHILD_SA reply: N(INVALID_SYNTAX)");
	assert_int_equal(side_count(&pair->pair_b, IKE_ESTABLISHED), 0);
	assert_int_equal(pair->pair_b.side_n_sas, 0);
	pair_free(pair);
}

/* CREATE_CHILD_SA and INFORMATIONAL before anybody is authenticated. */
static void test_before_auth(void **state)
{
	struct pair *pair = pair_new(CONF_A(""), CONF_B(""));

	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
	expect_lost(pair, "a->b 1 IKE_AUTH: " AUTH_REQUEST);
	send_protected(pair, CREATE_CHILD_SA, PAYLOAD_VENDOR, false);
	expect_deliver(pair, "a->b 1 CREATE_CHILD_SA: VENDOR");
	expect_silence(pair);
	send_protected(pair, INFORMATIONAL, PAYLOAD_VENDOR, false);
	expect_deliver(pair, "a->b 1 INFORMATIONAL: VENDOR");
	expect_silence(pair);
	assert_int_equal(side_count(&pair->pair_b, IKE_KEYED), 1);
	pair_run_for(pair, 700);
	assert_one_pair(pair);
	pair_free(pair);
}

/* a is behind a NAT: both float to 4500, ESP is encapsulated. */
static void test_nat(void **state)
{
	static const char b[] =
		PAIR_CONN("any", "10.2.0.0/16 <-> 10.1.0.0/16",
			  " remote-id = 192.0.2.1");
	struct pair *pair = pair_new(CONF_A(""), b);
	struct pair_datagram *dg;
	struct ike_sa *sa;

	pair->pair_nat = true;
	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
	assert_true(side_sa(&pair->pair_a)->sa_nat_local);
	assert_false(side_sa(&pair->pair_a)->sa_nat_remote);
	dg = pair_expect(pair, "a->b 1 IKE_AUTH: " AUTH_REQUEST);
	assert_true(dg->dg_path.cp_natt);
	assert_int_equal(dg->dg_path.cp_remote.ep_port, 4500);
	pair_deliver(pair, dg);
	datagram_free(dg);
	dg = pair_expect(pair, "b->a 1 IKE_AUTH reply: " AUTH_REPLY);
	assert_true(dg->dg_path.cp_natt);
	assert_int_equal(dg->dg_path.cp_remote.ep_port, 40001);
	pair_deliver(pair, dg);
	datagram_free(dg);
	assert_one_pair(pair);
	assert_true(pair->pair_b.side_sas[0].psa_encap);
	sa = side_sa(&pair->pair_b);
	assert_true(sa->sa_nat_remote && !sa->sa_nat_local);
	/* The NAT gives a another port: b follows authentic messages. */
	pair->pair_nat_port = 50000;
	side_command(&pair->pair_a, core_rekey);
	dg = pair_take(pair);
	pair_deliver(pair, dg);
	datagram_free(dg);
	assert_int_equal(sa->sa_path.cp_remote.ep_port, 50001);
	pair_run_for(pair, CHILD_LINGER_MS + 10);
	assert_string_equal(pair->pair_a.side_error, "");
	assert_one_pair(pair);
	/* Once more, by a liveness check: b replaces what sends elsewhere. */
	pair->pair_nat_port = 60000;
	ike_sa_check(side_sa(&pair->pair_a));
	expect_deliver(pair, "a->b 4 INFORMATIONAL:");
	assert_int_equal(sa->sa_path.cp_remote.ep_port, 60001);
	expect_deliver(pair, "b->a 4 INFORMATIONAL reply:");
	expect_deliver(pair, "b->a 2 CREATE_CHILD_SA: N(REKEY_SA) NONCE KE SA TSi TSr");
	pair_run_for(pair, CHILD_LINGER_MS + 10);
	assert_one_pair(pair);
	pair_free(pair);
}

/* Without a NAT nobody follows anybody. */
static void test_no_follow(void **state)
{
	struct pair *pair = pair_up(CONF_A(""), CONF_B(""));
	struct core_path path;
	struct pair_datagram *dg;

	side_command(&pair->pair_a, core_rekey);
	dg = pair_expect(pair, "a->b 2 CREATE_CHILD_SA: N(REKEY_SA) NONCE KE SA TSi TSr");
	path = pair_arrival(pair, dg);
	path.cp_remote.ep_addr = pair_addr("203.0.113.77");
	core_receive(pair->pair_b.side_core, &path, dg->dg_data, dg->dg_len);
	datagram_free(dg);
	dg = pair_expect(pair, "b->a 2 CREATE_CHILD_SA reply: NONCE KE SA TSi TSr");
	/* The answer goes where the question came from, section 2.11. */
	assert_true(ip_addr_equal(&dg->dg_path.cp_remote.ep_addr,
				  &path.cp_remote.ep_addr));
	datagram_free(dg);
	assert_true(ip_addr_equal(&side_sa(&pair->pair_b)->sa_path.cp_remote.ep_addr,
				  &pair->pair_a.side_addr));
	pair_free(pair);
}

static void forced(const char *a, const char *b)
{
	struct pair *pair = pair_up(a, b);
	struct ike_sa *sa = side_sa(&pair->pair_a);

	assert_true(sa->sa_path.cp_natt && sa->sa_encap);
	assert_true(side_sa(&pair->pair_b)->sa_path.cp_natt);
	assert_true(pair->pair_a.side_sas[0].psa_encap);
	assert_true(pair->pair_b.side_sas[0].psa_encap);
	pair_free(pair);
}

static void test_forced_encapsulation(void **state)
{
	forced(CONF_A(" encapsulation = udp"), CONF_B(""));
	forced(CONF_A(""), CONF_B(" encapsulation = udp"));
	forced(CONF_A(" encapsulation = udp"), CONF_B(" encapsulation = udp"));
}

/* Strangers: wrong version, unknown SPI; answered sparingly, kept nowhere. */
static void test_strangers(void **state)
{
	struct pair *pair = pair_new(CONF_A(""), CONF_B(""));
	struct core_path path = {
		.cp_local = { pair->pair_b.side_addr, 500 },
		.cp_remote = { pair->pair_a.side_addr, 500 },
	};
	struct msg_header hdr = stranger_header(7);
	struct emit em;
	u64 before;
	int i;

	hdr.hdr_version = 0x30;
	emit_begin(&em, &hdr);
	assert_true(emit_finish(&em));
	core_receive(pair->pair_b.side_core, &path, em.em_data, em.em_len);
	expect_lost(pair, "b->a 0 IKE_SA_INIT reply: N(INVALID_MAJOR_VERSION)");
	hdr.hdr_version = 0x20;
	hdr.hdr_exchange = INFORMATIONAL;
	hdr.hdr_spi_r[3] = 9;
	hdr.hdr_id = 5;
	emit_begin(&em, &hdr);
	assert_true(emit_finish(&em));
	core_receive(pair->pair_b.side_core, &path, em.em_data, em.em_len);
	expect_lost(pair, "b->a 5 INFORMATIONAL reply: N(INVALID_IKE_SPI)");
	before = pair->pair_sent;
	for (i = 0; i < 1000; i++)
		core_receive(pair->pair_b.side_core, &path, em.em_data,
			     em.em_len);
	assert_true(pair->pair_sent - before <= 10);
	pair_clear_wire(pair);
	/* Never an answer to an answer. */
	pair_advance(pair, 2000);
	hdr.hdr_flags |= MSG_RESPONSE;
	emit_begin(&em, &hdr);
	assert_true(emit_finish(&em));
	core_receive(pair->pair_b.side_core, &path, em.em_data, em.em_len);
	expect_silence(pair);
	pair_free(pair);
}

/* An address that nobody configured is told no more than NO_PROPOSAL_CHOSEN. */
static void test_unknown_address(void **state)
{
	static const char b[] =
		PAIR_CONN("203.0.113.1", "10.2.0.0/16 <-> 10.1.0.0/16", "");
	struct pair *pair = pair_new(CONF_A(""), b);

	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: N(NO_PROPOSAL_CHOSEN)");
	assert_int_equal(side_count(&pair->pair_b, IKE_CONNECTING), 0);
	assert_said(&pair->pair_b, "no connection for these addresses");
	pair_free(pair);
}

static void test_status(void **state)
{
	struct pair *pair = pair_new(CONF_A(""), CONF_B(""));
	json_t *status = core_status(pair->pair_a.side_core, NULL);
	json_t *conn = json_array_get(json_object_get(status, "connections"), 0);
	char *text;

	assert_string_equal(json_string_value(json_object_get(conn, "state")),
			    "down");
	json_decref(status);
	side_command(&pair->pair_a, core_up);
	pair_run(pair);
	status = core_status(pair->pair_a.side_core, "net");
	text = json_dumps(status, JSON_COMPACT);
	assert_non_null(strstr(text, "\"state\":\"up\""));
	assert_non_null(strstr(text, "\"remote-id\":\"192.0.2.2\""));
	assert_non_null(strstr(text, "\"spi-in\":\"0xa0000001\""));
	assert_non_null(strstr(text, "\"selectors\":[\"10.1.0.0/16 <-> 10.2.0.0/16\"]"));
	assert_non_null(strstr(text, "\"role\":\"initiator\""));
	free(text);
	json_decref(status);
	pair_free(pair);
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_up),
		cmocka_unit_test(test_up_twice),
		cmocka_unit_test(test_suites),
		cmocka_unit_test(test_preference),
		cmocka_unit_test(test_invalid_ke),
		cmocka_unit_test(test_modp),
		cmocka_unit_test(test_modp_orphan),
		cmocka_unit_test(test_cookie),
		cmocka_unit_test(test_cookie_age),
		cmocka_unit_test(test_half_open_bounded),
		cmocka_unit_test(test_wrong_psk),
		cmocka_unit_test(test_wrong_psk_of_responder),
		cmocka_unit_test(test_no_psk),
		cmocka_unit_test(test_wrong_id),
		cmocka_unit_test(test_choice_by_id),
		cmocka_unit_test(test_no_ike_proposal),
		cmocka_unit_test(test_forged_refusal),
		cmocka_unit_test(test_no_esp_proposal),
		cmocka_unit_test(test_no_selectors),
		cmocka_unit_test(test_keeper_refuses),
		cmocka_unit_test(test_narrowing),
		cmocka_unit_test(test_trap),
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_retransmit_timeout),
		cmocka_unit_test(test_each_lost),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_resends_bounded),
		cmocka_unit_test(test_reflection),
		cmocka_unit_test(test_critical_init),
		cmocka_unit_test(test_critical_protected),
		cmocka_unit_test(test_before_auth),
		cmocka_unit_test(test_nat),
		cmocka_unit_test(test_no_follow),
		cmocka_unit_test(test_forced_encapsulation),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_unknown_address),
		cmocka_unit_test(test_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
