/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether there is an address left for the throw-away container: asked before anything is started, because a
 * hook that fails for lack of one says so in the engine's words. It may be taken a moment later: then the
 * hook says it after all. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

/* `hub`: the network's. The error names the container that is in the way. */
int verify_address_check(const struct policy *policy, const struct policy_role *role, int hub,
                         struct error *err);
