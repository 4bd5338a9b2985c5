/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "hook/document.h"
#include "require.h"

#include <string.h>

json_t *fuzz_parse(const void *bytes, size_t size)
{
    json_t *document = NULL;
    struct error err = {.number = 0};
    int result = document_parse(bytes, size, "FILE", &document, &err);

    require(result == 0 || (document == NULL && err.text[0] != '\0'));
    return document;
}

bool fuzz_survives_printing(const json_t *document)
{
    cleanup_free char *first = NULL;
    cleanup_free char *second = NULL;
    cleanup_json json_t *again = NULL;
    struct error err = {.number = 0};
    size_t length = 0;

    require(document_dump(document, &first, &length, &err) == 0 && strlen(first) == length);
    again = fuzz_parse(first, length);
    require(again != NULL && document_dump(again, &second, &length, &err) == 0);
    return json_equal(document, again) && strcmp(first, second) == 0;
}

static bool is_in(const char *const *names, const char *name)
{
    for (; *names != NULL; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

bool fuzz_keeps_keys(const json_t *before, const json_t *after, const char *const *changed)
{
    const char *key = NULL;
    json_t *value = NULL;

    json_object_foreach((json_t *)before, key, value)
    {
        json_t *now = json_object_get(after, key);

        if (now == NULL || (!is_in(changed, key) && !json_equal(value, now)))
            return false;
    }
    return true;
}
