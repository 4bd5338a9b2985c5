/* SPDX-License-Identifier: Apache-2.0
 *
 * What CAP_NET_ADMIN is good for: links here and, by the network namespace id that every veth tells of its
 * peer, links in the namespace at its far end; and the end of the guard. */
#include "probe/probe.h"

#include "probe/request.h"
#include "probe/system_calls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { NO_NETNSID = UINT32_MAX };

static void begin_link(struct request *request, uint16_t type, uint16_t flags, uint32_t netnsid,
                       const struct ifinfomsg *header)
{
    request_begin(request, type, flags, header, sizeof(*header));
    if (netnsid != NO_NETNSID)
        request_put_u32(request, IFLA_TARGET_NETNSID, netnsid);
}

static void print_link(const struct nlmsghdr *message, void *data)
{
    struct ifinfomsg header;
    const struct nlattr *name = request_find(message, sizeof(header), IFLA_IFNAME);
    const struct nlattr *netnsid = request_find(message, sizeof(header), IFLA_LINK_NETNSID);
    int id = -1;

    memcpy(&header, NLMSG_DATA(message), sizeof(header));
    if (netnsid != NULL)
        memcpy(&id, (const uint8_t *)netnsid + NLA_HDRLEN, sizeof(id));
    printf("link name=%s index=%d netnsid=%d up=%s\n", name != NULL ? (const char *)name + NLA_HDRLEN : "?",
           header.ifi_index, id, (header.ifi_flags & IFF_UP) != 0 ? "yes" : "no");
    ++*(unsigned *)data;
}

int probe_links(struct arguments *arguments)
{
    uint32_t netnsid = (uint32_t)arguments_take_number(arguments, "--netnsid", NO_NETNSID);
    struct ifinfomsg header = {0};
    struct timespec begun = attempt_begin();
    struct request request;
    unsigned count = 0;
    char details[32];
    int fd = 0;
    int error = 0;

    arguments_operands(arguments, 0);
    begin_link(&request, RTM_GETLINK, NLM_F_DUMP, netnsid, &header);
    fd = request_open(NETLINK_ROUTE);
    error = fd < 0 ? -fd : request_dump(fd, &request, print_link, &count);
    if (fd >= 0)
        close(fd);
    snprintf(details, sizeof(details), "count=%u", count);
    return report("links", error, &begun, details);
}

int probe_link_delete(struct arguments *arguments)
{
    uint32_t netnsid = (uint32_t)arguments_take_number(arguments, "--netnsid", NO_NETNSID);
    char **operands = arguments_operands(arguments, 1);
    struct ifinfomsg header = {0};
    struct timespec begun = attempt_begin();
    struct request request;

    begin_link(&request, RTM_DELLINK, NLM_F_ACK, netnsid, &header);
    request_put_text(&request, IFLA_IFNAME, operands[0]);
    return report("link-delete", request_send_route(&request), &begun, NULL);
}

int probe_link_up(struct arguments *arguments)
{
    uint32_t netnsid = (uint32_t)arguments_take_number(arguments, "--netnsid", NO_NETNSID);
    char **operands = arguments_operands(arguments, 1);
    struct ifinfomsg header = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    struct timespec begun = attempt_begin();
    struct request request;

    begin_link(&request, RTM_NEWLINK, NLM_F_ACK, netnsid, &header);
    request_put_text(&request, IFLA_IFNAME, operands[0]);
    return report("link-up", request_send_route(&request), &begun, NULL);
}

int probe_link_address(struct arguments *arguments)
{
    char **operands = arguments_operands(arguments, 3);
    struct in_addr address = parse_ipv4(operands[1]);
    struct ifaddrmsg header = {.ifa_family = AF_INET,
                               .ifa_prefixlen = (uint8_t)parse_number(operands[2]),
                               .ifa_index = if_nametoindex(operands[0])};
    struct timespec begun = attempt_begin();
    struct request request;

    request_begin(&request, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
    request_put(&request, IFA_LOCAL, &address, sizeof(address));
    request_put(&request, IFA_ADDRESS, &address, sizeof(address));
    return report("link-address", request_send_route(&request), &begun, NULL);
}

/* A macvlan here whose lower link is in the far namespace: with passthru it takes over everything that the
 * lower link receives, and sends as it, before any rule of that namespace. */
int probe_link_macvlan(struct arguments *arguments)
{
    uint32_t lower = (uint32_t)arguments_take_number(arguments, "--lower", 0);
    uint32_t netnsid = (uint32_t)arguments_take_number(arguments, "--netnsid", NO_NETNSID);
    const char *mode = arguments_take(arguments, "--mode", "passthru");
    char **operands = arguments_operands(arguments, 1);
    struct ifinfomsg header = {0};
    struct timespec begun = attempt_begin();
    struct request request;
    struct nlattr *info = NULL;
    struct nlattr *data = NULL;

    begin_link(&request, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, NO_NETNSID, &header);
    request_put_text(&request, IFLA_IFNAME, operands[0]);
    request_put_u32(&request, IFLA_LINK, lower);
    if (netnsid != NO_NETNSID)
        request_put_u32(&request, IFLA_LINK_NETNSID, netnsid);
    info = request_nest(&request, IFLA_LINKINFO);
    request_put(&request, IFLA_INFO_KIND, "macvlan", strlen("macvlan"));
    data = request_nest(&request, IFLA_INFO_DATA);
    request_put_u32(&request, IFLA_MACVLAN_MODE,
                    strcmp(mode, "bridge") == 0 ? MACVLAN_MODE_BRIDGE : MACVLAN_MODE_PASSTHRU);
    request_nest_end(&request, data);
    request_nest_end(&request, info);
    return report("link-macvlan", request_send_route(&request), &begun, NULL);
}

/* "nft flush ruleset" without nft. A netfilter batch is begin, requests, end in one message. */
int try_nft_flush(void *data)
{
    struct nfgenmsg generic = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0};
    struct nfgenmsg subsystem = {.version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES)};
    struct request parts[3];
    uint8_t batch[256];
    size_t length = 0;
    int error = 0;
    uint8_t answer[512];
    int fd = request_open(NETLINK_NETFILTER);
    (void)data;

    if (fd < 0)
        return -fd;
    request_begin(&parts[0], NFNL_MSG_BATCH_BEGIN, 0, &subsystem, sizeof(subsystem));
    request_begin(&parts[1], NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE, NLM_F_ACK, &generic,
                  sizeof(generic));
    request_begin(&parts[2], NFNL_MSG_BATCH_END, 0, &subsystem, sizeof(subsystem));
    for (int i = 0; i < 3; i++) {
        memcpy(batch + length, parts[i].bytes, NLMSG_ALIGN(parts[i].header.nlmsg_len));
        length += NLMSG_ALIGN(parts[i].header.nlmsg_len);
    }
    if (send(fd, batch, length, 0) < 0 || recv(fd, answer, sizeof(answer), 0) < 0)
        error = errno;
    else
        memcpy(&error, answer + NLMSG_HDRLEN, sizeof(error));
    close(fd);
    return error < 0 ? -error : error;
}

int probe_nft_flush(struct arguments *arguments)
{
    struct timespec begun = attempt_begin();

    arguments_operands(arguments, 0);
    return report("nft-flush", try_nft_flush(NULL), &begun, NULL);
}
