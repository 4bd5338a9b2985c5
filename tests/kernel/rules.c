/* SPDX-License-Identifier: Apache-2.0
 *
 * What the three rule sets do to packets. For each thing that is closed there is a second look with its wall,
 * and only that, taken away: then it is open, so the test can tell the difference. Where a refusal must be
 * immediate it is measured. */
#include "base/cleanup.h"
#include "netns/guard.h"
#include "netns/hub_rules.h"
#include "netns/namespace.h"
#include "netns/nflog.h"
#include "netns/uplink_rules.h"
#include "policy/policy.h"
#include "topology.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char hermes[] =
    "{\"version\": 1, \"subnet\": \"10.209.0.0/24\","
    " \"proxy\": {\"address\": \"10.209.0.2\", \"port\": 3128, \"at\": \"host\"},"
    " \"roles\": {"
    "  \"agent\": {\"addresses\": \"10.209.0.64/26\", \"reach\": [\"proxy\", \"gateway:8642\"]},"
    "  \"gateway\": {\"addresses\": \"10.209.0.3\", \"reach\": [\"proxy\", \"dashboard:9119\"],"
    "                \"publish\": [\"127.0.0.1:9119:9119\"]},"
    "  \"dashboard\": {\"addresses\": \"10.209.0.4\", \"reach\": [\"gateway:8642\"]}}}";

/* The same with the agent's way to the gateway revoked. */
static const char revoked[] =
    "{\"version\": 1, \"subnet\": \"10.209.0.0/24\","
    " \"proxy\": {\"address\": \"10.209.0.2\", \"port\": 3128, \"at\": \"host\"},"
    " \"roles\": {"
    "  \"agent\": {\"addresses\": \"10.209.0.64/26\", \"reach\": [\"proxy\"]},"
    "  \"gateway\": {\"addresses\": \"10.209.0.3\", \"reach\": [\"proxy\", \"dashboard:9119\"]},"
    "  \"dashboard\": {\"addresses\": \"10.209.0.4\", \"reach\": [\"gateway:8642\"]}}}";

#define held cleanup_close __attribute__((unused)) /* a listener that only has to be there */

enum {
    RELOADS = 500,
    FLOOD = 5000,       /* packets, sent faster than 50 a second */
    FLAGS = 256,        /* of a TCP header: every combination */
    SENT_AGAIN = 5000,  /* milliseconds: a segment that was lost arrives */
    FLAGS_PORT = 20000, /* the destination port of the segment with no flags */
};

static struct policy policy;
static struct error err;

static void load(const char *text)
{
    cr_assert_eq(policy_parse(text, strlen(text), "test.json", "hermes", &policy, &err), 0, "%s", err.text);
}

static void setup(void)
{
    topology_make();
    load(hermes);
}

TestSuite(rules, .init = setup, .timeout = 300);

static void install_hub(void)
{
    struct netlink *nf = topology_netfilter(HUB);

    cr_assert_eq(hub_rules_install(nf, &policy, &err), 0, "%s", err.text);
    netlink_close(nf);
}

static void install_guard(enum place place, bool only_sp0)
{
    struct netlink *nf = topology_netfilter(place);
    const struct guard guard = {.subnet = policy_subnet(&policy), .only_sp0 = only_sp0};

    cr_assert_eq(guard_install(nf, &guard, &err), 0, "%s", err.text);
    netlink_close(nf);
}

static void install_uplink(void)
{
    struct netlink *nf = topology_netfilter(HOST);

    cr_assert_eq(uplink_rules_install(nf, &policy, &err), 0, "%s", err.text);
    netlink_close(nf);
}

static void remove_uplink(void)
{
    struct netlink *nf = topology_netfilter(HOST);

    cr_assert_eq(uplink_rules_remove(nf, "hermes", &err), 0, "%s", err.text);
    netlink_close(nf);
}

static void expect_open(enum place place, const char *source, uint16_t source_port, const char *address,
                        uint16_t port)
{
    struct attempt attempt = topology_connect_from(place, source, source_port, address, port);

    cr_assert_eq(attempt.error, 0, "place %d to %s:%u: %s", place, address, port, strerror(attempt.error));
}

/* Refused at once, with the error of a reset. On a busy machine this process may wait longer for its turn,
 * but not each time. */
static void expect_refused(enum place place, const char *source, uint16_t source_port, const char *address,
                           uint16_t port)
{
    double fastest = PATIENCE;

    for (int i = 0; i < 5 && fastest >= REFUSED_WITHIN; i++) {
        struct attempt attempt = topology_connect_from(place, source, source_port, address, port);

        cr_assert_eq(attempt.error, ECONNREFUSED, "place %d to %s:%u: %s", place, address, port,
                     strerror(attempt.error));
        fastest = attempt.milliseconds < fastest ? attempt.milliseconds : fastest;
    }
    cr_assert_lt(fastest, REFUSED_WITHIN, "place %d to %s:%u: %f ms", place, address, port, fastest);
}

static void expect_silence(enum place place, const char *source, uint16_t source_port, const char *address,
                           uint16_t port)
{
    struct attempt attempt = topology_connect_from(place, source, source_port, address, port);

    cr_assert_eq(attempt.error, ETIMEDOUT, "place %d to %s:%u: %s", place, address, port,
                 strerror(attempt.error));
}

/* ---- hub ---- */

struct connection {
    enum place from;
    const char *source;
    enum place to;
    const char *address;
    uint16_t port;
};

static const struct connection allowed[] = {
    {AGENT, "", HOST, PROXY_ADDRESS, 3128},
    {OTHER, "", HOST, PROXY_ADDRESS, 3128},
    {AGENT, "", GATEWAY, GATEWAY_ADDRESS, 8642},
    {GATEWAY, "", HOST, PROXY_ADDRESS, 3128},
    {GATEWAY, "", DASHBOARD, DASHBOARD_ADDRESS, 9119},
    {DASHBOARD, "", GATEWAY, GATEWAY_ADDRESS, 8642},
    {HOST, HOST_ADDRESS, GATEWAY, GATEWAY_ADDRESS, 9119},
};

/* Each is next to something allowed: one end, one port or one direction away from it. */
static const struct connection forbidden[] = {
    {AGENT, "", HOST, PROXY_ADDRESS, 22},
    {AGENT, "", HOST, HOST_ADDRESS, 3128},
    {AGENT, "", OTHER, OTHER_ADDRESS, 8642},
    {AGENT, "", GATEWAY, GATEWAY_ADDRESS, 9119},
    {AGENT, "", DASHBOARD, DASHBOARD_ADDRESS, 9119},
    {DASHBOARD, "", HOST, PROXY_ADDRESS, 3128},
    {DASHBOARD, "", GATEWAY, GATEWAY_ADDRESS, 9119},
    {GATEWAY, "", AGENT, AGENT_ADDRESS, 8642},
    {HOST, HOST_ADDRESS, GATEWAY, GATEWAY_ADDRESS, 8642},
    {HOST, HOST_ADDRESS, AGENT, AGENT_ADDRESS, 9119},
    {HOST, PROXY_ADDRESS, GATEWAY, GATEWAY_ADDRESS, 9119},
    {HOST, PROXY_ADDRESS, AGENT, AGENT_ADDRESS, 3128},
};

