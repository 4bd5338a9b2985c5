/* SPDX-License-Identifier: Apache-2.0
 *
 * Netlink in batches: many requests, one send, every answer read. libnl-3 carries the messages and
 * attributes; this file adds only what a hot path needs: one sendmsg for the whole batch and, on failure,
 * which request the kernel refused and why (extended acknowledgement text included).
 *
 * Invariant: after netlink_send every answer of the batch has been read, so a socket can be used again.
 * The kernel works through an rtnetlink batch to its end even when a request in the middle fails: never put a
 * request behind one whose success it depends on. An nftables batch (netns/nft.h) is atomic. */
#pragma once

#include "base/error.h"

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netlink; /* a socket of one protocol in one namespace */

/* Opens a socket (NETLINK_ROUTE, NETLINK_NETFILTER) in the namespace that the thread is in. A socket keeps
 * its namespace: it may be used after leaving. The caller closes it. */
int netlink_open(int protocol, struct netlink **ret, struct error *err);

/* The same in another namespace; the thread is back in `own` afterwards, or the process is aborted. */
int netlink_open_in(int netns, int own, int protocol, struct netlink **ret, struct error *err);

/* The socket itself, for the few things that have no message. Borrowed. */
int netlink_descriptor(const struct netlink *netlink);

void netlink_close(struct netlink *netlink);
void netlink_close_at(struct netlink **netlink);
#define cleanup_netlink __attribute__((cleanup(netlink_close_at)))

struct netlink_batch;

struct netlink_batch *netlink_batch_new(void); /* aborts on lack of memory, like libnl's callers must */
void netlink_batch_free_at(struct netlink_batch **batch);
#define cleanup_batch __attribute__((cleanup(netlink_batch_free_at)))

/* Appends a request: type, flags (NLM_F_REQUEST is added; NLM_F_ACK where the caller wants an answer), and
 * the family's header. `what` names the request in messages and is borrowed ("create link"). Attributes are
 * added to the returned message with nla_put* until the next request is appended. */
struct nl_msg *netlink_batch_add(struct netlink_batch *batch, uint16_t type, uint16_t flags,
                                 const void *header, size_t header_size, const char *what);

/* The number of requests, and one of them as bytes. Borrowed until the batch changes. */
size_t netlink_batch_count(const struct netlink_batch *batch);
struct nlmsghdr *netlink_batch_message(const struct netlink_batch *batch, size_t index);

/* Sends the batch in one sendmsg and reads the answers of every request with NLM_F_ACK, and any error.
 * The kernel works within the sendmsg, so its answers are there when that returns: nothing is waited for, and
 * an acknowledgement that is missing (nfnetlink can refuse a transaction with one error for its first
 * request) is an error and not a hang.
 *
 * Returns 0, or the first refusal as a negative errno value; *ret_failed (may be NULL) is the index of that
 * request. */
int netlink_send(struct netlink *netlink, struct netlink_batch *batch, size_t *ret_failed, struct error *err);

/* Sends one request that answers with messages (NLM_F_DUMP or a get) and calls `each` for every one of them;
 * a negative return of `each` ends the reading of messages and is returned. A dump that the kernel marks as
 * interrupted (NLM_F_DUMP_INTR) is an -EINTR for the caller to repeat; one that it could not finish, which it
 * tells in the list's end mark, is the error that it gives. */
int netlink_query(struct netlink *netlink, struct netlink_batch *batch,
                  int (*each)(const struct nlmsghdr *message, void *data), void *data, struct error *err);

/* The 32 bits of an attribute; 0 if it is of another size. */
uint32_t netlink_number(const struct nlattr *attribute);
