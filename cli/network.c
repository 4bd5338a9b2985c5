/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport network: makes a network, takes it down, puts a changed policy into force, and shows it. What is
 * shown is read from the kernel, never from a file about it. */
#include "hook/network.h"
#include "base/cleanup.h"
#include "cli/verb.h"
#include "hook/document.h"
#include "netns/hub.h"
#include "netns/namespace.h"
#include "policy/policy.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char USAGE[] = "Usage: sallyport network up|down|reload NETWORK\n"
                            "       sallyport network show NETWORK [--json]\n"
                            "       sallyport network list [--json]\n"
                            "\n"
                            "  up      make the network's hub and uplink, unless they are there\n"
                            "  down    delete every link of the network, then the hub\n"
                            "  reload  put the policy file into force in one step, on live connections too\n"
                            "  show    members, roles, container ids, addresses, traffic, refusals\n"
                            "  list    the networks that are up\n";

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

static int ensure(const struct policy *policy, int host_netns, struct error *err)
{
    int hub = network_ensure(policy, host_netns, err);

    if (hub < 0)
        return hub;
    close(hub);
    return 0;
}

static int reload(const struct policy *policy, int host_netns, struct error *err)
{
    int result = policy_check_overlap(POLICY_DIRECTORY, policy, err);

    return result < 0 ? result : hub_reload(policy, host_netns, err);
}

static int up(const char *network, bool json, struct error *err)
{
    (void)json;
    return with_policy(network, ensure, err);
}

static int verb_reload(const char *network, bool json, struct error *err)
{
    (void)json;
    return with_policy(network, reload, err);
}

static int down(const char *network, bool json, struct error *err)
{
    cleanup_close int own = namespace_open_own(err);
    int result = own < 0 ? own : verb_check_network(network, err);

    (void)json;
    return result < 0 ? result : hub_remove(network, own, err);
}

struct view { /* what `show` prints */
    const char *network;
    struct hub_member *members;
    size_t count;
    uint64_t refused_packets;
    uint64_t refused_bytes;
    const char *policy; /* whether the hub runs the policy file that is there now */
};

static void print_json(const struct view *view)
{
    cleanup_json json_t *list = json_array();
    cleanup_json json_t *document = NULL;
    char address[16];

    for (size_t i = 0; i < view->count; i++) {
        const struct hub_member *member = &view->members[i];

        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:{s:I, s:I}, s:{s:I, s:I}}",
                                              "address", policy_format_address(member->address, address),
                                              "role", member->role, "id", member->id, "link", member->link,
                                              "host", member->host, "up", member->up, "sent", "packets",
                                              (json_int_t)member->sent_packets, "bytes",
                                              (json_int_t)member->sent_bytes, "received", "packets",
                                              (json_int_t)member->received_packets, "bytes",
                                              (json_int_t)member->received_bytes));
    }
    document = json_pack("{s:s, s:s, s:{s:I, s:I}, s:O}", "network", view->network, "policy", view->policy,
                         "refused", "packets", (json_int_t)view->refused_packets, "bytes",
                         (json_int_t)view->refused_bytes, "members", list);
    json_dumpf(document, stdout, JSON_INDENT(2));
    putchar('\n');
}

static void print_text(const struct view *view)
{
    char address[16];

    printf("%-15s %-12s %-12s %-10s %-4s %12s %12s\n", "ADDRESS", "ROLE", "CONTAINER", "LINK", "UP", "SENT",
           "RECEIVED");
    for (size_t i = 0; i < view->count; i++) {
        const struct hub_member *member = &view->members[i];

        printf("%-15s %-12s %-12.12s %-10s %-4s %10" PRIu64 " B %10" PRIu64 " B\n",
               policy_format_address(member->address, address), member->host ? "(host)" : member->role,
               member->host ? "-" : member->id, member->link, member->up ? "yes" : "no", member->sent_bytes,
               member->received_bytes);
    }
    printf("refused by the hub: %" PRIu64 " packets, %" PRIu64 " bytes; policy: %s\n", view->refused_packets,
           view->refused_bytes, view->policy);
}

/* Compares the hub's rules with the file: an administrator who edited it and forgot the reload sees it here.
 */
static const char *compare_policy(const char *network, int hub)
{
    struct error unused;
    struct policy policy;
    const char *answer = "in force";

    if (policy_load(POLICY_DIRECTORY, network, &policy, &unused) < 0)
        return "the file cannot be read";
    if (hub_check(&policy, hub, &unused) < 0)
        answer = "the file has changed, reload it";
    policy_free(&policy);
    return answer;
}

static int show(const char *network, bool json, struct error *err)
{
    struct view view = {.network = network};
    cleanup_free struct hub_member *members = NULL;
    cleanup_close int hub = -1;
    int result = verb_check_network(network, err);

    if (result < 0)
        return result;
    hub = hub_open(network, err);
    if (hub == -ENOENT) {
        error_set(err, 0, "the network is not up");
        return error_advise(
            err, "run `sallyport network up %s`, or `sallyport network list` to see which are", network);
    }
    if (hub < 0)
        return hub;
    result = hub_members(hub, &members, &view.count, err);
    if (result == 0)
        result = hub_refused(hub, &view.refused_packets, &view.refused_bytes, err);
    if (result < 0)
        return result;
    view.members = members;
    view.policy = compare_policy(network, hub);
    if (json)
        print_json(&view);
    else
        print_text(&view);
    return verb_flush_output(err);
}

static int append_name(const char *network, void *data)
{
    return json_array_append_new(data, json_string(network)) < 0 ? -ENOMEM : 0;
}

static int list(bool json, struct error *err)
{
    cleanup_json json_t *names = json_array();
    int result = hub_list(append_name, names, err);

    if (result < 0)
        return result;
    if (json) {
        json_dumpf(names, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    for (size_t i = 0; i < json_array_size(names) && !json; i++)
        puts(json_string_value(json_array_get(names, i)));
    return verb_flush_output(err);
}

static const struct {
    const char *name;
    int (*run)(const char *network, bool json, struct error *err);
} ACTIONS[] = {
    {"up", up},
    {"down", down},
    {"reload", verb_reload},
    {"show", show},
};

/* Takes --json out of the arguments, wherever it stands. */
static bool take_json(int *argc, char **argv)
{
    bool found = false;
    int kept = 0;

    for (int i = 0; i < *argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            found = true;
        else
            argv[kept++] = argv[i];
    }
    *argc = kept;
    return found;
}

int verb_network(int argc, char **argv, struct error *err)
{
    bool json = take_json(&argc, argv);

    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return fputs(USAGE, stdout), 0;
    if (argc == 2 && strcmp(argv[1], "list") == 0)
        return list(json, err);
    for (size_t i = 0; i < array_size(ACTIONS) && argc >= 2; i++) {
        if (strcmp(argv[1], ACTIONS[i].name) != 0)
            continue;
        if (argc != 3)
            return verb_usage("network", "%s needs one network", argv[1]);
        return ACTIONS[i].run(argv[2], json, err);
    }
    return verb_usage("network", "expected up, down, reload, show or list");
}
