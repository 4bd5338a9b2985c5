/* SPDX-License-Identifier: Apache-2.0
 *
 * The policy file: what it may say, and for everything it may not say the exact message. */
#include "policy/policy.h"
#include "base/cleanup.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The example of the design, verbatim. */
static const char example[] =
    "{\n"
    "  \"version\": 1,\n"
    "  \"subnet\": \"10.209.0.0/24\",\n"
    "  \"proxy\": { \"address\": \"10.209.0.2\", \"port\": 3128, \"at\": \"host\" },\n"
    "  \"roles\": {\n"
    "    \"agent\":     { \"addresses\": \"10.209.0.64/26\", \"reach\": [\"proxy\", \"gateway:8642\"],\n"
    "                   \"hosts\": [\"api.openai.com\", \"openrouter.ai\"] },\n"
    "    \"gateway\":   { \"addresses\": \"10.209.0.3\", \"reach\": [\"proxy\", \"dashboard:9119\"],\n"
    "                   \"hosts\": [\"api.openai.com\", \"api.telegram.org\", \"discord.com\"],\n"
    "                   \"publish\": [\"127.0.0.1:9119:9119\"] },\n"
    "    \"dashboard\": { \"addresses\": \"10.209.0.4\", \"reach\": [\"gateway:8642\"] }\n"
    "  }\n"
    "}\n";

/* Keeps the text, with a NUL behind it, for tests/engines/schema.py, where that asks for it. */
static void record(const char *text)
{
    const char *path = getenv("SALLYPORT_POLICY_INPUTS");
    FILE *out = path != NULL ? fopen(path, "ae") : NULL;

    if (out != NULL) {
        fwrite(text, strlen(text) + 1, 1, out);
        fclose(out);
    }
}

#define PROXY "\"proxy\":{\"address\":\"10.9.0.2\",\"port\":3128,\"at\":\"host\"}"
#define HEAD "{\"version\":1,\"subnet\":\"10.9.0.0/24\"," PROXY ",\"roles\":"
#define ROLES(roles) HEAD "{" roles "}}"
#define AGENT(keys) ROLES("\"agent\":{\"addresses\":\"10.9.0.64/26\"" keys "}")
#define FIXED(keys) ROLES("\"agent\":{\"addresses\":\"10.9.0.9\"" keys "}")
#define HOSTS(hosts) AGENT(",\"reach\":[\"proxy\"],\"hosts\":[" hosts "]")
#define SUBNET(subnet) \
    "{\"version\":1,\"subnet\":" subnet "," PROXY ",\"roles\":{\"agent\":{\"addresses\":\"10.9.0.64/26\"}}}"
#define WITH_PROXY(proxy)                                            \
    "{\"version\":1,\"subnet\":\"10.9.0.0/24\",\"proxy\":" proxy "," \
    "\"roles\":{\"agent\":{\"addresses\":\"10.9.0.64/26\"}}}"

#define PASSING(keys) WITH_PROXY("{\"address\":\"10.9.0.2\",\"port\":3128,\"at\":\"host\"," keys "}")
#define PASSING_HOSTS(hosts)                                                                         \
    "{\"version\":1,\"subnet\":\"10.9.0.0/24\",\"proxy\":{\"address\":\"10.9.0.2\",\"port\":3128,"   \
    "\"at\":\"host\",\"sni\":443,\"http\":80},\"roles\":{\"agent\":{\"addresses\":\"10.9.0.64/26\"," \
    "\"reach\":[\"proxy\"],\"hosts\":[" hosts "]},\"zebra\":{\"addresses\":\"10.9.0.9\"}}}"
#define TAKEN                                                                                                \
    "in /etc/hosts the name is a role's or the container's own; with $.proxy.sni or $.proxy.http it cannot " \
    "be a host's, too"

static int parse(const char *text, struct policy *policy, struct error *err)
{
    record(text);
    return policy_parse(text, strlen(text), "FILE", "hermes", policy, err);
}

static struct policy parse_good(const char *text)
{
    struct policy policy;
    struct error err = {0};

    cr_assert_eq(parse(text, &policy, &err), 0, "%s", err.text);
    return policy;
}

Test(policy, example_of_the_design)
{
    struct policy policy = parse_good(example);
    const struct policy_role *agent = policy_role_find(&policy, "agent");
    const struct policy_role *gateway = policy_role_find(&policy, "gateway");
    const struct policy_role *dashboard = policy_role_find(&policy, "dashboard");

    cr_expect_str_eq(policy.network, "hermes");
    cr_expect_not(policy.built_in);
    cr_expect_eq(policy.subnet, 0x0ad10000);
    cr_expect_eq(policy.prefix, 24);
    cr_expect_eq(policy.host_address, 0x0ad10001);
    cr_expect_eq(policy.proxy_address, 0x0ad10002);
    cr_expect_eq(policy.proxy_port, 3128);
    cr_expect_eq(policy.proxy_at, POLICY_PROXY_AT_HOST);
    cr_expect_eq(policy.roles_count, 3);

    cr_assert_not_null(agent);
    cr_expect_eq(agent->addresses.first, 0x0ad10040);
    cr_expect_eq(agent->addresses.last, 0x0ad1007f);
    cr_expect(agent->reach_proxy);
    cr_expect_eq(agent->links, POLICY_LINKS_REMOVE);
    cr_expect_not(agent->nested);
    cr_expect_not(agent->i386);
    cr_expect_eq(agent->targets_count, 1);
    cr_expect_eq(&policy.roles[agent->targets[0].role], gateway);
    cr_expect_eq(agent->targets[0].port, 8642);
    cr_expect_eq(agent->hosts_count, 2);
    cr_expect_str_eq(agent->hosts[1].name, "openrouter.ai");
    cr_expect_eq(agent->hosts[1].port, 443);
    cr_expect_not(agent->hosts[1].subdomains);
    cr_expect_eq(agent->publish_count, 0);
    cr_expect_eq(agent->sockets_count, 0);

    cr_assert_not_null(gateway);
    cr_expect_eq(gateway->addresses.first, 0x0ad10003);
    cr_expect_eq(gateway->addresses.last, 0x0ad10003);
    cr_expect_eq(gateway->hosts_count, 3);
    cr_expect_eq(gateway->publish_count, 1);
    cr_expect_eq(gateway->publish[0].host_address, 0x7f000001);
    cr_expect_eq(gateway->publish[0].host_port, 9119);
    cr_expect_eq(gateway->publish[0].member_port, 9119);

    cr_assert_not_null(dashboard);
    cr_expect_not(dashboard->reach_proxy);
    cr_expect_eq(&policy.roles[dashboard->targets[0].role], gateway, "cycles are fine");
    policy_free(&policy);
}

Test(policy, which_host_is_reached_by_name_alone)
{
    static const struct {
        const char *keys;
        const char *ports;
        bool passes[5];
    } CASES[] = {
        {"\"at\":\"host\"", "3128", {false}},
        {"\"at\":\"host\",\"sni\":443", "3128 443", {true}},
        {"\"at\":\"host\",\"http\":80", "3128 80", {false, true}},
        {"\"at\":\"member\",\"http\":80,\"sni\":443", "3128 443 80", {true, true}},
    };

    for (size_t i = 0; i < array_size(CASES); i++) {
        cleanup_free char *text = NULL;
        uint16_t ports[POLICY_PROXY_PORTS_MAX];
        char listed[32] = "";
        struct policy policy;

        cr_assert(
            asprintf(
                &text,
                "{\"version\":1,\"subnet\":\"10.9.0.0/24\",\"proxy\":{\"address\":\"10.9.0.2\","
                "\"port\":3128,%s},\"roles\":{\"agent\":{\"addresses\":\"10.9.0.64/26\",\"reach\":"
                "[\"proxy\"],\"hosts\":[\"a.com\",\"a.com:80\",\"a.com:22\",\".a.com\",\".a.com:80\"]}}}",
                CASES[i].keys) > 0);
        policy = parse_good(text);
        for (size_t k = 0; k < policy_proxy_ports(&policy, ports); k++)
            sprintf(listed + strlen(listed), "%s%u", k > 0 ? " " : "", ports[k]);
        cr_expect_str_eq(listed, CASES[i].ports);
        cr_expect_eq(policy_passes(&policy), i > 0);
        for (size_t k = 0; k < array_size(CASES[i].passes); k++)
            cr_expect_eq(policy_passes_host(&policy, &policy.roles[0].hosts[k]), CASES[i].passes[k],
                         "case %zu, host %zu", i, k);
        policy_free(&policy);
    }
}

