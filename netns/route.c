/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/route.h"

#include "base/cleanup.h"
#include "netns/dump.h"
#include "netns/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* Behind the local table (0; 100 where Cilium moved it), so that the host still reaches its own address
     * on the uplink, and before main (32766) and whatever brings a default route of its own (Tailscale from
     * 5210, wg-quick from 32764). It cannot collide: rules may share a priority, and this one matches nothing
     * but packets from the host itself to a subnet that no other route of the host knows. */
    RULE_PRIORITY = 900,
    RULE_PROTOCOL = 83, /* 'S': who made the rule; nobody else uses it (/etc/iproute2/rt_protos) */
};

void route_add(struct netlink_batch *batch, uint16_t flags, const struct route *route, const char *what)
{
    struct rtmsg header = {.rtm_family = route->family,
                           .rtm_dst_len = route->prefix,
                           .rtm_table = RT_TABLE_UNSPEC,
                           .rtm_protocol = RTPROT_STATIC,
                           .rtm_scope = RT_SCOPE_UNIVERSE,
                           .rtm_type = route->type};
    struct nl_msg *message = NULL;

    if (route->type == RTN_UNICAST && route->gateway == 0)
        header.rtm_scope = route->from_loopback ? RT_SCOPE_HOST : RT_SCOPE_LINK;
    if (route->gateway != 0)
        header.rtm_flags = RTNH_F_ONLINK;
    message = netlink_batch_add(batch, RTM_NEWROUTE, flags | NLM_F_CREATE | NLM_F_ACK, &header,
                                sizeof(header), what);
    nla_put_u32(message, RTA_TABLE, route->table);
    if (route->prefix != 0)
        nla_put_u32(message, RTA_DST, htonl(route->destination));
    if (route->index != 0)
        nla_put_u32(message, RTA_OIF, (uint32_t)route->index);
    if (route->gateway != 0)
        nla_put_u32(message, RTA_GATEWAY, htonl(route->gateway));
    if (route->source != 0)
        nla_put_u32(message, RTA_PREFSRC, htonl(route->source));
    if (route->metric != 0)
        nla_put_u32(message, RTA_PRIORITY, route->metric);
}

static void read_attribute(struct route *route, struct nlattr *attribute)
{
    switch (nla_type(attribute)) {
    case RTA_TABLE:
        route->table = netlink_number(attribute);
        break;
    case RTA_DST:
        route->destination = ntohl(netlink_number(attribute));
        if (route->family == AF_INET6)
            nla_memcpy(route->address6, attribute, sizeof(route->address6));
        break;
    case RTA_OIF:
        route->index = (int)netlink_number(attribute);
        break;
    case RTA_GATEWAY:
        route->gateway = ntohl(netlink_number(attribute));
        break;
    case RTA_PREFSRC:
        route->source = ntohl(netlink_number(attribute));
        break;
    case RTA_PRIORITY:
        route->metric = netlink_number(attribute);
        break;
    default:
        break;
    }
}

static bool read_route(const struct nlmsghdr *message, void *item)
{
    const struct rtmsg *header = nlmsg_data(message);
    struct route *route = item;
    struct nlattr *attribute = NULL;
    int left = 0;

    if (message->nlmsg_type != RTM_NEWROUTE || message->nlmsg_len < NLMSG_LENGTH(sizeof(*header)) ||
        header->rtm_flags & RTM_F_CLONED)
        return false;
    route->family = header->rtm_family;
    route->type = header->rtm_type;
    route->protocol = header->rtm_protocol;
    route->prefix = header->rtm_dst_len;
    route->table = header->rtm_table;
    nlmsg_for_each_attr(attribute, (struct nlmsghdr *)(uintptr_t)message, sizeof(*header), left)
    {
        read_attribute(route, attribute);
    }
    return true;
}

int route_list(struct netlink *netlink, uint8_t family, struct route **ret_routes, size_t *ret_count,
               struct error *err)
{
    struct rtmsg header = {.rtm_family = family};

    return dump_list(netlink, RTM_GETROUTE, &header, sizeof(header), "list routes", sizeof(struct route),
                     read_route, (void **)ret_routes, ret_count, err);
}

