/* SPDX-License-Identifier: Apache-2.0
 *
 * A haproxy.cfg for programs that know no proxy: the hosts file of a member gives allowed names the proxy's
 * address, and what arrives there is passed on, unread but for its first words.
 *
 * Theory of operation. A frontend waits for the whole ClientHello (or the head of an HTTP request), takes the
 * name out of it, and compares it with the list of the role that the source address belongs to. Only then is
 * the name resolved. The one address that comes of it is kept in a variable, that variable is compared with
 * what is no host of the internet, and it is what the connection goes to: there is no second look-up whose
 * answer could be another one. From there on bytes are spliced. TLS is neither ended nor begun here: whose
 * certificate it is, is seen by the client.
 *
 * Names are compared without regard to case, which is done by length and bytes: a NUL in a name does not cut
 * it short. A name that passed is one of the policy's, so that no word of a client's ever becomes a question
 * to DNS.
 *
 * Every line says why it refuses, in the variable `denied`, before it does: the log has it, in the form of
 * squid's (squid_log.h). It is the session's, which is there even for what is no request. Lines that begin
 * with `acl` are compared when the file is replaced (proxy_revoked.c). */
#include "cli/haproxy.h"

#include "base/cleanup.h"
#include "cli/forbidden.h"
#include "cli/squid_log.h"

#include <errno.h>
#include <string.h>

/* Everything outside of 2000::/3, asked of IPv6 addresses only: haproxy would find IPv4 addresses in ::/3, as
 * mapped ones. Mapped, translated (NAT64), unique local, link-local and multicast addresses are in them. */
static const char *const outside_v6[] = {"::/3", "4000::/2", "8000::/1"};

static const char *const inside_v6[] = {
    "2001::/23", /* protocol assignments: Teredo, ORCHID, benchmarks */
    "2002::/16", /* 6to4: an IPv4 address of any kind inside */
};

/* One of the two ways to be named: what differs between them. */
struct way {
    const char *mode;      /* haproxy's */
    const char *log;       /* the name of the frontend, and what stands for a method in the log */
    const char *rule;      /* what a rule begins with */
    const char *refuse;    /* what a rule that refuses does */
    const char *condition; /* for there to be a name */
    const char *name;
    const char *frontend;
    const char *backend;
    uint16_t port;
};

static const struct way way_tls = {
    .mode = "tcp",
    .log = SQUID_LOG_TLS,
    .rule = "tcp-request content",
    .refuse = "reject",
    .condition = "{ req.ssl_hello_type 1 } { req.ssl_sni -m found }",
    .name = "req.ssl_sni,bytes(0,255)",
    .frontend = "# From the first byte on, the look-up included.\n"
                "tcp-request inspect-delay 10s\n",
    .backend = "",
};

static const struct way way_http = {
    .mode = "http",
    .log = SQUID_LOG_HTTP,
    .rule = "http-request",
    .refuse = "deny",
    /* An absolute URL, or the target of a CONNECT, would name a host itself. */
    .condition = "{ req.fhdr_cnt(host) 1 } { url_beg / } !METH_CONNECT",
    .name = "req.fhdr(host),regsub(:80$,),bytes(0,255)",
    /* Each request is looked at, and has a connection of its own. */
    .frontend = "option httpclose\n"
                "option disable-h2-upgrade\n",
    .backend = "http-reuse never\n",
};

static void write_process(FILE *out, const struct policy *policy)
{
    fprintf(out,
            "# The pass-through of the sallyport network %s, for programs that know no proxy.\n"
            "# Written by `sallyport proxy-config haproxy %s`: change the policy, not this file.\n"
            "\n"
            "global\n"
            "master-worker\n",
            policy->network, policy->network);
    if (policy->proxy_at == POLICY_PROXY_AT_HOST)
        fprintf(out,
                "pidfile /run/sallyport-haproxy-%s.pid\n"
                "user haproxy\n"
                "group haproxy\n"
                "chroot /var/lib/haproxy\n",
                policy->network);
    fputs("log stdout len 2048 format raw daemon\n"
          "fd-hard-limit 16384\n"
          "# What was found for one name is never taken for another's.\n"
          "tune.pattern.cache-size 0\n"
          "\n",
          out);
}

static void write_defaults(FILE *out)
{
    fputs("defaults\n"
          "option dontlognull\n"
          "option splice-auto\n"
          "option tcpka\n"
          "timeout connect 10s\n"
          "timeout client 1h\n"
          "timeout server 1h\n"
          "timeout client-fin 30s\n"
          "timeout server-fin 30s\n"
          "timeout http-request 10s\n"
          "\n"
          "resolvers names\n"
          "parse-resolv-conf\n"
          "accepted_payload_size 8192\n"
          "hold valid 10s\n"
          "\n"
          "# No member can use up what all need.\n"
          "backend clients\n"
          "mode tcp\n"
          "stick-table type ip size 64k expire 1h store conn_cur\n"
          "\n",
          out);
}

/* Whether a host of the role is passed on at the port. */
static bool has_port(const struct policy *policy, const struct policy_role *role, uint16_t port)
{
    for (size_t i = 0; i < role->hosts_count; i++)
        if (role->hosts[i].port == port && policy_passes_host(policy, &role->hosts[i]))
            return true;
    return false;
}

