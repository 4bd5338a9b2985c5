/* SPDX-License-Identifier: Apache-2.0
 *
 * What `sallyport network show` makes of a network: text that stays narrow, a graph whose strings stay
 * closed, findings that stay one line; and when a process was started, whatever it calls itself. */
#include "base/cleanup.h"
#include "base/json.h"
#include "cli/network_print.h"
#include "netns/netstat.h"
#include "netns/tenants.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

static void bytes_are(uint64_t bytes, const char *expected)
{
    char text[NETWORK_AMOUNT_SIZE];

    cr_expect_str_eq(network_format_bytes(bytes, text), expected, "%" PRIu64 ": %s", bytes, text);
    cr_expect_leq(strlen(text), 8, "wider than its column: %s", text);
}

Test(network_show, bytes)
{
    bytes_are(0, "0 B");
    bytes_are(1023, "1023 B");
    bytes_are(1024, "1.0 KiB");
    bytes_are(1536, "1.5 KiB");
    bytes_are(102399, "99.9 KiB");
    bytes_are(102400, "100 KiB");
    bytes_are(1048575, "1023 KiB");
    bytes_are(1048576, "1.0 MiB");
    bytes_are(UINT64_MAX, "15.9 EiB");
}

static void count_is(uint64_t count, const char *expected)
{
    char text[NETWORK_AMOUNT_SIZE];

    cr_expect_str_eq(network_format_count(count, text), expected, "%" PRIu64 ": %s", count, text);
    cr_expect_leq(strlen(text), 5, "wider than its column: %s", text);
}

Test(network_show, counts)
{
    count_is(0, "0");
    count_is(99999, "99999");
    count_is(100000, "100k");
    count_is(9999999, "9999k");
    count_is(10000000, "10M");
    count_is(UINT64_MAX, "18E");
}

static void counter_is(const char *text, bool expected, uint64_t value)
{
    uint64_t found = 42;

    cr_expect_eq(netstat_find(text, "TcpExt", "Forged", &found), expected, "%s", text);
    cr_expect_eq(found, expected ? value : 42, "%s: %" PRIu64, text, found);
}

Test(network_show, counters_of_the_kernel)
{
    counter_is("TcpExt: A Forged B\nTcpExt: 1 2 3\nIpExt: Forged\nIpExt: 9\n", true, 2);
    counter_is("IpExt: Forged\nIpExt: 9\nTcpExt: Forged\nTcpExt: 0", true, 0);
    counter_is("TcpExt: Forged\nTcpExt: 18446744073709551615\n", true, UINT64_MAX);
    counter_is("TcpExt: Forged\nTcpExt: 18446744073709551616\n", false, 0);
    counter_is("TcpExt: Forged\nTcpExt: -1\n", false, 0);
    counter_is("TcpExt: Forged\nTcpExt: 7x\n", false, 0);
    counter_is("TcpExt: A Forged\nTcpExt: 1\n", false, 0);
    counter_is("TcpExt: A Forged\nTcpExt:\n 1 2", false, 0);
    counter_is("TcpExt: ForgedToo\nTcpExt: 1\n", false, 0);
    counter_is("TcpExtra: Forged\nTcpExtra: 1\n", false, 0);
    counter_is("TcpExt: Forged\n", false, 0);
    counter_is("TcpExt: Forged", false, 0);
    counter_is("\n\n", false, 0);
    counter_is("", false, 0);
}

static void duration_is(uint64_t seconds, const char *expected)
{
    char text[NETWORK_AMOUNT_SIZE];

    cr_expect_str_eq(network_format_duration(seconds, text), expected, "%" PRIu64 ": %s", seconds, text);
}

Test(network_show, durations)
{
    duration_is(0, "0s");
    duration_is(59, "59s");
    duration_is(60, "1m");
    duration_is(3599, "59m");
    duration_is(3600, "1h 0m");
    duration_is(86399, "23h 59m");
    duration_is(86400, "1d 0h");
    duration_is(8639999, "99d 23h");
}

