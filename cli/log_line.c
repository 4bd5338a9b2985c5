/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/log_line.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "cli/log_proxy.h"
#include "cli/log_reason.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    TIME_SIZE = 48,
    TARGET_SIZE = POLICY_NAME_SIZE + sizeof(":65535"),
    NUMBER_SIZE = 16,
    ALLOWED_SHOWN = 8,  /* in a line for people, */
    TARGET_SHOWN = 200, /* characters of what a request asks for, too */
};

static const char *format_time(int64_t seconds, unsigned milliseconds, char text[TIME_SIZE])
{
    const time_t time = (time_t)seconds;
    struct tm utc;
    size_t length = 0;

    if (gmtime_r(&time, &utc) != NULL)
        length = strftime(text, TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + length, TIME_SIZE - length, ".%03uZ", milliseconds);
    return text;
}

static const char *now(char text[TIME_SIZE])
{
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    return format_time(time.tv_sec, (unsigned)(time.tv_nsec / 1000000), text);
}

/* What every object begins with. */
static json_t *object_at(const struct log_output *output, const char *time, const char *event)
{
    return json_pack("{s:s, s:s, s:s}", "time", time, "network", output->network, "event", event);
}

static json_t *object(const struct log_output *output, const char *event)
{
    char time[TIME_SIZE];

    return object_at(output, now(time), event);
}

static void print_object(const json_t *line)
{
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
}

static void begin_text(const struct log_output *output)
{
    char time[TIME_SIZE];

    printf("%s %s ", now(time), output->network);
}

void log_line_begin(const struct log_output *output, uint64_t refused_before, const char *proxy_log,
                    const char *passing_log)
{
    cleanup_json json_t *line = NULL;

    if (output->json) {
        line = object(output, "begin");
        json_object_set_new(line, "packets", json_integer((json_int_t)refused_before));
        json_object_set_new(line, "proxy_log", json_string(proxy_log));
        json_object_set_new(line, "pass_through_log", json_string(passing_log));
        print_object(line);
        return;
    }
    begin_text(output);
    printf("begins; %" PRIu64 " packets were refused before", refused_before);
    printf("%s%s%s%s\n", proxy_log[0] != '\0' ? "; the proxy's refusals are read from " : "", proxy_log,
           passing_log[0] != '\0' ? " and " : "", passing_log);
}

void log_line_more(const struct log_output *output, uint64_t packets)
{
    cleanup_json json_t *line = NULL;

    if (output->json) {
        line = object(output, "more");
        json_object_set_new(line, "packets", json_integer((json_int_t)packets));
        print_object(line);
        return;
    }
    begin_text(output);
    printf("%" PRIu64 " more refused, not shown\n", packets);
}

void log_line_proxy_more(const struct log_output *output, uint64_t requests, uint64_t unreadable)
{
    cleanup_json json_t *line = NULL;

    if (output->json) {
        line = object(output, "proxy-more");
        json_object_set_new(line, "requests", json_integer((json_int_t)requests));
        json_object_set_new(line, "unreadable", json_integer((json_int_t)unreadable));
        print_object(line);
        return;
    }
    if (requests > 0) {
        begin_text(output);
        printf("%" PRIu64 " more refused by the proxy, not shown\n", requests);
    }
    if (unreadable > 0) {
        begin_text(output);
        printf("lines of the proxy's log that are not of its format, not shown: %" PRIu64 LOG_PROXY_UNREADABLE
               "\n",
               unreadable, output->network);
    }
}

void log_line_end(const struct log_output *output, const char *reason)
{
    cleanup_json json_t *line = NULL;

    if (output->json) {
        line = object(output, "end");
        json_object_set_new(line, "reason", json_string(reason));
        print_object(line);
        return;
    }
    begin_text(output);
    printf("ends: %s\n", reason);
}

static const char *protocol_name(const struct nflog_packet *packet, char number[NUMBER_SIZE])
{
    static const struct {
        uint8_t protocol;
        const char *name;
    } names[] = {{IPPROTO_TCP, "tcp"},   {IPPROTO_UDP, "udp"},   {IPPROTO_ICMP, "icmp"},
                 {IPPROTO_SCTP, "sctp"}, {IPPROTO_DCCP, "dccp"}, {IPPROTO_UDPLITE, "udplite"}};

    if (!packet->has_addresses)
        return packet->version == 6 ? "ipv6" : "";
    for (size_t i = 0; i < array_size(names); i++)
        if (names[i].protocol == packet->protocol)
            return names[i].name;
    snprintf(number, NUMBER_SIZE, "protocol-%u", packet->protocol);
    return number;
}