static void write_role(FILE *out, const struct policy *policy, const struct policy_role *role,
                       const struct way *way)
{
    char address[16];

    fprintf(out, "acl role-%s src %s/%u\n", role->name, policy_format_address(role->addresses.first, address),
            policy_range_prefix(&role->addresses));
    for (size_t i = 0; i < role->hosts_count; i++)
        if (role->hosts[i].port == way->port && policy_passes_host(policy, &role->hosts[i]))
            fprintf(out, "acl hosts-%s-%u var(txn.name) -i -m str %s\n", role->name, way->port,
                    role->hosts[i].name);
    fprintf(out, "%s set-var(txn.permitted) bool(true) if role-%s hosts-%s-%u\n", way->rule, role->name,
            role->name, way->port);
}

static void write_word(FILE *out, const struct way *way, const char *denied)
{
    fprintf(out, "%s set-var(sess.denied) str(%s)\n", way->rule, denied);
}

static void write_refusal(FILE *out, const struct way *way, const char *condition)
{
    fprintf(out, "%s %s unless %s\n", way->rule, way->refuse, condition);
}

static void write_ranges(FILE *out, const struct way *way, const char *const *ranges, size_t count,
                         const char *condition)
{
    for (size_t i = 0; i < count; i++)
        fprintf(out, "%s set-var(sess.denied) str(%s) if %s{ var(txn.address) -m ip %s }\n", way->rule,
                ranges[i], condition, ranges[i]);
}

static void write_names(FILE *out, const struct policy *policy, const struct way *way)
{
    write_refusal(out, way, way->condition);
    fprintf(out, "%s set-var(txn.name) %s\n", way->rule, way->name);
    write_word(out, way, SQUID_LOG_HOSTS);
    for (size_t i = 0; i < policy->roles_count; i++)
        if (has_port(policy, &policy->roles[i], way->port))
            write_role(out, policy, &policy->roles[i], way);
    write_refusal(out, way, "{ var(txn.permitted) -m bool }");
}

static void write_addresses(FILE *out, const struct policy *policy, const struct way *way)
{
    char subnet[16];

    fprintf(out, "%s do-resolve(txn.address,names,ipv4) var(txn.name)\n", way->rule);
    write_word(out, way, SQUID_LOG_NAME);
    write_refusal(out, way, "{ var(txn.address) -m found }");
    write_word(out, way, "-");
    write_ranges(out, way, forbidden_v4.ranges, forbidden_v4.count, "");
    write_ranges(out, way, inside_v6, array_size(inside_v6), "");
    write_ranges(out, way, outside_v6, array_size(outside_v6), "{ var(txn.address) -m sub : } ");
    fprintf(out, "%s set-var(sess.denied) str(" SQUID_LOG_SUBNET ") if { var(txn.address) -m ip %s/%u }\n",
            way->rule, policy_format_address(policy->subnet, subnet), policy->prefix);
    write_refusal(out, way, "{ var(sess.denied) -m str -- - }");
    fprintf(out,
            "%s set-dst var(txn.address)\n"
            "%s set-var(sess.result) str(TCP_TUNNEL/200)\n",
            way->rule, way->rule);
}

/* 512 are squid's limit for a client, too (squid.c). */
static void write_frontend(FILE *out, const struct policy *policy, const struct way *way)
{
    char address[16];

    fprintf(out,
            "frontend %s\n"
            "mode %s\n"
            "bind %s:%u\n"
            "log global\n"
            "log-format \"%%Ts.%%ms %%Tt %%ci %%[var(sess.result)] %%B HIER_DIRECT/%%si "
            "%%[var(sess.denied)] %s %%[var(txn.name),url_enc]:%u\"\n"
            "%s"
            "tcp-request connection set-var(sess.result) str(TCP_DENIED/403)\n"
            "tcp-request connection set-var(sess.denied) str(" SQUID_LOG_UNNAMED ")\n"
            "tcp-request connection track-sc0 src table clients\n"
            "tcp-request connection reject if { sc0_conn_cur(clients) gt 512 }\n",
            way->log, way->mode, policy_format_address(policy->proxy_address, address), way->port, way->log,
            way->port, way->frontend);
    write_names(out, policy, way);
    write_addresses(out, policy, way);
    fprintf(out,
            "default_backend %s-outside\n"
            "\n"
            "backend %s-outside\n"
            "mode %s\n"
            "%s"
            "server outside 0.0.0.0:%u\n"
            "\n",
            way->log, way->log, way->mode, way->backend, way->port);
}

int haproxy_config(FILE *out, const struct policy *policy, struct error *err)
{
    struct way tls = way_tls;
    struct way http = way_http;

    tls.port = policy->proxy_sni;
    http.port = policy->proxy_http;
    write_process(out, policy);
    write_defaults(out);
    if (tls.port != 0)
        write_frontend(out, policy, &tls);
    if (http.port != 0)
        write_frontend(out, policy, &http);
    if (fflush(out) != 0 || ferror(out))
        return error_set(err, errno != 0 ? errno : EIO, "write the configuration of haproxy");
    return 0;
}
