/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/uplink.h"

#include "base/cleanup.h"
#include "base/rootless.h"
#include "netns/link.h"
#include "netns/namespace.h"
#include "netns/netlink.h"
#include "netns/route.h"
#include "netns/sysctls.h"
#include "netns/uplink_rules.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { OUTLIVE_LOOKS = 500, OUTLIVE_STEP_MS = 2 }; /* one second */

/* The sockets of one piece of work. */
struct uplink {
    const struct policy *policy;
    struct netlink *host;
    struct netlink *host_rules;
    struct netlink *hub;
    int hub_netns;
    int host_netns;
    int own; /* where the thread is */
};

static void close_uplink(struct uplink *uplink)
{
    netlink_close(uplink->host);
    netlink_close(uplink->host_rules);
    netlink_close(uplink->hub);
    if (uplink->own >= 0)
        close(uplink->own);
}

bool uplink_needed(const struct policy *policy)
{
    if (policy->proxy_at == POLICY_PROXY_AT_HOST)
        return true;
    for (size_t i = 0; i < policy->roles_count; i++)
        if (policy->roles[i].publish_count > 0)
            return true;
    return policy->proxy_role.publish_count > 0;
}

int uplink_check_possible(const struct policy *policy, struct error *err)
{
    const char *key = policy->proxy_at == POLICY_PROXY_AT_HOST ? "$.proxy.at: \"host\"" : "`publish`";

    if (!rootless() || !uplink_needed(policy))
        return 0;
    error_set(err, 0, "%snetwork %s has %s, and the host's network is out of reach without root",
              policy->built_in ? "the built-in " : "", policy->network, key);
    return error_advise(err,
                        policy->proxy_at == POLICY_PROXY_AT_HOST
                            ? "write \"at\": \"member\" into its policy and start the proxy as a container "
                              "with the role `proxy`"
                            : "drop `publish` from its policy");
}

void uplink_name(const char *network, char ret_name[IFNAMSIZ])
{
    snprintf(ret_name, IFNAMSIZ, "sp-%.12s", network);
}

/* The address after which the hub's end is named: the proxy's where it is on the host, else the host's. */
static uint32_t end_address(const struct policy *policy)
{
    return policy->proxy_at == POLICY_PROXY_AT_HOST ? policy->proxy_address : policy->host_address;
}

static uint32_t mask_of(unsigned prefix)
{
    return prefix == 0 ? 0 : ~UINT32_C(0) << (32 - prefix);
}

static bool overlap(uint32_t a, unsigned a_prefix, uint32_t b, unsigned b_prefix)
{
    uint32_t mask = mask_of(a_prefix < b_prefix ? a_prefix : b_prefix);

    return (a & mask) == (b & mask);
}

static int refuse_overlap(const struct policy *policy, const char *what, uint32_t address, unsigned prefix,
                          struct error *err)
{
    char subnet[16];
    char other[16];

    error_set(err, EADDRINUSE,
              "connect network %s to the host: its subnet %s/%u overlaps %s %s/%u of this host",
              policy->network, policy_format_address(policy->subnet, subnet), policy->prefix, what,
              policy_format_address(address, other), prefix);
    return error_advise(err, "choose another subnet in %s/%s.json", POLICY_DIRECTORY, policy->network);
}

/* A route of somebody who would lose packets to us or get ours. Defaults do not count, the two halves of a
 * default that VPNs use instead neither. Another network's route is in a table whose number is its subnet. */
static bool route_counts(const struct route *route)
{
    return route->prefix > 1 && (route->table == RT_TABLE_MAIN || route->table == route->destination);
}

static int check_routes(const struct uplink *uplink, struct error *err)
{
    const struct policy *policy = uplink->policy;
    cleanup_free struct route *routes = NULL;
    size_t count = 0;
    int result = route_list(uplink->host, AF_INET, &routes, &count, err);

    if (result < 0)
        return result;
    for (size_t i = 0; i < count; i++)
        if (routes[i].family == AF_INET && route_counts(&routes[i]) &&
            overlap(routes[i].destination, routes[i].prefix, policy->subnet, policy->prefix))
            return refuse_overlap(policy, "the route", routes[i].destination, routes[i].prefix, err);
    return 0;
}

static int check_addresses(const struct uplink *uplink, struct error *err)
{
    const struct policy *policy = uplink->policy;
    cleanup_free struct link_address *addresses = NULL;
    size_t count = 0;
    int result = link_list_addresses(uplink->host, &addresses, &count, err);

    if (result < 0)
        return result;
    for (size_t i = 0; i < count; i++)
        if (addresses[i].family == AF_INET &&
            overlap(addresses[i].address, addresses[i].prefix, policy->subnet, policy->prefix))
            return refuse_overlap(policy, "the address", addresses[i].address, addresses[i].prefix, err);
    return 0;
}

