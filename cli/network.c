/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport network: makes a network, takes it down, puts a changed policy into force. What shows it is in
 * cli/network_show.c. */
#include "hook/network.h"
#include "base/cleanup.h"
#include "cli/network_show.h"
#include "cli/verb.h"
#include "netns/hub.h"
#include "netns/namespace.h"
#include "netns/stranded.h"
#include "policy/policy.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char USAGE[] =
    "Usage: sallyport network up|down|reload NETWORK\n"
    "       sallyport network show NETWORK [--json|--dot]\n"
    "       sallyport network list [--json]\n"
    "\n"
    "  up      make the network's hub and uplink, unless they are there\n"
    "  down    delete every link of the network, then the hub; one that is not up stays so\n"
    "  reload  put the policy file into force in one step, on live connections too\n"
    "  show    members, what each role reaches, traffic, refusals, and what is not as it should be\n"
    "  list    the networks that are up, and those that have a policy file\n"
    "\n"
    "A member is up since its namespace's oldest process was started; traffic is as the member sees it.\n"
    "Problems are lines that begin with `!`. They do not change the exit status, which is 1 only if the\n"
    "network is not up or cannot be read. --dot prints what may reach what, for graphviz.\n"
    "\n"
    "Refused is what the hub refused to each member since it was attached, and in all since the hub was\n"
    "made; a packet with a forged source is dropped before that, and counted for itself.\n"
    "\n"
    "show --json: {network, policy, subnet, proxy: {address, port, at, up}, refused: {packets, bytes},\n"
    "  forged, members: [{address, role, id, name, link, host, up, pid, uptime, sent: {packets, bytes}, "
    "received,\n"
    "    refused}],\n"
    "  roles: [{name, first, last, up, proxy, reach: [{role, port}], hosts: [{name, subdomains, port}],\n"
    "    published: [{address, port, member_port}]}], problems: [{kind, text}]}\n"
    "list --json: [{network, up, policy, subnet, members, problems}]\n"
    "  policy is \"in force\", \"not in force\" (the network is not up), \"changed\" (not reloaded),\n"
    "  \"gone\" or \"broken\"; uptime is in seconds; what is not known is null.\n";

/* Loads the policy and calls one of the functions that take it and the host's namespace. */
static int with_policy(const char *network,
                       int (*call)(const struct policy *policy, int host_netns, struct error *err),
                       struct error *err)
{
    cleanup_close int own = namespace_open_own(err);
    struct policy policy;
    int result = own < 0 ? own : verb_load_policy(network, &policy, err);

    if (result < 0)
        return result;
    result = call(&policy, own, err);
    policy_free(&policy);
    return result;
}

/* Where a hub had been deleted by others, those who lost their links are not in the one that is up now. That
 * they cannot be looked for takes nothing from the network, which is up. */
static void tell_stranded(const struct policy *policy)
{
    struct findings findings = {.count = 0};
    struct error err;

    if (stranded_look(policy, NULL, 0, &findings, &err) < 0)
        finding_add(&findings, "member-without-link", "look for containers without link: %s", err.text);
    for (size_t i = 0; i < findings.count; i++)
        fprintf(stderr, "sallyport: %s: %s\n", policy->network, findings.list[i].text);
    if (findings.left_out > 0)
        fprintf(stderr, "sallyport: %s: and %zu more containers\n", policy->network, findings.left_out);
}

static int ensure(const struct policy *policy, int host_netns, struct error *err)
{
    cleanup_close int hub = network_ensure(policy, host_netns, err);
    int result = hub < 0 ? hub : hub_check(policy, hub, err);

    if (result == 0)
        tell_stranded(policy);
    return result;
}

static int reload(const struct policy *policy, int host_netns, struct error *err)
{
    int result = policy_check_overlap(policy_directory(), policy, err);

    return result < 0 ? result : hub_reload(policy, host_netns, err);
}

static int up(const char *network, enum network_format format, struct error *err)
{
    (void)format;
    return with_policy(network, ensure, err);
}

static int verb_reload(const char *network, enum network_format format, struct error *err)
{
    (void)format;
    return with_policy(network, reload, err);
}

/* No failure, for a unit that is stopped twice has none; but the name may be mistyped. */
static void tell_absent(const char *network)
{
    struct error unimportant;
    cleanup_close int hub = hub_open(network, &unimportant);

    if (hub == -ENOENT)
        fprintf(stderr, "sallyport: %s: the network was not up; `sallyport network list` tells which are\n",
                network);
}

static int down(const char *network, enum network_format format, struct error *err)
{
    cleanup_close int own = namespace_open_own(err);
    int result = own < 0 ? own : verb_check_network(network, err);

    (void)format;
    if (result == 0)
        tell_absent(network);
    return result < 0 ? result : hub_remove(network, own, err);
}

static const struct {
    const char *name;
    int (*run)(const char *network, enum network_format format, struct error *err);
} ACTIONS[] = {
    {"up", up},
    {"down", down},
    {"reload", verb_reload},
    {"show", network_show},
};

/* Takes --json and --dot out of the arguments, wherever they stand. Both: -EINVAL. */
static int take_format(int *argc, char **argv, enum network_format *ret)
{
    bool json = false;
    bool dot = false;
    int kept = 0;

    for (int i = 0; i < *argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (strcmp(argv[i], "--dot") == 0)
            dot = true;
        else
            argv[kept++] = argv[i];
    }
    *argc = kept;
    *ret = json ? NETWORK_JSON : dot ? NETWORK_DOT : NETWORK_TEXT;
    return json && dot ? -EINVAL : 0;
}

int verb_network(int argc, char **argv, struct error *err)
{
    enum network_format format = NETWORK_TEXT;

    if (take_format(&argc, argv, &format) < 0)
        return verb_usage("network", "--json and --dot are two things");
    if (argc >= 2 && strcmp(argv[argc - 1], "--help") == 0)
        return fputs(USAGE, stdout), 0;
    if (format == NETWORK_DOT && (argc < 2 || strcmp(argv[1], "show") != 0))
        return verb_usage("network", "--dot is for show");
    if (argc == 2 && strcmp(argv[1], "list") == 0)
        return network_list(format, err);
    for (size_t i = 0; i < array_size(ACTIONS) && argc >= 2; i++) {
        if (strcmp(argv[1], ACTIONS[i].name) != 0)
            continue;
        if (argc != 3)
            return verb_usage("network", "%s needs one network", argv[1]);
        return ACTIONS[i].run(argv[2], format, err);
    }
    return verb_usage("network", "expected up, down, reload, show or list");
}
