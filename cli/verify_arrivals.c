/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_arrivals.h"

#include "base/cleanup.h"
#include "netns/link_watch.h"
#include "netns/member.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

/* More than both queues hold: what is still coming then is no longer the container's. */
enum { ROUNDS_MAX = 256 };

/* The highest index of a link: every later link has a higher one, and is told of. */
static int find_newest(int hub, int own, int *ret, struct error *err)
{
    cleanup_netlink struct netlink *netlink = NULL;
    cleanup_free struct link *links = NULL;
    size_t count = 0;
    int result = netlink_open_in(hub, own, NETLINK_ROUTE, &netlink, err);

    if (result == 0)
        result = link_list(netlink, &links, &count, err);
    if (result < 0)
        return result;
    *ret = 0;
    for (size_t i = 0; i < count; i++)
        *ret = links[i].index > *ret ? links[i].index : *ret;
    return 0;
}

static int add_wake(const struct verify_arrivals *arrivals, int fd, struct error *err)
{
    struct epoll_event event = {.events = EPOLLIN};

    if (epoll_ctl(arrivals->wake, EPOLL_CTL_ADD, fd, &event) < 0)
        return error_set(err, errno, "wait for arrivals");
    return 0;
}

static int open_wake(struct verify_arrivals *arrivals, struct error *err)
{
    int result = 0;

    arrivals->wake = epoll_create1(EPOLL_CLOEXEC);
    if (arrivals->wake < 0)
        return error_set(err, errno, "wait for arrivals");
    result = add_wake(arrivals, arrivals->witness, err);
    return result < 0 ? result : add_wake(arrivals, arrivals->listeners.wake, err);
}

void verify_arrivals_init(struct verify_arrivals *arrivals)
{
    *arrivals = (struct verify_arrivals){.witness = -1, .wake = -1};
    verify_listeners_init(&arrivals->listeners);
}

int verify_arrivals_open(struct verify_arrivals *arrivals, const struct policy *policy, int hub, int own,
                         const char *id, struct error *err)
{
    struct witness_view view = {.subnet = policy_subnet(policy)};
    int result = 0;

    arrivals->id = id;
    arrivals->packets.policy = policy;
    arrivals->packets.marker = arrivals->marker;
    clock_gettime(CLOCK_MONOTONIC, &arrivals->since);
    result = verify_marker_make(arrivals->marker, err);
    if (result == 0)
        result = netlink_open_in(hub, own, NETLINK_ROUTE, &arrivals->links, err);
    if (result == 0)
        result = link_watch(arrivals->links, err);
    if (result == 0)
        result = find_newest(hub, own, &view.newest, err);
    if (result < 0)
        return result;
    arrivals->witness = witness_open(hub, own, &view, err);
    if (arrivals->witness < 0)
        return arrivals->witness;
    result = verify_listeners_open(&arrivals->listeners, err);
    return result < 0 ? result : open_wake(arrivals, err);
}

void verify_arrivals_close(struct verify_arrivals *arrivals)
{
    verify_listeners_close(&arrivals->listeners);
    cleanup_close_at(&arrivals->wake);
    cleanup_close_at(&arrivals->witness);
    netlink_close_at(&arrivals->links);
}

/* Whose packet has come. The link has its altname before it is up, and the kernel tells that it is up before
 * it takes a packet: so who asks with the packet in hand finds it, even if the link is gone again. */
static int find_link(struct verify_arrivals *arrivals, struct error *err)
{
    struct verify_packets *packets = &arrivals->packets;
    struct witness_view view = {.subnet = policy_subnet(packets->policy)};
    char altname[LINK_ALTNAME_SIZE];
    struct link link;
    int result = 0;

    if (packets->link != 0 || arrivals->id[0] == '\0')
        return 0;
    member_altname(arrivals->id, altname);
    result = link_watch_find(arrivals->links, altname, &link, err);
    if (result == -ENODEV)
        return 0;
    if (result < 0)
        return result;
    if (!link_hub_address(link.name, &packets->address))
        return error_set(err, EBADMSG, "link %s of the container has no name that Sallyport gives",
                         link.name);
    packets->link = view.link = link.index;
    view.address = packets->address;
    return witness_look(arrivals->witness, &view, err);
}

