/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/mounts.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "hook/filesystems.h"
#include "hook/mountinfo.h"
#include "hook/process.h"
#include "hook/surfaces.h"
#include "hook/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

struct mounts {
    struct surfaces surfaces;
    const json_t *config;
    char top[PATH_MAX]; /* of the container's root file system */
    int root;           /* of the process */
    struct mountinfo list;
    struct error *err;
};

/* What of a destination's spelling does not matter: a slash at the end. */
static bool is_destination(const char *path, const char *destination)
{
    size_t length = strlen(path);

    return strncmp(path, destination, length) == 0 &&
           strspn(destination + length, "/") == strlen(destination + length);
}

/* The config's mount at that path of the container, the last of several; NULL if there is none. */
static const json_t *configured(const struct mounts *self, const char *path)
{
    const json_t *mounts = json_object_get(self->config, "mounts");

    for (size_t i = json_array_size(mounts); i > 0; i--) {
        const json_t *mount = json_array_get(mounts, i - 1);
        const char *destination = json_string_value(json_object_get(mount, "destination"));

        if (destination != NULL && path[0] != '\0' && is_destination(path, destination))
            return mount;
    }
    return NULL;
}

/* The same for the directory above which is nearest. */
static const json_t *configured_above(const struct mounts *self, const char *path)
{
    char above[PATH_MAX];
    const json_t *mount = NULL;

    snprintf(above, sizeof(above), "%s", path);
    while (above[0] != '\0' && (mount = configured(self, above)) == NULL)
        *strrchr(above, '/') = '\0';
    return mount;
}

/* Whether the host has the same instance of a file system mounted. Before its init goes into its root, a
 * container's list has the host's mounts too. */
static bool is_host_instance(const struct mounts *self, const struct mountinfo_entry *entry)
{
    for (size_t i = 0; i < self->list.count; i++)
        if (strcmp(self->list.entries[i].device, entry->device) == 0 &&
            mountinfo_below(self->list.entries[i].point, self->top) == NULL)
            return true;
    return false;
}

static bool is_cgroup(const char *type)
{
    return strcmp(type, "cgroup") == 0 || strcmp(type, "cgroup2") == 0;
}

/* Whether the mount is a new one that the config asks for by its type, which hook/filesystems.h has allowed,
 * and not a path of the host. For sysfs and the like crun takes the host's where it may not make a new one.
 */
static bool is_fresh(const struct mounts *self, const struct mountinfo_entry *entry, const char *path)
{
    const json_t *mount = configured_above(self, path);
    const char *type = json_string_value(json_object_get(mount, "type"));

    if (mount == NULL || type == NULL || filesystems_is_bind(mount) || strcmp(type, "overlay") == 0)
        return false;
    if (is_cgroup(type) && is_cgroup(entry->type))
        return true; /* the container's part of the host's, or all of it, without a way to write */
    if (is_host_instance(self, entry))
        return false;
    if (is_cgroup(type))
        return strcmp(entry->type, "tmpfs") == 0; /* above those */
    return strcmp(type, entry->type) == 0 && configured(self, path) == mount;
}

static const struct mountinfo_entry *entry_of(const struct mountinfo *list, int id)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->entries[i].id == id)
            return &list->entries[i];
    return NULL;
}

static bool is_ancestor(const struct mountinfo *list, const struct mountinfo_entry *ancestor,
                        const struct mountinfo_entry *entry)
{
    for (size_t depth = 0; entry != NULL && depth <= list->count; depth++) {
        if (entry == ancestor)
            return true;
        entry = entry->parent != entry->id ? entry_of(list, entry->parent) : NULL;
    }
    return false;
}

/* Whether another mount lies over this one, or over a directory above it. */
static bool is_covered(const struct mountinfo *list, const struct mountinfo_entry *entry)
{
    for (size_t i = 0; i < list->count; i++)
        if (mountinfo_below(entry->point, list->entries[i].point) != NULL &&
            !is_ancestor(list, &list->entries[i], entry))
            return true;
    return false;
}

/* The id of the mount that the descriptor is in, 0 from kernels before 5.8. */
static int mount_id(int fd)
{
    struct statx stx;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0 || (stx.stx_mask & STATX_MNT_ID) == 0)
        return 0;
    return (int)stx.stx_mnt_id;
}

static int open_mount(const struct mounts *self, const struct mountinfo_entry *entry)
{
    /* The kernel's list has no symbolic links in it: one that is met was put there afterwards. */
    struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, self->root, entry->point, &how, sizeof(how));

    return fd >= 0 ? fd : -errno;
}

/* Opens the mounted file where the host has it, by one of the host's mounts. -1 if it is not there, or
 * another one is. */
static int open_on_host(const struct mountinfo_entry *host, const struct mountinfo_entry *entry,
                        const struct stat *mounted)
{
    const char *below = NULL;
    cleanup_close int fd = -1;
    char path[2 * PATH_MAX];
    struct stat st;

    if (strcmp(host->device, entry->device) == 0)
        below = mountinfo_below(entry->root, host->root);
    if (below == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s%s", host->point, below);
    fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !file_same(&st, mounted))
        return -1;
    return take_fd(&fd);
}

/* A part of a directory of state does not tell by itself what it is a part of; the host's name for it does.
 */
