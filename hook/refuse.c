/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/refuse.h"

#include "base/cleanup.h"
#include "hook/capabilities.h"
#include "hook/config.h"
#include "hook/devices.h"
#include "hook/surfaces.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Annotations come from whoever starts the container, and these reach past the config that is checked and
 * edited here: crun(1) takes a filter of its own from run.oci.seccomp_bpf_data and ignores linux.seccomp;
 * runc and crun hand org.systemd.property.* to systemd, DeviceAllow included. */
static int check_annotations(const json_t *config, struct error *err)
{
    static const char *const PREFIXES[] = {"run.oci.seccomp", "org.systemd.property.Device"};
    json_t *annotations = json_object_get(config, "annotations");
    const char *key = NULL;
    json_t *value = NULL;

    json_object_foreach(annotations, key, value)
    {
        for (size_t i = 0; i < array_size(PREFIXES); i++) {
            if (strncmp(key, PREFIXES[i], strlen(PREFIXES[i])) != 0)
                continue;
            error_set(err, 0, "annotation `%s` tells the runtime to go past the container's config", key);
            return error_advise(err, "drop it");
        }
    }
    return 0;
}

static int check_namespaces(const json_t *config, struct error *err)
{
    static const struct {
        const char *type;
        const char *why;
        const char *advice;
    } NEEDED[] = {
        {"network", "network", "drop --network host"},
        {"pid", "pid namespace, where it can take over other processes", "drop --pid host"},
        {"mount", "mount namespace, with every socket of the host in reach",
         "give it one (linux.namespaces: mount)"},
        {"ipc", "IPC namespace, and with it the message queues of other programs", "drop --ipc host"},
    };

    for (size_t i = 0; i < array_size(NEEDED); i++) {
        if (config_namespace(config, NEEDED[i].type) != NULL)
            continue;
        error_set(err, 0, "the container uses the host's %s", NEEDED[i].why);
        return error_advise(err, "%s", NEEDED[i].advice);
    }
    return 0;
}

static bool is_proc(const json_t *mount)
{
    const char *type = json_string_value(json_object_get(mount, "type"));

    return type != NULL && strcmp(type, "proc") == 0;
}

/* Whether the config makes /proc/sys read-only. */
static bool protects_sysctls(const json_t *config)
{
    const json_t *paths = json_object_get(json_object_get(config, "linux"), "readonlyPaths");

    for (size_t i = 0; i < json_array_size(paths); i++) {
        const char *path = json_string_value(json_array_get(paths, i));

        if (path != NULL && (strcmp(path, "/proc/sys") == 0 || strcmp(path, "/proc") == 0))
            return true;
    }
    return false;
}

/* The host's root may write kernel.core_pattern whatever its capabilities, and the kernel then runs what it
 * names outside of every namespace (core(5)). */
static int check_sysctls(const json_t *config, struct error *err)
{
    const json_t *mounts = json_object_get(config, "mounts");

    if (protects_sysctls(config))
        return 0;
    for (size_t i = 0; i < json_array_size(mounts); i++) {
        if (!is_proc(json_array_get(mounts, i)))
            continue;
        error_set(err, 0, "the container can write /proc/sys, and so kernel.core_pattern");
        return error_advise(
            err, "add /proc/sys to linux.readonlyPaths (drop --security-opt systempaths=unconfined)");
    }
    return 0;
}

/* Which namespace is meant by a second entry of a type is for each runtime to say: runc refuses it, crun
 * takes the last. */
static int check_duplicates(const json_t *config, struct error *err)
{
    const json_t *namespaces = json_object_get(json_object_get(config, "linux"), "namespaces");

    for (size_t i = 0; i < json_array_size(namespaces); i++) {
        const json_t *entry = json_array_get(namespaces, i);
        const char *type = json_string_value(json_object_get(entry, "type"));

        if (type == NULL)
            return error_set(err, 0, "config.json: an entry of linux.namespaces has no type");
        if (config_namespace(config, type) == entry)
            continue;
        error_set(err, 0, "config.json: linux.namespaces has two entries of type `%s`", type);
        return error_advise(err, "leave one of them");
    }
    return 0;
}

/* What a root in the container can do that is the host's root, because there is no user namespace, or one
 * that maps to it. */
static int check_host_root(const json_t *config, struct error *err)
{
    int result = capabilities_check(json_object_get(json_object_get(config, "process"), "capabilities"), err);

    return result < 0 ? result : check_sysctls(config, err);
}

int refuse_config(const json_t *config, int bundle, const struct policy_role *role, struct error *err)
{
    int result = check_duplicates(config, err);

    if (result == 0)
        result = check_namespaces(config, err);
    if (result == 0)
        result = check_annotations(config, err);
    if (result < 0)
        return result;
    if (json_object_size(json_object_get(json_object_get(config, "linux"), "netDevices")) > 0) {
        error_set(err, 0, "linux.netDevices gives the container devices of the host");
        return error_advise(err, "drop linux.netDevices from the config");
    }
    if (!config_has_user_namespace(config) || config_maps_host_root(config))
        result = check_host_root(config, err);
    return result < 0 ? result : surfaces_check(config, bundle, role, err);
}

