/* SPDX-License-Identifier: Apache-2.0
 *
 * Installs the filter in a process that is already there and waits: the only way in for a hook, because the
 * runtime has read the container's own seccomp configuration before it calls hooks.
 *
 * The process maps a page, we write the filter there, it calls seccomp(2) with TSYNC so that every thread
 * gets the filter or none, and unmaps the page. It is let go only after /proc has confirmed that every thread
 * has the filter: then nothing it ever starts can be without. */
#include "seccomp/seccomp.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "seccomp/remote.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* A call whose return value must be 0. Also a positive one is a failure: seccomp(2) with TSYNC returns the id
 * of a thread that has other filters. */
static int call_for_zero(struct remote *remote, const char *name, long number,
                         const uint64_t arguments[REMOTE_ARGUMENTS], struct error *err)
{
    int64_t value = 0;
    int result = remote_call(remote, number, arguments, &value, err);

    if (result < 0 || value == 0)
        return result;
    if (value > 0)
        return error_set(err, 0, "%s in the container's init %d: thread %lld has a filter of its own", name,
                         remote->pid, (long long)value);
    error_set(err, (int)-value, "%s in the container's init %d", name, remote->pid);
    return value == -EACCES ? error_advise(err, "it has neither CAP_SYS_ADMIN nor no_new_privs") : (int)value;
}

/* The layout of struct sock_fprog in the process's memory, followed by its instructions. */
static int write_program(const struct remote *remote, uint64_t address, const struct sock_fprog *filter,
                         struct error *err)
{
    struct sock_fprog header = {
        .len = filter->len,
        .filter = (struct sock_filter *)(uintptr_t)(address + sizeof(header)),
    };
    int result = remote_write(remote, address, &header, sizeof(header), err);

    if (result < 0)
        return result;
    return remote_write(remote, address + sizeof(header), filter->filter,
                        filter->len * sizeof(filter->filter[0]), err);
}

static int install_at(struct remote *remote, uint64_t address, const struct sock_fprog *filter,
                      struct error *err)
{
    /* SPEC_ALLOW as the runtimes do: without it older kernels slow the whole process down. */
    const uint64_t arguments[REMOTE_ARGUMENTS] = {
        SECCOMP_SET_MODE_FILTER,
        SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW,
        address,
    };
    int result = write_program(remote, address, filter, err);

    if (result < 0)
        return result;
    return call_for_zero(remote, "seccomp", SYS_seccomp, arguments, err);
}

static int install(struct remote *remote, const struct sock_fprog *filter, struct error *err)
{
    uint64_t length = sizeof(*filter) + filter->len * sizeof(filter->filter[0]);
    const uint64_t map[REMOTE_ARGUMENTS] = {
        0, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0,
    };
    uint64_t unmap[REMOTE_ARGUMENTS] = {0, length};
    int64_t address = 0;
    int result = remote_call(remote, SYS_mmap, map, &address, err);

    if (result < 0)
        return result;
    if (address < 0 && address > -4096)
        return error_set(err, (int)-address, "mmap in the container's init %d", remote->pid);
    unmap[0] = (uint64_t)address;
    result = install_at(remote, (uint64_t)address, filter, err);
    return result < 0 ? result : call_for_zero(remote, "munmap", SYS_munmap, unmap, err);
}

/* What /proc says about the filters of a thread. */
struct filters {
    long mode;
    long count; /* -1: the kernel does not say (before 5.9) */
};

static long number_after(const char *text, const char *key)
{
    const char *found = strstr(text, key);

    return found == NULL ? -1 : strtol(found + strlen(key), NULL, 10);
}

static int read_filters(int tasks, const char *thread, struct filters *ret, struct error *err)
{
    char name[32];
    cleanup_free char *status = NULL;
    size_t length = 0;
    int result = 0;

    snprintf(name, sizeof(name), "%.20s/status", thread);
    result = file_read_at(tasks, name, 1 << 16, &status, &length, err);
    if (result < 0)
        return result;
    ret->mode = number_after(status, "\nSeccomp:");
    ret->count = number_after(status, "\nSeccomp_filters:");
    return 0;
}

static int check_thread(int tasks, const char *thread, const struct filters *before, struct error *err)
{
    struct filters after = {0};
    int result = read_filters(tasks, thread, &after, err);

    if (result == -ENOENT || result == -ESRCH)
        return 0; /* ended since the directory was read */
    if (result < 0)
        return result;
    if (after.mode != SECCOMP_MODE_FILTER || (after.count >= 0 && after.count != before->count + 1))
        return error_set(err, 0, "thread %s of the container's init did not get the seccomp filter", thread);
    return 0;
}

static int check_threads(DIR *directory, const struct filters *before, struct error *err)
{
    const struct dirent *entry = NULL;
    unsigned checked = 0;

    while ((errno = 0, entry = readdir(directory)) != NULL) {
        int result = 0;

        if (entry->d_name[0] == '.')
            continue;
        result = check_thread(dirfd(directory), entry->d_name, before, err);
        if (result < 0)
            return result;
        checked++;
    }
    if (errno != 0 || checked == 0)
        return error_set(err, errno, "list the threads of the container's init");
    return 0;
}

static int install_and_check(struct remote *remote, const struct sock_fprog *filter, struct error *err)
{
    cleanup_directory DIR *tasks = NULL;
    struct filters before = {0};
    char path[64];
    int result = 0;

    snprintf(path, sizeof(path), "/proc/%d/task", remote->pid);
    tasks = opendir(path);
    if (tasks == NULL)
        return error_set(err, errno, "open %s", path);
    snprintf(path, sizeof(path), "%d", remote->pid);
    result = read_filters(dirfd(tasks), path, &before, err);
    if (result == 0)
        result = install(remote, filter, err);
    return result < 0 ? result : check_threads(tasks, &before, err);
}

int seccomp_inject(pid_t pid, int pidfd, const struct sock_fprog *filter, struct error *err)
{
    struct error ignored = {0};
    struct remote remote;
    int result = remote_attach(pid, pidfd, &remote, err);

    if (result < 0)
        return result;
    result = install_and_check(&remote, filter, err);
    if (result < 0) {
        remote_release(&remote, false, &ignored);
        return result;
    }
    return remote_release(&remote, true, err);
}
