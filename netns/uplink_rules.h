/* SPDX-License-Identifier: Apache-2.0
 *
 * The host's own table for one network's uplink. The host's end trusts nobody, not even the hub: a member
 * with CAP_NET_ADMIN and no user namespace can send past every rule of the hub.
 *
 *     prerouting  before connection tracking and address translation, so that no other table's translation
 *                 comes first: from the uplink only requests to the proxy and answers from published ports;
 *                 from any other link (but lo) nothing to or from an address of the subnet (the weak host
 *                 model would take it).
 *     input       both once more, after address translation: what another table's `dnat to` has led to an
 *                 address of the subnet had another destination before.
 *     output      to the uplink only the proxy's answers and requests to published ports.
 *     forward     nothing between the uplink and any other link.
 *
 * A drop is final whatever another table accepts, and these chains accept by policy: what has nothing to do
 * with the network passes untouched. IPv6 never matches an exception. */
#pragma once

#include "base/error.h"
#include "netns/netlink.h"
#include "policy/policy.h"

#include <stdbool.h>

/* Installs the table, in place of one that is there, in one transaction. One that was put to sleep, or was
 * given other chains or other hooks, is deleted in it first. `nf` is a NETLINK_NETFILTER socket in the host's
 * namespace. */
int uplink_rules_install(struct netlink *nf, const struct policy *policy, struct error *err);

/* Checks that the table is as uplink_rules_install makes it for this policy; `in_force` false: but for its
 * rules, which may be those of another one. Returns -ENOENT if it is gone, -EBADMSG if it was changed: the
 * error says what. */
int uplink_rules_compare(struct netlink *nf, const struct policy *policy, bool in_force, struct error *err);

/* Removes the table. None is not an error. */
int uplink_rules_remove(struct netlink *nf, const char *network, struct error *err);
