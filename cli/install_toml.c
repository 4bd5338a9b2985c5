/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/install_toml.h"

#include "base/cleanup.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    KEY_PARTS_MAX = 32,
    DEPTH_MAX = 32, /* of arrays and inline tables in each other */
};

/* How a table came to be, which decides what may be added to it. */
enum origin {
    IMPLIED, /* a part of another table's name: [it] may follow, once */
    HEADER,  /* [it] */
    DOTTED,  /* it.key = value: only more of these, in the same table */
    INLINE,  /* { }: complete */
};

struct table {
    const json_t *object;
    enum origin origin;
    const json_t *section; /* DOTTED: the table of the header below which it is */
};

struct parser {
    const char *name;
    const char *at;
    const char *end;
    unsigned line;
    json_t *root;
    json_t *section; /* borrowed: the table of the last header */
    struct table *tables;
    size_t tables_count;
    struct error *err;
};

struct key {
    char *parts[KEY_PARTS_MAX];
    size_t count;
};

static void cleanup_key_at(struct key *key)
{
    for (size_t i = 0; i < key->count; i++)
        free(key->parts[i]);
    key->count = 0;
}

#define cleanup_key __attribute__((cleanup(cleanup_key_at)))

static int wrong(struct parser *parser, const char *what)
{
    return error_set(parser->err, 0, "%s: line %u: %s", parser->name, parser->line, what);
}

static int no_memory(struct parser *parser)
{
    return error_set(parser->err, ENOMEM, "%s", parser->name);
}

static char peek(const struct parser *parser)
{
    return parser->at < parser->end ? *parser->at : '\0';
}

static bool follows(const struct parser *parser, const char *text)
{
    size_t length = strlen(text);

    return (size_t)(parser->end - parser->at) >= length && memcmp(parser->at, text, length) == 0;
}

static void skip_blanks(struct parser *parser)
{
    while (peek(parser) == ' ' || peek(parser) == '\t')
        parser->at++;
}

static bool skip_newline(struct parser *parser)
{
    if (!follows(parser, "\n") && !follows(parser, "\r\n"))
        return false;
    parser->at += *parser->at == '\r' ? 2 : 1;
    parser->line++;
    return true;
}

static int skip_comment(struct parser *parser)
{
    if (peek(parser) != '#')
        return 0;
    while (parser->at < parser->end && !follows(parser, "\n") && !follows(parser, "\r\n")) {
        if (((unsigned char)*parser->at < ' ' && *parser->at != '\t') || *parser->at == 0x7f)
            return wrong(parser, "a control character");
        parser->at++;
    }
    return 0;
}

/* Blanks, comments and newlines. */
static int skip_lines(struct parser *parser)
{
    do {
        skip_blanks(parser);
        if (skip_comment(parser) < 0)
            return -EINVAL;
    } while (skip_newline(parser));
    return 0;
}

/* What a statement ends with. */
static int end_line(struct parser *parser)
{
    skip_blanks(parser);
    if (skip_comment(parser) < 0)
        return -EINVAL;
    if (parser->at == parser->end || skip_newline(parser))
        return 0;
    return wrong(parser, "something follows the value or table on its line");
}

/* Tables. */

static struct table *find_table(const struct parser *parser, const json_t *object)
{
    for (size_t i = 0; i < parser->tables_count; i++)
        if (parser->tables[i].object == object)
            return &parser->tables[i];
    return NULL;
}

static int add_table(struct parser *parser, const json_t *object, enum origin origin)
{
    struct table *moved = realloc(parser->tables, (parser->tables_count + 1) * sizeof(*moved));

    if (moved == NULL)
        return no_memory(parser);
    parser->tables = moved;
    parser->tables[parser->tables_count++] = (struct table){object, origin, parser->section};
    return 0;
}

static int make_table(struct parser *parser, json_t *parent, const char *key, enum origin origin,
                      json_t **ret)
{
    json_t *made = json_object();

    if (json_object_set_new(parent, key, made) < 0)
        return wrong(parser, "a key that is not UTF-8");
    *ret = made;
    return add_table(parser, made, origin);
}

