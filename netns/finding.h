/* SPDX-License-Identifier: Apache-2.0
 *
 * Findings: what an administrator should know of a network that is up. Whoever looks adds to one list.
 *
 * Invariant: a finding's text is one line of printable ASCII, whatever names a kernel object was given. */
#pragma once

#include <stddef.h>

enum {
    FINDING_TEXT_SIZE = 320,
    FINDINGS_MAX = 48, /* more are only counted: nobody reads on, and who makes them decides how many */
};

/* A setting of the host's end of an uplink. It stands behind rules and routes, which hold without it; and who
 * turns forwarding on, as Docker's daemon does, turns it on for every link. */
#define FINDING_UPLINK_SYSCTL "uplink-sysctl"

struct finding {
    const char *kind; /* a word for programs, static: "policy-changed" */
    char text[FINDING_TEXT_SIZE];
};

struct findings {
    size_t count;
    size_t left_out;
    struct finding list[FINDINGS_MAX];
};

/* Adds one. The text is cut off where it is too long. */
void finding_add(struct findings *findings, const char *kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
