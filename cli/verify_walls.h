/* SPDX-License-Identifier: Apache-2.0
 *
 * What no attempt can find out by trying: a rule that lets one port pass of all those that nobody tried, a
 * link of the hub that leads elsewhere. The hub and the host's end are compared with what Sallyport makes,
 * and the result is one more line of the group `arrivals`. */
#pragma once

#include "cli/verify_lines.h"
#include "policy/policy.h"

/* The last of a run: who is not root does not come back from there to the host's namespace
 * (netns/namespace.h).
 *
 * `own`: the thread's network namespace, the host's. */
int verify_walls_add(const struct policy *policy, int hub, int own, struct verify_lines *lines,
                     struct error *err);
