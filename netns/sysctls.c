/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/sysctls.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ip.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct sysctl {
    const char *family;
    const char *key;
    const char *value;
    unsigned number; /* under which the kernel tells a link's, of linux/ip.h; of IPv6 there is one only */
};

/* In `all` and `default` before there is a link: new namespaces inherit the host's defaults (rp_filter=2 and
 * route_localnet=1 were seen). */
static const struct sysctl hub[] = {
    {"ipv4", "forwarding", "1",
     IPV4_DEVCONF_FORWARDING}, /* first: in `all` it is ip_forward and changes others */
    {"ipv4", "rp_filter", "1",
     IPV4_DEVCONF_RP_FILTER}, /* a member can only send from its own address: the hub has a /32 route to it */
    {"ipv4", "accept_local", "0", IPV4_DEVCONF_ACCEPT_LOCAL},
    {"ipv4", "route_localnet", "0", IPV4_DEVCONF_ROUTE_LOCALNET},
    {"ipv4", "proxy_arp", "0", IPV4_DEVCONF_PROXY_ARP},
    {"ipv4", "proxy_arp_pvlan", "0", IPV4_DEVCONF_PROXY_ARP_PVLAN},
    {"ipv4", "accept_source_route", "0", IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE},
    {"ipv4", "accept_redirects", "0", IPV4_DEVCONF_ACCEPT_REDIRECTS},
    {"ipv4", "send_redirects", "0", IPV4_DEVCONF_SEND_REDIRECTS},
    {"ipv4", "bc_forwarding", "0", IPV4_DEVCONF_BC_FORWARDING},
    {"ipv4", "src_valid_mark", "0", IPV4_DEVCONF_SRC_VMARK},
    {"ipv4", "log_martians", "0", IPV4_DEVCONF_LOG_MARTIANS},
    {"ipv4", "ignore_routes_with_linkdown", "0",
     IPV4_DEVCONF_IGNORE_ROUTES_WITH_LINKDOWN}, /* a link's carrier is noticed up to a second late */
    {"ipv6", "disable_ipv6", "1", 0},
};

