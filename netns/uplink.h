/* SPDX-License-Identifier: Apache-2.0
 *
 * The uplink: the one link between a hub and the host. Its host end `sp-<network>` has the proxy's address
 * (where the proxy is on the host) and the host's own, from which published ports are reached. A network
 * whose proxy is a member and that publishes nothing has no uplink: it has no business with the host at all.
 *
 * The host's end trusts nobody, not even the hub: a table that lets members through to the proxy's address
 * and port and nothing else (netns/uplink_rules.h), no forwarding, and a route to the subnet that only the
 * host's own packets find, because it is in a table of its own behind `iif lo`. With ip_forward=1 (any Docker
 * host) a route in the main table let a LAN machine and a bridge container reach the members.
 *
 * Invariant: the rules are there before the link is up, and the hub's end is up last. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <net/if.h>
#include <stdbool.h>

#define UPLINK_ALIAS "uplink (host)" /* of the hub's end; no role can have that name */

/* Whether a network of this policy has an uplink. */
bool uplink_needed(const struct policy *policy);

/* Refuses a policy whose network has an uplink, with what to change in it, where the caller has no way to the
 * host's namespace (base/rootless.h). */
int uplink_check_possible(const struct policy *policy, struct error *err);

/* The name of the host's end. */
void uplink_name(const char *network, char ret_name[IFNAMSIZ]);

/* Makes the uplink, or repairs the one there is (rules, addresses, neighbours, routes, up). Refuses if the
 * subnet overlaps a route or an address of the host. On failure a link that this call made is gone again. */
int uplink_ensure(const struct policy *policy, int hub, int host_netns, struct error *err);

/* Removes link, routing rule and rules, whatever of it is there. */
int uplink_remove(const char *network, int host_netns, struct error *err);
