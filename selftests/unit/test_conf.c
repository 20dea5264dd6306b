// SPDX-License-Identifier: GPL-2.0-or-later

#include "unit.h"

#include "conf.h"

static struct conf_log messages;

static struct conf *parse(const char *text)
{
	conf_log_free(&messages);
	return conf_parse("/etc/cygnet/cygnet.conf", text, strlen(text),
			  &messages);
}

static struct conf *parse_good(const char *text)
{
	struct conf *conf = parse(text);

	if (!conf)
		conf_log_print(stderr, "test", &messages);
	assert_non_null(conf);
	return conf;
}

/* Exactly one error, there and with those words. */
static void assert_error(const char *text, u32 line, u32 column,
			 const char *words)
{
	struct conf *conf = parse(text);

	if (messages.log_errors != 1 || messages.log_count != 1)
		conf_log_print(stderr, text, &messages);
	assert_null(conf);
	assert_int_equal(messages.log_errors, 1);
	assert_int_equal(messages.log_messages[0].msg_line, line);
	assert_int_equal(messages.log_messages[0].msg_column, column);
	if (!strstr(messages.log_messages[0].msg_text, words))
		fail_msg("\"%s\" does not say \"%s\"",
			 messages.log_messages[0].msg_text, words);
	conf_log_free(&messages);
}

#define BEGIN "connection office {\n"
#define BASE  BEGIN " remote = 192.0.2.1\n psk = office.psk\n" \
	" protect = 10.1.0.0/16 <-> 10.2.0.0/16\n"
/* The setting under test stands in line 5, its value in column N + 5. */
#define WITH(setting) BASE " " setting "\n}\n"

static void test_smallest(void **state)
{
	struct conf *conf = parse_good(BASE "}\n");
	struct conf_conn *conn = &conf->conf_conns[0];
	char buf[TS_PAIR_STRLEN];

	assert_int_equal(conf->conf_nconns, 1);
	assert_int_equal(conf->conf_ike_port, 500);
	assert_int_equal(conf->conf_natt_port, 4500);
	assert_string_equal(conf->conf_control_dir, "/run/cygnet");
	assert_int_equal(conf->conf_log_level, CONF_LOG_INFO);
	assert_string_equal(conn->conn_name, "office");
	assert_int_equal(conn->conn_line, 1);
	assert_string_equal(conn->conn_psk, "/etc/cygnet/office.psk");
	assert_int_equal(conn->conn_npairs, 1);
	assert_string_equal(ts_pair_print(&conn->conn_pairs[0], buf),
			    "10.1.0.0/16 <-> 10.2.0.0/16");
	assert_int_equal(conn->conn_local.ip_family, AF_UNSPEC);
	assert_int_equal(conn->conn_remote.ip_family, AF_INET);
	assert_int_equal(conn->conn_local_id.id_type, ID_ADDRESS);
	assert_int_equal(conn->conn_start, CONF_START_WAIT);
	assert_int_equal(conn->conn_nike, 2 + ke_at_hand(KE_ML_KEM_768));
	assert_int_equal(conn->conn_nesp, 1);
	assert_int_equal(conn->conn_rekey, 3600);
	assert_int_equal(conn->conn_liveness, 30);
	assert_int_equal(conn->conn_retransmit_timeout, 60);
	assert_int_equal(conn->conn_fragment_size, 1280);
	assert_int_equal(conn->conn_keepalive, 20);
	assert_int_equal(conn->conn_replay_window, 1024);
	assert_int_equal(conn->conn_mtu, 0);
	assert_false(conn->conn_policy_based);
	assert_int_equal(conn->conn_fwmark, 0);
	assert_string_equal(conn->conn_underlay, "");
	assert_int_equal(conn->conn_origin[CONF_REMOTE], 2);
	assert_int_equal(conn->conn_origin[CONF_MTU], 0);
	conf_free(conf);
}

static void test_ppk(void **state)
{
	struct conf *conf = parse_good(WITH("ppk = q\n ppk-id = both.test"));

	assert_string_equal(conf->conf_conns[0].conn_ppk, "/etc/cygnet/q");
	assert_string_equal(conf->conf_conns[0].conn_ppk_id, "both.test");
	assert_true(conf->conf_conns[0].conn_ppk_required);
	conf_free(conf);
	assert_error(WITH("ppk = q"), 5, 1, "ppk-id");
	assert_error(WITH("ppk-id = both.test"), 5, 1, "there is no ppk = FILE");
}

/* Only what has ML-KEM in it; a default that has it, if OpenSSL can do it. */
static void test_post_quantum(void **state)
{
	struct conf *conf;

	assert_error(WITH("ike = aes256gcm-sha256-x25519\n post-quantum = require"),
		     5, 1, "may do without ML-KEM");
	if (!ke_at_hand(KE_ML_KEM_768)) {
		assert_error(WITH("post-quantum = require"), 5, 1,
			     "OpenSSL 3.5");
		return;
	}
	conf = parse_good(WITH("post-quantum = require"));
	assert_int_equal(conf->conf_conns[0].conn_nike, 1);
	assert_true(proposal_is_quantum(&conf->conf_conns[0].conn_ike[0]));
	conf_free(conf);
}

