/* SPDX-License-Identifier: Apache-2.0
 *
 * The policy file as a whole: JSON, its top-level keys, the subnet and the proxy.
 *
 * Invariant: strict or not at all. What the file says twice, says in a way that can be read in two ways, or
 * says with a key that is not known here (a spelling mistake would otherwise be a hole) is an error. Roles
 * are sorted by name, so that their order in the file makes no difference. */
#include "policy/digest.h"
#include "policy/policy.h"
#include "policy/reader.h"
#include "policy/role.h"
#include "policy/text.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    PREFIX_SHORTEST = 8, /* no private range is larger */
    PREFIX_LONGEST = 29, /* a /30 has room for the host and the proxy, but for no member */
};

static const struct reader_key policy_keys[] = {
    {"version", true}, {"subnet", true}, {"proxy", true}, {"roles", true}, {NULL, false},
};

static const struct reader_key proxy_keys[] = {
    {"address", true}, {"port", true}, {"at", true}, {"sni", false}, {"http", false}, {NULL, false},
};

enum { PORT_TLS = 443, PORT_HTTP = 80 };

/* Ranges that no kernel routes like any other network. */
static const struct {
    struct policy_range range;
    const char *name;
} special_ranges[] = {
    {{0x00000000, 0x00ffffff}, "0.0.0.0/8 (\"this\" network)"},
    {{0x7f000000, 0x7fffffff}, "127.0.0.0/8 (loopback)"},
    {{0xa9fe0000, 0xa9feffff}, "169.254.0.0/16 (link-local)"},
    {{0xe0000000, 0xefffffff}, "224.0.0.0/4 (multicast)"},
    {{0xf0000000, 0xffffffff}, "240.0.0.0/4 (reserved and broadcast)"},
};

static int read_version(const struct reader *reader, const struct place *at, const json_t *value)
{
    json_int_t version = 0;
    int result = reader_integer(reader, at, value, INT32_MIN, INT32_MAX, &version);

    if (result == 0 && version != 1)
        return reader_complain(reader, at,
                               "%" JSON_INTEGER_FORMAT " is unknown to this release, which reads version 1",
                               version);
    return result;
}

static int read_subnet(const struct reader *reader, const struct place *at, const json_t *value,
                       struct policy *policy)
{
    struct policy_range range;
    unsigned prefix = 0;
    const char *text = NULL;
    const char *reason = NULL;
    int result = reader_string(reader, at, value, &text);

    if (result < 0)
        return result;
    reason = text_range(text, &range, &prefix);
    if (reason != NULL)
        return reader_complain(reader, at, "\"%.80s\": %s", text, reason);
    if (prefix < PREFIX_SHORTEST || prefix > PREFIX_LONGEST)
        return reader_complain(
            reader, at,
            "\"%.80s\": the prefix length has to be from %d to %d, to have room for host, proxy "
            "and members and to be no larger than a private range",
            text, PREFIX_SHORTEST, PREFIX_LONGEST);
    for (size_t i = 0; i < array_size(special_ranges); i++)
        if (range.first <= special_ranges[i].range.last && special_ranges[i].range.first <= range.last)
            return reader_complain(reader, at,
                                   "\"%.80s\": lies in %s; take a private range such as 10.209.0.0/24", text,
                                   special_ranges[i].name);
    policy->subnet = range.first;
    policy->prefix = prefix;
    policy->host_address = range.first + 1;
    return 0;
}

static int read_proxy_address(const struct reader *reader, const struct place *at, const json_t *value,
                              struct policy *policy)
{
    const uint32_t broadcast = policy->subnet | (UINT32_MAX >> policy->prefix);
    uint32_t address = 0;
    const char *text = NULL;
    const char *reason = NULL;
    int result = reader_string(reader, at, value, &text);

    if (result < 0)
        return result;
    reason = text_address(text, strlen(text), &address);
    if (reason == NULL && (address < policy->subnet || address > broadcast))
        reason = "not inside $.subnet";
    if (reason == NULL && (address == policy->subnet || address == broadcast))
        reason = "the subnet's network and broadcast addresses are nobody's";
    if (reason == NULL && address == policy->host_address)
        reason = "the subnet's first address is the host's own; take the next one";
    if (reason != NULL)
        return reader_complain(reader, at, "\"%.80s\": %s", text, reason);
    policy->proxy_address = address;
    return 0;
}

/* Fills in the role `proxy`: a member like any other, but it keeps the interfaces that lead out. */
static void set_proxy_role(struct policy *policy)
{
    policy->proxy_role = (struct policy_role){
        .name = POLICY_PROXY_ROLE,
        .addresses = {policy->proxy_address, policy->proxy_address},
        .links = POLICY_LINKS_KEEP,
    };
}

static int read_proxy_at(const struct reader *reader, const struct place *at, const json_t *value,
                         struct policy *policy)
{
    const char *text = NULL;
    int result = reader_string(reader, at, value, &text);

    if (result < 0)
        return result;
    if (strcmp(text, "host") == 0) {
        policy->proxy_at = POLICY_PROXY_AT_HOST;
    } else if (strcmp(text, "member") == 0) {
        policy->proxy_at = POLICY_PROXY_AT_MEMBER;
        set_proxy_role(policy);
    } else {
        return reader_complain(reader, at, "\"%.80s\": neither \"host\" nor \"member\"", text);
    }
    return 0;
}

/* The port of a pass-through. It is a number, and only one is right: programs that know no proxy connect to
 * the port of their URL, and the hosts file gives them another address, not another port. */
