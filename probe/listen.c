/* SPDX-License-Identifier: Apache-2.0
 *
 * The far end: a TCP or UDP server that says "ready", then one line for each connection or datagram that
 * arrives, and greets or answers with "hello". Connections are closed then, or kept until it ends (--keep):
 * who holds one finds out whether it is cut. It ends after --milliseconds, or when it is killed. */
#include "probe/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void print_arrival(const char *what, const union endpoint *from)
{
    char text[INET6_ADDRSTRLEN] = "";

    if (from->any.sa_family == AF_INET6)
        inet_ntop(AF_INET6, &from->six.sin6_addr, text, sizeof(text));
    else
        inet_ntop(AF_INET, &from->four.sin_addr, text, sizeof(text));
    printf("arrived what=%s from=%s port=%u\n", what, text, ntohs(from->four.sin_port));
}

static void serve_one(int fd, bool stream, bool keep)
{
    union endpoint from = {.any = {0}};
    socklen_t length = sizeof(from);
    char data[512];
    int connection = 0;

    if (!stream) {
        if (recvfrom(fd, data, sizeof(data), 0, &from.any, &length) < 0)
            return;
        print_arrival("udp", &from);
        (void)sendto(fd, "hello", 5, 0, &from.any, length);
        return;
    }
    connection = accept4(fd, &from.any, &length, SOCK_CLOEXEC);
    if (connection < 0)
        return;
    print_arrival("tcp", &from);
    (void)!write(connection, "hello\n", 6);
    if (!keep)
        close(connection);
}

static int open_listener(bool stream, const char *address, const char *port)
{
    union endpoint at;
    socklen_t length = parse_endpoint(address, port, &at);
    int fd = socket(at.any.sa_family, (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
    int yes = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
        bind(fd, &at.any, length) < 0 || (stream && listen(fd, 128) < 0))
        usage("listen on %s port %s: %s", address, port, strerror(errno));
    return fd;
}

int probe_listen(struct arguments *arguments)
{
    int limit = (int)arguments_take_number(arguments, "--milliseconds", 600000);
    bool keep = arguments_take_flag(arguments, "--keep");
    char **operands = arguments_operands(arguments, 3);
    bool stream = strcmp(operands[0], "tcp") == 0;
    struct timespec begun = attempt_begin();
    struct pollfd wait = {.events = POLLIN};

    if (!stream && strcmp(operands[0], "udp") != 0)
        usage("`%s` is neither tcp nor udp", operands[0]);
    wait.fd = open_listener(stream, operands[1], operands[2]);
    puts("ready");
    for (;;) {
        double left = limit - attempt_milliseconds(&begun);

        if (left <= 0)
            return PROBE_OK;
        if (poll(&wait, 1, (int)left + 1) > 0)
            serve_one(wait.fd, stream, keep);
    }
}
