/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/network_view.h"

#include "base/cleanup.h"
#include "netns/hub_foreign.h"
#include "netns/member_look.h"
#include "netns/stranded.h"
#include "netns/uplink.h"
#include "netns/uplink_look.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *network_standing_text(enum policy_standing standing)
{
    static const char *const texts[] = {
        [POLICY_IN_FORCE] = "in force", [POLICY_NOT_IN_FORCE] = "not in force",
        [POLICY_CHANGED] = "changed",   [POLICY_GONE] = "gone",
        [POLICY_BROKEN] = "broken",
    };

    return texts[standing];
}

void network_view_free(struct network_view *view)
{
    if (view->has_policy)
        policy_free(&view->policy);
    free(view->members);
    free(view->tenants);
    free(view->more);
}

size_t network_view_members(const struct network_view *view)
{
    size_t count = 0;

    for (size_t i = 0; i < view->count; i++)
        count += !view->members[i].host;
    return count;
}

size_t network_view_members_of(const struct network_view *view, const char *role)
{
    size_t count = 0;

    for (size_t i = 0; i < view->count; i++)
        if (!view->members[i].host && view->members[i].up && strcmp(view->members[i].role, role) == 0)
            count++;
    return count;
}

bool network_view_proxy_up(const struct network_view *view)
{
    if (view->has_policy && view->policy.proxy_at == POLICY_PROXY_AT_MEMBER)
        return network_view_members_of(view, POLICY_PROXY_ROLE) > 0;
    for (size_t i = 0; i < view->count; i++)
        if (view->members[i].host && view->members[i].up)
            return true;
    return false;
}

static void load_policy(struct network_view *view)
{
    struct error why;
    int result = policy_load(policy_directory(), view->network, &view->policy, &why);

    view->has_policy = result == 0;
    if (result == 0) {
        view->standing = POLICY_NOT_IN_FORCE;
        return;
    }
    view->standing = result == -ENOENT ? POLICY_GONE : POLICY_BROKEN;
    finding_add(&view->findings, result == -ENOENT ? "policy-gone" : "policy-broken",
                "policy file is %s%s: %s", network_standing_text(view->standing),
                view->up ? ", the network keeps what it has" : "", why.text);
}

/* An administrator who edited the file and forgot the reload sees it here. */
static int compare_policy(struct network_view *view, int hub, struct error *err)
{
    int result = view->has_policy ? hub_check(&view->policy, hub, err) : 0;

    if (result == -ESTALE) {
        view->standing = POLICY_CHANGED;
        finding_add(&view->findings, "policy-changed",
                    "policy changed, not reloaded: run `sallyport network reload %s`", view->network);
        return 0;
    }
    if (result == 0 && view->has_policy)
        view->standing = POLICY_IN_FORCE;
    return result;
}

/* What one member is, against what the policy says its address is. */
static void look_at_member(struct network_view *view, const struct hub_member *member,
                           const struct tenant *tenant)
{
    const struct policy_role *role = view->has_policy ? policy_role_of(&view->policy, member->address) : NULL;
    char address[16];

    policy_format_address(member->address, address);
    if (!member->up)
        finding_add(&view->findings, "link-down", "link %s of %s (%s) is down: restart its container",
                    member->link, address, member->role[0] != '\0' ? member->role : "being attached");
    if (tenant->use == USE_NONE)
        finding_add(&view->findings, "link-without-member",
                    "nobody lives behind link %s of %s, container %.12s: it is just ending, or a stray "
                    "descriptor keeps it; `ip -n sallyport-%s link delete %s` frees its address",
                    member->link, address, member->id[0] != '\0' ? member->id : "unknown", view->network,
                    member->link);
    if (view->has_policy && member->role[0] != '\0' &&
        (role == NULL || strcmp(role->name, member->role) != 0))
        finding_add(&view->findings, "other-role",
                    "container %.12s has %s as role %s, and the policy file gives it to %s", member->id,
                    address, member->role, role != NULL ? role->name : "nobody");
}

static void look_at_members(struct network_view *view)
{
    bool uplink = false;

    for (size_t i = 0; i < view->count; i++) {
        uplink = uplink || view->members[i].host;
        if (!view->members[i].host)
            look_at_member(view, &view->members[i], &view->tenants[i]);
    }
    if (uplink && view->has_policy && !uplink_needed(&view->policy))
        finding_add(&view->findings, "uplink-unneeded",
                    "the hub has an uplink, and the policy file asks for none: run `sallyport network "
                    "reload %s`",
                    view->network);
}

