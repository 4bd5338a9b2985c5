/* SPDX-License-Identifier: Apache-2.0
 *
 * Bringing a network up: the one place where the policy files and the kernel meet. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

/* Opens the network's hub, made first if there is none (then no other network's policy may overlap this one).
 * See hub_ensure. Returns a descriptor of the hub. */
int network_ensure(const struct policy *policy, int host_netns, struct error *err);
