/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/java_options.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* What java_options_of sets: of several values a JVM takes the last, so an earlier one has no effect, and
 * goes. */
static const char *const OURS[] = {"-Dhttp.proxyHost=", "-Dhttp.proxyPort=", "-Dhttps.proxyHost=",
                                   "-Dhttps.proxyPort=", "-Dhttp.nonProxyHosts="};

/* The next option, NULL if there is none; *at is moved behind it. A JVM separates options by white space, and
 * takes white space between quotes of either kind as it is; there is no escape. *ret_open: the last quote has
 * no other end. */
static const char *next_option(const char **at, size_t *ret_length, bool *ret_open)
{
    const char *option = *at + strspn(*at, " \t\n\v\f\r");
    char quote = '\0';
    size_t length = 0;

    for (; option[length] != '\0' && (quote != '\0' || !isspace((unsigned char)option[length])); length++) {
        if (option[length] == quote)
            quote = '\0';
        else if (quote == '\0' && (option[length] == '"' || option[length] == '\''))
            quote = option[length];
    }
    *at = option + length;
    *ret_length = length;
    *ret_open = quote != '\0';
    return length > 0 ? option : NULL;
}

static bool is_ours(const char *option)
{
    for (size_t i = 0; i < array_size(OURS); i++)
        if (strncmp(option, OURS[i], strlen(OURS[i])) == 0)
            return true;
    return false;
}

/* Writes the options that are ours, or those that are not, with blanks between them and after what there is
 * already. False: there is an open quote, and the option that it is in is nobody's. */
static bool write_options(FILE *out, const char *options, bool ours)
{
    const char *option = NULL;
    size_t length = 0;
    bool open = false;

    while (!open && (option = next_option(&options, &length, &open)) != NULL)
        if ((is_ours(option) && !open) == ours)
            fprintf(out, "%s%.*s", ftell(out) > 0 ? " " : "", (int)length, option);
    return !open;
}

bool java_options_any(const char *options)
{
    const char *option = NULL;
    size_t length = 0;
    bool open = false;

    while ((option = next_option(&options, &length, &open)) != NULL)
        if (is_ours(option))
            return true;
    return false;
}

/* What is reached directly or not at all: loopback, as in the JVM's own default, the roles with a name, and
 * the subnet. There is no CIDR notation here, only `*`: the subnet is rounded up to whole bytes. What else
 * that covers is as private as the subnet, and the proxy leads to no such address either. */
static void write_exceptions(FILE *out, const struct policy *policy)
{
    unsigned bytes = policy->prefix < 24 ? policy->prefix / 8 : 3;

    fputs("-Dhttp.nonProxyHosts=localhost|127.*|[::1]", out);
    for (size_t i = 0; i < policy->roles_count; i++)
        if (policy->roles[i].addresses.first == policy->roles[i].addresses.last)
            fprintf(out, "|%s", policy->roles[i].name);
    fputc('|', out);
    for (unsigned i = 0; i < bytes; i++)
        fprintf(out, "%u.", policy->subnet >> (24 - 8 * i) & 0xff);
    fputc('*', out);
}

static void write_proxies(FILE *out, const struct policy *policy)
{
    static const char *const SCHEMES[] = {"http", "https"};
    char address[16];

    policy_format_address(policy->proxy_address, address);
    for (size_t i = 0; i < array_size(SCHEMES); i++)
        fprintf(out, "-D%s.proxyHost=%s -D%s.proxyPort=%u ", SCHEMES[i], address, SCHEMES[i],
                policy->proxy_port);
}

int java_options_of(const struct policy *policy, char **ret, struct error *err)
{
    cleanup_free char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL)
        return error_set(err, errno, "set JAVA_TOOL_OPTIONS");
    write_proxies(out, policy);
    write_exceptions(out, policy);
    if (fclose(out) != 0)
        return error_set(err, ENOMEM, "set JAVA_TOOL_OPTIONS");
    *ret = take_pointer(text);
    return 0;
}

int java_options_merge(const char *old, const char *source, char **ret, struct error *err)
{
    cleanup_free char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL)
        return error_set(err, errno, "set JAVA_TOOL_OPTIONS");
    if (write_options(out, old, false))
        write_options(out, source, true);
    if (fclose(out) != 0)
        return error_set(err, ENOMEM, "set JAVA_TOOL_OPTIONS");
    *ret = take_pointer(text);
    return 0;
}
