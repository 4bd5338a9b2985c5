/* SPDX-License-Identifier: Apache-2.0
 *
 * What the runtime did mount for a container. A path in the config may lead somewhere else at the time of the
 * mount than at the time of the check (a symbolic link exchanged by whoever owns the directory, or by another
 * hook), so the objects themselves are judged, by the rules of hook/surfaces.h.
 *
 * runc and crun run createRuntime and prestart hooks when the mounts are there, below the root's path in the
 * mount namespace of the waiting init, and before it goes into them: nobody but the runtime can change them
 * from then on. With a runtime of another order, whose init has none of them yet, the check of the config
 * stands alone. A mount that another one covers has been judged by the config only.
 *
 * Invariant: every mount in the list of the init is looked at by its id, or covered by another one; what can
 * neither be reached nor be explained is refused. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <jansson.h>
#include <sys/types.h>

/* Refuses if a mount in the container of the process is a way out. `pidfd` is the process's, `bundle` the
 * directory that the config's root starts from. Needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH. */
int mounts_check(pid_t pid, int pidfd, const json_t *config, int bundle, const struct policy_role *role,
                 struct error *err);
