/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/network_print.h"

#include <inttypes.h>
#include <string.h>

/* A quoted string of graphviz: in it only the quote ends it, and the backslash is an escape in labels. Names
 * in a policy have neither; what is quoted here stays one string even so. */
static void put_quoted(const char *prefix, const char *text, FILE *out)
{
    fprintf(out, "\"%s", prefix);
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\')
            fputc('\\', out);
        fputc(*at, out);
    }
    fputc('"', out);
}

/* The node's name has its kind in front: a host may be called like a role. */
static void put_edge(const char *from_kind, const char *from, const char *to_kind, const char *to, FILE *out)
{
    fputs("  ", out);
    put_quoted(from_kind, from, out);
    fputs(" -> ", out);
    put_quoted(to_kind, to, out);
}

/* Of its members that are there now. */
static uint64_t refused_of(const struct network_view *view, const char *role)
{
    uint64_t packets = 0;

    for (size_t i = 0; i < view->count; i++)
        if (strcmp(view->members[i].role, role) == 0)
            packets += view->more[i].refused_packets;
    return packets;
}

static void put_role_node(const struct network_view *view, const struct policy_role *role, FILE *out)
{
    size_t up = network_view_members_of(view, role->name);
    uint64_t refused = refused_of(view, role->name);
    char first[16];
    char last[16];

    policy_format_address(role->addresses.first, first);
    policy_format_address(role->addresses.last, last);
    fputs("  ", out);
    put_quoted("role ", role->name, out);
    fprintf(out, " [label=\"%s\\n%s%s%s\\n%zu up", role->name, first,
            role->addresses.first != role->addresses.last ? " - " : "",
            role->addresses.first != role->addresses.last ? last : "", up);
    if (refused > 0)
        fprintf(out, "\\n%" PRIu64 " packets refused", refused);
    fprintf(out, "\"%s];\n", up == 0 ? ", style=dashed" : "");
}

static void put_hosts(const struct policy_role *role, FILE *out)
{
    for (size_t i = 0; i < role->hosts_count; i++) {
        const struct policy_host *host = &role->hosts[i];
        char name[POLICY_HOST_SIZE + 16];

        snprintf(name, sizeof(name), "%s%s:%u", host->subdomains ? "." : "", host->name, host->port);
        fputs("  ", out);
        put_quoted("host ", name, out);
        fputs(" [shape=ellipse, label=", out);
        put_quoted("", name, out);
        fputs("];\n", out);
        put_edge("role ", role->name, "host ", name, out);
        fputs(" [style=dashed, label=\"by proxy\"];\n", out);
    }
}

static void put_published(const struct policy_role *role, FILE *out)
{
    for (size_t i = 0; i < role->publish_count; i++) {
        const struct policy_publish *publish = &role->publish[i];
        char address[16];
        char name[32];

        policy_format_address(publish->host_address, address);
        snprintf(name, sizeof(name), "%s:%u", address, publish->host_port);
        fputs("  ", out);
        put_quoted("port ", name, out);
        fputs(" [shape=cds, label=", out);
        put_quoted("", name, out);
        fputs("];\n", out);
        put_edge("port ", name, "role ", role->name, out);
        fprintf(out, " [label=\"%u\"];\n", publish->member_port);
    }
}

static void put_proxy_ports(const struct policy *policy, FILE *out)
{
    uint16_t ports[POLICY_PROXY_PORTS_MAX];
    size_t count = policy_proxy_ports(policy, ports);

    fputs(" [label=\"", out);
    for (size_t i = 0; i < count; i++)
        fprintf(out, "%s%u", i > 0 ? ", " : "", ports[i]);
    fputs("\"];\n", out);
}

static void put_reach(const struct policy *policy, const struct policy_role *role, FILE *out)
{
    if (role->reach_proxy) {
        put_edge("role ", role->name, "role ", POLICY_PROXY_ROLE, out);
        put_proxy_ports(policy, out);
        put_hosts(role, out);
    }
    for (size_t i = 0; i < role->targets_count; i++) {
        put_edge("role ", role->name, "role ", policy->roles[role->targets[i].role].name, out);
        fprintf(out, " [label=\"%u\"];\n", role->targets[i].port);
    }
    put_published(role, out);
}

void network_print_dot(const struct network_view *view, FILE *out)
{
    const struct policy *policy = &view->policy;
    char proxy[16];

    fputs("digraph ", out);
    put_quoted("", view->network, out);
    fputs(" {\n  rankdir=LR;\n  node [shape=box];\n", out);
    fprintf(out, "  \"role %s\" [label=\"proxy\\n%s:%u\\nat %s\", peripheries=2%s];\n", POLICY_PROXY_ROLE,
            policy_format_address(policy->proxy_address, proxy), policy->proxy_port,
            policy->proxy_at == POLICY_PROXY_AT_HOST ? "the host" : "a member",
            network_view_proxy_up(view) ? "" : ", style=dashed");
    for (size_t i = 0; i < policy->roles_count; i++)
        put_role_node(view, &policy->roles[i], out);
    for (size_t i = 0; i < policy->roles_count; i++)
        put_reach(policy, &policy->roles[i], out);
    if (policy->proxy_at == POLICY_PROXY_AT_MEMBER)
        put_reach(policy, &policy->proxy_role, out);
    fputs("}\n", out);
}