static void start_is(const char *stat, bool expected, uint64_t ticks)
{
    uint64_t found = 42;

    cr_expect_eq(tenants_parse_start(stat, &found), expected, "%s", stat);
    cr_expect_eq(found, expected ? ticks : 42, "%s: %" PRIu64, stat, found);
}

#define UNTIL_START "S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 "

Test(network_show, start_of_a_process)
{
    start_is("7 (sh) " UNTIL_START "12345 900 1\n", true, 12345);
    start_is("7 (a) R 1 1 1 1 1) " UNTIL_START "12345 900\n", true, 12345);
    start_is("7 () " UNTIL_START "0", true, 0);
    start_is("7 (sh) " UNTIL_START "18446744073709551615 1", true, UINT64_MAX);
    start_is("7 (sh) " UNTIL_START "18446744073709551616 1", false, 0);
    start_is("7 (sh) " UNTIL_START "-1 1", false, 0);
    start_is("7 (sh) " UNTIL_START "12x 1", false, 0);
    start_is("7 (sh) " UNTIL_START, false, 0);
    start_is("7 (sh) S 1 7", false, 0);
    start_is("7 (sh)", false, 0);
    start_is("7 sh S 1", false, 0);
    start_is("", false, 0);
}

Test(network_show, findings_are_one_line_and_not_endless)
{
    static struct findings findings;
    char longer[2 * FINDING_TEXT_SIZE];

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    finding_add(&findings, "kind",
                "a\nb\033[31mc\177d\xc2\x9b"
                "e %d",
                7);
    cr_expect_str_eq(findings.list[0].text, "a?b?[31mc?d??e 7");
    finding_add(&findings, "kind", "%s", longer);
    cr_expect_eq(strlen(findings.list[1].text), FINDING_TEXT_SIZE - 1);
    for (unsigned i = 2; i < FINDINGS_MAX + 5; i++)
        finding_add(&findings, "kind", "%u", i);
    cr_expect_eq(findings.count, FINDINGS_MAX);
    cr_expect_eq(findings.left_out, 5);
}

/* A view without kernel: of this policy, with nobody there. */
static void view_of(const char *text, struct network_view *ret)
{
    struct error err;

    *ret = (struct network_view){.network = "hermes", .up = true, .has_policy = true};
    cr_assert_eq(policy_parse(text, strlen(text), "test", "hermes", &ret->policy, &err), 0, "%s", err.text);
}

static char *print(const struct network_view *view,
                   void (*function)(const struct network_view *view, FILE *out))
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    function(view, out);
    fclose(out);
    return text;
}

#define HEAD \
    "{\"version\":1,\"subnet\":\"10.209.0.0/24\",\"proxy\":{\"address\":\"10.209.0.2\",\"port\":3128,"

Test(network_show, many_hosts_are_wrapped)
{
    cleanup_network_view struct network_view view = {.up = false};
    cleanup_free char *text = NULL;
    char policy[8192] = HEAD "\"at\":\"host\"},\"roles\":{\"agent\":{\"addresses\":\"10.209.0.64/26\","
                             "\"reach\":[\"proxy\"],\"hosts\":[\".h0.example\"";
    size_t lines = 0;

    for (unsigned i = 1; i < 60; i++)
        snprintf(policy + strlen(policy), sizeof(policy) - strlen(policy), ",\"h%u.example:%u\"", i,
                 8000 + i);
    strcat(policy, "]}}}");
    view_of(policy, &view);
    text = print(&view, network_print_text);
    cr_expect_not_null(strstr(text, "by proxy: .h0.example h1.example:8001"), "%s", text);
    cr_expect_not_null(strstr(text, "h59.example:8059\n"), "%s", text);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++)
        cr_expect_lt(strlen(line), 100, "%s", line);
    cr_expect_gt(lines, 15);
}

