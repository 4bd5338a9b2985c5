/* SPDX-License-Identifier: Apache-2.0
 *
 * Members in the real kernel: attached whole or not at all, each with an address of its own, held to it by
 * the hub's reverse path check. */
#include "netns/member.h"

#include "base/cleanup.h"
#include "netns/hub.h"
#include "netns/hub_foreign.h"
#include "netns/namespace.h"
#include "netns/netlink.h"
#include "tests/kernel/world.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NETWORK "sptmember"
#define HUB "ip netns exec sallyport-" NETWORK " "

static const char POLICY[] =
    "{\"version\": 1, \"subnet\": \"10.250.8.0/22\","
    "\"proxy\": {\"address\": \"10.250.8.2\", \"port\": 3128, \"at\": \"host\"},"
    "\"roles\": {"
    "\"agent\": {\"addresses\": \"10.250.9.0/24\", \"reach\": [\"proxy\", \"gateway:8642\"]},"
    "\"crowd\": {\"addresses\": \"10.250.10.0/23\", \"reach\": [\"proxy\"]},"
    "\"pair\": {\"addresses\": \"10.250.8.64/31\", \"reach\": [\"proxy\"]},"
    "\"keeper\": {\"addresses\": \"10.250.8.5\", \"reach\": [\"proxy\"], \"links\": \"keep\"},"
    "\"dashboard\": {\"addresses\": \"10.250.8.4\", \"reach\": []},"
    "\"gateway\": {\"addresses\": \"10.250.8.3\", \"reach\": [\"proxy\", \"dashboard:9119\"]}}}";

static struct policy policy;
static struct error err;
static int hub = -1;

static void set_up(void)
{
    world_enter();
    world_policy(NETWORK, POLICY, &policy);
    hub = hub_ensure(&policy, world_host(), &err);
    cr_assert(hub >= 0, "%s", err.text);
}

static void tear_down(void)
{
    cr_expect(hub_remove(NETWORK, world_host(), &err) == 0, "%s", err.text);
}

TestSuite(member, .init = set_up, .fini = tear_down, .timeout = 120);

static struct member_request make_request(int netns, const char *role, const char *id)
{
    const struct policy_role *found = policy_role_find(&policy, role);

    cr_assert(found != NULL);
    return (struct member_request){
        .policy = &policy, .role = found, .id = id, .hub = hub, .netns = netns, .host_netns = world_host()};
}

static int try_attach(int netns, const char *role, const char *id, uint32_t *ret_address)
{
    struct member_request request = make_request(netns, role, id);

    return member_attach(&request, ret_address, &err);
}

static uint32_t attach(int netns, const char *role, const char *id)
{
    uint32_t address = 0;

    cr_assert(try_attach(netns, role, id, &address) == 0, "%s", err.text);
    return address;
}

/* Expects the attach to be refused with a message that has all the parts in it. */
static void refuse_attach(int netns, const char *role, const char *id, int number, const char *part)
{
    uint32_t address = 0;

    cr_expect_eq(try_attach(netns, role, id, &address), -number, "%s", err.text);
    cr_expect(strstr(err.text, part) != NULL, "%s", err.text);
    cr_expect_eq(address, 0);
}

static unsigned count_members(void)
{
    cleanup_free struct hub_member *members = NULL;
    size_t count = 0;
    unsigned containers = 0;

    cr_assert(hub_members(hub, &members, &count, &err) == 0, "%s", err.text);
    for (size_t i = 0; i < count; i++)
        containers += !members[i].host;
    return containers;
}

/* Namespaces die asynchronously: waits until their members are gone, at most 10 s. */
static unsigned wait_for_members(unsigned wanted)
{
    uint64_t deadline = world_microseconds() + 10 * 1000000;

    while (count_members() != wanted && world_microseconds() < deadline)
        poll(NULL, 0, 5);
    return count_members();
}

static int verify(int netns, const char *role, const char *id)
{
    struct member_request request = make_request(netns, role, id);

    return member_verify(&request, &err);
}

Test(member, reaches_the_proxy_and_no_other_port)
{
    cleanup_close int netns = world_namespace();
    pid_t proxy = world_serve(-1, "10.250.8.2", 3128);
    pid_t other = world_serve(-1, "10.250.8.2", 22);

    attach(netns, "agent", "one");
    /* At once: a link that is not ready yet would lose the first packet and need a second for the next. */
    cr_expect_eq(world_connect(netns, "10.250.8.2", 3128), 0);
    cr_expect_eq(world_connect(netns, "10.250.8.2", 22), ECONNREFUSED);
    cr_expect(verify(netns, "agent", "one") == 0, "%s", err.text);
    world_stop(proxy);
    world_stop(other);
}

/* Kernels before 6.3 know none. */
static void expect_segments(int netns, const char *name)
{
    cleanup_close int own = namespace_open_own(&err);
    cleanup_netlink struct netlink *netlink = NULL;
    struct link link;

    cr_assert_eq(netlink_open_in(netns, own, NETLINK_ROUTE, &netlink, &err), 0, "%s", err.text);
    cr_assert_eq(link_find(netlink, name, &link, &err), 0, "%s", err.text);
    cr_expect(link.settings.segment == LINK_SEGMENT || link.settings.segment == 0, "%s: %u", name,
              link.settings.segment);
}

