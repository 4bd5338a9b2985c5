/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/child.h"

#include "base/cleanup.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

struct report {
    int result;
    struct error error;
};

/* Less than PIPE_BUF, so that the pipe takes it whole or not at all. */
_Static_assert(sizeof(struct report) < 4096, "a report must be written atomically");

static int report_to = -1; /* the parent; -1: this process is nobody's child */

__attribute__((noreturn)) static void end_child(const struct report *report)
{
    signal(SIGPIPE, SIG_IGN); /* nobody listens any more: the end is the same */
    _exit(write(report_to, report, sizeof(*report)) == (ssize_t)sizeof(*report) ? 0 : 1);
}

__attribute__((noreturn)) static void child(int (*work)(void *data, struct error *err), void *data, int to)
{
    struct report report = {0};

    report_to = to;
    report.result = work(data, &report.error);
    end_child(&report);
}

void child_end_here(const struct error *err)
{
    const struct report report = {-ECHILD, *err};

    if (report_to >= 0)
        end_child(&report);
    log_error(err);
    _exit(1);
}

static ssize_t read_report(int from, struct report *report)
{
    ssize_t n = 0;

    do
        n = read(from, report, sizeof(*report));
    while (n < 0 && errno == EINTR);
    return n;
}

int child_run(int (*work)(void *data, struct error *err), void *data, struct error *err)
{
    int ends[2] = {-1, -1};
    struct report report;
    ssize_t n = 0;
    pid_t pid = 0;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_set(err, errno, "make a pipe");
    pid = fork();
    if (pid < 0) {
        n = errno;
        close(ends[0]);
        close(ends[1]);
        return error_set(err, (int)n, "fork");
    }
    if (pid == 0)
        child(work, data, ends[1]);
    close(ends[1]);
    n = read_report(ends[0], &report);
    close(ends[0]);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (n != (ssize_t)sizeof(report))
        return error_set(err, ECHILD, "the child that worked in another namespace died");
    if (report.result < 0)
        *err = report.error;
    return report.result;
}

/* Whoever reads what the caller writes waits for the end of the streams. */
static void leave_streams(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (null < 0 || dup2(null, fd) < 0)
            close(fd);
}

void child_leave(int (*work)(void *data, struct error *err), void *data)
{
    struct error unheard;

    if (fork() != 0)
        return;
    setsid();
    leave_streams();
    _exit(work(data, &unheard) < 0 ? 1 : 0);
}
