/* SPDX-License-Identifier: Apache-2.0
 *
 * A sample of what the interpreter says, confirmed by the real kernel: each question is asked in a child
 * without the filter, where the hole must be open as far as this kernel has it, and in one with the filter,
 * where it must be closed. And what programs need still works. */
#include "base/cleanup.h"
#include "seccomp/seccomp.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

TestSuite(seccomp_real, .timeout = 300);

enum {
    OPENED = 0, /* what a child found, as its exit status: 0, an errno, or: */
    KILLED_BY_SIGSYS = 255,
};

typedef int question(void);

static int ask(question *body, const struct seccomp_options *options)
{
    pid_t pid = fork();
    int status = 0;

    cr_assert_geq(pid, 0);
    if (pid == 0) {
        if (options != NULL && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, seccomp_filter(options)) != 0)
            _exit(254);
        _exit(body());
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        cr_assert_eq(WTERMSIG(status), SIGSYS, "killed by signal %d", WTERMSIG(status));
        return KILLED_BY_SIGSYS;
    }
    return WEXITSTATUS(status);
}

static const struct seccomp_options plain;
static const struct seccomp_options nested = {.nested = true};
static const struct seccomp_options i386 = {.i386 = true};

static int errno_of(long result)
{
    return result < 0 ? errno : 0;
}

static int try_socket(long family, long type, long protocol)
{
    return errno_of(syscall(SYS_socket, family, type, protocol));
}

/* --- sockets --- */

static int raw_v4(void)
{
    return try_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static int raw_v6(void)
{
    return try_socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
}

static int packet(void)
{
    return try_socket(AF_PACKET, SOCK_RAW, 0x0300);
}

static int packet_by_type(void)
{
    return try_socket(AF_INET, SOCK_PACKET, 0x0300);
}

static int netlink_generic(void)
{
    return try_socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
}

static int netlink_netfilter(void)
{
    return try_socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
}

Test(seccomp_real, sockets_that_open_without_the_filter)
{
    static question *const questions[] = {raw_v4,         raw_v6,          packet,
                                          packet_by_type, netlink_generic, netlink_netfilter};

    for (size_t i = 0; i < array_size(questions); i++) {
        cr_expect_eq(ask(questions[i], NULL), OPENED, "question %zu: %d", i, ask(questions[i], NULL));
        cr_expect_eq(ask(questions[i], &plain), EPERM, "question %zu", i);
        cr_expect_eq(ask(questions[i], &nested), EPERM, "question %zu", i);
        cr_expect_eq(ask(questions[i], &i386), EPERM, "question %zu", i);
    }
}

/* The kernel takes 32 bits of the family: the upper half must not make it another one. */
static int raw_with_upper_half(void)
{
    return try_socket(AF_INET | 1L << 32, SOCK_RAW | 1L << 32, IPPROTO_ICMP | 1L << 32);
}

static int vsock(void)
{
    return try_socket(AF_VSOCK, SOCK_STREAM, 0);
}

static int vsock_with_upper_half(void)
{
    return try_socket(AF_VSOCK | 1L << 32, SOCK_STREAM, 0);
}

static int tcp_with_upper_half(void)
{
    return try_socket(AF_INET | 1L << 32, SOCK_STREAM | 1L << 40, 0x7L << 32);
}

Test(seccomp_real, upper_halves_make_no_difference)
{
    cr_expect_eq(ask(raw_with_upper_half, NULL), OPENED);
    cr_expect_eq(ask(raw_with_upper_half, &plain), EPERM);
    cr_expect_eq(ask(vsock, NULL), ask(vsock_with_upper_half, NULL));
    cr_expect_eq(ask(vsock, &plain), EPERM);
    cr_expect_eq(ask(vsock_with_upper_half, &plain), EPERM);
    cr_expect_eq(ask(tcp_with_upper_half, &plain), OPENED);
}

static int all_families(void)
{
    for (long family = 0; family < 64; family++) {
        for (long type = 0; type < 16; type++) {
            int error = try_socket(family, type, 255);

            if (family != AF_UNIX && error != EPERM)
                return 1;
        }
    }
    return 0;
}

Test(seccomp_real, no_family_opens_with_a_protocol_of_no_one)
{
    cr_expect_eq(ask(all_families, &plain), 0);
    cr_expect_neq(ask(all_families, NULL), 0);
}

/* --- ways around socket(2) --- */

static int io_uring_setup(void)
{
    struct io_uring_params parameters = {0};

    return errno_of(syscall(SYS_io_uring_setup, 1, &parameters));
}

static char *map_ring(int fd, size_t size, off_t offset)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);
}

