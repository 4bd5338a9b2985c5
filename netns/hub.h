/* SPDX-License-Identifier: Apache-2.0
 *
 * The hub: the network namespace in which every link of a network ends. A router without addresses and
 * without a way out, with a default-deny, stateless forward chain made from the policy: the only place that
 * knows the policy.
 *
 * Theory of operation. A hub is built in an anonymous namespace by a forked child (under a lock, sysctls
 * first, then rules, then the uplink) and is bound to /run/netns/sallyport-<network> last: who finds it
 * there finds it complete. The rules live in a chain named after the policy's digest, so that "is the hub
 * at this policy?" is one question to the kernel. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#define HUB_TABLE "sallyport"

/* Opens the hub of the network. Returns a namespace descriptor, or -ENOENT if there is none (a plain file
 * without nsfs, a crash's leftover, counts as none). */
int hub_open(const char *network, struct error *err);

/* Opens the hub, made first if there is none. Checks that its rules are those of `policy`; if not, the
 * error tells to run `sallyport network reload`.
 *
 * `host_netns`: the host's namespace, where the uplink ends. The caller's thread is in that namespace, is
 * the only thread, and is there again on return. Returns a descriptor of the hub. */
int hub_ensure(const struct policy *policy, int host_netns, struct error *err);

/* Replaces the hub's rules, and the uplink's, by those of `policy`: one nftables transaction in each
 * namespace. Refuses if a live member would change its role, or the subnet or the proxy changed. */
int hub_reload(const struct policy *policy, int host_netns, struct error *err);

/* Takes the hub down: every link, the uplink with its table, rule and route, then the mount and the file.
 * A network that is not up is not an error. */
int hub_remove(const char *network, int host_netns, struct error *err);

/* Checks that the hub at `netns` runs the rules of `policy`. */
int hub_check(const struct policy *policy, int netns, struct error *err);
