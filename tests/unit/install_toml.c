/* SPDX-License-Identifier: Apache-2.0
 *
 * The reader of TOML: what it makes of valid texts, as JSON, and what it refuses. */
#include "cli/install_toml.h"

#include "base/cleanup.h"

#include <criterion/criterion.h>
#include <string.h>

static void means(const char *text, const char *expected)
{
    struct error err = {0};
    cleanup_json json_t *document = NULL;
    cleanup_json json_t *meant = json_loads(expected, 0, NULL);

    cr_assert_not_null(meant, "%s", expected);
    cr_assert_eq(toml_parse(text, strlen(text), "FILE", &document, &err), 0, "<%s>: %s", text, err.text);
    cr_expect(json_equal(document, meant), "<%s>", text);
}

static void refused(const char *text)
{
    struct error err = {0};
    json_t *document = NULL;

    cr_expect_lt(toml_parse(text, strlen(text), "FILE", &document, &err), 0, "<%s>", text);
    cr_expect_null(document);
    cr_expect_eq(strncmp(err.text, "FILE: line ", 11), 0, "<%s>: %s", text, err.text);
}

Test(install_toml, values)
{
    means("", "{}");
    means("# nothing", "{}");
    means("a = true # yes\nb=false", "{\"a\": true, \"b\": false}");
    means("a = -0\nb = +1_000\nc = 0xFf\nd = 0o17\ne = 0b11\n",
          "{\"a\":0,\"b\":1000,\"c\":255,\"d\":15,\"e\":3}");
    means("a = 1.5\nb = -2e3\nc = 6.0E-1_0\n", "{\"a\": 1.5, \"b\": -2000.0, \"c\": 6.0e-10}");
    means("a = [1,\n 2, # two\n]\r\nb = [[], [\"x\"]]", "{\"a\": [1, 2], \"b\": [[], [\"x\"]]}");
    means("a = { b = 1, c.d = \"x\" }\ne = {}", "{\"a\": {\"b\": 1, \"c\": {\"d\": \"x\"}}, \"e\": {}}");
}

Test(install_toml, strings)
{
    means("a = \"\\b\\t\\n\\f\\r\\\"\\\\\\u00e9\\U0001F600\"", "{\"a\": \"\\b\\t\\n\\f\\r\\\"\\\\é😀\"}");
    means("a = 'C:\\x'", "{\"a\": \"C:\\\\x\"}");
    means("a = \"\"\"\nx\n\"y\" \\\n   z\"\"\"\"\"", "{\"a\": \"x\\n\\\"y\\\" z\\\"\\\"\"}");
    means("a = '''\n\\n'''", "{\"a\": \"\\\\n\"}");
    means("a = \"# no comment\"", "{\"a\": \"# no comment\"}");
}

Test(install_toml, keys_and_tables)
{
    means("a.\"b c\".'d' = 1\na.e = 2", "{\"a\": {\"b c\": {\"d\": 1}, \"e\": 2}}");
    means("[a.b]\nx = 1\n[a]\ny = 2\n[ a . c ]", "{\"a\": {\"b\": {\"x\": 1}, \"y\": 2, \"c\": {}}}");
    means("[[a]]\nx = 1\n[[a]]\n[a.b]\ny = 2", "{\"a\": [{\"x\": 1}, {\"b\": {\"y\": 2}}]}");
    means("[a]\nb.c = 1\n[a.b.d]\ne = 2", "{\"a\": {\"b\": {\"c\": 1, \"d\": {\"e\": 2}}}}");
    means("[plugins.\"io.containerd.grpc.v1.cri\".containerd]\nno_pivot = false",
          "{\"plugins\": {\"io.containerd.grpc.v1.cri\": {\"containerd\": {\"no_pivot\": false}}}}");
}

Test(install_toml, what_would_say_something_twice_is_refused)
{
    refused("a = 1\na = 2");
    refused("[a]\n[a]");
    refused("a = 1\n[a]");
    refused("[a]\nb = 1\n[a.b]");
    refused("a = {}\n[a.b]");
    refused("a = {}\na.b = 1");
    refused("a = {b = 1, b = 2}");
    refused("a = [{}]\n[[a]]");
    refused("a = []\n[a.b]");
    refused("[[a]]\n[a]");
    refused("[a]\n[[a]]");
    refused("a.b = 1\n[a]");
    refused("[a.b]\n[c]\n[a]\nb.d = 1");
    refused("[a]\nb.c = 1\n[a.b]");
}

Test(install_toml, what_is_not_toml_is_refused)
{
    static const char *const TEXTS[] = {
        "a",
        "a =",
        "= 1",
        "a = 1 b = 2",
        "a = 01",
        "a = 1_",
        "a = 1__0",
        "a = _1",
        "a = .5",
        "a = 5.",
        "a = 1.e5",
        "a = 0x",
        "a = +0x1",
        "a = truer",
        "a = nil",
        "a = \"x",
        "a = \"x\ny\"",
        "a = \"\\x\"",
        "a = \"\\u12\"",
        "a = \"\\ud800\"",
        "a = 'x",
        "a = \"\"\"x",
        "a = [1 2]",
        "a = [1",
        "a = {b = 1,}",
        "a = {b = 1",
        "a = {\nb = 1}",
        "[a",
        "[a]]",
        "[[a]",
        "[]",
        "[a.]",
        "a..b = 1",
        "[a] b = 1",
        "a = 2024-01-01",
        "\"\"\"a\"\"\" = 1",
        "a = \"\x01\"",
        "# \x01",
        "a = \"\xff\"",
        "{{ template \"base\" . }}",
        "a = 99999999999999999999",
        "a = 1\r",
    };

    for (size_t i = 0; i < array_size(TEXTS); i++)
        refused(TEXTS[i]);
    refused("\xef\xbb\xbf[a]");
}

Test(install_toml, depth_and_nul)
{
    struct error err = {0};
    json_t *document = NULL;
    char text[200];

    memset(text, '[', sizeof(text));
    memcpy(text, "a =", 3);
    text[sizeof(text) - 1] = '\0';
    refused(text);
    cr_expect_lt(toml_parse("a = 1\0", 6, "FILE", &document, &err), 0);
    cr_expect_not_null(strstr(err.text, "NUL"));
}

/* What is printed reads the same. */
Test(install_toml, printed_values_are_read_back)
{
    static const char VALUES[] =
        "{\"a b\": \"x\\\"\\\\\\n\\u007f\", \"i\": -5, \"f\": 2.0, \"g\": 1e300, \"t\": true, \"n\": "
        "false, \"l\": [1, [\"é\"]], \"o\": {\"k\": 1, \"\": 2}}";
    cleanup_json json_t *values = json_loads(VALUES, 0, NULL);
    cleanup_free char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    const char *key = NULL;
    json_t *value = NULL;

    json_object_foreach(values, key, value)
    {
        toml_print_key(key, out);
        fputs(" = ", out);
        toml_print(value, out);
        fputc('\n', out);
    }
    fclose(out);
    means(text, VALUES);
}