/* How an attacker makes a socket without socket(2). */
static int io_uring_socket(void)
{
    struct io_uring_params parameters = {0};
    int fd = (int)syscall(SYS_io_uring_setup, 1, &parameters);
    char *rings = NULL;
    struct io_uring_sqe *submission = NULL;
    const struct io_uring_cqe *completion = NULL;

    if (fd < 0)
        return errno;
    rings = map_ring(fd, 4096, IORING_OFF_SQ_RING); /* both rings, since Linux 5.4 */
    submission = (struct io_uring_sqe *)map_ring(fd, sizeof(*submission), (off_t)IORING_OFF_SQES);
    submission->opcode = IORING_OP_SOCKET;
    submission->fd = AF_INET;
    submission->off = SOCK_RAW;
    submission->len = IPPROTO_ICMP;
    *(unsigned *)(rings + parameters.sq_off.tail) = 1;
    if (syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
        return errno;
    completion = (const struct io_uring_cqe *)(rings + parameters.cq_off.cqes);
    return completion->res < 0 ? -completion->res : OPENED;
}

/* Whether the kernel says that it has the operation: before Linux 5.19 it makes no sockets. */
static bool io_uring_makes_sockets(void)
{
    struct io_uring_params parameters = {0};
    _Alignas(struct io_uring_probe)
        uint8_t answer[sizeof(struct io_uring_probe) +
                       (IORING_OP_SOCKET + 1) * sizeof(struct io_uring_probe_op)] = {0};
    const struct io_uring_probe *probe = (const void *)answer;
    cleanup_close int fd = (int)syscall(SYS_io_uring_setup, 1, &parameters);

    cr_assert_geq(fd, 0);
    cr_assert_eq(syscall(SYS_io_uring_register, fd, IORING_REGISTER_PROBE, answer, IORING_OP_SOCKET + 1), 0);
    return (probe->ops[IORING_OP_SOCKET].flags & IO_URING_OP_SUPPORTED) != 0;
}

Test(seccomp_real, io_uring_is_not_there)
{
    int expected = io_uring_makes_sockets() ? OPENED : EINVAL;

    cr_expect_eq(ask(io_uring_socket, NULL), expected, "%d", ask(io_uring_socket, NULL));
    cr_expect_eq(ask(io_uring_setup, &plain), ENOSYS);
    cr_expect_eq(ask(io_uring_socket, &plain), ENOSYS);
    cr_expect_eq(ask(io_uring_socket, &nested), ENOSYS);
}

static int request_key(void)
{
    return errno_of(syscall(SYS_request_key, "user", "sallyport:test", NULL, 0));
}

static int pidfd_getfd(void)
{
    int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);

    return errno_of(syscall(SYS_pidfd_getfd, pidfd, 0, 0));
}

Test(seccomp_real, other_doors_are_closed)
{
    cr_expect_eq(ask(request_key, NULL), ENOKEY);
    cr_expect_eq(ask(request_key, &plain), EPERM);
    cr_expect_eq(ask(pidfd_getfd, NULL), OPENED);
    cr_expect_eq(ask(pidfd_getfd, &plain), EPERM);
}

/* To the keyring that this user has in every container without a user namespace, and on the host. */
static int add_key(void)
{
    return errno_of(syscall(SYS_add_key, "user", "sallyport:test", "told", 4, KEY_SPEC_USER_KEYRING));
}

/* A new session keyring says something by its name alone, and is linked to that keyring: no key is needed. */
static int tell_by_keyring(void)
{
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "sallyport:told") < 0)
        return errno;
    return errno_of(syscall(SYS_keyctl, KEYCTL_LINK, KEY_SPEC_SESSION_KEYRING, KEY_SPEC_USER_KEYRING));
}

/* Takes the key with this description out of that keyring. Returns whether it was there. */
static bool take_back(const char *name)
{
    int32_t keys[64];
    char description[256];
    long size = syscall(SYS_keyctl, KEYCTL_READ, KEY_SPEC_USER_KEYRING, keys, sizeof(keys));
    long count = size / (long)sizeof(keys[0]);

    for (long i = 0; i < count && i < (long)array_size(keys); i++) {
        long length = syscall(SYS_keyctl, KEYCTL_DESCRIBE, keys[i], description, sizeof(description));

        if (length > 0 && length <= (long)sizeof(description) && strstr(description, name) != NULL)
            return syscall(SYS_keyctl, KEYCTL_UNLINK, keys[i], KEY_SPEC_USER_KEYRING) == 0;
    }
    return false;
}

Test(seccomp_real, keyrings_are_no_blackboard)
{
    cr_expect_eq(ask(add_key, &plain), ENOSYS);
    cr_expect_eq(ask(tell_by_keyring, &plain), ENOSYS);
    cr_expect_eq(ask(tell_by_keyring, &nested), ENOSYS);
    cr_expect_not(take_back("sallyport:"));
    cr_expect_eq(ask(add_key, NULL), OPENED);
    cr_expect(take_back("sallyport:test"));
    cr_expect_eq(ask(tell_by_keyring, NULL), OPENED);
    cr_expect(take_back("sallyport:told"));
}

#ifdef __x86_64__

