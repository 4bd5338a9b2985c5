/* SPDX-License-Identifier: Apache-2.0
 *
 * The squid that runs for a network: found, and told to read its configuration again.
 *
 * A pid file may be old and its number somebody else's. So the process is opened once (pidfd), what is behind
 * that is checked to be a squid with our configuration, and only the descriptor is used afterwards.
 *
 * squid takes the signal and does the work later, or ends over it. That it has done it is seen from outside,
 * whatever its log says: the listening socket at the proxy's address is another one. */
#include "cli/squid_process.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "cli/connections.h"
#include "cli/engine_process.h"

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
    STEP_MS = 5,
};

/* *ret is 0 if there is no pid file. */
static int read_pid(const char *network, pid_t *ret, struct error *err)
{
    cleanup_free char *text = NULL;
    char path[64];
    char *end = NULL;
    size_t length = 0;
    long pid = 0;
    int result = 0;

    snprintf(path, sizeof(path), "/run/sallyport-squid-%.12s.pid", network);
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

/* Anybody can call a program of his own squid: it is one if only root can write it, and the process is no
 * container's. */
static bool is_trusted(pid_t pid, const char *link)
{
    struct stat status;

    return stat(link, &status) == 0 && status.st_uid == 0 && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0 &&
           engine_process_on_host(pid);
}

/* By its program: a name is the process's own to choose. The file may have been replaced by an upgrade. Who
 * may not look must not take it for none. */
static int is_squid(pid_t pid, bool *ret, struct error *err)
{
    char link[64];
    char path[PATH_MAX];
    ssize_t length = 0;
    const char *name = NULL;

    snprintf(link, sizeof(link), "/proc/%d/exe", pid);
    length = readlink(link, path, sizeof(path) - 1);
    if (length < 0 && errno != ENOENT && errno != ESRCH)
        return error_set(err, errno, "find out whether process %d is squid", pid);
    path[length < 0 ? 0 : length] = '\0';
    name = strrchr(path, '/');
    *ret = name != NULL && (strcmp(name, "/squid") == 0 || strcmp(name, "/squid (deleted)") == 0) &&
           is_trusted(pid, link);
    return 0;
}

/* What follows the last -f, which may end a cluster of options (-NYCf), or NULL: squid's default. The text
 * has one argument after the other, each with a NUL. */
static const char *config_argument(const char *text, size_t length)
{
    const char *end = text + length;
    const char *config = NULL;

    for (const char *argument = text; argument < end; argument += strlen(argument) + 1) {
        const char *next = argument + strlen(argument) + 1;

        if (argument[0] != '-' || argument[1] == '-' || argument[1] == '\0')
            continue;
        if (argument[1] == 'f' && argument[2] != '\0')
            config = argument + 2;
        else if (next[-2] == 'f' && next < end)
            config = next;
    }
    return config;
}

static int check_config(pid_t pid, const char *config, struct error *err)
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
    used = config_argument(command, length);
    if (used != NULL && strcmp(used, config) == 0)
        return 0;
    error_set(err, 0, "squid (process %d) runs with %s", pid,
              used != NULL ? used : "its default configuration");
    return error_advise(err, "start it with `-f %s`, or give its file with --config", config);
}

int squid_process_find(const char *network, const char *config, struct squid_process *ret, struct error *err)
{
    cleanup_close int pidfd = -1;
    bool squid = false;
    pid_t pid = 0;
    int result = read_pid(network, &pid, err);

    if (result < 0)
        return result;
    if (pid > 0) {
        pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0 && errno != ESRCH)
            return error_set(err, errno, "open squid (process %d)", pid);
    }
    if (pidfd >= 0)
        result = is_squid(pid, &squid, err);
    if (result == 0 && squid)
        result = check_config(pid, config, err);
    if (result < 0)
        return result;
    *ret = (struct squid_process){.pidfd = squid ? take_fd(&pidfd) : -1, .pid = pid};
    return 0;
}

void squid_process_close(struct squid_process *process)
{
    if (process->pidfd >= 0)
        close(process->pidfd);
    process->pidfd = -1;
}

static int complain(const struct squid_process *process, const struct policy *policy, const char *what,
                    struct error *err)
{
    error_set(err, 0, "squid (process %d) %s", process->pid, what);
    return error_advise(err, "see /var/log/squid/sallyport-%s.cache and start squid again", policy->network);
}

/* Until another socket listens than the one with the inode `before`. */
static int await_listener(const struct squid_process *process, const struct policy *policy, uint32_t before,
                          uint32_t *ret_inode, struct error *err)
{
    struct pollfd ended = {.fd = process->pidfd, .events = POLLIN};

    for (int waited = 0; waited < RECONFIGURE_MS; waited += STEP_MS) {
        uint32_t inode = 0;
        int result = connections_listener(policy->proxy_address, policy->proxy_port, &inode, err);

        if (result < 0)
            return result;
        if (inode != 0 && inode != before) {
            *ret_inode = inode;
            return 0;
        }
        if (poll(&ended, 1, STEP_MS) > 0)
            return complain(process, policy, "ended before it listened with the new configuration", err);
    }
    return complain(process, policy, "does not listen with the new configuration", err);
}

int squid_process_reconfigure(const struct squid_process *process, const struct policy *policy,
                              struct error *err)
{
    uint32_t before = 0;
    uint32_t after = 0;
    /* One that is starting still dies of the signal; when it listens, it knows what to do with it. */
    int result = await_listener(process, policy, 0, &before, err);

    if (result < 0)
        return result;
    if (syscall(SYS_pidfd_send_signal, process->pidfd, SIGHUP, NULL, 0) < 0)
        return error_set(err, errno, "signal squid (process %d)", process->pid);
    return await_listener(process, policy, before, &after, err);
}
