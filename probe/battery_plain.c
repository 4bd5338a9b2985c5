/* SPDX-License-Identifier: Apache-2.0
 *
 * Group "plain": sockets that any program may open, straight to the outside, and with every option that goes
 * around a routing table. */
#include "probe/battery.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/socket.h>

static int prepare_unicast(int fd, const struct battery *battery)
{
    uint32_t index = battery->link != NULL ? htonl(if_nametoindex(battery->link)) : 0;

    if (index == 0)
        return ENODEV;
    return setsockopt(fd, IPPROTO_IP, IP_UNICAST_IF, &index, sizeof(index)) < 0 ? errno : 0;
}

static int prepare_transparent(int fd, const struct battery *battery)
{
    (void)battery;
    return battery_set_option(fd, IPPROTO_IP, IP_TRANSPARENT);
}

static int prepare_dontroute(int fd, const struct battery *battery)
{
    (void)battery;
    return battery_set_option(fd, SOL_SOCKET, SO_DONTROUTE);
}

/* A source that is not ours, through the link. IP_FREEBIND binds it too, but then no route is found. */
static int prepare_forged(int fd, const struct battery *battery)
{
    union endpoint from = {.four = {.sin_family = AF_INET, .sin_addr = parse_ipv4("192.0.2.7")}};
    int error = prepare_transparent(fd, battery);

    if (error == 0 && bind(fd, &from.any, sizeof(from.four)) < 0)
        error = errno;
    return error != 0 ? error : battery_bind_to_link(fd, battery);
}

/* Loose source route (RFC 791) by the host's end of the network, or by the first far address. */
static int prepare_source_route(int fd, const struct battery *battery)
{
    const struct battery_list *hops = battery->uplink.count > 0 ? &battery->uplink : &battery->far;
    uint8_t option[8] = {IPOPT_LSRR, 7, 4};
    struct in_addr hop;

    if (hops->count == 0 || inet_pton(AF_INET, hops->values[0], &hop) != 1)
        return ENODEV;
    memcpy(option + 3, &hop, sizeof(hop));
    return setsockopt(fd, IPPROTO_IP, IP_OPTIONS, option, sizeof(option)) < 0 ? errno : 0;
}

static int prepare_broadcast(int fd, const struct battery *battery)
{
    int error = battery_set_option(fd, SOL_SOCKET, SO_BROADCAST);

    return error != 0 ? error : battery_bind_to_link(fd, battery);
}

static int prepare_multicast(int fd, const struct battery *battery)
{
    struct ip_mreqn link = {.imr_ifindex = battery->link != NULL ? (int)if_nametoindex(battery->link) : 0};

    if (link.imr_ifindex == 0)
        return ENODEV;
    return setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &link, sizeof(link)) < 0 ? errno : 0;
}

/* To a far address, on port 443. */
static const struct way WAYS[] = {
    {"tcp-bindtodevice", SOCK_STREAM, 0, battery_bind_to_link},
    {"udp-bindtodevice", SOCK_DGRAM, 0, battery_bind_to_link},
    {"tcp-unicast-if", SOCK_STREAM, 0, prepare_unicast},
    {"udp-unicast-if", SOCK_DGRAM, 0, prepare_unicast},
    {"tcp-mark", SOCK_STREAM, 0, battery_mark},
    {"udp-mark", SOCK_DGRAM, 0, battery_mark},
    {"tcp-transparent", SOCK_STREAM, 0, prepare_transparent},
    {"udp-forged-source", SOCK_DGRAM, 0, prepare_forged},
    {"tcp-source-route", SOCK_STREAM, 0, prepare_source_route},
    {"udp-source-route", SOCK_DGRAM, 0, prepare_source_route},
    {"mptcp", SOCK_STREAM, IPPROTO_MPTCP, NULL},
    {"udplite", SOCK_DGRAM, IPPROTO_UDPLITE, NULL},
    {"sctp", SOCK_STREAM, IPPROTO_SCTP, NULL},
    {"dccp", SOCK_DCCP, IPPROTO_DCCP, NULL},
};

static const uint16_t TCP_PORTS[] = {21, 22, 25, 80, 443, 1194, 3128, 8080, 8443, 31337, 65535};
static const uint16_t UDP_PORTS[] = {123, 443, 500, 4789, 51820, 65535};

static void try_far(struct battery *battery, const char *far)
{
    for (size_t i = 0; i < array_size(TCP_PORTS); i++)
        battery_send(battery, &WAY_TCP, far, TCP_PORTS[i], SEEN_CLOSED);
    for (size_t i = 0; i < array_size(UDP_PORTS); i++)
        battery_send(battery, &WAY_UDP, far, UDP_PORTS[i], SEEN_CLOSED);
    for (size_t i = 0; i < array_size(WAYS); i++)
        battery_send(battery, &WAYS[i], far, 443, SEEN_CLOSED);
}

/* The last address of the subnet: everybody in it. */
static void try_subnet(struct battery *battery, const struct way *way, const char *subnet)
{
    size_t slash = strcspn(subnet, "/");
    char text[INET_ADDRSTRLEN];
    struct in_addr address;
    uint64_t length = parse_number(subnet + slash + 1);

    if (strchr(subnet, ':') != NULL || slash >= sizeof(text) || length == 0 || length > 30)
        return;
    memcpy(text, subnet, slash);
    text[slash] = '\0';
    address = parse_ipv4(text);
    address.s_addr |= htonl(UINT32_MAX >> length);
    battery_send(battery, way, inet_ntop(AF_INET, &address, text, sizeof(text)), 67, SEEN_CLOSED);
}

void battery_plain(struct battery *battery)
{
    static const struct way BROADCAST = {"udp-broadcast", SOCK_DGRAM, 0, prepare_broadcast};
    static const struct way MULTICAST = {"udp-multicast", SOCK_DGRAM, 0, prepare_multicast};
    static const struct way DONTROUTE = {"udp-dontroute", SOCK_DGRAM, 0, prepare_dontroute};
    static const struct way FORGED = {"udp-forged-source", SOCK_DGRAM, 0, prepare_forged};
    bool tried = false;

    for (unsigned i = 0; i < battery->far.count; i++)
        if (strchr(battery->far.values[i], ':') == NULL) {
            try_far(battery, battery->far.values[i]);
            tried = true;
        }
    if (!tried)
        battery_impossible(battery, "far", "sockets to an IPv4 address outside", "no far= of IPv4 was given");
    if (battery->uplink.count > 0) {
        battery_send(battery, &DONTROUTE, battery->uplink.values[0], 53, SEEN_CLOSED);
        battery_send(battery, &FORGED, battery->uplink.values[0], 53, SEEN_CLOSED);
    }
    battery_send(battery, &BROADCAST, "255.255.255.255", 67, SEEN_CLOSED);
    if (battery->subnet.count > 0)
        try_subnet(battery, &BROADCAST, battery->subnet.values[0]);
    battery_send(battery, &MULTICAST, "224.0.0.251", 5353, SEEN_CLOSED);
    battery_send(battery, &MULTICAST, "239.255.255.250", 1900, SEEN_CLOSED);
}
