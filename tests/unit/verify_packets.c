/* SPDX-License-Identifier: Apache-2.0
 *
 * What the witness in the hub saw is judged by the policy: packets as they are, cut at every byte, and as
 * only an attacker sends them. Each is put at the end of a page with nothing behind it: reading one byte too
 * many is a crash. */
#include "cli/verify_packets.h"
#include "base/cleanup.h"

#include <criterion/criterion.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, MEMBER = 7, UPLINK = 2 };
enum way { IN, OUT }; /* by the member's link; by another */

static const char text[] =
    "{\"version\":1,\"subnet\":\"10.209.0.0/"
    "24\",\"proxy\":{\"address\":\"10.209.0.2\",\"port\":3128,\"at\":\"host\"},\"roles\":{"
    "\"agent\":{\"addresses\":\"10.209.0.64/26\",\"reach\":[\"proxy\",\"gateway:8642\"]},"
    "\"gateway\":{\"addresses\":\"10.209.0.3\",\"reach\":[\"agent:7000\"]},"
    "\"web\":{\"addresses\":\"10.209.0.5\",\"publish\":[\"127.0.0.1:9119:9119\"]}}}";

static uint8_t *page; /* what is behind it cannot be read */
static struct policy policy;
static struct verify_packets packets;

static void setup(void)
{
    struct error err = {0};

    page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(page, MAP_FAILED);
    cr_assert_eq(mprotect(page + PAGE, PAGE, PROT_NONE), 0);
    cr_assert_eq(policy_parse(text, strlen(text), "test", "hermes", &policy, &err), 0, "%s", err.text);
    packets = (struct verify_packets){
        .policy = &policy, .marker = "0123abcd", .link = MEMBER, .address = 0x0ad10040};
}

static void teardown(void)
{
    policy_free(&policy);
}

TestSuite(verify_packets, .init = setup, .fini = teardown);

struct sent {
    uint8_t source;      /* last number of the address, in the subnet */
    uint8_t destination; /* the same */
    uint8_t protocol;
    uint16_t from;
    uint16_t to;
    uint8_t flags;
};

static size_t make(const struct sent *sent, const char *payload, uint8_t *ret)
{
    const uint8_t header[40] = {0x45,
                                0,
                                0,
                                40,
                                0,
                                1,
                                0x40,
                                0,
                                64,
                                sent->protocol,
                                0,
                                0,
                                10,
                                209,
                                0,
                                sent->source,
                                10,
                                209,
                                0,
                                sent->destination,
                                (uint8_t)(sent->from >> 8),
                                (uint8_t)sent->from,
                                (uint8_t)(sent->to >> 8),
                                (uint8_t)sent->to,
                                0,
                                0,
                                0,
                                0,
                                0,
                                0,
                                0,
                                0,
                                0x50,
                                sent->flags};

    memcpy(ret, header, sizeof(header));
    memcpy(ret + sizeof(header), payload, strlen(payload));
    return sizeof(header) + strlen(payload);
}

static void take(enum way way, uint16_t ethertype, const uint8_t *bytes, size_t size)
{
    struct witness_packet packet = {
        .link = way == IN ? MEMBER : UPLINK, .leaving = way == OUT, .ethertype = ethertype};
    uint8_t *end = page + PAGE - size;

    memmove(end, bytes, size);
    witness_parse(end, size, &packet);
    verify_packets_take(&packets, &packet);
}

static void pass(enum way way, const struct sent *sent)
{
    uint8_t bytes[256];

    take(way, ETH_P_IP, bytes, make(sent, "", bytes));
}

