/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport log: what a network's hub refuses, while it refuses it. Nothing runs for it but this command: the
 * hub's rule hands the packets to whoever reads (netns/nflog.h).
 *
 * Invariants. The count is exact: the hub's own counter says how many packets were refused, and those that
 * got no line (the log is limited, so that a flood costs nothing) are told as "N more". And following a
 * network does not hold it up: only sockets are in the hub, and they are closed a second after it was taken
 * down. What is parsed was written by members, so it is parsed with no capability but the one that the
 * counter asks for. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "cli/log_line.h"
#include "cli/verb.h"
#include "netns/hub.h"
#include "netns/hub_rules.h"
#include "netns/link.h"
#include "netns/member.h"
#include "netns/namespace.h"
#include "netns/uplink.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

static const char USAGE[] =
    "Usage: sallyport log [-f] [--json] [--network NETWORK]\n"
    "\n"
    "  -f, --follow   print each packet that the hub refuses, as it happens: time, network, role, "
    "container,\n"
    "                 protocol, source, destination and port, and what the role may reach instead\n"
    "  --json         one JSON object a line\n"
    "  --network N    of this network; without it, of `" POLICY_DEFAULT_NETWORK "`\n"
    "\n"
    "Without -f: how many packets were refused since the hub was made. The kernel keeps no more of the "
    "past.\n"
    "\n"
    "At most 50 packets a second get a line; the rest is counted and told as \"N more refused, not shown\".\n"
    "Four readers can follow a network at a time. Seen is what reaches the hub's rules. What is refused "
    "inside\n"
    "the container (addresses outside the network, UDP, name look-ups) fails there at once and never gets "
    "to\n"
    "the hub; a forged source address is dropped before its rules. Neither is counted or shown here.\n";

enum { TICK_MS = 1000 };

struct options {
    const char *network;
    bool follow;
    bool json;
};

struct follower {
    struct log_output output;
    struct netlink *log;   /* sockets in the hub: the packets, */
    struct netlink *rules; /* the counter, */
    struct netlink *links; /* and whose link is whose */
    int hub;
    struct policy policy;
    bool loaded;
    uint64_t before;  /* refused when this began */
    uint64_t shown;   /* lines */
    uint64_t told;    /* as "more" */
    uint64_t settled; /* the counter one tick ago: of these, every line that comes at all has come */
};

static void follower_free_at(struct follower *follower)
{
    netlink_close(follower->log);
    netlink_close(follower->rules);
    netlink_close(follower->links);
    cleanup_close_at(&follower->hub);
    if (follower->loaded)
        policy_free(&follower->policy);
}

/* Has the policy that the hub enforces at hand, or none: a file that was edited since says nothing about why
 * a packet was refused. */
static void refresh_policy(struct follower *follower)
{
    struct error unused;

    if (follower->loaded && hub_rules_check(follower->rules, &follower->policy, &unused) < 0) {
        policy_free(&follower->policy);
        follower->loaded = false;
    }
    if (!follower->loaded)
        follower->loaded =
            policy_load(POLICY_DIRECTORY, follower->output.network, &follower->policy, &unused) == 0;
    follower->output.policy =
        follower->loaded && hub_rules_check(follower->rules, &follower->policy, &unused) == 0
            ? &follower->policy
            : NULL;
}

/* The container's id in the link's alternative names, "" if there is none. */
static const char *id_of(const struct link *link)
{
    for (size_t i = 0; i < link->altnames_count; i++)
        if (strncmp(link->altnames[i], MEMBER_ALTNAME_PREFIX, strlen(MEMBER_ALTNAME_PREFIX)) == 0)
            return link->altnames[i] + strlen(MEMBER_ALTNAME_PREFIX);
    return "";
}

/* Strict reverse path filtering has tied the source to the link. So when the link has gone with its container
 * meanwhile, the address still tells the role. */
