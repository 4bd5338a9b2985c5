/* SPDX-License-Identifier: Apache-2.0
 *
 * What is in a hub and not ours, or not as it was made: nobody but Sallyport has anything to do there. A
 * container with CAP_NET_ADMIN and no user namespace could put links into it (which is why none is left with
 * it), an administrator by mistake anything.
 *
 * Only reads. */
#pragma once

#include "base/error.h"
#include "netns/finding.h"
#include "netns/hub.h"
#include "policy/policy.h"

/* Adds a finding for every table, link, address, route and routing rule of the hub at `netns` that is not
 * ours, and one if our own table is not as we made it. `policy` is the file's, whether the hub runs it or
 * not; NULL: then the rules that say it are not looked at, and the route of absent members is taken for ours
 * whatever it says. */
int hub_foreign(int netns, const char *network, const struct policy *policy, struct findings *findings,
                struct error *err);

/* Adds a finding for every setting that the hub relies on and that was changed, its links' included. */
int hub_settings(int netns, const char *network, const struct hub_member *members, size_t count,
                 struct findings *findings, struct error *err);
