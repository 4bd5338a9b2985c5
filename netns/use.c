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

/* One that is gone is in no namespace. */
static int look_at_process(struct netlink *netlink, int proc, const char *pid, int32_t netnsid, enum use *ret,
                           struct error *err)
{
    char path[64];
    cleanup_close int netns = -1;
    int32_t number = -1;
    int result = 0;

    snprintf(path, sizeof(path), "%.16s/ns/net", pid);
    netns = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (netns < 0 && errno != ENOENT && errno != ESRCH && errno != EACCES && errno != EPERM)
        return error_set(err, errno, "open /proc/%s", path);
    if (netns < 0) {
        *ret = errno == ENOENT || errno == ESRCH || is_outside(pid) ? USE_NONE : USE_UNKNOWN;
        return 0;
    }
    result = link_netnsid(netlink, netns, &number, err);
    if (result == 0)
        *ret = number == netnsid ? USE_LIVE : USE_NONE;
    return result;
}

int use_look(struct netlink *netlink, int32_t netnsid, enum use *ret, pid_t *ret_pid, struct error *err)
{
    cleanup_directory DIR *proc = opendir("/proc");
    const struct dirent *entry = NULL;
    enum use use = USE_NONE;
    pid_t pid = 0;

    if (proc == NULL)
        return error_set(err, errno, "open /proc");
    while (use != USE_LIVE && (entry = readdir(proc)) != NULL) {
        enum use one = USE_NONE;
        int result = 0;

        if (is_process(entry->d_name))
            result = look_at_process(netlink, dirfd(proc), entry->d_name, netnsid, &one, err);
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