struct taker {
    struct verify_arrivals *arrivals;
    struct error *err;
    int result; /* of finding the link, negative on failure */
};

static void take_packet(const struct witness_packet *packet, void *data)
{
    struct taker *taker = data;

    if (!packet->leaving && taker->result == 0)
        taker->result = find_link(taker->arrivals, taker->err);
    verify_packets_take(&taker->arrivals->packets, packet);
}

/* Returns 1 if something had come, 0 if not. */
static int take_some(struct verify_arrivals *arrivals, struct error *err)
{
    struct taker taker = {.arrivals = arrivals, .err = err};
    int result = witness_read(arrivals->witness, take_packet, &taker, err);
    bool heard = false;

    if (result < 0 || taker.result < 0)
        return result < 0 ? result : taker.result;
    heard = verify_listeners_read(&arrivals->listeners, arrivals->marker, arrivals->packets.address);
    return result > 0 || heard ? 1 : 0;
}

int verify_arrivals_take(void *arrivals, struct error *err)
{
    int result = take_some(arrivals, err);

    return result < 0 ? result : 0;
}

int verify_arrivals_begin(struct verify_arrivals *arrivals, struct error *err)
{
    unsigned others = 0;
    int result = 1;

    for (int i = 0; i < ROUNDS_MAX && result > 0; i++)
        result = take_some(arrivals, err);
    return result < 0 ? result : witness_lost(arrivals->witness, &others, err);
}

/* Lines. */

__attribute__((format(printf, 4, 5))) static size_t append(char *text, size_t size, size_t length,
                                                           const char *format, ...)
{
    va_list arguments;
    int more = 0;

    va_start(arguments, format);
    more = vsnprintf(text + length, size - length, format, arguments);
    va_end(arguments);
    return more < 0 || (size_t)more >= size - length ? size - 1 : length + (size_t)more;
}

/* "3 packets: UDP 10.209.0.64 -> 10.209.0.3:53 (members udp-10.209.0.3-53); ...". What is too long is cut. */
static void describe(const struct verify_offenders *offenders, const struct verify_lines *lines, char *ret,
                     size_t size)
{
    size_t length = append(ret, size, 0, "%" PRIu64 " arrived", offenders->count);

    for (size_t i = 0; i < offenders->told; i++) {
        const struct verify_offender *one = &offenders->first[i];
        const struct verify_attempt *attempt = NULL;

        if (one->attempt != VERIFY_NO_ATTEMPT && one->attempt <= lines->count)
            attempt = &lines->attempts[one->attempt - 1];
        length = append(ret, size, length, "%s%s", i == 0 ? ": " : "; ", one->text);
        if (attempt != NULL)
            length = append(ret, size, length, " (%s %s)", verify_group_name(attempt->group), attempt->name);
    }
}

struct adder {
    const struct verify_arrivals *arrivals;
    struct verify_lines *lines;
    double milliseconds;
};

static int add(const struct adder *adder, const char *name, const char *tried, enum verify_saw expect,
               enum verify_saw saw, const char *detail, struct error *err)
{
    struct verify_attempt attempt = {.group = (unsigned)verify_group_find(VERIFY_GROUP_ARRIVALS),
                                     .expect = expect,
                                     .saw = saw,
                                     .milliseconds = adder->milliseconds};

    snprintf(attempt.name, sizeof(attempt.name), "%s", name);
    snprintf(attempt.tried, sizeof(attempt.tried), "%s", tried);
    snprintf(attempt.detail, sizeof(attempt.detail), "%s", detail);
    return verify_lines_add(adder->lines, &attempt, err);
}

