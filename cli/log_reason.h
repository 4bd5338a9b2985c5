/* SPDX-License-Identifier: Apache-2.0
 *
 * Why something was refused, and what would allow it: the last two parts of a line of `sallyport log`.
 *
 * Invariant: who decided is what the kernel's rule and squid's log say. The policy file, by way of the
 * answers of `sallyport explain`, only puts it into words; where it would have allowed what was refused, the
 * line says that another policy is in force, and never guesses. */
#pragma once

#include "cli/squid_log.h"
#include "netns/nflog.h"
#include "policy/policy.h"

#include <stdbool.h>

#define LOG_NOTHING "nothing" /* `allow` of what no policy allows; the rule says why */

struct log_reason {
    char rule[600];   /* "hub: $.roles.agent.reach does not have \"gateway:22\"" */
    char allow[1100]; /* what would allow it, in words that can be followed; "" if that is not known */
};

/* A packet of a member of `role`, or of the host if `host`. `policy` is the one that the hub enforces; NULL:
 * not known, and so may `role` be. */
void log_reason_packet(const struct policy *policy, const struct policy_role *role, bool host,
                       const struct nflog_packet *packet, struct log_reason *ret);

/* A request to the proxy that squid_log_refused(). `policy` is the network's file; NULL: not known. */
void log_reason_request(const struct policy *policy, const struct squid_log_line *line,
                        struct log_reason *ret);
