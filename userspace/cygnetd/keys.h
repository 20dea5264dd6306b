/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Long-term keys and what is computed with them. Only the keeper has them,
 * and no function here gives one out.
 */
#ifndef CYGNETD_KEYS_H
#define CYGNETD_KEYS_H

#include "conf.h"

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

/* Wipes them; NULL is allowed. */
void keys_free(struct keys *keys);

/**
 * keys_psk_auth() - the AUTH value of RFC 7296 section 2.15
 * @keys: all keys
 * @index: the connection's place in the configuration
 * @prf: transform id of the PRF
 * @octets: the signed octets
 * @len: how many
 * @auth: room for IPC_AUTH_MAX bytes
 *
 * Return: the length of the AUTH value, or a negative errno: -ENOKEY if the
 * connection has no PSK, -EOPNOTSUPP for an unknown PRF.
 */
int keys_psk_auth(const struct keys *keys, size_t index, u16 prf,
		  const u8 *octets, size_t len, u8 *auth);

#endif