Test(verify_packets, coming_in_only_tcp_of_its_own_to_the_subnet_is_tolerated)
{
    static const struct sent GOOD = {64, 99, IPPROTO_TCP, 40000, 22, TH_SYN};
    static const struct {
        struct sent sent;
        const char *said;
    } BAD[] = {
        {{64, 2, IPPROTO_UDP, 40000, 53, 0}, "UDP 10.209.0.64 -> 10.209.0.2:53"},
        {{64, 2, IPPROTO_ICMP, 0x0800, 0, 0}, "ICMP 10.209.0.64 -> 10.209.0.2"},
        {{64, 2, 99, 0, 0, 0}, "protocol 99 10.209.0.64 -> 10.209.0.2"},
        {{65, 2, IPPROTO_TCP, 1, 3128, TH_SYN}, "TCP 10.209.0.65 -> 10.209.0.2:3128, with a forged source"},
    };

    pass(IN, &GOOD);
    cr_assert_eq(packets.entered, 1);
    cr_assert_eq(packets.entering.count, 0);
    for (size_t i = 0; i < array_size(BAD); i++) {
        pass(IN, &BAD[i].sent);
        cr_assert_eq(packets.entering.count, i + 1);
        cr_assert_str_eq(packets.entering.first[i].text, BAD[i].said);
    }
}

Test(verify_packets, coming_in_what_is_no_whole_ipv4_packet_for_the_hub_is_told)
{
    static const struct sent TCP = {64, 99, IPPROTO_TCP, 40000, 22, TH_SYN};
    uint8_t bytes[256];
    uint8_t six[40] = {0x60, [8] = 0xfe, 0x80, [23] = 7, [24] = 0x20, 0x01, 0x0d, 0xb8, [39] = 0x80};
    struct witness_packet odd = {.link = MEMBER, .ethertype = ETH_P_IP, .odd_frame = true};
    size_t size = make(&TCP, "", bytes);

    take(IN, ETH_P_IPV6, six, sizeof(six));
    cr_assert_str_eq(packets.entering.first[0].text, "IPv6 fe80::7 -> 2001:db8::80");
    take(IN, ETH_P_ARP, bytes, 28);
    cr_assert_str_eq(packets.entering.first[1].text, "a frame of ethertype 0x0806");
    bytes[6] = 0x20; /* more fragments */
    take(IN, ETH_P_IP, bytes, size);
    cr_assert_str_eq(packets.entering.first[2].text, "a fragment of TCP 10.209.0.64 -> 10.209.0.99:22");
    bytes[6] = 0x40;
    bytes[16] = 192; /* 192.209.0.99 */
    take(IN, ETH_P_IP, bytes, size);
    cr_assert_str_eq(packets.entering.first[3].text, "TCP 10.209.0.64 -> 192.209.0.99:22");
    bytes[16] = 10;
    witness_parse(bytes, size, &odd);
    verify_packets_take(&packets, &odd);
    cr_assert_eq(packets.entering.count, 5);
}

Test(verify_packets, going_out_only_what_the_policy_allows_is_allowed)
{
    static const struct {
        struct sent sent;
        bool allowed;
    } CASES[] = {
        {{64, 2, IPPROTO_TCP, 40000, 3128, TH_SYN}, true},
        {{64, 3, IPPROTO_TCP, 40000, 8642, TH_SYN}, true},
        {{64, 3, IPPROTO_TCP, 7000, 40000, TH_SYN | TH_ACK}, true}, /* the gateway has called */
        {{64, 3, IPPROTO_TCP, 7000, 40000, TH_ACK}, true},
        {{64, 3, IPPROTO_TCP, 7000, 40000, TH_SYN}, false}, /* calls back */
        {{64, 2, IPPROTO_TCP, 40000, 3129, TH_SYN}, false},
        {{64, 2, IPPROTO_UDP, 40000, 3128, 0}, false},
        {{64, 3, IPPROTO_TCP, 40000, 8643, TH_SYN}, false},
        {{64, 5, IPPROTO_TCP, 40000, 9119, TH_SYN}, false}, /* published to the host alone */
        {{64, 65, IPPROTO_TCP, 40000, 7000, TH_SYN}, false},
        {{64, 1, IPPROTO_TCP, 9119, 40000, TH_ACK}, false}, /* its own port is not published */
        {{64, 2, IPPROTO_TCP, 3128, 40000, TH_ACK}, false},
    };
    uint64_t allowed = 0;
    uint64_t leaks = 0;

    for (size_t i = 0; i < array_size(CASES); i++) {
        pass(OUT, &CASES[i].sent);
        allowed += CASES[i].allowed;
        leaks += !CASES[i].allowed;
        cr_assert_eq(packets.allowed, allowed, "case %zu", i);
        cr_assert_eq(packets.leaving.count, leaks, "case %zu", i);
    }
    packets.address = 0x0ad10005; /* the web: what is published answers the host, and calls nobody */
    pass(OUT, &(struct sent){5, 1, IPPROTO_TCP, 9119, 40000, TH_SYN | TH_ACK});
    cr_assert_eq(packets.allowed, allowed + 1);
    pass(OUT, &(struct sent){5, 1, IPPROTO_TCP, 40000, 9119, TH_SYN});
    cr_assert_eq(packets.leaving.count, leaks + 1);
}

