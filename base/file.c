/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

enum { USUAL_SIZE = 4094 }; /* of what has no size beforehand: a page of memory, with its end */

bool file_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

int file_path(int fd, const char *name, char *ret_path, struct error *err)
{
    char link[64];
    ssize_t length = 0;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    length = readlink(link, ret_path, PATH_MAX - 1);
    if (length < 0 || length == PATH_MAX - 1)
        return error_set(err, length < 0 ? errno : ENAMETOOLONG, "%s", name);
    ret_path[length] = '\0';
    return 0;
}

/* `expected`: about how long it is, in no way the last word. A buffer that is much larger than what goes into
 * it costs new pages of memory, 1 us each. */
static int read_all(int fd, const char *name, size_t expected, size_t limit, char **ret_text,
                    size_t *ret_length, struct error *err)
{
    cleanup_free char *text = NULL;
    size_t capacity = 0;
    size_t length = 0;

    for (;;) {
        ssize_t n = 0;

        if (capacity - length < 2) {
            size_t larger = capacity == 0 ? expected + 2 : capacity * 2;
            char *moved = NULL;

            if (larger > limit + 2)
                larger = limit + 2;
            moved = realloc(text, larger);
            if (moved == NULL)
                return error_set(err, ENOMEM, "read %s", name);
            text = moved;
            capacity = larger;
        }
        n = read(fd, text + length, capacity - length - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(err, errno, "read %s", name);
        if (n == 0)
            break;
        length += (size_t)n;
        if (length > limit)
            return error_set(err, EFBIG, "read %s: more than %zu bytes", name, limit);
    }
    text[length] = '\0';
    *ret_text = take_pointer(text);
    *ret_length = length;
    return 0;
}

int file_read_fd(int fd, const char *name, size_t limit, char **ret_text, size_t *ret_length,
                 struct error *err)
{
    return read_all(fd, name, USUAL_SIZE, limit, ret_text, ret_length, err);
}

int file_read_at(int dirfd, const char *name, size_t limit, char **ret_text, size_t *ret_length,
                 struct error *err)
{
    cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
    struct stat st;

    if (fd < 0)
        return error_set(err, errno, "open %s", name);
    if (fstat(fd, &st) < 0)
        return error_set(err, errno, "stat %s", name);
    if (!S_ISREG(st.st_mode))
        return error_set(err, 0, "open %s: not a regular file", name);
    return read_all(fd, name, st.st_size > 0 ? (size_t)st.st_size : USUAL_SIZE, limit, ret_text, ret_length,
                    err);
}

int file_write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, text, length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        text += n;
        length -= (size_t)n;
    }
    return 0;
}

/* Whether `name` holds exactly `text`; its owner and mode go to *st, whose st_mode is 0 if there is no file.
 */
static int compare(int dirfd, const char *name, const char *text, size_t length, struct stat *st,
                   struct error *err)
{
    cleanup_free char *old = NULL;
    size_t old_length = 0;
    int result = 0;

    memset(st, 0, sizeof(*st));
    if (fstatat(dirfd, name, st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : error_set(err, errno, "stat %s", name);
    if (!S_ISREG(st->st_mode))
        return error_set(err, 0, "replace %s: not a regular file", name);
    if ((size_t)st->st_size != length)
        return 0;
    result = file_read_at(dirfd, name, length, &old, &old_length, err);
    if (old == NULL)
        return result;
    return old_length == length && memcmp(old, text, length) == 0;
}

static int write_temporary(int fd, const struct stat *old, const char *text, size_t length, mode_t mode)
{
    int result = file_write_all(fd, text, length);

    if (result < 0)
        return result;
    if (old->st_mode != 0 && fchown(fd, old->st_uid, old->st_gid) < 0)
        return -errno;
    if (fchmod(fd, old->st_mode != 0 ? old->st_mode & 07777 : mode) < 0)
        return -errno;
    return fsync(fd) < 0 ? -errno : 0;
}

static int refuse_replacing(const char *name, int number, const char *what, struct error *err)
{
    error_set(err, number, "replace %s: %s", name, what);
    if (number == ENOSPC || number == EDQUOT)
        return error_advise(err, "make room in its file system");
    return -number;
}

int file_replace_at(int dirfd, const char *name, const char *text, size_t length, mode_t mode,
                    struct error *err)
{
    cleanup_close int fd = -1;
    char temporary[NAME_MAX + 1];
    struct stat old;
    unsigned long nonce = 0;
    int result = compare(dirfd, name, text, length, &old, err);

    if (result != 0)
        return result < 0 ? result : 0;
    if (getrandom(&nonce, sizeof(nonce), 0) != sizeof(nonce))
        return error_set(err, errno, "replace %s: getrandom", name);
    snprintf(temporary, sizeof(temporary), ".sallyport-%016lx", nonce);
    fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return refuse_replacing(name, errno, "create a temporary file beside it", err);
    result = write_temporary(fd, &old, text, length, mode);
    if (result == 0 && renameat(dirfd, temporary, dirfd, name) < 0)
        result = -errno;
    if (result < 0) {
        unlinkat(dirfd, temporary, 0);
        return refuse_replacing(name, -result, "write the new one beside it", err);
    }
    return 0;
}
