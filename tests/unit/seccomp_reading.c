/* SPDX-License-Identifier: Apache-2.0 */
#include "seccomp_reading.h"

#include <stdint.h>
#include <string.h>

static bool is_permission(const char *action)
{
    return strcmp(action, "SCMP_ACT_ALLOW") == 0 || strcmp(action, "SCMP_ACT_LOG") == 0;
}

static bool names(const json_t *entry, const char *name)
{
    size_t i = 0;
    json_t *item = NULL;

    json_array_foreach(json_object_get(entry, "names"), i, item)
    {
        if (strcmp(json_string_value(item), name) == 0)
            return true;
    }
    return false;
}

static bool holds(const json_t *condition, const struct seccomp_data *call)
{
    uint64_t argument = call->args[json_integer_value(json_object_get(condition, "index"))];
    uint64_t value = (uint64_t)json_integer_value(json_object_get(condition, "value"));
    uint64_t two = (uint64_t)json_integer_value(json_object_get(condition, "valueTwo"));
    const char *op = json_string_value(json_object_get(condition, "op")) + strlen("SCMP_CMP_");

    if (strcmp(op, "NE") == 0)
        return argument != value;
    if (strcmp(op, "LT") == 0)
        return argument < value;
    if (strcmp(op, "LE") == 0)
        return argument <= value;
    if (strcmp(op, "EQ") == 0)
        return argument == value;
    if (strcmp(op, "GE") == 0)
        return argument >= value;
    if (strcmp(op, "GT") == 0)
        return argument > value;
    return (argument & value) == (two & value);
}

/* All conditions, or one of them where two are on the same argument: so do the runtimes read it. */
static bool matches(const json_t *entry, const struct seccomp_data *call)
{
    const json_t *conditions = json_object_get(entry, "args");
    size_t true_ones = 0;
    unsigned seen = 0;
    bool twice = false;
    size_t i = 0;
    json_t *condition = NULL;

    json_array_foreach(conditions, i, condition)
    {
        unsigned bit = 1U << json_integer_value(json_object_get(condition, "index"));

        twice = twice || (seen & bit) != 0;
        seen |= bit;
        true_ones += holds(condition, call);
    }
    return twice ? true_ones > 0 : true_ones == json_array_size(conditions);
}

bool reading_permits(const json_t *profile, const char *name, const struct seccomp_data *call)
{
    bool permitted = is_permission(json_string_value(json_object_get(profile, "defaultAction")));
    size_t i = 0;
    json_t *entry = NULL;

    json_array_foreach(json_object_get(profile, "syscalls"), i, entry)
    {
        if (!names(entry, name) || !matches(entry, call))
            continue;
        if (!is_permission(json_string_value(json_object_get(entry, "action"))))
            return false;
        permitted = true;
    }
    return permitted;
}
