/* SPDX-License-Identifier: Apache-2.0
 *
 * The least netlink that can be written: one request in a fixed buffer, one answer. */
#pragma once

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

enum { REQUEST_SIZE_MAX = 1024 };

struct request {
    union {
        struct nlmsghdr header;
        uint8_t bytes[REQUEST_SIZE_MAX];
    };
};

/* Begins a request of that type with a fixed part behind the header. */
void request_begin(struct request *request, uint16_t type, uint16_t flags, const void *fixed, size_t length);

void request_put(struct request *request, uint16_t type, const void *data, size_t length);

/* A text with its terminating zero, and a number. */
void request_put_text(struct request *request, uint16_t type, const char *text);
void request_put_u32(struct request *request, uint16_t type, uint32_t value);

/* An attribute of attributes: everything put before request_nest_end is inside. */
struct nlattr *request_nest(struct request *request, uint16_t type);
void request_nest_end(struct request *request, struct nlattr *nest);

/* Opens a socket of the netlink protocol. Returns a descriptor or a negative errno value. */
int request_open(int protocol);

/* Sends the request and waits for its acknowledgement. Returns 0 or an errno value. */
int request_send(int fd, const struct request *request);

/* The same on a socket of its own for NETLINK_ROUTE. */
int request_send_route(const struct request *request);

/* Sends a dump request; calls `each` for every message. Returns 0 or an errno value. */
int request_dump(int fd, const struct request *request,
                 void (*each)(const struct nlmsghdr *message, void *data), void *data);

/* The attribute of that type behind the fixed part of `fixed` bytes, NULL if there is none. */
const struct nlattr *request_find(const struct nlmsghdr *message, size_t fixed, uint16_t type);
