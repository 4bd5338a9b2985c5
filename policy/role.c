/* SPDX-License-Identifier: Apache-2.0
 *
 * A role: its keys, and what they may say in the light of the subnet, the proxy and the other roles.
 *
 * Invariant: no two roles share an address or a published port, and no role has an address that is the host's
 * or the proxy's, so an address in a packet says which role sent it. Lists that the hub's rules are made of
 * are sorted, so that the order in the file makes no difference. */
#include "policy/role.h"

#include "policy/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    REACH_MAX = 64,
    HOSTS_MAX = 1024,
    PUBLISH_MAX = 64,
    SOCKETS_MAX = 64,
};

#define QUOTED "\"%.80s\"" /* of the file, so short that the reason fits behind it */

static const struct reader_key role_keys[] = {
    {"addresses", true}, {"reach", false}, {"hosts", false},   {"publish", false}, {"links", false},
    {"nested", false},   {"i386", false},  {"sockets", false}, {NULL, false},
};

struct role_reader {
    const struct reader *reader;
    const struct policy *policy;
    struct policy_role *role;
    size_t index; /* of the role in policy->roles */
};

static bool contains(const struct policy_range *range, uint32_t address)
{
    return range->first <= address && address <= range->last;
}

static uint32_t broadcast_address(const struct policy *policy)
{
    return policy->subnet | (UINT32_MAX >> policy->prefix);
}

static int check_addresses(const struct role_reader *self, const struct place *at, const char *text,
                           const struct policy_range *range)
{
    const struct policy *policy = self->policy;
    char address[16];

    if (range->first < policy->subnet || range->last > broadcast_address(policy))
        return reader_complain(self->reader, at, QUOTED ": not inside $.subnet (%s/%u)", text,
                               policy_format_address(policy->subnet, address), policy->prefix);
    if (contains(range, policy->host_address))
        return reader_complain(self->reader, at,
                               QUOTED ": contains %s, the subnet's first address, which is the host's own",
                               text, policy_format_address(policy->host_address, address));
    if (contains(range, policy->proxy_address))
        return reader_complain(self->reader, at, QUOTED ": contains %s, the proxy's address", text,
                               policy_format_address(policy->proxy_address, address));
    if (range->first == range->last &&
        (range->first == policy->subnet || range->first == broadcast_address(policy)))
        return reader_complain(self->reader, at,
                               QUOTED ": the subnet's network and broadcast addresses are nobody's", text);
    for (size_t i = 0; i < self->index; i++) {
        const struct policy_role *other = &policy->roles[i];

        if (range->first <= other->addresses.last && other->addresses.first <= range->last)
            return reader_complain(self->reader, at, QUOTED ": overlaps $.roles.%s.addresses", text,
                                   other->name);
    }
    return 0;
}

static int read_addresses(const struct role_reader *self, const struct place *at, const json_t *value)
{
    const char *text = NULL;
    const char *reason = NULL;
    struct policy_range range;
    unsigned prefix = 0;
    int result = reader_string(self->reader, at, value, &text);

    if (result < 0)
        return result;
    reason = text_range(text, &range, &prefix);
    if (reason != NULL)
        return reader_complain(self->reader, at, QUOTED ": %s", text, reason);
    result = check_addresses(self, at, text, &range);
    if (result == 0)
        self->role->addresses = range;
    return result;
}

/* The index of the role that has the first `length` characters of `text` as its name, or roles_count. */
static size_t find_role(const struct policy *policy, const char *text, size_t length)
{
    size_t i = 0;

    while (i < policy->roles_count &&
           (strlen(policy->roles[i].name) != length || memcmp(policy->roles[i].name, text, length) != 0))
        i++;
    return i;
}

static int complain_duplicate(const struct role_reader *self, const struct place *at, const char *text)
{
    return reader_complain(self->reader, at, QUOTED ": stands in this list already", text);
}

