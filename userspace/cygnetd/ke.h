/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Key exchange methods (IKEv2 transform type 4), on OpenSSL 3: MODP (RFC
 * 3526), ECP (RFC 5903), X25519 and X448 (RFC 8031), and with OpenSSL 3.5
 * ML-KEM (FIPS 203), in which the two sides do not do the same.
 */
#ifndef CYGNETD_KE_H
#define CYGNETD_KE_H

#include <openssl/types.h>
#include <stddef.h>

#include "proposal.h"
#include "types.h"

#define KE_VALUE_MAX	1568	/* ML-KEM-1024; MODP-8192 has 1024 */
#define KE_SECRET_MAX	1024

/*
 * One side of a key exchange: ke_run() makes our value if there is none, and
 * the shared secret if the peer's value is there. Slow ones belong on another
 * thread, and touch nothing but this struct. Whoever has the peer's value first
 * is the responder: it matters to a KEM, whose responder has no pair of its own.
 */
struct ke {
	u16 ke_group;
	EVP_PKEY *ke_pair;
	size_t ke_public_len, ke_peer_len, ke_secret_len;
	u8 ke_public[KE_VALUE_MAX];
	u8 ke_peer[KE_VALUE_MAX];
	u8 ke_secret[KE_SECRET_MAX];
	bool ke_failed;
};

/* What is needed by all; once, before any sandbox. */
bool ke_init(void);
/* Length of the initiator's value; 0 for a method that we cannot do here. */
size_t ke_len(u16 group);
/* Takes over 0.2 ms, so not on the main thread. */
bool ke_slow(u16 group);
struct ke *ke_new(u16 group);
void ke_free(struct ke *ke);
/* Our pair in DER, to be freed by OPENSSL_clear_free(); 0 without one. */
size_t ke_save(const struct ke *ke, u8 **der);
/* Gives a pair to one that has none yet; false if it is none. */
bool ke_load(struct ke *ke, const u8 *der, size_t len);
/* NULL and the value taken, or what is wrong with it (RFC 6989). */
const char *ke_set_peer(struct ke *ke, const u8 *data, size_t len);
void ke_run(void *arg);

#endif
