/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport log without -f: how much was refused. The kernel keeps a count and no more of the past; squid's
 * log has it, so the proxy's refusals are told by role and by what was asked for, the most frequent first. */
#pragma once

#include "base/error.h"
#include "cli/log_proxy.h"
#include "policy/policy.h"

#include <stdbool.h>

/* `policy` is the network's file, NULL if it has none; `proxy_logs` as for log_follow(). */
int log_summary(const char *network, const struct policy *policy, const struct log_proxy_names *proxy_logs,
                bool json, struct error *err);
