/* SPDX-License-Identifier: Apache-2.0
 *
 * An Envoy bootstrap that enforces the `hosts` of the policy.
 *
 * Theory of operation. One listener at the proxy's address speaks HTTP/1.1, its only route takes CONNECT, and
 * a request passes four filters. `hosts` is RBAC with one policy for each role: the peer's own address
 * (direct_remote_ip, which no header changes), the method, and the authority, host and port in one. `names`
 * resolves the host and keeps its address for the next filter: a denied name is never resolved. `addresses`
 * is RBAC on that address. It allows what it sees to be public, and so denies where it sees none; a rule that
 * denies what is private would let that pass. `router` opens the tunnel.
 *
 * What squid's configuration has and Envoy cannot do: of a name with several addresses only the first is
 * looked at, and Envoy tries the others when that one does not answer, so that who controls an allowed name
 * can lead there; neither is an address that changes in the instant between filter and connection looked at
 * again. There is one limit of connections for all clients, none for each. The log does not say which rule
 * refused, and `sallyport log` does not read it. A changed policy takes a restart, which ends every tunnel.
 *
 * Invariant: RBAC with an action ALLOW denies what no policy matches, also if there is none at all. No admin
 * listener, nothing dynamic. */
#include "cli/envoy.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "cli/forbidden.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TYPE(name) "type.googleapis.com/envoy." name
#define RBAC TYPE("extensions.filters.http.rbac.v3.RBAC")

/* IPv6 hosts of the internet are in 2000::/3, but for these. IPv4-mapped addresses are outside of it. */
static const char *const forbidden_v6[] = {
    "2001::/23", /* protocol assignments: Teredo, ORCHID, benchmarks */
    "2002::/16", /* 6to4: an IPv4 address of any kind inside */
};

/* A list or table that something cannot be added to for want of memory is none: an incomplete one would deny
 * or allow something else. json_pack passes the NULL on, up to the bootstrap. */
static void append(json_t **array, json_t *item)
{
    if (json_array_append_new(*array, item) == 0)
        return;
    json_decref(*array);
    *array = NULL;
}

static void put(json_t **object, const char *key, json_t *item)
{
    if (json_object_set_new(*object, key, item) == 0)
        return;
    json_decref(*object);
    *object = NULL;
}

static json_t *cidr(const char *address, unsigned prefix)
{
    return json_pack("{s:s, s:i}", "address_prefix", address, "prefix_len", (int)prefix);
}

static json_t *cidr_of(uint32_t address, unsigned prefix)
{
    char text[16];

    return cidr(policy_format_address(address, text), prefix);
}

/* "ADDRESS/PREFIX" of the lists here. */
static json_t *cidr_parse(const char *range)
{
    const char *slash = strchr(range, '/');
    char address[64];

    snprintf(address, sizeof(address), "%.*s", (int)(slash - range), range);
    return cidr(address, (unsigned)strtoul(slash + 1, NULL, 10));
}

/* A permission: the address that the name leads to is in the range, which is given away. */
static json_t *leads_to(json_t *range)
{
    return json_pack("{s:{s:s, s:{s:s, s:o}}}", "matcher", "name", "envoy.rbac.matchers.upstream_ip_port",
                     "typed_config", "@type",
                     TYPE("extensions.rbac.matchers.upstream_ip_port.v3.UpstreamIpPortMatcher"),
                     "upstream_ip", range);
}

static void add_ranges(json_t **rules, const char *const *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        append(rules, leads_to(cidr_parse(ranges[i])));
}

static json_t *addresses_filter(const struct policy *policy)
{
    json_t *forbidden = json_array();
    json_t *public = json_pack("[o, o]", leads_to(cidr("0.0.0.0", 0)), leads_to(cidr("2000::", 3)));

    add_ranges(&forbidden, forbidden_v4.ranges, forbidden_v4.count);
    add_ranges(&forbidden, forbidden_v6, array_size(forbidden_v6));
    append(&forbidden, leads_to(cidr_of(policy->subnet, policy->prefix)));
    return json_pack("{s:s, s:{s:s, s:{s:s, s:{s:{s:[{s:{s:[{s:{s:o}}, {s:{s:{s:o}}}]}}], s:[{s:b}]}}}}}",
                     "name", "sallyport.addresses", "typed_config", "@type", RBAC, "rules", "action", "ALLOW",
                     "policies", "public", "permissions", "and_rules", "rules", "or_rules", "rules", public,
                     "not_rule", "or_rules", "rules", forbidden, "principals", "any", 1);
}

