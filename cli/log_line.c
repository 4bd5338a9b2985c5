/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/log_line.h"

#include "base/cleanup.h"
#include "base/json.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { TIME_SIZE = 32, TARGET_SIZE = POLICY_NAME_SIZE + sizeof(":65535"), NUMBER_SIZE = 16 };

static const char *now(char text[TIME_SIZE])
{
    struct timespec time;
    struct tm utc;
    size_t length = 0;

    clock_gettime(CLOCK_REALTIME, &time);
    gmtime_r(&time.tv_sec, &utc);
    length = strftime(text, TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + length, TIME_SIZE - length, ".%03ldZ", time.tv_nsec / 1000000);
    return text;
}

/* What every object begins with. */
static json_t *object(const struct log_output *output, const char *event)
{
    char time[TIME_SIZE];

    return json_pack("{s:s, s:s, s:s}", "time", now(time), "network", output->network, "event", event);
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

void log_line_begin(const struct log_output *output, uint64_t refused_before)
{
    cleanup_json json_t *line = NULL;

    if (output->json) {
        line = object(output, "begin");
        json_object_set_new(line, "packets", json_integer((json_int_t)refused_before));
        print_object(line);
        return;
    }
    begin_text(output);
    printf("begins; %" PRIu64 " packets were refused before\n", refused_before);
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

static json_t *port(const struct nflog_packet *packet, uint16_t number)
{
    return packet->has_ports ? json_integer(number) : json_null();
}

static json_t *refused_object(const struct log_output *output, const struct log_member *member,
                              const struct nflog_packet *packet)
{
    json_t *line = object(output, "refused");
    json_t *alternatives = allowed(output, member);
    char source[16] = "";
    char destination[16] = "";
    char number[NUMBER_SIZE];

    if (packet->has_addresses) {
        policy_format_address(packet->source, source);
        policy_format_address(packet->destination, destination);
    }
    json_object_set_new(line, "role", json_string(member->role));
    json_object_set_new(line, "id", json_string(member->id));
    json_object_set_new(line, "link", json_string(member->link));
    json_object_set_new(line, "host", json_boolean(member->host));
    json_object_set_new(line, "protocol", json_string(protocol_name(packet, number)));
    json_object_set_new(line, "source", json_string(source));
    json_object_set_new(line, "source_port", port(packet, packet->source_port));
    json_object_set_new(line, "destination", json_string(destination));
    json_object_set_new(line, "port", port(packet, packet->destination_port));
    json_object_set_new(line, "destination_role", json_string(owner(output, packet)));
    json_object_set_new(line, "fragment", json_boolean(packet->fragment));
    json_object_set_new(line, "truncated", json_boolean(packet->truncated));
    json_object_set_new(line, "allowed", alternatives == NULL ? json_null() : alternatives);
    return line;
}

static void print_end_point(uint32_t address, bool has_port, uint16_t number)
{
    char text[16];

    fputs(policy_format_address(address, text), stdout);
    if (has_port)
        printf(":%u", number);
}

static void print_packet(const struct log_output *output, const struct nflog_packet *packet)
{
    const char *name = owner(output, packet);
    char number[NUMBER_SIZE];

    fputs(protocol_name(packet, number), stdout);
    if (packet->has_addresses) {
        putchar(' ');
        print_end_point(packet->source, packet->has_ports, packet->source_port);
        fputs(" > ", stdout);
        print_end_point(packet->destination, packet->has_ports, packet->destination_port);
    }
    if (name[0] != '\0')
        printf(" (%s)", name);
    if (packet->fragment)
        fputs(" (fragment)", stdout);
    if (packet->truncated)
        fputs(" (cut short)", stdout);
}

static void print_allowed(const json_t *list)
{
    if (list == NULL) {
        fputs("; the policy in force is not known\n", stdout);
        return;
    }
    fputs("; allowed:", stdout);
    for (size_t i = 0; i < json_array_size(list); i++)
        printf("%s %s", i == 0 ? "" : ",", json_string_value(json_array_get(list, i)));
    puts(json_array_size(list) == 0 ? " nothing" : "");
}

void log_line_refused(const struct log_output *output, const struct log_member *member,
                      const struct nflog_packet *packet)
{
    cleanup_json json_t *line = NULL;

    if (output->json) {
        line = refused_object(output, member, packet);
        print_object(line);
        return;
    }
    line = allowed(output, member);
    begin_text(output);
    if (member->host)
        fputs("(host)", stdout);
    else
        fputs(member->role[0] != '\0' ? member->role : "?", stdout);
    printf(" %.12s: refused ", member->id[0] != '\0' ? member->id : "-");
    print_packet(output, packet);
    print_allowed(line);
}
