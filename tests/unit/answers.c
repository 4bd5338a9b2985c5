/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernel answers over netlink, nftables included: recorded from a network with one member
 * (tests/fuzz/record.c), then cut at every byte, damaged in every byte, and as no kernel should say it. The
 * answer is the right one or an error; that nothing is read beyond a datagram is for the address sanitizer to
 * see, which is told where each one ends (tests/fuzz/replay.h). */
#include "../fuzz/questions.h"
#include "../fuzz/replay.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "netns/dump.h"
#include "netns/link.h"
#include "netns/namespace.h"
#include "netns/netlink.h"
#include "netns/route.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/ipv6.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

TestSuite(answers, .timeout = 300);

enum { CONVERSATION_MAX = 128 * 1024 };

static struct policy policy;
static struct question_place place;

static void prepare(void)
{
    struct error err = {0};

    cr_assert_eq(policy_parse(question_policy, strlen(question_policy), "FILE", "hermes", &policy, &err), 0,
                 "%s", err.text);
    place = (struct question_place){.policy = &policy, .hub = namespace_open_own(&err)};
    cr_assert_geq(place.hub, 0, "%s", err.text);
    place.member = place.host = place.hub;
}

/* ---- recorded answers ---- */

struct recording {
    const struct question *question;
    char *file; /* the conversation is behind its first byte */
    uint8_t *bytes;
    size_t size;
};

static struct recording load(const struct question *question)
{
    struct recording recording = {.question = question};
    struct error err = {0};
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", ANSWERS, question->name);
    cr_assert_eq(file_read_at(AT_FDCWD, path, CONVERSATION_MAX, &recording.file, &recording.size, &err), 0,
                 "%s", err.text);
    recording.bytes = (uint8_t *)recording.file + 1;
    recording.size--;
    return recording;
}

/* Whatever is answered, a failure says what it is. */
static int ask(const struct recording *recording, const void *bytes, size_t size)
{
    struct error err = {0};
    int result = 0;

    replay(bytes, size);
    result = recording->question->ask(&place, &err);
    cr_assert(result >= 0 || err.text[0] != '\0', "%s: %d without a word", recording->question->name, result);
    return result;
}

Test(answers, recorded_ones_are_understood, .init = prepare)
{
    /* In the order of `questions`. */
    static const int expected[] = {3, 0, 1, 3, 6, 2, 3, 0, 9, 111, 0, 0, 0, 1, 1};

    cr_assert_eq(array_size(expected), questions_count);
    for (size_t i = 0; i < questions_count; i++) {
        struct recording recording = load(&questions[i]);

        cr_expect_eq((size_t)recording.file[0], i);
        cr_expect_eq(ask(&recording, recording.bytes, recording.size), expected[i], "%s", questions[i].name);
        cr_expect(replay_ended(), "%s", questions[i].name);
        free(recording.file);
    }
}

/* The bytes end somewhere: in a header, in an attribute, between two messages, or before the end of a list.
 */
Test(answers, cut_off_anywhere_are_errors, .init = prepare)
{
    for (size_t i = 0; i < questions_count; i++) {
        struct recording recording = load(&questions[i]);

        for (size_t size = 0; size < recording.size; size++)
            cr_expect_lt(ask(&recording, recording.bytes, size), 0, "%s, %zu bytes of %zu", questions[i].name,
                         size, recording.size);
        free(recording.file);
    }
}

Test(answers, damaged_anywhere_are_survived, .init = prepare)
{
    static const uint8_t damage[] = {0x01, 0x80, 0xff};

    for (size_t i = 0; i < questions_count; i++) {
        struct recording recording = load(&questions[i]);

        for (size_t at = 0; at < recording.size; at++)
            for (size_t bits = 0; bits < array_size(damage); bits++) {
                recording.bytes[at] ^= damage[bits];
                ask(&recording, recording.bytes, recording.size);
                recording.bytes[at] ^= damage[bits];
            }
        free(recording.file);
    }
}

