/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/install_json.h"

#include "base/cleanup.h"
#include "hook/document.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* All positions are offsets into the text, which is valid JSON: the scanner does not check it again. */
struct span {
    size_t start;
    size_t end;
};

struct member {
    size_t before; /* where the white space before the key begins */
    struct span key;
    struct span value;
};

struct object {
    struct span span; /* braces included */
    struct member *members;
    size_t count;
};

static size_t skip_space(const char *text, size_t at)
{
    return at + strspn(text + at, " \t\r\n");
}

static size_t skip_string(const char *text, size_t at)
{
    for (at++; text[at] != '"' && text[at] != '\0'; at++)
        if (text[at] == '\\' && text[at + 1] != '\0')
            at++;
    return text[at] == '"' ? at + 1 : at;
}

/* The end of the value that starts at `at`. */
static size_t skip_value(const char *text, size_t at)
{
    size_t depth = 0;

    if (strchr("{[\"", text[at]) == NULL)
        return at + strcspn(text + at, ",]} \t\r\n");
    do {
        char c = text[at];

        if (c == '\0')
            return at;
        if (c == '"') {
            at = skip_string(text, at);
            continue;
        }
        depth += c == '{' || c == '[' ? 1 : 0;
        depth -= c == '}' || c == ']' ? 1 : 0;
        at++;
    } while (depth > 0);
    return at;
}

static bool scan_member(const char *text, size_t at, struct member *ret)
{
    ret->before = at;
    ret->key.start = skip_space(text, at);
    if (text[ret->key.start] != '"')
        return false;
    ret->key.end = skip_string(text, ret->key.start);
    ret->value.start = skip_space(text, ret->key.end);
    if (text[ret->value.start] != ':')
        return false;
    ret->value.start = skip_space(text, ret->value.start + 1);
    ret->value.end = skip_value(text, ret->value.start);
    return true;
}

/* The members of the object that starts at `at`, for the caller to free, also after a failure. */
static bool scan_object(const char *text, size_t at, struct object *ret)
{
    ret->span = (struct span){at, skip_value(text, at)};
    if (text[at] != '{')
        return false;
    for (at++; text[skip_space(text, at)] != '}';) {
        struct member *moved = realloc(ret->members, (ret->count + 1) * sizeof(*moved));

        if (moved == NULL)
            return false;
        ret->members = moved;
        if (!scan_member(text, at, &moved[ret->count]))
            return false;
        at = skip_space(text, moved[ret->count++].value.end);
        if (text[at] != ',')
            break;
        at++;
    }
    return true;
}

static bool key_is(const char *text, const struct member *member, const char *key)
{
    cleanup_json json_t *string =
        json_loadb(text + member->key.start, member->key.end - member->key.start, JSON_DECODE_ANY, NULL);

    return json_is_string(string) && strcmp(json_string_value(string), key) == 0;
}

static const struct member *find(const char *text, const struct object *object, const char *key)
{
    for (size_t i = 0; i < object->count; i++)
        if (key_is(text, &object->members[i], key))
            return &object->members[i];
    return NULL;
}

/* The line of the first comment, 0 if there is none: outside of strings no JSON has a slash or a number sign.
 */
static unsigned comment_line(const char *text)
{
    unsigned line = 1;

    for (size_t at = 0; text[at] != '\0';) {
        if (text[at] == '/' || text[at] == '#')
            return line;
        line += text[at] == '\n' ? 1 : 0;
        at = text[at] == '"' ? skip_string(text, at) : at + 1;
    }
    return 0;
}

int install_json_parse(const char *text, size_t length, const char *name, json_t **ret, struct error *err)
{
    int result = 0;

    if (strncmp(text, "\xef\xbb\xbf", 3) == 0) {
        error_set(err, 0, "%s: begins with a byte order mark", name);
        return error_advise(err, "save it as UTF-8 without one");
    }
    if (strlen(text) != length)
        return error_set(err, 0, "%s: has a NUL byte", name);
    if (text[strspn(text, " \t\r\n")] == '\0') {
        error_set(err, 0, "%s: is empty", name);
        return error_advise(err, "delete it, or write {} into it");
    }
    result = document_parse(text, length, name, ret, err);
    if (result < 0 && comment_line(text) != 0) {
        error_set(err, 0, "%s: line %u has a comment, which JSON does not know", name, comment_line(text));
        return error_advise(err, "take it out");
    }
    return result;
}

/* Replaces `span` of *text by `with`. */
static int splice(char **text, size_t *length, struct span span, const char *with, struct error *err)
{
    size_t inserted = strlen(with);
    size_t rest = *length - span.end;
    char *changed = malloc(span.start + inserted + rest + 1);

    if (changed == NULL)
        return error_set(err, ENOMEM, "edit JSON");
    memcpy(changed, *text, span.start);
    memcpy(changed + span.start, with, inserted);
    memcpy(changed + span.start + inserted, *text + span.end, rest);
    *length = span.start + inserted + rest;
    changed[*length] = '\0';
    free(*text);
    *text = changed;
    return 0;
}

