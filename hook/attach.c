/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/attach.h"

#include "base/cleanup.h"
#include "hook/config.h"
#include "hook/edit.h"
#include "hook/mounts.h"
#include "hook/network.h"
#include "hook/owner.h"
#include "hook/privileges.h"
#include "hook/refuse.h"
#include "hook/target.h"
#include "hook/voucher.h"
#include "netns/hub.h"
#include "netns/member.h"
#include "seccomp/seccomp.h"

#include <poll.h>

enum { LOOKS = 150, PAUSE_MS = 20 };

/* Whether the config joins a namespace that exists already. */
static bool joins(const json_t *config, const char *kind)
{
    const char *path = json_string_value(json_object_get(config_namespace(config, kind), "path"));

    return path != NULL && path[0] != '\0';
}

/* Another process in a joined namespace is as good as this one: it must be in the same network. */
static int check_joined(const struct attach_request *request, const char *kind, struct error *err)
{
    bool others = false;
    bool other_network = false;
    int result = 0;

    if (!joins(request->config, kind))
        return 0;
    result = refuse_others_in_namespace(request->state->pid, kind, &others, &other_network, err);
    if (result < 0 || !other_network)
        return result;
    error_set(err, 0, "the container joins the %s namespace of processes in another network", kind);
    return error_advise(err, "drop --%s container:..., or share the network namespace too", kind);
}

static int refuse_joined_network(struct error *err)
{
    error_set(err, 0,
              "the container joins a network namespace that other processes use and that is not sealed");
    return error_advise(
        err, "drop --network container:... (or ns:...), or start its first container with Sallyport");
}

static int inject_filter(const struct attach_request *request, const struct target *target, struct error *err)
{
    const struct seccomp_options options = edit_seccomp_options(request->role);

    if (voucher_implies(request->config, &options))
        return 0;
    return seccomp_inject(request->state->pid, target->pidfd, seccomp_filter(&options), err);
}

static int open_target(const struct attach_request *request, struct target *target, struct error *err)
{
    int result = target_open(target, request->state->pid, err);

    if (result == 0)
        result = refuse_process(request->state->pid, target->pidfd, request->config, err);
    if (result == 0)
        result = mounts_check(request->state->pid, target->pidfd, request->config, request->bundle,
                              request->role, err);
    if (result == 0)
        result = check_joined(request, "pid", err);
    if (result == 0)
        result = check_joined(request, "ipc", err);
    if (result == 0 && (joins(request->config, "network") || joins(request->config, "user")))
        result = owner_check(request->state->pid, target->pidfd, target->netns, err);
    if (result == 0) /* not earlier: until here it is what others are compared with */
        result = target_leave_host(target, err);
    if (result < 0)
        return result;
    result = network_ensure(request->policy, target->host_netns, err);
    if (result < 0)
        return result;
    target->hub = result;
    return joins(request->config, "network") ? network_refuse_hub(target->netns, err) : 0;
}

/* Makes the member, or checks the one that is there: what is not as an attach leaves it may be open. */
static int settle_member(const struct attach_request *request, const struct target *target, bool sealed,
                         struct error *err)
{
    struct member_request member = target_member(request, target);
    uint32_t address = 0;

    return sealed ? member_verify(&member, err) : member_attach(&member, &address, err);
}

/* Whether anybody else lives in a namespace that was joined. What has just made a link there for the engine
 * (slirp4netns has a child for that) may still be on its way out: only who stays counts. */
static int look_for_others(pid_t pid, bool *ret_others, struct error *err)
{
    bool unused = false;
    int result = 0;

    for (int i = 0; i < LOOKS && result == 0 && (i == 0 || *ret_others); i++) {
        if (i > 0)
            poll(NULL, 0, PAUSE_MS);
        result = refuse_others_in_namespace(pid, "net", ret_others, &unused, err);
    }
    return result;
}

static int attach_target(const struct attach_request *request, const struct target *target, struct error *err)
{
    struct member_links links;
    bool others = false;
    int result = member_inspect(target->netns, target->hub, &links, err);

    if (result == 0 && links.sealed) /* else member_attach checks the hub, when it cannot change any more */
        result = hub_check(request->policy, target->hub, err);
    if (result == 0 && links.sealed)
        result = target_check_role(request, &links, err);
    else if (result == 0 && joins(request->config, "network"))
        result = look_for_others(request->state->pid, &others, err);
    if (result == 0 && others)
        result = refuse_joined_network(err);
    if (result == 0)
        result = inject_filter(request, target, err);
    if (result == 0)
        result = privileges_keep_for_links(err);
    if (result == 0)
        result = target_settle_links(request, target, &links, err);
    return result < 0 ? result : settle_member(request, target, links.sealed, err);
}

int attach(const struct attach_request *request, struct error *err)
{
    struct target target = TARGET_CLOSED;
    int result = refuse_config(request->config, request->bundle, request->role, err);

    if (result == 0)
        result = refuse_net_admin(request->config, err);
    if (result == 0)
        result = privileges_keep_for_inspection(err);
    if (result == 0)
        result = open_target(request, &target, err);
    if (result == 0)
        result = attach_target(request, &target, err);
    target_close(&target);
    return result;
}