/* Calls `each` with every message of the recording in turn, and where its datagram's size is. */
static void for_each_message(const struct recording *recording,
                             void (*each)(const struct recording *recording, const uint8_t *datagram,
                                          uint8_t *message))
{
    uint8_t *end = recording->bytes + recording->size;
    uint8_t *at = recording->bytes;

    while (at < end) {
        const uint8_t *datagram = at;
        uint32_t left = 0;

        memcpy(&left, at, sizeof(left));
        for (at += sizeof(left); left > 0;) {
            struct nlmsghdr header;

            memcpy(&header, at, sizeof(header));
            each(recording, datagram, at);
            at += NLMSG_ALIGN(header.nlmsg_len);
            left -= NLMSG_ALIGN(header.nlmsg_len);
        }
    }
}

static void shorten(const struct recording *recording, const uint8_t *datagram, uint8_t *message)
{
    const uint16_t rule = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE;
    struct nlmsghdr header;
    struct nlmsghdr shorter;

    (void)datagram;
    memcpy(&header, message, sizeof(header));
    shorter = header;
    for (shorter.nlmsg_len = 0; shorter.nlmsg_len < header.nlmsg_len; shorter.nlmsg_len++) {
        int result = 0;

        memcpy(message, &shorter, sizeof(shorter));
        result = ask(recording, recording->bytes, recording->size);
        cr_expect(result != 0 || header.nlmsg_type != rule, "a rule of %u bytes", shorter.nlmsg_len);
    }
    memcpy(message, &header, sizeof(header));
}

/* A header that says less than there is: the next one begins in the middle of this message's attributes. A
 * rule that is not whole is not ours: an error of the guard's, a finding of the hub's and the uplink's. */
Test(answers, shorter_than_they_are, .init = prepare)
{
    for (size_t i = 0; i < questions_count; i++) {
        struct recording recording = load(&questions[i]);

        for_each_message(&recording, shorten);
        free(recording.file);
    }
}

static void take_away(const struct recording *recording, const uint8_t *datagram, uint8_t *message)
{
    struct nlmsghdr header;
    uint16_t type = 0;

    (void)datagram;
    memcpy(&header, message, sizeof(header));
    type = header.nlmsg_type;
    if (type == NLMSG_ERROR || type == NLMSG_DONE)
        return;
    header.nlmsg_type = NLMSG_NOOP;
    memcpy(message, &header, sizeof(header));
    cr_expect_lt(ask(recording, recording->bytes, recording->size), 0, "without a message of type %#x", type);
    header.nlmsg_type = type;
    memcpy(message, &header, sizeof(header));
}

/* Of the guard nothing may be missing, nor be a message of another type. */
Test(answers, guard_with_a_message_of_another_type, .init = prepare)
{
    for (size_t i = 0; i < questions_count; i++) {
        struct recording recording = load(&questions[i]);

        if (strcmp(questions[i].name, "guard") == 0)
            for_each_message(&recording, take_away);
        free(recording.file);
    }
}

/* ---- made by hand ---- */

struct conversation {
    uint8_t bytes[CONVERSATION_MAX];
    size_t size;
    size_t datagram; /* where the size of the open one is */
};

static struct conversation conversation;

static void open_datagram(void)
{
    conversation.datagram = conversation.size;
    conversation.size += sizeof(uint32_t);
}

static void close_datagram(void)
{
    uint32_t size = (uint32_t)(conversation.size - conversation.datagram - sizeof(uint32_t));

    memcpy(conversation.bytes + conversation.datagram, &size, sizeof(size));
}

static void begin_conversation(void)
{
    conversation.size = 0;
    open_datagram();
}

static void append(const void *bytes, size_t size)
{
    cr_assert_leq(conversation.size + size, sizeof(conversation.bytes));
    memcpy(conversation.bytes + conversation.size, bytes, size);
    conversation.size += size;
}

/* Puts a message into the open datagram and frees it. */
static void put(struct nl_msg *message)
{
    append(nlmsg_hdr(message), NLMSG_ALIGN(nlmsg_hdr(message)->nlmsg_len));
    nlmsg_free(message);
}

