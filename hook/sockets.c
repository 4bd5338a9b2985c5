/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/sockets.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/rootless.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Patterns of glob(7). What matches nothing stands for itself, so that a directory is refused also while the
 * engine is down: its socket would appear in the running container. */
static const char *const KNOWN[] = {
    "/run/docker.sock",
    "/run/docker/metrics.sock",
    "/run/containerd/containerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/podman/podman.sock",
    "/run/buildkit/buildkitd.sock",
    "/run/dbus/system_bus_socket",
    "/run/systemd/private",
    "/run/systemd/journal/stdout",
    "/run/systemd/resolve/io.systemd.Resolve", /* DNS */
    "/run/nscd/socket",                        /* DNS */
    "/run/snapd.socket",
    "/run/libvirt/libvirt-sock",
    "/run/user/*", /* as a whole: user managers put buses, agents and engines there when they start */
};

/* No pattern: those that there are, are bound (collect_bound); it is for /tmp as a whole. */
#define SSH_AGENT "/tmp/ssh-*/agent.*"

/* Files, and directories with all that is in them: who can write there decides over containers, or over who
 * they are. */
static const char *const STATE[] = {
    POLICY_DIRECTORY, /* NOLINT(bugprone-suspicious-missing-comma): each of these two is one path */
    SALLYPORT_CONFIGURATION "/runtimes",
    "/etc/containers/containers.conf", /* engines run as root what these name */
    "/etc/containers/containers.conf.d",
    "/etc/containers/storage.conf",
    "/etc/containers/oci",
    "/etc/docker",
    "/etc/containerd",
    "/etc/crio",
    "/run/sallyport",
    "/run/runc",
    "/run/crun",
    "/run/docker/runtime-*",
    "/run/docker/containerd/daemon/io.containerd.runtime.v2.task",
    "/run/containerd/runc",
    "/run/containerd/io.containerd.runtime.v2.task",
    "/run/containers/storage",
    "/run/libpod",
    "/var/lib/docker",
    "/var/lib/containerd",
    "/var/lib/containers/storage",
};

/* What proxies allow to whom. Theirs are the only containers that read it. */
#define PROXY_STATE "/etc/squid/sallyport-*"

struct directory {
    dev_t device;
    ino_t inode;
    char *path;   /* as it was looked up */
    char *socket; /* the first that is reached from here */
    bool state;   /* of an engine, a runtime or Sallyport; then it may be a file */
};

struct sockets {
    const struct policy_role *role;
    struct stat *tolerated; /* as many as the role lists; zeros for what is not there */
    struct directory *directories;
    size_t count;
    size_t known;       /* how many of them are there whatever is bound at the moment: the first */
    size_t *slots;      /* a hash table over `path`: index + 1 into `directories`, or 0 */
    size_t slots_count; /* a power of two, more than `count` */
};

static struct sockets collected; /* one at a time: a hook judges one container */

static void forget(void)
{
    for (size_t i = 0; i < collected.count; i++) {
        free(collected.directories[i].path);
        free(collected.directories[i].socket);
    }
    free(collected.tolerated);
    free(collected.directories);
    free(collected.slots);
    collected = (struct sockets){0};
}

/* FNV-1a (draft-eastlake-fnv). */
static size_t hash(const char *path)
{
    uint64_t value = 0xcbf29ce484222325U;

    for (; *path != '\0'; path++)
        value = (value ^ (unsigned char)*path) * 0x100000001b3U;
    return (size_t)value;
}

/* The slot where the path is, or where it belongs. */
static size_t *find_slot(const struct sockets *sockets, const char *path)
{
    size_t i = hash(path) & (sockets->slots_count - 1);

    while (sockets->slots[i] != 0 && strcmp(sockets->directories[sockets->slots[i] - 1].path, path) != 0)
        i = (i + 1) & (sockets->slots_count - 1);
    return &sockets->slots[i];
}

static bool has(const struct sockets *sockets, const char *path)
{
    return sockets->slots_count > 0 && *find_slot(sockets, path) != 0;
}

