/* SPDX-License-Identifier: Apache-2.0
 *
 * What the hook reads: JSON that belongs to somebody else, a container's state, the choice of network and
 * role. */
#include "base/cleanup.h"
#include "hook/config.h"
#include "hook/document.h"
#include "hook/selection.h"
#include "hook/state.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static json_t *parse(const char *text, struct error *err)
{
    json_t *document = NULL;

    return document_parse(text, strlen(text), "FILE", &document, err) == 0 ? document : NULL;
}

static char *dump(const json_t *document)
{
    struct error err = {0};
    char *text = NULL;
    size_t length = 0;

    cr_assert_eq(document_dump(document, &text, &length, &err), 0, "%s", err.text);
    cr_assert_eq(strlen(text), length);
    return text;
}

/* Text that must come back as it went in. */
Test(document, loses_nothing)
{
    static const char *const SAME[] = {
        "{}",
        "{\"a\":18446744073709551615}",
        "{\"a\":9223372036854775807,\"b\":9223372036854775808}",
        "{\"a\":-9223372036854775808,\"b\":-9223372036854775809}",
        "{\"a\":-1,\"b\":0,\"c\":[18446744073709551615,[18446744073709551614]]}",
        "{\"a\":1.5,\"b\":\"1.5\",\"c\":\"18446744073709551615\"}",
        "{\"a\":\"\\\"\\\\\\u0001\\n\",\"b\":\"caf\xc3\xa9 \xf0\x9f\x98\x80\"}",
        "{\"18446744073709551615\":\"\\\"18446744073709551615\\\"\"}",
        "{\"z\":1,\"a\":2,\"m\":null,\"t\":true,\"f\":false}",
        "{\"a\":\"x\x7fsallyport-integer:5\"}",
    };

    for (size_t i = 0; i < array_size(SAME); i++) {
        struct error err = {0};
        cleanup_json json_t *document = parse(SAME[i], &err);
        cleanup_json json_t *again = NULL;
        cleanup_free char *text = NULL;
        cleanup_free char *second = NULL;

        cr_assert_not_null(document, "%s: %s", SAME[i], err.text);
        text = dump(document);
        cr_assert_eq(strncmp(text, SAME[i], strlen(SAME[i])), 0, "%s became %s", SAME[i], text);
        cr_assert_str_eq(text + strlen(SAME[i]), "\n");
        again = parse(text, &err);
        second = dump(again);
        cr_assert_str_eq(text, second);
    }
}

Test(document, refuses)
{
    static const struct {
        const char *text;
        const char *reason;
    } BAD[] = {
        {"", "empty"},
        {" ", "line"},
        {"[]", "not a JSON object"},
        {"\"x\"", "line"},
        {"null", "line"},
        {"{", "line"},
        {"{\"a\":1}x", "end of file"},
        {"{\"a\":1} {}", "end of file"},
        {"{\"a\":1,\"a\":1}", "duplicate"},
        {"{\"a\":{\"b\":[{\"c\":1,\"c\":2}]}}", "duplicate"},
        {"{\"a\":{\"b\":18446744073709551615,\"b\":18446744073709551615}}", "duplicate"},
        {"{\"a\":1,\"\\u0061\":2}", "duplicate"},
        {"{\"a\":\"\xff\"}", "line"},
        {"{\"a\":\"\\u0000\"}", "line"},
        {"{\"a\":00018446744073709551615}", "line"},
        {"{\"a\":+18446744073709551615}", "line"},
        {"{\"a\":18446744073709551615e0x}", "line"},
        {"{18446744073709551615:1}", "line"},
        {"{18446744073709551615 \n :1}", "line"},
        {"{\"a\":99999999999999999999999999999999999999}", "line"},
        {"{\"a\":1e999}", "line"},
        /* What would be written back as something else than a string. */
        {"{\"a\":\"\x7fsallyport-integer:1,\\\"b\\\":2\"}", "DEL"},
        {"{\"a\":\"\\u007fsallyport-integer:1\"}", "DEL"},
        {"{\"a\":\"\\u007F\\u0073allyport-integer:1\"}", "DEL"},
        {"{\"a\":\"\x7f\\u0073allyport-integer:1\"}", "DEL"},
        {"{\"\x7fsallyport-integer:1\":1}", "DEL"},
    };

    for (size_t i = 0; i < array_size(BAD); i++) {
        struct error err = {0};
        json_t *document = parse(BAD[i].text, &err);

        cr_assert_null(document, "accepted: %s", BAD[i].text);
        cr_assert_not_null(strstr(err.text, BAD[i].reason), "%s: %s", BAD[i].text, err.text);
        cr_assert_not_null(strstr(err.text, "FILE"), "%s", err.text);
    }
}

