/* SPDX-License-Identifier: Apache-2.0
 *
 * A process by its number: whether it is still the one that was checked, since when it is there, and which
 * namespaces it or a thread is in, by device and inode, as /proc tells. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* Whether the process of the pidfd has ended, so that its number may be another's by now. By poll, and not by
 * signal 0, which takes CAP_KILL for a process of another user. */
bool process_ended(int pidfd);

/* `process`: a number, "self", or "PID/task/TID". Returns 0 or a negative errno value. */
int process_stat_namespace(const char *process, const char *kind, struct stat *ret);

/* Reads when it was started, in clock ticks (10 ms) since the machine was. `process` as above. Returns 0 or a
 * negative errno value. */
int process_start(const char *process, uint64_t *ret_ticks);
