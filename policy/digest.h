/* SPDX-License-Identifier: Apache-2.0
 *
 * The digest of a policy, see digest.c. */
#pragma once

#include "policy/policy.h"

/* Writes 16 hexadecimal digits and a NUL. */
void digest_policy(const struct policy *policy, char ret[POLICY_DIGEST_SIZE]);
