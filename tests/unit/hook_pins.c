/* SPDX-License-Identifier: Apache-2.0
 *
 * What is pinned for a container: by the runtime, and by hooks of ours that its config has already. Whatever
 * contradicts, or is not understood, is an error: nothing pinned is ever dropped. */
#include "base/cleanup.h"
#include "hook/document.h"
#include "hook/edit.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* A config with one hook of ours in the stage, with these arguments behind the program's name. */
static json_t *config_with(const char *stage, const char *arguments)
{
    char text[1024];
    struct error err = {0};
    json_t *config = NULL;

    snprintf(text, sizeof(text),
             "{\"hooks\":{\"%s\":[{\"path\":\"/bin/true\",\"args\":[\"true\",\"--role\",\"other\"]},"
             "{\"path\":\"/usr/libexec/sallyport-hook\"%s%s}]}}",
             stage, arguments[0] != '\0' ? ",\"args\":" : "", arguments);
    cr_assert_eq(document_parse(text, strlen(text), "test", &config, &err), 0, "%s: %s", text, err.text);
    return config;
}

/* Either name may be NULL: not pinned. */
static void finds(const json_t *config, struct selection given, const char *network, const char *role)
{
    struct error err = {0};
    struct edit_pin pin;

    cr_assert_eq(edit_find_pin(config, &given, &pin, &err), 0, "%s", err.text);
    if (network != NULL)
        cr_expect_str_eq(pin.selection.network, network);
    else
        cr_expect_null(pin.selection.network);
    if (role != NULL)
        cr_expect_str_eq(pin.selection.role, role);
    else
        cr_expect_null(pin.selection.role);
}

static void refuses(const json_t *config, struct selection given, const char *why)
{
    struct error err = {0};
    struct edit_pin pin;

    cr_expect_lt(edit_find_pin(config, &given, &pin, &err), 0, "%s", why);
    cr_expect_not_null(strstr(err.text, why), "%s: %s", why, err.text);
}

static const struct selection NOTHING;
static const struct selection BOTH = {.network = "hermes", .role = "agent"};

Test(pins, of_the_runtime_alone)
{
    cleanup_json json_t *empty = json_object();
    cleanup_json json_t *bare = config_with("createRuntime", "");
    cleanup_json json_t *named = config_with("createRuntime", "[\"sallyport-hook\"]");
    const json_t *const configs[] = {empty, bare, named};

    for (size_t i = 0; i < array_size(configs); i++) {
        finds(configs[i], NOTHING, NULL, NULL);
        finds(configs[i], BOTH, "hermes", "agent");
        finds(configs[i], (struct selection){.role = "agent"}, NULL, "agent");
    }
}

Test(pins, of_a_hook_in_the_config)
{
    static const char *const STAGES[] = {"prestart", "createRuntime", "poststop"};

    for (size_t i = 0; i < array_size(STAGES); i++) {
        cleanup_json json_t *both =
            config_with(STAGES[i], "[\"x\",\"--network\",\"hermes\",\"--role\",\"agent\"]");
        cleanup_json json_t *attached =
            config_with(STAGES[i], "[\"x\",\"--role=agent\",\"--network=hermes\"]");
        cleanup_json json_t *one = config_with(STAGES[i], "[\"x\",\"--role\",\"agent\"]");

        finds(both, NOTHING, "hermes", "agent");
        finds(both, BOTH, "hermes", "agent");
        finds(attached, NOTHING, "hermes", "agent");
        finds(one, NOTHING, NULL, "agent");
        finds(one, (struct selection){.network = "hermes"}, "hermes", "agent");
        refuses(both, (struct selection){.role = "gateway"},
                "--role is pinned twice, as `gateway` and as `agent`");
        refuses(both, (struct selection){.network = "other"}, "--network is pinned twice");
        refuses(one, (struct selection){.role = "gateway"}, "make the runtime and the file in hooks.d agree");
    }
}