static int judge_place(const struct mounts *self, const struct mountinfo_entry *entry, int mounted,
                       const char *what)
{
    struct stat st;

    if (fstat(mounted, &st) < 0)
        return error_set(self->err, errno, "%s", what);
    for (size_t i = 0; i < self->list.count; i++) {
        const struct mountinfo_entry *host = &self->list.entries[i];
        cleanup_close int fd = open_on_host(host, entry, &st);

        if (fd >= 0 && mountinfo_below(host->point, self->top) == NULL)
            return surfaces_judge_place(&self->surfaces, fd, what);
    }
    return 0;
}

static int judge_entry(struct mounts *self, const struct mountinfo_entry *entry, const char *path)
{
    cleanup_close int fd = -1;
    char what[PATH_MAX + 64];
    bool is_root = path[0] == '\0';
    int id = 0;
    int result = 0;

    if (is_fresh(self, entry, path))
        return 0;
    fd = open_mount(self, entry);
    id = fd >= 0 ? mount_id(fd) : 0;
    snprintf(what, sizeof(what), "what is mounted on %s of the container", is_root ? "/" : path);
    if ((fd == -ENOENT || fd == -ENOTDIR || (id != 0 && id != entry->id)) && is_covered(&self->list, entry))
        return 0;
    if (fd < 0)
        return error_set(self->err, -fd, "%s", what);
    if (id != 0 && id != entry->id)
        return error_set(self->err, 0, "%s changes while it is looked at", what);
    /* The root is the image's, in an engine's storage: its sockets have nobody behind them. */
    result = surfaces_judge(&self->surfaces, fd, what, !is_root);
    return result < 0 || is_root ? result : judge_place(self, entry, fd, what);
}

/* Whether a mount that the config asks for is below the root's path. */
static bool is_mounted(const struct mounts *self)
{
    for (size_t i = 0; i < self->list.count; i++) {
        const char *path = mountinfo_below(self->list.entries[i].point, self->top);

        if (path != NULL && configured(self, path) != NULL)
            return true;
    }
    return false;
}

static bool has_point(const struct mountinfo *list, const char *point)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->entries[i].point, point) == 0)
            return true;
    return false;
}

/* Whether a mount point ends like the destination of one of the config's mounts. */
static bool ends_like_destination(const struct mounts *self, const char *point)
{
    for (const char *tail = strchr(point, '/'); tail != NULL; tail = strchr(tail + 1, '/'))
        if (configured(self, tail) != NULL)
            return true;
    return false;
}

/* Where nothing is mounted below the root's path, either nothing is mounted yet, or the path led elsewhere
 * when the runtime used it. Then its mounts are there, in nobody's list but the process's. */
static int check_elsewhere(const struct mounts *self)
{
    cleanup_mountinfo struct mountinfo own = {0};
    int result = mountinfo_read_own(&own, self->err);

    for (size_t i = 0; i < self->list.count && result == 0; i++) {
        const char *point = self->list.entries[i].point;

        if (has_point(&own, point) || !ends_like_destination(self, point))
            continue;
        error_set(self->err, 0, "the container has mounts (%s) outside of its root file system %s", point,
                  self->top);
        return error_advise(self->err, "do not change root.path while the container is created");
    }
    return result;
}

static int check_list(struct mounts *self)
{
    int result = 0;

    for (size_t i = 0; i < self->list.count && result == 0; i++) {
        const char *path = mountinfo_below(self->list.entries[i].point, self->top);

        if (path != NULL)
            result = judge_entry(self, &self->list.entries[i], path);
    }
    return result < 0 || is_mounted(self) ? result : check_elsewhere(self);
}

/* The root's path, as the mount namespaces of runtime and process have it. */
static int find_top(struct mounts *self)
{
    const char *path = json_string_value(json_object_get(json_object_get(self->config, "root"), "path"));
    cleanup_close int fd = -1;

    if (path == NULL)
        return error_set(self->err, 0, "config.json: root.path is missing");
    fd = openat(self->surfaces.bundle, path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return error_set(self->err, errno, "the root file system");
    return file_path(fd, "the root file system", self->top, self->err);
}

/* Opens the directory of the process in /proc: while it lives, the number is its own. */
static int open_process(pid_t pid, int pidfd, struct error *err)
{
    char path[32];
    int fd = -1;

    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, errno, "open %s", path);
    if (!process_ended(pidfd))
        return fd;
    close(fd);
    return error_set(err, ESRCH, "look at the mounts of process %d", (int)pid);
}

int mounts_check(pid_t pid, int pidfd, const json_t *config, int bundle, const struct policy_role *role,
                 struct error *err)
{
    struct mounts self = {
        .surfaces = {.bundle = bundle, .role = role, .budget = WALK_BUDGET, .err = err},
        .config = config,
        .err = err,
    };
    cleanup_close int process = open_process(pid, pidfd, err);
    cleanup_close int root = -1;
    int result = process < 0 ? process : find_top(&self);

    if (result == 0)
        result = sockets_recall(role, bundle, self.top, &self.surfaces.sockets, err);
    if (result < 0)
        return result;
    root = openat(process, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return error_set(err, errno, "open the root of the container's process");
    self.root = root;
    result = mountinfo_read(process, &self.list, err);
    if (result == 0)
        result = check_list(&self);
    mountinfo_free(&self.list);
    return result;
}
