/* SPDX-License-Identifier: Apache-2.0
 *
 * The registers of a system call, by architecture: how to replace it at its entry, what it returned at its
 * exit and how to make it happen again. Nothing else in this folder knows an architecture's registers. */
#pragma once

#include <elf.h>
#include <linux/audit.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#if defined(__x86_64__)

#define REGISTERS_AUDIT_ARCH AUDIT_ARCH_X86_64

struct registers {
    struct user_regs_struct user;
};

static inline void registers_replace_call(struct registers *at_entry, long number,
                                          const uint64_t arguments[6])
{
    at_entry->user.orig_rax = (uint64_t)number;
    at_entry->user.rdi = arguments[0];
    at_entry->user.rsi = arguments[1];
    at_entry->user.rdx = arguments[2];
    at_entry->user.r10 = arguments[3];
    at_entry->user.r8 = arguments[4];
    at_entry->user.r9 = arguments[5];
}

static inline int64_t registers_result(const struct registers *at_exit)
{
    return (int64_t)at_exit->user.rax;
}

/* `syscall` and `int 0x80` are two bytes. No number in orig_rax: nothing for the kernel to restart. */
static inline void registers_rewind(struct registers *at_entry)
{
    at_entry->user.rip -= 2;
    at_entry->user.rax = at_entry->user.orig_rax;
    at_entry->user.orig_rax = UINT64_MAX;
}

/* The number is among the registers here. */
static inline int registers_set_number(pid_t pid, long number)
{
    (void)pid;
    (void)number;
    return 0;
}

#elif defined(__aarch64__)

#define REGISTERS_AUDIT_ARCH AUDIT_ARCH_AARCH64

struct registers {
    struct user_regs_struct user;
};

static inline void registers_replace_call(struct registers *at_entry, long number,
                                          const uint64_t arguments[6])
{
    at_entry->user.regs[8] = (uint64_t)number;
    for (unsigned i = 0; i < 6; i++)
        at_entry->user.regs[i] = arguments[i];
}

static inline int64_t registers_result(const struct registers *at_exit)
{
    return (int64_t)at_exit->user.regs[0];
}

/* `svc` is four bytes; x0 still holds the first argument at the entry. */
static inline void registers_rewind(struct registers *at_entry)
{
    at_entry->user.pc -= 4;
}

/* At an entry stop the kernel has already read x8: the number has a register set of its own. */
static inline int registers_set_number(pid_t pid, long number)
{
    int value = (int)number;
    struct iovec vector = {.iov_base = &value, .iov_len = sizeof(value)};

    return (int)ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &vector);
}

#else
#error "no registers for this architecture"
#endif