/* What the other rooms and the administrator's `ip link` rely on: the names, and what the kernel would choose
 * otherwise by its own defaults. */
Test(member, link_is_named_and_shaped_as_designed)
{
    cleanup_close int netns = world_namespace();

    attach(netns, "gateway", "the-id");
    cr_expect_eq(world_run(netns, "ip -d link show sp0 | grep -q 'mtu 1500 .*'"), 0);
    cr_expect_eq(world_run(netns, "ip -d link show sp0 | grep -q 'numtxqueues 1 numrxqueues 1'"), 0);
    cr_expect_eq(world_run(netns, "ip link show sp0 | grep -q 'NOARP,UP'"), 0);
    expect_segments(netns, "sp0");
    expect_segments(hub, "sp0afa0803");
    cr_expect_eq(world_run(netns, "ip link show sp0 | grep -q '02:53:0a:fa:08:03'"), 0);
    cr_expect_eq(world_run(netns, "grep -q 1 /proc/sys/net/ipv6/conf/sp0/disable_ipv6"), 0);
    cr_expect_eq(world_run(netns, "ip -6 route | grep -q '^unreachable default'"), 0);
    cr_expect_eq(
        world_run(netns, "ip neigh | grep -q '^169.254.0.1 dev sp0 lladdr 02:54:0a:fa:08:03 PERMANENT'"), 0);
    cr_expect_eq(world_run(hub, "ip link show c-the-id | grep -q sp0afa0803"), 0);
    cr_expect_eq(world_run(hub, "ip link show sp0afa0803 | grep -q 'alias gateway'"), 0);
    cr_expect_eq(world_run(hub, "ip -d link show sp0afa0803 | grep -q 'numtxqueues 1 numrxqueues 1'"), 0);
    cr_expect_eq(
        world_run(hub, "ip neigh | grep -q '10.250.8.3 dev sp0afa0803 lladdr 02:53:0a:fa:08:03 PERM'"), 0);
    cr_expect_eq(world_run(hub, "ip route | grep -q '^10.250.8.3 dev sp0afa0803'"), 0);
}

/* Some engines take IPv6 away altogether. */
Test(member, may_have_no_ipv6)
{
    cleanup_close int netns = world_namespace();

    cr_assert_eq(world_run(netns, "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6"), 0);
    attach(netns, "agent", "one");
    cr_expect(verify(netns, "agent", "one") == 0, "%s", err.text);
    cr_expect_neq(world_run(netns, "ip -6 route get 2001:db8::1"), 0);
}

Test(member, reaches_another_by_policy)
{
    cleanup_close int agent = world_namespace();
    cleanup_close int gateway = world_namespace();
    pid_t allowed = 0;
    pid_t denied = 0;

    attach(agent, "agent", "a");
    attach(gateway, "gateway", "g");
    allowed = world_serve(gateway, "10.250.8.3", 8642);
    denied = world_serve(gateway, "10.250.8.3", 8643);
    cr_expect_eq(world_connect(agent, "10.250.8.3", 8642), 0);
    cr_expect_eq(world_connect(agent, "10.250.8.3", 8643), ECONNREFUSED);
    world_stop(allowed);
    world_stop(denied);
}

Test(member, the_proxy_may_be_one)
{
    static const char text[] =
        "{\"version\": 1, \"subnet\": \"10.250.12.0/24\","
        "\"proxy\": {\"address\": \"10.250.12.2\", \"port\": 3128, \"at\": \"member\"},"
        "\"roles\": {\"agent\": {\"addresses\": \"10.250.12.64/26\", \"reach\": [\"proxy\"]}}}";
    cleanup_close int agent = world_namespace();
    cleanup_close int proxy = world_namespace();
    pid_t server = 0;

    tear_down();
    policy_free(&policy);
    world_policy(NETWORK, text, &policy);
    close(hub);
    hub = hub_ensure(&policy, world_host(), &err);
    cr_assert(hub >= 0, "%s", err.text);
    cr_assert_eq(world_run(proxy,
                           "ip link add eth0 type veth peer name far && ip link set eth0 up && "
                           "ip addr add 198.51.100.2/24 dev eth0 && ip route add default via 198.51.100.1"),
                 0);
    attach(agent, "agent", "a");
    cr_expect_eq(attach(proxy, "proxy", "p"), policy.proxy_address);
    cr_expect_eq(world_run(proxy, "ip route get 203.0.113.1 | grep -q 'dev eth0'"), 0,
                 "it keeps its way out");
    cr_expect(verify(proxy, "proxy", "p") == 0, "%s", err.text);
    server = world_serve(proxy, "10.250.12.2", 3128);
    cr_expect_eq(world_connect(agent, "10.250.12.2", 3128), 0);
    world_stop(server);
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a;
    uint64_t second = *(const uint64_t *)b;

    return (first > second) - (first < second);
}