static void print_packet(const struct nflog_packet *packet, void *data)
{
    struct follower *follower = data;
    const struct policy *policy = follower->output.policy;
    const struct policy_role *role = NULL;
    struct log_member member = {.role = "", .id = "", .link = ""};
    struct error unused;
    struct link link;

    if (link_find_index(follower->links, (int)packet->link, &link, &unused) == 0) {
        member.host = strcmp(link.alias, UPLINK_ALIAS) == 0;
        member.role = !member.host && policy_name_valid(link.alias) ? link.alias : "";
        member.id = id_of(&link);
        member.link = link.name;
    } else if (policy != NULL && packet->has_addresses) {
        role = policy_role_of(policy, packet->source);
        member.role = role != NULL ? role->name : "";
    }
    log_line_refused(&follower->output, &member, packet);
    follower->shown++;
}

static int read_counter(const struct follower *follower, uint64_t *ret_packets, struct error *err)
{
    uint64_t bytes = 0;

    return hub_rules_refused(follower->rules, ret_packets, &bytes, err);
}

/* Tells of those among the first `refused` packets of the counter that have no line. */
static void tell_more(struct follower *follower, uint64_t refused)
{
    uint64_t known = follower->before + follower->shown + follower->told;

    if (refused <= known)
        return;
    log_line_more(&follower->output, refused - known);
    follower->told += refused - known;
}

static int read_packets(struct follower *follower, struct error *err)
{
    refresh_policy(follower);
    return nflog_read(follower->log, print_packet, follower, err);
}

/* A packet is counted a moment before its line is on its way: so what the counter said a tick ago is compared
 * with the lines that have come by now. */
static int tick(struct follower *follower, struct error *err)
{
    uint64_t refused = 0;
    int result = read_packets(follower, err);

    if (result == 0)
        result = read_counter(follower, &refused, err);
    if (result < 0)
        return result;
    tell_more(follower, follower->settled);
    follower->settled = refused;
    return verb_flush_output(err);
}

static bool is_gone(const struct follower *follower)
{
    struct error unused;
    cleanup_close int hub = hub_open(follower->output.network, &unused);

    return hub < 0 || !namespace_same(hub, follower->hub);
}

/* The rest of the count, and the last line. */
static int finish(struct follower *follower, const char *reason, struct error *err)
{
    uint64_t refused = 0;
    int result = read_counter(follower, &refused, err);

    if (result == 0)
        result = read_packets(follower, err);
    if (result < 0)
        return result;
    tell_more(follower, refused);
    log_line_end(&follower->output, reason);
    return verb_flush_output(err);
}

static int follow(struct follower *follower, int signals, struct error *err)
{
    struct pollfd wait[] = {{.fd = netlink_descriptor(follower->log), .events = POLLIN},
                            {.fd = signals, .events = POLLIN}};
    int64_t next = clock_milliseconds() + TICK_MS;
    int result = 0;

    while (result == 0) {
        int64_t left = next - clock_milliseconds();

        if (poll(wait, array_size(wait), left > 0 ? (int)left : 0) < 0 && errno != EINTR)
            return error_set(err, errno, "wait for refused packets");
        if (wait[1].revents != 0)
            return finish(follower, "interrupted", err);
        if (wait[0].revents != 0)
            result = read_packets(follower, err);
        if (result == 0)
            result = verb_flush_output(err);
        if (result < 0 || clock_milliseconds() < next)
            continue;
        next = clock_milliseconds() + TICK_MS;
        if (is_gone(follower))
            return finish(follower, "the network was taken down", err);
        result = tick(follower, err);
    }
    return result;
}

static int open_signals(struct error *err)
{
    sigset_t ends;
    int fd = -1;

    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &ends, NULL) == 0)
        fd = signalfd(-1, &ends, SFD_CLOEXEC);
    return fd < 0 ? error_set(err, errno, "open a descriptor for signals") : fd;
}

