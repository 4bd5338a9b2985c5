/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/faults/inject.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS_MAX = 30 };

/* What the tracer tells: it is a process of its own, so that waiting for every tracee takes no child of the
 * test's. */
struct shared {
    struct outcome outcome;
    int calls[INJECT_CALLS_MAX];
};

struct tracer {
    const struct fault *fault;
    struct shared *shared;
    pid_t main;
    pid_t failing; /* whose call is being failed, until it is left */
    bool counting; /* the program has been executed */
    bool ended;    /* it, not yet all of its processes */
    dev_t device;  /* of the program */
    ino_t inode;
};

static void die(const char *what)
{
    perror(what);
    _exit(2);
}

static void become(const char *path, char *const arguments[], int input, int output, int errors, int go)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    char byte = 0;

    if (read(go, &byte, 1) != 1 || dup2(input >= 0 ? input : null, STDIN_FILENO) < 0 ||
        dup2(output >= 0 ? output : null, STDOUT_FILENO) < 0 || dup2(errors, STDERR_FILENO) < 0)
        _exit(126);
    execve(path, arguments, (char *[]){NULL});
    _exit(126);
}

static bool is_program(const struct tracer *tracer, pid_t pid)
{
    char path[64];
    struct stat st;

    snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    return stat(path, &st) == 0 && st.st_dev == tracer->device && st.st_ino == tracer->inode;
}

/* Copies from the process's memory. */
static void peek(pid_t pid, const void *address, void *to, size_t size)
{
    struct iovec here = {to, size};
    struct iovec there = {(void *)(uintptr_t)address, size};

    if (process_vm_readv(pid, &here, 1, &there, 1, 0) != (ssize_t)size)
        die("read a message");
}

/* A type that no kernel knows: it refuses the message, and the whole transaction if it is part of one. */
static void make_unknown(pid_t pid, struct nlmsghdr *header, char *address)
{
    struct iovec here = {header, sizeof(*header)};
    struct iovec there = {address, sizeof(*header)};

    header->nlmsg_type = UINT16_MAX;
    if (process_vm_writev(pid, &here, 1, &there, 1, 0) != (ssize_t)sizeof(*header))
        die("change a message");
}

static void count_in(struct tracer *tracer, pid_t pid, struct iovec part)
{
    struct outcome *outcome = &tracer->shared->outcome;
    struct nlmsghdr header = {0};

    for (size_t at = 0; at + sizeof(header) <= part.iov_len; at += NLMSG_ALIGN(header.nlmsg_len)) {
        char *address = (char *)part.iov_base + at;

        peek(pid, address, &header, sizeof(header));
        if (header.nlmsg_len < sizeof(header))
            break;
        outcome->requests++;
        if (tracer->fault->error != INJECT_REFUSE || tracer->fault->at != outcome->requests)
            continue;
        outcome->hit = true;
        outcome->call = SYS_sendmsg;
        make_unknown(pid, &header, address);
    }
}

static void count_requests(struct tracer *tracer, pid_t pid, const void *message)
{
    struct msghdr header;
    struct iovec part;
    sa_family_t family = AF_UNSPEC;

    peek(pid, message, &header, sizeof(header));
    if (header.msg_namelen == sizeof(struct sockaddr_nl))
        peek(pid, header.msg_name, &family, sizeof(family));
    for (size_t i = 0; family == AF_NETLINK && i < header.msg_iovlen; i++) {
        peek(pid, header.msg_iov + i, &part, sizeof(part));
        count_in(tracer, pid, part);
    }
}

/* At the entry of a call. */
static void enter_call(struct tracer *tracer, pid_t pid, int call, const uint64_t *arguments)
{
    struct outcome *outcome = &tracer->shared->outcome;

    if (outcome->calls < INJECT_CALLS_MAX)
        tracer->shared->calls[outcome->calls] = call;
    outcome->calls++;
    if (call == SYS_sendmsg)
        count_requests(tracer, pid, (const void *)(uintptr_t)arguments[1]);
    if (tracer->fault->error == INJECT_REFUSE || tracer->fault->at != outcome->calls)
        return;
    outcome->hit = true;
    outcome->call = call;
    if (tracer->fault->error == INJECT_KILL) {
        kill(pid, SIGKILL);
        return;
    }
    tracer->failing = pid;
    if (call == SYS_close) /* closes whatever it says (fs/open.c) */
        return;
    /* No such call: the kernel does nothing, and what it says is replaced on the way out. */
    if (ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.orig_rax), (void *)-1L) < 0)
        die("skip the call");
}

