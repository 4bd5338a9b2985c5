/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/install_changes.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "cli/install.h"
#include "cli/install_diff.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

void changes_free(struct changes *changes)
{
    for (size_t i = 0; i < changes->count; i++) {
        free(changes->items[i].path);
        free(changes->items[i].before);
        free(changes->items[i].after);
    }
    changes->count = 0;
}

/* Whoever may write it decides what an engine executes as root. */
static int check_owner(const char *path, const struct stat *st, struct error *err)
{
    if (S_ISLNK(st->st_mode)) {
        error_set(err, 0, "%s: a symbolic link, so something else manages it", path);
        return error_advise(err, "name the file that it leads to with --config");
    }
    if (!S_ISREG(st->st_mode))
        return error_set(err, 0, "%s: not a regular file", path);
    if (st->st_uid != 0) {
        error_set(err, 0, "%s: belongs to user %u, not to root: a rootless engine cannot seal anything", path,
                  st->st_uid);
        return error_advise(err, "use an engine that runs as root");
    }
    if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        error_set(err, 0, "%s: may be written by others than root", path);
        return error_advise(err, "chmod go-w %s", path);
    }
    return 0;
}

int changes_read(const char *path, char **ret_text, size_t *ret_length, struct error *err)
{
    struct stat st;
    int result = 0;

    if (lstat(path, &st) < 0) {
        if (errno != ENOENT)
            return error_set(err, errno, "%s", path);
        *ret_text = NULL;
        *ret_length = 0;
        return 0;
    }
    result = check_owner(path, &st, err);
    return result < 0 ? result : file_read_at(AT_FDCWD, path, INSTALL_FILE_MAX, ret_text, ret_length, err);
}

int changes_read_target(const char *path, char **ret_text, size_t *ret_length, struct error *err)
{
    cleanup_free char *target = realpath(path, NULL);

    return changes_read(target != NULL ? target : path, ret_text, ret_length, err);
}

static char *copy(const char *text, size_t length)
{
    char *copied = text != NULL ? malloc(length + 1) : NULL;

    if (copied != NULL) {
        memcpy(copied, text, length);
        copied[length] = '\0';
    }
    return copied;
}

static bool equal(const char *a, size_t a_length, const char *b, size_t b_length)
{
    if (a == NULL || b == NULL)
        return a == b;
    return a_length == b_length && memcmp(a, b, a_length) == 0;
}

static int add(struct changes *changes, const struct change *wanted, struct error *err)
{
    struct change *change = &changes->items[changes->count];

    if (equal(wanted->before, wanted->before_length, wanted->after, wanted->after_length))
        return 0;
    if (changes->count == CHANGES_MAX)
        return error_set(err, 0, "more than %d files to change", CHANGES_MAX);
    *change = *wanted;
    change->path = strdup(wanted->path);
    change->after_length = wanted->after != NULL ? wanted->after_length : 0;
    change->before = copy(wanted->before, wanted->before_length);
    change->after = copy(wanted->after, wanted->after_length);
    changes->count++;
    if (change->path == NULL || (wanted->before != NULL && change->before == NULL) ||
        (wanted->after != NULL && change->after == NULL))
        return error_set(err, ENOMEM, "plan the change of %s", wanted->path);
    return 0;
}

int changes_file(struct changes *changes, const char *path, const char *before, size_t before_length,
                 const char *after, size_t after_length, struct error *err)
{
    struct change change = {.path = (char *)path,
                            .before = (char *)before,
                            .after = (char *)after,
                            .before_length = before_length,
                            .after_length = after_length};

    return add(changes, &change, err);
}

/* The link's target, for the caller to free; NULL if there is nothing. */
static int read_link(const char *path, char **ret, struct error *err)
{
    char target[PATH_MAX];
    ssize_t length = readlink(path, target, sizeof(target));

    if (length < 0 && errno == ENOENT) {
        *ret = NULL;
        return 0;
    }
    if (length < 0 && errno == EINVAL)
        return error_set(err, 0, "%s: not a symbolic link, so it is not ours", path);
    if (length < 0)
        return error_set(err, errno, "%s", path);
    *ret = copy(target, (size_t)length);
    return *ret != NULL ? 0 : error_set(err, ENOMEM, "%s", path);
}

int changes_link(struct changes *changes, const char *path, const char *target, struct error *err)
{
    cleanup_free char *before = NULL;
    int result = read_link(path, &before, err);
    struct change change = {.path = (char *)path, .after = (char *)target, .link = true};

    if (result < 0)
        return result;
    change.before = before;
    change.before_length = before != NULL ? strlen(before) : 0;
    change.after_length = target != NULL ? strlen(target) : 0;
    return add(changes, &change, err);
}