int refuse_net_admin(const json_t *config, struct error *err)
{
    if (!capabilities_have_net_admin(json_object_get(json_object_get(config, "process"), "capabilities")))
        return 0;
    error_set(err, 0, "the container keeps CAP_NET_ADMIN, with which it can undo every wall");
    return error_advise(
        err, "drop it (--cap-drop NET_ADMIN), or let sallyport edit the config (sallyport-runtime, "
             "the precreate hook, or `sallyport bundle`)");
}

static int stat_namespace(const char *pid, const char *kind, struct stat *ret)
{
    char path[3 * NAME_MAX];

    snprintf(path, sizeof(path), "/proc/%s/ns/%s", pid, kind);
    return stat(path, ret) == 0 ? 0 : -errno;
}

/* Refuses if the process is in the hook's own namespace of that kind. */
static int check_not_own(const char *pid, const char *kind, const char *advice, struct error *err)
{
    struct stat own;
    struct stat theirs;
    int result = stat_namespace("self", kind, &own);

    if (result == 0)
        result = stat_namespace(pid, kind, &theirs);
    if (result < 0)
        return error_set(err, -result, "read the %s namespace of process %s", kind, pid);
    if (own.st_dev != theirs.st_dev || own.st_ino != theirs.st_ino)
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
    return error_advise(err, "drop --preserve-fds, or close it in the program that starts the runtime");
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

/* A user namespace that was joined has no mapping in the config: the kernel tells it, in lines "inside
 * outside count". */
static int check_user_namespace(const char *pid, const json_t *config, struct error *err)
{
    char path[64];
    cleanup_file FILE *map = NULL;
    unsigned long inside = 0;
    unsigned long outside = 0;
    unsigned long count = 0;
    int result = check_not_own(pid, "user", "drop --userns host", err);

    snprintf(path, sizeof(path), "/proc/%s/uid_map", pid);
    map = result == 0 ? fopen(path, "re") : NULL;
    if (result == 0 && map == NULL)
        return error_set(err, errno, "open %s", path);
    while (result == 0 && fscanf(map, "%lu %lu %lu", &inside, &outside, &count) == 3)
        if (outside == 0)
            result = check_host_root(config, err);
    return result;
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

struct scan { /* who is in a namespace */
    const char *kind;
    struct stat wanted;
    struct stat network;
    bool others;
    bool other_network;
};

static bool same_namespace(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Looks at one thread ("PID/task/TID"). One that ended meanwhile is nobody. */
static int scan_thread(struct scan *scan, const char *thread)
{
    struct stat st;
    int result = stat_namespace(thread, scan->kind, &st);

    if (result == 0 && same_namespace(&st, &scan->wanted)) {
        scan->others = true;
        result = stat_namespace(thread, "net", &st);
        if (result == 0 && !same_namespace(&st, &scan->network))
            scan->other_network = true;
    }
    /* A process that root with CAP_SYS_PTRACE may not look at is guarded by the machine, not a container's.
     */
    return result == -ENOENT || result == -ESRCH || result == -EACCES ? 0 : result;
}

/* Looks at every thread of the process: its first one may have ended, and shows no namespaces then, while
 * others run on; and each may be in namespaces of its own. */
static int scan_process(struct scan *scan, const char *process)
{
    cleanup_directory DIR *tasks = NULL;
    const struct dirent *entry = NULL;
    char path[NAME_MAX + 32];
    int result = 0;

    snprintf(path, sizeof(path), "/proc/%s/task", process);
    tasks = opendir(path);
    if (tasks == NULL)
        return errno == ENOENT || errno == ESRCH ? 0 : -errno;
    for (errno = 0; result == 0 && (entry = readdir(tasks)) != NULL; errno = 0) {
        char thread[2 * NAME_MAX + 32];

        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        snprintf(thread, sizeof(thread), "%s/task/%s", process, entry->d_name);
        result = scan_thread(scan, thread);
    }
    return result < 0 || errno == ENOENT || errno == ESRCH ? result : -errno;
}

int refuse_others_in_namespace(pid_t pid, const char *kind, bool *ret_others, bool *ret_other_network,
                               struct error *err)
{
    cleanup_directory DIR *proc = opendir("/proc");
    const struct dirent *entry = NULL;
    struct scan scan = {.kind = kind};
    char own[16];

    snprintf(own, sizeof(own), "%d", (int)pid);
    if (proc == NULL)
        return error_set(err, errno, "open /proc");
    if (stat_namespace(own, kind, &scan.wanted) < 0 || stat_namespace(own, "net", &scan.network) < 0)
        return error_set(err, ESRCH, "read the namespaces of process %s", own);
    for (errno = 0; (entry = readdir(proc)) != NULL; errno = 0) {
        int result = 0;

        if (!isdigit((unsigned char)entry->d_name[0]) || strcmp(entry->d_name, own) == 0)
            continue;
        result = scan_process(&scan, entry->d_name);
        if (result < 0)
            return error_set(err, -result, "read the namespaces of process %s", entry->d_name);
    }
    if (errno != 0)
        return error_set(err, errno, "read /proc");
    *ret_others = scan.others;
    *ret_other_network = scan.other_network;
    return 0;
}