/* A permission: a header of the request, ":method" and ":authority" among them, is as the matcher says. */
static json_t *header(const char *name, json_t *matcher)
{
    return json_pack("{s:{s:s, s:o}}", "header", "name", name, "string_match", matcher);
}

/* The whole authority, or its end, whatever the case. */
static json_t *authority(const char *how, const char *dot, const struct policy_host *host)
{
    char text[POLICY_HOST_SIZE + 8];

    snprintf(text, sizeof(text), "%s%s:%u", dot, host->name, host->port);
    return header(":authority", json_pack("{s:s, s:b}", how, text, "ignore_case", 1));
}

/* What a name's end is matched with has to be a name: no user, no path, no empty label before that end. It is
 * one short expression for all, because Envoy refuses those that compile to more than 100 instructions. */
static json_t *is_name(void)
{
    return header(":authority",
                  json_pack("{s:{s:s}}", "safe_regex", "regex", "[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*:[0-9]+"));
}

static json_t *role_policy(const struct policy_role *role)
{
    json_t *hosts = json_array();

    for (size_t i = 0; i < role->hosts_count; i++) {
        append(&hosts, authority("exact", "", &role->hosts[i]));
        if (role->hosts[i].subdomains)
            append(&hosts, authority("suffix", ".", &role->hosts[i]));
    }
    return json_pack("{s:[{s:{s:[o, o, {s:{s:o}}]}}], s:[{s:o}]}", "permissions", "and_rules", "rules",
                     header(":method", json_pack("{s:s}", "exact", "CONNECT")), is_name(), "or_rules",
                     "rules", hosts, "principals", "direct_remote_ip",
                     cidr_of(role->addresses.first, policy_range_prefix(&role->addresses)));
}

static json_t *hosts_filter(const struct policy *policy)
{
    json_t *policies = json_object();

    for (size_t i = 0; i < policy->roles_count; i++)
        if (policy->roles[i].hosts_count > 0)
            put(&policies, policy->roles[i].name, role_policy(&policy->roles[i]));
    return json_pack("{s:s, s:{s:s, s:{s:s, s:o}}}", "name", "sallyport.hosts", "typed_config", "@type", RBAC,
                     "rules", "action", "ALLOW", "policies", policies);
}

/* Filter and cluster share the cache by its name, and must say the same of it. */
static json_t *name_cache(void)
{
    return json_pack("{s:s, s:s, s:s, s:i}", "name", "names", "dns_lookup_family", "V4_PREFERRED",
                     "dns_min_refresh_rate", "10s", "max_hosts", 4096);
}

static json_t *names_filter(void)
{
    return json_pack("{s:s, s:{s:s, s:o, s:b}}", "name", "envoy.filters.http.dynamic_forward_proxy",
                     "typed_config", "@type",
                     TYPE("extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig"),
                     "dns_cache_config", name_cache(), "save_upstream_address", 1);
}

static json_t *filters(const struct policy *policy)
{
    return json_pack("[o, o, o, {s:s, s:{s:s}}]", hosts_filter(policy), names_filter(),
                     addresses_filter(policy), "name", "envoy.filters.http.router", "typed_config", "@type",
                     TYPE("extensions.filters.http.router.v3.Router"));
}

static json_t *routes(void)
{
    return json_pack("{s:s, s:[{s:s, s:[s], s:[{s:{s:{}}, s:{s:s, s:s, s:[{s:s, s:{}}]}}]}]}", "name",
                     "tunnels", "virtual_hosts", "name", "all", "domains", "*", "routes", "match",
                     "connect_matcher", "route", "cluster", "internet", "timeout", "0s", "upgrade_configs",
                     "upgrade_type", "CONNECT", "connect_config");
}

