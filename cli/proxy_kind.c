/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/proxy_kind.h"

#include "cli/haproxy.h"
#include "cli/proxy_process.h"
#include "cli/squid.h"

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static bool always(const struct policy *policy)
{
    (void)policy;
    return true;
}

static size_t squid_ports(const struct policy *policy, uint16_t ret_ports[POLICY_PROXY_PORTS_MAX])
{
    ret_ports[0] = policy->proxy_port;
    return 1;
}

static size_t haproxy_ports(const struct policy *policy, uint16_t ret_ports[POLICY_PROXY_PORTS_MAX])
{
    size_t count = policy_proxy_ports(policy, ret_ports) - 1;

    memmove(ret_ports, ret_ports + 1, count * sizeof(*ret_ports));
    return count;
}

const struct proxy_kind proxy_squid = {
    .name = "squid",
    .program = "/usr/sbin/squid",
    .start = "squid -f",
    .package = "squid-openssl`, or squid",
    .file = "squid.conf",
    .log_before = "/var/log/squid/sallyport-",
    .log_after = ".cache",
    .check = (const char *const[]){"-k", "parse", "-f", NULL},
    .reasons = (const char *const[]){"FATAL: ", "Bungled", "unrecognized: ", "ERROR: ", NULL},
    .before_reason = "| ",
    .reload = SIGHUP,
    .reload_name = "HUP",
    .clusters = true,
    .wanted = always,
    .write = squid_config,
    .ports = squid_ports,
    .reconfigure = proxy_process_new_listener,
};

const struct proxy_kind proxy_haproxy = {
    .name = "haproxy",
    .program = "/usr/sbin/haproxy",
    .start = "haproxy -D -f",
    .package = "haproxy`, 2.6 or later",
    .file = "haproxy.cfg",
    .log_before = "what it printed (`journalctl -u sallyport-haproxy@",
    .log_after = "`)",
    .check = (const char *const[]){"-c", "-f", NULL},
    .reasons = (const char *const[]){"[ALERT]", "[WARNING]", NULL},
    .needed = "version 2.6 or later, and its user haproxy",
    .before_reason = ") : ",
    .reload = SIGUSR2,
    .reload_name = "USR2",
    .wanted = policy_passes,
    .write = haproxy_config,
    .ports = haproxy_ports,
    .reconfigure = proxy_process_new_worker,
};

const struct proxy_kind *const proxy_kinds[PROXY_KINDS] = {&proxy_squid, &proxy_haproxy};

const struct proxy_kind *proxy_kind_find(const char *name)
{
    for (size_t i = 0; i < PROXY_KINDS; i++)
        if (strcmp(proxy_kinds[i]->name, name) == 0)
            return proxy_kinds[i];
    return NULL;
}

void proxy_kind_start(const struct proxy_kind *kind, const char *network, const char *path, char *ret_text,
                      size_t size)
{
    char file[PATH_MAX];

    snprintf(file, sizeof(file), PROXY_DIRECTORY "%s/%s", network, kind->file);
    if (access("/run/systemd/system", F_OK) == 0 && strcmp(path, file) == 0)
        snprintf(ret_text, size, "`systemctl enable --now sallyport-%s@%s`", kind->name, network);
    else
        snprintf(ret_text, size, "`%s %s`", kind->start, path);
}
