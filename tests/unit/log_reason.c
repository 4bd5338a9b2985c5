/* SPDX-License-Identifier: Apache-2.0
 *
 * Which rule a line of `sallyport log` names, and what it says would allow it. That hub and squid refuse for
 * these reasons, and that the advice helps, is tested with both: tests/engines/log.bats, log_proxy.bats. */
#include "cli/log_reason.h"

#include "base/cleanup.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#define POLICY(at)                                                                                 \
    "{\"version\":1,\"subnet\":\"10.9.0.0/24\",\"proxy\":{\"address\":\"10.9.0.2\",\"port\":3129," \
    "\"at\":\"" at "\"},\"roles\":{"                                                               \
    "\"agent\":{\"addresses\":\"10.9.0.64/26\",\"reach\":[\"gateway:8642\",\"proxy\"],"            \
    "\"hosts\":[\"api.example.com\",\"git.example:22\"]},"                                         \
    "\"gateway\":{\"addresses\":\"10.9.0.3\"}}}"

enum { AGENT = 0x0a090040, GATEWAY = 0x0a090003, PROXY = 0x0a090002, NOBODY = 0x0a090009 };

static struct policy policy;

static void load(const char *json)
{
    struct error err = {0};

    cr_assert_eq(policy_parse(json, strlen(json), "FILE", "hermes", &policy, &err), 0, "%s", err.text);
}

static void expect_reason(const struct log_reason *reason, const char *rule, const char *allow)
{
    cr_expect_str_eq(reason->rule, rule);
    cr_expect_str_eq(reason->allow, allow);
}

static struct nflog_packet tcp_to(uint32_t destination, uint16_t port)
{
    return (struct nflog_packet){.version = 4,
                                 .has_addresses = true,
                                 .has_ports = true,
                                 .protocol = IPPROTO_TCP,
                                 .source = AGENT,
                                 .destination = destination,
                                 .source_port = 40000,
                                 .destination_port = port};
}

/* Of the agent's packet. */
static void expect_packet(struct nflog_packet packet, const char *rule, const char *allow)
{
    struct log_reason reason;

    log_reason_packet(&policy, policy_role_find(&policy, "agent"), false, &packet, &reason);
    expect_reason(&reason, rule, allow);
}

Test(log_reason, members_packets)
{
    load(POLICY("host"));
    expect_packet(tcp_to(GATEWAY, 22), "hub: $.roles.agent.reach does not have \"gateway:22\"",
                  "add \"gateway:22\" to $.roles.agent.reach, then run `sallyport network reload hermes`");
    expect_packet(tcp_to(PROXY, 22), "hub: the proxy is reached at port 3129 only", "nothing");
    expect_packet(tcp_to(NOBODY, 22), "hub: no role has the address", "nothing");
    expect_packet(tcp_to(GATEWAY, 8642), "hub: the packet is no part of a connection", "");
    policy_free(&policy);
}

Test(log_reason, what_no_policy_allows)
{
    static const struct {
        uint8_t protocol;
        const char *rule;
    } protocols[] = {{IPPROTO_UDP, "hub: UDP is never forwarded"},
                     {IPPROTO_ICMP, "hub: ICMP is never forwarded"},
                     {IPPROTO_SCTP, "hub: only TCP is forwarded"}};
    struct nflog_packet packet = tcp_to(GATEWAY, 8642);

    load(POLICY("host"));
    for (size_t i = 0; i < array_size(protocols); i++) {
        packet.protocol = protocols[i].protocol;
        expect_packet(packet, protocols[i].rule, "nothing");
    }
    packet = tcp_to(GATEWAY, 8642);
    packet.fragment = true;
    expect_packet(packet, "hub: fragments are never forwarded", "nothing");
    packet = tcp_to(GATEWAY, 8642);
    packet.later = true;
    expect_packet(packet, "hub: it belongs to no connection that the policy allows", "nothing");
    expect_packet((struct nflog_packet){.version = 6}, "hub: IPv6 is never forwarded", "nothing");
    expect_packet((struct nflog_packet){.version = 4}, "hub: the packet is broken", "nothing");
    packet = tcp_to(GATEWAY, 8642);
    packet.has_ports = false;
    expect_packet(packet, "hub: the packet is broken", "nothing");
    policy_free(&policy);
}

Test(log_reason, the_host_s_packets)
{
    struct nflog_packet packet = tcp_to(GATEWAY, 80);
    struct log_reason reason;

    load(POLICY("host"));
    log_reason_packet(&policy, NULL, true, &packet, &reason);
    expect_reason(&reason, "hub: $.roles.gateway.publish does not have port 80",
                  "add \"127.0.0.1:80:80\" to $.roles.gateway.publish, then run `sallyport network reload "
                  "hermes` and `sallyport publish hermes --install`");
    packet.source = PROXY;
    log_reason_packet(&policy, NULL, true, &packet, &reason);
    expect_reason(&reason, "hub: the proxy opens no connections to members", "nothing");
    packet = tcp_to(NOBODY, 80);
    log_reason_packet(&policy, NULL, true, &packet, &reason);
    expect_reason(&reason, "hub: no role has the address", "nothing");
    policy_free(&policy);
}

