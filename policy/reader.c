/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { KEY_SHOWN_MAX = 48 }; /* characters of a key that are quoted: the reason must still fit behind it */

static bool key_is_plain(const char *key)
{
    return key[0] != '\0' &&
           key[strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] == '\0';
}

static void write_place(FILE *out, const struct place *at)
{
    if (at->parent == NULL) {
        fputc('$', out);
        return;
    }
    write_place(out, at->parent);
    if (at->key == NULL)
        fprintf(out, "[%zu]", at->index);
    else if (key_is_plain(at->key))
        fprintf(out, ".%.*s", KEY_SHOWN_MAX, at->key);
    else
        fprintf(out, "[\"%.*s\"]", KEY_SHOWN_MAX, at->key);
}

/* The file's text may be anything, terminal and bidirectional control sequences in UTF-8 included: a message
 * shows only ASCII of it (base/error.c sees to the ASCII control characters). */
static void replace_non_ascii(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text > 0x7e)
            *text = '?';
}

int reader_complain(const struct reader *reader, const struct place *at, const char *format, ...)
{
    char text[sizeof(reader->err->text)] = "";
    FILE *out = fmemopen(text, sizeof(text), "w");
    va_list arguments;

    if (out != NULL) {
        write_place(out, at);
        fputs(": ", out);
        va_start(arguments, format);
        vfprintf(out, format, arguments);
        va_end(arguments);
        fclose(out);
    }
    text[sizeof(text) - 1] = '\0';
    replace_non_ascii(text);
    return error_set(reader->err, 0, "%s: %s", reader->file, text);
}

static const char *type_name(const json_t *value)
{
    if (value == NULL)
        return "missing";
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number with a fraction or an exponent";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
    default:
        return "null";
    }
}

static int complain_unknown(const struct reader *reader, const struct place *at,
                            const struct reader_key *keys)
{
    int result = reader_complain(reader, at, "unknown key");
    char known[256] = "";

    for (; keys->name != NULL; keys++) {
        size_t used = strlen(known);

        snprintf(known + used, sizeof(known) - used, "%s%s", used > 0 ? ", " : "", keys->name);
    }
    error_advise(reader->err, "known here are %s", known);
    return result;
}

static bool key_known(const char *name, const struct reader_key *keys)
{
    for (; keys->name != NULL; keys++)
        if (strcmp(name, keys->name) == 0)
            return true;
    return false;
}

int reader_object(const struct reader *reader, const struct place *at, json_t *value,
                  const struct reader_key *keys)
{
    if (!json_is_object(value))
        return reader_complain(reader, at, "has to be an object, is %s", type_name(value));
    if (keys == NULL)
        return 0;
    for (void *entry = json_object_iter(value); entry != NULL; entry = json_object_iter_next(value, entry)) {
        const char *name = json_object_iter_key(entry);

        if (!key_known(name, keys))
            return complain_unknown(reader, &(struct place){.parent = at, .key = name}, keys);
    }
    for (const struct reader_key *key = keys; key->name != NULL; key++)
        if (key->required && json_object_get(value, key->name) == NULL)
            return reader_complain(reader, &(struct place){.parent = at, .key = key->name},
                                   "missing; this key is required");
    return 0;
}

int reader_string(const struct reader *reader, const struct place *at, const json_t *value, const char **ret)
{
    if (!json_is_string(value))
        return reader_complain(reader, at, "has to be a string, is %s", type_name(value));
    *ret = json_string_value(value);
    return 0;
}

int reader_integer(const struct reader *reader, const struct place *at, const json_t *value, json_int_t first,
                   json_int_t last, json_int_t *ret)
{
    if (!json_is_integer(value))
        return reader_complain(reader, at, "has to be an integer, is %s", type_name(value));
    if (json_integer_value(value) < first || json_integer_value(value) > last)
        return reader_complain(reader, at,
                               "%" JSON_INTEGER_FORMAT " is not from %" JSON_INTEGER_FORMAT
                               " to %" JSON_INTEGER_FORMAT,
                               json_integer_value(value), first, last);
    *ret = json_integer_value(value);
    return 0;
}

int reader_boolean(const struct reader *reader, const struct place *at, const json_t *value, bool *ret)
{
    if (value == NULL)
        return 0;
    if (!json_is_boolean(value))
        return reader_complain(reader, at, "has to be true or false, is %s", type_name(value));
    *ret = json_is_true(value);
    return 0;
}

int reader_strings(const struct reader *reader, const struct place *at, const json_t *value, size_t limit,
                   size_t *ret_count)
{
    const char *ignored = NULL;
    size_t count = json_array_size(value);
    int result = 0;

    if (value != NULL && !json_is_array(value))
        return reader_complain(reader, at, "has to be a list of strings, is %s", type_name(value));
    if (count > limit)
        return reader_complain(reader, at, "has %zu entries, more than %zu", count, limit);
    for (size_t i = 0; i < count; i++) {
        result = reader_string(reader, &(struct place){.parent = at, .index = i}, json_array_get(value, i),
                               &ignored);
        if (result < 0)
            return result;
    }
    *ret_count = count;
    return 0;
}
