/* SPDX-License-Identifier: Apache-2.0
 *
 * Is the host's side of a network still as it was made? Anything on the host may have changed it: a
 * firewall's restart, a network manager, an administrator. Only reads; `sallyport network reload` repairs.
 *
 * The rules in the host's table are not compared, only that its chains are there. */
#pragma once

#include "base/error.h"
#include "netns/finding.h"
#include "policy/policy.h"

/* Adds a finding for everything of the uplink that is missing or leads elsewhere. A policy without
 * uplink has nothing to look at. */
int uplink_look(const struct policy *policy, int hub, int host_netns, struct findings *findings,
                struct error *err);
