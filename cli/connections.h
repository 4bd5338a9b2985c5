/* SPDX-License-Identifier: Apache-2.0
 *
 * TCP sockets of a server in our network namespace, as the kernel lists them (sock_diag): whether it listens,
 * and an end to its connections with certain peers. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <stddef.h>
#include <stdint.h>

/* The inode of the socket that listens at the address and port (host byte order), 0 if none does. A server
 * that closes its socket and opens it again has another inode. */
int connections_listener(uint32_t address, uint16_t port, uint32_t *ret_inode, struct error *err);

/* Ends every connection that a peer in the range has to the address and port: both sides get a reset at once.
 * *ret_count is how many there were. The caller has CAP_NET_ADMIN; the kernel needs
 * CONFIG_INET_DIAG_DESTROY, which Debian, Ubuntu and Fedora have. */
int connections_end(uint32_t address, uint16_t port, const struct policy_range *peers, size_t *ret_count,
                    struct error *err);
