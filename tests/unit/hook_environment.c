/* SPDX-License-Identifier: Apache-2.0
 *
 * The proxy's variables: what there is of others' is kept or replaced as the header says, duplicates go, and
 * whatever is done twice is as if done once. */
#include "base/cleanup.h"
#include "hook/document.h"
#include "hook/environment.h"

#include <criterion/criterion.h>
#include <string.h>

static const char POLICY[] =
    "{\"version\":1,\"subnet\":\"10.209.0.0/24\","
    "\"proxy\":{\"address\":\"10.209.0.2\",\"port\":3128,\"at\":\"member\"},\"roles\":{"
    "\"agent\":{\"addresses\":\"10.209.0.64/26\",\"reach\":[\"proxy\",\"gateway:8642\"]},"
    "\"gateway\":{\"addresses\":\"10.209.0.3\",\"reach\":[\"proxy\"]},"
    "\"lonely\":{\"addresses\":\"10.209.0.4\",\"reach\":[]}}}";

static struct policy policy;
static const struct policy_role *agent;
static const struct policy_role *lonely;

static void load(const char *text, struct policy *ret)
{
    struct error err = {0};

    cr_assert_eq(policy_parse(text, strlen(text), "FILE", "hermes", ret, &err), 0, "%s", err.text);
}

static void set_up(void)
{
    load(POLICY, &policy);
    agent = policy_role_find(&policy, "agent");
    lonely = policy_role_find(&policy, "lonely");
}

static void tear_down(void)
{
    policy_free(&policy);
}

TestSuite(environment, .init = set_up, .fini = tear_down);

static json_t *parse(const char *text)
{
    struct error err = {0};
    json_t *document = NULL;

    cr_assert_eq(document_parse(text, strlen(text), "test", &document, &err), 0, "%s: %s", text, err.text);
    return document;
}

static char *dump(const json_t *document)
{
    struct error err = {0};
    char *text = NULL;
    size_t length = 0;

    cr_assert_eq(document_dump(document, &text, &length, &err), 0, "%s", err.text);
    return text;
}

/* The last value of NAME in the environment and how many there are. */
static const char *value_of(const json_t *process, const char *name, unsigned *ret_count)
{
    const json_t *env = json_object_get(process, "env");
    const char *value = NULL;

    *ret_count = 0;
    for (size_t i = 0; i < json_array_size(env); i++) {
        const char *entry = json_string_value(json_array_get(env, i));

        if (strncmp(entry, name, strlen(name)) != 0 || entry[strlen(name)] != '=')
            continue;
        value = entry + strlen(name) + 1;
        ++*ret_count;
    }
    return value;
}

static void expect_value(const json_t *process, const char *name, const char *want)
{
    unsigned count = 0;
    const char *got = value_of(process, name, &count);

    cr_assert_eq(count, want != NULL ? 1 : 0, "%s: %u times", name, count);
    if (want != NULL)
        cr_assert_str_eq(got, want, "%s=%s", name, got);
}

#define PROXY_URL "http://10.209.0.2:3128"
#define EXCEPTIONS "localhost,127.0.0.1,::1,gateway,10.209.0.3,lonely,10.209.0.4,10.209.0.0/24"

Test(environment, a_name_is_added_to_the_exceptions_once)
{
    json_t *process = json_pack("{s:[s]}", "env", "NO_PROXY=a,box-2");
    struct error err = {0};

    for (int round = 0; round < 2; round++)
        cr_assert_eq(environment_add_exception(process, "box", &err), 0, "%s", err.text);
    cr_assert_str_eq(json_string_value(json_array_get(json_object_get(process, "env"), 0)),
                     "NO_PROXY=a,box-2,box");
    cr_assert_str_eq(json_string_value(json_array_get(json_object_get(process, "env"), 1)), "no_proxy=box");
    json_decref(process);
}

