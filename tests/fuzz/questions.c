/* SPDX-License-Identifier: Apache-2.0 */
#include "questions.h"

#include "base/cleanup.h"
#include "cli/connections.h"
#include "netns/finding.h"
#include "netns/guard.h"
#include "netns/hub.h"
#include "netns/hub_foreign.h"
#include "netns/hub_rules.h"
#include "netns/link.h"
#include "netns/member.h"
#include "netns/namespace.h"
#include "netns/netlink.h"
#include "netns/nft.h"
#include "netns/route.h"
#include "netns/uplink_look.h"

#include <errno.h>
#include <sys/socket.h>

const char question_policy[] =
    "{\"version\":1,\"subnet\":\"10.209.0.0/24\","
    "\"proxy\":{\"address\":\"10.209.0.2\",\"port\":3128,\"at\":\"host\"},\"roles\":{"
    "\"agent\":{\"addresses\":\"10.209.0.64/26\",\"reach\":[\"proxy\",\"gateway:8642\"]},"
    "\"gateway\":{\"addresses\":\"10.209.0.3\",\"reach\":[\"proxy\"],"
    "\"publish\":[\"127.0.0.1:8642:8642\"]}}}";

/* In the namespace, from the hub. */
static int open_in(int netns, const struct question_place *place, int protocol, struct netlink **ret,
                   struct error *err)
{
    return netlink_open_in(netns, place->hub, protocol, ret, err);
}

static int ask_links(const struct question_place *place, struct error *err)
{
    cleanup_netlink struct netlink *netlink = NULL;
    cleanup_free struct link *links = NULL;
    size_t count = 0;
    int result = open_in(place->hub, place, NETLINK_ROUTE, &netlink, err);

    if (result == 0)
        result = link_list(netlink, &links, &count, err);
    return result < 0 ? result : (int)count;
}

static int ask_link(const struct question_place *place, struct error *err)
{
    cleanup_netlink struct netlink *netlink = NULL;
    struct link link;
    int result = open_in(place->hub, place, NETLINK_ROUTE, &netlink, err);

    if (result == 0)
        result = link_find(netlink, "c-one", &link, err);
    if (result == 0)
        result = link_peer_dying(netlink, &link, err);
    return result;
}

static int ask_netnsid(const struct question_place *place, struct error *err)
{
    cleanup_netlink struct netlink *netlink = NULL;
    int32_t netnsid = -1;
    int result = open_in(place->hub, place, NETLINK_ROUTE, &netlink, err);

    if (result == 0)
        result = link_netnsid(netlink, place->member, &netnsid, err);
    return result < 0 ? result : netnsid >= 0;
}

static int ask_addresses(const struct question_place *place, struct error *err)
{
    cleanup_netlink struct netlink *netlink = NULL;
    cleanup_free struct link_address *addresses = NULL;
    size_t count = 0;
    int result = open_in(place->member, place, NETLINK_ROUTE, &netlink, err);

    if (result == 0)
        result = link_list_addresses(netlink, &addresses, &count, err);
    return result < 0 ? result : (int)count;
}

static int ask_routes_of(uint8_t family, const struct question_place *place, struct error *err)
{
    cleanup_netlink struct netlink *netlink = NULL;
    cleanup_free struct route *routes = NULL;
    size_t count = 0;
    int result = open_in(place->member, place, NETLINK_ROUTE, &netlink, err);

    if (result == 0)
        result = route_list(netlink, family, &routes, &count, err);
    return result < 0 ? result : (int)count;
}

static int ask_routes(const struct question_place *place, struct error *err)
{
    return ask_routes_of(AF_INET, place, err);
}

static int ask_routes6(const struct question_place *place, struct error *err)
{
    return ask_routes_of(AF_INET6, place, err);
}

static int ask_rules(const struct question_place *place, struct error *err)
{
    cleanup_netlink struct netlink *netlink = NULL;
    const struct route_rule rule = {
        .destination = place->policy->subnet, .prefix = 24, .table = place->policy->subnet};
    bool foreign = false;
    bool exists = false;
    int result = open_in(place->host, place, NETLINK_ROUTE, &netlink, err);

    if (result == 0)
        result = route_rule_exists(netlink, &rule, &exists, err);
    if (result == 0)
        result = route_rule_foreign(netlink, &foreign, err);
    return result < 0 ? result : exists + 2 * foreign;
}

