/* SPDX-License-Identifier: Apache-2.0
 *
 * Which address a member gets. The kernel is the database: making the hub link named after an address is the
 * allocation, atomic, and a name that is taken is an address that is taken. Nothing is stored anywhere else
 * and nothing has to be cleaned up: the name goes when the member's namespace goes.
 *
 * Invariant: no address is given twice, and no container gets two. */
#pragma once

#include "base/error.h"
#include "netns/link.h"
#include "netns/member.h"
#include "netns/netlink.h"

/* Makes the pair of links for the request (netns/link.h), both ends down. `hub` and `member` are
 * NETLINK_ROUTE sockets in the two namespaces, `altname` is the container's (member_altname).
 *
 * What the container's own predecessor has left is waited for or deleted. *ret_link: the hub's end. */
int address_take(const struct member_request *request, const char *altname, struct netlink *hub,
                 struct netlink *member, struct link *ret_link, uint32_t *ret_address, struct error *err);

/* Refuses a container whose id another one has, on that link. Returns -EBUSY. */
int address_refuse_attached(const char *id, const struct link *link, struct error *err);
