/* SPDX-License-Identifier: Apache-2.0
 *
 * What is generated at build time (generate.c): R as BPF for every architecture, and what R denies of each
 * restricted call, as cubes. */
#pragma once

#include "seccomp/cube.h"

#include <linux/filter.h>

enum {
    FILTER_NESTED = 1,
    FILTER_I386 = 2,
    FILTER_VARIANTS = 4,
};

extern const struct sock_fprog filters_x86_64[FILTER_VARIANTS];
extern const struct sock_fprog filters_aarch64[FILTER_VARIANTS];

struct filter_denied {
    const struct cube *items;
    size_t count;
};

/* By index in allowlist_calls: all that the call's `allowed` does not hold; nothing where that holds nothing.
 */
extern const struct filter_denied filter_denied[];
