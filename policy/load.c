/* SPDX-License-Identifier: Apache-2.0
 *
 * Policy files on disk, the built-in network, and networks side by side.
 *
 * Invariant: a policy is what root wrote, or in a user's own networks that user (base/rootless.h), who is
 * root in his user namespace: there uid 0 is his, and everybody else's is another. Owner and mode are checked
 * on the descriptors that are read from, the directory's included (who may write there may replace any file
 * in it), and no symbolic link is followed. */
#include "policy/digest.h"
#include "policy/policy.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/rootless.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char suffix[] = ".json";

const char *policy_directory(void)
{
    static char path[PATH_MAX];
    const char *home = NULL;

    if (!rootless())
        return POLICY_DIRECTORY;
    home = rootless_config_home();
    if (home == NULL || snprintf(path, sizeof(path), "%s/sallyport/networks.d", home) >= (int)sizeof(path))
        return NULL;
    return path;
}

static void cleanup_policy_at(struct policy *policy)
{
    policy_free(policy);
}

/* In a user namespace the ids of everybody outside are one and the same, and so no name. */
static int refuse_owner(const char *path, uid_t owner, struct error *err)
{
    if (rootless()) {
        error_set(err, 0, "%s: not yours, and whose it is could change the policy", path);
        return error_advise(err, "write a file of your own");
    }
    error_set(err, 0, "%s: owned by user %u, who could change the policy", path, (unsigned)owner);
    return error_advise(err, "check what it says and run `chown root %s`", path);
}

/* Checks that nobody but root can have written what `fd` is. */
static int check_trusted(int fd, const char *path, mode_t type, struct error *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return error_set(err, errno, "stat %s", path);
    if ((st.st_mode & S_IFMT) != type)
        return error_set(err, 0, "%s: not a %s", path, type == S_IFDIR ? "directory" : "regular file");
    if (st.st_uid != 0)
        return refuse_owner(path, st.st_uid, err);
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        error_set(err, 0, "%s: writable by group or others, who could change the policy", path);
        return error_advise(err, "check what it says and run `chmod go-w %s`", path);
    }
    return 0;
}

static int refuse_homeless(struct error *err)
{
    error_set(err, 0, "find the policies: neither XDG_CONFIG_HOME nor HOME is set to an absolute path");
    return error_advise(err, "set one: for a hook, in its `env`");
}

/* Opens a directory of policy files. -ENOENT, with an error set, if there is none. */
static int open_directory(const char *path, int *ret_fd, struct error *err)
{
    cleanup_close int fd = -1;
    int result = 0;

    if (path == NULL)
        return refuse_homeless(err);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, errno, "open %s", path);
    result = check_trusted(fd, path, S_IFDIR, err);
    if (result == 0)
        *ret_fd = take_fd(&fd);
    return result;
}

/* Loads the network's file from the open directory. -ENOENT, with an error set, if there is none. */
static int load_file(int directory_fd, const char *directory, const char *network, struct policy *ret,
                     struct error *err)
{
    char path[PATH_MAX];
    char name[POLICY_NAME_SIZE + sizeof(suffix)];
    cleanup_free char *text = NULL;
    cleanup_close int fd = -1;
    size_t length = 0;
    int result = 0;

    snprintf(name, sizeof(name), "%s%s", network, suffix);
    if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
        return error_set(err, ENAMETOOLONG, "open %s", name);
    fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        result = error_set(err, errno, "open %s", path);
        return result == -ELOOP ? error_advise(err, "links are not followed: put the file itself there")
                                : result;
    }
    result = check_trusted(fd, path, S_IFREG, err);
    if (result == 0)
        result = file_read_fd(fd, path, POLICY_FILE_MAX, &text, &length, err);
    if (result == 0)
        result = policy_parse(text, length, path, network, ret, err);
    return result;
}

void policy_default(struct policy *ret)
{
    struct policy policy = {
        .network = POLICY_DEFAULT_NETWORK,
        .built_in = true,
        .subnet = 0x0ad00000, /* 10.208.0.0/20 */
        .prefix = 20,
        .host_address = 0x0ad00001,
        .proxy_address = 0x0ad00002,
        .proxy_port = 3128,
        .proxy_at = POLICY_PROXY_AT_HOST,
        .roles = {{
            .name = POLICY_DEFAULT_ROLE,
            .addresses = {0x0ad00800, 0x0ad00fff}, /* 10.208.8.0/21 */
            .reach_proxy = true,
        }},
        .roles_count = 1,
    };

    digest_policy(&policy, policy.digest);
    *ret = policy;
}

