/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading an OCI seccomp profile as the runtimes do, and asking it what it allows. Nothing is guessed: what
 * runc and crun would read differently, or what is left to a supervisor, is refused or counts as denied.
 *
 * What a rule of the profile says is taken as it is meant, not as libseccomp happens to merge it: a call is
 * allowed only if a rule allows it and no rule denies it. */
#pragma once

#include "seccomp/cube.h"
#include "seccomp/seccomp.h"

#include <stdint.h>

enum profile_comparison {
    PROFILE_NE,
    PROFILE_LT,
    PROFILE_LE,
    PROFILE_EQ,
    PROFILE_GE,
    PROFILE_GT,
    PROFILE_MASKED_EQ,
};

struct profile_condition {
    unsigned argument;
    enum profile_comparison comparison;
    uint64_t value; /* the mask for PROFILE_MASKED_EQ */
    uint64_t value_two;
};

enum { PROFILE_CONDITIONS_MAX = 6 };

struct profile_rule { /* all conditions must hold */
    bool permits;
    struct profile_condition conditions[PROFILE_CONDITIONS_MAX];
    size_t count;
};

struct profile_rules { /* of one system call */
    struct profile_rule *items;
    size_t count;
};

/* Checks the form of the whole profile: types, actions, comparisons, and that no key is one of ours in
 * another spelling (runc ignores case, crun does not). */
int profile_check(const json_t *profile, struct error *err);

/* Whether a call that no rule mentions goes through. */
bool profile_permits_by_default(const json_t *profile);

/* Whether the profile's default is SCMP_ACT_ERRNO, and with which errno. */
bool profile_default_errno(const json_t *profile, int *ret_errno);

/* The rules of the call in a checked profile. Release with profile_rules_free. */
int profile_rules_read(const json_t *profile, const char *name, struct profile_rules *ret, struct error *err);

void profile_rules_free(struct profile_rules *rules);

/* Adds to *ret what the rules allow of `cube`, in a form that depends only on the set of arguments, not on
 * how the rules say it. -EINVAL if that cannot be said in CUBE_SET_MAX cubes, or a condition is on another
 * argument than the first `arguments`, which are those that are 32 bits to the kernel. */
int profile_intersect(const struct profile_rules *rules, bool permits_by_default, unsigned arguments,
                      const struct cube *cube, struct cube_set *ret, struct error *err);
