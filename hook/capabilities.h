/* SPDX-License-Identifier: Apache-2.0
 *
 * The capabilities of a container's config: which are taken away (NET_RAW and NET_ADMIN, always) and which
 * cannot be contained unless the container has a user namespace of its own. Every set counts: what is in the
 * bounding set alone can be regained by executing a file. */
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>

/* Removes NET_RAW and NET_ADMIN from every set of `process.capabilities` (may be NULL). */
void capabilities_remove_network(json_t *capabilities);

/* Removes from every set of `capabilities` (may be NULL) what the bounding set of `limit` (NULL: none) does
 * not have, and NET_RAW and NET_ADMIN in any case: what a container's own process cannot have, nobody gets
 * who joins it. */
void capabilities_restrict(json_t *capabilities, const json_t *limit);

/* Whether any set of `capabilities` (may be NULL) has CAP_NET_ADMIN. */
bool capabilities_have_net_admin(const json_t *capabilities);

/* Refuses capabilities with which a process without user namespace leaves any sandbox; the error names the
 * first. */
int capabilities_check(const json_t *capabilities, struct error *err);
