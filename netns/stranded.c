/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/stranded.h"

#include "base/cleanup.h"
#include "netns/guard.h"
#include "netns/link.h"
#include "netns/maker.h"
#include "netns/member.h"
#include "netns/namespace.h"
#include "netns/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

struct search {
    const struct policy *policy;
    struct findings *findings;
    int own;
    int users; /* the caller's user namespace */
    int proc;
    ino_t *housed; /* the namespaces of tenants, in order */
    size_t housed_count;
    ino_t *seen; /* every other one that was entered */
    size_t seen_count;
};

static int by_number(const void *a, const void *b)
{
    ino_t first = *(const ino_t *)a;
    ino_t second = *(const ino_t *)b;

    return (first > second) - (first < second);
}

static int list_housed(struct search *search, const struct tenant *tenants, size_t count, struct error *err)
{
    search->housed = calloc(count + 1, sizeof(*search->housed));
    if (search->housed == NULL)
        return error_set(err, ENOMEM, "look for members");
    for (size_t i = 0; i < count; i++)
        if (tenants[i].use == USE_LIVE)
            search->housed[search->housed_count++] = tenants[i].netns;
    qsort(search->housed, search->housed_count, sizeof(*search->housed), by_number);
    return 0;
}

/* Whether the namespace is new, which it is not again. */
static int is_new(struct search *search, int netns, struct error *err)
{
    struct stat status;
    ino_t *more = NULL;

    if (fstat(netns, &status) < 0)
        return error_set(err, errno, "look at a network namespace");
    if (bsearch(&status.st_ino, search->housed, search->housed_count, sizeof(*search->housed), by_number) !=
        NULL)
        return 0;
    for (size_t i = 0; i < search->seen_count; i++)
        if (search->seen[i] == status.st_ino)
            return 0;
    more = reallocarray(search->seen, search->seen_count + 1, sizeof(*more));
    if (more == NULL)
        return error_set(err, ENOMEM, "look for members");
    search->seen = more;
    search->seen[search->seen_count++] = status.st_ino;
    return 1;
}

/* Any user of the host can make namespaces, and in them what looks like a member. */
static bool is_ours(const struct search *search, int netns)
{
    cleanup_close int users = ioctl(netns, NS_GET_USERNS);
    struct error unimportant;
    uid_t maker = 0;

    return users >= 0 && maker_find(users, search->users, &maker, &unimportant) == 0 && maker == geteuid();
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
    if (is_ours(search, netns) && lacks_link(search, netns) && has_guard(search, netns))
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

int stranded_look(const struct policy *policy, const struct tenant *tenants, size_t count,
                  struct findings *findings, struct error *err)
{
    cleanup_close int own = namespace_open_own(err);
    cleanup_close int users = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
    cleanup_directory DIR *proc = users >= 0 ? opendir("/proc") : NULL;
    struct search search = {.policy = policy, .findings = findings, .own = own, .users = users};
    int result = own;

    if (own >= 0 && proc == NULL)
        return error_set(err, errno, "look at the processes in /proc");
    if (own >= 0)
        result = list_housed(&search, tenants, count, err);
    if (result >= 0)
        result = walk(&search, proc, err);
    free(search.housed);
    free(search.seen);
    return result;
}
