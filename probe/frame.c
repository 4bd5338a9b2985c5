/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/frame.h"

#include "probe/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void read_link(const char *link, struct frame_options *options)
{
    struct ifreq request = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (strlen(link) >= sizeof(request.ifr_name))
        usage("`%s` is not a link", link);
    strcpy(request.ifr_name, link);
    if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request) < 0)
        usage("read link %s: %s", link, strerror(errno));
    memcpy(options->source_mac, request.ifr_hwaddr.sa_data, sizeof(options->source_mac));
    if (ioctl(fd, SIOCGIFADDR, &request) == 0) {
        struct sockaddr_in address;

        memcpy(&address, &request.ifr_addr, sizeof(address));
        options->source_ip = address.sin_addr;
    }
    close(fd);
}

static uint8_t parse_flags(const char *text)
{
    if (strcmp(text, "syn") == 0)
        return TH_SYN;
    if (strcmp(text, "synack") == 0)
        return TH_SYN | TH_ACK;
    if (strcmp(text, "ack") == 0)
        return TH_ACK;
    if (strcmp(text, "rst") == 0)
        return TH_RST;
    usage("`%s` is none of syn, synack, ack, rst", text);
}

static void take_addresses(struct arguments *arguments, struct frame_options *options)
{
    const char *source_mac = arguments_take(arguments, "--source-mac", NULL);
    const char *source_ip = arguments_take(arguments, "--source-ip", NULL);
    const char *source_ip6 = arguments_take(arguments, "--source-ip6", "fe80::bad");

    parse_mac(arguments_take(arguments, "--dest-mac", "ff:ff:ff:ff:ff:ff"), options->dest_mac);
    options->dest_ip = parse_ipv4(arguments_take(arguments, "--dest-ip", "255.255.255.255"));
    options->dest_ip6 = parse_ipv6(arguments_take(arguments, "--dest-ip6", "ff02::1"));
    options->source_ip6 = parse_ipv6(source_ip6);
    if (source_mac != NULL)
        parse_mac(source_mac, options->source_mac);
    if (source_ip != NULL)
        options->source_ip = parse_ipv4(source_ip);
}

struct frame_options frame_options_take(struct arguments *arguments, const char *link)
{
    struct frame_options options = {0};
    const char *fragment = arguments_take(arguments, "--fragment", "no");

    if (link != NULL)
        read_link(link, &options);
    take_addresses(arguments, &options);
    options.source_port = (uint16_t)arguments_take_number(arguments, "--source-port", 40000);
    options.port = (uint16_t)arguments_take_number(arguments, "--port", 9);
    options.tcp_flags = parse_flags(arguments_take(arguments, "--flags", "syn"));
    options.fragment_first = strcmp(fragment, "first") == 0;
    options.fragment_later = strcmp(fragment, "later") == 0;
    options.marker = arguments_take(arguments, "--marker", "");
    return options;
}

/* Writes the payload. Returns its length. */
static size_t put_payload(const struct frame_options *options, uint8_t *at)
{
    return (size_t)snprintf((char *)at, 128, PROBE_MAGIC "%s", options->marker);
}

static uint16_t transport_checksum(const struct frame_options *options, bool six, uint8_t protocol,
                                   const uint8_t *segment, size_t length)
{
    uint32_t sum = protocol + (uint32_t)length;

    if (six) {
        sum = checksum_add(sum, &options->source_ip6, sizeof(options->source_ip6));
        sum = checksum_add(sum, &options->dest_ip6, sizeof(options->dest_ip6));
    } else {
        sum = checksum_add(sum, &options->source_ip, sizeof(options->source_ip));
        sum = checksum_add(sum, &options->dest_ip, sizeof(options->dest_ip));
    }
    return checksum_end(checksum_add(sum, segment, length));
}

static size_t build_udp(const struct frame_options *options, bool six, uint8_t *at)
{
    struct udphdr header = {.source = htons(options->source_port), .dest = htons(options->port)};
    size_t length = sizeof(header) + put_payload(options, at + sizeof(header));

    header.len = htons((uint16_t)length);
    memcpy(at, &header, sizeof(header));
    header.check = transport_checksum(options, six, IPPROTO_UDP, at, length);
    memcpy(at, &header, sizeof(header));
    return length;
}

static size_t build_tcp(const struct frame_options *options, uint8_t *at)
{
    struct tcphdr header = {.source = htons(options->source_port),
                            .dest = htons(options->port),
                            .seq = htonl(1000),
                            .window = htons(1024),
                            .doff = sizeof(header) / 4};
    size_t length = sizeof(header) + put_payload(options, at + sizeof(header));

    header.th_flags = options->tcp_flags;
    memcpy(at, &header, sizeof(header));
    header.check = transport_checksum(options, false, IPPROTO_TCP, at, length);
    memcpy(at, &header, sizeof(header));
    return length;
}

