/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_packets.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    NUMBER_DIGITS = 4,
    IPV6_SOURCE = 8, /* where the two addresses are in the header */
    IPV6_DESTINATION = 24,
    IPV6_HEADER = 40,
};

/* One that is sent again, or a packet of the same attempt without its marker, is not told twice. */
static bool is_known(struct verify_offender *known, const struct verify_offender *one)
{
    if (strcmp(known->text, one->text) != 0)
        return false;
    if (known->attempt == VERIFY_NO_ATTEMPT)
        known->attempt = one->attempt;
    return one->attempt == VERIFY_NO_ATTEMPT || one->attempt == known->attempt;
}

void verify_offenders_add(struct verify_offenders *offenders, unsigned attempt, const char *format, ...)
{
    struct verify_offender one = {.attempt = attempt};
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(one.text, sizeof(one.text), format, arguments);
    va_end(arguments);
    offenders->count++;
    for (size_t i = 0; i < offenders->told; i++)
        if (is_known(&offenders->first[i], &one))
            return;
    if (offenders->told < VERIFY_OFFENDERS_MAX)
        offenders->first[offenders->told++] = one;
}

static unsigned read_number(const char *digits, const char *end)
{
    unsigned number = 0;

    for (int i = 0; i < NUMBER_DIGITS && digits < end && *digits >= '0' && *digits <= '9'; i++)
        number = number * 10 + (unsigned)(*digits++ - '0');
    return number;
}

bool verify_marker_find(const void *bytes, size_t size, const char *marker, unsigned *ret_attempt)
{
    char wanted[sizeof(VERIFY_MAGIC) + VERIFY_MARKER_SIZE + 1];
    int length = snprintf(wanted, sizeof(wanted), VERIFY_MAGIC "%s-", marker);
    const char *found = memmem(bytes, size, wanted, (size_t)length);

    if (found == NULL)
        return false;
    *ret_attempt = read_number(found + length, (const char *)bytes + size);
    return true;
}

static bool in_range(const struct policy_range *range, uint32_t address)
{
    return address >= range->first && address <= range->last;
}

static bool is_proxy_port(const struct policy *policy, uint16_t port)
{
    uint16_t ports[POLICY_PROXY_PORTS_MAX];
    size_t count = policy_proxy_ports(policy, ports);

    for (size_t i = 0; i < count; i++)
        if (ports[i] == port)
            return true;
    return false;
}

/* Whether the policy lets `from` open a connection there. */
static bool may_open(const struct policy *policy, uint32_t from, uint32_t to, uint16_t port)
{
    const struct policy_role *role = policy_role_of(policy, from);
    const struct policy_role *other = policy_role_of(policy, to);

    if (from == policy->host_address && other != NULL)
        for (size_t i = 0; i < other->publish_count; i++)
            if (other->publish[i].member_port == port)
                return true;
    if (role == NULL)
        return false;
    if (role->reach_proxy && to == policy->proxy_address && is_proxy_port(policy, port))
        return true;
    for (size_t i = 0; i < role->targets_count; i++)
        if (other == &policy->roles[role->targets[i].role] && port == role->targets[i].port)
            return true;
    return false;
}

/* Of the member's own packets: one of a connection that it, or that somebody to it, may open. */
static bool is_allowed(const struct policy *policy, const struct witness_packet *packet)
{
    const struct nflog_packet *ip = &packet->ip;

    if (ip->protocol != IPPROTO_TCP || ip->fragment || !ip->has_ports)
        return false;
    if (may_open(policy, ip->source, ip->destination, ip->destination_port))
        return true;
    return (packet->tcp_flags & (TH_SYN | TH_ACK)) != TH_SYN &&
           may_open(policy, ip->destination, ip->source, ip->source_port);
}

static struct verify_way way_of(const struct nflog_packet *ip)
{
    return (struct verify_way){ip->source, ip->destination, ip->source_port, ip->destination_port,
                               ip->protocol};
}

/* Whether it, or one just like it, was noted when it came in. */
static bool was_noted(const struct verify_packets *packets, const struct nflog_packet *ip)
{
    const struct verify_way way = way_of(ip);
    size_t count = packets->noted_count < VERIFY_NOTED_MAX ? packets->noted_count : VERIFY_NOTED_MAX;

    for (size_t i = 0; i < count; i++) {
        const struct verify_way *one = &packets->noted[i];

        if (one->source == way.source && one->destination == way.destination &&
            one->source_port == way.source_port && one->destination_port == way.destination_port &&
            one->protocol == way.protocol)
            return true;
    }
    return false;
}

