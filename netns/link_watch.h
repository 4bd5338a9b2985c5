/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernel tells of links as it happens: for who has to know which link a packet came by, although the
 * link may be gone by the time that is asked. */
#pragma once

#include "base/error.h"
#include "netns/link.h"
#include "netns/netlink.h"

/* Has the kernel tell of every link that is made or changed from now on. The socket, NETLINK_ROUTE in the
 * namespace of the links, is used for nothing else. */
int link_watch(struct netlink *watch, struct error *err);

/* Reads what has been told since the last call, without waiting, up to the link that had this altname.
 * Returns -ENODEV if there was none. What the kernel had no room for is not told again. */
int link_watch_find(struct netlink *watch, const char *altname, struct link *ret, struct error *err);

/* The same in what was told at once, in `size` bytes. Returns whether it is there; *ret is untouched if not.
 */
bool link_watch_parse(const void *told, size_t size, const char *altname, struct link *ret);