static void expect_allowed(void)
{
    for (size_t i = 0; i < array_size(allowed); i++) {
        held int listener = topology_listen(allowed[i].to, allowed[i].address, allowed[i].port);

        expect_open(allowed[i].from, allowed[i].source, 0, allowed[i].address, allowed[i].port);
        cr_assert(topology_readable(listener));
    }
}

Test(rules, hub_allows_what_the_policy_says)
{
    install_hub();
    expect_allowed();
}

Test(rules, hub_refuses_the_rest_at_once)
{
    uint64_t packets = 0;
    uint64_t bytes = 0;
    struct netlink *nf = topology_netfilter(HUB);

    install_hub();
    for (size_t i = 0; i < array_size(forbidden); i++) {
        const struct connection *one = &forbidden[i];
        held int listener = topology_listen(one->to, one->address, one->port);

        expect_refused(one->from, one->source, 0, one->address, one->port);
        cr_assert_eq(hub_rules_refused(nf, &packets, &bytes, &err), 0, "%s", err.text);
        cr_assert_eq(packets, i + 1);
        cr_assert_eq(bytes, (i + 1) * 60, "a SYN with its options");
    }
    topology_nft(HUB, "flush ruleset");
    for (size_t i = 0; i < array_size(forbidden); i++) {
        const struct connection *one = &forbidden[i];
        held int listener = topology_listen(one->to, one->address, one->port);

        expect_open(one->from, one->source, 0, one->address, one->port);
    }
    netlink_close(nf);
}

/* Of what is allowed the way to the proxy is open, and nothing else. */
static void expect_way_to_proxy_only(void)
{
    for (size_t i = 0; i < array_size(allowed); i++) {
        const struct connection *one = &allowed[i];
        held int listener = topology_listen(one->to, one->address, one->port);

        if (strcmp(one->address, PROXY_ADDRESS) == 0)
            expect_open(one->from, one->source, 0, one->address, one->port);
        else
            expect_refused(one->from, one->source, 0, one->address, one->port);
    }
    for (size_t i = 0; i < array_size(forbidden); i++) {
        const struct connection *one = &forbidden[i];
        held int listener = topology_listen(one->to, one->address, one->port);

        expect_refused(one->from, one->source, 0, one->address, one->port);
    }
}

/* Each alone: the set needs no short way to the proxy, and that one is no wider. */
Test(rules, hub_short_way_says_what_the_set_says)
{
    char command[512];

    install_hub();
    topology_nft(HUB, "flush chain inet sallyport to-proxy; flush chain inet sallyport from-proxy");
    expect_allowed();
    install_hub();
    snprintf(command, sizeof(command),
             "flush chain inet sallyport policy-%1$s; "
             "add rule inet sallyport policy-%1$s ip daddr " PROXY_ADDRESS " jump to-proxy; "
             "add rule inet sallyport policy-%1$s ip saddr " PROXY_ADDRESS " jump from-proxy",
             policy.digest);
    topology_nft(HUB, command);
    expect_way_to_proxy_only();
}

/* The lines of each of two members that a reader gets. */
struct lines {
    unsigned agent;
    unsigned other;
};

static void count_line(const struct nflog_packet *packet, void *data)
{
    struct lines *lines = data;

    lines->agent += packet->source == 0x0ad10040;
    lines->other += packet->source == 0x0ad10041;
}

/* One member is refused without end, then another one once. */
static struct lines flood_and_knock(void)
{
    struct netlink *log = topology_netfilter(HUB);
    struct lines lines = {.agent = 0};

    cr_assert_eq(nflog_bind(log, &err), 0, "%s", err.text);
    for (unsigned i = 0; i < FLOOD; i++)
        topology_send_flags(AGENT, AGENT_ADDRESS, 40000, GATEWAY_ADDRESS, 22, TH_SYN);
    topology_send_flags(OTHER, OTHER_ADDRESS, 40000, GATEWAY_ADDRESS, 22, TH_SYN);
    cr_assert(topology_readable(netlink_descriptor(log)));
    cr_assert_eq(nflog_read(log, count_line, &lines, &err), 0, "%s", err.text);
    netlink_close(log);
    return lines;
}

Test(rules, hub_log_of_one_member_does_not_hide_anothers)
{
    struct lines lines;

    install_hub();
    lines = flood_and_knock();
    cr_expect(lines.agent >= 50 && lines.agent < FLOOD, "%u lines", lines.agent);
    cr_expect_eq(lines.other, 1);
    topology_nft(HUB, "flush chain inet sallyport forward; "
                      "add rule inet sallyport forward limit rate 1/hour burst 50 packets log group 21328");
    lines = flood_and_knock();
    cr_expect_eq(lines.agent, 50);
    cr_expect_eq(lines.other, 0, "one limit for all");
}

/* A mirrored rule without the mask of flags lets the target connect back from its port. */
Test(rules, hub_mirror_does_not_open_connections)
{
    held int agent = topology_listen(AGENT, AGENT_ADDRESS, 5555);
    held int dashboard = topology_listen(DASHBOARD, DASHBOARD_ADDRESS, 5555);
    char command[256];

    install_hub();
    expect_refused(HOST, PROXY_ADDRESS, 3128, AGENT_ADDRESS, 5555);
    expect_refused(GATEWAY, "", 8642, AGENT_ADDRESS, 5555);
    expect_refused(GATEWAY, "", 8642, DASHBOARD_ADDRESS, 5555);
    snprintf(command, sizeof(command),
             "add rule inet sallyport policy-%s ip saddr { " PROXY_ADDRESS ", " GATEWAY_ADDRESS " } "
             "tcp sport { 3128, 8642 } accept",
             policy.digest);
    topology_nft(HUB, command);
    expect_open(HOST, PROXY_ADDRESS, 3128, AGENT_ADDRESS, 5555);
    expect_open(GATEWAY, "", 8642, AGENT_ADDRESS, 5555);
    expect_open(GATEWAY, "", 8642, DASHBOARD_ADDRESS, 5555);
}

/* Sends segments with every combination of flags from a port that only answers, and sees which arrive. */
static void find_passing(const struct connection *back, uint16_t source_port, bool ret_passed[FLAGS])
{
    cleanup_close int segments = topology_segments(back->to);
    uint16_t port = 0;
    uint8_t flags = 0;

    memset(ret_passed, 0, FLAGS * sizeof(ret_passed[0]));
    for (unsigned i = 0; i <= FLAGS; i++) {
        if (i < FLAGS)
            topology_send_flags(back->from, back->source, source_port, back->address,
                                (uint16_t)(FLAGS_PORT + i), (uint8_t)i);
        while (topology_next_segment(segments, source_port, i < FLAGS ? 0 : PATIENCE, &port, &flags)) {
            cr_assert_eq(port, FLAGS_PORT + flags);
            ret_passed[flags] = true;
        }
    }
}

