/* SPDX-License-Identifier: Apache-2.0
 *
 * The container that is being attached or sealed: what is open of it, and what both ask.
 *
 * Invariant: pid and names are used once, to open; from then on the container is its descriptors, so that a
 * recycled pid or an exchanged name changes nothing. */
#pragma once

#include "base/error.h"
#include "hook/attach.h"
#include "netns/member.h"

struct target {
    int pidfd;
    int netns;
    int host_netns; /* the caller's own, to which it can return */
    int hub;        /* for the caller to open */
};

#define TARGET_CLOSED                                         \
    {                                                         \
        .pidfd = -1, .netns = -1, .host_netns = -1, .hub = -1 \
    }

/* Opens the process, its network namespace and the caller's. For target_close, also on failure. */
int target_open(struct target *target, pid_t pid, struct error *err);

/* Moves the caller out of a namespace to which it could not return (netns/namespace.h). */
int target_leave_host(struct target *target, struct error *err);

void target_close(const struct target *target);

/* The request and the descriptors as netns/member.h wants them; everything is borrowed. */
struct member_request target_member(const struct attach_request *request, const struct target *target);

/* Refuses a member whose address is another role's than the one that was asked for. */
int target_check_role(const struct attach_request *request, const struct member_links *links,
                      struct error *err);

/* Removes, refuses or keeps what the engine added, as the role says. */
int target_settle_links(const struct attach_request *request, const struct target *target,
                        const struct member_links *links, struct error *err);
