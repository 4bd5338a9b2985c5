/* SPDX-License-Identifier: Apache-2.0
 *
 * Group "dns": a question is a message. Whoever may ask for a name has a way out, and it says so even if the
 * connection that follows is refused. */
#include "probe/battery.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    QUERY_MAX = 300,
    ANSWER_WAIT = 250,  /* ms: who asks has got out, answered or not */
    QUESTION_LIMIT = 2, /* seconds: by TCP one waits twice */
    NAMESERVERS = 3,    /* MAXNS of resolv.h */
};

struct question {
    const char *server;
    uint16_t port;
    bool tcp;
};

/* "MARKER-NNN.battery.example", type A. Behind two bytes for the length that TCP wants. Returns the length
 * with them. */
static size_t write_query(const struct battery *battery, uint8_t *ret)
{
    static const uint8_t HEADER[] = {0x53, 0x70, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    static const uint8_t DOMAIN[] = "\7battery\7example\0\0\1\0\1"; /* and one more 0 of C's, not sent */
    const char *label = battery_marker(battery);
    size_t at = 2;

    memcpy(ret + at, HEADER, sizeof(HEADER));
    at += sizeof(HEADER);
    ret[at++] = (uint8_t)strlen(label); /* at most 63: the marker is checked */
    /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): a label of DNS has its length in front */
    memcpy(ret + at, label, strlen(label));
    at += strlen(label);
    memcpy(ret + at, DOMAIN, sizeof(DOMAIN) - 1);
    at += sizeof(DOMAIN) - 1;
    ret[0] = (uint8_t)((at - 2) >> 8);
    ret[1] = (uint8_t)(at - 2);
    return at;
}

static int open_question(const struct question *question)
{
    union endpoint to;
    char port[8];
    socklen_t length = 0;
    int fd = 0;

    if (question->tcp)
        return battery_connect(question->server, question->port, SEEN_CLOSED);
    snprintf(port, sizeof(port), "%u", question->port);
    length = parse_endpoint(question->server, port, &to);
    fd = socket(to.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    return connect(fd, &to.any, length) < 0 ? -errno : fd;
}

static void run_question(const struct battery *battery, const void *data, struct answer *ret)
{
    const struct question *question = data;
    uint8_t query[QUERY_MAX];
    size_t length = write_query(battery, query);
    size_t skip = question->tcp ? 0 : 2;
    int fd = open_question(question);

    if (fd < 0)
        answer_connect_error(ret, -fd);
    else if (send(fd, query + skip, length - skip, 0) < 0)
        answer_error(ret, errno);
    else if (!battery_wait(fd, POLLIN, ANSWER_WAIT))
        answer_say(ret, SEEN_OPEN, "asked, and nobody refused it");
    else if (recv(fd, query, sizeof(query), 0) < 0)
        answer_error(ret, errno);
    else
        answer_say(ret, SEEN_OPEN, "asked and answered");
    if (fd >= 0)
        close(fd);
}

static void ask(struct battery *battery, const char *kind, const char *server, uint16_t port, bool tcp)
{
    const struct question question = {server, port, tcp};
    char name[BATTERY_TEXT_MAX];
    char tried[BATTERY_TEXT_MAX];

    snprintf(name, sizeof(name), "%s-%s-%s", kind, tcp ? "tcp" : "udp", server);
    snprintf(tried, sizeof(tried), "a question for a name to %s port %u by %s", server, port,
             tcp ? "TCP" : "UDP");
    battery_try(
        battery,
        &(struct attempt){
            .name = name, .tried = tried, .run = run_question, .data = &question, .limit = QUESTION_LIMIT});
}

static void ask_both(struct battery *battery, const char *kind, const char *server)
{
    ask(battery, kind, server, 53, false);
    ask(battery, kind, server, 53, true);
}

/* Whom the container's programs ask: those of resolv.conf, or what libc asks where there are none. */
static void ask_configured(struct battery *battery)
{
    FILE *file = fopen("/etc/resolv.conf", "re");
    char line[512];
    unsigned found = 0;

    while (file != NULL && found < NAMESERVERS && fgets(line, sizeof(line), file) != NULL) {
        char server[INET6_ADDRSTRLEN];
        struct in6_addr address;

        if (sscanf(line, "nameserver %45s", server) != 1 ||
            (inet_pton(AF_INET, server, &address) != 1 && inet_pton(AF_INET6, server, &address) != 1))
            continue;
        ask_both(battery, "search", server);
        found++;
    }
    if (file != NULL)
        fclose(file);
    if (found == 0)
        ask_both(battery, "search", "127.0.0.1");
}

void battery_dns(struct battery *battery)
{
    /* Where engines and clouds put theirs: Docker's and aardvark's in the container; systemd-resolved's;
     * Docker's and Podman's bridge; slirp4netns; Kubernetes' service and node cache; AWS by IPv4 and IPv6,
     * Google, Azure, Alibaba; two that everybody knows. */
    static const char *const KNOWN[] = {
        "127.0.0.11",      "127.0.0.53",    "127.0.0.54",    "172.17.0.1",      "10.88.0.1",
        "10.0.2.3",        "10.96.0.10",    "169.254.20.10", "169.254.169.253", "fd00:ec2::253",
        "169.254.169.254", "168.63.129.16", "100.100.2.136", "8.8.8.8",         "1.1.1.1",
    };

    for (size_t i = 0; i < array_size(KNOWN); i++)
        ask_both(battery, "resolver", KNOWN[i]);
    ask(battery, "mdns", "224.0.0.251", 5353, false);
    ask(battery, "llmnr", "224.0.0.252", 5355, false);
    for (unsigned i = 0; i < battery->far.count; i++) {
        ask_both(battery, "far", battery->far.values[i]);
        battery_send(battery, &WAY_TCP, battery->far.values[i], 853, SEEN_CLOSED);
        battery_send(battery, &WAY_UDP, battery->far.values[i], 853, SEEN_CLOSED);
    }
    battery_send(battery, &WAY_TCP, "8.8.8.8", 853, SEEN_CLOSED);
    battery_send(battery, &WAY_TCP, "1.1.1.1", 853, SEEN_CLOSED);
    ask_configured(battery);
}