static void test_every_key(void **state)
{
	struct conf *conf =
		parse_good("global {\n ike-port = 1500\n natt-port = 5500\n"
			   " fwmark = 7\n control-dir = /tmp/c\n log-level = debug\n}\n"
			   BEGIN " remote = 192.0.2.1\n remote-port = 4500\n psk = none\n"
			   " protect = 10.1.0.0/16 <-> 10.2.0.0/16\n"
			   " local = 198.51.100.1\n local-id = a.example\n"
			   " cert = c\n key = k\n passphrase = none\n"
			   " remote-key = none\n trust = t\n crl = /c\n"
			   " signatures = ecdsa, rsa-pkcs1\n eku = any\n"
			   " remote-id = user@b.example\n mode = tunnel\n"
			   " ike = aes128gcm-sha256-ecp256\n"
			   " post-quantum = prefer\n ppk = p\n ppk-id = n\n ppk-required = no\n"
			   " esp = chacha20poly1305-x25519, aes128gcm\n"
			   " ah = none\n esn = no\n start = trap\n childless = yes\n redirect = 192.0.2.9, ::9\n reauth = 1d\n encapsulation = udp\n mobike = yes\n"
			   " device = wan7\n address = 10.1.0.1\n mtu = 1400\n"
			   " policy-based = yes\n fwmark = 4294967295\n underlay = wan0.7\n"
			   " rekey = 1h30m\n rekey-bytes = 5G\n"
			   " ike-lifetime = 1d\n liveness = off\n"
			   " retransmit-timeout = 10s\n fragment-size = off\n"
			   " keepalive = 25s\n replay-window = 32\n}\n");
	struct conf_conn *conn = &conf->conf_conns[0];
	size_t i;

	assert_int_equal(conf->conf_ike_port, 1500);
	assert_int_equal(conf->conf_natt_port, 5500);
	assert_int_equal(conf->conf_fwmark, 7);
	assert_string_equal(conf->conf_control_dir, "/tmp/c");
	assert_int_equal(conf->conf_log_level, CONF_LOG_DEBUG);
	assert_int_equal(conn->conn_local.ip_family, AF_INET);
	assert_int_equal(conn->conn_local_id.id_type, ID_FQDN);
	assert_int_equal(conn->conn_local_id.id_len, 9);
	assert_int_equal(conn->conn_remote_id.id_type, ID_RFC822_ADDR);
	assert_string_equal(conn->conn_psk, "");
	assert_string_equal(conn->conn_key, "/etc/cygnet/k");
	assert_string_equal(conn->conn_crl, "/c");
	assert_int_equal(conn->conn_signatures,
			 CONF_SIG_ECDSA | CONF_SIG_RSA_PKCS1);
	assert_int_equal(conn->conn_eku, CONF_EKU_ANY);
	assert_int_equal(conn->conn_auth_local, CONF_AUTH_CERT);
	assert_int_equal(conn->conn_auth_remote, CONF_AUTH_CERT);
	assert_int_equal(conn->conn_nike, 1);
	assert_int_equal(conn->conn_nesp, 2);
	assert_false(conn->conn_esn);
	assert_null(proposal_first(&conn->conn_esp[1], TRANSFORM_KE));
	assert_int_equal(proposal_first(&conn->conn_esp[1],
					TRANSFORM_ESN)->tr_id, ESN_NO);
	assert_int_equal(conn->conn_start, CONF_START_TRAP);
	assert_int_equal(conn->conn_encapsulation, CONF_ENCAP_UDP);
	assert_true(conn->conn_mobike);
	assert_string_equal(conn->conn_device, "wan7");
	assert_int_equal(conn->conn_mtu, 1400);
	assert_true(conn->conn_policy_based);
	assert_int_equal(conn->conn_fwmark, 0xffffffff);
	assert_string_equal(conn->conn_underlay, "wan0.7");
	assert_int_equal(conn->conn_rekey, 5400);
	assert_int_equal(conn->conn_rekey_bytes, 5ULL << 30);
	assert_int_equal(conn->conn_ike_lifetime, 86400);
	assert_int_equal(conn->conn_liveness, 0);
	assert_int_equal(conn->conn_retransmit_timeout, 10);
	assert_int_equal(conn->conn_fragment_size, 0);
	assert_int_equal(conn->conn_keepalive, 25);
	assert_int_equal(conn->conn_replay_window, 32);
	for (i = 0; i < CONF_CONN_KEYS; i++)
		assert_true(conn->conn_origin[i]);
	conf_free(conf);
}

