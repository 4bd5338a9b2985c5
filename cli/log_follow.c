/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport log -f: what a network's hub and its proxy refuse, while they refuse it. Nothing runs for it but
 * this command: the hub's rule hands the packets to whoever reads (netns/nflog.h), squid writes its log
 * anyway.
 *
 * Invariants. The count is exact: the hub's own counter says how many packets were refused, and those that
 * got no line (the log is limited, so that a flood costs nothing) are told as "N more"; every line of squid's
 * log is read, and told in the same way. And following a network does not hold it up: only sockets are in the
 * hub, and they are closed a second after it was taken down. What is parsed was written by members, so it is
 * parsed with no capability but the one that the counter asks for, and with the groups of the proxy's log. */
#include "cli/log_follow.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/log_line.h"
#include "cli/log_proxy.h"
#include "cli/verb.h"
#include "netns/hub.h"
#include "netns/hub_rules.h"
#include "netns/link.h"
#include "netns/member.h"
#include "netns/namespace.h"
#include "netns/uplink.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

enum {
    TICK_MS = 1000,
    FILE_MS = 200,     /* how often the proxy's log is looked at */
    LAST_READS = 4096, /* of the proxy's log, when all ends */
};

struct loaded {
    struct policy policy;
    bool is;
};

struct follower {
    struct log_output output;
    struct netlink *log;   /* sockets in the hub: the packets, */
    struct netlink *rules; /* the counter, */
    struct netlink *links; /* and whose link is whose */
    int hub;
    struct log_proxy proxies[LOG_PROXIES];
    struct loaded file;  /* the policy as it is written, */
    struct loaded older; /* and as it was when the hub got it, where that is another one */
    bool fresh;          /* both have been looked at since something came */
    uint64_t before;     /* refused when this began */
    uint64_t shown;      /* lines */
    uint64_t told;       /* as "more" */
    uint64_t settled;    /* the counter one tick ago: of these, every line that comes at all has come */
};

static void unload(struct loaded *loaded)
{
    if (loaded->is)
        policy_free(&loaded->policy);
    loaded->is = false;
}

static void follower_free_at(struct follower *follower)
{
    netlink_close(follower->log);
    netlink_close(follower->rules);
    netlink_close(follower->links);
    cleanup_close_at(&follower->hub);
    for (size_t i = 0; i < LOG_PROXIES; i++)
        log_proxy_close(&follower->proxies[i]);
    unload(&follower->file);
    unload(&follower->older);
}

/* NULL if the hub enforces another one. */
static const struct policy *in_force(const struct follower *follower, const struct loaded *loaded)
{
    struct error unused;

    return loaded->is && hub_rules_check(follower->rules, &loaded->policy, &unused) == 0 ? &loaded->policy
                                                                                         : NULL;
}

/* Reads the file again: it may have been edited. What the hub enforces stays known as long as it does: a file
 * that was edited since says nothing about why a packet was refused. */
static void refresh_policy(struct follower *follower)
{
    struct log_output *output = &follower->output;
    struct error unused;

    if (follower->fresh)
        return;
    follower->fresh = true;
    if (output->policy == &follower->file.policy) {
        unload(&follower->older);
        follower->older = follower->file;
        follower->file.is = false;
    }
    unload(&follower->file);
    follower->file.is =
        policy_load(policy_directory(), output->network, &follower->file.policy, &unused) == 0;
    output->file = follower->file.is ? &follower->file.policy : NULL;
    output->policy = in_force(follower, &follower->file);
    if (output->policy == NULL)
        output->policy = in_force(follower, &follower->older);
}

/* The container's id in the link's alternative names, "" if there is none. */
static const char *id_of(const struct link *link)
{
    for (size_t i = 0; i < link->altnames_count; i++)
        if (strncmp(link->altnames[i], MEMBER_ALTNAME_PREFIX, strlen(MEMBER_ALTNAME_PREFIX)) == 0)
            return link->altnames[i] + strlen(MEMBER_ALTNAME_PREFIX);
    return "";
}