static int read_members(struct network_view *view, int hub, struct error *err)
{
    int result = hub_members(hub, &view->members, &view->count, err);

    if (result < 0)
        return result;
    view->tenants = calloc(view->count + 1, sizeof(*view->tenants));
    view->more = calloc(view->count + 1, sizeof(*view->more));
    if (view->tenants == NULL || view->more == NULL)
        return error_set(err, ENOMEM, "list members");
    return tenants_look(hub, view->members, view->count, view->tenants, err);
}

/* One is told of: they are all of one release, or somebody has changed that one. */
static void look_at_segments(struct network_view *view)
{
    for (size_t i = 0; i < view->count; i++) {
        const struct hub_member *member = &view->members[i];

        if (!member->up || member->settings.segment == 0 || member->settings.segment >= LINK_SEGMENT)
            continue;
        finding_add(&view->findings, "small-segments",
                    "link %s in the hub cuts what is larger than %u bytes into packets, which takes five "
                    "times as long: run `sallyport network reload %s`",
                    member->link, member->settings.segment, view->network);
        return;
    }
}

static void add_refusals(const struct nft_counted *counted, size_t count, uint32_t address,
                         struct network_member *member)
{
    const struct nft_counted *found = nft_sources_find(counted, count, address);

    if (found == NULL)
        return;
    member->refused_packets += found->packets;
    member->refused_bytes += found->bytes;
}

static int read_refusals(struct network_view *view, int hub, struct error *err)
{
    cleanup_free struct nft_counted *counted = NULL;
    size_t count = 0;
    int result = hub_refused(hub, &view->refused_packets, &view->refused_bytes, err);

    if (result == 0 || result == -ENOENT) /* with the hub's table, which is a finding */
        result = hub_forged(hub, &view->forged_packets, err);
    if (result == 0)
        result = hub_refused_of(hub, &counted, &count, err);
    for (size_t i = 0; i < view->count && result == 0; i++) {
        add_refusals(counted, count, view->members[i].address, &view->more[i]);
        /* The host has two addresses where the proxy is there, and its link is named after one of them. */
        if (view->members[i].host && view->has_policy &&
            view->members[i].address != view->policy.host_address)
            add_refusals(counted, count, view->policy.host_address, &view->more[i]);
    }
    return result;
}

static int read_hub(struct network_view *view, int hub, int host_netns, struct error *err)
{
    const struct policy *policy = view->has_policy ? &view->policy : NULL;
    int result = compare_policy(view, hub, err);

    if (result == 0)
        result = read_members(view, hub, err);
    if (result == 0)
        result = read_refusals(view, hub, err);
    if (result < 0)
        return result;
    look_at_members(view);
    look_at_segments(view);
    result = hub_settings(hub, view->network, view->members, view->count, &view->findings, err);
    if (result == 0)
        result = hub_foreign(hub, view->network, policy, &view->findings, err);
    if (result == 0 && view->standing == POLICY_IN_FORCE)
        result = member_look(policy, view->members, view->tenants, view->count, &view->findings, err);
    if (result == 0 && policy != NULL)
        result =
            uplink_look(policy, view->standing == POLICY_IN_FORCE, hub, host_netns, &view->findings, err);
    /* The last: a container may have made as many of these as it likes. */
    if (result == 0 && policy != NULL)
        result = stranded_look(policy, view->tenants, view->count, &view->findings, err);
    return result;
}

int network_view_read(const char *network, int host_netns, struct network_view *ret, struct error *err)
{
    cleanup_network_view struct network_view view = {.up = false};
    cleanup_close int hub = hub_open(network, err);
    int result = 0;

    if (hub < 0 && hub != -ENOENT)
        return hub;
    snprintf(view.network, sizeof(view.network), "%s", network);
    view.up = hub >= 0;
    load_policy(&view);
    if (view.up)
        result = read_hub(&view, hub, host_netns, err);
    if (result < 0)
        return result;
    *ret = view;
    view = (struct network_view){.up = false};
    return 0;
}
