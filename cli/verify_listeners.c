/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_listeners.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>

enum {
    TRIES = 16, /* to find a port that is free in both protocols */
    AT_ONCE = 64,
    PIECE = 512, /* bytes: a marker and what is around it is less than 100 */
};

/* IPv4 and IPv6 in one socket, or IPv4 alone where there is no other. */
union place {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
};

void verify_listeners_init(struct verify_listeners *listeners)
{
    *listeners = (struct verify_listeners){.tcp = -1, .udp = -1, .wake = -1};
    for (unsigned i = 0; i < LISTENERS_OPEN; i++)
        listeners->callers[i].fd = -1;
}

void verify_listeners_close(struct verify_listeners *listeners)
{
    cleanup_close_at(&listeners->tcp);
    cleanup_close_at(&listeners->udp);
    cleanup_close_at(&listeners->wake);
    for (unsigned i = 0; i < LISTENERS_OPEN; i++)
        cleanup_close_at(&listeners->callers[i].fd);
    verify_listeners_init(listeners);
}

int verify_marker_make(char ret[VERIFY_MARKER_SIZE], struct error *err)
{
    uint8_t random[16];

    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return error_set(err, errno, "choose a marker");
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(ret + 2 * i, 3, "%02x", random[i]);
    return 0;
}

static int open_socket(int type)
{
    const int no = 0;
    cleanup_close int fd = socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no)) < 0 ? -1 : take_fd(&fd);
}

static int add_wake(const struct verify_listeners *listeners, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    return epoll_ctl(listeners->wake, EPOLL_CTL_ADD, fd, &event);
}

static int bind_port(int fd, uint16_t port)
{
    union place place = {.six = {.sin6_family = AF_INET6, .sin6_port = htons(port)}};
    int domain = 0;
    socklen_t size = sizeof(domain);

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0)
        return -1;
    if (domain == AF_INET)
        place = (union place){.four = {.sin_family = AF_INET, .sin_port = htons(port)}};
    return bind(fd, &place.any, domain == AF_INET ? sizeof(place.four) : sizeof(place.six));
}

/* Both families have it in the same place. */
static int port_of(int fd, uint16_t *ret)
{
    union place place = {.six = {0}};
    socklen_t size = sizeof(place);

    if (getsockname(fd, &place.any, &size) < 0)
        return -1;
    *ret = ntohs(place.four.sin_port);
    return 0;
}

/* One attempt: the kernel chooses the port of the first, and the second takes the same if it is free. */
static int open_both(struct verify_listeners *listeners)
{
    cleanup_close int tcp = open_socket(SOCK_STREAM);
    cleanup_close int udp = open_socket(SOCK_DGRAM);
    uint16_t port = 0;

    if (tcp < 0 || udp < 0 || bind_port(tcp, 0) < 0 || port_of(tcp, &port) < 0 || bind_port(udp, port) < 0 ||
        listen(tcp, SOMAXCONN) < 0)
        return -errno;
    listeners->tcp = take_fd(&tcp);
    listeners->udp = take_fd(&udp);
    listeners->port = port;
    return 0;
}

/* To ourselves, over `lo`. Whether it was heard tells whether it could be said. */
static void say(const struct verify_listeners *listeners, int type)
{
    const union place to = {.four = {.sin_family = AF_INET,
                                     .sin_port = htons(listeners->port),
                                     .sin_addr = {htonl(INADDR_LOOPBACK)}}};
    const struct timeval patience = {.tv_sec = 1};
    char text[PIECE];
    int length = snprintf(text, sizeof(text), VERIFY_MAGIC "%s-0\n", listeners->own);
    cleanup_close int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
        connect(fd, &to.any, sizeof(to.four)) == 0)
        (void)!send(fd, text, (size_t)length, MSG_NOSIGNAL);
}

int verify_listeners_open(struct verify_listeners *listeners, struct error *err)
{
    int result = verify_marker_make(listeners->own, err);

    if (result < 0)
        return result;
    result = -EADDRINUSE;
    for (int i = 0; i < TRIES && result == -EADDRINUSE; i++)
        result = open_both(listeners);
    if (result == 0) {
        listeners->wake = epoll_create1(EPOLL_CLOEXEC);
        result = listeners->wake < 0 || add_wake(listeners, listeners->tcp) < 0 ||
                         add_wake(listeners, listeners->udp) < 0
                     ? -errno
                     : 0;
    }
    if (result < 0)
        return error_set(err, -result, "listen on this host for what may get out");
    say(listeners, SOCK_STREAM);
    say(listeners, SOCK_DGRAM);
    return 0;
}

