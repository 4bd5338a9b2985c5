/* SPDX-License-Identifier: Apache-2.0
 *
 * Attempts that a filter may answer with a deadly signal: each is to be run in a child, takes what is said
 * here for its data, and returns 0 or an errno value. */
#pragma once

#include <stdint.h>

/* socket(2)'s arguments, as in registers. */
struct triple {
    uint64_t family;
    uint64_t type;
    uint64_t protocol;
};

/* A struct triple. On a machine with one table of system calls the foreign ones return ENOSYS. */
int try_socket(void *data);
int try_int80_socket(void *data);
int try_int80_socketcall(void *data);
int try_x32_socket(void *data);
int try_io_uring_socket(void *data);

/* An uint64_t of CLONE_ flags. */
int try_unshare(void *data);
int try_clone(void *data);
int try_clone3(void *data);

/* The path of a namespace. */
int try_setns(void *data);

/* Nothing: deletes every nftables table. */
int try_nft_flush(void *data);