static size_t build_icmp(const struct frame_options *options, uint8_t *at)
{
    struct icmphdr header = {.type = ICMP_ECHO, .un.echo.id = htons(7)};
    size_t length = sizeof(header) + put_payload(options, at + sizeof(header));

    memcpy(at, &header, sizeof(header));
    header.checksum = checksum_end(checksum_add(0, at, length));
    memcpy(at, &header, sizeof(header));
    return length;
}

static size_t build_transport(const struct frame_options *options, uint8_t *at, uint8_t *ret_protocol)
{
    if (strcmp(options->kind, "tcp") == 0) {
        *ret_protocol = IPPROTO_TCP;
        return build_tcp(options, at);
    }
    if (strcmp(options->kind, "icmp") == 0) {
        *ret_protocol = IPPROTO_ICMP;
        return build_icmp(options, at);
    }
    *ret_protocol = IPPROTO_UDP;
    return build_udp(options, false, at);
}

size_t frame_build_ipv4(const struct frame_options *options, uint8_t *packet)
{
    struct iphdr header = {.version = 4,
                           .ihl = sizeof(header) / 4,
                           .ttl = 64,
                           .id = htons(4711),
                           .saddr = options->source_ip.s_addr,
                           .daddr = options->dest_ip.s_addr};
    size_t length = sizeof(header) + build_transport(options, packet + sizeof(header), &header.protocol);

    if (options->fragment_first)
        header.frag_off = htons(IP_MF);
    if (options->fragment_later)
        header.frag_off = htons(8); /* in units of 8 bytes */
    header.tot_len = htons((uint16_t)length);
    header.check = checksum_end(checksum_add(0, &header, sizeof(header)));
    memcpy(packet, &header, sizeof(header));
    return length;
}

static size_t build_arp(const struct frame_options *options, uint8_t *at)
{
    struct ether_arp arp = {.ea_hdr = {.ar_hrd = htons(ARPHRD_ETHER),
                                       .ar_pro = htons(ETH_P_IP),
                                       .ar_hln = 6,
                                       .ar_pln = 4,
                                       .ar_op = htons(ARPOP_REQUEST)}};

    memcpy(arp.arp_sha, options->source_mac, sizeof(arp.arp_sha));
    memcpy(arp.arp_spa, &options->source_ip, sizeof(arp.arp_spa));
    memcpy(arp.arp_tpa, &options->dest_ip, sizeof(arp.arp_tpa));
    memcpy(at, &arp, sizeof(arp));
    return sizeof(arp);
}

static size_t build_neighbour6(const struct frame_options *options, uint8_t *at)
{
    struct nd_neighbor_solicit solicit = {.nd_ns_hdr = {.icmp6_type = ND_NEIGHBOR_SOLICIT},
                                          .nd_ns_target = options->dest_ip6};

    memcpy(at, &solicit, sizeof(solicit));
    solicit.nd_ns_hdr.icmp6_cksum = transport_checksum(options, true, IPPROTO_ICMPV6, at, sizeof(solicit));
    memcpy(at, &solicit, sizeof(solicit));
    return sizeof(solicit);
}

static size_t build_ipv6(const struct frame_options *options, uint8_t *packet)
{
    struct ip6_hdr header = {.ip6_flow = htonl(6U << 28),
                             .ip6_hlim = 255,
                             .ip6_src = options->source_ip6,
                             .ip6_dst = options->dest_ip6};
    bool neighbour = strcmp(options->kind, "neighbour6") == 0;
    size_t length = neighbour ? build_neighbour6(options, packet + sizeof(header))
                              : build_udp(options, true, packet + sizeof(header));

    header.ip6_nxt = neighbour ? IPPROTO_ICMPV6 : IPPROTO_UDP;
    header.ip6_plen = htons((uint16_t)length);
    memcpy(packet, &header, sizeof(header));
    return sizeof(header) + length;
}

size_t frame_build(const struct frame_options *options, uint8_t frame[FRAME_SIZE_MAX])
{
    struct ethhdr header = {.h_proto = htons(ETH_P_IP)};
    size_t length = 0;

    memset(frame, 0, FRAME_SIZE_MAX);
    if (strcmp(options->kind, "arp") == 0) {
        header.h_proto = htons(ETH_P_ARP);
        length = build_arp(options, frame + sizeof(header));
    } else if (strchr(options->kind, '6') != NULL) {
        header.h_proto = htons(ETH_P_IPV6);
        length = build_ipv6(options, frame + sizeof(header));
    } else
        length = frame_build_ipv4(options, frame + sizeof(header));
    memcpy(header.h_dest, options->dest_mac, sizeof(header.h_dest));
    memcpy(header.h_source, options->source_mac, sizeof(header.h_source));
    memcpy(frame, &header, sizeof(header));
    return sizeof(header) + length;
}
