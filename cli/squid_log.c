/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/squid_log.h"

#include <arpa/inet.h>
#include <string.h>

/* The widths are those of the enum in the header. */
const char squid_log_format[] = "%ts.%03tu %tr %>a %Ss/%03>Hs %<st %Sh/%<a %{denied}note %.32rm %.512ru";

enum {
    SECONDS_DIGITS = 12, /* some thirty thousand years */
    STATUS_DIGITS = 3,
    NUMBER_DIGITS = 18, /* of which all are less than 2^63 */
    WORD_MAX = 64,      /* squid's names of results and routes */
    ADDRESS_MAX = 45,   /* INET6_ADDRSTRLEN, without NUL */
};

#define DIGITS "0123456789"
#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
#define ADDRESS "0123456789abcdef.:"

/* What is left of the line; NULL once something was not as it has to be. */
struct cursor {
    const char *at;
    const char *end;
};

static bool one_of(char c, const char *characters)
{
    return c != '\0' && strchr(characters, c) != NULL;
}

/* The next 1 to `max` characters of the set (NULL: all that are printed, but the blank), of which there may
 * not be more, are the field. */
static size_t take(struct cursor *cursor, const char *characters, size_t max, const char **ret_field)
{
    const char *start = cursor->at;

    if (start == NULL)
        return 0;
    while (cursor->at < cursor->end &&
           (characters == NULL ? *cursor->at > ' ' && *cursor->at <= '~' : one_of(*cursor->at, characters)))
        cursor->at++;
    *ret_field = start;
    if (cursor->at == start || (size_t)(cursor->at - start) > max) {
        cursor->at = NULL;
        return 0;
    }
    return (size_t)(cursor->at - start);
}

static void expect(struct cursor *cursor, char c)
{
    if (cursor->at == NULL || cursor->at == cursor->end || *cursor->at != c)
        cursor->at = NULL;
    else
        cursor->at++;
}

static void skip(struct cursor *cursor, const char *characters, size_t max)
{
    const char *unused = NULL;

    take(cursor, characters, max, &unused);
}

/* A number of at most `max` digits. */
static int64_t take_number(struct cursor *cursor, size_t max)
{
    const char *field = NULL;
    size_t length = take(cursor, DIGITS, max, &field);
    int64_t number = 0;

    for (size_t i = 0; i < length; i++)
        number = number * 10 + (field[i] - '0');
    return number;
}

/* The next `digits` digits, all of them. */
static unsigned take_digits(struct cursor *cursor, size_t digits)
{
    const char *start = cursor->at;
    unsigned number = (unsigned)take_number(cursor, digits);

    if (cursor->at != NULL && (size_t)(cursor->at - start) != digits)
        cursor->at = NULL;
    return number;
}

/* `ret` has room for `max` and a NUL. */
static size_t take_text(struct cursor *cursor, const char *characters, size_t max, char *ret)
{
    const char *field = NULL;
    size_t length = take(cursor, characters, max, &field);

    if (length > 0)
        memcpy(ret, field, length);
    ret[length] = '\0';
    return length;
}

static uint32_t take_address(struct cursor *cursor)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr address = {.s_addr = 0};

    take_text(cursor, DIGITS ".", sizeof(text) - 1, text);
    if (cursor->at != NULL && inet_pton(AF_INET, text, &address) != 1)
        cursor->at = NULL;
    return ntohl(address.s_addr);
}

/* RESULT/STATUS */
static void take_result(struct cursor *cursor, struct squid_log_line *line)
{
    char result[WORD_MAX + 1];

    take_text(cursor, CAPITALS, WORD_MAX, result);
    line->denied = strncmp(result, "TCP_DENIED", strlen("TCP_DENIED")) == 0;
    line->own = strncmp(result, "NONE", strlen("NONE")) == 0;
    expect(cursor, '/');
    line->status = take_digits(cursor, STATUS_DIGITS);
    expect(cursor, ' ');
}