/* Said in the words of RFC 9293 (3.10.7): an answer to a connection that the other side opened has ACK, or is
 * the reset of a segment that had it. */
static void expect_answers_only(const struct connection *back, uint16_t source_port)
{
    bool passed[FLAGS];

    find_passing(back, source_port, passed);
    for (unsigned i = 0; i < FLAGS; i++) {
        bool answer = (i & TH_ACK) != 0 || ((i & TH_RST) != 0 && (i & TH_SYN) == 0);

        cr_expect_eq(passed[i], answer, "flags %02x from %s:%u", i, back->source, source_port);
    }
    cr_expect(!passed[0] && !passed[TH_FIN] && !passed[TH_FIN | TH_PUSH | TH_URG] && !passed[TH_URG] &&
              !passed[TH_PUSH] && !passed[TH_SYN] && passed[TH_ACK] && passed[TH_RST]);
}

/* With the mask of openings alone: a scan for listeners gets through, as FIN, XMAS and with no flag. */
static void expect_scan_passes(const struct connection *back, uint16_t source_port)
{
    bool passed[FLAGS];

    find_passing(back, source_port, passed);
    cr_expect(passed[0] && passed[TH_FIN] && passed[TH_FIN | TH_PUSH | TH_URG] && passed[TH_ACK] &&
              !passed[TH_SYN]);
}

Test(rules, hub_mirror_is_for_answers_only)
{
    static const struct connection back[] = {
        {GATEWAY, GATEWAY_ADDRESS, AGENT, AGENT_ADDRESS, 0},
        {HOST, PROXY_ADDRESS, AGENT, AGENT_ADDRESS, 0},
    };
    char command[256];

    install_hub();
    expect_answers_only(&back[0], 8642);
    expect_answers_only(&back[1], 3128);
    snprintf(
        command, sizeof(command),
        "add rule inet sallyport policy-%s tcp sport { 3128, 8642 } tcp flags & (syn | ack) != syn accept",
        policy.digest);
    topology_nft(HUB, command);
    expect_scan_passes(&back[0], 8642);
    expect_scan_passes(&back[1], 3128);
}

/* A segment as an answer has it. Nobody waits for it: the hub resets it, or who gets it does, after it was
 * given to him. */
static bool answer_arrives(const struct connection *back, uint16_t source_port)
{
    cleanup_close int resets = topology_segments(back->from);
    cleanup_close int segments = topology_segments(back->to);
    uint16_t port = 0;
    uint8_t flags = 0;
    bool reset = false;
    bool arrived = false;

    cr_assert_eq(
        topology_send_flags(back->from, back->source, source_port, back->address, back->port, TH_ACK), 0);
    reset = topology_next_segment(resets, back->port, PATIENCE, &port, &flags);
    arrived = topology_next_segment(segments, source_port, 0, &port, &flags);
    cr_assert(reset || arrived);
    return arrived;
}

/* The mirror of a flow is as exact as the flow: what is one end, one port or one direction away is refused.
 */
Test(rules, hub_mirror_is_exact)
{
    static const struct {
        struct connection back;
        uint16_t source_port;
        bool answer;
    } segments[] = {
        {{HOST, PROXY_ADDRESS, AGENT, AGENT_ADDRESS, FLAGS_PORT}, 3128, true},
        {{HOST, PROXY_ADDRESS, GATEWAY, GATEWAY_ADDRESS, FLAGS_PORT}, 3128, true},
        {{GATEWAY, GATEWAY_ADDRESS, AGENT, AGENT_ADDRESS, FLAGS_PORT}, 8642, true},
        {{GATEWAY, GATEWAY_ADDRESS, DASHBOARD, DASHBOARD_ADDRESS, FLAGS_PORT}, 8642, true},
        {{GATEWAY, GATEWAY_ADDRESS, HOST, HOST_ADDRESS, FLAGS_PORT}, 9119, true},
        {{HOST, PROXY_ADDRESS, AGENT, AGENT_ADDRESS, FLAGS_PORT}, 22, false},
        {{HOST, PROXY_ADDRESS, DASHBOARD, DASHBOARD_ADDRESS, FLAGS_PORT}, 3128, false},
        {{HOST, HOST_ADDRESS, AGENT, AGENT_ADDRESS, FLAGS_PORT}, 3128, false},
        {{OTHER, OTHER_ADDRESS, AGENT, AGENT_ADDRESS, FLAGS_PORT}, 3128, false},
        {{AGENT, AGENT_ADDRESS, HOST, PROXY_ADDRESS, FLAGS_PORT}, 3128, false},
        {{GATEWAY, GATEWAY_ADDRESS, AGENT, AGENT_ADDRESS, FLAGS_PORT}, 9119, false},
        {{GATEWAY, GATEWAY_ADDRESS, HOST, PROXY_ADDRESS, FLAGS_PORT}, 9119, false},
        {{DASHBOARD, DASHBOARD_ADDRESS, AGENT, AGENT_ADDRESS, FLAGS_PORT}, 8642, false},
        {{AGENT, AGENT_ADDRESS, GATEWAY, GATEWAY_ADDRESS, FLAGS_PORT}, 8642, false},
    };

    install_hub();
    for (size_t i = 0; i < array_size(segments); i++)
        cr_expect_eq(answer_arrives(&segments[i].back, segments[i].source_port), segments[i].answer,
                     "%s:%u to %s", segments[i].back.source, segments[i].source_port,
                     segments[i].back.address);
    topology_nft(HUB, "flush ruleset");
    for (size_t i = 0; i < array_size(segments); i++)
        cr_expect(answer_arrives(&segments[i].back, segments[i].source_port), "%s:%u to %s",
                  segments[i].back.source, segments[i].source_port, segments[i].back.address);
}

Test(rules, hub_drops_udp_and_icmp)
{
    cleanup_close int socket = topology_bind_udp(GATEWAY, GATEWAY_ADDRESS, 8642);
    cleanup_close int capture = topology_capture(AGENT, "sp0");

    install_hub();
    topology_send_udp(AGENT, GATEWAY_ADDRESS, 8642);
    cr_assert_not(topology_readable(socket));
    topology_send_udp(GATEWAY, AGENT_ADDRESS, 9); /* would be answered by ICMP port unreachable */
    cr_assert_not(topology_captured(capture, "", ""));
    topology_nft(HUB, "flush ruleset");
    topology_send_udp(AGENT, GATEWAY_ADDRESS, 8642);
    cr_assert(topology_readable(socket));
    topology_send_udp(AGENT, GATEWAY_ADDRESS, 9);
    cr_assert(topology_captured(capture, GATEWAY_ADDRESS, AGENT_ADDRESS));
}

