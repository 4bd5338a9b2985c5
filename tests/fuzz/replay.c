/* SPDX-License-Identifier: Apache-2.0 */
#include "replay.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_SANITIZER
#endif
#endif
#ifdef WITH_SANITIZER
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);
int __wrap_setns(int fd, int type);

static const uint8_t *at;
static size_t left;
static uint32_t base; /* the number of the first request that was sent last */

void replay(const void *conversation, size_t size)
{
    at = conversation;
    left = size;
    base = 0;
}

bool replay_ended(void)
{
    return left == 0;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct nlmsghdr first;

    (void)fd;
    (void)flags;
    memcpy(&first, message->msg_iov[0].iov_base, sizeof(first));
    base = first.nlmsg_seq;
    return 1; /* nobody asks how much */
}

/* Makes the numbers in the messages the reader's. */
static void renumber(char *bytes, size_t size)
{
    while (size >= sizeof(struct nlmsghdr)) {
        struct nlmsghdr header;
        size_t step = 0;

        memcpy(&header, bytes, sizeof(header));
        header.nlmsg_seq += base;
        memcpy(bytes, &header, sizeof(header));
        step = NLMSG_ALIGN((size_t)header.nlmsg_len);
        if (step < sizeof(header) || step > size)
            return;
        bytes += step;
        size -= step;
    }
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
    struct iovec *part = message->msg_iov;
    uint32_t size = 0;

    (void)fd;
    (void)flags;
    ASAN_UNPOISON_MEMORY_REGION(part->iov_base, part->iov_len);
    if (left <= sizeof(size)) {
        left = 0;
        errno = EAGAIN;
        return -1;
    }
    memcpy(&size, at, sizeof(size));
    at += sizeof(size);
    left -= sizeof(size);
    size = size < left ? size : (uint32_t)left;
    message->msg_flags = size > part->iov_len ? MSG_TRUNC : 0;
    memset(part->iov_base, 0xff, part->iov_len);
    memcpy(part->iov_base, at, size < part->iov_len ? size : part->iov_len);
    at += size;
    left -= size;
    size = size < part->iov_len ? size : (uint32_t)part->iov_len;
    renumber(part->iov_base, size);
    ASAN_POISON_MEMORY_REGION((char *)part->iov_base + size, part->iov_len - size);
    memset(message->msg_name, 0, message->msg_namelen); /* from the kernel */
    return size;
}

int __wrap_setns(int fd, int type)
{
    (void)fd;
    (void)type;
    return 0; /* nobody is asked in any namespace */
}
