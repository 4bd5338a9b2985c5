/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules that we build byte by byte, as the nft program reads them back from the kernel. What is expected
 * is written by hand. Every test runs in a process, and so in a network namespace, of its own. */
#include "netns/nft.h"
#include "base/cleanup.h"
#include "netns/guard.h"
#include "netns/hub_rules.h"
#include "netns/uplink_rules.h"
#include "policy/policy.h"
#include "tests/kernel/nft_program.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { OUTPUT_SIZE = 1 << 20 };

static struct netlink *nf;
static struct error err;
static char output[OUTPUT_SIZE];

static const char hermes[] =
    "{\"version\": 1, \"subnet\": \"10.209.0.0/24\","
    " \"proxy\": {\"address\": \"10.209.0.2\", \"port\": 3128, \"at\": \"host\"},"
    " \"roles\": {"
    "  \"agent\": {\"addresses\": \"10.209.0.64/26\", \"reach\": [\"proxy\", \"gateway:8642\"]},"
    "  \"gateway\": {\"addresses\": \"10.209.0.3\", \"reach\": [\"proxy\", \"dashboard:9119\"],"
    "                \"publish\": [\"127.0.0.1:9119:9119\"]},"
    "  \"dashboard\": {\"addresses\": \"10.209.0.4\", \"reach\": [\"gateway:8642\"]}}}";

/* Revoked: everything but one flow. The proxy is a member. */
static const char revoked[] = "{\"version\": 1, \"subnet\": \"10.209.0.0/24\","
                              " \"proxy\": {\"address\": \"10.209.0.2\", \"port\": 8080, \"at\": \"member\"},"
                              " \"roles\": {\"agent\": {\"addresses\": \"10.209.0.64/29\","
                              "  \"reach\": [\"proxy\"]}}}";

static void setup(void)
{
    cr_assert_eq(unshare(CLONE_NEWNET), 0, "needs root");
    cr_assert_eq(netlink_open(NETLINK_NETFILTER, &nf, &err), 0, "%s", err.text);
}

static void teardown(void)
{
    netlink_close(nf);
}

TestSuite(nft, .init = setup, .fini = teardown);

static void load(const char *text, struct policy *policy)
{
    cr_assert_eq(policy_parse(text, strlen(text), "test.json", "hermes", policy, &err), 0, "%s", err.text);
}

/* In what is compared the policy's digest stands as DIGEST, and the generation in the set's name as
 * GENERATION. */
static void hide(const char *before, size_t length, const char *name)
{
    for (char *at = output; (at = strstr(at, before)) != NULL; at += strlen(before)) {
        char *text = at + strlen(before);

        if (strspn(text, "0123456789abcdef") != length)
            continue;
        memmove(text + strlen(name), text + length, strlen(text + length) + 1);
        memcpy(text, name, strlen(name));
    }
}

static void nft(const char *command)
{
    cr_assert_eq(nft_program(command), 0, "nft %s", command);
}

static void expect_ruleset(const char *expected)
{
    cr_assert_eq(nft_program_output("list ruleset", 0, output, sizeof(output)), 0);
    hide("policy-", POLICY_DIGEST_SIZE - 1, "DIGEST");
    hide("flows-", 8, "GENERATION");
    cr_assert_str_eq(output, expected, "is:\n%s\nnot:\n%s", output, expected);
}

/* How many ranges the listed set has: one is on each line that has two concatenations. */
static size_t elements_listed(void)
{
    size_t count = 0;

    for (const char *at = output; (at = strstr(at, " . ")) != NULL; at++)
        count++;
    return count / 2;
}

#define ANSWERING "tcp flags != syn / syn,ack tcp flags rst,ack accept\n"

static const char hub_head[] = "table inet sallyport {\n"
                               "\tcounter refused {\n"
                               "\t\tpackets 0 bytes 0\n"
                               "\t}\n"
                               "\n"
                               "\tset refused-of {\n"
                               "\t\ttype ipv4_addr\n"
                               "\t\tsize %u\n"
                               "\t\tflags dynamic\n"
                               "\t}\n"
                               "\n"
                               "\tset logged-of {\n"
                               "\t\ttype ipv4_addr\n"
                               "\t\tsize %u\n"
                               "\t\tflags dynamic\n"
                               "\t}\n"
                               "\n"
                               "\tset flows-GENERATION {\n"
                               "\t\ttype ipv4_addr . ipv4_addr . inet_service\n"
                               "\t\tflags constant,interval\n"
                               "%s";

