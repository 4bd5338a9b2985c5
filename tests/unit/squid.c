/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of squid's configuration. What it does is tested with squid itself: tests/engines/squid.bats. */
#include "cli/squid.h"
#include "cli/proxy_revoked.h"

#include "base/cleanup.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define FRAME(at, roles)                    \
    "{\"version\":1,\"subnet\":\"10.9.0.0/" \
    "24\",\"proxy\":{\"address\":\"10.9.0.2\",\"port\":3129,\"at\":\"" at "\"},\"roles\":{" roles "}}"
#define AGENT(hosts) \
    FRAME("host", "\"agent\":{\"addresses\":\"10.9.0.64/26\",\"reach\":[\"proxy\"],\"hosts\":[" hosts "]}")

static char *config_of_policy(const struct policy *policy)
{
    struct error err = {0};
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    cr_assert_not_null(out);
    cr_assert_eq(squid_config(out, policy, &err), 0, "%s", err.text);
    fclose(out);
    return text;
}

static char *config_of(const char *json)
{
    struct policy policy;
    struct error err = {0};
    char *text = NULL;

    cr_assert_eq(policy_parse(json, strlen(json), "FILE", "hermes", &policy, &err), 0, "%s", err.text);
    text = config_of_policy(&policy);
    policy_free(&policy);
    return text;
}

/* The lines of `text` that begin with `start`, or those that do not. Frees `text`. */
static char *select_lines(char *text, const char *start, bool with)
{
    char *kept = strdup(text);
    char *end = kept;

    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
        size_t length = (size_t)(strchr(line, '\n') + 1 - line);

        if ((strncmp(line, start, strlen(start)) == 0) == with)
            end = mempcpy(end, line, length);
    }
    *end = '\0';
    free(text);
    return kept;
}

static char *lines_with(char *text, const char *start)
{
    return select_lines(text, start, true);
}

static char *without_lines(char *text, const char *start)
{
    return select_lines(text, start, false);
}

static void expect_lines(const char *json, const char *start, const char *expected)
{
    cleanup_free char *lines = lines_with(config_of(json), start);

    cr_expect_str_eq(lines, expected, "%s", lines);
}

Test(squid, the_network_is_in_every_name_and_address)
{
    expect_lines(AGENT("\"a.b\""), "http_port", "http_port 10.9.0.2:3129\n");
    expect_lines(AGENT("\"a.b\""), "pid_filename", "pid_filename /run/sallyport-squid-hermes.pid\n");
    expect_lines(AGENT("\"a.b\""), "access_log",
                 "access_log stdio:/var/log/squid/sallyport-hermes.access sallyport\n");
    expect_lines(AGENT("\"a.b\""), "acl subnet", "acl subnet dst 10.9.0.0/24\n");
}

/* In a container squid has no file of its own: its engine collects what it prints. */
Test(squid, a_member_writes_to_its_output_and_is_the_same_otherwise)
{
    static const char *const files[] = {"pid_filename ", "access_log ", "cache_log "};
    static const char *const expected[] = {"pid_filename none\n", "access_log stdio:/dev/stdout sallyport\n",
                                           "cache_log /dev/stderr\n"};
    const char *at_host = FRAME("host", "\"a\":{\"addresses\":\"10.9.0.3\"}");
    const char *at_member = FRAME("member", "\"a\":{\"addresses\":\"10.9.0.3\"}");
    cleanup_free char *host = config_of(at_host);
    cleanup_free char *member = config_of(at_member);

    for (size_t i = 0; i < array_size(files); i++) {
        expect_lines(at_member, files[i], expected[i]);
        host = without_lines(host, files[i]);
        member = without_lines(member, files[i]);
    }
    cr_expect_str_eq(host, member);
}

Test(squid, what_leads_to_a_look_up_comes_after_what_permits)
{
    expect_lines(AGENT("\"a.b\""), "http_access",
                 "http_access deny !tunnel note-method\n"
                 "http_access deny !permitted note-hosts\n"
                 "http_access deny !resolved note-name\n"
                 "http_access deny forbidden-v4\n"
                 "http_access deny forbidden-v6\n"
                 "http_access deny subnet note-subnet\n"
                 "http_access allow tunnel permitted\n"
                 "http_access deny all note-hosts\n");
}

