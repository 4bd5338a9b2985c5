/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/names.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "hook/document.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#define HOSTS "/etc/hosts"
#define HOSTS_FILE "sallyport-hosts"
#define RESOLV "/etc/resolv.conf"
#define RESOLV_FILE "sallyport-resolv.conf"

/* Whether the mount covers exactly `path`, however many slashes it is written with. */
static bool mounts_at(const json_t *mount, const char *path)
{
    const char *destination = json_string_value(json_object_get(mount, "destination"));

    if (destination == NULL)
        return false;
    while (*destination != '\0' || *path != '\0') {
        if (*destination == '/') {
            destination += strspn(destination, "/");
            if (*path != '/')
                return *path == '\0' && *destination == '\0';
            path++;
        } else if (*destination++ != *path++) {
            return false;
        }
    }
    return true;
}

static json_t *find(json_t *mounts, const char *path)
{
    for (size_t i = 0; i < json_array_size(mounts); i++)
        if (mounts_at(json_array_get(mounts, i), path))
            return json_array_get(mounts, i);
    return NULL;
}

/* Removes every mount at the path and appends ours: last, so that no later mount hides it. */
static int replace_mount(json_t *mounts, const char *path, const char *source, struct error *err)
{
    json_t *mount = json_pack("{s:s, s:s, s:s, s:[s,s,s,s,s]}", "destination", path, "type", "bind", "source",
                              source, "options", "bind", "ro", "nosuid", "nodev", "noexec");

    for (size_t i = json_array_size(mounts); i > 0; i--)
        if (mounts_at(json_array_get(mounts, i - 1), path))
            json_array_remove(mounts, i - 1);
    if (mount == NULL || json_array_append_new(mounts, mount) < 0)
        return error_set(err, ENOMEM, "mount %s (a path that is not UTF-8, or no memory)", path);
    return 0;
}

/* The hostname as it may stand in a hosts file, or NULL: it comes from whoever starts the container. */
static const char *hostname_of(const json_t *config)
{
    const char *name = json_string_value(json_object_get(config, "hostname"));

    if (name == NULL || name[0] == '\0' || strlen(name) > 253)
        return NULL;
    for (const char *c = name; *c != '\0'; c++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_", *c) == NULL)
            return NULL;
    return name;
}

static void print_hosts(FILE *out, const json_t *config, const struct policy *policy)
{
    const char *hostname = hostname_of(config);
    char address[16];

    fprintf(out, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    fprintf(out, "%s\t%s\n", policy_format_address(policy->proxy_address, address), POLICY_PROXY_ROLE);
    for (size_t i = 0; i < policy->roles_count; i++)
        if (policy->roles[i].addresses.first == policy->roles[i].addresses.last)
            fprintf(out, "%s\t%s\n", policy_format_address(policy->roles[i].addresses.first, address),
                    policy->roles[i].name);
    /* Last: the first line of a name counts, so that a hostname never hides a member. */
    if (hostname != NULL)
        fprintf(out, "127.0.1.1\t%s\n", hostname);
}

static int write_files(int directory, const json_t *config, const struct policy *policy, struct error *err)
{
    static const char resolv[] =
        "# There is no DNS in this network: names of members are in /etc/hosts, and the proxy\n"
        "# resolves every other name.\n";
    cleanup_free char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    int result = 0;

    if (out == NULL)
        return error_set(err, errno, "write %s", HOSTS_FILE);
    print_hosts(out, config, policy);
    if (fclose(out) != 0)
        return error_set(err, errno, "write %s", HOSTS_FILE);
    result = file_replace_at(directory, HOSTS_FILE, text, length, 0644, err);
    return result < 0 ? result : file_replace_at(directory, RESOLV_FILE, resolv, strlen(resolv), 0644, err);
}

/* Opens the directory of the engine's own file. Returns 0 and -1 in *ret where the engine mounts none. */
static int open_engine_directory(json_t *mounts, int *ret, char *ret_path, struct error *err)
{
    const json_t *mount = find(mounts, RESOLV);
    const char *source = NULL;
    char *slash = NULL;
    int fd = -1;

    if (mount == NULL)
        mount = find(mounts, HOSTS);
    source = json_string_value(json_object_get(mount, "source"));
    if (source == NULL || source[0] != '/' || strlen(source) >= PATH_MAX) {
        *ret = -1;
        return 0;
    }
    strcpy(ret_path, source);
    slash = strrchr(ret_path, '/');
    *slash = '\0';
    /* The host's own /etc/resolv.conf may be mounted directly: nothing of ours belongs beside it. */
    if (strcmp(ret_path, "/etc") == 0 || ret_path[0] == '\0') {
        *ret = -1;
        return 0;
    }
    fd = open(ret_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, errno, "open %s", ret_path);
    *ret = fd;
    return 0;
}

static int mount_from(json_t *config, json_t *mounts, int directory, const char *path,
                      const struct policy *policy, struct error *err)
{
    char hosts[PATH_MAX];
    char resolv[PATH_MAX];
    int result = 0;

    if (strlen(path) + sizeof("/" RESOLV_FILE) > PATH_MAX)
        return error_set(err, ENAMETOOLONG, "%s", path);
    snprintf(hosts, sizeof(hosts), "%s/" HOSTS_FILE, path);
    snprintf(resolv, sizeof(resolv), "%s/" RESOLV_FILE, path);
    result = write_files(directory, config, policy, err);
    if (result == 0)
        result = replace_mount(mounts, HOSTS, hosts, err);
    return result < 0 ? result : replace_mount(mounts, RESOLV, resolv, err);
}

int names_mount(json_t *config, int directory, const char *directory_path, const struct policy *policy,
                struct error *err)
{
    json_t *mounts = document_array(config, "mounts");
    cleanup_close int engine = -1;
    char path[PATH_MAX];
    int result = 0;

    if (mounts == NULL)
        return error_set(err, 0, "config.json: mounts is not an array");
    if (directory >= 0)
        return mount_from(config, mounts, directory, directory_path, policy, err);
    result = open_engine_directory(mounts, &engine, path, err);
    if (result < 0 || engine < 0)
        return result;
    return mount_from(config, mounts, engine, path, policy, err);
}
