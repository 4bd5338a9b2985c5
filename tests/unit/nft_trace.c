/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernel tells of a traced packet, as it is, cut at every byte, and as nobody should send it. Each
 * message is put at the end of a page with nothing behind it: reading one byte too many is a crash. */
#include "netns/nft_trace.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <endian.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, MESSAGE_SIZE = 1024, PACKET = 77, RULE = 12 };

static uint8_t *page; /* what is behind it cannot be read */

static void setup(void)
{
    page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(page, MAP_FAILED);
    cr_assert_eq(mprotect(page + PAGE, PAGE, PROT_NONE), 0);
}

TestSuite(nft_trace, .init = setup);

struct message {
    _Alignas(struct nlmsghdr) uint8_t bytes[MESSAGE_SIZE];
    size_t size;
};

static void append(struct message *message, uint16_t type, const void *bytes, size_t size)
{
    const struct nlattr header = {.nla_len = (uint16_t)(sizeof(header) + size), .nla_type = type};

    memcpy(message->bytes + message->size, &header, sizeof(header));
    memcpy(message->bytes + message->size + sizeof(header), bytes, size);
    message->size += NLA_ALIGN(sizeof(header) + size);
    ((struct nlmsghdr *)(void *)message->bytes)->nlmsg_len = (uint32_t)message->size;
}

static void append_number(struct message *message, uint16_t type, uint32_t number)
{
    const uint32_t big = htonl(number);

    append(message, type, &big, sizeof(big));
}

static void append_rule(struct message *message, uint32_t code)
{
    const uint64_t handle = htobe64(RULE);
    struct {
        struct nlattr header;
        uint32_t code;
    } verdict = {{.nla_len = sizeof(verdict), .nla_type = NFTA_VERDICT_CODE}, htonl(code)};

    append(message, NFTA_TRACE_RULE_HANDLE, &handle, sizeof(handle));
    append(message, NFTA_TRACE_VERDICT, &verdict, sizeof(verdict));
}

static void begin(struct message *message)
{
    const struct nfgenmsg family = {.nfgen_family = NFPROTO_IPV4};

    *message = (struct message){.size = NLMSG_LENGTH(sizeof(family))};
    *(struct nlmsghdr *)(void *)message->bytes = (struct nlmsghdr){
        .nlmsg_len = (uint32_t)message->size, .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_TRACE};
    memcpy(message->bytes + NLMSG_HDRLEN, &family, sizeof(family));
    append_number(message, NFTA_TRACE_ID, PACKET);
    append(message, NFTA_TRACE_TABLE, "filter", sizeof("filter"));
    append(message, NFTA_TRACE_CHAIN, "INPUT", sizeof("INPUT"));
}

/* The first `size` bytes of the message, with nothing behind them. */
static bool parse(const struct message *message, size_t size, struct nft_event *ret)
{
    uint8_t *at = page + PAGE - size;

    memcpy(at, message->bytes, size);
    if (size >= sizeof(struct nlmsghdr))
        ((struct nlmsghdr *)(void *)at)->nlmsg_len = (uint32_t)size;
    return nft_trace_parse(at, size, ret);
}

Test(nft_trace, a_rule_that_drops)
{
    struct message message;
    struct nft_event event;

    begin(&message);
    append_rule(&message, NF_DROP);
    cr_assert(parse(&message, message.size, &event));
    cr_assert_eq(event.packet, PACKET);
    cr_assert_eq(event.family, NFPROTO_IPV4);
    cr_assert_str_eq(event.table, "filter");
    cr_assert_str_eq(event.chain, "INPUT");
    cr_assert(event.dropped);
    cr_assert_eq(event.rule, RULE);
}

Test(nft_trace, a_policy_that_drops_and_what_does_not)
{
    struct message message;
    struct nft_event event;

    begin(&message);
    append_number(&message, NFTA_TRACE_POLICY, NF_DROP);
    cr_assert(parse(&message, message.size, &event));
    cr_assert(event.dropped && event.rule == 0);
    begin(&message);
    append_number(&message, NFTA_TRACE_POLICY, NF_ACCEPT);
    cr_assert(parse(&message, message.size, &event) && !event.dropped);
    begin(&message);
    append_rule(&message, NF_ACCEPT);
    cr_assert(parse(&message, message.size, &event) && !event.dropped);
    begin(&message);
    append_rule(&message, (uint32_t)NFT_JUMP);
    cr_assert(parse(&message, message.size, &event) && !event.dropped);
}

/* Aligned cuts: the kernel's messages end at four bytes, and so does every place that is read from here. */
Test(nft_trace, cut_at_every_attribute)
{
    struct message message;

    begin(&message);
    append_rule(&message, NF_DROP);
    for (size_t size = 0; size < message.size; size += NLMSG_ALIGNTO) {
        struct nft_event event = {.packet = 1};

        if (parse(&message, size, &event))
            cr_assert(!event.dropped && event.packet == PACKET, "%zu bytes", size);
        else
            cr_assert_eq(event.packet, 1, "%zu bytes", size);
    }
}

Test(nft_trace, what_nobody_should_send)
{
    char name[NFT_NAME_MAXLEN + 8];
    struct message message;
    struct nft_event event = {.packet = 1};

    memset(name, 'x', sizeof(name));
    begin(&message);
    append(&message, NFTA_TRACE_CHAIN, name, sizeof(name)); /* too long */
    cr_assert(!parse(&message, message.size, &event));
    begin(&message);
    append(&message, NFTA_TRACE_CHAIN, name, 8); /* without end */
    cr_assert(!parse(&message, message.size, &event));
    begin(&message);
    append(&message, NFTA_TRACE_TABLE, name, 0);
    cr_assert(!parse(&message, message.size, &event));
    begin(&message);
    append(&message, NFTA_TRACE_ID, name, 3);
    cr_assert(!parse(&message, message.size, &event));
    begin(&message);
    ((struct nlmsghdr *)(void *)message.bytes)->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE;
    cr_assert(!parse(&message, message.size, &event));
    begin(&message);
    append(&message, NFTA_TRACE_VERDICT, name, 8);
    append(&message, NFTA_TRACE_RULE_HANDLE, name, 4);
    event.packet = 1;
    cr_assert(parse(&message, message.size, &event) && !event.dropped);
    begin(&message);
    ((struct nlmsghdr *)(void *)message.bytes)->nlmsg_len = 4096; /* more than there is */
    cr_assert(!nft_trace_parse(message.bytes, message.size, &event));
}
