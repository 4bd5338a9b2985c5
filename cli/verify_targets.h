/* SPDX-License-Identifier: Apache-2.0
 *
 * What the probe is sent against, found from outside: what the policy allows the role, and what is really
 * there to be reached if a wall were missing. The probe itself sees only what its container shows it. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    VERIFY_TARGETS_MAX = 160,
    VERIFY_TARGET_KEY_MAX = 32, /* values of one key, as the probe takes them (probe/battery.h) */
};

struct verify_texts {
    char *texts[VERIFY_TARGETS_MAX];
    size_t count;
};

struct verify_targets {
    struct verify_texts arguments; /* "KEY=VALUE" for the probe */
    struct verify_texts left_out;  /* what cannot be tried, and why, for people */
};

/* `hub`: the network's. `marker`: in every payload. On failure and on success for verify_targets_free. */
int verify_targets_find(const struct policy *policy, const struct policy_role *role, int hub,
                        const char *marker, struct verify_targets *ret, struct error *err);

void verify_targets_free(struct verify_targets *targets);
