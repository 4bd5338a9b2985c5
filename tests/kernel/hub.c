/* SPDX-License-Identifier: Apache-2.0
 *
 * The hub in the real kernel: made once and whole, found again, reloaded, taken down without a trace. */
#include "netns/hub.h"

#include "base/cleanup.h"
#include "netns/member.h"
#include "tests/kernel/world.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NETWORK "spthub"
#define PIN "/run/netns/sallyport-" NETWORK
#define HUB "ip netns exec sallyport-" NETWORK " "

/* A policy with what the tests change left open. */
struct shape {
    const char *subnet;
    const char *at;
    const char *agents;
    const char *publish;
    unsigned port;
};

static const struct shape USUAL = {
    .subnet = "10.250.7.0/24", .at = "host", .agents = "10.250.7.64/26", .publish = "", .port = 3128};

static struct policy policy;
static struct error err;
static unsigned routes_before; /* of the host: Linux before 5.18 has one more of lo's */

static void shape_policy(const struct shape *shape, struct policy *ret)
{
    char text[1024];

    snprintf(text, sizeof(text),
             "{\"version\": 1, \"subnet\": \"%s\","
             "\"proxy\": {\"address\": \"10.250.7.2\", \"port\": %u, \"at\": \"%s\"},"
             "\"roles\": {\"agent\": {\"addresses\": \"%s\", \"reach\": [\"proxy\"]},"
             "\"dashboard\": {\"addresses\": \"10.250.7.4\", \"reach\": [], \"publish\": [%s]}}}",
             shape->subnet, shape->port, shape->at, shape->agents, shape->publish);
    world_policy(NETWORK, text, ret);
}

static void set_up(void)
{
    world_enter();
    shape_policy(&USUAL, &policy);
    routes_before = world_lines(-1, "ip route show table all");
}

TestSuite(hub, .init = set_up, .timeout = 300);

/* What the host has before there is a network, and must have again. */
static void expect_clean_host(void)
{
    cr_expect_eq(world_lines(-1, "ip -o link"), 1, "links of the host");
    cr_expect_eq(world_lines(-1, "ip rule"), 3, "rules of the host");
    cr_expect_eq(world_lines(-1, "ip route show table all"), routes_before, "routes of the host");
    cr_expect_eq(world_lines(-1, "nft list ruleset"), 0, "tables of the host");
    cr_expect(access(PIN, F_OK) != 0, "the pin");
}

static void expect_uplink(bool wanted)
{
    cr_expect_eq(world_run(-1, "ip link show sp-" NETWORK) == 0, wanted, "link");
    cr_expect_eq(world_run(-1, "ip rule | grep -q '^900:.*10.250.7.0/24 iif lo'") == 0, wanted, "rule");
    cr_expect_eq(world_run(-1, "ip route get 10.250.7.70 | grep -q 'dev sp-" NETWORK ".*src 10.250.7.1'") ==
                     0,
                 wanted, "route");
    cr_expect_eq(world_run(-1, "nft list table inet sallyport-" NETWORK) == 0, wanted, "table");
}

static int ensure(void)
{
    int hub = hub_ensure(&policy, world_host(), &err);

    cr_assert(hub >= 0, "%s", err.text);
    return hub;
}

static void reload(const struct shape *shape)
{
    struct policy changed;

    shape_policy(shape, &changed);
    cr_assert(hub_reload(&changed, world_host(), &err) == 0, "%s", err.text);
    policy_free(&changed);
}

/* Expects the reload to be refused with a message that has `part` in it, and the hub to be as before. */
static void refuse_reload(const struct shape *shape, int hub, const char *part)
{
    struct policy changed;

    shape_policy(shape, &changed);
    cr_expect_eq(hub_reload(&changed, world_host(), &err), -EBUSY);
    cr_expect(strstr(err.text, part) != NULL, "%s", err.text);
    cr_expect(hub_check(&policy, hub, &err) == 0, "%s", err.text);
    policy_free(&changed);
}

static void remove_hub(void)
{
    cr_expect(hub_remove(NETWORK, world_host(), &err) == 0, "%s", err.text);
    expect_clean_host();
}

