/* SPDX-License-Identifier: Apache-2.0 */
#include "seccomp/remote.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "seccomp/registers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define NANOSECONDS INT64_C(1000000000)

enum {
    PATIENCE_SECONDS = 5,
    /* SIGCHLD tells when to look; should another thread of ours take it, looking this often is enough. */
    LOOK_AGAIN_NANOSECONDS = 20 * 1000 * 1000,
    SYSCALL_STOP = SIGTRAP | 0x80,
};

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * NANOSECONDS + time.tv_nsec;
}

static bool file_starts_with(const char *path, char first)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    char c = '\0';

    return fd >= 0 && read(fd, &c, 1) == 1 && c == first;
}

long remote_number_after(const char *text, const char *key)
{
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        const char *value = NULL;
        char *end = NULL;
        long number = 0;

        line += *line == '\n';
        if (strncmp(line, key, strlen(key)) != 0)
            continue;
        value = line + strlen(key);
        value += strspn(value, "\t ");
        number = strtol(value, &end, 10);
        return *value >= '0' && *value <= '9' && (*end == '\n' || *end == '\0') ? number : -1;
    }
    return -1;
}

/* The same for a file; -1 if it cannot be read. */
static long read_number(const char *path, const char *key)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    cleanup_free char *text = NULL;
    struct error ignored = {0};
    size_t length = 0;

    if (fd < 0 || file_read_fd(fd, path, 1 << 16, &text, &length, &ignored) < 0)
        return -1;
    return remote_number_after(text, key);
}

/* Why PTRACE_SEIZE said EPERM, in an administrator's words. */
static int explain_refusal(pid_t pid, struct error *err)
{
    char path[64];
    long tracer = -1;

    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    tracer = read_number(path, "TracerPid:");
    if (tracer > 0)
        return error_set(err, EPERM, "ptrace the container's init %d: process %ld already traces it", pid,
                         tracer);
    if (file_starts_with("/proc/sys/kernel/yama/ptrace_scope", '3')) {
        error_set(err, EPERM, "ptrace the container's init %d: kernel.yama.ptrace_scope is 3", pid);
        return error_advise(err, "restart the host with scope 2 or less, or use sallyport-runtime");
    }
    if (file_starts_with("/sys/fs/selinux/booleans/deny_ptrace", '1')) {
        error_set(err, EPERM, "ptrace the container's init %d: SELinux boolean deny_ptrace is on", pid);
        return error_advise(err, "setsebool -P deny_ptrace off, or use sallyport-runtime");
    }
    error_set(err, EPERM, "ptrace the container's init %d", pid);
    return error_advise(err, "the hook needs CAP_SYS_PTRACE");
}

/* Blocks SIGCHLD and takes it out of "ignored": an ignored SIGCHLD is never sent. */
static int watch_signals(struct remote *remote, struct error *err)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t child;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &child, &remote->old_mask) < 0 ||
        sigaction(SIGCHLD, &action, &remote->old_action) < 0)
        return error_set(err, errno, "block SIGCHLD");
    return 0;
}

static void restore_signals(const struct remote *remote)
{
    sigaction(SIGCHLD, &remote->old_action, NULL);
    sigprocmask(SIG_SETMASK, &remote->old_mask, NULL);
}

static void sleep_until_signal(void)
{
    static const struct timespec moment = {.tv_nsec = LOOK_AGAIN_NANOSECONDS};
    sigset_t child;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigtimedwait(&child, NULL, &moment);
}

/* Waits for the next stop. -ETIMEDOUT after the deadline, -ESRCH if the process died. */
static int wait_for_stop(struct remote *remote, int *ret_status, struct error *err)
{
    for (;;) {
        int status = 0;
        pid_t pid = waitpid(remote->pid, &status, __WALL | WNOHANG);

        if (pid < 0 && errno != EINTR)
            return error_set(err, errno, "wait for the container's init %d", remote->pid);
        if (pid > 0 && WIFSTOPPED(status)) {
            remote->running = false;
            *ret_status = status;
            return 0;
        }
        if (pid > 0) {
            remote->gone = true;
            return error_set(err, ESRCH, "the container's init %d died while it was traced", remote->pid);
        }
        if (now() >= remote->deadline)
            return error_set(err, ETIMEDOUT, "the container's init %d made no system call within %d s",
                             remote->pid, PATIENCE_SECONDS);
        sleep_until_signal();
    }
}