static int read_pass_through(const struct reader *reader, const struct place *at, const json_t *value,
                             uint16_t port, const struct policy *policy, uint16_t *ret)
{
    json_int_t number = 0;
    int result = value == NULL ? 0 : reader_integer(reader, at, value, 1, 65535, &number);

    if (value == NULL || result < 0)
        return result;
    if (number != port)
        return reader_complain(reader, at,
                               "%" JSON_INTEGER_FORMAT
                               " is not %u, the port that programs which know no proxy "
                               "connect to",
                               number, port);
    if (number == policy->proxy_port)
        return reader_complain(reader, at, "%u is $.proxy.port already", port);
    *ret = port;
    return 0;
}

static int read_pass_throughs(const struct reader *reader, const struct place *at, const json_t *object,
                              struct policy *policy)
{
    int result = read_pass_through(reader, &(struct place){.parent = at, .key = "sni"},
                                   json_object_get(object, "sni"), PORT_TLS, policy, &policy->proxy_sni);

    if (result == 0)
        result = read_pass_through(reader, &(struct place){.parent = at, .key = "http"},
                                   json_object_get(object, "http"), PORT_HTTP, policy, &policy->proxy_http);
    return result;
}

static int read_proxy(const struct reader *reader, const struct place *at, json_t *object,
                      struct policy *policy)
{
    json_int_t port = 0;
    int result = reader_object(reader, at, object, proxy_keys);

    if (result == 0)
        result = read_proxy_address(reader, &(struct place){.parent = at, .key = "address"},
                                    json_object_get(object, "address"), policy);
    if (result == 0)
        result = reader_integer(reader, &(struct place){.parent = at, .key = "port"},
                                json_object_get(object, "port"), 1, 65535, &port);
    if (result == 0)
        result = read_proxy_at(reader, &(struct place){.parent = at, .key = "at"},
                               json_object_get(object, "at"), policy);
    if (result < 0)
        return result;
    policy->proxy_port = (uint16_t)port;
    return read_pass_throughs(reader, at, object, policy);
}

static int read_role_name(const struct reader *reader, const struct place *at, const char *name,
                          struct policy_role *role)
{
    if (!policy_name_valid(name))
        return reader_complain(reader, at, "not a role's name: " POLICY_NAME_RULE);
    if (strcmp(name, POLICY_PROXY_ROLE) == 0)
        return reader_complain(reader, at, "the name is reserved; the proxy is described in $.proxy");
    strcpy(role->name, name);
    return 0;
}

static int compare_names(const void *left, const void *right)
{
    const struct policy_role *a = left;
    const struct policy_role *b = right;

    return strcmp(a->name, b->name);
}

/* All names first: a role may reach one that stands behind it. */
static int read_role_names(const struct reader *reader, const struct place *at, json_t *object,
                           struct policy *policy)
{
    int result = reader_object(reader, at, object, NULL);

    if (result < 0)
        return result;
    if (json_object_size(object) == 0)
        return reader_complain(reader, at, "is empty; a network without roles admits nobody");
    if (json_object_size(object) > POLICY_ROLES_MAX)
        return reader_complain(reader, at, "has %zu roles, more than %d", json_object_size(object),
                               POLICY_ROLES_MAX);
    for (void *entry = json_object_iter(object); entry != NULL;
         entry = json_object_iter_next(object, entry)) {
        const char *name = json_object_iter_key(entry);

        result = read_role_name(reader, &(struct place){.parent = at, .key = name}, name,
                                &policy->roles[policy->roles_count]);
        if (result < 0)
            return result;
        policy->roles_count++;
    }
    qsort(policy->roles, policy->roles_count, sizeof(policy->roles[0]), compare_names);
    return 0;
}

static int read_roles(const struct reader *reader, const struct place *at, json_t *object,
                      struct policy *policy)
{
    int result = read_role_names(reader, at, object, policy);

    for (size_t i = 0; i < policy->roles_count && result == 0; i++) {
        struct policy_role *role = &policy->roles[i];

        result = role_read(reader, &(struct place){.parent = at, .key = role->name},
                           json_object_get(object, role->name), policy, role);
    }
    return result;
}

static int read_policy(const struct reader *reader, json_t *object, struct policy *policy)
{
    const struct place root = {.key = "$"};
    int result = reader_object(reader, &root, object, policy_keys);

    if (result == 0)
        result = read_version(reader, &(struct place){.parent = &root, .key = "version"},
                              json_object_get(object, "version"));
    if (result == 0)
        result = read_subnet(reader, &(struct place){.parent = &root, .key = "subnet"},
                             json_object_get(object, "subnet"), policy);
    if (result == 0)
        result = read_proxy(reader, &(struct place){.parent = &root, .key = "proxy"},
                            json_object_get(object, "proxy"), policy);
    if (result == 0)
        result = read_roles(reader, &(struct place){.parent = &root, .key = "roles"},
                            json_object_get(object, "roles"), policy);
    return result;
}

int policy_parse(const char *text, size_t length, const char *file, const char *network, struct policy *ret,
                 struct error *err)
{
    const struct reader reader = {file, err};
    struct policy policy = {0};
    json_error_t where;
    json_auto_t *root = NULL;
    int result = 0;

    if (!policy_name_valid(network))
        return error_set(err, 0, "network \"%.80s\": not a name: " POLICY_NAME_RULE, network);
    if (length > POLICY_FILE_MAX)
        return error_set(err, EFBIG, "%s: more than %d bytes", file, POLICY_FILE_MAX);
    /* Without further flags jansson refuses trailing bytes, NUL in strings, invalid UTF-8 and deep nesting.
     */
    root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    if (root == NULL)
        return error_set(err, 0, "%s: line %d, column %d: %s", file, where.line, where.column, where.text);
    result = read_policy(&reader, root, &policy);
    if (result < 0) {
        policy_free(&policy);
        return result;
    }
    strcpy(policy.network, network);
    digest_policy(&policy, policy.digest);
    *ret = policy;
    return 0;
}
