/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/config.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "hook/document.h"
#include "hook/spelling.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>

int config_read(const char *bundle, int *ret_bundle, char **ret_text, size_t *ret_length, struct error *err)
{
    cleanup_close int directory = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = 0;

    if (directory < 0)
        return error_set(err, errno, "open bundle %s", bundle);
    result = file_read_at(directory, CONFIG_NAME, CONFIG_SIZE_MAX, ret_text, ret_length, err);
    if (result < 0)
        return error_prefix(err, "bundle %s", bundle);
    *ret_bundle = take_fd(&directory);
    return 0;
}

int config_parse(const char *text, size_t length, json_t **ret, struct error *err)
{
    cleanup_json json_t *config = NULL;
    int result = document_parse(text, length, CONFIG_NAME, &config, err);

    if (result == 0)
        result = config_check_types(config, err);
    if (result == 0)
        *ret = take_pointer(config);
    return result;
}

int config_load(const char *bundle, int *ret_bundle, json_t **ret, struct error *err)
{
    cleanup_close int directory = -1;
    cleanup_free char *text = NULL;
    size_t length = 0;
    int result = config_read(bundle, &directory, &text, &length, err);

    if (result < 0)
        return result;
    result = config_parse(text, length, ret, err);
    if (result < 0)
        return error_prefix(err, "bundle %s", bundle);
    *ret_bundle = take_fd(&directory);
    return 0;
}

static bool is_type(const json_t *value, json_type type)
{
    return value == NULL || json_is_null(value) || json_typeof(value) == type;
}

/* Whether the array at `key` (may be absent) has only elements of that type. */
static bool is_array_of(const json_t *parent, const char *key, json_type type)
{
    const json_t *array = json_object_get(parent, key);

    if (!is_type(array, JSON_ARRAY))
        return false;
    for (size_t i = 0; i < json_array_size(array); i++)
        if (json_typeof(json_array_get(array, i)) != type)
            return false;
    return true;
}

static bool capabilities_well_formed(const json_t *capabilities)
{
    json_t *sets = (json_t *)(uintptr_t)capabilities;
    const char *key = NULL;
    json_t *set = NULL;

    if (!is_type(capabilities, JSON_OBJECT))
        return false;
    json_object_foreach(sets, key, set) if (!is_array_of(capabilities, key, JSON_STRING)) return false;
    return true;
}

int config_check_types(const json_t *config, struct error *err)
{
    const json_t *process = json_object_get(config, "process");
    const json_t *os = json_object_get(config, "linux");
    const char *wrong = NULL;

    if (!json_is_object(process))
        wrong = "process";
    else if (!json_is_object(os))
        wrong = "linux";
    else if (!is_type(json_object_get(config, "annotations"), JSON_OBJECT))
        wrong = "annotations";
    else if (!is_type(json_object_get(config, "hooks"), JSON_OBJECT))
        wrong = "hooks";
    else if (!is_type(json_object_get(config, "root"), JSON_OBJECT))
        wrong = "root";
    else if (!is_array_of(config, "mounts", JSON_OBJECT))
        wrong = "mounts";
    else if (!is_array_of(process, "env", JSON_STRING))
        wrong = "process.env";
    else if (!capabilities_well_formed(json_object_get(process, "capabilities")))
        wrong = "process.capabilities";
    else if (!is_array_of(os, "namespaces", JSON_OBJECT))
        wrong = "linux.namespaces";
    else if (!is_array_of(os, "uidMappings", JSON_OBJECT))
        wrong = "linux.uidMappings";
    else if (!is_array_of(os, "readonlyPaths", JSON_STRING))
        wrong = "linux.readonlyPaths";
    else if (!is_array_of(os, "devices", JSON_OBJECT))
        wrong = "linux.devices";
    else if (!is_type(json_object_get(os, "seccomp"), JSON_OBJECT))
        wrong = "linux.seccomp";
    if (wrong != NULL)
        return error_set(err, 0, "%s: `%s` is missing or has the wrong type", CONFIG_NAME, wrong);
    return spelling_check(config, err);
}

const json_t *config_namespace(const json_t *config, const char *type)
{
    const json_t *namespaces = json_object_get(json_object_get(config, "linux"), "namespaces");

    for (size_t i = 0; i < json_array_size(namespaces); i++) {
        const json_t *entry = json_array_get(namespaces, i);
        const char *found = json_string_value(json_object_get(entry, "type"));

        if (found != NULL && strcmp(found, type) == 0)
            return entry;
    }
    return NULL;
}

bool config_has_user_namespace(const json_t *config)
{
    return config_namespace(config, "user") != NULL;
}

bool config_maps_host_root(const json_t *config)
{
    const json_t *mappings = json_object_get(json_object_get(config, "linux"), "uidMappings");

    for (size_t i = 0; i < json_array_size(mappings); i++)
        if (json_integer_value(json_object_get(json_array_get(mappings, i), "hostID")) == 0)
            return true;
    return false;
}
