/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/sockets.h"

#include "base/cleanup.h"

#include <errno.h>
#include <glob.h>
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
    "/tmp/ssh-*/agent.*",
};

static int add(struct sockets *sockets, const char *path, const char *socket)
{
    struct socket_directory *moved =
        reallocarray(sockets->directories, sockets->count + 1, sizeof(*sockets->directories));
    struct stat st;

    if (moved == NULL)
        return -ENOMEM;
    sockets->directories = moved;
    if (stat(path, &st) < 0)
        memset(&st, 0, sizeof(st)); /* remembered all the same: no need to ask again */
    moved[sockets->count] = (struct socket_directory){
        .device = st.st_dev, .inode = st.st_ino, .path = strdup(path), .socket = strdup(socket)};
    sockets->count++;
    return moved[sockets->count - 1].path != NULL && moved[sockets->count - 1].socket != NULL ? 0 : -ENOMEM;
}

static bool has(const struct sockets *sockets, const char *path)
{
    for (size_t i = 0; i < sockets->count; i++)
        if (strcmp(sockets->directories[i].path, path) == 0)
            return true;
    return false;
}

/* Adds the absolute path and every directory above it. */
static int add_with_parents(struct sockets *sockets, const char *socket, struct error *err)
{
    cleanup_free char *path = strdup(socket);

    if (path == NULL)
        return error_set(err, ENOMEM, "look for sockets");
    while (!has(sockets, path)) {
        char *slash = strrchr(path, '/');

        if (add(sockets, path[0] != '\0' ? path : "/", socket) < 0)
            return error_set(err, ENOMEM, "look for sockets");
        if (slash == NULL || strcmp(path, "/") == 0)
            return 0;
        slash[slash == path ? 1 : 0] = '\0';
    }
    return 0;
}

bool sockets_tolerated(const struct policy_role *role, const struct stat *socket)
{
    for (size_t i = 0; i < role->sockets_count; i++) {
        struct stat listed;

        if (stat(role->sockets[i], &listed) == 0 && listed.st_dev == socket->st_dev &&
            listed.st_ino == socket->st_ino)
            return true;
    }
    return false;
}

/* The same for a path that may have no socket at the moment. */
static bool path_tolerated(const struct policy_role *role, const char *path)
{
    struct stat st;

    for (size_t i = 0; i < role->sockets_count; i++)
        if (strcmp(role->sockets[i], path) == 0)
            return true;
    return role->sockets_count > 0 && stat(path, &st) == 0 && sockets_tolerated(role, &st);
}

static int collect_path(const struct policy_role *role, const char *path, struct sockets *sockets,
                        struct error *err)
{
    return path_tolerated(role, path) ? 0 : add_with_parents(sockets, path, err);
}

static int collect_pattern(const struct policy_role *role, const char *pattern, struct sockets *sockets,
                           struct error *err)
{
    glob_t found = {0};
    int result = 0;

    if (strpbrk(pattern, "*?[") == NULL)
        return collect_path(role, pattern, sockets, err);
    if (glob(pattern, GLOB_NOSORT | GLOB_NOCHECK, NULL, &found) != 0)
        return error_set(err, ENOMEM, "look for sockets");
    for (size_t i = 0; i < found.gl_pathc && result == 0; i++)
        result = collect_path(role, found.gl_pathv[i], sockets, err);
    globfree(&found);
    return result;
}

static int collect_known(const struct policy_role *role, struct sockets *sockets, struct error *err)
{
    int result = 0;

    for (size_t i = 0; i < array_size(KNOWN) && result == 0; i++)
        result = collect_pattern(role, KNOWN[i], sockets, err);
    return result;
}

/* Whether there is a socket at the path still: names stay in the kernel's list after they were unlinked. */
static bool is_socket(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* Engines put theirs where they like: every socket that is bound to a path at the moment. */
static int collect_bound(const struct policy_role *role, struct sockets *sockets, struct error *err)
{
    cleanup_file FILE *list = fopen("/proc/net/unix", "re");
    cleanup_free char *line = NULL;
    size_t size = 0;

    if (list == NULL)
        return error_set(err, errno, "open /proc/net/unix");
    while (getline(&line, &size, list) > 0) {
        int column = 0;
        const char *path = NULL;
        int result = 0;

        line[strcspn(line, "\n")] = '\0';
        (void)sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %n", &column);
        path = line + column;
        if (column == 0 || path[0] != '/')
            continue; /* no name, or an abstract one, which belongs to a network namespace */
        if (!has(sockets, path) && is_socket(path))
            result = collect_path(role, path, sockets, err);
        if (result < 0)
            return result;
    }
    return ferror(list) ? error_set(err, errno, "read /proc/net/unix") : 0;
}

int sockets_collect(const struct policy_role *role, struct sockets *ret, struct error *err)
{
    struct sockets sockets = {0};
    int result = collect_known(role, &sockets, err);

    if (result == 0)
        result = collect_bound(role, &sockets, err);
    if (result < 0) {
        sockets_free(&sockets);
        return result;
    }
    *ret = sockets;
    return 0;
}

void sockets_free(struct sockets *sockets)
{
    for (size_t i = 0; i < sockets->count; i++) {
        free(sockets->directories[i].path);
        free(sockets->directories[i].socket);
    }
    free(sockets->directories);
    *sockets = (struct sockets){0};
}

const char *sockets_below(const struct sockets *sockets, const struct stat *directory)
{
    for (size_t i = 0; i < sockets->count; i++)
        if (sockets->directories[i].device == directory->st_dev &&
            sockets->directories[i].inode == directory->st_ino)
            return sockets->directories[i].socket;
    return NULL;
}
