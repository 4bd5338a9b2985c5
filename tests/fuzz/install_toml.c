/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer: any bytes as an engine's TOML file. What is understood can be printed, key by key, and means the
 * same then; and a block can be put behind it, as for containerd. */
#include "cli/install_toml.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "require.h"

#include <string.h>

static char *print(const json_t *document, size_t *ret_length)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_length);
    const char *key = NULL;
    json_t *value = NULL;

    require(out != NULL);
    json_object_foreach((json_t *)document, key, value)
    {
        toml_print_key(key, out);
        fputs(" = ", out);
        toml_print(value, out);
        fputc('\n', out);
    }
    require(fclose(out) == 0);
    return text;
}

static void check_printed(const json_t *document)
{
    size_t length = 0;
    cleanup_free char *text = print(document, &length);
    cleanup_json json_t *again = NULL;
    struct error err = {.number = 0};

    require(toml_parse(text, length, "FILE", &again, &err) == 0);
    require(json_equal(document, again));
}

static void check_appended(const char *before, size_t size, const json_t *document)
{
    static const char block[] = "\n[sallyport.\"x.y\"]\n  a = true\n";
    cleanup_free char *text = malloc(size + strlen(block));
    cleanup_json json_t *after = NULL;
    struct error err = {.number = 0};

    if (json_object_get(document, "sallyport") != NULL)
        return;
    require(text != NULL);
    memcpy(text, before, size);
    memcpy(text + size, block, strlen(block));
    require(toml_parse(text, size + strlen(block), "FILE", &after, &err) == 0);
    require(json_object_get(json_object_get(json_object_get(after, "sallyport"), "x.y"), "a") == json_true());
    json_object_del(after, "sallyport");
    require(json_equal(after, document));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_json json_t *document = NULL;
    struct error err = {.number = 0};

    if (toml_parse((const char *)data, size, "FILE", &document, &err) < 0) {
        require(document == NULL && strncmp(err.text, "FILE", strlen("FILE")) == 0);
        return 0;
    }
    check_printed(document);
    check_appended((const char *)data, size, document);
    return 0;
}
