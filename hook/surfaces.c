/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/surfaces.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Sockets that hand out the host, whether or not their owner runs at the moment. Patterns of glob(7). */
static const char *const SOCKETS[] = {
    "/run/docker.sock",
    "/run/docker/metrics.sock",
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/podman/podman.sock",
    "/run/buildkit/buildkitd.sock",
    "/run/dbus/system_bus_socket",
    "/run/systemd/private",
    "/run/systemd/journal/stdout",
    "/run/user/0",
    "/run/user/*/bus",
    "/run/user/*/systemd/private",
    "/run/user/*/docker.sock",
    "/run/user/*/podman/podman.sock",
    "/tmp/ssh-*/agent.*",
};

/* Devices that carry packets, or whole machines. */
static const char *const DEVICES[] = {
    "/dev/net/tun", "/dev/vhost-net", "/dev/vhost-vsock", "/dev/vsock", "/dev/vfio/*", "/dev/infiniband/*",
};

/* Majors and minors for nodes that do not exist on the host at the moment; -1 is any minor
 * (kernel: Documentation/admin-guide/devices.txt). */
static const struct {
    unsigned major;
    int minor;
    const char *name;
} NUMBERS[] = {
    {10, 200, "/dev/net/tun"},
    {10, 238, "/dev/vhost-net"},
    {10, 241, "/dev/vhost-vsock"},
    {231, -1, "/dev/infiniband"},
};

static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether the directory is one of those above `path` (or `path` itself), by device and inode. */
static bool is_above(const struct stat *directory, const char *path)
{
    char prefix[PATH_MAX];
    struct stat st;
    size_t length = strlen(path);

    if (length >= sizeof(prefix))
        return true; /* cannot be told: be careful */
    memcpy(prefix, path, length + 1);
    for (;;) {
        char *slash = NULL;

        if (stat(prefix[0] != '\0' ? prefix : "/", &st) == 0 && same(directory, &st))
            return true;
        slash = strrchr(prefix, '/');
        if (slash == NULL)
            return false;
        *slash = '\0';
    }
}

static bool tolerated(const struct policy_role *role, const char *path)
{
    struct stat wanted;
    struct stat listed;

    for (size_t i = 0; i < role->sockets_count; i++) {
        if (strcmp(role->sockets[i], path) == 0)
            return true;
        if (stat(path, &wanted) == 0 && stat(role->sockets[i], &listed) == 0 && same(&wanted, &listed))
            return true;
    }
    return false;
}

static int refuse_directory(const char *what, const char *socket, struct error *err)
{
    error_set(err, 0, "%s holds %s, a way out of the network", what, socket);
    return error_advise(err, "mount a directory below it, or list the socket under `sockets` in the policy");
}

/* The patterns, and every socket that is bound to a path at the moment: engines put theirs where they like.
 */
static int check_known_sockets(const struct stat *directory, const char *what, const struct policy_role *role,
                               struct error *err)
{
    for (size_t i = 0; i < array_size(SOCKETS); i++) {
        glob_t found = {0};
        int result = 0;

        if (glob(SOCKETS[i], GLOB_NOSORT | GLOB_NOCHECK, NULL, &found) != 0)
            return error_set(err, ENOMEM, "look for sockets below %s", what);
        for (size_t k = 0; k < found.gl_pathc && result == 0; k++)
            if (is_above(directory, found.gl_pathv[k]) && !tolerated(role, found.gl_pathv[k]))
                result = refuse_directory(what, found.gl_pathv[k], err);
        globfree(&found);
        if (result < 0)
            return result;
    }
    return 0;
}

static int check_bound_sockets(const struct stat *directory, const char *what, const struct policy_role *role,
                               struct error *err)
{
    cleanup_file FILE *list = fopen("/proc/net/unix", "re");
    cleanup_free char *line = NULL;
    size_t size = 0;

    if (list == NULL)
        return error_set(err, errno, "open /proc/net/unix");
    while (getline(&line, &size, list) > 0) {
        int column = 0;
        const char *path = NULL;

        line[strcspn(line, "\n")] = '\0';
        (void)sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %n", &column);
        path = line + column;
        if (column == 0 || path[0] != '/')
            continue; /* no name, or an abstract one, which belongs to a network namespace */
        if (is_above(directory, path) && !tolerated(role, path))
            return refuse_directory(what, path, err);
    }
    return ferror(list) ? error_set(err, errno, "read /proc/net/unix") : 0;
}

static int refuse_device(const char *what, const char *device, struct error *err)
{
    error_set(err, 0, "%s is %s, a device that carries packets", what, device);
    return error_advise(err, "drop it (--device, --volume) from the container");
}