/* ROUTE/SERVER, which nobody asks for here. */
static void skip_server(struct cursor *cursor)
{
    skip(cursor, CAPITALS, WORD_MAX);
    expect(cursor, '/');
    skip(cursor, ADDRESS "-", ADDRESS_MAX);
    expect(cursor, ' ');
}

static bool is_denial(const char *denial)
{
    static const char *const words[] = {
        "-", SQUID_LOG_METHOD, SQUID_LOG_UNNAMED, SQUID_LOG_HOSTS, SQUID_LOG_NAME, SQUID_LOG_SUBNET};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(denial, words[i]) == 0)
            return true;
    return denial[0] != '-' && denial[strspn(denial, ADDRESS "/-")] == '\0';
}

/* All that is left, but no blank. It is the client's word for most of all, and its writers do not always keep
 * to the form: squid leaves a URL as it came if it would be too long for it escaped, and haproxy cuts none. A
 * line that was none for that would hide who asked. Returns how many characters `ret` has. */
static size_t take_target(struct cursor *cursor, char ret[SQUID_LOG_TARGET_MAX + 1])
{
    static const char digits[] = "0123456789ABCDEF";
    size_t length = 0;

    for (; cursor->at != NULL && cursor->at < cursor->end && *cursor->at != ' '; cursor->at++) {
        const unsigned char byte = (unsigned char)*cursor->at;
        const char escaped[] = {'%', digits[byte >> 4], digits[byte & 0xf]};
        const bool plain = byte > ' ' && byte <= '~';

        for (size_t i = 0; i < (plain ? 1 : sizeof(escaped)) && length < SQUID_LOG_TARGET_MAX; i++)
            ret[length++] = plain ? (char)byte : escaped[i];
    }
    ret[length] = '\0';
    if (length == 0)
        cursor->at = NULL;
    return length;
}

static void take_request(struct cursor *cursor, struct squid_log_line *line)
{
    take_text(cursor, NULL, SQUID_LOG_DENIAL_MAX, line->denial);
    if (cursor->at != NULL && !is_denial(line->denial))
        cursor->at = NULL;
    expect(cursor, ' ');
    take_text(cursor, NULL, SQUID_LOG_METHOD_MAX, line->method);
    expect(cursor, ' ');
    line->cut = take_target(cursor, line->target) == SQUID_LOG_TARGET_MAX;
}

bool squid_log_parse(const char *line, size_t length, struct squid_log_line *ret)
{
    struct cursor cursor = {line, line + length};
    struct squid_log_line parsed = {.seconds = take_number(&cursor, SECONDS_DIGITS)};

    expect(&cursor, '.');
    parsed.milliseconds = take_digits(&cursor, 3);
    expect(&cursor, ' ');
    take_number(&cursor, NUMBER_DIGITS);
    expect(&cursor, ' ');
    parsed.client = take_address(&cursor);
    expect(&cursor, ' ');
    take_result(&cursor, &parsed);
    take_number(&cursor, NUMBER_DIGITS);
    expect(&cursor, ' ');
    skip_server(&cursor);
    take_request(&cursor, &parsed);
    if (cursor.at == NULL || cursor.at != cursor.end)
        return false;
    *ret = parsed;
    return true;
}

bool squid_log_is_notice(const char *line, size_t length)
{
    static const char start[] = "Proxy ";
    static const char what[] = " stopped (";

    return length > strlen(start) && memcmp(line, start, strlen(start)) == 0 &&
           memmem(line, length, what, strlen(what)) != NULL;
}

bool squid_log_refused(const struct squid_log_line *line)
{
    enum { BAD_REQUEST = 400, REQUEST_TIMEOUT = 408, SERVER_ERROR = 500, NOT_IMPLEMENTED = 501 };

    if (line->denied || strcmp(line->denial, "-") != 0)
        return true;
    /* A client that says nothing for long enough has not been refused anything. */
    return line->own && line->status != REQUEST_TIMEOUT &&
           ((line->status >= BAD_REQUEST && line->status < SERVER_ERROR) || line->status == NOT_IMPLEMENTED);
}
