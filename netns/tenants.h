/* SPDX-License-Identifier: Apache-2.0
 *
 * Who lives behind the hub's links, and since when. The kernel does not know when a link was made; the oldest
 * process of the namespace at its other end is a container's first one, unless that namespace is shared. */
#pragma once

#include "base/error.h"
#include "netns/hub.h"
#include "netns/use.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tenant { /* of the member at the same place in the list */
    enum use use;
    pid_t pid;        /* USE_LIVE: the oldest process there, as this process sees it */
    ino_t netns;      /* USE_LIVE: the namespace, as long as it lives */
    uint64_t seconds; /* USE_LIVE: since it was started */
};

/* Looks through all processes once. `tenants` has room for `count` of them. USE_NONE is only said where every
 * process could be looked at; the uplink (member->host) is always that. */
int tenants_look(int hub, const struct hub_member *members, size_t count, struct tenant *tenants,
                 struct error *err);

/* Reads when a process was started from the text of /proc/PID/stat, in clock ticks since the machine was.
 * Nothing that a process calls itself can pass for it. Returns false if that is not there. */
bool tenants_parse_start(const char *stat, uint64_t *ret_ticks);
