/* SPDX-License-Identifier: Apache-2.0
 *
 * The rule R: which system calls are restricted, and which arguments of them remain allowed. One table, from
 * which the BPF filters are generated at build time and into which profiles are composed.
 *
 * A call is in the table if it opens a way to the network that no wall of a network namespace sees, or a way
 * to a namespace or socket of somebody else:
 *
 * - socket, socketpair: the socket allow-list;
 * - socketcall: i386's way to make a socket, its arguments in memory where no filter can look;
 * - io_uring_*: IORING_OP_SOCKET makes sockets without a system call. ENOSYS, so that programs fall back;
 * - pidfd_getfd: takes a socket out of another process of the same user;
 * - request_key: makes the kernel run /sbin/request-key in the host's namespaces. A "dns_resolver" key is a
 *   query to the host's DNS for a name of the caller's choice;
 * - add_key, keyctl: a user's keyring is one for all containers, and for the host, that share his user
 * namespace (security/keys/process_keys.c, look_up_user_keyrings): a blackboard between roles, and root's
 * keys. ENOSYS, which runtimes take for a kernel without keys;
 * - clone, unshare with CLONE_NEWUSER or CLONE_NEWNET: every capability over a network of their own;
 * - clone3: the same, its flags in memory where no filter can look. ENOSYS: libc falls back to clone;
 * - setns: into somebody else's namespace.
 *
 * clone, unshare, clone3 and setns are not restricted for roles with `nested`. */
#pragma once

#include "seccomp/cube.h"
#include "seccomp/seccomp.h"

enum allowlist_abi {
    ALLOWLIST_X86_64,
    ALLOWLIST_I386,
    ALLOWLIST_AARCH64,
    ALLOWLIST_ABIS,
};

struct allowlist_call {
    const char *name;
    int number[ALLOWLIST_ABIS]; /* -1 where the ABI has no such call */
    int error;                  /* errno where the choice is ours; ENOSYS is kept in every profile */
    bool unless_nested;         /* not restricted if options.nested */
    unsigned arguments;         /* how many of the first arguments are 32 bits to the kernel */
    const struct cube *allowed; /* disjoint; NULL: nothing */
    size_t allowed_count;
};

extern const struct allowlist_call allowlist_calls[];
extern const size_t allowlist_calls_count;

/* Whether the call is restricted under these options. */
bool allowlist_restricts(const struct allowlist_call *call, const struct seccomp_options *options);

/* The restricted call of that name, NULL if there is none. */
const struct allowlist_call *allowlist_find(const char *name, const struct seccomp_options *options);