/* Names that nobody can reach by name alone may be called as they like. */
Test(policy, local_names_are_hosts_of_connect)
{
    struct policy policy = parse_good(HOSTS("\"localhost\",\"agent\""));

    policy_free(&policy);
    policy = parse_good(PASSING_HOSTS("\"localhost:22\",\".zebra\""));
    policy_free(&policy);
}

Test(policy, every_optional_key)
{
    struct policy policy = parse_good(AGENT(
        ",\"reach\":[\"proxy\",\"agent:22\",\"agent:21\"],\"hosts\":[\".Example.COM\",\"a.example.com:22\","
        "\"a.example.com\",\"example.com\",\"a_b.x--y.org:65535\"],\"links\":\"refuse\",\"nested\":true,"
        "\"i386\":true,\"sockets\":[\"/run/a.sock\",\"/srv/..b/.c\"]"));
    const struct policy_role *role = &policy.roles[0];

    cr_expect_str_eq(role->hosts[0].name, "example.com");
    cr_expect(role->hosts[0].subdomains);
    cr_expect_str_eq(role->hosts[1].name, "a.example.com");
    cr_expect_eq(role->hosts[1].port, 22);
    cr_expect_eq(role->hosts[4].port, 65535);
    cr_expect_eq(role->hosts_count, 5);
    cr_expect_eq(role->links, POLICY_LINKS_REFUSE);
    cr_expect(role->nested);
    cr_expect(role->i386);
    cr_expect_eq(role->sockets_count, 2);
    cr_expect_str_eq(role->sockets[0], "/run/a.sock");
    cr_expect_eq(role->targets[0].port, 21, "targets are sorted");
    policy_free(&policy);

    policy = parse_good(AGENT(",\"links\":\"keep\",\"nested\":false,\"reach\":[]"));
    cr_expect_eq(policy.roles[0].links, POLICY_LINKS_KEEP);
    cr_expect_not(policy.roles[0].nested);
    policy_free(&policy);

    policy = parse_good(AGENT(",\"links\":\"remove\""));
    cr_expect_eq(policy.roles[0].links, POLICY_LINKS_REMOVE);
    policy_free(&policy);
}

Test(policy, proxy_as_a_member)
{
    struct policy host = parse_good(AGENT(""));
    struct policy member =
        parse_good(WITH_PROXY("{\"address\":\"10.9.0.2\",\"port\":3128,\"at\":\"member\"}"));
    const struct policy_role *proxy = policy_role_find(&member, "proxy");

    cr_expect_null(policy_role_find(&host, "proxy"));
    cr_expect_null(policy_role_of(&host, host.proxy_address));
    cr_assert_eq(proxy, &member.proxy_role);
    cr_expect_str_eq(proxy->name, "proxy");
    cr_expect_eq(proxy->addresses.first, 0x0a090002);
    cr_expect_eq(proxy->addresses.last, 0x0a090002);
    cr_expect_eq(proxy->links, POLICY_LINKS_KEEP);
    cr_expect_not(proxy->reach_proxy);
    cr_expect_eq(policy_role_of(&member, member.proxy_address), proxy);
    cr_expect(policy_role_may_have(&member, proxy, member.proxy_address));
    cr_expect_not(policy_role_may_have(&member, proxy, member.proxy_address + 1));
    policy_free(&host);
    policy_free(&member);
}

Test(policy, addresses_and_roles)
{
    /* The pool reaches up to the subnet's broadcast address, which nobody may have. */
    struct policy policy = parse_good(ROLES("\"agent\":{\"addresses\":\"10.9.0.128/25\"},"
                                            "\"b\":{\"addresses\":\"10.9.0.3/32\"}"));
    const struct policy_role *agent = policy_role_find(&policy, "agent");
    const struct policy_role *b = policy_role_find(&policy, "b");

    cr_expect_null(policy_role_find(&policy, "c"));
    cr_expect_null(policy_role_find(&policy, ""));
    cr_expect_eq(policy_role_of(&policy, 0x0a090080), agent);
    cr_expect_eq(policy_role_of(&policy, 0x0a0900fe), agent);
    cr_expect_null(policy_role_of(&policy, 0x0a0900ff), "broadcast");
    cr_expect_null(policy_role_of(&policy, 0x0a09007f));
    cr_expect_eq(policy_role_of(&policy, 0x0a090003), b);
    for (uint32_t address = 0x0a090000; address <= 0x0a090002; address++)
        cr_expect_null(policy_role_of(&policy, address), "network, host and proxy are no role's");
    cr_expect_null(policy_role_of(&policy, 0x0a090100));
    cr_expect(policy_role_may_have(&policy, agent, 0x0a0900fe));
    cr_expect_not(policy_role_may_have(&policy, agent, 0x0a0900ff));
    cr_expect_not(policy_role_may_have(&policy, b, 0x0a090080));
    policy_free(&policy);
}

Test(policy, smallest_and_largest_subnet)
{
    struct policy policy =
        parse_good("{\"version\":1,\"subnet\":\"192.168.5.248/29\",\"proxy\":{\"address\":\"192.168.5.250\","
                   "\"port\":1,\"at\":\"host\"},\"roles\":{\"a\":{\"addresses\":\"192.168.5.252/30\"}}}");

    cr_expect_eq(policy.host_address, 0xc0a805f9);
    cr_expect_null(policy_role_of(&policy, 0xc0a805ff));
    cr_expect_eq(policy_role_of(&policy, 0xc0a805fe), &policy.roles[0]);
    policy_free(&policy);
    policy =
        parse_good("{\"version\":1,\"subnet\":\"10.0.0.0/8\",\"proxy\":{\"address\":\"10.0.0.2\","
                   "\"port\":65535,\"at\":\"host\"},\"roles\":{\"a\":{\"addresses\":\"10.128.0.0/9\"}}}");
    cr_expect_eq(policy.roles[0].addresses.last, 0x0affffff);
    policy_free(&policy);
}