/* What "show config" prints, read again, is the same configuration. */
static void test_values_read_back(void **state)
{
	struct conf *conf = parse_good(WITH("rekey = 90m")), *again;
	static char text[4 * CONF_VALUE_STRLEN], value[CONF_VALUE_STRLEN];
	int key;

	strcpy(text, "connection office {\n");
	for (key = 0; key < CONF_CONN_KEYS; key++)
		sprintf(text + strlen(text), "%s = %s\n",
			conf_conn_key(key)->key_name,
			conf_conn_value(&conf->conf_conns[0], key, value,
					sizeof(value)));
	strcat(text, "}\n");
	again = parse_good(text);
	memset(again->conf_conns[0].conn_origin, 0,
	       sizeof(again->conf_conns[0].conn_origin));
	memset(conf->conf_conns[0].conn_origin, 0,
	       sizeof(conf->conf_conns[0].conn_origin));
	for (key = 0; key < CONF_CONN_KEYS; key++) {
		static char other[CONF_VALUE_STRLEN];

		assert_string_equal(conf_conn_value(&conf->conf_conns[0], key,
						    value, sizeof(value)),
				    conf_conn_value(&again->conf_conns[0], key,
						    other, sizeof(other)));
	}
	conf_free(conf);
	conf_free(again);
}

static void test_values_in_words(void **state)
{
	static const struct {
		const char *setting;
		enum conf_conn_key key;
		const char *printed;
	} cases[] = {
		{ "rekey = 5400s", CONF_REKEY, "90m" },
		{ "rekey = 61", CONF_REKEY, "61s" },
		{ "rekey = 0h60m", CONF_REKEY, "1h" },
		{ "rekey = off", CONF_REKEY, "off" },
		{ "rekey-bytes = 1024M", CONF_REKEY_BYTES, "1G" },
		{ "rekey-bytes = 65537", CONF_REKEY_BYTES, "65537" },
		{ "mtu = 1400", CONF_MTU, "1400" },
		{ "mtu = auto", CONF_MTU, "auto" },
		{ "device = cyg3", CONF_DEVICE, "cyg3" },
		{ "device = auto", CONF_DEVICE, "auto" },
		{ "fwmark = none", CONF_FWMARK, "none" },
		{ "underlay = none", CONF_UNDERLAY, "none" },
		{ "local = 192.0.2.9", CONF_LOCAL, "192.0.2.9" },
		{ "remote-id = a@b", CONF_REMOTE_ID, "a@b" },
		{ "start = trap", CONF_START, "trap" },
		{ "esn = no", CONF_ESN, "no" },
		{ "esp = aes128gcm-noesn", CONF_ESP, "aes128gcm-noesn" },
		{ "esp = aes128gcm, aes256gcm", CONF_ESP,
		  "aes128gcm-esn-noesn, aes256gcm-esn-noesn" },
		{ "protect = ::1 <-> ::2", CONF_PROTECT,
		  "10.1.0.0/16 <-> 10.2.0.0/16, ::1 <-> ::2" },
	};
	char buf[CONF_VALUE_STRLEN], text[512];
	struct conf *conf;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(text, sizeof(text), BASE "%s\n}\n",
			 cases[i].setting);
		conf = parse_good(text);
		assert_string_equal(conf_conn_value(&conf->conf_conns[0],
						    cases[i].key, buf,
						    sizeof(buf)),
				    cases[i].printed);
		conf_free(conf);
	}
}

static void test_errors_of_a_line_in_order(void **state)
{
	struct conf *conf = parse(WITH("esp = 3des, des, idea"));
	size_t i;

	assert_null(conf);
	assert_int_equal(messages.log_count, 3);
	for (i = 0; i < 3; i++)
		assert_int_equal(messages.log_messages[i].msg_column,
				 i == 0 ? 8 : i == 1 ? 14 : 19);
	conf_log_free(&messages);
}

static void test_longest_path(void **state)
{
	char text[1024], path[CONF_PATH_MAX + 2];
	struct conf *conf;

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	snprintf(text, sizeof(text), BEGIN " remote = ::1\n psk = /%s\n"
		 " protect = ::1 <-> ::2\n}\n", path + 2);
	conf = parse_good(text);
	assert_int_equal(strlen(conf->conf_conns[0].conn_psk), CONF_PATH_MAX);
	conf_free(conf);
	snprintf(text, sizeof(text), BEGIN " remote = ::1\n psk = /%s\n"
		 " protect = ::1 <-> ::2\n}\n", path + 1);
	assert_error(text, 3, 8, "path too long");
}

