/* SPDX-License-Identifier: Apache-2.0
 *
 * The IPv4 addresses that are no host of the internet, and to which no proxy leads, whatever name resolves to
 * them. One list for all of them. */
#pragma once

#include <stddef.h>

struct forbidden_list {
    const char *const *ranges; /* in CIDR notation */
    size_t count;
};

extern const struct forbidden_list forbidden_v4;
