/* SPDX-License-Identifier: Apache-2.0
 *
 * The guard: a constant nftables table in the member's own namespace, the second wall. It knows no policy but
 * the subnet: it says that this namespace talks TCP over IPv4 with the subnet through sp0, and to itself, and
 * nothing else, whatever links, addresses or resolvers an engine adds later. Which TCP is for the hub to say.
 *
 *     output   lo is free but for 127.0.0.11, where Docker's embedded resolver listens inside the container
 *              and forwards from the host; sp0 takes TCP to the subnet; the rest is rejected, so that the
 *              sender knows at once.
 *     input    the same mirrored; what is not expected is dropped. No ICMP from sp0: the hub lets none
 *              through and makes none. The errors made by the rejects above come in through lo.
 *     forward  nothing.
 *
 * Why the subnet: a socket that is bound to sp0 passes the unreachable default, and the hub has no route for
 * what it then sends elsewhere, so nobody would answer and the program would hang.
 *
 * 127.0.0.11 is looked at as a destination, in both hooks, at the filter's priority: that is after every
 * destination translation of the output and the prerouting hook. The resolver is reached by such a
 * translation, and what arrives at its socket has its address by then, whatever it had before. What it would
 * answer needs no rule of its own, and the kernel's refusals must be able to come from its address. TCP
 * resets pass to it as well: who connects to 127.0.0.11 from 127.0.0.11 is refused by one, and no socket is
 * given what is in a reset. */
#pragma once

#include "base/error.h"
#include "netns/netlink.h"
#include "policy/policy.h"

#include <stdbool.h>

struct guard {
    struct policy_range subnet;
    bool only_sp0; /* for roles that keep their other links and for the proxy: nothing is said about other
                      links except that nothing is forwarded between them and sp0 */
};

/* Installs the guard, in place of one that is there. `nf` is a NETLINK_NETFILTER socket in the member's
 * namespace. */
int guard_install(struct netlink *nf, const struct guard *guard, struct error *err);

/* Checks that the guard is there as it was installed: no chain, policy or rule is missing, added or changed.
 * Returns -ENOENT if it is gone, -EBADMSG if it was changed. */
int guard_check(struct netlink *nf, const struct guard *guard, struct error *err);
