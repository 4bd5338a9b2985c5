/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/network_print.h"

#include "base/cleanup.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

enum {
    WIDTH = 98,        /* of a line, at most */
    REACH_COLUMN = 21, /* where what a role reaches begins */
    REACH_INDENT = 4,  /* of its continuation */
};

static const char *member_label(const struct hub_member *member)
{
    return member->host ? "(host)" : member->role[0] == '\0' ? "(attaching)" : member->role;
}

const char *network_format_bytes(uint64_t bytes, char buffer[NETWORK_AMOUNT_SIZE])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    uint64_t tenths = 0;
    size_t unit = 0;

    if (bytes < 1024) {
        snprintf(buffer, NETWORK_AMOUNT_SIZE, "%" PRIu64 " B", bytes);
        return buffer;
    }
    for (; bytes >= 1024; unit++) {
        tenths = bytes % 1024 * 10 / 1024;
        bytes /= 1024;
    }
    if (bytes < 100)
        snprintf(buffer, NETWORK_AMOUNT_SIZE, "%" PRIu64 ".%" PRIu64 " %s", bytes, tenths, units[unit]);
    else
        snprintf(buffer, NETWORK_AMOUNT_SIZE, "%" PRIu64 " %s", bytes, units[unit]);
    return buffer;
}

const char *network_format_duration(uint64_t seconds, char buffer[NETWORK_AMOUNT_SIZE])
{
    uint64_t minutes = seconds / 60;
    uint64_t hours = minutes / 60;

    if (minutes == 0)
        snprintf(buffer, NETWORK_AMOUNT_SIZE, "%" PRIu64 "s", seconds);
    else if (hours == 0)
        snprintf(buffer, NETWORK_AMOUNT_SIZE, "%" PRIu64 "m", minutes);
    else if (hours < 24)
        snprintf(buffer, NETWORK_AMOUNT_SIZE, "%" PRIu64 "h %" PRIu64 "m", hours, minutes % 60);
    else
        snprintf(buffer, NETWORK_AMOUNT_SIZE, "%" PRIu64 "d %" PRIu64 "h", hours / 24, hours % 24);
    return buffer;
}

const char *network_format_count(uint64_t count, char buffer[NETWORK_AMOUNT_SIZE])
{
    static const char units[] = {'\0', 'k', 'M', 'G', 'T', 'P', 'E'};
    size_t unit = 0;

    if (count >= 100000)
        for (; count >= 10000; unit++)
            count /= 1000;
    snprintf(buffer, NETWORK_AMOUNT_SIZE, "%" PRIu64 "%.1s", count, &units[unit]);
    return buffer;
}

/* Who was refused most, where anybody was: that is whom to look at first. */
static void print_most_refused(const struct network_view *view, FILE *out)
{
    size_t most = 0;
    char address[16];

    for (size_t i = 1; i < view->count; i++)
        if (view->more[i].refused_packets > view->more[most].refused_packets)
            most = i;
    if (view->count > 0 && view->more[most].refused_packets > 0)
        fprintf(out, ", most to %s (%s)", policy_format_address(view->members[most].address, address),
                member_label(&view->members[most]));
}

static void print_heading(const struct network_view *view, FILE *out)
{
    const struct policy *policy = &view->policy;
    char subnet[16];
    char proxy[16];
    char bytes[NETWORK_AMOUNT_SIZE];

    fprintf(out, "network %s: policy: %s", view->network, network_standing_text(view->standing));
    if (view->standing == POLICY_CHANGED)
        fputs(", reload it", out);
    if (view->has_policy)
        fprintf(out, "; subnet %s/%u, proxy %s:%u at %s", policy_format_address(policy->subnet, subnet),
                policy->prefix, policy_format_address(policy->proxy_address, proxy), policy->proxy_port,
                policy->proxy_at == POLICY_PROXY_AT_HOST ? "the host" : "a member");
    if (view->has_policy && policy->proxy_sni != 0)
        fprintf(out, ", TLS passed through at port %u", policy->proxy_sni);
    if (view->has_policy && policy->proxy_http != 0)
        fprintf(out, ", HTTP at port %u", policy->proxy_http);
    fprintf(out, "\nmembers: %zu; refused by the hub: %" PRIu64 " packets, %s", network_view_members(view),
            view->refused_packets, network_format_bytes(view->refused_bytes, bytes));
    print_most_refused(view, out);
    if (view->forged_packets > 0)
        fprintf(out, "; forged sources dropped: %" PRIu64, view->forged_packets);
    if (view->findings.count > 0)
        fprintf(out, "\nproblems: %zu, at the end", view->findings.count + view->findings.left_out);
    fputs("\n\n", out);
}

