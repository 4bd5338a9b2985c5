/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions to a policy that is complete, and its end. */
#include "policy/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool policy_name_valid(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

    return length > 0 && length < POLICY_NAME_SIZE && name[length] == '\0' && name[0] != '-';
}

const struct policy_role *policy_role_find(const struct policy *policy, const char *name)
{
    if (policy->proxy_at == POLICY_PROXY_AT_MEMBER && strcmp(name, POLICY_PROXY_ROLE) == 0)
        return &policy->proxy_role;
    for (size_t i = 0; i < policy->roles_count; i++)
        if (strcmp(policy->roles[i].name, name) == 0)
            return &policy->roles[i];
    return NULL;
}

const struct policy_role *policy_role_of(const struct policy *policy, uint32_t address)
{
    if (policy->proxy_at == POLICY_PROXY_AT_MEMBER && address == policy->proxy_address)
        return &policy->proxy_role;
    for (size_t i = 0; i < policy->roles_count; i++)
        if (policy_role_may_have(policy, &policy->roles[i], address))
            return &policy->roles[i];
    return NULL;
}

bool policy_role_may_have(const struct policy *policy, const struct policy_role *role, uint32_t address)
{
    const uint32_t broadcast = policy->subnet | (UINT32_MAX >> policy->prefix);

    if (address < role->addresses.first || address > role->addresses.last)
        return false;
    if (address == policy->subnet || address == broadcast || address == policy->host_address)
        return false;
    return address != policy->proxy_address || role == &policy->proxy_role;
}

const char *policy_format_address(uint32_t address, char *buffer)
{
    snprintf(buffer, sizeof("255.255.255.255"), "%u.%u.%u.%u", address >> 24, address >> 16 & 0xff,
             address >> 8 & 0xff, address & 0xff);
    return buffer;
}

static void free_role(struct policy_role *role)
{
    for (size_t i = 0; i < role->sockets_count; i++)
        free(role->sockets[i]);
    free(role->sockets);
    free(role->publish);
    free(role->hosts);
    free(role->targets);
}

void policy_free(struct policy *policy)
{
    for (size_t i = 0; i < policy->roles_count; i++)
        free_role(&policy->roles[i]);
    memset(policy, 0, sizeof(*policy));
}

unsigned policy_range_prefix(const struct policy_range *range)
{
    unsigned prefix = 32;

    for (uint32_t bits = range->last - range->first; bits != 0; bits >>= 1)
        prefix--;
    return prefix;
}

size_t policy_proxy_ports(const struct policy *policy, uint16_t ret_ports[POLICY_PROXY_PORTS_MAX])
{
    size_t count = 0;

    ret_ports[count++] = policy->proxy_port;
    if (policy->proxy_sni != 0)
        ret_ports[count++] = policy->proxy_sni;
    if (policy->proxy_http != 0)
        ret_ports[count++] = policy->proxy_http;
    return count;
}

bool policy_passes(const struct policy *policy)
{
    return policy->proxy_sni != 0 || policy->proxy_http != 0;
}

bool policy_passes_host(const struct policy *policy, const struct policy_host *host)
{
    return !host->subdomains && (host->port == policy->proxy_sni || host->port == policy->proxy_http);
}

struct policy_range policy_subnet(const struct policy *policy)
{
    return (struct policy_range){policy->subnet, policy->subnet | UINT32_MAX >> policy->prefix};
}