Test(document, every_truncation_is_an_error)
{
    static const char text[] = "{\"a\":[1,{\"b\":18446744073709551615}],\"c\":\"\\u00e9\\\\\"}";

    for (size_t length = 0; length < strlen(text); length++) {
        /* A buffer of exactly that size, so that a sanitizer sees a byte too far. */
        cleanup_free char *part = malloc(length + 1);
        json_t *document = NULL;
        struct error err = {0};

        cr_assert_not_null(part);
        memcpy(part, text, length);
        part[length] = '#';
        cr_assert_lt(document_parse(part, length, "FILE", &document, &err), 0, "%zu bytes", length);
        cr_assert_null(document);
    }
}

Test(document, depth_is_bounded)
{
    enum { DEPTH = 200000 };
    char *text = malloc(5 + 2 * DEPTH + 2);
    struct error err = {0};

    cr_assert_not_null(text);
    memcpy(text, "{\"a\":", 5);
    memset(text + 5, '[', DEPTH);
    memset(text + 5 + DEPTH, ']', DEPTH);
    memcpy(text + 5 + 2 * DEPTH, "}", 2);
    cr_assert_null(parse(text, &err));
    cr_assert_not_null(strstr(err.text, "depth"), "%s", err.text);
    free(text);
}

Test(document, object_and_array_replace_only_nothing)
{
    struct error err = {0};
    cleanup_json json_t *document = parse("{\"n\":null,\"o\":{\"x\":1},\"s\":\"text\"}", &err);

    cr_assert(json_is_object(document_object(document, "n")));
    cr_assert(json_is_array(document_array(document, "new")));
    cr_assert_eq(json_object_size(document_object(document, "o")), 1);
    cr_assert_null(document_object(document, "s"));
    cr_assert_null(document_array(document, "o"));
    cr_assert_null(document_array(NULL, "o"));
}

static int read_state(const char *text, struct state *state, json_t **ret, struct error *err)
{
    *ret = parse(text, err);
    return *ret == NULL ? -1 : state_read(*ret, state, err);
}

#define STATE(id, bundle, status, rest) "{\"id\":" id ",\"bundle\":" bundle ",\"status\":" status rest "}"

Test(state, reads)
{
    static const struct {
        const char *text;
        enum state_stage stage;
        pid_t pid;
    } GOOD[] = {
        {STATE("\"c1\"", "\"/b\"", "\"creating\"", ",\"pid\":42"), STATE_ATTACH, 42},
        {STATE("\"A_z+0-.9\"", "\"/b\"", "\"created\"", ",\"pid\":2,\"annotations\":null"), STATE_ATTACH, 2},
        {STATE("\"c1\"", "\"/b\"", "\"stopped\"", ""), STATE_STOPPED, 0},
        {STATE("\"c1\"", "\"/b\"", "\"stopped\"", ",\"pid\":0,\"ociVersion\":\"1.0\""), STATE_STOPPED, 0},
        {STATE("\"c1\"", "\"/b\"", "\"created\"", ",\"pid\":2147483647,\"root\":\"/r\""), STATE_ATTACH,
         2147483647},
    };

    for (size_t i = 0; i < array_size(GOOD); i++) {
        struct state state = {0};
        struct error err = {0};
        cleanup_json json_t *document = NULL;

        cr_assert_eq(read_state(GOOD[i].text, &state, &document, &err), 0, "%s: %s", GOOD[i].text, err.text);
        cr_assert_eq(state.stage, GOOD[i].stage);
        cr_assert_eq(state.pid, GOOD[i].pid);
        cr_assert_str_eq(state.bundle, "/b");
    }
}