static const char hub_chains[] =
    "\t}\n"
    "\n"
    "\tchain forward {\n"
    "\t\ttype filter hook forward priority filter; policy drop;\n"
    "\t\tip frag-off & 16383 == 0 oifname != \"lo\" jump policy-DIGEST\n"
    "\t\tcounter name \"refused\"\n"
    "\t\tadd @refused-of { ip saddr counter }\n"
    "\t\tadd @logged-of { ip saddr limit rate 50/second burst 50 packets } limit "
    "rate 500/second burst 500 packets log group 21328 log group 21329 log group "
    "21330 log group 21331\n"
    "\t\tmeta l4proto tcp reject with tcp reset\n"
    "\t}\n"
    "\n"
    "\tchain input {\n"
    "\t\ttype filter hook input priority filter; policy drop;\n"
    "\t}\n"
    "\n"
    "\tchain output {\n"
    "\t\ttype filter hook output priority filter; policy drop;\n"
    "\t\tmeta nfproto ipv4 tcp flags & rst == rst accept\n"
    "\t}\n"
    "\n"
    "\tchain to-proxy {\n"
    "%s"
    "\t}\n"
    "\n"
    "\tchain from-proxy {\n"
    "%s"
    "\t}\n"
    "\n"
    "\tchain policy-DIGEST {\n"
    "%s"
    "\t\tip saddr . ip daddr . tcp dport @flows-GENERATION accept\n"
    "\t\tip daddr . ip saddr . tcp sport @flows-GENERATION " ANSWERING "\t}\n"
    "}\n";

/* What a policy makes of the rules: the elements of the set, and the short way to the proxy. */
struct hub_text {
    unsigned addresses; /* how many the subnet has */
    const char *flows;
    const char *to_proxy;
    const char *from_proxy;
    const char *short_way;
};

static const struct hub_text hermes_text = {
    .addresses = 256,
    .flows = "\t\telements = { 10.209.0.64/26 . 10.209.0.2 . 3128,\n"
             "\t\t\t     10.209.0.3 . 10.209.0.2 . 3128,\n"
             "\t\t\t     10.209.0.64/26 . 10.209.0.3 . 8642,\n"
             "\t\t\t     10.209.0.4 . 10.209.0.3 . 8642,\n"
             "\t\t\t     10.209.0.3 . 10.209.0.4 . 9119,\n"
             "\t\t\t     10.209.0.1 . 10.209.0.3 . 9119 }\n",
    .to_proxy = "\t\tip saddr 10.209.0.64-10.209.0.127 tcp dport 3128 accept\n"
                "\t\tip saddr 10.209.0.3 tcp dport 3128 accept\n",
    .from_proxy = "\t\tip daddr 10.209.0.64-10.209.0.127 tcp sport 3128 " ANSWERING
                  "\t\tip daddr 10.209.0.3 tcp sport 3128 " ANSWERING,
    .short_way = "\t\tip daddr 10.209.0.2 jump to-proxy\n"
                 "\t\tip saddr 10.209.0.2 jump from-proxy\n"};

static const struct hub_text revoked_text = {
    .addresses = 256,
    .flows = "\t\telements = { 10.209.0.64/29 . 10.209.0.2 . 8080 }\n",
    .to_proxy = "\t\tip saddr 10.209.0.64-10.209.0.71 tcp dport 8080 accept\n",
    .from_proxy = "\t\tip daddr 10.209.0.64-10.209.0.71 tcp sport 8080 " ANSWERING,
    .short_way = "\t\tip daddr 10.209.0.2 jump to-proxy\n"
                 "\t\tip saddr 10.209.0.2 jump from-proxy\n"};

static const struct hub_text built_in_text = {
    .addresses = 4096,
    .flows = "\t\telements = { 10.208.8.0/21 . 10.208.0.2 . 3128 }\n",
    .to_proxy = "\t\tip saddr 10.208.8.0-10.208.15.255 tcp dport 3128 accept\n",
    .from_proxy = "\t\tip daddr 10.208.8.0-10.208.15.255 tcp sport 3128 " ANSWERING,
    .short_way = "\t\tip daddr 10.208.0.2 jump to-proxy\n"
                 "\t\tip saddr 10.208.0.2 jump from-proxy\n"};

static void expect_hub(const struct hub_text *text)
{
    char expected[4096];
    int length =
        snprintf(expected, sizeof(expected), hub_head, text->addresses, text->addresses, text->flows);

    snprintf(expected + length, sizeof(expected) - (size_t)length, hub_chains, text->to_proxy,
             text->from_proxy, text->short_way);
    expect_ruleset(expected);
}

Test(nft, hub)
{
    struct policy policy;

    load(hermes, &policy);
    cr_assert_eq(hub_rules_install(nf, &policy, &err), 0, "%s", err.text);
    expect_hub(&hermes_text);
    policy_free(&policy);
}

