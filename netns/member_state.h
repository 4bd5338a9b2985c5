/* SPDX-License-Identifier: Apache-2.0
 *
 * What a member's namespace holds: the routes that an attach makes, and telling ours from foreign ones. The
 * same functions describe a route to attach and to the checks before start, so that the two cannot differ. */
#pragma once

#include "netns/guard.h"
#include "netns/member.h"
#include "netns/route.h"

/* Whether a member of the role keeps its other links and routes: the proxy, and roles whose policy says so.
 */
bool member_keeps_links(const struct member_request *request);

/* The guard of this member. */
struct guard member_guard(const struct member_request *request);

/* The route to the subnet through `index`, the member's sp0. */
struct route member_subnet_route(const struct policy *policy, uint32_t address, int index);

/* The default route that fails at once. */
struct route member_unreachable_route(uint8_t family);

/* The hub's route to the member, through `index`, the hub's end of its link. */
struct route member_hub_route(uint32_t address, int index);

/* Has the hub forget the member at the other end of the link: its route, and the link (link_retire). */
int member_retire(struct netlink *hub, const struct link *link, struct error *err);
