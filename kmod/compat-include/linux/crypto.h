/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _CYGNET_COMPAT_LINUX_CRYPTO_H
#define _CYGNET_COMPAT_LINUX_CRYPTO_H

#include_next <linux/crypto.h>

/* Completions get their data since 6.3, the request before. */
#ifndef CYG_HAVE_CRYPTO_COMPLETION_DATA
#define crypto_completion_data_t void

static inline void *crypto_get_completion_data(void *data)
{
	return data;
}
#endif

#endif /* _CYGNET_COMPAT_LINUX_CRYPTO_H */
