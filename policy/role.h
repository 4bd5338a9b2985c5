/* SPDX-License-Identifier: Apache-2.0
 *
 * One role of the policy file, see role.c. */
#pragma once

#include "policy/policy.h"
#include "policy/reader.h"

/* Reads the role that stands in the file as `object` into `role`, which is one of policy->roles and has its
 * name already; so have all the others, and those before it are complete. What was read before a failure is
 * left in `role` for policy_free. */
int role_read(const struct reader *reader, const struct place *at, json_t *object,
              const struct policy *policy, struct policy_role *role);