/* `int 0x80` in a 64-bit process is the i386 ABI; pointers must be below 4 GiB. */
static long i386_call(long number, long first, long second, long third)
{
    long result = number;

    __asm__ volatile("int $0x80"
                     : "+a"(result)
                     : "b"(first), "c"(second), "d"(third)
                     : "memory", "r8", "r9", "r10", "r11");
    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

static int i386_socket_raw(void)
{
    return errno_of(i386_call(359, AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

static int i386_socket_tcp(void)
{
    return errno_of(i386_call(359, AF_INET, SOCK_STREAM, 0));
}

static int i386_socketcall_raw(void)
{
    uint32_t *arguments =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

    arguments[0] = AF_INET;
    arguments[1] = SOCK_RAW;
    arguments[2] = IPPROTO_ICMP;
    return errno_of(i386_call(102, 1, (long)(intptr_t)arguments, 0));
}

static int x32_socket_raw(void)
{
    return errno_of(syscall(0x40000000 | SYS_socket, AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

static int x32_getpid(void)
{
    return errno_of(syscall(0x40000000 | SYS_getpid));
}

Test(seccomp_real, foreign_abis)
{
    cr_expect_eq(ask(i386_socket_raw, NULL), OPENED, "%d", ask(i386_socket_raw, NULL));
    cr_expect_eq(ask(i386_socketcall_raw, NULL), OPENED, "%d", ask(i386_socketcall_raw, NULL));
    cr_expect_eq(ask(i386_socket_raw, &plain), KILLED_BY_SIGSYS);
    cr_expect_eq(ask(i386_socketcall_raw, &plain), KILLED_BY_SIGSYS);
    cr_expect_eq(ask(i386_socket_tcp, &plain), KILLED_BY_SIGSYS);
    cr_expect_eq(ask(i386_socket_raw, &i386), EPERM);
    cr_expect_eq(ask(i386_socketcall_raw, &i386), EPERM);
    cr_expect_eq(ask(i386_socket_tcp, &i386), OPENED);
    cr_expect_eq(ask(x32_socket_raw, &plain), KILLED_BY_SIGSYS);
    cr_expect_eq(ask(x32_getpid, &i386), KILLED_BY_SIGSYS);
}

#endif

/* --- namespaces --- */

static int unshare_user(void)
{
    return errno_of(unshare(CLONE_NEWUSER));
}

static int unshare_net(void)
{
    return errno_of(unshare(CLONE_NEWNET));
}

static int unshare_mount(void)
{
    return errno_of(unshare(CLONE_NEWNS));
}

static int clone_net(void)
{
    long pid = syscall(SYS_clone, CLONE_NEWNET | SIGCHLD, NULL, NULL, NULL, NULL);

    if (pid == 0)
        _exit(0);
    return errno_of(pid);
}

static int clone3_net(void)
{
    struct clone_args {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    } arguments = {.flags = CLONE_NEWNET, .exit_signal = SIGCHLD};
    long pid = syscall(SYS_clone3, &arguments, sizeof(arguments));

    if (pid == 0)
        _exit(0);
    return errno_of(pid);
}

static int setns_own(void)
{
    int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);

    return errno_of(setns(pidfd, CLONE_NEWNET));
}

Test(seccomp_real, namespaces)
{
    static const struct {
        question *question;
        int denied;
    } cases[] = {
        {unshare_user, EPERM}, {unshare_net, EPERM}, {clone_net, EPERM},
        {clone3_net, ENOSYS},  {setns_own, EPERM},
    };

    for (size_t i = 0; i < array_size(cases); i++) {
        cr_expect_eq(ask(cases[i].question, NULL), OPENED, "case %zu: %d", i, ask(cases[i].question, NULL));
        cr_expect_eq(ask(cases[i].question, &plain), cases[i].denied, "case %zu", i);
        cr_expect_eq(ask(cases[i].question, &nested), OPENED, "case %zu", i);
    }
    cr_expect_eq(ask(unshare_mount, &plain), OPENED, "a mount namespace is no way out");
}

/* --- what must go on working --- */

static void *nothing(void *argument)
{
    return argument;
}

static int ordinary_program(void)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses = NULL;
    struct ifaddrs *interfaces = NULL;
    pthread_t thread;
    int pair[2];

    if (getaddrinfo("localhost", "80", &hints, &addresses) != 0 || addresses == NULL)
        return 1;
    if (getifaddrs(&interfaces) != 0 || interfaces == NULL)
        return 2;
    if (try_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP) != 0 ||
        try_socket(AF_INET6, SOCK_STREAM, 0) != 0 || try_socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP) != 0 ||
        try_socket(AF_UNIX, SOCK_SEQPACKET, 0) != 0 || try_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) != 0)
        return 3;
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) != 0)
        return 4;
    if (pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0)
        return 5; /* clone3 answered ENOSYS and libc fell back */
    if (fork() == 0)
        _exit(0);
    return wait(NULL) < 0 ? 6 : 0;
}

/* MPTCP where the kernel has it: what it says without the filter, it says with it. */
static int mptcp(void)
{
    return try_socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
}

Test(seccomp_real, ordinary_programs_notice_nothing)
{
    cr_expect_eq(ask(ordinary_program, &plain), 0, "step %d", ask(ordinary_program, &plain));
    cr_expect_eq(ask(ordinary_program, &nested), 0);
    cr_expect_eq(ask(ordinary_program, &i386), 0);
    cr_expect_eq(ask(mptcp, &plain), ask(mptcp, NULL));
}
