/* SPDX-License-Identifier: Apache-2.0
 *
 * What is run with faults, and what must hold after each: sealed or not started, nothing left, and the next
 * one works. */
#pragma once

#include "tests/faults/inject.h"

struct scenario {
    const char *name;
    const char *network;
    const char *bundle;    /* NULL: no container in it */
    const char *words[12]; /* the program and its arguments */
    bool injects;          /* the filter comes from the hook, not from the config */
    bool down;             /* the network is not up when it begins, and is taken down after each point */
    /* Makes what the program needs; sets input and output. */
    void (*prepare)(const struct scenario *scenario);
    /* Looks at what it left, and leaves the machine as it was. Returns NULL, or what is wrong. */
    const char *(*judge)(const struct scenario *scenario, const struct fault *fault,
                         const struct outcome *outcome);
};

/* To see the judges at work: every program is said to have succeeded, or to have left a file. */
enum pretence { PRETEND_NOTHING, PRETEND_SUCCESS, PRETEND_LEFTOVER };
extern enum pretence scenario_pretence;

extern const struct scenario SCENARIOS[];
extern const size_t SCENARIOS_COUNT;

/* Brings the machine to where the scenario begins. */
void scenario_begin(const struct scenario *scenario);

/* And from there to where the next one can. Fails if something is left. */
void scenario_end(const struct scenario *scenario);

/* Plays it once. Returns NULL, or what is wrong. `calls` as in inject_run. */
const char *scenario_play(const struct scenario *scenario, const struct fault *fault, struct outcome *ret,
                          int *calls);
