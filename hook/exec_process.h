/* SPDX-License-Identifier: Apache-2.0
 *
 * The process of an `exec`, made as confined as the container's own.
 *
 * An engine makes it from its own idea of the container, not from the config that was edited: capabilities
 * that were taken away come back (NET_RAW; all of them with `exec --privileged`), and the proxy's environment
 * is missing (design, fact 32). So the runtime gets an edited copy, in memory: no capability that the
 * container itself has not, and its proxy's environment. The seccomp profile a runtime takes from the config.
 */
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>

/* Edits the process (the document of an engine's --process file) by the container's edited config. */
int exec_process_edit(json_t *process, const json_t *config, struct error *err);

/* Reads the --process file `path`, edits it and puts it into an anonymous file that cannot be changed any
 * more. Returns its descriptor, which is left open on exec, for the caller to name as /proc/self/fd/N. */
int exec_process_open(const char *path, const json_t *config, struct error *err);

/* Refuses the `--cap` options of an exec that has no process file, if the container has not that capability.
 */
int exec_process_check_capabilities(const char *const *names, size_t count, const json_t *config,
                                    struct error *err);
