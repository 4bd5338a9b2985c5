/* SPDX-License-Identifier: Apache-2.0
 *
 * What one configuration of the proxy allowed and the next one does not, see proxy_revoked.c. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <stddef.h>

/* Compares two configurations that squid_config made, or two of haproxy_config (`before` may be any text at
 * all; what is no line of ours in it says nothing). *ret_sources: the source addresses of every role that
 * `before` allowed anything which `after` does not, for the caller to free; NULL if there are none. */
int proxy_revoked(const char *before, const char *after, struct policy_range **ret_sources, size_t *ret_count,
                  struct error *err);
