/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/flows.h"

#include <stdlib.h>

void flows_free_at(struct flows *flows)
{
    free(flows->list);
}

static void append(struct flows *flows, struct policy_range from, struct policy_range to, uint16_t port)
{
    struct nft_flow *grown = reallocarray(flows->list, flows->count + 1, sizeof(*grown));

    if (grown == NULL)
        abort();
    flows->list = grown;
    flows->list[flows->count++] = (struct nft_flow){from, to, port};
}

void flows_to_proxy(const struct policy *policy, struct flows *flows)
{
    struct policy_range proxy = {policy->proxy_address, policy->proxy_address};
    uint16_t ports[POLICY_PROXY_PORTS_MAX];
    size_t count = policy_proxy_ports(policy, ports);

    for (size_t i = 0; i < policy->roles_count; i++)
        for (size_t k = 0; policy->roles[i].reach_proxy && k < count; k++)
            append(flows, policy->roles[i].addresses, proxy, ports[k]);
}

static void between_roles(const struct policy *policy, struct flows *flows)
{
    for (size_t i = 0; i < policy->roles_count; i++) {
        const struct policy_role *role = &policy->roles[i];

        for (size_t k = 0; k < role->targets_count; k++)
            append(flows, role->addresses, policy->roles[role->targets[k].role].addresses,
                   role->targets[k].port);
    }
}

void flows_published(const struct policy *policy, struct flows *flows)
{
    struct policy_range host = {policy->host_address, policy->host_address};

    for (size_t i = 0; i < policy->roles_count; i++) {
        const struct policy_role *role = &policy->roles[i];

        for (size_t k = 0; k < role->publish_count; k++)
            append(flows, host, role->addresses, role->publish[k].member_port);
    }
}

void flows_of_policy(const struct policy *policy, struct flows *flows)
{
    flows_to_proxy(policy, flows);
    between_roles(policy, flows);
    flows_published(policy, flows);
}
