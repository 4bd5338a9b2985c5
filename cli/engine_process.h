/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernel tells of an engine's process: its name, command line and age. */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

struct engine_arguments {
    char *text; /* each ends with NUL; for the caller to free */
    size_t length;
};

/* Whether the process exists, has this name, and is of this host's root. A number in a file may be another
 * process's by now: a name and a command line are anybody's to choose, in a container root's too. */
bool engine_process_is(pid_t pid, const char *name);

/* Whether the process exists, and is no container's: in the pid namespace that /proc shows, and none below.
 */
bool engine_process_on_host(pid_t pid);

int engine_process_arguments(pid_t pid, struct engine_arguments *ret, struct error *err);

/* The value of the option `name` at *argument, as --name=value or as the next word, to which *argument is
 * moved; NULL if it is another option. */
const char *engine_process_option(const struct engine_arguments *arguments, const char **argument,
                                  const char *name);

/* When the process started, in CLOCK_REALTIME, to a hundredth of a second. */
int engine_process_start(pid_t pid, struct timespec *ret, struct error *err);