Test(state, refuses)
{
    static const struct {
        const char *text;
        const char *reason;
    } BAD[] = {
        {"{}", "`id`"},
        {STATE("1", "\"/b\"", "\"created\"", ",\"pid\":42"), "`id`"},
        {STATE("\"\"", "\"/b\"", "\"created\"", ",\"pid\":42"), "`id`"},
        {STATE("\"..\"", "\"/b\"", "\"created\"", ",\"pid\":42"), "`id`"},
        {STATE("\"a/b\"", "\"/b\"", "\"created\"", ",\"pid\":42"), "`id`"},
        {STATE("\"a\\nb\"", "\"/b\"", "\"created\"", ",\"pid\":42"), "`id`"},
        {STATE("\"c\"", "null", "\"created\"", ",\"pid\":42"), "`bundle`"},
        {STATE("\"c\"", "\"\"", "\"created\"", ",\"pid\":42"), "`bundle`"},
        {STATE("\"c\"", "\"b\"", "\"created\"", ",\"pid\":42"), "`bundle`"},
        {"{\"id\":\"c\",\"status\":\"created\",\"pid\":42}", "`bundle`"},
        {"{\"id\":\"c\",\"bundle\":\"/b\",\"pid\":42}", "`status`"},
        {STATE("\"c\"", "\"/b\"", "7", ",\"pid\":42"), "`status`"},
        {STATE("\"c\"", "\"/b\"", "\"running\"", ",\"pid\":42"), "status `running`"},
        {STATE("\"c\"", "\"/b\"", "\"Stopped\"", ",\"pid\":42"), "status `Stopped`"},
        {STATE("\"c\"", "\"/b\"", "\"created\"", ""), "`pid`"},
        {STATE("\"c\"", "\"/b\"", "\"created\"", ",\"pid\":null"), "`pid`"},
        {STATE("\"c\"", "\"/b\"", "\"created\"", ",\"pid\":\"42\""), "`pid`"},
        {STATE("\"c\"", "\"/b\"", "\"created\"", ",\"pid\":42.0"), "`pid`"},
        {STATE("\"c\"", "\"/b\"", "\"created\"", ",\"pid\":0"), "`pid`"},
        {STATE("\"c\"", "\"/b\"", "\"created\"", ",\"pid\":1"), "`pid`"},
        {STATE("\"c\"", "\"/b\"", "\"created\"", ",\"pid\":-5"), "`pid`"},
        {STATE("\"c\"", "\"/b\"", "\"created\"", ",\"pid\":4294967338"), "`pid`"},
        {STATE("\"c\"", "\"/b\"", "\"created\"", ",\"pid\":18446744073709551615"), "`pid`"},
        {STATE("\"c\"", "\"/b\"", "\"created\"", ",\"pid\":42,\"annotations\":[]"), "`annotations`"},
        {STATE("\"c\"", "\"/b\"", "\"stopped\"", ",\"annotations\":\"x\""), "`annotations`"},
    };

    for (size_t i = 0; i < array_size(BAD); i++) {
        struct state state = {.pid = -7};
        struct error err = {0};
        cleanup_json json_t *document = NULL;

        cr_assert_lt(read_state(BAD[i].text, &state, &document, &err), 0, "accepted: %s", BAD[i].text);
        cr_assert_not_null(strstr(err.text, BAD[i].reason), "%s: %s", BAD[i].text, err.text);
        cr_assert_not_null(strstr(err.text, "; "), "no advice: %s", err.text);
        cr_assert_eq(state.pid, -7, "touched on failure");
    }
}

