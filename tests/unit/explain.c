/* SPDX-License-Identifier: Apache-2.0
 *
 * The answers of `sallyport explain`. That they are those of the walls is tested with a real hub and squid:
 * tests/engines/explain.bats. */
#include "cli/explain_answer.h"
#include "cli/explain_target.h"

#include "base/cleanup.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define POLICY(at)                                                                                     \
    "{\"version\":1,\"subnet\":\"10.9.0.0/24\",\"proxy\":{\"address\":\"10.9.0.2\",\"port\":3129,"     \
    "\"at\":\"" at "\"},\"roles\":{"                                                                   \
    "\"agent\":{\"addresses\":\"10.9.0.64/26\",\"reach\":[\"gateway:8642\",\"proxy\",\"agent:7000\"]," \
    "\"hosts\":[\"api.example.com\",\".sub.example\",\"git.example:22\",\"deep.sub.example:8443\"]},"  \
    "\"edge\":{\"addresses\":\"10.9.0.192/26\",\"reach\":[\"edge:1\"]},"                               \
    "\"gateway\":{\"addresses\":\"10.9.0.3\",\"reach\":[\"proxy\"],\"hosts\":[\"dashboard:9119\"],"    \
    "\"publish\":[\"127.0.0.1:9119:9119\"]},"                                                          \
    "\"dashboard\":{\"addresses\":\"10.9.0.4\",\"reach\":[\"gateway:8642\",\"agent:80\"]},"            \
    "\"keeper\":{\"addresses\":\"10.9.0.20/31\",\"links\":\"keep\",\"reach\":[\"proxy\"],"             \
    "\"hosts\":[\"api.example.com\"]}}}"

static void load(const char *json, struct policy *policy)
{
    struct error err = {0};

    cr_assert_eq(policy_parse(json, strlen(json), "FILE", "hermes", policy, &err), 0, "%s", err.text);
}

static void ask(const struct policy *policy, const char *role, const char *host, struct target *target,
                struct answer *answer)
{
    struct error err = {0};

    cr_assert_not_null(policy_role_find(policy, role), "%s", role);
    cr_assert_eq(target_parse(policy, host, target, &err), 0, "%s: %s", host, err.text);
    answer_make(policy, policy_role_find(policy, role), target, answer);
}

struct expectation {
    const char *role;
    const char *host;
    const char *by; /* the way or the wall */
    const char *line;
};

static void expect_all(const char *json, bool allowed, const struct expectation *list, size_t count)
{
    struct policy policy;

    load(json, &policy);
    for (size_t i = 0; i < count; i++) {
        struct target target;
        struct answer answer;

        ask(&policy, list[i].role, list[i].host, &target, &answer);
        cr_expect_eq(answer.allowed, allowed, "%s %s", list[i].role, list[i].host);
        cr_expect_eq(answer.way == NULL, !allowed, "%s", list[i].host);
        cr_expect_eq(answer.wall == NULL, allowed, "%s", list[i].host);
        if (answer.allowed != allowed)
            continue;
        cr_expect_str_eq(allowed ? answer.way : answer.wall, list[i].by, "%s %s", list[i].role, list[i].host);
        if (allowed)
            cr_expect_str_eq(answer.line, list[i].line, "%s %s", list[i].role, list[i].host);
        else
            cr_expect(strstr(answer.reason, list[i].line) != NULL, "%s: %s", list[i].host, answer.reason);
    }
    policy_free(&policy);
}

#define EXPECT_ALLOWED(json, list) expect_all(json, true, list, array_size(list))
#define EXPECT_REFUSED(json, list) expect_all(json, false, list, array_size(list))

Test(explain, hosts_of_the_list_go_through_the_proxy)
{
    static const struct expectation list[] = {
        {"agent", "api.example.com", "proxy", "$.roles.agent.hosts[0] \"api.example.com\""},
        {"agent", "API.Example.com:443", "proxy", "$.roles.agent.hosts[0] \"api.example.com\""},
        {"agent", "sub.example", "proxy", "$.roles.agent.hosts[1] \".sub.example\""},
        {"agent", "a.b.sub.example", "proxy", "$.roles.agent.hosts[1] \".sub.example\""},
        {"agent", "git.example:22", "proxy", "$.roles.agent.hosts[2] \"git.example:22\""},
        {"agent", "deep.sub.example:8443", "proxy", "$.roles.agent.hosts[3] \"deep.sub.example:8443\""},
        {"gateway", "dashboard:9119", "proxy", "$.roles.gateway.hosts[0] \"dashboard:9119\""},
        {"keeper", "api.example.com", "proxy", "$.roles.keeper.hosts[0] \"api.example.com\""},
    };

    EXPECT_ALLOWED(POLICY("host"), list);
    EXPECT_ALLOWED(POLICY("member"), list);
}