static int read_target(const struct role_reader *self, const struct place *at, const char *text)
{
    const struct policy *policy = self->policy;
    struct policy_role *role = self->role;
    const char *colon = strchr(text, ':');
    struct policy_target target = {0};
    const char *reason = NULL;

    if (strcmp(text, POLICY_PROXY_ROLE) == 0) {
        if (role->reach_proxy)
            return complain_duplicate(self, at, text);
        role->reach_proxy = true;
        return 0;
    }
    if (strncmp(text, POLICY_PROXY_ROLE ":", strlen(POLICY_PROXY_ROLE ":")) == 0)
        return reader_complain(self->reader, at,
                               QUOTED ": the proxy is reached at $.proxy.port; write \"proxy\"", text);
    if (colon == NULL)
        return reader_complain(self->reader, at, QUOTED ": neither \"proxy\" nor of the form ROLE:PORT",
                               text);
    target.role = (unsigned)find_role(policy, text, (size_t)(colon - text));
    if (target.role == policy->roles_count)
        return reader_complain(self->reader, at, QUOTED ": there is no such role in $.roles", text);
    reason = text_port(colon + 1, &target.port);
    if (reason != NULL)
        return reader_complain(self->reader, at, QUOTED ": %s", text, reason);
    for (size_t i = 0; i < role->targets_count; i++)
        if (role->targets[i].role == target.role && role->targets[i].port == target.port)
            return complain_duplicate(self, at, text);
    role->targets[role->targets_count++] = target;
    return 0;
}

/* Names that the hosts file of a member gives to something else. */
static bool is_local_name(const struct policy *policy, const char *name)
{
    return strcmp(name, "localhost") == 0 || strcmp(name, "ip6-localhost") == 0 ||
           strcmp(name, "ip6-loopback") == 0 || strcmp(name, POLICY_PROXY_ROLE) == 0 ||
           find_role(policy, name, strlen(name)) < policy->roles_count;
}

static int read_host(const struct role_reader *self, const struct place *at, const char *text)
{
    struct policy_role *role = self->role;
    struct policy_host host = {0};
    const char *reason = text_host(text, &host);

    if (reason != NULL)
        return reader_complain(self->reader, at, QUOTED ": %s", text, reason);
    for (size_t i = 0; i < role->hosts_count; i++)
        if (role->hosts[i].port == host.port && role->hosts[i].subdomains == host.subdomains &&
            strcmp(role->hosts[i].name, host.name) == 0)
            return complain_duplicate(self, at, text);
    if (policy_passes_host(self->policy, &host) && is_local_name(self->policy, host.name))
        return reader_complain(self->reader, at,
                               QUOTED ": in /etc/hosts the name is a role's or the container's own; with "
                                      "$.proxy.sni or $.proxy.http it cannot be a host's, too",
                               text);
    role->hosts[role->hosts_count++] = host;
    return 0;
}

static int read_publish(const struct role_reader *self, const struct place *at, const char *text)
{
    struct policy_publish publish;
    const char *reason = text_publish(text, &publish);

    if (reason != NULL)
        return reader_complain(self->reader, at, QUOTED ": %s", text, reason);
    if (self->role->addresses.first != self->role->addresses.last)
        return reader_complain(
            self->reader, at,
            QUOTED ": only a role with one fixed address can be published, this one has a pool", text);
    for (size_t i = 0; i <= self->index; i++) {
        const struct policy_role *other = &self->policy->roles[i];

        for (size_t j = 0; j < other->publish_count; j++)
            if (other->publish[j].host_address == publish.host_address &&
                other->publish[j].host_port == publish.host_port)
                return reader_complain(self->reader, at,
                                       QUOTED ": role %s publishes at this address and port already", text,
                                       other->name);
    }
    self->role->publish[self->role->publish_count++] = publish;
    return 0;
}

static int read_socket(const struct role_reader *self, const struct place *at, const char *text)
{
    struct policy_role *role = self->role;
    const char *reason = text_path(text);
    char *copy = NULL;

    if (reason != NULL)
        return reader_complain(self->reader, at, QUOTED ": %s", text, reason);
    for (size_t i = 0; i < role->sockets_count; i++)
        if (strcmp(role->sockets[i], text) == 0)
            return complain_duplicate(self, at, text);
    copy = strdup(text);
    if (copy == NULL)
        return error_set(self->reader->err, ENOMEM, "read %s", self->reader->file);
    role->sockets[role->sockets_count++] = copy;
    return 0;
}

/* Reads the list `key` of the role: an array of its length goes to *array, `read_entry` fills and counts it.
 */
