/* SPDX-License-Identifier: Apache-2.0
 *
 * Group "ipv6": addresses of every kind, with and without a route, and routers that announce themselves: who
 * listens to one has a way out that nobody configured. */
#include "probe/battery.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int prepare_unicast(int fd, const struct battery *battery)
{
    uint32_t index = battery->link != NULL ? htonl(if_nametoindex(battery->link)) : 0;

    if (index == 0)
        return ENODEV;
    return setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_IF, &index, sizeof(index)) < 0 ? errno : 0;
}

static int prepare_transparent(int fd, const struct battery *battery)
{
    (void)battery;
    return battery_set_option(fd, IPPROTO_IPV6, IPV6_TRANSPARENT);
}

/* On the link itself: no route is needed for these. */
static void try_link_local(struct battery *battery)
{
    static const char *const ADDRESSES[] = {"fe80::1", "ff02::1", "ff02::2", "ff02::fb"};
    char address[BATTERY_LINK_ADDRESS_MAX];

    for (size_t i = 0; i < array_size(ADDRESSES); i++)
        if (battery_link_address(battery, ADDRESSES[i], address))
            battery_send(battery, &WAY_UDP, address, 5353, SEEN_CLOSED);
}

/* An address that the link gave itself, or was given. */
static void run_address(const struct battery *battery, const void *data, struct answer *ret)
{
    struct ifaddrs *all = NULL;
    (void)battery;
    (void)data;

    answer_say(ret, SEEN_CLOSED, "no link has one");
    if (getifaddrs(&all) < 0) {
        answer_error(ret, errno);
        return;
    }
    for (const struct ifaddrs *at = all; at != NULL; at = at->ifa_next)
        if (at->ifa_addr != NULL && at->ifa_addr->sa_family == AF_INET6 &&
            (at->ifa_flags & IFF_LOOPBACK) == 0)
            answer_say(ret, SEEN_OPEN, "%s has one", at->ifa_name);
    freeifaddrs(all);
}

/* As a router that offers itself to the link (RFC 4861, 4.2): whoever else is there would use it. */
static void run_advertise(const struct battery *battery, const void *data, struct answer *ret)
{
    struct nd_router_advert advertisement = {.nd_ra_type = ND_ROUTER_ADVERT, .nd_ra_router_lifetime = 0};
    union endpoint to = {.six = {.sin6_family = AF_INET6}};
    int hops = 255; /* others are ignored */
    int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
    (void)data;

    to.six.sin6_addr = parse_ipv6("ff02::1");
    to.six.sin6_scope_id = battery->link != NULL ? if_nametoindex(battery->link) : 0;
    if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops)) < 0 ||
        sendto(fd, &advertisement, sizeof(advertisement), 0, &to.any, sizeof(to.six)) < 0)
        answer_error(ret, errno);
    else
        answer_say(ret, SEEN_OPEN, "sent, and nobody refused it");
    if (fd >= 0)
        close(fd);
}

/* A setting of the link, as a number; `fallback` if there is none. */
static int setting(const struct battery *battery, const char *name, int fallback)
{
    char path[128];
    FILE *file = NULL;
    int value = fallback;

    snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", battery->link, name);
    file = fopen(path, "re");
    if (file != NULL) {
        if (fscanf(file, "%d", &value) != 1)
            value = fallback;
        fclose(file);
    }
    return value;
}

/* Whether the kernel would take one (Documentation/networking/ip-sysctl.rst, accept_ra). */
static void run_listen(const struct battery *battery, const void *data, struct answer *ret)
{
    int disabled = 0;
    int accept = 0;
    (void)data;

    if (battery->link == NULL) {
        answer_say(ret, SEEN_IMPOSSIBLE, "there is no link");
        return;
    }
    disabled = setting(battery, "disable_ipv6", 1);
    accept = setting(battery, "accept_ra", 0);
    answer_say(ret,
               disabled == 0 && accept > (setting(battery, "forwarding", 0) != 0 ? 1 : 0) ? SEEN_OPEN
                                                                                          : SEEN_CLOSED,
               "disable_ipv6 is %d, accept_ra %d", disabled, accept);
}

/* A default route that came by an advertisement: RTF_DEFAULT and RTF_ADDRCONF of linux/ipv6_route.h. */
static void run_route(const struct battery *battery, const void *data, struct answer *ret)
{
    static const unsigned ADVERTISED = 0x00010000 | 0x00040000;
    FILE *file = fopen("/proc/net/ipv6_route", "re");
    char line[256];
    (void)battery;
    (void)data;

    if (file == NULL) {
        answer_say(ret, SEEN_IMPOSSIBLE, "/proc/net/ipv6_route: %s", strerrorname_np(errno));
        return;
    }
    answer_say(ret, SEEN_CLOSED, "no route came by one");
    while (fgets(line, sizeof(line), file) != NULL) {
        char link[IF_NAMESIZE];
        unsigned flags = 0;

        if (sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %x %15s", &flags, link) == 2 &&
            (flags & ADVERTISED) == ADVERTISED)
            answer_say(ret, SEEN_OPEN, "the default route by %s came by one", link);
    }
    fclose(file);
}

static void try_routers(struct battery *battery)
{
    static const struct attempt ATTEMPTS[] = {
        {.name = "link-address", .tried = "an IPv6 address of a link", .run = run_address},
        {.name = "router-send", .tried = "sending a router advertisement", .run = run_advertise},
        {.name = "router-listen", .tried = "the link listening for router advertisements", .run = run_listen},
        {.name = "router-route", .tried = "a route by a router advertisement", .run = run_route},
    };

    for (size_t i = 0; i < array_size(ATTEMPTS); i++)
        battery_try(battery, &ATTEMPTS[i]);
}

static void try_far(struct battery *battery, const char *far)
{
    static const struct way WAYS[] = {
        {"tcp-bindtodevice", SOCK_STREAM, 0, battery_bind_to_link},
        {"udp-bindtodevice", SOCK_DGRAM, 0, battery_bind_to_link},
        {"tcp-unicast-if", SOCK_STREAM, 0, prepare_unicast},
        {"udp-unicast-if", SOCK_DGRAM, 0, prepare_unicast},
        {"udp-mark", SOCK_DGRAM, 0, battery_mark},
        {"udp-transparent", SOCK_DGRAM, 0, prepare_transparent},
    };

    battery_send_both(battery, far, 443);
    battery_send_both(battery, far, 53);
    for (size_t i = 0; i < array_size(WAYS); i++)
        battery_send(battery, &WAYS[i], far, 443, SEEN_CLOSED);
}

void battery_ipv6(struct battery *battery)
{
    /* Unique local; site-local, which is no more; NAT64's well-known prefix (RFC 6052); 6to4; Teredo. */
    static const char *const ADDRESSES[] = {"fd00::1", "fec0::1", "64:ff9b::cb00:7142", "2002:cb00:7142::1",
                                            "2001:0:cb00:7142::1"};
    char mapped[INET6_ADDRSTRLEN + 8];

    try_link_local(battery);
    try_routers(battery);
    for (size_t i = 0; i < array_size(ADDRESSES); i++)
        battery_send_both(battery, ADDRESSES[i], 443);
    for (unsigned i = 0; i < battery->far.count; i++) {
        const char *far = battery->far.values[i];

        if (strchr(far, ':') != NULL) {
            try_far(battery, far);
            continue;
        }
        snprintf(mapped, sizeof(mapped), "::ffff:%s", far);
        battery_send_both(battery, mapped, 443);
    }
}
