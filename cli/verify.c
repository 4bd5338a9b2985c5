/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport verify: a throw-away container in a role, in which the probe tries every way out that it knows,
 * and every path that must work. What it says is judged here, outside.
 *
 * Invariant: exit status 0 only if every attempt was made and ended as the policy says, or could not be made
 * on this machine at all; and nothing of the container is left, whatever happened. */
#include "base/cleanup.h"
#include "base/log.h"
#include "cli/verb.h"
#include "cli/verify_address.h"
#include "cli/verify_arrivals.h"
#include "cli/verify_container.h"
#include "cli/verify_lines.h"
#include "cli/verify_table.h"
#include "cli/verify_targets.h"
#include "cli/verify_walls.h"
#include "hook/network.h"
#include "netns/hub.h"
#include "netns/namespace.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char USAGE[] =
    "Usage: sallyport verify [--network NETWORK] [--role ROLE] [--engine ENGINE] [--only GROUP]...\n"
    "                        [--far ADDRESS]... [--inward HOST[:PORT]] [--cgroup-parent PATH] [--json]\n"
    "\n"
    "Starts a throw-away container in the role, tries every known way out of it and every path that the\n"
    "policy allows, and prints what happened. The network is made if it is not up, as any container's start\n"
    "does. Exit status 0 only if every line is as the policy says; what cannot be tried on this machine is\n"
    "counted apart.\n"
    "\n"
    "What gets out is seen outside as well, whatever the container saw: a witness in the hub looks at what\n"
    "comes in from the container and at what goes out again, and for as long as this runs the host listens,\n"
    "on one port of all its addresses, for what must not come. That is the group `arrivals`, which is "
    "always\n"
    "there. It also compares hub and uplink with what Sallyport makes: no attempt finds a rule for a port\n"
    "that none tries.\n"
    "\n"
    "  ok      as the policy says\n"
    "  LEAK    something got out\n"
    "  BROKEN  an allowed path does not work, a witness did not see what it had to see, hub or uplink are\n"
    "          not what Sallyport makes, or an attempt came to no end and proves nothing\n"
    "  i       the policy does not say; this is what the proxy does\n"
    "  -       it could not be tried; the line says why\n"
    "\n"
    "  --network NETWORK     the network (default: `default`)\n"
    "  --role ROLE           the role (default: `agent`); one with a single address must not be running\n"
    "  --engine ENGINE       docker or podman: as their users start containers, with the runtime or hook\n"
    "                        that `sallyport install` made; runc or crun: with a bundle (default: the one\n"
    "                        of these two that sallyport-runtime takes)\n"
    "  --only GROUP          only this group of attempts, may be repeated: plain, ipv6, raw, abi, uring,\n"
    "                        namespaces, capabilities, bpf, netlink, dns, metadata, host, members,\n"
    "                        surfaces, proxy, sni, arrivals\n"
    "  --far ADDRESS         a host of yours outside that nobody may reach, tried too; may be repeated\n"
    "  --inward HOST[:PORT]  a name that the role is allowed and that leads to a private address: the proxy\n"
    "                        has to refuse it\n"
    "  --cgroup-parent PATH  the cgroup above the container's (default: the engine's, the root)\n"
    "  --json                print one JSON document\n";

struct options {
    struct selection pin;
    const char *engine;
    const char *cgroup_parent;
    const char *far[VERIFY_FAR_MAX];
    size_t far_count;
    const char *inward;
    unsigned wanted;
    bool json;
};

static int take_only(struct options *options, const char *name)
{
    int group = verify_group_find(name);

    if (group < 0)
        return verb_usage("verify", "no group `%s`", name);
    options->wanted |= 1U << group | 1U << verify_group_find(VERIFY_GROUP_ARRIVALS);
    return 0;
}

static int take_far(struct options *options, const char *address)
{
    if (options->far_count == VERIFY_FAR_MAX)
        return verb_usage("verify", "more than %d --far", VERIFY_FAR_MAX);
    options->far[options->far_count++] = address;
    return 0;
}

