/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/environment.h"

#include "base/cleanup.h"
#include "hook/document.h"
#include "hook/java_options.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Yarn from version 2 on reads YARN_HTTPS_PROXY only. */
static const char *const PROXIES[] = {"HTTP_PROXY",  "HTTPS_PROXY", "ALL_PROXY",       "http_proxy",
                                      "https_proxy", "all_proxy",   "YARN_HTTPS_PROXY"};
static const char *const EXCEPTIONS[] = {"NO_PROXY", "no_proxy"};
static const char JAVA[] = "JAVA_TOOL_OPTIONS";
static const char NODE[] = "NODE_USE_ENV_PROXY";

/* The index of the last "NAME=..." in the array (the one that a shell would keep), or -1. */
static long find(const json_t *env, const char *name)
{
    size_t length = strlen(name);

    for (size_t i = json_array_size(env); i > 0; i--) {
        const char *entry = json_string_value(json_array_get(env, i - 1));

        if (strncmp(entry, name, length) == 0 && entry[length] == '=')
            return (long)i - 1;
    }
    return -1;
}

/* The value that find finds, NULL if there is none. Borrowed. */
static const char *get(const json_t *env, const char *name)
{
    long at = find(env, name);

    return at < 0 ? NULL : json_string_value(json_array_get(env, (size_t)at)) + strlen(name) + 1;
}

/* Puts "NAME=value" in the place of the old entry, and removes every earlier one. */
static int set(json_t *env, const char *name, const char *value, struct error *err)
{
    long at = find(env, name);
    json_t *entry = json_sprintf("%s=%s", name, value);
    int result = at < 0 ? json_array_append_new(env, entry) : json_array_set_new(env, (size_t)at, entry);

    if (entry == NULL || result < 0)
        return error_set(err, ENOMEM, "set %s (a value that is not UTF-8, or no memory)", name);
    for (long i = at - 1; i >= 0; i--) {
        const char *old = json_string_value(json_array_get(env, (size_t)i));

        if (strncmp(old, name, strlen(name)) == 0 && old[strlen(name)] == '=')
            json_array_remove(env, (size_t)i);
    }
    return 0;
}

/* Whether "SCHEME://HOST:PORT/" names our proxy, by address or by the name that the hosts file gives it. */
static bool names_proxy(const char *value, const char *address, unsigned port)
{
    char by_address[32];
    char by_name[32];
    const char *host = strstr(value, "://");
    size_t length = 0;

    host = host != NULL ? host + strlen("://") : value;
    length = strcspn(host, "/");
    snprintf(by_address, sizeof(by_address), "%s:%u", address, port);
    snprintf(by_name, sizeof(by_name), "proxy:%u", port);
    return (length == strlen(by_address) && strncmp(host, by_address, length) == 0) ||
           (length == strlen(by_name) && strncmp(host, by_name, length) == 0);
}

static int set_proxies(json_t *env, const struct policy *policy, struct error *err)
{
    char address[16];
    char value[64];

    policy_format_address(policy->proxy_address, address);
    snprintf(value, sizeof(value), "http://%s:%u", address, policy->proxy_port);
    for (size_t i = 0; i < array_size(PROXIES); i++) {
        const char *old = get(env, PROXIES[i]);
        bool keep = old != NULL && names_proxy(old, address, policy->proxy_port);
        /* Also where it is kept: an earlier duplicate is what getenv(3) would find. */
        int result = set(env, PROXIES[i], keep ? old : value, err);

        if (result < 0)
            return result;
    }
    return 0;
}

/* Appends ",item" unless the comma-separated list has it. */
static void append_item(char *list, size_t size, const char *item)
{
    size_t length = strlen(item);
    size_t used = strlen(list);

    for (const char *at = list; *at != '\0'; at += *at != '\0') {
        size_t part = strcspn(at, ",");
        const char *start = at;

        while (part > 0 && isspace((unsigned char)*start)) {
            start++;
            part--;
        }
        if (part == length && strncmp(start, item, length) == 0)
            return;
        at = start + part;
    }
    snprintf(list + used, size - used, "%s%s", used > 0 ? "," : "", item);
}