Test(pins, that_contradict_each_other_in_the_config)
{
    struct error err = {0};
    static const char TEXT[] =
        "{\"hooks\":{\"createRuntime\":[{\"path\":\"/a/"
        "sallyport-hook\",\"args\":[\"x\",\"--role\",\"agent\"]}],"
        "\"poststop\":[{\"path\":\"/b/sallyport-hook\",\"args\":[\"x\",\"--role\",\"gateway\"]}]}}";
    cleanup_json json_t *stages = NULL;
    cleanup_json json_t *twice = config_with("createRuntime", "[\"x\",\"--role\",\"a\",\"--role\",\"b\"]");
    cleanup_json json_t *same = config_with("createRuntime", "[\"x\",\"--role\",\"a\",\"--role=a\"]");

    cr_assert_eq(document_parse(TEXT, strlen(TEXT), "test", &stages, &err), 0, "%s", err.text);
    refuses(stages, NOTHING, "--role is pinned twice, as `agent` and as `gateway`");
    refuses(twice, NOTHING, "--role is pinned twice");
    finds(same, NOTHING, NULL, "a");
}

Test(pins, that_are_not_understood)
{
    static const struct {
        const char *arguments;
        const char *why;
    } WRONG[] = {
        {"[\"x\",\"--verbose\"]", "arguments other than"},
        {"[\"x\",\"agent\"]", "arguments other than"},
        {"[\"x\",\"-role\",\"agent\"]", "arguments other than"},
        {"[\"x\",\"--roles\",\"agent\"]", "arguments other than"},
        {"[\"x\",\"--rol\",\"agent\"]", "arguments other than"},
        {"[\"x\",\"--role\",\"agent\",\"more\"]", "arguments other than"},
        {"[\"x\",\"--role=\"]", "wrong --role"},
        {"[\"x\",\"--role=Agent\"]", "wrong --role"},
        {"[\"x\",\"--network\",\"../hermes\"]", "wrong --network"},
        {"[\"x\",\"--network\",\"averyveryverylongname\"]", "wrong --network"},
        {"[\"x\",7]", "arguments other than"},
    };

    for (size_t i = 0; i < array_size(WRONG); i++) {
        cleanup_json json_t *config = config_with("createRuntime", WRONG[i].arguments);

        refuses(config, NOTHING, WRONG[i].why);
    }
}

/* An option whose value is missing or no string must not count as not there. */
Test(pins, without_a_value)
{
    cleanup_json json_t *missing = config_with("createRuntime", "[\"x\",\"--role\"]");
    cleanup_json json_t *number = config_with("createRuntime", "[\"x\",\"--role\",7]");
    struct error err = {0};
    struct edit_pin pin;

    cr_expect_lt(edit_find_pin(missing, &NOTHING, &pin, &err), 0);
    cr_expect_lt(edit_find_pin(number, &NOTHING, &pin, &err), 0);
}

Test(pins, are_not_looked_for_in_others_hooks)
{
    struct error err = {0};
    static const char TEXT[] =
        "{\"hooks\":{\"createRuntime\":[{\"path\":\"/a/"
        "not-sallyport-hook\",\"args\":[\"x\",\"--role\",\"a\"]},"
        "{\"path\":\"sallyport-hook\",\"args\":[\"x\",\"--role\",\"a\"]},{\"args\":[\"x\"]},{\"path\":7}],"
        "\"startContainer\":[{\"path\":\"/sallyport-hook\",\"args\":[\"x\",\"--role\",\"a\"]}]},"
        "\"annotations\":{\"--role\":\"a\"}}";
    cleanup_json json_t *config = NULL;

    cr_assert_eq(document_parse(TEXT, strlen(TEXT), "test", &config, &err), 0, "%s", err.text);
    finds(config, NOTHING, NULL, NULL);
    cr_expect_not(edit_own_hook(config) != NULL);
}

Test(pins, has_hook_only_where_it_attaches)
{
    cleanup_json json_t *create = config_with("createRuntime", "");
    cleanup_json json_t *poststop = config_with("poststop", "");

    cr_expect(edit_own_hook(create) != NULL);
    cr_expect_not(edit_own_hook(poststop) != NULL);
}
