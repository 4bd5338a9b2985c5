/* SPDX-License-Identifier: Apache-2.0 */
#include "topology.h"

#include "base/cleanup.h"
#include "netns/namespace.h"
#include "nft_program.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define IP "/usr/sbin/ip"

static int places[PLACES];
static struct error err;

/* ---- making ---- */

void topology_enter(enum place place)
{
    cr_assert_eq(namespace_enter(places[place], &err), 0, "%s", err.text);
}

void topology_ip(const char *lines)
{
    char *arguments[] = {(char[]){IP}, (char[]){"-batch"}, (char[]){"-"}, NULL};
    cleanup_close int input = memfd_create("ip", MFD_CLOEXEC);
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    int status = 0;

    cr_assert_eq(write(input, lines, strlen(lines)), (ssize_t)strlen(lines));
    cr_assert_eq(lseek(input, 0, SEEK_SET), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    cr_assert_eq(posix_spawn(&pid, IP, &actions, NULL, arguments, NULL), 0);
    posix_spawn_file_actions_destroy(&actions);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0, "ip:\n%s", lines);
}

static __attribute__((format(printf, 1, 2))) void ip(const char *format, ...)
{
    char lines[2048];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(lines, sizeof(lines), format, arguments);
    va_end(arguments);
    topology_ip(lines);
}

static void sysctl(const char *name, const char *value)
{
    cr_assert_eq(namespace_sysctl(name, value, &err), 0, "%s", err.text);
}

static void make_places(void)
{
    for (int i = 0; i < PLACES; i++) {
        cr_assert_eq(unshare(CLONE_NEWNET), 0, "needs root");
        places[i] = namespace_open_own(&err);
        cr_assert_geq(places[i], 0, "%s", err.text);
        sysctl("net/ipv4/conf/all/rp_filter", i == HUB ? "1" : "0");
        sysctl("net/ipv4/conf/default/rp_filter", i == HUB ? "1" : "0");
        sysctl("net/ipv4/ip_forward", i == HUB || i == HOST ? "1" : "0");
        sysctl("net/ipv6/conf/default/accept_dad", "0");
        ip("link set lo up\n");
    }
}

/* Waits until the link carries packets: the kernel gives it its queue in the background after "up". */
void topology_wait_for_link(enum place place, const char *link)
{
    struct ifreq request = {.ifr_flags = 0};
    cleanup_close int fd = -1;

    topology_enter(place);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", link);
    for (int i = 0; i < 5000; i++) {
        cr_assert_eq(ioctl(fd, SIOCGIFFLAGS, &request), 0, "%s: %s", link, strerror(errno));
        if (request.ifr_flags & IFF_RUNNING)
            break;
        usleep(1000);
    }
    cr_assert(request.ifr_flags & IFF_RUNNING, "%s", link);
    ip("link set %s up\n", link); /* takes the lock that the background work held */
}

/* Links the place to the hub. `link` is the place's end. */
static void link_to_hub(enum place place, const char *link, const char *address)
{
    struct in_addr number;
    char hub_link[IFNAMSIZ];

    cr_assert_eq(inet_pton(AF_INET, address, &number), 1);
    topology_enter(HUB);
    ip("link add sp%08x address 02:00:00:00:01:%02x type veth peer name %s address 02:00:00:00:02:%02x netns "
       "/proc/%d/fd/%d\n"
       "link set sp%08x up\n"
       "neigh add %s lladdr 02:00:00:00:02:%02x dev sp%08x nud permanent\n"
       "route add %s/32 dev sp%08x\n",
       ntohl(number.s_addr), place, link, place, getpid(), places[place], ntohl(number.s_addr), address,
       place, ntohl(number.s_addr), address, ntohl(number.s_addr));
    snprintf(hub_link, sizeof(hub_link), "sp%08x", ntohl(number.s_addr));
    topology_enter(place);
    ip("link set %s up\n"
       "address add %s/32 dev %s\n"
       "neigh add 169.254.0.1 lladdr 02:00:00:00:01:%02x dev %s nud permanent\n"
       "route add 10.209.0.0/24 via 169.254.0.1 dev %s onlink src %s\n",
       link, address, link, place, link, link, address);
    topology_wait_for_link(place, link);
    topology_wait_for_link(HUB, hub_link);
}

