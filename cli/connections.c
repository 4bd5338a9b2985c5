/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/connections.h"

#include "base/cleanup.h"
#include "netns/dump.h"
#include "netns/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>

enum {
    LISTENING = 1 << TCP_LISTEN,
    CONNECTED = 1 << TCP_ESTABLISHED | 1 << TCP_SYN_RECV | 1 << TCP_FIN_WAIT1 | 1 << TCP_FIN_WAIT2 |
                1 << TCP_CLOSE_WAIT | 1 << TCP_LAST_ACK | 1 << TCP_CLOSING,
};

struct connection {
    struct inet_diag_sockid id;
    uint32_t inode;
};

static bool read_connection(const struct nlmsghdr *message, void *item)
{
    const struct inet_diag_msg *answer = nlmsg_data(message);
    struct connection *connection = item;

    if (nlmsg_datalen(message) < (int)sizeof(*answer))
        return false;
    connection->id = answer->id;
    connection->inode = answer->idiag_inode;
    return true;
}

/* The sockets with this local port. The kernel compares ports, not addresses. */
static int list_connections(struct netlink *diag, uint16_t port, uint32_t states,
                            struct connection **ret_items, size_t *ret_count, struct error *err)
{
    struct inet_diag_req_v2 request = {
        .sdiag_family = AF_INET,
        .sdiag_protocol = IPPROTO_TCP,
        .idiag_states = states,
        .id.idiag_sport = htons(port),
    };
    void *items = NULL;
    int result = dump_list(diag, SOCK_DIAG_BY_FAMILY, &request, sizeof(request), "list TCP sockets",
                           sizeof(struct connection), read_connection, &items, ret_count, err);

    if (result == 0)
        *ret_items = items;
    return result;
}

int connections_listener(uint32_t address, uint16_t port, uint32_t *ret_inode, struct error *err)
{
    cleanup_netlink struct netlink *diag = NULL;
    cleanup_free struct connection *sockets = NULL;
    size_t count = 0;
    int result = netlink_open(NETLINK_SOCK_DIAG, &diag, err);

    if (result == 0)
        result = list_connections(diag, port, LISTENING, &sockets, &count, err);
    if (result != 0)
        return result;
    *ret_inode = 0;
    for (size_t i = 0; i < count; i++)
        if (ntohl(sockets[i].id.idiag_src[0]) == address && ntohs(sockets[i].id.idiag_sport) == port)
            *ret_inode = sockets[i].inode;
    return 0;
}

/* The id has the kernel's cookie of the socket: it cannot be another one by now. */
static int end_connection(struct netlink *diag, const struct connection *connection, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct inet_diag_req_v2 request = {
        .sdiag_family = AF_INET,
        .sdiag_protocol = IPPROTO_TCP,
        .idiag_states = CONNECTED,
        .id = connection->id,
    };
    int result = 0;

    netlink_batch_add(batch, SOCK_DESTROY, NLM_F_ACK, &request, sizeof(request), "end a connection");
    result = netlink_send(diag, batch, NULL, err);
    return result == -ENOENT ? 0 : result; /* it has ended by itself */
}

static bool concerns(const struct connection *connection, uint32_t address, const struct policy_range *peers)
{
    uint32_t peer = ntohl(connection->id.idiag_dst[0]);

    return ntohl(connection->id.idiag_src[0]) == address && peers->first <= peer && peer <= peers->last;
}

int connections_end(uint32_t address, uint16_t port, const struct policy_range *peers, size_t *ret_count,
                    struct error *err)
{
    cleanup_netlink struct netlink *diag = NULL;
    cleanup_free struct connection *connections = NULL;
    size_t count = 0;
    size_t ended = 0;
    int result = netlink_open(NETLINK_SOCK_DIAG, &diag, err);

    if (result == 0)
        result = list_connections(diag, port, CONNECTED, &connections, &count, err);
    for (size_t i = 0; result == 0 && i < count; i++)
        if (concerns(&connections[i], address, peers)) {
            result = end_connection(diag, &connections[i], err);
            ended++;
        }
    if (result == 0)
        *ret_count = ended;
    return result;
}
