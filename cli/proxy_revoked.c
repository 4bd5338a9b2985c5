/* SPDX-License-Identifier: Apache-2.0
 *
 * Who lost a permission at the proxy. A connection is checked when it is opened and never again, so somebody
 * has to know whose may now be wrong. The configuration that was in force is in the file that is
 * being replaced: a role there is one line `acl role-R src RANGE` and, for each host, `acl hosts-R-PORT ...`.
 * A role that misses any of its lines in the new file has lost something.
 *
 * Invariant: errs on the side of "lost": a line that is only written differently counts, a lost permission is
 * never overlooked. */
#include "cli/proxy_revoked.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE "acl role-"
#define HOST "acl hosts-"

static size_t line_length(const char *line)
{
    return strcspn(line, "\n");
}

static const char *next_line(const char *line)
{
    size_t length = line_length(line);

    return line[length] == '\n' ? line + length + 1 : line + length;
}

static bool has_line(const char *text, const char *line)
{
    size_t length = line_length(line);

    for (; *text != '\0'; text = next_line(text))
        if (line_length(text) == length && strncmp(text, line, length) == 0)
            return true;
    return false;
}

static bool starts_with(const char *line, const char *start)
{
    return strncmp(line, start, strlen(start)) == 0;
}

/* Whether the line is `acl hosts-ROLE-PORT ...`. A role's name may itself end in a hyphen and digits. */
static bool is_host_of(const char *line, const char *role, size_t role_length)
{
    const char *port = line + strlen(HOST) + role_length + 1;

    return starts_with(line, HOST) && strncmp(line + strlen(HOST), role, role_length) == 0 &&
           port[-1] == '-' && port[strspn(port, "0123456789")] == ' ';
}

/* `source` is the role's line in `before`. */
static bool lost(const char *before, const char *after, const char *source)
{
    const char *role = source + strlen(SOURCE);
    size_t role_length = strcspn(role, " \n");

    if (!has_line(after, source))
        return true;
    for (const char *line = before; *line != '\0'; line = next_line(line))
        if (is_host_of(line, role, role_length) && !has_line(after, line))
            return true;
    return false;
}

/* The range of "acl role-R src A.B.C.D/P". */
static bool read_range(const char *source, struct policy_range *ret)
{
    char text[16];
    struct in_addr address;
    unsigned prefix = 0;

    if (sscanf(source, SOURCE "%*12[a-z0-9-] src %15[0-9.]/%2u", text, &prefix) != 2 || prefix > 32 ||
        inet_pton(AF_INET, text, &address) != 1)
        return false;
    ret->first = ntohl(address.s_addr);
    ret->last = ret->first | (uint32_t)(UINT64_C(0xffffffff) >> prefix);
    return true;
}

int proxy_revoked(const char *before, const char *after, struct policy_range **ret_sources, size_t *ret_count,
                  struct error *err)
{
    cleanup_free struct policy_range *sources = NULL;
    size_t count = 0;
    struct policy_range range;

    for (const char *line = before; *line != '\0'; line = next_line(line)) {
        struct policy_range *larger = NULL;

        if (!starts_with(line, SOURCE) || !read_range(line, &range) || !lost(before, after, line))
            continue;
        larger = reallocarray(sources, count + 1, sizeof(*sources));
        if (larger == NULL)
            return error_set(err, ENOMEM, "compare the proxy's configurations");
        sources = larger;
        sources[count++] = range;
    }
    *ret_sources = take_pointer(sources);
    *ret_count = count;
    return 0;
}
