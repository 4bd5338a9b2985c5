/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/request.h"

#include "probe/probe.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void *append(struct request *request, size_t length)
{
    size_t at = NLMSG_ALIGN(request->header.nlmsg_len);

    if (at + NLMSG_ALIGN(length) > sizeof(request->bytes))
        usage("the request is too long");
    request->header.nlmsg_len = (uint32_t)(at + length);
    return request->bytes + at;
}

void request_begin(struct request *request, uint16_t type, uint16_t flags, const void *fixed, size_t length)
{
    memset(request, 0, sizeof(*request));
    request->header = (struct nlmsghdr){
        .nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags, .nlmsg_seq = 1};
    memcpy(append(request, length), fixed, length);
}

void request_put(struct request *request, uint16_t type, const void *data, size_t length)
{
    struct nlattr *attribute = append(request, NLA_HDRLEN + length);

    *attribute = (struct nlattr){.nla_len = (uint16_t)(NLA_HDRLEN + length), .nla_type = type};
    if (length > 0)
        memcpy((uint8_t *)attribute + NLA_HDRLEN, data, length);
}

void request_put_text(struct request *request, uint16_t type, const char *text)
{
    request_put(request, type, text, strlen(text) + 1);
}

void request_put_u32(struct request *request, uint16_t type, uint32_t value)
{
    request_put(request, type, &value, sizeof(value));
}

struct nlattr *request_nest(struct request *request, uint16_t type)
{
    struct nlattr *nest = append(request, NLA_HDRLEN);

    nest->nla_type = type;
    return nest;
}

void request_nest_end(struct request *request, struct nlattr *nest)
{
    nest->nla_len = (uint16_t)(request->bytes + request->header.nlmsg_len - (uint8_t *)nest);
}

int request_open(int protocol)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

    return fd < 0 ? -errno : fd;
}

int request_send(int fd, const struct request *request)
{
    union {
        struct nlmsghdr header;
        uint8_t bytes[8192];
    } answer;
    ssize_t length = 0;
    int error = 0;

    if (send(fd, request, request->header.nlmsg_len, 0) < 0)
        return errno;
    length = recv(fd, &answer, sizeof(answer), 0);
    if (length < 0)
        return errno;
    if ((size_t)length < NLMSG_HDRLEN + sizeof(error) || answer.header.nlmsg_type != NLMSG_ERROR)
        return EBADMSG;
    memcpy(&error, answer.bytes + NLMSG_HDRLEN, sizeof(error));
    return -error;
}

/* Returns 1 when the dump is complete, 0 to go on, or a negative errno value. */
static int read_messages(const uint8_t *bytes, size_t length,
                         void (*each)(const struct nlmsghdr *message, void *data), void *data)
{
    for (const struct nlmsghdr *message = (const struct nlmsghdr *)bytes; NLMSG_OK(message, length);
         message = NLMSG_NEXT(message, length)) {
        int error = 0;

        if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) {
            memcpy(&error, NLMSG_DATA(message), sizeof(error));
            return error < 0 ? error : 1;
        }
        each(message, data);
    }
    return 0;
}

int request_send_route(const struct request *request)
{
    int fd = request_open(NETLINK_ROUTE);
    int error = fd < 0 ? -fd : request_send(fd, request);

    if (fd >= 0)
        close(fd);
    return error;
}

int request_dump(int fd, const struct request *request,
                 void (*each)(const struct nlmsghdr *message, void *data), void *data)
{
    static uint8_t bytes[65536] __attribute__((aligned(NLMSG_ALIGNTO)));
    int result = 0;

    if (send(fd, request, request->header.nlmsg_len, 0) < 0)
        return errno;
    while (result == 0) {
        ssize_t length = recv(fd, bytes, sizeof(bytes), 0);

        if (length < 0)
            return errno;
        result = read_messages(bytes, (size_t)length, each, data);
    }
    return result < 0 ? -result : 0;
}

const struct nlattr *request_find(const struct nlmsghdr *message, size_t fixed, uint16_t type)
{
    const uint8_t *end = (const uint8_t *)message + message->nlmsg_len;
    const uint8_t *at = (const uint8_t *)message + NLMSG_HDRLEN + NLMSG_ALIGN(fixed);

    while (at + NLA_HDRLEN <= end) {
        const struct nlattr *attribute = (const struct nlattr *)at;

        if (attribute->nla_len < NLA_HDRLEN)
            break;
        if ((attribute->nla_type & NLA_TYPE_MASK) == type)
            return attribute;
        at += NLA_ALIGN(attribute->nla_len);
    }
    return NULL;
}