Test(member, three_hundred_have_addresses_of_their_own)
{
    enum { MEMBERS = 300 };
    static int namespaces[MEMBERS];
    static uint64_t took[MEMBERS];
    static bool seen[512];

    for (size_t i = 0; i < MEMBERS; i++) {
        char id[16];
        uint32_t address = 0;
        uint64_t start = 0;

        snprintf(id, sizeof(id), "crowd-%zu", i);
        namespaces[i] = world_namespace();
        start = world_microseconds();
        address = attach(namespaces[i], "crowd", id);
        took[i] = world_microseconds() - start;
        cr_assert(address >= 0x0afa0a00 && address <= 0x0afa0bff);
        cr_assert(!seen[address - 0x0afa0a00], "address %08x given twice", address);
        seen[address - 0x0afa0a00] = true;
    }
    cr_expect_eq(count_members(), MEMBERS);
    cr_expect_eq(world_run(namespaces[MEMBERS - 1], "grep -q 1 /proc/sys/net/ipv6/conf/sp0/disable_ipv6"), 0);
    qsort(took, MEMBERS, sizeof(took[0]), compare_numbers);
    fprintf(stderr, "one attach: median %lu us, p95 %lu us\n", (unsigned long)took[MEMBERS / 2],
            (unsigned long)took[MEMBERS * 95 / 100]);
    for (size_t i = 0; i < MEMBERS; i++)
        close(namespaces[i]);
    cr_expect_eq(wait_for_members(0), 0);
    cr_expect_eq(world_lines(hub, "ip route"), 3, "only the uplink's and that of absent members are left");
}

/* Attaches in a child. Returns its pid; it exits with 0 if it got an address. */
static pid_t attach_in_child(int netns, const char *role, const char *id)
{
    pid_t pid = fork();
    uint32_t address = 0;

    if (pid == 0)
        _exit(try_attach(netns, role, id, &address) == 0 ? 0 : 1);
    return pid;
}

