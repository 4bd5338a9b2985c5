/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/network.h"

#include "netns/hub.h"

#include <errno.h>
#include <unistd.h>

int network_ensure(const struct policy *policy, int host_netns, struct error *err)
{
    int hub = hub_open(policy->network, err);

    if (hub == -ENOENT) {
        int result = policy_check_overlap(POLICY_DIRECTORY, policy, err);

        return result < 0 ? result : hub_ensure(policy, host_netns, err);
    }
    if (hub >= 0) {
        int result = hub_check(policy, hub, err);

        if (result < 0) {
            close(hub);
            return result;
        }
    }
    return hub;
}