static void leave_call(struct tracer *tracer, pid_t pid)
{
    if (tracer->failing != pid)
        return;
    tracer->failing = 0;
    if (ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rax),
               (void *)(intptr_t)-tracer->fault->error) < 0)
        die("fail the call");
}

static void at_call(struct tracer *tracer, pid_t pid)
{
    struct __ptrace_syscall_info info = {0};

    if (!tracer->counting)
        return;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info) <= 0)
        return; /* killed meanwhile */
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
        enter_call(tracer, pid, (int)info.entry.nr, info.entry.args);
    else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
        leave_call(tracer, pid);
}

/* Handles one stop and lets the process go on. */
static void at_stop(struct tracer *tracer, pid_t pid, int status)
{
    int event = status >> 16;
    int signal = WSTOPSIG(status);
    enum __ptrace_request request = PTRACE_SYSCALL;
    int deliver = 0;

    if (signal == (SIGTRAP | 0x80)) {
        at_call(tracer, pid);
    } else if (event == PTRACE_EVENT_EXEC) {
        tracer->counting = true;
        if (!is_program(tracer, pid))
            request = PTRACE_DETACH;
    } else if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {
        request = PTRACE_LISTEN;
    } else if (event == 0) {
        deliver = signal;
    }
    ptrace(request, pid, NULL, (void *)(intptr_t)deliver);
}

static struct tracer *alarmed;

static void give_up(int signal)
{
    (void)signal;
    *(alarmed->ended ? &alarmed->shared->outcome.left_process : &alarmed->shared->outcome.hung) = true;
    _exit(0); /* PTRACE_O_EXITKILL */
}

/* Until no process is left. A process that outlives the program has a second to end. */
static void trace(struct tracer *tracer)
{
    int status = 0;
    pid_t pid = 0;

    alarmed = tracer;
    signal(SIGALRM, give_up);
    alarm(SECONDS_MAX);
    while ((pid = TEMP_FAILURE_RETRY(waitpid(-1, &status, __WALL))) > 0) {
        if (WIFSTOPPED(status)) {
            at_stop(tracer, pid, status);
        } else if (pid == tracer->main) {
            tracer->shared->outcome.status = status;
            tracer->ended = true;
            alarm(1);
        }
    }
}

static void run_tracer(const char *path, char *const arguments[], int input, int output, int errors,
                       const struct fault *fault, struct shared *shared)
{
    struct tracer tracer = {.fault = fault, .shared = shared};
    struct stat st;
    int go[2];

    if (stat(path, &st) < 0 || pipe2(go, O_CLOEXEC) < 0)
        die(path);
    tracer.device = st.st_dev;
    tracer.inode = st.st_ino;
    tracer.main = fork();
    if (tracer.main == 0)
        become(path, arguments, input, output, errors, go[0]);
    if (tracer.main < 0 || ptrace(PTRACE_SEIZE, tracer.main, NULL,
                                  (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                                           PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)) < 0)
        die("trace the program");
    if (write(go[1], "", 1) != 1)
        die("start the program");
    trace(&tracer);
    _exit(0);
}

static void read_errors(int fd, char ret[INJECT_ERRORS_SIZE])
{
    ssize_t length = pread(fd, ret, INJECT_ERRORS_SIZE - 1, 0);

    ret[length > 0 ? length : 0] = '\0';
}

void inject_run(const char *path, char *const arguments[], int input, int output, const struct fault *fault,
                struct outcome *ret, int *calls)
{
    cleanup_close int errors = memfd_create("errors", MFD_CLOEXEC);
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = 0;
    int status = 0;

