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
#include <strings.h>
#include <sys/stat.h>

#define HOSTS "/etc/hosts"
#define RESOLV "/etc/resolv.conf"
#define HOSTNAME "/etc/hostname"

/* The next component of a path that counts (neither empty nor "."), its length in *ret_length; NULL at the
 * end. */
static const char *next_component(const char *path, size_t *ret_length)
{
    for (;;) {
        path += strspn(path, "/");
        *ret_length = strcspn(path, "/");
        if (*ret_length == 0)
            return NULL;
        if (*ret_length != 1 || path[0] != '.')
            return path;
        path++;
    }
}

/* Cleans the path in the way that runtimes do: absolute, without empty, "." and ".." components. The buffer
 * is as large as the path, and two characters. */
static void clean_path(const char *path, char *ret_clean)
{
    size_t length = 0;
    size_t end = 0;

    while ((path = next_component(path, &length)) != NULL) {
        if (length == 2 && strncmp(path, "..", 2) == 0) {
            while (end > 0 && ret_clean[--end] != '/')
                ;
        } else {
            ret_clean[end++] = '/';
            memcpy(ret_clean + end, path, length);
            end += length;
        }
        path += length;
    }
    ret_clean[end] = '\0';
}

/* Whether the mount covers exactly `path`, however it is written. */
static bool mounts_at(const json_t *mount, const char *path)
{
    const char *destination = json_string_value(json_object_get(mount, "destination"));
    char clean[PATH_MAX + 2];

    if (destination == NULL || strlen(destination) >= PATH_MAX)
        return false;
    clean_path(destination, clean);
    return strcmp(clean, path) == 0;
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

const char *names_hostname(const json_t *config)
{
    const char *name = json_string_value(json_object_get(config, "hostname"));

    if (name == NULL || name[0] == '\0' || strlen(name) > 253)
        return NULL;
    for (const char *c = name; *c != '\0'; c++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_", *c) == NULL)
            return NULL;
    return name;
}

/* Whether an earlier host of the role has the name, at the port of the other pass-through. */
static bool named_before(const struct policy *policy, const struct policy_role *role, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (role->hosts[i].port != role->hosts[index].port && policy_passes_host(policy, &role->hosts[i]) &&
            strcmp(role->hosts[i].name, role->hosts[index].name) == 0)
            return true;
    return false;
}

/* What the role reaches by its name alone, through the proxy's pass-through. The policy sees to it that none
 * of them is a role's name, or localhost. Returns whether `hostname` is one of them. */
static bool print_outside(FILE *out, const struct policy *policy, const struct policy_role *role,
                          const char *hostname)
{
    bool taken = false;
    char address[16];

    policy_format_address(policy->proxy_address, address);
    for (size_t i = 0; i < role->hosts_count; i++) {
        if (!policy_passes_host(policy, &role->hosts[i]) || named_before(policy, role, i))
            continue;
        fprintf(out, "%s\t%s\n", address, role->hosts[i].name);
        taken |= hostname != NULL && strcasecmp(hostname, role->hosts[i].name) == 0;
    }
    return taken;
}

static void print_hosts(FILE *out, const json_t *config, const struct policy *policy,
                        const struct policy_role *role)
{
    const char *hostname = names_hostname(config);
    char address[16];

    fprintf(out, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    fprintf(out, "%s\t%s\n", policy_format_address(policy->proxy_address, address), POLICY_PROXY_ROLE);
    for (size_t i = 0; i < policy->roles_count; i++)
        if (policy->roles[i].addresses.first == policy->roles[i].addresses.last)
            fprintf(out, "%s\t%s\n", policy_format_address(policy->roles[i].addresses.first, address),
                    policy->roles[i].name);
    /* Last: the first line of a name counts, so that a hostname never hides a member; nor a host outside,
     * of which some libraries would try this address as well. */
    if (!print_outside(out, policy, role, hostname) && hostname != NULL)
        fprintf(out, "127.0.1.1\t%s\n", hostname);
}

static int write_files(int directory, const json_t *config, const struct policy *policy,
                       const struct policy_role *role, struct error *err)
{
    static const char resolv[] =
        "# There is no DNS in this network: names of members are in /etc/hosts, and the proxy\n"
        "# resolves every other name.\n";
    cleanup_free char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    int result = 0;

    if (out == NULL)
        return error_set(err, errno, "write %s", NAMES_HOSTS_FILE);
    print_hosts(out, config, policy, role);
    if (fclose(out) != 0)
        return error_set(err, errno, "write %s", NAMES_HOSTS_FILE);
    result = file_replace_at(directory, NAMES_HOSTS_FILE, text, length, 0644, err);
    return result < 0 ? result
                      : file_replace_at(directory, NAMES_RESOLV_FILE, resolv, strlen(resolv), 0644, err);
}

/* Whether only root can change what stands at the canonical path: every directory on the way is root's, and
 * nobody else may write to it (or, as in /tmp, at least not replace what is in it). */
static bool only_root_changes(const char *path)
{
    char prefix[PATH_MAX];
    struct stat st;

    snprintf(prefix, sizeof(prefix), "%s", path);
    if (stat(prefix, &st) < 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return false;
    for (;;) {
        char *slash = strrchr(prefix, '/');

        if (stat(prefix[0] != '\0' ? prefix : "/", &st) < 0 || st.st_uid != 0 ||
            ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (st.st_mode & S_ISVTX) == 0))
            return false;
        if (slash == NULL)
            return true;
        *slash = '\0';
    }
}

/* Whether an engine keeps such a file there: under the name that it has in the container (so do Docker and
 * Podman), and not below /etc, where a file of ours could mean something to the host. */
static bool is_file_of_engine(const char *source, const char *path)
{
    return source != NULL && source[0] == '/' && strncmp(source, "/etc/", strlen("/etc/")) != 0 &&
           strcmp(strrchr(source, '/'), strrchr(path, '/')) == 0;
}

/* Opens the directory that holds the source of the mount at `path`. Whoever starts the container may have
 * chosen it: files of ours, which the runtime mounts later by name, must not lie where a member can replace
 * them. Returns 0 and -1 in *ret where there is none that is the engine's own. */
static int open_source_directory(json_t *mounts, const char *path, int *ret, char *ret_path,
                                 struct error *err)
{
    const char *source = json_string_value(json_object_get(find(mounts, path), "source"));
    cleanup_free char *directory = is_file_of_engine(source, path) ? strdup(source) : NULL;
    cleanup_free char *canonical = NULL;

    *ret = -1;
    if (directory == NULL)
        return 0;
    *strrchr(directory, '/') = '\0';
    canonical = realpath(directory, NULL);
    if (canonical == NULL || strlen(canonical) >= PATH_MAX)
        return 0;
    /* The host's own /etc/resolv.conf may be mounted directly: nothing of ours belongs beside it. */
    if (strcmp(canonical, "/etc") == 0 || strncmp(canonical, "/etc/", strlen("/etc/")) == 0 ||
        strcmp(canonical, "/") == 0 || !only_root_changes(canonical))
        return 0;
    *ret = open(canonical, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (*ret < 0)
        return error_set(err, errno, "open %s", canonical);
    strcpy(ret_path, canonical);
    return 0;
}

/* Podman keeps the three in one directory, and leaves out the first with --network none and --dns none, and
 * the second with --no-hosts. */
static int open_engine_directory(json_t *mounts, int *ret, char *ret_path, struct error *err)
{
    static const char *const FILES[] = {RESOLV, HOSTS, HOSTNAME};
    int result = 0;

    *ret = -1;
    for (size_t i = 0; i < array_size(FILES) && result == 0 && *ret < 0; i++)
        result = open_source_directory(mounts, FILES[i], ret, ret_path, err);
    return result;
}

static int mount_from(json_t *config, json_t *mounts, int directory, const char *path,
                      const struct policy *policy, const struct policy_role *role, struct error *err)
{
    char hosts[PATH_MAX];
    char resolv[PATH_MAX];
    int result = 0;

    if (strlen(path) + sizeof("/" NAMES_RESOLV_FILE) > PATH_MAX)
        return error_set(err, ENAMETOOLONG, "%s", path);
    snprintf(hosts, sizeof(hosts), "%s/" NAMES_HOSTS_FILE, path);
    snprintf(resolv, sizeof(resolv), "%s/" NAMES_RESOLV_FILE, path);
    result = write_files(directory, config, policy, role, err);
    if (result == 0)
        result = replace_mount(mounts, HOSTS, hosts, err);
    if (result < 0 || role->links == POLICY_LINKS_KEEP)
        return result;
    return replace_mount(mounts, RESOLV, resolv, err);
}

int names_mount(json_t *config, int directory, const char *directory_path, const struct policy *policy,
                const struct policy_role *role, struct error *err)
{
    json_t *mounts = document_array(config, "mounts");
    cleanup_close int engine = -1;
    char path[PATH_MAX];
    int result = 0;

    if (mounts == NULL)
        return error_set(err, 0, "config.json: mounts is not an array");
    if (role == &policy->proxy_role)
        return 0;
    if (directory >= 0)
        return mount_from(config, mounts, directory, directory_path, policy, role, err);
    result = open_engine_directory(mounts, &engine, path, err);
    if (result < 0 || engine < 0)
        return result;
    return mount_from(config, mounts, engine, path, policy, role, err);
}