static const struct {
    const char *text;
    const char *message;
} bad_inputs[] = {
    /* JSON */
    {"", "FILE: line 1, column 0: '[' or '{' expected near end of file"},
    {" \n", "FILE: line 2, column 0: '[' or '{' expected near end of file"},
    {"{", "FILE: line 1, column 1: string or '}' expected near end of file"},
    {"\xef\xbb\xbf{}", "FILE: line 1, column 1: '[' or '{' expected near '\xef\xbb\xbf'"},
    {"{\"version\":1,}", "FILE: line 1, column 14: string or '}' expected near '}'"},
    {"{} x", "FILE: line 1, column 4: end of file expected near 'x'"},
    {"{}{}", "FILE: line 1, column 3: end of file expected near '{'"},
    {"{\"version\":1,\"version\":1}", "FILE: line 1, column 22: duplicate object key near '\"version\"'"},
    {ROLES("\"a\":{\"addresses\":\"10.9.0.3\",\"addresses\":\"10.9.0.4\"}"),
     "FILE: line 1, column 139: duplicate object key near '\"addresses\"'"},
    {ROLES("\"a\":{\"addresses\":\"10.9.0.3\"},\"a\":{\"addresses\":\"10.9.0.4\"}"),
     "FILE: line 1, column 132: duplicate object key near '\"a\"'"},
    {"{\"proxy\":{\"at\":\"host\",\"\\u0061t\":\"host\"}}",
     "FILE: line 1, column 31: duplicate object key near '\"\\u0061t\"'"},
    {"{\"subnet\":\"10.9.0.0\\u0000/24\"}",
     "FILE: line 1, column 29: \\u0000 is not allowed without JSON_ALLOW_NUL near '\"10.9.0.0\\u0000/24\"'"},
    {"{\"a\\u0000\":1}", "FILE: line 1, column 10: NUL byte in object key not supported near '\"a\\u0000\"'"},
    {"{\"version\":99999999999999999999}",
     "FILE: line 1, column 31: too big integer near '99999999999999999999'"},
    {"{\"version\":01}", "FILE: line 1, column 12: invalid token near '0'"},
    {"{'version':1}", "FILE: line 1, column 2: string or '}' expected near '''"},
    {"{} // comment", "FILE: line 1, column 4: end of file expected near '/'"},

    /* the file as a whole */
    {"[]", "FILE: $: has to be an object, is a list"},
    {"{}", "FILE: $.version: missing; this key is required"},
    {"{\"version\":1}", "FILE: $.subnet: missing; this key is required"},
    {"{\"version\":1,\"subnet\":1}", "FILE: $.proxy: missing; this key is required"},
    {"{\"version\":1,\"subnet\":1,\"proxy\":1}", "FILE: $.roles: missing; this key is required"},
    {"{\"version\":1,\"role\":1}", "FILE: $.role: unknown key; known here are version, subnet, proxy, roles"},
    {"{\"\":1}", "FILE: $[\"\"]: unknown key; known here are version, subnet, proxy, roles"},
    {"{\"a b\\n\xc2\x9b\":1}",
     "FILE: $[\"a b???\"]: unknown key; known here are version, subnet, proxy, roles"},
    {"{\"version\":2,\"subnet\":1,\"proxy\":1,\"roles\":1}",
     "FILE: $.version: 2 is unknown to this release, which reads version 1"},
    {"{\"version\":-9223372036854775808,\"subnet\":1,\"proxy\":1,\"roles\":1}",
     "FILE: $.version: -9223372036854775808 is not from -2147483648 to 2147483647"},
    {"{\"version\":1.0,\"subnet\":1,\"proxy\":1,\"roles\":1}",
     "FILE: $.version: has to be an integer, is a number with a fraction or an exponent"},
    {"{\"version\":true,\"subnet\":1,\"proxy\":1,\"roles\":1}",
     "FILE: $.version: has to be an integer, is a boolean"},
    {"{\"version\":\"1\",\"subnet\":1,\"proxy\":1,\"roles\":1}",
     "FILE: $.version: has to be an integer, is a string"},

    /* subnet */
    {SUBNET("null"), "FILE: $.subnet: has to be a string, is null"},
    {SUBNET("\"\""), "FILE: $.subnet: \"\": not an IPv4 address of four decimal numbers from 0 to 255"},
    {SUBNET("\"10.9.0/24\""),
     "FILE: $.subnet: \"10.9.0/24\": not an IPv4 address of four decimal numbers from 0 to 255"},
    {SUBNET("\"10.9.0.256/24\""),
     "FILE: $.subnet: \"10.9.0.256/24\": not an IPv4 address of four decimal numbers from 0 to 255"},
    {SUBNET("\"10.9.0.00/24\""),
     "FILE: $.subnet: \"10.9.0.00/24\": not an IPv4 address of four decimal numbers from 0 to 255"},
    {SUBNET("\" 10.9.0.0/24\""),
     "FILE: $.subnet: \" 10.9.0.0/24\": not an IPv4 address of four decimal numbers from 0 to 255"},
    {SUBNET("\"10.9.0.0.0/24\""),
     "FILE: $.subnet: \"10.9.0.0.0/24\": not an IPv4 address of four decimal numbers from 0 to 255"},
    {SUBNET("\"2001:db8::/64\""),
     "FILE: $.subnet: \"2001:db8::/64\": not an IPv4 address of four decimal numbers from 0 to 255"},
    {SUBNET("\"10.9.0.0/\""),
     "FILE: $.subnet: \"10.9.0.0/\": the prefix length is a decimal number from 0 to 32"},
    {SUBNET("\"10.9.0.0/33\""),
     "FILE: $.subnet: \"10.9.0.0/33\": the prefix length is a decimal number from 0 to 32"},
    {SUBNET("\"10.9.0.0/024\""),
     "FILE: $.subnet: \"10.9.0.0/024\": the prefix length is a decimal number from 0 to 32"},
    {SUBNET("\"10.9.0.0/24 \""),
     "FILE: $.subnet: \"10.9.0.0/24 \": the prefix length is a decimal number from 0 to 32"},
    {SUBNET("\"10.9.0.0/255.255.255.0\""),
     "FILE: $.subnet: \"10.9.0.0/255.255.255.0\": the prefix length is a decimal number from 0 to 32"},
    {SUBNET("\"10.9.0.1/24\""),
     "FILE: $.subnet: \"10.9.0.1/24\": address bits are set behind the prefix; write the "
     "first address of the range"},
    {SUBNET("\"10.0.0.0/7\""),
     "FILE: $.subnet: \"10.0.0.0/7\": the prefix length has to be from 8 to 29, to have "
     "room for host, proxy and members and to be no larger than a private range"},
    {SUBNET("\"10.9.0.0/30\""),
     "FILE: $.subnet: \"10.9.0.0/30\": the prefix length has to be from 8 to 29, to have "
     "room for host, proxy and members and to be no larger than a private range"},
    {SUBNET("\"0.0.0.0/0\""),
     "FILE: $.subnet: \"0.0.0.0/0\": the prefix length has to be from 8 to 29, to have "
     "room for host, proxy and members and to be no larger than a private range"},
    {SUBNET("\"0.0.0.0/8\""),
     "FILE: $.subnet: \"0.0.0.0/8\": lies in 0.0.0.0/8 (\"this\" network); take a private "
     "range such as 10.209.0.0/24"},
    {SUBNET("\"127.1.0.0/16\""),
     "FILE: $.subnet: \"127.1.0.0/16\": lies in 127.0.0.0/8 (loopback); take a private "
     "range such as 10.209.0.0/24"},
    {SUBNET("\"169.0.0.0/8\""),
     "FILE: $.subnet: \"169.0.0.0/8\": lies in 169.254.0.0/16 (link-local); take a "
     "private range such as 10.209.0.0/24"},
    {SUBNET("\"224.0.0.0/24\""),
     "FILE: $.subnet: \"224.0.0.0/24\": lies in 224.0.0.0/4 (multicast); take a private "
     "range such as 10.209.0.0/24"},
    {SUBNET("\"255.255.255.0/24\""),
     "FILE: $.subnet: \"255.255.255.0/24\": lies in 240.0.0.0/4 (reserved and "
     "broadcast); take a private range such as 10.209.0.0/24"},

    /* proxy */
    {WITH_PROXY("[]"), "FILE: $.proxy: has to be an object, is a list"},
    {WITH_PROXY("{}"), "FILE: $.proxy.address: missing; this key is required"},
    {WITH_PROXY("{\"address\":\"10.9.0.2\"}"), "FILE: $.proxy.port: missing; this key is required"},
    {WITH_PROXY("{\"address\":\"10.9.0.2\",\"port\":1}"), "FILE: $.proxy.at: missing; this key is required"},
    {WITH_PROXY("{\"address\":\"10.9.0.2\",\"port\":1,\"at\":\"host\",\"user\":1}"),
     "FILE: $.proxy.user: unknown key; known here are address, port, at, sni, http"},
    {WITH_PROXY("{\"address\":2,\"port\":1,\"at\":\"host\"}"),
     "FILE: $.proxy.address: has to be a string, is an integer"},
    {WITH_PROXY("{\"address\":\"10.9.0.2/24\",\"port\":1,\"at\":\"host\"}"),
     "FILE: $.proxy.address: \"10.9.0.2/24\": not an IPv4 address of four decimal numbers from 0 to 255"},
    {WITH_PROXY("{\"address\":\"10.9.1.2\",\"port\":1,\"at\":\"host\"}"),
     "FILE: $.proxy.address: \"10.9.1.2\": not inside $.subnet"},
    {WITH_PROXY("{\"address\":\"10.9.0.0\",\"port\":1,\"at\":\"host\"}"),
     "FILE: $.proxy.address: \"10.9.0.0\": the subnet's network and broadcast addresses are nobody's"},
    {WITH_PROXY("{\"address\":\"10.9.0.255\",\"port\":1,\"at\":\"host\"}"),
     "FILE: $.proxy.address: \"10.9.0.255\": the subnet's network and broadcast addresses are nobody's"},
    {WITH_PROXY("{\"address\":\"10.9.0.1\",\"port\":1,\"at\":\"host\"}"),
     "FILE: $.proxy.address: \"10.9.0.1\": the subnet's first address is the host's own; take the next one"},
    {WITH_PROXY("{\"address\":\"10.9.0.2\",\"port\":0,\"at\":\"host\"}"),
     "FILE: $.proxy.port: 0 is not from 1 to 65535"},
    {WITH_PROXY("{\"address\":\"10.9.0.2\",\"port\":65536,\"at\":\"host\"}"),
     "FILE: $.proxy.port: 65536 is not from 1 to 65535"},
    {WITH_PROXY("{\"address\":\"10.9.0.2\",\"port\":-1,\"at\":\"host\"}"),
     "FILE: $.proxy.port: -1 is not from 1 to 65535"},
    {WITH_PROXY("{\"address\":\"10.9.0.2\",\"port\":3.128e3,\"at\":\"host\"}"),
     "FILE: $.proxy.port: has to be an integer, is a number with a fraction or an exponent"},
    {WITH_PROXY("{\"address\":\"10.9.0.2\",\"port\":\"3128\",\"at\":\"host\"}"),
     "FILE: $.proxy.port: has to be an integer, is a string"},
    {WITH_PROXY("{\"address\":\"10.9.0.2\",\"port\":1,\"at\":\"Host\"}"),
     "FILE: $.proxy.at: \"Host\": neither \"host\" nor \"member\""},
    {PASSING("\"sni\":\"443\""), "FILE: $.proxy.sni: has to be an integer, is a string"},
    {PASSING("\"sni\":true"), "FILE: $.proxy.sni: has to be an integer, is a boolean"},
    {PASSING("\"sni\":0"), "FILE: $.proxy.sni: 0 is not from 1 to 65535"},
    {PASSING("\"sni\":8443"),
     "FILE: $.proxy.sni: 8443 is not 443, the port that programs which know no proxy connect to"},
    {PASSING("\"http\":443"),
     "FILE: $.proxy.http: 443 is not 80, the port that programs which know no proxy connect to"},
    {WITH_PROXY("{\"address\":\"10.9.0.2\",\"port\":443,\"at\":\"host\",\"sni\":443}"),
     "FILE: $.proxy.sni: 443 is $.proxy.port already"},
    {WITH_PROXY("{\"address\":\"10.9.0.2\",\"port\":80,\"at\":\"host\",\"http\":80}"),
     "FILE: $.proxy.http: 80 is $.proxy.port already"},
    {PASSING_HOSTS("\"a.com\",\"localhost\""), "FILE: $.roles.agent.hosts[1]: \"localhost\": " TAKEN},
    {PASSING_HOSTS("\"Proxy:80\""), "FILE: $.roles.agent.hosts[0]: \"Proxy:80\": " TAKEN},
    {PASSING_HOSTS("\"zebra\""), "FILE: $.roles.agent.hosts[0]: \"zebra\": " TAKEN},
    {WITH_PROXY("{\"address\":\"10.9.0.2\",\"port\":1,\"at\":null}"),
     "FILE: $.proxy.at: has to be a string, is null"},

    /* roles and their names */
    {HEAD "[]}", "FILE: $.roles: has to be an object, is a list"},
    {ROLES(""), "FILE: $.roles: is empty; a network without roles admits nobody"},
    {ROLES("\"Agent\":{}"), "FILE: $.roles.Agent: not a role's name: " POLICY_NAME_RULE},
    {ROLES("\"\":{}"), "FILE: $.roles[\"\"]: not a role's name: " POLICY_NAME_RULE},
    {ROLES("\"-a\":{}"), "FILE: $.roles.-a: not a role's name: " POLICY_NAME_RULE},
    {ROLES("\"a/b\":{}"), "FILE: $.roles[\"a/b\"]: not a role's name: " POLICY_NAME_RULE},
    {ROLES("\"thirteen-long\":{}"), "FILE: $.roles.thirteen-long: not a role's name: " POLICY_NAME_RULE},
    {ROLES("\"proxy\":{\"addresses\":\"10.9.0.2\"}"),
     "FILE: $.roles.proxy: the name is reserved; the proxy is described in $.proxy"},
    {ROLES("\"agent\":7"), "FILE: $.roles.agent: has to be an object, is an integer"},
    {ROLES("\"agent\":{}"), "FILE: $.roles.agent.addresses: missing; this key is required"},
    {AGENT(",\"rech\":[]"),
     "FILE: $.roles.agent.rech: unknown key; known here are addresses, reach, hosts, publish, "
     "links, nested, i386, sockets"},

    /* addresses */
    {ROLES("\"agent\":{\"addresses\":[]}"), "FILE: $.roles.agent.addresses: has to be a string, is a list"},
    {ROLES("\"agent\":{\"addresses\":\"10.9.0.70/26\"}"),
     "FILE: $.roles.agent.addresses: \"10.9.0.70/26\": address bits are set behind the prefix; write the "
     "first "
     "address of the range"},
    {ROLES("\"agent\":{\"addresses\":\"10.9.1.0/26\"}"),
     "FILE: $.roles.agent.addresses: \"10.9.1.0/26\": not inside $.subnet (10.9.0.0/24)"},
    {ROLES("\"agent\":{\"addresses\":\"10.8.255.255\"}"),
     "FILE: $.roles.agent.addresses: \"10.8.255.255\": not inside $.subnet (10.9.0.0/24)"},
    {ROLES("\"agent\":{\"addresses\":\"10.8.0.0/15\"}"),
     "FILE: $.roles.agent.addresses: \"10.8.0.0/15\": not inside $.subnet (10.9.0.0/24)"},
    {ROLES("\"agent\":{\"addresses\":\"0.0.0.0/0\"}"),
     "FILE: $.roles.agent.addresses: \"0.0.0.0/0\": not inside $.subnet (10.9.0.0/24)"},
    {ROLES("\"agent\":{\"addresses\":\"10.9.0.0/24\"}"),
     "FILE: $.roles.agent.addresses: \"10.9.0.0/24\": contains 10.9.0.1, the subnet's first address, which "
     "is the "
     "host's own"},
    {ROLES("\"agent\":{\"addresses\":\"10.9.0.1\"}"), "FILE: $.roles.agent.addresses: \"10.9.0.1\": contains "
                                                      "10.9.0.1, the subnet's first address, which is the "
                                                      "host's own"},
    {ROLES("\"agent\":{\"addresses\":\"10.9.0.2/31\"}"),
     "FILE: $.roles.agent.addresses: \"10.9.0.2/31\": contains 10.9.0.2, the proxy's address"},
    {ROLES("\"agent\":{\"addresses\":\"10.9.0.0\"}"),
     "FILE: $.roles.agent.addresses: \"10.9.0.0\": the subnet's network and broadcast addresses are "
     "nobody's"},
    {ROLES("\"agent\":{\"addresses\":\"10.9.0.255\"}"),
     "FILE: $.roles.agent.addresses: \"10.9.0.255\": the subnet's network and broadcast addresses are "
     "nobody's"},
    {ROLES("\"b\":{\"addresses\":\"10.9.0.64/26\"},\"a\":{\"addresses\":\"10.9.0.127\"}"),
     "FILE: $.roles.b.addresses: \"10.9.0.64/26\": overlaps $.roles.a.addresses"},
    {ROLES("\"a\":{\"addresses\":\"10.9.0.64/26\"},\"b\":{\"addresses\":\"10.9.0.64/26\"}"),
     "FILE: $.roles.b.addresses: \"10.9.0.64/26\": overlaps $.roles.a.addresses"},

    /* reach */
    {AGENT(",\"reach\":\"proxy\""), "FILE: $.roles.agent.reach: has to be a list of strings, is a string"},
    {AGENT(",\"reach\":[\"proxy\",7]"), "FILE: $.roles.agent.reach[1]: has to be a string, is an integer"},
    {AGENT(",\"reach\":[\"proxy\",\"proxy\"]"),
     "FILE: $.roles.agent.reach[1]: \"proxy\": stands in this list already"},
    {AGENT(",\"reach\":[\"agent:1\",\"proxy\",\"agent:1\"]"),
     "FILE: $.roles.agent.reach[2]: \"agent:1\": stands in this list already"},
    {AGENT(",\"reach\":[\"proxy:3128\"]"),
     "FILE: $.roles.agent.reach[0]: \"proxy:3128\": the proxy is reached at $.proxy.port; write \"proxy\""},
    {AGENT(",\"reach\":[\"gateway:80\"]"),
     "FILE: $.roles.agent.reach[0]: \"gateway:80\": there is no such role in $.roles"},
    {AGENT(",\"reach\":[\"agen:80\"]"),
     "FILE: $.roles.agent.reach[0]: \"agen:80\": there is no such role in $.roles"},
    {AGENT(",\"reach\":[\"10.9.0.3:80\"]"),
     "FILE: $.roles.agent.reach[0]: \"10.9.0.3:80\": there is no such role in $.roles"},
    {AGENT(",\"reach\":[\"agent\"]"),
     "FILE: $.roles.agent.reach[0]: \"agent\": neither \"proxy\" nor of the form ROLE:PORT"},
    {AGENT(",\"reach\":[\"\"]"),
     "FILE: $.roles.agent.reach[0]: \"\": neither \"proxy\" nor of the form ROLE:PORT"},
#define BAD_PORT(port)                                                                                       \
    {                                                                                                        \
        AGENT(",\"reach\":[\"agent:" port "\"]"), "FILE: $.roles.agent.reach[0]: \"agent:" port              \
                                                  "\": a port is a decimal number from 1 to 65535, without " \
                                                  "sign or leading zeros"                                    \
    }
    BAD_PORT(""),
    BAD_PORT("0"),
    BAD_PORT("65536"),
    BAD_PORT("4294967376"),
    BAD_PORT("18446744073709551696"),
    BAD_PORT("080"),
    BAD_PORT("+80"),
    BAD_PORT("-1"),
    BAD_PORT(" 80"),
    BAD_PORT("80 "),
    BAD_PORT("0x50"),
    BAD_PORT("80/udp"),
    BAD_PORT("80:81"),

    /* hosts */
    {AGENT(",\"hosts\":[\"example.com\"]"), "FILE: $.roles.agent.hosts: hosts are reached through the proxy, "
                                            "which this role may not reach; add \"proxy\" "
                                            "to its \"reach\""},
    {AGENT(",\"reach\":[\"proxy\"],\"hosts\":{}"),
     "FILE: $.roles.agent.hosts: has to be a list of strings, is an object"},
    {HOSTS("null"), "FILE: $.roles.agent.hosts[0]: has to be a string, is null"},
    {HOSTS("\"A.com\",\"a.com:443\""),
     "FILE: $.roles.agent.hosts[1]: \"a.com:443\": stands in this list already"},
#define BAD_HOST(host, why)                                                       \
    {                                                                             \
        HOSTS("\"" host "\""), "FILE: $.roles.agent.hosts[0]: \"" host "\": " why \
    }
#define EMPTY_LABEL "a label between dots is empty (a name has no trailing dot)"
#define NO_ADDRESS "an address is not a host name (the last label is a number)"
#define CHARACTERS "a host name has only letters, digits, hyphens, underscores and dots"
    BAD_HOST("", "the host name is empty"),
    BAD_HOST(".", "the host name is empty"),
    BAD_HOST(":443", "the host name is empty"),
    BAD_HOST("example.com.", EMPTY_LABEL),
    BAD_HOST("..example.com", EMPTY_LABEL),
    BAD_HOST("a..b", EMPTY_LABEL),
    BAD_HOST("*.example.com",
             "there are no wildcards; a leading dot, as in \".example.com\", means the name and its "
             "subdomains"),
    BAD_HOST("-a.com", "a label begins or ends with a hyphen"),
    BAD_HOST("a-.com", "a label begins or ends with a hyphen"),
    BAD_HOST("exa mple.com", CHARACTERS),
    BAD_HOST("example.com/", CHARACTERS),
    BAD_HOST("https://example.com", "a URL is not a host name: leave out scheme and path"),
    BAD_HOST("https://example.com:443/v1", "a URL is not a host name: leave out scheme and path"),
    BAD_HOST("user@example.com", CHARACTERS),
    BAD_HOST("a*.com", CHARACTERS),
    BAD_HOST("1.2.3.4", NO_ADDRESS),
    BAD_HOST(".1.2.3.4", NO_ADDRESS),
    BAD_HOST("127.1", NO_ADDRESS),
    BAD_HOST("0x7f.1", NO_ADDRESS),
    BAD_HOST("0x7f000001", NO_ADDRESS),
    BAD_HOST("127.0x1", NO_ADDRESS),
    BAD_HOST("127.0X1", NO_ADDRESS),
    BAD_HOST("127.0x", NO_ADDRESS),
    BAD_HOST("2130706433", NO_ADDRESS),
    BAD_HOST("0177.0.0.01", NO_ADDRESS),
    BAD_HOST("1.2.3.4:443", NO_ADDRESS),
    BAD_HOST("::1", "an address is not a host name"),
    BAD_HOST("[::1]:443", "an address is not a host name"),
    BAD_HOST("a.com:0", "a port is a decimal number from 1 to 65535, without sign or leading zeros"),
    BAD_HOST("a.com:", "a port is a decimal number from 1 to 65535, without sign or leading zeros"),
    BAD_HOST("a234567890123456789012345678901234567890123456789012345678901234.com",
             "a label has more than 63 characters"),
    {HOSTS("\"b\xc3\xbc"
           "cher.example\""),
     "FILE: $.roles.agent.hosts[0]: \"b??cher.example\": " CHARACTERS},

    /* publish */
    {AGENT(",\"publish\":[\"127.0.0.1:80:80\"]"), "FILE: $.roles.agent.publish[0]: \"127.0.0.1:80:80\": only "
                                                  "a role with one fixed address can be published, this "
                                                  "one has a pool"},
    {FIXED(",\"publish\":[\"127.0.0.1:80:80\",\"127.0.0.1:80:81\"]"),
     "FILE: $.roles.agent.publish[1]: \"127.0.0.1:80:81\": role agent publishes at this address and port "
     "already"},
    {ROLES("\"a\":{\"addresses\":\"10.9.0.3\",\"publish\":[\"127.0.0.1:80:80\"]},"
           "\"b\":{\"addresses\":\"10.9.0.4\",\"publish\":[\"127.0.0.2:80:80\",\"127.0.0.1:80:80\"]}"),
     "FILE: $.roles.b.publish[1]: \"127.0.0.1:80:80\": role a publishes at this address and port already"},
#define BAD_PUBLISH(publish, why)                                                                        \
    {                                                                                                    \
        FIXED(",\"publish\":[\"" publish "\"]"), "FILE: $.roles.agent.publish[0]: \"" publish "\": " why \
    }
    BAD_PUBLISH("80:80", "not of the form HOST_ADDRESS:HOST_PORT:MEMBER_PORT"),
    BAD_PUBLISH("127.0.0.1", "not of the form HOST_ADDRESS:HOST_PORT:MEMBER_PORT"),
    BAD_PUBLISH("0.0.0.0:80:80",
                "ports are published on the host's loopback only: the address has to be in 127.0.0.0/8"),
    BAD_PUBLISH("10.0.0.1:80:80",
                "ports are published on the host's loopback only: the address has to be in 127.0.0.0/8"),
    BAD_PUBLISH("localhost:80:80", "not an IPv4 address of four decimal numbers from 0 to 255"),
    BAD_PUBLISH(":80:80", "not an IPv4 address of four decimal numbers from 0 to 255"),
    BAD_PUBLISH("127.0.0.1:080:80",
                "a port is a decimal number from 1 to 65535, without sign or leading zeros"),
    BAD_PUBLISH("127.0.0.1:80:0",
                "a port is a decimal number from 1 to 65535, without sign or leading zeros"),
    BAD_PUBLISH("127.0.0.1:80:80:80",
                "a port is a decimal number from 1 to 65535, without sign or leading zeros"),
    BAD_PUBLISH("127.0.0.1::80", "a port is a decimal number from 1 to 65535, without sign or leading zeros"),

    /* the rest of a role */
    {AGENT(",\"links\":\"delete\""),
     "FILE: $.roles.agent.links: \"delete\": neither \"remove\" nor \"refuse\" nor \"keep\""},
    {AGENT(",\"links\":false"), "FILE: $.roles.agent.links: has to be a string, is a boolean"},
    {AGENT(",\"nested\":1"), "FILE: $.roles.agent.nested: has to be true or false, is an integer"},
    {AGENT(",\"nested\":null"), "FILE: $.roles.agent.nested: has to be true or false, is null"},
    {AGENT(",\"i386\":\"yes\""), "FILE: $.roles.agent.i386: has to be true or false, is a string"},
    {AGENT(",\"sockets\":[\"run/x\"]"), "FILE: $.roles.agent.sockets[0]: \"run/x\": not an absolute path"},
    {AGENT(",\"sockets\":[\"\"]"), "FILE: $.roles.agent.sockets[0]: \"\": not an absolute path"},
    {AGENT(",\"sockets\":[\"/a\",\"/a\"]"),
     "FILE: $.roles.agent.sockets[1]: \"/a\": stands in this list already"},
    {AGENT(",\"sockets\":[\"/a\\nb\"]"),
     "FILE: $.roles.agent.sockets[0]: \"/a?b\": the path has control characters"},
#define BAD_PATH(path)                                                             \
    {                                                                              \
        AGENT(",\"sockets\":[\"" path "\"]"),                                      \
            "FILE: $.roles.agent.sockets[0]: \"" path                              \
            "\": the path has an empty, \".\" or \"..\" component, or a trailing " \
            "slash"                                                                \
    }
    BAD_PATH("/"),
    BAD_PATH("/a/"),
    BAD_PATH("//a"),
    BAD_PATH("/a//b"),
    BAD_PATH("/./a"),
    BAD_PATH("/a/.."),
    BAD_PATH("/a/../b"),
};

