/* SPDX-License-Identifier: Apache-2.0
 *
 * Is a table still what we made it? The kernel's own list is compared with the requests that would make the
 * table now, so there is nothing to remember and nothing to forge: every attribute of a request must be in
 * the answer with the same value. Attributes that only the kernel has (handles, positions, what a later
 * kernel adds) do not count; a chain or a rule or an expression more, less or in another order does. */
#pragma once

#include "base/error.h"
#include "netns/netlink.h"

/* Checks that the inet table is as the unsent transaction `batch` would make it: awake, the same chains with
 * hook, priority and policy, and the same rules in the same order. The batch makes one table and appends its
 * rules in the order of its chains.
 *
 * Returns 0, -ENOENT if the table is gone, -EBADMSG if anything in it differs. */
int nft_compare(struct netlink *nf, const struct netlink_batch *batch, const char *table, struct error *err);
