/* SPDX-License-Identifier: Apache-2.0
 *
 * The socket allow-list in its three forms: composed into a container's own OCI profile (algebra on JSON),
 * as a complete OCI profile, and as a ready-made BPF filter for injection into a waiting init.
 *
 * Invariant: whatever profile goes in, the profile that comes out allows a system call only if the input
 * allows it and our rule R allows it. What cannot be decided is refused. This folder knows nothing of
 * networks. */
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <sys/types.h>

struct seccomp_options {
    bool nested; /* new user and network namespaces are allowed */
    bool i386;   /* the i386 ABI is allowed */
};

/* Composes P and R. `profile` is `linux.seccomp` of an OCI config, or NULL where the container has none; it
 * is not changed. Composing twice equals composing once. Unknown keys of the profile are kept.
 *
 * *ret is a new reference for the caller. -EINVAL if P is malformed or a condition cannot be decided. */
int seccomp_compose(const json_t *profile, const struct seccomp_options *options, json_t **ret,
                    struct error *err);

/* Whether the profile (NULL: none) already implies R, so that nothing has to be injected. Errs to "no". */
bool seccomp_implies(const json_t *profile, const struct seccomp_options *options);

/* A complete OCI profile (docker --security-opt seccomp=FILE): everything a default engine profile allows,
 * with R. *ret is a new reference. */
int seccomp_profile(const struct seccomp_options *options, json_t **ret, struct error *err);

/* R alone as a BPF program for this machine, precomputed at build time. Borrowed, static. */
const struct sock_fprog *seccomp_filter(const struct seccomp_options *options);

/* Installs the filter in all threads of the process (TSYNC), which must be an init waiting for its runtime.
 * `pidfd` is the process that was checked; `pid` its number.
 *
 * The process continues exactly where it was. On any failure it is killed (EXITKILL) or left as it was, and
 * an error returned: never a container without the filter and no error. */
int seccomp_inject(pid_t pid, int pidfd, const struct sock_fprog *filter, struct error *err);
