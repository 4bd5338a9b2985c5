/* SPDX-License-Identifier: Apache-2.0
 *
 * Picks the filter of the architecture that this is built for. */
#include "seccomp/filter.h"

#include "seccomp/seccomp.h"

const struct sock_fprog *seccomp_filter(const struct seccomp_options *options)
{
    unsigned variant = (options->nested ? FILTER_NESTED : 0) | (options->i386 ? FILTER_I386 : 0);

#if defined(__x86_64__)
    return &filters_x86_64[variant];
#elif defined(__aarch64__)
    return &filters_aarch64[variant];
#else
#error "no filter for this architecture"
#endif
}
