/* SPDX-License-Identifier: Apache-2.0
 *
 * What connect.c, datagram.c and packet.c share: socket options from the command line, and checksums. */
#pragma once

#include "probe/probe.h"

#include <stddef.h>

struct socket_options {
    const char *device;     /* SO_BINDTODEVICE */
    const char *unicast_if; /* IP_UNICAST_IF */
    const char *source;     /* bind(2), with IP_FREEBIND: the address need not be ours */
    const char *source_port;
};

struct socket_options socket_options_take(struct arguments *arguments);

/* Returns 0 or an errno value. */
int socket_options_apply(int fd, const struct socket_options *options);

/* Waits until the far end closes or `milliseconds` are over. Returns 0 if the connection stood that long, or
 * an errno value. */
int finish_hold(int fd, int milliseconds);

/* The internet checksum (RFC 1071), to be continued with `sum` and ended with checksum_end. */
uint32_t checksum_add(uint32_t sum, const void *data, size_t length);
uint16_t checksum_end(uint32_t sum);