/* A fragment to an allowed port: the first (more to come) and a later one (its bytes are no TCP header). */
Test(rules, hub_drops_fragments)
{
    cleanup_close int capture = topology_capture(GATEWAY, "sp0");
    char command[256];

    install_hub();
    topology_send_syn(AGENT, AGENT_ADDRESS, GATEWAY_ADDRESS, 8642, IP_MF);
    topology_send_syn(AGENT, AGENT_ADDRESS, GATEWAY_ADDRESS, 8642, IP_MF | 3);
    topology_send_syn(AGENT, AGENT_ADDRESS, GATEWAY_ADDRESS, 8642, 3);
    cr_assert_not(topology_captured(capture, "", ""));
    topology_send_syn(AGENT, AGENT_ADDRESS, GATEWAY_ADDRESS, 8642, 0);
    cr_assert(topology_captured(capture, AGENT_ADDRESS, GATEWAY_ADDRESS), "the packet itself is right");
    cr_assert_not(topology_captured(capture, "", ""));
    snprintf(command, sizeof(command), "insert rule inet sallyport forward jump policy-%s", policy.digest);
    topology_nft(HUB, command);
    topology_send_syn(AGENT, AGENT_ADDRESS, GATEWAY_ADDRESS, 8642, IP_MF);
    cr_assert(topology_captured(capture, AGENT_ADDRESS, GATEWAY_ADDRESS));
}

/* A forged source neither passes nor has the hub's reset sent to the member that it names. */
Test(rules, hub_is_no_reflector)
{
    cleanup_close int gateway = topology_capture(GATEWAY, "sp0");
    cleanup_close int other = topology_capture(OTHER, "sp0");

    install_hub();
    topology_send_syn(AGENT, OTHER_ADDRESS, GATEWAY_ADDRESS, 8642, 0);
    topology_send_syn(AGENT, OTHER_ADDRESS, GATEWAY_ADDRESS, 1, 0);
    cr_assert_not(topology_captured(gateway, "", ""));
    cr_assert_not(topology_captured(other, "", ""));
    topology_enter(HUB);
    cr_assert_eq(namespace_sysctl("net/ipv4/conf/all/rp_filter", "0", &err), 0, "%s", err.text);
    cr_assert_eq(namespace_sysctl("net/ipv4/conf/sp0ad10040/rp_filter", "0", &err), 0, "%s", err.text);
    topology_send_syn(AGENT, OTHER_ADDRESS, GATEWAY_ADDRESS, 8642, 0);
    cr_assert(topology_captured(gateway, OTHER_ADDRESS, GATEWAY_ADDRESS));
    topology_send_syn(AGENT, OTHER_ADDRESS, GATEWAY_ADDRESS, 1, 0);
    cr_assert(topology_captured(other, GATEWAY_ADDRESS, OTHER_ADDRESS));
}

/* Even if somebody gives the hub an address: nothing in it can be talked to, nothing in it can talk. */
Test(rules, hub_talks_to_nobody)
{
    cleanup_close int listener = -1;
    cleanup_close int agent = topology_bind_udp(AGENT, AGENT_ADDRESS, 53);

    topology_enter(HUB);
    topology_ip("address add 10.209.0.250/32 dev lo\n");
    listener = topology_listen(HUB, "10.209.0.250", 80);
    install_hub();
    expect_silence(AGENT, "", 0, "10.209.0.250", 80);
    cr_assert_eq(topology_send_udp(HUB, AGENT_ADDRESS, 53).error, EPERM);
    cr_assert_not(topology_readable(agent));
    topology_nft(HUB, "flush ruleset");
    expect_open(AGENT, "", 0, "10.209.0.250", 80);
    cr_assert_eq(topology_send_udp(HUB, AGENT_ADDRESS, 53).error, 0);
    cr_assert(topology_readable(agent));
}

/* With permanent neighbours: only forwarding is looked at, not the hub's silence to neighbour solicitations.
 */
static void add_ipv6(void)
{
    topology_enter(HUB);
    cr_assert_eq(namespace_sysctl("net/ipv6/conf/all/forwarding", "1", &err), 0, "%s", err.text);
    topology_ip("address add fd00:1::1/64 dev sp0ad10040 nodad\n"
                "address add fd00:2::1/64 dev sp0ad10003 nodad\n"
                "neigh add fd00:1::2 lladdr 02:00:00:00:02:03 dev sp0ad10040 nud permanent\n"
                "neigh add fd00:2::2 lladdr 02:00:00:00:02:05 dev sp0ad10003 nud permanent\n");
    topology_enter(AGENT);
    topology_ip("address add fd00:1::2/64 dev sp0 nodad\n"
                "neigh add fd00:1::1 lladdr 02:00:00:00:01:03 dev sp0 nud permanent\n"
                "route add default via fd00:1::1\n");
    topology_enter(GATEWAY);
    topology_ip("address add fd00:2::2/64 dev sp0 nodad\n"
                "neigh add fd00:2::1 lladdr 02:00:00:00:01:05 dev sp0 nud permanent\n"
                "route add default via fd00:2::1\n");
}

Test(rules, hub_drops_ipv6)
{
    cleanup_close int listener = -1;

    add_ipv6();
    listener = topology_listen(GATEWAY, "fd00:2::2", 8642);
    install_hub();
    expect_silence(AGENT, "", 0, "fd00:2::2", 8642);
    topology_nft(HUB, "flush ruleset");
    expect_open(AGENT, "", 0, "fd00:2::2", 8642);
}

/* One byte there and back. */
static bool echo(int client, int server)
{
    char byte = 'x';
    struct pollfd back = {.fd = client, .events = POLLIN};
    struct pollfd there = {.fd = server, .events = POLLIN};

    return send(client, &byte, 1, MSG_NOSIGNAL) == 1 && poll(&there, 1, PATIENCE) == 1 &&
           recv(server, &byte, 1, 0) == 1 && send(server, &byte, 1, MSG_NOSIGNAL) == 1 &&
           poll(&back, 1, PATIENCE) == 1 && recv(client, &byte, 1, 0) == 1;
}

Test(rules, hub_reload_cuts_what_is_revoked_at_once)
{
    held int listener = topology_listen(GATEWAY, GATEWAY_ADDRESS, 8642);
    cleanup_close int client = -1;
    cleanup_close int server = -1;

    install_hub();
    cr_assert_eq(topology_connect_keep(AGENT, "", 0, GATEWAY_ADDRESS, 8642, &client).error, 0);
    cr_assert(topology_readable(listener));
    server = accept(listener, NULL, NULL);
    cr_assert(echo(client, server));
    install_hub();
    cr_assert(echo(client, server), "the same policy again");
    policy_free(&policy);
    load(revoked);
    install_hub();
    cr_assert_not(echo(client, server));
    cr_assert_eq(recv(client, &(char){0}, 1, 0), -1);
    cr_assert_eq(errno, ECONNRESET);
    expect_refused(AGENT, "", 0, GATEWAY_ADDRESS, 8642);
}

