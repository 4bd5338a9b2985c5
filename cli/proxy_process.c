/* SPDX-License-Identifier: Apache-2.0
 *
 * The programs that run for a network: found, and told to read their configuration again.
 *
 * A pid file may be old and its number somebody else's. So the process is opened once (pidfd), what is behind
 * that is checked to be the program with our configuration, and only the descriptor is used afterwards.
 *
 * A program takes the signal and does the work later, or ends over it. That it has done it is seen from
 * outside, whatever its log says. squid's listening socket at the proxy's address is another one. haproxy's
 * stays the same, handed from one worker to the next: there is another worker, and none of those that were
 * there before has the socket any more. */
#include "cli/proxy_process.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "cli/connections.h"
#include "cli/engine_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum {
    PID_FILE_MAX = 64,             /* bytes */
    COMMAND_MAX = 2 * 1024 * 1024, /* bytes of a command line */
    RECONFIGURE_MS = 30 * 1000,
    END_MS = 10 * 1000,
    STEP_MS = 5,
    WORKERS_MAX = 64, /* those of before, that still have connections */
};

/* *ret is 0 if there is no pid file. */
static int read_pid(const struct proxy_kind *kind, const char *network, pid_t *ret, struct error *err)
{
    cleanup_free char *text = NULL;
    char path[64];
    char *end = NULL;
    size_t length = 0;
    long pid = 0;
    int result = 0;

    snprintf(path, sizeof(path), "/run/sallyport-%s-%.12s.pid", kind->name, network);
    result = file_read_at(AT_FDCWD, path, PID_FILE_MAX, &text, &length, err);
    if (result == -ENOENT) {
        *ret = 0;
        return 0;
    }
    if (result < 0)
        return result;
    pid = strtol(text, &end, 10);
    if (pid <= 0 || pid > INT_MAX || end == text || (*end != '\0' && *end != '\n'))
        return error_set(err, 0, "%s: not a process id", path);
    *ret = (pid_t)pid;
    return 0;
}

/* Anybody can call a program of his own by that name: it is the one if only root can write it, and the
 * process is no container's. */
static bool is_trusted(pid_t pid, const char *link)
{
    struct stat status;

    return stat(link, &status) == 0 && status.st_uid == 0 && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0 &&
           engine_process_on_host(pid);
}

/* By its program: a name is the process's own to choose. The file may have been replaced by an upgrade. Who
 * may not look must not take it for none. */
static int is_kind(pid_t pid, const struct proxy_kind *kind, bool *ret, struct error *err)
{
    char link[64];
    char path[PATH_MAX] = "";
    char replaced[64];
    ssize_t length = 0;
    const char *name = NULL;

    snprintf(link, sizeof(link), "/proc/%d/exe", pid);
    length = readlink(link, path, sizeof(path) - 1);
    if (length < 0 && errno != ENOENT && errno != ESRCH)
        return error_set(err, errno, "find out whether process %d is %s", pid, kind->name);
    path[length < 0 ? 0 : length] = '\0';
    name = strrchr(path, '/');
    snprintf(replaced, sizeof(replaced), "%s (deleted)", kind->name);
    *ret = name != NULL && (strcmp(name + 1, kind->name) == 0 || strcmp(name + 1, replaced) == 0) &&
           is_trusted(pid, link);
    return 0;
}

/* What follows the last -f, which may end a cluster of squid's options (-NYCf), or NULL: the program's
 * default. The text has one argument after the other, each with a NUL. */
static const char *config_argument(const struct proxy_kind *kind, const char *text, size_t length)
{
    const char *end = text + length;
    const char *config = NULL;

    for (const char *argument = text; argument < end; argument += strlen(argument) + 1) {
        const char *next = argument + strlen(argument) + 1;

        if (argument[0] != '-' || argument[1] == '-' || argument[1] == '\0')
            continue;
        if (kind->clusters && argument[1] == 'f' && argument[2] != '\0')
            config = argument + 2;
        else if (next < end && (kind->clusters ? next[-2] == 'f' : strcmp(argument, "-f") == 0))
            config = next;
    }
    return config;
}

