/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IKEv2 messages as structs (RFC 7296 section 3): parsing only looks, copies
 * and counts. It decides nothing, allocates nothing, and every pointer in a
 * struct message points into the bytes that were parsed.
 */
#ifndef CYGNETD_MESSAGE_H
#define CYGNETD_MESSAGE_H

#include "conf.h"
#include "proposal.h"
#include "ts.h"
#include "types.h"

#define MSG_HEADER_LEN		28
#define MSG_LEN_MAX		16384	/* longest datagram looked at */
#define MSG_INIT_LEN_MAX	4096	/* longest IKE_SA_INIT taken */
#define MSG_PAYLOADS_MAX	96
#define MSG_NOTIFIES_MAX	64
#define MSG_DELETES_MAX		8
#define MSG_CERTS_MAX		10	/* its own and those above it */
#define MSG_CERTREQS_MAX	4	/* kept */
#define MSG_PROPOSALS_MAX	32
#define MSG_TRANSFORMS_MAX	512	/* of all proposals together */
#define MSG_TS_MAX		64	/* kept of each payload */
#define MSG_NONCE_MIN		16
#define MSG_NONCE_MAX		256

#define MSG_SPI_LEN		8
#define MSG_ESP_SPI_LEN		4	/* and of AH */

/* A transform with an attribute that we do not know matches nothing. */
#define MSG_KEY_BITS_UNKNOWN	0xffff

enum msg_exchange {
	IKE_SA_INIT = 34,
	IKE_AUTH = 35,
	CREATE_CHILD_SA = 36,
	INFORMATIONAL = 37,
	IKE_INTERMEDIATE = 43,		/* RFC 9242 */
	IKE_FOLLOWUP_KE = 44,		/* RFC 9370 */
};

enum msg_flag {
	MSG_INITIATOR = 0x08,
	MSG_VERSION = 0x10,
	MSG_RESPONSE = 0x20,
};

#define MSG_VERSION_2		0x20

enum msg_payload {
	PAYLOAD_NONE = 0,
	PAYLOAD_SA = 33,
	PAYLOAD_KE,
	PAYLOAD_ID_I,
	PAYLOAD_ID_R,
	PAYLOAD_CERT,
	PAYLOAD_CERTREQ,
	PAYLOAD_AUTH,
	PAYLOAD_NONCE,
	PAYLOAD_NOTIFY,
	PAYLOAD_DELETE,
	PAYLOAD_VENDOR,
	PAYLOAD_TS_I,
	PAYLOAD_TS_R,
	PAYLOAD_SK,
	PAYLOAD_CP,
	PAYLOAD_EAP,
	PAYLOAD_SKF = 53,		/* RFC 7383 */
};

/* A set of payload types, for the transition table. */
#define PL(name)		(1u << (PAYLOAD_##name - PAYLOAD_SA))