Test(policy, every_refusal_says_where_and_why)
{
    for (size_t i = 0; i < array_size(bad_inputs); i++) {
        struct policy policy = {.prefix = 77};
        struct error err = {0};

        cr_expect_eq(parse(bad_inputs[i].text, &policy, &err), -EINVAL, "accepted: %s", bad_inputs[i].text);
        cr_expect_str_eq(err.text, bad_inputs[i].message, "input:    %s\nmessage:  %s\nexpected: %s",
                         bad_inputs[i].text, err.text, bad_inputs[i].message);
        cr_expect_eq(policy.prefix, 77, "the result is untouched");
    }
}

/* The bad inputs are good ones with one thing changed: each good one really is accepted. */
Test(policy, the_frames_of_the_bad_inputs_are_good)
{
    static const char *const good[] = {
        AGENT(""),
        FIXED(",\"publish\":[\"127.0.0.1:80:80\",\"127.0.0.1:81:80\",\"127.255.0.1:80:80\"]"),
        HOSTS("\"example.com\""),
        HOSTS(""),
        SUBNET("\"10.9.0.0/24\""),
        WITH_PROXY("{\"address\":\"10.9.0.2\",\"port\":1,\"at\":\"host\"}"),
        AGENT(",\"reach\":[\"agent:80\"],\"sockets\":[\"/a\"]"),
        HOSTS("\"1.2.3.4a\",\"0x7f.com\",\"a23456789012345678901234567890123456789012345678901234567890123."
              "com\""),
        ROLES("\"twelve-chars\":{\"addresses\":\"10.9.0.254\"},\"0\":{\"addresses\":\"10.9.0.3\"}"),
    };

    for (size_t i = 0; i < array_size(good); i++) {
        struct policy policy = parse_good(good[i]);

        policy_free(&policy);
    }
}

