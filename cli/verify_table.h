/* SPDX-License-Identifier: Apache-2.0
 *
 * What `sallyport verify` prints: the table for people, and the JSON document for programs. */
#pragma once

#include "cli/verify_lines.h"
#include "cli/verify_targets.h"

struct verify_view {
    const struct policy *policy;
    const struct policy_role *role;
    const char *engine; /* "runc", "crun", "docker" or "podman" */
    const char *way;    /* how the container came to be sealed, see verify_container.h */
    struct verify_lines *lines;
    const struct verify_texts *left_out;
    bool colour; /* lines that are not as the policy says are red */
};

/* How many attempts had each verdict. */
void verify_count(const struct verify_lines *lines, size_t ret_counts[VERIFY_VERDICTS]);

void verify_print_text(const struct verify_view *view);

/* Returns 0, or -ENOMEM. */
int verify_print_json(const struct verify_view *view);