static struct nl_msg *make(uint16_t type, uint16_t flags, uint32_t sequence, const void *payload, size_t size)
{
    struct nl_msg *message = nlmsg_alloc();

    cr_assert_not_null(message);
    cr_assert_not_null(nlmsg_put(message, 0, sequence, type, 0, flags));
    nlmsg_hdr(message)->nlmsg_seq = sequence;
    if (size > 0)
        cr_assert_eq(nlmsg_append(message, (void *)(uintptr_t)payload, size, NLMSG_ALIGNTO), 0);
    return message;
}

static struct nl_msg *make_link(int index, uint32_t sequence)
{
    const struct ifinfomsg header = {.ifi_index = index};
    struct nl_msg *message = make(RTM_NEWLINK, NLM_F_MULTI, sequence, &header, sizeof(header));

    nla_put_string(message, IFLA_IFNAME, "sp0ad10040");
    return message;
}

static void put_end(int error, uint16_t flags)
{
    put(make(NLMSG_DONE, NLM_F_MULTI | flags, 0, &error, sizeof(error)));
}

/* The links that are read from the conversation, at most 8; returns their number or the error. */
static int list_links(struct link links[8], struct error *err)
{
    cleanup_netlink struct netlink *netlink = NULL;
    cleanup_free struct link *list = NULL;
    size_t count = 0;
    int result = netlink_open(NETLINK_ROUTE, &netlink, err);

    close_datagram();
    replay(conversation.bytes, conversation.size);
    if (result == 0)
        result = link_list(netlink, &list, &count, err);
    if (result < 0)
        return result;
    for (size_t i = 0; i < count && i < 8; i++)
        links[i] = list[i];
    return (int)count;
}

static void expect_list(int expected, const char *what)
{
    struct link links[8];
    struct error err = {0};
    int result = list_links(links, &err);

    cr_expect_eq(result, expected, "%s: %d, %s", what, result, err.text);
}

Test(answers, list_that_is_whole)
{
    begin_conversation();
    put(make_link(1, 0));
    close_datagram();
    open_datagram();
    put(make_link(2, 0));
    put_end(0, 0);
    expect_list(2, "two datagrams");
}

/* The kernel tells in the end mark that it could not go on: what has come is not the list. */
Test(answers, list_that_the_kernel_could_not_finish)
{
    struct link links[8];
    struct error err = {0};
    struct nl_msg *end = NULL;
    const int error = -EMSGSIZE;

    begin_conversation();
    put(make_link(1, 0));
    put_end(-ENOMEM, 0);
    expect_list(-ENOMEM, "an error in the end mark");
    begin_conversation();
    put(make_link(1, 0));
    end = make(NLMSG_DONE, NLM_F_MULTI | NLM_F_ACK_TLVS, 0, &error, sizeof(error));
    nla_put_string(end, NLMSGERR_ATTR_MSG, "too long for me");
    put(end);
    cr_expect_eq(list_links(links, &err), -EMSGSIZE);
    cr_expect_not_null(strstr(err.text, "list links: too long for me"), "%s", err.text);
    begin_conversation();
    put(make(NLMSG_DONE, NLM_F_MULTI, 0, NULL, 0));
    expect_list(-EPROTO, "an end mark without the kernel's result");
}

/* The same of the real kernel, which refuses a list of routes to a prefix without address. */
Test(answers, control_kernel_puts_errors_into_the_end_mark)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    const int one = 1;
    struct {
        struct nlmsghdr header;
        struct rtmsg route;
    } request = {{sizeof(request), RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, 1, 0},
                 {.rtm_family = AF_INET, .rtm_dst_len = 5}};
    struct {
        struct nlmsghdr header;
        int error;
        char more[1024];
    } answer;

    cr_assert_eq(setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one)), 0);
    cr_assert_eq(send(fd, &request, sizeof(request), 0), sizeof(request));
    cr_assert_geq(recv(fd, &answer, sizeof(answer), 0), (ssize_t)NLMSG_LENGTH(sizeof(int)));
    cr_expect_eq(answer.header.nlmsg_type, NLMSG_DONE);
    cr_expect_eq(answer.error, -EINVAL);
    close(fd);
}

