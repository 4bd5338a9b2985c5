/* SPDX-License-Identifier: Apache-2.0
 *
 * Are the members' guards still as they were made? Nobody in a container can change his (there is no
 * CAP_NET_ADMIN), but an engine, or an administrator with nsenter, can. Only reads; a guard is made when a
 * container starts, so a restart mends it. */
#pragma once

#include "base/error.h"
#include "netns/finding.h"
#include "netns/hub.h"
#include "netns/tenants.h"
#include "policy/policy.h"

#include <stddef.h>

/* Adds a finding for every member whose guard is gone or was changed. `tenants`: of the members, who lives
 * there; `policy`: the one that the hub runs. A member that has just ended, or that may not be looked at, has
 * none. */
int member_look(const struct policy *policy, const struct hub_member *members, const struct tenant *tenants,
                size_t count, struct findings *findings, struct error *err);