static void add_target(json_t *list, const char *role, uint16_t port)
{
    char text[TARGET_SIZE];

    snprintf(text, sizeof(text), "%s:%u", role, port);
    json_array_append_new(list, json_string(text));
}

/* What the host may reach: the published ports. */
static void add_published(json_t *list, const struct policy *policy)
{
    for (size_t i = 0; i < policy->roles_count; i++)
        for (size_t k = 0; k < policy->roles[i].publish_count; k++)
            add_target(list, policy->roles[i].name, policy->roles[i].publish[k].member_port);
}

/* What the member may reach instead, as the policy writes it. NULL if that is not known. */
static json_t *allowed(const struct log_output *output, const struct log_member *member)
{
    const struct policy *policy = output->policy;
    const struct policy_role *role =
        policy == NULL || member->host ? NULL : policy_role_find(policy, member->role);
    json_t *list = NULL;

    if (policy == NULL || (role == NULL && !member->host))
        return NULL;
    list = json_array();
    if (member->host)
        add_published(list, policy);
    if (role != NULL && role->reach_proxy)
        json_array_append_new(list, json_string(POLICY_PROXY_ROLE));
    for (size_t i = 0; role != NULL && i < role->targets_count; i++)
        add_target(list, policy->roles[role->targets[i].role].name, role->targets[i].port);
    return list;
}

/* The name of who has the address by policy, "" if nobody. */
static const char *owner(const struct log_output *output, const struct nflog_packet *packet)
{
    const struct policy_role *role = NULL;

    if (output->policy == NULL || !packet->has_addresses)
        return "";
    if (packet->destination == output->policy->proxy_address)
        return POLICY_PROXY_ROLE;
    role = policy_role_of(output->policy, packet->destination);
    return role == NULL ? "" : role->name;
}

/* What the proxy allows the role of a request, as the policy writes it. NULL if that is not known. */
static json_t *allowed_hosts(const struct policy_role *role)
{
    json_t *list = role != NULL ? json_array() : NULL;

    for (size_t i = 0; role != NULL && i < role->hosts_count; i++) {
        const struct policy_host *host = &role->hosts[i];
        char text[POLICY_HOST_SIZE + sizeof(".:65535")];
        int length = snprintf(text, sizeof(text), "%s%s", host->subdomains ? "." : "", host->name);

        if (host->port != 443)
            snprintf(text + length, sizeof(text) - (size_t)length, ":%u", host->port);
        json_array_append_new(list, json_string(text));
    }
    return list;
}

static json_t *port(const struct nflog_packet *packet, uint16_t number)
{
    return packet->has_ports ? json_integer(number) : json_null();
}

static void set_member(json_t *line, const char *by, const struct log_member *member)
{
    json_object_set_new(line, "by", json_string(by));
    json_object_set_new(line, "role", json_string(member->role));
    json_object_set_new(line, "id", json_string(member->id));
    json_object_set_new(line, "link", json_string(member->link));
    json_object_set_new(line, "host", json_boolean(member->host));
}

static void set_packet(json_t *line, const struct nflog_packet *packet, const char *destination_role)
{
    char source[16] = "";
    char destination[16] = "";
    char number[NUMBER_SIZE];

    if (packet->has_addresses) {
        policy_format_address(packet->source, source);
        policy_format_address(packet->destination, destination);
    }
    json_object_set_new(line, "protocol", json_string(protocol_name(packet, number)));
    json_object_set_new(line, "source", json_string(source));
    json_object_set_new(line, "source_port", port(packet, packet->source_port));
    json_object_set_new(line, "destination", json_string(destination));
    json_object_set_new(line, "port", port(packet, packet->destination_port));
    json_object_set_new(line, "destination_role", json_string(destination_role));
    json_object_set_new(line, "fragment", json_boolean(packet->fragment));
    json_object_set_new(line, "truncated", json_boolean(packet->truncated));
}

/* NULL: it was a packet. */
static void set_request(json_t *line, const struct squid_log_line *request)
{
    json_object_set_new(line, "method", json_string(request != NULL ? request->method : ""));
    json_object_set_new(line, "target", json_string(request != NULL ? request->target : ""));
    json_object_set_new(line, "status", request != NULL ? json_integer(request->status) : json_null());
}

/* Takes `list`. */
static void set_reason(json_t *line, json_t *list, const struct log_reason *reason)
{
    json_object_set_new(line, "allowed", list != NULL ? list : json_null());
    json_object_set_new(line, "rule", json_string(reason->rule));
    json_object_set_new(line, "allow", json_string(reason->allow));
}