static void test_plain_data(void **state)
{
	struct conf *conf = parse_good(BASE "}\nconnection b {\n"
				       "remote = ::1\npsk = /k\n"
				       "protect = ::1 <-> ::2\n}\n");
	struct conf *copy = malloc(conf->conf_size);
	size_t size = conf->conf_size;

	memcpy(copy, conf, size);
	conf_free(conf);
	assert_true(conf_check_size(copy, size));
	assert_false(conf_check_size(copy, size - 1));
	assert_string_equal(conf_find(copy, "b")->conn_psk, "/k");
	assert_null(conf_find(copy, "c"));
	assert_string_equal(conf_suggest(copy, "ofice"), "office");
	copy->conf_nconns++;
	assert_false(conf_check_size(copy, size));
	free(copy);
}

static void test_comments_and_quotes(void **state)
{
	struct conf *conf =
		parse_good("# comment\r\n\n\tconnection  office\t{ # more\r\n"
			   "\tremote\t=192.0.2.1 # address\r\n"
			   "psk = \"/a \\\"b\\\" # c\\\\d\" # the file\n"
			   "protect = \"10.1.0.0/16 <-> 10.2.0.0/16\"\n"
			   "device=cyg7\n  }  \t\n");

	assert_string_equal(conf->conf_conns[0].conn_psk, "/a \"b\" # c\\d");
	assert_string_equal(conf->conf_conns[0].conn_device, "cyg7");
	conf_free(conf);
}

static void test_no_newline_at_end(void **state)
{
	conf_free(parse_good(BASE "}"));
	conf_free(parse_good(""));
}

static void test_places_of_errors(void **state)
{
	assert_error(WITH("mtu = 67"), 5, 8, "68-65535");
	assert_error(WITH("mtu = 65536"), 5, 8, "68-65535");
	assert_error(WITH("mtu   =   x"), 5, 12, "not a number");
	assert_error(WITH("mtu = \"x\""), 5, 9, "not a number");
	assert_error(WITH("fwmark = 0"), 5, 11, "1-4294967295");
	assert_error(WITH("fwmark = 4294967296"), 5, 11, "1-4294967295");
	assert_error(WITH("policy-based = 1"), 5, 17, "yes, no");
	assert_error(WITH("mtu ="), 5, 7, "no value");
	assert_error(WITH("mtu = \"\""), 5, 9, "no value");
	assert_error(WITH("mtu = \"1400"), 5, 9, "quotes");
	assert_error(WITH("mut = 1400"), 5, 2, "did you mean \"mtu\"");
	assert_error(WITH("left = 1400"), 5, 2, "unknown key \"left\"");
	assert_error(WITH("psk = other"), 5, 8, "line 3");
	assert_error(WITH("start = begin"), 5, 10, "wait, trap, start");
	assert_error(WITH("start = strat"), 5, 10, "did you mean \"start\"");
	assert_error(WITH("rekey = 1x"), 5, 10, "not a time");
	assert_error(WITH("rekey = 8d"), 5, 10, "7d");
	assert_error(WITH("rekey = 99999999999999999999s"), 5, 10, "time");
	assert_error(WITH("rekey = -1s"), 5, 10, "time");
	assert_error(WITH("rekey-bytes = 12Q"), 5, 16, "bytes");
	assert_error(WITH("device = way-too-long-for-linux"), 5, 11, "device");
	assert_error(WITH("device = a/b"), 5, 11, "device");
	assert_error(WITH("mode = transport"), 4, 1, "leave networks out");
	assert_error(WITH("ah = aes256gcm"), 5, 7, "AH has none");
	assert_error(WITH("ah = x25519"), 5, 7, "needs a hash");
	assert_error(WITH("esp = none"), 5, 1, "neither esp nor ah");
	assert_error(WITH("esp = aes256gcm\n ah = sha256"), 6, 7, "line 5");
	assert_error(WITH("ah = sha256\n esp = aes256gcm"), 6, 8, "line 5");
	assert_error(WITH("ah = sha256\n encapsulation = udp"), 6, 1,
		     "AH cannot");
	assert_error(WITH("local = gw.example.org"), 5, 10, "only remote may");
	assert_error(WITH("local = 1.2.3.4.5"), 5, 10, "only remote may");
	assert_error(WITH("local = 0.0.0.0"), 5, 10, "not an address");
	assert_error(WITH("local = 2001:db8::1"), 5, 1, "family");
	assert_error(WITH("local-id = C=CH, XYZ=x"), 5, 13, "no such attribute");
	assert_error(WITH("local-id = C=CH, O"), 5, 13, "TYPE=VALUE");
	assert_error(WITH("local-id = C=CH, CN=*"), 5, 1, "who we are");
	assert_error(WITH("signatures = ecdsa, rsa-pks1"), 5, 22,
		     "did you mean \"rsa-pkcs1\"");
	assert_error(WITH("cert = c"), 5, 1, "key = FILE");
	assert_error(WITH("passphrase = c"), 5, 1, "key = FILE");
	assert_error(WITH("crl = c"), 5, 1, "trust");
	assert_error(WITH("remote-id = CN=*"), 5, 1, "certificate");
	assert_error(WITH("trust = t\n remote-id = key-id:x"), 6, 1, "key-id");
	assert_error(WITH("trust = t\n remote-key = k"), 6, 1, "not both");
	assert_error(WITH("trust = t\n key = k"), 3, 1, "psk is not used");
	assert_error(WITH("esp = aes256gcm, 3des"), 5, 19, "RFC 8221");
	assert_error(WITH("ike = aes256gcm"), 5, 8, "PRF");
	assert_error(WITH("nonsense"), 5, 2, "KEY = VALUE");
	assert_error(WITH("replay-window = 31"), 5, 18, "32-4096");
	assert_error(WITH("replay-window = 4097"), 5, 18, "32-4096");
}

