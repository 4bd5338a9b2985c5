/* SPDX-License-Identifier: Apache-2.0
 *
 * The process of an exec: no capability that the container itself has not, in whatever spelling; the proxy's
 * environment; and the anonymous file that the runtime gets. */
#include "base/cleanup.h"
#include "base/file.h"
#include "hook/capabilities.h"
#include "hook/document.h"
#include "hook/exec_process.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char CONFIG[] =
    "{\"process\":{\"capabilities\":{\"bounding\":[\"CAP_CHOWN\",\"CAP_KILL\",\"CAP_SYS_CHROOT\"],"
    "\"effective\":[\"CAP_CHOWN\"]},\"env\":[\"HTTPS_PROXY=http://10.209.0.2:3128\",\"NO_PROXY=gateway\","
    "\"SECRET=config\"]},\"linux\":{}}";

static json_t *parse(const char *text)
{
    struct error err = {0};
    json_t *document = NULL;

    cr_assert_eq(document_parse(text, strlen(text), "test", &document, &err), 0, "%s: %s", text, err.text);
    return document;
}

/* The process, edited, as text. */
static char *edited(const char *text)
{
    cleanup_json json_t *config = parse(CONFIG);
    cleanup_json json_t *process = parse(text);
    struct error err = {0};

    cr_assert_eq(exec_process_edit(process, config, &err), 0, "%s: %s", text, err.text);
    return json_dumps(process, JSON_COMPACT);
}

/* What becomes of the set `set` of an exec's process, as text. */
static void becomes(const char *set, const char *expected)
{
    char text[512];
    cleanup_json json_t *process = NULL;
    cleanup_json json_t *wanted = json_loads(expected, 0, NULL);
    cleanup_free char *result = NULL;

    snprintf(text, sizeof(text), "{\"capabilities\":{\"bounding\":%s,\"ambient\":%s}}", set, set);
    result = edited(text);
    process = parse(result);
    cr_expect(json_equal(json_object_get(json_object_get(process, "capabilities"), "bounding"), wanted),
              "%s became %s", set, result);
    cr_expect(json_equal(json_object_get(json_object_get(process, "capabilities"), "ambient"), wanted),
              "%s became %s", set, result);
}

Test(exec, gets_no_capability_that_the_container_has_not)
{
    becomes("[]", "[]");
    becomes("[\"CAP_CHOWN\",\"CAP_SYS_ADMIN\",\"CAP_KILL\"]", "[\"CAP_CHOWN\",\"CAP_KILL\"]");
    /* The bounding set is the limit, not the effective one. */
    becomes("[\"CAP_SYS_CHROOT\"]", "[\"CAP_SYS_CHROOT\"]");
    becomes("[\"CAP_NET_RAW\",\"CAP_NET_ADMIN\"]", "[]");
}

Test(exec, spellings_of_capabilities)
{
    static const char *const NET_RAW[] = {"13",           "0xd",           "015",     "cap_net_raw",
                                          "Cap_Net_Raw",  "CAP_NET_RAW ",  "NET_RAW", "net_raw",
                                          "CAP_NET_RAW+", "CAP_CAP_CHOWN", "",        "nonsense"};

    for (size_t i = 0; i < array_size(NET_RAW); i++) {
        char set[64];

        snprintf(set, sizeof(set), "[\"%s\"]", NET_RAW[i]);
        becomes(set, "[]");
    }
    /* What the container has may be spelled as well in any way. */
    becomes("[\"cap_kill\",\"5\",\"KILL\"]", "[\"cap_kill\",\"5\",\"KILL\"]");
}

Test(exec, every_set_counts_also_unknown_ones)
{
    cleanup_free char *text = edited(
        "{\"capabilities\":{\"bounding\":[\"CAP_NET_RAW\"],\"effective\":[\"CAP_NET_RAW\"],"
        "\"inheritable\":[\"CAP_NET_RAW\"],\"permitted\":[\"CAP_NET_RAW\"],\"ambient\":[\"CAP_NET_RAW\"],"
        "\"later\":[\"CAP_NET_RAW\"]},\"env\":[]}");

    cr_expect_null(strstr(text, "NET_RAW"), "%s", text);
}

/* A limit without bounding set (a container without capabilities) leaves nothing. */
Test(exec, limit_that_is_absent)
{
    cleanup_json json_t *capabilities = parse("{\"bounding\":[\"CAP_CHOWN\"],\"effective\":[\"CAP_CHOWN\"]}");
    cleanup_json json_t *empty = parse("{\"effective\":[\"CAP_CHOWN\"]}");
    cleanup_json json_t *again = json_deep_copy(capabilities);

    capabilities_restrict(capabilities, NULL);
    cr_expect_eq(json_array_size(json_object_get(capabilities, "bounding")), 0);
    capabilities_restrict(again, empty);
    cr_expect_eq(json_array_size(json_object_get(again, "effective")), 0);
    capabilities_restrict(NULL, empty);
}