Test(verify_packets, an_allowed_packet_that_is_a_fragment_is_a_leak)
{
    uint8_t bytes[256];
    size_t size = make(&(struct sent){64, 2, IPPROTO_TCP, 40000, 3128, TH_SYN}, "", bytes);

    bytes[7] = 1; /* not the first */
    take(OUT, ETH_P_IP, bytes, size);
    cr_assert_eq(packets.allowed, 0);
    cr_assert_eq(packets.leaving.count, 1);
}

Test(verify_packets, going_out_what_others_do_is_theirs_unless_it_was_forged_or_nobody_may)
{
    static const struct sent OTHERS = {66, 2, IPPROTO_TCP, 40000, 3128, TH_SYN};
    static const struct sent RESET = {99, 3, IPPROTO_TCP, 22, 40000, TH_RST | TH_ACK}; /* the hub's own */

    pass(OUT, &OTHERS);
    pass(OUT, &RESET);
    cr_assert_eq(packets.leaving.count, 0);
    pass(OUT, &(struct sent){66, 2, IPPROTO_UDP, 40000, 53, 0});
    cr_assert_eq(packets.leaving.count, 1);
    pass(IN, &OTHERS);
    pass(OUT, &OTHERS);
    cr_assert_eq(packets.leaving.count, 2);
    cr_assert_str_eq(packets.leaving.first[1].text,
                     "TCP 10.209.0.66 -> 10.209.0.2:3128, with a forged source");
    cr_assert_eq(packets.allowed, 0);
}

/* Neither a leak, which anybody could bring about by knocking, nor proof that something allowed went out. */
Test(verify_packets, a_reset_in_the_members_name_that_it_did_not_send_is_the_hubs)
{
    static const struct sent KNOCKED = {64, 3, IPPROTO_TCP, 22, 40000, TH_RST | TH_ACK};
    static const struct sent ALLOWED = {64, 3, IPPROTO_TCP, 22, 8642, TH_RST | TH_ACK};

    pass(OUT, &KNOCKED);
    pass(OUT, &ALLOWED);
    cr_assert_eq(packets.leaving.count + packets.allowed, 0);
    pass(IN, &KNOCKED);
    pass(OUT, &KNOCKED);
    cr_assert_eq(packets.leaving.count, 1);
    pass(IN, &ALLOWED);
    pass(OUT, &ALLOWED);
    cr_assert_eq(packets.leaving.count, 1);
    cr_assert_eq(packets.allowed, 1);
}

Test(verify_packets, what_the_hub_answers_the_member_and_what_others_send_in_is_no_arrival)
{
    uint8_t bytes[256];
    struct witness_packet answer = {.link = MEMBER, .leaving = true, .ethertype = ETH_P_IP};
    struct witness_packet other = {.link = UPLINK, .leaving = false, .ethertype = ETH_P_IP};
    size_t size = make(&(struct sent){2, 64, IPPROTO_UDP, 53, 40000, 0}, "", bytes);

    witness_parse(bytes, size, &answer);
    witness_parse(bytes, size, &other);
    verify_packets_take(&packets, &answer);
    verify_packets_take(&packets, &other);
    cr_assert_eq(packets.entered + packets.allowed + packets.entering.count + packets.leaving.count, 0);
}

/* Before the link is known nothing is the member's: a witness without it has seen nothing, and says so. */
Test(verify_packets, before_the_link_is_known_nothing_has_come_in)
{
    packets.link = 0;
    packets.address = 0;
    pass(IN, &(struct sent){64, 2, IPPROTO_TCP, 40000, 3128, TH_SYN});
    pass(OUT, &(struct sent){64, 2, IPPROTO_TCP, 40000, 3128, TH_SYN});
    cr_assert_eq(packets.entered + packets.allowed, 0);
}