enum msg_notify {
	N_UNSUPPORTED_CRITICAL_PAYLOAD = 1,
	N_INVALID_IKE_SPI = 4,
	N_INVALID_MAJOR_VERSION = 5,
	N_INVALID_SYNTAX = 7,
	N_INVALID_MESSAGE_ID = 9,
	N_INVALID_SPI = 11,
	N_NO_PROPOSAL_CHOSEN = 14,
	N_INVALID_KE_PAYLOAD = 17,
	N_AUTHENTICATION_FAILED = 24,
	N_SINGLE_PAIR_REQUIRED = 34,
	N_NO_ADDITIONAL_SAS = 35,
	N_INTERNAL_ADDRESS_FAILURE = 36,
	N_FAILED_CP_REQUIRED = 37,
	N_TS_UNACCEPTABLE = 38,
	N_INVALID_SELECTORS = 39,
	N_UNACCEPTABLE_ADDRESSES = 40,
	N_UNEXPECTED_NAT_DETECTED = 41,
	N_TEMPORARY_FAILURE = 43,
	N_CHILD_SA_NOT_FOUND = 44,
	N_STATE_NOT_FOUND = 47,
	N_ERROR_LAST = 16383,		/* above this: status */
	N_INITIAL_CONTACT = 16384,
	N_SET_WINDOW_SIZE = 16385,
	N_ADDITIONAL_TS_POSSIBLE = 16386,
	N_IPCOMP_SUPPORTED = 16387,
	N_NAT_DETECTION_SOURCE_IP = 16388,
	N_NAT_DETECTION_DESTINATION_IP = 16389,
	N_COOKIE = 16390,
	N_USE_TRANSPORT_MODE = 16391,
	N_REKEY_SA = 16393,
	N_ESP_TFC_PADDING_NOT_SUPPORTED = 16394,
	N_NON_FIRST_FRAGMENTS_ALSO = 16395,
	N_MOBIKE_SUPPORTED = 16396,
	N_UPDATE_SA_ADDRESSES = 16400,
	N_COOKIE2 = 16401,
	N_NO_NATS_ALLOWED = 16402,
	N_AUTH_LIFETIME = 16403,
	N_REDIRECT_SUPPORTED = 16406,
	N_REDIRECT = 16407,
	N_REDIRECTED_FROM = 16408,
	N_CHILDLESS_IKEV2_SUPPORTED = 16418,
	N_FRAGMENTATION_SUPPORTED = 16430,
	N_SIGNATURE_HASH_ALGORITHMS = 16431,
	N_USE_PPK = 16435,		/* RFC 8784 */
	N_PPK_IDENTITY = 16436,
	N_NO_PPK_AUTH = 16437,
#define PPK_ID_FIXED 2		/* a name that both sides know the key by */
	N_INTERMEDIATE_EXCHANGE_SUPPORTED = 16438,
	N_ADDITIONAL_KEY_EXCHANGE = 16441,
};

#define AUTH_METHOD_PSK		2

/* Encodings of certificates (RFC 7296 section 3.6, RFC 7670). */
#define CERT_X509		4
#define CERT_RAW_KEY		15

struct msg_header {
	u8 hdr_spi_i[MSG_SPI_LEN];
	u8 hdr_spi_r[MSG_SPI_LEN];
	u8 hdr_next;			/* type of the first payload */
	u8 hdr_version;
	u8 hdr_exchange;
	u8 hdr_flags;
	u32 hdr_id;
	u32 hdr_len;
};

struct msg_blob {
	const u8 *blob_data;
	size_t blob_len;
};

struct msg_proposal {
	u8 mp_number;
	u8 mp_protocol;
	u8 mp_spi_len;
	const u8 *mp_spi;
	u16 mp_first;			/* index in msg_transforms */
	u16 mp_count;
};

struct msg_notify_payload {
	u16 mn_type;
	u8 mn_protocol;
	struct msg_blob mn_spi;
	struct msg_blob mn_data;
};

struct msg_delete {
	u8 md_protocol;
	u8 md_spi_len;
	u16 md_count;
	const u8 *md_spis;
};

struct msg_cert {
	u8 mc_encoding;
	struct msg_blob mc_data;
};

struct msg_id {
	struct conf_id mi_id;
	struct msg_blob mi_body;	/* what AUTH covers */
};

struct msg_ts {
	u8 mts_count;
	struct ts mts_ts[MSG_TS_MAX];
};

struct message {
	struct msg_header msg_hdr;
	struct msg_blob msg_raw;	/* the whole datagram; of a split one the first */
	struct msg_blob msg_plain;	/* inside the Encrypted payload, unpadded */
	u32 msg_seen;			/* payload types, as PL() */
	u32 msg_count;			/* payloads, known or not */
	u8 msg_critical;		/* first unknown critical type, or 0 */

	u8 msg_n_proposals;
	u16 msg_n_transforms;
	struct msg_proposal msg_proposals[MSG_PROPOSALS_MAX];
	struct transform msg_transforms[MSG_TRANSFORMS_MAX];

