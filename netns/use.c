/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/use.h"

#include "base/cleanup.h"
#include "base/rootless.h"
#include "netns/link.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { OTHERS = 16 };

static bool is_process(const char *name)
{
    return name[0] != '\0' && strspn(name, "0123456789") == strlen(name);
}

/* Of a process that may not be looked at. Process 1 may be closed even to root (nested containers); it is
 * nobody's container. To a user without root all are that are not in his user namespace, and they are not in
 * a namespace that belongs to it: it takes capabilities there to enter one. */
static bool is_outside(const char *pid)
{
    return strcmp(pid, "1") == 0 || rootless();
}

/* Namespaces that are another one: most processes of a machine share the same few. */
struct others {
    struct stat list[OTHERS];
    size_t next;
};

static bool is_other(const struct others *others, const struct stat *netns)
{
    for (size_t i = 0; i < OTHERS; i++)
        if (others->list[i].st_ino == netns->st_ino && others->list[i].st_dev == netns->st_dev)
            return true;
    return false;
}

static void remember(struct others *others, const struct stat *netns)
{
    others->list[others->next] = *netns;
    others->next = (others->next + 1) % OTHERS;
}

/* One that is gone is in no namespace. */
static int look_at_process(struct netlink *netlink, int proc, const char *pid, int32_t netnsid,
                           struct others *others, enum use *ret, struct error *err)
{
    char path[64];
    cleanup_close int netns = -1;
    struct stat st = {0};
    int32_t number = -1;
    int result = 0;

    snprintf(path, sizeof(path), "%.16s/ns/net", pid);
    if (fstatat(proc, path, &st, 0) == 0 && is_other(others, &st)) {
        *ret = USE_NONE;
        return 0;
    }
    netns = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (netns < 0 && errno != ENOENT && errno != ESRCH && errno != EACCES && errno != EPERM)
        return error_set(err, errno, "open /proc/%s", path);
    if (netns < 0) {
        *ret = errno == ENOENT || errno == ESRCH || is_outside(pid) ? USE_NONE : USE_UNKNOWN;
        return 0;
    }
    result = link_netnsid(netlink, netns, &number, err);
    if (result < 0)
        return result;
    *ret = number == netnsid ? USE_LIVE : USE_NONE;
    if (*ret == USE_NONE && fstat(netns, &st) == 0)
        remember(others, &st);
    return 0;
}

int use_look(struct netlink *netlink, int32_t netnsid, enum use *ret, pid_t *ret_pid, struct error *err)
{
    cleanup_directory DIR *proc = opendir("/proc");
    const struct dirent *entry = NULL;
    struct others others = {.next = 0};
    enum use use = USE_NONE;
    pid_t pid = 0;

    if (proc == NULL)
        return error_set(err, errno, "open /proc");
    while (use != USE_LIVE && (entry = readdir(proc)) != NULL) {
        enum use one = USE_NONE;
        int result = 0;

        if (is_process(entry->d_name))
            result = look_at_process(netlink, dirfd(proc), entry->d_name, netnsid, &others, &one, err);
        if (result < 0)
            return result;
        if (one != USE_NONE) {
            use = one;
            pid = (pid_t)strtol(entry->d_name, NULL, 10);
        }
    }
    *ret = use;
    if (use != USE_NONE && ret_pid != NULL)
        *ret_pid = pid;
    return 0;
}
