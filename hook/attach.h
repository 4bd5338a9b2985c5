/* SPDX-License-Identifier: Apache-2.0
 *
 * Attaching a container to its network: the whole of createRuntime (or prestart), from a checked state to a
 * sealed namespace.
 *
 * Theory of operation. Look first, then the filter, then the link. Everything that can be refused is refused
 * before anything is made. The seccomp filter goes in before the link exists: its failure then needs no
 * roll-back. member_attach undoes itself on failure, so after an error nothing of ours is left anywhere. */
#pragma once

#include "base/error.h"
#include "hook/state.h"
#include "policy/policy.h"

#include <jansson.h>

struct attach_request {
    const struct state *state;
    const json_t *config; /* from voucher_load or config_load */
    int bundle;
    const struct policy *policy;
    const struct policy_role *role;
};

/* Seals the waiting container, or fails and changes nothing. A container that is sealed already (both stages
 * are configured, or a pod shares the namespace) is checked and left as it is. */
int attach(const struct attach_request *request, struct error *err);
