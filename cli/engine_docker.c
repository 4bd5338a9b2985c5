/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/engine_docker.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/engine_process.h"
#include "hook/document.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

enum {
    ANSWER_MAX = 16 * 1024 * 1024, /* bytes; /info of a busy host has some ten thousand */
    ANSWER_STEP = 64 * 1024,
    ANSWER_MS = 10 * 1000, /* dockerd answers /info late while it starts containers */
};

static const char *const PID_FILES[] = {"/run/docker.pid", "/var/run/docker.pid",
                                        "/run/snap.docker/docker.pid"};

void engine_docker_close(struct engine_docker *docker)
{
    cleanup_close_at(&docker->pidfd);
    docker->pidfd = -1;
}

/* The number in the file; 0 if there is no file, or nothing in it that could be one. */
static pid_t read_pid(const char *path)
{
    cleanup_free char *text = NULL;
    struct error ignored = {0};
    size_t length = 0;
    long pid = 0;

    if (file_read_at(AT_FDCWD, path, 64, &text, &length, &ignored) < 0)
        return 0;
    pid = strtol(text, NULL, 10);
    return pid > 0 && pid <= INT_MAX ? (pid_t)pid : 0;
}

static pid_t find_pid(const char *pid_file)
{
    pid_t pid = 0;

    if (pid_file != NULL)
        return read_pid(pid_file);
    for (size_t i = 0; i < array_size(PID_FILES) && pid == 0; i++)
        pid = read_pid(PID_FILES[i]);
    return pid;
}

static void read_option(struct engine_docker *docker, const struct engine_arguments *arguments,
                        const char **at)
{
    static const char UNIX[] = "unix://";
    const char *value = engine_process_option(arguments, at, "--config-file");

    if (value != NULL) {
        snprintf(docker->config, sizeof(docker->config), "%s", value);
        return;
    }
    if (engine_process_option(arguments, at, "--add-runtime") != NULL) {
        docker->runtimes_by_flag = true;
        return;
    }
    if (engine_process_option(arguments, at, "--default-runtime") != NULL) {
        docker->default_by_flag = true;
        return;
    }
    value = engine_process_option(arguments, at, "--host");
    if (value == NULL)
        value = engine_process_option(arguments, at, "-H");
    if (value != NULL && strncmp(value, UNIX, strlen(UNIX)) == 0)
        snprintf(docker->socket, sizeof(docker->socket), "%s", value + strlen(UNIX));
}

static int read_command_line(struct engine_docker *docker, struct error *err)
{
    struct engine_arguments arguments = {0};
    int result = engine_process_arguments(docker->pid, &arguments, err);

    if (result < 0)
        return result;
    snprintf(docker->config, sizeof(docker->config), "/etc/docker/daemon.json");
    snprintf(docker->socket, sizeof(docker->socket), "/var/run/docker.sock");
    for (const char *at = arguments.text; at < arguments.text + arguments.length; at += strlen(at) + 1)
        read_option(docker, &arguments, &at);
    free(arguments.text);
    return 0;
}

int engine_docker_find(const char *pid_file, struct engine_docker *ret, struct error *err)
{
    struct engine_docker docker = {.pidfd = -1, .pid = find_pid(pid_file)};
    int result = 0;

    if (docker.pid != 0)
        docker.pidfd = pidfd_open(docker.pid, 0);
    if (docker.pidfd < 0 || !engine_process_is(docker.pid, "dockerd")) {
        engine_docker_close(&docker);
        *ret = docker;
        return 0;
    }
    result = read_command_line(&docker, err);
    if (result == 0 && pidfd_send_signal(docker.pidfd, 0, NULL, 0) < 0)
        result = error_set(err, errno, "look at dockerd, process %d", docker.pid);
    if (result < 0) {
        engine_docker_close(&docker);
        return result;
    }
    *ret = docker;
    return 0;
}