/* The network's own names and addresses: they are reached directly or not at all. */
static void append_network(char *list, size_t size, const struct policy *policy)
{
    char item[32];
    char address[16];

    append_item(list, size, "localhost");
    append_item(list, size, "127.0.0.1");
    append_item(list, size, "::1");
    for (size_t i = 0; i < policy->roles_count; i++) {
        const struct policy_role *role = &policy->roles[i];

        if (role->addresses.first != role->addresses.last)
            continue;
        append_item(list, size, role->name);
        append_item(list, size, policy_format_address(role->addresses.first, address));
    }
    snprintf(item, sizeof(item), "%s/%u", policy_format_address(policy->subnet, address), policy->prefix);
    append_item(list, size, item);
}

static int set_exceptions(json_t *env, const struct policy *policy, struct error *err)
{
    for (size_t i = 0; i < array_size(EXCEPTIONS); i++) {
        const char *found = get(env, EXCEPTIONS[i]);
        const char *old = found != NULL ? found : "";
        size_t size = strlen(old) + (size_t)POLICY_ROLES_MAX * (POLICY_NAME_SIZE + 17) + 128;
        cleanup_free char *list = malloc(size);
        int result = 0;

        if (list == NULL)
            return error_set(err, ENOMEM, "set %s", EXCEPTIONS[i]);
        strcpy(list, old);
        append_network(list, size, policy);
        result = set(env, EXCEPTIONS[i], list, err);
        if (result < 0)
            return result;
    }
    return 0;
}

/* Merges the proxy's options, as `source` has them, into the process's own. */
static int merge_java(json_t *env, const char *source, struct error *err)
{
    const char *old = get(env, JAVA);
    cleanup_free char *options = NULL;
    int result = java_options_merge(old != NULL ? old : "", source, &options, err);

    return result < 0 ? result : set(env, JAVA, options, err);
}

static int set_java(json_t *env, const struct policy *policy, struct error *err)
{
    cleanup_free char *options = NULL;
    int result = java_options_of(policy, &options, err);

    return result < 0 ? result : merge_java(env, options, err);
}

/* Not a value that is there; but of several, the last. */
static int set_node(json_t *env, const char *value, struct error *err)
{
    const char *old = get(env, NODE);

    return set(env, NODE, old != NULL ? old : value, err);
}

int environment_set_proxy(json_t *process, const struct policy *policy, const struct policy_role *role,
                          struct error *err)
{
    json_t *env = document_array(process, "env");
    int result = 0;

    if (env == NULL)
        return error_set(err, 0, "config.json: process.env is not an array");
    if (role == &policy->proxy_role)
        return 0;
    if (role->reach_proxy) {
        result = set_proxies(env, policy, err);
        if (result == 0)
            result = set_java(env, policy, err);
        if (result == 0)
            result = set_node(env, "1", err);
    }
    return result < 0 ? result : set_exceptions(env, policy, err);
}

int environment_add_exception(json_t *process, const char *name, struct error *err)
{
    json_t *env = document_array(process, "env");
    int result = env == NULL ? error_set(err, 0, "process.env is not an array") : 0;

    for (size_t i = 0; result == 0 && i < array_size(EXCEPTIONS); i++) {
        const char *found = get(env, EXCEPTIONS[i]);
        const char *old = found != NULL ? found : "";
        size_t size = strlen(old) + strlen(name) + sizeof(",");
        cleanup_free char *list = malloc(size);

        if (list == NULL)
            return error_set(err, ENOMEM, "set %s", EXCEPTIONS[i]);
        strcpy(list, old);
        append_item(list, size, name);
        result = set(env, EXCEPTIONS[i], list, err);
    }
    return result;
}

static int copy(json_t *env, const json_t *from, const char *name, struct error *err)
{
    const char *value = get(from, name);

    return value == NULL ? 0 : set(env, name, value, err);
}

int environment_copy_proxy(json_t *process, const json_t *from, struct error *err)
{
    json_t *env = document_array(process, "env");
    const json_t *source = json_object_get(from, "env");
    const char *java = get(source, JAVA);
    const char *node = get(source, NODE);
    int result = env == NULL ? error_set(err, 0, "process.env is not an array") : 0;

    for (size_t i = 0; result == 0 && i < array_size(PROXIES); i++)
        result = copy(env, source, PROXIES[i], err);
    for (size_t i = 0; result == 0 && i < array_size(EXCEPTIONS); i++)
        result = copy(env, source, EXCEPTIONS[i], err);
    if (result == 0 && java != NULL && java_options_any(java))
        result = merge_java(env, java, err);
    if (result == 0 && node != NULL)
        result = set_node(env, node, err);
    return result;
}
