/* SPDX-License-Identifier: Apache-2.0
 *
 * A policy as flows: who may open a TCP connection to whom, at which port. The only translation from policy
 * to packets; the hub's and the uplink's rules are made of it.
 *
 * Invariant: the host's and the proxy's address are never part of another role's flows, even where a pool
 * around them contains them: such an address speaks for itself only. */
#pragma once

#include "netns/nft.h"
#include "policy/policy.h"

#include <stddef.h>

struct flows {
    struct nft_flow *list;
    size_t count;
};

void flows_free_at(struct flows *flows);
#define cleanup_flows __attribute__((cleanup(flows_free_at)))

/* Each appends to `flows` and aborts on lack of memory. */

/* From the roles that reach the proxy to the proxy. */
void flows_to_proxy(const struct policy *policy, struct flows *flows);

/* From roles to the roles they reach. */
void flows_between_roles(const struct policy *policy, struct flows *flows);

/* From the host's address to published ports. */
void flows_published(const struct policy *policy, struct flows *flows);

/* All of them. */
void flows_of_policy(const struct policy *policy, struct flows *flows);
