/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/owner.h"

#include "base/cleanup.h"
#include "hook/process.h"
#include "netns/maker.h"
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

static int check_makers(int users, int own, struct error *err)
{
    uid_t maker = 0;
    int result = maker_find(users, own, &maker, err);

    if (result < 0 || maker == geteuid())
        return result;
    error_set(err, 0, "the container joins a user namespace of user %u, who has every power in it", maker);
    return error_advise(err, "drop --userns ns:...");
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