/* A table that a name or a dotted key passes through: made if absent. */
static int enter_table(struct parser *parser, json_t *parent, const char *key, enum origin origin,
                       json_t **ret)
{
    json_t *found = json_object_get(parent, key);
    const struct table *table = NULL;

    if (found == NULL)
        return make_table(parser, parent, key, origin, ret);
    if (origin != DOTTED && json_is_array(found) && find_table(parser, found) != NULL)
        found = json_array_get(found, json_array_size(found) - 1); /* [[it]]: the last one */
    table = find_table(parser, found);
    if (!json_is_object(found) || table == NULL || table->origin == INLINE)
        return wrong(parser, "a table's name is another value's, or a complete table's");
    if (origin == DOTTED && (table->origin != DOTTED || table->section != parser->section))
        return wrong(parser, "a dotted key adds to a table that is defined elsewhere");
    *ret = found;
    return 0;
}

/* Strings. */

static int add_code_point(struct parser *parser, uint32_t code, char *out, size_t *length)
{
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return wrong(parser, "an escape that is no character, or NUL");
    if (code < 0x80) {
        out[(*length)++] = (char)code;
        return 0;
    }
    if (code >= 0x10000) {
        out[(*length)++] = (char)(0xf0 | code >> 18);
        out[(*length)++] = (char)(0x80 | (code >> 12 & 0x3f));
    } else if (code >= 0x800) {
        out[(*length)++] = (char)(0xe0 | code >> 12);
    }
    out[(*length)++] = (char)(code >= 0x800 ? 0x80 | (code >> 6 & 0x3f) : 0xc0 | code >> 6);
    out[(*length)++] = (char)(0x80 | (code & 0x3f));
    return 0;
}

static int parse_unicode(struct parser *parser, size_t digits, char *out, size_t *length)
{
    char text[9] = {0};
    char *end = NULL;
    unsigned long code = 0;

    if ((size_t)(parser->end - parser->at) < digits)
        return wrong(parser, "an escape that does not end");
    memcpy(text, parser->at, digits);
    if (strspn(text, "0123456789abcdefABCDEF") != digits)
        return wrong(parser, "an escape that is not hexadecimal");
    code = strtoul(text, &end, 16);
    parser->at += digits;
    return add_code_point(parser, (uint32_t)code, out, length);
}

/* A backslash at the end of a line swallows the white space that follows. */
static int skip_line_end(struct parser *parser)
{
    skip_blanks(parser);
    if (!skip_newline(parser))
        return wrong(parser, "an escape that TOML does not know");
    do
        skip_blanks(parser);
    while (skip_newline(parser));
    return 0;
}

static int parse_escape(struct parser *parser, bool several_lines, char *out, size_t *length)
{
    static const char NAMES[] = "btnfr\"\\";
    static const char MEANINGS[] = "\b\t\n\f\r\"\\";
    char c = '\0';
    const char *found = NULL;

    parser->at++;
    c = peek(parser);
    if (several_lines && strchr(" \t\r\n", c) != NULL && c != '\0')
        return skip_line_end(parser);
    parser->at++;
    if (c == 'u' || c == 'U')
        return parse_unicode(parser, c == 'u' ? 4 : 8, out, length);
    found = c != '\0' ? strchr(NAMES, c) : NULL;
    if (found == NULL)
        return wrong(parser, "an escape that TOML does not know");
    out[(*length)++] = MEANINGS[found - NAMES];
    return 0;
}

/* The quotes that end a string of several lines may follow up to two that belong to it. */
static bool at_closing(const struct parser *parser, const char *quotes)
{
    if (!follows(parser, quotes))
        return false;
    return quotes[1] == '\0' || parser->at + 3 >= parser->end || parser->at[3] != quotes[0];
}

static int parse_string_character(struct parser *parser, const char *quotes, char *out, size_t *length)
{
    bool several_lines = quotes[1] != '\0';
    const char *start = parser->at;
    unsigned char c = (unsigned char)*parser->at;

    if (quotes[0] == '"' && c == '\\')
        return parse_escape(parser, several_lines, out, length);
    if (several_lines && skip_newline(parser)) {
        memcpy(out + *length, start, (size_t)(parser->at - start));
        *length += (size_t)(parser->at - start);
        return 0;
    }
    if ((c < ' ' && c != '\t') || c == 0x7f)
        return wrong(parser, "a string that does not end on its line, or has a control character");
    out[(*length)++] = *parser->at++;
    return 0;
}