static int resume(struct remote *remote, struct error *err)
{
    if (ptrace(PTRACE_SYSCALL, remote->pid, NULL, (void *)(intptr_t)remote->signal) < 0)
        return error_set(err, errno, "continue the container's init %d", remote->pid);
    remote->signal = 0;
    remote->running = true;
    return 0;
}

/* Remembers the signal of a signal-delivery stop. Every other stop (events, groups) has none. */
static void note_signal(struct remote *remote, int status)
{
    bool event = status >> 16 != 0;

    remote->signal = event || WSTOPSIG(status) == SYSCALL_STOP ? 0 : WSTOPSIG(status);
}

/* Runs to the next entry (PTRACE_SYSCALL_INFO_ENTRY) or exit (..._EXIT) of a system call, delivering signals.
 */
static int run_to(struct remote *remote, uint8_t op, struct error *err)
{
    for (;;) {
        struct __ptrace_syscall_info info = {0};
        int status = 0;
        int result = resume(remote, err);

        if (result == 0)
            result = wait_for_stop(remote, &status, err);
        if (result < 0)
            return result;
        note_signal(remote, status);
        if (WSTOPSIG(status) != SYSCALL_STOP)
            continue;
        if (ptrace(PTRACE_GET_SYSCALL_INFO, remote->pid, sizeof(info), &info) < 0)
            return error_set(err, errno, "ask for the system call of the container's init %d", remote->pid);
        if (info.op != op)
            continue;
        if (info.arch != REGISTERS_AUDIT_ARCH)
            return error_set(err, 0, "the container's init %d is of a foreign architecture (%#x)",
                             remote->pid, info.arch);
        return 0;
    }
}

/* The process is ours now and its number cannot be reused: is it the one that the pidfd stands for? */
static int check_identity(const struct remote *remote, struct error *err)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", remote->pidfd);
    if (read_number(path, "Pid:") != remote->pid)
        return error_set(err, ESRCH, "the container's init %d is not the process that was checked",
                         remote->pid);
    return 0;
}

static int interrupt(struct remote *remote, struct error *err)
{
    int status = 0;
    int result = 0;

    if (ptrace(PTRACE_INTERRUPT, remote->pid, NULL, NULL) < 0)
        return error_set(err, errno, "interrupt the container's init %d", remote->pid);
    result = wait_for_stop(remote, &status, err);
    if (result == 0)
        note_signal(remote, status);
    return result;
}

static int seize(struct remote *remote, struct error *err)
{
    intptr_t options = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD;

    if (ptrace(PTRACE_SEIZE, remote->pid, NULL, (void *)options) == 0) {
        remote->running = true;
        return 0;
    }
    if (errno == EPERM)
        return explain_refusal(remote->pid, err);
    return error_set(err, errno, "ptrace the container's init %d", remote->pid);
}

int remote_attach(pid_t pid, int pidfd, struct remote *ret, struct error *err)
{
    struct remote remote = {.pid = pid, .pidfd = pidfd, .deadline = now() + PATIENCE_SECONDS * NANOSECONDS};
    struct error ignored = {0};
    int result = watch_signals(&remote, err);

    if (result < 0)
        return result;
    result = seize(&remote, err);
    if (result < 0) {
        restore_signals(&remote);
        return result;
    }
    result = check_identity(&remote, err);
    if (result == 0)
        result = interrupt(&remote, err);
    if (result == 0)
        result = run_to(&remote, PTRACE_SYSCALL_INFO_ENTRY, err);
    if (result < 0) {
        remote_release(&remote, false, &ignored);
        return result;
    }
    *ret = remote;
    return 0;
}

