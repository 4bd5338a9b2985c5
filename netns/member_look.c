/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/member_look.h"

#include "base/cleanup.h"
#include "netns/guard.h"
#include "netns/link.h"
#include "netns/namespace.h"
#include "netns/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <sys/stat.h>

struct look {
    const struct policy *policy;
    int own;
    struct findings *findings;
};

/* Opens a socket where the member lives: the process may be another one's by now, and is only believed if it
 * is still in the namespace in which it was found. NULL if that cannot be had. */
static struct netlink *open_member(const struct look *look, const struct tenant *tenant)
{
    cleanup_close int process = -1;
    cleanup_close int netns = -1;
    struct netlink *nf = NULL;
    struct error unimportant;
    struct stat status;

    if (tenant->use != USE_LIVE || namespace_open_process(tenant->pid, &process, &netns, &unimportant) < 0 ||
        fstat(netns, &status) < 0 || status.st_ino != tenant->netns ||
        netlink_open_in(netns, look->own, NETLINK_NETFILTER, &nf, &unimportant) < 0)
        return NULL;
    return nf;
}

/* A role's `links` may have been changed since: what a guard was at the start of its container, it still is.
 */
static void look_at_guard(const struct look *look, const struct hub_member *member,
                          const struct tenant *tenant)
{
    cleanup_netlink struct netlink *nf = open_member(look, tenant);
    const struct guard guards[] = {{.subnet = policy_subnet(look->policy), .only_sp0 = true},
                                   {.subnet = policy_subnet(look->policy)}};
    struct error difference;
    char address[16];
    int result = nf == NULL ? 0 : -EBADMSG;

    for (size_t i = 0; i < array_size(guards) && (result == -EBADMSG || result == -ENOENT); i++)
        result = guard_check(nf, &guards[i], &difference);
    if (result != -EBADMSG && result != -ENOENT)
        return;
    finding_add(look->findings, "guard-changed",
                "the guard of %s (%s), container %.12s, is %s%s%s: restart it",
                policy_format_address(member->address, address), member->role, member->id,
                result == -ENOENT ? "gone" : "not as it was made (", result == -ENOENT ? "" : difference.text,
                result == -ENOENT ? "" : ")");
}

int member_look(const struct policy *policy, const struct hub_member *members, const struct tenant *tenants,
                size_t count, struct findings *findings, struct error *err)
{
    struct look look = {.policy = policy, .own = namespace_open_own(err), .findings = findings};
    cleanup_close int own = look.own;

    if (own < 0)
        return own;
    for (size_t i = 0; i < count; i++)
        if (!members[i].host && members[i].role[0] != '\0')
            look_at_guard(&look, &members[i], &tenants[i]);
    return 0;
}