/* An option that is no single value. Returns 1 for those that are. */
static int take_other(struct options *options, int option, const char *value)
{
    switch (option) {
    case 'j':
        options->json = true;
        return 0;
    case 'o':
        return take_only(options, value);
    case 'f':
        return take_far(options, value);
    case '?':
        return VERB_USAGE;
    default:
        return 1;
    }
}

/* 1: help was asked for, and given. */
static int parse(int argc, char **argv, struct options *ret)
{
    static const struct option options[] = {
        {"network", required_argument, NULL, 'n'}, {"role", required_argument, NULL, 'r'},
        {"engine", required_argument, NULL, 'e'},  {"cgroup-parent", required_argument, NULL, 'c'},
        {"only", required_argument, NULL, 'o'},    {"json", no_argument, NULL, 'j'},
        {"far", required_argument, NULL, 'f'},     {"inward", required_argument, NULL, 'i'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    int option = 0;
    int other = 0;

    while ((option = verb_option(argc, argv, options)) != -1) {
        if (option == 'h')
            return fputs(USAGE, stdout), 1;
        other = take_other(ret, option, optarg);
        if (other < 0)
            return other;
        if (other > 0)
            *(option == 'n'   ? &ret->pin.network
              : option == 'r' ? &ret->pin.role
              : option == 'e' ? &ret->engine
              : option == 'i' ? &ret->inward
                              : &ret->cgroup_parent) = optarg;
    }
    if (optind != argc)
        return verb_usage("verify", "`%s` is one word too many", argv[optind]);
    return 0;
}

static bool is_wanted(const struct options *options, const char *group)
{
    return options->wanted == 0 || (options->wanted & 1U << verify_group_find(group)) != 0;
}

#define CLEAR_LINE "\r\033[K"

static void show_progress(const struct verify_lines *lines)
{
    if (lines->count > 0)
        fprintf(stderr, CLEAR_LINE "%zu attempts, %s", lines->count,
                verify_group_name(lines->attempts[lines->count - 1].group));
}

/* Runs the container with what was found to be tried, and looks at what arrives. */
static int run_container(const struct options *options, const struct verify_targets *targets,
                         struct verify_container *container, struct verify_arrivals *arrivals,
                         struct verify_lines *lines, struct error *err)
{
    const struct verify_watch watch = {arrivals->wake, verify_arrivals_take, arrivals};
    const char *words[2 * 32 + VERIFY_TARGETS_MAX + 1] = {NULL};
    struct error left = {0};
    bool terminal = isatty(STDERR_FILENO) == 1;
    size_t count = 0;
    int removed = 0;
    int result = 0;

    for (unsigned group = 0; verify_group_name(group) != NULL; group++)
        if (is_wanted(options, verify_group_name(group))) {
            words[count++] = "--only";
            words[count++] = verify_group_name(group);
        }
    for (size_t i = 0; i < targets->arguments.count; i++)
        words[count++] = targets->arguments.texts[i];
    result = verify_container_make(container, words, err);
    if (result == 0)
        result = verify_arrivals_begin(arrivals, err);
    if (result == 0)
        result = verify_container_run(container, lines, terminal ? show_progress : NULL, &watch, err);
    if (terminal)
        fputs(CLEAR_LINE, stderr);
    if (result == 0)
        result = verify_arrivals_end(arrivals, lines, err);
    removed = verify_container_remove(container, result == 0 ? err : &left);
    if (result < 0 && removed < 0)
        error_advise(err, "%s", left.text);
    return result < 0 ? result : removed;
}

/* The table, and the verdict on the whole of it. */
static int conclude(const struct verify_view *view, bool json, struct error *err)
{
    size_t counts[VERIFY_VERDICTS];
    int result = 0;

    if (json && verify_print_json(view) < 0)
        return error_set(err, ENOMEM, "print the result");
    if (!json)
        verify_print_text(view);
    result = verb_flush_output(err);
    if (result < 0)
        return result;
    verify_count(view->lines, counts);
    if (counts[VERIFY_VERDICT_LEAK] + counts[VERIFY_VERDICT_BROKEN] == 0)
        return 0;
    error_set(err, 0, "not as the policy says: %zu leaks, %zu broken", counts[VERIFY_VERDICT_LEAK],
              counts[VERIFY_VERDICT_BROKEN]);
    return error_advise(err, "see the lines marked LEAK and BROKEN");
}

/* Finds what there is to be tried, and tries it. */
static int try_all(const struct options *options, const struct verify_view *view, int hub,
                   struct verify_container *container, struct verify_arrivals *arrivals,
                   struct verify_targets *targets, struct error *err)
{
    struct verify_quest quest = {.policy = view->policy,
                                 .role = view->role,
                                 .hub = hub,
                                 .marker = arrivals->marker,
                                 .listener = arrivals->listeners.port,
                                 .far = options->far,
                                 .far_count = options->far_count,
                                 .inward = options->inward};
    int result = verify_targets_find(&quest, targets, err);

    arrivals->way_out = (is_wanted(options, "proxy") && verify_targets_have(targets, "proxy")) ||
                        (is_wanted(options, VERIFY_GROUP_SNI) && verify_targets_have(targets, "sni")) ||
                        (is_wanted(options, "members") && verify_targets_have(targets, "open"));
    return result < 0 ? result : run_container(options, targets, container, arrivals, view->lines, err);
}

static int verify(const struct options *options, const struct policy *policy, const struct policy_role *role,
                  struct error *err)
{
    static struct verify_container container;
    struct verify_arrivals arrivals;
    struct verify_lines lines = {
        .wanted = options->wanted,
        .absent = policy->proxy_sni != 0 && role->reach_proxy
                      ? 0
                      : 1U << (unsigned)verify_group_find(VERIFY_GROUP_SNI),
    };
    struct verify_targets targets = {0};
    struct verify_view view = {
        .policy = policy, .role = role, .lines = &lines, .left_out = &targets.left_out};
    int result =
        verify_container_find(options->engine, &options->pin, role, options->cgroup_parent, &container, err);
    cleanup_close int own = result < 0 ? result : namespace_open_own(err);
    cleanup_close int hub = own < 0 ? own : network_ensure(policy, own, err);

    result = hub < 0 ? hub : hub_check(policy, hub, err);
    if (result == 0)
        result = verify_address_check(policy, role, hub, err);
    verify_arrivals_init(&arrivals);
    if (result == 0)
        result = verify_arrivals_open(&arrivals, policy, hub, own, container.id, err);
    if (result == 0)
        result = try_all(options, &view, hub, &container, &arrivals, &targets, err);
    if (result == 0)
        result = verify_walls_add(policy, hub, own, &lines, err);
    verify_arrivals_close(&arrivals);
    if (result == 0) {
        view.engine = container.engine_name;
        view.way = container.way;
        view.colour = isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == NULL;
        result = conclude(&view, options->json, err);
    }
    verify_targets_free(&targets);
    verify_lines_free(&lines);
    return result;
}

/* From here on a signal waits until somebody reads it: verify_container_run, or the end. */
static void block_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

static int check_targets(const struct options *options, const struct policy *policy,
                         const struct policy_role *role, struct error *err)
{
    for (size_t i = 0; i < options->far_count; i++) {
        int result = verify_targets_check_far(policy, options->far[i], err);

        if (result < 0)
            return result;
    }
    return options->inward != NULL ? verify_targets_check_inward(role, options->inward, err) : 0;
}

int verb_verify(int argc, char **argv, struct error *err)
{
    struct options options = {.pin = {POLICY_DEFAULT_NETWORK, POLICY_DEFAULT_ROLE}, .cgroup_parent = ""};
    const struct policy_role *role = NULL;
    struct policy policy = {.built_in = false};
    int result = parse(argc, argv, &options);

    if (result != 0)
        return result < 0 ? result : 0;
    result = selection_check_pin(&options.pin, err);
    if (result == 0)
        result = selection_load(&options.pin, &options.pin, &policy, &role, err);
    if (result < 0)
        return result;
    log_context(policy.network, role->name, NULL);
    block_signals();
    result = check_targets(&options, &policy, role, err);
    if (result == 0)
        result = verify(&options, &policy, role, err);
    policy_free(&policy);
    return result;
}