int route_delete(struct netlink *netlink, const struct route *route, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct rtmsg header = {.rtm_family = route->family,
                           .rtm_dst_len = route->prefix,
                           .rtm_protocol = route->protocol,
                           .rtm_scope = RT_SCOPE_NOWHERE, /* any */
                           .rtm_type = route->type};
    struct nl_msg *message =
        netlink_batch_add(batch, RTM_DELROUTE, NLM_F_ACK, &header, sizeof(header), "delete route");
    int result = 0;

    nla_put_u32(message, RTA_TABLE, route->table);
    if (route->prefix != 0 && route->family == AF_INET)
        nla_put_u32(message, RTA_DST, htonl(route->destination));
    if (route->prefix != 0 && route->family == AF_INET6)
        nla_put(message, RTA_DST, sizeof(route->address6), route->address6);
    if (route->metric != 0)
        nla_put_u32(message, RTA_PRIORITY, route->metric);
    if (route->index != 0)
        nla_put_u32(message, RTA_OIF, (uint32_t)route->index);
    result = netlink_send(netlink, batch, NULL, err);
    return result == -ESRCH || result == -ENODEV ? 0 : result;
}

static void add_rule_request(struct netlink_batch *batch, uint16_t type, uint16_t flags,
                             const struct route_rule *rule, const char *what)
{
    struct fib_rule_hdr header = {.family = AF_INET, .dst_len = rule->prefix, .action = FR_ACT_TO_TBL};
    struct nl_msg *message = netlink_batch_add(batch, type, flags | NLM_F_ACK, &header, sizeof(header), what);

    nla_put_u32(message, FRA_PRIORITY, RULE_PRIORITY);
    nla_put_u8(message, FRA_PROTOCOL, RULE_PROTOCOL);
    nla_put_string(message, FRA_IIFNAME, "lo");
    nla_put_u32(message, FRA_DST, htonl(rule->destination));
    nla_put_u32(message, FRA_TABLE, rule->table);
}

int route_rule_ensure(struct netlink *netlink, const struct route_rule *rule, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    int result = 0;

    add_rule_request(batch, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule, "add routing rule");
    result = netlink_send(netlink, batch, NULL, err);
    return result == -EEXIST ? 0 : result;
}

/* A rule as it was read: the whole message, so that exactly this rule can be deleted. */
struct raw_rule {
    uint32_t priority;
    uint32_t table;
    uint8_t protocol;
    uint8_t family;
    bool selective; /* matches less than everything */
    struct route_rule rule;
    size_t size;
    char message[512]; /* the family's header and attributes */
};

static void read_rule_attribute(struct raw_rule *raw, struct nlattr *attribute)
{
    switch (nla_type(attribute)) {
    case FRA_PRIORITY:
        raw->priority = netlink_number(attribute);
        break;
    case FRA_TABLE:
        raw->table = netlink_number(attribute);
        break;
    case FRA_PROTOCOL:
        raw->protocol = nla_len(attribute) == sizeof(uint8_t) ? nla_get_u8(attribute) : 0;
        break;
    case FRA_DST:
        raw->rule.destination = ntohl(netlink_number(attribute));
        raw->selective = true;
        break;
    case FRA_SUPPRESS_PREFIXLEN: /* present in every answer */
    case FRA_PAD:
        break;
    default:
        raw->selective = true;
        break;
    }
}

static bool read_rule(const struct nlmsghdr *message, void *item)
{
    const struct fib_rule_hdr *header = nlmsg_data(message);
    struct raw_rule *raw = item;
    struct nlattr *attribute = NULL;
    int left = 0;

    if (message->nlmsg_type != RTM_NEWRULE || message->nlmsg_len < NLMSG_LENGTH(sizeof(*header)) ||
        message->nlmsg_len - NLMSG_HDRLEN > sizeof(raw->message))
        return false;
    raw->family = header->family;
    raw->table = header->table;
    raw->rule.prefix = header->dst_len;
    raw->selective = header->action != FR_ACT_TO_TBL;
    raw->size = message->nlmsg_len - NLMSG_HDRLEN;
    memcpy(raw->message, header, raw->size);
    nlmsg_for_each_attr(attribute, (struct nlmsghdr *)(uintptr_t)message, sizeof(*header), left)
    {
        read_rule_attribute(raw, attribute);
    }
    raw->rule.table = raw->table;
    return true;
}

