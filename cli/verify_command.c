/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_command.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/rootless.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { RUN_SECONDS = 60 };

void words_add(struct words *words, ...)
{
    const char *text = NULL;
    va_list texts;

    va_start(texts, words);
    while ((text = va_arg(texts, const char *)) != NULL)
        if (words->count < WORDS_MAX)
            words->texts[words->count++] = text;
        else
            words->full = true;
    va_end(texts);
}

/* The child: becomes the program, or says why not. */
_Noreturn static void execute(const struct words *words, int input, int output, int complaint)
{
    char *const empty[] = {(char *)(uintptr_t) "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    char *const *environment = rootless() ? environ : empty; /* his Podman goes by his own */
    cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0); /* the terminal's ^C is ours to obey */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (null < 0 || dup2(input >= 0 ? input : null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
        dup2(complaint, STDERR_FILENO) < 0)
        _exit(127);
    execve(words->texts[0], (char **)(uintptr_t)words->texts, environment);
    dprintf(STDERR_FILENO, "execute %s: %s\n", words->texts[0], strerror(errno));
    _exit(127);
}

int command_start(const struct words *words, int input, struct command *ret, struct error *err)
{
    int output[2] = {-1, -1};
    int complaint[2] = {-1, -1};
    pid_t child = -1;

    if (words->full)
        return error_set(err, E2BIG, "start %s", words->texts[0]);
    if (input >= 0 && lseek(input, 0, SEEK_SET) < 0)
        return error_set(err, errno, "read what %s is to be given", words->texts[0]);
    if (pipe2(output, O_CLOEXEC) == 0 && pipe2(complaint, O_CLOEXEC) == 0)
        child = fork();
    if (child == 0)
        execute(words, input, output[1], complaint[1]);
    if (child < 0)
        error_set(err, errno, "start %s", words->texts[0]);
    cleanup_close_at(&output[1]);
    cleanup_close_at(&complaint[1]);
    if (child < 0) {
        cleanup_close_at(&output[0]);
        cleanup_close_at(&complaint[0]);
        return -EAGAIN;
    }
    *ret = (struct command){.pid = child, .output = output[0], .complaint = complaint[0]};
    return 0;
}

/* Keeps the end, and forgets the beginning. */
static int tail_take(void *data, const char *text, size_t length, struct error *err)
{
    struct command_tail *tail = data;

    (void)err;
    for (size_t i = 0; i < length; i++) {
        if (tail->length == sizeof(tail->text) - 1) {
            tail->length /= 2;
            memmove(tail->text, tail->text + sizeof(tail->text) - 1 - tail->length, tail->length);
        }
        tail->text[tail->length++] = text[i];
    }
    tail->text[tail->length] = '\0';
    return 0;
}

/* Reads once; *fd is -1 after the end. */
static int read_some(int *fd, command_take take, void *data, struct error *err)
{
    char text[COMMAND_TEXT_SIZE];
    ssize_t length = read(*fd, text, sizeof(text));

    if (length < 0 && errno != EINTR && errno != EAGAIN)
        return error_set(err, errno, "read what the container says");
    if (length == 0) {
        close(*fd);
        *fd = -1;
    }
    return length <= 0 ? 0 : take(data, text, (size_t)length, err);
}

/* What can be read now is read. The watches come first: they are to see a moment before the lines speak of
 * it. */
static int read_ready(struct command *command, const struct verify_watch *watches, size_t count,
                      const struct pollfd *fds, command_take take, void *data, struct error *err)
{
    int result = 0;

    for (size_t i = 0; i < count && result == 0; i++)
        if (fds[2 + i].revents != 0)
            result = watches[i].take(watches[i].data, err);
    if (result == 0 && fds[0].revents != 0)
        result = read_some(&command->output, take, data, err);
    if (result == 0 && fds[1].revents != 0)
        result = read_some(&command->complaint, tail_take, &command->complained, err);
    return result;
}

static int read_all(struct command *command, const struct verify_watch *watches, size_t count, int seconds,
                    command_take take, void *data, struct error *err)
{
    int64_t end = clock_milliseconds() + (int64_t)seconds * 1000;

    while (command->output >= 0 || command->complaint >= 0) {
        struct pollfd fds[2 + COMMAND_WATCHES_MAX] = {{.fd = command->output, .events = POLLIN},
                                                      {.fd = command->complaint, .events = POLLIN}};
        int result = 0;

        for (size_t i = 0; i < count; i++)
            fds[2 + i] = (struct pollfd){.fd = watches[i].fd, .events = POLLIN};
        if (clock_milliseconds() >= end)
            return error_set(err, ETIMEDOUT, "did not end within %d s", seconds);
        if (poll(fds, 2 + count, 1000) < 0) {
            if (errno != EINTR)
                return error_set(err, errno, "wait for a program");
            continue;
        }
        result = read_ready(command, watches, count, fds, take, data, err);
        if (result < 0)
            return result;
    }
    return 0;
}

int command_read(struct command *command, const struct verify_watch *watches, size_t count, int seconds,
                 command_take take, void *data, struct error *err)
{
    int result = read_all(command, watches, count, seconds, take, data, err);

    cleanup_close_at(&command->output);
    cleanup_close_at(&command->complaint);
    command->output = command->complaint = -1;
    return result;
}

const char *command_reason(struct command *command)
{
    const char *reasons[3] = {NULL}; /* the best first */
    char *rest = command->complained.text;
    char *line = NULL;

    while ((line = strsep(&rest, "\r\n")) != NULL) {
        if (line[0] == '\0')
            continue;
        reasons[2] = line;
        if (reasons[1] == NULL && strcasestr(line, "error") != NULL)
            reasons[1] = line;
        if (strstr(line, "sallyport: ") != NULL)
            reasons[0] = line;
    }
    for (size_t i = 0; i < array_size(reasons); i++)
        if (reasons[i] != NULL)
            return reasons[i];
    return "no reason given";
}

int command_run(const struct words *words, int input, struct command_tail *ret_output, struct error *err)
{
    struct command_tail output = {0};
    struct command command;
    int status = 0;
    int result = command_start(words, input, &command, err);

    if (result < 0)
        return result;
    result = command_read(&command, NULL, 0, RUN_SECONDS, tail_take, &output, err);
    if (result < 0)
        kill(command.pid, SIGKILL);
    TEMP_FAILURE_RETRY(waitpid(command.pid, &status, 0));
    if (result < 0)
        return error_prefix(err, "%s", words->texts[0]);
    if (status != 0)
        return error_set(err, 0, "%s: %.500s", words->texts[0], command_reason(&command));
    if (ret_output != NULL)
        *ret_output = output;
    return 0;
}