Test(squid, without_hosts_nothing_is_allowed)
{
    struct policy policy;
    cleanup_free char *lines = NULL;

    expect_lines(FRAME("host", "\"a\":{\"addresses\":\"10.9.0.3\"}"), "http_access",
                 "http_access deny all note-hosts\n");
    policy_default(&policy);
    lines = lines_with(config_of_policy(&policy), "http_access");
    cr_expect_str_eq(lines, "http_access deny all note-hosts\n");
    policy_free(&policy);
}

Test(squid, a_role_is_its_source_range)
{
    expect_lines(FRAME("host",
                       "\"pool\":{\"addresses\":\"10.9.0.128/25\",\"reach\":[\"proxy\"],\"hosts\":[\"a.b\"]},"
                       "\"two\":{\"addresses\":\"10.9.0.4/31\",\"reach\":[\"proxy\"],\"hosts\":[\"a.b\"]},"
                       "\"one\":{\"addresses\":\"10.9.0.9\",\"reach\":[\"proxy\"],\"hosts\":[\"a.b\"]},"
                       "\"none\":{\"addresses\":\"10.9.0.10\"}"),
                 "acl role-",
                 "acl role-one src 10.9.0.9/32\n"
                 "acl role-pool src 10.9.0.128/25\n"
                 "acl role-two src 10.9.0.4/31\n");
}

Test(squid, each_port_has_its_own_hosts)
{
    expect_lines(AGENT("\"a.b\",\"c.d:22\",\".e.f\",\"a.b:22\""), "acl hosts-",
                 "acl hosts-agent-443 dstdomain -n a.b\n"
                 "acl hosts-agent-443 dstdomain -n .e.f\n"
                 "acl hosts-agent-22 dstdomain -n c.d\n"
                 "acl hosts-agent-22 dstdomain -n a.b\n");
    expect_lines(AGENT("\"a.b\",\"c.d:22\",\".e.f\",\"a.b:22\""), "acl permitted",
                 "acl permitted all-of role-agent port-agent-443 hosts-agent-443\n"
                 "acl permitted all-of role-agent port-agent-22 hosts-agent-22\n");
}

/* squid refuses a list in which one entry covers another. */
Test(squid, covered_hosts_are_left_out)
{
    static const struct {
        const char *json;
        const char *expected;
    } lists[] = {
        {AGENT("\".b.c\",\"a.b.c\""), "acl hosts-agent-443 dstdomain -n .b.c\n"},
        {AGENT("\"b.c\",\".b.c\""), "acl hosts-agent-443 dstdomain -n .b.c\n"},
        {AGENT("\".a.b.c\",\".b.c\",\".c\""), "acl hosts-agent-443 dstdomain -n .c\n"},
        {AGENT("\".b.c\",\"ab.c\""),
         "acl hosts-agent-443 dstdomain -n .b.c\nacl hosts-agent-443 dstdomain -n ab.c\n"},
        {AGENT("\"b.c\",\"a.b.c\""),
         "acl hosts-agent-443 dstdomain -n b.c\nacl hosts-agent-443 dstdomain -n a.b.c\n"},
        {AGENT("\".b.c\",\"a.b.c:22\""),
         "acl hosts-agent-443 dstdomain -n .b.c\nacl hosts-agent-22 dstdomain -n a.b.c\n"},
    };

    for (size_t i = 0; i < array_size(lists); i++)
        expect_lines(lists[i].json, "acl hosts-", lists[i].expected);
}

Test(squid, output_that_fails_is_an_error)
{
    cleanup_file FILE *full = fopen("/dev/full", "w");
    struct policy policy;
    struct error err = {0};

    cr_assert_not_null(full);
    policy_default(&policy);
    cr_expect_eq(squid_config(full, &policy, &err), -ENOSPC);
    cr_expect_str_eq(err.text, "write the configuration of squid: No space left on device");
    policy_free(&policy);
}

#define POOL "\"addresses\":\"10.9.0.64/26\",\"reach\":[\"proxy\"]"
#define ONE "\"addresses\":\"10.9.0.3\",\"reach\":[\"proxy\"]"

/* The sources that lost something between the policies, "FIRST-LAST " each. */
static void expect_revoked(const char *before, const char *after, const char *expected)
{
    cleanup_free char *old = config_of(before);
    cleanup_free char *new = config_of(after);
    cleanup_free struct policy_range *sources = NULL;
    struct error err = {0};
    char text[256] = "";
    char address[16];
    size_t count = 0;

    cr_assert_eq(proxy_revoked(old, new, &sources, &count, &err), 0, "%s", err.text);
    for (size_t i = 0; i < count; i++) {
        strcat(strcat(text, policy_format_address(sources[i].first, address)), "-");
        strcat(strcat(text, policy_format_address(sources[i].last, address)), " ");
    }
    cr_expect_str_eq(text, expected, "%s: %s", text, after);
}

