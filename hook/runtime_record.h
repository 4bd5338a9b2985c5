/* SPDX-License-Identifier: Apache-2.0
 *
 * What runc has written down of a container that waits for its start: ROOT/ID/state.json, and beside it
 * exec.fifo until the container is started (runc, libcontainer/container_linux.go, currentState and runType).
 * To read that takes 1 ms; `runc state`, which reads the same, takes 10 to 13, most of them for the start of
 * a Go program.
 *
 * Invariant: it is believed only where everything is as it is known, the process included. Whatever else is
 * there, another runtime's files say, is for the runtime itself to explain (hook/runtime_state.h). */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The state of a container that waits for its start, as the runtime would print it; *ret is a new reference.
 * `root` is the runtime's --root, NULL if it was not given. Returns false, and *ret is untouched, where the
 * runtime has to be asked. */
bool runtime_record_read(const char *root, const char *id, json_t **ret);

/* The same of the text of a state.json alone: *ret_start is when the process was started, in clock ticks. */
bool runtime_record_parse(const char *text, size_t length, const char *id, json_t **ret, uint64_t *ret_start);