Test(state, id_length_is_bounded)
{
    char text[2048];
    char id[1026];
    struct state state;
    struct error err = {0};
    cleanup_json json_t *good = NULL;
    cleanup_json json_t *bad = NULL;

    memset(id, 'a', sizeof(id));
    snprintf(text, sizeof(text), STATE("\"%.1024s\"", "\"/b\"", "\"stopped\"", ""), id);
    cr_assert_eq(read_state(text, &state, &good, &err), 0, "%s", err.text);
    snprintf(text, sizeof(text), STATE("\"%.1025s\"", "\"/b\"", "\"stopped\"", ""), id);
    cr_assert_lt(read_state(text, &state, &bad, &err), 0);
}

/* A config that the checks could misread is refused as a whole. */
Test(config, types)
{
    static const struct {
        const char *text;
        const char *wrong; /* NULL: good */
    } CASES[] = {
        {"{\"process\":{},\"linux\":{}}", NULL},
        {"{\"process\":{\"env\":null},\"linux\":{\"seccomp\":null},\"mounts\":null}", NULL},
        {"{\"linux\":{}}", "`process`"},
        {"{\"process\":{}}", "`linux`"},
        {"{\"process\":[],\"linux\":{}}", "`process`"},
        {"{\"process\":{},\"linux\":{},\"annotations\":[]}", "`annotations`"},
        {"{\"process\":{},\"linux\":{},\"hooks\":[]}", "`hooks`"},
        {"{\"process\":{},\"linux\":{},\"root\":\"x\"}", "`root`"},
        {"{\"process\":{},\"linux\":{},\"mounts\":{}}", "`mounts`"},
        {"{\"process\":{},\"linux\":{},\"mounts\":[\"x\"]}", "`mounts`"},
        {"{\"process\":{\"env\":[1]},\"linux\":{}}", "`process.env`"},
        {"{\"process\":{\"capabilities\":[]},\"linux\":{}}", "`process.capabilities`"},
        {"{\"process\":{\"capabilities\":{\"bounding\":\"CAP_NET_RAW\"}},\"linux\":{}}",
         "`process.capabilities`"},
        {"{\"process\":{\"capabilities\":{\"bounding\":[13]}},\"linux\":{}}", "`process.capabilities`"},
        {"{\"process\":{},\"linux\":{\"namespaces\":{}}}", "`linux.namespaces`"},
        {"{\"process\":{},\"linux\":{\"devices\":[null]}}", "`linux.devices`"},
        {"{\"process\":{},\"linux\":{\"seccomp\":[]}}", "`linux.seccomp`"},
    };

    for (size_t i = 0; i < array_size(CASES); i++) {
        struct error err = {0};
        cleanup_json json_t *config = parse(CASES[i].text, &err);
        int result = config_check_types(config, &err);

        cr_assert_not_null(config);
        cr_assert_eq(result < 0, CASES[i].wrong != NULL, "%s: %s", CASES[i].text, err.text);
        if (CASES[i].wrong != NULL)
            cr_assert_not_null(strstr(err.text, CASES[i].wrong), "%s: %s", CASES[i].text, err.text);
    }
}

/* runc 1.1 takes each of these for the key it resembles; crun and we do not. */
Test(config, one_spelling)
{
    static const struct {
        const char *text;
        const char *wrong; /* NULL: good */
    } CASES[] = {
        {"{\"process\":{},\"linux\":{},\"Process\":{}}", "`Process`"},
        {"{\"process\":{},\"linux\":{},\"Proce\xc5\xbfs\":{}}", "`process`"},
        {"{\"process\":{},\"linux\":{},\"hoo\xe2\x84\xaas\":{}}", "`hooks`"},
        {"{\"process\":{\"CAPABILITIES\":{}},\"linux\":{}}", "`CAPABILITIES`"},
        {"{\"process\":{\"capabilities\":{\"Bounding\":[]}},\"linux\":{}}", "`Bounding`"},
        {"{\"process\":{},\"linux\":{\"namespaces\":[{\"type\":\"network\",\"Path\":\"/x\"}]}}", "`Path`"},
        {"{\"process\":{},\"linux\":{\"seccomp\":{\"syscalls\":[{\"Names\":[]}]}}}", "`Names`"},
        {"{\"process\":{},\"linux\":{\"netdevices\":{}}}", "`netdevices`"},
        {"{\"process\":{},\"linux\":{\"\\u017feccomp\":{}}}", "`seccomp`"},
        {"{\"process\":{},\"linux\":{\"x\":{\"processes\":1,\"proc\":1,\"ProcessX\":1}}}", NULL},
        {"{\"process\":{},\"linux\":{},\"annotations\":{\"Process\":\"x\",\"PATH\":\"y\"}}", NULL},
    };

    for (size_t i = 0; i < array_size(CASES); i++) {
        struct error err = {0};
        cleanup_json json_t *config = parse(CASES[i].text, &err);

        cr_assert_eq(config_check_types(config, &err) < 0, CASES[i].wrong != NULL, "%s: %s", CASES[i].text,
                     err.text);
        if (CASES[i].wrong != NULL)
            cr_assert_not_null(strstr(err.text, CASES[i].wrong), "%s: %s", CASES[i].text, err.text);
    }
}

