/* SPDX-License-Identifier: Apache-2.0
 *
 * Stranded members: containers that have lost their link. A hub that somebody else than `sallyport network
 * down` has deleted (`ip netns delete`), or a link that was, is gone at once and for good: the container
 * stays behind its guard, reaches nobody, and nothing in the hub tells of it. Its guard does. Only reads; a
 * link is made when a container starts, so a restart mends it. */
#pragma once

#include "base/error.h"
#include "netns/finding.h"
#include "netns/tenants.h"
#include "policy/policy.h"

/* Adds a finding for every network namespace in which somebody lives and that has this network's guard, as it
 * was made, but no link. Enters each namespace that a process is in, once, but the caller's, those of
 * `tenants` (they live behind a link of the hub) and those that another user has made. One that has just
 * ended, or that may not be looked at, has none. A container that may make namespaces can make one that is
 * found: call it last, so that many hide nothing else. */
int stranded_look(const struct policy *policy, const struct tenant *tenants, size_t count,
                  struct findings *findings, struct error *err);
