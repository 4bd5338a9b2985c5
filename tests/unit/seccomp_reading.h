/* SPDX-License-Identifier: Apache-2.0
 *
 * A plain reading of an OCI seccomp profile, rule by rule, as runtimes understand it: what a composed filter
 * is held against for the profile's side, as it is against seccomp_oracle.h for the rule's. */
#pragma once

#include <jansson.h>
#include <linux/seccomp.h>
#include <stdbool.h>

/* Whether the profile permits the call, by a rule or by default, and no rule denies it. */
bool reading_permits(const json_t *profile, const char *name, const struct seccomp_data *call);
