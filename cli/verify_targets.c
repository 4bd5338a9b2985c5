/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_targets.h"

#include "base/cleanup.h"
#include "netns/hub.h"
#include "netns/member.h"
#include "netns/uplink.h"
#include "policy/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Addresses for documentation (RFC 5737, RFC 3849): nobody there is bothered. A datagram that nobody refuses
 * counts as gone, so that it takes no server to see a leak. */
static const char *const FAR[] = {"203.0.113.80", "198.51.100.80", "2001:db8::80"};

/* Names that exist and that hardly any policy allows (RFC 2606): a proxy that lets them through is seen. */
static const char *const DENIED[] = {"example.com", "example.org", "example.net"};

struct finder {
    struct verify_targets *targets;
    const struct policy *policy;
    const struct policy_role *role;
    const struct verify_quest *quest;
    bool failed; /* no memory, or too many: said once, at the end */
};

__attribute__((format(printf, 3, 4))) static void add(struct finder *finder, struct verify_texts *texts,
                                                      const char *format, ...)
{
    va_list arguments;
    char *text = NULL;
    int length = 0;

    if (texts->count == VERIFY_TARGETS_MAX) {
        finder->failed = true;
        return;
    }
    va_start(arguments, format);
    length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0)
        finder->failed = true;
    else
        texts->texts[texts->count++] = text;
}

static void add_listener(struct finder *finder, const char *address)
{
    add(finder, &finder->targets->arguments,
        strchr(address, ':') != NULL ? "listener=[%s]:%u" : "listener=%s:%u", address,
        finder->quest->listener);
}

static void add_pass_through(struct finder *finder, const char *key, uint16_t port)
{
    char address[16];

    if (port != 0)
        add(finder, &finder->targets->arguments, "%s=%s:%u", finder->role->reach_proxy ? key : "closed",
            policy_format_address(finder->policy->proxy_address, address), port);
}

static void add_proxy(struct finder *finder)
{
    const struct policy *policy = finder->policy;
    char address[16];

    policy_format_address(policy->proxy_address, address);
    add(finder, &finder->targets->arguments, "%s=%s:%u", finder->role->reach_proxy ? "proxy" : "closed",
        address, policy->proxy_port);
    if (!finder->role->reach_proxy)
        add(finder, &finder->targets->left_out, "proxy: the role does not reach it");
    add_pass_through(finder, "sni", policy->proxy_sni);
    add_pass_through(finder, "http", policy->proxy_http);
    if (!uplink_needed(policy))
        return;
    add_listener(finder, address);
    policy_format_address(policy->host_address, address);
    add(finder, &finder->targets->arguments, "uplink=%s", address);
    add_listener(finder, address);
}

static bool host_matches(const struct policy_host *host, const char *name)
{
    size_t length = strlen(host->name);
    size_t whole = strlen(name);

    if (strcasecmp(host->name, name) == 0)
        return true;
    return host->subdomains && whole > length && name[whole - length - 1] == '.' &&
           strcasecmp(name + whole - length, host->name) == 0;
}

static bool may_ask(const struct policy_role *role, const struct policy_host *host)
{
    for (size_t i = 0; i < role->hosts_count; i++)
        if (host_matches(&role->hosts[i], host->name) && role->hosts[i].port == host->port)
            return true;
    return false;
}

/* A host that the proxy allows another role, and not this one: it has to know who asks. */
static void add_other(struct finder *finder)
{
    const struct policy *policy = finder->policy;

    for (size_t i = 0; i < policy->roles_count; i++)
        for (size_t j = 0; j < policy->roles[i].hosts_count; j++) {
            const struct policy_host *host = &policy->roles[i].hosts[j];

            if (!policy->roles[i].reach_proxy || host->subdomains || may_ask(finder->role, host))
                continue;
            add(finder, &finder->targets->arguments, "other=%s:%u", host->name, host->port);
            return;
        }
}

static bool anybody_may(const struct policy *policy, const char *name)
{
    for (size_t i = 0; i < policy->roles_count; i++)
        for (size_t j = 0; j < policy->roles[i].hosts_count; j++)
            if (host_matches(&policy->roles[i].hosts[j], name))
                return true;
    return false;
}

static void add_names(struct finder *finder)
{
    const struct policy_role *role = finder->role;
    size_t i = 0;

    if (!role->reach_proxy)
        return;
    while (i < role->hosts_count && role->hosts[i].subdomains)
        i++;
    if (i < role->hosts_count)
        add(finder, &finder->targets->arguments, "allowed=%s:%u", role->hosts[i].name, role->hosts[i].port);
    else
        add(finder, &finder->targets->left_out, "an allowed host: the role has none that is a whole name");
    for (i = 0; i < array_size(DENIED) && anybody_may(finder->policy, DENIED[i]);)
        i++;
    if (i < array_size(DENIED))
        add(finder, &finder->targets->arguments, "denied=%s:443", DENIED[i]);
    else
        add(finder, &finder->targets->left_out, "a denied host: the policy allows all that we know");
    add_other(finder);
}

