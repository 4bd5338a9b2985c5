/* SPDX-License-Identifier: Apache-2.0
 *
 * R as BPF for every architecture, generated at build time (generate.c). */
#pragma once

#include <linux/filter.h>

enum {
    FILTER_NESTED = 1,
    FILTER_I386 = 2,
    FILTER_VARIANTS = 4,
};

extern const struct sock_fprog filters_x86_64[FILTER_VARIANTS];
extern const struct sock_fprog filters_aarch64[FILTER_VARIANTS];