Test(network_show, which_host_is_reached_which_way)
{
    cleanup_network_view struct network_view view = {.up = false};
    cleanup_json json_t *document = NULL;
    cleanup_free char *text = NULL;
    cleanup_free char *dot = NULL;
    const json_t *hosts = NULL;

    view_of(
        HEAD
        "\"at\":\"host\",\"sni\":443},\"roles\":{\"agent\":{\"addresses\":\"10.209.0.64/26\","
        "\"reach\":[\"proxy\"],\"hosts\":[\"a.example\",\".b.example\",\"c.example:22\",\"d.example\"]}}}",
        &view);
    text = print(&view, network_print_text);
    dot = print(&view, network_print_dot);
    document = network_json(&view);
    cr_expect_not_null(strstr(text, "proxy 10.209.0.2:3128 at the host, TLS passed through at port 443"),
                       "%s", text);
    cr_expect_not_null(strstr(text, "by proxy: a.example .b.example c.example:22 d.example\n"), "%s", text);
    cr_expect_not_null(strstr(text, "by name: a.example d.example\n"), "%s", text);
    cr_expect_not_null(strstr(dot, "[label=\"3128, 443\"]"), "%s", dot);
    cr_expect_eq(json_integer_value(json_object_get(json_object_get(document, "proxy"), "sni")), 443);
    cr_expect(json_is_null(json_object_get(json_object_get(document, "proxy"), "http")));
    hosts = json_object_get(json_array_get(json_object_get(document, "roles"), 0), "hosts");
    cr_expect(json_is_true(json_object_get(json_array_get(hosts, 0), "pass_through")));
    cr_expect(json_is_false(json_object_get(json_array_get(hosts, 1), "pass_through")));
    cr_expect(json_is_false(json_object_get(json_array_get(hosts, 2), "pass_through")));
}

Test(network_show, a_proxy_in_a_container_is_a_role)
{
    cleanup_network_view struct network_view view = {.up = false};
    cleanup_json json_t *document = NULL;
    cleanup_free char *text = NULL;
    cleanup_free char *dot = NULL;

    view_of(HEAD "\"at\":\"member\"},\"roles\":{\"agent\":{\"addresses\":\"10.209.0.64/26\","
                 "\"reach\":[\"proxy\"],\"hosts\":[\"a.example\"]}}}",
            &view);
    text = print(&view, network_print_text);
    dot = print(&view, network_print_dot);
    document = network_json(&view);
    cr_assert_not_null(document);
    cr_expect_not_null(strstr(text, "agent             0  proxy (not up)\n"), "%s", text);
    cr_expect_not_null(strstr(text, "\nproxy             0  nothing\n"), "%s", text);
    cr_expect_not_null(strstr(dot, "at a member\", peripheries=2, style=dashed];"), "%s", dot);
    cr_expect_eq(json_array_size(json_object_get(document, "roles")), 2);
    cr_expect_str_eq(json_string_value(json_object_get(json_object_get(document, "proxy"), "at")), "member");
}

Test(network_show, no_policy_is_null_and_no_roles)
{
    struct network_view view = {.network = "hermes", .up = true, .standing = POLICY_GONE};
    cleanup_json json_t *document = network_json(&view);
    cleanup_json json_t *summary = network_json_summary(&view);

    cr_assert(document != NULL && summary != NULL);
    cr_expect(json_is_null(json_object_get(document, "subnet")));
    cr_expect(json_is_null(json_object_get(document, "proxy")));
    cr_expect_eq(json_array_size(json_object_get(document, "roles")), 0);
    cr_expect_str_eq(json_string_value(json_object_get(summary, "policy")), "gone");
}

/* No policy can have such a name; the graph does not rely on it. */
Test(network_show, names_in_the_graph_stay_in_their_quotes)
{
    cleanup_network_view struct network_view view = {.up = false};
    cleanup_free char *dot = NULL;

    view_of(HEAD "\"at\":\"host\"},\"roles\":{\"agent\":{\"addresses\":\"10.209.0.64/26\","
                 "\"reach\":[\"proxy\"],\"hosts\":[\"a.example\"]}}}",
            &view);
    snprintf(view.policy.roles[0].hosts[0].name, POLICY_HOST_SIZE, "a\"];b\\");
    dot = print(&view, network_print_dot);
    cr_expect_not_null(strstr(dot, "\"role agent\" -> \"host a\\\"];b\\\\:443\" [style"), "%s", dot);
}
