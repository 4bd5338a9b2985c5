/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of the pass-through's configuration. What it does is tested with haproxy itself:
 * tests/engines/haproxy.bats. */
#include "cli/haproxy.h"
#include "cli/forbidden.h"
#include "cli/proxy_revoked.h"

#include "base/cleanup.h"

#include <criterion/criterion.h>
#include <string.h>

#define FRAME(proxy, roles)                                                                              \
    "{\"version\":1,\"subnet\":\"10.9.0.0/24\",\"proxy\":{\"address\":\"10.9.0.2\",\"port\":3129," proxy \
    "},\"roles\":{" roles "}}"
#define HOST "\"at\":\"host\",\"sni\":443"
#define BOTH HOST ",\"http\":80"
#define AGENT(hosts) "\"agent\":{\"addresses\":\"10.9.0.64/26\",\"reach\":[\"proxy\"],\"hosts\":[" hosts "]}"

static char *config_of(const char *json)
{
    struct policy policy;
    struct error err = {0};
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    cr_assert_eq(policy_parse(json, strlen(json), "FILE", "hermes", &policy, &err), 0, "%s", err.text);
    cr_assert_eq(haproxy_config(out, &policy, &err), 0, "%s", err.text);
    fclose(out);
    policy_free(&policy);
    return text;
}

static size_t count(const char *text, const char *wanted)
{
    size_t found = 0;

    for (; (text = strstr(text, wanted)) != NULL; text++)
        found++;
    return found;
}

static void expect_counts(const char *json, const char *wanted, size_t expected)
{
    cleanup_free char *text = config_of(json);

    cr_expect_eq(count(text, wanted), expected, "%s in:\n%s", wanted, text);
}

Test(haproxy, only_exact_hosts_of_a_port_are_there_in_the_frontend_of_that_port)
{
    static const char *const policy = FRAME(BOTH, AGENT("\"a.b\",\".c.d\",\"e.f:22\",\"g.h:80\",\"a.b:80\""));

    expect_counts(policy, "\nacl hosts-agent-443 var(txn.name) -i -m str a.b\n", 1);
    expect_counts(policy, "\nacl hosts-agent-80 var(txn.name) -i -m str g.h\n", 1);
    expect_counts(policy, "\nacl hosts-agent-80 var(txn.name) -i -m str a.b\n", 1);
    expect_counts(policy, "\nacl hosts-", 3);
    expect_counts(policy, "c.d", 0);
    expect_counts(policy, "e.f", 0);
    expect_counts(policy, "\nacl role-agent src 10.9.0.64/26\n", 2);
    expect_counts(policy, "\nbind 10.9.0.2:443\n", 1);
    expect_counts(policy, "\nbind 10.9.0.2:80\n", 1);
    expect_counts(FRAME(HOST, AGENT("\"a.b\",\"a.b:80\"")), "\nbind ", 1);
}

/* A role without any is none to it, and nobody is let through. */
Test(haproxy, a_role_without_such_hosts_is_not_there)
{
    expect_counts(FRAME(HOST, AGENT("\".c.d\"") ",\"b\":{\"addresses\":\"10.9.0.3\"}"), "acl ", 0);
    expect_counts(FRAME(HOST, AGENT("\".c.d\"")), "set-var(txn.permitted)", 0);
    expect_counts(FRAME(HOST, AGENT("\".c.d\"")), "reject unless { var(txn.permitted) -m bool }", 1);
}

/* The order is what it rests on: the list, the look-up, the ranges, the way out. */
Test(haproxy, each_frontend_asks_in_order)
{
    static const char *const steps[] = {
        "unless { req.ssl_hello_type 1 } { req.ssl_sni -m found }",
        "unless { var(txn.permitted) -m bool }",
        "do-resolve(txn.address,names,ipv4) var(txn.name)",
        "unless { var(txn.address) -m found }",
        "str(169.254.0.0/16) if { var(txn.address) -m ip 169.254.0.0/16 }",
        "str(::/3) if { var(txn.address) -m sub : } { var(txn.address) -m ip ::/3 }",
        "str(subnet) if { var(txn.address) -m ip 10.9.0.0/24 }",
        "unless { var(sess.denied) -m str -- - }",
        "set-dst var(txn.address)",
    };
    cleanup_free char *text = config_of(FRAME(HOST, AGENT("\"a.b\"")));
    const char *at = text;

    for (size_t i = 0; i < array_size(steps); i++) {
        at = strstr(at, steps[i]);
        cr_assert_not_null(at, "%s", steps[i]);
    }
    for (size_t i = 0; i < forbidden_v4.count; i++)
        cr_expect_not_null(strstr(text, forbidden_v4.ranges[i]), "%s", forbidden_v4.ranges[i]);
}

Test(haproxy, in_a_container_it_is_already_nobody)
{
    static const char *const member = FRAME("\"at\":\"member\",\"sni\":443", AGENT("\"a.b\""));

    expect_counts(member, "user haproxy", 0);
    expect_counts(member, "chroot", 0);
    expect_counts(member, "pidfile", 0);
    expect_counts(FRAME(HOST, AGENT("\"a.b\"")), "\npidfile /run/sallyport-haproxy-hermes.pid\n", 1);
    expect_counts(FRAME(HOST, AGENT("\"a.b\"")), "\nchroot /var/lib/haproxy\n", 1);
}

Test(haproxy, who_lost_a_host_of_it_is_seen_as_with_squid)
{
    static const struct {
        const char *after;
        size_t lost;
    } CASES[] = {
        {FRAME(HOST, AGENT("\"c.d\",\"a.b\",\".x.y\"")), 0},
        {FRAME(HOST, AGENT("\"a.b\"")), 1},
        {FRAME(HOST, AGENT("\"a.b\",\".c.d\"")), 1},
        {FRAME(
             HOST,
             "\"agent\":{\"addresses\":\"10.9.0.64/27\",\"reach\":[\"proxy\"],\"hosts\":[\"a.b\",\"c.d\"]}"),
         1},
    };

    for (size_t i = 0; i < array_size(CASES); i++) {
        cleanup_free char *before = config_of(FRAME(HOST, AGENT("\"a.b\",\"c.d\"")));
        cleanup_free char *after = config_of(CASES[i].after);
        cleanup_free struct policy_range *sources = NULL;
        struct error err = {0};
        size_t lost = 0;

        cr_assert_eq(proxy_revoked(before, after, &sources, &lost, &err), 0, "%s", err.text);
        cr_expect_eq(lost, CASES[i].lost, "%s", CASES[i].after);
    }
}
