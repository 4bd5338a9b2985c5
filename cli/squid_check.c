/* SPDX-License-Identifier: Apache-2.0
 *
 * Asks squid whether it can read a configuration before it is put where squid will. squid that is told to
 * read a bad one ends, and with it everybody's way out.
 *
 * The text is handed over as a file without a name, so that nothing is left behind and what is checked is
 * exactly what is written afterwards. squid is executed by its absolute path, with an empty environment. */
#include "cli/squid_check.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
    CHECK_MS = 60 * 1000,
    OUTPUT_MAX = 1024 * 1024, /* bytes; squid says one line for each of the file's */
    CONFIG_FD = 3,
};

bool squid_present(void)
{
    return access(SQUID_PROGRAM, X_OK) == 0;
}

/* In the child: never returns. Standard error is `output`, the configuration is CONFIG_FD. */
static void exec_squid(int config, int output)
{
    char path[] = "/proc/self/fd/3";
    char *const arguments[] = {(char[]){SQUID_PROGRAM}, (char[]){"-k"}, (char[]){"parse"},
                               (char[]){"-f"},          path,           NULL};
    char *const environment[] = {NULL};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    /* First out of the way of the numbers that they are to have. */
    config = fcntl(config, F_DUPFD_CLOEXEC, 10);
    output = fcntl(output, F_DUPFD_CLOEXEC, 10);
    if (null < 0 || config < 0 || output < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(null, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0 || dup2(config, CONFIG_FD) < 0)
        _exit(127);
    execve(SQUID_PROGRAM, arguments, environment);
    _exit(127);
}

/* Waits for the child's end, but not for ever. *ret_status is as of waitpid. */
static int await(pid_t pid, int *ret_status, struct error *err)
{
    cleanup_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    bool late = pidfd < 0 || poll(&ended, 1, CHECK_MS) != 1;

    if (late)
        kill(pid, SIGKILL); /* not waited for yet: the number is still the child's */
    while (waitpid(pid, ret_status, 0) < 0)
        if (errno != EINTR)
            return error_set(err, errno, "wait for " SQUID_PROGRAM);
    return late ? error_set(err, ETIMEDOUT, SQUID_PROGRAM " -k parse") : 0;
}

/* Whether squid says in this line why it refuses. */
static bool tells_reason(const char *line)
{
    static const char *const words[] = {"FATAL: ", "Bungled", "unrecognized: ", "ERROR: "};

    for (size_t i = 0; i < array_size(words); i++)
        if (strstr(line, words[i]) != NULL)
            return true;
    return false;
}

static int complain(int output, int status, struct error *err)
{
    cleanup_free char *text = NULL;
    char *position = NULL;
    char *line = NULL;
    size_t length = 0;

    if (lseek(output, 0, SEEK_SET) == 0 &&
        file_read_fd(output, "squid", OUTPUT_MAX, &text, &length, err) == 0)
        for (line = strtok_r(text, "\n", &position); line != NULL && !tells_reason(line);)
            line = strtok_r(NULL, "\n", &position);
    if (line != NULL) /* "DATE TIME| what" */
        return error_set(err, 0, SQUID_PROGRAM " refuses the configuration: %s",
                         strchr(line, '|') != NULL ? strchr(line, '|') + 2 : line);
    if (WIFSIGNALED(status))
        return error_set(err, 0, SQUID_PROGRAM " -k parse was killed by signal %d", WTERMSIG(status));
    return error_set(err, 0, SQUID_PROGRAM " -k parse ended with status %d", WEXITSTATUS(status));
}

int squid_check(const char *text, size_t length, struct error *err)
{
    cleanup_close int config = memfd_create("squid.conf", MFD_CLOEXEC);
    cleanup_close int output = memfd_create("squid", MFD_CLOEXEC);
    int status = 0;
    int result = 0;
    pid_t pid = 0;

    if (!squid_present()) {
        error_set(err, errno, SQUID_PROGRAM);
        return error_advise(err, "install squid");
    }
    if (config < 0 || output < 0)
        return error_set(err, errno, "memfd_create");
    result = file_write_all(config, text, length);
    if (result < 0)
        return error_set(err, -result, "write the configuration for squid's check");
    pid = fork();
    if (pid < 0)
        return error_set(err, errno, "fork");
    if (pid == 0)
        exec_squid(config, output);
    result = await(pid, &status, err);
    if (result < 0 || status == 0)
        return result;
    return complain(output, status, err);
}
