/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/nflog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    COPY_SIZE = 128,        /* of each packet: the largest IPv4 header and the ports behind it */
    BUFFER_SIZE = 8 * 1024, /* a message: COPY_SIZE and a few hundred bytes about it */
    IP_HEADER_SIZE = 20,    /* without options */
    PORTS_SIZE = 4,
    TCP_FLAGS = 13, /* where they are in its header */
};

static void put(struct nl_msg *message, int type, const void *bytes, size_t size)
{
    if (nla_put(message, type, (int)size, bytes) < 0)
        abort(); /* a request larger than its buffer: a bug here, never input */
}

static int bind_group(struct netlink *nf, uint16_t group, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    const struct nfgenmsg header = {
        .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(group)};
    const struct nfulnl_msg_config_cmd command = {.command = NFULNL_CFG_CMD_BIND};
    const struct nfulnl_msg_config_mode mode = {.copy_range = htonl(COPY_SIZE),
                                                .copy_mode = NFULNL_COPY_PACKET};
    const uint32_t at_once = htonl(1); /* a message for each packet, none waits for another */
    struct nl_msg *message = netlink_batch_add(batch, NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG, NLM_F_ACK,
                                               &header, sizeof(header), "become a reader of the hub's log");

    put(message, NFULA_CFG_CMD, &command, sizeof(command));
    put(message, NFULA_CFG_MODE, &mode, sizeof(mode));
    put(message, NFULA_CFG_QTHRESH, &at_once, sizeof(at_once));
    return netlink_send(nf, batch, NULL, err);
}

/* A group that has a reader is EPERM to everybody else, and EBUSY to who comes at the same time. */
int nflog_bind(struct netlink *nf, struct error *err)
{
    int result = -EBUSY;

    for (unsigned i = 0; i < NFLOG_GROUPS && (result == -EBUSY || result == -EPERM); i++)
        result = bind_group(nf, (uint16_t)(NFLOG_GROUP_FIRST + i), err);
    if (result != -EBUSY && result != -EPERM)
        return result;
    error_set(err, EBUSY, "become a reader of the hub's log");
    return error_advise(err, "%d readers follow this network already: end one of them", NFLOG_GROUPS);
}

static uint16_t big16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static uint32_t big32(const uint8_t *bytes)
{
    return (uint32_t)big16(bytes) << 16 | big16(bytes + 2);
}

static bool protocol_has_ports(uint8_t protocol)
{
    return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE ||
           protocol == IPPROTO_SCTP || protocol == IPPROTO_DCCP;
}

/* A length in the packet is believed only where the bytes are there. */
void nflog_parse_packet(const uint8_t *bytes, size_t size, struct nflog_packet *packet)
{
    size_t header = 0;

    packet->version = size > 0 ? bytes[0] >> 4 : 0;
    packet->truncated = size < IP_HEADER_SIZE;
    if (packet->version != 4 || packet->truncated)
        return;
    header = (size_t)(bytes[0] & 0x0f) * 4;
    packet->has_addresses = true;
    packet->protocol = bytes[9];
    packet->source = big32(bytes + 12);
    packet->destination = big32(bytes + 16);
    packet->fragment = (big16(bytes + 6) & (IP_MF | IP_OFFMASK)) != 0;
    if ((big16(bytes + 6) & IP_OFFMASK) != 0 || !protocol_has_ports(packet->protocol))
        return;
    packet->truncated = header < IP_HEADER_SIZE || size < header + PORTS_SIZE;
    if (packet->truncated)
        return;
    packet->has_ports = true;
    packet->source_port = big16(bytes + header);
    packet->destination_port = big16(bytes + header + 2);
    if (packet->protocol == IPPROTO_TCP && size > header + TCP_FLAGS)
        packet->later = (bytes[header + TCP_FLAGS] & (TH_SYN | TH_ACK)) != TH_SYN;
}

bool nflog_parse(const void *message, size_t size, struct nflog_packet *ret)
{
    const struct nlmsghdr *header = message;
    struct nflog_packet packet = {.link = 0};
    const struct nlattr *link = NULL;
    const struct nlattr *payload = NULL;

    if (size < sizeof(*header) || header->nlmsg_len > size ||
        header->nlmsg_len < NLMSG_LENGTH(sizeof(struct nfgenmsg)) ||
        header->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET))
        return false;
    link =
        nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)header, sizeof(struct nfgenmsg), NFULA_IFINDEX_INDEV);
    payload = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)header, sizeof(struct nfgenmsg), NFULA_PAYLOAD);
    if (link != NULL && nla_len(link) == sizeof(packet.link))
        packet.link = big32(nla_data(link));
    if (payload == NULL)
        packet.truncated = true;
    else
        nflog_parse_packet(nla_data(payload), (size_t)nla_len(payload), &packet);
    *ret = packet;
    return true;
}

/* One datagram; it may hold several messages, and the kernel's own end mark. */
static void read_messages(const uint8_t *buffer, size_t size,
                          void (*each)(const struct nflog_packet *packet, void *data), void *data)
{
    while (size >= sizeof(struct nlmsghdr)) {
        const struct nlmsghdr *header = (const struct nlmsghdr *)(const void *)buffer;
        size_t length = NLMSG_ALIGN((size_t)header->nlmsg_len);
        struct nflog_packet packet;

        if (nflog_parse(header, size, &packet))
            each(&packet, data);
        if (length < sizeof(*header) || length >= size)
            return;
        buffer += length;
        size -= length;
    }
}

int nflog_read(struct netlink *nf, void (*each)(const struct nflog_packet *packet, void *data), void *data,
               struct error *err)
{
    for (;;) {
        _Alignas(struct nlmsghdr) uint8_t buffer[BUFFER_SIZE];
        struct sockaddr_nl from = {.nl_pid = 0};
        struct iovec part = {.iov_base = buffer, .iov_len = sizeof(buffer)};
        struct msghdr message = {
            .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part, .msg_iovlen = 1};
        ssize_t n = recvmsg(netlink_descriptor(nf), &message, MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n < 0 && errno != EINTR && errno != ENOBUFS)
            return error_set(err, errno, "read the hub's log");
        if (n > 0 && from.nl_pid == 0)
            read_messages(buffer, (size_t)n, each, data);
    }
}
