/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/hub.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "netns/child.h"
#include "netns/hub_rules.h"
#include "netns/member.h"
#include "netns/namespace.h"
#include "netns/netlink.h"
#include "netns/netstat.h"
#include "netns/pin.h"
#include "netns/route.h"
#include "netns/sysctls.h"
#include "netns/uplink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* What stays the same for a hub's whole life, as text for its `lo` and for the administrator. */
static void identity(const struct policy *policy, char text[LINK_ALIAS_SIZE])
{
    char subnet[16];
    char proxy[16];

    snprintf(text, LINK_ALIAS_SIZE, "subnet %s/%u, proxy %s at %s",
             policy_format_address(policy->subnet, subnet), policy->prefix,
             policy_format_address(policy->proxy_address, proxy),
             policy->proxy_at == POLICY_PROXY_AT_HOST ? "host" : "member");
}

/* Before it has a link. */
static int set_sysctls(const struct sysctls_directories *directories, struct error *err)
{
    int result = sysctls_set(directories, SYSCTLS_HUB, "all", NULL, err);

    if (result == 0)
        result = sysctls_set(directories, SYSCTLS_HUB, "default", NULL, err);
    /* Refusals are errors that reach the agent at once: none is held back by the rate limit of ICMP. */
    return result == 0 ? namespace_sysctl("net/ipv4/icmp_ratemask", "0", err) : result;
}

/* What `lo` is for: it says whose hub this is, and it stands for every member that is not there. A hub has no
 * address to tell from that a member is gone, so who calls one would hang until its timeout; routed to `lo`
 * the call comes by the forward chain, which refuses it at once (netns/hub_rules.c). A present member's own
 * route is longer. And a source that is not there is none: its reverse path is `lo`. */
static int prepare_loopback(const struct policy *policy, struct error *err)
{
    cleanup_netlink struct netlink *netlink = NULL;
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    const struct route absent = {.family = AF_INET,
                                 .type = RTN_UNICAST,
                                 .table = RT_TABLE_MAIN,
                                 .destination = policy->subnet,
                                 .prefix = (uint8_t)policy->prefix,
                                 .index = LINK_LOOPBACK};
    char text[LINK_ALIAS_SIZE];
    int result = netlink_open(NETLINK_ROUTE, &netlink, err);

    if (result < 0)
        return result;
    identity(policy, text);
    link_add_alias(batch, LINK_LOOPBACK, text);
    link_add_loopback_up(batch);
    route_add(batch, NLM_F_EXCL, &absent, "add route for absent members");
    return netlink_send(netlink, batch, NULL, err);
}

static int install_rules(const struct policy *policy, struct error *err)
{
    cleanup_netlink struct netlink *netfilter = NULL;
    int result = netlink_open(NETLINK_NETFILTER, &netfilter, err);

    return result < 0 ? result : hub_rules_install(netfilter, policy, err);
}

struct build {
    const struct policy *policy;
    int host_netns;
};

/* In the child. Whatever fails, the anonymous namespace dies with the child and takes its links along; the
 * uplink's rules and routing rule are the host's and are removed here. */
static int build_hub(void *data, struct error *err)
{
    const struct build *build = data;
    const struct policy *policy = build->policy;
    cleanup_sysctls struct sysctls_directories directories = {-1, -1};
    cleanup_close int hub = -1;
    struct error undo;
    int result = 0;

    if (unshare(CLONE_NEWNET) < 0)
        return error_set(err, errno, "make a network namespace");
    hub = namespace_open_own(err);
    if (hub < 0)
        return hub;
    result = sysctls_open(&directories, err);
    if (result == 0)
        result = set_sysctls(&directories, err);
    if (result == 0)
        result = prepare_loopback(policy, err);
    if (result == 0)
        result = install_rules(policy, err);
    if (result == 0 && uplink_needed(policy))
        result = uplink_ensure(policy, hub, build->host_netns, err);
    if (result < 0)
        return result;
    result = pin_set(policy->network, err);
    if (result < 0)
        uplink_remove(policy->network, build->host_netns, &undo);
    return result;
}

/* A child that ended in the middle did not undo what it made on the host; one that pinned the hub was at its
 * end, whatever was heard of it. */
