/* SPDX-License-Identifier: Apache-2.0
 *
 * Which of dockerd's runtimes verify takes, by what GET /info says. */
#include "cli/verify_docker_runtime.h"
#include "base/cleanup.h"

#include <criterion/criterion.h>
#include <string.h>

#define INFO(version, runtimes) "{\"ServerVersion\":\"" version "\",\"Runtimes\":{" runtimes "}}"
#define RUNC "\"runc\":{\"path\":\"runc\"}"
#define GENERAL "\"sallyport\":{\"path\":\"/x\"}"
#define PINNED "\"sallyport-hermes-agent\":{\"path\":\"/x\"}"

static void chooses(const char *info, const char *network, const char *runtime, bool annotated)
{
    const struct selection pin = {network, "agent"};
    cleanup_json json_t *document = json_loads(info, 0, NULL);
    struct error err = {0};
    char name[INSTALL_NAME_SIZE] = "untouched";
    bool needed = !annotated;
    int result = verify_docker_runtime(document, &pin, name, &needed, &err);

    cr_assert_not_null(document);
    if (runtime == NULL) {
        cr_assert_lt(result, 0);
        cr_assert_str_eq(name, "untouched");
        cr_assert(strstr(err.text, "sallyport install docker --role hermes.agent --reload") != NULL ||
                  strcmp(network, "hermes") != 0);
        return;
    }
    cr_assert_eq(result, 0, "%s", err.text);
    cr_assert_str_eq(name, runtime);
    cr_assert_eq(needed, annotated);
}

Test(verify_docker_runtime, the_one_that_pins_the_role_comes_first)
{
    chooses(INFO("20.10.24+dfsg1", RUNC "," GENERAL "," PINNED), "hermes", "sallyport-hermes-agent", false);
    chooses(INFO("28.5.2", GENERAL "," PINNED), "hermes", "sallyport-hermes-agent", false);
}

Test(verify_docker_runtime, annotations_since_docker_24)
{
    chooses(INFO("24.0.0", RUNC "," GENERAL), "hermes", "sallyport", true);
    chooses(INFO("28.5.2", RUNC "," GENERAL), "hermes", "sallyport", true);
    chooses(INFO("23.0.6", RUNC "," GENERAL), "hermes", NULL, false);
    chooses(INFO("20.10.24+dfsg1", RUNC "," GENERAL), "hermes", NULL, false);
    chooses(INFO("dev", RUNC "," GENERAL), "hermes", NULL, false);
}

Test(verify_docker_runtime, the_default_role_needs_no_annotation)
{
    chooses(INFO("20.10.24+dfsg1", RUNC "," GENERAL), "default", "sallyport", false);
    chooses(INFO("28.5.2", RUNC "," GENERAL), "default", "sallyport", false);
}

Test(verify_docker_runtime, none_is_an_error)
{
    chooses(INFO("28.5.2", RUNC), "hermes", NULL, false);
    chooses(INFO("28.5.2", RUNC), "default", NULL, false);
    chooses("{}", "hermes", NULL, false);
    chooses("{\"Runtimes\":null}", "hermes", NULL, false);
}
