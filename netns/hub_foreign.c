/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/hub_foreign.h"

#include "base/cleanup.h"
#include "netns/hub.h"
#include "netns/hub_rules.h"
#include "netns/link.h"
#include "netns/namespace.h"
#include "netns/netlink.h"
#include "netns/route.h"
#include "netns/sysctls.h"
#include "netns/uplink.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define FIND_OUT "find out who made it, and delete it"

/* The links of the hub, by which everything else is told to be ours or not. */
struct hub_links {
    struct link *list;
    size_t count;
};

static bool is_ours(const struct link *link)
{
    uint32_t address = 0;

    return link->group == LINK_GROUP && link_hub_address(link->name, &address);
}

static const struct link *find_link(const struct hub_links *links, int index)
{
    for (size_t i = 0; i < links->count; i++)
        if (links->list[i].index == index)
            return &links->list[i];
    return NULL;
}

static const char *name_of(const struct hub_links *links, int index)
{
    const struct link *link = find_link(links, index);

    return link != NULL ? link->name : "no link";
}

/* The kernel's fallback tunnels (tunl0, sit0, ...) are in every namespace and cannot be deleted; one that is
 * down carries nothing. Any other link that is down can be set up by whoever put it there. */
static bool is_idle_tunnel(const struct link *link)
{
    static const char *const tunnels[][2] = {
        {"tunl0", "ipip"},     {"sit0", "sit"},       {"gre0", "gre"},
        {"gretap0", "gretap"}, {"erspan0", "erspan"}, {"ip_vti0", "vti"},
        {"ip6_vti0", "vti6"},  {"ip6tnl0", "ip6tnl"}, {"ip6gre0", "ip6gre"},
    };

    for (size_t i = 0; i < array_size(tunnels); i++)
        if (strcmp(link->name, tunnels[i][0]) == 0 && strcmp(link->kind, tunnels[i][1]) == 0)
            return (link->flags & IFF_UP) == 0;
    return false;
}

static void look_at_links(const struct hub_links *links, struct findings *findings)
{
    for (size_t i = 0; i < links->count; i++) {
        const struct link *link = &links->list[i];

        if (link->index != LINK_LOOPBACK && !is_ours(link) && !link_retired(link) && !is_idle_tunnel(link))
            finding_add(findings, "foreign-link", "link %s%s%s in the hub is not ours: " FIND_OUT, link->name,
                        link->kind[0] != '\0' ? " of kind " : "", link->kind);
    }
}

static int look_at_addresses(struct netlink *netlink, const struct hub_links *links,
                             struct findings *findings, struct error *err)
{
    cleanup_free struct link_address *addresses = NULL;
    size_t count = 0;
    int result = link_list_addresses(netlink, &addresses, &count, err);

    if (result < 0)
        return result;
    for (size_t i = 0; i < count; i++) {
        const struct link_address *address = &addresses[i];
        char text[16];

        /* `lo` gets 127.0.0.1/8 and ::1 from the kernel. */
        if (address->index == LINK_LOOPBACK && (address->family == AF_INET6 || address->address >> 24 == 127))
            continue;
        finding_add(findings, "foreign-address",
                    "%s has the address %s in the hub, which has none: " FIND_OUT,
                    name_of(links, address->index),
                    address->family == AF_INET ? policy_format_address(address->address, text) : "(IPv6)");
    }
    return 0;
}

/* A member's own route, or one of the uplink's two, or the one of absent members. */
static bool is_our_route(const struct route *route, const struct hub_links *links,
                         const struct policy *policy)
{
    const struct link *link = find_link(links, route->index);
    uint32_t address = 0;

    if (route->protocol == RTPROT_KERNEL)
        return true;
    if (link == NULL || route->family != AF_INET || route->type != RTN_UNICAST ||
        route->table != RT_TABLE_MAIN || route->gateway != 0)
        return false;
    if (link->index == LINK_LOOPBACK)
        return policy == NULL || (route->destination == policy->subnet && route->prefix == policy->prefix);
    if (!is_ours(link) || route->prefix != 32)
        return false;
    link_hub_address(link->name, &address);
    if (strcmp(link->alias, UPLINK_ALIAS) != 0 || policy == NULL)
        return route->destination == address || strcmp(link->alias, UPLINK_ALIAS) == 0;
    return route->destination == policy->host_address || route->destination == policy->proxy_address;
}

static int look_at_routes(struct netlink *netlink, const struct hub_links *links, const struct policy *policy,
                          struct findings *findings, struct error *err)
{
    static const uint8_t families[] = {AF_INET, AF_INET6};

    for (size_t family = 0; family < array_size(families); family++) {
        cleanup_free struct route *routes = NULL;
        size_t count = 0;
        int result = route_list(netlink, families[family], &routes, &count, err);

        if (result < 0)
            return result;
        for (size_t i = 0; i < count; i++) {
            const struct route *route = &routes[i];
            char text[16];

            if (!is_our_route(route, links, policy))
                finding_add(findings, "foreign-route",
                            "route %s/%u by %s, table %u, in the hub is not ours: " FIND_OUT,
                            route->family == AF_INET ? policy_format_address(route->destination, text)
                                                     : "(IPv6)",
                            route->prefix, name_of(links, route->index), route->table);
        }
    }
    return 0;
}

