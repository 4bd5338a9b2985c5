/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/netlink.h"

#include "base/cleanup.h"
#include "netns/namespace.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
    MESSAGE_MAX = 4096,
    BATCH_MAX = 4096,              /* requests in a batch: 32 roles with 64 targets each, both directions */
    SEND_BUFFER = 4 * 1024 * 1024, /* a batch is one skb: it must fit the socket's send buffer */
    SMALL = 4096,                  /* what fits whatever the host's net.core.wmem_default is */
    RECEIVE_BUFFER = 4 * 1024 * 1024,
    ERRNO_MAX = 4095, /* the kernel's largest */
};

struct netlink {
    int fd;
    uint32_t sequence;
};

enum { RECEIVE_CHUNK = 64 * 1024 };

/* Where answers are read: one place for all sockets, because every new page of memory costs an attach 1 us or
 * more. Who asks in the middle of another answer gets a place of its own. */
static char answers_buffer[RECEIVE_CHUNK];
static bool answers_buffer_taken;

static char *take_buffer(void)
{
    if (answers_buffer_taken)
        return malloc(RECEIVE_CHUNK);
    answers_buffer_taken = true;
    return answers_buffer;
}

static void return_buffer(char *const *buffer)
{
    if (*buffer == answers_buffer)
        answers_buffer_taken = false;
    else
        free(*buffer);
}

#define cleanup_buffer __attribute__((cleanup(return_buffer)))

struct netlink_batch {
    struct nl_msg **messages;
    const char **what;
    size_t count;
    size_t capacity;
};

static void enlarge(const struct netlink *netlink, int option, int size)
{
    setsockopt(netlink->fd, SOL_SOCKET, option, &size, sizeof(size));
}

/* Without libnl's own transport: it makes twice as many system calls for a socket, and an attach opens eight.
 * Takes the descriptor. */
static int wrap(int fd, int protocol, struct netlink **ret, struct error *err)
{
    static const int FLAGS[] = {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK};
    struct sockaddr_nl any = {.nl_family = AF_NETLINK};
    cleanup_netlink struct netlink *netlink = calloc(1, sizeof(*netlink));
    int one = 1;

    if (netlink == NULL) {
        close(fd);
        return error_set(err, ENOMEM, "open netlink socket");
    }
    netlink->fd = fd;
    if (bind(fd, (void *)&any, sizeof(any)) < 0)
        return error_set(err, errno, "open netlink socket, protocol %d", protocol);
    for (size_t i = 0; i < array_size(FLAGS); i++)
        setsockopt(netlink->fd, SOL_NETLINK, FLAGS[i], &one, sizeof(one));
    enlarge(netlink, SO_RCVBUFFORCE, RECEIVE_BUFFER);
    *ret = take_pointer(netlink);
    return 0;
}

int netlink_open(int protocol, struct netlink **ret, struct error *err)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

    return fd >= 0 ? wrap(fd, protocol, ret, err)
                   : error_set(err, errno, "open netlink socket, protocol %d", protocol);
}

int netlink_open_in(int netns, int own, int protocol, struct netlink **ret, struct error *err)
{
    int fd = namespace_socket(netns, own, AF_NETLINK, SOCK_RAW, protocol, err);

    return fd < 0 ? fd : wrap(fd, protocol, ret, err);
}

int netlink_descriptor(const struct netlink *netlink)
{
    return netlink->fd;
}

void netlink_close(struct netlink *netlink)
{
    if (netlink == NULL)
        return;
    cleanup_close_at(&netlink->fd);
    free(netlink);
}

void netlink_close_at(struct netlink **netlink)
{
    netlink_close(*netlink);
}

struct netlink_batch *netlink_batch_new(void)
{
    struct netlink_batch *batch = calloc(1, sizeof(*batch));

    if (batch == NULL)
        abort();
    return batch;
}

void netlink_batch_free_at(struct netlink_batch **batch)
{
    if (*batch == NULL)
        return;
    for (size_t i = 0; i < (*batch)->count; i++)
        nlmsg_free((*batch)->messages[i]);
    free((*batch)->messages);
    free((*batch)->what);
    free(*batch);
}