static const char *protocol_name(uint8_t protocol, char *buffer, size_t size)
{
    switch (protocol) {
    case IPPROTO_TCP:
        return "TCP";
    case IPPROTO_UDP:
        return "UDP";
    case IPPROTO_ICMP:
        return "ICMP";
    default:
        snprintf(buffer, size, "protocol %u", protocol);
        return buffer;
    }
}

static void describe_ipv4(const struct nflog_packet *ip, const char *why, unsigned attempt,
                          struct verify_offenders *offenders)
{
    char protocol[16];
    char source[INET_ADDRSTRLEN];
    char destination[INET_ADDRSTRLEN];
    char port[8] = "";

    if (ip->has_ports)
        snprintf(port, sizeof(port), ":%u", ip->destination_port);
    verify_offenders_add(offenders, attempt, "%s%s %s -> %s%s%s", ip->fragment ? "a fragment of " : "",
                         protocol_name(ip->protocol, protocol, sizeof(protocol)),
                         policy_format_address(ip->source, source),
                         policy_format_address(ip->destination, destination), port, why);
}

static void describe_ipv6(const struct witness_packet *packet, unsigned attempt,
                          struct verify_offenders *offenders)
{
    char source[INET6_ADDRSTRLEN];
    char destination[INET6_ADDRSTRLEN];

    if (packet->size < IPV6_HEADER ||
        inet_ntop(AF_INET6, packet->bytes + IPV6_SOURCE, source, sizeof(source)) == NULL ||
        inet_ntop(AF_INET6, packet->bytes + IPV6_DESTINATION, destination, sizeof(destination)) == NULL)
        verify_offenders_add(offenders, attempt, "IPv6, cut short");
    else
        verify_offenders_add(offenders, attempt, "IPv6 %s -> %s", source, destination);
}

static void offend(const struct verify_packets *packets, const struct witness_packet *packet, const char *why,
                   struct verify_offenders *offenders)
{
    unsigned attempt = VERIFY_NO_ATTEMPT;

    verify_marker_find(packet->bytes, packet->size, packets->marker, &attempt);
    if (packet->ip.has_addresses)
        describe_ipv4(&packet->ip, why, attempt, offenders);
    else if (packet->ethertype == ETH_P_IPV6)
        describe_ipv6(packet, attempt, offenders);
    else
        verify_offenders_add(offenders, attempt, "a frame of ethertype 0x%04x", packet->ethertype);
}

static void take_entering(struct verify_packets *packets, const struct witness_packet *packet)
{
    const struct nflog_packet *ip = &packet->ip;
    const struct policy_range subnet = policy_subnet(packets->policy);
    bool foreign = ip->has_addresses && ip->source != packets->address;
    const char *why = NULL;

    packets->entered++;
    if (foreign || (packet->tcp_flags & TH_RST) != 0)
        packets->noted[packets->noted_count++ % VERIFY_NOTED_MAX] = way_of(ip);
    if (packet->odd_frame)
        why = ", in a frame that is not for the hub";
    else if (!ip->has_addresses)
        why = "";
    else if (foreign)
        why = ", with a forged source";
    else if (ip->protocol != IPPROTO_TCP || ip->fragment || !in_range(&subnet, ip->destination))
        why = "";
    if (why != NULL)
        offend(packets, packet, why, &packets->entering);
}

/* From the member's address, going out. */
static void take_own(struct verify_packets *packets, const struct witness_packet *packet)
{
    if ((packet->tcp_flags & TH_RST) != 0 && !was_noted(packets, &packet->ip))
        return; /* the hub's own, to somebody whose packet to the member it refused */
    if (is_allowed(packets->policy, packet))
        packets->allowed++;
    else
        offend(packets, packet, "", &packets->leaving);
}

static void take_leaving(struct verify_packets *packets, const struct witness_packet *packet)
{
    const struct nflog_packet *ip = &packet->ip;
    const struct policy_range subnet = policy_subnet(packets->policy);

    if (packets->link != 0 && ip->has_addresses && ip->source == packets->address)
        take_own(packets, packet);
    else if (ip->has_addresses && was_noted(packets, ip))
        offend(packets, packet, ", with a forged source", &packets->leaving);
    else if (!ip->has_addresses || ip->protocol != IPPROTO_TCP || ip->fragment ||
             !in_range(&subnet, ip->source) || !in_range(&subnet, ip->destination))
        offend(packets, packet, ", which nobody may send", &packets->leaving);
}

void verify_packets_take(struct verify_packets *packets, const struct witness_packet *packet)
{
    if (!packet->leaving && packet->link == packets->link && packets->link != 0)
        take_entering(packets, packet);
    else if (packet->leaving && packet->link != packets->link)
        take_leaving(packets, packet);
}