Test(answers, list_that_changed_while_it_was_read)
{
    begin_conversation();
    put(make(RTM_NEWLINK, NLM_F_MULTI | NLM_F_DUMP_INTR, 0, NULL, 0));
    put_end(0, 0);
    close_datagram();
    open_datagram();
    put_end(0, NLM_F_DUMP_INTR);
    close_datagram();
    open_datagram();
    put(make_link(7, 0));
    put_end(0, 0);
    expect_list(1, "the third time it did not change");
    begin_conversation();
    for (int i = 0; i < 100; i++) {
        put_end(0, NLM_F_DUMP_INTR);
        close_datagram();
        open_datagram();
    }
    expect_list(-EINTR, "it always changes");
}

Test(answers, numbers_of_another_request_are_not_ours)
{
    begin_conversation();
    put(make_link(1, 1));
    put(make_link(1, UINT32_MAX));
    put(make(NLMSG_DONE, NLM_F_MULTI, 7, NULL, 0));
    put(make_link(2, 0));
    put_end(0, 0);
    expect_list(1, "three messages of others");
}

Test(answers, list_with_messages_of_other_types)
{
    begin_conversation();
    put(make(NLMSG_NOOP, 0, 0, NULL, 0));
    put(make(RTM_NEWROUTE, NLM_F_MULTI, 0, "0123456789abcdef", 16));
    put(make(RTM_NEWLINK, NLM_F_MULTI, 0, "0123", 4));
    put(make_link(2, 0));
    put_end(0, 0);
    expect_list(1, "no operation, a route, and a link that is too short");
}

Test(answers, datagrams_that_are_no_messages)
{
    static const char rubbish[20] = "\xff\xff\xff\xff";
    const uint32_t lengths[] = {0, 1, 15, 21, 1 << 16, INT_MAX, UINT32_MAX};

    for (size_t i = 0; i < array_size(lengths); i++) {
        const struct nlmsghdr header = {.nlmsg_len = lengths[i], .nlmsg_type = RTM_NEWLINK};

        begin_conversation();
        put(make_link(1, 0));
        append(&header, sizeof(header));
        append("last", 4);
        close_datagram();
        open_datagram();
        put_end(0, 0);
        expect_list(-EPROTO, "a length that is none");
    }
    for (size_t size = 1; size < sizeof(rubbish); size++) {
        begin_conversation();
        append(rubbish, size);
        expect_list(-EPROTO, "rubbish");
    }
}

/* Without padding: where the next message would be is behind the end. */
Test(answers, last_message_without_padding)
{
    struct nl_msg *message = make_link(1, 0);

    begin_conversation();
    nlmsg_hdr(message)->nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)) + 1;
    append(nlmsg_hdr(message), nlmsg_hdr(message)->nlmsg_len);
    nlmsg_free(message);
    close_datagram();
    open_datagram();
    put_end(0, 0);
    expect_list(1, "33 bytes");
}

Test(answers, datagram_that_is_larger_than_the_buffer)
{
    begin_conversation();
    for (int i = 0; i < 2000; i++)
        put(make_link(i + 1, 0));
    put_end(0, 0);
    cr_assert_gt(conversation.size, 64 * 1024);
    expect_list(-EMSGSIZE, "what was cut off by the socket");
}

/* Asks with the recording's datagrams as far as the message, of that as much as its header says, and the
 * datagrams behind it. */
static int ask_with_end(const struct recording *recording, const uint8_t *datagram, const uint8_t *message)
{
    struct nlmsghdr header;
    uint32_t size = 0;

    memcpy(&size, datagram, sizeof(size));
    memcpy(&header, message, sizeof(header));
    conversation.size = 0;
    append(recording->bytes, (size_t)(datagram - recording->bytes));
    open_datagram();
    append(datagram + sizeof(size), (size_t)(message - datagram) - sizeof(size) + header.nlmsg_len);
    close_datagram();
    datagram += sizeof(size) + size;
    append(datagram, recording->size - (size_t)(datagram - recording->bytes));
    return ask(recording, conversation.bytes, conversation.size);
}