static void print_end_point(uint32_t address, bool has_port, uint16_t number)
{
    char text[16];

    fputs(policy_format_address(address, text), stdout);
    if (has_port)
        printf(":%u", number);
}

static void print_packet(const struct nflog_packet *packet, const char *destination_role)
{
    char number[NUMBER_SIZE];

    fputs(protocol_name(packet, number), stdout);
    if (packet->has_addresses) {
        putchar(' ');
        print_end_point(packet->source, packet->has_ports, packet->source_port);
        fputs(" > ", stdout);
        print_end_point(packet->destination, packet->has_ports, packet->destination_port);
    }
    if (destination_role[0] != '\0')
        printf(" (%s)", destination_role);
    if (packet->fragment)
        fputs(" (fragment)", stdout);
    if (packet->truncated)
        fputs(" (cut short)", stdout);
}

static void print_member(const struct log_member *member)
{
    if (member->host)
        fputs("(host)", stdout);
    else
        fputs(member->role[0] != '\0' ? member->role : "?", stdout);
    printf(" %.12s: refused ", member->id[0] != '\0' ? member->id : "-");
}

/* Lists of hosts can be long: a line for people has the first few. */
static void print_allowed(const json_t *list)
{
    size_t count = json_array_size(list);

    if (list == NULL) {
        fputs("; the policy in force is not known", stdout);
        return;
    }
    fputs("; allowed:", stdout);
    for (size_t i = 0; i < count && i < ALLOWED_SHOWN; i++)
        printf("%s %s", i == 0 ? "" : ",", json_string_value(json_array_get(list, i)));
    if (count == 0)
        fputs(" nothing", stdout);
    if (count > ALLOWED_SHOWN)
        printf(" and %zu more", count - ALLOWED_SHOWN);
}

static void print_reason(const json_t *list, const struct log_reason *reason)
{
    printf("; %s", reason->rule);
    print_allowed(list);
    if (strcmp(reason->allow, LOG_NOTHING) == 0)
        fputs("; nothing allows it", stdout);
    else if (reason->allow[0] != '\0')
        printf("; to allow it: %s", reason->allow);
    putchar('\n');
}

void log_line_packet(const struct log_output *output, const struct log_member *member,
                     const struct nflog_packet *packet)
{
    const struct policy_role *role =
        output->policy != NULL && !member->host ? policy_role_find(output->policy, member->role) : NULL;
    cleanup_json json_t *list = allowed(output, member);
    cleanup_json json_t *line = NULL;
    struct log_reason reason;

    log_reason_packet(output->policy, role, member->host, packet, &reason);
    if (output->json) {
        line = object(output, "refused");
        set_member(line, "hub", member);
        set_packet(line, packet, owner(output, packet));
        set_request(line, NULL);
        set_reason(line, take_pointer(list), &reason);
        print_object(line);
        return;
    }
    begin_text(output);
    print_member(member);
    print_packet(packet, owner(output, packet));
    print_reason(list, &reason);
}

/* The same keys as a packet's; squid does not tell the rest. */
static void set_asked(json_t *line, const struct squid_log_line *request)
{
    char source[16];

    json_object_set_new(line, "protocol", json_string("tcp"));
    json_object_set_new(line, "source", json_string(policy_format_address(request->client, source)));
    json_object_set_new(line, "source_port", json_null());
    json_object_set_new(line, "destination", json_string(""));
    json_object_set_new(line, "port", json_null());
    json_object_set_new(line, "destination_role", json_string(""));
    json_object_set_new(line, "fragment", json_false());
    json_object_set_new(line, "truncated", json_boolean(request->cut));
}

static void print_request(const struct squid_log_line *request)
{
    char source[16];

    printf("%s %.*s%s from %s", request->method, TARGET_SHOWN, request->target,
           strlen(request->target) > TARGET_SHOWN ? "..." : "",
           policy_format_address(request->client, source));
}

void log_line_request(const struct log_output *output, const struct log_member *member,
                      const struct squid_log_line *request)
{
    const struct policy_role *role =
        output->file != NULL ? policy_role_of(output->file, request->client) : NULL;
    cleanup_json json_t *list = allowed_hosts(role);
    cleanup_json json_t *line = NULL;
    struct log_reason reason;
    char time[TIME_SIZE];

    format_time(request->seconds, request->milliseconds, time);
    log_reason_request(output->file, request, &reason);
    if (output->json) {
        line = object_at(output, time, "refused");
        set_member(line, "proxy", member);
        set_asked(line, request);
        set_request(line, request);
        set_reason(line, take_pointer(list), &reason);
        print_object(line);
        return;
    }
    printf("%s %s ", time, output->network);
    print_member(member);
    print_request(request);
    print_reason(list, &reason);
}