/* The state of the connection as TCP sees it. */
static int state_of(int fd)
{
    struct tcp_info info = {.tcpi_state = 0};
    socklen_t size = sizeof(info);

    cr_assert_eq(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0, "%s", strerror(errno));
    return info.tcpi_state;
}

static bool becomes(int fd, int state, int milliseconds)
{
    for (int i = 0; i < milliseconds && state_of(fd) != state; i++)
        usleep(1000);
    return state_of(fd) == state;
}

static bool at_end(int fd)
{
    return topology_readable(fd) && recv(fd, &(char){0}, 1, 0) == 0;
}

struct pair {
    int client;
    int server;
};

static struct pair open_pair(const struct connection *one, int listener)
{
    struct pair pair = {-1, -1};

    cr_assert_eq(
        topology_connect_keep(one->from, one->source, 0, one->address, one->port, &pair.client).error, 0);
    cr_assert(topology_readable(listener));
    pair.server = accept(listener, NULL, NULL);
    cr_assert(echo(pair.client, pair.server));
    return pair;
}

static void close_pair(struct pair pair)
{
    close(pair.client);
    close(pair.server);
}

/* One end says that it is done, the other goes on. */
static void expect_half_close(struct pair pair)
{
    char byte = 'x';

    shutdown(pair.client, SHUT_WR);
    cr_expect(at_end(pair.server));
    cr_expect_eq(send(pair.server, &byte, 1, MSG_NOSIGNAL), 1);
    cr_expect(topology_readable(pair.client) && recv(pair.client, &byte, 1, 0) == 1);
    shutdown(pair.server, SHUT_WR);
    cr_expect(at_end(pair.client));
    cr_expect(becomes(pair.server, TCP_CLOSE, PATIENCE) && becomes(pair.client, TCP_CLOSE, PATIENCE));
    close_pair(pair);
}

/* Both FINs are lost in the hub the first time, so that each end sends its own before it sees the other's. */
static void expect_simultaneous_close(struct pair pair)
{
    topology_nft(HUB, "add table inet hold; "
                      "add chain inet hold forward { type filter hook forward priority -10; }; "
                      "add rule inet hold forward tcp flags & fin == fin drop");
    shutdown(pair.client, SHUT_WR);
    shutdown(pair.server, SHUT_WR);
    cr_expect(state_of(pair.client) == TCP_FIN_WAIT1 && state_of(pair.server) == TCP_FIN_WAIT1);
    topology_nft(HUB, "delete table inet hold");
    cr_expect(becomes(pair.server, TCP_CLOSE, SENT_AGAIN) && becomes(pair.client, TCP_CLOSE, SENT_AGAIN));
    cr_expect(at_end(pair.server) && at_end(pair.client));
    close_pair(pair);
}

static void expect_abort(struct pair pair)
{
    const struct linger abort_at_once = {.l_onoff = 1, .l_linger = 0};

    cr_assert_eq(setsockopt(pair.server, SOL_SOCKET, SO_LINGER, &abort_at_once, sizeof(abort_at_once)), 0);
    close(pair.server);
    cr_expect(topology_readable(pair.client) && recv(pair.client, &(char){0}, 1, 0) == -1 &&
              errno == ECONNRESET);
    close(pair.client);
}

/* The port is closed: the answer to a SYN has RST and ACK, the answer to an ACK has RST alone. */
static void expect_resets(const struct connection *one, const char *source)
{
    cleanup_close int segments = topology_segments(one->from);
    uint16_t port = 0;
    uint8_t flags = 0;

    expect_refused(one->from, source, 0, one->address, one->port);
    cr_assert(topology_next_segment(segments, one->port, PATIENCE, &port, &flags));
    cr_expect_eq(flags, TH_RST | TH_ACK);
    cr_assert_eq(topology_send_flags(one->from, source, 40000, one->address, one->port, TH_ACK), 0);
    cr_assert(topology_next_segment(segments, one->port, PATIENCE, &port, &flags));
    cr_expect_eq(flags, TH_RST);
}

/* Whatever TCP does with an allowed connection passes; the hub refused none of it, so its resets are those of
 * the far end. */
Test(rules, whole_connections_pass)
{
    static const struct connection kinds[] = {
        {AGENT, AGENT_ADDRESS, GATEWAY, GATEWAY_ADDRESS, 8642},
        {AGENT, AGENT_ADDRESS, HOST, PROXY_ADDRESS, 3128},
        {HOST, HOST_ADDRESS, GATEWAY, GATEWAY_ADDRESS, 9119},
    };
    struct netlink *nf = topology_netfilter(HUB);
    uint64_t packets = 0;
    uint64_t bytes = 0;

    install_hub();
    install_uplink();
    install_guard(AGENT, false);
    install_guard(GATEWAY, false);
    for (size_t i = 0; i < array_size(kinds); i++) {
        int listener = topology_listen(kinds[i].to, kinds[i].address, kinds[i].port);

        expect_half_close(open_pair(&kinds[i], listener));
        expect_simultaneous_close(open_pair(&kinds[i], listener));
        expect_abort(open_pair(&kinds[i], listener));
        close(listener);
        expect_resets(&kinds[i], kinds[i].source);
    }
    cr_assert_eq(hub_rules_refused(nf, &packets, &bytes, &err), 0, "%s", err.text);
    cr_expect_eq(packets, 0);
    netlink_close(nf);
}

/* Replaces the rules in `place` again and again, in a process of its own. */
static pid_t start_reloading(enum place place,
                             int (*install)(struct netlink *, const struct policy *, struct error *))
{
    struct netlink *nf = topology_netfilter(place);
    pid_t pid = fork();

    cr_assert_geq(pid, 0);
    if (pid == 0) {
        for (int i = 0; i < RELOADS; i++)
            if (install(nf, &policy, &err) < 0)
                _exit(1);
        _exit(0);
    }
    netlink_close(nf);
    return pid;
}

/* While the reloader runs no packet finds the rules missing, in either sense. A lost SYN would be sent again
 * after a second, which is longer than our patience; a connection that was reset does not echo. */
static void expect_no_gap(pid_t reloader)
{
    held int proxy = topology_listen(HOST, PROXY_ADDRESS, 3128);
    held int other = topology_listen(HOST, PROXY_ADDRESS, 22);
    cleanup_close int lasting = -1;
    cleanup_close int lasting_server = -1;
    unsigned rounds = 0;
    int status = 0;

    cr_assert_eq(topology_connect_keep(AGENT, "", 0, PROXY_ADDRESS, 3128, &lasting).error, 0);
    cr_assert(topology_readable(proxy));
    lasting_server = accept(proxy, NULL, NULL);
    for (; waitpid(reloader, &status, WNOHANG) == 0; rounds++) {
        cleanup_close int accepted = -1;

        expect_open(AGENT, "", 0, PROXY_ADDRESS, 3128);
        accepted = accept(proxy, NULL, NULL);
        for (int i = 0; i < 20; i++)
            cr_assert(echo(lasting, lasting_server), "round %u", rounds);
        cr_assert_neq(topology_connect(AGENT, PROXY_ADDRESS, 22).error, 0);
    }
    cr_assert_eq(status, 0);
    cr_assert_gt(rounds, 0);
}

