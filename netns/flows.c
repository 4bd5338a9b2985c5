/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/flows.h"

#include <stdlib.h>

/* What is left of a role's range: cut at two addresses, at most three parts. */
struct parts {
    struct policy_range list[3];
    size_t count;
};

void flows_free_at(struct flows *flows)
{
    free(flows->list);
}

static void cut_out(struct parts *parts, uint32_t address)
{
    struct parts left = {.count = 0};

    for (size_t i = 0; i < parts->count; i++) {
        struct policy_range part = parts->list[i];

        if (address < part.first || address > part.last) {
            left.list[left.count++] = part;
            continue;
        }
        if (address > part.first)
            left.list[left.count++] = (struct policy_range){part.first, address - 1};
        if (address < part.last)
            left.list[left.count++] = (struct policy_range){address + 1, part.last};
    }
    *parts = left;
}

static struct parts parts_of_role(const struct policy *policy, const struct policy_role *role)
{
    struct parts parts = {.list = {role->addresses}, .count = 1};

    cut_out(&parts, policy->host_address);
    cut_out(&parts, policy->proxy_address);
    return parts;
}

static struct parts parts_of_address(uint32_t address)
{
    return (struct parts){.list = {{address, address}}, .count = 1};
}

static void append(struct flows *flows, const struct parts *from, const struct parts *to, uint16_t port)
{
    struct nft_flow *grown =
        reallocarray(flows->list, flows->count + from->count * to->count + 1, sizeof(*grown));

    if (grown == NULL)
        abort();
    flows->list = grown;
    for (size_t i = 0; i < from->count; i++)
        for (size_t k = 0; k < to->count; k++)
            flows->list[flows->count++] = (struct nft_flow){from->list[i], to->list[k], port};
}

void flows_to_proxy(const struct policy *policy, struct flows *flows)
{
    struct parts proxy = parts_of_address(policy->proxy_address);

    for (size_t i = 0; i < policy->roles_count; i++) {
        struct parts from = parts_of_role(policy, &policy->roles[i]);

        if (policy->roles[i].reach_proxy)
            append(flows, &from, &proxy, policy->proxy_port);
    }
}

void flows_between_roles(const struct policy *policy, struct flows *flows)
{
    for (size_t i = 0; i < policy->roles_count; i++) {
        const struct policy_role *role = &policy->roles[i];
        struct parts from = parts_of_role(policy, role);

        for (size_t k = 0; k < role->targets_count; k++) {
            struct parts to = parts_of_role(policy, &policy->roles[role->targets[k].role]);

            append(flows, &from, &to, role->targets[k].port);
        }
    }
}

void flows_published(const struct policy *policy, struct flows *flows)
{
    struct parts host = parts_of_address(policy->host_address);

    for (size_t i = 0; i < policy->roles_count; i++) {
        const struct policy_role *role = &policy->roles[i];
        struct parts to = parts_of_role(policy, role);

        for (size_t k = 0; k < role->publish_count; k++)
            append(flows, &host, &to, role->publish[k].member_port);
    }
}

void flows_of_policy(const struct policy *policy, struct flows *flows)
{
    flows_to_proxy(policy, flows);
    flows_between_roles(policy, flows);
    flows_published(policy, flows);
}
