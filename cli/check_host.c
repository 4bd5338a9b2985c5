/* SPDX-License-Identifier: Apache-2.0
 *
 * What is not the kernel's and not a network's: who may replace what an engine executes as root, what stands
 * behind sallyport-runtime, the layout of cgroups, forwarding. */
#include "cli/check.h"

#include "base/cleanup.h"
#include "base/program.h"
#include "hook/runtime_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static int refuse_owner(const char *path, const struct stat *st, struct error *err)
{
    error_set(err, 0, "others than root may %s %s, and what is there is root's word",
              S_ISDIR(st->st_mode) ? "replace what is in" : "write", path);
    return error_advise(err, "`chown root %s && chmod go-w %s`", path, path);
}

/* Whether nobody but root can replace the file: not itself, and in no directory above it. In a directory with
 * the sticky bit nobody replaces what is root's. The text is cut off at each slash, and whole again. */
static int check_owner(char *path, struct error *err)
{
    for (char *slash = path; slash != NULL;) {
        struct stat st;
        bool good = true;
        int failed = 0;

        slash = strchr(slash + 1, '/');
        if (slash != NULL)
            *slash = '\0';
        failed = stat(path, &st);
        if (failed == 0)
            good = st.st_uid == 0 && ((st.st_mode & (S_IWGRP | S_IWOTH)) == 0 ||
                                      (S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX) != 0));
        if (failed < 0)
            return error_set(err, errno, "%s", path);
        if (!good)
            return refuse_owner(path, &st, err);
        if (slash != NULL)
            *slash = '/';
    }
    return 0;
}

static int check_path(const char *path, struct error *err)
{
    char real[PATH_MAX];

    return realpath(path, real) == NULL ? error_set(err, errno, "%s", path) : check_owner(real, err);
}

static int check_program(const char *name, struct error *err)
{
    char path[PATH_MAX];
    int result = program_path(name, path, err);

    if (result < 0)
        return result;
    if (access(path, X_OK) == 0)
        return check_path(path, err);
    error_set(err, errno, "%s", path);
    return error_advise(err, "install it beside `sallyport`");
}

static void check_programs(struct checks *checks)
{
    static const char *const programs[] = {"sallyport", "sallyport-runtime", "sallyport-hook"};
    struct error err = {0};
    int result = 0;

    for (size_t i = 0; i < array_size(programs) && result == 0; i++)
        result = check_program(programs[i], &err);
    check_add_result(checks, CHECK_FAILED, "programs that only root can replace", result, &err);
}

static void check_policy_directory(struct checks *checks)
{
    struct error err = {0};
    int result = access(SALLYPORT_CONFIGURATION, F_OK) < 0 ? 0 : check_path(SALLYPORT_CONFIGURATION, &err);

    check_add_result(checks, CHECK_FAILED, SALLYPORT_CONFIGURATION " that only root can change", result,
                     &err);
}

static void check_runtime(struct checks *checks)
{
    char path[PATH_MAX];
    struct error err = {0};
    int result = runtime_path_find(NULL, path, &err);

    if (result == 0)
        result = check_path(path, &err);
    check_add(checks, result < 0 ? CHECK_FAILED : CHECK_OK, "the runtime behind sallyport-runtime",
              result < 0 ? err.text : path);
}

static bool is_cgroup2(const char *path)
{
    struct statfs fs;

    return statfs(path, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

static void check_cgroups(struct checks *checks)
{
    if (is_cgroup2("/sys/fs/cgroup"))
        check_add(checks, CHECK_OK, "cgroups", "version 2");
    else if (is_cgroup2("/sys/fs/cgroup/unified"))
        check_add(
            checks, CHECK_WARNING, "cgroups",
            "version 1 with version 2 beside it, with which crun 1.8 and Podman 4.3 start no container: boot "
            "with `systemd.unified_cgroup_hierarchy=1`, or use runc");
    else if (access("/sys/fs/cgroup/pids", F_OK) == 0 || access("/sys/fs/cgroup/memory", F_OK) == 0)
        check_add(checks, CHECK_OK, "cgroups", "version 1");
    else
        check_add(
            checks, CHECK_WARNING, "cgroups",
            "none at /sys/fs/cgroup, and runtimes need them: `mount -t cgroup2 cgroup2 /sys/fs/cgroup`");
}

/* Of the host's own switches these are the two that people ask about. Neither opens anything: the uplink has
 * a table, a route and settings of its own (netns/uplink.h). */
static void check_forwarding(struct checks *checks)
{
    cleanup_close int fd = open("/proc/sys/net/ipv4/ip_forward", O_RDONLY | O_CLOEXEC);
    char value = '0';
    bool bridges = access("/proc/sys/net/bridge/bridge-nf-call-iptables", F_OK) == 0;

    if (fd < 0 || read(fd, &value, 1) != 1 || value == '0')
        check_add(checks, CHECK_OK, "forwarding", bridges ? "off; br_netfilter is loaded" : "off");
    else
        check_add(checks, CHECK_NOTE, "forwarding",
                  bridges ? "on, br_netfilter is loaded; neither concerns an uplink"
                          : "on; no uplink takes part");
}

void check_host(struct checks *checks)
{
    check_programs(checks);
    check_policy_directory(checks);
    check_runtime(checks);
    check_cgroups(checks);
    check_forwarding(checks);
}
