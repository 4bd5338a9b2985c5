/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/nft_trace.h"

#include "base/cleanup.h"
#include "netns/nft.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PRIORITY_FIRST = -400, /* before the chains that are to be seen, those of priority raw too */
    BUFFER_SIZE = 8 * 1024,
};

#define COMING "coming"
#define LEAVING "leaving"

/* A network's name has no underscore, so its table never has this name. */
static void table_name(char name[NFT_NAME_SIZE])
{
    snprintf(name, NFT_NAME_SIZE, "sallyport_trace_%d", getpid());
}

static int add_table(struct netlink *nf, const char *link, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    char name[NFT_NAME_SIZE];
    struct nft_table table = {.batch = batch, .name = name};

    table_name(name);
    nft_begin(batch, 0);
    nft_table_add_owned(&table);
    nft_base_chain_add(&table, COMING, NF_INET_PRE_ROUTING, PRIORITY_FIRST, NF_ACCEPT);
    nft_base_chain_add(&table, LEAVING, NF_INET_LOCAL_OUT, PRIORITY_FIRST, NF_ACCEPT);
    nft_rule(&table, COMING, nft_iifname(link), nft_trace());
    nft_rule(&table, LEAVING, nft_oifname(link), nft_trace());
    return nft_commit(nf, batch, err);
}

int nft_trace_start(const char *link, struct netlink **ret, struct error *err)
{
    const int group = NFNLGRP_NFTRACE;
    cleanup_netlink struct netlink *nf = NULL;
    int result = netlink_open(NETLINK_NETFILTER, &nf, err);

    if (result == 0)
        result = add_table(nf, link, err);
    if (result == 0 &&
        setsockopt(netlink_descriptor(nf), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
        result = error_set(err, errno, "listen to what nftables does");
    if (result < 0)
        return error_prefix(err, "trace packets of %s", link);
    *ret = take_pointer(nf);
    return 0;
}

static bool read_number(struct nlattr *attribute, uint32_t *ret)
{
    if (attribute == NULL || nla_len(attribute) != sizeof(*ret))
        return false;
    memcpy(ret, nla_data(attribute), sizeof(*ret));
    *ret = ntohl(*ret);
    return true;
}

static bool read_text(struct nlattr *attribute, char ret[NFT_NAME_MAXLEN])
{
    if (attribute == NULL || nla_len(attribute) <= 0 || nla_len(attribute) > NFT_NAME_MAXLEN ||
        memchr(nla_data(attribute), '\0', (size_t)nla_len(attribute)) == NULL)
        return false;
    strcpy(ret, nla_data(attribute));
    return true;
}

/* The policy's, or that of the rule that came to one: a rule that jumps or goes on drops nothing. */
static bool read_dropped(struct nlattr *attributes[], struct nft_event *event)
{
    struct nlattr *verdict[NFTA_VERDICT_MAX + 1];
    struct nlattr *rule = attributes[NFTA_TRACE_RULE_HANDLE];
    uint32_t code = NF_ACCEPT;

    if (read_number(attributes[NFTA_TRACE_POLICY], &code))
        return code == NF_DROP;
    if (attributes[NFTA_TRACE_VERDICT] == NULL || rule == NULL || nla_len(rule) != sizeof(event->rule) ||
        nla_parse_nested(verdict, NFTA_VERDICT_MAX, attributes[NFTA_TRACE_VERDICT], NULL) < 0 ||
        !read_number(verdict[NFTA_VERDICT_CODE], &code) || code != NF_DROP)
        return false;
    memcpy(&event->rule, nla_data(rule), sizeof(event->rule));
    event->rule = be64toh(event->rule);
    return true;
}

bool nft_trace_parse(const void *message, size_t size, struct nft_event *ret)
{
    const struct nlmsghdr *header = message;
    struct nlattr *attributes[NFTA_TRACE_MAX + 1];
    struct nft_event event = {.rule = 0};

    if (size < sizeof(*header) || header->nlmsg_len > size ||
        header->nlmsg_len < NLMSG_LENGTH(sizeof(struct nfgenmsg)) ||
        header->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_TRACE) ||
        nlmsg_parse((struct nlmsghdr *)(uintptr_t)header, sizeof(struct nfgenmsg), attributes, NFTA_TRACE_MAX,
                    NULL) < 0)
        return false;
    event.family = ((const struct nfgenmsg *)nlmsg_data(header))->nfgen_family;
    if (!read_number(attributes[NFTA_TRACE_ID], &event.packet) ||
        !read_text(attributes[NFTA_TRACE_TABLE], event.table) ||
        !read_text(attributes[NFTA_TRACE_CHAIN], event.chain))
        return false;
    event.dropped = read_dropped(attributes, &event);
    *ret = event;
    return true;
}

/* What the messages so far have told. */
struct progress {
    char table[NFT_NAME_SIZE]; /* that marks */
    uint32_t leaving;          /* the last packet that was marked there */
    bool found;
    struct nft_drop drop;
};

/* Whoever rejects a packet sends an error first, and that may be dropped on its way out: the packet that came
 * in counts more than one that leaves. */
static void follow(struct progress *progress, const struct nft_event *event)
{
    bool leaving = false;

    if (strcmp(event->table, progress->table) == 0 && strcmp(event->chain, LEAVING) == 0)
        progress->leaving = event->packet;
    leaving = event->packet == progress->leaving;
    if (!event->dropped || (progress->found && (leaving || !progress->drop.leaving)))
        return;
    progress->found = true;
    progress->drop = (struct nft_drop){.event = *event, .leaving = leaving};
}

static bool is_settled(const struct progress *progress)
{
    return progress->found && !progress->drop.leaving;
}

/* One datagram, which may hold several messages. */
static void read_messages(struct progress *progress, const uint8_t *buffer, size_t size)
{
    while (size >= sizeof(struct nlmsghdr)) {
        const struct nlmsghdr *header = (const struct nlmsghdr *)(const void *)buffer;
        size_t length = NLMSG_ALIGN((size_t)header->nlmsg_len);
        struct nft_event event;

        if (nft_trace_parse(header, size, &event))
            follow(progress, &event);
        if (length < sizeof(*header) || length >= size)
            return;
        buffer += length;
        size -= length;
    }
}

int nft_trace_read(struct netlink *nf, bool *ret_found, struct nft_drop *ret, struct error *err)
{
    struct progress progress = {.found = false};

    table_name(progress.table);
    while (!is_settled(&progress)) {
        _Alignas(struct nlmsghdr) uint8_t buffer[BUFFER_SIZE];
        struct sockaddr_nl from = {.nl_pid = 0};
        socklen_t from_size = sizeof(from);
        ssize_t n =
            recvfrom(netlink_descriptor(nf), buffer, sizeof(buffer), MSG_DONTWAIT, (void *)&from, &from_size);

        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0 && errno != EINTR && errno != ENOBUFS)
            return error_set(err, errno, "read what nftables did");
        if (n > 0 && from.nl_pid == 0)
            read_messages(&progress, buffer, (size_t)n);
    }
    *ret_found = progress.found;
    if (progress.found)
        *ret = progress.drop;
    return 0;
}
