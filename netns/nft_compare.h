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
 * hook, priority and policy, and in each the same rules in the same order. The batch makes one table.
 * `unknown`: names of chains, ended by NULL, that the batch has no rules for because nobody knows them: they
 * are not looked at.
 *
 * Returns 0, -ENOENT if the table is gone, -EBADMSG if anything in it differs: the error says what. */
int nft_compare(struct netlink *nf, const struct netlink_batch *batch, const char *table,
                const char *const unknown[], struct error *err);

/* The same without the rules: what a transaction that replaces them would not mend. */
int nft_compare_chains(struct netlink *nf, const struct netlink_batch *batch, const char *table,
                       struct error *err);

/* Checks that the set has exactly the elements that the batch would give it. Returns as nft_compare. */
int nft_compare_elements(struct netlink *nf, const struct netlink_batch *batch, const char *table,
                         const char *set, struct error *err);
