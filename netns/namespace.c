/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/namespace.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/rootless.h"
#include "netns/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SYSCTL_PATH_SIZE = 256 };

bool namespace_same(int a, int b)
{
    struct stat first;
    struct stat second;

    return fstat(a, &first) == 0 && fstat(b, &second) == 0 && file_same(&first, &second);
}

int namespace_open_own(struct error *err)
{
    int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

    return fd >= 0 ? fd : error_set(err, errno, "open own network namespace");
}

int namespace_leave_host(struct error *err)
{
    if (!rootless() || unshare(CLONE_NEWNET) == 0)
        return 0;
    return error_set(err, errno, "leave the host's network namespace");
}

static bool process_ended(int pidfd)
{
    struct pollfd poll_pidfd = {.fd = pidfd, .events = POLLIN};

    return poll(&poll_pidfd, 1, 0) != 0;
}

int namespace_open_process(pid_t pid, int *ret_pidfd, int *ret_netns, struct error *err)
{
    cleanup_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    cleanup_close int netns = -1;
    char path[64];

    if (pidfd < 0)
        return error_set(err, errno, "open process %d", (int)pid);
    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    netns = open(path, O_RDONLY | O_CLOEXEC);
    if (netns < 0)
        return error_set(err, errno, "open %s", path);
    if (process_ended(pidfd))
        return error_set(err, ESRCH, "open process %d", (int)pid);
    *ret_pidfd = take_fd(&pidfd);
    *ret_netns = take_fd(&netns);
    return 0;
}

int namespace_enter(int netns, struct error *err)
{
    return setns(netns, CLONE_NEWNET) == 0 ? 0 : error_set(err, errno, "enter network namespace");
}

void namespace_return(int netns)
{
    struct error err;

    if (namespace_enter(netns, &err) == 0)
        return;
    error_prefix(&err, "return to the network namespace of the caller");
    child_end_here(&err);
}

struct visit {
    int netns;
    int family;
    int type;
    int protocol;
    int result;
    struct error *err;
};

static int make_socket(const struct visit *visit)
{
    int fd = socket(visit->family, visit->type | SOCK_CLOEXEC, visit->protocol);

    return fd >= 0 ? fd : error_set(visit->err, errno, "open a socket in another network namespace");
}

/* A network namespace is a thread's: this one ends where it went. */
static void *go(void *data)
{
    struct visit *visit = data;

    visit->result = namespace_enter(visit->netns, visit->err);
    if (visit->result == 0)
        visit->result = make_socket(visit);
    return NULL;
}

static int send_thread(struct visit *visit)
{
    pthread_t thread;
    int number = pthread_create(&thread, NULL, go, visit);

    if (number != 0)
        return error_set(visit->err, number, "start a thread");
    number = pthread_join(thread, NULL);
    return number == 0 ? visit->result : error_set(visit->err, number, "wait for a thread");
}

int namespace_socket(int netns, int own, int family, int type, int protocol, struct error *err)
{
    struct visit visit = {netns, family, type, protocol, -1, err};
    int result = 0;

    if (rootless())
        return send_thread(&visit);
    result = namespace_enter(netns, err);
    if (result < 0)
        return result;
    result = make_socket(&visit);
    namespace_return(own);
    return result;
}

static int write_setting(int procfs, const char *name, const char *value, struct error *err)
{
    char path[SYSCTL_PATH_SIZE];
    cleanup_close int fd = -1;
    int result = 0;

    snprintf(path, sizeof(path), "sys/%s", name);
    fd = openat(procfs, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, errno, "open /proc/%s", path);
    result = file_write_all(fd, value, strlen(value));
    return result < 0 ? error_set(err, -result, "write %s to /proc/%s", value, path) : 0;
}

int namespace_sysctl(const char *name, const char *value, struct error *err)
{
    cleanup_close int procfs = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

    return procfs >= 0 ? write_setting(procfs, name, value, err) : error_set(err, errno, "open /proc");
}

/* Returns a descriptor, or -1. glibc has these calls from 2.36 on. */
static int mount_procfs(void)
{
    const unsigned attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    cleanup_close int context = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);

    if (context < 0 || syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -1;
    return (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
}

int namespace_sysctl_apart(const char *name, const char *value, struct error *err)
{
    cleanup_close int procfs = mount_procfs();

    return procfs >= 0 ? write_setting(procfs, name, value, err) : namespace_sysctl(name, value, err);
}

bool namespace_has_ipv6(void)
{
    return access("/proc/sys/net/ipv6", F_OK) == 0;
}
