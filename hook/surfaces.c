/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/surfaces.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "hook/config.h"
#include "hook/devices.h"
#include "hook/filesystems.h"
#include "hook/names.h"
#include "hook/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

static int check_kernel_files(const struct surfaces *self, int fd, const char *what)
{
    struct statfs fs;
    const char *name = NULL;

    if (fstatfs(fd, &fs) < 0)
        return error_set(self->err, errno, "%s", what);
    name = filesystems_kernel(fs.f_type);
    if (name == NULL)
        return 0;
    error_set(self->err, 0, "%s is the host's %s, a way to other processes and to the kernel", what, name);
    return error_advise(self->err, "drop the mount");
}

static int check_socket(const struct surfaces *self, const struct stat *socket, const char *what)
{
    if (sockets_tolerated(self->sockets, socket))
        return 0;
    error_set(self->err, 0, "%s is a socket, a way out of the network", what);
    return error_advise(self->err, "drop the mount, or list the socket under `sockets` of role `%s`",
                        self->role->name);
}

/* Whether the directory is the container's bundle or above it; also where that cannot be told. */
static bool holds_bundle(const struct surfaces *self, const struct stat *directory)
{
    char path[PATH_MAX] = ".";
    size_t length = 1;
    struct stat before = {0};
    struct stat st;

    for (; length + sizeof("/..") <= sizeof(path); length += strlen("/..")) {
        if (fstatat(self->bundle, path, &st, 0) < 0)
            return true;
        if (file_same(&st, directory))
            return true;
        if (file_same(&st, &before))
            return false; /* above / there is / again */
        before = st;
        strcpy(path + length, "/..");
    }
    return true;
}

/* What may be written there is read again when a process joins, and when the container starts. */
static int check_bundle(const struct surfaces *self, const struct stat *directory, const char *what)
{
    if (!holds_bundle(self, directory))
        return 0;
    error_set(self->err, 0, "%s holds the container's own bundle, with the config.json that confines it",
              what);
    return error_advise(self->err, "mount a directory that does not hold it");
}

/* The same for the one file of it, and for those that engines are configured by. */
static int check_file(const struct surfaces *self, const struct stat *file, const char *what)
{
    const char *state = sockets_state(self->sockets, file);
    struct stat st;

    if (state != NULL) {
        error_set(self->err, 0, "%s is %s, a way out of the network", what, state);
        return error_advise(self->err, "drop the mount");
    }
    if (fstatat(self->bundle, CONFIG_NAME, &st, 0) < 0 || !file_same(&st, file))
        return 0;
    error_set(self->err, 0, "%s is the container's own config.json, which confines it", what);
    return error_advise(self->err, "drop the mount");
}

static int check_directory(const struct surfaces *self, const struct stat *directory, const char *what)
{
    const char *socket = sockets_below(self->sockets, directory);
    const char *device = devices_below(directory);

    if (device != NULL)
        return devices_refuse(what, device, self->err);
    if (socket == NULL)
        return check_bundle(self, directory, what);
    error_set(self->err, 0, "%s holds %s, a way out of the network", what, socket);
    return error_advise(self->err,
                        "mount a directory that does not hold it, or list it under `sockets` of role `%s`",
                        self->role->name);
}

static int search_directory(struct surfaces *self, int fd, const char *what)
{
    struct walk_find find;
    size_t share = self->budget / 2; /* a large directory leaves something for the next one */
    size_t left = share;

    walk(fd, self->sockets, &left, &find);
    self->budget -= share - left;
    if (find.path[0] == '\0')
        return 0;
    if (find.device != NULL)
        return devices_refuse(what, find.device, self->err);
    error_set(self->err, 0, "%s holds the socket %s, a way out of the network", what, find.path);
    return error_advise(self->err,
                        "remove the socket, mount another directory, or list it under `sockets` of role `%s`",
                        self->role->name);
}

static int check_layers(struct surfaces *self, const char *option, bool all);

/* The layers of an overlay that is mounted on the host: its files are theirs by other numbers. A layer that
 * is not there is of a host that this one is a container of. */