/* A link's target as a line, so that the diff does not speak of a missing newline. */
static char *link_line(const char *target)
{
    char *line = NULL;

    return target != NULL && asprintf(&line, "-> %s\n", target) >= 0 ? line : NULL;
}

static void show_link(const struct change *change, FILE *out)
{
    cleanup_free char *before = link_line(change->before);
    cleanup_free char *after = link_line(change->after);

    diff_print(change->path, before, before != NULL ? strlen(before) : 0, after,
               after != NULL ? strlen(after) : 0, out);
}

void changes_show(const struct changes *changes, FILE *out)
{
    for (size_t i = 0; i < changes->count; i++) {
        const struct change *change = &changes->items[i];

        if (change->link)
            show_link(change, out);
        else
            diff_print(change->path, change->before, change->before_length, change->after,
                       change->after_length, out);
    }
}

static int make_directories(const char *path, struct error *err)
{
    char directory[PATH_MAX];

    if ((size_t)snprintf(directory, sizeof(directory), "%s", path) >= sizeof(directory))
        return error_set(err, ENAMETOOLONG, "%s", path);
    for (char *slash = strchr(directory + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(directory, 0755) < 0 && errno != EEXIST)
            return error_set(err, errno, "make the directory %s", directory);
        *slash = '/';
    }
    return 0;
}

/* Opens the directory of `path`; *ret_name is the last component. */
static int open_parent(const char *path, const char **ret_name, int *ret_fd, struct error *err)
{
    const char *slash = strrchr(path, '/');
    cleanup_free char *directory = copy(path, slash == path ? 1 : (size_t)(slash - path));
    int fd = directory != NULL ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd < 0)
        return error_set(err, errno, "open the directory of %s", path);
    *ret_name = slash + 1;
    *ret_fd = fd;
    return 0;
}

static int put_link(int directory, const char *name, const char *path, const char *target, struct error *err)
{
    char temporary[NAME_MAX + 1];

    snprintf(temporary, sizeof(temporary), ".sallyport-%d", getpid());
    if (symlinkat(target, directory, temporary) < 0)
        return error_set(err, errno, "make the link %s", path);
    if (renameat(directory, temporary, directory, name) < 0) {
        int number = errno;

        unlinkat(directory, temporary, 0);
        return error_set(err, number, "make the link %s", path);
    }
    return 0;
}

/* Puts `text` (a file's, or a link's target) at the change's path; NULL removes what is there. */
static int put(const struct change *change, const char *text, size_t length, struct error *err)
{
    cleanup_close int directory = -1;
    const char *name = NULL;
    int result = text != NULL ? make_directories(change->path, err) : 0;

    if (result == 0)
        result = open_parent(change->path, &name, &directory, err);
    if (result < 0)
        return result;
    if (text == NULL)
        return unlinkat(directory, name, 0) < 0 ? error_set(err, errno, "remove %s", change->path) : 0;
    if (change->link)
        return put_link(directory, name, change->path, text, err);
    result = file_replace_at(directory, name, text, length, 0644, err);
    return result < 0 ? error_prefix(err, "%s", change->path) : 0;
}

/* Whether the file or link still is what was planned with. */
static int check_unchanged(const struct change *change, struct error *err)
{
    cleanup_free char *now = NULL;
    size_t length = 0;
    int result =
        change->link ? read_link(change->path, &now, err) : changes_read(change->path, &now, &length, err);

    if (result < 0)
        return result;
    if (change->link && now != NULL)
        length = strlen(now);
    if (equal(now, length, change->before, change->before_length))
        return 0;
    error_set(err, 0, "%s: was changed meanwhile by another program", change->path);
    return error_advise(err, "try again");
}

static void take_back(struct changes *changes)
{
    struct error ignored = {0};

    for (size_t i = changes->count; i-- > 0;)
        if (changes->items[i].made)
            (void)put(&changes->items[i], changes->items[i].before, changes->items[i].before_length,
                      &ignored);
}

int changes_apply(struct changes *changes, struct error *err)
{
    for (size_t i = 0; i < changes->count; i++) {
        struct change *change = &changes->items[i];
        int result = check_unchanged(change, err);

        if (result == 0)
            result = put(change, change->after, change->after_length, err);
        if (result < 0) {
            take_back(changes);
            return result;
        }
        change->made = true;
    }
    return 0;
}
