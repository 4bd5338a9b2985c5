/* SPDX-License-Identifier: Apache-2.0
 *
 * A complete profile for engines that take one (docker --security-opt seccomp=FILE): what programs in
 * containers need, by name, everything else denied, composed with R. Left out is what reaches the kernel
 * itself or the host (modules, kexec, bpf, perf events, keyrings, clocks, swap, quotas, raw input and output,
 * mounts) and what engines tie to capabilities that a container here never has.
 *
 * It is plain OCI, without the conditions on capabilities that only Docker and Podman understand. */
#include "seccomp/seccomp.h"

#include "base/cleanup.h"

#include <errno.h>
#include <sched.h>
#include <sys/personality.h>

static const char *const allowed[] = {
    /* processes, threads, signals, time */
    "adjtimex",
    "alarm",
    "arch_prctl",
    "capget",
    "capset",
    "clock_adjtime",
    "clock_adjtime64",
    "clock_getres",
    "clock_getres_time64",
    "clock_gettime",
    "clock_gettime64",
    "clock_nanosleep",
    "clock_nanosleep_time64",
    "execve",
    "execveat",
    "exit",
    "exit_group",
    "fork",
    "futex",
    "futex_requeue",
    "futex_time64",
    "futex_wait",
    "futex_waitv",
    "futex_wake",
    "get_robust_list",
    "get_thread_area",
    "getcpu",
    "getegid",
    "getegid32",
    "geteuid",
    "geteuid32",
    "getgid",
    "getgid32",
    "getgroups",
    "getgroups32",
    "getitimer",
    "getpgid",
    "getpgrp",
    "getpid",
    "getppid",
    "getpriority",
    "getrandom",
    "getresgid",
    "getresgid32",
    "getresuid",
    "getresuid32",
    "getrlimit",
    "getrusage",
    "getsid",
    "gettid",
    "gettimeofday",
    "getuid",
    "getuid32",
    "kill",
    "map_shadow_stack",
    "membarrier",
    "modify_ldt",
    "nanosleep",
    "nice",
    "pause",
    "pidfd_open",
    "pidfd_send_signal",
    "prctl",
    "prlimit64",
    "process_mrelease",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "restart_syscall",
    "rseq",
    "rt_sigaction",
    "rt_sigpending",
    "rt_sigprocmask",
    "rt_sigqueueinfo",
    "rt_sigreturn",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "rt_sigtimedwait_time64",
    "rt_tgsigqueueinfo",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "sched_getaffinity",
    "sched_getattr",
    "sched_getparam",
    "sched_getscheduler",
    "sched_rr_get_interval",
    "sched_rr_get_interval_time64",
    "sched_setaffinity",
    "sched_setattr",
    "sched_setparam",
    "sched_setscheduler",
    "sched_yield",
    "seccomp",
    "set_robust_list",
    "set_thread_area",
    "set_tid_address",
    "setfsgid",
    "setfsgid32",
    "setfsuid",
    "setfsuid32",
    "setgid",
    "setgid32",
    "setgroups",
    "setgroups32",
    "setitimer",
    "setpgid",
    "setpriority",
    "setregid",
    "setregid32",
    "setresgid",
    "setresgid32",
    "setresuid",
    "setresuid32",
    "setreuid",
    "setreuid32",
    "setrlimit",
    "setsid",
    "setuid",
    "setuid32",
    "sgetmask",
    "sigaction",
    "sigaltstack",
    "signal",
    "signalfd",
    "signalfd4",
    "sigpending",
    "sigprocmask",
    "sigreturn",
    "sigsuspend",
    "ssetmask",
    "tgkill",
    "time",
    "timer_create",
    "timer_delete",
    "timer_getoverrun",
    "timer_gettime",
    "timer_gettime64",
    "timer_settime",
    "timer_settime64",
    "timerfd_create",
    "timerfd_gettime",
    "timerfd_gettime64",
    "timerfd_settime",
    "timerfd_settime64",
    "times",
    "tkill",
    "ugetrlimit",
    "umask",
    "uname",
    "vfork",
    "wait4",
    "waitid",
    "waitpid",
    /* memory */
    "brk",
    "cachestat",
    "madvise",
    "memfd_create",
    "memfd_secret",
    "mincore",
    "mlock",
    "mlock2",
    "mlockall",
    "mmap",
    "mmap2",
    "mprotect",
    "mremap",
    "mseal",
    "msync",
    "munlock",
    "munlockall",
    "munmap",
    "pkey_alloc",
    "pkey_free",
    "pkey_mprotect",
    "process_madvise",
    "remap_file_pages",
    /* files */
    "_llseek",
    "access",
    "arm_fadvise64_64",
    "arm_sync_file_range",
    "chdir",
    "chmod",
    "chown",
    "chown32",
    "chroot",
    "close",
    "close_range",
    "copy_file_range",
    "creat",
    "dup",
    "dup2",
    "dup3",
    "faccessat",
    "faccessat2",
    "fadvise64",
    "fadvise64_64",
    "fallocate",
    "fchdir",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "fchown",
    "fchown32",
    "fchownat",
    "fcntl",
    "fcntl64",
    "fdatasync",
    "fgetxattr",
    "file_getattr",
    "file_setattr",
    "flistxattr",
    "flock",
    "fremovexattr",
    "fsetxattr",
    "fstat",
    "fstat64",
    "fstatat64",
    "fstatfs",
    "fstatfs64",
    "fsync",
    "ftruncate",
    "ftruncate64",
    "futimesat",
    "getcwd",
    "getdents",
    "getdents64",
    "getxattr",
    "getxattrat",
    "inotify_add_watch",
    "inotify_init",
    "inotify_init1",
    "inotify_rm_watch",
    "ioctl",
    "ioprio_get",
    "ioprio_set",
    "landlock_add_rule",
    "landlock_create_ruleset",
    "landlock_restrict_self",
    "lchown",
    "lchown32",
    "lgetxattr",
    "link",
    "linkat",
    "listmount",
    "listxattr",
    "listxattrat",
    "llistxattr",
    "lremovexattr",
    "lseek",
    "lsetxattr",
    "lsm_get_self_attr",
    "lsm_list_modules",
    "lsm_set_self_attr",
    "lstat",
    "lstat64",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "name_to_handle_at",
    "newfstatat",
    "oldfstat",
    "oldlstat",
    "oldstat",
    "open",
    "openat",
    "openat2",
    "pipe",
    "pipe2",
    "pread64",
    "preadv",
    "preadv2",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "read",
    "readahead",
    "readlink",
    "readlinkat",
    "readv",
    "removexattr",
    "removexattrat",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "sendfile",
    "sendfile64",
    "setxattr",
    "setxattrat",
    "splice",
    "stat",
    "stat64",
    "statfs",
    "statfs64",
    "statmount",
    "statx",
    "symlink",
    "symlinkat",
    "sync",
    "sync_file_range",
    "sync_file_range2",
    "syncfs",
    "tee",
    "truncate",
    "truncate64",
    "unlink",
    "unlinkat",
    "utime",
    "utimensat",
    "utimensat_time64",
    "utimes",
    "vmsplice",
    "write",
    "writev",
    /* waiting for events, asynchronous input and output */
    "_newselect",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_ctl_old",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "epoll_wait_old",
    "eventfd",
    "eventfd2",
    "io_cancel",
    "io_destroy",
    "io_getevents",
    "io_pgetevents",
    "io_pgetevents_time64",
    "io_setup",
    "io_submit",
    "poll",
    "ppoll",
    "ppoll_time64",
    "pselect6",
    "pselect6_time64",
    "select",
    /* sockets, once they exist */
    "accept",
    "accept4",
    "bind",
    "connect",
    "getpeername",
    "getsockname",
    "getsockopt",
    "listen",
    "recv",
    "recvfrom",
    "recvmmsg",
    "recvmmsg_time64",
    "recvmsg",
    "send",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
    /* System V and POSIX interprocess communication */
    "ipc",
    "mq_getsetattr",
    "mq_notify",
    "mq_open",
    "mq_timedreceive",
    "mq_timedreceive_time64",
    "mq_timedsend",
    "mq_timedsend_time64",
    "mq_unlink",
    "msgctl",
    "msgget",
    "msgrcv",
    "msgsnd",
    "semctl",
    "semget",
    "semop",
    "semtimedop",
    "semtimedop_time64",
    "shmat",
    "shmctl",
    "shmdt",
    "shmget",
    /* the system */
    "sysinfo",
};

