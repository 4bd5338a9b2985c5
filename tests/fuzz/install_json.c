/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer: any bytes as an engine's JSON file. A member that is put in is there, beside everything that
 * was; taken out again it leaves no trace (but that an empty object has no blanks in it any more). */
#include "cli/install_json.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "require.h"

#include <string.h>

static const char VALUE[] = "{\"path\": \"/usr/bin/sallyport-runtime\"}";

/* The bytes with a NUL behind them, as they come from a file. */
static char *copy(const void *bytes, size_t size)
{
    char *text = malloc(size + 1);

    require(text != NULL);
    memcpy(text, bytes, size);
    text[size] = '\0';
    return text;
}

static void check_same(const char *text, size_t length, const json_t *document)
{
    cleanup_json json_t *parsed = NULL;
    struct error err = {.number = 0};

    require(install_json_parse(text, length, "FILE", &parsed, &err) == 0 && json_equal(parsed, document));
}

static void there_and_back(const char *before, size_t before_length, const json_t *document,
                           const char *object)
{
    cleanup_free char *text = copy(before, before_length);
    cleanup_json json_t *after = NULL;
    cleanup_json json_t *wanted = json_deep_copy(document);
    struct error err = {.number = 0};
    size_t length = before_length;

    if (install_json_add(&text, &length, object, "sallyport", VALUE, &err) < 0) {
        require(err.text[0] != '\0' && length == before_length && memcmp(text, before, length) == 0);
        return;
    }
    require(install_json_parse(text, length, "FILE", &after, &err) == 0);
    json_object_set_new(object == NULL ? wanted : json_object_get(wanted, object), "sallyport",
                        json_loads(VALUE, 0, NULL));
    require(json_equal(after, wanted));
    require(install_json_remove(&text, &length, object, "sallyport", &err) == 0);
    if (json_object_size(object == NULL ? document : json_object_get(document, object)) > 0)
        require(length == before_length && memcmp(text, before, length) == 0);
    else
        check_same(text, length, document);
}

/* Every member taken out, one after the other; what is left can be read each time. */
static void empty(const char *before, size_t before_length, json_t *document)
{
    cleanup_free char *text = copy(before, before_length);
    struct error err = {.number = 0};
    size_t length = before_length;
    const char *key = NULL;
    json_t *value = NULL;
    void *next = NULL;

    json_object_foreach_safe(document, next, key, value)
    {
        cleanup_free char *name = strdup(key);

        if (install_json_remove(&text, &length, NULL, name, &err) < 0)
            return;
        json_object_del(document, name);
        check_same(text, length, document);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_free char *text = copy(data, size);
    cleanup_json json_t *document = NULL;
    struct error err = {.number = 0};

    if (install_json_parse(text, size, "FILE", &document, &err) < 0) {
        require(err.text[0] != '\0');
        return 0;
    }
    if (json_object_get(document, "sallyport") == NULL)
        there_and_back(text, size, document, NULL);
    if (json_is_object(json_object_get(document, "runtimes")) &&
        json_object_get(json_object_get(document, "runtimes"), "sallyport") == NULL)
        there_and_back(text, size, document, "runtimes");
    empty(text, size, document);
    return 0;
}
