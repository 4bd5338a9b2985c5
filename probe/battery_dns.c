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

enum { QUERY_MAX = 300, ANSWER_WAIT = 700, NAMESERVERS = 3 /* MAXNS of resolv.h */ };

struct question {
    const char *server;
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
    socklen_t length = parse_endpoint(question->server, "53", &to);
    int fd = 0;

    if (question->tcp)
        return battery_connect(question->server, 53);
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
        answer_error(ret, -fd);
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

static void ask(struct battery *battery, const char *kind, const char *server, bool tcp)
{
    const struct question question = {server, tcp};
    char name[BATTERY_TEXT_MAX];
    char tried[BATTERY_TEXT_MAX];

    snprintf(name, sizeof(name), "%s-%s-%s", kind, tcp ? "tcp" : "udp", server);
    snprintf(tried, sizeof(tried), "a question for a name to %s by %s", server, tcp ? "TCP" : "UDP");
    battery_try(battery,
                &(struct attempt){.name = name, .tried = tried, .run = run_question, .data = &question});
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
        ask(battery, "search", server, false);
        ask(battery, "search", server, true);
        found++;
    }
    if (file != NULL)
        fclose(file);
    if (found == 0) {
        ask(battery, "search", "127.0.0.1", false);
        ask(battery, "search", "127.0.0.1", true);
    }
}

void battery_dns(struct battery *battery)
{
    static const char *const PUBLIC[] = {"127.0.0.11", "127.0.0.53", "8.8.8.8", "1.1.1.1"};

    for (size_t i = 0; i < sizeof(PUBLIC) / sizeof(PUBLIC[0]); i++) {
        ask(battery, "resolver", PUBLIC[i], false);
        ask(battery, "resolver", PUBLIC[i], true);
    }
    for (unsigned i = 0; i < battery->far.count; i++) {
        ask(battery, "far", battery->far.values[i], false);
        ask(battery, "far", battery->far.values[i], true);
        battery_send(battery, &WAY_TCP, battery->far.values[i], 853, SEEN_CLOSED);
        battery_send(battery, &WAY_UDP, battery->far.values[i], 853, SEEN_CLOSED);
    }
    ask_configured(battery);
}