static void end_anywhere(const struct recording *recording, const uint8_t *datagram, uint8_t *message)
{
    struct nlmsghdr header;
    struct nlmsghdr shorter;

    memcpy(&header, message, sizeof(header));
    shorter = header;
    for (shorter.nlmsg_len = NLMSG_HDRLEN; shorter.nlmsg_len < header.nlmsg_len; shorter.nlmsg_len++) {
        memcpy(message, &shorter, sizeof(shorter));
        ask_with_end(recording, datagram, message);
    }
    memcpy(message, &header, sizeof(header));
}

/* Each message with every length, the last thing in its datagram: in an attribute, behind one, or behind the
 * header. A list that goes on in another datagram goes on. */
Test(answers, messages_that_end_anywhere, .init = prepare)
{
    for (size_t i = 0; i < questions_count; i++) {
        struct recording recording = load(&questions[i]);

        for_each_message(&recording, end_anywhere);
        free(recording.file);
    }
}

/* A link with one attribute, as it is read. */
static struct link read_one(uint16_t type, const void *bytes, size_t size)
{
    struct link links[8] = {{0}};
    struct error err = {0};
    struct nl_msg *message = make_link(1, 0);

    begin_conversation();
    nla_put(message, type, (int)size, bytes);
    put(message);
    put_end(0, 0);
    cr_assert_eq(list_links(links, &err), 1, "%s", err.text);
    return links[0];
}

/* Whose size is not that of a number, it is none; names are cut to their room and always end. */
Test(answers, attributes_of_every_size)
{
    static char bytes[1024];

    memset(bytes, 'x', sizeof(bytes));
    for (size_t size = 0; size < sizeof(bytes); size += size < 300 ? 1 : 97) {
        bool whole = size == sizeof(uint32_t);

        cr_expect_eq(read_one(IFLA_GROUP, bytes, size).group, whole ? 0x78787878 : 0, "%zu", size);
        cr_expect_eq(read_one(IFLA_LINK, bytes, size).peer, whole ? 0x78787878 : 0, "%zu", size);
        cr_expect_eq(read_one(IFLA_LINK_NETNSID, bytes, size).peer_elsewhere, whole, "%zu", size);
        cr_expect_eq(strlen(read_one(IFLA_IFNAME, bytes, size).name), size < IFNAMSIZ ? size : IFNAMSIZ - 1);
        cr_expect_eq(strlen(read_one(IFLA_IFALIAS, bytes, size).alias),
                     size < LINK_ALIAS_SIZE ? size : LINK_ALIAS_SIZE - 1);
        read_one(IFLA_STATS64, bytes, size);
        read_one(IFLA_LINKINFO, bytes, size);
        read_one(IFLA_PROP_LIST, bytes, size);
        read_one(IFLA_AF_SPEC, bytes, size);
    }
}

/* A link with settings of one family, as they are read. */
static struct link_settings read_settings(int family, int type, const void *values, size_t size)
{
    struct link links[8] = {{0}};
    struct error err = {0};
    struct nl_msg *message = make_link(1, 0);
    struct nlattr *all = nla_nest_start(message, IFLA_AF_SPEC);
    struct nlattr *of_family = nla_nest_start(message, family);

    nla_put(message, type, (int)size, values);
    nla_nest_end(message, of_family);
    nla_nest_end(message, all);
    begin_conversation();
    put(message);
    put_end(0, 0);
    cr_assert_eq(list_links(links, &err), 1, "%s", err.text);
    return links[0].settings;
}

