/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/document.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A string that starts so stands for an integer that jansson cannot hold. A document that has strings which
 * start with its first character (DEL, which nothing needs) is refused: they could be there to forge one. */
static const char BIG[] = "\x7fsallyport-integer:";
static const size_t BIG_LENGTH = sizeof(BIG) - 1;

enum { BIG_DIGITS = 19 }; /* no integer with fewer is beyond the signed 64-bit range */

struct buffer {
    char *text;
    size_t length;
    size_t capacity;
};

static bool append(struct buffer *buffer, const char *text, size_t length)
{
    if (buffer->text == NULL || buffer->capacity - buffer->length < length + 1) {
        size_t capacity = (buffer->capacity + length + 1) * 2;
        char *moved = realloc(buffer->text, capacity);

        if (moved == NULL)
            return false;
        buffer->text = moved;
        buffer->capacity = capacity;
    }
    memcpy(buffer->text + buffer->length, text, length);
    buffer->length += length;
    buffer->text[buffer->length] = '\0';
    return true;
}

/* The length of the string token (quotes included) that starts at `text`, at most `length`. */
static size_t string_token(const char *text, size_t length)
{
    size_t i = 1;

    while (i < length && text[i] != '"')
        i += text[i] == '\\' && i + 1 < length ? 2 : 1;
    return i < length ? i + 1 : length;
}

static bool in_number(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* The length of the token that starts at `text`: a string, a number, or one character of anything else. */
static size_t token_length(const char *text, size_t length)
{
    size_t i = 0;

    if (text[0] == '"')
        return string_token(text, length);
    while (i < length && in_number(text[i]))
        i++;
    return i > 0 ? i : 1;
}

/* Whether the number token is a JSON integer that a signed 64-bit integer cannot hold. */
static bool too_big(const char *token, size_t length)
{
    char digits[32];
    size_t sign = token[0] == '-' ? 1 : 0;

    if (length < BIG_DIGITS || length >= sizeof(digits))
        return false;
    memcpy(digits, token, length);
    digits[length] = '\0';
    if (digits[sign] == '0' || strspn(digits + sign, "0123456789") != length - sign)
        return false;
    errno = 0;
    (void)strtoll(digits, NULL, 10);
    return errno == ERANGE;
}

/* `rest` characters follow the token: a number in the place of a key stays one, and an error. */
static bool append_number(struct buffer *out, const char *token, size_t length, size_t rest)
{
    size_t next = length;

    while (next < length + rest && strchr(" \t\r\n", token[next]) != NULL && token[next] != '\0')
        next++;
    if (!too_big(token, length) || (next < length + rest && token[next] == ':'))
        return append(out, token, length);
    return append(out, "\"", 1) && append(out, BIG, BIG_LENGTH) && append(out, token, length) &&
           append(out, "\"", 1);
}

/* The text with every big integer in its stand-in form. */
static bool hide_big_integers(const char *text, size_t length, struct buffer *out)
{
    for (size_t i = 0; i < length;) {
        size_t token = token_length(text + i, length - i);
        bool ok = in_number(text[i]) ? append_number(out, text + i, token, length - i - token)
                                     : append(out, text + i, token);

        if (!ok)
            return false;
        i += token;
    }
    return true;
}

/* The reverse, on jansson's output (whose strings hold 0x7f as it is). */
static bool show_big_integers(const char *text, size_t length, struct buffer *out)
{
    for (size_t i = 0; i < length;) {
        size_t token = token_length(text + i, length - i);
        bool ok = true;

        if (token > BIG_LENGTH + 2 && memcmp(text + i + 1, BIG, BIG_LENGTH) == 0)
            ok = append(out, text + i + 1 + BIG_LENGTH, token - BIG_LENGTH - 2);
        else
            ok = append(out, text + i, token);
        if (!ok)
            return false;
        i += token;
    }
    return true;
}

/* Whether the string token starts with DEL, in one of the two ways in which JSON can spell it. */
static bool starts_like_stand_in(const char *token, size_t length)
{
    static const char ESCAPED[] = "\"\\u007f";

    return (length > 1 && token[1] == BIG[0]) ||
           (length >= strlen(ESCAPED) && strncasecmp(token, ESCAPED, strlen(ESCAPED)) == 0);
}

static bool has_stand_in(const char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        size_t token = token_length(text + i, length - i);

        if (text[i] == '"' && starts_like_stand_in(text + i, token))
            return true;
        i += token;
    }
    return false;
}

/* Whether the text may hold a big integer, or a string like a stand-in. Most documents hold neither, and an
 * attach must not pay for them: a composed profile alone is tens of kilobytes. */
static bool is_unusual(const char *text, size_t length)
{
    size_t digits = 0;

    if (memchr(text, BIG[0], length) != NULL || memmem(text, length, "\\u007", 5) != NULL)
        return true;
    for (size_t i = 0; i < length && digits < BIG_DIGITS; i++)
        digits = text[i] >= '0' && text[i] <= '9' ? digits + 1 : 0;
    return digits == BIG_DIGITS;
}

/* The text as jansson can hold it. *ret_plain is for the caller to free, also after a failure; NULL if the
 * text can stay as it is. */
static int make_plain(const char *text, size_t length, const char *name, struct buffer *ret_plain,
                      struct error *err)
{
    if (!is_unusual(text, length))
        return 0;
    if (has_stand_in(text, length))
        return error_set(err, 0, "parse %s: a string starts with the control character DEL", name);
    if (!hide_big_integers(text, length, ret_plain))
        return error_set(err, ENOMEM, "parse %s", name);
    return 0;
}

int document_parse(const char *text, size_t length, const char *name, json_t **ret, struct error *err)
{
    struct buffer plain = {0};
    json_error_t where;
    json_t *document = NULL;
    int result = 0;

    if (length == 0)
        return error_set(err, 0, "parse %s: it is empty", name);
    result = make_plain(text, length, name, &plain, err);
    if (result == 0)
        document = json_loadb(plain.text != NULL ? plain.text : text,
                              plain.text != NULL ? plain.length : length, JSON_REJECT_DUPLICATES, &where);
    free(plain.text);
    if (result < 0)
        return result;
    if (document == NULL)
        return error_set(err, 0, "parse %s: line %d: %s", name, where.line, where.text);
    if (!json_is_object(document)) {
        json_decref(document);
        return error_set(err, 0, "parse %s: not a JSON object", name);
    }
    *ret = document;
    return 0;
}

int document_dump(const json_t *document, char **ret_text, size_t *ret_length, struct error *err)
{
    cleanup_free char *text = json_dumps(document, JSON_COMPACT);
    struct buffer out = {0};

    if (text == NULL || !show_big_integers(text, strlen(text), &out) || !append(&out, "\n", 1)) {
        free(out.text);
        return error_set(err, ENOMEM, "write JSON");
    }
    *ret_text = out.text;
    *ret_length = out.length;
    return 0;
}

static json_t *child(json_t *parent, const char *key, json_t *(*make)(void))
{
    json_t *found = json_object_get(parent, key);

    if (found != NULL && !json_is_null(found))
        return found;
    if (json_object_set_new(parent, key, make()) < 0)
        return NULL;
    return json_object_get(parent, key);
}

json_t *document_object(json_t *parent, const char *key)
{
    json_t *found = child(parent, key, json_object);

    return json_is_object(found) ? found : NULL;
}

json_t *document_array(json_t *parent, const char *key)
{
    json_t *found = child(parent, key, json_array);

    return json_is_array(found) ? found : NULL;
}
