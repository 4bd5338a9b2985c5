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
    VERIFY_TARGETS_MAX = 640,
    VERIFY_TARGET_KEY_MAX = 128, /* values of one key, as the probe takes them (probe/battery.h) */
    VERIFY_HOSTS_MAX = VERIFY_TARGET_KEY_MAX - 3, /* addresses of this host; there are three more listeners */
    VERIFY_FAR_MAX = VERIFY_TARGET_KEY_MAX / 2,   /* and there are some of ours */
};

struct verify_texts {
    char *texts[VERIFY_TARGETS_MAX];
    size_t count;
};

struct verify_targets {
    struct verify_texts arguments; /* "KEY=VALUE" for the probe */
    struct verify_texts left_out;  /* what cannot be tried, and why, for people */
};

struct verify_quest {
    const struct policy *policy;
    const struct policy_role *role;
    int hub;                /* the network's */
    const char *marker;     /* in every payload */
    uint16_t listener;      /* the port at which this host listens for it */
    const char *const *far; /* the administrator's own hosts outside */
    size_t far_count;
    const char *inward; /* "HOST[:PORT]", a name that the policy allows and that leads inward; or NULL */
};

/* Checks a --far and an --inward. */
int verify_targets_check_far(const struct policy *policy, const char *far, struct error *err);
int verify_targets_check_inward(const struct policy_role *role, const char *inward, struct error *err);

/* The options are checked already. On failure and on success for verify_targets_free. */
int verify_targets_find(const struct verify_quest *quest, struct verify_targets *ret, struct error *err);

/* Whether anything was found for that key of the probe. */
bool verify_targets_have(const struct verify_targets *targets, const char *key);

void verify_targets_free(struct verify_targets *targets);
