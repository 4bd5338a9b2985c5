/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport bundle: edits the config.json of a plain OCI bundle, for runc and crun without an engine. */
#include "hook/bundle.h"
#include "cli/verb.h"
#include "hook/selection.h"

#include <getopt.h>
#include <stdio.h>

static const char USAGE[] =
    "Usage: sallyport bundle [--network NETWORK] [--role ROLE] DIR\n"
    "\n"
    "Edits DIR/config.json so that `runc run` or `crun run` starts the container sealed: the hooks, the\n"
    "seccomp profile composed with Sallyport's, NET_RAW and NET_ADMIN removed, the proxy's environment,\n"
    "and a hosts and resolv.conf of its own. Running it twice changes nothing.\n"
    "\n"
    "  --network NETWORK  pin the network (default: annotation io.sallyport.network, then `default`)\n"
    "  --role ROLE        pin the role (default: annotation io.sallyport.role, then `agent`)\n";

int verb_bundle(int argc, char **argv, struct error *err)
{
    static const struct option options[] = {
        {"network", required_argument, NULL, 'n'},
        {"role", required_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct selection pin = {NULL, NULL};
    int option = 0;
    int result = 0;

    while ((option = verb_option(argc, argv, options)) != -1) {
        if (option == 'h')
            return fputs(USAGE, stdout), 0;
        if (option == '?')
            return VERB_USAGE;
        *(option == 'n' ? &pin.network : &pin.role) = optarg;
    }
    if (argc - optind != 1)
        return verb_usage("bundle", "exactly one bundle directory is needed");
    result = selection_check_pin(&pin, err);
    return result < 0 ? result : bundle_edit(argv[optind], &pin, err);
}
