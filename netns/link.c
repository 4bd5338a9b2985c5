/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/link.h"

#include "base/cleanup.h"
#include "netns/dump.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ipv6.h>
#include <linux/neighbour.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

enum { GSO_IPV4_MAX_SIZE = 63 }; /* IFLA_GSO_IPV4_MAX_SIZE of Linux 6.3, which older headers do not have */

void link_hub_name(uint32_t address, char ret_name[IFNAMSIZ])
{
    snprintf(ret_name, IFNAMSIZ, "sp%08x", address);
}

bool link_hub_address(const char *name, uint32_t *ret_address)
{
    uint32_t address = 0;

    if (strncmp(name, "sp", 2) != 0 || strlen(name) != 10 || strspn(name + 2, "0123456789abcdef") != 8)
        return false;
    address = (uint32_t)strtoul(name + 2, NULL, 16);
    *ret_address = address;
    return true;
}

static void make_mac(uint8_t second, uint32_t address, uint8_t mac[LINK_MAC_SIZE])
{
    uint32_t network_order = htonl(address);

    mac[0] = 0x02;
    mac[1] = second;
    memcpy(mac + 2, &network_order, sizeof(network_order));
}

void link_hub_mac(uint32_t address, uint8_t ret_mac[LINK_MAC_SIZE])
{
    make_mac(0x54, address, ret_mac);
}

void link_far_mac(uint32_t address, uint8_t ret_mac[LINK_MAC_SIZE])
{
    make_mac(0x53, address, ret_mac);
}

static struct nl_msg *add_link_request(struct netlink_batch *batch, uint16_t type, uint16_t flags, int index,
                                       const char *what)
{
    struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = index};

    return netlink_batch_add(batch, type, flags, &header, sizeof(header), what);
}

/* What both ends of a pair have in common. One queue: the default is one for each processor, and memory. */
static void put_end(struct nl_msg *message, const char *name, const uint8_t mac[LINK_MAC_SIZE])
{
    nla_put_string(message, IFLA_IFNAME, name);
    nla_put(message, IFLA_ADDRESS, LINK_MAC_SIZE, mac);
    nla_put_u32(message, IFLA_MTU, LINK_MTU);
    nla_put_u32(message, IFLA_NUM_TX_QUEUES, 1);
    nla_put_u32(message, IFLA_NUM_RX_QUEUES, 1);
}

int link_create(struct netlink *hub, uint32_t address, const char *far_name, int far_netns, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct ifinfomsg far_header = {.ifi_family = AF_UNSPEC};
    struct nl_msg *message =
        add_link_request(batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, 0, "create veth");
    struct nlattr *info = NULL;
    struct nlattr *data = NULL;
    struct nlattr *far = NULL;
    char name[IFNAMSIZ];
    uint8_t mac[LINK_MAC_SIZE];

    link_hub_name(address, name);
    link_hub_mac(address, mac);
    put_end(message, name, mac);
    nla_put_u32(message, IFLA_GROUP, LINK_GROUP);
    info = nla_nest_start(message, IFLA_LINKINFO);
    nla_put_string(message, IFLA_INFO_KIND, "veth");
    data = nla_nest_start(message, IFLA_INFO_DATA);
    far = nla_nest_start(message, VETH_INFO_PEER);
    nlmsg_append(message, &far_header, sizeof(far_header), NLMSG_ALIGNTO);
    link_far_mac(address, mac);
    put_end(message, far_name, mac);
    nla_put_u32(message, IFLA_NET_NS_FD, (uint32_t)far_netns);
    nla_nest_end(message, far);
    nla_nest_end(message, data);
    nla_nest_end(message, info);
    return netlink_send(hub, batch, NULL, err);
}

static void copy_string(char *to, size_t size, const struct nlattr *attribute)
{
    nla_strlcpy(to, attribute, size);
}

