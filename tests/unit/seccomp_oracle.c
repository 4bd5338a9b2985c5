/* SPDX-License-Identifier: Apache-2.0 */
#include "seccomp_oracle.h"

#include <linux/audit.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>

int oracle_number(uint32_t arch, const char *name)
{
    int number = seccomp_syscall_resolve_name_arch(arch, name);

    /* libseccomp answers with a number of its own for calls that i386 can make in two ways. */
    if (arch == AUDIT_ARCH_I386 && strcmp(name, "socket") == 0)
        return 359;
    if (arch == AUDIT_ARCH_I386 && strcmp(name, "socketpair") == 0)
        return 360;
    return number < 0 ? -1 : number;
}

enum call {
    SOCKET,
    SOCKETPAIR,
    SOCKETCALL,
    IO_URING_SETUP,
    IO_URING_ENTER,
    IO_URING_REGISTER,
    PIDFD_GETFD,
    REQUEST_KEY,
    ADD_KEY,
    KEYCTL,
    CLONE,
    UNSHARE,
    CLONE3,
    SETNS,
    CALLS,
    NO_CALL = CALLS,
};

static const char *const names[CALLS] = {
    [SOCKET] = "socket",
    [SOCKETPAIR] = "socketpair",
    [SOCKETCALL] = "socketcall",
    [IO_URING_SETUP] = "io_uring_setup",
    [IO_URING_ENTER] = "io_uring_enter",
    [IO_URING_REGISTER] = "io_uring_register",
    [PIDFD_GETFD] = "pidfd_getfd",
    [REQUEST_KEY] = "request_key",
    [ADD_KEY] = "add_key",
    [KEYCTL] = "keyctl",
    [CLONE] = "clone",
    [UNSHARE] = "unshare",
    [CLONE3] = "clone3",
    [SETNS] = "setns",
};

/* Looking names up is slow and there are millions of questions: once for each ABI. */
static enum call identify(const struct seccomp_data *call)
{
    static struct {
        uint32_t arch;
        int numbers[CALLS];
    } known[4];
    unsigned slot = 0;

    while (known[slot].arch != 0 && known[slot].arch != call->arch)
        slot++;
    if (known[slot].arch == 0) {
        known[slot].arch = call->arch;
        for (unsigned i = 0; i < CALLS; i++)
            known[slot].numbers[i] = oracle_number(call->arch, names[i]);
    }
    for (unsigned i = 0; i < CALLS; i++)
        if (call->nr >= 0 && known[slot].numbers[i] == call->nr)
            return (enum call)i;
    return NO_CALL;
}

static bool socket_allowed(uint32_t family, uint32_t type, uint32_t protocol)
{
    const uint32_t nonblock = 04000;
    const uint32_t cloexec = 02000000;

    type &= ~(nonblock | cloexec);
    switch (family) {
    case 1: /* unix */
        return true;
    case 2:  /* IPv4 */
    case 10: /* IPv6 */
        if (type == 1)
            return protocol == 0 || protocol == 6 || protocol == 262;
        return type == 2 && (protocol == 0 || protocol == 17);
    case 16: /* netlink */
        return (type == 3 || type == 2) && protocol == 0;
    default:
        return false;
    }
}

static bool makes_namespace(uint32_t flags)
{
    return (flags & 0x10000000) != 0 || (flags & 0x40000000) != 0;
}

static bool known_abi(const struct seccomp_data *call, uint32_t native, const struct seccomp_options *options)
{
    if (call->arch == AUDIT_ARCH_I386)
        return native == AUDIT_ARCH_X86_64 && options->i386;
    if (call->arch == AUDIT_ARCH_X86_64 && call->nr != -1 && (uint32_t)call->nr >= 0x40000000)
        return false; /* x32, and numbers that no ABI has; -1 is a call that a tracer skips */
    return call->arch == native;
}

bool oracle_allows(const struct seccomp_data *call, uint32_t native, const struct seccomp_options *options)
{
    if (!known_abi(call, native, options))
        return false;
    switch (identify(call)) {
    case SOCKET:
        return socket_allowed((uint32_t)call->args[0], (uint32_t)call->args[1], (uint32_t)call->args[2]);
    case SOCKETPAIR:
        return (uint32_t)call->args[0] == 1;
    case SOCKETCALL:
    case IO_URING_SETUP:
    case IO_URING_ENTER:
    case IO_URING_REGISTER:
    case PIDFD_GETFD:
    case REQUEST_KEY:
    case ADD_KEY:
    case KEYCTL:
        return false;
    case CLONE:
    case UNSHARE:
        return options->nested || !makes_namespace((uint32_t)call->args[0]);
    case CLONE3:
    case SETNS:
        return options->nested;
    case NO_CALL:
    default:
        return true;
    }
}

unsigned oracle_truncated(const struct seccomp_data *call, const struct seccomp_options *options)
{
    switch (identify(call)) {
    case SOCKET:
    case SOCKETPAIR:
        return 3;
    case CLONE:
    case UNSHARE:
        return options->nested ? 0 : 1;
    default:
        return 0;
    }
}

bool oracle_leaves_open(const struct seccomp_data *call, const struct seccomp_options *options)
{
    for (unsigned i = 0; i < oracle_truncated(call, options); i++)
        if (call->args[i] > UINT32_MAX)
            return true;
    return false;
}