Test(policy, every_prefix_of_a_good_file_is_refused)
{
    for (size_t length = 0; length < strlen(example) - strlen("}\n") + 1; length++) {
        struct policy policy;
        struct error err = {0};

        cr_expect_lt(policy_parse(example, length, "FILE", "hermes", &policy, &err), 0, "%zu bytes", length);
    }
}

Test(policy, raw_nul_bytes_are_refused)
{
    static const char inside[] = "{\"version\":1,\"sub\0net\":1}";
    static const char behind[] = "{}\0";
    struct policy policy;
    struct error err = {0};

    cr_expect_eq(policy_parse(inside, sizeof(inside) - 1, "FILE", "hermes", &policy, &err), -EINVAL);
    cr_expect_str_eq(err.text, "FILE: line 1, column 17: control character 0x0 near '\"sub'");
    cr_expect_eq(policy_parse(behind, sizeof(behind) - 1, "FILE", "hermes", &policy, &err), -EINVAL);
    cr_expect_str_eq(err.text, "FILE: line 1, column 3: end of file expected near end of file");
}

static char *repeat(const char *before, const char *unit, size_t count, const char *after)
{
    char *text = malloc(strlen(before) + strlen(unit) * count + strlen(after) + 1);
    char *at = NULL;

    cr_assert_not_null(text);
    at = stpcpy(text, before);
    for (size_t i = 0; i < count; i++)
        at = stpcpy(at, unit);
    strcpy(at, after);
    return text;
}