/* A host of the list that is reached at the port without a proxy, and that `other` may not ask for (NULL: it
 * may be any). NULL if there is none. */
static const struct policy_host *find_passed(const struct policy *policy, const struct policy_role *role,
                                             const struct policy_role *other)
{
    for (size_t i = 0; i < role->hosts_count; i++)
        if (role->hosts[i].port == policy->proxy_sni && policy_passes_host(policy, &role->hosts[i]) &&
            (other == NULL || !may_ask(other, &role->hosts[i])))
            return &role->hosts[i];
    return NULL;
}

/* Names for the pass-through of TLS: one of the role's own, and one of another's. */
static void add_passed(struct finder *finder)
{
    const struct policy *policy = finder->policy;
    const struct policy_host *host = NULL;

    if (policy->proxy_sni == 0 || !finder->role->reach_proxy)
        return;
    host = find_passed(policy, finder->role, NULL);
    if (host != NULL)
        add(finder, &finder->targets->arguments, "direct=%s:%u", host->name, host->port);
    else
        add(finder, &finder->targets->left_out, "a host without the proxy: the role has none at port %u",
            policy->proxy_sni);
    host = NULL;
    for (size_t i = 0; i < policy->roles_count && host == NULL; i++)
        host = find_passed(policy, &policy->roles[i], finder->role);
    if (host != NULL)
        add(finder, &finder->targets->arguments, "direct-other=%s:%u", host->name, host->port);
}

static void add_inward(struct finder *finder)
{
    struct policy_host host;

    if (finder->quest->inward != NULL && text_host(finder->quest->inward, &host) == NULL)
        add(finder, &finder->targets->arguments, "inward=%s:%u", host.name, host.port);
    else if (finder->role->reach_proxy)
        add(finder, &finder->targets->left_out, "an allowed name that leads inward: give one with --inward");
}

static bool may_reach(const struct finder *finder, const struct policy_role *other, uint16_t port)
{
    for (size_t i = 0; i < finder->role->targets_count; i++) {
        const struct policy_target *target = &finder->role->targets[i];

        if (&finder->policy->roles[target->role] == other && target->port == port)
            return true;
    }
    return false;
}

/* A port of the member that is none of ours to reach. */
static void add_closed(struct finder *finder, const struct policy_role *other, const char *address)
{
    static const uint16_t PORTS[] = {22, 80, 443};

    for (size_t i = 0; i < array_size(PORTS); i++)
        if (other == NULL || !may_reach(finder, other, PORTS[i])) {
            add(finder, &finder->targets->arguments, "closed=%s:%u", address, PORTS[i]);
            return;
        }
}

static bool add_open(struct finder *finder, const struct policy_target *target,
                     const struct hub_member *members, size_t count, unsigned *opens)
{
    const char *name = finder->policy->roles[target->role].name;
    bool found = false;
    char address[16];

    for (size_t i = 0; i < count; i++)
        if (members[i].up && !members[i].host && strcmp(members[i].role, name) == 0) {
            if (++*opens <= VERIFY_TARGET_KEY_MAX)
                add(finder, &finder->targets->arguments, "open=%s:%u",
                    policy_format_address(members[i].address, address), target->port);
            found = true;
        }
    return found;
}

static int add_members(struct finder *finder, int hub, struct error *err)
{
    cleanup_free struct hub_member *members = NULL;
    size_t count = 0;
    unsigned opens = 0;
    unsigned closed = 1; /* the proxy may be one */
    char address[16];
    int result = hub_members(hub, &members, &count, err);

    if (result < 0)
        return result;
    for (size_t i = 0; i < finder->role->targets_count; i++) {
        const struct policy_target *target = &finder->role->targets[i];

        if (!add_open(finder, target, members, count, &opens))
            add(finder, &finder->targets->left_out, "%s:%u: no member of that role is up",
                finder->policy->roles[target->role].name, target->port);
    }
    for (size_t i = 0; i < count; i++)
        if (members[i].up && !members[i].host && ++closed <= VERIFY_TARGET_KEY_MAX)
            add_closed(finder, policy_role_find(finder->policy, members[i].role),
                       policy_format_address(members[i].address, address));
    if (opens > VERIFY_TARGET_KEY_MAX || closed > VERIFY_TARGET_KEY_MAX)
        add(finder, &finder->targets->left_out, "members: there are more than are tried, %d",
            VERIFY_TARGET_KEY_MAX - 1);
    return 0;
}

/* Not loopback, which is the container's own (what else `lo` has is reached from outside as on any other
 * link), nor link-local IPv6, which means nothing on another link, nor the uplink's, which has a key of its
 * own. */
