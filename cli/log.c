/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport log: what a network's hub and its proxy refuse: as it happens (log_follow.c), or how much of it
 * there was (log_summary.c). */
#include "base/cleanup.h"
#include "cli/log_follow.h"
#include "cli/log_proxy.h"
#include "cli/log_summary.h"
#include "cli/verb.h"

#include <errno.h>
#include <string.h>

static const char USAGE[] =
    "Usage: sallyport log [-f] [--json] [--network NETWORK] [--proxy-log FILE]\n"
    "\n"
    "  -f, --follow   print each packet that the hub refuses and each request that the proxy refuses, as it\n"
    "                 happens: time, network, role, container, what it was, which rule decided, what the "
    "role\n"
    "                 may reach instead, and what would allow it\n"
    "  --json         one JSON object a line\n"
    "  --network N    of this network; without it, of `" POLICY_DEFAULT_NETWORK "`\n"
    "  --proxy-log F  the proxy's log, `-` for standard input. Without it, those of the squid and the\n"
    "                 pass-through on the host. A proxy in a container prints its log:\n"
    "                 docker logs --follow PROXY | sallyport log -f --network NETWORK --proxy-log -\n"
    "\n"
    "Without -f: how many packets were refused since the hub was made (the kernel keeps no more of the "
    "past),\n"
    "and what requests the proxy's log has that were refused, the most frequent first.\n"
    "\n"
    "At most 50 packets and 50 requests of a member get a line in a second, and 500 of all; the rest is "
    "counted\n"
    "and told as \"N more\".\n"
    "Four readers can follow a network at a time. Seen is what reaches the hub's rules. What is refused "
    "inside\n"
    "the container (addresses outside the network, UDP, name look-ups) fails there at once and never gets "
    "to\n"
    "the hub; a forged source address is dropped before its rules. Neither is counted or shown here.\n";

struct options {
    const char *network;
    const char *proxy_log; /* NULL: not given */
    bool follow;
    bool json;
};

/* Returns 0, or VERB_USAGE. */
static int parse(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-f") == 0 || strcmp(argv[i], "--follow") == 0)
            options->follow = true;
        else if (strcmp(argv[i], "--json") == 0)
            options->json = true;
        else if (strcmp(argv[i], "--network") == 0 && i + 1 < argc)
            options->network = argv[++i];
        else if (strcmp(argv[i], "--proxy-log") == 0 && i + 1 < argc && argv[i + 1][0] != '\0')
            options->proxy_log = argv[++i];
        else
            return verb_usage("log", "unexpected argument `%s`", argv[i]);
    }
    return 0;
}

/* `policy` is NULL where there is none that can be read: the hub runs without it. */
static int run(const struct options *options, const struct policy *policy, struct error *err)
{
    struct log_proxy_names logs = {0};

    if (options->proxy_log != NULL) {
        if (strlen(options->proxy_log) >= sizeof(logs.names[0]))
            return error_set(err, ENAMETOOLONG, "--proxy-log %.64s", options->proxy_log);
        strcpy(logs.names[0], options->proxy_log);
    } else if (policy != NULL && policy->proxy_at == POLICY_PROXY_AT_HOST) {
        log_proxy_on_host(policy, &logs);
    }
    if (options->follow)
        return log_follow(options->network, &logs, options->json, err);
    return log_summary(options->network, policy, &logs, options->json, err);
}

int verb_log(int argc, char **argv, struct error *err)
{
    struct options options = {.network = POLICY_DEFAULT_NETWORK};
    struct error unused;
    struct policy policy;
    bool loaded = false;
    int result = 0;

    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return fputs(USAGE, stdout), 0;
    result = parse(argc, argv, &options);
    if (result == 0)
        result = verb_check_network(options.network, err);
    if (result < 0)
        return result;
    loaded = policy_load(policy_directory(), options.network, &policy, &unused) == 0;
    result = run(&options, loaded ? &policy : NULL, err);
    if (loaded)
        policy_free(&policy);
    return result;
}
