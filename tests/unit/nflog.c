/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages of the kernel's log, as they are, cut at every byte, and as nobody should send them. Each is put
 * at the end of a page with nothing behind it: reading one byte too many is a crash. */
#include "netns/nflog.h"
#include "base/cleanup.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, MESSAGE_SIZE = 512, INDEX = 7 };

static uint8_t *page; /* what is behind it cannot be read */

static void setup(void)
{
    page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(page, MAP_FAILED);
    cr_assert_eq(mprotect(page + PAGE, PAGE, PROT_NONE), 0);
}

TestSuite(nflog, .init = setup);

/* 10.209.0.64:40000 to 10.209.0.3:22 */
static const uint8_t tcp[] = {0x45, 0,  0,  60,  0, 0, 0x40, 0,    64, IPPROTO_TCP, 0, 0, 10, 209,
                              0,    64, 10, 209, 0, 3, 0x9c, 0x40, 0,  22,          1, 2, 3,  4};

struct message {
    _Alignas(struct nlmsghdr) uint8_t bytes[MESSAGE_SIZE];
    size_t size;
};

static void append(struct message *message, uint16_t type, const void *bytes, size_t size)
{
    const struct nlattr header = {.nla_len = (uint16_t)(sizeof(header) + size), .nla_type = type};

    memcpy(message->bytes + message->size, &header, sizeof(header));
    if (size > 0)
        memcpy(message->bytes + message->size + sizeof(header), bytes, size);
    message->size += NLA_ALIGN(sizeof(header) + size);
    ((struct nlmsghdr *)(void *)message->bytes)->nlmsg_len = (uint32_t)message->size;
}

static void begin(struct message *message)
{
    *message = (struct message){.size = NLMSG_LENGTH(sizeof(struct nfgenmsg))};
    *(struct nlmsghdr *)(void *)message->bytes = (struct nlmsghdr){
        .nlmsg_len = (uint32_t)message->size, .nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET};
}

static void make(struct message *message, const void *packet, size_t size)
{
    const uint32_t index = htonl(INDEX);

    begin(message);
    append(message, NFULA_IFINDEX_INDEV, &index, sizeof(index));
    append(message, NFULA_PAYLOAD, packet, size);
}

static bool parse_size(const struct message *message, size_t size, struct nflog_packet *ret)
{
    /* As far back as alignment lets it: at most three bytes are between the end and the guard. */
    uint8_t *at = page + PAGE - NLMSG_ALIGN(size);

    memset(page, 0xff, PAGE);
    memcpy(at, message->bytes, size);
    return nflog_parse(at, size, ret);
}

static struct nflog_packet parse(const void *packet, size_t size)
{
    struct message message;
    struct nflog_packet parsed;

    make(&message, packet, size);
    cr_assert(parse_size(&message, message.size, &parsed));
    return parsed;
}

Test(nflog, whole_packet)
{
    struct nflog_packet parsed = parse(tcp, sizeof(tcp));

    cr_expect_eq(parsed.link, INDEX);
    cr_expect_eq(parsed.version, 4);
    cr_expect(!parsed.truncated && !parsed.fragment && parsed.has_addresses && parsed.has_ports);
    cr_expect_eq(parsed.protocol, IPPROTO_TCP);
    cr_expect_eq(parsed.source, 0x0ad10040);
    cr_expect_eq(parsed.destination, 0x0ad10003);
    cr_expect_eq(parsed.source_port, 40000);
    cr_expect_eq(parsed.destination_port, 22);
}

Test(nflog, packet_cut_at_every_byte)
{
    for (size_t size = 0; size < sizeof(tcp); size++) {
        struct nflog_packet parsed = parse(tcp, size);

        cr_expect_eq(parsed.truncated, size < 24, "%zu", size);
        cr_expect_eq(parsed.has_addresses, size >= 20, "%zu", size);
        cr_expect_eq(parsed.has_ports, size >= 24, "%zu", size);
    }
}

Test(nflog, message_cut_at_every_byte)
{
    struct message message;
    struct nflog_packet parsed = {.link = 99};

    make(&message, tcp, sizeof(tcp));
    for (size_t size = 0; size < message.size; size++)
        cr_expect(!parse_size(&message, size, &parsed) && parsed.link == 99, "%zu", size);
    cr_expect(parse_size(&message, message.size, &parsed));
}

/* The length in the header goes with the cut: attributes end in the middle. */
Test(nflog, attributes_cut_at_every_byte)
{
    struct message message;

    make(&message, tcp, sizeof(tcp));
    for (size_t size = NLMSG_LENGTH(sizeof(struct nfgenmsg)); size < message.size; size++) {
        struct nflog_packet parsed;

        ((struct nlmsghdr *)(void *)message.bytes)->nlmsg_len = (uint32_t)size;
        cr_assert(parse_size(&message, size, &parsed), "%zu", size);
        cr_expect(parsed.truncated && !parsed.has_addresses && !parsed.has_ports, "%zu", size);
    }
}