/* nft's own language does not show that the reset is for IPv4 only; the kernel's form does. */
Test(nft, hub_resets_only_ipv4)
{
    struct policy policy;

    policy_default(&policy);
    cr_assert_eq(hub_rules_install(nf, &policy, &err), 0, "%s", err.text);
    cr_assert_eq(nft_program_output("list chain inet sallyport forward", 1, output, sizeof(output)), 0);
    cr_assert_not_null(strstr(output, "  [ meta load nfproto => reg 1 ]\n"
                                      "  [ cmp eq reg 1 0x00000002 ]\n"
                                      "  [ meta load l4proto => reg 1 ]\n"
                                      "  [ cmp eq reg 1 0x00000006 ]\n"
                                      "  [ reject type 1 code 0 ]\n"),
                       "%s", output);
    policy_free(&policy);
}

Test(nft, hub_of_the_built_in_network)
{
    struct policy policy;

    policy_default(&policy);
    cr_assert_eq(hub_rules_install(nf, &policy, &err), 0, "%s", err.text);
    expect_hub(&built_in_text);
    policy_free(&policy);
}

Test(nft, hub_is_replaced_whole)
{
    struct policy before;
    struct policy after;

    load(hermes, &before);
    load(revoked, &after);
    cr_assert_eq(hub_rules_install(nf, &before, &err), 0, "%s", err.text);
    nft("add chain inet sallyport policy-0123456789abcdef");
    nft("add rule inet sallyport policy-0123456789abcdef accept");
    nft("add set inet sallyport flows-left { type ipv4_addr; }");
    nft("add rule inet sallyport input jump policy-0123456789abcdef");
    nft("add chain inet sallyport forward { policy accept; }");
    cr_assert_eq(hub_rules_install(nf, &after, &err), 0, "%s", err.text);
    expect_hub(&revoked_text);
    cr_assert_eq(hub_rules_install(nf, &after, &err), 0, "the same again: %s", err.text);
    expect_hub(&revoked_text);
    policy_free(&before);
    policy_free(&after);
}

/* The old policy's chain cannot be deleted: the second transaction fails. */
Test(nft, hub_keeps_its_rules_when_replacing_fails)
{
    struct policy policy;
    struct policy other;
    char command[256];
    char before[8192];

    load(hermes, &policy);
    load(revoked, &other);
    cr_assert_eq(hub_rules_install(nf, &policy, &err), 0, "%s", err.text);
    snprintf(command, sizeof(command),
             "add map inet sallyport flows-held { type ipv4_addr : verdict; elements = { 192.0.2.1 : jump "
             "policy-%s } }",
             policy.digest);
    nft(command);
    cr_assert_eq(nft_program_output("list ruleset", 0, before, sizeof(before)), 0);
    cr_assert_lt(hub_rules_install(nf, &other, &err), 0);
    cr_assert_eq(strncmp(err.text, "install the hub's rules: ", 25), 0, "%s", err.text);
    cr_assert_eq(nft_program_output("list ruleset", 0, output, sizeof(output)), 0);
    cr_assert_str_eq(output, before);
    cr_assert_eq(hub_rules_check(nf, &other, &err), -ENOENT);
    policy_free(&policy);
    policy_free(&other);
}

/* Each way to change what the hub decides, alone: POLICY and FLOWS stand for the names. */
static const struct {
    const char *command;
    const char *difference;
    bool anew;      /* the table has to be made so */
    bool of_policy; /* not seen by who does not know the policy */
} hub_tampering[] = {
    {"flush table inet sallyport", "a rule of chain forward is missing", false, false},
    {"flush chain inet sallyport output", "a rule of chain output is missing", false, false},
    {"add rule inet sallyport forward accept", "a rule of chain forward was added", false, false},
    {"insert rule inet sallyport forward accept", "a rule of chain forward was changed", false, false},
    {"add rule inet sallyport input accept", "a rule of chain input was added", false, false},
    {"add rule inet sallyport POLICY accept", "a rule of chain policy-", false, true},
    {"add rule inet sallyport to-proxy accept", "a rule of chain to-proxy was added", false, true},
    {"flush chain inet sallyport from-proxy; add rule inet sallyport from-proxy ip daddr "
     "10.209.0.64-10.209.0.127 tcp sport 3128 accept",
     "a rule of chain from-proxy was changed", false, true},
    {"flush chain inet sallyport to-proxy", "a rule of chain to-proxy is missing", false, true},
    {"add chain inet sallyport forward { policy accept; }", "chain forward was changed", true, false},
    {"add chain inet sallyport early { type filter hook forward priority -5; }", "chain early was added",
     true, false},
    {"add chain inet sallyport policy-0123456789abcdef", "chain policy-", true, false},
    {"flush table inet sallyport; delete chain inet sallyport forward; add chain inet sallyport forward { "
     "type "
     "filter hook forward priority 7; policy drop; }",
     "chain forward was changed", true, false},
    {"flush table inet sallyport; delete chain inet sallyport POLICY", "chain policy- is missing", true,
     false},
    {"add table inet sallyport { flags dormant; }", "was put to sleep", true, false},
    {"flush table inet sallyport; delete set inet sallyport FLOWS", "a rule of chain", false, false},
    {"delete table inet sallyport", "", true, false},
};