static void attach(int hub, int netns, const char *role, const char *id)
{
    struct member_request request = {.policy = &policy,
                                     .role = policy_role_find(&policy, role),
                                     .id = id,
                                     .hub = hub,
                                     .netns = netns,
                                     .host_netns = world_host()};
    uint32_t address = 0;

    cr_assert(member_attach(&request, &address, &err) == 0, "%s", err.text);
}

static ino_t inode_of(int fd)
{
    struct stat status;

    cr_assert(fstat(fd, &status) == 0);
    return status.st_ino;
}

Test(hub, is_made_found_and_removed)
{
    cleanup_close int first = -1;
    cleanup_close int second = -1;

    expect_clean_host();
    cr_expect_eq(hub_open(NETWORK, &err), -ENOENT);
    cr_expect(strstr(err.text, "sallyport network up " NETWORK) != NULL, "%s", err.text);
    first = ensure();
    second = ensure();
    cr_expect_eq(inode_of(first), inode_of(second));
    expect_uplink(true);
    cr_expect_eq(world_run(-1, HUB "ip link show sp0afa0702"), 0);
    cr_expect_eq(world_run(-1, "ip -4 addr show sp-" NETWORK " | grep -q '10.250.7.1/32 scope link'"), 0);
    cr_expect_eq(world_run(-1, "ip -4 addr show sp-" NETWORK " | grep -q '10.250.7.2/32 scope link'"), 0);
    cr_expect_eq(world_lines(-1, "ip -6 addr show dev sp-" NETWORK), 0);
    cr_expect_eq(world_lines(-1, HUB "ip -o addr show scope global"), 0, "a hub has no address");
    cr_expect_eq(world_lines(-1, "ip route show table main"), 0,
                 "only the host's own packets find the subnet");
    remove_hub();
    remove_hub();
}

Test(hub, relies_on_no_inherited_sysctl)
{
    static const char *const zero[] = {"accept_local",   "route_localnet",      "proxy_arp",
                                       "bc_forwarding",  "accept_source_route", "accept_redirects",
                                       "send_redirects", "log_martians"};
    cleanup_close int hub = ensure();

    for (size_t i = 0; i < array_size(zero); i++) {
        char command[256];

        snprintf(command, sizeof(command),
                 "cd /proc/sys/net/ipv4/conf && grep -L '^0' all/%s default/%s sp*/%s", zero[i], zero[i],
                 zero[i]);
        cr_expect_eq(world_lines(hub, command), 0, "%s", zero[i]);
    }
    cr_expect_eq(world_lines(hub,
                             "cd /proc/sys/net/ipv4/conf && grep -l '^1' all/rp_filter default/rp_filter "
                             "sp*/rp_filter"),
                 3);
    cr_expect_eq(world_lines(hub, "cd /proc/sys/net/ipv6/conf && grep -l '^1' all/disable_ipv6 "
                                  "default/disable_ipv6 sp*/disable_ipv6"),
                 3);
    cr_expect_eq(world_run(hub, "grep -q 1 /proc/sys/net/ipv4/ip_forward"), 0);
    cr_expect_eq(world_run(-1, "grep -q 0 /proc/sys/net/ipv4/conf/sp-" NETWORK "/forwarding"), 0);
    remove_hub();
}

Test(hub, replaces_a_leftover_file)
{
    cleanup_close int hub = -1;

    cr_assert_eq(world_run(-1, "mkdir -p /run/netns && echo > " PIN), 0);
    cr_expect_eq(hub_open(NETWORK, &err), -ENOENT);
    hub = ensure();
    remove_hub();
    cr_assert_eq(world_run(-1, "echo > " PIN), 0);
    remove_hub();
}

/* A hub that is not to be found but lives, as in another mount namespace, keeps its uplink. */
Test(hub, does_not_rob_another_of_its_uplink)
{
    int old = ensure();
    cleanup_close int new = -1;

    cr_assert_eq(world_run(-1, "umount -l " PIN), 0);
    cr_expect(hub_ensure(&policy, world_host(), &err) < 0);
    cr_expect(strstr(err.text, "another hub") != NULL, "%s", err.text);
    cr_expect_eq(world_run(old, "ip link show sp0afa0702"), 0);
    expect_uplink(true);
    close(old);
    new = ensure();
    expect_uplink(true);
    remove_hub();
}

