/* SPDX-License-Identifier: Apache-2.0
 *
 * Ending a container whose start is refused. Nobody comes back for it: containerd deletes only what has
 * ended, Docker then forgets the container, and its init would wait for ever and hold an address of the
 * network. */
#pragma once

#include "hook/command_line.h"

#include <sys/types.h>

/* Kills the init `pid` of the command's container if it is waiting for its start, and returns when its
 * parent has seen it end, or after 2 s. What fails leaves a container that never runs. */
void runtime_end(const char *runtime, const struct command_line *command, pid_t pid);
