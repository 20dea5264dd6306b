// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Parsing what should not be there, choosing among offers.
 */
#include "unit.h"

#include "emit.h"
#include "select.h"
#include "wire.h"

static struct message msg;

/* Builds a message of one payload from its body. */
static const char *parse(u8 type, const void *body, size_t len)
{
	struct msg_header hdr = {
		.hdr_version = MSG_VERSION_2, .hdr_exchange = IKE_SA_INIT,
	};
	static struct emit em;

	emit_begin(&em, &hdr);
	emit_open(&em, type);
	emit_bytes(&em, body, len);
	emit_close(&em);
	assert_true(emit_finish(&em));
	return msg_parse(&msg, em.em_data, em.em_len);
}

#define assert_refused(type, body, why) \
	assert_string_equal(parse(type, body, sizeof(body) - 1), why)
#define assert_taken(type, body) \
	assert_null(parse(type, body, sizeof(body) - 1))

static void test_header(void **state)
{
	struct msg_header hdr;
	u8 buf[MSG_HEADER_LEN] = { 0 };

	assert_non_null(msg_parse_header(&hdr, buf, 0));
	assert_non_null(msg_parse_header(&hdr, buf, 27));
	assert_non_null(msg_parse_header(&hdr, buf, 28));
	buf[27] = 28;
	assert_null(msg_parse_header(&hdr, buf, 28));
	buf[27] = 29;
	assert_non_null(msg_parse_header(&hdr, buf, 28));
}

/* Generic headers with lengths of 0 to 3, beyond the end, or left over. */
static void test_chain(void **state)
{
	u8 buf[64] = { 0 };
	unsigned int len;

	buf[27] = 40;
	buf[16] = PAYLOAD_VENDOR;
	for (len = 0; len < 4; len++) {
		buf[31] = (u8)len;
		assert_string_equal(msg_parse(&msg, buf, 40),
				    "payload length out of bounds");
	}
	buf[31] = 13;
	assert_string_equal(msg_parse(&msg, buf, 40),
			    "payload length out of bounds");
	buf[31] = 11;
	assert_string_equal(msg_parse(&msg, buf, 40),
			    "bytes after the last payload");
	buf[31] = 12;
	assert_null(msg_parse(&msg, buf, 40));
	buf[28] = PAYLOAD_VENDOR;
	assert_string_equal(msg_parse(&msg, buf, 40), "payload cut off");
}

static void test_too_many(void **state)
{
	struct msg_header hdr = { .hdr_version = MSG_VERSION_2 };
	static struct emit em;
	unsigned int i, count;

	for (count = MSG_PAYLOADS_MAX; count <= MSG_PAYLOADS_MAX + 1; count++) {
		emit_begin(&em, &hdr);
		for (i = 0; i < count; i++) {
			emit_open(&em, PAYLOAD_VENDOR);
			emit_close(&em);
		}
		assert_true(emit_finish(&em));
		assert_int_equal(!msg_parse(&msg, em.em_data, em.em_len),
				 count == MSG_PAYLOADS_MAX);
	}
	emit_begin(&em, &hdr);
	for (i = 0; i <= MSG_NOTIFIES_MAX; i++)
		emit_notify(&em, N_COOKIE, NULL, 0);
	assert_true(emit_finish(&em));
	assert_string_equal(msg_parse(&msg, em.em_data, em.em_len),
			    "too many notify payloads");
}

static void test_twice(void **state)
{
	struct msg_header hdr = { .hdr_version = MSG_VERSION_2 };
	static struct emit em;
	u8 nonce[16] = { 0 };

	emit_begin(&em, &hdr);
	emit_nonce(&em, nonce, sizeof(nonce));
	emit_nonce(&em, nonce, sizeof(nonce));
	assert_true(emit_finish(&em));
	assert_string_equal(msg_parse(&msg, em.em_data, em.em_len),
			    "a payload that may stand only once stands twice");
}

