/* SPDX-License-Identifier: Apache-2.0
 *
 * The guard: a constant nftables table in the member's own namespace, the second wall. It knows no policy: it
 * says that this namespace talks TCP over IPv4 through sp0 and to itself, and nothing else, whatever links,
 * addresses or resolvers an engine adds later. Which TCP is for the hub to say.
 *
 *     output   lo is free but for 127.0.0.11, where Docker's embedded resolver listens inside the container
 *              and forwards from the host; sp0 takes TCP; the rest is rejected, so that the sender knows at
 *              once.
 *     input    the same mirrored; what is not expected is dropped. No ICMP from sp0: the hub lets none
 * through and makes none. The errors made by the rejects above come in through lo. forward  nothing.
 *
 * 127.0.0.11 is looked at as a destination, in both hooks, at the filter's priority: that is after every
 * destination translation of the output and the prerouting hook. The resolver is reached by such a
 * translation, and what arrives at its socket has its address by then, whatever it had before. What it would
 * answer needs no rule of its own, and the kernel's refusals must be able to come from its address. */
#pragma once

#include "base/error.h"
#include "netns/netlink.h"

#include <stdbool.h>

/* Installs the guard, in place of one that is there. `nf` is a NETLINK_NETFILTER socket in the member's
 * namespace. `only_sp0`: for roles that keep their other links and for the proxy: the same rules for sp0,
 * nothing said about other links except that nothing is forwarded between them and sp0. */
int guard_install(struct netlink *nf, bool only_sp0, struct error *err);

/* Checks that the guard is there as it was installed: no chain, policy or rule is missing, added or changed.
 * Returns -ENOENT if it is gone, -EBADMSG if it was changed. */
int guard_check(struct netlink *nf, bool only_sp0, struct error *err);
