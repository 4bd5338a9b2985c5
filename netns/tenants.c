/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/tenants.h"

#include "base/cleanup.h"
#include "netns/link.h"
#include "netns/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { START_FIELD = 22 }; /* of /proc/PID/stat, see proc(5); the second one is the name in parentheses */

bool tenants_parse_start(const char *stat, uint64_t *ret_ticks)
{
    const char *at = strrchr(stat, ')'); /* the name itself may have parentheses and spaces */
    unsigned long long ticks = 0;
    char *end = NULL;

    for (int field = 2; at != NULL && field < START_FIELD; field++) {
        at = strchr(at, ' ');
        at = at != NULL ? at + 1 : NULL;
    }
    if (at == NULL || *at < '0' || *at > '9')
        return false;
    errno = 0;
    ticks = strtoull(at, &end, 10);
    if (errno != 0 || (*end != ' ' && *end != '\n' && *end != '\0'))
        return false;
    *ret_ticks = ticks;
    return true;
}

/* A process that is gone, or cannot be read, has no start. */
static bool read_start(int proc, const char *pid, uint64_t *ret_ticks)
{
    char path[64];
    char text[1024];
    cleanup_close int fd = -1;
    ssize_t length = 0;

    snprintf(path, sizeof(path), "%.16s/stat", pid);
    fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    length = read(fd, text, sizeof(text) - 1);
    if (length <= 0)
        return false;
    text[length] = '\0';
    return tenants_parse_start(text, ret_ticks);
}

static uint64_t seconds_since(uint64_t ticks)
{
    struct timespec now = {0};
    uint64_t started = ticks / (uint64_t)sysconf(_SC_CLK_TCK);

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec > started ? (uint64_t)now.tv_sec - started : 0;
}

/* Where a member lives, by the hub's number. */
struct dwelling {
    int32_t netnsid;
    struct tenant *tenant;
};

struct survey {
    struct netlink *netlink;
    int proc;
    struct dwelling *dwellings; /* in order of their numbers */
    size_t count;
    bool blind; /* some process may not be looked at */
};

static int by_number(const void *a, const void *b)
{
    const struct dwelling *first = a;
    const struct dwelling *second = b;

    return (first->netnsid > second->netnsid) - (first->netnsid < second->netnsid);
}

static int list_dwellings(const struct hub_member *members, size_t count, struct tenant *tenants,
                          struct survey *survey, struct error *err)
{
    survey->dwellings = calloc(count + 1, sizeof(*survey->dwellings));
    if (survey->dwellings == NULL)
        return error_set(err, ENOMEM, "list members");
    for (size_t i = 0; i < count; i++)
        if (!members[i].host && members[i].netnsid >= 0)
            survey->dwellings[survey->count++] = (struct dwelling){members[i].netnsid, &tenants[i]};
    qsort(survey->dwellings, survey->count, sizeof(*survey->dwellings), by_number);
    return 0;
}

static void settle_tenant(const struct survey *survey, const char *pid, int netns, struct tenant *tenant)
{
    struct stat status = {.st_ino = 0};
    uint64_t ticks = 0;
    uint64_t seconds = 0;

    if (!read_start(survey->proc, pid, &ticks) || fstat(netns, &status) < 0)
        return;
    seconds = seconds_since(ticks);
    if (tenant->use == USE_LIVE && seconds <= tenant->seconds)
        return;
    *tenant = (struct tenant){
        .use = USE_LIVE, .pid = (pid_t)strtol(pid, NULL, 10), .netns = status.st_ino, .seconds = seconds};
}

/* The first with the number; NULL if there is none. */
static const struct dwelling *find_dwelling(const struct survey *survey, int32_t number)
{
    const struct dwelling wanted = {.netnsid = number};
    const struct dwelling *found =
        bsearch(&wanted, survey->dwellings, survey->count, sizeof(wanted), by_number);

    while (found != NULL && found > survey->dwellings && found[-1].netnsid == number)
        found--;
    return found;
}

/* As in netns/use.c: one that is gone is in no namespace, and process 1 may be closed even to root. */
static int look_at_process(struct survey *survey, const char *pid, struct error *err)
{
    char path[64];
    const struct dwelling *at = NULL;
    cleanup_close int netns = -1;
    int32_t number = -1;
    int result = 0;

    snprintf(path, sizeof(path), "%.16s/ns/net", pid);
    netns = openat(survey->proc, path, O_RDONLY | O_CLOEXEC);
    if (netns < 0) {
        survey->blind = survey->blind || (errno != ENOENT && errno != ESRCH && strcmp(pid, "1") != 0);
        return 0;
    }
    result = link_netnsid(survey->netlink, netns, &number, err);
    if (result == 0 && number >= 0)
        at = find_dwelling(survey, number);
    for (; at != NULL && at < survey->dwellings + survey->count && at->netnsid == number; at++)
        settle_tenant(survey, pid, netns, at->tenant);
    return result;
}

static int walk(struct survey *survey, DIR *proc, struct error *err)
{
    const struct dirent *entry = NULL;

    survey->proc = dirfd(proc);
    while ((entry = readdir(proc)) != NULL) {
        const char *name = entry->d_name;
        int result = 0;

        if (name[0] != '\0' && strspn(name, "0123456789") == strlen(name))
            result = look_at_process(survey, name, err);
        if (result < 0)
            return result;
    }
    return 0;
}

int tenants_look(int hub, const struct hub_member *members, size_t count, struct tenant *tenants,
                 struct error *err)
{
    cleanup_close int own = namespace_open_own(err);
    cleanup_netlink struct netlink *netlink = NULL;
    cleanup_directory DIR *proc = NULL;
    struct survey survey = {.netlink = NULL};
    int result = own < 0 ? own : netlink_open_in(hub, own, NETLINK_ROUTE, &netlink, err);

    if (result < 0)
        return result;
    proc = opendir("/proc");
    if (proc == NULL)
        return error_set(err, errno, "open /proc");
    memset(tenants, 0, count * sizeof(*tenants));
    survey.netlink = netlink;
    result = list_dwellings(members, count, tenants, &survey, err);
    if (result == 0)
        result = walk(&survey, proc, err);
    for (size_t i = 0; i < count; i++)
        if (tenants[i].use == USE_NONE && survey.blind && !members[i].host)
            tenants[i].use = USE_UNKNOWN;
    free(survey.dwellings);
    return result;
}
