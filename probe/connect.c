/* SPDX-License-Identifier: Apache-2.0
 *
 * TCP connections, with the socket options that go around routing tables (SO_BINDTODEVICE, IP_UNICAST_IF). */
#include "probe/net.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    TIMEOUT = 3000, /* ms: long enough to tell a hang from an answer on a busy machine */
    BATCH = 512,    /* connections under way at once in `ports` */
};

static int finish_connect(int fd, int timeout)
{
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t length = sizeof(error);
    int ready = poll(&wait, 1, timeout);

    if (ready < 0)
        return errno;
    if (ready == 0)
        return ETIMEDOUT;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 ? errno : error;
}

static int try_connect(int fd, const union endpoint *to, socklen_t length, int timeout)
{
    if (connect(fd, &to->any, length) == 0)
        return 0;
    return errno == EINPROGRESS ? finish_connect(fd, timeout) : errno;
}

/* Waits for what the far end says first: "greeting=TEXT" with everything but printable characters as '.'. */
static int read_greeting(int fd, int timeout, char *ret, size_t size)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    char text[64];
    ssize_t count = 0;

    if (poll(&wait, 1, timeout) <= 0)
        return ETIMEDOUT;
    count = read(fd, text, sizeof(text) - 1);
    if (count <= 0)
        return count < 0 ? errno : ENODATA;
    for (ssize_t i = 0; i < count; i++)
        if (text[i] <= ' ' || text[i] > '~')
            text[i] = '.';
    snprintf(ret, size, "greeting=%.*s", (int)count, text);
    return 0;
}

int probe_tcp(struct arguments *arguments)
{
    struct socket_options options = socket_options_take(arguments);
    int timeout = (int)arguments_take_number(arguments, "--timeout-ms", TIMEOUT);
    int hold = (int)arguments_take_number(arguments, "--hold-ms", 0);
    bool greeting = arguments_take_flag(arguments, "--greeting");
    char **operands = arguments_operands(arguments, 2);
    union endpoint to;
    socklen_t length = parse_endpoint(operands[0], operands[1], &to);
    struct timespec begun = attempt_begin();
    char details[128] = "";
    int fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = fd < 0 ? errno : socket_options_apply(fd, &options);

    if (error == 0)
        error = try_connect(fd, &to, length, timeout);
    if (error == 0 && greeting)
        error = read_greeting(fd, timeout, details, sizeof(details));
    report("tcp", error, &begun, details[0] != '\0' ? details : NULL);
    if (error == 0 && hold > 0)
        error = finish_hold(fd, hold);
    if (fd >= 0)
        close(fd);
    return error == 0 ? PROBE_OK : PROBE_FAILED;
}

struct sweep {
    union endpoint to;
    int timeout;
    unsigned open;
    unsigned refused;
    unsigned hung;
    unsigned last_open;
    double slowest; /* milliseconds until the slowest answer of a batch */
};

static void count_answer(struct sweep *sweep, int port, int error)
{
    if (error == 0) {
        sweep->open++;
        sweep->last_open = (unsigned)port;
    } else if (error == ETIMEDOUT)
        sweep->hung++;
    else
        sweep->refused++;
}

/* Opens all connections of the batch first and then waits for them: 65535 ports in a few seconds. */
static void sweep_batch(struct sweep *sweep, int first, int count)
{
    static int fds[BATCH];
    struct timespec begun = attempt_begin();

    for (int i = 0; i < count; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fds[i] < 0)
            usage("socket: %s", strerror(errno));
        sweep->to.four.sin_port = htons((uint16_t)(first + i));
        if (connect(fds[i], &sweep->to.any, sizeof(sweep->to.four)) < 0 && errno != EINPROGRESS) {
            count_answer(sweep, first + i, errno);
            close(fds[i]);
            fds[i] = -1;
        }
    }
    for (int i = 0; i < count; i++) {
        double left = sweep->timeout - attempt_milliseconds(&begun);

        if (fds[i] < 0)
            continue;
        count_answer(sweep, first + i, finish_connect(fds[i], left > 0 ? (int)left : 0));
        close(fds[i]);
    }
    if (attempt_milliseconds(&begun) > sweep->slowest)
        sweep->slowest = attempt_milliseconds(&begun);
}

int probe_ports(struct arguments *arguments)
{
    int first = (int)arguments_take_number(arguments, "--first", 1);
    int last = (int)arguments_take_number(arguments, "--last", 65535);
    struct sweep sweep = {.timeout = (int)arguments_take_number(arguments, "--timeout-ms", TIMEOUT)};
    char **operands = arguments_operands(arguments, 1);
    struct timespec begun = attempt_begin();
    char details[128];

    sweep.to.four = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = parse_ipv4(operands[0])};
    for (int port = first; port <= last; port += BATCH)
        sweep_batch(&sweep, port, last - port + 1 < BATCH ? last - port + 1 : BATCH);
    snprintf(details, sizeof(details), "open=%u refused=%u hung=%u last-open=%u slowest-batch-ms=%.2f",
             sweep.open, sweep.refused, sweep.hung, sweep.last_open, sweep.slowest);
    return report("ports", sweep.open > 0 ? 0 : ECONNREFUSED, &begun, details);
}
