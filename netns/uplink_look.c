/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/uplink_look.h"

#include "base/cleanup.h"
#include "netns/link.h"
#include "netns/namespace.h"
#include "netns/netlink.h"
#include "netns/route.h"
#include "netns/sysctls.h"
#include "netns/uplink.h"
#include "netns/uplink_rules.h"

#include <errno.h>
#include <linux/rtnetlink.h>

static const char REPAIR[] = "run `sallyport network reload";

static int look_at_addresses(const struct policy *policy, struct netlink *host, const struct link *link,
                             struct findings *findings, struct error *err)
{
    cleanup_free struct link_address *addresses = NULL;
    size_t count = 0;
    bool host_found = false;
    bool proxy_found = policy->proxy_at != POLICY_PROXY_AT_HOST;
    int result = link_list_addresses(host, &addresses, &count, err);

    if (result < 0)
        return result;
    for (size_t i = 0; i < count; i++) {
        if (addresses[i].index != link->index)
            continue;
        host_found = host_found || addresses[i].address == policy->host_address;
        proxy_found = proxy_found || addresses[i].address == policy->proxy_address;
    }
    if (!host_found || !proxy_found)
        finding_add(findings, "uplink-address", "%s has lost the %s's address on the host: %s %s`",
                    link->name, proxy_found ? "host" : "proxy", REPAIR, policy->network);
    return 0;
}

/* The subnet's route is in a table whose number is the subnet (netns/uplink.h). */
static int look_at_route(const struct policy *policy, struct netlink *host, const struct link *link,
                         struct findings *findings, struct error *err)
{
    cleanup_free struct route *routes = NULL;
    size_t count = 0;
    int result = route_list(host, AF_INET, &routes, &count, err);

    if (result < 0)
        return result;
    for (size_t i = 0; i < count; i++)
        if (routes[i].table == policy->subnet && routes[i].destination == policy->subnet &&
            routes[i].prefix == policy->prefix && routes[i].index == link->index)
            return 0;
    finding_add(findings, "uplink-route", "the host has lost the route to the subnet by %s: %s %s`",
                link->name, REPAIR, policy->network);
    return 0;
}

/* Network managers delete rules that they do not know. */
static int look_at_rule(const struct policy *policy, struct netlink *host, struct findings *findings,
                        struct error *err)
{
    const struct route_rule rule = {
        .destination = policy->subnet, .prefix = (uint8_t)policy->prefix, .table = policy->subnet};
    bool exists = false;
    int result = route_rule_exists(host, &rule, &exists, err);

    if (result == 0 && !exists)
        finding_add(findings, "uplink-routing-rule",
                    "the host has lost the routing rule that leads to the subnet: %s %s`", REPAIR,
                    policy->network);
    return result;
}

static int look_at_sysctls(const struct policy *policy, int host_netns, int own, const char *link,
                           struct findings *findings, struct error *err)
{
    cleanup_sysctls struct sysctls_directories directories = {-1, -1};
    int result = namespace_enter(host_netns, err);

    if (result == 0)
        result = sysctls_open(&directories, err);
    if (result == 0)
        result = sysctls_look(&directories, SYSCTLS_UPLINK, link, NULL, policy->network, findings, err);
    namespace_return(own);
    return result;
}

/* *ret_ours is set where there is a link and it is the uplink. */
static int look_at_link(const struct policy *policy, struct netlink *host, int hub, bool *ret_ours,
                        struct findings *findings, struct error *err)
{
    struct link link;
    char name[IFNAMSIZ];
    int32_t netnsid = -1;
    int result = link_netnsid(host, hub, &netnsid, err);

    if (result < 0)
        return result;
    uplink_name(policy->network, name);
    result = link_find(host, name, &link, err);
    if (result == -ENODEV) {
        finding_add(findings, "uplink-missing", "the host has no link %s: %s %s`", name, REPAIR,
                    policy->network);
        return 0;
    }
    if (result < 0)
        return result;
    if (!link.peer_elsewhere || netnsid < 0 || link.peer_netnsid != netnsid) {
        finding_add(findings, "uplink-elsewhere",
                    "link %s of the host does not lead into this hub: delete it, then %s %s`", name, REPAIR,
                    policy->network);
        return 0;
    }
    *ret_ours = true;
    if ((link.flags & IFF_UP) == 0)
        finding_add(findings, "uplink-down", "link %s of the host is down: %s %s`", name, REPAIR,
                    policy->network);
    result = look_at_addresses(policy, host, &link, findings, err);
    if (result == 0)
        result = look_at_route(policy, host, &link, findings, err);
    return result == 0 ? look_at_rule(policy, host, findings, err) : result;
}

static int look_at_table(const struct policy *policy, bool in_force, struct netlink *nf,
                         struct findings *findings, struct error *err)
{
    int result = uplink_rules_compare(nf, policy, in_force, err);

    if (result != -ENOENT && result != -EBADMSG)
        return result;
    finding_add(findings, "uplink-rules", "the host's nftables table inet sallyport-%s is %s%s%s: %s %s`",
                policy->network, result == -ENOENT ? "gone" : "not as it was made (",
                result == -ENOENT ? "" : err->text, result == -ENOENT ? "" : ")", REPAIR, policy->network);
    return 0;
}

int uplink_look(const struct policy *policy, bool in_force, int hub, int host_netns,
                struct findings *findings, struct error *err)
{
    cleanup_close int own = namespace_open_own(err);
    cleanup_netlink struct netlink *host = NULL;
    cleanup_netlink struct netlink *nf = NULL;
    char name[IFNAMSIZ];
    bool ours = false;
    int result = own;

    if (!uplink_needed(policy))
        return 0;
    if (result >= 0)
        result = netlink_open_in(host_netns, own, NETLINK_ROUTE, &host, err);
    if (result == 0)
        result = netlink_open_in(host_netns, own, NETLINK_NETFILTER, &nf, err);
    if (result == 0)
        result = look_at_link(policy, host, hub, &ours, findings, err);
    uplink_name(policy->network, name);
    if (result == 0 && ours)
        result = look_at_sysctls(policy, host_netns, own, name, findings, err);
    return result == 0 ? look_at_table(policy, in_force, nf, findings, err) : result;
}
