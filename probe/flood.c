/* SPDX-License-Identifier: Apache-2.0
 *
 * What a member that wants to do harm sends, as fast as it can, by what is left to it: for at most so many
 * attempts and so long. Each kind tells how many attempts there were, and what became of them: done, refused
 * (by the far end, a rule or a filter) or exhausted (there was no port, descriptor or process left). */
#include "probe/probe.h"
#include "probe/request.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MILLISECONDS = 10000,
    UNDER_WAY = 900, /* connections at once: a container has 1024 descriptors where nobody says otherwise */
    HOLD_MILLISECONDS = 50, /* for a connection that is to stay */
};

struct flood {
    union endpoint to;
    socklen_t length;
    uint64_t limit;
    double milliseconds;
    struct timespec begun;
    uint64_t tried;
    uint64_t done;
    uint64_t refused;
    uint64_t exhausted;
};

static bool goes_on(const struct flood *flood)
{
    return flood->tried < flood->limit && attempt_milliseconds(&flood->begun) < flood->milliseconds;
}

static void count_result(struct flood *flood, int error)
{
    flood->tried++;
    if (error == 0)
        flood->done++;
    else if (error == EMFILE || error == ENFILE || error == EAGAIN || error == ENOMEM || error == ENOBUFS ||
             error == EADDRNOTAVAIL)
        flood->exhausted++;
    else
        flood->refused++;
}

/* Begins a connection; -1 where that failed, and is counted. */
static int begin_connection(struct flood *flood)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = fd < 0 ? errno : 0;

    if (fd >= 0 && connect(fd, &flood->to.any, flood->length) < 0)
        error = errno;
    if (error == 0 || error == EINPROGRESS)
        return fd;
    count_result(flood, error);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Whatever became of it by now. One that is still on its way is "done": nobody said no. It ends with a reset,
 * so that no port is kept from the next. */
static void end_connection(struct flood *flood, int fd)
{
    static const struct linger reset = {.l_onoff = 1};
    int error = 0;
    socklen_t length = sizeof(error);

    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    count_result(flood, error);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
}

/* New connections, none of which is used: each takes the place of the one UNDER_WAY before it. */
static void flood_connect(struct flood *flood)
{
    static int fds[UNDER_WAY];
    unsigned at = 0;

    memset(fds, -1, sizeof(fds));
    for (; goes_on(flood); at = (at + 1) % UNDER_WAY) {
        if (fds[at] >= 0)
            end_connection(flood, fds[at]);
        fds[at] = begin_connection(flood);
    }
    for (at = 0; at < UNDER_WAY; at++)
        if (fds[at] >= 0)
            end_connection(flood, fds[at]);
}

static void wait_for_end(const struct flood *flood)
{
    double left = flood->milliseconds - attempt_milliseconds(&flood->begun);

    if (left > 0)
        poll(NULL, 0, (int)left);
}

/* As many connections as there are descriptors, which stay. Each has some time before the next: where all
 * begin at once, the kernel drops what the listener has no room for, and the sender tries again only after
 * seconds. */
static void flood_hold(struct flood *flood)
{
    while (goes_on(flood) && flood->exhausted == 0) {
        struct pollfd connected = {.fd = begin_connection(flood), .events = POLLOUT};

        if (connected.fd < 0)
            continue;
        poll(&connected, 1, HOLD_MILLISECONDS);
        count_result(flood, 0);
    }
    wait_for_end(flood);
}

static void flood_udp(struct flood *flood)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    char payload[1200] = PROBE_MAGIC "flood";

    if (fd < 0)
        usage("socket: %s", strerror(errno));
    while (goes_on(flood))
        count_result(flood,
                     sendto(fd, payload, sizeof(payload), 0, &flood->to.any, flood->length) < 0 ? errno : 0);
    close(fd);
}

/* Each lists all links, routes and neighbours; the answers are not read. */
static void flood_netlink(struct flood *flood)
{
    static const uint16_t types[] = {RTM_GETLINK, RTM_GETROUTE, RTM_GETNEIGH};
    const struct rtgenmsg header = {.rtgen_family = AF_UNSPEC};

    while (goes_on(flood)) {
        struct request request;
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

        request_begin(&request, types[flood->tried % 3], NLM_F_DUMP, &header, sizeof(header));
        count_result(flood, fd < 0 || send(fd, &request, request.header.nlmsg_len, 0) < 0 ? errno : 0);
        if (fd >= 0)
            close(fd);
    }
}

/* Unix sockets until there are no more descriptors, again and again. */
static void flood_descriptors(struct flood *flood)
{
    while (goes_on(flood)) {
        int pair[2];
        bool full = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0;

        count_result(flood, full ? errno : 0);
        if (full)
            close_range(STDERR_FILENO + 1, ~0U, 0);
    }
}

/* Processes until there are no more. They end with this one. */
static void flood_processes(struct flood *flood)
{
    while (goes_on(flood) && flood->exhausted == 0) {
        pid_t pid = fork();

        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;)
                pause();
        }
        count_result(flood, pid < 0 ? errno : 0);
    }
    wait_for_end(flood);
}

static const struct kind {
    const char *name;
    void (*run)(struct flood *flood);
} KINDS[] = {
    {"connect", flood_connect}, {"hold", flood_hold},        {"udp", flood_udp},
    {"netlink", flood_netlink}, {"unix", flood_descriptors}, {"fork", flood_processes},
};

int probe_flood(struct arguments *arguments)
{
    struct flood flood = {
        .limit = arguments_take_number(arguments, "--count", UINT64_MAX),
        .milliseconds = (double)arguments_take_number(arguments, "--milliseconds", MILLISECONDS),
    };
    char **operands = arguments_operands(arguments, 3);
    char details[128];

    flood.length = parse_endpoint(operands[1], operands[2], &flood.to);
    flood.begun = attempt_begin();
    for (size_t i = 0; i < array_size(KINDS); i++) {
        if (strcmp(operands[0], KINDS[i].name) != 0)
            continue;
        KINDS[i].run(&flood);
        snprintf(details, sizeof(details), "tried=%llu done=%llu refused=%llu exhausted=%llu",
                 (unsigned long long)flood.tried, (unsigned long long)flood.done,
                 (unsigned long long)flood.refused, (unsigned long long)flood.exhausted);
        return report("flood", 0, &flood.begun, details);
    }
    usage("no flood `%s`", operands[0]);
}
