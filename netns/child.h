/* SPDX-License-Identifier: Apache-2.0
 *
 * Work in a child process: for what cannot be undone in our own (a new network namespace, another mount
 * namespace). The child has a copy of everything; only its result and its error come back. */
#pragma once

#include "base/error.h"

/* Runs `work` in a forked child and waits for its end. The caller is single-threaded.
 *
 * Returns what `work` returned, with its error; -ECHILD if it ended in the middle instead: killed, or
 * by child_end_here. Then nobody has undone what it did. */
int child_run(int (*work)(void *data, struct error *err), void *data, struct error *err);

/* Starts `work` in a forked child and does not wait for it: for what nobody depends on. The child has nothing
 * of the caller's but copies of its descriptors, none of them a standard stream, and nobody hears its error.
 */
void child_leave(int (*work)(void *data, struct error *err), void *data);

/* Ends this process where it cannot go on: with its error and -ECHILD as the result of child_run if it is
 * such a child, else with its line and exit status 1. */
__attribute__((noreturn)) void child_end_here(const struct error *err);