static void test_errors_of_blocks(void **state)
{
	assert_error("mtu = 1400\n", 1, 1, "in a block");
	assert_error("}\n", 1, 1, "KEY = VALUE");
	assert_error(BASE, 1, 1, "not closed");
	assert_error("conection x {\n mtu = 3\n}\n", 1, 1,
		     "did you mean \"connection\"");
	assert_error("connection {\n}\n", 1, 12, "needs a name");
	assert_error("connection a b {\n}\n", 1, 12, "letters");
	assert_error("connection -a {\n}\n", 1, 12, "letters");
	assert_error("global x {\n}\n", 1, 8, "no name");
	assert_error("global {\n ike-port = 4500\n}\n", 2, 1, "the same");
	assert_error("global {\n ike-port = 0\n}\n", 2, 13, "1-65535");
	assert_error(BASE "}\n" BASE "}\n", 6, 12, "line 1");
	assert_error(BEGIN " remote = 192.0.2.1\n psk = a\n}\n", 1, 1,
		     "no protect");
	assert_error(BEGIN " remote = 192.0.2.1\n"
		     " protect = ::/0 <-> ::/0\n}\n", 1, 1, "no psk");
	assert_error(BEGIN " remote = 192.0.2.1\n trust = t\n"
		     " protect = ::/0 <-> ::/0\n}\n", 1, 1, "not how we do");
	assert_error(BEGIN " remote = 192.0.2.1\n key = k\n"
		     " protect = ::/0 <-> ::/0\n}\n", 1, 1,
		     "not how the peer does");
}

static void test_all_errors_at_once(void **state)
{
	struct conf *conf = parse("connection a {\n mtu = 1\n mut = 2\n}\n"
				  "global {\n log-level = loud\n}\n");
	size_t i;

	assert_null(conf);
	assert_int_equal(messages.log_errors, 6);
	for (i = 1; i < messages.log_count; i++)
		assert_true(messages.log_messages[i].msg_line >=
			    messages.log_messages[i - 1].msg_line);
	conf_log_free(&messages);
}

static void test_any_remote(void **state)
{
	static const char head[] = BEGIN
		" remote = any\n psk = a\n protect = ::/0 <-> ::/0\n";
	char text[512];

	snprintf(text, sizeof(text), "%s}\n", head);
	assert_error(text, 2, 1, "remote-id");
	snprintf(text, sizeof(text), "%s remote-id = x\n start = trap\n}\n",
		 head);
	assert_error(text, 6, 1, "only wait");
	snprintf(text, sizeof(text), "%s remote-id = x\n}\n", head);
	conf_free(parse_good(text));
}

static void test_named_remote(void **state)
{
	static const char head[] = " psk = a\n protect = ::/0 <-> ::/0\n";
	static const char *const bad[] = {
		"1.2.3.4.5", "300.1.1.1", "-a.b", "a-.b", "a..b", "a.", "a.1",
	};
	struct conf_conn *conn;
	struct conf *conf;
	char text[512], buf[64];
	size_t i;

	snprintf(text, sizeof(text),
		 BEGIN " remote = gw.example.org\n start = start\n%s}\n", head);
	conf = parse_good(text);
	conn = &conf->conf_conns[0];
	assert_false(conf_remote_is_any(conn));
	assert_int_equal(conn->conn_remote.ip_family, AF_UNSPEC);
	assert_int_equal(conn->conn_remote_id.id_type, ID_FQDN);
	assert_string_equal(conf_conn_value(conn, CONF_REMOTE, buf, sizeof(buf)),
			    "gw.example.org");
	assert_string_equal(conf_conn_value(conn, CONF_REMOTE_ID, buf,
					    sizeof(buf)), "gw.example.org");
	conf_free(conf);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), BEGIN " remote = %s\n%s}\n", bad[i],
			 head);
		assert_error(text, 2, 11, "neither an address nor a name");
	}
	assert_error(BEGIN " remote = gw.test\n psk = a\n mode = transport\n"
		     " start = trap\n protect = any\n}\n", 5, 1, "its name");
}