/* The command with the hub's names in it. */
static void nft_in_hub(const char *command, const struct policy *policy)
{
    cleanup_nft_names struct nft_names sets = {.names = NULL};
    char text[512];
    const char *name = strstr(command, "POLICY");
    const char *flows = strstr(command, "FLOWS");

    cr_assert_eq(nft_list_sets(nf, "sallyport", "flows-", &sets, &err), 0, "%s", err.text);
    cr_assert_eq(sets.count, 1);
    if (name != NULL)
        snprintf(text, sizeof(text), "%.*spolicy-%s%s", (int)(name - command), command, policy->digest,
                 name + strlen("POLICY"));
    else if (flows != NULL)
        snprintf(text, sizeof(text), "%.*s%s%s", (int)(flows - command), command, sets.names[0],
                 flows + strlen("FLOWS"));
    else
        snprintf(text, sizeof(text), "%s", command);
    nft(text);
}

/* A rule that was changed is mended without a gap, and what was counted goes on (here a counter of somebody
 * else, which is in no way); for a chain the table is made anew. */
Test(nft, hub_compare_notices_tampering_and_installing_mends_it)
{
    struct policy policy;

    load(hermes, &policy);
    cr_assert_eq(hub_rules_compare(nf, &policy, &err), -ENOENT);
    for (size_t i = 0; i < array_size(hub_tampering); i++) {
        const char *command = hub_tampering[i].command;

        cr_assert_eq(hub_rules_install(nf, &policy, &err), 0, "%s", err.text);
        nft("add counter inet sallyport kept");
        cr_assert_eq(hub_rules_compare(nf, &policy, &err), 0, "%s", err.text);
        cr_assert_eq(hub_rules_compare(nf, NULL, &err), 0, "%s", err.text);
        nft_in_hub(command, &policy);
        cr_expect_eq(hub_rules_compare(nf, NULL, &err) == 0, hub_tampering[i].of_policy, "%s: %s", command,
                     err.text);
        cr_expect_lt(hub_rules_compare(nf, &policy, &err), 0, "%s", command);
        cr_expect_not_null(strstr(err.text, hub_tampering[i].difference), "%s: %s", command, err.text);
        cr_assert_eq(hub_rules_install(nf, &policy, &err), 0, "%s: %s", command, err.text);
        cr_expect_eq(hub_rules_compare(nf, &policy, &err), 0, "%s: %s", command, err.text);
        cr_expect_eq(nft_program("list counter inet sallyport kept") != 0, hub_tampering[i].anew, "%s",
                     command);
        nft("delete table inet sallyport");
    }
    policy_free(&policy);
}

/* The rules of one policy and the flows of another: one less, one more, and a range that is wider. */
Test(nft, hub_compare_notices_other_flows)
{
    static const char wider[] =
        "{\"version\": 1, \"subnet\": \"10.209.0.0/24\","
        " \"proxy\": {\"address\": \"10.209.0.2\", \"port\": 8080, \"at\": \"member\"},"
        " \"roles\": {\"agent\": {\"addresses\": \"10.209.0.64/28\","
        "  \"reach\": [\"proxy\"]}}}";
    const char *const texts[] = {hermes, revoked, wider};

    for (size_t ours = 0; ours < array_size(texts); ours++)
        for (size_t theirs = 0; theirs < array_size(texts); theirs++) {
            struct policy policy;
            struct policy other;

            load(texts[ours], &policy);
            load(texts[theirs], &other);
            memcpy(other.digest, policy.digest, sizeof(other.digest));
            cr_assert_eq(hub_rules_install(nf, &other, &err), 0, "%s", err.text);
            cr_expect_eq(hub_rules_compare(nf, NULL, &err), 0, "%s", err.text);
            cr_expect_eq(hub_rules_compare(nf, &policy, &err), ours == theirs ? 0 : -EBADMSG, "%zu %zu: %s",
                         ours, theirs, err.text);
            policy_free(&policy);
            policy_free(&other);
        }
}

