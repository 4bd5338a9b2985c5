/* SPDX-License-Identifier: Apache-2.0
 *
 * Routes and routing rules, said in rtnetlink: adding ours to a batch, reading everybody's, and deleting
 * what is not ours. */
#pragma once

#include "base/error.h"
#include "netns/netlink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The metric of the `unreachable` defaults: a last resort. An engine that adds its own default route later
 * must not be refused (it would fail the container's start in a way nobody understands); the seal deletes it.
 */
#define ROUTE_METRIC_LAST_RESORT 0x7fffffffU

struct route {
    uint8_t family;
    uint8_t type;     /* RTN_UNICAST, RTN_UNREACHABLE, ... */
    uint8_t protocol; /* RTPROT_KERNEL, ... */
    uint8_t prefix;
    bool from_loopback; /* of a link without a gateway: what the host itself sends there has an address of lo
                         */
    uint32_t table;
    uint32_t metric;
    int index;            /* of the link, 0 for none */
    uint32_t destination; /* these three: IPv4 only, host byte order, 0 for none */
    uint32_t gateway;     /* on this link whatever its addresses ("onlink") */
    uint32_t source;      /* preferred source address */
    uint8_t address6[16]; /* the destination in IPv6 */
};

struct route_rule { /* "iif lo to DESTINATION/PREFIX lookup TABLE" */
    uint32_t destination;
    uint8_t prefix;
    uint32_t table;
};

/* Adds a route to the batch: with NLM_F_EXCL it must be new, with NLM_F_REPLACE it takes another's place. */
void route_add(struct netlink_batch *batch, uint16_t flags, const struct route *route, const char *what);

/* Reads all routes of the family, every table. *ret_routes is for the caller to free. */
int route_list(struct netlink *netlink, uint8_t family, struct route **ret_routes, size_t *ret_count,
               struct error *err);

/* Deletes one route. One that is gone is not an error. */
int route_delete(struct netlink *netlink, const struct route *route, struct error *err);

/* Adds the rule, unless it is there. */
int route_rule_ensure(struct netlink *netlink, const struct route_rule *rule, struct error *err);

/* Whether the rule, as route_rule_ensure makes it, is there. */
int route_rule_exists(struct netlink *netlink, const struct route_rule *rule, bool *ret_exists,
                      struct error *err);

/* Deletes every rule of ours whose table has no route (any more): the uplink that it served is gone. */
int route_rule_sweep(struct netlink *netlink, struct error *err);

/* Whether there is a rule, in either family, that a namespace is not born with. */
int route_rule_foreign(struct netlink *netlink, bool *ret_foreign, struct error *err);

/* Deletes every rule of both families that is not one of the three that each namespace is born with. */
int route_rule_purge(struct netlink *netlink, struct error *err);