/* How the file is laid out, seen at its first member: what stands between brace and key. An empty file is
 * laid out as Docker's documentation does. */
static void find_layout(const char *text, const struct object *root, char *ret_space, size_t size)
{
    struct span space = {0, 0};

    snprintf(ret_space, size, "\n  ");
    if (root->count == 0)
        return;
    space = (struct span){root->members[0].before, root->members[0].key.start};
    if (space.end - space.start >= size) /* blank lines: the last one's indentation is what matters */
        space.start = space.end - size + 1;
    snprintf(ret_space, size, "%.*s", (int)(space.end - space.start), text + space.start);
}

/* The text that makes `object`, at `depth` (the root's is 1), have one more member. */
static char *member_text(const char *text, const struct object *root, const struct object *object,
                         unsigned depth, const char *member)
{
    char layout[64];
    const char *indentation = NULL;
    char *made = NULL;
    int printed = 0;

    if (object->count > 0) {
        const struct member *last = &object->members[object->count - 1];
        int space = (int)(last->key.start - last->before);

        printed = asprintf(&made, ",%.*s%s", space, text + last->before, member);
        return printed < 0 ? NULL : made;
    }
    find_layout(text, root, layout, sizeof(layout));
    indentation = strrchr(layout, '\n');
    if (indentation == NULL)
        printed = asprintf(&made, "{%s}", member);
    else
        printed = asprintf(&made, "{%s%s%s%s%s}", layout, depth > 1 ? indentation + 1 : "", member,
                           layout[0] == '\r' ? "\r\n" : "\n", depth > 1 ? indentation + 1 : "");
    return printed < 0 ? NULL : made;
}

struct edit {
    const char *object;
    const char *key;
    const char *value; /* NULL: removed */
};

static int edit_member(char **text, size_t *length, const struct object *root, const struct object *object,
                       const struct edit *edit, struct error *err)
{
    const struct member *found = find(*text, object, edit->key);
    cleanup_free char *made = NULL;
    char member[PATH_MAX + 256];
    size_t index = 0;

    if (edit->value != NULL) {
        struct span end = {object->span.start, object->span.end};

        if (object->count > 0)
            end.start = end.end = object->members[object->count - 1].value.end;
        snprintf(member, sizeof(member), "\"%s\": %s", edit->key, edit->value);
        made = member_text(*text, root, object, edit->object != NULL ? 2 : 1, member);
        return made == NULL ? error_set(err, ENOMEM, "edit JSON") : splice(text, length, end, made, err);
    }
    if (found == NULL)
        return error_set(err, 0, "edit JSON: %s is not there", edit->key);
    index = (size_t)(found - object->members);
    if (object->count == 1)
        return splice(text, length, object->span, "{}", err);
    if (index == 0)
        return splice(text, length, (struct span){found->key.start, found[1].key.start}, "", err);
    return splice(text, length, (struct span){found[-1].value.end, found->value.end}, "", err);
}

static int edit_text(char **text, size_t *length, const struct edit *edit, struct error *err)
{
    struct object root = {0};
    struct object object = {0};
    const struct member *inner = NULL;
    int result = -EINVAL;

    if (scan_object(*text, skip_space(*text, 0), &root) && edit->object != NULL)
        inner = find(*text, &root, edit->object);
    if (edit->object == NULL)
        result = edit_member(text, length, &root, &root, edit, err);
    else if (inner != NULL && scan_object(*text, inner->value.start, &object))
        result = edit_member(text, length, &root, &object, edit, err);
    else
        error_set(err, 0, "edit JSON: %s is not there", edit->object);
    free(root.members);
    free(object.members);
    return result;
}

/* The same change, made to the document. */
static bool edit_document(json_t *document, const struct edit *edit)
{
    json_t *object = edit->object != NULL ? json_object_get(document, edit->object) : document;

    if (edit->value == NULL)
        return json_object_del(object, edit->key) == 0;
    return json_object_set_new_nocheck(object, edit->key, json_loads(edit->value, JSON_DECODE_ANY, NULL)) ==
           0;
}

static int make_edit(char **text, size_t *length, const struct edit *edit, struct error *err)
{
    cleanup_json json_t *expected = NULL;
    cleanup_json json_t *made = NULL;
    int result = install_json_parse(*text, *length, "JSON", &expected, err);

    if (result < 0)
        return result;
    if (!edit_document(expected, edit))
        return error_set(err, 0, "edit JSON: %s cannot be changed", edit->key);
    result = edit_text(text, length, edit, err);
    if (result == 0)
        result = install_json_parse(*text, *length, "the changed JSON", &made, err);
    if (result == 0 && !json_equal(expected, made))
        return error_set(err, 0, "edit JSON: the text does not say what it should");
    return result;
}

int install_json_add(char **text, size_t *length, const char *object, const char *key, const char *value,
                     struct error *err)
{
    return make_edit(text, length, &(struct edit){object, key, value}, err);
}

int install_json_remove(char **text, size_t *length, const char *object, const char *key, struct error *err)
{
    return make_edit(text, length, &(struct edit){object, key, NULL}, err);
}