/* Whether the node is one of DEVICES, or has one of their numbers. */
static int check_device(const struct stat *node, const char *what, struct error *err)
{
    if (!S_ISCHR(node->st_mode))
        return 0;
    for (size_t i = 0; i < array_size(NUMBERS); i++)
        if (major(node->st_rdev) == NUMBERS[i].major &&
            (NUMBERS[i].minor < 0 || minor(node->st_rdev) == (unsigned)NUMBERS[i].minor))
            return refuse_device(what, NUMBERS[i].name, err);
    for (size_t i = 0; i < array_size(DEVICES); i++) {
        glob_t found = {0};
        int result = 0;

        (void)glob(DEVICES[i], GLOB_NOSORT, NULL, &found);
        for (size_t k = 0; k < found.gl_pathc && result == 0; k++) {
            struct stat st;

            if (stat(found.gl_pathv[k], &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == node->st_rdev)
                result = refuse_device(what, found.gl_pathv[k], err);
        }
        globfree(&found);
        if (result < 0)
            return result;
    }
    return 0;
}

static int check_devices_below(const struct stat *directory, const char *what, struct error *err)
{
    static const char *const ABOVE[] = {"/dev/net/tun", "/dev/vfio/vfio", "/dev/infiniband/uverbs0",
                                        "/dev/vhost-net"};

    for (size_t i = 0; i < array_size(ABOVE); i++)
        if (is_above(directory, ABOVE[i]))
            return refuse_device(what, ABOVE[i], err);
    return 0;
}

static int check_socket(const struct stat *socket, const char *what, const struct policy_role *role,
                        struct error *err)
{
    for (size_t i = 0; i < role->sockets_count; i++) {
        struct stat st;

        if (stat(role->sockets[i], &st) == 0 && same(socket, &st))
            return 0;
    }
    error_set(err, 0, "%s is a socket, a way out of the network", what);
    return error_advise(err, "drop the mount, or list the socket under `sockets` in the policy");
}

/* Checks what the container will see of the host at `source`. */
static int check_source(int bundle, const char *source, const char *what, const struct policy_role *role,
                        struct error *err)
{
    struct stat st;
    int result = 0;

    if (fstatat(bundle, source, &st, 0) < 0)
        return error_set(err, errno, "%s", what);
    if (S_ISSOCK(st.st_mode))
        return check_socket(&st, what, role, err);
    if (!S_ISDIR(st.st_mode))
        return check_device(&st, what, err);
    result = check_devices_below(&st, what, err);
    if (result == 0)
        result = check_known_sockets(&st, what, role, err);
    return result < 0 ? result : check_bound_sockets(&st, what, role, err);
}

static bool is_bind(const json_t *mount)
{
    const char *type = json_string_value(json_object_get(mount, "type"));
    const json_t *options = json_object_get(mount, "options");

    if (type != NULL && strcmp(type, "bind") == 0)
        return true;
    for (size_t i = 0; i < json_array_size(options); i++) {
        const char *option = json_string_value(json_array_get(options, i));

        if (option != NULL && (strcmp(option, "bind") == 0 || strcmp(option, "rbind") == 0))
            return true;
    }
    return false;
}

static int check_mount(const json_t *mount, int bundle, const struct policy_role *role, struct error *err)
{
    const char *source = json_string_value(json_object_get(mount, "source"));
    char what[PATH_MAX + 16];

    if (!is_bind(mount))
        return 0;
    if (source == NULL || source[0] == '\0')
        return error_set(err, 0, "config.json: a bind mount has no source");
    snprintf(what, sizeof(what), "mount %s", source);
    return check_source(bundle, source, what, role, err);
}

static int check_device_entry(const json_t *device, struct error *err)
{
    const char *path = json_string_value(json_object_get(device, "path"));
    const char *type = json_string_value(json_object_get(device, "type"));
    const json_t *device_major = json_object_get(device, "major");
    const json_t *device_minor = json_object_get(device, "minor");
    struct stat node = {.st_mode = S_IFCHR};
    char what[PATH_MAX + 16];

    if (path == NULL || type == NULL)
        return error_set(err, 0, "config.json: a device has no path or no type");
    if (strcmp(type, "c") != 0 && strcmp(type, "u") != 0)
        return 0;
    node.st_rdev =
        makedev((unsigned)json_integer_value(device_major), (unsigned)json_integer_value(device_minor));
    snprintf(what, sizeof(what), "device %s", path);
    return check_device(&node, what, err);
}

int surfaces_check(const json_t *config, int bundle, const struct policy_role *role, struct error *err)
{
    const char *root = json_string_value(json_object_get(json_object_get(config, "root"), "path"));
    const json_t *mounts = json_object_get(config, "mounts");
    const json_t *devices = json_object_get(json_object_get(config, "linux"), "devices");
    int result = root != NULL ? check_source(bundle, root, "the root file system", role, err) : 0;

    for (size_t i = 0; i < json_array_size(mounts) && result == 0; i++)
        result = check_mount(json_array_get(mounts, i), bundle, role, err);
    for (size_t i = 0; i < json_array_size(devices) && result == 0; i++)
        result = check_device_entry(json_array_get(devices, i), err);
    return result;
}