static unsigned count_successes(const pid_t *children, size_t count)
{
    unsigned successes = 0;

    for (size_t i = 0; i < count; i++) {
        int status = 0;

        cr_assert(waitpid(children[i], &status, 0) == children[i]);
        successes += WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    return successes;
}

Test(member, many_at_the_same_time_have_addresses_of_their_own)
{
    enum { MEMBERS = 32 };
    int namespaces[MEMBERS];
    pid_t children[MEMBERS];

    for (size_t i = 0; i < MEMBERS; i++) {
        char id[16];

        snprintf(id, sizeof(id), "many-%zu", i);
        namespaces[i] = world_namespace();
        children[i] = attach_in_child(namespaces[i], "agent", id);
    }
    cr_expect_eq(count_successes(children, MEMBERS), MEMBERS);
    cr_expect_eq(count_members(), MEMBERS);
    cr_expect_eq(world_lines(hub, "ip route | grep 10.250.9"), MEMBERS);
    for (size_t i = 0; i < MEMBERS; i++) {
        char id[16];

        snprintf(id, sizeof(id), "many-%zu", i);
        cr_expect(verify(namespaces[i], "agent", id) == 0, "%s", err.text);
    }
}

Test(member, of_many_with_one_id_or_address_one_is_attached)
{
    enum { MEMBERS = 8 };
    int namespaces[MEMBERS];
    pid_t lives[MEMBERS];
    pid_t children[MEMBERS];

    for (size_t i = 0; i < MEMBERS; i++) {
        namespaces[i] = world_namespace();
        lives[i] = world_serve(namespaces[i], "0.0.0.0", 1);
    }
    for (size_t i = 0; i < MEMBERS; i++)
        children[i] = attach_in_child(namespaces[i], "agent", "one");
    cr_expect_eq(count_successes(children, MEMBERS), 1);
    cr_expect_eq(count_members(), 1);
    for (size_t i = 0; i < MEMBERS; i++)
        world_stop(lives[i]);
    cr_assert(member_detach(hub, "one", &err) >= 0, "%s", err.text);
    for (size_t i = 0; i < MEMBERS; i++)
        lives[i] = world_serve(namespaces[i], "0.0.0.0", 1);
    for (size_t i = 0; i < MEMBERS; i++) {
        char id[16];

        snprintf(id, sizeof(id), "many-%zu", i);
        children[i] = attach_in_child(namespaces[i], "gateway", id);
    }
    cr_expect_eq(count_successes(children, MEMBERS), 1);
    cr_expect_eq(count_members(), 1);
    for (size_t i = 0; i < MEMBERS; i++)
        world_stop(lives[i]);
}

Test(member, pool_says_when_it_is_exhausted)
{
    cleanup_close int first = world_namespace();
    cleanup_close int second = world_namespace();
    cleanup_close int third = world_namespace();

    cr_expect_neq(attach(first, "pair", "1"), attach(second, "pair", "2"));
    refuse_attach(third, "pair", "3", ENOSPC, "10.250.8.64");
    cr_expect(strstr(err.text, "pair") != NULL, "%s", err.text);
    cr_expect_eq(world_run(third, "ip link show sp0"), 1);
    cr_assert(member_detach(hub, "1", &err) >= 0, "%s", err.text);
    attach(third, "pair", "3");
}

Test(member, waits_for_a_dying_predecessor)
{
    for (unsigned i = 0; i < 20; i++) {
        cleanup_close int netns = world_namespace();
        char id[16];

        /* The last one's namespace was closed a moment ago; every second time the container is the same. */
        snprintf(id, sizeof(id), "life-%u", i / 2);
        cr_expect_eq(attach(netns, "gateway", id), 0x0afa0803);
    }
    for (unsigned i = 0; i < 20; i++) {
        cleanup_close int one = world_namespace();
        cleanup_close int other = world_namespace();
        char id[16];

        snprintf(id, sizeof(id), "pool-%u", i);
        attach(one, "pair", id);
        attach(other, "pair", "always-the-same");
    }
}

Test(member, fixed_address_is_refused_while_it_is_held)
{
    cleanup_close int first = world_namespace();
    cleanup_close int second = world_namespace();

    pid_t life = world_serve(first, "0.0.0.0", 1);
    uint64_t start = 0;

    attach(first, "gateway", "the-holder");
    start = world_microseconds();
    refuse_attach(second, "gateway", "another", EADDRINUSE, "the-holder");
    cr_expect_lt(world_microseconds() - start, 1000000, "nobody waits for the living");
    cr_expect_eq(count_members(), 1);
    cr_expect(verify(first, "gateway", "the-holder") == 0, "%s", err.text);
    world_stop(life);
}

/* A descriptor that outlives its container speaks with a dead container's address: fact 16. */
Test(member, detach_silences_what_a_stray_descriptor_keeps)
{
    int netns = world_namespace();
    cleanup_close int stray = -1;
    cleanup_close int successor = world_namespace();
    pid_t proxy = world_serve(-1, "10.250.8.2", 3128);

    attach(netns, "gateway", "one");
    cr_expect_eq(world_connect(netns, "10.250.8.2", 3128), 0);
    stray = dup(netns);
    close(netns);
    cr_expect_eq(world_connect(stray, "10.250.8.2", 3128), 0, "it does keep the link alive");
    cr_assert(member_detach(hub, "one", &err) >= 0, "%s", err.text);
    cr_expect_neq(world_connect(stray, "10.250.8.2", 3128), 0);
    attach(successor, "gateway", "two");
    cr_expect(member_detach(hub, "one", &err) >= 0, "%s", err.text);
    cr_expect(verify(successor, "gateway", "two") == 0, "%s", err.text);
    world_stop(proxy);
}

#define RETIRED "ip link show | grep -q ended-"

static unsigned count_foreign(void)
{
    struct findings findings = {.count = 0};

    cr_expect(hub_foreign(hub, policy.network, &policy, &findings, &err) == 0, "%s", err.text);
    return (unsigned)findings.count;
}

/* What is left of its link until its namespace ends: no name, no route, no life of its own; and it makes room
 * for the next one, also in the same namespace. */
Test(member, detached_is_nothing_of_the_hub)
{
    cleanup_close int netns = world_namespace();
    pid_t proxy = world_serve(-1, "10.250.8.2", 3128);
    int silent = world_namespace(); /* of which no other process has a copy */

    attach(netns, "gateway", "one");
    cr_assert(member_detach(hub, "one", &err) >= 0, "%s", err.text);
    cr_expect_eq(count_members(), 0);
    cr_expect_eq(world_lines(hub, "ip link show | grep 'ended-.* state DOWN'"), 1);
    cr_expect_eq(world_run(hub, "ip -details link show | grep -q altname"), 1);
    cr_expect_eq(world_lines(hub, "ip route"), 3, "only the uplink's and that of absent members are left");
    cr_expect_eq(count_foreign(), 0);
    cr_expect_eq(world_run(hub, "ip link set $(ip -o link | grep -o 'ended-[0-9]*') up"), 0);
    cr_expect_neq(world_connect(netns, "10.250.8.2", 3128), 0, "a route is what it takes beside");
    cr_expect_eq(count_foreign(), 1, "somebody has set it up again");
    cr_expect_eq(world_run(hub, "ip link set $(ip -o link | grep -o 'ended-[0-9]*') down"), 0);
    attach(netns, "gateway", "two");
    cr_expect_eq(world_run(hub, RETIRED), 1, "its end in the namespace made room");
    cr_expect_eq(world_connect(netns, "10.250.8.2", 3128), 0);
    attach(silent, "agent", "three");
    cr_assert(member_detach(hub, "three", &err) >= 0, "%s", err.text);
    cr_expect_eq(world_run(hub, RETIRED), 0);
    close(silent);
    for (uint64_t deadline = world_microseconds() + 5000000;
         world_run(hub, RETIRED) == 0 && world_microseconds() < deadline;)
        continue;
    cr_expect_eq(world_run(hub, RETIRED), 1, "it goes with its namespace");
    world_stop(proxy);
}

/* Also where a descriptor holds the namespace; nobody waits for it. */
Test(member, detached_is_tidied_up)
{
    cleanup_close int netns = world_namespace();
    uint64_t start = 0;

    attach(netns, "gateway", "one");
    cr_assert_eq(member_detach(hub, "one", &err), 1, "%s", err.text);
    start = world_microseconds();
    member_tidy(hub);
    while (world_run(hub, RETIRED) == 0 && world_microseconds() - start < 5 * 1000000)
        continue;
    cr_expect_eq(world_run(hub, RETIRED), 1);
    cr_expect_eq(world_run(netns, "ip link show sp0"), 1);
    cr_expect_eq(member_detach(hub, "one", &err), 0, "%s", err.text);
}

/* The end of a process that nobody has waited for yet. */
static void make_zombie(pid_t pid)
{
    siginfo_t info;

    cr_assert(kill(pid, SIGKILL) == 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
}

/* Runtimes clean up after a second container of that id as well, which was refused. */
Test(member, detach_leaves_the_living)
{
    cleanup_close int first = world_namespace();
    cleanup_close int second = world_namespace();
    pid_t proxy = world_serve(-1, "10.250.8.2", 3128);
    pid_t life = world_serve(first, "0.0.0.0", 1);
    char process[32];

    attach(first, "agent", "twin");
    refuse_attach(second, "agent", "twin", EBUSY, "attached already");
    cr_expect_eq(member_detach(hub, "twin", &err), -EBUSY);
    snprintf(process, sizeof(process), "process %d ", (int)life);
    cr_expect(strstr(err.text, process) != NULL && strstr(err.text, "twin") != NULL, "%s", err.text);
    cr_expect(verify(first, "agent", "twin") == 0, "%s", err.text);
    cr_expect_eq(world_connect(first, "10.250.8.2", 3128), 0);
    /* The same without its process, though a descriptor still holds the namespace. */
    make_zombie(life);
    cr_expect(member_detach(hub, "twin", &err) >= 0, "%s", err.text);
    cr_expect_eq(count_members(), 0);
    world_stop(life);
    world_stop(proxy);
}

/* As in a pod: the one that was attached ends first. The last one's end takes the link with it. */
Test(member, detach_leaves_who_shares_the_namespace)
{
    pid_t proxy = world_serve(-1, "10.250.8.2", 3128);
    int netns = world_namespace();
    pid_t attached = world_serve(netns, "0.0.0.0", 1);
    pid_t sharing = world_serve(netns, "0.0.0.0", 2);

    attach(netns, "agent", "attached");
    world_stop(attached);
    cr_expect_eq(member_detach(hub, "attached", &err), -EBUSY);
    cr_expect(member_detach(hub, "sharing", &err) >= 0, "%s", err.text);
    cr_expect_eq(world_connect(netns, "10.250.8.2", 3128), 0);
    close(netns);
    world_stop(sharing);
    cr_expect_eq(wait_for_members(0), 0);
    world_stop(proxy);
}

/* Processes that were killed with their container need a moment to go. */
Test(member, detach_waits_for_the_dying)
{
    for (unsigned i = 0; i < 20; i++) {
        cleanup_close int netns = world_namespace();
        pid_t life = world_serve(netns, "0.0.0.0", 1);

        attach(netns, "gateway", "one");
        cr_assert_eq(kill(life, SIGKILL), 0);
        cr_expect(member_detach(hub, "one", &err) >= 0, "%s", err.text);
        cr_expect_eq(count_members(), 0);
        world_stop(life);
    }
}

Test(member, with_the_same_id_is_refused)
{
    cleanup_close int first = world_namespace();
    cleanup_close int second = world_namespace();
    pid_t life = 0;

    attach(first, "agent", "twin");
    refuse_attach(first, "agent", "twin", EBUSY, "attached already");
    refuse_attach(first, "agent", "other", EEXIST, "sp0");
    life = world_serve(first, "0.0.0.0", 1);
    refuse_attach(second, "agent", "twin", EBUSY, "attached already");
    cr_expect_eq(count_members(), 1);
    world_stop(life);
    /* Nobody lives there any more, only our descriptor holds it. */
    attach(second, "agent", "twin");
    cr_expect_eq(count_members(), 1);
    cr_expect_eq(world_run(first, "ip link show sp0 | grep -q LOWER_UP"), 1);
}

Test(member, with_a_very_long_id_is_found_again)
{
    cleanup_close int first = world_namespace();
    cleanup_close int second = world_namespace();
    char id[1024];
    char other[1024];

    memset(id, 'x', sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    memcpy(other, id, sizeof(id));
    other[sizeof(other) - 2] = 'y';
    attach(first, "agent", id);
    attach(second, "agent", other);
    cr_expect(member_detach(hub, id, &err) >= 0, "%s", err.text);
    cr_expect_eq(world_run(first, "ip link show sp0 | grep -q LOWER_UP"), 1);
    cr_expect_eq(world_run(second, "ip link show sp0"), 0);
}

Test(member, leaves_nothing_when_it_cannot_be_attached)
{
    cleanup_close int netns = world_namespace();
    cleanup_close int old = dup(hub);

    cr_assert_eq(world_run(netns, "ip link add sp0 type veth peer name far"), 0);
    refuse_attach(netns, "agent", "one", EEXIST, "sp0");
    cr_expect_eq(count_members(), 0);
    cr_assert_eq(world_run(netns, "ip link del sp0; ip addr add 10.0.0.1/8 dev lo; ip link set lo up; "
                                  "ip route add 10.250.8.0/22 dev lo"),
                 0);
    refuse_attach(netns, "agent", "one", EEXIST, "route to the subnet");
    cr_expect_eq(count_members(), 0);
    cr_expect_eq(world_run(netns, "ip link show sp0"), 1);
    tear_down();
    hub = hub_ensure(&policy, world_host(), &err);
    cr_assert(hub >= 0, "%s", err.text);
    {
        struct member_request request = make_request(netns, "agent", "one");
        uint32_t address = 0;

        request.hub = old;
        cr_expect(member_attach(&request, &address, &err) < 0);
        cr_expect(strstr(err.text, "taken down meanwhile") != NULL, "%s", err.text);
    }
}

/* Sends one SYN from `source` to the proxy's port, past the member's own routing of source addresses. */
static void send_forged(int netns, const char *source)
{
    struct error ignored;
    struct {
        struct iphdr ip;
        struct tcphdr tcp;
    } packet = {.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP},
                .tcp = {.source = htons(4444), .dest = htons(3128), .doff = 5, .syn = 1}};
    union {
        struct sockaddr_in in;
        struct sockaddr any;
    } to = {.in = {.sin_family = AF_INET}};
    int fd = -1;

    cr_assert(namespace_enter(netns, &ignored) == 0);
    fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    cr_assert(namespace_enter(world_host(), &ignored) == 0);
    inet_pton(AF_INET, source, &packet.ip.saddr);
    inet_pton(AF_INET, "10.250.8.2", &packet.ip.daddr);
    to.in.sin_addr.s_addr = packet.ip.daddr;
    cr_assert(sendto(fd, &packet, sizeof(packet), 0, &to.any, sizeof(to.in)) == (ssize_t)sizeof(packet));
    close(fd);
}

/* How many packets with this source arrive on the host's end of the uplink. */
static unsigned count_arrivals(int capture, const char *source)
{
    struct in_addr wanted;
    unsigned arrivals = 0;
    struct pollfd wait = {.fd = capture, .events = POLLIN};

    inet_pton(AF_INET, source, &wanted);
    while (poll(&wait, 1, 100) > 0) {
        char frame[2048];
        struct iphdr header;
        ssize_t n = recv(capture, frame, sizeof(frame), 0);

        if (n < (ssize_t)(ETH_HLEN + sizeof(header)))
            continue;
        memcpy(&header, frame + ETH_HLEN, sizeof(header));
        arrivals += header.saddr == wanted.s_addr;
    }
    return arrivals;
}

static int open_capture(void)
{
    union {
        struct sockaddr_ll ll;
        struct sockaddr any;
    } link = {.ll = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP)}};
    int capture = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_IP));

    link.ll.sll_ifindex = (int)if_nametoindex("sp-" NETWORK);
    cr_assert(link.ll.sll_ifindex > 0 && bind(capture, &link.any, sizeof(link.ll)) == 0);
    return capture;
}

