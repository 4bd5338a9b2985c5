/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/mountinfo.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { SIZE_MAX_READ = 32 * 1024 * 1024 }; /* fs.mount-max is 100000 */

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* Undoes the octal escapes (\040), in place. */
static void unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0';) {
        if (from[0] == '\\' && is_octal(from[1]) && is_octal(from[2]) && is_octal(from[3])) {
            *to++ = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += strlen("\\040");
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
}

static bool parse_number(const char *text, int *ret)
{
    char *end = NULL;

    long number = strtol(text, &end, 10);

    *ret = (int)number;
    return end != text && *end == '\0' && number == *ret;
}

/* Cuts the line into the fields of the entry: id, parent, major:minor, root, mount point, options, optional
 * fields up to a dash, type, source, options of the instance. */
static bool parse_line(char *line, struct mountinfo_entry *entry)
{
    char *fields[6];
    char *next = line;
    const char *word = NULL;

    for (size_t i = 0; i < array_size(fields); i++) {
        fields[i] = strsep(&next, " ");
        if (fields[i] == NULL)
            return false;
    }
    do {
        word = strsep(&next, " ");
    } while (word != NULL && strcmp(word, "-") != 0);
    unescape(fields[3]);
    unescape(fields[4]);
    entry->device = fields[2];
    entry->root = fields[3];
    entry->point = fields[4];
    entry->type = strsep(&next, " ");
    (void)strsep(&next, " ");
    entry->options = next != NULL ? next : "";
    if (next != NULL)
        unescape(next);
    return entry->type != NULL && parse_number(fields[0], &entry->id) &&
           parse_number(fields[1], &entry->parent);
}

/* Every line, or none: what is behind a NUL byte or not ended would be a mount that is not seen. */
static int parse(struct mountinfo *list, size_t length, struct error *err)
{
    char *next = list->text;
    size_t lines = 0;

    if (strlen(list->text) != length || (length > 0 && list->text[length - 1] != '\n'))
        return error_set(err, 0, "read mountinfo: not in the form that is known");
    for (const char *at = next; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    list->entries = calloc(lines + 1, sizeof(*list->entries));
    if (list->entries == NULL)
        return error_set(err, ENOMEM, "read mountinfo");
    for (; list->count < lines; list->count++)
        if (!parse_line(strsep(&next, "\n"), &list->entries[list->count]))
            return error_set(err, 0, "read mountinfo: not in the form that is known");
    return 0;
}

int mountinfo_read(int process, struct mountinfo *ret, struct error *err)
{
    cleanup_close int fd = openat(process, "mountinfo", O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    int result = 0;

    if (fd < 0)
        return error_set(err, errno, "open mountinfo");
    result = file_read_fd(fd, "mountinfo", SIZE_MAX_READ, &ret->text, &length, err);
    return result < 0 ? result : parse(ret, length, err);
}

int mountinfo_read_own(struct mountinfo *ret, struct error *err)
{
    cleanup_close int process = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);

    return process >= 0 ? mountinfo_read(process, ret, err) : error_set(err, errno, "open /proc/self");
}

void mountinfo_free(const struct mountinfo *list)
{
    free(list->text);
    free(list->entries);
}

const char *mountinfo_below(const char *path, const char *directory)
{
    size_t length = strcmp(directory, "/") == 0 ? 0 : strlen(directory);

    if (strncmp(path, directory, length) != 0)
        return NULL;
    return path[length] == '\0' || path[length] == '/' ? path + length : NULL;
}

/* As in include/uapi/linux/mount.h and stat.h, which are older where this is built. */
#ifndef SYS_listmount
#define SYS_listmount 458
#endif
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U
#endif

struct listmount_request { /* struct mnt_id_req, MNT_ID_REQ_SIZE_VER0 */
    uint32_t size;
    uint32_t spare;
    uint64_t mount;
    uint64_t after;
};

bool mountinfo_nothing_below(int fd)
{
    struct listmount_request request = {.size = sizeof(request)};
    struct statx stx;
    uint64_t below = 0;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID_UNIQUE, &stx) < 0 ||
        (stx.stx_mask & STATX_MNT_ID_UNIQUE) == 0)
        return false;
    request.mount = stx.stx_mnt_id;
    return syscall(SYS_listmount, &request, &below, 1, 0) == 0;
}