/* A string of any of the four kinds, for the caller to free. */
static int parse_string(struct parser *parser, bool may_have_lines, char **ret)
{
    const char *quotes = follows(parser, "\"\"\"") ? "\"\"\""
                         : follows(parser, "'''")  ? "'''"
                         : follows(parser, "\"")   ? "\""
                                                   : "'";
    size_t length = 0;
    /* No escape is shorter than what it stands for. */
    cleanup_free char *out = malloc((size_t)(parser->end - parser->at) + 1);

    if (out == NULL)
        return no_memory(parser);
    if (quotes[1] != '\0' && !may_have_lines)
        return wrong(parser, "a key of several lines");
    parser->at += strlen(quotes);
    if (quotes[1] != '\0')
        (void)skip_newline(parser);
    while (!at_closing(parser, quotes)) {
        if (parser->at == parser->end)
            return wrong(parser, "a string that does not end");
        if (parse_string_character(parser, quotes, out, &length) < 0)
            return -EINVAL;
    }
    parser->at += strlen(quotes);
    out[length] = '\0';
    *ret = strdup(out);
    return *ret != NULL ? 0 : no_memory(parser);
}

/* Keys. */

static bool is_bare(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static int parse_key_part(struct parser *parser, char **ret)
{
    const char *start = parser->at;

    if (peek(parser) == '"' || peek(parser) == '\'')
        return parse_string(parser, false, ret);
    while (parser->at < parser->end && is_bare(*parser->at))
        parser->at++;
    if (parser->at == start)
        return wrong(parser, "neither a key nor a table");
    *ret = strndup(start, (size_t)(parser->at - start));
    return *ret != NULL ? 0 : no_memory(parser);
}

/* key.key."key" */
static int parse_key(struct parser *parser, struct key *ret)
{
    for (;;) {
        if (ret->count == KEY_PARTS_MAX)
            return wrong(parser, "a key with too many parts");
        skip_blanks(parser);
        if (parse_key_part(parser, &ret->parts[ret->count]) < 0)
            return -EINVAL;
        ret->count++;
        skip_blanks(parser);
        if (peek(parser) != '.')
            return 0;
        parser->at++;
    }
}

/* Values. */

static int parse_value(struct parser *parser, unsigned depth, json_t **ret);

/* Underscores only between digits. */
static bool strip_underscores(const char *text, size_t length, char *out, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; i < length; i++) {
        if (text[i] == '_') {
            if (i == 0 || i + 1 == length || !is_bare(text[i - 1]) || !is_bare(text[i + 1]) ||
                text[i + 1] == '_')
                return false;
            continue;
        }
        if (used + 1 >= size)
            return false;
        out[used++] = text[i];
    }
    out[used] = '\0';
    return used > 0;
}

static json_t *integer(const char *digits, int base)
{
    char *end = NULL;
    long long value = 0;

    errno = 0;
    value = strtoll(digits, &end, base);
    return errno != 0 || *end != '\0' ? NULL : json_integer(value);
}