static void undo_for_child(const char *network, int host_netns)
{
    struct error ignored;
    cleanup_close int hub = pin_open(network, &ignored);

    if (hub == -ENOENT)
        uplink_remove(network, host_netns, &ignored);
}

/* Opens the hub or makes it, under the lock: somebody else may have been faster. */
static int make(const struct policy *policy, int host_netns, struct error *err)
{
    struct build build = {.policy = policy, .host_netns = host_netns};
    cleanup_close int lock = pin_lock(true, err);
    int hub = -1;
    int result = 0;

    if (lock < 0)
        return lock;
    hub = pin_open(policy->network, err);
    if (hub != -ENOENT)
        return hub;
    result = child_run(build_hub, &build, err);
    if (result == -ECHILD)
        undo_for_child(policy->network, host_netns);
    if (result < 0)
        return error_prefix(err, "bring up network %s", policy->network);
    return pin_open(policy->network, err);
}

int hub_open(const char *network, struct error *err)
{
    int hub = pin_open(network, err);

    if (hub == -ENOENT)
        error_advise(err, "the network is not up: run sallyport network up %s", network);
    return hub;
}

/* Opens a socket of the protocol in the hub; the thread stays where it is. */
static int open_socket(int netns, int protocol, struct netlink **ret, struct error *err)
{
    cleanup_close int own = namespace_open_own(err);

    return own < 0 ? own : netlink_open_in(netns, own, protocol, ret, err);
}

int hub_check_by(struct netlink *netfilter, const struct policy *policy, struct error *err)
{
    int result = hub_rules_check(netfilter, policy, err);

    if (result == -ENOENT)
        err->number = ESTALE; /* the hub is there: no caller may take this for "there is none" */
    return result == -ENOENT ? -ESTALE : result;
}

int hub_check(const struct policy *policy, int netns, struct error *err)
{
    cleanup_netlink struct netlink *netfilter = NULL;
    int result = open_socket(netns, NETLINK_NETFILTER, &netfilter, err);

    return result < 0 ? result : hub_check_by(netfilter, policy, err);
}

/* What is no hub has no identity: somebody has bound another namespace in its place. */
static int refuse_stranger(const char *network, struct error *err)
{
    error_set(err, 0, "use the hub of network %s: what is bound in its place is another namespace", network);
    return error_advise(err, "run sallyport network down %s, then up, and restart its containers", network);
}

int hub_ensure(const struct policy *policy, int host_netns, struct error *err)
{
    cleanup_close int hub = pin_open(policy->network, err);

    if (hub == -ENOENT)
        hub = make(policy, host_netns, err);
    if (hub >= 0 && namespace_same(hub, host_netns))
        return refuse_stranger(policy->network, err);
    return take_fd(&hub);
}

static int refuse_change(const struct policy *policy, const char *is, const char *wanted, struct error *err)
{
    if (is[0] == '\0')
        return refuse_stranger(policy->network, err);
    error_set(err, EBUSY, "reload network %s: it is up as %s, and the policy says %s", policy->network, is,
              wanted);
    return error_advise(err, "stop its containers and run sallyport network down %s, then up",
                        policy->network);
}

static int check_identity(const struct policy *policy, struct netlink *netlink, struct error *err)
{
    struct link loopback;
    char wanted[LINK_ALIAS_SIZE];
    int result = link_find(netlink, "lo", &loopback, err);

    if (result < 0)
        return result;
    identity(policy, wanted);
    if (strcmp(loopback.alias, wanted) != 0)
        return refuse_change(policy, loopback.alias, wanted, err);
    return 0;
}