Test(hub, is_taken_down_even_where_it_is_not_found)
{
    cleanup_close int old = ensure();
    cleanup_close int new = -1;

    cr_assert_eq(world_run(-1, "umount -l " PIN), 0);
    remove_hub();
    new = ensure();
    cr_expect_neq(inode_of(old), inode_of(new));
    cr_expect_eq(world_lines(old, "ip -o link show type veth"), 0);
    expect_uplink(true);
    remove_hub();
}

Test(hub, is_made_once_by_eight_at_the_same_time)
{
    pid_t children[8];
    ino_t inodes[8];
    int ends[2];

    cr_assert(pipe(ends) == 0);
    for (size_t i = 0; i < array_size(children); i++) {
        children[i] = fork();
        if (children[i] == 0) {
            int hub = hub_ensure(&policy, world_host(), &err);
            struct stat status = {.st_ino = 0};

            if (hub < 0 || fstat(hub, &status) < 0)
                fprintf(stderr, "%s\n", err.text);
            _exit(write(ends[1], &status.st_ino, sizeof(status.st_ino)) > 0 ? 0 : 1);
        }
    }
    for (size_t i = 0; i < array_size(children); i++) {
        cr_assert(read(ends[0], &inodes[i], sizeof(inodes[i])) == sizeof(inodes[i]));
        cr_assert(waitpid(children[i], NULL, 0) == children[i]);
        cr_expect(inodes[i] != 0 && inodes[i] == inodes[0]);
    }
    cr_expect_eq(world_lines(-1, "ip rule"), 4);
    remove_hub();
}

Test(hub, refuses_a_subnet_that_the_host_knows)
{
    static const struct {
        const char *set;
        const char *unset;
        const char *part;
    } cases[] = {
        {"ip route add 10.250.0.0/16 dev d0", "ip route del 10.250.0.0/16", "10.250.0.0/16"},
        {"ip route add 10.250.7.200/32 dev d0", "ip route del 10.250.7.200/32", "10.250.7.200/32"},
        {"ip addr add 10.250.7.9/32 dev d0", "ip addr flush dev d0", "10.250.7.9/32"},
        {"ip route add 10.250.6.0/23 dev d0 table 184157696", "ip route flush table 184157696",
         "10.250.6.0/23"},
    };

    cr_assert_eq(world_run(-1, "ip link add d0 type veth peer name d1 && ip link set d0 up"), 0);
    for (size_t i = 0; i < array_size(cases); i++) {
        cr_assert_eq(world_run(-1, cases[i].set), 0);
        cr_expect(hub_ensure(&policy, world_host(), &err) < 0);
        cr_expect(strstr(err.text, cases[i].part) != NULL && strstr(err.text, "10.250.7.0/24") != NULL, "%s",
                  err.text);
        cr_assert_eq(world_run(-1, cases[i].unset), 0, "%s", cases[i].unset);
    }
    /* Both forms of a default route are none of our business. */
    cr_assert_eq(world_run(-1, "ip route add default dev d0 && ip route add 0.0.0.0/1 dev d0"), 0);
    close(ensure());
    cr_assert_eq(world_run(-1, "ip link del d0"), 0);
    remove_hub();
}

Test(hub, leaves_nothing_when_it_cannot_be_made)
{
    cr_assert_eq(world_run(-1, "echo > /run/netns"), 0);
    cr_expect(hub_ensure(&policy, world_host(), &err) < 0);
    cr_expect(strstr(err.text, "/run/netns") != NULL, "%s", err.text);
    expect_clean_host();
    cr_assert_eq(world_run(-1, "rm /run/netns && ip link add sp-" NETWORK " type veth peer name d1"), 0);
    cr_expect(hub_ensure(&policy, world_host(), &err) < 0);
    cr_expect(strstr(err.text, "sp-" NETWORK) != NULL, "%s", err.text);
    cr_assert_eq(world_run(-1, "ip link del sp-" NETWORK), 0, "a foreign link is left alone");
    expect_clean_host();
}

