/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/log_reason.h"

#include "base/cleanup.h"
#include "cli/explain_answer.h"
#include "cli/explain_target.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void __attribute__((format(printf, 3, 4)))
set(struct log_reason *ret, const char *allow, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(ret->rule, sizeof(ret->rule), format, arguments);
    va_end(arguments);
    snprintf(ret->allow, sizeof(ret->allow), "%s", allow);
}

static void set_answer(struct log_reason *ret, const char *wall, const struct answer *answer)
{
    set(ret, answer->advice[0] != '\0' ? answer->advice : LOG_NOTHING, "%s: %s", wall, answer->reason);
}

/* The rule of packets that are refused whatever the policy says; NULL if it depends. */
static const char *never(const struct nflog_packet *packet)
{
    if (packet->version == 6)
        return "hub: IPv6 is never forwarded";
    if (!packet->has_addresses)
        return "hub: the packet is broken";
    if (packet->fragment)
        return "hub: fragments are never forwarded";
    if (packet->protocol == IPPROTO_UDP)
        return "hub: UDP is never forwarded";
    if (packet->protocol == IPPROTO_ICMP)
        return "hub: ICMP is never forwarded";
    if (packet->protocol != IPPROTO_TCP)
        return "hub: only TCP is forwarded";
    if (!packet->has_ports)
        return "hub: the packet is broken";
    return NULL;
}

static void host_reason(const struct policy *policy, const struct nflog_packet *packet,
                        struct log_reason *ret)
{
    const struct policy_role *role = policy_role_of(policy, packet->destination);
    char allow[256];

    if (packet->source == policy->proxy_address) {
        set(ret, LOG_NOTHING, "hub: the proxy opens no connections to members");
    } else if (role == NULL) {
        set(ret, LOG_NOTHING, "hub: no role has the address");
    } else {
        snprintf(allow, sizeof(allow),
                 "add \"127.0.0.1:%u:%u\" to $.roles.%s.publish, then run `sallyport network reload %s` and "
                 "`sallyport publish %s --install`",
                 packet->destination_port, packet->destination_port, role->name, policy->network,
                 policy->network);
        set(ret, allow, "hub: $.roles.%s.publish does not have port %u", role->name,
            packet->destination_port);
    }
}

static void member_reason(const struct policy *policy, const struct policy_role *role,
                          const struct nflog_packet *packet, struct log_reason *ret)
{
    const struct target target = {.kind = TARGET_IPV4,
                                  .port = packet->destination_port,
                                  .to = {packet->destination, packet->destination}};
    struct answer answer;

    answer_make(policy, role, &target, &answer);
    if (answer.allowed)
        set(ret, "", "hub: the packet is no part of a connection");
    else
        set_answer(ret, "hub", &answer);
}

void log_reason_packet(const struct policy *policy, const struct policy_role *role, bool host,
                       const struct nflog_packet *packet, struct log_reason *ret)
{
    const char *rule = never(packet);

    if (rule != NULL)
        set(ret, LOG_NOTHING, "%s", rule);
    else if (packet->later)
        set(ret, LOG_NOTHING, "hub: it belongs to no connection that the policy allows");
    else if (policy != NULL && host)
        host_reason(policy, packet, ret);
    else if (policy != NULL && role != NULL)
        member_reason(policy, role, packet, ret);
    else
        set(ret, "", "hub: the policy in force does not allow it");
}

static void stale(const struct policy *policy, const char *what, struct log_reason *ret)
{
    char allow[256];

    snprintf(allow, sizeof(allow), "run `sallyport proxy-config squid %s --install`%s", policy->network,
             policy->proxy_at == POLICY_PROXY_AT_MEMBER ? ", then have the proxy's engine send it SIGHUP"
                                                        : "");
    set(ret, allow, "proxy: %s, but the proxy has another policy", what);
}

/* Neither a host of the role's list, nor a role. */
static void hosts_reason(const struct policy *policy, const struct squid_log_line *line,
                         struct log_reason *ret)
{
    const struct policy_role *role = policy_role_of(policy, line->client);
    struct target target;
    struct answer answer;
    struct error unused;

    if (role == NULL) {
        set(ret, LOG_NOTHING, "proxy: the address that asks is no role's");
        return;
    }
    if (line->cut || target_parse(policy, line->target, &target, &unused) < 0) {
        set(ret, LOG_NOTHING, "proxy: what is asked for is no name of a host");
        return;
    }
    answer_make_request(policy, role, &target, &answer);
    if (answer.allowed)
        stale(policy, answer.line, ret);
    else
        set_answer(ret, "proxy", &answer);
}

void log_reason_request(const struct policy *policy, const struct squid_log_line *line,
                        struct log_reason *ret)
{
    if (strcmp(line->denial, "-") == 0 && line->denied)
        set(ret, "", "proxy: a rule that is not Sallyport's");
    else if (strcmp(line->denial, "-") == 0)
        set(ret, LOG_NOTHING, "proxy: not a request that it understands (%u)", line->status);
    else if (strcmp(line->denial, SQUID_LOG_METHOD) == 0 || strcmp(line->method, "CONNECT") != 0)
        set(ret, LOG_NOTHING, "proxy: it takes CONNECT only, as for https");
    else if (strcmp(line->denial, SQUID_LOG_NAME) == 0)
        set(ret, LOG_NOTHING, "proxy: the name does not resolve");
    else if (strcmp(line->denial, SQUID_LOG_SUBNET) == 0)
        set(ret, LOG_NOTHING, "proxy: the name leads to addresses of the network itself");
    else if (strcmp(line->denial, SQUID_LOG_HOSTS) != 0)
        set(ret, LOG_NOTHING, "proxy: target not public (%s)", line->denial);
    else if (policy != NULL)
        hosts_reason(policy, line, ret);
    else
        set(ret, "", "proxy: hosts of the role");
}
