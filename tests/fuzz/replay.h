/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's side of a netlink conversation, from memory. A program that links replay.c with
 *
 *     -Wl,--wrap=sendmsg -Wl,--wrap=recvmsg -Wl,--wrap=setns
 *
 * asks nobody: requests go nowhere, and every datagram that is read is the next of a conversation, so that
 * all code above the system call meets messages that no kernel would send. Nothing else is stood in for.
 *
 * A conversation is bytes: for each datagram its size, 32 bits in the machine's order, and its messages.
 * Their sequence numbers count from the first request of the batch that was sent last. A size beyond the end
 * is what is left: any bytes are a conversation.
 *
 * Built with the address sanitizer, what is behind a datagram in the reader's buffer may not be touched. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From now on this conversation is read, from its beginning. Borrowed. Behind its end every read fails, as it
 * does on a socket on which nothing comes. */
void replay(const void *conversation, size_t size);

/* Whether all of it has been read. */
bool replay_ended(void);