/* What programs that know no proxy have of it. */
Test(explain, a_pass_through_leads_to_exact_names)
{
    static const struct {
        const char *host;
        bool passed;
        const char *reason;
    } list[] = {
        {"api.example.com", true, "with CONNECT, or by the server name of its TLS"},
        {"sub.example", false, "with CONNECT only"},
        {"x.sub.example", false, "with CONNECT only"},
        {"exact.sub.example", true, "by the server name of its TLS"},
        {"git.example:22", false, "with CONNECT only"},
        {"deb.example:80", true, "by the Host header of plain HTTP"},
    };
    struct policy policy;
    struct target target;
    struct answer answer;

    load("{\"version\":1,\"subnet\":\"10.9.0.0/24\",\"proxy\":{\"address\":\"10.9.0.2\",\"port\":3129,"
         "\"at\":\"host\",\"sni\":443,\"http\":80},\"roles\":{\"agent\":{\"addresses\":\"10.9.0.64/26\","
         "\"reach\":[\"proxy\"],\"hosts\":[\"api.example.com\",\".sub.example\",\"exact.sub.example\","
         "\"git.example:22\",\"deb.example:80\"]}}}",
         &policy);
    for (size_t i = 0; i < array_size(list); i++) {
        ask(&policy, "agent", list[i].host, &target, &answer);
        cr_expect(answer.allowed, "%s", list[i].host);
        cr_expect_eq(answer.passed, list[i].passed, "%s", list[i].host);
        cr_expect_not_null(strstr(answer.reason, list[i].reason), "%s: %s", list[i].host, answer.reason);
    }
    ask(&policy, "agent", "10.9.0.2:443", &target, &answer);
    cr_expect(answer.allowed);
    ask(&policy, "agent", "10.9.0.2:22", &target, &answer);
    cr_expect_str_eq(answer.reason, "the proxy is reached at port 3129, 443 and 80 only");
    policy_free(&policy);
    load(POLICY("host"), &policy);
    ask(&policy, "agent", "api.example.com", &target, &answer);
    cr_expect_not(answer.passed);
    policy_free(&policy);
}

Test(explain, other_hosts_are_refused_by_the_proxy_or_before_it)
{
    static const struct expectation list[] = {
        {"agent", "example.com", "proxy", "does not have the name"},
        {"agent", "x.api.example.com", "proxy", "does not have the name"},
        {"agent", "notsub.example", "proxy", "does not have the name"},
        {"agent", "xsub.example", "proxy", "does not have the name"},
        {"agent", "example", "proxy", "does not have the name"},
        {"agent", "api.example.com:80", "proxy", "hosts[0] allows the name at port 443 only"},
        {"agent", "git.example", "proxy", "hosts[2] allows the name at port 22 only"},
        {"gateway", "api.example.com", "proxy", "does not have the name"},
        {"dashboard", "api.example.com", "hub", "does not have \"proxy\""},
    };

    EXPECT_REFUSED(POLICY("host"), list);
    EXPECT_REFUSED(POLICY("member"), list);
}

