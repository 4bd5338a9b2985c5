/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_lines.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "probe/groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const double MILLISECONDS_MAX = 1e7;

static const char *const GROUPS[] = {
#define GROUP(name) #name,
    BATTERY_GROUPS(GROUP)
#undef GROUP
};

static const char *const SAW_NAMES[] = {"closed", "open", "impossible", "failed", "either"};

const char *verify_group_name(unsigned group)
{
    return group < array_size(GROUPS) ? GROUPS[group] : NULL;
}

static int find(const char *const names[], size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return (int)i;
    return -1;
}

int verify_group_find(const char *name)
{
    return find(GROUPS, array_size(GROUPS), name);
}

const char *verify_saw_name(enum verify_saw saw)
{
    return SAW_NAMES[saw];
}

enum verify_verdict verify_judge(const struct verify_attempt *attempt)
{
    if (attempt->saw == VERIFY_FAILED ||
        (attempt->saw == VERIFY_IMPOSSIBLE && attempt->expect == VERIFY_OPEN))
        return VERIFY_VERDICT_BROKEN;
    if (attempt->saw == VERIFY_IMPOSSIBLE)
        return VERIFY_VERDICT_IMPOSSIBLE;
    if (attempt->expect == VERIFY_EITHER)
        return VERIFY_VERDICT_TOLD;
    if (attempt->saw == attempt->expect)
        return VERIFY_VERDICT_OK;
    return attempt->saw == VERIFY_OPEN ? VERIFY_VERDICT_LEAK : VERIFY_VERDICT_BROKEN;
}

static int complain(const char *what, struct error *err)
{
    error_set(err, 0, "the probe's answer cannot be trusted: %s", what);
    return error_advise(err, "nothing is verified; run it again, and look at what else writes there");
}

/* Printable ASCII only: nothing that a terminal obeys, no text that reads backwards. */
static bool copy_text(const json_t *object, const char *key, char *ret, size_t size)
{
    const json_t *value = json_object_get(object, key);
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);

    if (text == NULL || length >= size)
        return false;
    for (size_t i = 0; i < length; i++)
        if (text[i] < ' ' || text[i] > '~')
            return false;
    memcpy(ret, text, length + 1);
    return true;
}

static bool take_saw(const json_t *object, const char *key, enum verify_saw *ret)
{
    const char *name = json_string_value(json_object_get(object, key));
    int found = name != NULL ? find(SAW_NAMES, array_size(SAW_NAMES), name) : -1;

    if (found < 0)
        return false;
    *ret = (enum verify_saw)found;
    return true;
}

static bool is_wanted(const struct verify_lines *lines, unsigned group)
{
    return lines->wanted == 0 || (lines->wanted & 1U << group) != 0;
}

/* Why the object is no attempt, or NULL. */
static const char *read_attempt(const struct verify_lines *lines, const json_t *object,
                                struct verify_attempt *ret)
{
    char group[VERIFY_NAME_SIZE];
    const json_t *milliseconds = json_object_get(object, "ms");
    int number = 0;

    if (json_object_size(object) != 7)
        return "a line that has other fields than an attempt";
    if (!copy_text(object, "group", group, sizeof(group)))
        return "a line without a group";
    number = verify_group_find(group);
    if (number < 0 || !is_wanted(lines, (unsigned)number))
        return "a group that was not asked for";
    ret->group = (unsigned)number;
    if (!copy_text(object, "name", ret->name, sizeof(ret->name)) || ret->name[0] == '\0')
        return "an attempt without a name";
    if (!copy_text(object, "tried", ret->tried, sizeof(ret->tried)) ||
        !copy_text(object, "detail", ret->detail, sizeof(ret->detail)))
        return "an attempt that does not say what it was";
    if (!take_saw(object, "expect", &ret->expect) || ret->expect == VERIFY_IMPOSSIBLE ||
        ret->expect == VERIFY_FAILED || !take_saw(object, "saw", &ret->saw) || ret->saw == VERIFY_EITHER)
        return "an attempt that does not say what was seen";
    ret->milliseconds = json_number_value(milliseconds);
    if (!json_is_number(milliseconds) || !(ret->milliseconds >= 0) || ret->milliseconds > MILLISECONDS_MAX)
        return "an attempt without a time";
    return NULL;
}

int verify_lines_add(struct verify_lines *lines, const struct verify_attempt *attempt, struct error *err)
{
    struct verify_attempt *larger = NULL;

    if (lines->count >= VERIFY_ATTEMPTS_MAX)
        return complain("too many lines", err);
    larger = reallocarray(lines->attempts, lines->count + 1, sizeof(*larger));
    if (larger == NULL)
        return error_set(err, ENOMEM, "read the probe's answer");
    lines->attempts = larger;
    lines->attempts[lines->count++] = *attempt;
    return 0;
}

static int take_end(struct verify_lines *lines, const json_t *object, struct error *err)
{
    const json_t *count = json_object_get(object, "attempts");

    if (json_object_size(object) != 1 || !json_is_integer(count) ||
        json_integer_value(count) != (json_int_t)lines->count)
        return complain("lines are missing", err);
    lines->ended = true;
    return 0;
}

int verify_lines_take(struct verify_lines *lines, const char *line, size_t length, struct error *err)
{
    struct verify_attempt attempt;
    cleanup_json json_t *object = NULL;
    const char *why = NULL;

    if (lines->ended)
        return complain("lines behind the end", err);
    if (length > VERIFY_LINE_MAX)
        return complain("a line that is too long", err);
    object = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(object))
        return complain("a line that is no JSON object", err);
    if (json_object_get(object, "attempts") != NULL)
        return take_end(lines, object, err);
    why = read_attempt(lines, object, &attempt);
    return why != NULL ? complain(why, err) : verify_lines_add(lines, &attempt, err);
}

int verify_lines_check(const struct verify_lines *lines, struct error *err)
{
    unsigned seen = 0;

    if (!lines->ended)
        return complain("it ends in the middle", err);
    for (size_t i = 0; i < lines->count; i++)
        seen |= 1U << lines->attempts[i].group;
    for (unsigned group = 0; group < array_size(GROUPS); group++)
        if (is_wanted(lines, group) && ((seen | lines->absent) & 1U << group) == 0)
            return complain("a group has no attempts", err);
    return 0;
}

void verify_lines_free(struct verify_lines *lines)
{
    free(lines->attempts);
    *lines = (struct verify_lines){0};
}
