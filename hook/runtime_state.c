/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/runtime_state.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "hook/document.h"
#include "hook/engine_environment.h"
#include "hook/state.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
    PATIENCE_MS = 30 * 1000,
    COMPLAINT_MAX = 300, /* of what the runtime says when it fails */
};

struct answer { /* what comes out of one of its streams */
    char *text;
    size_t length;
    size_t limit;
};

struct child {
    pid_t pid;
    int out;
    int complaints;
};

__attribute__((noreturn)) static void become(const char *runtime, const char **arguments, int out,
                                             int complaints)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
        dup2(complaints, STDERR_FILENO) >= 0)
        execve(runtime, (char *const *)(uintptr_t)arguments, engine_environment());
    dprintf(complaints, "%s", strerror(errno));
    _exit(127);
}

static int start(const char *runtime, const char **arguments, struct child *ret, struct error *err)
{
    int out[2] = {-1, -1};
    int complaints[2] = {-1, -1};
    pid_t pid = -1;
    int number = 0;

    if (pipe2(out, O_CLOEXEC) == 0 && pipe2(complaints, O_CLOEXEC) == 0)
        pid = fork();
    if (pid == 0)
        become(runtime, arguments, out[1], complaints[1]);
    number = errno;
    cleanup_close_at(&out[1]);
    cleanup_close_at(&complaints[1]);
    if (pid < 0) {
        cleanup_close_at(&out[0]);
        cleanup_close_at(&complaints[0]);
        return error_set(err, number, "start %s", runtime);
    }
    *ret = (struct child){.pid = pid, .out = out[0], .complaints = complaints[0]};
    return 0;
}

/* Reads once from the stream. Returns whether there may be more; what is beyond the limit is thrown away. */
static bool drain(struct pollfd *stream, struct answer *answer)
{
    char rest[512];
    bool full = answer->length == answer->limit;
    ssize_t n = 0;

    if (stream->revents == 0)
        return true;
    n = full ? read(stream->fd, rest, sizeof(rest))
             : read(stream->fd, answer->text + answer->length, answer->limit - answer->length);
    if (n > 0 && !full)
        answer->length += (size_t)n;
    return n > 0 || (n < 0 && errno == EINTR);
}

/* Reads both streams to their ends, and waits for the runtime's. Returns -ETIMEDOUT if that takes too long:
 * also where whoever inherited a stream keeps it, or where the runtime has closed both and goes on. */
static int listen_to(const struct child *child, int patience_ms, struct answer *out, struct answer *complaint)
{
    cleanup_close int ended = (int)syscall(SYS_pidfd_open, child->pid, 0);
    struct pollfd events[] = {{child->out, POLLIN, 0}, {child->complaints, POLLIN, 0}, {ended, POLLIN, 0}};
    int64_t end = clock_milliseconds() + patience_ms;

    if (ended < 0)
        return -errno;
    while (events[0].fd >= 0 || events[1].fd >= 0 || events[2].fd >= 0) {
        int64_t left = end - clock_milliseconds();

        if (left <= 0)
            return -ETIMEDOUT;
        if (poll(events, array_size(events), (int)left) < 0) {
            if (errno != EINTR)
                return -errno;
            continue;
        }
        if (events[0].fd >= 0 && !drain(&events[0], out))
            events[0].fd = -1;
        if (events[1].fd >= 0 && !drain(&events[1], complaint))
            events[1].fd = -1;
        if (events[2].fd >= 0 && events[2].revents != 0)
            events[2].fd = -1;
    }
    return 0;
}

static int judge(const char *runtime, int status, struct answer *complaint, struct error *err)
{
    size_t length = complaint->length;

    while (length > 0 && complaint->text[length - 1] == '\n')
        length--;
    complaint->text[length] = '\0';
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFSIGNALED(status))
        return error_set(err, 0, "%s state: killed by signal %d", runtime, WTERMSIG(status));
    return error_set(err, 0, "%s state: exit status %d%s%s", runtime, WEXITSTATUS(status),
                     length > 0 ? ": " : "", complaint->text);
}

static int run(const char *runtime, const char **arguments, int patience_ms, struct answer *out,
               struct error *err)
{
    char text[COMPLAINT_MAX + 1];
    struct answer complaint = {.text = text, .limit = COMPLAINT_MAX};
    struct child child = {.pid = -1, .out = -1, .complaints = -1};
    int status = 0;
    int result = start(runtime, arguments, &child, err);

    if (result < 0)
        return result;
    result = listen_to(&child, patience_ms, out, &complaint);
    close(child.out);
    close(child.complaints);
    if (result < 0)
        kill(child.pid, SIGKILL); /* our own child, not yet waited for: the pid is its */
    while (waitpid(child.pid, &status, 0) < 0)
        if (errno != EINTR)
            return error_set(err, errno, "%s state", runtime);
    if (result == -ETIMEDOUT)
        return error_set(err, 0, "%s state: no answer within %d ms", runtime, patience_ms);
    return result < 0 ? error_set(err, -result, "%s state", runtime)
                      : judge(runtime, status, &complaint, err);
}

int runtime_state_within(const char *runtime, const struct command_line *command, int patience_ms,
                         json_t **ret, struct error *err)
{
    cleanup_free const char **arguments = calloc(command->globals_count + 4, sizeof(*arguments));
    cleanup_free char *text = malloc(STATE_SIZE_MAX);
    struct answer out = {.text = text, .limit = STATE_SIZE_MAX};
    int result = 0;

    if (arguments == NULL || text == NULL)
        return error_set(err, ENOMEM, "ask %s for the state", runtime);
    arguments[0] = runtime;
    memcpy(arguments + 1, command->globals, command->globals_count * sizeof(*arguments));
    arguments[command->globals_count + 1] = "state";
    arguments[command->globals_count + 2] = command->id;
    result = run(runtime, arguments, patience_ms, &out, err);
    if (result == 0 && out.length == out.limit)
        result = error_set(err, EFBIG, "%s state", runtime);
    return result < 0 ? result : document_parse(out.text, out.length, "the runtime's state", ret, err);
}

int runtime_state(const char *runtime, const struct command_line *command, json_t **ret, struct error *err)
{
    return runtime_state_within(runtime, command, PATIENCE_MS, ret, err);
}
