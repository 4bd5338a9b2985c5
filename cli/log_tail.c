/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/log_tail.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { READ_SIZE = 64 * 1024 };

/* Whoever writes the log may have put anything at the path. */
static int open_regular(const char *path, struct stat *ret)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 || fstat(fd, ret) < 0)
        return -errno;
    return S_ISREG(ret->st_mode) ? take_fd(&fd) : -EINVAL;
}

/* Opens the file that is at the path now, to read it from its start. */
static void open_file(struct log_tail *tail)
{
    struct stat status = {0};
    int fd = open_regular(tail->path, &status);

    tail->problem = fd < 0 ? -fd : 0;
    if (fd < 0)
        return;
    tail->descriptor = fd;
    tail->device = status.st_dev;
    tail->inode = status.st_ino;
    tail->offset = 0;
}

/* To the end; a line that has begun there is nobody's. */
static void seek_end(struct log_tail *tail)
{
    char last = '\n';

    tail->offset = lseek(tail->descriptor, 0, SEEK_END);
    if (tail->offset > 0)
        tail->skip = pread(tail->descriptor, &last, 1, tail->offset - 1) == 1 && last != '\n';
}

void log_tail_open(const char *path, bool from_start, struct log_tail *ret)
{
    *ret = (struct log_tail){.path = path, .descriptor = path == NULL ? STDIN_FILENO : -1};
    if (path == NULL)
        return;
    open_file(ret);
    if (ret->descriptor >= 0 && !from_start)
        seek_end(ret);
}

void log_tail_close(struct log_tail *tail)
{
    if (tail->path != NULL)
        cleanup_close_at(&tail->descriptor);
    tail->descriptor = -1;
}

/* What was not finished will not be. */
static void drop_rest(struct log_tail *tail, log_tail_line each, void *data)
{
    if (tail->used > 0)
        each(NULL, 0, data);
    tail->used = 0;
    tail->skip = false;
}

static void add(struct log_tail *tail, const char *bytes, size_t size, log_tail_line each, void *data)
{
    if (tail->skip)
        return;
    if (size > sizeof(tail->line) - tail->used) {
        each(NULL, 0, data);
        tail->used = 0;
        tail->skip = true;
        return;
    }
    memcpy(tail->line + tail->used, bytes, size);
    tail->used += size;
}

/* What is left of a hole, which ends where a block does and not where a line begins. */
static size_t count_zeros(const char *bytes, size_t size)
{
    size_t count = 0;

    while (count < size && bytes[count] == '\0')
        count++;
    return count;
}

/* Hands over the lines that end in these bytes, and keeps the beginning of the next. */
static void split(struct log_tail *tail, const char *bytes, size_t size, log_tail_line each, void *data)
{
    size_t zeros = tail->used == 0 && !tail->skip ? count_zeros(bytes, size) : 0;

    bytes += zeros;
    size -= zeros;
    while (size > 0) {
        const char *newline = memchr(bytes, '\n', size);
        size_t length = newline != NULL ? (size_t)(newline - bytes) : size;

        add(tail, bytes, length, each, data);
        if (newline == NULL)
            return;
        if (!tail->skip)
            each(tail->line, tail->used, data);
        tail->used = 0;
        tail->skip = false;
        bytes += length + 1;
        size -= length + 1;
    }
}

/* Whether the file that is open is still the one at the path. One that is gone without another in its place
 * may still be written to. */
static bool is_replaced(struct log_tail *tail)
{
    struct stat status;

    tail->problem = 0;
    if (lstat(tail->path, &status) == 0)
        return status.st_dev != tail->device || status.st_ino != tail->inode;
    tail->problem = errno;
    return false;
}

/* What nobody wrote is not read: there can be more of it than there is time for. At the start of a file that
 * was cut it is the rule, where the writer goes on at its old place: haproxy takes O_APPEND off its log.
 * `size`: of the file, a moment ago. */
static void pass_hole(struct log_tail *tail, off_t size, log_tail_line each, void *data)
{
    off_t at = lseek(tail->descriptor, tail->offset, SEEK_DATA);

    if (at < 0 && errno == ENXIO)
        at = size;
    if (at <= tail->offset)
        return;
    if (!tail->skip && tail->offset > 0)
        each(NULL, 0, data);
    tail->used = 0;
    tail->skip = false;
    tail->offset = at;
}

/* Where the next byte is: at the start if the file was cut, and behind a hole. */
static void find_place(struct log_tail *tail, log_tail_line each, void *data)
{
    struct stat status;

    if (fstat(tail->descriptor, &status) < 0)
        return;
    if (status.st_size < tail->offset) {
        drop_rest(tail, each, data);
        tail->offset = 0;
    }
    if (status.st_size > tail->offset)
        pass_hole(tail, status.st_size, each, data);
}

static bool read_file(struct log_tail *tail, log_tail_line each, void *data)
{
    char buffer[READ_SIZE];
    bool replaced = false;
    ssize_t size = 0;

    if (tail->descriptor < 0)
        open_file(tail);
    if (tail->descriptor < 0)
        return false;
    /* Looked at before: what is written into the old file until then is read. */
    replaced = is_replaced(tail);
    find_place(tail, each, data);
    size = pread(tail->descriptor, buffer, sizeof(buffer), tail->offset);
    if (size < 0)
        tail->problem = errno;
    if (size > 0) {
        tail->offset += size;
        split(tail, buffer, (size_t)size, each, data);
    } else if (replaced) {
        drop_rest(tail, each, data);
        log_tail_close(tail);
        open_file(tail);
    }
    return size > 0 || (replaced && tail->descriptor >= 0);
}

static bool read_input(struct log_tail *tail, log_tail_line each, void *data)
{
    char buffer[READ_SIZE];
    ssize_t size = tail->ended ? 0 : read(tail->descriptor, buffer, sizeof(buffer));

    if (size > 0) {
        split(tail, buffer, (size_t)size, each, data);
        return true;
    }
    if (size < 0 && (errno == EINTR || errno == EAGAIN))
        return false;
    tail->problem = size < 0 ? errno : 0;
    tail->ended = true;
    drop_rest(tail, each, data);
    return false;
}

bool log_tail_read(struct log_tail *tail, log_tail_line each, void *data)
{
    return tail->path == NULL ? read_input(tail, each, data) : read_file(tail, each, data);
}
