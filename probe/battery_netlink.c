/* SPDX-License-Identifier: Apache-2.0
 *
 * Group "netlink": changes to the network, here and at the far end of the link. Where the kernel finds that
 * the thing is not there, is there already, or is none that it knows, it has passed the check of who may ask:
 * that counts as open, and so nothing is ever deleted or left behind. */
#include "probe/battery.h"

#include "probe/request.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NO_SUCH_LINK "spb-none"

enum { FAMILY_END = 23 }; /* NETLINK_SMC and below: linux/netlink.h */

/* 0 if it passed the check of who may ask, else the errno value. */
static int ask(const struct request *request)
{
    int error = request_send_route(request);

    return error == ENODEV || error == EEXIST || error == ESRCH || error == ENOENT || error == EOPNOTSUPP
               ? 0
               : error;
}

/* A veth pair, so that no module but that of the link itself is needed; under a name that every namespace
 * has. `data` is the id of the far namespace, NULL for this one. */
static int create_link(void *data)
{
    const struct ifinfomsg header = {0};
    struct request request;
    struct nlattr *info = NULL;

    request_begin(&request, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
    request_put_text(&request, IFLA_IFNAME, "lo");
    if (data != NULL)
        request_put(&request, IFLA_TARGET_NETNSID, data, sizeof(int32_t));
    info = request_nest(&request, IFLA_LINKINFO);
    request_put_text(&request, IFLA_INFO_KIND, "veth");
    request_nest_end(&request, info);
    return ask(&request);
}

static int change_link(uint16_t type, const int32_t *netnsid, const struct ifinfomsg *header)
{
    struct request request;

    request_begin(&request, type, NLM_F_ACK, header, sizeof(*header));
    if (netnsid != NULL)
        request_put(&request, IFLA_TARGET_NETNSID, netnsid, sizeof(*netnsid));
    request_put_text(&request, IFLA_IFNAME, NO_SUCH_LINK);
    return ask(&request);
}

/* A link here that is laid on one at the far end: the one named has no such number. */
static int lay_on_far_link(void *data)
{
    static const uint32_t NO_SUCH_INDEX = INT32_MAX;
    const struct ifinfomsg header = {0};
    struct request request;
    struct nlattr *info = NULL;

    request_begin(&request, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
    request_put_text(&request, IFLA_IFNAME, NO_SUCH_LINK);
    request_put(&request, IFLA_LINK, &NO_SUCH_INDEX, sizeof(NO_SUCH_INDEX));
    request_put(&request, IFLA_LINK_NETNSID, data, sizeof(int32_t));
    info = request_nest(&request, IFLA_LINKINFO);
    request_put_text(&request, IFLA_INFO_KIND, "macvlan");
    request_nest_end(&request, info);
    return ask(&request);
}

/* `data` is the id of the far namespace, NULL for this one. */
static int delete_link(void *data)
{
    return change_link(RTM_DELLINK, data, &(const struct ifinfomsg){0});
}

static int raise_link(void *data)
{
    return change_link(RTM_SETLINK, data,
                       &(const struct ifinfomsg){.ifi_flags = IFF_UP, .ifi_change = IFF_UP});
}

static void ignore(const struct nlmsghdr *message, void *data)
{
    (void)message;
    (void)data;
}

static int list_far_links(void *data)
{
    struct request request;
    const struct ifinfomsg header = {0};
    int fd = request_open(NETLINK_ROUTE);

    if (fd < 0)
        return -fd;
    request_begin(&request, RTM_GETLINK, NLM_F_DUMP, &header, sizeof(header));
    request_put(&request, IFLA_TARGET_NETNSID, data, sizeof(int32_t));
    return request_dump(fd, &request, ignore, NULL);
}

/* The one that every loopback has. */
static int add_address(void *data)
{
    const struct in_addr address = parse_ipv4("127.0.0.1");
    const struct ifaddrmsg header = {
        .ifa_family = AF_INET, .ifa_prefixlen = 8, .ifa_index = if_nametoindex("lo")};
    struct request request;
    (void)data;

    request_begin(&request, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
    request_put(&request, IFA_LOCAL, &address, sizeof(address));
    request_put(&request, IFA_ADDRESS, &address, sizeof(address));
    return ask(&request);
}

/* A route that leads nowhere, in a table that nobody looks into. */
static int change_route(uint16_t type, uint16_t flags)
{
    const struct rtmsg header = {
        .rtm_family = AF_INET, .rtm_table = 83, .rtm_protocol = RTPROT_STATIC, .rtm_type = RTN_BLACKHOLE};
    struct request request;

    request_begin(&request, type, NLM_F_ACK | flags, &header, sizeof(header));
    return ask(&request);
}

static int delete_route(void *data)
{
    (void)data;
    return change_route(RTM_DELROUTE, 0);
}

static int add_route(void *data)
{
    int error = change_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
    (void)data;

    if (error == 0)
        change_route(RTM_DELROUTE, 0);
    return error;
}

/* What "nft list tables" asks. nfnetlink has one check for looking and for flushing (nfnetlink_rcv). */
static int list_tables(void *data)
{
    const struct nfgenmsg header = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0};
    struct request request;
    int fd = request_open(NETLINK_NETFILTER);
    (void)data;

    if (fd < 0)
        return -fd;
    request_begin(&request, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, NLM_F_DUMP, &header,
                  sizeof(header));
    return request_dump(fd, &request, ignore, NULL);
}

static int open_family(void *data)
{
    int fd = request_open(*(const int *)data);

    if (fd < 0)
        return -fd;
    close(fd);
    return 0;
}

static void try_families(struct battery *battery)
{
    for (int family = 1; family < FAMILY_END; family++) {
        const struct call call = {open_family, &family};
        char name[32];
        char tried[64];

        snprintf(name, sizeof(name), "family-%d", family);
        snprintf(tried, sizeof(tried), "a netlink socket of protocol %d", family);
        battery_try(battery,
                    &(struct attempt){.name = name, .tried = tried, .run = battery_run_call, .data = &call});
    }
}

/* One that is up, and is neither the loopback nor the one that there is to be, is a way past it. */
static void run_other_links(const struct battery *battery, const void *data, struct answer *ret)
{
    const char *own = data;
    struct ifaddrs *all = NULL;
    (void)battery;

    if (getifaddrs(&all) < 0) {
        answer_say(ret, SEEN_FAILED, "list links: %s", strerrorname_np(errno));
        return;
    }
    answer_say(ret, SEEN_CLOSED, "there is none");
    for (const struct ifaddrs *at = all; at != NULL; at = at->ifa_next)
        if ((at->ifa_flags & IFF_UP) != 0 && (at->ifa_flags & IFF_LOOPBACK) == 0 &&
            strcmp(at->ifa_name, own) != 0)
            answer_say(ret, SEEN_OPEN, "%s is up", at->ifa_name);
    freeifaddrs(all);
}

void battery_netlink(struct battery *battery)
{
    static const int32_t PEER = 0; /* the id of the first foreign namespace: where the link leads */
    static const struct {
        const char *name;
        const char *tried;
        struct call call;
    } CALLS[] = {
        {"link-create", "a new link", {create_link, NULL}},
        {"link-delete", "deleting a link here", {delete_link, NULL}},
        {"link-up", "changing a link here", {raise_link, NULL}},
        {"far-link-list", "listing the links at the far end", {list_far_links, &PEER}},
        {"far-link-create", "a new link at the far end", {create_link, &PEER}},
        {"far-link-macvlan", "a macvlan on a link at the far end", {lay_on_far_link, &PEER}},
        {"far-link-delete", "deleting a link at the far end", {delete_link, &PEER}},
        {"far-link-up", "changing a link at the far end", {raise_link, &PEER}},
        {"address-add", "a new address", {add_address, NULL}},
        {"route-add", "a new route", {add_route, NULL}},
        {"route-delete", "deleting a route", {delete_route, NULL}},
        {"nftables", "asking nftables for its tables", {list_tables, NULL}},
    };

    for (size_t i = 0; i < array_size(CALLS); i++)
        battery_try(battery, &(struct attempt){.name = CALLS[i].name,
                                               .tried = CALLS[i].tried,
                                               .run = battery_run_call,
                                               .data = &CALLS[i].call});
    try_families(battery);
    if (battery->own_link.count > 0)
        battery_try(battery, &(struct attempt){.name = "other-links",
                                               .tried = "links that the policy does not give",
                                               .run = run_other_links,
                                               .data = battery->own_link.values[0]});
}