void topology_make(void)
{
    make_places();
    link_to_hub(AGENT, "sp0", AGENT_ADDRESS);
    link_to_hub(OTHER, "sp0", OTHER_ADDRESS);
    link_to_hub(GATEWAY, "sp0", GATEWAY_ADDRESS);
    link_to_hub(DASHBOARD, "sp0", DASHBOARD_ADDRESS);
    link_to_hub(HOST, "sp-hermes", HOST_ADDRESS);
    topology_enter(HOST);
    ip("address add " PROXY_ADDRESS "/32 dev sp-hermes\n"
       "link add lan0 type veth peer name eth0 netns /proc/%d/fd/%d\n"
       "address add 198.51.100.1/24 dev lan0\n"
       "link set lan0 up\n",
       getpid(), places[OUTSIDE]);
    topology_enter(OUTSIDE);
    ip("address add " OUTSIDE_ADDRESS "/24 dev eth0\n"
       "link set eth0 up\n"
       "route add default via 198.51.100.1\n");
    topology_wait_for_link(OUTSIDE, "eth0");
    topology_wait_for_link(HOST, "lan0");
    topology_enter(HUB);
    ip("neigh add " PROXY_ADDRESS " lladdr 02:00:00:00:02:%02x dev sp0ad10001 nud permanent\n"
       "route add " PROXY_ADDRESS "/32 dev sp0ad10001\n",
       HOST);
}

void topology_move(enum place from, const char *link, enum place to, const char *name)
{
    topology_enter(from);
    ip("link set %s netns /proc/%d/fd/%d name %s\n", link, getpid(), places[to], name);
}

void topology_nft(enum place place, const char *command)
{
    topology_enter(place);
    cr_assert_eq(nft_program(command), 0, "nft %s", command);
}

struct netlink *topology_netfilter(enum place place)
{
    struct netlink *netlink = NULL;

    topology_enter(place);
    cr_assert_eq(netlink_open(NETLINK_NETFILTER, &netlink, &err), 0, "%s", err.text);
    return netlink;
}

/* ---- using ---- */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_ll link;
};

static socklen_t read_address(const char *text, uint16_t port, union address *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (inet_pton(AF_INET, text, &ret->v4.sin_addr) == 1) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons(port);
        return sizeof(ret->v4);
    }
    cr_assert_eq(inet_pton(AF_INET6, text, &ret->v6.sin6_addr), 1, "%s", text);
    ret->v6.sin6_family = AF_INET6;
    ret->v6.sin6_port = htons(port);
    return sizeof(ret->v6);
}

static int open_bound(enum place place, int type, const char *address, uint16_t port)
{
    union address bound;
    socklen_t size = read_address(address, port, &bound);
    int one = 1;
    int fd = -1;

    topology_enter(place);
    fd = socket(bound.any.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    cr_assert_geq(fd, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    cr_assert_eq(bind(fd, &bound.any, size), 0, "bind %s:%u: %s", address, port, strerror(errno));
    return fd;
}

int topology_listen(enum place place, const char *address, uint16_t port)
{
    int fd = open_bound(place, SOCK_STREAM, address, port);

    cr_assert_eq(listen(fd, 16), 0);
    return fd;
}

int topology_bind_udp(enum place place, const char *address, uint16_t port)
{
    return open_bound(place, SOCK_DGRAM, address, port);
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static bool ready(int fd, short events, int milliseconds)
{
    struct pollfd wanted = {.fd = fd, .events = events};

    return poll(&wanted, 1, milliseconds) == 1;
}

bool topology_readable(int fd)
{
    return ready(fd, POLLIN, PATIENCE);
}

/* The error of the connection once it is decided. */
static int outcome(int fd)
{
    int error = 0;
    socklen_t size = sizeof(error);

    if (!ready(fd, POLLOUT, PATIENCE))
        return ETIMEDOUT;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

struct attempt topology_connect_keep(enum place place, const char *source, uint16_t source_port,
                                     const char *address, uint16_t port, int *ret_fd)
{
    union address to;
    socklen_t size = read_address(address, port, &to);
    const char *from = source[0] != '\0' ? source : to.any.sa_family == AF_INET ? "0.0.0.0" : "::";
    int fd = open_bound(place, SOCK_STREAM, from, source_port);
    struct attempt attempt = {.error = 0};
    double started = now();

    if (connect(fd, &to.any, size) < 0)
        attempt.error = errno == EINPROGRESS ? outcome(fd) : errno;
    attempt.milliseconds = now() - started;
    if (attempt.error != 0) {
        close(fd);
        fd = -1;
    }
    *ret_fd = fd;
    return attempt;
}

struct attempt topology_connect_from(enum place place, const char *source, uint16_t source_port,
                                     const char *address, uint16_t port)
{
    cleanup_close int fd = -1;

    return topology_connect_keep(place, source, source_port, address, port, &fd);
}

struct attempt topology_connect(enum place place, const char *address, uint16_t port)
{
    return topology_connect_from(place, "", 0, address, port);
}

struct attempt topology_send_udp(enum place place, const char *address, uint16_t port)
{
    union address to;
    socklen_t size = read_address(address, port, &to);
    cleanup_close int fd = open_bound(place, SOCK_DGRAM, to.any.sa_family == AF_INET ? "0.0.0.0" : "::", 0);
    struct attempt attempt = {.error = 0};
    double started = now();

    if (connect(fd, &to.any, size) < 0 || send(fd, "secret", 6, 0) < 0)
        attempt.error = errno;
    attempt.milliseconds = now() - started;
    return attempt;
}

int topology_capture(enum place place, const char *link)
{
    union address bound = {.link = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP)}};
    int fd = -1;

    topology_enter(place);
    fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_IP));
    bound.link.sll_ifindex = (int)if_nametoindex(link);
    cr_assert_geq(fd, 0);
    cr_assert_eq(bind(fd, &bound.any, sizeof(bound.link)), 0, "capture at %s", link);
    return fd;
}