Test(squid, a_role_that_lost_a_host_or_an_address_has_lost_something)
{
    static const char *before = FRAME("host", "\"a\":{" POOL ",\"hosts\":[\"x.y\",\"x.y:22\",\".z\"]},"
                                              "\"b\":{" ONE ",\"hosts\":[\"x.y\"]}");
    static const struct {
        const char *after;
        const char *expected;
    } changes[] = {
        {FRAME("host", "\"a\":{" POOL ",\"hosts\":[\".z\",\"x.y:22\",\"x.y\"]},"
                       "\"b\":{" ONE ",\"hosts\":[\"q.r\",\"x.y\"]}"),
         ""},
        {FRAME("host", "\"a\":{" POOL ",\"hosts\":[\"x.y\",\".z\"]},\"b\":{" ONE ",\"hosts\":[\"x.y\"]}"),
         "10.9.0.64-10.9.0.127 "},
        {FRAME("host", "\"a\":{" POOL ",\"hosts\":[\"x.y\",\"x.y:22\",\"z\"]},"
                       "\"b\":{" ONE ",\"hosts\":[\"x.y\"]}"),
         "10.9.0.64-10.9.0.127 "},
        {FRAME("host", "\"a\":{" POOL ",\"hosts\":[\"x.y\",\"x.y:22\",\".z\"]},\"b\":{" ONE ",\"hosts\":[]}"),
         "10.9.0.3-10.9.0.3 "},
        {FRAME("host", "\"a\":{" POOL ",\"hosts\":[\"x.y\",\"x.y:22\",\".z\"]}"), "10.9.0.3-10.9.0.3 "},
        {FRAME("host", "\"a\":{\"addresses\":\"10.9.0.64/27\",\"reach\":[\"proxy\"],\"hosts\":[\"x.y\","
                       "\"x.y:22\",\".z\"]},\"b\":{" ONE ",\"hosts\":[\"x.y\"]}"),
         "10.9.0.64-10.9.0.127 "},
        {FRAME("host", "\"c\":{\"addresses\":\"10.9.0.9\"}"), "10.9.0.64-10.9.0.127 10.9.0.3-10.9.0.3 "},
    };

    for (size_t i = 0; i < array_size(changes); i++)
        expect_revoked(before, changes[i].after, changes[i].expected);
}

/* Both roles have lines that begin "acl hosts-a-443-". */
Test(squid, a_role_whose_name_ends_in_a_number_is_not_taken_for_another_one)
{
    expect_revoked(
        FRAME("host", "\"a\":{" POOL ",\"hosts\":[\"x.y\"]},\"a-443\":{" ONE ",\"hosts\":[\"x.y\"]}"),
        FRAME("host", "\"a\":{" POOL ",\"hosts\":[\"x.y\"]},\"a-443\":{" ONE ",\"hosts\":[\"q.r\"]}"),
        "10.9.0.3-10.9.0.3 ");
    expect_revoked(
        FRAME("host", "\"a\":{" POOL ",\"hosts\":[\"x.y\"]},\"a-443\":{" ONE ",\"hosts\":[\"x.y\"]}"),
        FRAME("host", "\"a\":{" POOL ",\"hosts\":[\"q.r\"]},\"a-443\":{" ONE ",\"hosts\":[\"x.y\"]}"),
        "10.9.0.64-10.9.0.127 ");
}

Test(squid, text_that_is_no_configuration_revokes_nothing)
{
    static const char *const texts[] = {"",
                                        "\n\n",
                                        "acl role-",
                                        "acl role-a src",
                                        "acl role-a src 1.2.3.4/33\n",
                                        "acl role-a src 1.2.3/8\n",
                                        "acl hosts-",
                                        "acl role-a src x/1"};
    struct policy_range *sources = NULL;
    struct error err = {0};
    size_t count = 0;

    for (size_t i = 0; i < array_size(texts); i++) {
        cr_expect_eq(proxy_revoked(texts[i], "", &sources, &count, &err), 0);
        cr_expect_eq(count, 0, "%s", texts[i]);
        cr_expect_null(sources);
    }
}
