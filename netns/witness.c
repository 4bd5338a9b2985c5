/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/witness.h"

#include "base/cleanup.h"
#include "netns/namespace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

enum {
    RECEIVE_BUFFER = 8 * 1024 * 1024,
    PLAIN_HEADERS = 40, /* IPv4 without options, and TCP without */
    IP_FRAGMENT = 6,    /* where flags and offset are in it */
    IP_PROTOCOL = 9,
    IP_SOURCE = 12,
    TCP_FLAGS_BEHIND = 13, /* in TCP's own header */
};

/* Jumps are counted in instructions, from the one behind. */
#define LOAD(size, at) BPF_STMT(BPF_LD | (size) | BPF_ABS, (uint32_t)(at))
#define ANCILLARY(what) LOAD(BPF_W, SKF_AD_OFF + (what))
#define EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define AT_LEAST(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (value), (yes), (no))
#define ABOVE(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (value), (yes), (no))
#define ANY_BIT(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (value), (yes), (no))
#define MASK(value) BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (value))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (value))

/* In: what comes by the member's link. Out: what goes by any other, but for the middle of the connections of
 * others. A load behind a packet's end would let it pass unseen: so lengths come first. */
int witness_look(int witness, const struct witness_view *view, struct error *err)
{
    const uint32_t first = (uint32_t)(view->link > 0 ? view->link : view->newest + 1);
    const uint32_t last = view->link > 0 ? (uint32_t)view->link : INT_MAX;
    const uint32_t mask = ~(view->subnet.last - view->subnet.first);
    struct sock_filter code[] = {
        /*  0 */ ANCILLARY(SKF_AD_PKTTYPE),
        /*  1 */ EQUAL(PACKET_OUTGOING, 3, 0),
        /*  2 */ ANCILLARY(SKF_AD_IFINDEX),
        /*  3 */ AT_LEAST(first, 0, 21),
        /*  4 */ ABOVE(last, 20, 19),
        /*  5 */ ANCILLARY(SKF_AD_IFINDEX),
        /*  6 */ EQUAL((uint32_t)view->link, 18, 0),
        /*  7 */ ANCILLARY(SKF_AD_PROTOCOL),
        /*  8 */ EQUAL(ETH_P_IP, 0, 15),
        /*  9 */ BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
        /* 10 */ AT_LEAST(PLAIN_HEADERS, 0, 13),
        /* 11 */ LOAD(BPF_B, 0),
        /* 12 */ EQUAL(0x45, 0, 11),
        /* 13 */ LOAD(BPF_H, IP_FRAGMENT),
        /* 14 */ ANY_BIT(0x3fff, 9, 0),
        /* 15 */ LOAD(BPF_B, IP_PROTOCOL),
        /* 16 */ EQUAL(IPPROTO_TCP, 0, 7),
        /* 17 */ LOAD(BPF_W, IP_SOURCE),
        /* 18 */ EQUAL(view->address, 5, 0),
        /* 19 */ MASK(mask),
        /* 20 */ EQUAL(view->subnet.first, 0, 3),
        /* 21 */ LOAD(BPF_B, PLAIN_HEADERS / 2 + TCP_FLAGS_BEHIND),
        /* 22 */ MASK(TH_SYN | TH_RST | TH_FIN | TH_ACK),
        /* 23 */ EQUAL(TH_ACK, 1, 0),
        /* 24 */ RETURN(WITNESS_SNAP),
        /* 25 */ RETURN(0),
    };
    const struct sock_fprog program = {.len = array_size(code), .filter = code};

    if (setsockopt(witness, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
        return error_set(err, errno, "filter what the witness in the hub sees");
    return 0;
}

/* The filter first: nothing comes before the socket is bound. */
static int prepare(int witness, const struct witness_view *view, struct error *err)
{
    const union {
        struct sockaddr_ll link;
        struct sockaddr any;
    } everything = {.link = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)}};
    const int buffer = RECEIVE_BUFFER;
    const int one = 1;
    int result = witness_look(witness, view, err);

    if (result < 0)
        return result;
    /* More than the host's limit is root's to give; with less, what is lost is told (witness_lost). */
    if (setsockopt(witness, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) < 0 && errno == EPERM)
        setsockopt(witness, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
    if (setsockopt(witness, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) < 0 ||
        bind(witness, &everything.any, sizeof(everything)) < 0)
        return error_set(err, errno, "set up the witness in the hub");
    return 0;
}

int witness_open(int hub, int own, const struct witness_view *view, struct error *err)
{
    cleanup_close int witness = namespace_socket(hub, own, AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, 0, err);
    int result = witness < 0 ? witness : prepare(witness, view, err);

    return result < 0 ? result : take_fd(&witness);
}

void witness_parse(const uint8_t *bytes, size_t size, struct witness_packet *packet)
{
    size_t flags = 0;

    packet->bytes = bytes;
    packet->size = size;
    packet->tcp_flags = 0;
    packet->ip = (struct nflog_packet){.link = 0};
    if (packet->ethertype != ETH_P_IP)
        return;
    nflog_parse_packet(bytes, size, &packet->ip);
    if (!packet->ip.has_ports || packet->ip.protocol != IPPROTO_TCP)
        return;
    flags = (size_t)(bytes[0] & 0x0f) * 4 + TCP_FLAGS_BEHIND;
    if (flags < size)
        packet->tcp_flags = bytes[flags];
}

static bool is_tagged(struct msghdr *message)
{
    for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at != NULL; at = CMSG_NXTHDR(message, at))
        if (at->cmsg_level == SOL_PACKET && at->cmsg_type == PACKET_AUXDATA) {
            struct tpacket_auxdata data;

            memcpy(&data, CMSG_DATA(at), sizeof(data));
            return (data.tp_status & TP_STATUS_VLAN_VALID) != 0;
        }
    return false;
}

/* Returns 1 for a packet, 0 if there is none. */
static int read_one(int witness, void (*each)(const struct witness_packet *packet, void *data), void *data,
                    struct error *err)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
    uint8_t bytes[WITNESS_SNAP];
    struct sockaddr_ll from = {.sll_ifindex = 0};
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct msghdr message = {.msg_name = &from,
                             .msg_namelen = sizeof(from),
                             .msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    struct witness_packet packet;
    ssize_t size = TEMP_FAILURE_RETRY(recvmsg(witness, &message, MSG_DONTWAIT));

    if (size < 0 && errno == EAGAIN)
        return 0;
    if (size < 0)
        return error_set(err, errno, "read what the witness in the hub saw");
    packet.link = from.sll_ifindex;
    packet.leaving = from.sll_pkttype == PACKET_OUTGOING;
    packet.odd_frame = is_tagged(&message) || (!packet.leaving && from.sll_pkttype != PACKET_HOST);
    packet.ethertype = ntohs(from.sll_protocol);
    witness_parse(bytes, (size_t)size, &packet);
    each(&packet, data);
    return 1;
}

int witness_read(int witness, void (*each)(const struct witness_packet *packet, void *data), void *data,
                 struct error *err)
{
    int count = 0;
    int result = 1;

    while (count < WITNESS_BATCH && result > 0) {
        result = read_one(witness, each, data, err);
        if (result > 0)
            count++;
    }
    return result < 0 ? result : count;
}

int witness_lost(int witness, unsigned *ret_lost, struct error *err)
{
    struct tpacket_stats stats;
    socklen_t size = sizeof(stats);

    if (getsockopt(witness, SOL_PACKET, PACKET_STATISTICS, &stats, &size) < 0)
        return error_set(err, errno, "ask what the witness in the hub has lost");
    *ret_lost = stats.tp_drops;
    return 0;
}
