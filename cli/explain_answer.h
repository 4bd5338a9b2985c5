/* SPDX-License-Identifier: Apache-2.0
 *
 * The answer of `sallyport explain`: what the policy says about one TCP connection of a role, and which wall
 * makes it so.
 *
 * Invariant: the answer is that of the walls. The hub's flows are those of netns/flows.c, the lists of hosts
 * are matched as squid's dstdomain does with the configuration of cli/squid.c, and as haproxy does with that
 * of cli/haproxy.c. What only a resolver knows
 * (the addresses of a name, which the proxy wants to be public) is not answered, and the answer says so. */
#pragma once

#include "cli/explain_target.h"
#include "policy/policy.h"

struct answer {
    bool allowed;
    bool passed;     /* by the proxy's pass-through, too: programs that know no proxy get there */
    const char *way; /* "loopback", "direct", "proxy", "engine" (a link that is not ours); NULL if refused */
    const char
        *wall;      /* "guard", "routes and guard", "hub", "proxy": the first that refuses; NULL if allowed */
    char line[400]; /* the line of the policy that allows it: $.roles.agent.hosts[0] "example.com"; or "" */
    char reason[512];  /* why, without a full stop; "" where the line says it */
    char advice[1024]; /* what would allow it; "" if nothing does or nothing has to */
};

/* What happens to a connection from a member of `role`, which is one of the policy's, to `target`. */
void answer_make(const struct policy *policy, const struct policy_role *role, const struct target *target,
                 struct answer *ret);

/* What the proxy answers when a member of `role` asks it for a tunnel to `target`. */
void answer_make_request(const struct policy *policy, const struct policy_role *role,
                         const struct target *target, struct answer *ret);
