/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kernel/world.h"

#include "base/cleanup.h"
#include "netns/namespace.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

/* Time for who is asked to get its turn, on a machine that emulates another, too. */
enum { CONNECT_WAIT_MS = 3000 };

static int host = -1;

void world_enter(void)
{
    struct error err;

    cr_assert(unshare(CLONE_NEWNS | CLONE_NEWNET) == 0, "new namespaces: %s", strerror(errno));
    cr_assert(mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0, "private mounts: %s",
              strerror(errno));
    cr_assert(mount("none", "/run", "tmpfs", 0, "mode=755") == 0, "empty /run: %s", strerror(errno));
    /* Where pid 1 can be looked at, hubs are pinned in its mount namespace: here it must not be seen. */
    cr_assert(mount("none", "/proc/1", "tmpfs", 0, NULL) == 0, "hide pid 1: %s", strerror(errno));
    host = namespace_open_own(&err);
    cr_assert(host >= 0, "%s", err.text);
    cr_assert(world_run(-1, "ip link set lo up") == 0);
}

int world_host(void)
{
    return host;
}

void world_policy(const char *network, const char *text, struct policy *ret)
{
    struct error err;

    cr_assert(policy_parse(text, strlen(text), "test.json", network, ret, &err) == 0, "%s", err.text);
}

int world_namespace(void)
{
    struct error err;
    int netns = -1;

    cr_assert(unshare(CLONE_NEWNET) == 0, "%s", strerror(errno));
    netns = namespace_open_own(&err);
    cr_assert(netns >= 0, "%s", err.text);
    cr_assert(namespace_enter(host, &err) == 0, "%s", err.text);
    return netns;
}

/* Forks with the child in the namespace. */
static pid_t fork_in(int netns)
{
    struct error err;
    pid_t pid = fork();

    cr_assert(pid >= 0);
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (netns >= 0 && namespace_enter(netns, &err) < 0)
        _exit(127);
    return 0;
}

static int wait_status(pid_t pid)
{
    int status = 0;

    cr_assert(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static size_t run_with_output(int netns, const char *command, char *output, size_t size, int *ret_status)
{
    size_t length = 0;
    ssize_t n = 0;
    pid_t pid = 0;
    int ends[2];

    cr_assert(pipe2(ends, O_CLOEXEC) == 0);
    pid = fork_in(netns);
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    while (length + 1 < size && (n = read(ends[0], output + length, size - length - 1)) > 0)
        length += (size_t)n;
    output[length] = '\0';
    close(ends[0]);
    *ret_status = wait_status(pid);
    return length;
}

int world_run(int netns, const char *command)
{
    char output[65536];
    int status = 0;

    run_with_output(netns, command, output, sizeof(output), &status);
    return status;
}

void world_output(int netns, const char *command, char *output, size_t size)
{
    int status = 0;

    run_with_output(netns, command, output, size, &status);
    output[strcspn(output, "\n")] = '\0';
}

unsigned world_lines(int netns, const char *command)
{
    static char output[1024 * 1024];
    unsigned lines = 0;
    int status = 0;

    run_with_output(netns, command, output, sizeof(output), &status);
    cr_assert(status == 0, "%s: %s", command, output);
    for (const char *c = output; *c != '\0'; c++)
        lines += *c == '\n';
    return lines;
}

union socket_address {
    struct sockaddr_in in;
    struct sockaddr any;
};

static union socket_address socket_address(const char *address, uint16_t port)
{
    union socket_address result = {.in = {.sin_family = AF_INET, .sin_port = htons(port)}};

    inet_pton(AF_INET, address, &result.in.sin_addr);
    return result;
}

__attribute__((noreturn)) static void serve(const char *address, uint16_t port, int ready)
{
    union socket_address own = socket_address(address, port);
    int one = 1;
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(server, &own.any, sizeof(own.in)) < 0 || listen(server, 16) < 0)
        _exit(1);
    if (write(ready, "r", 1) != 1)
        _exit(1);
    for (;;) {
        int client = accept(server, NULL, NULL);

        if (client >= 0 && write(client, "x", 1) == 1)
            close(client);
    }
}

pid_t world_serve(int netns, const char *address, uint16_t port)
{
    int ends[2];
    char byte = 0;
    pid_t pid = 0;

    cr_assert(pipe2(ends, O_CLOEXEC) == 0);
    pid = fork_in(netns);
    if (pid == 0) {
        close(ends[0]);
        serve(address, port, ends[1]);
    }
    close(ends[1]);
    cr_assert(read(ends[0], &byte, 1) == 1, "serve %s:%u", address, port);
    close(ends[0]);
    return pid;
}

void world_stop(pid_t pid)
{
    kill(pid, SIGKILL);
    wait_status(pid);
}

/* In the child: returns 0 or an errno value. */
static int connect_here(const char *address, uint16_t port)
{
    union socket_address to = socket_address(address, port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    socklen_t size = sizeof(int);
    int number = 0;
    char byte = 0;

    if (connect(fd, &to.any, sizeof(to.in)) < 0 && errno != EINPROGRESS)
        return errno;
    if (poll(&wait, 1, CONNECT_WAIT_MS) <= 0)
        return ETIMEDOUT;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size);
    if (number != 0)
        return number;
    wait.events = POLLIN;
    if (poll(&wait, 1, CONNECT_WAIT_MS) <= 0)
        return ETIMEDOUT;
    return read(fd, &byte, 1) == 1 && byte == 'x' ? 0 : EPROTO;
}

int world_connect(int netns, const char *address, uint16_t port)
{
    pid_t pid = fork_in(netns);

    if (pid == 0)
        _exit(connect_here(address, port));
    return wait_status(pid);
}

uint64_t world_microseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