Test(nft, hub_check_tells_another_policy)
{
    struct policy policy;
    struct policy other;

    load(hermes, &policy);
    load(revoked, &other);
    cr_assert_eq(hub_rules_check(nf, &policy, &err), -ENOENT);
    cr_assert_eq(hub_rules_install(nf, &policy, &err), 0, "%s", err.text);
    cr_assert_eq(hub_rules_check(nf, &policy, &err), 0, "%s", err.text);
    cr_assert_eq(hub_rules_check(nf, &other, &err), -ENOENT);
    cr_assert_not_null(strstr(err.text, "; run `sallyport network reload hermes`"), "%s", err.text);
    policy_free(&policy);
    policy_free(&other);
}

static size_t accepting(const char *chain)
{
    char command[64];
    size_t count = 0;

    snprintf(command, sizeof(command), "list chain inet sallyport %s", chain);
    cr_assert_eq(nft_program_output(command, 0, output, sizeof(output)), 0);
    for (const char *at = output; (at = strstr(at, " accept\n")) != NULL; at++)
        count++;
    return count;
}

/* So many flows are compared, in both directions. */
static void expect_short_way(size_t flows)
{
    cr_expect_eq(accepting("to-proxy"), flows);
    cr_expect_eq(accepting("from-proxy"), flows);
}

/* The largest policy: 32 roles with 64 targets each, the proxy, and a port published twice. Its flows to the
 * proxy are too many to be compared. */
Test(nft, hub_of_the_largest_policy)
{
    static struct policy_target targets[POLICY_ROLES_MAX][64];
    static struct policy_publish publish[2] = {{0x7f000001, 80, 8080}, {0x7f000001, 81, 8080}};
    static struct policy policy;

    policy_default(&policy);
    policy.roles_count = POLICY_ROLES_MAX;
    for (unsigned i = 0; i < POLICY_ROLES_MAX; i++) {
        for (unsigned k = 0; k < 64; k++)
            targets[i][k] = (struct policy_target){(i + k) % POLICY_ROLES_MAX, (uint16_t)(1000 + k)};
        policy.roles[i] = (struct policy_role){.addresses = {0x0ad00100 + 8 * i, 0x0ad00105 + 8 * i},
                                               .reach_proxy = true,
                                               .targets = targets[i],
                                               .targets_count = 64,
                                               .publish = publish,
                                               .publish_count = 2};
    }
    cr_assert_eq(hub_rules_install(nf, &policy, &err), 0, "%s", err.text);
    cr_assert_eq(nft_program_output("list sets", 0, output, sizeof(output)), 0);
    cr_assert_eq(elements_listed(), 1 + 32 * (64 + 1 + 1), "%zu", elements_listed()); /* 1: the set's type */
    cr_assert_not_null(strstr(output, "10.208.1.0-10.208.1.5 . 10.208.1.8-10.208.1.13 . 1001"));
    cr_assert_not_null(strstr(output, "10.208.0.1 . 10.208.1.248-10.208.1.253 . 8080"));
    expect_short_way(0);
    policy.roles_count = 6;
    cr_assert_eq(hub_rules_install(nf, &policy, &err), 0, "%s", err.text);
    expect_short_way(6);
    policy.roles_count = 7;
    cr_assert_eq(hub_rules_install(nf, &policy, &err), 0, "%s", err.text);
    expect_short_way(0);
    policy.roles_count = POLICY_ROLES_MAX;
    cr_assert_eq(uplink_rules_install(nf, &policy, &err), 0, "%s", err.text);
}

static const struct guard guard_all = {.subnet = {0x0ad10000, 0x0ad100ff}};
static const struct guard guard_only_sp0 = {.subnet = {0x0ad10000, 0x0ad100ff}, .only_sp0 = true};

static const char guard_text[] =
    "table inet sallyport {\n"
    "\tchain loopback {\n"
    "\t\ttcp flags & rst == rst accept\n"
    "\t\tip daddr 127.0.0.11 return\n"
    "\t\taccept\n"
    "\t}\n"
    "\n"
    "\tchain output {\n"
    "\t\ttype filter hook output priority filter; policy drop;\n"
    "\t\toif \"lo\" jump loopback\n"
    "\t\toifname \"sp0\" ip daddr 10.209.0.0-10.209.0.255 meta l4proto tcp accept\n"
    "\t\tmeta l4proto tcp reject with tcp reset\n"
    "\t\treject with icmpx admin-prohibited\n"
    "\t}\n"
    "\n"
    "\tchain input {\n"
    "\t\ttype filter hook input priority filter; policy drop;\n"
    "\t\tiif \"lo\" jump loopback\n"
    "\t\tiifname \"sp0\" ip saddr 10.209.0.0-10.209.0.255 meta l4proto tcp accept\n"
    "\t}\n"
    "\n"
    "\tchain forward {\n"
    "\t\ttype filter hook forward priority filter; policy drop;\n"
    "\t}\n"
    "}\n";