static void read_altnames(struct link *link, struct nlattr *list)
{
    struct nlattr *attribute = NULL;
    int left = 0;

    nla_for_each_nested(attribute, list, left)
    {
        if (nla_type(attribute) != IFLA_ALT_IFNAME || link->altnames_count == LINK_ALTNAMES_MAX)
            continue;
        copy_string(link->altnames[link->altnames_count], LINK_ALTNAME_SIZE, attribute);
        link->altnames_count++;
    }
}

static void read_statistics(struct link *link, struct nlattr *attribute)
{
    struct rtnl_link_stats64 statistics = {0};

    nla_memcpy(&statistics, attribute, sizeof(statistics));
    link->received_bytes = statistics.rx_bytes;
    link->received_packets = statistics.rx_packets;
    link->sent_bytes = statistics.tx_bytes;
    link->sent_packets = statistics.tx_packets;
}

/* Two attributes deep; NULL if it is not there. */
static struct nlattr *find_setting(struct nlattr *list, int family, int type)
{
    struct nlattr *of_family = nla_find(nla_data(list), nla_len(list), family);

    return of_family == NULL ? NULL : nla_find(nla_data(of_family), nla_len(of_family), type);
}

static void read_settings(struct link_settings *settings, struct nlattr *list)
{
    struct nlattr *ipv4 = find_setting(list, AF_INET, IFLA_INET_CONF);
    struct nlattr *ipv6 = find_setting(list, AF_INET6, IFLA_INET6_CONF);
    size_t size = sizeof(settings->ipv4[0]);

    if (ipv4 != NULL) {
        size_t count = (size_t)nla_len(ipv4) / size;

        settings->ipv4_count = count < LINK_SETTINGS_MAX ? count : LINK_SETTINGS_MAX;
        memcpy(settings->ipv4, nla_data(ipv4), settings->ipv4_count * size);
    }
    if (ipv6 != NULL && (size_t)nla_len(ipv6) >= (DEVCONF_DISABLE_IPV6 + 1) * size) {
        settings->ipv6 = true;
        settings->ipv6_disabled = ((const uint32_t *)nla_data(ipv6))[DEVCONF_DISABLE_IPV6] != 0;
    }
}

static void read_link(const struct nlmsghdr *message, struct link *ret)
{
    const struct ifinfomsg *header = nlmsg_data(message);
    struct nlattr *attribute = NULL;
    int left = 0;

    *ret = (struct link){.index = header->ifi_index, .flags = header->ifi_flags};
    nlmsg_for_each_attr(attribute, (struct nlmsghdr *)(uintptr_t)message, sizeof(*header), left)
    {
        switch (nla_type(attribute)) {
        case IFLA_IFNAME:
            copy_string(ret->name, sizeof(ret->name), attribute);
            break;
        case IFLA_IFALIAS:
            copy_string(ret->alias, sizeof(ret->alias), attribute);
            break;
        case IFLA_GROUP:
            ret->group = netlink_number(attribute);
            break;
        case IFLA_LINK:
            ret->peer = (int)netlink_number(attribute);
            break;
        case IFLA_LINK_NETNSID:
            ret->peer_elsewhere = nla_len(attribute) == sizeof(ret->peer_netnsid);
            ret->peer_netnsid = (int32_t)netlink_number(attribute);
            break;
        case IFLA_LINKINFO: {
            struct nlattr *kind = nla_find(nla_data(attribute), nla_len(attribute), IFLA_INFO_KIND);

            if (kind != NULL)
                copy_string(ret->kind, sizeof(ret->kind), kind);
            break;
        }
        case IFLA_PROP_LIST:
            read_altnames(ret, attribute);
            break;
        case IFLA_STATS64:
            read_statistics(ret, attribute);
            break;
        case IFLA_AF_SPEC:
            read_settings(&ret->settings, attribute);
            break;
        case GSO_IPV4_MAX_SIZE:
            ret->settings.segment = netlink_number(attribute);
            break;
        default:
            break;
        }
    }
}