Test(explain, the_network_is_what_reach_says)
{
    static const struct expectation allowed[] = {
        {"agent", "proxy", "direct", "$.roles.agent.reach \"proxy\""},
        {"agent", "10.9.0.2:3129", "direct", "$.roles.agent.reach \"proxy\""},
        {"agent", "gateway:8642", "direct", "$.roles.agent.reach \"gateway:8642\""},
        {"agent", "10.9.0.3:8642", "direct", "$.roles.agent.reach \"gateway:8642\""},
        {"agent", "[::ffff:10.9.0.3]:8642", "direct", "$.roles.agent.reach \"gateway:8642\""},
        {"agent", "agent:7000", "direct", "$.roles.agent.reach \"agent:7000\""},
        {"agent", "10.9.0.127:7000", "direct", "$.roles.agent.reach \"agent:7000\""},
        {"dashboard", "10.9.0.64:80", "direct", "$.roles.dashboard.reach \"agent:80\""},
        {"edge", "10.9.0.254:1", "direct", "$.roles.edge.reach \"edge:1\""},
    };
    static const struct expectation refused[] = {
        {"agent", "proxy:3128", "hub", "port 3129 only"},
        {"agent", "10.9.0.2", "hub", "port 3129 only"},
        {"dashboard", "proxy", "hub", "$.roles.dashboard.reach does not have \"proxy\""},
        {"agent", "gateway:9119", "hub", "$.roles.agent.reach does not have \"gateway:9119\""},
        {"agent", "10.9.0.3", "hub", "$.roles.agent.reach does not have \"gateway:443\""},
        {"agent", "dashboard:8642", "hub", "does not have \"dashboard:8642\""},
        {"gateway", "10.9.0.64:7000", "hub", "does not have \"agent:7000\""},
        {"gateway", "agent:8642", "hub", "does not have \"agent:8642\""},
        {"agent", "10.9.0.1:9119", "hub", "the host's own"},
        {"agent", "10.9.0.0:8642", "hub", "no role has the address"},
        {"agent", "10.9.0.5:8642", "hub", "no role has the address"},
        {"agent", "10.9.0.63:7000", "hub", "no role has the address"},
        {"agent", "10.9.0.128:7000", "hub", "no role has the address"},
        {"edge", "10.9.0.255:1", "hub", "no role has the address"},
        {"keeper", "gateway:8642", "hub", "does not have \"gateway:8642\""},
    };

    EXPECT_ALLOWED(POLICY("host"), allowed);
    EXPECT_ALLOWED(POLICY("member"), allowed);
    EXPECT_REFUSED(POLICY("host"), refused);
    EXPECT_REFUSED(POLICY("member"), refused);
}

Test(explain, the_member_itself_is_no_wall_s_business)
{
    static const struct expectation allowed[] = {
        {"agent", "localhost:80", "loopback", ""},
        {"agent", "127.0.0.1", "loopback", ""},
        {"agent", "127.255.0.1", "loopback", ""},
        {"agent", "[::1]:9", "loopback", ""},
        {"agent", "::", "loopback", ""},
        {"agent", "0.0.0.0", "loopback", ""},
        {"gateway", "10.9.0.3:5", "loopback", ""},
        {"gateway", "gateway:5", "loopback", ""},
        {"keeper", "127.0.0.11:53", "loopback", ""},
    };
    static const struct expectation refused[] = {
        {"agent", "127.0.0.11:53", "guard", "resolver"},
        {"agent", "[::ffff:127.0.0.11]:53", "guard", "resolver"},
    };

    EXPECT_ALLOWED(POLICY("host"), allowed);
    EXPECT_REFUSED(POLICY("host"), refused);
}

Test(explain, addresses_outside_are_nobody_s)
{
    static const struct expectation list[] = {
        {"agent", "203.0.113.10", "routes and guard", "names only"},
        {"agent", "169.254.169.254:80", "routes and guard", "names only"},
        {"agent", "169.254.0.1:80", "routes and guard", "names only"},
        {"agent", "10.8.255.255", "routes and guard", "names only"},
        {"agent", "10.9.1.0:8642", "routes and guard", "names only"},
        {"agent", "0.1.2.3", "routes and guard", "names only"},
        {"agent", "255.255.255.255", "routes and guard", "names only"},
        {"agent", "2001:db8::1", "routes and guard", "no IPv6"},
        {"agent", "[fd00:ec2::254]:80", "routes and guard", "no IPv6"},
        {"agent", "fe80::1%sp0", "routes and guard", "no IPv6"},
        {"agent", "[64:ff9b::a09:3]:8642", "routes and guard", "no IPv6"},
        {"agent", "::10.9.0.3", "routes and guard", "no IPv6"},
    };

    EXPECT_REFUSED(POLICY("host"), list);
}