static const char guard_sp0_text[] =
    "table inet sallyport {\n"
    "\tchain output {\n"
    "\t\ttype filter hook output priority filter; policy drop;\n"
    "\t\toifname != \"sp0\" accept\n"
    "\t\toifname \"sp0\" ip daddr 10.209.0.0-10.209.0.255 meta l4proto tcp accept\n"
    "\t\tmeta l4proto tcp reject with tcp reset\n"
    "\t\treject with icmpx admin-prohibited\n"
    "\t}\n"
    "\n"
    "\tchain input {\n"
    "\t\ttype filter hook input priority filter; policy drop;\n"
    "\t\tiifname != \"sp0\" iif != \"lo\" ip daddr 10.209.0.0-10.209.0.255 drop\n"
    "\t\tiifname != \"sp0\" accept\n"
    "\t\tiifname \"sp0\" ip saddr 10.209.0.0-10.209.0.255 meta l4proto tcp accept\n"
    "\t}\n"
    "\n"
    "\tchain forward {\n"
    "\t\ttype filter hook forward priority filter; policy drop;\n"
    "\t\tiifname != \"sp0\" oifname != \"sp0\" accept\n"
    "\t}\n"
    "}\n";

Test(nft, guard)
{
    cr_assert_eq(guard_install(nf, &guard_all, &err), 0, "%s", err.text);
    expect_ruleset(guard_text);
}

Test(nft, guard_of_sp0_only)
{
    cr_assert_eq(guard_install(nf, &guard_only_sp0, &err), 0, "%s", err.text);
    expect_ruleset(guard_sp0_text);
}

Test(nft, guard_replaces_whatever_has_its_name)
{
    nft("add table inet sallyport");
    nft("add chain inet sallyport output { type filter hook output priority 5; policy accept; }");
    cr_assert_eq(guard_install(nf, &guard_only_sp0, &err), 0, "%s", err.text);
    cr_assert_eq(guard_install(nf, &guard_all, &err), 0, "%s", err.text);
    expect_ruleset(guard_text);
}

Test(nft, guard_check_accepts_its_own)
{
    cr_assert_eq(guard_check(nf, &guard_all, &err), -ENOENT);
    cr_assert_eq(guard_install(nf, &guard_all, &err), 0, "%s", err.text);
    cr_assert_eq(guard_check(nf, &guard_all, &err), 0, "%s", err.text);
    nft("add table inet engine");
    nft("add chain inet engine output { type nat hook output priority -100; }");
    cr_assert_eq(guard_check(nf, &guard_all, &err), 0, "%s", err.text);
    cr_assert_eq(guard_check(nf, &guard_only_sp0, &err), -EBADMSG);
    cr_assert_eq(guard_install(nf, &guard_only_sp0, &err), 0, "%s", err.text);
    cr_assert_eq(guard_check(nf, &guard_only_sp0, &err), 0, "%s", err.text);
}

/* Each way to weaken the guard from outside, alone. */
static const char *const tampering[] = {
    "flush chain inet sallyport input",
    "flush table inet sallyport",
    "add chain inet sallyport output { policy accept; }",
    "add chain inet sallyport forward { policy accept; }",
    "add table inet sallyport { flags dormant; }",
    "add chain inet sallyport extra",
    "add rule inet sallyport output accept",
    "insert rule inet sallyport output accept",
    "add rule inet sallyport loopback accept",
    "flush chain inet sallyport loopback; add rule inet sallyport loopback accept",
    "flush chain inet sallyport loopback; add rule inet sallyport loopback ip daddr 127.0.0.12 return; "
    "add rule inet sallyport loopback accept",
    "flush chain inet sallyport loopback; add rule inet sallyport loopback ip daddr 127.0.0.11 counter "
    "return; "
    "add rule inet sallyport loopback accept",
    "flush chain inet sallyport input; add rule inet sallyport input iif lo jump loopback; "
    "add rule inet sallyport input meta nfproto ipv4 meta l4proto tcp accept",
    "flush chain inet sallyport input; add rule inet sallyport input iif lo jump loopback; "
    "add rule inet sallyport input iifname \"sp*\" meta nfproto ipv4 meta l4proto tcp accept",
    "flush ruleset",
};

