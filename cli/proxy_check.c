/* SPDX-License-Identifier: Apache-2.0
 *
 * Asks a program whether it can read a configuration before it is put where the program will. squid that is
 * told to read a bad one ends, and with it everybody's way out.
 *
 * The text is handed over as a file without a name, so that nothing is left behind and what is checked is
 * exactly what is written afterwards. Programs are executed by absolute paths, with an empty environment. */
#include "cli/proxy_check.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
    CHECK_MS = 60 * 1000,
    OUTPUT_MAX = 1024 * 1024, /* bytes; squid says one line for each of the file's */
    CONFIG_FD = 3,
    ARGUMENTS_MAX = 6,
};

bool proxy_present(const struct proxy_kind *kind)
{
    return access(kind->program, X_OK) == 0;
}

/* In the child: never returns. What it prints goes to `output`, the configuration is CONFIG_FD. */
static void exec_check(const struct proxy_kind *kind, int config, int output)
{
    const char *arguments[ARGUMENTS_MAX] = {kind->program};
    char *const environment[] = {NULL};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    size_t count = 1;

    for (size_t i = 0; kind->check[i] != NULL; i++)
        arguments[count++] = kind->check[i];
    arguments[count++] = "/proc/self/fd/3";
    arguments[count] = NULL;
    /* First out of the way of the numbers that they are to have. */
    config = fcntl(config, F_DUPFD_CLOEXEC, 10);
    output = fcntl(output, F_DUPFD_CLOEXEC, 10);
    if (null < 0 || config < 0 || output < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(null, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0 || dup2(config, CONFIG_FD) < 0)
        _exit(127);
    execve(kind->program, (char *const *)arguments, environment);
    _exit(127);
}

/* Waits for the child's end, but not for ever. *ret_status is as of waitpid. */
static int await(const struct proxy_kind *kind, pid_t pid, int *ret_status, struct error *err)
{
    cleanup_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    bool late = pidfd < 0 || poll(&ended, 1, CHECK_MS) != 1;

    if (late)
        kill(pid, SIGKILL); /* not waited for yet: the number is still the child's */
    while (waitpid(pid, ret_status, 0) < 0)
        if (errno != EINTR)
            return error_set(err, errno, "wait for %s", kind->program);
    return late ? error_set(err, ETIMEDOUT, "%s %s", kind->program, kind->check[0]) : 0;
}

/* Whether the program says in this line why it refuses. */
static bool tells_reason(const struct proxy_kind *kind, const char *line)
{
    for (size_t i = 0; kind->reasons[i] != NULL; i++)
        if (strstr(line, kind->reasons[i]) != NULL)
            return true;
    return false;
}

static int complain(const struct proxy_kind *kind, int output, int status, struct error *err)
{
    cleanup_free char *text = NULL;
    char *position = NULL;
    char *line = NULL;
    size_t length = 0;

    if (lseek(output, 0, SEEK_SET) == 0 &&
        file_read_fd(output, kind->name, OUTPUT_MAX, &text, &length, err) == 0)
        for (line = strtok_r(text, "\n", &position); line != NULL && !tells_reason(kind, line);)
            line = strtok_r(NULL, "\n", &position);
    if (line != NULL) {
        const char *reason = strstr(line, kind->before_reason);

        error_set(err, 0, "%s refuses the configuration: %s", kind->program,
                  reason != NULL ? reason + strlen(kind->before_reason) : line);
        if (kind->needed != NULL)
            error_advise(err, "it takes %s", kind->needed);
        return -EINVAL;
    }
    if (WIFSIGNALED(status))
        return error_set(err, 0, "%s %s was killed by signal %d", kind->program, kind->check[0],
                         WTERMSIG(status));
    return error_set(err, 0, "%s %s ended with status %d", kind->program, kind->check[0],
                     WEXITSTATUS(status));
}

int proxy_check(const struct proxy_kind *kind, const char *text, size_t length, struct error *err)
{
    cleanup_close int config = memfd_create(kind->file, MFD_CLOEXEC);
    cleanup_close int output = memfd_create(kind->name, MFD_CLOEXEC);
    int status = 0;
    int result = 0;
    pid_t pid = 0;

    if (!proxy_present(kind)) {
        error_set(err, errno, "%s", kind->program);
        return error_advise(err, "`apt install %s", kind->package);
    }
    if (config < 0 || output < 0)
        return error_set(err, errno, "memfd_create");
    result = file_write_all(config, text, length);
    if (result < 0)
        return error_set(err, -result, "write the configuration for the check of %s", kind->name);
    pid = fork();
    if (pid < 0)
        return error_set(err, errno, "fork");
    if (pid == 0)
        exec_check(kind, config, output);
    result = await(kind, pid, &status, err);
    if (result < 0 || status == 0)
        return result;
    return complain(kind, output, status, err);
}