/* The member at the link. The strings are the link's. */
static struct log_member member_of(const struct link *link)
{
    const bool host = strcmp(link->alias, UPLINK_ALIAS) == 0;

    return (struct log_member){.role = !host && policy_name_valid(link->alias) ? link->alias : "",
                               .id = id_of(link),
                               .link = link->name,
                               .host = host};
}

/* The link has gone with its container meanwhile, but strict reverse path filtering had tied the source to
 * it: the address still tells the role. */
static struct log_member member_gone(const struct policy *policy, uint32_t source)
{
    const struct policy_role *role = policy != NULL ? policy_role_of(policy, source) : NULL;

    return (struct log_member){.role = role != NULL ? role->name : "", .id = "", .link = ""};
}

static void print_packet(const struct nflog_packet *packet, void *data)
{
    struct follower *follower = data;
    struct log_member member;
    struct error unused;
    struct link link;

    refresh_policy(follower);
    if (link_find_index(follower->links, (int)packet->link, &link, &unused) == 0)
        member = member_of(&link);
    else
        member = member_gone(packet->has_addresses ? follower->output.policy : NULL, packet->source);
    log_line_packet(&follower->output, &member, packet);
    follower->shown++;
}

static void print_request(const struct squid_log_line *request, void *data)
{
    struct follower *follower = data;
    const struct policy *policy = NULL;
    struct log_member member;
    struct error unused;
    char name[IFNAMSIZ];
    struct link link;

    refresh_policy(follower);
    policy = follower->output.file;
    link_hub_name(request->client, name);
    if (link_find(follower->links, name, &link, &unused) == 0)
        member = member_of(&link);
    else
        member = member_gone(policy, request->client);
    member.host = member.host || (policy != NULL && request->client == policy->host_address);
    log_line_request(&follower->output, &member, request);
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
    follower->fresh = false;
    return nflog_read(follower->log, print_packet, follower, err);
}

static bool read_proxies(struct follower *follower)
{
    bool more = false;

    follower->fresh = false;
    for (size_t i = 0; i < LOG_PROXIES; i++) {
        more |= log_proxy_read(&follower->proxies[i]);
        log_proxy_complain(&follower->proxies[i], follower->output.network);
    }
    return more;
}

static void settle_proxies(struct follower *follower)
{
    uint64_t requests = 0;
    uint64_t unreadable = 0;

    for (size_t i = 0; i < LOG_PROXIES; i++) {
        uint64_t more = 0;
        uint64_t unread = 0;

        log_proxy_settle(&follower->proxies[i], &more, &unread);
        requests += more;
        unreadable += unread;
    }
    if (requests > 0 || unreadable > 0)
        log_line_proxy_more(&follower->output, requests, unreadable);
}

/* Whether there are files, which have to be looked at from time to time. Standard input is the first. */
static bool has_files(const struct follower *follower)
{
    return log_proxy_is_file(&follower->proxies[0]);
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
    settle_proxies(follower);
    return verb_flush_output(err);
}

static bool is_gone(const struct follower *follower)
{
    struct error unused;
    cleanup_close int hub = hub_open(follower->output.network, &unused);

    return hub < 0 || !namespace_same(hub, follower->hub);
}

static bool has_input(int descriptor)
{
    struct pollfd wait = {.fd = descriptor, .events = POLLIN};

    return poll(&wait, 1, 0) == 1;
}

static void finish_proxies(struct follower *follower)
{
    const bool files = has_files(follower);

    for (unsigned i = 0; i < LAST_READS && (files || has_input(log_proxy_descriptor(&follower->proxies[0])));
         i++)
        if (!read_proxies(follower))
            break;
    settle_proxies(follower);
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
    finish_proxies(follower);
    log_line_end(&follower->output, reason);
    return verb_flush_output(err);
}

/* How long to wait for something to happen. `more`: it has. */
static int patience(const struct follower *follower, int64_t next, bool more)
{
    int64_t left = next - clock_milliseconds();

    if (has_files(follower) && left > FILE_MS)
        left = FILE_MS;
    return more || left < 0 ? 0 : (int)left;
}

