/* SPDX-License-Identifier: Apache-2.0
 *
 * The environment variables that lead programs to the proxy: the common ones in both cases, because programs
 * disagree on which one they read, and one variable each for those that read none of them.
 *
 * Convenience, no wall: a program that ignores or changes them reaches less, not more. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <jansson.h>

/* In the process (an OCI `process` object):
 *
 *   HTTP_PROXY, HTTPS_PROXY, ALL_PROXY     the proxy. A value that already names it is kept, another one is
 *     in both cases; YARN_HTTPS_PROXY      replaced (it leads nowhere)
 *   NO_PROXY in both cases                 keeps what it has and gains the network's own names and addresses
 *   JAVA_TOOL_OPTIONS                      keeps what it has and gains the proxy's (hook/java_options.h)
 *   NODE_USE_ENV_PROXY                     1, which makes Node.js from 22.21 and 24 on read the others. A
 * value that is there is kept: it is somebody's decision
 *
 * A role that does not reach the proxy gets NO_PROXY only; the proxy's own environment is left alone. Doing
 * it twice is doing it once. */
int environment_set_proxy(json_t *process, const struct policy *policy, const struct policy_role *role,
                          struct error *err);

/* Adds a name that is reached directly to NO_PROXY in both cases: the container's own, which programs use to
 * speak to themselves. */
int environment_add_exception(json_t *process, const char *name, struct error *err);

/* Gives `process` the values that `from`, a process which was edited so, has of these variables; of the last
 * two of the list as above, keeping what `process` has. What `from` has not is left as it is. */
int environment_copy_proxy(json_t *process, const json_t *from, struct error *err);