static int check_overlay_instance(struct surfaces *self, int fd, const struct stat *st)
{
    struct statfs fs;
    char device[32];
    int result = 0;

    if (fstatfs(fd, &fs) < 0)
        return error_set(self->err, errno, "look for the layers of an overlay");
    if (fs.f_type != OVERLAYFS_SUPER_MAGIC)
        return 0;
    snprintf(device, sizeof(device), "%u:%u", major(st->st_dev), minor(st->st_dev));
    if (self->own.text == NULL)
        result = mountinfo_read_own(&self->own, self->err);
    for (size_t i = 0; i < self->own.count && result == 0; i++) {
        const struct mountinfo_entry *entry = &self->own.entries[i];
        cleanup_free char *options = NULL;
        char *next = NULL;
        const char *option = NULL;

        if (strcmp(entry->type, "overlay") != 0 || strcmp(entry->device, device) != 0)
            continue;
        options = next = strdup(entry->options);
        if (options == NULL)
            return error_set(self->err, ENOMEM, "look for the layers of an overlay");
        while (result == 0 && (option = strsep(&next, ",")) != NULL)
            result = check_layers(self, option, false);
        return result; /* others are the same instance */
    }
    return result;
}

int surfaces_judge(struct surfaces *self, int fd, const char *what, bool search)
{
    struct stat st;
    const char *device = NULL;
    int result = check_kernel_files(self, fd, what);

    if (result < 0)
        return result;
    if (fstat(fd, &st) < 0)
        return error_set(self->err, errno, "%s", what);
    if (S_ISSOCK(st.st_mode))
        return check_socket(self, &st, what);
    if (S_ISDIR(st.st_mode)) {
        result = check_directory(self, &st, what);
        if (result < 0 || !search)
            return result;
        result = check_overlay_instance(self, fd, &st);
        return result < 0 ? result : search_directory(self, fd, what);
    }
    if (S_ISREG(st.st_mode))
        return check_file(self, &st, what);
    device = devices_find(&st);
    return device != NULL ? devices_refuse(what, device, self->err) : 0;
}

/* A mount of the host at `point`, which the container gets along with a directory above it. */
static int check_submount(struct surfaces *self, const char *point, const char *what)
{
    cleanup_close int fd = open(point, O_PATH | O_CLOEXEC);
    char below[2 * PATH_MAX + 32];

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0; /* hidden by another mount, or gone */
    snprintf(below, sizeof(below), "%s, with %s below it,", what, point);
    return fd >= 0 ? surfaces_judge(self, fd, below, true) : error_set(self->err, errno, "%s", below);
}

/* Checks every mount below the canonical path `top`. */
static int check_submounts(struct surfaces *self, const char *top, const char *what)
{
    int result = self->own.text == NULL ? mountinfo_read_own(&self->own, self->err) : 0;

    for (size_t i = 0; i < self->own.count && result == 0; i++) {
        const char *point = self->own.entries[i].point;
        const char *tail = mountinfo_below(point, top);

        if (tail != NULL && tail[0] != '\0')
            result = check_submount(self, point, what);
    }
    return result;
}

static bool is_directory(int fd)
{
    struct stat st;

    return fstat(fd, &st) < 0 || S_ISDIR(st.st_mode);
}

/* Whether the path is two steps or more below a directory that has the name of one above the bundle, an id of
 * an engine's: 64 hexadecimal digits. Engines keep what belongs to a container in several places; what is one
 * step below they decide by (Docker's hostconfig.json). */
static bool has_id_of(const char *path, const char *bundle)
{
    for (const char *at = strchr(bundle, '/'); at != NULL; at = strchr(at + 1, '/')) {
        char id[1 + 64 + 2]; /* "/ID/" */
        const char *found = NULL;

        if (strspn(at + 1, "0123456789abcdef") != 64 || (at[65] != '/' && at[65] != '\0'))
            continue;
        snprintf(id, sizeof(id), "%.65s/", at);
        found = strstr(path, id);
        if (found != NULL && strchr(found + strlen(id), '/') != NULL)
            return true;
    }
    return false;
}