static void test_small_payloads(void **state)
{
	static u8 big[5 + CONF_ID_MAX];

	assert_refused(PAYLOAD_KE, "\0\x1f\0\0", "KE payload cut off");
	assert_taken(PAYLOAD_KE, "\0\x1f\0\0x");
	assert_refused(PAYLOAD_NONCE, "123456789012345",
		       "nonce not of 16 to 256 bytes");
	assert_taken(PAYLOAD_NONCE, "1234567890123456");
	assert_non_null(parse(PAYLOAD_NONCE, big, 257));
	assert_null(parse(PAYLOAD_NONCE, big, 256));
	assert_refused(PAYLOAD_ID_I, "\2\0\0\0",
		       "identification payload cut off");
	assert_taken(PAYLOAD_ID_I, "\2\0\0\0a");
	assert_null(parse(PAYLOAD_ID_I, big, 4 + CONF_ID_MAX));
	assert_non_null(parse(PAYLOAD_ID_I, big, 5 + CONF_ID_MAX));
	assert_refused(PAYLOAD_AUTH, "\2\0\0\0", "AUTH payload cut off");
	assert_refused(PAYLOAD_NOTIFY, "\0\0\0", "notify payload cut off");
	assert_refused(PAYLOAD_NOTIFY, "\0\1\0\0", "notify SPI out of bounds");
	assert_taken(PAYLOAD_NOTIFY, "\0\1\0\0x");
	assert_refused(PAYLOAD_DELETE, "\1\0\0", "delete payload cut off");
	assert_refused(PAYLOAD_DELETE, "\3\4\0\2abcd",
		       "delete payload's SPIs do not fill it");
	assert_refused(PAYLOAD_DELETE, "\3\0\0\0abcd",
		       "delete payload's SPIs do not fill it");
	assert_taken(PAYLOAD_DELETE, "\3\4\0\1abcd");
	assert_taken(PAYLOAD_DELETE, "\1\0\0\0");
	assert_taken(PAYLOAD_DELETE, "\1\0\xff\xff");
	assert_refused(PAYLOAD_SK, "abcdefgh",
		       "Encrypted payload where none belongs");
}

/* A proposal: last, 0, length, number, protocol, SPI size, transforms, … */
static void test_proposals(void **state)
{
	assert_refused(PAYLOAD_SA, "", "proposal cut off");
	assert_refused(PAYLOAD_SA, "\0\0\0\7\1\1\0\0",
		       "proposal length out of bounds");
	assert_refused(PAYLOAD_SA, "\0\0\0\x9\1\1\0\0",
		       "proposal length out of bounds");
	assert_taken(PAYLOAD_SA, "\0\0\0\x8\1\1\0\0");
	assert_refused(PAYLOAD_SA, "\1\0\0\x8\1\1\0\0",
		       "proposal chain broken");
	assert_refused(PAYLOAD_SA, "\2\0\0\x8\1\1\0\0", "proposal cut off");
	assert_refused(PAYLOAD_SA, "\0\0\0\x8\1\1\0\0x",
		       "bytes after the last proposal");
	assert_refused(PAYLOAD_SA, "\0\0\0\x8\1\1\x9\0",
		       "proposal SPI out of bounds");
	assert_refused(PAYLOAD_SA, "\0\0\0\x8\1\1\0\1", "transform cut off");
	assert_refused(PAYLOAD_SA, "\0\0\0\x10\1\1\0\1\0\0\0\7\1\0\0\x14",
		       "transform length out of bounds");
	assert_refused(PAYLOAD_SA, "\0\0\0\x10\1\1\0\1\0\0\0\x9\1\0\0\x14",
		       "transform length out of bounds");
	assert_refused(PAYLOAD_SA, "\0\0\0\x10\1\1\0\1\3\0\0\x8\1\0\0\x14",
		       "transform chain does not match its count");
	assert_refused(PAYLOAD_SA, "\0\0\0\x10\1\1\0\0\0\0\0\x8\1\0\0\x14",
		       "bytes after the last transform");
	assert_taken(PAYLOAD_SA, "\0\0\0\x10\1\1\0\1\0\0\0\x8\1\0\0\x14");
	assert_int_equal(msg.msg_transforms[0].tr_id, ENCR_AES_GCM_16);
	assert_refused(PAYLOAD_SA, "\0\0\0\x12\1\1\0\1\0\0\0\xa\1\0\0\x14\x80\xe",
		       "transform attribute cut off");
	assert_taken(PAYLOAD_SA,
		     "\0\0\0\x14\1\1\0\1\0\0\0\xc\1\0\0\x14\x80\xe\1\0");
	assert_int_equal(msg.msg_transforms[0].tr_key_bits, 256);
	/* Twice, zero, or another attribute: matches nothing. */
	assert_taken(PAYLOAD_SA,
		     "\0\0\0\x18\1\1\0\1\0\0\0\x10\1\0\0\x14\x80\xe\1\0\x80\xe\1\0");
	assert_int_equal(msg.msg_transforms[0].tr_key_bits,
			 MSG_KEY_BITS_UNKNOWN);
	assert_taken(PAYLOAD_SA,
		     "\0\0\0\x14\1\1\0\1\0\0\0\xc\1\0\0\x14\x80\xe\0\0");
	assert_int_equal(msg.msg_transforms[0].tr_key_bits,
			 MSG_KEY_BITS_UNKNOWN);
	assert_taken(PAYLOAD_SA,
		     "\0\0\0\x16\1\1\0\1\0\0\0\xe\1\0\0\x14\0\x33\0\2xx");
	assert_int_equal(msg.msg_transforms[0].tr_key_bits,
			 MSG_KEY_BITS_UNKNOWN);
	assert_refused(PAYLOAD_SA,
		       "\0\0\0\x14\1\1\0\1\0\0\0\xc\1\0\0\x14\0\x33\0\2",
		       "transform attribute longer than its transform");
}