Test(log_reason, without_a_policy_only_what_is_certain)
{
    const struct squid_log_line line = {
        .client = AGENT, .denial = "hosts", .method = "CONNECT", .target = "a.example:443"};
    struct nflog_packet packet = tcp_to(GATEWAY, 22);
    struct log_reason reason;

    log_reason_packet(NULL, NULL, false, &packet, &reason);
    expect_reason(&reason, "hub: the policy in force does not allow it", "");
    log_reason_request(NULL, &line, &reason);
    expect_reason(&reason, "proxy: hosts of the role", "");
}

static void expect_asked(const char *method, uint32_t client, const char *denial, const char *target,
                         const char *rule, const char *allow)
{
    struct squid_log_line line = {.client = client, .status = 403, .denied = true};
    struct log_reason reason;

    strcpy(line.method, method);
    strcpy(line.denial, denial);
    strcpy(line.target, target);
    log_reason_request(&policy, &line, &reason);
    expect_reason(&reason, rule, allow);
}

static void expect_request(uint32_t client, const char *denial, const char *target, const char *rule,
                           const char *allow)
{
    expect_asked("CONNECT", client, denial, target, rule, allow);
}

Test(log_reason, what_the_pass_through_refused)
{
    load(POLICY("host"));
    expect_asked("TLS", AGENT, "unnamed", "-:443",
                 "pass-through: neither TLS with a server name nor, at port 80, HTTP with a Host", "nothing");
    expect_asked("TLS", AGENT, "hosts", "a.example:443",
                 "pass-through: $.roles.agent.hosts does not have the name",
                 "add \"a.example\" to $.roles.agent.hosts, then run `sallyport proxy-config squid hermes "
                 "--install`");
    /* The policy has no pass-through: with one, wildcards are as this name is. */
    expect_asked("TLS", AGENT, "hosts", "api.example.com:443",
                 "pass-through: $.roles.agent.hosts[0] \"api.example.com\" is for CONNECT only",
                 "add \"api.example.com\" to $.roles.agent.hosts, then run `sallyport proxy-config haproxy "
                 "hermes --install`, and start the container anew");
    expect_asked("HTTP", AGENT, "name", "a.example:80", "pass-through: the name does not resolve", "nothing");
    expect_asked("TLS", AGENT, "10.0.0.0/8", "a.example:443", "pass-through: target not public (10.0.0.0/8)",
                 "nothing");
    expect_asked("TLS", NOBODY, "hosts", "a.example:443", "pass-through: the address that asks is no role's",
                 "nothing");
    policy_free(&policy);
}

Test(log_reason, requests)
{
    load(POLICY("host"));
    expect_request(AGENT, "hosts", "a.example:443", "proxy: $.roles.agent.hosts does not have the name",
                   "add \"a.example\" to $.roles.agent.hosts, then run `sallyport proxy-config squid hermes "
                   "--install`");
    expect_request(
        AGENT, "hosts", "git.example:443", "proxy: $.roles.agent.hosts[1] allows the name at port 22 only",
        "add \"git.example\" to $.roles.agent.hosts, then run `sallyport proxy-config squid hermes "
        "--install`");
    expect_request(AGENT, "hosts", "10.1.1.1:443", "proxy: it takes names only, no addresses", "nothing");
    expect_request(AGENT, "hosts", "gateway:80",
                   "proxy: the name is one inside the network, where members connect by themselves",
                   "nothing");
    expect_request(AGENT, "hosts", "a%20b:443", "proxy: what is asked for is no name of a host", "nothing");
    expect_request(NOBODY, "hosts", "a.example:443", "proxy: the address that asks is no role's", "nothing");
    expect_request(AGENT, "name", "a.example:443", "proxy: the name does not resolve", "nothing");
    expect_request(AGENT, "subnet", "a.example:443",
                   "proxy: the name leads to addresses of the network itself", "nothing");
    expect_request(AGENT, "10.0.0.0/8", "a.example:443", "proxy: target not public (10.0.0.0/8)", "nothing");
    expect_request(AGENT, "-", "a.example:443", "proxy: a rule that is not Sallyport's", "");
    expect_request(
        GATEWAY, "hosts", "a.example:443",
        "proxy: $.roles.gateway.reach does not have \"proxy\", and the member has no DNS",
        "add \"proxy\" to $.roles.gateway.reach and \"a.example\" to $.roles.gateway.hosts, then run "
        "`sallyport network reload hermes` and `sallyport proxy-config squid hermes --install`");
    policy_free(&policy);
}

Test(log_reason, a_proxy_with_another_policy_is_told_as_such)
{
    static const char *rule =
        "proxy: $.roles.agent.hosts[0] \"api.example.com\", but the proxy has another policy";

    load(POLICY("host"));
    expect_request(AGENT, "hosts", "api.example.com:443", rule,
                   "run `sallyport proxy-config squid hermes --install`");
    policy_free(&policy);
    load(POLICY("member"));
    expect_request(
        AGENT, "hosts", "api.example.com:443", rule,
        "run `sallyport proxy-config squid hermes --install`, then have the proxy's engine send it "
        "SIGHUP");
    policy_free(&policy);
}