static void read_member(const struct link *link, struct hub_member *ret)
{
    *ret = (struct hub_member){.host = strcmp(link->alias, UPLINK_ALIAS) == 0,
                               .up = (link->flags & IFF_UP) != 0,
                               .netnsid = link->peer_elsewhere ? link->peer_netnsid : -1,
                               .sent_bytes = link->received_bytes,
                               .sent_packets = link->received_packets,
                               .received_bytes = link->sent_bytes,
                               .received_packets = link->sent_packets,
                               .settings = link->settings};
    link_hub_address(link->name, &ret->address);
    snprintf(ret->link, sizeof(ret->link), "%s", link->name);
    if (!ret->host && policy_name_valid(link->alias))
        snprintf(ret->role, sizeof(ret->role), "%.12s", link->alias);
    for (size_t i = 0; i < link->altnames_count; i++)
        if (strncmp(link->altnames[i], MEMBER_ALTNAME_PREFIX, strlen(MEMBER_ALTNAME_PREFIX)) == 0)
            snprintf(ret->id, sizeof(ret->id), "%s", link->altnames[i] + strlen(MEMBER_ALTNAME_PREFIX));
}

static int by_address(const void *a, const void *b)
{
    const struct hub_member *first = a;
    const struct hub_member *second = b;

    return (first->address > second->address) - (first->address < second->address);
}

static int list_members(struct netlink *netlink, struct hub_member **ret_members, size_t *ret_count,
                        struct error *err)
{
    cleanup_free struct link *links = NULL;
    struct hub_member *members = NULL;
    size_t links_count = 0;
    size_t count = 0;
    uint32_t address = 0;
    int result = link_list(netlink, &links, &links_count, err);

    if (result < 0)
        return result;
    members = calloc(links_count + 1, sizeof(*members));
    if (members == NULL)
        return error_set(err, ENOMEM, "list members");
    for (size_t i = 0; i < links_count; i++)
        if (links[i].group == LINK_GROUP && link_hub_address(links[i].name, &address))
            read_member(&links[i], &members[count++]);
    qsort(members, count, sizeof(*members), by_address);
    *ret_members = members;
    *ret_count = count;
    return 0;
}

int hub_members(int netns, struct hub_member **ret_members, size_t *ret_count, struct error *err)
{
    cleanup_netlink struct netlink *netlink = NULL;
    int result = open_socket(netns, NETLINK_ROUTE, &netlink, err);

    return result < 0 ? result : list_members(netlink, ret_members, ret_count, err);
}

/* A member keeps its address for life, so an address must not come to mean another role under it. */
static int check_members(const struct policy *policy, const struct hub_member *members, size_t count,
                         struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct policy_role *role = policy_role_of(policy, members[i].address);
        char address[16];

        if (members[i].host || members[i].role[0] == '\0' ||
            (role != NULL && strcmp(role->name, members[i].role) == 0))
            continue;
        error_set(err, EBUSY,
                  "reload network %s: container %.12s has %s as role %s, and the policy gives it to %s",
                  policy->network, members[i].id, policy_format_address(members[i].address, address),
                  members[i].role, role != NULL ? role->name : "nobody");
        return error_advise(err, "stop that container, or leave its role's addresses as they are");
    }
    return 0;
}

/* Somebody may have changed them since. In the hub; a link may be gone by now, with what was to be set. */
static int set_sysctls_again(const struct hub_member *members, size_t count, struct error *err)
{
    cleanup_sysctls struct sysctls_directories directories = {-1, -1};
    int result = sysctls_open(&directories, err);

    if (result == 0)
        result = set_sysctls(&directories, err);
    for (size_t i = 0; i < count && result == 0; i++) {
        result = sysctls_set(&directories, SYSCTLS_HUB, members[i].link, &members[i].settings, err);
        if (result == -ENOENT)
            result = 0;
    }
    return result;
}

static int repair_sysctls(int hub, const struct hub_member *members, size_t count, struct error *err)
{
    cleanup_close int own = namespace_open_own(err);
    int result = own < 0 ? own : namespace_enter(hub, err);

    if (result < 0)
        return result;
    result = set_sysctls_again(members, count, err);
    namespace_return(own);
    return result;
}

/* The hub first: it is the wall. If the uplink fails afterwards the hub already decides by the new policy;
 * the host's table still is the old one (or none, while the uplink is not up), which opens nothing that the
 * hub does not: at worst a new proxy port or published port does not work until the reload is repeated. */