static bool is_link(const struct nlmsghdr *message)
{
    return message->nlmsg_type == RTM_NEWLINK && message->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifinfomsg));
}

bool link_read(const struct nlmsghdr *message, struct link *ret)
{
    if (!is_link(message))
        return false;
    read_link(message, ret);
    return true;
}

static int keep_link(const struct nlmsghdr *message, void *data)
{
    link_read(message, data);
    return 0;
}

/* Sends the one request in the batch and reads the link that it is answered with. */
static int ask_link(struct netlink *netlink, struct netlink_batch *batch, struct link *ret, struct error *err)
{
    struct link found = {0};
    int result = netlink_query(netlink, batch, keep_link, &found, err);

    if (result < 0)
        return result;
    if (found.index == 0)
        return error_set(err, EPROTO, "look up link");
    *ret = found;
    return 0;
}

int link_find(struct netlink *netlink, const char *name, struct link *ret, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct nl_msg *message = add_link_request(batch, RTM_GETLINK, 0, 0, "look up link");

    nla_put_string(message, strlen(name) < IFNAMSIZ ? IFLA_IFNAME : IFLA_ALT_IFNAME, name);
    nla_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    return ask_link(netlink, batch, ret, err);
}

int link_find_index(struct netlink *netlink, int index, struct link *ret, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct nl_msg *message = add_link_request(batch, RTM_GETLINK, 0, index, "look up link");

    nla_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    return ask_link(netlink, batch, ret, err);
}

static bool collect_link(const struct nlmsghdr *message, void *item)
{
    return link_read(message, item);
}

int link_list(struct netlink *netlink, struct link **ret_links, size_t *ret_count, struct error *err)
{
    const struct {
        struct ifinfomsg header;
        struct nlattr attribute;
        uint32_t mask;
    } question = {.header = {.ifi_family = AF_UNSPEC},
                  .attribute = {.nla_len = NLA_HDRLEN + sizeof(uint32_t), .nla_type = IFLA_EXT_MASK},
                  .mask = RTEXT_FILTER_SKIP_STATS}; /* of IPv6: a quarter of the answer */

    return dump_list(netlink, RTM_GETLINK, &question, sizeof(question), "list links", sizeof(struct link),
                     collect_link, (void **)ret_links, ret_count, err);
}

static bool collect_address(const struct nlmsghdr *message, void *item)
{
    const struct ifaddrmsg *header = nlmsg_data(message);
    struct link_address *address = item;
    struct nlattr *local = NULL;

    if (message->nlmsg_type != RTM_NEWADDR || message->nlmsg_len < NLMSG_LENGTH(sizeof(*header)))
        return false;
    address->index = (int)header->ifa_index;
    address->family = header->ifa_family;
    address->prefix = header->ifa_prefixlen;
    local = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)message, sizeof(*header), IFA_LOCAL);
    if (header->ifa_family == AF_INET && local != NULL)
        address->address = ntohl(netlink_number(local));
    return true;
}

int link_list_addresses(struct netlink *netlink, struct link_address **ret_addresses, size_t *ret_count,
                        struct error *err)
{
    struct ifaddrmsg header = {.ifa_family = AF_UNSPEC};

    return dump_list(netlink, RTM_GETADDR, &header, sizeof(header), "list addresses",
                     sizeof(struct link_address), collect_address, (void **)ret_addresses, ret_count, err);
}

int link_peer_dying(struct netlink *netlink, const struct link *link, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = NULL;
    struct nl_msg *message = NULL;
    struct link peer;
    int result = 0;

    if (!link->peer_elsewhere)
        return 0;
    if (link->peer_netnsid < 0)
        return 1; /* the number is taken away before the links are */
    batch = netlink_batch_new();
    message = add_link_request(batch, RTM_GETLINK, 0, link->peer, "look up the other end");
    nla_put_s32(message, IFLA_TARGET_NETNSID, link->peer_netnsid);
    nla_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    result = ask_link(netlink, batch, &peer, err);
    if (result == -EINVAL || result == -ENODEV)
        return 1;
    return result;
}