/* Whether engines themselves mount the path, which is in a directory of their state: what is the container's
 * own, what it may share with its pod, and volumes, those of Docker's plugins too. `below` is the part of it
 * that is below the state. */
static bool is_engines_mount(const char *path, const char *below, const char *bundle)
{
    static const char *const SHARED[] = {"hosts", "hostname",       "resolv.conf",    ".containerenv",
                                         "shm",   NAMES_HOSTS_FILE, NAMES_RESOLV_FILE};
    const char *name = strrchr(path, '/') + 1;

    for (size_t i = 0; i < array_size(SHARED); i++)
        if (strcmp(name, SHARED[i]) == 0)
            return true;
    return strncmp(below, "volumes/", strlen("volumes/")) == 0 || strstr(below, "/volumes/") != NULL ||
           strstr(below, "/propagated-mount/") != NULL || has_id_of(path, bundle);
}

/* The state that the path is in, NULL if in none; *ret_below is the part of the path below it. */
static const char *state_above(const struct surfaces *self, const char *path, const char **ret_below)
{
    char above[PATH_MAX];
    char *slash = NULL;

    strcpy(above, path);
    while ((slash = strrchr(above, '/')) != NULL && slash > above) {
        const char *state = NULL;
        struct stat st;

        *slash = '\0';
        state = stat(above, &st) == 0 ? sockets_state(self->sockets, &st) : NULL;
        if (state != NULL) {
            *ret_below = path + (slash - above) + 1;
            return state;
        }
    }
    return NULL;
}

/* Whether engines have root file systems there: in the directory of a storage driver. */
static bool is_engines_root(const char *path, const char *below, const char *bundle)
{
    static const char *const DRIVERS[] = {"overlay/",          "overlay2/",       "vfs/dir/",
                                          "btrfs/subvolumes/", "fuse-overlayfs/", "aufs/mnt/",
                                          "devicemapper/mnt/", "zfs/graph/",      "rootfs/"};

    for (size_t i = 0; i < array_size(DRIVERS); i++)
        if (strncmp(below, DRIVERS[i], strlen(DRIVERS[i])) == 0)
            return true;
    return has_id_of(path, bundle);
}

/* Whether the path is the container's own by being in the bundle, as Sallyport's files are in each, and the
 * root of containerd's. A file that lies in the bundle itself is not: containerd keeps there which program it
 * runs for the container (`runtime`, `shim-binary-path`). Before the bundle is known (Podman's precreate:
 * then it is the root), all is the container's own, because nobody can tell. */
static bool is_in_bundle(const char *path, const char *bundle, const struct stat *st)
{
    const char *below = mountinfo_below(path, bundle);

    return below != NULL && (S_ISDIR(st->st_mode) || strchr(below + 1, '/') != NULL);
}

