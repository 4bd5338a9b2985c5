/* SPDX-License-Identifier: Apache-2.0
 *
 * A squid.conf that enforces the `hosts` of the policy.
 *
 * Theory of operation. The hub makes the source address of a request say which role sent it, so a role is an
 * acl on the source. A request has to be a CONNECT, from a role, to a port and a host of that role's list,
 * and only then is the host's name resolved: a denied name never becomes a DNS query, which would be a way
 * out by itself. What it resolves to must be a public address, all of it: squid's `dst` matches if any
 * address of the name does, and the tunnel is opened to the addresses of the same cache entry that was
 * checked. An entry is kept for at least negative_dns_ttl whatever the name's owner says, so the answer
 * cannot change in between. A name that does not resolve is denied at the check, not looked up a second time.
 *
 * Each `deny` writes its name into the log (squid_log.h): the acls note-... are true for every request, and
 * are asked when everything before them in their line is.
 *
 * Invariant: everything ends at `deny all`; the only `allow` names all of the conditions. No directive here
 * needs more than squid 5 knows, and none makes it warn. */
#include "cli/squid.h"

#include "base/cleanup.h"
#include "cli/forbidden.h"
#include "cli/squid_log.h"

#include <errno.h>
#include <string.h>

/* Everything outside of 2000::/3, but for ::ffff:0:0/96: squid keeps IPv4 addresses there, so that a mapped
 * address is checked as the IPv4 address it stands for. */
static const char *const forbidden_v6[] = {
    "::-::fffe:ffff:ffff",                               /* unspecified, loopback, IPv4-compatible */
    "::1:0:0:0-1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", /* NAT64 and others */
    "4000::/2",                                          /* unassigned */
    "8000::/1",  /* unique local (fd00:ec2::254), link-local, site-local, multicast */
    "2001::/23", /* protocol assignments: Teredo, ORCHID, benchmarks */
    "2002::/16", /* 6to4: an IPv4 address of any kind inside */
};

/* On the host the proxy is a service like others. In a container it is the container's only program, starts
 * as squid's own user (root's pipes cannot be opened after it changed the user) and its engine collects what
 * it prints. */
static void write_files(FILE *out, const struct policy *policy)
{
    if (policy->proxy_at == POLICY_PROXY_AT_MEMBER)
        fputs("pid_filename none\n"
              "access_log stdio:/dev/stdout sallyport\n"
              "cache_log /dev/stderr\n",
              out);
    else
        fprintf(out,
                "pid_filename /run/sallyport-squid-%s.pid\n"
                "access_log stdio:/var/log/squid/sallyport-%s.access sallyport\n"
                "cache_log /var/log/squid/sallyport-%s.cache\n",
                policy->network, policy->network, policy->network);
}

static void write_process(FILE *out, const struct policy *policy)
{
    char address[16];

    fprintf(out,
            "# The egress proxy of the sallyport network %s.\n"
            "# Written by `sallyport proxy-config squid %s`: change the policy, not this file.\n"
            "\n"
            "http_port %s:%u\n"
            "visible_hostname sallyport-%s\n",
            policy->network, policy->network, policy_format_address(policy->proxy_address, address),
            policy->proxy_port, policy->network);
    fprintf(out, "logformat sallyport %s\n", squid_log_format);
    write_files(out, policy);
    fputs("coredump_dir none\n"
          "workers 1\n"
          "shutdown_lifetime 1 second\n"
          "pinger_enable off\n"
          "# No member can use up what all need: a tunnel takes two of squid's descriptors.\n"
          "client_ip_max_connections 512\n"
          "\n",
          out);
}

static void write_privacy(FILE *out)
{
    fputs("# Nothing is kept and nothing is told.\n"
          "cache deny all\n"
          "cache_mem 0 MB\n"
          "netdb_filename none\n"
          "forwarded_for delete\n"
          "httpd_suppress_version_string on\n"
          "email_err_data off\n"
          "# The defaults of these would look up the name of every client.\n"
          "url_rewrite_extras \"%>a\"\n"
          "store_id_extras \"%>a\"\n"
          "\n"
          "# A name with other characters than a host's is no name.\n"
          "check_hostnames on\n"
          "allow_underscore on\n"
          "\n"
          "# Also the shortest time that an address is kept: between check and connection it cannot change.\n"
          "negative_dns_ttl 10 seconds\n"
          "\n",
          out);
}

/* An acl that is always true, and leaves its word in the log. */
static void write_note(FILE *out, const char *name, const char *word)
{
    fprintf(out, "acl note-%s annotate_transaction denied=%s\n", name, word);
}

/* Each range is an acl of its own, so that the log can tell which. */
static void write_forbidden(FILE *out, const char *list, const struct forbidden_list *ranges)
{
    for (size_t i = 0; i < ranges->count; i++) {
        char name[32];

        snprintf(name, sizeof(name), "%s-%zu", list, i);
        fprintf(out, "acl range-%s dst %s\n", name, ranges->ranges[i]);
        write_note(out, name, ranges->ranges[i]);
        fprintf(out, "acl forbidden-%s all-of range-%s note-%s\n", list, name, name);
    }
}

