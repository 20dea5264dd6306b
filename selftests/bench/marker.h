/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guest says to the plugin that counts its instructions: a no-op with
 * a displacement that nobody else has, seven bytes 0f 1f 80 and the number.
 */

#ifndef MARKER_H
#define MARKER_H

#define MARKER_START	0x43594700	/* set all counters to zero, and count */
#define MARKER_STOP	0x43594701	/* write what was counted */
#define MARKER_PAUSE	0x43594702	/* this CPU: what follows is not ours ... */
#define MARKER_RESUME	0x43594703	/* ... until here */

#define marker(number) \
	({ asm volatile("nopl %c0(%%rax)" : : "i" (number) : "memory"); })

#endif