static int ask_guard(const struct question_place *place, struct error *err)
{
    cleanup_netlink struct netlink *nf = NULL;
    const struct guard guard = {.subnet = policy_subnet(place->policy)};
    int result = open_in(place->member, place, NETLINK_NETFILTER, &nf, err);

    return result == 0 ? guard_check(nf, &guard, err) : result;
}

static int ask_names(const struct question_place *place, struct error *err)
{
    cleanup_netlink struct netlink *nf = NULL;
    cleanup_nft_names struct nft_names names = {.names = NULL};
    int result = open_in(place->hub, place, NETLINK_NETFILTER, &nf, err);

    if (result == 0)
        result = nft_list_chains(nf, HUB_TABLE, "", &names, err);
    if (result == 0)
        result = nft_list_sets(nf, HUB_TABLE, "", &names, err);
    return result < 0 ? result : (int)names.count;
}

static int ask_counter(const struct question_place *place, struct error *err)
{
    cleanup_netlink struct netlink *nf = NULL;
    cleanup_free struct nft_counted *counted = NULL;
    size_t count = 0;
    uint64_t packets = 0;
    uint64_t bytes = 0;
    uint32_t generation = 0;
    int result = open_in(place->hub, place, NETLINK_NETFILTER, &nf, err);

    if (result == 0)
        result = nft_generation(nf, &generation, err);
    if (result == 0)
        result = hub_rules_check(nf, place->policy, err);
    if (result == 0)
        result = hub_rules_refused(nf, &packets, &bytes, err);
    if (result == 0)
        result = hub_rules_refused_of(nf, &counted, &count, err);
    return result < 0 ? result : (packets == 1) + 10 * (count == 1) + 100 * (generation != 0);
}

static int ask_foreign(const struct question_place *place, struct error *err)
{
    struct findings findings = {.count = 0};
    int result = hub_foreign(place->hub, place->policy->network, place->policy, &findings, err);

    return result < 0 ? result : (int)findings.count;
}

static int ask_uplink(const struct question_place *place, struct error *err)
{
    struct findings findings = {.count = 0};
    int result = uplink_look(place->policy, true, place->hub, place->host, &findings, err);

    return result < 0 ? result : (int)findings.count;
}

static int ask_member(const struct question_place *place, struct error *err)
{
    const struct member_request request = {.policy = place->policy,
                                           .role = policy_role_find(place->policy, "agent"),
                                           .id = "one",
                                           .hub = place->hub,
                                           .netns = place->member,
                                           .host_netns = place->host};
    struct member_links links;
    int result = member_inspect(place->member, place->hub, &links, err);

    return result < 0 ? result : member_verify(&request, err);
}

/* Changes of which nothing is left: acknowledgements, good and bad. */
static int ask_changes(const struct question_place *place, struct error *err)
{
    cleanup_netlink struct netlink *netlink = NULL;
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct error refused = {.number = 0};
    size_t failed = 0;
    int result = open_in(place->hub, place, NETLINK_ROUTE, &netlink, err);

    if (result < 0)
        return result;
    link_add_altname(batch, LINK_LOOPBACK, "c-asked");
    link_add_altname(batch, LINK_LOOPBACK, "c-asked");
    result = netlink_send(netlink, batch, &failed, &refused);
    if (result != -EEXIST)
        *err = refused;
    return result == -EEXIST ? (int)failed : result;
}

static int ask_sockets(const struct question_place *place, struct error *err)
{
    uint32_t inode = 0;
    int result = connections_listener(place->policy->proxy_address, 3128, &inode, err);

    return result < 0 ? result : inode != 0;
}

const struct question questions[] = {
    {"links", ask_links},   {"link", ask_link},       {"netnsid", ask_netnsid}, {"addresses", ask_addresses},
    {"routes", ask_routes}, {"routes6", ask_routes6}, {"rules", ask_rules},     {"guard", ask_guard},
    {"names", ask_names},   {"counter", ask_counter}, {"foreign", ask_foreign}, {"uplink", ask_uplink},
    {"member", ask_member}, {"changes", ask_changes}, {"sockets", ask_sockets},
};
const size_t questions_count = array_size(questions);