Test(member, cannot_send_from_another_address)
{
    cleanup_close int agent = world_namespace();
    cleanup_close int gateway = world_namespace();
    cleanup_close int capture = open_capture();
    uint32_t address = attach(agent, "agent", "a");
    char own[16];

    attach(gateway, "gateway", "g");
    policy_format_address(address, own);
    send_forged(agent, own);
    cr_expect_eq(count_arrivals(capture, own), 1, "what is not forged arrives");
    send_forged(agent, "10.250.8.3");
    send_forged(agent, "10.250.8.2");
    send_forged(agent, "10.250.8.1");
    send_forged(agent, "10.250.9.1");
    cr_expect_eq(count_arrivals(capture, "10.250.8.3"), 0);
    cr_expect_eq(count_arrivals(capture, own), 0);
    /* The wall taken away. */
    cr_assert_eq(world_run(hub, "for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done"), 0);
    send_forged(agent, "10.250.8.3");
    cr_expect_eq(count_arrivals(capture, "10.250.8.3"), 1);
}

Test(member, has_no_route_but_to_the_subnet)
{
    cleanup_close int netns = world_namespace();

    attach(netns, "agent", "one");
    cr_expect_eq(world_connect(netns, "203.0.113.1", 80), EHOSTUNREACH);
    cr_expect_eq(world_run(netns, "ip -6 route get 2001:db8::1 2>&1 | grep -q 'No route to host'"), 0);
    cr_expect_eq(world_lines(netns, "ip -6 -o addr show dev sp0"), 0);
    cr_expect_eq(world_run(netns, "ping -6 -c 1 -W 1 ::1 || ip -6 addr show dev lo | grep -q ::1"), 0);
    /* The wall taken away: the kernel knows no way, but says so differently. */
    cr_assert_eq(world_run(netns, "ip route del unreachable default"), 0);
    cr_expect_eq(world_connect(netns, "203.0.113.1", 80), ENETUNREACH);
    cr_expect(verify(netns, "agent", "one") < 0);
}