Test(nflog, hostile_attributes)
{
    static const uint8_t short_index[] = {1, 2};
    struct message message;
    struct nflog_packet parsed;

    begin(&message);
    append(&message, NFULA_IFINDEX_INDEV, short_index, sizeof(short_index));
    append(&message, NFULA_PAYLOAD, NULL, 0);
    cr_assert(parse_size(&message, message.size, &parsed));
    cr_expect(parsed.link == 0 && parsed.truncated && !parsed.has_addresses);
    make(&message, tcp, sizeof(tcp));
    /* The payload says that it is longer than the message. */
    ((struct nlattr *)(void *)(message.bytes + NLMSG_LENGTH(sizeof(struct nfgenmsg)) + 8))->nla_len = 0xffff;
    cr_assert(parse_size(&message, message.size, &parsed));
    cr_expect(parsed.link == INDEX && parsed.truncated && !parsed.has_addresses);
    /* An attribute shorter than its own header. */
    ((struct nlattr *)(void *)(message.bytes + NLMSG_LENGTH(sizeof(struct nfgenmsg))))->nla_len = 0;
    cr_assert(parse_size(&message, message.size, &parsed));
    cr_expect(parsed.link == 0 && parsed.truncated);
}

Test(nflog, other_messages_are_none)
{
    struct message message;
    struct nflog_packet parsed;
    struct nlmsghdr *header = (struct nlmsghdr *)(void *)message.bytes;

    make(&message, tcp, sizeof(tcp));
    header->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
    cr_expect(!parse_size(&message, message.size, &parsed));
    header->nlmsg_type = NLMSG_DONE;
    cr_expect(!parse_size(&message, message.size, &parsed));
    make(&message, tcp, sizeof(tcp));
    header->nlmsg_len = UINT32_MAX;
    cr_expect(!parse_size(&message, message.size, &parsed));
    header->nlmsg_len = NLMSG_HDRLEN;
    cr_expect(!parse_size(&message, message.size, &parsed));
}

/* A header that claims to be shorter than one, longer than what came, or with options before the ports. */
Test(nflog, header_lengths)
{
    uint8_t packet[64];

    memset(packet, 0, sizeof(packet));
    memcpy(packet, tcp, sizeof(tcp));
    for (unsigned words = 0; words < 16; words++) {
        struct nflog_packet parsed;
        size_t header = (size_t)words * 4;

        packet[0] = (uint8_t)(0x40 | words);
        if (header >= 20 && header + 4 <= sizeof(packet))
            memcpy(packet + header, (uint8_t[]){0, 80, 0, 81}, 4);
        parsed = parse(packet, sizeof(packet));
        cr_expect_eq(parsed.truncated, words < 5, "%u", words);
        cr_expect_eq(parsed.has_ports, words >= 5, "%u", words);
        cr_expect(!parsed.has_ports || (parsed.source_port == 80 && parsed.destination_port == 81), "%u",
                  words);
        parsed = parse(packet, sizeof(tcp));
        cr_expect_eq(parsed.has_ports, words == 5 || words == 6, "%u", words);
    }
}

/* SYN alone begins a connection. What came without its flags is not taken for something else. */
Test(nflog, what_does_not_begin_a_connection)
{
    uint8_t packet[40];

    memset(packet, 0, sizeof(packet));
    memcpy(packet, tcp, sizeof(tcp));
    for (unsigned flags = 0; flags < 256; flags++) {
        packet[33] = (uint8_t)flags;
        cr_expect_eq(parse(packet, sizeof(packet)).later, (flags & 0x12) != 0x02, "%02x", flags);
        cr_expect(!parse(packet, 33).later && parse(packet, 33).has_ports);
    }
    packet[9] = IPPROTO_UDP;
    cr_expect(!parse(packet, sizeof(packet)).later);
}

Test(nflog, fragments)
{
    uint8_t packet[sizeof(tcp)];
    struct nflog_packet parsed;

    memcpy(packet, tcp, sizeof(tcp));
    packet[6] = 0x20;
    parsed = parse(packet, sizeof(packet));
    cr_expect(parsed.fragment && parsed.has_ports && !parsed.truncated);
    packet[7] = 1;
    parsed = parse(packet, sizeof(packet));
    cr_expect(parsed.fragment && parsed.has_addresses && !parsed.has_ports && !parsed.truncated);
}

Test(nflog, other_versions_and_protocols)
{
    uint8_t packet[sizeof(tcp)];

    memcpy(packet, tcp, sizeof(tcp));
    for (unsigned protocol = 0; protocol < 256; protocol++) {
        struct nflog_packet parsed;
        bool ports = protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE ||
                     protocol == IPPROTO_SCTP || protocol == IPPROTO_DCCP;

        packet[9] = (uint8_t)protocol;
        parsed = parse(packet, sizeof(packet));
        cr_expect(parsed.protocol == protocol && parsed.has_ports == ports && !parsed.truncated, "%u",
                  protocol);
    }
    for (unsigned version = 0; version < 16; version++) {
        packet[0] = (uint8_t)(version << 4 | 5);
        cr_expect_eq(parse(packet, sizeof(packet)).version, version);
        cr_expect_eq(parse(packet, sizeof(packet)).has_addresses, version == 4);
    }
}
