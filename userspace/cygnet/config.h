/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CYGNET_CONFIG_H
#define CYGNET_CONFIG_H

/* Where cygnetd's sockets are: --control-dir, the configuration, default. */
const char *control_dir(void);
/* --config, or the default. */
const char *config_path(void);

#endif
