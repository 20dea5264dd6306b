/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Long-term keys and what is computed with them. Only the keeper has them,
 * and no function here gives one out.
 */
#ifndef CYGNETD_KEYS_H
#define CYGNETD_KEYS_H

#include "conf.h"
#include "sign.h"

struct keys;

/**
 * keys_load() - read every connection's keys
 * @conf: the configuration
 *
 * A connection whose key cannot be read stays without one, with a log line.
 *
 * Return: the keys, or NULL when out of memory.
 */
struct keys *keys_load(const struct conf *conf);

/* The same for one connection whose content is another one now. */
void keys_load_one(struct keys *keys, size_t index,
		   const struct conf_conn *conn);

/* Wipes them; NULL is allowed. */
void keys_free(struct keys *keys);

/**
 * keys_psk_auth() - the AUTH value of RFC 7296 section 2.15
 * @keys: all keys
 * @index: the connection's place in the configuration
 * @prf: transform id of the PRF
 * @octets: what it covers
 * @len: how many
 * @auth: room for IPC_AUTH_MAX bytes
 *
 * Return: the length of the AUTH value, or a negative errno: -ENOKEY if the
 * connection has no PSK, -EOPNOTSUPP for an unknown PRF.
 */
int keys_psk_auth(const struct keys *keys, size_t index, u16 prf,
		  const u8 *octets, size_t len, u8 *auth);

#define KEYS_MIX 3	/* SK_d, SK_pi, SK_pr */

/**
 * keys_mix() - a PPK into keys of an IKE SA (RFC 8784 section 3)
 * @keys: all keys
 * @index: the connection's place in the configuration
 * @prf: transform id of the PRF, whose output is as long as each key
 * @in: KEYS_MIX keys, each in IPC_KEY_MAX bytes
 * @out: the same many, one behind the other
 *
 * Return: the length of what is in @out, or a negative errno: -ENOKEY if the
 * connection has no PPK.
 */
int keys_mix(const struct keys *keys, size_t index, u16 prf, const u8 *in, u8 *out);

/**
 * keys_sign() - the AUTH value by signature
 * @keys: all keys
 * @index: the connection's place in the configuration
 * @scheme: how
 * @allowed: bits of enum conf_signature
 * @octets: what it covers
 * @len: how many
 * @auth: room for IPC_AUTH_MAX bytes
 *
 * Return: the length of the signature, or a negative errno: -ENOKEY if the
 * connection has no key, -EACCES if the key cannot or may not do that.
 */
int keys_sign(const struct keys *keys, size_t index, enum sign_scheme scheme,
	      u8 allowed, const u8 *octets, size_t len, u8 *auth);

/* The public half in DER, to be freed by OPENSSL_free(); 0 without a key. */
size_t keys_public(const struct keys *keys, size_t index, u8 **der);

#endif
