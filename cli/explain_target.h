/* SPDX-License-Identifier: Apache-2.0
 *
 * HOST[:PORT] of `sallyport explain`: what a program in a member would connect to, over TCP.
 *
 * Invariant: names mean what they mean in a member. Its hosts file knows `localhost`, `proxy` and the roles
 * with one address; there is no DNS, so every other name is one for the proxy. Addresses are read as the
 * kernel reads them: ::1, :: and 0.0.0.0 are loopback, ::ffff:10.0.0.1 is 10.0.0.1. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

enum target_kind {
    TARGET_IPV4, /* `to` */
    TARGET_IPV6, /* neither loopback nor IPv4 in disguise */
    TARGET_NAME, /* `name` only */
};

struct target {
    enum target_kind kind;
    uint16_t port;
    struct policy_range to;           /* one address, or all of a role */
    char name[POLICY_HOST_SIZE];      /* lower-cased; "" if it was written as an address */
    char text[POLICY_HOST_SIZE + 16]; /* HOST:PORT, for messages */
};

/* Reads what the user wrote. Without a port, 443 is meant, and the proxy's own for `proxy`; a role has to be
 * given one.
 *
 * Returns 0, or -EINVAL if it is neither a name nor an address, or says no port where one is needed. */
int target_parse(const struct policy *policy, const char *text, struct target *ret, struct error *err);
