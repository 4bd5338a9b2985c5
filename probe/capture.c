/* SPDX-License-Identifier: Apache-2.0
 *
 * The far end's witness: every frame on every link of this namespace, one line each, after "ready". A test
 * looks here for what must not arrive. Ends after --milliseconds or when it is killed. */
#include "probe/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* The sender's marker, or "-". */
static void print_marker(const uint8_t *data, size_t length)
{
    const char *found = memmem(data, length, PROBE_MAGIC, strlen(PROBE_MAGIC));

    fputs(" marker=", stdout);
    if (found == NULL) {
        putchar('-');
        return;
    }
    for (const char *at = found + strlen(PROBE_MAGIC);
         at<(const char *)data + length && * at> ' ' && *at <= '~'; at++)
        putchar(*at);
}

static void print_ipv4(const uint8_t *data, size_t length)
{
    struct iphdr header;
    struct tcphdr tcp;
    char text[INET_ADDRSTRLEN];
    size_t offset = 0;

    if (length < sizeof(header))
        return;
    memcpy(&header, data, sizeof(header));
    offset = header.ihl * sizeof(uint32_t);
    printf(" src=%s", inet_ntop(AF_INET, &header.saddr, text, sizeof(text)));
    printf(" dst=%s protocol=%u", inet_ntop(AF_INET, &header.daddr, text, sizeof(text)), header.protocol);
    if ((ntohs(header.frag_off) & (IP_MF | IP_OFFMASK)) != 0)
        fputs(" fragment=yes", stdout);
    if ((header.protocol != IPPROTO_TCP && header.protocol != IPPROTO_UDP) || length < offset + 4)
        return;
    memset(&tcp, 0, sizeof(tcp));
    memcpy(&tcp, data + offset, length - offset < sizeof(tcp) ? length - offset : sizeof(tcp));
    printf(" sport=%u dport=%u", ntohs(tcp.source), ntohs(tcp.dest)); /* UDP has its ports there too */
    if (header.protocol == IPPROTO_TCP)
        printf(" flags=%s%s%s", (tcp.th_flags & TH_SYN) != 0 ? "S" : "",
               (tcp.th_flags & TH_ACK) != 0 ? "A" : "", (tcp.th_flags & TH_RST) != 0 ? "R" : "");
}

static void print_ipv6(const uint8_t *data, size_t length)
{
    struct ip6_hdr header;
    char text[INET6_ADDRSTRLEN];

    if (length < sizeof(header))
        return;
    memcpy(&header, data, sizeof(header));
    printf(" src=%s", inet_ntop(AF_INET6, &header.ip6_src, text, sizeof(text)));
    printf(" dst=%s protocol=%u", inet_ntop(AF_INET6, &header.ip6_dst, text, sizeof(text)), header.ip6_nxt);
}

/* `data` begins behind the link header (SOCK_DGRAM). */
static void print_frame(const struct sockaddr_ll *from, const uint8_t *data, size_t length)
{
    char name[IF_NAMESIZE] = "?";
    unsigned type = ntohs(from->sll_protocol);

    if_indextoname((unsigned)from->sll_ifindex, name);
    printf("frame link=%s dir=%s type=0x%04x", name, from->sll_pkttype == PACKET_OUTGOING ? "out" : "in",
           type);
    if (type == ETH_P_IP)
        print_ipv4(data, length);
    else if (type == ETH_P_IPV6)
        print_ipv6(data, length);
    print_marker(data, length);
    putchar('\n');
}

int probe_capture(struct arguments *arguments)
{
    int limit = (int)arguments_take_number(arguments, "--milliseconds", 600000);
    int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL));
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    struct timespec begun = attempt_begin();
    static uint8_t data[65536];

    arguments_operands(arguments, 0);
    if (fd < 0)
        usage("open a packet socket: %s", strerror(errno));
    puts("ready");
    for (;;) {
        union endpoint from;
        socklen_t size = sizeof(from);
        double left = limit - attempt_milliseconds(&begun);
        ssize_t length = 0;

        if (left <= 0)
            return PROBE_OK;
        if (poll(&wait, 1, (int)left + 1) <= 0)
            continue;
        length = recvfrom(fd, data, sizeof(data), 0, &from.any, &size);
        if (length >= 0)
            print_frame(&from.link, data, (size_t)length);
    }
}
