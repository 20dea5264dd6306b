/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One line an event on standard error. Under systemd each carries its level
 * for the journal, elsewhere the word for it. Never a secret; what a peer
 * chose has passed text_escape().
 */
#ifndef CYGNETD_LOG_H
#define CYGNETD_LOG_H

#include "conf.h"

/* @program stands before each line. */
void log_open(const char *program);
/* Before this, everything but debug is shown. */
void log_set_level(enum conf_log_level level);
/* @conn is a connection's name or NULL. */
void log_line(enum conf_log_level level, const char *conn, const char *format,
	      ...) __printf(3, 4);

#define log_error(...)		log_line(CONF_LOG_ERROR, NULL, __VA_ARGS__)
#define log_warning(...)	log_line(CONF_LOG_WARNING, NULL, __VA_ARGS__)
#define log_info(...)		log_line(CONF_LOG_INFO, NULL, __VA_ARGS__)
#define log_debug(...)		log_line(CONF_LOG_DEBUG, NULL, __VA_ARGS__)

#endif
