// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Cookies: version | HMAC-SHA256(secret, SPIi | address | Ni).
 */
#include <openssl/crypto.h>
#include <string.h>

#include "cookie.h"
#include "crypto.h"

#define COOKIE_AGE_MS	60000

static bool rotate(struct cookies *cookies, u64 now)
{
	bool first = !cookies->cookie_since;

	if (!first && now - cookies->cookie_since < COOKIE_AGE_MS)
		return true;
	/* Nobody asked for two periods: the old secret is too old as well. */
	if (first || now - cookies->cookie_since >= 2 * COOKIE_AGE_MS) {
		if (!crypto_random(cookies->cookie_secrets,
				   sizeof(cookies->cookie_secrets)))
			return false;
	}
	cookies->cookie_version++;
	cookies->cookie_since = now ? now : 1;
	return crypto_random(cookies->cookie_secrets[cookies->cookie_version & 1],
			     COOKIE_SECRET_LEN);
}

static bool compute(const struct cookies *cookies, u8 version,
		    const struct message *msg, const struct ip_addr *remote,
		    u8 cookie[COOKIE_LEN])
{
	struct msg_blob key = {
		cookies->cookie_secrets[version & 1], COOKIE_SECRET_LEN,
	};
	struct msg_blob parts[] = {
		{ &version, 1 },
		{ msg->msg_hdr.hdr_spi_i, MSG_SPI_LEN },
		{ remote->ip_bytes, ip_addr_len(remote) },
		msg->msg_nonce,
	};

	cookie[0] = version;
	return crypto_prf(PRF_HMAC_SHA2_256, &key, parts, ARRAY_SIZE(parts),
			  cookie + 1);
}

bool cookie_make(struct cookies *cookies, u64 now, const struct message *msg,
		 const struct ip_addr *remote, u8 cookie[COOKIE_LEN])
{
	return rotate(cookies, now) &&
		compute(cookies, cookies->cookie_version, msg, remote, cookie);
}

bool cookie_check(struct cookies *cookies, u64 now, const struct message *msg,
		  const struct ip_addr *remote)
{
	const struct msg_notify_payload *mn = msg_notify(msg, N_COOKIE);
	u8 cookie[COOKIE_LEN];
	u8 age;

	if (!mn || mn->mn_data.blob_len != COOKIE_LEN ||
	    !rotate(cookies, now))
		return false;
	age = (u8)(cookies->cookie_version - mn->mn_data.blob_data[0]);
	return age <= 1 &&
		compute(cookies, mn->mn_data.blob_data[0], msg, remote,
			cookie) &&
		!CRYPTO_memcmp(cookie, mn->mn_data.blob_data, COOKIE_LEN);
}
