// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One request outstanding in each direction.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "exchange.h"
#include "fragment.h"
#include "hitless.h"
#include "mobike.h"
#include "wire.h"

static void put(struct sent *sent)
{
	free(sent->sent_data);
	OPENSSL_clear_free(sent->sent_plain, sent->sent_plain_len);
	memset(sent, 0, sizeof(*sent));
}

/*
 * Seals it. What would not fit into the smallest packets is kept in clear too,
 * to be split again if it does not get through.
 */
static bool keep(struct ike_sa *sa, struct sent *sent, struct emit *em)
{
	put(sent);
	if (em->em_sk && fragment_may_shrink(sa, em)) {
		sent->sent_plain = malloc(em->em_len);
		sent->sent_plain_len = em->em_len;
		if (sent->sent_plain)
			memcpy(sent->sent_plain, em->em_data, em->em_len);
	}
	return fragment_seal(sa, em, &sent->sent_data, &sent->sent_len);
}

/* Split smaller; what there is stays if that fails. */
static void shrink(struct ike_sa *sa, struct sent *sent)
{
	struct emit em;
	size_t len;
	u8 *data;

	if (!sent->sent_plain)
		return;
	emit_again(&em, &sa->sa_suite, sent->sent_plain, sent->sent_plain_len);
	sa->sa_small_fragments = true;
	if (!fragment_seal(sa, &em, &data, &len))
		return;
	put(sent);
	sent->sent_data = data;
	sent->sent_len = len;
	ike_sa_log(sa, CORE_INFO, "no sign of it: sent in smaller packets");
}

/* With the keys that it was sealed with before. */
static void shrink_reply(struct ike_sa *sa)
{
	struct ike_keys now = sa->sa_keys;

	if (sa->sa_old_keys)
		sa->sa_keys = *sa->sa_old_keys;
	shrink(sa, &sa->sa_window.win_reply);
	sa->sa_keys = now;
	OPENSSL_cleanse(&now, sizeof(now));
}

/* Every datagram says its own length. */
static void send_all(struct ike_sa *sa, const struct core_path *path,
		     const struct sent *sent)
{
	size_t at, len;

	for (at = 0; at < sent->sent_len; at += len) {
		len = get_be32(sent->sent_data + at + 24);
		hitless_post(sa, path, sent->sent_data + at, len);
	}
}

static u64 timeout(const struct ike_sa *sa)
{
	return 1000ull * sa->sa_conn->cn_conf.conn_retransmit_timeout;
}

static u64 delay(const struct ike_sa *sa, u32 sends)
{
	u64 longest = timeout(sa) / 4, ms = WINDOW_FIRST_MS;

	while (--sends && ms < longest)
		ms *= 2;
	return core_jitter(ms < longest ? ms : longest);
}

static void send_request(struct ike_sa *sa)
{
	struct window *win = &sa->sa_window;
	u64 next;

	if (win->win_sends++ == WINDOW_SHRINK)
		shrink(sa, &win->win_request);
	send_all(sa, &sa->sa_path, &win->win_request);
	next = core_now(sa->sa_core) + delay(sa, win->win_sends);
	timer_set(&sa->sa_core->core_timers, &win->win_timer,
		  next < win->win_deadline ? next : win->win_deadline);
}

static void on_timer(void *arg)
{
	struct ike_sa *sa = arg;
	struct window *win = &sa->sa_window;

	if (core_now(sa->sa_core) >= win->win_deadline) {
		exchange_timeout(sa);
		return;
	}
	ike_sa_log(sa, CORE_DEBUG, "no answer yet, message %u sent again (%u)",
		   win->win_next, win->win_sends);
	if (win->win_sends == WINDOW_SUSPECT)
		mobike_suspect(sa);
	send_request(sa);
}

void window_retry(struct ike_sa *sa)
{
	if (sa->sa_window.win_request.sent_data)
		send_request(sa);
}

void window_init(struct ike_sa *sa)
{
	timer_init(&sa->sa_window.win_timer, on_timer, sa);
}

void window_clear(struct ike_sa *sa)
{
	struct window *win = &sa->sa_window;

	timer_unset(&sa->sa_core->core_timers, &win->win_timer);
	put(&win->win_request);
	put(&win->win_reply);
}

bool window_request(struct ike_sa *sa, struct emit *em)
{
	struct window *win = &sa->sa_window;

	if (!keep(sa, &win->win_request, em))
		return false;
	hitless_touch(sa);
	win->win_sends = 0;
	win->win_deadline = core_now(sa->sa_core) + timeout(sa);
	send_request(sa);
	return true;
}

void window_withdraw(struct ike_sa *sa)
{
	struct window *win = &sa->sa_window;

	timer_unset(&sa->sa_core->core_timers, &win->win_timer);
	put(&win->win_request);
}

void window_answered(struct ike_sa *sa)
{
	window_withdraw(sa);
	sa->sa_window.win_next++;
}

void window_hasten(struct ike_sa *sa, u64 ms)
{
	struct window *win = &sa->sa_window;

	if (core_now(sa->sa_core) + ms >= win->win_deadline)
		return;
	win->win_deadline = core_now(sa->sa_core) + ms;
	timer_set(&sa->sa_core->core_timers, &win->win_timer,
		  win->win_deadline);
}

enum window_verdict window_judge(const struct ike_sa *sa, u32 id,
				 const u8 *buf, size_t len)
{
	const struct window *win = &sa->sa_window;
	u8 hash[CRYPTO_HASH_LEN];

	if (id == win->win_expected && !sa->sa_theirs)
		return WINDOW_NEW;
	if (id != win->win_expected && id + 1 != win->win_expected)
		return WINDOW_OUTSIDE;
	crypto_hash(buf, len, hash);
	return memcmp(hash, win->win_hash, sizeof(hash)) ? WINDOW_OUTSIDE :
		WINDOW_AGAIN;
}

void window_take(struct ike_sa *sa, const u8 *buf, size_t len)
{
	struct window *win = &sa->sa_window;

	crypto_hash(buf, len, win->win_hash);
	put(&win->win_reply);
	win->win_resends = 0;
}

bool window_reply(struct ike_sa *sa, const struct core_path *path,
		  struct emit *em)
{
	struct window *win = &sa->sa_window;

	if (!keep(sa, &win->win_reply, em))
		return false;
	win->win_expected++;
	hitless_touch(sa);
	send_all(sa, path, &win->win_reply);
	return true;
}

void window_resend(struct ike_sa *sa, const struct core_path *path)
{
	struct window *win = &sa->sa_window;

	if (!win->win_reply.sent_data || win->win_resends >= WINDOW_RESENDS)
		return;
	if (++win->win_resends == WINDOW_SHRINK)
		shrink_reply(sa);
	send_all(sa, path, &win->win_reply);
}