static int check_config(pid_t pid, const struct proxy_kind *kind, const char *config, struct error *err)
{
    cleanup_free char *command = NULL;
    const char *used = NULL;
    char path[64];
    size_t length = 0;
    int result = 0;

    snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
    result = file_read_at(AT_FDCWD, path, COMMAND_MAX, &command, &length, err);
    if (result < 0)
        return result;
    used = config_argument(kind, command, length);
    if (used != NULL && strcmp(used, config) == 0)
        return 0;
    error_set(err, 0, "%s (process %d) runs with %s", kind->name, pid,
              used != NULL ? used : "its default configuration");
    return error_advise(err, "start it with `-f %s`, or give its file with --config", config);
}

int proxy_process_find(const struct proxy_kind *kind, const char *network, const char *config,
                       struct proxy_process *ret, struct error *err)
{
    cleanup_close int pidfd = -1;
    bool own = false;
    pid_t pid = 0;
    int result = read_pid(kind, network, &pid, err);

    if (result < 0)
        return result;
    if (pid > 0) {
        pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0 && errno != ESRCH)
            return error_set(err, errno, "open %s (process %d)", kind->name, pid);
    }
    if (pidfd >= 0)
        result = is_kind(pid, kind, &own, err);
    if (result == 0 && own)
        result = check_config(pid, kind, config, err);
    if (result < 0)
        return result;
    *ret = (struct proxy_process){.kind = kind, .pidfd = own ? take_fd(&pidfd) : -1, .pid = pid};
    return 0;
}

void proxy_process_close(struct proxy_process *process)
{
    if (process->pidfd >= 0)
        close(process->pidfd);
    process->pidfd = -1;
}

static int complain(const struct proxy_process *process, const struct policy *policy, const char *what,
                    struct error *err)
{
    const struct proxy_kind *kind = process->kind;

    error_set(err, 0, "%s (process %d) %s", kind->name, process->pid, what);
    return error_advise(err, "see %s%s%s and start %s again", kind->log_before, policy->network,
                        kind->log_after, kind->name);
}

/* Returns 1 if it has ended. */
static int wait_a_moment(const struct proxy_process *process)
{
    struct pollfd ended = {.fd = process->pidfd, .events = POLLIN};

    return poll(&ended, 1, STEP_MS) > 0;
}

static int send_signal(const struct proxy_process *process, int signal, struct error *err)
{
    if (syscall(SYS_pidfd_send_signal, process->pidfd, signal, NULL, 0) < 0)
        return error_set(err, errno, "signal %s (process %d)", process->kind->name, process->pid);
    return 0;
}

int proxy_process_end(const struct proxy_process *process, const struct policy *policy, struct error *err)
{
    int result = send_signal(process, SIGTERM, err);

    for (int waited = 0; result == 0 && waited < END_MS; waited += STEP_MS)
        if (wait_a_moment(process))
            return 0;
    return result < 0 ? result : complain(process, policy, "does not end", err);
}

/* The socket that listens at the first of its ports, 0 if there is none. */
static int find_listener(const struct proxy_process *process, const struct policy *policy,
                         uint32_t *ret_inode, struct error *err)
{
    uint16_t ports[POLICY_PROXY_PORTS_MAX];

    process->kind->ports(policy, ports);
    return connections_listener(policy->proxy_address, ports[0], ret_inode, err);
}

/* Until another socket listens than the one with the inode `before`. */
static int await_listener(const struct proxy_process *process, const struct policy *policy, uint32_t before,
                          uint32_t *ret_inode, struct error *err)
{
    for (int waited = 0; waited < RECONFIGURE_MS; waited += STEP_MS) {
        uint32_t inode = 0;
        int result = find_listener(process, policy, &inode, err);

        if (result < 0)
            return result;
        if (inode != 0 && inode != before) {
            *ret_inode = inode;
            return 0;
        }
        if (wait_a_moment(process))
            return complain(process, policy, "ended before it listened with the new configuration", err);
    }
    return complain(process, policy, "does not listen with the new configuration", err);
}