static int read_list(const struct role_reader *self, const struct place *at, json_t *object, const char *key,
                     size_t limit, size_t entry_size, void *array,
                     int (*read_entry)(const struct role_reader *, const struct place *, const char *))
{
    const struct place list_at = {.parent = at, .key = key};
    const json_t *list = json_object_get(object, key);
    void *entries = NULL;
    size_t count = 0;
    int result = reader_strings(self->reader, &list_at, list, limit, &count);

    if (result < 0 || count == 0)
        return result;
    entries = calloc(count, entry_size);
    if (entries == NULL)
        return error_set(self->reader->err, ENOMEM, "read %s", self->reader->file);
    memcpy(array, &entries, sizeof(entries));
    for (size_t i = 0; i < count && result == 0; i++)
        result = read_entry(self, &(struct place){.parent = &list_at, .index = i},
                            json_string_value(json_array_get(list, i)));
    return result;
}

static int read_links(const struct role_reader *self, const struct place *at, const json_t *value)
{
    static const char *const names[] = {
        [POLICY_LINKS_REMOVE] = "remove",
        [POLICY_LINKS_REFUSE] = "refuse",
        [POLICY_LINKS_KEEP] = "keep",
    };
    const char *text = NULL;
    int result = 0;

    if (value == NULL)
        return 0;
    result = reader_string(self->reader, at, value, &text);
    if (result < 0)
        return result;
    for (unsigned i = POLICY_LINKS_REMOVE; i <= POLICY_LINKS_KEEP; i++)
        if (strcmp(text, names[i]) == 0) {
            self->role->links = (enum policy_links)i;
            return 0;
        }
    return reader_complain(self->reader, at, QUOTED ": neither \"remove\" nor \"refuse\" nor \"keep\"", text);
}

static int read_lists(const struct role_reader *self, const struct place *at, json_t *object)
{
    struct policy_role *role = self->role;
    int result =
        read_list(self, at, object, "reach", REACH_MAX, sizeof(*role->targets), &role->targets, read_target);

    if (result == 0)
        result =
            read_list(self, at, object, "hosts", HOSTS_MAX, sizeof(*role->hosts), &role->hosts, read_host);
    if (result == 0 && role->hosts_count > 0 && !role->reach_proxy)
        result = reader_complain(self->reader, &(struct place){.parent = at, .key = "hosts"},
                                 "hosts are reached through the proxy, which this role may not reach; add "
                                 "\"proxy\" to its \"reach\"");
    if (result == 0)
        result = read_list(self, at, object, "publish", PUBLISH_MAX, sizeof(*role->publish), &role->publish,
                           read_publish);
    if (result == 0)
        result = read_list(self, at, object, "sockets", SOCKETS_MAX, sizeof(*role->sockets), &role->sockets,
                           read_socket);
    return result;
}

static int compare_numbers(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int compare_targets(const void *left, const void *right)
{
    const struct policy_target *a = left;
    const struct policy_target *b = right;

    return a->role != b->role ? compare_numbers(a->role, b->role) : compare_numbers(a->port, b->port);
}

static int compare_publish(const void *left, const void *right)
{
    const struct policy_publish *a = left;
    const struct policy_publish *b = right;

    return a->host_address != b->host_address ? compare_numbers(a->host_address, b->host_address)
                                              : compare_numbers(a->host_port, b->host_port);
}

static void sort_lists(struct policy_role *role)
{
    if (role->targets_count > 0)
        qsort(role->targets, role->targets_count, sizeof(*role->targets), compare_targets);
    if (role->publish_count > 0)
        qsort(role->publish, role->publish_count, sizeof(*role->publish), compare_publish);
}

int role_read(const struct reader *reader, const struct place *at, json_t *object,
              const struct policy *policy, struct policy_role *role)
{
    const struct role_reader self = {reader, policy, role, (size_t)(role - policy->roles)};
    int result = reader_object(reader, at, object, role_keys);

    if (result == 0)
        result = read_addresses(&self, &(struct place){.parent = at, .key = "addresses"},
                                json_object_get(object, "addresses"));
    if (result == 0)
        result = read_lists(&self, at, object);
    if (result == 0)
        result = read_links(&self, &(struct place){.parent = at, .key = "links"},
                            json_object_get(object, "links"));
    if (result == 0)
        result = reader_boolean(reader, &(struct place){.parent = at, .key = "nested"},
                                json_object_get(object, "nested"), &role->nested);
    if (result == 0)
        result = reader_boolean(reader, &(struct place){.parent = at, .key = "i386"},
                                json_object_get(object, "i386"), &role->i386);
    if (result == 0)
        sort_lists(role);
    return result;
}
