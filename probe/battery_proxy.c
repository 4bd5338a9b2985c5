/* SPDX-License-Identifier: Apache-2.0
 *
 * Group "proxy": what the one way out lets through. A request that the proxy answers with a status of 2xx is
 * open. What it has to refuse is closed by its refusal alone: a redirection, or an error on the way (5xx: no
 * such name, nobody answers), comes from a proxy that has asked for it. */
#include "probe/battery.h"

#include "probe/client_hello.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    REQUEST_LIMIT = 5,   /* seconds: the proxy asks a resolver first, and connects */
    REQUEST_WAIT = 4500, /* ms */
    HELLO_WAIT = 2000,   /* ms */
    REQUEST_TEXT_MAX = 1024,
};

struct request_to_proxy {
    const char *verb;
    const char *target; /* HOST:PORT, or a URL */
    const char *host;   /* of the Host header; NULL is the target */
};

/* Sends the request. Returns the status of the proxy's answer and keeps the connection, or says what went
 * wrong and returns 0. */
static unsigned send_request(const struct battery *battery, const struct request_to_proxy *request,
                             int *ret_fd, struct answer *ret)
{
    char host[BATTERY_TEXT_MAX];
    uint16_t port = battery_split(battery->proxy.values[0], host, sizeof(host));
    char text[REQUEST_TEXT_MAX];
    int fd = battery_connect(host, port, SEEN_OPEN);
    unsigned status = 0;
    ssize_t length = 0;

    if (fd < 0) {
        answer_say(ret, SEEN_CLOSED, "the proxy: %s", strerrorname_np(-fd));
        return 0;
    }
    snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nConnection: close\r\n\r\n",
             request->verb, request->target, request->host != NULL ? request->host : request->target,
             battery_marker(battery));
    if (send(fd, text, strlen(text), 0) < 0 || !battery_wait(fd, POLLIN, REQUEST_WAIT)) {
        answer_say(ret, SEEN_FAILED, "the proxy did not answer");
        return 0;
    }
    length = recv(fd, text, sizeof(text) - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    if (sscanf(text, "HTTP/1.%*1[01] %3u", &status) != 1)
        answer_say(ret, SEEN_CLOSED, "the proxy hung up");
    *ret_fd = fd;
    return status;
}

struct exchange {
    const struct request_to_proxy *request;
    enum seen expect;
};

static void run_exchange(const struct battery *battery, const void *data, struct answer *ret)
{
    const struct exchange *exchange = data;
    char text[BATTERY_TEXT_MAX + sizeof(PROBE_MAGIC)];
    int fd = -1;
    unsigned status = send_request(battery, exchange->request, &fd, ret);
    unsigned kind = status / 100;

    if (status == 0)
        return;
    if (kind == 2)
        answer_say(ret, SEEN_OPEN, "HTTP %u", status);
    else if (exchange->expect == SEEN_CLOSED && (kind == 3 || kind == 5))
        answer_say(ret, SEEN_OPEN, "HTTP %u: not refused, but tried", status);
    else
        answer_say(ret, SEEN_CLOSED, "HTTP %u", status);
    if (kind != 2 || exchange->expect != SEEN_CLOSED)
        return;
    snprintf(text, sizeof(text), PROBE_MAGIC "%s\n", battery_marker(battery));
    if (send(fd, text, strlen(text), 0) < 0)
        answer_say(ret, SEEN_OPEN, "HTTP %u; send: %s", status, strerrorname_np(errno));
}

/* The tunnel is to one host, the name inside it is of another. */
static void run_server_name(const struct battery *battery, const void *data, struct answer *ret)
{
    const struct request_to_proxy *request = data;
    uint8_t hello[CLIENT_HELLO_MAX];
    size_t length = client_hello_write(request->host, hello);
    uint8_t first = 0;
    int fd = -1;
    unsigned status =
        send_request(battery, &(struct request_to_proxy){"CONNECT", request->target, NULL}, &fd, ret);

    if (status == 0)
        return;
    if (status / 100 != 2)
        answer_say(ret, SEEN_CLOSED, "HTTP %u", status);
    else if (send(fd, hello, length, 0) < 0 || !battery_wait(fd, POLLIN, HELLO_WAIT))
        answer_say(ret, SEEN_CLOSED, "no answer to the name");
    else if (recv(fd, &first, sizeof(first), 0) != 1)
        answer_say(ret, SEEN_CLOSED, "hung up at the name");
    else
        answer_say(ret, SEEN_OPEN, "carried, and answered by a record of type %u", first);
}