static int keep_netnsid(const struct nlmsghdr *message, void *data)
{
    struct nlattr *number = NULL;

    if (message->nlmsg_type != RTM_NEWNSID || message->nlmsg_len < NLMSG_LENGTH(sizeof(struct rtgenmsg)))
        return 0;
    number = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)message, sizeof(struct rtgenmsg), NETNSA_NSID);
    if (number != NULL && nla_len(number) == sizeof(int32_t))
        *(int32_t *)data = nla_get_s32(number);
    return 0;
}

int link_netnsid(struct netlink *netlink, int netns, int32_t *ret_netnsid, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct rtgenmsg header = {.rtgen_family = AF_UNSPEC};
    struct nl_msg *message =
        netlink_batch_add(batch, RTM_GETNSID, 0, &header, sizeof(header), "look up namespace");
    int32_t number = NETNSA_NSID_NOT_ASSIGNED;
    int result = 0;

    nla_put_u32(message, NETNSA_FD, (uint32_t)netns);
    result = netlink_query(netlink, batch, keep_netnsid, &number, err);
    if (result < 0)
        return result;
    *ret_netnsid = number;
    return 0;
}

int link_delete(struct netlink *netlink, int index, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    int result = 0;

    add_link_request(batch, RTM_DELLINK, NLM_F_ACK, index, "delete link");
    result = netlink_send(netlink, batch, NULL, err);
    return result == -ENODEV ? 0 : result;
}

/* Unique, because the index is, and no name of a hub's end (link_hub_address). */
static void retired_name(int index, char name[IFNAMSIZ])
{
    snprintf(name, IFNAMSIZ, "ended-%d", index);
}

bool link_retired(const struct link *link)
{
    char name[IFNAMSIZ];

    retired_name(link->index, name);
    return link->group == LINK_GROUP_RETIRED && (link->flags & IFF_UP) == 0 && strcmp(link->name, name) == 0;
}

/* Down first: before Linux 6.2 the name of a link that is up cannot be changed. */
int link_retire(struct netlink *netlink, const struct link *link, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct ifinfomsg down = {.ifi_family = AF_UNSPEC, .ifi_index = link->index, .ifi_change = IFF_UP};
    struct nl_msg *message = NULL;
    struct nlattr *list = NULL;
    char name[IFNAMSIZ];
    int result = 0;

    netlink_batch_add(batch, RTM_NEWLINK, NLM_F_ACK, &down, sizeof(down), "set the link down");
    message = add_link_request(batch, RTM_NEWLINK, NLM_F_ACK, link->index, "rename the link");
    retired_name(link->index, name);
    nla_put_string(message, IFLA_IFNAME, name);
    nla_put_u32(message, IFLA_GROUP, LINK_GROUP_RETIRED);
    for (size_t i = 0; i < link->altnames_count; i++) {
        message = add_link_request(batch, RTM_DELLINKPROP, NLM_F_ACK, link->index, "take the link's altname");
        list = nla_nest_start(message, IFLA_PROP_LIST);
        nla_put_string(message, IFLA_ALT_IFNAME, link->altnames[i]);
        nla_nest_end(message, list);
    }
    result = netlink_send(netlink, batch, NULL, err);
    return result == -ENODEV ? 0 : result;
}

static int delete_group(struct netlink *netlink, uint32_t group, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct nl_msg *message = add_link_request(batch, RTM_DELLINK, NLM_F_ACK, 0, "delete the hub's links");
    int result = 0;

    nla_put_u32(message, IFLA_GROUP, group);
    result = netlink_send(netlink, batch, NULL, err);
    return result == -ENODEV ? 0 : result;
}

int link_delete_retired(struct netlink *netlink, struct error *err)
{
    return delete_group(netlink, LINK_GROUP_RETIRED, err);
}

