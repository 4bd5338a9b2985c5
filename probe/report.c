/* SPDX-License-Identifier: Apache-2.0
 *
 * What became of an attempt: the line, the time it took, the signal it died of. */
#include "probe/probe.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct timespec attempt_begin(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now;
}

double attempt_milliseconds(const struct timespec *begun)
{
    struct timespec now = attempt_begin();

    return (double)(now.tv_sec - begun->tv_sec) * 1e3 + (double)(now.tv_nsec - begun->tv_nsec) / 1e6;
}

static void print_error(int error)
{
    const char *name = error < 0 ? sigabbrev_np(-error) : strerrorname_np(error);

    if (name != NULL)
        printf("%s%s", error < 0 ? "SIG" : "", name);
    else
        printf("%d", error);
}

int report(const char *name, int error, const struct timespec *begun, const char *details)
{
    double milliseconds = attempt_milliseconds(begun);

    printf("%s result=%s", name, error == 0 ? "ok" : "failed");
    if (error != 0) {
        fputs(" error=", stdout);
        print_error(error);
    }
    printf(" ms=%.2f%s%s\n", milliseconds, details != NULL ? " " : "", details != NULL ? details : "");
    return error == 0 ? PROBE_OK : PROBE_FAILED;
}

int attempt_in_child(int (*attempt)(void *data), void *data)
{
    int status = 0;
    pid_t child = 0;

    fflush(stdout);
    child = fork();
    if (child < 0)
        return errno;
    if (child == 0) /* errno values are below 256 (asm-generic/errno.h) */
        _exit(attempt(data));
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return errno;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}
