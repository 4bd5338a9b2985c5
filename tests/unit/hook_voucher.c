/* SPDX-License-Identifier: Apache-2.0
 *
 * A profile that is known again by its text: it is taken for what it was only while not a byte of it is
 * another, and a config whose profile was exchanged is judged by what it has now. */
#include "hook/voucher.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "hook/config.h"
#include "hook/document.h"
#include "hook/edit.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

static const struct seccomp_options PLAIN;
static const struct seccomp_options NESTED = {.nested = true};
static const char SPEC[] =
    "{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"sh\"]},\"root\":{\"path\":\"rootfs\"},"
    "\"linux\":{\"namespaces\":[{\"type\":\"network\"}]}}";

static char directory[] = "/tmp/sallyport-unit-XXXXXX";

static void make_bundle(void)
{
    cr_assert_not_null(mkdtemp(directory));
}

static void remove_bundle(void)
{
    char path[sizeof(directory) + sizeof("/" CONFIG_NAME)];

    snprintf(path, sizeof(path), "%s/" CONFIG_NAME, directory);
    unlink(path);
    rmdir(directory);
}

TestSuite(voucher, .init = make_bundle, .fini = remove_bundle);

static void put(const char *text, size_t length)
{
    cleanup_close int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct error err = {0};

    cr_assert_eq(file_replace_at(fd, CONFIG_NAME, text, length, 0600, &err), 0, "%s", err.text);
}

/* What `sallyport bundle` makes of a container without a profile, as far as it matters here. */
static char *edited(const struct seccomp_options *options, size_t *ret_length)
{
    cleanup_json json_t *config = NULL;
    json_t *composed = NULL;
    struct error err = {0};
    char voucher[VOUCHER_SIZE];
    char *text = NULL;

    cr_assert_eq(document_parse(SPEC, strlen(SPEC), "test", &config, &err), 0, "%s", err.text);
    cr_assert_eq(seccomp_compose(NULL, options, &composed, &err), 0, "%s", err.text);
    cr_assert_eq(voucher_make(composed, options, voucher, &err), 0, "%s", err.text);
    json_object_set_new(json_object_get(config, "linux"), "seccomp", composed);
    json_object_set_new(config, "hooks",
                        json_pack("{s:[{s:s, s:[s], s:[s]}]}", "createRuntime", "path",
                                  "/usr/bin/sallyport-hook", "args", "sallyport-hook", "env", voucher));
    cr_assert_eq(document_dump(config, &text, ret_length, &err), 0, "%s", err.text);
    return text;
}

static json_t *load(void)
{
    cleanup_close int bundle = -1;
    struct error err = {0};
    json_t *config = NULL;

    cr_assert_eq(voucher_load(directory, &bundle, &config, &err), 0, "%s", err.text);
    cr_assert_geq(bundle, 0);
    return config;
}

static bool is_opaque(const json_t *config)
{
    return json_is_integer(json_object_get(json_object_get(config, "linux"), "seccomp"));
}

Test(voucher, profile_is_known_again)
{
    size_t length = 0;
    cleanup_free char *text = edited(&PLAIN, &length);
    cleanup_json json_t *config = NULL;

    put(text, length);
    config = load();
    cr_expect(is_opaque(config));
    cr_expect(voucher_implies(config, &PLAIN));
    cr_expect_str_eq(json_string_value(json_object_get(config, "ociVersion")), "1.0.2");
}

/* What was composed for a role that may nest is not enough for one that may not. */
Test(voucher, holds_for_its_options_only)
{
    size_t length = 0;
    cleanup_free char *text = edited(&NESTED, &length);
    cleanup_json json_t *config = NULL;

    put(text, length);
    config = load();
    cr_expect(voucher_implies(config, &NESTED));
    cr_expect_not(voucher_implies(config, &PLAIN));
}

/* One letter of one rule: the whole is parsed, and denies no longer what it has to. */
Test(voucher, profile_that_was_changed_is_judged_by_what_it_says)
{
    size_t length = 0;
    cleanup_free char *text = edited(&PLAIN, &length);
    cleanup_json json_t *config = NULL;
    char *rule = strstr(text, "\"setns\"");

    cr_assert_not_null(rule);
    memcpy(rule, "\"getns\"", strlen("\"getns\""));
    put(text, length);
    config = load();
    cr_expect_not(is_opaque(config));
    cr_expect_not(voucher_implies(config, &PLAIN));
}

/* Changed in any single byte it is another text: never vouched for. */
Test(voucher, notices_every_byte)
{
    size_t length = 0;
    cleanup_free char *text = edited(&PLAIN, &length);
    size_t start = 0;
    size_t size = 0;

    cr_assert(voucher_find_profile(text, length, &start, &size));
    for (size_t i = start + 1; i + 1 < start + size; i += 37) {
        cleanup_json json_t *config = NULL;
        cleanup_close int bundle = -1;
        struct error err = {0};
        char before = text[i];

        text[i] = before == 'x' ? 'y' : 'x';
        put(text, length);
        if (voucher_load(directory, &bundle, &config, &err) == 0)
            cr_expect_not(is_opaque(config), "byte %zu", i);
        text[i] = before;
    }
}

Test(voucher, profile_that_was_taken_out_is_missing)
{
    size_t length = 0;
    cleanup_free char *text = edited(&PLAIN, &length);
    cleanup_json json_t *config = NULL;
    cleanup_json json_t *whole = NULL;
    cleanup_free char *without = NULL;
    struct error err = {0};

    cr_assert_eq(document_parse(text, length, "test", &whole, &err), 0);
    json_object_del(json_object_get(whole, "linux"), "seccomp");
    cr_assert_eq(document_dump(whole, &without, &length, &err), 0);
    put(without, length);
    config = load();
    cr_expect_not(voucher_implies(config, &PLAIN));
}

