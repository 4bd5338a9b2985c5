/* SPDX-License-Identifier: Apache-2.0
 *
 * Bringing a network up: the one place where the policy files and the kernel meet. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

/* Opens the network's hub, made first if there is none (then no other network's policy may overlap this one).
 * See hub_ensure. Returns a descriptor of the hub. */
int network_ensure(const struct policy *policy, int host_netns, struct error *err);

/* Refuses a namespace that is the hub of any network that is up: a container that joined one would be the
 * router of all its members, and settling its links would delete theirs. */
int network_refuse_hub(int netns, struct error *err);
