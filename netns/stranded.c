/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/stranded.h"

#include "base/cleanup.h"
#include "netns/guard.h"
#include "netns/link.h"
#include "netns/member.h"
#include "netns/namespace.h"
#include "netns/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct search {
    const struct policy *policy;
    struct findings *findings;
    int own;
    int proc;
    ino_t *seen; /* every namespace that was entered */
    size_t count;
};

/* Whether the namespace is new, which it is not again. */
static int is_new(struct search *search, int netns, struct error *err)
{
    struct stat status;
    ino_t *more = NULL;

    if (fstat(netns, &status) < 0)
        return error_set(err, errno, "look at a network namespace");
    for (size_t i = 0; i < search->count; i++)
        if (search->seen[i] == status.st_ino)
            return 0;
    more = reallocarray(search->seen, search->count + 1, sizeof(*more));
    if (more == NULL)
        return error_set(err, ENOMEM, "look for members");
    search->seen = more;
    search->seen[search->count++] = status.st_ino;
    return 1;
}

static bool has_guard(const struct search *search, int netns)
{
    const struct guard guards[] = {{.subnet = policy_subnet(search->policy), .only_sp0 = true},
                                   {.subnet = policy_subnet(search->policy)}};
    cleanup_netlink struct netlink *nf = NULL;
    struct error unimportant;

    if (netlink_open_in(netns, search->own, NETLINK_NETFILTER, &nf, &unimportant) < 0)
        return false;
    for (size_t i = 0; i < array_size(guards); i++)
        if (guard_check(nf, &guards[i], &unimportant) == 0)
            return true;
    return false;
}

static bool lacks_link(const struct search *search, int netns)
{
    cleanup_netlink struct netlink *netlink = NULL;
    struct error unimportant;
    struct link link;

    return netlink_open_in(netns, search->own, NETLINK_ROUTE, &netlink, &unimportant) == 0 &&
           link_find(netlink, MEMBER_LINK, &link, &unimportant) == -ENODEV;
}

static int look_at_process(struct search *search, const char *pid, struct error *err)
{
    char path[64];
    cleanup_close int netns = -1;
    int result = 0;

    snprintf(path, sizeof(path), "%.16s/ns/net", pid);
    netns = openat(search->proc, path, O_RDONLY | O_CLOEXEC);
    if (netns < 0)
        return 0;
    result = is_new(search, netns, err);
    if (result != 1)
        return result;
    if (lacks_link(search, netns) && has_guard(search, netns))
        finding_add(search->findings, "member-without-link",
                    "the container of process %.16s has lost its link and reaches nobody: restart it", pid);
    return 0;
}

static int walk(struct search *search, DIR *proc, struct error *err)
{
    const struct dirent *entry = NULL;
    int result = is_new(search, search->own, err);

    search->proc = dirfd(proc);
    while (result >= 0 && (entry = readdir(proc)) != NULL)
        if (strspn(entry->d_name, "0123456789") == strlen(entry->d_name))
            result = look_at_process(search, entry->d_name, err);
    return result < 0 ? result : 0;
}

int stranded_look(const struct policy *policy, struct findings *findings, struct error *err)
{
    cleanup_close int own = namespace_open_own(err);
    cleanup_directory DIR *proc = opendir("/proc");
    struct search search = {.policy = policy, .findings = findings, .own = own};
    int result = own;

    if (own >= 0 && proc == NULL)
        return error_set(err, errno, "open /proc");
    if (own >= 0)
        result = walk(&search, proc, err);
    free(search.seen);
    return result;
}
