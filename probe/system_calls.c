/* SPDX-License-Identifier: Apache-2.0
 *
 * socket(2) by every way into the kernel that a naive filter forgets: arguments wider than an int, the i386
 * and x32 tables, socketcall, io_uring. Each runs in a child: a filter may answer with SIGSYS. */
#include "probe/system_calls.h"
#include "probe/probe.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct triple take_triple(struct arguments *arguments)
{
    char **operands = arguments_operands(arguments, 3);

    return (struct triple){parse_number(operands[0]), parse_number(operands[1]), parse_number(operands[2])};
}

static int run_triple(const char *name, struct arguments *arguments, int (*attempt)(void *data))
{
    struct triple triple = take_triple(arguments);
    struct timespec begun = attempt_begin();

    return report(name, attempt_in_child(attempt, &triple), &begun, NULL);
}

int try_socket(void *data)
{
    const struct triple *triple = data;

    return syscall(SYS_socket, triple->family, triple->type, triple->protocol) < 0 ? errno : 0;
}

int probe_socket(struct arguments *arguments)
{
    return run_triple("socket", arguments, try_socket);
}

#ifdef __x86_64__

enum {
    I386_SOCKETCALL = 102, /* arch/x86/entry/syscalls/syscall_32.tbl */
    I386_SOCKET = 359,
    SOCKETCALL_SOCKET = 1, /* SYS_SOCKET of linux/net.h */
    X32_BIT = 0x40000000,
};

static sigjmp_buf after_int80;

/* A kernel without the i386 table has no such gate, which a processor says by a fault. */
static void leave_int80(int signal)
{
    (void)signal;
    siglongjmp(after_int80, 1);
}

static long int80(long number, uint32_t first, uint32_t second, uint32_t third)
{
    long result = 0;

    signal(SIGSEGV, leave_int80);
    if (sigsetjmp(after_int80, 0) != 0)
        return -EOPNOTSUPP;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"((uint64_t)first), "c"((uint64_t)second), "d"((uint64_t)third)
                     : "memory", "r8", "r9", "r10", "r11");
    return (int32_t)result;
}

/* 0 or an errno value. A number is not yet a socket: a kernel that looks int 0x80 up in its 64-bit table, as
 * gVisor does, finds other calls there, such as getuid. */
static int answer_of_int80(long result)
{
    int domain = 0;
    socklen_t size = sizeof(domain);

    if (result < 0)
        return (int)-result;
    return getsockopt((int)result, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 ? 0 : ENOSYS;
}

int try_int80_socket(void *data)
{
    const struct triple *triple = data;

    return answer_of_int80(
        int80(I386_SOCKET, (uint32_t)triple->family, (uint32_t)triple->type, (uint32_t)triple->protocol));
}

int try_int80_socketcall(void *data)
{
    const struct triple *triple = data;
    long result = 0;
    /* The argument block must be where a 32-bit pointer reaches. */
    uint32_t *block =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

    if (block == MAP_FAILED)
        return errno;
    block[0] = (uint32_t)triple->family;
    block[1] = (uint32_t)triple->type;
    block[2] = (uint32_t)triple->protocol;
    result = int80(I386_SOCKETCALL, SOCKETCALL_SOCKET, (uint32_t)(uintptr_t)block, 0);
    return answer_of_int80(result);
}

int try_x32_socket(void *data)
{
    const struct triple *triple = data;

    return syscall(X32_BIT | SYS_socket, triple->family, triple->type, triple->protocol) < 0 ? errno : 0;
}

#else

int try_int80_socket(void *data)
{
    (void)data;
    return ENOSYS; /* this machine has one table of system calls */
}

int try_int80_socketcall(void *data)
{
    return try_int80_socket(data);
}

int try_x32_socket(void *data)
{
    return try_int80_socket(data);
}

#endif

int probe_int80_socket(struct arguments *arguments)
{
    return run_triple("int80-socket", arguments, try_int80_socket);
}

int probe_int80_socketcall(struct arguments *arguments)
{
    return run_triple("int80-socketcall", arguments, try_int80_socketcall);
}

int probe_x32_socket(struct arguments *arguments)
{
    return run_triple("x32-socket", arguments, try_x32_socket);
}

/* One submission queue entry, by hand: no library is needed for one request. */
static int submit_socket(int ring, const struct io_uring_params *params, const struct triple *triple)
{
    size_t size = params->sq_off.array + params->sq_entries * sizeof(uint32_t);
    size_t completions = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
    char *queue = mmap(NULL, size > completions ? size : completions, PROT_READ | PROT_WRITE, MAP_SHARED,
                       ring, IORING_OFF_SQ_RING);
    struct io_uring_sqe *entry = mmap(NULL, params->sq_entries * sizeof(*entry), PROT_READ | PROT_WRITE,
                                      MAP_SHARED, ring, IORING_OFF_SQES);
    const struct io_uring_cqe *answer = NULL;

    if (queue == MAP_FAILED || entry == MAP_FAILED)
        return errno;
    memset(entry, 0, sizeof(*entry));
    entry->opcode = IORING_OP_SOCKET;
    entry->fd = (int)triple->family; /* domain, type and protocol as io_uring_prep_socket(3) puts them */
    entry->off = triple->type;
    entry->len = (uint32_t)triple->protocol;
    __atomic_store_n((uint32_t *)(queue + params->sq_off.tail), 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
        return errno;
    answer = (const struct io_uring_cqe *)(queue + params->cq_off.cqes);
    return answer->res < 0 ? -answer->res : 0;
}

int try_io_uring_socket(void *data)
{
    struct io_uring_params params = {0};
    long ring = syscall(SYS_io_uring_setup, 1, &params);

    if (ring < 0)
        return errno;
    if ((params.features & IORING_FEAT_SINGLE_MMAP) == 0)
        return ENOTSUP;
    return submit_socket((int)ring, &params, data);
}

int probe_io_uring_socket(struct arguments *arguments)
{
    return run_triple("io-uring-socket", arguments, try_io_uring_socket);
}
