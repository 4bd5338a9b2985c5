/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/explain_target.h"

#include "policy/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { PORT_DEFAULT = 443 };

static const struct policy_range loopback = {0x7f000001, 0x7f000001};

/* HOST[:PORT] in its two parts. Brackets and colons say which address is one of IPv6. */
struct parts {
    char host[POLICY_HOST_SIZE];
    const char *port; /* NULL: none */
    bool ipv6;
};

static const char *split(const char *text, struct parts *ret)
{
    const bool bracket = text[0] == '[';
    const char *start = text + bracket;
    const char *colon = strchr(start, ':');
    const char *end = bracket ? strchr(text, ']') : colon;

    ret->ipv6 = bracket || (colon != NULL && strchr(colon + 1, ':') != NULL);
    if (bracket && end == NULL)
        return "the bracket is not closed";
    if (end == NULL || (ret->ipv6 && !bracket))
        end = start + strlen(start);
    if ((size_t)(end - start) >= sizeof(ret->host))
        return "the host is too long";
    memcpy(ret->host, start, (size_t)(end - start));
    ret->host[end - start] = '\0';
    end += bracket;
    if (*end != ':' && *end != '\0')
        return "something else than a port follows the address";
    ret->port = *end == ':' ? end + 1 : NULL;
    return NULL;
}

static void set_ipv4(struct target *target, struct policy_range to)
{
    target->kind = TARGET_IPV4;
    /* Linux connects to itself. */
    target->to = to.first == INADDR_ANY ? loopback : to;
}

static const char *read_ipv6(const char *host, struct target *target)
{
    struct in6_addr address;
    char plain[INET6_ADDRSTRLEN];
    size_t length = strcspn(host, "%"); /* the link that a link-local address belongs to */
    uint32_t last = 0;

    if (length >= sizeof(plain))
        return "not an IPv6 address";
    memcpy(plain, host, length);
    plain[length] = '\0';
    if (inet_pton(AF_INET6, plain, &address) != 1)
        return "not an IPv6 address";
    memcpy(&last, address.s6_addr + 12, sizeof(last));
    if (IN6_IS_ADDR_LOOPBACK(&address) || IN6_IS_ADDR_UNSPECIFIED(&address))
        set_ipv4(target, loopback);
    else if (IN6_IS_ADDR_V4MAPPED(&address))
        set_ipv4(target, (struct policy_range){ntohl(last), ntohl(last)});
    else
        target->kind = TARGET_IPV6;
    return NULL;
}

/* What the hosts file of a member says, and where a role has more than one address, all of them. */
static void resolve_name(const struct policy *policy, struct target *target)
{
    const struct policy_role *role = policy_role_find(policy, target->name);

    target->kind = TARGET_NAME;
    if (strcmp(target->name, "localhost") == 0)
        set_ipv4(target, loopback);
    else if (strcmp(target->name, POLICY_PROXY_ROLE) == 0)
        set_ipv4(target, (struct policy_range){policy->proxy_address, policy->proxy_address});
    else if (role != NULL)
        set_ipv4(target, role->addresses);
}

static const char *read_host(const struct policy *policy, const struct parts *parts, struct target *target)
{
    struct policy_host host;
    uint32_t address = 0;
    const char *reason = NULL;

    if (parts->ipv6)
        return read_ipv6(parts->host, target);
    if (text_address(parts->host, strlen(parts->host), &address) == NULL) {
        set_ipv4(target, (struct policy_range){address, address});
        return NULL;
    }
    if (parts->host[0] == '.')
        return "a leading dot is for lists; ask about one name";
    reason = text_host(parts->host, &host);
    if (reason != NULL)
        return reason;
    strcpy(target->name, host.name);
    resolve_name(policy, target);
    return NULL;
}

static const char *read_port(const struct policy *policy, const struct parts *parts, struct target *target)
{
    target->port = PORT_DEFAULT;
    if (parts->port != NULL)
        return text_port(parts->port, &target->port);
    if (strcmp(target->name, POLICY_PROXY_ROLE) == 0)
        target->port = policy->proxy_port;
    else if (policy_role_find(policy, target->name) != NULL)
        return "this is a role: say which port, as in ROLE:8080";
    return NULL;
}

int target_parse(const struct policy *policy, const char *text, struct target *ret, struct error *err)
{
    struct target target = {.port = 0};
    struct parts parts;
    const char *reason =
        strchr(text, '/') != NULL ? "ask about HOST[:PORT], without scheme and path" : split(text, &parts);

    if (reason == NULL)
        reason = read_host(policy, &parts, &target);
    if (reason == NULL)
        reason = read_port(policy, &parts, &target);
    if (reason != NULL)
        return error_set(err, 0, "`%.300s`: %s", text, reason);
    snprintf(target.text, sizeof(target.text), parts.ipv6 ? "[%s]:%u" : "%s:%u",
             target.name[0] != '\0' ? target.name : parts.host, target.port);
    *ret = target;
    return 0;
}