static void assert_mode_pairs(const char *mode, const char *protect,
			      size_t count, const char *last)
{
	char text[1024], buf[TS_PAIR_STRLEN];
	struct conf_conn *conn;
	struct conf *conf;

	snprintf(text, sizeof(text),
		 BEGIN "remote = ::1\npsk = a\nprotect = %s\nmode = %s\n}\n",
		 protect, mode);
	conf = parse_good(text);
	conn = &conf->conf_conns[0];
	assert_int_equal(conn->conn_npairs, count);
	assert_string_equal(ts_pair_print(&conn->conn_pairs[count - 1], buf),
			    last);
	conf_free(conf);
}

static void assert_pairs(const char *protect, size_t count, const char *last)
{
	assert_mode_pairs("tunnel", protect, count, last);
}

static void test_protect_hosts(void **state)
{
	struct conf *conf;
	char buf[256];

	assert_mode_pairs("transport", "any", 1, "any <-> any");
	assert_mode_pairs("transport", "icmp", 1, "icmp <-> icmp");
	assert_mode_pairs("transport", "tcp 5432", 2, "tcp 5432 <-> tcp");
	assert_mode_pairs("transport", "udp 53, tcp 53", 4, "tcp 53 <-> tcp");
	assert_mode_pairs("transport", "udp 53 <-> udp", 1, "udp 53 <-> udp");
	assert_mode_pairs("transport", "udp <-> udp 53, udp 54 <-> udp", 2,
			  "udp 54 <-> udp");
	conf = parse_good(BEGIN "remote = ::1\npsk = a\nmode = transport\n"
			  "protect = tcp 5432\nprotect = udp 53\n}\n");
	assert_int_equal(conf->conf_conns[0].conn_nchildren, 2);
	assert_string_equal(conf_conn_value(&conf->conf_conns[0], CONF_PROTECT,
					    buf, sizeof(buf)),
			    "tcp <-> tcp 5432, tcp 5432 <-> tcp, udp <-> udp 53, udp 53 <-> udp");
	conf_free(conf);
}

static void test_ah(void **state)
{
	struct conf *conf = parse_good(WITH("ah = sha512-sha256-x25519\n esp = none"));
	struct conf_conn *conn = &conf->conf_conns[0];
	char buf[256];

	assert_int_equal(conf_protocol(conn), PROTO_AH);
	assert_null(proposal_first(&conn->conn_esp[0], TRANSFORM_ENCR));
	assert_non_null(proposal_first(&conn->conn_esp[0], TRANSFORM_ESN));
	assert_string_equal(conf_conn_value(conn, CONF_AH, buf, sizeof(buf)),
			    "sha512-sha256-x25519-esn-noesn");
	assert_string_equal(conf_conn_value(conn, CONF_ESP, buf, sizeof(buf)),
			    "none");
	conf_free(conf);
	conf = parse_good(WITH("esp = aes256gcm\n ah = none"));
	assert_int_equal(conf_protocol(&conf->conf_conns[0]), PROTO_ESP);
	conf_free(conf);
}

static void test_protect(void **state)
{
	assert_pairs("10.1.0.0/16<->10.2.0.0/16", 1,
		     "10.1.0.0/16 <-> 10.2.0.0/16");
	assert_pairs("10.1.0.0/16, 10.3.0.0/16 <-> 10.2.0.0/16,10.4.0.1", 4,
		     "10.3.0.0/16 <-> 10.4.0.1");
	assert_pairs("10.1.0.0/16 <-> 10.2.0.0/16, ::1 <-> ::2", 2,
		     "::1 <-> ::2");
	assert_pairs("10.1.0.1-10.1.0.9 <-> 10.2.0.0/16", 1,
		     "10.1.0.1-10.1.0.9 <-> 10.2.0.0/16");
	assert_pairs("10.1.0.0/16 tcp <-> 10.2.0.0/16 tcp 443", 1,
		     "10.1.0.0/16 tcp <-> 10.2.0.0/16 tcp 443");
	assert_pairs("10.1.0.0/16 <-> 10.2.0.0/16 udp 53-55", 1,
		     "10.1.0.0/16 udp <-> 10.2.0.0/16 udp 53-55");
	assert_pairs("::/0 <-> ::/0\nprotect = 0.0.0.0/0 <-> 0.0.0.0/0", 2,
		     "0.0.0.0/0 <-> 0.0.0.0/0");
}

