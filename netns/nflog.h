/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading what the hub's rules hand over for logging (NFNETLINK_LOG): one message for each refused packet,
 * with the beginning of the packet in it.
 *
 * The kernel gives a log group to one listener at a time, so the hub's rule logs to NFLOG_GROUPS of them and
 * a reader takes the first that is free. A group without listener costs the kernel one look-up.
 *
 * Invariant: every byte here may be a member's own. Nothing is read beyond what the message holds, and what
 * was cut off is told (`truncated`), never guessed. */
#pragma once

#include "base/error.h"
#include "netns/netlink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    NFLOG_GROUP_FIRST = 0x5350,
    NFLOG_GROUPS = 4, /* readers of one hub at a time */
};

struct nflog_packet {
    uint32_t link;      /* index of the link that it came by, 0 if the kernel does not tell */
    uint8_t version;    /* 4; 6 and anything else: nothing below is known */
    bool truncated;     /* ended before its headers did: ports or more are missing */
    bool fragment;      /* of a packet: only the first has ports */
    bool has_addresses; /* source, destination and protocol are known */
    bool has_ports;     /* both ports are known */
    bool later;         /* TCP that does not begin a connection */
    uint8_t protocol;   /* IPPROTO_* */
    uint32_t source;    /* host byte order, like all of these */
    uint32_t destination;
    uint16_t source_port;
    uint16_t destination_port;
};

/* Makes the socket a reader: of the first group that nobody reads. `nf` is a NETLINK_NETFILTER socket in the
 * hub and is used for nothing else from then on. Returns -EBUSY if there are NFLOG_GROUPS readers already (or
 * the caller lacks CAP_NET_ADMIN, which the kernel does not tell apart). */
int nflog_bind(struct netlink *nf, struct error *err);

/* Calls `each` for every packet that has come, and does not wait for more. That the kernel had to drop some
 * is no error: the hub's counter knows of them. */
int nflog_read(struct netlink *nf, void (*each)(const struct nflog_packet *packet, void *data), void *data,
               struct error *err);

/* Reads one message of at most `size` bytes. Returns false, and *ret is untouched, if it is not a whole
 * message about a packet. */
bool nflog_parse(const void *message, size_t size, struct nflog_packet *ret);

/* Reads a packet's own bytes, from its IP header on: of *packet all but `link`, which is to be zero before.
 */
void nflog_parse_packet(const uint8_t *bytes, size_t size, struct nflog_packet *packet);
