/* SPDX-License-Identifier: Apache-2.0
 *
 * The floor of an attach: the same kernel objects (guard, link, addresses, neighbours, routes, altname) made
 * by one process that reads no file, checks nothing, allocates no address and refuses nobody. What
 * sallyport-hook takes beyond this is the price of its care.
 *
 * floor PID NETWORK NUMBER: the member's init, the network, and which address of the pool. Without arguments
 * it does nothing at all: an empty process. */
#include "netns/guard.h"
#include "netns/link.h"
#include "netns/member_state.h"
#include "netns/namespace.h"
#include "netns/netlink.h"
#include "netns/pin.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/* 10.209.0.0/16; 10.209.32.0, the pool of the role "floor" of the benchmarks' policy. */
enum { SUBNET = 0x0ad10000, FIRST = 0x0ad12000 };

static struct error err;

static void check(int result)
{
    if (result >= 0)
        return;
    fprintf(stderr, "floor: %s\n", err.text);
    exit(1);
}

static void configure_member(struct netlink *member, uint32_t address, int index)
{
    const struct policy policy = {.subnet = SUBNET, .prefix = 16};
    const struct route routes[] = {
        member_subnet_route(&policy, address, index),
        member_unreachable_route(AF_INET),
        member_unreachable_route(AF_INET6),
    };
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    uint8_t mac[LINK_MAC_SIZE];

    link_hub_mac(address, mac);
    link_add_loopback_up(batch);
    link_add_up(batch, index, NULL);
    link_add_address(batch, index, address, RT_SCOPE_UNIVERSE);
    link_add_neighbour(batch, index, LINK_GATEWAY, mac);
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        route_add(batch, NLM_F_REPLACE, &routes[i], "add route");
    check(netlink_send(member, batch, NULL, &err));
}

static void connect_hub(struct netlink *hub, uint32_t address, int index)
{
    const struct route route = member_hub_route(address, index);
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    char altname[LINK_ALTNAME_SIZE];
    uint8_t mac[LINK_MAC_SIZE];

    snprintf(altname, sizeof(altname), "c-floor-%08x", address);
    link_far_mac(address, mac);
    link_add_altname(batch, index, altname);
    link_add_up(batch, index, "floor");
    link_add_neighbour(batch, index, address, mac);
    route_add(batch, NLM_F_EXCL, &route, "add route");
    check(netlink_send(hub, batch, NULL, &err));
}

static void attach(int member_netns, int hub_netns, uint32_t address)
{
    struct netlink *rules = NULL;
    struct netlink *member = NULL;
    struct netlink *hub = NULL;
    struct link link;
    char name[IFNAMSIZ];

    check(namespace_enter(hub_netns, &err));
    check(netlink_open(NETLINK_ROUTE, &hub, &err));
    check(namespace_enter(member_netns, &err));
    check(netlink_open(NETLINK_NETFILTER, &rules, &err));
    check(guard_install(rules, &(struct guard){.subnet = {SUBNET, SUBNET | 0xffff}}, &err));
    check(netlink_open(NETLINK_ROUTE, &member, &err));
    check(link_create(hub, address, MEMBER_LINK, member_netns, &err));
    link_hub_name(address, name);
    check(link_find(hub, name, &link, &err));
    check(namespace_sysctl("net/ipv6/conf/" MEMBER_LINK "/disable_ipv6", "1", &err));
    configure_member(member, address, link.peer);
    connect_hub(hub, address, link.index);
}

int main(int argc, char **argv)
{
    char path[64];
    int member = -1;
    int hub = -1;

    if (argc != 4)
        return 0;
    snprintf(path, sizeof(path), "/proc/%s/ns/net", argv[1]);
    member = open(path, O_RDONLY | O_CLOEXEC);
    hub = pin_open(argv[2], &err);
    if (member < 0 || hub < 0) {
        fprintf(stderr, "floor: no member at %s, or no hub: %s\n", path, err.text);
        return 1;
    }
    attach(member, hub, FIRST + (uint32_t)atoi(argv[3]));
    return 0;
}