static bool is_address(uint32_t address, const char *wanted)
{
    struct in_addr number;

    return wanted[0] == '\0' || (inet_pton(AF_INET, wanted, &number) == 1 && number.s_addr == address);
}

bool topology_captured(int capture, const char *source, const char *destination)
{
    union address from;
    struct iphdr header;

    while (ready(capture, POLLIN, PATIENCE)) {
        socklen_t size = sizeof(from);
        ssize_t n = recvfrom(capture, &header, sizeof(header), 0, &from.any, &size);

        if (n == (ssize_t)sizeof(header) && from.link.sll_pkttype != PACKET_OUTGOING &&
            is_address(header.saddr, source) && is_address(header.daddr, destination))
            return true;
    }
    return false;
}

/* The sum of 16-bit words of one's complement arithmetic, over a pseudo header given as words already added.
 */
static uint16_t checksum(uint32_t sum, const void *bytes, size_t size)
{
    const uint8_t *byte = bytes;

    for (size_t i = 0; i + 1 < size; i += 2)
        sum += (uint32_t)byte[i] << 8 | byte[i + 1];
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

struct segment { /* TCP over IPv4, without options and data */
    struct iphdr ip;
    struct tcphdr tcp;
};

static struct segment make_segment(const char *source, uint16_t source_port, const char *destination,
                                   uint16_t port, uint8_t flags)
{
    struct segment segment = {.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP}};

    segment.ip.saddr = inet_addr(source);
    segment.ip.daddr = inet_addr(destination);
    segment.tcp.th_sport = htons(source_port);
    segment.tcp.th_dport = htons(port);
    segment.tcp.th_off = 5;
    segment.tcp.th_flags = flags;
    segment.tcp.th_sum = checksum(IPPROTO_TCP + sizeof(segment.tcp) + (ntohl(segment.ip.saddr) >> 16) +
                                      (ntohl(segment.ip.saddr) & 0xffff) + (ntohl(segment.ip.daddr) >> 16) +
                                      (ntohl(segment.ip.daddr) & 0xffff),
                                  &segment.tcp, sizeof(segment.tcp));
    return segment;
}

/* Returns 0, or EPERM where the place's own rules refuse it. */
static int send_segment(enum place place, const struct segment *segment)
{
    union address to = {.v4 = {.sin_family = AF_INET, .sin_addr = {segment->ip.daddr}}};
    cleanup_close int fd = -1;
    ssize_t n = 0;

    topology_enter(place);
    fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    n = sendto(fd, segment, sizeof(*segment), 0, &to.any, sizeof(to.v4));
    cr_assert(n == (ssize_t)sizeof(*segment) || (n < 0 && errno == EPERM), "send raw: %s", strerror(errno));
    return n < 0 ? EPERM : 0;
}

void topology_send_syn(enum place place, const char *source, const char *destination, uint16_t port,
                       uint16_t fragment)
{
    struct segment segment = make_segment(source, 40000, destination, port, TH_SYN);

    segment.ip.frag_off = htons(fragment);
    cr_assert_eq(send_segment(place, &segment), 0);
}

int topology_send_flags(enum place place, const char *source, uint16_t source_port, const char *destination,
                        uint16_t port, uint8_t flags)
{
    struct segment segment = make_segment(source, source_port, destination, port, flags);

    return send_segment(place, &segment);
}

int topology_segments(enum place place)
{
    int fd = -1;

    topology_enter(place);
    fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    cr_assert_geq(fd, 0);
    return fd;
}

bool topology_next_segment(int segments, uint16_t source_port, int milliseconds, uint16_t *ret_port,
                           uint8_t *ret_flags)
{
    while (ready(segments, POLLIN, milliseconds)) {
        struct segment segment;
        ssize_t n = recv(segments, &segment, sizeof(segment), 0);

        if (n != (ssize_t)sizeof(segment) || segment.tcp.th_sport != htons(source_port))
            continue;
        *ret_port = ntohs(segment.tcp.th_dport);
        *ret_flags = segment.tcp.th_flags;
        return true;
    }
    return false;
}
