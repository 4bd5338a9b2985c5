/* SPDX-License-Identifier: Apache-2.0
 *
 * Running the throw-away container: one loop that reads what the probe says, what the runtime complains of,
 * and the signals that end it all. */
#include "base/cleanup.h"
#include "cli/verify_container.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

enum {
    RUN_SECONDS = 300,
    END_MS = 20 * 1000,
    PAUSE_MS = 50,
    COMPLAINT_MAX = 512, /* bytes of the runtime's last words */
};

struct reader {
    int output;    /* -1 when it has ended */
    int complaint; /* the same */
    int signals;
    const struct verify_watch *watch;
    struct verify_lines *lines;
    void (*progress)(const struct verify_lines *lines);
    char line[VERIFY_LINE_MAX + 1];
    size_t length;
    char last[COMPLAINT_MAX]; /* the end of what came as complaint */
    size_t last_length;
};

/* The child: becomes the runtime, or says why not. Nothing of our environment goes along. */
_Noreturn static void execute(const struct verify_container *container, const char *const arguments[],
                              int output, int complaint)
{
    const char *argv[16] = {container->runtime, "--root"};
    char *const environment[] = {(char *)(uintptr_t) "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    char root[sizeof(container->directory) + 8];
    cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0); /* the terminal's ^C is ours to obey */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(root, sizeof(root), "%s/state", container->directory);
    argv[2] = root;
    for (size_t i = 0; i < array_size(argv) - 4 && arguments[i] != NULL; i++)
        argv[3 + i] = arguments[i];
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output >= 0 ? output : null, STDOUT_FILENO) < 0 ||
        dup2(complaint >= 0 ? complaint : null, STDERR_FILENO) < 0)
        _exit(127);
    execve(container->runtime, (char **)(uintptr_t)argv, environment);
    dprintf(STDERR_FILENO, "execute %s: %s\n", container->runtime, strerror(errno));
    _exit(127);
}

static int take_output(struct reader *reader, const char *text, size_t length, struct error *err)
{
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

static void take_complaint(struct reader *reader, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (reader->last_length == sizeof(reader->last)) {
            reader->last_length /= 2;
            memmove(reader->last, reader->last + sizeof(reader->last) - reader->last_length,
                    reader->last_length);
        }
        reader->last[reader->last_length++] = text[i];
    }
}

/* Reads once; *fd is -1 after the end. */
static int read_some(struct reader *reader, int *fd, struct error *err)
{
    char text[4096];
    ssize_t length = read(*fd, text, sizeof(text));

    if (length < 0 && errno != EINTR && errno != EAGAIN)
        return error_set(err, errno, "read what the container says");
    if (length == 0) {
        close(*fd);
        *fd = -1;
    }
    if (length <= 0)
        return 0;
    if (fd == &reader->output)
        return take_output(reader, text, (size_t)length, err);
    take_complaint(reader, text, (size_t)length);
    return 0;
}

static int read_signal(const struct reader *reader, struct error *err)
{
    struct signalfd_siginfo signal_info;

    if (read(reader->signals, &signal_info, sizeof(signal_info)) != sizeof(signal_info))
        return error_set(err, errno, "read a signal");
    error_set(err, 0, "ended by SIG%s before all was tried", sigabbrev_np((int)signal_info.ssi_signo));
    return -EINTR;
}

static time_t seconds(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec;
}

