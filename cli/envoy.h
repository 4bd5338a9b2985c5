/* SPDX-License-Identifier: Apache-2.0
 *
 * The proxy's configuration for Envoy, made from the policy. Experimental: it has been held against Envoy's
 * published schema and sources, and has not run in an Envoy. See envoy.c for what it enforces and what it
 * cannot. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <stdio.h>

/* Writes a complete bootstrap as JSON, for `envoy -c FILE`. The same policy gives the same bytes.
 *
 * Returns 0, or a negative errno value if memory or the output failed. */
int envoy_config(FILE *out, const struct policy *policy, struct error *err);