/* Who it is. */
static void describe(const union place *from, struct verify_caller *ret)
{
    const uint8_t *bytes = from->six.sin6_addr.s6_addr;

    ret->address = 0;
    if (from->any.sa_family == AF_INET)
        ret->address = ntohl(from->four.sin_addr.s_addr);
    else if (IN6_IS_ADDR_V4MAPPED(&from->six.sin6_addr))
        ret->address =
            (uint32_t)bytes[12] << 24 | (uint32_t)bytes[13] << 16 | (uint32_t)bytes[14] << 8 | bytes[15];
    if (ret->address != 0)
        policy_format_address(ret->address, ret->who);
    else
        inet_ntop(AF_INET6, bytes, ret->who, sizeof(ret->who));
}

struct listening {
    struct verify_listeners *listeners;
    const char *marker;
    uint32_t address; /* the member's */
};

static void take_piece(const struct listening *to, const struct verify_caller *caller, bool tcp,
                       const char *piece, size_t size)
{
    struct verify_listeners *listeners = to->listeners;
    unsigned attempt = VERIFY_NO_ATTEMPT;
    unsigned ignored = 0;

    if (verify_marker_find(piece, size, listeners->own, &ignored))
        *(tcp ? &listeners->heard_tcp : &listeners->heard_udp) = true;
    else if (verify_marker_find(piece, size, to->marker, &attempt) ||
             (caller->address != 0 && caller->address == to->address))
        verify_offenders_add(&listeners->arrived, attempt, "%s from %s at port %u of this host",
                             tcp ? "TCP" : "UDP", caller->who, listeners->port);
}

static bool read_udp(const struct listening *to)
{
    int count = 0;

    for (; count < AT_ONCE; count++) {
        char piece[PIECE];
        union place from = {.any.sa_family = AF_UNSPEC};
        socklen_t length = sizeof(from);
        struct verify_caller caller;
        ssize_t size = recvfrom(to->listeners->udp, piece, sizeof(piece), MSG_DONTWAIT, &from.any, &length);

        if (size < 0)
            break;
        describe(&from, &caller);
        take_piece(to, &caller, false, piece, (size_t)size);
    }
    return count > 0;
}

/* The first piece of what it says, or nothing, and then the caller has been heard. */
static bool hear(const struct listening *to, struct verify_caller *caller, bool last)
{
    char piece[PIECE];
    ssize_t size = -1;

    if (caller->fd < 0)
        return false;
    size = recv(caller->fd, piece, sizeof(piece), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR) && !last)
        return false;
    take_piece(to, caller, true, piece, size > 0 ? (size_t)size : 0);
    close(caller->fd);
    caller->fd = -1;
    return true;
}

/* For another in its place. What it would have said may have been the marker. */
static void dismiss(const struct listening *to, struct verify_caller *caller)
{
    if (caller->fd < 0 || hear(to, caller, false))
        return;
    hear(to, caller, true);
    to->listeners->unheard++;
}

static bool accept_some(const struct listening *to)
{
    struct verify_listeners *listeners = to->listeners;
    int count = 0;

    for (; count < LISTENERS_OPEN; count++) {
        union place from = {.any.sa_family = AF_UNSPEC};
        socklen_t length = sizeof(from);
        int fd = accept4(listeners->tcp, &from.any, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct verify_caller *caller = &listeners->callers[listeners->called % LISTENERS_OPEN];

        if (fd < 0)
            break;
        dismiss(to, caller);
        describe(&from, caller);
        caller->fd = fd;
        add_wake(listeners, fd); /* where that fails, it is heard with the next */
        listeners->called++;
    }
    return count > 0;
}

bool verify_listeners_read(struct verify_listeners *listeners, const char *marker, uint32_t address)
{
    const struct listening to = {listeners, marker, address};
    bool some = accept_some(&to);

    for (unsigned i = 0; i < LISTENERS_OPEN; i++)
        some = hear(&to, &listeners->callers[i], false) || some;
    return read_udp(&to) || some;
}

void verify_listeners_end(struct verify_listeners *listeners, const char *marker, uint32_t address)
{
    const struct listening to = {listeners, marker, address};

    for (unsigned i = 0; i < LISTENERS_OPEN; i++)
        hear(&to, &listeners->callers[i], true);
}

/* Returns UINT32_MAX where the kernel does not tell. */
static uint32_t lost_by(int fd)
{
    uint32_t memory[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof(memory);

    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &size) < 0)
        return UINT32_MAX;
    return memory[SK_MEMINFO_DROPS];
}

uint64_t verify_listeners_lost(const struct verify_listeners *listeners)
{
    return (uint64_t)lost_by(listeners->tcp) + lost_by(listeners->udp) + listeners->unheard;
}
