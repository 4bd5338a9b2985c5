/* SPDX-License-Identifier: Apache-2.0
 *
 * The policy files: each can be loaded, no two overlap, and none is overlooked for its name. */
#include "cli/check.h"

#include "base/cleanup.h"
#include "policy/policy.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SUFFIX ".json"

static void check_network(struct checks *checks, const char *network, bool *proxy_at_host)
{
    struct policy policy;
    struct error err = {0};
    char what[64];
    int result = policy_load(POLICY_DIRECTORY, network, &policy, &err);

    snprintf(what, sizeof(what), "policy of network %s", network);
    if (result == 0) {
        *proxy_at_host |= policy.proxy_at == POLICY_PROXY_AT_HOST;
        result = policy_check_overlap(POLICY_DIRECTORY, &policy, &err);
        policy_free(&policy);
    }
    check_add_result(checks, CHECK_FAILED, what, result, &err);
}

/* The network that has the file; false if nobody reads a file of this name. */
static bool network_of(const char *name, char network[POLICY_NAME_SIZE])
{
    size_t length = strlen(name);
    size_t stem = length - strlen(SUFFIX);

    if (length <= strlen(SUFFIX) || stem >= POLICY_NAME_SIZE || strcmp(name + stem, SUFFIX) != 0)
        return false;
    memcpy(network, name, stem);
    network[stem] = '\0';
    return policy_name_valid(network);
}

/* Files are counted, not named: a name may be anything. */
static void check_files(struct checks *checks, DIR *directory, bool *proxy_at_host)
{
    char network[POLICY_NAME_SIZE];
    size_t read = 0;
    size_t unread = 0;

    for (struct dirent *entry = NULL; (entry = readdir(directory)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (network_of(entry->d_name, network)) {
            check_network(checks, network, proxy_at_host);
            read++;
        } else {
            unread++;
        }
    }
    if (read == 0)
        check_network(checks, POLICY_DEFAULT_NETWORK, proxy_at_host);
    if (unread > 0)
        check_add(checks, CHECK_WARNING, "other files in " POLICY_DIRECTORY,
                  "nobody reads them; a policy is called NETWORK.json, where NETWORK is " POLICY_NAME_RULE);
}

void check_policies(struct checks *checks, bool *ret_proxy_at_host)
{
    cleanup_directory DIR *directory = opendir(POLICY_DIRECTORY);
    bool proxy_at_host = false;
    struct error err = {0};

    if (directory != NULL) {
        check_files(checks, directory, &proxy_at_host);
    } else if (errno == ENOENT) {
        check_network(checks, POLICY_DEFAULT_NETWORK, &proxy_at_host);
    } else {
        error_set(&err, errno, "open " POLICY_DIRECTORY);
        check_add(checks, CHECK_FAILED, "policy files", err.text);
    }
    *ret_proxy_at_host = proxy_at_host;
}
