/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/member_state.h"

#include "base/cleanup.h"
#include "netns/guard.h"
#include "netns/namespace.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* What was read of a namespace, all at once. */
struct state {
    struct netlink *netlink;
    int own; /* where the thread is */
    struct link *links;
    size_t links_count;
    struct link_address *addresses;
    size_t addresses_count;
};

static void free_state(struct state *state)
{
    netlink_close(state->netlink);
    if (state->own >= 0)
        close(state->own);
    free(state->links);
    free(state->addresses);
}

#define cleanup_state __attribute__((cleanup(free_state)))

bool member_keeps_links(const struct member_request *request)
{
    return request->role->links == POLICY_LINKS_KEEP || strcmp(request->role->name, POLICY_PROXY_ROLE) == 0;
}

struct guard member_guard(const struct member_request *request)
{
    return (struct guard){.subnet = policy_subnet(request->policy), .only_sp0 = member_keeps_links(request)};
}

struct route member_subnet_route(const struct policy *policy, uint32_t address, int index)
{
    return (struct route){.family = AF_INET,
                          .type = RTN_UNICAST,
                          .table = RT_TABLE_MAIN,
                          .destination = policy->subnet,
                          .prefix = (uint8_t)policy->prefix,
                          .gateway = LINK_GATEWAY,
                          .source = address,
                          .index = index};
}

struct route member_unreachable_route(uint8_t family)
{
    return (struct route){.family = family,
                          .type = RTN_UNREACHABLE,
                          .table = RT_TABLE_MAIN,
                          .metric = ROUTE_METRIC_LAST_RESORT};
}

/* The hub never sends by its route to the member; with another scope the kernel would look at each of its
 * links, which have no addresses, for one to send from (2.4 ms at 3,000 links, fib_info_update_nhc_saddr in
 * net/ipv4/fib_semantics.c). */
struct route member_hub_route(uint32_t address, int index)
{
    return (struct route){.family = AF_INET,
                          .type = RTN_UNICAST,
                          .table = RT_TABLE_MAIN,
                          .destination = address,
                          .prefix = 32,
                          .from_loopback = true,
                          .index = index};
}

/* The kernel keeps a route of that scope when its link goes down (fib_sync_down_dev in the same file). */
int member_retire(struct netlink *hub, const struct link *link, struct error *err)
{
    uint32_t address = 0;
    int result = 0;

    if (link_hub_address(link->name, &address)) {
        const struct route route = member_hub_route(address, link->index);

        result = route_delete(hub, &route, err);
    }
    return result < 0 ? result : link_retire(hub, link, err);
}

static int read_state(int netns, struct state *ret, struct error *err)
{
    int result = 0;

    ret->own = namespace_open_own(err);
    result = ret->own;
    if (result >= 0)
        result = netlink_open_in(netns, ret->own, NETLINK_ROUTE, &ret->netlink, err);
    if (result == 0)
        result = link_list(ret->netlink, &ret->links, &ret->links_count, err);
    if (result == 0 && ret->links_count > 1) /* those of lo do not matter */
        result = link_list_addresses(ret->netlink, &ret->addresses, &ret->addresses_count, err);
    return result;
}

/* Whether the kernel's tunnel modules put it there: it is in every namespace and cannot be deleted. */
static bool is_fallback_tunnel(const struct link *link)
{
    static const struct {
        const char *name;
        const char *kind;
    } tunnels[] = {
        {"tunl0", "ipip"},     {"sit0", "sit"},       {"gre0", "gre"},
        {"gretap0", "gretap"}, {"erspan0", "erspan"}, {"ip_vti0", "vti"},
        {"ip6_vti0", "vti6"},  {"ip6tnl0", "ip6tnl"}, {"ip6gre0", "ip6gre"},
    };

    for (size_t i = 0; i < array_size(tunnels); i++)
        if (strcmp(link->name, tunnels[i].name) == 0 && strcmp(link->kind, tunnels[i].kind) == 0)
            return true;
    return false;
}

static bool has_address(const struct state *state, const struct link *link)
{
    for (size_t i = 0; i < state->addresses_count; i++)
        if (state->addresses[i].index == link->index)
            return true;
    return false;
}

static bool is_foreign(const struct state *state, const struct link *link)
{
    if (link->index == LINK_LOOPBACK || strcmp(link->name, MEMBER_LINK) == 0)
        return false;
    return !(is_fallback_tunnel(link) && (link->flags & IFF_UP) == 0 && !has_address(state, link));
}