static int look_at_rules(struct netlink *netlink, struct findings *findings, struct error *err)
{
    bool foreign = false;
    int result = route_rule_foreign(netlink, &foreign, err);

    if (result == 0 && foreign)
        finding_add(findings, "foreign-routing-rule",
                    "the hub has a routing rule that is not ours (see `ip rule` in it): " FIND_OUT);
    return result;
}

static const char *text_of(const struct nlattr *attribute)
{
    size_t length = attribute == NULL ? 0 : (size_t)nla_len(attribute);

    return length > 0 && memchr(nla_data(attribute), '\0', length) != NULL ? nla_data(attribute) : "";
}

static int look_at_table(const struct nlmsghdr *message, void *data)
{
    static const char *const families[NFPROTO_NUMPROTO] = {
        [NFPROTO_INET] = "inet",     [NFPROTO_IPV4] = "ip",       [NFPROTO_ARP] = "arp",
        [NFPROTO_NETDEV] = "netdev", [NFPROTO_BRIDGE] = "bridge", [NFPROTO_IPV6] = "ip6"};
    const struct nfgenmsg *header = nlmsg_data(message);
    const char *name = NULL;
    const char *family = NULL;

    if (message->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE) ||
        message->nlmsg_len < NLMSG_LENGTH(sizeof(*header)))
        return 0;
    name = text_of(nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)message, sizeof(*header), NFTA_TABLE_NAME));
    if (header->nfgen_family == NFPROTO_INET && strcmp(name, HUB_TABLE) == 0)
        return 0;
    family = header->nfgen_family < NFPROTO_NUMPROTO ? families[header->nfgen_family] : NULL;
    finding_add(data, "foreign-table", "nftables table %s %s in the hub is not ours: " FIND_OUT,
                family != NULL ? family : "?", name);
    return 0;
}

static int look_at_tables(struct netlink *nf, struct findings *findings, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    const struct nfgenmsg header = {.nfgen_family = NFPROTO_UNSPEC, .version = NFNETLINK_V0};

    netlink_batch_add(batch, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, NLM_F_DUMP, &header,
                      sizeof(header), "list nftables tables");
    return netlink_query(nf, batch, look_at_table, findings, err);
}

/* Our own table. Of a policy that is not in force the rules and flows say nothing of those in the hub. */
static int look_at_own_table(struct netlink *nf, const char *network, const struct policy *policy,
                             struct findings *findings, struct error *err)
{
    const struct policy *in_force = NULL;
    int result = policy == NULL ? -ENOENT : hub_rules_check(nf, policy, err);

    if (result == 0)
        in_force = policy;
    if (result == 0 || result == -ENOENT)
        result = hub_rules_compare(nf, in_force, err);
    if (result != -ENOENT && result != -EBADMSG)
        return result;
    finding_add(findings, "rules-changed",
                "the hub's own rules are not as they were made (%s): run `sallyport network reload %s`",
                result == -ENOENT ? "their table is gone, and all passes" : err->text, network);
    return 0;
}

static int look_at_filter(int netns, int own, const char *network, const struct policy *policy,
                          struct findings *findings, struct error *err)
{
    cleanup_netlink struct netlink *nf = NULL;
    int result = netlink_open_in(netns, own, NETLINK_NETFILTER, &nf, err);

    if (result == 0)
        result = look_at_tables(nf, findings, err);
    return result == 0 ? look_at_own_table(nf, network, policy, findings, err) : result;
}

int hub_foreign(int netns, const char *network, const struct policy *policy, struct findings *findings,
                struct error *err)
{
    cleanup_close int own = namespace_open_own(err);
    cleanup_netlink struct netlink *netlink = NULL;
    cleanup_free struct link *list = NULL;
    struct hub_links links = {.list = NULL};
    int result = own < 0 ? own : netlink_open_in(netns, own, NETLINK_ROUTE, &netlink, err);

    if (result == 0)
        result = link_list(netlink, &list, &links.count, err);
    if (result < 0)
        return result;
    links.list = list;
    look_at_links(&links, findings);
    result = look_at_addresses(netlink, &links, findings, err);
    if (result == 0)
        result = look_at_routes(netlink, &links, policy, findings, err);
    if (result == 0)
        result = look_at_rules(netlink, findings, err);
    return result == 0 ? look_at_filter(netns, own, network, policy, findings, err) : result;
}

/* Of the hub as a whole, of links to come, and of those that are there. */
static int look_at_settings(const char *network, const struct hub_member *members, size_t count,
                            struct findings *findings, struct error *err)
{
    cleanup_sysctls struct sysctls_directories directories = {-1, -1};
    int result = sysctls_open(&directories, err);

    if (result == 0)
        result = sysctls_look(&directories, SYSCTLS_HUB, "all", NULL, network, findings, err);
    if (result == 0)
        result = sysctls_look(&directories, SYSCTLS_HUB, "default", NULL, network, findings, err);
    for (size_t i = 0; i < count && result == 0; i++)
        result = sysctls_look(&directories, SYSCTLS_HUB, members[i].link, &members[i].settings, network,
                              findings, err);
    return result;
}

int hub_settings(int netns, const char *network, const struct hub_member *members, size_t count,
                 struct findings *findings, struct error *err)
{
    cleanup_close int own = namespace_open_own(err);
    int result = own < 0 ? own : namespace_enter(netns, err);

    if (result < 0)
        return result;
    result = look_at_settings(network, members, count, findings, err);
    namespace_return(own);
    return result;
}
