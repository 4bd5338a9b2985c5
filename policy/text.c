/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/text.h"

#include <limits.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Reads a decimal number of at most `limit` without sign or leading zeros and advances *cursor behind it. */
static bool scan_number(const char **cursor, const char *end, unsigned limit, unsigned *ret)
{
    const char *at = *cursor;
    unsigned value = 0;

    if (at == end || !is_digit(*at) || (*at == '0' && at + 1 != end && is_digit(at[1])))
        return false;
    for (; at != end && is_digit(*at); at++) {
        value = value * 10 + (unsigned)(*at - '0');
        if (value > limit)
            return false;
    }
    *cursor = at;
    *ret = value;
    return true;
}

static const char *parse_port(const char *text, const char *end, uint16_t *ret)
{
    unsigned value = 0;

    if (!scan_number(&text, end, 65535, &value) || text != end || value == 0)
        return "a port is a decimal number from 1 to 65535, without sign or leading zeros";
    *ret = (uint16_t)value;
    return NULL;
}

const char *text_port(const char *text, uint16_t *ret)
{
    return parse_port(text, text + strlen(text), ret);
}

const char *text_address(const char *text, size_t length, uint32_t *ret)
{
    static const char reason[] = "not an IPv4 address of four decimal numbers from 0 to 255";
    const char *end = text + length;
    uint32_t address = 0;

    for (int i = 0; i < 4; i++) {
        unsigned part = 0;

        if (i > 0 && (text == end || *text++ != '.'))
            return reason;
        if (!scan_number(&text, end, 255, &part))
            return reason;
        address = address << 8 | part;
    }
    if (text != end)
        return reason;
    *ret = address;
    return NULL;
}

const char *text_range(const char *text, struct policy_range *ret, unsigned *ret_prefix)
{
    const char *end = text + strlen(text);
    const char *slash = strchr(text, '/');
    uint32_t address = 0;
    uint32_t host_bits = 0;
    unsigned prefix = 32;
    const char *reason = text_address(text, (size_t)((slash != NULL ? slash : end) - text), &address);

    if (reason != NULL)
        return reason;
    if (slash != NULL) {
        const char *cursor = slash + 1;

        if (!scan_number(&cursor, end, 32, &prefix) || cursor != end)
            return "the prefix length is a decimal number from 0 to 32";
    }
    host_bits = prefix == 0 ? UINT32_MAX : (uint32_t)((1ULL << (32 - prefix)) - 1);
    if ((address & host_bits) != 0)
        return "address bits are set behind the prefix; write the first address of the range";
    *ret = (struct policy_range){.first = address, .last = address | host_bits};
    *ret_prefix = prefix;
    return NULL;
}

/* Whether a label is a number to inet_aton(3), which is what makes "127.1", "0x7f.1" and "2130706433"
 * addresses: their last label always is one, and no top-level domain is. */
static bool label_is_number(const char *label, size_t length)
{
    const char *digits = "0123456789";

    if (length >= 2 && label[0] == '0' && lower(label[1]) == 'x') {
        digits = "0123456789abcdefABCDEF";
        label += 2;
        length -= 2;
    }
    return strspn(label, digits) >= length;
}

static const char *check_label(const char *label, size_t length, bool last)
{
    if (length == 0)
        return "a label between dots is empty (a name has no trailing dot)";
    if (length > 63)
        return "a label has more than 63 characters";
    if (label[0] == '-' || label[length - 1] == '-')
        return "a label begins or ends with a hyphen";
    for (size_t i = 0; i < length; i++)
        if (!is_letter(label[i]) && !is_digit(label[i]) && label[i] != '-' && label[i] != '_')
            return "a host name has only letters, digits, hyphens, underscores and dots";
    if (last && label_is_number(label, length))
        return "an address is not a host name (the last label is a number)";
    return NULL;
}

static const char *parse_name(const char *text, size_t length, char *ret_name)
{
    if (length == 0)
        return "the host name is empty";
    if (text[0] == '*')
        return "there are no wildcards; a leading dot, as in \".example.com\", means the name and its "
               "subdomains";
    if (length >= POLICY_HOST_SIZE)
        return "a host name has at most 253 characters";
    for (size_t start = 0; start <= length;) {
        const char *dot = memchr(text + start, '.', length - start);
        size_t stop = dot != NULL ? (size_t)(dot - text) : length;
        const char *reason = check_label(text + start, stop - start, dot == NULL);

        if (reason != NULL)
            return reason;
        start = stop + 1;
    }
    for (size_t i = 0; i < length; i++)
        ret_name[i] = lower(text[i]);
    ret_name[length] = '\0';
    return NULL;
}

const char *text_host(const char *text, struct policy_host *ret)
{
    struct policy_host host = {.port = 443, .subdomains = text[0] == '.'};
    const char *name = text + host.subdomains;
    const char *colon = strchr(name, ':');
    const char *reason = NULL;

    if (strstr(text, "://") != NULL)
        return "a URL is not a host name: leave out scheme and path";
    if (text[0] == '[' || (colon != NULL && strchr(colon + 1, ':') != NULL))
        return "an address is not a host name";
    if (colon != NULL)
        reason = text_port(colon + 1, &host.port);
    if (reason == NULL)
        reason = parse_name(name, colon != NULL ? (size_t)(colon - name) : strlen(name), host.name);
    if (reason == NULL)
        *ret = host;
    return reason;
}

const char *text_publish(const char *text, struct policy_publish *ret)
{
    const char *first = strchr(text, ':');
    const char *second = first != NULL ? strchr(first + 1, ':') : NULL;
    struct policy_publish publish;
    const char *reason = NULL;

    if (second == NULL)
        return "not of the form HOST_ADDRESS:HOST_PORT:MEMBER_PORT";
    reason = text_address(text, (size_t)(first - text), &publish.host_address);
    if (reason == NULL && publish.host_address >> 24 != 127)
        reason = "ports are published on the host's loopback only: the address has to be in 127.0.0.0/8";
    if (reason == NULL)
        reason = parse_port(first + 1, second, &publish.host_port);
    if (reason == NULL)
        reason = text_port(second + 1, &publish.member_port);
    if (reason == NULL)
        *ret = publish;
    return reason;
}

const char *text_path(const char *text)
{
    if (text[0] != '/')
        return "not an absolute path";
    if (strlen(text) >= PATH_MAX)
        return "the path is too long";
    for (const char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return "the path has control characters";
    for (const char *at = text; *at == '/';) {
        size_t length = strcspn(at + 1, "/");

        if (length == 0 || (length == 1 && at[1] == '.') || (length == 2 && at[1] == '.' && at[2] == '.'))
            return "the path has an empty, \".\" or \"..\" component, or a trailing slash";
        at += 1 + length;
    }
    return NULL;
}