Test(config, bundle_must_be_there_and_hold_a_config)
{
    char directory[] = "/tmp/sallyport-unit-XXXXXX";
    char path[64];
    struct error err = {0};
    json_t *config = NULL;
    int bundle = -7;

    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/" CONFIG_NAME, directory);
    cr_expect_lt(config_load("/nonexistent/bundle", &bundle, &config, &err), 0);
    cr_expect_not_null(strstr(err.text, "open bundle /nonexistent/bundle: No such file"), "%s", err.text);
    cr_expect_lt(config_load(directory, &bundle, &config, &err), 0);
    cr_expect_not_null(strstr(err.text, directory), "%s", err.text);
    cr_expect_not_null(strstr(err.text, "No such file"), "%s", err.text);
    cr_expect_eq(symlink("/etc/hostname", path), 0);
    cr_expect_lt(config_load(directory, &bundle, &config, &err), 0, "a link was followed");
    unlink(path);
    cr_expect_eq(mkfifo(path, 0600), 0);
    cr_expect_lt(config_load(directory, &bundle, &config, &err), 0, "a pipe was read");
    unlink(path);
    rmdir(directory);
    cr_assert_eq(bundle, -7);
    cr_assert_null(config);
}

static int choose(const struct selection *pin, const char *annotations, struct selection *ret,
                  json_t **ret_annotations, struct error *err)
{
    *ret_annotations = annotations != NULL ? parse(annotations, err) : NULL;
    return selection_choose(pin, *ret_annotations, ret, err);
}

#define NETWORK "\"" SELECTION_NETWORK "\":"
#define ROLE "\"" SELECTION_ROLE "\":"

Test(selection, who_wins)
{
    static const struct {
        struct selection pin;
        const char *annotations;
        struct selection want;
    } CASES[] = {
        {{NULL, NULL}, NULL, {"default", "agent"}},
        {{NULL, NULL}, "{}", {"default", "agent"}},
        {{NULL, NULL}, "{\"other\":1,\"io.sallyportx\":\"y\"}", {"default", "agent"}},
        {{NULL, NULL}, "{" NETWORK "\"hermes\"}", {"hermes", "agent"}},
        {{NULL, NULL}, "{" NETWORK "\"hermes\"," ROLE "\"gateway\"}", {"hermes", "gateway"}},
        {{"a", NULL}, "{" NETWORK "\"hermes\"," ROLE "\"gateway\"}", {"a", "gateway"}},
        {{NULL, "b"}, "{" NETWORK "\"hermes\"," ROLE "\"gateway\"}", {"hermes", "b"}},
        {{"a", "b"}, "{" NETWORK "\"hermes\"," ROLE "\"gateway\"}", {"a", "b"}},
    };

    for (size_t i = 0; i < array_size(CASES); i++) {
        struct selection got = {NULL, NULL};
        struct error err = {0};
        cleanup_json json_t *annotations = NULL;

        cr_assert_eq(choose(&CASES[i].pin, CASES[i].annotations, &got, &annotations, &err), 0, "%s",
                     err.text);
        cr_assert_str_eq(got.network, CASES[i].want.network, "case %zu", i);
        cr_assert_str_eq(got.role, CASES[i].want.role, "case %zu", i);
    }
}

