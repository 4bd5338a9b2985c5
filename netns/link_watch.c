/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/link_watch.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

enum { TOLD_SIZE = 32 * 1024 }; /* more than the kernel ever tells at once */

int link_watch(struct netlink *watch, struct error *err)
{
    const int group = RTNLGRP_LINK;

    if (setsockopt(netlink_descriptor(watch), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
        return error_set(err, errno, "have the kernel tell of new links");
    return 0;
}

static bool has_altname(const struct link *link, const char *altname)
{
    for (size_t i = 0; i < link->altnames_count; i++)
        if (strcmp(link->altnames[i], altname) == 0)
            return true;
    return false;
}

bool link_watch_parse(const void *told, size_t size, const char *altname, struct link *ret)
{
    const struct nlmsghdr *message = told;

    for (int left = (int)size; nlmsg_ok(message, left);
         message = nlmsg_next((struct nlmsghdr *)(uintptr_t)message, &left)) {
        struct link link;

        if (link_read(message, &link) && has_altname(&link, altname)) {
            *ret = link;
            return true;
        }
    }
    return false;
}

int link_watch_find(struct netlink *watch, const char *altname, struct link *ret, struct error *err)
{
    for (;;) {
        _Alignas(struct nlmsghdr) uint8_t told[TOLD_SIZE];
        struct sockaddr_nl from = {.nl_pid = 0};
        struct iovec part = {.iov_base = told, .iov_len = sizeof(told)};
        struct msghdr message = {
            .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part, .msg_iovlen = 1};
        ssize_t size = recvmsg(netlink_descriptor(watch), &message, MSG_DONTWAIT);

        if (size < 0 && errno == EAGAIN)
            return -ENODEV;
        if (size < 0 && errno != EINTR && errno != ENOBUFS)
            return error_set(err, errno, "read what the kernel tells of links");
        if (size > 0 && from.nl_pid == 0 && link_watch_parse(told, (size_t)size, altname, ret))
            return 0;
    }
}
