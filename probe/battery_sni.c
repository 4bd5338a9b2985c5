/* SPDX-License-Identifier: Apache-2.0
 *
 * Group "sni": what the proxy's pass-through lets through, for programs that know no proxy. Open is what a
 * TLS server behind it answers; the pass-through itself never says a word. Where there is none, nothing is
 * tried.
 */
#include "probe/battery.h"

#include "probe/client_hello.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
    LIMIT = 5,          /* seconds: it asks a resolver first, and connects */
    ANSWER_WAIT = 4500, /* ms */
    TLS_HANDSHAKE = 22, /* types of records */
    TLS_ALERT = 21,
};

struct greeting {
    uint8_t bytes[2 * CLIENT_HELLO_MAX];
    size_t length;
};

static void run_greeting(const struct battery *battery, const void *data, struct answer *ret)
{
    const struct greeting *greeting = data;
    char host[BATTERY_TEXT_MAX];
    uint16_t port = battery_split(battery->sni.values[0], host, sizeof(host));
    int fd = battery_connect(host, port, SEEN_OPEN);
    uint8_t first = 0;
    ssize_t length = 0;

    if (fd < 0) {
        answer_say(ret, SEEN_CLOSED, "the pass-through: %s", strerrorname_np(-fd));
        return;
    }
    if (send(fd, greeting->bytes, greeting->length, MSG_NOSIGNAL) < 0 ||
        !battery_wait(fd, POLLIN, ANSWER_WAIT)) {
        answer_say(ret, SEEN_FAILED, "no answer, and no end");
        return;
    }
    length = recv(fd, &first, sizeof(first), 0);
    if (length != 1)
        answer_say(ret, SEEN_CLOSED, "hung up without a word");
    else if (first == TLS_HANDSHAKE)
        answer_say(ret, SEEN_OPEN, "a TLS server answered");
    else if (first == TLS_ALERT)
        answer_say(ret, SEEN_OPEN, "a TLS server answered with an alert");
    else
        answer_say(ret, SEEN_OPEN, "somebody answered, with a byte of %u", first);
}

static void try(struct battery *battery, const char *name, const char *tried, const struct greeting *greeting,
                enum seen expect)
{
    battery_try(battery, &(struct attempt){.name = name,
                                           .tried = tried,
                                           .expect = expect,
                                           .run = run_greeting,
                                           .data = greeting,
                                           .limit = LIMIT});
}

/* The name is that of HOST:PORT; "" is none. */
static void add_hello(struct greeting *greeting, const char *text)
{
    char host[BATTERY_TEXT_MAX] = "";

    if (text[0] != '\0')
        battery_split(text, host, sizeof(host));
    greeting->length += client_hello_write(host, greeting->bytes + greeting->length);
}

static void try_name(struct battery *battery, const char *name, const struct battery_list *host,
                     enum seen expect)
{
    struct greeting greeting = {.length = 0};
    char tried[BATTERY_TEXT_MAX + 32];

    if (host->count == 0) {
        battery_impossible(battery, name, "TLS past the proxy", "not given on the command line");
        return;
    }
    add_hello(&greeting, host->values[0]);
    snprintf(tried, sizeof(tried), "TLS for %s", host->values[0]);
    try(battery, name, tried, &greeting, expect);
}

static void try_text(struct battery *battery, const char *name, const char *tried, const char *text)
{
    struct greeting greeting = {.length = strlen(text)};

    memcpy(greeting.bytes, text, greeting.length);
    try(battery, name, tried, &greeting, SEEN_CLOSED);
}

/* What follows the name goes where the name leads: which host that is, is seen by nobody here. */
static void try_second(struct battery *battery)
{
    struct greeting greeting = {.length = 0};
    char tried[2 * BATTERY_TEXT_MAX + 32];

    if (battery->direct.count == 0 || battery->denied.count == 0)
        return;
    add_hello(&greeting, battery->direct.values[0]);
    add_hello(&greeting, battery->denied.values[0]);
    snprintf(tried, sizeof(tried), "TLS for %s, and at once for %s", battery->direct.values[0],
             battery->denied.values[0]);
    try(battery, "second-name", tried, &greeting, SEEN_EITHER);
}

void battery_sni(struct battery *battery)
{
    struct greeting unnamed = {.length = 0};
    char request[2 * BATTERY_TEXT_MAX + 64];
    char host[BATTERY_TEXT_MAX] = "example.com";

    if (battery->sni.count == 0)
        return;
    if (battery->direct.count > 0)
        battery_split(battery->direct.values[0], host, sizeof(host));
    try_name(battery, "allowed", &battery->direct, SEEN_OPEN);
    try_name(battery, "denied", &battery->denied, SEEN_CLOSED);
    try_name(battery, "other-role", &battery->direct_other, SEEN_CLOSED);
    try_name(battery, "inward", &battery->inward, SEEN_CLOSED);
    add_hello(&unnamed, "");
    try(battery, "no-name", "TLS without a server name", &unnamed, SEEN_CLOSED);
    snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host);
    try_text(battery, "http", "plain HTTP to the port of TLS", request);
    snprintf(request, sizeof(request), "CONNECT %s:443 HTTP/1.1\r\nHost: %s\r\n\r\n", host, host);
    try_text(battery, "connect", "CONNECT to the port of TLS", request);
    try_text(battery, "ssh", "SSH to the port of TLS", "SSH-2.0-probe\r\n");
    try_second(battery);
}