static void ask(struct battery *battery, const char *name, const struct request_to_proxy *request,
                enum seen expect)
{
    const struct exchange exchange = {request, expect};
    char tried[BATTERY_TEXT_MAX];

    /* For people: what is too long is cut. */
    if (snprintf(tried, sizeof(tried), "%s %s%s%s", request->verb, request->target,
                 request->host != NULL ? " with Host " : "", request->host != NULL ? request->host : "") < 0)
        return;
    battery_try(battery, &(struct attempt){.name = name,
                                           .tried = tried,
                                           .expect = expect,
                                           .run = run_exchange,
                                           .data = &exchange,
                                           .limit = REQUEST_LIMIT});
}

/* CONNECT to the host of HOST:PORT, on another port. */
static void ask_port(struct battery *battery, const char *text, uint16_t port)
{
    char host[BATTERY_TEXT_MAX];
    char target[BATTERY_TEXT_MAX + 8];
    char name[32];

    battery_split(text, host, sizeof(host));
    snprintf(target, sizeof(target), "%s:%u", host, port);
    snprintf(name, sizeof(name), "allowed-port-%u", port);
    ask(battery, name, &(struct request_to_proxy){"CONNECT", target, NULL}, SEEN_CLOSED);
}

static void ask_allowed(struct battery *battery, const char *allowed)
{
    static const uint16_t PORTS[] = {22, 25, 80, 8443};
    char host[BATTERY_TEXT_MAX];
    char url[BATTERY_TEXT_MAX + 16];
    uint16_t right = battery_split(allowed, host, sizeof(host));

    ask(battery, "allowed", &(struct request_to_proxy){"CONNECT", allowed, NULL}, SEEN_OPEN);
    for (size_t i = 0; i < array_size(PORTS); i++)
        if (PORTS[i] != right)
            ask_port(battery, allowed, PORTS[i]);
    snprintf(url, sizeof(url), "http://%s/", host);
    ask(battery, "plain-http-allowed", &(struct request_to_proxy){"GET", url, host}, SEEN_CLOSED);
}

static void ask_denied(struct battery *battery, const char *denied)
{
    char host[BATTERY_TEXT_MAX];
    char target[2 * BATTERY_TEXT_MAX + 16];
    uint16_t port = battery_split(denied, host, sizeof(host));

    ask(battery, "denied", &(struct request_to_proxy){"CONNECT", denied, NULL}, SEEN_CLOSED);
    if (battery->allowed.count > 0)
        ask(battery, "denied-host-header",
            &(struct request_to_proxy){"CONNECT", denied, battery->allowed.values[0]}, SEEN_CLOSED);
    snprintf(target, sizeof(target), "http://%s/", host);
    ask(battery, "plain-http-denied", &(struct request_to_proxy){"GET", target, host}, SEEN_CLOSED);
    snprintf(target, sizeof(target), "%s.%s:%u", battery_next_marker(battery), host, port);
    ask(battery, "name-as-message", &(struct request_to_proxy){"CONNECT", target, NULL}, SEEN_CLOSED);
}

/* Hosts that differ from the one that was asked for: what a proxy makes of them is its own affair. */
static void ask_mixed(struct battery *battery, const char *allowed, const char *denied)
{
    char host[BATTERY_TEXT_MAX];
    char other[BATTERY_TEXT_MAX];
    char tried[2 * BATTERY_TEXT_MAX + 64];
    char url[BATTERY_TEXT_MAX + 16];
    const struct request_to_proxy named = {"CONNECT", allowed, other};

    battery_split(allowed, host, sizeof(host));
    battery_split(denied, other, sizeof(other));
    ask(battery, "allowed-host-header", &(struct request_to_proxy){"CONNECT", allowed, denied}, SEEN_EITHER);
    snprintf(url, sizeof(url), "http://%s/", host);
    ask(battery, "plain-http-host-header", &(struct request_to_proxy){"GET", url, other}, SEEN_EITHER);
    snprintf(tried, sizeof(tried), "CONNECT %s, and in it TLS for %s", allowed, other);
    battery_try(battery, &(struct attempt){.name = "server-name",
                                           .tried = tried,
                                           .expect = SEEN_EITHER,
                                           .run = run_server_name,
                                           .data = &named,
                                           .limit = REQUEST_LIMIT + 1});
}

