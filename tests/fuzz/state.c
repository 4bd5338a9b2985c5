/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer: any bytes on a hook's standard input, and as the record that runc keeps of a container. What is
 * taken for a state has what nobody looks for again, and its annotations select what has the form of a name,
 * and never the proxy. */
#include "hook/state.h"
#include "base/json.h"
#include "hook/runtime_record.h"
#include "hook/selection.h"
#include "json.h"
#include "require.h"

#include <string.h>

static void choose(const json_t *annotations)
{
    const struct selection nothing = {NULL, NULL};
    struct selection selection = {NULL, NULL};
    struct error err = {.number = 0};

    if (selection_choose(&nothing, annotations, &selection, &err) < 0) {
        require(err.text[0] != '\0');
        return;
    }
    require(policy_name_valid(selection.network) && policy_name_valid(selection.role));
}

/* What is made of a record is a state that can be read. */
static void read_record(const void *bytes, size_t size)
{
    cleanup_json json_t *document = NULL;
    struct error err = {.number = 0};
    struct state state;
    uint64_t start = 0;

    if (!runtime_record_parse(bytes, size, "abc", &document, &start))
        return;
    require(state_read(document, &state, &err) == 0 && start > 0);
    require(state.stage == STATE_ATTACH && strcmp(state.id, "abc") == 0 && state.pid > 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_json json_t *document = fuzz_parse(data, size);
    struct error err = {.number = 0};
    struct state state;

    read_record(data, size);
    if (document == NULL)
        return 0;
    require(fuzz_survives_printing(document));
    if (state_read(document, &state, &err) < 0) {
        require(err.text[0] != '\0');
        return 0;
    }
    require(state.id != NULL && state.id[0] != '\0');
    require(state.bundle != NULL && state.bundle[0] == '/');
    require(state.stage == STATE_STOPPED || state.pid > 0);
    choose(state.annotations);
    return 0;
}