/* Until both pipes have ended: then nobody is left who could write to them. */
static int read_all(struct reader *reader, struct error *err)
{
    time_t end = seconds() + RUN_SECONDS;

    while (reader->output >= 0 || reader->complaint >= 0) {
        struct pollfd fds[] = {{.fd = reader->output, .events = POLLIN},
                               {.fd = reader->complaint, .events = POLLIN},
                               {.fd = reader->signals, .events = POLLIN},
                               {.fd = reader->watch->fd, .events = POLLIN}};
        int result = 0;

        if (seconds() >= end)
            return error_set(err, ETIMEDOUT, "the container did not end within %d s", RUN_SECONDS);
        if (poll(fds, array_size(fds), 1000) < 0 && errno != EINTR)
            return error_set(err, errno, "wait for the container");
        if (fds[2].revents != 0)
            result = read_signal(reader, err);
        if (result == 0 && fds[3].revents != 0)
            result = reader->watch->take(reader->watch->data, err);
        if (result == 0 && fds[0].revents != 0)
            result = read_some(reader, &reader->output, err);
        if (result == 0 && fds[1].revents != 0)
            result = read_some(reader, &reader->complaint, err);
        if (result < 0)
            return result;
    }
    return 0;
}

/* The last line that the runtime, its hook or the probe wrote to standard error says best what went wrong. */
static int complain(const struct reader *reader, int status, struct error *err)
{
    size_t end = reader->last_length;
    size_t start = 0;

    while (end > 0 && (reader->last[end - 1] == '\n' || reader->last[end - 1] == '\r'))
        end--;
    for (start = end; start > 0 && reader->last[start - 1] != '\n';)
        start--;
    error_set(err, 0, "the container did not run (%s %d): %.*s",
              WIFSIGNALED(status) ? "signal" : "exit status",
              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
              end > start ? (int)(end - start) : 15, end > start ? reader->last + start : "no reason given");
    return error_advise(err, "see the log of the system for what the hook said");
}

/* Deletes the container, if there is one. Its result means nothing: there may be none any more. */
static void delete_container(const struct verify_container *container)
{
    const char *const arguments[] = {"delete", "--force", container->id, NULL};
    pid_t child = fork();

    if (child == 0)
        execute(container, arguments, -1, -1);
    if (child > 0)
        TEMP_FAILURE_RETRY(waitpid(child, NULL, 0));
}

static int run_child(const struct verify_container *container, struct reader *reader, pid_t *ret_child,
                     struct error *err)
{
    const char *const arguments[] = {"run", "--bundle", container->directory, container->id, NULL};
    int output[2] = {-1, -1};
    int complaint[2] = {-1, -1};
    pid_t child = -1;

    if (pipe2(output, O_CLOEXEC) == 0 && pipe2(complaint, O_CLOEXEC) == 0)
        child = fork();
    if (child == 0)
        execute(container, arguments, output[1], complaint[1]);
    if (child < 0)
        error_set(err, errno, "start %s", container->runtime);
    cleanup_close_at(&output[1]);
    cleanup_close_at(&complaint[1]);
    reader->output = output[0];
    reader->complaint = complaint[0];
    *ret_child = child;
    return child < 0 ? -EAGAIN : 0;
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

/* Ends the run before its time. A runtime that is killed while it makes a container leaves half of one that
 * nobody knows: so it is let finish, and the container is deleted as soon as there is one. */
static int end_early(const struct verify_container *container, pid_t child)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000 * 1000};
    int status = 0;

    for (int waited = 0; waited < END_MS; waited += PAUSE_MS) {
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
    cleanup_close int signals = open_signals(err);
    struct reader reader = {.output = -1,
                            .complaint = -1,
                            .signals = signals,
                            .watch = watch,
                            .lines = lines,
                            .progress = progress};
    pid_t child = -1;
    int status = 0;
    int result = signals < 0 ? signals : run_child(container, &reader, &child, err);

    if (result == 0)
        result = read_all(&reader, err);
    /* Closed first: who still writes there must not wait for us. */
    cleanup_close_at(&reader.output);
    cleanup_close_at(&reader.complaint);
    if (child > 0) {
        if (result < 0)
            status = end_early(container, child);
        else
            TEMP_FAILURE_RETRY(waitpid(child, &status, 0));
        delete_container(container);
    }
    if (result == 0 && reader.length > 0)
        result = verify_lines_take(lines, reader.line, reader.length, err);
    if (result == 0 && status != 0)
        result = complain(&reader, status, err);
    return result < 0 ? result : verify_lines_check(lines, err);
}