/* Makes room for one more: twice as much where there is none. */
static int grow(struct sockets *sockets)
{
    size_t size = sockets->slots_count > 0 ? 2 * sockets->slots_count : 256;
    struct directory *moved = NULL;

    if (2 * (sockets->count + 1) <= sockets->slots_count)
        return 0;
    moved = reallocarray(sockets->directories, size / 2, sizeof(*moved));
    if (moved == NULL)
        return -ENOMEM;
    sockets->directories = moved;
    free(sockets->slots);
    sockets->slots_count = 0;
    sockets->slots = calloc(size, sizeof(*sockets->slots));
    if (sockets->slots == NULL)
        return -ENOMEM;
    sockets->slots_count = size;
    for (size_t i = 0; i < sockets->count; i++)
        *find_slot(sockets, moved[i].path) = i + 1;
    return 0;
}

/* `is_there`: false where the directory above is not there, so that nobody has to ask. */
static int add(struct sockets *sockets, const char *path, const char *socket, bool is_there)
{
    struct directory directory = {.path = strdup(path), .socket = strdup(socket)};
    struct stat st;

    if (directory.path == NULL || directory.socket == NULL || grow(sockets) < 0) {
        free(directory.path);
        free(directory.socket);
        return -ENOMEM;
    }
    if (is_there && stat(path, &st) == 0) { /* else remembered all the same: no need to ask again */
        directory.device = st.st_dev;
        directory.inode = st.st_ino;
    }
    *find_slot(sockets, path) = sockets->count + 1;
    sockets->directories[sockets->count++] = directory;
    return 0;
}

/* Cuts the last component off, in place. Returns false if there is none. */
static bool cut(char *path)
{
    char *slash = strrchr(path, '/');

    if (slash == NULL || strcmp(path, "/") == 0)
        return false;
    slash[slash == path ? 1 : 0] = '\0';
    return true;
}

/* Adds the absolute path and every directory above it, from the top down: below one that is not there nothing
 * is, and half of what is known by name is not there. */
static int add_with_parents(struct sockets *sockets, const char *path, const char *socket, struct error *err)
{
    cleanup_free char *parent = NULL;
    bool is_there = true;
    int result = 0;

    if (has(sockets, path))
        return 0; /* and so is every directory above */
    parent = strdup(path);
    if (parent == NULL)
        return error_set(err, ENOMEM, "look for sockets");
    if (cut(parent)) {
        result = add_with_parents(sockets, parent, socket, err);
        is_there = result == 0 && sockets->directories[*find_slot(sockets, parent) - 1].inode != 0;
    }
    if (result == 0 && add(sockets, path, socket, is_there) < 0)
        return error_set(err, ENOMEM, "look for sockets");
    return result;
}

bool sockets_tolerated(const struct sockets *sockets, const struct stat *socket)
{
    for (size_t i = 0; i < sockets->role->sockets_count; i++)
        if (sockets->tolerated[i].st_ino != 0 && file_same(&sockets->tolerated[i], socket))
            return true;
    return false;
}

/* The same for a path that may have no socket at the moment. */
static bool path_tolerated(const struct sockets *sockets, const char *path)
{
    struct stat st;

    for (size_t i = 0; i < sockets->role->sockets_count; i++)
        if (strcmp(sockets->role->sockets[i], path) == 0)
            return true;
    return sockets->role->sockets_count > 0 && stat(path, &st) == 0 && sockets_tolerated(sockets, &st);
}

/* What a path is the name of: a socket, which nothing is below, or what may be a directory. */
enum kind { SOCKET, SOCKET_OR_DIRECTORY, STATE_PATH };

static int collect_path(struct sockets *sockets, const char *path, enum kind kind, struct error *err)
{
    cleanup_free char *copy = NULL;
    int result = 0;

    if (path_tolerated(sockets, path))
        return 0;
    copy = strdup(path);
    if (copy == NULL)
        return error_set(err, ENOMEM, "look for sockets");
    if (kind != SOCKET || cut(copy))
        result = add_with_parents(sockets, copy, path, err);
    if (result == 0 && kind == STATE_PATH)
        sockets->directories[*find_slot(sockets, path) - 1].state = true;
    return result;
}

static int collect_pattern(struct sockets *sockets, const char *pattern, enum kind kind, struct error *err)
{
    glob_t found = {0};
    int result = 0;

    if (strpbrk(pattern, "*?[") == NULL)
        return collect_path(sockets, pattern, kind, err);
    if (glob(pattern, GLOB_NOSORT | GLOB_NOCHECK, NULL, &found) != 0)
        return error_set(err, ENOMEM, "look for sockets");
    for (size_t i = 0; i < found.gl_pathc && result == 0; i++)
        result = collect_path(sockets, found.gl_pathv[i], kind == SOCKET ? SOCKET_OR_DIRECTORY : kind, err);
    globfree(&found);
    return result;
}