static void test_bad_protect(void **state)
{
	static const char head[] = BEGIN " remote = ::1\n psk = a\n protect = ";
	static const struct {
		const char *value;
		u32 column;
		const char *words;
	} cases[] = {
		{ "tcp 5432", 1, "mode = transport" },
		{ "tcp <-> tcp 5432", 1, "mode = transport" },
		{ "tcp 5432, ::1", 12, "both sides" },
		{ "tcp <-> ::1", 12, "the other is not" },
		{ "tcp 5432 udp", 16, "not a port" },
		{ "10.1.0.0/16", 12, "both sides" },
		{ "10.1.0.0/16 <-> gw", 28, "not a network" },
		{ "10.1.2.3/16 <-> ::1", 12, "did you mean 10.1.0.0/16" },
		{ "10.1.0.0/16 <-> ::1", 12, "IPv4" },
		{ "::1 tcp <-> ::2 udp", 12, "different protocols" },
		{ "::1 <-> ::2 tpc", 24, "not a protocol" },
		{ "::1 <-> ::2 icmp 5", 29, "not a port" },
		{ "::1 <-> ::2 tcp 70000", 28, "not a port" },
		{ "::1 <-> ::2, ::3", 0, NULL },
		{ "::1 <-> ::2, ::3, ::4 <-> ::5", 25, "both sides" },
		{ "::1,::2,::3,::4 <-> ::1,::2,::3,::4,::5", 12, "16 pairs" },
		{ "::1 <->", 19, "not a network" },
		{ "<-> ::1", 12, "not a network" },
		{ "::1 <-> <-> ::2", 12, "both sides" },
	};
	char text[512];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(text, sizeof(text), "%s%s\n}\n", head,
			 cases[i].value);
		if (cases[i].words)
			assert_error(text, 4, cases[i].column,
				     cases[i].words);
		else
			conf_free(parse_good(text));
	}
}

static void test_warnings_do_not_refuse(void **state)
{
	struct conf *conf = parse(WITH("address = 192.168.0.1"));

	assert_non_null(conf);
	assert_int_equal(messages.log_errors, 0);
	assert_int_equal(messages.log_count, 1);
	assert_true(messages.log_messages[0].msg_warning);
	conf_free(conf);
	conf_log_free(&messages);
}

static void test_identities(void **state)
{
	static const struct {
		const char *text;
		u8 type;
		const char *printed;
	} cases[] = {
		{ "192.0.2.1", ID_IPV4_ADDR, "192.0.2.1" },
		{ "2001:db8::1", ID_IPV6_ADDR, "2001:db8::1" },
		{ "gw.example.org", ID_FQDN, "gw.example.org" },
		{ "@gw", ID_FQDN, "gw" },
		{ "a@b", ID_RFC822_ADDR, "a@b" },
		{ "key-id:a b", ID_KEY_ID, "key-id:a b" },
	};
	char buf[CONF_ID_STRLEN], err[80];
	struct conf_id id, other;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_true(conf_id_parse(&id, cases[i].text, err,
					  sizeof(err)));
		assert_int_equal(id.id_type, cases[i].type);
		assert_string_equal(conf_id_print(&id, buf, sizeof(buf)),
				    cases[i].printed);
		other = id;
		assert_true(conf_id_equal(&id, &other));
		other.id_data[0] ^= 1;
		assert_false(conf_id_equal(&id, &other));
	}
	assert_false(conf_id_parse(&id, "", err, sizeof(err)));
	assert_false(conf_id_parse(&id, "@", err, sizeof(err)));
	assert_false(conf_id_parse(&id, "a b", err, sizeof(err)));
	memset(&id, 0, sizeof(id));
	id.id_type = ID_FQDN;
	id.id_len = 3;
	memcpy(id.id_data, "a\x1b[", 3);
	assert_string_equal(conf_id_print(&id, buf, sizeof(buf)), "a\\x1b[");
}

static void test_many_connections(void **state)
{
	char *text = malloc(1 << 20), *at = text;
	struct conf *conf;
	char name[16];
	int i;

	for (i = 0; i < 300; i++)
		at += sprintf(at, "connection c%d {\nremote = 192.0.2.1\n"
			      "psk = a\nprotect = ::1 <-> ::2\n}\n", i);
	conf = parse_good(text);
	assert_int_equal(conf->conf_nconns, 300);
	for (i = 0; i < 300; i++) {
		sprintf(name, "c%d", i);
		assert_int_equal(conf_find(conf, name)->conn_line, 5 * i + 1);
	}
	assert_true(conf_check_size(conf, conf->conf_size));
	conf_free(conf);
	free(text);
}

/* Whatever bytes come: an answer, and no fault (ASan and UBSan watch). */
static void test_mutated(void **state)
{
	static const char seed[] = WITH("esp = aes256gcm-x25519, aes128gcm");
	static const char spice[] = "{}=\"\\#\n\r\t ,-<>/0\xff";
	char text[sizeof(seed)];
	u32 random = 7296;
	size_t i, round;

	for (round = 0; round < 3000; round++) {
		memcpy(text, seed, sizeof(seed));
		for (i = 0; i < 1 + round % 4; i++) {
			random = random * 1664525 + 1013904223;
			text[(random >> 8) % (sizeof(seed) - 1)] =
				spice[(random >> 20) % sizeof(spice)];
		}
		conf_free(conf_parse("x", text, sizeof(text) - 1, &messages));
		conf_log_free(&messages);
	}
}