/* Fills in the host's end if it is there. `*ret_ours`: its other end is in this hub. */
static int find(const struct uplink *uplink, struct link *ret, bool *ret_ours, struct error *err)
{
    char name[IFNAMSIZ];
    int32_t hub = -1;
    int result = 0;

    uplink_name(uplink->policy->network, name);
    result = link_find(uplink->host, name, ret, err);
    if (result < 0)
        return result;
    result = link_netnsid(uplink->host, uplink->hub_netns, &hub, err);
    if (result < 0)
        return result;
    *ret_ours = ret->peer_elsewhere && hub >= 0 && ret->peer_netnsid == hub;
    return 0;
}

/* Only a veth that leads to another namespace can be an uplink; anything else with the name is somebody's. */
static int check_kind(const struct link *link, struct error *err)
{
    if (strcmp(link->kind, "veth") == 0 && link->peer_elsewhere)
        return 0;
    error_set(err, EEXIST, "make link %s: the host has one of that name already", link->name);
    return error_advise(err, "rename it, or call the network differently");
}

static int refuse_other_hub(const struct uplink *uplink, const struct link *link, struct error *err)
{
    const char *network = uplink->policy->network;

    error_set(err, EEXIST, "make link %s: it leads to another hub of network %s, which is not at /run/netns",
              link->name, network);
    return error_advise(
        err, "look for an engine with a mount namespace of its own, or run sallyport network down %s",
        network);
}

/* Waits for the end of a link that leads to another hub than ours: a hub that was only just lost (its maker
 * crashed, its mount namespace ended) is gone in a moment. A living one is not robbed of its uplink. */
static int outlive(const struct uplink *uplink, struct error *err)
{
    for (int i = 0; i < OUTLIVE_LOOKS; i++) {
        struct link link;
        bool ours = false;
        int result = find(uplink, &link, &ours, err);

        if (result == 0)
            result = check_kind(&link, err);
        if (result == 0)
            result = link_peer_dying(uplink->host, &link, err);
        if (result == 1)
            return link_delete(uplink->host, link.index, err);
        if (result < 0)
            return result == -ENODEV ? 0 : result;
        if (i == OUTLIVE_LOOKS - 1)
            return refuse_other_hub(uplink, &link, err);
        poll(NULL, 0, OUTLIVE_STEP_MS);
    }
    return 0;
}

static int create(const struct uplink *uplink, struct error *err)
{
    char name[IFNAMSIZ];
    int result = check_routes(uplink, err);

    if (result < 0)
        return result;
    result = check_addresses(uplink, err);
    if (result < 0)
        return result;
    uplink_name(uplink->policy->network, name);
    result = link_create(uplink->hub, end_address(uplink->policy), name, uplink->host_netns, err);
    return result < 0 ? error_prefix(err, "make uplink %s", name) : 0;
}

static int set_sysctls(const struct uplink *uplink, const struct link *link, struct error *err)
{
    cleanup_sysctls struct sysctls_directories directories = {-1, -1};
    int result = namespace_enter(uplink->host_netns, err);

    if (result == 0)
        result = sysctls_open(&directories, err);
    if (result == 0)
        result = sysctls_set(&directories, SYSCTLS_UPLINK, link->name, &link->settings, err);
    namespace_return(uplink->own);
    return result;
}

static int settle_host(const struct uplink *uplink, const struct link *link, struct error *err)
{
    const struct policy *policy = uplink->policy;
    const struct route_rule rule = {
        .destination = policy->subnet, .prefix = (uint8_t)policy->prefix, .table = policy->subnet};
    const struct route subnet = {.family = AF_INET,
                                 .type = RTN_UNICAST,
                                 .table = policy->subnet,
                                 .destination = policy->subnet,
                                 .prefix = (uint8_t)policy->prefix,
                                 .gateway = LINK_GATEWAY,
                                 .source = policy->host_address,
                                 .index = link->index};
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    uint8_t mac[LINK_MAC_SIZE];
    int result = set_sysctls(uplink, link, err);

    if (result < 0)
        return result;
    result = route_rule_ensure(uplink->host, &rule, err);
    if (result < 0)
        return result;
    link_hub_mac(end_address(policy), mac);
    /* Scope link: never picked as the source of a connection that goes elsewhere. */
    link_add_address(batch, link->index, policy->host_address, RT_SCOPE_LINK);
    if (policy->proxy_at == POLICY_PROXY_AT_HOST)
        link_add_address(batch, link->index, policy->proxy_address, RT_SCOPE_LINK);
    link_add_up(batch, link->index, NULL);
    link_add_neighbour(batch, link->index, LINK_GATEWAY, mac);
    route_add(batch, NLM_F_REPLACE, &subnet, "add route to the subnet");
    return netlink_send(uplink->host, batch, NULL, err);
}