/* Something that must not have arrived. */
static int add_offenders(const struct adder *adder, const char *name, const char *tried,
                         const struct verify_offenders *offenders, struct error *err)
{
    char detail[VERIFY_TEXT_SIZE] = "nothing arrived";

    if (offenders->count > 0)
        describe(offenders, adder->lines, detail, sizeof(detail));
    return add(adder, name, tried, VERIFY_CLOSED, offenders->count > 0 ? VERIFY_OPEN : VERIFY_CLOSED, detail,
               err);
}

/* Something that must have been seen. */
static int add_control(const struct adder *adder, const char *name, const char *tried, bool seen,
                       const char *what, struct error *err)
{
    char detail[VERIFY_TEXT_SIZE];

    snprintf(detail, sizeof(detail), "%s%s", what,
             seen ? "" : ": so nothing else that was not seen means anything");
    return add(adder, name, tried, VERIFY_OPEN, seen ? VERIFY_OPEN : VERIFY_CLOSED, detail, err);
}

static int add_host_control(const struct adder *adder, struct error *err)
{
    const struct verify_listeners *listeners = &adder->arrivals->listeners;
    const uint64_t lost = verify_listeners_lost(listeners);
    char detail[64] = "by TCP and UDP";

    if (!listeners->heard_tcp || !listeners->heard_udp)
        snprintf(detail, sizeof(detail), "not by %s, a firewall on lo may be why",
                 listeners->heard_tcp ? "UDP" : "TCP");
    else if (lost > 0)
        snprintf(detail, sizeof(detail), "%" PRIu64 " lost, somebody sends too much", lost);
    return add_control(adder, "witness-host", "control: the listeners on this host hear a word of ours",
                       listeners->heard_tcp && listeners->heard_udp && lost == 0, detail, err);
}

static int add_controls(const struct adder *adder, unsigned lost, struct error *err)
{
    const struct verify_arrivals *arrivals = adder->arrivals;
    char detail[64];
    int result = 0;

    snprintf(detail, sizeof(detail), "%" PRIu64 " packets, %u lost", arrivals->packets.entered, lost);
    result = add_control(adder, "witness-in", "control: the witness in the hub sees what the container sends",
                         arrivals->packets.entered > 0 && lost == 0, detail, err);
    if (result == 0 && arrivals->way_out) {
        snprintf(detail, sizeof(detail), "%" PRIu64 " packets", arrivals->packets.allowed);
        result = add_control(adder, "witness-out", "control: it sees the allowed connections leave the hub",
                             arrivals->packets.allowed > 0, detail, err);
    }
    return result == 0 ? add_host_control(adder, err) : result;
}

static int add_lines(const struct adder *adder, unsigned lost, struct error *err)
{
    const struct verify_arrivals *arrivals = adder->arrivals;
    int result = add_controls(adder, lost, err);

    if (result == 0)
        result = add_offenders(adder, "into-hub", "what the guard keeps in does not come into the hub",
                               &arrivals->packets.entering, err);
    if (result == 0)
        result = add_offenders(adder, "out-of-hub", "what the policy does not allow does not leave the hub",
                               &arrivals->packets.leaving, err);
    if (result == 0)
        result = add_offenders(adder, "on-host", "nothing of this run reaches a socket of the host",
                               &arrivals->listeners.arrived, err);
    return result;
}

int verify_arrivals_end(struct verify_arrivals *arrivals, struct verify_lines *lines, struct error *err)
{
    struct adder adder = {.arrivals = arrivals, .lines = lines};
    struct timespec now = {0};
    unsigned lost = 0;
    int result = 1;

    for (int i = 0; i < ROUNDS_MAX && result > 0; i++)
        result = take_some(arrivals, err);
    if (result >= 0)
        result = witness_lost(arrivals->witness, &lost, err);
    if (result < 0)
        return result;
    verify_listeners_end(&arrivals->listeners, arrivals->marker, arrivals->packets.address);
    clock_gettime(CLOCK_MONOTONIC, &now);
    adder.milliseconds = (double)(now.tv_sec - arrivals->since.tv_sec) * 1e3 +
                         (double)(now.tv_nsec - arrivals->since.tv_nsec) / 1e6;
    return add_lines(&adder, lost, err);
}
