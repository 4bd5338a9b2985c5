/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses as the proxies' configurations need them, whichever proxy it is (squid.c, envoy.c). */
#pragma once

#include "policy/policy.h"

/* Ranges that hold no host of the internet, in CIDR notation; ends with NULL. The documentation ranges
 * (TEST-NET) are missing on purpose: nothing routes them, and they are the internet of the tests. */
extern const char *const proxy_forbidden_v4[];

/* The prefix length of a role's addresses: a pool is a CIDR range, so its size is a power of two. */
unsigned proxy_prefix(const struct policy_range *range);