int policy_load(const char *directory, const char *network, struct policy *ret, struct error *err)
{
    cleanup_close int fd = -1;
    int result = 0;

    if (!policy_name_valid(network))
        return error_set(err, 0, "network \"%.80s\": not a name: " POLICY_NAME_RULE, network);
    result = open_directory(directory, &fd, err);
    if (result == 0)
        result = load_file(fd, directory, network, ret, err);
    if (result == -ENOENT && strcmp(network, POLICY_DEFAULT_NETWORK) == 0) {
        policy_default(ret);
        return 0;
    }
    if (result == -ENOENT)
        error_advise(err, "there is no network %s; write this file or correct the name", network);
    return result;
}

static int compare_subnets(const struct policy *policy, const struct policy *other, struct error *err)
{
    const unsigned prefix = policy->prefix < other->prefix ? policy->prefix : other->prefix;
    char own[16];
    char theirs[16];

    if (strcmp(policy->network, other->network) == 0 ||
        (policy->subnet ^ other->subnet) >> (32 - prefix) != 0)
        return 0;
    error_set(err, 0, "network %s: its subnet %s/%u overlaps %s/%u of the %snetwork %s", policy->network,
              policy_format_address(policy->subnet, own), policy->prefix,
              policy_format_address(other->subnet, theirs), other->prefix, other->built_in ? "built-in " : "",
              other->network);
    return error_advise(err, "give each network a subnet of its own");
}

/* The network whose file is called `name`; false if no network can have that file. */
static bool network_of_file(const char *name, char network[POLICY_NAME_SIZE])
{
    size_t length = strlen(name);
    size_t stem = length - (sizeof(suffix) - 1);

    if (length < sizeof(suffix) || stem >= POLICY_NAME_SIZE || strcmp(name + stem, suffix) != 0)
        return false;
    memcpy(network, name, stem);
    network[stem] = '\0';
    return policy_name_valid(network);
}

static int check_file(int fd, const char *directory, const char *file, const struct policy *policy,
                      struct error *err)
{
    __attribute__((cleanup(cleanup_policy_at))) struct policy other = {0};
    char network[POLICY_NAME_SIZE];
    int result = 0;

    if (!network_of_file(file, network) || strcmp(network, policy->network) == 0)
        return 0;
    result = load_file(fd, directory, network, &other, err);
    if (result < 0)
        return error_prefix(err, "network %s: cannot tell whether its subnet overlaps another one",
                            policy->network);
    return compare_subnets(policy, &other, err);
}

static int check_directory(int fd, const char *directory, const struct policy *policy, struct error *err)
{
    cleanup_directory DIR *stream = NULL;
    int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (duplicate < 0)
        return error_set(err, errno, "read %s", directory);
    stream = fdopendir(duplicate);
    if (stream == NULL) {
        close(duplicate);
        return error_set(err, ENOMEM, "read %s", directory);
    }
    for (;;) {
        const struct dirent *entry = NULL;
        int result = 0;

        errno = 0;
        entry = readdir(stream);
        if (entry == NULL)
            return errno == 0 ? 0 : error_set(err, errno, "read %s", directory);
        result = check_file(fd, directory, entry->d_name, policy, err);
        if (result < 0)
            return result;
    }
}

static int check_built_in(int fd, const struct policy *policy, struct error *err)
{
    struct policy built_in;

    if (fd >= 0 && faccessat(fd, POLICY_DEFAULT_NETWORK ".json", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 0; /* replaced by a file, which check_directory saw */
    policy_default(&built_in);
    return compare_subnets(policy, &built_in, err);
}

int policy_check_overlap(const char *directory, const struct policy *policy, struct error *err)
{
    cleanup_close int fd = -1;
    int result = open_directory(directory, &fd, err);

    if (result < 0 && result != -ENOENT)
        return result;
    result = fd >= 0 ? check_directory(fd, directory, policy, err) : 0;
    if (result == 0)
        result = check_built_in(fd, policy, err);
    return result;
}