/* What an engine leaves behind when it attaches its own network first. */
static const char ENGINE[] =
    "ip link add eth0 type veth peer name far && ip link set eth0 up && ip link set far up && ip link set lo "
    "up && "
    "ip addr add 198.51.100.2/24 dev eth0 && ip route add default via 198.51.100.1 && "
    "ip route add blackhole 203.0.113.0/24 && ip route add 203.0.113.0/24 dev lo table 77 && "
    "ip -6 addr add 2001:db8::2/64 dev eth0 nodad && ip -6 route add default via 2001:db8::1 && "
    "ip -6 route add unreachable 2001:db8:1::/48 && ip rule add fwmark 1 lookup 77 && ip -6 rule add fwmark "
    "1 lookup 77";

static void keep_capabilities(uint32_t kept)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{.effective = kept, .permitted = kept}};

    if (syscall(SYS_capset, &header, data) < 0)
        _exit(9);
}

/* The hook has given up everything else by then. */
Test(member, is_attached_with_three_capabilities)
{
    cleanup_close int netns = world_namespace();
    int status = 0;
    uint32_t address = 0;
    pid_t pid = fork();

    if (pid == 0) {
        keep_capabilities(1U << CAP_SYS_ADMIN | 1U << CAP_NET_ADMIN | 1U << CAP_SYS_PTRACE);
        status = try_attach(netns, "gateway", "one", &address);
        if (status < 0)
            fprintf(stderr, "%s\n", err.text);
        _exit(status == 0 && member_detach(hub, "one", &err) >= 0 &&
                      try_attach(netns, "gateway", "one", &address) == 0
                  ? 0
                  : 1);
    }
    cr_assert(waitpid(pid, &status, 0) == pid);
    cr_expect_eq(status, 0);
    cr_expect(verify(netns, "gateway", "one") == 0, "%s", err.text);
}