/* Programs that bring their own sandbox mount its root. */
static const char *const allowed_nested[] = {
    "clone3",     "fsconfig",  "fsmount",    "fsopen", "fspick", "mount",   "mount_setattr",
    "move_mount", "open_tree", "pivot_root", "setns",  "umount", "umount2", "unshare",
};

/* Linux, 32 bits' view of uname, and asking. */
static const json_int_t personalities[] = {
    PER_LINUX, PER_LINUX32, UNAME26, PER_LINUX32 | UNAME26, 0xffffffff,
};

#define NEW_NAMESPACES                                                                          \
    ((json_int_t)(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
                  CLONE_NEWPID | CLONE_NEWNET))

static int append(json_t *entries, json_t *entry, struct error *err)
{
    if (entry == NULL || json_array_append_new(entries, entry) < 0)
        return error_set(err, ENOMEM, "make a seccomp profile");
    return 0;
}

static int append_names(json_t *entries, const char *const *names, size_t count, struct error *err)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(array, json_string(names[i])) < 0) {
            json_decref(array);
            return error_set(err, ENOMEM, "make a seccomp profile");
        }
    }
    return append(entries, json_pack("{s:o, s:s}", "names", array, "action", "SCMP_ACT_ALLOW"), err);
}

static int append_condition(json_t *entries, const char *name, json_int_t value, const char *comparison,
                            struct error *err)
{
    return append(entries,
                  json_pack("{s:[s], s:s, s:[{s:i, s:I, s:s}]}", "names", name, "action", "SCMP_ACT_ALLOW",
                            "args", "index", 0, "value", value, "op", comparison),
                  err);
}

