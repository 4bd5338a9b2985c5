/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport: the administrator's command. */
#include "base/cleanup.h"
#include "base/log.h"
#include "base/rootless.h"
#include "cli/verb.h"
#include "netns/namespace.h"
#include "netns/uplink.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char USAGE[] =
    "Usage: sallyport VERB [ARGUMENTS]\n"
    "\n"
    "Seals the network of containers: one link, to an egress proxy, and nothing else.\n"
    "\n"
    "  network up NETWORK       make the network's hub (a container's start does it, too)\n"
    "  network down NETWORK     take the network down: every link, then the hub\n"
    "  network reload NETWORK   put the policy file into force, on live connections too\n"
    "  network show NETWORK     members, roles, addresses, traffic, refusals  [--json|--dot]\n"
    "  network list             the networks that are up or have a policy  [--json]\n"
    "  log [-f]                 what hub and proxy refuse  [--json] [--network N] [--proxy-log F]\n"
    "  explain ROLE HOST[:PORT] may a role reach a host, by which line of the policy  [--network N]\n"
    "  verify                   try every way out of a throw-away container  [--network N] [--role R]\n"
    "  check                    whether this host can seal containers  [--json]\n"
    "  bundle DIR               edit an OCI bundle for plain runc or crun  [--network N] [--role R]\n"
    "  install ENGINE           make docker, podman or containerd know Sallyport  [--dry-run] [--undo]\n"
    "  proxy-config squid|haproxy NETWORK\n"
    "                           print the proxy's configuration, or put it in place  [--install]\n"
    "                           (`envoy` in place of `squid`: experimental, printed only)\n"
    "  publish NETWORK          systemd units for the published ports  [--install|--remove]\n"
    "  seccomp-profile          print a complete seccomp profile  [--nested] [--i386]\n"
    "\n"
    "  --help, -h               show this text\n"
    "  --version                show the version\n"
    "\n"
    "Policies are in " SALLYPORT_CONFIGURATION
    "/networks.d/NETWORK.json. `sallyport VERB --help` tells more.\n";

enum needs {
    NEEDS_NOTHING, /* or says itself what it needs */
    NEEDS_HUB,     /* root, or in Podman's user namespace the user whose hub it is */
    NEEDS_BOTH,    /* the same, and the host's network, to start containers from */
    NEEDS_HOST,    /* root: the host's network, or its configuration, is looked at or changed */
};

static const struct {
    const char *name;
    int (*run)(int argc, char **argv, struct error *err);
    enum needs needs;
} VERBS[] = {
    {"network", verb_network, NEEDS_HUB},
    {"check", verb_check, NEEDS_HOST},
    {"explain", verb_explain, NEEDS_NOTHING},
    {"bundle", verb_bundle, NEEDS_NOTHING},
    {"install", verb_install, NEEDS_HOST},
    {"log", verb_log, NEEDS_HUB},
    {"proxy-config", verb_proxy_config, NEEDS_NOTHING},
    {"publish", verb_publish, NEEDS_NOTHING},
    {"seccomp-profile", verb_seccomp_profile, NEEDS_NOTHING},
    {"verify", verb_verify, NEEDS_BOTH},
};

int verb_usage(const char *verb, const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "sallyport %s: ", verb);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "; see `sallyport %s --help`\n", verb);
    return VERB_USAGE;
}

int verb_option(int argc, char **argv, const struct option *options)
{
    int option = 0;

    opterr = 0;
    option = getopt_long(argc, argv, ":", options, NULL);
    if (option == ':')
        verb_usage(argv[0], "%s needs a value", argv[optind - 1]);
    else if (option == '?' && (optopt == 0 || strchr(argv[optind - 1], '=') != NULL))
        verb_usage(argv[0], "unexpected argument `%s`", argv[optind - 1]);
    else if (option == '?')
        verb_usage(argv[0], "unexpected argument `-%c`", optopt);
    return option == ':' ? '?' : option;
}

int verb_check_network(const char *network, struct error *err)
{
    if (!policy_name_valid(network)) {
        error_set(err, 0, "network `%s` is not a name", network);
        return error_advise(err, "use " POLICY_NAME_RULE);
    }
    log_context(network, NULL, NULL);
    return 0;
}

int verb_load_policy(const char *network, struct policy *ret, struct error *err)
{
    int result = verb_check_network(network, err);

    if (result == 0)
        result = policy_load(policy_directory(), network, ret, err);
    if (result < 0)
        return result;
    result = uplink_check_possible(ret, err);
    if (result < 0)
        policy_free(ret);
    return result;
}

int verb_flush_output(struct error *err)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        return error_set(err, errno != 0 ? errno : EIO, "write standard output");
    return 0;
}

static int refuse_user(const char *verb, enum needs needs, struct error *err)
{
    if (needs == NEEDS_HOST)
        error_set(err, 0, "%s needs root", verb);
    else
        error_set(
            err, 0,
            "%s needs root, but for your own networks of rootless Podman (`podman unshare sallyport %s`)",
            verb, verb);
    return error_advise(err, "run it as root");
}

static int refuse_rootless(const char *verb, struct error *err)
{
    error_set(err, 0, "%s is about the host, which is out of reach in a user namespace", verb);
    return error_advise(err, "run it as root, outside of `podman unshare`");
}

/* Lets nobody begin what he cannot end. The text of --help is everybody's. */
static int check_needs(enum needs needs, int argc, char **argv, struct error *err)
{
    if (needs == NEEDS_NOTHING || (argc > 1 && strcmp(argv[1], "--help") == 0))
        return 0;
    if (geteuid() != 0)
        return refuse_user(argv[0], needs, err);
    if (!rootless())
        return 0;
    if (needs == NEEDS_HOST)
        return refuse_rootless(argv[0], err);
    return needs == NEEDS_HUB ? namespace_leave_host(err) : 0;
}

static int run(int argc, char **argv)
{
    struct error err = {0};

    for (size_t i = 0; i < array_size(VERBS); i++) {
        int result = 0;

        if (strcmp(argv[0], VERBS[i].name) != 0)
            continue;
        result = check_needs(VERBS[i].needs, argc, argv, &err);
        if (result == 0)
            result = VERBS[i].run(argc, argv, &err);
        if (result == VERB_REFUSED)
            return 2;
        if ((result == -EPERM || result == -EACCES) && geteuid() != 0)
            error_advise(&err, "run it as root");
        if (result < 0 && result != VERB_USAGE)
            fprintf(stderr, "sallyport: %s\n", log_line(&err));
        return result < 0 ? 1 : 0;
    }
    fprintf(stderr, "sallyport: unknown verb `%s`; see `sallyport --help`\n", argv[0]);
    return 1;
}

int main(int argc, char **argv)
{
    umask(022);
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        fputs(USAGE, stderr);
        return 1;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        fputs(USAGE, stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("sallyport " SALLYPORT_VERSION);
        return 0;
    }
    return run(argc - 1, argv + 1);
}
