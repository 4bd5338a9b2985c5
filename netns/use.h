/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether anybody lives at the other end of a link. A namespace may outlive its processes, by some
 * milliseconds (their last sockets) or for as long as a stray descriptor holds it: it still has its link
 * then, but nobody has a right to that link any more.
 *
 * Invariant: USE_NONE is only said where every process has been looked at. One whose first thread has ended
 * counts as ended, although others of its threads may run: what it can lose by that is its own link. */
#pragma once

#include "base/error.h"
#include "netns/netlink.h"

#include <stdint.h>
#include <sys/types.h>

enum use { /* of a namespace, by processes */
           USE_NONE,
           USE_LIVE,
           USE_UNKNOWN, /* there are processes that we may not look at (without CAP_SYS_PTRACE) */
};

/* Whether any process is (still) in the namespace that the one of `netlink` calls `netnsid`. A zombie is in
 * none. *ret_pid (may be NULL): one that is, or that may not be looked at; untouched for USE_NONE. Costs a
 * walk through all processes, about 10 us for each. */
int use_look(struct netlink *netlink, int32_t netnsid, enum use *ret, pid_t *ret_pid, struct error *err);
