/* SPDX-License-Identifier: Apache-2.0
 *
 * A small Sallyport network without Sallyport: namespaces and plain veth links, no rule anywhere. Tests put
 * the rules in and take them out again. All namespaces are unnamed and die with the test's process.
 *
 *     AGENT     10.209.0.64 --+
 *     OTHER     10.209.0.65 --+-- HUB -- HOST 10.209.0.1 (host), 10.209.0.2 (proxy), 198.51.100.1
 *     GATEWAY   10.209.0.3  --+             |
 *     DASHBOARD 10.209.0.4  --+          OUTSIDE 198.51.100.2
 *
 * Links are as in the real network: `sp0` in a member, `sp<address>` in the hub, `sp-hermes` on the host, no
 * ARP, no addresses in the hub, strict reverse path there. HOST forwards, as a machine with Docker does. */
#pragma once

#include "netns/netlink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum place {
    HUB,
    HOST,
    OUTSIDE,
    AGENT,
    OTHER,
    GATEWAY,
    DASHBOARD,
    PLACES,
};

#define HOST_ADDRESS "10.209.0.1"
#define PROXY_ADDRESS "10.209.0.2"
#define GATEWAY_ADDRESS "10.209.0.3"
#define DASHBOARD_ADDRESS "10.209.0.4"
#define AGENT_ADDRESS "10.209.0.64"
#define OTHER_ADDRESS "10.209.0.65"
#define OUTSIDE_ADDRESS "198.51.100.2"

enum {
    REFUSED_WITHIN = 50, /* milliseconds: what "an immediate error" means */
    PATIENCE = 300,      /* milliseconds: a connection or packet that takes longer does not come */
};

/* Makes everything. Any failure fails the test. Call it once in a process. */
void topology_make(void);

/* Moves the caller there. What it opens or runs is there. */
void topology_enter(enum place place);

/* Runs lines of the ip program in the place where the caller is. */
void topology_ip(const char *lines);

/* Moves a link to another place, under another name. */
void topology_move(enum place from, const char *link, enum place to, const char *name);

/* Waits until a link that was set up at both ends carries packets. */
void topology_wait_for_link(enum place place, const char *link);

/* Runs `nft COMMAND` there. */
void topology_nft(enum place place, const char *command);

/* A NETLINK_NETFILTER socket there. The caller closes it. */
struct netlink *topology_netfilter(enum place place);

/* A listening TCP socket, or a bound UDP one, IPv4 or IPv6. */
int topology_listen(enum place place, const char *address, uint16_t port);
int topology_bind_udp(enum place place, const char *address, uint16_t port);

struct attempt {
    int error; /* 0: connected; ETIMEDOUT after PATIENCE; otherwise connect's own errno */
    double milliseconds;
};

/* Tries a TCP connection to address:port and closes it. `source`: "" for what the kernel takes. */
struct attempt topology_connect(enum place place, const char *address, uint16_t port);
struct attempt topology_connect_from(enum place place, const char *source, uint16_t source_port,
                                     const char *address, uint16_t port);

/* The same, and keeps the connection: *ret_fd, to be closed by the caller, -1 on failure. */
struct attempt topology_connect_keep(enum place place, const char *source, uint16_t source_port,
                                     const char *address, uint16_t port, int *ret_fd);

/* Sends one UDP datagram. Returns 0 or the errno, also of an ICMP error that comes at once. */
struct attempt topology_send_udp(enum place place, const char *address, uint16_t port);

/* Whether the socket has something to read (or to accept) within PATIENCE. */
bool topology_readable(int fd);

/* What arrives at the place over the link, as a packet socket; and whether an IPv4 packet from `source` to
 * `destination` did within PATIENCE ("" for any). */
int topology_capture(enum place place, const char *link);
bool topology_captured(int capture, const char *source, const char *destination);

/* Sends a TCP SYN with an IPv4 header made by hand. `fragment`: the header's flags and offset. */
void topology_send_syn(enum place place, const char *source, const char *destination, uint16_t port,
                       uint16_t fragment);

/* Sends a TCP header with any flags. Returns 0, or EPERM if the place's own rules refuse it. */
int topology_send_flags(enum place place, const char *source, uint16_t source_port, const char *destination,
                        uint16_t port, uint8_t flags);

/* The TCP segments that the place is given, after its own rules, whatever it then does with them; and the
 * next of them from this source port, within the time. */
int topology_segments(enum place place);
bool topology_next_segment(int segments, uint16_t source_port, int milliseconds, uint16_t *ret_port,
                           uint8_t *ret_flags);
