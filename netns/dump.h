/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a whole list from the kernel into an array. A list that changed while it was read is read again:
 * the array is one state of the kernel, never a mixture of two. */
#pragma once

#include "base/error.h"
#include "netns/netlink.h"

#include <stddef.h>

/* Sends the dump request `type` with the family's header. `read` gets every answer and a zeroed item of
 * `item_size` bytes; it returns true if it filled the item, false if the answer is to be left out. `what`
 * stands in messages.
 *
 * *ret_items (NULL if there are none) is for the caller to free. */
int dump_list(struct netlink *netlink, uint16_t type, const void *header, size_t header_size,
              const char *what, size_t item_size, bool (*read)(const struct nlmsghdr *message, void *item),
              void **ret_items, size_t *ret_count, struct error *err);
