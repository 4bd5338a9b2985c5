/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/dump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ATTEMPTS = 16 };

struct list {
    bool (*read)(const struct nlmsghdr *message, void *item);
    char *items;
    size_t item_size;
    size_t count;
    size_t capacity;
};

static int collect(const struct nlmsghdr *message, void *data)
{
    struct list *list = data;
    char *item = NULL;

    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 8 : list->capacity * 2;
        char *items = reallocarray(list->items, capacity, list->item_size);

        if (items == NULL)
            return -ENOMEM;
        list->items = items;
        list->capacity = capacity;
    }
    item = list->items + list->count * list->item_size;
    memset(item, 0, list->item_size);
    if (list->read(message, item))
        list->count++;
    return 0;
}

int dump_list(struct netlink *netlink, uint16_t type, const void *header, size_t header_size,
              const char *what, size_t item_size, bool (*read)(const struct nlmsghdr *message, void *item),
              void **ret_items, size_t *ret_count, struct error *err)
{
    struct list list = {.read = read, .item_size = item_size};
    int result = -EINTR;

    for (int i = 0; i < ATTEMPTS && result == -EINTR; i++) {
        cleanup_batch struct netlink_batch *batch = netlink_batch_new();

        netlink_batch_add(batch, type, NLM_F_DUMP, header, header_size, what);
        list.count = 0;
        result = netlink_query(netlink, batch, collect, &list, err);
    }
    if (result == -ENOMEM)
        error_set(err, ENOMEM, "%s", what);
    if (result < 0) {
        free(list.items);
        return result;
    }
    *ret_items = list.items;
    *ret_count = list.count;
    return 0;
}