static bool format_host(const struct ifaddrs *at, const char *uplink, char *ret, size_t size)
{
    const void *address = NULL;

    if (at->ifa_addr == NULL || strcmp(at->ifa_name, uplink) == 0)
        return false;
    if (at->ifa_addr->sa_family == AF_INET) {
        const struct in_addr *four = &((const struct sockaddr_in *)(const void *)at->ifa_addr)->sin_addr;

        address = ntohl(four->s_addr) >> 24 == IN_LOOPBACKNET ? NULL : four;
    } else if (at->ifa_addr->sa_family == AF_INET6) {
        const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)at->ifa_addr)->sin6_addr;

        address = IN6_IS_ADDR_LINKLOCAL(six) || IN6_IS_ADDR_LOOPBACK(six) ? NULL : six;
    }
    return address != NULL && inet_ntop(at->ifa_addr->sa_family, address, ret, (socklen_t)size) != NULL;
}

static int add_hosts(struct finder *finder, struct error *err)
{
    struct ifaddrs *all = NULL;
    char uplink[IFNAMSIZ];
    char address[INET6_ADDRSTRLEN];
    unsigned count = 0;
    unsigned more = 0;

    if (getifaddrs(&all) < 0)
        return error_set(err, errno, "list the host's addresses");
    uplink_name(finder->policy->network, uplink);
    for (const struct ifaddrs *at = all; at != NULL; at = at->ifa_next) {
        if (!format_host(at, uplink, address, sizeof(address)))
            continue;
        if (++count <= VERIFY_HOSTS_MAX) {
            add(finder, &finder->targets->arguments, "host=%s", address);
            add_listener(finder, address);
        } else
            more++;
    }
    freeifaddrs(all);
    if (more > 0)
        add(finder, &finder->targets->left_out, "%u more addresses of this host", more);
    return 0;
}

int verify_targets_find(const struct verify_quest *quest, struct verify_targets *ret, struct error *err)
{
    const struct policy *policy = quest->policy;
    struct finder finder = {.targets = ret, .policy = policy, .role = quest->role, .quest = quest};
    int result = 0;
    char address[16];

    *ret = (struct verify_targets){0};
    add(&finder, &ret->arguments, "marker=%s", quest->marker);
    add(&finder, &ret->arguments, "subnet=%s/%u", policy_format_address(policy->subnet, address),
        policy->prefix);
    if (quest->role->links != POLICY_LINKS_KEEP)
        add(&finder, &ret->arguments, "link=" MEMBER_LINK);
    if (quest->role->nested)
        add(&finder, &ret->arguments, "nested=yes");
    for (size_t i = 0; i < array_size(FAR); i++)
        add(&finder, &ret->arguments, "far=%s", FAR[i]);
    for (size_t i = 0; i < quest->far_count; i++)
        add(&finder, &ret->arguments, "far=%s", quest->far[i]);
    /* An address of nobody: what is sent there comes into the hub, and no further. */
    add_listener(&finder, policy_format_address(policy->subnet, address));
    add_proxy(&finder);
    add_names(&finder);
    add_passed(&finder);
    add_inward(&finder);
    result = add_members(&finder, quest->hub, err);
    if (result == 0)
        result = add_hosts(&finder, err);
    if (result == 0 && finder.failed)
        result = error_set(err, ENOMEM, "make the list of what is to be tried");
    return result;
}

int verify_targets_check_far(const struct policy *policy, const char *far, struct error *err)
{
    const struct policy_range subnet = policy_subnet(policy);
    struct in6_addr six;
    struct in_addr four;

    if (inet_pton(AF_INET6, far, &six) == 1)
        return 0;
    if (inet_pton(AF_INET, far, &four) != 1) {
        error_set(err, 0, "--far `%.64s` is no address", far);
        return error_advise(err, "give one of a host of yours outside, in numbers");
    }
    if (ntohl(four.s_addr) < subnet.first || ntohl(four.s_addr) > subnet.last)
        return 0;
    error_set(err, 0, "--far %s is in the network's own subnet", far);
    return error_advise(err, "give the address of a host outside");
}

int verify_targets_check_inward(const struct policy_role *role, const char *inward, struct error *err)
{
    struct policy_host host;
    const char *reason = text_host(inward, &host);

    if (reason != NULL)
        return error_set(err, 0, "--inward \"%.64s\": %s", inward, reason);
    if (may_ask(role, &host))
        return 0;
    error_set(err, 0, "--inward %s:%u is not allowed to role %s", host.name, host.port, role->name);
    return error_advise(err,
                        "give a name that is among its hosts, so that only where it leads can be refused");
}

bool verify_targets_have(const struct verify_targets *targets, const char *key)
{
    size_t length = strlen(key);

    for (size_t i = 0; i < targets->arguments.count; i++)
        if (strncmp(targets->arguments.texts[i], key, length) == 0 &&
            targets->arguments.texts[i][length] == '=')
            return true;
    return false;
}

static void texts_free(struct verify_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->texts[i]);
    texts->count = 0;
}

void verify_targets_free(struct verify_targets *targets)
{
    texts_free(&targets->arguments);
    texts_free(&targets->left_out);
}