static const struct link *find_member_link(const struct state *state)
{
    for (size_t i = 0; i < state->links_count; i++)
        if (strcmp(state->links[i].name, MEMBER_LINK) == 0)
            return &state->links[i];
    return NULL;
}

/* Looks for the other end of sp0 in the hub. Fills in the hub's end; index 0 if it is not there. */
static int find_hub_link(const struct state *state, const struct link *link, int hub, struct link *ret,
                         struct error *err)
{
    cleanup_netlink struct netlink *netlink = NULL;
    struct link found;
    int32_t netnsid = -1;
    int result = link_netnsid(state->netlink, hub, &netnsid, err);

    *ret = (struct link){.index = 0};
    if (result < 0 || !link->peer_elsewhere || netnsid < 0 || link->peer_netnsid != netnsid)
        return result;
    result = netlink_open_in(hub, state->own, NETLINK_ROUTE, &netlink, err);
    if (result == 0)
        result = link_find_index(netlink, link->peer, &found, err);
    if (result == 0 && found.peer == link->index && found.group == LINK_GROUP)
        *ret = found;
    return result == -ENODEV ? 0 : result;
}

int member_inspect(int netns, int hub, struct member_links *ret, struct error *err)
{
    cleanup_state struct state state = {.own = -1};
    struct member_links links = {.foreign = 0};
    const struct link *link = NULL;
    struct link hub_link;
    int result = read_state(netns, &state, err);

    if (result < 0)
        return result;
    for (size_t i = 0; i < state.links_count; i++)
        if (is_foreign(&state, &state.links[i]) && links.foreign++ == 0)
            snprintf(links.first_foreign, sizeof(links.first_foreign), "%s", state.links[i].name);
    link = find_member_link(&state);
    if (hub >= 0 && link != NULL) {
        result = find_hub_link(&state, link, hub, &hub_link, err);
        if (result < 0)
            return result;
        links.sealed = hub_link.index != 0 && link_hub_address(hub_link.name, &links.address);
    }
    *ret = links;
    return 0;
}

/* What the kernel makes by itself for lo and sp0, and what attach makes. */
static bool is_ours(const struct route *route, int member_link)
{
    bool own_link = route->index == LINK_LOOPBACK || (member_link != 0 && route->index == member_link);

    if (route->protocol == RTPROT_KERNEL && own_link)
        return true;
    if (route->type == RTN_UNREACHABLE && route->prefix == 0 && route->metric == ROUTE_METRIC_LAST_RESORT &&
        route->table == RT_TABLE_MAIN)
        return true;
    return member_link != 0 && route->index == member_link && route->table == RT_TABLE_MAIN &&
           route->type == RTN_UNICAST && route->gateway == LINK_GATEWAY;
}

static int remove_foreign_links(const struct state *state, struct error *err)
{
    for (size_t i = 0; i < state->links_count; i++) {
        int result = 0;

        if (!is_foreign(state, &state->links[i]))
            continue;
        result = link_delete(state->netlink, state->links[i].index, err);
        if (result < 0) {
            error_prefix(err, "remove interface %s from the container", state->links[i].name);
            return error_advise(err, "start the container without it (--network none)");
        }
    }
    return 0;
}

static int remove_foreign_routes(const struct state *state, struct error *err)
{
    const struct link *link = find_member_link(state);
    const uint8_t families[] = {AF_INET, AF_INET6};

    for (size_t family = 0; family < array_size(families); family++) {
        cleanup_free struct route *routes = NULL;
        size_t count = 0;
        int result = route_list(state->netlink, families[family], &routes, &count, err);

        for (size_t i = 0; i < count && result == 0; i++)
            if (routes[i].family == families[family] && !is_ours(&routes[i], link != NULL ? link->index : 0))
                result = route_delete(state->netlink, &routes[i], err);
        if (result < 0)
            return result;
    }
    return 0;
}

int member_remove_foreign(int netns, struct error *err)
{
    cleanup_state struct state state = {.own = -1};
    int result = read_state(netns, &state, err);

    if (result == 0)
        result = remove_foreign_links(&state, err);
    if (result == 0)
        result = remove_foreign_routes(&state, err);
    return result == 0 ? route_rule_purge(state.netlink, err) : result;
}

static int refuse(struct error *err, const char *what)
{
    error_set(err, 0, "check the sealed network: %s", what);
    return error_advise(err, "something changed it after it was sealed: start the container again");
}