int engine_docker_sees(const struct engine_docker *docker, const char *path, struct error *err)
{
    char theirs[PATH_MAX + 32];
    struct stat here;
    struct stat there;

    snprintf(theirs, sizeof(theirs), "/proc/%d/root%s", docker->pid, path);
    if (stat(path, &here) < 0)
        return error_set(err, errno, "%s", path);
    if (stat(theirs, &there) < 0) {
        if (errno == EACCES || errno == EPERM) /* seen in containers, where root may not look */
            return 0;
    } else if (here.st_dev == there.st_dev && here.st_ino == there.st_ino) {
        return 0;
    }
    error_set(err, 0, "dockerd (process %d) has a root file system of its own and cannot see %s", docker->pid,
              path);
    return error_advise(err, "use a Docker of the distribution or of docker.com, not a snap");
}

static int connect_to(const char *path, int milliseconds, int *ret_fd, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000L};
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof(address.sun_path))
        return error_set(err, ENAMETOOLONG, "connect to dockerd at %s", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
        connect(fd, (const void *)&address, sizeof(address)) < 0)
        return error_set(err, errno, "connect to dockerd at %s", path);
    *ret_fd = take_fd(&fd);
    return 0;
}

/* Reads to the end of the connection. *ret_text ends with NUL. */
static int read_answer(int fd, int64_t end, char **ret_text, size_t *ret_length, struct error *err)
{
    cleanup_free char *text = NULL;
    size_t length = 0;
    ssize_t n = 1;

    while (n > 0) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int64_t left = end - clock_milliseconds();
        char *grown = realloc(text, length + ANSWER_STEP + 1);

        if (grown == NULL)
            return error_set(err, ENOMEM, "read the answer of dockerd");
        text = grown;
        if (length > ANSWER_MAX)
            return error_set(err, EFBIG, "read the answer of dockerd");
        if (left <= 0 || poll(&wait, 1, (int)left) <= 0)
            return error_set(err, ETIMEDOUT, "read the answer of dockerd");
        n = recv(fd, text + length, ANSWER_STEP, MSG_DONTWAIT);
        if (n < 0)
            return error_set(err, errno, "read the answer of dockerd");
        length += (size_t)n;
    }
    text[length] = '\0';
    *ret_text = take_pointer(text);
    *ret_length = length;
    return 0;
}

int engine_docker_get(const char *socket_path, const char *path, int milliseconds, char **ret_body,
                      size_t *ret_length, struct error *err)
{
    cleanup_free char *answer = NULL;
    cleanup_close int fd = -1;
    int64_t end = clock_milliseconds() + milliseconds;
    char request[128];
    const char *body = NULL;
    size_t length = 0;
    int result = connect_to(socket_path, milliseconds, &fd, err);

    if (result < 0)
        return result;
    /* HTTP/1.0: the answer ends with the connection, and comes in one piece. */
    snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\nHost: docker\r\n\r\n", path);
    if (send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request))
        return error_set(err, errno, "ask dockerd at %s", socket_path);
    result = read_answer(fd, end, &answer, &length, err);
    if (result < 0)
        return result;
    body = strstr(answer, "\r\n\r\n");
    if (sscanf(answer, "HTTP/1.%*1d %d", &result) != 1 || result != 200 || body == NULL)
        return error_set(err, 0, "dockerd at %s does not answer GET %s", socket_path, path);
    body += strlen("\r\n\r\n");
    *ret_length = length - (size_t)(body - answer);
    memmove(answer, body, *ret_length + 1);
    *ret_body = take_pointer(answer);
    return 0;
}

int engine_docker_info(const char *socket_path, json_t **ret, struct error *err)
{
    cleanup_free char *body = NULL;
    size_t length = 0;
    int result = engine_docker_get(socket_path, "/info", ANSWER_MS, &body, &length, err);

    return result < 0 ? result : document_parse(body, length, "the answer of dockerd", ret, err);
}

int engine_docker_reload(const struct engine_docker *docker, struct error *err)
{
    if (pidfd_send_signal(docker->pidfd, SIGHUP, NULL, 0) < 0)
        return error_set(err, errno, "reload dockerd, process %d", docker->pid);
    return 0;
}