	u16 msg_ke_group;
	struct msg_blob msg_ke;
	struct msg_blob msg_nonce;
	struct msg_id msg_id_i;
	struct msg_id msg_id_r;
	u8 msg_n_certs;
	struct msg_cert msg_certs[MSG_CERTS_MAX];
	u8 msg_n_certreqs;
	struct msg_cert msg_certreqs[MSG_CERTREQS_MAX];
	u8 msg_auth_method;
	struct msg_blob msg_auth;
	struct msg_ts msg_ts_i;
	struct msg_ts msg_ts_r;
	u8 msg_n_notifies;
	struct msg_notify_payload msg_notifies[MSG_NOTIFIES_MAX];
	u8 msg_n_deletes;
	struct msg_delete msg_deletes[MSG_DELETES_MAX];
};

/**
 * msg_parse_header() - the fixed header
 * @hdr: filled
 * @buf: the datagram, without non-ESP marker
 * @len: its length
 *
 * Return: NULL, or why the datagram is no IKE message.
 */
const char *msg_parse_header(struct msg_header *hdr, const u8 *buf, size_t len);

/**
 * msg_parse() - all payloads of an unprotected message
 * @msg: filled from scratch
 * @buf: the datagram
 * @len: its length
 *
 * Return: NULL, or what is wrong with it.
 */
const char *msg_parse(struct message *msg, const u8 *buf, size_t len);

/**
 * msg_parse_sk() - the outside of a protected message
 * @msg: filled from scratch, header only
 * @buf: the datagram
 * @len: its length
 * @next: type of the first payload inside
 * @body: the Encrypted payload's body: IV, ciphertext, checksum
 *
 * Takes only messages whose one outer payload is the Encrypted payload: what
 * stands outside is not authenticated by anything that we would act on.
 *
 * Return: NULL, or what is wrong with it.
 */
const char *msg_parse_sk(struct message *msg, const u8 *buf, size_t len,
			 u8 *next, struct msg_blob *body);

/* One part of a protected message (RFC 7383 section 2.5). */
struct msg_fragment {
	u16 mf_number, mf_total;	/* 1 <= number <= total */
	u8 mf_next;			/* of the whole; in number 1 only */
};

/**
 * msg_parse_skf() - the outside of a fragment
 * @msg: filled from scratch, header only
 * @buf: the datagram
 * @len: its length
 * @frag: which part it is
 *
 * As msg_parse_sk(). The IV begins MSG_SKF_IV into the datagram.
 *
 * Return: NULL, or what is wrong with it.
 */
const char *msg_parse_skf(struct message *msg, const u8 *buf, size_t len,
			  struct msg_fragment *frag);
#define MSG_SK_IV		(MSG_HEADER_LEN + 4)
#define MSG_SKF_IV		(MSG_HEADER_LEN + 8)

/**
 * msg_parse_payloads() - a chain of payloads
 * @msg: receives them
 * @next: type of the first
 * @buf: where it begins
 * @len: length of the chain
 *
 * An unknown critical payload ends the walk with msg_critical set.
 *
 * Return: NULL, or what is wrong with it.
 */
const char *msg_parse_payloads(struct message *msg, u8 next, const u8 *buf,
			       size_t len);

/* The first notify of this type, or NULL. */
const struct msg_notify_payload *msg_notify(const struct message *msg,
					    u16 type);
/* The first notify that reports an error, or NULL. */
const struct msg_notify_payload *msg_notify_error(const struct message *msg);

/* A proposal in the lib's form, for describing it; cut off where it is full. */
void msg_proposal_copy(struct proposal *out, const struct message *msg,
		       const struct msg_proposal *mp);

/* "IKE_SA_INIT", … or the number. */
const char *msg_exchange_name(u8 type, char buf[16]);
/* "NO_PROPOSAL_CHOSEN", … or the number. */
const char *msg_notify_name(u16 type, char buf[16]);
/* "SA", "KE", … or the number. */
const char *msg_payload_name(u8 type, char buf[16]);
/* The names of a set of payload types. */
#define MSG_SET_STRLEN	96
const char *msg_set_print(u32 set, char buf[MSG_SET_STRLEN]);

#endif