/* What has come meanwhile. `input`: standard input has something. */
static int read_all(struct follower *follower, bool packets, bool input, bool *ret_more, struct error *err)
{
    int result = packets ? read_packets(follower, err) : 0;

    *ret_more = false;
    if (result == 0 && (input || has_files(follower)))
        *ret_more = read_proxies(follower);
    return result == 0 ? verb_flush_output(err) : result;
}

static int follow(struct follower *follower, int signals, struct error *err)
{
    int64_t next = clock_milliseconds() + TICK_MS;
    bool more = false;
    int result = 0;

    while (result == 0) {
        struct pollfd wait[] = {{.fd = netlink_descriptor(follower->log), .events = POLLIN},
                                {.fd = signals, .events = POLLIN},
                                {.fd = log_proxy_descriptor(&follower->proxies[0]), .events = POLLIN}};

        if (poll(wait, array_size(wait), patience(follower, next, more)) < 0 && errno != EINTR)
            return error_set(err, errno, "wait for refused packets");
        if (wait[1].revents != 0)
            return finish(follower, "interrupted", err);
        result = read_all(follower, wait[0].revents != 0, wait[2].revents != 0, &more, err);
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

/* Squid's log belongs to squid's user; without capabilities, its group may read it, and what takes its place
 * when it is rotated, and the directory's group may find it. The pass-through's is beside it. */
static int join_groups(const struct follower *follower, struct error *err)
{
    const char *name = follower->proxies[0].name;
    cleanup_free char *copy = has_files(follower) ? strdup(name) : NULL;
    struct stat status;
    gid_t groups[1 + LOG_PROXIES];
    size_t count = 0;

    if (copy == NULL)
        return 0;
    for (size_t i = 0; i < LOG_PROXIES; i++)
        if (log_proxy_is_file(&follower->proxies[i]) && lstat(follower->proxies[i].name, &status) == 0)
            groups[count++] = status.st_gid;
    if (stat(dirname(copy), &status) == 0)
        groups[count++] = status.st_gid;
    return setgroups(count, groups) < 0 ? error_set(err, errno, "join the groups of %s", name) : 0;
}

int log_open_hub(const char *network, struct error *err)
{
    int hub = hub_open(network, err);

    if (hub != -ENOENT)
        return hub;
    error_set(err, 0, "the network is not up");
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

/* What a reader has to know before the first line. */
static int begin(struct follower *follower, struct error *err)
{
    const struct log_output *output = &follower->output;

    refresh_policy(follower);
    if (output->policy == NULL)
        fprintf(
            stderr,
            "sallyport: %s: the hub does not run the policy file: what is allowed is not shown, and a hub "
            "of an earlier release logs nothing; run `sallyport network reload %s`\n",
            output->network, output->network);
    log_line_begin(output, follower->before, follower->proxies[0].name, follower->proxies[1].name);
    for (size_t i = 0; i < LOG_PROXIES; i++)
        log_proxy_complain(&follower->proxies[i], output->network);
    return verb_flush_output(err);
}

int log_follow(const char *network, const struct log_proxy_names *proxy_logs, bool json, struct error *err)
{
    __attribute__((cleanup(follower_free_at))) struct follower follower = {
        .output = {.network = network, .json = json}, .hub = log_open_hub(network, err)};
    cleanup_close int signals = -1;
    int result = follower.hub;

    for (size_t i = 0; i < LOG_PROXIES; i++)
        log_proxy_open(proxy_logs->names[i], false, true, print_request, &follower, &follower.proxies[i]);
    if (result >= 0)
        result = open_sockets(&follower, err);
    if (result == 0)
        result = join_groups(&follower, err);
    if (result < 0)
        return result;
    signals = open_signals(err);
    result = signals < 0 ? signals : drop_privileges(err);
    if (result == 0)
        result = begin(&follower, err);
    return result < 0 ? result : follow(&follower, signals, err);
}