/* Keeps CAP_NET_ADMIN, without which the kernel does not show a counter, and nothing else. */
static int drop_privileges(struct error *err)
{
    static const cap_value_t values[] = {CAP_NET_ADMIN};
    cap_t wanted = cap_init();
    int result = 0;

    if (wanted == NULL || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        cap_set_flag(wanted, CAP_PERMITTED, array_size(values), values, CAP_SET) < 0 ||
        cap_set_flag(wanted, CAP_EFFECTIVE, array_size(values), values, CAP_SET) < 0 ||
        cap_set_proc(wanted) < 0)
        result = error_set(err, errno, "drop capabilities");
    if (wanted != NULL)
        cap_free(wanted);
    return result;
}

static int open_hub(const char *network, struct error *err)
{
    int hub = hub_open(network, err);

    if (hub != -ENOENT)
        return hub;
    error_set(err, ENOENT, "the network is not up");
    err->number = 0;
    return error_advise(err, "run `sallyport network up %s`, or `sallyport network list` to see which are",
                        network);
}

/* The counter before the group: what is refused in between has no line and is told as such. */
static int open_sockets(struct follower *follower, struct error *err)
{
    cleanup_close int own = namespace_open_own(err);
    int result =
        own < 0 ? own : netlink_open_in(follower->hub, own, NETLINK_NETFILTER, &follower->rules, err);

    if (result == 0)
        result = netlink_open_in(follower->hub, own, NETLINK_NETFILTER, &follower->log, err);
    if (result == 0)
        result = netlink_open_in(follower->hub, own, NETLINK_ROUTE, &follower->links, err);
    if (result == 0)
        result = read_counter(follower, &follower->before, err);
    follower->settled = follower->before;
    return result < 0 ? result : nflog_bind(follower->log, err);
}

static int run_follow(const struct options *options, struct error *err)
{
    __attribute__((cleanup(follower_free_at))) struct follower follower = {
        .output = {.network = options->network, .json = options->json},
        .hub = open_hub(options->network, err)};
    cleanup_close int signals = -1;
    int result = follower.hub < 0 ? follower.hub : open_sockets(&follower, err);

    if (result < 0)
        return result;
    signals = open_signals(err);
    result = signals < 0 ? signals : drop_privileges(err);
    if (result < 0)
        return result;
    refresh_policy(&follower);
    if (follower.output.policy == NULL)
        fprintf(
            stderr,
            "sallyport: %s: the hub does not run the policy file: what is allowed is not shown, and a hub "
            "of an earlier release logs nothing; run `sallyport network reload %s`\n",
            options->network, options->network);
    log_line_begin(&follower.output, follower.before);
    result = verb_flush_output(err);
    return result < 0 ? result : follow(&follower, signals, err);
}

static int run_count(const struct options *options, struct error *err)
{
    cleanup_close int hub = open_hub(options->network, err);
    cleanup_json json_t *document = NULL;
    uint64_t packets = 0;
    uint64_t bytes = 0;
    int result = hub < 0 ? hub : hub_refused(hub, &packets, &bytes, err);

    if (result < 0)
        return result;
    if (options->json) {
        document = json_pack("{s:s, s:{s:I, s:I}}", "network", options->network, "refused", "packets",
                             (json_int_t)packets, "bytes", (json_int_t)bytes);
        json_dumpf(document, stdout, JSON_COMPACT);
        putchar('\n');
    } else {
        printf("%s: %" PRIu64 " packets, %" PRIu64 " bytes refused since the hub was made; "
               "`sallyport log -f --network %s` shows them as they happen\n",
               options->network, packets, bytes, options->network);
    }
    return verb_flush_output(err);
}

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
        else
            return verb_usage("log", "unexpected argument `%s`", argv[i]);
    }
    return 0;
}

int verb_log(int argc, char **argv, struct error *err)
{
    struct options options = {.network = POLICY_DEFAULT_NETWORK};
    int result = 0;

    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return fputs(USAGE, stdout), 0;
    result = parse(argc, argv, &options);
    if (result == 0)
        result = verb_check_network(options.network, err);
    if (result < 0)
        return result;
    return options.follow ? run_follow(&options, err) : run_count(&options, err);
}