/* The host's end speaks IPv4 with the hub and nothing else. */
static const struct sysctl uplink[] = {
    {"ipv6", "disable_ipv6", "1", 0},
    {"ipv4", "forwarding", "0", IPV4_DEVCONF_FORWARDING},
    {"ipv4", "rp_filter", "1", IPV4_DEVCONF_RP_FILTER},
    {"ipv4", "accept_local", "0", IPV4_DEVCONF_ACCEPT_LOCAL},
    {"ipv4", "route_localnet", "0", IPV4_DEVCONF_ROUTE_LOCALNET},
    {"ipv4", "proxy_arp", "0", IPV4_DEVCONF_PROXY_ARP},
    {"ipv4", "accept_source_route", "0", IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE},
    {"ipv4", "accept_redirects", "0", IPV4_DEVCONF_ACCEPT_REDIRECTS},
    {"ipv4", "send_redirects", "0", IPV4_DEVCONF_SEND_REDIRECTS},
    {"ipv4", "bc_forwarding", "0", IPV4_DEVCONF_BC_FORWARDING},
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

enum { NAME_SIZE = 128, VALUE_SIZE = 16 };

int sysctls_open(struct sysctls_directories *ret, struct error *err)
{
    ret->ipv4 = open("/proc/sys/net/ipv4/conf", O_PATH | O_DIRECTORY | O_CLOEXEC);
    ret->ipv6 = open("/proc/sys/net/ipv6/conf", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (ret->ipv4 < 0 || (ret->ipv6 < 0 && errno != ENOENT)) /* a kernel may be without IPv6 */
        return error_set(err, errno, "open the settings in /proc/sys/net");
    return 0;
}

void sysctls_close(const struct sysctls_directories *directories)
{
    cleanup_close_at(&directories->ipv4);
    cleanup_close_at(&directories->ipv6);
}

/* Whether the kernel has told that the link has the value already. */
static bool is_told(const struct sysctl *setting, const struct link_settings *told)
{
    unsigned wanted = (unsigned)(setting->value[0] - '0');

    if (told == NULL)
        return false;
    if (strcmp(setting->family, "ipv6") == 0)
        return told->ipv6 && told->ipv6_disabled == (wanted != 0);
    return setting->number <= told->ipv4_count && told->ipv4[setting->number - 1] == wanted;
}

static int directory_of(const struct sysctls_directories *directories, const struct sysctl *setting)
{
    return strcmp(setting->family, "ipv6") == 0 ? directories->ipv6 : directories->ipv4;
}

static void name_of(const struct sysctl *setting, const char *place, char ret_name[NAME_SIZE])
{
    snprintf(ret_name, NAME_SIZE, "net/%s/conf/%s/%s", setting->family, place, setting->key);
}

/* Opens the setting of the place, and reads it. Returns the descriptor. */
static int open_setting(int directory, const struct sysctl *setting, const char *place, int flags,
                        char ret_value[VALUE_SIZE], struct error *err)
{
    cleanup_close int fd = -1;
    char path[NAME_SIZE];
    char name[NAME_SIZE];
    ssize_t length = -1;

    snprintf(path, sizeof(path), "%s/%s", place, setting->key);
    name_of(setting, place, name);
    fd = openat(directory, path, flags | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, errno, "open /proc/sys/%s", name);
    length = read(fd, ret_value, VALUE_SIZE - 1);
    if (length < 0)
        return error_set(err, errno, "read /proc/sys/%s", name);
    ret_value[length] = '\0';
    ret_value[strcspn(ret_value, "\n")] = '\0';
    return take_fd(&fd);
}

/* Only what differs: to write the value that is there costs the kernel's lock of all links, and on a busy
 * host a restarted system call. */
static int set_one(int directory, const struct sysctl *setting, const char *place, struct error *err)
{
    char value[VALUE_SIZE];
    char name[NAME_SIZE];
    cleanup_close int fd = open_setting(directory, setting, place, O_RDWR, value, err);

    if (fd < 0 || strcmp(value, setting->value) == 0)
        return fd < 0 ? fd : 0;
    name_of(setting, place, name);
    if (pwrite(fd, setting->value, strlen(setting->value), 0) != (ssize_t)strlen(setting->value))
        return error_set(err, errno, "write %s to /proc/sys/%s", setting->value, name);
    return 0;
}

int sysctls_set(const struct sysctls_directories *directories, enum sysctls list, const char *place,
                const struct link_settings *told, struct error *err)
{
    int result = 0;

    for (size_t i = 0; i < lists[list].count && result == 0; i++) {
        const struct sysctl *setting = &lists[list].settings[i];
        int directory = directory_of(directories, setting);

        if (directory >= 0 && !is_told(setting, told))
            result = set_one(directory, setting, place, err);
    }
    return result;
}

int sysctls_look(const struct sysctls_directories *directories, enum sysctls list, const char *place,
                 const struct link_settings *told, const char *network, struct findings *findings,
                 struct error *err)
{
    for (size_t i = 0; i < lists[list].count; i++) {
        const struct sysctl *setting = &lists[list].settings[i];
        int directory = directory_of(directories, setting);
        char value[VALUE_SIZE];
        char name[NAME_SIZE];
        cleanup_close int fd = -1;

        if (directory < 0 || is_told(setting, told))
            continue;
        fd = open_setting(directory, setting, place, O_RDONLY, value, err);
        if (fd == -ENOENT)
            continue;
        if (fd < 0)
            return fd;
        name_of(setting, place, name);
        if (strcmp(value, setting->value) != 0)
            finding_add(findings, lists[list].kind,
                        "%s %s is %s and has to be %s: run `sallyport network reload %s`", name,
                        lists[list].where, value, setting->value, network);
    }
    return 0;
}