/* A number without underscores; NULL if it is none. */
static json_t *number(const char *text)
{
    const char *digits = text[0] == '-' || text[0] == '+' ? text + 1 : text;
    char *end = NULL;
    double value = 0;

    if (text[0] == '0' && text[1] != '\0' && strchr("xob", text[1]) != NULL)
        return is_bare(text[2]) && text[2] != '-' ? integer(text + 2, text[1] == 'x'   ? 16
                                                                      : text[1] == 'o' ? 8
                                                                                       : 2)
                                                  : NULL;
    if (digits[0] < '0' || digits[0] > '9' || (digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9'))
        return NULL;
    if (digits[strspn(digits, "0123456789")] == '\0')
        return integer(text, 10);
    if (digits[strspn(digits, "0123456789.eE+-")] != '\0')
        return NULL;
    value = strtod(text, &end);
    return *end != '\0' || end[-1] == '.' || strcasestr(text, ".e") != NULL || isinf(value)
               ? NULL
               : json_real(value);
}

/* A word without quotes: true, false or a number. */
static int parse_word(struct parser *parser, json_t **ret)
{
    const char *start = parser->at;
    char text[64];

    while (parser->at < parser->end && (is_bare(*parser->at) || strchr("+.:", *parser->at) != NULL))
        parser->at++;
    if (parser->at - start == 4 && memcmp(start, "true", 4) == 0)
        *ret = json_true();
    else if (parser->at - start == 5 && memcmp(start, "false", 5) == 0)
        *ret = json_false();
    else if (strip_underscores(start, (size_t)(parser->at - start), text, sizeof(text)))
        *ret = number(text);
    return *ret != NULL ? 0 : wrong(parser, "a value that is no string, number, boolean, array or table");
}

static int parse_array(struct parser *parser, unsigned depth, json_t **ret)
{
    cleanup_json json_t *array = json_array();

    for (parser->at++;;) {
        json_t *item = NULL;

        if (skip_lines(parser) < 0)
            return -EINVAL;
        if (peek(parser) == ']')
            break;
        if (parse_value(parser, depth + 1, &item) < 0)
            return -EINVAL;
        if (json_array_append_new(array, item) < 0)
            return no_memory(parser);
        if (skip_lines(parser) < 0)
            return -EINVAL;
        if (peek(parser) == ']')
            break;
        if (peek(parser) != ',')
            return wrong(parser, "an array without comma or end");
        parser->at++;
    }
    parser->at++;
    *ret = take_pointer(array);
    return 0;
}

static int parse_assignment(struct parser *parser, json_t *table, unsigned depth);

static int parse_inline_table(struct parser *parser, unsigned depth, json_t **ret)
{
    cleanup_json json_t *table = json_object();
    json_t *section = parser->section;
    int result = 0;

    parser->at++;
    parser->section = table;
    skip_blanks(parser);
    while (peek(parser) != '}' && result == 0) {
        result = parse_assignment(parser, table, depth + 1);
        skip_blanks(parser);
        if (result < 0 || peek(parser) == '}')
            break;
        if (peek(parser) != ',')
            return wrong(parser, "a table in braces without comma or end on its line");
        parser->at++;
        skip_blanks(parser);
        if (peek(parser) == '}')
            return wrong(parser, "a comma before the brace");
    }
    parser->section = section;
    if (result < 0)
        return result;
    parser->at++;
    *ret = take_pointer(table);
    return 0;
}

static int parse_value(struct parser *parser, unsigned depth, json_t **ret)
{
    cleanup_free char *string = NULL;

    if (depth > DEPTH_MAX)
        return wrong(parser, "too many arrays and tables in each other");
    if (peek(parser) == '[')
        return parse_array(parser, depth, ret);
    if (peek(parser) == '{')
        return parse_inline_table(parser, depth, ret);
    if (peek(parser) != '"' && peek(parser) != '\'')
        return parse_word(parser, ret);
    if (parse_string(parser, true, &string) < 0)
        return -EINVAL;
    *ret = json_string(string);
    return *ret != NULL ? 0 : wrong(parser, "a string that is not UTF-8");
}

/* key = value, in `table`. */
static int parse_assignment(struct parser *parser, json_t *table, unsigned depth)
{
    cleanup_key struct key key = {0};
    json_t *value = NULL;

    if (parse_key(parser, &key) < 0)
        return -EINVAL;
    if (peek(parser) != '=')
        return wrong(parser, "a key without `=`");
    parser->at++;
    skip_blanks(parser);
    for (size_t i = 0; i + 1 < key.count; i++)
        if (enter_table(parser, table, key.parts[i], DOTTED, &table) < 0)
            return -EINVAL;
    if (json_object_get(table, key.parts[key.count - 1]) != NULL)
        return wrong(parser, "a key for the second time");
    if (parse_value(parser, depth, &value) < 0)
        return -EINVAL;
    if (json_object_set_new(table, key.parts[key.count - 1], value) < 0)
        return wrong(parser, "a key that is not UTF-8");
    return json_is_object(value) ? add_table(parser, value, INLINE) : 0;
}

/* [[it]]: one more element. */
static int append_table(struct parser *parser, json_t *parent, const char *name)
{
    json_t *array = json_object_get(parent, name);
    json_t *made = json_object();

    if (array == NULL) {
        array = json_array();
        if (json_object_set_new(parent, name, array) < 0 || add_table(parser, array, HEADER) < 0)
            return json_decref(made), no_memory(parser);
    } else if (!json_is_array(array) || find_table(parser, array) == NULL) {
        return json_decref(made), wrong(parser, "a table's name is another value's");
    }
    if (json_array_append_new(array, made) < 0)
        return no_memory(parser);
    parser->section = made;
    return add_table(parser, made, HEADER);
}

static int open_table(struct parser *parser, json_t *parent, const char *name)
{
    json_t *found = json_object_get(parent, name);
    struct table *table = find_table(parser, found);

    if (found == NULL)
        return make_table(parser, parent, name, HEADER, &parser->section);
    if (!json_is_object(found) || table == NULL || table->origin != IMPLIED)
        return wrong(parser, "a table for the second time, or with another value's name");
    table->origin = HEADER;
    parser->section = found;
    return 0;
}

/* [table] or [[table]] */
static int parse_header(struct parser *parser)
{
    cleanup_key struct key key = {0};
    bool element = follows(parser, "[[");
    json_t *parent = parser->root;

    parser->at += element ? 2 : 1;
    if (parse_key(parser, &key) < 0)
        return -EINVAL;
    if (!follows(parser, element ? "]]" : "]"))
        return wrong(parser, "a table's name without its bracket");
    parser->at += element ? 2 : 1;
    for (size_t i = 0; i + 1 < key.count; i++)
        if (enter_table(parser, parent, key.parts[i], IMPLIED, &parent) < 0)
            return -EINVAL;
    return element ? append_table(parser, parent, key.parts[key.count - 1])
                   : open_table(parser, parent, key.parts[key.count - 1]);
}

static int parse_document(struct parser *parser)
{
    while (skip_lines(parser) == 0) {
        int result = 0;

        if (parser->at == parser->end)
            return 0;
        result = peek(parser) == '[' ? parse_header(parser) : parse_assignment(parser, parser->section, 0);
        if (result < 0 || end_line(parser) < 0)
            return -EINVAL;
    }
    return -EINVAL;
}

int toml_parse(const char *text, size_t length, const char *name, json_t **ret, struct error *err)
{
    cleanup_json json_t *root = json_object();
    struct parser parser = {
        .name = name, .at = text, .end = text + length, .line = 1, .root = root, .section = root, .err = err};
    int result = 0;

    if (memchr(text, '\0', length) != NULL)
        return error_set(err, 0, "%s: has a NUL byte", name);
    result = root != NULL ? parse_document(&parser) : no_memory(&parser);
    free(parser.tables);
    if (result < 0)
        return result;
    *ret = take_pointer(root);
    return 0;
}

static void print_string(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            fputc('\\', out);
        if (c < ' ' || c == 0x7f)
            fprintf(out, "\\u%04X", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

void toml_print_key(const char *key, FILE *out)
{
    size_t bare = 0;

    while (is_bare(key[bare]))
        bare++;
    if (bare > 0 && key[bare] == '\0')
        fputs(key, out);
    else
        print_string(key, out);
}

static void print_real(double value, FILE *out)
{
    char text[64];

    snprintf(text, sizeof(text), "%.17g", value);
    fprintf(out, "%s%s", text, strpbrk(text, ".en") != NULL ? "" : ".0");
}

void toml_print(const json_t *value, FILE *out)
{
    const char *separator = "";
    const char *key = NULL;
    json_t *item = NULL;
    size_t index = 0;

    if (json_is_string(value)) {
        print_string(json_string_value(value), out);
    } else if (json_is_object(value)) {
        fputc('{', out);
        json_object_foreach((json_t *)value, key, item)
        {
            fputs(separator, out);
            toml_print_key(key, out);
            fputs(" = ", out);
            toml_print(item, out);
            separator = ", ";
        }
        fputc('}', out);
    } else if (json_is_array(value)) {
        fputc('[', out);
        json_array_foreach(value, index, item)
        {
            fputs(index > 0 ? ", " : "", out);
            toml_print(item, out);
        }
        fputc(']', out);
    } else if (json_is_integer(value)) {
        fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_real(value)) {
        print_real(json_real_value(value), out);
    } else {
        fputs(json_is_true(value) ? "true" : "false", out);
    }
}
