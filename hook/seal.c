/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/seal.h"

#include "base/cleanup.h"
#include "hook/edit.h"
#include "hook/privileges.h"
#include "hook/resolver.h"
#include "hook/status.h"
#include "hook/target.h"
#include "hook/voucher.h"
#include "netns/child.h"
#include "netns/hub.h"
#include "netns/member.h"
#include "netns/namespace.h"

#include <errno.h>

static int refuse_unattached(const char *why, struct error *err)
{
    error_set(err, 0, "the container is not attached to its network: %s", why);
    return error_advise(err, "delete it, and create it with sallyport-runtime");
}

/* The hub that the policy describes. It is not made here: who is not attached to it has nothing to start. */
static int open_hub(const struct attach_request *request, struct target *target, struct error *err)
{
    target->hub = hub_open(request->policy->network, err);
    if (target->hub == -ENOENT)
        return refuse_unattached("the network was taken down after the container was created", err);
    return target->hub < 0 ? target->hub : hub_check(request->policy, target->hub, err);
}

static int check_filter(const struct attach_request *request, const struct status *status, struct error *err)
{
    const struct seccomp_options options = edit_seccomp_options(request->role);

    if (!voucher_implies(request->config, &options))
        return refuse_unattached("its config has lost the seccomp profile", err);
    /* With no_new_privs crun installs the filter only just before the first instruction. */
    if (status->filtered || status->no_new_privileges)
        return 0;
    return refuse_unattached("its process has no seccomp filter", err);
}

static int check_process(const struct attach_request *request, const struct target *target, struct error *err)
{
    struct status status;
    int result = status_read(request->state->pid, target->pidfd, &status, err);

    if (result < 0)
        return result;
    if (status.network_capabilities) {
        error_set(err, 0, "the container's process has CAP_NET_ADMIN or CAP_NET_RAW");
        return error_advise(err, "drop them (--cap-drop), and create the container with sallyport-runtime");
    }
    return check_filter(request, &status, err);
}

/* What listens at 127.0.0.11 is Docker's embedded resolver, which the guard keeps everybody from. */
static int check_resolver(const struct attach_request *request, const struct target *target,
                          struct error *err)
{
    bool listens = false;
    int result = 0;

    if (request->role->links != POLICY_LINKS_REFUSE)
        return 0;
    result = resolver_listens(request->state->pid, target->pidfd, &listens, err);
    if (result < 0 || !listens)
        return result;
    error_set(err, 0, "the engine's DNS server listens inside the container, at 127.0.0.11");
    return error_advise(err, "start it with --network none, or set \"links\": \"remove\" for role `%s`",
                        request->role->name);
}

static int seal_links(const struct attach_request *request, const struct target *target, struct error *err)
{
    struct member_request member = target_member(request, target);
    struct member_links links;
    int result = member_inspect(target->netns, target->hub, &links, err);

    if (result < 0)
        return result;
    if (!links.sealed)
        return refuse_unattached("it has no link into the hub", err);
    result = target_check_role(request, &links, err);
    if (result == 0)
        result = check_resolver(request, target, err);
    if (result == 0)
        result = privileges_keep_for_links(err);
    if (result == 0)
        result = target_settle_links(request, target, &links, err);
    return result < 0 ? result : member_verify(&member, err);
}

static int seal_in_child(void *data, struct error *err)
{
    const struct attach_request *request = data;
    struct target target = TARGET_CLOSED;
    int result = privileges_keep_for_inspection(err);

    if (result == 0)
        result = namespace_leave_host(err);
    if (result == 0)
        result = target_open(&target, request->state->pid, err);
    if (result == 0)
        result = open_hub(request, &target, err);
    if (result == 0)
        result = check_process(request, &target, err);
    if (result == 0)
        result = seal_links(request, &target, err);
    target_close(&target);
    return result;
}

int seal(const struct attach_request *request, struct error *err)
{
    struct attach_request copy = *request;

    return child_run(seal_in_child, &copy, err);
}
