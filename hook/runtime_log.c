/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/runtime_log.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* RFC 3339 in UTC, in seconds: what both loggers write. */
static int now(char ret[static 32])
{
    time_t seconds = time(NULL);
    struct tm parts;

    if (gmtime_r(&seconds, &parts) == NULL || strftime(ret, 32, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        return -EOVERFLOW;
    return 0;
}

/* Bytes that are not UTF-8 become `?`: JSON cannot hold them, and a line that cannot be written tells nobody
 * anything. Also those that are: an id or a path is rarely anything but ASCII. */
static char *ascii(const char *line)
{
    char *copy = strdup(line);

    for (char *character = copy; character != NULL && *character != '\0'; character++)
        if ((unsigned char)*character >= 0x7f)
            *character = '?';
    return copy;
}

static char *as_json(const char *line, const char *time)
{
    cleanup_free char *copy = ascii(line);
    cleanup_json json_t *entry = NULL;

    if (copy == NULL)
        return NULL;
    entry = json_pack("{s:s, s:s, s:s}", "level", "error", "msg", copy, "time", time);
    return entry != NULL ? json_dumps(entry, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
}

/* As Go's %q writes it. */
static void quote(FILE *out, const char *line)
{
    fputc('"', out);
    for (; *line != '\0'; line++)
        if (*line == '"' || *line == '\\')
            fprintf(out, "\\%c", *line);
        else if (*line == '\n')
            fputs("\\n", out);
        else if (*line == '\t')
            fputs("\\t", out);
        else if ((unsigned char)*line < ' ' || *line == 0x7f)
            fprintf(out, "\\x%02x", (unsigned char)*line);
        else
            fputc(*line, out);
    fputc('"', out);
}

static char *as_text(const char *line, const char *time)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    if (out == NULL)
        return NULL;
    fprintf(out, "time=\"%s\" level=error msg=", time);
    quote(out, line);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

/* One write: a log may be shared. */
static int append(const char *path, const char *text)
{
    cleanup_free char *line = NULL;
    cleanup_close int fd =
        open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0644);
    int length = 0;

    if (fd < 0)
        return -errno;
    length = asprintf(&line, "%s\n", text);
    if (length < 0) {
        line = NULL;
        return -ENOMEM;
    }
    return file_write_all(fd, line, (size_t)length);
}

/* Where --log leads: crun puts the kind of log in front, and takes a path without one. */
static int find_path(const char *log, const char **ret)
{
    if (strncmp(log, "syslog:", strlen("syslog:")) == 0 ||
        strncmp(log, "journald:", strlen("journald:")) == 0)
        return -ENOTSUP;
    *ret = strncmp(log, "file:/", strlen("file:/")) == 0 ? log + strlen("file:") : log;
    return 0;
}

int runtime_log_error(const struct command_line *command, const char *line)
{
    cleanup_free char *text = NULL;
    const char *path = NULL;
    char time[32];
    int result = 0;

    if (command->log == NULL || command->log[0] == '\0')
        return 0;
    result = find_path(command->log, &path);
    if (result == 0)
        result = now(time);
    if (result < 0)
        return result;
    text = command->log_json ? as_json(line, time) : as_text(line, time);
    return text == NULL ? -ENOMEM : append(path, text);
}
