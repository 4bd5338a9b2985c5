/* SPDX-License-Identifier: Apache-2.0
 *
 * Is the host's side of a network still as it was made? Anything on the host may have changed it: a
 * firewall's restart, a network manager, an administrator. Only reads; `sallyport network reload` repairs. */
#pragma once

#include "base/error.h"
#include "netns/finding.h"
#include "policy/policy.h"

#include <stdbool.h>

/* Adds a finding for everything of the uplink that is missing, was changed or leads elsewhere. A policy
 * without uplink has nothing to look at. `in_force`: the hub runs this policy, so the host's rules have to be
 * its, too. */
int uplink_look(const struct policy *policy, bool in_force, int hub, int host_netns,
                struct findings *findings, struct error *err);
