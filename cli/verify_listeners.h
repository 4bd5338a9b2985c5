/* SPDX-License-Identifier: Apache-2.0
 *
 * The host's own witness: one TCP and one UDP socket on every address of the host, on a port of the kernel's
 * choice, for as long as a verify runs. The probe is sent there; nothing of it may arrive.
 *
 * Others may come by (the port is open to whoever reaches this host): what counts is this run's marker, which
 * nobody can guess, or the member's own address. Nobody is answered, at most LISTENERS_OPEN of them are
 * heard at a time, and one piece of what each says is looked at.
 *
 * The sockets prove that they hear: each is sent a word of our own first, which the container never learns.
 * What there was no room for, because a stranger sent too much or said nothing for too long, is counted.
 */
#pragma once

#include "base/error.h"
#include "cli/verify_packets.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum { LISTENERS_OPEN = 16 };

struct verify_listeners {
    int tcp;
    int udp;
    int wake;      /* readable when there is something to read from anybody */
    uint16_t port; /* of both */
    struct verify_caller {
        int fd;
        uint32_t address; /* IPv4, 0 if it has none */
        char who[INET6_ADDRSTRLEN];
    } callers[LISTENERS_OPEN]; /* that have said nothing yet; a ring, the oldest goes */
    unsigned called;
    uint64_t unheard;             /* of those that had to go, and might have said something yet */
    char own[VERIFY_MARKER_SIZE]; /* the word of our own */
    bool heard_tcp;
    bool heard_udp;
    struct verify_offenders arrived;
};

/* Before everything else, so that verify_listeners_close can be called. */
void verify_listeners_init(struct verify_listeners *listeners);

/* Opens both where the thread is, and says the word to each. */
int verify_listeners_open(struct verify_listeners *listeners, struct error *err);

/* Takes what has come, a bounded piece of it, and does not wait. `address`: the member's, 0 if it is not
 * known. Returns whether anything had come. */
bool verify_listeners_read(struct verify_listeners *listeners, const char *marker, uint32_t address);

/* Nothing more will come: judges who came and has said nothing. */
void verify_listeners_end(struct verify_listeners *listeners, const char *marker, uint32_t address);

/* How much came that there was no room for: datagrams and connections. */
uint64_t verify_listeners_lost(const struct verify_listeners *listeners);

void verify_listeners_close(struct verify_listeners *listeners);

/* 128 random bits in hexadecimal digits. */
int verify_marker_make(char ret[VERIFY_MARKER_SIZE], struct error *err);
