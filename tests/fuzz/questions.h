/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything that Sallyport asks the kernel over netlink, each question under a name: answered by the kernel
 * itself once (record.c), and from then on from memory (replay.h), whole, damaged, and as no kernel would. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <stddef.h>

/* The network that the answers are about. */
extern const char question_policy[];

struct question_place {
    const struct policy *policy;
    int hub; /* namespace descriptors */
    int member;
    int host;
};

struct question {
    const char *name;
    /* Returns the number of things that were found, 0 or more, or the error. Runs in the hub; where it asks
     * in other namespaces it comes back. */
    int (*ask)(const struct question_place *place, struct error *err);
};

extern const struct question questions[];
extern const size_t questions_count;