/* In a child with these capabilities, in the namespace; and where `covered` without the machine's procfs. */
static int write_apart(int netns, const char *value, uint32_t capabilities, bool covered)
{
    static const char name[] = "net/ipv4/conf/default/log_martians";
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        if (namespace_enter(netns, &err) < 0 ||
            (covered && (unshare(CLONE_NEWNS) < 0 || mount("none", "/proc", "tmpfs", 0, NULL) < 0 ||
                         namespace_sysctl(name, value, &err) != -ENOENT)))
            _exit(8);
        keep_capabilities(capabilities);
        _exit(namespace_sysctl_apart(name, value, &err) == 0 ? 0 : 1);
    }
    cr_assert(waitpid(pid, &status, 0) == pid);
    return status;
}

/* As beside many others: a procfs of its own is that of the same namespace, and without one it works, too. */
Test(member, settings_are_written_apart)
{
    static const char reads_1[] = "grep -q 1 /proc/sys/net/ipv4/conf/default/log_martians";
    cleanup_close int netns = world_namespace();

    cr_expect_neq(world_run(netns, reads_1), 0);
    cr_expect_eq(write_apart(netns, "1", 1U << CAP_SYS_ADMIN, true), 0);
    cr_expect_eq(world_run(netns, reads_1), 0);
    cr_expect_neq(world_run(-1, reads_1), 0);
    cr_expect_eq(write_apart(netns, "0", 0, false), 0);
    cr_expect_neq(world_run(netns, reads_1), 0);
    cr_expect_neq(write_apart(netns, "1", 0, true), 0);
}

/* Who cannot see whether anybody lives there does not delete. */
Test(member, is_not_detached_blindly)
{
    cleanup_close int netns = world_namespace();
    int status = 0;
    pid_t pid = 0;

    attach(netns, "gateway", "one");
    pid = fork();
    if (pid == 0) {
        keep_capabilities(1U << CAP_SYS_ADMIN | 1U << CAP_NET_ADMIN);
        _exit(member_detach(hub, "one", &err) == -EACCES && strstr(err.text, "CAP_SYS_PTRACE") != NULL ? 0
                                                                                                       : 1);
    }
    cr_assert(waitpid(pid, &status, 0) == pid);
    cr_expect_eq(status, 0);
    cr_expect(verify(netns, "gateway", "one") == 0, "%s", err.text);
    cr_expect(member_detach(hub, "one", &err) >= 0, "%s", err.text);
}

