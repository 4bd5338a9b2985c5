/* SPDX-License-Identifier: Apache-2.0
 *
 * What the hooks do to a container's waiting process, done to one of our own. Whether that is allowed depends
 * on more than the kernel's age: Yama, SELinux, a sandbox around whoever starts containers. */
#include "cli/check.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What sallyport-hook denies with, and what it kills foreign ABIs with. */
int check_seccomp(void *unused, struct error *err)
{
    static const uint32_t actions[] = {SECCOMP_RET_ERRNO, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ALLOW};

    (void)unused;
    for (size_t i = 0; i < array_size(actions); i++)
        if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &actions[i]) < 0) {
            error_set(err, errno, "ask for the seccomp action %#x", actions[i]);
            return error_advise(
                err, "the kernel needs seccomp filters (CONFIG_SECCOMP_FILTER), and check must not "
                     "run in a sandbox that hides them");
        }
    return 0;
}

/* The text of a small file; NULL if it cannot be read. For the caller to free. */
static char *read_text(const char *path)
{
    struct error ignored;
    char *text = NULL;
    size_t length = 0;

    return file_read_at(AT_FDCWD, path, 64, &text, &length, &ignored) < 0 ? NULL : text;
}

const char *check_trace_reason(const char *ptrace_scope, const char *deny_ptrace)
{
    if (ptrace_scope != NULL && strtol(ptrace_scope, NULL, 10) >= 3)
        return "Yama's ptrace_scope is 3, which lasts until the next start of the machine: take it from "
               "/etc/sysctl.d (`grep -r ptrace_scope /etc/sysctl.d /etc/sysctl.conf`) and start again";
    if (deny_ptrace != NULL && strtol(deny_ptrace, NULL, 10) == 1)
        return "SELinux denies it: `setsebool -P deny_ptrace off`";
    return "";
}

static int refuse_trace(int number, struct error *err)
{
    cleanup_free char *scope = read_text("/proc/sys/kernel/yama/ptrace_scope");
    cleanup_free char *deny = read_text("/sys/fs/selinux/booleans/deny_ptrace");
    const char *reason = check_trace_reason(scope, deny);

    error_set(err, number, "trace a process of our own");
    return error_advise(err,
                        "hooks alone cannot inject the seccomp filter then, sallyport-runtime needs no such "
                        "thing; %s",
                        reason[0] != '\0' ? reason : "run check without a debugger and outside of a sandbox");
}

/* As the hook does to the waiting init. The child of the child ends with it, whatever happens. */
int check_trace(void *unused, struct error *err)
{
    int number = 0;
    pid_t pid = fork();

    (void)unused;
    if (pid < 0)
        return error_set(err, errno, "fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    if (ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_EXITKILL) < 0)
        number = errno;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return number == 0 ? 0 : refuse_trace(number, err);
}

/* The hook looks so for network sockets among init's inherited descriptors. */
int check_getfd(void *unused, struct error *err)
{
    cleanup_close int self = pidfd_open(getpid(), 0);
    cleanup_close int copy = self < 0 ? -1 : pidfd_getfd(self, self, 0);

    (void)unused;
    if (copy >= 0)
        return 0;
    error_set(err, errno, "get a descriptor of a process (pidfd_getfd)");
    return error_advise(err, "the kernel must be 5.6 or later, and check must not run in a sandbox");
}