int link_delete_all(struct netlink *netlink, struct error *err)
{
    int result = delete_group(netlink, LINK_GROUP, err);

    return result < 0 ? result : link_delete_retired(netlink, err);
}

int link_enlarge_segments(struct netlink *netlink, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct nl_msg *message =
        add_link_request(batch, RTM_NEWLINK, NLM_F_ACK, 0, "set the size of segments of the hub's links");

    nla_put_u32(message, IFLA_GROUP, LINK_GROUP);
    nla_put_u32(message, GSO_IPV4_MAX_SIZE, LINK_SEGMENT);
    return netlink_send(netlink, batch, NULL, err);
}

int link_notice_carrier(struct netlink *netlink, const char *name, struct error *err)
{
    struct ethtool_value carrier = {.cmd = ETHTOOL_GLINK};
    struct ifreq request = {.ifr_data = (char *)&carrier};

    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    if (ioctl(netlink_descriptor(netlink), SIOCETHTOOL, &request) < 0)
        return error_set(err, errno, "ask link %s for its carrier", name);
    return carrier.data != 0 ? 0 : error_set(err, ENETDOWN, "ask link %s for its carrier", name);
}

void link_add_up(struct netlink_batch *batch, int index, const char *alias)
{
    struct ifinfomsg header = {.ifi_family = AF_UNSPEC,
                               .ifi_index = index,
                               .ifi_flags = IFF_UP | IFF_NOARP,
                               .ifi_change = IFF_UP | IFF_NOARP};
    struct nl_msg *message =
        netlink_batch_add(batch, RTM_SETLINK, NLM_F_ACK, &header, sizeof(header), "set link up");

    nla_put_u32(message, GSO_IPV4_MAX_SIZE, LINK_SEGMENT);
    if (alias != NULL)
        nla_put_string(message, IFLA_IFALIAS, alias);
}

void link_add_loopback_up(struct netlink_batch *batch)
{
    struct ifinfomsg header = {
        .ifi_family = AF_UNSPEC, .ifi_index = LINK_LOOPBACK, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};

    netlink_batch_add(batch, RTM_SETLINK, NLM_F_ACK, &header, sizeof(header), "set lo up");
}

void link_add_altname(struct netlink_batch *batch, int index, const char *altname)
{
    struct nl_msg *message = add_link_request(
        batch, RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND | NLM_F_ACK, index, "name link");
    struct nlattr *list = nla_nest_start(message, IFLA_PROP_LIST);

    nla_put_string(message, IFLA_ALT_IFNAME, altname);
    nla_nest_end(message, list);
}

void link_add_alias(struct netlink_batch *batch, int index, const char *alias)
{
    struct nl_msg *message = add_link_request(batch, RTM_SETLINK, NLM_F_ACK, index, "describe link");

    nla_put_string(message, IFLA_IFALIAS, alias);
}

void link_add_address(struct netlink_batch *batch, int index, uint32_t address, uint8_t scope)
{
    struct ifaddrmsg header = {
        .ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_scope = scope, .ifa_index = (uint32_t)index};
    struct nl_msg *message = netlink_batch_add(batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK,
                                               &header, sizeof(header), "add address");

    nla_put_u32(message, IFA_LOCAL, htonl(address));
    nla_put_u32(message, IFA_ADDRESS, htonl(address));
    nla_put_u32(message, IFA_FLAGS, IFA_F_NOPREFIXROUTE);
}

void link_add_neighbour(struct netlink_batch *batch, int index, uint32_t address,
                        const uint8_t mac[LINK_MAC_SIZE])
{
    struct ndmsg header = {.ndm_family = AF_INET, .ndm_ifindex = index, .ndm_state = NUD_PERMANENT};
    struct nl_msg *message = netlink_batch_add(batch, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK,
                                               &header, sizeof(header), "add neighbour");

    nla_put_u32(message, NDA_DST, htonl(address));
    nla_put(message, NDA_LLADDR, LINK_MAC_SIZE, mac);
}