static void grow(struct netlink_batch *batch)
{
    size_t capacity = batch->capacity == 0 ? 16 : batch->capacity * 2;
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): it is an array of pointers */
    struct nl_msg **messages = reallocarray(batch->messages, capacity, sizeof(*messages));
    const char **what = NULL;

    if (messages == NULL)
        abort();
    batch->messages = messages;
    what = reallocarray(batch->what, capacity, sizeof(*what));
    if (what == NULL)
        abort();
    batch->what = what;
    batch->capacity = capacity;
}

struct nl_msg *netlink_batch_add(struct netlink_batch *batch, uint16_t type, uint16_t flags,
                                 const void *header, size_t header_size, const char *what)
{
    struct nl_msg *message = nlmsg_alloc_size(MESSAGE_MAX);

    if (message == NULL)
        abort();
    if (batch->count == batch->capacity)
        grow(batch);
    if (nlmsg_put(message, NL_AUTO_PORT, NL_AUTO_SEQ, type, 0, flags | NLM_F_REQUEST) == NULL ||
        nlmsg_append(message, (void *)(uintptr_t)header, header_size, NLMSG_ALIGNTO) < 0)
        abort();
    batch->messages[batch->count] = message;
    batch->what[batch->count] = what;
    batch->count++;
    return message;
}

size_t netlink_batch_count(const struct netlink_batch *batch)
{
    return batch->count;
}

struct nlmsghdr *netlink_batch_message(const struct netlink_batch *batch, size_t index)
{
    return nlmsg_hdr(batch->messages[index]);
}

/* One sendmsg for all requests. Sequence numbers start at netlink->sequence. */
static int send_all(struct netlink *netlink, struct netlink_batch *batch, struct error *err)
{
    cleanup_free struct iovec *parts = calloc(batch->count, sizeof(*parts));
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct msghdr message = {
        .msg_name = &kernel, .msg_namelen = sizeof(kernel), .msg_iov = parts, .msg_iovlen = batch->count};

    size_t size = 0;

    if (parts == NULL || batch->count == 0 || batch->count > BATCH_MAX)
        return error_set(err, EMSGSIZE, "send netlink batch of %zu requests", batch->count);
    for (size_t i = 0; i < batch->count; i++) {
        struct nlmsghdr *header = nlmsg_hdr(batch->messages[i]);

        header->nlmsg_seq = netlink->sequence + (uint32_t)i;
        parts[i].iov_base = header;
        parts[i].iov_len = NLMSG_ALIGN(header->nlmsg_len);
        size += parts[i].iov_len;
    }
    if (size > SMALL)
        enlarge(netlink, SO_SNDBUFFORCE, SEND_BUFFER);
    if (sendmsg(netlink->fd, &message, MSG_NOSIGNAL) < 0)
        return error_set(err, errno, "send netlink batch of %zu requests", batch->count);
    return 0;
}

/* Reads one datagram from the kernel into the buffer. Returns its size, or -EAGAIN where the flags say not to
 * wait and there is none. */
static ssize_t receive(const struct netlink *netlink, char *buffer, int flags, struct error *err)
{
    struct sockaddr_nl from;
    struct iovec part = {.iov_base = buffer, .iov_len = RECEIVE_CHUNK};
    struct msghdr message = {
        .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part, .msg_iovlen = 1};
    ssize_t n = 0;

    do {
        message.msg_namelen = sizeof(from);
        n = recvmsg(netlink->fd, &message, flags);
    } while ((n < 0 && errno == EINTR) || (n >= 0 && from.nl_pid != 0));
    if (n < 0)
        return error_set(err, errno, "read netlink answer");
    if (message.msg_flags & MSG_TRUNC)
        return error_set(err, EMSGSIZE, "read netlink answer");
    return n;
}

/* What is left of a datagram. */
struct datagram {
    const char *at;
    size_t left;
};

/* The next message that is there in one piece. NULL at the end, or where one was cut off: then something is
 * left. */
static const struct nlmsghdr *next_message(struct datagram *datagram)
{
    const struct nlmsghdr *header = (const void *)datagram->at;
    size_t size = 0;

    if (datagram->left < sizeof(*header) || header->nlmsg_len < sizeof(*header) ||
        header->nlmsg_len > datagram->left)
        return NULL;
    size = NLMSG_ALIGN((size_t)header->nlmsg_len);
    size = size < datagram->left ? size : datagram->left; /* the last one may have no padding */
    datagram->at += size;
    datagram->left -= size;
    return header;
}