/* Even a config that was edited by hand behind our back gives nobody a raw socket. */
Test(exec, network_capabilities_are_never_had)
{
    cleanup_json json_t *limit = parse("{\"bounding\":[\"CAP_NET_RAW\",\"CAP_NET_ADMIN\",\"CAP_CHOWN\"]}");
    cleanup_json json_t *capabilities = parse("{\"bounding\":[\"CAP_NET_RAW\",\"12\",\"CAP_CHOWN\"]}");
    cleanup_free char *text = NULL;

    capabilities_restrict(capabilities, limit);
    text = json_dumps(capabilities, JSON_COMPACT);
    cr_expect_str_eq(text, "{\"bounding\":[\"CAP_CHOWN\"]}");
}

Test(exec, environment_is_the_proxys_and_otherwise_its_own)
{
    cleanup_free char *text =
        edited("{\"env\":[\"HTTPS_PROXY=http://elsewhere\",\"SECRET=own\",\"NO_PROXY=*\"]}");
    cleanup_free char *absent = edited("{\"args\":[\"true\"]}");

    cr_expect_not_null(strstr(text, "\"HTTPS_PROXY=http://10.209.0.2:3128\""), "%s", text);
    cr_expect_null(strstr(text, "elsewhere"), "%s", text);
    cr_expect_not_null(strstr(text, "\"SECRET=own\""), "%s", text);
    cr_expect_null(strstr(text, "SECRET=config"), "%s", text);
    cr_expect_null(strstr(text, "NO_PROXY=*"), "%s", text);
    cr_expect_not_null(strstr(absent, "HTTPS_PROXY="), "%s", absent);
}

Test(exec, twice_is_once)
{
    cleanup_free char *once =
        edited("{\"env\":[\"A=B\"],\"capabilities\":{\"bounding\":[\"CAP_KILL\",\"13\"]}}");
    cleanup_free char *twice = edited(once);

    cr_expect_str_eq(once, twice);
}

Test(exec, refuses_what_it_cannot_read)
{
    static const char *const WRONG[] = {
        "{\"capabilities\":[]}",
        "{\"capabilities\":{\"bounding\":\"CAP_NET_RAW\"}}",
        "{\"capabilities\":{\"bounding\":[13]}}",
        "{\"env\":{}}",
        "{\"env\":[1]}",
        "{\"Capabilities\":{}}",
        "{\"capabilities\":{\"Bounding\":[]}}",
        "{\"capabilitie\\u017f\":{}}",
        "{\"ENV\":[]}",
    };
    cleanup_json json_t *config = parse(CONFIG);

    for (size_t i = 0; i < array_size(WRONG); i++) {
        cleanup_json json_t *process = parse(WRONG[i]);
        struct error err = {0};

        cr_expect_lt(exec_process_edit(process, config, &err), 0, "%s", WRONG[i]);
        cr_expect_neq(err.text[0], '\0');
    }
}

Test(exec, cap_options)
{
    cleanup_json json_t *config = parse(CONFIG);
    cleanup_json json_t *none = parse("{\"process\":{},\"linux\":{}}");
    static const char *const GOOD[] = {"CAP_CHOWN", "CAP_KILL"};
    static const char *const BAD[] = {"CAP_NET_RAW", "13",       "net_raw",      "CAP_SYS_ADMIN",
                                      "nonsense",    "CAP_BPF ", "\xff\xfe\xfd", ""};
    struct error err = {0};

    cr_expect_eq(exec_process_check_capabilities(GOOD, 2, config, &err), 0, "%s", err.text);
    cr_expect_eq(exec_process_check_capabilities(NULL, 0, none, &err), 0, "%s", err.text);
    cr_expect_lt(exec_process_check_capabilities(GOOD, 2, none, &err), 0);
    for (size_t i = 0; i < array_size(BAD); i++) {
        const char *names[] = {"CAP_CHOWN", BAD[i]};

        cr_expect_lt(exec_process_check_capabilities(names, 2, config, &err), 0, "%s", BAD[i]);
        cr_expect_not_null(strstr(err.text, "the container itself does not have"), "%s", err.text);
    }
}

/* The file is what the runtime reads, whoever changes the engine's meanwhile: complete, from its beginning,
 * and not to be changed any more. */
Test(exec, file_is_sealed_and_stays_open)
{
    char path[] = "/tmp/sallyport-unit-XXXXXX";
    cleanup_close int engines = mkstemp(path);
    cleanup_json json_t *config = parse(CONFIG);
    cleanup_json json_t *process = NULL;
    cleanup_free char *text = NULL;
    struct error err = {0};
    size_t length = 0;
    char name[64];
    int file = -1;
    int named = -1;

    cr_assert_geq(engines, 0);
    cr_assert_eq(file_write_all(engines, "{\"env\":[]}", 10), 0);
    file = exec_process_open(path, config, &err);
    unlink(path);
    cr_assert_geq(file, 0, "%s", err.text);
    cr_expect_eq(fcntl(file, F_GETFD) & FD_CLOEXEC, 0);
    cr_expect_lt(write(file, "x", 1), 0);
    cr_expect_eq(errno, EPERM);
    cr_expect_lt(ftruncate(file, 0), 0);
    cr_expect_lt(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE), 0);
    snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
    named = open(name, O_RDONLY | O_CLOEXEC);
    cr_assert_geq(named, 0);
    cr_assert_eq(file_read_fd(named, name, 65536, &text, &length, &err), 0, "%s", err.text);
    process = parse(text);
    cr_expect_eq(json_array_size(json_object_get(process, "env")), 2, "%s", text);
    close(named);
    close(file);
}
