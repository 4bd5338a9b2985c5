/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer: any bytes as a policy file. What is accepted has to keep the invariants that nobody checks
 * again. */
#include "policy/policy.h"
#include "cli/haproxy.h"
#include "cli/squid.h"
#include "require.h"

#include <string.h>

static void check_role(const struct policy *policy, const struct policy_role *role)
{
    require(policy_name_valid(role->name) && policy_role_find(policy, role->name) == role);
    require(role->addresses.first <= role->addresses.last && role->addresses.first >= policy->subnet);
    require(!policy_role_may_have(policy, role, policy->host_address));
    require(!policy_role_may_have(policy, role, policy->proxy_address));
    require(policy_role_may_have(policy, role, role->addresses.first) ||
            policy_role_may_have(policy, role, role->addresses.last));
    require(role->hosts_count == 0 || role->reach_proxy);
    require(role->publish_count == 0 || role->addresses.first == role->addresses.last);
    for (size_t i = 0; i < role->targets_count; i++)
        require(role->targets[i].role < policy->roles_count && role->targets[i].port != 0);
    for (size_t i = 0; i < role->hosts_count; i++)
        require(!policy_passes_host(policy, &role->hosts[i]) ||
                (!role->hosts[i].subdomains && policy_role_find(policy, role->hosts[i].name) == NULL));
    for (size_t i = 0; i < role->hosts_count; i++)
        require(role->hosts[i].port != 0 &&
                strspn(role->hosts[i].name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") ==
                    strlen(role->hosts[i].name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy policy;
    struct error err = {0};
    char *text = NULL;
    size_t length = 0;
    FILE *out = NULL;

    if (policy_parse((const char *)data, size, "FILE", "fuzz", &policy, &err) < 0) {
        require(strncmp(err.text, "FILE: ", strlen("FILE: ")) == 0);
        return 0;
    }
    for (size_t i = 0; i < policy.roles_count; i++)
        check_role(&policy, &policy.roles[i]);
    out = open_memstream(&text, &length);
    require(out != NULL && squid_config(out, &policy, &err) == 0);
    require(!policy_passes(&policy) || haproxy_config(out, &policy, &err) == 0);
    fclose(out);
    free(text);
    policy_free(&policy);
    return 0;
}
