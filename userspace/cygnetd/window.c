// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One request outstanding in each direction.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "exchange.h"

static void put(u8 **kept, size_t *kept_len)
{
	free(*kept);
	*kept = NULL;
	*kept_len = 0;
}

static bool keep(u8 **kept, size_t *kept_len, const u8 *buf, size_t len)
{
	u8 *copy = malloc(len);

	put(kept, kept_len);
	if (!copy)
		return false;
	memcpy(copy, buf, len);
	*kept = copy;
	*kept_len = len;
	return true;
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

	win->win_sends++;
	core_send(sa->sa_core, &sa->sa_path, win->win_request,
		  win->win_request_len);
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
	put(&win->win_request, &win->win_request_len);
	put(&win->win_reply, &win->win_reply_len);
}

bool window_request(struct ike_sa *sa, const u8 *buf, size_t len)
{
	struct window *win = &sa->sa_window;

	if (!keep(&win->win_request, &win->win_request_len, buf, len))
		return false;
	win->win_sends = 0;
	win->win_deadline = core_now(sa->sa_core) + timeout(sa);
	send_request(sa);
	return true;
}

void window_withdraw(struct ike_sa *sa)
{
	struct window *win = &sa->sa_window;

	timer_unset(&sa->sa_core->core_timers, &win->win_timer);
	put(&win->win_request, &win->win_request_len);
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
	put(&win->win_reply, &win->win_reply_len);
	win->win_resends = 0;
}

bool window_reply(struct ike_sa *sa, const struct core_path *path,
		  const u8 *buf, size_t len)
{
	struct window *win = &sa->sa_window;

	if (!keep(&win->win_reply, &win->win_reply_len, buf, len))
		return false;
	win->win_expected++;
	core_send(sa->sa_core, path, buf, len);
	return true;
}

void window_resend(struct ike_sa *sa, const struct core_path *path)
{
	struct window *win = &sa->sa_window;

	if (!win->win_reply || win->win_resends >= WINDOW_RESENDS)
		return;
	win->win_resends++;
	core_send(sa->sa_core, path, win->win_reply, win->win_reply_len);
}
