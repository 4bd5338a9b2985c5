/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/attach.h"

#include "base/cleanup.h"
#include "hook/config.h"
#include "hook/mounts.h"
#include "hook/network.h"
#include "hook/privileges.h"
#include "hook/refuse.h"
#include "netns/member.h"
#include "netns/namespace.h"
#include "seccomp/seccomp.h"

struct target { /* the container's process, opened once */
    int pidfd;
    int netns;
    int host_netns;
    int hub;
};

static void close_target(const struct target *target)
{
    cleanup_close_at(&target->pidfd);
    cleanup_close_at(&target->netns);
    cleanup_close_at(&target->host_netns);
    cleanup_close_at(&target->hub);
}

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

/* A member that is there already must be the one that was asked for. */
static int check_sealed(const struct attach_request *request, const struct member_links *links,
                        struct error *err)
{
    const struct policy_role *has = policy_role_of(request->policy, links->address);

    if (has == request->role)
        return 0;
    error_set(err, 0, "the network namespace is already sealed as role `%s`",
              has != NULL ? has->name : "(none)");
    return error_advise(err, "give all containers that share it the same network and role");
}

static int handle_foreign_links(const struct attach_request *request, const struct target *target,
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

static int inject_filter(const struct attach_request *request, const struct target *target, struct error *err)
{
    struct seccomp_options options = {.nested = request->role->nested, .i386 = request->role->i386};
    const json_t *profile = json_object_get(json_object_get(request->config, "linux"), "seccomp");

    if (seccomp_implies(json_is_null(profile) ? NULL : profile, &options))
        return 0;
    return seccomp_inject(request->state->pid, target->pidfd, seccomp_filter(&options), err);
}

static int open_target(const struct attach_request *request, struct target *target, struct error *err)
{
    int result = namespace_open_own(err);

    if (result < 0)
        return result;
    target->host_netns = result;
    result = namespace_open_process(request->state->pid, &target->pidfd, &target->netns, err);
    if (result == 0)
        result = refuse_process(request->state->pid, target->pidfd, request->config, err);
    if (result == 0)
        result = mounts_check(request->state->pid, target->pidfd, request->config, request->bundle,
                              request->role, err);
    if (result == 0)
        result = check_joined(request, "pid", err);
    if (result == 0)
        result = check_joined(request, "ipc", err);
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
    struct member_request member = {
        .policy = request->policy,
        .role = request->role,
        .id = request->state->id,
        .hub = target->hub,
        .netns = target->netns,
        .host_netns = target->host_netns,
    };
    uint32_t address = 0;

    return sealed ? member_verify(&member, err) : member_attach(&member, &address, err);
}

static int attach_target(const struct attach_request *request, const struct target *target, struct error *err)
{
    struct member_links links;
    bool others = false;
    bool unused = false;
    int result = member_inspect(target->netns, target->hub, &links, err);

    if (result == 0 && links.sealed)
        result = check_sealed(request, &links, err);
    else if (result == 0 && joins(request->config, "network"))
        result = refuse_others_in_namespace(request->state->pid, "net", &others, &unused, err);
    if (result == 0 && others)
        result = refuse_joined_network(err);
    if (result == 0)
        result = inject_filter(request, target, err);
    if (result == 0)
        result = privileges_keep_for_links(err);
    if (result == 0)
        result = handle_foreign_links(request, target, &links, err);
    return result < 0 ? result : settle_member(request, target, links.sealed, err);
}

int attach(const struct attach_request *request, struct error *err)
{
    struct target target = {.pidfd = -1, .netns = -1, .host_netns = -1, .hub = -1};
    int result = refuse_config(request->config, request->bundle, request->role, err);

    if (result == 0)
        result = refuse_net_admin(request->config, err);
    if (result == 0)
        result = privileges_keep_for_inspection(err);
    if (result == 0)
        result = open_target(request, &target, err);
    if (result == 0)
        result = attach_target(request, &target, err);
    close_target(&target);
    return result;
}