/* The path below `home`. By its true name as well: a home is often put together by symbolic links. */
static int collect_below(struct sockets *sockets, const char *home, const char *below, struct error *err)
{
    char path[PATH_MAX];
    char real[PATH_MAX];
    int result = 0;

    if (snprintf(path, sizeof(path), "%s/%s", home, below) >= (int)sizeof(path))
        return error_set(err, ENAMETOOLONG, "%s", home);
    result = collect_path(sockets, path, STATE_PATH, err);
    if (result == 0 && realpath(path, real) != NULL)
        result = collect_path(sockets, real, STATE_PATH, err);
    return result;
}

/* What decides over the containers of a user without root, and is his. */
static int collect_own_state(struct sockets *sockets, struct error *err)
{
    static const char *const CONFIGURATION[] = {"sallyport/networks.d", "containers/containers.conf",
                                                "containers/containers.conf.d", "containers/storage.conf",
                                                "containers/oci/hooks.d"};
    static const char *const RUNNING[] = {"containers", "libpod", "crun", "runc", "sallyport"};
    const char *home = rootless_config_home();
    char directory[64];
    int result = 0;

    snprintf(directory, sizeof(directory), "/%s", rootless_runtime_directory());
    for (size_t i = 0; i < array_size(CONFIGURATION) && result == 0 && home != NULL; i++)
        result = collect_below(sockets, home, CONFIGURATION[i], err);
    for (size_t i = 0; i < array_size(RUNNING) && result == 0; i++)
        result = collect_below(sockets, directory, RUNNING[i], err);
    return result;
}

/* The storage of the Podman (or CRI-O) whose container this is, wherever its configuration or a user's home
 * has it: the bundle is STORAGE/overlay-containers/ID/userdata, with the name of another driver in some. */
static int collect_storage(struct sockets *sockets, int bundle, struct error *err)
{
    char path[PATH_MAX];
    const char *name = NULL;
    int result = file_path(bundle, "the bundle", path, err);

    if (result < 0)
        return result;
    name = strrchr(path, '/');
    if (name == NULL || strcmp(name, "/userdata") != 0 || !cut(path) || !cut(path))
        return 0;
    name = strrchr(path, '-');
    if (name == NULL || strcmp(name, "-containers") != 0 || !cut(path))
        return 0;
    return collect_path(sockets, path, STATE_PATH, err);
}

/* The storage of the Docker whose container this is, wherever its data-root is, and whether or not it has a
 * part of its own for remapped users: it is the directory above the container's root that has containers/ID,
 * and the bundle's name is the id, 64 hexadecimal digits. */
