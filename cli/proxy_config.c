/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport proxy-config: the egress proxy's configuration, made from the policy. */
#include "base/rootless.h"
#include "cli/envoy.h"
#include "cli/proxy_install.h"
#include "cli/proxy_kind.h"
#include "cli/verb.h"
#include "policy/policy.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char USAGE[] =
    "Usage: sallyport proxy-config squid|haproxy NETWORK [--install [--config PATH]]\n"
    "       sallyport proxy-config envoy NETWORK\n"
    "\n"
    "Prints a complete squid.conf, or the haproxy.cfg of the pass-through for programs that know no proxy\n"
    "(`\"sni\": 443` in the policy's \"proxy\"): per-role allow-lists by source address, and no way to\n"
    "private, loopback, link-local or metadata addresses.\n"
    "\n"
    "  --install      write what the policy asks for, whichever is named: both files, after both programs\n"
    "                 have checked theirs, and have the squid and haproxy of the network read them. Open\n"
    "                 connections of roles that lost a host are ended; others stay\n"
    "  --config PATH  where (default: /etc/squid/sallyport-NETWORK/squid.conf, haproxy.cfg); the other file\n"
    "                 goes beside it\n"
    "\n"
    "Of a proxy in a container the files are written, and no more: have it read them by its engine.\n"
    "\n"
    "envoy is EXPERIMENTAL: it prints a bootstrap with the same lists, for `envoy -c FILE`, that has been "
    "held\n"
    "against Envoy's schema and has not run in an Envoy. Not enforced there: addresses of a name after its\n"
    "first (an allowed name that has a public and a private address can lead to the private one), and a "
    "limit\n"
    "of connections for each member.\n";

struct arguments {
    const struct proxy_kind *kind; /* NULL: envoy, which is none yet: nothing handles it */
    const char *network;
    const char *config;
    bool install;
};

static int print(const struct policy *policy, const struct proxy_kind *kind, struct error *err)
{
    if (kind->wanted(policy))
        return kind->write(stdout, policy, err);
    error_set(err, 0, "network %s has no pass-through", policy->network);
    return error_advise(err, "add \"sni\": 443 to $.proxy of its policy");
}

static int refuse_install(struct error *err)
{
    error_set(err, 0, "--install is for squids that root started");
    return error_advise(err,
                        "write it yourself (without --install), mount it into the proxy's container, and "
                        "after a change send that SIGHUP: `podman kill --signal HUP PROXY`");
}

static int configure(const struct arguments *arguments, struct error *err)
{
    struct policy policy;
    int result = arguments->install && rootless() ? refuse_install(err)
                                                  : verb_load_policy(arguments->network, &policy, err);

    if (result < 0)
        return result;
    if (arguments->kind == NULL)
        result = envoy_config(stdout, &policy, err);
    else if (arguments->install)
        result = proxy_install(&policy, arguments->kind, arguments->config, err);
    else
        result = print(&policy, arguments->kind, err);
    policy_free(&policy);
    return result < 0 ? result : verb_flush_output(err);
}

int verb_proxy_config(int argc, char **argv, struct error *err)
{
    static const struct option options[] = {
        {"install", no_argument, NULL, 'i'},
        {"config", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct arguments arguments = {.install = false};
    int option = 0;

    while ((option = verb_option(argc, argv, options)) != -1) {
        if (option == 'h')
            return fputs(USAGE, stdout), 0;
        if (option == '?')
            return VERB_USAGE;
        if (option == 'c')
            arguments.config = optarg;
        else
            arguments.install = true;
    }
    if (argc - optind != 2)
        return verb_usage("proxy-config", "a kind of proxy and a network are needed");
    arguments.network = argv[optind + 1];
    arguments.kind = proxy_kind_find(argv[optind]);
    if (arguments.kind == NULL && strcmp(argv[optind], "envoy") != 0)
        return verb_usage("proxy-config", "unknown proxy `%s`, known: squid, haproxy, envoy", argv[optind]);
    if (arguments.kind == NULL && arguments.install)
        return verb_usage("proxy-config",
                          "--install is for squid and haproxy: envoy is experimental, and only printed");
    if (arguments.config != NULL && !arguments.install)
        return verb_usage("proxy-config", "--config goes with --install");
    return configure(&arguments, err);
}
