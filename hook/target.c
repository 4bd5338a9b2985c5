/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/target.h"

#include "base/cleanup.h"
#include "base/rootless.h"
#include "hook/process.h"
#include "netns/namespace.h"

#include <errno.h>
#include <stdio.h>

/* A pid is only as good as the runtime that tells it: where that was killed, the init's end leaves its number
 * to others while the hook still reads the state. An init was there before whoever is told of it, so who is
 * younger than this process is somebody else. */
static int refuse_younger(pid_t pid, int pidfd, struct error *err)
{
    uint64_t own = 0;
    uint64_t theirs = 0;
    char name[16];
    int result = process_start("self", &own);

    snprintf(name, sizeof(name), "%d", (int)pid);
    if (result == 0)
        result = process_start(name, &theirs);
    if (process_ended(pidfd)) /* then that was read of whoever has the number now */
        result = -ESRCH;
    if (result < 0)
        return error_set(err, -result, "read when process %d was started", (int)pid);
    if (theirs <= own)
        return 0;
    error_set(err, ESRCH, "attach process %d: it is younger than the container", (int)pid);
    return error_advise(err, "start the container again: its own process has ended");
}

int target_open(struct target *target, pid_t pid, struct error *err)
{
    int result = namespace_open_own(err);

    if (result < 0)
        return result;
    target->host_netns = result;
    result = namespace_open_process(pid, &target->pidfd, &target->netns, err);
    return result < 0 ? result : refuse_younger(pid, target->pidfd, err);
}

int target_leave_host(struct target *target, struct error *err)
{
    int result = 0;

    if (!rootless())
        return 0; /* it stays, and that is open already */
    result = namespace_leave_host(err);
    if (result == 0)
        result = namespace_open_own(err);
    if (result < 0)
        return result;
    cleanup_close_at(&target->host_netns);
    target->host_netns = result;
    return 0;
}

void target_close(const struct target *target)
{
    cleanup_close_at(&target->pidfd);
    cleanup_close_at(&target->netns);
    cleanup_close_at(&target->host_netns);
    cleanup_close_at(&target->hub);
}

struct member_request target_member(const struct attach_request *request, const struct target *target)
{
    return (struct member_request){
        .policy = request->policy,
        .role = request->role,
        .id = request->state->id,
        .hub = target->hub,
        .netns = target->netns,
        .host_netns = target->host_netns,
    };
}

int target_check_role(const struct attach_request *request, const struct member_links *links,
                      struct error *err)
{
    const struct policy_role *has = policy_role_of(request->policy, links->address);

    if (has == request->role)
        return 0;
    error_set(err, 0, "the network namespace is already sealed as role `%s`",
              has != NULL ? has->name : "(none)");
    return error_advise(err, "give all containers that share it the same network and role");
}

int target_settle_links(const struct attach_request *request, const struct target *target,
                        const struct member_links *links, struct error *err)
{
    if (links->foreign == 0 || request->role->links == POLICY_LINKS_KEEP)
        return 0;
    if (request->role->links == POLICY_LINKS_REMOVE)
        return member_remove_foreign(target->netns, err);
    error_set(err, 0, "the engine has put interface %s into the container", links->first_foreign);
    return error_advise(err, "start it with --network none, or set \"links\": \"remove\" for role `%s`",
                        request->role->name);
}