/* An older kernel tells fewer settings, a later one more than there is room for. What is not told is none. */
Test(answers, settings_of_every_size)
{
    uint32_t values[DEVCONF_MAX + 1] = {[DEVCONF_DISABLE_IPV6] = 1};
    const size_t enough = (DEVCONF_DISABLE_IPV6 + 1) * sizeof(values[0]);

    for (size_t size = 0; size <= sizeof(values); size++) {
        size_t count = size / sizeof(values[0]);
        struct link_settings ipv4 = read_settings(AF_INET, IFLA_INET_CONF, values, size);
        struct link_settings ipv6 = read_settings(AF_INET6, IFLA_INET6_CONF, values, size);

        cr_expect_eq(ipv4.ipv4_count, count < LINK_SETTINGS_MAX ? count : LINK_SETTINGS_MAX, "%zu", size);
        cr_expect_eq(memcmp(ipv4.ipv4, values, ipv4.ipv4_count * sizeof(values[0])), 0, "%zu", size);
        cr_expect_not(ipv4.ipv6 || ipv6.ipv4_count != 0);
        cr_expect_eq(ipv6.ipv6, size >= enough, "%zu", size);
        cr_expect_eq(ipv6.ipv6_disabled, size >= enough, "%zu", size);
    }
    values[DEVCONF_DISABLE_IPV6] = 0;
    cr_expect_not(read_settings(AF_INET6, IFLA_INET6_CONF, values, sizeof(values)).ipv6_disabled);
}

/* More names than there is room for, each longer than its room; and nests in nests in nests. */
Test(answers, lists_in_attributes)
{
    struct nl_msg *message = make_link(1, 0);
    struct nlattr *list = nla_nest_start(message, IFLA_PROP_LIST);
    struct link links[8] = {{0}};
    struct error err = {0};
    char name[300];

    memset(name, 'n', sizeof(name));
    for (int i = 0; i < LINK_ALTNAMES_MAX + 2; i++)
        nla_put(message, IFLA_ALT_IFNAME, sizeof(name), name);
    nla_nest_end(message, list);
    begin_conversation();
    put(message);
    message = make_link(2, 0);
    for (int i = 0; i < 500; i++)
        nla_nest_start(message, i % 2 == 0 ? IFLA_PROP_LIST : IFLA_LINKINFO);
    put(message);
    put_end(0, 0);
    cr_assert_eq(list_links(links, &err), 2, "%s", err.text);
    cr_expect_eq(links[0].altnames_count, LINK_ALTNAMES_MAX);
    for (size_t i = 0; i < LINK_ALTNAMES_MAX; i++)
        cr_expect_eq(strlen(links[0].altnames[i]), LINK_ALTNAME_SIZE - 1);
}

/* ---- acknowledgements ---- */

/* Sends two requests and has them answered by the conversation. */
static int send_two(size_t *ret_failed, struct error *err)
{
    cleanup_netlink struct netlink *netlink = NULL;
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    int result = netlink_open(NETLINK_ROUTE, &netlink, err);

    close_datagram();
    replay(conversation.bytes, conversation.size);
    link_add_altname(batch, LINK_LOOPBACK, "c-one");
    link_add_loopback_up(batch);
    return result < 0 ? result : netlink_send(netlink, batch, ret_failed, err);
}

static struct nl_msg *make_error(uint32_t sequence, int error, uint16_t flags)
{
    const struct nlmsgerr answer = {.error = error, .msg = {.nlmsg_len = sizeof(answer.msg)}};

    return make(NLMSG_ERROR, flags, sequence, &answer, sizeof(answer));
}

static void expect_sent(int expected, size_t expected_failed, const char *text)
{
    struct error err = {0};
    size_t failed = 99;

    cr_expect_eq(send_two(&failed, &err), expected, "%s", err.text);
    cr_expect_eq(failed, expected_failed, "%zu", failed);
    cr_expect_str_eq(err.text, text);
}

Test(answers, acknowledgements)
{
    begin_conversation();
    put(make_error(0, 0, NLM_F_CAPPED));
    put(make_error(1, 0, NLM_F_CAPPED));
    expect_sent(0, 99, "");
    begin_conversation();
    put(make_error(1, 0, NLM_F_CAPPED));
    close_datagram();
    open_datagram();
    put(make_error(0, -EPERM, 0));
    expect_sent(-EPERM, 0, "name link: Operation not permitted");
    begin_conversation();
    put(make_error(0, -EEXIST, 0));
    put(make_error(1, -EPERM, 0));
    expect_sent(-EEXIST, 0, "name link: File exists");
}

