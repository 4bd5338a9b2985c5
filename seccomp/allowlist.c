/* SPDX-License-Identifier: Apache-2.0 */
#include "seccomp/allowlist.h"

#include "base/cleanup.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

/* The generator runs on the build machine, which must mean the same by these names as the targets do. */
_Static_assert(SOCK_STREAM == 1 && SOCK_DGRAM == 2 && SOCK_NONBLOCK == 04000 && SOCK_CLOEXEC == 02000000,
               "build on x86, arm or another architecture with the generic socket constants");

#define WHOLE 0xffffffffU
/* The kernel refuses every other bit beside the type itself, and so does R. */
#define TYPE_WITHOUT_FLAGS (~(uint32_t)(SOCK_NONBLOCK | SOCK_CLOEXEC))

#define FAMILY(family)                         \
    {                                          \
        .value = {(family)}, .mask = { WHOLE } \
    }
#define SOCKET(family, type, protocol)                                                        \
    {                                                                                         \
        .value = {(family), (type), (protocol)}, .mask = { WHOLE, TYPE_WITHOUT_FLAGS, WHOLE } \
    }
#define INTERNET(family)                                                               \
    SOCKET((family), SOCK_STREAM, 0), SOCKET((family), SOCK_STREAM, IPPROTO_TCP),      \
        SOCKET((family), SOCK_STREAM, IPPROTO_MPTCP), SOCKET((family), SOCK_DGRAM, 0), \
        SOCKET((family), SOCK_DGRAM, IPPROTO_UDP)

static const struct cube sockets[] = {
    FAMILY(AF_UNIX),
    INTERNET(AF_INET),
    INTERNET(AF_INET6),
    /* getaddrinfo(3) and getifaddrs(3) ask for SOCK_RAW here: it makes no raw packets. */
    SOCKET(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE),
    SOCKET(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE),
};

static const struct cube pairs[] = {FAMILY(AF_UNIX)};

static const struct cube namespaces[] = {
    {.value = {0}, .mask = {CLONE_NEWUSER | CLONE_NEWNET}},
};

#define ALLOWED(cubes) (cubes), array_size(cubes)
#define NOTHING 0, NULL, 0

/* Numbers by ABI: x86_64, i386, aarch64. They never change; the tests compare them with libseccomp's. */
const struct allowlist_call allowlist_calls[] = {
    {"socket", {41, 359, 198}, EPERM, false, 3, ALLOWED(sockets)},
    {"socketpair", {53, 360, 199}, EPERM, false, 3, ALLOWED(pairs)},
    {"socketcall", {-1, 102, -1}, EPERM, false, NOTHING},
    {"io_uring_setup", {425, 425, 425}, ENOSYS, false, NOTHING},
    {"io_uring_enter", {426, 426, 426}, ENOSYS, false, NOTHING},
    {"io_uring_register", {427, 427, 427}, ENOSYS, false, NOTHING},
    {"pidfd_getfd", {438, 438, 438}, EPERM, false, NOTHING},
    {"request_key", {249, 287, 218}, EPERM, false, NOTHING},
    {"add_key", {248, 286, 217}, ENOSYS, false, NOTHING},
    {"keyctl", {250, 288, 219}, ENOSYS, false, NOTHING},
    {"clone", {56, 120, 220}, EPERM, true, 1, ALLOWED(namespaces)},
    {"unshare", {272, 310, 97}, EPERM, true, 1, ALLOWED(namespaces)},
    {"clone3", {435, 435, 435}, ENOSYS, true, NOTHING},
    {"setns", {308, 346, 268}, EPERM, true, NOTHING},
};
const size_t allowlist_calls_count = array_size(allowlist_calls);

bool allowlist_restricts(const struct allowlist_call *call, const struct seccomp_options *options)
{
    return !(call->unless_nested && options->nested);
}

const struct allowlist_call *allowlist_find(const char *name, const struct seccomp_options *options)
{
    for (size_t i = 0; i < allowlist_calls_count; i++)
        if (strcmp(allowlist_calls[i].name, name) == 0 && allowlist_restricts(&allowlist_calls[i], options))
            return &allowlist_calls[i];
    return NULL;
}
