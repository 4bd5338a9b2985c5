/* SPDX-License-Identifier: Apache-2.0
 *
 * What really arrives outside while the probe runs, whatever it saw inside: a witness in the hub
 * (netns/witness.h) and listeners on the host (cli/verify_listeners.h). The group `arrivals` of the table is
 * made of it.
 *
 * Invariant: who sees nothing proves nothing. A witness that did not see what it had to see, or that lost
 * packets, is a broken line, and never a good one. */
#pragma once

#include "cli/verify_lines.h"
#include "cli/verify_listeners.h"
#include "cli/verify_packets.h"
#include "netns/netlink.h"

#include <time.h>

struct verify_arrivals {
    char marker[VERIFY_MARKER_SIZE]; /* in every payload of this run */
    const char *id;                  /* the container's, borrowed: it may be filled in later */
    struct netlink *links;           /* tells of the links of the hub */
    int witness;
    int wake; /* readable when there is something to take */
    struct verify_packets packets;
    struct verify_listeners listeners;
    struct timespec since;
    bool way_out; /* an allowed connection has to be seen going out */
};

/* Before everything else, so that verify_arrivals_close can be called. */
void verify_arrivals_init(struct verify_arrivals *arrivals);

/* Opens everything, before the container is made. The thread is in `own`. `policy` and `id` are borrowed. */
int verify_arrivals_open(struct verify_arrivals *arrivals, const struct policy *policy, int hub, int own,
                         const char *id, struct error *err);

/* The container is made, which can take seconds, and not started: what there was no room for until now was of
 * others, who may send as much as they like. */
int verify_arrivals_begin(struct verify_arrivals *arrivals, struct error *err);

/* Takes what has arrived, as struct verify_watch (cli/verify_command.h) wants it. */
int verify_arrivals_take(void *arrivals, struct error *err);

/* The container is gone: takes the rest, and adds the lines of the group behind the probe's. */
int verify_arrivals_end(struct verify_arrivals *arrivals, struct verify_lines *lines, struct error *err);

void verify_arrivals_close(struct verify_arrivals *arrivals);