Test(nft, guard_check_notices_tampering)
{
    for (size_t i = 0; i < array_size(tampering); i++) {
        cr_assert_eq(guard_install(nf, &guard_all, &err), 0, "%s", err.text);
        cr_assert_eq(guard_check(nf, &guard_all, &err), 0, "%s", err.text);
        nft(tampering[i]);
        cr_assert_lt(guard_check(nf, &guard_all, &err), 0, "%s", tampering[i]);
        cr_assert_eq(strncmp(err.text, "check the guard: ", 17), 0, "%s", err.text);
    }
}

static const char uplink_to[] = "\t\tmeta l4proto tcp reject with tcp reset\n"
                                "\t\tdrop\n"
                                "\t}\n"
                                "\n"
                                "\tchain prerouting {\n"
                                "\t\ttype filter hook prerouting priority raw; policy accept;\n"
                                "\t\tiifname \"sp-hermes\" jump from-uplink\n"
                                "\t\tiif != \"lo\" ip daddr 10.209.0.0-10.209.0.255 drop\n"
                                "\t\tiif != \"lo\" ip saddr 10.209.0.0-10.209.0.255 drop\n"
                                "\t}\n"
                                "\n"
                                "\tchain input {\n"
                                "\t\ttype filter hook input priority filter; policy accept;\n"
                                "\t\tiifname \"sp-hermes\" jump from-uplink\n"
                                "\t\tiif != \"lo\" ip daddr 10.209.0.0-10.209.0.255 drop\n"
                                "\t}\n"
                                "\n"
                                "\tchain output {\n"
                                "\t\ttype filter hook output priority filter; policy accept;\n"
                                "\t\toifname \"sp-hermes\" jump to-uplink\n"
                                "\t}\n"
                                "\n"
                                "\tchain forward {\n"
                                "\t\ttype filter hook forward priority filter; policy accept;\n"
                                "\t\tiifname \"sp-hermes\" drop\n"
                                "\t\toifname \"sp-hermes\" drop\n"
                                "\t}\n"
                                "}\n";

static void expect_uplink(const char *from, const char *to)
{
    char expected[4096];

    snprintf(expected, sizeof(expected), "%s%s%s%s%s",
             "table inet sallyport-hermes {\n"
             "\tchain from-uplink {\n",
             from,
             "\t\tdrop\n"
             "\t}\n"
             "\n"
             "\tchain to-uplink {\n",
             to, uplink_to);
    expect_ruleset(expected);
}

Test(nft, uplink)
{
    struct policy policy;

    load(hermes, &policy);
    cr_assert_eq(uplink_rules_install(nf, &policy, &err), 0, "%s", err.text);
    expect_uplink("\t\tip saddr 10.209.0.64-10.209.0.127 ip daddr 10.209.0.2 tcp dport 3128 accept\n"
                  "\t\tip saddr 10.209.0.3 ip daddr 10.209.0.2 tcp dport 3128 accept\n"
                  "\t\tip saddr 10.209.0.3 ip daddr 10.209.0.1 tcp sport 9119 tcp flags != syn / syn,ack tcp "
                  "flags rst,ack accept\n",
                  "\t\tip saddr 10.209.0.2 ip daddr 10.209.0.64-10.209.0.127 tcp sport 3128"
                  " tcp flags != syn / syn,ack tcp flags rst,ack accept\n"
                  "\t\tip saddr 10.209.0.2 ip daddr 10.209.0.3 tcp sport 3128 tcp flags != syn / syn,ack tcp "
                  "flags rst,ack accept\n"
                  "\t\tip saddr 10.209.0.1 ip daddr 10.209.0.3 tcp dport 9119 accept\n");
    policy_free(&policy);
}

/* With the proxy in a container no request comes to the host; an earlier policy's are gone. */
Test(nft, uplink_without_proxy)
{
    struct policy before;
    struct policy after;

    load(hermes, &before);
    load(revoked, &after);
    cr_assert_eq(uplink_rules_install(nf, &before, &err), 0, "%s", err.text);
    cr_assert_eq(uplink_rules_install(nf, &after, &err), 0, "%s", err.text);
    expect_uplink("", "");
    policy_free(&before);
    policy_free(&after);
}

/* The same for the host's table: `chain`, what is seen without knowing the policy. */
static const struct {
    const char *command;
    bool chain;
} uplink_tampering[] = {
    {"flush table inet sallyport-hermes", false},
    {"insert rule inet sallyport-hermes prerouting accept", false},
    {"add rule inet sallyport-hermes from-uplink accept", false},
    {"flush chain inet sallyport-hermes to-uplink", false},
    {"add chain inet sallyport-hermes input { policy drop; }", true},
    {"add chain inet sallyport-hermes late { type filter hook input priority 5; }", true},
    {"flush chain inet sallyport-hermes forward; delete chain inet sallyport-hermes forward", true},
    {"flush chain inet sallyport-hermes forward; delete chain inet sallyport-hermes forward; add chain inet "
     "sallyport-hermes forward { type filter hook forward priority 7; policy accept; }",
     true},
    {"add table inet sallyport-hermes { flags dormant; }", true},
};

