/* SPDX-License-Identifier: Apache-2.0
 *
 * The hub: the network namespace in which every link of a network ends. A router without addresses and
 * without a way out, with a default-deny, stateless forward chain made from the policy: the only place that
 * knows the policy.
 *
 * Theory of operation. A hub is built in an anonymous namespace by a forked child (under a lock, sysctls
 * first, then rules, then the uplink) and is bound to /run/netns/sallyport-<network> last: who finds it
 * there finds it complete. The rules live in a chain named after the policy's digest, so that "is the hub
 * at this policy?" is one question to the kernel. What a hub can never change (subnet, proxy's address) is
 * the alias of its `lo`. */
#pragma once

#include "base/error.h"
#include "netns/link.h"
#include "netns/nft.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <stdint.h>

#define HUB_TABLE "sallyport"

/* Opens the hub of the network. Returns a namespace descriptor, or -ENOENT if there is none (a plain file
 * without nsfs, a crash's leftover, counts as none). */
int hub_open(const char *network, struct error *err);

/* Opens the hub, made first if there is none. One that is there may have the rules of an earlier policy: see
 * hub_check.
 *
 * `host_netns`: the host's namespace, where the uplink ends. The caller's thread is in that namespace, is
 * the only thread, and is there again on return. Returns a descriptor of the hub. */
int hub_ensure(const struct policy *policy, int host_netns, struct error *err);

/* Replaces the hub's rules, and the uplink's, by those of `policy`. In the hub that takes two transactions,
 * the flows before the rules, each of which applies only while nobody else has changed anything
 * (netns/hub_rules.h); on the host one. A packet meets the old rules or the new ones, whole. Makes or repairs
 * the uplink where the policy needs one, removes it where it does not. Refuses if a live member would change
 * its role (-EBUSY), or the subnet or the proxy's address or place changed. */
int hub_reload(const struct policy *policy, int host_netns, struct error *err);

/* Takes the hub down: every link, the uplink with its table, rule and route, then the mount and the file.
 * A network that is not up is not an error. */
int hub_remove(const char *network, int host_netns, struct error *err);

/* Checks that the hub at `netns` runs the rules of `policy`: -ESTALE if not, and the error tells to run
 * `sallyport network reload`. */
int hub_check(const struct policy *policy, int netns, struct error *err);

/* The same by a netfilter socket that is open in the hub. */
int hub_check_by(struct netlink *netfilter, const struct policy *policy, struct error *err);

struct hub_member {
    uint32_t address;
    char role[POLICY_NAME_SIZE]; /* empty while it is being attached */
    char id[LINK_ALTNAME_SIZE];  /* the container's; long ones as in netns/member.h; empty as above */
    char link[IFNAMSIZ];         /* the hub's end */
    bool host;                   /* this is the uplink, not a container; role and id are empty */
    bool up;
    int32_t netnsid;     /* the hub's number for the namespace of the other end; -1 if that is gone */
    uint64_t sent_bytes; /* as the member sees it */
    uint64_t sent_packets;
    uint64_t received_bytes;
    uint64_t received_packets;
    struct link_settings settings; /* of the hub's end */
};

/* Reads who is attached, by address. *ret_members is for the caller to free. */
int hub_members(int netns, struct hub_member **ret_members, size_t *ret_count, struct error *err);

/* What the hub refused since it was made. */
int hub_refused(int netns, uint64_t *ret_packets, uint64_t *ret_bytes, struct error *err);

/* The same by source address, of members since they were attached, in order; *ret_counted is for the caller
 * to free. Of a hub that an earlier release made: nothing, until it is reloaded. */
int hub_refused_of(int netns, struct nft_counted **ret_counted, size_t *ret_count, struct error *err);

/* How many packets reverse path filtering dropped in the hub since it was made: those with a source that is
 * not the member's own. They never get to the rules, so they are in no other count. */
int hub_forged(int netns, uint64_t *ret_packets, struct error *err);

/* Calls `each` with the name of every network that is up; a negative return ends it and is returned. */
int hub_list(int (*each)(const char *network, void *data), void *data, struct error *err);