/* A network namespace that belongs to a user namespace (userns-remap, --uidmap), with a process in it. */
static int namespace_of_another_user(pid_t *ret_pid)
{
    int ready[2];
    char byte = 0;
    char command[128];
    int pidfd = -1;
    int netns = -1;

    cr_assert(pipe(ready) == 0);
    *ret_pid = fork();
    if (*ret_pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 && write(ready[1], "r", 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    close(ready[1]);
    cr_assert(read(ready[0], &byte, 1) == 1);
    snprintf(command, sizeof(command),
             "echo 0 100000 1000 > /proc/%d/uid_map && echo 0 100000 1000 > /proc/%d/gid_map", (int)*ret_pid,
             (int)*ret_pid);
    cr_assert_eq(world_run(-1, command), 0);
    cr_assert(namespace_open_process(*ret_pid, &pidfd, &netns, &err) == 0, "%s", err.text);
    close(pidfd);
    return netns;
}

Test(member, may_belong_to_another_user)
{
    pid_t life = 0;
    cleanup_close int netns = namespace_of_another_user(&life);
    pid_t proxy = world_serve(-1, "10.250.8.2", 3128);

    attach(netns, "agent", "one");
    cr_expect_eq(world_connect(netns, "10.250.8.2", 3128), 0);
    cr_expect(verify(netns, "agent", "one") == 0, "%s", err.text);
    cr_assert_eq(world_run(netns, ENGINE), 0);
    cr_assert(member_remove_foreign(netns, &err) == 0, "%s", err.text);
    cr_expect(verify(netns, "agent", "one") == 0, "%s", err.text);
    world_stop(proxy);
    world_stop(life);
}

static void expect_sealed(int netns)
{
    struct member_links links;

    cr_assert(member_inspect(netns, hub, &links, &err) == 0, "%s", err.text);
    cr_expect(links.sealed && links.foreign == 0);
    cr_expect(verify(netns, "agent", "one") == 0, "%s", err.text);
    cr_expect_eq(world_lines(netns, "ip rule; ip -6 rule"), 5);
    cr_expect_eq(world_lines(netns, "ip route show table all | grep -v 'table local'"), 3);
    cr_expect_eq(world_connect(netns, "203.0.113.1", 80), EHOSTUNREACH);
}

Test(member, foreign_links_are_removed_before_attach)
{
    cleanup_close int netns = world_namespace();
    struct member_links links;

    cr_assert_eq(world_run(netns, ENGINE), 0);
    cr_assert(member_inspect(netns, hub, &links, &err) == 0, "%s", err.text);
    cr_expect(links.foreign == 2 && !links.sealed && links.first_foreign[0] != '\0');
    cr_assert(member_remove_foreign(netns, &err) == 0, "%s", err.text);
    attach(netns, "agent", "one");
    expect_sealed(netns);
}

Test(member, foreign_links_are_removed_after_attach)
{
    cleanup_close int netns = world_namespace();

    attach(netns, "agent", "one");
    cr_assert_eq(world_run(netns, ENGINE), 0, "an engine is not hindered by what attach has made");
    cr_expect(verify(netns, "agent", "one") < 0);
    cr_assert(member_remove_foreign(netns, &err) == 0, "%s", err.text);
    expect_sealed(netns);
}

Test(member, verify_sees_every_change)
{
    static const struct {
        const char *change;
        const char *part;
    } cases[] = {
        {"ip link set sp0 down", "not up"},
        {"ip addr flush dev sp0", "address"},
        {"ip addr add 10.250.8.3/32 dev sp0", "foreign address"},
        {"ip route del 10.250.8.0/22", "route to the subnet"},
        {"ip route del unreachable default", "unreachable"},
        {"ip route add 203.0.113.0/24 via 169.254.0.1 dev sp0 onlink", "foreign route"},
        {"ip route add default via 169.254.0.1 dev sp0 onlink table 9", "foreign route"},
        {"ip route add default dev lo", "foreign route"},
        {"ip -6 route add 2001:db8::/32 dev lo", "foreign route"},
        {"ip rule add to 1.1.1.1 lookup 9", "foreign routing rule"},
        {"ip link add eth0 type veth peer name far", "foreign interface"},
        {"ip link add tunl0 type veth peer name sit0", "foreign interface"},
        {"ip link set sp0 down; ip link set sp0 name eth0", "no sp0"},
        {"nft flush ruleset", "guard"},
        {"nft add rule inet sallyport output accept", "guard"},
        /* A link that is up keeps its name before Linux 6.2. */
        {"ip link set sp0 down; ip link set sp0 name old; ip link set old up;"
         "ip link add sp0 type veth peer name far",
         "foreign interface"},
    };

    for (size_t i = 0; i < array_size(cases); i++) {
        cleanup_close int netns = world_namespace();

        attach(netns, "agent", "one");
        cr_expect(verify(netns, "agent", "one") == 0, "%s", err.text);
        cr_assert_eq(world_run(netns, cases[i].change), 0, "%s", cases[i].change);
        cr_expect(verify(netns, "agent", "one") < 0, "%s", cases[i].change);
        cr_expect(strstr(err.text, cases[i].part) != NULL, "%s: %s", cases[i].change, err.text);
    }
}

Test(member, verify_knows_its_role_and_hub)
{
    cleanup_close int netns = world_namespace();
    struct member_request request;

    attach(netns, "agent", "one");
    cr_expect(verify(netns, "crowd", "one") < 0);
    cr_expect(strstr(err.text, "another role") != NULL, "%s", err.text);
    request = make_request(netns, "agent", "one");
    request.hub = world_host();
    cr_expect(member_verify(&request, &err) < 0);
    cr_expect(strstr(err.text, "does not lead to the hub") != NULL, "%s", err.text);
}

Test(member, a_role_may_keep_its_links)
{
    cleanup_close int netns = world_namespace();

    cr_assert_eq(world_run(netns, ENGINE), 0);
    attach(netns, "keeper", "one");
    cr_expect(verify(netns, "keeper", "one") == 0, "%s", err.text);
    cr_expect_eq(world_run(netns, "ip route get 192.0.2.1 | grep -q 'dev eth0'"), 0);
    cr_expect_eq(world_lines(netns, "ip -6 -o addr show dev sp0"), 0);
}

struct asking {
    struct netlink *other;
    int indexes[8];
    size_t count;
};

/* Takes a link of the list, and asks for another one meanwhile: its answer is longer than that of lo. */
static int ask_again(const struct nlmsghdr *message, void *data)
{
    const struct ifinfomsg *header = NLMSG_DATA(message);
    struct asking *asking = data;
    struct link link;

    cr_assert_lt(asking->count, array_size(asking->indexes));
    cr_assert(link_find(asking->other, "sp-" NETWORK, &link, &err) == 0, "%s", err.text);
    asking->indexes[asking->count++] = header->ifi_index;
    return 0;
}

Test(member, question_in_the_middle_of_an_answer)
{
    const struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    cleanup_netlink struct netlink *netlink = NULL;
    struct asking asking = {.count = 0};
    cleanup_free struct link *links = NULL;
    size_t count = 0;

    cr_assert(netlink_open(NETLINK_ROUTE, &netlink, &err) == 0, "%s", err.text);
    cr_assert(netlink_open(NETLINK_ROUTE, &asking.other, &err) == 0, "%s", err.text);
    netlink_batch_add(batch, RTM_GETLINK, NLM_F_DUMP, &header, sizeof(header), "list links");
    cr_assert(netlink_query(netlink, batch, ask_again, &asking, &err) == 0, "%s", err.text);
    cr_assert(link_list(netlink, &links, &count, &err) == 0, "%s", err.text);
    cr_assert_eq(asking.count, count);
    cr_assert_geq(count, 2); /* lo and the uplink */
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(asking.indexes[i], links[i].index);
    netlink_close(asking.other);
}
