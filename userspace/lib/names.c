// SPDX-License-Identifier: GPL-2.0-or-later

#include "names.h"

const char *kernel_drop_name(u32 reason)
{
	if (reason >= KERNEL_DROPS || !drop_words[reason].drop_name)
		return "unknown";
	return drop_words[reason].drop_name;
}

const char *kernel_drop_meaning(u32 reason)
{
	if (reason >= KERNEL_DROPS || !drop_words[reason].drop_meaning)
		return "A reason newer than this program";
	return drop_words[reason].drop_meaning;
}

const char *kernel_direction_name(u32 direction)
{
	return direction < direction_words_count ?
	       direction_words[direction] : "?";
}

const char *kernel_action_name(u32 action)
{
	return action < action_words_count ? action_words[action] : "?";
}

const char *kernel_mode_name(u32 mode)
{
	return mode < mode_words_count ? mode_words[mode] : "?";
}

const char *kernel_df_name(u32 df)
{
	return df < df_words_count ? df_words[df] : "?";
}

const char *kernel_expiry_name(u32 expiry)
{
	return expiry < expiry_words_count ? expiry_words[expiry] : "?";
}
