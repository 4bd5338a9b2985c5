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

/* Which of the proxy's programs refused. */
static const char *who(const struct squid_log_line *line)
{
    return strcmp(line->method, SQUID_LOG_TLS) == 0 || strcmp(line->method, SQUID_LOG_HTTP) == 0
               ? "pass-through"
               : "proxy";
}

static void stale(const struct policy *policy, const char *what, const struct squid_log_line *line,
                  struct log_reason *ret)
{
    char allow[256];

    snprintf(allow, sizeof(allow), "run `sallyport proxy-config squid %s --install`%s", policy->network,
             policy->proxy_at == POLICY_PROXY_AT_MEMBER ? ", then have the proxy's engine send it SIGHUP"
                                                        : "");
    set(ret, allow, "%s: %s, but the proxy has another policy", who(line), what);
}

/* A name that the role's list has, but that the pass-through did not pass on. */
static void connect_only(const struct policy *policy, const struct policy_role *role,
                         const struct target *target, const struct answer *answer, struct log_reason *ret)
{
    char allow[POLICY_HOST_SIZE + 256];

    snprintf(allow, sizeof(allow),
             "add \"%s%s\" to $.roles.%s.hosts, then run `sallyport proxy-config haproxy %s --install`, and "
             "start the container anew",
             target->name, target->port == policy->proxy_http ? ":80" : "", role->name, policy->network);
    set(ret, allow, "pass-through: %s is for CONNECT only", answer->line);
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
        set(ret, LOG_NOTHING, "%s: the address that asks is no role's", who(line));
        return;
    }
    if (line->cut || target_parse(policy, line->target, &target, &unused) < 0) {
        set(ret, LOG_NOTHING, "%s: what is asked for is no name of a host", who(line));
        return;
    }
    answer_make_request(policy, role, &target, &answer);
    if (answer.allowed && !answer.passed && strcmp(who(line), "proxy") != 0)
        connect_only(policy, role, &target, &answer, ret);
    else if (answer.allowed)
        stale(policy, answer.line, line, ret);
    else
        set_answer(ret, who(line), &answer);
}

void log_reason_request(const struct policy *policy, const struct squid_log_line *line,
                        struct log_reason *ret)
{
    if (strcmp(line->denial, "-") == 0 && line->denied)
        set(ret, "", "proxy: a rule that is not Sallyport's");
    else if (strcmp(line->denial, "-") == 0)
        set(ret, LOG_NOTHING, "proxy: not a request that it understands (%u)", line->status);
    else if (strcmp(line->denial, SQUID_LOG_UNNAMED) == 0)
        set(ret, LOG_NOTHING,
            "pass-through: neither TLS with a server name nor, at port 80, HTTP with a Host");
    else if (strcmp(line->denial, SQUID_LOG_METHOD) == 0 ||
             (strcmp(who(line), "proxy") == 0 && strcmp(line->method, "CONNECT") != 0))
        set(ret, LOG_NOTHING, "proxy: it takes CONNECT only, as for https");
    else if (strcmp(line->denial, SQUID_LOG_NAME) == 0)
        set(ret, LOG_NOTHING, "%s: the name does not resolve", who(line));
    else if (strcmp(line->denial, SQUID_LOG_SUBNET) == 0)
        set(ret, LOG_NOTHING, "%s: the name leads to addresses of the network itself", who(line));
    else if (strcmp(line->denial, SQUID_LOG_HOSTS) != 0)
        set(ret, LOG_NOTHING, "%s: target not public (%s)", who(line), line->denial);
    else if (policy != NULL)
        hosts_reason(policy, line, ret);
    else
        set(ret, "", "%s: hosts of the role", who(line));
}
