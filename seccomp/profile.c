/* SPDX-License-Identifier: Apache-2.0 */
#include "seccomp/profile.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* What an action means for a restricted call. A supervisor (ptrace, a notification's listener) can do
 * anything, so what is left to one does not count as allowed. */
enum verdict {
    PERMITS,
    DENIES,
    SUPERVISED,
};

static const struct {
    const char *name;
    enum verdict verdict;
} actions[] = {
    {"SCMP_ACT_ALLOW", PERMITS}, {"SCMP_ACT_LOG", PERMITS},         {"SCMP_ACT_ERRNO", DENIES},
    {"SCMP_ACT_KILL", DENIES},   {"SCMP_ACT_KILL_PROCESS", DENIES}, {"SCMP_ACT_KILL_THREAD", DENIES},
    {"SCMP_ACT_TRAP", DENIES},   {"SCMP_ACT_TRACE", SUPERVISED},    {"SCMP_ACT_NOTIFY", SUPERVISED},
};

static const char *const comparisons[] = {
    [PROFILE_NE] = "SCMP_CMP_NE",
    [PROFILE_LT] = "SCMP_CMP_LT",
    [PROFILE_LE] = "SCMP_CMP_LE",
    [PROFILE_EQ] = "SCMP_CMP_EQ",
    [PROFILE_GE] = "SCMP_CMP_GE",
    [PROFILE_GT] = "SCMP_CMP_GT",
    [PROFILE_MASKED_EQ] = "SCMP_CMP_MASKED_EQ",
};

static bool find_action(const char *name, enum verdict *ret)
{
    for (size_t i = 0; name != NULL && i < array_size(actions); i++) {
        if (strcmp(actions[i].name, name) == 0) {
            *ret = actions[i].verdict;
            return true;
        }
    }
    return false;
}

static bool find_comparison(const char *name, enum profile_comparison *ret)
{
    for (unsigned i = 0; name != NULL && i < array_size(comparisons); i++) {
        if (strcmp(comparisons[i], name) == 0) {
            *ret = (enum profile_comparison)i;
            return true;
        }
    }
    return false;
}

static const char *string_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static bool is_absent(const json_t *value)
{
    return value == NULL || json_is_null(value);
}

/* Go's JSON, and so runc, takes a key in any case, crun only as it is written. */
static int check_spelling(const json_t *object, const char *const *keys, size_t count, struct error *err)
{
    const char *key = NULL;
    json_t *value = NULL;

    json_object_foreach((json_t *)object, key, value)
    {
        for (const char *c = key; *c != '\0'; c++)
            if ((unsigned char)*c >= 0x80)
                return error_set(err, 0, "seccomp profile: key \"%s\" is not ASCII", key);
        for (size_t i = 0; i < count; i++)
            if (strcasecmp(key, keys[i]) == 0 && strcmp(key, keys[i]) != 0)
                return error_set(err, 0, "seccomp profile: key \"%s\" is not spelled \"%s\"", key, keys[i]);
    }
    return 0;
}

static int check_number(const json_t *object, const char *key, bool required, struct error *err)
{
    const json_t *value = json_object_get(object, key);

    if (!required && is_absent(value))
        return 0;
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return error_set(err, 0, "seccomp profile: \"%s\" is not a number of 0 or more", key);
    return 0;
}

static int check_condition(const json_t *condition, struct error *err)
{
    static const char *const keys[] = {"index", "value", "valueTwo", "op"};
    enum profile_comparison comparison = PROFILE_NE;
    int result = 0;

    if (!json_is_object(condition))
        return error_set(err, 0, "seccomp profile: an argument's condition is not an object");
    result = check_spelling(condition, keys, array_size(keys), err);
    if (result == 0)
        result = check_number(condition, "index", true, err);
    if (result == 0)
        result = check_number(condition, "value", true, err);
    if (result == 0)
        result = check_number(condition, "valueTwo", false, err);
    if (result < 0)
        return result;
    if (json_integer_value(json_object_get(condition, "index")) >= PROFILE_CONDITIONS_MAX)
        return error_set(err, 0, "seccomp profile: an argument's \"index\" is not 0 to 5");
    if (!find_comparison(string_of(condition, "op"), &comparison))
        return error_set(err, 0, "seccomp profile: an argument's \"op\" is unknown");
    return 0;
}

static int check_strings(const json_t *array, const char *key, struct error *err)
{
    size_t i = 0;
    json_t *item = NULL;

    if (!json_is_array(array))
        return error_set(err, 0, "seccomp profile: \"%s\" is not an array", key);
    json_array_foreach(array, i, item)
    {
        if (!json_is_string(item))
            return error_set(err, 0, "seccomp profile: \"%s\" has something other than strings", key);
    }
    return 0;
}

static int check_conditions(const json_t *conditions, struct error *err)
{
    size_t i = 0;
    json_t *item = NULL;
    int result = 0;

    if (is_absent(conditions))
        return 0;
    if (!json_is_array(conditions) || json_array_size(conditions) > PROFILE_CONDITIONS_MAX)
        return error_set(err, 0, "seccomp profile: \"args\" is not an array of at most %d",
                         PROFILE_CONDITIONS_MAX);
    json_array_foreach(conditions, i, item)
    {
        result = check_condition(item, err);
        if (result < 0)
            return result;
    }
    return 0;
}

