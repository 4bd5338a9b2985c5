/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking the runtime behind us for the state of a container: `RUNTIME GLOBALS state ID`. It is the only one
 * who knows where a container's bundle and process are. */
#pragma once

#include "base/error.h"
#include "hook/command_line.h"

#include <jansson.h>

/* Runs the runtime and reads what it prints; *ret is a new reference. A runtime that fails, dies, prints no
 * state, or has not ended within 30 s (it is killed then) is an error. */
int runtime_state(const char *runtime, const struct command_line *command, json_t **ret, struct error *err);

/* The same, within `patience_ms` milliseconds. */
int runtime_state_within(const char *runtime, const struct command_line *command, int patience_ms,
                         json_t **ret, struct error *err);
