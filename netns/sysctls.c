/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/sysctls.h"

#include "base/cleanup.h"
#include "netns/namespace.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct sysctl {
    const char *family;
    const char *key;
    const char *value;
};

/* In `all` and `default` before there is a link: new namespaces inherit the host's defaults (rp_filter=2 and
 * route_localnet=1 were seen). */
static const struct sysctl hub[] = {
    {"ipv4", "forwarding", "1"}, /* first: in `all` it is ip_forward and changes others */
    {"ipv4", "rp_filter",
     "1"}, /* a member can only send from its own address: the hub has a /32 route to it */
    {"ipv4", "accept_local", "0"},
    {"ipv4", "route_localnet", "0"},
    {"ipv4", "proxy_arp", "0"},
    {"ipv4", "proxy_arp_pvlan", "0"},
    {"ipv4", "accept_source_route", "0"},
    {"ipv4", "accept_redirects", "0"},
    {"ipv4", "send_redirects", "0"},
    {"ipv4", "bc_forwarding", "0"},
    {"ipv4", "src_valid_mark", "0"},
    {"ipv4", "log_martians", "0"},
    {"ipv4", "ignore_routes_with_linkdown", "0"}, /* a link's carrier is noticed up to a second late */
    {"ipv6", "disable_ipv6", "1"},
};

/* The host's end speaks IPv4 with the hub and nothing else. */
static const struct sysctl uplink[] = {
    {"ipv6", "disable_ipv6", "1"},        {"ipv4", "forwarding", "0"},       {"ipv4", "rp_filter", "1"},
    {"ipv4", "accept_local", "0"},        {"ipv4", "route_localnet", "0"},   {"ipv4", "proxy_arp", "0"},
    {"ipv4", "accept_source_route", "0"}, {"ipv4", "accept_redirects", "0"}, {"ipv4", "send_redirects", "0"},
    {"ipv4", "bc_forwarding", "0"},
};

static const struct {
    const struct sysctl *settings;
    size_t count;
    const char *where; /* in messages */
    const char *kind;  /* of findings */
} lists[] = {
    [SYSCTLS_HUB] = {hub, array_size(hub), "in the hub", "hub-sysctl"},
    [SYSCTLS_UPLINK] = {uplink, array_size(uplink), "on the host", FINDING_UPLINK_SYSCTL},
};

static bool is_there(const struct sysctl *setting)
{
    return strcmp(setting->family, "ipv6") != 0 || namespace_has_ipv6();
}

int sysctls_set(enum sysctls list, const char *place, struct error *err)
{
    int result = 0;

    for (size_t i = 0; i < lists[list].count && result == 0; i++) {
        const struct sysctl *setting = &lists[list].settings[i];
        char name[128];

        if (!is_there(setting))
            continue;
        snprintf(name, sizeof(name), "net/%s/conf/%s/%s", setting->family, place, setting->key);
        result = namespace_sysctl(name, setting->value, err);
    }
    return result;
}

int sysctls_look(enum sysctls list, const char *place, const char *network, struct findings *findings,
                 struct error *err)
{
    for (size_t i = 0; i < lists[list].count; i++) {
        const struct sysctl *setting = &lists[list].settings[i];
        char name[128];
        char value[16];
        int result = 0;

        if (!is_there(setting))
            continue;
        snprintf(name, sizeof(name), "net/%s/conf/%s/%s", setting->family, place, setting->key);
        result = namespace_sysctl_read(name, value, sizeof(value), err);
        if (result == -ENOENT)
            continue;
        if (result < 0)
            return result;
        if (strcmp(value, setting->value) != 0)
            finding_add(findings, lists[list].kind,
                        "%s %s is %s and has to be %s: run `sallyport network reload %s`", name,
                        lists[list].where, value, setting->value, network);
    }
    return 0;
}