static void write_forbidden_addresses(FILE *out, const struct policy *policy)
{
    char address[16];

    write_forbidden(out, "v4", &forbidden_v4);
    write_forbidden(out, "v6", &(struct forbidden_list){forbidden_v6, array_size(forbidden_v6)});
    fprintf(out, "acl subnet dst %s/%u\n", policy_format_address(policy->subnet, address), policy->prefix);
    fputs("acl resolved dst all\n\n", out);
}

static void write_notes(FILE *out)
{
    write_note(out, SQUID_LOG_METHOD, SQUID_LOG_METHOD);
    write_note(out, SQUID_LOG_HOSTS, SQUID_LOG_HOSTS);
    write_note(out, SQUID_LOG_NAME, SQUID_LOG_NAME);
    write_note(out, SQUID_LOG_SUBNET, SQUID_LOG_SUBNET);
    fputs("# squid looks for the last name of the line that denied.\n"
          "deny_info 503:ERR_DNS_FAIL note-" SQUID_LOG_NAME "\n"
          "\n",
          out);
}

/* Whether the entry of squid's list says nothing that `other` does not say already: squid refuses lists with
 * an entry ".example.com" and another one below it. */
static bool covered_by(const struct policy_host *host, const struct policy_host *other)
{
    size_t length = strlen(host->name);
    size_t other_length = strlen(other->name);

    if (host->port != other->port || !other->subdomains || other_length > length)
        return false;
    if (other_length == length)
        return !host->subdomains && strcmp(host->name, other->name) == 0;
    return host->name[length - other_length - 1] == '.' &&
           strcmp(host->name + length - other_length, other->name) == 0;
}

static bool covered(const struct policy_role *role, const struct policy_host *host)
{
    for (size_t i = 0; i < role->hosts_count; i++)
        if (covered_by(host, &role->hosts[i]))
            return true;
    return false;
}

/* Whether no earlier host of the role has the port. */
static bool first_of_port(const struct policy_role *role, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (role->hosts[i].port == role->hosts[index].port)
            return false;
    return true;
}

/* The hosts of one port of the role. -n: the name is compared as it stands, never found by a reverse lookup.
 */
static void write_port(FILE *out, const struct policy_role *role, uint16_t port)
{
    for (size_t i = 0; i < role->hosts_count; i++) {
        const struct policy_host *host = &role->hosts[i];

        if (host->port == port && !covered(role, host))
            fprintf(out, "acl hosts-%s-%u dstdomain -n %s%s\n", role->name, port, host->subdomains ? "." : "",
                    host->name);
    }
    fprintf(out,
            "acl port-%s-%u port %u\n"
            "acl permitted all-of role-%s port-%s-%u hosts-%s-%u\n",
            role->name, port, port, role->name, role->name, port, role->name, port);
}

static void write_role(FILE *out, const struct policy_role *role)
{
    char address[16];

    if (role->hosts_count == 0) {
        fprintf(out, "# The role %s has no hosts.\n\n", role->name);
        return;
    }
    fprintf(out, "acl role-%s src %s/%u\n", role->name, policy_format_address(role->addresses.first, address),
            policy_range_prefix(&role->addresses));
    for (size_t i = 0; i < role->hosts_count; i++)
        if (first_of_port(role, i))
            write_port(out, role, role->hosts[i].port);
    fputc('\n', out);
}

static bool any_host(const struct policy *policy)
{
    for (size_t i = 0; i < policy->roles_count; i++)
        if (policy->roles[i].hosts_count > 0)
            return true;
    return false;
}

/* The order matters: a name is resolved (by `resolved` and what follows) only if it is permitted. */
static void write_access(FILE *out, const struct policy *policy)
{
    if (any_host(policy))
        fputs("http_access deny !tunnel note-" SQUID_LOG_METHOD "\n"
              "http_access deny !permitted note-" SQUID_LOG_HOSTS "\n"
              "http_access deny !resolved note-" SQUID_LOG_NAME "\n"
              "http_access deny forbidden-v4\n"
              "http_access deny forbidden-v6\n"
              "http_access deny subnet note-" SQUID_LOG_SUBNET "\n"
              "http_access allow tunnel permitted\n",
              out);
    fputs("http_access deny all note-" SQUID_LOG_HOSTS "\n", out);
}

int squid_config(FILE *out, const struct policy *policy, struct error *err)
{
    write_process(out, policy);
    write_privacy(out);
    fputs("acl tunnel method CONNECT\n\n", out);
    write_forbidden_addresses(out, policy);
    for (size_t i = 0; i < policy->roles_count; i++)
        write_role(out, &policy->roles[i]);
    write_notes(out);
    write_access(out, policy);
    if (fflush(out) != 0 || ferror(out))
        return error_set(err, errno != 0 ? errno : EIO, "write the configuration of squid");
    return 0;
}