Test(verify_packets, every_truncation_is_told_and_read_no_further)
{
    static const struct sent TCP = {64, 2, IPPROTO_TCP, 40000, 3128, TH_SYN};
    uint8_t bytes[256];
    size_t size = make(&TCP, "", bytes);

    for (size_t length = 0; length < 24; length++) {
        take(OUT, ETH_P_IP, bytes, length);
        cr_assert_eq(packets.leaving.count, length + 1, "%zu bytes", length);
    }
    /* With its ports the rules let it pass, and so the policy. */
    for (size_t length = 24; length <= size; length++)
        take(OUT, ETH_P_IP, bytes, length);
    cr_assert_eq(packets.leaving.count, 24);
    for (size_t length = 0; length <= sizeof(bytes); length++) {
        take(IN, ETH_P_IPV6, bytes, length);
        take(IN, 0x8847, bytes, length);
    }
    for (unsigned first = 0; first < 256; first++) { /* versions, and lengths of headers that are not there */
        bytes[0] = (uint8_t)first;
        take(IN, ETH_P_IP, bytes, size);
        take(OUT, ETH_P_IP, bytes, size);
    }
    cr_assert_leq(packets.leaving.told, VERIFY_OFFENDERS_MAX);
}

Test(verify_packets, a_flood_takes_no_more_room_and_is_counted)
{
    for (unsigned port = 1; port <= 5000; port++) {
        pass(IN, &(struct sent){66, 2, IPPROTO_TCP, (uint16_t)port, 3128, TH_SYN});
        pass(IN, &(struct sent){64, 2, IPPROTO_UDP, (uint16_t)port, (uint16_t)port, 0});
    }
    cr_assert_eq(packets.entering.count, 10000);
    cr_assert_eq(packets.entering.told, VERIFY_OFFENDERS_MAX);
    /* The last that was forged is known, the first no longer: as TCP between others it is theirs. */
    pass(OUT, &(struct sent){66, 2, IPPROTO_TCP, 5000, 3128, TH_SYN});
    cr_assert_eq(packets.leaving.count, 1);
}

Test(verify_packets, the_marker_tells_the_attempt_and_nothing_else_does)
{
    static const struct {
        const char *payload;
        unsigned attempt;
    } CASES[] = {
        {"sallyport-probe:0123abcd-042\n", 42},
        {"GET / sallyport-probe:0123abcd-007", 7},
        {"sallyport-probe:0123abcd-99999999", 9999},
        {"sallyport-probe:0123abcd-", VERIFY_NO_ATTEMPT},
        {"sallyport-probe:0123abcd--1", VERIFY_NO_ATTEMPT},
        {"sallyport-probe:0123abcd", VERIFY_NO_ATTEMPT},
        {"sallyport-probe:ffffffff-042", VERIFY_NO_ATTEMPT},
        {"", VERIFY_NO_ATTEMPT},
    };

    for (size_t i = 0; i < array_size(CASES); i++) {
        uint8_t bytes[256];
        struct sent sent = {64, 2, IPPROTO_UDP, 40000, 53, 0};

        packets.leaving = (struct verify_offenders){0};
        take(OUT, ETH_P_IP, bytes, make(&sent, CASES[i].payload, bytes));
        cr_assert_eq(packets.leaving.first[0].attempt, CASES[i].attempt, "%s", CASES[i].payload);
    }
}

Test(verify_packets, the_same_words_of_one_attempt_are_said_once)
{
    struct verify_offenders offenders = {0};

    verify_offenders_add(&offenders, VERIFY_NO_ATTEMPT, "UDP to %d", 1);
    verify_offenders_add(&offenders, 3, "UDP to %d", 1);
    verify_offenders_add(&offenders, 4, "UDP to %d", 1);
    verify_offenders_add(&offenders, VERIFY_NO_ATTEMPT, "UDP to %d", 1);
    cr_assert_eq(offenders.count, 4);
    cr_assert_eq(offenders.told, 2);
    cr_assert_eq(offenders.first[0].attempt, 3);
    cr_assert_eq(offenders.first[1].attempt, 4);
}