static int list_rules(struct netlink *netlink, uint8_t family, struct raw_rule **ret_rules, size_t *ret_count,
                      struct error *err)
{
    struct fib_rule_hdr header = {.family = family};

    return dump_list(netlink, RTM_GETRULE, &header, sizeof(header), "list routing rules",
                     sizeof(struct raw_rule), read_rule, (void **)ret_rules, ret_count, err);
}

int route_rule_exists(struct netlink *netlink, const struct route_rule *rule, bool *ret_exists,
                      struct error *err)
{
    cleanup_free struct raw_rule *rules = NULL;
    size_t count = 0;
    bool exists = false;
    int result = list_rules(netlink, AF_INET, &rules, &count, err);

    if (result < 0)
        return result;
    for (size_t i = 0; i < count; i++)
        exists = exists ||
                 (rules[i].family == AF_INET && rules[i].protocol == RULE_PROTOCOL &&
                  rules[i].priority == RULE_PRIORITY && rules[i].table == rule->table &&
                  rules[i].rule.destination == rule->destination && rules[i].rule.prefix == rule->prefix);
    *ret_exists = exists;
    return 0;
}

static int delete_rule(struct netlink *netlink, const struct raw_rule *raw, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    int result = 0;

    netlink_batch_add(batch, RTM_DELRULE, NLM_F_ACK, raw->message, raw->size, "delete routing rule");
    result = netlink_send(netlink, batch, NULL, err);
    return result == -ENOENT ? 0 : result;
}

static bool table_in_use(uint32_t table, const struct route *routes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (routes[i].table == table)
            return true;
    return false;
}

int route_rule_sweep(struct netlink *netlink, struct error *err)
{
    cleanup_free struct raw_rule *rules = NULL;
    cleanup_free struct route *routes = NULL;
    size_t rules_count = 0;
    size_t routes_count = 0;
    int result = list_rules(netlink, AF_INET, &rules, &rules_count, err);

    if (result < 0)
        return result;
    result = route_list(netlink, AF_INET, &routes, &routes_count, err);
    if (result < 0)
        return result;
    for (size_t i = 0; i < rules_count; i++) {
        const struct raw_rule *raw = &rules[i];

        if (raw->priority != RULE_PRIORITY || raw->protocol != RULE_PROTOCOL ||
            raw->table != raw->rule.destination || table_in_use(raw->table, routes, routes_count))
            continue;
        result = delete_rule(netlink, raw, err);
        if (result < 0)
            return result;
    }
    return 0;
}

static bool is_born_with(const struct raw_rule *raw)
{
    return !raw->selective && ((raw->priority == 0 && raw->table == RT_TABLE_LOCAL) ||
                               (raw->priority == 32766 && raw->table == RT_TABLE_MAIN) ||
                               (raw->priority == 32767 && raw->table == RT_TABLE_DEFAULT));
}

/* Calls `each` for every foreign rule. */
static int for_each_foreign(struct netlink *netlink,
                            int (*each)(struct netlink *netlink, const struct raw_rule *raw,
                                        struct error *err),
                            size_t *ret_found, struct error *err)
{
    const uint8_t families[] = {AF_INET, AF_INET6};
    size_t found = 0;

    for (size_t family = 0; family < array_size(families); family++) {
        cleanup_free struct raw_rule *rules = NULL;
        size_t count = 0;
        int result = list_rules(netlink, families[family], &rules, &count, err);

        for (size_t i = 0; i < count && result == 0; i++) {
            if (rules[i].family != families[family] || is_born_with(&rules[i]))
                continue;
            found++;
            result = each != NULL ? each(netlink, &rules[i], err) : 0;
        }
        if (result < 0)
            return result;
    }
    *ret_found = found;
    return 0;
}

int route_rule_foreign(struct netlink *netlink, bool *ret_foreign, struct error *err)
{
    size_t found = 0;
    int result = for_each_foreign(netlink, NULL, &found, err);

    if (result < 0)
        return result;
    *ret_foreign = found > 0;
    return 0;
}

int route_rule_purge(struct netlink *netlink, struct error *err)
{
    size_t found = 0;

    return for_each_foreign(netlink, delete_rule, &found, err);
}