static void test_many_proposals(void **state)
{
	static u8 body[8192];
	size_t len;
	unsigned int i;

	for (i = 0, len = 0; i < MSG_PROPOSALS_MAX + 1; i++, len += 8)
		memcpy(body + len, i < MSG_PROPOSALS_MAX ?
		       "\2\0\0\x8\1\1\0\0" : "\0\0\0\x8\1\1\0\0", 8);
	assert_string_equal(parse(PAYLOAD_SA, body, len), "too many proposals");
	/* Three proposals of 255 transforms. */
	memset(body, 0, sizeof(body));
	for (i = 0, len = 0; i < 3; i++) {
		unsigned int k;

		memcpy(body + len, "\2\0\x8\0\1\1\0\xff", 8);
		body[len] = i < 2 ? 2 : 0;
		len += 8;
		for (k = 0; k < 255; k++, len += 8) {
			memcpy(body + len, "\3\0\0\x8\1\0\0\x14", 8);
			body[len] = k < 254 ? 3 : 0;
		}
	}
	assert_string_equal(parse(PAYLOAD_SA, body, len), "too many transforms");
}

static void test_selectors(void **state)
{
	static u8 body[4 + 255 * 16];
	unsigned int i;

	assert_refused(PAYLOAD_TS_I, "\1\0\0", "traffic selector payload cut off");
	assert_refused(PAYLOAD_TS_I, "\0\0\0\0",
		       "traffic selector payload without selectors");
	assert_refused(PAYLOAD_TS_I, "\1\0\0\0", "traffic selector cut off");
	assert_refused(PAYLOAD_TS_I, "\1\0\0\0\7\0\0\7\0\0\xff\xff",
		       "traffic selector length out of bounds");
	assert_taken(PAYLOAD_TS_I,
		     "\1\0\0\0\7\0\0\x10\0\0\xff\xff\xa\1\0\0\xa\1\xff\xff");
	assert_int_equal(msg.msg_ts_i.mts_count, 1);
	/* Backwards, OPAQUE, another type: passed over. */
	assert_taken(PAYLOAD_TS_I,
		     "\1\0\0\0\7\0\0\x10\0\0\xff\xff\xa\2\0\0\xa\1\xff\xff");
	assert_int_equal(msg.msg_ts_i.mts_count, 0);
	assert_taken(PAYLOAD_TS_I,
		     "\1\0\0\0\7\0\0\x10\xff\xff\0\0\xa\1\0\0\xa\1\xff\xff");
	assert_int_equal(msg.msg_ts_i.mts_count, 0);
	assert_taken(PAYLOAD_TS_I,
		     "\1\0\0\0\x9\0\0\x10\0\0\xff\xff\xa\1\0\0\xa\1\xff\xff");
	assert_int_equal(msg.msg_ts_i.mts_count, 0);
	assert_refused(PAYLOAD_TS_I,
		       "\1\0\0\0\7\0\0\x10\0\0\xff\xff\xa\1\0\0\xa\1\xff\xffx",
		       "bytes after the last traffic selector");
	/* More than we keep: the first ones count. */
	body[0] = 255;
	for (i = 0; i < 255; i++) {
		memcpy(body + 4 + 16 * i,
		       "\7\0\0\x10\0\0\xff\xff\xa\1\0\0\xa\1\xff\xff", 16);
		body[4 + 16 * i + 10] = (u8)i;
		body[4 + 16 * i + 14] = (u8)i;
	}
	assert_null(parse(PAYLOAD_TS_R, body, sizeof(body)));
	assert_int_equal(msg.msg_ts_r.mts_count, MSG_TS_MAX);
}

