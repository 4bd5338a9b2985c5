/* SPDX-License-Identifier: Apache-2.0
 *
 * The policy files: each can be loaded, no two overlap, and none is overlooked for its name. And the networks
 * that are up: each is as its policy says. */
#include "cli/check.h"

#include "base/cleanup.h"
#include "netns/hub.h"
#include "netns/namespace.h"
#include "netns/uplink_look.h"
#include "policy/policy.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUFFIX ".json"

/* Gives the policy away. */
static void keep(struct check_networks *networks, const struct policy *policy, bool up)
{
    struct check_network *list = reallocarray(networks->list, networks->count + 1, sizeof(*list));

    if (list == NULL)
        abort();
    networks->list = list;
    list[networks->count++] = (struct check_network){.policy = *policy, .up = up};
}

/* Everything that is not as the policy says; a list that is too long is cut off by who makes it. */
static int look(const struct policy *policy, int hub, struct findings *findings, struct error *err)
{
    cleanup_close int host = namespace_open_own(err);
    int result = host < 0 ? host : hub_check(policy, hub, err);

    return result < 0 ? result : uplink_look(policy, true, hub, host, findings, err);
}

/* Returns whether the network is up. */
static bool check_up(struct checks *checks, const struct policy *policy)
{
    static struct findings findings;
    struct error err = {0};
    cleanup_close int hub = hub_open(policy->network, &err);
    char text[96];
    char what[64];
    int result = 0;

    snprintf(what, sizeof(what), "network %s", policy->network);
    snprintf(text, sizeof(text), "not up; its first container brings it up, or `sallyport network up %s`",
             policy->network);
    if (hub == -ENOENT) {
        check_add(checks, CHECK_NOTE, what, text);
        return false;
    }
    findings = (struct findings){0};
    result = hub < 0 ? hub : look(policy, hub, &findings, &err);
    for (size_t i = 0; i < findings.count; i++)
        check_add(checks,
                  strcmp(findings.list[i].kind, FINDING_UPLINK_SYSCTL) == 0 ? CHECK_NOTE : CHECK_FAILED, what,
                  findings.list[i].text);
    if (result < 0)
        check_add(checks, CHECK_FAILED, what, err.text);
    else if (findings.count == 0)
        check_add(checks, CHECK_OK, what, "up, as its policy says");
    return hub >= 0;
}

static void check_network(struct checks *checks, const char *network, struct check_networks *networks)
{
    struct policy policy;
    struct error err = {0};
    char what[64];
    bool loaded = false;
    int result = policy_load(POLICY_DIRECTORY, network, &policy, &err);

    snprintf(what, sizeof(what), "policy of network %s", network);
    loaded = result == 0;
    if (loaded)
        result = policy_check_overlap(POLICY_DIRECTORY, &policy, &err);
    check_add_result(checks, CHECK_FAILED, what, result, &err);
    if (result == 0)
        keep(networks, &policy, check_up(checks, &policy));
    else if (loaded)
        policy_free(&policy);
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
static void check_files(struct checks *checks, DIR *directory, struct check_networks *networks)
{
    char network[POLICY_NAME_SIZE];
    size_t read = 0;
    size_t unread = 0;

    for (struct dirent *entry = NULL; (entry = readdir(directory)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (network_of(entry->d_name, network)) {
            check_network(checks, network, networks);
            read++;
        } else {
            unread++;
        }
    }
    if (read == 0)
        check_network(checks, POLICY_DEFAULT_NETWORK, networks);
    if (unread > 0)
        check_add(checks, CHECK_WARNING, "other files in " POLICY_DIRECTORY,
                  "nobody reads them; a policy is called NETWORK.json, where NETWORK is " POLICY_NAME_RULE);
}

void check_policies(struct checks *checks, struct check_networks *ret)
{
    cleanup_directory DIR *directory = opendir(POLICY_DIRECTORY);
    struct error err = {0};

    *ret = (struct check_networks){.list = NULL};
    if (directory != NULL) {
        check_files(checks, directory, ret);
    } else if (errno == ENOENT) {
        check_network(checks, POLICY_DEFAULT_NETWORK, ret);
    } else {
        error_set(&err, errno, "open " POLICY_DIRECTORY);
        check_add(checks, CHECK_FAILED, "policy files", err.text);
    }
}
