/* SPDX-License-Identifier: Apache-2.0
 *
 * A network as it is now: the kernel's members and counters, the policy file, and where the two differ. Read
 * once, printed in different ways (cli/network_print.h).
 *
 * Invariant: nothing here comes from a container. Its id was checked when it was attached, its name is its
 * engine's. */
#pragma once

#include "base/error.h"
#include "cli/container_names.h"
#include "netns/finding.h"
#include "netns/hub.h"
#include "netns/tenants.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum policy_standing {
    POLICY_IN_FORCE,
    POLICY_NOT_IN_FORCE, /* a file that can be read, of a network that is not up */
    POLICY_CHANGED,      /* the hub runs another one */
    POLICY_GONE,         /* there is no file (any more) */
    POLICY_BROKEN,
};

struct network_member {             /* more of the member at the same place in the list */
    char name[CONTAINER_NAME_SIZE]; /* its engine's; empty: not known, or not asked for */
    uint64_t refused_packets;       /* since it was attached; of the host since the hub was made */
    uint64_t refused_bytes;
};

struct network_view {
    char network[POLICY_NAME_SIZE];
    bool up;
    enum policy_standing standing;
    bool has_policy; /* `policy` can be asked: not with POLICY_GONE and POLICY_BROKEN */
    struct policy policy;
    struct hub_member *members; /* by address */
    struct tenant *tenants;     /* of the same */
    struct network_member *more;
    size_t count;             /* of all three, the host's uplink included */
    uint64_t refused_packets; /* by the hub, since it was made */
    uint64_t refused_bytes;
    uint64_t forged_packets;  /* of these it counts no member's: the source was not the member's own */
    struct findings findings; /* what is not as it should be */
};

/* Reads it, but for the names. A network that is not up is not an error here, and neither is a policy file
 * that cannot be read: both are part of the answer. `network` is a valid name. *ret is for network_view_free.
 */
int network_view_read(const char *network, int host_netns, struct network_view *ret, struct error *err);

void network_view_free(struct network_view *view);
#define cleanup_network_view __attribute__((cleanup(network_view_free)))

/* "in force", "not in force", "changed", "gone", "broken". */
const char *network_standing_text(enum policy_standing standing);

/* How many members there are; the host is none. */
size_t network_view_members(const struct network_view *view);

/* How many members of the role have their link up. */
size_t network_view_members_of(const struct network_view *view, const char *role);

/* Whether who has the proxy's address is there: the host by its uplink, or the role `proxy`. */
bool network_view_proxy_up(const struct network_view *view);