static int apply(const struct policy *policy, int hub, int host_netns, struct error *err)
{
    cleanup_netlink struct netlink *netfilter = NULL;
    int result = open_socket(hub, NETLINK_NETFILTER, &netfilter, err);

    if (result < 0)
        return result;
    result = hub_rules_install(netfilter, policy, err);
    if (result < 0)
        return result;
    if (uplink_needed(policy))
        result = uplink_ensure(policy, hub, host_netns, err);
    else
        result = uplink_remove(policy->network, host_netns, err);
    if (result < 0)
        error_advise(err, "the hub has the new policy, its uplink does not: repeat the reload");
    return result;
}

int hub_reload(const struct policy *policy, int host_netns, struct error *err)
{
    cleanup_netlink struct netlink *netlink = NULL;
    cleanup_free struct hub_member *members = NULL;
    cleanup_close int lock = pin_lock(true, err);
    cleanup_close int hub = -1;
    size_t count = 0;
    int result = 0;

    if (lock < 0)
        return lock;
    hub = hub_open(policy->network, err);
    if (hub < 0)
        return hub;
    result = open_socket(hub, NETLINK_ROUTE, &netlink, err);
    if (result == 0)
        result = check_identity(policy, netlink, err);
    if (result == 0)
        result = list_members(netlink, &members, &count, err);
    if (result == 0)
        result = check_members(policy, members, count, err);
    if (result == 0)
        result = repair_sysctls(hub, members, count, err);
    if (result == 0)
        result = link_enlarge_segments(netlink, err);
    return result < 0 ? result : apply(policy, hub, host_netns, err);
}

int hub_remove(const char *network, int host_netns, struct error *err)
{
    cleanup_netlink struct netlink *netlink = NULL;
    cleanup_close int lock = pin_lock(true, err);
    cleanup_close int hub = -1;
    int result = 0;

    if (lock < 0)
        return lock;
    hub = pin_open(network, err);
    if (hub < 0 && hub != -ENOENT)
        return hub;
    /* The links by hand: a process that is still in the hub would keep it, and them. */
    if (hub >= 0)
        result = open_socket(hub, NETLINK_ROUTE, &netlink, err);
    if (result == 0 && hub >= 0)
        result = link_delete_all(netlink, err);
    if (result == 0)
        result = uplink_remove(network, host_netns, err);
    if (result == 0)
        result = pin_remove(network, err);
    return result < 0 ? error_prefix(err, "take down network %s", network) : 0;
}

int hub_refused(int netns, uint64_t *ret_packets, uint64_t *ret_bytes, struct error *err)
{
    cleanup_netlink struct netlink *netfilter = NULL;
    int result = open_socket(netns, NETLINK_NETFILTER, &netfilter, err);

    return result < 0 ? result : hub_rules_refused(netfilter, ret_packets, ret_bytes, err);
}

int hub_refused_of(int netns, struct nft_counted **ret_counted, size_t *ret_count, struct error *err)
{
    cleanup_netlink struct netlink *netfilter = NULL;
    int result = open_socket(netns, NETLINK_NETFILTER, &netfilter, err);

    if (result == 0)
        result = hub_rules_refused_of(netfilter, ret_counted, ret_count, err);
    if (result != -ENOENT)
        return result;
    *ret_counted = NULL;
    *ret_count = 0;
    return 0;
}

/* The kernel's own counters of the thread's namespace, as a pair of lines for each group (netns/netstat.h).
 */
static int read_netstat(char **ret_text, struct error *err)
{
    size_t length = 0;

    return file_read_at(AT_FDCWD, "/proc/thread-self/net/netstat", NETSTAT_MAX, ret_text, &length, err);
}

int hub_forged(int netns, uint64_t *ret_packets, struct error *err)
{
    cleanup_close int own = namespace_open_own(err);
    cleanup_free char *text = NULL;
    int result = own < 0 ? own : namespace_enter(netns, err);

    if (result < 0)
        return result;
    result = read_netstat(&text, err);
    namespace_return(own);
    if (result < 0)
        return result;
    if (!netstat_find(text, "TcpExt", "IPReversePathFilter", ret_packets))
        return error_set(err, EBADMSG, "find IPReversePathFilter in /proc/net/netstat");
    return 0;
}

int hub_list(int (*each)(const char *network, void *data), void *data, struct error *err)
{
    return pin_each(each, data, err);
}