static int get_registers(const struct remote *remote, struct registers *ret, struct error *err)
{
    struct iovec vector = {.iov_base = ret, .iov_len = sizeof(*ret)};

    if (ptrace(PTRACE_GETREGSET, remote->pid, NT_PRSTATUS, &vector) < 0)
        return error_set(err, errno, "read the registers of the container's init %d", remote->pid);
    if (vector.iov_len != sizeof(*ret))
        return error_set(err, 0, "the container's init %d is of a foreign architecture", remote->pid);
    return 0;
}

static int set_registers(const struct remote *remote, struct registers *registers, struct error *err)
{
    struct iovec vector = {.iov_base = registers, .iov_len = sizeof(*registers)};

    if (ptrace(PTRACE_SETREGSET, remote->pid, NT_PRSTATUS, &vector) < 0)
        return error_set(err, errno, "set the registers of the container's init %d", remote->pid);
    return 0;
}

static int replace_call(struct remote *remote, const struct registers *own, long number,
                        const uint64_t arguments[REMOTE_ARGUMENTS], struct error *err)
{
    struct registers replaced = *own;
    int result = 0;

    remote->touched = true;
    registers_replace_call(&replaced, number, arguments);
    result = set_registers(remote, &replaced, err);
    if (result == 0 && registers_set_number(remote->pid, number) < 0)
        return error_set(err, errno, "set the system call of the container's init %d", remote->pid);
    return result;
}

int remote_call(struct remote *remote, long number, const uint64_t arguments[REMOTE_ARGUMENTS],
                int64_t *ret_value, struct error *err)
{
    struct registers own;
    struct registers after = {0};
    int result = get_registers(remote, &own, err);

    if (result == 0)
        result = replace_call(remote, &own, number, arguments, err);
    if (result == 0)
        result = run_to(remote, PTRACE_SYSCALL_INFO_EXIT, err);
    if (result == 0)
        result = get_registers(remote, &after, err);
    if (result < 0)
        return result;
    registers_rewind(&own);
    result = set_registers(remote, &own, err);
    if (result == 0)
        result = run_to(remote, PTRACE_SYSCALL_INFO_ENTRY, err);
    if (result == 0)
        *ret_value = registers_result(&after);
    return result;
}

int remote_write(const struct remote *remote, uint64_t address, const void *data, size_t length,
                 struct error *err)
{
    struct iovec local = {.iov_base = (void *)(uintptr_t)data, .iov_len = length};
    struct iovec there = {.iov_base = (void *)(uintptr_t)address, .iov_len = length};
    ssize_t n = process_vm_writev(remote->pid, &local, 1, &there, 1, 0);

    if (n < 0)
        return error_set(err, errno, "write to the memory of the container's init %d", remote->pid);
    if ((size_t)n != length)
        return error_set(err, EFAULT, "write to the memory of the container's init %d", remote->pid);
    return 0;
}

static void kill_process(struct remote *remote)
{
    struct error ignored = {0};
    int status = 0;

    remote->deadline = now() + PATIENCE_SECONDS * NANOSECONDS;
    syscall(SYS_pidfd_send_signal, remote->pidfd, SIGKILL, NULL, 0);
    while (!remote->gone && wait_for_stop(remote, &status, &ignored) == 0)
        continue;
}

static int let_go(struct remote *remote, struct error *err)
{
    int result = 0;

    if (remote->running) {
        remote->deadline = now() + PATIENCE_SECONDS * NANOSECONDS;
        result = interrupt(remote, err);
    }
    if (result == 0 && ptrace(PTRACE_DETACH, remote->pid, NULL, (void *)(intptr_t)remote->signal) < 0)
        result = error_set(err, errno, "let the container's init %d continue", remote->pid);
    return result;
}

int remote_release(struct remote *remote, bool keep, struct error *err)
{
    int result = 0;

    if (!remote->gone && (keep || !remote->touched))
        result = let_go(remote, err);
    if (!remote->gone && (result < 0 || (remote->touched && !keep)))
        kill_process(remote);
    restore_signals(remote);
    return result;
}