static void test_missing_file(void **state)
{
	assert_null(conf_read("/nonexistent/cygnet.conf", &messages));
	assert_int_equal(messages.log_errors, 1);
	assert_int_equal(messages.log_messages[0].msg_line, 0);
	conf_log_free(&messages);
}

static void test_table_is_complete(void **state)
{
	int key;

	for (key = 0; key < CONF_CONN_KEYS; key++) {
		assert_non_null(conf_conn_key(key)->key_name);
		assert_non_null(conf_conn_key(key)->key_type);
		assert_non_null(conf_conn_key(key)->key_meaning);
	}
	for (key = 0; key < CONF_GLOBAL_KEYS; key++)
		assert_non_null(conf_global_key(key)->key_default);
}

static struct conf_id id_of(const char *text)
{
	char err[120];
	struct conf_id id;

	if (!conf_id_parse(&id, text, err, sizeof(err)))
		fail_msg("%s: %s", text, err);
	return id;
}

/* Whether what is configured takes what a peer says. */
static void test_id_fits(void **state)
{
	static const struct {
		const char *expected, *actual;
		bool fits;
	} rows[] = {
		{ "gw.example.org", "gw.example.org", true },
		{ "gw.example.org", "GW.Example.ORG", true },
		{ "gw.example.org", "gw.example.orgs", false },
		{ "gw.example.org", "a@gw.example.org", false },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "C=DE, O=Big Firm, CN=gw", "C=DE,O=Big Firm,CN=gw", true },
		{ "C=DE, O=Big Firm, CN=gw", "C=DE, O=big  firm, CN=GW", true },
		{ "C=DE, O=Big Firm, CN=gw", "C=DE, CN=gw, O=Big Firm", false },
		{ "C=DE, O=Firm, CN=*", "C=DE, O=Firm, CN=anybody", true },
		{ "C=DE, O=Firm, CN=*", "C=DE, O=Other, CN=anybody", false },
		{ "C=DE, O=Firm, CN=*", "C=DE, O=Firm", false },
		{ "C=DE, O=Firm, CN=*", "C=DE, O=Firm, CN=a, CN=b", false },
		{ "C=DE, O=Firm, CN=*", "C=DE, O=Firm, OU=a", false },
		/* Commas inside a value make no new attribute. */
		{ "C=DE, O=Firm, CN=*", "C=DE, O=Firm\\, CN=x", false },
		{ "CN=*x", "CN=ax", false },
		{ "CN=x", "CN=*", false },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct conf_id expected = id_of(rows[i].expected);
		struct conf_id actual = id_of(rows[i].actual);

		if (conf_id_fits(&expected, &actual) != rows[i].fits)
			fail_msg("%s against %s", rows[i].expected,
				 rows[i].actual);
	}
}

static void test_dn_print(void **state)
{
	struct conf_id id = id_of("C=DE, O=Firm\\, Ltd, CN=*");
	char buf[CONF_ID_STRLEN];

	assert_true(conf_id_is_pattern(&id));
	assert_string_equal(conf_id_print(&id, buf, sizeof(buf)),
			    "C=DE, O=Firm\\, Ltd, CN=*");
	/* What is no name is shown as bytes. */
	id.id_data[1]++;
	assert_false(conf_id_is_pattern(&id));
	assert_memory_equal(conf_id_print(&id, buf, sizeof(buf)), "type-9:", 7);
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_smallest),
		cmocka_unit_test(test_post_quantum),
		cmocka_unit_test(test_ppk),
		cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_values_read_back),
		cmocka_unit_test(test_values_in_words),
		cmocka_unit_test(test_errors_of_a_line_in_order),
		cmocka_unit_test(test_longest_path),
		cmocka_unit_test(test_plain_data),
		cmocka_unit_test(test_comments_and_quotes),
		cmocka_unit_test(test_no_newline_at_end),
		cmocka_unit_test(test_places_of_errors),
		cmocka_unit_test(test_errors_of_blocks),
		cmocka_unit_test(test_all_errors_at_once),
		cmocka_unit_test(test_id_fits),
		cmocka_unit_test(test_dn_print),
		cmocka_unit_test(test_any_remote),
		cmocka_unit_test(test_protect),
		cmocka_unit_test(test_named_remote),
		cmocka_unit_test(test_protect_hosts),
		cmocka_unit_test(test_ah),
		cmocka_unit_test(test_bad_protect),
		cmocka_unit_test(test_warnings_do_not_refuse),
		cmocka_unit_test(test_identities),
		cmocka_unit_test(test_many_connections),
		cmocka_unit_test(test_mutated),
		cmocka_unit_test(test_missing_file),
		cmocka_unit_test(test_table_is_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
