/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/explain_answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct policy_range loopback = {0x7f000000, 0x7fffffff};
static const uint32_t engine_resolver = 0x7f00000b; /* 127.0.0.11 */

struct question {
    const struct policy *policy;
    const struct policy_role *role;
    const struct target *target;
};

static void __attribute__((format(printf, 2, 3))) allow(struct answer *ret, const char *format, ...)
{
    va_list arguments;

    ret->allowed = true;
    va_start(arguments, format);
    vsnprintf(ret->line, sizeof(ret->line), format, arguments);
    va_end(arguments);
}

static void __attribute__((format(printf, 3, 4)))
refuse(struct answer *ret, const char *wall, const char *format, ...)
{
    va_list arguments;

    ret->wall = wall;
    va_start(arguments, format);
    vsnprintf(ret->reason, sizeof(ret->reason), format, arguments);
    va_end(arguments);
}

static void __attribute__((format(printf, 2, 3))) advise(struct answer *ret, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(ret->advice, sizeof(ret->advice), format, arguments);
    va_end(arguments);
}

/* What advice begins with where there is no file yet that could be changed. */
static const char *file_first(const struct policy *policy)
{
    return policy->built_in ? "write " POLICY_DIRECTORY "/" POLICY_DEFAULT_NETWORK ".json and " : "";
}

static bool within(const struct policy_range *inner, const struct policy_range *outer)
{
    return outer->first <= inner->first && inner->last <= outer->last;
}

static bool is_one(const struct policy_range *range, uint32_t address)
{
    return range->first == address && range->last == address;
}

/* The role keeps what its engine adds: Sallyport's walls are around its own link only. */
static bool keeps_links(const struct policy_role *role)
{
    return role->links == POLICY_LINKS_KEEP || strcmp(role->name, POLICY_PROXY_ROLE) == 0;
}

static void answer_loopback(const struct question *question, struct answer *ret)
{
    if (is_one(&question->target->to, engine_resolver) && !keeps_links(question->role)) {
        refuse(ret, "guard", "engines put a resolver there that asks the world");
        return;
    }
    ret->way = "loopback";
    allow(ret, "%s", "");
    snprintf(ret->reason, sizeof(ret->reason), "the member itself, no packet leaves it");
}

/* The ports of the proxy in words. Returns whether `port` is among them. */
static bool list_proxy_ports(const struct policy *policy, uint16_t port, char ret_words[64])
{
    uint16_t ports[POLICY_PROXY_PORTS_MAX];
    size_t count = policy_proxy_ports(policy, ports);
    bool among = false;

    ret_words[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(ret_words);

        snprintf(ret_words + length, 64 - length, "%s%u",
                 i == 0           ? ""
                 : i + 1 == count ? " and "
                                  : ", ",
                 ports[i]);
        among = among || ports[i] == port;
    }
    return among;
}

static void answer_proxy(const struct question *question, struct answer *ret)
{
    const struct policy *policy = question->policy;
    const char *role = question->role->name;
    char ports[64];

    if (!list_proxy_ports(policy, question->target->port, ports)) {
        refuse(ret, "hub", "the proxy is reached at port %s only", ports);
    } else if (question->role->reach_proxy) {
        ret->way = "direct";
        allow(ret, "$.roles.%s.reach \"proxy\"", role);
    } else {
        refuse(ret, "hub", "$.roles.%s.reach does not have \"proxy\"", role);
        advise(ret, "add \"proxy\" to $.roles.%s.reach, then run `sallyport network reload %s`", role,
               policy->network);
    }
}

static void answer_member(const struct question *question, const struct policy_role *member,
                          struct answer *ret)
{
    const struct policy *policy = question->policy;
    const struct policy_role *role = question->role;
    const uint16_t port = question->target->port;

