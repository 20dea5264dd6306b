/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's types for files of kmod/ that also build here. */
#ifndef CYGNET_SHIM_TYPES_H
#define CYGNET_SHIM_TYPES_H

#include_next <linux/types.h>

#include "../../../../userspace/lib/types.h"

#define gfp_t unsigned int

#endif
