/* SPDX-License-Identifier: Apache-2.0
 *
 * Asks this machine's kernel every question of questions.c and writes down what it answers: a network with
 * one member, made for it in namespaces of its own. `record DIRECTORY` makes tests/data/fuzz/netlink anew. As
 * root.
 *
 * Each file is the number of the question, one byte, and the conversation (replay.h). */
#include "base/cleanup.h"
#include "netns/hub.h"
#include "netns/member.h"
#include "netns/namespace.h"
#include "questions.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);

static FILE *out; /* NULL: nothing is written */
static uint32_t base;

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    const struct nlmsghdr *first = message->msg_iov[0].iov_base;

    base = first->nlmsg_seq;
    return __real_sendmsg(fd, message, flags);
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
    ssize_t n = __real_recvmsg(fd, message, flags);
    char *bytes = message->msg_iov[0].iov_base;
    uint32_t size = (uint32_t)n;

    if (n <= 0 || out == NULL)
        return n;
    fwrite(&size, sizeof(size), 1, out);
    while (size >= sizeof(struct nlmsghdr)) {
        struct nlmsghdr header;
        uint32_t step = 0;

        memcpy(&header, bytes, sizeof(header));
        step = NLMSG_ALIGN(header.nlmsg_len) < size ? NLMSG_ALIGN(header.nlmsg_len) : size;
        header.nlmsg_seq -= base;
        fwrite(&header, sizeof(header), 1, out);
        fwrite(bytes + sizeof(header), step - sizeof(header), 1, out);
        bytes += step;
        size -= step;
    }
    return n;
}

static void die(const char *what)
{
    fprintf(stderr, "record: %s\n", what);
    exit(1);
}

static void check(int result, const struct error *err)
{
    if (result < 0)
        die(err->text);
}

static int make_namespace(struct error *err)
{
    int netns = -1;

    if (unshare(CLONE_NEWNET) < 0)
        die("needs root");
    netns = namespace_open_own(err);
    check(netns, err);
    return netns;
}

/* As a machine is that runs squid for the network. */
static void listen_as_proxy(uint32_t address)
{
    const union {
        struct sockaddr_in v4;
        struct sockaddr any;
    } name = {.v4 = {.sin_family = AF_INET, .sin_port = htons(3128), .sin_addr.s_addr = htonl(address)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bind(fd, &name.any, sizeof(name.v4)) < 0 || listen(fd, 1) < 0)
        die("listen at the proxy's address");
}

/* So that the hub has counted something. */
static void be_refused(uint32_t address)
{
    const union {
        struct sockaddr_in v4;
        struct sockaddr any;
    } name = {.v4 = {.sin_family = AF_INET, .sin_port = htons(22), .sin_addr.s_addr = htonl(address)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, &name.any, sizeof(name.v4)) == 0 || errno != ECONNREFUSED)
        die("be refused by the hub");
    close(fd);
}

static void make_network(const struct policy *policy, struct question_place *place, struct error *err)
{
    struct member_request request = {
        .policy = policy, .role = policy_role_find(policy, "agent"), .id = "one"};
    uint32_t address = 0;

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("run", "/run", "tmpfs", 0, NULL) < 0)
        die("needs root");
    *place = (struct question_place){.policy = policy, .host = make_namespace(err)};
    place->member = make_namespace(err);
    check(namespace_enter(place->host, err), err);
    place->hub = hub_ensure(policy, place->host, err);
    check(place->hub, err);
    request.hub = place->hub;
    request.netns = place->member;
    request.host_netns = place->host;
    check(member_attach(&request, &address, err), err);
    listen_as_proxy(policy->proxy_address);
    check(namespace_enter(place->member, err), err);
    be_refused(policy->proxy_address);
}

static void record(const char *directory, size_t number, const struct question_place *place)
{
    const struct question *question = &questions[number];
    struct error err = {.number = 0};
    char path[4096];
    int result = namespace_enter(strcmp(question->name, "sockets") == 0 ? place->host : place->hub, &err);

    check(result, &err);
    snprintf(path, sizeof(path), "%s/%s", directory, question->name);
    out = fopen(path, "we");
    if (out == NULL)
        die(path);
    fputc((int)number, out);
    result = question->ask(place, &err);
    check(result, &err);
    fclose(take_pointer(out));
    printf("%s: %d\n", question->name, result);
}

int main(int argc, char **argv)
{
    struct question_place place;
    struct policy policy;
    struct error err = {.number = 0};

    if (argc != 2)
        die("usage: record DIRECTORY");
    check(policy_parse(question_policy, strlen(question_policy), "FILE", "hermes", &policy, &err), &err);
    make_network(&policy, &place, &err);
    for (size_t i = 0; i < questions_count; i++)
        record(argv[1], i, &place);
    policy_free(&policy);
    return 0;
}