/* Only our own hook's word counts, and only in the place where this program writes it. */
Test(voucher, is_taken_from_our_own_hook_only)
{
    static const char *const OTHERS[][2] = {{"/usr/bin/sallyport-hook", "/usr/bin/somebody-s-hook"},
                                            {"createRuntime", "createRuntimf"},
                                            {"\"env\":[", "\"enx\":["}};

    for (size_t i = 0; i < array_size(OTHERS); i++) {
        size_t length = 0;
        cleanup_free char *text = edited(&PLAIN, &length);
        cleanup_free char *other = NULL;
        cleanup_json json_t *config = NULL;
        char *at = strstr(text, OTHERS[i][0]);

        cr_assert_not_null(at);
        cr_assert_geq(
            asprintf(&other, "%.*s%s%s", (int)(at - text), text, OTHERS[i][1], at + strlen(OTHERS[i][0])), 0);
        put(other, strlen(other));
        config = load();
        cr_expect_not(is_opaque(config), "%s", OTHERS[i][1]);
        cr_expect(voucher_implies(config, &PLAIN), "judged by what it says");
    }
}

/* An opaque value that stands in the file itself is a wrong type. */
Test(voucher, cannot_be_written_into_a_config)
{
    static const char FORGED[] = "{\"process\":{},\"linux\":{\"seccomp\":0}}";
    cleanup_close int bundle = -1;
    struct error err = {0};
    json_t *config = NULL;

    put(FORGED, strlen(FORGED));
    cr_assert_lt(voucher_load(directory, &bundle, &config, &err), 0);
    cr_expect_not_null(strstr(err.text, "linux.seccomp"), "%s", err.text);
    cr_expect_null(config);
}

/* What is wrong is told as it would be without all this, and never let through. */
Test(voucher, errors_are_those_of_the_whole_text)
{
    size_t length = 0;
    cleanup_free char *text = edited(&PLAIN, &length);

    for (size_t cut = 1; cut < 60; cut++) {
        cleanup_close int bundle = -1;
        struct error quick = {0};
        struct error full = {0};
        json_t *config = NULL;
        size_t end = length * cut / 60;

        put(text, end);
        cr_expect_lt(voucher_load(directory, &bundle, &config, &quick), 0, "cut at %zu", end);
        cr_expect_lt(config_load(directory, &bundle, &config, &full), 0, "cut at %zu", end);
        cr_expect_str_eq(quick.text, full.text);
    }
}

static void finds(const char *text, const char *profile)
{
    /* With nothing behind it: who reads on is seen by the sanitizer. */
    size_t length = strlen(text);
    cleanup_free char *copy = malloc(length);
    size_t start = 0;
    size_t size = 0;
    bool found = false;

    memcpy(copy, text, length);
    found = voucher_find_profile(copy, length, &start, &size);
    cr_expect_eq(found, profile != NULL, "%s", text);
    if (found && profile != NULL)
        cr_expect(size == strlen(profile) && memcmp(copy + start, profile, size) == 0, "%s: %.*s", text,
                  (int)size, copy + start);
}

Test(voucher_text, finds_the_object_at_linux_seccomp)
{
    finds("{\"linux\":{\"seccomp\":{\"a\":1}}}", "{\"a\":1}");
    finds(" {\n\"linux\" : {\t\"seccomp\" :\r\n {\"a\":[{}]} } } ", "{\"a\":[{}]}");
    finds("{\"a\":{\"linux\":{\"seccomp\":{\"b\":1}}},\"linux\":{\"seccomp\":{\"c\":1}}}", "{\"c\":1}");
    finds("{\"linux\":{\"a\":{\"seccomp\":{\"b\":1}},\"seccomp\":{\"c\":1}}}", "{\"c\":1}");
    finds("{\"linux\":{\"a\":\"seccomp\",\"b\":\"\\\"seccomp\\\":{\",\"seccomp\":{\"s\":\"}\\\\\"}}}",
          "{\"s\":\"}\\\\\"}");
    finds("{\"a\":[\"linux\",{\"linux\":{\"seccomp\":{}}}],\"linux\":{\"seccomp\":{}}}", "{}");
}

Test(voucher_text, finds_nothing_elsewhere)
{
    static const char WHOLE[] = "{\"a\":\"b\\\\\",\"linux\":{\"x\":[1],\"seccomp\":{\"a\":\"}\"}";

    finds("", NULL);
    finds("[]", NULL);
    finds("{\"linux\":null}", NULL);
    finds("{\"linux\":[{\"seccomp\":{}}]}", NULL);
    finds("{\"linux\":{}}", NULL);
    finds("{\"linux\":{},\"seccomp\":{}}", NULL);
    finds("{\"linux\":{\"seccomp\":null}}", NULL);
    finds("{\"linux\":{\"seccomp\":\"{}\"}}", NULL);
    finds("{\"linux\":{\"sec\\u0063omp\":{}}}", NULL);
    finds("{\"Linux\":{\"seccomp\":{}}}", NULL);
    for (size_t i = 0; i + 1 < sizeof(WHOLE); i++) {
        char cut[sizeof(WHOLE)];

        snprintf(cut, sizeof(cut), "%.*s", (int)i, WHOLE);
        finds(cut, NULL);
    }
}
