/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/network.h"

#include "base/cleanup.h"
#include "netns/hub.h"
#include "netns/namespace.h"

#include <errno.h>

int network_ensure(const struct policy *policy, int host_netns, struct error *err)
{
    cleanup_close int hub = hub_open(policy->network, err);
    int result = hub < 0 ? hub : 0;

    if (hub == -ENOENT)
        result = policy_check_overlap(policy_directory(), policy, err);
    return result < 0 ? result : hub_ensure(policy, host_netns, err);
}

struct comparison {
    int netns;
    struct error *err;
};

static int compare_hub(const char *network, void *data)
{
    const struct comparison *comparison = data;
    cleanup_close int hub = hub_open(network, comparison->err);

    if (hub == -ENOENT)
        return 0; /* taken down meanwhile */
    if (hub < 0)
        return hub;
    if (!namespace_same(comparison->netns, hub))
        return 0;
    error_set(comparison->err, 0, "the container joins the hub of network %s", network);
    return error_advise(comparison->err, "drop --network ns:...; a member gets a namespace of its own");
}

int network_refuse_hub(int netns, struct error *err)
{
    struct comparison comparison = {.netns = netns, .err = err};

    return hub_list(compare_hub, &comparison, err);
}