/* Any user of the machine can lock a directory that he can open. Returns the lock. */
static int lock_directory(void)
{
    int directory = open("/run/netns", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    cr_assert(directory >= 0 && flock(directory, LOCK_EX | LOCK_NB) == 0);
    return directory;
}

Test(hub, does_not_wait_for_ever_for_the_directory)
{
    int lock = -1;
    uint64_t start = 0;

    cr_assert_eq(world_run(-1, "mkdir /run/netns"), 0);
    lock = lock_directory();
    start = world_microseconds();
    cr_expect_eq(hub_ensure(&policy, world_host(), &err), -ETIMEDOUT);
    cr_expect_lt(world_microseconds() - start, 8 * 1000000);
    cr_expect(strstr(err.text, "/run/netns") != NULL && strstr(err.text, "lslocks") != NULL, "%s", err.text);
    expect_clean_host();
    close(lock);
    close(ensure());
    remove_hub();
    /* A mount of its own by now, for which no lock is needed. */
    lock = lock_directory();
    start = world_microseconds();
    close(ensure());
    cr_expect_lt(world_microseconds() - start, 4 * 1000000);
    remove_hub();
    close(lock);
}

Test(hub, with_other_rules_is_not_used)
{
    struct shape shape = USUAL;
    struct policy changed;
    int hub = -1;

    close(ensure());
    shape.port = 8080;
    shape_policy(&shape, &changed);
    hub = hub_ensure(&changed, world_host(), &err);
    cr_expect_eq(hub_check(&changed, hub, &err), -ESTALE);
    cr_expect(strstr(err.text, "network reload") != NULL, "%s", err.text);
    cr_assert(hub_reload(&changed, world_host(), &err) == 0, "%s", err.text);
    cr_expect(hub_check(&changed, hub, &err) == 0, "%s", err.text);
    close(hub);
    cr_expect_eq(world_run(-1, "nft list ruleset | grep -q '3128'"), 1, "the uplink's table is the new one");
    cr_expect_eq(world_run(-1, "nft list ruleset | grep -q '8080'"), 0);
    policy_free(&changed);
    remove_hub();
}

Test(hub, reload_refuses_what_members_would_not_survive)
{
    cleanup_close int hub = ensure();
    cleanup_close int netns = world_namespace();
    struct shape shape = USUAL;

    shape.subnet = "10.250.6.0/23";
    refuse_reload(&shape, hub, "10.250.6.0/23");
    shape = USUAL;
    shape.at = "member";
    refuse_reload(&shape, hub, "at member");
    attach(hub, netns, "agent", "the-agent");
    shape = USUAL;
    shape.agents = "10.250.7.8/29";
    refuse_reload(&shape, hub, "the-agent");
    cr_assert(member_detach(hub, "the-agent", &err) >= 0, "%s", err.text);
    reload(&shape);
    remove_hub();
}

Test(hub, reload_repairs_the_uplink)
{
    static const char *const damages[] = {
        "nft flush ruleset",
        "ip rule del priority 900",
        "ip link set sp-" NETWORK " down",
        "ip link del sp-" NETWORK,
        "ip neigh flush nud permanent; ip addr flush dev sp-" NETWORK,
    };
    cleanup_close int hub = ensure();
    cleanup_close int netns = world_namespace();

    attach(hub, netns, "agent", "one");
    for (size_t i = 0; i < array_size(damages); i++) {
        pid_t proxy = 0;

        cr_assert_eq(world_run(-1, damages[i]), 0, "%s", damages[i]);
        reload(&USUAL);
        expect_uplink(true);
        proxy = world_serve(-1, "10.250.7.2", 3128);
        cr_expect_eq(world_connect(netns, "10.250.7.2", 3128), 0, "after %s", damages[i]);
        world_stop(proxy);
    }
    remove_hub();
}

/* A network whose proxy is a member and that publishes nothing has no business with the host. */
Test(hub, has_an_uplink_only_if_there_is_a_use_for_it)
{
    struct shape shape = USUAL;
    cleanup_close int hub = -1;
    cleanup_close int netns = world_namespace();
    pid_t server = 0;

    shape.at = "member";
    policy_free(&policy);
    shape_policy(&shape, &policy);
    hub = ensure();
    expect_uplink(false);
    attach(hub, netns, "dashboard", "one");
    server = world_serve(netns, "10.250.7.4", 9119);
    cr_expect_neq(world_connect(-1, "10.250.7.4", 9119), 0);
    shape.publish = "\"127.0.0.1:9119:9119\"";
    reload(&shape);
    expect_uplink(true);
    cr_expect_eq(world_connect(-1, "10.250.7.4", 9119), 0);
    cr_expect_eq(world_lines(-1, "ip -4 -o addr show dev sp-" NETWORK), 1,
                 "the host's address, not the proxy's");
    shape.publish = "";
    reload(&shape);
    expect_uplink(false);
    world_stop(server);
    remove_hub();
}

Test(hub, lets_the_host_reach_published_ports_only)
{
    struct shape shape = USUAL;
    cleanup_close int hub = ensure();
    cleanup_close int netns = world_namespace();
    pid_t published = 0;
    pid_t other = 0;

    attach(hub, netns, "dashboard", "one");
    published = world_serve(netns, "10.250.7.4", 9119);
    other = world_serve(netns, "10.250.7.4", 22);
    cr_expect_eq(world_connect(-1, "10.250.7.4", 9119), ECONNREFUSED);
    shape.publish = "\"127.0.0.1:9119:9119\"";
    reload(&shape);
    cr_expect_eq(world_connect(-1, "10.250.7.4", 9119), 0);
    cr_expect_eq(world_connect(-1, "10.250.7.4", 22), ECONNREFUSED);
    reload(&USUAL);
    cr_expect_eq(world_connect(-1, "10.250.7.4", 9119), ECONNREFUSED);
    world_stop(published);
    world_stop(other);
    remove_hub();
}

static uint64_t packets_from_host(int hub)
{
    cleanup_free struct hub_member *members = NULL;
    size_t count = 0;

    cr_assert(hub_members(hub, &members, &count, &err) == 0, "%s", err.text);
    cr_assert(count > 0 && members[0].host);
    return members[0].sent_packets;
}

/* On a host that forwards, like every Docker host: nobody but the host itself finds a way to the subnet, and
 * that does not depend on nftables. */
Test(hub, is_not_reached_through_the_host)
{
    cleanup_close int hub = ensure();
    cleanup_close int lan = world_namespace();
    char command[64];

    cr_assert_eq(world_run(-1,
                           "ip link add d0 type veth peer name d1 && ip link set d0 up && "
                           "ip addr add 198.51.100.1/24 dev d0 && echo 1 > /proc/sys/net/ipv4/ip_forward"),
                 0);
    snprintf(command, sizeof(command), "ip link set d1 netns /proc/%d/fd/%d", (int)getpid(), lan);
    cr_assert_eq(world_run(-1, command), 0);
    cr_assert_eq(world_run(lan, "ip link set d1 up && ip addr add 198.51.100.2/24 dev d1 && "
                                "ip route add 10.250.7.0/24 via 198.51.100.1"),
                 0);
    cr_assert_eq(world_run(-1, "nft flush ruleset"), 0);
    cr_expect_neq(world_connect(lan, "10.250.7.70", 3128), 0);
    cr_expect_eq(packets_from_host(hub), 0);
    /* The wall taken away. */
    cr_assert_eq(world_run(-1, "ip route add 10.250.7.0/24 via 169.254.0.1 dev sp-" NETWORK " onlink"), 0);
    cr_expect_neq(world_connect(lan, "10.250.7.70", 3128), 0);
    cr_expect_gt(packets_from_host(hub), 0);
    cr_assert_eq(world_run(-1, "ip link del d0"), 0);
    remove_hub();
}

/* Somebody may clean /run/sallyport up, or open it to others. */
Test(hub, makes_its_state_directory_again)
{
    cleanup_close int hub = ensure();
    cleanup_close int netns = world_namespace();

    cr_assert_eq(world_run(-1, "rm -r /run/sallyport"), 0);
    attach(hub, netns, "agent", "one");
    cr_expect_eq(world_run(-1, "stat -c %a /run/sallyport | grep -q '^700$'"), 0);
    cr_assert_eq(world_run(-1, "chmod 777 /run/sallyport"), 0);
    cr_assert(member_detach(hub, "one", &err) >= 0, "%s", err.text);
    attach(hub, netns, "agent", "one");
    cr_expect_eq(world_run(-1, "stat -c %a /run/sallyport | grep -q '^700$'"), 0);
    cr_assert_eq(world_run(-1, "chown 1 /run/sallyport"), 0);
    cr_expect(hub_remove(NETWORK, world_host(), &err) < 0);
    cr_expect(strstr(err.text, "/run/sallyport") != NULL, "%s", err.text);
    cr_assert_eq(world_run(-1, "chown 0 /run/sallyport"), 0);
    remove_hub();
}

/* Two networks must not overlap, even if nobody compared their policy files. */
Test(hub, of_another_network_is_in_the_way)
{
    static const char text[] = "{\"version\": 1, \"subnet\": \"10.250.7.128/25\","
                               "\"proxy\": {\"address\": \"10.250.7.130\", \"port\": 1, \"at\": \"host\"},"
                               "\"roles\": {\"agent\": {\"addresses\": \"10.250.7.192/26\", \"reach\": []}}}";
    struct policy other;

    close(ensure());
    world_policy("sptother", text, &other);
    cr_expect(hub_ensure(&other, world_host(), &err) < 0);
    cr_expect(strstr(err.text, "10.250.7.0/24") != NULL, "%s", err.text);
    cr_expect_eq(world_run(-1, "ip link show sp-sptother"), 1);
    expect_uplink(true);
    remove_hub();
    close(hub_ensure(&other, world_host(), &err));
    cr_expect(hub_remove("sptother", world_host(), &err) == 0, "%s", err.text);
    expect_clean_host();
}

Test(hub, is_removed_with_half_of_it_missing)
{
    static const char *const damages[] = {
        "ip link del sp-" NETWORK, "nft flush ruleset", "ip rule del priority 900", "umount " PIN,
        "umount " PIN "; rm " PIN,
    };

    for (size_t i = 0; i < array_size(damages); i++) {
        close(ensure());
        cr_assert_eq(world_run(-1, damages[i]), 0, "%s", damages[i]);
        remove_hub();
    }
}

/* A process in the hub keeps the namespace; its links must go all the same. */
Test(hub, is_removed_with_somebody_in_it)
{
    cleanup_close int hub = ensure();
    cleanup_close int netns = world_namespace();

    attach(hub, netns, "agent", "one");
    remove_hub();
    cr_expect_eq(world_lines(hub, "ip -o link"), 1);
    cr_expect_eq(world_lines(netns, "ip -o link"), 1);
}

static int collect_name(const char *network, void *data)
{
    cr_assert(strlen(data) == 0, "more than one network: %s", network);
    snprintf(data, POLICY_NAME_SIZE, "%s", network);
    return 0;
}

Test(hub, is_listed_with_its_members)
{
    cleanup_close int hub = -1;
    cleanup_close int netns = world_namespace();
    cleanup_free struct hub_member *members = NULL;
    char name[POLICY_NAME_SIZE] = "";
    size_t count = 0;
    uint64_t packets = 0;
    uint64_t bytes = 0;

    cr_expect(hub_list(collect_name, name, &err) == 0 && name[0] == '\0');
    hub = ensure();
    cr_assert_eq(world_run(-1, "ip netns add other && echo > /run/netns/sallyport-leftover"), 0);
    cr_expect(hub_list(collect_name, name, &err) == 0, "%s", err.text);
    cr_expect_str_eq(name, NETWORK);
    attach(hub, netns, "dashboard", "the-id");
    cr_expect_eq(world_connect(netns, "10.250.7.2", 22), ECONNREFUSED);
    cr_assert(hub_members(hub, &members, &count, &err) == 0, "%s", err.text);
    cr_assert_eq(count, 2);
    cr_expect(members[0].host && members[0].address == policy.proxy_address && members[0].up);
    cr_expect(!members[1].host && members[1].address == 0x0afa0704 && members[1].up);
    cr_expect_str_eq(members[1].id, "the-id");
    cr_expect_str_eq(members[1].role, "dashboard");
    cr_expect_eq(members[1].sent_packets, 1);
    cr_expect_eq(members[1].received_packets, 1, "the refusal");
    cr_expect(hub_refused(hub, &packets, &bytes, &err) == 0 && packets == 1, "%s", err.text);
    remove_hub();
}

static uint64_t refused_of(int hub, uint32_t address)
{
    cleanup_free struct nft_counted *counted = NULL;
    const struct nft_counted *found = NULL;
    size_t count = 0;

    cr_assert(hub_refused_of(hub, &counted, &count, &err) == 0, "%s", err.text);
    found = nft_sources_find(counted, count, address);
    return found != NULL ? found->packets : 0;
}

/* It goes on when the network is reloaded, and begins anew with who gets the address next. */
Test(hub, counts_refusals_of_each_member_for_itself)
{
    cleanup_close int hub = ensure();
    cleanup_close int first = world_namespace();
    cleanup_close int agent = world_namespace();
    cleanup_close int next = world_namespace();
    cleanup_free struct hub_member *members = NULL;
    uint64_t packets = 0;
    uint64_t bytes = 0;
    size_t count = 0;

    attach(hub, first, "dashboard", "one");
    attach(hub, agent, "agent", "two");
    cr_assert(hub_members(hub, &members, &count, &err) == 0 && count == 3);
    for (unsigned port = 22; port < 25; port++)
        cr_expect_eq(world_connect(first, "10.250.7.2", (uint16_t)port), ECONNREFUSED);
    cr_expect_eq(world_connect(agent, "10.250.7.2", 22), ECONNREFUSED);
    reload(&USUAL);
    cr_expect_eq(world_connect(agent, "10.250.7.4", 22), ECONNREFUSED);
    cr_expect_eq(refused_of(hub, 0x0afa0704), 3);
    cr_expect_eq(refused_of(hub, members[2].address), 2);
    cr_assert(member_detach(hub, "one", &err) >= 0, "%s", err.text);
    attach(hub, next, "dashboard", "three");
    cr_expect_eq(refused_of(hub, 0x0afa0704), 0);
    cr_expect_eq(refused_of(hub, members[2].address), 2);
    cr_expect(hub_refused(hub, &packets, &bytes, &err) == 0 && packets == 5, "%s", err.text);
    remove_hub();
}

/* A forged source is in no count of the rules; without reverse path filtering it is in another member's. */
Test(hub, counts_forged_sources)
{
    cleanup_close int hub = ensure();
    cleanup_close int netns = world_namespace();
    uint64_t forged = 42;
    uint64_t packets = 42;
    uint64_t bytes = 0;

    attach(hub, netns, "dashboard", "one");
    cr_expect(hub_forged(hub, &forged, &err) == 0 && forged == 0, "%s", err.text);
    cr_assert_eq(world_run(netns, "ip addr add 10.250.7.99/32 dev sp0 && ip route replace 10.250.7.0/24 "
                                  "via 169.254.0.1 dev sp0 onlink src 10.250.7.99"),
                 0);
    cr_expect_eq(world_connect(netns, "10.250.7.2", 22), ETIMEDOUT);
    cr_expect(hub_forged(hub, &forged, &err) == 0 && forged > 0, "%s", err.text);
    cr_expect(hub_refused(hub, &packets, &bytes, &err) == 0 && packets == 0, "%s", err.text);
    cr_assert_eq(world_run(hub, "for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done"), 0);
    cr_expect_eq(world_connect(netns, "10.250.7.2", 22), ETIMEDOUT);
    cr_expect(hub_refused(hub, &packets, &bytes, &err) == 0 && packets > 0, "%s", err.text);
    remove_hub();
}

/* In a mount namespace of its own, where process 1 can be seen. Returns an exit status. */
static int use_the_first_mount_namespace(void)
{
    int hub = -1;

    if (unshare(CLONE_NEWNS) < 0 || mount("proc", "/proc", "proc", 0, NULL) < 0 ||
        mount("none", "/run", "tmpfs", 0, NULL) < 0)
        return 1;
    hub = hub_ensure(&policy, world_host(), &err);
    if (hub < 0)
        return 2;
    if (access("/run/netns", F_OK) == 0 || access("/run/sallyport", F_OK) == 0)
        return 3;
    if (access("/proc/1/root" PIN, F_OK) != 0 || access("/proc/1/root/run/sallyport/lock", F_OK) != 0)
        return 4;
    if (hub_remove(NETWORK, world_host(), &err) < 0)
        return 5;
    return access("/proc/1/root" PIN, F_OK) == 0 ? 6 : 0;
}

/* An engine in a mount namespace of its own must find the hub that everybody else finds. */
Test(hub, lives_in_the_first_mount_namespace)
{
    int status = 0;
    pid_t first = 0;
    pid_t second = 0;

    cr_assert(unshare(CLONE_NEWPID) == 0);
    first = fork();
    if (first == 0)
        for (;;)
            pause();
    second = fork();
    if (second == 0)
        _exit(use_the_first_mount_namespace());
    cr_assert(waitpid(second, &status, 0) == second);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x: %s", (unsigned)status, err.text);
    expect_clean_host();
    world_stop(first);
}
