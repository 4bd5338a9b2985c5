/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

static struct {
    char network[16];
    char role[16];
    char id[13];
} context;

static void copy_part(char *target, size_t size, const char *source)
{
    if (source != NULL)
        snprintf(target, size, "%s", source);
}

void log_context(const char *network, const char *role, const char *id)
{
    copy_part(context.network, sizeof(context.network), network);
    copy_part(context.role, sizeof(context.role), role);
    copy_part(context.id, sizeof(context.id), id);
}

static const char *format_line(const char *text)
{
    static char line[sizeof(((struct error *)NULL)->text) + sizeof(context) + 8];

    snprintf(line, sizeof(line), "%s%s%s%s%s%s%s", context.network, context.role[0] != '\0' ? "/" : "",
             context.role, context.network[0] != '\0' && context.id[0] != '\0' ? " " : "", context.id,
             context.network[0] != '\0' || context.id[0] != '\0' ? ": " : "", text);
    return line;
}

const char *log_line(const struct error *err)
{
    return format_line(err->text);
}

static void write_line(int priority, const char *line)
{
    fprintf(stderr, "sallyport: %s\n", line);
    openlog("sallyport", LOG_PID, LOG_DAEMON);
    syslog(priority, "%s", line);
    closelog();
}

void log_error(const struct error *err)
{
    write_line(LOG_ERR, log_line(err));
}

void log_notice(const char *format, ...)
{
    char text[sizeof(((struct error *)NULL)->text)];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    write_line(LOG_NOTICE, format_line(text));
}