int proxy_process_new_listener(const struct proxy_process *process, const struct policy *policy,
                               struct error *err)
{
    uint32_t before = 0;
    uint32_t after = 0;
    /* One that is starting still dies of the signal; when it listens, it knows what to do with it. */
    int result = await_listener(process, policy, 0, &before, err);

    if (result == 0)
        result = send_signal(process, process->kind->reload, err);
    return result < 0 ? result : await_listener(process, policy, before, &after, err);
}

struct workers {
    pid_t pids[WORKERS_MAX];
    size_t count;
};

/* The children of the process; none if it is gone. */
static int read_workers(pid_t pid, struct workers *ret, struct error *err)
{
    cleanup_free char *text = NULL;
    char *position = NULL;
    char path[64];
    size_t length = 0;
    int result = 0;

    *ret = (struct workers){.count = 0};
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
    result = file_read_at(AT_FDCWD, path, (size_t)PID_FILE_MAX * WORKERS_MAX, &text, &length, err);
    if (result < 0)
        return result == -ENOENT || result == -ESRCH ? 0 : result;
    for (char *word = strtok_r(text, " ", &position); word != NULL; word = strtok_r(NULL, " ", &position)) {
        if (ret->count == WORKERS_MAX)
            return error_set(err, EOVERFLOW, "list the workers of process %d", pid);
        ret->pids[ret->count++] = (pid_t)strtol(word, NULL, 10);
    }
    return 0;
}

static bool among(const struct workers *workers, pid_t pid)
{
    for (size_t i = 0; i < workers->count; i++)
        if (workers->pids[i] == pid)
            return true;
    return false;
}

/* Whether the process has the socket open. One that is gone has not. */
static int holds(pid_t pid, uint32_t inode, bool *ret, struct error *err)
{
    cleanup_directory DIR *directory = NULL;
    const struct dirent *entry = NULL;
    char path[64];
    char wanted[32];

    *ret = false;
    snprintf(wanted, sizeof(wanted), "socket:[%u]", inode);
    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    directory = opendir(path);
    if (directory == NULL)
        return errno == ENOENT || errno == ESRCH ? 0 : error_set(err, errno, "look at process %d", pid);
    while (!*ret && (entry = readdir(directory)) != NULL) {
        char target[64] = "";

        if (readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1) > 0)
            *ret = strcmp(target, wanted) == 0;
    }
    return 0;
}

/* Whether all that is accepted now is accepted by a worker that was not there before. */
static int is_taken_over(const struct proxy_process *process, const struct workers *before, uint32_t listener,
                         bool *ret, struct error *err)
{
    struct workers now;
    bool held = false;
    bool new = false;
    int result = read_workers(process->pid, &now, err);

    for (size_t i = 0; result == 0 && i < now.count && !held; i++) {
        if (among(before, now.pids[i]))
            result = holds(now.pids[i], listener, &held, err);
        else
            new = true;
    }
    *ret = new && !held;
    return result;
}

int proxy_process_new_worker(const struct proxy_process *process, const struct policy *policy,
                             struct error *err)
{
    struct workers before = {.count = 0};
    uint32_t listener = 0;
    bool taken_over = false;
    int result = await_listener(process, policy, 0, &listener, err);

    if (result == 0)
        result = read_workers(process->pid, &before, err);
    if (result == 0)
        result = send_signal(process, process->kind->reload, err);
    for (int waited = 0; result == 0 && waited < RECONFIGURE_MS; waited += STEP_MS) {
        result = is_taken_over(process, &before, listener, &taken_over, err);
        if (result < 0 || taken_over)
            return result;
        if (wait_a_moment(process))
            return complain(process, policy, "ended over the new configuration", err);
    }
    return result < 0 ? result : complain(process, policy, "goes on with the old configuration", err);
}
