/* SPDX-License-Identifier: Apache-2.0
 *
 * The witness: a packet socket in the hub that sees what comes in by a member's link and what goes out by any
 * other, whatever the rules say of it. What nobody answers has still been sent, and only here that is seen.
 *
 * The taps of the kernel come before every rule where a packet comes in, and behind every rule where it goes
 * out; so a forwarded packet is seen twice, in this order.
 *
 * A filter in the kernel keeps the rest of the network cheap: of the connections between other members only
 * what opens or ends them is looked at, and nothing of what they send into the hub.
 *
 * Invariant: every byte of a packet may be a member's own. No more than WITNESS_SNAP of them are kept,
 * nothing is read behind them, and how many packets were lost is never hidden. */
#pragma once

#include "base/error.h"
#include "netns/nflog.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WITNESS_SNAP = 256,  /* bytes of each packet: all headers, and the beginning of what it carries */
    WITNESS_BATCH = 256, /* packets that are read at once */
};

struct witness_packet {
    int link;               /* index of the hub's link */
    bool leaving;           /* out by that link; false: in by it */
    bool odd_frame;         /* not addressed to who is at the end of the link, or with a VLAN's tag */
    uint16_t ethertype;     /* ETH_P_* */
    uint8_t tcp_flags;      /* TH_*; 0 if they are not there */
    struct nflog_packet ip; /* of ETH_P_IP; otherwise nothing in it is known */
    const uint8_t *bytes;   /* from the network header on; borrowed */
    size_t size;
};

/* Which link is the member's. Before it is there: every link that comes after the newest one. */
struct witness_view {
    struct policy_range subnet;
    int link;         /* of the member, 0: none yet */
    int newest;       /* where there is none: the highest index of a link so far */
    uint32_t address; /* the member's, host byte order, 0: not known yet */
};

/* Opens it in `hub`. The thread, the only one, is in `own` and is there again on return (or the process is
 * aborted). Returns a descriptor or a negative errno value. */
int witness_open(int hub, int own, const struct witness_view *view, struct error *err);

/* Changes what is looked at. What has come before stays. */
int witness_look(int witness, const struct witness_view *view, struct error *err);

/* Calls `each` for the packets that have come, at most WITNESS_BATCH; does not wait. Returns how many. */
int witness_read(int witness, void (*each)(const struct witness_packet *packet, void *data), void *data,
                 struct error *err);

/* How many packets there was no room for since the last call. */
int witness_lost(int witness, unsigned *ret_lost, struct error *err);

/* What a packet says of itself: fills everything from `ip` on, and the flags. `ethertype` is there. */
void witness_parse(const uint8_t *bytes, size_t size, struct witness_packet *packet);