static void ask_literals(struct battery *battery)
{
    static const struct {
        const char *name;
        const char *target;
    } LITERALS[] = {
        {"private-10", "10.0.0.1:443"},      {"private-172", "172.17.0.1:443"},
        {"private-192", "192.168.1.1:443"},  {"loopback", "127.0.0.1:443"},
        {"loopback-name", "localhost:443"},  {"loopback6", "[::1]:443"},
        {"metadata", "169.254.169.254:443"}, {"metadata6", "[fd00:ec2::254]:443"},
    };
    char target[BATTERY_TEXT_MAX];
    char name[BATTERY_TEXT_MAX];

    for (unsigned i = 0; i < battery->far.count; i++) {
        bool six = strchr(battery->far.values[i], ':') != NULL;

        snprintf(target, sizeof(target), six ? "[%s]:443" : "%s:443", battery->far.values[i]);
        snprintf(name, sizeof(name), "literal-%s", battery->far.values[i]);
        ask(battery, name, &(struct request_to_proxy){"CONNECT", target, NULL}, SEEN_CLOSED);
    }
    for (size_t i = 0; i < array_size(LITERALS); i++)
        ask(battery, LITERALS[i].name, &(struct request_to_proxy){"CONNECT", LITERALS[i].target, NULL},
            SEEN_CLOSED);
    ask(battery, "plain-http-metadata",
        &(struct request_to_proxy){"GET", "http://169.254.169.254/latest/meta-data/", "169.254.169.254"},
        SEEN_CLOSED);
}

/* Where somebody listens for us, by way of the proxy: it takes no server outside to see that it forwards. */
static void ask_listeners(struct battery *battery)
{
    for (unsigned i = 0; i < battery->listener.count; i++) {
        const char *listener = battery->listener.values[i];
        char name[BATTERY_TEXT_MAX];
        char host[BATTERY_TEXT_MAX];
        char url[BATTERY_TEXT_MAX];

        battery_split(listener, host, sizeof(host));
        snprintf(name, sizeof(name), "listener-connect-%.64s", host);
        ask(battery, name, &(struct request_to_proxy){"CONNECT", listener, NULL}, SEEN_CLOSED);
        snprintf(name, sizeof(name), "listener-get-%.64s", host);
        snprintf(url, sizeof(url), "http://%.64s/" PROBE_MAGIC "%s", listener, battery_next_marker(battery));
        ask(battery, name, &(struct request_to_proxy){"GET", url, listener}, SEEN_CLOSED);
    }
}

void battery_proxy(struct battery *battery)
{
    static const char *const NOT_GIVEN = "not given on the command line";

    if (battery->proxy.count == 0) {
        battery_impossible(battery, "proxy", "requests through the proxy", "no proxy= was given");
        return;
    }
    battery_send_text(battery, &WAY_TCP, battery->proxy.values[0], SEEN_OPEN);
    if (battery->allowed.count > 0)
        ask_allowed(battery, battery->allowed.values[0]);
    else
        battery_impossible(battery, "allowed", "CONNECT to an allowed host", NOT_GIVEN);
    if (battery->denied.count > 0)
        ask_denied(battery, battery->denied.values[0]);
    else
        battery_impossible(battery, "denied", "CONNECT to a host that is not allowed", NOT_GIVEN);
    if (battery->allowed.count > 0 && battery->denied.count > 0)
        ask_mixed(battery, battery->allowed.values[0], battery->denied.values[0]);
    else
        battery_impossible(battery, "mixed", "requests that name two hosts", NOT_GIVEN);
    if (battery->inward.count > 0)
        ask(battery, "inward", &(struct request_to_proxy){"CONNECT", battery->inward.values[0], NULL},
            SEEN_CLOSED);
    else
        battery_impossible(battery, "inward", "CONNECT to an allowed name that leads inward", NOT_GIVEN);
    if (battery->other.count > 0)
        ask(battery, "other-role", &(struct request_to_proxy){"CONNECT", battery->other.values[0], NULL},
            SEEN_CLOSED);
    ask_literals(battery);
    ask_listeners(battery);
}
