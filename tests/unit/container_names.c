/* SPDX-License-Identifier: Apache-2.0
 *
 * The names of containers as engines tell them: what is one is found, and nothing else becomes one. */
#include "cli/container_names.h"

#include "base/cleanup.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

/* What the list of one or more containers says of ID. */
static void name_is(const char *text, const char *expected)
{
    cleanup_container_names struct container_names names = {.list = NULL};
    cleanup_free char *copy = strdup(text);
    const char *name = NULL;

    container_names_parse(copy, strlen(copy), "Id", "Names", &names);
    name = container_names_find(&names, ID);
    if (expected == NULL)
        cr_expect_null(name, "%s: %s", text, name);
    else
        cr_expect(name != NULL && strcmp(name, expected) == 0, "%s: %s", text, name != NULL ? name : "none");
}

#define NAMED(names) "[{\"Id\": \"" ID "\", \"Names\": " names "}]"

Test(container_names, as_engines_tell_them)
{
    name_is(NAMED("[\"/web\"]"), "web");
    name_is(NAMED("[\"hermes_agent-1.x\"]"), "hermes_agent-1.x");
    name_is(NAMED("[\"/other/alias\", \"/web\"]"), "web");
    name_is("[{\"Id\": \"" OTHER "\", \"Names\": [\"/other\"]}, {\"Id\": \"" ID
            "\", \"Names\": [\"/web\"], \"More\": {\"Names\": 7}}]",
            "web");
    name_is("[{\"Id\": \"" OTHER "\", \"Names\": [\"/other\"]}]", NULL);
    name_is("[]", NULL);
}

Test(container_names, nothing_else_becomes_one)
{
    name_is(NAMED("[\"/we\\u001b[31mb\"]"), NULL);
    name_is(NAMED("[\"/we\\nb\"]"), NULL);
    name_is(NAMED("[\"/we b\"]"), NULL);
    name_is(NAMED("[\"/w\xc3\xa9\"]"), NULL);
    name_is(NAMED("[\"/w\xff\"]"), NULL);
    name_is(NAMED("[\"/web\\u0000\"]"), NULL);
    name_is(NAMED("[\"//web\"]"), NULL);
    name_is(NAMED("[\"/\"]"), NULL);
    name_is(NAMED("[\"\"]"), NULL);
    name_is(NAMED("[]"), NULL);
    name_is(NAMED("[7, null, {}, [\"/web\"]]"), NULL);
    name_is(NAMED("\"/web\""), NULL);
    name_is(NAMED("null"), NULL);
    name_is("[{\"Id\": \"" ID "0\", \"Names\": [\"/web\"]}]", NULL);
    name_is("[{\"Id\": \"0123456789ABCDEF\", \"Names\": [\"/web\"]}]", NULL);
    name_is("[{\"Id\": 7, \"Names\": [\"/web\"]}, 7, null, []]", NULL);
    name_is("[{\"Names\": [\"/web\"]}]", NULL);
    name_is("{\"Id\": \"" ID "\", \"Names\": [\"/web\"]}", NULL);
    name_is(NAMED("[\"/web\"]") "x", NULL);
    name_is("[{\"Id\": \"" ID "\", \"Names\": [\"/web\"]}", NULL);
    name_is("", NULL);
}

#define LABELLED(labels) \
    "[{\"Id\": \"" OTHER "\", \"Labels\": " labels "}, {\"Id\": \"" ID "\", \"Names\": [\"/web\"]}]"

/* Whatever another image has in them. */
Test(container_names, labels_take_no_name_away)
{
    name_is(LABELLED("{\"a\": \"\\u0000\"}"), "web");
    name_is(LABELLED("{\"\\u0000\": \"\"}"), "web");
    name_is(LABELLED("{\"\\\\\\u0000\": \"\\\\u0000\"}"), "web");
    name_is(LABELLED("{\"\\u0000\": \"\", \"\\ufffd\": \"\"}"), "web");
    name_is(LABELLED("{\"a\": \"]}\\\"\"}"), "web");
    name_is(NAMED("[\"/web\\\\u0000\"]"), NULL);
}

Test(container_names, longest_and_longer)
{
    char text[1024];
    char name[CONTAINER_NAME_SIZE + 1];

    memset(name, 'n', sizeof(name));
    name[CONTAINER_NAME_SIZE - 1] = '\0';
    snprintf(text, sizeof(text), NAMED("[\"/%s\"]"), name);
    name_is(text, name);
    name[CONTAINER_NAME_SIZE - 1] = 'n';
    name[CONTAINER_NAME_SIZE] = '\0';
    snprintf(text, sizeof(text), NAMED("[\"/%s\"]"), name);
    name_is(text, NULL);
}

static const char *find_number(const struct container_names *names, unsigned number)
{
    char id[CONTAINER_ID_LENGTH + 1];

    snprintf(id, sizeof(id), "%064x", number);
    return container_names_find(names, id);
}

/* Of a list without end the beginning is taken, in whatever order it is. */
Test(container_names, more_than_there_is_room_for)
{
    enum { MANY = CONTAINER_NAMES_MAX + 10 };
    cleanup_container_names struct container_names names = {.list = NULL};
    cleanup_free char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    fputc('[', out);
    for (unsigned i = 0; i < MANY; i++)
        fprintf(out, "%s{\"id\": \"%064x\", \"names\": [\"n%u\"]}", i == 0 ? "" : ",", MANY - i, i);
    fputc(']', out);
    fclose(out);
    container_names_parse(text, length, "id", "names", &names);
    cr_assert_eq(names.count, CONTAINER_NAMES_MAX);
    cr_expect_str_eq(find_number(&names, MANY), "n0");
    cr_expect_str_eq(find_number(&names, MANY - CONTAINER_NAMES_MAX + 1), "n8191");
    cr_expect_null(find_number(&names, MANY - CONTAINER_NAMES_MAX));
    cr_expect(container_names_id(names.list[0].id) && !container_names_id("my-agent") &&
              !container_names_id(""));
}
