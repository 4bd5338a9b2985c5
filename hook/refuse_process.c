/* SPDX-License-Identifier: Apache-2.0
 *
 * What the waiting process is: its namespaces and the descriptors that it inherited. */
#include "hook/refuse.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "hook/config.h"
#include "hook/devices.h"
#include "hook/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Refuses if the process is in the hook's own namespace of that kind. */
static int check_not_own(const char *pid, const char *kind, const char *advice, struct error *err)
{
    struct stat own;
    struct stat theirs;
    int result = process_stat_namespace("self", kind, &own);

    if (result == 0)
        result = process_stat_namespace(pid, kind, &theirs);
    if (result != 0)
        return error_set(err, -result, "read the %s namespace of process %s", kind, pid);
    if (!file_same(&own, &theirs))
        return 0;
    error_set(err, 0, "the container's process is in the host's %s namespace", kind);
    return error_advise(err, "%s", advice);
}

static const char *refused_socket(int domain)
{
    switch (domain) {
    case AF_UNIX:
        return NULL;
    case AF_INET:
    case AF_INET6:
        return "an internet socket";
    case AF_NETLINK:
        return "a netlink socket";
    case AF_PACKET:
        return "a packet socket";
    case AF_VSOCK:
        return "a vsock socket";
    default:
        return "a socket of a family that carries packets";
    }
}

/* What is wrong with descriptor `number` of the process, or NULL. The descriptor is fetched, so that what is
 * judged is the object itself and not its name. */
static int judge_socket(int pidfd, int number, const char **ret_what, struct error *err)
{
    cleanup_close int copy = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
    int domain = 0;
    socklen_t length = sizeof(domain);

    if (copy < 0 && errno == EBADF)
        return 0; /* closed meanwhile */
    if (copy < 0)
        return error_set(err, errno, "look at descriptor %d of the container's process", number);
    if (getsockopt(copy, SOL_SOCKET, SO_DOMAIN, &domain, &length) < 0)
        return error_set(err, errno, "look at descriptor %d of the container's process", number);
    *ret_what = refused_socket(domain);
    return 0;
}

/* What is wrong with the descriptor, or NULL in *ret_what. */
static int judge_descriptor(int directory, const char *name, int pidfd, const char **ret_what,
                            struct error *err)
{
    char target[PATH_MAX];
    struct stat st;
    ssize_t length = readlinkat(directory, name, target, sizeof(target) - 1);

    if (length < 0 || fstatat(directory, name, &st, 0) < 0)
        return errno == ENOENT
                   ? 0 /* closed meanwhile */
                   : error_set(err, errno, "look at descriptor %s of the container's process", name);
    target[length] = '\0';
    if (S_ISSOCK(st.st_mode) && strncmp(target, "socket:", strlen("socket:")) == 0)
        return judge_socket(pidfd, atoi(name), ret_what, err);
    if (strcmp(target, "anon_inode:[io_uring]") == 0)
        *ret_what = "an io_uring instance";
    else
        *ret_what = devices_find(&st); /* by number: the name is whatever it was opened by */
    return 0;
}

static int check_descriptor(int directory, const char *name, int pidfd, struct error *err)
{
    const char *what = NULL;
    int result = judge_descriptor(directory, name, pidfd, &what, err);

    if (result < 0 || what == NULL)
        return result;
    error_set(err, 0, "the container's process inherits descriptor %s, %s of the host", name, what);
    return error_advise(err, "drop --preserve-fds and --publish (a role has `publish` in the policy), or "
                             "close it in the program that starts the runtime");
}

static int check_descriptors(pid_t pid, int pidfd, struct error *err)
{
    cleanup_directory DIR *directory = NULL;
    const struct dirent *entry = NULL;
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    directory = opendir(path);
    if (directory == NULL)
        return error_set(err, errno, "open %s", path);
    for (;;) {
        int result = 0;

        errno = 0;
        entry = readdir(directory);
        if (entry == NULL)
            return errno == 0 ? 0 : error_set(err, errno, "read %s", path);
        if (isdigit((unsigned char)entry->d_name[0]))
            result = check_descriptor(dirfd(directory), entry->d_name, pidfd, err);
        if (result < 0)
            return result;
    }
}

bool refuse_maps_root(FILE *map)
{
    unsigned long inside = 0;
    unsigned long outside = 0;
    unsigned long count = 0;
    bool root = false;
    int fields = 0;

    while ((fields = fscanf(map, "%lu %lu %lu", &inside, &outside, &count)) == 3)
        root = root || outside == 0;
    return root || fields != EOF || ferror(map) != 0;
}

/* A user namespace that was joined has no mapping in the config: the kernel tells it. */
static int check_user_namespace(const char *pid, const json_t *config, struct error *err)
{
    char path[64];
    cleanup_file FILE *map = NULL;
    int result = check_not_own(pid, "user", "drop --userns host", err);

    snprintf(path, sizeof(path), "/proc/%s/uid_map", pid);
    map = result == 0 ? fopen(path, "re") : NULL;
    if (result == 0 && map == NULL)
        return error_set(err, errno, "open %s", path);
    return result == 0 && refuse_maps_root(map) ? refuse_host_root(config, err) : result;
}

int refuse_process(pid_t pid, int pidfd, const json_t *config, struct error *err)
{
    char name[16];
    int result = 0;

    snprintf(name, sizeof(name), "%d", (int)pid);
    result = check_not_own(name, "net", "drop --network host", err);
    if (result == 0)
        result = check_not_own(name, "pid", "drop --pid host", err);
    if (result == 0)
        result = check_not_own(name, "mnt", "give it a mount namespace of its own", err);
    if (result == 0)
        result = check_not_own(name, "ipc", "drop --ipc host", err);
    if (result == 0 && config_has_user_namespace(config))
        result = check_user_namespace(name, config, err);
    return result < 0 ? result : check_descriptors(pid, pidfd, err);
}
