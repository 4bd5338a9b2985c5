/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/owner.h"

#include "base/cleanup.h"
#include "hook/process.h"
#include "netns/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <sys/ioctl.h>

static int open_users(const char *process, struct error *err)
{
    char path[64];
    int fd = -1;

    snprintf(path, sizeof(path), "/proc/%s/ns/user", process);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? fd : error_set(err, errno, "open %s", path);
}

/* From the user namespace up to our own. The kernel ends the way: there is no parent that we may see above.
 */
static int check_makers(int users, int own, struct error *err)
{
    cleanup_close int at = fcntl(users, F_DUPFD_CLOEXEC, 0);

    while (!namespace_same(at, own)) {
        int parent = -1;
        uid_t maker = 0;

        if (ioctl(at, NS_GET_OWNER_UID, &maker) < 0 || (parent = ioctl(at, NS_GET_PARENT)) < 0)
            return error_set(err, errno, "ask who made the container's user namespace");
        close(at);
        at = parent;
        if (maker == geteuid())
            continue;
        error_set(err, 0, "the container joins a user namespace of user %u, who has every power in it",
                  maker);
        return error_advise(err, "drop --userns ns:...");
    }
    return 0;
}

int owner_check(pid_t pid, int pidfd, int netns, struct error *err)
{
    char name[16];
    cleanup_close int own = open_users("self", err);
    cleanup_close int users = -1;
    cleanup_close int owner = -1;
    int result = 0;

    snprintf(name, sizeof(name), "%d", (int)pid);
    users = own >= 0 ? open_users(name, err) : own;
    if (users < 0)
        return users;
    if (process_ended(pidfd))
        return error_set(err, ESRCH, "look at the user namespace of process %d", (int)pid);
    result = check_makers(users, own, err);
    if (result < 0)
        return result;
    owner = ioctl(netns, NS_GET_USERNS);
    if (owner < 0)
        return error_set(err, errno, "ask whose the container's network namespace is");
    if (namespace_same(owner, own) || namespace_same(owner, users))
        return 0;
    error_set(err, 0, "the container joins a network namespace that belongs to another user namespace");
    return error_advise(err, "drop --network ns:..., or share the user namespace too");
}