    for (size_t i = 0; i < role->targets_count; i++)
        if (&policy->roles[role->targets[i].role] == member && role->targets[i].port == port) {
            ret->way = "direct";
            allow(ret, "$.roles.%s.reach \"%s:%u\"", role->name, member->name, port);
            return;
        }
    if (strcmp(role->name, POLICY_PROXY_ROLE) == 0) {
        refuse(ret, "hub", "the proxy opens no connections to members");
        return;
    }
    refuse(ret, "hub", "$.roles.%s.reach does not have \"%s:%u\"", role->name, member->name, port);
    advise(ret, "%sadd \"%s:%u\" to $.roles.%s.reach, then run `sallyport network reload %s`",
           file_first(policy), member->name, port, role->name, policy->network);
}

static void answer_subnet(const struct question *question, struct answer *ret)
{
    const struct policy *policy = question->policy;
    const struct policy_range *to = &question->target->to;
    const struct policy_role *member = policy_role_of(policy, to->first);

    if (is_one(to, policy->proxy_address))
        answer_proxy(question, ret);
    else if (is_one(to, policy->host_address))
        refuse(ret, "hub", "the address is the host's own and takes no connections");
    else if (member == NULL)
        refuse(ret, "hub", "no role has the address");
    else
        answer_member(question, member, ret);
}

static void answer_kept_links(const struct policy_role *role, struct answer *ret)
{
    ret->way = "engine";
    if (strcmp(role->name, POLICY_PROXY_ROLE) == 0)
        allow(ret, "$.proxy.at \"member\"");
    else
        allow(ret, "$.roles.%s.links \"keep\"", role->name);
    snprintf(ret->reason, sizeof(ret->reason),
             "the role keeps the links that its engine adds, and Sallyport does not filter those");
}

static void answer_outside(const struct question *question, const char *reason, struct answer *ret)
{
    if (keeps_links(question->role)) {
        answer_kept_links(question->role, ret);
        return;
    }
    refuse(ret, "routes and guard", "%s, and the proxy takes names only", reason);
    advise(ret, "allow a host by its name, in $.roles.%s.hosts; all addresses of the name have to be public",
           question->role->name);
}

static void answer_ipv4(const struct question *question, struct answer *ret)
{
    const struct policy_range subnet = policy_subnet(question->policy);
    const struct policy_range *to = &question->target->to;
    const struct policy_range *own = &question->role->addresses;

    if (within(to, &loopback) || (own->first == own->last && is_one(to, own->first)))
        answer_loopback(question, ret);
    else if (within(to, &subnet))
        answer_subnet(question, ret);
    else
        answer_outside(question, "the only way out is into the network", ret);
}

static bool name_matches(const struct policy_host *host, const char *name)
{
    size_t length = strlen(name);
    size_t host_length = strlen(host->name);

    if (strcmp(host->name, name) == 0)
        return true;
    return host->subdomains && length > host_length && name[length - host_length - 1] == '.' &&
           strcmp(name + length - host_length, host->name) == 0;
}

/* The index of the first host of the role's list that allows the name at the port (at any if it is 0), or
 * hosts_count. */
static size_t find_host(const struct policy_role *role, const char *name, uint16_t port)
{
    size_t i = 0;

    while (i < role->hosts_count &&
           ((port != 0 && role->hosts[i].port != port) || !name_matches(&role->hosts[i], name)))
        i++;
    return i;
}

/* The port as an entry of the list has it. */
static const char *format_port(uint16_t port, char buffer[8])
{
    buffer[0] = '\0';
    if (port != 443)
        snprintf(buffer, 8, ":%u", port);
    return buffer;
}

/* Whether the role's list has the name itself, at the port of a pass-through. */
static bool is_passed(const struct question *question)
{
    const struct policy_role *role = question->role;

    for (size_t i = 0; i < role->hosts_count; i++)
        if (role->hosts[i].port == question->target->port &&
            policy_passes_host(question->policy, &role->hosts[i]) &&
            strcmp(role->hosts[i].name, question->target->name) == 0)
            return true;
    return false;
}