/* Outside of the Encrypted payload nothing may stand. */
static void test_encrypted(void **state)
{
	struct msg_blob body;
	u8 buf[64] = { 0 }, next;

	buf[27] = 40;
	buf[16] = PAYLOAD_NOTIFY;
	assert_string_equal(msg_parse_sk(&msg, buf, 40, &next, &body),
			    "not protected");
	buf[16] = PAYLOAD_SK;
	buf[31] = 11;
	assert_non_null(msg_parse_sk(&msg, buf, 40, &next, &body));
	buf[31] = 12;
	assert_null(msg_parse_sk(&msg, buf, 40, &next, &body));
	assert_int_equal(body.blob_len, 8);
	buf[27] = 28;
	assert_non_null(msg_parse_sk(&msg, buf, 28, &next, &body));
}

/* What is written is read back as it was. */
static void test_round_trip(void **state)
{
	struct msg_header hdr = {
		.hdr_spi_i = "initiatr", .hdr_spi_r = "responde",
		.hdr_version = MSG_VERSION_2, .hdr_exchange = IKE_AUTH,
		.hdr_flags = MSG_INITIATOR, .hdr_id = 77,
	};
	struct proposal props[PROPOSALS_MAX], copy;
	size_t count = proposal_defaults(props, PROTO_ESP);
	static struct emit em;
	struct conf_id id;
	u32 spi = htonl(0xc0ffee01);
	size_t i;

	for (i = 0; i < count; i++)
		proposal_set_esn(&props[i], true);
	assert_true(conf_id_parse(&id, "gw.example.org", NULL, 0));
	emit_begin(&em, &hdr);
	emit_sa(&em, props, count, &spi, sizeof(spi));
	emit_id(&em, PAYLOAD_ID_R, &id);
	emit_auth(&em, AUTH_METHOD_PSK, (const u8 *)"auth", 4);
	emit_delete_children(&em, PROTO_ESP, &spi, 1);
	emit_delete_ike(&em);
	emit_notify_child(&em, PROTO_ESP, N_REKEY_SA, spi);
	assert_true(emit_finish(&em));
	assert_null(msg_parse(&msg, em.em_data, em.em_len));
	assert_int_equal(msg.msg_hdr.hdr_id, 77);
	assert_int_equal(msg.msg_n_proposals, count);
	for (i = 0; i < count; i++) {
		msg_proposal_copy(&copy, &msg, &msg.msg_proposals[i]);
		assert_memory_equal(&copy, &props[i], sizeof(copy));
		assert_memory_equal(msg.msg_proposals[i].mp_spi, &spi, 4);
	}
	assert_true(conf_id_equal(&msg.msg_id_r.mi_id, &id));
	assert_int_equal(msg.msg_auth.blob_len, 4);
	assert_int_equal(msg.msg_n_deletes, 2);
	assert_int_equal(msg.msg_n_notifies, 1);
	assert_int_equal(msg.msg_notifies[0].mn_protocol, PROTO_ESP);
	assert_memory_equal(msg.msg_notifies[0].mn_spi.blob_data, &spi, 4);
}

/* Running out of room is found out, and nothing is written beyond. */
static void test_emit_full(void **state)
{
	struct msg_header hdr = { 0 };
	static struct emit em;
	static u8 chunk[300];
	int i;

	emit_begin(&em, &hdr);
	for (i = 0; i < 100; i++)
		emit_nonce(&em, chunk, sizeof(chunk));
	assert_true(em.em_len <= EMIT_MAX);
	assert_false(emit_finish(&em));
}

