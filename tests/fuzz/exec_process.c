/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer: any bytes as the process of an `exec`. Editing is refused with a reason, or no capability is
 * left that the container has not, everything else is kept but for the environment, and editing again changes
 * nothing. */
#include "hook/exec_process.h"
#include "base/json.h"
#include "json.h"
#include "require.h"

#include <string.h>

static const char CONFIG[] =
    "{\"process\":{\"capabilities\":{\"bounding\":[\"CAP_CHOWN\",\"CAP_KILL\"]},\"env\":["
    "\"HTTPS_PROXY=http://10.209.0.2:3128\",\"NO_PROXY=gateway\",\"SECRET=config\"]},\"linux\":{}}";

/* A set may spell what the container has as it likes: what is left is one of these, or a number of one. */
static void check_set(const json_t *set)
{
    static const char *const had[] = {"CHOWN", "KILL", "0", "5"};
    size_t i = 0;
    json_t *item = NULL;

    json_array_foreach(set, i, item)
    {
        const char *name = json_string_value(item);
        bool known = false;

        require(name != NULL);
        for (size_t k = 0; k < sizeof(had) / sizeof(had[0]); k++)
            known = known || strcasestr(name, had[k]) != NULL;
        require(known);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const changed[] = {"capabilities", "env", NULL};
    cleanup_json json_t *process = fuzz_parse(data, size);
    cleanup_json json_t *config = fuzz_parse(CONFIG, strlen(CONFIG));
    cleanup_json json_t *before = json_deep_copy(process);
    cleanup_json json_t *once = NULL;
    struct error err = {.number = 0};
    const char *name = NULL;
    json_t *set = NULL;

    if (process == NULL)
        return 0;
    if (exec_process_edit(process, config, &err) < 0) {
        require(err.text[0] != '\0');
        return 0;
    }
    require(fuzz_survives_printing(process));
    require(fuzz_keeps_keys(before, process, changed));
    json_object_foreach(json_object_get(process, "capabilities"), name, set)
    {
        check_set(set);
    }
    once = json_deep_copy(process);
    require(exec_process_edit(process, config, &err) == 0);
    require(json_equal(once, process));
    return 0;
}
