/* SPDX-License-Identifier: Apache-2.0
 *
 * Sending something somewhere, in one of many ways: what most attempts of the battery are. */
#include "probe/battery.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    /* Milliseconds, below the limit of an attempt. A refusal comes in less than one; who answers late, where
     * nobody may, is open all the same. */
    CONNECT_WAIT = 800, /* for who must answer */
    CLOSED_WAIT = 300,
    REFUSAL_WAIT = 100, /* for an ICMP error or an answer to a datagram */
};

const struct way WAY_TCP = {"tcp", SOCK_STREAM, 0, NULL};
const struct way WAY_UDP = {"udp", SOCK_DGRAM, 0, NULL};

struct shot {
    const struct way *way;
    const char *address;
    uint16_t port;
    bool quiet; /* connect only: the far end is somebody's */
};

bool battery_wait(int fd, short events, int milliseconds)
{
    struct pollfd wait = {.fd = fd, .events = events};

    return poll(&wait, 1, milliseconds) > 0;
}

static int connect_in_time(int fd, const union endpoint *to, socklen_t length, int milliseconds)
{
    int error = 0;
    socklen_t size = sizeof(error);

    if (connect(fd, &to->any, length) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    if (!battery_wait(fd, POLLOUT, milliseconds))
        return ETIMEDOUT;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? errno : error;
}

static socklen_t endpoint_of(const char *address, uint16_t port, union endpoint *ret)
{
    char text[8];

    snprintf(text, sizeof(text), "%u", port);
    return parse_endpoint(address, text, ret);
}

int battery_connect(const char *address, uint16_t port, enum seen expect)
{
    union endpoint to;
    socklen_t length = endpoint_of(address, port, &to);
    int fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error =
        fd < 0 ? errno : connect_in_time(fd, &to, length, expect == SEEN_OPEN ? CONNECT_WAIT : CLOSED_WAIT);

    if (error != 0 && fd >= 0)
        close(fd);
    return error != 0 ? -error : fd;
}

/* A datagram is gone when send(2) returns: only a refusal that comes back makes it closed. */
static void send_datagram(int fd, const char *text, struct answer *ret)
{
    char byte = 0;

    if (send(fd, text, strlen(text), 0) < 0)
        answer_error(ret, errno);
    else if (!battery_wait(fd, POLLIN, REFUSAL_WAIT))
        answer_say(ret, SEEN_OPEN, "sent, and nobody refused it");
    else if (recv(fd, &byte, sizeof(byte), MSG_TRUNC) < 0)
        answer_error(ret, errno);
    else
        answer_say(ret, SEEN_OPEN, "answered");
}

static void run_shot(const struct battery *battery, const void *data, struct answer *ret)
{
    const struct shot *shot = data;
    union endpoint to;
    socklen_t length = endpoint_of(shot->address, shot->port, &to);
    char text[BATTERY_TEXT_MAX + sizeof(PROBE_MAGIC)];
    int fd = socket(to.any.sa_family, shot->way->type | SOCK_NONBLOCK | SOCK_CLOEXEC, shot->way->protocol);
    int error = fd < 0 ? errno : 0;

    if (error == 0 && shot->way->prepare != NULL)
        error = shot->way->prepare(fd, battery);
    if (error == ENODEV) {
        answer_say(ret, SEEN_IMPOSSIBLE, "there is no link to send by");
        return;
    }
    if (error == 0)
        error = connect_in_time(fd, &to, length, shot->quiet ? CONNECT_WAIT : CLOSED_WAIT);
    if (error != 0) {
        answer_connect_error(ret, error);
        return;
    }
    snprintf(text, sizeof(text), PROBE_MAGIC "%s\n", battery_marker(battery));
    if (shot->way->type == SOCK_DGRAM) {
        send_datagram(fd, text, ret);
        return;
    }
    answer_say(ret, SEEN_OPEN, "connected");
    if (!shot->quiet && send(fd, text, strlen(text), 0) < 0)
        answer_say(ret, SEEN_OPEN, "connected; send: %s", strerrorname_np(errno));
}

void battery_send(struct battery *battery, const struct way *way, const char *address, uint16_t port,
                  enum seen expect)
{
    const struct shot shot = {way, address, port, expect == SEEN_OPEN};
    char name[BATTERY_TEXT_MAX];
    char tried[BATTERY_TEXT_MAX];
    const char *kind = way->type == SOCK_DGRAM ? "a datagram" : "a connection";

    /* For people: what is too long is cut. */
    if (snprintf(name, sizeof(name), "%s-%s-%u", way->name, address, port) < 0 ||
        snprintf(tried, sizeof(tried), "%s by %s to %s port %u", kind, way->name, address, port) < 0)
        return;
    battery_try(battery, &(struct attempt){
                             .name = name, .tried = tried, .expect = expect, .run = run_shot, .data = &shot});
}

bool battery_link_address(struct battery *battery, const char *address, char ret[BATTERY_LINK_ADDRESS_MAX])
{
    if (battery->link == NULL)
        battery_impossible(battery, address, "an address of the link", "there is no link to send by");
    else
        snprintf(ret, BATTERY_LINK_ADDRESS_MAX, "%s%%%s", address, battery->link);
    return battery->link != NULL;
}

void battery_send_both(struct battery *battery, const char *address, uint16_t port)
{
    battery_send(battery, &WAY_TCP, address, port, SEEN_CLOSED);
    battery_send(battery, &WAY_UDP, address, port, SEEN_CLOSED);
}

int battery_bind_to_link(int fd, const struct battery *battery)
{
    if (battery->link == NULL)
        return ENODEV;
    return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, battery->link, (socklen_t)strlen(battery->link) + 1) <
                   0
               ? errno
               : 0;
}

int battery_mark(int fd, const struct battery *battery)
{
    (void)battery;
    return battery_set_option(fd, SOL_SOCKET, SO_MARK);
}

int battery_set_option(int fd, int level, int option)
{
    const int on = 1;

    return setsockopt(fd, level, option, &on, sizeof(on)) < 0 ? errno : 0;
}

void battery_send_text(struct battery *battery, const struct way *way, const char *text, enum seen expect)
{
    char host[BATTERY_TEXT_MAX];
    uint16_t port = battery_split(text, host, sizeof(host));

    battery_send(battery, way, host, port, expect);
}