static int check_end(const struct datagram *datagram, struct error *err)
{
    return datagram->left == 0 ? 0 : error_set(err, EPROTO, "read netlink answer");
}

/* The kernel's own words on a refusal, or NULL: an attribute behind the first `skip` bytes of the message's
 * payload. Points into the answer. */
static const char *extended_text(const struct nlmsghdr *header, size_t skip)
{
    struct nlattr *text = NULL;

    if (!(header->nlmsg_flags & NLM_F_ACK_TLVS) || header->nlmsg_len < NLMSG_HDRLEN + skip)
        return NULL;
    text = nla_find((struct nlattr *)(uintptr_t)((const char *)NLMSG_DATA(header) + skip),
                    (int)(header->nlmsg_len - NLMSG_HDRLEN - skip), NLMSGERR_ATTR_MSG);
    if (text == NULL || nla_len(text) < 1 || ((const char *)nla_data(text))[nla_len(text) - 1] != '\0')
        return NULL;
    return nla_data(text);
}

/* Sets the error that the kernel answered with. What is no errno value is a refusal all the same. */
static int refusal(const char *what, int error, const char *text, struct error *err)
{
    int number = error < 0 && error >= -ERRNO_MAX ? -error : EPROTO;

    if (text == NULL)
        return error_set(err, number, "%s", what);
    return error_set(err, number, "%s: %s", what, text);
}

static bool error_is_whole(const struct nlmsghdr *header)
{
    return header->nlmsg_type == NLMSG_ERROR && header->nlmsg_len >= NLMSG_LENGTH(sizeof(struct nlmsgerr));
}

/* An acknowledgement, which must be whole: 0, or the refusal in it. Attributes come behind the request that
 * it repeats, or behind the header of that. */
static int take_error(const char *what, const struct nlmsghdr *header, struct error *err)
{
    const struct nlmsgerr *answer = NLMSG_DATA(header);
    size_t skip = sizeof(*answer);

    if (answer->error == 0)
        return 0;
    if (!(header->nlmsg_flags & NLM_F_CAPPED) && answer->msg.nlmsg_len > sizeof(answer->msg))
        skip += NLMSG_ALIGN(answer->msg.nlmsg_len - sizeof(answer->msg));
    return refusal(what, answer->error, extended_text(header, skip), err);
}

/* The end of a list: 0, or why the kernel could not go on with it. */
static int take_end(const char *what, const struct nlmsghdr *header, struct error *err)
{
    int error = 0;

    if (header->nlmsg_len < NLMSG_LENGTH(sizeof(error)))
        return error_set(err, EPROTO, "%s", what);
    memcpy(&error, NLMSG_DATA(header), sizeof(error));
    return error == 0 ? 0 : refusal(what, error, extended_text(header, sizeof(error)), err);
}

/* The number of answers that must come: one for each request with NLM_F_ACK. */
static size_t answers_expected(const struct netlink_batch *batch)
{
    size_t expected = 0;

    for (size_t i = 0; i < batch->count; i++)
        if (nlmsg_hdr(batch->messages[i])->nlmsg_flags & NLM_F_ACK)
            expected++;
    return expected;
}

/* The answers to a batch, as far as they have come. */
struct answers {
    const struct netlink_batch *batch;
    uint32_t base; /* the number of the batch's first request */
    size_t expected;
    int first; /* the first refusal, or 0 */
    size_t failed;
};

/* Takes the acknowledgements in one datagram. */
static int take_acknowledgements(struct answers *answers, struct datagram *datagram, struct error *err)
{
    const struct nlmsghdr *header = NULL;

    while ((header = next_message(datagram)) != NULL) {
        size_t index = header->nlmsg_seq - answers->base;
        struct error ignored;
        int result = 0;

        if (!error_is_whole(header) || index >= answers->batch->count)
            continue;
        if (answers->expected > 0 && nlmsg_hdr(answers->batch->messages[index])->nlmsg_flags & NLM_F_ACK)
            answers->expected--;
        result = take_error(answers->batch->what[index], header, answers->first == 0 ? err : &ignored);
        if (result < 0 && answers->first == 0) {
            answers->first = result;
            answers->failed = index;
        }
    }
    return answers->expected == 0 || answers->first < 0 ? 0 : check_end(datagram, err);
}

