/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/surfaces.h"

#include "base/cleanup.h"
#include "hook/devices.h"
#include "hook/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#ifndef CONFIGFS_MAGIC
#define CONFIGFS_MAGIC 0x62656570 /* fs/configfs/mount.c */
#endif

/* File systems that are the kernel itself. A container has instances of its own; the host's lead to the files
 * of other processes (/proc/PID/root), to programs that the kernel runs on the host (core_pattern,
 * uevent_helper, release_agent), to registers of network cards (resource0), or to other namespaces. */
static const struct {
    long magic;
    const char *name;
} KERNEL[] = {
    {PROC_SUPER_MAGIC, "procfs"},   {SYSFS_MAGIC, "sysfs"},
    {CGROUP_SUPER_MAGIC, "cgroup"}, {CGROUP2_SUPER_MAGIC, "cgroup"},
    {DEBUGFS_MAGIC, "debugfs"},     {TRACEFS_MAGIC, "tracefs"},
    {BPF_FS_MAGIC, "bpffs"},        {SECURITYFS_MAGIC, "securityfs"},
    {CONFIGFS_MAGIC, "configfs"},   {NSFS_MAGIC, "nsfs (a namespace)"},
};

struct surfaces { /* what every check needs */
    int bundle;
    const struct policy_role *role;
    struct sockets sockets;
    struct error *err;
};

static int check_kernel_files(const struct surfaces *self, int fd, const char *what)
{
    struct statfs fs;

    if (fstatfs(fd, &fs) < 0)
        return error_set(self->err, errno, "%s", what);
    for (size_t i = 0; i < array_size(KERNEL); i++) {
        if ((unsigned)fs.f_type != (unsigned)KERNEL[i].magic)
            continue;
        error_set(self->err, 0, "%s is the host's %s, a way to other processes and to the kernel", what,
                  KERNEL[i].name);
        return error_advise(self->err, "drop the mount");
    }
    return 0;
}

static int check_socket(const struct surfaces *self, const struct stat *socket, const char *what)
{
    if (sockets_tolerated(self->role, socket))
        return 0;
    error_set(self->err, 0, "%s is a socket, a way out of the network", what);
    return error_advise(self->err, "drop the mount, or list the socket under `sockets` of role `%s`",
                        self->role->name);
}

static int check_directory(const struct surfaces *self, const struct stat *directory, const char *what)
{
    const char *socket = sockets_below(&self->sockets, directory);
    const char *device = devices_below(directory);

    if (device != NULL)
        return devices_refuse(what, device, self->err);
    if (socket == NULL)
        return 0;
    error_set(self->err, 0, "%s holds %s, a way out of the network", what, socket);
    return error_advise(self->err,
                        "mount a directory that does not hold it, or list it under `sockets` of role `%s`",
                        self->role->name);
}

/* What the descriptor is, whatever led to it. */
static int check_file(const struct surfaces *self, int fd, const char *what)
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
    if (S_ISDIR(st.st_mode))
        return check_directory(self, &st, what);
    device = devices_find(&st);
    return device != NULL ? devices_refuse(what, device, self->err) : 0;
}

/* Undoes the octal escapes (\040) of /proc/self/mountinfo, in place. */
static void unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0';) {
        unsigned octal = 0;

        if (from[0] == '\\' && sscanf(from + 1, "%3o", &octal) == 1) {
            *to++ = (char)octal;
            from += strlen("\\040");
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
}

/* A mount of the host at `point`, which the container gets along with a directory above it. */
static int check_submount(const struct surfaces *self, const char *point, const char *what)
{
    cleanup_close int fd = open(point, O_PATH | O_CLOEXEC);
    char below[2 * PATH_MAX + 32];

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0; /* hidden by another mount, or gone */
    snprintf(below, sizeof(below), "%s, with %s below it,", what, point);
    return fd >= 0 ? check_file(self, fd, below) : error_set(self->err, errno, "%s", below);
}

/* The canonical path of what the descriptor is, PATH_MAX characters at most. */
static int path_of(int fd, char *ret_path, const char *what, struct error *err)
{
    char link[64];
    ssize_t length = 0;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    length = readlink(link, ret_path, PATH_MAX - 1);
    if (length < 0 || length == PATH_MAX - 1)
        return error_set(err, length < 0 ? errno : ENAMETOOLONG, "%s", what);
    ret_path[length] = '\0';
    return 0;
}

/* Checks every mount below the canonical path `top`. */
static int check_submounts(const struct surfaces *self, const char *top, const char *what)
{
    cleanup_file FILE *list = fopen("/proc/self/mountinfo", "re");
    cleanup_free char *line = NULL;
    size_t size = 0;
    size_t length = strlen(top);

    if (list == NULL)
        return error_set(self->err, errno, "open /proc/self/mountinfo");
    while (getline(&line, &size, list) > 0) {
        int start = 0;
        int end = 0;
        int result = 0;

        /* id, parent, major:minor, root, mount point (proc_pid_mountinfo(5)) */
        if (sscanf(line, "%*s %*s %*s %*s %n%*s%n", &start, &end) != 0 || end <= start)
            return error_set(self->err, 0, "read /proc/self/mountinfo: not in the form that is known");
        line[end] = '\0';
        unescape(line + start);
        if (strncmp(line + start, top, length) == 0 && line[start + (int)length] == '/')
            result = check_submount(self, line + start, what);
        if (result < 0)
            return result;
    }
    return ferror(list) ? error_set(self->err, errno, "read /proc/self/mountinfo") : 0;
}

static bool is_directory(int fd)
{
    struct stat st;

    return fstat(fd, &st) < 0 || S_ISDIR(st.st_mode);
}

/* Checks what the container will see of the host at `source`. */
static int check_source(const struct surfaces *self, const char *source, const char *what)
{
    cleanup_close int fd = openat(self->bundle, source, O_PATH | O_CLOEXEC);
    char path[PATH_MAX];
    int result = 0;

    if (fd < 0)
        return error_set(self->err, errno, "%s", what);
    result = check_file(self, fd, what);
    if (result < 0 || !is_directory(fd))
        return result; /* nothing is below a file */
    result = path_of(fd, path, what, self->err);
    return result < 0 ? result : check_submounts(self, path, what);
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

static int check_mount(const struct surfaces *self, const json_t *mount)
{
    const char *source = json_string_value(json_object_get(mount, "source"));
    char what[PATH_MAX + 16];

    if (!is_bind(mount))
        return 0;
    if (source == NULL || source[0] == '\0')
        return error_set(self->err, 0, "config.json: a bind mount has no source");
    snprintf(what, sizeof(what), "mount %s", source);
    return check_source(self, source, what);
}

int surfaces_check(const json_t *config, int bundle, const struct policy_role *role, struct error *err)
{
    const char *root = json_string_value(json_object_get(json_object_get(config, "root"), "path"));
    const json_t *mounts = json_object_get(config, "mounts");
    struct surfaces self = {.bundle = bundle, .role = role, .err = err};
    int result = devices_check(config, err);

    if (result == 0)
        result = sockets_collect(role, &self.sockets, err);
    if (result == 0 && root != NULL)
        result = check_source(&self, root, "the root file system");
    for (size_t i = 0; i < json_array_size(mounts) && result == 0; i++)
        result = check_mount(&self, json_array_get(mounts, i));
    sockets_free(&self.sockets);
    return result;
}