static void offer(const char *words, u8 protocol)
{
	struct msg_header hdr = { .hdr_version = MSG_VERSION_2 };
	struct proposal prop;
	static struct emit em;
	char err[256];
	u32 spi = 1;

	if (!proposal_parse(&prop, protocol, words, NULL, err, sizeof(err)))
		fail_msg("%s", err);
	emit_begin(&em, &hdr);
	emit_sa(&em, &prop, 1, &spi, protocol == PROTO_ESP ? 4 : 0);
	assert_true(emit_finish(&em));
	assert_null(msg_parse(&msg, em.em_data, em.em_len));
}

static bool chosen(const char *ours, const char *theirs, u8 protocol,
		   enum select_rule rule, const char *result)
{
	char err[256], text[PROPOSAL_STRLEN];
	struct selection sel;
	struct proposal prop;

	offer(theirs, protocol);
	assert_true(proposal_parse(&prop, protocol, ours, NULL, err,
				   sizeof(err)));
	if (!select_proposal(&sel, &prop, 1, &msg, rule))
		return !result;
	proposal_describe(&sel.sel_proposal, text, sizeof(text));
	if (result)
		assert_string_equal(text, result);
	return result;
}

static void test_choice(void **state)
{
	assert_true(chosen("aes128gcm-aes256gcm-sha256-x25519",
			   "aes256gcm-aes128gcm-sha256-x25519", PROTO_IKE,
			   SELECT_ALL,
			   "ENCR AES-GCM-16-128 PRF HMAC-SHA2-256 KE X25519"));
	assert_true(chosen("aes128gcm-sha256-x25519", "aes128-sha256-x25519",
			   PROTO_IKE, SELECT_ALL, NULL));
	assert_true(chosen("aes256gcm-x25519", "aes256gcm", PROTO_ESP,
			   SELECT_ALL, NULL));
	assert_true(chosen("aes256gcm-x25519", "aes256gcm", PROTO_ESP,
			   SELECT_NO_KE, "ENCR AES-GCM-16-256"));
	assert_true(chosen("aes256gcm", "aes256gcm-x25519", PROTO_ESP,
			   SELECT_ALL, NULL));
	assert_true(chosen("aes256gcm", "aes256gcm-x25519-none", PROTO_ESP,
			   SELECT_ALL, "ENCR AES-GCM-16-256"));
	assert_true(chosen("aes256gcm-esn", "aes256gcm-noesn", PROTO_ESP,
			   SELECT_ALL, NULL));
	assert_true(chosen("aes256gcm-esn-noesn", "aes256gcm-noesn", PROTO_ESP,
			   SELECT_ALL, "ENCR AES-GCM-16-256 ESN no"));
}

/* A type that we do not know makes the proposal one that we cannot take. */
static void test_unknown_type(void **state)
{
	struct selection sel;
	struct proposal prop;
	char err[256];

	offer("aes256gcm-sha256-x25519", PROTO_IKE);
	assert_true(proposal_parse(&prop, PROTO_IKE, "aes256gcm-sha256-x25519",
				   NULL, err, sizeof(err)));
	assert_true(select_proposal(&sel, &prop, 1, &msg, SELECT_ALL));
	assert_true(select_answer(&sel, &prop, 1, &msg, SELECT_ALL));
	msg.msg_transforms[2].tr_type = TRANSFORM_ADDKE1;
	assert_false(select_proposal(&sel, &prop, 1, &msg, SELECT_ALL));
	/* An answer must not leave us the choice. */
	offer("aes256gcm-sha256-x25519-ecp256", PROTO_IKE);
	assert_true(select_proposal(&sel, &prop, 1, &msg, SELECT_ALL));
	assert_false(select_answer(&sel, &prop, 1, &msg, SELECT_ALL));
	offer("aes256gcm-sha256-x25519", PROTO_IKE);
	msg.msg_proposals[0].mp_number = 2;
	assert_false(select_answer(&sel, &prop, 1, &msg, SELECT_ALL));
}

static int init(void **state)
{
	return crypto_init() ? 0 : -1;
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_small_payloads),
		cmocka_unit_test(test_proposals),
		cmocka_unit_test(test_many_proposals),
		cmocka_unit_test(test_selectors),
		cmocka_unit_test(test_encrypted),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_emit_full),
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_unknown_type),
	};

	return cmocka_run_group_tests(tests, init, NULL);
}
