/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void usage(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    fputs("probe: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    exit(PROBE_USAGE);
}

static void remove_values(struct arguments *arguments, int at, int count)
{
    arguments->count -= count;
    for (int i = at; i < arguments->count; i++)
        arguments->values[i] = arguments->values[i + count];
}

static int find(const struct arguments *arguments, const char *name)
{
    for (int i = 0; i < arguments->count; i++)
        if (strcmp(arguments->values[i], name) == 0)
            return i;
    return -1;
}

const char *arguments_take(struct arguments *arguments, const char *name, const char *fallback)
{
    int at = find(arguments, name);
    const char *value = NULL;

    if (at < 0)
        return fallback;
    if (at + 1 >= arguments->count)
        usage("%s needs a value", name);
    value = arguments->values[at + 1];
    remove_values(arguments, at, 2);
    return value;
}

uint64_t arguments_take_number(struct arguments *arguments, const char *name, uint64_t fallback)
{
    const char *value = arguments_take(arguments, name, NULL);

    return value == NULL ? fallback : parse_number(value);
}

bool arguments_take_flag(struct arguments *arguments, const char *name)
{
    int at = find(arguments, name);

    if (at < 0)
        return false;
    remove_values(arguments, at, 1);
    return true;
}

char **arguments_operands(struct arguments *arguments, int count)
{
    for (int i = 0; i < arguments->count; i++)
        if (strncmp(arguments->values[i], "--", 2) == 0)
            usage("unknown option %s", arguments->values[i]);
    if (arguments->count != count)
        usage("%d operands, but %d are needed", arguments->count, count);
    return arguments->values;
}

uint64_t parse_number(const char *text)
{
    char *end = NULL;
    uint64_t value = 0;

    errno = 0;
    value = strtoull(text, &end, 0);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-')
        usage("`%s` is not a number", text);
    return value;
}

void parse_mac(const char *text, uint8_t ret[6])
{
    int length = 0;

    if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &ret[0], &ret[1], &ret[2], &ret[3], &ret[4],
               &ret[5], &length) != 6 ||
        text[length] != '\0')
        usage("`%s` is not a link address", text);
}

struct in_addr parse_ipv4(const char *text)
{
    struct in_addr address;

    if (inet_pton(AF_INET, text, &address) != 1)
        usage("`%s` is not an IPv4 address", text);
    return address;
}

struct in6_addr parse_ipv6(const char *text)
{
    struct in6_addr address;

    if (inet_pton(AF_INET6, text, &address) != 1)
        usage("`%s` is not an IPv6 address", text);
    return address;
}

static void parse_endpoint6(const char *address, in_port_t port, struct sockaddr_in6 *ret)
{
    char text[INET6_ADDRSTRLEN];
    size_t length = strcspn(address, "%");

    if (length >= sizeof(text))
        usage("`%s` is not an IPv6 address", address);
    memcpy(text, address, length);
    text[length] = '\0';
    *ret = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port, .sin6_addr = parse_ipv6(text)};
    if (address[length] == '\0')
        return;
    ret->sin6_scope_id = if_nametoindex(address + length + 1);
    if (ret->sin6_scope_id == 0)
        usage("no link `%s`", address + length + 1);
}

socklen_t parse_endpoint(const char *address, const char *port, union endpoint *ret)
{
    uint64_t number = parse_number(port);

    if (number > UINT16_MAX)
        usage("`%s` is not a port", port);
    memset(ret, 0, sizeof(*ret));
    if (strchr(address, ':') != NULL) {
        parse_endpoint6(address, htons((uint16_t)number), &ret->six);
        return sizeof(struct sockaddr_in6);
    }
    ret->four = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)number), .sin_addr = parse_ipv4(address)};
    return sizeof(struct sockaddr_in);
}
