/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/walk.h"

#include "base/cleanup.h"
#include "hook/devices.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

struct queue { /* directories to look into, in the order in which they were met */
    char **paths;
    size_t first;
    size_t count;
};

struct search {
    int top;
    const struct sockets *sockets;
    size_t budget;
    struct queue queue;
    struct walk_find *find;
};

/* Without memory the walk is shorter, as without budget. */
static void push(struct queue *queue, const char *path)
{
    char **moved = reallocarray(queue->paths, queue->count + 1, sizeof(*moved));
    char *copy = moved != NULL ? strdup(path) : NULL;

    if (moved != NULL)
        queue->paths = moved;
    if (copy != NULL)
        queue->paths[queue->count++] = copy;
}

static int open_below(int top, const char *path)
{
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS};

    return (int)syscall(SYS_openat2, top, path, &how, sizeof(how));
}

/* Whether the entry is what is looked for. */
static bool judge(struct search *search, int directory, const char *name, const char *path)
{
    struct stat st;

    if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    if (S_ISDIR(st.st_mode))
        push(&search->queue, path);
    search->find->device = devices_find(&st);
    if (search->find->device == NULL && (!S_ISSOCK(st.st_mode) || sockets_tolerated(search->sockets, &st)))
        return false;
    strcpy(search->find->path, path);
    return true;
}

static bool look_at(struct search *search, int directory, const char *parent, const struct dirent *entry)
{
    char path[PATH_MAX];
    int length = 0;

    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
        return false;
    search->budget--;
    if (entry->d_type == DT_REG || entry->d_type == DT_LNK)
        return false;
    length = snprintf(path, sizeof(path), "%s%s%s", parent, parent[0] != '\0' ? "/" : "", entry->d_name);
    if (length < 0 || (size_t)length >= sizeof(path))
        return false; /* deeper than a path may be long */
    if (entry->d_type == DT_DIR) {
        push(&search->queue, path);
        return false;
    }
    return judge(search, directory, entry->d_name, path);
}

/* Looks at one directory. Returns whether something was found. */
static bool look_into(struct search *search, const char *path)
{
    int fd = open_below(search->top, path[0] != '\0' ? path : ".");
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry = NULL;
    bool found = false;

    if (directory == NULL) {
        cleanup_close_at(&fd);
        return false;
    }
    while (!found && search->budget > 0 && (entry = readdir(directory)) != NULL)
        found = look_at(search, fd, path, entry);
    closedir(directory);
    return found;
}

void walk(int directory, const struct sockets *sockets, size_t *budget, struct walk_find *ret)
{
    struct search search = {.top = directory, .sockets = sockets, .budget = *budget, .find = ret};
    bool found = false;

    ret->path[0] = '\0';
    push(&search.queue, "");
    while (!found && search.budget > 0 && search.queue.first < search.queue.count)
        found = look_into(&search, search.queue.paths[search.queue.first++]);
    for (size_t i = 0; i < search.queue.count; i++)
        free(search.queue.paths[i]);
    free(search.queue.paths);
    *budget = search.budget;
}