/* What a program has to do to get there. */
static const char *how(const struct question *question, bool passed)
{
    if (!policy_passes(question->policy))
        return "with CONNECT";
    if (!passed)
        return "with CONNECT only";
    return question->target->port == question->policy->proxy_sni
               ? "with CONNECT, or by the server name of its TLS, as programs do that know no proxy"
               : "with CONNECT, or by the Host header of plain HTTP, as programs do that know no proxy";
}

/* Returns false, with `ret` untouched, if the role's list does not have the name at the port. */
static bool answer_listed(const struct question *question, struct answer *ret)
{
    const struct policy_role *role = question->role;
    const struct target *target = question->target;
    size_t index = target->name[0] != '\0' ? find_host(role, target->name, target->port) : role->hosts_count;
    const struct policy_host *host = NULL;
    char port[8];

    if (index == role->hosts_count)
        return false;
    host = &role->hosts[index];
    *ret = (struct answer){.way = "proxy", .passed = is_passed(question)};
    allow(ret, "$.roles.%s.hosts[%zu] \"%s%s%s\"", role->name, index, host->subdomains ? "." : "", host->name,
          format_port(host->port, port));
    snprintf(ret->reason, sizeof(ret->reason),
             "%s; the proxy still refuses it while an address of the name is not public",
             how(question, ret->passed));
    return true;
}

static void advise_host(const struct question *question, struct answer *ret)
{
    const struct policy *policy = question->policy;
    const struct policy_role *role = question->role;
    const struct target *target = question->target;
    char port[8];
    char reach[64] = "";
    char reload[64] = "";

    if (!role->reach_proxy) {
        snprintf(reach, sizeof(reach), "\"proxy\" to $.roles.%s.reach and ", role->name);
        snprintf(reload, sizeof(reload), "`sallyport network reload %s` and ", policy->network);
    }
    advise(ret,
           "%sadd %s\"%s%s\" to $.roles.%s.hosts, then run %s`sallyport proxy-config squid %s --install`",
           file_first(policy), reach, target->name, format_port(target->port, port), role->name, reload,
           policy->network);
}

/* A name that is not on the list. */
static void refuse_name(const struct question *question, struct answer *ret)
{
    const struct policy_role *role = question->role;
    size_t other = find_host(role, question->target->name, 0);

    if (!role->reach_proxy)
        refuse(ret, "hub", "$.roles.%s.reach does not have \"proxy\", and the member has no DNS", role->name);
    else if (other < role->hosts_count)
        refuse(ret, "proxy", "$.roles.%s.hosts[%zu] allows the name at port %u only", role->name, other,
               role->hosts[other].port);
    else
        refuse(ret, "proxy", "$.roles.%s.hosts does not have the name", role->name);
    advise_host(question, ret);
}

static void answer_name(const struct question *question, struct answer *ret)
{
    if (answer_listed(question, ret))
        return;
    if (keeps_links(question->role))
        answer_kept_links(question->role, ret);
    else
        refuse_name(question, ret);
}

void answer_make(const struct policy *policy, const struct policy_role *role, const struct target *target,
                 struct answer *ret)
{
    const struct question question = {policy, role, target};
    struct answer answer = {.allowed = false};

    if (target->kind == TARGET_IPV4)
        answer_ipv4(&question, &answer);
    else if (target->kind == TARGET_IPV6)
        answer_outside(&question, "there is no IPv6", &answer);
    else
        answer_name(&question, &answer);
    /* A name of the network may be on the list as well. */
    if (!answer.allowed)
        answer_listed(&question, &answer);
    *ret = answer;
}

void answer_make_request(const struct policy *policy, const struct policy_role *role,
                         const struct target *target, struct answer *ret)
{
    const struct question question = {policy, role, target};
    struct answer answer = {.allowed = false};

    if (answer_listed(&question, &answer)) {
        *ret = answer;
        return;
    }
    if (target->kind == TARGET_NAME)
        refuse_name(&question, &answer);
    else if (target->name[0] != '\0')
        refuse(&answer, "proxy", "the name is one inside the network, where members connect by themselves");
    else
        refuse(&answer, "proxy", "it takes names only, no addresses");
    *ret = answer;
}