Test(environment, proxies)
{
    static const struct {
        const char *env;
        const char *want; /* of https_proxy */
    } CASES[] = {
        {"", PROXY_URL},
        {"\"https_proxy=\"", PROXY_URL},
        {"\"https_proxy=http://evil.example:3128\"", PROXY_URL},
        {"\"https_proxy=http://10.209.0.2:3129\"", PROXY_URL},
        {"\"https_proxy=http://10.209.0.2:31280\"", PROXY_URL},
        {"\"https_proxy=http://10.209.0.2:3128.evil.example/\"", PROXY_URL},
        {"\"https_proxy=http://10.209.0.2:3128@evil.example/\"", PROXY_URL},
        {"\"https_proxy=http://10.209.0.20:3128\"", PROXY_URL},
        {"\"https_proxy=http://evil.example/10.209.0.2:3128\"", PROXY_URL},
        {"\"https_proxy=http://10.209.0.2:3128/\"", "http://10.209.0.2:3128/"},
        {"\"https_proxy=http://proxy:3128\"", "http://proxy:3128"},
        {"\"https_proxy=10.209.0.2:3128\"", "10.209.0.2:3128"},
        {"\"https_proxy=http://a\",\"https_proxy=http://proxy:3128\"", "http://proxy:3128"},
        {"\"https_proxy=http://proxy:3128\",\"https_proxy=http://a\",\"X=1\",\"https_proxy=b\"", PROXY_URL},
        {"\"https_proxyx=http://a\",\"https_proxy\"", PROXY_URL},
    };

    for (size_t i = 0; i < array_size(CASES); i++) {
        static const char *const OTHERS[] = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY",
                                             "http_proxy", "all_proxy",   "YARN_HTTPS_PROXY"};
        struct error err = {0};
        char text[512];
        cleanup_json json_t *process = NULL;
        cleanup_free char *once = NULL;
        cleanup_free char *twice = NULL;

        snprintf(text, sizeof(text), "{\"env\":[\"PATH=/bin\",%s%s\"HOME=/\"]}", CASES[i].env,
                 CASES[i].env[0] != '\0' ? "," : "");
        process = parse(text);
        cr_assert_eq(environment_set_proxy(process, &policy, agent, &err), 0, "%s", err.text);
        expect_value(process, "https_proxy", CASES[i].want);
        for (size_t k = 0; k < array_size(OTHERS); k++)
            expect_value(process, OTHERS[k], PROXY_URL);
        expect_value(process, "NO_PROXY", EXCEPTIONS);
        expect_value(process, "no_proxy", EXCEPTIONS);
        expect_value(process, "PATH", "/bin");
        expect_value(process, "HOME", "/");
        once = dump(process);
        cr_assert_eq(environment_set_proxy(process, &policy, agent, &err), 0, "%s", err.text);
        twice = dump(process);
        cr_assert_str_eq(once, twice);
    }
}

Test(environment, exceptions_are_merged)
{
    static const struct {
        const char *old;
        const char *want;
    } CASES[] = {
        {"", EXCEPTIONS},
        {"a.example", "a.example," EXCEPTIONS},
        {"127.0.0.1, localhost",
         "127.0.0.1, localhost,::1,gateway,10.209.0.3,lonely,10.209.0.4,10.209.0.0/24"},
        {"notlocalhost,gateway.example", "notlocalhost,gateway.example," EXCEPTIONS},
        {EXCEPTIONS, EXCEPTIONS},
        {EXCEPTIONS ",z", EXCEPTIONS ",z"},
        {",,", ",,," EXCEPTIONS},
    };

    for (size_t i = 0; i < array_size(CASES); i++) {
        struct error err = {0};
        char text[512];
        cleanup_json json_t *process = NULL;

        snprintf(text, sizeof(text), "{\"env\":[\"NO_PROXY=first\",\"NO_PROXY=%s\"]}", CASES[i].old);
        process = parse(text);
        cr_assert_eq(environment_set_proxy(process, &policy, agent, &err), 0, "%s", err.text);
        expect_value(process, "NO_PROXY", CASES[i].want);
        expect_value(process, "no_proxy", EXCEPTIONS);
    }
}

/* What the variables are not set for: roles without a proxy; the proxy itself, whose own proxy is somebody's
 * choice. */
Test(environment, roles_without_proxy)
{
    static const char *const NAMES[] = {"HTTP_PROXY",         "HTTPS_PROXY",      "ALL_PROXY",
                                        "http_proxy",         "https_proxy",      "all_proxy",
                                        "NO_PROXY",           "no_proxy",         "YARN_HTTPS_PROXY",
                                        "NODE_USE_ENV_PROXY", "JAVA_TOOL_OPTIONS"};
    const struct policy_role *const roles[] = {lonely, policy_role_find(&policy, "proxy")};

    for (size_t i = 0; i < array_size(roles); i++) {
        struct error err = {0};
        cleanup_json json_t *process = parse("{}");

        cr_assert_eq(environment_set_proxy(process, &policy, roles[i], &err), 0, "%s", err.text);
        for (size_t k = 0; k < array_size(NAMES); k++) {
            bool exceptions = roles[i] == lonely && strcasecmp(NAMES[k], "NO_PROXY") == 0;

            expect_value(process, NAMES[k], exceptions ? EXCEPTIONS : NULL);
        }
    }
}

Test(environment, odd_environments)
{
    struct error err = {0};
    cleanup_json json_t *null = parse("{\"env\":null}");
    cleanup_json json_t *wrong = parse("{\"env\":{}}");

    cr_assert_eq(environment_set_proxy(null, &policy, agent, &err), 0, "%s", err.text);
    expect_value(null, "HTTP_PROXY", PROXY_URL);
    cr_assert_lt(environment_set_proxy(wrong, &policy, agent, &err), 0);
}

