/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What stands on the wire.
 */
#ifndef _CYGNET_MESSAGES_H
#define _CYGNET_MESSAGES_H

#include <linux/build_bug.h>
#include <linux/types.h>

/* RFC 4303 section 2; the IV follows. */
struct cyg_esp_header {
	__be32 spi;
	__be32 sequence;
} __packed;

static_assert(sizeof(struct cyg_esp_header) == 8);

/* The same of combined-mode algorithms (RFC 4106, 4309, 7634). */
struct cyg_esp_counter_header {
	struct cyg_esp_header esp;
	__be64 iv;
} __packed;

static_assert(sizeof(struct cyg_esp_counter_header) == 16);

/* RFC 4302 section 2; the ICV follows. */
struct cyg_ah_header {
	u8 next_header;
	u8 length;
	__be16 reserved;
	__be32 spi;
	__be32 sequence;
};

static_assert(sizeof(struct cyg_ah_header) == 12);

/* Follows payload and padding. */
struct cyg_esp_trailer {
	u8 pad_length;
	u8 next_header;
};

/**
 * cyg_esp_trailer_len - what follows the inner packet
 * @plain: decrypted
 * @len: of it, room for a trailer at least
 * @next_header: what the trailer says
 *
 * Return: length of padding and trailer, 0 if they are malformed
 */
static inline u32 cyg_esp_trailer_len(const u8 *plain, u32 len, u8 *next_header)
{
	const struct cyg_esp_trailer *trailer;
	const u8 *padding;
	u32 i, total;

	trailer = (void *)plain + len - sizeof(*trailer);
	total = trailer->pad_length + sizeof(*trailer);
	if (total > len)
		return 0;
	padding = (u8 *)trailer - trailer->pad_length;
	for (i = 0; i < trailer->pad_length; i++)
		if (padding[i] != i + 1)
			return 0;
	*next_header = trailer->next_header;
	return total;
}

#endif /* _CYGNET_MESSAGES_H */
