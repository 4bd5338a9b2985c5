/* SPDX-License-Identifier: Apache-2.0
 *
 * A policy as flows: who may open a TCP connection to whom, at which port. The only translation from policy
 * to packets; the hub's and the uplink's rules are made of it.
 *
 * Invariant: a flow speaks for the role that it was made for and for nobody else. That holds because a
 * policy's ranges neither overlap nor contain the host's or the proxy's address (policy/policy.h). Two equal
 * flows, of a port published twice, are one to the kernel. */
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

/* From the roles that reach the proxy to each of its ports. */
void flows_to_proxy(const struct policy *policy, struct flows *flows);

/* From the host's address to published ports. */
void flows_published(const struct policy *policy, struct flows *flows);

/* All of them, and those from roles to the roles they reach. */
void flows_of_policy(const struct policy *policy, struct flows *flows);