static int collect_docker(struct sockets *sockets, int bundle, const char *root, struct error *err)
{
    cleanup_close int fd = -1;
    char above[PATH_MAX];
    char name[PATH_MAX];
    char path[2 * PATH_MAX];
    const char *id = NULL;
    int result = file_path(bundle, "the bundle", name, err);

    if (result < 0)
        return result;
    id = strrchr(name, '/') + 1;
    if (root == NULL || strlen(id) != 64 || strspn(id, "0123456789abcdef") != 64)
        return 0;
    fd = openat(bundle, root, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return 0; /* that is told when the root itself is looked at */
    result = file_path(fd, "the root file system", above, err);
    while (result == 0 && cut(above)) {
        snprintf(path, sizeof(path), "%s/containers/%s", above, id);
        if (access(path, F_OK) == 0)
            return collect_path(sockets, above, STATE_PATH, err);
    }
    return result;
}

/* Only what is there: /etc/squid alone is nothing of Sallyport's. */
static int collect_proxies(struct sockets *sockets, struct error *err)
{
    glob_t found = {0};
    int result = 0;

    if (strcmp(sockets->role->name, POLICY_PROXY_ROLE) == 0)
        return 0;
    (void)glob(PROXY_STATE, GLOB_NOSORT, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc && result == 0; i++)
        result = collect_path(sockets, found.gl_pathv[i], STATE_PATH, err);
    globfree(&found);
    return result;
}

static int collect_known(struct sockets *sockets, int bundle, const char *root, struct error *err)
{
    int result = rootless() ? collect_own_state(sockets, err) : 0;

    for (size_t i = 0; i < array_size(KNOWN) && result == 0; i++)
        result = collect_pattern(sockets, KNOWN[i], SOCKET, err);
    if (result == 0)
        result = collect_path(sockets, SSH_AGENT, SOCKET, err);
    for (size_t i = 0; i < array_size(STATE) && result == 0; i++)
        result = collect_pattern(sockets, STATE[i], STATE_PATH, err);
    if (result == 0)
        result = collect_proxies(sockets, err);
    if (result == 0)
        result = collect_storage(sockets, bundle, err);
    if (result == 0)
        result = collect_docker(sockets, bundle, root, err);
    sockets->known = sockets->count;
    return result;
}

/* One bound socket: for a directory that is known the first one is enough. */
static int collect_name(struct sockets *sockets, const char *path, struct error *err)
{
    cleanup_free char *directory = strdup(path);
    struct stat st;

    if (directory == NULL)
        return error_set(err, ENOMEM, "look for sockets");
    if (!cut(directory) || has(sockets, directory))
        return 0;
    /* Names stay in the kernel's list after they were unlinked. */
    if (stat(path, &st) < 0 || !S_ISSOCK(st.st_mode) || sockets_tolerated(sockets, &st))
        return 0;
    return add_with_parents(sockets, directory, path, err);
}

/* Where the name begins in a line of /proc/net/unix, after seven columns (net/unix/af_unix.c); NULL for a
 * socket without one, or an abstract one, which belongs to a network namespace. */
static const char *name_in(char *line)
{
    const char *at = line;

    line[strcspn(line, "\n")] = '\0';
    for (size_t i = 0; i < 7; i++) {
        at += strspn(at, " ");
        at += strcspn(at, " ");
    }
    return at[0] == ' ' && at[1] == '/' ? at + 1 : NULL;
}

/* Engines put theirs where they like: every socket that is bound to a path at the moment. */
static int collect_bound(struct sockets *sockets, struct error *err)
{
    cleanup_file FILE *list = fopen("/proc/net/unix", "re");
    cleanup_free char *line = NULL;
    static char buffer[4096];
    size_t size = 0;

    if (list == NULL)
        return error_set(err, errno, "open /proc/net/unix");
    /* The kernel gives a page at a time, stdio would ask for a quarter of it. */
    setvbuf(list, buffer, _IOFBF, sizeof(buffer));
    for (size_t i = 0; i < SOCKETS_BOUND_MAX && getline(&line, &size, list) > 0; i++) {
        const char *path = name_in(line);
        int result = path != NULL ? collect_name(sockets, path, err) : 0;

        if (result < 0)
            return result;
    }
    return ferror(list) ? error_set(err, errno, "read /proc/net/unix") : 0;
}

/* Remembers which files the tolerated sockets are. */
static int collect_tolerated(struct sockets *sockets, struct error *err)
{
    size_t count = sockets->role->sockets_count;

    sockets->tolerated = calloc(count + 1, sizeof(*sockets->tolerated));
    if (sockets->tolerated == NULL)
        return error_set(err, ENOMEM, "look for sockets");
    for (size_t i = 0; i < count; i++)
        if (stat(sockets->role->sockets[i], &sockets->tolerated[i]) < 0)
            sockets->tolerated[i].st_ino = 0;
    return 0;
}

int sockets_collect(const struct policy_role *role, int bundle, const char *root, const struct sockets **ret,
                    struct error *err)
{
    int result = 0;

    forget();
    collected.role = role;
    result = collect_tolerated(&collected, err);
    if (result == 0)
        result = collect_known(&collected, bundle, root, err);
    if (result == 0)
        result = collect_bound(&collected, err);
    if (result < 0)
        forget();
    else
        *ret = &collected;
    return result;
}

int sockets_recall(const struct policy_role *role, int bundle, const char *root, const struct sockets **ret,
                   struct error *err)
{
    if (collected.role != role)
        return sockets_collect(role, bundle, root, ret, err);
    *ret = &collected;
    return 0;
}

const char *sockets_state(const struct sockets *sockets, const struct stat *file)
{
    for (size_t i = 0; i < sockets->known; i++)
        if (sockets->directories[i].state && sockets->directories[i].device == file->st_dev &&
            sockets->directories[i].inode == file->st_ino)
            return sockets->directories[i].path;
    return NULL;
}

const char *sockets_below(const struct sockets *sockets, const struct stat *directory)
{
    for (size_t i = 0; i < sockets->count; i++)
        if (sockets->directories[i].device == directory->st_dev &&
            sockets->directories[i].inode == directory->st_ino)
            return sockets->directories[i].socket;
    return NULL;
}
