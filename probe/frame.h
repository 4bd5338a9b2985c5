/* SPDX-License-Identifier: Apache-2.0
 *
 * Packets made by hand, true or forged. What the command line does not say is filled in from the link. */
#pragma once

#include "probe/probe.h"

#include <stddef.h>

enum { FRAME_SIZE_MAX = 512 };

struct frame_options {
    const char *kind; /* udp, tcp, icmp, arp, udp6, neighbour6 */
    uint8_t source_mac[6];
    uint8_t dest_mac[6];
    struct in_addr source_ip;
    struct in_addr dest_ip;
    struct in6_addr source_ip6;
    struct in6_addr dest_ip6;
    uint16_t source_port;
    uint16_t port;
    uint8_t tcp_flags;
    bool fragment_first;
    bool fragment_later;
    const char *marker;
};

/* Takes the options. `link` may be NULL: then link addresses are zero and the source has to be given. */
struct frame_options frame_options_take(struct arguments *arguments, const char *link);

/* Makes an Ethernet frame. Returns its length. */
size_t frame_build(const struct frame_options *options, uint8_t frame[FRAME_SIZE_MAX]);

/* Makes the IPv4 packet alone (kinds udp, tcp and icmp). Returns its length. */
size_t frame_build_ipv4(const struct frame_options *options, uint8_t *packet);