static int verify_link(const struct member_request *request, const struct state *state,
                       const struct link *link, uint32_t *ret_address, struct error *err)
{
    struct link hub_link;
    uint32_t address = 0;
    unsigned addresses = 0;
    int result = find_hub_link(state, link, request->hub, &hub_link, err);

    if (result < 0)
        return result;
    if (hub_link.index == 0 || !link_hub_address(hub_link.name, &address))
        return refuse(err, "sp0 does not lead to the hub");
    if ((link->flags & IFF_UP) == 0 || (hub_link.flags & IFF_UP) == 0)
        return refuse(err, "sp0 is not up");
    if (strcmp(hub_link.alias, request->role->name) != 0 ||
        !policy_role_may_have(request->policy, request->role, address))
        return refuse(err, "sp0 was made for another role");
    for (size_t i = 0; i < state->addresses_count; i++) {
        if (state->addresses[i].index != link->index || state->addresses[i].family != AF_INET)
            continue;
        if (state->addresses[i].address != address || state->addresses[i].prefix != 32)
            return refuse(err, "sp0 has a foreign address");
        addresses++;
    }
    if (addresses == 0)
        return refuse(err, "sp0 has lost its address");
    *ret_address = address;
    return 0;
}

static bool same_route(const struct route *a, const struct route *b)
{
    return a->type == b->type && a->table == b->table && a->prefix == b->prefix &&
           a->destination == b->destination && a->gateway == b->gateway && a->source == b->source &&
           a->metric == b->metric && (b->index == 0 || a->index == b->index);
}

static bool has_route(const struct route *routes, size_t count, const struct route *wanted)
{
    for (size_t i = 0; i < count; i++)
        if (routes[i].family == wanted->family && same_route(&routes[i], wanted))
            return true;
    return false;
}

/* Of the routes through sp0 that an attach may have made, only the one to this network's subnet. */
static bool is_expected(const struct route *route, const struct route *subnet)
{
    return is_ours(route, subnet->index) && (route->gateway != LINK_GATEWAY || same_route(route, subnet));
}

static int verify_rules(const struct state *state, struct error *err)
{
    bool foreign = false;
    int result = route_rule_foreign(state->netlink, &foreign, err);

    return result == 0 && foreign ? refuse(err, "there is a foreign routing rule") : result;
}

static int verify_routes(const struct member_request *request, const struct state *state,
                         const struct link *link, uint32_t address, struct error *err)
{
    const struct route subnet = member_subnet_route(request->policy, address, link->index);
    const struct route unreachable = member_unreachable_route(AF_INET);
    const uint8_t families[] = {AF_INET, AF_INET6};

    for (size_t family = 0; family < array_size(families); family++) {
        cleanup_free struct route *routes = NULL;
        size_t count = 0;
        int result = route_list(state->netlink, families[family], &routes, &count, err);

        if (result < 0)
            return result;
        if (families[family] == AF_INET && !has_route(routes, count, &subnet))
            return refuse(err, "the route to the subnet is missing");
        if (member_keeps_links(request))
            return 0;
        if (families[family] == AF_INET && !has_route(routes, count, &unreachable))
            return refuse(err, "the unreachable default route is missing");
        for (size_t i = 0; i < count; i++)
            if (routes[i].family == families[family] && !is_expected(&routes[i], &subnet))
                return refuse(err, "there is a foreign route");
    }
    return verify_rules(state, err);
}

static int verify_guard(const struct member_request *request, const struct state *state, struct error *err)
{
    cleanup_netlink struct netlink *netfilter = NULL;
    const struct guard guard = member_guard(request);
    int result = netlink_open_in(request->netns, state->own, NETLINK_NETFILTER, &netfilter, err);

    return result < 0 ? result : guard_check(netfilter, &guard, err);
}

int member_verify(const struct member_request *request, struct error *err)
{
    cleanup_state struct state state = {.own = -1};
    const struct link *link = NULL;
    uint32_t address = 0;
    int result = read_state(request->netns, &state, err);

    if (result < 0)
        return result;
    link = find_member_link(&state);
    if (link == NULL)
        return refuse(err, "there is no sp0");
    for (size_t i = 0; i < state.links_count; i++)
        if (!member_keeps_links(request) && is_foreign(&state, &state.links[i]))
            return refuse(err, "there is a foreign interface");
    result = verify_link(request, &state, link, &address, err);
    if (result == 0)
        result = verify_routes(request, &state, link, address, err);
    return result == 0 ? verify_guard(request, &state, err) : result;
}