static const char *status(const struct hub_member *member, const struct tenant *tenant,
                          char buffer[NETWORK_AMOUNT_SIZE])
{
    if (!member->up)
        return "down";
    if (member->host)
        return "-";
    if (tenant->use == USE_LIVE)
        return network_format_duration(tenant->seconds, buffer);
    return tenant->use == USE_NONE ? "nobody" : "?";
}

/* Columns of what is there, so that a line stays narrow. */
struct widths {
    int address;
    int role;
    bool names; /* there are any */
};

static struct widths measure(const struct network_view *view)
{
    struct widths widths = {.address = (int)strlen("ADDRESS"), .role = (int)strlen("ROLE")};

    for (size_t i = 0; i < view->count; i++) {
        char address[16];
        int length = (int)strlen(policy_format_address(view->members[i].address, address));
        int label = (int)strlen(member_label(&view->members[i]));

        widths.address = length > widths.address ? length : widths.address;
        widths.role = label > widths.role ? label : widths.role;
        widths.names = widths.names || view->more[i].name[0] != '\0';
    }
    return widths;
}

static void print_member(const struct network_view *view, size_t i, const struct widths *widths, FILE *out)
{
    const struct hub_member *member = &view->members[i];
    char address[16];
    char amounts[6][NETWORK_AMOUNT_SIZE];

    fprintf(out, "%-*s %-*s %-12.12s %-7s %8s %5s %8s %5s %7s%s%s\n", widths->address,
            policy_format_address(member->address, address), widths->role, member_label(member),
            member->host || member->id[0] == '\0' ? "-" : member->id,
            status(member, &view->tenants[i], amounts[0]),
            network_format_bytes(member->sent_bytes, amounts[1]),
            network_format_count(member->sent_packets, amounts[2]),
            network_format_bytes(member->received_bytes, amounts[3]),
            network_format_count(member->received_packets, amounts[4]),
            network_format_count(view->more[i].refused_packets, amounts[5]), widths->names ? " " : "",
            widths->names && view->more[i].name[0] == '\0' ? "-" : view->more[i].name);
}

static void print_members(const struct network_view *view, FILE *out)
{
    const struct widths widths = measure(view);

    fprintf(out, "%-*s %-*s %-12s %-7s %8s %5s %8s %5s %7s%s\n", widths.address, "ADDRESS", widths.role,
            "ROLE", "CONTAINER", "UP", "SENT", "PKTS", "RECEIVED", "PKTS", "REFUSED",
            widths.names ? " NAME" : "");
    for (size_t i = 0; i < view->count; i++)
        print_member(view, i, &widths, out);
}

/* Words one after the other, on as many lines as they need. */
struct words {
    FILE *out;
    int column;
};