#define JAVA                                               \
    "-Dhttp.proxyHost=10.209.0.2 -Dhttp.proxyPort=3128 "   \
    "-Dhttps.proxyHost=10.209.0.2 -Dhttps.proxyPort=3128 " \
    "-Dhttp.nonProxyHosts=localhost|127.*|[::1]|gateway|lonely|10.209.0.*"

/* Sets the one variable in an environment of its own, if `old` is not NULL, and edits it twice. */
static json_t *edited(const char *name, const char *old)
{
    struct error err = {0};
    json_t *process = json_pack("{s:[]}", "env");
    cleanup_free char *once = NULL;
    cleanup_free char *twice = NULL;

    if (old != NULL)
        json_array_append_new(json_object_get(process, "env"), json_sprintf("%s=%s", name, old));
    cr_assert_eq(environment_set_proxy(process, &policy, agent, &err), 0, "%s", err.text);
    once = dump(process);
    cr_assert_eq(environment_set_proxy(process, &policy, agent, &err), 0, "%s", err.text);
    twice = dump(process);
    cr_assert_str_eq(once, twice);
    return process;
}

Test(environment, java)
{
    static const struct {
        const char *old;
        const char *want;
    } CASES[] = {
        {NULL, JAVA},
        {"", JAVA},
        {" \t\n", JAVA},
        {"-Xmx1g", "-Xmx1g " JAVA},
        {" -Xmx1g  -Da=b\n", "-Xmx1g -Da=b " JAVA},
        {"-Da='x  y' \"-Db=c  d\"", "-Da='x  y' \"-Db=c  d\" " JAVA},
        {JAVA, JAVA},
        {JAVA " -Xmx1g", "-Xmx1g " JAVA},
        {"-Xmx1g " JAVA " " JAVA, "-Xmx1g " JAVA},
        /* Another proxy, and our own options of an older policy. */
        {"-Dhttps.proxyHost=corp.example -Xmx1g -Dhttps.proxyPort=8080", "-Xmx1g " JAVA},
        {"-Dhttp.nonProxyHosts=localhost|old|10.1.*", JAVA},
        /* Names that only look like ours, and ours between quotes. */
        {"-Dhttps.proxyHostx=a -DXhttps.proxyHost=b", "-Dhttps.proxyHostx=a -DXhttps.proxyHost=b " JAVA},
        {"-Da='b -Dhttp.proxyHost=c d'", "-Da='b -Dhttp.proxyHost=c d' " JAVA},
        {"-Da=\"it's -Dhttp.proxyHost=c\"", "-Da=\"it's -Dhttp.proxyHost=c\" " JAVA},
        /* No JVM starts with these. */
        {"-Xmx1g 'open", "-Xmx1g 'open"},
        {"-Dhttp.proxyHost='open", "-Dhttp.proxyHost='open"},
        {"-Da=\"open -Dhttp.proxyHost=c", "-Da=\"open -Dhttp.proxyHost=c"},
    };

    for (size_t i = 0; i < array_size(CASES); i++) {
        cleanup_json json_t *process = edited("JAVA_TOOL_OPTIONS", CASES[i].old);

        expect_value(process, "JAVA_TOOL_OPTIONS", CASES[i].want);
    }
}

/* The subnet as a pattern of whole bytes, and no more than a JVM 8 takes of a variable (1023 characters). */
Test(environment, java_for_every_subnet)
{
    static const struct {
        const char *subnet;
        const char *proxy;
        const char *want;
    } CASES[] = {
        {"10.0.0.0/8", "10.0.0.2", "|10.*"},
        {"10.128.0.0/9", "10.128.0.2", "|10.*"},
        {"10.208.0.0/16", "10.208.0.2", "|10.208.*"},
        {"10.208.16.0/20", "10.208.16.2", "|10.208.*"},
        {"192.168.7.0/24", "192.168.7.2", "|192.168.7.*"},
        {"192.168.7.240/29", "192.168.7.242", "|192.168.7.*"},
    };

    for (size_t i = 0; i < array_size(CASES); i++) {
        struct error err = {0};
        struct policy other = {0};
        char text[512];
        unsigned count = 0;
        const char *value = NULL;
        cleanup_json json_t *process = parse("{}");

        snprintf(text, sizeof(text),
                 "{\"version\":1,\"subnet\":\"%s\",\"proxy\":{\"address\":\"%s\",\"port\":3128,"
                 "\"at\":\"host\"},\"roles\":{\"agent\":{\"addresses\":\"%.*s%d\",\"reach\":[\"proxy\"]}}}",
                 CASES[i].subnet, CASES[i].proxy, (int)(strrchr(CASES[i].proxy, '.') - CASES[i].proxy + 1),
                 CASES[i].proxy, atoi(strrchr(CASES[i].proxy, '.') + 1) + 1);
        load(text, &other);
        cr_assert_eq(environment_set_proxy(process, &other, &other.roles[0], &err), 0, "%s", err.text);
        value = value_of(process, "JAVA_TOOL_OPTIONS", &count);
        cr_assert_eq(count, 1);
        cr_assert_str_eq(value + strlen(value) - strlen(CASES[i].want), CASES[i].want, "%s", value);
        policy_free(&other);
    }
}