Test(explain, links_that_are_kept_are_told)
{
    static const struct expectation keeper[] = {
        {"keeper", "203.0.113.10", "engine", "$.roles.keeper.links \"keep\""},
        {"keeper", "2001:db8::1", "engine", "$.roles.keeper.links \"keep\""},
        {"keeper", "attacker.example", "engine", "$.roles.keeper.links \"keep\""},
    };
    static const struct expectation proxy[] = {
        {"proxy", "attacker.example", "engine", "$.proxy.at \"member\""},
        {"proxy", "proxy", "loopback", ""},
    };
    static const struct expectation refused[] = {
        {"proxy", "gateway:8642", "hub", "opens no connections to members"},
        {"proxy", "10.9.0.1:1", "hub", "the host's own"},
    };

    EXPECT_ALLOWED(POLICY("host"), keeper);
    EXPECT_ALLOWED(POLICY("member"), proxy);
    EXPECT_REFUSED(POLICY("member"), refused);
}

static void expect_advice(const struct policy *policy, const char *role, const char *host, const char *advice)
{
    struct target target;
    struct answer answer;

    ask(policy, role, host, &target, &answer);
    cr_expect_str_eq(answer.advice, advice, "%s %s: %s", role, host, answer.advice);
}

Test(explain, advice_is_the_entry_to_add)
{
    struct policy policy;

    load(POLICY("host"), &policy);
    expect_advice(&policy, "agent", "api.example.com", "");
    expect_advice(&policy, "agent", "new.example",
                  "add \"new.example\" to $.roles.agent.hosts, then run `sallyport proxy-config squid hermes "
                  "--install`");
    expect_advice(&policy, "dashboard", "git.example:22",
                  "add \"proxy\" to $.roles.dashboard.reach and \"git.example:22\" to "
                  "$.roles.dashboard.hosts, then run `sallyport network reload hermes` and `sallyport "
                  "proxy-config squid hermes --install`");
    expect_advice(&policy, "agent", "gateway:9119",
                  "add \"gateway:9119\" to $.roles.agent.reach, then run `sallyport network reload hermes`");
    expect_advice(&policy, "agent", "10.9.0.1", "");
    policy_free(&policy);
}

/* The longest of everything still fits. */
Test(explain, nothing_is_cut_off)
{
    struct policy policy;
    struct target target;
    struct answer answer;
    char name[POLICY_HOST_SIZE];
    char host[POLICY_HOST_SIZE + 8];

    policy_default(&policy);
    memset(name, 'a', sizeof(name) - 1);
    for (size_t i = 50; i < sizeof(name) - 2; i += 50)
        name[i] = '.';
    name[sizeof(name) - 1] = '\0';
    policy.roles[0].reach_proxy = false;
    snprintf(host, sizeof(host), "%s:65535", name);
    ask(&policy, "agent", host, &target, &answer);
    cr_expect_str_eq(target.text, host);
    cr_expect(strncmp(answer.advice, "write /etc/sallyport/networks.d/default.json and add", 52) == 0, "%s",
              answer.advice);
    cr_expect_not_null(strstr(answer.advice, host));
    cr_expect_not_null(strstr(answer.advice, "squid default --install`"));
}

Test(explain, what_is_neither_name_nor_address_has_no_answer)
{
    static const char *const hosts[] = {
        "",
        ":80",
        ".example.com",
        "a..b",
        "a.b.",
        "*.example.com",
        "http://a.b",
        "a.b:0",
        "a.b:65536",
        "a.b:",
        "a.b:+1",
        "a.b/c",
        "https://a.b/",
        "127.1",
        "0x7f000001",
        "2130706433",
        "10.9.0.03",
        "10.9.0.3:",
        "[::1",
        "[::1]80",
        "[10.9.0.3]:80",
        "[]:80",
        "gateway",
        "agent",
        "user@a.b",
        "a b",
        "::1:2:3:4:5:6:7:8:9",
    };
    struct policy policy;

    load(POLICY("host"), &policy);
    for (size_t i = 0; i < array_size(hosts); i++) {
        struct target target = {.port = 7};
        struct error err = {0};

        cr_expect_eq(target_parse(&policy, hosts[i], &target, &err), -EINVAL, "%s", hosts[i]);
        cr_expect(strstr(err.text, hosts[i]) != NULL, "%s: %s", hosts[i], err.text);
        cr_expect_eq(strstr(err.text, "without scheme and path") != NULL, strchr(hosts[i], '/') != NULL, "%s",
                     err.text);
        cr_expect_eq(target.port, 7, "%s", hosts[i]);
    }
    policy_free(&policy);
}
