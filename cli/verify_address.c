/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_address.h"

#include "base/cleanup.h"
#include "netns/hub.h"

/* A link whose namespace is gone is about to go, too: the hook waits for that. */
static const struct hub_member *holder(const struct hub_member *members, size_t count, uint32_t address)
{
    for (size_t i = 0; i < count; i++)
        if (members[i].address == address && members[i].netnsid >= 0)
            return &members[i];
    return NULL;
}

int verify_address_check(const struct policy *policy, const struct policy_role *role, int hub,
                         struct error *err)
{
    cleanup_free struct hub_member *members = NULL;
    const struct hub_member *other = NULL;
    bool one = role->addresses.first == role->addresses.last;
    size_t count = 0;
    int result = hub_members(hub, &members, &count, err);
    char address[16];

    if (result < 0)
        return result;
    for (uint64_t i = role->addresses.first; i <= role->addresses.last; i++) {
        if (!policy_role_may_have(policy, role, (uint32_t)i))
            continue;
        other = holder(members, count, (uint32_t)i);
        if (other == NULL)
            return 0;
    }
    if (other == NULL)
        return 0; /* no address at all: a policy's own fault, and the hook's to say */
    error_set(err, 0, "verify role %s: %s, %s, is that of container %.12s", role->name,
              one ? "its only address" : "none of its addresses is free; the last",
              policy_format_address(other->address, address), other->id);
    return error_advise(err, "stop that container while the role is verified");
}
