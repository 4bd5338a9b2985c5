/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport proxy-config: the egress proxy's configuration, made from the policy. */
#include "base/log.h"
#include "cli/squid.h"
#include "cli/verb.h"
#include "policy/policy.h"

#include <stdio.h>
#include <string.h>

static const char USAGE[] =
    "Usage: sallyport proxy-config squid NETWORK\n"
    "\n"
    "Prints a complete squid.conf: per-role allow-lists by source address, CONNECT only, and no way to\n"
    "private, loopback, link-local or metadata addresses.\n";

int verb_proxy_config(int argc, char **argv, struct error *err)
{
    struct policy policy;
    int result = 0;

    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return fputs(USAGE, stdout), 0;
    if (argc != 3)
        return verb_usage("proxy-config", "a kind of proxy and a network are needed");
    if (strcmp(argv[1], "squid") != 0)
        return verb_usage("proxy-config", "unknown proxy `%s`, known: squid", argv[1]);
    log_context(argv[2], NULL, NULL);
    result = policy_load(POLICY_DIRECTORY, argv[2], &policy, err);
    if (result < 0)
        return result;
    result = squid_config(stdout, &policy, err);
    policy_free(&policy);
    return result < 0 ? result : verb_flush_output(err);
}
