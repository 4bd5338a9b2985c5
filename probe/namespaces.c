/* SPDX-License-Identifier: Apache-2.0
 *
 * New and foreign namespaces: a user namespace of one's own comes with every capability in it, and the
 * kernel's packet code behind them. */
#include "probe/probe.h"
#include "probe/system_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t take_flags(struct arguments *arguments)
{
    char **operands = arguments_operands(arguments, 1);

    if (strcmp(operands[0], "user") == 0)
        return CLONE_NEWUSER;
    if (strcmp(operands[0], "net") == 0)
        return CLONE_NEWNET;
    if (strcmp(operands[0], "user,net") == 0)
        return CLONE_NEWUSER | CLONE_NEWNET;
    if (strcmp(operands[0], "none") == 0)
        return 0;
    usage("`%s` is none of user, net, user,net, none", operands[0]);
}

int try_unshare(void *data)
{
    return unshare((int)*(const uint64_t *)data) < 0 ? errno : 0;
}

int probe_unshare(struct arguments *arguments)
{
    uint64_t flags = take_flags(arguments);
    struct timespec begun = attempt_begin();

    return report("unshare", attempt_in_child(try_unshare, &flags), &begun, NULL);
}

int try_setns(void *data)
{
    int fd = open(data, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return errno;
    return setns(fd, 0) < 0 ? errno : 0;
}

int probe_setns(struct arguments *arguments)
{
    char **operands = arguments_operands(arguments, 1);
    struct timespec begun = attempt_begin();

    return report("setns", attempt_in_child(try_setns, operands[0]), &begun, NULL);
}

/* The child of the clone ends at once; the parent's answer is what counts. */
static int end_clone(long child)
{
    if (child < 0)
        return errno;
    if (child == 0)
        _exit(0);
    return waitpid((pid_t)child, NULL, 0) < 0 ? errno : 0;
}

int try_clone(void *data)
{
    return end_clone(syscall(SYS_clone, *(const uint64_t *)data | SIGCHLD, NULL, NULL, NULL, 0));
}

int probe_clone(struct arguments *arguments)
{
    uint64_t flags = take_flags(arguments);
    struct timespec begun = attempt_begin();

    return report("clone", attempt_in_child(try_clone, &flags), &begun, NULL);
}

int try_clone3(void *data)
{
    struct clone_args arguments = {.flags = *(const uint64_t *)data, .exit_signal = SIGCHLD};

    return end_clone(syscall(SYS_clone3, &arguments, sizeof(arguments)));
}

int probe_clone3(struct arguments *arguments)
{
    uint64_t flags = take_flags(arguments);
    struct timespec begun = attempt_begin();

    return report("clone3", attempt_in_child(try_clone3, &flags), &begun, NULL);
}
