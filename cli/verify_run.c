/* SPDX-License-Identifier: Apache-2.0
 *
 * Running the throw-away container: what the probe says is cut into lines, and it is ended before its time
 * when a signal or a line says so. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/verify_container.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

enum {
    RUN_SECONDS = 300,
    END_MS = 20 * 1000,
    PAUSE_MS = 50,
};

struct reader {
    struct verify_lines *lines;
    void (*progress)(const struct verify_lines *lines);
    char line[VERIFY_LINE_MAX + 1];
    size_t length;
};

static int take_output(void *data, const char *text, size_t length, struct error *err)
{
    struct reader *reader = data;

    for (size_t i = 0; i < length; i++) {
        int result = 0;

        if (text[i] != '\n' && reader->length < sizeof(reader->line)) {
            reader->line[reader->length++] = text[i];
            continue;
        }
        /* A line without end arrives here too, one byte too long. */
        result = verify_lines_take(reader->lines, reader->line, reader->length, err);
        if (result < 0)
            return result;
        reader->length = 0;
        if (reader->progress != NULL)
            reader->progress(reader->lines);
    }
    return 0;
}

static int complain(struct command *command, int status, struct error *err)
{
    error_set(err, 0, "the container did not run (%s %d): %.400s",
              WIFSIGNALED(status) ? "signal" : "exit status",
              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), command_reason(command));
    return error_advise(err, "see the log of the system for what the hook said");
}

static int take_signal(void *data, struct error *err)
{
    const int *signals = data;
    struct signalfd_siginfo signal_info;

    if (read(*signals, &signal_info, sizeof(signal_info)) != sizeof(signal_info))
        return error_set(err, errno, "read a signal");
    error_set(err, 0, "ended by SIG%s before all was tried", sigabbrev_np((int)signal_info.ssi_signo));
    return -EINTR;
}

static int open_signals(struct error *err)
{
    sigset_t set;
    int fd = -1;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    fd = signalfd(-1, &set, SFD_CLOEXEC);
    return fd < 0 ? error_set(err, errno, "wait for signals") : fd;
}

/* Deletes the container, if there is one. Its result means nothing: there may be none any more. */
static void delete_container(const struct verify_container *container)
{
    struct error ignored = {0};

    (void)command_run(&container->end, -1, NULL, &ignored);
}

/* Ends the run before its time. A runtime or client that is killed while it makes a container leaves one, or
 * half of one, that nobody knows: so it is let finish, and the container is deleted as soon as there is one.
 */
static int end_early(const struct verify_container *container, pid_t child)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000L * 1000};
    const int64_t end = clock_milliseconds() + END_MS; /* the deletion, too, can take its time */
    int status = 0;

    while (clock_milliseconds() < end) {
        delete_container(container);
        if (TEMP_FAILURE_RETRY(waitpid(child, &status, WNOHANG)) == child)
            return status;
        nanosleep(&pause, NULL);
    }
    kill(child, SIGKILL);
    TEMP_FAILURE_RETRY(waitpid(child, &status, 0));
    return status;
}

int verify_container_run(const struct verify_container *container, struct verify_lines *lines,
                         void (*progress)(const struct verify_lines *lines), const struct verify_watch *watch,
                         struct error *err)
{
    struct reader reader = {.lines = lines, .progress = progress};
    cleanup_close int signals = open_signals(err);
    const struct verify_watch watches[] = {{signals, take_signal, &signals}, *watch};
    struct command command;
    int status = 0;
    int result = signals < 0 ? signals : command_start(&container->run, -1, &command, err);

    if (result < 0)
        return result;
    result = command_read(&command, watches, array_size(watches), RUN_SECONDS, take_output, &reader, err);
    if (result == -ETIMEDOUT)
        error_prefix(err, "the container");
    if (result < 0)
        status = end_early(container, command.pid);
    else
        TEMP_FAILURE_RETRY(waitpid(command.pid, &status, 0));
    delete_container(container);
    if (result == 0 && reader.length > 0)
        result = verify_lines_take(lines, reader.line, reader.length, err);
    if (result == 0 && status != 0)
        result = complain(&command, status, err);
    return result < 0 ? result : verify_lines_check(lines, err);
}