static void put_word(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put_word(struct words *words, const char *format, ...)
{
    char word[POLICY_HOST_SIZE + 64];
    va_list arguments;
    int length = 0;

    va_start(arguments, format);
    length = vsnprintf(word, sizeof(word), format, arguments);
    va_end(arguments);
    if (words->column + 1 + length > WIDTH && words->column > REACH_COLUMN + REACH_INDENT) {
        fprintf(words->out, "\n%*s", REACH_COLUMN + REACH_INDENT - 1, "");
        words->column = REACH_COLUMN + REACH_INDENT - 1;
    }
    fprintf(words->out, " %s", word);
    words->column += 1 + length;
}

/* Begins a line below the first one of a role. */
static struct words next_line(FILE *out, const char *label)
{
    fprintf(out, "\n%*s%s", REACH_COLUMN, "", label);
    return (struct words){.out = out, .column = REACH_COLUMN + (int)strlen(label)};
}

static void print_targets(const struct network_view *view, const struct policy_role *role, FILE *out)
{
    struct words words = {.out = out, .column = REACH_COLUMN - 1};

    if (!role->reach_proxy && role->targets_count == 0)
        put_word(&words, "nothing");
    if (role->reach_proxy)
        put_word(&words, "proxy%s", network_view_proxy_up(view) ? "" : " (not up)");
    for (size_t i = 0; i < role->targets_count; i++) {
        const char *target = view->policy.roles[role->targets[i].role].name;

        put_word(&words, "%s:%u%s", target, role->targets[i].port,
                 network_view_members_of(view, target) > 0 ? "" : " (not up)");
    }
}

static void put_host(struct words *words, const struct policy_host *host)
{
    if (host->port == 443)
        put_word(words, "%s%s", host->subdomains ? "." : "", host->name);
    else
        put_word(words, "%s%s:%u", host->subdomains ? "." : "", host->name, host->port);
}

/* Those that are reached by programs which know no proxy, too. */
static void print_passed(const struct policy *policy, const struct policy_role *role, FILE *out)
{
    struct words words;
    bool any = false;

    for (size_t i = 0; i < role->hosts_count; i++) {
        if (!policy_passes_host(policy, &role->hosts[i]))
            continue;
        if (!any)
            words = next_line(out, "by name:");
        any = true;
        put_host(&words, &role->hosts[i]);
    }
}

static void print_hosts(const struct policy *policy, const struct policy_role *role, FILE *out)
{
    struct words words;

    if (!role->reach_proxy)
        return;
    words = next_line(out, "by proxy:");
    if (role->hosts_count == 0)
        put_word(&words, "no host");
    for (size_t i = 0; i < role->hosts_count; i++)
        put_host(&words, &role->hosts[i]);
    print_passed(policy, role, out);
}

static void print_published(const struct policy_role *role, FILE *out)
{
    struct words words;
    char address[16];

    if (role->publish_count == 0)
        return;
    words = next_line(out, "published:");
    for (size_t i = 0; i < role->publish_count; i++)
        put_word(&words, "%s:%u->%u", policy_format_address(role->publish[i].host_address, address),
                 role->publish[i].host_port, role->publish[i].member_port);
}

static void print_role(const struct network_view *view, const struct policy_role *role, FILE *out)
{
    fprintf(out, "%-12s %6zu ", role->name, network_view_members_of(view, role->name));
    print_targets(view, role, out);
    print_hosts(&view->policy, role, out);
    print_published(role, out);
    fputc('\n', out);
}

static void print_reach(const struct network_view *view, FILE *out)
{
    fprintf(out, "\n%-12s %6s  %s\n", "ROLE", "UP", "REACHES");
    for (size_t i = 0; i < view->policy.roles_count; i++)
        print_role(view, &view->policy.roles[i], out);
    if (view->policy.proxy_at == POLICY_PROXY_AT_MEMBER)
        print_role(view, &view->policy.proxy_role, out);
}

void network_print_findings(const struct findings *findings, const char *network, FILE *out)
{
    for (size_t i = 0; i < findings->count; i++)
        fprintf(out, "! %s%s%s\n", network != NULL ? network : "", network != NULL ? ": " : "",
                findings->list[i].text);
    if (findings->left_out > 0)
        fprintf(out, "! and %zu more\n", findings->left_out);
}

void network_print_text(const struct network_view *view, FILE *out)
{
    print_heading(view, out);
    print_members(view, out);
    if (view->has_policy)
        print_reach(view, out);
    fputc('\n', out);
    if (view->findings.count == 0)
        fputs("nothing found that is not as it should be\n", out);
    network_print_findings(&view->findings, NULL, out);
}

void network_print_list_heading(FILE *out)
{
    fprintf(out, "%-12s %-4s %8s  %-18s %-13s %s\n", "NETWORK", "UP", "MEMBERS", "SUBNET", "POLICY",
            "PROBLEMS");
}

void network_print_list_line(const struct network_view *view, FILE *out)
{
    char subnet[24] = "-";

    if (view->has_policy) {
        policy_format_address(view->policy.subnet, subnet);
        snprintf(subnet + strlen(subnet), sizeof(subnet) - strlen(subnet), "/%u", view->policy.prefix);
    }
    fprintf(out, "%-12s %-4s %8zu  %-18s %-13s %zu\n", view->network, view->up ? "yes" : "no",
            network_view_members(view), subnet, network_standing_text(view->standing),
            view->findings.count + view->findings.left_out);
}