Test(environment, java_fits_an_old_jvm)
{
    struct error err = {0};
    struct policy large = {
        .prefix = 24, .subnet = 0xffffff00, .proxy_address = 0xffffffff, .proxy_port = 65535};
    struct policy_role *role = &large.roles[0];
    unsigned count = 0;
    cleanup_json json_t *process = parse("{}");

    large.roles_count = POLICY_ROLES_MAX;
    for (size_t i = 0; i < large.roles_count; i++)
        strcpy(large.roles[i].name, "abcdefghijkl");
    role->reach_proxy = true;
    cr_assert_eq(environment_set_proxy(process, &large, role, &err), 0, "%s", err.text);
    cr_assert_lt(strlen(value_of(process, "JAVA_TOOL_OPTIONS", &count)), 1024);
}

Test(environment, node_is_asked_to_unless_somebody_has_decided)
{
    static const char *const DECIDED[] = {"0", "1", ""};
    cleanup_json json_t *fresh = edited("NODE_USE_ENV_PROXY", NULL);

    expect_value(fresh, "NODE_USE_ENV_PROXY", "1");
    for (size_t i = 0; i < array_size(DECIDED); i++) {
        cleanup_json json_t *process = edited("NODE_USE_ENV_PROXY", DECIDED[i]);

        expect_value(process, "NODE_USE_ENV_PROXY", DECIDED[i]);
    }
}

/* What a process that joins gets from the container's. */
Test(environment, copies)
{
    struct error err = {0};
    cleanup_json json_t *container = edited("JAVA_TOOL_OPTIONS", "-Xmx1g");
    cleanup_json json_t *bare = parse("{}");
    cleanup_json json_t *own = parse("{\"env\":[\"JAVA_TOOL_OPTIONS=-Xmx2g\",\"NODE_USE_ENV_PROXY=0\","
                                     "\"https_proxy=http://evil.example:3128\",\"NO_PROXY=*\"]}");

    cr_assert_eq(environment_copy_proxy(bare, json_object_get(container, "none"), &err), 0, "%s", err.text);
    expect_value(bare, "HTTP_PROXY", NULL);
    expect_value(bare, "JAVA_TOOL_OPTIONS", NULL);
    expect_value(bare, "NODE_USE_ENV_PROXY", NULL);
    for (unsigned twice = 0; twice < 2; twice++) {
        cr_assert_eq(environment_copy_proxy(bare, container, &err), 0, "%s", err.text);
        cr_assert_eq(environment_copy_proxy(own, container, &err), 0, "%s", err.text);
        expect_value(bare, "YARN_HTTPS_PROXY", PROXY_URL);
        expect_value(bare, "JAVA_TOOL_OPTIONS", JAVA);
        expect_value(bare, "NODE_USE_ENV_PROXY", "1");
        expect_value(own, "https_proxy", PROXY_URL);
        expect_value(own, "NO_PROXY", EXCEPTIONS);
        expect_value(own, "JAVA_TOOL_OPTIONS", "-Xmx2g " JAVA);
        expect_value(own, "NODE_USE_ENV_PROXY", "0");
    }
}

/* A container without a proxy of ours has nothing to give: not even an empty variable. */
Test(environment, copies_from_a_role_without_proxy)
{
    struct error err = {0};
    cleanup_json json_t *container = parse("{\"env\":[\"JAVA_TOOL_OPTIONS=-Xmx1g\"]}");
    cleanup_json json_t *bare = parse("{}");
    cleanup_json json_t *own = parse("{\"env\":[\"JAVA_TOOL_OPTIONS=-Xmx2g  -Dhttp.proxyHost=a\"]}");

    cr_assert_eq(environment_set_proxy(container, &policy, lonely, &err), 0, "%s", err.text);
    cr_assert_eq(environment_copy_proxy(bare, container, &err), 0, "%s", err.text);
    cr_assert_eq(environment_copy_proxy(own, container, &err), 0, "%s", err.text);
    expect_value(container, "JAVA_TOOL_OPTIONS", "-Xmx1g");
    expect_value(bare, "JAVA_TOOL_OPTIONS", NULL);
    expect_value(own, "JAVA_TOOL_OPTIONS", "-Xmx2g  -Dhttp.proxyHost=a");
}