Test(rules, hub_reload_has_no_gap)
{
    install_hub();
    expect_no_gap(start_reloading(HUB, hub_rules_install));
}

/* Who looks meanwhile sees the rules of before or of after, or is told that they change: never a change. */
Test(rules, hub_compare_takes_no_reload_for_a_change)
{
    struct netlink *nf = topology_netfilter(HUB);
    pid_t reloader = 0;
    int status = 0;

    install_hub();
    reloader = start_reloading(HUB, hub_rules_install);
    while (waitpid(reloader, &status, WNOHANG) == 0) {
        int result = hub_rules_compare(nf, &policy, &err);

        cr_assert(result == 0 || result == -ERESTART, "%d: %s", result, err.text);
    }
    cr_assert_eq(status, 0);
    cr_expect_eq(hub_rules_compare(nf, &policy, &err), 0, "%s", err.text);
    netlink_close(nf);
}

Test(rules, uplink_reload_has_no_gap)
{
    install_hub();
    install_uplink();
    expect_no_gap(start_reloading(HOST, uplink_rules_install));
}

/* ---- guard ---- */

/* As Docker does it: a listener at 127.0.0.11 and a translation that leads there. */
static void expect_resolver(bool reachable)
{
    held int tcp = topology_listen(AGENT, "127.0.0.11", 53);
    held int translated = topology_listen(AGENT, "127.0.0.11", 35353);
    cleanup_close int udp = topology_bind_udp(AGENT, "127.0.0.11", 53);
    struct attempt datagram = topology_send_udp(AGENT, "127.0.0.11", 53);

    cr_assert_eq(datagram.error == 0, reachable, "%s", strerror(datagram.error));
    cr_assert_lt(datagram.milliseconds, PATIENCE);
    cr_assert_eq(topology_readable(udp), reachable);
    if (reachable) {
        expect_open(AGENT, "", 0, "127.0.0.11", 53);
        expect_open(AGENT, "127.0.0.11", 0, "127.0.0.11", 53);
        expect_open(AGENT, "", 0, "127.0.0.53", 53);
    } else {
        expect_refused(AGENT, "", 0, "127.0.0.11", 53);
        expect_refused(AGENT, "127.0.0.11", 0, "127.0.0.11", 53);
        expect_refused(AGENT, "127.0.0.11", 0, "127.0.0.53", 53);
        expect_refused(AGENT, "", 0, "127.0.0.53", 53);
    }
}

Test(rules, guard_closes_the_engines_resolver)
{
    topology_nft(AGENT,
                 "add table ip engine; "
                 "add chain ip engine output { type nat hook output priority -100; }; "
                 "add rule ip engine output ip daddr 127.0.0.53 tcp dport 53 dnat to 127.0.0.11:35353");
    install_guard(AGENT, false);
    expect_resolver(false);
    topology_nft(AGENT, "delete table inet sallyport");
    expect_resolver(true);
}

/* The refusal of a connection from the resolver's own address goes to that address: without the rule for
 * resets it is refused itself, and the program waits. */
Test(rules, guard_refuses_the_resolver_to_itself_at_once)
{
    held int tcp = topology_listen(AGENT, "127.0.0.11", 53);

    install_guard(AGENT, false);
    expect_refused(AGENT, "127.0.0.11", 0, "127.0.0.11", 53);
    topology_nft(AGENT, "flush chain inet sallyport loopback; "
                        "add rule inet sallyport loopback ip daddr 127.0.0.11 return; "
                        "add rule inet sallyport loopback accept");
    expect_silence(AGENT, "127.0.0.11", 0, "127.0.0.11", 53);
}

Test(rules, guard_leaves_loopback_free)
{
    static const char *const own[] = {"127.0.0.1", "127.0.0.10", "::1", AGENT_ADDRESS};

    install_guard(AGENT, false);
    for (size_t i = 0; i < array_size(own); i++) {
        held int tcp = topology_listen(AGENT, own[i], 8080);
        cleanup_close int udp = topology_bind_udp(AGENT, own[i], 8080);

        expect_open(AGENT, "", 0, own[i], 8080);
        cr_assert_eq(topology_send_udp(AGENT, own[i], 8080).error, 0);
        cr_assert(topology_readable(udp));
    }
}

/* What `docker network connect` does to a running container. */
static void add_later_link(void)
{
    topology_enter(OUTSIDE);
    topology_ip("link add eth1 type veth peer name eth1-member\n"
                "address add 203.0.113.2/24 dev eth1\n"
                "address add fd00:3::2/64 dev eth1 nodad\n"
                "link set eth1 up\n"
                "route add 10.209.0.0/24 via 203.0.113.1 dev eth1 onlink\n");
    topology_move(OUTSIDE, "eth1-member", AGENT, "eth1");
    topology_enter(AGENT);
    topology_ip("address add 203.0.113.1/24 dev eth1\n"
                "address add fd00:3::1/64 dev eth1 nodad\n"
                "link set eth1 up\n"
                "route add default via 203.0.113.2\n");
    cr_assert_eq(namespace_sysctl("net/ipv4/ip_forward", "1", &err), 0, "%s", err.text);
    topology_wait_for_link(AGENT, "eth1");
    topology_wait_for_link(OUTSIDE, "eth1");
}

/* Out and in over the later link, TCP and UDP. */
static void expect_later_link(bool usable)
{
    held int away = topology_listen(OUTSIDE, "203.0.113.2", 443);
    held int away6 = topology_listen(OUTSIDE, "fd00:3::2", 443);
    cleanup_close int resolver = topology_bind_udp(OUTSIDE, "203.0.113.2", 53);
    held int here = topology_listen(AGENT, "203.0.113.1", 8080);
    struct attempt datagram = topology_send_udp(AGENT, "203.0.113.2", 53);

    cr_assert_eq(datagram.error == 0, usable, "%s", strerror(datagram.error));
    cr_assert_lt(datagram.milliseconds, PATIENCE);
    cr_assert_eq(topology_readable(resolver), usable);
    if (usable) {
        expect_open(AGENT, "", 0, "203.0.113.2", 443);
        expect_open(AGENT, "", 0, "fd00:3::2", 443);
        expect_open(OUTSIDE, "", 0, "203.0.113.1", 8080);
    } else {
        expect_refused(AGENT, "", 0, "203.0.113.2", 443);
        expect_refused(AGENT, "", 0, "fd00:3::2", 443);
        expect_silence(OUTSIDE, "", 0, "203.0.113.1", 8080);
    }
}