int netlink_send(struct netlink *netlink, struct netlink_batch *batch, size_t *ret_failed, struct error *err)
{
    struct answers answers = {.batch = batch, .base = netlink->sequence, .expected = answers_expected(batch)};
    cleanup_buffer char *buffer = take_buffer();
    int result = buffer != NULL ? send_all(netlink, batch, err) : error_set(err, ENOMEM, "ask the kernel");

    if (result < 0)
        return result;
    netlink->sequence += (uint32_t)batch->count;
    /* The kernel has answered before sendmsg(2) returns, and refuses also what nobody wanted acknowledged: so
     * until there is no more. */
    while (result == 0) {
        struct error unread;
        ssize_t n = receive(netlink, buffer, MSG_DONTWAIT, &unread);
        struct datagram datagram = {buffer, n > 0 ? (size_t)n : 0};

        if (n < 0 && (answers.first < 0 || (n == -EAGAIN && answers.expected == 0)))
            break; /* all is said; or a refusal tells more than the answers that will not come */
        if (n < 0) {
            *err = unread;
            return (int)n;
        }
        result = take_acknowledgements(&answers, &datagram, err);
    }
    if (answers.first < 0 && ret_failed != NULL)
        *ret_failed = answers.failed;
    return answers.first < 0 ? answers.first : result;
}

/* A question and how far its answer has come. */
struct question {
    const struct netlink_batch *batch;
    uint32_t base;
    bool list; /* more than one message, with a mark or an acknowledgement at the end */
    int (*each)(const struct nlmsghdr *message, void *data);
    void *data;
    int result; /* of `each`, or an interrupted list */
    bool ended;
};

static int take_answer(struct question *question, const struct nlmsghdr *header, struct error *err)
{
    const char *what = question->batch->what[0];

    if (header->nlmsg_flags & NLM_F_DUMP_INTR && question->result == 0)
        question->result = error_set(err, EINTR, "%s: the kernel's list changed while it was read", what);
    question->ended =
        !question->list || header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR;
    if (header->nlmsg_type == NLMSG_DONE)
        return question->result == 0 ? take_end(what, header, err) : 0;
    if (header->nlmsg_type == NLMSG_ERROR)
        return error_is_whole(header) ? take_error(what, header, err) : error_set(err, EPROTO, "%s", what);
    if (question->result == 0)
        question->result = question->each(header, question->data);
    return 0;
}

static int take_answers(struct question *question, struct datagram *datagram, struct error *err)
{
    const struct nlmsghdr *header = NULL;

    while (!question->ended && (header = next_message(datagram)) != NULL) {
        int result = 0;

        if (header->nlmsg_seq - question->base < question->batch->count)
            result = take_answer(question, header, err);
        if (result < 0)
            return result;
    }
    return question->ended ? 0 : check_end(datagram, err);
}

int netlink_query(struct netlink *netlink, struct netlink_batch *batch,
                  int (*each)(const struct nlmsghdr *message, void *data), void *data, struct error *err)
{
    struct question question = {.batch = batch, .base = netlink->sequence, .each = each, .data = data};
    cleanup_buffer char *buffer = take_buffer();
    int result = buffer != NULL ? send_all(netlink, batch, err) : error_set(err, ENOMEM, "ask the kernel");

    if (result < 0)
        return result;
    question.list = (nlmsg_hdr(batch->messages[0])->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP ||
                    (nlmsg_hdr(batch->messages[0])->nlmsg_flags & NLM_F_ACK) != 0;
    netlink->sequence += (uint32_t)batch->count;
    while (!question.ended) {
        ssize_t n = receive(netlink, buffer, 0, err);
        struct datagram datagram = {buffer, n > 0 ? (size_t)n : 0};

        result = n < 0 ? (int)n : take_answers(&question, &datagram, err);
        if (result < 0)
            return result;
    }
    return question.result;
}

uint32_t netlink_number(const struct nlattr *attribute)
{
    return nla_len(attribute) == sizeof(uint32_t) ? nla_get_u32(attribute) : 0;
}