Test(policy, limits)
{
    const struct {
        char *text;
        const char *message;
    } inputs[] = {
        {repeat("", "[", 500000, ""), "FILE: line 1, column 2049: maximum parsing depth reached near '['"},
        {repeat("", "{\"a\":", 200000, ""),
         "FILE: line 1, column 10241: maximum parsing depth reached near '{'"},
        {repeat("{", " ", POLICY_FILE_MAX, "}"), "FILE: more than 1048576 bytes: File too large"},
        {repeat(HEAD "{\"agent\":{\"addresses\":\"10.9.0.9\",\"reach\":[", "\"proxy\",", 64, "\"proxy\"]}}}"),
         "FILE: $.roles.agent.reach: has 65 entries, more than 64"},
        {repeat(HEAD "{\"agent\":{\"addresses\":\"10.9.0.9\",\"reach\":[\"proxy\"],\"hosts\":[", "\"a.b\",",
                1024, "\"a.b\"]}}}"),
         "FILE: $.roles.agent.hosts: has 1025 entries, more than 1024"},
        {repeat("{\"", "k", 500, "\":1}"),
         "FILE: $.kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk: unknown key; known "
         "here are version, subnet, proxy, roles"},
        {repeat(HEAD "{\"agent\":{\"addresses\":\"10.9.0.9\",\"reach\":[\"proxy\"],\"hosts\":[\"", "ab.", 84,
                "ab\"]}}}"),
         "FILE: $.roles.agent.hosts[0]: "
         "\"ab.ab.ab.ab.ab.ab.ab.ab.ab.ab.ab.ab.ab.ab.ab.ab.ab.ab.ab.ab.ab.ab.ab.ab.ab.ab.ab\": a host name "
         "has at "
         "most 253 characters"},
        {repeat(HEAD "{\"agent\":{\"addresses\":\"10.9.0.9\",\"sockets\":[\"/", "a", 4095, "\"]}}}"),
         "FILE: $.roles.agent.sockets[0]: "
         "\"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\": the path is "
         "too long"},
    };
    struct policy policy;
    struct error err = {0};

    for (size_t i = 0; i < array_size(inputs); i++) {
        cr_expect_lt(parse(inputs[i].text, &policy, &err), 0);
        cr_expect_str_eq(err.text, inputs[i].message);
        free(inputs[i].text);
    }
    /* One character less, or one byte less, is good. */
    {
        cleanup_free char *name =
            repeat(HEAD "{\"agent\":{\"addresses\":\"10.9.0.9\",\"reach\":[\"proxy\"],\"hosts\":[\"", "ab.",
                   84, "a\"]}}}");
        cleanup_free char *file = repeat(AGENT(""), " ", POLICY_FILE_MAX - strlen(AGENT("")), "");

        policy = parse_good(name);
        cr_expect_eq(strlen(policy.roles[0].hosts[0].name), 253);
        policy_free(&policy);
        policy = parse_good(file);
        policy_free(&policy);
    }
}

Test(policy, at_most_32_roles)
{
    for (unsigned count = 32; count <= 33; count++) {
        char text[4096] = HEAD "{";
        struct policy policy;
        struct error err = {0};

        for (unsigned i = 0; i < count; i++)
            sprintf(text + strlen(text), "%s\"r%u\":{\"addresses\":\"10.9.0.%u\"}", i > 0 ? "," : "", i,
                    i + 3);
        strcat(text, "}}");
        if (count == POLICY_ROLES_MAX) {
            policy = parse_good(text);
            cr_expect_eq(policy.roles_count, 32);
            policy_free(&policy);
        } else {
            cr_expect_eq(parse(text, &policy, &err), -EINVAL);
            cr_expect_str_eq(err.text, "FILE: $.roles: has 33 roles, more than 32");
        }
    }
}

