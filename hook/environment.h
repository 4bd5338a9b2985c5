/* SPDX-License-Identifier: Apache-2.0
 *
 * The proxy's environment variables, in both cases because programs disagree on which one they read. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <jansson.h>

/* Sets HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY in the process (an OCI `process` object). A value that
 * already names the proxy is kept, another one is replaced; NO_PROXY keeps what it has and gains the
 * network's own names. A role that does not reach the proxy gets NO_PROXY only. */
int environment_set_proxy(json_t *process, const struct policy *policy, const struct policy_role *role,
                          struct error *err);

/* Gives `process` the values that `from`, a process which was edited so, has of these variables. What `from`
 * has not is left as it is. */
int environment_copy_proxy(json_t *process, const json_t *from, struct error *err);
