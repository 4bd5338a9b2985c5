/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "cli/network_print.h"

/* jansson's append and set take NULL for an error, which the caller passes on: a document is whole or none.
 */
static json_t *make_member(const struct hub_member *member, const struct tenant *tenant,
                           const struct network_member *more)
{
    const bool live = tenant->use == USE_LIVE;
    char address[16];

    return json_pack(
        "{s:s, s:s, s:s, s:s?, s:s, s:b, s:b, s:o, s:o, s:{s:I, s:I}, s:{s:I, s:I}, s:{s:I, s:I}}", "address",
        policy_format_address(member->address, address), "role", member->role, "id", member->id, "name",
        more->name[0] != '\0' ? more->name : NULL, "link", member->link, "host", member->host, "up",
        member->up, "pid", live ? json_integer(tenant->pid) : json_null(), "uptime",
        live ? json_integer((json_int_t)tenant->seconds) : json_null(), "sent", "packets",
        (json_int_t)member->sent_packets, "bytes", (json_int_t)member->sent_bytes, "received", "packets",
        (json_int_t)member->received_packets, "bytes", (json_int_t)member->received_bytes, "refused",
        "packets", (json_int_t)more->refused_packets, "bytes", (json_int_t)more->refused_bytes);
}

static json_t *make_members(const struct network_view *view)
{
    cleanup_json json_t *list = json_array();

    for (size_t i = 0; i < view->count; i++)
        if (json_array_append_new(list, make_member(&view->members[i], &view->tenants[i], &view->more[i])) <
            0)
            return NULL;
    return json_incref(list);
}

static json_t *make_hosts(const struct policy *policy, const struct policy_role *role)
{
    cleanup_json json_t *list = json_array();

    for (size_t i = 0; i < role->hosts_count; i++)
        if (json_array_append_new(list,
                                  json_pack("{s:s, s:b, s:i, s:b}", "name", role->hosts[i].name, "subdomains",
                                            role->hosts[i].subdomains, "port", role->hosts[i].port,
                                            "pass_through", policy_passes_host(policy, &role->hosts[i]))) < 0)
            return NULL;
    return json_incref(list);
}

static json_t *make_targets(const struct policy *policy, const struct policy_role *role)
{
    cleanup_json json_t *list = json_array();

    for (size_t i = 0; i < role->targets_count; i++)
        if (json_array_append_new(list,
                                  json_pack("{s:s, s:i}", "role", policy->roles[role->targets[i].role].name,
                                            "port", role->targets[i].port)) < 0)
            return NULL;
    return json_incref(list);
}

static json_t *make_published(const struct policy_role *role)
{
    cleanup_json json_t *list = json_array();
    char address[16];

    for (size_t i = 0; i < role->publish_count; i++) {
        const struct policy_publish *publish = &role->publish[i];

        if (json_array_append_new(list,
                                  json_pack("{s:s, s:i, s:i}", "address",
                                            policy_format_address(publish->host_address, address), "port",
                                            publish->host_port, "member_port", publish->member_port)) < 0)
            return NULL;
    }
    return json_incref(list);
}

static json_t *make_role(const struct network_view *view, const struct policy_role *role)
{
    char first[16];
    char last[16];

    return json_pack("{s:s, s:s, s:s, s:I, s:b, s:o, s:o, s:o}", "name", role->name, "first",
                     policy_format_address(role->addresses.first, first), "last",
                     policy_format_address(role->addresses.last, last), "up",
                     (json_int_t)network_view_members_of(view, role->name), "proxy", role->reach_proxy,
                     "reach", make_targets(&view->policy, role), "hosts", make_hosts(&view->policy, role),
                     "published", make_published(role));
}

static json_t *make_roles(const struct network_view *view)
{
    cleanup_json json_t *list = json_array();

    for (size_t i = 0; i < view->policy.roles_count && view->has_policy; i++)
        if (json_array_append_new(list, make_role(view, &view->policy.roles[i])) < 0)
            return NULL;
    if (view->has_policy && view->policy.proxy_at == POLICY_PROXY_AT_MEMBER &&
        json_array_append_new(list, make_role(view, &view->policy.proxy_role)) < 0)
        return NULL;
    return json_incref(list);
}

static json_t *make_problems(const struct findings *findings)
{
    cleanup_json json_t *list = json_array();

    for (size_t i = 0; i < findings->count; i++)
        if (json_array_append_new(list, json_pack("{s:s, s:s}", "kind", findings->list[i].kind, "text",
                                                  findings->list[i].text)) < 0)
            return NULL;
    if (findings->left_out > 0 && json_array_append_new(list, json_pack("{s:s, s:s}", "kind", "left-out",
                                                                        "text", "there are more")) < 0)
        return NULL;
    return json_incref(list);
}

static json_t *make_subnet(const struct network_view *view)
{
    char text[16];

    if (!view->has_policy)
        return json_null();
    return json_sprintf("%s/%u", policy_format_address(view->policy.subnet, text), view->policy.prefix);
}

/* null: there is none. */
static json_t *make_port(uint16_t port)
{
    return port != 0 ? json_integer(port) : json_null();
}

static json_t *make_proxy(const struct network_view *view)
{
    const struct policy *policy = &view->policy;
    char text[16];

    if (!view->has_policy)
        return json_null();
    return json_pack("{s:s, s:i, s:o, s:o, s:s, s:b}", "address",
                     policy_format_address(policy->proxy_address, text), "port", policy->proxy_port, "sni",
                     make_port(policy->proxy_sni), "http", make_port(policy->proxy_http), "at",
                     policy->proxy_at == POLICY_PROXY_AT_HOST ? "host" : "member", "up",
                     network_view_proxy_up(view));
}

json_t *network_json_summary(const struct network_view *view)
{
    return json_pack("{s:s, s:b, s:s, s:o, s:I, s:o}", "network", view->network, "up", view->up, "policy",
                     network_standing_text(view->standing), "subnet", make_subnet(view), "members",
                     (json_int_t)network_view_members(view), "problems", make_problems(&view->findings));
}

json_t *network_json(const struct network_view *view)
{
    return json_pack("{s:s, s:s, s:o, s:o, s:{s:I, s:I}, s:I, s:o, s:o, s:o}", "network", view->network,
                     "policy", network_standing_text(view->standing), "subnet", make_subnet(view), "proxy",
                     make_proxy(view), "refused", "packets", (json_int_t)view->refused_packets, "bytes",
                     (json_int_t)view->refused_bytes, "forged", (json_int_t)view->forged_packets, "members",
                     make_members(view), "roles", make_roles(view), "problems",
                     make_problems(&view->findings));
}
