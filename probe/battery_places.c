/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups "metadata", "host", "members" and "arrivals": addresses that are worth an attempt, and at which
 * ports.
 */
#include "probe/battery.h"

#include <string.h>

static void try_metadata(struct battery *battery, const char *address)
{
    battery_send(battery, &WAY_TCP, address, 80, SEEN_CLOSED);
    battery_send(battery, &WAY_TCP, address, 443, SEEN_CLOSED);
}

void battery_metadata(struct battery *battery)
{
    /* AWS, Google, Azure and most others; AWS, Google by IPv6; credentials of AWS's containers (ECS, EKS);
     * Azure's wire server; Alibaba; Oracle; Tencent; Scaleway. */
    static const char *const ADDRESSES[] = {
        "169.254.169.254", "fd00:ec2::254", "fd20:ce::254",  "169.254.170.2",
        "169.254.170.23",  "fd00:ec2::23",  "168.63.129.16", "100.100.100.200",
        "192.0.0.192",     "169.254.0.23",  "169.254.42.42", "fd00:42::42",
    };

    char on_link[BATTERY_LINK_ADDRESS_MAX];

    for (size_t i = 0; i < array_size(ADDRESSES); i++)
        try_metadata(battery, ADDRESSES[i]);
    /* OpenStack's, by IPv6: 169.254.169.254 once more. */
    if (battery_link_address(battery, "fe80::a9fe:a9fe", on_link))
        try_metadata(battery, on_link);
}

/* The proxy's port, 0 if there is none; `ret_host` is its address. */
static uint16_t proxy_port(const struct battery *battery, char ret_host[BATTERY_TEXT_MAX])
{
    ret_host[0] = '\0';
    return battery->proxy.count > 0 ? battery_split(battery->proxy.values[0], ret_host, BATTERY_TEXT_MAX) : 0;
}

static bool is_among(const uint16_t *ports, size_t count, uint16_t port)
{
    for (size_t i = 0; i < count; i++)
        if (ports[i] == port)
            return true;
    return false;
}

/* Whether the address and port are the proxy's own, or one of its pass-throughs'. */
static bool is_proxy(const struct battery *battery, const char *address, uint16_t port)
{
    const struct battery_list *const lists[] = {&battery->proxy, &battery->sni, &battery->http};
    char host[BATTERY_TEXT_MAX];

    for (size_t i = 0; i < array_size(lists); i++)
        if (lists[i]->count > 0 && battery_split(lists[i]->values[0], host, sizeof(host)) == port &&
            strcmp(host, address) == 0)
            return true;
    return false;
}

/* The ports of a host's own services, and those beside the proxy's. */
static void try_host(struct battery *battery, const char *address)
{
    char proxy[BATTERY_TEXT_MAX];
    uint16_t beside = proxy_port(battery, proxy);
    const uint16_t ports[] = {22,     53,
                              80,     111,
                              443,    2375,
                              6443,   beside > 1 ? beside - 1U : 1,
                              beside, beside < UINT16_MAX ? beside + 1U : beside};

    for (size_t i = 0; i < array_size(ports); i++)
        if (ports[i] != 0 && !is_among(ports, i, ports[i]) && !is_proxy(battery, address, ports[i]))
            battery_send(battery, &WAY_TCP, address, ports[i], SEEN_CLOSED);
    battery_send(battery, &WAY_UDP, address, 53, SEEN_CLOSED);
}

void battery_host(struct battery *battery)
{
    bool tried = false;

    for (unsigned i = 0; i < battery->host.count; i++) {
        try_host(battery, battery->host.values[i]);
        tried = tried || (battery->uplink.count > 0 &&
                          strcmp(battery->host.values[i], battery->uplink.values[0]) == 0);
    }
    if (battery->host.count == 0)
        battery_impossible(battery, "host", "the host's own addresses", "no host= was given");
    if (battery->uplink.count > 0 && !tried)
        try_host(battery, battery->uplink.values[0]);
    else if (battery->uplink.count == 0)
        battery_impossible(battery, "uplink", "the host's address in the network", "no uplink= was given");
}

void battery_members(struct battery *battery)
{
    for (unsigned i = 0; i < battery->open.count; i++)
        battery_send_text(battery, &WAY_TCP, battery->open.values[i], SEEN_OPEN);
    for (unsigned i = 0; i < battery->closed.count; i++) {
        battery_send_text(battery, &WAY_TCP, battery->closed.values[i], SEEN_CLOSED);
        battery_send_text(battery, &WAY_UDP, battery->closed.values[i], SEEN_CLOSED);
    }
    if (battery->closed.count == 0)
        battery_impossible(battery, "closed", "other members' ports", "no closed= was given");
    battery_send_both(battery, "169.254.0.1", 22); /* the hub's side of every link */
    battery_send_both(battery, "169.254.0.1", 53);
}

/* Where somebody outside looks whether anything comes. */
void battery_arrivals(struct battery *battery)
{
    for (unsigned i = 0; i < battery->listener.count; i++) {
        battery_send_text(battery, &WAY_TCP, battery->listener.values[i], SEEN_CLOSED);
        battery_send_text(battery, &WAY_UDP, battery->listener.values[i], SEEN_CLOSED);
    }
    if (battery->listener.count == 0)
        battery_impossible(battery, "listener", "where somebody listens for us", "no listener= was given");
}
