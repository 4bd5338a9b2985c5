/* SPDX-License-Identifier: Apache-2.0
 *
 * Members put into the text of a JSON file and taken out again: nothing else in it moves. */
#include "cli/install_json.h"

#include "base/cleanup.h"

#include <criterion/criterion.h>
#include <string.h>

#define RUNTIME "{\"path\": \"/x\"}"

/* Adds `key` to `object` of `before`, compares with `after`, takes it out again, compares with `before`. */
static void there_and_back(const char *before, const char *object, const char *key, const char *after)
{
    struct error err = {0};
    cleanup_free char *text = strdup(before);
    size_t length = strlen(text);

    cr_assert_eq(install_json_add(&text, &length, object, key, RUNTIME, &err), 0, "%s", err.text);
    cr_expect_str_eq(text, after, "expected <%s>, got <%s>", after, text);
    cr_expect_eq(length, strlen(text));
    cr_assert_eq(install_json_remove(&text, &length, object, key, &err), 0, "%s", err.text);
    cr_expect_str_eq(text, before, "expected <%s> again, got <%s>", before, text);
}

Test(install_json, layouts_are_kept)
{
    there_and_back("{}", NULL, "a", "{\n  \"a\": " RUNTIME "\n}");
    there_and_back("{}\n", NULL, "a", "{\n  \"a\": " RUNTIME "\n}\n");
    there_and_back("{\"b\":1}", NULL, "a", "{\"b\":1,\"a\": " RUNTIME "}");
    there_and_back("{ \"b\": 1 }\n", NULL, "a", "{ \"b\": 1, \"a\": " RUNTIME " }\n");
    there_and_back("{\n\t\"b\": 1\n}\n", NULL, "a", "{\n\t\"b\": 1,\n\t\"a\": " RUNTIME "\n}\n");
    there_and_back("{\r\n  \"b\": 1\r\n}\r\n", NULL, "a",
                   "{\r\n  \"b\": 1,\r\n  \"a\": " RUNTIME "\r\n}\r\n");
    there_and_back("\n {\n    \"b\": [1, {\"}\": \"\\\"]\"}]\n}", NULL, "a",
                   "\n {\n    \"b\": [1, {\"}\": \"\\\"]\"}],\n    \"a\": " RUNTIME "\n}");
}

Test(install_json, layouts_below_a_member_are_kept)
{
    there_and_back("{\n  \"r\": {}\n}\n", "r", "a", "{\n  \"r\": {\n    \"a\": " RUNTIME "\n  }\n}\n");
    there_and_back("{\r\n\t\"r\": {}\r\n}", "r", "a",
                   "{\r\n\t\"r\": {\r\n\t\t\"a\": " RUNTIME "\r\n\t}\r\n}");
    there_and_back("{\"r\":{}}", "r", "a", "{\"r\":{\"a\": " RUNTIME "}}");
    there_and_back("{\"r\": {\"b\": 1.50e3}, \"z\": 18446744073709551615}", "r", "a",
                   "{\"r\": {\"b\": 1.50e3,\"a\": " RUNTIME "}, \"z\": 18446744073709551615}");
    there_and_back("{\"\\u0072\": {\"b\": {}, \"c\": []}}", "r", "a",
                   "{\"\\u0072\": {\"b\": {}, \"c\": [], \"a\": " RUNTIME "}}");
}

static void removed(const char *before, const char *object, const char *key, const char *after)
{
    struct error err = {0};
    cleanup_free char *text = strdup(before);
    size_t length = strlen(text);

    cr_assert_eq(install_json_remove(&text, &length, object, key, &err), 0, "%s", err.text);
    cr_expect_str_eq(text, after, "expected <%s>, got <%s>", after, text);
}

Test(install_json, members_are_taken_out_wherever_they_stand)
{
    removed("{\n  \"a\": 1,\n  \"b\": 2\n}\n", NULL, "a", "{\n  \"b\": 2\n}\n");
    removed("{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3\n}\n", NULL, "b", "{\n  \"a\": 1,\n  \"c\": 3\n}\n");
    removed("{\n  \"a\": 1 ,\n  \"b\": \"x,}\" \n}\n", NULL, "b", "{\n  \"a\": 1 \n}\n");
    removed("{\"a\": {\"b\": [{}]}}", "a", "b", "{\"a\": {}}");
}

Test(install_json, what_is_not_there_is_an_error)
{
    struct error err = {0};
    cleanup_free char *text = strdup("{\"a\": 1}");
    size_t length = strlen(text);

    cr_expect_lt(install_json_remove(&text, &length, NULL, "b", &err), 0);
    cr_expect_lt(install_json_remove(&text, &length, "b", "c", &err), 0);
    cr_expect_lt(install_json_add(&text, &length, "a", "c", "1", &err), 0);
    cr_expect_str_eq(text, "{\"a\": 1}");
}

static void refused(const char *text, size_t length, const char *why)
{
    struct error err = {0};
    json_t *ret = NULL;

    cr_expect_lt(install_json_parse(text, length, "FILE", &ret, &err), 0, "%s", text);
    cr_expect(strncmp(err.text, "FILE: ", 6) == 0 || strncmp(err.text, "parse FILE: ", 12) == 0, "%s",
              err.text);
    cr_expect_not_null(strstr(err.text, why), "expected <%s> in <%s>", why, err.text);
    cr_expect_null(ret);
}

Test(install_json, what_is_no_json_is_refused_by_name)
{
    static const char NUL[] = "{}\0{}";

    refused("", 0, "is empty");
    refused(" \n", 2, "is empty");
    refused("\xef\xbb\xbf{}", 5, "byte order mark");
    refused("{\n  // no\n}", 11, "line 2 has a comment");
    refused("{\"#\": 1,\n\n# no\n\"b\": 2}", 22, "line 3 has a comment");
    refused("/* no */ {}", 11, "line 1 has a comment");
    refused("{\"a\": 1, \"a\": 2}", 16, "duplicate");
    refused("[]", 2, "not a JSON object");
    refused("{} {}", 5, "line 1");
    refused("{\"a\": 1,}", 9, "line 1");
    refused(NUL, sizeof(NUL) - 1, "NUL");
}