/* sp0 takes TCP only; nothing is forwarded into it. Seen at the hub's end, where nothing is filtered here. */
static void expect_own_link(bool guarded)
{
    cleanup_close int capture = topology_capture(HUB, "sp0ad10040");
    struct attempt datagram = topology_send_udp(AGENT, GATEWAY_ADDRESS, 53);

    cr_assert_eq(datagram.error != 0, guarded, "%s", strerror(datagram.error));
    cr_assert_lt(datagram.milliseconds, PATIENCE);
    cr_assert_neq(topology_captured(capture, AGENT_ADDRESS, GATEWAY_ADDRESS), guarded);
    topology_connect(OUTSIDE, GATEWAY_ADDRESS, 8642);
    cr_assert_neq(topology_captured(capture, "203.0.113.2", GATEWAY_ADDRESS), guarded);
}

/* The hub is open here: what stops UDP inward is the guard. */
static void expect_inward(bool guarded)
{
    cleanup_close int udp = topology_bind_udp(AGENT, AGENT_ADDRESS, 53);
    held int tcp = topology_listen(AGENT, AGENT_ADDRESS, 53);

    cr_assert_eq(topology_send_udp(GATEWAY, AGENT_ADDRESS, 53).error, 0);
    cr_assert_neq(topology_readable(udp), guarded);
    expect_open(GATEWAY, "", 0, AGENT_ADDRESS, 53);
}

Test(rules, guard_covers_links_added_later)
{
    add_later_link();
    install_guard(AGENT, false);
    expect_later_link(false);
    expect_own_link(true);
    expect_inward(true);
    topology_nft(AGENT, "delete table inet sallyport");
    expect_later_link(true);
    expect_own_link(false);
    expect_inward(false);
}

/* The member's address in the subnet, from another link: a neighbour of the proxy's container. */
static void expect_own_address(bool guarded)
{
    held int here = topology_listen(AGENT, AGENT_ADDRESS, 3128);

    if (guarded)
        expect_silence(OUTSIDE, "", 0, AGENT_ADDRESS, 3128);
    else
        expect_open(OUTSIDE, "", 0, AGENT_ADDRESS, 3128);
    expect_open(AGENT, "", 0, AGENT_ADDRESS, 3128);
}

Test(rules, guard_of_sp0_leaves_other_links_alone)
{
    add_later_link();
    install_guard(AGENT, true);
    expect_later_link(true);
    expect_own_link(true);
    expect_inward(true);
    expect_own_address(true);
    topology_nft(AGENT, "delete table inet sallyport");
    expect_own_link(false);
    expect_inward(false);
    expect_own_address(false);
}

/* ---- uplink: the hub has no rules in these tests, as if a member had got past it ---- */

static void expect_host_services(bool reachable)
{
    static const struct {
        const char *address;
        uint16_t port;
    } services[] = {{PROXY_ADDRESS, 22}, {HOST_ADDRESS, 22}, {HOST_ADDRESS, 3128}, {"198.51.100.1", 22}};

    for (size_t i = 0; i < array_size(services); i++) {
        held int listener = topology_listen(HOST, services[i].address, services[i].port);

        if (reachable)
            expect_open(AGENT, "", 0, services[i].address, services[i].port);
        else
            expect_silence(AGENT, "", 0, services[i].address, services[i].port);
    }
}

/* A way from the members through the hub and the host to anywhere, and back. */
static void add_way_out(void)
{
    topology_enter(AGENT);
    topology_ip("route add default via 169.254.0.1 dev sp0 onlink\n");
    topology_enter(HUB);
    topology_ip("neigh add 169.254.0.9 lladdr 02:00:00:00:02:01 dev sp0ad10001 nud permanent\n"
                "route add default via 169.254.0.9 dev sp0ad10001 onlink\n");
}

Test(rules, uplink_leads_to_the_proxy_only)
{
    held int proxy = topology_listen(HOST, PROXY_ADDRESS, 3128);

    add_way_out();
    install_uplink();
    expect_open(AGENT, "", 0, PROXY_ADDRESS, 3128);
    expect_open(GATEWAY, "", 0, PROXY_ADDRESS, 3128);
    expect_silence(DASHBOARD, "", 0, PROXY_ADDRESS, 3128);
    expect_host_services(false);
    remove_uplink();
    expect_open(DASHBOARD, "", 0, PROXY_ADDRESS, 3128);
    expect_host_services(true);
}

/* In the hub and on the host alike: to those that reach the proxy, and no port more. */
Test(rules, a_pass_through_is_one_more_port_of_the_proxy)
{
    static const char passing[] =
        "{\"version\":1,\"subnet\":\"10.209.0.0/24\","
        "\"proxy\":{\"address\":\"10.209.0.2\",\"port\":3128,\"at\":\"host\",\"sni\":443},"
        "\"roles\":{\"agent\":{\"addresses\":\"10.209.0.64/26\",\"reach\":[\"proxy\"]},"
        "\"gateway\":{\"addresses\":\"10.209.0.3\"},\"dashboard\":{\"addresses\":\"10.209.0.4\"}}}";
    held int proxy = topology_listen(HOST, PROXY_ADDRESS, 3128);
    held int tls = topology_listen(HOST, PROXY_ADDRESS, 443);
    held int http = topology_listen(HOST, PROXY_ADDRESS, 80);

    install_hub();
    install_uplink();
    expect_refused(AGENT, "", 0, PROXY_ADDRESS, 443);
    policy_free(&policy);
    load(passing);
    install_hub();
    install_uplink();
    expect_open(AGENT, "", 0, PROXY_ADDRESS, 443);
    expect_open(AGENT, "", 0, PROXY_ADDRESS, 3128);
    expect_refused(AGENT, "", 0, PROXY_ADDRESS, 80);
    expect_refused(AGENT, "", 0, GATEWAY_ADDRESS, 443);
    expect_refused(DASHBOARD, "", 0, PROXY_ADDRESS, 443);
    expect_refused(GATEWAY, "", 0, PROXY_ADDRESS, 443);
    policy_free(&policy);
    load(hermes);
    install_hub();
    install_uplink();
    expect_refused(AGENT, "", 0, PROXY_ADDRESS, 443);
    expect_open(AGENT, "", 0, PROXY_ADDRESS, 3128);
}

Test(rules, uplink_forwards_nothing)
{
    held int outside = topology_listen(OUTSIDE, OUTSIDE_ADDRESS, 443);
    held int agent = topology_listen(AGENT, AGENT_ADDRESS, 8080);

    add_way_out();
    install_uplink();
    expect_silence(AGENT, "", 0, OUTSIDE_ADDRESS, 443);
    expect_silence(OUTSIDE, "", 0, AGENT_ADDRESS, 8080);
    remove_uplink();
    expect_open(AGENT, "", 0, OUTSIDE_ADDRESS, 443);
    expect_open(OUTSIDE, "", 0, AGENT_ADDRESS, 8080);
}

