/* SPDX-License-Identifier: Apache-2.0
 *
 * Which rule drops a packet? The kernel is asked, not the rules: packets of one link are marked as they come
 * in and as they leave (`meta nftrace set 1`), and the kernel tells what each chain did with them.
 *
 * Invariant: the table that marks belongs to its socket (NFT_TABLE_F_OWNER, Linux 5.12) and goes with it,
 * however its process ends. It decides nothing. */
#pragma once

#include "base/error.h"
#include "netns/netlink.h"

#include <linux/netfilter/nf_tables.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one chain did with one packet. */
struct nft_event {
    uint32_t packet; /* the same number for each chain that the packet meets */
    uint8_t family;  /* of the table: NFPROTO_* */
    bool dropped;
    uint64_t rule; /* the handle of the rule that did it, 0 for the chain's policy */
    char table[NFT_NAME_MAXLEN];
    char chain[NFT_NAME_MAXLEN];
};

struct nft_drop {
    struct nft_event event;
    bool leaving; /* the packet was on its way out by the link, not in */
};

/* Begins to trace the link of this name, which need not be there yet, in the namespace that the thread is in.
 * *ret is closed by the caller, which ends it. */
int nft_trace_start(const char *link, struct netlink **ret, struct error *err);

/* Reads what has come until the first packet that was dropped on its way in, or else out. *ret_found: whether
 * there was one. */
int nft_trace_read(struct netlink *nf, bool *ret_found, struct nft_drop *ret, struct error *err);

/* Reads one message of at most `size` bytes. Returns false, and *ret is untouched, if it is not a whole
 * message about a packet. */
bool nft_trace_parse(const void *message, size_t size, struct nft_event *ret);