/* Refusals and failures, an object a line on standard output: a client's words stay inside their quotes. */
static json_t *access_log(void)
{
    json_t *line =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "time", "%START_TIME%", "client",
                  "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%", "method", "%REQ(:METHOD)%", "target",
                  "%REQ(:AUTHORITY)%", "status", "%RESPONSE_CODE%", "why", "%RESPONSE_CODE_DETAILS%");

    return json_pack("[{s:s, s:{s:{s:{s:s, s:{s:i, s:s}}}}, s:{s:s, s:{s:o}}}]", "name",
                     "envoy.access_loggers.stdout", "filter", "status_code_filter", "comparison", "op", "GE",
                     "value", "default_value", 400, "runtime_key", "sallyport.log_status", "typed_config",
                     "@type", TYPE("extensions.access_loggers.stream.v3.StdoutAccessLog"), "log_format",
                     "json_format", line);
}

static json_t *connection_manager(const struct policy *policy)
{
    json_t *manager =
        json_pack("{s:s, s:s, s:s, s:b, s:b, s:b, s:s, s:s, s:[{s:s}]}", "@type",
                  TYPE("extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
                  "stat_prefix", "sallyport", "codec_type", "HTTP1", "use_remote_address", 1,
                  "skip_xff_append", 1, "generate_request_id", 0, "request_headers_timeout", "10s",
                  "stream_idle_timeout", "900s", "upgrade_configs", "upgrade_type", "CONNECT");

    put(&manager, "route_config", routes());
    put(&manager, "http_filters", filters(policy));
    put(&manager, "access_log", access_log());
    return manager;
}

static json_t *listener(const struct policy *policy)
{
    char address[16];

    return json_pack("{s:s, s:{s:{s:s, s:i}}, s:[{s:[{s:s, s:o}]}]}", "name", "members", "address",
                     "socket_address", "address", policy_format_address(policy->proxy_address, address),
                     "port_value", (int)policy->proxy_port, "filter_chains", "filters", "name",
                     "envoy.filters.network.http_connection_manager", "typed_config",
                     connection_manager(policy));
}

static json_t *cluster(void)
{
    return json_pack("{s:s, s:s, s:s, s:{s:s, s:{s:s, s:o}}}", "name", "internet", "connect_timeout", "10s",
                     "lb_policy", "CLUSTER_PROVIDED", "cluster_type", "name",
                     "envoy.clusters.dynamic_forward_proxy", "typed_config", "@type",
                     TYPE("extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig"), "dns_cache_config",
                     name_cache());
}

/* Connections of all members: a tunnel takes two of Envoy's descriptors. */
static json_t *limits(void)
{
    return json_pack(
        "{s:[{s:s, s:{s:s, s:i}}]}", "resource_monitors", "name",
        "envoy.resource_monitors.global_downstream_max_connections", "typed_config", "@type",
        TYPE("extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"),
        "max_active_downstream_connections", 16384);
}

static json_t *node(const struct policy *policy)
{
    char id[POLICY_NAME_SIZE + 16];
    char made[POLICY_NAME_SIZE + 64];

    snprintf(id, sizeof(id), "sallyport-%s", policy->network);
    snprintf(made, sizeof(made), "by `sallyport proxy-config envoy %s`", policy->network);
    return json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", id, "cluster", "sallyport", "metadata", "made", made,
                     "state", "experimental: has not run in a real Envoy");
}

int envoy_config(FILE *out, const struct policy *policy, struct error *err)
{
    cleanup_json json_t *bootstrap =
        json_pack("{s:o, s:o, s:{s:[o], s:[o]}}", "node", node(policy), "overload_manager", limits(),
                  "static_resources", "listeners", listener(policy), "clusters", cluster());

    if (bootstrap == NULL)
        return error_set(err, ENOMEM, "write the configuration of Envoy");
    if (json_dumpf(bootstrap, out, JSON_INDENT(2)) < 0 || fputc('\n', out) == EOF || fflush(out) != 0)
        return error_set(err, errno != 0 ? errno : EIO, "write the configuration of Envoy");
    return 0;
}