Test(policy, names)
{
    static const char *const good[] = {"a", "0", "hermes", "a-b", "a-", "twelve-chars"};
    static const char *const bad[] = {"",    "-",  "-a",  "A",   "a_b",           "a.b",
                                      "a/b", "..", "a b", "a\n", "thirteen-long", "\xc3\xa4"};
    struct policy policy;
    struct error err = {0};

    for (size_t i = 0; i < array_size(good); i++)
        cr_expect(policy_name_valid(good[i]), "%s", good[i]);
    for (size_t i = 0; i < array_size(bad); i++)
        cr_expect_not(policy_name_valid(bad[i]), "%s", bad[i]);
    cr_expect_eq(policy_parse(example, strlen(example), "FILE", "../x", &policy, &err), -EINVAL);
    cr_expect_str_eq(err.text, "network \"../x\": not a name: " POLICY_NAME_RULE);
}

static void digest_of(const char *text, char digest[POLICY_DIGEST_SIZE])
{
    struct policy policy = parse_good(text);

    memcpy(digest, policy.digest, POLICY_DIGEST_SIZE);
    policy_free(&policy);
}

#define TWO_ROLES(agent, gateway) \
    ROLES("\"agent\":{\"addresses\":\"10.9.0.64/26\"," agent "},\"gateway\":{\"addresses\":" gateway "}")

static const char digested[] = TWO_ROLES("\"reach\":[\"proxy\",\"gateway:1\",\"gateway:2\"]",
                                         "\"10.9.0.3\",\"publish\":[\"127.0.0.1:1:1\",\"127.0.0.1:2:2\"]");

Test(policy, digest_ignores_order_and_what_the_hub_does_not_know)
{
    static const char *const same[] = {
        ROLES("\"gateway\":{\"publish\":[\"127.0.0.1:2:2\",\"127.0.0.1:1:1\"],\"addresses\":\"10.9.0.3\"},"
              "\"agent\":{\"reach\":[\"gateway:2\",\"proxy\",\"gateway:1\"],\"addresses\":\"10.9.0.64/26\"}"),
        TWO_ROLES("\"reach\":[\"proxy\",\"gateway:1\",\"gateway:2\"],\"hosts\":[\"a.com\"],\"nested\":true,"
                  "\"links\":\"keep\",\"i386\":true,\"sockets\":[\"/a\"]",
                  "\"10.9.0.3/32\",\"publish\":[\"127.0.0.1:1:1\",\"127.0.0.1:2:2\"]"),
    };
    char expected[POLICY_DIGEST_SIZE];
    char digest[POLICY_DIGEST_SIZE];

    digest_of(digested, expected);
    cr_expect_eq(strlen(expected), 16);
    cr_expect_eq(strspn(expected, "0123456789abcdef"), 16);
    for (size_t i = 0; i < array_size(same); i++) {
        digest_of(same[i], digest);
        cr_expect_str_eq(digest, expected, "%s", same[i]);
    }
}

Test(policy, digest_sees_every_change_of_the_hub)
{
    static const char *const others[] = {
        digested,
        TWO_ROLES("\"reach\":[\"gateway:1\",\"gateway:2\"]",
                  "\"10.9.0.3\",\"publish\":[\"127.0.0.1:1:1\",\"127.0.0.1:2:2\"]"),
        TWO_ROLES("\"reach\":[\"proxy\",\"gateway:1\"]",
                  "\"10.9.0.3\",\"publish\":[\"127.0.0.1:1:1\",\"127.0.0.1:2:2\"]"),
        TWO_ROLES("\"reach\":[\"proxy\",\"gateway:1\",\"gateway:3\"]",
                  "\"10.9.0.3\",\"publish\":[\"127.0.0.1:1:1\",\"127.0.0.1:2:2\"]"),
        TWO_ROLES("\"reach\":[\"proxy\",\"gateway:1\",\"agent:2\"]",
                  "\"10.9.0.3\",\"publish\":[\"127.0.0.1:1:1\",\"127.0.0.1:2:2\"]"),
        TWO_ROLES("\"reach\":[\"proxy\",\"gateway:1\",\"gateway:2\"]",
                  "\"10.9.0.4\",\"publish\":[\"127.0.0.1:1:1\",\"127.0.0.1:2:2\"]"),
        TWO_ROLES("\"reach\":[\"proxy\",\"gateway:1\",\"gateway:2\"]",
                  "\"10.9.0.3\",\"publish\":[\"127.0.0.1:1:1\"]"),
        TWO_ROLES("\"reach\":[\"proxy\",\"gateway:1\",\"gateway:2\"]",
                  "\"10.9.0.3\",\"publish\":[\"127.0.0.1:1:1\",\"127.0.0.1:2:3\"]"),
        TWO_ROLES("\"reach\":[\"proxy\",\"gateway:1\",\"gateway:2\"]",
                  "\"10.9.0.3\",\"publish\":[\"127.0.0.1:1:1\",\"127.0.0.2:2:2\"]"),
        WITH_PROXY("{\"address\":\"10.9.0.2\",\"port\":3128,\"at\":\"host\"}"),
        WITH_PROXY("{\"address\":\"10.9.0.2\",\"port\":3128,\"at\":\"member\"}"),
        WITH_PROXY("{\"address\":\"10.9.0.2\",\"port\":3129,\"at\":\"host\"}"),
        WITH_PROXY("{\"address\":\"10.9.0.3\",\"port\":3128,\"at\":\"host\"}"),
        PASSING("\"sni\":443"),
        PASSING("\"http\":80"),
        PASSING("\"sni\":443,\"http\":80"),
        ROLES("\"agenu\":{\"addresses\":\"10.9.0.64/26\"}"),
        "{\"version\":1,\"subnet\":\"10.9.0.0/23\"," PROXY
        ",\"roles\":{\"agent\":{\"addresses\":\"10.9.0.64/26\"}}}",
    };
    char digests[array_size(others)][POLICY_DIGEST_SIZE];

    for (size_t i = 0; i < array_size(others); i++) {
        digest_of(others[i], digests[i]);
        for (size_t j = 0; j < i; j++)
            cr_expect_str_neq(digests[i], digests[j], "%s\n%s", others[i], others[j]);
    }
}

/* A change here means that every running hub asks for a reload after an upgrade: meant, or a mistake. */
Test(policy, digest_of_the_example_is_stable)
{
    char digest[POLICY_DIGEST_SIZE];

    digest_of(example, digest);
    cr_expect_str_eq(digest, "3a1351b9dfb6518d");
}

Test(policy, built_in_default)
{
    struct policy policy;
    struct policy same =
        parse_good("{\"version\":1,\"subnet\":\"10.208.0.0/20\",\"proxy\":{\"address\":\"10.208.0.2\","
                   "\"port\":3128,\"at\":\"host\"},\"roles\":{\"agent\":{\"addresses\":"
                   "\"10.208.8.0/21\",\"reach\":[\"proxy\"]}}}");

    policy_default(&policy);
    cr_expect_str_eq(policy.network, "default");
    cr_expect(policy.built_in);
    cr_expect_str_eq(policy.digest, same.digest, "it is what the same file would be");
    cr_expect_eq(policy.host_address, same.host_address);
    cr_expect_eq(policy.roles[0].hosts_count, 0);
    cr_expect_eq(policy.roles[0].links, POLICY_LINKS_REMOVE);
    cr_expect_eq(policy_role_find(&policy, POLICY_DEFAULT_ROLE), &policy.roles[0]);
    policy_free(&same);
    policy_free(&policy);
}

Test(policy, format_address)
{
    char buffer[16];

    cr_expect_str_eq(policy_format_address(0xffffffff, buffer), "255.255.255.255");
    cr_expect_str_eq(policy_format_address(0x0ad00002, buffer), "10.208.0.2");
}

/* Files: these tests run as root, as sallyport does. */

static char directory[64];

static void make_directory(void)
{
    strcpy(directory, "/tmp/sallyport-policy-XXXXXX");
    cr_assert_eq(geteuid(), 0, "the files of a policy are root's: run as root");
    cr_assert_not_null(mkdtemp(directory));
}