static int check_entry(const json_t *entry, struct error *err)
{
    static const char *const keys[] = {"names", "action", "errnoRet", "args"};
    enum verdict verdict = DENIES;
    int result = 0;

    if (!json_is_object(entry))
        return error_set(err, 0, "seccomp profile: an entry of \"syscalls\" is not an object");
    result = check_spelling(entry, keys, array_size(keys), err);
    if (result == 0)
        result = check_strings(json_object_get(entry, "names"), "names", err);
    if (result == 0)
        result = check_number(entry, "errnoRet", false, err);
    if (result == 0)
        result = check_conditions(json_object_get(entry, "args"), err);
    if (result < 0)
        return result;
    if (!find_action(string_of(entry, "action"), &verdict))
        return error_set(err, 0, "seccomp profile: unknown action %s",
                         string_of(entry, "action") ?: "(none)");
    return 0;
}

static int check_entries(const json_t *entries, struct error *err)
{
    size_t i = 0;
    json_t *entry = NULL;
    int result = 0;

    if (is_absent(entries))
        return 0;
    if (!json_is_array(entries))
        return error_set(err, 0, "seccomp profile: \"syscalls\" is not an array");
    json_array_foreach(entries, i, entry)
    {
        result = check_entry(entry, err);
        if (result < 0)
            return result;
    }
    return 0;
}

int profile_check(const json_t *profile, struct error *err)
{
    static const char *const keys[] = {"defaultAction", "defaultErrnoRet", "architectures", "syscalls"};
    enum verdict verdict = DENIES;
    int result = 0;

    if (!json_is_object(profile))
        return error_set(err, 0, "seccomp profile: not an object");
    result = check_spelling(profile, keys, array_size(keys), err);
    if (result == 0 && !is_absent(json_object_get(profile, "architectures")))
        result = check_strings(json_object_get(profile, "architectures"), "architectures", err);
    if (result == 0)
        result = check_number(profile, "defaultErrnoRet", false, err);
    if (result == 0)
        result = check_entries(json_object_get(profile, "syscalls"), err);
    if (result < 0)
        return result;
    if (!find_action(string_of(profile, "defaultAction"), &verdict))
        return error_set(err, 0, "seccomp profile: unknown defaultAction %s",
                         string_of(profile, "defaultAction") ?: "(none)");
    if (verdict == SUPERVISED)
        return error_set(err, 0, "seccomp profile: defaultAction %s leaves every call to a supervisor",
                         string_of(profile, "defaultAction"));
    return 0;
}

bool profile_permits_by_default(const json_t *profile)
{
    enum verdict verdict = DENIES;

    return find_action(string_of(profile, "defaultAction"), &verdict) && verdict == PERMITS;
}

bool profile_default_errno(const json_t *profile, int *ret_errno)
{
    const json_t *number = json_object_get(profile, "defaultErrnoRet");
    const char *action = string_of(profile, "defaultAction");

    if (action == NULL || strcmp(action, "SCMP_ACT_ERRNO") != 0)
        return false;
    *ret_errno = is_absent(number) ? EPERM : (int)json_integer_value(number);
    return true;
}

static struct profile_condition read_condition(const json_t *json)
{
    struct profile_condition condition = {
        .argument = (unsigned)json_integer_value(json_object_get(json, "index")),
        .value = (uint64_t)json_integer_value(json_object_get(json, "value")),
        .value_two = (uint64_t)json_integer_value(json_object_get(json, "valueTwo")),
    };

    find_comparison(string_of(json, "op"), &condition.comparison);
    return condition;
}

static bool has_argument_twice(const json_t *conditions)
{
    unsigned seen = 0;
    size_t i = 0;
    json_t *item = NULL;

    json_array_foreach(conditions, i, item)
    {
        unsigned bit = 1U << json_integer_value(json_object_get(item, "index"));

        if ((seen & bit) != 0)
            return true;
        seen |= bit;
    }
    return false;
}

static int append_rule(struct profile_rules *rules, const struct profile_rule *rule, struct error *err)
{
    struct profile_rule *moved = reallocarray(rules->items, rules->count + 1, sizeof(*rule));

    if (moved == NULL)
        return error_set(err, ENOMEM, "seccomp profile");
    rules->items = moved;
    rules->items[rules->count++] = *rule;
    return 0;
}

/* Appends what the runtimes make of the entry: one rule, or, where two conditions are on the same argument,
 * one rule for each condition. */
static int append_entry(struct profile_rules *rules, const json_t *entry, struct error *err)
{
    const json_t *conditions = json_object_get(entry, "args");
    bool alternatives = has_argument_twice(conditions);
    enum verdict verdict = DENIES;
    struct profile_rule rule = {0};
    size_t i = 0;
    json_t *item = NULL;

    find_action(string_of(entry, "action"), &verdict);
    rule.permits = verdict == PERMITS;
    json_array_foreach(conditions, i, item)
    {
        rule.conditions[rule.count++] = read_condition(item);
        if (alternatives) {
            int result = append_rule(rules, &rule, err);

            if (result < 0)
                return result;
            rule.count = 0;
        }
    }
    return alternatives ? 0 : append_rule(rules, &rule, err);
}

int profile_rules_read(const json_t *profile, const char *name, struct profile_rules *ret, struct error *err)
{
    struct profile_rules rules = {0};
    size_t i = 0;
    json_t *entry = NULL;

    json_array_foreach(json_object_get(profile, "syscalls"), i, entry)
    {
        size_t j = 0;
        json_t *listed = NULL;

        json_array_foreach(json_object_get(entry, "names"), j, listed)
        {
            int result = 0;

            if (strcmp(json_string_value(listed), name) != 0)
                continue;
            result = append_entry(&rules, entry, err);
            if (result < 0) {
                profile_rules_free(&rules);
                return result;
            }
        }
    }
    *ret = rules;
    return 0;
}

void profile_rules_free(struct profile_rules *rules)
{
    free(rules->items);
    rules->items = NULL;
    rules->count = 0;
}