/* As of the end of a transaction: it is refused behind the acknowledgement of its last rule, and all of it.
 */
Test(answers, refusal_behind_the_last_acknowledgement)
{
    begin_conversation();
    put(make_error(0, 0, NLM_F_CAPPED));
    put(make_error(1, 0, NLM_F_CAPPED));
    put(make_error(1, -EINVAL, NLM_F_CAPPED));
    expect_sent(-EINVAL, 1, "set lo up: Invalid argument");
    begin_conversation();
    put(make_error(0, 0, NLM_F_CAPPED));
    put(make_error(1, 0, NLM_F_CAPPED));
    close_datagram();
    open_datagram();
    put(make_error(1, -EINVAL, NLM_F_CAPPED));
    expect_sent(-EINVAL, 1, "set lo up: Invalid argument");
}

Test(answers, acknowledgements_that_do_not_come)
{
    begin_conversation();
    put(make_error(0, 0, NLM_F_CAPPED));
    expect_sent(-EAGAIN, 99, "read netlink answer: Resource temporarily unavailable");
    begin_conversation();
    put(make_error(1, -EPERM, NLM_F_CAPPED));
    expect_sent(-EPERM, 1, "set lo up: Operation not permitted");
    begin_conversation();
    put(make_error(2, 0, 0));
    put(make_error(UINT32_MAX, -EPERM, 0));
    put(make(NLMSG_ERROR, 0, 0, "0123456789abcdef", 16)); /* not whole */
    put(make(NLMSG_DONE, 0, 0, NULL, 0));
    put(make_link(1, 0));
    expect_sent(-EAGAIN, 99, "read netlink answer: Resource temporarily unavailable");
}

/* What is no errno value never becomes success, nor an overflow. */
Test(answers, refusals_without_a_reason)
{
    const int numbers[] = {1, 4095, INT_MAX, -4096, INT_MIN};

    for (size_t i = 0; i < array_size(numbers); i++) {
        begin_conversation();
        put(make_error(0, numbers[i], 0));
        put(make_error(1, 0, 0));
        expect_sent(-EPROTO, 0, "name link: Protocol error");
        begin_conversation();
        put(make_link(1, 0));
        put(make_error(0, numbers[i], 0));
        expect_list(-EPROTO, "a list that ends so");
    }
}

/* The kernel's own words stand behind the request that is repeated, however long that says it is. */
Test(answers, words_of_the_kernel)
{
    const uint32_t lengths[] = {0, 1, 15, 16, 17, 20, 24, 100, INT_MAX, UINT32_MAX - 3, UINT32_MAX};

    for (size_t i = 0; i < array_size(lengths); i++)
        for (int capped = 0; capped < 2; capped++) {
            const struct nlmsgerr answer = {.error = -EPERM, .msg = {.nlmsg_len = lengths[i]}};
            uint16_t flags = (uint16_t)(NLM_F_ACK_TLVS | (capped ? NLM_F_CAPPED : 0));
            struct nl_msg *message = make(NLMSG_ERROR, flags, 0, &answer, sizeof(answer));
            bool found = capped || lengths[i] <= sizeof(answer.msg);

            nla_put_string(message, NLMSGERR_ATTR_MSG, "because");
            begin_conversation();
            put(message);
            put(make_error(1, 0, 0));
            expect_sent(-EPERM, 0,
                        found ? "name link: because: Operation not permitted"
                              : "name link: Operation not permitted");
        }
}

Test(answers, words_that_do_not_end)
{
    for (int size = 0; size < 9; size++) {
        struct nl_msg *message = make_error(0, -EPERM, NLM_F_ACK_TLVS | NLM_F_CAPPED);

        nla_put(message, NLMSGERR_ATTR_MSG, size, "because!");
        begin_conversation();
        put(message);
        put(make_error(1, 0, 0));
        expect_sent(-EPERM, 0, "name link: Operation not permitted");
    }
}