static int append_all(json_t *entries, const struct seccomp_options *options, struct error *err)
{
    static const char *const restricted[] = {"socket", "socketpair"};
    static const char *const clone_nested[] = {"clone"};
    int result = append_names(entries, allowed, array_size(allowed), err);

    if (result == 0)
        result = append_names(entries, restricted, array_size(restricted), err);
    for (size_t i = 0; result == 0 && i < array_size(personalities); i++)
        result = append_condition(entries, "personality", personalities[i], "SCMP_CMP_EQ", err);
    if (result == 0 && options->nested)
        result = append_names(entries, allowed_nested, array_size(allowed_nested), err);
    if (result < 0)
        return result;
    return options->nested ? append_names(entries, clone_nested, array_size(clone_nested), err)
                           : append_condition(entries, "clone", NEW_NAMESPACES, "SCMP_CMP_MASKED_EQ", err);
}

static json_t *make_architectures(const struct seccomp_options *options)
{
#if defined(__aarch64__)
    (void)options;
    return json_pack("[s]", "SCMP_ARCH_AARCH64");
#else
    return options->i386 ? json_pack("[s, s]", "SCMP_ARCH_X86_64", "SCMP_ARCH_X86")
                         : json_pack("[s]", "SCMP_ARCH_X86_64");
#endif
}

int seccomp_profile(const struct seccomp_options *options, json_t **ret, struct error *err)
{
    json_t *entries = json_array();
    json_t *profile = NULL;
    int result = append_all(entries, options, err);

    if (result < 0) {
        json_decref(entries);
        return result;
    }
    profile = json_pack("{s:s, s:i, s:o, s:o}", "defaultAction", "SCMP_ACT_ERRNO", "defaultErrnoRet", EPERM,
                        "architectures", make_architectures(options), "syscalls", entries);
    if (profile == NULL)
        return error_set(err, ENOMEM, "make a seccomp profile");
    result = seccomp_compose(profile, options, ret, err);
    json_decref(profile);
    return result;
}
