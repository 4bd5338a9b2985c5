/* SPDX-License-Identifier: Apache-2.0
 *
 * What the probe said, line by line. It comes out of a container, so it is hostile ground: every line has
 * exactly the form of the protocol, in bounded size and number, without anything that a terminal would take
 * for more than text; the last one counts the others; and every group that was asked for has said something.
 * Anything else is an error, and never a result.
 *
 * Invariant: whether a line is good is decided here, by what was expected and what was seen. */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define VERIFY_GROUP_SNI "sni"           /* only where the policy has a pass-through */
#define VERIFY_GROUP_ARRIVALS "arrivals" /* the last; verify adds lines of its own to it */

enum {
    VERIFY_LINE_MAX = 4096, /* bytes */
    VERIFY_ATTEMPTS_MAX = 4096,
    VERIFY_NAME_SIZE = 65,
    VERIFY_TEXT_SIZE = 513,
};

enum verify_saw {
    VERIFY_CLOSED,
    VERIFY_OPEN,
    VERIFY_IMPOSSIBLE, /* only ever seen */
    VERIFY_FAILED,     /* the attempt itself did not come to an end: it proves nothing; only ever seen */
    VERIFY_EITHER,     /* only ever expected: the policy does not say */
};

enum verify_verdict {
    VERIFY_VERDICT_OK,
    VERIFY_VERDICT_LEAK,       /* a way out */
    VERIFY_VERDICT_BROKEN,     /* an allowed path that does not work, or an attempt that failed */
    VERIFY_VERDICT_TOLD,       /* for people to know, good either way */
    VERIFY_VERDICT_IMPOSSIBLE, /* nothing could be tried */
    VERIFY_VERDICTS,
};

struct verify_attempt {
    unsigned group; /* number of the group, see verify_group_name */
    char name[VERIFY_NAME_SIZE];
    char tried[VERIFY_TEXT_SIZE];
    enum verify_saw expect;
    enum verify_saw saw;
    char detail[VERIFY_TEXT_SIZE];
    double milliseconds;
};

struct verify_lines {
    struct verify_attempt *attempts;
    size_t count;
    unsigned wanted; /* the groups that may and must be there, a bit for each number; 0 is all */
    unsigned absent; /* those of them that have nothing to try, and need not be there */
    bool ended;      /* the last line was there */
};

/* The name of a group by its number, in the order of the table; NULL behind the last. */
const char *verify_group_name(unsigned group);

/* Its number, or -1 if there is no such group. */
int verify_group_find(const char *name);

/* "closed", "open", "impossible", "failed", "either". */
const char *verify_saw_name(enum verify_saw saw);

enum verify_verdict verify_judge(const struct verify_attempt *attempt);

/* Takes one line, without its newline. On failure *lines is what it was. */
int verify_lines_take(struct verify_lines *lines, const char *line, size_t length, struct error *err);

/* Adds a line that is not the probe's. */
int verify_lines_add(struct verify_lines *lines, const struct verify_attempt *attempt, struct error *err);

/* Checks that the lines are complete: the end was there and no wanted group is missing. */
int verify_lines_check(const struct verify_lines *lines, struct error *err);

void verify_lines_free(struct verify_lines *lines);