static void add_host_route(struct netlink_batch *batch, const struct link *link, uint32_t address)
{
    const struct route route = {.family = AF_INET,
                                .type = RTN_UNICAST,
                                .table = RT_TABLE_MAIN,
                                .destination = address,
                                .prefix = 32,
                                .index = link->index};

    route_add(batch, NLM_F_REPLACE, &route, "add route to the host");
}

static int settle_hub(const struct uplink *uplink, struct error *err)
{
    const struct policy *policy = uplink->policy;
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    char name[IFNAMSIZ];
    struct link link;
    uint8_t mac[LINK_MAC_SIZE];
    int result = 0;

    link_hub_name(end_address(policy), name);
    result = link_find(uplink->hub, name, &link, err);
    if (result < 0)
        return result;
    link_far_mac(end_address(policy), mac);
    link_add_up(batch, link.index, UPLINK_ALIAS);
    link_add_neighbour(batch, link.index, policy->host_address, mac);
    if (policy->proxy_at == POLICY_PROXY_AT_HOST)
        link_add_neighbour(batch, link.index, policy->proxy_address, mac);
    add_host_route(batch, &link, policy->host_address);
    if (policy->proxy_at == POLICY_PROXY_AT_HOST)
        add_host_route(batch, &link, policy->proxy_address);
    return netlink_send(uplink->hub, batch, NULL, err);
}

static int open_sockets(struct uplink *uplink, struct error *err)
{
    int result = 0;

    uplink->own = namespace_open_own(err);
    if (uplink->own < 0)
        return uplink->own;
    result = netlink_open_in(uplink->host_netns, uplink->own, NETLINK_ROUTE, &uplink->host, err);
    if (result < 0)
        return result;
    return netlink_open_in(uplink->host_netns, uplink->own, NETLINK_NETFILTER, &uplink->host_rules, err);
}

/* Makes the link unless the one there is leads into this hub. */
static int ensure_link(const struct uplink *uplink, bool *ret_made, struct error *err)
{
    struct link link;
    bool ours = false;
    int result = find(uplink, &link, &ours, err);

    if (result == 0 && ours)
        return 0;
    if (result == 0)
        result = outlive(uplink, err);
    if (result < 0 && result != -ENODEV)
        return result;
    result = route_rule_sweep(uplink->host, err);
    if (result == 0)
        result = create(uplink, err);
    *ret_made = result == 0;
    return result;
}

static int settle(const struct uplink *uplink, struct error *err)
{
    struct link link;
    bool ours = false;
    int result = find(uplink, &link, &ours, err);

    if (result < 0)
        return result;
    result = settle_host(uplink, &link, err);
    if (result == 0)
        result = settle_hub(uplink, err);
    return result == 0 ? link_notice_carrier(uplink->host, link.name, err) : result;
}

int uplink_ensure(const struct policy *policy, int hub, int host_netns, struct error *err)
{
    __attribute__((cleanup(close_uplink))) struct uplink uplink = {
        .policy = policy, .hub_netns = hub, .host_netns = host_netns, .own = -1};
    struct error undo;
    bool made = false;
    int result = open_sockets(&uplink, err);

    if (result < 0)
        return result;
    result = netlink_open_in(hub, uplink.own, NETLINK_ROUTE, &uplink.hub, err);
    if (result < 0)
        return result;
    result = ensure_link(&uplink, &made, err);
    if (result < 0)
        return result;
    /* Before the link is up, so that no packet meets a host without them. */
    result = uplink_rules_install(uplink.host_rules, policy, err);
    if (result == 0)
        result = settle(&uplink, err);
    if (result < 0 && made)
        uplink_remove(policy->network, host_netns, &undo);
    return result;
}

int uplink_remove(const char *network, int host_netns, struct error *err)
{
    __attribute__((cleanup(close_uplink))) struct uplink uplink = {.host_netns = host_netns, .own = -1};
    char name[IFNAMSIZ];
    struct link link;
    int result = open_sockets(&uplink, err);

    if (result < 0)
        return result;
    uplink_name(network, name);
    result = link_find(uplink.host, name, &link, err);
    if (result == 0)
        result = check_kind(&link, err);
    if (result == 0)
        result = link_delete(uplink.host, link.index, err);
    if (result < 0 && result != -ENODEV)
        return result;
    result = route_rule_sweep(uplink.host, err);
    if (result < 0)
        return result;
    return uplink_rules_remove(uplink.host_rules, network, err);
}
