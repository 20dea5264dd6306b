// SPDX-License-Identifier: GPL-2.0-or-later
/* Log lines: formatted into one buffer, written in one piece. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"

static const struct {
	const char *word;
	int priority;		/* of syslog, as sd-daemon(3) reads it */
} levels[] = {
	[CONF_LOG_ERROR]   = { "error: ", 3 },
	[CONF_LOG_WARNING] = { "warning: ", 4 },
	[CONF_LOG_INFO]	   = { "", 6 },
	[CONF_LOG_DEBUG]   = { "debug: ", 7 },
};

static struct {
	const char *log_program;
	enum conf_log_level log_level;
	bool log_journal;
} settings = { "cygnetd", CONF_LOG_INFO, false };

void log_open(const char *program)
{
	settings.log_program = program;
	settings.log_journal = getenv("JOURNAL_STREAM");
}

void log_set_level(enum conf_log_level level)
{
	settings.log_level = level;
}

/* As snprintf() at *len, which never grows beyond size - 1. */
static void __printf(4, 0)
append(char *buf, size_t size, size_t *len, const char *format, va_list args)
{
	int n = vsnprintf(buf + *len, size - *len, format, args);

	if (n > 0)
		*len += (size_t)n < size - *len ? (size_t)n : size - *len - 1;
}

static void __printf(4, 5)
add(char *buf, size_t size, size_t *len, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	append(buf, size, len, format, args);
	va_end(args);
}

void log_line(enum conf_log_level level, const char *conn, const char *format,
	      ...)
{
	char line[1024];
	size_t len = 0, room = sizeof(line) - 1;
	va_list args;

	if (level > settings.log_level)
		return;
	if (settings.log_journal)
		add(line, room, &len, "<%d>", levels[level].priority);
	else
		add(line, room, &len, "%s: %s", settings.log_program,
		    levels[level].word);
	if (conn && *conn)
		add(line, room, &len, "%s: ", conn);
	va_start(args, format);
	append(line, room, &len, format, args);
	va_end(args);
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		return;		/* nobody to tell */
}