/* The weak host model, and a table of somebody else that accepts everything first and last. */
Test(rules, uplink_addresses_answer_on_the_uplink_only)
{
    held int proxy = topology_listen(HOST, PROXY_ADDRESS, 3128);
    cleanup_close int capture = topology_capture(HUB, "sp0ad10001");

    topology_nft(HOST, "add table inet other; "
                       "add chain inet other early { type filter hook prerouting priority -400; }; "
                       "add rule inet other early accept; "
                       "add chain inet other late { type filter hook input priority 400; }; "
                       "add rule inet other late accept");
    install_uplink();
    expect_silence(OUTSIDE, "", 0, PROXY_ADDRESS, 3128);
    topology_send_syn(OUTSIDE, AGENT_ADDRESS, "198.51.100.1", 1, 0); /* its refusal would go to the agent */
    cr_assert_not(topology_captured(capture, "", ""));
    expect_open(HOST, PROXY_ADDRESS, 0, PROXY_ADDRESS, 3128);
    remove_uplink();
    expect_open(OUTSIDE, "", 0, PROXY_ADDRESS, 3128);
    topology_send_syn(OUTSIDE, AGENT_ADDRESS, "198.51.100.1", 1, 0);
    cr_assert(topology_captured(capture, "198.51.100.1", AGENT_ADDRESS));
}

/* What is not TCP over IPv4, at the very address and port that is open. */
static void expect_other_protocols(bool reachable)
{
    cleanup_close int udp = topology_bind_udp(HOST, PROXY_ADDRESS, 3128);
    held int tcp6 = topology_listen(HOST, "fd00:9::1", 3128);

    cr_assert_eq(topology_send_udp(AGENT, PROXY_ADDRESS, 3128).error, 0);
    cr_assert_eq(topology_readable(udp), reachable);
    if (reachable)
        expect_open(HUB, "", 0, "fd00:9::1", 3128);
    else
        expect_silence(HUB, "", 0, "fd00:9::1", 3128);
}

Test(rules, uplink_takes_tcp_over_ipv4_only)
{
    topology_enter(HOST);
    topology_ip("address add fd00:9::1/64 dev sp-hermes nodad\n"
                "neigh add fd00:9::2 lladdr 02:00:00:00:01:01 dev sp-hermes nud permanent\n");
    topology_enter(HUB);
    topology_ip("address add fd00:9::2/64 dev sp0ad10001 nodad\n"
                "neigh add fd00:9::1 lladdr 02:00:00:00:02:01 dev sp0ad10001 nud permanent\n");
    install_uplink();
    expect_other_protocols(false);
    remove_uplink();
    expect_other_protocols(true);
}

/* An address translation of the host's that leads a request for the proxy elsewhere. */
Test(rules, uplink_rule_holds_after_translation)
{
    held int elsewhere = topology_listen(HOST, PROXY_ADDRESS, 22);

    topology_nft(HOST, "add table ip other; "
                       "add chain ip other prerouting { type nat hook prerouting priority -100; }; "
                       "add rule ip other prerouting tcp dport 3128 dnat to " PROXY_ADDRESS ":22");
    install_uplink();
    expect_silence(AGENT, "", 0, PROXY_ADDRESS, 3128);
    remove_uplink();
    expect_open(AGENT, "", 0, PROXY_ADDRESS, 3128);
}

/* The administrator's own forwarding of a port of the host: at raw priority it has another destination. */
Test(rules, uplink_addresses_are_no_target_of_translation)
{
    held int proxy = topology_listen(HOST, PROXY_ADDRESS, 3128);

    topology_nft(HOST, "add table ip other; "
                       "add chain ip other prerouting { type nat hook prerouting priority -100; }; "
                       "add rule ip other prerouting tcp dport 8080 dnat to " PROXY_ADDRESS ":3128");
    install_uplink();
    expect_silence(OUTSIDE, "", 0, "198.51.100.1", 8080);
    expect_open(AGENT, "", 0, PROXY_ADDRESS, 3128);
    expect_open(HOST, "", 0, PROXY_ADDRESS, 3128);
    topology_nft(HOST, "flush chain inet sallyport-hermes input; "
                       "add rule inet sallyport-hermes input iifname sp-hermes jump from-uplink");
    expect_open(OUTSIDE, "", 0, "198.51.100.1", 8080);
}

Test(rules, uplink_host_reaches_published_ports_only)
{
    held int published = topology_listen(GATEWAY, GATEWAY_ADDRESS, 9119);
    held int unpublished = topology_listen(GATEWAY, GATEWAY_ADDRESS, 22);
    held int agent = topology_listen(AGENT, AGENT_ADDRESS, 9119);

    install_uplink();
    expect_open(HOST, HOST_ADDRESS, 0, GATEWAY_ADDRESS, 9119);
    expect_refused(HOST, HOST_ADDRESS, 0, GATEWAY_ADDRESS, 22);
    expect_refused(HOST, HOST_ADDRESS, 0, AGENT_ADDRESS, 9119);
    expect_refused(HOST, PROXY_ADDRESS, 0, GATEWAY_ADDRESS, 9119);
    remove_uplink();
    expect_open(HOST, HOST_ADDRESS, 0, GATEWAY_ADDRESS, 22);
    expect_open(HOST, HOST_ADDRESS, 0, AGENT_ADDRESS, 9119);
    expect_open(HOST, PROXY_ADDRESS, 0, GATEWAY_ADDRESS, 9119);
}

/* The answers' rules without the mask of flags open the reverse connection, at both ends of the uplink. */
Test(rules, uplink_mirror_does_not_open_connections)
{
    held int agent = topology_listen(AGENT, AGENT_ADDRESS, 5555);
    held int host = topology_listen(HOST, HOST_ADDRESS, 5555);

    install_uplink();
    expect_refused(HOST, PROXY_ADDRESS, 3128, AGENT_ADDRESS, 5555);
    expect_silence(GATEWAY, "", 9119, HOST_ADDRESS, 5555);
    topology_nft(HOST, "insert rule inet sallyport-hermes to-uplink "
                       "ip saddr " PROXY_ADDRESS " tcp sport 3128 accept");
    topology_nft(HOST, "insert rule inet sallyport-hermes from-uplink "
                       "ip saddr " GATEWAY_ADDRESS " tcp sport 9119 accept");
    expect_open(HOST, PROXY_ADDRESS, 3128, AGENT_ADDRESS, 5555);
    expect_open(GATEWAY, "", 9119, HOST_ADDRESS, 5555);
}

Test(rules, uplink_mirror_is_for_answers_only)
{
    static const struct connection to_member = {HOST, PROXY_ADDRESS, AGENT, AGENT_ADDRESS, 0};
    static const struct connection to_host = {GATEWAY, GATEWAY_ADDRESS, HOST, HOST_ADDRESS, 0};

    install_uplink();
    expect_answers_only(&to_member, 3128);
    expect_answers_only(&to_host, 9119);
    topology_nft(HOST, "insert rule inet sallyport-hermes to-uplink "
                       "tcp sport 3128 tcp flags & (syn | ack) != syn accept");
    topology_nft(HOST, "insert rule inet sallyport-hermes from-uplink "
                       "tcp sport 9119 tcp flags & (syn | ack) != syn accept");
    expect_scan_passes(&to_member, 3128);
    expect_scan_passes(&to_host, 9119);
}
