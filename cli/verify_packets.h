/* SPDX-License-Identifier: Apache-2.0
 *
 * Judging what the witness in the hub saw of one member: what came in that its own walls should have kept in,
 * and what went out that the policy does not allow. The policy is asked here, not the rules that were made of
 * it: two ways to the same answer.
 *
 * Coming in, one thing is tolerated: a whole IPv4 packet of TCP from the member's own address to the subnet.
 * That is what the guard lets out, and with all walls up nothing else was ever seen: links speak no ARP and
 * no IPv6, and what the kernel sends of its own accord (IGMP, neighbour discovery) meets the guard like all.
 *
 * Going out by another link: the connections that the policy allows the member, the answers of those that it
 * allows others to the member, and TCP between other addresses of the subnet, which is the business of
 * others, unless the very same packet came in from the member: then it was forged. A reset from the member's
 * address that did not come in from it is the hub's own: so it refuses whoever knocks there.
 *
 * Invariant: bounded memory, whatever comes. */
#pragma once

#include "netns/witness.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VERIFY_MAGIC "sallyport-probe:" /* in front of every marker, as the probe has it (probe/probe.h) */

enum {
    VERIFY_OFFENDERS_MAX = 4,   /* that are told apart; the others are counted */
    VERIFY_OFFENDER_SIZE = 120, /* characters of one */
    VERIFY_NOTED_MAX = 64,      /* packets with a foreign source, and resets: the last that came in */
    VERIFY_MARKER_SIZE = 41,    /* as the probe takes it */
    VERIFY_NO_ATTEMPT = 0,
};

/* What was not to arrive, the first few in words. */
struct verify_offenders {
    uint64_t count;
    struct verify_offender {
        char text[VERIFY_OFFENDER_SIZE];
        unsigned attempt; /* number of the line that tells of it, from 1; or VERIFY_NO_ATTEMPT */
    } first[VERIFY_OFFENDERS_MAX];
    size_t told;
};

/* Where a packet came from and where it went: the same on both of its ways through the hub. */
struct verify_way {
    uint32_t source;
    uint32_t destination;
    uint16_t source_port;
    uint16_t destination_port;
    uint8_t protocol;
};

struct verify_packets {
    const struct policy *policy;
    const char *marker;
    int link;         /* the member's in the hub; 0: not known yet, then nothing is judged as coming in */
    uint32_t address; /* its own */
    uint64_t entered; /* packets that came in by its link */
    uint64_t allowed; /* of its packets, that went out as the policy allows */
    struct verify_offenders entering;
    struct verify_offenders leaving;
    struct verify_way noted[VERIFY_NOTED_MAX]; /* a ring */
    size_t noted_count;
};

void verify_packets_take(struct verify_packets *packets, const struct witness_packet *packet);

/* Adds one. `attempt` as in the struct. */
void verify_offenders_add(struct verify_offenders *offenders, unsigned attempt, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Finds the marker as the probe writes it, "sallyport-probe:MARKER-NUMBER". Returns false if it is not there;
 * otherwise *ret_attempt is the number, or VERIFY_NO_ATTEMPT if that is none. */
bool verify_marker_find(const void *bytes, size_t size, const char *marker, unsigned *ret_attempt);