Test(selection, refuses_annotations)
{
    static const struct {
        const char *annotations;
        const char *reason;
    } BAD[] = {
        {"{\"io.sallyport.netwrok\":\"hermes\"}", "`io.sallyport.netwrok` is unknown"},
        {"{\"io.sallyport.\":\"x\"}", "is unknown"},
        {"{\"io.sallyport.role.\":\"x\"}", "is unknown"},
        {"{" ROLE "1}", "not a string"},
        {"{" ROLE "null}", "not a string"},
        {"{" ROLE "18446744073709551615}", "not a name"},
        {"{" ROLE "\"\"}", "not a name"},
        {"{" ROLE "\"-a\"}", "not a name"},
        {"{" ROLE "\"Agent\"}", "not a name"},
        {"{" ROLE "\"agent \"}", "not a name"},
        {"{" NETWORK "\"../hermes\"}", "not a name"},
        {"{" NETWORK "\"a/b\"}", "not a name"},
        {"{" NETWORK "\"abcdefghijklm\"}", "not a name"},
        {"{" NETWORK "\"a\\nb\"}", "not a name"},
    };
    /* Unknown keys are an error also where everything is pinned. */
    static const struct selection PIN = {"a", "b"};

    for (size_t i = 0; i < array_size(BAD); i++) {
        struct selection none = {NULL, NULL};
        struct selection got = {NULL, NULL};
        struct error err = {0};
        cleanup_json json_t *annotations = NULL;
        bool unknown = strstr(BAD[i].reason, "unknown") != NULL;

        cr_assert_lt(choose(&none, BAD[i].annotations, &got, &annotations, &err), 0, "accepted: %s",
                     BAD[i].annotations);
        cr_assert_not_null(strstr(err.text, BAD[i].reason), "%s: %s", BAD[i].annotations, err.text);
        cr_assert_null(got.network);
        if (unknown)
            cr_assert_lt(selection_choose(&PIN, annotations, &got, &err), 0);
    }
}

Test(selection, pins_are_names)
{
    static const struct selection GOOD[] = {{NULL, NULL}, {"hermes", "proxy"}, {"0-9", "a"}};
    static const struct selection BAD[] = {{"", NULL}, {NULL, "../x"}, {"Hermes", "a"}, {"a", "-"}};
    struct error err = {0};

    for (size_t i = 0; i < array_size(GOOD); i++)
        cr_assert_eq(selection_check_pin(&GOOD[i], &err), 0, "%s", err.text);
    for (size_t i = 0; i < array_size(BAD); i++) {
        cr_assert_lt(selection_check_pin(&BAD[i], &err), 0, "case %zu", i);
        cr_assert_not_null(strstr(err.text, POLICY_NAME_RULE), "%s", err.text);
    }
}

Test(selection, role_proxy_only_by_pin)
{
    static const struct selection UNPINNED = {NULL, NULL};
    static const struct selection NETWORK_PINNED = {"default", NULL};
    static const struct selection PINNED = {NULL, "proxy"};
    static const struct selection WANT = {"no-such-net", "proxy"};
    const struct policy_role *role = NULL;
    struct policy policy;
    struct error err = {0};

    cr_assert_lt(selection_load(&UNPINNED, &WANT, &policy, &role, &err), 0);
    cr_assert_not_null(strstr(err.text, "cannot be had by annotation"), "%s", err.text);
    cr_assert_lt(selection_load(&NETWORK_PINNED, &WANT, &policy, &role, &err), 0);
    cr_assert_not_null(strstr(err.text, "cannot be had by annotation"), "%s", err.text);
    /* Pinned, it fails only for the network that is not there. */
    cr_assert_eq(selection_load(&PINNED, &WANT, &policy, &role, &err), -ENOENT);
    cr_assert_null(strstr(err.text, "annotation"), "%s", err.text);
}
