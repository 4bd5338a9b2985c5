/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/proxy_addresses.h"

const char *const proxy_forbidden_v4[] = {
    "0.0.0.0/8",      /* "this" network: Linux connects to itself */
    "10.0.0.0/8",     /* private */
    "100.64.0.0/10",  /* carrier-grade NAT, and metadata services of some clouds */
    "127.0.0.0/8",    /* loopback */
    "169.254.0.0/16", /* link-local, and metadata services */
    "172.16.0.0/12",  /* private */
    "192.0.0.0/24",   /* protocol assignments, and metadata services */
    "192.88.99.0/24", /* 6to4 relays */
    "192.168.0.0/16", /* private */
    "198.18.0.0/15",  /* benchmarks */
    "224.0.0.0/4",    /* multicast */
    "240.0.0.0/4",    /* reserved, broadcast */
    NULL,
};

unsigned proxy_prefix(const struct policy_range *range)
{
    unsigned prefix = 32;

    for (uint32_t bits = range->last - range->first; bits != 0; bits >>= 1)
        prefix--;
    return prefix;
}