static void remove_directory(void)
{
    static const char *const names[] = {"hermes.json", "other.json",   "default.json",
                                        "target",      ".hidden.json", "Not-A-Network.json",
                                        "readme.txt",  ".json",        "other.json~"};
    char path[128];

    for (size_t i = 0; i < array_size(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        if (unlink(path) < 0)
            rmdir(path);
    }
    cr_expect_eq(rmdir(directory), 0);
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    cleanup_close int fd = -1;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    cr_assert_eq(fchmod(fd, 0644), 0);
}

/* The message with the test's directory written as DIR. */
static const char *without_directory(const char *text)
{
    static char result[2048];
    const char *found = NULL;

    result[0] = '\0';
    while ((found = strstr(text, directory)) != NULL) {
        strncat(result, text, (size_t)(found - text));
        strcat(result, "DIR");
        text = found + strlen(directory);
    }
    strcat(result, text);
    return result;
}

static void expect_load_error(const char *network, int expected, const char *message)
{
    struct policy policy = {.prefix = 77};
    struct error err = {0};

    cr_expect_eq(policy_load(directory, network, &policy, &err), expected);
    cr_expect_str_eq(without_directory(err.text), message);
    cr_expect_eq(policy.prefix, 77);
}

TestSuite(policy_file, .init = make_directory, .fini = remove_directory);

Test(policy_file, is_loaded)
{
    struct policy policy;
    struct error err = {0};

    write_file("hermes.json", example);
    cr_assert_eq(policy_load(directory, "hermes", &policy, &err), 0, "%s", err.text);
    cr_expect_str_eq(policy.network, "hermes");
    policy_free(&policy);
}

Test(policy_file, missing)
{
    struct policy policy;
    struct error err = {0};

    expect_load_error("hermes", -ENOENT,
                      "open DIR/hermes.json: No such file or directory; there is no network "
                      "hermes; write this file or correct the name");
    cr_assert_eq(policy_load(directory, "default", &policy, &err), 0, "%s", err.text);
    cr_expect(policy.built_in);
    policy_free(&policy);
    cr_assert_eq(policy_load("/nonexistent/networks.d", "default", &policy, &err), 0, "%s", err.text);
    cr_expect(policy.built_in);
    policy_free(&policy);
    cr_expect_eq(policy_load("/nonexistent/networks.d", "hermes", &policy, &err), -ENOENT);
    expect_load_error("../hermes", -EINVAL, "network \"../hermes\": not a name: " POLICY_NAME_RULE);
}

Test(policy_file, default_can_be_replaced_and_is_not_guessed)
{
    struct policy policy;
    struct error err = {0};

    write_file("default.json", example);
    cr_assert_eq(policy_load(directory, "default", &policy, &err), 0, "%s", err.text);
    cr_expect_not(policy.built_in);
    cr_expect_eq(policy.subnet, 0x0ad10000);
    policy_free(&policy);
    write_file("default.json", "");
    expect_load_error("default", -EINVAL,
                      "DIR/default.json: line 1, column 0: '[' or '{' expected near end of file");
}

Test(policy_file, writable_by_others_is_refused)
{
    static const mode_t modes[] = {0664, 0646, 0666, 0777};
    char path[128];

    write_file("hermes.json", example);
    snprintf(path, sizeof(path), "%s/hermes.json", directory);
    for (size_t i = 0; i < array_size(modes); i++) {
        cr_assert_eq(chmod(path, modes[i]), 0);
        expect_load_error(
            "hermes", -EINVAL,
            "DIR/hermes.json: writable by group or others, who could change the policy; check what it "
            "says and run `chmod go-w DIR/hermes.json`");
    }
    cr_assert_eq(chmod(path, 0600), 0);
    cr_assert_eq(chown(path, 1000, 0), 0);
    expect_load_error("hermes", -EINVAL,
                      "DIR/hermes.json: owned by user 1000, who could change the policy; check what "
                      "it says and run `chown root DIR/hermes.json`");
    cr_assert_eq(chown(path, 0, 1000), 0);
    {
        struct policy policy;
        struct error err = {0};

        cr_expect_eq(policy_load(directory, "hermes", &policy, &err), 0, "a group may read: %s", err.text);
        policy_free(&policy);
    }
}

Test(policy_file, directory_writable_by_others_is_refused)
{
    write_file("hermes.json", example);
    cr_assert_eq(chmod(directory, 0777), 0);
    expect_load_error("hermes", -EINVAL,
                      "DIR: writable by group or others, who could change the policy; check what it "
                      "says and run `chmod go-w DIR`");
    expect_load_error("default", -EINVAL,
                      "DIR: writable by group or others, who could change the policy; check what it "
                      "says and run `chmod go-w DIR`");
    cr_assert_eq(chmod(directory, 0755), 0);
    cr_assert_eq(chown(directory, 1000, 0), 0);
    expect_load_error(
        "hermes", -EINVAL,
        "DIR: owned by user 1000, who could change the policy; check what it says and run `chown root DIR`");
}

Test(policy_file, only_regular_files)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/hermes.json", directory);
    write_file("target", example);
    cr_assert_eq(symlink("target", path), 0);
    expect_load_error(
        "hermes", -ELOOP,
        "open DIR/hermes.json: Too many levels of symbolic links; links are not followed: put the "
        "file itself there");
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mkfifo(path, 0644), 0);
    expect_load_error("hermes", -EINVAL, "DIR/hermes.json: not a regular file");
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mkdir(path, 0755), 0);
    expect_load_error("hermes", -EINVAL, "DIR/hermes.json: not a regular file");
}

Test(policy_file, huge)
{
    cleanup_free char *text = repeat(AGENT(""), " ", POLICY_FILE_MAX, "");

    write_file("hermes.json", text);
    expect_load_error("hermes", -EFBIG, "read DIR/hermes.json: more than 1048576 bytes: File too large");
}

static void expect_overlap(const struct policy *policy, int expected, const char *message)
{
    struct error err = {0};

    cr_expect_eq(policy_check_overlap(directory, policy, &err), expected);
    cr_expect_str_eq(without_directory(err.text), message);
}

Test(policy_file, overlapping_networks)
{
    struct policy policy = parse_good(AGENT(""));

    expect_overlap(&policy, 0, "");
    write_file("hermes.json", "the network's own file is not read");
    write_file(".hidden.json", "nor one that can be no network's");
    write_file("Not-A-Network.json", "");
    write_file("readme.txt", "");
    write_file(".json", "");
    write_file("other.json~", "");
    write_file("other.json", example);
    expect_overlap(&policy, 0, "");
    write_file("other.json", AGENT(""));
    expect_overlap(&policy, -EINVAL,
                   "network hermes: its subnet 10.9.0.0/24 overlaps 10.9.0.0/24 of the network other; "
                   "give each network a subnet of its own");
    write_file("other.json",
               "{\"version\":1,\"subnet\":\"10.0.0.0/8\"," PROXY ",\"roles\":{\"a\":{\"addresses\":"
               "\"10.128.0.0/16\"}}}");
    expect_overlap(&policy, -EINVAL,
                   "network hermes: its subnet 10.9.0.0/24 overlaps 10.0.0.0/8 of the network other; "
                   "give each network a subnet of its own");
    write_file("other.json", "{");
    expect_overlap(&policy, -EINVAL,
                   "network hermes: cannot tell whether its subnet overlaps another one: "
                   "DIR/other.json: line 1, column 1: string or '}' expected near end of file");
    policy_free(&policy);
}

Test(policy_file, overlapping_the_built_in_network)
{
    struct policy policy =
        parse_good("{\"version\":1,\"subnet\":\"10.208.15.0/24\",\"proxy\":{\"address\":\"10.208.15.2\","
                   "\"port\":1,\"at\":\"host\"},\"roles\":{\"a\":{\"addresses\":\"10.208.15.3\"}}}");
    struct policy built_in;
    struct error err = {0};

    expect_overlap(&policy, -EINVAL,
                   "network hermes: its subnet 10.208.15.0/24 overlaps 10.208.0.0/20 of the built-in "
                   "network default; give each network a subnet of its own");
    cr_expect_eq(policy_check_overlap("/nonexistent/networks.d", &policy, &err), -EINVAL);
    write_file("default.json", example);
    expect_overlap(&policy, 0, "");
    policy_free(&policy);

    policy_default(&built_in);
    expect_overlap(&built_in, 0, "");
    cr_expect_eq(policy_check_overlap("/nonexistent/networks.d", &built_in, &err), 0);
    policy_free(&built_in);
}
