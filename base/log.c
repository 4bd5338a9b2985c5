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

const char *log_line(const struct error *err)
{
    static char line[sizeof(err->text) + sizeof(context) + 8];

    snprintf(line, sizeof(line), "%s%s%s%s%s%s%s", context.network, context.role[0] != '\0' ? "/" : "",
             context.role, context.network[0] != '\0' && context.id[0] != '\0' ? " " : "", context.id,
             context.network[0] != '\0' || context.id[0] != '\0' ? ": " : "", err->text);
    return line;
}

void log_error(const struct error *err)
{
    const char *line = log_line(err);

    fprintf(stderr, "sallyport: %s\n", line);
    openlog("sallyport", LOG_PID, LOG_DAEMON);
    syslog(LOG_ERR, "%s", line);
    closelog();
}