/* A part of what is refused as a whole: a policy, the config of another container. */
static int judge_place(const struct surfaces *self, int fd, const char *what, bool is_root)
{
    char path[PATH_MAX];
    char bundle[PATH_MAX];
    const char *below = NULL;
    const char *state = NULL;
    struct stat st;
    int result = file_path(fd, what, path, self->err);

    if (result < 0 || fstat(fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
        return result; /* devices and sockets have been judged */
    state = state_above(self, path, &below);
    if (state == NULL)
        return 0;
    result = file_path(self->bundle, "the bundle", bundle, self->err);
    if (result < 0 || is_in_bundle(path, bundle, &st))
        return result;
    if (is_root ? is_engines_root(path, below, bundle) : is_engines_mount(path, below, bundle))
        return 0;
    error_set(self->err, 0, "%s is in %s, a way out of the network", what, state);
    return error_advise(self->err, is_root ? "use another directory as the root" : "drop the mount");
}

int surfaces_judge_place(const struct surfaces *self, int fd, const char *what)
{
    return judge_place(self, fd, what, false);
}

/* Checks what the container will see of the host at `source`. `search`: not in its root file system, whose
 * sockets have nobody behind them. */
static int check_source(struct surfaces *self, const char *source, const char *what, bool search)
{
    cleanup_close int fd = openat(self->bundle, source, O_PATH | O_CLOEXEC);
    char path[PATH_MAX];
    int result = 0;

    if (fd < 0)
        return error_set(self->err, errno, "%s", what);
    result = surfaces_judge(self, fd, what, search);
    if (result == 0)
        result = judge_place(self, fd, what, !search);
    if (result < 0 || !is_directory(fd) || mountinfo_nothing_below(fd))
        return result;
    result = file_path(fd, what, path, self->err);
    return result < 0 ? result : check_submounts(self, path, what);
}

/* One of the options of an overlay, "lowerdir=/a:/b", "upperdir=/c": each of the directories. `all`: also
 * those that are not there, which is an error. */
static int check_layers(struct surfaces *self, const char *option, bool all)
{
    static const char *const KEYS[] = {"lowerdir=", "lowerdir+=", "datadir+=", "upperdir="};
    cleanup_free char *paths = NULL;
    char *next = NULL;
    const char *path = NULL;
    size_t i = 0;
    int result = 0;

    while (i < array_size(KEYS) && strncmp(option, KEYS[i], strlen(KEYS[i])) != 0)
        i++;
    if (i == array_size(KEYS))
        return 0;
    if (strchr(option, '\\') != NULL)
        return error_set(self->err, 0, "a layer of an overlay has a backslash: %s", option);
    paths = strdup(option + strlen(KEYS[i]));
    if (paths == NULL)
        return error_set(self->err, ENOMEM, "look at the layers of an overlay");
    for (next = paths; result == 0 && (path = strsep(&next, ":")) != NULL;) {
        char what[PATH_MAX + 32];

        snprintf(what, sizeof(what), "layer %s of an overlay", path);
        if (path[0] != '\0' && (all || faccessat(self->bundle, path, F_OK, 0) == 0 || errno != ENOENT))
            result = check_source(self, path, what, true);
    }
    return result;
}

static int check_overlay(struct surfaces *self, const json_t *mount)
{
    const json_t *options = json_object_get(mount, "options");
    int result = 0;

    for (size_t i = 0; i < json_array_size(options) && result == 0; i++) {
        const char *option = json_string_value(json_array_get(options, i));

        if (option != NULL && strchr(option, ',') != NULL) { /* several, to the kernel */
            error_set(self->err, 0, "an option of an overlay has a comma: %s", option);
            return error_advise(self->err, "make it several options");
        }
        if (option != NULL)
            result = check_layers(self, option, true);
    }
    return result;
}

static int check_mount(struct surfaces *self, const json_t *config, const json_t *mount)
{
    const char *source = json_string_value(json_object_get(mount, "source"));
    const char *type = json_string_value(json_object_get(mount, "type"));
    char what[PATH_MAX + 16];
    int result = filesystems_check(config, mount, self->err);

    if (result < 0)
        return result;
    if (!filesystems_is_bind(mount))
        result = strcmp(type, "overlay") == 0 ? check_overlay(self, mount) : 0;
    else if (source == NULL || source[0] == '\0')
        return error_set(self->err, 0, "config.json: a bind mount has no source");
    else {
        snprintf(what, sizeof(what), "mount %s", source);
        result = check_source(self, source, what, true);
    }
    /* Last: Docker propagates by itself where the source is above its own directories. */
    return result < 0 ? result : filesystems_check_propagation(mount, self->err);
}

int surfaces_check(const json_t *config, int bundle, const struct policy_role *role, struct error *err)
{
    const char *root = json_string_value(json_object_get(json_object_get(config, "root"), "path"));
    const json_t *mounts = json_object_get(config, "mounts");
    struct surfaces self = {.bundle = bundle, .role = role, .budget = WALK_BUDGET, .err = err};
    int result = devices_check(config, err);

    if (result == 0)
        result = sockets_collect(role, bundle, root, &self.sockets, err);
    if (result == 0 && root != NULL)
        result = check_source(&self, root, "the root file system", false);
    for (size_t i = 0; i < json_array_size(mounts) && result == 0; i++)
        result = check_mount(&self, config, json_array_get(mounts, i));
    mountinfo_free(&self.own);
    return result;
}
