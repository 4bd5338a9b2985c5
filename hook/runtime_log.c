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

/* Bytes of the character at `text` if it is UTF-8 and no control character (not C1's either), else 0. */
static size_t printable(const char *text)
{
    static const struct {
        unsigned char first_low, first_high;
        unsigned char second_low, second_high;
        size_t length;
    } FORMS[] = {
        /* well-formed sequences of more than one byte: Unicode, table 3-7; from U+00A0 on */
        {0xc2, 0xc2, 0xa0, 0xbf, 2}, {0xc3, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    const unsigned char *byte = (const unsigned char *)text;

    if (byte[0] >= ' ' && byte[0] < 0x7f)
        return 1;
    for (size_t i = 0; i < array_size(FORMS); i++) {
        if (byte[0] < FORMS[i].first_low || byte[0] > FORMS[i].first_high || byte[1] < FORMS[i].second_low ||
            byte[1] > FORMS[i].second_high)
            continue;
        for (size_t next = 2; next < FORMS[i].length; next++)
            if ((byte[next] & 0xc0) != 0x80)
                return 0;
        return FORMS[i].length;
    }
    return 0;
}

/* JSON cannot hold bytes that are not UTF-8, and a line that cannot be written tells nobody anything. */
static char *replace_bytes(const char *line)
{
    char *copy = strdup(line);
    size_t length = 0;

    for (char *byte = copy; byte != NULL && *byte != '\0'; byte += length) {
        length = printable(byte);
        if (length == 0) {
            *byte = '?';
            length = 1;
        }
    }
    return copy;
}

static char *as_json(const char *line, const char *time)
{
    cleanup_free char *copy = replace_bytes(line);
    cleanup_json json_t *entry = NULL;

    if (copy == NULL)
        return NULL;
    entry = json_pack("{s:s, s:s, s:s}", "level", "error", "msg", copy, "time", time);
    return entry != NULL ? json_dumps(entry, JSON_COMPACT) : NULL;
}

/* As Go's %q does it. */
static void quote(FILE *out, const char *line)
{
    size_t length = 0;

    fputc('"', out);
    for (; *line != '\0'; line += length) {
        size_t kept = printable(line);

        length = kept > 0 ? kept : 1;
        if (kept == 0)
            fprintf(out, "\\x%02x", (unsigned char)*line);
        else if (*line == '"' || *line == '\\')
            fprintf(out, "\\%c", *line);
        else
            fwrite(line, 1, kept, out);
    }
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

/* One write: a log may be shared. What is no file, and has no reader, must not hold us up. */
static int append(const char *path, const char *text)
{
    cleanup_free char *line = NULL;
    cleanup_close int fd =
        open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0644);
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
