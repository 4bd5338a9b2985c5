/* SPDX-License-Identifier: Apache-2.0
 *
 * Who else is in a namespace: a scan of /proc. */
#include "hook/process.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "hook/refuse.h"
#include "netns/tenants.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { STAT_MAX = 4096 }; /* of /proc/PID/stat, which is a line of some fifty numbers */

bool process_ended(int pidfd)
{
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};

    return poll(&ended, 1, 0) != 0;
}

int process_stat_namespace(const char *process, const char *kind, struct stat *ret)
{
    char path[3 * NAME_MAX];

    snprintf(path, sizeof(path), "/proc/%s/ns/%s", process, kind);
    return stat(path, ret) == 0 ? 0 : -errno;
}

int process_start(const char *process, uint64_t *ret_ticks)
{
    cleanup_free char *text = NULL;
    struct error err;
    char path[3 * NAME_MAX];
    size_t length = 0;
    int result = 0;

    snprintf(path, sizeof(path), "/proc/%s/stat", process);
    result = file_read_at(AT_FDCWD, path, STAT_MAX, &text, &length, &err);
    if (result < 0)
        return result;
    return tenants_parse_start(text, ret_ticks) ? 0 : -EBADMSG;
}

struct scan { /* who is in a namespace */
    const char *kind;
    struct stat wanted;
    struct stat network;
    struct stat mounts; /* the caller's, as of its host's processes */
    struct stat users;
    bool others;
    bool other_network;
};

struct threads { /* of one process */
    bool inside;
    bool outside;
};

/* Looks at one thread ("PID/task/TID"). One that ended meanwhile is nobody. */
static int scan_thread(struct scan *scan, const char *thread, struct threads *threads)
{
    struct stat st;
    int result = process_stat_namespace(thread, scan->kind, &st);

    if (result == 0 && !file_same(&st, &scan->wanted))
        threads->outside = true;
    else if (result == 0) {
        threads->inside = true;
        result = process_stat_namespace(thread, "net", &st);
        if (result == 0 && !file_same(&st, &scan->network))
            scan->other_network = true;
    }
    /* A process that root with CAP_SYS_PTRACE may not look at is guarded by the machine, not a container's.
     */
    return result == -ENOENT || result == -ESRCH || result == -EACCES ? 0 : result;
}

/* Whether it is a process of the host's that has threads elsewhere as well: no container's, but the engine.
 * Who makes a network namespace in Go gives up the thread that did it. That thread ends; but the first of a
 * process cannot, and stays in there for as long as the engine runs. Any user can make one in a user
 * namespace of his own, and stay in it. */
static bool is_engine(const struct scan *scan, const char *process, const struct threads *threads)
{
    struct stat mounts;
    struct stat users;

    return threads->outside && process_stat_namespace(process, "mnt", &mounts) == 0 &&
           file_same(&mounts, &scan->mounts) && process_stat_namespace(process, "user", &users) == 0 &&
           file_same(&users, &scan->users);
}

/* Looks at every thread of the process: its first one may have ended, and shows no namespaces then, while
 * others run on; and each may be in namespaces of its own. */
static int scan_process(struct scan *scan, const char *process)
{
    cleanup_directory DIR *tasks = NULL;
    const struct dirent *entry = NULL;
    struct threads threads = {false, false};
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
        result = scan_thread(scan, thread, &threads);
    }
    if (result == 0 && errno != ENOENT && errno != ESRCH)
        result = -errno;
    if (threads.inside && !is_engine(scan, process, &threads))
        scan->others = true;
    return result;
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
    if (process_stat_namespace(own, kind, &scan.wanted) < 0 ||
        process_stat_namespace(own, "net", &scan.network) < 0 ||
        process_stat_namespace("self", "mnt", &scan.mounts) < 0 ||
        process_stat_namespace("self", "user", &scan.users) < 0)
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
