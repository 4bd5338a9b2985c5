/* SPDX-License-Identifier: Apache-2.0
 *
 * Links: the veth pairs between the hub and everything else, said in rtnetlink.
 *
 * Every pair is made from the hub's side, its far end directly in the other namespace (moving a link costs
 * 13 to 18 ms, this 0.3 ms). The hub's end is named after the far end's address, `sp<8 hex digits>`: the
 * kernel's refusal of a second link of that name is what keeps an address from being given twice.
 *
 * Invariants: no link speaks ARP or IPv6, so each side must know the other's hardware address: it follows
 * from the far end's address A, 02:53:A at the far end and 02:54:A in the hub (locally administered; explicit
 * because systemd's MACAddressPolicy rewrites random ones). After its creation a link is only ever addressed
 * by its index, never by its name. */
#pragma once

#include "base/error.h"
#include "netns/netlink.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINK_GATEWAY 0xa9fe0001U /* 169.254.0.1: what the far end calls the hub, which has no address */

enum {
    LINK_LOOPBACK = 1,           /* the index of `lo`, the same in every namespace */
    LINK_MTU = 1500,             /* one for the whole network, whatever the default of the machine */
    LINK_SEGMENT = 192 * 1024,   /* bytes that TCP may hand to a link in one piece, see link_add_up */
    LINK_GROUP = 0x5350,         /* of all the hub's ends, so that one request deletes them all */
    LINK_GROUP_RETIRED = 0x5351, /* of those that have been retired */
    LINK_ALIAS_SIZE = 256,
    LINK_ALTNAME_SIZE = 128,
    LINK_ALTNAMES_MAX = 4,
    LINK_KIND_SIZE = 16,
    LINK_MAC_SIZE = 6,
    LINK_SETTINGS_MAX = 40, /* of IPv4; Sallyport asks for numbers up to 32 */
};

struct link_settings { /* what the kernel has told of them */
    size_t ipv4_count;
    uint32_t ipv4[LINK_SETTINGS_MAX]; /* net.ipv4.conf; the first is number 1 of linux/ip.h */
    bool ipv6;                        /* the link can speak it, if it is not disabled */
    bool ipv6_disabled;
    uint32_t segment; /* LINK_SEGMENT; 0: the kernel knows none */
};

struct link {
    int index;
    unsigned flags; /* IFF_UP and others */
    uint32_t group;
    char name[IFNAMSIZ];
    char kind[LINK_KIND_SIZE]; /* "veth"; empty for a physical device and lo */
    char alias[LINK_ALIAS_SIZE];
    char altnames[LINK_ALTNAMES_MAX][LINK_ALTNAME_SIZE];
    size_t altnames_count;
    int peer; /* the index of the other end in its namespace, 0 if none */
    bool peer_elsewhere;
    int32_t peer_netnsid;    /* if elsewhere; -1 if that namespace is gone */
    uint64_t received_bytes; /* counted at this end */
    uint64_t received_packets;
    uint64_t sent_bytes;
    uint64_t sent_packets;
    struct link_settings settings;
};

struct link_address { /* an address of a link */
    int index;
    uint8_t family;
    uint8_t prefix;
    uint32_t address; /* IPv4 only, host byte order */
};

/* The name of the hub's end of the pair whose far end has this address. */
void link_hub_name(uint32_t address, char ret_name[IFNAMSIZ]);

/* The address in the name of a hub's end; false if the name is none. */
bool link_hub_address(const char *name, uint32_t *ret_address);

void link_hub_mac(uint32_t address, uint8_t ret_mac[LINK_MAC_SIZE]);
void link_far_mac(uint32_t address, uint8_t ret_mac[LINK_MAC_SIZE]);

/* Makes the pair for `address`, both ends down: the hub's end where `hub` is, the far end with the name
 * `far_name` in `far_netns`. Sent alone and acknowledged: the kernel goes on after a refused request, and a
 * later one must never meet a link of somebody else.
 *
 * Returns -EEXIST if either name is taken. */