Test(nft, uplink_compare_notices_tampering_and_installing_mends_it)
{
    struct policy policy;

    load(hermes, &policy);
    cr_assert_eq(uplink_rules_compare(nf, &policy, true, &err), -ENOENT);
    cr_assert_eq(uplink_rules_compare(nf, &policy, false, &err), -ENOENT);
    for (size_t i = 0; i < array_size(uplink_tampering); i++) {
        const char *command = uplink_tampering[i].command;

        cr_assert_eq(uplink_rules_install(nf, &policy, &err), 0, "%s: %s", command, err.text);
        cr_assert_eq(uplink_rules_compare(nf, &policy, true, &err), 0, "%s", err.text);
        nft(command);
        cr_expect_eq(uplink_rules_compare(nf, &policy, true, &err), -EBADMSG, "%s", command);
        cr_expect_eq(uplink_rules_compare(nf, &policy, false, &err), uplink_tampering[i].chain ? -EBADMSG : 0,
                     "%s", command);
    }
    cr_assert_eq(uplink_rules_install(nf, &policy, &err), 0, "%s", err.text);
    cr_expect_eq(uplink_rules_compare(nf, &policy, true, &err), 0, "%s", err.text);
    policy_free(&policy);
}

/* Of another policy the chains are the same, and the rules are not. */
Test(nft, uplink_compare_tells_another_policy)
{
    struct policy policy;
    struct policy other;

    load(hermes, &policy);
    load(revoked, &other);
    cr_assert_eq(uplink_rules_install(nf, &policy, &err), 0, "%s", err.text);
    cr_expect_eq(uplink_rules_compare(nf, &other, true, &err), -EBADMSG, "%s", err.text);
    cr_expect_eq(uplink_rules_compare(nf, &other, false, &err), 0, "%s", err.text);
    policy_free(&policy);
    policy_free(&other);
}

Test(nft, uplink_is_removed_alone)
{
    struct policy policy;

    load(hermes, &policy);
    nft("add table inet sallyport-other");
    cr_assert_eq(uplink_rules_remove(nf, "hermes", &err), 0, "absent: %s", err.text);
    cr_assert_eq(uplink_rules_install(nf, &policy, &err), 0, "%s", err.text);
    cr_assert_eq(uplink_rules_remove(nf, "hermes", &err), 0, "%s", err.text);
    expect_ruleset("table inet sallyport-other {\n}\n");
    policy_free(&policy);
}

/* The failures of a transaction: each is an error, none is waited for, the socket goes on working. */

Test(nft, refused_request_is_named, .timeout = 5)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct nft_table table = {.batch = batch, .name = "half"};

    nft_begin(batch, 0);
    nft_table_add(&table);
    nft_rule(&table, "missing", nft_accept());
    nft_chain_add(&table, "present");
    nft_chain_add(&table, "another");
    cr_assert_eq(nft_commit(nf, batch, &err), -ENOENT);
    cr_assert_eq(strncmp(err.text, "add nftables rule", 17), 0, "%s", err.text);
    expect_ruleset("");
    cr_assert_eq(guard_install(nf, &guard_all, &err), 0, "%s", err.text);
    expect_ruleset(guard_text);
}

Test(nft, stale_generation_is_refused, .timeout = 5)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct nft_table table = {.batch = batch, .name = "late"};
    uint32_t generation = 0;

    cr_assert_eq(nft_generation(nf, &generation, &err), 0, "%s", err.text);
    nft("add table inet first");
    nft_begin(batch, generation);
    nft_table_add(&table);
    cr_assert_eq(nft_commit(nf, batch, &err), -ERESTART);
    expect_ruleset("table inet first {\n}\n");
    cr_assert_eq(guard_install(nf, &guard_all, &err), 0, "%s", err.text);
}

Test(nft, no_permission_is_an_error, .timeout = 5)
{
    struct netlink *powerless = NULL;

    cr_assert_eq(seteuid(65534), 0);
    cr_assert_eq(netlink_open(NETLINK_NETFILTER, &powerless, &err), 0, "%s", err.text);
    cr_assert_eq(guard_install(powerless, &guard_all, &err), -EPERM);
    cr_assert_eq(strncmp(err.text, "install the guard: ", 19), 0, "%s", err.text);
    netlink_close(powerless);
}