    if (errors < 0 || shared == MAP_FAILED)
        die("prepare to run the program");
    pid = fork();
    if (pid == 0)
        run_tracer(path, arguments, input, output, errors, fault, shared);
    if (pid < 0 || TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) != pid || status != 0) {
        fprintf(stderr, "the tracer ended with status %d\n", status);
        exit(2);
    }
    *ret = shared->outcome;
    if (calls != NULL)
        memcpy(calls, shared->calls, sizeof(shared->calls));
    read_errors(errors, ret->errors);
    munmap(shared, sizeof(*shared));
}

/* The calls that the programs make. */
static const struct call {
    int number;
    const char *name;
    int errors[8];
} CALLS[] = {
#define CALL(name, ...)    \
    {                      \
        SYS_##name, #name, \
        {                  \
            __VA_ARGS__    \
        }                  \
    }
#define SURE(name)         \
    {                      \
        SYS_##name, #name, \
        {                  \
            0              \
        }                  \
    }
    CALL(accept4, EMFILE, ENOMEM, ECONNABORTED),
    CALL(access, ENOENT, EACCES, EIO),
    CALL(arch_prctl, EPERM),
    CALL(bind, EADDRINUSE, EPERM, ENOMEM),
    CALL(brk, ENOMEM),
    CALL(capget, EPERM),
    CALL(capset, EPERM),
    CALL(chdir, ENOENT, EACCES),
    CALL(clock_nanosleep, EINTR),
    CALL(clone, EAGAIN, ENOMEM),
    CALL(clone3, EAGAIN, ENOMEM, ENOSYS),
    CALL(close, EIO),
    CALL(connect, ECONNREFUSED, ENOENT, EACCES, EAGAIN),
    CALL(dup2, EMFILE),
    CALL(dup3, EMFILE),
    CALL(execve, ENOENT, EACCES, ENOMEM),
    CALL(execveat, ENOENT, EACCES, ENOMEM),
    CALL(faccessat2, ENOENT, EACCES, ENOSYS),
    CALL(fchmod, EPERM, EIO, EROFS),
    CALL(fchown, EPERM, EIO, EROFS),
    CALL(fcntl, EINVAL, EMFILE, EAGAIN),
    CALL(flock, EINTR, ENOLCK, EWOULDBLOCK),
    CALL(fork, EAGAIN, ENOMEM),
    CALL(fstat, EIO, EOVERFLOW),
    CALL(fstatfs, EIO),
    CALL(fsconfig, EPERM, ENOMEM),
    CALL(fsmount, EPERM, ENOMEM, EMFILE),
    CALL(fsopen, EPERM, ENOMEM, ENOSYS),
    CALL(fsync, EIO, ENOSPC, EDQUOT),
    CALL(ftruncate, EIO, EPERM),
    CALL(getdents64, EIO, ENOENT),
    CALL(getpeername, ENOTCONN, ENOBUFS),
    CALL(getrandom, EAGAIN, EINTR, ENOSYS),
    CALL(getsockname, ENOBUFS),
    CALL(getsockopt, ENOPROTOOPT, ENOMEM),
    CALL(ioctl, ENOTTY, EPERM, EIO),
    CALL(kill, ESRCH, EPERM),
    CALL(lseek, ESPIPE, EINVAL),
    CALL(memfd_create, EMFILE, ENOMEM),
    CALL(mkdir, EEXIST, ENOSPC, EACCES, EROFS),
    CALL(mkdirat, EEXIST, ENOSPC, EACCES, EROFS),
    CALL(mmap, ENOMEM, EAGAIN),
    CALL(mount, EPERM, ENOMEM, EBUSY),
    CALL(mprotect, ENOMEM, EACCES),
    CALL(mremap, ENOMEM),
    CALL(munmap, ENOMEM),
    CALL(newfstatat, ENOENT, EACCES, EIO),
    CALL(openat, ENOENT, EACCES, EMFILE, ENFILE, ENOMEM, EIO),
    CALL(openat2, ENOENT, EACCES, EMFILE, ENOSYS),
    CALL(pidfd_getfd, EPERM, EBADF, EMFILE),
    CALL(pidfd_open, ESRCH, EMFILE, ENOSYS),
    CALL(pidfd_send_signal, ESRCH, EPERM),
    CALL(pipe2, EMFILE, ENFILE),
    CALL(poll, EINTR, ENOMEM),
    CALL(ppoll, EINTR, ENOMEM),
    CALL(prctl, EPERM, EINVAL),
    CALL(pread64, EIO, EINTR),
    CALL(prlimit64, EPERM),
    CALL(process_vm_readv, EPERM, ESRCH),
    CALL(process_vm_writev, EPERM, ESRCH),
    CALL(ptrace, EPERM, ESRCH, EIO),
    CALL(pwrite64, EIO, ENOSPC, EINTR),
    CALL(read, EIO, EINTR, EAGAIN),
    CALL(readlink, ENOENT, EACCES, EIO),
    CALL(readlinkat, ENOENT, EACCES, EIO),
    CALL(recvfrom, EINTR, ENOBUFS, ENOMEM),
    CALL(recvmsg, EINTR, ENOBUFS, ENOMEM, EAGAIN),
    CALL(rename, EIO, ENOSPC, EACCES),
    CALL(renameat, EIO, ENOSPC, EACCES),
    CALL(renameat2, EIO, ENOSPC, EINVAL),
    CALL(rseq, ENOSYS),
    CALL(rt_sigaction, EINVAL),
    CALL(rt_sigprocmask, EINVAL),
    CALL(seccomp, EINVAL, ENOMEM, ESRCH),
    CALL(select, EINTR, ENOMEM),
    CALL(sendmsg, ENOBUFS, ENOMEM, EPERM, EINTR),
    CALL(sendto, ENOBUFS, ENOMEM, EPERM, EINTR),
    CALL(set_robust_list, ENOSYS),
    CALL(setns, EPERM, ENOMEM, EINVAL),
    CALL(setsockopt, ENOPROTOOPT, ENOMEM, EPERM),
    CALL(socket, EMFILE, ENOMEM, EAFNOSUPPORT, EPERM),
    CALL(socketpair, EMFILE, ENOMEM),
    CALL(stat, ENOENT, EACCES, EIO),
    CALL(statx, ENOENT, EACCES, EIO, ENOSYS),
    CALL(symlinkat, EEXIST, ENOSPC),
    CALL(timer_create, EAGAIN, ENOMEM),
    CALL(umount2, EBUSY, EINVAL, EPERM),
    CALL(unlink, EACCES, EIO, ENOENT, EBUSY),
    CALL(unlinkat, EACCES, EIO, ENOENT, EBUSY),
    CALL(unshare, EPERM, ENOMEM, ENOSPC),
    CALL(vfork, EAGAIN, ENOMEM),
    CALL(wait4, EINTR, ECHILD),
    CALL(waitid, EINTR, ECHILD),
    CALL(write, EIO, ENOSPC, EINTR, EPIPE),
    CALL(writev, EIO, ENOSPC, EINTR, EPIPE),
    SURE(alarm),
    SURE(clock_gettime),
    SURE(exit),
    SURE(exit_group),
    SURE(futex),
    SURE(getegid),
    SURE(geteuid),
    SURE(getgid),
    SURE(getpid),
    SURE(getppid),
    SURE(gettid),
    SURE(getuid),
    SURE(rt_sigreturn),
    SURE(sched_yield),
    SURE(set_tid_address),
    SURE(umask),
    SURE(uname),
#undef CALL
#undef SURE
};

static const struct call *find_call(int number)
{
    for (size_t i = 0; i < array_size(CALLS); i++)
        if (CALLS[i].number == number)
            return &CALLS[i];
    return NULL;
}

const int *inject_errors(int call)
{
    static const int UNKNOWN[] = {EIO, ENOMEM, 0};
    const struct call *found = find_call(call);

    return found != NULL ? found->errors : UNKNOWN;
}

const char *inject_name(int call)
{
    static char number[16];
    const struct call *found = find_call(call);

    snprintf(number, sizeof(number), "%d", call);
    return found != NULL ? found->name : number;
}