int link_create(struct netlink *hub, uint32_t address, const char *far_name, int far_netns,
                struct error *err);

/* Finds a link by its name or one of its altnames. -ENODEV if there is none. */
int link_find(struct netlink *netlink, const char *name, struct link *ret, struct error *err);

/* The same by index. */
int link_find_index(struct netlink *netlink, int index, struct link *ret, struct error *err);

/* Reads the kernel's message about a link. Returns false, and *ret is untouched, if it is none. */
bool link_read(const struct nlmsghdr *message, struct link *ret);

/* Reads all links of the namespace. *ret_links is for the caller to free. */
int link_list(struct netlink *netlink, struct link **ret_links, size_t *ret_count, struct error *err);

/* Reads all addresses of the namespace. *ret_addresses is for the caller to free. */
int link_list_addresses(struct netlink *netlink, struct link_address **ret_addresses, size_t *ret_count,
                        struct error *err);

/* Whether the namespace of the other end is being torn down, so that the link will be gone in a moment.
 * Returns 1, 0, or an error. */
int link_peer_dying(struct netlink *netlink, const struct link *link, struct error *err);

/* The number that the namespace of `netlink` has for `netns`; -1 if it has none, so no link leads there. */
int link_netnsid(struct netlink *netlink, int netns, int32_t *ret_netnsid, struct error *err);

/* Deletes one link now. A link that is already gone is not an error. Takes 17 to 24 ms. */
int link_delete(struct netlink *netlink, int index, struct error *err);

/* Takes the hub's end of a link out of service for good, in 0.2 ms: nothing passes any more, and its name,
 * its altnames and its group are free for others. It goes with the far end's namespace, which the last
 * sockets of a container can keep for a minute, or by link_delete_retired. A link that is already gone is not
 * an error. */
int link_retire(struct netlink *netlink, const struct link *link, struct error *err);

/* Whether that is what was done to the link, and it is as it was left. */
bool link_retired(const struct link *link);

/* Deletes all links that have been retired. None is not an error. Takes 17 to 24 ms. */
int link_delete_retired(struct netlink *netlink, struct error *err);

/* Deletes those, and all of LINK_GROUP. */
int link_delete_all(struct netlink *netlink, struct error *err);

/* Makes the kernel take notice that the link has a carrier. Of the two ends of a pair the one that was set up
 * first gets its carrier later, and until a worker of the kernel has seen that it drops everything it is
 * given to send: the first connection of a container would wait a second for its second attempt. */
int link_notice_carrier(struct netlink *netlink, const char *name, struct error *err);

/* Sets LINK_SEGMENT for all links of LINK_GROUP: those that an earlier release has made. */
int link_enlarge_segments(struct netlink *netlink, struct error *err);

/* Requests for a batch. */

/* Sets the link up, without ARP; alias or NULL.
 *
 * TCP may hand it LINK_SEGMENT bytes in one piece, from Linux 6.3 on; earlier kernels pass over that and stay
 * at 64 KiB. A piece takes the same time from namespace to namespace whatever its size: one stream from agent
 * to proxy has 1.5 times the throughput of a bare veth pair, and 0.9 with 64 KiB; still larger ones gain
 * nothing. All ends of a network are the same: one that is not cuts larger pieces into single packets. */
void link_add_up(struct netlink_batch *batch, int index, const char *alias);
void link_add_loopback_up(struct netlink_batch *batch);
void link_add_altname(struct netlink_batch *batch, int index, const char *altname);
void link_add_alias(struct netlink_batch *batch, int index, const char *alias);
void link_add_address(struct netlink_batch *batch, int index, uint32_t address, uint8_t scope);
/* After link_add_up: the kernel forgets all neighbours of a link that loses ARP, permanent ones too. */
void link_add_neighbour(struct netlink_batch *batch, int index, uint32_t address,
                        const uint8_t mac[LINK_MAC_SIZE]);
